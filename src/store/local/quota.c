/* quota.c: limits of an account (RFC 9208): one root for all mailboxes of a user. */
#include <stdlib.h>
#include <string.h>

#include "store/local/account.h"

static const char *const names[3] = { "STORAGE", "MESSAGE", "MAILBOX" };

/* The account's own, or the root's: octets, messages, mailboxes; UINT64_MAX: none. */
static int limits(struct local_user *u, struct local_db *db, uint64_t out[3], struct ph_err *err)
{
    const struct ph_local_options *o = &u->root->opt;
    const uint64_t fallback[3] = { o->quota_storage, o->quota_messages, o->quota_mailboxes };
    sqlite3_stmt *st = local_prepare(db, err, "SELECT name, most FROM quota");
    int r;

    for (int i = 0; i < 3; i++)
        out[i] = fallback[i] ? fallback[i] : UINT64_MAX;
    if (!st)
        return -1;
    while ((r = ph_local_step(db, st, err)) > 0)
        for (int i = 0; i < 3; i++)
            if (strcmp((const char *)sqlite3_column_text(st, 0), names[i]) == 0)
                out[i] = (uint64_t)sqlite3_column_int64(st, 1);
    return r;
}

static int over(const char *what, struct ph_err *err)
{
    int r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_QUOTA, "the account may hold no more %s", what);

    if (err)
        memcpy(err->code, "OVERQUOTA", 10);
    return r;
}

int ph_local_quota_check(struct local_user *u, struct local_db *db, const struct local_state *st, uint64_t messages,
                         uint64_t octets, struct ph_err *err)
{
    struct local_state own;
    uint64_t most[3];

    if (limits(u, db, most, err))
        return -1;
    if (!st && ph_local_state_read(db, &own, err))
        return -1;
    st = st ? st : &own;
    if (octets && (octets > most[0] || st->octets > most[0] - octets))
        return over("mail", err);
    if (messages && (messages > most[1] || st->messages > most[1] - messages))
        return over("messages", err);
    return 0;
}

int ph_local_quota_mailboxes(struct local_user *u, struct local_db *db, struct ph_err *err)
{
    uint64_t most[3];
    int64_t n;

    if (limits(u, db, most, err) || local_number(db, err, &n, "SELECT count(*) FROM mailbox") < 0)
        return -1;
    return (uint64_t)n >= most[2] ? over("folders", err) : 0;
}

/* ---- RFC 9208 ---- */

int ph_local_quota_roots(struct ph_session *base, const char *folder, struct ph_arena *arena, const char ***roots,
                         size_t *n, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;

    *n = 0;
    *roots = ph_arena_alloc(arena, sizeof **roots);
    if (!*roots)
        return ph_fail_memory(err);
    if (ph_local_begin(s, err) || ph_local_where(s, folder, &w, err))
        return -1;
    int r = 0;
    if (!w.foreign) { /* also where no folder is yet (RFC 9208 4.1.2) */
        (*roots)[(*n)++] = LOCAL_QUOTA_ROOT;
    } else if (!(r = ph_local_read_begin(w.u, &db, err))) { /* the limits of others are not one's business */
        r = ph_local_find(db, &w, R_LOOKUP, &m, err);
        ph_local_read_end(w.u, db);
    }
    ph_local_where_done(&w);
    return r;
}

int ph_local_get_quota(struct ph_session *base, const char *root, struct ph_arena *arena, struct ph_quota *out,
                       struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct local_state st;
    struct local_db *db;
    uint64_t most[3];
    int64_t boxes = 0;

    memset(out, 0, sizeof *out);
    if (strcmp(root, LOCAL_QUOTA_ROOT) != 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "no quota root %s", root);
    out->root = LOCAL_QUOTA_ROOT;
    out->r = ph_arena_alloc(arena, 3 * sizeof *out->r);
    if (!out->r)
        return ph_fail_memory(err);
    if (ph_local_begin(s, err) || ph_local_enter(s->user, err))
        return -1;
    int r = ph_local_read_begin(s->user, &db, err);
    if (!r) {
        r = limits(s->user, db, most, err) || ph_local_state_read(db, &st, err) ||
                    local_number(db, err, &boxes, "SELECT count(*) FROM mailbox") < 0
                ? -1
                : 0;
        ph_local_read_end(s->user, db);
    }
    ph_local_leave(s->user);
    if (r)
        return -1;
    const uint64_t used[3] = { (st.octets + 1023) / 1024, st.messages, (uint64_t)boxes };
    for (int i = 0; i < 3; i++)
        if (most[i] != UINT64_MAX)
            out->r[out->n++] = (struct ph_store_quota_resource){ .name = names[i], .usage = used[i],
                                                           .limit = i == 0 ? most[i] / 1024 : most[i] };
    return 0;
}

struct set_quota {
    const struct ph_store_quota_resource *limits;
    size_t n;
    bool replace; /* SETQUOTA: what is not named has no limit any more */
};

static int run_set(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    const struct set_quota *q = ctx;

    if (q->replace)
        for (int i = 0; i < 3; i++)
            if (local_exec(db, err, "INSERT OR REPLACE INTO quota(name, most) VALUES(?1, -1)", LT(names[i])))
                return -1;
    for (size_t i = 0; i < q->n; i++) {
        uint64_t most = q->limits[i].limit;
        int k = 0;
        while (k < 3 && !ph_str_caseis(ph_str(q->limits[i].name), names[k]))
            k++;
        if (k == 3)
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "no resource %s", q->limits[i].name);
        if (most != UINT64_MAX && k == 0)
            most = most < UINT64_MAX >> 11 ? most * 1024 : UINT64_MAX >> 1;
        if (most == UINT64_MAX
                ? local_exec(db, err, "DELETE FROM quota WHERE name = ?1", LT(names[k]))
                : local_exec(db, err, "INSERT OR REPLACE INTO quota(name, most) VALUES(?1, ?2)", LT(names[k]), LI(most)))
            return -1;
    }
    return 0;
}

int ph_local_session_set_quota(struct ph_session *base, const char *root, const struct ph_store_quota_resource *l, size_t n,
                               struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct set_quota q = { l, n, true };

    if (!s->user->root->opt.users_set_quota)
        return ph_local_denied(err);
    if (strcmp(root, LOCAL_QUOTA_ROOT) != 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "no quota root %s", root);
    if (ph_local_begin(s, err) || ph_local_enter(s->user, err))
        return -1;
    int r = ph_local_do(s->user, run_set, &q, false, err);
    ph_local_leave(s->user);
    return r;
}

int ph_local_set_quota(struct ph_local_root *root, const char *user, const struct ph_store_quota_resource *l, size_t n,
                       struct ph_err *err)
{
    struct set_quota q = { l, n, false };
    struct local_user *u;

    if (ph_local_user_get(root, user, false, &u, err) || ph_local_enter(u, err))
        return -1;
    int r = ph_local_do(u, run_set, &q, false, err);
    ph_local_leave(u);
    return r;
}
