/* FETCH over every way a store has to hand out messages. The message is made of pieces, so what a section holds is known without
 * parsing it; its shape is the example of RFC 9051 6.4.5.1. */
#include "modes.h"

#include <stdio.h>
#include <string.h>

#define HEAD "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.org>, carl@example.net\r\nSubject: parts\r\n" \
             "Date: Mon, 7 Feb 2022 21:52:25 -0800\r\nMessage-ID: <m1@example.org>\r\nMIME-Version: 1.0\r\n" \
             "Content-Type: multipart/mixed; boundary=A\r\n\r\n"
#define P1_HEAD "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
#define P1 "plain one"
#define P2_HEAD "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define P2 "AAECAwQF/w=="
#define P3_HEAD "Content-Type: message/rfc822\r\n\r\n"
#define P3_HEADER "From: Dan <dan@example.org>\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
#define P31_HEAD "\r\n"
#define P31 "plain three one"
#define P32_HEAD "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-unheard-of\r\n\r\n"
#define P32 "????"
#define P3_TEXT "--B\r\n" P31_HEAD P31 "\r\n--B\r\n" P32_HEAD P32 "\r\n--B--\r\n"
#define P4_HEAD "Content-Type: multipart/mixed; boundary=C\r\n\r\n"
#define P41_HEAD "Content-Type: image/gif\r\nContent-ID: <gif@example.org>\r\n\r\n"
#define P41 "GIF89a"
#define P42_HEAD "Content-Type: message/rfc822\r\n\r\n"
#define P42_HEADER "Subject: deeper\r\nContent-Type: multipart/mixed; boundary=D\r\n\r\n"
#define P421 "four two one"
#define P422_HEAD "Content-Type: multipart/alternative; boundary=E\r\n\r\n"
#define P4221 "alternative a"
#define P4222_HEAD "Content-Type: text/richtext\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
#define P4222 "caf=C3=A9 =\r\nau lait"
#define P422 "--E\r\n\r\n" P4221 "\r\n--E\r\n" P4222_HEAD P4222 "\r\n--E--"
#define P42_TEXT "--D\r\n\r\n" P421 "\r\n--D\r\n" P422_HEAD P422 "\r\n--D--"
#define P4 "--C\r\n" P41_HEAD P41 "\r\n--C\r\n" P42_HEAD P42_HEADER P42_TEXT "\r\n--C--"
#define TEXT "before\r\n--A\r\n" P1_HEAD P1 "\r\n--A\r\n" P2_HEAD P2 "\r\n--A\r\n" P3_HEAD P3_HEADER P3_TEXT "\r\n--A\r\n" \
             P4_HEAD P4 "\r\n--A--\r\nafter\r\n"

static const char message[] = HEAD TEXT;

static int tag;

static void ask_item(struct client *c, const char *item)
{
    char text[512];

    snprintf(text, sizeof text, "t%d FETCH 1 (%s)\r\n", ++tag, item);
    client_send(c, text);
}

static void expect_ok(struct client *c)
{
    char text[32];

    snprintf(text, sizeof text, "t%d OK *", tag);
    client_expect(c, text);
}

/* `* 1 FETCH (NAME {n}` n octets `)`. */
static void expect_literal(struct client *c, const char *name, const void *octets, size_t n, bool binary)
{
    char text[512];

    snprintf(text, sizeof text, n ? "* 1 FETCH (%s %s{%zu}" : "* 1 FETCH (%s \"\")", name, binary ? "~" : "", n);
    if (n == 0)
        snprintf(text, sizeof text, "* 1 FETCH (%s \"\")", name);
    client_expect(c, text);
    if (n) {
        client_expect_octets(c, octets, n);
        client_expect(c, ")");
    }
    expect_ok(c);
}

static void section(struct client *c, const char *name, const char *text)
{
    char peek[256], answer[256];

    snprintf(peek, sizeof peek, "BODY.PEEK[%s]", name);
    snprintf(answer, sizeof answer, "BODY[%s]", name);
    ask_item(c, peek);
    expect_literal(c, answer, text, strlen(text), false);
}

static void no_section(struct client *c, const char *item)
{
    char text[256];

    ask_item(c, item);
    snprintf(text, sizeof text, "* 1 FETCH (%.*s*NIL)", 4, item);
    client_expect(c, text);
    expect_ok(c);
}

