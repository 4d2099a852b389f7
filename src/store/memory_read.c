/* memory_read.c: scans and bodies of the memory store. */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

/* ---- scans ---- */

int ph_memory_scan_begin(struct ph_session *base, const char *folder, const struct ph_scan_request *req,
                         struct ph_snapshot *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct memory_scan *sc;

    if (req->search)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this store cannot search");
    if (req->changed_since && !(memory_abilities(s->st) & PH_AB_MODSEQ))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this store has no mod-sequences");
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

static void free_scan(struct memory_scan *sc)
{
    ph_numset_done(&sc->uids);
    free(sc->folder);
    free(sc);
}

static bool wanted(const struct ph_scan_request *req, const struct memory_message *m)
{
    if (req->uids ? !ph_numset_contains(req->uids, m->uid) : m->uid < req->from_uid)
        return false;
    return m->modseq > req->changed_since;
}

static uint64_t key_of(const struct memory_scan *sc, const struct memory_bytes *b)
{
    struct ph_str header = { b->p, b->n };
    const char *end = memmem(b->p, b->n, "\r\n\r\n", 4);

    if (sc->req.want & PH_WANT_MSGID)
        return b->id;
    if (end)
        header.n = (size_t)(end + 2 - b->p);
    return sc->req.hash_key ? ph_identity_hash(sc->req.hash_key, header) : 0;
}

static int add_row(const struct memory_store *st, const struct memory_scan *sc, const struct memory_folder *f,
                   const struct memory_message *m)
{
    struct ph_row *r = ph_snapshot_add(sc->out);
    uint32_t want = sc->req.want;
    struct ph_str kw[64];
    size_t n = 0;

    if (!r)
        return -1;
    r->uid = m->uid;
    if (want & PH_WANT_FLAGS) {
        r->flags = m->flags & 0xff;
        if (m->uid >= f->told && !(st->opt.serves_not & PH_MS_RECENT))
            r->flags |= PH_F_RECENT;
        for (const char *k = m->keywords; *k && n < 64; n++) {
            kw[n] = (struct ph_str){ k, strcspn(k, " ") };
            k += kw[n].n + (k[kw[n].n] == ' ');
        }
        int set = ph_snapshot_kwset(sc->out, kw, n);
        if (set < 0)
            return -1;
        r->kwset = (uint32_t)set & 0xffffff;
    }
    if (want & PH_WANT_DATE) {
        r->epoch = m->epoch;
        r->zone = m->zone_min;
        r->has_date = 1;
    }
    if (want & PH_WANT_SIZE)
        r->size = m->bytes->n + (uint64_t)(int64_t)(memory_abilities(st) & PH_AB_EXACT_SIZE ? 0 : st->opt.size_error);
    if (want & PH_WANT_MODSEQ) {
        r->key = m->modseq;
        r->has_key = 1;
    } else if (want & (PH_WANT_KEY | PH_WANT_MSGID)) {
        r->key = key_of(sc, m->bytes);
        r->has_key = 1;
    }
    return 0;
}

static int fill_snapshot(struct memory_store *st, const struct memory_scan *sc, struct memory_folder *f)
{
    struct ph_snapshot *out = sc->out;
    uint32_t ab = memory_abilities(st);

    for (size_t i = 0; i < f->n; i++)
        if (wanted(&sc->req, &f->m[i]) && add_row(st, sc, f, &f->m[i]))
            return -1;
    if (sc->req.vanished && sc->req.changed_since && ab & PH_AB_QRESYNC)
        for (size_t i = 0; i < f->n_gone; i++)
            if (f->gone[i].modseq > sc->req.changed_since && ph_numset_add(sc->req.vanished, f->gone[i].uid))
                return -1;
    if (sc->req.read_write && !sc->req.uids)
        f->told = f->uidnext;
    out->uidvalidity = f->uidvalidity;
    out->uidnext = f->uidnext;
    out->exists = (uint32_t)f->n;
    out->modseq = ab & PH_AB_MODSEQ ? f->modseq : 0;
    out->changes_only = sc->req.changed_since != 0;
    out->permanent_flags = ab & PH_AB_FLAGS ? PH_F_SEEN | PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DELETED | PH_F_DRAFT : 0;
    out->keywords_ok = ab & PH_AB_KEYWORDS && !st->opt.no_new_keywords;
    const char *words = ph_memory_words(st, ab & PH_AB_KEYWORDS ? st->opt.permanent_keywords : "", NULL, NULL);
    out->permanent_keywords = words ? ph_arena_strdup(&out->strings, ph_str(words)) : NULL;
    out->complete = out->permanent_keywords != NULL;
    return out->complete ? 0 : -1;
}

int ph_memory_scan_wait(struct ph_session *base, struct ph_snapshot *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct memory_scan *sc = s->scans;
    int r = -1;

    if (!sc || sc->out != out)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "scan_wait out of order");
    if (ph_memory_begin(s, MOP_SCAN, sc->folder, err) == 0) {
        struct memory_folder *f = ph_memory_open(s, "scan", sc->folder, sc->req.uidvalidity, err);
        if (f)
            r = fill_snapshot(s->st, sc, f) ? ph_fail_memory(err) : 0;
        ph_memory_unlock(s->st);
    }
    s->scans = sc->next;
    if (!s->scans)
        s->scans_end = &s->scans;
    free_scan(sc);
    return r;
}

