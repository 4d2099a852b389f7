/* mime_param.c: the grammar of Content-Type and its like: RFC 2045 5.1, RFC 2231, with comments (RFC 5322 3.2.2). */
#include "mail/mime.h"

#include <string.h>

struct scan {
    const char *p, *end;
};

static void skip_comment(struct scan *s)
{
    int depth = 0;

    for (; s->p < s->end; s->p++) {
        if (*s->p == '\\' && s->p + 1 < s->end)
            s->p++;
        else if (*s->p == '(')
            depth++;
        else if (*s->p == ')' && --depth == 0) {
            s->p++;
            return;
        }
    }
}

static void skip_blank(struct scan *s)
{
    while (s->p < s->end) {
        if (*s->p == '(')
            skip_comment(s);
        else if (*s->p == ' ' || (*s->p >= '\t' && *s->p <= '\r'))
            s->p++;
        else
            break;
    }
}

static bool token_char(char c)
{
    return (unsigned char)c > ' ' && c != 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct ph_str token(struct scan *s)
{
    const char *from = s->p;

    while (s->p < s->end && token_char(*s->p))
        s->p++;
    return (struct ph_str){ from, (size_t)(s->p - from) };
}

bool ph_mime_type(struct ph_str value, struct ph_str *type, struct ph_str *subtype)
{
    struct scan s;

    if (!value.n) /* also NIL, to which nothing may be added */
        return false;
    s = (struct scan){ value.p, value.p + value.n };
    skip_blank(&s);
    *type = token(&s);
    skip_blank(&s);
    if (!type->n || s.p == s.end || *s.p++ != '/')
        return false;
    skip_blank(&s);
    *subtype = token(&s);
    return subtype->n > 0;
}

/* Past the next `;` that is not quoted. */
static bool next_param(struct scan *s)
{
    bool quoted = false;

    for (; s->p < s->end; s->p++) {
        if (*s->p == '\\' && quoted && s->p + 1 < s->end)
            s->p++;
        else if (*s->p == '"')
            quoted = !quoted;
        else if (*s->p == ';' && !quoted) {
            s->p++;
            return true;
        }
    }
    return false;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int add_octet(struct ph_buf *out, struct scan *s, bool percent)
{
    char c = *s->p++;

    if (percent && c == '%' && s->end - s->p >= 2 && hex(s->p[0]) >= 0 && hex(s->p[1]) >= 0) {
        c = (char)(hex(s->p[0]) << 4 | hex(s->p[1]));
        s->p += 2;
    }
    return ph_buf_add_char(out, c);
}

/* The value at s. `first`: with RFC 2231's charset and language in front, which are dropped. */
static int param_value(struct scan *s, bool percent, bool first, struct ph_buf *out)
{
    bool quoted = s->p < s->end && *s->p == '"';
    int failed = 0;

    s->p += quoted;
    if (percent && first) {
        const char *tick = memchr(s->p, '\'', (size_t)(s->end - s->p));
        const char *stop = memchr(s->p, quoted ? '"' : ';', (size_t)(s->end - s->p));
        const char *second = tick ? memchr(tick + 1, '\'', (size_t)(s->end - tick - 1)) : NULL;
        if (second && (!stop || second < stop))
            s->p = second + 1;
    }
    if (quoted) {
        while (s->p < s->end && *s->p != '"' && !failed) {
            if (*s->p == '\\' && s->p + 1 < s->end)
                s->p++;
            else if (*s->p == '\r' || *s->p == '\n') { /* a fold inside the quotes */
                s->p++;
                continue;
            }
            failed = add_octet(out, s, percent);
        }
        return failed;
    }
    /* unquoted: more than RFC 2045 allows, as it is written; up to blank, `;` or comment */
    while (s->p < s->end && !failed && (unsigned char)*s->p > ' ' && *s->p != ';' && *s->p != '(')
        failed = add_octet(out, s, percent);
    return failed;
}

/* Does `name` with its RFC 2231 tail (`*`, `*0`, `*0*`) stand at s? Takes it. */
static bool param_name(struct scan *s, const char *name, unsigned section, bool *percent, bool *numbered)
{
    struct scan t = *s;
    size_t n = strlen(name);

    skip_blank(&t);
    struct ph_str got = token(&t);
    if (got.n < n || !ph_str_caseeq((struct ph_str){ got.p, n }, ph_str(name)))
        return false;
    got.p += n;
    got.n -= n;
    *percent = *numbered = false;
    if (got.n && got.p[0] == '*') {
        unsigned v = 0;
        size_t i = 1;
        while (i < got.n && i < 6 && got.p[i] >= '0' && got.p[i] <= '9')
            v = v * 10 + (unsigned)(got.p[i++] - '0');
        *numbered = i > 1;
        if (i < got.n && got.p[i] == '*')
            i++, *percent = true;
        else if (i == 1)
            *percent = true;
        if (i != got.n || (*numbered ? v : 0) != section)
            return false;
    } else if (got.n || section) {
        return false;
    }
    skip_blank(&t);
    if (t.p == t.end || *t.p != '=')
        return false;
    t.p++;
    skip_blank(&t);
    *s = t;
    return true;
}

int ph_mime_param(struct ph_str value, const char *name, struct ph_buf *out)
{
    bool percent, numbered = true;
    unsigned section = 0;

    if (!value.n)
        return 0;
    /* sections in any order; each is looked for from the start, so their number is bounded */
    for (; numbered && section < 100; section++) {
        struct scan s = { value.p, value.p + value.n };
        bool found = false;
        while (!found && next_param(&s))
            found = param_name(&s, name, section, &percent, &numbered);
        if (!found)
            return section > 0;
        if (param_value(&s, percent, section == 0, out))
            return -1;
    }
    return 1;
}
