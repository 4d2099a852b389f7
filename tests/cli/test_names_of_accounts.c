/* Connection strings, URLs, users files: how people name accounts, and that passwords do not stay in argv. */
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/connstr.h"
#include "cli/side.h"
#include "cli/url.h"
#include "cli/users.h"

static struct ph_arena arena;
static char given[512];

static char *mutable(const char *text)
{
    snprintf(given, sizeof given, "%s", text);
    return given;
}

/* ---- connection strings: the vectors of the tools' specification and its rules ---- */

static const struct {
    const char *text, *host;
    unsigned port;
    const char *user, *admin, *secret;
    enum ph_connstr_method method;
} conns[] = {
    { "imap.example.org:993/ann/se/cret/CRAM-MD5", "imap.example.org", 993, "ann", NULL, "se/cret", PH_CONNSTR_CRAM_MD5 },
    { "host\\DOMAIN/ann\\pw", "host", 0, "DOMAIN/ann", NULL, "pw", PH_CONNSTR_PLAIN },
    { "host/DOM\\ann/pw", "host", 0, "DOM\\ann", NULL, "pw", PH_CONNSTR_PLAIN },
    { "[2001:db8::1]:1430/ann/pw", "2001:db8::1", 1430, "ann", NULL, "pw", PH_CONNSTR_PLAIN },
    { "host/tom:postmaster/mysecret", "host", 0, "tom", "postmaster", "mysecret", PH_CONNSTR_PLAIN },
    { "host", "host", 0, NULL, NULL, NULL, PH_CONNSTR_PLAIN },
    { "imaphost/CRAM-MD5", "imaphost", 0, NULL, NULL, NULL, PH_CONNSTR_CRAM_MD5 },
    { "host/ann", "host", 0, "ann", NULL, NULL, PH_CONNSTR_PLAIN },
    { "host/ann/", "host", 0, "ann", NULL, "", PH_CONNSTR_PLAIN },
    { "host/ann//preauth", "host", 0, "ann", NULL, "", PH_CONNSTR_PREAUTH },
    { "host/ann/PREAUTH", "host", 0, "ann", NULL, NULL, PH_CONNSTR_PREAUTH },
    { "server/user/password/CRAM-MD5", "server", 0, "user", NULL, "password", PH_CONNSTR_CRAM_MD5 },
    { "host/ann/pw/", "host", 0, "ann", NULL, "pw/", PH_CONNSTR_PLAIN },
    { "host\\ann\\p/w\\cram-md5", "host", 0, "ann", NULL, "p/w", PH_CONNSTR_CRAM_MD5 },
    { "imap.gmail.com:993/ann@example.com/oauth2:ya29.t/x", "imap.gmail.com", 993, "ann@example.com", NULL,
      "oauth2:ya29.t/x", PH_CONNSTR_PLAIN },
};

static void connection_strings(void **state)
{
    struct ph_err err;

    for (size_t i = 0; i < sizeof conns / sizeof *conns; i++) {
        struct ph_connstr c;
        print_message("%s\n", conns[i].text);
        assert_int_equal(ph_connstr_parse(mutable(conns[i].text), &arena, &c, &err), 0);
        assert_text(c.host, conns[i].host);
        assert_int_equal(c.port, conns[i].port);
        assert_text(c.user, conns[i].user);
        assert_text(c.admin, conns[i].admin);
        assert_text(c.secret, conns[i].secret);
        assert_int_equal(c.method, conns[i].method);
        if (conns[i].secret && *conns[i].secret)
            assert_null(strstr(given, conns[i].secret));
    }
}

static void broken_connection_strings(void **state)
{
    static const char *const broken[] = { "", "/ann/pw", "host//pw-secret", "host:0/ann/pw-secret", "host:65536/ann/pw-secret",
                                          "host:x/ann/pw-secret", "[::1/ann/pw-secret", "2001:db8::1/ann/pw-secret",
                                          "host/ann:/pw-secret", "[nonsense]/ann/pw-secret", "ho st/ann/pw-secret" };
    struct ph_err err;
    struct ph_connstr c;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        print_message("%s\n", broken[i]);
        assert_int_equal(ph_connstr_parse(mutable(broken[i]), &arena, &c, &err), -1);
        assert_int_equal(err.kind, PH_E_USAGE);
        assert_null(strstr(err.text, "pw-secret"));
        assert_null(strstr(given, "pw-secret"));
    }
}

/* ---- URLs (RFC 5092 examples and the rules of RFC 3986) ---- */

