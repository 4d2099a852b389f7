/* user.h: what all connections of one user share, while there are any: the store, sessions of it that nobody uses at the
 * moment, and the mailboxes that are open.
 */
#ifndef PH_SERVER_USER_H
#define PH_SERVER_USER_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/serve.h"

struct ph_server;
struct mailbox;
struct session_notify;
struct notify_doing;

#define USER_LINGER_MS 30000 /* a user without connections stays open so long … */
#define USER_UNUSED 32       /* … and so many at most */
#define USER_SPARE 4 /* sessions of the store that are kept for the next command */

struct server_user {
    struct ph_server *server;
    char *name;
    struct ph_store *store;

    /* constant while anybody has the user */
    const struct ph_session_ops *ops;
    const struct ph_serve_ops *serve;  /* never NULL: one without operations when the store has none */
    uint32_t abilities;                /* PH_AB_* */
    uint32_t serve_abilities;          /* PH_SV_* */
    uint64_t append_limit;             /* UINT64_MAX: none */
    bool watched;                      /* the store tells of changes */
    atomic_int delim;                  /* of a store without namespaces: the delimiter + 1, 0 not asked yet; names.c */

    /* the open mailboxes: mailbox.c */
    pthread_mutex_t mailboxes_lock;
    struct mailbox *mailboxes;
    uint64_t mailboxes_used;

    /* notify.c */
    pthread_mutex_t notify_lock;
    struct session_notify *notifies;
    struct notify_doing *doing;

    /* user.c */
    pthread_mutex_t lock;
    struct {
        struct ph_session *ps;
        int64_t since;
    } spare[USER_SPARE];
    unsigned n_spare;
    struct ph_session *watcher;
    /* guarded by server.users_lock */
    struct server_user *next;
    unsigned refs;
    int64_t unused_since;              /* with refs 0 */
    enum { USER_OPENING, USER_OPEN, USER_CLOSING } state;
};

/* Find the user or open the store. 1: another connection is just opening or closing it, try again in a moment; with `wait` that
 * is waited for. PH_E_LIMIT when the user has too many connections. */
int user_get(struct ph_server *srv, const char *name, bool wait, struct server_user **out, struct ph_err *err);
void user_put(struct server_user *u);
/* Give back the stores of users who have had no connection for a while; all of those without one. */
void users_look(struct ph_server *srv);
void users_end(struct ph_server *srv);

/* A session of the store for the calling thread; back with user_session_put. */
struct ph_session *user_session_get(struct server_user *u, struct ph_err *err);
void user_session_put(struct server_user *u, struct ph_session *ps, bool failed);

#endif
