/* Status lines, response codes, and everything but FETCH and LIST. */
#include "resp.h"

static void test_status(void **state)
{
    RESP(t, "* OK IMAP4rev1 Service Ready\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_STATUS);
        assert_int_equal(t.r.status, PH_ST_OK);
        assert_null(t.r.tag.p);
        assert_str(t.r.text, "IMAP4rev1 Service Ready");
        assert_int_equal(t.r.code.id, PH_CODE_NONE);
    }
    RESP(t, "a004 NO [TRYCREATE] no such folder {12}\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_STATUS);
        assert_int_equal(t.r.status, PH_ST_NO);
        assert_str(t.r.tag, "a004");
        assert_int_equal(t.r.code.id, PH_CODE_TRYCREATE);
        assert_str(t.r.text, "no such folder {12}");
    }
    RESP(t, "A1 ok\r\n") { /* without text, lower case */
        assert_int_equal(t.r.status, PH_ST_OK);
        assert_str(t.r.text, "");
        assert_str(t.r.word, "ok");
    }
    RESP(t, "A1  OK   done\n") { /* blanks, LF alone */
        assert_int_equal(t.r.status, PH_ST_OK);
        assert_str(t.r.text, "done");
    }
    RESP(t, "\0\r\n\n* BYE Autologout\r\n") assert_int_equal(t.r.status, PH_ST_BYE);
    RESP(t, "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n") {
        assert_int_equal(t.r.status, PH_ST_PREAUTH);
        assert_words(&t.r.code.words, "IMAP4rev1");
    }
    RESP(t, "* BAD \r\n") {
        assert_int_equal(t.r.status, PH_ST_BAD);
        assert_str(t.r.text, "");
    }
    RESP(t, "* OKAY\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
        assert_str(t.r.word, "OKAY");
    }
    RESP(t, "[COPYUID 55 31 6]\r\n") { /* Exchange */
        assert_int_equal(t.r.kind, PH_RESP_STATUS);
        assert_int_equal(t.r.status, PH_ST_OK);
        assert_null(t.r.tag.p);
        assert_int_equal(t.r.code.id, PH_CODE_COPYUID);
        assert_int_equal(t.r.code.number, 55);
        assert_str(t.r.code.set1, "31");
        assert_str(t.r.code.set2, "6");
    }
    RESP(t, "* [ALERT] hm\r\n") assert_int_equal(t.r.code.id, PH_CODE_ALERT);
}

static void test_continue(void **state)
{
    RESP(t, "+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+ \r\n") {
        assert_int_equal(t.r.kind, PH_RESP_CONTINUE);
        assert_str(t.r.text, "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2U+");
    }
    RESP(t, "+\r\n") assert_str(t.r.text, "");
    RESP(t, "+ [ALERT] go on {3}\r\n") {
        assert_int_equal(t.r.code.id, PH_CODE_ALERT);
        assert_str(t.r.text, "go on {3}");
    }
}

static void code(const char *line, enum ph_code id, const char *args, uint64_t number, const char *set1,
                 const char *set2, const char *words, const char *text)
{
    struct resp t;

    resp_parse(&t, ph_str(line));
    assert_int_equal(t.r.kind, PH_RESP_STATUS);
    assert_int_equal(t.r.code.id, id);
    assert_str(t.r.code.args, args);
    assert_int_equal(t.r.code.number, number);
    assert_str(t.r.code.set1, set1);
    assert_str(t.r.code.set2, set2);
    assert_words(&t.r.code.words, words);
    assert_str(t.r.text, text);
    resp_done(&t);
}

