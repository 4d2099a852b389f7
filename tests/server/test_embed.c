/* What an application does with the library: its own transport, commands, capabilities, states, sockets. */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/server.h"

/* ---- a transport of its own ---- */

struct sink {
    pthread_mutex_t lock;
    struct ph_buf got;
    int writers;
    bool refuse;
};

static int take(void *ctx, const void *p, size_t n)
{
    struct sink *s = ctx;

    pthread_mutex_lock(&s->lock);
    assert_int_equal(s->writers++, 0); /* never two at a time */
    ph_buf_add(&s->got, p, n);
    s->writers--;
    bool refuse = s->refuse;
    pthread_mutex_unlock(&s->lock);
    return refuse ? -1 : 0;
}

static void feed(struct ph_server_conn *c, const char *text, int expected)
{
    struct ph_err err = { 0 };

    assert_int_equal(ph_server_conn_feed(c, text, strlen(text), &err), expected);
}

static bool said(struct sink *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool found = strstr(ph_buf_z(&s->got), text);
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void wait_until_said(struct sink *s, const char *text)
{
    for (int64_t until = ph_deadline_in(20000); !said(s, text);)
        if (ph_now_ms() > until)
            fail_msg("not said: %s", text);
}

static void own_transport(void **state)
{
    struct sink s = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct ph_server_transport t = { take, &s, "a pipe", true };
    struct ph_server_conn *c;
    struct ph_err err;
    struct pair p;

    pair_init(&p);
    p.config.cleartext_login = false; /* the transport is confidential */
    pair_start(&p);
    assert_int_equal(ph_server_conn_new(p.server, &t, &c, &err), 0);
    assert_true(said(&s, "* OK [CAPABILITY IMAP4"));
    assert_string_equal(ph_server_conn_peer(c), "a pipe");
    assert_null(ph_server_conn_user(c));
    feed(c, "a LOG", 0);
    feed(c, "IN joe sec", 0);
    feed(c, "ret\r\nb SELECT INBOX\r\n", 0);
    assert_true(said(&s, "a OK ["));
    assert_true(said(&s, "b OK [READ-WRITE]"));
    assert_string_equal(ph_server_conn_user(c), "joe");
    assert_string_equal(ph_server_conn_mailbox(c), "INBOX");
    feed(c, "c IDLE\r\n", 0);
    pair_deliver(&p, "joe", "INBOX", "one");
    wait_until_said(&s, "* 1 EXISTS\r\n");
    feed(c, "DONE\r\nd LOGIN joe wrong\r\n", 0);
    for (int i = 0; i < 1000; i++)
        feed(c, "e NOOP\r\n", 0);
    feed(c, "f LOGOUT\r\n", 1);
    assert_true(said(&s, "f OK "));
    feed(c, "g NOOP\r\n", 1);
    ph_server_conn_free(c);

    /* left alone in the middle; and one whose writing fails */
    ph_buf_clear(&s.got);
    assert_int_equal(ph_server_conn_new(p.server, &t, &c, &err), 0);
    feed(c, "a LOGIN {3}\r\n", 0);
    assert_true(said(&s, "+ OK"));
    ph_server_conn_free(c);
    assert_int_equal(ph_server_conn_new(p.server, &t, &c, &err), 0);
    s.refuse = true;
    feed(c, "a NOOP\r\n", 1);
    ph_server_conn_free(c);
    s.refuse = false;

    /* the server stops first */
    ph_buf_clear(&s.got);
    assert_int_equal(ph_server_conn_new(p.server, &t, &c, &err), 0);
    ph_server_stop(p.server);
    assert_true(said(&s, "* BYE "));
    feed(c, "a NOOP\r\n", 1);
    ph_server_conn_free(c);
    ph_buf_done(&s.got);
    pair_stop(&p);
}

/* ---- commands ---- */

static int run_echo(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                    struct ph_err *err)
{
    struct ph_buf b = PH_BUF_INIT;

    assert_ptr_equal(ctx, run_echo);
    ph_buf_add_z(&b, "XECHO");
    for (size_t i = 0; i < n; i++) {
        ph_buf_add_z(&b, " ");
        ph_buf_add(&b, args[i].p ? args[i].p : "-", args[i].p ? args[i].n : 1);
    }
    int rc = ph_server_untagged(c, ph_buf_data(&b), ph_buf_len(&b));
    ph_buf_done(&b);
    if (n > 1 && args[1].n == 2 && memcmp(args[1].p, "no", 2) == 0)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_PERMISSION, "You may not");
    if (n > 1 && args[1].n == 3 && memcmp(args[1].p, "bad", 3) == 0)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "Not like this");
    *text = "Echoed";
    return rc;
}

