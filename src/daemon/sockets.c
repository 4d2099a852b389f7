#include "daemon/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/notify.h"
#include "daemon/privileges.h"
#include "io/server.h"

union address {
    struct sockaddr sa;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un un;
};

/* The address of a bound socket in words; *port; *near: only this machine reaches it. */
static void describe(int fd, char *out, size_t size, uint16_t *port, bool *near)
{
    union address a = { 0 };
    socklen_t n = sizeof a;
    char ip[INET6_ADDRSTRLEN] = "";

    *port = 0;
    *near = false;
    snprintf(out, size, "descriptor %d", fd);
    if (getsockname(fd, &a.sa, &n) < 0)
        return;
    if (a.sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a.four.sin_addr, ip, sizeof ip);
        *port = ntohs(a.four.sin_port);
        snprintf(out, size, "%s:%u", ip, *port);
        *near = ph_listen_address_is_loopback(ip);
    } else if (a.sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.six.sin6_addr, ip, sizeof ip);
        *port = ntohs(a.six.sin6_port);
        snprintf(out, size, "[%s]:%u", ip, *port);
        *near = ph_listen_address_is_loopback(ip);
    } else if (a.sa.sa_family == AF_UNIX) {
        *near = true;
        if (n > offsetof(struct sockaddr_un, sun_path))
            snprintf(out, size, "%.*s", (int)(n - offsetof(struct sockaddr_un, sun_path)), a.un.sun_path);
    }
}

static struct ph_socket *add(struct ph_sockets *s, enum ph_socket_kind kind, int fd, const char *path, uint16_t *port, struct ph_err *err)
{
    struct ph_socket *k = &s->s[s->n];
    bool near;

    if (s->n == PH_SOCKETS_MAX) {
        close(fd);
        ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "more than %d sockets to listen on", PH_SOCKETS_MAX);
        return NULL;
    }
    s->n++;
    *k = (struct ph_socket){ .kind = kind, .fd = fd, .path = ph_str_dup(ph_str(path)) };
    describe(fd, k->where, sizeof k->where, port, &near);
    s->loopback_only = s->loopback_only && near;
    return k;
}

static int open_tcp(struct ph_sockets *s, const struct ph_strings *list, enum ph_socket_kind kind, struct ph_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        struct ph_listen_address a;
        struct ph_listener l;
        uint16_t port;
        if (ph_listen_address_parse(list->item[i], &a, err))
            return -1;
        if (ph_listen_tcp(&l, a.address, a.port, err) &&
            (strcmp(a.address, "::") != 0 || ph_listen_tcp(&l, "0.0.0.0", a.port, err))) /* a machine without IPv6 */
            return -1;
        if (!add(s, kind, l.fd, NULL, &port, err))
            return -1;
    }
    return 0;
}

/* Files belong to whom the daemon will be, and to the group that is to use them. */
static int give(const char *path, const struct ph_daemon_config *c, struct ph_err *err)
{
    struct ph_identity id = { .uid = (uid_t)-1, .gid = (gid_t)-1 };

    if (c->run_as && ph_identity_find(c->run_as, &id, err))
        return -1;
    if (c->socket_group && ph_group_find(c->socket_group, &id.gid, err))
        return -1;
    if ((id.uid != (uid_t)-1 || id.gid != (gid_t)-1) && chown(path, id.uid, id.gid) < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_PERMISSION, errno, "cannot give away %s", path);
    return 0;
}

static int open_unix(struct ph_sockets *s, const struct ph_daemon_config *c, const struct ph_strings *list, enum ph_socket_kind kind,
                     struct ph_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        struct ph_listener l;
        uint16_t port;
        if (ph_listen_unix(&l, list->item[i], c->socket_mode, err))
            return -1;
        free(l.path);
        if (!add(s, kind, l.fd, list->item[i], &port, err) || give(list->item[i], c, err))
            return -1;
    }
    return 0;
}

static int take_activated(struct ph_sockets *s, const struct ph_daemon_config *c, struct ph_err *err)
{
    struct ph_activated a[PH_ACTIVATED_MAX];
    size_t n;

    if (ph_activation_take(a, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        uint16_t port;
        struct ph_socket *k = add(s, PH_SOCKET_IMAP, a[i].fd, NULL, &port, err);
        if (!k)
            return -1;
        if (strstr(a[i].name, "lmtp"))
            k->kind = PH_SOCKET_LMTP;
        else if (strstr(a[i].name, "imaps") || port == 993)
            k->kind = PH_SOCKET_IMAPS;
        if (k->kind == PH_SOCKET_IMAPS && !c->tls_cert)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the socket \"%s\" wants TLS, and no certificate is named (tls-cert)", a[i].name);
        if (k->kind == PH_SOCKET_LMTP && port != 0)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "LMTP is spoken on socket files only, not on %s", k->where);
    }
    return 0;
}

int ph_sockets_open(struct ph_sockets *s, const struct ph_daemon_config *c, struct ph_err *err)
{
    *s = (struct ph_sockets){ .loopback_only = true };
    if (take_activated(s, c, err) || open_tcp(s, &c->listen, PH_SOCKET_IMAP, err) || open_tcp(s, &c->listen_tls, PH_SOCKET_IMAPS, err) ||
        open_unix(s, c, &c->listen_unix, PH_SOCKET_IMAP, err) || open_unix(s, c, &c->lmtp, PH_SOCKET_LMTP, err))
        return -1;
    if (s->n == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "nowhere to listen: --listen 127.0.0.1:143, --listen-tls, --listen-unix or --lmtp");
    if (c->any_user && !s->loopback_only)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "any-user takes everybody in, and other machines could reach a socket that was handed over");
    return 0;
}

void ph_sockets_done(struct ph_sockets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->s[i].fd >= 0)
            close(s->s[i].fd);
        if (s->s[i].path)
            unlink(s->s[i].path);
        free(s->s[i].path);
    }
    s->n = 0;
}
