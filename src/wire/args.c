#include "wire/args.h"

#include "wire/chars.h"
#include "wire/utf8.h"

const struct ph_args_limits ph_args_limits_default = { 50, 100000, 100000, false, NULL };

struct parse {
    const char *p, *end, *base;
    const struct ph_streamed *streamed;
    unsigned n_streamed, next_streamed; /* the first one not passed yet */
    bool open, blanks;
    unsigned depth;
    size_t values;
    struct ph_arena *arena;
    struct ph_err *err;
};

static int syntax(struct parse *x, const char *why)
{
    return ph_fail(x->err, PH_SCOPE_NONE, PH_E_PROTOCOL, "%s", why);
}

static int take_quoted(struct parse *x, struct ph_arg *a)
{
    const char *begin = ++x->p;
    bool escaped = false;
    uint32_t cp;

    a->type = PH_A_QUOTED;
    while (x->p < x->end && *x->p != '"') {
        if (*x->p == '\\') {
            if (x->end - x->p < 2 || (x->p[1] != '"' && x->p[1] != '\\'))
                return syntax(x, "a backslash in a quoted string before something else than \" or \\");
            escaped = true;
            x->p += 2;
            continue;
        }
        unsigned len = ph_utf8_get(x->p, (size_t)(x->end - x->p), &cp);
        if (len == 0)
            return syntax(x, "a quoted string that is not UTF-8");
        if (cp == 0 || cp == '\r' || cp == '\n')
            return syntax(x, "NUL or a line end in a quoted string");
        x->p += len;
    }
    if (x->p == x->end)
        return syntax(x, "a quoted string without its end");
    a->text = (struct ph_str){ begin, (size_t)(x->p++ - begin) };
    if (!escaped)
        return 0;
    char *z = ph_arena_alloc(x->arena, a->text.n), *o = z;
    if (!z)
        return ph_fail_memory(x->err);
    for (size_t i = 0; i < a->text.n; i++) {
        i += a->text.p[i] == '\\';
        *o++ = a->text.p[i];
    }
    a->text = (struct ph_str){ z, (size_t)(o - z) };
    return 0;
}

/* The framer has seen to it that a literal's head is followed by its octets. */
static int take_literal(struct parse *x, struct ph_arg *a)
{
    const char *begin = x->p;
    uint64_t size = 0;

    a->type = *x->p == '~' ? PH_A_LITERAL8 : PH_A_LITERAL;
    x->p += 1 + (*x->p == '~');
    const char *digits = x->p;
    while (x->p < x->end && ph_char_is(*x->p, PH_C_DIGIT) && size < UINT64_MAX / 16)
        size = size * 10 + (uint64_t)(*x->p++ - '0');
    bool some = x->p > digits;
    x->p += x->p < x->end && *x->p == '+';
    if (!some || x->p == x->end || *x->p++ != '}')
        return syntax(x, "a brace that begins no literal");
    x->p += x->p < x->end && *x->p == '\r';
    if (x->p == x->end || *x->p++ != '\n')
        return syntax(x, "a literal that is not at the end of its line");
    size_t at = (size_t)(begin - x->base);
    while (x->next_streamed < x->n_streamed && x->streamed[x->next_streamed].offset < at)
        x->next_streamed++;
    if (x->next_streamed < x->n_streamed && x->streamed[x->next_streamed].offset == at) {
        a->stream = (int)x->next_streamed++;
        a->text = (struct ph_str){ x->p, 0 };
        return 0;
    }
    if (size > (uint64_t)(x->end - x->p))
        return syntax(x, "a literal that is cut short");
    a->text = (struct ph_str){ x->p, (size_t)size };
    x->p += size;
    if (a->type == PH_A_LITERAL && size && memchr(a->text.p, '\0', a->text.n))
        return syntax(x, "NUL in a literal");
    return 0;
}

static int take_atom(struct parse *x, struct ph_arg *a)
{
    const char *begin = x->p;

    while (x->p < x->end && (ph_char_is(*x->p, PH_C_LIST) || *x->p == '\\'))
        x->p++;
    if (x->p == begin)
        return syntax(x, *x->p == ')' ? "a closing parenthesis too many" : "a character that may not stand there");
    a->text = (struct ph_str){ begin, (size_t)(x->p - begin) };
    return 0;
}

