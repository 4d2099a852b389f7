/* The command parser on FETCH, SEARCH, SORT, THREAD and APPEND. */
#include "cmd.h"

static const struct ph_fetch_att *only_att(const struct cmd *t)
{
    assert_int_equal(t->c.fetch.n, 1);
    return t->c.fetch.atts;
}

static void assert_part(const struct ph_section *s, const char *dotted)
{
    struct ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < s->n_part; i++) {
        if (i)
            ph_buf_add_char(&b, '.');
        ph_buf_add_u64(&b, s->part[i]);
    }
    assert_string_equal(ph_buf_z(&b), dotted);
    ph_buf_done(&b);
}

static void test_fetch(void **state)
{
    CMD(t, "A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])\r\n") {
        const struct ph_cmd_fetch *f = &t.c.fetch;
        assert_str(f->set.text, "2:4");
        assert_int_equal(f->n, 2);
        assert_int_equal(f->atts[0].what, PH_FA_FLAGS);
        assert_int_equal(f->atts[1].what, PH_FA_SECTION);
        assert_false(f->atts[1].peek || f->atts[1].partial);
        assert_int_equal(f->atts[1].section.what, PH_SEC_FIELDS);
        assert_words(&f->atts[1].section.fields, "DATE|FROM");
        assert_false(f->has_changedsince);
    }
    CMD(t, "a UID FETCH 1:* (UID BODY.PEEK[1.2.HEADER.FIELDS.NOT (a \"b c\" {2}\r\nd])]<0.10> rfc822.size)\r\n") {
        const struct ph_fetch_att *a = &t.c.fetch.atts[1];
        assert_true(t.c.uid && t.c.fetch.set.star);
        assert_int_equal(t.c.fetch.n, 3);
        assert_true(a->peek && a->partial);
        assert_int_equal(a->origin, 0);
        assert_int_equal(a->length, 10);
        assert_int_equal(a->section.what, PH_SEC_FIELDS_NOT);
        assert_part(&a->section, "1.2");
        assert_words(&a->section.fields, "a|b c|d]");
        assert_int_equal(t.c.fetch.atts[2].what, PH_FA_SIZE);
    }
    CMD(t, "a FETCH 1 BODY[]\r\n") assert_int_equal(only_att(&t)->section.what, PH_SEC_ALL);
    CMD(t, "a FETCH 1 body.peek[text]<9223372036854775807.1>\r\n") {
        assert_int_equal(only_att(&t)->section.what, PH_SEC_TEXT);
        assert_int_equal(only_att(&t)->origin, INT64_MAX);
    }
    CMD(t, "a FETCH 1 BODY[4.1.MIME]\r\n") {
        assert_int_equal(only_att(&t)->section.what, PH_SEC_MIME);
        assert_part(&only_att(&t)->section, "4.1");
    }
    CMD(t, "a FETCH 1 BODY[10]\r\n") assert_part(&only_att(&t)->section, "10");
    CMD(t, "a FETCH 1 BODY\r\n") assert_int_equal(only_att(&t)->what, PH_FA_BODY);
    CMD(t, "a FETCH 1 BINARY.PEEK[1]<5.6>\r\n") {
        assert_int_equal(only_att(&t)->what, PH_FA_BINARY);
        assert_true(only_att(&t)->peek && only_att(&t)->partial);
    }
    CMD(t, "a FETCH 1 (BINARY.SIZE[1.2] ENVELOPE BODYSTRUCTURE INTERNALDATE MODSEQ EMAILID THREADID RFC822 "
           "RFC822.HEADER "
           "RFC822.TEXT)\r\n")
    {
        static const enum ph_fetch_what want[] = {
            PH_FA_BINARY_SIZE, PH_FA_ENVELOPE, PH_FA_BODYSTRUCTURE, PH_FA_INTERNALDATE,  PH_FA_MODSEQ,
            PH_FA_EMAILID,     PH_FA_THREADID, PH_FA_RFC822,        PH_FA_RFC822_HEADER, PH_FA_RFC822_TEXT};
        assert_int_equal(t.c.fetch.n, 10);
        for (size_t i = 0; i < 10; i++)
            assert_int_equal(t.c.fetch.atts[i].what, want[i]);
        assert_true(t.c.fetch.atts[8].peek); /* RFC 3501: RFC822.HEADER does not set \Seen */
        assert_false(t.c.fetch.atts[7].peek);
    }
    CMD(t, "a FETCH 1 full\r\n") {
        assert_int_equal(t.c.fetch.n, 5);
        assert_int_equal(t.c.fetch.atts[4].what, PH_FA_BODY);
    }
    CMD(t, "a FETCH 1 ALL\r\n") assert_int_equal(t.c.fetch.atts[3].what, PH_FA_ENVELOPE);
    CMD(t, "a FETCH 1 FAST (CHANGEDSINCE 5)\r\n") {
        assert_int_equal(t.c.fetch.n, 3);
        assert_int_equal(t.c.fetch.changedsince, 5);
    }
    CMD(t, "s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)\r\n") { /* RFC 7162 3.2.6 */
        assert_true(t.c.fetch.vanished && t.c.fetch.has_changedsince);
        assert_int_equal(t.c.fetch.changedsince, 12345);
    }
}

