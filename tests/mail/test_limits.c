/* Mail made to hurt: every shape in time that grows with its size only, in bounded memory, with an answer that is good IMAP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "mail/date.h"
#include "mail/identity.h"
#include "mail/search.h"
#include "mail/structure.h"
#include "mail/subject.h"
#include "mail/thread.h"

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What is quadratic at these sizes takes minutes; the bound is far from what is linear. */
static void in_time(double begin, const char *what)
{
    double took = seconds() - begin;

    if (took > 5 && !getenv("PH_SANITIZER") && !getenv("ASAN_OPTIONS"))
        fail_msg("%s took %.1f s", what, took);
}

static void repeat(struct ph_buf *b, const char *what, size_t times)
{
    for (size_t i = 0; i < times; i++)
        ph_buf_add_z(b, what);
}

/* Parentheses and literals balance, quotes are closed: what a client's reader needs. Returns the octets. */
static size_t good_imap(struct ph_writer *w)
{
    struct ph_str s = ph_buf_str(&w->out);
    size_t depth = 0;

    assert_false(w->failed);
    for (size_t i = 0; i < s.n; i++) {
        assert_true(s.p[i] != 0);
        if (s.p[i] == '"') {
            for (i++; i < s.n && s.p[i] != '"'; i++)
                i += s.p[i] == '\\';
            assert_true(i < s.n);
        } else if (s.p[i] == '{') {
            size_t n = strtoul(s.p + i + 1, NULL, 10);
            i = (size_t)((const char *)memchr(s.p + i, '\n', s.n - i) - s.p) + n;
            assert_true(i < s.n);
        } else {
            depth += s.p[i] == '(';
            assert_true(s.p[i] != ')' || depth-- > 0);
        }
    }
    assert_int_equal(depth, 0);
    return s.n;
}

/* Everything that is done with a message, once. */
static bool through(struct ph_str text, const struct ph_structure_limits *limits, const char *what)
{
    static const struct ph_text_key keys[] = { { PH_TEXT_HEADER, { "To", 2 }, { "zzz", 3 } }, { PH_TEXT_TEXT, { "", 0 }, { "zz(", 3 } } };
    struct ph_structure s, again;
    struct ph_writer w;
    struct ph_buf blob = PH_BUF_INIT;
    struct ph_err err;
    double begin = seconds();

    ph_structure_init(&s);
    ph_structure_init(&again);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    assert_int_equal(ph_structure_begin(&s, limits, &err), 0);
    for (size_t i = 0; i < text.n; i += 16384)
        assert_int_equal(ph_structure_feed(&s, text.p + i, text.n - i < 16384 ? text.n - i : 16384, &err), 0);
    assert_int_equal(ph_structure_finish(&s, &err), 0);
    assert_true(ph_buf_len(&s.text) <= (limits && limits->text ? limits->text : 16u << 20) + 1000u * s.n_parts);
    for (int load = 0; load < 2; load++) {
        ph_writer_clear(&w);
        ph_structure_write_envelope(load ? &again : &s, &w);
        good_imap(&w);
        ph_writer_clear(&w);
        ph_structure_write_body(load ? &again : &s, PH_BODY_EXTENDED, &w);
        good_imap(&w);
        assert_int_equal(ph_structure_save(&s, &blob, &err), 0);
        assert_int_equal(ph_structure_load(&again, ph_buf_str(&blob), &err), 0);
        ph_buf_clear(&blob);
    }
    in_time(begin, what);
    begin = seconds();
    struct ph_text_search *search = ph_text_search_new(keys, 2, &err);
    ph_text_search_begin(search);
    for (size_t i = 0; i < text.n; i += 16384)
        assert_true(ph_text_search_feed(search, text.p + i, text.n - i < 16384 ? text.n - i : 16384, &err) >= 0);
    assert_int_equal(ph_text_search_finish(search, &err), 0);
    ph_text_search_free(search);
    in_time(begin, what);
    bool limited = s.limited;
    ph_buf_done(&blob);
    ph_writer_done(&w);
    ph_structure_done(&s);
    ph_structure_done(&again);
    return limited;
}

