/* memory_account.c: what a server asks of the memory store about the account: namespaces, rights (RFC 4314), quota
 * (RFC 9208). */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

static int namespaces(struct ph_session *base, struct ph_arena *arena, struct ph_store_namespace **out, size_t *n,
                      struct ph_err *err)
{
    const struct ph_memory_options *opt = &memory_session(base)->st->opt;

    *n = opt->n_namespaces ? opt->n_namespaces : 1;
    *out = ph_arena_alloc(arena, *n * sizeof **out);
    if (!*out)
        return ph_fail_memory(err);
    **out = (struct ph_store_namespace){ PH_NS_PERSONAL, opt->prefix, opt->delim };
    for (size_t i = 0; i < opt->n_namespaces; i++)
        (*out)[i] = opt->namespaces[i];
    return 0;
}

/* ---- rights ---- */

static const struct memory_acl *find_acl(const struct memory_folder *f, const char *identifier)
{
    for (size_t i = 0; i < f->n_acl; i++)
        if (strcmp(f->acl[i].identifier, identifier) == 0)
            return &f->acl[i];
    return NULL;
}

/* RFC 4314 2: what is granted to the user and to anyone, without what is taken away from them. */
static void rights_of(const struct memory_store *st, const struct memory_folder *f, char out[32])
{
    bool own = false, any = false, not_own = false;
    char *to = out;

    for (const char *r = PH_RIGHTS_ALL; *r; r++) {
        own = any = not_own = false;
        for (size_t i = 0; i < f->n_acl; i++) {
            const char *id = f->acl[i].identifier;
            if (!strchr(f->acl[i].rights, *r))
                continue;
            own |= strcmp(id, st->opt.user) == 0;
            any |= strcmp(id, "anyone") == 0;
            not_own |= id[0] == '-' && (strcmp(id + 1, st->opt.user) == 0 || strcmp(id + 1, "anyone") == 0);
        }
        if (!f->acl || ((own || any) && !not_own))
            *to++ = *r;
    }
    *to = '\0';
}

bool ph_memory_may(const struct memory_store *st, const struct memory_folder *f, const char *any_of)
{
    char rights[32];

    if (!f->acl || !*any_of)
        return true;
    rights_of(st, f, rights);
    return strpbrk(rights, any_of) != NULL;
}

int ph_memory_denied(const char *name, struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "the rights on %s do not allow this", name);
    if (err)
        memcpy(err->code, "NOPERM", 7);
    return -1;
}

void ph_memory_acl_free(struct memory_folder *f)
{
    for (size_t i = 0; i < f->n_acl; i++)
        free(f->acl[i].identifier);
    free(f->acl);
    f->acl = NULL;
    f->n_acl = 0;
}

static int add_acl(struct memory_folder *f, const char *identifier, const char *rights)
{
    struct memory_acl *grown = realloc(f->acl, (f->n_acl + 1) * sizeof *grown);

    if (!grown)
        return -1;
    f->acl = grown;
    char *name = strdup(identifier);
    if (!name)
        return -1;
    struct memory_acl *a = &f->acl[f->n_acl++];
    *a = (struct memory_acl){ .identifier = name };
    for (size_t i = 0, n = 0; PH_RIGHTS_ALL[i]; i++)
        if (strchr(rights, PH_RIGHTS_ALL[i]))
            a->rights[n++] = PH_RIGHTS_ALL[i];
    return 0;
}

int ph_memory_acl_inherit(struct memory_store *st, struct memory_folder *f)
{
    const struct memory_folder *parent = NULL;
    char *end, *name = strdup(f->name);

    if (!name)
        return -1;
    while (!parent && (end = strrchr(name, st->opt.delim))) {
        *end = '\0';
        parent = ph_memory_find(st, name);
    }
    free(name);
    for (size_t i = 0; parent && i < parent->n_acl; i++)
        if (add_acl(f, parent->acl[i].identifier, parent->acl[i].rights))
            return -1;
    return 0;
}

static void remove_acl(struct memory_folder *f, const struct memory_acl *a)
{
    size_t at = (size_t)(a - f->acl);

    free(f->acl[at].identifier);
    memmove(f->acl + at, f->acl + at + 1, (f->n_acl - at - 1) * sizeof *f->acl);
    f->n_acl--; /* the array stays: nobody having a right is not the same as nothing being said */
}

