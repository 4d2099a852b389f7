#include "daemon/lmtp_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "daemon/delivery.h"
#include "daemon/lmtp.h"
#include "io/server.h"

#define LISTENERS 16
#define GOODBYE_MS 2000

struct ph_lmtp_server {
    struct ph_lmtp_server_options o;
    struct ph_listener listener[LISTENERS];
    size_t n;
    pthread_t acceptor;
    bool started;
    struct ph_cancel stop;
    pthread_mutex_t lock;
    pthread_cond_t calm;
    unsigned open;
    atomic_uint_fast64_t connections, refused, delivered, failed, octets, next_id;
};

/* One connection, and the message on its way through it. */
struct lmtp_session {
    struct ph_lmtp_server *server;
    struct ph_stream *stream;
    struct ph_lmtp lmtp;
    struct ph_spool spool;
    struct ph_buf received, header;
    const char *from;
    uint64_t id;
    char peer[PH_PEER_TEXT];
};

/* ---- what the protocol asks ---- */

static bool have_user(void *ctx, const char *user)
{
    struct ph_lmtp_server *s = ctx;

    return s->o.users ? ph_users_have(s->o.users, user) : ph_accounts_have(s->o.accounts, user);
}

static bool anybody(void *ctx, const char *user)
{
    return true;
}

static int on_recipient(void *ctx, const char *local, const char *domain, struct ph_arena *arena, const char **user, struct ph_err *err)
{
    struct lmtp_session *c = ctx;
    const struct ph_daemon_config *config = c->server->o.config;

    if (ph_recipient_find(local, domain, config->recipient_delimiter, have_user, c->server, arena, user, err) == 0)
        return 0;
    if (!config->any_user || err->kind != PH_E_NOTFOUND)
        return -1;
    return ph_recipient_find(local, "", "", anybody, NULL, arena, user, err);
}

static int on_begin(void *ctx, const char *from, const char *client, struct ph_err *err)
{
    struct lmtp_session *c = ctx;

    c->from = from;
    c->id = atomic_fetch_add(&c->server->next_id, 1);
    ph_buf_clear(&c->received);
    return ph_delivery_received(client, c->server->o.host, c->id, time(NULL), &c->received) ? ph_fail_memory(err) : 0;
}

static int on_octets(void *ctx, const char *p, size_t n, struct ph_err *err)
{
    struct lmtp_session *c = ctx;

    return ph_spool_add(&c->spool, p, n, err);
}

static int put(struct lmtp_session *c, const char *user, const char *address, struct ph_err *err)
{
    struct ph_lmtp_server *s = c->server;
    struct ph_delivery d = { .folder = s->o.config->deliver_folder, .create = true, .message = &c->spool };

    ph_buf_clear(&c->header);
    if (ph_delivery_trace(c->from, address, &c->header) || ph_buf_add_str(&c->header, ph_buf_str(&c->received)))
        return ph_fail_memory(err);
    d.header = ph_buf_str(&c->header);
    if (ph_accounts_open(s->o.accounts, user, true, false, &d.store, err))
        return -1;
    int rc = ph_deliver(&d, err);
    ph_accounts_close(s->o.accounts, d.store);
    return rc;
}

static int on_deliver(void *ctx, const char *user, const char *address, struct ph_err *err)
{
    struct lmtp_session *c = ctx;
    struct ph_lmtp_server *s = c->server;
    int rc = put(c, user, address, err);

    if (rc) {
        atomic_fetch_add(&s->failed, 1);
        ph_log_f(s->o.log, LOG_WARNING, "lmtp %llu: not delivered to %s: %s", (unsigned long long)c->id, user, err->text);
        if (err->kind == PH_E_NOTFOUND) /* the folder, not the user: nothing that should bounce */
            err->kind = PH_E_SYSTEM;
    } else {
        atomic_fetch_add(&s->delivered, 1);
        atomic_fetch_add(&s->octets, c->spool.size);
        ph_log_f(s->o.log, LOG_INFO, "lmtp %llu: delivered to %s, %llu octets, from <%s>", (unsigned long long)c->id, user,
                 (unsigned long long)c->spool.size, c->from);
    }
    return rc;
}

