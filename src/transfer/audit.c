/* audit.c: is every message of the source on the destination, and with the same bytes? Changes nothing, and does not
 * believe the ledger, which only says where to look: both sides are read.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/differ.h"
#include "transfer/run.h"

#define CHUNK_PAIRS 256
#define WORKERS 4
#define QUEUED_CHUNKS 64
#define HEAD_OCTETS (64 * 1024)

struct pair {
    uint32_t src_uid, dst_uid;
    unsigned char src_sha[32], dst_sha[32];
    uint64_t src_size, dst_size;
    bool src_read, dst_read;
};

struct chunk {
    struct chunk *next;
    struct audit_folder *f;
    size_t n;
    struct pair pair[CHUNK_PAIRS];
};

struct audit_folder {
    struct folder_work *w;
    uint32_t src_validity, dst_validity;
};

struct audit {
    struct run r;
    /* guarded by r.lock */
    struct chunk *first, *last;
    size_t queued;
    bool no_more;
    FILE *manifest;
};

/* ---- telling ---- */

static void tell(struct run *r, struct folder_work *f, uint32_t uid, uint32_t dst_uid, const char *reason,
                 const char *detail, const char *text, bool proven)
{
    struct ph_event e = { .kind = PH_EV_DIFFERENCE, .folder = f->src->name, .dst_folder = f->dst_name, .uid = uid,
                          .dst_uid = dst_uid, .reason = reason, .detail = detail, .text = text };
    bool missing = strcmp(reason, "missing") == 0;

    pthread_mutex_lock(&r->lock);
    *(missing ? &r->totals.absent : proven ? &r->totals.explained : &r->totals.different) += 1;
    *(missing ? &f->counts.absent : proven ? &f->counts.explained : &f->counts.different) += 1;
    run_event_locked(r, &e);
    pthread_mutex_unlock(&r->lock);
}

static void difference(struct run *r, struct folder_work *f, uint32_t uid, uint32_t dst_uid, const char *reason,
                       const char *detail, const char *text)
{
    tell(r, f, uid, dst_uid, reason, detail, text, false);
}

/* ---- reading bytes ---- */

static int read_side(struct ph_session *s, struct chunk *c, bool dst, EVP_MD_CTX *md, struct ph_err *err)
{
    struct ph_body body;
    const char *p;
    size_t n;
    int more;

    while ((more = s->ops->bodies_next(s, &body, err)) == 1) {
        struct pair *pr = NULL;
        for (size_t i = 0; i < c->n && !pr; i++)
            if ((dst ? c->pair[i].dst_uid : c->pair[i].src_uid) == body.uid)
                pr = &c->pair[i];
        if (!pr || body.missing)
            continue;
        EVP_DigestInit_ex(md, NULL, NULL);
        do {
            if (s->ops->body_read(s, &p, &n, err))
                return -1;
            EVP_DigestUpdate(md, p, n);
        } while (n);
        EVP_DigestFinal_ex(md, dst ? pr->dst_sha : pr->src_sha, NULL);
        *(dst ? &pr->dst_size : &pr->src_size) = body.size;
        *(dst ? &pr->dst_read : &pr->src_read) = true;
    }
    return more;
}

static int ask_side(struct ph_session *s, const char *folder, uint32_t validity, struct chunk *c, bool dst,
                    struct ph_err *err)
{
    struct ph_numset set = PH_NUMSET_INIT;
    int r = 0;

    for (size_t i = 0; i < c->n && r == 0; i++)
        r = ph_numset_add(&set, dst ? c->pair[i].dst_uid : c->pair[i].src_uid);
    r = r ? ph_fail_memory(err) : s->ops->bodies_add(s, folder, validity, &set, NULL, err);
    ph_numset_done(&set);
    return r;
}

/* folder, UID, size and SHA-256 of the source's bytes, tab-separated; names as JSON strings would be overkill: control
 * characters in them become blanks. */
