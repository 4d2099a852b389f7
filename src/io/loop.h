/* loop.h: everything one thread waits for, in one poll.
 *
 * A lane owns a source and a destination session; whichever of them it waits for, the sockets of both are moved in
 * both directions, so neither end can dead-lock. Members do their I/O in `ready` and never block. Code stays
 * straight-line: it calls ph_loop_turn until its own condition holds.
 */
#ifndef PH_IO_LOOP_H
#define PH_IO_LOOP_H

#include <posthaste/err.h>

#include "base/deadline.h"

struct ph_loop_member {
    int fd;
    /* Poll events wanted now; 0: nothing. *at_once is set when there is work that poll cannot see. */
    short (*events)(struct ph_loop_member *m, bool *at_once);
    /* Move bytes. Failures are kept in the member and met by whoever uses it. */
    void (*ready)(struct ph_loop_member *m, short revents);
};

#define PH_LOOP_MEMBERS 8

struct ph_loop {
    struct ph_loop_member *m[PH_LOOP_MEMBERS];
    int n;
    struct ph_cancel *cancel; /* may be NULL */
};

int ph_loop_add(struct ph_loop *l, struct ph_loop_member *m); /* -1: full */
void ph_loop_remove(struct ph_loop *l, struct ph_loop_member *m);
/* One poll and one round of `ready`. 0; -1 with PH_E_TIMEOUT when the deadline passed with nothing ready, or
 * PH_E_CANCELLED. */
int ph_loop_turn(struct ph_loop *l, int64_t deadline, struct ph_err *err);

#endif
