/* casemap.c: i;unicode-casemap, RFC 5051 (subject.h). ASCII, which most text is, takes the short way. */
#include "mail/subject.h"

#include <stdint.h>
#include <utf8proc.h>

#include "wire/utf8.h"

/* ASCII at the front, in upper case, to out; returns how many octets. SIZE_MAX without memory. */
static size_t map_ascii(struct ph_str s, struct ph_buf *out)
{
    char *o = ph_buf_reserve(out, s.n);
    size_t i = 0;

    if (!o)
        return SIZE_MAX;
    for (; s.n - i >= 32; i += 32) { /* in steps that the compiler makes vectors of */
        unsigned char c[32], any = 0;
        memcpy(c, s.p + i, 32);
        for (size_t k = 0; k < 32; k++)
            any |= c[k];
        if (any & 0x80)
            break;
        for (size_t k = 0; k < 32; k++)
            c[k] = (unsigned char)(c[k] - ((unsigned char)(c[k] - 'a') < 26) * 32);
        memcpy(o + i, c, 32);
    }
    for (; i < s.n && (unsigned char)s.p[i] < 0x80; i++)
        o[i] = (char)ph_upper((unsigned char)s.p[i]);
    ph_buf_commit(out, i);
    return i;
}

/* Titlecase, then every decomposition (RFC 5051 2 (2)). */
static int map_char(uint32_t cp, struct ph_buf *out)
{
    utf8proc_int32_t to[32];
    int last = 0;
    /* UnicodeData.txt has no titlecase for the sharp s, utf8proc says U+1E9E */
    utf8proc_int32_t title = cp == 0xdf ? 0xdf : utf8proc_totitle((utf8proc_int32_t)cp);
    utf8proc_ssize_t n = utf8proc_decompose_char(title, to, 32, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last);

    if (n < 1 || n > 32) { /* the longest there is has 18 */
        to[0] = title;
        n = 1;
    }
    char *o = ph_buf_reserve(out, 4 * (size_t)n);
    size_t len = 0;
    if (!o)
        return -1;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        len += ph_utf8_put((uint32_t)to[i], o + len);
    ph_buf_commit(out, len);
    return 0;
}

int ph_casemap(struct ph_str s, struct ph_buf *out)
{
    size_t had = ph_buf_len(out);
    uint32_t cp;

    for (size_t i = 0; i < s.n;) {
        size_t ascii = map_ascii((struct ph_str){ s.p + i, s.n - i }, out);
        if (ascii == SIZE_MAX)
            return -1;
        i += ascii;
        while (i < s.n && (unsigned char)s.p[i] >= 0x80) {
            unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
            if (!len) { /* step (1)(b): as it is */
                out->tail -= ph_buf_len(out) - had;
                return ph_buf_add_str(out, s);
            }
            if (map_char(cp, out))
                return -1;
            i += len;
        }
    }
    return 0;
}

/* May more octets make a character of the n at p? */
static bool cut(const char *p, size_t n)
{
    unsigned char c = (unsigned char)p[0];
    size_t len = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 1;

    for (size_t i = 1; i < n && i < len; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return false;
    return n < len;
}

size_t ph_casemap_some(struct ph_str s, struct ph_buf *out)
{
    size_t i = 0;
    uint32_t cp;

    while (i < s.n) {
        size_t ascii = map_ascii((struct ph_str){ s.p + i, s.n - i }, out);
        if (ascii == SIZE_MAX)
            return SIZE_MAX;
        i += ascii;
        while (i < s.n && (unsigned char)s.p[i] >= 0x80) {
            unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
            if (!len && cut(s.p + i, s.n - i))
                return i;
            if (map_char(len ? cp : 0xfffd, out))
                return SIZE_MAX;
            i += len ? len : 1;
        }
    }
    return i;
}
