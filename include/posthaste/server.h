/* server.h: an IMAP server (RFC 9051, RFC 3501 and extensions) over any store.
 *
 * The application says who may log in and which store a user has; the library speaks the protocol. What is advertised is
 * computed from what the store can do.
 *
 * Threads: configure and add listeners, commands and capabilities from one thread, then start. Callbacks come from worker
 * threads, several at a time; they may block, one connection waits then and no other. Strings given to callbacks are borrowed
 * for the call. Functions return 0, or -1 with *err filled; the library never exits, prints or reads configuration.
 */
#ifndef POSTHASTE_SERVER_H
#define POSTHASTE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>
#include <posthaste/store.h>

#define PH_PUBLIC __attribute__((visibility("default")))

struct ph_server;
struct ph_server_conn; /* one client; valid in callbacks, and until its last state change */

/* RFC 9051 section 3. SERVER_GREETING lasts until the greeting is out. */
enum ph_server_state {
    PH_ST_CONNECTION_CLOSED,
    PH_ST_CONNECTION_ESTABLISHED,
    PH_ST_SERVER_GREETING,
    PH_ST_NOT_AUTHENTICATED,
    PH_ST_AUTHENTICATED,
    PH_ST_SELECTED,
    PH_ST_LOGOUT,
};
PH_PUBLIC const char *ph_server_state_name(enum ph_server_state s);

/* What is kept about a user's password. Strings live until the callback is called again by the same thread. */
struct ph_server_verifier {
    const char *password;                 /* clear text, or NULL */
    const char *scram_sha1, *scram_sha256; /* "iterations,base64 salt,base64 storedkey,base64 serverkey", or NULL */
};

/* Any may be NULL but open_store and at least one way to log in. */
struct ph_server_callbacks {
    /* The user's verifier for mechanisms that need one (SCRAM-*, CRAM-MD5, DIGEST-MD5, and PLAIN/LOGIN without check_password). 0; -1: no such
     * user (the exchange goes on and fails at its end, so that names cannot be probed). */
    int (*verifier)(void *ctx, const char *user, struct ph_server_verifier *v);
    /* LOGIN, PLAIN: 0 right, -1 wrong, 1 cannot tell now (the client gets [UNAVAILABLE]). */
    int (*check_password)(void *ctx, const char *user, const char *password, size_t n);
    int (*check_token)(void *ctx, const char *user, const char *token, size_t n); /* OAUTHBEARER, XOAUTH2 */
    /* EXTERNAL: the client certificate's subject in RFC 2253 form, "" over a local socket. */
    int (*check_external)(void *ctx, const char *subject, const char *user);
    /* May `authc`, whose credentials were right, act as `authz`? 0 yes. NULL: only as itself. */
    int (*authorize)(void *ctx, const char *authc, const char *authz);
    /* Before a password, token or proof is looked at: how many milliseconds to wait first. The session is parked meanwhile, no thread waits
     * for it. NULL: the answer to a failed login is held back by a second, twice as long with each further one of a connection. */
    unsigned (*login_delay)(void *ctx, struct ph_server_conn *c);
    /* How a try ended. user: as the client gave it, "" when it gave none; not a name that exists, necessarily. */
    void (*login_tried)(void *ctx, struct ph_server_conn *c, const char *user, bool ok);
    /* The store of a user who has logged in. Opened with the user's first connection, and given back some
     * time after the last, at the latest by ph_server_stop. */
    int (*open_store)(void *ctx, const char *user, struct ph_store **out, struct ph_err *err);
    void (*close_store)(void *ctx, const char *user, struct ph_store *store); /* NULL: ph_store_free */

    void (*state)(void *ctx, struct ph_server_conn *c, enum ph_server_state from, enum ph_server_state to);
    /* One line, never a secret. level as in syslog(3). c may be NULL. */
    void (*log)(void *ctx, int level, struct ph_server_conn *c, const char *line);
    /* An idling client was told of changes in its mailbox. */
    void (*idle_update)(void *ctx, struct ph_server_conn *c, const char *mailbox);
};

/* 0: the default in brackets. */
struct ph_server_limits {
    size_t line;                /* octets of a command without literals [65536] */
    size_t literal;             /* octets of all literals of a command but APPEND's messages [1 MiB; before login 8192] */
    uint64_t append;            /* octets of one message [none]: APPENDLIMIT */
    size_t memory;              /* octets one connection may hold after login [16 MiB] */
    unsigned connections;       /* [10000] */
    unsigned per_address;       /* connections of one address [no limit] */
    unsigned per_user;          /* [no limit] */
    unsigned workers;           /* threads that run commands [64]; those that wait for a slow client to take an answer come on top, 512 at most */
    unsigned login_seconds;     /* until a client has logged in [60] */
    unsigned idle_seconds;      /* without a command [1800] */
    unsigned failed_logins;     /* then the connection ends [3]; answers are delayed after each */
    unsigned bad_commands;      /* in a row, then it ends [20] */
    unsigned messages;          /* MESSAGELIMIT (RFC 9738): messages one command may touch [none] */
    unsigned drain_seconds;     /* stop waits this long for running commands [10] */
};

