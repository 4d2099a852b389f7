/* search_run.c: going through the messages that can match, a batch at a time, cheap knowledge first. */
#include <stdlib.h>

#include "mail/date.h"
#include "mail/header.h"
#include "server/private.h"
#include "server/search.h"
#include "server/user.h"
#include "wire/respond.h"

#define LEND 65536
#define FIRST_BATCH 32 /* when only the first or last match is wanted; doubles */

/* ---- without octets ---- */

static size_t decide(struct search *q, unsigned know)
{
    struct batch *b = &q->batch;
    size_t open = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (b->m[i].skip)
            continue;
        struct search_facts f = { .know = know, .m = &b->m[i] };
        enum verdict v = b->m[i].gone ? SEARCH_NO : search_eval(q, 0, &f);
        q->verdicts[i] = (unsigned char)v;
        b->m[i].skip = v != SEARCH_OPEN;
        open += v == SEARCH_OPEN;
    }
    return open;
}

/* As far as rows and the store's index go. *open: how many are not decided then. */
static int decide_cheaply(struct search *q, unsigned *know, size_t *open, struct ph_err *err)
{
    uint32_t want = (q->needs & KNOW_DATE ? PH_WANT_DATE : 0) | (q->needs & KNOW_SIZE ? PH_WANT_SIZE : 0);

    *know = KNOW_ROW;
    *open = decide(q, *know);
    if (*open && want) {
        if (batch_scan(&q->batch, want, err))
            return -1;
        *know |= KNOW_DATE | (q->s->user->abilities & PH_AB_EXACT_SIZE ? KNOW_SIZE : 0);
        *open = decide(q, *know);
    }
    if (*open && (q->needs & KNOW_INFO)) {
        if (q->s->user->serve->info && batch_info(&q->batch, err))
            return -1;
        *know |= KNOW_INFO;
        *open = decide(q, *know);
    }
    return 0;
}

/* ---- with octets ---- */

static void find_sent(struct ph_str header, struct search_facts *f)
{
    struct ph_header_iter it;
    struct ph_str name, value;
    struct ph_mail_date date;

    ph_header_begin(&it, header);
    while (ph_header_next(&it, &name, &value))
        if (ph_str_caseis(name, "Date")) {
            f->has_sent = ph_mail_date_parse(value, &date);
            f->sent = f->has_sent ? date.days : 0;
            return;
        }
}

/* Feed the open message from its beginning to the searches that are given (NULL: not), until both have seen enough. */
static int feed(struct search *q, struct ph_text_search *a, struct ph_text_search *b, struct ph_err *err)
{
    struct ph_text_search *s[2] = { a, b };
    const char *p;
    size_t n;
    bool busy = a || b;

    for (int k = 0; k < 2; k++)
        if (s[k])
            ph_text_search_begin(s[k]);
    for (uint64_t at = 0; busy && at < q->reader.size; at += n) {
        if (reader_at(&q->reader, at, LEND, &p, &n, err))
            return -1;
        busy = false;
        for (int k = 0; k < 2; k++) {
            int rc = s[k] ? ph_text_search_feed(s[k], p, n, err) : 1;
            if (rc < 0)
                return -1;
            if (rc > 0 && s[k]) {
                if (ph_text_search_finish(s[k], err))
                    return -1;
                s[k] = NULL;
            }
            busy = busy || s[k];
        }
    }
    for (int k = 0; k < 2; k++)
        if (s[k] && ph_text_search_finish(s[k], err))
            return -1;
    return 0;
}

static int look_at_header(struct search *q, struct search_facts *f, struct ph_err *err)
{
    struct ph_str header;
    bool whole;

    if (reader_header(&q->reader, &header, &whole, err))
        return -1;
    if (q->uses_sent)
        find_sent(header, f);
    if (!q->header.search)
        return 0;
    return whole ? ph_text_search_header(q->header.search, header, err) : feed(q, q->header.search, NULL, err);
}

/* The open message. */
static int look(struct search *q, struct search_facts *f, enum verdict *v, struct ph_err *err)
{
    *v = SEARCH_OPEN;
    if ((q->needs & KNOW_SIZE) && !(f->know & KNOW_SIZE)) {
        ((struct message *)f->m)->size = q->reader.size;
        f->know |= KNOW_SIZE;
        *v = search_eval(q, 0, f);
    }
    if (*v == SEARCH_OPEN && (q->needs & KNOW_HEADER) && (reader_can_return(&q->reader) || !(q->needs & KNOW_BODY))) {
        if (look_at_header(q, f, err))
            return -1;
        f->know |= KNOW_HEADER;
        *v = search_eval(q, 0, f);
    }
    if (*v != SEARCH_OPEN)
        return 0;
    /* of one that can be read only once all is looked at in the same pass */
    bool once = !(f->know & KNOW_HEADER) && (q->needs & KNOW_HEADER);
    if (feed(q, once ? q->header.search : NULL, q->body.search, err))
        return -1;
    if (once && q->uses_sent)
        find_sent(ph_buf_str(&q->reader.prefix), f);
    f->know |= KNOW_HEADER | KNOW_BODY;
    *v = search_eval(q, 0, f);
    return 0;
}

