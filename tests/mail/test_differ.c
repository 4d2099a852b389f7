/* How two forms of a message differ, and that nothing else passes for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/differ.h"

struct text {
    struct ph_str s;
    size_t piece;
    int fail_after; /* reads; -1: never */
};

static int read_some(void *ctx, const char **p, size_t *n, struct ph_err *err)
{
    struct text *t = ctx;

    if (t->fail_after-- == 0)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "planted");
    *p = t->s.p;
    *n = t->s.n < t->piece ? t->s.n : t->piece;
    t->s.p += *n;
    t->s.n -= *n;
    return 0;
}

static struct ph_difference differ(struct ph_str src, struct ph_str dst, size_t piece, bool rewrites)
{
    struct text s = { src, piece, -1 }, d = { dst, piece % 7 + 1, -1 };
    struct ph_reader rs = { read_some, &s }, rd = { read_some, &d };
    struct ph_difference out;
    struct ph_err err;

    assert_int_equal(ph_differ(&rs, &rd, rewrites, &out, &err), 0);
    assert_int_equal(s.s.n + d.s.n, 0); /* read to the end */
    return out;
}

struct diff_case {
    const char *name, *src;
    size_t src_n;
    const char *dst;
    size_t dst_n;
    const char *want;
};

#define CASE(name, src, dst, want) { name, src, sizeof src - 1, dst, sizeof dst - 1, want }
#define H "Subject: a\r\nX-B: c\r\nDate: d\r\n"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X990 X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct diff_case cases[] = {
    CASE("nothing", "", "", "equal"),
    CASE("the same", H "\r\nb\r\n", H "\r\nb\r\n", "equal"),
    CASE("the same, with faults", "a\n\0\r", "a\n\0\r", "equal"),
    CASE("an octet", H "\r\nb\r\n", H "\r\nc\r\n", "different"),
    CASE("an octet less", H "\r\nbc\r\n", H "\r\nb\r\n", "different"),
    CASE("an octet more", H "\r\nb\r\n", H "\r\nbc\r\n", "different"),
    CASE("cut", H "\r\nb\r\nc\r\n", H "\r\nb\r\n", "different"),
    CASE("something behind", H "\r\nb\r\n", H "\r\nb\r\nc\r\n", "different"),
    CASE("nothing there", H "\r\nb\r\n", "", "different"),
    CASE("from nothing", "", "a\r\n", "different"),
    /* Cyrus on 8-bit octets in a header (munge8bit) */
    CASE("8 bit in a header", "To: J\xfcrgen \xc3\xa4\r\n\r\nJ\xfcrgen\r\n", "To: JXrgen XX\r\n\r\nJ\xfcrgen\r\n",
         "header-8bit-replaced"),
    CASE("8 bit, and a field more", "To: \xfc\r\n\r\nb\r\n", "Received: x\r\nTo: X\r\n\r\nb\r\n",
         "header-added+header-8bit-replaced"),
    CASE("8 bit in the body", "To: a\r\n\r\nJ\xfcrgen\r\n", "To: a\r\n\r\nJXrgen\r\n", "different"),
    CASE("8 bit became something else", "To: \xfc\r\n\r\nb\r\n", "To: Y\r\n\r\nb\r\n", "different"),
    CASE("a letter became X", "To: a\r\n\r\nb\r\n", "To: X\r\n\r\nb\r\n", "different"),
    /* line ends */
    CASE("bare LF", "a: b\n\nc\nd\n", "a: b\r\n\r\nc\r\nd\r\n", "crlf-normalised"),
    CASE("some bare LF", "a: b\r\n\nc\n\r\nd\r\n", "a: b\r\n\r\nc\r\n\r\nd\r\n", "crlf-normalised"),
    CASE("bare CR", "a: b\r\n\r\nc\rd\r\r\n", "a: b\r\n\r\nc\r\nd\r\n\r\n", "crlf-normalised"),
    CASE("all bare CR", "X-A: b\r c\rX-B: d\r\re\r", "X-A: b\r\n c\r\nX-B: d\r\n\r\ne\r\n", "crlf-normalised"),
    CASE("bare CR at the end", "c\rd\r", "c\r\nd\r\n", "crlf-normalised"),
    CASE("the other way", "a\r\nb\r\n", "a\nb\n", "different"),
    CASE("only half of them", "a\nb\n", "a\r\nb\n", "crlf-normalised"),
    CASE("a line end too many", "a\nb\n", "a\r\n\r\nb\r\n", "different"),
    CASE("CR before CRLF", "a\r\nb", "a\r\r\nb", "different"),
    CASE("LF that became something else", "a\nb\n", "a b\r\n", "different"),
    /* NUL */
    CASE("NUL as 0x80", "a\0b\0\0c\r\n", "a\x80" "b\x80\x80" "c\r\n", "nul-replaced"),
    CASE("NUL as U+FFFD", "a\0b\0", "a\xef\xbf\xbd" "b\xef\xbf\xbd", "nul-replaced"),
    CASE("NUL as blank", "a\0b\r\n", "a b\r\n", "nul-replaced"),
    CASE("NUL removed", "a\0b\0\0c\r\n\0", "abc\r\n", "nul-replaced"),
    CASE("NUL now so, now so", "a\0b\0c\r\n", "a\x80" "bc\r\n", "different"),
    CASE("NUL removed, then not", "a\0b\0c\r\n", "ab\x80" "c\r\n", "different"),
    CASE("NUL as an x", "a\0b", "axb", "different"),
    CASE("NUL and LF", "a\0\nb\n", "a\x80\r\nb\r\n", "crlf-normalised+nul-replaced"),
    CASE("NUL behind CR", "a\r\0b", "a\r\n\x80" "b", "crlf-normalised+nul-replaced"),
    CASE("NUL in the header", "Subject: a\0b\r\nX-B: c\r\n\r\n", "Subject: a\x80" "b\r\nX-B: c\r\n\r\n", "nul-replaced"),
    CASE("something else became 0x80", "axb", "a\x80" "b", "different"),
    /* the end */
    CASE("no line end", "a\r\nb", "a\r\nb\r\n", "final-crlf-added"),
    CASE("one more", "a\r\nb\r\n", "a\r\nb\r\n\r\n", "final-crlf-added"),
    CASE("three more", "a\r\nb\r\n", "a\r\nb\r\n\r\n\r\n\r\n", "different"),
    CASE("one less", "a\r\nb\r\n\r\n", "a\r\nb\r\n", "final-crlf-removed"),
    CASE("header only", H, H "\r\n", "final-crlf-added"),
    CASE("half a header", "Date: d", "Date: d\r\n", "final-crlf-added"),
    CASE("LF, and no line end", "a\nb", "a\r\nb\r\n", "crlf-normalised+final-crlf-added"),
    /* header fields */
    CASE("one in front", H "\r\nb\r\n", "Received: from x\r\n\tby y\r\n" H "\r\nb\r\n", "header-added"),
    CASE("several", H "\r\nb\r\n", "Return-Path: <a@b>\r\nX-Scan: ok\r\n" H "X-Status: no\r\n\r\nb\r\n", "header-added"),
    CASE("one between", H "\r\nb\r\n", "Subject: a\r\nX-A: x\r\nX-B: c\r\nDate: d\r\n\r\nb\r\n", "header-added"),
    CASE("one like another", H "\r\nb\r\n", "X-B: other\r\n" H "\r\nb\r\n", "header-added"),
    CASE("one that servers do not add", H "\r\nb\r\n", "To: x\r\n" H "\r\nb\r\n", "different"),
    CASE("one that mbox keeps", "Status: RO\r\n" H "X-UID: 7\r\n\r\nb\r\n", H "\r\nb\r\n", "header-removed"),
    CASE("Status anew", "Status: RO\r\n" H "\r\nb\r\n", "X-UID: 1\r\n" H "\r\nb\r\n", "header-added+header-removed"),
    CASE("one that is lost", H "\r\nb\r\n", "Subject: a\r\nDate: d\r\n\r\nb\r\n", "different"),
    CASE("one changed", H "\r\nb\r\n", "Subject: A\r\nX-B: c\r\nDate: d\r\n\r\nb\r\n", "different"),
    CASE("one of X changed", H "\r\nb\r\n", "Subject: a\r\nX-B: x\r\nDate: d\r\n\r\nb\r\n", "different"),
    CASE("added and LF", "Subject: a\n b\nX-B: c\n\nb\n", "Received: x\r\nSubject: a\r\n b\r\nX-B: c\r\n\r\nb\r\n",
         "crlf-normalised+header-added"),
    CASE("added, and the body is another", H "\r\nb\r\n", "Received: x\r\n" H "\r\nc\r\n", "different"),
    CASE("added, to no header", "\r\nb\r\n", "Received: x\r\n\r\nb\r\n", "header-added"),
    CASE("in the body it is text", H "\r\nX-A: 1\r\nb\r\n", H "\r\nb\r\n", "different"),
    CASE("in the body it is text, there", H "\r\nb\r\n", H "\r\nX-A: 1\r\nb\r\n", "different"),
    /* long lines */
    CASE("broken", "a: b\r\n\r\n" X990 X100 "\r\n", "a: b\r\n\r\n" X990 "\r\n" X100 "\r\n", "long-lines-wrapped"),
    CASE("broken twice", "\r\n" X990 X990 X100 "\r\nc", "\r\n" X990 "\r\n" X990 "\r\n" X100 "\r\nc", "long-lines-wrapped"),
    CASE("as sendmail does", "\r\n" X990 X100 "\r\n", "\r\n" X990 "!\r\n " X100 "\r\n", "long-lines-wrapped"),
    CASE("at a blank", "\r\n" X990 " " X100 "\r\n", "\r\n" X990 "\r\n" X100 "\r\n", "long-lines-wrapped"),
    CASE("a folded field", "S: " X990 X100 "\r\n\r\n", "S: " X990 "\r\n " X100 "\r\n\r\n", "long-lines-wrapped"),
    CASE("a short one", "\r\n" X100 X100 "\r\n", "\r\n" X100 "\r\n" X100 "\r\n", "different"),
    CASE("a short one, at the end", "\r\n" X100 X100, "\r\n" X100 "\r\n" X100, "different"),
    CASE("a short one before a long one", "\r\n" X100 X100 "\r\n" X990 X100 "\r\n",
         "\r\n" X100 "\r\n" X100 "\r\n" X990 "\r\n" X100 "\r\n", "different"),
    CASE("octets lost at the break", "\r\n" X990 "abc" X100 "\r\n", "\r\n" X990 "\r\nbc" X100 "\r\n", "different"),
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct diff_case *c = &cases[i];
        for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
            char name[120];
            struct ph_difference d = differ((struct ph_str){ c->src, c->src_n }, (struct ph_str){ c->dst, c->dst_n }, piece, false);
            ph_difference_name(d.what, name, sizeof name);
            if (strcmp(name, c->want) != 0)
                fail_msg("%s: %s, want %s (at %u, %u)", c->name, name, c->want, (unsigned)d.src_at, (unsigned)d.dst_at);
        }
    }
}

