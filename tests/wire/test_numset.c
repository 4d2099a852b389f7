#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/numset.h"

static struct ph_numset set(const char *z)
{
    struct ph_numset s = PH_NUMSET_INIT;
    struct ph_err err;

    if (*z)
        assert_int_equal(ph_numset_parse(&s, ph_str(z), 0, 1000, &err), 0);
    return s;
}

static void check(struct ph_numset *s, const char *want)
{
    struct ph_buf b = PH_BUF_INIT;

    assert_int_equal(ph_numset_format(s, &b), 0);
    assert_string_equal(ph_buf_z(&b), want);
    ph_buf_done(&b);
    for (size_t i = 0; i < s->n; i++) {
        assert_true(s->r[i].first && s->r[i].first <= s->r[i].last);
        if (i)
            assert_true(s->r[i].first > (uint64_t)s->r[i - 1].last + 1);
    }
}

static void test_add(void **state)
{
    struct ph_numset s = PH_NUMSET_INIT;

    ph_numset_add(&s, 0);
    check(&s, "");
    ph_numset_add(&s, 5);
    ph_numset_add(&s, 6);
    ph_numset_add(&s, 6);
    ph_numset_add(&s, 9);
    check(&s, "5:6,9");
    ph_numset_add(&s, 2);
    check(&s, "2,5:6,9");
    ph_numset_add(&s, 7);
    ph_numset_add(&s, 8);
    check(&s, "2,5:9");
    ph_numset_add_range(&s, 3, 1);
    check(&s, "1:3,5:9");
    ph_numset_add_range(&s, 20, 30);
    ph_numset_add_range(&s, 12, 13);
    ph_numset_add_range(&s, 4, 25);
    check(&s, "1:30");
    ph_numset_add_range(&s, UINT32_MAX, UINT32_MAX - 1);
    ph_numset_add(&s, UINT32_MAX);
    check(&s, "1:30,4294967294:4294967295");
    ph_numset_add_range(&s, 0, UINT32_MAX);
    check(&s, "1:4294967295");
    assert_int_equal(s.n, 1);
    assert_int_equal(ph_numset_count(&s), 4294967295u);
    ph_numset_done(&s);
}

static void test_remove(void **state)
{
    struct ph_numset s = set("1:10,20:30,40");

    ph_numset_remove_range(&s, 5, 5);
    check(&s, "1:4,6:10,20:30,40");
    ph_numset_remove_range(&s, 25, 8);
    check(&s, "1:4,6:7,26:30,40");
    ph_numset_remove_range(&s, 11, 19);
    check(&s, "1:4,6:7,26:30,40");
    ph_numset_remove_range(&s, 40, UINT32_MAX);
    check(&s, "1:4,6:7,26:30");
    ph_numset_remove_range(&s, 0, UINT32_MAX);
    check(&s, "");
    ph_numset_done(&s);
}

static void op(int (*f)(struct ph_numset *, const struct ph_numset *), const char *a, const char *b, const char *want)
{
    struct ph_numset x = set(a), y = set(b);

    assert_int_equal(f(&x, &y), 0);
    check(&x, want);
    ph_numset_done(&x);
    ph_numset_done(&y);
}

static void test_algebra(void **state)
{
    op(ph_numset_add_set, "", "3,5", "3,5");
    op(ph_numset_add_set, "1:3", "4:9", "1:9");
    op(ph_numset_add_set, "1,5,9,13,17,21", "2,6,10,14,18,22,30", "1:2,5:6,9:10,13:14,17:18,21:22,30");
    op(ph_numset_subtract, "1:10", "1", "2:10");
    op(ph_numset_subtract, "1:10", "10", "1:9");
    op(ph_numset_subtract, "1:10,12:20", "5:15", "1:4,16:20");
    op(ph_numset_subtract, "1:10,12:20,30", "3,5:6,14,19:40", "1:2,4,7:10,12:13,15:18");
    op(ph_numset_subtract, "1:4294967295", "4294967295", "1:4294967294");
    op(ph_numset_subtract, "5", "1:4294967295", "");
    op(ph_numset_subtract, "5", "", "5");
    op(ph_numset_intersect, "1:10,20:30", "5:25", "5:10,20:25");
    op(ph_numset_intersect, "1:10", "11:20", "");
    op(ph_numset_intersect, "1:4294967295", "7,9:4294967295", "7,9:4294967295");
    op(ph_numset_intersect, "", "1:5", "");
}

