/* What a session is told of what others and it itself have done: APPENDs that wait together, a store that is lost, and the
 * mod-sequences of RFC 7162.
 */
#include "pair.h"

#include <stdio.h>

static void select_as(struct client *c, struct pair *p)
{
    client_open_as(c, p, "joe");
    client_select(c, "INBOX");
}

/* Answers to pipelined APPENDs come in order; a refused one leaves the others alone. */
static void pipelined_appends(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    select_as(&c, &p);
    client_send(&c, "a APPEND INBOX {3+}\r\none\r\nb APPEND Nowhere {3+}\r\ntwo\r\nc APPEND INBOX {5+}\r\nthree\r\n"
                    "d NOOP\r\ne APPEND INBOX {4}\r\n");
    client_until(&c, "a OK [APPENDUID * 1]*");
    client_until(&c, "b NO [TRYCREATE]*");
    client_until(&c, "c OK [APPENDUID * 2]*");
    client_until(&c, "d OK *");
    client_expect(&c, "+ *");
    client_send(&c, "four\r\n");
    client_until(&c, "e OK [APPENDUID * 3]*");
    client_ask(&c, "f FETCH 2 RFC822.SIZE", "* 2 FETCH (RFC822.SIZE 5)");
    client_close(&c);
    pair_stop(&p);
}

/* A CATENATE that is refused at its end leaves nothing for the next APPEND. */
static void refused_at_the_end(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    select_as(&c, &p);
    client_ask(&c, "a APPEND INBOX CATENATE (URL \"/INBOX/;UID=77\")", "a NO [BADURL /INBOX/;UID=77]*");
    client_send(&c, "b APPEND INBOX CATENATE (TEXT {2+}\r\nab TEXT {2+}\r\ncd) {3+}\r\nxyz\r\n");
    client_until(&c, "b OK [APPENDUID * 1:2]*");
    client_ask(&c, "c FETCH 1:2 RFC822.SIZE", "* 1 FETCH (RFC822.SIZE 4)");
    client_expect(&c, "* 2 FETCH (RFC822.SIZE 3)");
    client_close(&c);
    pair_stop(&p);
}

/* The store breaks while APPENDs wait for it: those that are in are said to be; of the others nobody knows, which is not a NO. */
static void store_is_lost(void **state)
{
    struct pair p;
    struct client c, again;
    struct ph_memory_fault cut = { .kind = PH_MF_CUT_IN, .skip = 1, .times = 1 };

    pair_init(&p);
    pair_start(&p);
    assert_int_equal(ph_memory_fault(pair_store(&p, "joe"), &cut), 0);
    select_as(&c, &p);
    client_send(&c, "a APPEND INBOX {3+}\r\none\r\nb APPEND INBOX {3+}\r\ntwo\r\nc APPEND INBOX {3+}\r\nsix\r\n");
    client_until(&c, "a OK [APPENDUID * 1]*");
    client_until(&c, "* BYE [UNAVAILABLE]*");
    client_expect_end(&c);
    client_close(&c);
    client_open_as(&again, &p, "joe"); /* and the server is well */
    client_select(&again, "INBOX");
    client_close(&again);
    pair_stop(&p);
}

/* RFC 7162 3.2: what a client may keep as the highest mod-sequence while it has not been told of an expunge. */
static void held_back_expunge(void **state)
{
    struct pair p;
    struct client c, other;

    pair_init(&p);
    for (int i = 0; i < 3; i++)
        pair_deliver(&p, "joe", "INBOX", "m");
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "q ENABLE QRESYNC", "* ENABLED QRESYNC");
    client_until(&c, "q OK *");
    client_select(&c, "INBOX");
    select_as(&other, &p);
    client_send(&other, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\n");
    client_until(&other, "b OK *");
    client_send(&c, "c STORE 3 +FLAGS (\\Flagged)\r\n");
    client_until(&c, "* 3 FETCH (UID 3 *MODSEQ *");
    client_until(&c, "* OK [HIGHESTMODSEQ *");
    client_until(&c, "c OK *");
    client_send(&c, "d NOOP\r\n");
    client_until(&c, "* VANISHED 1");
    client_expect(&c, "d OK *");
    client_close(&c);
    client_close(&other);
    pair_stop(&p);
}

/* RFC 7162 3.2.8: CLOSE says nothing of a mod-sequence; others may have changed something before it. */
static void close_has_no_modseq(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_deliver(&p, "joe", "INBOX", "m");
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "q ENABLE QRESYNC", "* ENABLED QRESYNC");
    client_until(&c, "q OK *");
    client_select(&c, "INBOX");
    client_send(&c, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
    client_until(&c, "a OK *");
    client_ask(&c, "b CLOSE", "b OK CLOSE completed");
    client_close(&c);
    pair_stop(&p);
}

static void gone_before_the_copy(void **state)
{
    struct pair p;
    struct client c, other;

    pair_init(&p);
    pair_deliver(&p, "joe", "INBOX", "m");
    pair_start(&p);
    select_as(&c, &p);
    select_as(&other, &p);
    client_send(&other, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\n");
    client_until(&other, "b OK *");
    client_send(&c, "c COPY 1 INBOX\r\n");
    client_until(&c, "c NO [EXPUNGEISSUED]*");
    client_ask(&c, "d COPY 1:* Nowhere", "d OK *"); /* nothing is left to copy */
    client_close(&c);
    client_close(&other);
    pair_stop(&p);
}

/* Keywords are told to every session of a mailbox: there is an end to them. */
static void keywords_have_a_limit(void **state)
{
    struct pair p;
    struct client c;
    char line[64];

    pair_init(&p);
    pair_deliver(&p, "joe", "INBOX", "m");
    pair_start(&p);
    select_as(&c, &p);
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "k%d STORE 1 FLAGS.SILENT (w%d)\r\n", i, i);
        client_send(&c, line);
        snprintf(line, sizeof line, "k%d OK *", i);
        client_until(&c, line);
    }
    client_send(&c, "a STORE 1 FLAGS (onemore)\r\n");
    client_until(&c, "a NO [LIMIT]*");
    client_send(&c, "b STORE 1 FLAGS (w5)\r\n");
    client_until(&c, "* 1 FETCH (FLAGS (*w5*))");
    client_until(&c, "b OK *");
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_appends),     cmocka_unit_test(refused_at_the_end),
        cmocka_unit_test(store_is_lost),         cmocka_unit_test(held_back_expunge),
        cmocka_unit_test(close_has_no_modseq),   cmocka_unit_test(gone_before_the_copy),
        cmocka_unit_test(keywords_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
