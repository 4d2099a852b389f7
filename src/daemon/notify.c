#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static bool number(const char *text, long most, long *out)
{
    char *end;

    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtol(text, &end, 10);
    return !errno && !*end && *out <= most;
}

static bool is_listening(int fd)
{
    int on = 0, type = 0;
    socklen_t n = sizeof on, m = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &m) == 0 && type == SOCK_STREAM;
}

static int take_one(struct ph_activated *a, int fd, const char **names, struct ph_err *err)
{
    *a = (struct ph_activated){ .fd = fd };
    if (*names) {
        size_t n = strcspn(*names, ":");
        memcpy(a->name, *names, n < sizeof a->name ? n : sizeof a->name - 1);
        *names += n;
        *names = **names == ':' ? *names + 1 : NULL;
    }
    if (!is_listening(fd))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "descriptor %d, handed over as \"%s\", is no listening stream socket", fd, a->name);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

int ph_activation_take(struct ph_activated out[PH_ACTIVATED_MAX], size_t *n, struct ph_err *err)
{
    const char *names = getenv("LISTEN_FDNAMES");
    long pid, fds;
    int rc = 0;

    *n = 0;
    if (!number(getenv("LISTEN_PID"), INT32_MAX, &pid) || pid != (long)getpid())
        return 0;
    if (!number(getenv("LISTEN_FDS"), INT32_MAX, &fds) || fds > PH_ACTIVATED_MAX)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "LISTEN_FDS is no number up to %d", PH_ACTIVATED_MAX);
    for (long i = 0; i < fds && rc == 0; i++) {
        rc = take_one(&out[i], FIRST_FD + (int)i, &names, err);
        *n = (size_t)i + 1;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rc;
}

void ph_notify_init(struct ph_notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    long us = 0, who = 0;

    *n = (struct ph_notify){ .fd = -1 };
    if (len > 1 && len < sizeof sa.sun_path && (*path == '/' || *path == '@')) {
        memcpy(sa.sun_path, path, len);
        if (*path == '@')
            sa.sun_path[0] = '\0'; /* the abstract namespace */
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (n->fd >= 0 && connect(n->fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
            close(n->fd);
            n->fd = -1;
        }
    }
    if (n->fd >= 0 && number(usec, INT64_MAX / 2, &us) && us > 0 && (!pid || (number(pid, INT32_MAX, &who) && who == (long)getpid())))
        n->watchdog_ms = us / 2000 > 0 ? us / 2000 : 1; /* twice as often as wanted */
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void ph_notify_send(const struct ph_notify *n, const char *state)
{
    if (n->fd >= 0)
        (void)!send(n->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ph_notify_reloading(const struct ph_notify *n)
{
    struct ph_buf b = PH_BUF_INIT;
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ph_buf_add_z(&b, "RELOADING=1\nMONOTONIC_USEC=");
    ph_buf_add_u64(&b, (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
    ph_notify_send(n, ph_buf_z(&b));
    ph_buf_done(&b);
}

void ph_notify_done(struct ph_notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}
