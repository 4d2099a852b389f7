/* open.c: making, checking, opening and closing a ledger. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "ledger/private.h"

static const char schema[] = "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
                             "CREATE TABLE folder(id INTEGER PRIMARY KEY, src TEXT, dst TEXT, baseline BLOB,"
                             " UNIQUE(src, dst));"
                             "CREATE TABLE map(id INTEGER PRIMARY KEY, dst INTEGER, data BLOB);"
                             "CREATE TABLE reason(id INTEGER PRIMARY KEY, text BLOB);"
                             "CREATE TABLE intent(id INTEGER PRIMARY KEY, folder INTEGER, uidvalidity INTEGER,"
                             " uidnext INTEGER, messages BLOB);"
                             "PRAGMA application_id = 1346915399;" /* LEDGER_APP_ID */
                             "PRAGMA user_version = 1;";           /* LEDGER_FORMAT */

static int exec(struct ph_ledger *l, const char *text, struct ph_err *err)
{
    if (sqlite3_exec(l->db.h, text, NULL, NULL, NULL) != SQLITE_OK)
        return ph_ledger_db_fail(l, &l->db, err);
    return 0;
}

/* The first number that a constant query brings, or 0 when it brings none. */
static int ask(struct ph_ledger *l, const char *query, int64_t *out, struct ph_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc, r = 0;

    *out = 0;
    if (sqlite3_prepare_v2(l->db.h, query, -1, &st, NULL) != SQLITE_OK)
        return ph_ledger_db_fail(l, &l->db, err);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else if (rc != SQLITE_DONE)
        r = ph_ledger_db_fail(l, &l->db, err);
    sqlite3_finalize(st);
    return r;
}

static int put_meta(struct ph_ledger *l, const char *name, const void *p, size_t n, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_META_SET, err);

    if (!st)
        return -1;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, p, (int)n, SQLITE_STATIC);
    return ph_ledger_run(l, &l->db, st, err);
}

static int make_tables(struct ph_ledger *l, const char *src, const char *dst, const char *variant,
                       struct ph_err *err)
{
    unsigned char key[16];

    if (RAND_bytes(key, sizeof key) != 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "no random numbers for the ledger");
    if (exec(l, "BEGIN IMMEDIATE", err))
        return -1;
    if (exec(l, schema, err) || put_meta(l, "src", src, strlen(src), err) ||
        put_meta(l, "dst", dst, strlen(dst), err) || put_meta(l, "variant", variant, strlen(variant), err) ||
        put_meta(l, "hash-key", key, sizeof key, err) || exec(l, "COMMIT", err)) {
        sqlite3_exec(l->db.h, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return 0;
}

/* Is the file what it should be? Looks at it without changing anything. *fresh: there is nothing in it yet. */
static int check_format(struct ph_ledger *l, bool *fresh, struct ph_err *err)
{
    int64_t app, version, tables;

    if (ask(l, "PRAGMA application_id", &app, err) || ask(l, "PRAGMA user_version", &version, err) ||
        ask(l, "SELECT count(*) FROM sqlite_master", &tables, err))
        return -1;
    *fresh = app == 0 && version == 0 && tables == 0;
    if (*fresh)
        return 0;
    if (app != LEDGER_APP_ID)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT,
                       "%s is a database of another program and was left as it is; move it away, or name another "
                       "directory with --state",
                       l->path);
    if (version > LEDGER_FORMAT || version < 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED,
                       "the ledger %s was written by a newer posthaste (format %lld, this one knows up to %d): "
                       "use that one, or name another directory with --state",
                       l->path, (long long)version, LEDGER_FORMAT);
    return 0;
}

static int check_meta(struct ph_ledger *l, const char *name, const char *want, struct ph_err *err)
{
    sqlite3_stmt *st = ph_ledger_stmt(l, &l->db, ST_META_GET, err);
    bool same = false;

    if (!st)
        return -1;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const void *p = sqlite3_column_blob(st, 0);
        size_t n = (size_t)sqlite3_column_bytes(st, 0);
        same = want ? ph_str_is((struct ph_str){ p, n }, want) : n == 16;
    } else if (rc != SQLITE_DONE) {
        return ph_ledger_db_fail(l, &l->db, err);
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    if (same)
        return 0;
    return want ? ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT,
                          "%s is the ledger of other accounts and was left as it is; move it away", l->path)
                : ph_ledger_damaged(l, "its key is missing", err);
}

