/* queue.c: ops on their way to disk, and the thread that brings them there.
 *
 * The writer takes everything that is queued into one transaction, so a commit (which waits for the disk) is shared by
 * all lanes. It begins at once when somebody waits or will (an intent); what nobody waits for, confirmations above
 * all, rides along with the next one or goes after LAZY_MS. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "ledger/private.h"

#define LAZY_MS 100
#define QUEUE_BYTES (512 * 1024) /* above it, callers that hand in rows wait for the disk */
#define ROWS_PER_OP 1024

struct op *ph_ledger_op(enum op_kind kind, int64_t folder, size_t bytes, struct ph_err *err)
{
    struct op *op = bytes <= SIZE_MAX / 2 ? malloc(sizeof *op + bytes) : NULL;

    if (!op) {
        ph_fail_memory(err);
        return NULL;
    }
    *op = (struct op){ .kind = kind, .folder = folder, .bytes = bytes };
    return op;
}

static int failed(const struct ph_ledger *l, struct ph_err *err)
{
    if (err)
        *err = l->failure;
    return -1;
}

static void free_ops(struct op *op)
{
    while (op) {
        struct op *next = op->next;
        free(op);
        op = next;
    }
}

static size_t op_bytes(const struct op *op)
{
    return sizeof *op + op->bytes;
}

static bool touches_rows(enum op_kind kind)
{
    return kind != OP_META && kind != OP_FOLDER && kind != OP_BASELINE && kind != OP_NOTHING;
}

int ph_ledger_submit(struct ph_ledger *l, struct op *op, bool urgent, uint64_t *seq, struct ph_err *err)
{
    bool wake;

    if (l->dry && op->kind != OP_NOTHING) {
        free(op);
        if (seq)
            *seq = 0;
        return 0;
    }
    pthread_mutex_lock(&l->mu);
    /* Rows may come faster than a disk takes them. An intent is let through: the lane that brings it waits anyway. */
    while (op->kind != OP_INTENT && op->kind != OP_NOTHING && l->queued > QUEUE_BYTES && !l->failed) {
        l->urgent = true;
        pthread_cond_signal(&l->work);
        pthread_cond_wait(&l->done, &l->mu);
    }
    if (l->failed) {
        failed(l, err);
        pthread_mutex_unlock(&l->mu);
        free(op);
        return -1;
    }
    op->seq = ++l->last_seq;
    if (touches_rows(op->kind)) {
        struct folder *f = ph_ledger_folder_by_id(&l->folders, op->folder);
        if (f)
            f->dirty = op->seq;
    }
    if (op->kind == OP_META)
        l->meta_dirty = op->seq;
    if (op->kind == OP_DROP)
        l->drop_dirty = op->seq;
    wake = !l->head || (urgent && !l->urgent);
    if (!l->head)
        l->first_ms = ph_now_ms();
    l->urgent |= urgent;
    l->queued += op_bytes(op);
    *l->tail = op;
    l->tail = &op->next;
    if (seq)
        *seq = op->seq;
    if (wake)
        pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mu);
    return 0;
}

int ph_ledger_wait(struct ph_ledger *l, uint64_t ticket, struct ph_err *err)
{
    int r = 0;

    pthread_mutex_lock(&l->mu);
    if (ticket > l->last_seq)
        r = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the ledger gave no such ticket");
    while (!r && l->committed < ticket) {
        if (l->failed) {
            r = failed(l, err);
            break;
        }
        if (!l->urgent && l->head) {
            l->urgent = true;
            pthread_cond_signal(&l->work);
        }
        pthread_cond_wait(&l->done, &l->mu);
    }
    pthread_mutex_unlock(&l->mu);
    return r;
}

int ph_ledger_flush(struct ph_ledger *l, struct ph_err *err)
{
    pthread_mutex_lock(&l->mu);
    uint64_t last = l->last_seq;
    /* also a failure of what nobody waited for */
    int r = l->failed ? failed(l, err) : 0;
    pthread_mutex_unlock(&l->mu);
    return r ? r : ph_ledger_wait(l, last, err);
}

/* Wait for something to commit; false: the ledger is being closed and nothing is left. */
static bool gather(struct ph_ledger *l)
{
    while (!l->head) {
        if (l->stop)
            return false;
        pthread_cond_wait(&l->work, &l->mu);
    }
    int64_t until = l->first_ms + LAZY_MS;
    while (!l->urgent && !l->stop && l->queued <= QUEUE_BYTES / 2) {
        struct timespec ts = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
        if (pthread_cond_timedwait(&l->work, &l->mu, &ts) == ETIMEDOUT)
            break;
    }
    return true;
}

