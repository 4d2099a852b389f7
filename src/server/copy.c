/* copy.c: COPY and MOVE (RFC 9051 6.4.7, 6.4.8; UIDPLUS, RFC 4315; RFC 6851). */
#include "server/batch.h"
#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "wire/respond.h"

/* TRYCREATE where the destination is what is missing (RFC 9051 6.4.7), and not the mailbox that is selected. */
static int no_destination(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_err ignored;
    const char *to = session_mailbox_name(s, c->copy.mailbox, &ignored);
    struct ph_session *store = err->kind == PH_E_NOTFOUND && to ? session_store(s, &ignored) : NULL;
    struct ph_folder f = { .name = to }, *one = &f;

    if (!store || store->ops->status(store, &one, 1, &ignored) || f.status_err.kind != PH_E_NOTFOUND)
        return -1;
    session_no(s, c, "TRYCREATE", err->text);
    return 0;
}

static void copyuid(struct ph_writer *w, const struct ph_copy_result *r)
{
    ph_write_raw(w, "COPYUID ");
    ph_write_u64(w, r->uidvalidity);
    ph_write_char(w, ' ');
    ph_write_uids(w, r->from, r->n);
    ph_write_char(w, ' ');
    ph_write_uids(w, r->to, r->n);
}

/* 1: answered already. *lowest: of a move, as of session_limit_uids. */
static int copy(struct session *s, struct ph_command *c, bool move, struct ph_copy_result *r, uint32_t *lowest,
                struct ph_err *err)
{
    struct view *v = s->view;
    struct ph_session *store = session_store(s, err);
    const char *to = session_mailbox_name(s, c->copy.mailbox, err);
    const struct ph_serve_ops *serve = store ? store->ops->serve : NULL;
    struct ph_numset uids = PH_NUMSET_INIT;
    int rc = -1;

    if (!store || !to || session_set_uids(s, &c->copy.set, c->uid, &uids, err) ||
        session_limit_uids(s, &uids, lowest, err))
        goto out;
    if (*lowest && !move) { /* all or nothing */
        session_no_limit(s, c, s->server->config.limits.messages, *lowest, "Too many messages to copy");
        rc = 1;
        goto out;
    }
    if (ph_numset_empty(&uids)) { /* UIDs that do not exist: nothing to do, and that is fine */
        rc = 0;
    } else if (move && !(serve && serve->copy && serve->abilities && (serve->abilities(store) & PH_SV_MOVE))) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "Messages cannot be moved here");
    } else if (serve && serve->copy) {
        rc = serve->copy(store, v->name, v->uidvalidity, &uids, to, move, r, err);
        if (rc == 0 && r->n == 0) { /* all of them went away meanwhile: an OK would say that they are there now */
            session_no(s, c, "EXPUNGEISSUED", "The messages are gone");
            ph_copy_result_done(r);
            rc = 1;
        }
    } else if (store->ops->copy) {
        rc = store->ops->copy(store, v->name, v->uidvalidity, &uids, to, err);
    } else {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "Messages cannot be copied here");
    }
    if (rc == 0) {
        mailbox_changed(s->user, to);
        if (move)
            mailbox_touch(v->mailbox);
    }
out:
    ph_numset_done(&uids);
    return rc;
}

int cmd_copy(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_copy_result r = { 0 };
    uint32_t lowest;
    int rc = copy(s, c, false, &r, &lowest, err);

    if (rc)
        return rc > 0 ? 0 : no_destination(s, c, err);
    if (r.n) {
        struct ph_writer code;
        ph_writer_init(&code, PH_LITERAL_SYNC);
        copyuid(&code, &r);
        session_ok_code(s, c, ph_buf_str(&code.out), "COPY completed");
        ph_writer_done(&code);
    } else {
        session_ok(s, c, "COPY completed");
    }
    ph_copy_result_done(&r);
    return 0;
}

int cmd_move(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_copy_result r = { 0 };
    uint32_t lowest;
    int rc;

    if (s->view->read_only)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "The mailbox is open read-only");
    rc = copy(s, c, true, &r, &lowest, err);
    if (rc)
        return rc > 0 ? 0 : no_destination(s, c, err);
    if (r.n) { /* RFC 6851 4.3: before the EXPUNGEs, because the client needs it to know what they mean */
        ph_write_raw(&s->w, "* OK [");
        copyuid(&s->w, &r);
        ph_write_raw(&s->w, "] Moved");
        ph_write_crlf(&s->w);
    }
    rc = session_sync(s, SYNC_EXPUNGE, err);
    if (rc == 0 && !s->closing) {
        if (lowest) {
            session_ok_limit(s, c, s->server->config.limits.messages, lowest, "MOVE completed for the last of the messages");
        } else if ((s->enabled & PH_EN_QRESYNC) && r.modseq) { /* RFC 7162 3.2.8 */
            struct ph_writer code;
            ph_writer_init(&code, PH_LITERAL_SYNC);
            ph_write_raw(&code, "HIGHESTMODSEQ ");
            ph_write_u64(&code, r.modseq);
            session_ok_code(s, c, ph_buf_str(&code.out), "MOVE completed");
            ph_writer_done(&code);
        } else {
            session_ok(s, c, "MOVE completed");
        }
    }
    ph_copy_result_done(&r);
    return rc;
}
