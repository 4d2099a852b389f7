#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/writer.h"

static void astring(enum ph_literals lit, bool utf8, struct ph_str s, const char *want)
{
    struct ph_writer w;

    ph_writer_init(&w, lit);
    w.utf8 = utf8;
    ph_write_astring(&w, s);
    assert_int_equal(w.failed, want == NULL);
    if (want)
        assert_string_equal(ph_buf_z(&w.out), want);
    ph_writer_done(&w);
}

static void test_astring(void **state)
{
    astring(PH_LITERAL_SYNC, false, PH_STR("INBOX"), "INBOX");
    astring(PH_LITERAL_SYNC, false, PH_STR("a]b"), "a]b");
    astring(PH_LITERAL_SYNC, false, PH_STR(""), "\"\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("nil"), "\"nil\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("a b"), "\"a b\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("a\"\\b"), "\"a\\\"\\\\b\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("a%"), "\"a%\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("a{1}"), "\"a{1}\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("\t"), "\"\t\"");
    astring(PH_LITERAL_SYNC, false, PH_STR("a\r\nx LOGOUT"), "{11}\r\na\r\nx LOGOUT");
    astring(PH_LITERAL_MINUS, false, PH_STR("a\nb"), "{3+}\r\na\nb");
    astring(PH_LITERAL_PLUS, false, PH_STR("\xc3\xbc"), "{2+}\r\n\xc3\xbc");
    astring(PH_LITERAL_PLUS, true, PH_STR("\xc3\xbc"), "\"\xc3\xbc\"");
    astring(PH_LITERAL_PLUS, true, PH_STR("\xfc"), "{1+}\r\n\xfc");
    astring(PH_LITERAL_PLUS, true, PH_STR("a\0b"), NULL);
}

static void test_syncs(void **state)
{
    struct ph_writer w;
    char big[4098];

    memset(big, 'x', sizeof big);
    ph_writer_init(&w, PH_LITERAL_MINUS);
    ph_write_raw(&w, "a LOGIN ");
    ph_write_string(&w, PH_STR("\r"));
    ph_write_char(&w, ' ');
    assert_int_equal(w.n_syncs, 0);
    ph_write_literal_head(&w, 4096, false);
    assert_int_equal(w.n_syncs, 0);
    ph_write_literal_head(&w, 4097, false);
    assert_int_equal(w.n_syncs, 1);
    assert_int_equal(w.syncs[0], strlen("a LOGIN {1+}\r\n\r {4096+}\r\n{4097}\r\n"));
    ph_write_literal_head(&w, 1, true);
    assert_int_equal(w.syncs[1], ph_buf_len(&w.out));
    ph_writer_clear(&w);
    assert_int_equal(w.n_syncs, 0);
    ph_write_string(&w, (struct ph_str){ big, 4097 }); /* too long for a quoted string */
    assert_int_equal(w.n_syncs, 1);
    assert_int_equal(w.syncs[0], 8);
    assert_int_equal(ph_buf_len(&w.out), 8 + 4097);
    assert_false(w.failed);
    for (int i = 0; i < PH_WRITER_SYNCS - 1; i++)
        ph_write_literal_head(&w, 5, true);
    assert_false(w.failed);
    ph_write_literal_head(&w, 5, true);
    assert_true(w.failed);
    ph_writer_done(&w);
}

static void test_rest(void **state)
{
    struct ph_writer w;
    struct ph_numset s = PH_NUMSET_INIT;

    ph_writer_init(&w, PH_LITERAL_PLUS);
    ph_numset_add_range(&s, 1, 3);
    ph_numset_add(&s, 7);
    ph_write_set(&w, &s);
    ph_write_char(&w, ' ');
    ph_write_u64(&w, UINT64_MAX);
    ph_write_char(&w, ' ');
    ph_write_date_time(&w, 837596665, -420);
    ph_write_char(&w, ' ');
    ph_write_nstring(&w, PH_STR_NIL);
    ph_write_nstring(&w, PH_STR("NIL"));
    ph_write_char(&w, ' ');
    ph_write_mailbox_utf8(&w, PH_STR("Entw\xc3\xbcrfe & mehr"));
    ph_write_char(&w, ' ');
    ph_write_mailbox_utf8(&w, PH_STR("INBOX"));
    ph_write_char(&w, ' ');
    ph_write_mailbox_wire(&w, PH_STR("Entw&APw-rfe"));
    ph_write_crlf(&w);
    assert_false(w.failed);
    assert_string_equal(
        ph_buf_z(&w.out),
        "1:3,7 18446744073709551615 \"17-Jul-1996 02:44:25 -0700\" NIL\"NIL\" \"Entw&APw-rfe &- mehr\" "
        "INBOX Entw&APw-rfe\r\n");
    ph_writer_clear(&w);
    w.utf8 = true;
    ph_write_mailbox_utf8(&w, PH_STR("Entw\xc3\xbcrfe"));
    assert_string_equal(ph_buf_z(&w.out), "\"Entw\xc3\xbcrfe\"");

    ph_numset_clear(&s);
    ph_write_set(&w, &s); /* an empty set has no form */
    assert_true(w.failed);
    ph_writer_clear(&w);
    ph_write_date_time(&w, INT64_MAX, 0);
    assert_true(w.failed);
    ph_writer_clear(&w);
    ph_write_mailbox_utf8(&w, PH_STR("\xff"));
    assert_true(w.failed);
    ph_writer_clear(&w);
    w.utf8 = false;
    ph_write_mailbox_utf8(&w, PH_STR("\xff"));
    assert_true(w.failed);
    ph_numset_done(&s);
    ph_writer_done(&w);
}

static void test_flags(void **state)
{
    assert_true(ph_flag_is_sendable(PH_STR("\\Seen")));
    assert_true(ph_flag_is_sendable(PH_STR("\\dRAFT")));
    assert_true(ph_flag_is_sendable(PH_STR("$Forwarded")));
    assert_true(ph_flag_is_sendable(PH_STR("NonJunk")));
    assert_false(ph_flag_is_sendable(PH_STR("\\Recent")));
    assert_false(ph_flag_is_sendable(PH_STR("\\*")));
    assert_false(ph_flag_is_sendable(PH_STR("\\Bogus")));
    assert_false(ph_flag_is_sendable(PH_STR("")));
    assert_false(ph_flag_is_sendable(PH_STR("a b")));
    assert_false(ph_flag_is_sendable(PH_STR("a)")));
    assert_false(ph_flag_is_sendable(PH_STR("a\r\n")));
    assert_false(ph_flag_is_sendable(PH_STR("\xc3\xbc")));
    assert_false(ph_is_atom(PH_STR("a]")));
    /* atom-specials of RFC 9051 9, one by one */
    for (int c = 0; c < 256; c++) {
        char ch = (char)c;
        bool special = c <= 32 || c >= 127 || strchr("(){%*\"\\]", c);
        assert_int_equal(ph_is_atom((struct ph_str){ &ch, 1 }), !special);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_astring),
        cmocka_unit_test(test_syncs),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
