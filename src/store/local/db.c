/* db.c: SQLite's connections, statements and errors, for the store on disk. */
#include <stdlib.h>
#include <string.h>

#include "store/local/private.h"

int ph_local_db_fail(struct local_db *db, struct ph_err *err)
{
    int rc = db->h ? sqlite3_extended_errcode(db->h) : SQLITE_NOMEM;
    int errnum = db->h ? sqlite3_system_errno(db->h) : 0;

    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return ph_fail_memory(err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ph_fail(err, PH_SCOPE_STORE, PH_E_CORRUPT, "%s is damaged (%s): check and repair it", db->path,
                       sqlite3_errmsg(db->h));
    case SQLITE_FULL:
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_SYSTEM, "cannot write %s: the disk is full", db->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "cannot write %s: %s", db->path, sqlite3_errmsg(db->h));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_LOCKED, "another program holds %s: %s", db->path, sqlite3_errmsg(db->h));
        if (err)
            err->retry = PH_RETRY_LATER;
        return -1;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (errnum)
            return ph_fail_errno(err, PH_SCOPE_FOLDER, PH_E_SYSTEM, errnum, "trouble with %s", db->path);
        break;
    default:
        break;
    }
    return ph_fail(err, PH_SCOPE_FOLDER, PH_E_SYSTEM, "trouble with %s: %s", db->path, sqlite3_errmsg(db->h));
}

/* The cache is small: a commit touches few pages, and a scan reads each page once, from the system's own cache. Savepoints
 * keep what they may have to put back in memory. */
#define SETUP "PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=0;"

int ph_local_db_open(const char *path, bool create, struct local_db *db, struct ph_err *err)
{
    memset(db, 0, sizeof *db);
    db->path = strdup(path);
    if (!db->path)
        return ph_fail_memory(err);
    /* no mutex: a connection belongs to one thread at a time */
    int rc = sqlite3_open_v2(path, &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0),
                             NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(db->h, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db->h, 30000);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db->h, SETUP, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    ph_local_db_fail(db, err);
    ph_local_db_close(db);
    return -1;
}

void ph_local_db_close(struct local_db *db)
{
    for (size_t i = 0; i < LOCAL_STATEMENTS; i++)
        sqlite3_finalize(db->s[i].st);
    sqlite3_close(db->h);
    free(db->path);
    memset(db, 0, sizeof *db);
}

/* The slot of a statement, or of nothing yet; NULL when the table is full. */
static sqlite3_stmt **find_slot(struct local_db *db, const char *sql, bool *fresh)
{
    size_t at = ((uintptr_t)sql >> 3) * 0x9e3779b1u % LOCAL_STATEMENTS;

    for (size_t i = 0; i < LOCAL_STATEMENTS; i++, at = (at + 1) % LOCAL_STATEMENTS)
        if (!db->s[at].sql || db->s[at].sql == sql) {
            *fresh = !db->s[at].sql;
            db->s[at].sql = sql;
            return &db->s[at].st;
        }
    return NULL;
}

sqlite3_stmt *ph_local_prepare(struct local_db *db, struct ph_err *err, const char *sql, const struct local_arg *a,
                               size_t n)
{
    bool fresh = false;
    sqlite3_stmt **slot = find_slot(db, sql, &fresh), *st;
    int rc = SQLITE_OK;

    if (!slot) {
        ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "too many statements");
        return NULL;
    }
    if (!*slot && sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK) {
        ph_local_db_fail(db, err);
        return NULL;
    }
    st = *slot;
    sqlite3_reset(st);
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        switch (a[i].t) {
        case ARG_INT:
            rc = sqlite3_bind_int64(st, (int)i + 1, a[i].i);
            break;
        case ARG_TEXT:
            rc = sqlite3_bind_text(st, (int)i + 1, a[i].p, (int)a[i].n, SQLITE_STATIC);
            break;
        case ARG_BLOB:
            rc = sqlite3_bind_blob64(st, (int)i + 1, a[i].p ? a[i].p : "", a[i].n, SQLITE_STATIC);
            break;
        default:
            rc = sqlite3_bind_null(st, (int)i + 1);
        }
    if (rc == SQLITE_OK)
        return st;
    ph_local_db_fail(db, err);
    return NULL;
}

int ph_local_step(struct local_db *db, sqlite3_stmt *st, struct ph_err *err)
{
    int rc = sqlite3_step(st), r = rc == SQLITE_ROW ? 1 : 0;

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        r = ph_local_db_fail(db, err); /* before the reset, which may change the message */
    sqlite3_reset(st);
    return r;
}

int ph_local_exec(struct local_db *db, struct ph_err *err, const char *sql, const struct local_arg *a, size_t n)
{
    sqlite3_stmt *st = ph_local_prepare(db, err, sql, a, n);

    if (!st)
        return -1;
    int r = ph_local_step(db, st, err);
    if (r > 0)
        sqlite3_reset(st);
    return r < 0 ? -1 : 0;
}

int ph_local_number(struct local_db *db, struct ph_err *err, int64_t *out, const char *sql, const struct local_arg *a,
                    size_t n)
{
    sqlite3_stmt *st = ph_local_prepare(db, err, sql, a, n);

    *out = 0;
    if (!st)
        return -1;
    int r = ph_local_step(db, st, err);
    if (r > 0) {
        *out = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return r;
}

int ph_local_script(struct local_db *db, const char *sql, struct ph_err *err)
{
    return sqlite3_exec(db->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : ph_local_db_fail(db, err);
}
