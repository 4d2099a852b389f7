/* NOTIFY (RFC 5465): its examples, each event in the selected mailbox and in others, with IDLE, and when it is too much. */
#include <stdio.h>
#include <string.h>

#include "script.h"

/* Nothing was told meanwhile: the next thing that comes answers this. */
static void quiet(struct client *c)
{
    client_ask(c, "q NOOP", "q OK *");
}

static void begin(struct pair *p, struct client *c)
{
    pair_init(p);
    pair_start(p);
    struct ph_store *st = pair_store(p, "bob");
    ph_memory_folder(st, "Lists", PH_MA_NOSELECT);
    ph_memory_folder(st, "Lists/Lemonade", 0);
    ph_memory_folder(st, "Lists/Im2000", 0);
    ph_memory_folder(st, "misc", 0);
    pair_deliver(p, "bob", "Lists/Lemonade", "one");
    pair_deliver(p, "bob", "INBOX", "first");
    client_open_as(c, p, "bob");
}

static void end(struct pair *p, struct client *c)
{
    client_close(c);
    pair_stop(p);
}

/* The conversation of RFC 5465 3.1. */
static void test_example(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    play(&c, "C: b notify set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge))"
             " (subtree Lists (MessageNew MessageExpunge))\n"
             "S: * STATUS Lists/Im2000 (MESSAGES 0 UIDNEXT 1 UIDVALIDITY *)\n"
             "S: * STATUS Lists/Lemonade (MESSAGES 1 UIDNEXT 2 UIDVALIDITY *)\n"
             "S: b OK *\n");
    client_select(&c, "INBOX");
    pair_deliver(&p, "bob", "Lists/Lemonade", "two");
    play(&c, "S: * STATUS Lists/Lemonade (MESSAGES 2 UIDNEXT 3)\n");
    pair_deliver(&p, "bob", "INBOX", "Re: good morning");
    play(&c, "S: * 2 EXISTS\n"
             "S: * 2 RECENT\n"
             "S: * 2 FETCH (UID 2 BODY[HEADER.FIELDS (from to subject)] {*}\n");
    client_until(&c, "Subject: Re: good morning");
    client_until(&c, ")");
    pair_deliver(&p, "bob", "misc", "nobody asked");
    quiet(&c);
    play(&c, "C: e notify set (selected (MessageNew (uid) MessageExpunge)) (subtree Lists (MessageNew MessageExpunge)) "
             "(mailboxes misc (MessageNew MessageExpunge))\n"
             "S: e OK *\n");
    pair_deliver(&p, "bob", "misc", "now somebody did");
    play(&c, "S: * STATUS misc (MESSAGES 2 UIDNEXT 3 UIDVALIDITY *)\n");
    end(&p, &c);
}

/* RFC 5465 6.1: at once, or when a command allows it. */
static void test_selected(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    struct ph_store *st = pair_store(&p, "bob");
    for (int i = 0; i < 4; i++)
        pair_deliver(&p, "bob", "INBOX", "more");
    client_select(&c, "INBOX");
    client_ask(&c, "a NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))", "a OK *");
    ph_memory_remove(st, "INBOX", 2);
    client_expect(&c, "* 2 EXPUNGE");
    ph_memory_set_flags(st, "INBOX", 3, PH_F_FLAGGED, "$Junk");
    client_until(&c, "* 2 FETCH (UID 3 FLAGS (*\\Flagged *$Junk*))");
    client_ask(&c, "b NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))", "b OK *");
    ph_memory_remove(st, "INBOX", 3);
    pair_deliver(&p, "bob", "INBOX", "new");
    client_expect(&c, "* 5 EXISTS"); /* 3 is still counted */
    client_expect(&c, "* * RECENT");
    ph_memory_set_flags(st, "INBOX", 4, PH_F_SEEN, "");
    client_ask(&c, "c NOOP", "* 2 EXPUNGE");
    client_expect(&c, "* 2 FETCH (UID 4 FLAGS (\\Seen*");
    client_until(&c, "c OK *");
    client_ask(&c, "d NOTIFY SET (PERSONAL (MessageNew MessageExpunge))", "d OK *");
    pair_deliver(&p, "bob", "INBOX", "not told before the next command");
    pair_deliver(&p, "bob", "misc", "told");
    client_expect(&c, "* STATUS misc (*)");
    client_ask(&c, "e NOTIFY NONE", "* 5 EXISTS");
    client_until(&c, "e OK *");
    pair_deliver(&p, "bob", "misc", "not told");
    quiet(&c);
    end(&p, &c);
}

