/* commit.c: the one queue of a user's changes, and the leader who commits it.
 *
 * Whoever waits while nobody leads takes all that is queued: syncs the packs it refers to, begins one transaction, runs
 * the operations each in a savepoint, and commits. What is queued meanwhile is the next leader's. So with n threads at work
 * about n operations share two syncs, and one thread alone waits for nobody. */
#include <stdlib.h>
#include <string.h>

#include "store/local/private.h"

int ph_local_state_read(struct local_db *db, struct local_state *st, struct ph_err *err)
{
    sqlite3_stmt *q = local_prepare(db, err, "SELECT modseq, uidvalidity, mailbox, body, pack, octets, messages,"
                                             " folders_at, subs_at, meta_at FROM state WHERE id = 1");

    if (!q)
        return -1;
    int r = ph_local_step(db, q, err);
    if (r == 0)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_CORRUPT, "%s is damaged (no state): check and repair it", db->path);
    if (r < 0)
        return -1;
    st->modseq = (uint64_t)sqlite3_column_int64(q, 0);
    st->uidvalidity = (uint32_t)sqlite3_column_int64(q, 1);
    st->mailbox = (uint32_t)sqlite3_column_int64(q, 2);
    st->body = sqlite3_column_int64(q, 3);
    st->pack = (uint32_t)sqlite3_column_int64(q, 4);
    st->octets = (uint64_t)sqlite3_column_int64(q, 5);
    st->messages = (uint64_t)sqlite3_column_int64(q, 6);
    st->folders_at = (uint64_t)sqlite3_column_int64(q, 7);
    st->subs_at = (uint64_t)sqlite3_column_int64(q, 8);
    st->meta_at = (uint64_t)sqlite3_column_int64(q, 9);
    sqlite3_reset(q);
    return 0;
}

static int write_state(struct local_user *u, struct ph_err *err)
{
    const struct local_state *s = &u->state;

    return local_exec(&u->db, err,
                      "UPDATE state SET modseq = ?1, uidvalidity = ?2, mailbox = ?3, body = ?4, pack = ?5, octets = ?6,"
                      " messages = ?7, folders_at = ?8, subs_at = ?9, meta_at = ?10 WHERE id = 1",
                      LI(s->modseq), LI(s->uidvalidity), LI(s->mailbox), LI(s->body), LI(s->pack), LI(s->octets),
                      LI(s->messages), LI(s->folders_at), LI(s->subs_at), LI(s->meta_at));
}

uint64_t ph_local_next_modseq(struct local_user *u)
{
    return ++u->state.modseq;
}

static void fail_all(struct local_op *ops, const struct ph_err *why)
{
    for (struct local_op *op = ops; op; op = op->next)
        if (op->result == 0) {
            op->result = -1;
            op->err = *why;
        }
}

/* One operation: what it did is there whole or not at all. */
static int run_one(struct local_user *u, struct local_op *op, bool alone, struct ph_err *err)
{
    struct local_state before = u->state;

    if (!alone && local_exec(&u->db, err, "SAVEPOINT op"))
        return -1;
    op->result = op->run(u, &u->db, op->ctx, &op->err);
    if (op->result)
        u->state = before;
    if (alone)
        return 0; /* the transaction itself is given up */
    if (op->result && sqlite3_get_autocommit(u->db.h))
        return ph_local_db_fail(&u->db, err); /* SQLite gave up the whole transaction: disk full, I/O error */
    if (op->result && local_exec(&u->db, err, "ROLLBACK TO op"))
        return -1;
    return local_exec(&u->db, err, "RELEASE op");
}

static int transact(struct local_user *u, struct local_op *ops, struct ph_err *err)
{
    bool alone = !ops->next, any = false;

    if (local_exec(&u->db, err, "BEGIN IMMEDIATE"))
        return -1;
    if (ph_local_state_read(&u->db, &u->state, err))
        return -1;
    struct local_state before = u->state;
    for (struct local_op *op = ops; op; op = op->next) {
        if (run_one(u, op, alone, err))
            return -1;
        any = any || op->result == 0;
    }
    if (!any)
        return local_exec(&u->db, err, "ROLLBACK");
    if (memcmp(&before, &u->state, sizeof before) != 0 && write_state(u, err))
        return -1;
    return local_exec(&u->db, err, "COMMIT");
}

static void commit_group(struct local_user *u, struct local_op *ops)
{
    struct ph_err why = { 0 };
    uint64_t n = 0;
    bool lazy = true;

    for (struct local_op *op = ops; op; op = op->next, n++)
        lazy = lazy && op->lazy;
    if (!lazy)
        ph_local_packs_sync(u);
    /* What need not be durable by itself goes into the log without a sync: the next commit takes it along. */
    if (lazy && ph_local_script(&u->db, "PRAGMA synchronous=NORMAL", &why))
        lazy = false;
    if (why.kind == PH_OK && transact(u, ops, &why)) {
        if (!sqlite3_get_autocommit(u->db.h))
            sqlite3_exec(u->db.h, "ROLLBACK", NULL, NULL, NULL);
        fail_all(ops, &why);
    }
    if (lazy && ph_local_script(&u->db, "PRAGMA synchronous=FULL", &why))
        fail_all(ops, &why);
    atomic_fetch_add(&u->generation, 1);
    atomic_fetch_add(&u->root->commits, 1);
    atomic_fetch_add(&u->root->operations, n);
}

/* Under mu, which is given back meanwhile. */
static void lead(struct local_user *u)
{
    struct local_op *ops = u->queue, *next;

    u->leading = true;
    u->queue = NULL;
    u->queue_end = &u->queue;
    pthread_mutex_unlock(&u->mu);
    commit_group(u, ops);
    pthread_mutex_lock(&u->mu);
    for (struct local_op *op = ops; op; op = next) {
        next = op->next;
        op->done = true; /* its owner may free it as soon as mu is free */
    }
    u->leading = false;
    pthread_cond_broadcast(&u->done);
}

void ph_local_submit(struct local_user *u, struct local_op *op)
{
    op->next = NULL;
    op->done = false;
    op->result = 0;
    ph_err_clear(&op->err);
    pthread_mutex_lock(&u->mu);
    *u->queue_end = op;
    u->queue_end = &op->next;
    pthread_mutex_unlock(&u->mu);
}

bool ph_local_submitted_done(struct local_user *u, struct local_op *op)
{
    pthread_mutex_lock(&u->mu);
    bool done = op->done || !u->leading;
    pthread_mutex_unlock(&u->mu);
    return done;
}

int ph_local_await(struct local_user *u, struct local_op *op, struct ph_err *err)
{
    bool led = false;

    pthread_mutex_lock(&u->mu);
    while (!op->done)
        if (u->leading) {
            pthread_cond_wait(&u->done, &u->mu);
        } else {
            lead(u);
            led = true;
        }
    pthread_mutex_unlock(&u->mu);
    if (led)
        ph_local_publish(u);
    if (op->result && err)
        *err = op->err;
    return op->result;
}

int ph_local_do(struct local_user *u, int (*run)(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err),
                void *ctx, bool lazy, struct ph_err *err)
{
    struct local_op op = { .run = run, .ctx = ctx, .lazy = lazy };

    ph_local_submit(u, &op);
    return ph_local_await(u, &op, err);
}
