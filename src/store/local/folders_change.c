/* folders_change.c: folders are made, renamed, removed, subscribed to. */
#include <stdlib.h>
#include <string.h>

#include "store/local/account.h"
#include "store/local/rows.h"
#include "wire/utf8.h"

/* Not empty, no level of it empty, no control characters, UTF-8. */
static bool name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > LOCAL_NAME_MAX || name[0] == '/' || name[n - 1] == '/' || !ph_utf8_valid(ph_str(name)))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || (name[i] == '/' && name[i + 1] == '/'))
            return false;
    /* the place where the folders of others stand */
    return strcmp(name, "Other Users") != 0 && !ph_str_prefix(ph_str(name), LOCAL_OTHERS);
}

static int bad_name(const char *name, struct ph_err *err)
{
    int r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "not a name for a folder: %s", name);

    if (err)
        memcpy(err->code, "CANNOT", 7);
    return r;
}

static int exists_already(const char *name, struct ph_err *err)
{
    int r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_EXISTS, "%s exists", name);

    if (err)
        memcpy(err->code, "ALREADYEXISTS", 14);
    return r;
}

/* ---- creating ---- */

/* The nearest folder above that is there; *id 0: none. */
static int find_parent(struct local_db *db, const struct local_where *w, const char *name, struct local_mailbox *m,
                       struct ph_err *err)
{
    struct local_where up = *w;
    char *copy = strdup(name), *slash;
    struct ph_err why = { 0 };
    int r = 0;

    m->id = 0;
    m->rights = w->foreign ? 0 : R_ALL;
    if (!copy)
        return ph_fail_memory(err);
    up.name = copy;
    up.foreign = false;
    while (!m->id && !r && (slash = strrchr(copy, '/'))) {
        *slash = '\0';
        if (ph_str_caseis(ph_str(copy), "INBOX"))
            memcpy(copy, "INBOX", 5);
        if (ph_local_find(db, &up, 0, m, &why) == 0)
            r = ph_local_rights(db, m->id, w, &m->rights, err);
        else if (why.kind != PH_E_NOTFOUND)
            r = err ? *err = why, -1 : -1;
        else
            m->id = 0;
    }
    free(copy);
    return r;
}

static int make(struct local_user *u, struct local_db *db, const char *name, uint32_t special, uint8_t noselect,
                const struct local_mailbox *parent, struct ph_err *err)
{
    int64_t id;

    if (ph_local_quota_mailboxes(u, db, err) || ph_local_mailbox_make(u, db, name, special, noselect, &id, err))
        return -1;
    if (!parent->id)
        return 0;
    /* rights are those of the folder above */
    return local_exec(db, err, "INSERT INTO acl(mailbox, identifier, rights) SELECT ?1, identifier, rights FROM acl"
                               " WHERE mailbox = ?2", LI(id), LI(parent->id));
}

/* The folder, and the names above it that are missing; nobody asked for mailboxes there, so they hold no mail. */
static int make_path(struct local_user *u, struct local_db *db, const struct local_where *w, const char *name,
                     uint32_t special, struct ph_err *err)
{
    struct local_mailbox parent;
    char *part = NULL;
    int r = 0;

    if (find_parent(db, w, name, &parent, err))
        return -1;
    if (!(parent.rights & R_CREATE))
        return parent.id && parent.rights & R_LOOKUP ? ph_local_denied(err) : ph_local_no_folder(name, err);
    for (const char *slash = name; !r && (slash = strchr(slash, '/')); slash++) {
        int64_t there;
        free(part);
        part = strndup(name, (size_t)(slash - name));
        if (!part)
            return ph_fail_memory(err);
        r = local_number(db, err, &there, "SELECT 1 FROM mailbox WHERE name = ?1", LT(part));
        if (r == 0 && !ph_str_caseis(ph_str(part), "INBOX"))
            r = make(u, db, part, 0, LOCAL_NAME, &parent, err);
        else if (r > 0)
            r = 0;
    }
    free(part);
    return r ? -1 : make(u, db, name, special, 0, &parent, err);
}

struct creating {
    struct local_where w;
    uint32_t special;
};

