/* private.h: the inside of the ledger, shared by its files only.
 *
 * Threads: the writer thread alone uses `db`; callers queue ops under `mu` and wait for `committed` to reach their op's
 * number. Readers are connections of their own, lent to one caller at a time. A reader sees what is committed, so a
 * read first waits for the last op that touched what it reads (`dirty` of the folder), and nothing else. Questions about
 * one row look into the queue instead of waiting.
 *
 * Tables (format 1; little-endian in blobs):
 *   meta(name, value)
 *   folder(id, src, dst, baseline)         baseline: 49 bytes, see pack_baseline
 *   map(id, dst, data)                     id = folder << 32 | source UID; data: state 1, flags hash 8, size 8,
 *                                          and SHA-256 32 where known
 *   reason(id, text)                       of refused rows
 *   intent(id, folder, uidvalidity, uidnext, messages)  messages: UID 4, key 8, size 8, flags hash 8 each
 */
#ifndef PH_LEDGER_PRIVATE_H
#define PH_LEDGER_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/str.h"
#include "ledger/ledger.h"

#define LEDGER_FORMAT 1
#define LEDGER_APP_ID 0x50484c47 /* "PHLG" */

/* ---- place.c: where the file is, and who may use it ---- */

int ph_ledger_place(const char *dir, const char *src, const char *dst, const char *variant, char **path,
                    struct ph_err *err);
/* Take the lock beside the file: descriptor in *fd; PH_E_LOCKED names the holder. Closing it gives the lock back. */
int ph_ledger_lock(const char *path, int *fd, struct ph_err *err);
/* Make the file with mode 0600 if it is not there. */
int ph_ledger_touch(const char *path, struct ph_err *err);

/* ---- db.c: SQLite's connections and words ---- */

enum statement {
    /* writer */
    ST_BEGIN, ST_COMMIT, ST_ROLLBACK,
    ST_META_SET, ST_FOLDER_ADD, ST_BASELINE, ST_RESET_MAP, ST_RESET_REASON,
    ST_PUT, ST_FORGET, ST_REASON_ADD, ST_REASON_DROP, ST_INTENT_ADD, ST_INTENT_DROP, ST_INDEX,
    /* reader */
    ST_META_GET, ST_FOLDER_GET, ST_ROWS, ST_ROW, ST_HAS_DST, ST_REASON, ST_UNRESOLVED, ST_UNRESOLVED_ALL,
    ST_COUNT, ST_COUNT_ALL,
    STATEMENTS,
};

struct ledger_db {
    sqlite3 *h;
    sqlite3_stmt *st[STATEMENTS]; /* prepared at first use */
    struct ledger_db *next;       /* in the pool */
};

struct ph_ledger;
int ph_ledger_db_open(const struct ph_ledger *l, bool writer, struct ledger_db *db, struct ph_err *err);
void ph_ledger_db_close(struct ledger_db *db);
/* The statement, reset and ready to bind; NULL with *err. */
sqlite3_stmt *ph_ledger_stmt(const struct ph_ledger *l, struct ledger_db *db, enum statement which,
                             struct ph_err *err);
/* Fill *err from the last error of this connection: what to say about a full disk, a damaged file … */
int ph_ledger_db_fail(const struct ph_ledger *l, struct ledger_db *db, struct ph_err *err);
int ph_ledger_damaged(const struct ph_ledger *l, const char *how, struct ph_err *err);
/* Step a statement that returns no rows, and reset it. */
int ph_ledger_run(const struct ph_ledger *l, struct ledger_db *db, sqlite3_stmt *st, struct ph_err *err);

/* ---- queue.c: ops on their way to the writer ---- */

enum op_kind {
    OP_META, OP_FOLDER, OP_BASELINE, OP_RESET, OP_PUT, OP_FORGET, OP_REFUSE, OP_INTENT, OP_CONFIRM, OP_DROP, OP_INDEX,
    OP_NOTHING,
};

