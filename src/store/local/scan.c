/* scan.c: what a mailbox holds, or what has changed in it. */
#include <stdlib.h>
#include <string.h>

#include "store/local/rows.h"

int ph_local_scan_begin(struct ph_session *base, const char *folder, const struct ph_scan_request *req,
                        struct ph_snapshot *out, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct local_scan *sc;

    if (req->search)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this store cannot search");
    sc = calloc(1, sizeof *sc);
    if (!sc || !(sc->folder = strdup(folder)) || (req->uids && ph_numset_add_set(&sc->uids, req->uids))) {
        if (sc)
            free(sc->folder);
        free(sc);
        return ph_fail_memory(err);
    }
    sc->req = *req;
    sc->out = out;
    if (req->uids)
        sc->req.uids = &sc->uids;
    *s->scans_end = sc;
    s->scans_end = &sc->next;
    return 0;
}

static void free_scan(struct local_scan *sc)
{
    ph_numset_done(&sc->uids);
    free(sc->folder);
    free(sc);
}

void ph_local_scans_free(struct local_session *s)
{
    while (s->scans) {
        struct local_scan *sc = s->scans;
        s->scans = sc->next;
        free_scan(sc);
    }
    s->scans_end = &s->scans;
}

/* ---- rows ---- */

struct scanning {
    struct local_session *s;
    struct local_scan *sc;
    struct local_where *w;
    struct local_mailbox *m;
    struct local_db *db;
    uint32_t recent;    /* UIDs from here on are \Recent for this session; 0: none */
    uint32_t *kwsets;   /* by the account's number: the snapshot's + 1; 0: not looked up */
    size_t n_kwsets;
    struct ph_buf text;
};

static int words_of(struct scanning *x, int64_t set, uint32_t *out, struct ph_err *err)
{
    struct ph_str kw[LOCAL_KEYWORDS_MAX];
    size_t n = 0;

    if (ph_local_kwset_words(x->db, set, &x->text, err))
        return -1;
    for (const char *k = ph_buf_z(&x->text); *k && n < LOCAL_KEYWORDS_MAX; n++) {
        kw[n] = (struct ph_str){ k, strcspn(k, " ") };
        k += kw[n].n + (k[kw[n].n] == ' ');
    }
    int number = ph_snapshot_kwset(x->sc->out, kw, n);
    if (number < 0)
        return ph_fail_memory(err);
    *out = (uint32_t)number;
    return 0;
}

static int kwset_of(struct scanning *x, int64_t set, uint32_t *out, struct ph_err *err)
{
    if (set < 0 || set > 1 << 22) /* a damaged row, or an odd account: without the table */
        return words_of(x, set, out, err);
    if ((size_t)set >= x->n_kwsets) {
        size_t n = (size_t)set + 256;
        uint32_t *grown = realloc(x->kwsets, n * sizeof *grown);
        if (!grown)
            return ph_fail_memory(err);
        memset(grown + x->n_kwsets, 0, (n - x->n_kwsets) * sizeof *grown);
        x->kwsets = grown;
        x->n_kwsets = n;
    }
    if (!x->kwsets[set]) {
        if (words_of(x, set, out, err))
            return -1;
        x->kwsets[set] = *out + 1;
    }
    *out = x->kwsets[set] - 1;
    return 0;
}

/* The identity key, from the message's own header. */
static int key_of(struct scanning *x, const struct local_message *m, uint64_t *key, struct ph_err *err)
{
    const struct ph_scan_request *req = &x->sc->req;
    struct ph_buf header = PH_BUF_INIT, text = PH_BUF_INIT;
    int r = ph_local_body_header(x->s, x->w->u, x->db, x->m, m->uid, &header, err);

    *key = 0;
    if (!r && req->hash_key && !req->built_keys && !req->normalise_date)
        *key = ph_identity_hash(req->hash_key, ph_buf_str(&header));
    else if (!r && req->hash_key &&
             ph_identity_key(ph_buf_str(&header), req->built_keys, req->normalise_date, &text, NULL)) {
        struct ph_str t = ph_buf_str(&text);
        *key = ph_siphash(req->hash_key, t.p, t.n);
        *key += *key == 0;
    }
    ph_buf_done(&header);
    ph_buf_done(&text);
    return r;
}

static int content_key(struct scanning *x, const struct local_message *m, uint64_t *key, struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(x->db, err, "SELECT hash FROM body WHERE id = ?1", LI(m->body));
    int r = st ? ph_local_step(x->db, st, err) : -1;

    *key = 0;
    if (r > 0) {
        if (sqlite3_column_bytes(st, 0) >= 8)
            memcpy(key, sqlite3_column_blob(st, 0), 8);
        sqlite3_reset(st);
    }
    return r < 0 ? -1 : 0;
}

