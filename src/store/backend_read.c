/* backend_read.c: scans, status and bodies of a store over a struct ph_backend. */
#include <stdlib.h>
#include <string.h>

#include "mail/identity.h"
#include "store/backend_private.h"

#define HEADER_MAX (256 * 1024) /* octets that are looked at for an identity key */

_Static_assert((int)PH_FLAG_SEEN == PH_F_SEEN && (int)PH_FLAG_ANSWERED == PH_F_ANSWERED &&
                   (int)PH_FLAG_FLAGGED == PH_F_FLAGGED && (int)PH_FLAG_DELETED == PH_F_DELETED &&
                   (int)PH_FLAG_DRAFT == PH_F_DRAFT,
               "the public flags are ours");
#define FLAGS_ALL (PH_F_SEEN | PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DELETED | PH_F_DRAFT)

static int open_folder(struct backend_store *st, const char *folder, uint32_t uidvalidity, struct ph_backend_state *out,
                       struct ph_err *err)
{
    memset(out, 0, sizeof *out);
    backend_lock(st);
    int rc = st->b.open(st->ctx, folder, out, err);
    backend_unlock(st);
    if (rc)
        return -1;
    if (!out->uidvalidity || !out->uidnext)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_CORRUPT, "%s: UIDVALIDITY and UIDNEXT may not be 0", folder);
    if (uidvalidity && uidvalidity != out->uidvalidity)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s: UIDVALIDITY is %u, not %u", folder, out->uidvalidity,
                       uidvalidity);
    return 0;
}

int backend_check(struct backend_store *st, const char *folder, uint32_t uidvalidity, struct ph_err *err)
{
    struct ph_backend_state state;

    return open_folder(st, folder, uidvalidity, &state, err);
}

/* ---- status ---- */

static int count_one(void *to, const struct ph_backend_message *m)
{
    struct ph_folder *f = to;

    f->messages++;
    f->size += m->size;
    f->unseen += !(m->flags & PH_FLAG_SEEN);
    if (m->flags & PH_FLAG_DELETED) {
        f->deleted++;
        f->deleted_size += m->size;
    }
    return 0;
}

int backend_status(struct backend_store *st, struct ph_folder *f, struct ph_err *err)
{
    struct ph_backend_state state;

    if (open_folder(st, f->name, 0, &state, err))
        return -1;
    f->messages = f->unseen = f->deleted = 0;
    f->size = f->deleted_size = 0;
    backend_lock(st);
    int rc = st->b.scan(st->ctx, f->name, 1, UINT32_MAX, 0, count_one, f, err);
    backend_unlock(st);
    if (rc)
        return -1;
    f->delim = st->delim;
    f->uidvalidity = state.uidvalidity;
    f->uidnext = state.uidnext;
    f->modseq = state.modseq;
    f->has_status = f->has_counts = true;
    return 0;
}

/* ---- scans ---- */

int backend_scan_begin(struct ph_session *base, const char *folder, const struct ph_scan_request *req,
                       struct ph_snapshot *out, struct ph_err *err)
{
    struct backend_session *s = backend_session(base);
    struct backend_scan *sc, **end = &s->scans;

    if (req->search)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this store cannot search");
    sc = calloc(1, sizeof *sc);
    if (!sc || !(sc->folder = ph_str_dup(ph_str(folder))) || (req->uids && ph_numset_add_set(&sc->uids, req->uids))) {
        if (sc)
            free(sc->folder);
        free(sc);
        return ph_fail_memory(err);
    }
    sc->req = *req;
    sc->req.uids = req->uids ? &sc->uids : NULL;
    while (*end)
        end = &(*end)->next;
    *end = sc;
    return 0;
}

struct scanning {
    const struct ph_scan_request *req;
    struct ph_snapshot *out;
    bool failed;
};

static int scan_one(void *to, const struct ph_backend_message *m)
{
    struct scanning *x = to;
    struct ph_str kw[64];
    size_t n = 0;

    if (x->req->uids && !ph_numset_contains(x->req->uids, m->uid))
        return 0;
    struct ph_row *r = m->uid ? ph_snapshot_add(x->out) : NULL;
    if (!r)
        return x->failed = true;
    r->uid = m->uid;
    r->flags = m->flags & FLAGS_ALL;
    for (const char *k = m->keywords; k && *k && n < 64; k += strspn(k, " ")) {
        kw[n] = (struct ph_str){ k, strcspn(k, " ") };
        k += kw[n++].n;
    }
    int set = ph_snapshot_kwset(x->out, kw, n);
    if (set < 0)
        return x->failed = true;
    r->kwset = (uint32_t)set & 0xffffff;
    r->epoch = m->date;
    r->zone = m->zone;
    r->has_date = 1;
    r->size = m->size;
    if (x->req->want & PH_WANT_MODSEQ)
        r->key = m->modseq;
    return 0;
}

