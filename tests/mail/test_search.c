/* The text keys of SEARCH, in whatever pieces a message comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/search.h"

static const char message[] =
    "Subject: =?iso-8859-1?Q?Caf=E9_and?= =?utf-8?B?IG1vcmU=?=\r\n"
    "From: Ann <ann@example.org>\r\n"
    "X-Folded: one\r\n two\r\n"
    "X-Empty:\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "preamble\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "The stra=\r\n=DFe is l=F6ng\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nX-Part: partfield\r\n\r\n"
    "TmFkZWwgaW0gSGV1aGF1Zm\r\nVu\r\n" /* "Nadel im Heuhaufen" */
    "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nUElDVFVSRQ==\r\n" /* "PICTURE" */
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner =?utf-8?q?subj=C3=A9ct?=\r\n\r\ninner body\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$BF|K\\8l\x1b(B\r\n" /* nihongo */
    "--b--\r\nepilogue\r\n";

static const struct {
    enum ph_text_where where;
    const char *name, *text;
    bool hit;
} keys[] = {
    { PH_TEXT_HEADER, "subject", "caf\xc3\x89 AND MORE", true },
    { PH_TEXT_HEADER, "Subject", "iso-8859", false },
    { PH_TEXT_HEADER, "FROM", "ann@EXAMPLE", true },
    { PH_TEXT_HEADER, "From", "bob", false },
    { PH_TEXT_HEADER, "X-Folded", "one two", true },
    { PH_TEXT_HEADER, "X-Empty", "", true }, /* RFC 9051 6.4.4: the field is there */
    { PH_TEXT_HEADER, "X-None", "", false },
    { PH_TEXT_HEADER, "X-Part", "partfield", false },
    { PH_TEXT_BODY, "", "STRA\xc3\x9f" "E IS L\xc3\x96NG", true },
    { PH_TEXT_BODY, "", "nadel im heuhaufen", true },
    { PH_TEXT_BODY, "", "inner subj\xc3\x89" "ct", true },
    { PH_TEXT_BODY, "", "INNER BODY", true },
    { PH_TEXT_BODY, "", "ann@example", false },
    { PH_TEXT_BODY, "", "partfield", false },
    { PH_TEXT_BODY, "", "picture", false },
    { PH_TEXT_BODY, "", "UElDVFVSRQ", false },
    { PH_TEXT_BODY, "", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", true },
    { PH_TEXT_BODY, "", "", true },
    { PH_TEXT_TEXT, "", "ann@example", true },
    { PH_TEXT_TEXT, "", "subject: caf", true },
    { PH_TEXT_TEXT, "", "PARTfield", true },
    { PH_TEXT_TEXT, "", "heuhaufen", true },
    { PH_TEXT_TEXT, "", "nowhere", false },
};
enum { KEYS = sizeof keys / sizeof *keys };

static struct ph_text_search *make(size_t from, size_t n)
{
    struct ph_text_key list[KEYS];
    struct ph_err err;

    for (size_t i = 0; i < n; i++)
        list[i] = (struct ph_text_key){ keys[from + i].where, ph_str(keys[from + i].name), ph_str(keys[from + i].text) };
    struct ph_text_search *s = ph_text_search_new(list, n, &err);
    assert_non_null(s);
    return s;
}

static void run(struct ph_text_search *s, const char *text, size_t n, size_t cut)
{
    struct ph_err err;
    int r = 0;

    ph_text_search_begin(s);
    for (size_t i = 0; i < n && r == 0; i += cut)
        r = ph_text_search_feed(s, text + i, n - i < cut ? n - i : cut, &err);
    assert_true(r >= 0);
    assert_int_equal(ph_text_search_finish(s, &err), 0);
}

static void test_all_at_once(void **state)
{
    struct ph_text_search *s = make(0, KEYS);

    assert_true(ph_text_search_needs_body(s));
    for (size_t cut = 1; cut < sizeof message; cut = cut < 80 ? cut + 1 : cut * 2) {
        run(s, message, sizeof message - 1, cut);
        for (size_t i = 0; i < KEYS; i++)
            if (ph_text_search_hit(s, i) != keys[i].hit)
                fail_msg("key %zu at pieces of %zu", i, cut);
    }
    ph_text_search_free(s);
}

static void test_each(void **state)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct ph_text_search *s = make(i, 1);
        assert_int_equal(ph_text_search_needs_body(s), keys[i].where != PH_TEXT_HEADER);
        for (size_t cut = 1; cut < 2 * sizeof message; cut *= 3) {
            run(s, message, sizeof message - 1, cut);
            if (ph_text_search_hit(s, 0) != keys[i].hit)
                fail_msg("key %zu, pieces of %zu", i, cut);
        }
        if (keys[i].where == PH_TEXT_HEADER) {
            struct ph_err err;
            assert_int_equal(ph_text_search_header(s, ph_str(message), &err), 0);
            assert_int_equal(ph_text_search_hit(s, 0), keys[i].hit);
        }
        ph_text_search_free(s);
    }
}

