/* sched.c: who runs when. One thread waits for all parked connections, accepts new ones and looks for time-outs; workers
 * take sessions from a queue and run them until they have nothing more to do.
 *
 * A session that has ended is freed by the waiter alone, behind the events it took from the kernel before: they may name it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "server/private.h"
#include "server/user.h"

#define QUEUE_MS 20         /* waited for longer than this, another worker is started */
#define IDLE_WORKER_S 5     /* a worker that is not needed ends */
#define SCAN_MS 250         /* time-outs are looked for at most this often */
#define PAUSE_MS 200        /* no descriptors left: the time until accepting is tried again */
#define ACCEPT_MAX 64       /* in a row of one listener */
#define EVENTS 256

static void *worker(void *arg);

void sched_poke(struct ph_server *srv)
{
    uint64_t one = 1;

    if (write(srv->event, &one, sizeof one) < 0) {
        /* the counter is full: it is readable already */
    }
}

/* ---- the queue; all with the lock held ---- */

static void start_worker(struct ph_server *srv)
{
    pthread_t t;
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&t, &attr, worker, srv) == 0)
        srv->n_workers++;
    srv->last_start = ph_now_ms();
    pthread_attr_destroy(&attr);
}

/* Workers that wait for their clients take nobody's place, up to a number. */
static bool may_start(const struct ph_server *srv, unsigned most)
{
    unsigned away = srv->n_away < SERVER_AWAY_MAX ? srv->n_away : SERVER_AWAY_MAX;

    return srv->n_workers < srv->config.limits.workers + away && srv->n_workers < most + away;
}

/* When the waiter is to start another worker: the queue has waited, and the one before has had time to help. */
static int64_t next_start(const struct ph_server *srv)
{
    if (!srv->queue || !may_start(srv, UINT_MAX / 2))
        return PH_NEVER;
    return (srv->queue->queued_at > srv->last_start ? srv->queue->queued_at : srv->last_start) + QUEUE_MS;
}

static void enqueue(struct ph_server *srv, struct session *s)
{
    bool first = !srv->queue;

    s->run = RUN_QUEUED;
    s->next_run = NULL;
    s->queued_at = ph_now_ms();
    *srv->queue_end = s;
    srv->queue_end = &s->next_run;
    srv->n_queued++;
    if (srv->n_idle >= srv->n_queued)
        pthread_cond_signal(&srv->work);
    else if (may_start(srv, SERVER_QUICK_WORKERS))
        start_worker(srv);
    else if (srv->n_idle)
        pthread_cond_signal(&srv->work);
    else if (first)
        sched_poke(srv); /* it sees to it that the queue does not wait for long */
}

static struct session *dequeue(struct ph_server *srv)
{
    struct session *s = srv->queue;

    srv->queue = s->next_run;
    if (!srv->queue)
        srv->queue_end = &srv->queue;
    srv->n_queued--;
    return s;
}

static void wake_locked(struct ph_server *srv, struct session *s)
{
    if (s->run == RUN_PARKED)
        enqueue(srv, s);
    else if (s->run == RUN_RUNNING)
        s->run = RUN_AGAIN;
}

bool sched_away(struct ph_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    srv->n_away++;
    bool crowded = srv->n_away > SERVER_AWAY_MAX / 2;
    if (srv->queue && !srv->n_idle && may_start(srv, SERVER_QUICK_WORKERS))
        start_worker(srv);
    else if (srv->queue)
        sched_poke(srv); /* there is room for one more now */
    pthread_mutex_unlock(&srv->lock);
    return crowded;
}

void sched_back(struct ph_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    srv->n_away--;
    pthread_mutex_unlock(&srv->lock);
}

void server_wake(struct session *s)
{
    struct ph_server *srv = s->server;

    pthread_mutex_lock(&srv->lock);
    wake_locked(srv, s);
    pthread_mutex_unlock(&srv->lock);
}

static void unlist(struct ph_server *srv, struct session *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        srv->sessions = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->next = s->prev = NULL;
}

