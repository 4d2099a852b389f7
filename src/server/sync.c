/* sync.c: telling a client what has changed in its mailbox (RFC 9051 5.2, 7.4.1; RFC 7162; RFC 9586).
 *
 * The view is what the client knows. Message numbers may only go when EXPUNGE may be sent; until then the view keeps UIDs that
 * exist no more, and new ones are added behind them.
 */
#include "server/sync.h"

#include <stdlib.h>
#include <string.h>

#include "wire/respond.h"

#define ROWS 256 /* copied out at a time */

/* Blank-separated keywords as an array; .w is from the heap, NULL with n 0 when there is no memory. */
static struct ph_words split(const char *text)
{
    struct ph_words words = { 0 };
    size_t n = 1;

    if (!*text)
        return words;
    for (const char *p = text; *p; p++)
        n += *p == ' ';
    words.w = malloc(n * sizeof *words.w);
    while (words.w && *text) {
        words.w[words.n] = (struct ph_str){ text, strcspn(text, " ") };
        text += words.w[words.n++].n;
        text += strspn(text, " ");
    }
    return words;
}

void sync_begin_fetch(struct session *s, uint32_t seq, uint32_t uid)
{
    bool uidonly = s->enabled & PH_EN_UIDONLY;

    ph_write_raw(&s->w, "* ");
    ph_write_u64(&s->w, uidonly ? uid : seq);
    ph_write_raw(&s->w, uidonly ? " UIDFETCH (" : " FETCH (");
}

void sync_write_flags(struct session *s, const struct mailbox_row *row)
{
    uint32_t flags = row->flags;

    if (!(s->enabled & PH_EN_REV2) && ph_numset_contains(&s->view->recent, row->uid))
        flags |= PH_F_RECENT;
    struct ph_words words = split(mailbox_keywords(s->view->mailbox, row->kwset));
    ph_write_raw(&s->w, "FLAGS ");
    ph_write_flags(&s->w, flags, &words);
    free(words.w);
}

void sync_tell_row(struct session *s, const struct mailbox_row *row, bool uid, bool flags)
{
    uint32_t seq = uidlist_seq(s->view->uids, row->uid);
    struct mailbox_state st;
    bool first = true;

    if (!seq)
        return;
    sync_begin_fetch(s, seq, row->uid);
    /* in a UIDFETCH the number is the UID already (RFC 9586 3.3); with QRESYNC it is always told (RFC 7162 3.2.3) */
    if ((uid || (s->enabled & PH_EN_QRESYNC)) && !(s->enabled & PH_EN_UIDONLY)) {
        ph_write_raw(&s->w, "UID ");
        ph_write_u64(&s->w, row->uid);
        first = false;
    }
    if (flags) {
        ph_write_raw(&s->w, first ? "" : " ");
        sync_write_flags(s, row);
        first = false;
    }
    mailbox_get_state(s->view->mailbox, &st);
    if ((s->enabled & PH_EN_CONDSTORE) && st.real_modseq) {
        ph_write_raw(&s->w, first ? "MODSEQ (" : " MODSEQ (");
        ph_write_u64(&s->w, row->modseq);
        ph_write_char(&s->w, ')');
    }
    ph_write_char(&s->w, ')');
    ph_write_crlf(&s->w);
}

void sync_tell_keywords(struct session *s)
{
    struct view *v = s->view;
    struct ph_buf text = PH_BUF_INIT;
    struct mailbox_state st;

    mailbox_get_state(v->mailbox, &st);
    v->keywords_told = mailbox_all_keywords(v->mailbox, &text);
    struct ph_words words = split(ph_buf_z(&text));
    ph_write_raw(&s->w, "* FLAGS ");
    ph_write_flags(&s->w, PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DELETED | PH_F_SEEN | PH_F_DRAFT, &words);
    ph_write_crlf(&s->w);
    ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
    if (v->read_only)
        ph_write_code_permanentflags(&s->w, 0, NULL, false);
    else
        ph_write_code_permanentflags(&s->w, st.permanent_flags, &words, st.keywords_ok);
    ph_write_status_end(&s->w, PH_STR("Flags that are kept"));
    free(words.w);
    ph_buf_done(&text);
}