/* ---- bodies ---- */

static void free_request(struct memory_request *r)
{
    ph_numset_done(&r->uids);
    free(r->folder);
    free(r);
}

int ph_memory_bodies_add(struct ph_session *base, const char *folder, uint32_t uidvalidity,
                         const struct ph_numset *uids, const struct ph_snapshot *snap, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct memory_request *r = calloc(1, sizeof *r);

    if (!r || !(r->folder = strdup(folder)) || ph_numset_add_set(&r->uids, uids)) {
        if (r)
            free_request(r);
        return ph_fail_memory(err);
    }
    r->uidvalidity = uidvalidity;
    *s->requests_end = r;
    s->requests_end = &r->next;
    return 0;
}

/* The next UID of the oldest request, which it leaves; 0: nothing is left. */
static uint32_t next_uid(struct memory_session *s)
{
    while (s->requests) {
        struct memory_request *r = s->requests;
        size_t n = r->uids.n;
        if (n) {
            uint32_t uid = s->st->opt.bodies_backwards ? r->uids.r[n - 1].last : r->uids.r[0].first;
            return ph_numset_remove_range(&r->uids, uid, uid) ? 0 : uid;
        }
        s->requests = r->next;
        if (!s->requests)
            s->requests_end = &s->requests;
        free_request(r);
    }
    return 0;
}

static void drop_body(struct memory_session *s)
{
    pthread_mutex_lock(&s->st->mu);
    ph_memory_unref(s->st, s->body);
    ph_memory_unlock(s->st);
    s->body = NULL;
}

static int open_body(struct memory_session *s, struct ph_body *out, struct ph_err *err)
{
    struct memory_request *r = s->requests;
    struct memory_store *st = s->st;
    const struct ph_memory_fault *fault;

    out->missing = true;
    struct memory_folder *f = ph_memory_open(s, "body", r->folder, r->uidvalidity, &out->err);
    if (s->broken.kind != PH_OK) {
        if (err)
            *err = s->broken;
        return -1;
    }
    if (!f)
        return 1;
    struct memory_message *m = ph_memory_by_uid(f, out->uid);
    if (!m) {
        ph_fail(&out->err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "the message is not there any more");
        return 1;
    }
    fault = ph_memory_meet(st, PH_MF_BODY_MISSING, "body", f->name, out->uid, m->bytes->p, m->bytes->n);
    if (fault) {
        ph_memory_fault_err(fault, PH_SCOPE_MESSAGE, PH_E_REFUSED, "the server does not give this message",
                            &out->err);
        return 1;
    }
    fault = ph_memory_meet(st, PH_MF_BODY_CUT, "body", f->name, out->uid, m->bytes->p, m->bytes->n);
    s->body = m->bytes;
    s->body->refs++;
    s->body_at = 0;
    s->body_cut = fault ? m->bytes->n / 2 : SIZE_MAX;
    out->missing = false;
    out->size = m->bytes->n;
    return 1;
}

int ph_memory_bodies_next(struct ph_session *base, struct ph_body *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    memset(out, 0, sizeof *out);
    if (s->body)
        drop_body(s);
    out->uid = next_uid(s);
    if (!out->uid)
        return 0;
    free(s->body_folder);
    s->body_folder = strdup(s->requests->folder);
    out->folder = s->body_folder;
    if (!out->folder)
        return ph_fail_memory(err);
    if (ph_memory_begin(s, MOP_BODY, out->folder, err))
        return -1;
    int r = open_body(s, out, err);
    ph_memory_unlock(s->st);
    return r;
}

int ph_memory_body_read(struct ph_session *base, const char **p, size_t *n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    *p = "";
    *n = 0;
    if (s->broken.kind != PH_OK) {
        if (err)
            *err = s->broken;
        return -1;
    }
    if (!s->body)
        return 0;
    size_t end = s->body_cut < s->body->n ? s->body_cut : s->body->n, left = end - s->body_at;
    if (left == 0 && s->body_cut != SIZE_MAX)
        return ph_memory_break(s, err);
    *n = left < s->st->opt.piece ? left : s->st->opt.piece;
    *p = s->body->p + s->body_at;
    s->body_at += *n;
    return 0;
}

void ph_memory_session_free(struct memory_session *s)
{
    while (s->scans) {
        struct memory_scan *sc = s->scans;
        s->scans = sc->next;
        free_scan(sc);
    }
    while (s->requests) {
        struct memory_request *r = s->requests;
        s->requests = r->next;
        free_request(r);
    }
    while (s->appends) {
        struct ph_append *a = s->appends;
        s->appends = a->next;
        ph_memory_append_free(a);
    }
    if (s->body)
        drop_body(s);
    pthread_mutex_lock(&s->st->mu);
    ph_memory_unref(s->st, s->open_bytes);
    ph_memory_unlock(s->st);
    ph_arena_done(&s->strings);
    free(s->body_folder);
    free(s);
}
