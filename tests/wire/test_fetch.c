#include "resp.h"

static void test_scan_line(void **state)
{
    RESP(t, "* 12 FETCH (UID 4827313 FLAGS (\\Seen $Forwarded) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" "
            "RFC822.SIZE "
            "44827 MODSEQ (12121231000))\r\n")
    {
        const struct ph_fetch *f = &t.r.fetch;
        assert_int_equal(t.r.kind, PH_RESP_FETCH);
        assert_int_equal(t.r.number, 12);
        assert_true(f->has_uid && f->has_flags && f->has_size && f->has_modseq && f->internaldate.valid);
        assert_int_equal(f->uid, 4827313);
        assert_words(&f->flags, "\\Seen|$Forwarded");
        assert_int_equal(f->internaldate.epoch, 837596665);
        assert_int_equal(f->internaldate.zone_min, -420);
        assert_int_equal(f->size, 44827);
        assert_int_equal(f->modseq, 12121231000);
        assert_int_equal(f->n_bodies + f->n_others, 0);
    }
    RESP(t, "* 1 fetch ( rfc822.size  5   flags () uid 3 )\r\n") { /* order, case, blanks */
        assert_true(t.r.fetch.has_uid && t.r.fetch.has_flags && t.r.fetch.has_size);
        assert_int_equal(t.r.fetch.uid, 3);
        assert_int_equal(t.r.fetch.flags.n, 0);
        assert_int_equal(t.r.fetch.size, 5);
        assert_false(t.r.fetch.has_modseq || t.r.fetch.internaldate.valid);
    }
    RESP(t, "* 1 FETCH ()\r\n") assert_int_equal(t.r.kind, PH_RESP_FETCH);
    RESP(t, "* 1 FETCH (UID 7\r\n") assert_int_equal(t.r.fetch.uid, 7); /* no end */
    RESP(t, "* 1 FETCH UID 7 FLAGS \\Seen RFC822.SIZE \"9\"\r\n") {
        assert_int_equal(t.r.fetch.uid, 7);
        assert_words(&t.r.fetch.flags, "\\Seen");
        assert_int_equal(t.r.fetch.size, 9);
    }
    RESP(t, "* 1 FETCH (FLAGS NIL UID 7)\r\n") {
        assert_int_equal(t.r.fetch.flags.n, 0);
        assert_int_equal(t.r.fetch.uid, 7);
    }
    RESP(t, "* 1 FETCH (UID 0 RFC822.SIZE 18446744073709551616 FLAGS)\r\n") {
        assert_false(t.r.fetch.has_uid || t.r.fetch.has_size);
        assert_true(t.r.fetch.has_flags);
    }
    RESP(t, "* 1 FETCH (UID 4294967296 RFC822.SIZE 18446744073709551615)\r\n") {
        assert_false(t.r.fetch.has_uid);
        assert_int_equal(t.r.fetch.size, UINT64_MAX);
    }
}

static void modseq(const char *line, bool has, uint64_t want)
{
    struct resp t;

    resp_parse(&t, ph_str(line));
    assert_int_equal(t.r.fetch.has_modseq, has);
    assert_int_equal(t.r.fetch.modseq, want);
    assert_int_equal(t.r.fetch.uid, 5);
    resp_done(&t);
}

static void test_modseq(void **state)
{
    modseq("* 1 FETCH (MODSEQ (624140003) UID 5)\r\n", true, 624140003);
    modseq("* 1 FETCH (MODSEQ 624140003 UID 5)\r\n", true, 624140003);
    modseq("* 1 FETCH (MODSEQ ( 7 ) UID 5)\r\n", true, 7);
    modseq("* 1 FETCH (MODSEQ (9223372036854775807) UID 5)\r\n", true, INT64_MAX);
    modseq("* 1 FETCH (MODSEQ (9223372036854775808) UID 5)\r\n", false, 0);
    modseq("* 1 FETCH (MODSEQ (-1) UID 5)\r\n", false, 0); /* Zoho */
    modseq("* 1 FETCH (MODSEQ (0) UID 5)\r\n", false, 0);
    modseq("* 1 FETCH (MODSEQ () UID 5)\r\n", false, 0);
    modseq("* 1 FETCH (MODSEQ (1 2 (3)) UID 5)\r\n", true, 1);
    modseq("* 1 FETCH (UID 5 MODSEQ)\r\n", false, 0);
}

