/* SORT by RFC 5256 3 and RFC 5957. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/sort.h"
#include "mail/structure.h"

static const struct ph_sort_message messages[] = {
    { 1, 30, 10, 500, { "Bob <zed@x.test>", 16 }, { "x@y", 3 }, { NULL, 0 }, { "Re: beta", 8 } },
    { 2, 20, 20, 400, { "=?utf-8?q?=C3=A4nn?= <ann@x.test>", 34 }, { NULL, 0 }, { "c@d", 3 }, { "alpha", 5 } },
    { 3, 10, 20, 500, { "ann@x.test", 10 }, { "a@y", 3 }, { "C@d", 3 }, { "[l] Beta", 8 } },
    { 4, 40, 5, 100, { NULL, 0 }, { "\"Zoe\" <a@y>", 11 }, { NULL, 0 }, { NULL, 0 } },
};

static void check(const struct ph_sort_key *keys, size_t n, unsigned needs, const uint32_t want[4])
{
    struct ph_err err;
    struct ph_sorter *s = ph_sorter_new(keys, n, &err);
    const uint32_t *numbers;
    size_t got;

    assert_int_equal(ph_sorter_needs(s), needs);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ph_sorter_add(s, &messages[i], &err), 0);
    assert_int_equal(ph_sorter_finish(s, &numbers, &got, &err), 0);
    assert_int_equal(got, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(numbers[i], want[i]);
    ph_sorter_free(s);
}
#define KEYS(...) (struct ph_sort_key[]){ __VA_ARGS__ }, sizeof((struct ph_sort_key[]){ __VA_ARGS__ }) / sizeof(struct ph_sort_key)
#define ORDER(...) (uint32_t[]){ __VA_ARGS__ }

static void test_keys(void **state)
{
    check(KEYS({ PH_SORT_ARRIVAL }), PH_SORT_NEEDS_ARRIVAL, ORDER(3, 2, 1, 4));
    check(KEYS({ PH_SORT_DATE }), PH_SORT_NEEDS_DATE, ORDER(4, 1, 2, 3));
    check(KEYS({ PH_SORT_DATE, true }), PH_SORT_NEEDS_DATE, ORDER(2, 3, 1, 4)); /* equals are not reversed */
    check(KEYS({ PH_SORT_SIZE }), PH_SORT_NEEDS_SIZE, ORDER(4, 2, 1, 3));
    check(KEYS({ PH_SORT_FROM }), PH_SORT_NEEDS_FROM, ORDER(4, 2, 3, 1)); /* the empty string first */
    check(KEYS({ PH_SORT_TO }), PH_SORT_NEEDS_TO, ORDER(2, 3, 4, 1));
    check(KEYS({ PH_SORT_CC, true }), PH_SORT_NEEDS_CC, ORDER(2, 3, 1, 4));
    check(KEYS({ PH_SORT_SUBJECT }), PH_SORT_NEEDS_SUBJECT, ORDER(4, 2, 1, 3));
    /* A+U+0308 N N stands before ANN in octets? no: 'A' CC 88 is behind 'A' 'N' */
    check(KEYS({ PH_SORT_DISPLAYFROM }), PH_SORT_NEEDS_FROM, ORDER(4, 3, 2, 1));
    check(KEYS({ PH_SORT_DISPLAYTO }), PH_SORT_NEEDS_TO, ORDER(2, 3, 1, 4));
    check(KEYS({ PH_SORT_SUBJECT }, { PH_SORT_DATE, true }), PH_SORT_NEEDS_SUBJECT | PH_SORT_NEEDS_DATE, ORDER(4, 2, 3, 1));
    check(KEYS({ PH_SORT_SIZE }, { PH_SORT_SIZE, true }, { PH_SORT_ARRIVAL }), PH_SORT_NEEDS_SIZE | PH_SORT_NEEDS_ARRIVAL,
          ORDER(4, 2, 3, 1));
}

static void test_structures(void **state)
{
    static const char *const texts[] = { "Date: 2 Jan 2001 00:00:00 +0000\r\nSubject: b\r\n\r\n",
                                         "Date: 2 Jan 2001 01:00:00 +0200\r\nSubject: Re: a\r\nFrom: u@v\r\n\r\n", "\r\n" };
    struct ph_sort_key keys[] = { { PH_SORT_DATE }, { PH_SORT_SUBJECT }, { PH_SORT_DISPLAYFROM } };
    struct ph_err err;
    struct ph_sorter *s = ph_sorter_new(keys, 3, &err);
    const uint32_t *numbers;
    struct ph_structure structure;
    size_t n;

    ph_structure_init(&structure);
    for (uint32_t i = 0; i < 3; i++) {
        struct ph_sort_message m = { .number = i + 7, .date = 5 };
        assert_int_equal(ph_structure_begin(&structure, NULL, &err), 0);
        assert_int_equal(ph_structure_feed(&structure, texts[i], strlen(texts[i]), &err), 0);
        assert_int_equal(ph_structure_finish(&structure, &err), 0);
        assert_int_equal(ph_sorter_add_structure(s, &m, &structure, &err), 0);
    }
    assert_int_equal(ph_sorter_finish(s, &numbers, &n, &err), 0);
    assert_true(n == 3 && numbers[0] == 9 && numbers[1] == 8 && numbers[2] == 7);
    ph_structure_done(&structure);
    ph_sorter_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_structures),
    };
    return cmocka_run_group_tests_name("mail/sort", tests, NULL, NULL);
}