/* SQLite answers with the mode that it has: another one where the file system cannot share memory. */
static int want_wal(struct ph_ledger *l, struct ph_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc, r = 0;

    if (sqlite3_prepare_v2(l->db.h, "PRAGMA journal_mode=WAL", -1, &st, NULL) != SQLITE_OK)
        return ph_ledger_db_fail(l, &l->db, err);
    rc = sqlite3_step(st);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (rc != SQLITE_ROW)
        r = ph_ledger_db_fail(l, &l->db, err);
    else if (!mode || strcmp(mode, "wal") != 0)
        r = ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED,
                    "the ledger %s cannot live on this file system: name a directory on a local disk with --state",
                    l->path);
    sqlite3_finalize(st);
    return r;
}

static int open_tables(struct ph_ledger *l, const char *src, const char *dst, const char *variant,
                       struct ph_err *err)
{
    int64_t folders, intents, reasons, index;
    bool fresh;

    if (check_format(l, &fresh, err))
        return -1;
    /* WAL: one sync a commit, and readers that see a state of their own. FULL: a commit is on disk when it returns. */
    if (want_wal(l, err) || exec(l, "PRAGMA synchronous=FULL", err))
        return -1;
    if (fresh && make_tables(l, src, dst, variant, err))
        return -1;
    if (check_meta(l, "src", src, err) || check_meta(l, "dst", dst, err) || check_meta(l, "variant", variant, err) ||
        check_meta(l, "hash-key", NULL, err))
        return -1;
    if (ask(l, "SELECT max(id) FROM folder", &folders, err) || ask(l, "SELECT max(id) FROM intent", &intents, err) ||
        ask(l, "SELECT count(*) FROM (SELECT 1 FROM reason LIMIT 1)", &reasons, err) ||
        ask(l, "SELECT count(*) FROM sqlite_master WHERE name = 'map_dst'", &index, err))
        return -1;
    l->next_folder = folders + 1;
    l->next_intent = intents + 1;
    l->has_reasons = reasons != 0;
    l->has_index = index != 0;
    return 0;
}

static int init_sync(struct ph_ledger *l, struct ph_err *err)
{
    pthread_condattr_t attr;
    int bad = pthread_mutex_init(&l->mu, NULL);

    bad = bad ? bad : pthread_mutex_init(&l->folder_mu, NULL);
    bad = bad ? bad : pthread_condattr_init(&attr);
    bad = bad ? bad : pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    bad = bad ? bad : pthread_cond_init(&l->work, &attr);
    bad = bad ? bad : pthread_cond_init(&l->done, NULL);
    return bad ? ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, bad, "threads") : 0;
}

static void free_ledger(struct ph_ledger *l)
{
    while (l->pool) {
        struct ledger_db *next = l->pool->next;
        ph_ledger_db_close(l->pool);
        free(l->pool);
        l->pool = next;
    }
    ph_ledger_db_close(&l->db);
    if (l->lock_fd >= 0)
        close(l->lock_fd); /* last: the lock goes with it */
    ph_ledger_folders_done(&l->folders);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->mu);
    pthread_mutex_destroy(&l->folder_mu);
    free(l->path);
    free(l);
}

/* Signals are for the program's own threads. */
static int start_writer(struct ph_ledger *l)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int bad = pthread_create(&l->thread, NULL, ph_ledger_writer_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return bad;
}

int ph_ledger_open(const char *dir, const char *src, const char *dst, const char *variant, struct ph_ledger **out,
                   struct ph_err *err)
{
    struct ph_ledger *l = calloc(1, sizeof *l);
    int bad;

    *out = NULL;
    if (!l)
        return ph_fail_memory(err);
    if (!variant)
        variant = "copy";
    l->lock_fd = -1;
    l->tail = &l->head;
    if (init_sync(l, err)) {
        free(l);
        return -1;
    }
    if (ph_ledger_place(dir, src, dst, variant, &l->path, err) || ph_ledger_lock(l->path, &l->lock_fd, err) ||
        ph_ledger_touch(l->path, err) || ph_ledger_db_open(l, true, &l->db, err) ||
        open_tables(l, src, dst, variant, err))
        goto fail;
    bad = start_writer(l);
    if (bad) {
        ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, bad, "cannot start the ledger's thread");
        goto fail;
    }
    *out = l;
    return 0;
fail:
    free_ledger(l);
    return -1;
}

int ph_ledger_close(struct ph_ledger *l, struct ph_err *err)
{
    int r = 0;

    if (!l)
        return 0;
    pthread_mutex_lock(&l->mu);
    l->stop = true;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mu);
    pthread_join(l->thread, NULL);
    if (l->failed) {
        r = -1;
        if (err)
            *err = l->failure;
    }
    free_ledger(l);
    return r;
}

bool ph_ledger_is_new(struct ph_ledger *l)
{
    pthread_mutex_lock(&l->mu);
    bool is_new = l->next_folder == 1;
    pthread_mutex_unlock(&l->mu);
    return is_new;
}

const char *ph_ledger_path(const struct ph_ledger *l)
{
    return l->path;
}
