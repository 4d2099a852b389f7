/* The life of a connection: greeting, states, commands whole and in pieces, and how it ends. */
#include "pair.h"

#include <string.h>
#include <sys/socket.h>

static void greeting_and_states(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_deliver(&p, "joe", "INBOX", "one");
    pair_start(&p);
    client_open(&c, &p);
    client_ask(&c, "a1 CAPABILITY", "* CAPABILITY *IMAP4rev1 *AUTH=PLAIN*");
    client_expect(&c, "a1 OK *");
    client_ask(&c, "a2 SELECT INBOX", "a2 BAD Log in first");
    client_ask(&c, "a3 NOOP", "a3 OK *");
    client_ask(&c, "a4 LOGIN joe wrong", "a4 NO [AUTHENTICATIONFAILED] *");
    client_ask(&c, "a5 LOGIN joe secret", "a5 OK [CAPABILITY *IDLE*] *");
    client_ask(&c, "a6 LOGIN joe secret", "a6 BAD Not after login");
    client_ask(&c, "a7 CHECK", "a7 BAD Select a mailbox first");
    client_select(&c, "INBOX");
    client_ask(&c, "a8 CHECK", "a8 OK *");
    client_ask(&c, "a9 UNSELECT", "a9 OK *");
    client_ask(&c, "b1 CHECK", "b1 BAD *");
    client_ask(&c, "b2 FROB", "b2 BAD *");
    client_ask(&c, "NOOP", "* BAD *");
    client_ask(&c, "b3 ID (\"name\" \"test\")", "* ID (\"name\" \"Posthaste\" \"version\" \"*\")");
    client_expect(&c, "b3 OK *");
    client_ask(&c, "b4 LOGOUT", "* BYE *");
    client_expect(&c, "b4 OK *");
    client_expect_end(&c);
    pair_expect_log(&p, "user joe: logged out");
    client_close(&c);
    pair_stop(&p);
}

static const char script[] = "a LOGIN {3}\r\njoe {6+}\r\nsecret\r\n"
                             "b SELECT INBOX\r\n"
                             "c STORE 1 +FLAGS.SILENT (\\Seen)\r\n"
                             "d LOGOUT\r\n";

static void expect_script(struct client *c)
{
    client_expect(c, "+ OK");
    client_expect(c, "a OK *");
    client_until(c, "b OK [READ-WRITE] *");
    client_until(c, "c OK *");
    client_expect(c, "* BYE *");
    client_expect(c, "d OK *");
    client_expect_end(c);
}

/* However the octets are cut, the answers are the same. */
static void cut_anywhere(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_deliver(&p, "joe", "INBOX", "one");
    pair_start(&p);
    client_open(&c, &p);
    for (size_t i = 0; i < sizeof script - 1; i++)
        client_send_n(&c, script + i, 1);
    expect_script(&c);
    client_close(&c);
    for (size_t cut = 1; cut < sizeof script - 1; cut += 3) {
        client_open(&c, &p);
        client_send_n(&c, script, cut);
        client_hears(&c, 1);
        client_send_n(&c, script + cut, sizeof script - 1 - cut);
        expect_script(&c);
        client_close(&c);
    }
    pair_stop(&p);
}

/* A client that closes its half of the connection gets the answers to what it sent. */
static void half_closed(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open(&c, &p);
    client_send(&c, "a LOGIN joe secret\r\nb NOOP\r\n");
    shutdown(c.stream->fd, SHUT_WR);
    client_expect(&c, "a OK *");
    client_expect(&c, "b OK *");
    client_expect_end(&c);
    client_close(&c);
    pair_stop(&p);
}

static void many_pipelined(void **state)
{
    enum { N = 20000 };
    struct pair p;
    struct client c;
    struct ph_buf b = PH_BUF_INIT;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    for (int i = 0; i < N; i++)
        ph_buf_add_z(&b, "a NOOP\r\n");
    /* less than what the server's buffers and ours hold: it answers while we still send */
    for (size_t at = 0; at < ph_buf_len(&b);) {
        size_t n = ph_buf_len(&b) - at < 16000 ? ph_buf_len(&b) - at : 16000;
        client_send_n(&c, ph_buf_data(&b) + at, n);
        at += n;
        for (size_t i = 0; i < n / 8; i++)
            client_expect(&c, "a OK NOOP completed");
    }
    ph_buf_done(&b);
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting_and_states),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(half_closed),
        cmocka_unit_test(many_pipelined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
