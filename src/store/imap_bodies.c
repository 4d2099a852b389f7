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

#include "store/imap_internal.h"

#define WINDOW_MAX (32u << 20)
#define COMMAND_OCTETS (1u << 20) /* of messages in one FETCH */
#define COMMAND_MESSAGES 128
#define READ_SMALL (256 * 1024)

struct body_request {
    struct body_request *next;
    char *folder;
    uint32_t uidvalidity;
    struct ph_numset uids;
    const struct ph_snapshot *snap;
    uint32_t asked;  /* highest UID asked for; 0: none */
    bool alone;      /* one UID a command */
};

/* One opening of a mailbox, shared by the commands that were sent under it. */
struct body_open {
    struct imap_select select;
    unsigned refs;
};

enum { WAITING, GIVEN };

struct body_fetch {
    struct ph_cmd cmd; /* first */
    struct body_fetch *next;
    struct imap_session *s;
    struct body_request *req; /* owned when `last` */
    bool last;                /* the request's last command */
    struct body_open *open;
    uint64_t octets;          /* hint: what this command brings */
    uint32_t *uid;            /* asked for, ascending */
    unsigned char *state;
    uint64_t *hint;
    size_t n, given;
    /* the literal that has begun */
    bool literal, uid_unknown, limited;
    uint32_t literal_uid;
    uint64_t literal_size;
    bool frame_done;          /* the FETCH answer that carried it is complete; frame_uid is its UID */
    uint32_t frame_uid;
};

static long find_uid(const struct body_fetch *f, uint32_t uid)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (f->uid[mid] < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < f->n && f->uid[lo] == uid ? (long)lo : -1;
}

static bool wants(const struct body_fetch *f, uint32_t uid)
{
    long i = find_uid(f, uid);

    return i >= 0 && f->state[i] == WAITING;
}

static void give(struct body_fetch *f, uint32_t uid)
{
    struct body_cursor *b = &f->s->bodies;
    long i = find_uid(f, uid);

    if (i < 0 || f->state[i] != WAITING)
        return;
    f->state[i] = GIVEN;
    f->given++;
    b->asked -= b->asked < f->hint[i] ? b->asked : f->hint[i];
}

/* ---- answers ---- */

static bool on_body(struct ph_cmd *cmd, struct ph_conn *c, uint32_t seq, uint32_t uid, uint64_t size)
{
    struct body_fetch *f = (struct body_fetch *)cmd;

    if (uid && !wants(f, uid))
        return false;
    if (!uid && f->n == 1 && f->given == 0 && f->s->bodies.first == f && !f->next)
        uid = f->uid[0];
    f->literal = true;
    f->uid_unknown = uid == 0;
    f->literal_uid = uid;
    f->literal_size = size;
    return true;
}

static bool on_body_data(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct body_fetch *f = (struct body_fetch *)cmd;
    struct body_cursor *b = &f->s->bodies;

    if (r->kind != PH_RESP_FETCH || !r->fetch.has_uid)
        return r->kind != PH_RESP_STATUS && r->kind != PH_RESP_UNKNOWN && r->kind != PH_RESP_CAPABILITY;
    for (size_t i = 0; i < r->fetch.n_bodies; i++) {
        const struct ph_body_item *item = &r->fetch.bodies[i];
        if (item->section.n || item->partial)
            continue;
        if (item->stream >= 0) {
            if (!f->frame_done && f->uid_unknown) {
                f->frame_done = true;
                f->frame_uid = r->fetch.uid;
                return true;
            }
            return wants(f, r->fetch.uid) || find_uid(f, r->fetch.uid) >= 0;
        }
        if (!wants(f, r->fetch.uid))
            return false;
        if (item->nil || !item->text.p)
            return true; /* BODY[] NIL: no bytes; it counts as missing at the command's end */
        /* a short body as a quoted string */
        if (b->from_small || b->reading)
            return true; /* the reader is busy: fetched again as missing */
        ph_buf_clear(&b->small);
        if (ph_buf_add_str(&b->small, item->text) == 0) {
            b->from_small = true;
            c->hold = true; /* one at a time: the next body would overwrite it */
            f->literal = true;
            f->uid_unknown = false;
            f->literal_uid = r->fetch.uid;
            f->literal_size = item->text.n;
        }
        return true;
    }
    return find_uid(f, r->fetch.uid) >= 0;
}

