/*
 * One lane of the floor: a source and a destination connection, and one buffer between them.
 *
 * What is read from the source stays where it was read; an array of slices of it, with the APPEND's own text
 * in between, goes out in one writev. The source is read again when all of that is gone.
 */
#include "floor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IN_SIZE = 256 * 1024, TEXT_SIZE = 256 * 1024, MAX_SLICES = 1024, MAX_UNITS = 4096 };

struct unit { /* a FETCH under way, which becomes one APPEND */
    struct folder *folder;
    unsigned messages;
    uint64_t guess;
};

struct lane {
    int number, src, dst;
    char in[IN_SIZE], text[TEXT_SIZE], answer[8192];
    size_t in_at, in_len, text_len, answer_len;
    uint64_t literal;
    struct iovec out[MAX_SLICES];
    int out_at, out_len;
    struct folder *selected, *made; /* the last one examined, the last one created */
    struct unit units[MAX_UNITS]; /* a ring: first to be answered, and how many */
    size_t first_unit, unit_count;
    uint64_t asked; /* bytes in those units, guessed from the folder's mean */
    unsigned in_batch, fetches, appends, confirmed;
    uint64_t messages, bytes;
};

/* Connecting -------------------------------------------------------------------------------------------- */

static int connect_to(const struct account *a)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || connect(fd, (const struct sockaddr *)&a->addr, sizeof a->addr) < 0) {
        die("connect", strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
        } else if (n <= 0) {
            die("write", strerror(errno));
        } else {
            text += n;
            left -= (size_t)n;
        }
    }
}

/* Reads lines into `buf` until one begins with `until`; returns their length. */
static size_t read_until(int fd, char *buf, size_t size, const char *until)
{
    size_t len = 0, at = 0;

    for (;;) {
        ssize_t n = read(fd, buf + len, size - 1 - len);

        if (n <= 0) {
            die("read", n ? strerror(errno) : "closed, or too much");
        }
        len += (size_t)n;
        buf[len] = 0;
        for (char *nl; (nl = strchr(buf + at, '\n')); at = (size_t)(nl + 1 - buf)) {
            if (strncmp(buf + at, until, strlen(until)) == 0) {
                return len;
            }
        }
    }
}

static void send_login(int fd, const struct account *a, const char *more)
{
    char text[512];

    snprintf(text, sizeof text, "L LOGIN \"%s\" \"%s\"\r\n%s", a->user, a->pass, more);
    send_all(fd, text);
}

/* * STATUS "name" (MESSAGES 5 SIZE 700) */
static void take_status(char *line)
{
    struct folder f = {.next = 1, .lane = -1};
    char *paren = strrchr(line, '('), *m = paren ? strstr(paren, "MESSAGES ") : NULL;
    char *s = paren ? strstr(paren, "SIZE ") : NULL;
    size_t len = paren ? (size_t)(paren - line) - 1 : NAME_MAX_LEN;

    if (!m || !s || len >= NAME_MAX_LEN) {
        die("STATUS", line);
    }
    memcpy(f.name, line, len);
    f.messages = (unsigned)strtoul(m + 9, NULL, 10);
    f.bytes = strtoull(s + 5, NULL, 10);
    job.folders = realloc(job.folders, (job.folder_count + 1) * sizeof f);
    if (!job.folders) {
        die("memory", strerror(errno));
    }
    job.folders[job.folder_count++] = f;
}