static void own_commands(void **state)
{
    struct ph_server_command echo = { "XECHO", 1u << PH_ST_AUTHENTICATED | 1u << PH_ST_SELECTED, "astring [string]", run_echo,
                                      run_echo };
    struct pair p;
    struct client c;
    struct ph_err err;

    pair_init(&p);
    assert_int_equal(ph_server_new(&p.config, &p.server, &err), 0);
    assert_int_equal(ph_server_add_command(p.server, &echo, &err), 0);
    assert_int_equal(ph_server_add_capability(p.server, "XECHO", PH_CAP_AFTER_LOGIN, &err), 0);
    assert_int_equal(ph_server_add_capability(p.server, "XBOTH", PH_CAP_BEFORE_LOGIN | PH_CAP_AFTER_LOGIN, &err), 0);
    assert_int_equal(ph_server_add_capability(p.server, "not an atom", PH_CAP_AFTER_LOGIN, &err), -1);
    pair_start(&p);
    client_open(&c, &p);
    assert_null(strstr(c.line, "XECHO"));
    assert_non_null(strstr(c.line, " XBOTH"));
    client_ask(&c, "a XECHO x", "a BAD Log in first");
    client_login(&c, "joe");
    assert_non_null(strstr(c.line, " XECHO"));
    assert_non_null(strstr(c.line, " XBOTH"));
    client_ask(&c, "b xecho one", "* XECHO one*");
    client_expect(&c, "b OK Echoed");
    client_ask(&c, "c XECHO one \"two three\"", "* XECHO one two three");
    client_expect(&c, "c OK Echoed");
    client_send(&c, "d XECHO {3+}\r\nabc {2+}\r\nno\r\n");
    client_expect(&c, "* XECHO abc no");
    client_expect(&c, "d NO [NOPERM] You may not");
    client_ask(&c, "e XECHO one \"bad\"", "* XECHO one bad");
    client_expect(&c, "e BAD Not like this");
    client_ask(&c, "f XECHO", "f BAD *");
    client_ask(&c, "g XECHO one \"two\" three", "g BAD *");
    client_ask(&c, "h XECHO {3}", "+ OK");
    client_ask(&c, "a\rb", "h NO *"); /* a line of ours cannot be broken up: it is not sent at all */
    client_close(&c);
    pair_stop(&p);
}

/* ---- states ---- */

static void note_state(void *ctx, struct ph_server_conn *c, enum ph_server_state from, enum ph_server_state to)
{
    struct pair *p = ctx;

    pthread_mutex_lock(&p->lock);
    ph_buf_add_z(&p->log, ph_server_state_name(from));
    ph_buf_add_z(&p->log, ">");
    ph_buf_add_z(&p->log, ph_server_state_name(to));
    ph_buf_add_z(&p->log, "\n");
    pthread_mutex_unlock(&p->lock);
}

static void states(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.calls.state = note_state;
    p.config.calls.log = NULL;
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_select(&c, "INBOX");
    client_ask(&c, "a UNSELECT", "a OK *");
    client_ask(&c, "b LOGOUT", "* BYE *");
    client_until(&c, "b OK *");
    client_close(&c);
    pair_expect_log(&p, "Logout>ConnectionClosed");
    assert_string_equal(ph_buf_z(&p.log), "ConnectionClosed>ConnectionEstablished\nConnectionEstablished>ServerGreeting\n"
                                          "ServerGreeting>NotAuthenticated\nNotAuthenticated>Authenticated\n"
                                          "Authenticated>Selected\nSelected>Authenticated\nAuthenticated>Logout\n"
                                          "Logout>ConnectionClosed\n");
    pair_stop(&p);
}

/* ---- sockets ---- */

static void attached_and_preauth(void **state)
{
    struct pair p;
    struct client c = { 0 };
    struct ph_err err;
    int sv[2];

    pair_init(&p);
    p.config.cleartext_login = false;
    pair_start(&p);
    for (int preauth = 0; preauth < 2; preauth++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
        assert_int_equal(ph_server_attach_fd(p.server, sv[0], 0, preauth ? "joe" : NULL, &err), 0);
        c.stream = ph_fd_stream_new(sv[1]);
        if (preauth) {
            client_expect(&c, "* PREAUTH [CAPABILITY *IDLE*] *");
        } else {
            client_expect(&c, "* OK [CAPABILITY *AUTH=PLAIN*] *"); /* a socketpair is confidential */
            client_login(&c, "joe");
        }
        client_select(&c, "INBOX");
        client_close(&c);
    }
    pair_stop(&p);
}

