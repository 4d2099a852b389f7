/*
 * A TCP proxy with distance: it adds a round-trip time to connecting and to data, keeps order, does not
 * limit the rate, and breaks connections at chosen bytes.  For tests; loopback only.
 *
 * A client is connected at once by the kernel, so the time of the handshake is added to what follows:
 * its bytes leave no earlier than one round trip after it came, and the server sees the connection one and a
 * half after; its greeting therefore arrives after two, as over a real distance.
 *
 * Round trips are counted along each connection: bytes carry one more than what their sender had been given
 * when it sent them.  A greeting is 2, the answer to a command sent after it 3, and so on; commands sent in
 * one flight share one.  Options, faults and control lines: usage() below.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct proxy lab_proxy;

static const char USAGE[] =
    "delayproxy --to HOST:PORT [options]; prints port=N, then one line an event\n"
    "  --listen PORT         instead of a free one\n"
    "  --rtt MS              round-trip time to add (0)\n"
    "  --queue BYTES         held for one direction of a connection before it stops reading (64M)\n"
    "  --log FILE            a line for each read: nanoseconds, connection, up|down, bytes, round trips\n"
    "  --mask FROM=TO        replace words in what the server says (equal length; no CR or LF)\n"
    "  --until-eof           end when standard input does\n"
    "Faults. DIR is up (from the client) or down, with @K of the K-th connection only; N counts delivered bytes:\n"
    "  --cut DIR:N:SIDE[:fin]   deliver exactly N bytes, then reset (or finish) client, server or both\n"
    "  --late up:N:SECONDS      hold what follows N bytes; deliver it that long after the client died\n"
    "  --hold BYTES:SECONDS[:DWELL]  the last BYTES from the client travel DWELL (0.05) s longer; if it dies meanwhile, SECONDS\n"
    "  --stall DIR:N:SECONDS    read nothing in that direction for a while after N bytes\n"
    "Control lines on standard input: cut SIDE | late SECONDS | stall DIR SECONDS | rtt MS | stats | quit\n";

uint64_t lab_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

_Noreturn void lab_die(const char *what)
{
    fprintf(stderr, "delayproxy: %s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(2);
}

static uint64_t seconds(const char *s)
{
    char *end;
    double v = strtod(s, &end);

    if (end == s || v < 0) {
        errno = 0;
        lab_die(s);
    }
    return (uint64_t)(v * 1e9);
}

static void print_stats(void)
{
    printf("stats connections=%u most=%u up=%llu down=%llu round_trips=%d peak_queue=%zu seconds=%.3f\n", g.count, g.most_open,
           (unsigned long long)g.delivered[UP], (unsigned long long)g.delivered[DOWN], g.level, g.peak,
           (double)(lab_now() - g.began) / 1e9);
    fflush(stdout);
}

/* Options and control ----------------------------------------------------------------------------------------- */

static int parse_sides(const char *s)
{
    errno = 0;
    if (!strcmp(s, "client")) {
        return 1;
    }
    if (!strcmp(s, "server")) {
        return 2;
    }
    if (strcmp(s, "both")) {
        lab_die(s);
    }
    return 3;
}

static int parse_dir(const char *s)
{
    errno = 0;
    if (strcmp(s, "up") && strcmp(s, "down")) {
        lab_die(s);
    }
    return strcmp(s, "up") ? DOWN : UP;
}

static void parse_fault(int kind, char *spec)
{
    char *part[4] = {0}, *at, *save = NULL;
    int n = 0;

    for (char *p = strtok_r(spec, ":", &save); p && n < 4; p = strtok_r(NULL, ":", &save)) {
        part[n++] = p;
    }
    errno = 0;
    if (n < 3 || g.n_faults == MAX_FAULTS) {
        lab_die("a fault needs DIR:N:WHAT");
    }
    struct fault *f = &g.faults[g.n_faults++];

    f->kind = kind;
    at = strchr(part[0], '@');
    if (at) {
        *at = 0;
        f->conn = (unsigned)strtoul(at + 1, NULL, 10);
    }
    f->dir = parse_dir(part[0]);
    f->at = strtoull(part[1], NULL, 10);
    if (kind == CUT) {
        f->sides = parse_sides(part[2]);
        f->fin = part[3] && !strcmp(part[3], "fin");
    } else {
        f->time = seconds(part[2]);
    }
    if (kind == LATE && f->dir != UP) {
        lab_die("--late is for up");
    }
}

