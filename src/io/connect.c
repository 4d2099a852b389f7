/* connect.c: TCP connections by RFC 8305, Happy Eyeballs.
 *
 * One deviation: both families are asked for in one getaddrinfo, which sends the two queries side by
 * side, so connecting starts when both are answered rather than 50 ms after the first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/private.h"

#define ATTEMPT_DELAY_MS 250 /* RFC 8305 section 5 */

struct race {
    const struct ph_addr *addrs;
    size_t n, next; /* addrs[next] is started next */
    int fds[PH_ADDR_MAX]; /* -1: failed, or not started */
    int why[PH_ADDR_MAX]; /* errno of the failed ones */
    int64_t next_at;      /* when addrs[next] is due */
    int winner;           /* descriptor, -1 none yet */
};

void ph_addrs_interleave(struct ph_addr *addrs, size_t n)
{
    struct ph_addr out[PH_ADDR_MAX];
    size_t i = 0, j = 0;

    if (n < 3 || n > PH_ADDR_MAX)
        return;
    for (size_t k = 0; k < n; k++) {
        bool first = k % 2 == 0;
        while (i < n && addrs[i].u.sa.sa_family != addrs[0].u.sa.sa_family)
            i++;
        while (j < n && addrs[j].u.sa.sa_family == addrs[0].u.sa.sa_family)
            j++;
        if ((first && i < n) || j >= n)
            out[k] = addrs[i++];
        else
            out[k] = addrs[j++];
    }
    memcpy(addrs, out, n * sizeof *addrs);
}

void ph_ip6_text(const struct in6_addr *a, char *out, size_t size)
{
    char t[INET6_ADDRSTRLEN] = "?";

    inet_ntop(AF_INET6, a, t, sizeof t);
    snprintf(out, size, "%s", t);
}

static void addr_text(const struct ph_addr *a, char *out, size_t size)
{
    char t[INET6_ADDRSTRLEN] = "?";

    if (a->u.sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->u.in6.sin6_addr, t, sizeof t);
        snprintf(out, size, "[%s]", t);
    } else {
        inet_ntop(AF_INET, &a->u.in.sin_addr, t, sizeof t);
        snprintf(out, size, "%s", t);
    }
}

static int open_socket(const struct ph_addr *a)
{
    int on = 1, idle = 120, interval = 30, count = 4;
    int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* The kernel's own two hours are longer than any server's time-out: a dead peer is seen in four minutes. */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    return fd;
}

static void attempt_failed(struct race *r, size_t i, int errnum)
{
    r->why[i] = errnum;
    if (r->fds[i] >= 0)
        close(r->fds[i]);
    r->fds[i] = -1;
    r->next_at = 0; /* no reason to hold the next one back */
}

static void attempt_won(struct race *r, size_t i)
{
    r->winner = r->fds[i];
    r->fds[i] = -1;
}

static void start_next(struct race *r)
{
    size_t i = r->next++;
    const struct ph_addr *a = &r->addrs[i];

    r->next_at = ph_deadline_in(ATTEMPT_DELAY_MS);
    r->fds[i] = open_socket(a);
    if (r->fds[i] < 0)
        attempt_failed(r, i, errno);
    else if (connect(r->fds[i], &a->u.sa, a->len) == 0)
        attempt_won(r, i);
    else if (errno != EINPROGRESS && errno != EINTR)
        attempt_failed(r, i, errno);
}

