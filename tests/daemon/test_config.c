#include "test.h"

#include "daemon/config.h"

static char path[128];

static int read_text(struct ph_daemon_config *c, const char *text, struct ph_err *err)
{
    snprintf(path, sizeof path, "%s", new_folder());
    strcat(path, "/x.conf");
    write_file(path, text);
    ph_daemon_config_init(c);
    int rc = ph_daemon_config_read(c, path, err);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    return rc;
}

static void test_a_whole_file(void **state)
{
    struct ph_daemon_config c;
    struct ph_err err = { 0 };

    assert_int_equal(read_text(&c,
                               "# comment\nstore = \"local:/srv/mail\";\nwritable = true;\nusers = \"/etc/users\"\n"
                               "listen = ( \"143\", \"[::1]:1143\" );\nlisten-tls = [ \"0.0.0.0:993\" ];\nlmtp = \"/run/lmtp\";\n"
                               "tls-cert = \"/c\"; tls-key = \"/k\";\nmessage-limit = \"50M\"; connections = 2000; login-timeout = 1.5;\n"
                               "memory-limit = 33554432; quota = 5000000000L; log-level = \"debug\"; socket-mode = \"0600\";\n"
                               "no-login-delays = false; recipient-delimiter = \"\";\n",
                               &err),
                     0);
    assert_int_equal(ph_daemon_config_check(&c, &err), 0);
    assert_string_equal(c.store, "local:/srv/mail");
    assert_true(c.writable);
    assert_int_equal(c.listen.n, 2);
    assert_string_equal(c.listen.item[1], "[::1]:1143");
    assert_int_equal(c.listen_tls.n, 1);
    assert_string_equal(c.lmtp.item[0], "/run/lmtp");
    assert_int_equal(c.limits.append, 50000000);
    assert_int_equal(c.limits.connections, 2000);
    assert_int_equal(c.limits.login_seconds, 2);
    assert_int_equal(c.limits.memory, 33554432);
    assert_true(c.quota_storage == 5000000000u);
    assert_int_equal(c.socket_mode, 0600);
    assert_false(c.no_throttle);
    ph_daemon_config_done(&c);
}

static void test_wrong_files_name_the_line(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "store = \"a\";\nstroe = \"b\";\n", "x.conf:2: there is no setting \"stroe\"; did you mean \"store\"?" },
        { "store = \"a\"\n\nwritable = maybe;\n", "x.conf:3: syntax error" },
        { "writable = \"true\";\n", "x.conf:1: writable wants true or false" },
        { "\nstore = true;\n", "x.conf:2: store wants a text in quotes" },
        { "connections = \"many\";\n", "x.conf:1: connections wants a positive whole number, not \"many\"" },
        { "connections = 0;\n", "x.conf:1: connections wants" },
        { "connections = -1;\n", "x.conf:1: connections wants" },
        { "message-limit = \"50 apples\";\n", "x.conf:1: message-limit wants a size" },
        { "store = ( \"a\", \"b\" );\n", "x.conf:1: store wants one value" },
        { "listen = ( \"143\",\n  true );\n", "x.conf:2: listen wants a value" },
        { "limits : { connections = 5; };\n", "x.conf:1: there is no setting \"limits\"" },
        { "log-level = \"loud\";\n", "x.conf:1: log-level: wants error" },
        { "socket-mode = \"0888\";\n", "x.conf:1: socket-mode: wants permissions" },
        { "config = \"/other\";\n", "x.conf:1: there is no setting \"config\"" },
        { "store = \"a\";\nstore = \"b\";\n", "x.conf:2: " },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ph_daemon_config c;
        struct ph_err err = { 0 };
        assert_int_equal(read_text(&c, wrong[i].text, &err), -1);
        assert_int_equal(err.kind, PH_E_USAGE);
        assert_contains(err.text, wrong[i].says);
        ph_daemon_config_done(&c);
    }
}

static void test_a_file_that_is_not_there(void **state)
{
    struct ph_daemon_config c;
    struct ph_err err = { 0 };

    ph_daemon_config_init(&c);
    assert_int_equal(ph_daemon_config_read(&c, "/nonexistent/x.conf", &err), -1);
    assert_int_equal(err.kind, PH_E_SYSTEM);
    assert_contains(err.text, "/nonexistent/x.conf");
    ph_daemon_config_done(&c);
}

static void test_settings_that_do_not_fit(void **state)
{
#define GOOD "store = \"memory:\"; listen = \"127.0.0.1:0\"; "
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "users = \"u\"; listen = \"143\";", "no store" },
        { GOOD, "nobody could log in" },
        { GOOD "users = \"u\"; any-user = true;", "exclude each other" },
        { "store = \"memory:\"; any-user = true; listen = \"143\";", "127.0.0.1 or [::1] only" },
        { "store = \"memory:\"; any-user = true; listen = \"192.0.2.1:143\";", "127.0.0.1 or [::1] only" },
        { GOOD "users = \"u\"; listen-tls = \"993\";", "listen-tls needs a certificate" },
        { GOOD "users = \"u\"; tls-key = \"k\";", "tls-key needs tls-cert" },
        { GOOD "users = \"u\"; metrics = \"9100\";", "metrics are for this machine" },
        { GOOD "users = \"u\"; metrics = \"0.0.0.0:9100\";", "metrics are for this machine" },
        { GOOD "users = \"u\"; recipient-delimiter = \"+-\";", "one character" },
        { "store = \"memory:\"; users = \"u\"; listen = \"mail.example.org:143\";", "is no IP address" },
        { "store = \"memory:\"; users = \"u\"; listen = \"127.0.0.1:70000\";", "an address to listen on" },
        { "store = \"memory:\"; users = \"u\"; listen = \"127.0.0.1\";", "an address to listen on" },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ph_daemon_config c;
        struct ph_err err = { 0 };
        assert_int_equal(read_text(&c, wrong[i].text, &err), 0);
        assert_int_equal(ph_daemon_config_check(&c, &err), -1);
        assert_contains(err.text, wrong[i].says);
        ph_daemon_config_done(&c);
    }
}

static void test_addresses(void **state)
{
    struct ph_listen_address a;

    assert_int_equal(ph_listen_address_parse("143", &a, NULL), 0);
    assert_string_equal(a.address, "::");
    assert_int_equal(a.port, 143);
    assert_int_equal(ph_listen_address_parse("*:143", &a, NULL), 0);
    assert_string_equal(a.address, "::");
    assert_int_equal(ph_listen_address_parse("localhost:0", &a, NULL), 0);
    assert_string_equal(a.address, "127.0.0.1");
    assert_int_equal(ph_listen_address_parse("[::1]:993", &a, NULL), 0);
    assert_string_equal(a.address, "::1");
    assert_true(ph_listen_address_is_loopback("::1"));
    assert_true(ph_listen_address_is_loopback("127.8.8.8"));
    assert_false(ph_listen_address_is_loopback("::"));
    assert_false(ph_listen_address_is_loopback("0.0.0.0"));
    assert_int_equal(ph_listen_address_parse("::1:993", &a, NULL), -1);
    assert_int_equal(ph_listen_address_parse("", &a, NULL), -1);
    assert_int_equal(ph_listen_address_parse(":143", &a, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_file),      cmocka_unit_test(test_wrong_files_name_the_line),
        cmocka_unit_test(test_a_file_that_is_not_there), cmocka_unit_test(test_settings_that_do_not_fit),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
