/* search_eval.c: is a message a match, by what is known of it? */
#include <stdlib.h>
#include <string.h>

#include "server/search.h"
#include "server/user.h"

#define KWSETS 65536 /* sets of keywords whose answer is remembered */
#define DAY 86400

/* Messages share few sets of keywords: each is looked through once. */
static bool has_keyword(struct search *q, struct search_node *n, uint32_t kwset)
{
    enum { UNKNOWN, NO, YES };

    if (kwset >= n->n_kwsets && kwset < KWSETS) {
        size_t cap = kwset + 64;
        unsigned char *grown = realloc(n->kwsets, cap);
        if (grown) {
            memset(grown + n->n_kwsets, UNKNOWN, cap - n->n_kwsets);
            n->kwsets = grown;
            n->n_kwsets = cap;
        }
    }
    if (kwset < n->n_kwsets && n->kwsets[kwset] != UNKNOWN)
        return n->kwsets[kwset] == YES;
    bool has = ph_words_have(mailbox_keywords(q->s->view->mailbox, kwset), n->text);
    if (kwset < n->n_kwsets)
        n->kwsets[kwset] = has ? YES : NO;
    return has;
}

static bool flag_matches(struct search *q, struct search_node *n, const struct mailbox_row *r)
{
    if (n->flag == PH_F_RECENT)
        return ph_numset_contains(&q->s->view->recent, r->uid);
    return n->flag ? r->flags & n->flag : has_keyword(q, n, r->kwset);
}

static bool is_recent(const struct search *q, const struct mailbox_row *r)
{
    return ph_numset_contains(&q->s->view->recent, r->uid);
}

static int64_t days_of(int64_t epoch)
{
    return epoch >= 0 ? epoch / DAY : -((DAY - 1 - epoch) / DAY);
}

static bool compare_days(enum ph_search_what how, int64_t have, int64_t want)
{
    switch (how) {
    case PH_SK_BEFORE: case PH_SK_SENTBEFORE: case PH_SK_SAVEDBEFORE:
        return have < want;
    case PH_SK_ON: case PH_SK_SENTON: case PH_SK_SAVEDON:
        return have == want;
    default:
        return have >= want;
    }
}

static bool leaf(struct search *q, struct search_node *n, const struct search_facts *f)
{
    const struct message *m = f->m;

    switch (n->what) {
    case PH_SK_ALL:
        return true;
    case PH_SK_SEQ: case PH_SK_UID: case PH_SK_UIDAFTER: case PH_SK_UIDBEFORE:
        return ph_numset_contains(&n->set, m->row.uid);
    case PH_SK_FLAG:
        return flag_matches(q, n, &m->row);
    case PH_SK_NEW:
        return is_recent(q, &m->row) && !(m->row.flags & PH_F_SEEN);
    case PH_SK_OLD:
        return !is_recent(q, &m->row);
    case PH_SK_RECENT:
        return is_recent(q, &m->row);
    case PH_SK_MODSEQ:
        return m->row.modseq >= n->number;
    case PH_SK_BEFORE: case PH_SK_ON: case PH_SK_SINCE: /* without regard of time and zone: the date as INTERNALDATE shows it */
        return m->has_date && compare_days(n->what, days_of(m->epoch + m->zone_min * 60), n->days);
    case PH_SK_OLDER:
        return m->has_date && m->epoch <= q->now - (int64_t)n->number;
    case PH_SK_YOUNGER:
        return m->has_date && m->epoch >= q->now - (int64_t)n->number;
    case PH_SK_LARGER:
        return m->size > n->number;
    case PH_SK_SMALLER:
        return m->size < n->number;
    case PH_SK_EMAILID:
        return m->emailid && ph_str_eq(n->text, ph_str(m->emailid));
    case PH_SK_THREADID:
        return m->threadid && ph_str_eq(n->text, ph_str(m->threadid));
    case PH_SK_SAVEDBEFORE: case PH_SK_SAVEDON: case PH_SK_SAVEDSINCE:
        return m->has_saved && compare_days(n->what, days_of(m->saved), n->days);
    case PH_SK_SAVEDATESUPPORTED:
        return q->s->user->serve->info && (q->s->user->serve_abilities & PH_SV_SAVEDATE);
    case PH_SK_SENTBEFORE: case PH_SK_SENTON: case PH_SK_SENTSINCE:
        return f->has_sent && compare_days(n->what, f->sent, n->days);
    case PH_SK_HEADER:
        return ph_text_search_hit(q->header.search, n->key);
    case PH_SK_BODY: case PH_SK_TEXT:
        return ph_text_search_hit(q->body.search, n->key);
    case PH_SK_AND: case PH_SK_OR: case PH_SK_NOT:
        break;
    }
    return false;
}

enum verdict search_eval(struct search *q, uint32_t node, const struct search_facts *f)
{
    struct search_node *n = &q->nodes[node];
    enum verdict v, all = n->what == PH_SK_OR ? SEARCH_NO : SEARCH_YES;

    if (n->what != PH_SK_AND && n->what != PH_SK_OR && n->what != PH_SK_NOT) {
        if (n->needs & ~f->know)
            return SEARCH_OPEN;
        return leaf(q, n, f) != n->negated ? SEARCH_YES : SEARCH_NO;
    }
    /* NOT of several is NOT of their AND */
    enum verdict end = n->what == PH_SK_OR ? SEARCH_YES : SEARCH_NO;
    for (uint32_t i = 0; i < n->n && all != end; i++) {
        v = search_eval(q, n->kids + i, f);
        if (v == end || v == SEARCH_OPEN)
            all = v;
    }
    if (n->what == PH_SK_NOT && all != SEARCH_OPEN)
        all = all == SEARCH_YES ? SEARCH_NO : SEARCH_YES;
    return all;
}
