/* What a server says: the examples of the RFCs, and that nothing from outside breaks out of its place. */
#include "cmd.h"
#include "wire/respond.h"

static void said(struct ph_writer *w, const char *want)
{
    assert_false(w->failed);
    assert_string_equal(ph_buf_z(&w->out), want);
    ph_writer_clear(w);
}

static void fails(struct ph_writer *w)
{
    assert_true(w->failed);
    ph_writer_clear(w);
}

static struct ph_writer writer(void)
{
    struct ph_writer w;

    ph_writer_init(&w, PH_LITERAL_ANSWER);
    return w;
}

static void test_text(void **state)
{
    struct ph_writer w = writer();

    ph_write_text(&w, PH_STR("Hello, \"world\" {5}"));
    said(&w, "Hello, \"world\" {5}");
    ph_write_text(&w, PH_STR("a\r\nb\0c\td\x7f\x01"));
    said(&w, "abc d  ");
    ph_write_text(&w, PH_STR("f\xc3\xbcr \xff"));
    said(&w, "f?r ?");
    w.utf8 = true;
    ph_write_text(&w, PH_STR("f\xc3\xbcr \xff\xc3"));
    said(&w, "f\xc3\xbcr ??");
    ph_write_text(&w, PH_STR("\r\n"));
    said(&w, "-");
    ph_write_text(&w, PH_STR_NIL);
    said(&w, "-");
    ph_writer_done(&w);
}

static void test_flags_uids(void **state)
{
    struct ph_writer w = writer();
    struct ph_str words[] = { PH_STR("$Forwarded"), PH_STR("a b"), PH_STR("x\r\n"), PH_STR(""), PH_STR("k") };
    struct ph_words keywords = { words, 5 };

    ph_write_flags(&w, 0, NULL);
    said(&w, "()");
    ph_write_flags(&w, PH_F_SEEN | PH_F_DELETED | PH_F_RECENT, &keywords);
    said(&w, "(\\Deleted \\Seen \\Recent $Forwarded k)");
    ph_write_uids(&w, (uint32_t[]){ 304, 319, 320 }, 3); /* RFC 4315 3 */
    said(&w, "304,319:320");
    ph_write_uids(&w, (uint32_t[]){ 5, 4, 6, 7, 8, 8, 4294967295u, 1 }, 8);
    said(&w, "5,4,6:8,8,4294967295,1");
    ph_write_uids(&w, NULL, 0);
    fails(&w);
    ph_write_uids(&w, (uint32_t[]){ 0, 1 }, 2);
    fails(&w);
    ph_write_nstring8(&w, PH_STR("a\0b"));
    assert_int_equal(ph_buf_len(&w.out), 9);
    assert_memory_equal(ph_buf_data(&w.out), "~{3}\r\na\0b", 9);
    assert_int_equal(w.n_syncs, 0);
    ph_writer_clear(&w);
    ph_write_nstring8(&w, PH_STR_NIL);
    said(&w, "NIL");
    for (int i = 0; i < 40; i++) /* more literals than a client's command could have */
        ph_write_string(&w, PH_STR("\n"));
    assert_false(w.failed);
    ph_writer_done(&w);
}

