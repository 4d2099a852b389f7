#include "ledger/remember.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define APP_ID 0x5048524d /* "PHRM" */
#define SET_APP_ID "PRAGMA application_id=0x5048524d"

enum { ADD, KEYS, BEGIN, COMMIT, ROLLBACK, KEY_GET, KEY_SET, STATEMENTS };
static const char *const sql[STATEMENTS] = {
    [ADD] = "INSERT OR IGNORE INTO copied(folder, key, day) VALUES(?1, ?2, ?3)",
    [KEYS] = "SELECT key FROM copied WHERE folder = ?1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [KEY_GET] = "SELECT value FROM meta WHERE name = 'hash-key'",
    [KEY_SET] = "INSERT INTO meta(name, value) VALUES('hash-key', ?1)",
};

struct ph_remember {
    pthread_mutex_t lock;
    sqlite3 *db;
    sqlite3_stmt *st[STATEMENTS];
    char *path;
};

static int fail(struct ph_remember *m, struct ph_err *err)
{
    int rc = m->db ? sqlite3_errcode(m->db) & 0xff : SQLITE_NOMEM;
    enum ph_kind kind = rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? PH_E_CORRUPT
                        : rc == SQLITE_BUSY || rc == SQLITE_LOCKED  ? PH_E_LOCKED
                        : rc == SQLITE_NOMEM                        ? PH_E_MEMORY
                                                                    : PH_E_SYSTEM;

    return ph_fail(err, PH_SCOPE_JOB, kind, "%s: %s", m->path, m->db ? sqlite3_errmsg(m->db) : "out of memory");
}

static sqlite3_stmt *statement(struct ph_remember *m, int which)
{
    if (!m->st[which])
        sqlite3_prepare_v3(m->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &m->st[which], NULL);
    else
        sqlite3_reset(m->st[which]);
    return m->st[which];
}

static int step(struct ph_remember *m, int which, struct ph_err *err)
{
    sqlite3_stmt *st = statement(m, which);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;

    if (rc != SQLITE_DONE)
        fail(m, err);
    if (st)
        sqlite3_reset(st);
    return rc == SQLITE_DONE ? 0 : -1;
}

/* SQLite would make it with the umask's mode. */
static int touch(const char *path, struct ph_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "%s", path);
    close(fd);
    return 0;
}

/* A file of another program is left alone: the tables are made in an empty one only. */
static int set_up(struct ph_remember *m, struct ph_err *err)
{
    sqlite3_stmt *st;
    int id = -1;

    sqlite3_busy_timeout(m->db, 2000);
    if (sqlite3_exec(m->db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL", NULL, NULL, NULL) ||
        sqlite3_prepare_v2(m->db, "PRAGMA application_id", -1, &st, NULL))
        return fail(m, err);
    if (sqlite3_step(st) == SQLITE_ROW)
        id = sqlite3_column_int(st, 0);
    if (sqlite3_finalize(st))
        return fail(m, err);
    if (sqlite3_exec(m->db, "BEGIN EXCLUSIVE", NULL, NULL, NULL))
        return fail(m, err);
    if (id == 0) {
        if (sqlite3_exec(m->db,
                         "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
                         "CREATE TABLE copied(folder TEXT, key INTEGER, day INTEGER, PRIMARY KEY(folder, key)) WITHOUT ROWID;"
                         SET_APP_ID, NULL, NULL, NULL)) {
            fail(m, err);
            sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
    } else if (id != APP_ID) {
        sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT, "%s is a database of another program", m->path);
    }
    return sqlite3_exec(m->db, "COMMIT", NULL, NULL, NULL) ? fail(m, err) : 0;
}

static int agree_on_key(struct ph_remember *m, struct ph_hash_key *key, struct ph_err *err)
{
    sqlite3_stmt *st = statement(m, KEY_GET);

    if (!st)
        return fail(m, err);
    int rc = sqlite3_step(st);
    bool there = rc == SQLITE_ROW && sqlite3_column_bytes(st, 0) == (int)sizeof key->k;
    if (there)
        memcpy(key->k, sqlite3_column_blob(st, 0), sizeof key->k);
    sqlite3_reset(st);
    if (there)
        return 0;
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT, "%s is damaged", m->path) : fail(m, err);
    st = statement(m, KEY_SET);
    if (!st || sqlite3_bind_blob(st, 1, key->k, sizeof key->k, SQLITE_TRANSIENT))
        return fail(m, err);
    return step(m, KEY_SET, err);
}

