/* session.c: a connection from its first step to its end. session_step moves it as far as it goes without waiting for the
 * client, and says what it waits for then. It is parked only when what was read holds no whole command and no layer of the
 * stream holds octets that poll cannot see.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <syslog.h>

#include "server/append.h"
#include "server/notify.h"
#include "server/private.h"
#include "server/sync.h"
#include "server/user.h"
#include "wire/respond.h"

#define TURN 64             /* commands, or reads, until others have their turn */
#define READ_SIZE 16384
#define GOODBYE_MS 10000    /* for the client to take the last octets */


struct session *session_new(struct ph_server *srv, struct ph_stream *stream, const char *peer, unsigned flags,
                            const char *preauth, struct ph_err *err)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s) {
        ph_stream_free(stream);
        ph_fail_memory(err);
        return NULL;
    }
    s->server = srv;
    s->stream = stream;
    s->fd = stream->fd;
    s->local = flags & SESSION_LOCAL;
    memcpy(s->peer, peer, strnlen(peer, sizeof s->peer - 1));
    s->state = PH_ST_CONNECTION_CLOSED; /* until its first step */
    s->began = s->active = ph_now_ms();
    s->wake_at = PH_NEVER;
    ph_writer_init(&s->w, PH_LITERAL_ANSWER);
    session_reset_framer(s);
    ph_arena_init(&s->arena, srv->config.limits.memory);
    if (flags & PH_LISTEN_PREAUTH)
        preauth = srv->preauth_user;
    if (preauth && !(s->preauth = ph_str_dup(ph_str(preauth)))) {
        session_end(s);
        session_delete(s);
        ph_fail_memory(err);
        return NULL;
    }
    if ((flags & PH_LISTEN_TLS) && session_start_tls(s, err)) {
        session_end(s);
        session_delete(s);
        return NULL;
    }
    return s;
}

void session_reset_literals(struct session *s)
{
    size_t most = s->server->config.limits.literal;

    s->framer.limits.literal = s->user || most < SERVER_LOGIN_LITERAL ? most : SERVER_LOGIN_LITERAL;
}

void session_reset_framer(struct session *s)
{
    struct ph_frame_limits f = { s->server->config.limits.line, 0, SERVER_STREAMS };

    ph_framer_done(&s->framer);
    ph_framer_init(&s->framer, &f);
    s->framer.commands = true;
    session_reset_literals(s);
}

void session_set_state(struct session *s, enum ph_server_state to)
{
    const struct ph_server_config *c = &s->server->config;
    enum ph_server_state from = s->state;

    if (from == to)
        return;
    s->state = to;
    s->n_selects += to == PH_ST_SELECTED;
    if (c->calls.state)
        c->calls.state(c->ctx, conn_of(s), from, to);
}

void session_command_done(struct session *s)
{
    if (!s->held) { /* else the store's session has them */
        if (s->store)
            user_session_put(s->user, s->store, s->store_failed);
        s->store = NULL;
        s->store_failed = false;
    }
    s->tag = PH_STR_NIL;
    ph_arena_reset(&s->arena);
}

void session_logout_user(struct session *s)
{
    append_abort(s);
    append_settle(s); /* what is whole is in, though nobody may hear of it */
    auth_free(s);
    idle_end(s);
    notify_free(s);
    session_deselect(s);
    session_command_done(s);
    ph_numset_clear(&s->saved);
    if (s->user) {
        atomic_fetch_sub(&s->server->count.logged_in, 1);
        user_put(s->user);
    }
    s->user = NULL;
    s->enabled = 0;
    s->w.utf8 = false;
}

