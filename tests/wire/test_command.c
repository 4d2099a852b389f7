/* The command parser: what it takes, and what the BAD says. */
#include "cmd.h"

static void test_simple(void **state)
{
    CMD(t, "a1 CAPABILITY\r\n") {
        assert_str(t.c.tag, "a1");
        assert_str(t.c.name, "CAPABILITY");
        assert_int_equal(t.c.id, PH_CMD_CAPABILITY);
        assert_int_equal(t.c.states, PH_STATE_ANY);
        assert_false(t.c.uid);
    }
    CMD(t, "]#1 noop\n") assert_int_equal(t.c.id, PH_CMD_NOOP);
    CMD(t, "a LOGIN fred \"a \\\"b\\\\\"\r\n") {
        assert_str(t.c.login.user, "fred");
        assert_str(t.c.login.password, "a \"b\\");
        assert_int_equal(t.c.states, PH_STATE_NONAUTH);
    }
    CMD(t, "a login {4+}\r\nfred {7}\r\na\r\nb \"c\r\n") {
        assert_str(t.c.login.user, "fred");
        assert_str(t.c.login.password, "a\r\nb \"c");
    }
    CMD(t, "a LOGIN \"f\xc3\xbc\" NIL\r\n") {
        assert_str(t.c.login.user, "f\xc3\xbc");
        assert_str(t.c.login.password, "NIL");
    }
    CMD(t, "a AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=\r\n") {
        assert_str(t.c.auth.mechanism, "PLAIN");
        assert_str(t.c.auth.initial, "dGVzdAB0ZXN0AHRlc3Q=");
    }
    CMD(t, "a AUTHENTICATE EXTERNAL =\r\n") assert_str(t.c.auth.initial, "=");
    CMD(t, "a AUTHENTICATE CRAM-MD5\r\n") assert_str(t.c.auth.initial, NULL);
    CMD(t, "a ENABLE CONDSTORE UTF8=ACCEPT\r\n") assert_words(&t.c.words, "CONDSTORE|UTF8=ACCEPT");
    CMD(t, "a COMPRESS DEFLATE\r\n") assert_words(&t.c.words, "DEFLATE");
    CMD(t, "a ID NIL\r\n") assert_int_equal(t.c.words.n, 0);
    CMD(t, "a ID ()\r\n") assert_int_equal(t.c.words.n, 0);
    CMD(t, "a023 ID (\"name\" \"sodr\" \"version\" NIL)\r\n") assert_words(&t.c.words, "name|sodr|version|<nil>");
}

static void test_mailboxes(void **state)
{
    CMD(t, "a CREATE owatagusiam/\r\n") assert_str(t.c.mailbox.name, "owatagusiam/");
    CMD(t, "a CREATE MySpecial (USE (\\Drafts \\Sent))\r\n") { /* RFC 6154 5.3 */
        assert_str(t.c.mailbox.name, "MySpecial");
        assert_words(&t.c.mailbox.use, "\\Drafts|\\Sent");
    }
    CMD(t, "a DELETE [Gmail]/Foo\r\n") assert_str(t.c.mailbox.name, "[Gmail]/Foo");
    CMD(t, "a SUBSCRIBE inbox\r\n") assert_str(t.c.mailbox.name, "INBOX");
    CMD(t, "a SUBSCRIBE \"iNbOx\"\r\n") assert_str(t.c.mailbox.name, "INBOX");
    CMD(t, "a RENAME a {3}\r\nb c\r\n") {
        assert_str(t.c.mailbox.name, "a");
        assert_str(t.c.mailbox.to, "b c");
    }
    CMD(t, "a SELECT Inbox\r\n") {
        assert_str(t.c.select.mailbox, "INBOX");
        assert_false(t.c.select.condstore || t.c.select.qresync);
    }
    CMD(t, "a EXAMINE x (CONDSTORE)\r\n") {
        assert_int_equal(t.c.id, PH_CMD_EXAMINE);
        assert_true(t.c.select.condstore);
    }
    CMD(t, "A04 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541 (1:3,5 41:43,45)) CONDSTORE)\r\n") {
        const struct ph_cmd_select *s = &t.c.select; /* from RFC 7162 3.2.5 */
        assert_true(s->qresync && s->condstore);
        assert_int_equal(s->uidvalidity, 67890007);
        assert_int_equal(s->modseq, 90060115194045000);
        assert_str(s->known_uids.text, "41:211,214:541");
        assert_str(s->match_seqs.text, "1:3,5");
        assert_str(s->match_uids.text, "41:43,45");
    }
    CMD(t, "A SELECT x (QRESYNC (1 2))\r\n") assert_str(t.c.select.known_uids.text, NULL);
    CMD(t, "A SELECT x (QRESYNC (1 2 (1 5)))\r\n") {
        assert_str(t.c.select.known_uids.text, NULL);
        assert_str(t.c.select.match_uids.text, "5");
    }
    CMD(t, "a STATUS blurdybloop (UIDNEXT messages HIGHESTMODSEQ)\r\n") {
        assert_str(t.c.status.mailbox, "blurdybloop");
        assert_int_equal(t.c.status.items, PH_SI_UIDNEXT | PH_SI_MESSAGES | PH_SI_HIGHESTMODSEQ);
    }
    CMD(t, "a STATUS x (UIDVALIDITY UNSEEN RECENT DELETED SIZE APPENDLIMIT MAILBOXID)\r\n")
    assert_int_equal(t.c.status.items, PH_SI_UIDVALIDITY | PH_SI_UNSEEN | PH_SI_RECENT | PH_SI_DELETED |
                                           PH_SI_SIZE | PH_SI_APPENDLIMIT | PH_SI_MAILBOXID);
}

