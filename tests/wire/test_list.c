/* LIST, STATUS and NAMESPACE responses. */
#include "resp.h"

static void list(struct ph_str line, uint32_t attrs, char delim, const char *name)
{
    struct resp t;

    resp_parse(&t, line);
    assert_int_equal(t.r.kind, PH_RESP_LIST);
    assert_int_equal(t.r.list.attrs, attrs);
    assert_int_equal(t.r.list.delim, delim);
    assert_str(t.r.list.name, name);
    resp_done(&t);
}
#define LIST(line, attrs, delim, name) list(PH_STR(line), attrs, delim, name)

static void test_list(void **state)
{
    LIST("* LIST (\\Noselect) \"/\" ~/Mail/foo\r\n", PH_MA_NOSELECT, '/', "~/Mail/foo");
    LIST("* List (\\hasnochildren \\trash) \"/\" \"Trash\"\r\n", PH_MA_HASNOCHILDREN | PH_MA_TRASH, '/', "Trash");
    LIST("* LIST () NIL INBOX\r\n", 0, 0, "INBOX");
    LIST("* LIST () nil \"\"\r\n", 0, 0, "");
    LIST("* LIST () \"\" \"Folder2\"\r\n", 0, 0, "Folder2");
    LIST("* LIST (\\Noinferiors) \"\\\\\" Inbox\r\n", PH_MA_NOINFERIORS, '\\', "Inbox");
    LIST("* LIST () \"\\\" Inbox\r\n", 0, '\\', "Inbox"); /* not escaped */
    LIST("* LIST () / 2024\r\n", 0, '/', "2024");         /* a bare delimiter, a numeric atom */
    LIST("* LIST () \"/\" NIL\r\n", 0, '/', "NIL");       /* a folder of that name */
    LIST("* LIST () \"/\" {19}\r\nLiteral Folder Name\r\n", 0, '/', "Literal Folder Name");
    LIST("* LIST () \"/\" {6}\r\na\"b\r\nc\r\n", 0, '/', "a\"b\r\nc");
    LIST("* LIST () \"/\" \"a\\\"b\\\\c\"\r\n", 0, '/', "a\"b\\c");
    LIST("* LIST ()  \"/\"  [Gmail]/Spam  \r\n", 0, '/', "[Gmail]/Spam");
    LIST("* LIST () \"/\" Sent Items\r\n", 0, '/', "Sent Items"); /* not quoted */
    LIST("* LIST () \"/\" a(b)\r\n", 0, '/', "a(b)");
    LIST("* LIST () \"/\" \"f\xc3\xbc\xff\"\r\n", 0, '/', "f\xc3\xbc\xff");
    LIST("* LIST () \"/\"\r\n", 0, '/', "");
    LIST("* LIST () \"/\" \"a\r\n", 0, '/', "a");
    LIST("* LIST (\\NonExistent \\Subscribed) \".\" x\r\n",
         PH_MA_NONEXISTENT | PH_MA_NOSELECT | PH_MA_SUBSCRIBED, '.', "x");
    LIST("* LIST (\\All \\Archive \\Drafts \\Flagged \\Junk \\Sent \\Trash \\Important) \"/\" x\r\n",
         PH_MA_SPECIAL & ~(uint32_t)PH_MA_INBOX, '/', "x");
    LIST("* LIST (\\HasChildren \\Marked \\Remote) \"/\" x\r\n",
         PH_MA_HASCHILDREN | PH_MA_MARKED | PH_MA_REMOTE, '/', "x");
    LIST("* XLIST (\\AllMail \\Spam \\Starred \\Inbox) \"/\" x\r\n",
         PH_MA_ALL | PH_MA_JUNK | PH_MA_FLAGGED | PH_MA_INBOX, '/', "x");
    LIST("* LSUB (\\Unmarked) \"|\" \"Drafts|template\"\r\n", PH_MA_UNMARKED, '|', "Drafts|template");
    RESP(t, "* XLIST (\\Templates) \"/\" x\r\n") {
        assert_words(&t.r.list.attr_words, "\\Templates");
        assert_str(t.r.word, "XLIST");
        assert_null(t.r.list.oldname.p);
    }
    RESP(t, "* LIST x\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
}

static void test_extended(void **state)
{
    RESP(t, "* LIST () \"/\" \"NewMailbox\" (\"OLDNAME\" (\"OldMailbox\"))\r\n") { /* RFC 9051 6.3.9.7 */
        assert_str(t.r.list.oldname, "OldMailbox");
        assert_false(t.r.list.childinfo_subscribed);
    }
    RESP(t, "* LIST (\\NonExistent) \"/\" Foo (CHILDINFO (\"SUBSCRIBED\") X (a (b)) OLDNAME (NIL))\r\n") {
        assert_true(t.r.list.childinfo_subscribed);
        assert_str(t.r.list.name, "Foo");
    }
    RESP(t, "* LIST () \"/\" Foo ()\r\n") assert_str(t.r.list.name, "Foo");
    RESP(t, "* LIST () \"/\" Foo (CHILDINFO)\r\n") assert_false(t.r.list.childinfo_subscribed);
}

static void test_status(void **state)
{
    RESP(t, "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292 RECENT 2 UNSEEN 5 DELETED 1 SIZE 4294967296123 "
            "UIDVALIDITY 8 "
            "HIGHESTMODSEQ 7011231777 APPENDLIMIT 257890 MAILBOXID (F2212ea8))\r\n")
    {
        const struct ph_mailbox_status *s = &t.r.mstatus;
        assert_int_equal(t.r.kind, PH_RESP_MAILBOX_STATUS);
        assert_str(s->name, "blurdybloop");
        assert_true(s->has_messages && s->has_uidnext && s->has_recent && s->has_unseen && s->has_deleted &&
                    s->has_size && s->has_uidvalidity && s->has_modseq && s->has_appendlimit);
        assert_int_equal(s->messages, 231);
        assert_int_equal(s->uidnext, 44292);
        assert_int_equal(s->recent, 2);
        assert_int_equal(s->unseen, 5);
        assert_int_equal(s->deleted, 1);
        assert_int_equal(s->size, 4294967296123);
        assert_int_equal(s->uidvalidity, 8);
        assert_int_equal(s->modseq, 7011231777);
        assert_int_equal(s->appendlimit, 257890);
        assert_str(s->mailboxid, "F2212ea8");
    }
    RESP(t, "* STATUS {19}\r\nLiteral Folder Name (MESSAGES 60)\r\n") {
        assert_str(t.r.mstatus.name, "Literal Folder Name");
        assert_int_equal(t.r.mstatus.messages, 60);
        assert_false(t.r.mstatus.has_uidnext);
    }
    RESP(t, "* status \"a b\"  ( messages 1  x (y) uidnext 4294967296 appendlimit nil )\r\n") {
        assert_str(t.r.mstatus.name, "a b");
        assert_int_equal(t.r.mstatus.messages, 1);
        assert_false(t.r.mstatus.has_uidnext);
        assert_true(t.r.mstatus.has_appendlimit);
        assert_int_equal(t.r.mstatus.appendlimit, UINT64_MAX);
    }
    RESP(t, "* STATUS Sent (old) Items (MESSAGES 3 MAILBOXID (x))\r\n") { /* not quoted */
        assert_str(t.r.mstatus.name, "Sent (old) Items");
        assert_int_equal(t.r.mstatus.messages, 3);
        assert_str(t.r.mstatus.mailboxid, "x");
    }
    RESP(t, "* STATUS Sent Items (MESSAGES 3)\r\n") {
        assert_str(t.r.mstatus.name, "Sent Items");
        assert_int_equal(t.r.mstatus.messages, 3);
    }
    RESP(t, "* STATUS 2024 (MESSAGES 3\r\n") assert_int_equal(t.r.mstatus.messages, 3);
    RESP(t, "* STATUS a ()\r\n") assert_false(t.r.mstatus.has_messages);
    RESP(t, "* STATUS a\r\n") assert_str(t.r.mstatus.name, "a");
    RESP(t, "* STATUS\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
    RESP(t, "* STATUS (MESSAGES 3)\r\n") assert_int_equal(t.r.kind, PH_RESP_UNKNOWN);
}

static void test_namespace(void **state)
{
    RESP(t, "* NAMESPACE ((\"\" \"/\")(\"#mh/\" NIL)) ((\"~\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\"))) NIL\r\n") {
        const struct ph_namespaces *n = &t.r.ns; /* from RFC 9051 6.3.10 */
        assert_int_equal(t.r.kind, PH_RESP_NAMESPACE);
        assert_int_equal(n->n_personal, 2);
        assert_int_equal(n->n_other, 1);
        assert_int_equal(n->n_shared, 0);
        assert_str(n->personal[0].prefix, "");
        assert_int_equal(n->personal[0].delim, '/');
        assert_str(n->personal[1].prefix, "#mh/");
        assert_int_equal(n->personal[1].delim, 0);
        assert_str(n->other[0].prefix, "~");
    }
    RESP(t, "* NAMESPACE ((\"\" \"\\\\\")) ((\"Other\\\\\" \"\\\\\")) NIL\r\n") {
        assert_int_equal(t.r.ns.personal[0].delim, '\\');
        assert_str(t.r.ns.other[0].prefix, "Other\\");
    }
    RESP(t, "* NAMESPACE NIL\r\n") assert_int_equal(t.r.ns.n_personal, 0);
    RESP(t, "* NAMESPACE (NIL () (NIL)) ((x))\r\n") {
        assert_int_equal(t.r.ns.n_personal, 1);
        assert_str(t.r.ns.personal[0].prefix, "");
        assert_str(t.r.ns.other[0].prefix, "x");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_extended),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
