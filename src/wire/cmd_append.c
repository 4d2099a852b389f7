/* Grammar of APPEND and REPLACE, whole and up to an announced literal: RFC 9051 6.3.12, 3502, 4466 6, 4469 5, 6855 4,
 * 8508 5. What a message is made of is told the same way in a whole command and in a head; a head's last list may
 * stand open. */
#include "wire/chars.h"
#include "wire/command.h"

/* A literal is announced here. */
static void announce(struct ph_append_place *at, bool content, bool catenate, bool utf8)
{
    *at = (struct ph_append_place){ content, catenate, utf8 };
}

/* A list that may stand open. */
static int take_list(struct ph_args *c, const char *what, struct ph_args *in)
{
    const struct ph_arg *a;

    if (ph_args_next(c, what, &a))
        return -1;
    if (a->type != PH_A_LIST)
        return ph_args_fail(c, "a list is missing behind CATENATE or UTF8", a->text);
    *in = ph_args_of(c, a);
    return 0;
}

/* `(~{n}`…`)`. *a is NULL when the literal is announced. */
static int take_utf8(struct ph_args *c, const struct ph_arg **a)
{
    struct ph_args in;

    if (take_list(c, "a literal8 in parentheses", &in))
        return -1;
    *a = NULL;
    if (!ph_args_more(&in) && in.list->unclosed)
        return 0;
    if (ph_args_next(&in, "a literal8", a))
        return -1;
    if ((*a)->type != PH_A_LITERAL8 || in.list->unclosed)
        return ph_args_fail(c, "UTF8 without a literal8", PH_STR(""));
    return ph_args_end(&in);
}

static int take_part(struct ph_args *c, struct ph_cat_part *part, struct ph_append_place *at)
{
    bool open_end = c->list->unclosed && c->i + 1 == c->list->n; /* nothing behind the word */
    const struct ph_arg *a = NULL;

    *part = (struct ph_cat_part){ .stream = -1 };
    if (ph_args_word(c, "URL")) {
        part->url = true;
        if (open_end)
            announce(at, false, true, false);
        else if (ph_args_astring(c, "a URL", &part->text))
            return -1;
        part->announced = !open_end;
        return 0;
    }
    if (ph_args_word(c, "UTF8")) {
        part->utf8 = true;
        if (take_utf8(c, &a))
            return -1;
    } else if (!ph_args_word(c, "TEXT")) {
        return ph_args_fail(c, "expected TEXT, URL or UTF8", ph_args_more(c) ? ph_args_peek(c)->text : PH_STR(""));
    } else if (!open_end) {
        if (ph_args_next(c, "a literal", &a))
            return -1;
        if (a->type != PH_A_LITERAL)
            return ph_args_fail(c, "TEXT without a literal", a->text);
    }
    if (!a) {
        announce(at, true, true, part->utf8);
        return 0;
    }
    part->announced = true;
    part->stream = a->stream;
    part->text = a->text;
    return 0;
}

/* All parts of one list; in an open one the last of them is what is announced. */
static int take_parts(struct ph_args *c, struct ph_cat_part **parts, size_t *n, struct ph_append_place *at)
{
    size_t cap = 0;

    while (ph_args_more(c)) {
        *parts = ph_args_grow(c, *parts, *n, &cap, sizeof **parts);
        if (!*parts || take_part(c, &(*parts)[(*n)++], at))
            return -1;
    }
    bool open = *n && !(*parts)[*n - 1].announced;
    return open == c->list->unclosed ? 0 : ph_args_fail(c, "expected TEXT, URL or UTF8", PH_STR(""));
}

static int take_catenate(struct ph_args *c, struct ph_append_message *m, struct ph_append_place *at)
{
    struct ph_args in;

    m->catenate = true;
    if (take_list(c, "a list of parts", &in) || take_parts(&in, &m->parts, &m->n_parts, at))
        return -1;
    if (m->n_parts == 0)
        return ph_args_fail(c, "expected TEXT, URL or UTF8", PH_STR(""));
    m->announced = !in.list->unclosed;
    return 0;
}

/* `[flags] [date] literal`, CATENATE or UTF8. Without the literal, at the end of a head, `announced` stays false. */
static int take_message(struct ph_args *c, struct ph_append_message *m, struct ph_append_place *at)
{
    const struct ph_arg *a;

    *m = (struct ph_append_message){ .stream = -1 };
    if (ph_args_at_list(c) && ph_args_flags(c, &m->flags))
        return -1;
    a = ph_args_peek(c);
    if (a && a->type == PH_A_QUOTED) {
        if (ph_args_date_time(c, &m->epoch, &m->zone_min))
            return -1;
        m->has_date = true;
    }
    if (!ph_args_more(c)) {
        announce(at, true, false, false);
        return 0;
    }
    if (ph_args_word(c, "CATENATE"))
        return take_catenate(c, m, at);
    if (ph_args_word(c, "UTF8")) {
        m->utf8 = true;
        if (take_utf8(c, &a))
            return -1;
        if (!a) {
            announce(at, true, false, true);
            return 0;
        }
    } else if (ph_args_next(c, "a message as a literal", &a)) {
        return -1;
    }
    if (a->type != PH_A_LITERAL && a->type != PH_A_LITERAL8)
        return ph_args_fail(c, "expected flags, a date and time in quotes, or a message as a literal", a->text);
    m->announced = true;
    m->binary = a->type == PH_A_LITERAL8;
    m->stream = a->stream;
    m->text = a->text;
    return 0;
}