static void test_list(void **state)
{
    CMD(t, "a LIST \"\" *\r\n") {
        assert_str(t.c.list.reference, "");
        assert_words(&t.c.list.patterns, "*");
        assert_false(t.c.list.extended);
    }
    CMD(t, "a LIST \"\" inbox/%\r\n") assert_words(&t.c.list.patterns, "inbox/%");
    CMD(t, "a LIST \"#news.\" {3}\r\na%b\r\n") assert_words(&t.c.list.patterns, "a%b");
    CMD(t, "A02 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))\r\n") { /* RFC 5819 3 */
        assert_true(t.c.list.extended);
        assert_int_equal(t.c.list.select, PH_LO_SUBSCRIBED | PH_LO_RECURSIVEMATCH);
        assert_int_equal(t.c.list.options, PH_LO_STATUS);
        assert_int_equal(t.c.list.status, PH_SI_MESSAGES);
    }
    CMD(t, "a LIST () \"\" (INBOX Drafts \"Sent %\") return (children special-use subscribed)\r\n") {
        assert_words(&t.c.list.patterns, "INBOX|Drafts|Sent %");
        assert_int_equal(t.c.list.options, PH_LO_CHILDREN | PH_LO_SPECIAL_USE | PH_LO_SUBSCRIBED);
    }
    CMD(t, "a LIST (REMOTE SPECIAL-USE) \"\" x RETURN ()\r\n")
    assert_int_equal(t.c.list.select, PH_LO_REMOTE | PH_LO_SPECIAL_USE);
    CMD(t, "a LSUB #news. comp.mail.*\r\n") {
        assert_str(t.c.list.reference, "#news.");
        assert_words(&t.c.list.patterns, "comp.mail.*");
    }
}

static void test_store_copy(void **state)
{
    CMD(t, "a STORE 2:4 +FLAGS (\\Deleted)\r\n") {
        assert_str(t.c.store.set.text, "2:4");
        assert_int_equal(t.c.store.op, '+');
        assert_false(t.c.store.silent || t.c.store.has_unchangedsince);
        assert_words(&t.c.store.flags, "\\Deleted");
    }
    CMD(t, "a UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) -flags.silent \\Seen $x\r\n") {
        assert_true(t.c.uid && t.c.store.silent && t.c.store.has_unchangedsince);
        assert_int_equal(t.c.store.unchangedsince, 12121230045);
        assert_int_equal(t.c.store.op, '-');
        assert_words(&t.c.store.flags, "\\Seen|$x");
    }
    CMD(t, "a STORE * FLAGS ()\r\n") {
        assert_int_equal(t.c.store.op, 0);
        assert_int_equal(t.c.store.flags.n, 0);
        assert_true(t.c.store.set.star);
    }
    CMD(t, "a STORE $ (UNCHANGEDSINCE 0) +FLAGS.SILENT ()\r\n") assert_true(t.c.store.set.saved);
    CMD(t, "a COPY 2:4 MEETING\r\n") {
        assert_int_equal(t.c.id, PH_CMD_COPY);
        assert_str(t.c.copy.set.text, "2:4");
        assert_str(t.c.copy.mailbox, "MEETING");
    }
    CMD(t, "a UID MOVE 42:69 foo\r\n") assert_true(t.c.uid);
    CMD(t, "a EXPUNGE\r\n") assert_str(t.c.copy.set.text, NULL);
    CMD(t, "a UID EXPUNGE 3000:3002\r\n") assert_str(t.c.copy.set.text, "3000:3002");
}

