/* Commands of the extensions: quota, access rights, METADATA, NOTIFY, ESEARCH, items of FETCH, SEARCH and LIST, and the
 * caller's own. Examples are the RFCs'. */
#include "cmd.h"

static void test_quota(void **state)
{
    CMD(t, "G0001 GETQUOTA \"!partition/sda4\"\r\n") { /* RFC 9208 4.1.1 */
        assert_int_equal(t.c.id, PH_CMD_GETQUOTA);
        assert_str(t.c.quota.root, "!partition/sda4");
    }
    CMD(t, "a GETQUOTA \"\"\r\n") assert_str(t.c.quota.root, "");
    CMD(t, "G0002 GETQUOTAROOT inbox\r\n") {
        assert_str(t.c.quota.mailbox, "INBOX");
        assert_int_equal(t.c.states, PH_STATE_AUTH | PH_STATE_SELECTED);
    }
    CMD(t, "S0000 SETQUOTA \"#user/alice\" (STORAGE 510)\r\n") { /* 4.1.3 */
        assert_str(t.c.quota.root, "#user/alice");
        assert_int_equal(t.c.quota.n, 1);
        assert_str(t.c.quota.resources[0].name, "STORAGE");
        assert_int_equal(t.c.quota.resources[0].limit, 510);
    }
    CMD(t, "a SETQUOTA \"\" (storage 9223372036854775807 X-Y 0)\r\n") {
        assert_int_equal(t.c.quota.n, 2);
        assert_int_equal(t.c.quota.resources[0].limit, INT64_MAX);
    }
    CMD(t, "a SETQUOTA x ()\r\n") assert_int_equal(t.c.quota.n, 0);
    CMD(t, "a STATUS INBOX (MESSAGES DELETED DELETED-STORAGE)\r\n") /* 4.1.4 */
    assert_int_equal(t.c.status.items, PH_SI_MESSAGES | PH_SI_DELETED | PH_SI_DELETED_STORAGE);
    bad("a SETQUOTA x\r\n", "a", "expected a list of resources and limits");
    bad("a SETQUOTA x (STORAGE)\r\n", "a", "expected a limit");
    bad("a SETQUOTA x (STORAGE -1)\r\n", "a", "expected a limit: -1");
    bad("a SETQUOTA x (STORAGE 9223372036854775808)\r\n", "a", "a number that is too large: 9223372036854775808");
    bad("a GETQUOTA x y\r\n", "a", "an argument too many: y");
}

static void test_rights(void **state)
{
    CMD(t, "A036 SETACL INBOX/Drafts John lrswicda\r\n") { /* RFC 4314 3.1 */
        assert_int_equal(t.c.id, PH_CMD_SETACL);
        assert_str(t.c.acl.mailbox, "INBOX/Drafts");
        assert_str(t.c.acl.identifier, "John");
        assert_int_equal(t.c.acl.op, 0);
        assert_str(t.c.acl.rights, "lrswicda");
    }
    CMD(t, "a SETACL inbox -anyone +kx\r\n") {
        assert_str(t.c.acl.identifier, "-anyone");
        assert_int_equal(t.c.acl.op, '+');
        assert_str(t.c.acl.rights, "kx");
    }
    CMD(t, "a SETACL x \"f\xc3\xbc\" -\r\n") {
        assert_int_equal(t.c.acl.op, '-');
        assert_str(t.c.acl.rights, "");
    }
    CMD(t, "a SETACL x y \"\"\r\n") assert_str(t.c.acl.rights, "");
    CMD(t, "B001 DELETEACL INBOX Fred\r\n") assert_str(t.c.acl.identifier, "Fred");
    CMD(t, "A002 GETACL INBOX\r\n") assert_str(t.c.acl.mailbox, "INBOX");
    CMD(t, "a001 LISTRIGHTS ~/Mail/saved smith\r\n") assert_str(t.c.acl.identifier, "smith");
    CMD(t, "A003 MYRIGHTS INBOX\r\n") assert_int_equal(t.c.id, PH_CMD_MYRIGHTS);
    bad("A035 SETACL INBOX/Drafts John lrQswicda\r\n", "A035", /* refused with BAD there */
        "rights are letters from a to z and digits: lrQswicda");
    bad("a SETACL x y l+r\r\n", "a", "rights are letters from a to z and digits: l+r");
    bad("a SETACL x y\r\n", "a", "expected rights");
    bad("a MYRIGHTS x y\r\n", "a", "an argument too many: y");
    bad("a LISTRIGHTS x\r\n", "a", "expected an identifier");
}

