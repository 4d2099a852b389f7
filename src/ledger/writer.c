/* writer.c: ops into one transaction. Runs in the writer thread only. */
#include <string.h>

#include "ledger/private.h"

static int run_id(struct ph_ledger *l, enum statement which, int64_t id, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, which, err);

    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, id);
    return ph_ledger_run(l, &l->db, st, err);
}

/* Refused messages are few, so most runs never touch that table. */
static int drop_reason(struct ph_ledger *l, int64_t id, struct ph_err *err)
{
    return l->has_reasons ? run_id(l, ST_REASON_DROP, id, err) : 0;
}

static int put_rows(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    const struct packed_row *row = (const struct packed_row *)op->data;
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_PUT, err);

    if (!st)
        return -1;
    for (size_t i = 0; i < op->n; i++, row++) {
        sqlite3_bind_int64(st, 1, row_id(op->folder, row->src_uid));
        sqlite3_bind_int64(st, 2, row->dst_uid);
        sqlite3_bind_blob(st, 3, row->data, (int)row->len, SQLITE_STATIC);
        if (ph_ledger_run(l, &l->db, st, err))
            return -1;
        if (drop_reason(l, row_id(op->folder, row->src_uid), err))
            return -1;
    }
    return 0;
}

static int refuse(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    const struct packed_row *row = (const struct packed_row *)op->data;
    sqlite3_stmt *st;

    if (put_rows(l, op, err) || !(st = ph_ledger_stmt(l, &l->db, ST_REASON_ADD, err)))
        return -1;
    l->has_reasons = true;
    sqlite3_bind_int64(st, 1, row_id(op->folder, row->src_uid));
    /* a server's words may be no UTF-8 at all */
    sqlite3_bind_blob(st, 2, op->data + sizeof *row, (int)(op->bytes - sizeof *row), SQLITE_STATIC);
    return ph_ledger_run(l, &l->db, st, err);
}

static int forget(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    const uint32_t *uid = (const uint32_t *)op->data;

    for (size_t i = 0; i < op->n; i++)
        if (run_id(l, ST_FORGET, row_id(op->folder, uid[i]), err) ||
            drop_reason(l, row_id(op->folder, uid[i]), err))
            return -1;
    return 0;
}

static int reset(struct ph_ledger *l, int64_t folder, struct ph_err *err)
{
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, i ? ST_RESET_REASON : ST_RESET_MAP, err);
        if (!st)
            return -1;
        sqlite3_bind_int64(st, 1, row_id(folder, 0));
        sqlite3_bind_int64(st, 2, row_id(folder, UINT32_MAX));
        if (ph_ledger_run(l, &l->db, st, err))
            return -1;
    }
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_BASELINE, err);
    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, folder);
    sqlite3_bind_null(st, 2);
    return ph_ledger_run(l, &l->db, st, err);
}

static int add_intent(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_INTENT_ADD, err);

    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, op->intent);
    sqlite3_bind_int64(st, 2, op->folder);
    sqlite3_bind_int64(st, 3, op->uidvalidity);
    sqlite3_bind_int64(st, 4, op->uidnext);
    sqlite3_bind_blob(st, 5, op->data, (int)op->bytes, SQLITE_STATIC);
    return ph_ledger_run(l, &l->db, st, err);
}

/* A folder, a baseline, a named value: the blob is op->data, its first op->n bytes the first of two texts. */
static int add_folder(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_FOLDER_ADD, err);

    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, op->folder);
    sqlite3_bind_text(st, 2, (const char *)op->data, (int)op->n, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, (const char *)op->data + op->n, (int)(op->bytes - op->n), SQLITE_STATIC);
    return ph_ledger_run(l, &l->db, st, err);
}

static int set_baseline(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_BASELINE, err);

    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, op->folder);
    sqlite3_bind_blob(st, 2, op->data, (int)op->bytes, SQLITE_STATIC);
    return ph_ledger_run(l, &l->db, st, err);
}

static int set_meta(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_META_SET, err);

    if (!st)
        return -1;
    sqlite3_bind_text(st, 1, (const char *)op->data, (int)op->n, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, op->data + op->n, (int)(op->bytes - op->n), SQLITE_STATIC);
    return ph_ledger_run(l, &l->db, st, err);
}

static int apply(struct ph_ledger *l, const struct op *op, struct ph_err *err)
{
    sqlite3_stmt *st;

    switch (op->kind) {
    case OP_META:
        return set_meta(l, op, err);
    case OP_FOLDER:
        return add_folder(l, op, err);
    case OP_BASELINE:
        return set_baseline(l, op, err);
    case OP_RESET:
        return reset(l, op->folder, err);
    case OP_PUT:
        return put_rows(l, op, err);
    case OP_FORGET:
        return forget(l, op, err);
    case OP_REFUSE:
        return refuse(l, op, err);
    case OP_INTENT:
        return add_intent(l, op, err);
    case OP_CONFIRM:
        return put_rows(l, op, err) ? -1 : run_id(l, ST_INTENT_DROP, op->intent, err);
    case OP_DROP:
        return run_id(l, ST_INTENT_DROP, op->intent, err);
    case OP_INDEX:
        st = ph_ledger_stmt(l, &l->db, ST_INDEX, err);
        return st ? ph_ledger_run(l, &l->db, st, err) : -1;
    case OP_NOTHING:
        break;
    }
    return 0;
}

static int run_plain(struct ph_ledger *l, enum statement which, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, which, err);

    return st ? ph_ledger_run(l, &l->db, st, err) : -1;
}

int ph_ledger_commit_ops(struct ph_ledger *l, const struct op *ops, struct ph_err *err)
{
    if (run_plain(l, ST_BEGIN, err))
        return -1;
    for (const struct op *op = ops; op; op = op->next)
        if (apply(l, op, err))
            goto back;
    if (run_plain(l, ST_COMMIT, err) == 0)
        return 0;
back:
    /* SQLite may have rolled back by itself */
    if (!sqlite3_get_autocommit(l->db.h))
        run_plain(l, ST_ROLLBACK, NULL);
    return -1;
}