static void test_parts(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    for (int i = 0; i < 10000; i++) { /* nested multiparts, each with a boundary of its own */
        ph_buf_add_z(&b, "Content-Type: multipart/mixed; boundary=b");
        ph_buf_add_u64(&b, (uint64_t)i);
        ph_buf_add_z(&b, "\r\n\r\n--b");
        ph_buf_add_u64(&b, (uint64_t)i);
        ph_buf_add_z(&b, "\r\n");
    }
    assert_true(through(ph_buf_str(&b), NULL, "10,000 nested multiparts"));
    ph_buf_clear(&b);
    repeat(&b, "Content-Type: message/rfc822\r\n\r\n", 10000);
    assert_true(through(ph_buf_str(&b), NULL, "10,000 nested messages"));
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    repeat(&b, "--b\r\n\r\nx\r\n", 100000);
    assert_true(through(ph_buf_str(&b), NULL, "100,000 parts"));
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    repeat(&b, "--b\r\n\r\nx\r\n", 9999);
    assert_false(through(ph_buf_str(&b), NULL, "10,000 parts")); /* the most that are taken */
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Content-Type: multipart/digest; boundary=b\r\n\r\n");
    repeat(&b, "--b\r\n\r\nx:y\r\n", 20000);
    assert_true(through(ph_buf_str(&b), NULL, "a digest"));
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    repeat(&b, "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n", 20000);
    assert_true(through(ph_buf_str(&b), NULL, "parts in parts"));
    ph_buf_done(&b);
}

static void test_headers(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_buf_add_z(&b, "Subject: ");
    repeat(&b, "12345678", 1 << 20); /* 8 MiB: a little too much */
    ph_buf_add_z(&b, "\r\n\r\n");
    assert_true(through(ph_buf_str(&b), NULL, "one long field"));
    ph_buf_clear(&b);
    repeat(&b, "To:a@b\r\n", 900000);
    ph_buf_add_z(&b, "\r\n");
    assert_true(through(ph_buf_str(&b), NULL, "900,000 fields"));
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Subject: x");
    repeat(&b, "\r\n ", 2000000);
    ph_buf_add_z(&b, "\r\n\r\n");
    assert_false(through(ph_buf_str(&b), NULL, "2,000,000 folds"));
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Subject: ");
    repeat(&b, "=?utf-8?q?", 400000);
    ph_buf_add_z(&b, "\r\n\r\n");
    assert_false(through(ph_buf_str(&b), NULL, "encoded words without end"));
    ph_buf_done(&b);
}

static void test_addresses(void **state)
{
    static const char *const shapes[] = { "\"", "(", "<", ">", "@", ",", ":", ";", "\\", "[", "a:", "\"(", "<@", "(\"", "<\"", "a@b<", "()", "\"\"",
                                          "<@a,", "a@(", "a.", "a@b c<", " ", "\r\n " };
    struct ph_structure_limits few = { .addresses = 1000, .text = 100000 };
    struct ph_buf b = PH_BUF_INIT;

    ph_buf_add_z(&b, "To: ");
    repeat(&b, "a@b,\r\n ", 200000);
    ph_buf_add_z(&b, "\r\n\r\n");
    assert_false(through(ph_buf_str(&b), NULL, "200,000 addresses"));
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "To: group:");
    repeat(&b, "a@b,\r\n ", 200010);
    ph_buf_add_z(&b, ";\r\n\r\n");
    assert_true(through(ph_buf_str(&b), NULL, "200,010 addresses"));
    assert_true(through(ph_buf_str(&b), &few, "1000 are allowed"));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        ph_buf_clear(&b);
        ph_buf_add_z(&b, "To: ");
        repeat(&b, shapes[i], 1000000 / strlen(shapes[i]));
        ph_buf_add_z(&b, "\r\n\r\n");
        through(ph_buf_str(&b), NULL, shapes[i]);
    }
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "To: ");
    repeat(&b, "(", 100000);
    repeat(&b, ")", 100000);
    ph_buf_add_z(&b, " a@b\r\n\r\n");
    assert_false(through(ph_buf_str(&b), NULL, "100,000 nested comments"));
    ph_buf_done(&b);
}

