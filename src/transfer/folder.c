/* folder.c: one folder's way through a copy: does anything have to be looked at, scan, plan, and what is known afterwards. */
#include "transfer/folder.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what has to be looked at ---- */

static bool src_unchanged(const struct folder_work *f)
{
    const struct ph_folder *s = f->src;
    const struct ph_baseline *b = &f->base;

    return s->has_status && b->src_uidvalidity == s->uidvalidity && b->src_uidnext == s->uidnext &&
           b->src_messages == s->messages;
}

static bool dst_unchanged(const struct folder_work *f)
{
    const struct ph_folder *d = &f->dst;
    const struct ph_baseline *b = &f->base;

    return d->has_status && b->dst_uidvalidity == d->uidvalidity && b->dst_uidnext == d->uidnext &&
           b->dst_messages == d->messages;
}

/* A source that counts changes shows a changed flag in its mod-sequence; another one has to be asked. */
static bool src_flags_unchanged(const struct run *r, const struct folder_work *f)
{
    if (f->src->modseq && f->base.src_modseq)
        return f->src->modseq == f->base.src_modseq;
    return r->job->no_flag_scan || !r->job->policy.update_flags || f->src->messages == 0;
}

bool folder_needs_work(struct run *r, struct folder_work *f)
{
    if (f->unlabelled) /* a label taken away elsewhere shows nowhere in All Mail itself */
        return true;
    if (!f->base_known || !f->base.complete || f->unresolved || r->job->full_scan || r->job->policy.expunge ||
        r->job->policy.retry_refused || r->job->classic_expunge || r->job->after != PH_AFTER_KEEP || !f->dst_exists)
        return true;
    return !src_unchanged(f) || !src_flags_unchanged(r, f) || !dst_unchanged(f);
}

/* Messages on the destination that the ledger cannot know of: they have to be looked at by identity. */
static bool dst_has_unknown(struct run *r, struct folder_work *f)
{
    if (r->job->empty_destination_first)
        return f->dst_exists;
    if (!f->dst_exists || (f->dst.has_status && f->dst.messages == 0) || r->job->policy.ignore_destination)
        return f->unresolved && f->dst_exists;
    if (f->all_ours)
        return false;
    return f->unresolved || !f->base_known || r->job->full_scan || r->job->classic_expunge || !dst_unchanged(f);
}

/* ---- scanning ---- */

static void src_request(struct run *r, struct folder_work *f, bool keys, struct ph_scan_request *q)
{
    bool trusted = f->base_known && f->base.complete && !f->unresolved && !r->job->full_scan &&
                   !r->job->policy.expunge && !r->job->policy.retry_refused && !r->job->classic_expunge &&
                   !r->job->first_seq && !r->job->last_seq && !r->job->max_per_folder;

    trusted = trusted && !f->unlabelled;
    *q = (struct ph_scan_request){ .want = PH_WANT_FLAGS | PH_WANT_DATE | PH_WANT_SIZE, .hash_key = &r->hash_key,
                                   .search = r->job->search };
    if (keys || r->job->policy.dedup || r->job->classic_expunge || r->job->skip_ids_file || r->remember)
        q->want |= PH_WANT_KEY;
    if (f->base_known)
        q->uidvalidity = f->base.src_uidvalidity;
    if (trusted && f->base.src_modseq && f->src->modseq && !r->job->search)
        q->changed_since = f->base.src_modseq;
    else if (trusted && r->job->no_flag_scan && !r->job->search)
        q->from_uid = f->base.src_uidnext;
}

static void dst_request(struct run *r, struct folder_work *f, struct ph_scan_request *q)
{
    *q = (struct ph_scan_request){ .want = PH_WANT_FLAGS | PH_WANT_SIZE | PH_WANT_DATE | PH_WANT_KEY,
                                   .hash_key = &r->hash_key, .uidvalidity = f->dst.uidvalidity };
    if (f->base_known && !f->unresolved && !r->job->full_scan && f->base.dst_uidvalidity == f->dst.uidvalidity)
        q->from_uid = f->base.dst_uidnext;
    if (f->unresolved && f->lowest_uidnext && f->lowest_validity == f->dst.uidvalidity && f->base_known)
        q->from_uid = f->lowest_uidnext;
}

