/* SEARCH: every key, what is told of the result, and that octets are read only where nothing cheaper decides. Expected are the rules of
 * RFC 9051 6.4.4 and of the extensions named. */
#include "modes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY 86400

/* 2024-02-10 12:00 UTC; one a day. */
#define EPOCH (1707566400 + 0 * DAY)

static const struct {
    uint32_t flags;
    const char *keywords;
    int zone_min;
    const char *text;
} mails[] = {
    { PH_F_SEEN, "$Work", 0, "From: Fred Foobar <foobar@blurdybloop.example>\r\nTo: Mooch <mooch@owatagu.example>\r\nSubject: afternoon meeting\r\n"
      "Date: Wed, 7 Feb 2024 21:52:25 -0800\r\nMessage-ID: <1@x>\r\n\r\nHello Joe, do you think we can meet at 3:30 tomorrow?\r\n" },
    { PH_F_ANSWERED | PH_F_SEEN, NULL, 0, "From: Smith <smith@example.org>\r\nCc: Bob <bob@example.org>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n"
      "Date: Sat, 10 Feb 2024 00:30:00 +1400\r\nX-Empty:\r\n\r\nNothing here.\r\n" },
    { PH_F_FLAGGED | PH_F_DELETED, "$work other", 0, "From: Terry <terry@example.org>\r\nBcc: hidden@example.org\r\nSubject: Re: afternoon\r\n\r\n"
      "meet me\r\n" },
    { PH_F_DRAFT, NULL, 0, "Subject: multi\r\nDate: Mon, 12 Feb 2024 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n"
      "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naW5zaWRlIGJhc2U2NA==\r\n--q--\r\n" },
    { 0, NULL, -600, "Subject: late\r\nDate: Tue, 13 Feb 2024 10:00:00 +0000\r\n\r\nzone\r\n" },
};
#define N_MAILS (sizeof mails / sizeof *mails)

static void deliver_all(struct pair *p)
{
    for (size_t i = 0; i < N_MAILS; i++) {
        struct ph_memory_message m = { .p = mails[i].text, .n = strlen(mails[i].text), .flags = mails[i].flags,
                                       .keywords = mails[i].keywords, .epoch = EPOCH + (int64_t)i * DAY, .zone_min = mails[i].zone_min };
        assert_int_not_equal(ph_memory_deliver(pair_store(p, "joe"), "INBOX", &m), 0);
    }
}

static int tag;

static void search(struct client *c, const char *program, const char *found)
{
    char text[512], line[256];

    snprintf(text, sizeof text, "t%d SEARCH %s", ++tag, program);
    snprintf(line, sizeof line, "* SEARCH%s%s", *found ? " " : "", found);
    client_ask(c, text, line);
    snprintf(line, sizeof line, "t%d OK *", tag);
    client_expect(c, line);
}

static void esearch(struct client *c, const char *program, const char *found)
{
    char text[512], line[256];

    snprintf(text, sizeof text, "t%d %s", ++tag, program);
    snprintf(line, sizeof line, "* ESEARCH (TAG \"t%d\")%s", tag, found);
    client_ask(c, text, line);
    snprintf(line, sizeof line, "t%d OK *", tag);
    client_expect(c, line);
}

