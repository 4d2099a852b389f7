/* THREAD by RFC 5256: its steps one by one, and mail that wants loops, depth and collisions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "mail/thread.h"

static const struct ph_hash_key key = { { 1, 2, 3 } };

struct in {
    int64_t date;
    const char *subject, *id, *references, *reply_to;
};

static void check(enum ph_thread_by by, const struct in *in, size_t n, const char *want)
{
    struct ph_err err;
    struct ph_thread *t = ph_thread_new(by, &key, &err);
    struct ph_writer w;

    ph_writer_init(&w, PH_LITERAL_SYNC);
    for (size_t i = 0; i < n; i++) {
        struct ph_thread_message m = { (uint32_t)i + 1, in[i].date, ph_str(in[i].subject), ph_str(in[i].id),
                                       ph_str(in[i].references), ph_str(in[i].reply_to) };
        assert_int_equal(ph_thread_add(t, &m, &err), 0);
    }
    assert_int_equal(ph_thread_finish(t, &err), 0);
    ph_thread_write(t, &w);
    assert_string_equal(ph_buf_z(&w.out), want);
    ph_writer_done(&w);
    ph_thread_free(t);
}
#define CHECK(by, want, ...) \
    do { \
        static const struct in in_[] = { __VA_ARGS__ }; \
        check(PH_THREAD_##by, in_, sizeof in_ / sizeof *in_, want); \
    } while (0)

static void test_ordered_subject(void **state)
{
    check(PH_THREAD_ORDEREDSUBJECT, NULL, 0, "");
    /* by the first date of each subject; the second on are children of the first */
    CHECK(ORDEREDSUBJECT, "(4)(1 (3)(5))(2)", { 20, "a" }, { 40, "b" }, { 30, "Re: A" }, { 10, "c" }, { 50, "[x] a (fwd)" });
    CHECK(ORDEREDSUBJECT, "(2 1)", { 2, "a" }, { 1, "Re: a" });
    CHECK(ORDEREDSUBJECT, "(1 (2)(3))", { 5, "a" }, { 5, "a" }, { 5, "a" }); /* 2.2: ties by sequence number */
}

static void test_references(void **state)
{
    /* the shape of RFC 5256 4's example: (2)(3 6 (4 23)(44 7 96)) */
    CHECK(REFERENCES, "(1)(2 3 (4 5)(6 7 8))", { 1, "x", "<1@a>" }, { 2, "y", "<2@a>" }, { 3, "Re: y", "<3@a>", "<2@a>" },
          { 4, "Re: y", "<4@a>", "<2@a> <3@a>" }, { 5, "Re: y", "<5@a>", "<4@a>" }, { 6, "Re: y", "<6@a>", NULL, "<3@a>" },
          { 7, "Re: y", "<7@a>", "<3@a>\r\n <6@a>" }, { 8, "Re: y", "<8@a>", "<7@a>" });
    /* ((3)(5)): siblings of a parent that is not there */
    CHECK(REFERENCES, "((1)(2))", { 1, "a", "<1@a>", "<0@a>" }, { 2, "b", "<2@a>", "<0@a>" });
    /* only one child: it takes the dummy's place; dummies in the middle go */
    CHECK(REFERENCES, "(1 2)", { 1, "a", "<1@a>", "<x@a> <y@a>" }, { 2, "b", "<2@a>", "<1@a> <z@a>" });
    CHECK(REFERENCES, "((1)(2))", { 1, "a", "<1@a>", "<x@a> <y@a>" }, { 2, "b", "<2@a>", "<x@a>" });
}

