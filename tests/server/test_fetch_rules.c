/* What FETCH promises beyond the items: \Seen, mod-sequences, ranges, limits, messages that go, stores that fail. */
#include "modes.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char small[] = "Subject: x\r\n\r\nbody\r\n";

static void some(struct pair *p, int n)
{
    for (int i = 0; i < n; i++)
        deliver(p, "INBOX", small, sizeof small - 1, 0, 1700000000 + i);
}

/* RFC 9051 6.4.5: \Seen is set and told in the same answer, once; not by PEEK, not in a mailbox that was examined. */
static void seen(void **state)
{
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        some(&p, 3);
        open_inbox(&p, &c);
        client_ask(&c, "s1 FETCH 1 BODY.PEEK[TEXT]", "* 1 FETCH (BODY[TEXT] {6}");
        client_expect_octets(&c, "body\r\n", 6);
        client_expect(&c, ")");
        client_expect(&c, "s1 OK *");
        client_ask(&c, "s2 FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {6}");
        client_expect_octets(&c, "body\r\n", 6);
        client_expect(&c, " FLAGS (\\Seen \\Recent))");
        client_expect(&c, "s2 OK *");
        client_ask(&c, "s3 FETCH 1 (BODY[TEXT] FLAGS)", "* 1 FETCH (BODY[TEXT] {6}");
        client_expect_octets(&c, "body\r\n", 6);
        client_expect(&c, " FLAGS (\\Seen \\Recent))");
        client_expect(&c, "s3 OK *");
        client_ask(&c, "s4 FETCH 2 (FLAGS RFC822.HEADER)", "* 2 FETCH (FLAGS (\\Recent) RFC822.HEADER {14}");
        client_expect_octets(&c, "Subject: x\r\n\r\n", 14);
        client_expect(&c, ")");
        client_expect(&c, "s4 OK *");
        close_all(&p, &c);
    }
}

/* An examined mailbox, and one whose rights do not allow it, stay as they are (RFC 4314 4: `s`). */
static void not_seen(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    some(&p, 1);
    pair_start(&p);
    client_open_as(&c, &p, "joe");
    client_ask(&c, "e EXAMINE INBOX", "* FLAGS *");
    client_until(&c, "e OK [READ-ONLY] *");
    for (int k = 0; k < 2; k++) {
        client_ask(&c, "f FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {6}");
        client_expect_octets(&c, "body\r\n", 6);
        client_expect(&c, ")");
        client_expect(&c, "f OK *");
        if (k == 0) {
            assert_int_equal(ph_memory_set_acl(pair_store(&p, "joe"), "INBOX", "joe", "lrwip"), 0);
            client_select(&c, "INBOX");
        }
    }
    client_ask(&c, "g FETCH 1 FLAGS", "* 1 FETCH (FLAGS (*Recent))");
    client_expect(&c, "g OK *");
    close_all(&p, &c);
}

