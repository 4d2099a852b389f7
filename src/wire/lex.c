#include "wire/lex.h"

#include "wire/chars.h"

void ph_lex_stop(struct ph_lex *l, enum ph_kind why)
{
    if (!l->stop)
        l->stop = why;
    l->p = l->end;
}

struct ph_str ph_lex_word(struct ph_lex *l)
{
    const char *begin = l->p;

    while (l->p < l->end && !ph_lex_is_blank(*l->p))
        l->p++;
    return (struct ph_str){ begin, (size_t)(l->p - begin) };
}

struct ph_str ph_lex_atom(struct ph_lex *l)
{
    const char *begin = l->p;

    while (l->p < l->end && *l->p != '(' && *l->p != ')' && !ph_lex_is_blank(*l->p))
        l->p++;
    return (struct ph_str){ begin, (size_t)(l->p - begin) };
}

struct ph_str ph_lex_rest(struct ph_lex *l)
{
    struct ph_str s = { l->p, (size_t)(l->end - l->p) };

    l->p = l->end;
    return s;
}

struct ph_str ph_lex_upper(struct ph_lex *l, struct ph_str s)
{
    size_t i = 0;

    while (i < s.n && ph_upper((unsigned char)s.p[i]) == (unsigned char)s.p[i])
        i++;
    if (i == s.n)
        return s;
    char *z = ph_arena_strdup(l->arena, s);
    if (!z) {
        ph_lex_stop(l, PH_E_MEMORY);
        return s;
    }
    for (; i < s.n; i++)
        z[i] = (char)ph_upper((unsigned char)z[i]);
    return (struct ph_str){ z, s.n };
}

/* The quoted string behind the opening quote, which has a backslash at `esc`: unescaped into the arena. A
 * backslash before anything but a quote or a backslash stands for itself: some servers do not escape. */
static struct ph_str unescape(struct ph_lex *l, const char *begin, const char *esc)
{
    const char *q = esc;
    size_t escapes = 0;

    while (q < l->end && *q != '"') {
        if (*q == '\\' && q + 1 < l->end && (q[1] == '"' || q[1] == '\\')) {
            escapes++;
            q++;
        }
        q++;
    }
    struct ph_str raw = { begin, (size_t)(q - begin) };
    l->p = q < l->end ? q + 1 : l->end;
    if (!escapes)
        return raw;
    char *z = ph_arena_alloc(l->arena, raw.n - escapes + 1), *o = z;
    if (!z) {
        ph_lex_stop(l, PH_E_MEMORY);
        return (struct ph_str){ "", 0 };
    }
    for (const char *s = begin; s < q; s++) {
        if (*s == '\\' && s + 1 < q && (s[1] == '"' || s[1] == '\\'))
            s++;
        *o++ = *s;
    }
    return (struct ph_str){ z, (size_t)(o - z) };
}

static struct ph_str take_quoted(struct ph_lex *l)
{
    const char *begin = l->p + 1;
    const char *quote = memchr(begin, '"', (size_t)(l->end - begin));
    const char *limit = quote ? quote : l->end;
    const char *esc = memchr(begin, '\\', (size_t)(limit - begin));

    if (esc)
        return unescape(l, begin, esc);
    l->p = quote ? quote + 1 : l->end;
    return (struct ph_str){ begin, (size_t)(limit - begin) };
}

/* `{n}` CRLF at `p`, the octets not included: what is behind, or NULL. */
static const char *literal_head(const char *p, const char *end, uint64_t *size)
{
    const char *q = p + 1;

    *size = 0;
    while (q < end && ph_char_is(*q, PH_C_DIGIT) && *size < UINT64_MAX / 16)
        *size = *size * 10 + (uint64_t)(*q++ - '0');
    if (q == p + 1)
        return NULL;
    if (q < end && *q == '+')
        q++;
    if (q == end || *q++ != '}')
        return NULL;
    if (q < end && *q == '\r')
        q++;
    if (q == end || *q++ != '\n')
        return NULL;
    return q;
}

static bool take_literal(struct ph_lex *l, struct ph_str *out, int *stream)
{
    const char *open = l->p + (*l->p == '~');
    uint64_t size;

    if (open == l->end || *open != '{')
        return false;
    const char *octets = literal_head(open, l->end, &size);
    if (!octets)
        return false;
    for (unsigned i = 0; i < l->n_streamed; i++)
        if (l->streamed[i].offset == (size_t)(l->p - l->base)) {
            if (stream)
                *stream = (int)i;
            *out = (struct ph_str){ octets, 0 };
            l->p = octets;
            return true;
        }
    if (size > (uint64_t)(l->end - octets))
        size = (uint64_t)(l->end - octets);
    *out = (struct ph_str){ octets, (size_t)size };
    l->p = octets + size;
    return true;
}

bool ph_lex_string(struct ph_lex *l, struct ph_str *out, int *stream)
{
    if (stream)
        *stream = -1;
    if (l->p == l->end)
        return false;
    if (*l->p == '"') {
        *out = take_quoted(l);
        return true;
    }
    return (*l->p == '{' || *l->p == '~') && take_literal(l, out, stream);
}

bool ph_lex_astring(struct ph_lex *l, struct ph_str *out, bool *quoted)
{
    bool is = ph_lex_string(l, out, NULL);

    if (quoted)
        *quoted = is;
    if (is)
        return true;
    *out = ph_lex_atom(l);
    return out->n != 0;
}

