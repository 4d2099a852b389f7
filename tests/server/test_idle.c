/* IDLE, and being told what others did. */
#include "pair.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void told_while_idling(void **state)
{
    struct pair p;
    struct client c, other;
    struct ph_server_counters count;

    pair_init(&p);
    pair_deliver(&p, "joe", "INBOX", "one");
    pair_deliver(&p, "joe", "INBOX", "two");
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_select(&c, "INBOX");
    client_open_as(&other, &p, "joe");
    client_select(&other, "INBOX");
    client_ask(&c, "i IDLE", "+ *");
    ph_server_count(p.server, &count);
    assert_int_equal(count.idling, 1);
    assert_int_equal(count.logged_in, 2);
    client_ask(&other, "a STORE 1 +FLAGS (\\Flagged)", "* 1 FETCH (*");
    client_expect(&other, "a OK *");
    client_expect(&c, "* 1 FETCH (*\\Flagged*)");
    pair_deliver(&p, "joe", "INBOX", "three");
    client_expect(&c, "* 3 EXISTS");
    client_until(&c, "* * RECENT");
    client_send(&other, "b STORE 2 +FLAGS.SILENT (\\Deleted)\r\nc EXPUNGE\r\n");
    client_until(&other, "c OK *");
    client_until(&c, "* 2 EXPUNGE");
    client_ask(&c, "DONE", "i OK *");
    ph_server_count(p.server, &count);
    assert_int_equal(count.idling, 0);
    /* afterwards nothing is told unasked, but with the next command */
    pair_deliver(&p, "joe", "INBOX", "four");
    assert_false(client_hears(&c, 100));
    client_send(&c, "n NOOP\r\n");
    assert_true(client_until(&c, "n OK *") >= 1);
    client_close(&c);
    client_close(&other);
    pair_stop(&p);
}

static void done_and_what_is_not(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "a IDLE", "+ *");
    client_ask(&c, "done", "a OK *");
    client_ask(&c, "b IDLE", "+ *");
    client_ask(&c, "c NOOP", "b BAD *");
    client_ask(&c, "d NOOP", "d OK *");
    client_send(&c, "e IDLE\r\nDONE\r\nf IDLE\r\nDONE\r\ng NOOP\r\n"); /* without waiting for the `+` */
    client_expect(&c, "+ *");
    client_expect(&c, "e OK *");
    client_expect(&c, "+ *");
    client_expect(&c, "f OK *");
    client_expect(&c, "g OK *");
    client_ask(&c, "h IDLE", "+ *");
    client_close(&c); /* gone without a word */
    pair_expect_log(&p, "user joe: the client closed the connection");
    pair_stop(&p);
}

struct updates {
    struct pair *p;
    char mailbox[64];
};

static void on_update(void *ctx, struct ph_server_conn *c, const char *mailbox)
{
    struct pair *p = ctx;

    pthread_mutex_lock(&p->lock);
    ph_buf_add_z(&p->log, "update of ");
    ph_buf_add_z(&p->log, mailbox);
    ph_buf_add_z(&p->log, "\n");
    pthread_mutex_unlock(&p->lock);
}

static void the_application_hears_of_it(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.calls.idle_update = on_update;
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_select(&c, "INBOX");
    client_ask(&c, "i IDLE", "+ *");
    pair_deliver(&p, "joe", "INBOX", "one");
    client_until(&c, "* 1 EXISTS");
    pair_expect_log(&p, "update of INBOX");
    client_close(&c);
    pair_stop(&p);
}

/* A mailbox that goes away under an idling client ends its session: RFC 9051 has no other way to say so. */
static void mailbox_goes(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    ph_memory_folder(pair_store(&p, "joe"), "Gone", 0);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_select(&c, "Gone");
    client_ask(&c, "i IDLE", "+ *");
    ph_memory_remove_folder(pair_store(&p, "joe"), "Gone");
    client_until(&c, "* BYE *");
    client_expect_end(&c);
    client_close(&c);
    pair_stop(&p);
}

/* Who does not take what it is told holds up nobody, and costs no memory without end. */
static void takes_no_updates(void **state)
{
    struct pair p;
    struct client c, other;
    int small = 32768;
    char line[64];

    pair_init(&p);
    for (int i = 0; i < 300; i++)
        pair_deliver(&p, "joe", "INBOX", "x");
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_select(&c, "INBOX");
    setsockopt(c.stream->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_ask(&c, "i IDLE", "+ *");
    client_open_as(&other, &p, "joe");
    client_select(&other, "INBOX");
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "a STORE 1:300 %cFLAGS.SILENT (\\Flagged)\r\n", i % 2 ? '-' : '+');
        client_send(&other, line);
        client_until(&other, "a OK *");
    }
    client_send(&c, "DONE\r\n"); /* and when it reads again, it is told how things are now */
    client_until(&c, "i OK *");
    client_close(&c);
    client_close(&other);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_while_idling),
        cmocka_unit_test(done_and_what_is_not),
        cmocka_unit_test(the_application_hears_of_it),
        cmocka_unit_test(mailbox_goes),
        cmocka_unit_test(takes_no_updates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
