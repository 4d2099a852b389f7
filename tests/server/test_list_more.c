/* LIST where names are not ASCII, where there is too much of something, and where the store can do little. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "seed.h"

#ifdef __SANITIZE_THREAD__
#define MANY 10000 /* it is twenty times slower */
#else
#define MANY 100000
#endif

/* RFC 3501 5.1.3, and UTF-8 once it is enabled (RFC 6855, RFC 9051). */
static const struct seed umlauts[] = { { "\303\204pfel", 0 }, { "\303\204pfel/Birnen & Co", 0 }, { "\345\217\260\345\214\227", 0 } };

static void test_names(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, umlauts, sizeof umlauts / sizeof *umlauts);
    play(&c, "C: a1 LIST \"\" \"&A*\"\n"
             "S: a1 OK *\n"
             "C: a2 LIST \"\" \"&AMQ-*\"\n"
             "S: * LIST (\\HasChildren) \"/\" &AMQ-pfel\n"
             "S: * LIST (\\HasNoChildren) \"/\" \"&AMQ-pfel/Birnen &- Co\"\n"
             "S: a2 OK *\n"
             "C: a3 LIST \"&AMQ-pfel/\" \"%\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" \"&AMQ-pfel/Birnen &- Co\"\n"
             "S: a3 OK *\n");
    play(&c, "C: a4 ENABLE UTF8=ACCEPT\n"
             "S: * ENABLED UTF8=ACCEPT\n"
             "S: a4 OK *\n"
             "C: a5 LIST \"\" \"\303\204pfel%\"\n"
             "S: * LIST (\\HasChildren) \"/\" \"\303\204pfel\"\n"
             "S: a5 OK *\n"
             "C: a6 LIST \"\" \"\303\204pfel/%\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" \"\303\204pfel/Birnen & Co\"\n"
             "S: a6 OK *\n");
    stop(&p, &c);
}

static void test_limits(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_send(&c, "a LIST \"\" (");
    for (int i = 0; i < 256; i++)
        client_send(&c, "a* ");
    client_send(&c, "INBOX)\r\n");
    client_expect(&c, "a NO [LIMIT] *");
    client_send(&c, "b LIST \"\" (");
    for (int i = 0; i < 255; i++)
        client_send(&c, "a* ");
    client_send(&c, "INBOX)\r\n");
    client_expect(&c, "* LIST (*) \"/\" INBOX");
    client_expect(&c, "b OK *");
    client_send(&c, "c LIST \"\" ");
    for (int i = 0; i < 8193; i++)
        client_send_n(&c, "*a", 2);
    client_send(&c, "\r\n");
    client_expect(&c, "c NO [LIMIT] *");
    client_send(&c, "d LIST \"\" ");
    for (int i = 0; i < 8192; i++)
        client_send_n(&c, "*a", 2);
    client_send(&c, "\r\n");
    client_expect(&c, "d OK *");
    client_close(&c);
    pair_stop(&p);
}

/* A store that has no rights, status, subscriptions. */
static void test_poor_store(void **state)
{
    static const struct seed few[] = { { "a.b", 0 } };
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options = (struct ph_memory_options){ .serves_not = PH_MS_ALL, .delim = '.', .prefix = "INBOX.",
                                            .without = PH_AB_SUBSCRIBE | PH_AB_STATUS_LIST | PH_AB_OBJECTID };
    start(&p, &c, few, 1);
    play(&c, "C: a LIST \"\" % RETURN (STATUS (MESSAGES MAILBOXID) MYRIGHTS METADATA (/shared/comment))\n"
             "S: * LIST (\\HasNoChildren) \".\" INBOX\n"
             "S: * STATUS INBOX (MESSAGES 0)\n"
             "S: * LIST (\\NonExistent \\HasChildren) \".\" a\n"
             "S: a OK *\n"
             "C: b SUBSCRIBE INBOX\n"
             "S: b NO [CANNOT] *\n"
             "C: c MYRIGHTS INBOX\n"
             "S: c NO [CANNOT] *\n"
             "C: d GETQUOTAROOT INBOX\n"
             "S: d NO [CANNOT] *\n"
             "C: e GETMETADATA INBOX /shared/comment\n"
             "S: e NO [CANNOT] *\n"
             "C: f NAMESPACE\n"
             "S: * NAMESPACE ((\"\" \".\")) NIL NIL\n"
             "S: f OK *\n");
    stop(&p, &c);
}

