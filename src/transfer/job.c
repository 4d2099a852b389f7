/* job.c: a copy from beginning to end: open, list, map, scan, plan, lanes, finish. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfer/folder.h"

#define LANES 4
#define LANES_NEAR 2            /* no distance to hide, so more lanes only cost; with MULTIAPPEND */
#define NEAR_MS 60              /* to connect, log in and list on both sides */
#define LANE_MESSAGES 400       /* so much waiting work is worth one more lane */
#define LANE_BYTES (8u << 20)
#define SCAN_AHEAD_FOLDERS 64
#define MESSAGE_GUESS 30000     /* octets, where nobody says a folder's size */
#define SCAN_AHEAD_MESSAGES 50000

void ph_job_init(struct ph_job *j)
{
    memset(j, 0, sizeof *j);
    j->policy.update_flags = true;
    j->policy.append_limit = UINT64_MAX;
    j->names.special_use = true;
    j->names.forbidden_replacement = '_';
    j->keep_subscriptions = j->keep_special_use = true;
    j->keywords = true;
    j->since_day = j->before_day = INT64_MIN;
}

/* ---- the main thread's own sessions ---- */

static void close_main(struct run *r)
{
    if (r->src)
        r->src->ops->close(r->src);
    if (r->dst)
        r->dst->ops->close(r->dst);
    r->src = r->dst = NULL;
    r->listed_here = false;
}

/* A phase of the main thread, with new connections when one is lost; every phase can be begun again. */
static int with_sessions(struct run *r, int (*phase)(struct run *r, struct ph_err *err), struct ph_err *err)
{
    for (;;) {
        if (r->src && phase(r, err) == 0)
            return 0;
        bool curable = !r->src || err->scope == PH_SCOPE_SESSION;
        if (!curable || err->kind == PH_E_CANCELLED || run_stopping(r))
            return -1;
        if (r->src)
            run_notice(r, NULL, 0, "connection lost, connecting again: %s", err->text);
        close_main(r);
        if (run_backoff(r, err))
            return -1;
        if (sessions_open(r, &r->loop, &r->src, &r->dst, NULL, NULL, err) && err->scope > PH_SCOPE_SESSION &&
            err->kind != PH_E_CONNECT && err->kind != PH_E_RESOLVE)
            return -1;
    }
}

/* ---- lanes ---- */

static unsigned wanted_lanes(struct run *r, uint64_t messages, uint64_t bytes)
{
    bool near = r->open_ms < NEAR_MS && (r->dst_abilities & PH_AB_BATCH);
    unsigned max = r->job->lanes ? r->job->lanes : near ? LANES_NEAR : LANES;
    /* without MULTIAPPEND each message is a commit, and often a round trip */
    uint64_t n = messages / (r->dst_abilities & PH_AB_BATCH ? LANE_MESSAGES : LANE_MESSAGES / 8);

    if (bytes / LANE_BYTES > n)
        n = bytes / LANE_BYTES;
    return n + 1 < max ? (unsigned)n + 1 : max;
}

/* The main thread's own sessions become a lane at the end, so one less is started. */
static int add_lanes(struct run *r, unsigned n, struct ph_err *err)
{
    if (!r->lanes && !(r->lanes = calloc(64, sizeof *r->lanes)))
        return ph_fail_memory(err);
    while (r->n_lanes + 1 < n && r->n_lanes < 63) {
        struct lane *l = lane_new(r, NULL, NULL);
        if (!l)
            return ph_fail_memory(err);
        if (lane_start(l)) {
            lane_free(l);
            return 0; /* fewer do as well */
        }
        r->lanes[r->n_lanes++] = l;
    }
    return 0;
}

/* An account that was never copied is work, in all likelihood: its second pair of connections comes up while the folders are listed. */
void run_first_lane(struct run *r)
{
    const struct ph_job *j = r->job;
    bool all = !j->search && !j->include.n && !j->single_folder && j->lanes != 1 && !j->max_per_folder;

    if (r->copying && all && !j->dry_run && ph_ledger_is_new(r->ledger))
        add_lanes(r, 2, NULL); /* without it, it comes later */
}

static int lanes_for_queue(struct run *r, struct ph_err *err)
{
    pthread_mutex_lock(&r->lock);
    unsigned n = wanted_lanes(r, r->queued_messages, r->queued_bytes);
    pthread_mutex_unlock(&r->lock);
    return n > r->n_lanes + 1 ? add_lanes(r, n, err) : 0;
}

