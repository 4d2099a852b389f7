/* lane_settle.c: what the destination says of the appends: confirmed, refused, unknown, or to be sent again. */
#include <stdlib.h>
#include <string.h>

#include "transfer/lane.h"

#define CREATE_ATTEMPTS 3

void lane_again(struct lane *l, const struct batch *old, const struct ph_numset *uids, bool lost)
{
    struct batch *b = batch_new(old->f);

    if (!b || ph_numset_add_set(&b->uids, uids)) {
        struct ph_err e;
        batch_free(b);
        ph_fail_memory(&e);
        run_fatal(l->r, &e);
        return;
    }
    b->attempts = old->attempts + (lost ? 1 : 0);
    b->alone = old->alone;
    b->repair = old->repair;
    b->careful = old->careful;
    b->no_keywords = old->no_keywords;
    b->no_date = old->no_date;
    for (uint32_t uid = ph_numset_next(uids, 0); uid; uid = ph_numset_next(uids, uid)) {
        struct ph_row *row = ph_snapshot_find(&old->f->snap, uid);
        b->bytes += row ? row->size : 0;
    }
    queue_push(l->r, b, true);
}

static void refuse(struct lane *l, struct batch *b, struct ph_ledger_row *row, const struct ph_err *why)
{
    struct run *r = l->r;
    struct ph_err e;

    if (ph_ledger_refuse(r->ledger, b->f->id, row->src_uid, row->size, why->text, &e))
        run_fatal(r, &e);
    run_message(r, b->f, row->src_uid, row->size, PH_ACT_REFUSED, why->text);
}

static void single(struct lane *l, const struct batch *b, uint32_t uid, bool no_keywords, bool no_date)
{
    struct ph_numset one = PH_NUMSET_INIT;
    struct batch form = *b;

    form.careful = true;
    form.no_keywords = no_keywords;
    form.no_date = no_date;
    if (ph_numset_add(&one, uid) == 0)
        lane_again(l, &form, &one, false);
    ph_numset_done(&one);
}

static void again_all(struct lane *l, struct flight *fl, size_t from, size_t to, const struct batch *form)
{
    struct ph_numset uids = PH_NUMSET_INIT;

    for (size_t i = from; i < to; i++) {
        set_state(fl, i, ROW_AGAIN);
        ph_numset_add(&uids, row_of(fl, i)->src_uid);
    }
    lane_again(l, form, &uids, false);
    ph_numset_done(&uids);
}

static void refused_message(struct lane *l, struct flight *fl, const struct ph_err *why)
{
    struct batch *b = fl->item[0].b;
    struct ph_ledger_row *row = row_of(fl, 0);
    struct ph_row *meta = ph_snapshot_find(&fl->f->snap, row->src_uid);
    bool keywords = meta && meta->kwset && l->r->job->keywords;

    set_state(fl, 0, ROW_AGAIN);
    if (why->kind == PH_E_BAD && !b->careful) {
        single(l, b, row->src_uid, false, false);
    } else if (keywords && !b->no_keywords) {
        run_notice(l->r, fl->f, row->src_uid, "refused (%s): tried again without its keywords (%s)", why->text,
                   ph_snapshot_keywords(&fl->f->snap, meta));
        single(l, b, row->src_uid, true, b->no_date);
    } else if (!b->no_date && meta && meta->has_date && strcasestr(why->text, "date")) {
        run_notice(l->r, fl->f, row->src_uid, "refused (%s): tried again without its internal date", why->text);
        single(l, b, row->src_uid, b->no_keywords, true);
    } else if (l->r->job->repair && !b->repair && !l->r->job->repair_always && why->kind != PH_E_TOOBIG) {
        struct batch form = *b;
        form.repair = true;
        single(l, &form, row->src_uid, b->no_keywords, b->no_date);
    } else {
        set_state(fl, 0, ROW_REFUSED);
        refuse(l, b, row, why);
    }
}

/* The server said no to this append. One message: try it without its keywords, then without its date, then report it. Several:
 * the two halves apart, until the one is found. */
static void refused_flight(struct lane *l, struct flight *fl, const struct ph_err *why)
{
    if (fl->n == 1) {
        refused_message(l, fl, why);
        return;
    }
    if (why->kind == PH_E_BAD) { /* not the message but the way it was sent: one at a time, asking first */
        for (size_t i = fl->n; i-- > 0;) {
            set_state(fl, i, ROW_AGAIN);
            single(l, fl->item[i].b, row_of(fl, i)->src_uid, false, false);
        }
        return;
    }
    struct batch form = *fl->item[0].b;
    form.alone = true;
    again_all(l, fl, fl->n / 2, fl->n, &form);
    again_all(l, fl, 0, fl->n / 2, &form);
}