/* 100,000 mailboxes: all of them and a few of them. */
static void test_many(void **state)
{
    struct pair p;
    struct client c;
    struct timespec began, ended;
    char name[64];

    pair_init(&p);
    pair_start(&p);
    struct ph_store *st = pair_store(&p, "joe");
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "y%03d/m%03d", i / 1000, i % 1000);
        assert_int_equal(ph_memory_folder(st, name, i % 2 ? PH_MA_SUBSCRIBED : 0), 0);
    }
    client_open_as(&c, &p, "joe");
    clock_gettime(CLOCK_MONOTONIC, &began);
    client_send(&c, "a LIST \"\" *\r\nb LIST \"\" %\r\nc LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))\r\n");
    assert_int_equal(client_until(&c, "a OK *"), MANY + 1);
    assert_int_equal(client_until(&c, "b OK *"), MANY / 1000 + 1);
    assert_int_equal(client_until(&c, "c OK *"), MANY / 1000);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true(ended.tv_sec - began.tv_sec < 15);
    client_close(&c);
    pair_stop(&p);
}

/* IMAP4rev2: what its answers have that others do not, and names that are not in Unicode's form C (RFC 9051 5.1, 6.3.9.7): `a` and a
 * combining diaeresis. */
static void test_rev2(void **state)
{
    static const struct seed few[] = { { "deep/one", 0 }, { "o\314\210ld", 0 } };
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, few, 2);
    play(&c, "C: a1 ENABLE IMAP4rev2\n"
             "S: * ENABLED IMAP4rev2\n"
             "S: a1 OK *\n"
             "C: a2 LIST \"\" d%\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" deep\n"
             "S: a2 OK *\n"
             "C: a3 CREATE \"a\314\210b\"\n"
             "S: * LIST () \"/\" \"\303\244b\" (\"OLDNAME\" (\"a\314\210b\"))\n"
             "S: a3 OK *\n"
             "C: a4 LIST \"\" \"\303\244%\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" \"\303\244b\"\n"
             "S: a4 OK *\n"
             "C: a5 STATUS \"a\314\210b\" (MESSAGES)\n" /* found under both names */
             "S: * STATUS \"\303\244b\" (MESSAGES 0)\n"
             "S: a5 OK *\n"
             "C: a6 STATUS \"o\314\210ld\" (MESSAGES)\n" /* the store has it like that */
             "S: * STATUS \"o\314\210ld\" (MESSAGES 0)\n"
             "S: a6 OK *\n"
             "C: a7 RENAME \"a\314\210b\" \"a\314\210c\"\n"
             "S: * LIST () \"/\" \"\303\244c\" (\"OLDNAME\" (\"a\314\210c\"))\n"
             "S: a7 OK *\n"
             "C: a8 DELETE \"a\314\210c\"\n"
             "S: * LIST (\\NonExistent) \"/\" \"\303\244c\" (\"OLDNAME\" (\"a\314\210c\"))\n"
             "S: a8 OK *\n"
             "C: a9 CREATE \"&AMQ-\"\n" /* is what it says, not modified UTF-7 */
             "S: a9 OK *\n"
             "C: b1 LIST \"\" \"&%\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" &AMQ-\n"
             "S: b1 OK *\n"
             "C: b2 CREATE \"bad\377\"\n"
             "S: b2 *\n"
             "C: b3 CREATE next/\n" /* that is no other name */
             "S: b3 OK *\n");
    stop(&p, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_limits), cmocka_unit_test(test_poor_store),
        cmocka_unit_test(test_many),  cmocka_unit_test(test_rev2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
