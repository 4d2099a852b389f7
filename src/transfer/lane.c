/* lane.c: a thread with a source and a destination session that carries batches from one to the other.
 *
 * For each batch: its intent is durable before its first octet goes out; its messages are asked for ahead of time; every
 * message is hashed while it streams; the answer makes the confirmation. Whatever breaks a session, the batches under way are
 * dissolved: what was acknowledged is confirmed, what may have been committed stays an unresolved intent, the rest goes back
 * into the queue, and the lane connects anew.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/reshape.h"
#include "transfer/run.h"

#define AHEAD_MESSAGES 2000
#define AHEAD_BYTES (32u << 20)
#define UNACKED_BYTES (64u << 20)
#define UNACKED_FLIGHTS 256
#define ANSWERS_MS 10000
#define FETCH_ATTEMPTS 3
#define CREATE_ATTEMPTS 3

/* One append under way. Servers interleave the answers to several FETCHes (Dovecot does, when it is read slowly), so the
 * messages of an append may belong to several batches of the same folder. */
struct flight {
    struct flight *next;
    struct ph_append *a;
    struct folder_work *f;
    struct {
        struct batch *b;
        size_t row;
    } *item;
    size_t n, cap;
    uint64_t bytes;
    bool careful;
    struct batch *alone; /* only this batch's messages: half of a refused append, in search of the one message */
};

static struct ph_ledger_row *row_of(const struct flight *fl, size_t i)
{
    return &fl->item[i].b->rows[fl->item[i].row];
}

static void set_state(struct flight *fl, size_t i, unsigned char state)
{
    fl->item[i].b->state[fl->item[i].row] = state;
}

struct lane {
    struct run *r;
    pthread_t thread;
    bool started;
    struct ph_loop loop;
    struct ph_session *src, *dst;
    struct batch *first, *last;       /* asked for, in order; the first is being sent */
    uint64_t ahead_messages, ahead_bytes;
    struct flight *open;              /* being written */
    struct flight *first_flight, *last_flight;
    uint64_t unacked;
    unsigned n_flights;
    EVP_MD_CTX *md;
    struct folder_work *folder;       /* prefer its batches */
};

/* ---- taking work ---- */

static int ask(struct lane *l, struct batch *b, struct ph_err *err)
{
    struct run *r = l->r;
    struct folder_work *f = b->f;
    size_t n = (size_t)ph_numset_count(&b->uids), i = 0;
    struct ph_intent_message *m = calloc(n, sizeof *m);

    b->rows = calloc(n, sizeof *b->rows);
    b->state = calloc(n, 1);
    if (!m || !b->rows || !b->state || ph_numset_add_set(&b->owed, &b->uids)) {
        free(m);
        return ph_fail_memory(err);
    }
    for (uint32_t uid = ph_numset_next(&b->uids, 0); uid; uid = ph_numset_next(&b->uids, uid), i++) {
        struct ph_row *row = ph_snapshot_find(&f->snap, uid);
        m[i].src_uid = uid;
        if (row) {
            m[i].key = row->key;
            m[i].size = row->size;
            m[i].flags_hash = ph_flags_hash(row->flags, ph_snapshot_keywords(&f->snap, row));
        }
    }
    struct ph_intent intent = { .folder = f->id, .messages = m, .n = n };
    pthread_mutex_lock(&r->lock);
    intent.dst_uidvalidity = f->dst.uidvalidity;
    intent.dst_uidnext = f->dst.uidnext;
    pthread_mutex_unlock(&r->lock);
    int result = ph_ledger_intent(r->ledger, &intent, &b->intent, &b->ticket, err);
    free(m);
    if (result)
        return -1;
    return l->src->ops->bodies_add(l->src, f->src->name, f->snap.uidvalidity, &b->uids, &f->snap, err);
}