/* RFC 7162 3.1.4: MODSEQ, CHANGEDSINCE; the first use is answered by HIGHESTMODSEQ (3.1). */
static void changed_since(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    some(&p, 4); /* mod-sequences 2 to 5 */
    open_inbox(&p, &c);
    client_ask(&c, "a FETCH 2 MODSEQ", "* OK [HIGHESTMODSEQ 5] *");
    client_expect(&c, "* 2 FETCH (MODSEQ (3))");
    client_expect(&c, "a OK *");
    client_ask(&c, "b STORE 3 +FLAGS.SILENT \\Deleted", "* 3 FETCH (MODSEQ (6))");
    client_expect(&c, "b OK *");
    client_ask(&c, "c FETCH 1:* (FLAGS) (CHANGEDSINCE 4)", "* 3 FETCH (FLAGS (\\Deleted \\Recent) MODSEQ (6))");
    client_expect(&c, "* 4 FETCH (FLAGS (\\Recent) MODSEQ (5))");
    client_expect(&c, "c OK *");
    client_ask(&c, "d UID FETCH 1:4 (UID MODSEQ) (CHANGEDSINCE 5)", "* 3 FETCH (UID 3 MODSEQ (6))");
    client_expect(&c, "d OK *");
    client_ask(&c, "e FETCH 1 BODY[TEXT]<0.1>", "* 1 FETCH (BODY[TEXT]<0> {1}");
    client_expect_octets(&c, "b", 1);
    client_expect(&c, " FLAGS (\\Seen \\Recent) MODSEQ (7))");
    client_expect(&c, "e OK *");
    client_ask(&c, "f UID FETCH 1:4 FLAGS (CHANGEDSINCE 1 VANISHED)", "f BAD *");
    client_ask(&c, "g ENABLE QRESYNC", "* ENABLED *QRESYNC*");
    client_expect(&c, "g OK *");
    client_ask(&c, "h FETCH 1:4 FLAGS (CHANGEDSINCE 1 VANISHED)", "h BAD *");
    client_ask(&c, "i UID FETCH 1:4 FLAGS (VANISHED)", "i BAD *");
    client_ask(&c, "j EXPUNGE", "* VANISHED 3");
    client_expect(&c, "j OK *");
    /* RFC 7162 3.2.6: before any FETCH */
    client_ask(&c, "k UID FETCH 1:50 FLAGS (CHANGEDSINCE 6 VANISHED)", "* VANISHED (EARLIER) 3");
    client_expect(&c, "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ (7))");
    client_expect(&c, "k OK *");
    client_ask(&c, "l UID FETCH 1:2 FLAGS (CHANGEDSINCE 7 VANISHED)", "l OK *");
    close_all(&p, &c);

    pair_init(&p); /* a store without mod-sequences: BAD (3.1.2.2) */
    p.options.without = PH_AB_MODSEQ | PH_AB_QRESYNC;
    some(&p, 1);
    open_inbox(&p, &c);
    client_ask(&c, "m FETCH 1 MODSEQ", "m BAD *");
    client_ask(&c, "n FETCH 1 FLAGS (CHANGEDSINCE 1)", "n BAD *");
    client_ask(&c, "o FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {6}");
    client_expect_octets(&c, "body\r\n", 6);
    client_expect(&c, " FLAGS (\\Seen \\Recent))");
    client_expect(&c, "o OK *");
    close_all(&p, &c);
}

/* The examples of RFC 9394 3.3 and RFC 9586 3.3 in small, and the limit of RFC 9738. */
static void ranges(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.config.limits.messages = 3;
    some(&p, 6);
    ph_memory_remove(pair_store(&p, "joe"), "INBOX", 2);
    open_inbox(&p, &c); /* UIDs 1 3 4 5 6 */
    client_ask(&c, "a UID FETCH 2:6 (UID) (PARTIAL 1:2)", "* 2 FETCH (UID 3)");
    client_expect(&c, "* 3 FETCH (UID 4)");
    client_expect(&c, "a OK *");
    client_ask(&c, "b UID FETCH 1:* (UID) (PARTIAL -1:-2)", "* 4 FETCH (UID 5)");
    client_expect(&c, "* 5 FETCH (UID 6)");
    client_expect(&c, "b OK *");
    client_ask(&c, "c UID FETCH 1:* (UID) (PARTIAL 5:7)", "* 5 FETCH (UID 6)");
    client_expect(&c, "c OK *");
    client_ask(&c, "d UID FETCH 1:* (UID) (PARTIAL -7:-5)", "* 1 FETCH (UID 1)");
    client_expect(&c, "d OK *");
    client_ask(&c, "e UID FETCH 1:* (UID) (PARTIAL 6:7)", "e OK *");
    client_ask(&c, "f UID FETCH 1:* (UID) (PARTIAL -1:-4)", "f NO [MESSAGELIMIT 3] *");
    client_ask(&c, "g FETCH 1:5 UID", "* 3 FETCH (UID 4)");
    client_expect(&c, "* 4 FETCH (UID 5)");
    client_expect(&c, "* 5 FETCH (UID 6)");
    client_expect(&c, "g OK [MESSAGELIMIT 3 4] *");
    client_ask(&c, "h FETCH 1:3 UID", "* 1 FETCH (UID 1)");
    client_until(&c, "h OK FETCH completed");
    client_ask(&c, "i ENABLE UIDONLY", "* ENABLED UIDONLY");
    client_expect(&c, "i OK *");
    client_ask(&c, "j UID FETCH 5:6 FLAGS", "* 5 UIDFETCH (FLAGS (\\Recent))");
    client_expect(&c, "* 6 UIDFETCH (FLAGS (\\Recent))");
    client_expect(&c, "j OK *");
    client_ask(&c, "k UID FETCH 6 (UID FLAGS)", "* 6 UIDFETCH (UID 6 FLAGS (\\Recent))");
    client_expect(&c, "k OK *");
    client_ask(&c, "l FETCH 1 FLAGS", "l BAD [UIDREQUIRED] *");
    close_all(&p, &c);
}

