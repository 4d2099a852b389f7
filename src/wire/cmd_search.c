/* Grammar of SEARCH, SORT, THREAD and ESEARCH: RFC 9051 6.4.4, 7162 3.1.5, 5032, 8474, 9738 3.2, 5256, 4731, 5182, 9394,
 * 8514, 7377. */
#include "wire/chars.h"
#include "wire/command.h"

enum kind { NOTHING, STRING, FIELD, DATE, NUMBER, NZ_NUMBER32, FLAG, KEYWORD, SET, OBJECT, HEADER, MODSEQ, NOT, OR };

/* A key of a later extension is a row. */
static const struct key_row {
    const char *word;
    enum ph_search_what what;
    enum kind kind;
    const char *extra; /* the flag or header field it stands for */
    bool negated;
} rows[] = {
    { "ALL", PH_SK_ALL, NOTHING },
    { "SEEN", PH_SK_FLAG, FLAG, "\\Seen" },
    { "UNSEEN", PH_SK_FLAG, FLAG, "\\Seen", true },
    { "DELETED", PH_SK_FLAG, FLAG, "\\Deleted" },
    { "UNDELETED", PH_SK_FLAG, FLAG, "\\Deleted", true },
    { "ANSWERED", PH_SK_FLAG, FLAG, "\\Answered" },
    { "UNANSWERED", PH_SK_FLAG, FLAG, "\\Answered", true },
    { "FLAGGED", PH_SK_FLAG, FLAG, "\\Flagged" },
    { "UNFLAGGED", PH_SK_FLAG, FLAG, "\\Flagged", true },
    { "DRAFT", PH_SK_FLAG, FLAG, "\\Draft" },
    { "UNDRAFT", PH_SK_FLAG, FLAG, "\\Draft", true },
    { "KEYWORD", PH_SK_FLAG, KEYWORD },
    { "UNKEYWORD", PH_SK_FLAG, KEYWORD, NULL, true },
    { "NEW", PH_SK_NEW, NOTHING },
    { "OLD", PH_SK_OLD, NOTHING },
    { "RECENT", PH_SK_RECENT, NOTHING },
    { "FROM", PH_SK_HEADER, FIELD, "From" },
    { "TO", PH_SK_HEADER, FIELD, "To" },
    { "CC", PH_SK_HEADER, FIELD, "Cc" },
    { "BCC", PH_SK_HEADER, FIELD, "Bcc" },
    { "SUBJECT", PH_SK_HEADER, FIELD, "Subject" },
    { "HEADER", PH_SK_HEADER, HEADER },
    { "BODY", PH_SK_BODY, STRING },
    { "TEXT", PH_SK_TEXT, STRING },
    { "BEFORE", PH_SK_BEFORE, DATE },
    { "ON", PH_SK_ON, DATE },
    { "SINCE", PH_SK_SINCE, DATE },
    { "SENTBEFORE", PH_SK_SENTBEFORE, DATE },
    { "SENTON", PH_SK_SENTON, DATE },
    { "SENTSINCE", PH_SK_SENTSINCE, DATE },
    { "LARGER", PH_SK_LARGER, NUMBER },
    { "SMALLER", PH_SK_SMALLER, NUMBER },
    { "OLDER", PH_SK_OLDER, NZ_NUMBER32 },
    { "YOUNGER", PH_SK_YOUNGER, NZ_NUMBER32 },
    { "UID", PH_SK_UID, SET },
    { "UIDAFTER", PH_SK_UIDAFTER, NZ_NUMBER32 },
    { "UIDBEFORE", PH_SK_UIDBEFORE, NZ_NUMBER32 },
    { "SAVEDBEFORE", PH_SK_SAVEDBEFORE, DATE },
    { "SAVEDON", PH_SK_SAVEDON, DATE },
    { "SAVEDSINCE", PH_SK_SAVEDSINCE, DATE },
    { "SAVEDATESUPPORTED", PH_SK_SAVEDATESUPPORTED, NOTHING },
    { "MODSEQ", PH_SK_MODSEQ, MODSEQ },
    { "EMAILID", PH_SK_EMAILID, OBJECT },
    { "THREADID", PH_SK_THREADID, OBJECT },
    { "NOT", PH_SK_NOT, NOT },
    { "OR", PH_SK_OR, OR },
};