/* The identity key of each row, from its header. */
static int add_keys(struct backend_store *st, const struct backend_scan *sc, struct ph_snapshot *out, struct ph_err *err)
{
    char *header = malloc(HEADER_MAX);

    if (!header)
        return ph_fail_memory(err);
    for (size_t i = 0; i < out->n; i++) {
        struct ph_row *r = ph_snapshot_row(out, i);
        const char *end = NULL;
        size_t n = 0, got = 1;
        while (!end && got && n < HEADER_MAX) {
            size_t want = HEADER_MAX - n < 8192 ? HEADER_MAX - n : 8192;
            backend_lock(st);
            int rc = st->b.fetch(st->ctx, sc->folder, r->uid, n, header + n, want, &got, err);
            backend_unlock(st);
            if (rc)
                break; /* gone meanwhile: it has no key */
            n += got;
            end = memmem(header, n, "\r\n\r\n", 4);
        }
        struct ph_str text = { header, end ? (size_t)(end + 2 - header) : n };
        r->has_key = 1;
        r->key = sc->req.hash_key ? ph_identity_hash(sc->req.hash_key, text) : 0;
    }
    free(header);
    return 0;
}

static int scan(struct backend_store *st, const struct backend_scan *sc, struct ph_snapshot *out, struct ph_err *err)
{
    struct scanning x = { .req = &sc->req, .out = out };
    uint32_t first = sc->req.from_uid ? sc->req.from_uid : 1, last = UINT32_MAX;
    struct ph_backend_state state;

    if (open_folder(st, sc->folder, sc->req.uidvalidity, &state, err))
        return -1;
    if (sc->req.uids) {
        if (ph_numset_empty(sc->req.uids))
            first = UINT32_MAX, last = 0;
        else
            first = sc->req.uids->r[0].first, last = sc->req.uids->r[sc->req.uids->n - 1].last;
    }
    out->uidvalidity = state.uidvalidity;
    out->uidnext = state.uidnext;
    out->modseq = state.modseq;
    out->permanent_flags = st->b.set_flags ? FLAGS_ALL : 0;
    out->keywords_ok = st->b.set_flags;
    if (first <= last) {
        backend_lock(st);
        int rc = st->b.scan(st->ctx, sc->folder, first, last, sc->req.changed_since, scan_one, &x, err);
        backend_unlock(st);
        if (x.failed)
            return ph_fail_memory(err);
        if (rc)
            return -1;
    }
    out->changes_only = sc->req.changed_since > 0;
    out->complete = !sc->req.uids && first == 1 && !out->changes_only;
    out->exists = (uint32_t)out->n;
    return sc->req.want & PH_WANT_KEY ? add_keys(st, sc, out, err) : 0;
}

int backend_scan_wait(struct ph_session *base, struct ph_snapshot *out, struct ph_err *err)
{
    struct backend_session *s = backend_session(base);
    struct backend_scan *sc = s->scans;

    if (!sc)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no scan was begun");
    s->scans = sc->next;
    int rc = scan(s->st, sc, out, err);
    ph_numset_done(&sc->uids);
    free(sc->folder);
    free(sc);
    return rc;
}

/* ---- one message ---- */

struct finding {
    struct ph_backend_message *out;
    struct ph_buf *keywords;
    bool found;
};

static int find_one(void *to, const struct ph_backend_message *m)
{
    struct finding *x = to;

    *x->out = *m;
    x->out->keywords = NULL; /* borrowed: goes with the call */
    x->found = true;
    if (x->keywords && m->keywords) {
        ph_buf_clear(x->keywords);
        ph_buf_add_z(x->keywords, m->keywords);
    }
    return 0;
}

int backend_row(struct backend_store *st, const char *folder, uint32_t uid, struct ph_backend_message *out,
                struct ph_buf *keywords, struct ph_err *err)
{
    struct finding x = { .out = out, .keywords = keywords };

    backend_lock(st);
    int rc = st->b.scan(st->ctx, folder, uid, uid, 0, find_one, &x, err);
    backend_unlock(st);
    return rc ? -1 : x.found;
}

