/* repair.h: a message that a server refused, changed as little as makes it acceptable.
 *
 * A filter over streaming octets. An APPEND says the size before the octets, so the source is read twice: once to
 * measure, once to apply; both must see the same octets in whatever pieces. Owned by one thread.
 *
 *   CRLF        bare LF and bare CR become CRLF, and the last line gets its line end
 *   NUL         NUL becomes 0x80, as Dovecot does it: no octet moves, and an audit can prove it
 *   LONG_LINES  a line of more than `width` octets is broken by CRLF, in the header by CRLF and a blank; UTF-8 characters
 *               stay whole. That breaks signatures: never done unasked
 */
#ifndef PH_MAIL_REPAIR_H
#define PH_MAIL_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum ph_repair { PH_REPAIR_NONE = 0, PH_REPAIR_CRLF = 1, PH_REPAIR_NUL = 2, PH_REPAIR_LONG_LINES = 4, PH_REPAIR_ALL = 7 };

#define PH_REPAIR_WIDTH 998 /* RFC 5322 2.1.1 */

struct ph_repairer {
    unsigned what, width;
    unsigned did;     /* PH_REPAIR_*: what was really changed; 0: nothing, the octets are the same */
    uint64_t size;    /* octets that came out so far */
    /* private */
    struct ph_buf *out; /* NULL: measuring */
    bool after_cr, in_body;
    unsigned column;
    char character[4]; /* begun, and not complete */
    unsigned n_character, whole;
};

/* width: octets of a line without its line end; 0: PH_REPAIR_WIDTH. At least 10. */
void ph_repair_init(struct ph_repairer *r, unsigned what, unsigned width);
/* First pass. After the end `size` and `did` are final. */
void ph_repair_measure(struct ph_repairer *r, const char *p, size_t n);
void ph_repair_measure_end(struct ph_repairer *r);
/* Second pass, after another init: what comes out is added to out. -1 without memory. */
int ph_repair_apply(struct ph_repairer *r, const char *p, size_t n, struct ph_buf *out);
int ph_repair_apply_end(struct ph_repairer *r, struct ph_buf *out);

#endif
