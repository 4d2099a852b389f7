/* batch.c: rows of the mailbox, and what the store tells about them, a batch at a time. */
#include "server/batch.h"

#include <stdlib.h>
#include <string.h>

#include "server/user.h"
#include "wire/respond.h"

#define ROWS 256
#define PUSH_AT 16384

int batch_init(struct batch *b, struct session *s, struct ph_session *store, uint64_t count, size_t max,
               struct ph_err *err)
{
    if (max > BATCH_MAX)
        max = BATCH_MAX;
    if (max > count)
        max = count ? (size_t)count : 1;
    *b = (struct batch){ .s = s, .store = store, .max = max, .m = malloc(max * sizeof *b->m) };
    ph_snapshot_init(&b->snap);
    ph_arena_init(&b->texts, 0);
    return b->m ? 0 : ph_fail_memory(err);
}

void batch_done(struct batch *b)
{
    free(b->m);
    ph_snapshot_done(&b->snap);
    ph_arena_done(&b->texts);
    *b = (struct batch){ 0 };
}

static void take_rows(struct batch *b, uint32_t first, uint32_t last)
{
    struct mailbox_row rows[ROWS];
    uint32_t after = first - 1;
    size_t n;

    while (after < last) {
        uint32_t left = last - after;
        n = mailbox_rows(b->s->view->mailbox, after, 0, rows, left < ROWS ? left : ROWS);
        for (size_t i = 0; i < n && rows[i].uid <= last; i++)
            b->m[b->n++] = (struct message){ .row = rows[i] };
        if (n == 0 || rows[n - 1].uid >= last)
            break;
        after = rows[n - 1].uid;
    }
}

size_t batch_fill(struct batch *b, const struct ph_numset *uids, uint64_t k, size_t max)
{
    size_t taken = 0;

    b->n = 0;
    ph_arena_reset(&b->texts);
    if (max > b->max)
        max = b->max;
    for (size_t i = 0; i < uids->n && taken < max; i++) {
        uint64_t len = (uint64_t)uids->r[i].last - uids->r[i].first + 1;
        if (k >= len) {
            k -= len;
            continue;
        }
        uint64_t n = len - k < max - taken ? len - k : max - taken;
        uint32_t first = uids->r[i].first + (uint32_t)k;
        take_rows(b, first, first + (uint32_t)(n - 1));
        taken += (size_t)n;
        k = 0;
    }
    return taken;
}

