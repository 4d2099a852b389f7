/* logins.h: the answers to what the server library asks: who may log in, after which wait, and which store they have. */
#ifndef PH_DAEMON_LOGINS_H
#define PH_DAEMON_LOGINS_H

#include <posthaste/server.h>

#include "daemon/accounts.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/throttle.h"
#include "daemon/users.h"

struct ph_logins {
    const struct ph_daemon_config *config; /* all borrowed */
    struct ph_accounts *accounts;
    struct ph_users *users;                /* NULL: not from a file */
    struct ph_throttle *throttle;          /* NULL: nobody waits */
    struct ph_log *log;
};

/* Fills the callbacks and ctx of a server's configuration. l lives longer than the server. */
void ph_logins_install(struct ph_logins *l, struct ph_server_config *c);

/* The common name of a subject in RFC 2253 form. -1: none, several, or one with characters that have to be escaped: no user's. */
int ph_subject_cn(const char *subject, char *out, size_t size);

#endif
