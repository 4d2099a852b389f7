/* Grammar of FETCH and STORE: RFC 9051 6.4.5 and 6.4.6, 7162 3.1, 8474, 3516, 8970, 8514, 9394. */
#include "wire/chars.h"
#include "wire/command.h"

enum { PLAIN = 0, SECTION = 1, PEEK = 2, PART_ONLY = 4, NO_PARTIAL = 8 };

/* An item of a later extension is a row. Those with SECTION are followed by `[…]`. */
static const struct att_row {
    const char *name;
    enum ph_fetch_what what;
    unsigned flags;
} rows[] = {
    { "UID", PH_FA_UID, PLAIN },
    { "FLAGS", PH_FA_FLAGS, PLAIN },
    { "INTERNALDATE", PH_FA_INTERNALDATE, PLAIN },
    { "RFC822.SIZE", PH_FA_SIZE, PLAIN },
    { "ENVELOPE", PH_FA_ENVELOPE, PLAIN },
    { "BODYSTRUCTURE", PH_FA_BODYSTRUCTURE, PLAIN },
    { "BODY", PH_FA_BODY, PLAIN },
    { "BODY", PH_FA_SECTION, SECTION },
    { "BODY.PEEK", PH_FA_SECTION, SECTION | PEEK },
    { "MODSEQ", PH_FA_MODSEQ, PLAIN },
    { "RFC822", PH_FA_RFC822, PLAIN },
    { "RFC822.HEADER", PH_FA_RFC822_HEADER, PLAIN | PEEK },
    { "RFC822.TEXT", PH_FA_RFC822_TEXT, PLAIN },
    { "EMAILID", PH_FA_EMAILID, PLAIN },
    { "THREADID", PH_FA_THREADID, PLAIN },
    { "PREVIEW", PH_FA_PREVIEW, PLAIN },
    { "SAVEDATE", PH_FA_SAVEDATE, PLAIN },
    { "BINARY", PH_FA_BINARY, SECTION | PART_ONLY },
    { "BINARY.PEEK", PH_FA_BINARY, SECTION | PEEK | PART_ONLY },
    { "BINARY.SIZE", PH_FA_BINARY_SIZE, SECTION | PART_ONLY | NO_PARTIAL },
};

static const struct {
    const char *name;
    unsigned n;
    enum ph_fetch_what what[5];
} macros[] = {
    { "ALL", 4, { PH_FA_FLAGS, PH_FA_INTERNALDATE, PH_FA_SIZE, PH_FA_ENVELOPE } },
    { "FAST", 3, { PH_FA_FLAGS, PH_FA_INTERNALDATE, PH_FA_SIZE } },
    { "FULL", 5, { PH_FA_FLAGS, PH_FA_INTERNALDATE, PH_FA_SIZE, PH_FA_ENVELOPE, PH_FA_BODY } },
};

static const struct {
    const char *name;
    enum ph_section_what what;
    bool fields;
} texts[] = {
    { "HEADER", PH_SEC_HEADER, false },
    { "TEXT", PH_SEC_TEXT, false },
    { "MIME", PH_SEC_MIME, false },
    { "HEADER.FIELDS", PH_SEC_FIELDS, true },
    { "HEADER.FIELDS.NOT", PH_SEC_FIELDS_NOT, true },
};