static int take_ahead(struct lane *l, struct ph_err *err)
{
    struct run *r = l->r;

    uint64_t most = r->dst_abilities & PH_AB_BATCH ? AHEAD_MESSAGES : 2 * queue_batch_messages(r);

    while (!l->first || (l->ahead_messages < most && l->ahead_bytes < AHEAD_BYTES)) {
        /* do not sleep on the queue while answers are outstanding */
        struct batch *b = queue_take(r, l->folder, !l->first && !l->first_flight);
        if (!b)
            return 0;
        if (b->f != l->folder) {
            pthread_mutex_lock(&r->lock);
            if (l->folder)
                l->folder->lanes--;
            b->f->lanes++;
            pthread_mutex_unlock(&r->lock);
            l->folder = b->f;
        }
        if (l->last)
            l->last->next = b;
        else
            l->first = b;
        l->last = b;
        l->ahead_messages += ph_numset_count(&b->uids);
        l->ahead_bytes += b->bytes;
        if (ask(l, b, err))
            return -1;
    }
    return 0;
}

/* ---- settling ---- */

static void again(struct lane *l, const struct batch *old, const struct ph_numset *uids, bool lost)
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
        again(l, &form, &one, false);
    ph_numset_done(&one);
}

static void again_all(struct lane *l, struct flight *fl, size_t from, size_t to, const struct batch *form)
{
    struct ph_numset uids = PH_NUMSET_INIT;

    for (size_t i = from; i < to; i++) {
        set_state(fl, i, ROW_AGAIN);
        ph_numset_add(&uids, row_of(fl, i)->src_uid);
    }
    again(l, form, &uids, false);
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

/* The first answer that tells it: noted before the rows that count on it. */
static void learn_validity(struct run *r, struct folder_work *f, uint32_t validity)
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
    pthread_mutex_unlock(&r->lock);
    if (first && !b.complete && ph_ledger_baseline_set(r->ledger, f->id, &b, &e))
        run_fatal(r, &e);
}