static void keys(void **state)
{
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        deliver_all(&p);
        open_inbox(&p, &c);
        search(&c, "ALL", "1 2 3 4 5");
        search(&c, "2:3,5", "2 3 5");
        search(&c, "*", "5");
        search(&c, "4:*", "4 5");
        search(&c, "9:*", "5");      /* RFC 9051 9: the order of the two does not matter */
        search(&c, "6:12", "");      /* RFC 7377 2: no error */
        search(&c, "UID 2:3", "2 3");
        search(&c, "NOT UID 2:3 NOT 5", "1 4");
        search(&c, "UIDAFTER 3", "4 5");
        search(&c, "UIDBEFORE 3", "1 2");
        search(&c, "UIDBEFORE 1", "");
        search(&c, "SEEN", "1 2");
        search(&c, "UNSEEN", "3 4 5");
        search(&c, "ANSWERED", "2");
        search(&c, "UNANSWERED FLAGGED", "3");
        search(&c, "DELETED", "3");
        search(&c, "UNDELETED UNDRAFT UNFLAGGED", "1 2 5");
        search(&c, "DRAFT", "4");
        search(&c, "KEYWORD $work", "1 3"); /* flags have no case */
        search(&c, "UNKEYWORD $WORK", "2 4 5");
        search(&c, "KEYWORD oth", "");
        search(&c, "OR KEYWORD other ANSWERED", "2 3");
        search(&c, "RECENT", "1 2 3 4 5");
        search(&c, "NEW", "3 4 5");
        search(&c, "OLD", "");
        search(&c, "NOT (SEEN OR 1 2)", "3 4 5");
        search(&c, "(OR (OR 1 3) (OR 4 3)) NOT 4", "1 3");
        /* internal dates: 10 to 14 February, the last shown as 14-Feb 02:00 -1000 */
        search(&c, "ON 10-Feb-2024", "1");
        search(&c, "BEFORE 11-Feb-2024", "1");
        search(&c, "SINCE 13-Feb-2024", "4 5");
        search(&c, "SINCE 11-Feb-2024 BEFORE 13-Feb-2024", "2 3");
        /* sent dates, without regard of time and zone: 7, 10, none, 12, 13 */
        search(&c, "SENTON 7-Feb-2024", "1");
        search(&c, "SENTON 10-Feb-2024", "2");
        search(&c, "SENTBEFORE 11-Feb-2024", "1 2");
        search(&c, "SENTSINCE 10-Feb-2024 UNDELETED", "2 4 5");
        search(&c, "NOT SENTSINCE 10-Feb-2024", "1 3");
        /* texts */
        search(&c, "FROM foobar", "1");
        search(&c, "FROM SMITH", "2");
        search(&c, "TO \"mooch@\"", "1");
        search(&c, "CC bob", "2");
        search(&c, "BCC hidden", "3");
        search(&c, "SUBJECT Afternoon", "1 3");
        search(&c, "SUBJECT {5+}\r\ncaf\xc3\xa9", "2");
        search(&c, "CHARSET ISO-8859-1 SUBJECT {4+}\r\ncaf\xe9", "2");
        search(&c, "SUBJECT CAF", "2");
        search(&c, "HEADER X-Empty \"\"", "2");
        search(&c, "HEADER X-Empty a", "");
        search(&c, "HEADER Message-ID \"1@x\"", "1");
        search(&c, "BODY meet", "1 3");
        search(&c, "BODY afternoon", "");
        search(&c, "TEXT meet", "1 3");
        search(&c, "TEXT afternoon", "1 3");
        search(&c, "BODY \"inside base64\"", "4");
        search(&c, "NOT TEXT e", "");
        search(&c, "OR FROM terry BODY tomorrow", "1 3");
        search(&c, "NOT OR SUBJECT late BODY e", "");
        search(&c, "UNSEEN OR (SUBJECT multi BODY inside) (SUBJECT late NOT BODY zoom)", "4 5");
        close_all(&p, &c);
    }
}

static void sizes(void **state)
{
    for (size_t i = 0; i < N_MODES; i++)
        for (int estimate = 0; estimate < 2; estimate++) {
            struct pair p;
            struct client c;
            mode_init(&p, i);
            if (estimate) { /* RFC822.SIZE of the store is not to be trusted */
                p.options.without |= PH_AB_EXACT_SIZE;
                p.options.size_error = 100;
            }
            for (int k = 0; k < 4; k++) {
                static const char text[] = "A: b\r\n\r\n0123456789";
                deliver(&p, "INBOX", text, 8 + (size_t)k, 0, 1700000000);
            }
            open_inbox(&p, &c);
            search(&c, "LARGER 9", "3 4"); /* RFC 9051: more than, less than */
            search(&c, "SMALLER 9", "1");
            search(&c, "LARGER 8 SMALLER 11", "2 3");
            client_ask(&c, "s FETCH 4 RFC822.SIZE", "* 4 FETCH (RFC822.SIZE 11)");
            client_expect(&c, "s OK *");
            close_all(&p, &c);
        }
}

/* RFC 5032. */
static void within(void **state)
{
    struct pair p;
    struct client c;
    int64_t now = time(NULL);

    pair_init(&p);
    deliver(&p, "INBOX", "\r\n", 2, 0, now - 7200);
    deliver(&p, "INBOX", "\r\n", 2, 0, now - 60);
    open_inbox(&p, &c);
    search(&c, "YOUNGER 3600", "2");
    search(&c, "OLDER 3600", "1");
    search(&c, "OLDER 30 YOUNGER 86400", "1 2");
    close_all(&p, &c);
}

