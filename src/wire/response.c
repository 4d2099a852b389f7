#include "wire/response.h"

#include "wire/lex.h"

const struct ph_resp_limits ph_resp_limits_default = { 100, 1000000, 1000000 };

static const struct {
    char word[8];
    enum ph_status status;
} statuses[] = {
    { "OK", PH_ST_OK }, { "NO", PH_ST_NO }, { "BAD", PH_ST_BAD }, { "BYE", PH_ST_BYE }, { "PREAUTH", PH_ST_PREAUTH },
};

static const struct {
    const char *word;
    enum ph_resp_kind kind;
} words[] = {
    { "LIST", PH_RESP_LIST },           { "STATUS", PH_RESP_MAILBOX_STATUS }, { "VANISHED", PH_RESP_VANISHED },
    { "SEARCH", PH_RESP_SEARCH },       { "ESEARCH", PH_RESP_ESEARCH },       { "FLAGS", PH_RESP_FLAGS },
    { "CAPABILITY", PH_RESP_CAPABILITY }, { "LSUB", PH_RESP_LIST },           { "XLIST", PH_RESP_LIST },
    { "ENABLED", PH_RESP_ENABLED },     { "NAMESPACE", PH_RESP_NAMESPACE },   { "ID", PH_RESP_ID },
    { "SORT", PH_RESP_SEARCH },
}, numbered[] = {
    { "FETCH", PH_RESP_FETCH },
    { "EXISTS", PH_RESP_EXISTS },
    { "EXPUNGE", PH_RESP_EXPUNGE },
    { "RECENT", PH_RESP_RECENT },
    { "UIDFETCH", PH_RESP_FETCH },
};

static enum ph_status status_of(struct ph_str word)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (ph_str_caseis(word, statuses[i].word))
            return statuses[i].status;
    return PH_ST_NONE;
}

static void read_text(struct ph_lex *l, struct ph_resp *r)
{
    ph_lex_blanks(l);
    if (ph_lex_at(l, '[')) {
        ph_resp_code_parse(l, &r->code);
        ph_lex_blanks(l);
    }
    r->text = ph_lex_rest(l);
}

static void read_unknown(struct ph_lex *l, struct ph_resp *r)
{
    ph_lex_blanks(l);
    r->kind = PH_RESP_UNKNOWN;
    r->text = ph_lex_rest(l);
}

static void read_words(struct ph_lex *l, struct ph_resp *r, enum ph_resp_kind kind)
{
    r->kind = kind;
    ph_lex_words(l, &r->words, kind == PH_RESP_ID);
}

/* `* word …`; what is not understood is read as unknown from `rest` on. */
static void read_named(struct ph_lex *l, struct ph_resp *r, const struct ph_resp_limits *limits)
{
    const char *rest = l->p;
    bool ok = true;

    for (size_t i = 0; i < sizeof words / sizeof *words && r->kind == PH_RESP_UNKNOWN; i++)
        if (ph_str_caseis(r->word, words[i].word))
            r->kind = words[i].kind;
    switch (r->kind) {
    case PH_RESP_LIST:
        ok = ph_resp_parse_list(l, &r->list);
        break;
    case PH_RESP_MAILBOX_STATUS:
        ok = ph_resp_parse_mstatus(l, &r->mstatus);
        break;
    case PH_RESP_VANISHED:
        ok = ph_resp_parse_vanished(l, r, limits->ranges);
        break;
    case PH_RESP_SEARCH:
        if (ph_upper((unsigned char)r->word.p[1]) == 'O') /* SORT */
            ph_resp_parse_sort(l, r);
        else
            ph_resp_parse_search(l, r, limits->ranges);
        break;
    case PH_RESP_ESEARCH:
        ph_resp_parse_esearch(l, &r->esearch);
        break;
    case PH_RESP_NAMESPACE:
        ph_resp_parse_namespaces(l, &r->ns);
        break;
    case PH_RESP_CAPABILITY:
    case PH_RESP_ENABLED:
    case PH_RESP_FLAGS:
    case PH_RESP_ID:
        read_words(l, r, r->kind);
        break;
    default:
        ok = false;
    }
    if (!ok && !l->stop) {
        l->p = rest;
        read_unknown(l, r);
    }
}