static void test_details(void **state)
{
    struct ph_difference d = differ(PH_STR("a\0b"), PH_STR("a\x80" "b"), 9, false);

    assert_int_equal(d.nul_became, 0x80);
    d = differ(PH_STR("a\0b"), PH_STR("ab"), 9, false);
    assert_int_equal(d.nul_became, -1);
    d = differ(PH_STR(H "\r\n"), PH_STR("X-A: 1\r\nReceived: 2\r\n" H "\r\n"), 9, false);
    assert_int_equal(d.fields_added, 2);
    d = differ(PH_STR(H "\r\nabc"), PH_STR("X-A: 1\r\n" H "\r\nabd"), 9, false);
    assert_int_equal(d.what, PH_DIFF_OTHER);
    assert_int_equal(d.fields_added, 0);
    assert_int_equal(d.src_at, sizeof H - 1 + 4);
    assert_int_equal(d.dst_at, sizeof H - 1 + 4 + 8);
    assert_null(d.part);
    char name[4];
    ph_difference_name(0, name, sizeof name);
    assert_string_equal(name, "equ");
}

/* ---- rebuilt messages ---- */

#define HEAD "From: \"Ann O.\" <ann@x.example>\r\nTo: bob@x.example\r\nSubject: =?utf-8?Q?gr=C3=BCn?=\r\n" \
             "Date: Sat, 3 Feb 2001 04:05:06 +0700\r\nMessage-ID: <1@x.example>\r\nMIME-Version: 1.0\r\n"
