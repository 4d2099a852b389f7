/* session.c: opening pairs of sessions, waiting, and backing off. Never a fixed sleep: waits end with the run. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "transfer/run.h"

#define RECONNECTS_MAX 25

struct opener {
    struct run *r;
    struct ph_store *store;
    struct ph_loop loop;
    struct ph_session *s;
    struct ph_folder_list *list;
    bool status;
    atomic_int *logged_in;     /* of the two sides; NULL: nobody counts */
    struct ph_err err;
    int result;
};

/* The TLS layer does not know what the option is called on this side. */
static void name_pin_option(struct ph_err *e, bool dst)
{
    char *at = strstr(e->text, "pin it with sha256:");
    char tail[PH_ERR_TEXT];

    if (e->kind != PH_E_TLS || !at)
        return;
    at += strlen("pin it with ");
    memcpy(tail, at, strlen(at) + 1);
    size_t room = sizeof e->text - (size_t)(at - e->text);
    if (snprintf(at, room, "--%s-tls-pin %s", dst ? "dst" : "src", tail) < 0)
        *at = '\0';
}

static void open_side(struct opener *o)
{
    ph_err_clear(&o->err);
    o->result = o->store->ops->open(o->store, &o->loop, &o->s, &o->err);
    /* a token has ended, its source has a fresh one: once more, and no error */
    if (o->result && o->err.kind == PH_E_AUTH && o->err.retry == PH_RETRY_RECONNECT)
        o->result = o->store->ops->open(o->store, &o->loop, &o->s, &o->err);
    if (o->result)
        name_pin_option(&o->err, o->store == o->r->job->dst);
    /* both accounts are open: nothing a second pair of connections could fail at, so it need not wait for the lists */
    if (o->result == 0 && o->logged_in && atomic_fetch_add(o->logged_in, 1) == 1)
        run_first_lane(o->r);
    if (o->result == 0 && o->list)
        o->result = o->s->ops->list(o->s, o->status, o->list, &o->err);
}

static void *open_thread(void *arg)
{
    open_side(arg);
    return NULL;
}

/* Both sides connect, log in (and list) at the same time; then they wait in one loop. */
int sessions_open(struct run *r, struct ph_loop *loop, struct ph_session **src, struct ph_session **dst,
                  struct ph_folder_list *src_list, struct ph_folder_list *dst_list, struct ph_err *err)
{
    atomic_int logged_in = 0;
    struct opener a = { .r = r, .store = r->job->src, .list = src_list, .status = true, .loop = { .cancel = r->cancel } };
    struct opener b = { .r = r, .store = r->job->dst, .list = dst_list, .status = true, .loop = { .cancel = r->cancel } };
    pthread_t t;
    a.logged_in = b.logged_in = src_list ? &logged_in : NULL;
    bool threaded = pthread_create(&t, NULL, open_thread, &b) == 0;

    open_side(&a);
    if (threaded)
        pthread_join(t, NULL);
    else
        open_side(&b);
    if (a.result == 0 && b.result == 0) {
        *loop = (struct ph_loop){ .cancel = r->cancel };
        a.result = a.s->ops->join ? a.s->ops->join(a.s, loop, &a.err) : 0;
        b.result = b.s->ops->join ? b.s->ops->join(b.s, loop, &b.err) : 0;
    }
    if (a.result == 0 && b.result == 0) {
        *src = a.s;
        *dst = b.s;
        return 0;
    }
    *err = a.result ? a.err : b.err;
    ph_err_prefix(err, a.result ? "source" : "destination");
    if (a.s)
        a.s->ops->close(a.s);
    if (b.s)
        b.s->ops->close(b.s);
    return -1;
}

bool session_worn(struct ph_session *s)
{
    return s->ops->worn && s->ops->worn(s);
}

int run_sleep(struct run *r, int64_t ms)
{
    int64_t until = ph_now_ms() + ms;

    while (!ph_cancelled(r->cancel)) {
        int left = ph_deadline_poll_ms(until);
        if (left == 0)
            return 0;
        struct pollfd p = { .fd = r->cancel ? r->cancel->fd : -1, .events = POLLIN };
        poll(&p, 1, left);
    }
    return -1;
}

/* Growing pauses, shared by all lanes: the server said, or showed, that it has enough. */
int run_backoff(struct run *r, const struct ph_err *err)
{
    int64_t ms;

    pthread_mutex_lock(&r->lock);
    if (err->retry_ms)
        ms = err->retry_ms;
    else if (err->retry == PH_RETRY_LATER || err->kind == PH_E_THROTTLED)
        ms = 1000ll << (r->backoff_step < 6 ? r->backoff_step : 6);
    else
        ms = 100ll << (r->backoff_step < 8 ? r->backoff_step : 8);
    r->backoff_step++;
    bool enough = ++r->reconnects > RECONNECTS_MAX;
    if (ph_now_ms() + ms > r->backoff_until)
        r->backoff_until = ph_now_ms() + ms;
    pthread_mutex_unlock(&r->lock);
    if (enough) {
        struct ph_err e = *err;
        ph_err_prefix(&e, "given up after %d interruptions", RECONNECTS_MAX);
        run_fatal(r, &e);
        return -1;
    }
    if (ms >= 1000)
        run_notice(r, NULL, 0, "waiting %lld s: %s", (long long)ms / 1000, err->text);
    return run_sleep(r, ms);
}

void run_wait_turn(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    int64_t ms = r->backoff_until - ph_now_ms();
    pthread_mutex_unlock(&r->lock);
    if (ms > 0)
        run_sleep(r, ms);
}

/* A signal handler can raise the cancellation but not wake a condition. */
void run_cond_wait(struct run *r)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += 200000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    pthread_cond_timedwait(&r->changed, &r->lock, &ts);
}

bool run_stopping(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    bool stop = r->fatal.kind != PH_OK || ph_cancelled(r->cancel);
    pthread_mutex_unlock(&r->lock);
    return stop;
}

void run_pace(struct run *r, uint64_t bytes)
{
    const struct ph_job *j = r->job;
    int64_t ms = 0;

    if (j->rate_bytes)
        ms = (int64_t)(bytes * 1000 / j->rate_bytes);
    if (j->rate_messages && (int64_t)(1000 / j->rate_messages) > ms)
        ms = (int64_t)(1000 / j->rate_messages);
    if (!ms)
        return;
    pthread_mutex_lock(&r->lock);
    int64_t now = ph_now_ms();
    if (r->pace_until < now)
        r->pace_until = now;
    r->pace_until += ms;
    int64_t wait = r->pace_until - now;
    pthread_mutex_unlock(&r->lock);
    run_sleep(r, wait);
}
