/* readonly.c: every reading operation is handed on to a session of the store behind. The tables of operations are made with the first
 * session, because what is NULL there has to be NULL here; they are the same for all sessions of the store, as they are there. */
#include "store/readonly.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ro_store {
    struct ph_store base;
    struct ph_store *inner;
    pthread_mutex_t lock;
    bool made;
    struct ph_session_ops ops; /* constant once made */
    struct ph_serve_ops serve;
};

struct ro_session {
    struct ph_session base;
    struct ph_session *inner;
};

#define INNER(s) (((struct ro_session *)(s))->inner)
#define IN(s) (INNER(s)->ops)
#define SERVE(s) (INNER(s)->ops->serve)

/* ---- store.h ---- */

static int ro_join(struct ph_session *s, struct ph_loop *loop, struct ph_err *err)
{
    if (IN(s)->join(INNER(s), loop, err))
        return -1;
    s->loop = loop;
    return 0;
}

static uint32_t ro_abilities(struct ph_session *s)
{
    return IN(s)->abilities(INNER(s)) & ~(uint32_t)(PH_AB_WRITE | PH_AB_NEWUID | PH_AB_BATCH | PH_AB_SUBSCRIBE | PH_AB_SPECIAL_USE |
                                                    PH_AB_UID_EXPUNGE);
}

static uint64_t ro_append_limit(struct ph_session *s)
{
    return IN(s)->append_limit(INNER(s));
}

static void ro_close(struct ph_session *s)
{
    IN(s)->close(INNER(s));
    free(s);
}

static int ro_list(struct ph_session *s, bool status, struct ph_folder_list *out, struct ph_err *err)
{
    return IN(s)->list(INNER(s), status, out, err);
}

static int ro_status(struct ph_session *s, struct ph_folder *const *f, size_t n, struct ph_err *err)
{
    return IN(s)->status(INNER(s), f, n, err);
}

static int ro_scan_begin(struct ph_session *s, const char *folder, const struct ph_scan_request *req, struct ph_snapshot *out,
                         struct ph_err *err)
{
    struct ph_scan_request examine = *req;

    examine.read_write = false; /* a SELECT takes \Recent away from others */
    return IN(s)->scan_begin(INNER(s), folder, &examine, out, err);
}

static int ro_scan_wait(struct ph_session *s, struct ph_snapshot *out, struct ph_err *err)
{
    return IN(s)->scan_wait(INNER(s), out, err);
}

static int ro_bodies_add(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                         const struct ph_snapshot *snap, struct ph_err *err)
{
    return IN(s)->bodies_add(INNER(s), folder, uidvalidity, uids, snap, err);
}

static int ro_bodies_next(struct ph_session *s, struct ph_body *out, struct ph_err *err)
{
    return IN(s)->bodies_next(INNER(s), out, err);
}

static int ro_body_read(struct ph_session *s, const char **p, size_t *n, struct ph_err *err)
{
    return IN(s)->body_read(INNER(s), p, n, err);
}

static int ro_noop(struct ph_session *s, struct ph_err *err)
{
    return IN(s)->noop(INNER(s), err);
}

static bool ro_worn(struct ph_session *s)
{
    return IN(s)->worn(INNER(s));
}

/* ---- serve.h ---- */

static int ro_body_open(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_body *out,
                        struct ph_err *err)
{
    return SERVE(s)->body_open(INNER(s), folder, uidvalidity, uid, out, err);
}

static int ro_body_at(struct ph_session *s, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err)
{
    return SERVE(s)->body_at(INNER(s), offset, want, p, n, err);
}

static int ro_cache_get(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_buf *out,
                        struct ph_err *err)
{
    return SERVE(s)->cache_get(INNER(s), folder, uidvalidity, uid, out, err);
}

static int ro_info(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                   int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx, struct ph_err *err)
{
    return SERVE(s)->info(INNER(s), folder, uidvalidity, uids, each, ctx, err);
}

static int ro_namespaces(struct ph_session *s, struct ph_arena *arena, struct ph_store_namespace **out, size_t *n,
                         struct ph_err *err)
{
    return SERVE(s)->namespaces(INNER(s), arena, out, n, err);
}

static int ro_get_acl(struct ph_session *s, const char *folder, struct ph_arena *arena, struct ph_acl_entry **out, size_t *n,
                      struct ph_err *err)
{
    return SERVE(s)->get_acl(INNER(s), folder, arena, out, n, err);
}

/* Rights that only read: lookup and read. `a` is left too, because GETACL wants it, and SETACL is not there. */
static int ro_my_rights(struct ph_session *s, const char *folder, char out[32], struct ph_err *err)
{
    char rights[32];
    size_t n = 0;

    if (SERVE(s)->my_rights(INNER(s), folder, rights, err))
        return -1;
    for (const char *r = rights; *r; r++)
        if (strchr("lra", *r))
            out[n++] = *r;
    out[n] = '\0';
    return 0;
}