static int by_bytes(const void *a, const void *b)
{
    const struct folder *x = a, *y = b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* The first lane's listing gives the work of all; the folders without mail are made here. */
static void take_listing(struct lane *l, char *listing)
{
    char *save = NULL, create[NAME_MAX_LEN + 32];

    for (char *line = strtok_r(listing, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        if (strncmp(line, "* STATUS ", 9) == 0) {
            take_status(line + 9);
        }
    }
    qsort(job.folders, job.folder_count, sizeof *job.folders, by_bytes);
    for (size_t i = 0; i < job.folder_count; i++) {
        if (job.folders[i].messages == 0) {
            snprintf(create, sizeof create, "C CREATE %s\r\n", job.folders[i].name);
            send_all(l->dst, create);
        }
    }
}

static void lane_connect(struct lane *l)
{
    static const char list[] = "S LIST \"\" \"*\" RETURN (STATUS (MESSAGES SIZE))\r\n";
    char *text = malloc(4u << 20);

    if (!text) {
        die("memory", strerror(errno));
    }
    l->src = connect_to(&job.src);
    l->dst = connect_to(&job.dst);
    read_until(l->src, text, 4u << 20, "* OK");
    send_login(l->src, &job.src, l->number == 0 ? list : "");
    read_until(l->dst, text, 4u << 20, "* OK");
    send_login(l->dst, &job.dst, "");
    read_until(l->dst, text, 4u << 20, "L OK");
    read_until(l->src, text, 4u << 20, l->number == 0 ? "S OK" : "L OK");
    pthread_mutex_lock(&job.lock);
    if (l->number == 0) {
        take_listing(l, text);
        job.ready = 1;
        pthread_cond_broadcast(&job.is_ready);
    }
    while (!job.ready) {
        pthread_cond_wait(&job.is_ready, &job.lock);
    }
    pthread_mutex_unlock(&job.lock);
    free(text);
    fcntl(l->src, F_SETFL, O_NONBLOCK);
    fcntl(l->dst, F_SETFL, O_NONBLOCK);
}

/* Asking ------------------------------------------------------------------------------------------------ */

/* A folder for this lane, with the lock held: its own, else the largest untouched, else the one with the most left. */
static struct folder *choose_folder(const struct lane *l)
{
    struct folder *most = NULL;

    if (l->selected && l->selected->next <= l->selected->messages) {
        return l->selected;
    }
    for (size_t i = 0; i < job.folder_count; i++) {
        struct folder *f = &job.folders[i];

        if (f->next > f->messages) {
            continue;
        }
        if (f->lane < 0) {
            return f;
        }
        if (!most || f->messages - f->next > most->messages - most->next) {
            most = f;
        }
    }
    return most;
}

/* Asks for one batch more; 0 when there is none. */
static int ask(struct lane *l)
{
    char text[NAME_MAX_LEN + 160];
    int len = 0;

    pthread_mutex_lock(&job.lock);
    struct folder *f = choose_folder(l);

    if (!f) {
        pthread_mutex_unlock(&job.lock);
        return 0;
    }
    unsigned first = f->next, last = first + (unsigned)job.batch - 1;

    last = last > f->messages ? f->messages : last;
    f->next = last + 1;
    f->lane = l->number;
    pthread_mutex_unlock(&job.lock);
    if (l->selected != f) {
        len = snprintf(text, sizeof text, "E EXAMINE %s\r\n", f->name);
        l->selected = f;
    }
    snprintf(text + len, sizeof text - (size_t)len, "F FETCH %u:%u (FLAGS INTERNALDATE BODY.PEEK[])\r\n", first, last);
    send_all(l->src, text);
    struct unit *u = &l->units[(l->first_unit + l->unit_count++) % MAX_UNITS];

    u->folder = f;
    u->messages = last - first + 1;
    u->guess = f->bytes / f->messages * u->messages;
    l->asked += u->guess;
    return 1;
}

static void ask_more(struct lane *l)
{
    while (l->unit_count == 0 || (l->asked < job.window && l->unit_count < MAX_UNITS)) {
        if (!ask(l)) {
            break;
        }
    }
}

/* From FETCH to APPEND ---------------------------------------------------------------------------------- */

static void put(struct lane *l, const char *data, size_t len)
{
    if (len > 0) {
        l->out[l->out_len++] = (struct iovec){(void *)(uintptr_t)data, len};
    }
}

/* Text of our own, copied: it lives until the next round. */
static void put_text(struct lane *l, const char *data, size_t len)
{
    char *at = l->text + l->text_len;

    memcpy(at, data, len);
    l->text_len += len;
    if (l->out_len > 0 && (char *)l->out[l->out_len - 1].iov_base + l->out[l->out_len - 1].iov_len == at) {
        l->out[l->out_len - 1].iov_len += len;
    } else {
        put(l, at, len);
    }
}

static void put_command(struct lane *l, struct folder *f)
{
    char text[2 * NAME_MAX_LEN + 64];
    int len = 0;

    if (l->made != f) {
        l->made = f;
        len = snprintf(text, sizeof text, "C CREATE %s\r\n", f->name);
    }
    len += snprintf(text + len, sizeof text - (size_t)len, "A APPEND %s", f->name);
    put_text(l, text, (size_t)len);
    l->appends++;
}

/* * 7 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "..." BODY[] {5} */
static void take_message(struct lane *l, char *line, char *brace)
{
    char head[2048], *flags = strstr(line, "FLAGS ("), *date = strstr(line, "INTERNALDATE \"");
    char *flags_end = flags ? strchr(flags, ')') : NULL, *recent = flags ? strstr(flags, "\\Recent") : NULL;
    struct unit *u = &l->units[l->first_unit];

    if (!flags_end || !date || flags_end - flags > 1500) {
        die("FETCH", line);
    }
    flags += 6;
    if (recent && recent < flags_end) { /* the server's own flag: no APPEND may carry it */
        size_t drop = 7;

        if (recent[drop] == ' ') {
            drop++;
        } else if (recent[-1] == ' ') {
            recent--;
            drop++;
        }
        memmove(recent, recent + drop, (size_t)(flags_end - recent) - drop + 1);
        flags_end -= drop;
    }
    l->literal = strtoull(brace + 1, NULL, 10);
    if (l->in_batch++ == 0) {
        put_command(l, u->folder);
    }
    int len = snprintf(head, sizeof head, " %.*s %.28s {%llu+}\r\n", (int)(flags_end + 1 - flags), flags, date + 13,
                       (unsigned long long)l->literal);

    put_text(l, head, (size_t)len);
    l->messages++;
    l->bytes += l->literal;
}

/* Dovecot holds the tagged OK of one FETCH back while it answers the next: counting tells where a batch ends. */
static void end_batch(struct lane *l)
{
    l->asked -= l->units[l->first_unit].guess;
    l->first_unit = (l->first_unit + 1) % MAX_UNITS;
    l->unit_count--;
    l->in_batch = 0;
    put_text(l, "\r\n", 2);
    ask_more(l);
}

/* A whole line of the source, ended by a NUL in place of its CR. */
static void take_line(struct lane *l, char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '}' && line[0] == '*') {
        take_message(l, line, strrchr(line, '{'));
    } else if (line[0] == ')' || line[0] == ' ') {
        if (l->in_batch == l->units[l->first_unit].messages) {
            end_batch(l);
        }
    } else if (line[0] != '*' && strncmp(line + 1, " OK", 3) != 0) {
        die("source", line);
    }
}

/* Turns what was read into what is to be written; leaves half a line for the next time. */
static void take_input(struct lane *l)
{
    while (l->in_at < l->in_len && l->out_len < MAX_SLICES - 4 && l->text_len < TEXT_SIZE - 4096) {
        char *at = l->in + l->in_at;
        size_t left = l->in_len - l->in_at;

        if (l->literal > 0) {
            size_t n = left < l->literal ? left : (size_t)l->literal;

            put(l, at, n);
            l->literal -= n;
            l->in_at += n;
            continue;
        }
        char *nl = memchr(at, '\n', left);

        if (!nl) {
            break;
        }
        l->in_at += (size_t)(nl + 1 - at);
        nl -= nl > at && nl[-1] == '\r';
        *nl = 0;
        take_line(l, at, (size_t)(nl - at));
    }
}

/* Reading and writing ----------------------------------------------------------------------------------- */

/* Returns 1 when all of it is gone. */
static int write_out(struct lane *l)
{
    while (l->out_at < l->out_len) {
        ssize_t n = writev(l->dst, l->out + l->out_at, l->out_len - l->out_at);

        if (n < 0 && errno == EAGAIN) {
            return 0;
        }
        if (n < 0) {
            die("destination", strerror(errno));
        }
        while (n > 0) {
            struct iovec *v = &l->out[l->out_at];
            size_t took = (size_t)n < v->iov_len ? (size_t)n : v->iov_len;

            v->iov_base = (char *)v->iov_base + took;
            v->iov_len -= took;
            n -= (ssize_t)took;
            l->out_at += v->iov_len == 0;
        }
    }
    l->out_at = l->out_len = 0;
    l->text_len = 0;
    return 1;
}

static void read_source(struct lane *l)
{
    if (l->in_at > 0) {
        memmove(l->in, l->in + l->in_at, l->in_len - l->in_at);
        l->in_len -= l->in_at;
        l->in_at = 0;
    }
    ssize_t n = read(l->src, l->in + l->in_len, IN_SIZE - l->in_len);

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        die("source", n ? strerror(errno) : "closed");
    }
    l->in_len += n > 0 ? (size_t)n : 0;
}

