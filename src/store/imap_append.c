/* imap_append.c: putting messages in: APPEND and MULTIAPPEND (RFC 3502) with the cheapest literals that are allowed.
 *
 * Flags, keywords and date are written from parsed values only. Octets of a message never stand where a command could begin: a
 * BAD, and a NO that came before the whole command was out, end the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "store/imap_internal.h"

/* Under LITERAL+ larger ones ask first, too: a refusal then costs a round trip and not the octets. What the destination has taken
 * before moves the line, because at a distance every question stalls the connection. */
#define SYNC_ABOVE (1u << 20)

struct ph_append {
    struct ph_cmd cmd; /* first */
    struct ph_append *next;
    struct imap_session *s;
    char *folder;
    size_t n_messages, n_written;
    uint64_t left;        /* octets of the present message still to come */
    bool begun, finished, abandoned;
    bool complete;        /* every octet had been taken by the socket when the answer came or the connection broke */
    bool confused;        /* refused before it was complete, with octets behind that the server may take for commands */
    uint32_t uidvalidity;
    uint32_t *uids;
    size_t n_uids;
    uint64_t largest;     /* message of the batch */
    bool synced;          /* the present literal waits for its `+`, or waited */
};

static void on_append_tagged(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct ph_append *a = (struct ph_append *)cmd;

    a->complete = a->finished && c->out_base >= a->cmd.out_end;
    if (r->status == PH_ST_OK && a->largest > a->s->st->largest_taken)
        a->s->st->largest_taken = a->largest;
    else if (r->status != PH_ST_OK)
        a->s->st->largest_taken = 0;
    if (r->status == PH_ST_OK && r->code.id == PH_CODE_APPENDUID) {
        a->uidvalidity = (uint32_t)r->code.number;
        if (ph_uidlist_parse(r->code.set2, a->n_written, &a->uids, &a->n_uids, NULL) || a->n_uids != a->n_written) {
            free(a->uids); /* not one for each message: as if nothing had been said */
            a->uids = NULL;
            a->n_uids = 0;
        }
    }
    /* refused instead of the `+`: none of the literal is out; refused in the middle of one: the server may wait for the rest */
    if (r->status != PH_ST_OK && !a->complete && (!a->synced || c->out_base > cmd->out_body))
        a->confused = true;
}

static const struct ph_cmd_ops append_ops = { .tagged = on_append_tagged };

int imap_append_open(struct ph_session *base, const char *folder, size_t n_messages, struct ph_append **out,
                     struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct ph_append *a;

    if (n_messages == 0 || (n_messages > 1 && !(s->conn->caps.bits & PH_CAP_MULTIAPPEND)))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "this server takes one message in an APPEND");
    if (s->conn->broken.kind != PH_OK) {
        if (err)
            *err = s->conn->broken;
        return -1;
    }
    a = calloc(1, sizeof *a);
    if (!a || !(a->folder = strdup(folder))) {
        free(a);
        return ph_fail_memory(err);
    }
    a->s = s;
    a->n_messages = n_messages;
    if (s->last_append)
        s->last_append->next = a;
    else
        s->first_append = a;
    s->last_append = a;
    *out = a;
    return 0;
}

/* After a refusal: what the caller learns from message and write. */
static int refused(struct ph_append *a, struct ph_err *err)
{
    struct ph_conn *c = a->s->conn;

    if (a->confused && c->broken.kind == PH_OK) {
        struct ph_err e = a->cmd.err;
        e.retry = PH_RETRY_RECONNECT;
        ph_err_prefix(&e, "refused while the messages were still being sent; the connection is given up");
        ph_conn_fail(c, &e);
    }
    if (err) {
        *err = a->cmd.status == PH_ST_OK ? c->broken : a->cmd.err;
        if (a->cmd.status == PH_ST_OK)
            ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "the server said OK to an APPEND that was not complete");
    }
    return -1;
}

/* The head of a message could not be built. What went out before it must not become an append of its own. */
static int unwritten(struct ph_append *a, const struct ph_err *why)
{
    a->abandoned = true; /* what is out already is ended by hanging up */
    if (!a->cmd.queued && !a->cmd.done) { /* it never went out: nobody will answer it */
        a->cmd.done = true;
        a->cmd.status = PH_ST_NONE;
        a->cmd.err = *why;
    }
    return -1;
}

int imap_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err)
{
    struct ph_conn *c = a->s->conn;
    uint32_t caps = c->caps.bits;
    struct ph_err local;

    if (!err)
        err = &local;
    if (m->size == 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "a message without octets cannot be appended (RFC 3502)");
    while (c->n_stops + 2 > PH_CONN_STOPS && c->broken.kind == PH_OK) /* small messages, and each has to ask */
        if (ph_conn_turn(c, err))
            return -1;
    if (a->begun && a->cmd.done)
        return refused(a, err);
    if (a->left || a->n_written == a->n_messages)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "append_message out of order");
    uint64_t line = 2 * a->s->st->largest_taken;
    if (line < SYNC_ABOVE)
        line = SYNC_ABOVE;
    bool nonsync = caps & PH_CAP_LITERAL_PLUS ? m->size <= line : (caps & PH_CAP_LITERAL_MINUS) && m->size <= 4096;
    if (m->careful)
        nonsync = false;
    struct ph_writer *w = a->begun ? ph_conn_more(c) : ph_conn_begin(c, &a->cmd, &append_ops);
    if (!a->begun) {
        ph_write_raw(w, "APPEND ");
        imap_write_folder(a->s, w, a->folder);
    }
    ph_write_char(w, ' ');
    imap_write_flags(w, m->flags, m->keywords);
    if (m->has_date) {
        ph_write_char(w, ' ');
        ph_write_date_time(w, m->epoch, m->zone_min);
    }
    ph_write_char(w, ' ');
    ph_write_literal_head(w, m->size, !nonsync);
    int r = a->begun ? ph_conn_more_end(c, &a->cmd, err) : ph_conn_end_open(c, err);
    a->begun = true;
    if (r)
        return unwritten(a, err);
    a->synced = !nonsync;
    a->cmd.has_nonsync_literal |= nonsync;
    a->left = m->size;
    if (m->size > a->largest)
        a->largest = m->size;
    a->n_written++;
    return 0;
}

