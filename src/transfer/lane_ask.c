/* lane_ask.c: work off the queue: its intent noted, its messages asked for ahead of time; and what of it does not come. */
#include <stdlib.h>
#include <string.h>

#include "transfer/lane.h"

#define AHEAD_MESSAGES 2000
#define AHEAD_BYTES (32u << 20)
#define FETCH_ATTEMPTS 3

static int ask(struct lane *l, struct batch *b, struct ph_err *err)
{
    struct run *r = l->r;
    struct folder_work *f = b->f;
    size_t n = (size_t)ph_numset_count(&b->uids), i = 0;
    struct ph_intent_message *m = calloc(n, sizeof *m);

    b->rows = calloc(n, sizeof *b->rows);
    b->state = calloc(n, 1);
    if (!m || !b->rows || !b->state || ph_numset_add_set(&b->owed, &b->uids)) {
        free(m);
        return ph_fail_memory(err);
    }
    for (uint32_t uid = ph_numset_next(&b->uids, 0); uid; uid = ph_numset_next(&b->uids, uid), i++) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        m[i].src_uid = uid;
        if (row) {
            m[i].key = row->key;
            m[i].size = row->size;
            m[i].flags_hash = ph_flags_hash(row->flags, ph_snapshot_keywords(&f->snap, row));
        }
    }
    struct ph_intent intent = { .folder = f->id, .messages = m, .n = n };
    pthread_mutex_lock(&r->lock);
    intent.dst_uidvalidity = f->dst.uidvalidity;
    intent.dst_uidnext = f->dst.uidnext;
    pthread_mutex_unlock(&r->lock);
    int result = ph_ledger_intent(r->ledger, &intent, &b->intent, &b->ticket, err);
    free(m);
    if (result)
        return -1;
    return l->src->ops->bodies_add(l->src, f->src->name, f->snap.uidvalidity, &b->uids, &f->snap, err);
}

static uint64_t most_ahead(const struct run *r)
{
    return r->dst_abilities & PH_AB_BATCH ? AHEAD_MESSAGES : 2 * queue_batch_messages(r);
}

int lane_take_ahead(struct lane *l, struct ph_err *err)
{
    struct run *r = l->r;

    while (!l->first || (l->ahead_messages < most_ahead(r) && l->ahead_bytes < AHEAD_BYTES)) {
        /* do not sleep on the queue while answers are outstanding */
        struct batch *b = queue_take(r, l->folder, !l->first && !l->first_flight);
        if (!b)
            return 0;
        if (b->f != l->folder) {
            pthread_mutex_lock(&r->lock);
            if (l->folder)
                l->folder->lanes--;
            b->f->lanes++;
            pthread_mutex_unlock(&r->lock);
            l->folder = b->f;
        }
        if (l->last)
            l->last->next = b;
        else
            l->first = b;
        l->last = b;
        l->ahead_messages += ph_numset_count(&b->uids);
        l->ahead_bytes += b->bytes;
        if (ask(l, b, err))
            return -1;
    }
    return 0;
}

/* A message that was refused is in another batch of this lane again while its first one is still open: who is owed it counts. */
struct batch *lane_owner(struct lane *l, const struct ph_body *body)
{
    for (struct batch *b = l->first; b; b = b->next)
        if (strcmp(b->f->src->name, body->folder) == 0 && ph_numset_contains(&b->owed, body->uid))
            return b;
    return NULL;
}

void lane_missing(struct lane *l, struct batch *b, const struct ph_body *body)
{
    struct run *r = l->r;

    if (body->err.retry == PH_RETRY_LATER && b->attempts < FETCH_ATTEMPTS) {
        struct batch form = *b;
        form.attempts++;
        struct ph_numset one = PH_NUMSET_INIT;
        if (ph_numset_add(&one, body->uid) == 0)
            lane_again(l, &form, &one, false);
        ph_numset_done(&one);
        run_backoff(r, &body->err);
        return;
    }
    if (body->err.kind == PH_E_NOTFOUND && body->err.scope == PH_SCOPE_MESSAGE) {
        run_message(r, b->f, body->uid, 0, PH_ACT_MISSING, body->err.text);
        return;
    }
    struct ph_err e = body->err;
    if (e.scope >= PH_SCOPE_FOLDER)
        queue_kill_folder(r, b->f, &e);
    else
        ph_err_prefix(&e, "message %u cannot be read", body->uid);
    pthread_mutex_lock(&r->lock);
    b->f->incomplete = true;
    b->f->failed++;
    r->totals.failed++;
    pthread_mutex_unlock(&r->lock);
    if (e.scope < PH_SCOPE_FOLDER)
        run_problem(r, b->f, body->uid, &e);
}