static void on_body_tagged(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct body_fetch *f = (struct body_fetch *)cmd;

    f->limited = r->code.id == PH_CODE_MESSAGELIMIT;
}

static const struct ph_cmd_ops body_ops = { .untagged = on_body_data, .body = on_body, .tagged = on_body_tagged };

/* ---- asking ---- */

static void request_free(struct body_request *r)
{
    if (!r)
        return;
    ph_numset_done(&r->uids);
    free(r->folder);
    free(r);
}

void imap_bodies_forget_open(struct imap_session *s)
{
    struct body_open *o = s->bodies.open;

    s->bodies.open = NULL;
    if (o && --o->refs == 0) {
        imap_select_done(&o->select);
        free(o);
    }
}

static void fetch_free(struct body_fetch *f)
{
    if (f->open && --f->open->refs == 0) {
        imap_select_done(&f->open->select);
        free(f->open);
    }
    if (f->last)
        request_free(f->req);
    free(f->uid);
    free(f->state);
    free(f->hint);
    free(f);
}

static uint64_t size_hint(const struct ph_snapshot *snap, uint32_t uid)
{
    struct ph_row *row = snap ? ph_snapshot_find(snap, uid) : NULL;

    return row ? row->size : 16384;
}

/* Choose the UIDs of the next command of `req`. */
static struct body_fetch *next_command(struct imap_session *s, struct body_request *req, struct ph_err *err)
{
    struct body_fetch *f = calloc(1, sizeof *f);
    size_t cap = req->alone || s->st->uid_behind_body ? 1 : COMMAND_MESSAGES;

    if (s->conn->caps.message_limit && cap > s->conn->caps.message_limit)
        cap = s->conn->caps.message_limit;
    if (!f)
        goto memory;
    f->s = s;
    f->req = req;
    f->uid = calloc(cap, sizeof *f->uid);
    f->state = calloc(cap, 1);
    f->hint = calloc(cap, sizeof *f->hint);
    if (!f->uid || !f->state || !f->hint)
        goto memory;
    for (uint32_t uid; f->n < cap && f->octets < COMMAND_OCTETS && (uid = ph_numset_next(&req->uids, req->asked));) {
        f->uid[f->n] = uid;
        f->hint[f->n] = size_hint(req->snap, uid);
        f->octets += f->hint[f->n++];
        req->asked = uid;
    }
    f->last = ph_numset_next(&req->uids, req->asked) == 0;
    return f;
memory:
    if (f)
        fetch_free(f);
    ph_fail_memory(err);
    return NULL;
}

static int send_fetch(struct body_fetch *f, struct ph_err *err)
{
    struct imap_session *s = f->s;
    struct ph_numset set = PH_NUMSET_INIT;

    if (!s->bodies.open || strcmp(s->selected, f->req->folder) != 0) {
        struct body_open *o = calloc(1, sizeof *o);
        if (!o)
            return ph_fail_memory(err);
        int r = imap_select_begin(s, &o->select, f->req->folder, false, err); /* forgets the one before */
        o->refs = 1;
        s->bodies.open = o;
        if (r)
            return -1;
    }
    f->open = s->bodies.open;
    f->open->refs++;
    for (size_t i = 0; i < f->n; i++)
        if (ph_numset_add(&set, f->uid[i])) {
            ph_numset_done(&set);
            return ph_fail_memory(err);
        }
    f->cmd.selected_state = true;
    struct ph_writer *w = ph_conn_begin(s->conn, &f->cmd, &body_ops);
    ph_write_raw(w, "UID FETCH ");
    ph_write_set(w, &set);
    ph_write_raw(w, " (UID BODY.PEEK[])");
    ph_numset_done(&set);
    return ph_conn_end(s->conn, err);
}