/* RFC 8474 6, RFC 8514 4.3. */
static void identities(void **state)
{
    struct pair p;
    struct client c;
    char id[64], program[128];

    pair_init(&p);
    p.options.now = 1600000000; /* 13-Sep-2020 */
    deliver_all(&p);
    open_inbox(&p, &c);
    client_ask(&c, "f FETCH 2 EMAILID", "* 2 FETCH (EMAILID (*))");
    assert_int_equal(sscanf(c.line, "* 2 FETCH (EMAILID (%60[^)]", id), 1);
    client_expect(&c, "f OK *");
    snprintf(program, sizeof program, "EMAILID %s", id);
    search(&c, program, "2");
    search(&c, "EMAILID nonesuch", "");
    search(&c, "SAVEDATESUPPORTED 3", "3");
    search(&c, "SAVEDON 13-Sep-2020 1:2", "1 2");
    search(&c, "SAVEDBEFORE 13-Sep-2020", "");
    search(&c, "SAVEDSINCE 14-Sep-2020", "");
    close_all(&p, &c);
    pair_init(&p);
    p.options.serves_not = PH_MS_INFO | PH_MS_SAVEDATE;
    deliver_all(&p);
    open_inbox(&p, &c);
    search(&c, "SAVEDATESUPPORTED", "");
    search(&c, "EMAILID M1", "");
    close_all(&p, &c);
}

/* RFC 4731 3, RFC 5182 2, RFC 9394 3.1 and 3.2. */
static void returns(void **state)
{
    struct pair p;
    struct client c;

    for (size_t i = 0; i < N_MODES; i++) {
        mode_init(&p, i);
        deliver_all(&p);
        ph_memory_remove(pair_store(&p, "joe"), "INBOX", 2); /* UIDs 1 3 4 5 */
        open_inbox(&p, &c);
        esearch(&c, "UID SEARCH RETURN () UNSEEN", " UID ALL 3:5");
        esearch(&c, "SEARCH RETURN () UNSEEN", " ALL 2:4");
        esearch(&c, "UID SEARCH RETURN (MIN) TEXT e", " UID MIN 1");
        esearch(&c, "UID SEARCH RETURN (MAX) TEXT e", " UID MAX 5");
        esearch(&c, "UID SEARCH RETURN (MIN MAX COUNT) TEXT meet", " UID MIN 1 MAX 3 COUNT 2");
        esearch(&c, "SEARCH RETURN (MAX MIN) TEXT meet", " MIN 1 MAX 2");
        esearch(&c, "SEARCH RETURN (COUNT ALL) BODY nowhere", " COUNT 0");
        esearch(&c, "SEARCH RETURN (MIN MAX ALL) BODY nowhere", "");
        esearch(&c, "UID SEARCH RETURN (PARTIAL 1:2) TEXT e", " UID PARTIAL (1:2 1,3)");
        esearch(&c, "UID SEARCH RETURN (PARTIAL -1:-2) TEXT e", " UID PARTIAL (-1:-2 4:5)");
        esearch(&c, "SEARCH RETURN (PARTIAL 3:9 COUNT) TEXT e", " COUNT 4 PARTIAL (3:9 3:4)");
        esearch(&c, "SEARCH RETURN (PARTIAL 5:9) TEXT e", " PARTIAL (5:9 NIL)");
        esearch(&c, "SEARCH RETURN (PARTIAL -5:-9 MIN) TEXT e", " MIN 1 PARTIAL (-5:-9 NIL)");
        client_ask(&c, "b SEARCH RETURN (PARTIAL 1:2 ALL) ALL", "b BAD *");
        close_all(&p, &c);
    }
}

static void saved(struct client *c, const char *command, const char *answer, const char *now)
{
    char text[512];

    snprintf(text, sizeof text, "s1 %s", command);
    client_ask(c, text, *answer ? answer : "s1 OK *");
    if (*answer)
        client_expect(c, "s1 OK *");
    snprintf(text, sizeof text, "* SEARCH%s%s", *now ? " " : "", now);
    client_ask(c, "s2 UID SEARCH $", text);
    client_expect(c, "s2 OK *");
}

