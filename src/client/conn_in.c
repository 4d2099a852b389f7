/* conn_in.c: what comes in on a connection: answers to their command by tag, the rest to who asked for it, a message's literal past the
 * frame. */
#include <stdlib.h>
#include <string.h>

#include "client/conn_private.h"

#define UNASKED_MAX 100000

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
    conn_find_backoff(err);
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
        conn_fail_with(c, PH_E_PROTOCOL, "the server answered a command that was not sent");
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
    conn_drop_stops(c, cmd);
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
        conn_fail_with(c, PH_E_LIMIT, "the server sends data without end that nobody asked for");
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
        conn_fail_with(c, PH_E_PROTOCOL, "the server sent something that is not IMAP");
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
