/* Every limit, and every time-out, reached. */
#include "pair.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void send_many(struct client *c, char what, size_t n)
{
    char block[4096];

    memset(block, what, sizeof block);
    for (size_t part; n; n -= part) {
        part = n < sizeof block ? n : sizeof block;
        client_send_n(c, block, part);
    }
}

static void long_line(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.limits.line = 1000;
    pair_start(&p);
    client_open(&c, &p);
    client_send(&c, "a NOOP");
    send_many(&c, ' ', 994);
    client_send(&c, "\r\n");
    client_expect(&c, "a OK *"); /* just so */
    client_send(&c, "a NOOP");
    send_many(&c, ' ', 996);
    client_expect(&c, "* BYE *too long*");
    client_expect_end(&c);
    client_close(&c);
    /* lines of an exchange, and of an IDLE */
    client_open(&c, &p);
    client_ask(&c, "a AUTHENTICATE PLAIN", "+ ");
    send_many(&c, 'A', 1001);
    client_expect(&c, "* BYE *too long*");
    client_close(&c);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "a IDLE", "+ *");
    send_many(&c, 'A', 1001);
    client_expect(&c, "* BYE *too long*");
    client_close(&c);
    pair_stop(&p);
}

/* Before login 8 KiB; a literal that waits is refused, one that does not ends the connection. */
static void literal_before_login(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open(&c, &p);
    client_ask(&c, "a LOGIN {8193}", "a NO [TOOBIG] *");
    client_ask(&c, "b LOGIN {8192}", "+ OK");
    send_many(&c, 'x', 8192);
    client_ask(&c, " {1}", "b NO [TOOBIG] *"); /* all of them together */
    client_ask(&c, "c NOOP", "c OK *");
    client_ask(&c, "d LOGIN {9000+}", "d NO [TOOBIG] *");
    client_expect(&c, "* BYE [TOOBIG] *");
    client_expect_end(&c);
    client_close(&c);
    pair_stop(&p);
}

/* What stands in the literal of a refused command is never run. */
static void literal_after_login(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.limits.literal = 100;
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "a CREATE {101}", "a NO [TOOBIG] *");
    client_send(&c, "b CREATE {101+}\r\n");
    for (int i = 0; i < 101; i += 10)
        client_send_n(&c, "x LOGOUT\r\n", i == 100 ? 1 : 10);
    client_send(&c, " {12+}\r\ny LOGOUT\r\n\r\n\r\n");
    client_expect(&c, "b NO [TOOBIG] *");
    client_ask(&c, "c NOOP", "c OK *");
    /* one that is swallowed, and then one that waits: it is not asked for */
    client_send(&c, "d CREATE {101+}\r\n");
    send_many(&c, 'x', 101);
    client_send(&c, " {5}\r\n");
    client_expect(&c, "d NO [TOOBIG] *");
    client_ask(&c, "e NOOP", "e OK *");
    /* the same for a command in the wrong state, and an unknown one */
    client_send(&c, "f FROB {10+}\r\nx LOGOUT\r\n\r\n");
    client_expect(&c, "f BAD *");
    client_send(&c, "g UID STORE 1 FLAGS {10+}\r\nx LOGOUT\r\n\r\n");
    client_expect(&c, "g BAD *");
    client_ask(&c, "h NOOP", "h OK *");
    client_send(&c, "i CREATE {99999999+}\r\n");
    client_expect(&c, "i NO [TOOBIG] *");
    client_expect(&c, "* BYE [TOOBIG] *");
    client_expect_end(&c);
    client_close(&c);
    /* a size that is none */
    client_open_as(&c, &p, "joe");
    client_ask(&c, "a CREATE {99999999999999999999}", "* BYE *");
    client_expect_end(&c);
    client_close(&c);
    pair_stop(&p);
}

static void too_many_bad_commands(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.limits.bad_commands = 5;
    pair_start(&p);
    client_open(&c, &p);
    for (int round = 0; round < 3; round++) { /* in a row: a good one forgives */
        for (int i = 0; i < 4; i++)
            client_ask(&c, "a FROB", "a BAD *");
        client_ask(&c, "a NOOP", "a OK *");
    }
    for (int i = 0; i < 5; i++)
        client_ask(&c, "a FROB", "a BAD *");
    client_expect(&c, "* BYE Too many bad commands");
    client_expect_end(&c);
    client_close(&c);
    pair_stop(&p);
}

static void connections(void **state)
{
    struct pair p;
    struct client c[4];

    pair_init(&p);
    p.config.limits.connections = 3;
    pair_start(&p);
    for (int i = 0; i < 3; i++)
        client_open(&c[i], &p);
    client_open_quiet(&c[3], &p);
    client_expect(&c[3], "* BYE [UNAVAILABLE] *");
    client_expect_end(&c[3]);
    client_close(&c[3]);
    client_ask(&c[0], "a LOGOUT", "* BYE *");
    client_expect(&c[0], "a OK *");
    client_expect_end(&c[0]);
    client_close(&c[0]);
    pair_expect_log(&p, "logged out");
    client_open(&c[0], &p);
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    pair_stop(&p);
}

static void connections_of_an_address(void **state)
{
    struct pair p;
    struct client c[3];

    pair_init(&p);
    p.config.limits.per_address = 2;
    pair_start(&p);
    for (int i = 0; i < 2; i++)
        client_open(&c[i], &p);
    client_open_quiet(&c[2], &p);
    client_expect(&c[2], "* BYE [UNAVAILABLE] *");
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    pair_stop(&p);
}

