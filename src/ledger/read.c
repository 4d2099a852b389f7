/* read.c: what the ledger knows, through connections that do not disturb the writer. */
#include <stdlib.h>
#include <string.h>

#include "ledger/private.h"

#define POOL 4

/* ---- the pool ---- */

int ph_ledger_reader(struct ph_ledger *l, uint64_t seq, struct ledger_db **out, struct ph_err *err)
{
    struct ledger_db *db;

    *out = NULL;
    if (ph_ledger_wait(l, seq, err))
        return -1;
    pthread_mutex_lock(&l->mu);
    db = l->pool;
    if (db) {
        l->pool = db->next;
        l->n_pool--;
    }
    pthread_mutex_unlock(&l->mu);
    if (!db) {
        db = malloc(sizeof *db);
        if (!db)
            return ph_fail_memory(err);
        if (ph_ledger_db_open(l, false, db, err)) {
            free(db);
            return -1;
        }
    }
    *out = db;
    return 0;
}

void ph_ledger_reader_back(struct ph_ledger *l, struct ledger_db *db)
{
    pthread_mutex_lock(&l->mu);
    bool keep = l->n_pool < POOL;
    if (keep) {
        db->next = l->pool;
        l->pool = db;
        l->n_pool++;
    }
    pthread_mutex_unlock(&l->mu);
    if (!keep) {
        ph_ledger_db_close(db);
        free(db);
    }
}

/* A reader that sees all that was queued for this folder, with its statement. */
static sqlite3_stmt *begin(struct ph_ledger *l, int64_t folder, enum statement which, struct ledger_db **db,
                           struct ph_err *err)
{
    uint64_t seq;

    if (ph_ledger_dirty(l, folder, &seq, err) || ph_ledger_reader(l, seq, db, err))
        return NULL;
    sqlite3_stmt *st = ph_ledger_stmt(l, *db, which, err);
    if (!st)
        ph_ledger_reader_back(l, *db);
    return st;
}

static void end(struct ph_ledger *l, struct ledger_db *db, sqlite3_stmt *st)
{
    sqlite3_reset(st); /* or its view of the file would keep the log from being emptied */
    ph_ledger_reader_back(l, db);
}

/* 1 row, 0 none, -1 */
static int step(struct ph_ledger *l, struct ledger_db *db, sqlite3_stmt *st, struct ph_err *err)
{
    int rc = sqlite3_step(st);

    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : ph_ledger_db_fail(l, db, err);
}

/* ---- rows ---- */

static void unpack_row(const unsigned char *p, size_t n, struct ph_ledger_row *out)
{
    out->state = p[0];
    out->flags_hash = get_le(p + 1, 8);
    out->size = get_le(p + 9, 8);
    if (n == 49)
        memcpy(out->sha256, p + 17, 32);
}

static int read_row(struct ph_ledger *l, sqlite3_stmt *st, struct ph_ledger_row *out, struct ph_err *err)
{
    const unsigned char *p = sqlite3_column_blob(st, 2);
    int n = sqlite3_column_bytes(st, 2);

    memset(out, 0, sizeof *out);
    if (n != 17 && n != 49)
        return ph_ledger_damaged(l, "a row has the wrong length", err);
    out->src_uid = (uint32_t)sqlite3_column_int64(st, 0);
    out->dst_uid = (uint32_t)sqlite3_column_int64(st, 1);
    unpack_row(p, (size_t)n, out);
    return 1;
}

static bool is_hidden(struct ph_ledger *l, int64_t folder)
{
    pthread_mutex_lock(&l->mu);
    const struct folder *f = l->dry ? ph_ledger_folder_by_id(&l->folders, folder) : NULL;
    bool hidden = f && f->hidden;
    pthread_mutex_unlock(&l->mu);
    return hidden;
}

struct ph_ledger_cursor {
    struct ph_ledger *l;
    struct ledger_db *db;
    sqlite3_stmt *st;
    bool at_end;
};

int ph_ledger_rows(struct ph_ledger *l, int64_t folder, struct ph_ledger_cursor **out, struct ph_err *err)
{
    struct ph_ledger_cursor *c = malloc(sizeof *c);

    *out = NULL;
    if (!c)
        return ph_fail_memory(err);
    *c = (struct ph_ledger_cursor){ .l = l, .at_end = is_hidden(l, folder) };
    c->st = begin(l, folder, ST_ROWS, &c->db, err);
    if (!c->st) {
        free(c);
        return -1;
    }
    sqlite3_bind_int64(c->st, 1, row_id(folder, 0));
    sqlite3_bind_int64(c->st, 2, row_id(folder, UINT32_MAX));
    *out = c;
    return 0;
}