static void test_bad(void **state)
{
    bad("NOOP\r\n", "NOOP", "no command (is the tag missing?)");
    bad("x\r\n", "x", "no command");
    bad("SUBSCRIBE foo\r\n", "SUBSCRIBE", "unknown command (is the tag missing?): foo");
    bad("list \"\" *\r\n", "list", "unknown command (is the tag missing?): \"\"");
    bad("+a NOOP\r\n", NULL, "no valid tag");
    bad("a(b NOOP\r\n", NULL, "no valid tag");
    bad(" a NOOP\r\n", NULL, "no valid tag");
    bad("a\r\n", "a", "no command");
    bad("a  NOOP\r\n", "a", "no command");
    bad("a FROB\r\n", "a", "unknown command: FROB");
    bad("a F\xffROB\r\n", "a", "unknown command: F");
    bad("a UID\r\n", "a", "no command behind UID");
    bad("a UID NOOP\r\n", "a", "there is no UID form of: NOOP");
    bad("a NOOP \r\n", "a", "a blank too many");
    bad("a NOOP x\r\n", "a", "an argument too many: x");
    bad("a LOGIN a  b\r\n", "a", "a blank too many");
    bad("a LOGIN a b \r\n", "a", "a blank too many");
    bad("a LOGIN a\r\n", "a", "expected a password");
    bad("a LOGIN a (b)\r\n", "a", "expected a password");
    bad("a LOGIN a \"b\r\n", "a", "a quoted string without its end");
    bad("a LOGIN a \"b\\c\"\r\n", "a", "a backslash in a quoted string before something else than \" or \\");
    bad("a LOGIN a \"b\\\r\n", "a", "a backslash in a quoted string before something else than \" or \\");
    bad("a LOGIN a \"\xff\"\r\n", "a", "a quoted string that is not UTF-8");
    bad("a LOGIN a \xc3\xbc\r\n", "a", "a character that may not stand there");
    bad("a LOGIN \"a\"b c\r\n", "a", "a blank is missing before: b");
    bad("a LOGIN a b)\r\n", "a", "a closing parenthesis too many");
    bad("a LOGIN a (b\r\n", "a", "a list without its end");
    bad("a LOGIN a ( b)\r\n", "a", "a blank too many");
    bad("a LOGIN a (b )\r\n", "a", "a blank too many");
    bad("a LOGIN a\\b c\r\n", "a", "expected a user name: a\\b");
    bad("a LOGIN a ~{1}\r\nb\r\n", "a", "expected a password");
    bad("a LOGIN a x{b\r\n", "a", "a brace that begins no literal");
    bad("a AUTHENTICATE PLAIN abc\r\n", "a", "an initial response that is not base64");
    bad("a AUTHENTICATE PLAIN a===\r\n", "a", "an initial response that is not base64");
    bad("a ENABLE\r\n", "a", "expected a capability");
    bad("a ID (\"a\")\r\n", "a", "expected a value in quotes, or NIL");
    bad("a ID (a b)\r\n", "a", "expected a field name in quotes: a");
    bad("a ID (\"0123456789012345678901234567890\" NIL)\r\n", "a",
        "more than 30 fields, or longer ones than RFC 2971 allows");
    bad("a CREATE x (FOO y)\r\n", "a", "an unknown parameter of CREATE: FOO");
    bad("a CREATE x ()\r\n", "a", "an unknown parameter of CREATE");
    bad("a SELECT x (FOO)\r\n", "a", "an unknown parameter, or one given twice: FOO");
    bad("a SELECT x (CONDSTORE CONDSTORE)\r\n", "a", "an unknown parameter, or one given twice: CONDSTORE");
    bad("a SELECT x (QRESYNC (0 1))\r\n", "a", "QRESYNC with a 0");
    bad("a SELECT x (QRESYNC (1 1 1:*))\r\n", "a", "* in a set of QRESYNC");
    bad("a SELECT x (QRESYNC 1 1)\r\n", "a", "expected the values of QRESYNC: 1");
    bad("a SELECT a%\r\n", "a", "expected a mailbox name: a%");
    bad("a STATUS x ()\r\n", "a", "expected a status item");
    bad("a STATUS x (FOO)\r\n", "a", "unknown or not supported: FOO");
    bad("a LIST (RECURSIVEMATCH) \"\" *\r\n", "a", "RECURSIVEMATCH without SUBSCRIBED");
    bad("a LIST (REMOTE RECURSIVEMATCH) \"\" *\r\n", "a", "RECURSIVEMATCH without SUBSCRIBED");
    bad("a LIST (FOO) \"\" *\r\n", "a", "unknown or not supported: FOO");
    bad("a LIST (SUBSCRIBED)\"\" *\r\n", "a", "a blank is missing before");
    bad("a LIST \"\" ()\r\n", "a", "expected a mailbox pattern");
    bad("a LIST \"\" * RETURN\r\n", "a", "expected return options");
    bad("a LIST \"\" * RETURN (STATUS)\r\n", "a", "expected a list of status items");
    bad("a LSUB \"\" (a)\r\n", "a", "expected a mailbox pattern");
    bad("a STORE 1 FLAG (x)\r\n", "a", "expected FLAGS, +FLAGS or -FLAGS, perhaps with .SILENT: FLAG");
    bad("a STORE 1 +FLAGS\r\n", "a", "expected a flag");
    bad("a STORE 1 FLAGS (\\)\r\n", "a", "expected a flag: \\");
    bad("a STORE 1 FLAGS (a \"b\")\r\n", "a", "expected a flag: b");
    bad("a STORE 1 FLAGS (\\*)\r\n", "a", "expected a flag: \\*");
    bad("a STORE 1 FLAGS (a) b\r\n", "a", "an argument too many: b");
    bad("a STORE 1 (CHANGEDSINCE 1) FLAGS (a)\r\n", "a", "an unknown modifier: CHANGEDSINCE");
    bad("a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS (a)\r\n", "a",
        "a number that is too large: 9223372036854775808");
    bad("a STORE 1 (UNCHANGEDSINCE 1 2) FLAGS (a)\r\n", "a", "an argument too many: 2");
    bad("a UID EXPUNGE\r\n", "a", "expected a set of message numbers");
    bad("a EXPUNGE 1\r\n", "a", "an argument too many: 1");
    static const char *const sets[] = {"0", "01",    "1:0", "1,,2",       ",1", "1,",
                                       "a", "1:2:3", "$,1", "4294967296", "-1", "1:"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct ph_buf line = PH_BUF_INIT;
        struct ph_buf want = PH_BUF_INIT;
        ph_buf_add_z(&line, "a COPY ");
        ph_buf_add_z(&line, sets[i]);
        ph_buf_add_z(&line, " x\r\n");
        ph_buf_add_z(&want, "expected a set of message numbers: ");
        ph_buf_add_z(&want, sets[i]);
        bad(ph_buf_z(&line), "a", ph_buf_z(&want));
        ph_buf_done(&line);
        ph_buf_done(&want);
    }
}

