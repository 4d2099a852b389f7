/* sets.c: the message set of a command as UIDs (RFC 9051 9: sequence-set, uid-set; `$`, 6.4.4.1). */
#include "server/private.h"
#include "server/session.h"

#define RANGES 100000 /* what the command parser takes, too */

/* The UIDs at these positions. */
static int uids_at(const struct uidlist *l, const struct ph_numset *seqs, struct ph_numset *out)
{
    size_t k = 0;

    for (size_t i = 0; i < seqs->n; i++) {
        uint32_t seq = seqs->r[i].first, last = seqs->r[i].last;
        while (k < l->n && l->r[k].before + (l->r[k].last - l->r[k].first) + 1 < seq)
            k++;
        for (; k < l->n && seq <= last; k++) {
            const struct uidrange *r = &l->r[k];
            uint32_t end = r->before + (r->last - r->first) + 1, to = last < end ? last : end;
            if (ph_numset_add_range(out, r->first + (seq - 1 - r->before), r->first + (to - 1 - r->before)))
                return -1;
            if (to < end) /* the next range of the set may begin in this one */
                break;
            seq = to + 1;
        }
    }
    return 0;
}

static int by_uid(struct session *s, const struct ph_seqset *set, struct ph_numset *out, struct ph_err *err)
{
    struct ph_numset there = PH_NUMSET_INIT;
    uint32_t last = uidlist_last(s->view->uids);
    int rc = 0;

    if (last == 0)
        return 0;
    if (ph_numset_parse(out, set->text, last, RANGES, err))
        return -1;
    if (uidlist_to_set(s->view->uids, &there) || ph_numset_intersect(out, &there))
        rc = ph_fail_memory(err);
    ph_numset_done(&there);
    return rc;
}

static int by_number(struct session *s, const struct ph_seqset *set, struct ph_numset *out, struct ph_err *err)
{
    struct ph_numset seqs = PH_NUMSET_INIT;
    uint32_t count = s->view->uids->count;
    int rc = -1;

    if (s->enabled & PH_EN_UIDONLY) {
        ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "Message numbers are not used after ENABLE UIDONLY");
        if (err)
            memcpy(err->code, "UIDREQUIRED", sizeof "UIDREQUIRED");
        return -1;
    }
    if (count == 0 && set->star) /* `1:*` asks for all there is: none */
        return 0;
    if (ph_numset_parse(&seqs, set->text, count, RANGES, err))
        goto out;
    if (seqs.n && seqs.r[seqs.n - 1].last > count) {
        ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "There is no message %u: the mailbox has %u", seqs.r[seqs.n - 1].last, count);
        goto out;
    }
    rc = uids_at(s->view->uids, &seqs, out) ? ph_fail_memory(err) : 0;
out:
    ph_numset_done(&seqs);
    return rc;
}

int session_limit_uids(struct session *s, struct ph_numset *uids, uint32_t *lowest, struct ph_err *err)
{
    uint64_t most = s->server->config.limits.messages, count = ph_numset_count(uids);

    *lowest = 0;
    if (!most || count <= most)
        return 0;
    *lowest = ph_numset_nth(uids, count - most);
    return *lowest > 1 && ph_numset_remove_range(uids, 1, *lowest - 1) ? ph_fail_memory(err) : 0;
}

int session_set_uids(struct session *s, const struct ph_seqset *set, bool uid, struct ph_numset *out, struct ph_err *err)
{
    struct ph_numset there = PH_NUMSET_INIT;
    int rc;

    if (!set->saved)
        return uid ? by_uid(s, set, out, err) : by_number(s, set, out, err);
    rc = ph_numset_add_set(out, &s->saved) || uidlist_to_set(s->view->uids, &there) ||
                 ph_numset_intersect(out, &there)
             ? ph_fail_memory(err) : 0;
    ph_numset_done(&there);
    return rc;
}
