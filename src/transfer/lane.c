/* lane.c: a thread with a source and a destination session that carries batches from one to the other.
 *
 * For each batch: its intent is durable before its first octet goes out; its messages are asked for ahead of time; every
 * message is hashed while it streams; the answer makes the confirmation. Whatever breaks a session, the batches under way are
 * dissolved: what was acknowledged is confirmed, what may have been committed stays an unresolved intent, the rest goes back
 * into the queue, and the lane connects anew.
 */
#include <stdlib.h>
#include <string.h>

#include "transfer/lane.h"

#define UNACKED_BYTES (64u << 20)
#define UNACKED_FLIGHTS 256
#define ANSWERS_MS 10000

/* The batch's messages have all come. */
static int close_batch(struct lane *l, struct batch *b, struct ph_err *err)
{
    struct batch **p = &l->first;

    while (*p != b)
        p = &(*p)->next;
    *p = b->next;
    l->last = l->first;
    while (l->last && l->last->next)
        l->last = l->last->next;
    b->next = NULL;
    b->closed = true;
    l->ahead_messages -= ph_numset_count(&b->uids);
    l->ahead_bytes -= b->bytes;
    int r = l->open && l->open->alone == b ? lane_finish_open(l, err) : 0;
    if (b->open_rows == 0)
        lane_settle(l, b);
    return r;
}

static int one_body(struct lane *l, struct ph_err *err)
{
    struct ph_body body;
    int r = l->src->ops->bodies_next(l->src, &body, err);

    if (r < 0)
        return -1;
    struct batch *b = r ? lane_owner(l, &body) : NULL;
    if (!b)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "the source did not bring what it was asked for");
    if (!b->begun) {
        if (ph_ledger_wait(l->r->ledger, b->ticket, err))
            return -1;
        b->begun = true;
    }
    if (ph_numset_remove_range(&b->owed, body.uid, body.uid)) /* before anything can give it back to the queue */
        return ph_fail_memory(err);
    size_t rows = b->n_rows;
    if (body.missing)
        lane_missing(l, b, &body);
    else if (body.size == 0)
        run_message(l->r, b->f, body.uid, 0, PH_ACT_SKIPPED, "it has no octets (RFC 3502 forbids sending it)");
    else if (lane_relay(l, b, &body, err)) {
        if (b->n_rows == rows && ph_numset_add(&b->owed, body.uid)) /* it never got into an append */
            run_fatal(l->r, err);
        return -1;
    }
    run_pace(l->r, body.size);
    return ph_numset_empty(&b->owed) ? close_batch(l, b, err) : 0;
}

/* ---- trouble ---- */

static void close_sessions(struct lane *l)
{
    if (l->src)
        l->src->ops->close(l->src);
    if (l->dst)
        l->dst->ops->close(l->dst);
    l->src = l->dst = NULL;
    l->lent = false;
    l->loop = (struct ph_loop){ .cancel = l->r->cancel };
}

/* Answers that are on their way are waited for, but not for long: the run is being stopped, or the source failed. */
static void collect_answers(struct lane *l, int64_t deadline)
{
    struct ph_err e;

    l->loop.cancel = NULL;
    while (l->first_flight) {
        while (!l->dst->ops->append_poll(l->dst))
            if (ph_loop_turn(&l->loop, deadline, &e))
                return;
        lane_reap(l, &e);
    }
}

/* A session is gone: what was acknowledged is confirmed, what may be in is left unresolved, the rest goes back. */
static void dissolve(struct lane *l)
{
    struct ph_err e;

    int64_t deadline = ph_deadline_in(ANSWERS_MS);
    collect_answers(l, deadline); /* before the connection may have to go */
    l->loop.cancel = l->r->cancel;
    if (l->open)
        lane_finish_open(l, &e); /* a message that is not whole costs the connection */
    collect_answers(l, deadline);
    close_sessions(l);
    lane_orphan_flights(l);
    for (struct batch *b; (b = l->first);) {
        l->first = b->next;
        b->next = NULL;
        if (!ph_numset_empty(&b->owed))
            lane_again(l, b, &b->owed, false);
        b->closed = true;
        if (b->open_rows == 0)
            lane_settle(l, b);
    }
    l->last = NULL;
    l->ahead_messages = l->ahead_bytes = 0;
}

/* ---- life ---- */

