/* imap_bodies_ask.c: requests (a folder, UIDs) become UID FETCH commands of bounded size, a window of octets ahead of their reading, and
 * their answers find the command that asked. */
#include <stdlib.h>
#include <string.h>

#include "store/imap_bodies.h"

#define COMMAND_OCTETS (1u << 20) /* of messages in one FETCH */
#define COMMAND_MESSAGES 128

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

bool body_wants(const struct body_fetch *f, uint32_t uid)
{
    long i = find_uid(f, uid);

    return i >= 0 && f->state[i] == WAITING;
}

void body_give(struct body_fetch *f, uint32_t uid)
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

    if (uid && !body_wants(f, uid))
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
            return body_wants(f, r->fetch.uid) || find_uid(f, r->fetch.uid) >= 0;
        }
        if (!body_wants(f, r->fetch.uid))
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

void body_request_free(struct body_request *r)
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

void body_fetch_free(struct body_fetch *f)
{
    if (f->open && --f->open->refs == 0) {
        imap_select_done(&f->open->select);
        free(f->open);
    }
    if (f->last)
        body_request_free(f->req);
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
        body_fetch_free(f);
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
int bodies_ask_ahead(struct imap_session *s, struct ph_err *err)
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
        body_request_free(r);
        return ph_fail_memory(err);
    }
    r->uidvalidity = uidvalidity;
    r->snap = snap;
    if (b->last_request)
        b->last_request->next = r;
    else
        b->first_request = r;
    b->last_request = r;
    if (bodies_ask_ahead(s, err))
        return -1;
    ph_conn_flush(s->conn);
    return 0;
}