static void test_codes(void **state)
{
    code("* OK [UIDVALIDITY 3857529045] UIDs valid\r\n", PH_CODE_UIDVALIDITY, "3857529045", 3857529045, NULL,
         NULL, "", "UIDs valid");
    code("* OK [HIGHESTMODSEQ 715194045007] hm\r\n", PH_CODE_HIGHESTMODSEQ, "715194045007", 715194045007,
         NULL, NULL, "", "hm");
    code("* OK [UIDNEXT]\r\n", PH_CODE_UIDNEXT, "", 0, NULL, NULL, "", "");            /* argument missing */
    code("* OK [UIDNEXT x] \r\n", PH_CODE_UIDNEXT, "x", 0, NULL, NULL, "", "");        /* or no number */
    code("* OK [ unseen  12 ]x\r\n", PH_CODE_UNSEEN, "12 ", 12, NULL, NULL, "", "x");  /* blanks, case */
    code("* OK [HIGHESTMODSEQ -1] x\r\n", PH_CODE_HIGHESTMODSEQ, "-1", 0, NULL, NULL, "", "x");
    code("* OK [] x\r\n", PH_CODE_UNKNOWN, "", 0, NULL, NULL, "", "x");
    code("* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited\r\n", PH_CODE_PERMANENTFLAGS,
         "(\\Deleted \\Seen \\*)", 0, NULL, NULL, "\\Deleted|\\Seen|\\*", "Limited");
    code("* OK [PERMANENTFLAGS ()] none\r\n", PH_CODE_PERMANENTFLAGS, "()", 0, NULL, NULL, "", "none");
    code("* OK [PERMANENTFLAGS (a] b\r\n", PH_CODE_PERMANENTFLAGS, "(a", 0, NULL, NULL, "a", "b");
    code("a OK [APPENDUID 38505 3955] APPEND completed\r\n", PH_CODE_APPENDUID, "38505 3955", 38505, NULL, "3955", "",
         "APPEND completed");
    code("a OK [APPENDUID 1 3955:3957,7]\r\n", PH_CODE_APPENDUID, "1 3955:3957,7", 1, NULL, "3955:3957,7", "", "");
    code("a OK [COPYUID 38505 304,319:320 3956:3958] Done\r\n", PH_CODE_COPYUID, "38505 304,319:320 3956:3958", 38505,
         "304,319:320", "3956:3958", "", "Done");
    code("a OK [COPYUID 38505] Done\r\n", PH_CODE_COPYUID, "38505", 38505, NULL, NULL, "", "Done");
    code("d105 OK [MODIFIED 7,9] failed\r\n", PH_CODE_MODIFIED, "7,9", 0, "7,9", NULL, "", "failed");
    code("a OK [CAPABILITY IMAP4rev1 LITERAL+ AUTH=PLAIN] x\r\n", PH_CODE_CAPABILITY,
         "IMAP4rev1 LITERAL+ AUTH=PLAIN", 0, NULL, NULL, "IMAP4rev1|LITERAL+|AUTH=PLAIN", "x");
    code("a NO [BADCHARSET (UTF-8 \"a ] b\")] x\r\n", PH_CODE_BADCHARSET, "(UTF-8 \"a ] b\")", 0, NULL, NULL,
         "UTF-8|a ] b", "x");
    code("a NO [REFERRAL imap://[::1]/x] y\r\n", PH_CODE_REFERRAL, "imap://[::1]/x", 0, NULL, NULL, "", "y");
    code("a NO [UNKNOWN-CTE] x\r\n", PH_CODE_UNKNOWN_CTE, "", 0, NULL, NULL, "", "x");
    code("a NO [XYZ 1 2] x\r\n", PH_CODE_UNKNOWN, "1 2", 0, NULL, NULL, "", "x");
    code("a OK [READ-WRITE] x\r\n", PH_CODE_READWRITE, "", 0, NULL, NULL, "", "x");
    code("a OK [MAILBOXID (F2212ea87-6097-4256-9d51-71338625)] Ok\r\n", PH_CODE_MAILBOXID,
         "(F2212ea87-6097-4256-9d51-71338625)", 0, NULL, NULL, "F2212ea87-6097-4256-9d51-71338625", "Ok");
    code("a NO [ALERT the disk is full\r\n", PH_CODE_ALERT, "the disk is full", 0, NULL, NULL, "",
         "the disk is full"); /* no end */
    code("a NO [ALERT\r\n", PH_CODE_ALERT, "", 0, NULL, NULL, "", "");
    code("a NO [\r\n", PH_CODE_UNKNOWN, "", 0, NULL, NULL, "", "");
    RESP(t, "03 OK [MESSAGELIMIT 1000 23221] partial\r\n") { /* RFC 9738 3.1 */
        assert_int_equal(t.r.code.id, PH_CODE_MESSAGELIMIT);
        assert_int_equal(t.r.code.number, 1000);
        assert_int_equal(t.r.code.uid, 23221);
    }
}

