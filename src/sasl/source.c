/* source.c: a secret from a file, a variable or a command. Buffers it went through are wiped. */
#include "sasl/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/deadline.h"

#define LINE_MAX_BYTES 65536 /* a token of a directory with many groups is some 10 kB */
#define FILE_TIMEOUT_MS 60000 /* a FIFO whose writer does not come */

/* The first line of fd. `drain`: read on to the end, so that the writer is not hit by SIGPIPE. */
static int read_line(int fd, bool drain, int64_t deadline, char *line, size_t *n, bool *too_long)
{
    char rest[512];
    bool ended = false;

    *n = 0;
    *too_long = false;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ready = poll(&p, 1, ph_deadline_poll_ms(deadline));
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return -1;
        if (ready < 0)
            continue;
        bool full = ended || *n == LINE_MAX_BYTES;
        ssize_t got = full ? read(fd, rest, sizeof rest) : read(fd, line + *n, LINE_MAX_BYTES - *n);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return -1;
        ph_wipe(rest, sizeof rest);
        if (got == 0)
            break;
        if (full) {
            *too_long = *too_long || !ended;
            continue;
        }
        char *nl = memchr(line + *n, '\n', (size_t)got);
        *n += (size_t)got;
        if (nl) {
            ph_wipe(nl, (size_t)(line + *n - nl));
            *n = (size_t)(nl - line);
            ended = true;
            if (!drain)
                break;
        }
    }
    if (*n && line[*n - 1] == '\r')
        --*n;
    return 0;
}

static int finish(const char *line, size_t n, bool too_long, const char *what, struct ph_secret *out,
                  struct ph_err *err)
{
    if (too_long || n == LINE_MAX_BYTES)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_LIMIT, "the %s is longer than %d bytes", what, LINE_MAX_BYTES - 1);
    if (n == 0)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "the source of the %s gave nothing", what);
    return ph_secret_set(out, line, n) < 0 ? ph_fail_memory(err) : 0;
}

int ph_source_file(const char *path, const char *what, struct ph_secret *out, struct ph_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *line = malloc(LINE_MAX_BYTES);
    bool too_long;
    size_t n;
    int rc;

    if (fd < 0)
        rc = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_AUTH, errno, "cannot read the %s from %s", what, path);
    else if (!line)
        rc = ph_fail_memory(err);
    else if (read_line(fd, false, ph_deadline_in(FILE_TIMEOUT_MS), line, &n, &too_long) < 0)
        rc = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_AUTH, errno, "cannot read the %s from %s", what, path);
    else
        rc = finish(line, n, too_long, what, out, err);
    if (fd >= 0)
        close(fd);
    if (line)
        ph_wipe(line, LINE_MAX_BYTES);
    free(line);
    return rc;
}

int ph_source_env(const char *variable, const char *what, struct ph_secret *out, struct ph_err *err)
{
    const char *v = getenv(variable);

    if (!v || !*v)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "the environment variable %s, source of the %s, is not set",
                       variable, what);
    size_t n = strcspn(v, "\r\n");
    if (n == 0)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "the source of the %s gave nothing", what);
    return ph_secret_set(out, v, n) < 0 ? ph_fail_memory(err) : 0;
}

/* Standard input empty, output to the pipe, errors where ours go: the user wants to see them. Signals as in a fresh
 * process, whatever this thread blocks. Same process group, so that Ctrl-C and the terminal work for it. */
static int start(const char *command, int out_fd, pid_t *pid)
{
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
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
    if ((rc = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
        (rc = posix_spawn_file_actions_adddup2(&fa, out_fd, 1)) == 0 &&
        (rc = posix_spawnattr_setsigmask(&attr, &none)) == 0 &&
        (rc = posix_spawnattr_setsigdefault(&attr, &all)) == 0 &&
        (rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0)
        rc = posix_spawn(pid, "/bin/sh", &fa, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&fa);
    return rc;
}

/* End a process and what it has started. Each is stopped first, so that it can neither start nor reap another while its
 * children are read: no number can have come to belong to a stranger. */
static void kill_tree(pid_t pid, int depth)
{
    char path[64], list[4096];
    ssize_t n = 0;

    kill(pid, SIGSTOP);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    int fd = depth < 16 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        n = read(fd, list, sizeof list - 1);
        close(fd);
    }
    list[n > 0 ? n : 0] = '\0';
    char *end = list;
    for (long child; (child = strtol(end, &end, 10)) > 0;)
        kill_tree((pid_t)child, depth + 1);
    kill(pid, SIGKILL);
}

/* Wait for the process to end; killed when the deadline passes. -1: it had to be killed. */
static int reap(pid_t pid, int64_t deadline, int *status)
{
    int fd = pidfd_open(pid, 0), rc = 0;

    *status = 0;
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR)) /* ECHILD: the application ignores SIGCHLD */
            break;
        if (ph_deadline_poll_ms(deadline) == 0) {
            kill_tree(pid, 0);
            while (waitpid(pid, status, 0) < 0 && errno == EINTR)
                ;
            rc = -1;
            break;
        }
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int ms = ph_deadline_poll_ms(deadline);
        poll(&p, 1, fd < 0 && (ms < 0 || ms > 20) ? 20 : ms);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

static int judge(int status, bool timed_out, int timeout_ms, const char *what, struct ph_err *err)
{
    if (timed_out)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "the %s command did not end within %d s", what,
                       timeout_ms / 1000);
    if (WIFSIGNALED(status))
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "the %s command was ended by signal %d", what,
                       WTERMSIG(status));
    if (WEXITSTATUS(status))
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "the %s command failed with status %d", what,
                       WEXITSTATUS(status));
    return 0;
}

int ph_source_command(const char *command, const char *what, int timeout_ms, struct ph_secret *out,
                      struct ph_err *err)
{
    int64_t deadline = ph_deadline_in(timeout_ms);
    int fds[2], status = 0;
    bool too_long = false;
    size_t n = 0;
    pid_t pid;

    char *line = malloc(LINE_MAX_BYTES);
    if (!line)
        return ph_fail_memory(err);
    if (pipe2(fds, O_CLOEXEC) < 0) {
        free(line);
        return ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "pipe");
    }
    int rc = start(command, fds[1], &pid);
    close(fds[1]);
    if (rc) {
        ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, rc, "cannot start the %s command", what);
        rc = -1;
    } else {
        int read_rc = read_line(fds[0], true, deadline, line, &n, &too_long);
        /* A reading error other than the time-out leaves nothing to wait for either. */
        bool killed = reap(pid, read_rc < 0 ? ph_now_ms() : deadline, &status) < 0;
        rc = judge(status, killed || read_rc < 0, timeout_ms, what, err);
        if (rc == 0)
            rc = finish(line, n, too_long, what, out, err);
    }
    close(fds[0]);
    ph_wipe(line, LINE_MAX_BYTES);
    free(line);
    return rc;
}
