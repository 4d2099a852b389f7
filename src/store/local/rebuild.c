/* rebuild.c: an index that is lost or damaged is made anew: what can still be read of the old one, then what only the packs
 * know. The new one is built beside it and takes its place whole; the old one is kept. Nobody may have the user open. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/local/check.h"

static char *path_of(const struct local_user *u, const char *leaf)
{
    char *z = NULL;

    return asprintf(&z, "%s/%s", u->dir, leaf) < 0 ? NULL : z;
}

/* ---- what the old one still says ---- */

static int copy_row(sqlite3_stmt *from, sqlite3_stmt *to)
{
    int n = sqlite3_column_count(from);

    sqlite3_reset(to);
    for (int i = 0; i < n; i++)
        if (sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i)) != SQLITE_OK)
            return -1;
    return sqlite3_step(to) == SQLITE_DONE ? 0 : -1;
}

/* Rows up to the first that cannot be read, from one end; true: all of them. */
static bool copy_rows(sqlite3 *old, sqlite3 *fresh, const char *select, const char *insert)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    int rc = SQLITE_ERROR;

    if (sqlite3_prepare_v2(old, select, -1, &from, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(fresh, insert, -1, &to, NULL) == SQLITE_OK)
        while ((rc = sqlite3_step(from)) == SQLITE_ROW)
            copy_row(from, to);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
    return rc == SQLITE_DONE;
}

static const struct {
    const char *name, *up, *down, *insert;
} tables[] = {
#define TABLE(name, key, marks)                                                                                        \
    { name, "SELECT * FROM " name " ORDER BY " key, "SELECT * FROM " name " ORDER BY " key " DESC",                    \
      "INSERT OR REPLACE INTO " name " VALUES(" marks ")" }
    TABLE("state", "id", "?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11"),
    TABLE("mailbox", "id", "?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18"),
    TABLE("message", "id", "?1,?2,?3,?4,?5,?6,?7,?8,?9"),
    TABLE("body", "id", "?1,?2,?3,?4,?5,?6,?7"),
    TABLE("pack", "id", "?1,?2,?3,?4"),
    TABLE("kwset", "id", "?1,?2"),
    TABLE("keyword", "name", "?1"),
    TABLE("gone", "mailbox, modseq, first", "?1,?2,?3,?4"),
    TABLE("subscription", "name", "?1"),
    TABLE("acl", "mailbox, identifier", "?1,?2,?3"),
    TABLE("annotation", "mailbox, user, entry", "?1,?2,?3,?4"),
    TABLE("quota", "name", "?1,?2"),
#undef TABLE
};

static void salvage(struct local_check *c, const char *path)
{
    sqlite3 *old = NULL;

    /* a file of another version or another program has other columns: then nothing of it is taken */
    if (sqlite3_open_v2(path, &old, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_exec(old, "PRAGMA writable_schema=1", NULL, NULL, NULL); /* read on over a damaged schema */
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
            bool all = copy_rows(old, c->u->db.h, tables[i].up, tables[i].insert);
            if (!all) {
                copy_rows(old, c->u->db.h, tables[i].down, tables[i].insert);
                ph_local_found(c, FOUND_LOSS | FOUND_REPAIRED, "some rows of the table %s could not be read", tables[i].name);
            }
        }
    }
    sqlite3_close(old);
}

/* A folder whose row is lost, while its messages are there. */
static int name_orphans(struct local_check *c, struct ph_err *err)
{
    struct local_db *db = &c->u->db;
    char name[64];
    int64_t id;
    int r;

    while ((r = local_number(db, err, &id, "SELECT DISTINCT id >> 32 FROM message WHERE NOT EXISTS (SELECT 1 FROM mailbox WHERE"
                                           " mailbox.id = message.id >> 32) LIMIT 1")) > 0) {
        int64_t made;
        snprintf(name, sizeof name, "Recovered/folder %lld", (long long)id);
        ph_local_found(c, FOUND_REPAIRED, "the name of a folder is lost: it is \"%s\" now", name);
        if (ph_local_mailbox_make(c->u, db, name, 0, 0, &made, err) ||
            local_exec(db, err, "UPDATE mailbox SET id = ?2 WHERE id = ?1", LI(made), LI(id)))
            return -1;
        if ((uint32_t)id > c->u->state.mailbox)
            c->u->state.mailbox = (uint32_t)id;
    }
    return r;
}

/* ---- building ---- */

static int recover_all(struct local_check *c, struct ph_err *err)
{
    struct ph_buf path = PH_BUF_INIT;
    uint32_t *have = NULL;
    size_t n, foreign;
    uint64_t got, sum = 0;
    int r = ph_local_pack_list(c->u, &have, &n, &foreign, err);

    for (size_t i = 0; !r && i < n; i++) {
        int fd = ph_local_pack_path(c->u, have[i], &path) ? -1 : open(ph_buf_data(&path), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            ph_local_found(c, FOUND_LOSS, "pack %06u cannot be opened", have[i]);
            continue;
        }
        r = ph_local_recover(c, &c->u->db, have[i], fd, &got, err);
        sum += r ? 0 : got;
        close(fd);
    }
    if (!r && sum)
        ph_local_found(c, FOUND_REPAIRED, "%llu messages that the index had lost are in \"Recovered\" now",
                       (unsigned long long)sum);
    free(have);
    ph_buf_done(&path);
    return r;
}

