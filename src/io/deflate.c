/* deflate.c: COMPRESS=DEFLATE (RFC 4978) as a stream. Memory is fixed at the making: windows, and one buffer each way. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io/private.h"

#define CHUNK 16384
/* Reads of the inner stream in one call that yielded nothing: a peer may send empty blocks for ever. */
#define FRUITLESS_MAX 16

struct deflate {
    struct ph_stream s;
    struct ph_stream *inner;
    z_stream in, out;
    bool more;    /* inflate filled the caller's buffer: it may hold more */
    bool ended;   /* the peer's compressed stream is over */
    bool dirty;   /* written, but not yet flushed through deflate */
    bool syncing; /* zlib's part of a flush ran out of room and must be gone on with */
    bool owing;   /* a flush was asked for and is not over */
    size_t out_head, out_tail; /* compressed bytes that wait in out_buf */
    unsigned char in_buf[CHUNK], out_buf[CHUNK];
};

static int deflate_flush(struct ph_stream *s, struct ph_err *err);

static ssize_t deflate_read(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    struct deflate *d = (struct deflate *)s;

    if (d->owing)
        deflate_flush(s, NULL); /* whoever only reads from here on must not wait for an answer to what is still here */
    d->in.next_out = p;
    d->in.avail_out = n > CHUNK * 64 ? CHUNK * 64 : (uInt)n;
    const uInt room = d->in.avail_out;
    for (int fruitless = 0; !d->ended; fruitless++) {
        int rc = inflate(&d->in, Z_SYNC_FLUSH);
        if (rc == Z_STREAM_END)
            d->ended = true;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return rc == Z_MEM_ERROR
                       ? ph_fail_memory(err)
                       : ph_io_fail(err, PH_E_PROTOCOL, 0, "damaged compressed data%s%s", d->in.msg ? ": " : "",
                                    d->in.msg ? d->in.msg : "");
        d->more = d->in.avail_out == 0 && !d->ended;
        if (d->in.avail_out < room)
            return room - d->in.avail_out;
        if (d->ended)
            break;
        if (fruitless == FRUITLESS_MAX)
            return PH_AGAIN;
        if (d->in.avail_in)
            continue;
        ssize_t got = ph_stream_read(d->inner, d->in_buf, sizeof d->in_buf, err);
        if (got <= 0)
            return got;
        d->in.next_in = d->in_buf;
        d->in.avail_in = (uInt)got;
    }
    return 0;
}

/* Send what is compressed. 0 all gone, PH_AGAIN, -1. */
static int send_out(struct deflate *d, struct ph_err *err)
{
    while (d->out_head < d->out_tail) {
        ssize_t n = ph_stream_write(d->inner, d->out_buf + d->out_head, d->out_tail - d->out_head, err);
        if (n < 0)
            return (int)n;
        d->out_head += (size_t)n;
    }
    d->out_head = d->out_tail = 0;
    return 0;
}

/* One call of deflate into the free end of out_buf. */
static int compress_some(struct deflate *d, int flush, struct ph_err *err)
{
    d->out.next_out = d->out_buf + d->out_tail;
    d->out.avail_out = (uInt)(sizeof d->out_buf - d->out_tail);
    int rc = deflate(&d->out, flush);
    d->out_tail = sizeof d->out_buf - d->out.avail_out;
    return rc == Z_OK || rc == Z_BUF_ERROR ? 0 : ph_io_fail(err, PH_E_SYSTEM, 0, "zlib cannot compress");
}

/* Go on with a flush until zlib holds nothing back. 0, PH_AGAIN, -1. */
static int sync_out(struct deflate *d, struct ph_err *err)
{
    d->syncing = true;
    d->out.avail_in = 0;
    for (;;) {
        if (d->out_tail + 16 > sizeof d->out_buf) { /* zlib wants room for its marker in one piece */
            int rc = send_out(d, err);
            if (rc)
                return rc;
        }
        if (compress_some(d, Z_SYNC_FLUSH, err) < 0)
            return -1;
        if (d->out.avail_out) {
            d->syncing = d->dirty = false;
            return 0;
        }
    }
}

static ssize_t deflate_write(struct ph_stream *s, const void *p, size_t n, struct ph_err *err)
{
    struct deflate *d = (struct deflate *)s;
    int rc = d->syncing ? sync_out(d, err) : 0;

    if (rc)
        return rc;
    d->out.next_in = (Bytef *)p; /* zlib does not write there */
    d->out.avail_in = n > CHUNK * 64 ? CHUNK * 64 : (uInt)n;
    const uInt given = d->out.avail_in;
    while (d->out.avail_in) {
        if (d->out_tail == sizeof d->out_buf) {
            rc = send_out(d, err);
            if (rc == PH_AGAIN && d->out.avail_in < given)
                break;
            if (rc)
                return rc;
        }
        d->dirty = true;
        if (compress_some(d, Z_NO_FLUSH, err) < 0)
            return -1;
    }
    return given - d->out.avail_in;
}

static int deflate_flush(struct ph_stream *s, struct ph_err *err)
{
    struct deflate *d = (struct deflate *)s;
    int rc = d->dirty ? sync_out(d, err) : 0;

    if (rc == 0)
        rc = send_out(d, err);
    if (rc == 0)
        rc = ph_stream_flush(d->inner, err);
    d->owing = rc == PH_AGAIN;
    return rc;
}

static bool deflate_pending(struct ph_stream *s)
{
    struct deflate *d = (struct deflate *)s;

    return d->more || d->in.avail_in || ph_stream_pending(d->inner);
}

static short deflate_want_read(struct ph_stream *s)
{
    struct deflate *d = (struct deflate *)s;
    short events = d->inner->ops->want_read(d->inner);

    return (short)(d->owing ? events | d->inner->ops->want_write(d->inner) : events);
}

static short deflate_want_write(struct ph_stream *s)
{
    struct ph_stream *inner = ((struct deflate *)s)->inner;

    return inner->ops->want_write(inner);
}

static void deflate_free(struct ph_stream *s)
{
    struct deflate *d = (struct deflate *)s;

    inflateEnd(&d->in);
    deflateEnd(&d->out);
    ph_stream_free(d->inner);
    free(d);
}

static const struct ph_stream_ops deflate_ops = {
    .read = deflate_read,
    .write = deflate_write,
    .flush = deflate_flush,
    .pending = deflate_pending,
    .want_read = deflate_want_read,
    .want_write = deflate_want_write,
    .free = deflate_free,
};

struct ph_stream *ph_deflate_stream_new(struct ph_stream *inner)
{
    struct deflate *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    if (inflateInit2(&d->in, -15) != Z_OK) {
        free(d);
        return NULL;
    }
    if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -13, 6, Z_DEFAULT_STRATEGY) != Z_OK) {
        inflateEnd(&d->in);
        free(d);
        return NULL;
    }
    d->s.ops = &deflate_ops;
    d->s.fd = inner->fd;
    d->inner = inner;
    return &d->s;
}

struct ph_stream *ph_deflate_inner(struct ph_stream *s)
{
    return s->ops == &deflate_ops ? ((struct deflate *)s)->inner : NULL;
}
