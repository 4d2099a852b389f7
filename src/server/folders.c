/* folders.c: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 6.3.4 to 6.3.8; CREATE-SPECIAL-USE 6154 3; OBJECTID 8474 4.1; the
 * codes of RFC 5530). */
#include <string.h>

#include "server/commands.h"
#include "server/names.h"
#include "server/notify.h"
#include "server/rights.h"
#include "server/sync.h"
#include "server/user.h"
#include "wire/respond.h"

static int refuse(struct ph_err *err, enum ph_kind kind, const char *code, const char *text)
{
    ph_fail(err, PH_SCOPE_FOLDER, kind, "%s", text);
    if (err) {
        size_t n = strlen(code);
        memcpy(err->code, code, n + 1);
    }
    return -1;
}

static int unsupported(struct ph_err *err)
{
    return refuse(err, PH_E_UNSUPPORTED, "CANNOT", "The store of these mailboxes cannot do that");
}

/* ---- CREATE ---- */

static int take_uses(struct session *s, const struct ph_words *use, uint32_t *special, struct ph_err *err)
{
    *special = 0;
    for (size_t i = 0; i < use->n; i++) {
        uint32_t found = 0;
        for (uint32_t bit = PH_MA_ALL; bit < PH_MA_INBOX; bit <<= 1) {
            const char *word = ph_mailbox_attr(bit);
            if (word && ph_str_caseis(use->w[i], word))
                found = bit;
        }
        if (!found || !(s->user->abilities & PH_AB_SPECIAL_USE))
            return refuse(err, PH_E_REFUSED, "USEATTR", "There is no such use of a mailbox here");
        *special |= found;
    }
    return 0;
}

static void answer_created(struct session *s, struct ph_command *c, struct ph_session *ps, const char *name)
{
    struct ph_folder f = { .name = name, .size = UINT64_MAX }, *one = &f;
    struct ph_writer code;
    struct ph_err ignored;

    if (!(s->user->abilities & PH_AB_OBJECTID) || !ps->ops->status || ps->ops->status(ps, &one, 1, &ignored) ||
        f.status_err.kind != PH_OK || !f.mailboxid) {
        session_ok(s, c, "CREATE completed");
        return;
    }
    ph_writer_init(&code, PH_LITERAL_ANSWER);
    ph_write_raw(&code, "MAILBOXID (");
    ph_write_bytes(&code, ph_str(f.mailboxid));
    ph_write_char(&code, ')');
    session_ok_code(s, c, code.failed ? PH_STR_NIL : ph_buf_str(&code.out), "CREATE completed");
    ph_writer_done(&code);
}

static int create(struct session *s, struct ph_session *ps, const char *name, uint32_t special, struct ph_err *err)
{
    struct notify_doing doing = { .name = name, .what = PH_WATCH_FOLDERS };
    struct ph_err result = { 0 };

    if (!ps->ops->create)
        return unsupported(err);
    notify_begin(s, &doing);
    int r = ps->ops->create(ps, &name, &special, 1, &result, err);
    notify_end(s, &doing);
    if (r)
        return -1;
    if (result.kind == PH_OK)
        return 0;
    *err = result;
    return -1;
}

int cmd_create(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *name = names_new(s, c->mailbox.name, err);
    struct ph_session *ps = name ? session_store(s, err) : NULL;
    uint32_t special;

    if (!ps)
        return -1;
    if (strcmp(name, "INBOX") == 0)
        return refuse(err, PH_E_EXISTS, "ALREADYEXISTS", "INBOX exists already");
    if (take_uses(s, &c->mailbox.use, &special, err) || rights_check_parent(s, name, err) ||
        create(s, ps, name, special, err))
        return -1;
    names_tell_old(s, c->mailbox.name, name, 0);
    answer_created(s, c, ps, name);
    return 0;
}

/* ---- DELETE ---- */

