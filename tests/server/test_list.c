/* LIST and LSUB, by the examples of RFC 5258 5, 5819 3, 6154 5, 8440 4, 9590 4, and RFC 3501 6.3.8 and 6.3.9.
 *
 * Three things are not quite as printed there, and all three are allowed: \HasChildren and \HasNoChildren are always told (RFC 3348), names come
 * sorted, and what the RFC quotes comes as an atom. */
#include <string.h>

#include "seed.h"

static const struct seed fruit[] = {
    { "Fruit", 0 },           { "Fruit/Apple", 0 },        { "Fruit/Banana", SUB },    { "Fruit/Peach", GONE },
    { "Tofu", 0 },            { "Vegetable", SUB },        { "Vegetable/Broccoli", SUB }, { "Vegetable/Corn", 0 },
    { "Bread", PH_MA_REMOTE | SUB }, { "Meat", PH_MA_REMOTE | PH_MA_HASCHILDREN }, { "Meat/Pork", PH_MA_REMOTE },
};

/* Examples 1 to 6. */
static void test_fruit(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, fruit, sizeof fruit / sizeof *fruit);
    play(&c, "C: A00 SUBSCRIBE inbox\n"
             "S: A00 OK *\n"
             "C: A01 LIST \"\" \"*\"\n"
             "S: * LIST (\\HasChildren) \"/\" Fruit\n"
             "S: * LIST (\\HasNoChildren) \"/\" Fruit/Apple\n"
             "S: * LIST (\\HasNoChildren) \"/\" Fruit/Banana\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Tofu\n"
             "S: * LIST (\\HasChildren) \"/\" Vegetable\n"
             "S: * LIST (\\HasNoChildren) \"/\" Vegetable/Broccoli\n"
             "S: * LIST (\\HasNoChildren) \"/\" Vegetable/Corn\n"
             "S: A01 OK *\n"
             "C: A02 LIST (SUBSCRIBED) \"\" \"*\"\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\n"
             "S: * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" Vegetable\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli\n"
             "S: A02 OK *\n"
             "C: A03 LIST () \"\" \"%\" RETURN (CHILDREN)\n"
             "S: * LIST (\\HasChildren) \"/\" Fruit\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Tofu\n"
             "S: * LIST (\\HasChildren) \"/\" Vegetable\n"
             "S: A03 OK *\n"
             "C: A04 LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)\n"
             "S: * LIST (\\HasNoChildren \\Remote) \"/\" Bread\n"
             "S: * LIST (\\HasChildren) \"/\" Fruit\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasChildren \\Remote) \"/\" Meat\n"
             "S: * LIST (\\HasNoChildren) \"/\" Tofu\n"
             "S: * LIST (\\HasChildren) \"/\" Vegetable\n"
             "S: A04 OK *\n"
             "C: A05 LIST (REMOTE SUBSCRIBED) \"\" \"*\"\n"
             "S: * LIST (\\HasNoChildren \\Subscribed \\Remote) \"/\" Bread\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\n"
             "S: * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" Vegetable\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli\n"
             "S: A05 OK *\n"
             "C: A06 LIST (REMOTE) \"\" \"*\" RETURN (SUBSCRIBED)\n"
             "S: * LIST (\\HasNoChildren \\Subscribed \\Remote) \"/\" Bread\n"
             "S: * LIST (\\HasChildren) \"/\" Fruit\n"
             "S: * LIST (\\HasNoChildren) \"/\" Fruit/Apple\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
             "S: * LIST (\\HasChildren \\Remote) \"/\" Meat\n"
             "S: * LIST (\\HasNoChildren \\Remote) \"/\" Meat/Pork\n"
             "S: * LIST (\\HasNoChildren) \"/\" Tofu\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" Vegetable\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli\n"
             "S: * LIST (\\HasNoChildren) \"/\" Vegetable/Corn\n"
             "S: A06 OK *\n"
             "C: A07 LIST (RECURSIVEMATCH) \"\" \"*\"\n"
             "S: A07 BAD *\n"
             "C: A08 LIST (RECURSIVEMATCH REMOTE) \"\" \"*\"\n"
             "S: A08 BAD *\n"
             "C: A09 LIST (FROBBED) \"\" \"*\"\n"
             "S: A09 BAD *\n"
             "C: A10 LIST (SUBSCRIBED SUBSCRIBED) \"\" \"Veg%\"\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" Vegetable\n"
             "S: A10 OK *\n");
    stop(&p, &c);
}

static const struct seed sent[] = {
    { "Drafts", PH_MA_NOINFERIORS }, { "Sent/March2004", 0 }, { "Sent/December2003", PH_MA_MARKED }, { "Sent/August2004", 0 },
    { "Other", 0 },
};