/* Counts the OKs; a CREATE of what is there already may say NO. */
static void read_answers(struct lane *l)
{
    ssize_t n = read(l->dst, l->answer + l->answer_len, sizeof l->answer - 1 - l->answer_len);
    char *at = l->answer;

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        die("destination", n ? strerror(errno) : "closed");
    }
    l->answer_len += n > 0 ? (size_t)n : 0;
    l->answer[l->answer_len] = 0;
    for (char *nl; (nl = strchr(at, '\n')); at = nl + 1) {
        *nl = 0;
        if (strncmp(at, "A OK", 4) == 0) {
            l->confirmed++;
        } else if (at[0] != '*' && at[0] != 'C') {
            die("destination", at);
        }
    }
    l->answer_len -= (size_t)(at - l->answer);
    memmove(l->answer, at, l->answer_len);
}

static void lane_copy(struct lane *l)
{
    struct pollfd p[2] = {{.fd = l->src}, {.fd = l->dst}};

    ask_more(l);
    while (l->unit_count > 0 || l->out_len > 0 || l->confirmed < l->appends) {
        p[0].events = l->out_len == 0 && l->unit_count > 0 ? POLLIN : 0;
        p[1].events = (short)(POLLIN | (l->out_len > 0 ? POLLOUT : 0));
        if (poll(p, 2, -1) < 0) {
            die("poll", strerror(errno));
        }
        if (p[1].revents & ~POLLOUT) {
            read_answers(l);
        }
        if (p[0].revents) {
            read_source(l);
        }
        while (write_out(l)) {
            take_input(l);
            if (l->out_len == 0) {
                break;
            }
        }
    }
}

void *lane_run(void *number)
{
    struct lane *l = calloc(1, sizeof *l);

    if (!l) {
        die("memory", strerror(errno));
    }
    l->number = (int)(intptr_t)number;
    lane_connect(l);
    lane_copy(l);
    close(l->src);
    close(l->dst);
    pthread_mutex_lock(&job.lock);
    job.messages += l->messages;
    job.bytes += l->bytes;
    job.batches += l->appends;
    pthread_mutex_unlock(&job.lock);
    free(l);
    return NULL;
}