static void test_params(void **state)
{
    static const char *const fields[] = { "Content-Type: text/plain", "Content-Type: multipart/mixed", "Content-Disposition: inline" };
    static const char *const shapes[] = { ";(", ";\"", ";a=(", ";boundary*0=", ";boundary*99*=u''", ";=", ";a*", "(;", ";a=\"" };
    struct ph_buf b = PH_BUF_INIT;

    for (int k = 0; k < 3; k++) {
        ph_buf_clear(&b);
        ph_buf_add_z(&b, fields[k]);
        for (uint64_t i = 0; i < 60000; i++) {
            ph_buf_add_z(&b, ";\r\n name*");
            ph_buf_add_u64(&b, i);
            ph_buf_add_z(&b, "*=x%20");
        }
        ph_buf_add_z(&b, "\r\n\r\n");
        assert_true(through(ph_buf_str(&b), NULL, "60,000 sections"));
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            ph_buf_clear(&b);
            ph_buf_add_z(&b, fields[k]);
            repeat(&b, shapes[i], 1000000 / strlen(shapes[i]));
            ph_buf_add_z(&b, "\r\n\r\n");
            through(ph_buf_str(&b), NULL, shapes[i]);
        }
    }
    ph_buf_clear(&b);
    ph_buf_add_z(&b, "Content-Type: ");
    repeat(&b, "(", 100000);
    ph_buf_add_z(&b, "x");
    repeat(&b, ")", 100000);
    ph_buf_add_z(&b, " text/plain\r\nContent-Language: ");
    repeat(&b, "en,", 100000);
    ph_buf_add_z(&b, "\r\n\r\n");
    through(ph_buf_str(&b), NULL, "comments and languages");
    ph_buf_done(&b);
}

static void test_values(void **state)
{
    static const char *const shapes[] = { "[a]", "[fwd:", "Re:", "[", "re[a]:", "(fwd)", "[fwd:[a]", "re [", "=?utf-8?b?YQ==?= ", "(", "<", "<\"", "<(", "1:", "=?", "Re " };
    struct ph_buf b = PH_BUF_INIT, out = PH_BUF_INIT;
    struct ph_mail_date date;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double begin = seconds();
        ph_buf_clear(&b);
        ph_buf_clear(&out);
        repeat(&b, shapes[i], 1000000 / strlen(shapes[i]));
        struct ph_str rest = ph_buf_str(&b);
        assert_int_equal(ph_subject_base(ph_buf_str(&b), &out, NULL), 0);
        ph_mail_date_parse(ph_buf_str(&b), &date);
        while (ph_msgid_next(&rest, &out) > 0)
            ;
        in_time(begin, shapes[i]);
    }
    ph_buf_done(&b);
    ph_buf_done(&out);
}

/* Ids that one common hash without a key takes for equal: `Aa` and `BB` in every place. */
static void test_colliding_ids(void **state)
{
    static const struct ph_hash_key key = { { 7 } };
    struct ph_err err;
    struct ph_thread *t = ph_thread_new(PH_THREAD_REFERENCES, &key, &err);
    struct ph_buf id = PH_BUF_INIT;
    struct ph_writer w;
    double begin = seconds();

    for (uint32_t i = 0; i < 1 << 17; i++) {
        ph_buf_clear(&id);
        ph_buf_add_char(&id, '<');
        for (int bit = 0; bit < 17; bit++)
            ph_buf_add_z(&id, i >> bit & 1 ? "Aa" : "BB");
        ph_buf_add_z(&id, "@x>");
        struct ph_thread_message m = { i + 1, i, ph_buf_str(&id), ph_buf_str(&id), PH_STR_NIL, PH_STR_NIL };
        assert_int_equal(ph_thread_add(t, &m, &err), 0);
    }
    assert_int_equal(ph_thread_finish(t, &err), 0);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    ph_thread_write(t, &w);
    good_imap(&w);
    in_time(begin, "ids");
    ph_writer_done(&w);
    ph_buf_done(&id);
    ph_thread_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),  cmocka_unit_test(test_headers), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_params), cmocka_unit_test(test_values),  cmocka_unit_test(test_colliding_ids),
    };
    return cmocka_run_group_tests_name("mail/limits", tests, NULL, NULL);
}