static void parse_hold(char *spec)
{
    char *save = NULL, *n = strtok_r(spec, ":", &save), *t = strtok_r(NULL, ":", &save), *d = strtok_r(NULL, ":", &save);

    errno = 0;
    if (!n || !t) {
        lab_die("--hold BYTES:SECONDS[:DWELL]");
    }
    g.tail = strtoull(n, NULL, 10);
    g.tail_late = seconds(t);
    g.tail_dwell = d ? seconds(d) : 50000000;
}

static void parse_mask(char *spec)
{
    char *eq = strchr(spec, '=');

    errno = 0;
    if (!eq || g.n_masks == MAX_MASKS || (size_t)(eq - spec) != strlen(eq + 1) || eq == spec || strpbrk(spec, "\r\n")) {
        lab_die("--mask FROM=TO of equal length");
    }
    *eq = 0;
    g.mask_from[g.n_masks] = spec;
    g.mask_to[g.n_masks++] = eq + 1;
}

static void parse_to(char *spec)
{
    char *colon = strrchr(spec, ':');

    errno = 0;
    if (!colon) {
        lab_die("--to HOST:PORT");
    }
    *colon = 0;
    g.to.sin_family = AF_INET;
    g.to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, strcmp(spec, "localhost") ? spec : "127.0.0.1", &g.to.sin_addr) != 1) {
        lab_die("--to wants an IPv4 address");
    }
}

static size_t parse_size(const char *s)
{
    char *end;
    size_t v = strtoull(s, &end, 10);

    return *end == 'M' ? v << 20 : *end == 'k' ? v << 10 : v;
}

static int parse_options(int argc, char **argv)
{
    int port = 0;

    g.queue = 64u << 20;
    for (int i = 1; i < argc; i++) {
        char *o = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(o, "--help")) {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (!strcmp(o, "--until-eof")) {
            g.until_eof = 1;
            continue;
        }
        errno = 0;
        if (!v) {
            lab_die(o);
        }
        i++;
        if (!strcmp(o, "--to")) {
            parse_to(v);
        } else if (!strcmp(o, "--listen")) {
            port = atoi(v);
        } else if (!strcmp(o, "--rtt")) {
            g.one_way = seconds(v) / 2000;
        } else if (!strcmp(o, "--queue")) {
            g.queue = parse_size(v);
        } else if (!strcmp(o, "--log")) {
            if (!(g.log = fopen(v, "we"))) {
                lab_die(v);
            }
        } else if (!strcmp(o, "--mask")) {
            parse_mask(v);
        } else if (!strcmp(o, "--cut")) {
            parse_fault(CUT, v);
        } else if (!strcmp(o, "--late")) {
            parse_fault(LATE, v);
        } else if (!strcmp(o, "--stall")) {
            parse_fault(STALL, v);
        } else if (!strcmp(o, "--hold")) {
            parse_hold(v);
        } else {
            lab_die(o);
        }
    }
    errno = 0;
    if (!g.to.sin_port) {
        lab_die("--to is missing");
    }
    return port;
}

