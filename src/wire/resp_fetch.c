/* FETCH responses: RFC 9051 7.5.2, 7162 3.1, 8474 5, X-GM-EXT-1. */
#include "wire/chars.h"
#include "wire/datetime.h"
#include "wire/lex.h"

struct fetch_parse {
    struct ph_lex *l;
    struct ph_fetch *f;
    size_t cap_bodies, cap_others;
    bool structure_is_full; /* BODYSTRUCTURE was seen: a BODY does not replace it */
};

struct item_row {
    unsigned char len;
    const char *name;
    void (*parse)(struct fetch_parse *);
};

static void item_uid(struct fetch_parse *x)
{
    if (ph_lex_u32(x->l, &x->f->uid))
        x->f->has_uid = x->f->uid != 0;
}

/* A list; or one word or NIL, where a list belongs. */
static void take_words(struct ph_lex *l, struct ph_words *w)
{
    struct ph_lex one = *l;
    struct ph_str s;

    if (!ph_lex_at(l, '(')) {
        if (!ph_lex_astring(l, &s, NULL))
            return;
        one.end = l->p;
        l = &one;
    }
    ph_lex_words(l, w, false);
}

static void item_flags(struct fetch_parse *x)
{
    x->f->has_flags = true;
    take_words(x->l, &x->f->flags);
}

static void item_size(struct fetch_parse *x)
{
    x->f->has_size = ph_lex_u64(x->l, &x->f->size);
}

static void item_date(struct fetch_parse *x)
{
    struct ph_date_time *d = &x->f->internaldate;
    struct ph_str s;
    int zone;

    if (!ph_lex_astring(x->l, &s, NULL))
        return;
    d->valid = ph_date_time_parse(s, &d->epoch, &zone) || ph_date_time_parse_loose(s, &d->epoch, &zone);
    d->zone_min = d->valid ? (int16_t)zone : 0;
}

/* `(12345)`; some leave the parentheses out. */
static bool in_parens(struct ph_lex *l, uint64_t *v)
{
    bool open = ph_lex_eat(l, '(');

    ph_lex_blanks(l);
    bool ok = !ph_lex_at(l, ')') && ph_lex_u64(l, v);
    while (open && l->p < l->end && !ph_lex_eat(l, ')')) {
        struct ph_value skip;
        if (!ph_lex_value(l, &skip) && !ph_lex_at(l, ')'))
            break;
        ph_lex_blanks(l);
    }
    return ok;
}

static void item_modseq(struct fetch_parse *x)
{
    x->f->has_modseq = in_parens(x->l, &x->f->modseq) && x->f->modseq != 0 && x->f->modseq <= INT64_MAX;
    if (!x->f->has_modseq)
        x->f->modseq = 0;
}

static void item_gm_msgid(struct fetch_parse *x)
{
    x->f->has_gm_msgid = ph_lex_u64(x->l, &x->f->gm_msgid);
}

static void item_gm_thrid(struct fetch_parse *x)
{
    x->f->has_gm_thrid = ph_lex_u64(x->l, &x->f->gm_thrid);
}

static void item_gm_labels(struct fetch_parse *x)
{
    x->f->has_gm_labels = true;
    take_words(x->l, &x->f->gm_labels);
}

static struct ph_str object_id(struct ph_lex *l)
{
    struct ph_value v;

    if (!ph_lex_value(l, &v))
        return PH_STR_NIL;
    if (v.type == PH_V_LIST)
        return v.n && v.items[0].type != PH_V_LIST ? v.items[0].text : PH_STR_NIL;
    return v.type == PH_V_NIL ? PH_STR_NIL : v.text;
}

static void item_emailid(struct fetch_parse *x)
{
    x->f->emailid = object_id(x->l);
}

static void item_threadid(struct fetch_parse *x)
{
    x->f->threadid = object_id(x->l);
}

static void keep_value(struct fetch_parse *x, struct ph_value **to)
{
    struct ph_value v, *kept;

    if (!ph_lex_value(x->l, &v))
        return;
    kept = ph_arena_alloc(x->l->arena, sizeof *kept);
    if (!kept) {
        ph_lex_stop(x->l, PH_E_MEMORY);
        return;
    }
    *kept = v;
    *to = kept;
}

static void item_envelope(struct fetch_parse *x)
{
    keep_value(x, &x->f->envelope);
}

static void item_bodystructure(struct fetch_parse *x)
{
    keep_value(x, &x->f->bodystructure);
    x->structure_is_full = true;
}

static void item_body(struct fetch_parse *x)
{
    struct ph_value *skip;

    keep_value(x, x->structure_is_full ? &skip : &x->f->bodystructure);
}

static void add_body(struct fetch_parse *x, struct ph_body_item *b);

static void item_rfc822(struct fetch_parse *x)
{
    add_body(x, &(struct ph_body_item){ .section = PH_STR("") });
}

static void item_rfc822_header(struct fetch_parse *x)
{
    add_body(x, &(struct ph_body_item){ .section = PH_STR("HEADER") });
}

static void item_rfc822_text(struct fetch_parse *x)
{
    add_body(x, &(struct ph_body_item){ .section = PH_STR("TEXT") });
}

/* By length, then by how often they come. A later extension's item is a row. */
static const struct item_row rows[] = {
    { 3, "UID", item_uid },
    { 4, "BODY", item_body },
    { 5, "FLAGS", item_flags },
    { 6, "MODSEQ", item_modseq },
    { 6, "RFC822", item_rfc822 },
    { 7, "EMAILID", item_emailid },
    { 8, "ENVELOPE", item_envelope },
    { 8, "THREADID", item_threadid },
    { 10, "X-GM-MSGID", item_gm_msgid },
    { 10, "X-GM-THRID", item_gm_thrid },
    { 11, "RFC822.SIZE", item_size },
    { 11, "X-GM-LABELS", item_gm_labels },
    { 11, "RFC822.TEXT", item_rfc822_text },
    { 12, "INTERNALDATE", item_date },
    { 13, "BODYSTRUCTURE", item_bodystructure },
    { 13, "RFC822.HEADER", item_rfc822_header },
};

