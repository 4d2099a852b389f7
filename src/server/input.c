/* input.c: from octets to commands: lines of SASL and IDLE, literals that are asked for, refused or thrown away, the octets of
 * an APPEND. Nothing that belongs to a refused command is ever run as a command.
 */
#include "base/secret.h"
#include "server/append.h"
#include "server/private.h"
#include "wire/respond.h"

static enum input over(struct session *s, const char *code, const char *text)
{
    session_bye(s, code, text);
    return INPUT_DONE; /* the step sees that it is closing */
}

/* A line of its own: SASL's responses may be empty, which the framer would take for nothing. */
static enum input take_line(struct session *s)
{
    struct ph_str in = ph_buf_str(&s->in);
    const char *lf = in.n ? memchr(in.p, '\n', in.n) : NULL;

    if ((lf ? (size_t)(lf - in.p) : in.n) > s->server->config.limits.line)
        return over(s, NULL, "The line is too long");
    if (!lf)
        return INPUT_MORE;
    struct ph_str line = { in.p, (size_t)(lf - in.p) };
    size_t used = line.n + 1;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (s->mode == MODE_AUTH) {
        auth_line(s, line);
        ph_wipe(ph_buf_data(&s->in), used);
    } else {
        s->active = ph_now_ms();
        idle_line(s, line);
    }
    ph_buf_consume(&s->in, used);
    return INPUT_DONE;
}

/* ---- the tag of the command in hand ---- */

static int keep_tag(struct session *s, const struct ph_command *c)
{
    s->tag = PH_STR_NIL;
    if (!c->tag.p)
        return 0;
    const char *z = ph_arena_strdup(&s->arena, c->tag);
    if (!z)
        return -1;
    s->tag = (struct ph_str){ z, c->tag.n };
    return 0;
}

/* ---- refused commands ---- */

static void answer_refusal(struct session *s)
{
    struct ph_command c = { .tag = s->tag };

    if (s->refusal.kind == PH_E_BAD || s->refusal.kind == PH_E_PROTOCOL)
        session_refuse_bad(s, &c, &s->refusal);
    else
        session_fail(s, &c, &s->refusal);
}

static void command_over(struct session *s)
{
    s->mode = MODE_COMMAND;
    s->sunk = 0;
    ph_err_clear(&s->refusal);
    session_command_done(s);
}

/* At a literal of a command that is refused: a client that waits for us takes the answer instead; the octets of one that does
 * not are read and thrown away. */
static enum input sink_literal(struct session *s)
{
    struct ph_err err;
    uint64_t most = s->user ? SERVER_SINK_MAX : SERVER_LOGIN_LITERAL;

    if (s->framer.literal_sync) {
        ph_framer_stream(&s->framer, &s->in, &err); /* takes the line out of the buffer */
        session_reset_framer(s);
        answer_refusal(s);
        command_over(s);
        return INPUT_DONE;
    }
    s->mode = MODE_SINK;
    if (s->framer.literal_size > most || (s->sunk += s->framer.literal_size) > most ||
        ph_framer_stream(&s->framer, &s->in, &err)) {
        answer_refusal(s);
        return over(s, "TOOBIG", "The literal is too large to be skipped");
    }
    return INPUT_DONE;
}

static enum input refuse(struct session *s, const struct ph_err *err)
{
    append_abort(s);
    s->refusal = *err;
    return sink_literal(s);
}

/* ---- literals ---- */

static void go_ahead(struct session *s)
{
    if (s->framer.literal_sync)
        ph_write_raw(&s->w, "+ OK\r\n");
}

static enum input collect(struct session *s)
{
    struct ph_framer *f = &s->framer;
    struct ph_err err;

    if (f->literal_total > f->limits.literal || f->literal_size > f->limits.literal - f->literal_total) {
        ph_fail(&err, PH_SCOPE_NONE, PH_E_TOOBIG, "Literals of a command may have %zu octets", f->limits.literal);
        return refuse(s, &err);
    }
    if (ph_framer_collect(f, &err))
        return over(s, NULL, err.text);
    go_ahead(s);
    return INPUT_DONE;
}

static enum input take_message(struct session *s)
{
    struct ph_err err;

    s->mode = MODE_APPEND;
    go_ahead(s);
    if (ph_framer_stream(&s->framer, &s->in, &err))
        return over(s, NULL, err.text);
    return INPUT_DONE;
}

static enum input next_message(struct session *s)
{
    struct ph_args_limits limits = session_args_limits(s);
    struct ph_append_head h;
    struct ph_err err = { 0 };

