/* The cursor: what an argument may be, RFC 9051 9. */
#include "wire/args.h"

#include <stdio.h>

#include "wire/chars.h"
#include "wire/datetime.h"

struct ph_args ph_args_of(const struct ph_args *parent, const struct ph_arg *list)
{
    struct ph_args c = *parent;

    c.list = list;
    c.i = 0;
    return c;
}

int ph_args_fail(const struct ph_args *c, const char *what, struct ph_str got)
{
    size_t n = 0;

    while (n < got.n && n < 40 && got.p[n] >= 0x20 && got.p[n] < 0x7f)
        n++;
    if (n == 0)
        return ph_fail(c->err, PH_SCOPE_NONE, PH_E_PROTOCOL, "%s", what);
    return ph_fail(c->err, PH_SCOPE_NONE, PH_E_PROTOCOL, "%s: %.*s", what, (int)n, got.p);
}

static int expected(const struct ph_args *c, const char *what, struct ph_str got)
{
    char text[80];

    snprintf(text, sizeof text, "expected %s", what);
    return ph_args_fail(c, text, got);
}

bool ph_args_at_list(const struct ph_args *c)
{
    const struct ph_arg *a = ph_args_peek(c);

    return a && a->type == PH_A_LIST;
}

bool ph_args_word(struct ph_args *c, const char *word)
{
    const struct ph_arg *a = ph_args_peek(c);

    if (!a || a->type != PH_A_ATOM || a->glued || !ph_str_caseis(a->text, word))
        return false;
    c->i++;
    return true;
}

int ph_args_next(struct ph_args *c, const char *what, const struct ph_arg **a)
{
    *a = ph_args_peek(c);
    if (!*a)
        return expected(c, what, PH_STR(""));
    if ((*a)->glued)
        return ph_args_fail(c, "a blank is missing before", (*a)->text);
    c->i++;
    return 0;
}

int ph_args_list(struct ph_args *c, const char *what, struct ph_args *inside)
{
    const struct ph_arg *a;

    if (ph_args_next(c, what, &a))
        return -1;
    if (a->type != PH_A_LIST)
        return expected(c, what, a->text);
    if (a->unclosed)
        return ph_args_fail(c, "a list without its end", PH_STR(""));
    *inside = ph_args_of(c, a);
    return 0;
}

static int take_text(struct ph_args *c, const char *what, int class, bool atoms, bool strings, struct ph_str *s)
{
    const struct ph_arg *a;

    if (ph_args_next(c, what, &a))
        return -1;
    *s = a->text;
    switch (a->type) {
    case PH_A_ATOM:
        return atoms && ph_chars_all(a->text, class) ? 0 : expected(c, what, a->text);
    case PH_A_LITERAL8: /* an octet string is none of these */
    case PH_A_LIST:
        return expected(c, what, PH_STR(""));
    default:
        return strings && a->stream < 0 ? 0 : expected(c, what, PH_STR(""));
    }
}

int ph_args_atom(struct ph_args *c, const char *what, struct ph_str *s)
{
    return take_text(c, what, PH_C_ATOM, true, false, s);
}

int ph_args_astring(struct ph_args *c, const char *what, struct ph_str *s)
{
    return take_text(c, what, PH_C_ASTRING, true, true, s);
}

int ph_args_string(struct ph_args *c, const char *what, struct ph_str *s)
{
    return take_text(c, what, 0, false, true, s);
}

int ph_args_nstring(struct ph_args *c, const char *what, struct ph_str *s)
{
    if (!ph_args_word(c, "NIL"))
        return ph_args_string(c, what, s);
    *s = PH_STR_NIL;
    return 0;
}

int ph_args_mailbox(struct ph_args *c, struct ph_str *name)
{
    if (ph_args_astring(c, "a mailbox name", name))
        return -1;
    if (ph_str_caseis(*name, "INBOX"))
        *name = PH_STR("INBOX");
    return 0;
}

int ph_args_list_mailbox(struct ph_args *c, struct ph_str *name)
{
    return take_text(c, "a mailbox pattern", PH_C_LIST, true, true, name);
}

