/* Whatever the writer can produce, the command parser reads back to the same value. */
#include "cmd.h"
#include "wire/mutf7.h"
#include "wire/writer.h"

static uint32_t seed = 2463534242u;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static void parse(struct cmd *t, struct ph_writer *w)
{
    assert_false(w->failed);
    cmd_good(t, ph_buf_str(&w->out));
}

static const enum ph_literals literals[] = { PH_LITERAL_SYNC, PH_LITERAL_MINUS, PH_LITERAL_PLUS };

/* LOGIN takes two astrings: the first as such, the second as a string. */
static void both(struct ph_str a, struct ph_str b, bool utf8)
{
    for (size_t i = 0; i < 3; i++) {
        struct ph_writer w;
        struct cmd t;
        ph_writer_init(&w, literals[i]);
        w.utf8 = utf8;
        ph_write_raw(&w, "A1 LOGIN ");
        ph_write_astring(&w, a);
        ph_write_char(&w, ' ');
        ph_write_string(&w, b);
        ph_write_crlf(&w);
        parse(&t, &w);
        assert_true(ph_str_eq(t.c.login.user, a));
        assert_true(ph_str_eq(t.c.login.password, b));
        cmd_done(&t);
        ph_writer_done(&w);
    }
}

static void test_strings(void **state)
{
    /* each octet but NUL, alone and inside */
    for (int c = 1; c < 256; c++) {
        char one = (char)c, three[3] = { 'a', (char)c, 'b' };
        both((struct ph_str){ &one, 1 }, (struct ph_str){ three, 3 }, false);
        both((struct ph_str){ three, 3 }, (struct ph_str){ &one, 1 }, true);
    }
    both(PH_STR(""), PH_STR(""), false);
    both(PH_STR("NIL"), PH_STR("NIL"), false);
    both(PH_STR("{5}\r\nx LOGOUT\r\n"), PH_STR("\"\\\"\r\n"), false);
    both(PH_STR("\xc3\xbc\xe5\x8f\xb0\xf0\x9f\x98\x80"), PH_STR("\xc3"), true);
    for (int round = 0; round < 500; round++) {
        static const char alphabet[] = "ab(){}\"\\%*]+~ \t\r\n1&,\x7f\x80\xc3\xbc\xff";
        char buf[2][40];
        struct ph_str s[2];
        for (int k = 0; k < 2; k++) {
            s[k] = (struct ph_str){ buf[k], next_random() % sizeof buf[k] };
            for (size_t i = 0; i < s[k].n; i++)
                buf[k][i] = alphabet[next_random() % (sizeof alphabet - 1)];
        }
        both(s[0], s[1], round & 1);
    }
    char *big = malloc(100000);
    memset(big, 'x', 100000);
    both((struct ph_str){ big, 4096 }, (struct ph_str){ big, 100000 }, false);
    free(big);
}

static void test_nstring(void **state)
{
    struct ph_writer w;
    struct cmd t;

    ph_writer_init(&w, PH_LITERAL_PLUS);
    ph_write_raw(&w, "A1 ID (\"name\" ");
    ph_write_nstring(&w, PH_STR_NIL);
    ph_write_raw(&w, " \"os\" ");
    ph_write_nstring(&w, PH_STR("NIL"));
    ph_write_raw(&w, ")");
    ph_write_crlf(&w);
    parse(&t, &w);
    assert_words(&t.c.words, "name|<nil>|os|NIL");
    cmd_done(&t);
    ph_writer_done(&w);
}

