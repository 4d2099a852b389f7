/* essence.h: what is left of a message when the way it is encoded and laid out does not count: chosen header fields, and the
 * decoded leaf parts in any order (differ.h). Owned by one thread.
 *
 * Text counts as UTF-8 with LF, without blanks at the ends of its lines and without empty lines at its end; other
 * content octet by octet. Empty parts do not count.
 */
#ifndef PH_MAIL_ESSENCE_H
#define PH_MAIL_ESSENCE_H

#include "mail/decode.h"
#include "mail/mime.h"

enum { ESSENCE_FIELDS = 5 }; /* Message-ID, Date, From, Subject, To */

struct essence {
    struct ph_mime mime;
    struct ph_buf field[ESSENCE_FIELDS]; /* normalised; empty: absent */
    unsigned char (*leaf)[32];
    size_t n_leaves, cap_leaves;
    /* of the part in hand */
    struct ph_decoder decoder;
    struct ph_buf decoded, text;
    void *md;
    bool is_text, overflow, any;
    size_t blanks, lines; /* held back: they go if nothing follows */
    bool after_cr;
};

int essence_init(struct essence *e, struct ph_err *err);
void essence_done(struct essence *e);
int essence_feed(struct essence *e, const char *p, size_t n, struct ph_err *err);
int essence_finish(struct essence *e, struct ph_err *err);
/* NULL: the same; else what is not: "header", "parts" (their number), "content". A field that only the destination has does not count:
 * servers add what they miss. */
const char *essence_compare(struct essence *src, struct essence *dst);

#endif
