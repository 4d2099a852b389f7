/* The connections of the delay proxy: moving bytes when they are due, and breaking at chosen ones. */
#include "proxy.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *dir_name(int dir)
{
    return dir == UP ? "up" : "down";
}

/* Connections ------------------------------------------------------------------------------------------------- */

static void conn_close_side(struct conn *c, int side, int reset)
{
    struct linger l = {1, 0};

    if (c->fd[side] < 0) {
        return;
    }
    if (reset) {
        setsockopt(c->fd[side], SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    close(c->fd[side]);
    c->fd[side] = -1;
    /* What it would have sent has ended; what is meant for it goes nowhere. */
    c->flow[side == CLIENT ? UP : DOWN].eof = 1;
    c->flow[side == CLIENT ? DOWN : UP].dead = 1;
    lab_flow_drop(&c->flow[side == CLIENT ? DOWN : UP]);
}

void lab_conn_free(struct conn *c)
{
    for (struct conn **p = &g.conns; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    printf("closed conn=%u up=%llu down=%llu round_trips=%d\n", c->id, (unsigned long long)c->flow[UP].delivered,
           (unsigned long long)c->flow[DOWN].delivered, c->level[CLIENT]);
    fflush(stdout);
    conn_close_side(c, CLIENT, 0);
    conn_close_side(c, SERVER, 0);
    lab_flow_done(&c->flow[UP]);
    lab_flow_done(&c->flow[DOWN]);
    free(c);
    g.open--;
}

static void conn_arm(struct conn *c, int side, uint32_t want)
{
    struct epoll_event ev = {.events = want, .data.ptr = c};

    if (c->fd[side] < 0 || want == c->armed[side]) {
        return;
    }
    /* EPOLLHUP and EPOLLERR cannot be switched off, so a side with nothing to do is taken out. */
    int op = !want ? EPOLL_CTL_DEL : c->armed[side] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (epoll_ctl(g.epoll, op, c->fd[side], &ev) < 0) {
        lab_die("epoll_ctl");
    }
    c->armed[side] = want;
}

void lab_conn_accept(uint64_t now)
{
    for (;;) {
        int fd = accept4(g.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        struct conn *c;

        if (fd < 0) {
            return;
        }
        c = calloc(1, sizeof *c);
        if (!c) {
            lab_die("memory");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *c = (struct conn){.next = g.conns, .id = ++g.count, .fd = {fd, -1}, .opened = now, .level = {1, 1},
                           .connect_due = now + 3 * g.one_way};
        g.conns = c;
        g.most_open = ++g.open > g.most_open ? g.open : g.most_open;
        if (g.log) {
            fprintf(g.log, "%llu %u open 0 1\n", (unsigned long long)now, c->id);
        }
    }
}

static void conn_connect(struct conn *c)
{
    int one = 1;

    c->connect_due = NEVER;
    c->fd[SERVER] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd[SERVER] < 0) {
        lab_die("socket");
    }
    setsockopt(c->fd[SERVER], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd[SERVER], (struct sockaddr *)&g.to, sizeof g.to) < 0) {
        if (errno != EINPROGRESS) {
            lab_conn_break(c, "refused", 3, 0);
            return;
        }
        c->connecting = 1;
    }
}

/* Faults ------------------------------------------------------------------------------------------------------ */

void lab_conn_break(struct conn *c, const char *why, int sides, int fin)
{
    printf("%s conn=%u up=%llu down=%llu\n", why, c->id, (unsigned long long)g.delivered[UP], (unsigned long long)g.delivered[DOWN]);
    fflush(stdout);
    for (int side = CLIENT; side <= SERVER; side++) {
        if (sides & 1 << side) {
            conn_close_side(c, side, !fin);
        }
    }
    /* The other end, when it is left alone, hears nothing more: it has to find out by itself. */
    for (int dir = UP; dir <= DOWN; dir++) {
        lab_flow_drop(&c->flow[dir]);
        c->flow[dir].dead = 1;
        c->flow[dir].shut = 1;
    }
    c->connect_due = NEVER;
}

/* Limits n by what faults allow, and fires those that are reached. */
static size_t fault_limit(struct conn *c, int dir, size_t n)
{
    for (int i = 0; i < g.n_faults; i++) {
        struct fault *f = &g.faults[i];
        uint64_t pos = f->conn ? c->flow[dir].delivered : g.delivered[dir];

        if (f->done || f->dir != dir || f->kind == STALL || (f->conn && f->conn != c->id)) {
            continue;
        }
        if (pos < f->at) {
            n = f->at - pos < n ? (size_t)(f->at - pos) : n;
            continue;
        }
        if (f->kind == CUT) {
            f->done = 1;
            lab_conn_break(c, "cut", f->sides, f->fin);
            return 0;
        }
        if (n) {
            f->done = 1;
            c->flow[dir].late = 1;
            c->flow[dir].late_due = f->time;
            printf("held conn=%u %s=%llu\n", c->id, dir_name(dir), (unsigned long long)g.delivered[dir]);
            fflush(stdout);
            return 0;
        }
    }
    return n;
}

static void fault_stall(struct conn *c, int dir, uint64_t now)
{
    for (int i = 0; i < g.n_faults; i++) {
        struct fault *f = &g.faults[i];

        if (f->done || f->kind != STALL || f->dir != dir || (f->conn && f->conn != c->id)) {
            continue;
        }
        if ((f->conn ? c->flow[dir].received : g.received[dir]) >= f->at) {
            f->done = 1;
            *(f->conn ? &c->flow[dir].stalled_until : &g.stalled_until[dir]) = now + f->time;
            printf("stalled conn=%u %s=%llu\n", c->id, dir_name(dir), (unsigned long long)g.received[dir]);
            fflush(stdout);
        }
    }
}

/* Moving bytes ------------------------------------------------------------------------------------------------ */

static int conn_source(int dir)
{
    return dir == UP ? CLIENT : SERVER;
}

static int conn_stalled(const struct conn *c, int dir, uint64_t now, uint64_t *next)
{
    uint64_t until = c->flow[dir].stalled_until > g.stalled_until[dir] ? c->flow[dir].stalled_until : g.stalled_until[dir];

    if (until > now) {
        *next = until < *next ? until : *next;
        return 1;
    }
    return 0;
}

static void conn_ended(struct conn *c, int dir, uint64_t now)
{
    struct flow *f = &c->flow[dir];

    f->eof = 1;
    f->eof_due = now + g.one_way;
    if (dir != UP) {
        return;
    }
    if (f->eof_due < c->opened + 3 * g.one_way) {
        f->eof_due = c->opened + 3 * g.one_way;
    }
    if (f->late) {
        f->late = 0;
        f->eof_due = now + f->late_due;
        lab_flow_postpone(f, f->eof_due);
    } else if (g.tail && f->len) {
        f->eof_due = now + g.tail_late;
        lab_flow_postpone(f, f->eof_due);
    }
}

static void conn_read(struct conn *c, int dir, uint64_t now)
{
    struct flow *f = &c->flow[dir];
    int side = conn_source(dir);
    uint64_t none = NEVER;

    /* A few reads, so that one busy connection does not starve the others. */
    for (int i = 0; i < 4 && c->fd[side] >= 0 && !f->eof && f->len < g.queue && !conn_stalled(c, dir, now, &none); i++) {
        uint64_t sent = dir == UP && now < c->opened + 2 * g.one_way ? c->opened + 2 * g.one_way : now;
        int level = dir == UP ? c->level[CLIENT] : c->level[SERVER] + 1;
        long n = lab_flow_read(f, c->fd[side], g.queue, sent + g.one_way, level);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            conn_ended(c, dir, now);
            return;
        }
        g.received[dir] += (uint64_t)n;
        if (g.log) {
            fprintf(g.log, "%llu %u %s %ld %d\n", (unsigned long long)now, c->id, dir_name(dir), n, level);
        }
        if (dir == DOWN) {
            c->mask_wait = 0;
            for (int m = 0; m < g.n_masks; m++) {
                size_t w = lab_flow_mask(f, (size_t)n, g.mask_from[m], g.mask_to[m]);

                c->mask_wait = w > c->mask_wait ? w : c->mask_wait;
            }
        }
        if (f->dead) {
            lab_flow_drop(f);
        }
        fault_stall(c, dir, now);
    }
}

static void conn_flush(struct conn *c, int dir, uint64_t now, uint64_t *next)
{
    struct flow *f = &c->flow[dir];
    int to = dir == UP ? SERVER : CLIENT;
    size_t tail = dir == UP && !f->eof ? g.tail : 0;

    f->blocked = 0;
    while (c->fd[to] >= 0 && !c->connecting && !f->dead && f->len && !f->late) {
        size_t n = lab_flow_ready(f, now, tail, g.tail_dwell, next);

        if (dir == DOWN && !f->eof && c->mask_wait && n > f->len - c->mask_wait) {
            n = f->len - c->mask_wait;
        }
        n = fault_limit(c, dir, n);
        if (n == 0) {
            break;
        }
        long put = lab_flow_write(f, c->fd[to], n, &c->level[to]);

        if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
            f->blocked = 1;
            break;
        }
        if (put < 0) {
            f->dead = 1;
            lab_flow_drop(f);
            break;
        }
        g.delivered[dir] += (uint64_t)put;
        g.level = c->level[CLIENT] > g.level ? c->level[CLIENT] : g.level;
    }
    g.peak = f->peak > g.peak ? f->peak : g.peak;
    fault_limit(c, dir, 0);         /* a cut at the very last byte, with nothing behind it */
    if (f->eof && !f->shut && f->len == 0 && !c->connecting && (c->fd[to] >= 0 || f->dead)) {
        if (f->eof_due > now && !f->dead) {
            *next = f->eof_due < *next ? f->eof_due : *next;
        } else {
            f->shut = 1;
            if (c->fd[to] >= 0) {
                shutdown(c->fd[to], SHUT_WR);
            }
        }
    }
}

static uint32_t conn_wants(const struct conn *c, int side, uint64_t now, uint64_t *next)
{
    const struct flow *from = &c->flow[side == CLIENT ? UP : DOWN], *into = &c->flow[side == CLIENT ? DOWN : UP];
    uint32_t want = into->blocked || (side == SERVER && c->connecting) ? EPOLLOUT : 0;

    if (!from->eof && from->len < g.queue && !conn_stalled(c, side == CLIENT ? UP : DOWN, now, next)) {
        want |= EPOLLIN;
    }
    return want;
}

void lab_conn_step(struct conn *c, uint64_t now, uint64_t *next)
{
    if (c->connect_due != NEVER) {
        if (c->connect_due <= now) {
            conn_connect(c);
        } else {
            *next = c->connect_due < *next ? c->connect_due : *next;
        }
    }
    conn_flush(c, UP, now, next);
    conn_flush(c, DOWN, now, next);
    if (c->flow[UP].shut && c->flow[DOWN].shut && ((c->flow[UP].eof && c->flow[DOWN].eof) || (c->fd[CLIENT] < 0 && c->fd[SERVER] < 0))) {
        c->finished = 1;
        return;
    }
    conn_arm(c, CLIENT, conn_wants(c, CLIENT, now, next));
    conn_arm(c, SERVER, conn_wants(c, SERVER, now, next));
}

void lab_conn_event(struct conn *c, uint64_t now)
{
    int err = 0;
    socklen_t len = sizeof err;

    if (c->connecting) {
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof peer;

        getsockopt(c->fd[SERVER], SOL_SOCKET, SO_ERROR, &err, &len);
        if (err) {
            c->connecting = 0;
            lab_conn_break(c, "refused", 3, 0);
            return;
        }
        c->connecting = getpeername(c->fd[SERVER], (struct sockaddr *)&peer, &peer_len) < 0;
    }
    conn_read(c, UP, now);
    if (!c->connecting) {
        conn_read(c, DOWN, now);
    }
}
