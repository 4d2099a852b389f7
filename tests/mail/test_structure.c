/* ENVELOPE, BODYSTRUCTURE and sections: what the RFCs show, and what hostile mail makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/structure.h"

static void parse(struct ph_structure *s, struct ph_str text, size_t cut, const struct ph_structure_limits *limits)
{
    struct ph_err err;

    assert_int_equal(ph_structure_begin(s, limits, &err), 0);
    for (size_t i = 0; i < text.n; i += cut)
        assert_int_equal(ph_structure_feed(s, text.p + i, text.n - i < cut ? text.n - i : cut, &err), 0);
    assert_int_equal(ph_structure_finish(s, &err), 0);
    assert_int_equal(s->size, text.n);
}

enum { ENVELOPE = 100 };

static const char *written(const struct ph_structure *s, struct ph_writer *w, unsigned what)
{
    ph_writer_clear(w);
    if (what == ENVELOPE)
        ph_structure_write_envelope(s, w);
    else
        ph_structure_write_body(s, what, w);
    assert_false(w->failed);
    assert_int_equal(w->n_syncs, 0);
    return ph_buf_z(&w->out);
}

/* The same from the octets in any pieces, and from the blob. */
static void check(const char *text, unsigned what, const char *want)
{
    struct ph_structure s, again;
    struct ph_writer w;
    struct ph_buf blob = PH_BUF_INIT;
    struct ph_err err;
    static const size_t cuts[] = { 1 << 20, 1, 7 };

    ph_structure_init(&s);
    ph_structure_init(&again);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    for (int i = 0; i < 3; i++) {
        parse(&s, ph_str(text), cuts[i], NULL);
        assert_string_equal(written(&s, &w, what), want);
    }
    assert_int_equal(ph_structure_save(&s, &blob, &err), 0);
    assert_int_equal(ph_structure_load(&again, ph_buf_str(&blob), &err), 0);
    assert_string_equal(written(&again, &w, what), want);
    ph_buf_done(&blob);
    ph_writer_done(&w);
    ph_structure_done(&s);
    ph_structure_done(&again);
}

/* RFC 9051 8, the sample session (its message id has a typing error in one of the two places). */
static void test_rfc9051_session(void **state)
{
    static const char text[] = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
                               "From: Terry Gray <gray@cac.washington.edu>\r\n"
                               "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
                               "To: imap@cac.washington.edu\r\n"
                               "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
                               "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nline\r\nline\r\n";
    check(text, ENVELOPE,
          "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
          "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
          "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
          "\"<B27397-0100000@cac.washington.edu>\")");
    check(text, 0, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 12 2)");
    check(text, PH_BODY_EXTENDED, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 12 2 NIL NIL NIL NIL)");
}

/* RFC 9051 7.5.2: a two-part message with a base64 attachment. */
static void test_two_parts(void **state)
{
    check("Content-Type: multipart/MIXED; boundary=b\r\n\r\n--b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"
          "a\r\nb\r\n\r\n--b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=\"cc.diff\"\r\n"
          "Content-ID: <960723163407.20117h@cac.washington.edu>\r\nContent-Description: Compiler diff\r\n"
          "Content-Transfer-Encoding: BASE64\r\n\r\nYQ==\r\n--b--\r\n",
          0,
          "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 6 2)"
          "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") "
          "\"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 4 0) \"MIXED\")");
}

static void test_extended(void **state)
{
    check("Content-Type: multipart/related; boundary=\"b\"; type=\"text/html\"\r\nContent-Disposition: inline\r\n"
          "Content-Language: en, de\r\nContent-Location: http://x.test/\r\n\r\n"
          "--b\r\nContent-Type: image/png; name*0*=utf-8''%c3; name*1=x\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\n"
          "Content-Disposition: attachment; filename=\"a \\\"b\\\".png\"; size=3\r\nContent-Language: en (English)\r\n\r\nabc\r\n--b--\r\n",
          PH_BODY_EXTENDED,
          "((\"image\" \"png\" (\"name*0*\" \"utf-8''%c3\" \"name*1\" \"x\") NIL NIL \"7BIT\" 3 \"Q2hlY2sgSW50ZWdyaXR5IQ==\" "
          "(\"attachment\" (\"filename\" \"a \\\"b\\\".png\" \"size\" \"3\")) \"en\" NIL)"
          " \"related\" (\"boundary\" \"b\" \"type\" \"text/html\") (\"inline\" NIL) (\"en\" \"de\") \"http://x.test/\")");
}