/* Let the kernel watch for what the session waits for. */
static void park(struct ph_server *srv, struct session *s)
{
    struct epoll_event ev = { .events = EPOLLONESHOT, .data.ptr = s };

    s->run = RUN_PARKED;
    if (s->wake_at < srv->next_scan) {
        srv->next_scan = s->wake_at;
        sched_poke(srv);
    }
    if (s->own_transport)
        return;
    ev.events |= (s->wants & POLLIN ? EPOLLIN : 0) | (s->wants & POLLOUT ? EPOLLOUT : 0);
    if (epoll_ctl(srv->epoll, s->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &ev) == 0) {
        s->registered = true;
        return;
    }
    s->broken = true; /* cannot be waited for: it ends at once */
    enqueue(srv, s);
}

static void bury(struct ph_server *srv, struct session *s)
{
    pthread_mutex_unlock(&srv->lock);
    session_end(s);
    pthread_mutex_lock(&srv->lock);
    s->run = RUN_DEAD;
    s->over = true;
    srv->n_sessions--;
    if (!s->own_transport) {
        unlist(srv, s);
        s->next = srv->dead;
        srv->dead = s;
        s->prev = NULL;
    }
    pthread_cond_broadcast(&srv->calm);
}

void sched_run(struct ph_server *srv, struct session *s)
{
    s->run = RUN_RUNNING;
    pthread_mutex_unlock(&srv->lock);
    enum step step = session_step(s);
    pthread_mutex_lock(&srv->lock);
    if (step == STEP_CLOSE)
        bury(srv, s);
    else if (step == STEP_YIELD || s->run == RUN_AGAIN)
        enqueue(srv, s);
    else
        park(srv, s);
    if (s->own_transport)
        pthread_cond_broadcast(&srv->calm); /* somebody may wait to feed it */
}

void sched_forget(struct ph_server *srv, struct session *s)
{
    pthread_mutex_lock(&srv->lock);
    while (s->run != RUN_PARKED && s->run != RUN_DEAD)
        pthread_cond_wait(&srv->calm, &srv->lock);
    if (s->run == RUN_PARKED) {
        s->run = RUN_RUNNING;
        bury(srv, s);
    }
    unlist(srv, s);
    pthread_mutex_unlock(&srv->lock);
}

/* ---- workers ---- */

static bool wait_for_work(struct ph_server *srv)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_WORKER_S;
    srv->n_idle++;
    while (!srv->queue && !srv->look && !srv->workers_end && rc == 0)
        rc = pthread_cond_timedwait(&srv->work, &srv->lock, &until);
    srv->n_idle--;
    if (srv->queue || (srv->look && !srv->workers_end))
        return true;
    return !srv->workers_end && srv->n_workers <= SERVER_REST_WORKERS;
}

static void *worker(void *arg)
{
    struct ph_server *srv = arg;

    pthread_mutex_lock(&srv->lock);
    while (srv->queue || srv->look || wait_for_work(srv))
        if (srv->queue) {
            sched_run(srv, dequeue(srv));
        } else if (srv->look) {
            srv->look = false;
            pthread_mutex_unlock(&srv->lock);
            users_look(srv); /* here, because closing a store may take a while */
            pthread_mutex_lock(&srv->lock);
        }
    srv->n_workers--;
    pthread_cond_broadcast(&srv->calm);
    pthread_mutex_unlock(&srv->lock);
    return NULL;
}

/* ---- new connections ---- */

static size_t address_len(const char *peer)
{
    const char *colon = strrchr(peer, ':');

    return colon ? (size_t)(colon - peer) : strlen(peer);
}

static bool too_many(struct ph_server *srv, const struct session *s)
{
    const struct ph_server_limits *l = &srv->config.limits;
    size_t n = address_len(s->peer);
    unsigned same = 0;

    if (srv->n_sessions >= l->connections)
        return true;
    if (!l->per_address || s->local)
        return false;
    for (const struct session *o = srv->sessions; o && same < l->per_address; o = o->next)
        same += !o->over && address_len(o->peer) == n && memcmp(o->peer, s->peer, n) == 0;
    return same >= l->per_address;
}