/* A UID below those that were to come, or one that another message of this run has: the destination made two equal messages one. */
static bool was_given(struct run *r, struct folder_work *f, uint32_t uid)
{
    pthread_mutex_lock(&r->lock);
    bool known = (f->before_uidnext && uid < f->before_uidnext) || ph_numset_contains(&f->got, uid);
    if (!known && ph_numset_add(&f->got, uid))
        f->incomplete = true;
    pthread_mutex_unlock(&r->lock);
    return known;
}

/* imapcopy -Z: their keys are skipped in later runs. */
static void remember(struct lane *l, struct flight *fl)
{
    uint64_t keys[128];
    size_t n = 0;
    struct ph_err e;

    for (size_t i = 0; i < fl->n; i++) {
        struct ph_row *row = ph_snapshot_find(&fl->f->snap, row_of(fl, i)->src_uid);
        if (row && row->key)
            keys[n++] = row->key;
        if ((n == 128 || i + 1 == fl->n) && n && run_remember(l->r, fl->f, keys, n, &e))
            run_fatal(l->r, &e);
        n = n == 128 ? 0 : n;
    }
}

/* The first answer that tells it: noted before the rows that count on it. What the folder has, for all we know. */
static uint32_t learn_validity(struct run *r, struct folder_work *f, uint32_t validity)
{
    struct ph_baseline b;
    struct ph_err e;

    pthread_mutex_lock(&r->lock);
    bool first = !f->validity;
    if (first) {
        f->validity = f->dst.uidvalidity = validity;
        f->base.dst_uidvalidity = validity;
        b = f->base;
    }
    uint32_t known = f->validity;
    pthread_mutex_unlock(&r->lock);
    if (first && !b.complete && ph_ledger_baseline_set(r->ledger, f->id, &b, &e))
        run_fatal(r, &e);
    return known;
}

static void accepted_flight(struct lane *l, struct flight *fl, const struct ph_append_result *res)
{
    struct run *r = l->r;
    struct folder_work *f = fl->f;
    size_t merged_count = 0;

    uint32_t validity = res->uids && res->uidvalidity ? learn_validity(r, f, res->uidvalidity) : 0;
    bool uids = validity && res->n_uids == fl->n && res->uidvalidity == validity;

    for (size_t i = 0; i < fl->n; i++) {
        struct ph_ledger_row *row = row_of(fl, i);
        set_state(fl, i, ROW_IN);
        row->dst_uid = uids ? res->uids[i] : 0;
        bool merged = uids && (was_given(r, f, row->dst_uid) ||
                               ((r->dst_abilities & PH_AB_GMAIL) &&
                                ph_ledger_has_dst(r->ledger, f->id, row->dst_uid, NULL) == 1));
        merged_count += merged;
        if (merged)
            row->state = PH_LR_MERGED;
        run_message(r, f, row->src_uid, row->size, merged ? PH_ACT_MERGED : row->state == PH_LR_REPAIRED ? PH_ACT_REPAIRED : PH_ACT_COPIED, NULL);
    }
    if (r->remember)
        remember(l, fl);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; uids && i < fl->n; i++) /* what is sent from now on comes above */
        if (res->uids[i] >= f->dst.uidnext && res->uids[i] < UINT32_MAX)
            f->dst.uidnext = res->uids[i] + 1;
    if (r->job->after == PH_AFTER_DELETE_COPIED || r->job->after == PH_AFTER_DELETE_BOTH || r->job->archive_folder)
        for (size_t i = 0; i < fl->n; i++)
            ph_numset_add(&f->done, row_of(fl, i)->src_uid);
    f->copied += fl->n;
    f->copied_bytes += fl->bytes;
    f->appended += fl->n - merged_count;
    r->backoff_step = r->reconnects = 0; /* it goes on: only interruptions in a row end the run */
    pthread_mutex_unlock(&r->lock);
}

static void mark_unknown(struct lane *l, struct flight *fl)
{
    pthread_mutex_lock(&l->r->lock);
    for (size_t i = 0; i < fl->n; i++) {
        set_state(fl, i, ROW_UNKNOWN);
        ph_numset_add(&fl->f->unknown, row_of(fl, i)->src_uid);
    }
    pthread_mutex_unlock(&l->r->lock);
}

/* The connection was lost while this was on its way and certainly did not arrive. Two lost connections count as a refusal: from
 * then on message by message, so that one poisonous message stops only itself. */
static void lost_flight(struct lane *l, struct flight *fl)
{
    struct batch form = *fl->item[0].b;

    for (size_t i = 0; i < fl->n; i++)
        if (fl->item[i].b->attempts > form.attempts)
            form.attempts = fl->item[i].b->attempts;
    form.attempts++;
    if (form.attempts < 2) {
        again_all(l, fl, 0, fl->n, &form);
    } else if (fl->n == 1 && form.attempts > 4) {
        struct ph_err e;
        ph_fail(&e, PH_SCOPE_MESSAGE, PH_E_REFUSED, "the destination hangs up whenever it is sent this message");
        set_state(fl, 0, ROW_REFUSED);
        refuse(l, fl->item[0].b, row_of(fl, 0), &e);
    } else {
        for (size_t i = fl->n; i-- > 0;) {
            set_state(fl, i, ROW_AGAIN);
            single(l, &form, row_of(fl, i)->src_uid, form.no_keywords, form.no_date);
        }
    }
}