static const struct {
    const char *text;
    enum ph_url_scheme scheme;
    const char *host;
    unsigned port;
    const char *user, *secret, *auth, *path;
} urls[] = {
    { "imaps://anna@mail.example.org/", PH_URL_IMAPS, "mail.example.org", 993, "anna", NULL, NULL, NULL },
    { "imap://minbari.example.org", PH_URL_IMAP, "minbari.example.org", 143, NULL, NULL, NULL, NULL },
    { "IMAP://psicorp.example.org:1430/", PH_URL_IMAP, "psicorp.example.org", 1430, NULL, NULL, NULL, NULL },
    { "imap://;AUTH=GSSAPI@minbari.example.org/", PH_URL_IMAP, "minbari.example.org", 143, NULL, NULL, "GSSAPI", NULL },
    { "imap://michael;AUTH=*@example.org/", PH_URL_IMAP, "example.org", 143, "michael", NULL, NULL, NULL },
    { "imaps://bester;auth=plain@[::1]:10993", PH_URL_IMAPS, "::1", 10993, "bester", NULL, "PLAIN", NULL },
    { "imaps://a%40b:p%3Aw%2F%25@h/", PH_URL_IMAPS, "h", 993, "a@b", "p:w/%", NULL, NULL },
    { "imaps://ann@example.com:s/e#c?r;e@t@h:1/", PH_URL_IMAPS, "h", 1, "ann@example.com", "s/e#c?r;e@t", NULL, NULL },
    { "imaps://ann;AUTH=LOGIN:pw@h/", PH_URL_IMAPS, "h", 993, "ann", "pw", "LOGIN", NULL },
    { "imaps://ann:pw;AUTH=LOGIN@h/", PH_URL_IMAPS, "h", 993, "ann", "pw", "LOGIN", NULL },
    { "imaps://ann:oauth2:ya29.x@h/", PH_URL_IMAPS, "h", 993, "ann", "oauth2:ya29.x", NULL, NULL },
    { "imap+unix:///run/do%20ve/imap", PH_URL_IMAP_UNIX, NULL, 0, NULL, NULL, NULL, "/run/do ve/imap" },
    { "imap+unix://ann:pw@/run/imap", PH_URL_IMAP_UNIX, NULL, 0, "ann", "pw", NULL, "/run/imap" },
};

static void good_urls(void **state)
{
    struct ph_err err = { 0 };

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct ph_url u;
        print_message("%s\n", urls[i].text);
        int rc = ph_url_parse(mutable(urls[i].text), &arena, &u, &err);
        assert_text(rc ? err.text : NULL, NULL);
        assert_int_equal(u.scheme, urls[i].scheme);
        assert_text(u.host, urls[i].host);
        assert_int_equal(u.port, urls[i].port);
        assert_text(u.user, urls[i].user);
        assert_text(u.secret, urls[i].secret);
        assert_text(u.auth, urls[i].auth);
        assert_text(u.path, urls[i].path);
        if (urls[i].secret)
            assert_null(strstr(given, "pw"));
    }
}

static void broken_urls(void **state)
{
    static const struct {
        const char *text, *says;
    } broken[] = {
        { "", "imaps://user@host/" },
        { "anna@mail.example.org", "imaps://user@host/" },
        { "maildir:///tmp/x", "maildir://" },
        { "pop3s://u:pw-secret@h/", "pop3s://" },
        { "imaps:///", "no host" },
        { "imaps://u:pw-secret@/", "no host" },
        { "imaps://u:pw-secret@h:99999/", "99999" },
        { "imaps://u:pw-secret%4@h/", "hexadecimal" },
        { "imaps://u:pw-secret%00@h/", "hexadecimal" },
        { "imaps://u%zz:pw-secret@h/", "hexadecimal" },
        { "imaps://u:pw-secret@h/INBOX", "--include" },
        { "imaps://u:pw-secret@h/?x", "--include" },
        { "imaps://u;KIND=x:pw-secret@h/", ";AUTH=" },
        { "imaps://u:pw-secret@[::1", "bracket" },
        { "imaps://u:pw-secret@::1/", "bracket" },
        { "imap+unix://u:pw-secret@host/run/imap", "no host" },
        { "imap+unix:///", "socket" },
    };
    struct ph_err err;
    struct ph_url u;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        print_message("%s\n", broken[i].text);
        assert_int_equal(ph_url_parse(mutable(broken[i].text), &arena, &u, &err), -1);
        assert_int_equal(err.kind, PH_E_USAGE);
        assert_contains(err.text, broken[i].says);
        assert_null(strstr(err.text, "pw-secret"));
        assert_null(strstr(given, "pw-secret"));
    }
}