void *ph_ledger_writer_main(void *ledger)
{
    struct ph_ledger *l = ledger;

    pthread_mutex_lock(&l->mu);
    while (gather(l)) {
        struct op *ops = l->head;
        uint64_t last = l->last_seq;
        struct ph_err err = { 0 };

        l->writing = ops;
        l->head = NULL;
        l->tail = &l->head;
        l->urgent = false;
        bool skip = l->failed;
        pthread_mutex_unlock(&l->mu);

        size_t bytes = 0;
        for (struct op *op = ops; op; op = op->next)
            bytes += op_bytes(op);
        int r = skip ? 0 : ph_ledger_commit_ops(l, ops, &err);

        pthread_mutex_lock(&l->mu);
        l->writing = NULL;
        free_ops(ops);
        l->queued -= bytes;
        if (r) {
            /* What was in this transaction is gone, so nothing after it may be written either. */
            l->failed = true;
            l->failure = err;
        } else if (!skip) {
            l->committed = last;
        }
        pthread_cond_broadcast(&l->done);
    }
    pthread_mutex_unlock(&l->mu);
    return NULL;
}

/* ---- what is on its way ---- */

/* Ops in their order: those being written, then those queued. The writer's list ends where the queue's began. */
static const struct op *next_op(const struct ph_ledger *l, const struct op *op, bool *queued)
{
    op = op ? op->next : l->writing;
    if (!op && !*queued) {
        *queued = true;
        op = l->head;
    }
    return op;
}

static const struct packed_row *find_row(const struct op *op, uint32_t src_uid, uint32_t dst_uid)
{
    const struct packed_row *row = (const struct packed_row *)op->data;

    for (size_t i = op->n; i-- > 0;)
        if (src_uid ? row[i].src_uid == src_uid : row[i].dst_uid == dst_uid)
            return &row[i];
    return NULL;
}

static bool forgets(const struct op *op, uint32_t src_uid)
{
    const uint32_t *uid = (const uint32_t *)op->data;

    for (size_t i = 0; i < op->n; i++)
        if (uid[i] == src_uid)
            return true;
    return false;
}

int ph_ledger_pending_row(struct ph_ledger *l, int64_t folder, uint32_t src_uid, struct packed_row *out)
{
    const struct packed_row *row;
    bool queued = false;
    int is = -1;

    pthread_mutex_lock(&l->mu);
    for (const struct op *op = NULL; !l->failed && (op = next_op(l, op, &queued));) {
        if (op->folder != folder)
            continue;
        switch (op->kind) {
        case OP_PUT:
        case OP_CONFIRM:
        case OP_REFUSE:
            row = find_row(op, src_uid, 0);
            if (row) {
                *out = *row;
                is = 1;
            }
            break;
        case OP_FORGET:
            if (forgets(op, src_uid))
                is = 0;
            break;
        case OP_RESET:
            is = 0;
            break;
        default:
            break;
        }
    }
    pthread_mutex_unlock(&l->mu);
    return is;
}

int ph_ledger_pending_dst(struct ph_ledger *l, int64_t folder, uint32_t dst_uid)
{
    bool queued = false;
    int is = 0;

    pthread_mutex_lock(&l->mu);
    for (const struct op *op = NULL; (op = next_op(l, op, &queued));)
        if (op->folder == folder && (op->kind == OP_PUT || op->kind == OP_CONFIRM) && find_row(op, 0, dst_uid))
            is = 1;
    pthread_mutex_unlock(&l->mu);
    return is;
}

/* ---- what callers submit ---- */

static int check_folder(int64_t folder, struct ph_err *err)
{
    if (folder <= 0 || folder > INT32_MAX)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no folder of the ledger has the number %lld",
                       (long long)folder);
    return 0;
}

