/* LOGIN and AUTHENTICATE: every mechanism, and that a wrong name tells no more than a wrong password. */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sasl/sasl.h"

/* ---- our own client's side of an exchange ---- */

/* 0 logged in, 1 NO */
static int authenticate(struct client *c, const char *mechanism, struct ph_sasl_client_params params, bool initial)
{
    struct ph_sasl *s;
    struct ph_buf raw = PH_BUF_INIT, text = PH_BUF_INIT;
    struct ph_err err = { 0 };
    int rc = -1;

    params.service = "imap";
    params.host = "mail.test";
    if (ph_sasl_client_new(mechanism, &params, &s, &err))
        fail_msg("%s", err.text);
    ph_buf_add_z(&text, "x AUTHENTICATE ");
    ph_buf_add_z(&text, mechanism);
    if (initial && ph_sasl_client_first(s)) {
        assert_true(ph_sasl_client_step(s, PH_STR(""), &raw, &err) >= 0);
        ph_buf_add_z(&text, " ");
        if (ph_buf_len(&raw) == 0)
            ph_buf_add_z(&text, "=");
        assert_int_equal(ph_base64_encode(ph_buf_str(&raw), &text), 0);
    }
    for (int i = 0; i < 10 && rc < 0; i++) {
        struct ph_buf challenge = PH_BUF_INIT;
        ph_buf_add_z(&text, "\r\n");
        client_send_n(c, ph_buf_data(&text), ph_buf_len(&text));
        client_expect(c, "*");
        ph_buf_clear(&text);
        if (strncmp(c->line, "x ", 2) == 0) {
            rc = pair_matches("x OK [CAPABILITY *] Logged in", c->line) ? 0 : 1;
            if (rc == 0 && !ph_sasl_client_satisfied(s))
                fail_msg("%s: the server did not prove itself", mechanism);
        } else {
            assert_true(pair_matches("+ *", c->line));
            assert_int_equal(ph_base64_decode(ph_str(c->line + 2), &challenge), 0);
            if (ph_sasl_client_step(s, ph_buf_str(&challenge), &raw, &err) < 0)
                ph_buf_add_z(&text, "*");
            else
                assert_int_equal(ph_base64_encode(ph_buf_str(&raw), &text), 0);
        }
        ph_buf_done(&challenge);
    }
    ph_sasl_free(s);
    ph_buf_done(&raw);
    ph_buf_done(&text);
    return rc;
}

static int check_token(void *ctx, const char *user, const char *token, size_t n)
{
    return n == 5 && memcmp(token, "token", 5) == 0 ? 0 : -1;
}

static int check_external(void *ctx, const char *subject, const char *user)
{
    return strcmp(subject, "CN=ann") == 0 && strcmp(user, "ann") == 0 ? 0 : -1;
}

static int authorize(void *ctx, const char *authc, const char *authz)
{
    return strcmp(authc, "admin") == 0 ? 0 : -1;
}

static void each_mechanism(void **state)
{
    static const char *const mechanisms[] = { "PLAIN",       "LOGIN",         "CRAM-MD5",    "DIGEST-MD5", "SCRAM-SHA-1",
                                              "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2" };
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.calls.check_token = check_token;
    pair_start(&p);
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        for (int initial = 0; initial < 2; initial++)
            for (int right = !initial; right < 2; right++) { /* each failure takes a second */
                struct ph_sasl_client_params params = { .authcid = "joe",
                                                        .password = right ? PH_STR("secret") : PH_STR("wrong"),
                                                        .token = right ? PH_STR("token") : PH_STR("stale") };
                if (i >= 6)
                    params.password = PH_STR_NIL;
                client_open(&c, &p);
                int rc = authenticate(&c, mechanisms[i], params, initial);
                if (rc != !right)
                    fail_msg("%s, initial %d, right %d: %s", mechanisms[i], initial, right, c.line);
                if (!right)
                    assert_true(pair_matches("x NO [AUTHENTICATIONFAILED] Wrong name or password", c.line) ||
                                pair_matches("x BAD *cancelled*", c.line));
                client_close(&c);
            }
    pair_stop(&p);
}