/* Against a bitmap, over a small universe and a fixed pseudo-random sequence. */
static void test_against_bitmap(void **state)
{
    struct ph_numset s = PH_NUMSET_INIT;
    bool in[65] = { false };
    uint32_t x = 12345;

    for (int step = 0; step < 5000; step++) {
        x = x * 1664525 + 1013904223;
        uint32_t a = 1 + (x >> 8) % 64, b = a + (x >> 16) % 6;
        if (b > 64)
            b = 64;
        bool add = x >> 31;
        assert_int_equal(add ? ph_numset_add_range(&s, a, b) : ph_numset_remove_range(&s, a, b), 0);
        for (uint32_t i = a; i <= b; i++)
            in[i] = add;
        uint32_t next = 0, count = 0;
        for (uint32_t i = 1; i <= 64; i++) {
            assert_int_equal(ph_numset_contains(&s, i), in[i]);
            if (in[i]) {
                next = ph_numset_next(&s, next);
                assert_int_equal(next, i);
                assert_int_equal(ph_numset_nth(&s, count), i);
                count++;
            }
        }
        assert_int_equal(ph_numset_next(&s, next), 0);
        assert_int_equal(ph_numset_nth(&s, count), 0);
        assert_int_equal(ph_numset_count(&s), count);
    }
    ph_numset_done(&s);
}

static void test_parse(void **state)
{
    static const char *const bad[] = {"",    ",",   "1,",  ",1", "1,,2",       "0",
                                      "0:5", "a",   "1:",  ":1", "1:2:3",      "1 2",
                                      "-1",  "*",   "1:*", "$",  "4294967296", "99999999999999999999",
                                      "1;2", "1:a", "+1",  " 1"};
    struct ph_numset s = PH_NUMSET_INIT;
    struct ph_err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ph_numset_parse(&s, ph_str(bad[i]), 0, 10, &err), -1);
        assert_int_equal(err.kind, PH_E_PROTOCOL);
        assert_true(ph_numset_empty(&s));
    }
    assert_int_equal(ph_numset_parse(&s, ph_str("9,7,5:6,1:3,2:4"), 0, 10, &err), 0);
    check(&s, "1:7,9");
    assert_int_equal(ph_numset_parse(&s, ph_str("20:*,*"), 15, 10, &err), 0); /* either order */
    check(&s, "1:7,9,15:20");
    assert_int_equal(ph_numset_parse(&s, ph_str("30,x"), 0, 10, &err), -1);
    check(&s, "1:7,9,15:20"); /* untouched by a failure */
    assert_int_equal(ph_numset_parse(&s, ph_str("1,2,3"), 0, 2, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    assert_int_equal(ph_numset_parse(&s, ph_str("1:4294967295"), 0, 1, &err), 0);
    check(&s, "1:4294967295");
    ph_numset_done(&s);
}

static void test_parse_backwards_is_not_quadratic(void **state)
{
    struct ph_numset s = PH_NUMSET_INIT;
    struct ph_buf b = PH_BUF_INIT;
    struct ph_err err;

    for (uint32_t n = 600000; n >= 2; n -= 2) {
        ph_buf_add_u64(&b, n);
        ph_buf_add_char(&b, n > 2 ? ',' : ' ');
    }
    assert_int_equal(
        ph_numset_parse(&s, (struct ph_str){ph_buf_data(&b), ph_buf_len(&b) - 1}, 0, 1000000, &err), 0);
    assert_int_equal(s.n, 300000);
    assert_int_equal(ph_numset_count(&s), 300000);
    ph_numset_done(&s);
    ph_buf_done(&b);
}

static void test_format_part(void **state)
{
    struct ph_numset s = set("1,3,5:7,100000:100009,4294967295");
    static const char *const want[] = { "1,3,5:7", "100000:100009", "4294967295" };
    struct ph_buf b = PH_BUF_INIT;
    size_t from = 0, i = 0;

    while (from < s.n) {
        ph_buf_clear(&b);
        assert_int_equal(ph_numset_format_part(&s, &from, 7, &b), 0);
        assert_string_equal(ph_buf_z(&b), want[i++]);
    }
    assert_int_equal(i, 3);
    from = 0;
    ph_buf_clear(&b);
    assert_int_equal(ph_numset_format_part(&s, &from, 0, &b), 0); /* at least one */
    assert_string_equal(ph_buf_z(&b), "1");
    ph_buf_done(&b);
    ph_numset_done(&s);
}

static void test_uidlist(void **state)
{
    static const uint32_t want[] = { 304, 319, 320, 10, 11, 12 };
    uint32_t *u;
    size_t n;
    struct ph_err err;

    assert_int_equal(ph_uidlist_parse(ph_str("304,319:320,12:10"), 6, &u, &n, &err), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(u, want, sizeof want);
    free(u);
    assert_int_equal(ph_uidlist_parse(ph_str("304,319:320,12:10"), 5, &u, &n, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    assert_int_equal(ph_uidlist_parse(ph_str("1:4294967295"), 100, &u, &n, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    assert_int_equal(ph_uidlist_parse(ph_str("1:*"), 100, &u, &n, &err), -1);
    assert_int_equal(err.kind, PH_E_PROTOCOL);
    assert_null(u);
    assert_int_equal(ph_uidlist_parse(ph_str(""), 100, &u, &n, &err), -1);
    assert_int_equal(ph_uidlist_parse(ph_str("4294967294:4294967295"), 100, &u, &n, &err), 0);
    assert_int_equal(n, 2);
    free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_algebra),
        cmocka_unit_test(test_against_bitmap),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_backwards_is_not_quadratic),
        cmocka_unit_test(test_format_part),
        cmocka_unit_test(test_uidlist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
