/* bodies.c: octets of messages: in a queue (store.h) or at any place (serve.h).
 *
 * Octets are lent out of a window that is read with pread: a file that is cut under us, or a disk that fails, is an error
 * and not a signal. Messages that came one after the other lie one behind the other, so while they are asked for in order
 * the window reads on over them, and a hundred small ones cost a few system calls. Only octets of messages that are
 * committed are read ahead: those never change. */
#include <stdlib.h>
#include <string.h>

#include "store/local/private.h"

#define SMALL_BODY 16384 /* of larger ones only what is asked for is read */

/* ---- where it is ---- */

void ph_local_bodies_end(struct local_session *s)
{
    s->body_user = NULL;
}

static void forget_ahead(struct local_session *s)
{
    s->n_ahead = s->at_ahead = 0;
    s->ahead_user = NULL;
}

void ph_local_bodies_free(struct local_session *s)
{
    while (s->requests) {
        struct local_request *r = s->requests;
        s->requests = r->next;
        ph_numset_done(&r->uids);
        free(r->folder);
        free(r);
    }
    s->requests_end = &s->requests;
    if (s->file)
        ph_local_file_put(s->file_user, s->file);
    free(s->ahead);
    free(s->ahead_folder);
    free(s->body_folder);
    free(s->window);
}

static int read_ahead(struct local_session *s, struct local_db *db, int64_t mailbox, uint32_t uid, struct ph_err *err)
{
    sqlite3_stmt *st;
    int r = -1;

    if (!s->ahead && !(s->ahead = malloc(LOCAL_AHEAD * sizeof *s->ahead)))
        return ph_fail_memory(err);
    s->n_ahead = s->at_ahead = 0;
    s->ahead_mailbox = mailbox;
    st = local_prepare(db, err,
                       "SELECT m.id & 4294967295, m.body, b.pack, b.off, b.size, b.hash FROM message m CROSS JOIN body b"
                       " ON b.id = m.body WHERE m.id BETWEEN ?1 AND ?2 ORDER BY m.id LIMIT ?3",
                       LI(local_id(mailbox, uid)), LI(local_id(mailbox, UINT32_MAX)), LI(s->ahead_want));
    while (st && (r = ph_local_step(db, st, err)) > 0) {
        struct local_body *b = &s->ahead[s->n_ahead++];
        *b = (struct local_body){ .uid = (uint32_t)sqlite3_column_int64(st, 0), .body = sqlite3_column_int64(st, 1),
                                  .pack = (uint32_t)sqlite3_column_int64(st, 2),
                                  .off = (uint64_t)sqlite3_column_int64(st, 3),
                                  .size = (uint64_t)sqlite3_column_int64(st, 4) };
        if (sqlite3_column_bytes(st, 5) >= 8)
            memcpy(&b->hash, sqlite3_column_blob(st, 5), 8);
    }
    return r;
}

static int gone(struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "the message is not there any more");
}

/* Open the pack of s->body. */
static int open_pack(struct local_session *s, struct local_user *u, struct ph_err *err)
{
    if (s->file && s->file_user == u && s->file->number == s->body.pack)
        return 0;
    if (s->file)
        ph_local_file_put(s->file_user, s->file);
    s->file = NULL;
    s->file_user = u;
    return ph_local_file_get(u, s->body.pack, &s->file, err);
}

int ph_local_body_take(struct local_session *s, struct local_user *u, struct local_db *db, const struct local_mailbox *m,
                       uint32_t uid, struct ph_err *err)
{
    struct ph_err why = { 0 };

    for (int i = 0; i < 2; i++) {
        if (read_ahead(s, db, m->id, uid, err))
            return -1;
        if (s->n_ahead == 0 || s->ahead[0].uid != uid)
            return gone(err);
        s->body = s->ahead[0];
        if (open_pack(s, u, &why) == 0) {
            s->body_user = u;
            s->body_at = 0;
            return 0;
        }
        if (why.kind != PH_E_NOTFOUND || i)
            break;
        /* compaction has moved it since this connection's view of the index began */
        if (local_exec(db, err, "COMMIT") || local_exec(db, err, "BEGIN"))
            return -1;
    }
    if (why.kind == PH_E_NOTFOUND)
        why.kind = PH_E_CORRUPT; /* not the message: its octets */
    if (err)
        *err = why;
    return -1;
}

/* Is it one of those that were looked up already, in a state that still holds? Then at_ahead is its place. */
static bool in_ahead(struct local_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid)
{
    if (!s->ahead_user || !s->n_ahead || !uidvalidity || uidvalidity != s->ahead_validity ||
        strcmp(folder, s->ahead_folder) != 0 || atomic_load(&s->ahead_user->generation) != s->ahead_generation)
        return false;
    while (s->at_ahead + 1 < s->n_ahead && s->ahead[s->at_ahead].uid < uid)
        s->at_ahead++;
    return s->ahead[s->at_ahead].uid == uid;
}

