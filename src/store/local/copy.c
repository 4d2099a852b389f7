/* copy.c: messages from one folder into another. Within an account no octet moves: another row names the same body. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/local/incoming.h"
#include "store/local/rows.h"

struct copying {
    const struct local_where *from, *to;
    uint32_t uidvalidity;
    const struct ph_numset *uids;
    bool move;
    struct ph_copy_result *out;
    size_t cap;
};

static int add_pair(struct copying *c, uint32_t from, uint32_t to, struct ph_err *err)
{
    if (c->out->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        uint32_t *a = realloc(c->out->from, cap * sizeof *a);
        c->out->from = a ? a : c->out->from;
        uint32_t *b = a ? realloc(c->out->to, cap * sizeof *b) : NULL;
        c->out->to = b ? b : c->out->to;
        if (!b)
            return ph_fail_memory(err);
        c->cap = cap;
    }
    c->out->from[c->out->n] = from;
    c->out->to[c->out->n++] = to;
    return 0;
}

static int find_both(struct copying *c, struct local_db *db, struct local_mailbox *from, struct local_mailbox *to,
                     struct ph_err *err)
{
    if (ph_local_find_open(db, c->from, c->uidvalidity, R_READ | (c->move ? R_MARK | R_EXPUNGE : 0), from, err))
        return -1;
    if (ph_local_find_open(db, c->to, 0, R_INSERT, to, err) == 0)
        return 0;
    if (err && err->kind == PH_E_NOTFOUND)
        memcpy(err->code, "TRYCREATE", 10);
    return -1;
}

static int copy_rows(struct copying *c, struct local_user *u, struct local_db *db, struct local_mailbox *from,
                     struct local_mailbox *to, struct ph_err *err)
{
    uint32_t end = from->uidnext; /* what is added to the same mailbox is not copied again */
    uint32_t may = ph_local_allowed_flags(to->rights);
    uint64_t octets = 0, modseq = ph_local_next_modseq(u);
    struct ph_numset gone = PH_NUMSET_INIT;
    struct local_walk walk;
    struct local_message *m;
    int r;

    ph_local_walk_init(&walk, db, from->id, c->uids);
    while ((r = ph_local_walk_next(&walk, &m, err)) > 0 && m->uid < end) {
        struct local_message in = *m;
        in.modseq = modseq;
        in.saved = (int64_t)time(NULL);
        in.flags &= may;
        in.kwset = to->rights & R_WRITE ? in.kwset : 0;
        if (!c->move && (octets += m->size) && ph_local_quota_check(u, db, &u->state, 1, m->size, err))
            break;
        if ((!c->move && local_exec(db, err, "UPDATE body SET refs = refs + 1 WHERE id = ?1", LI(m->body))) ||
            ph_local_message_add(u, db, to, &in, err) || add_pair(c, m->uid, in.uid, err))
            break;
        if (c->move && (ph_numset_add(&gone, m->uid) || ph_local_message_moved(u, db, from, m, err)))
            break;
    }
    bool stopped = r > 0 && m->uid < end;
    if (!stopped && r >= 0)
        r = c->out->n == 0 ? 0 : (to->modseq = modseq, ph_local_gone(u, db, from, &gone, modseq, err));
    else
        r = -1;
    if (!r && c->move && c->out->n)
        c->out->modseq = from->modseq = modseq;
    if (!r && c->out->n == 0)
        u->state.modseq = modseq - 1;
    ph_numset_done(&gone);
    return r;
}

static int run_copy(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct copying *c = ctx;
    struct local_mailbox from, to, *dest = &to;

    c->out->n = 0;
    if (find_both(c, db, &from, &to, err))
        return -1;
    if (from.id == to.id)
        dest = &from;
    c->out->uidvalidity = dest->uidvalidity;
    if (copy_rows(c, u, db, &from, dest, err))
        return -1;
    if (c->out->n == 0)
        return 0;
    if (c->move || dest == &from)
        if (ph_local_mailbox_save(db, &from, err))
            return -1;
    return dest == &from ? 0 : ph_local_mailbox_save(db, dest, err);
}

/* ---- from one account to another: the octets go along ---- */

static int copy_octets(struct local_session *s, struct ph_append *a, struct ph_err *err)
{
    const char *p;
    size_t n;

    do {
        if (ph_local_body_read(&s->base, &p, &n, err) || (n && ph_local_append_write(a, p, n, err)))
            return -1;
    } while (n);
    return 0;
}