static void test_status(void **state)
{
    struct ph_writer w = writer();
    struct ph_str words[] = { PH_STR("IMAP4rev1"), PH_STR("SASL-IR") };
    struct ph_numset set = PH_NUMSET_INIT;

    ph_write_status(&w, PH_STR("A1"), PH_ST_OK, PH_STR("done"));
    said(&w, "A1 OK done\r\n");
    ph_write_status(&w, PH_STR_NIL, PH_ST_BYE, PH_STR("[ALERT] really\r\nA1 OK"));
    said(&w, "* BYE -[ALERT] reallyA1 OK\r\n");
    ph_write_status_begin(&w, PH_STR_NIL, PH_ST_OK);
    ph_write_code_number(&w, PH_CODE_UIDVALIDITY, 3857529045);
    ph_write_status_end(&w, PH_STR("UIDs valid")); /* RFC 9051 6.3.2 */
    said(&w, "* OK [UIDVALIDITY 3857529045] UIDs valid\r\n");
    ph_write_status_begin(&w, PH_STR("A142"), PH_ST_OK);
    ph_write_code(&w, PH_CODE_READWRITE);
    ph_write_status_end(&w, PH_STR("SELECT completed"));
    said(&w, "A142 OK [READ-WRITE] SELECT completed\r\n");
    ph_write_code_permanentflags(&w, PH_F_DELETED | PH_F_SEEN | PH_F_RECENT, NULL, true);
    said(&w, "[PERMANENTFLAGS (\\Deleted \\Seen \\*)] ");
    ph_write_code_number(&w, PH_CODE_HIGHESTMODSEQ, 715194045007);
    said(&w, "[HIGHESTMODSEQ 715194045007] ");
    ph_write_code_appenduid(&w, 38505, (uint32_t[]){ 3955 }, 1); /* RFC 4315 3 */
    said(&w, "[APPENDUID 38505 3955] ");
    ph_write_code_copyuid(&w, 38505, (uint32_t[]){ 304, 319, 320 }, (uint32_t[]){ 3956, 3957, 3958 }, 3);
    said(&w, "[COPYUID 38505 304,319:320 3956:3958] ");
    ph_numset_add(&set, 7);
    ph_numset_add(&set, 9);
    ph_write_code_set(&w, PH_CODE_MODIFIED, &set); /* RFC 7162 3.1.3 */
    said(&w, "[MODIFIED 7,9] ");
    ph_write_code_capability(&w, &(struct ph_words){ words, 2 });
    said(&w, "[CAPABILITY IMAP4rev1 SASL-IR] ");
    ph_write_code_badcharset(&w, &(struct ph_words){ words, 2 });
    said(&w, "[BADCHARSET (IMAP4rev1 SASL-IR)] ");
    ph_write_code_badcharset(&w, &(struct ph_words){ 0 });
    said(&w, "[BADCHARSET] ");
    ph_write_code_word(&w, PH_CODE_METADATA, "LONGENTRIES", 2199); /* RFC 5464 4.2.1 */
    said(&w, "[METADATA LONGENTRIES 2199] ");
    ph_write_code_word(&w, PH_CODE_METADATA, "NOPRIVATE", UINT64_MAX);
    said(&w, "[METADATA NOPRIVATE] ");
    ph_write_code_mailboxid(&w, PH_STR("F2212ea87-6097-4256-9d51-71338625")); /* RFC 8474 4.1 */
    said(&w, "[MAILBOXID (F2212ea87-6097-4256-9d51-71338625)] ");
    ph_write_code_badurl(&w, PH_STR("/INBOX;x=]\r\n")); /* RFC 4469 5: no `]` and no line end */
    said(&w, "[BADURL /INBOX;x=???] ");
    ph_write_code_badevent(&w, PH_EV_MESSAGE_NEW | PH_EV_FLAG_CHANGE | PH_EV_UNKNOWN);
    said(&w, "[BADEVENT (MessageNew FlagChange)] ");
    ph_write_code_inprogress(&w, PH_STR("A001"), 454, 1000); /* RFC 9585 4 */
    said(&w, "[INPROGRESS (\"A001\" 454 1000)] ");
    ph_write_code_inprogress(&w, PH_STR("tag"), 175, 0);
    said(&w, "[INPROGRESS (\"tag\" 175 NIL)] ");
    ph_write_code_inprogress(&w, PH_STR_NIL, 0, 0);
    said(&w, "[INPROGRESS] ");
    ph_write_code_messagelimit(&w, 1000, 23221); /* RFC 9738 3 */
    said(&w, "[MESSAGELIMIT 1000 23221] ");
    ph_write_code(&w, PH_CODE_NONE);
    fails(&w);
    ph_write_code_mailboxid(&w, PH_STR("a b"));
    fails(&w);
    ph_numset_done(&set);
    ph_writer_done(&w);
}

