/* finish.c: after the messages: flags and removals on the destination, and what both sides look like now, so that the
 * next run finds nothing to do without looking. */
#include <stdlib.h>
#include <string.h>

#include "transfer/run.h"

/* ---- flags ---- */

struct group { /* messages that get the same flags */
    uint32_t flags, kwset;
    struct ph_numset uids;
};

struct folder_flags {
    struct group *g;
    size_t n, cap;
    struct ph_flag_change *changes;
};

static int add_flag(struct folder_flags *ff, const struct ph_row *row, uint32_t dst_uid)
{
    uint32_t flags = row->flags & ~(uint32_t)PH_F_RECENT;
    size_t i;

    for (i = 0; i < ff->n; i++)
        if (ff->g[i].flags == flags && ff->g[i].kwset == row->kwset)
            break;
    if (i == ff->n) {
        if (ff->n == ff->cap) {
            size_t cap = ff->cap ? ff->cap * 2 : 16;
            struct group *g = realloc(ff->g, cap * sizeof *g);
            if (!g)
                return -1;
            ff->g = g;
            ff->cap = cap;
        }
        ff->g[ff->n++] = (struct group){ .flags = flags, .kwset = row->kwset };
    }
    return ph_numset_add(&ff->g[i].uids, dst_uid);
}

static int prepare_flags(struct run *r, struct folder_work *f, struct folder_flags *ff, struct ph_flag_batch *out)
{
    for (size_t i = 0; i < f->steps.n_flags; i++) {
        struct ph_row *row = ph_snapshot_find(&f->snap, f->steps.flags[i].src_uid);
        if (row && f->steps.flags[i].dst_uid && add_flag(ff, row, f->steps.flags[i].dst_uid))
            return -1;
    }
    ff->changes = calloc(ff->n + 1, sizeof *ff->changes);
    if (!ff->changes)
        return -1;
    for (size_t i = 0; i < ff->n; i++)
        ff->changes[i] = (struct ph_flag_change){ .uids = &ff->g[i].uids, .flags = ff->g[i].flags,
                                                  .keywords = r->job->keywords && ff->g[i].kwset
                                                                  ? f->snap.kwsets[ff->g[i].kwset] : "",
                                                  .mode = PH_FLAGS_SET, .unchanged_since = r->listed_here ? f->dst.modseq : 0 };
    *out = (struct ph_flag_batch){ .folder = f->dst_name, .uidvalidity = f->dst.uidvalidity, .changes = ff->changes,
                                   .n = ff->n };
    return 0;
}

static void free_flags(struct folder_flags *ff)
{
    for (size_t i = 0; i < ff->n; i++)
        ph_numset_done(&ff->g[i].uids);
    free(ff->g);
    free(ff->changes);
}

/* The ledger remembers the flags that were carried over. */
static int record_flags(struct run *r, struct folder_work *f, struct ph_err *err)
{
    for (size_t i = 0; i < f->steps.n_flags; i++) {
        struct ph_ledger_row row;
        struct ph_row *src = ph_snapshot_find(&f->snap, f->steps.flags[i].src_uid);
        int found = ph_ledger_row(r->ledger, f->id, f->steps.flags[i].src_uid, &row, err);
        if (found < 0)
            return -1;
        if (!found || !src)
            continue;
        row.flags_hash = ph_flags_hash(src->flags, ph_snapshot_keywords(&f->snap, src));
        if (ph_ledger_put(r->ledger, f->id, &row, 1, err))
            return -1;
        run_message(r, f, row.src_uid, row.size, PH_ACT_FLAGS, NULL);
    }
    return 0;
}

static bool flags_failed(struct run *r, struct folder_work *f, const struct ph_flag_batch *b)
{
    const struct ph_err *e = &b->result;

    for (size_t i = 0; i < b->n && e->kind == PH_OK; i++)
        e = &b->changes[i].result;
    if (e->kind == PH_OK)
        return false;
    pthread_mutex_lock(&r->lock);
    f->incomplete = true;
    r->totals.failed++;
    pthread_mutex_unlock(&r->lock);
    run_problem(r, f, 0, e);
    return true;
}

static int apply_flags(struct run *r, struct folder_work *const *f, size_t n, struct ph_err *err)
{
    struct folder_flags *ff = calloc(n + 1, sizeof *ff);
    struct ph_flag_batch *b = calloc(n + 1, sizeof *b);
    struct folder_work **who = calloc(n + 1, sizeof *who);
    size_t used = 0;
    int result = -1;

    if (!ff || !b || !who) {
        ph_fail_memory(err);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (!f[i]->planned || f[i]->dead || !f[i]->steps.n_flags)
            continue;
        if (prepare_flags(r, f[i], &ff[used], &b[used])) {
            ph_fail_memory(err);
            goto out;
        }
        who[used++] = f[i];
    }
    if (used && r->dst->ops->store_flags(r->dst, b, used, err))
        goto out;
    for (size_t i = 0; i < used; i++) {
        if (!flags_failed(r, who[i], &b[i]) && record_flags(r, who[i], err))
            goto out;
        who[i]->steps.n_flags = 0; /* a new connection goes on behind it */
    }
    result = 0;
out:
    for (size_t i = 0; ff && i < n; i++)
        free_flags(&ff[i]);
    free(ff);
    free(b);
    free(who);
    return result;
}

