#include "base/deadline.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int64_t ph_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int ph_deadline_poll_ms(int64_t deadline)
{
    if (deadline == PH_NEVER)
        return -1;
    int64_t left = deadline - ph_now_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

int ph_cancel_init(struct ph_cancel *c)
{
    atomic_init(&c->raised, false);
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->fd < 0 ? -1 : 0;
}

void ph_cancel_done(struct ph_cancel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void ph_cancel_raise(struct ph_cancel *c)
{
    int saved = errno;
    uint64_t one = 1;

    atomic_store(&c->raised, true);
    if (write(c->fd, &one, sizeof one) < 0) {
        /* full counter: it is readable already */
    }
    errno = saved;
}