int ph_args_number64(struct ph_args *c, const char *what, uint64_t *v)
{
    struct ph_str s;
    uint64_t n = 0;

    if (ph_args_atom(c, what, &s))
        return -1;
    if (!ph_chars_all(s, PH_C_DIGIT))
        return expected(c, what, s);
    for (size_t i = 0; i < s.n; i++) {
        if (n > (INT64_MAX - (uint64_t)(s.p[i] - '0')) / 10)
            return ph_args_fail(c, "a number that is too large", s);
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *v = n;
    return 0;
}

int ph_args_number(struct ph_args *c, const char *what, uint32_t *v)
{
    uint64_t n;

    if (ph_args_number64(c, what, &n))
        return -1;
    if (n > UINT32_MAX)
        return ph_args_fail(c, "a number that is too large", c->list->items[c->i - 1].text);
    *v = (uint32_t)n;
    return 0;
}

int ph_args_flag(struct ph_args *c, struct ph_str *flag)
{
    const struct ph_arg *a;

    if (ph_args_next(c, "a flag", &a))
        return -1;
    *flag = a->text;
    struct ph_str name = a->text;
    if (a->type == PH_A_ATOM && name.p[0] == '\\')
        name = (struct ph_str){ name.p + 1, name.n - 1 };
    if (a->type != PH_A_ATOM || !ph_chars_all(name, PH_C_ATOM))
        return expected(c, "a flag", a->text);
    return 0;
}

int ph_args_flags(struct ph_args *c, struct ph_words *flags)
{
    struct ph_args in;
    size_t cap = 0;

    *flags = (struct ph_words){ 0 };
    if (ph_args_list(c, "a list of flags", &in))
        return -1;
    while (ph_args_more(&in)) {
        flags->w = ph_args_grow(c, flags->w, flags->n, &cap, sizeof *flags->w);
        if (!flags->w || ph_args_flag(&in, &flags->w[flags->n++]))
            return -1;
    }
    return 0;
}

int ph_args_date(struct ph_args *c, int64_t *days)
{
    const struct ph_arg *a;

    if (ph_args_next(c, "a date", &a))
        return -1;
    if ((a->type != PH_A_ATOM && a->type != PH_A_QUOTED) || !ph_date_parse(a->text, days))
        return expected(c, "a date such as 1-Feb-1994", a->text);
    return 0;
}

int ph_args_date_time(struct ph_args *c, int64_t *epoch, int *zone_min)
{
    const struct ph_arg *a;

    if (ph_args_next(c, "a date and time", &a))
        return -1;
    if (a->type != PH_A_QUOTED || !ph_date_time_parse(a->text, epoch, zone_min))
        return expected(c, "a date and time such as \" 7-Feb-1994 21:52:25 -0800\"", a->text);
    return 0;
}

int ph_args_end(struct ph_args *c)
{
    const struct ph_arg *a = ph_args_peek(c);

    return a ? ph_args_fail(c, "an argument too many", a->text) : 0;
}

/* nz-number has no leading zero. */
static bool has_leading_zero(struct ph_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '0' && (i == 0 || !ph_char_is(s.p[i - 1], PH_C_DIGIT)))
            return true;
    return false;
}

int ph_args_set_text(const struct ph_args *c, struct ph_str text, struct ph_seqset *set)
{
    struct ph_numset s = PH_NUMSET_INIT;

    *set = (struct ph_seqset){ .text = text, .saved = ph_str_is(text, "$") };
    if (set->saved)
        return 0;
    if (text.n == 0 || has_leading_zero(text))
        return expected(c, "a set of message numbers", text);
    set->star = memchr(text.p, '*', text.n) != NULL;
    int rc = ph_numset_parse(&s, text, UINT32_MAX, c->limits->ranges, c->err);
    ph_numset_done(&s);
    if (rc && c->err && c->err->kind == PH_E_PROTOCOL)
        return expected(c, "a set of message numbers", text);
    if (rc && c->err)
        c->err->scope = PH_SCOPE_NONE;
    return rc;
}

int ph_args_set(struct ph_args *c, struct ph_seqset *set)
{
    const struct ph_arg *a;

    if (ph_args_next(c, "a set of message numbers", &a))
        return -1;
    if (a->type != PH_A_ATOM)
        return expected(c, "a set of message numbers", PH_STR(""));
    return ph_args_set_text(c, a->text, set);
}

void *ph_args_grow(const struct ph_args *c, void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t want = *cap ? *cap * 2 : 4;
    void *bigger = ph_arena_alloc(c->arena, want * size);
    if (!bigger) {
        ph_fail_memory(c->err);
        return NULL;
    }
    if (n)
        memcpy(bigger, array, n * size);
    *cap = want;
    return bigger;
}