static int run_create(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct creating *c = ctx;
    struct local_mailbox m;
    struct local_where plain = c->w;
    struct ph_err why = { 0 };

    plain.foreign = false;
    if (ph_local_find(db, &plain, 0, &m, &why)) {
        if (why.kind != PH_E_NOTFOUND)
            return *err = why, -1;
        return make_path(u, db, &c->w, c->w.name, c->special, err);
    }
    if (ph_local_rights(db, m.id, &c->w, &m.rights, err))
        return -1;
    if (!m.noselect)
        return exists_already(c->w.name, err);
    if (!(m.rights & R_CREATE))
        return ph_local_denied(err);
    /* a name that stayed for its children becomes a mailbox again, another one */
    m.noselect = 0;
    m.special = c->special;
    m.uidvalidity = ++u->state.uidvalidity;
    m.uidnext = m.recent = 1;
    u->state.folders_at = m.modseq = ph_local_next_modseq(u);
    return ph_local_mailbox_save(db, &m, err);
}

int ph_local_create(struct ph_session *base, const char *const *names, const uint32_t *special, size_t n,
                    struct ph_err *results, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct creating *c = n ? calloc(n, sizeof *c) : NULL;
    struct local_op *op = n ? calloc(n, sizeof *op) : NULL;
    int r = n && (!c || !op) ? ph_fail_memory(err) : ph_local_begin(s, err);

    for (size_t i = 0; !r && i < n; i++) {
        ph_err_clear(&results[i]);
        if (ph_local_where(s, names[i], &c[i].w, &results[i]))
            continue;
        c[i].special = special ? special[i] & PH_MA_SPECIAL & ~(uint32_t)PH_MA_INBOX : 0;
        if (!name_ok(c[i].w.name)) {
            bad_name(names[i], &results[i]);
            ph_local_where_done(&c[i].w);
            continue;
        }
        op[i] = (struct local_op){ .run = run_create, .ctx = &c[i] };
        ph_local_submit(c[i].w.u, &op[i]);
    }
    for (size_t i = 0; !r && i < n; i++)
        if (op[i].run) {
            ph_local_await(c[i].w.u, &op[i], &results[i]);
            ph_local_where_done(&c[i].w);
        }
    free(c);
    free(op);
    return r;
}

/* ---- removing ---- */

/* '0' stands behind '/'. */
static int has_children(struct local_db *db, const char *name, struct ph_err *err)
{
    int64_t n;
    int r = local_number(db, err, &n, "SELECT 1 FROM mailbox WHERE name > ?1 || '/' AND name < ?1 || '0' LIMIT 1", LT(name));

    return r;
}

static int empty_mailbox(struct local_user *u, struct local_db *db, struct local_mailbox *m, struct ph_err *err)
{
    struct local_message *row;
    struct local_walk walk;
    int r;

    ph_local_walk_init(&walk, db, m->id, NULL);
    while ((r = ph_local_walk_next(&walk, &row, err)) > 0)
        if (ph_local_message_remove(u, db, m, row, err))
            return -1;
    if (r)
        return -1;
    return local_exec(db, err, "DELETE FROM gone WHERE mailbox = ?1", LI(m->id)) ||
                   local_exec(db, err, "DELETE FROM annotation WHERE mailbox = ?1", LI(m->id))
               ? -1
               : 0;
}

static int remove_row(struct local_db *db, int64_t id, struct ph_err *err)
{
    return local_exec(db, err, "DELETE FROM acl WHERE mailbox = ?1", LI(id)) ||
                   local_exec(db, err, "DELETE FROM mailbox WHERE id = ?1", LI(id))
               ? -1
               : 0;
}

/* The removed names above one that has gone, as far as nothing is below them any more. */
static int remove_above(struct local_db *db, const char *name, struct ph_err *err)
{
    char *above = strdup(name), *slash;
    int64_t id;
    int r = 0;

    if (!above)
        return ph_fail_memory(err);
    while (r == 0 && (slash = strrchr(above, '/'))) {
        *slash = '\0';
        r = local_number(db, err, &id, "SELECT id FROM mailbox WHERE name = ?1 AND noselect = ?2", LT(above), LI(LOCAL_REMOVED));
        if (r <= 0 || (r = has_children(db, above, err)) != 0)
            break;
        r = remove_row(db, id, err);
    }
    free(above);
    return r < 0 ? -1 : 0;
}