int imap_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err)
{
    if (a->cmd.done)
        return refused(a, err);
    if (a->abandoned)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "one of its messages cannot be written");
    if (n > a->left)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "more octets than the message was said to have");
    a->left -= n;
    if (ph_conn_put(a->s->conn, p, n, err))
        return -1;
    return a->cmd.done ? refused(a, err) : 0;
}

int imap_append_finish(struct ph_append *a, struct ph_err *err)
{
    struct ph_conn *c = a->s->conn;

    if (!a->begun || a->cmd.done) {
        a->finished = true;
        return a->begun ? (refused(a, NULL), 0) : 0;
    }
    if (a->left || a->abandoned) {
        /* a literal that stays incomplete can only be ended by hanging up */
        struct ph_err e;
        ph_fail(&e, PH_SCOPE_SESSION, PH_E_CLOSED, "an APPEND was broken off because %s",
                a->abandoned ? "one of its messages cannot be written" : "its message did not arrive whole");
        e.retry = PH_RETRY_RECONNECT;
        a->abandoned = true;
        a->finished = true;
        ph_conn_fail(c, &e);
        return 0;
    }
    if (ph_conn_put(c, "\r\n", 2, err))
        return -1;
    ph_conn_put_done(c, &a->cmd);
    a->finished = true;
    ph_conn_flush(c);
    return 0;
}

bool imap_append_poll(struct ph_session *base)
{
    struct ph_append *a = imap_session(base)->first_append;

    return a && (a->cmd.done || !a->begun);
}

int imap_append_wait(struct ph_session *base, struct ph_append **done, struct ph_append_result *res, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct ph_append *a = s->first_append;

    *res = (struct ph_append_result){ .failed_index = SIZE_MAX };
    *done = NULL;
    if (!a)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no append under way");
    if (a->begun && !a->cmd.done && ph_conn_wait(s->conn, &a->cmd, err) && s->conn->broken.kind == PH_OK)
        return -1; /* stopped by the user: it stays under way */
    s->first_append = a->next;
    if (!s->first_append)
        s->last_append = NULL;
    *done = a;
    if (a->confused)
        refused(a, NULL);
    res->ok = a->begun && a->cmd.status == PH_ST_OK && a->finished && !a->abandoned && a->complete;
    if (res->ok) {
        res->uidvalidity = a->uidvalidity;
        res->uids = a->uids;
        res->n_uids = a->n_uids;
        return 0;
    }
    res->err = a->begun ? a->cmd.err : s->conn->broken;
    /* without its last octet no server can have taken it */
    bool out = a->finished && !a->abandoned && s->conn->out_base >= a->cmd.out_end;
    res->unknown = a->begun && out && a->cmd.status == PH_ST_NONE; /* NO and BAD are answers: it is not in */
    if (a->cmd.status == PH_ST_OK && !a->complete) {
        ph_fail(&res->err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "the server said OK to an APPEND that was not complete");
        res->unknown = true;
    }
    if (res->err.kind == PH_OK)
        ph_fail(&res->err, PH_SCOPE_SESSION, PH_E_CLOSED, "the connection ended");
    if (a->cmd.status == PH_ST_NO && a->n_written)
        res->failed_index = a->finished ? SIZE_MAX : a->n_written - 1;
    return 0;
}

/* Not waited for: what is out cannot be taken back but by hanging up. */
static void throw_away(struct ph_append *a)
{
    struct imap_session *s = a->s;
    struct ph_append *before = NULL;
    struct ph_err why;

    for (struct ph_append *x = s->first_append; x != a; x = x->next) {
        if (!x)
            return;
        before = x;
    }
    if (a->begun && !a->cmd.done) {
        ph_fail(&why, PH_SCOPE_SESSION, PH_E_CANCELLED, "an APPEND was given up before its end");
        why.retry = PH_RETRY_RECONNECT;
        ph_conn_fail(s->conn, &why);
    }
    *(before ? &before->next : &s->first_append) = a->next;
    if (s->last_append == a)
        s->last_append = before;
}

void imap_append_free(struct ph_append *a)
{
    if (!a)
        return;
    throw_away(a);
    free(a->uids);
    free(a->folder);
    free(a);
}

void imap_appends_free(struct imap_session *s)
{
    while (s->first_append) {
        struct ph_append *a = s->first_append;
        s->first_append = a->next;
        imap_append_free(a);
    }
    s->last_append = NULL;
}
