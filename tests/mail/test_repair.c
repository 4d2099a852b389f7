/* Repairs of refused messages: what comes out, and that its size was told before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/differ.h"
#include "mail/digest.h"
#include "mail/repair.h"

struct repair_case {
    unsigned what;
    const char *in;
    size_t n;
    const char *want;
    size_t want_n;
    unsigned did;
};

#define CASE(what, in, want, did) { what, in, sizeof in - 1, want, sizeof want - 1, did }
#define CRLF PH_REPAIR_CRLF
#define NUL PH_REPAIR_NUL
#define LONG PH_REPAIR_LONG_LINES

static const struct repair_case cases[] = {
    CASE(CRLF, "", "", 0),
    CASE(CRLF, "a\r\nb\r\n", "a\r\nb\r\n", 0),
    CASE(CRLF, "a\nb\n", "a\r\nb\r\n", CRLF),
    CASE(CRLF, "a\rb\r", "a\r\nb\r\n", CRLF),
    CASE(CRLF, "a\r\r\nb", "a\r\n\r\nb\r\n", CRLF),
    CASE(CRLF, "a\n\r\n\n", "a\r\n\r\n\r\n", CRLF),
    CASE(CRLF, "a", "a\r\n", CRLF),
    CASE(CRLF, "a\0b\r\n", "a\0b\r\n", 0),
    CASE(NUL, "a\0b\n\0", "a\x80" "b\n\x80", NUL),
    CASE(NUL, "a\rb\n", "a\rb\n", 0),
    CASE(NUL, "a\r", "a\r", 0),
    CASE(0, "a\0\r\n\n\rb\r", "a\0\r\n\n\rb\r", 0),
    /* a width of ten */
    CASE(LONG, "0123456789\r\n", "0123456789\r\n", 0),
    CASE(LONG, "\r\n01234567890\r\n", "\r\n0123456789\r\n0\r\n", LONG),
    CASE(LONG, "\n01234567890\n", "\n0123456789\r\n0\n", LONG),
    CASE(LONG, "\r\n0123456789012345678901", "\r\n0123456789\r\n0123456789\r\n01", LONG),
    CASE(LONG, "Subject: 0123456789\r\n\r\nx", "Subject: 0\r\n 123456789\r\n\r\nx", LONG),
    CASE(LONG, "Subject: 0 23456789\r\n", "Subject: 0\r\n 23456789\r\n", LONG), /* its own blank folds it */
    CASE(LONG, "\r\n012345678\xc3\xa4\r\n", "\r\n012345678\r\n\xc3\xa4\r\n", LONG), /* characters stay whole */
    CASE(LONG, "\r\n01234567\xc3\xa4\r\n", "\r\n01234567\xc3\xa4\r\n", 0),
    CASE(LONG, "\r\n0123456\xf0\x9f\x98\x80\r\n", "\r\n0123456\r\n\xf0\x9f\x98\x80\r\n", LONG),
    CASE(LONG, "\r\n01234567\xe4\xf6\r\n", "\r\n01234567\xe4\xf6\r\n", 0), /* no UTF-8: octets */
    CASE(LONG, "\r\n012345678\xe4\xf6" "a\r\n", "\r\n012345678\xe4\r\n\xf6" "a\r\n", LONG),
    CASE(LONG, "\r\n012345678\xe4", "\r\n012345678\xe4", 0),
    CASE(LONG, "\r\n0123456789\r0\r\n", "\r\n0123456789\r\n\r0\r\n", LONG), /* a bare CR is an octet of the line */
    CASE(LONG | CRLF, "\n01234567890\n", "\r\n0123456789\r\n0\r\n", LONG | CRLF),
    CASE(LONG | CRLF | NUL, "\n0123456789\0", "\r\n0123456789\r\n\x80\r\n", LONG | CRLF | NUL),
};

static void repair(const struct repair_case *c, unsigned width, size_t cut, struct ph_buf *out)
{
    struct ph_repairer m, a;

    ph_buf_clear(out);
    ph_repair_init(&m, c->what, width);
    ph_repair_init(&a, c->what, width);
    for (size_t i = 0; i < c->n; i += cut)
        ph_repair_measure(&m, c->in + i, c->n - i < cut ? c->n - i : cut);
    ph_repair_measure_end(&m);
    cut = cut % 3 + 1; /* other pieces in the second pass */
    for (size_t i = 0; i < c->n; i += cut)
        assert_int_equal(ph_repair_apply(&a, c->in + i, c->n - i < cut ? c->n - i : cut, out), 0);
    assert_int_equal(ph_repair_apply_end(&a, out), 0);
    assert_int_equal(m.size, ph_buf_len(out));
    assert_int_equal(a.size, m.size);
    assert_int_equal(a.did, m.did);
    assert_int_equal(m.did, c->did);
}