int sched_add(struct ph_server *srv, struct session *s, struct ph_err *err)
{
    pthread_mutex_lock(&srv->lock);
    bool down = srv->stopping || !srv->started, full = !down && too_many(srv, s);
    if (!down && !full) {
        s->id = ++srv->last_id;
        s->next = srv->sessions;
        if (s->next)
            s->next->prev = s;
        srv->sessions = s;
        srv->n_sessions++;
        atomic_fetch_add(&srv->count.connections, 1);
        if (s->own_transport)
            s->run = RUN_PARKED;
        else
            enqueue(srv, s);
    }
    pthread_mutex_unlock(&srv->lock);
    if (!down && !full)
        return 0;
    atomic_fetch_add(&srv->count.refused, 1);
    if (!s->tls && s->stream) {
        static const char bye[] = "* BYE [UNAVAILABLE] Too many connections, or the server is shutting down\r\n";
        (void)ph_stream_write(s->stream, bye, sizeof bye - 1, NULL); /* it fits into an empty socket, or it does not matter */
    }
    server_log(srv, s, 5, "%s", down ? "refused: the server is not running" : "refused: too many connections");
    session_end(s);
    session_delete(s);
    return down ? ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the server is not running")
                : ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "too many connections");
}

static void arm_listener(struct ph_server *srv, struct listening *l, int op)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = l };

    epoll_ctl(srv->epoll, op, l->l.fd, &ev);
}

/* false: no descriptors, it pauses */
static bool accept_some(struct ph_server *srv, struct listening *l)
{
    for (int i = 0; i < ACCEPT_MAX; i++) {
        char peer[PH_PEER_TEXT];
        struct ph_stream *stream;
        struct ph_err err = { 0 };
        if (ph_accept(&l->l, 0, NULL, &stream, peer, &err)) {
            if (err.kind == PH_E_LIMIT || err.kind == PH_E_MEMORY) {
                server_log(srv, NULL, 4, "%s", err.text);
                return false;
            }
            break;
        }
        struct session *s = session_new(srv, stream, peer, l->flags | (l->l.port ? 0 : SESSION_LOCAL), NULL, &err);
        if (s)
            sched_add(srv, s, &err);
        else
            server_log(srv, NULL, 4, "%s", err.text);
    }
    return true;
}

/* ---- the waiter ---- */

/* With the lock held. */
static void scan(struct ph_server *srv, int64_t now)
{
    int64_t next = PH_NEVER;

    for (struct session *s = srv->sessions; s; s = s->next) {
        if (s->run != RUN_PARKED)
            continue;
        if (s->wake_at <= now)
            enqueue(srv, s);
        else if (s->wake_at < next)
            next = s->wake_at;
    }
    srv->next_scan = next == PH_NEVER || next >= now + SCAN_MS ? next : now + SCAN_MS;
}

static int next_timeout(struct ph_server *srv, bool paused)
{
    pthread_mutex_lock(&srv->lock);
    int64_t start = next_start(srv), at = start < srv->next_scan ? start : srv->next_scan;
    pthread_mutex_unlock(&srv->lock);
    int ms = ph_deadline_poll_ms(at);
    return paused && (ms < 0 || ms > PAUSE_MS) ? PAUSE_MS : ms;
}

static bool is_listener(struct ph_server *srv, const void *p)
{
    return (const char *)p >= (const char *)srv->listeners && (const char *)p < (const char *)(srv->listeners + SERVER_LISTENERS);
}

/* Hand out what the kernel says; returns the listeners as bits. */
static uint32_t sort_events(struct ph_server *srv, const struct epoll_event *ev, int n)
{
    uint32_t callers = 0;
    uint64_t count;

    pthread_mutex_lock(&srv->lock);
    for (int i = 0; i < n; i++) {
        void *p = ev[i].data.ptr;
        if (p == srv) {
            if (read(srv->event, &count, sizeof count) < 0) {
                /* somebody has read it: there is nothing more to know */
            }
        } else if (is_listener(srv, p)) {
            callers |= 1u << ((struct listening *)p - srv->listeners);
        } else {
            struct session *s = p;
            if (ev[i].events & (EPOLLHUP | EPOLLERR))
                s->hung_up = true;
            if (s->run == RUN_PARKED)
                enqueue(srv, s);
        }
    }
    int64_t now = ph_now_ms();
    bool scanned = now >= srv->next_scan;
    if (scanned) {
        scan(srv, now);
        srv->look = true;
        if (srv->n_idle)
            pthread_cond_signal(&srv->work);
    }
    if (now >= next_start(srv))
        start_worker(srv);
    struct session *dead = srv->dead;
    srv->dead = NULL;
    pthread_mutex_unlock(&srv->lock);
    while (dead) {
        struct session *next = dead->next;
        session_delete(dead);
        dead = next;
    }
    return callers;
}