struct keys {
    unsigned depth;
};

static int take_key(struct keys *k, struct ph_args *c, struct ph_search_key *key);

/* Keys up to the end of the list: one is itself, several are an AND. */
static int take_all(struct keys *k, struct ph_args *c, struct ph_search_key *key)
{
    size_t cap = 0;

    *key = (struct ph_search_key){ .what = PH_SK_AND };
    do {
        key->kids = ph_args_grow(c, key->kids, key->n, &cap, sizeof *key->kids);
        if (!key->kids || take_key(k, c, &key->kids[key->n++]))
            return -1;
    } while (ph_args_more(c));
    if (key->n == 1) {
        struct ph_search_key only = key->kids[0];
        *key = only;
    }
    return 0;
}

static int take_kids(struct keys *k, struct ph_args *c, struct ph_search_key *key, size_t n)
{
    key->kids = ph_arena_alloc(c->arena, n * sizeof *key->kids);
    if (!key->kids)
        return ph_fail_memory(c->err);
    for (key->n = 0; key->n < n; key->n++)
        if (take_key(k, c, &key->kids[key->n]))
            return -1;
    return 0;
}

static bool is_object_id(struct ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char u = ph_upper((unsigned char)s.p[i]);
        if (!(u >= 'A' && u <= 'Z') && !ph_char_is(s.p[i], PH_C_DIGIT) && u != '_' && u != '-')
            return false;
    }
    return s.n >= 1 && s.n <= 255;
}

/* `MODSEQ ["/flags/…" priv/shared/all] n`: RFC 7162 3.1.5. */
static int take_modseq(struct ph_args *c, struct ph_search_key *key)
{
    const struct ph_arg *a = ph_args_peek(c);

    if (a && a->type == PH_A_QUOTED) {
        if (ph_args_string(c, "an entry", &key->name) || ph_args_atom(c, "priv, shared or all", &key->text))
            return -1;
        if (!ph_str_caseprefix(key->name, "/flags/") || key->name.n == 7)
            return ph_args_fail(c, "not an entry", key->name);
        if (!ph_str_caseis(key->text, "priv") && !ph_str_caseis(key->text, "shared") &&
            !ph_str_caseis(key->text, "all"))
            return ph_args_fail(c, "expected priv, shared or all", key->text);
    }
    return ph_args_number64(c, "a mod-sequence", &key->number);
}

static int take_number(struct ph_args *c, enum kind kind, struct ph_search_key *key)
{
    uint32_t small;

    if (kind != NZ_NUMBER32)
        return ph_args_number64(c, "a number", &key->number);
    if (ph_args_number(c, "a number", &small))
        return -1;
    key->number = small;
    return small ? 0 : ph_args_fail(c, "0 where a number above it belongs", PH_STR(""));
}

static int take_value(struct keys *k, struct ph_args *c, const struct key_row *row, struct ph_search_key *key)
{
    switch (row->kind) {
    case NOTHING:
        return 0;
    case FLAG:
        key->text = ph_str(row->extra);
        return 0;
    case KEYWORD:
        return ph_args_atom(c, "a keyword", &key->text);
    case FIELD:
        key->name = ph_str(row->extra);
        return ph_args_astring(c, "a string", &key->text);
    case HEADER:
        return ph_args_astring(c, "a header field", &key->name) || ph_args_astring(c, "a string", &key->text)
                   ? -1
                   : 0;
    case STRING:
        return ph_args_astring(c, "a string", &key->text);
    case DATE:
        return ph_args_date(c, &key->days);
    case NUMBER:
    case NZ_NUMBER32:
        return take_number(c, row->kind, key);
    case SET:
        return ph_args_set(c, &key->set);
    case MODSEQ:
        return take_modseq(c, key);
    case OBJECT:
        if (ph_args_atom(c, "an object identifier", &key->text))
            return -1;
        return is_object_id(key->text) ? 0 : ph_args_fail(c, "not an object identifier", key->text);
    case NOT:
        return take_kids(k, c, key, 1);
    case OR:
        return take_kids(k, c, key, 2);
    }
    return 0;
}