/* Every code has its atom, and the reader knows it by that. */
static void test_codes(void **state)
{
    for (int id = PH_CODE_ALERT; id <= PH_CODE_BADEVENT; id++) {
        struct ph_writer w = writer();
        struct resp r;

        assert_non_null(ph_code_atom((enum ph_code)id));
        ph_write_status_begin(&w, PH_STR_NIL, PH_ST_NO);
        ph_write_code(&w, (enum ph_code)id);
        ph_write_status_end(&w, PH_STR("text"));
        resp_parse(&r, ph_buf_str(&w.out));
        assert_int_equal(r.r.code.id, id);
        assert_str(r.r.text, "text");
        resp_done(&r);
        ph_writer_done(&w);
    }
    assert_null(ph_code_atom(PH_CODE_UNKNOWN));
}

static void test_fetch(void **state)
{
    struct ph_writer w = writer();
    struct ph_fetch_line l;
    uint32_t part[] = { 4, 2 };
    struct ph_str fields[] = { PH_STR("DATE"), PH_STR("x\"y") };
    struct ph_fetch_att att = { .what = PH_FA_SECTION };

    ph_write_fetch_begin(&l, &w, 23, false); /* RFC 9051 7.5.2 */
    ph_write_fetch_flags(&l, PH_F_SEEN, NULL);
    ph_write_fetch_number(&l, "RFC822.SIZE", 44827);
    ph_write_fetch_end(&l);
    said(&w, "* 23 FETCH (FLAGS (\\Seen) RFC822.SIZE 44827)\r\n");
    ph_write_fetch_begin(&l, &w, 25996, true); /* RFC 9586 3.3 */
    ph_write_fetch_modseq(&l, 12121231000);
    ph_write_fetch_date(&l, "INTERNALDATE", 837596665, -420);
    ph_write_fetch_object(&l, "EMAILID", PH_STR("M6d99ac3275bb4e"));
    ph_write_fetch_object(&l, "THREADID", PH_STR_NIL);
    ph_write_fetch_nstring(&l, "PREVIEW", PH_STR(""));
    ph_write_fetch_end(&l);
    said(&w, "* 25996 UIDFETCH (MODSEQ (12121231000) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" EMAILID "
             "(M6d99ac3275bb4e) THREADID NIL PREVIEW \"\")\r\n");
    ph_write_fetch_begin(&l, &w, 1, false);
    ph_write_fetch_att(&l, &att);
    ph_write_literal_head(&w, 1, false);
    ph_write_bytes(&w, PH_STR("(")); /* an octet of a message is no parenthesis of ours */
    att.section.what = PH_SEC_FIELDS_NOT;
    att.section.part = part;
    att.section.n_part = 2;
    att.section.fields = (struct ph_words){ fields, 2 };
    att.partial = true;
    att.peek = true;
    att.origin = 10;
    ph_write_fetch_att(&l, &att);
    ph_write_nstring(&w, PH_STR_NIL);
    ph_write_fetch_end(&l);
    said(&w, "* 1 FETCH (BODY[] {1}\r\n( BODY[4.2.HEADER.FIELDS.NOT (DATE \"x\\\"y\")]<10> NIL)\r\n");
    ph_write_fetch_begin(&l, &w, 1, false);
    ph_write_fetch_att(&l, &(struct ph_fetch_att){ .what = PH_FA_BINARY_SIZE, .section = { .part = part, .n_part = 1 } });
    ph_write_u64(&w, 0);
    ph_write_fetch_att(&l, &(struct ph_fetch_att){ .what = PH_FA_RFC822_HEADER });
    ph_write_string(&w, PH_STR(""));
    ph_write_fetch_end(&l);
    said(&w, "* 1 FETCH (BINARY.SIZE[4] 0 RFC822.HEADER \"\")\r\n");
    ph_writer_done(&w);
}