static void control(char *line, uint64_t now)
{
    char *save = NULL, *verb = strtok_r(line, " \n", &save), *a = strtok_r(NULL, " \n", &save), *b = strtok_r(NULL, " \n", &save);

    if (!verb) {
        return;
    }
    if (!strcmp(verb, "stats")) {
        print_stats();
    } else if (!strcmp(verb, "quit")) {
        g.stop = 1;
    } else if (!strcmp(verb, "rtt") && a) {
        g.one_way = seconds(a) / 2000;
    } else if (!strcmp(verb, "cut") && a) {
        int sides = parse_sides(a);

        for (struct conn *c = g.conns; c; c = c->next) {
            lab_conn_break(c, "cut", sides, 0);
        }
    } else if (!strcmp(verb, "late") && a) {
        for (struct conn *c = g.conns; c; c = c->next) {
            c->flow[UP].late = 1;
            c->flow[UP].late_due = seconds(a);
        }
    } else if (!strcmp(verb, "stall") && a && b) {
        g.stalled_until[parse_dir(a)] = now + seconds(b);
    } else {
        fprintf(stderr, "delayproxy: control line not understood: %s\n", verb);
    }
}

static void control_read(uint64_t now)
{
    static char buf[1024];
    static size_t len;
    ssize_t n = read(0, buf + len, sizeof buf - 1 - len);

    if (n <= 0) {
        epoll_ctl(g.epoll, EPOLL_CTL_DEL, 0, NULL);
        g.stop = g.until_eof;
        return;
    }
    len += (size_t)n;
    buf[len] = 0;
    for (char *nl; (nl = strchr(buf, '\n'));) {
        *nl = 0;
        control(buf, now);
        len -= (size_t)(nl + 1 - buf);
        memmove(buf, nl + 1, len + 1);
    }
    if (len == sizeof buf - 1) {
        len = 0;
    }
}

static void on_signal(int sig)
{
    g.stop = 1;
}

static void start(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof a;
    int one = 1, *markers[] = {&g.listener, &g.timer};
    struct sigaction sa = {.sa_handler = on_signal};

    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    g.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(g.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (g.listener < 0 || bind(g.listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(g.listener, 512) < 0) {
        lab_die("listen");
    }
    getsockname(g.listener, (struct sockaddr *)&a, &len);
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    g.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = markers[i]};

        if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, *markers[i], &ev) < 0) {
            lab_die("epoll");
        }
    }
    /* Standard input may be /dev/null or a file, which epoll does not take: then there is no control. */
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &g.stop};

    epoll_ctl(g.epoll, EPOLL_CTL_ADD, 0, &ev);
    g.began = lab_now();
    printf("port=%d\n", ntohs(a.sin_port));
    fflush(stdout);
}

/* One pass over all connections; returns when the next byte is due. */
static uint64_t step_all(void)
{
    uint64_t next = NEVER, now = lab_now();

    for (struct conn *c = g.conns, *after; c; c = after) {
        after = c->next;
        lab_conn_step(c, now, &next);
        if (c->finished) {
            lab_conn_free(c);
        }
    }
    return next;
}

static void run(void)
{
    struct epoll_event ev[64];

    while (!g.stop) {
        uint64_t next = step_all();
        struct itimerspec t = {.it_value = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)}};

        if (next == NEVER) {
            memset(&t, 0, sizeof t);
        }
        timerfd_settime(g.timer, TFD_TIMER_ABSTIME, &t, NULL);
        int n = epoll_wait(g.epoll, ev, 64, -1);
        uint64_t now = lab_now();

        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr == &g.listener) {
                lab_conn_accept(now);
            } else if (ev[i].data.ptr == &g.stop) {
                control_read(now);
            } else if (ev[i].data.ptr == &g.timer) {
                uint64_t fired;

                if (read(g.timer, &fired, sizeof fired) < 0) {
                    continue;
                }
            } else {
                lab_conn_event(ev[i].data.ptr, now);
            }
        }
    }
}

int main(int argc, char **argv)
{
    start(parse_options(argc, argv));
    run();
    while (g.conns) {
        lab_conn_free(g.conns);
    }
    print_stats();
    if (g.log) {
        fclose(g.log);
    }
    return 0;
}
