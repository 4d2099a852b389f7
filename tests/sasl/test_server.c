/* The server's side, against our client and by hand: who gets in, and that names cannot be probed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sasl/sasl.h"

struct users {
    const char *name, *password, *scram_sha1, *scram_sha256, *token, *external;
    int lookups;
};

static int lookup(void *ctx, const char *authcid, struct ph_sasl_verifier *v)
{
    struct users *u = ctx;

    u->lookups++;
    if (!u->name || strcmp(authcid, u->name) != 0)
        return -1;
    *v = (struct ph_sasl_verifier){ u->password, u->scram_sha1, u->scram_sha256 };
    return 0;
}

static int check_token(void *ctx, const char *user, struct ph_str token)
{
    struct users *u = ctx;

    return u->token && strcmp(user, u->name) == 0 && ph_str_is(token, u->token) ? 0 : -1;
}

static int check_external(void *ctx, const char *authzid)
{
    struct users *u = ctx;

    return u->external && strcmp(authzid, u->external) == 0 ? 0 : -1;
}

static const struct ph_sasl_server_ops ops = { .lookup = lookup, .check_token = check_token,
                                               .check_external = check_external };

static const unsigned char binding[32] = "the two ends of one connection";

struct outcome {
    int server; /* the last step's */
    bool client_satisfied;
    enum ph_kind client_error;
    char authcid[64], authzid[64];
};

/* One exchange as IMAP with SASL-IR carries it. */
static struct outcome exchange(const char *mechanism, struct users *u, struct ph_sasl_client_params p, bool bound)
{
    struct ph_sasl *c, *s;
    struct ph_buf to_server = PH_BUF_INIT, to_client = PH_BUF_INIT;
    struct ph_err err = { 0 };
    struct outcome o = { 0 };

    p.service = "imap";
    p.host = "server.test";
    if (ph_sasl_client_new(mechanism, &p, &c, &err) < 0 ||
        ph_sasl_server_new(mechanism, &ops, u, "imap", "server.test", &s, &err) < 0)
        fail_msg("%s", err.text);
    if (bound)
        assert_int_equal(ph_sasl_server_binding(s, binding, 32, true), 0);
    if (ph_sasl_client_first(c)) {
        assert_true(ph_sasl_client_step(c, PH_STR(""), &to_server, &err) >= 0);
        o.server = ph_sasl_server_step(s, ph_buf_str(&to_server), &to_client, &err);
    } else {
        o.server = ph_sasl_server_step(s, PH_STR_NIL, &to_client, &err);
    }
    for (int i = 0; i < 10 && o.server == 0; i++) {
        if (ph_sasl_client_step(c, ph_buf_str(&to_client), &to_server, &err) < 0) {
            o.client_error = err.kind;
            break;
        }
        o.server = ph_sasl_server_step(s, ph_buf_str(&to_server), &to_client, &err);
    }
    o.client_satisfied = ph_sasl_client_satisfied(c);
    snprintf(o.authcid, sizeof o.authcid, "%s", ph_sasl_authcid(s));
    snprintf(o.authzid, sizeof o.authzid, "%s", ph_sasl_authzid(s));
    ph_sasl_free(c);
    ph_sasl_free(s);
    ph_buf_done(&to_server);
    ph_buf_done(&to_client);
    return o;
}

/* RFC 7677's user: pencil, salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 rounds; RFC 5802's with SHA-1, salt QSXCR+Q6sek8bf92.
 * Keys by Python's hashlib: StoredKey = H(HMAC(SaltedPassword, "Client Key")), ServerKey = HMAC(.., "Server Key"). */
#define SHA256_KEYS \
    "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=," \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SHA1_KEYS "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE="

static void right_and_wrong(void **state)
{
    static const char *const mechanisms[] = { "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1",
                                              "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS" };

    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        bool plus = strstr(mechanisms[i], "PLUS");
        struct users u = { .name = "user", .password = "pencil" };
        struct ph_sasl_client_params p = { .authcid = "user", .password = ph_str("pencil"), .binding = binding,
                                           .binding_len = plus ? 32 : 0, .binding_is_exporter = true };
        struct outcome o = exchange(mechanisms[i], &u, p, plus);
        if (o.server != 1)
            fail_msg("%s refuses the right password", mechanisms[i]);
        assert_true(o.client_satisfied);
        assert_string_equal(o.authcid, "user");
        assert_string_equal(o.authzid, "user");
        assert_true(u.lookups > 0);
        p.password = ph_str("pencils");
        o = exchange(mechanisms[i], &u, p, plus);
        if (o.server != -1)
            fail_msg("%s takes a wrong password", mechanisms[i]);
        p.password = ph_str("pencil");
        p.authcid = "nobody";
        o = exchange(mechanisms[i], &u, p, plus);
        assert_int_equal(o.server, -1);
        assert_string_equal(o.authcid, "");
        u.password = NULL; /* a user who has no password gets in with none */
        p.authcid = "user";
        p.password = ph_str("");
        o = exchange(mechanisms[i], &u, p, plus);
        assert_int_equal(o.server, -1);
    }
}