static void sections(void **state)
{
    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        deliver(&p, "INBOX", message, sizeof message - 1, 0, 1700000000);
        open_inbox(&p, &c);
        section(&c, "", message);
        section(&c, "HEADER", HEAD);
        section(&c, "TEXT", TEXT);
        section(&c, "1", P1);
        section(&c, "1.MIME", P1_HEAD);
        section(&c, "2", P2);
        section(&c, "3", P3_HEADER P3_TEXT);
        section(&c, "3.MIME", P3_HEAD);
        section(&c, "3.HEADER", P3_HEADER);
        section(&c, "3.TEXT", P3_TEXT);
        section(&c, "3.1", P31);
        section(&c, "3.1.MIME", P31_HEAD);
        section(&c, "3.2", P32);
        section(&c, "3.HEADER.FIELDS (SUBJECT)", "Subject: inner\r\n\r\n");
        section(&c, "4", P4);
        section(&c, "4.1", P41);
        section(&c, "4.1.MIME", P41_HEAD);
        section(&c, "4.2", P42_HEADER P42_TEXT);
        section(&c, "4.2.HEADER", P42_HEADER);
        section(&c, "4.2.TEXT", P42_TEXT);
        section(&c, "4.2.1", P421);
        section(&c, "4.2.2", P422);
        section(&c, "4.2.2.1", P4221);
        section(&c, "4.2.2.2", P4222);
        section(&c, "HEADER.FIELDS (DATE FROM)", "From: Ann <ann@example.org>\r\nDate: Mon, 7 Feb 2022 21:52:25 -0800\r\n\r\n");
        section(&c, "HEADER.FIELDS (X-None)", "\r\n");
        section(&c, "HEADER.FIELDS.NOT (to date Message-ID mime-version content-type)",
                "From: Ann <ann@example.org>\r\nSubject: parts\r\n\r\n");
        no_section(&c, "BODY.PEEK[5]");
        no_section(&c, "BODY.PEEK[1.2.3]");
        no_section(&c, "BODY.PEEK[2.HEADER]");
        ask_item(&c, "RFC822");
        client_until(&c, "* 1 FETCH (RFC822 {*}");
        client_expect_octets(&c, message, sizeof message - 1);
        client_expect(&c, " FLAGS (*\\Seen*))"); /* RFC 9051 6.4.5: it is set, and the client is told */
        expect_ok(&c);
        ask_item(&c, "RFC822.HEADER");
        expect_literal(&c, "RFC822.HEADER", HEAD, sizeof HEAD - 1, false);
        ask_item(&c, "RFC822.TEXT");
        expect_literal(&c, "RFC822.TEXT", TEXT, sizeof TEXT - 1, false);
        close_all(&p, &c);
    }
}

/* Every edge of a partial: before, at and behind the end, of texts that lie in different places. */
static void partial(struct client *c, const char *name, const char *text)
{
    size_t n = strlen(text), lengths[] = { 1, 2, n ? n - 1 : 1, n, n + 1, 4000000000u };
    char item[256], answer[256];

    for (size_t origin = 0; origin <= n + 1; origin++)
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            size_t length = lengths[k] ? lengths[k] : 1, from = origin < n ? origin : n, left = n - from;
            snprintf(item, sizeof item, "BODY.PEEK[%s]<%zu.%zu>", name, origin, length);
            snprintf(answer, sizeof answer, "BODY[%s]<%zu>", name, origin);
            ask_item(c, item);
            expect_literal(c, answer, text + from, left < length ? left : length, false);
        }
}

static void partials(void **state)
{
    static const char text[] = "Subject: x\r\nTo: y\r\n\r\nab\r\nc";

    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        deliver(&p, "INBOX", text, sizeof text - 1, PH_F_SEEN, 1700000000);
        open_inbox(&p, &c);
        partial(&c, "", text);
        partial(&c, "HEADER", "Subject: x\r\nTo: y\r\n\r\n");
        partial(&c, "TEXT", "ab\r\nc");
        partial(&c, "1", "ab\r\nc");
        partial(&c, "HEADER.FIELDS (TO)", "To: y\r\n\r\n");
        close_all(&p, &c);
    }
}