/* ---- what went away ---- */

static int tell_expunged(struct session *s, const struct ph_numset *gone)
{
    struct view *v = s->view;
    uint32_t before = 0;

    if (s->enabled & (PH_EN_QRESYNC | PH_EN_UIDONLY)) {
        ph_write_vanished(&s->w, false, gone);
        return session_push(s);
    }
    for (uint32_t uid = ph_numset_next(gone, 0); uid; uid = ph_numset_next(gone, uid)) {
        ph_write_count(&s->w, uidlist_seq(v->uids, uid) - before++, "EXPUNGE"); /* each one moves those behind it */
        if (session_push(s))
            return -1;
    }
    return 0;
}

static void view_take(struct view *v, struct uidlist *uids)
{
    uidlist_free(v->uids);
    v->uids = uids;
}

/* New ones behind what was told: EXISTS, and RECENT for those who know it. */
static int tell_new(struct session *s, uint32_t before, struct ph_err *err)
{
    struct view *v = s->view;

    if (v->uids->count == before)
        return 0;
    ph_write_count(&s->w, v->uids->count, "EXISTS");
    if (!(s->enabled & PH_EN_REV2)) {
        struct ph_session *store = session_store(s, err);
        if (!store || mailbox_recent(v->mailbox, store, !v->read_only, &v->recent, err))
            return -1;
        ph_write_count(&s->w, (uint32_t)ph_numset_count(&v->recent), "RECENT");
    }
    return 0;
}

/* What the client is to know from now on, given what there is now (a reference that is taken over). */
static int move_view(struct session *s, struct uidlist *now, bool expunge, struct ph_err *err)
{
    struct view *v = s->view;
    struct ph_numset told = PH_NUMSET_INIT, is = PH_NUMSET_INIT, gone = PH_NUMSET_INIT;
    uint32_t last = uidlist_last(v->uids);
    int rc = -1;

    if (uidlist_to_set(v->uids, &told) || uidlist_to_set(now, &is) || ph_numset_add_set(&gone, &told) ||
        ph_numset_subtract(&gone, &is)) {
        ph_fail_memory(err);
        goto out;
    }
    if (expunge && !ph_numset_empty(&gone)) {
        if (tell_expunged(s, &gone) || ph_numset_subtract(&told, &gone) || ph_numset_subtract(&v->recent, &gone)) {
            ph_fail_memory(err);
            goto out;
        }
        ph_numset_clear(&gone);
    }
    uint32_t before = (uint32_t)ph_numset_count(&told);
    struct uidlist *next;
    if (ph_numset_empty(&gone) && (told.n == 0 || uidlist_seq(now, told.r[told.n - 1].last) == before)) {
        next = uidlist_ref(now); /* the client knows all there is, and nothing came in between: the list is shared */
    } else {
        if (last && last < UINT32_MAX && ph_numset_remove_range(&is, 1, last)) {
            ph_fail_memory(err);
            goto out;
        }
        next = ph_numset_add_set(&told, &is) ? NULL : uidlist_new(&told);
    }
    if (!next) {
        ph_fail_memory(err);
        goto out;
    }
    view_take(v, next);
    rc = tell_new(s, before, err);
out:
    ph_numset_done(&told);
    ph_numset_done(&is);
    ph_numset_done(&gone);
    return rc;
}

/* ---- what has other flags ---- */

static int tell_flags(struct session *s, uint32_t last, uint64_t since, const struct ph_numset *told, uint64_t upto)
{
    struct mailbox_row rows[ROWS];
    uint32_t after = 0;
    size_t n;

    while ((n = mailbox_rows(s->view->mailbox, after, since, rows, ROWS)) > 0) {
        for (size_t i = 0; i < n; i++) {
            after = rows[i].uid;
            if (after > last) /* new to the client: it will ask */
                return 0;
            if (told && rows[i].modseq <= upto && ph_numset_contains(told, after))
                continue;
            sync_tell_row(s, &rows[i], s->notify, true); /* with UID: RFC 5465 5.1 */
            if (session_push(s))
                return -1;
        }
        if (n < ROWS)
            return 0;
    }
    return 0;
}

