/* DEFLATE streams against zlib itself, against pipes that take a byte at a time, and against bombs. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/buf.h"
#include "io/stream.h"

/* The stream below: takes up to `room` bytes into `sent`, gives what is in `coming`. */
struct below {
    struct ph_stream s;
    struct ph_buf sent, coming;
    size_t room, gives; /* gives: at most so many a read */
    bool at_end, fails, endless;
    unsigned reads, flushes;
    bool freed;
};

static ssize_t below_read(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    static const unsigned char empty_block[5] = { 0, 0, 0, 0xff, 0xff }; /* stored, 0 octets: RFC 1951 3.2.4 */
    struct below *b = (struct below *)s;

    b->reads++;
    if (b->endless) {
        for (size_t i = 0; i + 5 <= n; i += 5)
            memcpy((char *)p + i, empty_block, 5);
        return (ssize_t)(n / 5 * 5);
    }
    if (n > ph_buf_len(&b->coming))
        n = ph_buf_len(&b->coming);
    if (n > b->gives)
        n = b->gives;
    if (n == 0)
        return b->fails ? ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "gone") : b->at_end ? 0 : PH_AGAIN;
    memcpy(p, ph_buf_data(&b->coming), n);
    ph_buf_consume(&b->coming, n);
    return (ssize_t)n;
}

static ssize_t below_write(struct ph_stream *s, const void *p, size_t n, struct ph_err *err)
{
    struct below *b = (struct below *)s;

    if (b->fails)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "gone");
    if (n > b->room)
        n = b->room;
    if (n == 0)
        return PH_AGAIN;
    b->room -= n;
    ph_buf_add(&b->sent, p, n);
    return (ssize_t)n;
}

static int below_flush(struct ph_stream *s, struct ph_err *err)
{
    ((struct below *)s)->flushes++;
    return 0;
}

static short below_want_read(struct ph_stream *s)
{
    return POLLIN | POLLRDHUP; /* something to recognise */
}

static short below_want_write(struct ph_stream *s)
{
    return POLLOUT | POLLPRI;
}

static void below_free(struct ph_stream *s)
{
    struct below *b = (struct below *)s;

    ph_buf_done(&b->sent);
    ph_buf_done(&b->coming);
    b->freed = true;
}

static const struct ph_stream_ops below_ops = {
    .read = below_read, .write = below_write, .flush = below_flush, .want_read = below_want_read,
    .want_write = below_want_write, .free = below_free,
};

static struct ph_stream *open_on(struct below *b)
{
    memset(b, 0, sizeof *b);
    b->s.ops = &below_ops;
    b->s.fd = -1;
    b->room = b->gives = SIZE_MAX;
    struct ph_stream *s = ph_deflate_stream_new(&b->s);
    assert_non_null(s);
    return s;
}

/* zlib's own view of what was sent, with the window the stream promises. */
static void inflate_all(struct ph_buf *in, int window, struct ph_buf *out)
{
    z_stream z = { 0 };
    char part[8192];

    assert_int_equal(inflateInit2(&z, window), Z_OK);
    z.next_in = (Bytef *)ph_buf_data(in);
    z.avail_in = (uInt)ph_buf_len(in);
    do {
        z.next_out = (Bytef *)part;
        z.avail_out = sizeof part;
        int rc = inflate(&z, Z_SYNC_FLUSH);
        assert_true(rc == Z_OK || rc == Z_BUF_ERROR);
        ph_buf_add(out, part, sizeof part - z.avail_out);
    } while (z.avail_out == 0);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
}

/* zlib's compression of p, ended by a sync flush. */
static void deflate_all(const void *p, size_t n, int window, struct ph_buf *out)
{
    z_stream z = { 0 };

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, n) + 64;
    z.next_in = (Bytef *)p;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)ph_buf_reserve(out, room);
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    assert_true(z.avail_out > 0);
    ph_buf_commit(out, room - z.avail_out);
    deflateEnd(&z);
}

/* Text that repeats over distances beyond 8 KB, with noise between. */
static unsigned char *make_text(size_t n)
{
    unsigned char *p = malloc(n);
    uint32_t x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = i % 30000 < 12000 ? (unsigned char)(x >> 24) : i < 12000 ? 'a' : p[i - 12000];
    }
    return p;
}