static int look_up(struct local_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_err *err)
{
    bool onwards = s->ahead_user && s->n_ahead && s->ahead_folder && strcmp(folder, s->ahead_folder) == 0 &&
                   uid > s->ahead[s->n_ahead - 1].uid;
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;

    s->ahead_want = !onwards ? 2 : s->ahead_want * 2 > LOCAL_AHEAD ? LOCAL_AHEAD : s->ahead_want * 2;
    forget_ahead(s);
    if (ph_local_where(s, folder, &w, err))
        return -1;
    uint_fast64_t generation = atomic_load(&w.u->generation);
    int r = ph_local_read_begin(w.u, &db, err);
    if (!r) {
        r = ph_local_find_open(db, &w, uidvalidity, R_READ, &m, err) || ph_local_body_take(s, w.u, db, &m, uid, err) ? -1 : 0;
        ph_local_read_end(w.u, db);
    }
    if (!r && (!s->ahead_folder || strcmp(folder, s->ahead_folder) != 0)) {
        free(s->ahead_folder);
        s->ahead_folder = strdup(folder);
    }
    if (!r && s->ahead_folder) {
        s->ahead_user = w.u;
        s->ahead_validity = m.uidvalidity;
        s->ahead_generation = generation;
    }
    ph_local_where_done(&w);
    return r;
}

static int take(struct local_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_err *err)
{
    s->body_user = NULL;
    if (ph_local_begin(s, err))
        return -1;
    if (in_ahead(s, folder, uidvalidity, uid)) {
        s->body = s->ahead[s->at_ahead];
        if (open_pack(s, s->ahead_user, NULL) == 0) {
            s->body_user = s->ahead_user;
            s->body_at = 0;
            return 0;
        }
    }
    return look_up(s, folder, uidvalidity, uid, err);
}

int ph_local_body_named(struct local_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid,
                        struct local_body *out, struct local_user **u, struct ph_err *err)
{
    struct local_user *before = s->body_user;
    struct local_body in_hand = s->body;
    uint64_t at = s->body_at;

    if (in_ahead(s, folder, uidvalidity, uid)) {
        *out = s->ahead[s->at_ahead];
        *u = s->ahead_user;
        return 0;
    }
    int r = look_up(s, folder, uidvalidity, uid, err);
    *out = s->body;
    *u = s->body_user;
    s->body = in_hand; /* what is being read stays in hand */
    s->body_user = before;
    s->body_at = at;
    if (before && open_pack(s, before, NULL))
        s->body_user = NULL;
    return r;
}

/* ---- octets ---- */

/* Where reading may go on to: over the messages behind this one, as long as they lie behind it. */
static uint64_t known_end(const struct local_session *s)
{
    uint64_t end = s->body.off + RECORD_HEADER + s->body.size;

    if (s->ahead_user != s->body_user || s->body.size > SMALL_BODY)
        return end;
    for (size_t i = s->at_ahead + 1; i < s->n_ahead; i++) {
        const struct local_body *b = &s->ahead[i];
        if (b->pack != s->body.pack || b->off < end || b->off > end + SMALL_BODY || b->size > SMALL_BODY)
            break;
        end = b->off + RECORD_HEADER + b->size;
    }
    return end;
}

static int lend(struct local_session *s, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err)
{
    uint64_t from = s->body.off + RECORD_HEADER + offset, left = s->body.size - offset;

    want = want < LOCAL_WINDOW ? want : LOCAL_WINDOW;
    want = want < left ? want : (size_t)left;
    bool here = s->window_user == s->body_user && s->window_pack == s->body.pack && from >= s->window_off &&
                from < s->window_off + s->window_n;
    size_t have = here ? (size_t)(s->window_off + s->window_n - from) : 0;
    if (!here || (have < want && have < 4096)) {
        uint64_t end = known_end(s);
        size_t take_n = s->body.size > SMALL_BODY ? (want < 4096 ? 4096 : want) : LOCAL_WINDOW;
        take_n = take_n < end - from ? take_n : (size_t)(end - from);
        if (!s->window && !(s->window = malloc(LOCAL_WINDOW)))
            return ph_fail_memory(err);
        s->window_n = 0;
        if (ph_local_file_read(s->file, from, s->window, take_n, err))
            return -1;
        s->window_user = s->body_user;
        s->window_pack = s->body.pack;
        s->window_off = from;
        s->window_n = take_n;
        have = take_n;
    }
    *p = s->window + (from - s->window_off);
    *n = have < want ? have : want;
    return 0;
}

