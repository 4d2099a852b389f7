/* URLs of messages: the examples of RFC 5092 and RFC 4469, and what is none. */
#include "cmd.h"
#include "wire/imapurl.h"

struct parsed {
    struct ph_arena arena;
    struct ph_imapurl u;
    struct ph_err err;
    int rc;
};

static void parse(struct parsed *p, const char *text)
{
    memset(p, 0, sizeof *p);
    ph_arena_init(&p->arena, 0);
    p->rc = ph_imapurl_parse(ph_str(text), &p->arena, &p->u, &p->err);
}

static void good(struct parsed *p, const char *text)
{
    parse(p, text);
    if (p->rc)
        fail_msg("%s: %s", text, p->err.text);
}

#define URL(p, text) \
    for (struct parsed p, *p##_once = (good(&p, text), &p); p##_once; ph_arena_done(&p.arena), p##_once = NULL)

static void test_good(void **state)
{
    URL(p, "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER") { /* RFC 4469 4 */
        assert_true(p.u.absolute);
        assert_false(p.u.network);
        assert_str(p.u.mailbox, "Drafts");
        assert_int_equal(p.u.uidvalidity, 385759045);
        assert_int_equal(p.u.uid, 20);
        assert_true(p.u.has_section);
        assert_int_equal(p.u.section.what, PH_SEC_HEADER);
    }
    URL(p, "/Drafts/;UID=3002") { /* RFC 8508 4.2 */
        assert_str(p.u.mailbox, "Drafts");
        assert_int_equal(p.u.uid, 3002);
        assert_false(p.u.has_section || p.u.partial);
    }
    /* RFC 5092 9 and 4 */
    URL(p, "imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024") {
        assert_true(p.u.network && p.u.absolute && p.u.partial);
        assert_str(p.u.host, "minbari.example.org");
        assert_str(p.u.user, NULL);
        assert_str(p.u.mailbox, "gray-council");
        assert_int_equal(p.u.offset, 0);
        assert_int_equal(p.u.length, 1024);
    }
    URL(p, "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97")
    assert_str(p.u.mailbox, "~peter/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e/\xe5\x8f\xb0\xe5\x8c\x97");
    URL(p, "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2") {
        assert_str(p.u.user, NULL);
        assert_str(p.u.mechanism, "GSSAPI");
        assert_int_equal(p.u.section.n_part, 2);
        assert_int_equal(p.u.section.part[1], 2);
    }
    URL(p, "imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows") {
        assert_str(p.u.mailbox, "gray council");
        assert_str(p.u.search, "SUBJECT shadows");
    }
    URL(p, "imap://john;AUTH=*@minbari.example.org:1143/babylon5/personel?charset%20UTF-8%20SUBJECT%20%7B14+%7D") {
        assert_str(p.u.user, "john");
        assert_int_equal(p.u.port, 1143);
        assert_str(p.u.search, "charset UTF-8 SUBJECT {14+}");
    }
    URL(p, "//[2001:db8::1]:143/x/;UID=1") assert_str(p.u.host, "[2001:db8::1]");
    URL(p, ";UID=20") {
        assert_false(p.u.absolute);
        assert_str(p.u.mailbox, NULL);
        assert_int_equal(p.u.uid, 20);
    }
    URL(p, ";section=1.MIME/;PARTIAL=5") {
        assert_int_equal(p.u.section.what, PH_SEC_MIME);
        assert_int_equal(p.u.offset, 5);
        assert_int_equal(p.u.length, 0);
    }
    URL(p, "/foo/;UID=20/;SECTION=HEADER.FIELDS%20(To%20%22x-y%22)/;PARTIAL=0.9") {
        assert_words(&p.u.section.fields, "To|x-y");
        assert_int_equal(p.u.length, 9);
    }
    URL(p, "a/b/;UID=4294967295") {
        assert_false(p.u.absolute);
        assert_str(p.u.mailbox, "a/b");
        assert_int_equal(p.u.uid, UINT32_MAX);
    }
    URL(p, "imap://host") assert_str(p.u.mailbox, NULL);
}

static void test_bad(void **state)
{
    static const char *const urls[] = {
        "", "imap://", "imap:///x", "imap://h:0/x", "imap://h:65536/x", "imap://a;b@h/x", "http://h/x",
        "/x/;UID=0", "/x/;UID=", "/x/;UID=4294967296", "/x/;UID=99999999999999999999999", "/x/;UID=1/", "/x;UID=1",
        "/x/;UID=1;UIDVALIDITY=2", "/x;UIDVALIDITY=0/;UID=1", "/x/;UID=1/;UID=2", "/x/;UID=1/;PARTIAL=0.0",
        "/x/;UID=1/;PARTIAL=", "/x/;UID=1/;PARTIAL=1.", "/x/;UID=1/;PARTIAL=9223372036854775808",
        "/x/;UID=1/;PARTIAL=0/;SECTION=1", "/x/;UID=1/;SECTION=", "/x/;UID=1/;SECTION=FOO", "/x/;UID=1/;SECTION=0",
        "/x/;UID=1/;SECTION=1%5D%20UID", "/x/;UID=1/;SECTION=HEADER.FIELDS", "/x/;UID=1/;SECTION=1%5D%3C0.5%3E",
        "/x/;UID=1/;SECTION=HEADER.FIELDS%20(%7B1%7D%0D%0Ax)", "/x/;SECTION=1", "/x/;PARTIAL=0",
        "/x%/;UID=1", "/x%2/;UID=1", "/x%zz/;UID=1", "/x%00/;UID=1", "/x%0d/;UID=1", "/x%ff/;UID=1", "/x y/;UID=1",
        "/x\"/;UID=1", "/f\xc3\xbc/;UID=1", "//;UID=1", "?x", "/?x", "/x?", "/x/;UID=1?x",
        "/x/;UID=1;URLAUTH=anonymous:internal:91354a473744909de610943775f92038", "/x/;UID=1;EXPIRE=x;URLAUTH=anonymous",
    };

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct parsed p;
        parse(&p, urls[i]);
        if (p.rc == 0)
            fail_msg("%s was taken", urls[i]);
        assert_true(p.err.kind == PH_E_PROTOCOL || p.err.kind == PH_E_LIMIT);
        ph_arena_done(&p.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