int ph_ledger_rows_next(struct ph_ledger_cursor *c, struct ph_ledger_row *out, struct ph_err *err)
{
    if (c->at_end)
        return 0;
    int r = step(c->l, c->db, c->st, err);
    if (r == 1)
        r = read_row(c->l, c->st, out, err);
    c->at_end = r <= 0;
    return r;
}

void ph_ledger_rows_end(struct ph_ledger_cursor *c)
{
    if (!c)
        return;
    end(c->l, c->db, c->st);
    free(c);
}

/* A reader for what is committed, without waiting for what is queued. */
static sqlite3_stmt *begin_now(struct ph_ledger *l, enum statement which, struct ledger_db **db, struct ph_err *err)
{
    if (ph_ledger_reader(l, 0, db, err))
        return NULL;
    sqlite3_stmt *st = ph_ledger_stmt(l, *db, which, err);
    if (!st)
        ph_ledger_reader_back(l, *db);
    return st;
}

int ph_ledger_row(struct ph_ledger *l, int64_t folder, uint32_t src_uid, struct ph_ledger_row *out,
                  struct ph_err *err)
{
    struct packed_row queued;
    struct ledger_db *db;
    int r = is_hidden(l, folder) ? 0 : ph_ledger_pending_row(l, folder, src_uid, &queued);

    if (r == 1) {
        *out = (struct ph_ledger_row){ .src_uid = queued.src_uid, .dst_uid = queued.dst_uid };
        unpack_row(queued.data, queued.len, out);
    }
    if (r >= 0)
        return r;
    /* an op is in the queue until a reader can see it, so nothing falls between */
    sqlite3_stmt *st = begin_now(l, ST_ROW, &db, err);
    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, row_id(folder, src_uid));
    r = step(l, db, st, err);
    if (r == 1)
        r = read_row(l, st, out, err);
    end(l, db, st);
    return r;
}

/* Only destinations that merge messages are asked for their UIDs, so the index is made at the first question. */
static int want_index(struct ph_ledger *l, int64_t folder, struct ph_err *err)
{
    uint64_t seq;

    pthread_mutex_lock(&l->mu);
    bool has = l->has_index;
    pthread_mutex_unlock(&l->mu);
    if (has)
        return 0;
    struct op *op = ph_ledger_op(OP_INDEX, folder, 0, err);
    if (!op || ph_ledger_submit(l, op, true, &seq, err) || ph_ledger_wait(l, seq, err))
        return -1;
    pthread_mutex_lock(&l->mu);
    l->has_index = true;
    pthread_mutex_unlock(&l->mu);
    return 0;
}

int ph_ledger_has_dst(struct ph_ledger *l, int64_t folder, uint32_t dst_uid, struct ph_err *err)
{
    struct ledger_db *db;

    if (want_index(l, folder, err))
        return -1;
    if (ph_ledger_pending_dst(l, folder, dst_uid))
        return 1;
    sqlite3_stmt *st = begin_now(l, ST_HAS_DST, &db, err);
    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, folder);
    sqlite3_bind_int64(st, 2, dst_uid);
    int r = step(l, db, st, err);
    end(l, db, st);
    return r;
}

static size_t copy_blob(sqlite3_stmt *st, void *buf, size_t n)
{
    size_t len = (size_t)sqlite3_column_bytes(st, 0);
    const void *p = sqlite3_column_blob(st, 0);

    if (len && n)
        memcpy(buf, p, len < n ? len : n);
    return len;
}

int ph_ledger_reason(struct ph_ledger *l, int64_t folder, uint32_t src_uid, char *buf, size_t n, struct ph_err *err)
{
    struct ledger_db *db;
    sqlite3_stmt *st = begin(l, folder, ST_REASON, &db, err);

    if (n)
        *buf = '\0';
    if (!st)
        return -1;
    sqlite3_bind_int64(st, 1, row_id(folder, src_uid));
    int r = step(l, db, st, err);
    if (r == 1 && n) {
        size_t len = copy_blob(st, buf, n - 1);
        buf[len < n - 1 ? len : n - 1] = '\0';
    }
    end(l, db, st);
    return r;
}

/* ---- intents ---- */

static int read_intent(struct ph_ledger *l, sqlite3_stmt *st, struct ph_intent *in,
                       struct ph_intent_message **messages, struct ph_err *err)
{
    const unsigned char *p = sqlite3_column_blob(st, 4);
    size_t bytes = (size_t)sqlite3_column_bytes(st, 4), n = bytes / INTENT_MESSAGE;