/* The names under which items are answered, for each way to ask: RFC 9051 7.5.2, 3516, 3501. */
static void test_fetch_names(void **state)
{
    struct ph_writer w = writer();
    struct ph_fetch_line l;

    CMD(t, "a FETCH 1 (body.peek[1.2.header.fields (To \"a b\")]<7.5> BODY[TEXT] BODY[3.MIME] binary.peek[4]<0.9> "
           "BINARY.SIZE[2] body rfc822.text RFC822 bodystructure preview (lazy) savedate)\r\n") {
        ph_write_fetch_begin(&l, &w, 1, false);
        for (size_t i = 0; i < t.c.fetch.n; i++) {
            ph_write_fetch_att(&l, &t.c.fetch.atts[i]);
            ph_write_raw(&w, "NIL");
        }
        ph_write_fetch_end(&l);
        said(&w, "* 1 FETCH (BODY[1.2.HEADER.FIELDS (To \"a b\")]<7> NIL BODY[TEXT] NIL BODY[3.MIME] NIL BINARY[4]<0> NIL "
                 "BINARY.SIZE[2] NIL BODY NIL RFC822.TEXT NIL RFC822 NIL BODYSTRUCTURE NIL PREVIEW NIL SAVEDATE NIL)\r\n");
    }
    ph_writer_done(&w);
}

/* Names with everything in them come back as they were, in one response. */
static void test_hostile_names(void **state)
{
    static const char *const names[] = { "a\r\n* BYE", "\"", "\\", "x {5}", "{5}", "NIL", "(", "%*", "", " " };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ph_writer w = writer();
        struct resp r;
        w.utf8 = true;
        ph_write_list(&w, &(struct ph_list_line){ .attrs = PH_MA_MARKED, .delim = '"', .name = ph_str(names[i]) });
        assert_false(w.failed);
        resp_parse(&r, ph_buf_str(&w.out));
        assert_int_equal(r.r.kind, PH_RESP_LIST);
        assert_str(r.r.list.name, names[i]);
        assert_int_equal(r.r.list.delim, '"');
        assert_int_equal(r.r.list.attrs, PH_MA_MARKED);
        resp_done(&r);
        ph_writer_clear(&w);
        ph_write_mailbox_status(&w, &(struct ph_status_line){ .name = ph_str(names[i]), .items = PH_SI_UNSEEN, .unseen = 3 });
        resp_parse(&r, ph_buf_str(&w.out));
        assert_int_equal(r.r.kind, PH_RESP_MAILBOX_STATUS);
        assert_str(r.r.mstatus.name, names[i]);
        assert_int_equal(r.r.mstatus.unseen, 3);
        resp_done(&r);
        ph_writer_done(&w);
    }
}

static void test_list(void **state)
{
    struct ph_writer w = writer();

    ph_write_list(&w, &(struct ph_list_line){ .attrs = PH_MA_NOSELECT, .delim = '/', .name = PH_STR("~/Mail/foo") });
    said(&w, "* LIST (\\Noselect) \"/\" ~/Mail/foo\r\n");
    ph_write_list(&w, &(struct ph_list_line){ .attrs = PH_MA_NONEXISTENT | PH_MA_HASNOCHILDREN | PH_MA_TRASH,
                                              .name = PH_STR("a b"), .lsub = true });
    said(&w, "* LSUB (\\NonExistent \\HasNoChildren \\Trash) NIL \"a b\"\r\n");
    /* RFC 9051 6.3.9.7 and 7.3.1 */
    ph_write_list(&w, &(struct ph_list_line){ .delim = '/', .name = PH_STR("Foo"), .childinfo_subscribed = true });
    said(&w, "* LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    ph_write_list(&w, &(struct ph_list_line){ .delim = '\\', .name = PH_STR("Normalized"),
                                              .oldname = PH_STR("NonNormalized") });
    said(&w, "* LIST () \"\\\\\" Normalized (\"OLDNAME\" (NonNormalized))\r\n");
    ph_write_list(&w, &(struct ph_list_line){ .delim = '/', .name = PH_STR("b"), .oldname = PH_STR("a"),
                                              .childinfo_subscribed = true });
    said(&w, "* LIST () \"/\" b (\"OLDNAME\" (a) \"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    ph_write_list(&w, &(struct ph_list_line){ .delim = '/', .name = PH_STR("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
                                                                           "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") });
    said(&w, "* LIST () \"/\" ~peter/mail/&U,BTFw-/&ZeVnLIqe-\r\n"); /* RFC 3501 5.1.3 */
    w.utf8 = true;
    ph_write_list(&w, &(struct ph_list_line){ .delim = '/', .name = PH_STR("f\xc3\xbcr") });
    said(&w, "* LIST () \"/\" \"f\xc3\xbcr\"\r\n");
    ph_writer_done(&w);
}

