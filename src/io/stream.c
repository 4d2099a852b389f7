/* stream.c: what all streams share: waiting, freeing, errors. */
#include "io/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "io/private.h"

void ph_stream_free(struct ph_stream *s)
{
    if (s)
        s->ops->free(s);
}

int ph_io_fail(struct ph_err *err, enum ph_kind kind, int errnum, const char *fmt, ...)
{
    char text[PH_ERR_TEXT];
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (errnum)
        ph_fail_errno(err, PH_SCOPE_SESSION, kind, errnum, "%s", text);
    else
        ph_fail(err, PH_SCOPE_SESSION, kind, "%s", text);
    if (kind == PH_E_CLOSED || kind == PH_E_TIMEOUT)
        err->retry = PH_RETRY_RECONNECT;
    else if (kind == PH_E_CONNECT)
        err->retry = PH_RETRY_LATER;
    return -1;
}

int ph_fd_wait(int fd, short events, int64_t deadline, struct ph_cancel *cancel, struct ph_err *err)
{
    struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };

    for (;;) {
        if (ph_cancelled(cancel))
            return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
        p[0].revents = 0;
        int n = poll(p, 2, ph_deadline_poll_ms(deadline));
        if (n < 0 && errno != EINTR)
            return ph_io_fail(err, PH_E_SYSTEM, errno, "poll");
        if (n > 0 && p[0].revents & POLLNVAL)
            return ph_io_fail(err, PH_E_SYSTEM, EBADF, "poll");
        if (n > 0 && !ph_cancelled(cancel) && p[0].revents)
            return 0; /* errors and hang-ups too: read or write tells which */
        if (n == 0 && ph_deadline_poll_ms(deadline) == 0)
            return ph_io_fail(err, PH_E_TIMEOUT, 0, "no answer in time");
    }
}

int ph_stream_wait(struct ph_stream *s, short events, int64_t deadline, struct ph_cancel *cancel,
                   struct ph_err *err)
{
    return ph_fd_wait(s->fd, events, deadline, cancel, err);
}
