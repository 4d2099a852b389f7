/* Transfer encodings and charsets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/decode.h"

static void test_cte(void **state)
{
    assert_int_equal(ph_cte_parse(PH_STR_NIL), PH_CTE_7BIT);
    assert_int_equal(ph_cte_parse(PH_STR("")), PH_CTE_7BIT);
    assert_int_equal(ph_cte_parse(PH_STR(" 8BIT ")), PH_CTE_7BIT);
    assert_int_equal(ph_cte_parse(PH_STR("\r\n Base64\r\n")), PH_CTE_BASE64);
    assert_int_equal(ph_cte_parse(PH_STR("base64;x")), PH_CTE_BASE64);
    assert_int_equal(ph_cte_parse(PH_STR("Quoted-Printable (text)")), PH_CTE_QP);
    assert_int_equal(ph_cte_parse(PH_STR("binary")), PH_CTE_BINARY);
    assert_int_equal(ph_cte_parse(PH_STR("x-uuencode")), PH_CTE_UNKNOWN);
}

static const struct {
    enum ph_cte cte;
    const char *in, *want;
} cases[] = {
    /* RFC 4648 10 */
    { PH_CTE_BASE64, "", "" },
    { PH_CTE_BASE64, "Zg==", "f" },
    { PH_CTE_BASE64, "Zm8=", "fo" },
    { PH_CTE_BASE64, "Zm9v", "foo" },
    { PH_CTE_BASE64, "Zm9vYg==", "foob" },
    { PH_CTE_BASE64, "Zm9vYmE=", "fooba" },
    { PH_CTE_BASE64, "Zm9vYmFy", "foobar" },
    { PH_CTE_BASE64, "Zm9v\r\nYmFy\r\n", "foobar" },
    { PH_CTE_BASE64, "Zm 9!v*", "foo" },
    { PH_CTE_BASE64, "Zg==Zm8=", "ffo" },  /* pieces one behind the other */
    { PH_CTE_BASE64, "Zm9vYg", "foob" },   /* no padding */
    { PH_CTE_BASE64, "=", "" },
    /* RFC 2045 6.7 */
    { PH_CTE_QP, "Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
      "Now's the time for all folk to come to the aid of their country." },
    { PH_CTE_QP, "a=3Db=0D=0Ac", "a=b\r\nc" },
    { PH_CTE_QP, "a=3db", "a=b" },
    { PH_CTE_QP, "a  \r\nb \t\nc", "a\r\nb \t\nc" }, /* a blank before a tab is not at the end for us */
    { PH_CTE_QP, "a=20\r\nb", "a \r\nb" },
    { PH_CTE_QP, "a= \t \r\nb", "ab" },
    { PH_CTE_QP, "a=\nb", "ab" },
    { PH_CTE_QP, "a=", "a" },
    { PH_CTE_QP, "a=\r\n", "a" },
    { PH_CTE_QP, "a=4", "a=4" },
    { PH_CTE_QP, "a=ZZb", "a=ZZb" },
    { PH_CTE_QP, "a=4Zb", "a=4Zb" },
    { PH_CTE_QP, "a =\r\n b", "a  b" },
    { PH_CTE_QP, "a\rb", "a\rb" },
    { PH_CTE_QP, "a ", "a" },
    { PH_CTE_7BIT, "a=3D  \r\n", "a=3D  \r\n" },
    { PH_CTE_UNKNOWN, "Zg==", "Zg==" },
};

/* Every case in one piece and cut at every place, octet by octet too. */
static void test_pieces(void **state)
{
    struct ph_buf out = PH_BUF_INIT;
    struct ph_decoder d;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].in);
        for (size_t cut = 0; cut <= n + 1; cut++) {
            ph_buf_clear(&out);
            ph_decoder_init(&d, cases[i].cte);
            if (cut == n + 1) {
                for (size_t k = 0; k < n; k++)
                    assert_int_equal(ph_decoder_feed(&d, cases[i].in + k, 1, &out), 0);
            } else {
                assert_int_equal(ph_decoder_feed(&d, cases[i].in, cut, &out), 0);
                assert_int_equal(ph_decoder_feed(&d, cases[i].in + cut, n - cut, &out), 0);
            }
            assert_int_equal(ph_decoder_finish(&d, &out), 0);
            assert_string_equal(ph_buf_z(&out), cases[i].want);
        }
    }
    ph_buf_done(&out);
}

