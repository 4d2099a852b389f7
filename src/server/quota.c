/* quota.c: GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208, and RFC 2087 as it is used). */
#include <string.h>

#include "server/commands.h"
#include "server/rights.h"
#include "server/user.h"
#include "wire/respond.h"

static int no_quota(struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "There are no quotas here");
    return -1;
}

static int tell(struct session *s, struct ph_session *ps, const char *root, struct ph_err *err)
{
    struct ph_quota q = { 0 };

    if (s->user->serve->get_quota(ps, root, &s->arena, &q, err))
        return -1;
    struct ph_quota_usage *u = ph_arena_alloc(&s->arena, (q.n + 1) * sizeof *u);
    if (!u)
        return ph_fail_memory(err);
    for (size_t i = 0; i < q.n; i++)
        u[i] = (struct ph_quota_usage){ ph_str(q.r[i].name), q.r[i].usage, q.r[i].limit };
    ph_write_quota(&s->w, ph_str(root), u, q.n);
    return 0;
}

/* A root's name in the arena; it is no mailbox name and is taken as it is. */
static const char *take_root(struct session *s, struct ph_str root, struct ph_err *err)
{
    const char *name = ph_arena_strdup(&s->arena, root.p ? root : PH_STR(""));

    if (name && strlen(name) == root.n)
        return name;
    if (name)
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "There is no such quota root");
    else
        ph_fail_memory(err);
    return NULL;
}

int cmd_getquota(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    const char *root = ps ? take_root(s, c->quota.root, err) : NULL;

    if (!root)
        return -1;
    if (!s->user->serve->get_quota)
        return no_quota(err);
    if (tell(s, ps, root, err))
        return -1;
    session_ok(s, c, "GETQUOTA completed");
    return 0;
}

int cmd_getquotaroot(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, c->quota.mailbox, err);
    struct ph_session *ps = name ? session_store(s, err) : NULL;
    const char **roots = NULL;
    size_t n = 0;

    if (!ps)
        return -1;
    if (!s->user->serve->quota_roots || !s->user->serve->get_quota)
        return no_quota(err);
    /* RFC 9208 6: usage tells of what is in the mailbox. One that does not exist may be asked about (4.1.2). */
    if (session_need_right(s, name, 'r', err) && err->kind != PH_E_NOTFOUND)
        return -1;
    if (s->user->serve->quota_roots(ps, name, &s->arena, &roots, &n, err))
        return -1;
    struct ph_words words = { ph_arena_alloc(&s->arena, (n + 1) * sizeof(struct ph_str)), n };
    if (!words.w)
        return ph_fail_memory(err);
    for (size_t i = 0; i < n; i++)
        words.w[i] = ph_str(roots[i]);
    ph_write_quotaroot(&s->w, ph_str(name), &words);
    for (size_t i = 0; i < n; i++)
        if (tell(s, ps, roots[i], err))
            return -1;
    session_ok(s, c, "GETQUOTAROOT completed");
    return 0;
}

int cmd_setquota(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    const char *root = ps ? take_root(s, c->quota.root, err) : NULL;
    size_t n = c->quota.n;

    if (!root)
        return -1;
    if (!s->user->serve->set_quota)
        return no_quota(err);
    struct ph_store_quota_resource *r = ph_arena_alloc(&s->arena, (n + 1) * sizeof *r);
    if (!r)
        return ph_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        char *name = ph_arena_strdup(&s->arena, c->quota.resources[i].name);
        if (!name)
            return ph_fail_memory(err);
        for (char *p = name; *p; p++)
            *p = (char)ph_upper((unsigned char)*p);
        r[i] = (struct ph_store_quota_resource){ .name = name, .limit = c->quota.resources[i].limit };
    }
    if (s->user->serve->set_quota(ps, root, r, n, err) || tell(s, ps, root, err))
        return -1;
    session_ok(s, c, "SETQUOTA completed");
    return 0;
}