static void close_listeners(struct ph_server *srv)
{
    for (unsigned i = 0; i < srv->n_listeners; i++)
        ph_listener_done(&srv->listeners[i].l);
    srv->n_listeners = 0;
}

static void *wait_for_all(void *arg)
{
    struct ph_server *srv = arg;
    struct epoll_event ev[EVENTS];
    uint32_t paused = 0;
    int64_t resume = 0;

    for (;;) {
        int n = epoll_wait(srv->epoll, ev, EVENTS, next_timeout(srv, paused));
        uint32_t callers = sort_events(srv, ev, n > 0 ? n : 0);
        pthread_mutex_lock(&srv->lock);
        bool stopping = srv->stopping, end = srv->waiter_end;
        pthread_mutex_unlock(&srv->lock);
        if (stopping)
            close_listeners(srv);
        if (end)
            return NULL;
        if (paused && ph_now_ms() >= resume) {
            callers |= paused;
            paused = 0;
        }
        for (unsigned i = 0; i < srv->n_listeners; i++) {
            if (!(callers & 1u << i))
                continue;
            if (accept_some(srv, &srv->listeners[i])) {
                arm_listener(srv, &srv->listeners[i], EPOLL_CTL_MOD);
            } else {
                paused |= 1u << i;
                resume = ph_now_ms() + PAUSE_MS;
            }
        }
    }
}

/* ---- beginning and end ---- */

int sched_start(struct ph_server *srv, struct ph_err *err)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = srv };
    int rc;

    if (epoll_ctl(srv->epoll, EPOLL_CTL_ADD, srv->event, &ev) < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "epoll");
    for (unsigned i = 0; i < srv->n_listeners; i++)
        arm_listener(srv, &srv->listeners[i], EPOLL_CTL_ADD);
    pthread_mutex_lock(&srv->lock);
    srv->started = true;
    for (unsigned i = 0; i < SERVER_REST_WORKERS && i < srv->config.limits.workers; i++)
        start_worker(srv);
    pthread_mutex_unlock(&srv->lock);
    rc = srv->n_workers ? pthread_create(&srv->waiter, NULL, wait_for_all, srv) : EAGAIN;
    if (rc == 0)
        return 0;
    pthread_mutex_lock(&srv->lock);
    srv->started = false;
    srv->workers_end = true;
    pthread_cond_broadcast(&srv->work);
    while (srv->n_workers)
        pthread_cond_wait(&srv->calm, &srv->lock);
    pthread_mutex_unlock(&srv->lock);
    return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, rc, "cannot start threads");
}

/* Wait until no session is left, or until the time; with the lock held. */
static void wait_for_calm(struct ph_server *srv, int64_t deadline)
{
    while (srv->n_sessions && ph_now_ms() < deadline) {
        struct timespec until = { .tv_sec = (time_t)(deadline / 1000), .tv_nsec = deadline % 1000 * 1000000 };
        if (deadline == PH_NEVER)
            pthread_cond_wait(&srv->calm, &srv->lock);
        else
            pthread_cond_timedwait(&srv->calm, &srv->lock, &until);
    }
}

static void wake_everybody(struct ph_server *srv)
{
    for (struct session *s = srv->sessions; s; s = s->next) {
        s->stopping = true;
        wake_locked(srv, s);
    }
}

void sched_stop(struct ph_server *srv)
{
    pthread_mutex_lock(&srv->lock);
    if (!srv->started || srv->stopping) {
        pthread_mutex_unlock(&srv->lock);
        return;
    }
    srv->stopping = true;
    sched_poke(srv);
    wake_everybody(srv);
    wait_for_calm(srv, ph_deadline_in((int64_t)srv->config.limits.drain_seconds * 1000));
    srv->killing = true;
    ph_cancel_raise(&srv->cancel);
    wake_everybody(srv);
    wait_for_calm(srv, PH_NEVER);
    srv->workers_end = true;
    pthread_cond_broadcast(&srv->work);
    while (srv->n_workers)
        pthread_cond_wait(&srv->calm, &srv->lock);
    srv->waiter_end = true;
    sched_poke(srv);
    pthread_mutex_unlock(&srv->lock);
    pthread_join(srv->waiter, NULL);
    users_end(srv);
    pthread_mutex_lock(&srv->lock);
    srv->started = false;
    pthread_mutex_unlock(&srv->lock);
}