/* RFC 5465 5.1 to 5.3 in other mailboxes. */
static void test_others(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    struct ph_store *st = pair_store(&p, "bob");
    client_ask(&c, "a NOTIFY SET STATUS (MAILBOXES misc (MessageNew MessageExpunge))", "* STATUS misc (MESSAGES 0 UIDNEXT 1 UIDVALIDITY *)");
    client_expect(&c, "a OK *");
    pair_deliver(&p, "bob", "misc", "one");
    client_expect(&c, "* STATUS misc (MESSAGES 1 UIDNEXT 2)");
    ph_memory_set_flags(st, "misc", 1, PH_F_SEEN, "");
    quiet(&c); /* FlagChange was not asked for */
    ph_memory_remove(st, "misc", 1);
    client_expect(&c, "* STATUS misc (MESSAGES 0 UIDNEXT 2)");
    client_ask(&c, "b ENABLE CONDSTORE", "* ENABLED *CONDSTORE*");
    client_expect(&c, "b OK *");
    client_ask(&c, "c NOTIFY SET STATUS (MAILBOXES misc (MessageNew MessageExpunge FlagChange))",
               "* STATUS misc (MESSAGES 0 UIDNEXT 2 UIDVALIDITY * UNSEEN 0 HIGHESTMODSEQ *)");
    client_expect(&c, "c OK *");
    pair_deliver(&p, "bob", "misc", "two");
    client_expect(&c, "* STATUS misc (MESSAGES 1 UIDNEXT 3 UIDVALIDITY * UNSEEN 1 HIGHESTMODSEQ *)");
    ph_memory_set_flags(st, "misc", 2, PH_F_FLAGGED, "");
    client_expect(&c, "* STATUS misc (UIDVALIDITY * HIGHESTMODSEQ *)");
    ph_memory_set_flags(st, "misc", 2, PH_F_SEEN, "");
    client_expect(&c, "* STATUS misc (UIDVALIDITY * UNSEEN 0 HIGHESTMODSEQ *)");
    end(&p, &c);
}

/* RFC 5465 5.4 and 5.5, caused by another connection; what the client does itself it is not told. */
static void test_names(void **state)
{
    struct pair p;
    struct client c, other;

    begin(&p, &c);
    client_open_as(&other, &p, "bob");
    client_ask(&c, "a NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))", "a OK *");
    client_ask(&other, "a CREATE NewMailbox", "a OK *");
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" NewMailbox");
    client_ask(&other, "b CREATE Lists/New", "b OK *");
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" Lists/New");
    client_expect(&c, "* LIST (\\Noselect \\HasChildren) \"/\" Lists");
    client_ask(&other, "c SUBSCRIBE NewMailbox", "c OK *");
    client_expect(&c, "* LIST (\\HasNoChildren \\Subscribed) \"/\" NewMailbox");
    client_ask(&other, "d UNSUBSCRIBE NewMailbox", "d OK *");
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" NewMailbox");
    client_ask(&other, "e DELETE NewMailbox", "e OK *");
    client_expect(&c, "* LIST (\\NonExistent) \"/\" NewMailbox");
    client_ask(&c, "f CREATE mine", "f OK *");
    client_ask(&c, "g SUBSCRIBE mine", "g OK *");
    client_ask(&c, "h DELETE mine", "h OK *");
    quiet(&c);
    client_ask(&other, "i RENAME misc other", "i OK *");
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" other (\"OLDNAME\" (misc))");
    quiet(&c);
    client_ask(&c, "j NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge))", "j OK *");
    client_ask(&c, "k SUBSCRIBE INBOX", "k OK *");
    pair_deliver(&p, "bob", "other", "not subscribed");
    pair_deliver(&p, "bob", "INBOX", "subscribed");
    client_expect(&c, "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UIDVALIDITY *)");
    client_close(&other);
    end(&p, &c);
}

/* RFC 5465 5.6, 5.7. */
static void test_annotations(void **state)
{
    struct pair p;
    struct client c, other;

    begin(&p, &c);
    client_open_as(&other, &p, "bob");
    client_ask(&c, "a NOTIFY SET (PERSONAL (MailboxMetadataChange ServerMetadataChange))", "a OK *");
    client_ask(&other, "a SETMETADATA INBOX (/shared/comment \"x\" /private/comment NIL)", "a OK *");
    client_expect(&c, "* METADATA INBOX /shared/comment /private/comment");
    client_ask(&other, "b SETMETADATA \"\" (/shared/comment \"x\")", "b OK *");
    client_expect(&c, "* METADATA \"\" /shared/comment");
    client_ask(&c, "c SETMETADATA \"\" (/shared/comment \"mine\")", "c OK *");
    quiet(&c);
    client_close(&other);
    end(&p, &c);
}

/* RFC 5465 4. */
static void test_idle(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    client_select(&c, "INBOX");
    client_ask(&c, "a NOTIFY SET (SELECTED-DELAYED (MessageNew (UID) MessageExpunge)) (MAILBOXES misc (MessageNew MessageExpunge))", "a OK *");
    client_ask(&c, "b IDLE", "+ *");
    pair_deliver(&p, "bob", "misc", "one");
    client_expect(&c, "* STATUS misc (*)");
    pair_deliver(&p, "bob", "INBOX", "two");
    client_expect(&c, "* 2 EXISTS");
    client_expect(&c, "* 2 RECENT");
    client_expect(&c, "* 2 FETCH (UID 2)");
    ph_memory_remove(pair_store(&p, "bob"), "INBOX", 1);
    client_expect(&c, "* 1 EXPUNGE");
    client_ask(&c, "DONE", "b OK *");
    for (int i = 0; i < 3; i++) { /* nothing of it stays behind */
        client_ask(&c, "c IDLE", "+ *");
        client_ask(&c, "DONE", "c OK *");
    }
    client_ask(&c, "d UNSELECT", "d OK *");
    pair_deliver(&p, "bob", "INBOX", "three");
    pair_deliver(&p, "bob", "misc", "four");
    client_expect(&c, "* STATUS misc (*)");
    end(&p, &c);
}