static void write_manifest(struct audit *a, const struct folder_work *w, const struct pair *p)
{
    for (const char *c = w->src->name; *c; c++)
        fputc((unsigned char)*c < 0x20 ? ' ' : *c, a->manifest);
    fprintf(a->manifest, "\t%u\t%llu\t", p->src_uid, (unsigned long long)p->src_size);
    for (size_t i = 0; i < sizeof p->src_sha; i++)
        fprintf(a->manifest, "%02x", p->src_sha[i]);
    fputc('\n', a->manifest);
}

struct body_reader { /* one message of a session, as differ.h reads it */
    struct ph_session *s;
};

static int read_body(void *ctx, const char **p, size_t *n, struct ph_err *err)
{
    struct body_reader *b = ctx;

    return b->s->ops->body_read(b->s, p, n, err);
}

static int open_body(struct ph_session *s, const char *folder, uint32_t validity, uint32_t uid, struct ph_err *err)
{
    struct ph_numset one = PH_NUMSET_INIT;
    struct ph_body body;
    int r = ph_numset_add(&one, uid) ? ph_fail_memory(err) : s->ops->bodies_add(s, folder, validity, &one, NULL, err);

    ph_numset_done(&one);
    if (r == 0)
        r = s->ops->bodies_next(s, &body, err) < 0 ? -1 : 0;
    return r;
}

/* Why two forms differ, proven by applying the same change to the source: both are read once more. */
static int explain(struct run *r, struct ph_session *src, struct ph_session *dst, struct chunk *c, const struct pair *p,
                   struct ph_err *err)
{
    struct folder_work *w = c->f->w;
    struct body_reader a = { src }, b = { dst };
    struct ph_reader ra = { read_body, &a }, rb = { read_body, &b };
    struct ph_difference d;
    struct ph_body rest;
    char name[160], detail[160] = "";

    if (open_body(src, w->src->name, c->f->src_validity, p->src_uid, err) ||
        open_body(dst, w->dst_name, c->f->dst_validity, p->dst_uid, err) ||
        ph_differ(&ra, &rb, r->job->audit_rewrites, &d, err) || src->ops->bodies_next(src, &rest, err) < 0 ||
        dst->ops->bodies_next(dst, &rest, err) < 0)
        return -1;
    ph_difference_name(d.what, name, sizeof name);
    if (d.what & (PH_DIFF_OTHER | PH_DIFF_MIME))
        snprintf(detail, sizeof detail, "from octet %llu of the source on%s%s", (unsigned long long)d.src_at,
                 d.part ? ", in its " : "", d.part ? d.part : "");
    else
        snprintf(detail, sizeof detail, "%llu octets became %llu", (unsigned long long)p->src_size,
                 (unsigned long long)p->dst_size);
    tell(r, w, p->src_uid, p->dst_uid, name, detail, NULL, !(d.what & PH_DIFF_OTHER));
    return 0;
}

static int judge(struct audit *a, struct chunk *c, struct ph_session *src, struct ph_session *dst, struct ph_err *err)
{
    struct run *r = &a->r;
    struct folder_work *w = c->f->w;

    for (size_t i = 0; i < c->n; i++) {
        struct pair *p = &c->pair[i];
        bool equal = p->src_read && p->dst_read && memcmp(p->src_sha, p->dst_sha, 32) == 0;
        pthread_mutex_lock(&r->lock);
        r->totals.compared++;
        r->totals.equal += equal;
        r->totals.copied_bytes += p->src_size;
        if (a->manifest)
            write_manifest(a, w, p);
        run_progress_locked(r);
        pthread_mutex_unlock(&r->lock);
        if (equal)
            continue;
        if (!p->src_read)
            difference(r, w, p->src_uid, p->dst_uid, "unreadable", "the source has no bytes for it", NULL);
        else if (!p->dst_read)
            difference(r, w, p->src_uid, p->dst_uid, "missing", "the destination has no bytes for it", NULL);
        else if (explain(r, src, dst, c, p, err))
            return -1;
    }
    return 0;
}

static struct chunk *take(struct audit *a)
{
    struct chunk *c;

