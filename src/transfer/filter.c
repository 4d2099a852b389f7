/* filter.c: the user's choice of messages, applied to what a scan found. Nothing here touches a server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transfer/run.h"

#define DAY 86400

/* Keys of a snapshot, sorted, for look-ups. */
struct keys {
    uint64_t *k;
    size_t n;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static bool has_key(const struct keys *keys, uint64_t key)
{
    return key && keys->n && bsearch(&key, keys->k, keys->n, sizeof key, compare);
}

static int keys_of(const struct ph_snapshot *s, struct keys *out)
{
    out->k = malloc((s->n + 1) * sizeof *out->k);
    out->n = 0;
    if (!out->k)
        return -1;
    for (size_t i = 0; i < s->n; i++)
        if (ph_snapshot_row(s, i)->key)
            out->k[out->n++] = ph_snapshot_row(s, i)->key;
    qsort(out->k, out->n, sizeof *out->k, compare);
    return 0;
}

/* One Message-ID a line, with or without its brackets. */
static int read_skip_ids(struct run *r, struct keys *out, struct ph_err *err)
{
    FILE *f = fopen(r->job->skip_ids_file, "re");
    char *line = NULL;
    size_t cap = 0, room = 0;
    ssize_t n;

    if (!f)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "%s", r->job->skip_ids_file);
    while ((n = getline(&line, &cap, f)) > 0) {
        struct ph_buf header = PH_BUF_INIT;
        ph_buf_add_z(&header, "Message-ID: ");
        ph_buf_add(&header, line, (size_t)n);
        uint64_t key = ph_identity_hash(&r->hash_key, ph_buf_str(&header));
        ph_buf_done(&header);
        if (out->n == room) {
            room = room ? room * 2 : 64;
            uint64_t *k = realloc(out->k, room * sizeof *k);
            if (!k)
                break;
            out->k = k;
        }
        if (key)
            out->k[out->n++] = key;
    }
    free(line);
    fclose(f);
    if (out->n)
        qsort(out->k, out->n, sizeof *out->k, compare);
    return 0;
}

/* The destination's messages whose key no source message has: over the whole source folder, before any other choice is
 * made, and only from a complete listing. A message without a key is never removed on the ground of its key. */
static int find_surplus(struct run *r, struct folder_work *f, struct ph_err *err)
{
    struct keys keys;

    if (!r->job->classic_expunge || !f->snap.complete || f->snap.changes_only || r->job->search)
        return 0;
    if (keys_of(&f->snap, &keys))
        return ph_fail_memory(err);
    int bad = 0;
    for (size_t i = 0; i < f->dst_snap.n && !bad; i++) {
        struct ph_row *row = ph_snapshot_row(&f->dst_snap, i);
        if (row->key && !has_key(&keys, row->key))
            bad = ph_numset_add(&f->surplus, row->uid);
    }
    free(keys.k);
    return bad ? ph_fail_memory(err) : 0;
}

/* The date of INTERNALDATE as the server wrote it, zone ignored (RFC 9051 6.4.4 BEFORE, SINCE). */
static int64_t day_of(const struct ph_row *row)
{
    int64_t local = row->epoch + (int64_t)row->zone * 60;

    return local >= 0 ? local / DAY : -((-local + DAY - 1) / DAY);
}

static bool wanted(const struct ph_job *j, const struct ph_row *row, size_t number, uint64_t taken,
                   const struct keys *skip, const struct keys *remembered)
{
    if ((j->first_seq && number < j->first_seq) || (j->last_seq && number > j->last_seq))
        return false;
    if (j->since_day != INT64_MIN && row->has_date && day_of(row) < j->since_day)
        return false;
    if (j->before_day != INT64_MIN && row->has_date && day_of(row) >= j->before_day)
        return false;
    if (j->max_per_folder && taken >= j->max_per_folder)
        return false;
    return !has_key(skip, row->key) && !has_key(remembered, row->key);
}

int folder_filter(struct run *r, struct folder_work *f, struct ph_err *err)
{
    const struct ph_job *j = r->job;
    struct ph_snapshot *s = &f->snap;
    struct keys skip = { NULL, 0 }, remembered = { NULL, 0 };
    int bad = 0;

    if (find_surplus(r, f, err))
        return -1;
    if (f->unlabelled)
        return gmail_unlabelled(r, f, err);
    if (!j->first_seq && !j->last_seq && j->since_day == INT64_MIN && j->before_day == INT64_MIN &&
        !j->max_per_folder && !j->skip_ids_file && !r->remember)
        return 0;
    if (j->skip_ids_file && read_skip_ids(r, &skip, err))
        return -1;
    if (r->remember && ph_remember_keys(r->remember, f->dst_name, &remembered.k, &remembered.n, err)) {
        free(skip.k);
        return -1;
    }
    uint64_t taken = 0;
    for (size_t i = 0; i < s->n && !bad; i++) {
        struct ph_row *row = ph_snapshot_row(s, i);
        if (wanted(j, row, i + 1, taken, &skip, &remembered)) {
            bad = ph_numset_add(&f->wanted, row->uid);
            taken++;
        }
    }
    f->choosing = true;
    free(skip.k);
    free(remembered.k);
    return bad ? ph_fail_memory(err) : 0;
}

int run_remember(struct run *r, struct folder_work *f, const uint64_t *keys, size_t n, struct ph_err *err)
{
    return ph_remember_add(r->remember, f->dst_name, keys, n, time(NULL) / DAY, err); /* it has its own lock */
}