static void accepted_flight(struct lane *l, struct flight *fl, const struct ph_append_result *res)
{
    struct run *r = l->r;
    struct folder_work *f = fl->f;
    size_t merged_count = 0;

    if (res->uids && res->uidvalidity)
        learn_validity(r, f, res->uidvalidity);
    bool uids = res->uids && res->n_uids == fl->n && res->uidvalidity == f->validity;

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

static int finish_open(struct lane *l, struct ph_err *err);

/* The folder is gone. Appends that are on their way find that out, too, after it was made again. */
static int create_again(struct lane *l, struct flight *fl)
{
    struct ph_err result = { 0 }, e;
    const char *name = fl->f->dst_name;

    if (fl->item[0].b->attempts >= CREATE_ATTEMPTS)
        return -1;
    if (finish_open(l, &e) || /* no command may stand in the middle of another one */
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
static void settle(struct lane *l, struct batch *b)
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
            settle(l, b);
    }
    free(fl->item);
    free(fl);
}

/* Take in the answer to the oldest append. */
static int reap(struct lane *l, struct ph_err *err)
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

/* ---- sending ---- */

static int finish_open(struct lane *l, struct ph_err *err)
{
    struct flight *fl = l->open;

    if (!fl)
        return 0;
    l->open = NULL;
    if (l->last_flight)
        l->last_flight->next = fl;
    else
        l->first_flight = fl;
    l->last_flight = fl;
    return l->dst->ops->append_finish(fl->a, err);
}

static bool one_by_one(const struct lane *l, const struct batch *b)
{
    return b->careful || !(l->r->dst_abilities & PH_AB_BATCH);
}

static int open_flight(struct lane *l, struct batch *b, struct ph_err *err)
{
    struct flight *fl = calloc(1, sizeof *fl);

    if (!fl)
        return ph_fail_memory(err);
    fl->careful = one_by_one(l, b);
    fl->cap = fl->careful ? 1 : queue_batch_messages(l->r);
    fl->f = b->f;
    fl->alone = b->alone ? b : NULL;
    fl->item = calloc(fl->cap, sizeof *fl->item);
    if (!fl->item || l->dst->ops->append_open(l->dst, b->f->dst_name, fl->cap, &fl->a, err)) {
        int r = fl->item ? -1 : ph_fail_memory(err);
        free(fl->item);
        free(fl);
        return r;
    }
    l->n_flights++;
    l->open = fl;
    return 0;
}

/* An append that this message can join, or a new one. */
static int flight_for(struct lane *l, struct batch *b, uint64_t size, struct ph_err *err)
{
    struct flight *fl = l->open;

    if (fl && (fl->f != b->f || fl->alone != (b->alone ? b : NULL) || fl->careful || one_by_one(l, b) || fl->n == fl->cap ||
               (fl->n && fl->bytes + size > queue_batch_bytes(l->r))) &&
        finish_open(l, err))
        return -1;
    return l->open ? 0 : open_flight(l, b, err);
}

static void describe(struct lane *l, struct batch *b, const struct ph_row *row, uint64_t size, struct ph_message *m)
{
    const struct ph_job *job = l->r->job;

    *m = (struct ph_message){ .keywords = "", .size = size, .careful = b->careful };
    if (!row)
        return;
    m->flags = row->flags & ~(uint32_t)PH_F_RECENT;
    if (job->mark_seen)
        m->flags |= PH_F_SEEN;
    if (job->clear_deleted)
        m->flags &= ~(uint32_t)PH_F_DELETED;
    if (job->keywords && !b->no_keywords)
        m->keywords = ph_snapshot_keywords(&b->f->snap, row);
    m->has_date = row->has_date && !b->no_date;
    m->epoch = row->epoch;
    m->zone_min = row->zone;
}

static size_t begin_row(struct lane *l, struct batch *b, uint32_t uid, uint64_t size)
{
    struct ph_row *row = ph_snapshot_find(&b->f->snap, uid);
    struct flight *fl = l->open;
    size_t at = b->n_rows++;

    b->rows[at] = (struct ph_ledger_row){ .src_uid = uid, .size = size };
    if (row)
        b->rows[at].flags_hash = ph_flags_hash(row->flags, ph_snapshot_keywords(&b->f->snap, row));
    b->state[at] = ROW_SENT;
    b->open_rows++;
    fl->item[fl->n].b = b;
    fl->item[fl->n++].row = at;
    fl->bytes += size;
    l->unacked += size;
    return at;
}

/* -1: the session failed. A refusal is not a failure here: the answer to the append says it; *refused is set. */
static int write_piece(struct lane *l, struct flight *fl, const char *p, size_t n, bool *refused, struct ph_err *err)
{
    if (!*refused && l->dst->ops->append_write(fl->a, p, n, err)) {
        if (err->scope >= PH_SCOPE_SESSION)
            return -1;
        *refused = true;
    }
    return 0;
}

static int begin_message(struct lane *l, struct batch *b, uint32_t uid, uint64_t size, bool *refused, struct ph_err *err)
{
    struct ph_message m;

    describe(l, b, ph_snapshot_find(&b->f->snap, uid), size, &m);
    *refused = false;
    if (l->dst->ops->append_message(l->open->a, &m, err)) {
        if (err->scope >= PH_SCOPE_SESSION)
            return -1;
        *refused = true;
    }
    return 0;
}

/* One message from the source's literal into the destination's. -1: a session failed. */
static int relay(struct lane *l, struct batch *b, const struct ph_body *body, struct ph_err *err)
{
    const char *p;
    size_t n;
    bool refused;

    if (flight_for(l, b, body->size, err))
        return -1;
    struct flight *fl = l->open;
    size_t at = begin_row(l, b, body->uid, body->size);
    if (begin_message(l, b, body->uid, body->size, &refused, err))
        return -1;
    EVP_DigestInit_ex(l->md, NULL, NULL);
    for (;;) {
        if (l->src->ops->body_read(l->src, &p, &n, err))
            return -1;
        if (!n)
            break;
        EVP_DigestUpdate(l->md, p, n);
        if (write_piece(l, fl, p, n, &refused, err))
            return -1;
    }
    EVP_DigestFinal_ex(l->md, b->rows[at].sha256, NULL);
    return refused || fl->careful ? finish_open(l, err) : 0;
}

static void tell_repair(struct lane *l, struct batch *b, uint32_t uid, unsigned did, const unsigned char was[32],
                        const unsigned char is[32])
{
    char hex[2][65];

    for (int i = 0; i < 32; i++) {
        snprintf(hex[0] + 2 * i, 3, "%02x", was[i]);
        snprintf(hex[1] + 2 * i, 3, "%02x", is[i]);
    }
    run_notice(l->r, b->f, uid, "changed to be accepted (%s%s%s): SHA-256 %s became %s",
               did & PH_REPAIR_CRLF ? "line ends " : "", did & PH_REPAIR_NUL ? "NUL " : "",
               did & PH_REPAIR_LONG_LINES ? "long lines " : "", hex[0], hex[1]);
}

/* A message that is not sent as it is: kept aside, measured, sent in its new form. */
static int relay_reshaped(struct lane *l, struct batch *b, const struct ph_body *body, struct ph_err *err)
{
    const struct ph_job *job = l->r->job;
    struct ph_reshape rs;
    unsigned char was[32];
    uint64_t size;
    unsigned did;
    const char *p;
    size_t n;
    bool refused = false;
    int result = -1;

    ph_reshape_init(&rs);
    EVP_DigestInit_ex(l->md, NULL, NULL);
    for (;;) {
        if (l->src->ops->body_read(l->src, &p, &n, err))
            goto out;
        if (!n)
            break;
        EVP_DigestUpdate(l->md, p, n);
        if (ph_reshape_add(&rs, p, n, err))
            goto out;
    }
    EVP_DigestFinal_ex(l->md, was, NULL);
    if (ph_reshape_begin(&rs, job->repair_always || b->repair ? job->repair : 0, 0, job->headers_only, &size, &did, err) ||
        flight_for(l, b, size, err))
        goto out;
    struct flight *fl = l->open;
    size_t at = begin_row(l, b, body->uid, size);
    if (begin_message(l, b, body->uid, size, &refused, err))
        goto out;
    EVP_DigestInit_ex(l->md, NULL, NULL);
    for (;;) {
        if (ph_reshape_read(&rs, &p, &n, err))
            goto out;
        if (!n)
            break;
        EVP_DigestUpdate(l->md, p, n);
        if (write_piece(l, fl, p, n, &refused, err))
            goto out;
    }
    EVP_DigestFinal_ex(l->md, b->rows[at].sha256, NULL);
    if (did) {
        b->rows[at].state = PH_LR_REPAIRED;
        tell_repair(l, b, body->uid, did, was, b->rows[at].sha256);
    }
    result = refused || fl->careful ? finish_open(l, err) : 0;
out:
    ph_reshape_done(&rs);
    return result;
}

static void missing(struct lane *l, struct batch *b, const struct ph_body *body)
{
    struct run *r = l->r;

    if (body->err.retry == PH_RETRY_LATER && b->attempts < FETCH_ATTEMPTS) {
        struct batch form = *b;
        form.attempts++;
        struct ph_numset one = PH_NUMSET_INIT;
        if (ph_numset_add(&one, body->uid) == 0)
            again(l, &form, &one, false);
        ph_numset_done(&one);
        run_backoff(r, &body->err);
        return;
    }
    if (body->err.kind == PH_E_NOTFOUND && body->err.scope == PH_SCOPE_MESSAGE) {
        run_message(r, b->f, body->uid, 0, PH_ACT_MISSING, body->err.text);
        return;
    }
    struct ph_err e = body->err;
    if (e.scope >= PH_SCOPE_FOLDER)
        queue_kill_folder(r, b->f, &e);
    else
        ph_err_prefix(&e, "message %u cannot be read", body->uid);
    pthread_mutex_lock(&r->lock);
    b->f->incomplete = true;
    b->f->failed++;
    r->totals.failed++;
    pthread_mutex_unlock(&r->lock);
    if (e.scope < PH_SCOPE_FOLDER)
        run_problem(r, b->f, body->uid, &e);
}

/* The batch's messages have all come. */
static int close_batch(struct lane *l, struct batch *b, struct ph_err *err)
{
    struct batch **p = &l->first;

    while (*p != b)
        p = &(*p)->next;
    *p = b->next;
    l->last = l->first;
    while (l->last && l->last->next)
        l->last = l->last->next;
    b->next = NULL;
    b->closed = true;
    l->ahead_messages -= ph_numset_count(&b->uids);
    l->ahead_bytes -= b->bytes;
    int r = l->open && l->open->alone == b ? finish_open(l, err) : 0;
    if (b->open_rows == 0)
        settle(l, b);
    return r;
}

/* A message that was refused is in another batch of this lane again while its first one is still open: who is owed it counts. */
static struct batch *owner_of(struct lane *l, const struct ph_body *body)
{
    for (struct batch *b = l->first; b; b = b->next)
        if (strcmp(b->f->src->name, body->folder) == 0 && ph_numset_contains(&b->owed, body->uid))
            return b;
    return NULL;
}

static int one_body(struct lane *l, struct ph_err *err)
{
    struct ph_body body;
    int r = l->src->ops->bodies_next(l->src, &body, err);

    if (r < 0)
        return -1;
    struct batch *b = r ? owner_of(l, &body) : NULL;
    if (!b)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "the source did not bring what it was asked for");
    if (!b->begun) {
        if (ph_ledger_wait(l->r->ledger, b->ticket, err))
            return -1;
        b->begun = true;
    }
    if (ph_numset_remove_range(&b->owed, body.uid, body.uid)) /* before anything can give it back to the queue */
        return ph_fail_memory(err);
    size_t rows = b->n_rows;
    if (body.missing)
        missing(l, b, &body);
    else if (body.size == 0)
        run_message(l->r, b->f, body.uid, 0, PH_ACT_SKIPPED, "it has no octets (RFC 3502 forbids sending it)");
    else if ((b->repair || l->r->job->headers_only || l->r->job->repair_always ? relay_reshaped : relay)(l, b, &body, err)) {
        if (b->n_rows == rows && ph_numset_add(&b->owed, body.uid)) /* it never got into an append */
            run_fatal(l->r, err);
        return -1;
    }
    run_pace(l->r, body.size);
    return ph_numset_empty(&b->owed) ? close_batch(l, b, err) : 0;
}

