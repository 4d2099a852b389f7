/* url.h: where the mail is, as `imaps://user@host:port/` (RFC 5092 3, without a mailbox part). Pure.
 *
 *     imaps://anna@mail.example.org/            TLS from the first byte, port 993
 *     imap://anna:secret@[2001:db8::1]:1143/    port 143; percent-encoding in user and password
 *     imap://anna;AUTH=SCRAM-SHA-256@host/      a mechanism; AUTH=* is any
 *     imap+unix://anna@/run/dovecot/imap        a socket of this machine
 */
#ifndef PH_CLI_URL_H
#define PH_CLI_URL_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"

enum ph_url_scheme { PH_URL_IMAPS, PH_URL_IMAP, PH_URL_IMAP_UNIX };

struct ph_url {
    enum ph_url_scheme scheme;
    const char *host;   /* without brackets; NULL for a socket */
    uint16_t port;      /* given, or the scheme's */
    const char *path;   /* of the socket */
    const char *user;   /* NULL: not said */
    const char *auth;   /* upper case; NULL: not said or `*` */
    const char *secret; /* decoded, in the arena: the caller wipes it; NULL: not said */
};

/* Strings are made in the arena. The password inside `text` is overwritten, whether or not the rest is right; no error
 * text has it. Errors: PH_E_USAGE, naming what is wrong with which part. */
int ph_url_parse(char *text, struct ph_arena *arena, struct ph_url *out, struct ph_err *err);

/* Is the host this machine: localhost, 127.0.0.0/8, ::1 (names are not looked up)? */
bool ph_host_is_loopback(const char *host);

#endif