/* Each name of the table is found: the table is in order. */
static void test_all_codes(void **state)
{
    static const struct { const char *atom; enum ph_code id;
    } all[] = {
        {"ALERT", PH_CODE_ALERT},
        {"alreadyexists", PH_CODE_ALREADYEXISTS},
        {"APPENDUID", PH_CODE_APPENDUID},
        {"AUTHENTICATIONFAILED", PH_CODE_AUTHENTICATIONFAILED},
        {"AUTHORIZATIONFAILED", PH_CODE_AUTHORIZATIONFAILED},
        {"BADCHARSET", PH_CODE_BADCHARSET},
        {"CANNOT", PH_CODE_CANNOT},
        {"CAPABILITY", PH_CODE_CAPABILITY},
        {"CLIENTBUG", PH_CODE_CLIENTBUG},
        {"CLOSED", PH_CODE_CLOSED},
        {"CONTACTADMIN", PH_CODE_CONTACTADMIN},
        {"COPYUID", PH_CODE_COPYUID},
        {"CORRUPTION", PH_CODE_CORRUPTION},
        {"EXPIRED", PH_CODE_EXPIRED},
        {"EXPUNGEISSUED", PH_CODE_EXPUNGEISSUED},
        {"HASCHILDREN", PH_CODE_HASCHILDREN},
        {"HIGHESTMODSEQ", PH_CODE_HIGHESTMODSEQ},
        {"INUSE", PH_CODE_INUSE},
        {"LIMIT", PH_CODE_LIMIT},
        {"MAILBOXID", PH_CODE_MAILBOXID},
        {"MESSAGELIMIT", PH_CODE_MESSAGELIMIT},
        {"MODIFIED", PH_CODE_MODIFIED},
        {"NOMODSEQ", PH_CODE_NOMODSEQ},
        {"NONEXISTENT", PH_CODE_NONEXISTENT},
        {"NOPERM", PH_CODE_NOPERM},
        {"NOTSAVED", PH_CODE_NOTSAVED},
        {"NOUPDATE", PH_CODE_NOUPDATE},
        {"OVERQUOTA", PH_CODE_OVERQUOTA},
        {"PARSE", PH_CODE_PARSE},
        {"PERMANENTFLAGS", PH_CODE_PERMANENTFLAGS},
        {"PRIVACYREQUIRED", PH_CODE_PRIVACYREQUIRED},
        {"READ-ONLY", PH_CODE_READONLY},
        {"READ-WRITE", PH_CODE_READWRITE},
        {"SERVERBUG", PH_CODE_SERVERBUG},
        {"THROTTLED", PH_CODE_THROTTLED},
        {"TOOBIG", PH_CODE_TOOBIG},
        {"TRYCREATE", PH_CODE_TRYCREATE},
        {"UIDNEXT", PH_CODE_UIDNEXT},
        {"UIDNOTSTICKY", PH_CODE_UIDNOTSTICKY},
        {"UIDVALIDITY", PH_CODE_UIDVALIDITY},
        {"UNAVAILABLE", PH_CODE_UNAVAILABLE},
        {"UNKNOWN-CTE", PH_CODE_UNKNOWN_CTE},
        {"UNSEEN", PH_CODE_UNSEEN},
        {"UIDREQUIRED", PH_CODE_UIDREQUIRED},
        {"BADURL", PH_CODE_BADURL},
        {"TOOMANY", PH_CODE_TOOMANY},
        {"METADATA", PH_CODE_METADATA},
        {"COMPRESSIONACTIVE", PH_CODE_COMPRESSIONACTIVE},
        {"REFERRAL", PH_CODE_REFERRAL},
        {"INPROGRESS", PH_CODE_INPROGRESS},
        {"NOTIFICATIONOVERFLOW", PH_CODE_NOTIFICATIONOVERFLOW},
        {"USEATTR", PH_CODE_USEATTR},
        {"UIDNEXTS", PH_CODE_UNKNOWN},
        {"UIDNEX", PH_CODE_UNKNOWN},
        {"A", PH_CODE_UNKNOWN},
        {"ZZZ", PH_CODE_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct ph_buf b = PH_BUF_INIT;
        struct resp t;
        ph_buf_add_z(&b, "* NO [");
        ph_buf_add_z(&b, all[i].atom);
        ph_buf_add_z(&b, "] x\r\n");
        resp_parse(&t, ph_buf_str(&b));
        assert_int_equal(t.r.code.id, all[i].id);
        assert_str(t.r.code.atom, all[i].atom);
        assert_str(t.r.text, "x");
        resp_done(&t);
        ph_buf_done(&b);
    }
}

static void test_words(void **state)
{
    RESP(t, "* CAPABILITY IMAP4rev1 STARTTLS AUTH=GSSAPI \r\n") {
        assert_int_equal(t.r.kind, PH_RESP_CAPABILITY);
        assert_words(&t.r.words, "IMAP4rev1|STARTTLS|AUTH=GSSAPI");
    }
    RESP(t, "* capability\r\n") assert_int_equal(t.r.kind, PH_RESP_CAPABILITY);
    RESP(t, "* ENABLED CONDSTORE QRESYNC\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_ENABLED);
        assert_words(&t.r.words, "CONDSTORE|QRESYNC");
    }
    RESP(t, "* ENABLED\r\n") assert_int_equal(t.r.words.n, 0);
    RESP(t, "* FLAGS (\\Answered \\Flagged f\xfc)\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_FLAGS);
        assert_words(&t.r.words, "\\Answered|\\Flagged|f\xfc");
    }
    RESP(t, "* ID (\"name\" \"Cyrus\" \"version\" NIL os \"a \\\"b\\\\\")\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_ID);
        assert_words(&t.r.words, "name|Cyrus|version|<nil>|os|a \"b\\");
    }
    RESP(t, "* ID NIL\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_ID);
        assert_int_equal(t.r.words.n, 0);
    }
    /* more than the parser keeps on its stack */
    RESP(t, "* CAPABILITY 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 "
            "31 32 33 34 35 36 "
            "37 38 39 40 41 42 43 44 45 46 47 48 49 50\r\n")
    {
        assert_int_equal(t.r.words.n, 50);
        assert_str(t.r.words.w[0], "1");
        assert_str(t.r.words.w[23], "24");
        assert_str(t.r.words.w[24], "25");
        assert_str(t.r.words.w[49], "50");
    }
}

static void test_numbers(void **state)
{
    RESP(t, "* 23 EXISTS\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_EXISTS);
        assert_int_equal(t.r.number, 23);
    }
    RESP(t, "*  0  recent \r\n") {
        assert_int_equal(t.r.kind, PH_RESP_RECENT);
        assert_int_equal(t.r.number, 0);
    }
    RESP(t, "* 4294967295 EXPUNGE\r\n") assert_int_equal(t.r.number, UINT32_MAX);
    RESP(t, "* 4294967296 EXPUNGE\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "* 99999999999999999999999999 EXISTS\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "* 5 FROBNICATE (x)\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
        assert_str(t.r.word, "FROBNICATE");
        assert_str(t.r.text, "(x)");
    }
}

static void test_search(void **state)
{
    RESP(t, "* SEARCH 2 3 6\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_SEARCH);
        assert_set(&t.r.set, "2:3,6");
        assert_int_equal(t.r.modseq, 0);
    }
    RESP(t, "* SEARCH\r\n") assert_set(&t.r.set, "");
    RESP(t, "* SEARCH \r\n") assert_set(&t.r.set, "");
    RESP(t, "* SEARCH 9 5 4 5  7 (MODSEQ 917162500)  \r\n") {
        assert_set(&t.r.set, "4:5,7,9");
        assert_int_equal(t.r.modseq, 917162500);
    }
    RESP(t, "* SEARCH 5 x 0 ) 99999999999 7\r\n") assert_set(&t.r.set, "5,7");
    RESP(t, "* SORT 5 3 4 1 2 (MODSEQ 17)\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_SEARCH);
        assert_int_equal(t.r.n_numbers, 5);
        assert_int_equal(t.r.numbers[0], 5);
        assert_int_equal(t.r.numbers[4], 2);
        assert_int_equal(t.r.modseq, 17);
        assert_true(ph_numset_empty(&t.r.set));
    }
}

static void test_esearch(void **state)
{
    RESP(t, "* ESEARCH (TAG \"a567\") UID COUNT 17 ALL 4:18,21,28\r\n") { /* RFC 4731 3.1 */
        assert_int_equal(t.r.kind, PH_RESP_ESEARCH);
        assert_str(t.r.esearch.tag, "a567");
        assert_true(t.r.esearch.uid && t.r.esearch.has_count);
        assert_int_equal(t.r.esearch.count, 17);
        assert_str(t.r.esearch.all, "4:18,21,28");
        assert_false(t.r.esearch.has_min || t.r.esearch.has_max || t.r.esearch.has_modseq);
    }
    RESP(t, "* ESEARCH (TAG a) MIN 7 MAX 3800 PARTIAL (1:10 3,4) MODSEQ 1236\r\n") {
        assert_str(t.r.esearch.tag, "a");
        assert_false(t.r.esearch.uid);
        assert_int_equal(t.r.esearch.min, 7);
        assert_int_equal(t.r.esearch.max, 3800);
        assert_int_equal(t.r.esearch.modseq, 1236);
        assert_true(t.r.esearch.has_modseq);
        assert_str(t.r.esearch.all, NULL);
    }
    RESP(t, "* ESEARCH\r\n") assert_int_equal(t.r.kind, PH_RESP_ESEARCH);
    RESP(t, "* ESEARCH ) COUNT\r\n") assert_false(t.r.esearch.has_count);
}

static void test_vanished(void **state)
{
    RESP(t, "* VANISHED (EARLIER) 41,43:116,118,120:211\r\n") { /* RFC 7162 3.2.10.1 */
        assert_int_equal(t.r.kind, PH_RESP_VANISHED);
        assert_true(t.r.earlier);
        assert_set(&t.r.set, "41,43:116,118,120:211");
    }
    RESP(t, "* VANISHED 405\r\n") {
        assert_false(t.r.earlier);
        assert_set(&t.r.set, "405");
    }
    RESP(t, "* VANISHED\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "* VANISHED 1,x\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
        assert_str(t.r.text, "1,x");
    }
}

static void test_unknown(void **state)
{
    RESP(t, "* THREAD (2)(3 6 (4 23))\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
        assert_str(t.r.word, "THREAD");
        assert_str(t.r.text, "(2)(3 6 (4 23))");
    }
    RESP(t, "complete nonsense\r\n") {
        assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
        assert_str(t.r.tag, "complete");
    }
    RESP(t, "*\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "\t \r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "* (((\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "* 5\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
}

/* --- limits ----------------------------------------------------------------------------------------------------- */

static void limited(struct ph_str head, const char *repeat, size_t times, const struct ph_resp_limits *limits)
{
    struct ph_buf b = PH_BUF_INIT;
    struct resp t;

    ph_buf_add_str(&b, head);
    for (size_t i = 0; i < times; i++)
        ph_buf_add_z(&b, repeat);
    ph_buf_add_z(&b, "\r\n");
    resp_parse_limits(&t, ph_buf_str(&b), limits);
    assert_int_equal(t.rc, -1);
    assert_int_equal(t.err.kind, PH_E_LIMIT);
    assert_int_equal(t.err.scope, PH_SCOPE_SESSION);
    assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    assert_non_null(t.r.text.p);
    assert_true(ph_numset_empty(&t.r.set));
    resp_done(&t);
    ph_buf_done(&b);
}

static void test_depth(void **state)
{
    limited(PH_STR("* 1 FETCH (X "), "(", 1000000, NULL);
    limited(PH_STR("* 1 FETCH "), "(", 1000000, NULL);
    limited(PH_STR("* 1 FETCH (FLAGS "), "(", 1000000, NULL);
    limited(PH_STR("* 1 FETCH (MODSEQ "), "(", 1000000, NULL);
    limited(PH_STR("* 1 FETCH (UID "), "(", 1000000, NULL);
    limited(PH_STR("* LIST "), "(", 1000000, NULL);
    limited(PH_STR("* LIST () \"/\" a "), "(", 1000000, NULL);
    limited(PH_STR("* ID "), "(", 1000000, NULL);
    limited(PH_STR("* NAMESPACE "), "(", 1000000, NULL);
    limited(PH_STR("* SEARCH "), "(", 1000000, NULL);
    limited(PH_STR("* ESEARCH "), "(", 1000000, NULL);
    limited(PH_STR("* VANISHED "), "(", 1000000, NULL);
    limited(PH_STR("* STATUS a (X "), "(", 1000000, NULL);
    limited(PH_STR("* OK [PERMANENTFLAGS "), "(", 1000000, NULL);
    /* exactly as deep as allowed */
    struct resp t;
    resp_parse_limits(&t, PH_STR("* 1 FETCH (X ((y)))\r\n"), &(struct ph_resp_limits){ 2, 10, 10 });
    assert_int_equal(t.rc, 0);
    resp_done(&t);
    limited(PH_STR("* 1 FETCH (X (((y))))"), "", 0, &(struct ph_resp_limits){ 2, 10, 10 });
}

static void test_counts(void **state)
{
    const struct ph_resp_limits few = { 10, 5, 20 };

    limited(PH_STR("* SEARCH"), " 9 7 5 3 1 20 22 24", 1, &few);
    limited(PH_STR("* VANISHED 1,3,5,7,9,11"), "", 0, &few);
    limited(PH_STR("* SORT"), " 1", 21, &few);
    limited(PH_STR("* CAPABILITY"), " A", 21, &few);
    limited(PH_STR("* 1 FETCH (FLAGS ("), "a ", 21, &few);
    limited(PH_STR("* 1 FETCH ("), "BODY[] NIL ", 21, &few);
    limited(PH_STR("* 1 FETCH ("), "X y ", 21, &few);
    limited(PH_STR("* 1 FETCH (X ("), "() ", 21, &few);
    limited(PH_STR("* OK [CAPABILITY"), " A", 21, &few);
    /* many numbers that make few ranges are fine, in any order */
    struct resp t;
    resp_parse_limits(&t, PH_STR("* SEARCH 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1\r\n"), &few);
    assert_int_equal(t.rc, 0);
    assert_set(&t.r.set, "1:20");
    resp_done(&t);
}

/* A full arena is reported wherever it happens, not read past: each line with every limit up to the one that suffices. */
static void test_memory(void **state)
{
    static const char *const lines[] = {
        "* CAPABILITY 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27",
        "* 1 FETCH (FLAGS (\\Seen) BODY[] \"x\" X (a b) BODY[1] NIL ENVELOPE (a (b) \"c\\\"\") y NIL)",
        "* LIST (\\Sent) \"/\" \"a\\\"b\" (CHILDINFO (\"SUBSCRIBED\"))",
        "* NAMESPACE ((\"\" \"/\")) NIL ((\"x\" \".\"))",
        "* SORT 1 2 3 4 5 6 7 8 9",
        "* ID (\"a\" \"b\")",
        "* OK [PERMANENTFLAGS (a b c)] x",
        "* STATUS \"a\\\\\" (MESSAGES 1 MAILBOXID (x))",
        "* ESEARCH (TAG \"x\") ALL 1:5",
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int rc = -1;
        for (size_t limit = 1; rc; limit++) {
            struct ph_framer f;
            struct ph_arena arena;
            struct ph_resp r;
            struct ph_err err;
            ph_framer_init(&f, NULL);
            f.frame = ph_str(lines[i]);
            ph_arena_init(&arena, limit);
            rc = ph_resp_parse(&f, NULL, &arena, &r, &err);
            if (rc) {
                assert_int_equal(err.kind, PH_E_MEMORY);
                assert_int_equal(r.kind, PH_RESP_UNKNOWN);
            }
            assert_true(limit > 1 || rc);
            assert_true(limit < 10000);
            ph_resp_done(&r);
            ph_arena_done(&arena);
            ph_framer_done(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),  cmocka_unit_test(test_continue), cmocka_unit_test(test_codes),
        cmocka_unit_test(test_all_codes), cmocka_unit_test(test_words),  cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_search),  cmocka_unit_test(test_esearch),  cmocka_unit_test(test_vanished),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_depth),    cmocka_unit_test(test_counts),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
