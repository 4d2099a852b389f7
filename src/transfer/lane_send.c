/* lane_send.c: messages out of the source's literals into the destination's, hashed on the way; appends are opened and ended as the
 * messages come. */
#include <stdio.h>
#include <stdlib.h>

#include "transfer/lane.h"
#include "transfer/reshape.h"
#include "wire/datetime.h"

int lane_finish_open(struct lane *l, struct ph_err *err)
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
        lane_finish_open(l, err))
        return -1;
    return l->open ? 0 : open_flight(l, b, err);
}

static void describe(struct lane *l, struct batch *b, const struct ph_row *row, uint64_t size, struct ph_message *m)
{
    const struct ph_job *job = l->r->job;
    char text[27];

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
    if (m->has_date && ph_date_time_format(row->epoch, row->zone, text)) { /* a leap second at the end of the year 9999 */
        run_notice(l->r, b->f, row->uid, "its internal date cannot be written in an APPEND: it goes without");
        m->has_date = false;
    }
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
static int relay_as_is(struct lane *l, struct batch *b, const struct ph_body *body, struct ph_err *err)
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
    return refused || fl->careful ? lane_finish_open(l, err) : 0;
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
    result = refused || fl->careful ? lane_finish_open(l, err) : 0;
out:
    ph_reshape_done(&rs);
    return result;
}

int lane_relay(struct lane *l, struct batch *b, const struct ph_body *body, struct ph_err *err)
{
    const struct ph_job *job = l->r->job;

    return b->repair || job->headers_only || job->repair_always ? relay_reshaped(l, b, body, err) : relay_as_is(l, b, body, err);
}