int ph_memory_acl_change(struct memory_store *st, struct memory_folder *f, const char *identifier, char op,
                         const char *rights)
{
    char now[64] = "";
    size_t n = 0;

    if (!f->acl && add_acl(f, st->opt.user, PH_RIGHTS_ALL))
        return -1;
    const struct memory_acl *old = find_acl(f, identifier);
    for (const char *r = PH_RIGHTS_ALL; rights && *r; r++) {
        bool had = old && strchr(old->rights, *r), said = strchr(rights, *r);
        if (op == '+' ? had || said : op == '-' ? had && !said : said)
            now[n++] = *r;
    }
    if (old)
        remove_acl(f, old);
    if (n && add_acl(f, identifier, now))
        return -1;
    ph_memory_changed(st, f->name, PH_WATCH_ACL);
    return 0;
}

/* The folder, for one who may administer it. */
static struct memory_folder *open_rights(struct memory_session *s, const char *name, const char *any_of,
                                         struct ph_err *err)
{
    struct memory_folder *f;

    if (ph_memory_meet_any(s, "rights", name, err))
        return NULL;
    f = ph_memory_find(s->st, name);
    if (!memory_there(f)) {
        ph_memory_no_folder(name, err);
        return NULL;
    }
    if (!ph_memory_may(s->st, f, any_of)) {
        ph_memory_denied(name, err);
        return NULL;
    }
    return f;
}

static int get_acl(struct ph_session *base, const char *folder, struct ph_arena *arena, struct ph_acl_entry **out,
                   size_t *n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    *n = 0;
    if (ph_memory_begin(s, MOP_RIGHTS, folder, err))
        return -1;
    struct memory_folder *f = open_rights(s, folder, "a", err);
    if (f) {
        r = 0;
        *out = ph_arena_alloc(arena, (f->n_acl + 1) * sizeof **out);
        if (*out && !f->acl)
            (*out)[(*n)++] = (struct ph_acl_entry){ s->st->opt.user, PH_RIGHTS_ALL };
        for (size_t i = 0; *out && i < f->n_acl; i++) {
            struct ph_acl_entry *e = &(*out)[(*n)++];
            e->identifier = ph_arena_strdup(arena, ph_str(f->acl[i].identifier));
            e->rights = ph_arena_strdup(arena, ph_str(f->acl[i].rights));
            if (!e->identifier || !e->rights)
                r = -1;
        }
        if (!*out || r)
            r = ph_fail_memory(err);
    }
    ph_memory_unlock(s->st);
    return r;
}

static int set_acl(struct ph_session *base, const char *folder, const char *identifier, char op, const char *rights,
                   struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    if (ph_memory_begin(s, MOP_RIGHTS, folder, err))
        return -1;
    struct memory_folder *f = open_rights(s, folder, "a", err);
    if (f)
        r = ph_memory_acl_change(s->st, f, identifier, op, rights) ? ph_fail_memory(err) : 0;
    ph_memory_unlock(s->st);
    return r;
}

static int my_rights(struct ph_session *base, const char *folder, char out[32], struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_RIGHTS, folder, err))
        return -1;
    struct memory_folder *f = open_rights(s, folder, "", err);
    if (f)
        rights_of(s->st, f, out);
    ph_memory_unlock(s->st);
    return f ? 0 : -1;
}

static int list_rights(struct ph_session *base, const char *folder, const char *identifier, struct ph_arena *arena,
                       const char **required, const char ***optional, size_t *n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    if (ph_memory_begin(s, MOP_RIGHTS, folder, err))
        return -1;
    if (open_rights(s, folder, "a", err)) {
        r = 0;
        *required = "";
        *n = strlen(PH_RIGHTS_ALL);
        *optional = ph_arena_alloc(arena, *n * sizeof(const char *));
        for (size_t i = 0; i < *n && *optional && r == 0; i++)
            if (!((*optional)[i] = ph_arena_dup(arena, &PH_RIGHTS_ALL[i], 1)))
                r = -1;
        if (!*optional || r)
            r = ph_fail_memory(err);
    }
    ph_memory_unlock(s->st);
    return r;
}

