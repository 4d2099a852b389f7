/* sort.c: SORT and UID SORT (RFC 5256 3; DISPLAYFROM and DISPLAYTO, RFC 5957; ESORT, RFC 5267 3; PARTIAL, RFC 9394). */
#include <stdlib.h>

#include "mail/sort.h"
#include "server/commands.h"
#include "server/fields.h"
#include "server/private.h"
#include "wire/respond.h"

struct sorting {
    struct ph_sorter *sorter;
    unsigned needs;
};

static int add(void *ctx, const struct fields *f, struct ph_err *err)
{
    struct sorting *s = ctx;
    struct ph_sort_message m = { .number = f->m->row.uid, .arrival = f->m->epoch, .size = f->m->size,
                                 .from = f->value[FIELD_FROM], .to = f->value[FIELD_TO], .cc = f->value[FIELD_CC],
                                 .subject = f->value[FIELD_SUBJECT] };

    m.date = s->needs & PH_SORT_NEEDS_DATE ? fields_sent(f) : 0;
    return f->structure ? ph_sorter_add_structure(s->sorter, &m, f->structure, err) : ph_sorter_add(s->sorter, &m, err);
}

static unsigned wanted(unsigned needs, uint32_t *scan)
{
    static const struct {
        unsigned need;
        enum field field;
    } fields[] = {
        { PH_SORT_NEEDS_DATE, FIELD_DATE }, { PH_SORT_NEEDS_FROM, FIELD_FROM }, { PH_SORT_NEEDS_TO, FIELD_TO },
        { PH_SORT_NEEDS_CC, FIELD_CC },     { PH_SORT_NEEDS_SUBJECT, FIELD_SUBJECT },
    };
    unsigned want = 0;

    *scan = (needs & (PH_SORT_NEEDS_ARRIVAL | PH_SORT_NEEDS_DATE) ? PH_WANT_DATE : 0) |
            (needs & PH_SORT_NEEDS_SIZE ? PH_WANT_SIZE : 0);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (needs & fields[i].need)
            want |= 1u << fields[i].field;
    return want;
}

/* The UIDs become what the client knows the messages by; one that it does not know is left out. */
static size_t numbers(const struct search *q, const struct ph_command *c, const uint32_t *uids, size_t n, uint32_t *out)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        out[k] = c->uid ? uids[i] : uidlist_seq(q->s->view->uids, uids[i]);
        k += out[k] != 0;
    }
    return k;
}

static void write_item(struct ph_writer *w, const char *name, uint32_t n)
{
    ph_write_raw(w, name);
    ph_write_u64(w, n);
}

static uint64_t highest(const struct search *q, const uint32_t *uids, size_t n)
{
    struct mailbox_row row;
    uint64_t modseq = 0;

    for (size_t i = 0; q->uses_modseq && i < n; i++)
        if (mailbox_row(q->s->view->mailbox, uids[i], &row) && row.modseq > modseq)
            modseq = row.modseq;
    return modseq;
}

/* RFC 5267 3.1: MIN and MAX are the first and the last of the order; sets keep the order. */
static void write_esort(struct search *q, const struct ph_command *c, unsigned options, const uint32_t *sorted, size_t n,
                        uint64_t modseq)
{
    struct ph_writer *w = &q->s->w;
    uint64_t from = 0, to = 0;

    ph_write_raw(w, "* ESEARCH (TAG ");
    ph_write_string(w, c->tag);
    ph_write_raw(w, c->uid ? ") UID" : ")");
    if ((options & PH_SR_MIN) && n)
        write_item(w, " MIN ", sorted[0]);
    if ((options & PH_SR_MAX) && n)
        write_item(w, " MAX ", sorted[n - 1]);
    if (options & PH_SR_COUNT)
        write_item(w, " COUNT ", (uint32_t)n);
    if ((options & PH_SR_ALL) && n) {
        ph_write_raw(w, " ALL ");
        ph_write_uids(w, sorted, n);
    }
    if (options & PH_SR_PARTIAL) {
        struct ph_buf range = PH_BUF_INIT;
        int64_t ends[2] = { c->search.partial_first, c->search.partial_last };
        for (int i = 0; i < 2; i++) {
            ph_buf_add_z(&range, i ? ":" : "");
            ph_buf_add_z(&range, ends[i] < 0 ? "-" : "");
            ph_buf_add_u64(&range, (uint64_t)llabs(ends[i]));
        }
        ph_write_raw(w, " PARTIAL (");
        ph_write_bytes(w, ph_buf_str(&range));
        ph_write_char(w, ' ');
        ph_buf_done(&range);
        if (search_ranks(ends[0], ends[1], n, &from, &to))
            ph_write_uids(w, sorted + from, (size_t)(to - from));
        else
            ph_write_raw(w, "NIL");
        ph_write_char(w, ')');
    }
    if (modseq)
        ph_write_raw(w, " MODSEQ "), ph_write_u64(w, modseq);
    ph_write_crlf(w);
}