/* One poll over the attempts under way. 0, or -1 with the deadline, the cancellation or poll's error. */
static int race_poll(struct race *r, int64_t deadline, struct ph_cancel *cancel, struct ph_err *err)
{
    struct pollfd p[PH_ADDR_MAX + 1];
    int64_t until = r->next < r->n && r->next_at < deadline ? r->next_at : deadline;

    for (size_t i = 0; i < r->next; i++)
        p[i] = (struct pollfd){ .fd = r->fds[i], .events = POLLOUT };
    p[r->next] = (struct pollfd){ .fd = cancel ? cancel->fd : -1, .events = POLLIN };
    if (poll(p, r->next + 1, ph_deadline_poll_ms(until)) < 0 && errno != EINTR)
        return ph_io_fail(err, PH_E_SYSTEM, errno, "poll");
    if (ph_cancelled(cancel))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped while connecting");
    for (size_t i = 0; i < r->next && r->winner < 0; i++) {
        int why = 0;
        socklen_t len = sizeof why;

        if (r->fds[i] < 0 || !p[i].revents)
            continue;
        if (getsockopt(r->fds[i], SOL_SOCKET, SO_ERROR, &why, &len) < 0)
            why = errno;
        if (why)
            attempt_failed(r, i, why);
        else
            attempt_won(r, i);
    }
    if (r->winner < 0 && ph_deadline_poll_ms(deadline) == 0)
        return ph_io_fail(err, PH_E_TIMEOUT, 0, "no answer in time");
    return 0;
}

static size_t under_way(const struct race *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->next; i++)
        n += r->fds[i] >= 0;
    return n;
}

/* Every address with its reason: the text is what people see of a wrong port or a firewall. */
static void say_why(const struct race *r, const char *host, uint16_t port, struct ph_err *err)
{
    char text[PH_ERR_TEXT], addr[64], why[128];
    struct ph_err was = *err;
    size_t n = 0;

    for (size_t i = 0; i < r->next && n < sizeof text - 1; i++) {
        addr_text(&r->addrs[i], addr, sizeof addr);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s: %s", i ? "; " : "", addr,
                              r->why[i] ? strerror_r(r->why[i], why, sizeof why) : "no answer");
    }
    ph_fail(err, was.scope, was.kind, "cannot connect to %s port %u: %s", host, port, text);
    err->retry = was.retry;
}

int ph_connect_race(const struct ph_addr *addrs, size_t n, const char *host, uint16_t port, int64_t deadline,
                    struct ph_cancel *cancel, int *fd, struct ph_err *err)
{
    struct race r = { .addrs = addrs, .n = n, .winner = -1 };
    struct ph_err e = { 0 };
    int rc = 0;

    for (size_t i = 0; i < PH_ADDR_MAX; i++)
        r.fds[i] = -1;
    while (r.winner < 0 && rc == 0) {
        if (r.next < r.n && (r.next_at <= ph_now_ms() || under_way(&r) == 0))
            start_next(&r);
        else if (under_way(&r) == 0)
            rc = ph_io_fail(&e, PH_E_CONNECT, 0, "refused");
        else
            rc = race_poll(&r, deadline, cancel, &e);
    }
    for (size_t i = 0; i < r.next; i++)
        if (r.fds[i] >= 0)
            close(r.fds[i]);
    if (rc < 0) {
        if (e.kind == PH_E_CONNECT || e.kind == PH_E_TIMEOUT)
            say_why(&r, host, port, &e);
        if (err)
            *err = e;
        return -1;
    }
    *fd = r.winner;
    return 0;
}

int ph_tcp_connect(const char *host, uint16_t port, int64_t deadline, struct ph_cancel *cancel,
                   struct ph_stream **out, struct ph_err *err)
{
    struct ph_addr addrs[PH_ADDR_MAX];
    char name[PH_HOST_MAX];
    size_t n;
    int fd;

    *out = NULL;
    if (ph_host_ascii(host, name, err) < 0 || ph_resolve(name, port, deadline, cancel, addrs, &n, err) < 0)
        return -1;
    ph_addrs_interleave(addrs, n);
    if (ph_connect_race(addrs, n, host, port, deadline, cancel, &fd, err) < 0)
        return -1;
    *out = ph_fd_stream_new(fd);
    if (!*out) {
        close(fd);
        return ph_fail_memory(err);
    }
    return 0;
}
