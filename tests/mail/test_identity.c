/* Keys of messages, their hashes, and header values as people see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "mail/identity.h"

static struct ph_hash_key counting_key(void)
{
    struct ph_hash_key key;

    for (int i = 0; i < 16; i++)
        key.k[i] = (unsigned char)i;
    return key;
}

/* The first vectors of the reference implementation (vectors_sip64). */
static void test_siphash_vectors(void **state)
{
    static const unsigned char expect[16][8] = {
        { 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 }, { 0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74 },
        { 0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d }, { 0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85 },
        { 0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf }, { 0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18 },
        { 0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb }, { 0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab },
        { 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 }, { 0xb0, 0xe4, 0xa9, 0x0b, 0xdf, 0x82, 0x00, 0x9e },
        { 0xf3, 0xb9, 0xdd, 0x94, 0xc5, 0xbb, 0x5d, 0x7a }, { 0xa7, 0xad, 0x6b, 0x22, 0x46, 0x2f, 0xb3, 0xf4 },
        { 0xfb, 0xe5, 0x0e, 0x86, 0xbc, 0x8f, 0x1e, 0x75 }, { 0x90, 0x3d, 0x84, 0xc0, 0x27, 0x56, 0xea, 0x14 },
        { 0xee, 0xf2, 0x7a, 0x8e, 0x90, 0xca, 0x23, 0xf7 }, { 0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1 },
    };
    struct ph_hash_key key = counting_key();
    unsigned char in[16];

    for (int n = 0; n < 16; n++) {
        uint64_t want = 0;
        in[n] = (unsigned char)n;
        for (int i = 7; i >= 0; i--)
            want = want << 8 | expect[n][i];
        assert_true(ph_siphash(&key, in, (size_t)n) == want);
    }
}

static uint64_t openssl_siphash(const unsigned char *key, const unsigned char *p, size_t n)
{
    size_t size = 8, len = 0;
    unsigned char out[8];
    OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end() };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    uint64_t v = 0;

    assert_int_equal(EVP_MAC_init(ctx, key, 16, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, p, n), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &len, sizeof out), 1);
    assert_int_equal(len, 8);
    for (int i = 7; i >= 0; i--)
        v = v << 8 | out[i];
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return v;
}

static void test_siphash_against_openssl(void **state)
{
    struct ph_hash_key key = counting_key();
    unsigned char in[300];

    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 37 + 11);
    for (size_t n = 0; n < sizeof in; n++)
        assert_true(ph_siphash(&key, in, n) == openssl_siphash(key.k, in, n));
}

static void test_field(void **state)
{
    static const struct {
        const char *header, *name, *want; /* NULL: absent */
    } table[] = {
        { "Subject: a\r\nFrom: b\r\n\r\n", "From", " b" },
        { "Subject: a\nFrom: b\n\nX: c\n", "from", " b" },
        { "Subject: a\nFrom: b\n\nX: c\n", "X", NULL },            /* in the body */
        { "Subject: a\r\nFrom:b", "FROM", "b" },                   /* no line end */
        { "From : b\r\n", "From", " b" },                          /* obsolete: blank before the colon */
        { "From\t: b\r\n", "From", " b" },
        { "Fromage: b\r\nFrom: c\r\n", "From", " c" },
        { "From\r\nFrom: c\r\n", "From", " c" },                   /* no colon */
        { "X: a\r\n From: b\r\nFrom: c\r\n", "From", " c" },       /* a continuation is no field */
        { "From: a\r\nFrom: b\r\n", "From", " a" },                /* the first */
        { "From: a\r\n b\r\n\tc\r\nX: d\r\n", "From", " a\r\n b\r\n\tc" },
        { "From:\r\n a\r\n", "From", "\r\n a" },
        { "From:\r\n", "From", "" },
        { "From:", "From", "" },
        { "From: a\r\n ", "From", " a\r\n " },
        { "From: a\n \n", "From", " a\n " },
        { "", "From", NULL },
        { "\r\n", "From", NULL },
        { "From", "From", NULL },
        { "From a@b Mon Jan  1 00:00:00 2001\nFrom: b\n", "From", " b" }, /* mbox separator */
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ph_str v = ph_header_field(ph_str(table[i].header), table[i].name);
        if (!table[i].want)
            assert_null(v.p);
        else
            assert_true(v.p && ph_str_is(v, table[i].want));
    }
    assert_null(ph_header_field(PH_STR_NIL, "From").p);
}

struct key_case {
    const char *header, *want; /* NULL: no key */
    bool force, normalise, built;
};