#define REBUILT_HEAD "Received: by y\r\nMessage-ID: <1@x.example>\r\nDate: Sat, 03 Feb 2001 04:05:06 +0700 (ICT)\r\n" \
                     "Subject: =?iso-8859-1?B?Z3L8bg==?=\r\nFrom: Ann O. <ann@x.example>\r\nTo: bob@x.example\r\n" \
                     "MIME-Version: 1.0\r\nX-MS-Has-Attach: yes\r\n"
#define BODY "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" \
             "Sch\xc3\xb6n\r\nline \r\n\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n" \
             "AAEC\r\nAwQ=\r\n--b--\r\n"
#define REBUILT "Content-Type: multipart/mixed; boundary=\"_000_\"\r\n\r\n--_000_\r\nContent-Type: text/plain; charset=iso-8859-1\r\n" \
                "Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6n\r\nline=20\r\n\r\n\r\n--_000_\r\n" \
                "Content-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n\r\n--_000_--\r\n"

static void check_rewrite(struct ph_str src, struct ph_str dst, unsigned what, const char *part)
{
    for (size_t piece = 1; piece < 2000; piece = piece * 4 + 3) {
        struct ph_difference d = differ(src, dst, piece, true);
        assert_int_equal(d.what, what);
        if (part)
            assert_string_equal(d.part, part);
        else
            assert_null(d.part);
        d = differ(src, dst, piece, false);
        assert_int_equal(d.what, PH_DIFF_OTHER);
        assert_null(d.part);
    }
}

