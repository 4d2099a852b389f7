/* sockets.h: all listening sockets of the daemon, bound before the rights of root are given up, or handed over by a service manager. */
#ifndef PH_DAEMON_SOCKETS_H
#define PH_DAEMON_SOCKETS_H

#include "daemon/config.h"

enum ph_socket_kind { PH_SOCKET_IMAP, PH_SOCKET_IMAPS, PH_SOCKET_LMTP };

struct ph_socket {
    enum ph_socket_kind kind;
    int fd;               /* -1: handed on */
    char *path;           /* of a file that is ours to remove; NULL */
    char where[160];      /* for people: "127.0.0.1:143", a path */
};

#define PH_SOCKETS_MAX 64

struct ph_sockets {
    struct ph_socket s[PH_SOCKETS_MAX];
    size_t n;
    bool loopback_only;   /* nobody on another machine can reach any of them */
};

/* Sockets that were handed over are told apart by their names (FileDescriptorName=, or that of the socket unit): with "lmtp" in it, LMTP;
 * with "imaps" in it or on port 993, IMAP with TLS; else IMAP. PH_E_USAGE: none at all; one that other machines reach, with any_user. */
int ph_sockets_open(struct ph_sockets *s, const struct ph_daemon_config *c, struct ph_err *err);
void ph_sockets_done(struct ph_sockets *s); /* also after a failure */

#endif
