/* resolve.c: messages that were sent and not acknowledged: a crash, a cut.
 *
 * They are looked for on the destination by identity, from the UIDNEXT that was recorded before they were sent. A server may
 * commit after we looked (the last octets can still lie in its socket buffer), so what is missing is looked for again, 10 s later and at
 * doubling distances, until the destination has had its time; the last look is immediately before they are sent again.
 */
#include <stdlib.h>

#include "transfer/folder.h"

#define FIRST_WAIT_MS 10000
#define RESOLVE_MS 60000

struct loader {
    struct run *r;
    struct folder_work *f;
    int64_t *ids; /* of the intents, to be dropped once resolved */
    size_t n, cap;
};

static int load_one(void *ctx, const struct ph_intent *i)
{
    struct loader *l = ctx;
    struct folder_work *f = l->f;
    struct ph_ledger_row row;

    for (size_t k = 0; k < i->n; k++) {
        uint32_t uid = i->messages[k].src_uid;
        /* part of it may have been confirmed message by message */
        if (ph_ledger_row(l->r->ledger, f->id, uid, &row, NULL) == 1)
            continue;
        if (ph_numset_add(&f->unsure, uid))
            return -1;
    }
    if (!f->lowest_uidnext || i->dst_uidnext < f->lowest_uidnext)
        f->lowest_uidnext = i->dst_uidnext ? i->dst_uidnext : 1;
    f->lowest_validity = i->dst_uidvalidity;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        int64_t *ids = realloc(l->ids, cap * sizeof *ids);
        if (!ids)
            return -1;
        l->ids = ids;
        l->cap = cap;
    }
    l->ids[l->n++] = i->id;
    return 0;
}

static int load(struct loader *l, struct ph_err *err)
{
    ph_numset_clear(&l->f->unsure);
    l->f->lowest_uidnext = 0;
    return ph_ledger_unresolved(l->r->ledger, l->f->id, load_one, l, err);
}

int resolve_load(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct loader l = { .r = r, .f = f };
    int result = load(&l, err);

    f->unresolved = l.n > 0;
    free(l.ids);
    return result;
}

/* They are all accounted for, or will be sent again. */
int resolve_drop(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct loader l = { .r = r, .f = f };
    int result = load(&l, err);

    for (size_t i = 0; i < l.n && result == 0; i++)
        result = ph_ledger_drop(r->ledger, l.ids[i], err);
    free(l.ids);
    f->unresolved = false;
    ph_numset_clear(&f->unsure);
    pthread_mutex_lock(&r->lock);
    ph_numset_clear(&f->unknown);
    pthread_mutex_unlock(&r->lock);
    return result;
}

/* One look at a folder: adopts what has arrived; what has not is sent again only after the last one. */
static int look(struct run *r, struct folder_work *f, bool last, struct ph_err *err)
{
    if (resolve_load(r, f, err))
        return -1;
    folder_done(f);
    f->planned = false;
    f->looking = true;
    f->last_look = last;
    int result = folder_scan_begin(r, f, err) || folder_plan(r, f, err) ? -1 : 0;
    f->looking = false;
    return result;
}

int resolve_rounds(struct run *r, struct ph_err *err)
{
    int64_t wait = FIRST_WAIT_MS, waited = 0, limit = r->job->resolve_ms ? r->job->resolve_ms : RESOLVE_MS;
    bool told = false;

    for (;;) {
        bool any = false, last = waited >= limit;
        for (struct folder_work *f = r->folders; f; f = f->next) {
            bool cut = !ph_numset_empty(&f->unknown); /* in this very run */
            if ((!f->unresolved && !cut) || f->dead)
                continue;
            f->unresolved = true;
            if ((waited || cut) && look(r, f, last, err))
                return -1;
            any |= f->unresolved;
        }
        if (!any)
            return 0;
        if (!told)
            run_notice(r, NULL, 0, "messages of an interrupted run have not arrived (yet): looking again for %lld s before "
                       "they are sent again", (long long)(limit - waited) / 1000);
        told = true;
        if (wait > limit - waited)
            wait = limit - waited;
        if (run_sleep(r, wait))
            return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
        waited += wait;
        wait *= 2;
    }
}
