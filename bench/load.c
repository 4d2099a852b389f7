/* load.c: what `./run bench server` asks of an IMAP server. Plain sockets and no library: it is the same small client for
 * every server that is measured.
 *
 *   load login  PORT USER PASSWORD COUNT THREADS     connect, LOGIN, LOGOUT
 *   load append PORT USER PASSWORD FOLDER BATCH FILE pipelined APPENDs with BATCH messages each (MULTIAPPEND above 1)
 *   load fetch  PORT USER PASSWORD FOLDER            UID FETCH 1:* BODY.PEEK[]
 *   load times  PORT USER PASSWORD COMMAND…          one after the other; a line with seconds for each
 *   load idle   PORT USER PASSWORD COUNT USERS              COUNT sessions of USER0 … select INBOX and idle; then lines on standard
 *                                                    input: `wait N SECONDS` until N of them were told EXISTS
 *
 * FILE: messages one behind the other, each behind a line with its size. Prints seconds, and what else is known, as `name
 * value` lines. USER %d stands for the thread's number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int port;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

struct client {
    int fd;
    size_t n;
    char buf[65536];
};

static void connect_to(struct client *c)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1;

    c->n = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void send_all(struct client *c, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(c->fd, p, n);
        if (k <= 0)
            die("write");
        p += k;
        n -= (size_t)k;
    }
}

/* Reads until a line that begins so has come; what stands behind it is kept. Its status must be OK unless any. */
static void until(struct client *c, const char *tag, bool any)
{
    size_t t = strlen(tag), from = 0;

    for (;;) {
        char *lf;
        while ((lf = memchr(c->buf + from, '\n', c->n - from)) != NULL) {
            char *line = c->buf + from;
            from = (size_t)(lf + 1 - c->buf);
            if (strncmp(line, tag, t) != 0)
                continue;
            if (!any && strncmp(line + t, "OK", 2) != 0) {
                fprintf(stderr, "load: the server said: %.*s\n", (int)(lf - line), line);
                exit(1);
            }
            memmove(c->buf, c->buf + from, c->n - from);
            c->n -= from;
            return;
        }
        memmove(c->buf, c->buf + from, c->n - from);
        c->n -= from;
        from = 0;
        if (c->n == sizeof c->buf)
            c->n = 0; /* a line longer than the buffer is not the one that is waited for */
        ssize_t k = read(c->fd, c->buf + c->n, sizeof c->buf - c->n);
        if (k <= 0)
            die("the server hung up");
        c->n += (size_t)k;
    }
}

static void ask(struct client *c, const char *tag, const char *format, const char *a, const char *b)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "%s", tag);

    n += snprintf(line + n, sizeof line - (size_t)n, format, a, b);
    n += snprintf(line + n, sizeof line - (size_t)n, "\r\n");
    send_all(c, line, (size_t)n);
    until(c, tag, false);
}

static void log_in(struct client *c, const char *user, const char *password)
{
    connect_to(c);
    until(c, "* ", true);
    ask(c, "a ", "LOGIN %s %s", user, password);
}

/* ---- login ---- */

static const char *user, *password;
static int per_thread;

static void *login_thread(void *arg)
{
    struct client *c = malloc(sizeof *c);
    char name[256], end[4096];

    snprintf(name, sizeof name, user, (int)(intptr_t)arg);
    for (int i = 0; i < per_thread; i++) {
        log_in(c, name, password);
        send_all(c, "z LOGOUT\r\n", 10);
        while (read(c->fd, end, sizeof end) > 0)
            ;
        close(c->fd);
    }
    free(c);
    return NULL;
}

static void login(char **argv)
{
    int count = atoi(argv[0]), threads = atoi(argv[1]);
    pthread_t t[64];

    per_thread = count / threads;
    double from = now();
    for (int i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, login_thread, (void *)(intptr_t)i);
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    double s = now() - from;
    printf("seconds %.3f\nrate %.1f\n", s, per_thread * threads / s);
}

/* ---- append ---- */

/* Everything that is to be said, made before the clock runs. */
static char *appends(const char *file, const char *folder, int batch, size_t *n, int *tags)
{
    int fd = open(file, O_RDONLY);
    struct stat st;
    char *out = NULL;
    FILE *f = open_memstream(&out, n);
    int k = 0;

    if (fd < 0 || fstat(fd, &st) || !f)
        die(file);
    const char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0), *end = p + st.st_size;
    *tags = 0;
    while (p < end) {
        char *text;
        unsigned long size = strtoul(p, &text, 10);
        if (k % batch == 0)
            fprintf(f, "%st%d APPEND %s", k ? "\r\n" : "", ++*tags, folder);
        fprintf(f, " (\\Seen) {%lu+}\r\n", size);
        fwrite(text + 1, 1, size, f);
        p = text + 1 + size;
        k++;
    }
    fputs("\r\n", f);
    fclose(f);
    close(fd);
    return out;
}

