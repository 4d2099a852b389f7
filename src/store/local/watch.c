/* watch.c: who is told of a user's changes.
 *
 * A watcher is a session's entry at an account: its own, and those of others that have granted it something. After a commit the
 * leader asks the index what has changed since the last time anybody asked, so changes by other processes come out the same
 * way: tasks.c has the leader's part when another process has written. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/local/account.h"
#include "store/local/tasks.h"
#include "store/local/watch.h"

struct note {
    struct local_watcher *watcher;
    char *folder; /* NULL: no folder in particular */
    unsigned what;
};

struct notes {
    struct note *v;
    size_t n, cap;
    bool failed;
};

/* Under bus_mu. */
static void add_note(struct notes *list, struct local_watcher *w, const char *folder, unsigned what)
{
    size_t n = folder ? strlen(folder) : 0, m = strlen(w->prefix);
    char *name = NULL;

    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        struct note *grown = realloc(list->v, cap * sizeof *grown);
        list->failed = list->failed || !grown;
        if (!grown)
            return;
        list->v = grown;
        list->cap = cap;
    }
    if (folder && (name = malloc(m + n + 1))) {
        memcpy(name, w->prefix, m);
        memcpy(name + m, folder, n + 1);
    }
    w->calls++;
    list->v[list->n++] = (struct note){ w, name, what };
}

static void free_watcher(struct local_watcher *w)
{
    free(w->prefix);
    free(w);
}

static void deliver(struct ph_local_root *root, struct notes *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct note *k = &list->v[i];
        pthread_mutex_lock(&root->bus_mu);
        void (*call)(void *ctx, const char *folder, unsigned what) = k->watcher->ended ? NULL : k->watcher->changed;
        void *ctx = k->watcher->ctx;
        if (call)
            k->watcher->running++;
        pthread_mutex_unlock(&root->bus_mu);
        if (call)
            call(ctx, k->folder, k->what);
        pthread_mutex_lock(&root->bus_mu);
        if (call)
            k->watcher->running--;
        if (--k->watcher->calls == 0 && k->watcher->ended)
            free_watcher(k->watcher);
        pthread_cond_broadcast(&root->bus_done);
        pthread_mutex_unlock(&root->bus_mu);
        free(k->folder);
    }
    free(list->v);
}

/* ---- what has changed ---- */

/* Under bus_mu. */
static void note_all(struct local_user *u, struct notes *list, const char *folder, unsigned what)
{
    if (what)
        for (struct local_watcher *w = u->watchers; w; w = w->next)
            /* the subscriptions and the like of others are not one's own */
            if (!*w->prefix || (what & (PH_WATCH_MESSAGES | PH_WATCH_FOLDERS | PH_WATCH_ACL | PH_WATCH_METADATA)))
                add_note(list, w, folder, what);
}

/* The index's answer, in one state of it. Under bus_mu, so that nobody tells the same twice; it is a look into memory. */
static int collect(struct local_user *u, struct local_db *db, struct notes *list)
{
    uint64_t since = u->published;
    struct local_state st;
    sqlite3_stmt *q;
    int r;

    if (ph_local_state_read(db, &st, NULL))
        return -1;
    if (st.modseq <= since)
        return 0;
    q = local_prepare(db, NULL, "SELECT name, modseq > ?1, acl_at > ?1, meta_at > ?1 FROM mailbox WHERE changed > ?1",
                      LI(since));
    if (!q)
        return -1;
    while ((r = ph_local_step(db, q, NULL)) > 0)
        note_all(u, list, (const char *)sqlite3_column_text(q, 0),
                 (sqlite3_column_int64(q, 1) ? PH_WATCH_MESSAGES : 0u) | (sqlite3_column_int64(q, 2) ? PH_WATCH_ACL : 0u) |
                     (sqlite3_column_int64(q, 3) ? PH_WATCH_METADATA : 0u));
    if (r)
        return -1;
    note_all(u, list, NULL, st.folders_at > since ? PH_WATCH_FOLDERS : 0);
    for (struct local_watcher *w = u->watchers; w; w = w->next)
        if (!*w->prefix) {
            if (st.subs_at > since)
                add_note(list, w, NULL, PH_WATCH_SUBSCRIPTIONS);
            if (st.meta_at > since)
                add_note(list, w, "", PH_WATCH_METADATA);
        }
    u->published = st.modseq;
    return 0;
}

void ph_local_tell(struct local_user *u)
{
    struct ph_local_root *root = u->root;
    struct notes list = { 0 };
    struct local_db *db;

    pthread_mutex_lock(&root->bus_mu);
    bool any = u->watchers != NULL;
    pthread_mutex_unlock(&root->bus_mu);
    if (!any || ph_local_read_begin(u, &db, NULL))
        return;
    pthread_mutex_lock(&root->bus_mu);
    collect(u, db, &list);
    pthread_mutex_unlock(&root->bus_mu);
    ph_local_read_end(u, db);
    deliver(root, &list);
}