static int take_items(struct parse *x, struct ph_arg *list, bool nested);

static int take_arg(struct parse *x, struct ph_arg *a)
{
    *a = (struct ph_arg){ .stream = -1 };
    if (x->values == 0)
        return ph_fail(x->err, PH_SCOPE_NONE, PH_E_LIMIT, "too many arguments");
    x->values--;
    if (*x->p == '(') {
        x->p++;
        return take_items(x, a, true);
    }
    if (*x->p == '"')
        return take_quoted(x, a);
    if (*x->p == '{' || (*x->p == '~' && x->end - x->p > 1 && x->p[1] == '{'))
        return take_literal(x, a);
    return take_atom(x, a);
}

/* Elements up to the `)` or, outermost, to the end. */
/* Behind `(`, behind a blank, or in a list in here. */
static bool announces(const struct parse *x, const struct ph_arg *list, bool blank)
{
    return x->open && (list->n == 0 || blank || list->items[list->n - 1].unclosed);
}

static int take_items(struct parse *x, struct ph_arg *list, bool nested)
{
    size_t cap = 0;

    list->type = PH_A_LIST;
    if (x->depth == 0)
        return ph_fail(x->err, PH_SCOPE_NONE, PH_E_LIMIT, "parentheses too deep");
    x->depth--;
    for (;;) {
        bool blank = list->n && x->p < x->end && *x->p == ' ';
        x->p += blank;
        while (x->blanks && x->p < x->end && *x->p == ' ')
            x->p++;
        bool at_end = x->p == x->end;
        if (at_end && nested && announces(x, list, blank)) {
            list->unclosed = true;
            x->depth++;
            return 0;
        }
        if (at_end && !nested && blank && (x->open || x->blanks))
            break; /* the announced literal, or blanks at the end */
        if (at_end && nested)
            return syntax(x, "a list without its end");
        bool close = nested && *x->p == ')';
        if (blank && (at_end || (close && !x->blanks)))
            return syntax(x, "a blank too many");
        if (at_end || close)
            break;
        if (*x->p == ' ')
            return syntax(x, "a blank too many");
        struct ph_arg a;
        if (take_arg(x, &a))
            return -1;
        a.glued = list->n && !blank;
        if (list->n == cap) {
            cap = cap ? 2 * cap : 4;
            struct ph_arg *items = ph_arena_alloc(x->arena, cap * sizeof *items);
            if (!items)
                return ph_fail_memory(x->err);
            if (list->n)
                memcpy(items, list->items, list->n * sizeof *items);
            list->items = items;
        }
        list->items[list->n++] = a;
    }
    x->p += nested;
    x->depth++;
    return 0;
}

int ph_args_parse(struct ph_str bytes, const char *base, const struct ph_streamed *streamed, unsigned n_streamed,
                  bool open, const struct ph_args_limits *limits, struct ph_arena *arena, struct ph_arg *list,
                  struct ph_err *err)
{
    if (!limits)
        limits = &ph_args_limits_default;
    struct parse x = { .p = bytes.p, .end = bytes.p + bytes.n, .base = base, .streamed = streamed,
                       .n_streamed = n_streamed, .open = open, .blanks = limits->blanks,
                       .depth = limits->depth + 1, .values = limits->values, .arena = arena, .err = err };

    *list = (struct ph_arg){ .type = PH_A_LIST, .stream = -1, .open = open };
    return take_items(&x, list, false);
}

int ph_args_parse_rest(struct ph_str bytes, const char *base, bool nested, const struct ph_args_limits *limits,
                       struct ph_arena *arena, struct ph_arg *inside, struct ph_arg *list, struct ph_err *err)
{
    struct parse x = { .p = bytes.p, .end = bytes.p + bytes.n, .base = base, .open = true, .blanks = limits->blanks,
                       .depth = limits->depth + 1, .values = limits->values, .arena = arena, .err = err };

    *inside = (struct ph_arg){ .type = PH_A_LIST, .stream = -1 };
    *list = (struct ph_arg){ .type = PH_A_LIST, .stream = -1, .open = true };
    if (nested) {
        if (take_items(&x, inside, true) || inside->unclosed)
            return inside->unclosed ? 0 : -1;
        if (x.p == x.end || *x.p++ != ' ')
            return syntax(&x, "a blank is missing between messages");
    }
    return take_items(&x, list, false);
}
