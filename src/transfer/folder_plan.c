/* folder_plan.c: what a folder's scans have shown becomes steps, and the steps become work for the lanes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/folder.h"

/* A folder that cannot be read is a failure of that folder; -1 only for what ends the session. */
static int scan_end(struct run *r, struct folder_work *f, struct ph_session *s, struct ph_snapshot *snap,
                    struct ph_err *err)
{
    struct ph_err e;

    if (s->ops->scan_wait(s, snap, &e) == 0)
        return 0;
    if (e.scope > PH_SCOPE_FOLDER) {
        *err = e;
        return -1;
    }
    queue_kill_folder(r, f, &e);
    return 0;
}

static int next_row(void *ctx, struct ph_ledger_row *out, struct ph_err *err)
{
    struct rows *rows = ctx;

    return ph_ledger_rows_next(rows->cursor, out, err);
}

static int rewind_rows(void *ctx, struct ph_err *err)
{
    struct rows *rows = ctx;

    if (rows->cursor)
        ph_ledger_rows_end(rows->cursor);
    rows->cursor = NULL;
    return ph_ledger_rows(rows->ledger, rows->folder, &rows->cursor, err);
}

static int adopt(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_ledger_row rows[256];
    size_t n = 0;

    for (size_t i = 0; i < f->steps.n_adopt; i++) {
        struct ph_row *row = ph_snapshot_find(&f->snap, f->steps.adopt[i].src_uid);
        rows[n] = (struct ph_ledger_row){ .src_uid = f->steps.adopt[i].src_uid, .dst_uid = f->steps.adopt[i].dst_uid,
                                          .state = PH_LR_ADOPTED };
        if (row) {
            rows[n].size = row->size;
            rows[n].flags_hash = ph_flags_hash(row->flags, ph_snapshot_keywords(&f->snap, row));
        }
        n++;
        if (n == sizeof rows / sizeof *rows || i + 1 == f->steps.n_adopt) {
            if (ph_ledger_put(r->ledger, f->id, rows, n, err))
                return -1;
            n = 0;
        }
    }
    return 0;
}

static void tell_plan(struct run *r, struct folder_work *f)
{
    struct ph_event e = { .kind = PH_EV_PLAN, .folder = f->src->name, .dst_folder = f->dst_name,
                          .messages = ph_numset_count(&f->steps.copy), .adopted = f->steps.n_adopt,
                          .flag_changes = f->steps.n_flags, .expunges = ph_numset_count(&f->steps.expunge) };
    uint64_t known = ph_numset_count(&f->steps.skipped[PH_SKIP_KNOWN]);

    for (uint32_t uid = ph_numset_next(&f->steps.copy, 0); uid; uid = ph_numset_next(&f->steps.copy, uid)) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        e.bytes += row ? row->size : 0;
    }
    for (int i = 0; i < PH_SKIP_REASONS; i++)
        e.skipped += ph_numset_count(&f->steps.skipped[i]);
    e.skipped -= known + ph_numset_count(&f->steps.skipped[PH_SKIP_APPEND_LIMIT]) +
                 ph_numset_count(&f->steps.skipped[PH_SKIP_TOO_BIG]) + ph_numset_count(&f->steps.skipped[PH_SKIP_EMPTY]);
    if (f->looking) /* they were counted when the folder was planned first */
        e.skipped = 0;
    pthread_mutex_lock(&r->lock);
    if (!f->looking) {
        r->totals.messages += e.messages;
        r->totals.bytes += e.bytes;
        f->counts.messages += e.messages;
        f->counts.bytes += e.bytes;
    }
    r->totals.adopted += e.adopted;
    r->totals.skipped += e.skipped;
    f->counts.adopted += e.adopted;
    f->counts.skipped += e.skipped;
    run_event_locked(r, &e);
    pthread_mutex_unlock(&r->lock);
}

/* What an interrupted run sent and what is not there (yet) must not be sent again now. */
static int settle_unsure(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_numset missing = PH_NUMSET_INIT;
    int result = -1;

    if (ph_numset_add_set(&missing, &f->unsure) || ph_numset_intersect(&missing, &f->steps.copy))
        ph_fail_memory(err);
    else if (ph_ledger_flush(r->ledger, err) == 0)
        result = 0;
    if (result == 0 && !ph_numset_empty(&missing) && f->last_look)
        result = surplus_note(f, &missing, err);
    if (result == 0 && (ph_numset_empty(&missing) || f->last_look))
        result = resolve_drop(r, f, err);
    else if (result == 0 && ph_numset_subtract(&f->steps.copy, &missing))
        result = ph_fail_memory(err);
    ph_numset_done(&missing);
    return result;
}