static void test_ids(void **state)
{
    /* quoting does not count, case does; an id twice belongs to the first; none at all is unique */
    CHECK(REFERENCES, "(1 2)", { 1, "a", "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>" }, { 2, "b", "<2@a>", "<01KF8JCEOCBS0045PS@xxx.yyy.com>" });
    CHECK(REFERENCES, "(1)(2)", { 1, "a", "<A@a>" }, { 2, "b", "<2@a>", "<a@a>" });
    CHECK(REFERENCES, "(1 3)(2)", { 1, "a", "<1@a>" }, { 2, "b", "<1@a>" }, { 3, "c", "<3@a>", "<1@a>" });
    CHECK(REFERENCES, "(1)(2)", { 1, "a", "" }, { 2, "b", NULL });
    /* References without a valid id: In-Reply-To, its first */
    CHECK(REFERENCES, "(1 3)(2)", { 1, "a", "<1@a>" }, { 2, "b", "<2@a>" },
          { 3, "c", "<3@a>", "nothing <here>", "Your mail of today <1@a> <2@a>" });
    CHECK(REFERENCES, "(1)(3 2)", { 1, "a", "<1@a>" }, { 3, "b", "<2@a>", "<3@a>", "<1@a>" }, { 2, "c", "<3@a>" });
}

static void test_links(void **state)
{
    /* loops are not made */
    CHECK(REFERENCES, "(2 1)", { 1, "a", "<1@a>" }, { 2, "b", "<2@a>", "<2@a> <1@a>" });
    CHECK(REFERENCES, "(2 1)", { 2, "a", "<1@a>", "<2@a>" }, { 1, "b", "<2@a>", "<1@a>" });
    CHECK(REFERENCES, "(1)", { 1, "a", "<1@a>", "<1@a>" });
    /* (A) keeps a parent that is there, (B) breaks it */
    CHECK(REFERENCES, "(1 2 3)", { 1, "a", "<1@a>" }, { 2, "b", "<2@a>", "<1@a>" }, { 3, "c", "<3@a>", "<x@a> <2@a>" });
    CHECK(REFERENCES, "(1)(3 2)", { 1, "a", "<1@a>" }, { 3, "b", "<3@a>", "<1@a> <2@a>" }, { 2, "c", "<2@a>" });
}

static void test_subject_merge(void **state)
{
    /* 5: a reply joins the original; the table's message is the one that is no reply */
    CHECK(REFERENCES, "(1 2)", { 1, "a", "<1@a>" }, { 2, "Re: a", "<2@a>" });
    CHECK(REFERENCES, "(2 1)", { 1, "Re: a", "<1@a>" }, { 2, "a", "<2@a>" });
    /* two originals, or two replies: siblings */
    CHECK(REFERENCES, "((1)(2))", { 1, "a", "<1@a>" }, { 2, "A", "<2@a>" });
    CHECK(REFERENCES, "((1)(2)(3))", { 1, "Re: a", "<1@a>" }, { 2, "Re: a", "<2@a>" }, { 3, "Fwd: a", "<3@a>" });
    /* a message joins a dummy; two dummies become one */
    CHECK(REFERENCES, "((1)(2)(3))", { 1, "a", "<1@a>", "<0@a>" }, { 2, "Re: a", "<2@a>", "<0@a>" }, { 3, "a", "<3@a>" });
    CHECK(REFERENCES, "((1)(2)(3)(4))", { 1, "a", "<1@a>", "<0@a>" }, { 2, "b", "<2@a>", "<0@a>" },
          { 3, "a", "<3@a>", "<9@a>" }, { 4, "c", "<4@a>", "<9@a>" });
    /* an empty subject joins nothing */
    CHECK(REFERENCES, "(1)(2)", { 1, "", "<1@a>" }, { 2, "Re:", "<2@a>" });
    /* 6: siblings by date, also those that were merged */
    CHECK(REFERENCES, "(3 (2)(4)(1))", { 9, "x", "<1@a>", "<3@a>" }, { 5, "Re: a", "<2@a>" }, { 1, "a", "<3@a>" }, { 6, "y", "<4@a>", "<3@a>" });
}

