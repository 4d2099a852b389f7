/* audit_pairs.c: which message of the destination is compared with which of the source.
 *
 * A message that a server changed may have lost what it is known by (a key built of its header, its bytes), or look like a
 * copy of another one. The record of a copy says which message was made of which; that is only where to look: the bytes are
 * compared as for all others. So it counts only where they are.
 */
#include <stdlib.h>
#include <string.h>

#include "transfer/run.h"

struct known {
    struct ph_adoption *pair;
    size_t n, at;
};

static int next_known(void *ctx, struct ph_ledger_row *out, struct ph_err *err)
{
    struct known *k = ctx;

    if (k->at == k->n)
        return 0;
    *out = (struct ph_ledger_row){ .src_uid = k->pair[k->at].src_uid, .dst_uid = k->pair[k->at].dst_uid,
                                   .state = PH_LR_COPIED };
    k->at++;
    return 1;
}

static int rewind_known(void *ctx, struct ph_err *err)
{
    ((struct known *)ctx)->at = 0;
    return 0;
}

static bool still_there(const struct folder_work *w, const struct ph_ledger_row *row)
{
    return row->dst_uid && (row->state == PH_LR_COPIED || row->state == PH_LR_ADOPTED || row->state == PH_LR_REPAIRED) &&
           ph_snapshot_find(&w->snap, row->src_uid) && ph_snapshot_find(&w->dst_snap, row->dst_uid);
}

/* The pairs of the record that are on both sides, each message once. */
static int read_known(struct run *r, struct folder_work *w, struct known *k, struct ph_err *err)
{
    struct ph_numset taken = PH_NUMSET_INIT;
    struct ph_ledger_cursor *rows = NULL;
    struct ph_ledger_row row;
    struct ph_baseline base;
    int more = -1;

    if (!r->ledger || !r->job->audit_bytes || !w->dst_exists)
        return 0;
    if (ph_ledger_baseline_get(r->ledger, w->id, &base, err))
        return -1;
    if (base.src_uidvalidity != w->snap.uidvalidity || base.dst_uidvalidity != w->dst_snap.uidvalidity)
        return 0;
    ph_snapshot_sort_uid(&w->snap);
    ph_snapshot_sort_uid(&w->dst_snap);
    k->pair = calloc(w->snap.n + 1, sizeof *k->pair);
    if (!k->pair)
        return ph_fail_memory(err);
    if (ph_ledger_rows(r->ledger, w->id, &rows, err))
        return -1;
    while ((more = ph_ledger_rows_next(rows, &row, err)) == 1) {
        if (k->n == w->snap.n || !still_there(w, &row) || ph_numset_contains(&taken, row.dst_uid))
            continue;
        if (ph_numset_add(&taken, row.dst_uid)) {
            more = ph_fail_memory(err);
            break;
        }
        k->pair[k->n++] = (struct ph_adoption){ row.src_uid, row.dst_uid };
    }
    ph_ledger_rows_end(rows);
    ph_numset_done(&taken);
    return more;
}

static int add_known(struct ph_steps *steps, const struct known *k, struct ph_err *err)
{
    if (k->n == 0)
        return 0;
    struct ph_adoption *all = realloc(steps->adopt, (steps->n_adopt + k->n) * sizeof *all);
    if (!all)
        return ph_fail_memory(err);
    memcpy(all + steps->n_adopt, k->pair, k->n * sizeof *all);
    steps->adopt = all;
    steps->n_adopt += k->n;
    return 0;
}

int audit_pair_up(struct run *r, struct folder_work *w, struct ph_err *err)
{
    struct ph_policy policy = { .append_limit = UINT64_MAX };
    struct known k = { .pair = NULL };
    struct ph_plan_input in = { .src = &w->snap, .dst = w->dst_exists ? &w->dst_snap : NULL };
    int result = read_known(r, w, &k, err);

    if (result == 0) {
        if (k.n) {
            in.next_row = next_known;
            in.rewind = rewind_known;
            in.rows_ctx = &k;
        }
        result = plan_resolved(r, w, &in, &policy, err) || add_known(&w->steps, &k, err) ? -1 : 0;
    }
    free(k.pair);
    return result;
}