static void test_metadata(void **state)
{
    CMD(t, "a GETMETADATA \"\" /shared/comment\r\n") { /* RFC 5464 4.2 */
        assert_str(t.c.metadata.mailbox, "");
        assert_int_equal(t.c.metadata.n, 1);
        assert_str(t.c.metadata.entries[0].name, "/shared/comment");
        assert_false(t.c.metadata.has_maxsize);
        assert_int_equal(t.c.metadata.depth, 0);
    }
    CMD(t, "a GETMETADATA \"INBOX\" (/shared/comment /private/comment)\r\n") assert_int_equal(t.c.metadata.n, 2);
    CMD(t, "a GETMETADATA \"INBOX\" (MAXSIZE 1024) (/shared/comment /private/comment)\r\n") {
        assert_int_equal(t.c.metadata.n, 2);
        assert_int_equal(t.c.metadata.maxsize, 1024);
    }
    CMD(t, "a GETMETADATA (DEPTH infinity MAXSIZE 0) inbox /private/x\r\n") { /* the grammar of 5 */
        assert_str(t.c.metadata.mailbox, "INBOX");
        assert_true(t.c.metadata.has_maxsize);
        assert_int_equal(t.c.metadata.depth, PH_DEPTH_INFINITY);
    }
    CMD(t, "a GETMETADATA INBOX (DEPTH 1) (/private/filters/values)\r\n") assert_int_equal(t.c.metadata.depth, 1);
    CMD(t, "a GETMETADATA INBOX (DEPTH 1) /private/x\r\n") assert_str(t.c.metadata.entries[0].name, "/private/x");
    CMD(t, "a SETMETADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)\r\n") { /* 4.3 */
        assert_str(t.c.metadata.entries[0].value, "My new comment across\r\ntwo lines.");
    }
    CMD(t, "a SETMETADATA INBOX (/private/comment NIL /shared/c \"\" /private/d \"NIL\")\r\n") {
        assert_int_equal(t.c.metadata.n, 3);
        assert_str(t.c.metadata.entries[0].value, NULL);
        assert_str(t.c.metadata.entries[1].value, "");
        assert_str(t.c.metadata.entries[2].value, "NIL");
    }
    CMD(t, "a SETMETADATA \"\" (/private/comment ~{3+}\r\nx\0y)\r\n") {
        assert_int_equal(t.c.metadata.entries[0].value.n, 3);
        assert_memory_equal(t.c.metadata.entries[0].value.p, "x\0y", 3);
    }
    static const char *const names[] = { "/", "x", "/a/", "/a//b", "\"/a*\"", "\"/%\"", "\"/f\xc3\xbc\"", "\"/a\tb\"" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ph_buf line = PH_BUF_INIT;
        struct cmd t;
        ph_buf_add_z(&line, "a GETMETADATA x ");
        ph_buf_add_z(&line, names[i]);
        ph_buf_add_z(&line, "\r\n");
        cmd_parse(&t, ph_buf_str(&line), NULL);
        assert_int_equal(t.rc, -1);
        assert_non_null(strstr(t.err.text, "not the name of an entry"));
        cmd_done(&t);
        ph_buf_done(&line);
    }
    bad("a GETMETADATA x (DEPTH 2) /a\r\n", "a", "unknown or not supported: 2");
    bad("a GETMETADATA x (FOO) /a\r\n", "a", "an unknown option, or one given twice: FOO");
    bad("a GETMETADATA (DEPTH 1) x (DEPTH 1) /a\r\n", "a", "an unknown option, or one given twice: DEPTH");
    bad("a GETMETADATA x ()\r\n", "a", "expected the name of an entry");
    bad("a GETMETADATA x\r\n", "a", "expected the name of an entry");
    bad("a SETMETADATA x (/a)\r\n", "a", "expected a value as a string, or NIL");
    bad("a SETMETADATA x (/a b)\r\n", "a", "expected a value as a string, or NIL: b");
    bad("a SETMETADATA x ()\r\n", "a", "expected the name of an entry");
}

