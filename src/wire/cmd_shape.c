/* Arguments of a caller's own command, from the shape of its row: "astring mailbox [number]". */
#include "wire/command.h"

enum kind { ATOM, ASTRING, STRING, NSTRING, MAILBOX, PATTERN, NUMBER, NUMBER64, SET, FLAGS, ANY };

static const struct {
    const char *word;
    enum kind kind;
    enum ph_shape_what what;
} kinds[] = {
    { "atom", ATOM, PH_SH_TEXT },         { "astring", ASTRING, PH_SH_TEXT },     { "string", STRING, PH_SH_TEXT },
    { "nstring", NSTRING, PH_SH_TEXT },   { "mailbox", MAILBOX, PH_SH_TEXT },     { "pattern", PATTERN, PH_SH_TEXT },
    { "number", NUMBER, PH_SH_NUMBER },   { "number64", NUMBER64, PH_SH_NUMBER }, { "set", SET, PH_SH_SET },
    { "flags", FLAGS, PH_SH_FLAGS },      { "any", ANY, PH_SH_ANY },
};

struct word {
    struct ph_str text;
    bool optional, many;
};

/* The next word of the shape; false at its end. `[` and `]` are not counted: all from the first `[` on may be missing. */
static bool next_word(const char **shape, struct word *w)
{
    const char *p = *shape;

    while (*p == ' ' || *p == '[' || *p == ']')
        w->optional |= *p++ == '[';
    w->text.p = p;
    while (*p >= '0' && *p <= 'z' && *p != '[' && *p != ']')
        p++;
    w->text.n = (size_t)(p - w->text.p);
    w->many = strncmp(p, "...", 3) == 0;
    *shape = p + (w->many ? 3 : 0);
    return w->text.n != 0 || *p != '\0';
}

static int take_value(struct ph_args *c, enum kind kind, struct ph_shape_value *v)
{
    uint32_t small;

    switch (kind) {
    case ATOM:
        return ph_args_atom(c, "an atom", &v->text);
    case ASTRING:
        return ph_args_astring(c, "a string", &v->text);
    case STRING:
        return ph_args_string(c, "a string in quotes", &v->text);
    case NSTRING:
        return ph_args_nstring(c, "a string in quotes, or NIL", &v->text);
    case MAILBOX:
        return ph_args_mailbox(c, &v->text);
    case PATTERN:
        return ph_args_list_mailbox(c, &v->text);
    case NUMBER:
        if (ph_args_number(c, "a number", &small))
            return -1;
        v->number = small;
        return 0;
    case NUMBER64:
        return ph_args_number64(c, "a number", &v->number);
    case SET:
        return ph_args_set(c, &v->set);
    case FLAGS:
        return ph_args_flags(c, &v->words);
    case ANY:
        break;
    }
    return ph_args_next(c, "an argument", &v->arg);
}

int ph_grammar_shape(struct ph_args *c, const char *shape, struct ph_command *out)
{
    struct ph_cmd_values *values = &out->values;
    struct word w = { 0 };
    size_t cap = 0;

    while (next_word(&shape, &w)) {
        size_t k = 0;
        while (k < sizeof kinds / sizeof *kinds && !ph_str_is(w.text, kinds[k].word))
            k++;
        if (k == sizeof kinds / sizeof *kinds)
            return ph_args_fail(c, "a shape with an unknown kind", w.text);
        if (w.optional && !ph_args_more(c))
            return 0;
        do {
            values->v = ph_args_grow(c, values->v, values->n, &cap, sizeof *values->v);
            if (!values->v)
                return -1;
            struct ph_shape_value *v = &values->v[values->n++];
            *v = (struct ph_shape_value){ .what = kinds[k].what, .arg = ph_args_peek(c) };
            if (take_value(c, kinds[k].kind, v))
                return -1;
        } while (w.many && ph_args_more(c));
    }
    return 0;
}