static void test_message(void **state)
{
    static const char text[] = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\nFrom: a@b\r\n\r\nx\r\ny\r\n--b--\r\n";
    check(text, PH_BODY_EXTENDED,
          "((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 29 (NIL \"s\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) "
          "((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1 NIL NIL NIL NIL) 4"
          " NIL NIL NIL NIL) \"digest\" (\"boundary\" \"b\") NIL NIL NIL)");
    static const char global[] = "Content-Type: message/global\r\n\r\nSubject: s\r\n\r\nx\r\n";
    check(global, 0, "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 17 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
                     "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1) 3)");
    check(global, PH_BODY_REV1, "(\"message\" \"global\" NIL NIL NIL \"7BIT\" 17)");
}

static void test_degraded(void **state)
{
    check("", ENVELOPE, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    check("", 0, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0)");
    check("Content-Type: multipart/mixed\r\n\r\nx", 0, "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" 1)");
    check("Content-Type: multipart/mixed; boundary=b\r\n\r\nx", 0,
          "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0) \"mixed\")");
    check("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\neA==", 0,
          "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"base64\" 4)");
    check("Content-Type: nonsense\r\nContent-Transfer-Encoding:\r\n\r\nx", 0,
          "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)");
}

static void test_envelope_strings(void **state)
{
    /* folds go, 8-bit is a literal, groups, an empty Sender is none, fields that stand twice */
    check("Subject: a\r\n b \"q\" \\\r\nFrom: =?utf-8?q?x?= <f@x>\r\nSender: \r\nReply-To: (none)\r\n"
          "To: G: a@b, \"c d\"@e;, h@i\r\nTo: j@k\r\nCc: u:;\r\nDate: d\xc3\xa9\r\nIn-Reply-To: <a@b>\r\n <c@d>\r\nSubject: second\r\n\r\n",
          ENVELOPE,
          "({3}\r\nd\xc3\xa9 \"a b \\\"q\\\" \\\\\" ((\"=?utf-8?q?x?=\" NIL \"f\" \"x\")) ((\"=?utf-8?q?x?=\" NIL \"f\" \"x\")) "
          "((\"=?utf-8?q?x?=\" NIL \"f\" \"x\")) ((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL \"c d\" \"e\")(NIL NIL NIL NIL)"
          "(NIL NIL \"h\" \"i\")(NIL NIL \"j\" \"k\")) ((NIL NIL \"u\" NIL)(NIL NIL NIL NIL)) NIL \"<a@b> <c@d>\" NIL)");
}

static void test_nul_and_utf8(void **state)
{
    static const char text[] = "Subject: a\0b\rc\r\nDate: \xc3\xa9\r\nContent-Type: text/x; a=\"\0\r\"\r\n\r\n";
    struct ph_structure s;
    struct ph_writer w;

    ph_structure_init(&s);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    parse(&s, (struct ph_str){ text, sizeof text - 1 }, 5, NULL);
    w.utf8 = true;
    assert_string_equal(written(&s, &w, ENVELOPE), "(\"\xc3\xa9\" \"a?b c\" NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert_string_equal(written(&s, &w, 0), "(\"text\" \"x\" (\"a\" \"?\") NIL NIL \"7BIT\" 0 0)");
    assert_int_equal(ph_structure_field(&s, PH_FIELD_SUBJECT).n, 5);
    ph_writer_done(&w);
    ph_structure_done(&s);
}

/* ---- sections ---- */

/* The message of RFC 9051 6.4.5.1, each body being the part's own specifier. */
static const char complex_message[] =
    "Subject: top\r\nContent-Type: MULTIPART/MIXED; boundary=a\r\n\r\n"
    "--a\r\nContent-Type: TEXT/PLAIN\r\n\r\n1\r\n"
    "--a\r\nContent-Type: APPLICATION/OCTET-STREAM\r\n\r\n2\r\n"
    "--a\r\nContent-Type: MESSAGE/RFC822\r\n\r\n"
    "Subject: 3\r\nContent-Type: MULTIPART/MIXED; boundary=b\r\n\r\n"
    "--b\r\n\r\n3.1\r\n--b\r\nContent-Type: APPLICATION/OCTET-STREAM\r\n\r\n3.2\r\n--b--\r\n"
    "--a\r\nContent-Type: MULTIPART/MIXED; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: IMAGE/GIF\r\n\r\n4.1\r\n"
    "--c\r\nContent-Type: MESSAGE/RFC822\r\n\r\n"
    "Subject: 4.2\r\nContent-Type: MULTIPART/MIXED; boundary=d\r\n\r\n"
    "--d\r\n\r\n4.2.1\r\n--d\r\nContent-Type: MULTIPART/ALTERNATIVE; boundary=e\r\n\r\n"
    "--e\r\n\r\n4.2.2.1\r\n--e\r\nContent-Type: TEXT/RICHTEXT\r\n\r\n4.2.2.2\r\n--e--\r\n--d--\r\n--c--\r\n--a--\r\n";

static struct ph_str section(const struct ph_structure *s, const char *text, enum ph_section_what what, const char *path)
{
    uint32_t part[8];
    struct ph_section sec = { .what = what, .part = part };
    struct ph_extent e;

    for (const char *p = path; *p; p++)
        if (*p != '.')
            part[sec.n_part++] = (uint32_t)(*p - '0');
    if (!ph_structure_section(s, &sec, &e))
        return PH_STR_NIL;
    assert_true(e.begin <= e.end && e.end <= s->size);
    return (struct ph_str){ text + e.begin, e.end - e.begin };
}

static void is(struct ph_str s, const char *want)
{
    assert_int_equal(s.n, strlen(want));
    assert_memory_equal(s.p, want, s.n);
}

static void test_sections(void **state)
{
    static const char *const leaves[] = { "1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2" };
    static const char *const none[] = { "5", "1.1", "1.2", "0", "3.3", "4.1.1", "4.3", "4.2.2.3", "4.2.2.1.1" };
    struct ph_structure s;
    const char *t = complex_message;

    ph_structure_init(&s);
    parse(&s, ph_str(t), 11, NULL);
    for (int i = 0; i < 8; i++) {
        is(section(&s, t, PH_SEC_ALL, leaves[i]), leaves[i]);
        assert_null(section(&s, t, PH_SEC_HEADER, leaves[i]).p);
        assert_null(section(&s, t, PH_SEC_TEXT, leaves[i]).p);
    }
    for (int i = 0; i < 9; i++)
        assert_null(section(&s, t, PH_SEC_ALL, none[i]).p);
    is(section(&s, t, PH_SEC_ALL, ""), t);
    is(section(&s, t, PH_SEC_HEADER, ""), "Subject: top\r\nContent-Type: MULTIPART/MIXED; boundary=a\r\n\r\n");
    is(section(&s, t, PH_SEC_TEXT, ""), strstr(t, "--a"));
    assert_null(section(&s, t, PH_SEC_MIME, "").p);
    is(section(&s, t, PH_SEC_MIME, "4.1"), "Content-Type: IMAGE/GIF\r\n\r\n");
    is(section(&s, t, PH_SEC_HEADER, "3"), "Subject: 3\r\nContent-Type: MULTIPART/MIXED; boundary=b\r\n\r\n");
    is(section(&s, t, PH_SEC_HEADER, "4.2"), "Subject: 4.2\r\nContent-Type: MULTIPART/MIXED; boundary=d\r\n\r\n");
    is(section(&s, t, PH_SEC_TEXT, "3"), "--b\r\n\r\n3.1\r\n--b\r\nContent-Type: APPLICATION/OCTET-STREAM\r\n\r\n3.2\r\n--b--");
    assert_null(section(&s, t, PH_SEC_HEADER, "4").p);
    ph_structure_done(&s);
}

static void test_sections_plain(void **state)
{
    static const char plain[] = "Subject: s\r\n\r\nbody\r\n";
    static const char wrapped[] = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx";
    struct ph_structure s;
    struct ph_extent e;
    enum ph_cte cte;
    bool of_message;

    ph_structure_init(&s);
    parse(&s, ph_str(plain), 100, NULL);
    is(section(&s, plain, PH_SEC_ALL, "1"), "body\r\n");
    is(section(&s, plain, PH_SEC_MIME, "1"), "Subject: s\r\n\r\n");
    assert_null(section(&s, plain, PH_SEC_ALL, "2").p);
    assert_null(section(&s, plain, PH_SEC_ALL, "1.1").p);
    assert_int_equal(ph_structure_find(&s, (uint32_t[]){ 1 }, 1, &of_message), 0);
    assert_true(of_message);
    assert_true(ph_structure_binary(&s, (uint32_t[]){ 1 }, 1, &e, &cte) && e.begin == 14 && e.end == 20);
    parse(&s, ph_str(wrapped), 3, NULL);
    is(section(&s, wrapped, PH_SEC_ALL, "1"), "Subject: in\r\n\r\nx");
    is(section(&s, wrapped, PH_SEC_HEADER, "1"), "Subject: in\r\n\r\n");
    is(section(&s, wrapped, PH_SEC_TEXT, "1"), "x");
    is(section(&s, wrapped, PH_SEC_ALL, "1.1"), "x");
    assert_false(ph_structure_binary(&s, (uint32_t[]){ 1 }, 1, &e, &cte));
    assert_true(ph_structure_binary(&s, (uint32_t[]){ 1, 1 }, 2, &e, &cte));
    ph_structure_done(&s);
}

/* ---- the blob ---- */

static void test_blob(void **state)
{
    struct ph_structure s, t;
    struct ph_buf blob = PH_BUF_INIT, copy = PH_BUF_INIT;
    struct ph_writer w;
    struct ph_err err;

    ph_structure_init(&s);
    ph_structure_init(&t);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    parse(&s, ph_str(complex_message), 11, NULL);
    assert_int_equal(ph_structure_save(&s, &blob, &err), 0);
    for (size_t n = 0; n < ph_buf_len(&blob); n++) { /* cut anywhere it is refused */
        assert_int_equal(ph_structure_load(&t, (struct ph_str){ ph_buf_data(&blob), n }, &err), -1);
        assert_int_equal(err.kind, PH_E_CORRUPT);
    }
    for (size_t i = 0; i < ph_buf_len(&blob); i++) /* any octet changed: refused, or something that can be written */
        for (int bit = 0; bit < 8; bit++) {
            ph_buf_clear(&copy);
            ph_buf_add_str(&copy, ph_buf_str(&blob));
            ph_buf_data(&copy)[i] ^= (char)(1 << bit);
            if (ph_structure_load(&t, ph_buf_str(&copy), &err) == 0) {
                written(&t, &w, PH_BODY_EXTENDED);
                written(&t, &w, ENVELOPE);
            }
        }
    assert_int_equal(ph_structure_load(&t, PH_STR("\x02\0\0\0\0\0\0\0"), &err), -1);
    ph_buf_done(&blob);
    ph_buf_done(&copy);
    ph_writer_done(&w);
    ph_structure_done(&s);
    ph_structure_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9051_session), cmocka_unit_test(test_two_parts),  cmocka_unit_test(test_extended),
        cmocka_unit_test(test_message),         cmocka_unit_test(test_degraded),   cmocka_unit_test(test_envelope_strings),
        cmocka_unit_test(test_nul_and_utf8),    cmocka_unit_test(test_sections),   cmocka_unit_test(test_sections_plain),
        cmocka_unit_test(test_blob),
    };
    return cmocka_run_group_tests_name("mail/structure", tests, NULL, NULL);
}