    pthread_mutex_lock(&a->r.lock);
    while (!(c = a->first) && !a->no_more && a->r.fatal.kind == PH_OK && !ph_cancelled(a->r.cancel))
        run_cond_wait(&a->r);
    if (a->r.fatal.kind != PH_OK || ph_cancelled(a->r.cancel))
        c = NULL;
    if (c) {
        a->first = c->next;
        if (!a->first)
            a->last = NULL;
        a->queued--;
        pthread_cond_broadcast(&a->r.changed);
    }
    pthread_mutex_unlock(&a->r.lock);
    return c;
}

static int read_chunks(struct audit *a, struct ph_session *src, struct ph_session *dst, struct ph_err *err)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    struct chunk *c;
    int r = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) ? 0 : ph_fail_memory(err);

    while (r == 0 && (c = take(a))) {
        if (ask_side(src, c->f->w->src->name, c->f->src_validity, c, false, err) ||
            ask_side(dst, c->f->w->dst_name, c->f->dst_validity, c, true, err) ||
            read_side(src, c, false, md, err) || read_side(dst, c, true, md, err) || judge(a, c, src, dst, err))
            r = -1;
        free(c);
    }
    EVP_MD_CTX_free(md);
    return r;
}

static void *worker(void *arg)
{
    struct audit *a = arg;
    struct ph_session *src = NULL, *dst = NULL;
    struct ph_loop loop;
    struct ph_err e;

    if (sessions_open(&a->r, &loop, &src, &dst, NULL, NULL, &e) == 0) {
        if (read_chunks(a, src, dst, &e) && e.kind != PH_E_CANCELLED)
            run_fatal(&a->r, &e);
        src->ops->close(src);
        dst->ops->close(dst);
    } else {
        run_notice(&a->r, NULL, 0, "one lane fewer: %s", e.text);
    }
    return NULL;
}

/* ---- folders ---- */

static int queue_pairs(struct audit *a, struct audit_folder *f, const struct ph_steps *steps, struct ph_err *err)
{
    struct chunk *c = NULL;

    for (size_t i = 0; i < steps->n_adopt; i++) {
        if (!c && !(c = calloc(1, sizeof *c)))
            return ph_fail_memory(err);
        c->f = f;
        c->pair[c->n++] = (struct pair){ .src_uid = steps->adopt[i].src_uid, .dst_uid = steps->adopt[i].dst_uid };
        if (c->n < CHUNK_PAIRS && i + 1 < steps->n_adopt)
            continue;
        pthread_mutex_lock(&a->r.lock);
        while (a->queued >= QUEUED_CHUNKS && a->r.fatal.kind == PH_OK && !ph_cancelled(a->r.cancel))
            run_cond_wait(&a->r);
        if (a->last)
            a->last->next = c;
        else
            a->first = c;
        a->last = c;
        a->queued++;
        pthread_cond_broadcast(&a->r.changed);
        pthread_mutex_unlock(&a->r.lock);
        c = NULL;
    }
    return 0;
}

static int scan_side(struct run *r, struct ph_session *s, const char *folder, bool dst, struct ph_snapshot *snap,
                     struct ph_err *err)
{
    struct ph_scan_request q = { .want = PH_WANT_FLAGS | PH_WANT_DATE | PH_WANT_SIZE | PH_WANT_KEY,
                                 .hash_key = &r->hash_key, .search = dst ? NULL : r->job->search,
                                 .built_keys = r->job->audit_built_keys,
                                 .normalise_date = r->job->audit_normalise_date };

    return s->ops->scan_begin(s, folder, &q, snap, err);
}

static void count_flags(struct run *r, struct folder_work *w, const struct ph_steps *steps)
{
    for (size_t i = 0; i < steps->n_adopt; i++) {
        struct ph_row *a = ph_snapshot_find(&w->snap, steps->adopt[i].src_uid);
        struct ph_row *b = ph_snapshot_find(&w->dst_snap, steps->adopt[i].dst_uid);
        if (!a || !b)
            continue;
        uint64_t fa = ph_flags_hash(a->flags, ph_snapshot_keywords(&w->snap, a));
        uint64_t fb = ph_flags_hash(b->flags, ph_snapshot_keywords(&w->dst_snap, b));
        if (fa != fb)
            difference(r, w, a->uid, b->uid, "flags", NULL, NULL);
        if (a->has_date && b->has_date && a->epoch != b->epoch)
            difference(r, w, a->uid, b->uid, "date", NULL, NULL);
    }
}

