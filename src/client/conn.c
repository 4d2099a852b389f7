/* conn.c: the pipeline of commands of one connection: bytes out, answers in, by tag. */
#include "client/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_HIGH (256 * 1024)  /* unread input above this waits in the kernel */
#define OUT_HIGH (256 * 1024) /* more output than this blocks ph_conn_put */
#define READ_CHUNK (128 * 1024)
#define DIRECT_WRITE (16 * 1024)
#define UNASKED_MAX 100000

static const struct ph_frame_limits frame_limits = {
    .line = 1 << 20,
    .literal = 4 << 20,
    .streams = PH_FRAMER_STREAMS,
};

/* ---- failing ---- */

/* "Suggested Backoff Time: 299989 Milliseconds" (Exchange Online), and words for "too much" without a code. */
static void find_backoff(struct ph_err *err)
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
        find_backoff(&c->broken);
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

static int fail_with(struct ph_conn *c, enum ph_kind kind, const char *text)
{
    struct ph_err e;

    ph_fail(&e, PH_SCOPE_SESSION, kind, "%s", text);
    e.retry = PH_RETRY_RECONNECT;
    return ph_conn_fail(c, &e);
}

static int broken(struct ph_conn *c, struct ph_err *err)
{
    if (err)
        *err = c->broken;
    return -1;
}

/* ---- output ---- */

static size_t sendable(struct ph_conn *c)
{
    size_t n = ph_buf_len(&c->out);

    if (c->n_stops) {
        uint64_t room = c->stops[0].at - c->out_base;
        if (room < n)
            n = (size_t)room;
    }
    return n;
}