/* Examples 7 and 11; what stands for the root; levels that are no mailboxes. */
static void test_patterns(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, sent, sizeof sent / sizeof *sent);
    play(&c, "C: BBB LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")\n"
             "S: * LIST (\\Noinferiors) \"/\" Drafts\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Sent/August2004\n"
             "S: * LIST (\\HasNoChildren \\Marked) \"/\" Sent/December2003\n"
             "S: * LIST (\\HasNoChildren) \"/\" Sent/March2004\n"
             "S: BBB OK *\n"
             "C: b1 LIST \"\" (\"D*\" \"%s\" \"Dr%\" \"\")\n"
             "S: * LIST (\\Noinferiors) \"/\" Drafts\n"
             "S: b1 OK *\n"
             "C: b2 LIST () \"\" \"\"\n"
             "S: b2 OK *\n"
             "C: b3 LIST \"\" \"\"\n"
             "S: * LIST (\\Noselect) \"/\" \"\"\n"
             "S: b3 OK *\n"
             "C: b4 LIST \"Sent/\" \"\"\n"
             "S: * LIST (\\Noselect) \"/\" \"\"\n"
             "S: b4 OK *\n"
             "C: b5 LIST \"#news/x\" \"\"\n"
             "S: * LIST (\\Noselect) \"/\" #news/\n"
             "S: b5 OK *\n"
             "C: b51 LIST /usr/staff/jones \"\"\n"
             "S: * LIST (\\Noselect) \"/\" /\n"
             "S: b51 OK *\n"
             "C: b6 LIST \"Sent/\" \"M%\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" Sent/March2004\n"
             "S: b6 OK *\n"
             "C: b7 LIST \"Sent/\" \"/M%\"\n"
             "S: b7 OK *\n"
             "C: b8 LIST \"\" \"inBOX\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: b8 OK *\n"
             "C: b9 LIST \"\" %\n"
             "S: * LIST (\\Noinferiors) \"/\" Drafts\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Other\n"
             "S: * LIST (\\Noselect \\HasChildren) \"/\" Sent\n"
             "S: b9 OK *\n"
             "C: b10 LIST () \"\" %\n"
             "S: * LIST (\\Noinferiors) \"/\" Drafts\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Other\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" Sent\n"
             "S: b10 OK *\n"
             "C: b11 LIST \"\" (% Sent/*)\n"
             "S: * LIST (\\Noinferiors) \"/\" Drafts\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Other\n"
             "S: * LIST (\\HasNoChildren) \"/\" Sent/August2004\n"
             "S: * LIST (\\HasNoChildren \\Marked) \"/\" Sent/December2003\n"
             "S: * LIST (\\HasNoChildren) \"/\" Sent/March2004\n"
             "S: b11 OK *\n");
    stop(&p, &c);
}

static const struct seed foo[] = { { "Foo", 0 }, { "Foo/Bar", 0 }, { "Foo/Baz", 0 }, { "Moo", 0 } };

/* Example 8. */
static void test_childinfo(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, foo, sizeof foo / sizeof *foo);
    play(&c, "C: CA3 LIST \"\" \"%\" RETURN (CHILDREN)\n"
             "S: * LIST (\\HasChildren) \"/\" Foo\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" Moo\n"
             "S: CA3 OK *\n"
             "C: B1 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"\n"
             "S: B1 OK *\n"
             "C: C01 SUBSCRIBE Foo/Baz\n"
             "S: C01 OK *\n"
             "C: C02 LIST (SUBSCRIBED) \"\" \"*\"\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Foo/Baz\n"
             "S: C02 OK *\n"
             "C: C03 LIST (SUBSCRIBED) \"\" \"%\"\n"
             "S: C03 OK *\n"
             "C: C04 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"\n"
             "S: * LIST (\\HasChildren) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: C04 OK *\n"
             "C: C05 SUBSCRIBE Foo\n"
             "S: C05 OK *\n"
             "C: C06 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: C06 OK *\n"
             "C: C07 UNSUBSCRIBE Foo\n"
             "S: C07 OK *\n"
             "C: C08 DELETE Foo\n"
             "S: C08 OK *\n"
             "C: C09 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: C09 OK *\n"
             "C: C10 CREATE Foo\n"
             "S: C10 OK *\n"
             "C: C11 UNSUBSCRIBE Foo/Baz\n"
             "S: C11 OK *\n"
             "C: C12 SUBSCRIBE Foo\n"
             "S: C12 OK *\n"
             "C: C13 SUBSCRIBE Moo\n"
             "S: C13 OK *\n"
             "C: C14 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\" RETURN (CHILDREN)\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" Foo\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" Moo\n"
             "S: C14 OK *\n");
    stop(&p, &c);
}