/* 0 open, -1: this lane ends. */
static int open_lane(struct lane *l, bool first_time)
{
    struct run *r = l->r;
    struct ph_err e;

    while (!run_stopping(r)) {
        run_wait_turn(r);
        if (sessions_open(r, &l->loop, &l->src, &l->dst, NULL, NULL, &e) == 0)
            return 0;
        if (e.kind == PH_E_CANCELLED)
            return -1;
        if (first_time && l->started) { /* fewer lanes do as well */
            run_notice(r, NULL, 0, "one lane fewer: %s", e.text);
            return -1;
        }
        bool curable = e.retry != PH_RETRY_NEVER || e.kind == PH_E_CONNECT || e.kind == PH_E_CLOSED ||
                       e.kind == PH_E_TIMEOUT || e.kind == PH_E_RESOLVE;
        if (!curable) {
            run_fatal(r, &e);
            return -1;
        }
        if (run_backoff(r, &e))
            return -1;
    }
    return -1;
}

static int step(struct lane *l, struct ph_err *err)
{
    if ((session_worn(l->src) || session_worn(l->dst)) && !l->open) {
        ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "this server counts errors: a new connection before it hangs up");
        err->retry = PH_RETRY_RECONNECT;
        return -1;
    }
    if (lane_take_ahead(l, err))
        return -1;
    if (l->first) {
        if (one_body(l, err))
            return -1;
        while (l->first_flight && l->dst->ops->append_poll(l->dst))
            if (lane_reap(l, err))
                return -1;
    }
    if (!l->first && lane_finish_open(l, err)) /* nothing more is coming that could join it */
        return -1;
    while (l->first_flight && (!l->first || l->unacked > UNACKED_BYTES || l->n_flights > UNACKED_FLIGHTS))
        if (lane_reap(l, err))
            return -1;
    return l->first ? 0 : 1;
}

void lane_work(struct lane *l)
{
    struct ph_err e = { 0 };
    bool first_time = true;
    int result;

    while (!run_stopping(l->r)) {
        if (!l->src) {
            if (open_lane(l, first_time))
                break;
        }
        first_time = false;
        result = step(l, &e);
        if (result > 0) {
            if (!queue_has_work(l->r))
                break;
            continue;
        }
        if (result == 0)
            continue;
        dissolve(l);
        if (e.scope == PH_SCOPE_JOB || e.scope == PH_SCOPE_STORE) {
            if (e.kind != PH_E_CANCELLED)
                run_fatal(l->r, &e);
            break;
        }
        run_notice(l->r, NULL, 0, "connection lost, connecting again: %s", e.text);
        if (run_backoff(l->r, &e))
            break;
    }
    if (l->src && (l->first || l->first_flight || l->open))
        dissolve(l);
    pthread_mutex_lock(&l->r->lock);
    if (l->folder)
        l->folder->lanes--;
    l->folder = NULL;
    pthread_cond_broadcast(&l->r->changed);
    pthread_mutex_unlock(&l->r->lock);
}

struct lane *lane_new(struct run *r, struct ph_session *src, struct ph_session *dst)
{
    struct lane *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->r = r;
    l->src = src;
    l->dst = dst;
    l->lent = src != NULL;
    l->loop = (struct ph_loop){ .cancel = r->cancel };
    l->md = EVP_MD_CTX_new();
    if (!l->md || !EVP_DigestInit_ex(l->md, EVP_sha256(), NULL) ||
        (src && (src->ops->join(src, &l->loop, NULL) || dst->ops->join(dst, &l->loop, NULL)))) {
        l->src = l->dst = NULL;
        lane_free(l);
        return NULL;
    }
    return l;
}

static void *lane_thread(void *arg)
{
    struct lane *l = arg;

    lane_work(l);
    close_sessions(l);
    return NULL;
}

int lane_start(struct lane *l)
{
    l->started = pthread_create(&l->thread, NULL, lane_thread, l) == 0;
    return l->started ? 0 : -1;
}

void lane_join(struct lane *l)
{
    if (l->started)
        pthread_join(l->thread, NULL);
    l->started = false;
}

/* The sessions that are left go back to who lent them. */
void lane_free(struct lane *l)
{
    if (!l)
        return;
    EVP_MD_CTX_free(l->md);
    free(l);
}

int lane_sessions(struct lane *l, struct ph_loop *loop, struct ph_session **src, struct ph_session **dst, bool *same,
                  struct ph_err *err)
{
    *same = l->lent;
    *loop = (struct ph_loop){ .cancel = l->r->cancel };
    *src = l->src;
    *dst = l->dst;
    l->src = l->dst = NULL;
    if (!*src)
        return 0;
    return (*src)->ops->join(*src, loop, err) || (*dst)->ops->join(*dst, loop, err) ? -1 : 0;
}
