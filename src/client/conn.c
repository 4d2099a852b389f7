/* conn.c: one connection as a pipeline of commands: opening, failing, waiting, and its place in the loop. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/conn_private.h"

static const struct ph_frame_limits frame_limits = {
    .line = 1 << 20,
    .literal = 4 << 20,
    .streams = PH_FRAMER_STREAMS,
};

/* ---- failing ---- */

/* "Suggested Backoff Time: 299989 Milliseconds" (Exchange Online), and words for "too much" without a code. */
void conn_find_backoff(struct ph_err *err)
{
    static const char *const words[] = { "throttl", "too many simultaneous", "rate limit", "bandwidth limit",
                                         "too many commands", "try again later" };
    const char *p = strcasestr(err->text, "Backoff Time:");

    if (p) {
        unsigned long ms = strtoul(p + strlen("Backoff Time:"), NULL, 10);
        err->retry_ms = ms > 3600000 ? 3600000 : (unsigned)ms;
        err->kind = PH_E_THROTTLED;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(err->text, words[i]))
            err->kind = PH_E_THROTTLED;
    if (err->kind == PH_E_THROTTLED) {
        err->retry = PH_RETRY_LATER;
        if (err->scope < PH_SCOPE_SESSION)
            err->scope = PH_SCOPE_SESSION;
    }
}

int ph_conn_fail(struct ph_conn *c, const struct ph_err *why)
{
    if (c->broken.kind != PH_OK)
        return -1;
    c->broken = *why;
    if (c->broken.scope < PH_SCOPE_SESSION)
        c->broken.scope = PH_SCOPE_SESSION;
    if (c->bye && c->broken.kind == PH_E_CLOSED) {
        ph_err_prefix(&c->broken, "the server said goodbye (%s)", c->bye);
        conn_find_backoff(&c->broken);
    }
    for (struct ph_cmd *cmd = c->first; cmd;) {
        struct ph_cmd *next = cmd->next;
        cmd->done = true;
        cmd->queued = false;
        cmd->status = PH_ST_NONE;
        cmd->err = c->broken;
        cmd->next = NULL;
        cmd = next;
    }
    c->first = c->last = NULL;
    c->body.active = false;
    return -1;
}

void ph_conn_give_up(struct ph_conn *c, const struct ph_err *why)
{
    struct ph_err e;

    if (why && why->kind != PH_OK)
        e = *why;
    else
        ph_fail(&e, PH_SCOPE_SESSION, PH_E_CANCELLED, "given up");
    ph_conn_fail(c, &e);
}

int conn_fail_with(struct ph_conn *c, enum ph_kind kind, const char *text)
{
    struct ph_err e;

    ph_fail(&e, PH_SCOPE_SESSION, kind, "%s", text);
    e.retry = PH_RETRY_RECONNECT;
    return ph_conn_fail(c, &e);
}

int conn_broken(struct ph_conn *c, struct ph_err *err)
{
    if (err)
        *err = c->broken;
    return -1;
}

/* ---- in the loop ---- */

static bool wants_input(struct ph_conn *c)
{
    return c->want_more ? !c->body.active || ph_buf_len(&c->in) < CONN_IN_HIGH : ph_buf_len(&c->in) < CONN_IN_HIGH;
}

static short on_events(struct ph_loop_member *m, bool *at_once)
{
    struct ph_conn *c = (struct ph_conn *)m;
    short ev = 0;

    if (c->broken.kind != PH_OK)
        return 0;
    if (wants_input(c)) {
        ev |= c->stream->ops->want_read ? c->stream->ops->want_read(c->stream) : POLLIN;
        *at_once = ph_stream_pending(c->stream);
    }
    if (conn_sendable(c))
        ev |= c->stream->ops->want_write ? c->stream->ops->want_write(c->stream) : POLLOUT;
    return ev;
}