/* What is held back has a bound. */
static void test_endless_blanks(void **state)
{
    struct ph_buf out = PH_BUF_INIT;
    struct ph_decoder d;

    ph_decoder_init(&d, PH_CTE_QP);
    assert_int_equal(ph_decoder_feed(&d, "a=", 2, &out), 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(ph_decoder_feed(&d, "\t", 1, &out), 0);
    assert_int_equal(ph_decoder_feed(&d, "b", 1, &out), 0);
    assert_int_equal(ph_decoder_finish(&d, &out), 0);
    struct ph_str s = ph_buf_str(&out);
    assert_true(s.n > 400 && s.p[0] == 'a' && s.p[s.n - 1] == 'b');
    ph_buf_done(&out);
}

static void test_charsets(void **state)
{
    struct ph_buf out = PH_BUF_INIT;

    assert_null(ph_charset_name(PH_STR("")));
    assert_null(ph_charset_name(PH_STR("utf-8//TRANSLIT")));
    assert_null(ph_charset_name(PH_STR("/tmp/x")));
    assert_null(ph_charset_name(PH_STR("utf-8\0")));
    assert_null(ph_charset_name(PH_STR("utf-88")));
    assert_string_equal(ph_charset_name(PH_STR("UTF_8")), "UTF-8");
    assert_string_equal(ph_charset_name(PH_STR("ISO-8859-15")), "ISO-8859-15");
    assert_int_equal(ph_charset_to_utf8(PH_STR("x-none"), PH_STR("a"), &out), 0);
    assert_int_equal(ph_buf_len(&out), 0);
    assert_int_equal(ph_charset_to_utf8(PH_STR("iso-8859-15"), PH_STR("\xa4 5"), &out), 1);
    assert_string_equal(ph_buf_z(&out), "\xe2\x82\xac 5");
    ph_buf_clear(&out);
    assert_int_equal(ph_charset_to_utf8(PH_STR("shift_jis"), PH_STR("\x82\xa0\x82"), &out), 1);
    assert_string_equal(ph_buf_z(&out), "\xe3\x81\x82\xef\xbf\xbd"); /* cut in a character */
    ph_buf_clear(&out);
    assert_int_equal(ph_charset_to_utf8(PH_STR("euc-jp"), PH_STR("a\xff" "b"), &out), 1);
    assert_string_equal(ph_buf_z(&out), "a\xef\xbf\xbd" "b");
    ph_buf_done(&out);
}

/* Every charset we name is one that iconv has, and noise in it ends. */
static void test_every_charset(void **state)
{
    static const char *const names[] = {
        "iso-8859-1", "iso-8859-2", "iso-8859-16", "iso-8859-8-i", "windows-1250", "windows-1258", "cp437", "cp850",
        "cp866", "tis-620", "koi8-r", "koi8-u", "koi8-t", "macintosh", "gb2312", "gbk", "gb18030", "big5",
        "big5-hkscs", "shift_jis", "windows-31j", "euc-jp", "iso-2022-jp", "euc-kr", "ks_c_5601-1987", "iso-2022-kr",
        "euc-tw", "viscii", "armscii-8", "georgian-ps", "utf-7", "utf-16", "utf-16be", "utf-16le", "us-ascii",
    };
    struct ph_buf out = PH_BUF_INIT;
    uint32_t seed = 7;
    char noise[5000];

    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (char)(seed >> 24);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ph_buf_clear(&out);
        assert_int_equal(ph_charset_to_utf8(ph_str(names[i]), (struct ph_str){ noise, sizeof noise }, &out), 1);
    }
    ph_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cte),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_endless_blanks),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_every_charset),
    };
    return cmocka_run_group_tests_name("mail/decode", tests, NULL, NULL);
}
