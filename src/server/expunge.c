/* expunge.c: EXPUNGE and UID EXPUNGE (RFC 9051 6.4.3, 6.4.9; RFC 4315). */
#include "server/batch.h"
#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "wire/respond.h"

/* The messages marked deleted among `uids` (NULL: all), as far as the rows know. */
static int marked(struct session *s, const struct ph_numset *uids, struct ph_numset *out)
{
    struct mailbox_row rows[256];
    uint32_t after = 0;
    size_t n;

    while ((n = mailbox_rows(s->view->mailbox, after, 0, rows, 256)) > 0)
        for (size_t i = 0; i < n; i++) {
            after = rows[i].uid;
            if ((rows[i].flags & PH_F_DELETED) && (!uids || ph_numset_contains(uids, after)) &&
                ph_numset_add(out, after))
                return -1;
        }
    return 0;
}

int expunge_marked(struct session *s, const struct ph_numset *uids, struct ph_numset *gone, uint64_t *modseq,
                   struct ph_err *err)
{
    struct view *v = s->view;
    struct ph_session *store = session_store(s, err);
    const struct ph_serve_ops *serve = store ? store->ops->serve : NULL;
    int rc;

    if (!store)
        return -1;
    if (serve && serve->expunge_deleted) {
        rc = serve->expunge_deleted(store, v->name, v->uidvalidity, uids, gone, modseq, err);
    } else if (store->ops->expunge) {
        if (session_sync(s, SYNC_LOOK, err)) /* somebody may have taken \Deleted back */
            return -1;
        if (marked(s, uids, gone))
            return ph_fail_memory(err);
        rc = ph_numset_empty(gone) ? 0
                                   : store->ops->expunge(store, v->name, v->uidvalidity, gone, uids == NULL, err);
    } else {
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "Messages cannot be removed here");
    }
    mailbox_touch(v->mailbox);
    return rc;
}

/* RFC 9738 3.1: of UID EXPUNGE those that are marked deleted count; EXPUNGE has no limit. */
static int some(struct session *s, struct ph_numset *uids, uint32_t *lowest, struct ph_err *err)
{
    struct ph_numset those = PH_NUMSET_INIT;
    int rc;

    if (!s->server->config.limits.messages)
        return 0;
    rc = marked(s, uids, &those) ? ph_fail_memory(err) : session_limit_uids(s, &those, lowest, err);
    if (rc == 0 && *lowest > 1 && ph_numset_remove_range(uids, 1, *lowest - 1))
        rc = ph_fail_memory(err);
    ph_numset_done(&those);
    return rc;
}

int cmd_expunge(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_numset uids = PH_NUMSET_INIT, gone = PH_NUMSET_INIT;
    struct mailbox_state st;
    uint64_t modseq = 0;
    uint32_t lowest = 0;
    int rc = -1;

    if (s->view->read_only)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "The mailbox is open read-only");
    if (session_need_right(s, s->view->name, 'e', err) ||
        (c->uid && (session_set_uids(s, &c->copy.set, true, &uids, err) || some(s, &uids, &lowest, err))) ||
        expunge_marked(s, c->uid ? &uids : NULL, &gone, &modseq, err) || session_sync(s, SYNC_EXPUNGE, err))
        goto out;
    rc = 0;
    if (s->closing || !s->view)
        goto out;
    mailbox_get_state(s->view->mailbox, &st);
    if (lowest) {
        session_ok_limit(s, c, s->server->config.limits.messages, lowest, "EXPUNGE completed for the last of the messages");
    } else if ((s->enabled & PH_EN_QRESYNC) && st.real_modseq && !ph_numset_empty(&gone)) {
        struct ph_writer code; /* RFC 7162 3.2.7 */
        ph_writer_init(&code, PH_LITERAL_SYNC);
        ph_write_raw(&code, "HIGHESTMODSEQ ");
        ph_write_u64(&code, modseq ? modseq : st.modseq);
        session_ok_code(s, c, ph_buf_str(&code.out), "EXPUNGE completed");
        ph_writer_done(&code);
    } else {
        session_ok(s, c, "EXPUNGE completed");
    }
out:
    ph_numset_done(&uids);
    ph_numset_done(&gone);
    return rc;
}
