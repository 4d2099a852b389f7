/* backend.c: a store over an application's struct ph_backend: opening, listing, changing folders, and telling watchers. What is
 * read and written: backend_read.c, backend_write.c. */
#include "store/backend_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- the store ---- */

void backend_lock(struct backend_store *st)
{
    if (st->b.one_at_a_time)
        pthread_mutex_lock(&st->one);
}

void backend_unlock(struct backend_store *st)
{
    if (st->b.one_at_a_time)
        pthread_mutex_unlock(&st->one);
}

static void free_store(struct ph_store *base)
{
    struct backend_store *st = (struct backend_store *)base;

    if (st->b.free)
        st->b.free(st->ctx);
    pthread_mutex_destroy(&st->one);
    pthread_mutex_destroy(&st->change);
    pthread_mutex_destroy(&st->watchers);
    free(st->base.label);
    free(st->base.identity);
    free(st);
}

static char *joined(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *z = malloc(n + m + 1);

    if (z) {
        memcpy(z, a, n);
        memcpy(z + n, b, m + 1);
    }
    return z;
}

/* ---- watching ---- */

static int watch(struct ph_session *base, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                 struct ph_err *err)
{
    struct backend_session *s = backend_session(base);

    pthread_mutex_lock(&s->st->watchers);
    s->changed = changed;
    s->changed_ctx = ctx;
    pthread_mutex_unlock(&s->st->watchers);
    return 0;
}

void backend_tell(struct backend_store *st, const char *folder, unsigned what)
{
    pthread_mutex_lock(&st->watchers);
    for (struct backend_session *s = st->sessions; s; s = s->next)
        if (s->changed)
            s->changed(s->changed_ctx, folder, what);
    pthread_mutex_unlock(&st->watchers);
}

void ph_store_changed(struct ph_store *base, const char *folder)
{
    struct backend_store *st = (struct backend_store *)base;

    backend_tell(st, folder, folder ? PH_WATCH_MESSAGES : PH_WATCH_FOLDERS);
}

/* ---- sessions ---- */

static uint32_t abilities(struct ph_session *base)
{
    const struct backend_store *st = backend_session(base)->st;
    uint32_t ab = PH_AB_DATES | PH_AB_EXACT_SIZE;

    ab |= st->b.uids_not_kept ? 0 : PH_AB_UIDS;
    ab |= st->b.set_flags ? PH_AB_FLAGS | PH_AB_KEYWORDS : 0;
    ab |= st->b.append_begin ? PH_AB_NEWUID : 0;
    ab |= st->b.expunge ? PH_AB_UID_EXPUNGE : 0;
    ab |= st->b.subscribe ? PH_AB_SUBSCRIBE : 0;
    ab |= st->b.create ? PH_AB_SPECIAL_USE : 0;
    ab |= st->modseqs ? PH_AB_MODSEQ : 0;
    if (st->b.set_flags || st->b.append_begin || st->b.expunge || st->b.create)
        ab |= PH_AB_WRITE;
    return ab;
}

static uint32_t serve_abilities(struct ph_session *base)
{
    const struct backend_store *st = backend_session(base)->st;

    return st->b.append_begin && st->b.expunge ? PH_SV_MOVE : 0;
}

static uint64_t append_limit(struct ph_session *base)
{
    return UINT64_MAX;
}

static int join(struct ph_session *base, struct ph_loop *loop, struct ph_err *err)
{
    base->loop = loop;
    return 0;
}