static const struct seed foo2[] = {
    { "foo2", 0 },           { "foo2/bar1", SUB },  { "foo2/bar2", SUB }, { "baz2", 0 },         { "baz2/bar2", SUB },
    { "baz2/bar22", SUB },   { "baz2/bar222", SUB }, { "eps2", SUB },     { "eps2/mamba", SUB }, { "qux2/bar2", SUB },
};

/* Example 9. The second answer of the RFC has `foo2` and `baz2`, too, which its 3.5 says SHOULD be left out. */
static void test_recursive(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, foo2, sizeof foo2 / sizeof *foo2);
    play(&c, "C: D03 LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*2\"\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar2\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar22\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar222\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: * LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" foo2/bar2\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" qux2/bar2\n"
             "S: D03 OK *\n"
             "C: D04 LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*\"\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar2\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar22\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar222\n"
             "S: * LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" eps2/mamba\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" foo2/bar1\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" foo2/bar2\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" qux2/bar2\n"
             "S: D04 OK *\n");
    stop(&p, &c);
}

static const struct seed foobar[] = { { "foo", 0 }, { "foo/bar", GONE }, { "music/rock", 0 }, { "also/jazz", PH_MA_REMOTE } };

/* Examples 10 and 11. */
static void test_missing(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, foobar, sizeof foobar / sizeof *foobar);
    play(&c, "C: a1 LIST \"\" (\"foo\" \"foo/*\")\n"
             "S: * LIST (\\HasNoChildren) \"/\" foo\n"
             "S: a1 OK *\n"
             "C: a2 LIST (SUBSCRIBED) \"\" \"foo/*\"\n"
             "S: * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" foo/bar\n"
             "S: a2 OK *\n"
             "C: a3 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" foo RETURN (CHILDREN)\n"
             "S: * LIST (\\HasNoChildren) \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: a3 OK *\n"
             "C: b1 LIST (REMOTE) \"\" m*\n"
             "S: * LIST (\\HasNoChildren) \"/\" music/rock\n"
             "S: b1 OK *\n"
             "C: b2 LIST () \"\" m%\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" music\n"
             "S: b2 OK *\n"
             "C: b3 LIST () \"\" a%\n"
             "S: b3 OK *\n"
             "C: b4 LIST (REMOTE) \"\" a%\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" also\n"
             "S: b4 OK *\n"
             "C: b5 LIST \"\" (m% music/rock)\n"
             "S: * LIST (\\HasNoChildren) \"/\" music/rock\n"
             "S: b5 OK *\n");
    stop(&p, &c);
}

static const struct seed lsub[] = { { "foo", 0 }, { "foo/bar", SUB }, { "foo/bar/x", 0 }, { "zip/zap", GONE }, { "top", SUB } };

/* RFC 3501 6.3.9: `%` and what is not subscribed itself. */
static void test_lsub(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, lsub, sizeof lsub / sizeof *lsub);
    play(&c, "C: a1 LSUB \"\" *\n"
             "S: * LSUB () \"/\" foo/bar\n"
             "S: * LSUB () \"/\" top\n"
             "S: * LSUB () \"/\" zip/zap\n"
             "S: a1 OK *\n"
             "C: a2 LSUB \"\" %\n"
             "S: * LSUB (\\Noselect) \"/\" foo\n"
             "S: * LSUB () \"/\" top\n"
             "S: * LSUB (\\Noselect) \"/\" zip\n"
             "S: a2 OK *\n"
             "C: a3 LSUB \"foo/\" %\n"
             "S: * LSUB () \"/\" foo/bar\n"
             "S: a3 OK *\n");
    stop(&p, &c);
}

static const struct seed special[] = {
    { "ToDo", 0 }, { "Projects", 0 }, { "Projects/Foo", 0 }, { "SentMail", PH_MA_SENT }, { "MyDrafts", PH_MA_MARKED | PH_MA_DRAFTS },
    { "Trash", PH_MA_TRASH },
};

