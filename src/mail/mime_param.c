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
        s->p += s->p < s->end;
        return failed;
    }
    /* unquoted: more than RFC 2045 allows, as it is written; up to blank, `;` or comment */
    while (s->p < s->end && !failed && (unsigned char)*s->p > ' ' && *s->p != ';' && *s->p != '(')
        failed = add_octet(out, s, percent);
    return failed;
}

struct section {
    struct scan at; /* its value; p NULL: not there */
    bool percent, numbered;
};

enum { SECTIONS = 100 };

/* The name at s, its `=` taken; false when there is none. */
static bool param_name(struct scan *s, struct ph_str *name)
{
    skip_blank(s);
    *name = token(s);
    skip_blank(s);
    if (!name->n || s->p == s->end || *s->p != '=')
        return false;
    s->p++;
    skip_blank(s);
    return true;
}

/* Is it `name` with an RFC 2231 tail (`*`, `*0`, `*0*`) or none? Which section: SECTIONS for no. */
static unsigned section_of(struct ph_str got, const char *name, struct section *out)
{
    size_t n = strlen(name), i = 1;
    unsigned v = 0;

    if (got.n < n || !ph_str_caseeq((struct ph_str){ got.p, n }, (struct ph_str){ name, n }))
        return SECTIONS;
    got.p += n;
    got.n -= n;
    out->percent = out->numbered = false;
    if (!got.n)
        return 0;
    if (got.p[0] != '*')
        return SECTIONS;
    while (i < got.n && i < 6 && got.p[i] >= '0' && got.p[i] <= '9')
        v = v * 10 + (unsigned)(got.p[i++] - '0');
    out->numbered = i > 1;
    if (i < got.n && got.p[i] == '*')
        i++, out->percent = true;
    else if (i == 1)
        out->percent = true;
    return i == got.n && v < SECTIONS ? v : SECTIONS;
}

int ph_mime_param(struct ph_str value, const char *name, struct ph_buf *out)
{
    struct section sections[SECTIONS] = { 0 }, one = { 0 };
    struct ph_str got;

    if (!value.n)
        return 0;
    struct scan s = { value.p, value.p + value.n };
    while (next_param(&s)) { /* sections come in any order, the first of each number counts */
        if (!param_name(&s, &got))
            continue;
        unsigned v = section_of(got, name, &one);
        one.at = s;
        if (v < SECTIONS && !sections[v].at.p)
            sections[v] = one;
    }
    for (unsigned v = 0; v < SECTIONS && sections[v].at.p; v++) {
        if (param_value(&sections[v].at, sections[v].percent, v == 0, out))
            return -1;
        if (!sections[v].numbered)
            break;
    }
    return sections[0].at.p != NULL;
}

int ph_mime_param_next(struct ph_str *rest, struct ph_str *name, struct ph_buf *value)
{
    if (!rest->n)
        return 0;
    struct scan s = { rest->p, rest->p + rest->n };
    int found = 0;
    while (!found && next_param(&s)) {
        if (!param_name(&s, name))
            continue;
        ph_buf_clear(value);
        found = param_value(&s, false, false, value) ? -1 : 1;
    }
    *rest = (struct ph_str){ s.p, (size_t)(s.end - s.p) };
    return found;
}
