#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/mutf7.h"

static void check_both(const char *utf8, const char *wire)
{
    struct ph_buf b = PH_BUF_INIT;
    bool exact = false;

    assert_int_equal(ph_mutf7_encode(ph_str(utf8), &b), 0);
    assert_string_equal(ph_buf_z(&b), wire);
    ph_buf_clear(&b);
    assert_int_equal(ph_mutf7_decode(ph_str(wire), &b, &exact), 0);
    assert_string_equal(ph_buf_z(&b), utf8);
    assert_true(exact);
    ph_buf_done(&b);
}

static void test_canonical(void **state)
{
    check_both("", "");
    check_both("INBOX", "INBOX");
    check_both("a & b", "a &- b");
    /* RFC 3501 5.1.3 */
    check_both("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
               "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
    check_both("Entw\xc3\xbcrfe", "Entw&APw-rfe");
    check_both("\xf0\x9f\x98\x80", "&2D3eAA-"); /* U+1F600: D83D DE00 */
    check_both("\xc3\xbc&\xc3\xbc", "&APw-&-&APw-");
    check_both("\t", "&AAk-");
}

static void check_inexact(const char *wire, const char *utf8)
{
    struct ph_buf b = PH_BUF_INIT;
    bool exact = true;

    assert_int_equal(ph_mutf7_decode(ph_str(wire), &b, &exact), 0);
    assert_string_equal(ph_buf_z(&b), utf8);
    assert_false(exact);
    ph_buf_done(&b);
}

static void test_inexact(void **state)
{
    check_inexact("Jack & Jill", "Jack & Jill");     /* a bare & */
    check_inexact("a&", "a&");
    check_inexact("&APw", "&APw");                   /* unterminated */
    check_inexact("&AP-", "&AP-");                   /* not a whole unit */
    check_inexact("&2D0-", "&2D0-");                 /* lone high surrogate */
    check_inexact("&3gA-", "&3gA-");                 /* lone low surrogate */
    check_inexact("&AC8-", "&AC8-");                 /* a hidden slash stays hidden */
    check_inexact("&AAA-", "&AAA-");                 /* and NUL */
    check_inexact("&APw-&APw-", "\xc3\xbc\xc3\xbc"); /* RFC 3501: a superfluous shift */
    check_inexact("&APx-", "\xc3\xbc");              /* bits behind the last unit */
    check_inexact("&APw!-", "&APw!-");
    check_inexact("Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe"); /* raw UTF-8 */
    check_inexact("Entw\xfcrfe", "Entw\xc3\xbcrfe");     /* raw ISO 8859-1 */
}

static void test_encode_refuses(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_buf_add_char(&b, 'x');
    assert_int_equal(ph_mutf7_encode(ph_str("a\xff"), &b), -1);
    assert_int_equal(ph_mutf7_encode(ph_str("\xc0\x80"), &b), -1);         /* overlong */
    assert_int_equal(ph_mutf7_encode(ph_str("\xed\xa0\x80"), &b), -1);     /* surrogate */
    assert_int_equal(ph_mutf7_encode(ph_str("\xf4\x90\x80\x80"), &b), -1); /* over U+10FFFF */
    assert_int_equal(ph_mutf7_encode(PH_STR("a\0b"), &b), -1);
    assert_string_equal(ph_buf_z(&b), "x");
    ph_buf_done(&b);
}

static void test_append(void **state)
{
    struct ph_buf b = PH_BUF_INIT;
    bool exact = false;

    assert_int_equal(ph_mutf7_decode(PH_STR(""), &b, NULL), 0); /* into a buffer that never held anything */
    ph_buf_add_z(&b, "keep/");
    assert_int_equal(ph_mutf7_decode(ph_str("&APw-"), &b, &exact), 0);
    assert_string_equal(ph_buf_z(&b), "keep/\xc3\xbc");
    assert_true(exact);
    assert_int_equal(ph_mutf7_decode(ph_str("&-"), &b, NULL), 0);
    assert_string_equal(ph_buf_z(&b), "keep/\xc3\xbc&");
    ph_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_inexact),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
