/* fetch.c: FETCH and UID FETCH (RFC 9051 6.4.5; RFC 3501; RFC 3516; RFC 7162 3.1.4, 3.2.6; RFC 8474; RFC 8514; RFC 8970; RFC 9394 3.3;
 * RFC 9586; RFC 9738).
 *
 * Messages are taken a batch at a time. What rows and the store's index tell is answered from them; octets come through one pipeline of
 * the store for the batch where they are needed once, and message by message where the store can open them at any place.
 */
#include "server/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "server/user.h"

#define SEEN_AT_ONCE 128 /* messages that are marked \Seen, durably, before they are sent: what a client that leaves will not have read */

/* ---- which messages ---- */

/* The members first..last of the set, counted from its end when negative (RFC 9394 3.1). */
static int take_part(struct ph_numset *uids, int64_t first, int64_t last, struct ph_err *err)
{
    uint64_t count = ph_numset_count(uids), a = (uint64_t)llabs(first), b = (uint64_t)llabs(last);

    if (a > b) {
        uint64_t t = a;
        a = b;
        b = t;
    }
    if (a > count) {
        ph_numset_clear(uids);
        return 0;
    }
    if (b > count)
        b = count;
    uint64_t from = first < 0 ? count - b : a - 1, to = first < 0 ? count - a : b - 1;
    uint32_t low = ph_numset_nth(uids, from), high = ph_numset_nth(uids, to);
    if ((low > 1 && ph_numset_remove_range(uids, 1, low - 1)) ||
        (high < UINT32_MAX && ph_numset_remove_range(uids, high + 1, UINT32_MAX)))
        return ph_fail_memory(err);
    return 0;
}

/* RFC 9738: the highest of them, when they are too many. *lowest: the lowest that is processed; 0: all are. 1: refused. */
static int limit(struct fetch *f, struct ph_numset *uids, uint32_t *lowest, struct ph_err *err)
{
    const struct ph_cmd_fetch *c = &f->c->fetch;
    uint64_t most = f->s->server->config.limits.messages, count = ph_numset_count(uids);

    *lowest = 0;
    if (!most)
        return 0;
    if (c->has_partial && (uint64_t)llabs(c->partial_first - c->partial_last) >= most)
        return 1;
    if (count <= most)
        return 0;
    *lowest = ph_numset_nth(uids, count - most);
    return *lowest > 1 && ph_numset_remove_range(uids, 1, *lowest - 1) ? ph_fail_memory(err) : 0;
}

/* Those that have changed since: what others did is known as far as the rows are. */
static int changed(struct session *s, uint64_t since, struct ph_numset *uids, struct ph_err *err)
{
    struct mailbox_row rows[256];
    struct ph_numset those = PH_NUMSET_INIT;
    uint32_t after = 0;
    size_t n;
    int rc = 0;

    while (rc == 0 && (n = mailbox_rows(s->view->mailbox, after, since, rows, 256)) > 0)
        for (size_t i = 0; i < n && rc == 0; i++) {
            after = rows[i].uid;
            /* 0 is below every mod-sequence, but to mailbox_rows it is "all" */
            rc = rows[i].modseq > since ? ph_numset_add(&those, after) : 0;
        }
    rc = rc || ph_numset_intersect(uids, &those) ? ph_fail_memory(err) : 0;
    ph_numset_done(&those);
    return rc;
}

/* RFC 7162 3.2.6: what went of the UIDs that were named, whether or not they are in the view. */
static int tell_vanished(struct fetch *f, struct ph_err *err)
{
    const struct ph_seqset *set = &f->c->fetch.set;
    struct ph_numset named = PH_NUMSET_INIT, gone = PH_NUMSET_INIT;
    struct mailbox_state st;
    int rc;

    mailbox_get_state(f->s->view->mailbox, &st);
    rc = set->saved ? ph_numset_add_set(&named, &f->s->saved)
                    : ph_numset_parse(&named, set->text, st.uidnext > 1 ? st.uidnext - 1 : 1, 100000, err);
    if (rc == 0)
        rc = sync_vanished_since(f->s, f->c->fetch.changedsince, &named, &gone, err);
    if (rc == 0)
        ph_write_vanished(&f->s->w, true, &gone);
    ph_numset_done(&named);
    ph_numset_done(&gone);
    return rc;
}

/* ---- \Seen ---- */

