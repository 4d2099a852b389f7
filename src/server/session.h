/* session.h: one client's connection, as the files of this folder see it.
 *
 * A session belongs to one thread at a time: the worker that runs it, or nobody while it is parked. It is a machine of small
 * steps: session_step moves it as far as it goes without waiting for the client; only a running command may wait (for the
 * store, or for the client to take what the queue does not hold). Commands are straight-line code: a function of
 * (session, command) that writes its answer and returns.
 *
 * Output: handlers write into s->w (a ph_writer); session_push passes it on, and waits when more than the queue's limit
 * is unsent. A long answer calls it after each item.
 */
#ifndef PH_SERVER_SESSION_H
#define PH_SERVER_SESSION_H

#include <posthaste/server.h>

#include "base/arena.h"
#include "base/buf.h"
#include "io/server.h"
#include "server/mailbox.h"
#include "store/serve.h"
#include "wire/command.h"
#include "wire/framer.h"
#include "wire/writer.h"

struct auth;
struct server_user;
struct session;
struct session_append; /* an APPEND, REPLACE whose octets are coming: append.c */
struct session_notify; /* notify.c */

#define PH_SERVER_QUEUE 65536 /* unsent octets of a connection that nobody waits for */

/* What a client has switched on (ENABLE, or by using it). */
enum {
    PH_EN_CONDSTORE = 1 << 0,
    PH_EN_QRESYNC = 1 << 1,
    PH_EN_UTF8 = 1 << 2,
    PH_EN_REV2 = 1 << 3,
    PH_EN_UIDONLY = 1 << 4,
};

/* What the next line is. */
enum session_mode {
    MODE_COMMAND,
    MODE_AUTH,   /* a response of a SASL exchange, or `*` */
    MODE_IDLE,   /* DONE */
    MODE_APPEND, /* the rest of an APPEND */
    MODE_SINK,   /* the rest of a refused command whose literals will come anyway: thrown away */
};

enum session_run { /* who has it; guarded by server.lock */
    RUN_PARKED,
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_AGAIN,   /* running, and something new has happened meanwhile */
    RUN_DEAD,
};

struct session {
    struct ph_server *server;
    uint64_t id;
    char peer[PH_PEER_TEXT + 16];
    bool local;               /* Unix socket, socketpair or a secure own transport: confidential without TLS */
    bool tls, compressed;
    struct ph_stream *stream; /* owned */
    void *app;                /* the application's */

    /* ---- scheduling: sched.c; guarded by server.lock, but for wants and wake_at, which belong to the worker ---- */
    enum session_run run;
    struct session *next_run;          /* in the run queue */
    int64_t queued_at;
    struct session *prev, *next;       /* in the list of all */
    bool own_transport;                /* no descriptor; the application frees it */
    bool registered;                   /* the waiter's epoll knows it */
    int fd;                            /* -1: own transport */
    bool over;                         /* closed: nothing is left but the struct */
    short wants;                       /* poll events it is parked for */
    int64_t wake_at;                   /* ph_now_ms of the next time-out; PH_NEVER */
    _Atomic bool stopping;             /* the server says goodbye */
    _Atomic bool hung_up;              /* poll says that the client is gone */

    /* ---- input: input.c ---- */
    struct ph_buf in;
    struct ph_framer framer;
    enum session_mode mode;
    struct ph_append_place place;      /* of the literal that streams in */
    uint64_t sunk;                     /* octets of a refused command thrown away */
    struct ph_err refusal;             /* what its answer says at its end; kind PH_OK: it is answered */
    struct ph_arena arena;             /* of the command in hand */
    bool eof;

    /* ---- output: output.c ---- */
    struct ph_writer w;                /* handlers write here; what is unsent stays in it */
    bool flush_pending;                /* the stream holds octets back */
    bool no_wait;                      /* an update nobody asked for: it may fill memory up to the limit, but not wait */
    bool broken;                       /* nothing more can be sent or read */
    int64_t slow_since;                /* since when we wait for the client to take octets; 0: we do not */
    uint64_t slow_bytes;               /* what it has taken since */

    /* ---- times, ph_now_ms ---- */
    int64_t began, active;             /* active: the last whole command, or octets of a message */
    int64_t idle_looked;               /* when an IDLE last looked by itself */
    int64_t held_until;                /* nothing is read or answered before; 0: none */
    bool login_held;                   /* the login in hand has waited already */
    struct ph_buf late;                /* the delayed answer to a failed login: goes out then */