int folder_scan_begin(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_scan_request q;
    struct ph_numset uids = PH_NUMSET_INIT;
    bool unknown;

    ph_snapshot_init(&f->snap);
    ph_snapshot_init(&f->dst_snap);
    f->inited = true;
    /* made anew since the last run: what the ledger says of it is about other messages */
    if (f->base_known && !f->dst_exists) {
        run_notice(r, f, 0, "is not on the destination any more: everything is copied again");
        folder_forget(r, f);
    } else if (f->base_known && f->src->has_status && f->base.src_uidvalidity != f->src->uidvalidity) {
        run_notice(r, f, 0, "made anew on the source (UIDVALIDITY changed): messages are matched by what they are");
        folder_forget(r, f);
    } else if (f->base_known && f->dst.has_status && f->base.dst_uidvalidity &&
               f->base.dst_uidvalidity != f->dst.uidvalidity) {
        run_notice(r, f, 0, "made anew on the destination (UIDVALIDITY changed): messages are matched by what they are");
        folder_forget(r, f);
    }
    if (resume_begin(r, f, err))
        return -1;
    unknown = dst_has_unknown(r, f);
    bool some = unknown && !ph_numset_empty(&f->known_src);
    src_request(r, f, unknown && !some, &q);
    if (r->src->ops->scan_begin(r->src, f->src->name, &q, &f->snap, err))
        return -1;
    f->scanning = true;
    if (some && !(q.want & PH_WANT_KEY) && resume_keys_begin(r, f, &q, err))
        return -1;
    if (!unknown)
        return 0;
    dst_request(r, f, &q);
    int result = resume_request(f, &q, &uids, err) || r->dst->ops->scan_begin(r->dst, f->dst_name, &q, &f->dst_snap, err) ? -1 : 0;
    ph_numset_done(&uids);
    f->dst_scanning = result == 0;
    return result;
}

/* A folder that cannot be read is a failure of that folder; -1 only for what ends the session. */
static int scan_end(struct run *r, struct folder_work *f, struct ph_session *s, struct ph_snapshot *snap,
                    struct ph_err *err)
{
    struct ph_err e;

    if (s->ops->scan_wait(s, snap, &e) == 0)
        return 0;
    if (e.scope > PH_SCOPE_FOLDER) {
        *err = e;
        return -1;
    }
    queue_kill_folder(r, f, &e);
    return 0;
}

/* ---- planning ---- */

static int next_row(void *ctx, struct ph_ledger_row *out, struct ph_err *err)
{
    struct rows *rows = ctx;

    return ph_ledger_rows_next(rows->cursor, out, err);
}

static int rewind_rows(void *ctx, struct ph_err *err)
{
    struct rows *rows = ctx;

    if (rows->cursor)
        ph_ledger_rows_end(rows->cursor);
    rows->cursor = NULL;
    return ph_ledger_rows(rows->ledger, rows->folder, &rows->cursor, err);
}

static int hash_bodies(struct run *r, struct ph_session *s, const char *folder, const struct ph_snapshot *snap,
                       const struct ph_numset *uids, bool dst, struct ph_known_hash **out, size_t *n,
                       struct ph_err *err)
{
    size_t count = (size_t)ph_numset_count(uids);
    struct ph_body body;
    const char *p;
    size_t len;
    struct ph_err first = { 0 };
    int result = -1, more;

    if (!count)
        return 0;
    struct ph_known_hash *grown = realloc(*out, (*n + count) * sizeof **out);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!grown || !md) {
        *out = grown ? grown : *out;
        EVP_MD_CTX_free(md);
        return ph_fail_memory(err);
    }
    *out = grown;
    if (s->ops->bodies_add(s, folder, snap->uidvalidity, uids, snap, err))
        goto out;
    while ((more = s->ops->bodies_next(s, &body, err)) == 1) {
        if (!count)
            continue;
        /* says nothing about the messages; the rest has to be read, or the next folder would be given it */
        if (body.missing && body.err.scope >= PH_SCOPE_FOLDER && first.kind == PH_OK)
            first = body.err;
        if (body.missing) {
            count--;
            continue;
        }
        EVP_DigestInit_ex(md, EVP_sha256(), NULL);
        do {
            if (s->ops->body_read(s, &p, &len, err))
                goto out;
            EVP_DigestUpdate(md, p, len);
        } while (len);
        (*out)[*n].uid = body.uid;
        (*out)[*n].dst = dst;
        EVP_DigestFinal_ex(md, (*out)[*n].sha256, NULL);
        (*n)++;
        count--;
    }
    if (more == 0 && first.kind != PH_OK) {
        *err = first;
        more = -1;
    } else if (more == 0 && count) /* nobody may take them for different because they were not read */
        more = ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "%s: the messages that were to be compared did not come", folder);
    result = more;
