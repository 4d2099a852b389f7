#include "cli/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

#include "wire/utf8.h"

void ph_text_add(struct ph_buf *out, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : ph_buf_reserve(out, (size_t)n + 1);
    if (!p)
        return;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    ph_buf_commit(out, (size_t)n);
}

void ph_text_spaces(struct ph_buf *out, size_t n)
{
    while (n--)
        ph_buf_add_char(out, ' ');
}

static bool harmless(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029 && !(c >= 0x202a && c <= 0x202e) &&
           !(c >= 0x2066 && c <= 0x2069) && c != 0x200e && c != 0x200f && c != 0x061c && c != 0xfeff;
}

void ph_text_clean_str(struct ph_buf *out, struct ph_str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &c);
        if (len && harmless(c))
            ph_buf_add(out, s.p + i, len);
        else
            ph_buf_add(out, "\xef\xbf\xbd", 3);
        i += len ? len : 1;
    }
}

void ph_text_clean(struct ph_buf *out, const char *s)
{
    if (s)
        ph_text_clean_str(out, ph_str(s));
}

static size_t columns_of(uint32_t c)
{
    int w = utf8proc_charwidth((utf8proc_int32_t)c);
    return w > 0 ? (size_t)w : 0;
}

size_t ph_text_width(struct ph_str s)
{
    size_t width = 0;

    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &c);
        width += len ? columns_of(c) : 1;
        i += len ? len : 1;
    }
    return width;
}

/* How many octets of s fit into `columns`, whole characters with their combining marks; *used says how many columns. */
static size_t octets_in(struct ph_str s, size_t columns, size_t *used)
{
    size_t i = 0;

    *used = 0;
    while (i < s.n) {
        uint32_t c;
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &c);
        size_t w = len ? columns_of(c) : 1;
        if (*used + w > columns)
            break;
        *used += w;
        i += len ? len : 1;
    }
    return i;
}

/* Where the last characters of s begin that fit into `columns`. */
static size_t tail_of(struct ph_str s, size_t columns, size_t *used)
{
    size_t start = s.n;

    *used = 0;
    while (start > 0) {
        size_t at = start - 1;
        while (at > 0 && ((unsigned char)s.p[at] & 0xc0) == 0x80)
            at--;
        size_t w = ph_text_width((struct ph_str){ s.p + at, start - at });
        if (*used + w > columns)
            break;
        *used += w;
        start = at;
    }
    return start;
}

void ph_text_fit(struct ph_buf *out, const char *s, size_t columns, bool right)
{
    struct ph_buf clean = PH_BUF_INIT;

    ph_text_clean(&clean, s);
    struct ph_str t = ph_buf_str(&clean);
    size_t width = ph_text_width(t);
    if (width <= columns) {
        if (right)
            ph_text_spaces(out, columns - width);
        ph_buf_add_str(out, t);
        if (!right)
            ph_text_spaces(out, columns - width);
    } else if (columns > 0) {
        size_t head_used, tail_used;
        size_t head = octets_in(t, (columns - 1) / 2, &head_used);
        size_t tail = tail_of(t, columns - 1 - head_used, &tail_used);
        ph_buf_add(out, t.p, head);
        ph_buf_add_z(out, "\xe2\x80\xa6");
        ph_buf_add(out, t.p + tail, t.n - tail);
        ph_text_spaces(out, columns - 1 - head_used - tail_used);
    }
    ph_buf_done(&clean);
}

void ph_text_wrap(struct ph_buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    bool first = true;

    while (*text) {
        size_t n = strcspn(text, " ");
        size_t w = ph_text_width((struct ph_str){ text, n });
        if (!first && at + 1 + w > width) {
            ph_buf_add_char(out, '\n');
            ph_text_spaces(out, indent);
            at = indent;
        } else if (!first) {
            ph_buf_add_char(out, ' ');
            at++;
        }
        ph_buf_add(out, text, n);
        at += w;
        first = false;
        text += n;
        text += strspn(text, " ");
    }
}

void ph_text_number(struct ph_buf *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            ph_buf_add_char(out, ',');
        ph_buf_add_char(out, digits[i]);
    }
}

void ph_text_count(struct ph_buf *out, uint64_t n, const char *one, const char *many)
{
    ph_text_number(out, n);
    ph_buf_add_char(out, ' ');
    ph_buf_add_z(out, n == 1 ? one : many);
}

void ph_text_bytes(struct ph_buf *out, uint64_t n)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double v = (double)n;
    size_t u = 0;

    /* 999.95 would be printed as 1000.0 */
    while (v >= (u ? 999.95 : 1000) && u + 1 < sizeof units / sizeof *units) {
        v /= 1000;
        u++;
    }
    if (u == 0)
        ph_text_add(out, "%llu B", (unsigned long long)n);
    else
        ph_text_add(out, v < 10 ? "%.2f %s" : "%.1f %s", v, units[u]);
}

void ph_text_duration(struct ph_buf *out, int64_t ms)
{
    unsigned long long s = ms < 0 ? 0 : (unsigned long long)(ms / 1000);

    if (s >= 3600)
        ph_text_add(out, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        ph_text_add(out, "%llu:%02llu", s / 60, s % 60);
}