static void test_bodies(void **state)
{
    RESP(t, "* 1 FETCH (UID 9 BODY[] {5}\r\nhe)lo FLAGS (\\Seen))\r\n") {
        const struct ph_body_item *b = t.r.fetch.bodies;
        assert_int_equal(t.r.fetch.n_bodies, 1);
        assert_str(b->section, "");
        assert_str(b->text, "he)lo");
        assert_int_equal(b->stream, -1);
        assert_true(b->uid_before);
        assert_false(b->nil || b->partial || b->binary);
        assert_words(&t.r.fetch.flags, "\\Seen");
    }
    RESP(t, "* 1 FETCH (BODY[HEADER.FIELDS (DATE \"X]Y\" {3}\r\n]F]) ]<5> \"a\\\"b\" UID 9)\r\n") {
        const struct ph_body_item *b = t.r.fetch.bodies;
        assert_str(b->section, "HEADER.FIELDS (DATE \"X]Y\" {3}\r\n]F]) ");
        assert_str(b->text, "a\"b");
        assert_true(b->partial);
        assert_int_equal(b->origin, 5);
        assert_false(b->uid_before);
        assert_int_equal(t.r.fetch.uid, 9);
    }
    RESP(t, "* 1 FETCH (BODY[] NIL UID 9)\r\n") {
        assert_true(t.r.fetch.bodies[0].nil);
        assert_null(t.r.fetch.bodies[0].text.p);
        assert_int_equal(t.r.fetch.uid, 9);
    }
    RESP(t, "* 1 FETCH (UID 9 BODY[2.MIME] {2}\r\nxy BODY[2] )\r\n") { /* Yandex: no value */
        assert_int_equal(t.r.fetch.n_bodies, 2);
        assert_str(t.r.fetch.bodies[0].section, "2.MIME");
        assert_str(t.r.fetch.bodies[1].section, "2");
        assert_true(t.r.fetch.bodies[1].nil);
    }
    RESP(t, "* 1 FETCH (BODY[2] UID 9 BODY[1] BODY[3] \"\")\r\n") {
        assert_int_equal(t.r.fetch.n_bodies, 3);
        assert_true(t.r.fetch.bodies[0].nil && t.r.fetch.bodies[1].nil);
        assert_str(t.r.fetch.bodies[2].text, "");
        assert_int_equal(t.r.fetch.uid, 9);
    }
    RESP(t, "* 1 FETCH (rfc822 {1}\r\na RFC822.HEADER \"b\" RFC822.TEXT c BINARY[1.2] ~{2}\r\n\0d "
            "BINARY.SIZE[1] 77)\r\n")
    {
        const struct ph_body_item *b = t.r.fetch.bodies;
        assert_int_equal(t.r.fetch.n_bodies, 4);
        assert_str(b[0].section, "");
        assert_str(b[0].text, "a");
        assert_str(b[1].section, "HEADER");
        assert_str(b[2].section, "TEXT");
        assert_str(b[2].text, "c");
        assert_str(b[3].section, "1.2");
        assert_true(b[3].binary);
        assert_int_equal(b[3].text.n, 2);
        assert_int_equal(t.r.fetch.n_others, 1);
        assert_str(t.r.fetch.others[0].name, "BINARY.SIZE[1]");
        assert_str(t.r.fetch.others[0].value.text, "77");
    }
    RESP(t, "* 7 UIDFETCH (BODY[] \"x\")\r\n") { /* RFC 9586 */
        assert_int_equal(t.r.kind, PH_RESP_FETCH);
        assert_int_equal(t.r.fetch.uid, 7);
        assert_true(t.r.fetch.has_uid && t.r.fetch.bodies[0].uid_before);
    }
}