/* Channel binding, and that it is refused when it is not our channel's. */
static void bound_to_tls(void **state)
{
    static const char *const mechanisms[] = { "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS" };
    struct pair p;
    struct client c;
    struct ph_tls_info info;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    for (size_t i = 0; i < 2; i++)
        for (int wrong = 0; wrong < 2; wrong++) {
            client_open_tls(&c, &p);
            assert_non_null(strstr(c.line, "AUTH=SCRAM-SHA-256-PLUS"));
            assert_int_equal(ph_tls_info(c.stream, &info), 0);
            info.binding[0] ^= (unsigned char)wrong;
            struct ph_sasl_client_params params = { .authcid = "joe", .password = PH_STR("secret"), .binding = info.binding,
                                                    .binding_len = info.binding_len,
                                                    .binding_is_exporter = info.binding_is_exporter };
            assert_int_equal(authenticate(&c, mechanisms[i], params, true), wrong);
            client_close(&c);
        }
    client_open(&c, &p);
    assert_null(strstr(c.line, "-PLUS"));
    client_close(&c);
    pair_stop(&p);
}

static void by_certificate(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_with_tls(&p);
    p.config.calls.check_external = check_external;
    pair_start(&p);
    for (int has = 0; has < 2; has++) {
        client_open(&c, &p);
        assert_null(strstr(c.line, "AUTH=EXTERNAL"));
        client_ask(&c, "a STARTTLS", "a OK *");
        client_tls(&c, &p, has);
        client_ask(&c, "b CAPABILITY", "* CAPABILITY *");
        assert_true(!strstr(c.line, "AUTH=EXTERNAL") == !has);
        client_expect(&c, "b OK *");
        client_ask(&c, "c AUTHENTICATE EXTERNAL =", has ? "c OK *" : "c NO *"); /* the name is the certificate's */
        client_close(&c);
    }
    client_open(&c, &p);
    client_ask(&c, "a STARTTLS", "a OK *");
    client_tls(&c, &p, true);
    client_ask(&c, "b AUTHENTICATE EXTERNAL Ym9i", "b NO [AUTHENTICATIONFAILED] *"); /* bob */
    client_close(&c);
    pair_stop(&p);
}

static void acting_for_others(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.calls.authorize = authorize;
    pair_start(&p);
    client_open(&c, &p);
    struct ph_sasl_client_params params = { .authcid = "joe", .authzid = "sue", .password = PH_STR("secret") };
    assert_int_equal(authenticate(&c, "PLAIN", params, true), 1);
    assert_true(pair_matches("x NO [AUTHORIZATIONFAILED] *", c.line));
    params.authcid = "admin";
    assert_int_equal(authenticate(&c, "PLAIN", params, true), 0);
    pair_expect_log(&p, "login: sue by admin, PLAIN");
    client_close(&c);
    pair_stop(&p);
}

static void exchanges_that_go_wrong(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open(&c, &p);
    client_ask(&c, "a AUTHENTICATE FROBNICATE", "a NO *");
    client_ask(&c, "b AUTHENTICATE PLAIN", "+ ");
    client_ask(&c, "*", "b BAD *");
    client_ask(&c, "c AUTHENTICATE PLAIN", "+ ");
    client_ask(&c, "!!!", "c BAD *");
    client_ask(&c, "d AUTHENTICATE PLAIN AHNvbWU=", "d NO *"); /* no password in it */
    client_ask(&c, "e AUTHENTICATE PLAIN", "+ ");
    client_ask(&c, "f NOOP", "e BAD *"); /* what looks like a command is a response, and a wrong one */
    client_ask(&c, "g NOOP", "g OK *");
    client_close(&c);
    pair_stop(&p);
}

/* The answers to a name that does not exist and to a wrong password are the same, and as late. */
static void names_cannot_be_probed(void **state)
{
    struct pair p;
    struct client c[2];
    char said[2][256];
    int64_t took[2];

    for (int verifiers = 0; verifiers < 2; verifiers++) {
        pair_init(&p);
        p.verifiers = verifiers;
        pair_start(&p);
        for (int i = 0; i < 2; i++) {
            client_open(&c[i], &p);
            int64_t before = ph_now_ms();
            client_ask(&c[i], i ? "a LOGIN nobody wrong" : "a LOGIN joe wrong", "a NO *");
            took[i] = ph_now_ms() - before;
            snprintf(said[i], sizeof said[i], "%.200s", c[i].line);
            client_close(&c[i]);
        }
        assert_string_equal(said[0], said[1]);
        assert_true(took[0] >= 1000 && took[1] >= 1000);
        pair_stop(&p);
    }
}