/* Another session removes messages of which this one was not told. */
static void gone_meanwhile(void **state)
{
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        p.options.serves_not |= PH_MS_WATCH; /* so that nobody says so */
        some(&p, 3);
        open_inbox(&p, &c);
        ph_memory_remove(pair_store(&p, "joe"), "INBOX", 2);
        client_ask(&c, "a FETCH 1:3 BODY.PEEK[TEXT]", "* * FETCH (BODY[TEXT] {6}");
        client_expect_octets(&c, "body\r\n", 6);
        client_expect(&c, ")");
        client_expect(&c, "* * FETCH (BODY[TEXT] {6}");
        client_expect_octets(&c, "body\r\n", 6);
        client_expect(&c, ")");
        client_expect(&c, "a OK [EXPUNGEISSUED] *");
        client_ask(&c, "b FETCH 2 INTERNALDATE", "b OK [EXPUNGEISSUED] *");
        client_ask(&c, "c NOOP", "* 2 EXPUNGE");
        client_expect(&c, "c OK *");
        close_all(&p, &c);
    }
}

/* More than is kept of a message: its octets are had again. And what is in between is not damaged. */
static void large(void **state)
{
    size_t n = 3 * 1024 * 1024 + 17;
    char *text = malloc(n);
    static const char head[] = "Subject: large\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\n";

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i / 72 % 26);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + n - 9, "\r\n--X--\r\n", 9);
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        char line[200];
        mode_init(&p, i);
        if (p.options.piece)
            p.options.piece = 4093;
        deliver(&p, "INBOX", text, n, PH_F_SEEN, 1700000000);
        deliver(&p, "INBOX", small, sizeof small - 1, PH_F_SEEN, 1700000000);
        open_inbox(&p, &c);
        client_send(&c, "a FETCH 1 (BODY[] RFC822.SIZE)\r\n");
        snprintf(line, sizeof line, "* 1 FETCH (BODY[] {%zu}", n);
        client_expect(&c, line);
        client_expect_octets(&c, text, n);
        snprintf(line, sizeof line, " RFC822.SIZE %zu)", n);
        client_expect(&c, line);
        client_expect(&c, "a OK *");
        client_send(&c, "b FETCH 1 (BODY[1] BODY[HEADER.FIELDS (SUBJECT)] BODY[]<2000000.70> BODY[TEXT] ENVELOPE)\r\n");
        snprintf(line, sizeof line, "* 1 FETCH (BODY[1] {%zu}", n - (sizeof head - 1) - 9);
        client_expect(&c, line);
        client_expect_octets(&c, text + sizeof head - 1, n - (sizeof head - 1) - 9);
        client_expect(&c, " BODY[HEADER.FIELDS (SUBJECT)] {18}");
        client_expect_octets(&c, "Subject: large\r\n\r\n", 18);
        client_expect(&c, " BODY[]<2000000> {70}");
        client_expect_octets(&c, text + 2000000, 70);
        snprintf(line, sizeof line, " BODY[TEXT] {%zu}", n - (sizeof head - 1 - 7));
        client_expect(&c, line);
        client_expect_octets(&c, text + sizeof head - 1 - 7, n - (sizeof head - 1 - 7));
        client_expect(&c, " ENVELOPE (NIL \"large\" *)");
        client_expect(&c, "b OK *");
        client_ask(&c, "c FETCH 1:2 PREVIEW", "* * FETCH (PREVIEW *");
        client_until(&c, "c OK *");
        close_all(&p, &c);
    }
    free(text);
}

/* A header longer than what is kept of a message, and fields and decoded parts longer than what is kept of them from measuring: all
 * of it is made again when it is sent. */