struct message *batch_find(struct batch *b, uint32_t uid)
{
    size_t low = 0, high = b->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (b->m[mid].row.uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < b->n && b->m[low].row.uid == uid ? &b->m[low] : NULL;
}

int batch_uids(const struct batch *b, struct ph_numset *out, struct ph_err *err)
{
    for (size_t i = 0; i < b->n; i++)
        if (!b->m[i].skip && !b->m[i].gone && ph_numset_add(out, b->m[i].row.uid))
            return ph_fail_memory(err);
    return 0;
}

static int scan(struct batch *b, const struct ph_scan_request *req, struct ph_err *err)
{
    const struct ph_session_ops *ops = b->store->ops;

    ph_snapshot_done(&b->snap);
    ph_snapshot_init(&b->snap);
    if (ops->scan_begin(b->store, b->s->view->name, req, &b->snap, err) || ops->scan_wait(b->store, &b->snap, err))
        return -1;
    ph_snapshot_sort_uid(&b->snap);
    return 0;
}

int batch_scan(struct batch *b, uint32_t want, struct ph_err *err)
{
    struct ph_numset uids = PH_NUMSET_INIT;
    struct ph_scan_request req = { .want = want, .uids = &uids, .uidvalidity = b->s->view->uidvalidity };
    int rc = batch_uids(b, &uids, err);

    if (rc == 0 && !ph_numset_empty(&uids))
        rc = scan(b, &req, err);
    for (size_t i = 0, k = 0; rc == 0 && i < b->n; i++) {
        struct message *m = &b->m[i];
        if (m->skip || m->gone)
            continue;
        while (k < b->snap.n && ph_snapshot_row(&b->snap, k)->uid < m->row.uid)
            k++;
        const struct ph_row *r = k < b->snap.n ? ph_snapshot_row(&b->snap, k) : NULL;
        if (!r || r->uid != m->row.uid) {
            m->gone = true;
            continue;
        }
        if (want & PH_WANT_DATE) {
            m->has_date = r->has_date;
            m->epoch = r->epoch;
            m->zone_min = (int)r->zone;
        }
        if (want & PH_WANT_SIZE) {
            m->has_size = true;
            m->size = r->size;
        }
    }
    ph_numset_done(&uids);
    return rc;
}

static int take_info(void *ctx, const struct ph_message_info *i, struct ph_err *err)
{
    struct batch *b = ctx;
    struct message *m = batch_find(b, i->uid);

    if (!m)
        return 0;
    m->has_info = true;
    m->has_saved = i->has_saved;
    m->saved = i->saved;
    m->emailid = ph_arena_strdup(&b->texts, ph_str(i->emailid ? i->emailid : ""));
    m->threadid = ph_arena_strdup(&b->texts, ph_str(i->threadid ? i->threadid : ""));
    return m->emailid && m->threadid ? 0 : ph_fail_memory(err);
}

int batch_info(struct batch *b, struct ph_err *err)
{
    struct ph_numset uids = PH_NUMSET_INIT;
    struct view *v = b->s->view;
    int rc = batch_uids(b, &uids, err);

    if (rc == 0 && !ph_numset_empty(&uids))
        rc = b->store->ops->serve->info(b->store, v->name, v->uidvalidity, &uids, take_info, b, err);
    for (size_t i = 0; rc == 0 && i < b->n; i++)
        if (!b->m[i].skip && !b->m[i].has_info)
            b->m[i].gone = true;
    ph_numset_done(&uids);
    return rc;
}

int session_use_modseq(struct session *s, struct ph_err *err)
{
    struct mailbox_state st;

    mailbox_get_state(s->view->mailbox, &st);
    if (!st.real_modseq)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "This mailbox has no mod-sequences");
    if (s->enabled & PH_EN_CONDSTORE)
        return 0;
    s->enabled |= PH_EN_CONDSTORE;
    ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
    ph_write_code_number(&s->w, PH_CODE_HIGHESTMODSEQ, s->view->modseq);
    ph_write_status_end(&s->w, PH_STR("Highest that you were told of"));
    return 0;
}

int session_uid_required(struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "Message numbers are not used after ENABLE UIDONLY");
    if (err)
        memcpy(err->code, "UIDREQUIRED", sizeof "UIDREQUIRED");
    return -1;
}

static void limit_code(struct ph_buf *code, uint32_t most, uint32_t lowest)
{
    ph_buf_add_z(code, "MESSAGELIMIT ");
    ph_buf_add_u64(code, most);
    if (lowest) {
        ph_buf_add_char(code, ' ');
        ph_buf_add_u64(code, lowest);
    }
}

void session_ok_limit(struct session *s, const struct ph_command *c, uint32_t most, uint32_t lowest, const char *text)
{
    struct ph_buf code = PH_BUF_INIT;

    limit_code(&code, most, lowest);
    session_ok_code(s, c, ph_buf_str(&code), text);
    ph_buf_done(&code);
}

void session_no_limit(struct session *s, const struct ph_command *c, uint32_t most, uint32_t lowest, const char *text)
{
    struct ph_buf code = PH_BUF_INIT;

    limit_code(&code, most, lowest);
    session_no(s, c, ph_buf_z(&code), text);
    ph_buf_done(&code);
}

int session_push_some(struct session *s)
{
    return ph_buf_len(&s->w.out) < PUSH_AT ? 0 : session_push(s);
}