out:
    EVP_MD_CTX_free(md);
    return result;
}

int plan_resolved(struct run *r, struct folder_work *f, struct ph_plan_input *in, struct ph_policy *policy,
                            struct ph_err *err)
{
    struct ph_known_hash *hashes = NULL;
    size_t n = 0;
    int result = -1;

    if (ph_plan_folder(in, policy, &f->steps, err))
        return -1;
    if (ph_numset_empty(&f->steps.need_hash_src) && ph_numset_empty(&f->steps.need_hash_dst))
        return 0;
    if (hash_bodies(r, r->src, f->src->name, &f->snap, &f->steps.need_hash_src, false, &hashes, &n, err) == 0 &&
        hash_bodies(r, r->dst, f->dst_name, &f->dst_snap, &f->steps.need_hash_dst, true, &hashes, &n, err) == 0) {
        ph_steps_done(&f->steps);
        ph_steps_init(&f->steps);
        in->hashes = hashes;
        in->n_hashes = n;
        result = in->rewind && in->rewind(in->rows_ctx, err) ? -1 : ph_plan_folder(in, policy, &f->steps, err);
    }
    free(hashes);
    return result;
}

static int adopt(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_ledger_row rows[256];
    size_t n = 0;

    for (size_t i = 0; i < f->steps.n_adopt; i++) {
        struct ph_row *row = ph_snapshot_find(&f->snap, f->steps.adopt[i].src_uid);
        rows[n] = (struct ph_ledger_row){ .src_uid = f->steps.adopt[i].src_uid, .dst_uid = f->steps.adopt[i].dst_uid,
                                          .state = PH_LR_ADOPTED };
        if (row) {
            rows[n].size = row->size;
            rows[n].flags_hash = ph_flags_hash(row->flags, ph_snapshot_keywords(&f->snap, row));
        }
        n++;
        if (n == sizeof rows / sizeof *rows || i + 1 == f->steps.n_adopt) {
            if (ph_ledger_put(r->ledger, f->id, rows, n, err))
                return -1;
            n = 0;
        }
    }
    return 0;
}

static void tell_plan(struct run *r, struct folder_work *f)
{
    struct ph_event e = { .kind = PH_EV_PLAN, .folder = f->src->name, .dst_folder = f->dst_name,
                          .messages = ph_numset_count(&f->steps.copy), .adopted = f->steps.n_adopt,
                          .flag_changes = f->steps.n_flags, .expunges = ph_numset_count(&f->steps.expunge) };
    uint64_t known = ph_numset_count(&f->steps.skipped[PH_SKIP_KNOWN]);

    for (uint32_t uid = ph_numset_next(&f->steps.copy, 0); uid; uid = ph_numset_next(&f->steps.copy, uid)) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        e.bytes += row ? row->size : 0;
    }
    for (int i = 0; i < PH_SKIP_REASONS; i++)
        e.skipped += ph_numset_count(&f->steps.skipped[i]);
    e.skipped -= known + ph_numset_count(&f->steps.skipped[PH_SKIP_APPEND_LIMIT]) +
                 ph_numset_count(&f->steps.skipped[PH_SKIP_TOO_BIG]) + ph_numset_count(&f->steps.skipped[PH_SKIP_EMPTY]);
    pthread_mutex_lock(&r->lock);
    if (!f->looking) {
        r->totals.messages += e.messages;
        r->totals.bytes += e.bytes;
    }
    r->totals.adopted += e.adopted;
    r->totals.skipped += e.skipped;
    f->counts.messages += e.messages;
    f->counts.bytes += e.bytes;
    f->counts.adopted += e.adopted;
    f->counts.skipped += e.skipped;
    run_event_locked(r, &e);
    pthread_mutex_unlock(&r->lock);
}

/* What an interrupted run sent and what is not there (yet) must not be sent again now. */
static int settle_unsure(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_numset missing = PH_NUMSET_INIT;
    int result = -1;

    if (ph_numset_add_set(&missing, &f->unsure) || ph_numset_intersect(&missing, &f->steps.copy))
        ph_fail_memory(err);
    else if (ph_ledger_flush(r->ledger, err) == 0)
        result = 0;
    if (result == 0 && !ph_numset_empty(&missing) && f->last_look)
        result = surplus_note(f, &missing, err);
    if (result == 0 && (ph_numset_empty(&missing) || f->last_look))
        result = resolve_drop(r, f, err);
    else if (result == 0 && ph_numset_subtract(&f->steps.copy, &missing))
        result = ph_fail_memory(err);
    ph_numset_done(&missing);
    return result;
}

