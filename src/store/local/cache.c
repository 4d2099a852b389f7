/* cache.c: what a server worked out about messages, kept by body in cache.sqlite.
 *
 * Puts are collected and written some at a time; the file is synced only when SQLite's log is folded in, which keeps it
 * whole through a power cut but may lose the last puts. A row carries the beginning of the body's hash, so that a cache that
 * stands beside another index (a backup put back) tells nothing wrong. A damaged file is thrown away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/local/cache.h"

#define QUEUE_MOST 128
#define QUEUE_OCTETS (256u << 10)

struct queued { /* in cache_queue, before its octets */
    int64_t body;
    uint64_t hash;
    uint64_t n;
};

/* Under cache_mu, as everything here. */
static void throw_away(struct local_user *u)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char *path = NULL;

    ph_local_db_close(&u->cache);
    u->cache_open = false;
    u->cache_bad = true; /* until the user is opened again */
    for (size_t i = 0; i < 3; i++)
        if (asprintf(&path, "%s/cache.sqlite%s", u->dir, ends[i]) >= 0) {
            unlink(path);
            free(path);
        }
}

static bool open_cache(struct local_user *u)
{
    struct ph_err why = { 0 };
    char *path = NULL;

    if (u->cache_open || u->cache_bad)
        return u->cache_open;
    if (asprintf(&path, "%s/cache.sqlite", u->dir) < 0)
        return false;
    int r = ph_local_db_open(path, true, &u->cache, &why);
    free(path);
    u->cache_open = r == 0;
    if (!r)
        r = ph_local_script(&u->cache, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                       "CREATE TABLE IF NOT EXISTS cache(body INTEGER PRIMARY KEY, hash INTEGER, data BLOB)",
                            &why);
    if (r && why.kind == PH_E_CORRUPT)
        throw_away(u);
    else if (r && u->cache_open) {
        ph_local_db_close(&u->cache);
        u->cache_open = false;
    }
    return u->cache_open;
}

static void write_queue(struct local_user *u)
{
    struct ph_str left = ph_buf_str(&u->cache_queue);
    struct ph_err why = { 0 };
    struct queued q;
    int r = 0;

    if (left.n && open_cache(u)) {
        r = local_exec(&u->cache, &why, "BEGIN IMMEDIATE");
        while (!r && left.n >= sizeof q) {
            memcpy(&q, left.p, sizeof q);
            r = local_exec(&u->cache, &why, "INSERT OR REPLACE INTO cache(body, hash, data) VALUES(?1, ?2, ?3)", LI(q.body),
                           LI(q.hash), LB(left.p + sizeof q, q.n));
            left.p += sizeof q + q.n;
            left.n -= sizeof q + q.n;
        }
        if (!r)
            r = local_exec(&u->cache, &why, "COMMIT");
        if (r && !sqlite3_get_autocommit(u->cache.h))
            sqlite3_exec(u->cache.h, "ROLLBACK", NULL, NULL, NULL);
        if (r && why.kind == PH_E_CORRUPT)
            throw_away(u);
    }
    ph_buf_clear(&u->cache_queue);
    u->cache_queued = 0;
}

static bool in_queue(struct local_user *u, const struct local_body *b, struct ph_buf *out)
{
    struct ph_str left = ph_buf_str(&u->cache_queue);
    struct queued q;

    while (left.n >= sizeof q) {
        memcpy(&q, left.p, sizeof q);
        if (q.body == b->body && q.hash == b->hash) {
            ph_buf_add(out, left.p + sizeof q, q.n);
            return true;
        }
        left.p += sizeof q + q.n;
        left.n -= sizeof q + q.n;
    }
    return false;
}

static bool in_file(struct local_user *u, const struct local_body *b, struct ph_buf *out)
{
    struct ph_err why = { 0 };
    sqlite3_stmt *st;
    bool found = false;

    if (!open_cache(u))
        return false;
    st = local_prepare(&u->cache, &why, "SELECT hash, data FROM cache WHERE body = ?1", LI(b->body));
    if (st && ph_local_step(&u->cache, st, &why) > 0) {
        found = (uint64_t)sqlite3_column_int64(st, 0) == b->hash;
        if (found)
            ph_buf_add(out, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
        sqlite3_reset(st);
    }
    if (why.kind == PH_E_CORRUPT)
        throw_away(u);
    return found;
}

int ph_local_cache_get(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_buf *out,
                       struct ph_err *err)
{
    struct local_body b;
    struct local_user *u;

    if (ph_local_body_named(local_session(base), folder, uidvalidity, uid, &b, &u, err) || ph_local_enter(u, err))
        return -1;
    pthread_mutex_lock(&u->cache_mu);
    bool found = in_queue(u, &b, out) || in_file(u, &b, out);
    pthread_mutex_unlock(&u->cache_mu);
    ph_local_leave(u);
    return out->failed ? ph_fail_memory(err) : found;
}

int ph_local_cache_put(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_str blob,
                       struct ph_err *err)
{
    struct local_body b;
    struct local_user *u;

    if (blob.n > QUEUE_OCTETS) /* not worth its room */
        return 0;
    if (ph_local_body_named(local_session(base), folder, uidvalidity, uid, &b, &u, err) || ph_local_enter(u, err))
        return -1;
    struct queued q = { .body = b.body, .hash = b.hash, .n = blob.n };
    pthread_mutex_lock(&u->cache_mu);
    bool bad = ph_buf_add(&u->cache_queue, &q, sizeof q) || ph_buf_add(&u->cache_queue, blob.p ? blob.p : "", blob.n);
    if (bad) {
        ph_buf_done(&u->cache_queue);
        u->cache_queued = 0;
    } else if (++u->cache_queued >= QUEUE_MOST || ph_buf_len(&u->cache_queue) > QUEUE_OCTETS) {
        write_queue(u);
    }
    pthread_mutex_unlock(&u->cache_mu);
    ph_local_leave(u);
    return bad ? ph_fail_memory(err) : 0;
}

void ph_local_cache_close(struct local_user *u)
{
    pthread_mutex_lock(&u->cache_mu);
    write_queue(u);
    if (u->cache_open)
        ph_local_db_close(&u->cache);
    u->cache_open = u->cache_bad = false;
    ph_buf_done(&u->cache_queue);
    pthread_mutex_unlock(&u->cache_mu);
}