bool ph_str_u64(struct ph_str s, uint64_t *v)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(s.p[i] - '0');
        if (d > 9 || n > (UINT64_MAX - d) / 10)
            return false;
        n = n * 10 + d;
    }
    *v = n;
    return s.n != 0;
}

bool ph_lex_u64(struct ph_lex *l, uint64_t *v)
{
    const char *q = l->p;
    uint64_t n = 0;
    struct ph_str s;

    /* eighteen digits cannot overflow */
    while (q < l->end && q - l->p < 18 && (unsigned)(*q - '0') <= 9)
        n = n * 10 + (unsigned)(*q++ - '0');
    if (q > l->p && (q == l->end || *q == ' ' || *q == ')')) {
        l->p = q;
        *v = n;
        return true;
    }
    if (!ph_lex_astring(l, &s, NULL)) {
        struct ph_value skip;
        if (ph_lex_at(l, '('))
            ph_lex_value(l, &skip);
        return false;
    }
    return ph_str_u64(s, v);
}

bool ph_lex_u32(struct ph_lex *l, uint32_t *v)
{
    uint64_t n;

    if (!ph_lex_u64(l, &n) || n > UINT32_MAX)
        return false;
    *v = (uint32_t)n;
    return true;
}

void *ph_lex_grow(struct ph_lex *l, void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t want = *cap ? *cap * 2 : 4;
    void *bigger = ph_arena_alloc(l->arena, want * size);
    if (!bigger) {
        ph_lex_stop(l, PH_E_MEMORY);
        return NULL;
    }
    if (n)
        memcpy(bigger, array, n * size);
    *cap = want;
    return bigger;
}

/* The elements of a list and its `)`. */
static void take_list(struct ph_lex *l, struct ph_value *list)
{
    size_t cap = 0;

    list->type = PH_V_LIST;
    if (l->depth == 0) {
        ph_lex_stop(l, PH_E_LIMIT);
        return;
    }
    l->depth--;
    for (;;) {
        ph_lex_blanks(l);
        if (l->p == l->end || ph_lex_eat(l, ')'))
            break;
        struct ph_value v;
        if (!ph_lex_value(l, &v))
            break;
        struct ph_value *items = ph_lex_grow(l, list->items, list->n, &cap, sizeof *items);
        if (!items)
            break;
        list->items = items;
        items[list->n++] = v;
    }
    l->depth++;
}

bool ph_lex_value(struct ph_lex *l, struct ph_value *v)
{
    bool quoted;

    *v = (struct ph_value){ .type = PH_V_NIL };
    ph_lex_blanks(l);
    if (l->p == l->end || *l->p == ')' || !ph_lex_count(l))
        return false;
    if (ph_lex_eat(l, '(')) {
        take_list(l, v);
        return !l->stop;
    }
    if (!ph_lex_astring(l, &v->text, &quoted))
        return false;
    v->type = quoted ? PH_V_STRING : PH_V_ATOM;
    if (!quoted && ph_str_caseis(v->text, "NIL"))
        *v = (struct ph_value){ .type = PH_V_NIL };
    return true;
}

/* Most lists are short: they are gathered on the stack, and cost the arena their own size only. */
struct gather {
    struct ph_str few[24], *w;
    size_t n, cap;
};

static struct ph_str *gather_copy(struct ph_lex *l, const struct gather *g, size_t cap)
{
    struct ph_str *to = ph_arena_alloc(l->arena, cap * sizeof *to);

    if (to)
        memcpy(to, g->w, g->n * sizeof *to);
    else
        ph_lex_stop(l, PH_E_MEMORY);
    return to;
}

static bool gather_add(struct ph_lex *l, struct gather *g, struct ph_str s)
{
    if (!ph_lex_count(l))
        return false;
    if (g->n == g->cap) {
        struct ph_str *more = gather_copy(l, g, 2 * g->cap);
        if (!more)
            return false;
        g->w = more;
        g->cap *= 2;
    }
    g->w[g->n++] = s;
    return true;
}

static void gather_words(struct ph_lex *l, struct gather *g, unsigned depth, bool nil)
{
    struct ph_str s;
    bool quoted;

    while (!l->stop) {
        ph_lex_blanks(l);
        if (l->p == l->end)
            break;
        if (ph_lex_eat(l, ')')) {
            if (depth <= 1)
                break;
            depth--;
        } else if (ph_lex_eat(l, '(')) {
            if (++depth > l->depth)
                ph_lex_stop(l, PH_E_LIMIT);
        } else {
            if (!ph_lex_astring(l, &s, &quoted))
                break;
            if (!quoted && nil && ph_str_caseis(s, "NIL"))
                s = PH_STR_NIL;
            if (!gather_add(l, g, s))
                break;
        }
    }
}

void ph_lex_words(struct ph_lex *l, struct ph_words *w, bool nil)
{
    struct gather g;

    *w = (struct ph_words){ 0 };
    g.w = g.few;
    g.n = 0;
    g.cap = sizeof g.few / sizeof *g.few;
    ph_lex_blanks(l);
    bool list = ph_lex_eat(l, '(');
    gather_words(l, &g, list, nil);
    if (!list && g.n == 1 && (g.w[0].p == NULL || ph_str_caseis(g.w[0], "NIL")))
        return; /* NIL in place of a list */
    if (g.n && g.w == g.few)
        g.w = gather_copy(l, &g, g.n);
    if (g.n && g.w)
        *w = (struct ph_words){ g.w, g.n };
}
