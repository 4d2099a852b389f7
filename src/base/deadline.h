/* deadline.h: when to give up, and whether to stop.
 *
 * Every blocking call of the library takes part in one deadline and one cancellation flag. Times
 * are CLOCK_MONOTONIC milliseconds. PH_NEVER means no deadline.
 */
#ifndef PH_BASE_DEADLINE_H
#define PH_BASE_DEADLINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PH_NEVER INT64_MAX

int64_t ph_now_ms(void);

static inline int64_t ph_deadline_in(int64_t ms)
{
    return ms < 0 ? PH_NEVER : ph_now_ms() + ms;
}

/* What poll() wants: -1 for never, 0 when passed, else milliseconds, at most INT_MAX. */
int ph_deadline_poll_ms(int64_t deadline);

/* A stop request that any thread, or a signal handler, may raise once; it never falls back. `fd`
 * becomes readable when it is raised, so that a poll wakes up. */
struct ph_cancel {
    atomic_bool raised;
    int fd; /* eventfd, or -1 */
};

int ph_cancel_init(struct ph_cancel *c); /* -1 with errno */
void ph_cancel_done(struct ph_cancel *c);
void ph_cancel_raise(struct ph_cancel *c); /* async-signal-safe */

static inline bool ph_cancelled(struct ph_cancel *c)
{
    return c && atomic_load_explicit(&c->raised, memory_order_relaxed);
}

#endif
