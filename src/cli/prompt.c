#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

/* Signals that would leave the terminal without echo are caught while the question stands, and raised again once it is
 * restored. Whichever thread the kernel gives them to, `wake` ends the wait for a line. */
static const int caught_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
enum { N_CAUGHT = sizeof caught_signals / sizeof *caught_signals };
static atomic_int caught, wake = -1;
static pthread_mutex_t one_question = PTHREAD_MUTEX_INITIALIZER;

static void catch_signal(int sig)
{
    uint64_t one = 1;
    int kept = errno;

    atomic_store(&caught, sig);
    if (write(atomic_load(&wake), &one, sizeof one) < 0)
        errno = kept;
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

/* 1: a line, 0: a signal, -1: end of input. */
static int read_line(int fd, struct ph_secret *out)
{
    char line[4096];
    size_t n = 0;
    int rc = -1;

    for (;;) {
        struct pollfd pf[2] = { { fd, POLLIN, 0 }, { atomic_load(&wake), POLLIN, 0 } };
        char c;
        int ready = poll(pf, 2, -1);
        if (atomic_load(&caught)) {
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

    atomic_store(&caught, 0);
    atomic_store(&wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); /* without one, a signal to this thread still ends the wait */
    sigemptyset(&sa.sa_mask);
    for (int i = 0; i < N_CAUGHT; i++)
        sigaction(caught_signals[i], &sa, &before[i]);
    if (is_tty) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
        tcsetattr(fd, TCSAFLUSH, &quiet);
    }
    write_all(fd, question);
    int rc = read_line(fd, out);
    if (is_tty)
        tcsetattr(fd, TCSAFLUSH, &old);
    write_all(fd, "\n");
    for (int i = 0; i < N_CAUGHT; i++)
        sigaction(caught_signals[i], &before[i], NULL);
    int was = atomic_exchange(&wake, -1);
    if (was >= 0)
        close(was);
    return rc;
}

int ph_prompt_secret(const char *question, struct ph_secret *out, struct ph_err *err)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), rc;

    if (fd < 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a password is needed and there is no terminal to ask on: use a "
                                                      "password file, an environment variable or a command");
    pthread_mutex_lock(&one_question);
    for (;;) {
        rc = ask_once(fd, question, out);
        int sig = atomic_load(&caught);
        if (rc != 0)
            break;
        raise(sig);
        if (sig != SIGTSTP) /* its handler lets us go on */
            break;
    }
    pthread_mutex_unlock(&one_question);
    close(fd);
    return rc == 1 ? 0 : ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "no password was typed");
}
