/* listen.c: listening sockets and what comes in. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "io/private.h"
#include "io/server.h"

#define BACKLOG 1024

static int bind_fail(struct ph_err *err, int errnum, const char *where)
{
    return ph_fail_errno(err, PH_SCOPE_JOB, errnum == EADDRINUSE ? PH_E_EXISTS : PH_E_SYSTEM, errnum,
                         "cannot listen on %s", where);
}

int ph_listen_tcp(struct ph_listener *l, const char *address, uint16_t port, struct ph_err *err)
{
    struct ph_addr a = { 0 };
    int on = 1, off = 0;

    *l = (struct ph_listener){ .fd = -1 };
    if (inet_pton(AF_INET, address, &a.u.in.sin_addr) == 1) {
        a.u.in.sin_family = AF_INET;
        a.u.in.sin_port = htons(port);
        a.len = sizeof a.u.in;
    } else if (inet_pton(AF_INET6, address, &a.u.in6.sin6_addr) == 1) {
        a.u.in6.sin6_family = AF_INET6;
        a.u.in6.sin6_port = htons(port);
        a.len = sizeof a.u.in6;
    } else {
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "not an address to listen on: '%.80s'", address);
    }
    int fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bind_fail(err, errno, address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* a restart need not wait for old connections */
    if (a.u.sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &a.u.sa, a.len) < 0 || listen(fd, BACKLOG) < 0 || getsockname(fd, &a.u.sa, &a.len) < 0) {
        int e = errno;
        char where[96];
        close(fd);
        snprintf(where, sizeof where, "%.64s port %u", address, port);
        return bind_fail(err, e, where);
    }
    l->fd = fd;
    l->port = ntohs(a.u.sa.sa_family == AF_INET ? a.u.in.sin_port : a.u.in6.sin6_port);
    return 0;
}

/* A socket file that nobody listens on is a leftover. */
static bool is_stale(const char *path, const struct sockaddr_un *sa)
{
    struct stat st;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)sa, sizeof *sa) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

int ph_listen_unix(struct ph_listener *l, const char *path, unsigned mode, struct ph_err *err)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    size_t n = strlen(path);

    *l = (struct ph_listener){ .fd = -1 };
    if (n == 0 || n >= sizeof sa.sun_path)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the socket's path must have 1 to %zu bytes: %s",
                       sizeof sa.sun_path - 1, path);
    memcpy(sa.sun_path, path, n + 1);
    if (is_stale(path, &sa))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return bind_fail(err, errno, path);
    /* The mode is set on the socket before bind gives it a name: nobody can come in between. */
    if (fchmod(fd, mode & 0777) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        int e = errno;
        close(fd);
        return bind_fail(err, e, path);
    }
    l->path = ph_str_dup(ph_str(path));
    if (!l->path || chmod(path, mode & 0777) < 0 || listen(fd, BACKLOG) < 0) {
        int e = l->path ? errno : ENOMEM;
        close(fd);
        unlink(path);
        free(l->path);
        l->path = NULL;
        return bind_fail(err, e, path);
    }
    l->fd = fd;
    return 0;
}

void ph_listener_done(struct ph_listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->path)
        unlink(l->path);
    free(l->path);
    *l = (struct ph_listener){ .fd = -1 };
}

static void peer_text(const struct ph_addr *a, char *out)
{
    char ip[INET6_ADDRSTRLEN];

    if (a->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->u.in6.sin6_addr)) {
        inet_ntop(AF_INET, a->u.in6.sin6_addr.s6_addr + 12, ip, sizeof ip);
        snprintf(out, PH_PEER_TEXT, "%s:%u", ip, ntohs(a->u.in6.sin6_port));
    } else if (a->u.sa.sa_family == AF_INET6) {
        ph_ip6_text(&a->u.in6.sin6_addr, ip, sizeof ip);
        snprintf(out, PH_PEER_TEXT, "[%s]:%u", ip, ntohs(a->u.in6.sin6_port));
    } else if (a->u.sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->u.in.sin_addr, ip, sizeof ip);
        snprintf(out, PH_PEER_TEXT, "%s:%u", ip, ntohs(a->u.in.sin_port));
    } else {
        snprintf(out, PH_PEER_TEXT, "unix");
    }
}

int ph_accept(struct ph_listener *l, int64_t deadline, struct ph_cancel *cancel, struct ph_stream **out,
              char peer[PH_PEER_TEXT], struct ph_err *err)
{
    int on = 1;

    *out = NULL;
    for (;;) {
        struct ph_addr a = { .len = sizeof a.u };
        if (ph_cancelled(cancel))
            return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
        int fd = accept4(l->fd, &a.u.sa, &a.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (a.u.sa.sa_family == AF_INET || a.u.sa.sa_family == AF_INET6) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
            }
            if (peer)
                peer_text(&a, peer);
            *out = ph_fd_stream_new(fd);
            if (*out)
                return 0;
            close(fd);
            return ph_fail_memory(err);
        }
        switch (errno) {
        case EAGAIN:
            if (ph_fd_wait(l->fd, POLLIN, deadline, cancel, err) < 0)
                return -1;
            break;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return ph_fail_errno(err, PH_SCOPE_NONE, PH_E_LIMIT, errno, "cannot accept a connection");
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "accept");
        default:
            break; /* that one client has gone already: accept(2), "Error handling" */
        }
    }
}

int ph_fd_nonblocking(int fd, struct ph_err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "descriptor %d", fd);
    return 0;
}
