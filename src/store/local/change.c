/* change.c: flags, and removal. */
#include <stdlib.h>
#include <string.h>

#include "store/local/incoming.h"
#include "store/local/rows.h"

/* ---- flags ---- */

struct flagging {
    const struct local_where *w;
    struct ph_flag_batch *b;
    /* the keyword sets that came of those met last */
    int64_t from[8], to[8];
    size_t n_memo;
};

/* The set that a change makes of another. */
static int change_words(struct local_db *db, const struct ph_flag_change *c, int64_t from, int64_t *to, struct ph_err *err)
{
    struct ph_buf old = PH_BUF_INIT, all = PH_BUF_INIT;
    int r = ph_local_kwset_words(db, c->mode == PH_FLAGS_SET ? 0 : from, &old, err);

    for (const char *k = ph_buf_z(&old); !r && *k;) {
        struct ph_str w = { k, strcspn(k, " ") };
        bool named = false;
        k += w.n + (k[w.n] == ' ');
        for (const char *d = c->keywords ? c->keywords : ""; *d && c->mode == PH_FLAGS_REMOVE;) {
            struct ph_str x = { d, strcspn(d, " ") };
            named = named || ph_str_caseeq(w, x);
            d += x.n + (d[x.n] == ' ');
        }
        if (!named) {
            ph_buf_add_str(&all, w);
            ph_buf_add_char(&all, ' ');
        }
    }
    if (c->mode != PH_FLAGS_REMOVE && c->keywords)
        ph_buf_add_z(&all, c->keywords);
    if (!r)
        r = all.failed ? ph_fail_memory(err) : ph_local_kwset(db, ph_buf_z(&all), to, err);
    ph_buf_done(&old);
    ph_buf_done(&all);
    return r;
}

static int words_after(struct flagging *x, struct local_db *db, const struct ph_flag_change *c, int64_t from, int64_t *to,
                       struct ph_err *err)
{
    bool none = !c->keywords || !*c->keywords;

    *to = from;
    if (none && (c->mode != PH_FLAGS_SET || from == 0))
        return 0;
    for (size_t i = 0; i < x->n_memo && i < 8; i++)
        if (x->from[i] == from) {
            *to = x->to[i];
            return 0;
        }
    if (change_words(db, c, from, to, err))
        return -1;
    x->from[x->n_memo % 8] = from;
    x->to[x->n_memo % 8] = *to;
    x->n_memo++;
    return 0;
}

struct flag_run {
    struct local_db *db;
    struct local_mailbox *mb;
    uint64_t modseq;
    bool any;
};

static int change_one(struct flagging *x, struct flag_run *run, struct ph_flag_change *c, const struct local_message *m,
                      struct ph_err *err)
{
    uint32_t may = ph_local_allowed_flags(run->mb->rights), named = c->flags & 0x1f & may, flags;
    int64_t kwset = m->kwset;

    flags = c->mode == PH_FLAGS_SET   ? named | (m->flags & ~may)
            : c->mode == PH_FLAGS_ADD ? m->flags | named
                                      : m->flags & ~named;
    if (run->mb->rights & R_WRITE && words_after(x, run->db, c, m->kwset, &kwset, err))
        return -1;
    if (flags == m->flags && kwset == m->kwset)
        return 0;
    run->any = true;
    ph_local_count_flags(run->mb, m->flags, m->size, -1);
    ph_local_count_flags(run->mb, flags, m->size, 1);
    return local_exec(run->db, err, "UPDATE message SET flags = ?2, kwset = ?3, modseq = ?4 WHERE id = ?1",
                      LI(local_id(run->mb->id, m->uid)), LI(flags), LI(kwset), LI(run->modseq));
}

static int change(struct flagging *x, struct flag_run *run, struct ph_flag_change *c, struct ph_err *err)
{
    struct local_walk walk;
    struct local_message *m;
    int r;

    ph_err_clear(&c->result);
    x->n_memo = 0;
    if (!(run->mb->rights & (R_SEEN | R_MARK | R_WRITE))) {
        ph_local_denied(&c->result);
        return 0;
    }
    ph_local_walk_init(&walk, run->db, run->mb->id, c->uids);
    while ((r = ph_local_walk_next(&walk, &m, err)) > 0)
        if (c->unchanged_since && m->modseq > c->unchanged_since) {
            ph_fail(&c->result, PH_SCOPE_MESSAGE, PH_E_CHANGED, "somebody else changed it meanwhile");
            if (c->modified && ph_numset_add(c->modified, m->uid))
                return ph_fail_memory(err);
        } else if (change_one(x, run, c, m, err)) {
            return -1;
        }
    return r;
}

