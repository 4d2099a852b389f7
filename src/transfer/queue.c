/* queue.c: batches between the planner and the lanes. A lane stays with its folder while it has batches, then takes one
 * that no other lane is at, then helps where most is left. */
#include <stdlib.h>

#include "transfer/run.h"

#define BATCH_MESSAGES 200
#define BATCH_SINGLES 8
#define BATCH_BYTES (16u << 20)

size_t queue_batch_messages(const struct run *r)
{
    if (r->job->batch_messages)
        return r->job->batch_messages < 1000 ? r->job->batch_messages : 1000;
    /* where each message is an append of its own, small batches share the work more evenly among the lanes */
    return r->dst_abilities & PH_AB_BATCH ? BATCH_MESSAGES : BATCH_SINGLES;
}

uint64_t queue_batch_bytes(const struct run *r)
{
    return r->job->batch_bytes ? r->job->batch_bytes : BATCH_BYTES;
}

struct batch *batch_new(struct folder_work *f)
{
    struct batch *b = calloc(1, sizeof *b);

    if (b)
        b->f = f;
    return b;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    ph_numset_done(&b->uids);
    ph_numset_done(&b->owed);
    free(b->rows);
    free(b->state);
    free(b);
}

void queue_push(struct run *r, struct batch *b, bool front)
{
    struct folder_work *f = b->f;

    pthread_mutex_lock(&r->lock);
    if (f->dead || r->fatal.kind != PH_OK) {
        f->incomplete = true;
        r->totals.failed += ph_numset_count(&b->uids);
        pthread_mutex_unlock(&r->lock);
        batch_free(b);
        return;
    }
    f->pending++;
    r->queued_messages += ph_numset_count(&b->uids);
    r->queued_bytes += b->bytes;
    if (!f->first) {
        f->first = f->last = b;
        b->next = NULL;
    } else if (front) {
        b->next = f->first;
        f->first = b;
    } else {
        b->next = NULL;
        f->last->next = b;
        f->last = b;
    }
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

int queue_fill(struct run *r, struct folder_work *f, const struct ph_numset *copy, struct ph_err *err)
{
    size_t max = queue_batch_messages(r);
    uint64_t max_bytes = queue_batch_bytes(r);
    struct batch *b = NULL;
    size_t n = 0;

    for (uint32_t uid = ph_numset_next(copy, 0); uid; uid = ph_numset_next(copy, uid)) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        uint64_t size = row ? row->size : 0;
        if (b && (n >= max || b->bytes + size > max_bytes)) {
            queue_push(r, b, false);
            b = NULL;
        }
        if (!b) {
            b = batch_new(f);
            n = 0;
        }
        if (!b || ph_numset_add(&b->uids, uid)) {
            batch_free(b);
            return ph_fail_memory(err);
        }
        b->bytes += size;
        n++;
    }
    if (b)
        queue_push(r, b, false);
    pthread_mutex_lock(&r->lock);
    f->filled = true;
    folder_release(r, f);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static struct folder_work *choose(struct run *r, struct folder_work *prefer)
{
    struct folder_work *best = NULL;

    if (prefer && prefer->first)
        return prefer;
    for (struct folder_work *f = r->folders; f; f = f->next) {
        if (!f->first)
            continue;
        if (f->lanes == 0)
            return f;
        if (!best || f->pending > best->pending)
            best = f;
    }
    return best;
}

struct batch *queue_take(struct run *r, struct folder_work *prefer, bool wait)
{
    struct batch *b = NULL;

    pthread_mutex_lock(&r->lock);
    for (;;) {
        if (r->fatal.kind != PH_OK || ph_cancelled(r->cancel))
            break;
        struct folder_work *f = choose(r, prefer);
        if (f) {
            b = f->first;
            f->first = b->next;
            if (!f->first)
                f->last = NULL;
            b->next = NULL;
            r->queued_messages -= ph_numset_count(&b->uids);
            r->queued_bytes -= b->bytes;
            pthread_cond_broadcast(&r->changed);
            break;
        }
        if (!wait || r->no_more)
            break;
        run_cond_wait(r);
    }
    pthread_mutex_unlock(&r->lock);
    return b;
}

bool queue_has_work(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    bool work = r->queued_messages > 0 || !r->no_more;
    pthread_mutex_unlock(&r->lock);
    return work;
}

void queue_settled(struct run *r, struct batch *b)
{
    pthread_mutex_lock(&r->lock);
    b->f->pending--;
    folder_release(r, b->f);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    batch_free(b);
}

void queue_kill_folder(struct run *r, struct folder_work *f, const struct ph_err *why)
{
    struct batch *b, *next;

    pthread_mutex_lock(&r->lock);
    bool first = !f->dead;
    f->dead = f->incomplete = true;
    for (b = f->first; b; b = next) {
        next = b->next;
        r->queued_messages -= ph_numset_count(&b->uids);
        r->queued_bytes -= b->bytes;
        r->totals.failed += ph_numset_count(&b->uids);
        f->pending--;
        batch_free(b);
    }
    f->first = f->last = NULL;
    if (first)
        r->totals.folders_failed++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (first)
        run_problem(r, f, 0, why);
}
