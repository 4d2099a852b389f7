/* compact.c: packs that are more than half dead are written anew, the living part.
 *
 * A pack that nobody writes to is locked, its living records are appended to a pack of ours, and one commit moves the bodies over.
 * Only then the old file goes: a reader that has looked up the old place finds no file, and looks again. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/local/tasks.h"

struct moved {
    int64_t body;
    uint64_t from, off, size;
    struct local_pack *pack;
};

struct compaction {
    uint32_t number;
    struct moved *m;
    size_t n;
};

static int find_bodies(struct local_user *u, struct compaction *c, struct ph_err *err)
{
    struct local_db *db;
    size_t cap = 0;
    int r;

    if (ph_local_read_begin(u, &db, err))
        return -1;
    sqlite3_stmt *st = local_prepare(db, err, "SELECT id, off, size FROM body WHERE pack = ?1", LI(c->number));
    r = st ? 0 : -1;
    while (!r && (r = ph_local_step(db, st, err)) > 0) {
        if (c->n == cap) {
            cap = cap ? cap * 2 : 256;
            struct moved *grown = realloc(c->m, cap * sizeof *grown);
            if (!grown) {
                sqlite3_reset(st);
                r = ph_fail_memory(err);
                break;
            }
            c->m = grown;
        }
        c->m[c->n++] = (struct moved){ .body = sqlite3_column_int64(st, 0), .from = (uint64_t)sqlite3_column_int64(st, 1),
                                       .size = (uint64_t)sqlite3_column_int64(st, 2) };
        r = 0;
    }
    ph_local_read_end(u, db);
    return r;
}

/* The record as it stands, its header with it. */
static int copy_record(struct local_user *u, struct local_file *f, struct local_pack *to, struct moved *m, char *buf,
                       struct ph_err *err)
{
    uint64_t left = RECORD_HEADER + m->size, at = 0;

    m->off = to->tail;
    m->pack = to;
    while (left) {
        size_t n = left < 65536 ? (size_t)left : 65536;
        if (ph_local_file_read(f, m->from + at, buf, n, err) || ph_local_pack_write(to, m->off + at, buf, n, err))
            return -1;
        at += n;
        left -= n;
    }
    to->tail = m->off + at;
    return 0;
}

static int run_move(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    const struct compaction *c = ctx;

    for (size_t i = 0; i < c->n; i++) {
        const struct moved *m = &c->m[i];
        if (ph_local_pack_lost(u, m->pack))
            return ph_fail(err, PH_SCOPE_STORE, PH_E_SYSTEM, "a pack could not be written");
        if (local_exec(db, err, "UPDATE body SET pack = ?2, off = ?3 WHERE id = ?1 AND pack = ?4", LI(m->body),
                       LI(m->pack->number), LI(m->off), LI(c->number)))
            return -1;
        bool alive = sqlite3_changes(db->h) == 1; /* else it went meanwhile, and its copy is dead */
        uint64_t end = m->off + RECORD_HEADER + m->size;
        if (local_exec(db, err,
                       "INSERT INTO pack(id, tail, live, sealed) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(id) DO UPDATE SET"
                       " tail = max(tail, ?2), live = live + ?3, sealed = max(sealed, ?4)",
                       LI(m->pack->number), LI(end), LI(alive ? RECORD_HEADER + m->size : 0),
                       LI(end >= u->root->opt.pack_size)))
            return -1;
        if (m->pack->number > u->state.pack)
            u->state.pack = m->pack->number;
    }
    return local_exec(db, err, "DELETE FROM pack WHERE id = ?1", LI(c->number));
}

static int copy_all(struct local_user *u, struct compaction *c, struct local_pack *to, struct ph_err *err)
{
    struct local_file *f = NULL;
    char *buf = malloc(65536);
    int r = buf ? ph_local_file_get(u, c->number, &f, err) : ph_fail_memory(err);

    for (size_t i = 0; !r && i < c->n; i++)
        r = copy_record(u, f, to, &c->m[i], buf, err);
    ph_local_file_put(u, f);
    free(buf);
    return r;
}

/* A backup that is under way needs the packs that its index names. */
static int lock_packs(struct local_user *u)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
    struct ph_buf path = PH_BUF_INIT;

    ph_buf_add_z(&path, u->dir);
    ph_buf_add_z(&path, "/lock");
    int fd = open(ph_buf_z(&path), O_RDWR | O_CLOEXEC);
    ph_buf_done(&path);
    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int compact_one(struct local_user *u, uint32_t number, struct ph_err *err)
{
    struct compaction c = { .number = number };
    struct local_pack *to = NULL;
    struct ph_buf path = PH_BUF_INIT;
    int r = ph_local_pack_path(u, number, &path) ? ph_fail_memory(err) : 0;
    int fd = r ? -1 : open(ph_buf_data(&path), O_RDWR | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) { /* somebody writes to it, or compacts it */
        if (fd >= 0)
            close(fd);
        ph_buf_done(&path);
        return r;
    }
    r = find_bodies(u, &c, err);
    if (!r && c.n)
        r = ph_local_pack_take(u, &to, err);
    if (!r && c.n) {
        uint64_t before = to->tail;
        r = copy_all(u, &c, to, err);
        if (r) {
            ph_local_pack_cut(to, before);
            to->tail = before;
        }
        ph_local_pack_free(u, to, r == 0);
    }
    if (!r)
        r = ph_local_do(u, run_move, &c, false, err);
    if (!r && unlink(ph_buf_data(&path)) && errno != ENOENT)
        r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot remove %s", ph_buf_data(&path));
    if (!r)
        ph_local_file_forget(u, number);
    if (to)
        ph_local_pack_unuse(u, to);
    close(fd);
    free(c.m);
    ph_buf_done(&path);
    return r;
}

int ph_local_compact(struct local_user *u, unsigned *packs, struct ph_err *err)
{
    uint32_t number[64];
    struct local_db *db;
    size_t n = 0;

    *packs = 0;
    if (ph_local_read_begin(u, &db, err))
        return -1;
    sqlite3_stmt *st = local_prepare(db, err, "SELECT id FROM pack WHERE live * 2 < tail AND (sealed OR (live = 0 AND"
                                              " tail > 65536)) LIMIT 64");
    int r = st ? 0 : -1;
    while (!r && n < 64 && (r = ph_local_step(db, st, err)) > 0) {
        number[n++] = (uint32_t)sqlite3_column_int64(st, 0);
        r = 0;
    }
    if (st)
        sqlite3_reset(st);
    ph_local_read_end(u, db);
    int lock = n ? lock_packs(u) : -1;
    for (size_t i = 0; !r && lock >= 0 && i < n; i++) {
        r = compact_one(u, number[i], err);
        *packs += r == 0;
    }
    if (lock >= 0)
        close(lock);
    return r;
}