static void sends_what_zlib_reads(void **state)
{
    struct below b;
    struct ph_stream *s = open_on(&b);
    struct ph_buf plain = PH_BUF_INIT;
    struct ph_err err;
    const size_t n = 300000;
    unsigned char *text = make_text(n);

    for (size_t at = 0; at < n;) {
        ssize_t put = ph_stream_write(s, text + at, n - at, &err);
        assert_true(put > 0);
        at += (size_t)put;
    }
    assert_int_equal(ph_stream_flush(s, &err), 0);
    assert_int_equal(b.flushes, 1);
    inflate_all(&b.sent, -13, &plain); /* a peer with a window of 8 KB is enough */
    assert_int_equal(ph_buf_len(&plain), n);
    assert_memory_equal(ph_buf_data(&plain), text, n);
    assert_memory_equal(ph_buf_data(&b.sent) + ph_buf_len(&b.sent) - 4, "\0\0\xff\xff", 4);
    size_t was = ph_buf_len(&b.sent);
    assert_int_equal(ph_stream_flush(s, &err), 0); /* nothing new: not a byte */
    assert_int_equal(ph_buf_len(&b.sent), was);
    assert_int_equal(s->ops->want_read(s), POLLIN | POLLRDHUP);
    assert_int_equal(s->ops->want_write(s), POLLOUT | POLLPRI);
    ph_buf_done(&plain);
    ph_stream_free(s);
    assert_true(b.freed);
    free(text);
}

static void a_pipe_that_takes_little(void **state)
{
    struct below b;
    struct ph_stream *s = open_on(&b);
    struct ph_buf plain = PH_BUF_INIT;
    struct ph_err err;
    const size_t n = 200000;
    unsigned char *text = make_text(n);
    size_t at = 0, step = 0, agains = 0;
    int rc = PH_AGAIN;

    b.room = 0;
    while (at < n || rc == PH_AGAIN) {
        b.room = step++ % 7 ? step % 11 : 0;
        if (at < n && step % 100) {
            size_t part = n - at < 3000 ? n - at : 3000;
            ssize_t put = ph_stream_write(s, text + at, part, &err);
            assert_true(put > 0 || put == PH_AGAIN);
            agains += put < 0;
            at += put > 0 ? (size_t)put : 0;
        } else {
            rc = ph_stream_flush(s, &err); /* also in the middle */
            assert_true(rc == 0 || rc == PH_AGAIN);
        }
        if (at == n && rc == 0)
            break;
        if (at < n)
            rc = PH_AGAIN;
    }
    assert_true(agains > 100);
    inflate_all(&b.sent, -13, &plain);
    assert_int_equal(ph_buf_len(&plain), n);
    assert_memory_equal(ph_buf_data(&plain), text, n);
    ph_buf_done(&plain);
    ph_stream_free(s);
    free(text);
}

/* Flush, get PH_AGAIN, then only read: the rest must go out all the same. */
static void an_unfinished_flush_goes_on_in_reads(void **state)
{
    struct below b;
    struct ph_stream *s = open_on(&b);
    struct ph_buf plain = PH_BUF_INIT;
    struct ph_err err;
    char c;

    b.room = 3;
    assert_int_equal(ph_stream_write(s, "a001 NOOP\r\n", 11, &err), 11);
    assert_int_equal(s->ops->want_read(s), POLLIN | POLLRDHUP); /* not flushed yet: nothing is owed */
    assert_int_equal(ph_stream_flush(s, &err), PH_AGAIN);
    assert_int_equal(s->ops->want_read(s), POLLIN | POLLRDHUP | POLLOUT | POLLPRI);
    b.room = 1000;
    assert_int_equal(ph_stream_read(s, &c, 1, &err), PH_AGAIN);
    assert_int_equal(s->ops->want_read(s), POLLIN | POLLRDHUP);
    inflate_all(&b.sent, -13, &plain);
    assert_string_equal(ph_buf_z(&plain), "a001 NOOP\r\n");
    ph_buf_done(&plain);
    ph_stream_free(s);
}

