/* binary.h: the content of a part without its transfer encoding (BINARY, RFC 3516), whole or a part of it, as a stream.
 *
 * A literal is announced with its size, so a part is read twice: once to measure, once to send. Both see the same octets,
 * in whatever pieces. Owned by one thread.
 */
#ifndef PH_MAIL_BINARY_H
#define PH_MAIL_BINARY_H

#include <posthaste/err.h>

#include "mail/decode.h"

struct ph_binary {
    uint64_t size; /* decoded octets so far; at the end what BINARY.SIZE says */
    uint64_t sent; /* of them within the range asked for: the size of the literal */
    bool nul;      /* a NUL was in the range: it must be a literal8 */
    /* private */
    struct ph_decoder decoder;
    uint64_t origin, length;
    struct ph_buf scratch;
};

/* The range counts decoded octets; everything: origin 0, length UINT64_MAX. -1 when the encoding is not known: kind
 * PH_E_UNSUPPORTED, code "UNKNOWN-CTE", to be said in the NO. */
int ph_binary_init(struct ph_binary *b, enum ph_cte cte, uint64_t origin, uint64_t length, struct ph_err *err);
void ph_binary_done(struct ph_binary *b);
/* n octets more of the encoded body; what falls into the range is added to out (NULL: measuring). At most n + 1100 octets. */
int ph_binary_feed(struct ph_binary *b, const char *p, size_t n, struct ph_buf *out);
int ph_binary_finish(struct ph_binary *b, struct ph_buf *out);
/* The range is complete: more octets would only count for size. */
bool ph_binary_full(const struct ph_binary *b);

#endif