static void long_headers(void **state)
{
    struct ph_buf text = PH_BUF_INIT, fields = PH_BUF_INIT, decoded = PH_BUF_INIT;

    ph_buf_add_z(&text, "Subject: long\r\nContent-Transfer-Encoding: base64\r\n");
    for (int i = 0; i < 20000; i++) { /* 1.3 MB, half of it wanted */
        const char *field = i % 2 ? "X-Wanted: 0123456789012345678901234567890123456789012345678\r\n"
                                  : "X-Other: 01234567890123456789012345678901234567890123456789\r\n";
        ph_buf_add_z(&text, field);
        ph_buf_add_z(i % 2 ? &fields : &decoded, i % 2 ? field : "");
    }
    ph_buf_add_z(&text, "\r\n");
    ph_buf_add_z(&fields, "\r\n");
    size_t header = ph_buf_len(&text);
    for (int i = 0; i < 30000; i++) { /* 57 octets a line: `ABC…` without a NUL */
        ph_buf_add_z(&text, "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n");
        ph_buf_add_z(&decoded, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234");
    }
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        char line[100];
        mode_init(&p, i);
        if (p.options.piece)
            p.options.piece = 8191;
        deliver(&p, "INBOX", ph_buf_data(&text), ph_buf_len(&text), PH_F_SEEN, 1700000000);
        open_inbox(&p, &c);
        client_send(&c, "a FETCH 1 BODY[HEADER]\r\n");
        snprintf(line, sizeof line, "* 1 FETCH (BODY[HEADER] {%zu}", header);
        client_expect(&c, line);
        client_expect_octets(&c, ph_buf_data(&text), header);
        client_expect(&c, ")");
        client_expect(&c, "a OK *");
        client_send(&c, "b FETCH 1 (BODY[HEADER.FIELDS (X-WANTED)] BODY[HEADER.FIELDS (X-WANTED)]<100000.200000>)\r\n");
        snprintf(line, sizeof line, "* 1 FETCH (BODY[HEADER.FIELDS (X-WANTED)] {%zu}", ph_buf_len(&fields));
        client_expect(&c, line);
        client_expect_octets(&c, ph_buf_data(&fields), ph_buf_len(&fields));
        client_expect(&c, " BODY[HEADER.FIELDS (X-WANTED)]<100000> {200000}");
        client_expect_octets(&c, ph_buf_data(&fields) + 100000, 200000);
        client_expect(&c, ")");
        client_expect(&c, "b OK *");
        client_send(&c, "d FETCH 1 (BINARY[1] BINARY[1]<1000000.300000> BINARY.SIZE[1])\r\n");
        snprintf(line, sizeof line, "* 1 FETCH (BINARY[1] {%zu}", ph_buf_len(&decoded));
        client_expect(&c, line);
        client_expect_octets(&c, ph_buf_data(&decoded), ph_buf_len(&decoded));
        client_expect(&c, " BINARY[1]<1000000> {300000}");
        client_expect_octets(&c, ph_buf_data(&decoded) + 1000000, 300000);
        snprintf(line, sizeof line, " BINARY.SIZE[1] %zu)", ph_buf_len(&decoded));
        client_expect(&c, line);
        client_expect(&c, "d OK *");
        client_ask(&c, "e SEARCH SUBJECT long HEADER X-Other 89 BODY PQRST SENTBEFORE 1-Jan-2030", "* SEARCH");
        client_expect(&c, "e OK *");
        client_ask(&c, "f SEARCH SUBJECT long BODY PQRST HEADER X-Wanted 8", "* SEARCH 1");
        client_expect(&c, "f OK *");
        client_ask(&c, "g SORT (SUBJECT) UTF-8 ALL", "* SORT 1");
        client_expect(&c, "g OK *");
        close_all(&p, &c);
    }
    ph_buf_done(&text);
    ph_buf_done(&fields);
    ph_buf_done(&decoded);
}

/* A NUL may not stand in a literal; in a literal8 it may. The count stays. */
static void nul(void **state)
{
    static const char text[] = "Subject: x\r\n\r\na\0b\0";

    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        deliver(&p, "INBOX", text, sizeof text - 1, PH_F_SEEN, 1700000000);
        open_inbox(&p, &c);
        client_ask(&c, "a FETCH 1 BODY[TEXT]", "* 1 FETCH (BODY[TEXT] {4}");
        client_expect_octets(&c, "a\x80"
                                 "b\x80", 4);
        client_expect(&c, ")");
        client_expect(&c, "a OK *");
        client_ask(&c, "b FETCH 1 BINARY[]", "* 1 FETCH (BINARY[] ~{18}");
        client_expect_octets(&c, text, 18);
        client_expect(&c, ")");
        client_expect(&c, "b OK *");
        close_all(&p, &c);
    }
}

