/* Number sets as text: RFC 9051 9 sequence-set and uid-set. */
#include "wire/numset.h"

#include <stdlib.h>

struct cursor {
    const char *p, *end;
};

/* One seq-number. `*` is `star` when that is not 0. Returns 0 when there is none. */
static uint32_t take_number(struct cursor *c, uint32_t star)
{
    if (c->p < c->end && *c->p == '*') {
        c->p++;
        return star;
    }
    const char *begin = c->p;
    uint64_t v = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && v <= UINT32_MAX)
        v = v * 10 + (uint64_t)(*c->p++ - '0');
    return c->p == begin || v > UINT32_MAX ? 0 : (uint32_t)v;
}

/* One part between commas, ends as written. -1 when it is not one. */
static int take_range(struct cursor *c, uint32_t star, struct ph_range *r)
{
    r->first = take_number(c, star);
    if (r->first == 0)
        return -1;
    r->last = r->first;
    if (c->p < c->end && *c->p == ':') {
        c->p++;
        r->last = take_number(c, star);
        if (r->last == 0)
            return -1;
    }
    if (c->p < c->end) {
        if (*c->p != ',')
            return -1;
        if (++c->p == c->end)
            return -1;
    }
    if (r->first > r->last)
        *r = (struct ph_range){ r->last, r->first };
    return 0;
}

static int bad_set(struct ph_err *err, struct ph_str text)
{
    struct ph_str shown = text.n > 40 ? (struct ph_str){ text.p, 40 } : text;

    for (size_t i = 0; i < shown.n; i++)
        if ((unsigned char)shown.p[i] < 32 || (unsigned char)shown.p[i] > 126)
            shown.n = i;
    return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "not a set of numbers: \"%.*s\"", PH_FMT(shown));
}

int ph_numset_parse(struct ph_numset *s, struct ph_str text, uint32_t star, size_t max_ranges, struct ph_err *err)
{
    struct ph_numset got = PH_NUMSET_INIT; /* *s stays as it is until the text is known to be good */
    struct cursor c = { text.p, text.p + text.n };
    size_t parts = 0;
    struct ph_range r;

    if (text.n == 0)
        return bad_set(err, text);
    while (c.p < c.end) {
        int bad = take_range(&c, star, &r);
        if (bad || ++parts > max_ranges) {
            ph_numset_done(&got);
            return bad ? bad_set(err, text)
                       : ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "more than %zu ranges in a set of numbers",
                                 max_ranges);
        }
        if (ph_numset_push(&got, r.first, r.last))
            goto memory;
    }
    ph_numset_sort(&got);
    if (s->n == 0) {
        struct ph_numset t = *s;
        *s = got;
        got = t;
    } else if (ph_numset_add_set(s, &got)) {
        goto memory;
    }
    ph_numset_done(&got);
    return 0;
memory:
    ph_numset_done(&got);
    return ph_fail_memory(err);
}

static int add_range_text(struct ph_range r, struct ph_buf *out)
{
    if (ph_buf_add_u64(out, r.first))
        return -1;
    if (r.first == r.last)
        return 0;
    return ph_buf_add_char(out, ':') || ph_buf_add_u64(out, r.last) ? -1 : 0;
}

int ph_numset_format(const struct ph_numset *s, struct ph_buf *out)
{
    size_t from = 0;

    return ph_numset_format_part(s, &from, SIZE_MAX, out);
}

static size_t digits(uint32_t v)
{
    size_t n = 1;

    while (v >= 10) {
        v /= 10;
        n++;
    }
    return n;
}

int ph_numset_format_part(const struct ph_numset *s, size_t *from, size_t max_len, struct ph_buf *out)
{
    size_t used = 0;

    while (*from < s->n) {
        struct ph_range r = s->r[*from];
        size_t need = digits(r.first) + (r.first == r.last ? 0 : 1 + digits(r.last)) + (used ? 1 : 0);
        if (used && need > max_len - used)
            break;
        if ((used && ph_buf_add_char(out, ',')) || add_range_text(r, out))
            return -1;
        ++*from;
        used += need;
        if (used >= max_len)
            break;
    }
    return 0;
}

int ph_uidlist_parse(struct ph_str text, size_t max, uint32_t **out, size_t *out_n, struct ph_err *err)
{
    struct ph_range r;
    uint64_t n = 0;

    *out = NULL;
    *out_n = 0;
    if (text.n == 0)
        return bad_set(err, text);
    for (struct cursor c = { text.p, text.p + text.n }; c.p < c.end;) {
        if (take_range(&c, 0, &r))
            return bad_set(err, text);
        n += (uint64_t)r.last - r.first + 1;
        if (n > max)
            return ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "more than %zu UIDs in a list", max);
    }
    uint32_t *list = malloc((size_t)n * sizeof *list), *p = list;
    if (!list)
        return ph_fail_memory(err);
    for (struct cursor c = { text.p, text.p + text.n }; c.p < c.end;) {
        take_range(&c, 0, &r);
        for (uint64_t u = r.first; u <= r.last; u++)
            *p++ = (uint32_t)u;
    }
    *out = list;
    *out_n = (size_t)n;
    return 0;
}