static void unix_and_inherited_sockets(void **state)
{
    struct pair p;
    struct client c = { 0 };
    struct ph_listener l;
    struct ph_err err;
    struct stat st;
    char path[64];

    snprintf(path, sizeof path, "/tmp/ph-embed-%d", getpid());
    pair_init(&p);
    p.config.preauth_user = "joe";
    p.config.cleartext_login = false;
    assert_int_equal(ph_server_new(&p.config, &p.server, &err), 0);
    assert_int_equal(ph_server_listen_unix(p.server, path, 0600, PH_LISTEN_PREAUTH, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(ph_listen_tcp(&l, "127.0.0.1", 0, &err), 0);
    assert_int_equal(ph_server_listen_fd(p.server, l.fd, 0, &err), 0);
    assert_int_equal(ph_server_listen_fd(p.server, 0, 0, &err), -1); /* no listening socket */
    assert_int_equal(ph_server_listen_tcp(p.server, "127.0.0.1", 0, PH_LISTEN_TLS, NULL, &err), -1); /* no certificate */
    pair_start(&p);
    assert_int_equal(ph_server_listen_tcp(p.server, "127.0.0.1", 0, 0, NULL, &err), -1); /* too late */
    assert_int_equal(ph_unix_connect(path, ph_deadline_in(20000), NULL, &c.stream, &err), 0);
    client_expect(&c, "* PREAUTH *");
    client_ask(&c, "a LOGIN joe secret", "a BAD *");
    client_close(&c);
    p.port = l.port;
    client_open(&c, &p);
    assert_non_null(strstr(c.line, "LOGINDISABLED"));
    client_close(&c);
    pair_stop(&p);
    assert_int_equal(access(path, F_OK), -1);
}

static int refuse_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_STORE, PH_E_SYSTEM, "/secret/path: the disk is on fire");
}

static int cannot_tell(void *ctx, const char *user, const char *password, size_t n)
{
    return 1;
}

static void trouble_of_the_application(void **state)
{
    struct pair p;
    struct client c;
    struct ph_server *none;
    struct ph_err err;

    pair_init(&p);
    p.config.calls.open_store = refuse_store;
    pair_start(&p);
    client_open(&c, &p);
    client_ask(&c, "a LOGIN joe secret", "a NO [UNAVAILABLE] *");
    assert_null(strstr(c.line, "secret")); /* it is for the log alone */
    pair_expect_log(&p, "the disk is on fire");
    client_close(&c);
    pair_stop(&p);

    pair_init(&p);
    p.config.calls.check_password = cannot_tell;
    pair_start(&p);
    client_open(&c, &p);
    for (int i = 0; i < 5; i++) /* no failures of the client's */
        client_ask(&c, "a LOGIN joe secret", "a NO [UNAVAILABLE] *");
    client_close(&c);
    pair_stop(&p);

    struct ph_server_config empty = { 0 };
    assert_int_equal(ph_server_new(&empty, &none, &err), -1);
    assert_null(none);
}

/* ---- a store that takes long to open ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: the door is shut */

static int (*usual_open)(void *ctx, const char *user, struct ph_store **out, struct ph_err *err);

static int open_late(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    if (strcmp(user, "late") == 0) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    }
    return usual_open(ctx, user, out, err);
}

/* Many connections of one user whose store is slow hold one thread, not all. */
static void slow_store(void **state)
{
    struct pair p;
    struct client late[10], c;

    pair_init(&p);
    usual_open = p.config.calls.open_store;
    p.config.calls.open_store = open_late;
    p.config.limits.workers = 2;
    pair_start(&p);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 10; i++) {
        client_open(&late[i], &p);
        client_send(&late[i], i % 2 ? "a LOGIN late secret\r\nb NOOP\r\n"
                                    : "a AUTHENTICATE PLAIN AGxhdGUAc2VjcmV0\r\nb NOOP\r\n");
    }
    client_open_as(&c, &p, "joe");
    client_close(&late[9]); /* one does not wait */
    for (int i = 0; i < 9; i++)
        assert_false(client_hears(&late[i], 0));
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 9; i++) {
        client_expect(&late[i], "a OK *");
        client_expect(&late[i], "b OK *");
        client_close(&late[i]);
    }
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_transport),
        cmocka_unit_test(own_commands),
        cmocka_unit_test(states),
        cmocka_unit_test(attached_and_preauth),
        cmocka_unit_test(unix_and_inherited_sockets),
        cmocka_unit_test(trouble_of_the_application),
        cmocka_unit_test(slow_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
