/* conn_out.c: what goes out on a connection: commands one behind the other, literals that wait for their `+`, octets put. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/conn_private.h"

#define OUT_HIGH (256 * 1024) /* more output than this blocks ph_conn_put */
#define DIRECT_WRITE (16 * 1024)

size_t conn_sendable(struct ph_conn *c)
{
    size_t n = ph_buf_len(&c->out);

    if (c->n_stops) {
        uint64_t room = c->stops[0].at - c->out_base;
        if (room < n)
            n = (size_t)room;
    }
    return n;
}

/* p, and where the stream can, q in the same call. */
static size_t write_some(struct ph_conn *c, const void *p, size_t n, const void *q, size_t m)
{
    bool both = c->stream->ops->write2;
    struct ph_err e;
    ssize_t w = both ? c->stream->ops->write2(c->stream, p, n, q, m, &e) : ph_stream_write(c->stream, p, n, &e);

    c->full = both && w != -1 && (w < 0 || (size_t)w < n + m);
    if (w == -1)
        ph_conn_fail(c, &e);
    if (w <= 0)
        return 0;
    c->bytes_out += (uint64_t)w;
    c->last_progress = ph_now_ms();
    return (size_t)w;
}

void ph_conn_flush(struct ph_conn *c)
{
    size_t n, w;
    struct ph_err e;

    while (c->broken.kind == PH_OK && (n = conn_sendable(c))) {
        w = write_some(c, ph_buf_data(&c->out), n, NULL, 0);
        if (!w)
            break;
        ph_buf_consume(&c->out, w);
        c->out_base += w;
        if (c->full)
            break;
    }
    if (c->broken.kind == PH_OK && ph_stream_flush(c->stream, &e) == -1)
        ph_conn_fail(c, &e);
}

/* Octets [from, to) of the output stream will never be sent: their literal was refused. */
static void cut_out(struct ph_conn *c, uint64_t from, uint64_t to)
{
    uint64_t top = c->out_base + ph_buf_len(&c->out);

    if (to > top)
        to = top;
    if (from >= to)
        return;
    char *base = ph_buf_data(&c->out);
    memmove(base + (from - c->out_base), base + (to - c->out_base), (size_t)(top - to));
    c->out.tail -= (size_t)(to - from);
    for (struct ph_cmd *cmd = c->first; cmd; cmd = cmd->next) {
        cmd->out_body -= cmd->out_body >= to ? to - from : 0;
        cmd->out_end -= cmd->out_end >= to ? to - from : 0;
    }
    for (unsigned i = 0; i < c->n_stops; i++)
        if (c->stops[i].at >= to) {
            c->stops[i].at -= to - from;
            if (c->stops[i].end != UINT64_MAX)
                c->stops[i].end -= to - from;
        }
}

void conn_drop_stops(struct ph_conn *c, struct ph_cmd *cmd)
{
    uint64_t from = UINT64_MAX, to = 0;

    for (unsigned i = 0; i < c->n_stops;) {
        if (c->stops[i].cmd != cmd) {
            i++;
            continue;
        }
        if (c->stops[i].at < from)
            from = c->stops[i].at;
        if (c->stops[i].end > to)
            to = c->stops[i].end;
        memmove(&c->stops[i], &c->stops[i + 1], (c->n_stops - i - 1) * sizeof *c->stops);
        c->n_stops--;
    }
    cut_out(c, from, to); /* once: several literals of a command end at the same octet */
}

void ph_conn_trace(struct ph_conn *c, bool sent, const char *line, size_t n)
{
    if (c->opt->trace && c->opt->on_trace)
        c->opt->on_trace(c->opt->ctx, c->number, sent, line, n);
}

/* Of a command with a secret in it only the tag and the command word are shown. */
static void trace_command(struct ph_conn *c, struct ph_str s)
{
    char masked[64];

    if (!c->opt->trace)
        return;
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    if (c->secret_input) {
        const char *blank = memchr(s.p, ' ', s.n);
        size_t n = blank ? (size_t)(blank - s.p) + 1 : 0;
        while (blank && n < s.n && s.p[n] != ' ')
            n++;
        if (n > 40)
            n = 40;
        int len = snprintf(masked, sizeof masked, "%.*s <secret>", (int)n, s.p);
        ph_conn_trace(c, true, masked, (size_t)len);
    } else {
        ph_conn_trace(c, true, s.p, s.n);
    }
}

struct ph_writer *ph_conn_begin(struct ph_conn *c, struct ph_cmd *cmd, const struct ph_cmd_ops *ops)
{
    bool selected = cmd->selected_state, nonsync = cmd->has_nonsync_literal;

    *cmd = (struct ph_cmd){ .ops = ops, .tag = ++c->next_tag, .selected_state = selected,
                            .has_nonsync_literal = nonsync };
    c->building = cmd;
    ph_writer_clear(&c->w);
    ph_write_char(&c->w, 'P');
    ph_write_u64(&c->w, cmd->tag);
    ph_write_char(&c->w, ' ');
    return &c->w;
}