/* What is left to do in this thread, then wait for the others. */
static int finish_lanes(struct run *r, struct ph_err *err)
{
    struct lane *own = lane_new(r, r->src, r->dst);

    if (!own)
        return ph_fail_memory(err);
    r->src = r->dst = NULL;
    pthread_mutex_lock(&r->lock);
    r->no_more = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    lane_work(own);
    for (unsigned i = 0; i < r->n_lanes; i++) {
        lane_join(r->lanes[i]);
        lane_free(r->lanes[i]);
    }
    r->n_lanes = 0;
    if (!run_stopping(r) && queue_has_work(r))
        lane_work(own); /* what a lane gave back at its very end */
    bool same;
    int result = lane_sessions(own, &r->loop, &r->src, &r->dst, &same, err);
    r->listed_here &= same;
    lane_free(own);
    pthread_mutex_lock(&r->lock);
    r->no_more = false;
    if (r->fatal.kind != PH_OK)
        *err = r->fatal;
    bool fatal = r->fatal.kind != PH_OK;
    pthread_mutex_unlock(&r->lock);
    if (fatal)
        return -1;
    if (ph_cancelled(r->job->cancel))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
    if (result == 0 && r->src && (session_worn(r->src) || session_worn(r->dst)))
        close_main(r);
    run_wait_turn(r);
    if (result == 0 && !r->src)
        result = sessions_open(r, &r->loop, &r->src, &r->dst, NULL, NULL, err);
    return result;
}

/* Folders that do not exist on the destination are all work: their lanes connect while the first folders are scanned. */
static int early_lanes(struct run *r, struct ph_err *err)
{
    uint64_t messages = 0, bytes = 0;

    for (struct folder_work *f = r->folders; f; f = f->next)
        if (!f->dst_exists && !run_folder_dead(r, f) && !f->planned) {
            messages += f->src->messages;
            bytes += f->src->size != UINT64_MAX ? f->src->size : (uint64_t)f->src->messages * MESSAGE_GUESS;
        }
    return messages ? add_lanes(r, wanted_lanes(r, messages, bytes), err) : 0;
}

/* ---- scanning and planning, several folders ahead ---- */

static bool may_scan_ahead(struct run *r, size_t folders, uint64_t messages, const struct folder_work *next)
{
    bool pipeline = (r->src_abilities & PH_AB_PIPELINE_SELECT) && (r->dst_abilities & PH_AB_PIPELINE_SELECT);

    if (folders == 0)
        return true;
    return pipeline && folders < SCAN_AHEAD_FOLDERS && messages + next->src->messages <= SCAN_AHEAD_MESSAGES;
}

static struct folder_work *next_work(struct run *r, struct folder_work *f)
{
    for (; f; f = f->next) {
        if (f->scanning) /* what has begun is ended, in order, whatever became of the folder */
            return f;
        if (f->planned || run_folder_dead(r, f))
            continue;
        if (!(f->src->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)) && folder_needs_work(r, f))
            return f;
    }
    return NULL;
}

static int scan_and_plan(struct run *r, struct ph_err *err)
{
    for (struct folder_work *g = r->folders; g; g = g->next)
        if (!g->planned && g->inited) { /* a connection was lost in the middle of it */
            folder_done(g);
            g->scanning = g->dst_scanning = false;
        }
    struct folder_work *ahead = next_work(r, r->folders), *f = ahead;
    size_t n = 0;
    uint64_t messages = 0;
    bool changing = !r->job->dry_run;

    if (changing && !r->job->search && early_lanes(r, err))
        return -1;
    for (; f && !run_stopping(r); f = next_work(r, f->next)) {
        while (ahead && may_scan_ahead(r, n, messages, ahead)) {
            if (folder_scan_begin(r, ahead, err))
                return -1;
            n++;
            messages += ahead->src->messages;
            ahead = next_work(r, ahead->next);
        }
        if (changing && run_create_folders(r, err)) /* once, while the scans are on their way */
            return -1;
        changing = false;
        if (folder_plan(r, f, err))
            return -1;
        n--;
        messages -= f->src->messages;
        if (!r->job->dry_run && lanes_for_queue(r, err))
            return -1;
    }
    bool again = false;
    for (struct folder_work *g = r->folders; g; g = g->next) {
        again |= g->look_again;
        g->look_again = false;
    }
    return again && !run_stopping(r) ? scan_and_plan(r, err) : 0;
}

/* ---- the run ---- */

static int open_ledger(struct run *r, struct ph_err *err)
{
    const struct ph_job *j = r->job;
    size_t got = 0;

    if (ph_ledger_open(j->state_dir, j->src->identity, j->dst->identity, j->ledger_variant ? j->ledger_variant : "copy",
                       &r->ledger, err) ||
        ph_ledger_meta_get(r->ledger, "hash-key", r->hash_key.k, sizeof r->hash_key.k, &got, err) < 0)
        return -1;
    if (got != sizeof r->hash_key.k)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT, "%s has no hash key", ph_ledger_path(r->ledger));
    if (j->remember_file && ph_remember_open(j->remember_file, &r->hash_key, &r->remember, err))
        return -1;
    if (j->dry_run)
        ph_ledger_dry(r->ledger);
    if (j->testing_no_intents)
        ph_ledger_no_intents(r->ledger);
    return 0;
}