static int take_word_key(struct keys *k, struct ph_args *c, struct ph_search_key *key)
{
    const struct ph_arg *a;

    if (ph_args_next(c, "a search key", &a))
        return -1;
    if (a->type != PH_A_ATOM)
        return ph_args_fail(c, "expected a search key", PH_STR(""));
    if (ph_char_is(a->text.p[0], PH_C_DIGIT) || a->text.p[0] == '*' || a->text.p[0] == '$') {
        key->what = PH_SK_SEQ;
        return ph_args_set_text(c, a->text, &key->set);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (ph_str_caseis(a->text, rows[i].word)) {
            key->what = rows[i].what;
            key->negated = rows[i].negated;
            return take_value(k, c, &rows[i], key);
        }
    return ph_args_fail(c, "an unknown search key", a->text);
}

static int take_key(struct keys *k, struct ph_args *c, struct ph_search_key *key)
{
    struct ph_args in;
    int rc;

    *key = (struct ph_search_key){ 0 };
    if (k->depth == 0)
        return ph_fail(c->err, PH_SCOPE_NONE, PH_E_LIMIT, "search keys too deep");
    k->depth--;
    if (ph_args_at_list(c))
        rc = ph_args_list(c, "search keys", &in) || take_all(k, &in, key) ? -1 : 0;
    else
        rc = take_word_key(k, c, key);
    k->depth++;
    return rc;
}

int ph_grammar_search_keys(struct ph_args *c, struct ph_search_key *key)
{
    struct keys k = { c->limits->depth };

    return take_all(&k, c, key);
}

static int take_charset(struct ph_args *c, struct ph_str *charset)
{
    const struct ph_arg *a;

    if (ph_args_next(c, "a charset", &a))
        return -1;
    *charset = a->text;
    if (a->type == PH_A_QUOTED || (a->type == PH_A_ATOM && ph_chars_all(a->text, PH_C_ATOM)))
        return 0;
    return ph_args_fail(c, "expected a charset", a->text);
}

/* `first:last`, both counted from the front or, with `-`, both from the end. */
int ph_grammar_partial(struct ph_args *c, int64_t *first, int64_t *last)
{
    struct ph_str text;
    int64_t *to[2] = { first, last };
    size_t i = 0;

    if (ph_args_atom(c, "a range", &text))
        return -1;
    for (unsigned k = 0; k < 2; k++) {
        bool minus = i < text.n && text.p[i] == '-';
        size_t from = i += minus;
        int64_t n = 0;
        while (i < text.n && ph_char_is(text.p[i], PH_C_DIGIT) && n <= UINT32_MAX)
            n = n * 10 + (text.p[i++] - '0');
        if (i == from || n == 0 || n > UINT32_MAX || (k == 0 && (i == text.n || text.p[i++] != ':')))
            return ph_args_fail(c, "not a range", text);
        *to[k] = minus ? -n : n;
    }
    if (i != text.n || (*first < 0) != (*last < 0))
        return ph_args_fail(c, "not a range", text);
    return 0;
}

static const struct ph_bit_row return_options[] = {
    { "MIN", PH_SR_MIN },   { "MAX", PH_SR_MAX },   { "ALL", PH_SR_ALL },
    { "COUNT", PH_SR_COUNT }, { "SAVE", PH_SR_SAVE }, { "PARTIAL", PH_SR_PARTIAL },
    { NULL, 0 },
};

static int take_return(struct ph_args *c, struct ph_cmd_search *s)
{
    struct ph_args in;
    unsigned bit;

    if (!ph_args_word(c, "RETURN"))
        return 0;
    s->has_return = true;
    if (ph_args_list(c, "return options", &in))
        return -1;
    while (ph_args_more(&in)) {
        if (ph_grammar_bit(&in, return_options, "a return option", &bit))
            return -1;
        if (bit == PH_SR_PARTIAL && ((s->options & PH_SR_PARTIAL) || ph_grammar_partial(&in, &s->partial_first, &s->partial_last)))
            return s->options & PH_SR_PARTIAL ? ph_args_fail(c, "PARTIAL given twice", PH_STR("")) : -1;
        s->options |= bit;
    }
    if ((s->options & PH_SR_PARTIAL) && (s->options & PH_SR_ALL)) /* RFC 9394 3.1 */
        return ph_args_fail(c, "PARTIAL together with ALL", PH_STR(""));
    if (s->options == 0)
        s->options = PH_SR_ALL;
    return 0;
}

int ph_grammar_search(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_search *s = &out->search;

    if (take_return(c, s) || (ph_args_word(c, "CHARSET") && take_charset(c, &s->charset)))
        return -1;
    return ph_grammar_search_keys(c, &s->key);
}

/* `IN (mailboxes [(options)])`; no options are defined yet. */
static int take_sources(struct ph_args *c, struct ph_cmd_search *s, bool *others)
{
    struct ph_args in;
    size_t cap = 0;

    if (ph_args_list(c, "a list of mailboxes", &in))
        return -1;
    do {
        s->sources = ph_args_grow(c, s->sources, s->n_sources, &cap, sizeof *s->sources);
        if (!s->sources || ph_grammar_filter(&in, true, &s->sources[s->n_sources++]))
            return -1;
        *others |= s->sources[s->n_sources - 1].what != PH_MF_SELECTED;
    } while (ph_args_more(&in) && !ph_args_at_list(&in));
    return ph_args_more(&in) ? ph_args_fail(c, "options of mailboxes are not supported", PH_STR("")) : 0;
}

/* RFC 7377 2. Results are always ESEARCH responses, of ALL when nothing else is asked for. */
int ph_grammar_esearch(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_search *s = &out->search;
    bool others = false;

    if ((ph_args_word(c, "IN") && take_sources(c, s, &others)) || take_return(c, s))
        return -1;
    if (!s->has_return)
        s->options = PH_SR_ALL;
    s->has_return = true;
    if (others && (s->options & PH_SR_SAVE))
        return ph_args_fail(c, "SAVE is for the selected mailbox", PH_STR(""));
    if (ph_args_word(c, "CHARSET") && take_charset(c, &s->charset))
        return -1;
    return ph_grammar_search_keys(c, &s->key);
}

static const struct ph_bit_row sort_keys[] = {
    { "ARRIVAL", PH_SORT_ARRIVAL }, { "CC", PH_SORT_CC },
    { "DATE", PH_SORT_DATE },       { "FROM", PH_SORT_FROM },
    { "SIZE", PH_SORT_SIZE },       { "SUBJECT", PH_SORT_SUBJECT },
    { "TO", PH_SORT_TO },           { "DISPLAYFROM", PH_SORT_DISPLAYFROM },
    { "DISPLAYTO", PH_SORT_DISPLAYTO }, { NULL, 0 },
};

int ph_grammar_sort(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_search *s = &out->search;
    struct ph_args in;
    size_t cap = 0;
    unsigned by;

    if (take_return(c, s) || ph_args_list(c, "a list of sort criteria", &in))
        return -1;
    do {
        bool reverse = ph_args_word(&in, "REVERSE");
        if (ph_grammar_bit(&in, sort_keys, "a sort criterion", &by))
            return -1;
        s->sort = ph_args_grow(c, s->sort, s->n_sort, &cap, sizeof *s->sort);
        if (!s->sort)
            return -1;
        s->sort[s->n_sort++] = (struct ph_sort_key){ (enum ph_sort_by)by, reverse };
    } while (ph_args_more(&in));
    return take_charset(c, &s->charset) || ph_grammar_search_keys(c, &s->key) ? -1 : 0;
}

int ph_grammar_thread(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_search *s = &out->search;

    return ph_args_atom(c, "a threading algorithm", &s->algorithm) || take_charset(c, &s->charset) ||
                   ph_grammar_search_keys(c, &s->key)
               ? -1
               : 0;
}