static void test_mailbox_status(void **state)
{
    struct ph_writer w = writer();
    struct ph_status_line s = { .name = PH_STR("blurdybloop"), .items = PH_SI_MESSAGES | PH_SI_UIDNEXT, .messages = 231,
                                .uidnext = 44292 };

    ph_write_mailbox_status(&w, &s); /* RFC 9051 6.3.11 */
    said(&w, "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)\r\n");
    s.items = PH_SI_APPENDLIMIT | PH_SI_SIZE | PH_SI_DELETED_STORAGE | PH_SI_MAILBOXID;
    s.appendlimit = UINT64_MAX;
    s.size = 5000000000;
    s.deleted_storage = 8;
    s.mailboxid = PH_STR("F1");
    ph_write_mailbox_status(&w, &s);
    said(&w, "* STATUS blurdybloop (SIZE 5000000000 APPENDLIMIT NIL DELETED-STORAGE 8 MAILBOXID (F1))\r\n");
    s.items = PH_SI_MAILBOXID;
    ph_write_mailbox_status(&w, &s);
    said(&w, "* STATUS blurdybloop (MAILBOXID (F1))\r\n");
    ph_writer_done(&w);
}

static void test_search(void **state)
{
    struct ph_writer w = writer();
    struct ph_numset set = PH_NUMSET_INIT, none = PH_NUMSET_INIT;
    struct ph_esearch_line e = { .tag = PH_STR("A282"), .options = PH_SR_MIN | PH_SR_COUNT, .min = 2, .count = 3 };

    ph_write_esearch(&w, &e); /* RFC 9051 6.4.4 */
    said(&w, "* ESEARCH (TAG \"A282\") MIN 2 COUNT 3\r\n");
    ph_numset_add(&set, 2);
    ph_numset_add_range(&set, 10, 12);
    e = (struct ph_esearch_line){ .tag = PH_STR("A"), .uid = true, .options = PH_SR_ALL | PH_SR_MAX, .max = 12,
                                  .all = &set, .modseq = 1236 };
    ph_write_esearch(&w, &e);
    said(&w, "* ESEARCH (TAG \"A\") UID MAX 12 ALL 2,10:12 MODSEQ 1236\r\n");
    e = (struct ph_esearch_line){ .tag = PH_STR("A"), .uid = true, .options = 0x3f & ~PH_SR_ALL, .partial = &set,
                                  .partial_first = -1, .partial_last = -100 };
    ph_write_esearch(&w, &e); /* nothing found, RFC 4731 3.1, but a partial result */
    said(&w, "* ESEARCH (TAG \"A\") UID COUNT 0 PARTIAL (-1:-100 2,10:12)\r\n");
    e.partial = &none;
    e.options = PH_SR_PARTIAL;
    e.partial_first = 4294967295;
    e.partial_last = 1;
    ph_write_esearch(&w, &e);
    said(&w, "* ESEARCH (TAG \"A\") UID PARTIAL (4294967295:1 NIL)\r\n");
    e = (struct ph_esearch_line){ .tag = PH_STR("tag1"), .mailbox = PH_STR("folder1"), .uidvalidity = 1, .uid = true,
                                  .options = PH_SR_ALL, .all = &set };
    ph_write_esearch(&w, &e); /* RFC 7377 3 */
    said(&w, "* ESEARCH (TAG \"tag1\" MAILBOX folder1 UIDVALIDITY 1) UID ALL 2,10:12\r\n");
    ph_write_search(&w, &set, 917162500);
    said(&w, "* SEARCH 2 10 11 12 (MODSEQ 917162500)\r\n");
    ph_write_search(&w, &none, 0);
    said(&w, "* SEARCH\r\n");
    ph_write_sort(&w, (uint32_t[]){ 9, 2 }, 2, 0);
    said(&w, "* SORT 9 2\r\n");
    ph_write_count(&w, 23, "EXISTS");
    said(&w, "* 23 EXISTS\r\n");
    ph_numset_done(&set);
    ph_writer_done(&w);
}