static void test_streamed(void **state)
{
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_resp r;
    struct ph_err err;

    ph_framer_init(&f, NULL);
    ph_arena_init(&arena, 0);
    ph_buf_add_z(&in, "* 1 FETCH (UID 5 X-GM-LABELS ({3}\r\nabc) BODY[1] {6}\r\nUID 6) BODY[2] ~{4}\r\nwxyz "
                      "FLAGS (a))\r\n");
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
    assert_int_equal(ph_framer_collect(&f, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_LITERAL);
        assert_int_equal(ph_framer_stream(&f, &in, &err), 0);
        assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_STREAM);
        ph_framer_streamed(&f, &in, (size_t)f.literal_left);
    }
    assert_int_equal(ph_framer_next(&f, &in, &err), PH_FRAME_DONE);
    assert_int_equal(ph_resp_parse(&f, NULL, &arena, &r, &err), 0);
    assert_int_equal(r.fetch.uid, 5);
    assert_words(&r.fetch.gm_labels, "abc");
    assert_int_equal(r.fetch.n_bodies, 2);
    assert_int_equal(r.fetch.bodies[0].stream, 0);
    assert_int_equal(r.fetch.bodies[1].stream, 1);
    assert_int_equal(r.fetch.bodies[1].text.n, 0);
    assert_false(r.fetch.bodies[1].nil);
    assert_words(&r.fetch.flags, "a");
    ph_resp_done(&r);
    ph_arena_done(&arena);
    ph_framer_done(&f);
    ph_buf_done(&in);
}

static void test_structures(void **state)
{
    /* RFC 9051 7.5.2, shortened */
    RESP(t, "* 12 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary\" "
            "((\"Terry Gray\" NIL "
            "\"gray\" \"cac.washington.edu\")) NIL NIL NIL NIL NIL NIL "
            "\"<B27397-0100000@cac.washington.ed>\") BODY (\"TEXT\" "
            "\"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92) UID 3)\r\n")
    {
        const struct ph_value *e = t.r.fetch.envelope, *b = t.r.fetch.bodystructure;
        assert_non_null(e);
        assert_int_equal(e->type, PH_V_LIST);
        assert_int_equal(e->n, 10);
        assert_str(e->items[1].text, "IMAP4rev2 WG mtg summary");
        assert_int_equal(e->items[1].type, PH_V_STRING);
        assert_int_equal(e->items[2].n, 1);
        assert_str(e->items[2].items[0].items[2].text, "gray");
        assert_int_equal(e->items[2].items[0].items[1].type, PH_V_NIL);
        assert_int_equal(e->items[3].type, PH_V_NIL);
        assert_non_null(b);
        assert_int_equal(b->n, 8);
        assert_str(b->items[2].items[1].text, "US-ASCII");
        assert_int_equal(b->items[6].type, PH_V_ATOM);
        assert_str(b->items[6].text, "3028");
        assert_int_equal(t.r.fetch.uid, 3);
    }
    RESP(t, "* 2 FETCH (UID 14935 (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)) BODYSTRUCTURE "
            "(\"TEXT\" \"PLAIN\") "
            "FLAGS (\\Seen))\r\n")
    { /* Domino */
        assert_int_equal(t.r.fetch.uid, 14935);
        assert_int_equal(t.r.fetch.envelope->n, 10);
        assert_int_equal(t.r.fetch.bodystructure->n, 2);
        assert_words(&t.r.fetch.flags, "\\Seen");
    }
    RESP(t, "* 2 FETCH (BODYSTRUCTURE (a b c) BODY (d) UID 1)\r\n") assert_int_equal(t.r.fetch.bodystructure->n, 3);
    RESP(t, "* 2 FETCH (BODY (d) BODYSTRUCTURE (a b c) UID 1)\r\n") assert_int_equal(t.r.fetch.bodystructure->n, 3);
    RESP(t, "* 2 FETCH (BODYSTRUCTURE ((\"a\"\"b\")(\"c\" \"d\")\"mixed\") UID 1)\r\n") { /* no blanks between */
        assert_int_equal(t.r.fetch.bodystructure->n, 3);
        assert_str(t.r.fetch.bodystructure->items[1].items[0].text, "c");
        assert_int_equal(t.r.fetch.uid, 1);
    }
}

