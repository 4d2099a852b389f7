/* fields.c: header fields of many messages, in the mailbox's order whatever order the store has. */
#include "server/fields.h"

#include <stdlib.h>
#include <string.h>

#include "mail/date.h"
#include "mail/header.h"

#define PIPED 128   /* messages whose fields are held until they can be told in order */
#define VALUE_MAX 16384
#define REFERENCES_MAX 65536

static const char *const names[FIELDS] = { "Date", "Subject", "From", "To", "Cc", "Message-ID", "References", "In-Reply-To" };

struct walk {
    struct search *q;
    unsigned want;
    int (*each)(void *ctx, const struct fields *f, struct ph_err *err);
    void *ctx;
};

int64_t fields_sent(const struct fields *f)
{
    struct ph_mail_date date;
    struct ph_str value = f->structure ? ph_structure_field(f->structure, PH_FIELD_DATE) : f->value[FIELD_DATE];

    if (value.p && ph_mail_date_parse(value, &date))
        return date.epoch;
    return f->m->has_date ? f->m->epoch : 0;
}

/* The first field of each name counts. */
static void find_fields(struct ph_str header, unsigned want, struct fields *f)
{
    struct ph_header_iter it;
    struct ph_str name, value;

    ph_header_begin(&it, header);
    while (want && ph_header_next(&it, &name, &value))
        for (unsigned i = 0; i < FIELDS; i++)
            if ((want & 1u << i) && ph_str_caseis(name, names[i])) {
                size_t most = i == FIELD_REFERENCES ? REFERENCES_MAX : VALUE_MAX;
                if (value.n > most)
                    value.n = most;
                f->value[i] = value;
                want &= ~(1u << i);
                break;
            }
}

static int could_not(struct search *q, const struct ph_err *why, struct ph_err *err)
{
    if (why->scope > PH_SCOPE_MESSAGE) {
        if (err)
            *err = *why;
        return -1;
    }
    q->n_unreadable += why->kind != PH_E_NOTFOUND;
    return 0;
}

/* A message that cannot be read is sorted as if it had no header. */
static int read_fields(struct walk *w, struct fields *f, struct ph_err *err)
{
    struct reader *r = &w->q->reader;
    struct ph_err why = { 0 };
    struct ph_str header;
    bool whole;

    if (reader_open(r, f->m->row.uid, &why) || reader_header(r, &header, &whole, &why))
        return could_not(w->q, &why, err);
    find_fields(header, w->want, f);
    return 0;
}

static int walk_in_order(struct walk *w, struct ph_err *err)
{
    struct batch *b = &w->q->batch;

    for (size_t i = 0; i < b->n; i++) {
        struct fields f = { .m = &b->m[i] };
        if (f.m->gone)
            continue;
        if ((w->want && read_fields(w, &f, err)) || w->each(w->ctx, &f, err))
            return -1;
    }
    return 0;
}

static int copy_fields(struct search *q, struct ph_arena *arena, unsigned want, struct fields *f, struct ph_err *err)
{
    struct ph_err why = { 0 };
    struct ph_str header;
    bool whole;

    if (q->reader.missing || reader_header(&q->reader, &header, &whole, &why))
        return could_not(q, q->reader.missing ? &q->reader.why : &why, err);
    find_fields(header, want, f);
    for (unsigned i = 0; i < FIELDS; i++)
        if (f->value[i].p && !(f->value[i].p = ph_arena_strdup(arena, f->value[i])))
            return ph_fail_memory(err);
    return 0;
}

static int walk_as_they_come(struct walk *w, struct ph_err *err)
{
    struct search *q = w->q;
    struct fields *f = calloc(q->batch.n ? q->batch.n : 1, sizeof *f);
    struct ph_numset uids = PH_NUMSET_INIT;
    struct ph_arena arena;
    int rc;

    if (!f)
        return ph_fail_memory(err);
    ph_arena_init(&arena, 0);
    q->reader.keep_nothing = false;
    rc = batch_uids(&q->batch, &uids, err) ? -1 : reader_add(&q->reader, &uids, &q->batch.snap, err);
    while (rc == 0 && (rc = reader_next(&q->reader, err)) == 1) {
        struct message *m = batch_find(&q->batch, q->reader.uid);
        rc = m ? copy_fields(q, &arena, w->want, &f[m - q->batch.m], err) : 0;
    }
    for (size_t i = 0; rc == 0 && i < q->batch.n; i++) {
        f[i].m = &q->batch.m[i];
        if (!f[i].m->gone)
            rc = w->each(w->ctx, &f[i], err);
    }
    ph_arena_done(&arena);
    ph_numset_done(&uids);
    free(f);
    return rc;
}

int fields_each(struct search *q, const struct ph_numset *uids, unsigned want, uint32_t scan,
                int (*each)(void *ctx, const struct fields *f, struct ph_err *err), void *ctx, struct ph_err *err)
{
    struct walk w = { .q = q, .want = want, .each = each, .ctx = ctx };
    bool piped = want && !reader_is_random(&q->reader);
    uint64_t count = ph_numset_count(uids);
    size_t n;
    int rc = 0;

    batch_done(&q->batch);
    if (batch_init(&q->batch, q->s, q->store, count, piped ? PIPED : BATCH_MAX, err))
        return -1;
    for (uint64_t k = 0; rc == 0 && (n = batch_fill(&q->batch, uids, k, BATCH_MAX)) > 0; k += n) {
        if (scan && batch_scan(&q->batch, scan, err))
            return -1;
        rc = piped ? walk_as_they_come(&w, err) : walk_in_order(&w, err);
        if (rc == 0)
            rc = progress_at(&q->progress, ph_now_ms(), k, count, err);
    }
    return rc;
}
