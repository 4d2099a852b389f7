/* Fields one after the other, and the subset that HEADER.FIELDS asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/header.h"

static void test_iterate(void **state)
{
    static const char text[] = "From someone Mon\r\nSubject: a\r\n b\r\nX-Y :c\nno field\r\n folded too\r\nEmpty:\r\n\r\nBody: x\r\n";
    static const char *const want[][2] = { { "Subject", " a\r\n b" }, { "X-Y", "c" }, { "Empty", "" } };
    struct ph_header_iter it;
    struct ph_str name, value;
    int n = 0;

    ph_header_begin(&it, ph_str(text));
    while (ph_header_next(&it, &name, &value)) {
        assert_true(n < 3 && ph_str_is(name, want[n][0]) && ph_str_is(value, want[n][1]));
        n++;
    }
    assert_int_equal(n, 3);
    ph_header_begin(&it, PH_STR_NIL);
    assert_false(ph_header_next(&it, &name, &value));
}

static void pick(const char *text, const char *const *names, size_t n, bool negate, const char *want)
{
    struct ph_str list[8];
    struct ph_err err;

    for (size_t i = 0; i < n; i++)
        list[i] = ph_str(names[i]);
    for (size_t cut = 1; cut < 40; cut++) {
        struct ph_fields_pick f;
        struct ph_buf out = PH_BUF_INIT;
        size_t len = strlen(text);
        assert_int_equal(ph_fields_pick_init(&f, list, n, negate, &err), 0);
        for (size_t i = 0; i < len; i += cut)
            assert_int_equal(ph_fields_pick_feed(&f, text + i, len - i < cut ? len - i : cut, &out), 0);
        assert_int_equal(ph_fields_pick_finish(&f, &out), 0);
        assert_string_equal(ph_buf_z(&out), want);
        ph_buf_done(&out);
        ph_fields_pick_done(&f);
    }
}

static void test_pick(void **state)
{
    static const char text[] = "Date: d\r\nSubject: a\r\n b\r\n c\r\nFROM : f\r\nodd\r\n too\r\nDateX: x\r\n\r\nTo: body\r\n";
    static const char *const names[] = { "FROM", "date" };

    pick(text, names, 2, false, "Date: d\r\nFROM : f\r\n\r\n");
    pick(text, names, 2, true, "Subject: a\r\n b\r\n c\r\nodd\r\n too\r\nDateX: x\r\n\r\n");
    pick(text, names, 0, false, "\r\n");
    pick("Date: d", names, 2, false, "Date: d");
    pick("Date: d\r\n", names, 2, false, "Date: d\r\n"); /* RFC 9051 6.4.5.1: no empty line, none is made */
    pick("\r\nDate: d\r\n", names, 2, false, "\r\n");
    pick(" folded\r\nDate: d\n\n", names, 2, false, "Date: d\n\n");
    pick("", names, 2, true, "");
}

static void test_long_name(void **state)
{
    struct ph_buf text = PH_BUF_INIT, out = PH_BUF_INIT;
    struct ph_fields_pick f;
    struct ph_str name = PH_STR("a");
    struct ph_err err;

    for (int i = 0; i < 5000; i++)
        ph_buf_add_char(&text, 'n');
    ph_buf_add_z(&text, ": x\r\na: 1\r\n\r\n");
    assert_int_equal(ph_fields_pick_init(&f, &name, 1, false, &err), 0);
    for (size_t i = 0; i < ph_buf_len(&text); i++) {
        assert_int_equal(ph_fields_pick_feed(&f, ph_buf_data(&text) + i, 1, &out), 0);
        assert_true(ph_buf_len(&f.line) <= 1000);
    }
    assert_string_equal(ph_buf_z(&out), "a: 1\r\n\r\n");
    ph_fields_pick_done(&f);
    ph_buf_done(&text);
    ph_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iterate),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_long_name),
    };
    return cmocka_run_group_tests_name("mail/header", tests, NULL, NULL);
}
