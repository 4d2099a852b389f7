/* Grammar of GETMETADATA and SETMETADATA: RFC 5464 4.2, 4.3 and 5. */
#include "wire/command.h"

/* RFC 5464 3.2. That it begins with /private or /shared is the caller's to ask: the answer to that is no BAD. */
static bool is_entry(struct ph_str s)
{
    if (s.n < 2 || s.p[0] != '/' || s.p[s.n - 1] == '/')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char u = (unsigned char)s.p[i];
        if (u <= 0x19 || u >= 0x7f || u == '*' || u == '%' || (u == '/' && s.p[i + 1] == '/'))
            return false;
    }
    return true;
}

int ph_grammar_entry(struct ph_args *c, struct ph_str *name)
{
    if (ph_args_astring(c, "the name of an entry", name))
        return -1;
    return is_entry(*name) ? 0 : ph_args_fail(c, "not the name of an entry", *name);
}

static int take_depth(struct ph_args *c, uint32_t *depth)
{
    static const struct ph_bit_row depths[] = {
        { "0", 0 },
        { "1", 1 },
        { "infinity", PH_DEPTH_INFINITY },
        { NULL, 0 },
    };

    return ph_grammar_bit(c, depths, "0, 1 or infinity", depth);
}

static int take_options(struct ph_args *c, struct ph_cmd_metadata *m, bool *has_depth)
{
    struct ph_args in;

    if (ph_args_list(c, "options", &in))
        return -1;
    do {
        if (!m->has_maxsize && ph_args_word(&in, "MAXSIZE")) {
            m->has_maxsize = true;
            if (ph_args_number(&in, "a size", &m->maxsize))
                return -1;
        } else if (!*has_depth && ph_args_word(&in, "DEPTH")) {
            *has_depth = true;
            if (take_depth(&in, &m->depth))
                return -1;
        } else {
            return ph_args_fail(c, "an unknown option, or one given twice",
                                ph_args_more(&in) ? ph_args_peek(&in)->text : PH_STR(""));
        }
    } while (ph_args_more(&in));
    return 0;
}

static int add_entry(struct ph_args *c, struct ph_cmd_metadata *m, size_t *cap, struct ph_metadata_entry **e)
{
    m->entries = ph_args_grow(c, m->entries, m->n, cap, sizeof *m->entries);
    if (!m->entries)
        return -1;
    *e = &m->entries[m->n++];
    **e = (struct ph_metadata_entry){ 0 };
    return 0;
}

/* The grammar puts the options before the mailbox, the examples and most clients behind it. */
int ph_grammar_getmetadata(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_metadata *m = &out->metadata;
    struct ph_metadata_entry *e;
    struct ph_args in = *c;
    bool has_depth = false;
    size_t cap = 0;

    if ((ph_args_at_list(c) && take_options(c, m, &has_depth)) || ph_args_mailbox(c, &m->mailbox))
        return -1;
    if (ph_args_at_list(c) && c->i + 1 < c->list->n && take_options(c, m, &has_depth))
        return -1;
    bool list = ph_args_at_list(c);
    if (list && ph_args_list(c, "entries", &in))
        return -1;
    do {
        if (add_entry(c, m, &cap, &e) || ph_grammar_entry(list ? &in : c, &e->name))
            return -1;
    } while (list && ph_args_more(&in));
    return 0;
}

static int take_value(struct ph_args *c, struct ph_str *value)
{
    const struct ph_arg *a = ph_args_peek(c);

    if (!a || a->type != PH_A_LITERAL8)
        return ph_args_nstring(c, "a value as a string, or NIL", value);
    *value = a->text;
    return ph_args_next(c, "a value", &a);
}

int ph_grammar_setmetadata(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_metadata *m = &out->metadata;
    struct ph_metadata_entry *e;
    struct ph_args in;
    size_t cap = 0;

    if (ph_args_mailbox(c, &m->mailbox) || ph_args_list(c, "a list of entries and values", &in))
        return -1;
    do {
        if (add_entry(c, m, &cap, &e) || ph_grammar_entry(&in, &e->name) || take_value(&in, &e->value))
            return -1;
    } while (ph_args_more(&in));
    return 0;
}
