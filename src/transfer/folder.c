/* folder.c: one folder's way through a copy: does anything have to be looked at, how it is scanned, what is freed when. */
#include "transfer/folder.h"

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
    if (!run_carries_flags(r) || f->src->messages == 0)
        return true;
    return f->src->modseq && f->base.src_modseq && f->src->modseq == f->base.src_modseq;
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
    if (r->job->empty_destination_first || run_deletes_present(r))
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
                   !run_deletes_present(r) && !r->job->first_seq && !r->job->last_seq && !r->job->max_per_folder;

    trusted = trusted && !f->unlabelled;
    *q = (struct ph_scan_request){ .want = PH_WANT_FLAGS | PH_WANT_DATE | PH_WANT_SIZE, .hash_key = &r->hash_key,
                                   .search = r->job->search };
    if (keys || r->job->policy.dedup || r->job->classic_expunge || r->job->skip_ids_file || r->remember)
        q->want |= PH_WANT_KEY;
    if (f->base_known)
        q->uidvalidity = f->base.src_uidvalidity;
    if (trusted && !run_carries_flags(r) && !r->job->search)
        q->from_uid = f->base.src_uidnext;
    else if (trusted && f->base.src_modseq && f->src->modseq && !r->job->search)
        q->changed_since = f->base.src_modseq;
}

static void dst_request(struct run *r, struct folder_work *f, struct ph_scan_request *q)
{
    *q = (struct ph_scan_request){ .want = PH_WANT_FLAGS | PH_WANT_SIZE | PH_WANT_DATE | PH_WANT_KEY,
                                   .hash_key = &r->hash_key, .uidvalidity = f->dst.uidvalidity };
    if (f->base_known && !f->unresolved && !r->job->full_scan && !run_deletes_present(r) && f->base.dst_uidvalidity == f->dst.uidvalidity)
        q->from_uid = f->base.dst_uidnext;
    if (f->unresolved && !run_deletes_present(r) && f->lowest_uidnext && f->lowest_validity == f->dst.uidvalidity && f->base_known)
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

void folder_forget(struct run *r, struct folder_work *f)
{
    struct ph_err e;

    if (ph_ledger_folder_reset(r->ledger, f->id, &e))
        run_fatal(r, &e);
    memset(&f->base, 0, sizeof f->base);
    f->base_known = false;
}

/* Flags, removals and what has to be looked for again come at the end of the run. */
static bool nothing_left(struct run *r, const struct folder_work *f)
{
    return !f->dead && !f->incomplete && !f->unresolved && ph_numset_empty(&f->unknown) && ph_numset_empty(&f->steps.expunge) &&
           ph_numset_empty(&f->surplus) && r->job->after == PH_AFTER_KEEP && !r->job->archive_folder;
}

/* A large account must not stay in memory folder by folder: only the facts about the folder do. */
void folder_release(struct run *r, struct folder_work *f)
{
    if (!f->filled || f->pending || f->steps.n_flags || !f->inited)
        return;
    if (nothing_left(r, f))
        run_folder_done_locked(r, f);
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