static void on_ready(struct ph_loop_member *m, short revents)
{
    struct ph_conn *c = (struct ph_conn *)m;
    struct ph_err e;

    if (c->broken.kind != PH_OK)
        return;
    if ((conn_sendable(c) && !c->full) || (revents & POLLOUT))
        ph_conn_flush(c);
    if (c->broken.kind != PH_OK || !wants_input(c))
        return;
    char *to = ph_buf_reserve(&c->in, CONN_READ_CHUNK);
    if (!to) {
        ph_fail_memory(&e);
        ph_conn_fail(c, &e);
        return;
    }
    ssize_t n = ph_stream_read(c->stream, to, CONN_READ_CHUNK, &e);
    if (n > 0) {
        ph_buf_commit(&c->in, (size_t)n);
        c->bytes_in += (uint64_t)n;
        c->last_progress = ph_now_ms();
        ph_conn_process(c);
    } else if (n == 0) {
        ph_conn_process(c);
        if (!c->body.active || !ph_buf_len(&c->in))
            conn_fail_with(c, PH_E_CLOSED, "the server closed the connection");
    } else if (n == -1) {
        ph_conn_fail(c, &e);
    }
}

/* ---- waiting ---- */

int ph_conn_turn(struct ph_conn *c, struct ph_err *err)
{
    struct ph_err e;
    unsigned ms = c->opt->timeout_ms ? c->opt->timeout_ms : 300000;

    if (c->broken.kind != PH_OK)
        return conn_broken(c, err);
    if (ph_loop_turn(c->loop, c->last_progress + ms, &e)) {
        if (e.kind == PH_E_TIMEOUT) {
            ph_fail(&e, PH_SCOPE_SESSION, PH_E_TIMEOUT, "no answer from the server for %u s", ms / 1000);
            e.retry = PH_RETRY_RECONNECT;
            ph_conn_fail(c, &e);
        }
        if (err)
            *err = e;
        return -1;
    }
    return c->broken.kind == PH_OK ? 0 : conn_broken(c, err);
}

int ph_conn_wait(struct ph_conn *c, struct ph_cmd *cmd, struct ph_err *err)
{
    c->last_progress = ph_now_ms();
    ph_conn_flush(c);
    ph_conn_process(c);
    while (!cmd->done)
        if (ph_conn_turn(c, err))
            return -1;
    if (cmd->status == PH_ST_NONE) {
        if (err)
            *err = cmd->err;
        return -1;
    }
    return 0;
}

int ph_conn_wait_ok(struct ph_conn *c, struct ph_cmd *cmd, struct ph_err *err)
{
    if (ph_conn_wait(c, cmd, err))
        return -1;
    if (cmd->status == PH_ST_OK)
        return 0;
    if (err)
        *err = cmd->err;
    return -1;
}

/* ---- life ---- */

int ph_conn_open(const struct ph_imap_options *opt, struct ph_loop *loop, struct ph_conn **out, struct ph_err *err)
{
    static _Atomic unsigned counter;
    struct ph_conn *c = calloc(1, sizeof *c);

    if (!c)
        return ph_fail_memory(err);
    c->opt = opt;
    c->loop = loop;
    c->number = ++counter;
    c->member = (struct ph_loop_member){ .fd = -1, .events = on_events, .ready = on_ready };
    ph_framer_init(&c->framer, &frame_limits);
    ph_arena_init(&c->arena, 64 << 20);
    ph_writer_init(&c->w, PH_LITERAL_SYNC);
    ph_caps_forget(&c->caps);
    if (ph_conn_login(c, err)) {
        ph_conn_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

void ph_conn_close(struct ph_conn *c)
{
    struct ph_cmd bye = { 0 };

    if (!c)
        return;
    if (c->stream && c->broken.kind == PH_OK && !c->n_stops && !c->body.active) {
        ph_conn_begin(c, &bye, NULL);
        ph_write_raw(&c->w, "LOGOUT");
        if (ph_conn_end(c, NULL) == 0)
            ph_conn_flush(c);
    }
    ph_loop_remove(c->loop, &c->member);
    ph_stream_free(c->stream);
    ph_framer_done(&c->framer);
    ph_arena_done(&c->arena);
    ph_writer_done(&c->w);
    ph_buf_done(&c->in);
    ph_buf_done(&c->out);
    ph_buf_done(&c->greeting_text);
    ph_caps_done(&c->caps);
    free(c->bye);
    free(c);
}