/* ---- hostile ---- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_number(struct ph_buf *b, const char *prefix, uint64_t n)
{
    ph_buf_add_z(b, prefix);
    ph_buf_add_u64(b, n);
    ph_buf_add_z(b, "@x> ");
}

/* One message with 100,000 references, then others that hang on the deepest and would close loops on the way up. */
static void test_deep(void **state)
{
    enum { DEEP = 100000, MORE = 20000 };
    struct ph_err err;
    struct ph_thread *t = ph_thread_new(PH_THREAD_REFERENCES, &key, &err);
    struct ph_buf refs = PH_BUF_INIT, id = PH_BUF_INIT;
    struct ph_writer w;
    double begin = seconds();

    for (int i = 0; i < DEEP; i++)
        add_number(&refs, "<d", (uint64_t)i);
    struct ph_thread_message m = { 1, 1, PH_STR("s"), PH_STR("<m@x>"), ph_buf_str(&refs), PH_STR_NIL };
    assert_int_equal(ph_thread_add(t, &m, &err), 0);
    for (uint32_t i = 0; i < MORE; i++) {
        ph_buf_clear(&refs);
        ph_buf_clear(&id);
        add_number(&id, "<y", i);
        if (i % 3 == 0) { /* the root under the deepest: a loop */
            add_number(&refs, "<d", DEEP - 1);
            add_number(&refs, "<d", 0);
        } else { /* something with a child under the deepest */
            add_number(&refs, "<c", i);
            add_number(&refs, "<e", i);
            add_number(&refs, "<d", DEEP - 1 - i % 2);
            add_number(&refs, "<c", i);
        }
        m = (struct ph_thread_message){ i + 2, i, PH_STR("t"), ph_buf_str(&id), ph_buf_str(&refs), PH_STR_NIL };
        assert_int_equal(ph_thread_add(t, &m, &err), 0);
    }
    assert_int_equal(ph_thread_finish(t, &err), 0);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    ph_thread_write(t, &w);
    assert_false(w.failed);
    if (!getenv("PH_SANITIZER"))
        assert_true(seconds() - begin < 10); /* walking up would take minutes */
    ph_writer_done(&w);
    ph_buf_done(&refs);
    ph_buf_done(&id);
    ph_thread_free(t);
}

/* A chain of messages, each answering the one before, newest first: depth in the answer without recursion. */
static void test_chain(void **state)
{
    enum { N = 200000 };
    struct ph_err err;
    struct ph_thread *t = ph_thread_new(PH_THREAD_REFERENCES, &key, &err);
    struct ph_buf refs = PH_BUF_INIT, id = PH_BUF_INIT, want = PH_BUF_INIT;
    struct ph_writer w;

    for (uint32_t i = N; i > 0; i--) {
        ph_buf_clear(&refs);
        ph_buf_clear(&id);
        add_number(&id, "<", i);
        add_number(&refs, "<", i - 1);
        struct ph_thread_message m = { i, i, PH_STR("Re: s"), ph_buf_str(&id), ph_buf_str(&refs), PH_STR_NIL };
        assert_int_equal(ph_thread_add(t, &m, &err), 0);
    }
    assert_int_equal(ph_thread_finish(t, &err), 0);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    ph_thread_write(t, &w);
    for (uint32_t i = 1; i <= N; i++) {
        ph_buf_add_char(&want, i == 1 ? '(' : ' ');
        ph_buf_add_u64(&want, i);
    }
    ph_buf_add_char(&want, ')');
    assert_string_equal(ph_buf_z(&w.out), ph_buf_z(&want));
    ph_writer_done(&w);
    ph_buf_done(&refs);
    ph_buf_done(&id);
    ph_buf_done(&want);
    ph_thread_free(t);
}

static void test_msgids(void **state)
{
    static const char *const want[] = { "a@b", "c d@e", "f@g" };
    struct ph_str rest = PH_STR("junk <a@b>, < \"c d\" (no) @e>\r\n <no-at> <@x> <y@ > <<f@g> <cut@");
    struct ph_buf out = PH_BUF_INIT;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(ph_msgid_next(&rest, &out), 1);
        assert_string_equal(ph_buf_z(&out), want[i]);
    }
    assert_int_equal(ph_msgid_next(&rest, &out), 0);
    assert_int_equal(ph_msgid_next(&rest, &out), 0);
    ph_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered_subject), cmocka_unit_test(test_references), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_links),           cmocka_unit_test(test_subject_merge), cmocka_unit_test(test_deep),
        cmocka_unit_test(test_chain),           cmocka_unit_test(test_msgids),
    };
    return cmocka_run_group_tests_name("mail/thread", tests, NULL, NULL);
}
