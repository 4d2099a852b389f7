/* quota.c: GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208, and RFC 2087 as it is used). */
#include <string.h>

#include "server/commands.h"
#include "server/names.h"
#include "server/rights.h"
#include "server/user.h"
#include "wire/respond.h"

static int no_quota(struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "There are no quotas here");
    return -1;
}

/* Whether the limits are those that were asked for, and no others. */
static bool as_asked(const struct ph_quota *q, const struct ph_store_quota_resource *asked, size_t n)
{
    size_t same = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < q->n; k++)
            same += strcmp(q->r[k].name, asked[i].name) == 0 && q->r[k].limit == asked[i].limit;
    return same == n && q->n == n;
}

/* Writes the QUOTA response of a root; with `asked`, only when it says something else. */
static int tell(struct session *s, struct ph_session *ps, const char *root, const struct ph_store_quota_resource *asked,
                size_t n, struct ph_err *err)
{
    struct ph_quota q = { 0 };

    if (s->user->serve->get_quota(ps, root, &s->arena, &q, err))
        return -1;
    if (asked && as_asked(&q, asked, n))
        return 0;
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
    if (tell(s, ps, root, NULL, 0, err))
        return -1;
    session_ok(s, c, "GETQUOTA completed");
    return 0;
}

/* The name need not be that of a mailbox (RFC 9208 4.1.2): where it could not even be one, the roots of the user's own
 * mailboxes are what is asked for. */
static const char *take_any_name(struct session *s, struct ph_str wire, const char **place, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, wire, err);
    bool valid = true;

    *place = name;
    if (name || strcmp(err->code, "CANNOT") != 0 || wire.n > NAMES_OCTETS)
        return name;
    name = names_decode(s, wire, &valid); /* what is wrong with it otherwise stays in err */
    *place = "INBOX";
    return valid ? name : NULL;
}

int cmd_getquotaroot(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *place, *name = take_any_name(s, c->quota.mailbox, &place, err);
    struct ph_session *ps = name ? session_store(s, err) : NULL;
    const char **roots = NULL;
    size_t n = 0;

    if (!ps)
        return -1;
    if (!s->user->serve->quota_roots || !s->user->serve->get_quota)
        return no_quota(err);
    /* RFC 9208 6: usage tells of what is in the mailbox. One that does not exist may be asked about (4.1.2). */
    if (session_need_right(s, place, 'r', err) && err->kind != PH_E_NOTFOUND)
        return -1;
    if (s->user->serve->quota_roots(ps, place, &s->arena, &roots, &n, err))
        return -1;
    struct ph_words words = { ph_arena_alloc(&s->arena, (n + 1) * sizeof(struct ph_str)), n };
    if (!words.w)
        return ph_fail_memory(err);
    for (size_t i = 0; i < n; i++)
        words.w[i] = ph_str(roots[i]);
    ph_write_quotaroot(&s->w, ph_str(name), &words);
    for (size_t i = 0; i < n; i++)
        if (tell(s, ps, roots[i], NULL, 0, err))
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
    /* The QUOTA response is for limits that came out otherwise, rounded or not to be changed (RFC 9208 4.1.3): Cyrus sends
     * none, and IMAP::Admin takes the first line that comes for the tagged one. */
    if (s->user->serve->set_quota(ps, root, r, n, err) || tell(s, ps, root, r, n, err))
        return -1;
    session_ok(s, c, "SETQUOTA completed");
    return 0;
}