/* From here on what the destination gains at or above this UIDNEXT is ours, or somebody else's, but was not there before. */
static int open_baseline(struct run *r, struct folder_work *f, struct ph_err *err)
{
    if (f->base_known && f->base.complete)
        return 0;
    f->base.src_uidvalidity = f->snap.uidvalidity;
    f->base.dst_uidvalidity = f->dst.uidvalidity;
    /* all that is below has been matched; a folder that was just made has nothing below */
    f->base.dst_uidnext = f->before_uidnext ? f->before_uidnext : f->dst.has_status && !f->dst.messages ? 1 : 0;
    f->base.dst_messages = f->before_messages;
    f->base.complete = false;
    return ph_ledger_baseline_set(r->ledger, f->id, &f->base, err);
}

/* imapcopy -i: the destination folder is emptied, everything in it. */
static int empty_destination(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_numset all = PH_NUMSET_INIT;
    struct ph_err e = { 0 };
    int result = 0;

    for (size_t i = 0; i < f->dst_snap.n && result == 0; i++)
        result = ph_numset_add(&all, ph_snapshot_row(&f->dst_snap, i)->uid);
    if (result == 0 && !r->job->dry_run)
        result = r->dst->ops->expunge(r->dst, f->dst_name, f->dst_snap.uidvalidity, &all, true, &e);
    if (result == 0) {
        struct ph_event ev = { .kind = PH_EV_MESSAGE, .side = 'd', .folder = f->src->name, .dst_folder = f->dst_name,
                               .number = ph_numset_count(&all), .action = PH_ACT_EXPUNGED };
        if (ev.number)
            run_event(r, &ev);
        f->dst_snap.exists = 0;
    }
    ph_numset_done(&all);
    if (result && e.scope > PH_SCOPE_FOLDER) {
        *err = e;
        return -1;
    }
    if (result)
        queue_kill_folder(r, f, &e);
    return 0;
}

/* Source messages that are on the destination already, when the job wants them gone from the source. */
static int note_present(struct run *r, struct folder_work *f, struct ph_err *err)
{
    if (!run_deletes_present(r))
        return 0;
    int bad = ph_numset_add_set(&f->recorded, &f->steps.skipped[PH_SKIP_KNOWN]);
    pthread_mutex_lock(&r->lock);
    bad |= ph_numset_add_set(&f->done, &f->steps.skipped[PH_SKIP_EXISTS]);
    for (size_t i = 0; i < f->steps.n_adopt; i++)
        bad |= ph_numset_add(&f->done, f->steps.adopt[i].src_uid);
    pthread_mutex_unlock(&r->lock);
    return bad ? ph_fail_memory(err) : 0;
}

static void tell_each(struct run *r, struct folder_work *f, enum ph_skip_reason why, enum ph_action action,
                      const char *reason)
{
    const struct ph_numset *set = &f->steps.skipped[why];

    for (uint32_t uid = ph_numset_next(set, 0); uid; uid = ph_numset_next(set, uid)) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        run_message(r, f, uid, row ? row->size : 0, action, reason);
    }
}

/* Messages that do not go in for their size are named one by one. */
static void tell_skipped(struct run *r, struct folder_work *f)
{
    char text[100];

    snprintf(text, sizeof text, "larger than the destination takes (APPENDLIMIT %llu)",
             (unsigned long long)r->append_limit);
    tell_each(r, f, PH_SKIP_APPEND_LIMIT, PH_ACT_REFUSED, text);
    tell_each(r, f, PH_SKIP_TOO_BIG, PH_ACT_SKIPPED, "too-big");
    tell_each(r, f, PH_SKIP_EMPTY, PH_ACT_SKIPPED, "it has no octets (RFC 3502 forbids sending it)");
}