    if (ph_append_next_head(&s->framer, &limits, &s->arena, s->place, &h, &err)) {
        if (err.kind == PH_E_PROTOCOL)
            err.kind = PH_E_BAD;
        return refuse(s, &err);
    }
    if (!h.place.content)
        return collect(s);
    s->place = h.place;
    return append_next(s, &h, &err) ? refuse(s, &err) : take_message(s);
}

static enum input at_literal(struct session *s)
{
    struct ph_args_limits limits = session_args_limits(s);
    struct ph_command c;
    struct ph_err err = { 0 };

    if (s->mode == MODE_SINK)
        return sink_literal(s);
    if (s->mode == MODE_APPEND)
        return next_message(s);
    int rc = ph_command_parse_head(&s->framer, &limits, &s->arena, &c, &err);
    if (keep_tag(s, &c))
        return over(s, "LIMIT", "The command needs too much memory");
    if (rc) {
        if (err.kind == PH_E_PROTOCOL)
            err.kind = PH_E_BAD;
        return refuse(s, &err);
    }
    if ((c.id != PH_CMD_APPEND && c.id != PH_CMD_REPLACE) || !c.append.n || !c.append.place.content)
        return collect(s);
    const char *wrong = command_exists(c.id) ? session_wrong_state(s, &c) : "This command is not offered";
    if (wrong) {
        ph_fail(&err, PH_SCOPE_NONE, PH_E_BAD, "%s", wrong);
        return refuse(s, &err);
    }
    if (append_head(s, &c, &err))
        return refuse(s, &err);
    s->place = c.append.place;
    return take_message(s);
}

static enum input at_stream(struct session *s)
{
    struct ph_err err = { 0 };
    size_t n = ph_buf_len(&s->in);

    if (n > s->framer.literal_left)
        n = (size_t)s->framer.literal_left;
    if (s->mode == MODE_APPEND) {
        s->active = ph_now_ms();
        if (append_data(s, ph_buf_data(&s->in), n, &err)) {
            append_abort(s);
            s->refusal = err;
            s->mode = MODE_SINK;
            if (s->framer.literal_left > SERVER_SINK_MAX) {
                answer_refusal(s);
                return over(s, NULL, "The message was refused, and is too large to be skipped");
            }
            s->sunk = s->framer.literal_left;
        }
    }
    ph_framer_streamed(&s->framer, &s->in, n);
    return INPUT_DONE;
}

/* ---- a whole command ---- */

static void run_command(struct session *s, struct ph_command *c, int rc, struct ph_err *err)
{
    if (s->mode == MODE_COMMAND && keep_tag(s, c))
        rc = ph_fail(err, PH_SCOPE_NONE, PH_E_LIMIT, "The command needs too much memory");
    if (rc) {
        append_abort(s);
        session_refuse_bad(s, c, err);
    } else {
        session_dispatch(s, c);
    }
    if (c->id == PH_CMD_LOGIN || c->id == PH_CMD_AUTHENTICATE)
        ph_wipe((char *)s->framer.frame.p, s->framer.frame.n); /* our own buffer, and a secret in it */
}

static enum input whole_command(struct session *s)
{
    struct ph_args_limits limits = session_args_limits(s);
    struct ph_command c;
    struct ph_err err = { 0 };

    if (s->mode == MODE_SINK) {
        answer_refusal(s);
    } else {
        int rc = ph_command_parse(&s->framer, &limits, &s->arena, &c, &err);
        bool login = rc == 0 && !s->user && (c.id == PH_CMD_LOGIN || c.id == PH_CMD_AUTHENTICATE);
        if (login && auth_must_wait(s)) {
            session_command_done(s); /* the frame stays, and is parsed again */
            return INPUT_HOLD;
        }
        run_command(s, &c, rc, &err);
    }
    ph_framer_release(&s->framer, &s->in);
    if (s->mode == MODE_APPEND || s->mode == MODE_SINK)
        s->mode = MODE_COMMAND;
    s->sunk = 0;
    ph_err_clear(&s->refusal);
    session_command_done(s);
    s->active = ph_now_ms();
    s->n_commands++;
    atomic_fetch_add_explicit(&s->server->count.commands, 1, memory_order_relaxed);
    return INPUT_DONE;
}

enum input session_input(struct session *s)
{
    struct ph_err err = { 0 };

    if (s->mode == MODE_AUTH || s->mode == MODE_IDLE)
        return take_line(s);
    switch (ph_framer_next(&s->framer, &s->in, &err)) {
    case PH_FRAME_MORE:
        return INPUT_MORE;
    case PH_FRAME_LITERAL:
        return at_literal(s);
    case PH_FRAME_STREAM:
        return at_stream(s);
    case PH_FRAME_DONE:
        return whole_command(s);
    case PH_FRAME_ERROR:
        break;
    }
    return over(s, NULL, err.text);
}