static void test_access(void **state)
{
    struct ph_writer w = writer();
    struct ph_str roots[] = { PH_STR(""), PH_STR("#user/alice") }, rights[] = { PH_STR("r"), PH_STR("swicdkxte") };
    struct ph_words two_roots = { roots, 2 }, two_rights = { rights, 2 }, none = { 0 };

    /* RFC 9208 5.1, 5.2 */
    ph_write_quota(&w, PH_STR(""), (struct ph_quota_usage[]){ { PH_STR("STORAGE"), 10, 512 } }, 1);
    said(&w, "* QUOTA \"\" (STORAGE 10 512)\r\n");
    ph_write_quota(&w, PH_STR("#user/alice"),
                   (struct ph_quota_usage[]){ { PH_STR("MESSAGE"), 42, 1000 }, { PH_STR("X"), 0, INT64_MAX } }, 2);
    said(&w, "* QUOTA #user/alice (MESSAGE 42 1000 X 0 9223372036854775807)\r\n");
    ph_write_quotaroot(&w, PH_STR("INBOX"), &two_roots);
    said(&w, "* QUOTAROOT INBOX \"\" #user/alice\r\n");
    ph_write_quotaroot(&w, PH_STR("comp.mail.mime"), &none);
    said(&w, "* QUOTAROOT comp.mail.mime\r\n");
    /* RFC 4314 3.3 to 3.5 */
    ph_write_acl(&w, PH_STR("INBOX"),
                 (struct ph_acl_pair[]){ { PH_STR("Fred"), PH_STR("rwipsldexta") }, { PH_STR("-any one"), PH_STR("") } }, 2);
    said(&w, "* ACL INBOX Fred rwipsldexta \"-any one\" \"\"\r\n");
    ph_write_listrights(&w, PH_STR("~/Mail/saved"), PH_STR("smith"), PH_STR("la"), &two_rights);
    said(&w, "* LISTRIGHTS ~/Mail/saved smith la r swicdkxte\r\n");
    ph_write_listrights(&w, PH_STR("archive/imap"), PH_STR("anyone"), PH_STR(""), &none);
    said(&w, "* LISTRIGHTS archive/imap anyone \"\"\r\n");
    ph_write_myrights(&w, PH_STR("INBOX"), PH_STR("rwiptsldaex"));
    said(&w, "* MYRIGHTS INBOX rwiptsldaex\r\n");
    ph_writer_done(&w);
}

static void test_metadata(void **state)
{
    struct ph_writer w = writer();
    struct ph_str names[] = { PH_STR("/shared/comment"), PH_STR("/private/comment") };

    /* RFC 5464 4.4 */
    ph_write_metadata(&w, PH_STR(""), (struct ph_metadata_entry[]){ { names[0], PH_STR("My comment") }, { names[1], PH_STR_NIL } },
                      2);
    said(&w, "* METADATA \"\" (/shared/comment \"My comment\" /private/comment NIL)\r\n");
    ph_write_metadata_changed(&w, PH_STR("INBOX"), &(struct ph_words){ names, 2 });
    said(&w, "* METADATA INBOX /shared/comment /private/comment\r\n");
    ph_write_metadata(&w, PH_STR("x"), NULL, 0);
    ph_write_metadata_changed(&w, PH_STR("x"), &(struct ph_words){ 0 });
    said(&w, "");
    ph_writer_done(&w);
}