static int take_messages(struct ph_args *c, struct ph_append_message **messages, size_t *n, struct ph_append_place *at)
{
    size_t cap = 0;

    do {
        *messages = ph_args_grow(c, *messages, *n, &cap, sizeof **messages);
        if (!*messages || take_message(c, &(*messages)[(*n)++], at))
            return -1;
    } while (ph_args_more(c));
    return 0;
}

int ph_grammar_append(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_append *ap = &out->append;

    if (ph_args_mailbox(c, &ap->mailbox))
        return -1;
    return take_messages(c, &ap->messages, &ap->n, &ap->place);
}

int ph_grammar_replace(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_append *ap = &out->append;

    if (ph_args_set(c, &ap->replaces))
        return -1;
    if (!ph_str_is(ap->replaces.text, "*") && !ph_chars_all(ap->replaces.text, PH_C_DIGIT))
        return ph_args_fail(c, "expected one message number", ap->replaces.text);
    if (!ph_args_more(c)) /* the mailbox's name is announced, or missing; ph_grammar_append says so */
        return c->list->open ? 0 : ph_grammar_append(c, out);
    if (ph_grammar_append(c, out))
        return -1;
    return ap->n > 1 ? ph_args_fail(c, "one message takes the place of one", PH_STR("")) : 0;
}

int ph_append_check_literal(const struct ph_framer *f, struct ph_append_place at, struct ph_err *err)
{
    struct ph_args c = { .err = err };

    if (at.content && at.in_utf8 && !f->literal_binary)
        return ph_args_fail(&c, "UTF8 without a literal8", PH_STR(""));
    if (at.content && at.in_catenate && !at.in_utf8 && f->literal_binary)
        return ph_args_fail(&c, "TEXT without a literal", PH_STR(""));
    return 0;
}

/* What stands behind the last streamed literal. */
static int find_rest(const struct ph_framer *f, struct ph_args *c, struct ph_str *text)
{
    const char *lf = NULL, *end = f->head.p + f->head.n;

    if (f->n_streamed) {
        const char *from = f->head.p + f->streamed[f->n_streamed - 1].offset;
        lf = memchr(from, '\n', (size_t)(end - from));
    }
    if (!lf)
        return ph_args_fail(c, "no message came before", PH_STR(""));
    *text = (struct ph_str){ lf + 1, (size_t)(end - lf - 1) };
    return 0;
}

static void skip(struct ph_str *text)
{
    text->p++;
    text->n--;
}

/* Skips what closes the place of the literal itself, and the blank behind. */
static int leave_place(struct ph_args *c, struct ph_append_place at, struct ph_str *text)
{
    if (at.in_utf8) {
        while (c->limits->blanks && text->n && text->p[0] == ' ')
            skip(text);
        if (text->n == 0 || text->p[0] != ')')
            return ph_args_fail(c, ") is missing behind a literal8", PH_STR(""));
        skip(text);
    }
    if (at.in_catenate && text->n && text->p[0] == ')')
        return 0;
    if (text->n == 0 || text->p[0] != ' ')
        return ph_args_fail(c, "a blank is missing between messages", PH_STR(""));
    skip(text);
    return 0;
}

int ph_append_next_head(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                        struct ph_append_place at, struct ph_append_head *out, struct ph_err *err)
{
    struct ph_args c = { .limits = limits ? limits : &ph_args_limits_default, .arena = arena, .err = err };
    struct ph_arg inside, list;
    struct ph_str text;

    *out = (struct ph_append_head){ 0 };
    if (find_rest(f, &c, &text) || leave_place(&c, at, &text))
        return -1;
    /* none of those streamed stands behind the last of them */
    if (ph_args_parse_rest(text, f->head.p, at.in_catenate, c.limits, arena, &inside, &list, err))
        return -1;
    c.list = &inside;
    if (at.in_catenate && take_parts(&c, &out->rest, &out->n_rest, &out->place))
        return -1;
    if (!inside.unclosed) {
        c.list = &list;
        c.i = 0;
        if (take_messages(&c, &out->messages, &out->n, &out->place))
            return -1;
        if (out->messages[out->n - 1].announced)
            return ph_args_fail(&c, "no message is announced", PH_STR(""));
    }
    return ph_append_check_literal(f, out->place, err);
}
