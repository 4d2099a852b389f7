/* check.c: checking and repairing one user's mail (RECONSTRUCT): the octets first, against their SHA-256, then the
 * bookkeeping (check_rows.c), then packs that the index does not know (recover.c). An index that cannot be read is made anew
 * (rebuild.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/local/check.h"
#include "store/local/tasks.h"

void ph_local_found(struct local_check *c, int how, const char *fmt, ...)
{
    struct ph_local_finding f = { .repaired = (how & FOUND_REPAIRED) != 0, .loss = (how & FOUND_LOSS) != 0 };
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    f.what = text;
    c->result->findings++;
    c->result->repaired += f.repaired;
    c->result->losses += f.loss;
    if (c->report)
        c->report(c->ctx, &f);
}

/* ---- octets ---- */

struct reading { /* the pack in hand */
    uint32_t number;
    int fd;
    uint64_t size;
};

static void open_pack(struct local_check *c, struct reading *x, uint32_t number)
{
    struct ph_buf path = PH_BUF_INIT;
    unsigned char head[PACK_HEADER];
    struct stat st;

    if (x->fd >= 0)
        close(x->fd);
    x->number = number;
    x->size = 0;
    x->fd = ph_local_pack_path(c->u, number, &path) ? -1 : open(ph_buf_data(&path), O_RDONLY | O_CLOEXEC);
    ph_buf_done(&path);
    if (x->fd < 0) {
        ph_local_found(c, FOUND_LOSS, "pack %06u is missing", number);
        return;
    }
    if (fstat(x->fd, &st) == 0)
        x->size = (uint64_t)st.st_size;
    if (pread(x->fd, head, sizeof head, 0) != sizeof head || !ph_local_pack_header_ok(head, number))
        ph_local_found(c, 0, "pack %06u does not begin as one", number);
}

static int note_unreadable(struct local_check *c, int64_t body, struct ph_err *err)
{
    if (c->n_unreadable == c->cap_unreadable) {
        size_t cap = c->cap_unreadable ? c->cap_unreadable * 2 : 64;
        int64_t *grown = realloc(c->unreadable, cap * sizeof *grown);
        if (!grown)
            return ph_fail_memory(err);
        c->unreadable = grown;
        c->cap_unreadable = cap;
    }
    c->unreadable[c->n_unreadable++] = body;
    return 0;
}

static int check_body(struct local_check *c, struct reading *x, sqlite3_stmt *st, struct ph_err *err)
{
    int64_t body = sqlite3_column_int64(st, 0);
    uint32_t pack = (uint32_t)sqlite3_column_int64(st, 1);
    uint64_t off = (uint64_t)sqlite3_column_int64(st, 2), size = (uint64_t)sqlite3_column_int64(st, 3);
    unsigned char head[RECORD_HEADER], hash[32];
    struct local_record r;

    if (x->number != pack)
        open_pack(c, x, pack);
    c->result->bodies++;
    c->result->octets += size;
    if (x->fd < 0 || off + RECORD_HEADER + size > x->size || pread(x->fd, head, sizeof head, (off_t)off) != sizeof head ||
        ph_local_hash_record(x->fd, off, size, hash)) {
        ph_local_found(c, FOUND_LOSS | (c->repair ? FOUND_REPAIRED : 0), "a message of %llu octets is missing in pack %06u%s",
                       (unsigned long long)size, pack, c->repair ? "; its rows are removed" : "");
        return note_unreadable(c, body, err);
    }
    bool whole = ph_local_record_get(head, &r) && r.size == size && memcmp(r.hash, hash, 32) == 0;
    bool same = sqlite3_column_bytes(st, 4) == 16 && memcmp(sqlite3_column_blob(st, 4), hash, 16) == 0;
    if (!whole || !same)
        ph_local_found(c, same ? 0 : FOUND_LOSS, "pack %06u at %llu: %s", pack, (unsigned long long)off,
                       same ? "the header of a message is damaged, its octets are whole" : "the octets of a message have changed");
    return 0;
}

static int check_octets(struct local_check *c, struct ph_err *err)
{
    struct reading x = { .fd = -1 };
    struct local_db *db;

    if (ph_local_read_begin(c->u, &db, err))
        return -1;
    sqlite3_stmt *st = local_prepare(db, err, "SELECT id, pack, off, size, hash FROM body ORDER BY pack, off");
    int r = st ? 0 : -1;
    while (!r && (r = ph_local_step(db, st, err)) > 0)
        r = check_body(c, &x, st, err);
    if (st)
        sqlite3_reset(st);
    ph_local_read_end(c->u, db);
    if (x.fd >= 0)
        close(x.fd);
    return r;
}

/* ---- bookkeeping ---- */

static int run_rows(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    return ph_local_check_rows(ctx, db, err);
}

static int check_bookkeeping(struct local_check *c, struct ph_err *err)
{
    struct local_db *db;

    if (c->repair)
        return ph_local_do(c->u, run_rows, c, false, err);
    if (ph_local_read_begin(c->u, &db, err))
        return -1;
    int r = ph_local_check_rows(c, db, err);
    ph_local_read_end(c->u, db);
    return r;
}

/* ---- packs that the index does not know ---- */

struct unknown {
    struct local_check *c;
    uint32_t number;
    int fd;
    uint64_t n;
};

static int run_recover(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct unknown *x = ctx;

    return ph_local_recover(x->c, db, x->number, x->fd, &x->n, err);
}