static int run_flags(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct flagging *x = ctx;
    struct local_mailbox mb;
    struct flag_run run = { .db = db, .mb = &mb };

    if (ph_local_find_open(db, x->w, x->b->uidvalidity, R_READ, &mb, err))
        return -1;
    run.modseq = ph_local_next_modseq(u);
    for (size_t i = 0; i < x->b->n; i++)
        if (change(x, &run, &x->b->changes[i], err))
            return -1;
    if (!run.any) { /* nothing to tell anybody */
        u->state.modseq = run.modseq - 1;
        return 0;
    }
    mb.modseq = run.modseq;
    return ph_local_mailbox_save(db, &mb, err);
}

int ph_local_store_flags(struct ph_session *base, struct ph_flag_batch *batches, size_t n, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct flagging *x = n ? calloc(n, sizeof *x) : NULL;
    struct local_where *w = n ? calloc(n, sizeof *w) : NULL;
    struct local_op *op = n ? calloc(n, sizeof *op) : NULL;
    int r = n && (!x || !w || !op) ? ph_fail_memory(err) : ph_local_begin(s, err);

    ph_local_bodies_end(s);
    for (size_t i = 0; !r && i < n; i++) { /* queued together: one commit */
        ph_err_clear(&batches[i].result);
        if (ph_local_where(s, batches[i].folder, &w[i], &batches[i].result))
            continue;
        x[i].w = &w[i];
        x[i].b = &batches[i];
        op[i] = (struct local_op){ .run = run_flags, .ctx = &x[i] };
        ph_local_submit(w[i].u, &op[i]);
    }
    for (size_t i = 0; !r && i < n; i++)
        if (op[i].run) {
            ph_local_await(w[i].u, &op[i], &batches[i].result);
            ph_local_where_done(&w[i]);
        }
    free(x);
    free(w);
    free(op);
    return r;
}

/* ---- removal ---- */

struct expunging {
    const struct local_where *w;
    uint32_t uidvalidity;
    const struct ph_numset *uids; /* NULL: all */
    bool marked;                  /* only those that are marked deleted */
    struct ph_numset gone;
    uint64_t modseq;
};

static int run_expunge(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct expunging *x = ctx;
    struct local_mailbox mb;
    struct local_walk walk;
    struct local_message *m;
    int r;

    ph_numset_clear(&x->gone);
    if (ph_local_find_open(db, x->w, x->uidvalidity, R_EXPUNGE | (x->marked ? 0 : R_MARK), &mb, err))
        return -1;
    x->modseq = mb.modseq;
    if (x->marked && mb.deleted == 0)
        return 0;
    ph_local_walk_init(&walk, db, mb.id, x->uids);
    while ((r = ph_local_walk_next(&walk, &m, err)) > 0) {
        if (x->marked && !(m->flags & PH_F_DELETED))
            continue;
        if (ph_numset_add(&x->gone, m->uid))
            return ph_fail_memory(err);
        if (ph_local_message_remove(u, db, &mb, m, err))
            return -1;
    }
    if (r || ph_numset_empty(&x->gone))
        return r;
    x->modseq = mb.modseq = ph_local_next_modseq(u);
    return ph_local_gone(u, db, &mb, &x->gone, mb.modseq, err) || ph_local_mailbox_save(db, &mb, err) ? -1 : 0;
}

static int expunge(struct local_session *s, const char *folder, struct expunging *x, struct ph_err *err)
{
    struct local_where w;

    ph_local_bodies_end(s);
    if (ph_local_begin(s, err) || ph_local_where(s, folder, &w, err))
        return -1;
    x->w = &w;
    int r = ph_local_do(w.u, run_expunge, x, false, err);
    ph_local_where_done(&w);
    return r;
}

int ph_local_expunge(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                     bool expunge_all, struct ph_err *err)
{
    struct expunging x = { .uidvalidity = uidvalidity, .uids = uids };

    if (ph_numset_empty(uids)) /* what others have marked is theirs: every message can be named here */
        return 0;
    int r = expunge(local_session(base), folder, &x, err);
    ph_numset_done(&x.gone);
    return r;
}

int ph_local_expunge_deleted(struct ph_session *base, const char *folder, uint32_t uidvalidity,
                             const struct ph_numset *uids, struct ph_numset *gone, uint64_t *modseq, struct ph_err *err)
{
    struct expunging x = { .uidvalidity = uidvalidity, .uids = uids, .marked = true };
    int r = expunge(local_session(base), folder, &x, err);

    if (!r && gone && ph_numset_add_set(gone, &x.gone))
        r = ph_fail_memory(err);
    if (modseq)
        *modseq = x.modseq;
    ph_numset_done(&x.gone);
    return r;
}