static void on_end(void *ctx)
{
    struct lmtp_session *c = ctx;

    ph_spool_done(&c->spool);
}

static const struct ph_lmtp_calls calls = { on_recipient, on_begin, on_octets, on_deliver, on_end };

/* ---- a connection ---- */

/* When the server stops, a client that does not take its answers is not waited for. */
static int send_out(struct lmtp_session *c)
{
    struct ph_buf *out = &c->lmtp.out;
    struct ph_cancel *stop = &c->server->stop;
    bool stopping = ph_cancelled(stop);
    int64_t deadline = ph_deadline_in(stopping ? GOODBYE_MS : c->server->o.config->lmtp_timeout_ms);
    struct ph_err err = { 0 };

    while (ph_buf_len(out)) {
        ssize_t n = ph_stream_write(c->stream, ph_buf_data(out), ph_buf_len(out), &err);
        if (n > 0) {
            ph_buf_consume(out, (size_t)n);
            continue;
        }
        if (n != PH_AGAIN)
            return -1;
        if (ph_stream_wait(c->stream, c->stream->ops->want_write(c->stream), deadline, stopping ? NULL : stop, &err) == 0)
            continue;
        if (stopping || err.kind != PH_E_CANCELLED)
            return -1;
        stopping = true;
        deadline = ph_deadline_in(GOODBYE_MS);
    }
    return 0;
}

/* 1 something came, 0 the end, -1 it is over: *why. */
static int receive(struct lmtp_session *c, enum ph_kind *why)
{
    int64_t deadline = ph_deadline_in(c->server->o.config->lmtp_timeout_ms);
    struct ph_err err = { 0 };

    for (;;) {
        char *p = ph_buf_reserve(&c->lmtp.in, 65536);
        ssize_t n = p ? ph_stream_read(c->stream, p, 65536, &err) : -1;
        if (n > 0) {
            ph_buf_commit(&c->lmtp.in, (size_t)n);
            return 1;
        }
        if (n == 0)
            return 0;
        if (n != PH_AGAIN || ph_stream_wait(c->stream, c->stream->ops->want_read(c->stream), deadline, &c->server->stop, &err)) {
            *why = err.kind;
            return -1;
        }
    }
}

static void talk(struct lmtp_session *c)
{
    enum ph_kind why = PH_OK;

    for (;;) {
        enum ph_lmtp_next next = ph_lmtp_run(&c->lmtp);
        if (send_out(c) || next == PH_LMTP_CLOSE)
            return;
        if (next == PH_LMTP_SEND)
            continue;
        int rc = receive(c, &why);
        if (rc == 0)
            return;
        if (rc < 0) {
            if (why == PH_E_CANCELLED)
                ph_lmtp_goodbye(&c->lmtp, "4.3.2 The server is shutting down");
            else if (why == PH_E_TIMEOUT)
                ph_lmtp_goodbye(&c->lmtp, "4.4.2 Silent for too long");
            else
                return;
            send_out(c);
            return;
        }
    }
}

