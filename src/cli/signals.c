#include "cli/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static struct ph_cancel *_Atomic target;
static atomic_int stop_signal; /* written in the handler, read by the thread that shows progress */
static atomic_uint continued;

static void on_stop(int sig)
{
    struct ph_cancel *c = atomic_load(&target);

    if (stop_signal || !c) {
        static const char text[] = "\r\n";
        if (isatty(STDERR_FILENO) && write(STDERR_FILENO, text, sizeof text - 1) < 0)
            _exit(128 + sig);
        _exit(128 + sig);
    }
    stop_signal = sig;
    ph_cancel_raise(c);
}

static void on_continue(int sig)
{
    (void)sig;
    atomic_fetch_add_explicit(&continued, 1, memory_order_relaxed);
}

void ph_signals_install(struct ph_cancel *c)
{
    static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction sa = { .sa_handler = on_stop, .sa_flags = SA_RESTART };

    stop_signal = 0;
    atomic_store(&target, c);
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        struct sigaction old;
        /* nohup and shells' background jobs ignore some: leave them so */
        if (sigaction(stops[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
            continue;
        sigaction(stops[i], &sa, NULL);
    }
    sa.sa_handler = on_continue;
    sigaction(SIGCONT, &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
}

void ph_signals_remove(void)
{
    atomic_store(&target, NULL);
}

int ph_signals_stop(void)
{
    return stop_signal;
}

unsigned ph_signals_continued(void)
{
    return atomic_load_explicit(&continued, memory_order_relaxed);
}
