#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/datetime.h"

/* Expected seconds are those of `date -u -d … +%s`. */
static void check(const char *text, int64_t epoch, int zone)
{
    int64_t got = -1;
    int got_zone = -1;
    char out[27];

    assert_true(ph_date_time_parse(ph_str(text), &got, &got_zone));
    assert_int_equal(got, epoch);
    assert_int_equal(got_zone, zone);
    assert_true(ph_date_time_parse_loose(ph_str(text), &got, &got_zone));
    assert_int_equal(got, epoch);
    assert_int_equal(got_zone, zone);
    assert_int_equal(ph_date_time_format(epoch, zone, out), 0);
    assert_string_equal(out, text);
}

static void test_strict(void **state)
{
    check("17-Jul-1996 02:44:25 -0700", 837596665, -420); /* RFC 9051 6.3.12 and 7.5.2 */
    check(" 1-Jan-1970 00:00:00 +0000", 0, 0);
    check("31-Dec-1969 23:59:59 +0000", -1, 0);
    check("29-Feb-2000 23:59:59 +1400", 951818399, 840);
    check(" 1-Mar-2100 00:00:00 +0000", 4107542400, 0);
    check(" 7-Feb-1994 21:52:25 -0800", 760686745, -480);
    check(" 1-Jan-0001 00:00:00 +0000", -62135596800, 0);
    check("31-Dec-9999 23:59:59 +0000", 253402300799, 0);
    check(" 5-Nov-2023 10:00:00 +0530", 1699158600, 330);
}

static void test_strict_refuses(void **state)
{
    static const char *const bad[] = {
        "",
        "1-Jan-2000 00:00:00 +0000",
        "01-Jan-2000 00:00:00 +000",
        " 1-Jan-2000 00:00:00  0000",
        "31-Apr-2000 00:00:00 +0000",
        "29-Feb-1900 00:00:00 +0000",
        "00-Jan-2000 00:00:00 +0000",
        "01-Jan-2000 24:00:00 +0000",
        "01-Jan-2000 00:60:00 +0000",
        "01-Foo-2000 00:00:00 +0000",
        "01-Jan-0000 00:00:00 +0000",
        "01 Jan 2000 00:00:00 +0000",
        "01-Jan-2000 00:00:00 +2460",
        " 01Jan-2000 00:00:00 +0000",
    };
    int64_t e;
    int z;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ph_date_time_parse(ph_str(bad[i]), &e, &z));
}

static void loose(const char *text, int64_t epoch, int zone)
{
    int64_t got = -1;
    int got_zone = -1;

    assert_true(ph_date_time_parse_loose(ph_str(text), &got, &got_zone));
    assert_int_equal(got, epoch);
    assert_int_equal(got_zone, zone);
}

static void test_loose(void **state)
{
    loose("7-Feb-1994 21:52:25 -0800", 760686745, -480);
    loose("  7-feb-1994  21:52:25 -0800 ", 760686745, -480);
    loose("07-FEB-94 21:52:25 -0800", 760686745, -480);
    loose("7 Feb 1994 21:52:25 -08:00", 760686745, -480);
    loose("07-Feb-1994 1:02:03 +0000", 760582923, 0);
    loose("07-Feb-1994 01:02 +0000", 760582920, 0);
    loose("07-Feb-1994 01:02:03", 760582923, 0);
    loose("07-Feb-1994 01:02:03 GMT", 760582923, 0);
    loose("07-Feb-1994 01:02:03 +9900", 760582923, 0); /* no zone reaches that far */
    loose("07-Feb-1994 01:02:03.456 +0100", 760579323, 60);
    loose("07-Feb-1994", 760579200, 0);
    loose("07-Feb-2094 01:02:03 +0000", 3916342923, 0);

    int64_t e;
    int z;
    static const char *const bad[] = {"",   " ",     "NIL",    "Feb",        "99-Feb-1994",
                                      "7-", "7-Feb", "7-Feb-", "2000-01-01", "31-Jun-2000 00:00:00 +0000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ph_date_time_parse_loose(ph_str(bad[i]), &e, &z));
}

static void test_format_refuses(void **state)
{
    char out[27];

    assert_int_equal(ph_date_time_format(-62135596801, 0, out), -1);
    assert_int_equal(ph_date_time_format(253402300800, 0, out), -1);
    assert_int_equal(ph_date_time_format(253402300799, 60, out), -1); /* 10000 over there */
    assert_int_equal(ph_date_time_format(INT64_MIN, 0, out), -1);
    assert_int_equal(ph_date_time_format(INT64_MAX, -60, out), -1);
    assert_int_equal(ph_date_time_format(0, 1440, out), 0);
    assert_string_equal(out, " 1-Jan-1970 00:00:00 +0000");
}

static void test_date(void **state)
{
    int64_t d;

    assert_true(ph_date_parse(ph_str("1-Feb-1994"), &d));
    assert_int_equal(d, 760060800 / 86400);
    assert_true(ph_date_parse(ph_str("01-feb-1994"), &d));
    assert_int_equal(d, 760060800 / 86400);
    assert_false(ph_date_parse(ph_str(" 1-Feb-1994"), &d));
    assert_false(ph_date_parse(ph_str("1-Feb-94"), &d));
    assert_false(ph_date_parse(ph_str("30-Feb-1994"), &d));
    assert_false(ph_date_parse(ph_str("1-Feb-1994 "), &d));
    for (int64_t day = -800000; day < 3000000; day += 97) {
        int64_t y;
        unsigned m, dd;
        ph_civil_from_days(day, &y, &m, &dd);
        assert_int_equal(ph_days_from_civil(y, m, dd), day);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict), cmocka_unit_test(test_strict_refuses), cmocka_unit_test(test_loose),
        cmocka_unit_test(test_format_refuses), cmocka_unit_test(test_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