static void close_session(struct ph_session *base)
{
    struct backend_session *s = backend_session(base);

    pthread_mutex_lock(&s->st->watchers);
    for (struct backend_session **at = &s->st->sessions; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    pthread_mutex_unlock(&s->st->watchers);
    backend_drop_reading(s);
    backend_drop_appends(s);
    free(s);
}

static int noop(struct ph_session *base, struct ph_err *err)
{
    return 0;
}

/* ---- folders ---- */

static const struct {
    unsigned folder;
    uint32_t attr;
} attributes[] = {
    { PH_FOLDER_NOSELECT, PH_MA_NOSELECT }, { PH_FOLDER_SUBSCRIBED, PH_MA_SUBSCRIBED }, { PH_FOLDER_ALL, PH_MA_ALL },
    { PH_FOLDER_ARCHIVE, PH_MA_ARCHIVE },   { PH_FOLDER_DRAFTS, PH_MA_DRAFTS },         { PH_FOLDER_FLAGGED, PH_MA_FLAGGED },
    { PH_FOLDER_JUNK, PH_MA_JUNK },         { PH_FOLDER_SENT, PH_MA_SENT },             { PH_FOLDER_TRASH, PH_MA_TRASH },
};
#define N_ATTRIBUTES (sizeof attributes / sizeof *attributes)

struct listing {
    struct ph_folder_list *l;
    size_t cap;
    char delim;
    bool failed;
};

static int list_one(void *to, const struct ph_backend_folder *f)
{
    struct listing *x = to;
    struct ph_folder_list *l = x->l;

    if (l->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 32;
        struct ph_folder *grown = ph_arena_alloc(&l->arena, cap * sizeof *grown);
        if (!grown)
            return x->failed = true;
        if (l->n)
            memcpy(grown, l->f, l->n * sizeof *grown);
        l->f = grown;
        x->cap = cap;
    }
    struct ph_folder *o = &l->f[l->n];
    memset(o, 0, sizeof *o);
    o->name = o->wire = ph_arena_strdup(&l->arena, ph_str(f->name));
    o->delim = x->delim;
    o->size = UINT64_MAX;
    for (size_t i = 0; i < N_ATTRIBUTES; i++)
        if (f->attributes & attributes[i].folder)
            o->attrs |= attributes[i].attr;
    l->n++;
    return x->failed = !o->name;
}

static int status(struct ph_session *base, struct ph_folder *const *f, size_t n, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;

    for (size_t i = 0; i < n; i++) {
        ph_err_clear(&f[i]->status_err);
        if (backend_status(st, f[i], &f[i]->status_err))
            f[i]->has_status = false;
    }
    return 0;
}

static int list(struct ph_session *base, bool with_status, struct ph_folder_list *out, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;
    struct listing x = { .l = out, .delim = st->delim };

    memset(out, 0, sizeof *out);
    ph_arena_init(&out->arena, 0);
    out->delim = st->delim;
    out->prefix = "";
    backend_lock(st);
    int rc = st->b.list(st->ctx, list_one, &x, err);
    backend_unlock(st);
    if (x.failed)
        rc = ph_fail_memory(err);
    for (size_t i = 0; rc == 0 && with_status && i < out->n; i++) {
        struct ph_folder *f = &out->f[i];
        if (!(f->attrs & PH_MA_NOSELECT))
            status(base, &f, 1, err);
    }
    if (rc)
        ph_folder_list_done(out);
    return rc;
}

static int no_such_operation(struct ph_err *err, const char *what)
{
    return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "this store cannot %s", what);
}

static int create(struct ph_session *base, const char *const *names, const uint32_t *special, size_t n,
                  struct ph_err *results, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;

    for (size_t i = 0; i < n; i++) {
        unsigned wanted = 0;
        ph_err_clear(&results[i]);
        for (size_t k = 0; special && k < N_ATTRIBUTES; k++)
            if (special[i] & attributes[k].attr)
                wanted |= attributes[k].folder;
        backend_lock(st);
        if (!st->b.create)
            no_such_operation(&results[i], "make folders");
        else if (st->b.create(st->ctx, names[i], wanted, &results[i]) == 0)
            ph_err_clear(&results[i]);
        backend_unlock(st);
        backend_tell(st, names[i], PH_WATCH_FOLDERS);
    }
    return 0;
}

static int subscribe(struct ph_session *base, const char *const *names, size_t n, bool on, struct ph_err *results,
                     struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;

    for (size_t i = 0; i < n; i++) {
        ph_err_clear(&results[i]);
        backend_lock(st);
        if (!st->b.subscribe)
            no_such_operation(&results[i], "keep subscriptions");
        else if (st->b.subscribe(st->ctx, names[i], on, &results[i]) == 0)
            ph_err_clear(&results[i]);
        backend_unlock(st);
        backend_tell(st, names[i], PH_WATCH_SUBSCRIPTIONS);
    }
    return 0;
}

static int remove_folder(struct ph_session *base, const char *name, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;

    if (!st->b.remove)
        return no_such_operation(err, "remove folders");
    backend_lock(st);
    int rc = st->b.remove(st->ctx, name, err);
    backend_unlock(st);
    backend_tell(st, name, PH_WATCH_FOLDERS | PH_WATCH_MESSAGES);
    return rc;
}

static int rename_folder(struct ph_session *base, const char *from, const char *to, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;

    if (!st->b.rename)
        return no_such_operation(err, "rename folders");
    backend_lock(st);
    int rc = st->b.rename(st->ctx, from, to, err);
    backend_unlock(st);
    backend_tell(st, NULL, PH_WATCH_FOLDERS | PH_WATCH_MESSAGES);
    return rc;
}