/* RFC 5465 3.1, 5, 5.9, 8. */
static void test_refused(void **state)
{
    struct pair p;
    struct client c;

    begin(&p, &c);
    struct ph_store *st = pair_store(&p, "bob");
    ph_memory_set_acl(st, "misc", "bob", "la");
    ph_memory_set_acl(st, "Lists/Im2000", "bob", "i");
    play(&c, "C: a NOTIFY SET (PERSONAL (MessageNew MessageExpunge AnnotationChange))\n"
             "S: a NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
             "ServerMetadataChange)] *\n"
             "C: b NOTIFY SET (PERSONAL (Frob))\n"
             "S: b NO [BADEVENT (*)] *\n"
             "C: c NOTIFY SET (PERSONAL (FlagChange))\n"
             "S: c BAD *\n"
             "C: d NOTIFY SET (PERSONAL (MessageNew))\n"
             "S: d BAD *\n"
             "C: e NOTIFY SET (SELECTED (MailboxName))\n"
             "S: e BAD *\n"
             "C: f NOTIFY SET (SELECTED NONE) (SELECTED-DELAYED NONE)\n"
             "S: f BAD *\n"
             "C: g NOTIFY SET STATUS (MAILBOXES (misc none Lists/Im2000 \"../x\" Lists/Lemonade) (MessageNew MessageExpunge))\n"
             "S: * STATUS Lists/Lemonade (MESSAGES 1 UIDNEXT 2 UIDVALIDITY *)\n"
             "S: * LIST (\\NoAccess) \"/\" misc\n"
             "S: g OK *\n"
             "C: h NOTIFY SET (SELECTED NONE)\n"
             "S: h OK *\n");
    pair_deliver(&p, "bob", "Lists/Lemonade", "nobody asked");
    quiet(&c);
    end(&p, &c);
}

/* RFC 5465 5.8: events in more mailboxes than are kept. */
static void test_overflow(void **state)
{
    struct pair p;
    struct client c;
    char name[32];
    unsigned n = 0;

    begin(&p, &c);
    client_ask(&c, "a NOTIFY SET (PERSONAL (MailboxName))", "a OK *");
    /* many more than are kept, so that however fast the session is, some moment is too much for it, or all is told */
    for (int i = 0; i < 30000; i++) {
        snprintf(name, sizeof name, "m%d", i);
        assert_int_equal(ph_memory_folder(pair_store(&p, "bob"), name, 0), 0);
    }
    for (client_ask(&c, "b NOOP", "*"); strncmp(c.line, "b OK", 4) != 0; client_expect(&c, "*"))
        n += strncmp(c.line, "* OK [NOTIFICATIONOVERFLOW]", 27) == 0;
    assert_true(n <= 1);
    for (client_ask(&c, "c NOOP", "*"); strncmp(c.line, "c OK", 4) != 0; client_expect(&c, "*"))
        n += strncmp(c.line, "* OK [NOTIFICATIONOVERFLOW]", 27) == 0;
    assert_int_equal(n, 1);
    ph_memory_folder(pair_store(&p, "bob"), "after", 0); /* as after NOTIFY NONE */
    quiet(&c);
    client_ask(&c, "d NOTIFY SET (PERSONAL (MailboxName))", "d OK *");
    ph_memory_folder(pair_store(&p, "bob"), "again", 0);
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" again");
    end(&p, &c);
}

/* A store that says that folders have changed, but not which. */
static void test_vague(void **state)
{
    struct pair p;
    struct client c, other;

    pair_init(&p);
    p.options.vague_watch = true;
    pair_start(&p);
    client_open_as(&c, &p, "bob");
    client_open_as(&other, &p, "bob");
    client_ask(&c, "a NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))", "a OK *");
    client_ask(&other, "b CREATE new", "b OK *");
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" new");
    client_ask(&other, "c DELETE new", "c OK *");
    client_expect(&c, "* LIST (\\NonExistent) \"/\" new");
    client_ask(&c, "d CREATE mine", "d OK *");
    quiet(&c);
    client_ask(&other, "e RENAME mine yours", "e OK *");
    client_expect(&c, "* LIST (\\NonExistent) \"/\" mine");
    client_expect(&c, "* LIST (\\HasNoChildren) \"/\" yours");
    client_close(&other);
    end(&p, &c);
}

/* A store that tells of nothing. */
static void test_without_watch(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.serves_not = PH_MS_WATCH;
    pair_start(&p);
    client_open_as(&c, &p, "bob");
    client_ask(&c, "a NOTIFY SET (PERSONAL (MailboxName))", "a NO [NOTIFICATIONOVERFLOW] *");
    client_ask(&c, "b NOTIFY NONE", "b OK *");
    end(&p, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_selected),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_vague),
        cmocka_unit_test(test_without_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