static bool may_set_seen(struct fetch *f)
{
    struct mailbox_state st;
    struct ph_err none;

    mailbox_get_state(f->s->view->mailbox, &st);
    return !f->s->view->read_only && (st.permanent_flags & PH_F_SEEN) && f->store->ops->store_flags && fetch_marks_seen(f->atts, f->n) &&
           session_need_right(f->s, f->s->view->name, 's', &none) == 0;
}

/* RFC 9051 6.4.5: reading sets \Seen, and the client is told in the same answer. A store that cannot do it now does not keep
 * anybody from reading. */
static int mark_seen(struct fetch *f, struct ph_err *err)
{
    struct view *v = f->s->view;
    struct ph_flag_change change = { .uids = &f->seen, .flags = PH_F_SEEN, .keywords = "", .mode = PH_FLAGS_ADD };
    struct ph_flag_batch batch = { .folder = v->name, .uidvalidity = v->uidvalidity, .changes = &change, .n = 1 };
    bool gone = false;

    ph_numset_clear(&f->seen);
    for (size_t i = 0; i < f->batch.n; i++)
        if (!(f->batch.m[i].row.flags & PH_F_SEEN) && ph_numset_add(&f->seen, f->batch.m[i].row.uid))
            return ph_fail_memory(err);
    if (ph_numset_empty(&f->seen))
        return 0;
    if (f->store->ops->store_flags(f->store, &batch, 1, err)) {
        if (!err || err->scope >= PH_SCOPE_SESSION)
            return -1;
    }
    mailbox_touch(v->mailbox);
    if (mailbox_refresh(v->mailbox, f->store, false, &gone, err))
        return -1;
    if (gone)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "The mailbox is gone");
    uidlist_free(mailbox_uids(v->mailbox, &f->told_modseq));
    if (ph_numset_add_set(&f->told, &f->seen))
        return ph_fail_memory(err);
    for (size_t i = 0; i < f->batch.n; i++)
        if (ph_numset_contains(&f->seen, f->batch.m[i].row.uid) &&
            !mailbox_row(v->mailbox, f->batch.m[i].row.uid, &f->batch.m[i].row))
            f->batch.m[i].gone = true;
    return 0;
}

/* ---- a batch ---- */

/* A message that cannot be read does not keep the others from being sent; the tagged answer says so. 0: go on. */
static int could_not(struct fetch *f, const struct ph_err *why, struct ph_err *err)
{
    if (why->scope > PH_SCOPE_MESSAGE || why->kind == PH_OK) {
        if (err)
            *err = *why;
        return -1;
    }
    if (why->kind == PH_E_NOTFOUND)
        f->n_gone++;
    else if (f->first.kind == PH_OK)
        f->first = *why;
    return 0;
}

static int tell(struct fetch *f, const struct message *m, struct ph_err *err)
{
    struct ph_err why = { 0 };

    if (fetch_tell(f, m, &why) == 0)
        return 0;
    if (f->s->broken)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_CLOSED, "The client is gone");
    return could_not(f, &why, err);
}

static int open_and_tell(struct fetch *f, const struct message *m, struct ph_err *err)
{
    struct ph_err why = { 0 };

    f->reader.keep_nothing = false;
    if (reader_open(&f->reader, m->row.uid, &why))
        return could_not(f, &why, err);
    return tell(f, m, err);
}

static int through_pipeline(struct fetch *f, const struct ph_numset *uids, struct ph_err *err)
{
    int rc = reader_add(&f->reader, uids, &f->batch.snap, err);

    f->reader.keep_nothing = f->need & NEED_WHOLE;
    while (rc == 0 && (rc = reader_next(&f->reader, err)) == 1) {
        struct message *m = batch_find(&f->batch, f->reader.uid);
        rc = 0;
        if (!m)
            continue;
        if (f->reader.missing)
            rc = could_not(f, &f->reader.why, err);
        else if (fetch_needs_return(f))
            rc = ph_numset_add(&f->later, m->row.uid) ? ph_fail_memory(err) : 0;
        else
            rc = tell(f, m, err);
    }
    for (uint32_t uid = 0; rc == 0 && (uid = ph_numset_next(&f->later, uid)) != 0;)
        rc = open_and_tell(f, batch_find(&f->batch, uid), err);
    ph_numset_clear(&f->later);
    return rc ? rc : reader_finish(&f->reader, err);
}