static size_t write_some(struct ph_conn *c, const void *p, size_t n)
{
    struct ph_err e;
    ssize_t w = ph_stream_write(c->stream, p, n, &e);

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

    while (c->broken.kind == PH_OK && (n = sendable(c))) {
        w = write_some(c, ph_buf_data(&c->out), n);
        if (!w)
            break;
        ph_buf_consume(&c->out, w);
        c->out_base += w;
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

static void drop_stops_of(struct ph_conn *c, struct ph_cmd *cmd)
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
    for (unsigned i = 0; i < c->w.n_syncs; i++) {
        c->stops[c->n_stops].at = base + c->w.syncs[i];
        c->stops[c->n_stops].end = closed ? base + s.n : UINT64_MAX;
        c->stops[c->n_stops++].cmd = cmd;
    }
    if (ph_buf_add_str(&c->out, s))
        return ph_fail_memory(err);
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
        return broken(c, err);
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
        return broken(c, err);
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
        return broken(c, err);
    if (queue_written(c, cmd, false, err))
        return -1;
    cmd->out_body = c->out_base + ph_buf_len(&c->out);
    return 0;
}

int ph_conn_put(struct ph_conn *c, const void *p, size_t n, struct ph_err *err)
{
    const char *from = p;

    if (c->broken.kind != PH_OK)
        return broken(c, err);
    c->last_progress = ph_now_ms();
    if (n >= DIRECT_WRITE && !c->n_stops) {
        if (ph_buf_len(&c->out))
            ph_conn_flush(c);
        if (!ph_buf_len(&c->out) && c->broken.kind == PH_OK) {
            size_t w = write_some(c, from, n);
            from += w;
            n -= w;
            c->out_base += w;
        }
    }
    if (n && ph_buf_add(&c->out, from, n))
        return ph_fail_memory(err);
    if (ph_buf_len(&c->out) > OUT_HIGH / 4)
        ph_conn_flush(c);
    while (c->broken.kind == PH_OK && ph_buf_len(&c->out) > OUT_HIGH)
        if (ph_conn_turn(c, err))
            return -1;
    return c->broken.kind == PH_OK ? 0 : broken(c, err);
}

void ph_conn_put_done(struct ph_conn *c, struct ph_cmd *cmd)
{
    cmd->out_end = c->out_base + ph_buf_len(&c->out);
    for (unsigned i = 0; i < c->n_stops; i++)
        if (c->stops[i].cmd == cmd && c->stops[i].end == UINT64_MAX)
            c->stops[i].end = c->out_base + ph_buf_len(&c->out);
}

/* ---- input ---- */

void ph_conn_refusal(const struct ph_resp *r, struct ph_err *err)
{
    enum ph_kind kind = r->status == PH_ST_BAD ? PH_E_BAD : PH_E_REFUSED;
    enum ph_scope scope = PH_SCOPE_MESSAGE;
    enum ph_retry retry = PH_RETRY_NEVER;

    switch (r->code.id) {
    case PH_CODE_OVERQUOTA: kind = PH_E_QUOTA; scope = PH_SCOPE_FOLDER; break;
    case PH_CODE_TOOBIG: kind = PH_E_TOOBIG; break;
    case PH_CODE_TRYCREATE:
    case PH_CODE_NONEXISTENT: kind = PH_E_NOTFOUND; scope = PH_SCOPE_FOLDER; break;
    case PH_CODE_ALREADYEXISTS: kind = PH_E_EXISTS; scope = PH_SCOPE_FOLDER; break;
    case PH_CODE_NOPERM: kind = PH_E_PERMISSION; scope = PH_SCOPE_FOLDER; break;
    case PH_CODE_THROTTLED: kind = PH_E_THROTTLED; scope = PH_SCOPE_SESSION; retry = PH_RETRY_LATER; break;
    case PH_CODE_LIMIT:
    case PH_CODE_UNAVAILABLE:
    case PH_CODE_INUSE:
    case PH_CODE_SERVERBUG: scope = PH_SCOPE_FOLDER; retry = PH_RETRY_LATER; break;
    case PH_CODE_AUTHENTICATIONFAILED:
    case PH_CODE_AUTHORIZATIONFAILED:
    case PH_CODE_EXPIRED: kind = PH_E_AUTH; scope = PH_SCOPE_STORE; break;
    default: break;
    }
    ph_fail(err, scope, kind, "%s%.*s%s%.*s", r->code.atom.n ? "[" : "", PH_FMT(r->code.atom),
            r->code.atom.n ? "] " : "", PH_FMT(r->text));
    err->retry = retry;
    size_t n = r->code.atom.n < sizeof err->code - 1 ? r->code.atom.n : sizeof err->code - 1;
    for (size_t i = 0; i < n; i++)
        err->code[i] = (char)ph_upper((unsigned char)r->code.atom.p[i]);
    err->code[n] = '\0';
    if (!r->text.n && !r->code.atom.n)
        ph_fail(err, scope, kind, "refused without a reason");
    find_backoff(err);
}

static void on_tagged(struct ph_conn *c, const struct ph_resp *r)
{
    struct ph_cmd *prev = NULL, *cmd = c->first;
    uint32_t tag = 0;

    for (size_t i = 1; i < r->tag.n && r->tag.p[i] >= '0' && r->tag.p[i] <= '9'; i++)
        tag = tag * 10 + (uint32_t)(r->tag.p[i] - '0');
    for (; cmd && cmd->tag != tag; prev = cmd, cmd = cmd->next)
        ;
    if (!cmd || !r->tag.n || r->tag.p[0] != 'P') {
        fail_with(c, PH_E_PROTOCOL, "the server answered a command that was not sent");
        return;
    }
    if (prev)
        prev->next = cmd->next;
    else
        c->first = cmd->next;
    if (c->last == cmd)
        c->last = prev;
    cmd->next = NULL;
    c->unasked = 0;
    cmd->queued = false;
    cmd->status = r->status;
    cmd->code = r->code.id;
    if (r->status != PH_ST_OK)
        ph_conn_refusal(r, &cmd->err);
    drop_stops_of(c, cmd);
    if (r->status == PH_ST_BAD)
        c->bads++;
    bool confused = r->status == PH_ST_BAD && cmd->has_nonsync_literal;
    cmd->done = true;
    if (cmd->ops && cmd->ops->tagged)
        cmd->ops->tagged(cmd, c, r);
    if (confused) {
        struct ph_err e = cmd->err; /* cmd may be gone by its owner's hand only after this turn */
        ph_err_prefix(&e, "the server did not understand a command with a literal; where its next command begins "
                          "is not certain, so the connection is given up");
        e.kind = PH_E_PROTOCOL;
        e.retry = PH_RETRY_RECONNECT;
        ph_conn_fail(c, &e);
    }
}

static void on_continue(struct ph_conn *c, const struct ph_resp *r)
{
    if (c->n_stops && c->out_base == c->stops[0].at) {
        memmove(&c->stops[0], &c->stops[1], (c->n_stops - 1) * sizeof *c->stops);
        c->n_stops--;
        ph_conn_flush(c);
        return;
    }
    for (struct ph_cmd *cmd = c->first; cmd; cmd = cmd->next)
        if (cmd->ops && cmd->ops->go_on) {
            cmd->ops->go_on(cmd, c, r);
            return;
        }
}

static bool about_selected(const struct ph_resp *r)
{
    switch (r->kind) {
    case PH_RESP_EXISTS:
    case PH_RESP_RECENT:
    case PH_RESP_EXPUNGE:
    case PH_RESP_VANISHED:
    case PH_RESP_FETCH:
    case PH_RESP_FLAGS:
        return true;
    default:
        return false;
    }
}

static void on_untagged(struct ph_conn *c, const struct ph_resp *r)
{
    bool selected = about_selected(r);

    if (r->kind == PH_RESP_STATUS && r->status == PH_ST_BYE && !c->bye)
        c->bye = ph_str_dup(r->text);
    if (r->kind == PH_RESP_CAPABILITY)
        ph_caps_set(&c->caps, &r->words, c->opt->without);
    if (r->kind == PH_RESP_STATUS && r->code.id == PH_CODE_ALERT && c->on_alert)
        c->on_alert(c, r->text);
    if (r->kind == PH_RESP_ENABLED)
        for (size_t i = 0; i < r->words.n; i++) {
            c->enabled_qresync |= ph_str_caseis(r->words.w[i], "QRESYNC");
            c->enabled_condstore |= ph_str_caseis(r->words.w[i], "CONDSTORE");
        }
    for (struct ph_cmd *cmd = c->first; cmd; cmd = cmd->next) {
        if (selected && !cmd->selected_state)
            continue;
        if (cmd->ops && cmd->ops->untagged && cmd->ops->untagged(cmd, c, r))
            return;
        /* what a mailbox says of itself belongs to the oldest command on a mailbox, wanted or not */
        if (selected && r->kind != PH_RESP_FETCH)
            break;
    }
    if (++c->unasked > UNASKED_MAX)
        fail_with(c, PH_E_LIMIT, "the server sends data without end that nobody asked for");
}

static void dispatch(struct ph_conn *c, const struct ph_resp *r)
{
    if (r->kind == PH_RESP_STATUS && r->code.id == PH_CODE_CAPABILITY)
        ph_caps_set(&c->caps, &r->code.words, c->opt->without);
    if (r->kind == PH_RESP_CONTINUE)
        on_continue(c, r);
    else if (r->kind == PH_RESP_STATUS && r->tag.p)
        on_tagged(c, r);
    else if (r->kind == PH_RESP_UNKNOWN && r->tag.p)
        fail_with(c, PH_E_PROTOCOL, "the server sent something that is not IMAP");
    else
        on_untagged(c, r);
}

static void on_frame(struct ph_conn *c)
{
    struct ph_resp r;
    struct ph_err e;

    if (c->opt->trace) {
        struct ph_str f = c->framer.frame;
        if (c->secret_input && f.n && f.p[0] == '+')
            f = PH_STR("+ <challenge>");
        ph_conn_trace(c, false, f.p, f.n < 2000 ? f.n : 2000);
    }
    if (ph_resp_parse(&c->framer, NULL, &c->arena, &r, &e)) {
        ph_conn_fail(c, &e);
        return;
    }
    dispatch(c, &r);
    ph_resp_done(&r);
    ph_framer_release(&c->framer, &c->in);
    ph_arena_reset(&c->arena);
}

/* A literal begins: a whole message goes past the frame to whoever asked for it, everything else is collected. */
static void on_literal(struct ph_conn *c)
{
    struct ph_err e;
    uint32_t seq = 0, uid = 0;
    bool whole = false;

    if (!ph_resp_body_literal(c->framer.head, &seq, &uid, &whole) || !whole) {
        if (ph_framer_collect(&c->framer, &e))
            ph_conn_fail(c, &e);
        return;
    }
    struct ph_cmd *owner = c->first;
    uint64_t size = c->framer.literal_size;
    while (owner && !(owner->ops && owner->ops->body && owner->ops->body(owner, c, seq, uid, size)))
        owner = owner->next;
    if (ph_framer_stream(&c->framer, &c->in, &e)) {
        ph_conn_fail(c, &e);
        return;
    }
    c->body = (struct ph_conn_body){ .active = true, .owner = owner, .seq = seq, .uid = uid, .size = size,
                                     .left = size };
}

void ph_conn_process(struct ph_conn *c)
{
    struct ph_err e;

    if (c->processing)
        return;
    c->processing = true;
    for (;;) {
        if (c->body.active && !c->body.owner && c->broken.kind == PH_OK) {
            struct ph_str s = ph_conn_body_peek(c);
            ph_conn_body_take(c, s.n);
        }
        if (c->hold)
            c->want_more = false;
        if (c->broken.kind != PH_OK || c->body.active || c->hold || (c->stop_reading && !c->first))
            break;
        enum ph_frame_event ev = ph_framer_next(&c->framer, &c->in, &e);
        c->want_more = ev == PH_FRAME_MORE;
        if (ev == PH_FRAME_MORE)
            break;
        if (ev == PH_FRAME_DONE)
            on_frame(c);
        else if (ev == PH_FRAME_LITERAL)
            on_literal(c);
        else if (ev == PH_FRAME_ERROR)
            ph_conn_fail(c, &e);
        else if (c->framer.literal_left == 0)
            ph_framer_streamed(&c->framer, &c->in, 0);
    }
    c->processing = false;
}

struct ph_str ph_conn_body_peek(struct ph_conn *c)
{
    struct ph_str s = ph_buf_str(&c->in);

    if (!c->body.active)
        return (struct ph_str){ "", 0 };
    if (s.n > c->body.left)
        s.n = (size_t)c->body.left;
    return s;
}

void ph_conn_body_take(struct ph_conn *c, size_t n)
{
    if (n)
        ph_framer_streamed(&c->framer, &c->in, n);
    c->body.left -= n;
    if (c->body.left == 0)
        c->body.active = false;
}

static bool wants_input(struct ph_conn *c)
{
    return c->want_more ? !c->body.active || ph_buf_len(&c->in) < IN_HIGH : ph_buf_len(&c->in) < IN_HIGH;
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
    if (sendable(c))
        ev |= c->stream->ops->want_write ? c->stream->ops->want_write(c->stream) : POLLOUT;
    return ev;
}

static void on_ready(struct ph_loop_member *m, short revents)
{
    struct ph_conn *c = (struct ph_conn *)m;
    struct ph_err e;

    if (c->broken.kind != PH_OK)
        return;
    if (sendable(c) || (revents & POLLOUT))
        ph_conn_flush(c);
    if (c->broken.kind != PH_OK || !wants_input(c))
        return;
    char *to = ph_buf_reserve(&c->in, READ_CHUNK);
    if (!to) {
        ph_fail_memory(&e);
        ph_conn_fail(c, &e);
        return;
    }
    ssize_t n = ph_stream_read(c->stream, to, READ_CHUNK, &e);
    if (n > 0) {
        ph_buf_commit(&c->in, (size_t)n);
        c->bytes_in += (uint64_t)n;
        c->last_progress = ph_now_ms();
        ph_conn_process(c);
    } else if (n == 0) {
        ph_conn_process(c);
        if (!c->body.active || !ph_buf_len(&c->in))
            fail_with(c, PH_E_CLOSED, "the server closed the connection");
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
        return broken(c, err);
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
    return c->broken.kind == PH_OK ? 0 : broken(c, err);
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
