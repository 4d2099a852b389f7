/* The limits of what a client may say about the account: identifiers, entries, values, names to be watched. */
#include <stdlib.h>
#include <string.h>

#include "script.h"

static void begin(struct pair *p, struct client *c)
{
    pair_init(p);
    p->options.metadata_size = 1 << 20;
    pair_start(p);
    client_open_as(c, p, "fred");
}

static void end(struct pair *p, struct client *c)
{
    client_close(c);
    pair_stop(p);
}

static void send_many(struct client *c, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        client_send(c, text);
}

static void test_identifier(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    for (size_t n = 1024; n <= 1025; n++) {
        client_send(&c, "a SETACL INBOX ");
        send_many(&c, "x", n);
        client_send(&c, " lr\r\n");
        client_expect(&c, n <= 1024 ? "a OK *" : "a BAD *");
    }
    client_ask(&c, "b SETACL INBOX - lr", "b BAD *");
    client_ask(&c, "c LISTRIGHTS INBOX \"a\tb\"", "c BAD *");
    client_ask(&c, "d DELETEACL INBOX \"\"", "d BAD *");
    end(&p, &c);
}

static void test_value(void **state)
{
    struct pair p;
    struct client c;
    char *value = malloc(65537);

    memset(value, 'v', 65537);
    begin(&p, &c);
    client_send(&c, "a SETMETADATA INBOX (/shared/comment {65537+}\r\n");
    client_send_n(&c, value, 65537);
    client_send(&c, ")\r\n");
    client_expect(&c, "a NO [METADATA MAXSIZE 65536] *");
    client_send(&c, "b SETMETADATA INBOX (/shared/comment {65536+}\r\n");
    client_send_n(&c, value, 65536);
    client_send(&c, ")\r\n");
    client_expect(&c, "b OK *");
    client_ask(&c, "c GETMETADATA INBOX (MAXSIZE 65535) /shared/comment", "c OK [METADATA LONGENTRIES 65536] *");
    client_ask(&c, "d GETMETADATA INBOX (MAXSIZE 65536) /shared/comment", "* METADATA INBOX (/shared/comment {65536}");
    client_expect_octets(&c, value, 65536);
    client_expect(&c, ")");
    client_expect(&c, "d OK *");
    free(value);
    end(&p, &c);
}

static void test_entries(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    for (size_t n = 999; n <= 1000; n++) {
        client_send(&c, "a GETMETADATA INBOX (/shared/comment");
        send_many(&c, " /shared/x", n);
        client_send(&c, ")\r\n");
        if (n == 999)
            client_until(&c, "a OK *");
        else
            client_expect(&c, "a NO [LIMIT] *");
    }
    end(&p, &c);
}

static void test_watched_names(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    for (size_t n = 1000; n <= 1001; n++) {
        client_send(&c, "a NOTIFY SET (MAILBOXES (");
        send_many(&c, n == 1000 ? "a " : "b ", n - 1);
        client_send(&c, "INBOX) (MessageNew MessageExpunge))\r\n");
        client_expect(&c, n <= 1000 ? "a OK *" : "a NO [NOTIFICATIONOVERFLOW] *");
    }
    pair_deliver(&p, "fred", "INBOX", "one"); /* what was refused changed nothing */
    client_expect(&c, "* STATUS INBOX (*)");
    end(&p, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identifier),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_watched_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