/* From here on what the destination gains at or above this UIDNEXT is ours, or somebody else's, but was not there before. */
static int open_baseline(struct run *r, struct folder_work *f, struct ph_err *err)
{
    if (f->base_known && f->base.complete)
        return 0;
    f->base.src_uidvalidity = f->snap.uidvalidity;
    f->base.dst_uidvalidity = f->dst.uidvalidity;
    /* all that is below has been matched; a folder that was just made has nothing below */
    f->base.dst_uidnext = f->before_uidnext ? f->before_uidnext : f->dst.has_status && !f->dst.messages ? 1 : 0;
    f->base.dst_messages = f->before_messages;
    f->base.complete = false;
    return ph_ledger_baseline_set(r->ledger, f->id, &f->base, err);
}

/* imapcopy -i: the destination folder is emptied, everything in it. */
static int empty_destination(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ph_numset all = PH_NUMSET_INIT;
    struct ph_err e = { 0 };
    int result = 0;

    for (size_t i = 0; i < f->dst_snap.n && result == 0; i++)
        result = ph_numset_add(&all, ph_snapshot_row(&f->dst_snap, i)->uid);
    if (result == 0 && !r->job->dry_run)
        result = r->dst->ops->expunge(r->dst, f->dst_name, f->dst_snap.uidvalidity, &all, true, &e);
    if (result == 0) {
        struct ph_event ev = { .kind = PH_EV_MESSAGE, .side = 'd', .folder = f->src->name, .dst_folder = f->dst_name,
                               .number = ph_numset_count(&all), .action = PH_ACT_EXPUNGED };
        if (ev.number)
            run_event(r, &ev);
        f->dst_snap.exists = 0;
    }
    ph_numset_done(&all);
    if (result && e.scope > PH_SCOPE_FOLDER) {
        *err = e;
        return -1;
    }
    if (result)
        queue_kill_folder(r, f, &e);
    return 0;
}

/* Source messages that are on the destination already, when the job wants them gone from the source. */
static int note_present(struct run *r, struct folder_work *f, struct ph_err *err)
{
    if (r->job->after != PH_AFTER_DELETE_PRESENT && r->job->after != PH_AFTER_DELETE_BOTH)
        return 0;
    int bad = ph_numset_add_set(&f->done, &f->steps.skipped[PH_SKIP_KNOWN]) |
              ph_numset_add_set(&f->done, &f->steps.skipped[PH_SKIP_EXISTS]);
    for (size_t i = 0; i < f->steps.n_adopt; i++)
        bad |= ph_numset_add(&f->done, f->steps.adopt[i].src_uid);
    return bad ? ph_fail_memory(err) : 0;
}

static void tell_each(struct run *r, struct folder_work *f, enum ph_skip_reason why, enum ph_action action,
                      const char *reason)
{
    const struct ph_numset *set = &f->steps.skipped[why];

    for (uint32_t uid = ph_numset_next(set, 0); uid; uid = ph_numset_next(set, uid)) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        run_message(r, f, uid, row ? row->size : 0, action, reason);
    }
}

/* Messages that do not go in for their size are named one by one. */
static void tell_skipped(struct run *r, struct folder_work *f)
{
    char text[100];

    snprintf(text, sizeof text, "larger than the destination takes (APPENDLIMIT %llu)",
             (unsigned long long)r->append_limit);
    tell_each(r, f, PH_SKIP_APPEND_LIMIT, PH_ACT_REFUSED, text);
    tell_each(r, f, PH_SKIP_TOO_BIG, PH_ACT_SKIPPED, "too-big");
    tell_each(r, f, PH_SKIP_EMPTY, PH_ACT_SKIPPED, "it has no octets (RFC 3502 forbids sending it)");
}