static int add_row(struct scanning *x, const struct local_message *m, struct ph_err *err)
{
    struct ph_row *r = ph_snapshot_add(x->sc->out);
    uint32_t want = x->sc->req.want, set;
    uint64_t key;

    if (!r)
        return ph_fail_memory(err);
    r->uid = m->uid;
    if (want & PH_WANT_FLAGS) {
        r->flags = m->flags & 0x1f;
        if (x->recent && m->uid >= x->recent)
            r->flags |= PH_F_RECENT;
        if (m->kwset) {
            if (kwset_of(x, m->kwset, &set, err))
                return -1;
            r->kwset = set & 0xffffff;
        }
    }
    if (want & PH_WANT_DATE) {
        r->epoch = m->epoch;
        r->zone = m->zone_min;
        r->has_date = 1;
    }
    if (want & PH_WANT_SIZE)
        r->size = m->size & 0xffffffffffff;
    if (want & (PH_WANT_KEY | PH_WANT_MSGID)) {
        if (want & PH_WANT_MSGID ? content_key(x, m, &key, err) : key_of(x, m, &key, err))
            return -1;
        r->key = key;
        r->has_key = 1;
    } else if (want & PH_WANT_MODSEQ) {
        r->key = m->modseq;
    }
    return 0;
}

static int scan_all(struct scanning *x, struct ph_err *err)
{
    const struct ph_scan_request *req = &x->sc->req;
    struct ph_numset from = PH_NUMSET_INIT;
    struct local_walk walk;
    struct local_message *m;
    int r = 0;

    if (!req->uids && req->from_uid > 1 && ph_numset_add_range(&from, req->from_uid, UINT32_MAX))
        return ph_fail_memory(err);
    ph_local_walk_init(&walk, x->db, x->m->id, req->uids ? req->uids : from.n ? &from : NULL);
    while (!r && (r = ph_local_walk_next(&walk, &m, err)) > 0)
        r = add_row(x, m, err);
    ph_numset_done(&from);
    return r;
}

/* ---- changes ---- */

static int scan_changed(struct scanning *x, struct ph_err *err)
{
    const struct ph_scan_request *req = &x->sc->req;
    sqlite3_stmt *st;
    int r;

    if (x->m->modseq <= req->changed_since)
        return 0;
    st = local_prepare(x->db, err,
                       "SELECT id & 4294967295, body, flags, kwset, modseq, date, zone, size FROM message"
                       " INDEXED BY message_modseq WHERE id >> 32 = ?1 AND modseq > ?2",
                       LI(x->m->id), LI(req->changed_since));
    if (!st)
        return -1;
    while ((r = ph_local_step(x->db, st, err)) > 0) {
        struct local_message m = { .uid = (uint32_t)sqlite3_column_int64(st, 0), .body = sqlite3_column_int64(st, 1),
                                   .flags = (uint32_t)sqlite3_column_int64(st, 2), .kwset = sqlite3_column_int64(st, 3),
                                   .modseq = (uint64_t)sqlite3_column_int64(st, 4), .epoch = sqlite3_column_int64(st, 5),
                                   .zone_min = (int)sqlite3_column_int64(st, 6),
                                   .size = (uint64_t)sqlite3_column_int64(st, 7) };
        bool mine = req->uids ? ph_numset_contains(req->uids, m.uid) : m.uid >= req->from_uid;
        if (mine && add_row(x, &m, err)) {
            sqlite3_reset(st);
            return -1;
        }
    }
    if (r == 0)
        ph_snapshot_sort_uid(x->sc->out);
    return r;
}

/* What is not remembered any more is everything that is not there: more than asked for, never less (RFC 7162 3.2.10). */
static int all_gone(struct scanning *x, struct ph_numset *out, struct ph_err *err)
{
    struct local_walk walk;
    struct local_message *m;
    uint32_t next = 1;
    int r;

    ph_local_walk_init(&walk, x->db, x->m->id, NULL);
    while ((r = ph_local_walk_next(&walk, &m, err)) > 0) {
        if (m->uid > next && ph_numset_add_range(out, next, m->uid - 1))
            return ph_fail_memory(err);
        next = m->uid + 1;
    }
    if (!r && next < x->m->uidnext && ph_numset_add_range(out, next, x->m->uidnext - 1))
        return ph_fail_memory(err);
    return r;
}