/* ---- quota ---- */

int ph_memory_room(const struct memory_store *st, uint64_t messages, uint64_t octets, struct ph_err *err)
{
    const struct ph_memory_options *o = &st->opt;

    if ((!o->quota || st->octets + octets <= o->quota) &&
        (!o->quota_messages || st->messages + messages <= o->quota_messages))
        return 0;
    ph_fail(err, PH_SCOPE_FOLDER, PH_E_QUOTA, "the account is full");
    if (err)
        memcpy(err->code, "OVERQUOTA", 10);
    return -1;
}

static int quota_roots(struct ph_session *base, const char *folder, struct ph_arena *arena, const char ***roots,
                       size_t *n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_QUOTA, folder, err))
        return -1;
    ph_memory_unlock(s->st); /* one root for all there is and will be (RFC 9208 4.1.2) */
    *roots = ph_arena_alloc(arena, sizeof(const char *));
    if (!*roots)
        return ph_fail_memory(err);
    **roots = s->st->opt.quota_root;
    *n = 1;
    return 0;
}

static int no_root(const char *root, struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "no quota root %s", root);
    return -1;
}

static int get_quota(struct ph_session *base, const char *root, struct ph_arena *arena, struct ph_quota *out,
                     struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct memory_store *st = s->st;

    if (strcmp(root, st->opt.quota_root) != 0)
        return no_root(root, err);
    out->root = st->opt.quota_root;
    out->n = 0;
    out->r = ph_arena_alloc(arena, 4 * sizeof *out->r);
    if (!out->r)
        return ph_fail_memory(err);
    if (ph_memory_begin(s, MOP_QUOTA, NULL, err))
        return -1;
    struct ph_store_quota_resource r[] = {
        { "STORAGE", (st->octets + 1023) / 1024, st->opt.quota / 1024 },
        { "MESSAGE", st->messages, st->opt.quota_messages },
        { "MAILBOX", st->n_folders, st->opt.quota_folders },
    };
    for (size_t i = 0; i < 3; i++)
        if (r[i].limit)
            out->r[out->n++] = r[i];
    ph_memory_unlock(st);
    return 0;
}

static int set_quota(struct ph_session *base, const char *root, const struct ph_store_quota_resource *limits, size_t n,
                     struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct ph_memory_options *o = &s->st->opt;
    uint64_t storage = 0, messages = 0, folders = 0;

    if (strcmp(root, o->quota_root) != 0)
        return no_root(root, err);
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(limits[i].name, "STORAGE") == 0)
            storage = limits[i].limit < UINT64_MAX / 1024 ? limits[i].limit * 1024 : UINT64_MAX;
        else if (strcasecmp(limits[i].name, "MESSAGE") == 0)
            messages = limits[i].limit;
        else if (strcasecmp(limits[i].name, "MAILBOX") == 0)
            folders = limits[i].limit;
        else
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "%s is not limited here", limits[i].name);
    }
    if (ph_memory_begin(s, MOP_QUOTA, NULL, err))
        return -1;
    o->quota = storage;
    o->quota_messages = messages;
    o->quota_folders = folders;
    ph_memory_unlock(s->st);
    return 0;
}

void ph_memory_account_ops(const struct memory_store *st, struct ph_serve_ops *o)
{
    int without = st->opt.serves_not;

    if (!(without & PH_MS_NAMESPACES))
        o->namespaces = namespaces;
    if (!(without & PH_MS_ACL)) {
        o->get_acl = get_acl;
        o->set_acl = set_acl;
        o->my_rights = my_rights;
        o->list_rights = list_rights;
    }
    if (!(without & PH_MS_QUOTA)) {
        o->quota_roots = quota_roots;
        o->get_quota = get_quota;
        o->set_quota = set_quota;
    }
    if (!(without & PH_MS_METADATA)) {
        o->get_metadata = ph_memory_get_metadata;
        o->set_metadata = ph_memory_set_metadata;
        o->metadata_limit = ph_memory_metadata_limit;
    }
}
