#include "daemon/password_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/deadline.h"

/* Our environment with POSTHASTE_USER in it. The array and the one string are to be freed. */
static char **environment(const char *user, char **own)
{
    struct ph_buf b = PH_BUF_INIT;
    size_t n = 0, k = 0;

    ph_buf_add_z(&b, "POSTHASTE_USER=");
    ph_buf_add_z(&b, user);
    *own = b.failed ? NULL : ph_str_dup(ph_buf_str(&b));
    ph_buf_done(&b);
    while (environ[n])
        n++;
    char **env = calloc(n + 2, sizeof *env);
    if (!env || !*own) {
        free(env);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "POSTHASTE_USER=", 15) != 0)
            env[k++] = environ[i];
    env[k] = *own;
    return env;
}

/* In a process group of its own, so that all it starts can be ended with it. */
static int start(const char *command, char **env, int in, pid_t *pid)
{
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)command, NULL };
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none, all;
    int rc = posix_spawn_file_actions_init(&fa);

    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc) {
        posix_spawn_file_actions_destroy(&fa);
        return rc;
    }
    sigemptyset(&none);
    sigfillset(&all);
    if ((rc = posix_spawn_file_actions_adddup2(&fa, in, 0)) == 0 &&
        (rc = posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0)) == 0 &&
        (rc = posix_spawnattr_setsigmask(&attr, &none)) == 0 && (rc = posix_spawnattr_setsigdefault(&attr, &all)) == 0 &&
        (rc = posix_spawnattr_setpgroup(&attr, 0)) == 0 &&
        (rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP)) == 0)
        rc = posix_spawn(pid, "/bin/sh", &fa, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

/* A socket pair's buffer takes any password at once; who does not read it is not waited for. */
static void hand_over(int fd, struct ph_str password)
{
    while (password.n) {
        ssize_t n = send(fd, password.p, password.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        password.p += n;
        password.n -= (size_t)n;
    }
}

static int wait_for(pid_t pid, int64_t deadline, int *status)
{
    int fd = pidfd_open(pid, 0), rc = 0;

    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            break;
        if (got < 0 && errno != EINTR) {
            rc = -1;
            break;
        }
        int ms = ph_deadline_poll_ms(deadline);
        if (ms == 0) {
            kill(-pid, SIGKILL);
            waitpid(pid, status, 0);
            rc = -1;
            break;
        }
        struct pollfd p = { .fd = fd, .events = POLLIN };
        poll(&p, 1, fd < 0 && (ms < 0 || ms > 20) ? 20 : ms);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int ph_password_command(const char *command, const char *user, struct ph_str password, int timeout_ms, struct ph_err *err)
{
    int pair[2], status = 0;
    char *own = NULL, **env;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot ask the password command");
        return 1;
    }
    env = environment(user, &own);
    int rc = env ? start(command, env, pair[1], &pid) : ENOMEM;
    close(pair[1]);
    free(env);
    free(own);
    if (rc) {
        close(pair[0]);
        ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, rc, "cannot start the password command");
        return 1;
    }
    hand_over(pair[0], password);
    shutdown(pair[0], SHUT_WR);
    rc = wait_for(pid, ph_deadline_in(timeout_ms), &status);
    close(pair[0]);
    if (rc)
        ph_fail(err, PH_SCOPE_STORE, PH_E_TIMEOUT, "the password command did not end within %d s", timeout_ms / 1000);
    else if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
        return WEXITSTATUS(status) ? -1 : 0;
    else
        ph_fail(err, PH_SCOPE_STORE, PH_E_SYSTEM, "the password command ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 1;
}
