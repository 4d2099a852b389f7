#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/framer.h"

/* Feeds `bytes` in pieces of `step` octets, streams literals of at least `stream_from` octets, and writes what came
 * out as text: `[frame]`, `<n octets streamed>`, `!KIND`. */
struct run {
    struct ph_framer f;
    struct ph_buf in, out;
    uint64_t stream_from;
    struct ph_buf body;
};

static bool drain(struct run *r)
{
    struct ph_err err;

    for (;;) {
        switch (ph_framer_next(&r->f, &r->in, &err)) {
        case PH_FRAME_MORE:
            return true;
        case PH_FRAME_LITERAL:
            if (r->f.literal_size >= r->stream_from ? ph_framer_stream(&r->f, &r->in, &err)
                                                    : ph_framer_collect(&r->f, &err)) {
                ph_buf_add_char(&r->out, '!');
                ph_buf_add_z(&r->out, ph_kind_name(err.kind));
                return false;
            }
            break;
        case PH_FRAME_STREAM: {
            size_t n = ph_buf_len(&r->in);
            if (n > r->f.literal_left)
                n = (size_t)r->f.literal_left;
            assert_true(n > 0);
            ph_buf_add(&r->body, ph_buf_data(&r->in), n);
            ph_framer_streamed(&r->f, &r->in, n);
            break;
        }
        case PH_FRAME_DONE:
            ph_buf_add_char(&r->out, '[');
            ph_buf_add_str(&r->out, r->f.frame);
            ph_buf_add_char(&r->out, ']');
            for (unsigned i = 0; i < r->f.n_streamed; i++) {
                assert_true(r->f.frame.p[r->f.streamed[i].offset] == '{' ||
                            r->f.frame.p[r->f.streamed[i].offset] == '~');
                ph_buf_add_char(&r->out, '<');
                ph_buf_add_u64(&r->out, r->f.streamed[i].size);
                ph_buf_add_char(&r->out, '>');
            }
            ph_framer_release(&r->f, &r->in);
            break;
        case PH_FRAME_ERROR:
            ph_buf_add_char(&r->out, '!');
            ph_buf_add_z(&r->out, ph_kind_name(err.kind));
            return false;
        }
    }
}

static void check_as(struct ph_str bytes, uint64_t stream_from, bool commands, const char *want, const char *body)
{
    const size_t steps[] = { 1, 2, 3, 7, bytes.n };

    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        struct run r = { .stream_from = stream_from };
        ph_framer_init(&r.f, &(struct ph_frame_limits){ 60, 20, 2 });
        r.f.commands = commands;
        for (size_t at = 0; at < bytes.n;) {
            size_t n = bytes.n - at < steps[s] ? bytes.n - at : steps[s];
            ph_buf_add(&r.in, bytes.p + at, n);
            at += n;
            if (!drain(&r))
                break;
        }
        assert_string_equal(ph_buf_z(&r.out), want);
        if (body)
            assert_string_equal(ph_buf_z(&r.body), body);
        ph_framer_done(&r.f);
        ph_buf_done(&r.in);
        ph_buf_done(&r.out);
        ph_buf_done(&r.body);
    }
}

#define CHECK(bytes, want) check_as(PH_STR(bytes), UINT64_MAX, false, want, NULL)
#define CHECK_STREAM(bytes, from, want, body) check_as(PH_STR(bytes), from, false, want, body)

static void test_lines(void **state)
{
    CHECK("* OK hi\r\n* BYE\r\n", "[* OK hi][* BYE]");
    CHECK("* OK hi\n* BYE\n", "[* OK hi][* BYE]");               /* LF alone */
    CHECK("\0\0* OK\r\n\r\n\r\n\n\0\r* NO\r\n", "[* OK][* NO]"); /* NUL, blank lines, lone CR */
    CHECK("a\rb\r\r\n", "[a\rb\r]");
    CHECK("* no end", "");
}

static void test_collect(void **state)
{
    CHECK("* LIST () \"/\" {3}\r\na\r\n\r\nx\r\n", "[* LIST () \"/\" {3}\r\na\r\n][x]");
    CHECK("a {2}\r\n{1 {1}\r\n}\r\n", "[a {2}\r\n{1 {1}\r\n}]"); /* a literal's octets are not looked at */
    CHECK("a {0}\r\n b\r\n", "[a {0}\r\n b]");
    CHECK("a {3+}\nxyz\nb\n", "[a {3+}\nxyz][b]");
    CHECK("a ~{3}\r\nx\0z b\r\n", "[a ~{3}\r\nx"); /* the NUL ends what the check can show */
    CHECK("a {00003}\r\nxyz\r\n", "[a {00003}\r\nxyz]");
}

static void test_stream(void **state)
{
    CHECK_STREAM("* 1 FETCH (BODY[] {5}\r\nhello UID 7)\r\nx\r\n", 5,
                 "[* 1 FETCH (BODY[] {5}\r\n UID 7)]<5>[x]", "hello");
    CHECK_STREAM("a {2}\r\nhi {5}\r\nhello {2}\r\nyo ~{6+}\r\n{9}\r\n\n b\r\n", 5,
                 "[a {2}\r\nhi {5}\r\n {2}\r\nyo ~{6+}\r\n b]<5><6>", "hello{9}\r\n\n");
    CHECK_STREAM("a {0}\r\n\r\nb\r\n", 0, "[a {0}\r\n]<0>[b]", "");
    CHECK_STREAM("a {1}\r\nx {1}\r\ny {1}\r\nz\r\n", 0, "!limit", "xy"); /* three where two are allowed */
}

