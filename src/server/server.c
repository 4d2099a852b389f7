/* server.c: the public side: configuration, where clients come from, the application's own commands, counters. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/private.h"
#include "server/user.h"
#include "wire/respond.h"

const char *ph_server_state_name(enum ph_server_state st)
{
    static const char *const names[] = {
        "ConnectionClosed", "ConnectionEstablished", "ServerGreeting", "NotAuthenticated", "Authenticated", "Selected", "Logout",
    };

    return (unsigned)st < sizeof names / sizeof *names ? names[st] : "unknown";
}

/* ---- making one ---- */

static void fill_limits(struct ph_server_limits *l)
{
#define OR(field, value) (l->field = l->field ? l->field : (value))
    OR(line, 65536);
    OR(literal, 1u << 20);
    OR(memory, 16u << 20);
    OR(connections, 10000);
    OR(workers, 64);
    OR(login_seconds, 60);
    OR(idle_seconds, 1800);
    OR(failed_logins, 3);
    OR(bad_commands, 20);
    OR(drain_seconds, 10);
#undef OR
}

static char *copy(const char *given, const char *otherwise)
{
    return ph_str_dup(ph_str(given ? given : otherwise));
}

static int copy_texts(struct ph_server *s)
{
    const struct ph_server_config *c = &s->config;
    char machine[256] = "localhost";
    struct ph_buf greeting = PH_BUF_INIT;

    if (!c->host)
        gethostname(machine, sizeof machine - 1);
    s->host = copy(c->host, machine);
    ph_buf_add_z(&greeting, s->host ? s->host : "");
    ph_buf_add_z(&greeting, " ready");
    s->greeting = copy(c->greeting, ph_buf_z(&greeting));
    ph_buf_done(&greeting);
    s->name = copy(c->name, "Posthaste");
    s->version = copy(c->version, PH_VERSION);
    s->preauth_user = copy(c->preauth_user, "");
    s->config.host = s->config.greeting = s->config.name = s->config.version = s->config.preauth_user = NULL;
    return s->host && s->greeting && s->name && s->version && s->preauth_user ? 0 : -1;
}

static void init_locks(struct ph_server *s)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->tls_lock, NULL);
    pthread_mutex_init(&s->users_lock, NULL);
    pthread_cond_init(&s->work, &monotonic);
    pthread_cond_init(&s->calm, &monotonic);
    pthread_cond_init(&s->users_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int ph_server_new(const struct ph_server_config *config, struct ph_server **out, struct ph_err *err)
{
    const struct ph_server_callbacks *c = &config->calls;

    *out = NULL;
    if (!c->open_store || (!c->verifier && !c->check_password && !c->check_token && !c->check_external && !config->preauth_user))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a server needs open_store and a way to log in");
    struct ph_server *s = calloc(1, sizeof *s);
    if (!s)
        return ph_fail_memory(err);
    s->config = *config;
    fill_limits(&s->config.limits);
    init_locks(s);
    s->queue_end = &s->queue;
    s->next_scan = PH_NEVER;
    s->epoll = s->event = s->cancel.fd = -1;
    if (copy_texts(s)) {
        ph_server_free(s);
        return ph_fail_memory(err);
    }
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll < 0 || s->event < 0 || ph_cancel_init(&s->cancel) < 0) {
        ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot make a server");
        ph_server_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

int ph_server_set_tls(struct ph_server *s, const char *cert_file, const char *key_file, const char *client_ca,
                      struct ph_err *err)
{
    struct ph_tls_server_config c = { cert_file, key_file, client_ca };
    struct ph_tls_server *tls, *old;

    if (ph_tls_server_new(&c, &tls, err))
        return -1;
    pthread_mutex_lock(&s->tls_lock);
    old = s->tls;
    s->tls = tls;
    pthread_mutex_unlock(&s->tls_lock);
    ph_tls_server_free(old);
    return 0;
}

/* ---- where clients come from ---- */

static int next_listener(struct ph_server *s, unsigned flags, struct listening **out, struct ph_err *err)
{
    if (s->started)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "listeners are added before the start");
    if (s->n_listeners == SERVER_LISTENERS)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "more than %d listeners", SERVER_LISTENERS);
    if ((flags & PH_LISTEN_TLS) && !s->tls)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "TLS needs a certificate first");
    if ((flags & PH_LISTEN_PREAUTH) && !*s->preauth_user)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no user is configured for clients that need not log in");
    *out = &s->listeners[s->n_listeners];
    **out = (struct listening){ .server = s, .flags = flags };
    return 0;
}

