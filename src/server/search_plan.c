/* search_plan.c: a search program made ready: sets as UIDs, flags as bits, texts in UTF-8, and what each key needs to be known. */
#include "server/search.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/decode.h"
#include "server/private.h"
#include "server/user.h"

#define RANGES 100000

/* ---- sets ---- */

static int add_positions(const struct uidlist *l, uint32_t first, uint32_t last, struct ph_numset *out)
{
    while (first <= last) {
        size_t low = 0, high = l->n;
        while (high - low > 1) {
            size_t mid = low + (high - low) / 2;
            if (l->r[mid].before < first)
                low = mid;
            else
                high = mid;
        }
        const struct uidrange *r = &l->r[low];
        uint32_t end = r->before + (r->last - r->first) + 1, to = last < end ? last : end;
        if (ph_numset_add_range(out, r->first + (first - 1 - r->before), r->first + (to - 1 - r->before)))
            return -1;
        first = to + 1;
    }
    return 0;
}

/* Numbers beyond the end are no error here: they match nothing (RFC 7377 2). */
static int by_number(struct session *s, const struct ph_seqset *set, struct ph_numset *out, struct ph_err *err)
{
    const struct uidlist *l = s->view->uids;
    struct ph_numset seqs = PH_NUMSET_INIT;
    int rc;

    if (s->enabled & PH_EN_UIDONLY)
        return session_uid_required(err);
    if (l->count == 0)
        return 0;
    rc = ph_numset_parse(&seqs, set->text, l->count, RANGES, err);
    if (rc && err)
        err->kind = PH_E_BAD;
    for (size_t i = 0; rc == 0 && i < seqs.n && seqs.r[i].first <= l->count; i++)
        if (add_positions(l, seqs.r[i].first, seqs.r[i].last < l->count ? seqs.r[i].last : l->count, out))
            rc = ph_fail_memory(err);
    ph_numset_done(&seqs);
    return rc;
}

static int make_set(struct search *q, const struct ph_search_key *k, struct search_node *n, struct ph_err *err)
{
    uint64_t number = k->number;

    switch (k->what) {
    case PH_SK_UIDAFTER:
        return number < UINT32_MAX && ph_numset_add_range(&n->set, (uint32_t)number + 1, UINT32_MAX)
                   ? ph_fail_memory(err) : 0;
    case PH_SK_UIDBEFORE:
        return number > 1 && ph_numset_add_range(&n->set, 1, number > UINT32_MAX ? UINT32_MAX : (uint32_t)number - 1)
                   ? ph_fail_memory(err) : 0;
    default:
        if (k->set.saved || k->what == PH_SK_UID)
            return session_set_uids(q->s, &k->set, true, &n->set, err);
        return by_number(q->s, &k->set, &n->set, err);
    }
}

/* ---- texts ---- */

static int badcharset(struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_NONE, PH_E_UNSUPPORTED, "Search in UTF-8: this charset is not known");
    if (err)
        memcpy(err->code, "BADCHARSET", sizeof "BADCHARSET");
    return -1;
}

static int add_text(struct search *q, struct ph_str charset, const struct ph_search_key *k, struct search_node *n,
                    struct ph_err *err)
{
    struct search_text *t = k->what == PH_SK_HEADER ? &q->header : &q->body;
    struct ph_buf utf8 = PH_BUF_INIT;
    struct ph_text_key key = { .where = k->what == PH_SK_HEADER ? PH_TEXT_HEADER
                                        : k->what == PH_SK_BODY ? PH_TEXT_BODY : PH_TEXT_TEXT,
                               .name = k->name };
    int rc = ph_charset_to_utf8(charset.p ? charset : PH_STR("UTF-8"), k->text, &utf8);