static void *run_connection(void *arg)
{
    struct lmtp_session *c = arg;
    struct ph_lmtp_server *s = c->server;

    talk(c);
    ph_lmtp_done(&c->lmtp);
    ph_spool_done(&c->spool);
    ph_buf_done(&c->received);
    ph_buf_done(&c->header);
    ph_stream_free(c->stream);
    free(c);
    pthread_mutex_lock(&s->lock);
    s->open--;
    pthread_cond_broadcast(&s->calm);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void refuse(struct ph_lmtp_server *s, struct ph_stream *stream)
{
    static const char text[] = "421 4.3.2 Too many connections\r\n";

    atomic_fetch_add(&s->refused, 1);
    ph_stream_write(stream, text, sizeof text - 1, NULL);
    ph_stream_free(stream);
}

static void begin_connection(struct ph_lmtp_server *s, struct ph_stream *stream, const char *peer)
{
    struct lmtp_session *c = NULL;
    pthread_t thread;
    pthread_attr_t attr;

    pthread_mutex_lock(&s->lock);
    bool room = s->open < s->o.config->lmtp_connections;
    s->open += room;
    pthread_mutex_unlock(&s->lock);
    if (room && (c = calloc(1, sizeof *c))) {
        c->server = s;
        c->stream = stream;
        ph_spool_init(&c->spool);
        memcpy(c->peer, peer, sizeof c->peer);
        ph_lmtp_init(&c->lmtp, s->o.host, s->o.config->limits.append, &calls, c);
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        int rc = pthread_create(&thread, &attr, run_connection, c);
        pthread_attr_destroy(&attr);
        atomic_fetch_add(&s->connections, 1);
        if (rc == 0)
            return;
        ph_lmtp_done(&c->lmtp);
        free(c);
    }
    if (room) {
        pthread_mutex_lock(&s->lock);
        s->open--;
        pthread_mutex_unlock(&s->lock);
    }
    refuse(s, stream);
}

static void *accept_all(void *arg)
{
    struct ph_lmtp_server *s = arg;
    struct pollfd p[LISTENERS + 1];

    for (size_t i = 0; i < s->n; i++)
        p[i] = (struct pollfd){ s->listener[i].fd, POLLIN, 0 };
    p[s->n] = (struct pollfd){ s->stop.fd, POLLIN, 0 };
    while (!ph_cancelled(&s->stop)) {
        if (poll(p, (nfds_t)s->n + 1, -1) < 0 && errno != EINTR)
            break;
        for (size_t i = 0; i < s->n; i++) {
            struct ph_stream *stream;
            char peer[PH_PEER_TEXT];
            struct ph_err err = { 0 };
            if (!(p[i].revents & POLLIN))
                continue;
            if (ph_accept(&s->listener[i], 0, &s->stop, &stream, peer, &err) == 0)
                begin_connection(s, stream, peer);
            else if (err.kind == PH_E_LIMIT) /* no descriptor left: let others give some back */
                poll(&p[s->n], 1, 100);
        }
    }
    return NULL;
}

/* ---- the server ---- */

int ph_lmtp_server_new(const struct ph_lmtp_server_options *o, struct ph_lmtp_server **out, struct ph_err *err)
{
    struct ph_lmtp_server *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return ph_fail_memory(err);
    s->o = *o;
    s->next_id = (uint64_t)time(NULL) << 20; /* another one after a restart */
    if (ph_cancel_init(&s->stop) < 0) {
        free(s);
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot serve LMTP");
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->calm, NULL);
    *out = s;
    return 0;
}

int ph_lmtp_server_add(struct ph_lmtp_server *s, int fd, const char *path, struct ph_err *err)
{
    if (s->n == LISTENERS) {
        close(fd);
        return ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "more than %d sockets for LMTP", LISTENERS);
    }
    s->listener[s->n++] = (struct ph_listener){ .fd = fd, .path = ph_str_dup(ph_str(path)) };
    return 0;
}

int ph_lmtp_server_start(struct ph_lmtp_server *s, struct ph_err *err)
{
    int rc = pthread_create(&s->acceptor, NULL, accept_all, s);

    if (rc)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, rc, "cannot serve LMTP");
    s->started = true;
    return 0;
}

void ph_lmtp_server_free(struct ph_lmtp_server *s)
{
    if (!s)
        return;
    ph_cancel_raise(&s->stop);
    if (s->started)
        pthread_join(s->acceptor, NULL);
    pthread_mutex_lock(&s->lock);
    while (s->open)
        pthread_cond_wait(&s->calm, &s->lock);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n; i++)
        ph_listener_done(&s->listener[i]);
    ph_cancel_done(&s->stop);
    pthread_cond_destroy(&s->calm);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void ph_lmtp_server_count(struct ph_lmtp_server *s, struct ph_lmtp_counters *out)
{
    *out = (struct ph_lmtp_counters){ s->connections, s->refused, s->delivered, s->failed, s->octets, 0 };
    pthread_mutex_lock(&s->lock);
    out->open = s->open;
    pthread_mutex_unlock(&s->lock);
}