/* RFC 6154 5. */
static void test_special_use(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, special, sizeof special / sizeof *special);
    play(&c, "C: t1 LIST \"\" \"%\"\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren \\Marked \\Drafts) \"/\" MyDrafts\n"
             "S: * LIST (\\HasChildren) \"/\" Projects\n"
             "S: * LIST (\\HasNoChildren \\Sent) \"/\" SentMail\n"
             "S: * LIST (\\HasNoChildren) \"/\" ToDo\n"
             "S: * LIST (\\HasNoChildren \\Trash) \"/\" Trash\n"
             "S: t1 OK *\n"
             "C: t2 LIST \"\" \"%T%\" RETURN (SPECIAL-USE)\n"
             "S: * LIST (\\HasNoChildren) \"/\" ToDo\n"
             "S: * LIST (\\HasNoChildren \\Trash) \"/\" Trash\n"
             "S: t2 OK *\n"
             "C: t3 LIST (SPECIAL-USE) \"\" \"*\"\n"
             "S: * LIST (\\HasNoChildren \\Marked \\Drafts) \"/\" MyDrafts\n"
             "S: * LIST (\\HasNoChildren \\Sent) \"/\" SentMail\n"
             "S: * LIST (\\HasNoChildren \\Trash) \"/\" Trash\n"
             "S: t3 OK *\n"
             "C: t4 CREATE MySpecial (USE (\\Drafts \\Sent))\n"
             "S: t4 OK *\n"
             "C: t5 LIST (SPECIAL-USE) \"\" \"MyS*\"\n"
             "S: * LIST (\\HasNoChildren \\Drafts \\Sent) \"/\" MySpecial\n"
             "S: t5 OK *\n"
             "C: t6 CREATE Everything (USE (\\Frobbed))\n"
             "S: t6 NO [USEATTR] *\n"
             "C: t7 LIST \"\" \"Every*\"\n"
             "S: t7 OK *\n");
    stop(&p, &c);
}

static const struct seed status[] = { { "foo", 0 }, { "foo/sub", SUB }, { "bar", PH_MA_NOSELECT }, { "deaf", 0 }, { "top/down", 0 } };

/* RFC 5819 3, 8440 4, 9590 4. */
static void test_return_status(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    start(&p, &c, status, sizeof status / sizeof *status);
    pair_deliver(&p, "joe", "INBOX", "one");
    ph_memory_set_flags(pair_store(&p, "joe"), "INBOX", pair_deliver(&p, "joe", "INBOX", "two"), PH_F_SEEN, "");
    ph_memory_set_acl(pair_store(&p, "joe"), "deaf", "joe", "l");
    play(&c, "C: a0 SUBSCRIBE INBOX\n"
             "S: a0 OK *\n"
             "C: A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * STATUS INBOX (MESSAGES 2 UNSEEN 1)\n"
             "S: * LIST (\\Noselect \\HasNoChildren) \"/\" bar\n"
             "S: * LIST (\\Noselect \\HasNoChildren) \"/\" deaf\n"
             "S: * LIST (\\HasChildren) \"/\" foo\n"
             "S: * STATUS foo (MESSAGES 0 UNSEEN 0)\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" top\n"
             "S: A01 OK *\n"
             "C: A02 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (STATUS (MESSAGES))\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
             "S: * STATUS INBOX (MESSAGES 2)\n"
             "S: * LIST (\\HasChildren) \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: A02 OK *\n"
             "C: A03 LIST \"\" (INBOX deaf) RETURN (MYRIGHTS)\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * MYRIGHTS INBOX lrswipkxteacd\n"
             "S: * LIST (\\HasNoChildren) \"/\" deaf\n"
             "S: * MYRIGHTS deaf l\n"
             "S: A03 OK *\n"
             "C: A04 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (MYRIGHTS)\n"
             "S: * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX\n"
             "S: * MYRIGHTS INBOX lrswipkxteacd\n"
             "S: * LIST (\\HasChildren) \"/\" foo (\"CHILDINFO\" (\"SUBSCRIBED\"))\n"
             "S: A04 OK *\n"
             "C: a1 SETMETADATA INBOX (/shared/vendor/cmu/cyrus-imapd/color \"#b71c1c\")\n"
             "S: a1 OK *\n"
             "C: A05 LIST \"\" (INBOX foo top deaf) RETURN (METADATA (\"/shared/vendor/cmu/cyrus-imapd/color\"))\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * METADATA INBOX (/shared/vendor/cmu/cyrus-imapd/color \"#b71c1c\")\n"
             "S: * LIST (\\HasNoChildren) \"/\" deaf\n"
             "S: * LIST (\\HasChildren) \"/\" foo\n"
             "S: * METADATA foo (/shared/vendor/cmu/cyrus-imapd/color NIL)\n"
             "S: * LIST (\\NonExistent \\HasChildren) \"/\" top\n"
             "S: A05 OK *\n");
    stop(&p, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fruit),       cmocka_unit_test(test_patterns),      cmocka_unit_test(test_childinfo),
        cmocka_unit_test(test_recursive),   cmocka_unit_test(test_missing),       cmocka_unit_test(test_lsub),
        cmocka_unit_test(test_special_use), cmocka_unit_test(test_return_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