int ph_server_listen_tcp(struct ph_server *s, const char *address, uint16_t port, unsigned flags, uint16_t *bound,
                         struct ph_err *err)
{
    struct listening *l;

    if (next_listener(s, flags, &l, err) || ph_listen_tcp(&l->l, address, port, err))
        return -1;
    if (bound)
        *bound = l->l.port;
    s->n_listeners++;
    return 0;
}

int ph_server_listen_unix(struct ph_server *s, const char *path, unsigned mode, unsigned flags, struct ph_err *err)
{
    struct listening *l;

    if (next_listener(s, flags, &l, err) || ph_listen_unix(&l->l, path, mode, err))
        return -1;
    s->n_listeners++;
    return 0;
}

int ph_server_listen_fd(struct ph_server *s, int fd, unsigned flags, struct ph_err *err)
{
    struct listening *l;
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof sa;
    int on = 0;
    socklen_t on_len = sizeof on;

    if (next_listener(s, flags, &l, err))
        return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) < 0 || !on || getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "descriptor %d is not a listening socket", fd);
    if (ph_fd_nonblocking(fd, err))
        return -1;
    l->l = (struct ph_listener){ .fd = fd, .port = sa.ss_family != AF_UNIX };
    s->n_listeners++;
    return 0;
}

int ph_server_attach_fd(struct ph_server *s, int fd, unsigned flags, const char *preauth_user, struct ph_err *err)
{
    struct ph_stream *stream = ph_fd_stream_new(fd);
    struct session *session;

    if (!stream) {
        close(fd);
        return ph_fail_memory(err);
    }
    session = session_new(s, stream, "attached", flags | SESSION_LOCAL, preauth_user, err);
    return session ? sched_add(s, session, err) : -1;
}

/* ---- a connection, as the application sees it ---- */

const char *ph_server_conn_user(const struct ph_server_conn *c)
{
    return session_of(c)->user ? session_of(c)->user->name : NULL;
}

const char *ph_server_conn_mailbox(const struct ph_server_conn *c)
{
    return session_of(c)->view ? session_of(c)->view->name : NULL;
}

const char *ph_server_conn_peer(const struct ph_server_conn *c)
{
    return session_of(c)->peer;
}

uint64_t ph_server_conn_id(const struct ph_server_conn *c)
{
    return session_of(c)->id;
}

void ph_server_conn_set(struct ph_server_conn *c, void *p)
{
    session_of(c)->app = p;
}

void *ph_server_conn_get(const struct ph_server_conn *c)
{
    return session_of(c)->app;
}

int ph_server_untagged(struct ph_server_conn *c, const char *line, size_t n)
{
    struct session *s = session_of(c);

    for (size_t i = 0; i < n; i++)
        if (line[i] == '\r' || line[i] == '\n' || line[i] == '\0')
            return -1;
    ph_write_raw(&s->w, "* ");
    ph_write_bytes(&s->w, (struct ph_str){ line, n });
    ph_write_crlf(&s->w);
    return session_push(s);
}

/* ---- own commands and capabilities ---- */

static void *grown(void *array, size_t n, size_t size)
{
    return realloc(array, n * size);
}

