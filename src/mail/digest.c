#include "mail/digest.h"

#include <openssl/evp.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LINE_MAX_OCTETS 998

struct masks { /* bit i: octet i of a block of 64 */
    uint64_t nul, lf, cr, high;
};

#ifdef __SSE2__
static inline struct masks masks_of(const char *p)
{
    const __m128i zero = _mm_setzero_si128(), lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r');
    struct masks m = { 0 };

    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        m.nul |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, zero)) << 16 * i;
        m.lf |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, lf)) << 16 * i;
        m.cr |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, cr)) << 16 * i;
        m.high |= (uint64_t)(unsigned)_mm_movemask_epi8(v) << 16 * i;
    }
    return m;
}
#else
static inline struct masks masks_of(const char *p)
{
    struct masks m = { 0 };

    for (int i = 0; i < 64; i++) {
        unsigned char c = (unsigned char)p[i];
        m.nul |= (uint64_t)(c == 0) << i;
        m.lf |= (uint64_t)(c == '\n') << i;
        m.cr |= (uint64_t)(c == '\r') << i;
        m.high |= (uint64_t)(c >> 7) << i;
    }
    return m;
}
#endif

/* n octets stand behind the masks (the bits above are 0). */
static inline void judge(struct ph_digest_set *d, const struct masks *m, unsigned n)
{
    /* an LF is expected behind each CR, and nowhere else */
    uint64_t expected = m->cr << 1 | (uint64_t)d->after_cr;
    uint64_t wrong = n < 64 ? (m->lf ^ expected) & ((UINT64_C(1) << n) - 1) : m->lf ^ expected;

    if (wrong)
        d->flags |= (wrong & m->lf ? PH_BYTES_BARE_LF : 0) | (wrong & expected ? PH_BYTES_BARE_CR : 0);
    if (m->nul)
        d->flags |= PH_BYTES_NUL;
    if (m->high)
        d->flags |= PH_BYTES_8BIT;
    if (m->lf) {
        unsigned first = (unsigned)__builtin_ctzll(m->lf), last = 63 - (unsigned)__builtin_clzll(m->lf);
        bool cr = first ? m->cr >> (first - 1) & 1 : d->after_cr;
        if (d->line + first - cr > LINE_MAX_OCTETS && d->line + first)
            d->flags |= PH_BYTES_LONG_LINE;
        d->line = n - last - 1;
    } else {
        d->line += n;
    }
    d->after_cr = m->cr >> (n - 1) & 1;
}

void ph_digest_scan(struct ph_digest_set *d, const char *p, size_t n)
{
    struct masks m;
    char rest[64];

    d->size += n;
    for (; n >= 64; p += 64, n -= 64) {
        m = masks_of(p);
        judge(d, &m, 64);
    }
    if (n == 0)
        return;
    memset(rest, ' ', sizeof rest);
    memcpy(rest, p, n);
    m = masks_of(rest);
    judge(d, &m, (unsigned)n);
}

void ph_digest_scan_end(struct ph_digest_set *d)
{
    if (d->after_cr)
        d->flags |= PH_BYTES_BARE_CR;
    if (d->line) {
        d->flags |= PH_BYTES_NO_FINAL_CRLF;
        if (d->line - d->after_cr > LINE_MAX_OCTETS)
            d->flags |= PH_BYTES_LONG_LINE;
    }
    d->after_cr = false;
    d->line = 0;
}

/* ---- with the hash ---- */

#define FRESH UINT64_MAX /* in line: the next add begins a message */

int ph_digest_init(struct ph_digest_set *d, struct ph_err *err)
{
    memset(d, 0, sizeof *d);
    d->md = EVP_MD_CTX_new();
    if (d->md && EVP_DigestInit_ex(d->md, EVP_sha256(), NULL) == 1)
        return 0;
    ph_digest_done(d);
    return ph_fail_memory(err);
}

void ph_digest_done(struct ph_digest_set *d)
{
    EVP_MD_CTX_free(d->md);
    memset(d, 0, sizeof *d);
}

static void refresh(struct ph_digest_set *d)
{
    if (d->line != FRESH)
        return;
    d->line = d->size = 0;
    d->flags = 0;
    EVP_DigestInit_ex(d->md, NULL, NULL);
}

void ph_digest_add(struct ph_digest_set *d, const char *p, size_t n)
{
    refresh(d);
    ph_digest_scan(d, p, n);
    EVP_DigestUpdate(d->md, p, n);
}

void ph_digest_end(struct ph_digest_set *d, unsigned char sha256[32])
{
    refresh(d);
    ph_digest_scan_end(d);
    EVP_DigestFinal_ex(d->md, sha256, NULL);
    d->line = FRESH;
}