void backend_drop_reading(struct backend_session *s)
{
    while (s->bodies) {
        struct backend_bodies *b = s->bodies;
        s->bodies = b->next;
        ph_numset_done(&b->uids);
        free(b->folder);
        free(b);
    }
    while (s->scans) {
        struct backend_scan *sc = s->scans;
        s->scans = sc->next;
        ph_numset_done(&sc->uids);
        free(sc->folder);
        free(sc);
    }
    free(s->reading.folder);
    free(s->reading.piece);
    s->reading = (struct backend_reading){ 0 };
}

/* out->missing when it is not there; -1 only when nothing can be read at all. */
static int begin_reading(struct backend_session *s, const char *folder, uint32_t uid, struct ph_body *out,
                         struct ph_err *err)
{
    struct backend_reading *r = &s->reading;
    struct ph_backend_message m;

    if (!r->piece && !(r->piece = malloc(BACKEND_PIECE)))
        return ph_fail_memory(err);
    free(r->folder);
    if (!(r->folder = ph_str_dup(ph_str(folder))))
        return ph_fail_memory(err);
    *out = (struct ph_body){ .uid = uid, .folder = r->folder };
    int there = backend_row(s->st, folder, uid, &m, NULL, &out->err);
    if (there <= 0) {
        out->missing = true;
        if (there == 0)
            ph_fail(&out->err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "%s: message %u is gone", folder, uid);
        r->size = 0;
    } else {
        out->size = r->size = m.size;
    }
    r->uid = uid;
    r->offset = 0;
    return 0;
}

int backend_bodies_add(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                       const struct ph_snapshot *snap, struct ph_err *err)
{
    struct backend_session *s = backend_session(base);
    struct backend_bodies *b = calloc(1, sizeof *b), **end = &s->bodies;

    if (!b || !(b->folder = ph_str_dup(ph_str(folder))) || ph_numset_add_set(&b->uids, uids)) {
        if (b)
            free(b->folder);
        free(b);
        return ph_fail_memory(err);
    }
    b->uidvalidity = uidvalidity;
    while (*end)
        end = &(*end)->next;
    *end = b;
    return 0;
}

int backend_bodies_next(struct ph_session *base, struct ph_body *out, struct ph_err *err)
{
    struct backend_session *s = backend_session(base);

    for (struct backend_bodies *b; (b = s->bodies) != NULL;) {
        uint32_t uid = ph_numset_next(&b->uids, b->at);
        if (uid && b->at == 0 && backend_check(s->st, b->folder, b->uidvalidity, err))
            return -1;
        if (uid) {
            b->at = uid;
            return begin_reading(s, b->folder, uid, out, err) ? -1 : 1;
        }
        s->bodies = b->next;
        ph_numset_done(&b->uids);
        free(b->folder);
        free(b);
    }
    return 0;
}

static int read_piece(struct backend_session *s, uint64_t offset, size_t want, const char **p, size_t *n,
                      struct ph_err *err)
{
    struct backend_reading *r = &s->reading;

    *p = r->piece;
    *n = 0;
    if (offset >= r->size)
        return 0;
    if (want > BACKEND_PIECE)
        want = BACKEND_PIECE;
    if (want > r->size - offset)
        want = (size_t)(r->size - offset);
    backend_lock(s->st);
    int rc = s->st->b.fetch(s->st->ctx, r->folder, r->uid, offset, r->piece, want, n, err);
    backend_unlock(s->st);
    if (rc)
        return -1;
    if (*n == 0 || *n > want)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CORRUPT, "%s: message %u ends at %llu of its %llu octets", r->folder,
                       r->uid, (unsigned long long)offset, (unsigned long long)r->size);
    return 0;
}

int backend_body_read(struct ph_session *base, const char **p, size_t *n, struct ph_err *err)
{
    struct backend_session *s = backend_session(base);

    if (read_piece(s, s->reading.offset, BACKEND_PIECE, p, n, err))
        return -1;
    s->reading.offset += *n;
    return 0;
}

int backend_body_open(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid,
                      struct ph_body *out, struct ph_err *err)
{
    struct backend_session *s = backend_session(base);

    if (backend_check(s->st, folder, uidvalidity, err) || begin_reading(s, folder, uid, out, err))
        return -1;
    if (out->missing) {
        *err = out->err;
        return -1;
    }
    return 0;
}

int backend_body_at(struct ph_session *base, uint64_t offset, size_t want, const char **p, size_t *n,
                    struct ph_err *err)
{
    return read_piece(backend_session(base), offset, want, p, n, err);
}