/* One forward reading for each message, and many of them. */
static bool pipeline_fits(const struct fetch *f)
{
    if (!reader_is_random(&f->reader))
        return true;
    if (!(f->need & NEED_WHOLE) || f->batch.n == 1)
        return false;
    for (size_t i = 0; i < f->n; i++)
        if (f->atts[i].partial)
            return false;
    return true;
}

static int tell_batch(struct fetch *f, struct ph_err *err)
{
    struct ph_numset wanted = PH_NUMSET_INIT;
    bool pipeline = (f->need & NEED_BODY) && pipeline_fits(f);
    int rc = 0;

    for (size_t i = 0; i < f->batch.n && rc == 0; i++) {
        struct message *m = &f->batch.m[i];
        if (m->gone) {
            f->n_gone++;
            continue;
        }
        int kept = fetch_is_kept(f, m, err);
        if (kept)
            rc = kept < 0 ? -1 : tell(f, m, err);
        else if (!pipeline)
            rc = open_and_tell(f, m, err);
        else
            rc = ph_numset_add(&wanted, m->row.uid) ? ph_fail_memory(err) : 0;
    }
    if (rc == 0 && !ph_numset_empty(&wanted))
        rc = through_pipeline(f, &wanted, err);
    ph_numset_done(&wanted);
    return rc;
}

static int fill_batch(struct fetch *f, struct ph_err *err)
{
    uint32_t want = (f->need & NEED_SCAN_DATE ? PH_WANT_DATE : 0) | (f->need & NEED_SCAN_SIZE ? PH_WANT_SIZE : 0);

    /* a store that hands bodies out one behind the other sizes its window by what is to come */
    if ((f->need & NEED_BODY) && f->batch.n > 1 && !reader_is_random(&f->reader))
        want |= PH_WANT_SIZE;
    if (f->sets_seen && mark_seen(f, err))
        return -1;
    if (want && batch_scan(&f->batch, want, err))
        return -1;
    return f->need & NEED_INFO ? batch_info(&f->batch, err) : 0;
}

static int tell_all(struct fetch *f, const struct ph_numset *uids, struct ph_err *err)
{
    struct mailbox_state st;
    size_t max = BATCH_MAX, n;
    int rc = 0;

    mailbox_get_state(f->s->view->mailbox, &st);
    if (f->sets_seen && st.real_modseq) /* without mod-sequences looking for the change costs a scan of all flags each time */
        max = SEEN_AT_ONCE;
    if (batch_init(&f->batch, f->s, f->store, ph_numset_count(uids), max, err))
        return -1;
    for (uint64_t k = 0; rc == 0 && (n = batch_fill(&f->batch, uids, k, max)) > 0; k += n) {
        f->n_gone += n - f->batch.n;
        rc = fill_batch(f, err) || tell_batch(f, err) ? -1 : 0;
        if (rc == 0)
            atomic_fetch_add_explicit(&f->s->server->count.fetched, f->batch.n, memory_order_relaxed);
    }
    return rc;
}

/* ---- the command ---- */

/* RFC 9738 3.1: EXPUNGEISSUED is the tagged code when both have to be said. */
static void answer(struct fetch *f, uint32_t lowest)
{
    bool gone = f->n_gone && !f->c->uid; /* UID FETCH may tell the client itself that they went */
    uint32_t most = f->s->server->config.limits.messages;

    if (f->unknown_cte) {
        session_no(f->s, f->c, "UNKNOWN-CTE", "The transfer encoding of a part is not known");
    } else if (lowest && !gone) {
        session_ok_limit(f->s, f->c, most, lowest, "FETCH completed for the last of the messages");
    } else {
        if (lowest) {
            ph_write_status_begin(&f->s->w, PH_STR_NIL, PH_ST_NO);
            ph_write_code_messagelimit(&f->s->w, most, lowest);
            ph_write_status_end(&f->s->w, PH_STR("FETCH completed for the last of the messages"));
        }
        session_ok_code(f->s, f->c, gone ? PH_STR("EXPUNGEISSUED") : PH_STR_NIL,
                        gone ? "Some messages are gone already" : "FETCH completed");
    }
}