int ph_remember_open(const char *path, struct ph_hash_key *key, struct ph_remember **out, struct ph_err *err)
{
    if (touch(path, err))
        return -1;
    struct ph_remember *m = calloc(1, sizeof *m);
    if (!m || !(m->path = ph_str_dup(ph_str(path)))) {
        free(m);
        return ph_fail_memory(err);
    }
    pthread_mutex_init(&m->lock, NULL);
    if (sqlite3_open_v2(path, &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, NULL)) {
        fail(m, err);
        ph_remember_close(m);
        return -1;
    }
    if (set_up(m, err) || agree_on_key(m, key, err)) {
        ph_remember_close(m);
        return -1;
    }
    *out = m;
    return 0;
}

void ph_remember_close(struct ph_remember *m)
{
    if (!m)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(m->st[i]);
    sqlite3_close(m->db);
    pthread_mutex_destroy(&m->lock);
    free(m->path);
    free(m);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int read_keys(struct ph_remember *m, const char *folder, uint64_t **keys, size_t *n, struct ph_err *err)
{
    sqlite3_stmt *st = statement(m, KEYS);
    size_t room = 0;
    int rc;

    if (!st || sqlite3_bind_text(st, 1, folder, -1, SQLITE_TRANSIENT))
        return fail(m, err);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (*n == room) {
            room = room ? room * 2 : 256;
            uint64_t *bigger = realloc(*keys, room * sizeof *bigger);
            if (!bigger) {
                sqlite3_reset(st);
                return ph_fail_memory(err);
            }
            *keys = bigger;
        }
        (*keys)[(*n)++] = (uint64_t)sqlite3_column_int64(st, 0);
    }
    if (rc != SQLITE_DONE)
        fail(m, err);
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? 0 : -1;
}

int ph_remember_keys(struct ph_remember *m, const char *dst_folder, uint64_t **keys, size_t *n, struct ph_err *err)
{
    *keys = NULL;
    *n = 0;
    pthread_mutex_lock(&m->lock);
    int rc = read_keys(m, dst_folder, keys, n, err);
    pthread_mutex_unlock(&m->lock);
    if (rc) {
        free(*keys);
        *keys = NULL;
        *n = 0;
    } else if (*n) {
        qsort(*keys, *n, sizeof **keys, compare); /* the table is in the order of signed numbers */
    }
    return rc;
}

static int add_all(struct ph_remember *m, const char *folder, const uint64_t *keys, size_t n, int64_t day, struct ph_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!keys[i])
            continue;
        sqlite3_stmt *st = statement(m, ADD);
        if (!st || sqlite3_bind_text(st, 1, folder, -1, SQLITE_TRANSIENT) ||
            sqlite3_bind_int64(st, 2, (sqlite3_int64)keys[i]) || sqlite3_bind_int64(st, 3, day))
            return fail(m, err);
        if (step(m, ADD, err))
            return -1;
    }
    return 0;
}

int ph_remember_add(struct ph_remember *m, const char *dst_folder, const uint64_t *keys, size_t n, int64_t day,
                    struct ph_err *err)
{
    pthread_mutex_lock(&m->lock);
    int rc = step(m, BEGIN, err);
    if (rc == 0) {
        rc = add_all(m, dst_folder, keys, n, day, err) || step(m, COMMIT, err) ? -1 : 0;
        if (rc)
            step(m, ROLLBACK, NULL);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}