static const struct att_row *find_row(struct ph_str name, bool section)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((bool)(rows[i].flags & SECTION) == section && ph_str_caseis(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* `1.2.` or `1.2` at the front of *spec, which is left with what is behind. */
static int take_part(struct ph_args *c, struct ph_str *spec, struct ph_section *sec)
{
    size_t cap = 0;

    while (spec->n && ph_char_is(spec->p[0], PH_C_DIGIT)) {
        uint64_t n = 0;
        bool zero = spec->p[0] == '0';
        while (spec->n && ph_char_is(spec->p[0], PH_C_DIGIT) && n <= UINT32_MAX) {
            n = n * 10 + (uint64_t)(spec->p[0] - '0');
            spec->p++;
            spec->n--;
        }
        if (zero || n > UINT32_MAX)
            return ph_args_fail(c, "a body part with such a number", *spec);
        if (sec->n_part >= c->limits->depth)
            return ph_fail(c->err, PH_SCOPE_NONE, PH_E_LIMIT, "a body part too deep");
        sec->part = ph_args_grow(c, sec->part, sec->n_part, &cap, sizeof *sec->part);
        if (!sec->part)
            return -1;
        sec->part[sec->n_part++] = (uint32_t)n;
        if (spec->n == 0)
            return 0;
        if (spec->n < 2 || spec->p[0] != '.')
            return ph_args_fail(c, "not a body part", *spec);
        spec->p++;
        spec->n--;
    }
    return 0;
}

static int section_spec(struct ph_args *c, struct ph_str spec, struct ph_section *sec, bool *fields)
{
    *fields = false;
    if (take_part(c, &spec, sec))
        return -1;
    if (spec.n == 0)
        return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (ph_str_caseis(spec, texts[i].name)) {
            if (texts[i].what == PH_SEC_MIME && sec->n_part == 0)
                return ph_args_fail(c, "MIME without a body part", PH_STR(""));
            sec->what = texts[i].what;
            *fields = texts[i].fields;
            return 0;
        }
    return ph_args_fail(c, "an unknown section", spec);
}

static int take_fields(struct ph_args *c, struct ph_section *sec)
{
    struct ph_args in;
    size_t cap = 0;

    if (ph_args_list(c, "a list of header fields", &in))
        return -1;
    do {
        struct ph_words *w = &sec->fields;
        w->w = ph_args_grow(c, w->w, w->n, &cap, sizeof *w->w);
        if (!w->w || ph_args_astring(&in, "a header field", &w->w[w->n++]))
            return -1;
    } while (ph_args_more(&in));
    return 0;
}

static int partial_number(struct ph_args *c, struct ph_str *s, uint64_t *v)
{
    size_t digits = 0;

    *v = 0;
    while (digits < s->n && ph_char_is(s->p[digits], PH_C_DIGIT)) {
        if (*v > (INT64_MAX - (uint64_t)(s->p[digits] - '0')) / 10)
            return ph_args_fail(c, "a number that is too large", *s);
        *v = *v * 10 + (uint64_t)(s->p[digits++] - '0');
    }
    s->p += digits;
    s->n -= digits;
    return digits ? 0 : ph_args_fail(c, "not an origin and a length", *s);
}

/* `<origin.length>`, or nothing. */
static int take_partial(struct ph_args *c, struct ph_str s, bool allowed, struct ph_fetch_att *att)
{
    if (s.n == 0)
        return 0;
    if (!allowed || s.n < 5 || s.p[0] != '<' || s.p[s.n - 1] != '>')
        return ph_args_fail(c, "unexpected behind a section", s);
    s = (struct ph_str){ s.p + 1, s.n - 2 };
    if (partial_number(c, &s, &att->origin))
        return -1;
    if (s.n < 2 || s.p[0] != '.')
        return ph_args_fail(c, "not an origin and a length", s);
    s.p++;
    s.n--;
    if (partial_number(c, &s, &att->length))
        return -1;
    if (s.n || att->length == 0)
        return ph_args_fail(c, "not an origin and a length", s);
    att->partial = true;
    return 0;
}

/* From `BODY[` on. The arguments know nothing of brackets: with a list of fields, the section is an atom, the
 * list, and the atom
 * `]<0.5>` without a blank in front. */
static int take_section(struct ph_args *c, struct ph_str atom, const struct att_row *row, struct ph_fetch_att *att)
{
    const char *open = memchr(atom.p, '[', atom.n);
    struct ph_str spec = { open + 1, (size_t)(atom.p + atom.n - open - 1) };
    const char *close = memchr(spec.p, ']', spec.n);
    struct ph_str rest = PH_STR("");
    bool fields;

    if (close) {
        rest = (struct ph_str){ close + 1, (size_t)(spec.p + spec.n - close - 1) };
        spec.n = (size_t)(close - spec.p);
    }
    if (section_spec(c, spec, &att->section, &fields))
        return -1;
    if ((row->flags & PART_ONLY) && att->section.what != PH_SEC_ALL)
        return ph_args_fail(c, "BINARY of something else than a body part", spec);
    if (fields == (close != NULL))
        return ph_args_fail(c, fields ? "a list of header fields is missing" : "] is missing", PH_STR(""));
    if (fields) {
        if (take_fields(c, &att->section))
            return -1;
        const struct ph_arg *a = ph_args_peek(c);
        if (!a || a->type != PH_A_ATOM || !a->glued || a->text.p[0] != ']')
            return ph_args_fail(c, "] is missing", PH_STR(""));
        c->i++;
        rest = (struct ph_str){ a->text.p + 1, a->text.n - 1 };
    }
    return take_partial(c, rest, !(row->flags & NO_PARTIAL), att);
}

/* `(LAZY)`. Behind a single PREVIEW another list is one of modifiers of FETCH. */
static int take_preview(struct ph_args *c, struct ph_fetch_att *att)
{
    struct ph_args mods;

    if (!ph_args_at_list(c) || ph_args_peek(c)->n == 0 || !ph_str_caseis(ph_args_peek(c)->items[0].text, "LAZY"))
        return 0;
    if (ph_args_list(c, "modifiers", &mods))
        return -1;
    att->lazy = ph_args_word(&mods, "LAZY");
    return ph_args_end(&mods);
}

int ph_grammar_fetch_att(struct ph_args *c, struct ph_fetch_att *att)
{
    const struct ph_arg *a;

    *att = (struct ph_fetch_att){ 0 };
    if (ph_args_next(c, "a data item", &a))
        return -1;
    if (a->type != PH_A_ATOM)
        return ph_args_fail(c, "expected a data item", a->text);
    struct ph_str name = a->text;
    const char *open = memchr(name.p, '[', name.n);
    if (open)
        name.n = (size_t)(open - name.p);
    const struct att_row *row = find_row(name, open != NULL);
    if (!row)
        return ph_args_fail(c, "an unknown data item", a->text);
    att->what = row->what;
    att->peek = row->flags & PEEK;
    if (att->what == PH_FA_PREVIEW)
        return take_preview(c, att);
    return open ? take_section(c, a->text, row, att) : 0;
}

static int add_att(struct ph_args *c, struct ph_cmd_fetch *f, size_t *cap, struct ph_fetch_att **att)
{
    f->atts = ph_args_grow(c, f->atts, f->n, cap, sizeof *f->atts);
    if (!f->atts)
        return -1;
    *att = &f->atts[f->n++];
    return 0;
}

static int take_macro(struct ph_args *c, struct ph_cmd_fetch *f, bool *is)
{
    struct ph_fetch_att *att;
    size_t cap = 0;

    *is = false;
    for (size_t m = 0; m < sizeof macros / sizeof *macros; m++)
        if (ph_args_word(c, macros[m].name)) {
            *is = true;
            for (unsigned i = 0; i < macros[m].n; i++) {
                if (add_att(c, f, &cap, &att))
                    return -1;
                *att = (struct ph_fetch_att){ .what = macros[m].what[i] };
            }
        }
    return 0;
}

int ph_grammar_fetch_atts(struct ph_args *c, struct ph_fetch_att **atts, size_t *n)
{
    struct ph_args in;
    size_t cap = 0;

    if (ph_args_list(c, "data items", &in))
        return -1;
    do {
        *atts = ph_args_grow(c, *atts, *n, &cap, sizeof **atts);
        if (!*atts || ph_grammar_fetch_att(&in, &(*atts)[(*n)++]))
            return -1;
    } while (ph_args_more(&in));
    return 0;
}

static int take_atts(struct ph_args *c, struct ph_cmd_fetch *f)
{
    struct ph_fetch_att *att;
    size_t cap = 0;
    bool macro;

    if (ph_args_at_list(c))
        return ph_grammar_fetch_atts(c, &f->atts, &f->n);
    if (take_macro(c, f, &macro))
        return -1;
    return macro ? 0 : add_att(c, f, &cap, &att) || ph_grammar_fetch_att(c, att) ? -1 : 0;
}

int ph_grammar_fetch(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_fetch *f = &out->fetch;
    struct ph_args mods;

    if (ph_args_set(c, &f->set) || take_atts(c, f))
        return -1;
    if (!ph_args_more(c))
        return 0;
    if (ph_args_list(c, "modifiers", &mods))
        return -1;
    do {
        if (!f->has_changedsince && ph_args_word(&mods, "CHANGEDSINCE")) {
            if (ph_args_number64(&mods, "a mod-sequence", &f->changedsince))
                return -1;
            if (f->changedsince == 0)
                return ph_args_fail(c, "CHANGEDSINCE 0", PH_STR(""));
            f->has_changedsince = true;
        } else if (!f->vanished && ph_args_word(&mods, "VANISHED")) {
            f->vanished = true;
        } else if (!f->has_partial && ph_args_word(&mods, "PARTIAL")) {
            f->has_partial = true;
            if (ph_grammar_partial(&mods, &f->partial_first, &f->partial_last))
                return -1;
        } else {
            return ph_args_fail(c, "an unknown modifier, or one given twice",
                                ph_args_more(&mods) ? ph_args_peek(&mods)->text : PH_STR(""));
        }
    } while (ph_args_more(&mods));
    if (f->vanished && (!out->uid || !f->has_changedsince)) /* RFC 7162 3.2.6 */
        return ph_args_fail(c, "VANISHED is for UID FETCH with CHANGEDSINCE", PH_STR(""));
    if (f->has_partial && !out->uid) /* RFC 9394 3.3 */
        return ph_args_fail(c, "PARTIAL is for UID FETCH", PH_STR(""));
    return 0;
}

static int take_unchangedsince(struct ph_args *c, struct ph_cmd_store *s)
{
    struct ph_args mods;

    if (ph_args_list(c, "modifiers", &mods))
        return -1;
    if (!ph_args_word(&mods, "UNCHANGEDSINCE"))
        return ph_args_fail(c, "an unknown modifier", ph_args_more(&mods) ? ph_args_peek(&mods)->text : PH_STR(""));
    s->has_unchangedsince = true;
    return ph_args_number64(&mods, "a mod-sequence", &s->unchangedsince) || ph_args_end(&mods) ? -1 : 0;
}

int ph_grammar_store(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_store *s = &out->store;
    struct ph_str item, name;
    size_t cap = 0;

    if (ph_args_set(c, &s->set) || (ph_args_at_list(c) && take_unchangedsince(c, s)) ||
        ph_args_atom(c, "FLAGS", &item))
        return -1;
    name = item;
    if (name.p[0] == '+' || name.p[0] == '-') {
        s->op = name.p[0];
        name.p++;
        name.n--;
    }
    s->silent = ph_str_caseis(name, "FLAGS.SILENT");
    if (!s->silent && !ph_str_caseis(name, "FLAGS"))
        return ph_args_fail(c, "expected FLAGS, +FLAGS or -FLAGS, perhaps with .SILENT", item);
    if (ph_args_at_list(c))
        return ph_args_flags(c, &s->flags);
    do {
        s->flags.w = ph_args_grow(c, s->flags.w, s->flags.n, &cap, sizeof *s->flags.w);
        if (!s->flags.w || ph_args_flag(c, &s->flags.w[s->flags.n++]))
            return -1;
    } while (ph_args_more(c));
    return 0;
}
