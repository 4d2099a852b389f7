/* Odd mail of many projects, where it is at hand (PH_SHARED, or ../shared beside the checkout): nothing we say of a message depends
 * on the pieces it comes in, its repaired form is explained by the very repairs, and what came through other hands is
 * found to be the same. Passes without the folder. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/differ.h"
#include "mail/digest.h"
#include "mail/identity.h"
#include "mail/mime.h"
#include "mail/repair.h"

struct text {
    struct ph_str s;
    size_t piece;
};

static int read_some(void *ctx, const char **p, size_t *n, struct ph_err *err)
{
    struct text *t = ctx;

    *p = t->s.p;
    *n = t->s.n < t->piece ? t->s.n : t->piece;
    t->s.p += *n;
    t->s.n -= *n;
    return 0;
}

static unsigned differ(struct ph_str a, struct ph_str b, bool rewrites)
{
    struct text s = { a, 1000 }, d = { b, 777 };
    struct ph_reader rs = { read_some, &s }, rd = { read_some, &d };
    struct ph_difference out;
    struct ph_err err;

    assert_int_equal(ph_differ(&rs, &rd, rewrites, &out, &err), 0);
    return out.what;
}

static void check_repairs(const char *path, struct ph_str in)
{
    struct ph_repairer r;
    struct ph_digest_set facts = { 0 };
    struct ph_buf out = PH_BUF_INIT;

    ph_repair_init(&r, PH_REPAIR_ALL, 0);
    assert_int_equal(ph_repair_apply(&r, in.p, in.n, &out), 0);
    assert_int_equal(ph_repair_apply_end(&r, &out), 0);
    ph_digest_scan(&facts, in.p, in.n);
    ph_digest_scan_end(&facts);
    unsigned what = differ(in, ph_buf_str(&out), false), faults = facts.flags & ~(unsigned)PH_BYTES_8BIT;
    if (what & PH_DIFF_OTHER)
        fail_msg("%s: repaired 0x%x, found 0x%x", path, r.did, what);
    if (!(faults & ~(unsigned)PH_BYTES_LONG_LINE))
        assert_int_equal(what, faults ? PH_DIFF_LONG_LINES : 0);
    assert_int_equal(!!(what & PH_DIFF_NUL), !!(faults & PH_BYTES_NUL));
    ph_buf_done(&out);
}

/* Fields of its own in front, as every delivery adds them. */
static void check_added(const char *path, struct ph_str in)
{
    struct ph_buf out = PH_BUF_INIT;

    if (in.p[0] == ' ' || in.p[0] == '\t') /* it would go on with the last of them */
        return;
    ph_buf_add_z(&out, "Return-Path: <a@b.example>\r\nReceived: from c\r\n\tby d; today\r\n");
    ph_buf_add_str(&out, in);
    unsigned what = differ(in, ph_buf_str(&out), false);
    if (what != PH_DIFF_HEADER_ADDED)
        fail_msg("%s: 0x%x", path, what);
    ph_buf_done(&out);
}

static void check_mime(struct ph_str in)
{
    struct ph_mime m[2];
    struct ph_err err;

    for (int k = 0; k < 2; k++) {
        size_t piece = k ? 100 : in.n + 1;
        assert_int_equal(ph_mime_init(&m[k], NULL, NULL, &err), 0);
        for (size_t i = 0; i < in.n; i += piece)
            assert_int_equal(ph_mime_feed(&m[k], in.p + i, in.n - i < piece ? in.n - i : piece, &err), 0);
        assert_int_equal(ph_mime_finish(&m[k], &err), 0);
    }
    assert_int_equal(m[0].n_parts, m[1].n_parts);
    for (uint32_t i = 0; i < m[0].n_parts; i++) {
        const struct ph_mime_part *p = &m[0].parts[i], *q = &m[1].parts[i];
        assert_true(p->header == q->header && p->body == q->body && p->end == q->end);
        assert_true(p->body_lines == q->body_lines && p->header_lines == q->header_lines);
        assert_string_equal(p->subtype, q->subtype);
    }
    ph_mime_done(&m[0]);
    ph_mime_done(&m[1]);
}

static void check_header(struct ph_str in)
{
    static const char *const names[] = { "Subject", "From", "To" };
    struct ph_buf out = PH_BUF_INIT;

    for (int i = 0; i < 3; i++) {
        ph_buf_clear(&out);
        assert_int_equal(ph_header_display(ph_header_field(in, names[i]), &out), 0);
        for (size_t k = 0; k < ph_buf_len(&out); k++)
            assert_true((unsigned char)ph_buf_data(&out)[k] >= 0x20);
    }
    ph_buf_done(&out);
}

static unsigned count;

static int one_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t n = strlen(path);

    if (type != FTW_F || n < 4 || strcmp(path + n - 4, ".eml") != 0 || st->st_size > 4 << 20 || st->st_size == 0)
        return 0;
    FILE *f = fopen(path, "re");
    char *p = malloc((size_t)st->st_size);
    assert_non_null(f);
    assert_non_null(p);
    struct ph_str in = { p, fread(p, 1, (size_t)st->st_size, f) };
    fclose(f);
    assert_int_equal(differ(in, in, true), 0);
    check_repairs(path, in);
    check_added(path, in);
    check_mime(in);
    check_header(in);
    free(p);
    count++;
    return 0;
}

static void test_all(void **state)
{
    const char *shared = getenv("PH_SHARED");
    char root[4096];

    snprintf(root, sizeof root, shared ? "%s%s" : "%s/../shared%s", shared ? shared : SOURCE_ROOT, "/corpus");
    if (nftw(root, one_file, 20, FTW_PHYS) != 0 && count == 0)
        skip();
    print_message("%u messages\n", count);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };
    return cmocka_run_group_tests_name("mail/corpus", tests, NULL, NULL);
}