/* A row as the writer binds it. */
struct packed_row {
    uint32_t src_uid, dst_uid;
    uint32_t len;
    unsigned char data[52];
};

#define INTENT_MESSAGE 28
#define BASELINE_BYTES 49

struct op {
    struct op *next;
    enum op_kind kind;
    uint64_t seq;
    int64_t folder, intent;
    uint32_t uidvalidity, uidnext;
    size_t n;     /* rows, UIDs or messages in data; of texts: where the second begins */
    size_t bytes; /* of data */
    _Alignas(8) unsigned char data[];
};

struct op *ph_ledger_op(enum op_kind kind, int64_t folder, size_t bytes, struct ph_err *err);
/* Hands the op over; it is freed in any case. urgent: somebody will wait for it. *seq may be NULL. */
int ph_ledger_submit(struct ph_ledger *l, struct op *op, bool urgent, uint64_t *seq, struct ph_err *err);
/* What the ops that are not committed yet say about a row: 1 with *out, 0 it goes, -1 nothing. So that looking at single
 * rows between putting others does not wait for the disk each time. */
int ph_ledger_pending_row(struct ph_ledger *l, int64_t folder, uint32_t src_uid, struct packed_row *out);
/* 1: a row with this destination UID is on its way; 0: none. */
int ph_ledger_pending_dst(struct ph_ledger *l, int64_t folder, uint32_t dst_uid);
int ph_ledger_commit_ops(struct ph_ledger *l, const struct op *ops, struct ph_err *err); /* writer.c */
void *ph_ledger_writer_main(void *ledger);                                             /* queue.c */

/* ---- folders.c: pairs that were asked for, their baselines, and what is queued for them ---- */

struct folder {
    int64_t id;
    char *src, *dst;
    uint32_t hash;
    uint64_t dirty; /* number of the last op that touched its rows or intents */
    bool hidden;    /* reset in a dry run: its rows are still in the file */
    struct ph_baseline baseline;
};

struct folder_table {
    struct folder **f; /* by number of the slot: all that are known */
    size_t n, cap;
    uint32_t *by_name, *by_id; /* slot + 1; cap entries each */
    size_t cap_hash;
};

void ph_ledger_folders_done(struct folder_table *t);
struct folder *ph_ledger_folder_by_id(const struct folder_table *t, int64_t id); /* under mu */

struct ph_ledger {
    char *path;
    int lock_fd;
    bool no_intents, dry; /* set before the run */

    struct ledger_db db; /* the writer's */
    bool has_reasons;
    pthread_t thread;

    pthread_mutex_t folder_mu; /* taken before mu */
    pthread_mutex_t mu;
    pthread_cond_t work, done;
    /* under mu */
    struct op *head, **tail;
    const struct op *writing;    /* what the writer has taken, until it is committed */
    size_t queued;               /* bytes of ops queued or being written */
    uint64_t last_seq, committed, meta_dirty, drop_dirty; /* drop: the last op that dropped an intent of any folder */
    int64_t first_ms;            /* when the oldest queued op came */
    bool urgent, stop, failed, has_index;
    struct ph_err failure;
    struct ledger_db *pool;
    size_t n_pool;
    struct folder_table folders; /* entered under folder_mu too */
    int64_t next_folder, next_intent;
};

/* A reader for what op `seq` left; waits for it. */
int ph_ledger_reader(struct ph_ledger *l, uint64_t seq, struct ledger_db **out, struct ph_err *err);
void ph_ledger_reader_back(struct ph_ledger *l, struct ledger_db *db);
/* The number of the last op that touched this folder. PH_E_USAGE for numbers that cannot be. */
int ph_ledger_dirty(struct ph_ledger *l, int64_t folder, uint64_t *seq, struct ph_err *err);

/* ---- bytes ---- */

static inline void put_le(unsigned char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static inline uint64_t get_le(const unsigned char *p, int n)
{
    uint64_t v = 0;

    for (int i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static inline int64_t row_id(int64_t folder, uint32_t uid)
{
    return folder << 32 | uid;
}

#endif