/* ---- trouble ---- */

static void close_sessions(struct lane *l)
{
    if (l->src)
        l->src->ops->close(l->src);
    if (l->dst)
        l->dst->ops->close(l->dst);
    l->src = l->dst = NULL;
    l->loop = (struct ph_loop){ .cancel = l->r->cancel };
}

/* Answers that are on their way are waited for, but not for long: the run is being stopped, or the source failed. */
static void collect_answers(struct lane *l, int64_t deadline)
{
    struct ph_err e;

    l->loop.cancel = NULL;
    while (l->first_flight) {
        while (!l->dst->ops->append_poll(l->dst))
            if (ph_loop_turn(&l->loop, deadline, &e))
                return;
        reap(l, &e);
    }
}

static void orphan_flights(struct lane *l)
{
    for (struct flight *fl; (fl = l->first_flight);) {
        l->first_flight = fl->next;
        mark_unknown(l, fl);
        fl->a = NULL; /* freed with its session */
        land(l, fl);
    }
    l->last_flight = NULL;
}

/* A session is gone: what was acknowledged is confirmed, what may be in is left unresolved, the rest goes back. */
static void dissolve(struct lane *l)
{
    struct ph_err e;

    int64_t deadline = ph_deadline_in(ANSWERS_MS);
    collect_answers(l, deadline); /* before the connection may have to go */
    l->loop.cancel = l->r->cancel;
    if (l->open)
        finish_open(l, &e); /* a message that is not whole costs the connection */
    collect_answers(l, deadline);
    close_sessions(l);
    orphan_flights(l);
    for (struct batch *b; (b = l->first);) {
        l->first = b->next;
        b->next = NULL;
        if (!ph_numset_empty(&b->owed))
            again(l, b, &b->owed, false);
        b->closed = true;
        if (b->open_rows == 0)
            settle(l, b);
    }
    l->last = NULL;
    l->ahead_messages = l->ahead_bytes = 0;
}

