/* SORT, THREAD, and ESEARCH in several mailboxes, over every way a store hands out messages; what makes an order is tested with
 * src/mail. And that long commands say so. */
#include "modes.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/private.h"
#include "server/progress.h"

static const char *const mails[] = {
    "From: Zoe <b@example.org>\r\nTo: \"Ann\" <z@example.org>\r\nCc: m@example.org\r\nSubject: Re: pears\r\n"
    "Date: Wed, 7 Feb 2024 12:00:00 +0000\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n\r\nx\r\n",
    "From: Ann <c@example.org>\r\nTo: Cid <y@example.org>\r\nSubject: Apples\r\nDate: Tue, 6 Feb 2024 12:00:00 +0000\r\n"
    "Message-ID: <9@x>\r\n\r\nlonger than the others\r\n",
    "From: a@example.org\r\nTo: Bea <x@example.org>\r\nCc: k@example.org\r\nSubject: pears\r\nDate: Mon, 5 Feb 2024 12:00:00 +0000\r\n"
    "Message-ID: <1@x>\r\n\r\nxyz\r\n",
    "Subject: pears\r\nMessage-ID: <3@x>\r\nIn-Reply-To: <2@x>\r\n\r\n\r\n", /* no Date: its internal date counts */
};

static void deliver_all(struct pair *p)
{
    for (size_t i = 0; i < 4; i++) /* internal dates: 10, 9, 8, 7 February */
        deliver(p, "INBOX", mails[i], strlen(mails[i]), i % 2 ? PH_F_SEEN : 0, 1707566400 - (int64_t)i * 86400);
}

static void ask(struct client *c, const char *command, const char *answer)
{
    char text[256];

    snprintf(text, sizeof text, "t %s", command);
    client_ask(c, text, answer);
    client_expect(c, "t OK *");
}

static void orders(void **state)
{
    for (size_t i = 0; i < N_MODES; i++)
        for (int again = 0; again < 2; again++) {
            struct pair p;
            struct client c;
            mode_init(&p, i);
            deliver_all(&p);
            open_inbox(&p, &c);
            if (again) { /* structures are kept now, where they can be */
                client_send(&c, "s FETCH 1:* BODYSTRUCTURE\r\n");
                client_until(&c, "s OK *");
            }
            ask(&c, "SORT (ARRIVAL) UTF-8 ALL", "* SORT 4 3 2 1");
            ask(&c, "SORT (REVERSE ARRIVAL) UTF-8 ALL", "* SORT 1 2 3 4");
            ask(&c, "SORT (DATE) US-ASCII ALL", "* SORT 3 2 1 4"); /* 5, 6 February, and 7 February 12:00 twice: as they are in the mailbox */
            ask(&c, "SORT (SUBJECT ARRIVAL) UTF-8 ALL", "* SORT 2 4 3 1");
            ask(&c, "SORT (FROM) UTF-8 ALL", "* SORT 4 3 1 2"); /* "", a, b, c */
            ask(&c, "SORT (TO) UTF-8 ALL", "* SORT 4 3 2 1");
            ask(&c, "SORT (CC REVERSE SIZE) UTF-8 ALL", "* SORT 2 4 3 1");
            ask(&c, "SORT (DISPLAYFROM) UTF-8 ALL", "* SORT 4 3 2 1"); /* "", a@example.org, Ann, Zoe */
            ask(&c, "SORT (DISPLAYTO) UTF-8 ALL", "* SORT 4 1 3 2"); /* "", Ann, Bea, Cid */
            ask(&c, "UID SORT (SUBJECT) UTF-8 SEEN", "* SORT 2 4");
            ask(&c, "SORT (SUBJECT) UTF-8 FROM nobody", "* SORT");
            /* RFC 5267 3.1: MIN and MAX are of the order */
            ask(&c, "SORT RETURN (MIN MAX COUNT) (DISPLAYTO) UTF-8 ALL", "* ESEARCH (TAG \"t\") MIN 4 MAX 2 COUNT 4");
            ask(&c, "UID SORT RETURN () (REVERSE ARRIVAL) UTF-8 ALL", "* ESEARCH (TAG \"t\") UID ALL 1:4");
            ask(&c, "UID SORT RETURN (ALL) (ARRIVAL) UTF-8 ALL", "* ESEARCH (TAG \"t\") UID ALL 4,3,2,1");
            ask(&c, "UID SORT RETURN (PARTIAL -1:-2) (ARRIVAL) UTF-8 ALL", "* ESEARCH (TAG \"t\") UID PARTIAL (-1:-2 2,1)");
            ask(&c, "SORT RETURN (PARTIAL 5:6) (ARRIVAL) UTF-8 ALL", "* ESEARCH (TAG \"t\") PARTIAL (5:6 NIL)");
            ask(&c, "SORT RETURN (COUNT) (ARRIVAL) UTF-8 FROM nobody", "* ESEARCH (TAG \"t\") COUNT 0");
            client_ask(&c, "v SORT RETURN (SAVE MIN) (ARRIVAL) UTF-8 ALL", "* ESEARCH (TAG \"v\") MIN 4");
            client_expect(&c, "v OK *");
            ask(&c, "SEARCH $", "* SEARCH 4");
            client_ask(&c, "w SORT (ARRIVAL) UTF-8 MODSEQ 4", "* OK [HIGHESTMODSEQ *");
            client_expect(&c, "* SORT 4 3 (MODSEQ 5)");
            client_expect(&c, "w OK *");
            client_ask(&c, "x SORT (ARRIVAL) KLINGON ALL", "x NO [BADCHARSET*");
            close_all(&p, &c);
        }
}