static void test_notify(void **state)
{
    CMD(t, "a NOTIFY NONE\r\n") assert_false(t.c.notify.set);
    CMD(t, "a notify set (selected (Messagenew (uid flags) messageExpunge)) "
           "(personal (MessageNew FlagChange MessageExpunge))\r\n") { /* RFC 5465 6 */
        const struct ph_notify_group *g = t.c.notify.groups;
        assert_true(t.c.notify.set);
        assert_false(t.c.notify.status);
        assert_int_equal(t.c.notify.n, 2);
        assert_int_equal(g[0].filter.what, PH_MF_SELECTED);
        assert_int_equal(g[0].events, PH_EV_MESSAGE_NEW | PH_EV_MESSAGE_EXPUNGE);
        assert_int_equal(g[0].n_atts, 2);
        assert_int_equal(g[0].atts[1].what, PH_FA_FLAGS);
        assert_int_equal(g[1].filter.what, PH_MF_PERSONAL);
        assert_int_equal(g[1].events, PH_EV_MESSAGE_NEW | PH_EV_MESSAGE_EXPUNGE | PH_EV_FLAG_CHANGE);
        assert_int_equal(g[1].n_atts, 0);
    }
    CMD(t, "b notify set status (selected-delayed (MessageNew (uid body.peek[header.fields (from to subject)]) "
           "MessageExpunge AnnotationChange)) (subtree (Lists inbox) (MailboxName SubscriptionChange)) "
           "(mailboxes x NONE) (inboxes (MailboxMetadataChange ServerMetadataChange)) (subscribed (FrobChange))\r\n") {
        const struct ph_notify_group *g = t.c.notify.groups;
        assert_true(t.c.notify.status);
        assert_int_equal(t.c.notify.n, 5);
        assert_words(&g[0].atts[1].section.fields, "from|to|subject");
        assert_words(&g[1].filter.names, "Lists|INBOX");
        assert_int_equal(g[1].events, PH_EV_MAILBOX_NAME | PH_EV_SUBSCRIPTION_CHANGE);
        assert_int_equal(g[2].filter.what, PH_MF_MAILBOXES);
        assert_int_equal(g[2].events, 0);
        assert_int_equal(g[4].events, PH_EV_UNKNOWN);
    }
    const char *both = "MessageNew and MessageExpunge belong to each other and to all events of messages";
    bad("a NOTIFY SET (inboxes (MessageNew))\r\n", "a", both);
    bad("a NOTIFY SET (inboxes (FlagChange))\r\n", "a", both);
    bad("a NOTIFY SET (selected (MailboxName))\r\n", "a", "the selected mailbox has only events of messages");
    bad("a NOTIFY SET (inboxes (MessageNew (UID) MessageExpunge))\r\n", "a",
        "data items are for the selected mailbox");
    bad("a NOTIFY SET (selected NONE) (selected-delayed NONE)\r\n", "a", "the selected mailbox given twice");
    bad("a NOTIFY SET (subtree-one x NONE)\r\n", "a", "unknown or not supported: subtree-one");
    bad("a NOTIFY SET (subtree () NONE)\r\n", "a", "expected a mailbox name");
    bad("a NOTIFY SET (inboxes ())\r\n", "a", "expected an event");
    bad("a NOTIFY SET (inboxes MailboxName)\r\n", "a", "expected a list of events, or NONE: MailboxName");
    bad("a NOTIFY SET (inboxes (MailboxName MailboxName))\r\n", "a", "an event given twice: MailboxName");
    bad("a NOTIFY SET\r\n", "a", "expected mailboxes and events");
    bad("a NOTIFY\r\n", "a", "expected SET or NONE");
    bad("a NOTIFY NONE x\r\n", "a", "an argument too many: x");
}

static void test_esearch(void **state)
{
    /* RFC 7377 3 */
    CMD(t, "tag1 ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") unseen\r\n") {
        const struct ph_cmd_search *s = &t.c.search;
        assert_true(s->has_return);
        assert_int_equal(s->options, PH_SR_ALL);
        assert_int_equal(s->n_sources, 2);
        assert_int_equal(s->sources[0].what, PH_MF_MAILBOXES);
        assert_words(&s->sources[0].names, "folder1");
        assert_int_equal(s->sources[1].what, PH_MF_SUBTREE);
        assert_words(&s->sources[1].names, "folder2");
        assert_int_equal(s->key.what, PH_SK_FLAG);
        assert_int_equal(t.c.states, PH_STATE_AUTH | PH_STATE_SELECTED);
    }
    CMD(t, "tag2 ESEARCH IN (subtree-one (a inbox) selected personal) RETURN (MIN COUNT) CHARSET utf-8 ALL\r\n") {
        assert_words(&t.c.search.sources[0].names, "a|INBOX");
        assert_int_equal(t.c.search.n_sources, 3);
        assert_int_equal(t.c.search.options, PH_SR_MIN | PH_SR_COUNT);
        assert_str(t.c.search.charset, "utf-8");
    }
    CMD(t, "a ESEARCH IN (selected) RETURN (SAVE) ALL\r\n") assert_int_equal(t.c.search.options, PH_SR_SAVE);
    CMD(t, "a ESEARCH SEEN\r\n") {
        assert_int_equal(t.c.search.n_sources, 0);
        assert_true(t.c.search.has_return);
    }
    bad("a ESEARCH IN (personal) RETURN (SAVE) ALL\r\n", "a", "SAVE is for the selected mailbox");
    bad("a ESEARCH IN (selected-delayed) ALL\r\n", "a", "unknown or not supported: selected-delayed");
    bad("a ESEARCH IN () ALL\r\n", "a", "expected which mailboxes");
    bad("a ESEARCH IN (personal (x)) ALL\r\n", "a", "options of mailboxes are not supported");
    bad("a ESEARCH IN (personal)\r\n", "a", "expected a search key");
    bad("a UID ESEARCH ALL\r\n", "a", "there is no UID form of: ESEARCH");
}

