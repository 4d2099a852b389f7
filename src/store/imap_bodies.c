/* imap_bodies.c: message bytes out of folders, a window of octets ahead.
 *
 * Requests (a folder, UIDs) become UID FETCH commands of bounded size, asked for ahead of their reading so that the
 * distance to the server does not matter; the window grows while the reader finds nothing to read. A literal is
 * handed on only when it is certain which message it is: its UID stood before it, or only one UID was asked for. A server that
 * puts UID behind the literal is found at its first answer, which goes to an unlinked file until the UID is known; from then on
 * it is asked for one message at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "store/imap_bodies.h"

#define WINDOW_MAX (32u << 20)
#define READ_SMALL (256 * 1024)

/* ---- a literal whose UID is not known yet ---- */

static int spool(struct imap_session *s, struct body_fetch *f, struct ph_err *err)
{
    struct body_cursor *b = &s->bodies;
    const char *dir = getenv("TMPDIR");
    uint64_t size = f->literal_size;
    int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "a temporary file cannot be made");
    s->st->uid_behind_body = true;
    for (uint64_t left = size; left;) {
        struct ph_str p = ph_conn_body_peek(s->conn);
        if (!p.n) {
            if (ph_conn_turn(s->conn, err))
                goto fail;
            continue;
        }
        ssize_t w = write(fd, p.p, p.n);
        if (w < 0) {
            ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "writing a temporary file");
            goto fail;
        }
        ph_conn_body_take(s->conn, (size_t)w);
        left -= (uint64_t)w;
    }
    f->literal = f->frame_done = false;
    ph_conn_process(s->conn); /* the next literal may begin in here */
    while (!f->frame_done && !f->cmd.done)
        if (ph_conn_turn(s->conn, err))
            goto fail;
    if (!f->frame_done || !body_wants(f, f->frame_uid)) {
        close(fd);
        return 0;
    }
    lseek(fd, 0, SEEK_SET);
    b->spool_fd = fd;
    b->spool_size = size;
    s->conn->hold = true;
    return 0;
fail:
    close(fd);
    return -1;
}

/* ---- reading ---- */

static void end_current(struct imap_session *s)
{
    struct body_cursor *b = &s->bodies;

    b->reading = false;
    b->from_small = false;
    if (b->spool_fd >= 0)
        close(b->spool_fd);
    b->spool_fd = -1;
}

static int skip_rest(struct imap_session *s, struct ph_err *err)
{
    const char *p;
    size_t n;

    while (s->bodies.reading) {
        if (imap_body_read(&s->base, &p, &n, err))
            return -1;
        if (!n)
            break;
    }
    return 0;
}

/* The oldest command is done: what it did not bring. 1: *out is a missing message; 0: nothing, the command is freed */
static int after_command(struct imap_session *s, struct body_fetch *f, struct ph_body *out, struct ph_err *err)
{
    struct body_cursor *b = &s->bodies;
    struct ph_err why = f->cmd.err;
    bool refused = f->cmd.status != PH_ST_OK;
    bool opened = !imap_select_check(&f->open->select, f->req->folder, f->req->uidvalidity, &why);

    if (opened && f->given < f->n && f->n > 1 && (refused || f->limited)) {
        /* which of them it was shows when they are asked for one by one */
        struct body_request *again = calloc(1, sizeof *again);
        if (!again || !(again->folder = strdup(f->req->folder))) {
            free(again);
            return ph_fail_memory(err);
        }
        again->uidvalidity = f->req->uidvalidity;
        again->snap = f->req->snap;
        again->alone = refused;
        for (size_t i = 0; i < f->n; i++)
            if (f->state[i] == WAITING) {
                ph_numset_add(&again->uids, f->uid[i]);
                body_give(f, f->uid[i]);
            }
        again->next = b->first_request;
        b->first_request = again;
        if (!b->last_request)
            b->last_request = again;
    }
    for (size_t i = 0; i < f->n && f->given < f->n; i++) {
        if (f->state[i] != WAITING)
            continue;
        body_give(f, f->uid[i]);
        *out = (struct ph_body){ .uid = f->uid[i], .folder = f->req->folder, .missing = true };
        if (!opened || refused) {
            out->err = why;
            if (opened && out->err.scope < PH_SCOPE_SESSION)
                out->err.scope = PH_SCOPE_MESSAGE;
        } else {
            ph_fail(&out->err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "the server has no bytes for it (deleted meanwhile?)");
        }
        b->current = f;
        return 1;
    }
    b->first = f->next;
    if (!b->first)
        b->last = NULL;
    if (b->current == f)
        b->current = NULL;
    if (!opened && b->open == f->open)
        imap_bodies_forget_open(s); /* the next command opens it anew, and fails with its own reason */
    body_fetch_free(f);
    return 0;
}