static int ro_list_rights(struct ph_session *s, const char *folder, const char *identifier, struct ph_arena *arena,
                          const char **required, const char ***optional, size_t *n, struct ph_err *err)
{
    return SERVE(s)->list_rights(INNER(s), folder, identifier, arena, required, optional, n, err);
}

static int ro_quota_roots(struct ph_session *s, const char *folder, struct ph_arena *arena, const char ***roots, size_t *n,
                          struct ph_err *err)
{
    return SERVE(s)->quota_roots(INNER(s), folder, arena, roots, n, err);
}

static int ro_get_quota(struct ph_session *s, const char *root, struct ph_arena *arena, struct ph_quota *out, struct ph_err *err)
{
    return SERVE(s)->get_quota(INNER(s), root, arena, out, err);
}

static int ro_get_metadata(struct ph_session *s, const char *folder, const char *const *entries, size_t n_entries, unsigned depth,
                           struct ph_arena *arena, struct ph_annotation **out, size_t *n, struct ph_err *err)
{
    return SERVE(s)->get_metadata(INNER(s), folder, entries, n_entries, depth, arena, out, n, err);
}

static int ro_watch(struct ph_session *s, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                    struct ph_err *err)
{
    return SERVE(s)->watch(INNER(s), changed, ctx, err);
}

static uint32_t ro_serve_abilities(struct ph_session *s)
{
    return SERVE(s)->abilities(INNER(s)) & ~(uint32_t)(PH_SV_MOVE | PH_SV_ANY_SIZE | PH_SV_MARKED_RECENT);
}

/* ---- tables ---- */

#define IF_THERE(op) .op = in->op ? ro_##op : NULL

static void make_tables(struct ro_store *s, const struct ph_session_ops *in)
{
    s->ops = (struct ph_session_ops){ IF_THERE(join), IF_THERE(abilities), IF_THERE(append_limit), .close = ro_close, IF_THERE(list),
                                      IF_THERE(status), IF_THERE(scan_begin), IF_THERE(scan_wait), IF_THERE(bodies_add),
                                      IF_THERE(bodies_next), IF_THERE(body_read), IF_THERE(noop), IF_THERE(worn) };
    if (!in->serve)
        return;
    const struct ph_serve_ops *sv = in->serve;
#undef IF_THERE
#define IF_THERE(op) .op = sv->op ? ro_##op : NULL
    s->serve = (struct ph_serve_ops){ IF_THERE(body_open), IF_THERE(body_at), IF_THERE(cache_get), IF_THERE(info),
                                      IF_THERE(namespaces), IF_THERE(get_acl), IF_THERE(my_rights), IF_THERE(list_rights),
                                      IF_THERE(quota_roots), IF_THERE(get_quota), IF_THERE(get_metadata), IF_THERE(watch),
                                      .abilities = sv->abilities ? ro_serve_abilities : NULL };
    s->ops.serve = &s->serve;
}

static int ro_open(struct ph_store *st, struct ph_loop *loop, struct ph_session **out, struct ph_err *err)
{
    struct ro_store *ro = (struct ro_store *)st;
    struct ro_session *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return ph_fail_memory(err);
    if (ro->inner->ops->open(ro->inner, loop, &s->inner, err)) {
        free(s);
        return -1;
    }
    pthread_mutex_lock(&ro->lock);
    if (!ro->made)
        make_tables(ro, s->inner->ops);
    ro->made = true;
    pthread_mutex_unlock(&ro->lock);
    s->base = (struct ph_session){ .ops = &ro->ops, .store = st, .loop = loop };
    *out = &s->base;
    return 0;
}

static void ro_free(struct ph_store *st)
{
    pthread_mutex_destroy(&((struct ro_store *)st)->lock);
    free(st->label);
    free(st->identity);
    free(st);
}

static const struct ph_store_ops ro_ops = { .kind = "readonly", .open = ro_open, .free = ro_free };

int ph_readonly_store_new(struct ph_store *inner, struct ph_store **out, struct ph_err *err)
{
    struct ro_store *ro = calloc(1, sizeof *ro);

    *out = NULL;
    if (!ro)
        return ph_fail_memory(err);
    pthread_mutex_init(&ro->lock, NULL);
    ro->base.ops = &ro_ops;
    ro->base.label = ph_str_dup(ph_str(inner->label));
    ro->base.identity = ph_str_dup(ph_str(inner->identity));
    if ((inner->label && !ro->base.label) || (inner->identity && !ro->base.identity)) {
        ro_free(&ro->base);
        return ph_fail_memory(err);
    }
    ro->inner = inner;
    *out = &ro->base;
    return 0;
}