/* Header keys ask for nothing behind the header. */
static void test_stops(void **state)
{
    struct ph_text_search *s = make(0, 8);
    struct ph_err err;
    size_t header = (size_t)(strstr(message, "\r\n\r\n") + 4 - message);

    for (size_t cut = 1; cut < header; cut += 7) {
        size_t at = 0;
        int r = 0;
        ph_text_search_begin(s);
        while (r == 0) {
            r = ph_text_search_feed(s, message + at, cut, &err);
            at += cut;
        }
        assert_true(r == 1 && at >= header && at < header + cut);
    }
    run(s, "Subject: x", 10, 3); /* a header without end */
    assert_false(ph_text_search_hit(s, 0));
    run(s, "\r\nFrom: ann@example.org\r\n", 25, 2);
    assert_false(ph_text_search_hit(s, 2));
    ph_text_search_free(s);
}

/* A match anywhere in long text, whatever the window. */
static void test_edges(void **state)
{
    static const struct ph_text_key key[2] = { { PH_TEXT_BODY, { "", 0 }, { "needle", 6 } }, { PH_TEXT_BODY, { "", 0 }, { "n\xc3\xa4" "h", 4 } } };
    struct ph_err err;
    struct ph_text_search *s = ph_text_search_new(key, 2, &err);
    size_t n = 200000;
    char *text = malloc(n);

    for (size_t at = 32700; at < 32840; at++) {
        memset(text, 'e', n);
        memcpy(text, "\r\n", 2);
        memcpy(text + at, "NEEDLEN\xc3\x84H", 10);
        run(s, text, n, 5000);
        assert_true(ph_text_search_hit(s, 0) && ph_text_search_hit(s, 1));
    }
    free(text);
    ph_text_search_free(s);
}

static void test_too_many(void **state)
{
    struct ph_text_key many[PH_TEXT_KEYS_MAX + 1];
    struct ph_err err;

    for (int i = 0; i <= PH_TEXT_KEYS_MAX; i++)
        many[i] = (struct ph_text_key){ PH_TEXT_TEXT, { "", 0 }, { i % 2 ? "heuhaufen" : "nowhere", i % 2 ? 9 : 7 } };
    assert_null(ph_text_search_new(many, PH_TEXT_KEYS_MAX + 1, &err));
    assert_int_equal(err.kind, PH_E_LIMIT);
    struct ph_text_search *s = ph_text_search_new(many, PH_TEXT_KEYS_MAX, &err);
    run(s, message, sizeof message - 1, 50);
    for (size_t i = 0; i < PH_TEXT_KEYS_MAX; i++)
        assert_int_equal(ph_text_search_hit(s, i), i % 2);
    ph_text_search_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests_name("mail/search", tests, NULL, NULL);
}