/* Failures are answered ever later, without holding up anybody, and the third ends the connection. */
static void failures_are_limited(void **state)
{
    struct pair p;
    struct client c, other;
    struct ph_server_counters count;
    int64_t before = ph_now_ms();

    pair_init(&p);
    p.config.limits.workers = 1;
    pair_start(&p);
    client_open(&c, &p);
    client_send(&c, "a LOGIN joe wrong\r\nb LOGIN joe wrong\r\nc LOGIN joe wrong\r\nd LOGIN joe secret\r\n");
    client_open_as(&other, &p, "sue");
    assert_false(client_hears(&c, 0));
    client_expect(&c, "a NO *");
    client_ask(&other, "a NOOP", "a OK *");
    client_expect(&c, "b NO *");
    client_expect(&c, "c NO *");
    client_expect(&c, "* BYE Too many failed logins");
    client_expect_end(&c);
    assert_true(ph_now_ms() - before >= 1000 + 2000 + 4000);
    ph_server_count(p.server, &count);
    assert_int_equal(count.failed_logins, 3);
    assert_int_equal(count.logins, 1);
    client_close(&c);
    client_close(&other);
    pair_stop(&p);
}

static void not_in_the_clear(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.cleartext_login = false;
    pair_with_tls(&p);
    pair_start(&p);
    client_open(&c, &p);
    assert_non_null(strstr(c.line, " LOGINDISABLED"));
    assert_non_null(strstr(c.line, " STARTTLS"));
    assert_null(strstr(c.line, "AUTH=PLAIN"));
    assert_non_null(strstr(c.line, "AUTH=SCRAM-SHA-256"));
    client_ask(&c, "a LOGIN joe secret", "a NO [PRIVACYREQUIRED] *");
    client_ask(&c, "b AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ=", "b NO [PRIVACYREQUIRED] *");
    client_ask(&c, "c STARTTLS", "c OK *");
    client_tls(&c, &p, false);
    client_ask(&c, "d CAPABILITY", "* CAPABILITY *AUTH=PLAIN*");
    assert_null(strstr(c.line, "LOGINDISABLED"));
    assert_null(strstr(c.line, "STARTTLS"));
    client_expect(&c, "d OK *");
    client_ask(&c, "e STARTTLS", "e BAD *");
    client_login(&c, "joe");
    client_close(&c);
    pair_stop(&p);
}

static unsigned delay(void *ctx, struct ph_server_conn *c)
{
    return 300;
}

static void tried(void *ctx, struct ph_server_conn *c, const char *user, bool ok)
{
    struct pair *p = ctx;

    pthread_mutex_lock(&p->lock);
    ph_buf_add_z(&p->log, ok ? "tried with success: " : "tried in vain: ");
    ph_buf_add_z(&p->log, user);
    ph_buf_add_z(&p->log, "\n");
    pthread_mutex_unlock(&p->lock);
}

static void the_application_delays(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.calls.login_delay = delay;
    p.config.calls.login_tried = tried;
    pair_start(&p);
    client_open(&c, &p);
    int64_t before = ph_now_ms();
    client_login(&c, "joe");
    assert_true(ph_now_ms() - before >= 300);
    pair_expect_log(&p, "tried with success: joe");
    client_close(&c);
    client_open(&c, &p);
    client_ask(&c, "a LOGIN sue wrong", "a NO *");
    pair_expect_log(&p, "tried in vain: sue");
    client_close(&c);
    pair_stop(&p);
}

static void user_changes(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_select(&c, "INBOX");
    client_ask(&c, "a UNAUTHENTICATE", "a OK *");
    client_ask(&c, "b SELECT INBOX", "b BAD *");
    client_login(&c, "sue");
    client_ask(&c, "c CHECK", "c BAD *");
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mechanism),
        cmocka_unit_test(bound_to_tls),
        cmocka_unit_test(by_certificate),
        cmocka_unit_test(acting_for_others),
        cmocka_unit_test(exchanges_that_go_wrong),
        cmocka_unit_test(names_cannot_be_probed),
        cmocka_unit_test(failures_are_limited),
        cmocka_unit_test(not_in_the_clear),
        cmocka_unit_test(the_application_delays),
        cmocka_unit_test(user_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