static void test_rewrites(void **state)
{
    static const char src[] = HEAD BODY;

    check_rewrite(PH_STR(src), PH_STR(REBUILT_HEAD REBUILT), PH_DIFF_MIME, NULL);
    /* what must not pass for it */
    static const struct {
        const char *from, *to, *part;
    } spoil[] = {
        { "Sch=F6n", "Sch=F7n", "content" },
        { "AAECAwQ=", "AAECAwU=", "content" },
        { "AAECAwQ=", "AAECAw==", "content" },
        { "iso-8859-1\r\n", "iso-8859-2\r\n", NULL }, /* ö is the same octet there: still the same */
        { "iso-8859-1\r\n", "koi8-r\r\n", "content" },
        { "<1@x.example>", "<2@x.example>", "header" },
        { "Z3L8bg==", "Z3L9bg==", "header" },
        { "04:05:06", "04:05:07", "header" },
        { "bob@x", "rob@x", "header" },
        { "Ann O. <ann@x", "Ann O. <nna@x", "header" },
        { "\r\n--_000_--\r\n", "\r\n--_000_\r\n\r\nmore\r\n--_000_--\r\n", "parts" },
        { "line=20\r\n", "line\r\n", NULL },          /* blanks at the end of a line */
        { "line=20\r\n", "line\r\nline\r\n", "content" },
        { "To: bob@x.example\r\n", "", "header" },
    };
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        static const char rebuilt[] = REBUILT_HEAD REBUILT;
        const char *at = strstr(rebuilt, spoil[i].from);
        struct ph_buf b = PH_BUF_INIT;
        assert_non_null(at);
        ph_buf_add(&b, rebuilt, (size_t)(at - rebuilt));
        ph_buf_add_z(&b, spoil[i].to);
        ph_buf_add_z(&b, at + strlen(spoil[i].from));
        check_rewrite(PH_STR(src), ph_buf_str(&b), spoil[i].part ? PH_DIFF_OTHER : PH_DIFF_MIME, spoil[i].part);
        ph_buf_done(&b);
    }
    /* fields that the server supplied */
    check_rewrite(PH_STR("Subject: a\r\n\r\nx\r\n"), PH_STR("From: MAILER\r\nMessage-ID: <n@y>\r\nSubject: a\r\n\r\nx\r\n"),
                  PH_DIFF_MIME, NULL);
    check_rewrite(PH_STR("Subject: a\r\nTo: b\r\n\r\nx\r\n"), PH_STR("To: b\r\nSubject: a\r\n\r\ny\r\n"), PH_DIFF_OTHER, "content");
}

