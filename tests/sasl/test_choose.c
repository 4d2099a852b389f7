/* Which mechanism is taken of an offer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sasl/sasl.h"

static const char everything[] = "login PLAIN Cram-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS "
                                 "SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER EXTERNAL GSSAPI";

static void strongest_first(void **state)
{
    struct ph_sasl_choice c = { .offered = everything, .tls = true, .have_binding = true, .have_password = true };
    const char *steps[] = { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN",
                            "CRAM-MD5", "LOGIN" };
    struct ph_buf skip = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_string_equal(ph_sasl_choose(&c, ph_buf_z(&skip)), steps[i]);
        ph_buf_add_z(&skip, " ");
        ph_buf_add_z(&skip, steps[i]);
    }
    assert_null(ph_sasl_choose(&c, ph_buf_z(&skip)));
    c.allow_digest_md5 = true;
    assert_string_equal(ph_sasl_choose(&c, ph_buf_z(&skip)), "DIGEST-MD5");
    ph_buf_done(&skip);
}

static void in_clear(void **state)
{
    struct ph_sasl_choice c = { .offered = everything, .have_password = true };

    assert_string_equal(ph_sasl_choose(&c, NULL), "SCRAM-SHA-256");
    c.offered = "PLAIN LOGIN CRAM-MD5";
    assert_string_equal(ph_sasl_choose(&c, NULL), "CRAM-MD5");
    assert_null(ph_sasl_choose(&c, "cram-md5"));
    c.allow_cleartext = true;
    assert_string_equal(ph_sasl_choose(&c, NULL), "CRAM-MD5");
    assert_string_equal(ph_sasl_choose(&c, "CRAM-MD5"), "PLAIN");
    assert_string_equal(ph_sasl_choose(&c, "CRAM-MD5 PLAIN"), "LOGIN");
}

static void tokens(void **state)
{
    struct ph_sasl_choice c = { .offered = everything, .tls = true, .have_token = true };

    assert_string_equal(ph_sasl_choose(&c, NULL), "OAUTHBEARER");
    assert_string_equal(ph_sasl_choose(&c, "OAUTHBEARER"), "XOAUTH2");
    assert_null(ph_sasl_choose(&c, "OAUTHBEARER XOAUTH2")); /* a token is no password */
    c.tls = false;
    assert_null(ph_sasl_choose(&c, NULL)); /* and a secret in clear */
    c.have_client_cert = true;
    assert_null(ph_sasl_choose(&c, NULL));
    c.tls = true;
    assert_string_equal(ph_sasl_choose(&c, NULL), "EXTERNAL");
}

static void authzid(void **state)
{
    struct ph_sasl_choice c = { .offered = "LOGIN CRAM-MD5", .tls = true, .have_password = true, .authzid = true };

    assert_null(ph_sasl_choose(&c, NULL));
    c.offered = "LOGIN CRAM-MD5 PLAIN";
    assert_string_equal(ph_sasl_choose(&c, NULL), "PLAIN");
}

static void odd_offers(void **state)
{
    struct ph_sasl_choice c = { .tls = true, .have_password = true };

    assert_null(ph_sasl_choose(&c, NULL));
    c.offered = "";
    assert_null(ph_sasl_choose(&c, NULL));
    c.offered = "  XPLAIN PLAINX  ";
    assert_null(ph_sasl_choose(&c, NULL));
    c.offered = "  plain ";
    assert_string_equal(ph_sasl_choose(&c, NULL), "PLAIN");
    c.offered = "SCRAM-SHA-256-PLUS"; /* nothing to bind to */
    assert_null(ph_sasl_choose(&c, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strongest_first), cmocka_unit_test(in_clear),   cmocka_unit_test(tokens),
        cmocka_unit_test(authzid),         cmocka_unit_test(odd_offers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