/* One message cannot be read: the others are sent, and the answer is NO. */
static void unreadable(void **state)
{
    static char poison[] = "poison";
    struct ph_memory_fault fault = { .kind = PH_MF_BODY_MISSING, .match = ph_memory_match_text, .ctx = poison };
    static const char bad[] = "Subject: poison\r\n\r\npoison\r\n";
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.serves_not = PH_MS_BODY | PH_MS_CACHE;
    some(&p, 1);
    deliver(&p, "INBOX", bad, sizeof bad - 1, 0, 1700000000);
    some(&p, 1);
    assert_int_equal(ph_memory_fault(pair_store(&p, "joe"), &fault), 0);
    open_inbox(&p, &c);
    client_ask(&c, "a FETCH 1:3 BODY.PEEK[TEXT]", "* 1 FETCH (BODY[TEXT] {6}");
    client_expect_octets(&c, "body\r\n", 6);
    client_expect(&c, ")");
    client_expect(&c, "* 3 FETCH (BODY[TEXT] {6}");
    client_expect_octets(&c, "body\r\n", 6);
    client_expect(&c, ")");
    client_expect(&c, "a NO *");
    close_all(&p, &c);
}

/* The store fails behind the announced size: the connection ends, for nothing else can be said. */
static void cut_off(void **state)
{
    struct ph_memory_fault fault = { .kind = PH_MF_BODY_CUT };
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.serves_not = PH_MS_BODY | PH_MS_CACHE;
    some(&p, 1);
    assert_int_equal(ph_memory_fault(pair_store(&p, "joe"), &fault), 0);
    open_inbox(&p, &c);
    client_send(&c, "a FETCH 1 BODY.PEEK[]\r\n");
    char got[64];
    size_t n = 0;
    for (ssize_t r; n < sizeof got && (r = ph_stream_read(c.stream, got + n, sizeof got - n, NULL)) != 0;) {
        if (r > 0)
            n += (size_t)r;
        else if (r == PH_AGAIN)
            assert_int_equal(ph_stream_wait(c.stream, POLLIN, ph_deadline_in(20000), NULL, NULL), 0);
        else
            break;
    }
    assert_true(n < 26 + 20); /* never the tagged answer */
    client_close(&c);
    pair_stop(&p);
}

/* RFC 8474 5, RFC 8514 4.1. */
static void identities(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.now = 1600000000;
    some(&p, 1);
    open_inbox(&p, &c);
    client_ask(&c, "a FETCH 1 (EMAILID THREADID SAVEDATE)",
               "* 1 FETCH (EMAILID (M*) THREADID (T*) SAVEDATE \"13-Sep-2020 12:26:40 +0000\")");
    client_expect(&c, "a OK *");
    close_all(&p, &c);
    pair_init(&p);
    p.options.serves_not = PH_MS_INFO;
    some(&p, 1);
    open_inbox(&p, &c);
    client_ask(&c, "a FETCH 1 (UID THREADID SAVEDATE)", "* 1 FETCH (UID 1 THREADID NIL SAVEDATE NIL)");
    client_expect(&c, "a OK *");
    close_all(&p, &c);
}

/* Several batches, and sets with holes. */
static void many(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    some(&p, 10000);
    for (uint32_t uid = 5; uid <= 10000; uid += 7)
        ph_memory_remove(pair_store(&p, "joe"), "INBOX", uid);
    open_inbox(&p, &c);
    client_send(&c, "a UID FETCH 1:* (INTERNALDATE)\r\n");
    uint32_t seq = 0;
    for (uint32_t uid = 1; uid <= 10000; uid++) {
        char line[64];
        if (uid >= 5 && (uid - 5) % 7 == 0)
            continue;
        snprintf(line, sizeof line, "* %u FETCH (UID %u INTERNALDATE \"*\")", ++seq, uid);
        client_expect(&c, line);
    }
    client_expect(&c, "a OK *");
    client_ask(&c, "b UID FETCH 4:6,9998:11000 (UID)", "* 4 FETCH (UID 4)");
    client_expect(&c, "* 5 FETCH (UID 6)");
    assert_int_equal(client_until(&c, "b OK *"), 3);
    close_all(&p, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seen),   cmocka_unit_test(not_seen),   cmocka_unit_test(changed_since), cmocka_unit_test(ranges),
        cmocka_unit_test(gone_meanwhile), cmocka_unit_test(large), cmocka_unit_test(long_headers), cmocka_unit_test(nul), cmocka_unit_test(unreadable),
        cmocka_unit_test(cut_off), cmocka_unit_test(identities), cmocka_unit_test(many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