/* Is there anything below the name? And is there the name itself, as something that only has children? */
static int look_below(struct ph_session *ps, const char *name, bool *children, bool *itself, struct ph_err *err)
{
    struct ph_folder_list l;
    size_t n = strlen(name);

    *children = *itself = false;
    if (ps->ops->list(ps, false, &l, err))
        return -1;
    for (size_t i = 0; i < l.n; i++) {
        const struct ph_folder *f = &l.f[i];
        if (strncmp(f->name, name, n) != 0 || f->attrs & PH_MA_NONEXISTENT)
            continue;
        *itself |= !f->name[n];
        *children |= f->delim && f->name[n] == f->delim;
    }
    ph_folder_list_done(&l);
    return 0;
}

/* RFC 9051 6.3.5: a name that is only there for those below it stays while they do. */
static int check_children(struct ph_session *ps, const char *name, struct ph_err *err)
{
    struct ph_folder f = { .name = name, .size = UINT64_MAX }, *one = &f;
    struct ph_err ignored;
    bool children, itself;

    if (ps->ops->status && ps->ops->status(ps, &one, 1, &ignored) == 0 && f.status_err.kind == PH_OK)
        return 0; /* it can be selected: those below it will remain */
    if (look_below(ps, name, &children, &itself, err))
        return -1;
    if (children)
        return refuse(err, PH_E_REFUSED, "HASCHILDREN", "There are mailboxes below this name");
    return itself ? 0 : refuse(err, PH_E_NOTFOUND, "NONEXISTENT", "There is no such mailbox");
}

int cmd_delete(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, c->mailbox.name, err);
    struct ph_session *ps = name ? session_store(s, err) : NULL;

    if (!ps)
        return -1;
    if (strcmp(name, "INBOX") == 0)
        return refuse(err, PH_E_REFUSED, "CANNOT", "INBOX cannot be deleted");
    if (!ps->ops->remove)
        return unsupported(err);
    if (check_children(ps, name, err) || rights_check(s, c->id, name, err))
        return -1;
    struct notify_doing doing = { .name = name, .what = PH_WATCH_FOLDERS };
    notify_begin(s, &doing);
    int r = ps->ops->remove(ps, name, err);
    notify_end(s, &doing);
    if (r)
        return -1;
    if (s->view && strcmp(s->view->name, name) == 0)
        session_deselect(s); /* the client knows that it is gone: no reason to say goodbye */
    mailbox_changed(s->user, name);
    names_tell_old(s, c->mailbox.name, name, PH_MA_NONEXISTENT);
    session_ok(s, c, "DELETE completed");
    return 0;
}

/* ---- RENAME ---- */

/* INBOX stays; what is in it goes into a new mailbox (RFC 9051 6.3.6). */
static int move_all(struct session *s, struct ph_session *ps, const char *to, struct ph_err *err)
{
    const struct ph_serve_ops *serve = s->user->serve;
    struct ph_scan_request req = { .want = PH_WANT_FLAGS };
    struct ph_numset uids = PH_NUMSET_INIT;
    struct ph_copy_result res = { 0 };
    struct ph_snapshot snap;
    int r;

    ph_snapshot_init(&snap);
    r = ps->ops->scan_begin(ps, "INBOX", &req, &snap, err) || ps->ops->scan_wait(ps, &snap, err) ? -1 : 0;
    for (size_t i = 0; r == 0 && i < snap.n; i++)
        if (ph_numset_push(&uids, ph_snapshot_row(&snap, i)->uid, ph_snapshot_row(&snap, i)->uid))
            r = ph_fail_memory(err);
    ph_numset_sort(&uids);
    if (r == 0 && uids.n) {
        if (serve->copy && s->user->serve_abilities & PH_SV_MOVE)
            r = serve->copy(ps, "INBOX", snap.uidvalidity, &uids, to, true, &res, err);
        else if (ps->ops->copy && ps->ops->expunge && s->user->abilities & PH_AB_UID_EXPUNGE)
            r = ps->ops->copy(ps, "INBOX", snap.uidvalidity, &uids, to, err) ||
                        ps->ops->expunge(ps, "INBOX", snap.uidvalidity, &uids, false, err)
                    ? -1
                    : 0;
        else
            r = unsupported(err);
    }
    ph_copy_result_done(&res);
    ph_snapshot_done(&snap);
    ph_numset_done(&uids);
    return r;
}