static void test_fetch_bad(void **state)
{
    bad("a FETCH 1\r\n", "a", "expected a data item");
    bad("a FETCH 1 ()\r\n", "a", "expected a data item");
    bad("a FETCH 1 (ALL)\r\n", "a", "an unknown data item: ALL");
    bad("a FETCH 1 FOO\r\n", "a", "an unknown data item: FOO");
    bad("a FETCH 1 FLAGS[]\r\n", "a", "an unknown data item: FLAGS[]");
    bad("a FETCH 1 BODY.PEEK\r\n", "a", "an unknown data item: BODY.PEEK");
    bad("a FETCH 1 BODY[\r\n", "a", "] is missing");
    bad("a FETCH 1 BODY[FOO]\r\n", "a", "an unknown section: FOO");
    bad("a FETCH 1 BODY[MIME]\r\n", "a", "MIME without a body part");
    bad("a FETCH 1 BODY[1.]\r\n", "a", "not a body part: .");
    bad("a FETCH 1 BODY[0]\r\n", "a", "a body part with such a number");
    bad("a FETCH 1 BODY[1.0.2]\r\n", "a", "a body part with such a number: .2");
    bad("a FETCH 1 BODY[4294967296]\r\n", "a", "a body part with such a number");
    bad("a FETCH 1 BODY[1TEXT]\r\n", "a", "not a body part: TEXT");
    bad("a FETCH 1 BODY[HEADER.FIELDS]\r\n", "a", "a list of header fields is missing");
    bad("a FETCH 1 BODY[HEADER.FIELDS ()]\r\n", "a", "expected a header field");
    bad("a FETCH 1 BODY[HEADER.FIELDS (a) ]\r\n", "a", "] is missing");
    bad("a FETCH 1 BODY[HEADER.FIELDS (a)\r\n", "a", "] is missing");
    bad("a FETCH 1 BODY[HEADER.FIELDS(a)]\r\n", "a", "a blank is missing before");
    bad("a FETCH 1 BODY[TEXT (a)]\r\n", "a", "] is missing");
    bad("a FETCH 1 BODY[]x\r\n", "a", "unexpected behind a section: x");
    bad("a FETCH 1 BODY[]<5>\r\n", "a", "unexpected behind a section: <5>");
    bad("a FETCH 1 BODY[]<0.0>\r\n", "a", "not an origin and a length");
    bad("a FETCH 1 BODY[]<.55>\r\n", "a", "not an origin and a length: .55");
    bad("a FETCH 1 BODY[]<1.2.3>\r\n", "a", "not an origin and a length: .3");
    bad("a FETCH 1 BODY[]<9223372036854775808.1>\r\n", "a", "a number that is too large: 9223372036854775808.1");
    bad("a FETCH 1 BINARY[TEXT]\r\n", "a", "BINARY of something else than a body part: TEXT");
    bad("a FETCH 1 BINARY.SIZE[1]<0.1>\r\n", "a", "unexpected behind a section: <0.1>");
    bad("a FETCH 1 (FLAGS)(UID)\r\n", "a", "a blank is missing before");
    bad("a FETCH 1 FLAGS UID\r\n", "a", "expected modifiers: UID");
    bad("a FETCH 1 FLAGS (FOO)\r\n", "a", "an unknown modifier, or one given twice: FOO");
    bad("a FETCH 1 FLAGS ()\r\n", "a", "an unknown modifier, or one given twice");
    bad("a FETCH 1 FLAGS (CHANGEDSINCE 0)\r\n", "a", "CHANGEDSINCE 0");
    bad("a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)\r\n", "a", "VANISHED is for UID FETCH with CHANGEDSINCE");
    bad("a UID FETCH 1 FLAGS (VANISHED)\r\n", "a", "VANISHED is for UID FETCH with CHANGEDSINCE");
    bad("a FETCH (1) FLAGS\r\n", "a", "expected a set of message numbers");
}

