/* private.h: the server itself, as its own files see it: lists, queue, threads, limits. Commands do not need it.
 *
 * One lock guards who has which session; it is held for moments only, and nothing is called under it that waits.
 */
#ifndef PH_SERVER_PRIVATE_H
#define PH_SERVER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/secret.h"
#include "io/server.h"
#include "server/session.h"

#define SERVER_LISTENERS 32
#define SERVER_REST_WORKERS 2      /* threads that stay when there is nothing to do */
#define SERVER_AWAY_MAX 512        /* threads that wait for clients, beyond `workers` */
#define SERVER_QUICK_WORKERS 4     /* up to so many are started at once, more when the queue waits */
#define SERVER_LOGIN_LITERAL 8192
#define SERVER_LOOK_MS 10000       /* how often an IDLE looks by itself into a store that tells nothing */
#define SERVER_STREAMS 10000       /* messages in one APPEND */
#define SERVER_SINK_MAX (64u << 20) /* octets of a refused command that are worth reading to keep a connection */

struct listening {
    struct ph_server *server;
    struct ph_listener l;
    unsigned flags;
};

struct own_capability {
    char *atom;
    unsigned when;
};

struct server_counters {
    _Atomic uint64_t connections, refused, logins, failed_logins, commands, bad_commands, bytes_in, bytes_out, appended,
        fetched, timeouts;
    _Atomic int64_t logged_in, idling;
};

struct ph_server {
    struct ph_server_config config;    /* strings are ours; limits have their defaults filled in */
    char *host, *greeting, *name, *version;
    char *preauth_user;

    pthread_mutex_t tls_lock;
    struct ph_tls_server *tls;         /* NULL: none */
    bool tls_client_ca;

    struct listening listeners[SERVER_LISTENERS];
    unsigned n_listeners;
    struct ph_command_row *rows;       /* of the application's commands, the last with name NULL */
    struct ph_server_command *own;     /* and what runs them; the i-th is PH_CMD_APPLICATION + i */
    size_t n_own;
    struct own_capability *caps;
    size_t n_caps;

    pthread_mutex_t lock;
    pthread_cond_t work;               /* something is in the queue, or workers are to end */
    pthread_cond_t calm;               /* a session was parked or has ended, a worker is gone */
    struct session *sessions;          /* all that are not over, and own transports until they are freed */
    struct session *queue, **queue_end;
    struct session *dead;              /* descriptors' sessions that have ended: freed by the waiter, which may still know them */
    unsigned n_sessions, n_queued, n_workers, n_idle;
    unsigned n_away;                   /* of the workers: those that wait for a client to take octets */
    int64_t last_start;                /* of a worker */
    int64_t next_scan;                 /* when to look for time-outs */
    bool look;                         /* a worker is to look for users whom nobody has any more */
    bool started, stopping, workers_end, waiter_end;
    _Atomic bool killing;              /* time is up: whoever runs ends now */
    uint64_t last_id;

    int epoll, event;                  /* event: wakes the waiter */
    pthread_t waiter;
    struct ph_cancel cancel;           /* raised when stopping takes too long: no more waiting for clients */

    pthread_mutex_t users_lock;
    pthread_cond_t users_changed;
    struct server_user *users;

    struct server_counters count;
};

static inline struct session *session_of(const struct ph_server_conn *c)
{
    return (struct session *)c; /* a connection is its session under another name */
}
static inline struct ph_server_conn *conn_of(struct session *s)
{
    return (struct ph_server_conn *)s;
}

/* ---- sched.c ---- */
int sched_start(struct ph_server *srv, struct ph_err *err);
void sched_stop(struct ph_server *srv);     /* ends all sessions and threads */
/* Put a new session into the list and let it run. -1: too many (it is freed with a BYE), or stopping. */
int sched_add(struct ph_server *srv, struct session *s, struct ph_err *err);
void sched_poke(struct ph_server *srv);     /* the waiter looks again */
/* Around a worker's wait for its client: another thread takes its place meanwhile. true: there are so many that patience must be short. */
bool sched_away(struct ph_server *srv);
void sched_back(struct ph_server *srv);
/* Step a session that nobody else has, with the lock held (it is given up meanwhile), and put it where it belongs then. */
void sched_run(struct ph_server *srv, struct session *s);
void sched_forget(struct ph_server *srv, struct session *s); /* end an own transport's session, and take it out of the list */

/* ---- session.c ---- */
enum step { STEP_PARK, STEP_YIELD, STEP_CLOSE };
/* Beyond PH_LISTEN_*: */
enum { SESSION_LOCAL = 1 << 16 };
/* A stream is taken over, on failure too. */
struct session *session_new(struct ph_server *srv, struct ph_stream *stream, const char *peer, unsigned flags,
                            const char *preauth, struct ph_err *err);
enum step session_step(struct session *s);  /* sets s->wants and s->wake_at */
void session_end(struct session *s);        /* closes everything but the struct */
void session_delete(struct session *s);     /* the struct */
void session_command_done(struct session *s); /* what a command held is given back */
void session_reset_framer(struct session *s); /* between commands */
void session_reset_literals(struct session *s); /* the limit that the state has */

/* ---- input.c ---- */
enum input { INPUT_MORE, INPUT_DONE, INPUT_HOLD };
/* Do the next thing with what is in s->in. DONE: something was done; MORE: read; HOLD: not before s->held_until. */
enum input session_input(struct session *s);

/* ---- output.c ---- */
/* Send without waiting. 0: all is out; 1: some is not; -1: broken. */
int session_flush(struct session *s);
static inline size_t session_unsent(const struct session *s)
{
    return ph_buf_len(&s->w.out);
}

/* ---- commands.c ---- */
void session_dispatch(struct session *s, struct ph_command *c);
void session_refuse_bad(struct session *s, const struct ph_command *c, const struct ph_err *err); /* BAD, counted */
/* NULL, or why the command may not come now. */
const char *session_wrong_state(const struct session *s, const struct ph_command *c);
bool command_exists(enum ph_cmd id);
struct ph_args_limits session_args_limits(const struct session *s);

/* ---- capability.c ---- */
void write_capabilities(struct session *s); /* `IMAP4rev1 …` */
bool session_may_use_cleartext(const struct session *s);
bool capability_is_offered(const struct session *s, const char *atom); /* one of those that depend on the store */

/* ---- auth.c ---- */
void auth_line(struct session *s, struct ph_str line);
void auth_free(struct session *s);
bool auth_must_wait(struct session *s);
void auth_mechanisms(struct session *s);    /* ` AUTH=PLAIN …` */
/* Open the user's store. 1: others are just at it (never with `wait`). */
int session_login(struct session *s, const char *user, bool wait, struct ph_err *err);
void auth_resume(struct session *s); /* go on with a login that had to wait for the store, if there is one */

/* ---- idle.c ---- */
void idle_line(struct session *s, struct ph_str line);
void idle_update(struct session *s);
void idle_end(struct session *s);           /* nobody is told any more */

/* ---- basic.c ---- */
int session_start_tls(struct session *s, struct ph_err *err);
int session_start_deflate(struct session *s, struct ph_err *err);
void session_logout_user(struct session *s); /* as if it had never logged in */

#endif
