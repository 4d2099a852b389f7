/* Addresses as ENVELOPE and SORT want them: RFC 5322 appendix A and 3.4, what RFC 822 allowed, and what is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/address.h"

/* name|adl|mailbox|host, `~` for NIL, `;` between addresses. */
static void put(struct ph_buf *out, struct ph_str s, char behind)
{
    ph_buf_add_str(out, s.p ? s : PH_STR("~"));
    ph_buf_add_char(out, behind);
}

static void check(const char *value, const char *want)
{
    struct ph_addresses a;
    struct ph_address one;
    struct ph_buf out = PH_BUF_INIT;
    int r;

    ph_addresses_init(&a, ph_str(value));
    while ((r = ph_addresses_next(&a, &one)) > 0) {
        if (ph_buf_len(&out))
            ph_buf_add_char(&out, ';');
        put(&out, one.name, '|');
        put(&out, one.adl, '|');
        put(&out, one.mailbox, '|');
        ph_buf_add_str(&out, one.host.p ? one.host : PH_STR("~"));
    }
    assert_int_equal(r, 0);
    assert_string_equal(ph_buf_z(&out), want);
    ph_buf_done(&out);
    ph_addresses_done(&a);
}

static void test_rfc5322(void **state)
{
    check("John Doe <jdoe@machine.example>", "John Doe|~|jdoe|machine.example");
    check("\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public|~|john.q.public|example.com");
    check("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
          "Mary Smith|~|mary|x.test;~|~|jdoe|example.org;Who?|~|one|y.test");
    check("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
          "~|~|boss|nil.test;Giant; \"Big\" Box|~|sysservices|example.net");
    check("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
          "~|~|A Group|~;Ed Jones|~|c|a.test;~|~|joe|where.test;John|~|jdoe|one.test;~|~|~|~");
    check("Undisclosed recipients:;", "~|~|Undisclosed recipients|~;~|~|~|~");
    /* A.5: white space, comments, folding */
    check("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|~|pete|silly.test");
    check("A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n"
          "  John <jdoe@one.test> (my dear friend); (the end of the group)",
          "~|~|A Group|~;Chris Jones|~|c|public.example;~|~|joe|example.org;John|~|jdoe|one.test;~|~|~|~");
    check("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "~|~|Hidden recipients|~;~|~|~|~");
    /* A.6: obsolete */
    check("Joe Q. Public <john.q.public@example.com>", "Joe Q. Public|~|john.q.public|example.com");
    check("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
          "Mary Smith|@node.test|mary|example.net;~|~|jdoe|test.example");
    check("John Doe <jdoe@machine(comment).  example>", "John Doe|~|jdoe|machine.example");
}

static void test_others(void **state)
{
    check("", "");
    check(" ,, ; ", "");
    check("user@host (Full Name)", "Full Name|~|user|host");
    check("<@a.example,@b.example:u@c.example>", "~|@a.example,@b.example|u|c.example");
    check("jdoe@[192.0.2.1]", "~|~|jdoe|[192.0.2.1]");
    check("\"john smith\"@x.test", "~|~|john smith|x.test");
    check("a . b @ x.test", "~|~|a.b|x.test");
    check("=?utf-8?q?J=C3=B6rg?= <j@x.test>", "=?utf-8?q?J=C3=B6rg?=|~|j|x.test");
    check("\"A\" \"B\" c <d@e>", "A B c|~|d|e");
}

static void test_broken(void **state)
{
    check("joe", "~|~|joe|");
    check("<>", "~|~||");
    check("joe@x.test <joe@x.test>", "joe@x.test|~|joe|x.test");
    check("Joe <joe@x.test", "Joe|~|joe|x.test");
    check("Joe <joe@x.test>>, b@y", "Joe|~|joe|x.test;~|~|b|y");
    check("a@x b@y, c@z", "~|~|a|x;~|~|c|z");
    check("group: a@x, b@y", "~|~|group|~;~|~|a|x;~|~|b|y;~|~|~|~");
    check("\"no end <a@b>", "~|~|no end <a@b>|");
    check("a@b (no (end)", "no (end)|~|a|b");
    check("<@host.test>", "~|~||host.test");
    check("a:b:c@d;", "~|~|a|~;~|~|b|;~|~|~|~");
    check(">", "");
    check("<aaa bbb. c@x>", "~|~|aaa bbb.c|x");
    check("x@", "~|~|x|");
}

/* RFC 5957 3 and RFC 5256 3 */
static void test_sort_values(void **state)
{
    static const struct {
        const char *value, *mailbox, *display;
    } table[] = {
        { "Kim <kim@x.test>", "kim", "Kim" },
        { "=?iso-8859-1?q?Andr=E9?= <a@x.test>", "a", "Andr\xc3\xa9" },
        { "\"\" <b@x.test>", "b", "b@x.test" },
        { "c@x.test", "c", "c@x.test" },
        { "Group: d@x.test;", "Group", "Group" },
        { "", "", "" },
    };
    struct ph_buf mailbox = PH_BUF_INIT, display = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ph_addresses a;
        struct ph_address one;
        ph_addresses_init(&a, ph_str(table[i].value));
        bool any = ph_addresses_next(&a, &one) > 0;
        ph_buf_clear(&mailbox);
        ph_buf_clear(&display);
        assert_int_equal(ph_address_sort_mailbox(any ? &one : NULL, &mailbox), 0);
        assert_int_equal(ph_address_sort_display(any ? &one : NULL, &display), 0);
        assert_string_equal(ph_buf_z(&mailbox), table[i].mailbox);
        assert_string_equal(ph_buf_z(&display), table[i].display);
        ph_addresses_done(&a);
    }
    ph_buf_done(&mailbox);
    ph_buf_done(&display);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc5322),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_sort_values),
    };
    return cmocka_run_group_tests_name("mail/address", tests, NULL, NULL);
}