static void test_extensions(void **state)
{
    RESP(t, "* 1 FETCH (X-GM-THRID 1278455344230334865 X-GM-MSGID 1278455344230334866 X-GM-LABELS (\\Inbox "
            "\\Sent Important "
            "\"Muy Importante\" \"\\\\Starred\" {3}\r\na b NIL) UID 4)\r\n")
    {
        assert_int_equal(t.r.fetch.gm_thrid, 1278455344230334865);
        assert_int_equal(t.r.fetch.gm_msgid, 1278455344230334866);
        assert_words(&t.r.fetch.gm_labels, "\\Inbox|\\Sent|Important|Muy Importante|\\Starred|a b|NIL");
        assert_int_equal(t.r.fetch.uid, 4);
    }
    RESP(t, "* 3 FETCH (EMAILID (M6d99ac3275bb4e) THREADID (T64b478a75b7ea9))\r\n") { /* RFC 8474 5.3 */
        assert_str(t.r.fetch.emailid, "M6d99ac3275bb4e");
        assert_str(t.r.fetch.threadid, "T64b478a75b7ea9");
    }
    RESP(t, "* 3 FETCH (EMAILID M1 THREADID NIL UID 3)\r\n") {
        assert_str(t.r.fetch.emailid, "M1");
        assert_str(t.r.fetch.threadid, NULL);
        assert_int_equal(t.r.fetch.uid, 3);
    }
    RESP(t, "* 3 FETCH (savedate \"x\" PREVIEW NIL ANNOTATION (/comment (value.priv \"My comment\" a NIL)) "
            "UID 3)\r\n")
    {
        assert_int_equal(t.r.fetch.n_others, 3);
        assert_str(t.r.fetch.others[0].name, "SAVEDATE");
        assert_str(t.r.fetch.others[0].value.text, "x");
        assert_int_equal(t.r.fetch.others[1].value.type, PH_V_NIL);
        assert_str(t.r.fetch.others[2].value.items[1].items[1].text, "My comment");
        assert_int_equal(t.r.fetch.uid, 3);
    }
}

static void test_dates(void **state)
{
    RESP(t, "* 1 FETCH (INTERNALDATE \" 7-Feb-1994 21:52:25 -0800\")\r\n")
    assert_int_equal(t.r.fetch.internaldate.epoch, 760686745);
    RESP(t, "* 1 FETCH (INTERNALDATE \"7-Feb-1994 21:52:25 -0800\")\r\n")
    assert_int_equal(t.r.fetch.internaldate.epoch, 760686745);
    RESP(t, "* 1 FETCH (INTERNALDATE \"07-Feb-1994 1:02:03 +9999\")\r\n") {
        assert_int_equal(t.r.fetch.internaldate.epoch, 760582923);
        assert_int_equal(t.r.fetch.internaldate.zone_min, 0);
    }
    RESP(t, "* 1 FETCH (INTERNALDATE NIL UID 3)\r\n") {
        assert_false(t.r.fetch.internaldate.valid);
        assert_int_equal(t.r.fetch.uid, 3);
    }
}

static void test_broken(void **state)
{
    /* a quote that does not close takes the rest, no more */
    RESP(t, "* 1 FETCH (UID 3 ENVELOPE (\"abc UID 4)\r\n") assert_int_equal(t.r.fetch.uid, 3);
    RESP(t, "* 1 FETCH (\"x\" UID 3 BODY[\r\n") assert_int_equal(t.r.fetch.uid, 3);
    RESP(t, "* 1 FETCH (BODY[]<x> \"a\" UID 3)\r\n") assert_int_equal(t.r.fetch.uid, 3);
    RESP(t, "* 1 FETCH ([] UID 3)\r\n") assert_int_equal(t.r.kind, PH_RESP_FETCH);
    RESP(t, "* 1 FETCH (UID 3)) FLAGS (\\Seen)\r\n") assert_false(t.r.fetch.has_flags);
    RESP(t, "* 1 FETCH (X \"a\\q\\\\\\\"\" UID 3)\r\n") {
        assert_str(t.r.fetch.others[0].value.text, "a\\q\\\"");
        assert_int_equal(t.r.fetch.uid, 3);
    }
    RESP(t, "* 1 FETCH (X \"a\0b\xff\" UID 3)\r\n") assert_int_equal(t.r.fetch.uid, 3);
}

/* --- at a literal ----------------------------------------------------------------------------------------------- */

static void head(const char *z, bool is, uint32_t seq, uint32_t uid, bool whole)
{
    uint32_t got_seq = 99, got_uid = 99;
    bool got_whole = !whole;

    if (ph_resp_body_literal(ph_str(z), &got_seq, &got_uid, &got_whole) != is)
        fail_msg("%s", z);
    if (!is)
        return;
    assert_int_equal(got_seq, seq);
    if (got_uid != uid)
        fail_msg("%s: UID %u", z, got_uid);
    assert_int_equal(got_whole, whole);
}