struct ph_server_config {
    const char *host;           /* our name; NULL: the machine's */
    const char *greeting;       /* text of the greeting; NULL: "HOST ready" */
    const char *name, *version; /* for ID; NULL: "Posthaste" and the library's */
    bool cleartext_login;       /* take passwords on connections without TLS; else LOGINDISABLED there. Local sockets always may */
    bool hashed_verifiers;      /* verifier never has a clear password: CRAM-MD5 and DIGEST-MD5, which need it, are not offered */
    const char *preauth_user;   /* of listeners with PH_LISTEN_PREAUTH */
    struct ph_server_limits limits;
    struct ph_server_callbacks calls;
    void *ctx;
};

/* The configuration is copied. */
PH_PUBLIC int ph_server_new(const struct ph_server_config *config, struct ph_server **out, struct ph_err *err);
/* Certificate chain and key (PEM); called again it replaces them for new connections, at any time. client_ca: CAs of client
 * certificates, or NULL. */
PH_PUBLIC int ph_server_set_tls(struct ph_server *s, const char *cert_file, const char *key_file, const char *client_ca,
                                struct ph_err *err);

/* ---- where clients come from ---- */

enum {
    PH_LISTEN_TLS = 1 << 0,      /* TLS from the first octet */
    PH_LISTEN_PREAUTH = 1 << 1,  /* clients are `preauth_user` from the greeting on */
};
/* address: an IP literal. port 0: any free one; *bound (may be NULL) says which. */
PH_PUBLIC int ph_server_listen_tcp(struct ph_server *s, const char *address, uint16_t port, unsigned flags, uint16_t *bound,
                                   struct ph_err *err);
PH_PUBLIC int ph_server_listen_unix(struct ph_server *s, const char *path, unsigned mode, unsigned flags, struct ph_err *err);
PH_PUBLIC int ph_server_listen_fd(struct ph_server *s, int fd, unsigned flags, struct ph_err *err); /* a listening socket: taken over */
/* A connected socket (one end of a socketpair): taken over. preauth_user may be NULL. After start. */
PH_PUBLIC int ph_server_attach_fd(struct ph_server *s, int fd, unsigned flags, const char *preauth_user, struct ph_err *err);

/* An own transport: the same session without a socket. Free it before the server. Hand in what the client sent; what it is to get comes through `write`
 * from within these calls and, for updates while idling, time-outs and answers to failed logins, from another thread (never two at a time for one connection). write
 * returns 0, or -1 to end the connection. secure: the transport is confidential. */
struct ph_server_transport {
    int (*write)(void *ctx, const void *p, size_t n);
    void *ctx;
    const char *peer; /* for the log */
    bool secure;
};
PH_PUBLIC int ph_server_conn_new(struct ph_server *s, const struct ph_server_transport *t, struct ph_server_conn **out,
                                 struct ph_err *err);
/* 0; 1: the session is over (LOGOUT, BYE): free it; -1: broken. */
PH_PUBLIC int ph_server_conn_feed(struct ph_server_conn *c, const void *p, size_t n, struct ph_err *err);
PH_PUBLIC void ph_server_conn_free(struct ph_server_conn *c);

PH_PUBLIC const char *ph_server_conn_user(const struct ph_server_conn *c);    /* NULL before login */
PH_PUBLIC const char *ph_server_conn_mailbox(const struct ph_server_conn *c); /* UTF-8; NULL when none is selected */
PH_PUBLIC const char *ph_server_conn_peer(const struct ph_server_conn *c);
PH_PUBLIC uint64_t ph_server_conn_id(const struct ph_server_conn *c);
PH_PUBLIC void ph_server_conn_set(struct ph_server_conn *c, void *p); /* the application's own */
PH_PUBLIC void *ph_server_conn_get(const struct ph_server_conn *c);

/* ---- own commands and capabilities, before start ---- */

struct ph_server_arg {
    const char *p; /* NULL: not given, or NIL */
    size_t n;
};
struct ph_server_command {
    const char *name;
    unsigned states;    /* bits 1 << PH_ST_* in which it may come */
    const char *shape;  /* arguments: words of "atom astring string nstring number mailbox set", optional ones in brackets at the end */
    /* Runs on a worker. Answer with untagged lines, then return 0 with a text, or -1 with *err (NO; kind PH_E_BAD: BAD). */
    int (*run)(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
               struct ph_err *err);
    void *ctx;
};
PH_PUBLIC int ph_server_add_command(struct ph_server *s, const struct ph_server_command *c, struct ph_err *err);
PH_PUBLIC int ph_server_untagged(struct ph_server_conn *c, const char *line, size_t n); /* without `* ` and CRLF, which may not be in it */
enum { PH_CAP_BEFORE_LOGIN = 1 << 0, PH_CAP_AFTER_LOGIN = 1 << 1 };
PH_PUBLIC int ph_server_add_capability(struct ph_server *s, const char *atom, unsigned when, struct ph_err *err);

/* ---- running ---- */

PH_PUBLIC int ph_server_start(struct ph_server *s, struct ph_err *err); /* returns at once */
/* No new clients; idle ones get BYE; accepted commands are finished, up to drain_seconds. Then all is closed. */
PH_PUBLIC void ph_server_stop(struct ph_server *s);
PH_PUBLIC void ph_server_free(struct ph_server *s); /* stops first */

struct ph_server_counters {
    uint64_t connections, open, logged_in, idling, refused, logins, failed_logins, commands, bad_commands, bytes_in, bytes_out,
        appended, fetched, timeouts, workers, workers_busy;
};
PH_PUBLIC void ph_server_count(struct ph_server *s, struct ph_server_counters *out);

#endif
