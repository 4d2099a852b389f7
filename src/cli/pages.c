#include "cli/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/live.h"
#include "cli/text.h"

int ph_write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EAGAIN) { /* somebody else made the terminal non-blocking */
            struct pollfd pf = { fd, POLLOUT, 0 };
            poll(&pf, 1, -1);
            continue;
        }
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return errno;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int ph_pages_open_log(struct ph_pages *p, const char *path, struct ph_err *err)
{
    p->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (p->log < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "log file %s", path);
    return 0;
}

void ph_pages_done(struct ph_pages *p)
{
    if (p->log >= 0 && close(p->log) && !p->log_errno)
        p->log_errno = errno;
    p->log = -1;
    ph_buf_done(&p->scratch);
}

static void add_stamp(const struct ph_pages *p, int64_t time_ms, struct ph_buf *out)
{
    time_t t = time_ms ? (time_t)(time_ms / 1000) : time(NULL);
    struct tm tm;
    char text[64];

    localtime_r(&t, &tm);
    size_t n = p->stamp == PH_STAMP_CLASSIC ? strftime(text, sizeof text, "%m-%d-%Y.%H:%M:%S", &tm)
                                            : strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", &tm);
    ph_buf_add(out, text, n);
    ph_text_add(out, " %ld ", (long)getpid());
}

static void put_log(struct ph_pages *p, const char *text, int64_t time_ms)
{
    ph_buf_clear(&p->scratch);
    while (*text) {
        size_t n = strcspn(text, "\n");
        add_stamp(p, time_ms, &p->scratch);
        ph_buf_add(&p->scratch, text, n);
        ph_buf_add_char(&p->scratch, '\n');
        text += n + (text[n] == '\n');
    }
    int e = ph_write_all(p->log, ph_buf_data(&p->scratch), ph_buf_len(&p->scratch));
    if (e && !p->log_errno)
        p->log_errno = e;
}

void ph_pages_put(struct ph_pages *p, unsigned where, const char *text, int64_t time_ms)
{
    int fd = where & PH_TO_SCREEN ? p->screen : where & PH_TO_ERRORS ? p->errors : -1;

    if (where & PH_TO_LOG && p->log >= 0)
        put_log(p, text, time_ms);
    if (fd < 0 || (fd == p->screen && p->screen_broken))
        return;
    if (p->live) {
        ph_live_above(p->live, text);
        return;
    }
    ph_buf_clear(&p->scratch);
    ph_buf_add_z(&p->scratch, text);
    ph_buf_add_char(&p->scratch, '\n');
    if (ph_write_all(fd, ph_buf_data(&p->scratch), ph_buf_len(&p->scratch)) && fd == p->screen)
        p->screen_broken = true;
}
