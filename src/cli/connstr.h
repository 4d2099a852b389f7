/* connstr.h: the connection strings of the classic tools: `host[:port]/user[:admin]/secret[/method]`. Pure.
 *
 * Two or more backslashes make `\` the delimiter, so that names and passwords may hold `/`; a single one is data
 * (`DOMAIN\user`). Host and user end at the first two delimiters, a known method is stripped from the end, and everything
 * between is the password. There are no escapes.
 */
#ifndef PH_CLI_CONNSTR_H
#define PH_CLI_CONNSTR_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"

enum ph_connstr_method { PH_CONNSTR_PLAIN, PH_CONNSTR_CRAM_MD5, PH_CONNSTR_PREAUTH };

struct ph_connstr {
    const char *host;
    uint16_t port;      /* 0: none given */
    const char *user;   /* NULL: host only, a users file has the users */
    const char *admin;  /* from `user:admin`; NULL */
    const char *secret; /* NULL: not given; "" is an empty one. In the arena; the caller wipes it */
    enum ph_connstr_method method;
};

/* Strings are made in the arena; the secret inside `text` is overwritten. Error texts never have it. */
int ph_connstr_parse(char *text, struct ph_arena *arena, struct ph_connstr *out, struct ph_err *err);

#endif