static void read_numbered(struct ph_lex *l, struct ph_resp *r, struct ph_str number)
{
    uint64_t n;

    ph_lex_blanks(l);
    r->word = ph_lex_atom(l);
    for (size_t i = 0; i < sizeof numbered / sizeof *numbered && r->kind == PH_RESP_UNKNOWN; i++)
        if (ph_str_caseis(r->word, numbered[i].word))
            r->kind = numbered[i].kind;
    if (r->kind == PH_RESP_UNKNOWN || !ph_str_u64(number, &n) || n > UINT32_MAX) {
        read_unknown(l, r);
        return;
    }
    r->number = (uint32_t)n;
    if (r->kind != PH_RESP_FETCH)
        return;
    if (r->word.n == 8) { /* UIDFETCH: RFC 9586 3.3 */
        r->fetch.uid = r->number;
        r->fetch.has_uid = r->number != 0;
    }
    ph_resp_parse_fetch(l, &r->fetch);
}

static void read_untagged(struct ph_lex *l, struct ph_resp *r, const struct ph_resp_limits *limits)
{
    ph_lex_blanks(l);
    if (ph_lex_at(l, '[')) { /* a bare code */
        r->kind = PH_RESP_STATUS;
        r->status = PH_ST_OK;
        read_text(l, r);
        return;
    }
    struct ph_str word = ph_lex_atom(l);
    if (word.n && word.p[0] >= '0' && word.p[0] <= '9') {
        read_numbered(l, r, word);
        return;
    }
    r->word = word;
    r->status = status_of(word);
    if (r->status) {
        r->kind = PH_RESP_STATUS;
        read_text(l, r);
        return;
    }
    read_named(l, r, limits);
}

static void read_continue(struct ph_lex *l, struct ph_resp *r)
{
    r->kind = PH_RESP_CONTINUE;
    read_text(l, r);
    while (r->text.n && ph_lex_is_blank(r->text.p[r->text.n - 1]))
        r->text.n--;
}

static void read_tagged(struct ph_lex *l, struct ph_resp *r)
{
    r->tag = ph_lex_word(l);
    ph_lex_blanks(l);
    r->word = ph_lex_word(l);
    r->status = status_of(r->word);
    if (!r->status) {
        read_unknown(l, r);
        return;
    }
    r->kind = PH_RESP_STATUS;
    read_text(l, r);
}

int ph_resp_parse(const struct ph_framer *f, const struct ph_resp_limits *limits, struct ph_arena *arena,
                  struct ph_resp *out, struct ph_err *err)
{
    if (!limits)
        limits = &ph_resp_limits_default;
    struct ph_lex l = {.p = f->frame.p,
                       .base = f->frame.p,
                       .end = f->frame.p + f->frame.n,
                       .streamed = f->streamed,
                       .n_streamed = f->n_streamed,
                       .arena = arena,
                       .depth = limits->depth,
                       .values = limits->values};

    memset(out, 0, sizeof *out);
    out->text = out->word = PH_STR("");
    ph_lex_blanks(&l);
    if (ph_lex_eat(&l, '+'))
        read_continue(&l, out);
    else if (ph_lex_eat(&l, '*') || ph_lex_at(&l, '['))
        read_untagged(&l, out, limits);
    else
        read_tagged(&l, out);
    if (!l.stop)
        return 0;

    ph_resp_done(out);
    memset(out, 0, sizeof *out);
    out->text = out->word = PH_STR("");
    if (l.stop == PH_E_MEMORY)
        return ph_fail_memory(err);
    return ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "a response with too many or too deeply nested values");
}

void ph_resp_done(struct ph_resp *r)
{
    ph_numset_done(&r->set);
}