static void test_cases(void **state)
{
    struct ph_buf out = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 1; cut <= cases[i].n + 1; cut++) {
            repair(&cases[i], 10, cut, &out);
            struct ph_str got = ph_buf_str(&out);
            if (got.n != cases[i].want_n || memcmp(got.p, cases[i].want, got.n) != 0)
                fail_msg("case %zu: %.*s", i, (int)got.n, got.p);
        }
    ph_buf_done(&out);
}

struct text {
    struct ph_str s;
};

static int read_some(void *ctx, const char **p, size_t *n, struct ph_err *err)
{
    struct text *t = ctx;

    *p = t->s.p;
    *n = t->s.n < 777 ? t->s.n : 777;
    t->s.p += *n;
    t->s.n -= *n;
    return 0;
}

/* Any octets: what comes out has none of the faults, a second repair changes nothing, and an audit finds the original again. */
static void test_noise(void **state)
{
    static const char pieces[] = "\r\n\r\n\n\r\0 ";
    struct ph_buf in = PH_BUF_INIT, out = PH_BUF_INIT, again = PH_BUF_INIT;
    uint32_t seed = 11;
    unsigned proven = 0;

    for (int round = 0; round < 400; round++) {
        ph_buf_clear(&in);
        ph_buf_add_z(&in, "Subject: a\r\n\r\n");
        seed = seed * 1664525 + 1013904223;
        unsigned rare = 5 + (seed >> 20) % 1500;
        for (unsigned n = 0; n < 8000; n++) {
            seed = seed * 1664525 + 1013904223;
            ph_buf_add_char(&in, (seed >> 8) % rare ? (char)('a' + (seed >> 24) % 26) : pieces[(seed >> 24) % (sizeof pieces - 1)]);
        }
        struct repair_case c = { PH_REPAIR_ALL, ph_buf_str(&in).p, ph_buf_str(&in).n, NULL, 0, 0 };
        struct ph_repairer r;
        struct ph_digest_set facts = { 0 };
        struct ph_difference diff;
        struct ph_err err;

        ph_repair_init(&r, c.what, 0);
        ph_repair_measure(&r, c.in, c.n);
        ph_repair_measure_end(&r);
        c.did = r.did;
        repair(&c, 0, 1000, &out);
        ph_digest_scan(&facts, ph_buf_str(&out).p, ph_buf_str(&out).n);
        ph_digest_scan_end(&facts);
        assert_int_equal(facts.flags & ~(unsigned)PH_BYTES_8BIT, 0);
        struct repair_case d = { PH_REPAIR_ALL, ph_buf_str(&out).p, ph_buf_str(&out).n, NULL, 0, 0 };
        repair(&d, 0, 333, &again);
        assert_true(ph_str_eq(ph_buf_str(&out), ph_buf_str(&again)));

        struct text src = { ph_buf_str(&in) }, dst = { ph_buf_str(&out) };
        struct ph_reader rs = { read_some, &src }, rd = { read_some, &dst };
        assert_int_equal(ph_differ(&rs, &rd, false, &diff, &err), 0);
        if (diff.what & PH_DIFF_OTHER) {
            struct ph_str a = ph_buf_str(&in), b = ph_buf_str(&out);
            fail_msg("round %d at %u, %u: `%.*s` `%.*s`", round, (unsigned)diff.src_at, (unsigned)diff.dst_at, 30,
                     a.p + diff.src_at - 10, 30, b.p + diff.dst_at - 10);
        }
        assert_int_equal(!!(diff.what & PH_DIFF_NUL), !!(c.did & PH_REPAIR_NUL));
        assert_int_equal(!!(diff.what & PH_DIFF_LONG_LINES), !!(c.did & PH_REPAIR_LONG_LINES));
        assert_int_equal(!!(diff.what & (PH_DIFF_CRLF | PH_DIFF_FINAL_CRLF)), !!(c.did & PH_REPAIR_CRLF));
        proven += c.did == PH_REPAIR_ALL;
    }
    assert_true(proven > 50);
    ph_buf_done(&in);
    ph_buf_done(&out);
    ph_buf_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests_name("mail/repair", tests, NULL, NULL);
}
