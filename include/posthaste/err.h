/* err.h: how every fallible function of the library reports failure.
 *
 * A fallible function returns 0, or -1 with *err filled in. Callers own the struct; it holds no
 * heap memory, so it is copied freely and needs no release. Texts are UTF-8, one line, without a
 * secret in them. A NULL err is allowed: the caller wants only the -1.
 */
#ifndef POSTHASTE_ERR_H
#define POSTHASTE_ERR_H

/* How far the damage goes: what the caller must give up before it can go on. */
enum ph_scope {
    PH_SCOPE_NONE = 0,
    PH_SCOPE_MESSAGE, /* this message; the folder and the session are fine */
    PH_SCOPE_FOLDER,  /* this folder; the session is fine */
    PH_SCOPE_SESSION, /* this connection is unusable, another may do */
    PH_SCOPE_STORE,   /* every connection to this account will fail alike */
    PH_SCOPE_JOB,     /* the whole run: wrong usage, no disk, out of memory */
};

enum ph_kind {
    PH_OK = 0,
    PH_E_USAGE,       /* the caller asked for something impossible */
    PH_E_MEMORY,
    PH_E_SYSTEM,      /* errno-like trouble on this machine: disk, files */
    PH_E_RESOLVE,     /* host name not found */
    PH_E_CONNECT,     /* nobody answers there */
    PH_E_TLS,         /* handshake or certificate */
    PH_E_TIMEOUT,     /* the deadline passed */
    PH_E_CANCELLED,   /* the user stopped the run */
    PH_E_CLOSED,      /* the other end went away (EOF, reset, BYE) */
    PH_E_PROTOCOL,    /* the peer broke the protocol */
    PH_E_LIMIT,       /* a limit of ours was reached */
    PH_E_AUTH,        /* credentials refused */
    PH_E_CLEARTEXT,   /* would have sent a secret in clear */
    PH_E_REFUSED,     /* the server said NO */
    PH_E_BAD,         /* the server said BAD */
    PH_E_NOTFOUND,    /* folder or message does not exist */
    PH_E_EXISTS,
    PH_E_QUOTA,       /* OVERQUOTA */
    PH_E_TOOBIG,      /* APPENDLIMIT, TOOBIG */
    PH_E_THROTTLED,   /* wait retry_ms, then go on */
    PH_E_PERMISSION,
    PH_E_UNSUPPORTED, /* the store or server lacks the ability */
    PH_E_CHANGED,     /* UIDVALIDITY changed, or the thing moved under us */
    PH_E_LOCKED,      /* another process holds it */
    PH_E_CORRUPT,     /* our own file is damaged */
};

enum ph_retry {
    PH_RETRY_NEVER = 0, /* the same call fails again */
    PH_RETRY_LATER,     /* waiting helps; retry_ms says how long when known */
    PH_RETRY_RECONNECT, /* a new connection helps */
};

#define PH_ERR_TEXT 512

struct ph_err {
    enum ph_scope scope;
    enum ph_kind kind;
    enum ph_retry retry;
    unsigned retry_ms;     /* 0: not known */
    char code[24];         /* the server's response code atom (RFC 5530), upper case, or "" */
    char text[PH_ERR_TEXT];
};

/* Fill *err (if not NULL) and return -1, so that `return ph_fail(…)` is the common form. */
int ph_fail(struct ph_err *err, enum ph_scope scope, enum ph_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), visibility("default")));
/* The same with strerror(errnum) appended: "text: No space left on device". */
int ph_fail_errno(struct ph_err *err, enum ph_scope scope, enum ph_kind kind, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 5, 6), visibility("default")));
int ph_fail_memory(struct ph_err *err) __attribute__((visibility("default")));
/* Put "prefix: " before the text that is there. */
void ph_err_prefix(struct ph_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), visibility("default")));
void ph_err_clear(struct ph_err *err) __attribute__((visibility("default")));
const char *ph_kind_name(enum ph_kind kind) __attribute__((visibility("default")));

#endif
