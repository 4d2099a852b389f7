/* PREVIEW (RFC 8970) and BINARY (RFC 3516). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/binary.h"
#include "mail/preview.h"

static void check(const char *text, const char *want)
{
    struct ph_structure s;
    struct ph_err err;

    ph_structure_init(&s);
    assert_int_equal(ph_structure_begin(&s, NULL, &err), 0);
    assert_int_equal(ph_structure_feed(&s, text, strlen(text), &err), 0);
    assert_int_equal(ph_structure_finish(&s, &err), 0);
    uint32_t part = ph_preview_part(&s);
    if (part == PH_MIME_NO_PART) {
        assert_null(want);
        ph_structure_done(&s);
        return;
    }
    for (size_t cut = 1; cut < 60; cut += 3) {
        struct ph_preview *p = ph_preview_new(&s, part, &err);
        struct ph_str got;
        int r = 0;
        for (uint64_t i = s.parts[part].body; i < s.parts[part].end && r == 0; i += cut)
            r = ph_preview_feed(p, text + i, s.parts[part].end - i < cut ? s.parts[part].end - i : cut, &err);
        assert_true(r >= 0);
        assert_int_equal(ph_preview_finish(p, &got, &err), 0);
        if (!ph_str_is(got, want))
            fail_msg("%.*s, not %s", PH_FMT(got), want);
        ph_preview_free(p);
    }
    ph_structure_done(&s);
}

static void test_preview(void **state)
{
    check("\r\n  Preview \t\r\n\r\ntext! \r\n", "Preview text!");
    check("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nCaf=E9 =\r\nau lait", "Caf\xc3\xa9 au lait");
    check("Content-Type: text/html\r\n\r\n<html><head><title>No</title><style>p { x > y }</style></head><body><!-- <p>no</p> -->"
          "<p title=\"a>b\">Fish &amp; chips&nbsp;&#8364;&#x41;</p><p>b<b>o</b>ld &lt;3 &unknown; R&D</p><script>if (a<b) x();</script>end",
          "Fish & chips \xe2\x82\xac" "A bold <3 &unknown R&D end");
    check("Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--b\r\n\r\nplain\r\n--b--", "plain");
    check("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nno\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--b--", "html");
    check("Content-Type: image/png\r\n\r\nx", NULL);
    check("Content-Type: application/pgp-encrypted\r\n\r\nx", NULL);
    check("\r\na\x01" "b\xc3(\xe2\x80\x8b" "c\xef\xbb\xbf", "a b\xef\xbf\xbd(c");
}

/* RFC 8970 3.3: at most 200 characters, of which one may be several octets. */
static void test_length(void **state)
{
    struct ph_buf text = PH_BUF_INIT, want = PH_BUF_INIT;

    ph_buf_add_z(&text, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    for (int i = 0; i < 300; i++) {
        ph_buf_add_z(&text, "\xe2\x82\xac");
        if (i < PH_PREVIEW_CHARS)
            ph_buf_add_z(&want, "\xe2\x82\xac");
    }
    check(ph_buf_z(&text), ph_buf_z(&want));
    ph_buf_clear(&text);
    ph_buf_clear(&want);
    ph_buf_add_z(&text, "\r\n");
    for (int i = 0; i < 199; i++) {
        ph_buf_add_char(&text, 'x');
        ph_buf_add_char(&want, 'x');
    }
    ph_buf_add_z(&text, " yyy"); /* a blank is not the last one */
    check(ph_buf_z(&text), ph_buf_z(&want));
    ph_buf_done(&text);
    ph_buf_done(&want);
}

static void test_binary(void **state)
{
    static const char encoded[] = "AAEC\r\nAwQF\r\nBgc=\r\n"; /* 0..7 */
    static const struct {
        uint64_t origin, length;
        int first, n;
    } ranges[] = { { 0, UINT64_MAX, 0, 8 }, { 0, 3, 0, 3 }, { 2, 3, 2, 3 }, { 5, 100, 5, 3 }, { 8, 1, 0, 0 }, { 100, 1, 0, 0 } };
    struct ph_err err;

    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++)
        for (size_t cut = 1; cut < sizeof encoded; cut++)
            for (int measure = 0; measure < 2; measure++) {
                struct ph_buf out = PH_BUF_INIT;
                struct ph_binary b;
                size_t n = sizeof encoded - 1;
                assert_int_equal(ph_binary_init(&b, PH_CTE_BASE64, ranges[k].origin, ranges[k].length, &err), 0);
                for (size_t i = 0; i < n; i += cut)
                    assert_int_equal(ph_binary_feed(&b, encoded + i, n - i < cut ? n - i : cut, measure ? NULL : &out), 0);
                assert_int_equal(ph_binary_finish(&b, measure ? NULL : &out), 0);
                assert_int_equal(b.size, 8);
                assert_int_equal(b.sent, ranges[k].n);
                assert_int_equal(b.nul, ranges[k].n && ranges[k].first == 0);
                assert_int_equal(ph_buf_len(&out), measure ? 0 : ranges[k].n);
                for (size_t i = 0; i < ph_buf_len(&out); i++)
                    assert_int_equal(ph_buf_data(&out)[i], ranges[k].first + (int)i);
                ph_buf_done(&out);
                ph_binary_done(&b);
            }
    struct ph_binary b;
    assert_int_equal(ph_binary_init(&b, PH_CTE_UNKNOWN, 0, 1, &err), -1); /* RFC 3516 4.3 */
    assert_int_equal(err.kind, PH_E_UNSUPPORTED);
    assert_string_equal(err.code, "UNKNOWN-CTE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preview),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_binary),
    };
    return cmocka_run_group_tests_name("mail/preview", tests, NULL, NULL);
}
