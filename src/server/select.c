/* select.c: SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 6.3.2, 6.3.3, 6.4.1, 6.4.2; RFC 3691; CONDSTORE and QRESYNC,
 * RFC 7162; MAILBOXID, RFC 8474). */
#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "server/sync.h"
#include "wire/respond.h"

static void tell_code_number(struct session *s, enum ph_code code, uint64_t number, struct ph_str text)
{
    ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
    ph_write_code_number(&s->w, code, number);
    ph_write_status_end(&s->w, text);
}

static struct view *new_view(struct session *s, const char *name, bool read_only, struct ph_session *store,
                             struct ph_err *err)
{
    struct view *v = calloc(1, sizeof *v);
    struct mailbox_state st;

    if (!v) {
        ph_fail_memory(err);
        return NULL;
    }
    if (mailbox_open(s->user, name, store, &v->mailbox, err)) {
        free(v);
        return NULL;
    }
    v->name = mailbox_name(v->mailbox);
    v->read_only = read_only;
    v->uids = mailbox_uids(v->mailbox, &v->modseq);
    v->complete = v->modseq;
    mailbox_get_state(v->mailbox, &st);
    v->uidvalidity = st.uidvalidity;
    return v;
}

/* OBJECTID and the attributes: from the status of the folder. */
static void tell_folder(struct session *s, struct ph_session *store)
{
    struct ph_folder f = { .name = s->view->name }, *one = &f;
    struct ph_err ignored;

    if (store->ops->status && (store->ops->abilities(store) & PH_AB_OBJECTID) &&
        store->ops->status(store, &one, 1, &ignored) == 0 && f.status_err.kind == PH_OK && f.mailboxid) {
        ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
        ph_write_code_mailboxid(&s->w, ph_str(f.mailboxid));
        ph_write_status_end(&s->w, PH_STR("Its name for good"));
    }
    if (s->enabled & PH_EN_REV2) {
        struct ph_list_line l = { .delim = f.delim ? f.delim : '/', .name = ph_str(s->view->name) };
        ph_write_list(&s->w, &l);
    }
}

static void tell_state(struct session *s, struct ph_session *store)
{
    struct view *v = s->view;
    struct mailbox_state st;
    uint32_t unseen = s->enabled & PH_EN_REV2 ? 0 : mailbox_first_unseen(v->mailbox);

    mailbox_get_state(v->mailbox, &st);
    sync_tell_keywords(s);
    ph_write_count(&s->w, v->uids->count, "EXISTS");
    if (!(s->enabled & PH_EN_REV2))
        ph_write_count(&s->w, (uint32_t)ph_numset_count(&v->recent), "RECENT");
    if (unseen && uidlist_seq(v->uids, unseen))
        tell_code_number(s, PH_CODE_UNSEEN, uidlist_seq(v->uids, unseen), PH_STR("The first message without \\Seen"));
    tell_code_number(s, PH_CODE_UIDVALIDITY, st.uidvalidity, PH_STR("UIDs are valid"));
    tell_code_number(s, PH_CODE_UIDNEXT, st.uidnext, PH_STR("The next UID, or a higher one"));
    if (st.real_modseq) {
        tell_code_number(s, PH_CODE_HIGHESTMODSEQ, st.modseq, PH_STR("The highest mod-sequence"));
    } else {
        ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
        ph_write_code(&s->w, PH_CODE_NOMODSEQ);
        ph_write_status_end(&s->w, PH_STR("No mod-sequences here"));
    }
    tell_folder(s, store);
}

/* The part of QRESYNC that matches message numbers (RFC 7162 3.2.5.2): up to the last pair that still holds, nothing
 * that the client knows has vanished. Returns that UID, 0: none. */
static uint32_t matched_until(struct session *s, const struct ph_cmd_select *c)
{
    struct ph_numset seqs = PH_NUMSET_INIT, uids = PH_NUMSET_INIT;
    struct ph_err ignored;
    uint32_t until = 0, seq = 0, uid = 0;

    if (!c->match_seqs.text.p || ph_numset_parse(&seqs, c->match_seqs.text, 0, 100000, &ignored) ||
        ph_numset_parse(&uids, c->match_uids.text, 0, 100000, &ignored))
        goto out;
    while ((seq = ph_numset_next(&seqs, seq)) && (uid = ph_numset_next(&uids, uid))) {
        if (uidlist_uid(s->view->uids, seq) != uid)
            break;
        until = uid;
    }
out:
    ph_numset_done(&seqs);
    ph_numset_done(&uids);
    return until;
}

static int known_uids(struct session *s, const struct ph_cmd_select *c, const struct mailbox_state *st,
                      struct ph_numset *known, struct ph_err *err)
{
    if (c->known_uids.text.p ? ph_numset_parse(known, c->known_uids.text, st->uidnext - 1, 100000, err)
                             : st->uidnext > 1 && ph_numset_add_range(known, 1, st->uidnext - 1))
        return err->kind == PH_OK ? ph_fail_memory(err) : -1;
    return 0;
}