static void loopback(void **state)
{
    static const char *const yes[] = { "localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1",
                                       "imap.localhost" };
    static const char *const no[] = { "localhost.example.org", "128.0.0.1", "::2", "127.0.0.1.example.org", "0.0.0.0",
                                      "notlocalhost", "127.1" };

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(ph_host_is_loopback(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(ph_host_is_loopback(no[i]));
}

/* ---- users files ---- */

static void user_lines(void **state)
{
    struct ph_user_pair u;
    struct ph_err err;

    assert_int_equal(ph_user_pair_parse("mary:my\\:pw:mary_jones:oauth2:ya29.x", &arena, &u, &err), 1);
    assert_text(u.src, "mary");
    assert_text(u.src_secret, "my:pw");
    assert_text(u.dst, "mary_jones");
    assert_text(u.dst_secret, "oauth2:ya29.x");
    assert_int_equal(ph_user_pair_parse("Rick::Rick:", &arena, &u, &err), 1);
    assert_text(u.src_secret, "");
    assert_text(u.dst_secret, "");
    assert_int_equal(ph_user_pair_parse("  a\\\\b : oauth2:t\\:1 : c : d e ", &arena, &u, &err), 1);
    assert_text(u.src, "a\\b");
    assert_text(u.src_secret, "oauth2:t:1");
    assert_text(u.dst, "c");
    assert_text(u.dst_secret, "d e");
    assert_int_equal(ph_user_pair_parse("", &arena, &u, &err), 0);
    assert_int_equal(ph_user_pair_parse("   # a:b:c:d", &arena, &u, &err), 0);
    assert_int_equal(ph_user_pair_parse("a:b:c", &arena, &u, &err), -1);
    assert_int_equal(ph_user_pair_parse("a:b:c:pw-secret:e", &arena, &u, &err), -1);
    assert_null(strstr(err.text, "pw-secret"));
    assert_int_equal(ph_user_pair_parse(":b:c:d", &arena, &u, &err), -1);
}

static char warned[1024];

static void warn(void *ctx, const char *text)
{
    snprintf(warned + strlen(warned), sizeof warned - strlen(warned), "%s\n", text);
}

static void user_file(void **state)
{
    char path[] = "/tmp/ph-users-XXXXXX";
    int fd = mkstemp(path);
    struct ph_user_pair *u;
    size_t n, bad;
    struct ph_err err;

    assert_true(fd >= 0);
    static const char text[] = "# users\r\na:1:b:2\r\n\r\nwrong\nc:\\:3:d:4\nlast::last:";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    warned[0] = 0;
    assert_int_equal(ph_user_pairs_read(path, &arena, &u, &n, &bad, warn, NULL, &err), 0);
    assert_int_equal(n, 3);
    assert_int_equal(bad, 1);
    assert_text(u[0].dst_secret, "2");
    assert_text(u[1].src_secret, ":3");
    assert_int_equal(u[1].line, 5);
    assert_text(u[2].src, "last");
    assert_contains(warned, "line 4");
    assert_contains(warned, path);
    assert_null(strstr(warned, "chmod"));
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(ph_user_pairs_read(path, &arena, &u, &n, &bad, warn, NULL, &err), 0);
    assert_contains(warned, "chmod 600");
    close(fd);
    unlink(path);
    assert_int_equal(ph_user_pairs_read(path, &arena, &u, &n, &bad, warn, NULL, &err), -1);
    assert_int_equal(ph_user_pairs_read("/dev/null", &arena, &u, &n, &bad, warn, NULL, &err), -1);
    assert_contains(err.text, "regular file");
}

/* ---- from names to options ---- */

static void take(struct ph_side *s, const char *text)
{
    struct ph_err err;

    ph_side_init(s, true);
    if (strstr(text, "://"))
        assert_int_equal(ph_side_take_url(s, mutable(text), &arena, &err), 0);
    else
        assert_int_equal(ph_side_take_conn(s, mutable(text), &arena, &err), 0);
}

static void tls_rules(void **state)
{
    static const struct {
        const char *text;
        struct ph_side_rules rules;
        const char *tls;
        enum ph_security security;
        bool clear, require;
        unsigned port;
    } t[] = {
        { "imaps://u@h/", { 0 }, NULL, PH_SEC_TLS, false, false, 993 },
        { "imap://u@h/", { 0 }, NULL, PH_SEC_STARTTLS, false, false, 143 },
        { "imap://u@h/", { .allow_cleartext = true }, NULL, PH_SEC_STARTTLS_IF_OFFERED, true, false, 143 },
        { "imap://u@127.0.0.1:1143/", { 0 }, NULL, PH_SEC_CLEAR, false, false, 1143 },
        { "imap://u@localhost/", { 0 }, "starttls", PH_SEC_STARTTLS, false, false, 143 },
        { "imap+unix://u@/run/imap", { 0 }, NULL, PH_SEC_CLEAR, false, false, 0 },
        { "imap://u@h:993/", { 0 }, "immediate", PH_SEC_TLS, false, false, 993 },
        { "imap://u@h/", { .allow_cleartext = true }, "none", PH_SEC_CLEAR, true, false, 143 },
        { "h/u/p", { 0 }, NULL, PH_SEC_STARTTLS_IF_OFFERED, true, false, 143 },
        { "h:143/u/p", { .no_starttls = true }, NULL, PH_SEC_CLEAR, true, false, 143 },
        { "h:993/u/p", { 0 }, NULL, PH_SEC_TLS, true, false, 993 },
        { "h:1430/u/p", { 0 }, NULL, PH_SEC_PROBE, true, false, 1430 },
        { "h/u/p", { .require_tls = true }, NULL, PH_SEC_STARTTLS_IF_OFFERED, false, true, 143 },
    };
    struct ph_err err;

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ph_side s;
        print_message("%zu %s\n", i, t[i].text);
        take(&s, t[i].text);
        s.tls = t[i].tls;
        assert_int_equal(ph_side_finish(&s, &t[i].rules, &arena, &err), 0);
        assert_int_equal(s.imap.security, t[i].security);
        assert_int_equal(s.imap.allow_cleartext, t[i].clear);
        assert_int_equal(s.imap.require_tls, t[i].require);
        assert_int_equal(s.imap.port, t[i].port);
    }
}

static void login_rules(void **state)
{
    struct ph_side_rules rules = { 0 };
    struct ph_secret_plan plan;
    struct ph_side s;
    struct ph_err err;

    take(&s, "h/tom:postmaster/mysecret");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_int_equal(s.imap.auth, PH_AUTH_MECHANISM);
    assert_text(s.imap.mechanism, "PLAIN");
    assert_text(s.imap.admin, "postmaster");
    assert_text(s.imap.user, "tom");

    take(&s, "h/tom/pw");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_int_equal(s.imap.auth, PH_AUTH_LOGIN);
    assert_int_equal(ph_side_secret(&s, &plan, &err), 0);
    assert_int_equal(plan.source, PH_SECRET_GIVEN);
    assert_text(plan.value, "pw");

    take(&s, "h/tom/pw/CRAM-MD5");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_text(s.imap.mechanism, "CRAM-MD5");

    take(&s, "h/tom:boss/pw/CRAM-MD5");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), -1);

    take(&s, "h/tom:boss/oauth2:tok");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_int_equal(s.imap.auth, PH_AUTH_BEST);
    assert_int_equal(ph_side_secret(&s, &plan, &err), 0);
    assert_true(plan.token);
    assert_text(plan.value, "tok");

    take(&s, "h/tom//PREAUTH");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_int_equal(s.imap.auth, PH_AUTH_PREAUTH);
    assert_int_equal(ph_side_secret(&s, &plan, &err), 0);
    assert_int_equal(plan.source, PH_SECRET_NONE);

    take(&s, "h/tom/");
    s.admin_pair = "boss:se:cret";
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_text(s.imap.admin, "boss");
    assert_text(s.secret, "se:cret");
    take(&s, "h/tom/own");
    s.admin_pair = "boss:secret";
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_text(s.imap.admin, NULL);
    assert_text(s.secret, "own");

    take(&s, "imaps://h/");
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), -1);
    assert_contains(err.text, "--src-user");
    s.user = "eve";
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_int_equal(s.imap.auth, PH_AUTH_BEST);
    assert_int_equal(ph_side_secret(&s, &plan, &err), 0);
    assert_int_equal(plan.source, PH_SECRET_ASK);
    s.password_env = "X";
    s.token_command = "y";
    assert_int_equal(ph_side_secret(&s, &plan, &err), -1);
    s.pin = "sha256:AB";
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), 0);
    assert_text(s.imap.tls.pin_sha256, "AB");
    s.insecure = true;
    assert_int_equal(ph_side_finish(&s, &rules, &arena, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_strings), cmocka_unit_test(broken_connection_strings), cmocka_unit_test(good_urls),
        cmocka_unit_test(broken_urls),        cmocka_unit_test(loopback),                  cmocka_unit_test(user_lines),
        cmocka_unit_test(user_file),          cmocka_unit_test(tls_rules),                 cmocka_unit_test(login_rules),
    };

    ph_arena_init(&arena, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ph_arena_done(&arena);
    return failed;
}
