/* remove.c: what is taken off the source, and the proof that comes before it: the copy is on the destination now, whatever the ledger says. */
#include <stdlib.h>

#include "transfer/run.h"

/* What the ledger says of the messages that are to go: where their copies are. */
struct claims {
    struct ph_numset dst;    /* the copies' UIDs */
    struct ph_numset lost;   /* source UIDs that stay: the copy is not there, or nobody knows which it is */
};

/* `copied` is a message of this run that the destination said OK to: without a UID its word has to do. */
static int one_claim(const struct folder_work *f, const struct ph_ledger_row *row, const struct ph_snapshot *there,
                     struct claims *c)
{
    bool copied = ph_numset_contains(&f->done, row->src_uid);

    if (!copied && !ph_numset_contains(&f->recorded, row->src_uid))
        return 0;
    if (!there)
        return row->dst_uid ? ph_numset_push(&c->dst, row->dst_uid, row->dst_uid) : 0;
    bool proven = row->dst_uid ? ph_snapshot_find(there, row->dst_uid) != NULL : copied;
    return proven ? 0 : ph_numset_add(&c->lost, row->src_uid);
}

static int read_claims(struct run *r, const struct folder_work *f, const struct ph_snapshot *there, struct claims *c,
                       struct ph_err *err)
{
    struct ph_ledger_cursor *rows;
    struct ph_ledger_row row;
    int more;

    if (ph_ledger_rows(r->ledger, f->id, &rows, err))
        return -1;
    while ((more = ph_ledger_rows_next(rows, &row, err)) == 1)
        if (row.state != PH_LR_REFUSED && one_claim(f, &row, there, c)) {
            more = ph_fail_memory(err);
            break;
        }
    ph_ledger_rows_end(rows);
    ph_numset_sort(&c->dst);
    return more;
}

static void tell_lost(struct run *r, const struct folder_work *f, const struct claims *c)
{
    for (uint32_t uid = ph_numset_next(&c->lost, 0); uid; uid = ph_numset_next(&c->lost, uid))
        run_notice(r, f, uid, "stays on the source: its copy is not on the destination any more");
}

static void source_failed(struct run *r, struct folder_work *f, const struct ph_err *e)
{
    pthread_mutex_lock(&r->lock);
    r->totals.failed++;
    pthread_mutex_unlock(&r->lock);
    run_problem(r, f, 0, e);
}

/* Leaves in `done` what the destination has at this moment. A folder that cannot be looked at loses nothing. -1 only for what ends the
 * session. */
static int prove(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_scan_request q = { .uidvalidity = f->validity };
    struct claims c = { PH_NUMSET_INIT, PH_NUMSET_INIT };
    struct ph_snapshot there;
    struct ph_err e = { 0 };
    int result = -1;

    if (ph_numset_empty(&f->done) && ph_numset_empty(&f->recorded))
        return 0;
    ph_snapshot_init(&there);
    q.uids = &c.dst;
    if (read_claims(r, f, NULL, &c, err))
        goto out;
    if (!ph_numset_empty(&c.dst)) {
        if (r->dst->ops->scan_begin(r->dst, f->dst_name, &q, &there, err))
            goto out;
        if (r->dst->ops->scan_wait(r->dst, &there, &e)) {
            *err = e;
            if (e.scope > PH_SCOPE_FOLDER)
                goto out;
            ph_err_prefix(&e, "nothing is removed from the source, because the copies cannot be looked for");
            source_failed(r, f, &e);
            ph_numset_clear(&f->done);
            result = 0;
            goto out;
        }
    }
    if (read_claims(r, f, &there, &c, err))
        goto out;
    result = 0;
    tell_lost(r, f, &c);
    if (ph_numset_add_set(&f->done, &f->recorded) || ph_numset_subtract(&f->done, &c.lost))
        result = ph_fail_memory(err);
out:
    if (result == 0) /* else a new connection begins again */
        ph_numset_clear(&f->recorded);
    ph_numset_done(&c.dst);
    ph_numset_done(&c.lost);
    ph_snapshot_done(&there);
    return result;
}

/* -1 only for what ends the session. */
static int remove_source(struct run *r, struct folder_work *f, struct ph_err *err)
{
    const struct ph_job *j = r->job;
    struct ph_err e = { 0 };
    int result = 0;

    if (j->archive_folder && !f->archived) {
        if (!r->src->ops->copy)
            result = ph_fail(&e, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "the source cannot copy into %s", j->archive_folder);
        else
            result = r->src->ops->copy(r->src, f->src->name, f->snap.uidvalidity, &f->done, j->archive_folder, &e);
        if (result)
            ph_err_prefix(&e, "not archived, so nothing is deleted");
        f->archived = result == 0; /* a new connection must not do it twice */
    }
    if (result == 0 && j->after != PH_AFTER_KEEP) {
        uint64_t n = ph_numset_count(&f->done);
        result = r->src->ops->expunge(r->src, f->src->name, f->snap.uidvalidity, &f->done, false, &e);
        if (result == 0) {
            struct ph_event ev = { .kind = PH_EV_MESSAGE, .side = 's', .folder = f->src->name, .number = n,
                                   .action = PH_ACT_EXPUNGED };
            pthread_mutex_lock(&r->lock);
            r->totals.expunged += n;
            run_event_locked(r, &ev);
            pthread_mutex_unlock(&r->lock);
        }
    }
    if (result && e.scope > PH_SCOPE_FOLDER) {
        *err = e;
        return -1;
    }
    if (result)
        source_failed(r, f, &e);
    return 0;
}

int folder_remove_sources(struct run *r, struct ph_err *err)
{
    const struct ph_job *j = r->job;

    if (j->after == PH_AFTER_KEEP && !j->archive_folder)
        return 0;
    if (j->archive_folder) {
        struct ph_err result;
        const char *name = j->archive_folder;
        if (r->src->ops->create(r->src, &name, NULL, 1, &result, err))
            return -1;
    }
    /* nothing is deleted before its confirmation is on our disk, too */
    if (ph_ledger_flush(r->ledger, err))
        return -1;
    for (struct folder_work *f = r->folders; f; f = f->next) {
        if (prove(r, f, err) || (!ph_numset_empty(&f->done) && remove_source(r, f, err)))
            return -1;
        ph_numset_clear(&f->done);
    }
    return 0;
}