static void stored_keys(void **state)
{
    static const char *const mechanisms[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1" };

    for (int with_sha1 = 0; with_sha1 < 2; with_sha1++) {
        struct users u = { .name = "user", .scram_sha256 = with_sha1 ? NULL : SHA256_KEYS,
                           .scram_sha1 = with_sha1 ? SHA1_KEYS : NULL };
        for (size_t i = 0; i < 3 + (size_t)with_sha1; i++) {
            struct ph_sasl_client_params p = { .authcid = "user", .password = ph_str("pencil") };
            bool fits = i < 2 || (i == 2) != with_sha1;
            struct outcome o = exchange(mechanisms[i], &u, p, false);
            assert_int_equal(o.server, fits ? 1 : -1);
            p.password = ph_str("pencil2");
            assert_int_equal(exchange(mechanisms[i], &u, p, false).server, -1);
        }
    }
    struct users broken = { .name = "user", .scram_sha256 = "4096,AA==" };
    struct ph_sasl_client_params p = { .authcid = "user", .password = ph_str("pencil") };
    assert_int_equal(exchange("SCRAM-SHA-256", &broken, p, false).server, -1);
    assert_int_equal(exchange("PLAIN", &broken, p, false).server, -1);
}

/* The server's first SCRAM message for a name, without its nonce. */
static void salt_for(struct users *u, const char *name, char *out, size_t size)
{
    struct ph_sasl *s;
    struct ph_buf b = PH_BUF_INIT;
    struct ph_err err;
    char first[100];

    assert_int_equal(ph_sasl_server_new("SCRAM-SHA-256", &ops, u, "imap", "h", &s, &err), 0);
    snprintf(first, sizeof first, "n,,n=%s,r=abcdefgh", name);
    assert_int_equal(ph_sasl_server_step(s, ph_str(first), &b, &err), 0);
    const char *salt = strstr(ph_buf_z(&b), ",s=");
    assert_non_null(salt);
    snprintf(out, size, "%s", salt);
    ph_buf_done(&b);
    ph_sasl_free(s);
}

static void names_cannot_be_probed(void **state)
{
    struct users u = { .name = "user", .password = "pencil" };
    char one[100], again[100], other[100], known[100], known_again[100];

    salt_for(&u, "ghost", one, sizeof one);
    salt_for(&u, "ghost", again, sizeof again);
    salt_for(&u, "spectre", other, sizeof other);
    salt_for(&u, "user", known, sizeof known);
    salt_for(&u, "user", known_again, sizeof known_again);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    assert_string_equal(known, known_again);
    assert_int_equal(strlen(one), strlen(known));
}

static void act_for_another(void **state)
{
    static const char *const mechanisms[] = { "PLAIN", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256" };
    struct users u = { .name = "admin", .password = "x" };
    struct ph_sasl_client_params p = { .authcid = "admin", .authzid = "tom", .password = ph_str("x") };

    for (size_t i = 0; i < 4; i++) {
        struct outcome o = exchange(mechanisms[i], &u, p, false);
        assert_int_equal(o.server, 1);
        assert_string_equal(o.authcid, "admin");
        assert_string_equal(o.authzid, "tom");
    }
}

static void bindings(void **state)
{
    struct users u = { .name = "user", .password = "pencil" };
    unsigned char other[32] = "a man in the middle";
    struct ph_sasl_client_params p = { .authcid = "user", .password = ph_str("pencil"), .binding = other,
                                       .binding_len = 32, .binding_is_exporter = true };

    assert_int_equal(exchange("SCRAM-SHA-256-PLUS", &u, p, true).server, -1);
    /* binding data at hand, a mechanism without -PLUS: works, also with a server that binds */
    assert_int_equal(exchange("SCRAM-SHA-256", &u, p, true).server, 1);
    assert_int_equal(exchange("SCRAM-SHA-256", &u, p, false).server, 1);
    /* "y": the client could bind, and was not told that the server can: someone took -PLUS out of the list */
    struct ph_sasl *s;
    struct ph_buf b = PH_BUF_INIT;
    struct ph_err err;
    assert_int_equal(ph_sasl_server_new("SCRAM-SHA-256", &ops, &u, "imap", "h", &s, &err), 0);
    assert_int_equal(ph_sasl_server_binding(s, binding, 32, true), 0);
    assert_int_equal(ph_sasl_server_step(s, PH_STR("y,,n=user,r=abcdefgh"), &b, &err), -1);
    assert_int_equal(ph_sasl_server_binding(s, binding, 32, true), -1); /* too late */
    ph_sasl_free(s);
    ph_buf_done(&b);
}

static void bearers(void **state)
{
    static const char *const mechanisms[] = { "OAUTHBEARER", "XOAUTH2" };
    struct users u = { .name = "a,b=c@example.com", .token = "ya29.token" };

    for (size_t i = 0; i < 2; i++) {
        struct ph_sasl_client_params p = { .authcid = u.name, .token = ph_str("ya29.token"), .port = 143 };
        struct outcome o = exchange(mechanisms[i], &u, p, false);
        assert_int_equal(o.server, 1);
        assert_true(o.client_satisfied);
        assert_string_equal(o.authcid, u.name);
        p.token = ph_str("ya29.stale");
        o = exchange(mechanisms[i], &u, p, false);
        assert_int_equal(o.server, -1);
        assert_false(o.client_satisfied);
        p.token = ph_str("ya29.token");
        p.authcid = "other";
        assert_int_equal(exchange(mechanisms[i], &u, p, false).server, -1);
    }
}

static void externals(void **state)
{
    struct users u = { .external = "" };
    struct ph_sasl_client_params p = { 0 };

    assert_int_equal(exchange("EXTERNAL", &u, p, false).server, 1);
    p.authzid = "tom";
    assert_int_equal(exchange("EXTERNAL", &u, p, false).server, -1);
    u.external = "tom";
    struct outcome o = exchange("EXTERNAL", &u, p, false);
    assert_int_equal(o.server, 1);
    assert_string_equal(o.authzid, "tom");
}

static void nonsense(void **state)
{
    static const struct {
        const char *mechanism;
        struct ph_str response;
    } cases[] = {
        { "PLAIN", { "nothing", 7 } },
        { "PLAIN", { "\0user", 5 } },
        { "PLAIN", { "\0user\0pencil\0more", 17 } },
        { "CRAM-MD5", { "user", 4 } },
        { "CRAM-MD5", { "user zzzz", 9 } },
        { "SCRAM-SHA-1", { "x", 1 } },
        { "SCRAM-SHA-1", { "n,,n=user", 9 } },
        { "SCRAM-SHA-1", { "p=tls-unique,,n=user,r=x", 24 } },
        { "OAUTHBEARER", { "n,", 2 } },
        { "OAUTHBEARER", { "n,a=user,\1host=h\1\1", 18 } },
        { "OAUTHBEARER", { "p=x,,\1auth=Bearer t\1\1", 21 } },
        { "OAUTHBEARER", { "n,a=us=er,\1auth=Bearer t\1\1", 26 } },
        { "OAUTHBEARER", { "n,a=user,\1auth=Basic t\1\1", 24 } },
        { "XOAUTH2", { "user=user\1\1", 11 } },
        { "XOAUTH2", { "auth=Bearer t\1\1", 15 } },
        { "XOAUTH2", { "user=u\0ser\1auth=Bearer t\1\1", 26 } },
    };
    struct users u = { .name = "user", .password = "pencil", .token = "t" };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_sasl *s;
        struct ph_buf b = PH_BUF_INIT;
        struct ph_err err;
        assert_int_equal(ph_sasl_server_new(cases[i].mechanism, &ops, &u, "imap", "h", &s, &err), 0);
        int rc = ph_sasl_server_step(s, cases[i].response, &b, &err);
        if (rc == 0) /* a challenge that was not asked for yet (CRAM-MD5's) */
            rc = ph_sasl_server_step(s, cases[i].response, &b, &err);
        if (rc != -1)
            fail_msg("case %zu: %d", i, rc);
        assert_int_equal(ph_sasl_server_step(s, PH_STR(""), &b, &err), -1); /* and it stays so */
        ph_sasl_free(s);
        ph_buf_done(&b);
    }
    struct ph_sasl *s;
    struct ph_err err;
    assert_int_equal(ph_sasl_server_new("NTLM", &ops, &u, "imap", "h", &s, &err), -1);
    assert_int_equal(err.kind, PH_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_and_wrong), cmocka_unit_test(stored_keys), cmocka_unit_test(names_cannot_be_probed),
        cmocka_unit_test(act_for_another), cmocka_unit_test(bindings),    cmocka_unit_test(bearers),
        cmocka_unit_test(externals),       cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