static void test_mailboxes(void **state)
{
    static const char *const names[] = {
        "INBOX", "a",    "a b", "Entw\xc3\xbcrfe",  "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5",
        "a & b", "100%", "*",   "\xf0\x9f\x98\x80", "NIL",
        "a\tb",  "[x]",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int utf8 = 0; utf8 < 2; utf8++) {
            struct ph_writer w;
            struct ph_buf back = PH_BUF_INIT;
            struct cmd t;
            ph_writer_init(&w, PH_LITERAL_MINUS);
            w.utf8 = utf8;
            ph_write_raw(&w, "A1 RENAME ");
            ph_write_mailbox_utf8(&w, ph_str(names[i]));
            ph_write_char(&w, ' ');
            ph_write_mailbox_wire(&w, PH_STR("b\xff" "c"));
            ph_write_crlf(&w);
            parse(&t, &w);
            if (utf8) {
                assert_str(t.c.mailbox.name, names[i]);
            } else {
                assert_int_equal(ph_mutf7_decode(t.c.mailbox.name, &back, NULL), 0);
                assert_str(ph_buf_str(&back), names[i]);
            }
            assert_str(t.c.mailbox.to, "b\xff" "c");
            ph_buf_done(&back);
            cmd_done(&t);
            ph_writer_done(&w);
        }
}

static void test_sets(void **state)
{
    for (int round = 0; round < 200; round++) {
        struct ph_numset s = PH_NUMSET_INIT, got = PH_NUMSET_INIT;
        struct ph_writer w;
        struct cmd t;
        for (unsigned i = 0; i <= next_random() % 40; i++) {
            uint32_t a = round & 1 ? next_random() : 1 + next_random() % 100;
            ph_numset_add_range(&s, a, a + (a < UINT32_MAX - 5 ? next_random() % 4 : 0));
        }
        ph_writer_init(&w, PH_LITERAL_SYNC);
        ph_write_raw(&w, "A1 UID EXPUNGE ");
        ph_write_set(&w, &s);
        ph_write_crlf(&w);
        parse(&t, &w);
        assert_int_equal(ph_numset_parse(&got, t.c.copy.set.text, 0, 1000, &t.err), 0);
        assert_int_equal(got.n, s.n);
        assert_memory_equal(got.r, s.r, s.n * sizeof *s.r);
        ph_numset_done(&s);
        ph_numset_done(&got);
        cmd_done(&t);
        ph_writer_done(&w);
    }
}

static void test_append(void **state)
{
    static const int64_t epochs[] = { 0, -1, 837596665, 253402300799 - 86400, -62135596800 + 86400, 951782400 };
    static const int zones[] = { 0, -720, 840, 330, 1439, -1439, 1 };

    for (size_t e = 0; e < sizeof epochs / sizeof *epochs; e++)
        for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
            struct ph_writer w;
            struct cmd t;
            ph_writer_init(&w, PH_LITERAL_PLUS);
            ph_write_raw(&w, "A1 APPEND ");
            ph_write_mailbox_utf8(&w, PH_STR("x y"));
            ph_write_raw(&w, " (\\Seen $a) ");
            ph_write_date_time(&w, epochs[e], zones[z]);
            ph_write_char(&w, ' ');
            ph_write_literal_head(&w, 7, z & 1);
            ph_write_raw(&w, "{9}\r\n)\"");
            ph_write_crlf(&w);
            assert_int_equal(w.n_syncs, z & 1);
            parse(&t, &w);
            assert_int_equal(t.c.append.messages[0].epoch, epochs[e]);
            assert_int_equal(t.c.append.messages[0].zone_min, zones[z]);
            assert_words(&t.c.append.messages[0].flags, "\\Seen|$a");
            assert_str(t.c.append.messages[0].text, "{9}\r\n)\"");
            cmd_done(&t);
            ph_writer_done(&w);
        }
}

/* Every flag that may be sent is taken, and every atom. */
static void test_flags(void **state)
{
    for (int c = 0; c < 256; c++) {
        char text[2] = { 'k', (char)c };
        struct ph_str flag = { text, 2 };
        struct ph_buf b = PH_BUF_INIT;
        struct cmd t;
        if (!ph_flag_is_sendable(flag))
            continue;
        ph_buf_add_z(&b, "A1 STORE 1 FLAGS (");
        ph_buf_add_str(&b, flag);
        ph_buf_add_z(&b, ")\r\n");
        cmd_good(&t, ph_buf_str(&b));
        assert_int_equal(t.c.store.flags.n, 1);
        assert_true(ph_str_eq(t.c.store.flags.w[0], flag));
        cmd_done(&t);
        ph_buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings), cmocka_unit_test(test_nstring), cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_sets),    cmocka_unit_test(test_append),  cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