    if (rc > 0) {
        key.text.p = ph_arena_strdup(&q->arena, ph_buf_str(&utf8));
        key.text.n = ph_buf_len(&utf8);
    }
    ph_buf_done(&utf8);
    if (rc == 0)
        return badcharset(err);
    if ((t->n & (t->n - 1)) == 0) { /* a power of two: double */
        struct ph_text_key *grown = realloc(t->keys, (t->n ? 2 * t->n : 1) * sizeof *grown);
        if (!grown)
            return ph_fail_memory(err);
        t->keys = grown;
    }
    if (rc < 0 || !key.text.p)
        return ph_fail_memory(err);
    n->key = t->n;
    t->keys[t->n++] = key;
    return 0;
}

static int make_search(struct search_text *t, struct ph_err *err)
{
    if (t->n == 0)
        return 0;
    t->search = ph_text_search_new(t->keys, t->n, err);
    return t->search ? 0 : -1;
}

/* ---- keys ---- */

static uint32_t flag_bit(struct ph_str text)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } flags[] = {
        { "\\Seen", PH_F_SEEN }, { "\\Answered", PH_F_ANSWERED }, { "\\Flagged", PH_F_FLAGGED },
        { "\\Deleted", PH_F_DELETED }, { "\\Draft", PH_F_DRAFT }, { "\\Recent", PH_F_RECENT },
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (ph_str_caseis(text, flags[i].name))
            return flags[i].bit;
    return 0;
}

static unsigned key_needs(enum ph_search_what what)
{
    switch (what) {
    case PH_SK_BEFORE: case PH_SK_ON: case PH_SK_SINCE: case PH_SK_OLDER: case PH_SK_YOUNGER:
        return KNOW_DATE;
    case PH_SK_LARGER: case PH_SK_SMALLER:
        return KNOW_SIZE;
    case PH_SK_EMAILID: case PH_SK_THREADID: case PH_SK_SAVEDBEFORE: case PH_SK_SAVEDON: case PH_SK_SAVEDSINCE:
        return KNOW_INFO;
    case PH_SK_HEADER: case PH_SK_SENTBEFORE: case PH_SK_SENTON: case PH_SK_SENTSINCE:
        return KNOW_HEADER;
    case PH_SK_BODY: case PH_SK_TEXT:
        return KNOW_BODY;
    default:
        return KNOW_ROW;
    }
}

static int make_leaf(struct search *q, struct ph_str charset, const struct ph_search_key *k, struct search_node *n,
                     struct ph_err *err)
{
    n->needs = key_needs(k->what);
    n->number = k->number;
    n->days = k->days;
    n->text = k->text;
    switch (k->what) {
    case PH_SK_SEQ: case PH_SK_UID: case PH_SK_UIDAFTER: case PH_SK_UIDBEFORE:
        return make_set(q, k, n, err);
    case PH_SK_FLAG:
        n->flag = flag_bit(k->text);
        return 0;
    case PH_SK_MODSEQ:
        q->uses_modseq = true;
        return session_use_modseq(q->s, err);
    case PH_SK_SENTBEFORE: case PH_SK_SENTON: case PH_SK_SENTSINCE:
        q->uses_sent = true;
        return 0;
    case PH_SK_HEADER: case PH_SK_BODY: case PH_SK_TEXT:
        return add_text(q, charset, k, n, err);
    default:
        return 0;
    }
}

/* n nodes more; the first's number, or UINT32_MAX without memory. */
static uint32_t more_nodes(struct search *q, size_t n)
{
    uint32_t first = q->n_nodes;

    if (n > UINT32_MAX / 4 - first)
        return UINT32_MAX;
    if (first + n > q->cap_nodes) {
        uint32_t cap = first + (uint32_t)n + first / 2;
        struct search_node *grown = realloc(q->nodes, cap * sizeof *grown);
        if (!grown)
            return UINT32_MAX;
        q->nodes = grown;
        q->cap_nodes = cap;
    }
    memset(q->nodes + first, 0, n * sizeof *q->nodes);
    q->n_nodes += (uint32_t)n;
    return first;
}