static int pack_row(const struct ph_ledger_row *row, struct packed_row *out, struct ph_err *err)
{
    static const unsigned char none[32];

    if (row->src_uid == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a row of the ledger has no source UID");
    out->src_uid = row->src_uid;
    out->dst_uid = row->dst_uid;
    out->data[0] = row->state;
    put_le(out->data + 1, row->flags_hash, 8);
    put_le(out->data + 9, row->size, 8);
    out->len = 17;
    if (memcmp(row->sha256, none, 32) != 0) {
        memcpy(out->data + 17, row->sha256, 32);
        out->len = 49;
    }
    return 0;
}

static int submit_rows(struct ph_ledger *l, enum op_kind kind, int64_t intent, int64_t folder,
                       const struct ph_ledger_row *rows, size_t n, struct ph_err *err)
{
    struct op *op = ph_ledger_op(kind, folder, n * sizeof(struct packed_row), err);

    if (!op)
        return -1;
    op->intent = intent;
    op->n = n;
    for (size_t i = 0; i < n; i++)
        if (pack_row(&rows[i], (struct packed_row *)op->data + i, err)) {
            free(op);
            return -1;
        }
    return ph_ledger_submit(l, op, false, NULL, err);
}

int ph_ledger_put(struct ph_ledger *l, int64_t folder, const struct ph_ledger_row *rows, size_t n,
                  struct ph_err *err)
{
    if (check_folder(folder, err))
        return -1;
    /* in pieces: adopting a large folder must not need a copy of its rows */
    for (size_t i = 0; i < n; i += ROWS_PER_OP)
        if (submit_rows(l, OP_PUT, 0, folder, rows + i, n - i < ROWS_PER_OP ? n - i : ROWS_PER_OP, err))
            return -1;
    return 0;
}

int ph_ledger_confirm(struct ph_ledger *l, int64_t intent, int64_t folder, const struct ph_ledger_row *rows,
                      size_t n, struct ph_err *err)
{
    return check_folder(folder, err) ? -1 : submit_rows(l, OP_CONFIRM, intent, folder, rows, n, err);
}

int ph_ledger_drop(struct ph_ledger *l, int64_t intent, struct ph_err *err)
{
    struct op *op = ph_ledger_op(OP_DROP, 0, 0, err);

    if (!op)
        return -1;
    op->intent = intent;
    return ph_ledger_submit(l, op, false, NULL, err);
}

int ph_ledger_forget(struct ph_ledger *l, int64_t folder, const uint32_t *src_uids, size_t n, struct ph_err *err)
{
    if (check_folder(folder, err))
        return -1;
    for (size_t i = 0; i < n; i += ROWS_PER_OP) {
        size_t m = n - i < ROWS_PER_OP ? n - i : ROWS_PER_OP;
        struct op *op = ph_ledger_op(OP_FORGET, folder, m * sizeof *src_uids, err);
        if (!op)
            return -1;
        op->n = m;
        memcpy(op->data, src_uids + i, m * sizeof *src_uids);
        if (ph_ledger_submit(l, op, false, NULL, err))
            return -1;
    }
    return 0;
}

int ph_ledger_refuse(struct ph_ledger *l, int64_t folder, uint32_t src_uid, uint64_t size, const char *reason,
                     struct ph_err *err)
{
    struct ph_ledger_row row = { .src_uid = src_uid, .size = size, .state = PH_LR_REFUSED };
    size_t len = reason ? strlen(reason) : 0;
    struct op *op;

    if (check_folder(folder, err))
        return -1;
    op = ph_ledger_op(OP_REFUSE, folder, sizeof(struct packed_row) + len, err);
    if (!op)
        return -1;
    op->n = 1;
    if (pack_row(&row, (struct packed_row *)op->data, err)) {
        free(op);
        return -1;
    }
    if (len)
        memcpy(op->data + sizeof(struct packed_row), reason, len);
    return ph_ledger_submit(l, op, false, NULL, err);
}

int ph_ledger_folder_reset(struct ph_ledger *l, int64_t folder, struct ph_err *err)
{
    struct op *op = check_folder(folder, err) ? NULL : ph_ledger_op(OP_RESET, folder, 0, err);

    if (!op)
        return -1;
    pthread_mutex_lock(&l->mu);
    struct folder *f = ph_ledger_folder_by_id(&l->folders, folder);
    if (f) {
        memset(&f->baseline, 0, sizeof f->baseline);
        f->hidden = l->dry;
    }
    pthread_mutex_unlock(&l->mu);
    return ph_ledger_submit(l, op, false, NULL, err);
}

int ph_ledger_intent(struct ph_ledger *l, const struct ph_intent *in, int64_t *id, uint64_t *ticket,
                     struct ph_err *err)
{
    struct op *op;

    *id = 0;
    *ticket = 0;
    if (check_folder(in->folder, err))
        return -1;
    pthread_mutex_lock(&l->mu);
    *id = l->next_intent++;
    pthread_mutex_unlock(&l->mu);
    if (l->no_intents)
        return 0;
    if (in->n > INT32_MAX / INTENT_MESSAGE)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "too many messages in one batch");
    op = ph_ledger_op(OP_INTENT, in->folder, in->n * INTENT_MESSAGE, err);
    if (!op)
        return -1;
    op->intent = *id;
    op->uidvalidity = in->dst_uidvalidity;
    op->uidnext = in->dst_uidnext;
    op->n = in->n;
    for (size_t i = 0; i < in->n; i++) {
        unsigned char *p = op->data + i * INTENT_MESSAGE;
        put_le(p, in->messages[i].src_uid, 4);
        put_le(p + 4, in->messages[i].key, 8);
        put_le(p + 12, in->messages[i].size, 8);
        put_le(p + 20, in->messages[i].flags_hash, 8);
    }
    return ph_ledger_submit(l, op, true, ticket, err);
}

void ph_ledger_dry(struct ph_ledger *l)
{
    l->dry = true;
}

void ph_ledger_no_intents(struct ph_ledger *l)
{
    l->no_intents = true;
}