/* What was scanned is here. 1: there is nothing to plan (any more). */
static int end_scans(struct run *r, struct folder_work *f, bool *dst_scanned, struct ph_err *err)
{
    if (f->scanning && scan_end(r, f, r->src, &f->snap, err))
        return -1;
    f->scanning = false;
    if (f->key_scanning && scan_end(r, f, r->src, &f->key_snap, err))
        return -1;
    if (f->key_scanning)
        resume_keys_end(f);
    f->key_scanning = false;
    *dst_scanned = f->dst_scanning;
    if (f->dst_scanning && scan_end(r, f, r->dst, &f->dst_snap, err))
        return -1;
    f->dst_scanning = false;
    if (run_folder_dead(r, f))
        return 1;
    if (f->look_again) {
        folder_done(f);
        return 1;
    }
    if (*dst_scanned && f->base_known && f->base.dst_uidvalidity && f->dst_snap.uidvalidity != f->base.dst_uidvalidity) {
        struct ph_err e; /* the keys that would tell what is what now have not been read */
        ph_fail(&e, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s was made anew on the destination meanwhile; run again", f->dst_name);
        folder_forget(r, f);
        queue_kill_folder(r, f, &e);
        return 1;
    }
    if (*dst_scanned && f->dst_snap.uidvalidity)
        f->dst.uidvalidity = f->dst_snap.uidvalidity;
    return 0;
}

/* From two snapshots and the ledger's rows to steps; what is there already is noted. */
static int make_plan(struct run *r, struct folder_work *f, bool dst_scanned, struct ph_err *err)
{
    struct rows rows = { .ledger = r->ledger, .folder = f->id };
    struct ph_policy policy = r->job->policy;
    struct ph_plan_input in = { .src = &f->snap, .dst = dst_scanned ? &f->dst_snap : NULL, .next_row = next_row,
                                .rewind = rewind_rows, .rows_ctx = &rows, .wanted = f->choosing ? &f->wanted : NULL,
                                .unsure = &f->unsure };
    int result = -1;

    if (r->append_limit < policy.append_limit)
        policy.append_limit = r->append_limit;
    if (!f->snap.complete || f->snap.changes_only || r->job->search)
        policy.expunge = false;
    if (r->job->empty_destination_first && dst_scanned && !f->looking) {
        if (empty_destination(r, f, err))
            return -1;
        if (run_folder_dead(r, f))
            return 0;
        in.dst = NULL;
    }
    if (rewind_rows(&rows, err))
        return -1;
    ph_steps_init(&f->steps);
    if (plan_resolved(r, f, &in, &policy, err) == 0) {
        tell_plan(r, f);
        if (!f->looking)
            tell_skipped(r, f);
        result = r->job->dry_run ? 0 : adopt(r, f, err);
    } else if (err->scope == PH_SCOPE_FOLDER) {
        queue_kill_folder(r, f, err);
        result = 0;
    }
    ph_ledger_rows_end(rows.cursor);
    return result;
}

static void tell_dry_run(struct run *r, struct folder_work *f)
{
    for (uint32_t uid = ph_numset_next(&f->steps.copy, 0); uid; uid = ph_numset_next(&f->steps.copy, uid)) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        run_message(r, f, uid, row ? row->size : 0, PH_ACT_WOULD_COPY, NULL);
    }
}

/* The steps become work. */
static int put_to_work(struct run *r, struct folder_work *f, bool dst_scanned, struct ph_err *err)
{
    f->planned = true;
    if (f->unresolved && settle_unsure(r, f, err))
        return -1;
    if (!f->looking) {
        f->validity = f->dst.uidvalidity;
        f->before_messages = dst_scanned ? f->dst_snap.exists : f->dst.messages;
        f->before_uidnext = dst_scanned ? f->dst_snap.uidnext : f->dst.uidnext;
        if (open_baseline(r, f, err))
            return -1;
    }
    ph_snapshot_done(&f->dst_snap);
    if (note_present(r, f, err))
        return -1;
    if (f->looking && f->unresolved) /* there will be another look, and what is new is queued by the last one, once */
        return 0;
    return queue_fill(r, f, &f->steps.copy, err);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Different keys on a destination that was listed as a whole; 0: not known, or no memory to count them in. */
static uint64_t count_keys(const struct ph_snapshot *s)
{
    uint64_t *k = s->n && s->n >= s->exists ? malloc(s->n * sizeof *k) : NULL;
    uint64_t different = 0;
    size_t n = 0;

    if (!k)
        return 0;
    for (size_t i = 0; i < s->n; i++)
        if (ph_snapshot_row(s, i)->key)
            k[n++] = ph_snapshot_row(s, i)->key;
    qsort(k, n, sizeof *k, by_key);
    for (size_t i = 0; i < n; i++)
        different += i == 0 || k[i] != k[i - 1];
    free(k);
    return different;
}

static void tell_start(struct run *r, struct folder_work *f, bool dst_scanned)
{
    struct ph_event e = { .kind = PH_EV_FOLDER_START, .folder = f->src->name, .dst_folder = f->dst_name,
                          .messages = f->src->messages, .number = f->dst.messages };

    if (f->looking)
        return;
    if (dst_scanned && r->job->policy.classic_match)
        e.unique = count_keys(&f->dst_snap);
    run_event(r, &e);
}

int folder_plan(struct run *r, struct folder_work *f, struct ph_err *err)
{
    bool dst_scanned;
    int over = end_scans(r, f, &dst_scanned, err);

    if (over)
        return over < 0 ? -1 : 0;
    tell_start(r, f, dst_scanned);
    if (folder_filter(r, f, err) || make_plan(r, f, dst_scanned, err))
        return -1;
    if (run_folder_dead(r, f))
        return 0;
    if (r->job->dry_run) {
        tell_dry_run(r, f);
        f->planned = true;
        folder_done(f);
        return 0;
    }
    return put_to_work(r, f, dst_scanned, err);
}
