/* lmtp.h: the receiving end of LMTP (RFC 2033: SMTP, RFC 5321, with an answer for each recipient) as a machine without I/O.
 *
 * The caller adds what the client sent to `in`, calls ph_lmtp_run, and sends what stands in `out`, until run says that it needs more.
 * PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES are offered. One thread.
 */
#ifndef PH_DAEMON_LMTP_H
#define PH_DAEMON_LMTP_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define PH_LMTP_LINE 4096        /* octets of a command */
#define PH_LMTP_RECIPIENTS 1000  /* of one message */
#define PH_LMTP_ERRORS 20        /* wrong commands, then the connection ends */

struct ph_lmtp_calls {
    /* Who gets mail for this mailbox? `local` is unquoted, domain "" when there is none. 0 with *user, which lives in the arena; -1: kind
     * NOTFOUND is a permanent no, all others are "try again". */
    int (*recipient)(void *ctx, const char *local, const char *domain, struct ph_arena *arena, const char **user,
                     struct ph_err *err);
    /* A message begins; then its octets, dots undone; -1 of either: the rest is thrown away, and every recipient gets the error. */
    int (*begin)(void *ctx, const char *from, const char *client, struct ph_err *err);
    int (*octets)(void *ctx, const char *p, size_t n, struct ph_err *err);
    /* Put the whole message into a user's mailbox. 0: it is there, durably. */
    int (*deliver)(void *ctx, const char *user, const char *address, struct ph_err *err);
    void (*end)(void *ctx); /* the message is dealt with, or was given up */
};

enum ph_lmtp_next { PH_LMTP_MORE, PH_LMTP_SEND /* out, then run again */, PH_LMTP_CLOSE /* out, then close */ };

struct ph_lmtp_recipient {
    const char *user, *address;
};

struct ph_lmtp {
    struct ph_buf in, out;
    const struct ph_lmtp_calls *calls;
    void *ctx;
    const char *host;            /* ours */
    uint64_t max_size;           /* 0: none */
    /* inside */
    enum { PH_LM_COMMAND, PH_LM_SKIP_LINE, PH_LM_DATA, PH_LM_DELIVER, PH_LM_CLOSED } state;
    enum { PH_DOT_TEXT, PH_DOT_CR, PH_DOT_BOL, PH_DOT_DOT, PH_DOT_DOTCR } dot;
    struct ph_arena arena;       /* of the transaction */
    char client[256];            /* what LHLO said; "": nothing yet */
    const char *from;            /* NULL: no MAIL yet */
    struct ph_lmtp_recipient *to;
    size_t n_to, next_to;
    uint64_t size;
    bool failed;                 /* of the message: err says why */
    struct ph_err err;
    unsigned errors;
};

/* Also writes the greeting into out. host lives as long as l. */
void ph_lmtp_init(struct ph_lmtp *l, const char *host, uint64_t max_size, const struct ph_lmtp_calls *calls, void *ctx);
void ph_lmtp_done(struct ph_lmtp *l);
enum ph_lmtp_next ph_lmtp_run(struct ph_lmtp *l);
/* "421" with a text into out: the server stops, or has waited long enough. */
void ph_lmtp_goodbye(struct ph_lmtp *l, const char *text);

/* `<path>` of MAIL or RCPT at the front of *s, taken off. A source route is left out (RFC 5321 4.1.1.3). For `<>` local is "". -1: not one. */
int ph_lmtp_path(struct ph_str *s, struct ph_arena *arena, const char **local, const char **domain, const char **address);

#endif
