#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Signals that would leave the terminal without echo are caught while the question stands, and raised again once it is
 * restored. */
static const int caught_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
enum { N_CAUGHT = sizeof caught_signals / sizeof *caught_signals };
static volatile sig_atomic_t caught;

static void catch_signal(int sig)
{
    caught = sig;
}

static void write_all(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t w = write(fd, text, n);
        if (w <= 0 && errno != EINTR)
            return;
        text += w > 0 ? w : 0;
        n -= w > 0 ? (size_t)w : 0;
    }
}

/* 1: a line, 0: a signal, -1: end of input. The signals are blocked but for the wait itself (`waiting` is its mask), so that none
 * can come between a look at `caught` and the wait. */
static int read_line(int fd, const sigset_t *waiting, struct ph_secret *out)
{
    char line[4096];
    size_t n = 0;
    int rc = -1;

    for (;;) {
        struct pollfd pf = { fd, POLLIN, 0 };
        char c;
        int ready = ppoll(&pf, 1, NULL, waiting);
        if (caught) {
            rc = 0;
            break;
        }
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t r = ready < 0 ? -1 : read(fd, &c, 1);
        if (r <= 0)
            break;
        if (c == '\n' || c == '\r') {
            rc = ph_secret_set(out, line, n) ? -1 : 1;
            break;
        }
        if (n < sizeof line)
            line[n++] = c;
    }
    ph_wipe(line, sizeof line);
    return rc;
}

static int ask_once(int fd, const char *question, struct ph_secret *out)
{
    struct termios old, quiet;
    struct sigaction sa = { .sa_handler = catch_signal }, before[N_CAUGHT];
    bool is_tty = tcgetattr(fd, &old) == 0;
    sigset_t blocked, mask;

    caught = 0;
    sigemptyset(&sa.sa_mask);
    sigemptyset(&blocked);
    for (int i = 0; i < N_CAUGHT; i++)
        sigaddset(&blocked, caught_signals[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    for (int i = 0; i < N_CAUGHT; i++)
        sigaction(caught_signals[i], &sa, &before[i]);
    if (is_tty) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        tcsetattr(fd, TCSAFLUSH, &quiet);
    }
    write_all(fd, question);
    int rc = read_line(fd, &mask, out);
    if (is_tty)
        tcsetattr(fd, TCSAFLUSH, &old);
    write_all(fd, "\n");
    for (int i = 0; i < N_CAUGHT; i++)
        sigaction(caught_signals[i], &before[i], NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return rc;
}

int ph_prompt_secret(const char *question, struct ph_secret *out, struct ph_err *err)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), rc;

    if (fd < 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a password is needed and there is no terminal to ask on: use a "
                                                      "password file, an environment variable or a command");
    for (;;) {
        rc = ask_once(fd, question, out);
        int sig = caught;
        if (rc != 0)
            break;
        raise(sig);
        if (sig != SIGTSTP) /* its handler lets us go on */
            break;
    }
    close(fd);
    return rc == 1 ? 0 : ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "no password was typed");
}