/* The folder is gone. Appends that are on their way find that out, too, after it was made again. */
static int create_again(struct lane *l, struct flight *fl)
{
    struct ph_err result = { 0 }, e;
    const char *name = fl->f->dst_name;

    if (fl->item[0].b->attempts >= CREATE_ATTEMPTS)
        return -1;
    if (lane_finish_open(l, &e) || /* no command may stand in the middle of another one */
        l->dst->ops->create(l->dst, &name, NULL, 1, &result, &e))
        return -1;
    return result.kind == PH_OK || result.kind == PH_E_EXISTS ? 0 : -1;
}

static int failed_flight(struct lane *l, struct flight *fl, const struct ph_append_result *res)
{
    const struct ph_err *why = &res->err;

    if (res->unknown) {
        mark_unknown(l, fl);
        return 0;
    }
    if (why->scope <= PH_SCOPE_MESSAGE) {
        refused_flight(l, fl, why);
        return 0;
    }
    if (why->kind == PH_E_NOTFOUND && create_again(l, fl) == 0) {
        struct batch form = *fl->item[0].b;
        form.attempts++;
        again_all(l, fl, 0, fl->n, &form);
        return 0;
    }
    if (why->scope == PH_SCOPE_FOLDER && why->retry != PH_RETRY_LATER) {
        pthread_mutex_lock(&l->r->lock);
        l->r->totals.failed += fl->n;
        pthread_mutex_unlock(&l->r->lock);
        for (size_t i = 0; i < fl->n; i++)
            set_state(fl, i, ROW_AGAIN);
        queue_kill_folder(l->r, fl->f, why);
        return 0;
    }
    if (why->scope >= PH_SCOPE_SESSION && why->kind != PH_E_THROTTLED) {
        lost_flight(l, fl);
        return 0;
    }
    again_all(l, fl, 0, fl->n, fl->item[0].b);
    return run_backoff(l->r, why);
}

/* Everything of the batch has its answer: the ledger learns it. */
void lane_settle(struct lane *l, struct batch *b)
{
    struct run *r = l->r;
    struct ph_err e;
    size_t in = 0;
    bool unknown = false;
    int result;

    for (size_t i = 0; i < b->n_rows; i++) {
        unknown |= b->state[i] == ROW_UNKNOWN;
        if (b->state[i] == ROW_IN)
            b->rows[in++] = b->rows[i];
    }
    if (unknown) /* the intent stays until somebody has looked */
        result = in ? ph_ledger_put(r->ledger, b->f->id, b->rows, in, &e) : 0;
    else
        result = ph_ledger_confirm(r->ledger, b->intent, b->f->id, b->rows, in, &e);
    if (result)
        run_fatal(r, &e);
    queue_settled(r, b);
}

static void land(struct lane *l, struct flight *fl)
{
    l->unacked -= fl->bytes;
    l->n_flights--;
    if (fl->a)
        l->dst->ops->append_free(fl->a);
    for (size_t i = 0; i < fl->n; i++) {
        struct batch *b = fl->item[i].b;
        if (--b->open_rows == 0 && b->closed)
            lane_settle(l, b);
    }
    free(fl->item);
    free(fl);
}

/* Take in the answer to the oldest append. */
int lane_reap(struct lane *l, struct ph_err *err)
{
    struct flight *fl = l->first_flight;
    struct ph_append *done;
    struct ph_append_result res;

    if (l->dst->ops->append_wait(l->dst, &done, &res, err))
        return -1;
    l->first_flight = fl->next;
    if (!l->first_flight)
        l->last_flight = NULL;
    struct ph_err why = res.err;
    int r = 0;
    if (res.ok)
        accepted_flight(l, fl, &res);
    else
        r = failed_flight(l, fl, &res);
    land(l, fl);
    if (r || (why.kind != PH_OK && session_worn(l->dst))) {
        if (err) {
            *err = why;
            if (err->scope < PH_SCOPE_SESSION)
                err->scope = PH_SCOPE_SESSION;
        }
        return -1;
    }
    return 0;
}

void lane_orphan_flights(struct lane *l)
{
    for (struct flight *fl; (fl = l->first_flight);) {
        l->first_flight = fl->next;
        mark_unknown(l, fl);
        fl->a = NULL; /* freed with its session */
        land(l, fl);
    }
    l->last_flight = NULL;
}
