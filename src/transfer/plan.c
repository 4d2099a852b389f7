#include "transfer/plan.h"

#include <stdlib.h>
#include <string.h>

#include "mail/identity.h"
#include "transfer/plan_private.h"

void ph_steps_init(struct ph_steps *s)
{
    memset(s, 0, sizeof *s);
}

void ph_steps_done(struct ph_steps *s)
{
    ph_numset_done(&s->copy);
    free(s->adopt);
    free(s->flags);
    ph_numset_done(&s->expunge);
    ph_numset_done(&s->gone);
    for (int i = 0; i < PH_SKIP_REASONS; i++)
        ph_numset_done(&s->skipped[i]);
    ph_numset_done(&s->need_hash_src);
    ph_numset_done(&s->need_hash_dst);
    ph_steps_init(s);
}

uint64_t ph_flags_hash(uint32_t flags, const char *keywords)
{
    /* It stands in ledgers: the key is part of the format, and the flags are told apart by it. */
    struct ph_hash_key key = { { 'f', 'l', 'a', 'g', 's', (unsigned char)(flags & ~(uint32_t)PH_F_RECENT) } };
    uint64_t h = ph_siphash(&key, keywords, strlen(keywords));

    return h ? h : 1;
}

/* ---- steps ---- */

static void *room(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(array, more * size);
    if (p)
        *cap = more;
    return p;
}

static int add_flags(struct plan *p, uint32_t src, uint32_t dst)
{
    struct ph_steps *o = p->out;
    struct ph_flag_step *f = room(o->flags, o->n_flags, &p->cap_flags, sizeof *f);

    if (!f)
        return -1;
    o->flags = f;
    f[o->n_flags++] = (struct ph_flag_step){ src, dst };
    return 0;
}

int plan_pair(struct plan *p, struct ph_row *src, struct ph_row *dst)
{
    struct ph_steps *o = p->out;
    struct ph_adoption *a = room(o->adopt, o->n_adopt, &p->cap_adopt, sizeof *a);

    if (!a)
        return -1;
    o->adopt = a;
    a[o->n_adopt++] = (struct ph_adoption){ src->uid, dst->uid };
    src->mark |= MARK_PAIRED;
    dst->mark |= MARK_PAIRED;
    return src->mark & MARK_FLAGS ? add_flags(p, src->uid, dst->uid) : 0;
}

/* ---- what the policy says of one message ---- */

static void judge(const struct plan *p, struct ph_row *r)
{
    const struct ph_policy *y = p->policy;

    if (p->in->wanted && !ph_numset_contains(p->in->wanted, r->uid))
        plan_set_fate(r, PH_SKIP_FILTERED);
    else if (y->skip_deleted && (r->flags & PH_F_DELETED))
        plan_set_fate(r, PH_SKIP_DELETED);
    else if (y->only_seen && !(r->flags & PH_F_SEEN))
        plan_set_fate(r, PH_SKIP_UNSEEN);
    else if (y->only_unseen && (r->flags & PH_F_SEEN))
        plan_set_fate(r, PH_SKIP_SEEN);
    else if (r->size == 0)
        plan_set_fate(r, PH_SKIP_EMPTY);
    else if (y->max_size && r->size > y->max_size)
        plan_set_fate(r, PH_SKIP_TOO_BIG);
    else if (r->size > y->append_limit)
        plan_set_fate(r, PH_SKIP_APPEND_LIMIT);
}

/* ---- the ledger ---- */

/* A source message that the ledger has a row of. */
static int meet(struct plan *p, struct ph_row *r, const struct ph_ledger_row *row)
{
    r->mark |= MARK_LEDGER;
    if (row->state == PH_LR_REFUSED) {
        r->mark &= ~MARK_LEDGER;
        if (p->policy->retry_refused)
            judge(p, r);
        else
            plan_set_fate(r, PH_SKIP_REFUSED);
        return 0;
    }
    plan_set_fate(r, PH_SKIP_KNOWN);
    bool changed = p->policy->update_flags &&
                   row->flags_hash != ph_flags_hash(r->flags, ph_snapshot_keywords(p->in->src, r));
    if (row->dst_uid) {
        r->mark |= MARK_OUT;
        return changed ? add_flags(p, r->uid, row->dst_uid) : 0;
    }
    r->mark |= changed ? MARK_FLAGS : 0;
    return 0;
}

static int part(struct plan *p, const struct ph_ledger_row *row)
{
    if (!p->whole)
        return 0;
    if (ph_numset_add(&p->out->gone, row->src_uid))
        return -1;
    if (p->policy->expunge && row->dst_uid && row->state != PH_LR_REFUSED)
        return ph_numset_push(&p->out->expunge, row->dst_uid, row->dst_uid);
    return 0;
}

static int corrupt(struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_CORRUPT, "the ledger's rows of a folder are out of order");
}