static void test_words(void **state)
{
    struct ph_writer w = writer();
    struct ph_str words[] = { PH_STR("CONDSTORE"), PH_STR("X-GOOD-IDEA"), PH_STR("a b"), PH_STR_NIL };
    struct ph_namespace personal[] = { { PH_STR(""), '/' }, { PH_STR("#mh/"), '/' } }, other[] = { { PH_STR("~"), 0 } };

    ph_write_words(&w, "ENABLED", &(struct ph_words){ words, 2 });
    said(&w, "* ENABLED CONDSTORE X-GOOD-IDEA\r\n");
    ph_write_words(&w, "ENABLED", &(struct ph_words){ 0 });
    said(&w, "* ENABLED\r\n");
    ph_write_words(&w, "ENABLED", &(struct ph_words){ words, 3 });
    fails(&w);
    ph_write_id(&w, &(struct ph_words){ words, 4 });
    said(&w, "* ID (\"CONDSTORE\" \"X-GOOD-IDEA\" \"a b\" NIL)\r\n");
    ph_write_id(&w, &(struct ph_words){ 0 });
    said(&w, "* ID NIL\r\n");
    ph_write_namespaces(&w, &(struct ph_namespaces){ .personal = personal, .n_personal = 1 }); /* RFC 9051 6.3.10 */
    said(&w, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    ph_write_namespaces(&w, &(struct ph_namespaces){ .personal = personal, .n_personal = 2, .other = other, .n_other = 1 });
    said(&w, "* NAMESPACE ((\"\" \"/\")(\"#mh/\" \"/\")) ((\"~\" NIL)) NIL\r\n");
    ph_writer_done(&w);
}

static void test_vanished(void **state)
{
    struct ph_writer w = writer();
    struct ph_numset set = PH_NUMSET_INIT, got = PH_NUMSET_INIT;

    ph_write_vanished(&w, true, &set);
    said(&w, "");
    ph_numset_add_range(&set, 405, 407);
    ph_write_vanished(&w, false, &set);
    said(&w, "* VANISHED 405:407\r\n");
    for (uint32_t i = 1; i < 100000; i++)
        ph_numset_add(&set, 1000000 + 2 * i);
    ph_write_vanished(&w, true, &set);
    struct ph_str all = ph_buf_str(&w.out);
    while (all.n) {
        const char *lf = memchr(all.p, '\n', all.n);
        struct resp r;
        assert_non_null(lf);
        size_t n = (size_t)(lf + 1 - all.p);
        assert_true(n < 8100);
        resp_parse(&r, (struct ph_str){ all.p, n });
        assert_int_equal(r.r.kind, PH_RESP_VANISHED);
        assert_true(r.r.earlier);
        assert_int_equal(ph_numset_add_set(&got, &r.r.set), 0);
        resp_done(&r);
        all.p += n;
        all.n -= n;
    }
    assert_int_equal(got.n, set.n);
    assert_memory_equal(got.r, set.r, set.n * sizeof *set.r);
    ph_numset_done(&set);
    ph_numset_done(&got);
    ph_writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),  cmocka_unit_test(test_flags_uids), cmocka_unit_test(test_status),
        cmocka_unit_test(test_codes), cmocka_unit_test(test_fetch),      cmocka_unit_test(test_list),
        cmocka_unit_test(test_access), cmocka_unit_test(test_metadata), cmocka_unit_test(test_words),
        cmocka_unit_test(test_fetch_names), cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_mailbox_status), cmocka_unit_test(test_search), cmocka_unit_test(test_vanished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