static void test_items(void **state)
{
    CMD(t, "A1 FETCH 1 (RFC822.SIZE PREVIEW)\r\n") { /* RFC 8970 3 and 4 */
        assert_int_equal(t.c.fetch.atts[1].what, PH_FA_PREVIEW);
        assert_false(t.c.fetch.atts[1].lazy);
    }
    CMD(t, "E1 FETCH 1:5 (ENVELOPE BODYSTRUCTURE INTERNALDATE PREVIEW (LAZY))\r\n") assert_true(t.c.fetch.atts[3].lazy);
    CMD(t, "a FETCH 1 (PREVIEW (lazy) SAVEDATE)\r\n") {
        assert_true(t.c.fetch.atts[0].lazy);
        assert_int_equal(t.c.fetch.atts[1].what, PH_FA_SAVEDATE); /* RFC 8514 */
    }
    CMD(t, "a FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 5)\r\n") {
        assert_true(t.c.fetch.atts[0].lazy);
        assert_int_equal(t.c.fetch.changedsince, 5);
    }
    CMD(t, "a FETCH 1 PREVIEW (CHANGEDSINCE 5)\r\n") {
        assert_false(t.c.fetch.atts[0].lazy);
        assert_int_equal(t.c.fetch.changedsince, 5);
    }
    CMD(t, "10 UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-3)\r\n") { /* RFC 9394 3.3 */
        assert_true(t.c.fetch.has_partial);
        assert_int_equal(t.c.fetch.partial_first, -1);
        assert_int_equal(t.c.fetch.partial_last, -3);
    }
    CMD(t, "101 UID FETCH 25900:26600 (UID FLAGS) (PARTIAL 1:100 CHANGEDSINCE 98305)\r\n") {
        assert_int_equal(t.c.fetch.partial_last, 100);
        assert_int_equal(t.c.fetch.changedsince, 98305);
    }
    CMD(t, "a SEARCH SAVEDBEFORE 28-Dec-2014 SAVEDON 1-Jan-1970 NOT SAVEDSINCE 2-Jan-1970 SAVEDATESUPPORTED\r\n") {
        const struct ph_search_key *k = t.c.search.key.kids; /* RFC 8514 4.3 */
        assert_int_equal(k[0].what, PH_SK_SAVEDBEFORE);
        assert_int_equal(k[0].days, 16432);
        assert_int_equal(k[1].what, PH_SK_SAVEDON);
        assert_int_equal(k[2].kids[0].what, PH_SK_SAVEDSINCE);
        assert_int_equal(k[3].what, PH_SK_SAVEDATESUPPORTED);
    }
    CMD(t, "a LIST \"\" % RETURN (MYRIGHTS METADATA (\"/shared/vendor/cmu/cyrus-imapd/color\" /private/x) SPECIAL-USE)"
           "\r\n") { /* RFC 8440 4, RFC 9590 3 */
        assert_int_equal(t.c.list.options, PH_LO_MYRIGHTS | PH_LO_METADATA | PH_LO_SPECIAL_USE);
        assert_words(&t.c.list.metadata, "/shared/vendor/cmu/cyrus-imapd/color|/private/x");
    }
    CMD(t, "a SORT (REVERSE DISPLAYFROM DISPLAYTO) UTF-8 ALL\r\n") assert_int_equal(t.c.search.n_sort, 2);
    CMD(t, "a UNAUTHENTICATE\r\n") assert_int_equal(t.c.states, PH_STATE_AUTH | PH_STATE_SELECTED);
    bad("a FETCH 1 (UID) (PARTIAL 1:2)\r\n", "a", "PARTIAL is for UID FETCH");
    bad("a UID FETCH 1 (UID) (PARTIAL 1:-2)\r\n", "a", "not a range: 1:-2");
    bad("a FETCH 1 (PREVIEW (FOO))\r\n", "a", "expected a data item");
    bad("a FETCH 1 (PREVIEW (LAZY X))\r\n", "a", "an argument too many: X");
    bad("a LIST \"\" % RETURN (METADATA)\r\n", "a", "expected a list of entries");
    bad("a LIST \"\" % RETURN (METADATA (x))\r\n", "a", "not the name of an entry: x");
}

