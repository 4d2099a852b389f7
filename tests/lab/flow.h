/*
 * One direction of a proxied connection: a growing ring of bytes, with the time at which each stretch
 * of them may be delivered, and the round trips it took to bring it about.
 *
 * A flow owns its memory, not its descriptors.  Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef LAB_FLOW_H
#define LAB_FLOW_H

#include <stddef.h>
#include <stdint.h>

struct flow_seg {
    uint64_t due;
    size_t len;
    int level;
};

struct flow {
    unsigned char *ring;        /* capacity is a power of two */
    size_t cap, head, len, peak;
    struct flow_seg *seg;       /* a ring too */
    size_t seg_cap, seg_head, seg_len;
    uint64_t received, delivered;
    int eof;                    /* the source will send no more */
    uint64_t eof_due;           /* when the destination may know */
    int shut;                   /* the destination was told */
    int dead;                   /* the destination takes nothing any more: what comes is dropped */
    int blocked;                /* the last write was cut short */
    uint64_t stalled_until;
    int late;                   /* bytes are held until the source died, see --late */
    uint64_t late_due;
};

enum { FLOW_READ = 256 * 1024 };

void lab_flow_done(struct flow *f);

/* Reads once from fd; at most FLOW_READ bytes, and nothing beyond `limit` bytes in the queue.  Returns
 * the number of bytes, 0 at the end, -1 on an error with errno set (EAGAIN among them). */
long lab_flow_read(struct flow *f, int fd, size_t limit, uint64_t due, int level);

/* How many bytes may be delivered now: those due; and of the last `tail` bytes only those due for
 * `dwell` already.  `next` is lowered to the time at which there will be more. */
size_t lab_flow_ready(const struct flow *f, uint64_t now, size_t tail, uint64_t dwell, uint64_t *next);

/* Writes at most n bytes from the front; returns how many, or -1 with errno.  `level` rises to that of the
 * last byte written. */
long lab_flow_write(struct flow *f, int fd, size_t n, int *level);

/* Forgets what is queued. */
void lab_flow_drop(struct flow *f);

/* Gives everything that is queued a new due time. */
void lab_flow_postpone(struct flow *f, uint64_t due);

/* Replaces `from` by `to` (equal length) in what is queued; the `recent` newest bytes are new.  Returns how
 * many bytes at the end could be the beginning of another `from`: they must wait for more. */
size_t lab_flow_mask(struct flow *f, size_t recent, const char *from, const char *to);

#endif