/* What many clients send is taken where the caller says so. */
static void test_blanks(void **state)
{
    static const char *const lines[] = {
        "a NOOP \r\n", "a LSUB \"\" \"%\"   \r\n", "a STORE 1  +FLAGS (\\Seen)\r\n", "a STATUS x (  MESSAGES  )\r\n",
        "a SEARCH OR ( FROM o TO o ) ( HEADER X \"\" DRAFT )\r\n", "a SELECT x ( CONDSTORE )  \r\n",
        "a STORE 1 FLAGS ( )\r\n", "a APPEND x  ( ) {1}\r\nx \r\n",
    };
    struct ph_args_limits loose = ph_args_limits_default;

    loose.blanks = true;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cmd t;
        cmd_parse(&t, ph_str(lines[i]), NULL);
        assert_int_equal(t.rc, -1);
        assert_string_equal(t.err.text, "a blank too many");
        cmd_done(&t);
        cmd_parse(&t, ph_str(lines[i]), &loose);
        if (t.rc)
            fail_msg("%s: %s", lines[i], t.err.text);
        cmd_done(&t);
    }
    struct cmd t;
    cmd_parse(&t, PH_STR("a STATUS x(MESSAGES)\r\n"), &loose); /* too few stay an error */
    assert_int_equal(t.rc, -1);
    cmd_done(&t);
}