/* The tree as text, so that it can be compared at a glance. */
static void dump(const struct ph_search_key *k, struct ph_buf *b)
{
    static const char *const names[] = {
        "all",   "and",     "or",         "not",     "seq",       "uid",      "flag",
        "new",   "old",     "recent",     "header",  "body",      "text",     "before",
        "on",    "since",   "sentbefore", "senton",  "sentsince", "larger",   "smaller",
        "older", "younger", "modseq",     "emailid", "threadid",  "uidafter", "uidbefore",
    };

    if (k->negated)
        ph_buf_add_char(b, '!');
    ph_buf_add_z(b, names[k->what]);
    const struct ph_str parts[] = { k->name, k->text, k->set.text };
    for (size_t i = 0; i < 3; i++)
        if (parts[i].p) {
            ph_buf_add_char(b, ' ');
            ph_buf_add_str(b, parts[i]);
        }
    if (k->number) {
        ph_buf_add_char(b, ' ');
        ph_buf_add_u64(b, k->number);
    }
    if (k->days) {
        ph_buf_add_char(b, ' ');
        ph_buf_add_u64(b, (uint64_t)k->days);
    }
    if (!k->n)
        return;
    ph_buf_add_char(b, '(');
    for (size_t i = 0; i < k->n; i++) {
        if (i)
            ph_buf_add_char(b, ',');
        dump(&k->kids[i], b);
    }
    ph_buf_add_char(b, ')');
}

static void keys(const char *text, const char *want)
{
    struct ph_buf b = PH_BUF_INIT;
    struct cmd t;

    ph_buf_add_z(&b, "a SEARCH ");
    ph_buf_add_z(&b, text);
    ph_buf_add_z(&b, "\r\n");
    cmd_good(&t, ph_buf_str(&b));
    ph_buf_clear(&b);
    dump(&t.c.search.key, &b);
    assert_string_equal(ph_buf_z(&b), want);
    ph_buf_done(&b);
    cmd_done(&t);
}

static void test_search_keys(void **state)
{
    keys("ALL", "all");
    keys("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
         "and(flag \\Flagged,since 8797,not(header From Smith))"); /* RFC 9051 */
    keys("answered UNDELETED draft unseen", "and(flag \\Answered,!flag \\Deleted,flag \\Draft,!flag \\Seen)");
    keys("KEYWORD $Junk UNKEYWORD b", "and(flag $Junk,!flag b)");
    keys("NEW OLD RECENT", "and(new,old,recent)");
    keys("1:5,9:* UID 7 $", "and(seq 1:5,9:*,uid 7,seq $)");
    keys("*", "seq *");
    keys("TO a CC \"b c\" BCC {1}\r\nd SUBJECT e", "and(header To a,header Cc b c,header Bcc d,header Subject e)");
    keys("HEADER Message-ID <x> BODY b TEXT \"\"", "and(header Message-ID <x>,body b,text )");
    keys("BEFORE 2-Jan-1970 ON \"03-Jan-1970\" SENTBEFORE 2-Jan-1970 SENTON 2-jan-1970 SENTSINCE 2-Jan-1970",
         "and(before 1,on 2,sentbefore 1,senton 1,sentsince 1)");
    keys("LARGER 5 SMALLER 4294967296 OLDER 7 YOUNGER 259200",
         "and(larger 5,smaller 4294967296,older 7,younger 259200)");
    keys("OR SEEN (DELETED LARGER 5)", "or(flag \\Seen,and(flag \\Deleted,larger 5))");
    keys("OR OR SEEN NEW NOT (OLD)", "or(or(flag \\Seen,new),not(old))");
    keys("(((ALL)))", "all");
    keys("MODSEQ 620162338", "modseq 620162338");
    keys("MODSEQ \"/flags/\\\\draft\" all 620162338", "modseq /flags/\\draft all 620162338"); /* RFC 7162 3.1.5 */
    keys("EMAILID M6d99ac3275bb4e THREADID T_1-2", "and(emailid M6d99ac3275bb4e,threadid T_1-2)");
    keys("UIDAFTER 25000 UIDBEFORE 27000", "and(uidafter 25000,uidbefore 27000)");
}