static int send_messages(struct local_session *s, struct copying *c, struct local_db *db, const struct local_mailbox *m,
                         struct ph_append *a, struct ph_err *err)
{
    struct ph_buf words = PH_BUF_INIT;
    struct local_walk walk;
    struct local_message *row;
    int r;

    ph_local_walk_init(&walk, db, m->id, c->uids);
    while ((r = ph_local_walk_next(&walk, &row, err)) > 0) {
        struct ph_message out = { .flags = row->flags, .has_date = true, .epoch = row->epoch, .zone_min = row->zone_min,
                                  .size = row->size };
        s->ahead_want = 1;
        if (ph_local_kwset_words(db, row->kwset, &words, err))
            break;
        out.keywords = ph_buf_z(&words);
        if (ph_local_body_take(s, c->from->u, db, m, row->uid, err) || add_pair(c, row->uid, 0, err) ||
            ph_local_append_message(a, &out, err) || copy_octets(s, a, err))
            break;
    }
    s->ahead_user = NULL;
    ph_local_bodies_end(s);
    ph_buf_done(&words);
    return r ? -1 : 0;
}

static int end_copy(struct copying *c, struct ph_append *a, struct ph_err *err)
{
    if (ph_local_append_finish(a, err))
        return -1;
    if (a->refused) {
        if (err)
            *err = a->err;
        return -1;
    }
    int r = ph_local_await(a->where.u, &a->op, err);
    a->submitted = false;
    for (size_t i = 0; !r && i < c->out->n; i++)
        c->out->to[i] = a->uids[i];
    c->out->uidvalidity = a->uidvalidity;
    return r;
}

/* Another account is another transaction: the copy is in before the original goes, so a crash in between leaves both. */
static int copy_across(struct local_session *s, struct copying *c, const char *folder, const char *to, struct ph_err *err)
{
    struct local_mailbox m;
    struct ph_append *a = NULL;
    struct local_db *db;
    int r = ph_local_read_begin(c->from->u, &db, err);

    if (!r)
        r = ph_local_find_open(db, c->from, c->uidvalidity, R_READ | (c->move ? R_MARK | R_EXPUNGE : 0), &m, err);
    if (!r)
        r = ph_local_append_open(&s->base, to, LOCAL_BATCH_MAX < m.messages + 1u ? LOCAL_BATCH_MAX : m.messages + 1u, &a, err);
    if (!r) {
        ph_local_append_alone(a);
        r = send_messages(s, c, db, &m, a, err);
    }
    ph_local_read_end(c->from->u, db);
    if (!r && c->out->n)
        r = end_copy(c, a, err);
    ph_local_append_free(a);
    if (r || !c->move || c->out->n == 0)
        return r;
    struct ph_numset moved = PH_NUMSET_INIT;
    for (size_t i = 0; !r && i < c->out->n; i++)
        r = ph_numset_add(&moved, c->out->from[i]) ? ph_fail_memory(err) : 0;
    if (!r)
        r = ph_local_expunge(&s->base, folder, c->uidvalidity, &moved, false, err);
    if (r) { /* as if nothing had been */
        ph_numset_clear(&moved);
        for (size_t i = 0; i < c->out->n; i++)
            ph_numset_add(&moved, c->out->to[i]);
        ph_local_expunge(&s->base, to, c->out->uidvalidity, &moved, false, NULL);
    }
    ph_numset_done(&moved);
    return r;
}

int ph_local_copy_move(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                       const char *to, bool move, struct ph_copy_result *out, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct copying c = { .uidvalidity = uidvalidity, .uids = uids, .move = move, .out = out };
    struct local_where from, dest;
    int r;

    *out = (struct ph_copy_result){ 0 };
    ph_local_bodies_end(s);
    if (ph_local_begin(s, err) || ph_local_where(s, folder, &from, err))
        return -1;
    if (ph_local_where(s, to, &dest, err)) {
        ph_local_where_done(&from);
        if (err && err->kind == PH_E_NOTFOUND)
            memcpy(err->code, "TRYCREATE", 10);
        return -1;
    }
    c.from = &from;
    c.to = &dest;
    r = from.u == dest.u ? ph_local_do(from.u, run_copy, &c, false, err) : copy_across(s, &c, folder, to, err);
    ph_local_where_done(&from);
    ph_local_where_done(&dest);
    if (r)
        ph_copy_result_done(out);
    return r;
}

int ph_local_copy(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                  const char *to, struct ph_err *err)
{
    struct ph_copy_result result;
    int r = ph_local_copy_move(s, folder, uidvalidity, uids, to, false, &result, err);

    ph_copy_result_done(&result);
    return r;
}
