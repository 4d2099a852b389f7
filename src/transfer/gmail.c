/* gmail.c: Gmail's labels are folders, and All Mail has every message once more. It is read only for what no other folder
 * has, found by X-GM-MSGID: within one account that number says which message is which.
 */
#include <stdlib.h>

#include "transfer/run.h"

struct ids {
    uint64_t *id;
    size_t n, cap;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int read_ids(struct run *r, const char *folder, struct ph_snapshot *snap, struct ph_err *err)
{
    struct ph_scan_request q = { .want = PH_WANT_MSGID, .hash_key = &r->hash_key };

    return r->src->ops->scan_begin(r->src, folder, &q, snap, err) || r->src->ops->scan_wait(r->src, snap, err) ? -1 : 0;
}

static int collect(struct run *r, struct ids *ids, const struct folder_work *f, struct ph_err *err)
{
    struct ph_snapshot snap;
    int result = -1;

    ph_snapshot_init(&snap);
    if (read_ids(r, f->src->name, &snap, err))
        goto out;
    if (ids->n + snap.n > ids->cap) {
        size_t cap = (ids->n + snap.n) * 2;
        uint64_t *id = realloc(ids->id, cap * sizeof *id);
        if (!id) {
            ph_fail_memory(err);
            goto out;
        }
        ids->id = id;
        ids->cap = cap;
    }
    for (size_t i = 0; i < snap.n; i++)
        if (ph_snapshot_row(&snap, i)->key)
            ids->id[ids->n++] = ph_snapshot_row(&snap, i)->key;
    result = 0;
out:
    ph_snapshot_done(&snap);
    return result;
}

/* Into `wanted`: the UIDs of All Mail (f) that are in no other folder of the job. */
int gmail_unlabelled(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct ids ids = { NULL, 0, 0 };
    struct ph_snapshot all;
    int result = 0;

    ph_snapshot_init(&all);
    for (struct folder_work *o = r->folders; o && result == 0; o = o->next)
        if (o != f && !(o->src->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)) && o->src->messages)
            result = collect(r, &ids, o, err);
    if (ids.n)
        qsort(ids.id, ids.n, sizeof *ids.id, compare);
    if (result == 0)
        result = read_ids(r, f->src->name, &all, err);
    for (size_t i = 0; i < all.n && result == 0; i++) {
        struct ph_row *row = ph_snapshot_row(&all, i);
        if ((!ids.n || !bsearch(&row->key, ids.id, ids.n, sizeof row->key, compare)) &&
            ph_numset_add(&f->wanted, row->uid))
            result = ph_fail_memory(err);
    }
    f->choosing = true;
    free(ids.id);
    ph_snapshot_done(&all);
    return result;
}
