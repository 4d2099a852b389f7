/* user.c: a user's store, opened with the first connection and given back some time after the last: mail programs come and go,
 * and what is loaded of a large mailbox is worth keeping for the next one.
 */
#include "server/user.h"

#include <stdlib.h>

#include "server/notify.h"
#include "server/private.h"

#define TRUSTED_MS 60000 /* a session of the store that was not used for longer is tried first */

static const struct ph_serve_ops no_serve;

/* ---- sessions of the store ---- */

static void close_session(struct ph_session *ps)
{
    struct ph_loop *loop = ps->loop;

    ps->ops->close(ps);
    free(loop);
}

static struct ph_session *open_session(struct server_user *u, struct ph_err *err)
{
    struct ph_loop *loop = calloc(1, sizeof *loop);
    struct ph_session *ps = NULL;

    if (!loop) {
        ph_fail_memory(err);
        return NULL;
    }
    loop->cancel = &u->server->cancel;
    if (u->store->ops->open(u->store, loop, &ps, err)) {
        free(loop);
        return NULL;
    }
    ps->loop = loop;
    return ps;
}

/* A remote one may have been ended by the other side while nobody used it. */
static bool still_there(struct ph_session *ps, int64_t since)
{
    struct ph_err err;

    return ph_now_ms() - since < TRUSTED_MS || !ps->ops->noop || ps->ops->noop(ps, &err) == 0;
}

struct ph_session *user_session_get(struct server_user *u, struct ph_err *err)
{
    for (;;) {
        struct ph_session *ps = NULL;
        int64_t since = 0;
        pthread_mutex_lock(&u->lock);
        if (u->n_spare) {
            ps = u->spare[--u->n_spare].ps;
            since = u->spare[u->n_spare].since;
        }
        pthread_mutex_unlock(&u->lock);
        if (!ps)
            return open_session(u, err);
        if (still_there(ps, since))
            return ps;
        close_session(ps);
    }
}

void user_session_put(struct server_user *u, struct ph_session *ps, bool failed)
{
    if (!failed && !(ps->ops->worn && ps->ops->worn(ps))) {
        pthread_mutex_lock(&u->lock);
        bool room = u->n_spare < USER_SPARE;
        if (room) {
            u->spare[u->n_spare].ps = ps;
            u->spare[u->n_spare++].since = ph_now_ms();
        }
        pthread_mutex_unlock(&u->lock);
        if (room)
            return;
    }
    close_session(ps);
}

struct ph_session *session_store(struct session *s, struct ph_err *err)
{
    if (s->store && s->store_failed) {
        user_session_put(s->user, s->store, true);
        s->store = NULL;
        s->store_failed = false;
    }
    if (!s->store)
        s->store = user_session_get(s->user, err);
    return s->store;
}

/* ---- being told of changes ---- */

static void on_change(void *ctx, const char *folder, unsigned what)
{
    struct server_user *u = ctx;

    if (what & (PH_WATCH_MESSAGES | PH_WATCH_FOLDERS))
        mailbox_changed(u, folder);
    notify_changed(u, folder, what);
}

static void watch(struct server_user *u)
{
    struct ph_err err = { 0 };

    if (!u->serve->watch)
        return;
    u->watcher = open_session(u, &err);
    u->watched = u->watcher && u->serve->watch(u->watcher, on_change, u, &err) == 0;
    if (!u->watched)
        server_log(u->server, NULL, 4, "%s: changes are looked for, as they are not told: %s", u->name, err.text);
}

/* ---- finding, opening, closing ---- */

static int open_user(struct server_user *u, struct ph_err *err)
{
    const struct ph_server_config *c = &u->server->config;
    struct ph_session *ps;

    if (c->calls.open_store(c->ctx, u->name, &u->store, err))
        return -1;
    ps = open_session(u, err);
    if (!ps)
        return -1;
    u->ops = ps->ops;
    u->serve = ps->ops->serve ? ps->ops->serve : &no_serve;
    u->abilities = ps->ops->abilities(ps);
    u->serve_abilities = u->serve->abilities ? u->serve->abilities(ps) : 0;
    u->append_limit = ps->ops->append_limit ? ps->ops->append_limit(ps) : UINT64_MAX;
    user_session_put(u, ps, false);
    watch(u);
    return 0;
}

static void close_user(struct server_user *u)
{
    const struct ph_server_config *c = &u->server->config;
    struct ph_err err;

    if (u->watched)
        u->serve->watch(u->watcher, NULL, NULL, &err);
    if (u->watcher)
        close_session(u->watcher);
    mailbox_forget_all(u);
    while (u->n_spare)
        close_session(u->spare[--u->n_spare].ps);
    if (u->store && c->calls.close_store)
        c->calls.close_store(c->ctx, u->name, u->store);
    else
        ph_store_free(u->store);
}