static void test_search(void **state)
{
    CMD(t, "a SEARCH CHARSET UTF-8 TEXT {2+}\r\n\xc3\xbc\r\n") {
        assert_str(t.c.search.charset, "UTF-8");
        assert_str(t.c.search.key.text, "\xc3\xbc");
        assert_false(t.c.search.has_return);
    }
    CMD(t, "a UID SEARCH RETURN (MIN MAX COUNT SAVE) ALL\r\n") {
        assert_true(t.c.search.has_return);
        assert_int_equal(t.c.search.options, PH_SR_MIN | PH_SR_MAX | PH_SR_COUNT | PH_SR_SAVE);
    }
    CMD(t, "a SEARCH RETURN () charset \"x y\" ALL\r\n") {
        assert_int_equal(t.c.search.options, PH_SR_ALL); /* RFC 4731 3.1 */
        assert_str(t.c.search.charset, "x y");
    }
    CMD(t, "a SEARCH RETURN (PARTIAL -1:-100) ALL\r\n") {
        assert_int_equal(t.c.search.options, PH_SR_PARTIAL);
        assert_int_equal(t.c.search.partial_first, -1);
        assert_int_equal(t.c.search.partial_last, -100);
    }
    CMD(t, "A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL\r\n") { /* RFC 5256 3 */
        assert_int_equal(t.c.search.n_sort, 2);
        assert_int_equal(t.c.search.sort[0].by, PH_SORT_SUBJECT);
        assert_false(t.c.search.sort[0].reverse);
        assert_int_equal(t.c.search.sort[1].by, PH_SORT_DATE);
        assert_true(t.c.search.sort[1].reverse);
        assert_str(t.c.search.charset, "UTF-8");
    }
    CMD(t, "A UID SORT RETURN (COUNT) (DISPLAYFROM) US-ASCII SEEN\r\n")
    assert_int_equal(t.c.search.sort[0].by, PH_SORT_DISPLAYFROM);
    CMD(t, "A UID THREAD REFERENCES UTF-8 SINCE 5-MAR-2000\r\n") {
        assert_str(t.c.search.algorithm, "REFERENCES");
        assert_int_equal(t.c.search.key.days, 952214400 / 86400);
    }
    bad("a SEARCH\r\n", "a", "expected a search key");
    bad("a SEARCH ()\r\n", "a", "expected a search key");
    bad("a SEARCH FOO\r\n", "a", "an unknown search key: FOO");
    bad("a SEARCH \"ALL\"\r\n", "a", "expected a search key");
    bad("a SEARCH NOT\r\n", "a", "expected a search key");
    bad("a SEARCH OR ALL\r\n", "a", "expected a search key");
    bad("a SEARCH FROM\r\n", "a", "expected a string");
    bad("a SEARCH HEADER x\r\n", "a", "expected a string");
    bad("a SEARCH SINCE 1994-02-01\r\n", "a", "expected a date such as 1-Feb-1994: 1994-02-01");
    bad("a SEARCH SINCE 31-Feb-1994\r\n", "a", "expected a date such as 1-Feb-1994: 31-Feb-1994");
    bad("a SEARCH LARGER x\r\n", "a", "expected a number: x");
    bad("a SEARCH LARGER -1\r\n", "a", "expected a number: -1");
    bad("a SEARCH OLDER 0\r\n", "a", "0 where a number above it belongs");
    bad("a SEARCH OLDER 4294967296\r\n", "a", "a number that is too large: 4294967296");
    bad("a SEARCH 1:x\r\n", "a", "expected a set of message numbers: 1:x");
    bad("a SEARCH UID\r\n", "a", "expected a set of message numbers");
    bad("a SEARCH EMAILID a.b\r\n", "a", "not an object identifier: a.b");
    bad("a SEARCH MODSEQ \"/x/y\" all 5\r\n", "a", "not an entry: /x/y");
    bad("a SEARCH MODSEQ \"/flags/y\" some 5\r\n", "a", "expected priv, shared or all: some");
    bad("a SEARCH KEYWORD \\Seen\r\n", "a", "expected a keyword: \\Seen");
    bad("a SEARCH CHARSET\r\n", "a", "expected a charset");
    bad("a SEARCH RETURN ALL\r\n", "a", "expected return options: ALL");
    bad("a SEARCH RETURN (FOO) ALL\r\n", "a", "unknown or not supported: FOO");
    bad("a SEARCH RETURN (PARTIAL 1:-5) ALL\r\n", "a", "not a range: 1:-5");
    bad("a SEARCH RETURN (PARTIAL 0:5) ALL\r\n", "a", "not a range: 0:5");
    bad("a SEARCH RETURN (PARTIAL 1) ALL\r\n", "a", "not a range: 1");
    bad("a SEARCH RETURN (PARTIAL 1:2x) ALL\r\n", "a", "not a range: 1:2x");
    bad("a SEARCH RETURN (PARTIAL 1:2 ALL) ALL\r\n", "a", "PARTIAL together with ALL");
    bad("a SEARCH RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL\r\n", "a", "PARTIAL given twice");
    bad("a SORT () UTF-8 ALL\r\n", "a", "expected a sort criterion");
    bad("a SORT (REVERSE) UTF-8 ALL\r\n", "a", "expected a sort criterion");
    bad("a SORT (DATE) UTF-8\r\n", "a", "expected a search key");
    bad("a THREAD REFERENCES\r\n", "a", "expected a charset");
}