int ph_server_add_command(struct ph_server *s, const struct ph_server_command *c, struct ph_err *err)
{
    struct ph_command_row *rows;
    struct ph_server_command *own;
    unsigned states = (c->states & 1u << PH_ST_NOT_AUTHENTICATED ? PH_STATE_NONAUTH : 0) |
                      (c->states & 1u << PH_ST_AUTHENTICATED ? PH_STATE_AUTH : 0) |
                      (c->states & 1u << PH_ST_SELECTED ? PH_STATE_SELECTED : 0);

    if (s->started || !c->name || !c->run || !ph_is_atom(ph_str(c->name)))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a command needs a name and a function, before the start");
    if (!(rows = grown(s->rows, s->n_own + 2, sizeof *rows)))
        return ph_fail_memory(err);
    s->rows = rows;
    memset(&rows[s->n_own], 0, 2 * sizeof *rows);
    if (!(own = grown(s->own, s->n_own + 1, sizeof *own)))
        return ph_fail_memory(err);
    s->own = own;
    char *name = ph_str_dup(ph_str(c->name)), *shape = ph_str_dup(ph_str(c->shape ? c->shape : ""));
    if (!name || !shape) {
        free(name);
        free(shape);
        return ph_fail_memory(err);
    }
    own[s->n_own] = *c;
    own[s->n_own].name = name;
    own[s->n_own].shape = shape;
    rows[s->n_own] = (struct ph_command_row){ .name = name, .id = (enum ph_cmd)(PH_CMD_APPLICATION + s->n_own), .states = states,
                                              .shape = *shape ? shape : NULL };
    s->n_own++;
    return 0;
}

int ph_server_add_capability(struct ph_server *s, const char *atom, unsigned when, struct ph_err *err)
{
    if (s->started || !ph_is_atom(ph_str(atom)))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a capability is an atom, and added before the start");
    for (size_t i = 0; i < s->n_caps; i++)
        if (ph_str_caseis(ph_str(atom), s->caps[i].atom)) {
            s->caps[i].when |= when;
            return 0;
        }
    struct own_capability *caps = grown(s->caps, s->n_caps + 1, sizeof *caps);
    if (!caps)
        return ph_fail_memory(err);
    s->caps = caps;
    if (!(caps[s->n_caps].atom = ph_str_dup(ph_str(atom))))
        return ph_fail_memory(err);
    caps[s->n_caps++].when = when;
    return 0;
}

/* ---- running ---- */

int ph_server_start(struct ph_server *s, struct ph_err *err)
{
    if (s->started || s->stopping)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a server is started once");
    return sched_start(s, err);
}

void ph_server_stop(struct ph_server *s)
{
    sched_stop(s);
}

void ph_server_free(struct ph_server *s)
{
    if (!s)
        return;
    sched_stop(s);
    for (unsigned i = 0; i < s->n_listeners; i++)
        ph_listener_done(&s->listeners[i].l);
    while (s->dead) {
        struct session *next = s->dead->next;
        session_delete(s->dead);
        s->dead = next;
    }
    for (size_t i = 0; i < s->n_own; i++) {
        free((char *)s->own[i].name); /* ours: copied when they were added */
        free((char *)s->own[i].shape);
    }
    for (size_t i = 0; i < s->n_caps; i++)
        free(s->caps[i].atom);
    free(s->own);
    free(s->rows);
    free(s->caps);
    ph_tls_server_free(s->tls);
    ph_cancel_done(&s->cancel);
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->event >= 0)
        close(s->event);
    free(s->host);
    free(s->greeting);
    free(s->name);
    free(s->version);
    free(s->preauth_user);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->tls_lock);
    pthread_mutex_destroy(&s->users_lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->calm);
    pthread_cond_destroy(&s->users_changed);
    free(s);
}

void ph_server_count(struct ph_server *s, struct ph_server_counters *out)
{
    struct server_counters *c = &s->count;

    *out = (struct ph_server_counters){
        .connections = c->connections,
        .logged_in = (uint64_t)c->logged_in,
        .idling = (uint64_t)c->idling,
        .refused = c->refused,
        .logins = c->logins,
        .failed_logins = c->failed_logins,
        .commands = c->commands,
        .bad_commands = c->bad_commands,
        .bytes_in = c->bytes_in,
        .bytes_out = c->bytes_out,
        .appended = c->appended,
        .fetched = c->fetched,
        .timeouts = c->timeouts,
    };
    pthread_mutex_lock(&s->lock);
    out->open = s->n_sessions;
    out->workers = s->n_workers;
    out->workers_busy = s->n_workers - s->n_idle;
    pthread_mutex_unlock(&s->lock);
}

void server_log(struct ph_server *srv, struct session *s, int level, const char *fmt, ...)
{
    const struct ph_server_config *c = &srv->config;
    char line[1024];
    va_list ap;

    if (!c->calls.log)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    c->calls.log(c->ctx, level, s ? conn_of(s) : NULL, line);
}