static void test_head(void **state)
{
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_err err;

    ph_framer_init(&f, NULL);
    ph_buf_add_z(&in, "* 1 FETCH (BODY[1] {2+}\r\nab BODY[2] ~{3}\r\nxyz)\r\n");
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_true(ph_str_is(f.head, "* 1 FETCH (BODY[1] "));
    assert_int_equal(f.literal_size, 2);
    assert_false(f.literal_sync);
    assert_false(f.literal_binary);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL); /* until decided */
    assert_int_equal(ph_framer_stream(&f, &in, &err), 0);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_STREAM);
    ph_framer_streamed(&f, &in, 1);
    assert_int_equal(f.literal_left, 1);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_STREAM);
    ph_framer_streamed(&f, &in, 1);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_true(ph_str_is(f.head, "* 1 FETCH (BODY[1] {2+}\r\n BODY[2] "));
    assert_true(f.literal_sync);
    assert_true(f.literal_binary);
    assert_int_equal(ph_framer_collect(&f, &err), 0);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_DONE);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_DONE); /* until released */
    assert_true(ph_str_is(f.frame, "* 1 FETCH (BODY[1] {2+}\r\n BODY[2] ~{3}\r\nxyz)"));
    ph_framer_release(&f, &in);
    assert_int_equal(ph_buf_len(&in), 0);
    ph_framer_done(&f);
    ph_buf_done(&in);
}

static void test_human_text(void **state)
{
    CHECK("* NO no such folder {5}\r\n* OK\r\n", "[* NO no such folder {5}][* OK]");
    CHECK("a1 bad {99999999999999999999999}\r\n", "[a1 bad {99999999999999999999999}]");
    CHECK("+ go on {5}\r\nx\r\n", "[+ go on {5}][x]");
    CHECK("* LIST () \"/\" a{b}\r\nx\r\n", "[* LIST () \"/\" a{b}][x]");
    CHECK("* NOTE {1}\r\nx\r\n", "[* NOTE {1}\r\nx]");
    check_as(PH_STR("a OK {1+}\r\nx\r\nb NOOP\r\n"), UINT64_MAX, true, "[a OK {1+}\r\nx][b NOOP]", NULL);
}

static void test_limits(void **state)
{
    CHECK("123456789012345678901234567890123456789012345678901234567890\r\n",
          "[123456789012345678901234567890123456789012345678901234567890]");
    CHECK("1234567890123456789012345678901234567890123456789012345678901\r\n", "!limit");
    CHECK("1234567890123456789012345678901234567890123456789012345678901 and no end", "!limit");
    CHECK("a {21}\r\n", "!limit");
    CHECK("a {20}\r\n01234567890123456789\r\n", "[a {20}\r\n01234567890123456789]");
    CHECK("a {10}\r\n0123456789 {11}\r\n", "!limit"); /* together */
    CHECK("a {10}\r\n0123456789\r\na {10}\r\n0123456789\r\n", "[a {10}\r\n0123456789][a {10}\r\n0123456789]");
    /* text of one frame counts together, whatever is streamed between */
    CHECK_STREAM("12345678901234567890123456789012345 {1}\r\nx 12345678901234567890\r\n", 0, "!limit", "x");
}

/* A line of empty literals is not free: each makes the caller look at what came before. */
static void test_many_literals(void **state)
{
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_err err;
    unsigned taken = 0;

    ph_framer_init(&f, NULL);
    ph_buf_add_z(&in, "* X");
    for (int i = 0; i < 5000; i++)
        ph_buf_add_z(&in, " {0}\r\n");
    while (ph_framer_next(&f, &in, &err) == PH_FRAME_LITERAL && ph_framer_collect(&f, &err) == 0)
        taken++;
    assert_int_equal(taken, 4096);
    assert_int_equal(err.kind, PH_E_LIMIT);
    ph_framer_done(&f);
    ph_buf_done(&in);
}

static void test_impossible_sizes(void **state)
{
    static const char *const bad[] = {"{9223372036854775808}",
                                      "{18446744073709551616}",
                                      "{99999999999999999999999999}",
                                      "{-1}",
                                      "{}",
                                      "{+}",
                                      "{1e3}",
                                      "{ 5}",
                                      "{0x10}",
                                      "{5 }",
                                      "~{}",
                                      "({-1}",
                                      "{5++}"};
    struct ph_err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ph_framer f;
        struct ph_buf in = PH_BUF_INIT;
        ph_framer_init(&f, NULL);
        ph_buf_add_z(&in, "* 1 FETCH (BODY[] ");
        ph_buf_add_z(&in, bad[i]);
        ph_buf_add_z(&in, "\r\n* OK\r\n");
        assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_ERROR);
        assert_int_equal(err.kind, PH_E_PROTOCOL);
        assert_int_equal(err.scope, PH_SCOPE_SESSION);
        assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_ERROR); /* and stays so */
        ph_framer_done(&f);
        ph_buf_done(&in);
    }
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    ph_framer_init(&f, NULL);
    ph_buf_add_z(&in, "* 1 FETCH (BODY[] {9223372036854775807}\r\nabc");
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_int_equal(f.literal_size, INT64_MAX);
    assert_int_equal(ph_framer_stream(&f, &in, &err), 0);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_STREAM);
    ph_framer_done(&f);
    ph_buf_done(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_human_text),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_literals),
        cmocka_unit_test(test_impossible_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