static const struct ph_serve_ops serve_told = {
    .body_open = backend_body_open, .body_at = backend_body_at, .copy = backend_copy, .watch = watch,
    .abilities = serve_abilities,
};
static const struct ph_serve_ops serve_told_no_copy = {
    .body_open = backend_body_open, .body_at = backend_body_at, .watch = watch, .abilities = serve_abilities,
};
static const struct ph_serve_ops serve_ops = {
    .body_open = backend_body_open, .body_at = backend_body_at, .copy = backend_copy, .abilities = serve_abilities,
};
static const struct ph_serve_ops serve_no_copy = {
    .body_open = backend_body_open, .body_at = backend_body_at, .abilities = serve_abilities,
};

/* What the backend lacks is NULL here, too. */
static void fill_session_ops(struct backend_store *st)
{
    const struct ph_backend *b = &st->b;
    bool append = b->append_begin, told = !b->untold;

    st->session_ops = (struct ph_session_ops){
        .join = join, .abilities = abilities, .append_limit = append_limit, .close = close_session, .list = list,
        .status = status, .scan_begin = backend_scan_begin, .scan_wait = backend_scan_wait,
        .bodies_add = backend_bodies_add, .bodies_next = backend_bodies_next, .body_read = backend_body_read,
        .noop = noop,
        .create = b->create ? create : NULL, .subscribe = b->subscribe ? subscribe : NULL,
        .remove = b->remove ? remove_folder : NULL, .rename = b->rename ? rename_folder : NULL,
        .store_flags = b->set_flags ? backend_store_flags : NULL, .expunge = b->expunge ? backend_expunge : NULL,
        .serve = told ? (append ? &serve_told : &serve_told_no_copy) : (append ? &serve_ops : &serve_no_copy),
    };
    if (append) {
        st->session_ops.append_open = backend_append_open;
        st->session_ops.append_message = backend_append_message;
        st->session_ops.append_write = backend_append_write;
        st->session_ops.append_finish = backend_append_finish;
        st->session_ops.append_poll = backend_append_poll;
        st->session_ops.append_wait = backend_append_wait;
        st->session_ops.append_free = backend_append_free;
    }
}

static int open_session(struct ph_store *base, struct ph_loop *loop, struct ph_session **out, struct ph_err *err)
{
    struct backend_store *st = (struct backend_store *)base;
    struct backend_session *s = calloc(1, sizeof *s);
    struct ph_backend_state state = { 0 };
    struct ph_err ignored;

    if (!s)
        return ph_fail_memory(err);
    s->base = (struct ph_session){ .ops = &st->session_ops, .store = base, .loop = loop };
    s->st = st;
    backend_lock(st);
    if (!atomic_load(&st->modseqs) && st->b.open(st->ctx, "INBOX", &state, &ignored) == 0 && state.modseq)
        atomic_store(&st->modseqs, true);
    backend_unlock(st);
    pthread_mutex_lock(&st->watchers);
    s->next = st->sessions;
    st->sessions = s;
    pthread_mutex_unlock(&st->watchers);
    *out = &s->base;
    return 0;
}

static const struct ph_store_ops store_ops = { .kind = "backend", .open = open_session, .free = free_store };

int ph_store_new(const struct ph_backend *b, void *ctx, const char *label, struct ph_store **out, struct ph_err *err)
{
    *out = NULL;
    if (!b->list || !b->open || !b->scan || !b->fetch)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a backend needs list, open, scan and fetch");
    if (b->append_begin && (!b->append_write || !b->append_commit || !b->append_abort))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a backend with append_begin needs append_write, _commit and _abort");
    struct backend_store *st = calloc(1, sizeof *st);
    if (!st)
        return ph_fail_memory(err);
    st->b = *b;
    st->ctx = ctx;
    st->delim = b->delimiter ? b->delimiter : '/';
    st->base.ops = &store_ops;
    st->base.label = ph_str_dup(ph_str(label));
    st->base.identity = joined("backend\t", label);
    pthread_mutex_init(&st->one, NULL);
    pthread_mutex_init(&st->change, NULL);
    pthread_mutex_init(&st->watchers, NULL);
    fill_session_ops(st);
    if (!st->base.label || !st->base.identity) {
        st->b.free = NULL; /* the caller keeps ctx when this fails */
        free_store(&st->base);
        return ph_fail_memory(err);
    }
    *out = &st->base;
    return 0;
}

void ph_store_free(struct ph_store *store)
{
    if (store)
        store->ops->free(store);
}
