/* utf8.h: UTF-8 one character at a time (RFC 3629 4: no overlong forms, no surrogates, at most U+10FFFF). */
#ifndef PH_WIRE_UTF8_H
#define PH_WIRE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The character at p, n octets being there: its length, or 0 when there is no valid one. */
static inline unsigned ph_utf8_get(const char *p, size_t n, uint32_t *cp)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char c = n ? (unsigned char)p[0] : 0xff;
    unsigned len = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;

    if (len == 0 || len > n)
        return 0;
    uint32_t v = len == 1 ? c : c & (0x7fu >> len);
    for (unsigned i = 1; i < len; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | ((unsigned char)p[i] & 0x3f);
    }
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *cp = v;
    return len;
}

static inline bool ph_utf8_valid(struct ph_str s)
{
    uint32_t cp;

    for (size_t i = 0; i < s.n;) {
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* Writes at most 4 octets, returns how many. cp is a valid character. */
static inline unsigned ph_utf8_put(uint32_t cp, char *out)
{
    unsigned char *o = (unsigned char *)out;

    if (cp < 0x80) {
        o[0] = (unsigned char)cp;
        return 1;
    }
    unsigned len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (unsigned i = len - 1; i > 0; i--, cp >>= 6)
        o[i] = (unsigned char)(0x80 | (cp & 0x3f));
    o[0] = (unsigned char)((0xf00u >> len) | cp);
    return len;
}

#endif
