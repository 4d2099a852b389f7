#include "mail/subject.h"

#include "mail/identity.h"

static bool starts(struct ph_str s, const char *word)
{
    return ph_str_caseprefix(s, word);
}

static struct ph_str behind(struct ph_str s, size_t n)
{
    return (struct ph_str){ s.p + n, s.n - n };
}

static struct ph_str skip_wsp(struct ph_str s)
{
    while (s.n && *s.p == ' ') /* tabs are blanks by now */
        s = behind(s, 1);
    return s;
}

/* subj-blob at the front: its length, 0: none. */
static size_t blob(struct ph_str s)
{
    size_t i = 1;

    if (!s.n || s.p[0] != '[')
        return 0;
    while (i < s.n && s.p[i] != '[' && s.p[i] != ']')
        i++;
    if (i == s.n || s.p[i] != ']')
        return 0;
    for (i++; i < s.n && s.p[i] == ' '; i++)
        ;
    return i;
}

/* subj-refwd at the front: its length, 0: none. */
static size_t refwd(struct ph_str s)
{
    size_t n = starts(s, "re") ? 2 : starts(s, "fwd") ? 3 : starts(s, "fw") ? 2 : 0;

    if (!n)
        return 0;
    struct ph_str rest = skip_wsp(behind(s, n));
    rest = behind(rest, blob(rest));
    return rest.n && *rest.p == ':' ? s.n - rest.n + 1 : 0;
}

/* Step (2). */
static struct ph_str drop_trailers(struct ph_str s, bool *reply)
{
    for (;;) {
        if (s.n && s.p[s.n - 1] == ' ') {
            s.n--;
        } else if (s.n >= 5 && starts((struct ph_str){ s.p + s.n - 5, 5 }, "(fwd)")) {
            s.n -= 5;
            *reply = true;
        } else {
            return s;
        }
    }
}

/* Steps (3) to (5). The blobs in front are looked at once: when no subj-refwd stands behind them, none does behind fewer. */
static struct ph_str drop_leaders(struct ph_str s, bool *reply)
{
    for (;;) {
        s = skip_wsp(s);
        struct ph_str rest = s, last = s;
        for (size_t n; (n = blob(rest)) > 0; rest = behind(rest, n))
            last = rest;
        size_t n = refwd(rest);
        if (!n)
            return rest.n ? rest : last; /* the last blob is the base when nothing else is left */
        s = behind(rest, n);
        *reply = true;
    }
}

int ph_subject_base(struct ph_str raw, struct ph_buf *out, bool *reply)
{
    struct ph_buf text = PH_BUF_INIT;
    bool mark = false;

    if (!raw.n || ph_header_decode(raw, &text)) {
        ph_buf_done(&text);
        if (reply)
            *reply = false;
        return raw.n ? -1 : 0;
    }
    struct ph_str s = ph_buf_str(&text);
    char *to = ph_buf_data(&text);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) { /* step (1) */
        char c = s.p[i] == '\t' || s.p[i] == '\r' || s.p[i] == '\n' ? ' ' : s.p[i];
        if (c != ' ' || n == 0 || to[n - 1] != ' ')
            to[n++] = c;
    }
    s.n = n;
    for (;;) {
        s = drop_leaders(drop_trailers(s, &mark), &mark);
        if (s.n < 6 || !starts(s, "[fwd:") || s.p[s.n - 1] != ']')
            break;
        s = (struct ph_str){ s.p + 5, s.n - 6 };
        mark = true;
    }
    if (reply)
        *reply = mark;
    int r = ph_buf_add_str(out, s);
    ph_buf_done(&text);
    return r;
}
