/* user.c: one user's files: made, opened, read through a pool of connections, closed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/local/cache.h"
#include "store/local/check.h"
#include "store/local/private.h"

#define READERS_KEPT 4

static char *path_of(const struct local_user *u, const char *leaf)
{
    char *z = NULL;

    return asprintf(&z, "%s/%s", u->dir, leaf) < 0 ? NULL : z;
}

/* SQLite answers with the mode that it has: another one where the file system cannot share memory. */
static int want_wal(struct local_db *db, struct ph_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc, r = 0;

    if (sqlite3_prepare_v2(db->h, "PRAGMA journal_mode=WAL", -1, &st, NULL) != SQLITE_OK)
        return ph_local_db_fail(db, err);
    rc = sqlite3_step(st);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (rc != SQLITE_ROW)
        r = ph_local_db_fail(db, err);
    else if (!mode || strcmp(mode, "wal") != 0)
        r = ph_fail(err, PH_SCOPE_STORE, PH_E_UNSUPPORTED,
                    "%s cannot live on this file system: SQLite's write-ahead log needs a local disk", db->path);
    sqlite3_finalize(st);
    return r;
}

int ph_local_open_index(struct local_user *u, const char *path, bool wal, struct ph_err *err)
{
    if (ph_local_db_open(path, true, &u->db, err))
        return -1;
    /* WAL: a commit is one sync, and readers do not wait. FULL: it is on disk when it returns. */
    if ((wal && want_wal(&u->db, err)) || ph_local_script(&u->db, "PRAGMA synchronous=FULL", err)) {
        ph_local_db_close(&u->db);
        return -1;
    }
    sqlite3_wal_autocheckpoint(u->db.h, (int)u->root->opt.checkpoint_pages);
    return 0;
}

static int open_writer(struct local_user *u, struct ph_err *err)
{
    char *path = path_of(u, "index.sqlite");
    int r = path ? ph_local_open_index(u, path, true, err) : ph_fail_memory(err);

    free(path);
    return r;
}

