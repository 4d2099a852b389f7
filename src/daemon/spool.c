#include "daemon/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void ph_spool_init(struct ph_spool *s)
{
    *s = (struct ph_spool){ .fd = -1 };
}

void ph_spool_done(struct ph_spool *s)
{
    ph_buf_done(&s->memory);
    if (s->fd >= 0)
        close(s->fd);
    ph_spool_init(s);
}

static int open_nameless(struct ph_err *err)
{
    const char *dir = getenv("TMPDIR");

    if (!dir || !*dir)
        dir = "/var/tmp"; /* /tmp is often memory */
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        char name[512];
        size_t n = strnlen(dir, sizeof name - 24);
        memcpy(name, dir, n);
        memcpy(name + n, "/posthaste-XXXXXX", sizeof "/posthaste-XXXXXX");
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
    }
    if (fd < 0)
        ph_fail_errno(err, PH_SCOPE_MESSAGE, PH_E_SYSTEM, errno, "cannot make a temporary file in %.200s", dir);
    return fd;
}

static int write_out(struct ph_spool *s, struct ph_err *err)
{
    while (ph_buf_len(&s->memory)) {
        ssize_t w = write(s->fd, ph_buf_data(&s->memory), ph_buf_len(&s->memory));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return ph_fail_errno(err, PH_SCOPE_MESSAGE, PH_E_SYSTEM, errno, "cannot write a temporary file");
        ph_buf_consume(&s->memory, (size_t)w);
    }
    return 0;
}

int ph_spool_add(struct ph_spool *s, const char *p, size_t n, struct ph_err *err)
{
    if (ph_buf_add(&s->memory, p, n))
        return ph_fail_memory(err);
    s->size += n;
    if (ph_buf_len(&s->memory) <= PH_SPOOL_MEMORY)
        return 0;
    if (s->fd < 0 && (s->fd = open_nameless(err)) < 0)
        return -1;
    return write_out(s, err);
}

int ph_spool_read(struct ph_spool *s, int (*each)(void *ctx, const char *p, size_t n, struct ph_err *err), void *ctx,
                  struct ph_err *err)
{
    char piece[65536];
    off_t at = 0;

    while (s->fd >= 0) {
        ssize_t got = pread(s->fd, piece, sizeof piece, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ph_fail_errno(err, PH_SCOPE_MESSAGE, PH_E_SYSTEM, errno, "cannot read a temporary file");
        if (got == 0)
            break;
        if (each(ctx, piece, (size_t)got, err))
            return -1;
        at += got;
    }
    return ph_buf_len(&s->memory) ? each(ctx, ph_buf_data(&s->memory), ph_buf_len(&s->memory), err) : 0;
}
