/* lmtp_server.h: LMTP on listening sockets: a thread accepts, each connection has a thread of its own, and there are few of
 * them: queue managers open some twenty. */
#ifndef PH_DAEMON_LMTP_SERVER_H
#define PH_DAEMON_LMTP_SERVER_H

#include "daemon/accounts.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/users.h"

struct ph_lmtp_server;

struct ph_lmtp_server_options {
    const struct ph_daemon_config *config; /* borrowed, as all of these */
    struct ph_accounts *accounts;
    struct ph_users *users;                /* who gets mail; NULL: everybody the accounts have */
    struct ph_log *log;
    const char *host;
};

int ph_lmtp_server_new(const struct ph_lmtp_server_options *o, struct ph_lmtp_server **out, struct ph_err *err);
/* A listening socket, non-blocking: taken over. path (may be NULL) is removed at the end. Before start. */
int ph_lmtp_server_add(struct ph_lmtp_server *s, int fd, const char *path, struct ph_err *err);
int ph_lmtp_server_start(struct ph_lmtp_server *s, struct ph_err *err);
/* No new connections; a message that is being delivered is finished, others get 421. */
void ph_lmtp_server_free(struct ph_lmtp_server *s);

struct ph_lmtp_counters {
    uint64_t connections, refused, delivered, failed, octets;
    unsigned open;
};
void ph_lmtp_server_count(struct ph_lmtp_server *s, struct ph_lmtp_counters *out);

/* Whose mail an address is: the whole address, or else its local part, without what the delimiter begins. In the arena. PH_E_NOTFOUND;
 * PH_E_MEMORY. have says who is there. */
int ph_recipient_find(const char *local, const char *domain, const char *delimiter, bool (*have)(void *ctx, const char *user), void *ctx,
                      struct ph_arena *arena, const char **user, struct ph_err *err);

#endif