static int own_parse(struct ph_args *c, struct ph_command *out)
{
    return ph_args_mailbox(c, &out->mailbox.name);
}

static void test_own(void **state)
{
    static const struct ph_command_row more[] = {
        { "XKILL", PH_CMD_APPLICATION, PH_STATE_AUTH, PH_UID_NO, NULL, "astring mailbox [number]" },
        { "XMANY", PH_CMD_APPLICATION + 1, PH_STATE_SELECTED, PH_UID_MAY, NULL, "set number64 flags any [nstring [atom...]]" },
        { "XBAD", PH_CMD_APPLICATION + 2, PH_STATE_ANY, PH_UID_NO, NULL, "astring frob" },
        { "XOWN", PH_CMD_APPLICATION + 3, PH_STATE_ANY, PH_UID_NO, own_parse },
        { "XNONE", PH_CMD_APPLICATION + 4, PH_STATE_ANY },
        { "NOOP", PH_CMD_APPLICATION + 5, PH_STATE_ANY }, /* never takes the place of ours */
        { NULL },
    };
    struct ph_args_limits limits = ph_args_limits_default;
    struct cmd t;

    limits.more = more;
    cmd_parse(&t, PH_STR("a xkill \"a b\" inbox 7\r\n"), &limits);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.c.id, PH_CMD_APPLICATION);
    assert_str(t.c.name, "XKILL");
    assert_int_equal(t.c.states, PH_STATE_AUTH);
    assert_int_equal(t.c.values.n, 3);
    assert_str(t.c.values.v[0].text, "a b");
    assert_str(t.c.values.v[1].text, "INBOX");
    assert_int_equal(t.c.values.v[2].number, 7);
    cmd_done(&t);
    cmd_parse(&t, PH_STR("a XKILL a b\r\n"), &limits);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.c.values.n, 2);
    cmd_done(&t);
    cmd_parse(&t, PH_STR("a UID XMANY 1:* 5000000000 (\\Seen) (x (y)) NIL b c d\r\n"), &limits);
    assert_int_equal(t.rc, 0);
    assert_true(t.c.uid);
    assert_int_equal(t.c.values.n, 8);
    assert_true(t.c.values.v[0].set.star);
    assert_int_equal(t.c.values.v[1].number, 5000000000);
    assert_words(&t.c.values.v[2].words, "\\Seen");
    assert_int_equal(t.c.values.v[3].arg->n, 2);
    assert_str(t.c.values.v[4].text, NULL);
    assert_str(t.c.values.v[7].text, "d");
    cmd_done(&t);
    cmd_parse(&t, PH_STR("a XOWN inbox\r\n"), &limits);
    assert_str(t.c.mailbox.name, "INBOX");
    cmd_done(&t);
    cmd_parse(&t, PH_STR("a NOOP\r\n"), &limits);
    assert_int_equal(t.c.id, PH_CMD_NOOP);
    cmd_done(&t);
    static const struct {
        const char *line, *text;
    } wrong[] = {
        { "a XKILL a\r\n", "expected a mailbox name" },      { "a XKILL a b c\r\n", "expected a number: c" },
        { "a XKILL a b 1 2\r\n", "an argument too many: 2" }, { "a XKILL a b 4294967296\r\n", "a number that is too large: 4294967296" },
        { "a XBAD a\r\n", "a shape with an unknown kind: frob" }, { "a XNONE a\r\n", "an argument too many: a" },
        { "a XMANY 1 2 () x NIL (y)\r\n", "expected an atom" }, { "a XNO\r\n", "unknown command: XNO" },
        { "XKILL a\r\n", "unknown command (is the tag missing?): a" }, { "a UID XKILL a\r\n", "there is no UID form of: XKILL" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cmd_parse(&t, ph_str(wrong[i].line), &limits);
        assert_int_equal(t.rc, -1);
        assert_string_equal(t.err.text, wrong[i].text);
        cmd_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota),   cmocka_unit_test(test_rights), cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_notify),  cmocka_unit_test(test_esearch), cmocka_unit_test(test_items),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