static int scan_gone(struct scanning *x, struct ph_numset *out, struct ph_err *err)
{
    uint64_t since = x->sc->req.changed_since;
    sqlite3_stmt *st;
    int r;

    if (x->m->modseq <= since)
        return 0;
    if (since < x->m->forgotten)
        return all_gone(x, out, err);
    st = local_prepare(x->db, err, "SELECT first, last FROM gone WHERE mailbox = ?1 AND modseq > ?2", LI(x->m->id),
                       LI(since));
    if (!st)
        return -1;
    struct ph_numset found = PH_NUMSET_INIT;
    while ((r = ph_local_step(x->db, st, err)) > 0)
        if (ph_numset_push(&found, (uint32_t)sqlite3_column_int64(st, 0), (uint32_t)sqlite3_column_int64(st, 1))) {
            sqlite3_reset(st);
            r = ph_fail_memory(err);
            break;
        }
    ph_numset_sort(&found);
    if (!r && ph_numset_add_set(out, &found))
        r = ph_fail_memory(err);
    ph_numset_done(&found);
    return r;
}

/* ---- the whole ---- */

static int keywords_in_use(struct scanning *x, struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(x->db, err, "SELECT name FROM keyword ORDER BY name LIMIT 200");
    int r = -1;

    ph_buf_clear(&x->text);
    while (st && (r = ph_local_step(x->db, st, err)) > 0) {
        if (ph_buf_len(&x->text))
            ph_buf_add_char(&x->text, ' ');
        ph_buf_add_z(&x->text, (const char *)sqlite3_column_text(st, 0));
    }
    if (r < 0)
        return -1;
    x->sc->out->permanent_keywords = ph_arena_strdup(&x->sc->out->strings, ph_buf_str(&x->text));
    return x->sc->out->permanent_keywords ? 0 : ph_fail_memory(err);
}

static int fill_head(struct scanning *x, struct ph_err *err)
{
    struct ph_snapshot *out = x->sc->out;
    unsigned rights = x->m->rights;

    out->uidvalidity = x->m->uidvalidity;
    out->uidnext = x->m->uidnext;
    out->exists = x->m->messages;
    out->modseq = x->m->modseq;
    out->changes_only = x->sc->req.changed_since != 0;
    out->permanent_flags = (rights & R_SEEN ? PH_F_SEEN : 0u) | (rights & R_MARK ? PH_F_DELETED : 0u) |
                           (rights & R_WRITE ? PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DRAFT : 0u);
    out->keywords_ok = (rights & R_WRITE) != 0;
    return keywords_in_use(x, err);
}

struct take_recent {
    const struct local_where *w;
    uint32_t from;
};

/* What is \Recent for this session is not for the next (RFC 3501 2.3.2). */
static int run_take_recent(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct take_recent *t = ctx;
    struct local_mailbox m;

    if (ph_local_find_open(db, t->w, 0, R_READ, &m, err))
        return -1;
    t->from = m.recent < m.uidnext ? m.recent : 0;
    m.recent = m.uidnext;
    return ph_local_mailbox_save(db, &m, err);
}

static int scan(struct local_session *s, struct local_scan *sc, struct ph_err *err)
{
    struct take_recent recent = { 0 };
    struct scanning x = { .s = s, .sc = sc };
    struct local_mailbox m;
    struct local_where w;

    if (ph_local_begin(s, err) || ph_local_where(s, sc->folder, &w, err))
        return -1;
    x.w = &w;
    x.m = &m;
    int r = ph_local_read_begin(w.u, &x.db, err);
    if (!r)
        r = ph_local_find_open(x.db, &w, sc->req.uidvalidity, R_READ, &m, err);
    if (!r && sc->req.read_write && m.recent < m.uidnext && m.rights & (R_SEEN | R_WRITE | R_MARK | R_EXPUNGE)) {
        ph_local_read_end(w.u, x.db);
        recent.w = &w;
        r = ph_local_do(w.u, run_take_recent, &recent, true, err) || ph_local_read_begin(w.u, &x.db, err) ? -1 : 0;
        if (r)
            x.db = NULL;
        else
            r = ph_local_find_open(x.db, &w, sc->req.uidvalidity, R_READ, &m, err);
        x.recent = recent.from;
    }
    if (!r)
        r = sc->req.changed_since ? scan_changed(&x, err) : scan_all(&x, err);
    if (!r && sc->req.changed_since && sc->req.vanished)
        r = scan_gone(&x, sc->req.vanished, err);
    if (!r)
        r = fill_head(&x, err);
    sc->out->complete = r == 0;
    ph_local_read_end(w.u, x.db);
    ph_local_where_done(&w);
    free(x.kwsets);
    ph_buf_done(&x.text);
    return r;
}

int ph_local_scan_wait(struct ph_session *base, struct ph_snapshot *out, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct local_scan *sc = s->scans;

    if (!sc || sc->out != out)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "scan_wait out of order");
    int r = scan(s, sc, err);
    s->scans = sc->next;
    if (!s->scans)
        s->scans_end = &s->scans;
    free_scan(sc);
    return r;
}
