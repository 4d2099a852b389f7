/* thread.h: THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256 3).
 *
 * Messages are added in the order of the mailbox; ids and base subjects are kept as keyed 64-bit hashes only. Time is
 * n log n in messages and references, whatever they say; nothing recurses. Memory: about 60 octets a message and 60 a
 * distinct id. More than 5 million distinct ids fail with PH_E_LIMIT. A msg-id without `@` is not valid. Owned by one thread.
 */
#ifndef PH_MAIL_THREAD_H
#define PH_MAIL_THREAD_H

#include "mail/identity.h"
#include "wire/writer.h"

#include <posthaste/err.h>

enum ph_thread_by { PH_THREAD_ORDEREDSUBJECT, PH_THREAD_REFERENCES };

struct ph_thread_message {
    uint32_t number;  /* what is written: sequence number or UID */
    int64_t date;     /* sent date in UTC, else the internal date (date.h) */
    struct ph_str subject, message_id, references, in_reply_to; /* raw values; NIL: no such field */
};

struct ph_thread;

/* key: random, so that nobody can make ids collide. */
struct ph_thread *ph_thread_new(enum ph_thread_by by, const struct ph_hash_key *key, struct ph_err *err);
void ph_thread_free(struct ph_thread *t);
int ph_thread_add(struct ph_thread *t, const struct ph_thread_message *m, struct ph_err *err);
/* After the last one. */
int ph_thread_finish(struct ph_thread *t, struct ph_err *err);
/* The thread-lists: `(2)(3 6 (4 23)(44 7 96))`; nothing when there is no message. */
void ph_thread_write(const struct ph_thread *t, struct ph_writer *w);

/* The next msg-id in a value: angle brackets, comments, white space and quoting off (RFC 5256 3: `<"a"@b>` is `<a@b>`). out is
 * cleared first. 1 found, 0 no more, -1 without memory. */
int ph_msgid_next(struct ph_str *rest, struct ph_buf *out);

#endif