static int write_state(struct local_user *u, struct ph_err *err)
{
    const struct local_state *s = &u->state;

    return local_exec(&u->db, err, "UPDATE state SET modseq = ?1, uidvalidity = ?2, mailbox = ?3, body = ?4, pack = ?5,"
                                   " octets = ?6, messages = ?7, folders_at = ?1",
                      LI(s->modseq), LI(s->uidvalidity), LI(s->mailbox), LI(s->body), LI(s->pack), LI(s->octets),
                      LI(s->messages));
}

static int build(struct local_check *c, const char *old, struct ph_err *err)
{
    struct local_user *u = c->u;

    if (ph_local_schema(&u->db, err) || ph_local_script(&u->db, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE", err))
        return -1;
    salvage(c, old);
    if (ph_local_script(&u->db, "COMMIT", err) || ph_local_fill_index(u, err) || ph_local_script(&u->db, "BEGIN IMMEDIATE", err) ||
        ph_local_state_read(&u->db, &u->state, err))
        return -1;
    /* beyond what was given out since the last that can be read */
    u->state.modseq += 1000000;
    if (u->state.body < INT64_MAX >> 1)
        u->state.body += 1000000;
    return name_orphans(c, err) || ph_local_check_rows(c, &u->db, err) || recover_all(c, err) ||
                   ph_local_check_rows(c, &u->db, err) || write_state(u, err) || ph_local_script(&u->db, "COMMIT", err)
               ? -1
               : 0;
}

static int put_away(struct local_user *u, const char *index, struct ph_err *err)
{
    char *kept = NULL, *wal = path_of(u, "index.sqlite-wal"), *shm = path_of(u, "index.sqlite-shm"),
         *cache = path_of(u, "cache.sqlite");
    int r = wal && shm && cache ? 0 : ph_fail_memory(err);

    for (int i = 1; !r && access(index, F_OK) == 0; i++) {
        free(kept);
        if (asprintf(&kept, "%s/index.damaged-%d", u->dir, i) < 0) {
            kept = NULL;
            r = ph_fail_memory(err);
        } else if (access(kept, F_OK) != 0 && rename(index, kept)) {
            r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot keep the old index as %s", kept);
        }
    }
    if (!r) { /* what the log had was read together with the index */
        unlink(wal);
        unlink(shm);
        unlink(cache);
    }
    free(kept);
    free(wal);
    free(shm);
    free(cache);
    return r;
}

static int rebuild_alone(struct local_check *c, struct ph_err *err)
{
    struct local_user *u = c->u;
    char *index = path_of(u, "index.sqlite"), *fresh = path_of(u, "index.new"), *journal = path_of(u, "index.new-journal");
    int r = index && fresh && journal ? 0 : ph_fail_memory(err), fd = -1;

    if (!r) {
        unlink(fresh);
        unlink(journal);
        r = ph_local_open_index(u, fresh, false, err);
    }
    if (!r) {
        bool repair = c->repair;
        c->repair = true;
        r = build(c, index, err);
        c->repair = repair;
        ph_local_db_close(&u->db);
    }
    if (!r && ((fd = open(fresh, O_RDONLY | O_CLOEXEC)) < 0 || fsync(fd)))
        r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot sync %s", fresh);
    if (fd >= 0)
        close(fd);
    if (!r)
        r = put_away(u, index, err);
    if (!r && rename(fresh, index))
        r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot put the new index in its place");
    if (!r)
        r = ph_local_sync_dir(u->dir, err);
    free(index);
    free(fresh);
    free(journal);
    return r;
}

int ph_local_rebuild(struct local_check *c, struct ph_err *err)
{
    struct flock alone = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    struct local_user *u = c->u;
    char *path = path_of(u, "lock");
    int fd = -1, r = 0;

    if (!path)
        return ph_fail_memory(err);
    pthread_mutex_lock(&u->open_mu);
    pthread_mutex_lock(&u->root->mu);
    bool busy = u->in_use > 0, was_open = u->open;
    if (!busy && was_open) {
        u->open = false;
        u->root->n_open--;
        ph_local_take_off_idle(u);
    }
    pthread_mutex_unlock(&u->root->mu);
    if (!busy && was_open)
        ph_local_user_close(u);
    if (!busy)
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (busy || fd < 0 || fcntl(fd, F_OFD_SETLK, &alone))
        r = ph_fail(err, PH_SCOPE_STORE, PH_E_LOCKED, "%s is in use: its index can be made anew only when nobody has it open",
                    u->dir);
    else
        r = rebuild_alone(c, err);
    if (fd >= 0)
        close(fd);
    pthread_mutex_unlock(&u->open_mu);
    free(path);
    return r;
}
