/* db.c: SQLite's connections, statements and errors, for the ledger. */
#include <string.h>

#include "ledger/private.h"

/* Measured: 200 batches of 100 cost 27 to 30 ms of CPU, and 5,000 batches 0.7 s, with any cache from 32 KB to 4 MB,
 * because rows come nearly in the order of their keys; so the cache is small. */
#define WRITER_SETUP "PRAGMA cache_size=-256;"
#define READER_SETUP "PRAGMA cache_size=-128; PRAGMA query_only=1;"

static const char *const sql[STATEMENTS] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_META_SET] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
    [ST_FOLDER_ADD] = "INSERT INTO folder(id, src, dst) VALUES(?1, ?2, ?3)",
    [ST_BASELINE] = "UPDATE folder SET baseline = ?2 WHERE id = ?1",
    [ST_RESET_MAP] = "DELETE FROM map WHERE id BETWEEN ?1 AND ?2",
    [ST_RESET_REASON] = "DELETE FROM reason WHERE id BETWEEN ?1 AND ?2",
    [ST_PUT] = "INSERT OR REPLACE INTO map(id, dst, data) VALUES(?1, ?2, ?3)",
    [ST_FORGET] = "DELETE FROM map WHERE id = ?1",
    [ST_REASON_ADD] = "INSERT OR REPLACE INTO reason(id, text) VALUES(?1, ?2)",
    [ST_REASON_DROP] = "DELETE FROM reason WHERE id = ?1",
    [ST_INTENT_ADD] = "INSERT INTO intent(id, folder, uidvalidity, uidnext, messages) VALUES(?1, ?2, ?3, ?4, ?5)",
    [ST_INTENT_DROP] = "DELETE FROM intent WHERE id = ?1",
    [ST_INDEX] = "CREATE INDEX IF NOT EXISTS map_dst ON map(id >> 32, dst)",
    [ST_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [ST_FOLDER_GET] = "SELECT id, baseline FROM folder WHERE src = ?1 AND dst = ?2",
    [ST_ROWS] = "SELECT id, dst, data FROM map WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    [ST_ROW] = "SELECT id, dst, data FROM map WHERE id = ?1",
    [ST_HAS_DST] = "SELECT 1 FROM map WHERE id >> 32 = ?1 AND dst = ?2 LIMIT 1",
    [ST_REASON] = "SELECT text FROM reason WHERE id = ?1",
    [ST_UNRESOLVED] =
        "SELECT id, folder, uidvalidity, uidnext, messages FROM intent WHERE folder = ?1 ORDER BY id",
    [ST_UNRESOLVED_ALL] =
        "SELECT id, folder, uidvalidity, uidnext, messages FROM intent ORDER BY folder, id",
    [ST_COUNT] = "SELECT count(*) FROM intent WHERE folder = ?1",
    [ST_COUNT_ALL] = "SELECT count(*) FROM intent",
};

int ph_ledger_damaged(const struct ph_ledger *l, const char *how, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT,
                   "the ledger %s is damaged (%s) and was left as it is; move it away and run again: "
                   "what is at the destination already is recognised there, and not copied twice",
                   l->path, how);
}

int ph_ledger_db_fail(const struct ph_ledger *l, struct ledger_db *db, struct ph_err *err)
{
    int rc = db->h ? sqlite3_errcode(db->h) : SQLITE_NOMEM;
    int errnum = db->h ? sqlite3_system_errno(db->h) : 0;

    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return ph_fail_memory(err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ph_ledger_damaged(l, sqlite3_errmsg(db->h), err);
    case SQLITE_FULL:
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "cannot write the ledger %s: the disk is full", l->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ph_fail(err, PH_SCOPE_JOB, PH_E_PERMISSION, "cannot write the ledger %s: %s", l->path,
                       sqlite3_errmsg(db->h));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ph_fail(err, PH_SCOPE_JOB, PH_E_LOCKED, "another program holds the ledger %s: %s", l->path,
                       sqlite3_errmsg(db->h));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (errnum)
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errnum, "trouble with the ledger %s", l->path);
        break;
    default:
        break;
    }
    return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "trouble with the ledger %s: %s", l->path, sqlite3_errmsg(db->h));
}

int ph_ledger_db_open(const struct ph_ledger *l, bool writer, struct ledger_db *db, struct ph_err *err)
{
    memset(db, 0, sizeof *db);
    /* no mutex: a connection belongs to one thread at a time */
    int rc = sqlite3_open_v2(l->path, &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(db->h, 0);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db->h, 5000);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->h, writer ? WRITER_SETUP : READER_SETUP, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    ph_ledger_db_fail(l, db, err);
    ph_ledger_db_close(db);
    return -1;
}

void ph_ledger_db_close(struct ledger_db *db)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->st[i]);
    sqlite3_close(db->h);
    memset(db, 0, sizeof *db);
}

sqlite3_stmt *ph_ledger_stmt(const struct ph_ledger *l, struct ledger_db *db, enum statement which,
                             struct ph_err *err)
{
    if (!db->st[which] &&
        sqlite3_prepare_v3(db->h, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &db->st[which], NULL) != SQLITE_OK) {
        ph_ledger_db_fail(l, db, err);
        return NULL;
    }
    sqlite3_reset(db->st[which]);
    return db->st[which];
}

int ph_ledger_run(const struct ph_ledger *l, struct ledger_db *db, sqlite3_stmt *st, struct ph_err *err)
{
    int rc = sqlite3_step(st), bad = 0;

    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        bad = ph_ledger_db_fail(l, db, err); /* before the reset, which may change the message */
    sqlite3_reset(st);
    return bad;
}
