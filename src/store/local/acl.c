/* acl.c: rights of others on a user's mailboxes (RFC 4314), and the namespaces they are seen in (RFC 2342).
 *
 * The owner has all rights, always. Rights given to "anyone" and to the user add up; those given to "-user" and "-anyone"
 * are taken off. A new folder has the rights of the one above it. */
#include <stdlib.h>
#include <string.h>

#include "store/local/account.h"
#include "store/local/watch.h"

unsigned ph_local_rights_parse(const char *letters, bool *ok)
{
    static const char known[] = PH_RIGHTS_ALL;
    unsigned rights = 0;

    *ok = true;
    for (const char *p = letters; *p; p++) {
        const char *at = strchr(known, *p);
        if (at)
            rights |= 1u << (at - known);
        else if (*p == 'c') /* RFC 2086's: RFC 4314 2.1.1 */
            rights |= R_CREATE;
        else if (*p == 'd')
            rights |= R_DELETE | R_MARK | R_EXPUNGE;
        else
            *ok = false;
    }
    return rights;
}

void ph_local_rights_format(unsigned rights, char out[32])
{
    static const char known[] = PH_RIGHTS_ALL;
    size_t n = 0;

    for (size_t i = 0; known[i]; i++)
        if (rights & 1u << i)
            out[n++] = known[i];
    out[n] = '\0';
}

int ph_local_namespaces(struct ph_session *s, struct ph_arena *arena, struct ph_store_namespace **out, size_t *n,
                        struct ph_err *err)
{
    *n = 2;
    *out = ph_arena_alloc(arena, 2 * sizeof **out);
    if (!*out)
        return ph_fail_memory(err);
    (*out)[0] = (struct ph_store_namespace){ .kind = PH_NS_PERSONAL, .prefix = "", .delim = '/' };
    (*out)[1] = (struct ph_store_namespace){ .kind = PH_NS_OTHER, .prefix = LOCAL_OTHERS, .delim = '/' };
    return 0;
}

/* Look at a mailbox with one of several rights. */
static int find_with(struct local_session *s, const char *folder, unsigned any, struct local_where *w, struct local_db **db,
                     struct local_mailbox *m, struct ph_err *err)
{
    if (ph_local_begin(s, err) || ph_local_where(s, folder, w, err))
        return -1;
    int r = ph_local_read_begin(w->u, db, err);
    if (!r) {
        r = ph_local_find(*db, w, 0, m, err);
        if (!r && !(m->rights & any))
            r = m->rights & R_LOOKUP ? ph_local_denied(err) : ph_local_no_folder(folder, err);
        if (!r)
            return 0;
        ph_local_read_end(w->u, *db);
    }
    ph_local_where_done(w);
    return -1;
}

static int add_entry(struct ph_arena *arena, struct ph_acl_entry *e, const char *identifier, unsigned rights)
{
    char text[32];

    ph_local_rights_format(rights, text);
    e->identifier = ph_arena_strdup(arena, ph_str(identifier));
    e->rights = ph_arena_strdup(arena, ph_str(text));
    return e->identifier && e->rights ? 0 : -1;
}

int ph_local_get_acl(struct ph_session *base, const char *folder, struct ph_arena *arena, struct ph_acl_entry **out,
                     size_t *n, struct ph_err *err)
{
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;
    int64_t rows = 0;
    int r;

    *n = 0;
    if (find_with(local_session(base), folder, R_ADMIN, &w, &db, &m, err))
        return -1;
    r = local_number(db, err, &rows, "SELECT count(*) FROM acl WHERE mailbox = ?1", LI(m.id)) < 0 ? -1 : 0;
    *out = ph_arena_alloc(arena, ((size_t)rows + 1) * sizeof **out);
    if (!r && (!*out || add_entry(arena, &(*out)[(*n)++], w.u->name, R_ALL)))
        r = ph_fail_memory(err);
    sqlite3_stmt *st = r ? NULL : local_prepare(db, err, "SELECT identifier, rights FROM acl WHERE mailbox = ?1", LI(m.id));
    if (!r && !st)
        r = -1;
    while (!r && (r = ph_local_step(db, st, err)) > 0)
        r = add_entry(arena, &(*out)[(*n)++], (const char *)sqlite3_column_text(st, 0),
                      (unsigned)sqlite3_column_int64(st, 1))
                ? ph_fail_memory(err)
                : 0;
    if (st)
        sqlite3_reset(st);
    ph_local_read_end(w.u, db);
    ph_local_where_done(&w);
    return r;
}