static int apply_all(struct run *r, struct ph_err *err)
{
    size_t n = 0, i = 0;

    for (struct folder_work *f = r->folders; f; f = f->next)
        n++;
    struct folder_work **all = ph_arena_alloc(&r->arena, (n + 1) * sizeof *all);
    if (!all)
        return ph_fail_memory(err);
    for (struct folder_work *f = r->folders; f; f = f->next)
        all[i++] = f;
    return folder_apply(r, all, n, err);
}

static int copy(struct run *r, struct ph_err *err)
{
    const struct ph_job *j = r->job;
    struct ph_event start = { .kind = PH_EV_START, .src = j->src->label, .dst = j->dst->label, .text = "copy" };

    run_event(r, &start);
    if (open_ledger(r, err))
        return -1;
    r->copying = true;
    int64_t opening = ph_now_ms();
    if (sessions_open(r, &r->loop, &r->src, &r->dst, &r->src_list, &r->dst_list, err))
        return -1;
    r->open_ms = ph_now_ms() - opening;
    r->listed_here = true;
    r->src_abilities = r->src->ops->abilities(r->src);
    r->dst_abilities = r->dst->ops->abilities(r->dst);
    r->append_limit = r->dst->ops->append_limit(r->dst);
    if (run_choose_folders(r, err) || with_sessions(r, scan_and_plan, err))
        return -1;
    if (j->dry_run)
        return 0;
    if (with_sessions(r, run_create_folders, err) || with_sessions(r, run_subscribe_folders, err))
        return -1;
    do /* what is sent again may be cut off again */
        if (finish_lanes(r, err) || with_sessions(r, resolve_rounds, err))
            return -1;
    while (r->queued_messages);
    if (with_sessions(r, surplus_look, err))
        return -1;
    return with_sessions(r, apply_all, err) || with_sessions(r, folder_remove_sources, err) ||
                   with_sessions(r, folders_close, err)
               ? -1
               : 0;
}

void run_done(struct run *r)
{
    if (r->src)
        r->src->ops->close(r->src);
    if (r->dst)
        r->dst->ops->close(r->dst);
    for (struct folder_work *f = r->folders; f; f = f->next) {
        folder_done(f);
        while (f->first) {
            struct batch *b = f->first;
            f->first = b->next;
            batch_free(b);
        }
        ph_numset_done(&f->done);
        ph_numset_done(&f->recorded);
        ph_numset_done(&f->got);
        ph_numset_done(&f->unsure);
        free(f->resent);
        ph_numset_done(&f->unknown);
    }
    if (r->remember)
        ph_remember_close(r->remember);
    free(r->lanes);
    ph_folder_list_done(&r->src_list);
    ph_folder_list_done(&r->dst_list);
    ph_arena_done(&r->arena);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
}

void run_init(struct run *r, const struct ph_job *j)
{
    *r = (struct run){ .job = j, .cancel = j->cancel, .loop = { .cancel = j->cancel } };
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    ph_arena_init(&r->arena, 0);
    r->started_ms = ph_now_ms();
}

int ph_copy_run(const struct ph_job *j, struct ph_totals *totals, struct ph_err *err)
{
    struct run r;
    struct ph_err local, e;

    if (!err)
        err = &local;
    ph_err_clear(err);
    run_init(&r, j);
    int result = copy(&r, err);
    if (result && r.n_lanes) { /* the lanes end at a message boundary, with everything recorded */
        run_fatal(&r, err);
        for (unsigned i = 0; i < r.n_lanes; i++) {
            lane_join(r.lanes[i]);
            lane_free(r.lanes[i]);
        }
        r.n_lanes = 0;
    }
    /* the classic tool copies everything again after a finished run */
    char *forget = r.ledger && result == 0 && j->no_ledger_resume ? strdup(ph_ledger_path(r.ledger)) : NULL;
    if (r.ledger && ph_ledger_close(r.ledger, &e) && result == 0) {
        *err = e;
        result = -1;
    }
    if (forget)
        unlink(forget);
    free(forget);
    r.totals.elapsed_ms = ph_now_ms() - r.started_ms;
    if (totals)
        *totals = r.totals;
    struct ph_event done = { .kind = PH_EV_DONE, .totals = &r.totals, .err = result ? err : NULL };
    run_event(&r, &done);
    run_done(&r);
    return result;
}