static const struct key_case keys[] = {
    { "Message-ID: <a@b>\r\n\r\n", "a@b" },
    { "message-id:<a@b>", "a@b" },
    { "Message-Id:   <A@B>  \n", "A@B" },                        /* case is kept */
    { "Message-ID:\r\n <a@b>\r\n", "a@b" },                      /* on the continuation line */
    { "Message-ID:\n\t<a@b>\n", "a@b" },
    { "Message-ID: a@b\r\n", "a@b" },                            /* without brackets: the whole value */
    { "Message-ID: a@b>\r\n", "a@b>" },
    { "Message-ID: <a@b\r\n", "<a@b" },
    { "Message-ID: >a@b<\r\n", ">a@b<" },                        /* no `>` behind the `<` */
    { "Message-ID: <a@b> (added by c@d)\r\n", "a@b" },
    { "Message-ID: < a@b >\r\n", "a@b" },
    { "Message-ID: <aaaa\r\n bbbb@c>\r\n", "aaaa bbbb@c" },      /* unfolded: only the line end goes */
    { "Subject: x\r\nMessage-ID: <a@b>\r\nDate: y\r\n", "a@b" },
    { "Message-ID: <>\r\nSubject: x\r\n", "x", .built = true },  /* empty counts as none */
    { "Message-ID: \r\nSubject: x\r\n", "x", .built = true },
    { "Message-ID:\r\n", NULL, .built = true },
    { "Date: Sat, 3 Feb 2001 04:05:06 +0700\r\nSubject: Re: a [b] c\r\nFrom: Ann O. <ann@x.example>\r\n\r\n",
      "Sat3Feb20010405060700ReabcAnnO.annx.example", .built = true },
    { "From: Ann O.\n <ann@x.example>\nSubject: Re: a\n\t[b] c\nDate: Sat, 3 Feb 2001\n 04:05:06 +0700\n",
      "Sat3Feb20010405060700ReabcAnnO.annx.example", .built = true },
    { "Message-ID: <a@b>\r\nSubject: s_1!\r\n", "s_1", .force = true, .built = true },
    { "Subject: \xc3\xa9t\xc3\xa9\r\n", "t", .built = true },    /* letters of ASCII */
    { "From: \xc3\xa9 (\"a'b\") c+?*\r\n", "\xc3\xa9" "abc", .built = true },
    { "Subject: !!!\r\nFrom: <>\r\nDate: \r\n", NULL, .built = true },
    { "To: a@b\r\n\r\n", NULL, .built = true },
    { "", NULL, .built = true },
    { "\r\nSubject: in the body\r\n", NULL, .built = true },
    { "Date: Sat, 3 Feb 2001 04:05:06 +0700 (ICT)\r\nSubject: s\r\n", "Sat03Feb2001040506s", .normalise = true,
      .built = true },
    { "Date: 13 Feb 2001 4:05 GMT\r\nSubject: s\r\n", "13Feb2001405s", .normalise = true, .built = true },
    { "Date: 3\r\n", "03", .normalise = true, .built = true },
    { "Date: soon\r\n", "soon", .normalise = true, .built = true },
    { "Date: \r\nSubject: s\r\n", "s", .normalise = true, .built = true },
};

static void test_keys(void **state)
{
    struct ph_buf out = PH_BUF_INIT;
    struct ph_hash_key key = counting_key();

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct key_case *k = &keys[i];
        bool built = !k->built;
        ph_buf_clear(&out);
        ph_buf_add_z(&out, "left over");
        bool has = ph_identity_key(ph_str(k->header), k->force, k->normalise, &out, &built);
        assert_int_equal(has, k->want != NULL);
        if (has)
            assert_string_equal(ph_buf_z(&out), k->want);
        assert_int_equal(built, k->built);
        assert_int_equal(ph_identity_key(ph_str(k->header), k->force, k->normalise, &out, NULL), has);
        if (k->force || k->normalise)
            continue;
        uint64_t h = ph_identity_hash(&key, ph_str(k->header));
        assert_true(h == (has ? ph_siphash(&key, k->want, strlen(k->want)) : 0));
    }
    ph_buf_done(&out);
}

/* A NUL in a From must not end the comparison with the characters that go. */
static void test_key_with_nul(void **state)
{
    struct ph_buf out = PH_BUF_INIT;

    assert_true(ph_identity_key(PH_STR("From: a\0b\r\n"), false, false, &out, NULL));
    assert_true(ph_str_eq(ph_buf_str(&out), PH_STR("a\0b")));
    ph_buf_done(&out);
}

static void test_hash_depends_on_key(void **state)
{
    struct ph_hash_key a = counting_key(), b = a;

    b.k[15] ^= 1;
    assert_true(ph_identity_hash(&a, PH_STR("Message-ID: <a@b>\r\n")) !=
                ph_identity_hash(&b, PH_STR("Message-ID: <a@b>\r\n")));
    assert_true(ph_identity_hash(&a, PH_STR("Message-ID: <a@b>\r\n\r\n")) ==
                ph_identity_hash(&a, PH_STR("X: y\nMESSAGE-ID:\n <a@b>\n\n")));
}

/* A scan of a large folder hashes every header: well under a microsecond each (generous here, for the sanitizers). */
static void test_hash_is_cheap(void **state)
{
    struct ph_hash_key key = counting_key();
    struct ph_str h = PH_STR("Message-ID: <20260102030405.0123456789abcdef@mail.example.org>\r\n\r\n");
    struct timespec a, b;
    uint64_t sum = 0;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int i = 0; i < 200000; i++) {
        key.k[0] = (unsigned char)i;
        sum += ph_identity_hash(&key, h);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 200000;
    print_message("%.0f ns a header (%u)\n", ns, (unsigned)sum & 1);
    assert_true(ns < 10000);
}