/* Text beyond what is converted as one piece: hashed as it comes, in bounded memory. */
static void test_large_text(void **state)
{
    struct ph_buf a = PH_BUF_INIT, b = PH_BUF_INIT;

    ph_buf_add_z(&a, "Subject: x\r\nContent-Type: text/plain\r\n\r\n");
    ph_buf_add_z(&b, "Content-Type: text/plain\r\nSubject: x\r\n\r\n");
    for (int i = 0; i < 100000; i++) {
        ph_buf_add_z(&a, "0123456789 0123456789 0123456789 0123456789 0123456789\r\n");
        ph_buf_add_z(&b, "0123456789 0123456789 0123456789 0123456789 0123456789\r\n");
    }
    struct ph_difference d = differ(ph_buf_str(&a), ph_buf_str(&b), 65536, true);
    assert_int_equal(d.what, PH_DIFF_MIME);
    ph_buf_data(&b)[5000000] ^= 1;
    d = differ(ph_buf_str(&a), ph_buf_str(&b), 65536, true);
    assert_int_equal(d.what, PH_DIFF_OTHER);
    assert_string_equal(d.part, "content");
    ph_buf_done(&a);
    ph_buf_done(&b);
}

/* A header without end is not kept for ever. */
static void test_endless_header(void **state)
{
    struct ph_buf a = PH_BUF_INIT;

    for (int i = 0; i < 40000; i++)
        ph_buf_add_z(&a, "X-Field: 0123456789 0123456789\r\n");
    struct ph_difference d = differ(ph_buf_str(&a), ph_buf_str(&a), 4096, true);
    assert_int_equal(d.what, 0);
    ph_buf_done(&a);
}

static void test_failing_reader(void **state)
{
    for (int side = 0; side < 2; side++)
        for (int after = 0; after < 3; after++)
            for (int rewrites = 0; rewrites < 2; rewrites++) {
                struct text s = { PH_STR(H "\r\nb"), 5, side ? -1 : after }, d = { PH_STR(H "\r\nb"), 5, side ? after : -1 };
                struct ph_reader rs = { read_some, &s }, rd = { read_some, &d };
                struct ph_difference out;
                struct ph_err err;
                assert_int_equal(ph_differ(&rs, &rd, rewrites, &out, &err), -1);
                assert_int_equal(err.kind, PH_E_CLOSED);
                assert_int_equal(err.scope, PH_SCOPE_SESSION);
            }
}

/* One octet changed anywhere in a message never goes unseen, unless it is one of the known changes. */
static void test_any_octet(void **state)
{
    static const char text[] = HEAD BODY;
    char copy[sizeof text];

    for (size_t i = 0; i < sizeof text - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, text, sizeof text);
            copy[i] = (char)(copy[i] ^ 1 << bit);
            struct ph_difference d = differ(PH_STR(text), (struct ph_str){ copy, sizeof text - 1 }, 50, false);
            assert_int_equal(d.what, PH_DIFF_OTHER);
            assert_true(d.src_at <= i);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_details),
        cmocka_unit_test(test_rewrites),
        cmocka_unit_test(test_large_text),
        cmocka_unit_test(test_endless_header),
        cmocka_unit_test(test_failing_reader),
        cmocka_unit_test(test_any_octet),
    };
    return cmocka_run_group_tests_name("mail/differ", tests, NULL, NULL);
}