int folder_plan(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct rows rows = { .ledger = r->ledger, .folder = f->id };
    struct ph_policy policy = r->job->policy;
    int result = -1;

    struct ph_event start = { .kind = PH_EV_FOLDER_START, .folder = f->src->name, .dst_folder = f->dst_name,
                              .messages = f->src->messages, .number = f->dst.messages };
    run_event(r, &start);
    if (f->scanning && scan_end(r, f, r->src, &f->snap, err))
        return -1;
    f->scanning = false;
    if (f->key_scanning && scan_end(r, f, r->src, &f->key_snap, err))
        return -1;
    if (f->key_scanning)
        resume_keys_end(f);
    f->key_scanning = false;
    bool dst_scanned = f->dst_scanning;
    if (dst_scanned && scan_end(r, f, r->dst, &f->dst_snap, err))
        return -1;
    f->dst_scanning = false;
    if (f->dead)
        return 0;
    if (f->look_again) {
        folder_done(f);
        return 0;
    }
    if (dst_scanned && f->base_known && f->base.dst_uidvalidity && f->dst_snap.uidvalidity != f->base.dst_uidvalidity) {
        struct ph_err e; /* the keys that would tell what is what now have not been read */
        ph_fail(&e, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s was made anew on the destination meanwhile; run again", f->dst_name);
        folder_forget(r, f);
        queue_kill_folder(r, f, &e);
        return 0;
    }
    if (dst_scanned && f->dst_snap.uidvalidity)
        f->dst.uidvalidity = f->dst_snap.uidvalidity;
    if (r->append_limit < policy.append_limit)
        policy.append_limit = r->append_limit;
    if (folder_filter(r, f, err))
        return -1;
    if (!f->snap.complete || f->snap.changes_only || r->job->search)
        policy.expunge = false;
    struct ph_plan_input in = { .src = &f->snap, .dst = dst_scanned ? &f->dst_snap : NULL, .next_row = next_row,
                                .rewind = rewind_rows, .rows_ctx = &rows };
    in.wanted = f->choosing ? &f->wanted : NULL;
    in.unsure = &f->unsure;
    if (r->job->empty_destination_first && dst_scanned && !f->looking) {
        if (empty_destination(r, f, err))
            return -1;
        if (f->dead)
            return 0;
        in.dst = NULL;
    }
    if (rewind_rows(&rows, err))
        return -1;
    ph_steps_init(&f->steps);
    if (plan_resolved(r, f, &in, &policy, err) == 0) {
        tell_plan(r, f);
        if (!f->looking)
            tell_skipped(r, f);
        result = r->job->dry_run ? 0 : adopt(r, f, err);
    } else if (err->scope == PH_SCOPE_FOLDER) {
        queue_kill_folder(r, f, err);
        result = 0;
    }
    ph_ledger_rows_end(rows.cursor);
    if (result)
        return -1;
    if (f->dead)
        return 0;
    if (r->job->dry_run) {
        for (uint32_t uid = ph_numset_next(&f->steps.copy, 0); uid; uid = ph_numset_next(&f->steps.copy, uid)) {
            struct ph_row *row = ph_snapshot_find(&f->snap, uid);
            run_message(r, f, uid, row ? row->size : 0, PH_ACT_WOULD_COPY, NULL);
        }
        return 0;
    }
    f->planned = true;
    if (f->unresolved && settle_unsure(r, f, err))
        return -1;
    if (!f->looking) {
        f->validity = f->dst.uidvalidity;
        f->before_messages = dst_scanned ? f->dst_snap.exists : f->dst.messages;
        f->before_uidnext = dst_scanned ? f->dst_snap.uidnext : f->dst.uidnext;
        if (open_baseline(r, f, err))
            return -1;
    }
    ph_snapshot_done(&f->dst_snap);
    if (note_present(r, f, err))
        return -1;
    if (f->looking && f->unresolved) /* there will be another look, and what is new is queued by the last one, once */
        return 0;
    return queue_fill(r, f, &f->steps.copy, err);
}

void folder_forget(struct run *r, struct folder_work *f)
{
    struct ph_err e;

    if (ph_ledger_folder_reset(r->ledger, f->id, &e))
        run_fatal(r, &e);
    memset(&f->base, 0, sizeof f->base);
    f->base_known = false;
}

/* A large account must not stay in memory folder by folder: only the facts about the folder do. */
void folder_release(struct folder_work *f)
{
    if (!f->filled || f->pending || f->steps.n_flags || !f->inited)
        return;
    struct ph_snapshot s = f->snap;
    ph_snapshot_done(&f->snap);
    f->snap.uidvalidity = s.uidvalidity;
    f->snap.uidnext = s.uidnext;
    f->snap.exists = s.exists;
    f->snap.modseq = s.modseq;
    f->snap.complete = s.complete;
}

void folder_done(struct folder_work *f)
{
    if (!f->inited)
        return;
    ph_snapshot_done(&f->snap);
    ph_snapshot_done(&f->dst_snap);
    resume_done(f);
    ph_steps_done(&f->steps);
    ph_numset_done(&f->surplus);
    ph_numset_done(&f->wanted);
    f->inited = f->filled = f->choosing = false;
}