static int begin_reading(struct imap_session *s, struct body_fetch *f, struct ph_body *out)
{
    struct body_cursor *b = &s->bodies;

    *out = (struct ph_body){ .uid = f->literal_uid, .folder = f->req->folder, .size = f->literal_size };
    if (b->spool_fd >= 0) {
        out->uid = f->frame_uid;
        out->size = b->spool_size;
    } else {
        f->literal = false;
    }
    body_give(f, out->uid);
    b->current = f;
    b->reading = true;
    b->left = out->size;
    b->lent = 0;
    return 1;
}

/* Of another mailbox than meant: must not be handed on. */
static bool wrong_folder(const struct body_fetch *f)
{
    return f->open->select.cmd.done &&
           imap_select_check(&f->open->select, f->req->folder, f->req->uidvalidity, NULL) != 0;
}

/* A literal that has begun in one of the commands. 1: *out is it; 0: there is none; 2: one was thrown away, and what follows may have
 * arrived with it. */
static int next_literal(struct imap_session *s, bool waited, struct ph_body *out, struct ph_err *err)
{
    struct body_cursor *b = &s->bodies;
    struct body_fetch *f = b->first;

    while (f && !f->literal)
        f = f->next;
    if (!f)
        return 0;
    if (f->uid_unknown) {
        if (spool(s, f, err))
            return -1;
        return b->spool_fd >= 0 ? begin_reading(s, f, out) : 0;
    }
    if (wrong_folder(f)) {
        f->literal = false;
        b->reading = true;
        b->left = f->literal_size;
        b->lent = 0;
        return skip_rest(s, err) ? -1 : 2;
    }
    if (waited && b->window < WINDOW_MAX && b->asked + f->literal_size >= b->window / 2)
        b->window *= 2; /* there was nothing to read although a window was asked for */
    return begin_reading(s, f, out);
}

/* The oldest command has its answer, and nothing of it is waiting to be read: as after_command. */
static int command_ended(struct imap_session *s, struct ph_body *out, struct ph_err *err)
{
    struct body_fetch *f = s->bodies.first;

    if (f->cmd.status == PH_ST_NONE && s->conn->broken.kind != PH_OK) {
        if (err)
            *err = s->conn->broken;
        return -1;
    }
    return after_command(s, f, out, err);
}

int imap_bodies_next(struct ph_session *base, struct ph_body *out, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct body_cursor *b = &s->bodies;
    bool waited = false;

    if (skip_rest(s, err))
        return -1;
    s->conn->last_progress = ph_now_ms();
    for (;;) {
        if (bodies_ask_ahead(s, err))
            return -1;
        if (!b->first)
            return 0;
        ph_conn_process(s->conn);
        int r = next_literal(s, waited, out, err);
        if (r == 0 && b->first->cmd.done) {
            r = command_ended(s, out, err);
            if (r == 0)
                continue;
        }
        if (r == 1 || r == -1)
            return r;
        if (r == 2)
            continue;
        waited = true;
        if (ph_conn_turn(s->conn, err))
            return -1;
    }
}

static int read_spool(struct body_cursor *b, const char **p, size_t *n, struct ph_err *err)
{
    ph_buf_clear(&b->small);
    char *to = ph_buf_reserve(&b->small, READ_SMALL);
    if (!to)
        return ph_fail_memory(err);
    ssize_t r = read(b->spool_fd, to, READ_SMALL);
    if (r <= 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "reading a temporary file");
    *p = to;
    *n = (size_t)r;
    b->left -= (uint64_t)r;
    return 0;
}

int imap_body_read(struct ph_session *base, const char **p, size_t *n, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct body_cursor *b = &s->bodies;

    *p = "";
    *n = 0;
    if (!b->reading)
        return 0;
    if (b->lent) {
        if (b->from_small)
            ph_buf_consume(&b->small, b->lent);
        else
            ph_conn_body_take(s->conn, b->lent);
        b->lent = 0;
    }
    if (!b->left) {
        bool streamed = !b->from_small && b->spool_fd < 0;
        end_current(s);
        s->conn->hold = false;
        if (streamed && s->conn->body.active && s->conn->body.left == 0)
            s->conn->body.active = false;
        return 0;
    }
    if (b->spool_fd >= 0)
        return read_spool(b, p, n, err);
    struct ph_str str;
    if (b->from_small) {
        str = ph_buf_str(&b->small);
    } else {
        s->conn->last_progress = ph_now_ms();
        while (!(str = ph_conn_body_peek(s->conn)).n)
            if (ph_conn_turn(s->conn, err))
                return -1;
    }
    *p = str.p;
    *n = b->lent = str.n;
    b->left -= str.n;
    return 0;
}

void imap_bodies_free(struct imap_session *s)
{
    struct body_cursor *b = &s->bodies;

    end_current(s);
    imap_bodies_forget_open(s);
    while (b->first) {
        struct body_fetch *f = b->first;
        b->first = f->next;
        body_fetch_free(f);
    }
    while (b->first_request) {
        struct body_request *r = b->first_request;
        b->first_request = r->next;
        body_request_free(r);
    }
    ph_buf_done(&b->small);
}
