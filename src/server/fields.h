/* fields.h: going through messages in order with the header fields that SORT and THREAD compare, from the structures a store
 * keeps or from headers.
 */
#ifndef PH_SERVER_FIELDS_H
#define PH_SERVER_FIELDS_H

#include "server/search.h"

enum field { FIELD_DATE, FIELD_SUBJECT, FIELD_FROM, FIELD_TO, FIELD_CC, FIELD_MESSAGE_ID, FIELD_REFERENCES, FIELD_IN_REPLY_TO, FIELDS };

struct fields {
    const struct message *m;
    const struct ph_structure *structure; /* NULL: the raw values below */
    struct ph_str value[FIELDS];          /* NIL: absent. At most 64 KiB of References, 16 KiB of others */
};

/* Calls `each` for the messages of uids, ascending; those that are gone are left out. want: bits 1 << FIELD_…, 0: nothing is read. scan:
 * PH_WANT_DATE and PH_WANT_SIZE, found in m. */
int fields_each(struct search *q, const struct ph_numset *uids, unsigned want, uint32_t scan,
                int (*each)(void *ctx, const struct fields *f, struct ph_err *err), void *ctx, struct ph_err *err);
/* The sent date (RFC 5256 2.2): of the Date field, else the internal date. */
int64_t fields_sent(const struct fields *f);

#endif
