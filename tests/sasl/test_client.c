/* The client's side, by the examples of the RFCs, and against servers that cheat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "sasl/sasl.h"

static const char *nonce; /* base64 of the next nonce, NULL: random */

/* GNU SASL takes this one in place of its own: the RFC's examples have fixed nonces. */
__attribute__((visibility("default"))) int gsasl_nonce(char *data, size_t n)
{
    struct ph_buf b = PH_BUF_INIT;

    if (!nonce)
        return gsasl_random(data, n);
    assert_int_equal(ph_base64_decode(ph_str(nonce), &b), 0);
    assert_int_equal(ph_buf_len(&b), n);
    memcpy(data, ph_buf_data(&b), n);
    ph_buf_done(&b);
    return GSASL_OK;
}

static struct ph_sasl_client_params params(const char *user, const char *password)
{
    return (struct ph_sasl_client_params){ .authcid = user, .password = ph_str(password), .service = "imap",
                                           .host = "server.example.com", .port = 143 };
}

static struct ph_sasl *start(const char *mechanism, const struct ph_sasl_client_params *p)
{
    struct ph_sasl *s;
    struct ph_err err = { 0 };

    if (ph_sasl_client_new(mechanism, p, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static void expect(struct ph_sasl *s, struct ph_str challenge, int rc, struct ph_str want)
{
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err = { 0 };
    int got = ph_sasl_client_step(s, challenge, &out, &err);

    if (got != rc)
        fail_msg("step: %d, not %d: %s", got, rc, err.text);
    assert_int_equal(ph_buf_len(&out), want.n);
    assert_memory_equal(ph_buf_str(&out).p, want.p, want.n);
    ph_buf_done(&out);
}

static void expect_error(struct ph_sasl *s, struct ph_str challenge, enum ph_kind kind)
{
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err = { 0 };

    assert_int_equal(ph_sasl_client_step(s, challenge, &out, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_false(ph_sasl_client_satisfied(s));
    ph_buf_done(&out);
}

static void plain(void **state)
{
    struct ph_sasl_client_params p = params("tim", "tanstaaftanstaaf");
    struct ph_sasl *s = start("plain", &p);

    assert_true(ph_sasl_client_first(s));
    expect(s, PH_STR(""), 1, PH_STR("\0tim\0tanstaaftanstaaf")); /* RFC 4616 section 4 */
    assert_true(ph_sasl_client_satisfied(s));
    ph_sasl_free(s);
    p = params("Kurt", "xipj3plmq");
    p.authzid = "Ursel";
    s = start("PLAIN", &p);
    expect(s, PH_STR(""), 1, PH_STR("Ursel\0Kurt\0xipj3plmq"));
    ph_sasl_free(s);
    /* an administrator for a user */
    p = params("postmaster", "mysecret");
    p.authzid = "tom";
    s = start("PLAIN", &p);
    struct ph_buf raw = PH_BUF_INIT;
    assert_int_equal(ph_base64_decode(PH_STR("dG9tAHBvc3RtYXN0ZXIAbXlzZWNyZXQ="), &raw), 0);
    expect(s, PH_STR(""), 1, ph_buf_str(&raw));
    ph_buf_done(&raw);
    ph_sasl_free(s);
}

static void cram_md5(void **state)
{
    struct ph_sasl_client_params p = params("tim", "tanstaaftanstaaf");
    struct ph_sasl *s = start("CRAM-MD5", &p);

    assert_false(ph_sasl_client_first(s));
    /* RFC 2195 section 2 */
    expect(s, PH_STR("<1896.697170952@postoffice.reston.mci.net>"), 1,
           PH_STR("tim b913a602c7eda7a495b4e6e7334d3890"));
    ph_sasl_free(s);
}

static void login(void **state)
{
    struct ph_sasl_client_params p = params("joe", "b\xc3\xb6" "b");
    struct ph_sasl *s = start("LOGIN", &p);

    assert_false(ph_sasl_client_first(s));
    expect(s, PH_STR("User Name\0"), 0, PH_STR("joe"));
    expect(s, PH_STR("Password\0"), 1, PH_STR("b\xc3\xb6" "b"));
    expect_error(s, PH_STR("Shoe size"), PH_E_PROTOCOL);
    ph_sasl_free(s);
}

static void external(void **state)
{
    struct ph_sasl_client_params p = { .service = "imap", .host = "h" };
    struct ph_sasl *s = start("EXTERNAL", &p);

    assert_true(ph_sasl_client_first(s));
    expect(s, PH_STR(""), 1, PH_STR(""));
    ph_sasl_free(s);
    p.authzid = "fred@example.com";
    s = start("EXTERNAL", &p);
    expect(s, PH_STR(""), 1, PH_STR("fred@example.com"));
    ph_sasl_free(s);
}

/* ---- SCRAM ---- */

static const char first1[] = "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL";
static const char server1[] = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
static const char final1[] = "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";

static struct ph_sasl *scram_to_proof(const struct ph_sasl_client_params *p)
{
    nonce = "fyko+d2lbbFgONRv9qkxdawL";
    struct ph_sasl *s = start("SCRAM-SHA-1", p);
    assert_true(ph_sasl_client_first(s));
    expect(s, PH_STR(""), 0, ph_str(first1));
    assert_false(ph_sasl_client_satisfied(s)); /* an OK now is a lie */
    expect(s, ph_str(server1), 0, ph_str(final1));
    assert_false(ph_sasl_client_satisfied(s)); /* and now */
    nonce = NULL;
    return s;
}

static void scram_rfc5802(void **state)
{
    struct ph_sasl_client_params p = params("user", "pencil");

    /* binding data at hand must not change a SCRAM without -PLUS */
    p.binding = (const unsigned char *)"0123456789abcdef0123456789abcdef";
    p.binding_len = 32;
    p.binding_is_exporter = true;
    struct ph_sasl *s = scram_to_proof(&p);
    expect(s, PH_STR("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), 1, PH_STR(""));
    assert_true(ph_sasl_client_satisfied(s));
    ph_sasl_free(s);
}

static void scram_impostor(void **state)
{
    struct ph_sasl_client_params p = params("user", "pencil");
    struct ph_sasl *s = scram_to_proof(&p);

    expect_error(s, PH_STR("v=rmF9pqV8S7suAoZWja4dJRkFsKU="), PH_E_PROTOCOL);
    ph_sasl_free(s);
    s = scram_to_proof(&p);
    expect_error(s, PH_STR("e=other-error"), PH_E_PROTOCOL);
    ph_sasl_free(s);
    s = scram_to_proof(&p);
    expect_error(s, PH_STR(""), PH_E_PROTOCOL); /* no signature at all */
    expect_error(s, PH_STR("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), PH_E_PROTOCOL);
    ph_sasl_free(s);
}

static void scram_bad_challenges(void **state)
{
    static const char *const bad[] = {
        "", "r=", "x", "r=other,s=QSXCR+Q6sek8bf92,i=4096", "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=,i=4096", "r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=0",
        "m=x,r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=1",
    };
    struct ph_sasl_client_params p = params("user", "pencil");
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nonce = "fyko+d2lbbFgONRv9qkxdawL";
        struct ph_sasl *s = start("SCRAM-SHA-1", &p);
        expect(s, PH_STR(""), 0, ph_str(first1));
        assert_int_equal(ph_sasl_client_step(s, ph_str(bad[i]), &out, &err), -1);
        assert_false(ph_sasl_client_satisfied(s));
        ph_sasl_free(s);
    }
    nonce = "fyko+d2lbbFgONRv9qkxdawL";
    struct ph_sasl *s = start("SCRAM-SHA-1", &p);
    expect(s, PH_STR(""), 0, ph_str(first1));
    expect_error(s, PH_STR("r=fyko+d2lbbFgONRv9qkxdawL3rfc,s=QSXCR+Q6sek8bf92,i=4294967295"), PH_E_LIMIT);
    ph_sasl_free(s);
    nonce = NULL;
    ph_buf_done(&out);
}

/* RFC 5802 section 3 with SHA-256, by OpenSSL alone. */
static void scram_keys(const char *password, struct ph_str salt, int rounds, const char *message, char *proof,
                       char *signature)
{
    unsigned char salted[32], client[32], stored[32], server[32], sig[32];
    unsigned n;

    assert_int_equal(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const unsigned char *)salt.p, (int)salt.n,
                                       rounds, EVP_sha256(), 32, salted), 1);
    HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Client Key", 10, client, &n);
    EVP_Digest(client, 32, stored, NULL, EVP_sha256(), NULL);
    HMAC(EVP_sha256(), stored, 32, (const unsigned char *)message, strlen(message), sig, &n);
    for (int i = 0; i < 32; i++)
        client[i] ^= sig[i];
    EVP_EncodeBlock((unsigned char *)proof, client, 32);
    HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Server Key", 10, server, &n);
    HMAC(EVP_sha256(), server, 32, (const unsigned char *)message, strlen(message), sig, &n);
    EVP_EncodeBlock((unsigned char *)signature, sig, 32);
}

static void scram_sha256(void **state)
{
    static const char salt64[] = "W22ZaJ0SNY7soEsUEjb6gQ==";
    char proof[64], signature[64], message[512], challenge[256], want[256], last[80];
    struct ph_buf salt = PH_BUF_INIT;

    /* The oracle itself, by the example of RFC 7677 section 3 (its nonce is too short for GNU SASL). */
    assert_int_equal(ph_base64_decode(ph_str(salt64), &salt), 0);
    scram_keys("pencil", ph_buf_str(&salt), 4096,
               "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
               "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
               proof, signature);
    assert_string_equal(proof, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_string_equal(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

    struct ph_sasl_client_params p = params("user", "pencil");
    nonce = "fyko+d2lbbFgONRv9qkxdawL";
    struct ph_sasl *s = start("SCRAM-SHA-256", &p);
    expect(s, PH_STR(""), 0, ph_str(first1));
    snprintf(challenge, sizeof challenge, "r=%s%%hvYDpWUa2RaTCAfuxFIlj,s=%s,i=4096", nonce, salt64);
    snprintf(message, sizeof message, "n=user,r=%s,%s,c=biws,r=%s%%hvYDpWUa2RaTCAfuxFIlj", nonce, challenge, nonce);
    scram_keys("pencil", ph_buf_str(&salt), 4096, message, proof, signature);
    snprintf(want, sizeof want, "c=biws,r=%s%%hvYDpWUa2RaTCAfuxFIlj,p=%s", nonce, proof);
    expect(s, ph_str(challenge), 0, ph_str(want));
    snprintf(last, sizeof last, "v=%s", signature);
    expect(s, ph_str(last), 1, PH_STR(""));
    assert_true(ph_sasl_client_satisfied(s));
    ph_sasl_free(s);
    nonce = NULL;
    ph_buf_done(&salt);
}

static void scram_plus(void **state)
{
    struct ph_sasl_client_params p = params("user", "pencil");
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err;
    struct ph_sasl *s;

    assert_int_equal(ph_sasl_client_new("SCRAM-SHA-256-PLUS", &p, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_UNSUPPORTED);
    p.binding = (const unsigned char *)"0123456789abcdef0123456789abcdef";
    p.binding_len = 32;
    p.binding_is_exporter = true;
    s = start("SCRAM-SHA-256-PLUS", &p);
    assert_int_equal(ph_sasl_client_step(s, PH_STR(""), &out, &err), 0);
    assert_true(ph_str_prefix(ph_buf_str(&out), "p=tls-exporter,,n=user,r="));
    ph_sasl_free(s);
    p.binding_is_exporter = false;
    s = start("SCRAM-SHA-1-PLUS", &p);
    assert_int_equal(ph_sasl_client_step(s, PH_STR(""), &out, &err), 0);
    assert_true(ph_str_prefix(ph_buf_str(&out), "p=tls-unique,,n=user,r="));
    ph_sasl_free(s);
    ph_buf_done(&out);
}

static void digest_md5(void **state)
{
    struct ph_sasl_client_params p = params("chris", "secret");
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err;
    struct ph_sasl *s = start("DIGEST-MD5", &p);

    assert_false(ph_sasl_client_first(s));
    assert_int_equal(ph_sasl_client_step(s,
                                         PH_STR("realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\","
                                                "algorithm=md5-sess,charset=utf-8"),
                                         &out, &err),
                     0);
    assert_true(strstr(ph_buf_z(&out), "digest-uri=\"imap/server.example.com\"") != NULL);
    assert_false(ph_sasl_client_satisfied(s));
    expect_error(s, PH_STR("rspauth=ea40f60335c427b5527b84dbabcdfffd"), PH_E_PROTOCOL);
    ph_sasl_free(s);
    ph_buf_done(&out);
}

/* ---- bearer ---- */

static void oauthbearer(void **state)
{
    static const char coded[] = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyI"
                                "HZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"; /* RFC 7628 section 4.1 */
    struct ph_sasl_client_params p = { .authcid = "user@example.com", .host = "server.example.com", .port = 143,
                                       .token = ph_str("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==") };
    struct ph_buf want = PH_BUF_INIT;
    struct ph_sasl *s = start("OAUTHBEARER", &p);

    assert_true(ph_sasl_client_first(s));
    assert_int_equal(ph_base64_decode(ph_str(coded), &want), 0);
    expect(s, PH_STR(""), 1, ph_buf_str(&want));
    assert_true(ph_sasl_client_satisfied(s));
    assert_string_equal(ph_sasl_server_words(s), "");
    /* section 4.3 */
    ph_buf_clear(&want);
    assert_int_equal(ph_base64_decode(PH_STR("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxl"
                                             "X3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4"
                                             "YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9u"
                                             "In0="), &want), 0);
    expect(s, ph_buf_str(&want), 0, PH_STR("\x01"));
    assert_string_equal(ph_sasl_server_words(s), "status invalid_token, scope example_scope");
    assert_false(ph_sasl_client_satisfied(s));
    expect_error(s, PH_STR("more"), PH_E_PROTOCOL);
    ph_sasl_free(s);
    p.authcid = "a,b=c";
    s = start("OAUTHBEARER", &p);
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err;
    assert_int_equal(ph_sasl_client_step(s, PH_STR(""), &out, &err), 1);
    assert_true(ph_str_prefix(ph_buf_str(&out), "n,a=a=2Cb=3Dc,\x01"));
    ph_sasl_free(s);
    ph_buf_done(&out);
    ph_buf_done(&want);
}

static void xoauth2(void **state)
{
    struct ph_sasl_client_params p = { .authcid = "ann@example.com", .token = ph_str("ya29.token") };
    struct ph_sasl *s = start("XOAUTH2", &p);
    struct ph_buf want = PH_BUF_INIT;

    assert_true(ph_sasl_client_first(s));
    assert_int_equal(ph_base64_decode(PH_STR("dXNlcj1hbm5AZXhhbXBsZS5jb20BYXV0aD1CZWFyZXIgeWEyOS50b2tlbgEB"), &want),
                     0);
    expect(s, PH_STR(""), 1, ph_buf_str(&want));
    expect(s, PH_STR("{ \"status\" : 400,\"schemes\":\"Bearer\", \"scope\":\"https:\\/\\/mail.example\\u0041\"}\n"), 0,
           PH_STR(""));
    assert_string_equal(ph_sasl_server_words(s), "status 400, schemes Bearer, scope https://mail.example?");
    ph_sasl_free(s);
    ph_buf_done(&want);
}

static void server_words_of_anything(void **state)
{
    static const struct {
        const char *json, *words;
    } cases[] = {
        { "not\x1b[2J json", "not [2J json" },
        { "{\"status\":\"40", "status 40" },
        { "{\"status\"", "{\"status\"" },
        { "\"\\", "\"\\" },
        { "{\"a\":{\"status\":\"1\"},\"status\":null}", "status 1, status null" },
        { "\"status\":\"\\u00", "status ?" },
    };
    struct ph_sasl_client_params p = { .authcid = "a", .token = ph_str("t") };
    char huge[4000];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_sasl *s = start("XOAUTH2", &p);
        struct ph_buf out = PH_BUF_INIT;
        assert_int_equal(ph_sasl_client_step(s, PH_STR(""), &out, NULL), 1);
        assert_int_equal(ph_sasl_client_step(s, ph_str(cases[i].json), &out, NULL), 0);
        assert_string_equal(ph_sasl_server_words(s), cases[i].words);
        ph_buf_done(&out);
        ph_sasl_free(s);
    }
    memset(huge, 'x', sizeof huge);
    memcpy(huge, "{\"error\":\"", 10);
    struct ph_sasl *s = start("XOAUTH2", &p);
    struct ph_buf out = PH_BUF_INIT;
    assert_int_equal(ph_sasl_client_step(s, PH_STR(""), &out, NULL), 1);
    assert_int_equal(ph_sasl_client_step(s, (struct ph_str){ huge, sizeof huge }, &out, NULL), 0);
    assert_true(strlen(ph_sasl_server_words(s)) < 256);
    ph_buf_done(&out);
    ph_sasl_free(s);
}

static void wrong_use(void **state)
{
    static const struct {
        const char *mechanism, *authcid, *authzid, *password, *token;
        enum ph_kind kind;
    } cases[] = {
        { "KERBEROS_V4", "u", NULL, "p", NULL, PH_E_UNSUPPORTED },
        { "CRAM-MD5", "admin", "user", "p", NULL, PH_E_USAGE },
        { "LOGIN", "admin", "user", "p", NULL, PH_E_USAGE },
        { "PLAIN", "u", NULL, NULL, NULL, PH_E_AUTH },
        { "PLAIN", NULL, NULL, "p", NULL, PH_E_AUTH },
        { "XOAUTH2", "u", NULL, "p", NULL, PH_E_AUTH },
    };
    struct ph_sasl *s;
    struct ph_err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_sasl_client_params p = { .authcid = cases[i].authcid, .authzid = cases[i].authzid,
                                           .password = ph_str(cases[i].password), .token = ph_str(cases[i].token) };
        assert_int_equal(ph_sasl_client_new(cases[i].mechanism, &p, &s, &err), -1);
        assert_int_equal(err.kind, cases[i].kind);
        assert_null(s);
    }
    struct ph_sasl_client_params p = params("u", "");
    p.password = PH_STR("a\0b");
    assert_int_equal(ph_sasl_client_new("PLAIN", &p, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    p.token = PH_STR("tok\x01" "auth=x");
    s = start("OAUTHBEARER", &p);
    expect_error(s, PH_STR(""), PH_E_USAGE);
    ph_sasl_free(s);
    ph_sasl_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),         cmocka_unit_test(cram_md5),       cmocka_unit_test(login),
        cmocka_unit_test(external),      cmocka_unit_test(scram_rfc5802),  cmocka_unit_test(scram_impostor),
        cmocka_unit_test(scram_bad_challenges), cmocka_unit_test(scram_sha256), cmocka_unit_test(scram_plus),
        cmocka_unit_test(digest_md5),    cmocka_unit_test(oauthbearer),    cmocka_unit_test(xoauth2),
        cmocka_unit_test(server_words_of_anything), cmocka_unit_test(wrong_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
