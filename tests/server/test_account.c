/* STATUS (RFC 9051 6.3.11), QUOTA (RFC 9208), ACL (RFC 4314), METADATA (RFC 5464) and NAMESPACE (RFC 2342), by their examples. */
#include <string.h>

#include "script.h"

/* RFC 9051 6.3.11, 3501, 8438, 7889, 8474, 9208 4.1.4. */
static void test_status(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.append_limit = 1000;
    pair_start(&p);
    struct ph_store *st = pair_store(&p, "fred");
    struct ph_memory_message m = { .p = "123456", .n = 6, .epoch = 1 };
    ph_memory_folder(st, "blurdybloop", 0);
    ph_memory_deliver(st, "blurdybloop", &m);
    m.n = 5;
    m.flags = PH_F_SEEN;
    ph_memory_deliver(st, "blurdybloop", &m);
    m.n = 4;
    m.flags = PH_F_DELETED;
    ph_memory_deliver(st, "blurdybloop", &m);
    client_open_as(&c, &p, "fred");
    play(&c, "C: A042 STATUS blurdybloop (UIDNEXT MESSAGES)\n"
             "S: * STATUS blurdybloop (MESSAGES 3 UIDNEXT 4)\n"
             "S: A042 OK *\n"
             "C: A043 STATUS blurdybloop (UNSEEN DELETED SIZE DELETED-STORAGE UIDVALIDITY HIGHESTMODSEQ APPENDLIMIT MAILBOXID RECENT)\n"
             "S: * STATUS blurdybloop (RECENT 3 UIDVALIDITY * UNSEEN 2 DELETED 1 SIZE 15 HIGHESTMODSEQ * APPENDLIMIT 1000 DELETED-STORAGE 4 MAILBOXID (F2))\n"
             "S: A043 OK *\n"
             "C: A044 STATUS none (MESSAGES)\n"
             "S: A044 NO [NONEXISTENT] *\n"
             "C: A045 STATUS blurdybloop ()\n"
             "S: A045 BAD *\n"
             "C: A046 STATUS blurdybloop (FROBS)\n"
             "S: A046 BAD *\n"
             "C: A047 SELECT blurdybloop\n");
    client_until(&c, "A047 OK *");
    play(&c, "C: A048 STATUS blurdybloop (MESSAGES UNSEEN RECENT)\n"
             "S: * STATUS blurdybloop (MESSAGES 3 RECENT 3 UNSEEN 2)\n"
             "S: A048 OK *\n"
             "C: A049 UNSELECT\n"
             "S: A049 OK *\n"
             "C: A050 STATUS blurdybloop (RECENT)\n"
             "S: * STATUS blurdybloop (RECENT 0)\n"
             "S: A050 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 9208 4.1. */
static void test_quota(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.quota = 10240;
    p.options.quota_messages = 1000;
    p.options.quota_root = "#user/alice";
    pair_start(&p);
    pair_deliver(&p, "fred", "INBOX", "one");
    client_open_as(&c, &p, "fred");
    play(&c, "C: G0 GETQUOTA \"#user/alice\"\n"
             "S: * QUOTA #user/alice (STORAGE 1 10 MESSAGE 1 1000)\n"
             "S: G0 OK *\n"
             "C: G1 GETQUOTAROOT INBOX\n"
             "S: * QUOTAROOT INBOX #user/alice\n"
             "S: * QUOTA #user/alice (STORAGE 1 10 MESSAGE 1 1000)\n"
             "S: G1 OK *\n"
             "C: G2 GETQUOTA \"!partition/sda4\"\n"
             "S: G2 NO *\n"
             "C: G3 GETQUOTAROOT none\n" /* RFC 9208 4.1.2: it need not exist */
             "S: * QUOTAROOT none #user/alice\n"
             "S: * QUOTA #user/alice (STORAGE 1 10 MESSAGE 1 1000)\n"
             "S: G3 OK *\n"
             "C: G4 GETQUOTAROOT \"\"\n"
             "S: * QUOTAROOT \"\" #user/alice\n"
             "S: * QUOTA #user/alice (STORAGE 1 10 MESSAGE 1 1000)\n"
             "S: G4 OK *\n"
             "C: G5 GETQUOTAROOT \"&broken\"\n"
             "S: G5 NO *\n"
             "C: S1 SETQUOTA \"#user/alice\" (STORAGE 510)\n"
             "S: S1 OK *\n"
             "C: S1b GETQUOTA \"#user/alice\"\n"
             "S: * QUOTA #user/alice (STORAGE 1 510)\n"
             "S: S1b OK *\n"
             "C: S2 SETQUOTA \"#user/alice\" (X-FROBS 1)\n"
             "S: S2 NO *\n"
             "C: S3 SETQUOTA \"#user/alice\" (message 1 Mailbox 1)\n"
             "S: S3 OK *\n"
             "C: S3b GETQUOTA \"#user/alice\"\n"
             "S: * QUOTA #user/alice (MESSAGE 1 1 MAILBOX 1 1)\n"
             "S: S3b OK *\n"
             "C: S4 CREATE more\n"
             "S: S4 NO [OVERQUOTA] *\n"
             "C: S5 SETQUOTA \"#user/alice\" ()\n"
             "S: S5 OK *\n"
             "C: S5b GETQUOTA \"#user/alice\"\n"
             "S: * QUOTA #user/alice ()\n"
             "S: S5b OK *\n"
             "C: S6 SETQUOTA \"#user/alice\" (STORAGE 99999999999999999999)\n"
             "S: S6 BAD *\n"
             "C: S7 CREATE more\n"
             "S: S7 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 4314 2.1.1 and 3. */
static void test_acl(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    ph_memory_folder(pair_store(&p, "fred"), "INBOX/Drafts", 0);
    ph_memory_folder(pair_store(&p, "fred"), "deaf", 0);
    ph_memory_set_acl(pair_store(&p, "fred"), "deaf", "fred", "l");
    client_open_as(&c, &p, "fred");
    play(&c, "C: A001 GETACL INBOX/Drafts\n"
             "S: * ACL INBOX/Drafts fred lrswipkxteacd\n"
             "S: A001 OK *\n"
             "C: A002 SETACL INBOX/Drafts David lrswida\n"
             "S: A002 OK *\n"
             "C: A003 SETACL INBOX/Drafts Byron lrswikda\n"
             "S: A003 OK *\n"
             "C: A004 SETACL INBOX/Drafts Chris lrswi\n"
             "S: A004 OK *\n"
             "C: A005 SETACL INBOX/Drafts Chris +cda\n"
             "S: A005 OK *\n"
             "C: A006 GETACL INBOX/Drafts\n"
             "S: * ACL INBOX/Drafts fred lrswipkxteacd David lrswitead Byron lrswikteacd Chris lrswikxteacd\n"
             "S: A006 OK *\n"
             "C: A035 SETACL INBOX/Drafts John lrQswicda\n"
             "S: A035 BAD *\n"
             "C: A036 SETACL INBOX/Drafts John lrqswicda\n"
             "S: A036 BAD *\n"
             "C: A037 SETACL INBOX/Drafts Chris -d\n"
             "S: A037 OK *\n"
             "C: A038 SETACL INBOX/Drafts -David w\n"
             "S: A038 OK *\n"
             "C: B002 DELETEACL INBOX/Drafts David\n"
             "S: B002 OK *\n"
             "C: B003 GETACL INBOX/Drafts\n"
             "S: * ACL INBOX/Drafts fred lrswipkxteacd Byron lrswikteacd Chris lrswikxac -David w\n"
             "S: B003 OK *\n"
             "C: a005 LISTRIGHTS INBOX/Drafts anyone\n"
             "S: * LISTRIGHTS INBOX/Drafts anyone \"\" l r s w i p k x t e a c d\n"
             "S: a005 OK *\n"
             "C: A4 MYRIGHTS INBOX/Drafts\n"
             "S: * MYRIGHTS INBOX/Drafts lrswipkxteacd\n"
             "S: A4 OK *\n"
             "C: A5 SETACL INBOX/Drafts fred lr\n"
             "S: A5 OK *\n"
             "C: A6 GETACL INBOX/Drafts\n"
             "S: A6 NO [NOPERM] *\n"
             "C: A7 MYRIGHTS INBOX/Drafts\n"
             "S: * MYRIGHTS INBOX/Drafts lr\n"
             "S: A7 OK *\n"
             "C: A8 SETACL INBOX/Drafts \"\" lr\n"
             "S: A8 BAD *\n"
             "C: A9 MYRIGHTS none\n"
             "S: A9 NO [NONEXISTENT] *\n"
             "C: A10 DELETEACL INBOX/Drafts Chris\n"
             "S: A10 NO [NOPERM] *\n"
             "C: A11 GETQUOTAROOT deaf\n"
             "S: A11 NO [NOPERM] *\n");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 5464 4.2 and 4.3, RFC 6154 5.4; the literal of its example has 35 octets. */
static void test_metadata(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: a1 SETMETADATA \"\" (/shared/comment \"Shared comment\")\n"
             "S: a1 OK *\n"
             "C: a2 GETMETADATA \"\" /shared/comment\n"
             "S: * METADATA \"\" (/shared/comment \"Shared comment\")\n"
             "S: a2 OK *\n"
             "C: a3 SETMETADATA INBOX (/private/comment \"My new comment\" /shared/comment \"This one is for you!\")\n"
             "S: a3 OK *\n"
             "C: a4 GETMETADATA \"INBOX\" (/shared/comment /private/comment)\n"
             "S: * METADATA INBOX (/private/comment \"My new comment\" /shared/comment \"This one is for you!\")\n"
             "S: a4 OK *\n"
             "C: a5 GETMETADATA \"INBOX\" (MAXSIZE 14) (/shared/comment /private/comment)\n"
             "S: * METADATA INBOX (/private/comment \"My new comment\")\n"
             "S: a5 OK [METADATA LONGENTRIES 20] *\n"
             "C: a6 SETMETADATA INBOX (/private/comment NIL)\n"
             "S: a6 OK *\n"
             "C: a7 GETMETADATA INBOX (/PRIVATE/Comment /shared/COMMENT)\n"
             "S: * METADATA INBOX (/shared/comment \"This one is for you!\" /PRIVATE/Comment NIL)\n"
             "S: a7 OK *\n"
             "C: a8 SETMETADATA INBOX (/private/filters/values/small \"SMALLER 5000\" /private/filters/values/boss \"FROM \\\"boss@example.com\\\"\" /private/filters/values/a/b \"x\")\n"
             "S: a8 OK *\n"
             "C: a9 GETMETADATA INBOX (DEPTH 1) (/private/filters/values)\n"
             "S: * METADATA INBOX (/private/filters/values/boss \"FROM \\\"boss@example.com\\\"\" /private/filters/values/small \"SMALLER 5000\")\n"
             "S: a9 OK *\n"
             "C: a10 GETMETADATA INBOX (DEPTH infinity) (/private/filters/values)\n"
             "S: * METADATA INBOX (/private/filters/values/a/b \"x\" /private/filters/values/boss \"FROM \\\"boss@example.com\\\"\" /private/filters/values/small \"SMALLER 5000\")\n"
             "S: a10 OK *\n"
             "C: a11 GETMETADATA (DEPTH 1 MAXSIZE 1) INBOX /private/filters/values\n"
             "S: a11 OK [METADATA LONGENTRIES 23] *\n"
             "C: a12 SETMETADATA INBOX (/private/comment {35+}\n"
             "C: My new comment across\n"
             "C: two lines.\n"
             "C: )\n"
             "S: a12 OK *\n"
             "C: a13 GETMETADATA INBOX /private/comment\n"
             "S: * METADATA INBOX (/private/comment {35}\n"
             "S: My new comment across\n"
             "S: two lines.\n"
             "S: )\n"
             "S: a13 OK *\n"
             "C: a14 SETMETADATA INBOX (/private/vendor/x \"too short\")\n"
             "S: a14 BAD *\n"
             "C: a15 SETMETADATA INBOX (/other/x \"neither private nor shared\")\n"
             "S: a15 BAD *\n"
             "C: a16 SETMETADATA \"\" (/shared/admin \"mailto:me@example.org\")\n"
             "S: a16 NO [NOPERM] *\n"
             "C: a17 SETMETADATA none (/shared/comment \"x\")\n"
             "S: a17 NO [NONEXISTENT] *\n"
             "C: a18 SETMETADATA INBOX (/shared/vendor/example/name \"x\")\n"
             "S: a18 OK *\n"
             "C: a19 GETMETADATA \"\" (DEPTH 1) /private\n"
             "S: a19 OK *\n"
             "C: a20 CREATE MyDrafts (USE (\\Drafts \\Sent))\n"
             "S: a20 OK *\n"
             "C: a21 GETMETADATA \"MyDrafts\" /private/specialuse\n"
             "S: * METADATA MyDrafts (/private/specialuse \"\\\\Drafts \\\\Sent\")\n"
             "S: a21 OK *\n"
             "C: a22 SETMETADATA MyDrafts (/private/specialuse NIL)\n"
             "S: a22 NO [CANNOT] *\n"
             "C: a23 GETMETADATA INBOX /private/specialuse\n"
             "S: * METADATA INBOX (/private/specialuse NIL)\n"
             "S: a23 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

static void test_metadata_limits(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    p.options.metadata_size = 10;
    p.options.metadata_entries = 2;
    p.options.no_private_metadata = true;
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: b1 SETMETADATA INBOX (/shared/comment \"12345678901\" /shared/a \"1\")\n"
             "S: b1 NO [METADATA MAXSIZE 10] *\n"
             "C: b2 GETMETADATA INBOX /shared/a\n"
             "S: * METADATA INBOX (/shared/a NIL)\n"
             "S: b2 OK *\n"
             "C: b3 SETMETADATA INBOX (/shared/comment \"1234567890\" /shared/a \"1\")\n"
             "S: b3 OK *\n"
             "C: b4 SETMETADATA INBOX (/shared/b \"1\")\n"
             "S: b4 NO [METADATA TOOMANY] *\n"
             "C: b5 SETMETADATA INBOX (/private/comment \"1\")\n"
             "S: b5 NO [METADATA NOPRIVATE] *\n"
             "C: b6 SETMETADATA INBOX (/shared/a NIL /shared/b \"\")\n"
             "S: b6 OK *\n"
             "C: b7 GETMETADATA INBOX (/shared/a /shared/b)\n"
             "S: * METADATA INBOX (/shared/b \"\" /shared/a NIL)\n"
             "S: b7 OK *\n");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 5464 3.3: `l`, and one of `rswip`. */
static void test_metadata_rights(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    struct ph_store *st = pair_store(&p, "fred");
    ph_memory_folder(st, "seen", 0);
    ph_memory_set_acl(st, "seen", "fred", "la");
    ph_memory_folder(st, "read", 0);
    ph_memory_set_acl(st, "read", "fred", "lra");
    ph_memory_folder(st, "hidden", 0);
    ph_memory_set_acl(st, "hidden", "fred", "i");
    client_open_as(&c, &p, "fred");
    play(&c, "C: c1 GETMETADATA seen /shared/comment\n"
             "S: c1 NO [NOPERM] *\n"
             "C: c2 SETMETADATA read (/shared/comment \"x\")\n"
             "S: c2 NO *\n"
             "C: c3 GETMETADATA read /shared/comment\n"
             "S: * METADATA read (/shared/comment NIL)\n"
             "S: c3 OK *\n"
             "C: c4 GETMETADATA hidden /shared/comment\n"
             "S: c4 NO [NONEXISTENT] *\n");
    client_close(&c);
    pair_stop(&p);
}

/* RFC 2342 5.6. */
static void test_namespace(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    static const struct ph_store_namespace ns[] = {
        { PH_NS_PERSONAL, "", '/' },        { PH_NS_OTHER, "~", '/' },        { PH_NS_SHARED, "#shared/", '/' },
        { PH_NS_SHARED, "#public/", '/' }, { PH_NS_SHARED, "#ftp/", '/' }, { PH_NS_SHARED, "#news.", '.' },
    };
    p.options.namespaces = ns;
    p.options.n_namespaces = 6;
    pair_start(&p);
    client_open_as(&c, &p, "fred");
    play(&c, "C: A001 NAMESPACE\n"
             "S: * NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\")) ((\"#shared/\" \"/\")(\"#public/\" \"/\")(\"#ftp/\" \"/\")(\"#news.\" \".\"))\n"
             "S: A001 OK *\n"
             "C: A002 LIST \"#news.\" \"\"\n"
             "S: * LIST (\\Noselect) \".\" #news.\n"
             "S: A002 OK *\n"
             "C: A003 CREATE \"#news.a..b\"\n"
             "S: A003 NO [CANNOT] *\n");
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_acl),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_metadata_limits),
        cmocka_unit_test(test_metadata_rights),
        cmocka_unit_test(test_namespace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