void ph_local_publish(struct local_user *u)
{
    /* other processes look at the file's events, not at what is in it; without one they look once a second */
    ssize_t written = pwrite(u->lock_fd, ".", 1, 0);
    (void)written;
    ph_local_tell(u);
    if (atomic_load(&u->compact_wanted))
        ph_local_tasks_start(u->root, NULL);
}

/* ---- watching ---- */

/* Under bus_mu. */
static int link_watcher(struct local_session *s, struct local_user *u, uint64_t modseq)
{
    struct local_user **watched = realloc(s->watched, (s->n_watched + 1) * sizeof(struct local_user *));
    struct local_watcher *w = watched ? calloc(1, sizeof *w) : NULL;
    struct ph_buf prefix = PH_BUF_INIT;

    if (watched)
        s->watched = watched;
    if (u != s->user) {
        ph_buf_add_z(&prefix, LOCAL_OTHERS);
        ph_local_level_of(u->name, &prefix);
        ph_buf_add_char(&prefix, '/');
    }
    if (w)
        w->prefix = strdup(ph_buf_z(&prefix));
    ph_buf_done(&prefix);
    if (!w || !w->prefix) {
        free(w);
        return -1;
    }
    w->s = s;
    w->changed = s->changed;
    w->ctx = s->changed_ctx;
    if (!u->watchers)
        u->published = modseq; /* what was before is not news */
    w->next = u->watchers;
    u->watchers = w;
    s->watched[s->n_watched++] = u;
    return 0;
}

static int state_now(struct local_user *u, struct local_state *st, struct ph_err *err)
{
    struct local_db *db;

    if (ph_local_read_begin(u, &db, err))
        return -1;
    int r = ph_local_state_read(db, st, err);
    ph_local_read_end(u, db);
    return r;
}

static int add_watcher(struct local_session *s, struct local_user *u, struct ph_err *err)
{
    struct ph_local_root *root = u->root;
    struct local_state st;

    if (ph_local_enter(u, err))
        return -1;
    int r = state_now(u, &st, err);
    if (!r) {
        pthread_mutex_lock(&root->bus_mu);
        r = link_watcher(s, u, st.modseq) ? ph_fail_memory(err) : 0;
        pthread_mutex_unlock(&root->bus_mu);
    }
    ph_local_leave(u);
    if (!r)
        ph_local_tasks_watch(u);
    return r;
}

static int add_owner(void *ctx, const char *owner, struct ph_err *err)
{
    struct local_session *s = ctx;
    struct local_user *u;

    /* an account that cannot be opened says nothing, and is no reason not to hear of the others */
    if (ph_local_user_get(s->user->root, owner, false, &u, NULL) == 0)
        add_watcher(s, u, NULL);
    return 0;
}

/* The entry of a session at an account goes; a call under way is waited for. Under bus_mu. */
static void end_at(struct local_session *s, struct local_user *u)
{
    struct ph_local_root *root = u->root;
    struct local_watcher **at = &u->watchers, *w;

    while (*at && (*at)->s != s)
        at = &(*at)->next;
    w = *at;
    if (!w)
        return;
    *at = w->next;
    w->ended = true;
    w->calls++;
    while (w->running)
        pthread_cond_wait(&root->bus_done, &root->bus_mu);
    if (--w->calls == 0)
        free_watcher(w);
}

static void unwatch(struct local_session *s)
{
    struct ph_local_root *root = s->user->root;

    pthread_mutex_lock(&root->bus_mu);
    while (s->n_watched)
        end_at(s, s->watched[--s->n_watched]);
    pthread_mutex_unlock(&root->bus_mu);
    free(s->watched);
    s->watched = NULL;
}

int ph_local_watch(struct ph_session *base, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                   struct ph_err *err)
{
    struct local_session *s = local_session(base);

    if (s->changed)
        unwatch(s);
    s->changed = NULL;
    if (!changed)
        return 0;
    if (ph_local_begin(s, err) || ph_local_tasks_start(s->user->root, err))
        return -1;
    s->changed = changed;
    s->changed_ctx = ctx;
    if (add_watcher(s, s->user, err) == 0 &&
        ph_local_shared_owners(s->user->root, s->user->name, add_owner, s, err) == 0)
        return 0;
    unwatch(s);
    s->changed = NULL;
    return -1;
}

void ph_local_watch_shared(struct ph_local_root *root, struct local_user *owner, const char *identifier)
{
    struct notes list = { 0 };
    struct local_state st;
    struct local_user *u;

    if (ph_local_user_get(root, identifier, false, &u, NULL) || u == owner || state_now(owner, &st, NULL))
        return;
    pthread_mutex_lock(&root->bus_mu); /* the sessions cannot end meanwhile */
    for (struct local_watcher *w = u->watchers; w; w = w->next)
        if (!*w->prefix) {
            add_note(&list, w, NULL, PH_WATCH_FOLDERS | PH_WATCH_ACL);
            bool has = false;
            for (struct local_watcher *o = owner->watchers; o; o = o->next)
                has = has || o->s == w->s;
            if (!has)
                link_watcher(w->s, owner, st.modseq);
        }
    pthread_mutex_unlock(&root->bus_mu);
    ph_local_tasks_watch(owner);
    deliver(root, &list);
}