static void append(char **argv)
{
    struct client *c = malloc(sizeof *c);
    size_t n = 0, at = 0;
    int tags, answered = 0;
    char *all = appends(argv[2], argv[0], atoi(argv[1]), &n, &tags);

    log_in(c, user, password);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    double from = now();
    while (answered < tags) {
        struct pollfd p = { c->fd, (short)(POLLIN | (at < n ? POLLOUT : 0)), 0 };
        poll(&p, 1, -1);
        if (p.revents & POLLOUT) {
            ssize_t k = write(c->fd, all + at, n - at > 262144 ? 262144 : n - at);
            if (k > 0)
                at += (size_t)k;
        }
        if (!(p.revents & POLLIN))
            continue;
        ssize_t k = read(c->fd, c->buf + c->n, sizeof c->buf - c->n);
        if (k <= 0)
            die("the server hung up");
        c->n += (size_t)k;
        char *line = c->buf, *lf;
        while ((lf = memchr(line, '\n', c->n - (size_t)(line - c->buf))) != NULL) {
            if (*line == 't') {
                char *status = strchr(line, ' ');
                if (strncmp(status, " OK", 3) != 0) {
                    fprintf(stderr, "load: the server said: %.*s\n", (int)(lf - line), line);
                    exit(1);
                }
                answered++;
            }
            line = lf + 1;
        }
        c->n -= (size_t)(line - c->buf);
        memmove(c->buf, line, c->n);
    }
    printf("seconds %.3f\n", now() - from);
}

/* ---- fetch, times ---- */

static void fetch(char **argv)
{
    struct client *c = malloc(sizeof *c);
    char *big = malloc(1 << 20);
    uint64_t octets = 0;
    char tail[64] = { 0 };

    log_in(c, user, password);
    ask(c, "b ", "SELECT %s%s", argv[0], "");
    double from = now();
    send_all(c, "c UID FETCH 1:* BODY.PEEK[]\r\n", 29);
    for (;;) {
        ssize_t k = read(c->fd, big, 1 << 20);
        if (k <= 0)
            die("the server hung up");
        octets += (uint64_t)k;
        /* the end is the tagged line; the last octets tell */
        size_t keep = (size_t)k < sizeof tail - 1 ? (size_t)k : sizeof tail - 1;
        memmove(tail, tail + keep, sizeof tail - 1 - keep);
        memcpy(tail + sizeof tail - 1 - keep, big + k - keep, keep);
        for (size_t i = 0; i + 6 < sizeof tail; i++)
            if (memcmp(tail + i, "\r\nc OK", 6) == 0 && tail[sizeof tail - 2] == '\n') {
                printf("seconds %.3f\noctets %llu\n", now() - from, (unsigned long long)octets);
                return;
            }
    }
}

static void times(int argc, char **argv)
{
    struct client *c = malloc(sizeof *c);

    log_in(c, user, password);
    for (int i = 0; i < argc; i++) {
        double from = now();
        ask(c, "b ", "%s%s", argv[i], "");
        printf("seconds %.6f\n", now() - from);
    }
}

/* ---- idle ---- */

static void idle(char **argv)
{
    int count = atoi(argv[0]), users = atoi(argv[1]), told = 0, ep = epoll_create1(0);
    int *fds = calloc((size_t)count, sizeof *fds);
    bool *has = calloc((size_t)count, sizeof *has);
    struct client *c = malloc(sizeof *c);
    struct rlimit most;
    char line[256], name[256];

    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, user, i % users);
        log_in(c, name, password);
        ask(c, "b ", "%s%s", "SELECT INBOX", "");
        send_all(c, "c IDLE\r\n", 8);
        until(c, "+", true);
        fds[i] = c->fd;
        struct epoll_event e = { EPOLLIN, { .u32 = (uint32_t)i } };
        epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    }
    printf("ready %d\n", count);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int want;
        double seconds;
        if (sscanf(line, "wait %d %lf", &want, &seconds) != 2)
            break;
        for (double end = now() + seconds; told < want && now() < end;) {
            struct epoll_event e[64];
            int n = epoll_wait(ep, e, 64, 100);
            for (int k = 0; k < n; k++) {
                uint32_t i = e[k].data.u32;
                ssize_t got = read(fds[i], c->buf, sizeof c->buf - 1);
                if (got <= 0) {
                    epoll_ctl(ep, EPOLL_CTL_DEL, fds[i], NULL);
                    continue;
                }
                c->buf[got] = '\0';
                if (!has[i] && strstr(c->buf, " EXISTS")) {
                    has[i] = true;
                    told++;
                }
            }
        }
        printf("told %d\n", told);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: see the beginning of bench/load.c\n");
        return 2;
    }
    port = atoi(argv[2]);
    user = argv[3];
    password = argv[4];
    if (strcmp(argv[1], "login") == 0)
        login(argv + 5);
    else if (strcmp(argv[1], "append") == 0)
        append(argv + 5);
    else if (strcmp(argv[1], "fetch") == 0)
        fetch(argv + 5);
    else if (strcmp(argv[1], "times") == 0)
        times(argc - 5, argv + 5);
    else if (strcmp(argv[1], "idle") == 0)
        idle(argv + 5);
    else
        return 2;
    return 0;
}