/* The table of RFC 5182 2.4 and that of RFC 9394 3.2; 5182 2.1 for what fails. */
static void saving(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    deliver_all(&p);
    open_inbox(&p, &c);
    saved(&c, "SEARCH RETURN (SAVE) UNSEEN", "", "3 4 5");
    saved(&c, "SEARCH RETURN (ALL) SEEN", "* ESEARCH (TAG \"s1\") ALL 1:2", "3 4 5");
    saved(&c, "SEARCH RETURN (SAVE MIN) UNSEEN", "* ESEARCH (TAG \"s1\") MIN 3", "3");
    saved(&c, "SEARCH RETURN (MAX SAVE MIN) UNSEEN", "* ESEARCH (TAG \"s1\") MIN 3 MAX 5", "3 5");
    saved(&c, "SEARCH RETURN (MAX SAVE MIN COUNT) UNSEEN", "* ESEARCH (TAG \"s1\") MIN 3 MAX 5 COUNT 3", "3 4 5");
    saved(&c, "SEARCH RETURN (SAVE PARTIAL 1:2) ALL", "* ESEARCH (TAG \"s1\") PARTIAL (1:2 1:2)", "1 2");
    saved(&c, "SEARCH RETURN (SAVE PARTIAL 1:2 MAX) ALL", "* ESEARCH (TAG \"s1\") MAX 5 PARTIAL (1:2 1:2)", "1 2 5");
    saved(&c, "SEARCH RETURN (SAVE PARTIAL 1:2 COUNT) 1:4", "* ESEARCH (TAG \"s1\") COUNT 4 PARTIAL (1:2 1:2)", "1 2 3 4");
    saved(&c, "UID SEARCH RETURN (SAVE) UID 3:5", "", "3 4 5");
    client_ask(&c, "f FETCH $ UID", "* 3 FETCH (UID 3)");
    client_until(&c, "f OK *");
    search(&c, "OR $ 1", "1 3 4 5");
    search(&c, "NOT $", "1 2");
    client_ask(&c, "g SEARCH RETURN (SAVE) FROB", "g BAD *");
    search(&c, "$", "3 4 5");
    client_ask(&c, "h SEARCH RETURN (SAVE) CHARSET X-UNHEARD-OF BODY x", "h NO [BADCHARSET*");
    search(&c, "$", "");
    close_all(&p, &c);
}

/* RFC 7162 3.1.5, 3.1.6. */
static void mod_sequences(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    deliver_all(&p); /* mod-sequences 2 to 6 */
    open_inbox(&p, &c);
    client_ask(&c, "a SEARCH MODSEQ 4", "* OK [HIGHESTMODSEQ 6] *");
    client_expect(&c, "* SEARCH 3 4 5 (MODSEQ 6)");
    client_expect(&c, "a OK *");
    search(&c, "MODSEQ \"/flags/\\\\draft\" all 5", "4 5 (MODSEQ 6)");
    search(&c, "OR MODSEQ 100 2", "2 (MODSEQ 3)");
    search(&c, "MODSEQ 100", "");
    esearch(&c, "SEARCH RETURN (MIN) MODSEQ 4", " MIN 3 MODSEQ 4");
    esearch(&c, "SEARCH RETURN (MAX) 1:3 MODSEQ 1", " MAX 3 MODSEQ 4");
    esearch(&c, "SEARCH RETURN (MIN MAX) 1:3 MODSEQ 1", " MIN 1 MAX 3 MODSEQ 4");
    esearch(&c, "SEARCH RETURN (COUNT) 1:3 MODSEQ 1", " COUNT 3 MODSEQ 4");
    close_all(&p, &c);
    pair_init(&p);
    p.options.without = PH_AB_MODSEQ | PH_AB_QRESYNC;
    deliver_all(&p);
    open_inbox(&p, &c);
    client_ask(&c, "b SEARCH MODSEQ 4", "b BAD *");
    close_all(&p, &c);
}