static void test_nul(void **state)
{
    struct cmd t;

    cmd_parse(&t, PH_STR("a LOGIN a {3}\r\nb\0c\r\n"), NULL);
    assert_int_equal(t.rc, -1);
    assert_string_equal(t.err.text, "NUL in a literal");
    cmd_done(&t);
    cmd_parse(&t, PH_STR("a LOGIN a \"b\0c\"\r\n"), NULL);
    assert_int_equal(t.rc, -1);
    assert_string_equal(t.err.text, "NUL or a line end in a quoted string");
    cmd_done(&t);
}

static void limited(const char *head, const char *repeat, size_t times, const char *tail,
                    const struct ph_args_limits *limits)
{
    struct ph_buf b = PH_BUF_INIT;
    struct cmd t;

    ph_buf_add_z(&b, head);
    for (size_t i = 0; i < times; i++)
        ph_buf_add_z(&b, repeat);
    ph_buf_add_z(&b, tail);
    cmd_parse(&t, ph_buf_str(&b), limits);
    assert_int_equal(t.rc, -1);
    assert_int_equal(t.err.kind, PH_E_LIMIT);
    assert_str(t.c.tag, "a");
    cmd_done(&t);
    ph_buf_done(&b);
}

static void test_limits(void **state)
{
    const struct ph_args_limits few = { 5, 20, 5 };

    limited("a SEARCH ", "(", 1000000, "\r\n", NULL);
    limited("a SEARCH ", "NOT ", 99000, "ALL\r\n", NULL);
    limited("a SEARCH ", "OR ", 49000, "ALL ALL\r\n", NULL);
    limited("a SEARCH (((((ALL)))))", "", 0, "\r\n", &(struct ph_args_limits){ 4, 20, 5 });
    limited("a ENABLE", " x", 21, "\r\n", &few);
    limited("a COPY 1", ",3,5,7,9,11", 1, " x\r\n", &few);
    limited("a FETCH 1 BODY[1", ".1", 5, "]\r\n", &few);
    limited("a STORE 1 FLAGS (", "x ", 30, "x)\r\n", &few);
    CMD(t, "a SEARCH NOT NOT NOT (ALL)\r\n") assert_int_equal(t.c.search.key.what, PH_SK_NOT);
}

/* Lines of 4 MB, each of the sort that would be slow or deep if anything in the parser were: a clean refusal (or none), and
 * the time limit of the test. */
static void test_long_lines(void **state)
{
    static const struct {
        const char *head, *repeat, *tail;
        bool limit; /* refused for its size; else for its grammar, or taken */
    } lines[] = {
        { "a SEARCH ", "(", "\r\n", true },
        { "a SEARCH ", "(", "ALL)\r\n", true },
        { "a SEARCH ", "(NOT ", "ALL\r\n", true },
        { "a SEARCH ", "OR SEEN ", "ALL\r\n", true },
        { "a SEARCH ", "OR NOT ", "ALL\r\n", true },
        { "a SEARCH ", "ALL ", "ALL\r\n", true },
        { "a SEARCH TEXT ", "x", "\r\n", false },
        { "a SEARCH TEXT \"", "\\\\", "\"\r\n", false },
        { "a FETCH 9", ",7", " UID\r\n", true },
        { "a FETCH 1 (", "BODY[HEADER.FIELDS (A)] ", "UID)\r\n", true },
        { "a FETCH 1 BODY[1", ".1", "]\r\n", true },
        { "a FETCH 1 BODY[", "[", "]\r\n", false },
        { "a FETCH 1 (", "PREVIEW (LAZY) ", "UID)\r\n", true },
        { "a ", "x", "\r\n", false },
        { "", "a", " NOOP\r\n", false },
        { "a LIST () \"\" (", "x ", "x)\r\n", true },
        { "a STORE 1 FLAGS (", "x ", "x)\r\n", true },
        { "a NOTIFY SET ", "(mailboxes (a b) NONE) ", "(x)\r\n", true },
        { "a NOTIFY SET (mailboxes ", "(", "\r\n", true },
        { "a SETMETADATA \"\" (", "/a NIL ", "/b NIL)\r\n", true },
        { "a GETMETADATA \"\" /a", "/a", "\r\n", false },
        { "a APPEND x CATENATE (", "URL /x ", "URL y)\r\n", true },
        { "a APPEND x ", "CATENATE (", "\r\n", true },
        { "a ESEARCH IN (", "personal ", "inboxes) ALL\r\n", true },
        { "a SETACL x y ", "l", "\r\n", false },
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct ph_buf b = PH_BUF_INIT;
        struct cmd t;
        ph_buf_add_z(&b, lines[i].head);
        while (ph_buf_len(&b) < 4 << 20)
            ph_buf_add_z(&b, lines[i].repeat);
        ph_buf_add_z(&b, lines[i].tail);
        cmd_parse(&t, ph_buf_str(&b), NULL);
        if (lines[i].limit && (t.rc == 0 || t.err.kind != PH_E_LIMIT))
            fail_msg("%s%s…: no limit: %s", lines[i].head, lines[i].repeat, t.rc ? t.err.text : "");
        if (!lines[i].limit && t.rc)
            assert_int_equal(t.err.kind, PH_E_PROTOCOL);
        cmd_done(&t);
        ph_buf_done(&b);
    }
    limited("a SEARCH ", "(", 50000, "ALL\r\n", NULL);
    limited("a SEARCH ", "OR (NOT ", 15000, "ALL\r\n", NULL);
    limited("a SEARCH ", "NOT ", 5000, "ALL\r\n", NULL);
    limited("a SEARCH ", "NOT ", 50, "ALL\r\n", NULL);
    CMD(t, "a SEARCH ((((((((((((((((((((((((((((((ALL))))))))))))))))))))))))))))))\r\n") assert_int_equal(t.c.search.key.n, 0);
}

