/* resume.c: what the ledger spares a folder that an earlier run left unfinished: the header fields of everything that is recorded.
 *
 * Where the run before began, both sides were compared as a whole; the baseline has the destination's UIDNEXT of that moment.
 * Below it nothing is unknown, and above it the ledger knows our own messages by UID. So only the rest is read, and on the source only
 * the keys of messages that have no place on the destination yet.
 */
#include "transfer/folder.h"

static int add_row(struct folder_work *f, const struct ph_ledger_row *row, bool *all)
{
    if (row->state == PH_LR_REFUSED)
        return 0;
    if (!row->dst_uid) { /* which one it is over there shows by its key */
        *all = false;
        return 0;
    }
    return ph_numset_add(&f->known_src, row->src_uid) || ph_numset_push(&f->known_dst, row->dst_uid, row->dst_uid) ? -1 : 0;
}

/* Every UID from the baseline on is the ledger's, and there are no others. */
static int nothing_else(const struct folder_work *f, bool *out, struct ph_err *err)
{
    const struct ph_folder *d = &f->dst;
    const struct ph_baseline *b = &f->base;
    struct ph_numset range = PH_NUMSET_INIT;

    *out = false;
    if (!d->has_status || !b->dst_uidnext || !d->uidvalidity || b->dst_uidvalidity != d->uidvalidity ||
        d->uidnext < b->dst_uidnext)
        return 0;
    uint32_t n = d->uidnext - b->dst_uidnext;
    int bad = n ? ph_numset_add_range(&range, b->dst_uidnext, d->uidnext - 1) || ph_numset_intersect(&range, &f->known_dst)
                : 0;
    *out = !bad && ph_numset_count(&range) == n && d->messages == b->dst_messages + n;
    ph_numset_done(&range);
    return bad ? ph_fail_memory(err) : 0;
}

static bool unfinished(const struct run *r, const struct folder_work *f)
{
    const struct ph_job *j = r->job;

    return r->ledger && f->base_known && (!f->base.complete || f->unresolved) && !j->full_scan && !j->search && !j->policy.dedup &&
           !j->policy.ignore_destination && !j->classic_expunge && !j->empty_destination_first && !j->skip_ids_file &&
           !j->remember_file && !run_deletes_present(r);
}

int resume_begin(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;
    bool all = true;
    int more;

    ph_numset_clear(&f->known_src);
    ph_numset_clear(&f->known_dst);
    f->all_ours = false;
    if (!unfinished(r, f))
        return 0;
    if (ph_ledger_rows(r->ledger, f->id, &c, err))
        return -1;
    while ((more = ph_ledger_rows_next(c, &row, err)) == 1)
        if (add_row(f, &row, &all)) {
            more = ph_fail_memory(err);
            break;
        }
    ph_ledger_rows_end(c);
    ph_numset_sort(&f->known_dst);
    if (more == 0 && all && !f->unresolved)
        more = nothing_else(f, &f->all_ours, err);
    return more;
}

int resume_request(struct folder_work *f, struct ph_scan_request *q, struct ph_numset *uids, struct ph_err *err)
{
    bool same = f->base.dst_uidvalidity && f->base.dst_uidvalidity == f->dst.uidvalidity;

    if (!same || ph_numset_empty(&f->known_dst))
        return 0;
    /* what was sent before the cut came in above it, too */
    uint32_t from = f->base.dst_uidnext ? f->base.dst_uidnext : 1;
    if (ph_numset_add_range(uids, from, UINT32_MAX) || ph_numset_subtract(uids, &f->known_dst))
        return ph_fail_memory(err);
    q->uids = uids;
    q->from_uid = 0;
    return 0;
}

int resume_keys_begin(struct run *r, struct folder_work *f, const struct ph_scan_request *like, struct ph_err *err)
{
    struct ph_scan_request q = { .want = PH_WANT_KEY, .hash_key = &r->hash_key, .uidvalidity = like->uidvalidity };
    struct ph_numset uids = PH_NUMSET_INIT;
    int result = -1;

    ph_snapshot_init(&f->key_snap);
    f->key_inited = true;
    if (ph_numset_add_range(&uids, 1, UINT32_MAX) || ph_numset_subtract(&uids, &f->known_src)) {
        ph_fail_memory(err);
    } else {
        q.uids = &uids;
        result = r->src->ops->scan_begin(r->src, f->src->name, &q, &f->key_snap, err);
    }
    ph_numset_done(&uids);
    f->key_scanning = result == 0;
    return result;
}

void resume_keys_end(struct folder_work *f)
{
    for (size_t i = 0; i < f->key_snap.n; i++) {
        const struct ph_row *k = ph_snapshot_row(&f->key_snap, i);
        struct ph_row *row = ph_snapshot_find(&f->snap, k->uid);
        if (row) {
            row->key = k->key;
            row->has_key = k->has_key;
        }
    }
    ph_snapshot_done(&f->key_snap);
    f->key_inited = false;
}

void resume_done(struct folder_work *f)
{
    if (f->key_inited)
        ph_snapshot_done(&f->key_snap);
    f->key_inited = f->key_scanning = false;
    ph_numset_done(&f->known_src);
    ph_numset_done(&f->known_dst);
}
