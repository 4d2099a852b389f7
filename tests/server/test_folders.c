/* CREATE, DELETE, RENAME, SUBSCRIBE (RFC 9051 6.3.4 to 6.3.8, RFC 3501, RFC 5530, RFC 6154 5.3, RFC 8474 4.1), and which names there can be. */
#include <string.h>

#include "script.h"

/* The example of RFC 9051 6.3.4. */
static void test_create(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 CREATE owatagusiam/\n"
             "S: a1 OK [MAILBOXID (F2)] *\n"
             "C: a2 CREATE owatagusiam/blurdybloop\n"
             "S: a2 OK [MAILBOXID (F3)] *\n"
             "C: a3 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasChildren) \"/\" owatagusiam\n"
             "S: * LIST (\\HasNoChildren) \"/\" owatagusiam/blurdybloop\n"
             "S: a3 OK *\n"
             "C: a4 CREATE owatagusiam\n"
             "S: a4 NO [ALREADYEXISTS] *\n"
             "C: a5 CREATE inbox\n"
             "S: a5 NO [ALREADYEXISTS] *\n"
             "C: a6 CREATE InBox/sub\n"
             "S: a6 OK *\n"
             "C: a7 LIST \"\" INBOX/*\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX/sub\n"
             "S: a7 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* Both examples of RFC 9051 6.3.5. */
static void test_delete(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    ph_memory_folder(pair_store(&p, "fred"), "blurdybloop", 0);
    ph_memory_folder(pair_store(&p, "fred"), "foo", PH_MA_NOSELECT);
    ph_memory_folder(pair_store(&p, "fred"), "foo/bar", 0);
    client_open_as(&c, &p, "fred");
    play(&c, "C: A682 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" blurdybloop\n"
             "S: * LIST (\\Noselect \\HasChildren) \"/\" foo\n"
             "S: * LIST (\\HasNoChildren) \"/\" foo/bar\n"
             "S: A682 OK *\n"
             "C: A683 DELETE blurdybloop\n"
             "S: A683 OK *\n"
             "C: A684 DELETE foo\n"
             "S: A684 NO [HASCHILDREN] *\n"
             "C: A685 DELETE foo/bar\n"
             "S: A685 OK *\n"
             "C: A686 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\Noselect \\HasNoChildren) \"/\" foo\n"
             "S: A686 OK *\n"
             "C: A687 DELETE foo\n"
             "S: A687 OK *\n"
             "C: A688 DELETE foo\n"
             "S: A688 NO [NONEXISTENT] *\n"
             "C: A689 DELETE inbox\n"
             "S: A689 NO [CANNOT] *\n"
             "C: B1 CREATE foo\n"
             "S: B1 OK *\n"
             "C: B2 CREATE foo/bar\n"
             "S: B2 OK *\n"
             "C: B3 DELETE foo\n"
             "S: B3 OK *\n"
             "C: B4 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" foo/bar\n"
             "S: B4 OK *\n"
             "C: B5 LIST \"\" %\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\Noselect \\HasChildren) \"/\" foo\n"
             "S: B5 OK *\n"
             "C: B6 DELETE foo\n"
             "S: B6 NO [HASCHILDREN] *\n");
    client_close(&c);
    pair_stop(&p);
}

/* The examples of RFC 9051 6.3.6; annotations of INBOX stay, and go with it (RFC 5464 4.1). */
static void test_rename(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    ph_memory_folder(pair_store(&p, "fred"), "blurdybloop", 0);
    ph_memory_folder(pair_store(&p, "fred"), "foo", PH_MA_NOSELECT);
    ph_memory_folder(pair_store(&p, "fred"), "foo/bar", 0);
    ph_memory_folder(pair_store(&p, "fred"), "INBOX/bar", 0);
    pair_deliver(&p, "fred", "INBOX", "one");
    pair_deliver(&p, "fred", "INBOX", "two");
    client_open_as(&c, &p, "fred");
    play(&c, "C: A683 RENAME blurdybloop sarasoop\n"
             "S: A683 OK *\n"
             "C: A684 RENAME foo zowie\n"
             "S: A684 OK *\n"
             "C: A685 LIST \"\" *\n"
             "S: * LIST (\\HasChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX/bar\n"
             "S: * LIST (\\HasNoChildren) \"/\" sarasoop\n"
             "S: * LIST (\\Noselect \\HasChildren) \"/\" zowie\n"
             "S: * LIST (\\HasNoChildren) \"/\" zowie/bar\n"
             "S: A685 OK *\n"
             "C: B1 RENAME none other\n"
             "S: B1 NO [NONEXISTENT] *\n"
             "C: B2 RENAME sarasoop zowie/bar\n"
             "S: B2 NO [ALREADYEXISTS] *\n"
             "C: B3 RENAME zowie zowie/x\n"
             "S: B3 NO [CANNOT] *\n"
             "C: B4 RENAME sarasoop inbox\n"
             "S: B4 NO [ALREADYEXISTS] *\n"
             "C: B5 SETMETADATA INBOX (/shared/comment \"mine\")\n"
             "S: B5 OK *\n"
             "C: Z433 RENAME INBOX old-mail\n"
             "S: Z433 OK *\n"
             "C: Z434 LIST \"\" *\n"
             "S: * LIST (\\HasChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX/bar\n"
             "S: * LIST (\\HasNoChildren) \"/\" old-mail\n"
             "S: * LIST (\\HasNoChildren) \"/\" sarasoop\n"
             "S: * LIST (\\Noselect \\HasChildren) \"/\" zowie\n"
             "S: * LIST (\\HasNoChildren) \"/\" zowie/bar\n"
             "S: Z434 OK *\n"
             "C: Z435 STATUS INBOX (MESSAGES)\n"
             "S: * STATUS INBOX (MESSAGES 0)\n"
             "S: Z435 OK *\n"
             "C: Z436 STATUS old-mail (MESSAGES UNSEEN)\n"
             "S: * STATUS old-mail (MESSAGES 2 UNSEEN 2)\n"
             "S: Z436 OK *\n"
             "C: Z437 GETMETADATA old-mail /shared/comment\n"
             "S: * METADATA old-mail (/shared/comment \"mine\")\n"
             "S: Z437 OK *\n"
             "C: Z438 GETMETADATA INBOX /shared/comment\n"
             "S: * METADATA INBOX (/shared/comment \"mine\")\n"
             "S: Z438 OK *\n"
             "C: Z439 RENAME INBOX old-mail\n"
             "S: Z439 NO [ALREADYEXISTS] *\n");
    client_close(&c);
    pair_stop(&p);
}

/* A store that cannot move. */
static void test_rename_inbox_by_copy(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.serves_not = PH_MS_COPY;
    pair_start(&p);
    pair_deliver(&p, "fred", "INBOX", "one");
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 RENAME INBOX old\n"
             "S: a1 OK *\n"
             "C: a2 STATUS old (MESSAGES)\n"
             "S: * STATUS old (MESSAGES 1)\n"
             "S: a2 OK *\n"
             "C: a3 STATUS INBOX (MESSAGES)\n"
             "S: * STATUS INBOX (MESSAGES 0)\n"
             "S: a3 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* What goes wrong leaves everything as it was. */
static void test_rename_inbox_full(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    pair_deliver(&p, "fred", "INBOX", "one");
    ph_memory_fault(pair_store(&p, "fred"), &(struct ph_memory_fault){ .kind = PH_MF_REFUSE_FOLDER, .op = "copy", .folder = "INBOX" });
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 RENAME INBOX old\n"
             "S: a1 NO *\n"
             "C: a2 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: a2 OK *\n"
             "C: a3 STATUS INBOX (MESSAGES)\n"
             "S: * STATUS INBOX (MESSAGES 1)\n"
             "S: a3 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* A mailbox that is selected goes on under its new name. */
static void test_rename_selected(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 CREATE a\n"
             "S: a1 OK *\n"
             "C: a2 SELECT a\n"
             "S: * FLAGS *\n");
    client_until(&c, "a2 OK *");
    play(&c, "C: a3 RENAME a b\n"
             "S: a3 OK *\n"
             "C: a4 STATUS b (MESSAGES)\n"
             "S: * STATUS b (MESSAGES 0)\n"
             "S: a4 OK *\n"
             "C: a5 CHECK\n"
             "S: a5 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* Whoever deletes what it has selected has nothing selected then. */
static void test_delete_selected(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 CREATE a\n"
             "S: a1 OK *\n"
             "C: a2 SELECT a\n"
             "S: * FLAGS *\n");
    client_until(&c, "a2 OK *");
    play(&c, "C: a3 DELETE a\n"
             "S: a3 OK *\n"
             "C: a4 CHECK\n"
             "S: a4 BAD *\n"
             "C: a5 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: a5 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 9051 6.3.7: a name stays subscribed when its mailbox has gone. */
static void test_subscribe(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 SUBSCRIBE none\n"
             "S: a1 NO [NONEXISTENT] *\n"
             "C: a2 CREATE X\n"
             "S: a2 OK *\n"
             "C: a3 SUBSCRIBE X\n"
             "S: a3 OK *\n"
             "C: a4 LSUB \"\" *\n"
             "S: * LSUB () \"/\" X\n"
             "S: a4 OK *\n"
             "C: a5 DELETE X\n"
             "S: a5 OK *\n"
             "C: a6 LSUB \"\" *\n"
             "S: * LSUB () \"/\" X\n"
             "S: a6 OK *\n"
             "C: a7 UNSUBSCRIBE X\n"
             "S: a7 OK *\n"
             "C: a8 LSUB \"\" *\n"
             "S: a8 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* Names that cannot be. */
static void test_names(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: n1 CREATE \"\"\n"
             "S: n1 NO [CANNOT] *\n"
             "C: n2 CREATE \"/\"\n"
             "S: n2 NO [CANNOT] *\n"
             "C: n3 CREATE \"/etc/passwd\"\n"
             "S: n3 NO [CANNOT] *\n"
             "C: n4 CREATE \"a//b\"\n"
             "S: n4 NO [CANNOT] *\n"
             "C: n5 CREATE \"a//\"\n"
             "S: n5 NO [CANNOT] *\n"
             "C: n6 CREATE \"../x\"\n"
             "S: n6 NO [CANNOT] *\n"
             "C: n7 CREATE \"a/../b\"\n"
             "S: n7 NO [CANNOT] *\n"
             "C: n8 CREATE \"a/..\"\n"
             "S: n8 NO [CANNOT] *\n"
             "C: n9 CREATE \".\"\n"
             "S: n9 NO [CANNOT] *\n"
             "C: n10 CREATE \"~joe/mail\"\n"
             "S: n10 NO [CANNOT] *\n"
             "C: n11 CREATE \"a*b\"\n"
             "S: n11 NO [CANNOT] *\n"
             "C: n12 CREATE \"a%b\"\n"
             "S: n12 NO [CANNOT] *\n"
             "C: n13 CREATE \"&AMQ\"\n"
             "S: n13 NO [CANNOT] *\n"
             "C: n14 CREATE \"a&b\"\n"
             "S: n14 NO [CANNOT] *\n"
             "C: n15 CREATE \"&AGE-\"\n"
             "S: n15 NO [CANNOT] *\n"
             "C: n16 CREATE \"&AAo-\"\n"
             "S: n16 NO [CANNOT] *\n"
             "C: n17 CREATE \"&ICg-\"\n"
             "S: n17 NO [CANNOT] *\n"
             "C: n18 CREATE \"&2AA-\"\n"
             "S: n18 NO [CANNOT] *\n"
             "C: n20 SELECT \"a/../b\"\n"
             "S: n20 NO [CANNOT] *\n"
             "C: n21 STATUS \"\" (MESSAGES)\n"
             "S: n21 NO [CANNOT] *\n"
             "C: n22 DELETE \"a//b\"\n"
             "S: n22 NO [CANNOT] *\n"
             "C: n23 RENAME INBOX \"../x\"\n"
             "S: n23 NO [CANNOT] *\n"
             "C: n24 CREATE \"...three\"\n"
             "S: n24 OK *\n"
             "C: n25 CREATE \"a&-b\"\n"
             "S: n25 OK *\n"
             "C: n26 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" ...three\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" a&-b\n"
             "S: n26 OK *\n"
             "C: n27 LIST \"\" a&-b\n"
             "S: * LIST (\\HasNoChildren) \"/\" a&-b\n"
             "S: n27 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* The longest name and the deepest, and one more. */
static void test_long_names(void **state)
{
    struct pair p;
    struct client c;
    char line[20000];

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    for (size_t n = 2047; n <= 2049; n++) {
        memset(line, 'x', n);
        memcpy(line + n, "\r\n", 3);
        client_send(&c, "a CREATE ");
        client_send(&c, line);
        client_expect(&c, n <= 2048 ? "a OK *" : "a NO [CANNOT] *");
    }
    memset(line, 'x', 9000);
    memcpy(line + 9000, "\r\n", 3);
    client_send(&c, "b CREATE ");
    client_send(&c, line);
    client_expect(&c, "b NO [CANNOT] *");
    for (size_t n = 249; n <= 600; n += n == 251 ? 349 : 1) {
        for (size_t i = 0; i < n; i++)
            memcpy(line + 2 * i, "y/", 3);
        memcpy(line + 2 * n - 1, "\r\n", 3);
        client_send(&c, "c CREATE ");
        client_send(&c, line);
        client_expect(&c, n <= 250 ? "c OK *" : "c NO [CANNOT] *");
    }
    client_ask(&c, "d LIST \"\" y/%", "* LIST (\\Noselect \\HasChildren) \"/\" y/y");
    client_expect(&c, "d OK *");
    client_send(&c, "e CREATE {3+}\r\na\nb\r\n");
    client_expect(&c, "e NO [CANNOT] *");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 4314 4 and 6. */
static void test_rights(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    ph_memory_folder(pair_store(&p, "fred"), "shut", 0);
    ph_memory_set_acl(pair_store(&p, "fred"), "shut", "fred", "la");
    ph_memory_folder(pair_store(&p, "fred"), "hidden", 0);
    ph_memory_set_acl(pair_store(&p, "fred"), "hidden", "fred", "");
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 CREATE shut/x\n"
             "S: a1 NO [NOPERM] *\n"
             "C: a2 CREATE shut/none/x\n"
             "S: a2 NO [NOPERM] *\n"
             "C: a3 DELETE shut\n"
             "S: a3 NO [NOPERM] *\n"
             "C: a4 RENAME shut other\n"
             "S: a4 NO [NOPERM] *\n"
             "C: a5 RENAME INBOX shut/old\n"
             "S: a5 NO [NOPERM] *\n"
             "C: a6 STATUS shut (MESSAGES)\n"
             "S: a6 NO [NOPERM] *\n"
             "C: a7 SUBSCRIBE hidden\n"
             "S: a7 NO [NONEXISTENT] *\n"
             "C: a8 DELETE hidden\n"
             "S: a8 NO [NONEXISTENT] *\n"
             "C: a9 LIST \"\" *\n"
             "S: * LIST (\\HasNoChildren) \"/\" INBOX\n"
             "S: * LIST (\\HasNoChildren) \"/\" shut\n"
             "S: a9 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_rename_inbox_by_copy),
        cmocka_unit_test(test_rename_inbox_full),
        cmocka_unit_test(test_rename_selected),
        cmocka_unit_test(test_delete_selected),
        cmocka_unit_test(test_subscribe),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_rights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