void view_follow(struct session *s)
{
    if (s->view)
        s->view->name = mailbox_name(s->view->mailbox);
}

static int lost_mailbox(struct session *s)
{
    session_bye(s, NULL, "The selected mailbox was deleted or made anew");
    return 0;
}

int session_sync_but(struct session *s, unsigned how, const struct ph_numset *told, uint64_t upto, struct ph_err *err)
{
    struct view *v = s->view;
    uint64_t modseq;
    bool gone = false;

    if (!v || s->closing)
        return 0;
    view_follow(s);
    if ((how & SYNC_LOOK) || mailbox_dirty(v->mailbox)) {
        struct ph_session *store = session_store(s, err);
        if (!store || mailbox_refresh(v->mailbox, store, how & SYNC_LOOK, &gone, err))
            return -1;
        if (gone)
            return lost_mailbox(s);
    }
    uint32_t last = uidlist_last(v->uids);
    struct uidlist *now = mailbox_uids(v->mailbox, &modseq);
    int rc = now == v->uids ? 0 : move_view(s, now, how & SYNC_EXPUNGE, err);
    bool all = v->uids == now; /* else the client still counts messages that are gone */
    uidlist_free(now);
    struct mailbox_row first;
    if (rc == 0 && modseq > v->modseq && how & SYNC_NO_FLAGS) { /* they stay untold, unless there are none but those of new messages */
        if (mailbox_rows(v->mailbox, 0, v->modseq, &first, 1) == 0 || first.uid > last)
            v->modseq = modseq;
    } else if (rc == 0 && modseq > v->modseq) {
        if (mailbox_all_keywords(v->mailbox, NULL) != v->keywords_told)
            sync_tell_keywords(s);
        rc = tell_flags(s, last, v->modseq, told, upto);
        v->modseq = modseq;
    }
    if (rc == 0 && all && v->modseq == modseq)
        v->complete = modseq;
    return rc;
}

int session_sync(struct session *s, unsigned how, struct ph_err *err)
{
    return session_sync_but(s, how, NULL, 0, err);
}

int sync_vanished_since(struct session *s, uint64_t modseq, const struct ph_numset *within, struct ph_numset *out,
                        struct ph_err *err)
{
    struct view *v = s->view;
    struct ph_session *store = session_store(s, err);
    struct ph_snapshot snap;
    struct ph_scan_request req = { .want = PH_WANT_MODSEQ, .changed_since = modseq ? modseq : 1, .vanished = out,
                                   .uidvalidity = v->uidvalidity };
    struct ph_numset present = PH_NUMSET_INIT;
    int rc;

    if (!store)
        return -1;
    ph_snapshot_init(&snap);
    rc = store->ops->scan_begin(store, v->name, &req, &snap, err) ? -1 : store->ops->scan_wait(store, &snap, err);
    ph_snapshot_done(&snap);
    if (rc == 0 && (uidlist_to_set(v->uids, &present) || ph_numset_subtract(out, &present) ||
                    (within && ph_numset_intersect(out, within))))
        rc = ph_fail_memory(err);
    ph_numset_done(&present);
    return rc;
}

void session_deselect(struct session *s)
{
    struct view *v = s->view;

    if (!v)
        return;
    s->view = NULL;
    mailbox_unlisten(v->mailbox, s);
    mailbox_close(v->mailbox);
    uidlist_free(v->uids);
    ph_numset_done(&v->recent);
    ph_numset_clear(&s->saved);
    free(v);
    if (s->state == PH_ST_SELECTED)
        session_set_state(s, PH_ST_AUTHENTICATED);
}