/* RFC 9738: the last messages are searched; RFC 9586: no message numbers; RFC 9051: ESEARCH for IMAP4rev2. */
static void limits_and_modes(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.limits.messages = 2;
    deliver_all(&p);
    open_inbox(&p, &c);
    client_ask(&c, "a UID SEARCH ALL", "* SEARCH 4 5");
    client_expect(&c, "a OK [MESSAGELIMIT 2 4] *");
    client_ask(&c, "b UID SEARCH RETURN (SAVE) 1:3", "b OK [MESSAGELIMIT 2 2] *");
    client_ask(&c, "c UID SEARCH $", "* SEARCH 2 3");
    client_expect(&c, "c OK SEARCH completed");
    client_ask(&c, "d UID SEARCH UID 1:2", "* SEARCH 1 2");
    client_expect(&c, "d OK SEARCH completed");
    client_ask(&c, "e SORT (SUBJECT) UTF-8 ALL", "e NO [MESSAGELIMIT 2] *");
    client_ask(&c, "f THREAD REFERENCES UTF-8 ALL", "f NO [MESSAGELIMIT 2] *");
    client_ask(&c, "g ENABLE UIDONLY", "* ENABLED UIDONLY");
    client_expect(&c, "g OK *");
    client_ask(&c, "h SEARCH ALL", "h BAD [UIDREQUIRED] *");
    client_ask(&c, "i UID SEARCH 1:2", "i BAD [UIDREQUIRED] *");
    client_ask(&c, "j SORT (SUBJECT) UTF-8 ALL", "j BAD [UIDREQUIRED] *");
    client_ask(&c, "k THREAD REFERENCES UTF-8 ALL", "k BAD [UIDREQUIRED] *");
    client_ask(&c, "l UID SEARCH UID 1:2", "* SEARCH 1 2");
    client_expect(&c, "l OK *");
    close_all(&p, &c);
}

/* What is cheap decides first: no body is read that need not be. */
static void reads_little(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.serves_not = PH_MS_BODY | PH_MS_CACHE;
    deliver_all(&p);
    open_inbox(&p, &c);
    uint64_t before = ph_memory_ops(pair_store(&p, "joe"), "body");
    search(&c, "SEEN BODY meet ANSWERED", "");
    assert_int_equal(ph_memory_ops(pair_store(&p, "joe"), "body") - before, 1); /* only the second is both */
    search(&c, "OR SEEN BODY meet UID 1:2", "1 2");
    search(&c, "BODY meet SINCE 1-Jan-2030", "");
    search(&c, "FROM x LARGER 100000", "");
    assert_int_equal(ph_memory_ops(pair_store(&p, "joe"), "body") - before, 1);
    close_all(&p, &c);
}

/* RFC 9051 6.4.4.4 has UTF-8 by default; RFC 6855 3: no CHARSET after UTF8=ACCEPT. */
static void charsets(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    deliver_all(&p);
    open_inbox(&p, &c);
    client_ask(&c, "a SEARCH CHARSET KLINGON ALL", "a NO [BADCHARSET*");
    search(&c, "CHARSET utf-8 SUBJECT late", "5");
    search(&c, "CHARSET US-ASCII SUBJECT late", "5");
    client_ask(&c, "b ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT");
    client_expect(&c, "b OK *");
    client_ask(&c, "c SEARCH CHARSET UTF-8 SUBJECT late", "c BAD *");
    search(&c, "SUBJECT \"caf\xc3\xa9\"", "2");
    close_all(&p, &c);
}

static void many(void **state)
{
    struct pair p;
    struct client c;
    char text[64];

    for (size_t i = 0; i < N_MODES; i++) {
        mode_init(&p, i);
        for (int k = 0; k < 9000; k++) {
            snprintf(text, sizeof text, "Subject: number %d\r\n\r\nbody\r\n", k);
            deliver(&p, "INBOX", text, strlen(text), k % 2 ? PH_F_SEEN : 0, 1700000000 + k);
        }
        open_inbox(&p, &c);
        esearch(&c, "SEARCH RETURN (COUNT MIN MAX) SUBJECT 77", " MIN 78 MAX 8978 COUNT 261");
        esearch(&c, "SEARCH RETURN (MAX) SEEN SUBJECT 77", " MAX 8978");
        esearch(&c, "SEARCH RETURN (MIN) NOT SUBJECT number BODY b", "");
        esearch(&c, "SEARCH RETURN (PARTIAL -2:-1) BODY body SUBJECT \"r 4\"", " PARTIAL (-2:-1 4999:5000)");
        esearch(&c, "SEARCH RETURN (COUNT) UNSEEN", " COUNT 4500");
        close_all(&p, &c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys), cmocka_unit_test(sizes), cmocka_unit_test(within), cmocka_unit_test(identities),
        cmocka_unit_test(returns), cmocka_unit_test(saving), cmocka_unit_test(mod_sequences), cmocka_unit_test(limits_and_modes),
        cmocka_unit_test(reads_little), cmocka_unit_test(charsets), cmocka_unit_test(many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