/* The parser has limited the depth. */
static int add_key(struct search *q, struct ph_str charset, const struct ph_search_key *k, uint32_t at, struct ph_err *err)
{
    q->nodes[at].what = k->what;
    q->nodes[at].negated = k->negated;
    if (k->what != PH_SK_AND && k->what != PH_SK_OR && k->what != PH_SK_NOT) {
        if (make_leaf(q, charset, k, &q->nodes[at], err))
            return -1;
        q->needs |= q->nodes[at].needs;
        return 0;
    }
    uint32_t kids = more_nodes(q, k->n);
    if (kids == UINT32_MAX)
        return ph_fail_memory(err);
    q->nodes[at].kids = kids;
    q->nodes[at].n = (uint32_t)k->n;
    for (uint32_t i = 0; i < k->n; i++)
        if (add_key(q, charset, &k->kids[i], kids + i, err))
            return -1;
    return 0;
}

/* ---- what can match at all ---- */

static int narrow(struct search *q, uint32_t at, struct ph_err *err)
{
    const struct search_node *n = &q->nodes[at];

    if (n->what == PH_SK_AND) {
        for (uint32_t i = 0; i < n->n; i++)
            if (narrow(q, n->kids + i, err))
                return -1;
    } else if ((n->what == PH_SK_SEQ || n->what == PH_SK_UID || n->what == PH_SK_UIDAFTER || n->what == PH_SK_UIDBEFORE) &&
               !n->negated) {
        return ph_numset_intersect(&q->within, &n->set) ? ph_fail_memory(err) : 0;
    }
    return 0;
}

static int limit(struct search *q, struct ph_err *err)
{
    uint64_t most = q->s->server->config.limits.messages, count = ph_numset_count(&q->within);

    if (!most || count <= most)
        return 0;
    q->lowest = ph_numset_nth(&q->within, count - most);
    return q->lowest > 1 && ph_numset_remove_range(&q->within, 1, q->lowest - 1) ? ph_fail_memory(err) : 0;
}

static int prepare(struct search *q, const struct ph_command *c, struct ph_err *err)
{
    struct ph_str charset = c->search.charset;

    /* RFC 6855 3: with UTF8=ACCEPT a charset must not be given; IMAP4rev2 takes one (RFC 9051 6.4.4) */
    if (charset.p && (q->s->enabled & (PH_EN_UTF8 | PH_EN_REV2)) == PH_EN_UTF8 && c->id != PH_CMD_SORT && c->id != PH_CMD_THREAD)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "After ENABLE UTF8=ACCEPT searches are in UTF-8");
    if (charset.p && !ph_charset_name(charset))
        return badcharset(err);
    if (more_nodes(q, 1) || add_key(q, charset, &c->search.key, 0, err))
        return -1;
    if (make_search(&q->header, err) || make_search(&q->body, err))
        return -1;
    if (uidlist_to_set(q->s->view->uids, &q->within))
        return ph_fail_memory(err);
    return narrow(q, 0, err) || limit(q, err) ? -1 : 0;
}

struct search *search_new(struct session *s, const struct ph_command *c, struct ph_err *err)
{
    struct search *q = calloc(1, sizeof *q);
    struct ph_session *store = session_store(s, err);

    if (!q || !store) {
        free(q);
        if (store)
            ph_fail_memory(err);
        return NULL;
    }
    q->s = s;
    q->store = store;
    q->now = time(NULL);
    ph_arena_init(&q->arena, 0);
    ph_snapshot_init(&q->batch.snap);
    ph_arena_init(&q->batch.texts, 0);
    reader_init(&q->reader, store, s->view->name, s->view->uidvalidity);
    progress_begin(&q->progress, s, c->tag, ph_now_ms());
    if (prepare(q, c, err) == 0)
        return q;
    search_free(q);
    return NULL;
}

void search_free(struct search *q)
{
    if (!q)
        return;
    for (uint32_t i = 0; i < q->n_nodes; i++) {
        ph_numset_done(&q->nodes[i].set);
        free(q->nodes[i].kwsets);
    }
    free(q->nodes);
    free(q->header.keys);
    free(q->body.keys);
    ph_text_search_free(q->header.search);
    ph_text_search_free(q->body.search);
    ph_arena_done(&q->arena);
    ph_numset_done(&q->within);
    reader_done(&q->reader);
    batch_done(&q->batch);
    free(q);
}
