/* notify.h: what a service manager hands to a daemon and wants to hear, by its protocols (sd_listen_fds(3), sd_notify(3)), without its
 * library. */
#ifndef PH_DAEMON_NOTIFY_H
#define PH_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include <posthaste/err.h>

#define PH_ACTIVATED_MAX 64

struct ph_activated {
    int fd;            /* a listening socket, close-on-exec */
    char name[64];     /* FileDescriptorName=, or the name of the socket unit; "" */
};

/* Sockets that were handed over (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES); the variables are taken out of the environment. *n 0: none.
 * PH_E_USAGE: something that is no listening stream socket, or too many. */
int ph_activation_take(struct ph_activated out[PH_ACTIVATED_MAX], size_t *n, struct ph_err *err);

struct ph_notify {
    int fd;                 /* -1: nobody wants to hear */
    long watchdog_ms;       /* say WATCHDOG=1 at least so often; 0: no */
};
/* Reads NOTIFY_SOCKET and WATCHDOG_USEC, and takes them out of the environment. Before other threads start. */
void ph_notify_init(struct ph_notify *n);
/* `state` as sd_notify(3) has it: "READY=1\nSTATUS=…". Never blocks. */
void ph_notify_send(const struct ph_notify *n, const char *state);
void ph_notify_reloading(const struct ph_notify *n); /* RELOADING=1 with the time; say READY=1 afterwards */
void ph_notify_done(struct ph_notify *n);

#endif
