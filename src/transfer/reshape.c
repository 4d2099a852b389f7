#include "transfer/reshape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IN_MEMORY (1u << 20)
#define PIECE (64u * 1024)

void ph_reshape_init(struct ph_reshape *r)
{
    memset(r, 0, sizeof *r);
    r->fd = -1;
}

void ph_reshape_done(struct ph_reshape *r)
{
    ph_buf_done(&r->mem);
    ph_buf_done(&r->out);
    if (r->fd >= 0)
        close(r->fd);
    ph_reshape_init(r);
}

static int write_all(struct ph_reshape *r, const char *p, size_t n, struct ph_err *err)
{
    while (n) {
        ssize_t w = write(r->fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "writing a temporary file");
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static int move_to_file(struct ph_reshape *r, struct ph_err *err)
{
    r->fd = open(P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (r->fd < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "a temporary file cannot be made");
    if (write_all(r, ph_buf_data(&r->mem), ph_buf_len(&r->mem), err))
        return -1;
    ph_buf_clear(&r->mem);
    return 0;
}

int ph_reshape_add(struct ph_reshape *r, const char *p, size_t n, struct ph_err *err)
{
    r->size += n;
    if (r->fd < 0 && r->size > IN_MEMORY && move_to_file(r, err))
        return -1;
    if (r->fd >= 0)
        return write_all(r, p, n, err);
    return ph_buf_add(&r->mem, p, n) ? ph_fail_memory(err) : 0;
}

/* The octets as they came in, piece by piece, up to the limit. */
static int next_piece(struct ph_reshape *r, const char **p, size_t *n, struct ph_err *err)
{
    uint64_t left = r->limit - r->at;
    size_t want = left > PIECE ? PIECE : (size_t)left;

    *n = want;
    if (!want)
        return 0;
    if (r->fd < 0) {
        *p = ph_buf_data(&r->mem) + r->at;
    } else {
        ph_buf_clear(&r->mem);
        char *to = ph_buf_reserve(&r->mem, want);
        if (!to)
            return ph_fail_memory(err);
        ssize_t got = pread(r->fd, to, want, (off_t)r->at);
        if (got <= 0)
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "reading a temporary file");
        *p = to;
        *n = (size_t)got;
    }
    r->at += *n;
    return 0;
}

/* Where the header ends: behind the first empty line. */
static int find_header_end(struct ph_reshape *r, struct ph_err *err)
{
    const char *p;
    size_t n;
    bool empty = true;

    r->at = 0;
    for (uint64_t base = 0;; base = r->at) {
        if (next_piece(r, &p, &n, err))
            return -1;
        if (!n)
            return 0; /* no end: all of it is header */
        for (size_t i = 0; i < n; i++) {
            if (p[i] == '\n' && empty) {
                r->limit = base + i + 1;
                return 0;
            }
            if (p[i] == '\n')
                empty = true;
            else if (p[i] != '\r')
                empty = false;
        }
    }
}

int ph_reshape_begin(struct ph_reshape *r, unsigned what, unsigned width, bool headers_only, uint64_t *size, unsigned *did,
                     struct ph_err *err)
{
    const char *p;
    size_t n;

    r->limit = r->size;
    r->what = what;
    if (headers_only && find_header_end(r, err))
        return -1;
    ph_repair_init(&r->repairer, what, width);
    r->at = 0;
    for (;;) {
        if (next_piece(r, &p, &n, err))
            return -1;
        if (!n)
            break;
        ph_repair_measure(&r->repairer, p, n);
    }
    ph_repair_measure_end(&r->repairer);
    *size = r->repairer.size;
    *did = r->repairer.did;
    ph_repair_init(&r->repairer, what, width);
    r->at = 0;
    return 0;
}

int ph_reshape_read(struct ph_reshape *r, const char **p, size_t *n, struct ph_err *err)
{
    const char *raw;
    size_t len;

    ph_buf_clear(&r->out);
    do {
        if (next_piece(r, &raw, &len, err))
            return -1;
        int bad = len ? ph_repair_apply(&r->repairer, raw, len, &r->out)
                      : r->what != ~0u ? ph_repair_apply_end(&r->repairer, &r->out) : 0;
        if (!len)
            r->what = ~0u; /* the end was applied */
        if (bad)
            return ph_fail_memory(err);
    } while (len && !ph_buf_len(&r->out));
    *p = ph_buf_data(&r->out);
    *n = ph_buf_len(&r->out);
    return 0;
}