/* The row of the account and the INBOX; what another process has made meanwhile stays. */
int ph_local_fill_index(struct local_user *u, struct ph_err *err)
{
    int64_t n, id;

    if (ph_local_script(&u->db, "BEGIN IMMEDIATE", err))
        return -1;
    int r = local_number(&u->db, err, &n, "SELECT count(*) FROM state") < 0 ? -1 : 0;
    if (!r && n == 0) {
        /* seconds: larger than any that an earlier user of this name can have come to */
        u->state = (struct local_state){ .modseq = 1, .uidvalidity = (uint32_t)time(NULL) };
        r = ph_local_mailbox_make(u, &u->db, "INBOX", 0, 0, &id, err);
        if (!r)
            r = local_exec(&u->db, err, "INSERT INTO state VALUES(1, ?1, ?2, ?3, 0, 0, 0, 0, ?4, 1, 1)",
                           LI(u->state.modseq), LI(u->state.uidvalidity), LI(u->state.mailbox),
                           LI(u->state.folders_at));
    }
    if (!r)
        r = ph_local_script(&u->db, "COMMIT", err);
    if (r)
        sqlite3_exec(u->db.h, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

static int touch(const struct local_user *u, const char *leaf, int *out, struct ph_err *err)
{
    char *path = path_of(u, leaf);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1, bad = path ? errno : ENOMEM;

    if (fd < 0)
        ph_fail_errno(err, PH_SCOPE_STORE, bad == EACCES || bad == EROFS ? PH_E_PERMISSION : PH_E_SYSTEM, bad,
                      "cannot open %s/%s", u->dir, leaf);
    free(path);
    if (fd >= 0 && !out)
        close(fd);
    if (out)
        *out = fd;
    return fd < 0 ? -1 : 0;
}

int ph_local_user_make(struct local_user *u, struct ph_err *err)
{
    char *packs = path_of(u, "packs"), *users = NULL;
    int r = packs && asprintf(&users, "%s/users", u->root->path) >= 0 ? 0 : ph_fail_memory(err);

    if (!r)
        r = ph_local_make_dir(u->dir, err) || ph_local_make_dir(packs, err) || touch(u, "lock", NULL, err) ||
                    touch(u, "changed", NULL, err)
                ? -1
                : 0;
    if (!r && (r = open_writer(u, err)) == 0) {
        r = ph_local_schema(&u->db, err) || ph_local_fill_index(u, err) ? -1 : 0;
        ph_local_db_close(&u->db);
    }
    if (!r)
        r = ph_local_sync_dir(u->dir, err) || ph_local_sync_dir(users, err) ? -1 : 0;
    free(packs);
    free(users);
    return r;
}

/* An index that is not there, or empty, is made only where there was never any mail. */
static int check_index(struct local_user *u, bool *make, struct ph_err *err)
{
    char *path = path_of(u, "index.sqlite");
    struct stat st;
    uint32_t *packs = NULL;
    size_t n = 0, foreign;

    *make = false;
    if (!path)
        return ph_fail_memory(err);
    bool there = stat(path, &st) == 0 && st.st_size > 0;
    free(path);
    if (there)
        return 0;
    int r = ph_local_pack_list(u, &packs, &n, &foreign, err);
    free(packs);
    if (!r && n > 0)
        r = ph_fail(err, PH_SCOPE_STORE, PH_E_CORRUPT, "%s has mail and no index: check and repair it", u->dir);
    *make = true;
    return r;
}

int ph_local_user_open(struct local_user *u, struct ph_err *err)
{
    struct flock shared = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    bool make;

    if (check_index(u, &make, err) || (make && ph_local_user_make(u, err)))
        return -1;
    if (touch(u, "lock", &u->lock_fd, err))
        return -1;
    if (fcntl(u->lock_fd, F_OFD_SETLK, &shared)) {
        close(u->lock_fd);
        u->lock_fd = -1;
        ph_fail(err, PH_SCOPE_STORE, PH_E_LOCKED, "%s is being repaired", u->dir);
        if (err)
            err->retry = PH_RETRY_LATER;
        return -1;
    }
    if (open_writer(u, err) == 0) {
        int64_t n = 0;
        if (ph_local_schema(&u->db, err) == 0 && local_number(&u->db, err, &n, "SELECT count(*) FROM state") >= 0 &&
            (n || ph_local_fill_index(u, err) == 0))
            return 0;
        ph_local_db_close(&u->db);
    }
    close(u->lock_fd);
    u->lock_fd = -1;
    return -1;
}

void ph_local_user_close(struct local_user *u)
{
    ph_local_cache_close(u);
    while (u->readers) {
        struct local_db *db = u->readers;
        u->readers = db->next;
        ph_local_db_close(db);
        free(db);
    }
    u->n_readers = 0;
    ph_local_packs_close(u);
    ph_local_db_close(&u->db); /* writes the log into the index when nobody else has it open */
    close(u->lock_fd);
    u->lock_fd = -1;
}

int ph_local_read_begin(struct local_user *u, struct local_db **out, struct ph_err *err)
{
    struct local_db *db;

    *out = NULL;
    pthread_mutex_lock(&u->mu);
    db = u->readers;
    if (db) {
        u->readers = db->next;
        u->n_readers--;
    }
    pthread_mutex_unlock(&u->mu);
    if (!db) {
        db = calloc(1, sizeof *db);
        if (!db)
            return ph_fail_memory(err);
        if (ph_local_db_open(u->db.path, false, db, err) || ph_local_script(db, "PRAGMA query_only=1", err)) {
            ph_local_db_close(db);
            free(db);
            return -1;
        }
    }
    if (local_exec(db, err, "BEGIN")) {
        ph_local_db_close(db);
        free(db);
        return -1;
    }
    *out = db;
    return 0;
}

void ph_local_read_end(struct local_user *u, struct local_db *db)
{
    if (!db)
        return;
    bool good = local_exec(db, NULL, "COMMIT") == 0;
    pthread_mutex_lock(&u->mu);
    bool keep = good && u->n_readers < READERS_KEPT;
    if (keep) {
        db->next = u->readers;
        u->readers = db;
        u->n_readers++;
    }
    pthread_mutex_unlock(&u->mu);
    if (!keep) {
        ph_local_db_close(db);
        free(db);
    }
}