struct granting {
    const struct local_where *w;
    const char *identifier;
    char op;
    bool remove, gone; /* gone: the identifier has nothing in this account any more */
    unsigned rights;
};

static int run_grant(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct granting *g = ctx;
    struct local_mailbox m;
    int64_t had = 0, left = 0;

    if (ph_local_find(db, g->w, R_ADMIN, &m, err))
        return -1;
    if (local_number(db, err, &had, "SELECT rights FROM acl WHERE mailbox = ?1 AND identifier = ?2", LI(m.id),
                     LT(g->identifier)) < 0)
        return -1;
    unsigned now = g->remove      ? 0
                   : g->op == '+' ? (unsigned)had | g->rights
                   : g->op == '-' ? (unsigned)had & ~g->rights
                                  : g->rights;
    if (now ? local_exec(db, err, "INSERT OR REPLACE INTO acl(mailbox, identifier, rights) VALUES(?1, ?2, ?3)", LI(m.id),
                         LT(g->identifier), LI(now))
            : local_exec(db, err, "DELETE FROM acl WHERE mailbox = ?1 AND identifier = ?2", LI(m.id), LT(g->identifier)))
        return -1;
    if (local_number(db, err, &left, "SELECT count(*) FROM acl WHERE identifier = ?1", LT(g->identifier)) < 0)
        return -1;
    g->gone = left == 0;
    m.acl_at = ph_local_next_modseq(u);
    return ph_local_mailbox_save(db, &m, err);
}

int ph_local_set_acl(struct ph_session *base, const char *folder, const char *identifier, char op, const char *rights,
                     struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct granting g = { .identifier = identifier, .op = op, .remove = rights == NULL };
    struct local_where w;
    bool ok = true;
    int r = 0;

    g.rights = rights ? ph_local_rights_parse(rights, &ok) : 0;
    if (!ok || !*identifier || strlen(identifier) > 255)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_BAD, "no such right, or no such identifier");
    if (ph_local_begin(s, err) || ph_local_where(s, folder, &w, err))
        return -1;
    g.w = &w;
    bool minus = *identifier == '-';
    if (strcmp(identifier + minus, w.u->name) == 0)
        r = !minus && !g.remove && op == '+' ? 0
                                             : ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "the owner has all rights, always");
    else if (!g.remove && !minus && op != '-' && g.rights)
        r = ph_local_shared_add(s->user->root, w.u->name, identifier, err);
    if (!r && strcmp(identifier + minus, w.u->name) != 0)
        r = ph_local_do(w.u, run_grant, &g, false, err);
    if (!r && g.gone && !minus)
        r = ph_local_shared_remove(s->user->root, w.u->name, identifier, err);
    if (!r && !minus)
        ph_local_watch_shared(s->user->root, w.u, identifier);
    ph_local_where_done(&w);
    return r;
}

int ph_local_my_rights(struct ph_session *base, const char *folder, char out[32], struct ph_err *err)
{
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;

    if (find_with(local_session(base), folder, R_LOOKUP | R_READ | R_INSERT | R_CREATE | R_DELETE | R_ADMIN, &w, &db, &m,
                  err))
        return -1;
    ph_local_rights_format(m.rights, out);
    ph_local_read_end(w.u, db);
    ph_local_where_done(&w);
    return 0;
}

int ph_local_list_rights(struct ph_session *base, const char *folder, const char *identifier, struct ph_arena *arena,
                         const char **required, const char ***optional, size_t *n, struct ph_err *err)
{
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;

    if (find_with(local_session(base), folder, R_ADMIN, &w, &db, &m, err))
        return -1;
    bool owner = strcmp(identifier, w.u->name) == 0;
    ph_local_read_end(w.u, db);
    ph_local_where_done(&w);
    *n = owner ? 0 : strlen(PH_RIGHTS_ALL);
    *required = owner ? PH_RIGHTS_ALL : "";
    *optional = ph_arena_alloc(arena, (*n + 1) * sizeof **optional);
    if (!*optional)
        return ph_fail_memory(err);
    for (size_t i = 0; i < *n; i++)
        if (!((*optional)[i] = ph_arena_dup(arena, &PH_RIGHTS_ALL[i], 1)))
            return ph_fail_memory(err);
    return 0;
}