/* RFC 5182 2.4 and RFC 9394 3.2 for SORT. */
static int save(struct search *q, const struct ph_command *c, unsigned options, const uint32_t *uids, size_t n, struct ph_err *err)
{
    struct ph_numset *to = &q->s->saved;
    uint64_t a = 0, b = n;
    int rc = 0;

    ph_numset_clear(to);
    if (!(options & (PH_SR_ALL | PH_SR_COUNT)) && options != PH_SR_SAVE) {
        b = 0;
        if (n && (options & PH_SR_MIN))
            rc |= ph_numset_push(to, uids[0], uids[0]);
        if (n && (options & PH_SR_MAX))
            rc |= ph_numset_push(to, uids[n - 1], uids[n - 1]);
        if ((options & PH_SR_PARTIAL) && !search_ranks(c->search.partial_first, c->search.partial_last, n, &a, &b))
            a = b = 0;
    }
    for (uint64_t i = a; i < b; i++)
        rc |= ph_numset_push(to, uids[i], uids[i]);
    ph_numset_sort(to);
    return rc ? ph_fail_memory(err) : 0;
}

static int write_answer(struct search *q, const struct ph_command *c, const uint32_t *uids, size_t n, struct ph_err *err)
{
    unsigned options = c->search.has_return ? (c->search.options ? c->search.options : PH_SR_ALL) : 0;
    uint32_t *out = malloc((n ? n : 1) * sizeof *out);

    if (!out)
        return ph_fail_memory(err);
    size_t k = numbers(q, c, uids, n, out);
    if (!options)
        ph_write_sort(&q->s->w, out, k, highest(q, uids, n));
    else if (options & ~PH_SR_SAVE)
        write_esort(q, c, options, out, k, highest(q, uids, n));
    free(out);
    return options & PH_SR_SAVE ? save(q, c, options, uids, n, err) : 0;
}

static int sort(struct search *q, struct ph_command *c, struct ph_err *err)
{
    struct ph_numset found = PH_NUMSET_INIT;
    struct sorting s = { .sorter = ph_sorter_new(c->search.sort, c->search.n_sort, err) };
    const uint32_t *uids;
    uint32_t scan;
    size_t n;
    int rc = -1;

    if (s.sorter && search_run(q, UINT64_MAX, false, &found, err) == 0) {
        s.needs = ph_sorter_needs(s.sorter);
        unsigned want = wanted(s.needs, &scan);
        if (fields_each(q, &found, want, scan, add, &s, err) == 0 && ph_sorter_finish(s.sorter, &uids, &n, err) == 0)
            rc = write_answer(q, c, uids, n, err);
    }
    ph_sorter_free(s.sorter);
    ph_numset_done(&found);
    return rc;
}

int cmd_sort(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct search *q;
    int rc = -1;

    if (!c->uid && (s->enabled & PH_EN_UIDONLY))
        return session_uid_required(err);
    if (session_sync(s, 0, err) || s->closing)
        return s->closing ? 0 : -1;
    q = search_new(s, c, err);
    if (q && q->lowest) { /* RFC 9738 3.3: an order of a part of them is of no use */
        search_free(q);
        session_no_limit(s, c, s->server->config.limits.messages, 0, "Too many messages to sort");
        return 0;
    }
    if (q && (rc = sort(q, c, err)) == 0)
        search_warn(q);
    search_free(q);
    if (rc == 0)
        session_ok(s, c, "SORT completed");
    else if ((c->search.options & PH_SR_SAVE) && err->kind != PH_E_BAD)
        ph_numset_clear(&s->saved);
    return rc;
}