/* What a crash or a compaction has left behind, or what an older index does not know of. */
static int check_unknown(struct local_check *c, uint32_t number, struct ph_err *err)
{
    struct unknown x = { .c = c, .number = number, .fd = -1 };
    struct ph_buf path = PH_BUF_INIT;
    int r = ph_local_pack_path(c->u, number, &path) ? ph_fail_memory(err) : 0;
    uint64_t end = 0;

    if (!r)
        x.fd = open(ph_buf_data(&path), O_RDWR | O_CLOEXEC);
    if (x.fd >= 0 && flock(x.fd, LOCK_EX | LOCK_NB) == 0) { /* else it is new, and somebody's */
        if (!c->repair) {
            ph_local_found(c, 0, "pack %06u is not in the index", number);
        } else if ((r = ph_local_do(c->u, run_recover, &x, false, err)) == 0) {
            ph_local_found(c, FOUND_REPAIRED, "pack %06u was not in the index: %llu messages are in \"Recovered\" now", number,
                           (unsigned long long)x.n);
            if (x.n == 0 && ph_local_pack_walk(x.fd, number, NULL, NULL, &end, err) == 0)
                unlink(ph_buf_data(&path)); /* everything in it is elsewhere */
        }
    }
    if (x.fd >= 0)
        close(x.fd);
    ph_buf_done(&path);
    return r;
}

static int check_packs(struct local_check *c, struct ph_err *err)
{
    uint32_t *have = NULL;
    size_t n, foreign;
    int r = ph_local_pack_list(c->u, &have, &n, &foreign, err);

    if (!r && foreign)
        ph_local_found(c, 0, "%zu files that are not ours lie among the packs; they are left alone", foreign);
    for (size_t i = 0; !r && i < n; i++) {
        struct local_db *db;
        int64_t known = 0;
        r = ph_local_read_begin(c->u, &db, err);
        if (!r && local_number(db, err, &known, "SELECT 1 FROM pack WHERE id = ?1", LI(have[i])) < 0)
            r = -1;
        ph_local_read_end(c->u, db);
        if (!r && !known)
            r = check_unknown(c, have[i], err);
    }
    free(have);
    return r;
}

/* ---- the whole ---- */

/* The database by SQLite's own measure; false: it is damaged. */
static bool index_whole(struct local_check *c, char *why, size_t n)
{
    struct local_db *db;
    bool ok = false;

    if (ph_local_read_begin(c->u, &db, NULL))
        return false;
    sqlite3_stmt *st = local_prepare(db, NULL, "PRAGMA integrity_check(1)");
    if (st && ph_local_step(db, st, NULL) > 0) {
        const char *said = (const char *)sqlite3_column_text(st, 0);
        ok = said && strcmp(said, "ok") == 0;
        snprintf(why, n, "%s", said ? said : "no answer");
        sqlite3_reset(st);
    }
    ph_local_read_end(c->u, db);
    return ok;
}

static int restore_hints(struct local_check *c, struct ph_err *err)
{
    struct local_db *db;
    int r = ph_local_read_begin(c->u, &db, err);

    if (r)
        return -1;
    sqlite3_stmt *st = local_prepare(db, err, "SELECT DISTINCT identifier FROM acl WHERE identifier NOT LIKE '-%'");
    r = st ? 0 : -1;
    while (!r && (r = ph_local_step(db, st, err)) > 0)
        r = ph_local_shared_add(c->u->root, c->u->name, (const char *)sqlite3_column_text(st, 0), err);
    ph_local_read_end(c->u, db);
    return r;
}

static int check_entered(struct local_check *c, struct ph_err *err)
{
    unsigned packs = 0;

    if (check_octets(c, err) || check_bookkeeping(c, err) || check_packs(c, err))
        return -1;
    if (!c->repair)
        return 0;
    if (restore_hints(c, err) || ph_local_compact(c->u, &packs, err))
        return -1;
    if (packs)
        ph_local_found(c, FOUND_REPAIRED, "%u packs that were more than half dead were written anew", packs);
    return 0;
}

int ph_local_check(struct ph_local_root *root, const char *user, bool repair,
                   void (*report)(void *ctx, const struct ph_local_finding *f), void *ctx,
                   struct ph_local_check_result *result, struct ph_err *err)
{
    struct ph_local_check_result unused;
    struct local_check c = { .repair = repair, .report = report, .ctx = ctx, .result = result ? result : &unused };
    struct ph_err why = { 0 };
    char text[200] = "";
    int r;

    memset(c.result, 0, sizeof *c.result);
    if (ph_local_user_get(root, user, false, &c.u, err))
        return -1;
    r = ph_local_enter(c.u, &why);
    bool damaged = r && why.kind == PH_E_CORRUPT;
    if (r && !damaged) {
        if (err)
            *err = why;
        return -1;
    }
    if (!r && !index_whole(&c, text, sizeof text)) {
        damaged = true;
        ph_local_leave(c.u);
    }
    if (damaged) {
        ph_local_found(&c, FOUND_LOSS | (repair ? FOUND_REPAIRED : 0), "the index is damaged: %s", *text ? text : why.text);
        if (!repair)
            return 0;
        if (ph_local_rebuild(&c, err) || ph_local_enter(c.u, err))
            return -1;
    }
    r = check_entered(&c, err);
    ph_local_leave(c.u);
    free(c.unreadable);
    return r;
}