static void threads(void **state)
{
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        deliver_all(&p);
        open_inbox(&p, &c);
        ask(&c, "THREAD REFERENCES UTF-8 ALL", "* THREAD (3 1 4)(2)");
        ask(&c, "UID THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD (3 (*)(*))(2)");
        ask(&c, "THREAD REFERENCES UTF-8 UNSEEN", "* THREAD (3 1)");
        ask(&c, "THREAD REFERENCES UTF-8 FROM nobody", "* THREAD");
        client_ask(&c, "x THREAD FROB UTF-8 ALL", "x BAD *");
        close_all(&p, &c);
    }
}

/* RFC 7377. */
static void mailboxes(void **state)
{
    struct pair p;
    struct client c;
    struct ph_store *st;

    pair_init(&p);
    deliver_all(&p);
    st = pair_store(&p, "joe");
    ph_memory_folder(st, "folder1", 0);
    ph_memory_folder(st, "folder2", 0);
    ph_memory_folder(st, "folder2/banana", 0);
    ph_memory_folder(st, "folder2/banana/split", 0);
    ph_memory_folder(st, "folder20", 0);
    ph_memory_folder(st, "secret", 0);
    for (int k = 0; k < 2; k++) {
        pair_deliver(&p, "joe", "folder1", "chad");
        pair_deliver(&p, "joe", "folder2/banana", k ? "chad" : "other");
        pair_deliver(&p, "joe", "folder2/banana/split", "chad");
        pair_deliver(&p, "joe", "folder20", "chad");
        pair_deliver(&p, "joe", "secret", "chad");
    }
    assert_int_equal(ph_memory_set_acl(st, "secret", "joe", "lx"), 0);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "a ESEARCH SUBJECT chad", "a BAD *"); /* nothing is selected */
    client_ask(&c, "b ESEARCH IN (selected) SUBJECT chad", "b BAD *");
    client_ask(&c, "c ESEARCH IN (mailboxes (folder1 secret nonesuch folder1)) SUBJECT chad",
               "* ESEARCH (TAG \"c\" MAILBOX folder1 UIDVALIDITY *) UID ALL 1:2");
    client_expect(&c, "c OK *");
    client_ask(&c, "d ESEARCH IN (subtree folder2) SUBJECT chad",
               "* ESEARCH (TAG \"d\" MAILBOX folder2/banana UIDVALIDITY *) UID ALL 2");
    client_expect(&c, "* ESEARCH (TAG \"d\" MAILBOX folder2/banana/split UIDVALIDITY *) UID ALL 1:2");
    client_expect(&c, "d OK *");
    client_ask(&c, "e ESEARCH IN (subtree-one folder2) RETURN (MIN COUNT) SUBJECT chad",
               "* ESEARCH (TAG \"e\" MAILBOX folder2/banana UIDVALIDITY *) UID MIN 2 COUNT 1");
    client_expect(&c, "e OK *");
    client_select(&c, "INBOX");
    client_ask(&c, "f ESEARCH UNSEEN", "* ESEARCH (TAG \"f\" MAILBOX INBOX UIDVALIDITY *) UID ALL 1,3");
    client_expect(&c, "f OK *");
    client_ask(&c, "g ESEARCH IN (personal) RETURN (COUNT) SUBJECT e", "* ESEARCH (TAG \"g\" MAILBOX *");
    assert_true(client_until(&c, "g OK *") >= 1);
    client_ask(&c, "h ESEARCH IN (mailboxes folder1) RETURN (SAVE) ALL", "h BAD *");
    client_ask(&c, "i ESEARCH IN (selected) RETURN (SAVE) SEEN", "i OK *");
    client_ask(&c, "j SEARCH $", "* SEARCH 2 4");
    client_expect(&c, "j OK *");
    client_ask(&c, "k FETCH 2 FLAGS", "* 2 FETCH (FLAGS (\\Seen*))"); /* the selected mailbox is still INBOX */
    client_expect(&c, "k OK *");
    client_ask(&c, "l ESEARCH IN (mailboxes folder1) BODY nowhere", "l OK *");
    client_ask(&c, "m ESEARCH IN (mailboxes folder1) MODSEQ 3", "* ESEARCH (TAG \"m\" MAILBOX folder1 *) UID ALL 2 MODSEQ 3");
    client_expect(&c, "m OK *");
    close_all(&p, &c);
}

