#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

void lab_flow_done(struct flow *f)
{
    free(f->ring);
    free(f->seg);
    memset(f, 0, sizeof *f);
}

static void *grow(void *old, size_t size)
{
    void *p = realloc(old, size);

    if (!p) {
        abort();    /* a test tool: nothing better to do */
    }
    return p;
}

static void flow_reserve(struct flow *f, size_t more)
{
    size_t cap = f->cap ? f->cap : 64 * 1024;

    while (cap - f->len < more) {
        cap *= 2;
    }
    if (cap == f->cap) {
        return;
    }
    unsigned char *ring = grow(NULL, cap);
    size_t first = f->cap - f->head < f->len ? f->cap - f->head : f->len;

    if (f->len) {
        memcpy(ring, f->ring + f->head, first);
        memcpy(ring + first, f->ring, f->len - first);
    }
    free(f->ring);
    f->ring = ring;
    f->cap = cap;
    f->head = 0;
}

static void flow_push(struct flow *f, uint64_t due, size_t len, int level)
{
    if (f->seg_len) {
        struct flow_seg *last = &f->seg[(f->seg_head + f->seg_len - 1) % f->seg_cap];

        /* Order is kept whatever the clock says, and a burst is one stretch. */
        if (due < last->due) {
            due = last->due;
        }
        if (due - last->due < 20000 && last->level == level && last->len < FLOW_READ) {
            last->len += len;
            return;
        }
    }
    if (f->seg_len == f->seg_cap) {
        size_t cap = f->seg_cap ? f->seg_cap * 2 : 64;
        struct flow_seg *seg = grow(NULL, cap * sizeof *seg);

        for (size_t i = 0; i < f->seg_len; i++) {
            seg[i] = f->seg[(f->seg_head + i) % f->seg_cap];
        }
        free(f->seg);
        f->seg = seg;
        f->seg_cap = cap;
        f->seg_head = 0;
    }
    f->seg[(f->seg_head + f->seg_len++) % f->seg_cap] = (struct flow_seg){due, len, level};
}

/* The stretch [at, at + n) of the ring as one or two pieces. */
static int flow_pieces(const struct flow *f, size_t at, size_t n, struct iovec iov[2])
{
    size_t first = f->cap - at < n ? f->cap - at : n;

    iov[0] = (struct iovec){f->ring + at, first};
    iov[1] = (struct iovec){f->ring, n - first};
    return n > first ? 2 : 1;
}

long lab_flow_read(struct flow *f, int fd, size_t limit, uint64_t due, int level)
{
    struct iovec iov[2];
    size_t want = limit - f->len < FLOW_READ ? limit - f->len : FLOW_READ;

    flow_reserve(f, want);
    if (f->len == 0) {
        f->head = 0;    /* stay in warm memory */
    }
    int n = flow_pieces(f, (f->head + f->len) & (f->cap - 1), want, iov);
    ssize_t got = readv(fd, iov, n);

    if (got > 0) {
        f->len += (size_t)got;
        f->received += (uint64_t)got;
        f->peak = f->len > f->peak ? f->len : f->peak;
        flow_push(f, due, (size_t)got, level);
    }
    return got;
}

size_t lab_flow_ready(const struct flow *f, uint64_t now, size_t tail, uint64_t dwell, uint64_t *next)
{
    size_t ready = 0;

    for (size_t i = 0; i < f->seg_len; i++) {
        const struct flow_seg *s = &f->seg[(f->seg_head + i) % f->seg_cap];
        size_t n = s->len;

        if (s->due > now) {
            *next = s->due < *next ? s->due : *next;
            break;
        }
        if (ready + n > f->len - (tail < f->len ? tail : f->len) && s->due + dwell > now) {
            size_t free_part = f->len > tail + ready ? f->len - tail - ready : 0;

            *next = s->due + dwell < *next ? s->due + dwell : *next;
            return ready + free_part;
        }
        ready += n;
    }
    return ready;
}

static void flow_consume(struct flow *f, size_t n, int *level)
{
    f->head = (f->head + n) & (f->cap - 1);
    f->len -= n;
    while (n) {
        struct flow_seg *s = &f->seg[f->seg_head];

        *level = s->level > *level ? s->level : *level;
        if (n < s->len) {
            s->len -= n;
            return;
        }
        n -= s->len;
        f->seg_head = (f->seg_head + 1) % f->seg_cap;
        f->seg_len--;
    }
}

long lab_flow_write(struct flow *f, int fd, size_t n, int *level)
{
    struct iovec iov[2];
    int pieces = flow_pieces(f, f->head, n, iov);
    ssize_t put = writev(fd, iov, pieces);

    if (put > 0) {
        flow_consume(f, (size_t)put, level);
        f->delivered += (uint64_t)put;
    }
    return put;
}

void lab_flow_drop(struct flow *f)
{
    f->len = f->head = 0;
    f->seg_len = f->seg_head = 0;
}

void lab_flow_postpone(struct flow *f, uint64_t due)
{
    for (size_t i = 0; i < f->seg_len; i++) {
        f->seg[(f->seg_head + i) % f->seg_cap].due = due;
    }
}

static unsigned char *flow_at(struct flow *f, size_t i)
{
    return &f->ring[(f->head + i) & (f->cap - 1)];
}

size_t lab_flow_mask(struct flow *f, size_t recent, const char *from, const char *to)
{
    size_t n = strlen(from);
    size_t start = f->len - recent > n - 1 ? f->len - recent - (n - 1) : 0;
    size_t i = start;

    while (i < f->len) {
        /* As far as the ring goes in one piece, memchr finds the next candidate. */
        size_t off = (f->head + i) & (f->cap - 1);
        size_t piece = f->cap - off < f->len - i ? f->cap - off : f->len - i;
        unsigned char *hit = memchr(f->ring + off, from[0], piece);

        if (!hit) {
            i += piece;
            continue;
        }
        i += (size_t)(hit - (f->ring + off));
        size_t k = 0;

        while (k < n && i + k < f->len && *flow_at(f, i + k) == (unsigned char)from[k]) {
            k++;
        }
        if (k == n) {
            for (k = 0; k < n; k++) {
                *flow_at(f, i + k) = (unsigned char)to[k];
            }
            i += n;
        } else if (i + k == f->len) {
            return f->len - i;
        } else {
            i++;
        }
    }
    return 0;
}