/* Keep the window full. */
static int ask_ahead(struct imap_session *s, struct ph_err *err)
{
    struct body_cursor *b = &s->bodies;

    while (b->first_request && (!b->first || b->asked < b->window)) {
        struct body_request *req = b->first_request;
        bool other = !b->open || strcmp(s->selected, req->folder) != 0;
        /* who cannot tell the answers of two mailboxes apart, and who does not say UID first, is asked one thing at a time */
        if (b->first && ((other && !imap_pipelines_select(s)) || s->st->uid_behind_body))
            break;
        if (s->first_scan && !imap_pipelines_select(s))
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "bodies cannot be read here while a folder is being listed");
        struct body_fetch *f = next_command(s, req, err);
        if (!f)
            return -1;
        if (f->last) {
            b->first_request = req->next;
            if (!b->first_request)
                b->last_request = NULL;
        }
        if (b->last)
            b->last->next = f;
        else
            b->first = f;
        b->last = f;
        b->asked += f->octets;
        if (send_fetch(f, err))
            return -1;
    }
    return 0;
}

int imap_bodies_add(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                    const struct ph_snapshot *snap, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct body_cursor *b = &s->bodies;
    struct body_request *r;

    if (ph_numset_empty(uids))
        return 0;
    r = calloc(1, sizeof *r);
    if (!r || !(r->folder = strdup(folder)) || ph_numset_add_set(&r->uids, uids)) {
        request_free(r);
        return ph_fail_memory(err);
    }
    r->uidvalidity = uidvalidity;
    r->snap = snap;
    if (b->last_request)
        b->last_request->next = r;
    else
        b->first_request = r;
    b->last_request = r;
    if (ask_ahead(s, err))
        return -1;
    ph_conn_flush(s->conn);
    return 0;
}

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
    if (!f->frame_done || !wants(f, f->frame_uid)) {
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

/* The oldest command is done: what it did not bring. 1: *out is a missing message; 0: nothing, the command is freed; 2: asked again */
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
                give(f, f->uid[i]);
            }
        again->next = b->first_request;
        b->first_request = again;
        if (!b->last_request)
            b->last_request = again;
    }
    for (size_t i = 0; i < f->n && f->given < f->n; i++) {
        if (f->state[i] != WAITING)
            continue;
        give(f, f->uid[i]);
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
    fetch_free(f);
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
    give(f, out->uid);
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

int imap_bodies_next(struct ph_session *base, struct ph_body *out, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct body_cursor *b = &s->bodies;
    bool waited = false;

    if (skip_rest(s, err))
        return -1;
    s->conn->last_progress = ph_now_ms();
    for (;;) {
        if (ask_ahead(s, err))
            return -1;
        if (!b->first)
            return 0;
        ph_conn_process(s->conn);
        bool skipped = false;
        for (struct body_fetch *f = b->first; f && !skipped; f = f->next) {
            if (!f->literal)
                continue;
            if (f->uid_unknown) {
                if (spool(s, f, err))
                    return -1;
                if (b->spool_fd >= 0)
                    return begin_reading(s, f, out);
                break;
            }
            if (f->literal && wrong_folder(f)) {
                f->literal = false;
                b->reading = true;
                b->left = f->literal_size;
                b->lent = 0;
                if (skip_rest(s, err))
                    return -1;
                skipped = true;
                continue;
            }
            if (f->literal) {
                if (waited && b->window < WINDOW_MAX && b->asked + f->literal_size >= b->window / 2)
                    b->window *= 2; /* there was nothing to read although a window was asked for */
                return begin_reading(s, f, out);
            }
        }
        if (skipped)
            continue; /* what follows may have arrived with it: to be looked at before waiting */
        if (b->first->cmd.done) {
            if (b->first->cmd.status == PH_ST_NONE && s->conn->broken.kind != PH_OK) {
                if (err)
                    *err = s->conn->broken;
                return -1;
            }
            int r = after_command(s, b->first, out, err);
            if (r)
                return r;
            continue;
        }
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
        fetch_free(f);
    }
    while (b->first_request) {
        struct body_request *r = b->first_request;
        b->first_request = r->next;
        request_free(r);
    }
    ph_buf_done(&b->small);
}