/* A message that went meanwhile does not match; one that cannot be read neither, but the client is told. */
static int could_not(struct search *q, const struct ph_err *why, struct ph_err *err)
{
    if (why->scope > PH_SCOPE_MESSAGE) {
        if (err)
            *err = *why;
        return -1;
    }
    if (why->kind != PH_E_NOTFOUND)
        q->n_unreadable++;
    return 0;
}

static int look_at(struct search *q, size_t i, unsigned know, struct ph_err *err)
{
    struct message *m = &q->batch.m[i];
    struct search_facts f = { .know = know, .m = m };
    struct ph_err why = { 0 };
    enum verdict v = SEARCH_NO;
    int rc = 0;

    if (q->reader.missing || look(q, &f, &v, &why)) {
        rc = could_not(q, q->reader.missing ? &q->reader.why : &why, err);
        v = SEARCH_NO;
    }
    q->verdicts[i] = (unsigned char)v;
    m->skip = true;
    return rc;
}

/* Where the store opens messages one by one: in order, and no more than are wanted. */
static int look_in_order(struct search *q, unsigned know, uint64_t most, bool from_end, uint64_t done, struct ph_err *err)
{
    struct batch *b = &q->batch;
    uint64_t found = 0, goal = ph_numset_count(&q->within);

    for (size_t k = 0; k < b->n && found < most; k++) {
        size_t i = from_end ? b->n - 1 - k : k;
        if (!b->m[i].skip) {
            struct ph_err why = { 0 };
            int rc = reader_open(&q->reader, b->m[i].row.uid, &why);
            if (rc == 0) {
                rc = look_at(q, i, know, err);
            } else {
                q->verdicts[i] = SEARCH_NO;
                rc = could_not(q, &why, err);
            }
            if (rc || progress_at(&q->progress, ph_now_ms(), done + k, goal, err))
                return -1;
        }
        found += q->verdicts[i] == SEARCH_YES;
    }
    return 0;
}

static int look_as_they_come(struct search *q, unsigned know, uint64_t done, struct ph_err *err)
{
    struct ph_numset uids = PH_NUMSET_INIT;
    uint64_t goal = ph_numset_count(&q->within);
    int rc;

    q->reader.keep_nothing = false;
    rc = batch_uids(&q->batch, &uids, err) ? -1 : reader_add(&q->reader, &uids, &q->batch.snap, err);
    while (rc == 0 && (rc = reader_next(&q->reader, err)) == 1) {
        struct message *m = batch_find(&q->batch, q->reader.uid);
        rc = m && !m->skip ? look_at(q, (size_t)(m - q->batch.m), know, err) : 0;
        if (rc == 0)
            rc = progress_at(&q->progress, ph_now_ms(), done++, goal, err);
    }
    ph_numset_done(&uids);
    return rc;
}

/* ---- all ---- */

static int take_matches(struct search *q, struct ph_numset *found, uint64_t *n, struct ph_err *err)
{
    for (size_t i = 0; i < q->batch.n; i++)
        if (q->verdicts[i] == SEARCH_YES) {
            ++*n;
            if (ph_numset_push(found, q->batch.m[i].row.uid, q->batch.m[i].row.uid))
                return ph_fail_memory(err);
        }
    return 0;
}

static int search_batch(struct search *q, uint64_t most, bool from_end, uint64_t done, struct ph_err *err)
{
    unsigned know;
    size_t open;

    if (decide_cheaply(q, &know, &open, err))
        return -1;
    if (!open)
        return progress_at(&q->progress, ph_now_ms(), done, ph_numset_count(&q->within), err);
    return reader_is_random(&q->reader) ? look_in_order(q, know, most, from_end, done, err)
                                        : look_as_they_come(q, know, done, err);
}

int search_run(struct search *q, uint64_t most, bool from_end, struct ph_numset *found, struct ph_err *err)
{
    uint64_t count = ph_numset_count(&q->within), done = 0, n_found = 0;
    size_t size = most == UINT64_MAX ? BATCH_MAX : FIRST_BATCH;
    int rc = 0;

    if (!q->batch.m) {
        batch_done(&q->batch);
        if (batch_init(&q->batch, q->s, q->store, count, BATCH_MAX, err))
            return -1;
    }
    while (rc == 0 && done < count && n_found < most) {
        size_t n = count - done < size ? (size_t)(count - done) : size;
        n = batch_fill(&q->batch, &q->within, from_end ? count - done - n : done, n);
        if (n == 0)
            break;
        for (size_t i = 0; i < q->batch.n; i++)
            q->verdicts[i] = SEARCH_OPEN;
        rc = search_batch(q, most - n_found, from_end, done, err);
        if (rc == 0)
            rc = take_matches(q, found, &n_found, err);
        done += n;
        if (size < BATCH_MAX)
            size *= 2;
    }
    ph_numset_sort(found);
    return rc;
}

void search_warn(struct search *q)
{
    if (!q->n_unreadable)
        return;
    server_log(q->s->server, q->s, 4, "%llu messages could not be read in a search", (unsigned long long)q->n_unreadable);
    ph_write_status(&q->s->w, PH_STR_NIL, PH_ST_NO, PH_STR("Some messages could not be read: they were left out"));
}
