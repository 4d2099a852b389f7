/* surplus.c: a last look for what came in twice.
 *
 * Messages of an interrupted run are sent again after the destination has had its time to commit the first sending. One that takes
 * longer leaves two of them. Nothing can keep it from doing so, but it is said: which message, and which of the two the ledger
 * does not know.
 */
#include <stdlib.h>

#include "transfer/folder.h"

int surplus_note(struct folder_work *f, const struct ph_numset *uids, struct ph_err *err)
{
    size_t n = f->n_resent + (size_t)ph_numset_count(uids);
    struct resent *more = realloc(f->resent, (n + 1) * sizeof *more);

    if (!more)
        return ph_fail_memory(err);
    f->resent = more;
    if (!f->resent_from || f->lowest_uidnext < f->resent_from)
        f->resent_from = f->lowest_uidnext ? f->lowest_uidnext : 1;
    for (uint32_t uid = ph_numset_next(uids, 0); uid; uid = ph_numset_next(uids, uid)) {
        const struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        if (row && row->key) /* what has no key could only be told by its bytes */
            f->resent[f->n_resent++] = (struct resent){ row->key, uid };
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct resent *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Messages of the destination that the ledger has are none too many; of the others one may be each sent message whose UID
 * nobody told. */
static int leave_known(struct run *r, struct folder_work *f, struct ph_numset *uids, struct ph_err *err)
{
    struct ph_numset known = PH_NUMSET_INIT;
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;
    int more;

    if (ph_ledger_rows(r->ledger, f->id, &c, err))
        return -1;
    while ((more = ph_ledger_rows_next(c, &row, err)) == 1)
        if (row.dst_uid && ph_numset_push(&known, row.dst_uid, row.dst_uid)) {
            more = ph_fail_memory(err);
            break;
        }
    ph_ledger_rows_end(c);
    ph_numset_sort(&known);
    if (more == 0 && (ph_numset_add_range(uids, f->resent_from, UINT32_MAX) || ph_numset_subtract(uids, &known)))
        more = ph_fail_memory(err);
    ph_numset_done(&known);
    return more;
}

static struct resent *find(const struct folder_work *f, uint64_t key)
{
    size_t lo = 0, hi = f->n_resent;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (f->resent[mid].key < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < f->n_resent && f->resent[lo].key == key ? &f->resent[lo] : NULL;
}

static int tell(struct run *r, struct folder_work *f, struct ph_row *d, struct ph_err *err)
{
    struct resent *first = find(f, d->key), *end = f->resent + f->n_resent;
    struct ph_ledger_row row;
    struct ph_err e;

    for (struct resent *x = first; x && x < end && x->key == d->key; x++) {
        int found = ph_ledger_row(r->ledger, f->id, x->uid, &row, err);
        if (found < 0)
            return -1;
        if (found && !row.dst_uid && !x->counted) { /* that one, for all we know */
            x->counted = true;
            return 0;
        }
    }
    if (!first)
        return 0;
    ph_fail(&e, PH_SCOPE_MESSAGE, PH_E_EXISTS,
            "came in twice: the destination took it after all, later than it was waited for. UID %u of %s is one too many", d->uid,
            f->dst_name);
    pthread_mutex_lock(&r->lock);
    r->totals.failed++;
    pthread_mutex_unlock(&r->lock);
    run_problem(r, f, first->uid, &e);
    return 0;
}

static int look(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_scan_request q = { .want = PH_WANT_KEY, .hash_key = &r->hash_key };
    struct ph_numset uids = PH_NUMSET_INIT;
    struct ph_snapshot found;
    struct ph_err e;
    int result = -1;

    ph_snapshot_init(&found);
    qsort(f->resent, f->n_resent, sizeof *f->resent, by_key);
    q.uids = &uids;
    if (leave_known(r, f, &uids, err) || r->dst->ops->scan_begin(r->dst, f->dst_name, &q, &found, err))
        goto out;
    if (r->dst->ops->scan_wait(r->dst, &found, &e)) {
        *err = e;
        result = e.scope > PH_SCOPE_FOLDER ? -1 : 0; /* the run has said what it has to say of this folder */
        goto out;
    }
    result = 0;
    for (size_t i = 0; i < found.n && result == 0; i++)
        if (ph_snapshot_row(&found, i)->key)
            result = tell(r, f, ph_snapshot_row(&found, i), err);
    f->n_resent = 0;
out:
    ph_snapshot_done(&found);
    ph_numset_done(&uids);
    return result;
}

int surplus_look(struct run *r, struct ph_err *err)
{
    for (struct folder_work *f = r->folders; f; f = f->next)
        if (f->n_resent && !f->dead && look(r, f, err))
            return -1;
    return 0;
}