/* RFC 9585 4: every ten seconds, the tag where it may stand there, never the goal itself. */
static void progress(void **state)
{
    struct ph_server srv = { 0 };
    struct session s = { .server = &srv, .fd = -1, .no_wait = true };
    struct progress p;
    int fd[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    s.stream = ph_fd_stream_new(fd[0]);
    assert_non_null(s.stream);
    s.fd = fd[0];
    ph_writer_init(&s.w, PH_LITERAL_ANSWER);
    progress_begin(&p, &s, PH_STR("A001"), 1000);
    char got[256];
    for (int64_t now = 1000; now <= 22000; now += 500)
        assert_int_equal(progress_at(&p, now, now == 11000 ? 454 : 1000, 1000, NULL), 0);
    ssize_t n = read(fd[1], got, sizeof got - 1);
    assert_true(n > 0);
    got[n] = 0;
    assert_true(pair_matches("* OK [INPROGRESS (\"A001\" 454 1000)] *\r\n* OK [INPROGRESS (\"A001\" 1000 NIL)] *\r\n", got));
    progress_begin(&p, &s, PH_STR("a]b"), 0);
    assert_int_equal(progress_at(&p, 10000, 1, 2, NULL), 0);
    n = read(fd[1], got, sizeof got - 1);
    got[n] = 0;
    assert_true(pair_matches("* OK [INPROGRESS] *\r\n", got));
    close(fd[1]); /* nobody is there any more */
    assert_int_equal(progress_at(&p, 10500, 1, 2, NULL), 0); /* looked at once a second */
    assert_int_equal(progress_at(&p, 11500, 1, 2, NULL), -1);
    ph_stream_free(s.stream);
    ph_writer_done(&s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders), cmocka_unit_test(threads), cmocka_unit_test(mailboxes), cmocka_unit_test(progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
