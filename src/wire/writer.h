/* writer.h: what we send. Commands are built from typed parts, never from a format string.
 *
 * The writer appends to its own buffer and remembers where a synchronising literal stops the flow: the octets
 * from syncs[i] on may go out only after the i-th continuation request (RFC 9051 7.6).
 */
#ifndef PH_WIRE_WRITER_H
#define PH_WIRE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "wire/numset.h"
#include "wire/response.h"

enum ph_literals {
    PH_LITERAL_SYNC,  /* {n} only */
    PH_LITERAL_MINUS, /* {n+} up to 4096 octets (RFC 7888 5) */
    PH_LITERAL_PLUS,  /* {n+} */
    PH_LITERAL_ANSWER, /* of a server: {n}, and nobody waits */
};

#define PH_WRITER_SYNCS 16

struct ph_writer {
    struct ph_buf out;
    enum ph_literals literals;
    bool utf8; /* UTF8=ACCEPT enabled: 8-bit may stand in quoted strings (RFC 6855) */
    size_t syncs[PH_WRITER_SYNCS];
    unsigned n_syncs;
    bool failed; /* memory, too many syncs, or a string with NUL: the command must not be sent */
};

void ph_writer_init(struct ph_writer *w, enum ph_literals literals);
void ph_writer_done(struct ph_writer *w);
void ph_writer_clear(struct ph_writer *w);

void ph_write_raw(struct ph_writer *w, const char *z);   /* protocol words of ours, never data */
void ph_write_char(struct ph_writer *w, char c);
void ph_write_u64(struct ph_writer *w, uint64_t v);
void ph_write_astring(struct ph_writer *w,
                      struct ph_str s); /* atom, quoted or literal: the shortest that is legal */
void ph_write_string(struct ph_writer *w, struct ph_str s);   /* quoted or literal */
void ph_write_nstring(struct ph_writer *w, struct ph_str s);  /* NIL for p == NULL */
/* A mailbox name given as UTF-8: modified UTF-7, or UTF-8 when `utf8`; INBOX as is. */
void ph_write_mailbox_utf8(struct ph_writer *w, struct ph_str name);
/* A name in the server's own bytes. */
void ph_write_mailbox_wire(struct ph_writer *w, struct ph_str name);
void ph_write_set(struct ph_writer *w, const struct ph_numset *s);
/* "dd-Mmm-yyyy hh:mm:ss +zzzz", quoted (date-time of RFC 9051 9); years outside 1..9999 fail. */
void ph_write_date_time(struct ph_writer *w, int64_t epoch, int zone_min);
/* `{n}` or `{n+}` and CRLF for a literal whose octets the caller sends itself: sets a sync when synchronising.
 * force_sync asks for {n} although LITERAL+ would allow more. */
void ph_write_literal_head(struct ph_writer *w, uint64_t n, bool force_sync);
void ph_write_crlf(struct ph_writer *w);

/* Flags that may be sent (RFC 9051 9 flag): one of the five system flags in any case, or an atom keyword. */
bool ph_flag_is_sendable(struct ph_str flag);
bool ph_is_atom(struct ph_str s);   /* 1*ATOM-CHAR */

#endif
