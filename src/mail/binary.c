#include "mail/binary.h"

#include <string.h>

#define CHUNK 16384

int ph_binary_init(struct ph_binary *b, enum ph_cte cte, uint64_t origin, uint64_t length, struct ph_err *err)
{
    memset(b, 0, sizeof *b);
    if (cte == PH_CTE_UNKNOWN) {
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_UNSUPPORTED, "the part has a transfer encoding that is not known");
        if (err)
            memcpy(err->code, "UNKNOWN-CTE", sizeof "UNKNOWN-CTE");
        return -1;
    }
    ph_decoder_init(&b->decoder, cte);
    b->origin = origin;
    b->length = length;
    return 0;
}

void ph_binary_done(struct ph_binary *b)
{
    ph_buf_done(&b->scratch);
}

bool ph_binary_full(const struct ph_binary *b)
{
    return b->sent == b->length || (b->size >= b->origin && b->size - b->origin >= b->length);
}

/* Decoded octets: those in the range go on. */
static int pass(struct ph_binary *b, struct ph_buf *out)
{
    struct ph_str s = ph_buf_str(&b->scratch);
    uint64_t at = b->size;

    b->size += s.n;
    if (at < b->origin) {
        uint64_t skip = b->origin - at < s.n ? b->origin - at : s.n;
        s.p += skip;
        s.n -= skip;
    }
    if (s.n > b->length - b->sent)
        s.n = b->length - b->sent;
    if (s.n) {
        b->nul |= memchr(s.p, 0, s.n) != NULL;
        b->sent += s.n;
        if (out)
            ph_buf_add_str(out, s);
    }
    ph_buf_clear(&b->scratch);
    return b->scratch.failed || (out && out->failed) ? -1 : 0;
}

int ph_binary_feed(struct ph_binary *b, const char *p, size_t n, struct ph_buf *out)
{
    while (n) {
        size_t take = n < CHUNK ? n : CHUNK;
        if (ph_decoder_feed(&b->decoder, p, take, &b->scratch) || pass(b, out))
            return -1;
        p += take;
        n -= take;
    }
    return 0;
}

int ph_binary_finish(struct ph_binary *b, struct ph_buf *out)
{
    return ph_decoder_finish(&b->decoder, &b->scratch) || pass(b, out) ? -1 : 0;
}