/* What the copy's own record knows of a message that is not there: the destination merged it with an equal one (which must
 * still be there), or refused it, with its words. true: told. */
static bool tell_from_ledger(struct run *r, struct folder_work *w, uint32_t uid)
{
    struct ph_ledger_row row;
    char words[PH_ERR_TEXT];

    if (!r->ledger || ph_ledger_row(r->ledger, w->id, uid, &row, NULL) != 1)
        return false;
    if (row.dst_uid && row.state == PH_LR_MERGED && ph_snapshot_find(&w->dst_snap, row.dst_uid)) {
        tell(r, w, uid, row.dst_uid, "merged-by-server", "an equal message is there once", NULL, true);
        return true;
    }
    if (row.state == PH_LR_REFUSED && ph_ledger_reason(r->ledger, w->id, uid, words, sizeof words, NULL) == 1) {
        char reason[PH_ERR_TEXT + 16];
        snprintf(reason, sizeof reason, "refused: %s", words);
        tell(r, w, uid, 0, "missing", reason, NULL, false);
        return true;
    }
    return false;
}

/* What is missing is named by its subject and its key, so that a person can look for it. */
static int tell_missing(struct audit *a, struct folder_work *w, struct ph_err *err)
{
    struct run *r = &a->r;
    struct ph_session *s = r->src;
    struct ph_buf key = PH_BUF_INIT, subject = PH_BUF_INIT, head = PH_BUF_INIT;
    struct ph_body body;
    const char *p;
    size_t n;
    int more;

    if (s->ops->bodies_add(s, w->src->name, w->snap.uidvalidity, &w->steps.copy, &w->snap, err))
        return -1;
    while ((more = s->ops->bodies_next(s, &body, err)) == 1) {
        if (tell_from_ledger(r, w, body.uid))
            continue;
        ph_buf_clear(&head);
        ph_buf_clear(&subject);
        ph_buf_clear(&key);
        while (!body.missing && ph_buf_len(&head) < HEAD_OCTETS) {
            if (s->ops->body_read(s, &p, &n, err)) {
                more = -1;
                goto out;
            }
            if (!n)
                break;
            ph_buf_add(&head, p, n < HEAD_OCTETS ? n : HEAD_OCTETS);
        }
        struct ph_str h = ph_buf_str(&head);
        ph_header_display(ph_header_field(h, "Subject"), &subject);
        bool has_key = ph_identity_key(h, r->job->audit_built_keys, r->job->audit_normalise_date, &key, NULL);
        difference(r, w, body.uid, 0, "missing", has_key ? ph_buf_z(&key) : NULL, ph_buf_z(&subject));
    }
out:
    ph_buf_done(&key);
    ph_buf_done(&subject);
    ph_buf_done(&head);
    return more;
}

static int audit_folder(struct audit *a, struct folder_work *w, struct ph_err *err)
{
    struct run *r = &a->r;
    struct audit_folder *f = ph_arena_alloc(&r->arena, sizeof *f);
    struct ph_steps *steps = &w->steps;
    int result = -1;

    if (!f)
        return ph_fail_memory(err);
    f->w = w;
    ph_snapshot_init(&w->snap);
    ph_snapshot_init(&w->dst_snap);
    ph_steps_init(steps);
    w->inited = true;
    struct ph_event start = { .kind = PH_EV_FOLDER_START, .folder = w->src->name, .dst_folder = w->dst_name,
                              .messages = w->src->messages, .number = w->dst.messages };
    run_event(r, &start);
    if (r->job->audit_counts_only) {
        if (w->src->messages > w->dst.messages)
            difference(r, w, 0, 0, "fewer", NULL, NULL);
        result = 0;
        goto out;
    }
    if (scan_side(r, r->src, w->src->name, false, &w->snap, err) ||
        (w->dst_exists && scan_side(r, r->dst, w->dst_name, true, &w->dst_snap, err)) ||
        r->src->ops->scan_wait(r->src, &w->snap, err) ||
        (w->dst_exists && r->dst->ops->scan_wait(r->dst, &w->dst_snap, err)))
        goto out;
    f->src_validity = w->snap.uidvalidity;
    f->dst_validity = w->dst_snap.uidvalidity;
    if (audit_pair_up(r, w, err) || tell_missing(a, w, err))
        goto out;
    count_flags(r, w, steps);
    pthread_mutex_lock(&r->lock);
    r->totals.messages += w->snap.n;
    if (!r->job->audit_bytes)
        r->totals.compared += steps->n_adopt;
    pthread_mutex_unlock(&r->lock);
    result = r->job->audit_bytes ? queue_pairs(a, f, steps, err) : 0;
out:
    folder_done(w);
    struct ph_event done = { .kind = PH_EV_FOLDER_DONE, .folder = w->src->name, .dst_folder = w->dst_name,
                             .messages = w->src->messages, .number = w->dst.messages, .totals = &w->counts };
    pthread_mutex_lock(&r->lock);
    r->totals.folders_done++;
    run_event_locked(r, &done);
    pthread_mutex_unlock(&r->lock);
    if (result && err->scope <= PH_SCOPE_FOLDER && err->kind != PH_E_CANCELLED) {
        run_problem(r, w, 0, err);
        r->totals.folders_failed++;
        return 0;
    }
    return result;
}