/* ---- life ---- */

/* 0 open, -1: this lane ends. */
static int open_lane(struct lane *l, bool first_time)
{
    struct run *r = l->r;
    struct ph_err e;

    while (!run_stopping(r)) {
        run_wait_turn(r);
        if (sessions_open(r, &l->loop, &l->src, &l->dst, NULL, NULL, &e) == 0)
            return 0;
        if (e.kind == PH_E_CANCELLED)
            return -1;
        if (first_time && l->started) { /* fewer lanes do as well */
            run_notice(r, NULL, 0, "one lane fewer: %s", e.text);
            return -1;
        }
        bool curable = e.retry != PH_RETRY_NEVER || e.kind == PH_E_CONNECT || e.kind == PH_E_CLOSED ||
                       e.kind == PH_E_TIMEOUT || e.kind == PH_E_RESOLVE;
        if (!curable) {
            run_fatal(r, &e);
            return -1;
        }
        if (run_backoff(r, &e))
            return -1;
    }
    return -1;
}

static int step(struct lane *l, struct ph_err *err)
{
    if ((session_worn(l->src) || session_worn(l->dst)) && !l->open) {
        ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "this server counts errors: a new connection before it hangs up");
        err->retry = PH_RETRY_RECONNECT;
        return -1;
    }
    if (take_ahead(l, err))
        return -1;
    if (l->first) {
        if (one_body(l, err))
            return -1;
        while (l->first_flight && l->dst->ops->append_poll(l->dst))
            if (reap(l, err))
                return -1;
    }
    if (!l->first && finish_open(l, err)) /* nothing more is coming that could join it */
        return -1;
    while (l->first_flight && (!l->first || l->unacked > UNACKED_BYTES || l->n_flights > UNACKED_FLIGHTS))
        if (reap(l, err))
            return -1;
    return l->first ? 0 : 1;
}