static const struct {
    const char *raw, *want;
} shown[] = {
    { " Hello  world ", "Hello  world" },
    { " a\r\n b\r\n\tc", "a b c" },
    { "a\rb\nc", "a b c" },
    /* RFC 2047 8 */
    { "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
    { "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>", "Keld J\xc3\xb8rn Simonsen <keld@dkuug.dk>" },
    { "=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard" },
    { "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
      "If you can read this you understand the example." },
    { "(=?ISO-8859-1?Q?a?=)", "(a)" },
    { "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
    { "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
    { "(=?ISO-8859-1?Q?a?=  \r\n  =?ISO-8859-1?Q?b?=)", "(ab)" },
    { "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
    { "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
    /* a character cut between two words */
    { "=?utf-8?B?w4TD?= =?UTF-8?B?lg==?=", "\xc3\x84\xc3\x96" },
    { "=?utf-8*de?Q?=C3=A4?=", "\xc3\xa4" },
    { "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac" },
    { "=?koi8-r?B?8NLJ18XU?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
    { "=?windows-1252?Q?=80?=", "\xe2\x82\xac" },
    { "=?utf-8?Q?why?\?=", "why?" },
    { "=?utf-8?Q?caf=C3=A9?= !", "caf\xc3\xa9 !" },
    { "a=?utf-8?Q?b?=c", "abc" },
    /* damage */
    { "=?utf-8?Q?open", "=?utf-8?Q?open" },
    { "=?utf-8?X?a?=", "=?utf-8?X?a?=" },
    { "=??Q?a?=", "=??Q?a?=" },
    { "=?../../x?Q?a?=", "=?../../x?Q?a?=" },
    { "=?no-such-charset?Q?a=C3=A4?=", "a\xc3\xa4" },
    { "=?utf-8?Q?=C3?=", "\xef\xbf\xbd" },
    { "=?utf-8?Q?=ZZ?=", "=ZZ" },
    { "=?utf-8?B?!!!?=", "" },
    { "\xe9t\xe9", "\xef\xbf\xbdt\xef\xbf\xbd" },
    /* nothing that moves a cursor or turns text around */
    { "a\x1b[31mb\x07", "a [31mb" },
    { "=?utf-8?Q?a=1B[2Jb=0D=0Ac=00?=", "a [2Jb  c " },
    { "=?utf-8?Q?a=C2=9Bb=E2=80=AEc?=", "a b c" },
    { "", "" },
};

static void test_display(void **state)
{
    struct ph_buf out = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        ph_buf_clear(&out);
        assert_int_equal(ph_header_display(ph_str(shown[i].raw), &out), 0);
        assert_string_equal(ph_buf_z(&out), shown[i].want);
    }
    ph_buf_clear(&out);
    assert_int_equal(ph_header_display(PH_STR_NIL, &out), 0);
    assert_int_equal(ph_buf_len(&out), 0);
    ph_buf_done(&out);
}

/* Headers made to be slow, and made of noise: the time is the test driver's limit, the rest the sanitizers'. */
static void test_display_of_hostile(void **state)
{
    static const char *const pieces[] = { "=?a?q?", "=?utf-8?Q?x", "=?utf-8?B?", "?=", "=", "=?utf-8?Q?a?= ", "\r\n ", "\x80" };
    struct ph_buf in = PH_BUF_INIT, out = PH_BUF_INIT;
    uint32_t seed = 1;

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        ph_buf_clear(&in);
        while (ph_buf_len(&in) < 200000)
            ph_buf_add_z(&in, pieces[i]);
        ph_buf_clear(&out);
        assert_int_equal(ph_header_display(ph_buf_str(&in), &out), 0);
    }
    for (int round = 0; round < 3000; round++) {
        ph_buf_clear(&in);
        for (int i = 0; i < 12; i++) {
            seed = seed * 1664525 + 1013904223;
            if (seed >> 31)
                ph_buf_add_z(&in, pieces[seed >> 8 & 7]);
            else
                ph_buf_add_char(&in, (char)(seed >> 16));
        }
        ph_buf_clear(&out);
        char *copy = malloc(ph_buf_len(&in)); /* no byte behind it */
        memcpy(copy, ph_buf_data(&in), ph_buf_len(&in));
        assert_int_equal(ph_header_display((struct ph_str){ copy, ph_buf_len(&in) }, &out), 0);
        for (size_t i = 0; i < ph_buf_len(&out); i++)
            assert_true((unsigned char)ph_buf_data(&out)[i] >= 0x20);
        free(copy);
    }
    ph_buf_done(&in);
    ph_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_siphash_against_openssl),
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_with_nul),
        cmocka_unit_test(test_hash_depends_on_key),
        cmocka_unit_test(test_hash_is_cheap),
        cmocka_unit_test(test_display),
        cmocka_unit_test(test_display_of_hostile),
    };
    return cmocka_run_group_tests_name("mail/identity", tests, NULL, NULL);
}
