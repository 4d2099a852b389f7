/* session.c: stores and sessions of the store on disk: what there is to call, and its beginning and end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/local/account.h"
#include "store/local/cache.h"
#include "store/local/watch.h"

struct local_store {
    struct ph_store base; /* first */
    struct local_user *user;
};

int ph_local_begin(struct local_session *s, struct ph_err *err)
{
    if (s->base.loop && ph_cancelled(s->base.loop->cancel))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
    return 0;
}

static uint32_t abilities(struct ph_session *s)
{
    return PH_AB_FLAGS | PH_AB_KEYWORDS | PH_AB_DATES | PH_AB_UIDS | PH_AB_EXACT_SIZE | PH_AB_NEWUID | PH_AB_BATCH |
           PH_AB_MODSEQ | PH_AB_QRESYNC | PH_AB_STATUS_LIST | PH_AB_SUBSCRIBE | PH_AB_SPECIAL_USE | PH_AB_UID_EXPUNGE |
           PH_AB_WRITE | PH_AB_OBJECTID | PH_AB_PIPELINE_SELECT;
}

static uint32_t serve_abilities(struct ph_session *s)
{
    return PH_SV_MOVE | PH_SV_ANY_SIZE | PH_SV_SAVEDATE | PH_SV_THREADID | PH_SV_MARKED_RECENT |
           PH_SV_QUOTA_STORAGE | PH_SV_QUOTA_MESSAGE | PH_SV_QUOTA_MAILBOX;
}

static uint64_t append_limit(struct ph_session *s)
{
    return local_session(s)->user->root->opt.append_limit;
}

static uint64_t metadata_limit(struct ph_session *s)
{
    return LOCAL_ANNOTATION_MAX;
}

static int join(struct ph_session *s, struct ph_loop *loop, struct ph_err *err)
{
    s->loop = loop;
    return 0;
}

static int noop(struct ph_session *s, struct ph_err *err)
{
    return 0;
}

static void close_session(struct ph_session *base)
{
    struct local_session *s = local_session(base);

    ph_local_watch(base, NULL, NULL, NULL);
    while (s->appends) {
        struct ph_append *a = s->appends;
        ph_local_append_free(a); /* takes itself off the list */
    }
    ph_local_scans_free(s);
    ph_local_bodies_free(s);
    ph_arena_done(&s->status_texts);
    free(s);
}

const struct ph_serve_ops ph_local_serve_ops = {
    .body_open = ph_local_body_open,
    .body_at = ph_local_body_at,
    .cache_get = ph_local_cache_get,
    .cache_put = ph_local_cache_put,
    .info = ph_local_info,
    .expunge_deleted = ph_local_expunge_deleted,
    .copy = ph_local_copy_move,
    .append_replaces = ph_local_append_replaces,
    .namespaces = ph_local_namespaces,
    .get_acl = ph_local_get_acl,
    .set_acl = ph_local_set_acl,
    .my_rights = ph_local_my_rights,
    .list_rights = ph_local_list_rights,
    .quota_roots = ph_local_quota_roots,
    .get_quota = ph_local_get_quota,
    .set_quota = ph_local_session_set_quota,
    .get_metadata = ph_local_get_metadata,
    .set_metadata = ph_local_set_metadata,
    .metadata_limit = metadata_limit,
    .watch = ph_local_watch,
    .abilities = serve_abilities,
};

static const struct ph_session_ops session_ops = {
    .join = join,
    .abilities = abilities,
    .append_limit = append_limit,
    .close = close_session,
    .list = ph_local_list,
    .status = ph_local_status,
    .create = ph_local_create,
    .subscribe = ph_local_subscribe,
    .remove = ph_local_remove,
    .rename = ph_local_rename,
    .scan_begin = ph_local_scan_begin,
    .scan_wait = ph_local_scan_wait,
    .bodies_add = ph_local_bodies_add,
    .bodies_next = ph_local_bodies_next,
    .body_read = ph_local_body_read,
    .append_open = ph_local_append_open,
    .append_message = ph_local_append_message,
    .append_write = ph_local_append_write,
    .append_finish = ph_local_append_finish,
    .append_poll = ph_local_append_poll,
    .append_wait = ph_local_append_wait,
    .append_free = ph_local_append_free,
    .store_flags = ph_local_store_flags,
    .expunge = ph_local_expunge,
    .copy = ph_local_copy,
    .noop = noop,
    .serve = &ph_local_serve_ops,
};

static int open_session(struct ph_store *base, struct ph_loop *loop, struct ph_session **out, struct ph_err *err)
{
    struct local_store *st = (struct local_store *)base;
    struct local_session *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return ph_fail_memory(err);
    s->base = (struct ph_session){ .ops = &session_ops, .store = base, .loop = loop };
    s->user = st->user;
    ph_arena_init(&s->status_texts, 0);
    s->scans_end = &s->scans;
    s->requests_end = &s->requests;
    s->appends_end = &s->appends;
    /* what is wrong with the account is said here */
    if (ph_local_enter(st->user, err)) {
        free(s);
        return -1;
    }
    ph_local_leave(st->user);
    *out = &s->base;
    return 0;
}

static void free_store(struct ph_store *base)
{
    free(base->label);
    free(base->identity);
    free(base);
}

static const struct ph_store_ops store_ops = { .kind = "local", .open = open_session, .free = free_store };

int ph_local_store_new(struct ph_local_root *root, const char *user, bool create, struct ph_store **out,
                       struct ph_err *err)
{
    struct local_store *st;
    struct local_user *u;

    *out = NULL;
    if (ph_local_user_get(root, user, create, &u, err))
        return -1;
    st = calloc(1, sizeof *st);
    if (!st)
        return ph_fail_memory(err);
    st->base.ops = &store_ops;
    st->user = u;
    st->base.label = strdup(user);
    if (asprintf(&st->base.identity, "local\t%s\t%s", root->path, user) < 0)
        st->base.identity = NULL;
    if (!st->base.label || !st->base.identity) {
        free_store(&st->base);
        return ph_fail_memory(err);
    }
    *out = &st->base;
    return 0;
}
