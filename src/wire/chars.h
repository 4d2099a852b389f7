/* chars.h: classes of octets in IMAP's grammar (RFC 9051 9), one table. */
#ifndef PH_WIRE_CHARS_H
#define PH_WIRE_CHARS_H

#include <stdbool.h>

#include "base/str.h"

enum {
    PH_C_ATOM = 1 << 0,    /* ATOM-CHAR */
    PH_C_ASTRING = 1 << 1, /* ASTRING-CHAR: ATOM-CHAR and `]` */
    PH_C_TAG = 1 << 2,     /* ASTRING-CHAR but `+` */
    PH_C_LIST = 1 << 3,    /* list-char: ASTRING-CHAR, `%` and `*` */
    PH_C_QUOTED = 1 << 4,  /* 7-bit, and may stand in a quoted string without a backslash */
    PH_C_DIGIT = 1 << 5,
};
extern const unsigned char ph_chars[256];

static inline bool ph_char_is(char c, int class)
{
    return ph_chars[(unsigned char)c] & class;
}

/* All of s, and s is not empty. */
static inline bool ph_chars_all(struct ph_str s, int class)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ph_char_is(s.p[i], class))
            return false;
    return s.n != 0;
}

#endif