static int run_remove(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    const struct local_where *w = ctx;
    struct local_mailbox m;

    if (ph_local_find(db, w, R_DELETE, &m, err))
        return -1;
    if (strcmp(w->name, "INBOX") == 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "INBOX cannot be removed");
    int children = has_children(db, w->name, err);
    if (children < 0)
        return -1;
    if (children && m.noselect) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "%s has folders below it", w->name);
        memcpy(err->code, "HASCHILDREN", 12);
        return -1;
    }
    if (empty_mailbox(u, db, &m, err))
        return -1;
    u->state.folders_at = m.modseq = ph_local_next_modseq(u);
    if (children) {
        m.noselect = LOCAL_REMOVED;
        m.special = 0;
        return ph_local_mailbox_save(db, &m, err);
    }
    return remove_row(db, m.id, err) ? -1 : remove_above(db, w->name, err);
}

int ph_local_remove(struct ph_session *base, const char *name, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct local_where w;

    ph_local_bodies_end(s);
    if (ph_local_begin(s, err) || ph_local_where(s, name, &w, err))
        return -1;
    int r = ph_local_do(w.u, run_remove, &w, false, err);
    ph_local_where_done(&w);
    return r;
}

/* ---- renaming ---- */

struct renaming {
    struct local_where from, to;
};

/* What is in INBOX goes into a new folder; INBOX stays, empty, and what is below it too (RFC 9051 6.3.6). */
static int rename_inbox(struct local_user *u, struct local_db *db, const struct renaming *x, struct local_mailbox *inbox,
                        struct ph_err *err)
{
    struct ph_numset gone = PH_NUMSET_INIT;
    struct local_mailbox to;
    struct local_walk walk;
    struct local_message *m;
    int r;

    if (make_path(u, db, &x->to, x->to.name, 0, err) || ph_local_find(db, &x->to, 0, &to, err))
        return -1;
    ph_local_walk_init(&walk, db, inbox->id, NULL);
    while ((r = ph_local_walk_next(&walk, &m, err)) > 0)
        if (ph_numset_add(&gone, m->uid)) {
            r = ph_fail_memory(err);
            break;
        }
    uint64_t modseq = ph_local_next_modseq(u);
    if (!r)
        r = local_exec(db, err, "UPDATE message SET id = ?1 + (id & 4294967295), modseq = ?2 WHERE id BETWEEN ?3 AND ?4",
                       LI(local_id(to.id, 0)), LI(modseq), LI(local_id(inbox->id, 0)), LI(local_id(inbox->id, UINT32_MAX)));
    to.messages = inbox->messages, to.unseen = inbox->unseen, to.deleted = inbox->deleted;
    to.size = inbox->size, to.deleted_size = inbox->deleted_size;
    to.uidnext = inbox->uidnext, to.recent = inbox->recent;
    inbox->messages = inbox->unseen = inbox->deleted = 0;
    inbox->size = inbox->deleted_size = 0;
    to.modseq = inbox->modseq = modseq;
    if (!r)
        r = ph_local_gone(u, db, inbox, &gone, modseq, err) || ph_local_mailbox_save(db, inbox, err) ||
                    ph_local_mailbox_save(db, &to, err)
                ? -1
                : 0;
    ph_numset_done(&gone);
    return r;
}