static int queue_written(struct ph_conn *c, struct ph_cmd *cmd, bool closed, struct ph_err *err)
{
    struct ph_str s = ph_buf_str(&c->w.out);

    if (c->w.failed || c->w.out.failed)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "a value cannot be sent in an IMAP command");
    if (c->n_stops + c->w.n_syncs > PH_CONN_STOPS)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "too many literals wait for the server");
    trace_command(c, s);
    uint64_t base = c->out_base + ph_buf_len(&c->out);
    if (ph_buf_add_str(&c->out, s))
        return ph_fail_memory(err);
    for (unsigned i = 0; i < c->w.n_syncs; i++) {
        c->stops[c->n_stops].at = base + c->w.syncs[i];
        c->stops[c->n_stops].end = closed ? base + s.n : UINT64_MAX;
        c->stops[c->n_stops++].cmd = cmd;
    }
    ph_writer_clear(&c->w);
    return 0;
}

static void enlist(struct ph_conn *c, struct ph_cmd *cmd)
{
    if (c->last)
        c->last->next = cmd;
    else
        c->first = cmd;
    c->last = cmd;
    cmd->queued = true;
    if (!cmd->next)
        c->last_progress = ph_now_ms();
}

int ph_conn_end(struct ph_conn *c, struct ph_err *err)
{
    struct ph_cmd *cmd = c->building;

    c->building = NULL;
    if (c->broken.kind != PH_OK) {
        cmd->done = true;
        cmd->err = c->broken;
        return conn_broken(c, err);
    }
    ph_write_crlf(&c->w);
    if (queue_written(c, cmd, true, err))
        return -1;
    enlist(c, cmd);
    return 0;
}

int ph_conn_end_open(struct ph_conn *c, struct ph_err *err)
{
    struct ph_cmd *cmd = c->building;

    c->building = NULL;
    if (c->broken.kind != PH_OK) {
        cmd->done = true;
        cmd->err = c->broken;
        return conn_broken(c, err);
    }
    if (queue_written(c, cmd, false, err))
        return -1;
    cmd->out_body = c->out_base + ph_buf_len(&c->out);
    enlist(c, cmd);
    return 0;
}

struct ph_writer *ph_conn_more(struct ph_conn *c)
{
    ph_writer_clear(&c->w);
    return &c->w;
}

int ph_conn_more_end(struct ph_conn *c, struct ph_cmd *cmd, struct ph_err *err)
{
    if (c->broken.kind != PH_OK)
        return conn_broken(c, err);
    if (queue_written(c, cmd, false, err))
        return -1;
    cmd->out_body = c->out_base + ph_buf_len(&c->out);
    return 0;
}

/* A large piece goes to the socket from where it lies, behind what waits in the buffer; how much of it went. */
static size_t write_behind(struct ph_conn *c, const char *p, size_t n)
{
    size_t waiting = ph_buf_len(&c->out), w;

    if (waiting && !c->stream->ops->write2) {
        ph_conn_flush(c);
        waiting = ph_buf_len(&c->out);
        if (waiting)
            return 0;
    }
    if (c->broken.kind != PH_OK)
        return 0;
    w = waiting ? write_some(c, ph_buf_data(&c->out), waiting, p, n) : write_some(c, p, n, NULL, 0);
    c->out_base += w;
    ph_buf_consume(&c->out, w < waiting ? w : waiting);
    return w < waiting ? 0 : w - waiting;
}

int ph_conn_put(struct ph_conn *c, const void *p, size_t n, struct ph_err *err)
{
    const char *from = p;

    if (c->broken.kind != PH_OK)
        return conn_broken(c, err);
    c->last_progress = ph_now_ms();
    if (n >= DIRECT_WRITE && !c->n_stops && !c->full) {
        size_t direct = write_behind(c, from, n);
        from += direct;
        n -= direct;
    }
    if (n && ph_buf_add(&c->out, from, n))
        return ph_fail_memory(err);
    if (ph_buf_len(&c->out) > OUT_HIGH / 4 && !c->full)
        ph_conn_flush(c);
    while (c->broken.kind == PH_OK && ph_buf_len(&c->out) > OUT_HIGH)
        if (ph_conn_turn(c, err))
            return -1;
    return c->broken.kind == PH_OK ? 0 : conn_broken(c, err);
}

void ph_conn_put_done(struct ph_conn *c, struct ph_cmd *cmd)
{
    cmd->out_end = c->out_base + ph_buf_len(&c->out);
    for (unsigned i = 0; i < c->n_stops; i++)
        if (c->stops[i].cmd == cmd && c->stops[i].end == UINT64_MAX)
            c->stops[i].end = c->out_base + ph_buf_len(&c->out);
}