/* RFC 7162 3.2.5.1: what vanished, then what changed. */
static int resync(struct session *s, const struct ph_cmd_select *c, struct ph_err *err)
{
    struct view *v = s->view;
    struct ph_numset known = PH_NUMSET_INIT, vanished = PH_NUMSET_INIT;
    struct mailbox_state st;
    struct mailbox_row rows[64];
    uint32_t after = 0, until = matched_until(s, c);
    size_t n;
    int rc = -1;

    mailbox_get_state(v->mailbox, &st);
    if (!st.real_modseq || c->uidvalidity != st.uidvalidity)
        return 0; /* the client starts afresh */
    if (known_uids(s, c, &st, &known, err) || sync_vanished_since(s, c->modseq, &known, &vanished, err))
        goto out;
    if (until && ph_numset_remove_range(&vanished, 1, until)) { /* flags below may have changed all the same */
        ph_fail_memory(err);
        goto out;
    }
    ph_write_vanished(&s->w, true, &vanished);
    while ((n = mailbox_rows(v->mailbox, after, c->modseq ? c->modseq : 1, rows, 64)) > 0)
        for (size_t i = 0; i < n; i++) {
            after = rows[i].uid;
            if (!c->known_uids.text.p || ph_numset_contains(&known, after)) /* RFC 7162 3.2.5.1 */
                sync_tell_row(s, &rows[i], true, true);
            if (session_push(s))
                goto out;
        }
    rc = 0;
out:
    ph_numset_done(&known);
    ph_numset_done(&vanished);
    return rc;
}

static int may_write(struct session *s, struct ph_session *store, const char *name, bool *write, struct ph_err *err)
{
    char rights[32];

    *write = store->ops->abilities(store) & PH_AB_WRITE;
    if (!store->ops->serve || !store->ops->serve->my_rights)
        return 0;
    if (store->ops->serve->my_rights(store, name, rights, err))
        return -1;
    if (!strchr(rights, 'r'))
        return ph_fail(err, PH_SCOPE_FOLDER, strchr(rights, 'l') ? PH_E_PERMISSION : PH_E_NOTFOUND,
                       strchr(rights, 'l') ? "You may not read this mailbox" : "No such mailbox");
    *write = *write && strpbrk(rights, "swtiexc"); /* RFC 4314 5.1.2: any of them makes it READ-WRITE */
    return 0;
}

static int select_mailbox(struct session *s, struct ph_command *c, bool examine, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, c->select.mailbox, err);
    bool had = s->view, write = false;

    session_deselect(s); /* a SELECT that fails leaves nothing selected */
    if (had) { /* RFC 9051 7.1: what comes now is about the new one */
        ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
        ph_write_code(&s->w, PH_CODE_CLOSED);
        ph_write_status_end(&s->w, PH_STR("The previous mailbox is closed"));
    }
    struct ph_session *store = name ? session_store(s, err) : NULL;
    if (!store || may_write(s, store, name, &write, err))
        return -1;
    if (c->select.qresync && !(s->enabled & PH_EN_QRESYNC))
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "QRESYNC wants ENABLE QRESYNC first");
    if (c->select.condstore)
        s->enabled |= PH_EN_CONDSTORE;
    s->view = new_view(s, name, examine || !write, store, err);
    if (!s->view)
        return -1;
    if (!(s->enabled & PH_EN_REV2) &&
        mailbox_recent(s->view->mailbox, store, !s->view->read_only, &s->view->recent, err)) {
        session_deselect(s);
        return -1;
    }
    tell_state(s, store);
    if (c->select.qresync && resync(s, &c->select, err)) {
        session_deselect(s);
        return -1;
    }
    session_set_state(s, PH_ST_SELECTED);
    session_ok_code(s, c, s->view->read_only ? PH_STR("READ-ONLY") : PH_STR("READ-WRITE"),
                    examine ? "EXAMINE completed" : "SELECT completed");
    return 0;
}

int cmd_select(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return select_mailbox(s, c, false, err);
}

int cmd_examine(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return select_mailbox(s, c, true, err);
}

int cmd_unselect(struct session *s, struct ph_command *c, struct ph_err *err)
{
    session_deselect(s);
    session_ok(s, c, "UNSELECT completed");
    return 0;
}

int cmd_close(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_numset gone = PH_NUMSET_INIT;
    uint64_t modseq = 0;
    int rc = 0;

    /* RFC 4314 4: without the right to expunge it closes all the same */
    if (!s->view->read_only && session_need_right(s, s->view->name, 'e', err) == 0)
        rc = expunge_marked(s, NULL, &gone, &modseq, err);
    ph_numset_done(&gone);
    if (rc && err->scope > PH_SCOPE_FOLDER)
        return -1;
    session_deselect(s);
    /* no HIGHESTMODSEQ: changes of others may have come before it, of which the client was not told (RFC 7162 3.2.8) */
    session_ok(s, c, "CLOSE completed");
    return 0;
}