/* --- APPEND ----------------------------------------------------------------------------------------------------- */

static void test_append(void **state)
{
    CMD(t, "A003 APPEND saved-messages (\\Seen) \" 7-Feb-1994 21:52:25 -0800\" {5}\r\nhello\r\n") {
        const struct ph_cmd_append *a = &t.c.append;
        assert_str(a->mailbox, "saved-messages");
        assert_int_equal(a->n, 1);
        assert_words(&a->messages[0].flags, "\\Seen");
        assert_true(a->messages[0].has_date && a->messages[0].announced);
        assert_int_equal(a->messages[0].epoch, 760686745);
        assert_int_equal(a->messages[0].zone_min, -480);
        assert_str(a->messages[0].text, "hello");
    }
    CMD(t, "A APPEND x {1}\r\na () {1+}\r\nb ~{1}\r\nc\r\n") { /* RFC 3502 */
        assert_int_equal(t.c.append.n, 3);
        assert_str(t.c.append.messages[1].text, "b");
        assert_true(t.c.append.messages[2].binary);
        assert_false(t.c.append.messages[1].binary);
    }
    bad("A APPEND x\r\n", "A", "a message is missing");
    bad("A APPEND x (a)\r\n", "A", "a message is missing");
    bad("A APPEND x {1}\r\na ()\r\n", "A", "a message is missing");
    bad("A APPEND x \"hello\"\r\n", "A", "expected a date and time such as \" 7-Feb-1994 21:52:25 -0800\": hello");
    bad("A APPEND x hello\r\n", "A", "expected flags, a date and time in quotes, or a message as a literal: hello");
    bad("A APPEND x (a b {1}\r\nc)\r\n", "A", "expected a flag: c");
    bad("A APPEND x {1}\r\na{1}\r\nb\r\n", "A", "a blank is missing before: b");
}

