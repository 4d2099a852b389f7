/* backup.c: a user's mail as of one moment, while it is in use.
 *
 * The index is copied by SQLite's own backup, in one state; the packs after it, so everything that state refers to is in
 * them. Packs that are full never change, and are linked; the others are copied up to the end that the state knows. Compaction
 * waits meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/local/check.h"

static int join(struct ph_buf *out, const char *dir, const char *leaf, struct ph_err *err)
{
    ph_buf_clear(out);
    ph_buf_add_z(out, dir);
    ph_buf_add_char(out, '/');
    ph_buf_add_z(out, leaf);
    ph_buf_z(out);
    return out->failed ? ph_fail_memory(err) : 0;
}

static int copy_index(struct local_user *u, const char *to, struct local_db *copy, struct ph_err *err)
{
    struct local_db *db;
    int r;

    if (ph_local_db_open(to, true, copy, err))
        return -1;
    r = ph_local_read_begin(u, &db, err); /* the backup runs inside the reader's state */
    if (!r) {
        sqlite3_backup *b = sqlite3_backup_init(copy->h, "main", db->h, "main");
        int rc = b ? sqlite3_backup_step(b, -1) : SQLITE_ERROR;
        if (sqlite3_backup_finish(b) != SQLITE_OK || rc != SQLITE_DONE)
            r = ph_local_db_fail(copy, err);
        ph_local_read_end(u, db);
    }
    return r;
}

static int copy_octets(int in, int out, uint64_t size, struct ph_err *err)
{
    char *buf = malloc(65536);
    int r = buf ? 0 : ph_fail_memory(err);
    uint64_t at = 0;

    while (!r && at < size) {
        ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)(size - at), 0);
        if (n <= 0) { /* between file systems of old kinds: by hand */
            n = pread(in, buf, size - at < 65536 ? (size_t)(size - at) : 65536, (off_t)at);
            if (n > 0 && pwrite(out, buf, (size_t)n, (off_t)at) != n)
                n = -1;
            if (n > 0 && (lseek(in, (off_t)at + n, SEEK_SET) < 0 || lseek(out, (off_t)at + n, SEEK_SET) < 0))
                n = -1;
        }
        if (n <= 0)
            r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, n < 0 ? errno : EIO, "cannot copy a pack");
        else
            at += (uint64_t)n;
    }
    free(buf);
    return r;
}

static int copy_pack(const char *from, const char *to, uint64_t size, struct ph_err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = out < 0 ? ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot copy %s to %s", from, to)
                    : copy_octets(in, out, size, err);

    if (!r && fsync(out))
        r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot sync %s", to);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return r;
}

/* The packs that the copy of the index names. */
static int copy_packs(struct local_user *u, struct local_db *copy, const char *dest, struct ph_err *err)
{
    struct ph_buf from = PH_BUF_INIT, dir = PH_BUF_INIT, to = PH_BUF_INIT;
    int r = join(&dir, dest, "packs", err);
    sqlite3_stmt *st;

    if (!r)
        r = ph_local_make_dir(ph_buf_data(&dir), err);
    st = r ? NULL : local_prepare(copy, err, "SELECT id, tail, sealed FROM pack");
    r = st ? 0 : -1;
    while (!r && (r = ph_local_step(copy, st, err)) > 0) {
        r = ph_local_pack_path(u, (uint32_t)sqlite3_column_int64(st, 0), &from) ? ph_fail_memory(err) : 0;
        if (!r)
            r = join(&to, ph_buf_data(&dir), strrchr(ph_buf_data(&from), '/') + 1, err);
        if (!r && (!sqlite3_column_int64(st, 2) || link(ph_buf_data(&from), ph_buf_data(&to))))
            r = copy_pack(ph_buf_data(&from), ph_buf_data(&to), (uint64_t)sqlite3_column_int64(st, 1), err);
    }
    if (st)
        sqlite3_reset(st);
    if (!r)
        r = ph_local_sync_dir(ph_buf_data(&dir), err);
    ph_buf_done(&from);
    ph_buf_done(&dir);
    ph_buf_done(&to);
    return r;
}

static int backup(struct local_user *u, const char *dest, struct ph_err *err)
{
    struct ph_buf index = PH_BUF_INIT;
    struct local_db copy = { 0 };
    char *slash, *parent = strdup(dest);
    int r = parent ? join(&index, dest, "index.sqlite", err) : ph_fail_memory(err);

    if (!r && mkdir(dest, 0700))
        r = ph_fail_errno(err, PH_SCOPE_STORE, errno == EEXIST ? PH_E_EXISTS : PH_E_SYSTEM, errno, "cannot make %s", dest);
    if (!r)
        r = copy_index(u, ph_buf_data(&index), &copy, err) || copy_packs(u, &copy, dest, err) ? -1 : 0;
    if (copy.h)
        ph_local_db_close(&copy);
    if (!r) {
        int fd = open(ph_buf_data(&index), O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fsync(fd))
            r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot sync the index of %s", dest);
        if (fd >= 0)
            close(fd);
    }
    if (!r && (slash = strrchr(parent, '/')) && slash > parent)
        *slash = '\0';
    else if (!r)
        memcpy(parent, strchr(dest, '/') ? "/" : ".", 2);
    if (!r)
        r = ph_local_sync_dir(dest, err) || ph_local_sync_dir(parent, err) ? -1 : 0;
    free(parent);
    ph_buf_done(&index);
    return r;
}

int ph_local_backup(struct ph_local_root *root, const char *user, const char *dest, struct ph_err *err)
{
    struct flock shared = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
    struct ph_buf path = PH_BUF_INIT;
    struct local_user *u;

    if (ph_local_user_get(root, user, false, &u, err) || ph_local_enter(u, err))
        return -1;
    int r = join(&path, u->dir, "lock", err), fd = r ? -1 : open(ph_buf_data(&path), O_RDWR | O_CLOEXEC);
    if (!r && (fd < 0 || fcntl(fd, F_OFD_SETLKW, &shared))) /* a compaction is finished first */
        r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot lock %s", u->dir);
    if (!r)
        r = backup(u, dest, err);
    if (fd >= 0)
        close(fd);
    ph_buf_done(&path);
    ph_local_leave(u);
    return r;
}