static int run_rename(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    const struct renaming *x = ctx;
    const char *from = x->from.name, *to = x->to.name;
    struct local_mailbox m, parent;
    int64_t there, longest;

    if (ph_local_find(db, &x->from, R_DELETE, &m, err))
        return -1;
    int r = local_number(db, err, &there, "SELECT 1 FROM mailbox WHERE name = ?1", LT(to));
    if (r)
        return r < 0 ? -1 : exists_already(to, err);
    size_t n = strlen(from);
    if (strcmp(from, "INBOX") == 0)
        return rename_inbox(u, db, x, &m, err);
    if (!name_ok(to) || (strncmp(to, from, n) == 0 && to[n] == '/'))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "%s cannot become %s", from, to);
    if (local_number(db, err, &longest, "SELECT max(length(CAST(name AS BLOB))) FROM mailbox WHERE name > ?1 || '/' AND"
                                        " name < ?1 || '0'", LT(from)) < 0)
        return -1;
    if (longest - (int64_t)n + (int64_t)strlen(to) > LOCAL_NAME_MAX)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "a folder below would get too long a name");
    /* the way there is made by making the folder, which then gives way */
    if (find_parent(db, &x->to, to, &parent, err) || make_path(u, db, &x->to, to, 0, err) ||
        local_exec(db, err, "DELETE FROM acl WHERE mailbox = (SELECT id FROM mailbox WHERE name = ?1)", LT(to)) ||
        local_exec(db, err, "DELETE FROM mailbox WHERE name = ?1", LT(to)))
        return -1;
    uint64_t now = u->state.folders_at = ph_local_next_modseq(u);
    if (local_exec(db, err,
                   "UPDATE mailbox SET name = ?2 || substr(name, length(?1) + 1), changed = ?3"
                   " WHERE name = ?1 OR (name > ?1 || '/' AND name < ?1 || '0')",
                   LT(from), LT(to), LI(now)))
        return -1;
    return remove_above(db, from, err);
}

int ph_local_rename(struct ph_session *base, const char *from, const char *to, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct renaming x;
    int r;

    ph_local_bodies_end(s);
    if (ph_local_begin(s, err) || ph_local_where(s, from, &x.from, err))
        return -1;
    if (ph_local_where(s, to, &x.to, err)) {
        ph_local_where_done(&x.from);
        return -1;
    }
    if (x.from.u != x.to.u)
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "a folder cannot be given to another user by renaming it");
    else if (!name_ok(x.to.name))
        r = bad_name(to, err);
    else
        r = ph_local_do(x.from.u, run_rename, &x, false, err);
    ph_local_where_done(&x.from);
    ph_local_where_done(&x.to);
    return r;
}

/* ---- subscriptions ---- */

struct subscribing {
    const char *name;
    bool on, exists;
};

static int run_subscribe(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    const struct subscribing *x = ctx;
    int r = x->on ? local_exec(db, err, "INSERT OR IGNORE INTO subscription(name) VALUES(?1)", LT(x->name))
                  : local_exec(db, err, "DELETE FROM subscription WHERE name = ?1", LT(x->name));

    if (r)
        return -1;
    if (sqlite3_changes(db->h) == 0)
        return x->exists ? 0 : ph_local_no_folder(x->name, err);
    u->state.subs_at = ph_local_next_modseq(u);
    return 0;
}

static int subscribe_one(struct local_session *s, const char *name, bool on, struct ph_err *err)
{
    struct subscribing x = { .name = ph_str_caseis(ph_str(name), "INBOX") ? "INBOX" : name, .on = on };
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;
    int r = ph_local_where(s, name, &w, err);

    if (!r) {
        r = ph_local_read_begin(w.u, &db, err);
        if (!r) {
            r = ph_local_find(db, &w, R_LOOKUP, &m, err);
            ph_local_read_end(w.u, db);
        }
        ph_local_where_done(&w);
    }
    x.exists = r == 0;
    if (r && (on || (err && err->kind != PH_E_NOTFOUND)))
        return -1;
    ph_err_clear(err);
    if (ph_local_enter(s->user, err))
        return -1;
    r = ph_local_do(s->user, run_subscribe, &x, false, err);
    ph_local_leave(s->user);
    return r;
}

int ph_local_subscribe(struct ph_session *base, const char *const *names, size_t n, bool on, struct ph_err *results,
                       struct ph_err *err)
{
    struct local_session *s = local_session(base);

    if (ph_local_begin(s, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        ph_err_clear(&results[i]);
        subscribe_one(s, names[i], on, &results[i]);
    }
    return 0;
}
