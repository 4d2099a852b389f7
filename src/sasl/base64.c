/* base64.c: RFC 4648 section 4, strict: what decodes has exactly one encoding. */
#include "sasl/sasl.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int ph_base64_encode(struct ph_str in, struct ph_buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t need = (in.n + 2) / 3 * 4, left = in.n;
    char *to;

    if (need == 0)
        return 0;
    to = ph_buf_reserve(out, need);
    if (!to)
        return -1;
    for (; left >= 3; left -= 3, p += 3) {
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *to++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *to++ = alphabet[p[2] & 63];
    }
    if (left) {
        unsigned b1 = left == 2 ? p[1] : 0;
        *to++ = alphabet[p[0] >> 2];
        *to++ = alphabet[(p[0] & 3u) << 4 | b1 >> 4];
        *to++ = left == 2 ? alphabet[(b1 & 15) << 2] : '=';
        *to++ = '=';
    }
    ph_buf_commit(out, need);
    return 0;
}

static int value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int ph_base64_decode(struct ph_str in, struct ph_buf *out)
{
    size_t pad = 0, n;
    char *to;

    if (in.n % 4)
        return -1;
    if (in.n == 0)
        return 0;
    if (in.p[in.n - 1] == '=')
        pad = in.p[in.n - 2] == '=' ? 2 : 1;
    n = in.n / 4 * 3 - pad;
    to = ph_buf_reserve(out, n);
    if (!to)
        return -1;
    uint32_t bits = 0;
    size_t put = 0;
    for (size_t i = 0; i < in.n; i++) {
        int v = i < in.n - pad ? value((unsigned char)in.p[i]) : 0;
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8) {
            unsigned char b = (unsigned char)(bits >> shift);
            if (put < n)
                to[put++] = (char)b;
            else if (b)
                return -1; /* bits behind the end */
        }
        bits = 0;
    }
    ph_buf_commit(out, n);
    return 0;
}