void lane_work(struct lane *l)
{
    struct ph_err e = { 0 };
    bool first_time = true;
    int result;

    while (!run_stopping(l->r)) {
        if (!l->src) {
            if (open_lane(l, first_time))
                break;
        }
        first_time = false;
        result = step(l, &e);
        if (result > 0) {
            if (!queue_has_work(l->r))
                break;
            continue;
        }
        if (result == 0)
            continue;
        dissolve(l);
        if (e.scope == PH_SCOPE_JOB || e.scope == PH_SCOPE_STORE) {
            if (e.kind != PH_E_CANCELLED)
                run_fatal(l->r, &e);
            break;
        }
        run_notice(l->r, NULL, 0, "connection lost, connecting again: %s", e.text);
        if (run_backoff(l->r, &e))
            break;
    }
    if (l->src && (l->first || l->first_flight || l->open))
        dissolve(l);
    pthread_mutex_lock(&l->r->lock);
    if (l->folder)
        l->folder->lanes--;
    l->folder = NULL;
    pthread_cond_broadcast(&l->r->changed);
    pthread_mutex_unlock(&l->r->lock);
}

struct lane *lane_new(struct run *r, struct ph_session *src, struct ph_session *dst)
{
    struct lane *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->r = r;
    l->src = src;
    l->dst = dst;
    l->loop = (struct ph_loop){ .cancel = r->cancel };
    l->md = EVP_MD_CTX_new();
    if (!l->md || !EVP_DigestInit_ex(l->md, EVP_sha256(), NULL) ||
        (src && (src->ops->join(src, &l->loop, NULL) || dst->ops->join(dst, &l->loop, NULL)))) {
        l->src = l->dst = NULL;
        lane_free(l);
        return NULL;
    }
    return l;
}

static void *lane_thread(void *arg)
{
    struct lane *l = arg;

    lane_work(l);
    close_sessions(l);
    return NULL;
}

int lane_start(struct lane *l)
{
    l->started = pthread_create(&l->thread, NULL, lane_thread, l) == 0;
    return l->started ? 0 : -1;
}

void lane_join(struct lane *l)
{
    if (l->started)
        pthread_join(l->thread, NULL);
    l->started = false;
}

/* The sessions that are left go back to who lent them. */
void lane_free(struct lane *l)
{
    if (!l)
        return;
    EVP_MD_CTX_free(l->md);
    free(l);
}

int lane_sessions(struct lane *l, struct ph_loop *loop, struct ph_session **src, struct ph_session **dst,
                  struct ph_err *err)
{
    *loop = (struct ph_loop){ .cancel = l->r->cancel };
    *src = l->src;
    *dst = l->dst;
    l->src = l->dst = NULL;
    if (!*src)
        return 0;
    return (*src)->ops->join(*src, loop, err) || (*dst)->ops->join(*dst, loop, err) ? -1 : 0;
}
