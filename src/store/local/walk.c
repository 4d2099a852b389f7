/* walk.c: the rows that a set of UIDs names, a part at a time. */
#include "store/local/rows.h"

#define RANGES_ONE_BY_ONE 64

void ph_local_walk_init(struct local_walk *w, struct local_db *db, int64_t mailbox, const struct ph_numset *uids)
{
    w->db = db;
    w->mailbox = mailbox;
    w->uids = uids;
    w->range = 0;
    w->next = uids && uids->n ? uids->r[0].first : 1;
    w->merge = uids && uids->n > RANGES_ONE_BY_ONE;
    w->done = uids && uids->n == 0;
    w->n = w->at = 0;
}

static void read_columns(sqlite3_stmt *st, struct local_message *m)
{
    m->uid = (uint32_t)sqlite3_column_int64(st, 0);
    m->body = sqlite3_column_int64(st, 1);
    m->flags = (uint32_t)sqlite3_column_int64(st, 2);
    m->kwset = sqlite3_column_int64(st, 3);
    m->modseq = (uint64_t)sqlite3_column_int64(st, 4);
    m->epoch = sqlite3_column_int64(st, 5);
    m->zone_min = (int)sqlite3_column_int64(st, 6);
    m->saved = sqlite3_column_int64(st, 7);
    m->size = (uint64_t)sqlite3_column_int64(st, 8);
}

/* Is it in the set? Both go upwards. */
static bool wanted(struct local_walk *w, uint32_t uid)
{
    if (!w->merge)
        return true;
    while (w->range < w->uids->n && w->uids->r[w->range].last < uid)
        w->range++;
    return w->range < w->uids->n && w->uids->r[w->range].first <= uid;
}

static int fill(struct local_walk *w, struct ph_err *err)
{
    const size_t most = sizeof w->part / sizeof *w->part;
    uint32_t last = !w->uids ? UINT32_MAX : w->merge ? w->uids->r[w->uids->n - 1].last : w->uids->r[w->range].last;
    sqlite3_stmt *st = local_prepare(w->db, err,
                                     "SELECT id & 4294967295, body, flags, kwset, modseq, date, zone, saved, size"
                                     " FROM message WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
                                     LI(local_id(w->mailbox, w->next)), LI(local_id(w->mailbox, last)),
                                     LI(w->merge ? INT32_MAX : (int64_t)most));
    int r = -1;

    w->n = w->at = 0;
    while (st && w->n < most && (r = ph_local_step(w->db, st, err)) > 0) {
        struct local_message *m = &w->part[w->n];
        read_columns(st, m);
        w->n += wanted(w, m->uid);
        w->next = m->uid < UINT32_MAX ? m->uid + 1 : 0;
    }
    if (!st || r < 0)
        return -1;
    if (w->n == most) {
        sqlite3_reset(st);
        w->done = w->next == 0;
        return 0;
    }
    /* the range is read to its end */
    if (!w->uids || w->merge || ++w->range == w->uids->n)
        w->done = true;
    else
        w->next = w->uids->r[w->range].first;
    return 0;
}

int ph_local_walk_next(struct local_walk *w, struct local_message **m, struct ph_err *err)
{
    while (w->at == w->n) {
        if (w->done)
            return 0;
        if (fill(w, err))
            return -1;
    }
    *m = &w->part[w->at++];
    return 1;
}
