/* header.h: the fields of a header block one after the other, and a subset of them as they stream by (HEADER.FIELDS of
 * RFC 9051 6.4.5.1). Any damage is taken; line ends are CRLF or LF. Nothing here allocates by what a peer sends, but for
 * the name of one field (at most 998 octets). Owned by one thread.
 */
#ifndef PH_MAIL_HEADER_H
#define PH_MAIL_HEADER_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "base/str.h"

struct ph_header_iter {
    const char *p, *end;
};

void ph_header_begin(struct ph_header_iter *it, struct ph_str header);
/* The next field: its name (blanks before the colon are off) and its value as it stands, folds included, without the last line
 * end. Lines that are no field are passed over. false at the empty line and at the end. Borrowed. */
bool ph_header_next(struct ph_header_iter *it, struct ph_str *name, struct ph_str *value);
/* The value on one line, added to out: folds off (RFC 5322 2.2.3), trimmed; NUL becomes `?`, a CR or LF that is no
 * fold a blank. What ENVELOPE shows. -1 without memory. */
int ph_header_unfold(struct ph_str raw, struct ph_buf *out);

struct ph_fields_pick {
    bool negate;
    /* private */
    struct ph_str *names; /* sorted, borrowed texts */
    size_t n_names;
    struct ph_buf line; /* the name in hand */
    enum { PICK_NAME, PICK_COPY, PICK_DROP, PICK_END } state;
    bool at_line; /* nothing of this line has been seen */
    bool keep;    /* the field in hand is wanted */
};

/* The names (any case) are borrowed until _done. negate: HEADER.FIELDS.NOT. */
int ph_fields_pick_init(struct ph_fields_pick *f, const struct ph_str *names, size_t n, bool negate, struct ph_err *err);
void ph_fields_pick_done(struct ph_fields_pick *f);
/* n octets more of the header, in pieces of any size; what belongs to the subset is added to out, so at most a name longer
 * than what came in. The empty line belongs to it (RFC 9051 6.4.5.1); what follows it does not. -1 without memory. */
int ph_fields_pick_feed(struct ph_fields_pick *f, const char *p, size_t n, struct ph_buf *out);
int ph_fields_pick_finish(struct ph_fields_pick *f, struct ph_buf *out);

#endif