static int apply_expunges(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_err e;
    uint64_t n = ph_numset_count(&f->steps.expunge);

    if (!n || f->dead)
        return 0;
    if (r->dst->ops->expunge(r->dst, f->dst_name, f->dst.uidvalidity, &f->steps.expunge, false, &e) == 0) {
        f->expunged += n;
        struct ph_event ev = { .kind = PH_EV_MESSAGE, .side = 'd', .folder = f->src->name, .dst_folder = f->dst_name,
                               .number = n, .action = PH_ACT_EXPUNGED };
        pthread_mutex_lock(&r->lock);
        r->totals.expunged += n;
        run_event_locked(r, &ev);
        pthread_mutex_unlock(&r->lock);
        ph_numset_clear(&f->steps.expunge);
        ph_numset_clear(&f->surplus);
        return 0;
    }
    if (e.scope > PH_SCOPE_FOLDER) {
        *err = e;
        return -1;
    }
    f->incomplete = true;
    run_problem(r, f, 0, &e);
    return 0;
}

static int forget_gone(struct run *r, struct folder_work *f, struct ph_err *err)
{
    uint32_t uids[256];
    size_t n = 0;

    for (uint32_t u = ph_numset_next(&f->steps.gone, 0); u; u = ph_numset_next(&f->steps.gone, u)) {
        uids[n++] = u;
        if (n == sizeof uids / sizeof *uids) {
            if (ph_ledger_forget(r->ledger, f->id, uids, n, err))
                return -1;
            n = 0;
        }
    }
    return n ? ph_ledger_forget(r->ledger, f->id, uids, n, err) : 0;
}

int folder_apply(struct run *r, struct folder_work *const *f, size_t n, struct ph_err *err)
{
    if (apply_flags(r, f, n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!f[i]->planned || f[i]->dead)
            continue;
        if (!ph_numset_empty(&f[i]->surplus) && !f[i]->incomplete &&
            ph_numset_add_set(&f[i]->steps.expunge, &f[i]->surplus))
            return ph_fail_memory(err);
        if ((r->job->policy.expunge || r->job->classic_expunge) && (apply_expunges(r, f[i], err) || forget_gone(r, f[i], err)))
            return -1;
    }
    return 0;
}

/* ---- baselines ---- */

/* Somebody deleted the folder while we were at work there, and it was made again: what went into the first one is gone. The
 * baseline keeps the first one's UIDVALIDITY, so that the next run matches everything anew. */
static bool made_anew(struct run *r, struct folder_work *f)
{
    struct ph_err e;

    if (!f->validity || !f->dst.has_status || f->dst.uidvalidity == f->validity)
        return false;
    /* what we put in is there: an APPENDUID that names another UIDVALIDITY is a server's slip */
    if (f->dst.messages >= f->before_messages + f->appended - f->expunged)
        return false;
    ph_fail(&e, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s was deleted and made anew while it was being filled; run again", f->dst_name);
    f->dst.has_status = false;
    f->incomplete = true;
    pthread_mutex_lock(&r->lock);
    r->totals.failed++;
    pthread_mutex_unlock(&r->lock);
    run_problem(r, f, 0, &e);
    return true;
}

static int set_baseline(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_baseline b = f->base;
    const struct ph_folder *d = &f->dst;
    bool anew = made_anew(r, f);

    b.src_uidvalidity = f->snap.uidvalidity;
    b.src_uidnext = f->snap.uidnext ? f->snap.uidnext : f->src->uidnext;
    b.src_messages = f->snap.exists;
    /* flags that were not carried over are a change still to be seen by a run that carries them */
    if (run_carries_flags(r) || !f->base_known || f->base.src_uidvalidity != f->snap.uidvalidity)
        b.src_modseq = f->snap.modseq;
    bool ours = d->has_status && d->messages == f->before_messages + f->appended - f->expunged &&
                (!f->before_uidnext || d->uidnext == f->before_uidnext + f->appended);
    b.dst_uidvalidity = anew || !d->has_status ? f->validity : d->uidvalidity;
    b.dst_uidnext = ours ? d->uidnext : 0;
    b.dst_messages = ours ? d->messages : 0;
    b.dst_modseq = ours ? d->modseq : 0;
    /* what a choice left out is not done for a run that chooses otherwise */
    bool chosen = r->job->search != NULL;
    for (int i = 0; i < PH_SKIP_REASONS; i++)
        if (i != PH_SKIP_KNOWN && i != PH_SKIP_REFUSED && i != PH_SKIP_EMPTY && i != PH_SKIP_APPEND_LIMIT)
            chosen |= !ph_numset_empty(&f->steps.skipped[i]);
    b.complete = !f->incomplete && !chosen && ph_numset_empty(&f->unsure) && ph_numset_empty(&f->unknown);
    return ph_ledger_baseline_set(r->ledger, f->id, &b, err);
}

int folders_close(struct run *r, struct ph_err *err)
{
    struct ph_folder **d;
    size_t n = 0, k = 0;
    int result = -1;

    for (struct folder_work *f = r->folders; f; f = f->next)
        n += f->planned && !f->dead && !f->closed;
    d = calloc(n + 1, sizeof *d);
    if (!d)
        return ph_fail_memory(err);
    for (struct folder_work *f = r->folders; f; f = f->next)
        if (f->planned && !f->dead && !f->closed) {
            f->dst.name = f->dst_name;
            d[k++] = &f->dst;
        }
    if (n && r->dst->ops->status(r->dst, d, n, err))
        goto out;
    for (struct folder_work *f = r->folders; f; f = f->next) {
        if (!f->planned || f->dead || f->closed)
            continue;
        if (set_baseline(r, f, err))
            goto out;
        f->closed = true;
        pthread_mutex_lock(&r->lock);
        run_folder_done_locked(r, f);
        pthread_mutex_unlock(&r->lock);
    }
    result = 0;
out:
    free(d);
    return result;
}