    /* ---- protocol state ---- */
    enum ph_server_state state;
    unsigned enabled;                  /* PH_EN_* */
    unsigned bad_in_row, failed_logins;
    struct ph_str tag;                 /* of the command in hand, in the arena */
    char *idle_tag;                    /* of an IDLE or AUTHENTICATE that waits for lines */
    struct auth *auth;                 /* an exchange under way: auth.c */
    bool closing;                      /* BYE is said: end when it is out */
    const char *reason;                /* why it ended, for the log */
    char *preauth;                     /* user who needs not log in */

    struct server_user *user;          /* after login */
    struct ph_session *store;          /* a session of its store while a command runs; else NULL */
    bool store_failed;                 /* it must not be used again */
    struct view *view;                 /* of the selected mailbox; NULL */
    struct session_append *append;     /* an APPEND whose octets are coming: append.c */
    struct session_append *held;       /* APPENDs that are whole and not answered, oldest first */
    unsigned n_held;
    bool settling;
    char *bad_url;                     /* the URL of CATENATE that an error with code BADURL is about */
    int64_t held_since;
    struct session_notify *notify;     /* NULL: as without NOTIFY */
    struct ph_numset saved;            /* UIDs of SEARCHRES `$` */
    bool deflate_wanted, tls_wanted;   /* to switch on when the OK is out */

    uint64_t bytes_in, bytes_out, n_commands, n_selects;
};

/* ---- commands: a row in command_rows (commands.c), a function in its file ---- */

/* Returns 0 when it has answered (also with NO); -1 with *err: the dispatcher answers NO or BAD by the kind of the error (session_fail). */
typedef int session_handler(struct session *s, struct ph_command *c, struct ph_err *err);

/* ---- answering: answer.c ---- */

void session_ok(struct session *s, const struct ph_command *c, const char *text);   /* TAG OK text; updates are told first */
/* `code` is what stands in brackets, made with a ph_writer by the caller or a constant; NULL none. */
void session_ok_code(struct session *s, const struct ph_command *c, struct ph_str code, const char *text);
void session_no(struct session *s, const struct ph_command *c, const char *code, const char *text);
void session_bad(struct session *s, const struct ph_command *c, const char *text);
void session_fail(struct session *s, const struct ph_command *c, const struct ph_err *err); /* NO with the code that fits err->kind */
void session_bye(struct session *s, const char *code, const char *text); /* and ends when it is out */
/* Pass on what was written; waits while more than PH_SERVER_QUEUE is unsent. -1: the client is gone; stop writing. */
int session_push(struct session *s);
/* Octets of a message behind what was written: large pieces go from where they are to the stream, without a copy. */
int session_push_data(struct session *s, const char *p, size_t n);

/* ---- the store ---- */

/* A session of the user's store for the command in hand (given back when the command ends). NULL with *err. */
struct ph_session *session_store(struct session *s, struct ph_err *err);
/* The largest message that may be appended; UINT64_MAX: no limit is known. */
uint64_t session_append_limit(const struct session *s);
/* A mailbox name as the client sent it → UTF-8 in the arena (INBOX in capitals, modified UTF-7 undone, or UTF-8 when enabled), checked
 * (RFC 9051 5.1: no controls, no empty levels, limits). NULL with *err kind PH_E_USAGE. */
const char *session_mailbox_name(struct session *s, struct ph_str wire, struct ph_err *err);
/* The other way, into s->w. */
void session_write_mailbox(struct session *s, const char *name);
/* Right of the user on a mailbox: 0 has it (or the store knows no rights); -1 with PH_E_PERMISSION. */
int session_need_right(struct session *s, const char *name, char right, struct ph_err *err);

/* A message set of a command → UIDs that are in the view, ascending. Sequence numbers are mapped; a number that does not exist is -1
 * with PH_E_BAD ("invalid message number"), unknown UIDs are left out. `$` is the saved result. */
int session_set_uids(struct session *s, const struct ph_seqset *set, bool uid, struct ph_numset *out, struct ph_err *err);
/* RFC 9738: no more than the limit allows, the highest of them. *lowest: the lowest that is left; 0: all are. */
int session_limit_uids(struct session *s, struct ph_numset *uids, uint32_t *lowest, struct ph_err *err);

/* ---- telling what has changed: sync.c (RFC 9051 7.4.1, 5.2) ---- */

enum {
    SYNC_EXPUNGE = 1 << 0, /* EXPUNGE may be sent now */
    SYNC_NO_FLAGS = 1 << 2, /* other flags wait for the next time (NOTIFY without FlagChange) */
    SYNC_LOOK = 1 << 1,    /* look at the store even if nobody said that something changed (NOOP, CHECK, IDLE) */
};
int session_sync(struct session *s, unsigned how, struct ph_err *err);

/* ---- scheduling ---- */

void server_wake(struct session *s);              /* from any thread: let it step soon; never blocks */
void session_set_state(struct session *s, enum ph_server_state to);
void server_log(struct ph_server *srv, struct session *s, int level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
