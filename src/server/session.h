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
#include "sasl/sasl.h"
#include "server/mailbox.h"
#include "store/serve.h"
#include "wire/command.h"
#include "wire/framer.h"
#include "wire/writer.h"

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
    MODE_SINK,   /* octets of a refused literal that will come anyway: thrown away */
};

enum session_run { /* who has it; guarded by server.lock */
    RUN_PARKED,
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_AGAIN,   /* running, and something new has happened meanwhile */
};

struct session {
    struct ph_server *server;
    uint64_t id;
    char peer[PH_PEER_TEXT + 16];
    bool local;               /* Unix socket, socketpair or a secure own transport: confidential without TLS */
    bool tls, compressed;
    struct ph_stream *stream; /* owned */
    void *app;                /* the application's */

    /* ---- scheduling: server.c; guarded by server.lock ---- */
    enum session_run run;
    struct session *next_run;          /* in the run queue */
    struct session *prev, *next;       /* in the list of all */
    short wants;                       /* poll events it is parked for */
    bool stopping;                     /* the server says goodbye */
    _Atomic int64_t wake_at;           /* ph_now_ms when the time is up; PH_NEVER */

    /* ---- input ---- */
    struct ph_buf in;
    struct ph_framer framer;
    enum session_mode mode;
    uint64_t sink_left;
    struct ph_arena arena;             /* of the command in hand */
    bool eof;

    /* ---- output ---- */
    struct ph_writer w;                /* handlers write here */
    struct ph_buf out;                 /* on its way to the stream */
    bool flush_pending;
    bool broken;                       /* nothing more can be sent or read */
    int64_t slow_since;                /* when the client last took octets while we wait */

    /* ---- protocol state ---- */
    enum ph_server_state state;
    unsigned enabled;                  /* PH_EN_* */
    unsigned bad_in_row, failed_logins;
    struct ph_str tag;                 /* of the command in hand, in the arena */
    char idle_tag[64];                 /* of an IDLE or AUTHENTICATE that waits for lines; "" none */
    struct ph_sasl *sasl;
    char mechanism[32];
    bool sasl_first;                   /* nothing was answered yet */
    bool closing;                      /* BYE is said: end when it is out */

    struct server_user *user;          /* after login */
    struct ph_session *store;          /* a session of its store while a command runs; else NULL */
    struct view *view;                 /* of the selected mailbox; NULL */
    struct session_append *append;
    struct session_notify *notify;     /* NULL: as without NOTIFY */
    struct ph_numset saved;            /* UIDs of SEARCHRES `$` */
    bool deflate_wanted, tls_wanted;   /* to switch on when the OK is out */

    uint64_t bytes_in, bytes_out, n_commands;
    int64_t began_ms;
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

/* ---- the store ---- */

/* A session of the user's store for the command in hand (given back when the command ends). NULL with *err. */
struct ph_session *session_store(struct session *s, struct ph_err *err);
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

/* ---- telling what has changed: sync.c (RFC 9051 7.4.1, 5.2) ---- */

enum {
    SYNC_EXPUNGE = 1 << 0, /* EXPUNGE may be sent now */
    SYNC_LOOK = 1 << 1,    /* look at the store even if nobody said that something changed (NOOP, CHECK, IDLE) */
};
int session_sync(struct session *s, unsigned how, struct ph_err *err);

/* ---- scheduling: server.c ---- */

enum step { STEP_PARK, STEP_CLOSE };
enum step session_step(struct session *s);       /* session.c; sets s->wants */
void server_wake(struct session *s);              /* from any thread: let it step soon */
void session_set_state(struct session *s, enum ph_server_state to);
void server_log(struct ph_server *srv, struct session *s, int level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