#define LONGEST 13
/* first[len]: the first row with names of that length */
static const unsigned char first[LONGEST + 2] = { 0, 0, 0, 0, 1, 2, 3, 5, 6, 8, 8, 10, 13, 14, 16 };

static const struct item_row *find_row(struct ph_str name)
{
    if (name.n > LONGEST)
        return NULL;
    for (unsigned i = first[name.n]; i < first[name.n + 1]; i++)
        if (ph_str_caseeq(name, (struct ph_str){ rows[i].name, rows[i].len }))
            return &rows[i];
    return NULL;
}

/* Is the next token an item's name and so the value before it missing? (Yandex: `BODY[2] )`, and `BODY[2] UID
 * 5)`.) */
static bool value_is_missing(struct ph_lex *l)
{
    struct ph_lex peek = *l;

    if (l->p == l->end || *l->p == ')')
        return true;
    if (*l->p == '{' || *l->p == '"')
        return false;
    struct ph_str atom = ph_lex_atom(&peek);
    const char *bracket = memchr(atom.p, '[', atom.n);
    if (bracket)
        atom.n = (size_t)(bracket - atom.p);
    return find_row(atom) != NULL;
}

static void add_body(struct fetch_parse *x, struct ph_body_item *b)
{
    struct ph_lex *l = x->l;

    b->uid_before = x->f->has_uid;
    b->stream = -1;
    b->text = PH_STR_NIL;
    if (value_is_missing(l)) {
        b->nil = true;
    } else if (!ph_lex_string(l, &b->text, &b->stream)) {
        struct ph_value v;
        b->nil = !ph_lex_value(l, &v) || v.type == PH_V_NIL || v.type == PH_V_LIST;
        if (!b->nil)
            b->text = v.text;
    }
    struct ph_body_item *bodies = ph_lex_grow(l, x->f->bodies, x->f->n_bodies, &x->cap_bodies, sizeof *bodies);
    if (!bodies || !ph_lex_count(l))
        return;
    x->f->bodies = bodies;
    bodies[x->f->n_bodies++] = *b;
}

static void add_other(struct fetch_parse *x, struct ph_str name)
{
    struct ph_fetch_item item = { .name = ph_lex_upper(x->l, name) };

    ph_lex_value(x->l, &item.value);
    struct ph_fetch_item *others = ph_lex_grow(x->l, x->f->others, x->f->n_others, &x->cap_others, sizeof *others);
    if (!others || !ph_lex_count(x->l))
        return;
    x->f->others = others;
    others[x->f->n_others++] = item;
}

/* From `[` to behind `]`: the section between. A header list may hold quoted names and literals. */
static struct ph_str take_section(struct ph_lex *l)
{
    const char *begin = ++l->p;
    struct ph_str skip;

    while (l->p < l->end && *l->p != ']')
        if ((*l->p != '"' && *l->p != '{') || !ph_lex_string(l, &skip, NULL))
            l->p++;
    struct ph_str section = { begin, (size_t)(l->p - begin) };
    ph_lex_eat(l, ']');
    return section;
}

static void take_origin(struct ph_lex *l, struct ph_body_item *b)
{
    const char *close = l->p < l->end && *l->p == '<' ? memchr(l->p, '>', (size_t)(l->end - l->p)) : NULL;

    if (!close || close - l->p > 24)
        return;
    b->partial = true;
    if (!ph_str_u64((struct ph_str){ l->p + 1, (size_t)(close - l->p - 1) }, &b->origin))
        b->origin = 0;
    l->p = close + 1;
}

static void parse_item(struct fetch_parse *x)
{
    struct ph_lex *l = x->l;
    const char *begin = l->p;

    while (l->p < l->end && *l->p != '[' && *l->p != '(' && *l->p != ')' && !ph_lex_is_blank(*l->p))
        l->p++;
    struct ph_str name = { begin, (size_t)(l->p - begin) };
    if (ph_lex_at(l, '[')) {
        struct ph_body_item b = { .binary = ph_str_caseis(name, "BINARY") };
        b.section = take_section(l);
        if (b.binary || ph_str_caseis(name, "BODY")) {
            take_origin(l, &b);
            ph_lex_blanks(l);
            add_body(x, &b);
            return;
        }
        name.n = (size_t)(l->p - begin);
    }
    ph_lex_blanks(l);
    const struct item_row *row = find_row(name);
    if (row)
        row->parse(x);
    else
        add_other(x, name);
}

/* The items may stand in more parentheses than one (Domino puts ENVELOPE in its own pair), or in none. */
void ph_resp_parse_fetch(struct ph_lex *l, struct ph_fetch *f)
{
    struct fetch_parse x = { .l = l, .f = f };
    unsigned depth = 0;

    while (!l->stop) {
        struct ph_str skip;
        ph_lex_blanks(l);
        if (l->p == l->end)
            break;
        if (*l->p == '(') {
            l->p++;
            if (++depth > l->depth)
                ph_lex_stop(l, PH_E_LIMIT);
        } else if (*l->p == ')') {
            l->p++;
            if (depth <= 1)
                break;
            depth--;
        } else if ((*l->p != '"' && *l->p != '{' && *l->p != '~') || !ph_lex_string(l, &skip, NULL)) {
            parse_item(&x);
        }
    }
}