/* A full arena is reported wherever it happens: each command with every limit up to the one that suffices. */
static void test_memory(void **state)
{
    static const char *const lines[] = {
        "a LOGIN x \"y\\\"z\"",
        "a ENABLE A B C D E F",
        "a ID (\"a\" \"b\" \"c\" NIL \"d\" \"e\")",
        "a CREATE x (USE (\\Drafts \\Sent))",
        "a SELECT x (QRESYNC (1 2 3:4 (1 5)))",
        "a LIST (SUBSCRIBED) \"\" (a b c d e) RETURN (STATUS (MESSAGES))",
        "a LSUB \"\" *",
        "a FETCH 1 (UID FLAGS BODY[1.2.3.4.5.HEADER.FIELDS (a b c d e)]<0.5> ENVELOPE UID)",
        "a FETCH 1 FULL",
        "a STORE 1 FLAGS a b c d e",
        "a SEARCH OR SEEN (NOT DELETED FROM x TO y ALL) 1:5",
        "a SORT (DATE TO CC FROM SIZE) UTF-8 ALL",
        "a APPEND x (a b) {1}\r\nx {1}\r\ny",
        "a REPLACE 1 x CATENATE (URL a URL b URL c URL d URL \"e\\\"\")",
        "a SETQUOTA x (a 1 b 2 c 3 d 4 e 5)",
        "a SETMETADATA x (/a \"a\" /b NIL /c NIL /d NIL /e \"e\\\"\")",
        "a GETMETADATA x (/a /b /c /d /e)",
        "a NOTIFY SET (mailboxes (a b c d e) NONE) (selected (MessageNew (UID FLAGS) MessageExpunge))",
        "a ESEARCH IN (subtree (a b) personal inboxes subscribed selected) ALL",
        "a LIST \"\" * RETURN (METADATA (/a /b /c /d /e))",
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int rc = -1;
        for (size_t limit = 1; rc; limit++) {
            struct ph_framer f;
            struct ph_arena arena;
            struct ph_command c;
            struct ph_err err;
            ph_framer_init(&f, NULL);
            f.frame = ph_str(lines[i]);
            ph_arena_init(&arena, limit);
            rc = ph_command_parse(&f, NULL, &arena, &c, &err);
            if (rc)
                assert_int_equal(err.kind, PH_E_MEMORY);
            assert_true(limit > 1 || rc);
            assert_true(limit < 10000);
            ph_arena_done(&arena);
            ph_framer_done(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple),     cmocka_unit_test(test_mailboxes), cmocka_unit_test(test_list),
        cmocka_unit_test(test_store_copy), cmocka_unit_test(test_bad),       cmocka_unit_test(test_blanks), cmocka_unit_test(test_nul),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_long_lines), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
