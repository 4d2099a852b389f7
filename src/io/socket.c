/* socket.c: a stream that is a socket, and connecting to a Unix one. */
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/private.h"

static int sock_fail(struct ph_err *err, int errnum, const char *doing)
{
    /* Each of these says that the other end, or the way to it, is gone. */
    switch (errnum) {
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:
    case ENOTCONN:
    case ECONNABORTED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ENETRESET:
        return ph_io_fail(err, PH_E_CLOSED, errnum, "connection lost while %s", doing);
    default:
        return ph_io_fail(err, PH_E_SYSTEM, errnum, "socket failed while %s", doing);
    }
}

static ssize_t sock_read(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    for (;;) {
        ssize_t got = recv(s->fd, p, n, 0);
        if (got >= 0)
            return got;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return PH_AGAIN;
        if (errno != EINTR)
            return sock_fail(err, errno, "reading");
    }
}

static ssize_t sock_write(struct ph_stream *s, const void *p, size_t n, struct ph_err *err)
{
    for (;;) {
        ssize_t put = send(s->fd, p, n, MSG_NOSIGNAL);
        if (put >= 0)
            return put;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return PH_AGAIN;
        if (errno != EINTR)
            return sock_fail(err, errno, "writing");
    }
}

static ssize_t sock_write2(struct ph_stream *s, const void *p, size_t n, const void *q, size_t m, struct ph_err *err)
{
    struct iovec v[2] = { { (void *)(uintptr_t)p, n }, { (void *)(uintptr_t)q, m } };
    struct msghdr msg = { .msg_iov = v, .msg_iovlen = 2 };

    for (;;) {
        ssize_t put = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
        if (put >= 0)
            return put;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return PH_AGAIN;
        if (errno != EINTR)
            return sock_fail(err, errno, "writing");
    }
}

static short sock_want_read(struct ph_stream *s)
{
    return POLLIN;
}

static short sock_want_write(struct ph_stream *s)
{
    return POLLOUT;
}

static void sock_free(struct ph_stream *s)
{
    close(s->fd);
    free(s);
}

static const struct ph_stream_ops sock_ops = {
    .read = sock_read,
    .write = sock_write,
    .write2 = sock_write2,
    .want_read = sock_want_read,
    .want_write = sock_want_write,
    .free = sock_free,
};

struct ph_stream *ph_fd_stream_new(int fd)
{
    struct ph_stream *s = calloc(1, sizeof *s);
    int flags = fcntl(fd, F_GETFL);

    if (!s || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(s);
        return NULL;
    }
    s->ops = &sock_ops;
    s->fd = fd;
    return s;
}

int ph_unix_connect(const char *path, int64_t deadline, struct ph_cancel *cancel, struct ph_stream **out,
                    struct ph_err *err)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    size_t n = strlen(path);

    *out = NULL;
    if (n == 0 || n >= sizeof sa.sun_path)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, "the socket's path must have 1 to %zu bytes: %s",
                       sizeof sa.sun_path - 1, path);
    memcpy(sa.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ph_io_fail(err, PH_E_SYSTEM, errno, "socket");
    for (;;) {
        if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
            break;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN) {
            int e = errno;
            close(fd);
            return ph_io_fail(err, PH_E_CONNECT, e, "cannot connect to %s", path);
        }
        /* The listener's queue is full, and the kernel has no event for its getting shorter. */
        int64_t slice = ph_deadline_in(20);
        bool last = slice >= deadline;
        struct ph_err e;
        ph_fd_wait(-1, 0, last ? deadline : slice, cancel, &e);
        if (e.kind != PH_E_TIMEOUT || last) {
            close(fd);
            if (err)
                *err = e;
            ph_err_prefix(err, "cannot connect to %s", path);
            return -1;
        }
    }
    *out = ph_fd_stream_new(fd);
    if (!*out) {
        close(fd);
        return ph_fail_memory(err);
    }
    return 0;
}