int ph_local_body_header(struct local_session *s, struct local_user *u, struct local_db *db,
                         const struct local_mailbox *m, uint32_t uid, struct ph_buf *out, struct ph_err *err)
{
    uint64_t at = 0;
    const char *p, *end;
    size_t n, seen;

    while (s->ahead_user == u && s->ahead_mailbox == m->id && s->at_ahead + 1 < s->n_ahead &&
           s->ahead[s->at_ahead].uid < uid)
        s->at_ahead++;
    if (s->ahead_user == u && s->ahead_mailbox == m->id && s->n_ahead && s->ahead[s->at_ahead].uid == uid) {
        s->body = s->ahead[s->at_ahead];
        if (open_pack(s, u, err))
            return -1;
    } else {
        s->ahead_want = LOCAL_AHEAD;
        if (ph_local_body_take(s, u, db, m, uid, err))
            return -1;
        s->ahead_user = u;
        s->ahead_validity = 0; /* of nobody else's use */
    }
    s->body_user = u;
    while (at < s->body.size && at < LOCAL_HEADER_MAX) {
        if (lend(s, at, 8192, &p, &n, err))
            return -1;
        seen = ph_buf_len(out) > 3 ? ph_buf_len(out) - 3 : 0;
        if (ph_buf_add(out, p, n))
            return ph_fail_memory(err);
        end = memmem(ph_buf_data(out) + seen, ph_buf_len(out) - seen, "\r\n\r\n", 4);
        if (end) {
            out->tail = out->head + (size_t)(end - ph_buf_data(out)) + 2;
            break;
        }
        at += n;
    }
    return 0;
}

/* ---- store.h ---- */

int ph_local_bodies_add(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                        const struct ph_snapshot *snap, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct local_request *r = calloc(1, sizeof *r);

    ph_local_bodies_end(s);
    if (!r || !(r->folder = strdup(folder)) || ph_numset_add_set(&r->uids, uids)) {
        if (r) {
            ph_numset_done(&r->uids);
            free(r->folder);
        }
        free(r);
        return ph_fail_memory(err);
    }
    /* without an expectation, that of now: what is looked up ahead holds for one mailbox */
    r->uidvalidity = uidvalidity;
    *s->requests_end = r;
    s->requests_end = &r->next;
    return 0;
}

/* The next UID of the oldest request, which it leaves; 0: nothing is left. */
static uint32_t next_uid(struct local_session *s)
{
    while (s->requests) {
        struct local_request *r = s->requests;
        if (r->uids.n) {
            uint32_t uid = r->uids.r[r->at].first++;
            if (r->uids.r[r->at].first > r->uids.r[r->at].last || r->uids.r[r->at].first == 0)
                r->at++;
            if (r->at == r->uids.n)
                r->uids.n = 0;
            return uid;
        }
        s->requests = r->next;
        if (!s->requests)
            s->requests_end = &s->requests;
        ph_numset_done(&r->uids);
        free(r->folder);
        free(r);
    }
    return 0;
}

int ph_local_bodies_next(struct ph_session *base, struct ph_body *out, struct ph_err *err)
{
    struct local_session *s = local_session(base);

    memset(out, 0, sizeof *out);
    ph_local_bodies_end(s);
    if (ph_local_begin(s, err))
        return -1;
    out->uid = next_uid(s);
    if (!out->uid)
        return 0;
    struct local_request *r = s->requests;
    if (!s->body_folder || strcmp(s->body_folder, r->folder) != 0) {
        free(s->body_folder);
        s->body_folder = strdup(r->folder);
        if (!s->body_folder)
            return ph_fail_memory(err);
    }
    out->folder = s->body_folder;
    if (take(s, r->folder, r->uidvalidity, out->uid, &out->err)) {
        out->missing = true;
    } else {
        out->size = s->body.size;
        r->uidvalidity = s->ahead_validity;
    }
    return 1;
}

int ph_local_body_read(struct ph_session *base, const char **p, size_t *n, struct ph_err *err)
{
    struct local_session *s = local_session(base);

    *p = "";
    *n = 0;
    if (!s->body_user || s->body_at >= s->body.size)
        return 0;
    if (lend(s, s->body_at, LOCAL_WINDOW, p, n, err))
        return -1;
    s->body_at += *n;
    return 0;
}

/* ---- serve.h ---- */

int ph_local_body_open(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid,
                       struct ph_body *out, struct ph_err *err)
{
    struct local_session *s = local_session(base);

    memset(out, 0, sizeof *out);
    if (take(s, folder, uidvalidity, uid, err))
        return -1;
    out->uid = uid;
    out->folder = folder;
    out->size = s->body.size;
    return 0;
}

int ph_local_body_at(struct ph_session *base, uint64_t offset, size_t want, const char **p, size_t *n,
                     struct ph_err *err)
{
    struct local_session *s = local_session(base);

    *p = "";
    *n = 0;
    if (!s->body_user)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no message is open");
    if (offset >= s->body.size || want == 0)
        return 0;
    return lend(s, offset, want, p, n, err);
}
