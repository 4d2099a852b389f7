/* search_answer.c: results of a search as RETURN asks for them (RFC 9051 6.4.4, RFC 4731, RFC 5182, RFC 9394; RFC 5267 3 for SORT). */
#include <stdlib.h>

#include "server/search.h"
#include "wire/respond.h"

unsigned search_options(const struct session *s, const struct ph_cmd_search *c)
{
    if (c->has_return)
        return c->options ? c->options : PH_SR_ALL;
    return s->enabled & PH_EN_REV2 ? PH_SR_ALL : 0; /* RFC 9051 6.4.4: its clients are always answered so */
}

bool search_ranks(int64_t first, int64_t last, uint64_t n, uint64_t *from, uint64_t *to)
{
    uint64_t a = (uint64_t)llabs(first), b = (uint64_t)llabs(last);

    if (a > b) {
        uint64_t t = a;
        a = b;
        b = t;
    }
    if (a == 0 || a > n)
        return false;
    if (b > n)
        b = n;
    *from = first < 0 ? n - b : a - 1;
    *to = first < 0 ? n - a + 1 : b;
    return true;
}

int search_numbers(struct session *s, const struct ph_numset *uids, struct ph_numset *out, struct ph_err *err)
{
    for (size_t i = 0; i < uids->n; i++)
        for (uint64_t uid = uids->r[i].first; uid <= uids->r[i].last; uid++) {
            uint32_t seq = uidlist_seq(s->view->uids, (uint32_t)uid);
            if (seq && ph_numset_add(out, seq))
                return ph_fail_memory(err);
        }
    return 0;
}

/* How many of the first and last matches must be known; false: all of them. */
static bool enough(const struct ph_cmd_search *c, unsigned options, uint64_t *first, uint64_t *last)
{
    uint64_t a = (uint64_t)llabs(c->partial_first), b = (uint64_t)llabs(c->partial_last), most = a > b ? a : b;

    *first = options & PH_SR_MIN ? 1 : 0;
    *last = options & PH_SR_MAX ? 1 : 0;
    if (options & PH_SR_PARTIAL) {
        uint64_t *which = c->partial_first < 0 ? last : first;
        if (most > *which)
            *which = most;
    }
    return !(options & (PH_SR_ALL | PH_SR_COUNT)) && (*first || *last);
}

int search_results(struct search *q, const struct ph_cmd_search *c, unsigned options, struct search_result *r,
                   struct ph_err *err)
{
    uint64_t first, last;

    *r = (struct search_result){ .c = c, .options = options };
    if (!enough(c, options, &first, &last)) {
        r->all = true;
        return search_run(q, UINT64_MAX, false, &r->first, err);
    }
    if (first && search_run(q, first, false, &r->first, err))
        return -1;
    if (first && ph_numset_count(&r->first) < first) { /* these are all there are */
        r->all = true;
        return 0;
    }
    return last ? search_run(q, last, true, &r->last, err) : 0;
}

void search_results_done(struct search_result *r)
{
    ph_numset_done(&r->first);
    ph_numset_done(&r->last);
}

/* The members with these ranks. */
static int take_ranks(const struct ph_numset *set, uint64_t from, uint64_t to, struct ph_numset *out)
{
    for (size_t i = 0; i < set->n && from < to; i++) {
        uint64_t len = (uint64_t)set->r[i].last - set->r[i].first + 1;
        if (from < len) {
            uint64_t end = to < len ? to : len;
            if (ph_numset_add_range(out, set->r[i].first + (uint32_t)from, set->r[i].first + (uint32_t)(end - 1)))
                return -1;
            from = len;
        }
        from -= len;
        to = to > len ? to - len : 0;
    }
    return 0;
}

static int take_partial(const struct search_result *r, struct ph_numset *out)
{
    const struct ph_cmd_search *c = r->c;
    const struct ph_numset *from_set = c->partial_first < 0 && !r->all ? &r->last : &r->first;
    uint64_t from, to;

    if (!(r->options & PH_SR_PARTIAL) || !search_ranks(c->partial_first, c->partial_last, ph_numset_count(from_set), &from, &to))
        return 0;
    return take_ranks(from_set, from, to, out);
}

/* The highest mod-sequence of what is returned (RFC 4731 3.2, RFC 7162 3.1.6). */
static uint64_t highest_modseq(struct search *q, const struct ph_numset *uids)
{
    struct mailbox_row row;
    uint64_t highest = 0;

    for (size_t i = 0; i < uids->n; i++)
        for (uint64_t uid = uids->r[i].first; uid <= uids->r[i].last; uid++)
            if (mailbox_row(q->s->view->mailbox, (uint32_t)uid, &row) && row.modseq > highest)
                highest = row.modseq;
    return highest;
}

static int save(struct session *s, const struct ph_numset *uids, struct ph_err *err)
{
    ph_numset_clear(&s->saved);
    return ph_numset_add_set(&s->saved, uids) ? ph_fail_memory(err) : 0;
}

static uint32_t number(const struct search *q, const struct ph_command *c, uint32_t uid)
{
    return c->uid || !uid ? uid : uidlist_seq(q->s->view->uids, uid);
}

static uint32_t last_of(const struct ph_numset *s)
{
    return s->n ? s->r[s->n - 1].last : 0;
}

int search_write_esearch(struct search *q, const struct ph_command *c, const struct search_result *r, const char *mailbox,
                         struct ph_err *err)
{
    struct ph_numset told = PH_NUMSET_INIT, partial = PH_NUMSET_INIT, seqs = PH_NUMSET_INIT, partial_seqs = PH_NUMSET_INIT;
    const struct ph_numset *back = r->all ? &r->first : &r->last;
    bool every = r->options & (PH_SR_ALL | PH_SR_COUNT) || r->options == PH_SR_SAVE;
    struct ph_esearch_line e = { .tag = c->tag, .uid = c->uid || mailbox, .options = r->options,
                                 .partial_first = r->c->partial_first, .partial_last = r->c->partial_last };
    uint32_t min = r->options & PH_SR_MIN ? ph_numset_next(&r->first, 0) : 0, max = r->options & PH_SR_MAX ? last_of(back) : 0;
    int rc = -1;

    if (take_partial(r, &partial) || ph_numset_add_set(&told, every ? &r->first : &partial) ||
        (min && ph_numset_add(&told, min)) || (max && ph_numset_add(&told, max)))
        goto memory;
    if (!e.uid && (search_numbers(q->s, &r->first, &seqs, err) || search_numbers(q->s, &partial, &partial_seqs, err)))
        goto out;
    e.min = e.uid ? min : number(q, c, min);
    e.max = e.uid ? max : number(q, c, max);
    e.count = (uint32_t)ph_numset_count(&r->first);
    e.all = e.uid ? &r->first : &seqs;
    e.partial = e.uid ? &partial : &partial_seqs;
    e.modseq = q->uses_modseq ? highest_modseq(q, &told) : 0;
    if (mailbox) {
        e.mailbox = ph_str(mailbox);
        e.uidvalidity = q->s->view->uidvalidity;
    }
    if ((r->options & ~PH_SR_SAVE) && (!mailbox || !ph_numset_empty(&told)))
        ph_write_esearch(&q->s->w, &e);
    rc = r->options & PH_SR_SAVE ? save(q->s, &told, err) : 0;
    goto out;
memory:
    ph_fail_memory(err);
out:
    ph_numset_done(&told);
    ph_numset_done(&partial);
    ph_numset_done(&seqs);
    ph_numset_done(&partial_seqs);
    return rc;
}