static void connections_of_a_user(void **state)
{
    struct pair p;
    struct client c[3];

    pair_init(&p);
    p.config.limits.per_user = 2;
    pair_start(&p);
    client_open_as(&c[0], &p, "joe");
    client_open_as(&c[1], &p, "joe");
    client_open(&c[2], &p);
    client_ask(&c[2], "a LOGIN joe secret", "a NO [LIMIT] *");
    client_login(&c[2], "sue");
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    pair_stop(&p);
}

/* However slowly it talks, and whatever it says, who has not logged in has so much time. */
static void no_login_in_time(void **state)
{
    struct pair p;
    struct client c[3];
    struct ph_server_counters count;

    pair_init(&p);
    pair_with_tls(&p);
    p.config.limits.login_seconds = 1;
    pair_start(&p);
    client_open(&c[0], &p);
    client_ask(&c[0], "a NOOP", "a OK *");
    client_open(&c[1], &p);
    client_send(&c[1], "a LOGIN {100}\r\n");
    client_expect(&c[1], "+ OK");
    uint16_t port = p.port;
    p.port = p.tls_port; /* one that never begins its handshake */
    client_open_quiet(&c[2], &p);
    p.port = port;
    client_expect(&c[0], "* BYE [UNAVAILABLE] *");
    client_expect_end(&c[0]);
    client_expect(&c[1], "* BYE [UNAVAILABLE] *");
    client_expect_end(&c[1]);
    pair_expect_log(&p, "not logged in: no login for too long");
    ph_server_count(p.server, &count);
    assert_true(count.timeouts >= 2);
    for (int i = 0; i < 3; i++)
        client_close(&c[i]);
    pair_stop(&p);
}

static void idle_too_long(void **state)
{
    struct pair p;
    struct client c[3];

    pair_init(&p);
    p.config.limits.idle_seconds = 1;
    pair_start(&p);
    for (int i = 0; i < 3; i++)
        client_open_as(&c[i], &p, "joe");
    client_ask(&c[1], "a IDLE", "+ *");
    client_send(&c[2], "a CREATE {5}\r\n");
    client_expect(&c[2], "+ *");
    for (int i = 0; i < 3; i++) {
        client_expect(&c[i], "* BYE Autologout*");
        client_expect_end(&c[i]);
        client_close(&c[i]);
    }
    pair_expect_log(&p, "no command for too long");
    pair_stop(&p);
}

static int say_much(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                    struct ph_err *err)
{
    char line[1000];

    memset(line, 'x', sizeof line);
    for (unsigned long i = strtoul(args[0].p, NULL, 10); i > 0; i--)
        if (ph_server_untagged(c, line, sizeof line))
            return ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "gone");
    return 0;
}

/* A running command waits for its client only while that takes something; the queue of an unsent answer is bounded. */
static void takes_nothing(void **state)
{
    struct ph_server_command much = { .name = "XMUCH", .states = 1u << PH_ST_AUTHENTICATED, .shape = "number",
                                    .run = say_much };
    struct pair p;
    struct client c;
    struct ph_err err;
    int small = 32768;

    pair_init(&p);
    assert_int_equal(ph_server_new(&p.config, &p.server, &err), 0);
    assert_int_equal(ph_server_add_command(p.server, &much, &err), 0);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "a XMUCH 20000", "* xxxx*");
    assert_int_equal(client_until(&c, "a OK *"), 19999);
    client_close(&c);
    client_open_as(&c, &p, "joe");
    setsockopt(c.stream->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small); /* else the kernel makes room now and then */
    client_send(&c, "a XMUCH 1000000\r\n");
    pair_expect_log(&p, "the client takes its answers too slowly");
    client_close(&c);
    pair_stop(&p);
}

/* Commands are not run for somebody who takes no answers. */
static void queue_is_bounded(void **state)
{
    struct pair p;
    struct client c;
    struct ph_server_counters before, count;
    struct ph_err err;
    int small = 4096;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    setsockopt(c.stream->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ph_server_count(p.server, &before);
    size_t sent = 0;
    while (sent < 400000) { /* the server stops reading some time */
        ssize_t n = ph_stream_write(c.stream, "a CAPABILITY\r\n", 14, &err);
        if (n == 14)
            sent++;
        else if (n == PH_AGAIN && !ph_stream_wait(c.stream, c.stream->ops->want_write(c.stream), ph_deadline_in(500), NULL, &err))
            continue;
        else
            break;
    }
    assert_true(sent < 400000);
    ph_server_count(p.server, &count);
    assert_true(count.commands - before.commands < sent);
    client_close(&c);
    pair_stop(&p);
}

static void many_literals(void **state)
{
    struct pair p;
    struct client c;
    struct ph_buf b = PH_BUF_INIT;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    ph_buf_add_z(&b, "a ENABLE");
    for (int i = 0; i < 4097; i++)
        ph_buf_add_z(&b, " {1+}\r\nx");
    client_send_n(&c, ph_buf_data(&b), ph_buf_len(&b));
    ph_buf_done(&b);
    client_expect(&c, "* BYE *literals*");
    client_expect_end(&c);
    client_close(&c);
    pair_stop(&p);
}

static void deep_lists(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_send(&c, "a ID ");
    send_many(&c, '(', 60000);
    client_send(&c, "\r\n");
    client_expect(&c, "a BAD *");
    client_ask(&c, "b NOOP", "b OK *");
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_line),
        cmocka_unit_test(literal_before_login),
        cmocka_unit_test(literal_after_login),
        cmocka_unit_test(too_many_bad_commands),
        cmocka_unit_test(connections),
        cmocka_unit_test(connections_of_an_address),
        cmocka_unit_test(connections_of_a_user),
        cmocka_unit_test(no_login_in_time),
        cmocka_unit_test(idle_too_long),
        cmocka_unit_test(takes_nothing),
        cmocka_unit_test(queue_is_bounded),
        cmocka_unit_test(many_literals),
        cmocka_unit_test(deep_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