static void free_user(struct server_user *u)
{
    if (!u)
        return;
    pthread_mutex_destroy(&u->lock);
    pthread_mutex_destroy(&u->mailboxes_lock);
    pthread_mutex_destroy(&u->notify_lock);
    free(u->name);
    free(u);
}

static struct server_user *new_user(struct ph_server *srv, const char *name)
{
    struct server_user *u = calloc(1, sizeof *u);

    if (!u)
        return NULL;
    pthread_mutex_init(&u->lock, NULL);
    pthread_mutex_init(&u->mailboxes_lock, NULL);
    pthread_mutex_init(&u->notify_lock, NULL);
    u->server = srv;
    u->name = ph_str_dup(ph_str(name));
    if (u->name)
        return u;
    free_user(u);
    return NULL;
}

static struct server_user *find(struct ph_server *srv, const char *name)
{
    for (struct server_user *u = srv->users; u; u = u->next)
        if (strcmp(u->name, name) == 0)
            return u;
    return NULL;
}

static void unlink_user(struct server_user *u)
{
    for (struct server_user **at = &u->server->users; *at; at = &(*at)->next)
        if (*at == u) {
            *at = u->next;
            return;
        }
}

/* Close it, and let those go on who wait for that. The lock is given up meanwhile. */
static void end_user(struct server_user *u)
{
    struct ph_server *srv = u->server;

    u->state = USER_CLOSING;
    pthread_mutex_unlock(&srv->users_lock);
    close_user(u);
    pthread_mutex_lock(&srv->users_lock);
    unlink_user(u);
    pthread_cond_broadcast(&srv->users_changed);
    free_user(u);
}

int user_get(struct ph_server *srv, const char *name, bool wait, struct server_user **out, struct ph_err *err)
{
    struct server_user *u;
    int rc = 0;

    *out = NULL;
    pthread_mutex_lock(&srv->users_lock);
    while ((u = find(srv, name)) && u->state != USER_OPEN && wait)
        pthread_cond_wait(&srv->users_changed, &srv->users_lock);
    if (u && u->state != USER_OPEN) {
        rc = 1;
    } else if (u && srv->config.limits.per_user && u->refs >= srv->config.limits.per_user) {
        rc = ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "Too many connections of this user");
    } else if (u) {
        u->refs++;
    } else if (!(u = new_user(srv, name))) {
        rc = ph_fail_memory(err);
    } else {
        u->refs = 1;
        u->next = srv->users;
        srv->users = u;
        pthread_mutex_unlock(&srv->users_lock);
        rc = open_user(u, err);
        pthread_mutex_lock(&srv->users_lock);
        if (rc) {
            end_user(u);
        } else {
            u->state = USER_OPEN;
            pthread_cond_broadcast(&srv->users_changed);
        }
    }
    pthread_mutex_unlock(&srv->users_lock);
    *out = rc ? NULL : u;
    return rc;
}

/* The one that nobody has had for the longest time, if that is longer than `ms`, or there are more than `most`. */
static struct server_user *unused(struct ph_server *srv, int64_t ms, unsigned most)
{
    struct server_user *oldest = NULL;
    unsigned n = 0;

    for (struct server_user *u = srv->users; u; u = u->next)
        if (u->state == USER_OPEN && u->refs == 0) {
            n++;
            if (!oldest || u->unused_since < oldest->unused_since)
                oldest = u;
        }
    return oldest && (n > most || ph_now_ms() - oldest->unused_since >= ms) ? oldest : NULL;
}

static void end_unused(struct ph_server *srv, int64_t ms, unsigned most)
{
    struct server_user *u;

    while ((u = unused(srv, ms, most)) != NULL)
        end_user(u);
}

void user_put(struct server_user *u)
{
    struct ph_server *srv = u->server;

    pthread_mutex_lock(&srv->users_lock);
    if (--u->refs == 0) {
        u->unused_since = ph_now_ms();
        end_unused(srv, USER_LINGER_MS, USER_UNUSED);
    }
    pthread_mutex_unlock(&srv->users_lock);
}

void users_look(struct ph_server *srv)
{
    struct server_user *u;

    pthread_mutex_lock(&srv->users_lock);
    if ((u = unused(srv, USER_LINGER_MS, USER_UNUSED)) != NULL) /* one at a time: closing may take a while */
        end_user(u);
    pthread_mutex_unlock(&srv->users_lock);
}

void users_end(struct ph_server *srv)
{
    pthread_mutex_lock(&srv->users_lock);
    end_unused(srv, 0, 0);
    pthread_mutex_unlock(&srv->users_lock);
}