static int join_ledger(struct plan *p, struct ph_err *err)
{
    const struct ph_snapshot *src = p->in->src;
    struct ph_ledger_row row;
    uint32_t last = 0;
    size_t i = 0;
    int more;

    if (!p->in->next_row)
        return 0;
    while ((more = p->in->next_row(p->in->rows_ctx, &row, err)) == 1) {
        if (row.src_uid <= last)
            return corrupt(err);
        last = row.src_uid;
        while (i < src->n && ph_snapshot_row(src, i)->uid < row.src_uid)
            i++;
        bool there = i < src->n && ph_snapshot_row(src, i)->uid == row.src_uid;
        if (there ? meet(p, ph_snapshot_row(src, i), &row) : part(p, &row))
            return ph_fail_memory(err);
        struct ph_row *d = p->dst && row.dst_uid && row.state != PH_LR_REFUSED ? ph_snapshot_find(p->dst, row.dst_uid)
                                                                                : NULL;
        if (d)
            d->mark |= MARK_OUT;
    }
    ph_numset_sort(&p->out->expunge);
    return more;
}

/* What two source messages were merged into stays as long as one of them lives. */
static int keep_merged(struct plan *p, struct ph_err *err)
{
    const struct ph_snapshot *src = p->in->src;
    struct ph_ledger_row row;
    size_t i = 0;
    int more;

    if (ph_numset_empty(&p->out->expunge))
        return 0;
    if (!p->in->rewind)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "expunging needs ledger rows that can be read twice");
    if (p->in->rewind(p->in->rows_ctx, err))
        return -1;
    while ((more = p->in->next_row(p->in->rows_ctx, &row, err)) == 1) {
        if (!row.dst_uid || row.state == PH_LR_REFUSED || !ph_numset_contains(&p->out->expunge, row.dst_uid))
            continue;
        while (i < src->n && ph_snapshot_row(src, i)->uid < row.src_uid)
            i++;
        if (i < src->n && ph_snapshot_row(src, i)->uid == row.src_uid &&
            ph_numset_remove_range(&p->out->expunge, row.dst_uid, row.dst_uid))
            return ph_fail_memory(err);
    }
    return more;
}

/* ---- from marks to steps ---- */

static void clear_marks(const struct ph_snapshot *s)
{
    for (size_t i = 0; i < s->n; i++)
        ph_snapshot_row(s, i)->mark = 0;
}

static void judge_new(struct plan *p)
{
    for (size_t i = 0; i < p->in->src->n; i++) {
        struct ph_row *r = ph_snapshot_row(p->in->src, i);
        if (r->mark == 0)
            judge(p, r);
        if (p->policy->ignore_destination && p->dst && !(r->mark & MARK_LEDGER) &&
            !ph_numset_contains(p->in->unsure, r->uid))
            r->mark |= MARK_ALONE;
        p->candidates += !(r->mark & MARK_OUT);
    }
    for (size_t i = 0; p->dst && i < p->dst->n; i++)
        p->free += !(ph_snapshot_row(p->dst, i)->mark & MARK_OUT);
}

static int by_src_uid(const void *a, const void *b)
{
    uint32_t x, y; /* both steps begin with it */

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static int fill(struct plan *p, struct ph_err *err)
{
    struct ph_steps *o = p->out;
    bool failed = false;

    for (size_t i = 0; i < p->in->src->n && !failed; i++) {
        struct ph_row *r = ph_snapshot_row(p->in->src, i);
        unsigned fate = r->mark & MARK_FATE;
        if (r->mark & MARK_NEED_HASH)
            failed = ph_numset_add(&o->need_hash_src, r->uid);
        else if (!(r->mark & MARK_PAIRED))
            failed = ph_numset_add(fate ? &o->skipped[fate - 1] : &o->copy, r->uid);
    }
    for (size_t i = 0; p->dst && i < p->dst->n && !failed; i++)
        if (ph_snapshot_row(p->dst, i)->mark & MARK_NEED_HASH)
            failed = ph_numset_add(&o->need_hash_dst, ph_snapshot_row(p->dst, i)->uid);
    if (failed)
        return ph_fail_memory(err);
    if (o->n_adopt)
        qsort(o->adopt, o->n_adopt, sizeof *o->adopt, by_src_uid);
    if (o->n_flags)
        qsort(o->flags, o->n_flags, sizeof *o->flags, by_src_uid);
    if (p->dst && !p->dst->complete && !ph_numset_empty(&o->copy))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT,
                       "the destination was not listed completely, so nobody can say what is missing there");
    return 0;
}

int ph_plan_folder(const struct ph_plan_input *in, const struct ph_policy *policy, struct ph_steps *out,
                   struct ph_err *err)
{
    struct plan p = { .in = in, .policy = policy, .out = out };

    p.dst = policy->ignore_destination && (!in->unsure || ph_numset_empty(in->unsure)) ? NULL : in->dst;
    p.whole = in->src->complete && !in->src->changes_only && in->src->n >= in->src->exists;
    ph_snapshot_sort_uid(in->src);
    clear_marks(in->src);
    if (in->dst) {
        ph_snapshot_sort_uid(in->dst);
        clear_marks(in->dst);
    }
    if (join_ledger(&p, err) || keep_merged(&p, err))
        return -1;
    judge_new(&p);
    int failed = plan_match(&p);
    free(p.s);
    free(p.d);
    free(p.hashes);
    if (failed)
        return ph_fail_memory(err);
    return fill(&p, err);
}