    if (bytes % INTENT_MESSAGE)
        return ph_ledger_damaged(l, "an intent has the wrong length", err);
    struct ph_intent_message *m = realloc(*messages, (n ? n : 1) * sizeof *m);
    if (!m)
        return ph_fail_memory(err);
    *messages = m;
    for (size_t i = 0; i < n; i++, p += INTENT_MESSAGE)
        m[i] = (struct ph_intent_message){ .src_uid = (uint32_t)get_le(p, 4), .key = get_le(p + 4, 8),
                                           .size = get_le(p + 12, 8), .flags_hash = get_le(p + 20, 8) };
    *in = (struct ph_intent){
        .id = sqlite3_column_int64(st, 0),
        .folder = sqlite3_column_int64(st, 1),
        .dst_uidvalidity = (uint32_t)sqlite3_column_int64(st, 2),
        .dst_uidnext = (uint32_t)sqlite3_column_int64(st, 3),
        .messages = m,
        .n = n,
    };
    return 0;
}

/* Folder 0 means all of them: then everything that is queued counts. */
static sqlite3_stmt *begin_intents(struct ph_ledger *l, int64_t folder, enum statement one, enum statement all,
                                   struct ledger_db **db, struct ph_err *err)
{
    sqlite3_stmt *st = begin(l, folder, folder ? one : all, db, err);

    if (st && folder)
        sqlite3_bind_int64(st, 1, folder);
    return st;
}

int ph_ledger_unresolved(struct ph_ledger *l, int64_t folder, int (*each)(void *ctx, const struct ph_intent *i),
                         void *ctx, struct ph_err *err)
{
    struct ph_intent_message *messages = NULL;
    struct ledger_db *db;
    struct ph_intent in;
    sqlite3_stmt *st = begin_intents(l, folder, ST_UNRESOLVED, ST_UNRESOLVED_ALL, &db, err);
    int r;

    if (!st)
        return -1;
    while ((r = step(l, db, st, err)) == 1) {
        r = read_intent(l, st, &in, &messages, err);
        if (r == 0 && each(ctx, &in))
            r = ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "reading the ledger was stopped");
        if (r)
            break;
    }
    end(l, db, st);
    free(messages);
    return r;
}

int ph_ledger_unresolved_count(struct ph_ledger *l, int64_t folder, uint64_t *out, struct ph_err *err)
{
    struct ledger_db *db;
    sqlite3_stmt *st = begin_intents(l, folder, ST_COUNT, ST_COUNT_ALL, &db, err);

    *out = 0;
    if (!st)
        return -1;
    int r = step(l, db, st, err);
    if (r == 1)
        *out = (uint64_t)sqlite3_column_int64(st, 0);
    end(l, db, st);
    return r < 0 ? -1 : 0;
}

/* ---- named values ---- */

int ph_ledger_meta_get(struct ph_ledger *l, const char *name, void *buf, size_t n, size_t *got, struct ph_err *err)
{
    struct ledger_db *db;
    sqlite3_stmt *st;
    int r = -1;

    *got = 0;
    pthread_mutex_lock(&l->mu);
    uint64_t seq = l->meta_dirty;
    pthread_mutex_unlock(&l->mu);
    if (ph_ledger_reader(l, seq, &db, err))
        return -1;
    st = ph_ledger_stmt(l, db, ST_META_GET, err);
    if (st) {
        sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
        r = step(l, db, st, err);
        if (r == 1)
            *got = copy_blob(st, buf, n);
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
    }
    ph_ledger_reader_back(l, db);
    return r;
}

/* These say whose ledger it is. */
static bool reserved(const char *name)
{
    static const char *const names[] = { "src", "dst", "variant", "hash-key" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

int ph_ledger_meta_set(struct ph_ledger *l, const char *name, const void *p, size_t n, struct ph_err *err)
{
    size_t len = strlen(name);

    if (reserved(name))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the ledger keeps \"%s\" itself", name);
    struct op *op = n < INT32_MAX && len < INT32_MAX ? ph_ledger_op(OP_META, 0, len + n, err) : NULL;
    if (!op)
        return n < INT32_MAX && len < INT32_MAX ? -1 : ph_fail_memory(err);
    op->n = len;
    memcpy(op->data, name, len);
    if (n)
        memcpy(op->data + len, p, n);
    return ph_ledger_submit(l, op, false, NULL, err);
}