static int check(struct fetch *f, struct ph_err *err)
{
    const struct ph_cmd_fetch *c = &f->c->fetch;
    bool modseq = c->has_changedsince;

    for (size_t i = 0; i < f->n; i++)
        modseq = modseq || f->atts[i].what == PH_FA_MODSEQ;
    if (c->vanished && (!f->c->uid || !c->has_changedsince || !(f->s->enabled & PH_EN_QRESYNC)))
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC");
    if (modseq && session_use_modseq(f->s, err))
        return -1;
    f->tell_modseq = c->has_changedsince;
    f->tell_uid = f->c->uid && !(f->s->enabled & PH_EN_UIDONLY);
    for (size_t i = 0; i < f->n; i++) {
        if (f->atts[i].what == PH_FA_MODSEQ)
            f->tell_modseq = false;
        if (f->atts[i].what == PH_FA_UID)
            f->tell_uid = false;
    }
    f->sets_seen = may_set_seen(f);
    return 0;
}

static int fetch(struct fetch *f, struct ph_err *err)
{
    const struct ph_cmd_fetch *c = &f->c->fetch;
    struct ph_numset uids = PH_NUMSET_INIT;
    uint32_t lowest = 0;
    int rc = -1;

    f->items = calloc(f->n, sizeof *f->items);
    if (!f->items) {
        ph_fail_memory(err);
        goto out;
    }
    /* what others did is told before, so that CHANGEDSINCE leaves nothing out */
    if (session_sync(f->s, 0, err))
        goto out;
    if (f->s->closing) { /* the mailbox is gone, and BYE was said */
        rc = 0;
        goto out;
    }
    if (check(f, err) || session_set_uids(f->s, &c->set, f->c->uid, &uids, err) ||
        (c->has_partial && take_part(&uids, c->partial_first, c->partial_last, err)))
        goto out;
    rc = limit(f, &uids, &lowest, err);
    if (rc > 0) {
        session_no_limit(f->s, f->c, f->s->server->config.limits.messages, 0, "More messages than one command may touch");
        rc = 0;
        goto out;
    }
    fetch_plan(f);
    if (rc || (c->vanished && tell_vanished(f, err)) ||
        (c->has_changedsince && changed(f->s, c->changedsince, &uids, err)) || tell_all(f, &uids, err))
        rc = -1;
    /* what this command told is not told again, whatever came of it */
    struct ph_err ignored;
    bool told = !ph_numset_empty(&f->told) && !f->s->broken && !f->s->closing;
    reader_done(&f->reader);
    if (told && session_sync_but(f->s, f->c->uid ? SYNC_EXPUNGE : 0, &f->told, f->told_modseq, rc ? &ignored : err))
        rc = -1;
    if (rc == 0 && f->first.kind != PH_OK) {
        *err = f->first;
        rc = -1;
    }
    if (rc == 0 && !f->s->closing)
        answer(f, lowest);
out:
    ph_numset_done(&uids);
    return rc;
}

static void free_fetch(struct fetch *f)
{
    if (f->reader.store)
        reader_done(&f->reader);
    batch_done(&f->batch);
    free(f->items);
    ph_buf_done(&f->texts);
    ph_buf_done(&f->piece);
    ph_numset_done(&f->seen);
    ph_numset_done(&f->told);
    ph_numset_done(&f->later);
}

int cmd_fetch(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct fetch f = { .s = s, .c = c, .atts = c->fetch.atts, .n = c->fetch.n };
    int rc;

    f.store = session_store(s, err);
    if (!f.store)
        return -1;
    reader_init(&f.reader, f.store, s->view->name, s->view->uidvalidity);
    rc = fetch(&f, err);
    free_fetch(&f);
    return rc;
}

int fetch_uids(struct session *s, const struct ph_fetch_att *atts, size_t n, const struct ph_numset *uids,
               struct ph_err *err)
{
    struct ph_command as_uid_fetch = { .id = PH_CMD_FETCH, .name = PH_STR("FETCH"), .uid = true };
    struct fetch f = { .s = s, .c = &as_uid_fetch, .atts = atts, .n = n, .tell_uid = !(s->enabled & PH_EN_UIDONLY) };
    int rc = -1;

    f.store = session_store(s, err);
    if (!f.store)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (atts[i].what == PH_FA_UID)
            f.tell_uid = false;
    reader_init(&f.reader, f.store, s->view->name, s->view->uidvalidity);
    f.items = calloc(n, sizeof *f.items);
    if (f.items) {
        fetch_plan(&f);
        rc = tell_all(&f, uids, err);
    } else {
        ph_fail_memory(err);
    }
    free_fetch(&f);
    return rc;
}