/* RFC 5464 4.1: annotations of INBOX are copied to its new name. */
static void copy_notes(struct session *s, struct ph_session *ps, const char *to)
{
    static const char *const all[] = { "/shared", "/private" };
    const struct ph_serve_ops *serve = s->user->serve;
    struct ph_annotation *a;
    struct ph_err ignored;
    size_t n;

    if (serve->get_metadata && serve->set_metadata &&
        serve->get_metadata(ps, "INBOX", all, 2, UINT32_MAX, &s->arena, &a, &n, &ignored) == 0 && n)
        serve->set_metadata(ps, to, a, n, &ignored);
}

static int rename_inbox(struct session *s, struct ph_session *ps, const char *to, struct ph_err *err)
{
    struct ph_err ignored;

    if (create(s, ps, to, 0, err))
        return -1;
    if (move_all(s, ps, to, err)) {
        /* Nothing has been moved, or everything has and the rest failed: a mailbox with messages in it stays. */
        struct ph_folder f = { .name = to, .size = UINT64_MAX }, *one = &f;
        if (ps->ops->remove && ps->ops->status && ps->ops->status(ps, &one, 1, &ignored) == 0 &&
            f.status_err.kind == PH_OK && f.messages == 0)
            ps->ops->remove(ps, to, &ignored);
        return -1;
    }
    copy_notes(s, ps, to);
    mailbox_changed(s->user, "INBOX");
    return 0;
}

static int check_rename(struct session *s, const char *from, const char *to, char delim, struct ph_err *err)
{
    size_t n = strlen(from);

    if (strcmp(to, "INBOX") == 0 || strcmp(from, to) == 0)
        return refuse(err, PH_E_EXISTS, "ALREADYEXISTS", "There is a mailbox of this name");
    if (strcmp(from, "INBOX") != 0 && delim && strncmp(from, to, n) == 0 && to[n] == delim)
        return refuse(err, PH_E_USAGE, "CANNOT", "A mailbox cannot be moved below itself");
    return rights_check(s, PH_CMD_RENAME, from, err) || rights_check_parent(s, to, err) ? -1 : 0;
}

int cmd_rename(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *from = session_mailbox_name(s, c->mailbox.name, err);
    const char *to = from ? names_new(s, c->mailbox.to, err) : NULL;
    struct ph_session *ps = to ? session_store(s, err) : NULL;
    char delim;

    if (!ps || names_delim(s, from, &delim, err) || check_rename(s, from, to, delim, err))
        return -1;
    if (strcmp(from, "INBOX") == 0) {
        if (rename_inbox(s, ps, to, err))
            return -1;
    } else {
        if (!ps->ops->rename)
            return unsupported(err);
        struct notify_doing doing = { .name = from, .to = to, .delim = delim, .what = PH_WATCH_FOLDERS };
        notify_begin(s, &doing);
        int r = ps->ops->rename(ps, from, to, err);
        notify_end(s, &doing);
        if (r)
            return -1;
        mailbox_renamed(s->user, from, to, delim);
        view_follow(s);
    }
    names_tell_old(s, c->mailbox.to, to, 0);
    session_ok(s, c, "RENAME completed");
    return 0;
}

/* ---- subscriptions ---- */

static int subscribe(struct session *s, struct ph_command *c, bool on, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, c->mailbox.name, err);
    struct ph_session *ps = name ? session_store(s, err) : NULL;
    struct ph_err result = { 0 };

    if (!ps)
        return -1;
    if (!ps->ops->subscribe)
        return unsupported(err);
    if (on && rights_check(s, c->id, name, err))
        return -1;
    struct notify_doing doing = { .name = name, .what = PH_WATCH_SUBSCRIPTIONS };
    notify_begin(s, &doing);
    int r = ps->ops->subscribe(ps, &name, 1, on, &result, err);
    notify_end(s, &doing);
    if (r)
        return -1;
    if (result.kind != PH_OK) {
        *err = result;
        return -1;
    }
    session_ok(s, c, on ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed");
    return 0;
}

int cmd_subscribe(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return subscribe(s, c, true, err);
}

int cmd_unsubscribe(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return subscribe(s, c, false, err);
}