void session_end(struct session *s)
{
    char user[128];
    size_t n = s->user ? strnlen(s->user->name, sizeof user - 1) : 0;

    if (n)
        memcpy(user, s->user->name, n);
    user[n] = '\0';
    session_logout_user(s);
    if (s->state == PH_ST_AUTHENTICATED || s->state == PH_ST_SELECTED || s->state == PH_ST_NOT_AUTHENTICATED)
        session_set_state(s, PH_ST_LOGOUT);
    ph_stream_free(s->stream);
    s->stream = NULL;
    if (s->id) {
        server_log(s->server, s, LOG_INFO,
                   "%s%s: %s; %llu commands, %llu mailboxes, %llu octets in, %llu out, %lld s", n ? "user " : "not logged in",
                   user, s->reason ? s->reason : "the client closed the connection", (unsigned long long)s->n_commands,
                   (unsigned long long)s->n_selects, (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out,
                   (long long)(ph_now_ms() - s->began) / 1000);
        session_set_state(s, PH_ST_CONNECTION_CLOSED);
    }
    ph_buf_done(&s->in);
    ph_buf_done(&s->late);
    ph_framer_done(&s->framer);
    ph_writer_done(&s->w);
    ph_arena_done(&s->arena);
    ph_numset_done(&s->saved);
    free(s->preauth);
    s->preauth = NULL;
    free(s->bad_url);
    s->bad_url = NULL;
}

void session_delete(struct session *s)
{
    free(s);
}

/* ---- the greeting ---- */

static void greet(struct session *s)
{
    struct ph_err err = { 0 };
    bool preauth = s->preauth;

    session_set_state(s, PH_ST_SERVER_GREETING);
    if (preauth && session_login(s, s->preauth, true, &err)) {
        session_bye(s, "UNAVAILABLE", "The mailboxes cannot be opened now");
        server_log(s->server, s, LOG_ERR, "%s: %s", s->preauth, err.text);
        return;
    }
    ph_write_status_begin(&s->w, PH_STR_NIL, preauth ? PH_ST_PREAUTH : PH_ST_OK);
    ph_write_raw(&s->w, "[CAPABILITY ");
    write_capabilities(s);
    ph_write_raw(&s->w, "] ");
    ph_write_status_end(&s->w, ph_str(s->server->greeting));
}

/* ---- time ---- */

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t time_limit(const struct session *s)
{
    const struct ph_server_limits *l = &s->server->config.limits;

    if (s->closing)
        return s->active + GOODBYE_MS;
    if (!s->user)
        return s->began + (int64_t)l->login_seconds * 1000;
    return s->active + (int64_t)l->idle_seconds * 1000;
}

static void when_to_wake(struct session *s)
{
    int64_t at = time_limit(s);

    if (s->held_until)
        at = earliest(at, s->held_until);
    if (s->mode == MODE_IDLE && s->view && !s->user->watched)
        at = earliest(at, ph_deadline_in(SERVER_LOOK_MS));
    s->wake_at = at;
}

/* true: the time is over, and it is said */
static bool out_of_time(struct session *s)
{
    if (ph_now_ms() < time_limit(s))
        return false;
    if (s->closing) {
        s->broken = true;
        return true;
    }
    atomic_fetch_add(&s->server->count.timeouts, 1);
    s->reason = s->user ? "no command for too long" : "no login for too long";
    session_bye(s, s->user ? NULL : "UNAVAILABLE", s->user ? "Autologout: no command for too long" : "No login in time");
    return true;
}

/* ---- a step ---- */

/* In the middle of a command: a client that sends in small writes waits for our acknowledgement before the rest (Nagle), which the
 * kernel would hold back for 40 ms because we have nothing to say. */
static void acknowledge(struct session *s)
{
    int on = 1;

    if (s->fd >= 0 && !s->local && (s->mode == MODE_APPEND || ph_buf_len(&s->in)))
        setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static enum step park(struct session *s, short wants)
{
    s->wants = wants;
    acknowledge(s);
    when_to_wake(s);
    ph_buf_shrink(&s->in, 0);
    ph_buf_shrink(&s->w.out, 0);
    if (s->mode == MODE_COMMAND || s->mode == MODE_IDLE) {
        ph_arena_done(&s->arena);
        s->tag = PH_STR_NIL; /* it was in there */
        if (!ph_buf_len(&s->in) && !s->framer.n_streamed)
            session_reset_framer(s);
    }
    return STEP_PARK;
}

static short want_out(struct session *s)
{
    return s->stream->ops->want_write(s->stream);
}

static enum step fail(struct session *s, const char *reason)
{
    if (!s->reason)
        s->reason = reason;
    return STEP_CLOSE;
}

/* What has to happen once everything is out. 0 go on, -1 with the reason. */
static int after_answer(struct session *s)
{
    struct ph_err err = { 0 };

    if (s->state == PH_ST_SERVER_GREETING)
        session_set_state(s, s->user ? PH_ST_AUTHENTICATED : PH_ST_NOT_AUTHENTICATED);
    if (s->tls_wanted) {
        s->tls_wanted = false;
        if (ph_buf_len(&s->in)) { /* plain text that came behind STARTTLS must never count as sent inside TLS */
            s->reason = "octets behind STARTTLS";
            return -1;
        }
        session_reset_framer(s);
        if (session_start_tls(s, &err)) {
            s->reason = "TLS cannot be started";
            return -1;
        }
    }
    if (s->deflate_wanted) {
        s->deflate_wanted = false;
        if (ph_buf_len(&s->in)) { /* RFC 4978 3: none may come before the OK was seen, and from the OK on all is compressed */
            s->reason = "octets behind COMPRESS";
            return -1;
        }
        if (session_start_deflate(s, &err)) {
            s->reason = "out of memory";
            return -1;
        }
    }
    return 0;
}

static bool must_be_out(const struct session *s)
{
    return s->closing || s->tls_wanted || s->deflate_wanted || s->state == PH_ST_SERVER_GREETING ||
           session_unsent(s) > PH_SERVER_QUEUE;
}

/* Read once: 1 something came, 0 nothing now, -1 the end. */
static int read_some(struct session *s)
{
    struct ph_err err = { 0 };
    char *to = ph_buf_reserve(&s->in, READ_SIZE);

    if (!to) {
        s->reason = "out of memory";
        return -1;
    }
    ssize_t n = ph_stream_read(s->stream, to, READ_SIZE, &err);
    if (n > 0) {
        ph_buf_commit(&s->in, (size_t)n);
        s->bytes_in += (uint64_t)n;
        atomic_fetch_add_explicit(&s->server->count.bytes_in, (uint64_t)n, memory_order_relaxed);
        return 1;
    }
    if (n == PH_AGAIN)
        return 0;
    s->eof = true;
    if (n == 0)
        return -1;
    s->broken = true;
    if (err.kind == PH_E_TLS) {
        server_log(s->server, s, LOG_NOTICE, "TLS: %s", err.text);
        s->reason = "TLS failed";
    } else if (!s->reason) {
        s->reason = err.kind == PH_E_PROTOCOL ? "damaged compressed data" : "the connection broke";
    }
    return -1;
}

/* Is it held back? Else the delayed answer to a failed login goes out, if there is one. */
static bool is_held(struct session *s)
{
    if (!s->held_until)
        return false;
    if (ph_now_ms() < s->held_until && !s->stopping)
        return true;
    s->held_until = 0;
    if (!ph_buf_len(&s->late))
        return false;
    ph_write_bytes(&s->w, ph_buf_str(&s->late));
    ph_buf_done(&s->late);
    if (s->failed_logins >= s->server->config.limits.failed_logins) {
        s->reason = "too many failed logins";
        session_bye(s, NULL, "Too many failed logins");
    }
    return false;
}

static void settle(struct session *s)
{
    if (!s->held)
        return;
    append_settle(s);
    if (s->mode == MODE_COMMAND || s->mode == MODE_IDLE)
        session_command_done(s);
}

static enum step no_more_input(struct session *s, bool *again)
{
    int rc;

    *again = false;
    if (s->stopping && !s->closing) {
        settle(s);
        s->reason = "the server is shut down";
        session_bye(s, "UNAVAILABLE", "The server is shutting down");
        *again = true;
        return STEP_PARK;
    }
    rc = read_some(s);
    if (rc > 0) {
        *again = true;
        return STEP_PARK;
    }
    settle(s);
    if (rc < 0) {
        s->closing = true;
        s->active = ph_now_ms();
        *again = !s->broken; /* a client may have closed its half only: it gets what it asked for */
        return STEP_CLOSE;
    }
    if (session_flush(s) < 0)
        return fail(s, "the connection broke");
    if (s->state == PH_ST_CONNECTION_ESTABLISHED && s->tls && ph_tls_established(s->stream)) {
        greet(s);
        *again = true;
        return STEP_PARK;
    }
    if (s->notify && !session_unsent(s) && notify_update(s)) { /* what it has not taken yet comes first */
        *again = true;
        return STEP_PARK;
    }
    if (ph_stream_pending(s->stream))
        return STEP_YIELD;
    short wants = s->stream->ops->want_read(s->stream);
    return park(s, (short)(session_unsent(s) || s->flush_pending ? wants | want_out(s) : wants));
}

enum step session_step(struct session *s)
{
    if (s->server->killing)
        return fail(s, "the server was shut down");
    if (s->broken)
        return fail(s, "the connection broke");
    if (!out_of_time(s) && !s->closing && is_held(s)) {
        if (s->hung_up)
            return fail(s, NULL);
        return park(s, 0);
    }
    auth_resume(s);
    if (s->state == PH_ST_CONNECTION_CLOSED)
        session_set_state(s, PH_ST_CONNECTION_ESTABLISHED);
    if (s->state == PH_ST_CONNECTION_ESTABLISHED && !s->tls)
        greet(s);
    if (s->mode == MODE_IDLE && !s->closing)
        idle_update(s);
    for (int turn = 0; turn < TURN;) {
        bool again;
        if (s->broken)
            return fail(s, "the connection broke");
        if (must_be_out(s)) {
            int rc = session_flush(s);
            if (rc < 0)
                return fail(s, "the connection broke");
            if (rc > 0 && must_be_out(s))
                return park(s, want_out(s));
            if (rc == 0 && s->closing)
                return fail(s, NULL);
            if (rc == 0 && after_answer(s))
                return STEP_CLOSE;
        }
        if (s->held_until)
            break;
        enum input in = s->state == PH_ST_CONNECTION_ESTABLISHED ? INPUT_MORE : session_input(s);
        turn++;
        if (in != INPUT_MORE)
            continue;
        enum step step = no_more_input(s, &again);
        if (!again)
            return step;
    }
    settle(s);
    return session_flush(s) < 0 ? fail(s, "the connection broke") : STEP_YIELD;
}