static void test_body_literal(void **state)
{
    head("* 12 FETCH (UID 7 BODY[] ", true, 12, 7, true);
    head("* 12 fetch (uid 7 body[] ", true, 12, 7, true);
    head("* 12 FETCH (BODY[]", true, 12, 0, true);
    head("*  12  FETCH ( FLAGS (\\Seen)  UID 7 RFC822 ", true, 12, 7, true);
    head("* 12 FETCH (UID 7 BODY[]<0> ", true, 12, 7, false);
    head("* 12 FETCH (UID 7 BODY[1.MIME] ", true, 12, 7, false);
    head("* 12 FETCH (BODY[HEADER.FIELDS (FROM UID 5)] ", true, 12, 0, false);
    head("* 12 FETCH (BODY[HEADER.FIELDS (FROM)] NIL UID 5 BODY[] ", true, 12, 5, true);
    head("* 12 FETCH (UID 7 RFC822.TEXT ", true, 12, 7, false);
    head("* 12 FETCH (UID 7 BINARY[] ", true, 12, 7, false);
    head("* 12 UIDFETCH (BODY[] ", true, 12, 12, true);
    head("* 12 FETCH (ENVELOPE (\"UID 9 (\" \"a\\\" UID 9\" ((UID 9))) UID 7 BODY[] ", true, 12, 7, true);
    head("* 12 FETCH (X-GM-LABELS ({5}\r\nUID 9) UID 7 BODY[] ", true, 12, 7, true);
    head("* 12 FETCH (UID 14935 (ENVELOPE (NIL)) BODY[] ", true, 12, 14935, true);
    /* what was streamed or collected for another body is not looked into */
    head("* 12 FETCH (BODY[1] {6}\r\n UID 9 BODY[2] ", true, 12, 0, false);
    head("* 12 FETCH (BODY[HEADER] {6}\r\nUID 9  BODY[] ", true, 12, 0, true);
    head("* 12 FETCH (UID 7 BODY[HEADER] {6}\r\n UID 9 BODY[] ", true, 12, 7, true);

    head("* 12 FETCH (X-GM-LABELS (BODY[] ", false, 0, 0, false); /* a label of that name */
    head("* 12 FETCH (ENVELOPE (\"a\" ", false, 0, 0, false);
    head("* 12 FETCH (X-GM-LABELS (", false, 0, 0, false);
    head("* 12 FETCH (BODY[HEADER.FIELDS (", false, 0, 0, false);
    head("* 12 FETCH (BODY ", false, 0, 0, false);
    head("* 12 FETCH (XBODY[] ", false, 0, 0, false);
    head("* 0 FETCH (BODY[] ", false, 0, 0, false);
    head("* 4294967296 FETCH (BODY[] ", false, 0, 0, false);
    head("* x FETCH (BODY[] ", false, 0, 0, false);
    head("* LIST () \"/\" ", false, 0, 0, false);
    head("* 12 FETCHED (BODY[] ", false, 0, 0, false);
    head("a1 FETCH (BODY[] ", false, 0, 0, false);
    head("", false, 0, 0, false);
    head("* 1 FETCH (]> ", false, 0, 0, false);
    head("* 1 FETCH (5> ", false, 0, 0, false);
}

/* The look at a head costs the same however long it is. */
static void test_long_heads(void **state)
{
    struct ph_buf b = PH_BUF_INIT;
    uint32_t seq, uid;
    bool whole;

    ph_buf_add_z(&b, "* 12 FETCH (UID 7 X \"");
    for (int i = 0; i < 5000; i++)
        ph_buf_add_z(&b, "BODY[ UID 8 ");
    ph_buf_add_z(&b, "\" BODY[] ");
    assert_true(ph_resp_body_literal(ph_buf_str(&b), &seq, &uid, &whole));
    assert_int_equal(seq, 12);
    assert_int_equal(uid, 7);
    assert_true(whole);
    ph_buf_add_z(&b, "x");
    assert_false(ph_resp_body_literal(ph_buf_str(&b), &seq, &uid, &whole));
    ph_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_line), cmocka_unit_test(test_modseq),     cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_streamed),  cmocka_unit_test(test_structures), cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_dates),     cmocka_unit_test(test_broken),     cmocka_unit_test(test_body_literal), cmocka_unit_test(test_long_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