/* RFC 3516. */
static void binary(void **state)
{
    static const unsigned char two[] = { 0, 1, 2, 3, 4, 5, 255 };

    for (size_t i = 0; i < N_MODES; i++) {
        struct pair p;
        struct client c;
        mode_init(&p, i);
        deliver(&p, "INBOX", message, sizeof message - 1, PH_F_SEEN, 1700000000);
        open_inbox(&p, &c);
        ask_item(&c, "BINARY.PEEK[2]");
        expect_literal(&c, "BINARY[2]", two, 7, true);
        ask_item(&c, "BINARY.PEEK[2]<1.3>"); /* no NUL in there: a string */
        expect_literal(&c, "BINARY[2]<1>", two + 1, 3, false);
        ask_item(&c, "BINARY.PEEK[2]<6.100>");
        expect_literal(&c, "BINARY[2]<6>", two + 6, 1, false);
        ask_item(&c, "BINARY.PEEK[2]<7.1>");
        expect_literal(&c, "BINARY[2]<7>", "", 0, false);
        ask_item(&c, "BINARY.PEEK[4.2.2.2]");
        expect_literal(&c, "BINARY[4.2.2.2]", "caf\xc3\xa9 au lait", 13, false);
        ask_item(&c, "BINARY.PEEK[]");
        expect_literal(&c, "BINARY[]", message, sizeof message - 1, false);
        ask_item(&c, "BINARY.SIZE[2] BINARY.SIZE[1] BINARY.SIZE[4.2.2.2] UID");
        client_expect(&c, "* 1 FETCH (BINARY.SIZE[2] 7 BINARY.SIZE[1] 9 BINARY.SIZE[4.2.2.2] 13 UID 1)");
        expect_ok(&c);
        client_ask(&c, "u1 FETCH 1 (UID BINARY.PEEK[3.2])", "* 1 FETCH (UID 1)");
        client_expect(&c, "u1 NO [UNKNOWN-CTE] *");
        client_ask(&c, "u2 FETCH 1 BINARY.SIZE[3.2]", "u2 NO [UNKNOWN-CTE] *");
        close_all(&p, &c);
    }
}

#define ENVELOPE "ENVELOPE (\"Mon, 7 Feb 2022 21:52:25 -0800\" \"parts\" ((\"Ann\" NIL \"ann\" \"example.org\")) " \
    "((\"Ann\" NIL \"ann\" \"example.org\")) ((\"Ann\" NIL \"ann\" \"example.org\")) ((\"Bob\" NIL \"bob\" \"example.org\")" \
    "(NIL NIL \"carl\" \"example.net\")) NIL NIL NIL \"<m1@example.org>\")"

static void envelopes_and_structures(void **state)
{
    for (size_t i = 0; i < N_MODES; i++)
        for (int again = 0; again < 2; again++) { /* found, and kept from the first time */
            struct pair p;
            struct client c;
            char all[1024];
            mode_init(&p, i);
            deliver(&p, "INBOX", message, sizeof message - 1, PH_F_SEEN | PH_F_FLAGGED, 1700000000);
            open_inbox(&p, &c);
            snprintf(all, sizeof all, "* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent) INTERNALDATE \"14-Nov-2023 22:13:20 +0000\" "
                     "RFC822.SIZE %zu " ENVELOPE ")", sizeof message - 1);
            for (int k = 0; k <= again; k++) {
                client_ask(&c, "e1 FETCH 1 ALL", all);
                client_expect(&c, "e1 OK *");
            }
            client_ask(&c, "e2 UID FETCH 1 FULL", "* 1 FETCH (UID 1 FLAGS (*) INTERNALDATE * RFC822.SIZE * " ENVELOPE " BODY ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7BIT\" 9 *) \"mixed\"))");
            client_expect(&c, "e2 OK *");
            client_ask(&c, "e3 FETCH 1 BODYSTRUCTURE", "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" *(\"image\" \"gif\" NIL \"<gif@example.org>\" *");
            client_expect(&c, "e3 OK *");
            client_ask(&c, "e4 FETCH 1 PREVIEW", "* 1 FETCH (PREVIEW \"plain one\")");
            client_expect(&c, "e4 OK *");
            client_ask(&c, "e5 FETCH 1 (PREVIEW (LAZY) ENVELOPE)", "* 1 FETCH (PREVIEW \"plain one\" " ENVELOPE ")");
            client_expect(&c, "e5 OK *");
            close_all(&p, &c);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections), cmocka_unit_test(partials), cmocka_unit_test(binary),
        cmocka_unit_test(envelopes_and_structures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