/* A MULTIAPPEND whose messages are streamed: what the server learns at each literal. */
static void test_append_streamed(void **state)
{
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_command c;
    struct ph_append_head h;
    struct ph_err err;

    ph_framer_init(&f, &(struct ph_frame_limits){ 1 << 20, 1 << 20, 1000 });
    f.commands = true;
    ph_arena_init(&arena, 0);
    ph_buf_add_z(&in, "a APPEND {3}\r\nb c (\\Seen) {4}\r\nx (y");
    for (int i = 0; i < 100; i++)
        ph_buf_add_z(&in, " (k) \"17-Jul-1996 02:44:25 -0700\" {4+}\r\n{1}\n");
    ph_buf_add_z(&in, "\r\n");

    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_int_equal(ph_command_parse_head(&f, NULL, &arena, &c, &err), 0);
    assert_int_equal(c.id, PH_CMD_APPEND);
    assert_int_equal(c.append.n, 0); /* the name is still to come */
    assert_int_equal(ph_framer_collect(&f, &err), 0);

    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_int_equal(ph_command_parse_head(&f, NULL, &arena, &c, &err), 0);
    assert_str(c.append.mailbox, "b c");
    assert_int_equal(c.append.n, 1);
    assert_false(c.append.messages[0].announced);
    assert_words(&c.append.messages[0].flags, "\\Seen");
    for (int i = 0; i <= 100; i++) {
        assert_int_equal(ph_framer_stream(&f, &in, &err), 0);
        assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_STREAM);
        ph_framer_streamed(&f, &in, 4);
        enum ph_frame_event ev = ph_framer_next(&f, &in, &err);
        if (i == 100) {
            assert_int_equal(ev, PH_FRAME_DONE);
            break;
        }
        assert_int_equal(ev, PH_FRAME_LITERAL);
        assert_int_equal(ph_append_next_head(&f, NULL, &arena, c.append.place, &h, &err), 0);
        assert_int_equal(h.n, 1);
        assert_words(&h.messages[0].flags, "k");
        assert_int_equal(h.messages[0].epoch, 837596665);
        assert_false(h.messages[0].announced);
    }
    assert_int_equal(ph_command_parse(&f, NULL, &arena, &c, &err), 0);
    assert_int_equal(c.append.n, 101);
    for (int i = 0; i <= 100; i++) {
        assert_int_equal(c.append.messages[i].stream, i);
        assert_true(c.append.messages[i].announced);
    }
    ph_framer_release(&f, &in);
    ph_arena_done(&arena);
    ph_framer_done(&f);
    ph_buf_done(&in);
}

static void head(const char *bytes, const char *error)
{
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_command c;
    struct ph_err err = { 0 };

    ph_framer_init(&f, NULL);
    f.commands = true;
    ph_arena_init(&arena, 0);
    ph_buf_add_z(&in, bytes);
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_int_equal(ph_command_parse_head(&f, NULL, &arena, &c, &err), error ? -1 : 0);
    if (error)
        assert_string_equal(err.text, error);
    ph_arena_done(&arena);
    ph_framer_done(&f);
    ph_buf_done(&in);
}

/* Refused before the octets of the message are taken. */
static void test_append_head_bad(void **state)
{
    head("a APPEND x (\\Bogus]) {5+}\r\n", "expected a flag: \\Bogus]");
    head("a APPEND x \"1-Jan-2000 00:00:00 +0000\" {5+}\r\n",
         "expected a date and time such as \" 7-Feb-1994 21:52:25 -0800\": 1-Jan-2000 00:00:00 +0000");
    head("a APPEND x{5+}\r\n", "a blank is missing before the literal");
    head("a APPEND x  {5+}\r\n", "a blank too many");
    head("a APPEND x ({5+}\r\n", "a list without its end");
    head("a APPEND x (a) (b) {5+}\r\n", "expected flags, a date and time in quotes, or a message as a literal");
    head("a FROB {5+}\r\n", "unknown command: FROB");
    head("{5+}\r\n", "no valid tag");
    head("a LOGIN {5+}\r\n", NULL);
    head("a SEARCH (FROM {5+}\r\n", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),  cmocka_unit_test(test_fetch_bad),      cmocka_unit_test(test_search_keys),
        cmocka_unit_test(test_search), cmocka_unit_test(test_append),         cmocka_unit_test(test_append_streamed),
        cmocka_unit_test(test_append_head_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