static int audit(struct audit *a, struct ph_err *err)
{
    struct run *r = &a->r;
    const struct ph_job *j = r->job;
    struct ph_event start = { .kind = PH_EV_START, .src = j->src->label, .dst = j->dst->label, .text = "audit" };
    pthread_t threads[WORKERS];
    unsigned n = 0, max = j->lanes && j->lanes < WORKERS ? j->lanes : WORKERS;
    int result = 0;

    run_event(r, &start);
    /* the record of an earlier copy gives reasons, where there is one; an audit does without */
    if (ph_ledger_open(j->state_dir, j->src->identity, j->dst->identity, j->ledger_variant ? j->ledger_variant : "copy",
                       &r->ledger, NULL))
        r->ledger = NULL;
    if (sessions_open(r, &r->loop, &r->src, &r->dst, &r->src_list, &r->dst_list, err) || run_choose_folders(r, err))
        return -1;
    while (j->audit_bytes && n < max && pthread_create(&threads[n], NULL, worker, a) == 0)
        n++;
    for (struct folder_work *w = r->folders; w && result == 0 && !run_stopping(r); w = w->next)
        if (!(w->src->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)))
            result = audit_folder(a, w, err);
    if (result)
        run_fatal(r, err);
    pthread_mutex_lock(&r->lock);
    a->no_more = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    /* this thread's own sessions read along: an audit ends even where no other connection is allowed */
    if (j->audit_bytes && result == 0 && !run_stopping(r))
        result = read_chunks(a, r->src, r->dst, err);
    while (n)
        pthread_join(threads[--n], NULL);
    if (result == 0 && r->fatal.kind != PH_OK) {
        *err = r->fatal;
        result = -1;
    }
    if (result == 0 && ph_cancelled(j->cancel))
        result = ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
    return result;
}

int ph_audit_run(const struct ph_job *j, struct ph_totals *totals, struct ph_err *err)
{
    struct audit a = { .first = NULL };
    struct ph_err local;

    if (!err)
        err = &local;
    ph_err_clear(err);
    run_init(&a.r, j);
    if (j->manifest && !(a.manifest = fopen(j->manifest, "we"))) {
        run_done(&a.r);
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "%s", j->manifest);
    }
    int result = audit(&a, err);
    if (a.manifest && fclose(a.manifest) && result == 0)
        result = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "writing %s", j->manifest);
    while (a.first) {
        struct chunk *c = a.first;
        a.first = c->next;
        free(c);
    }
    if (a.r.ledger)
        ph_ledger_close(a.r.ledger, NULL);
    a.r.totals.elapsed_ms = ph_now_ms() - a.r.started_ms;
    if (totals)
        *totals = a.r.totals;
    struct ph_event done = { .kind = PH_EV_DONE, .totals = &a.r.totals, .err = result ? err : NULL };
    run_event(&a.r, &done);
    run_done(&a.r);
    return result;
}