static void reads_the_largest_window(void **state)
{
    static const size_t portions[] = { SIZE_MAX, 1 };
    const size_t n = 200000;
    unsigned char *text = make_text(n), *got = malloc(n + 1);

    for (size_t k = 0; k < 2; k++) {
        struct below b;
        struct ph_stream *s = open_on(&b);
        struct ph_err err;
        size_t have = 0;

        b.gives = portions[k];
        deflate_all(text, n, -15, &b.coming);
        ssize_t r;
        while ((r = ph_stream_read(s, got + have, n + 1 - have, &err)) > 0 || ph_buf_len(&b.coming))
            have += r > 0 ? (size_t)r : 0;
        assert_int_equal(r, PH_AGAIN);
        assert_int_equal(have, n);
        assert_memory_equal(got, text, n);
        assert_false(ph_stream_pending(s));
        ph_stream_free(s);
    }
    free(text);
    free(got);
}

static void a_bomb_comes_in_spoons(void **state)
{
    struct below b;
    struct ph_stream *s = open_on(&b);
    struct ph_err err;
    const size_t n = 20 << 20;
    char *zeros = calloc(1, n), spoon[1000];
    size_t have = 0;

    deflate_all(zeros, n, -15, &b.coming);
    assert_true(ph_buf_len(&b.coming) < n / 500);
    b.gives = 4096;
    for (;;) {
        spoon[999] = 'x';
        ssize_t r = ph_stream_read(s, spoon, 999, &err);
        if (r == PH_AGAIN)
            break;
        assert_true(r > 0 && r <= 999);
        assert_int_equal(spoon[999], 'x');
        have += (size_t)r;
        if (have + 999 < n && ph_buf_len(&b.coming) == 0)
            assert_true(ph_stream_pending(s)); /* poll would not wake for it */
    }
    assert_int_equal(have, n);
    free(zeros);
    ph_stream_free(s);
}

static void endless_nothing(void **state)
{
    struct below b;
    struct ph_stream *s = open_on(&b);
    struct ph_err err;
    char c[10];

    b.endless = true;
    assert_int_equal(ph_stream_read(s, c, sizeof c, &err), PH_AGAIN); /* the caller's deadline gets its turn */
    assert_true(b.reads < 100);
    ph_stream_free(s);
}

static void ends_and_errors(void **state)
{
    struct below b;
    struct ph_stream *s = open_on(&b);
    struct ph_err err;
    char c[100];

    b.at_end = true;
    ph_buf_add(&b.coming, "\x4a", 1); /* the beginning of a block */
    assert_int_equal(ph_stream_read(s, c, sizeof c, &err), 0);
    ph_stream_free(s);

    s = open_on(&b);
    b.fails = true;
    assert_int_equal(ph_stream_read(s, c, sizeof c, &err), -1);
    assert_int_equal(err.kind, PH_E_CLOSED);
    assert_int_equal(ph_stream_write(s, "x", 1, &err), 1); /* still in the compressor */
    assert_int_equal(ph_stream_flush(s, &err), -1);
    ph_stream_free(s);

    s = open_on(&b);
    ph_buf_add(&b.coming, "\xff\xff\xff", 3); /* block type 3 is reserved */
    memset(&err, 0, sizeof err);
    assert_int_equal(ph_stream_read(s, c, sizeof c, &err), -1);
    assert_int_equal(err.kind, PH_E_PROTOCOL);
    ph_stream_free(s);

    s = open_on(&b);
    ph_buf_add(&b.coming, "\x4b\x04\x00tail", 7); /* "a" in a final block: the compressed stream is over */
    assert_int_equal(ph_stream_read(s, c, sizeof c, &err), 1);
    assert_int_equal(c[0], 'a');
    assert_int_equal(ph_stream_read(s, c, sizeof c, &err), 0);
    ph_stream_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_what_zlib_reads), cmocka_unit_test(a_pipe_that_takes_little),
        cmocka_unit_test(an_unfinished_flush_goes_on_in_reads), cmocka_unit_test(reads_the_largest_window), cmocka_unit_test(a_bomb_comes_in_spoons),
        cmocka_unit_test(endless_nothing), cmocka_unit_test(ends_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
