/* Dates, base subjects and case: what SORT, THREAD and SEARCH compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/date.h"
#include "mail/subject.h"

static void test_dates(void **state)
{
    /* epochs by `date -u -d … +%s` of coreutils */
    static const struct {
        const char *text;
        int64_t epoch, days;
        int zone;
    } table[] = {
        { "31 Dec 2000 16:01:33 -0800", 978307293, 11322, -480 }, /* RFC 5256 2.2 */
        { "1 Jan 2001 00:01:33 +0000", 978307293, 11323, 0 },
        { "Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", 837595405, 9694, -420 }, /* RFC 9051 8 */
        { "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, 10186, -360 },     /* RFC 5322 A */
        { "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)", -27723480, -322, -210 },
        { "21 Nov 97 09:55:06 GMT", 880106106, 10186, 0 },
        { "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, 10186, -360 },
        { "Mon, 1 Jan 01 00:00 EST", 978325200, 11323, -300 },
        { "1 Jan 101 00:00:00 Z", 978307200, 11323, 0 },
        { "Fri Nov 21 09:55:06 1997", 880106106, 10186, 0 },
        { "Fri Nov 21 09:55:06 PST 1997", 880134906, 10186, -480 },
        { "Fri, May 09 2017 16:54:30 -0800", 1494377670, 17295, -480 },
        { "Wed, 20 Sep 1995 00:19:00 (EDT) -0400", 811570740, 9393, -240 },
        { "21-Nov-1997 09:55:06 +0100", 880102506, 10186, 60 },
        { "1997-11-21T09:55:06+01:00", 880102506, 10186, 60 },
        { "1997-11-21 09:55:06.123 Z", 880106106, 10186, 0 },
        { "Friday, 21 November 1997 9:05:06 GMT+0100", 880099506, 10186, 60 },
        { "21 Nov 1997 09:55:06 FOO", 880106106, 10186, 0 }, /* RFC 5256 2.2: an invalid zone is UTC */
        { "21 Nov 1997 09:55:06 +9999", 880106106, 10186, 0 },
        { "21 Nov 1997 25:99:06 -0600", 880070400, 10186, 0 }, /* an invalid time is 00:00:00 */
        { "21 Nov 1997", 880070400, 10186, 0 },
        { "29 Feb 2000 23:59:60 +0000", 951868800, 11016, 0 },
    };
    struct ph_mail_date d;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!ph_mail_date_parse(ph_str(table[i].text), &d) || d.epoch != table[i].epoch || d.days != table[i].days ||
            d.zone_min != table[i].zone)
            fail_msg("%s: %lld %lld %d", table[i].text, (long long)d.epoch, (long long)d.days, d.zone_min);
    }
    static const char *const none[] = { "", "   ", "yesterday", "31 Feb 2001 00:00:00 +0000", "29 Feb 1900 00:00 GMT", "0 Jan 2001",
                                        "1 Jan 99999", "12:00:00", "(1 Jan 2001)", "99999999999999999 Jan 2001", "1997-13-01" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (ph_mail_date_parse(ph_str(none[i]), &d))
            fail_msg("%s is no date", none[i]);
    assert_false(ph_mail_date_parse(PH_STR_NIL, &d));
}

/* By RFC 5256 2.1 and the grammar in 5, worked out by hand. */
static void test_subjects(void **state)
{
    static const struct {
        const char *raw, *base;
        bool reply;
    } table[] = {
        { "hello", "hello", false },
        { "Re: hello", "hello", true },
        { "re:hello", "hello", true },
        { "RE [tag] : hello", "hello", true },
        { "Fw: hello", "hello", true },
        { "Fwd: hello", "hello", true },
        { "Fwdx: hello", "Fwdx: hello", false },
        { "Rex: hello", "Rex: hello", false },
        { "Re: Fwd: Re: hello", "hello", true },
        { "[list] hello", "hello", false },
        { "[list] Re: hello", "hello", true },
        { "[a] [b] Re[4]: [c] hello", "hello", true },
        { "Re: [list]", "[list]", true },
        { "[list]", "[list]", false },
        { "[one] [two]", "[two]", false },
        { "hello (fwd)", "hello", true },
        { "hello (FWD)  (fwd) ", "hello", true },
        { "hello(fwd)", "hello", true },
        { "[fwd: hello]", "hello", true },
        { "[Fwd: Re: [list] hello (fwd)]", "hello", true },
        { "[fwd: [fwd: x]]", "x", true },
        { "[fwd: hello] more", "more", false }, /* it is a subj-blob then */
        { "[fwd: hello", "[fwd: hello", false },
        { "a   b\t c", "a b c", false },
        { "a\r\n b", "a b", false },
        { "=?utf-8?q?Re:_h=C3=A9?=", "h\xc3\xa9", true },
        { "", "", false },
        { "   ", "", false },
        { "Re:", "", true },
        { "[unclosed hello", "[unclosed hello", false },
        { "[fwd: ]", "", true },
    };
    struct ph_buf out = PH_BUF_INIT;
    bool reply;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ph_buf_clear(&out);
        assert_int_equal(ph_subject_base(ph_str(table[i].raw), &out, &reply), 0);
        if (strcmp(ph_buf_z(&out), table[i].base) != 0 || reply != table[i].reply)
            fail_msg("%s: \"%s\" %d", table[i].raw, ph_buf_z(&out), reply);
    }
    ph_buf_done(&out);
}

static void test_casemap(void **state)
{
    static const struct {
        const char *in, *out;
    } table[] = {
        { "hello, World 9", "HELLO, WORLD 9" },
        { "\xc7\x84", "Dz\xcc\x8c" },            /* RFC 5051 2: U+01C4 is U+0044 U+007A U+030C */
        { "\xc3\xa9", "E\xcc\x81" },             /* e acute: E and U+0301 */
        { "\xef\xac\x81", "fi" },                /* ligature fi: no titlecase, compatibility decomposition */
        { "\xc3\x9f", "\xc3\x9f" },              /* sharp s: none in UnicodeData.txt */
        { "\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1" }, /* U+AC00: NFKD */
        { "a\xff" "b", "a\xff" "b" },            /* step (1)(b): unchanged */
        { "", "" },
    };
    struct ph_buf out = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ph_buf_clear(&out);
        assert_int_equal(ph_casemap(ph_str(table[i].in), &out), 0);
        assert_string_equal(ph_buf_z(&out), table[i].out);
    }
    ph_buf_clear(&out);
    assert_int_equal(ph_casemap_some(PH_STR("ab\xc3"), &out), 2);
    assert_int_equal(ph_casemap_some(PH_STR("\xc3\xa9\xf0\x9f\x98"), &out), 2);
    assert_int_equal(ph_casemap_some(PH_STR("x\xff\xc3z"), &out), 4);
    assert_string_equal(ph_buf_z(&out), "ABE\xcc\x81X\xef\xbf\xbd\xef\xbf\xbdZ");
    ph_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_casemap),
    };
    return cmocka_run_group_tests_name("mail/values", tests, NULL, NULL);
}
