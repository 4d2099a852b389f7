/* Rows in blocks, their order, and their keyword sets. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/snapshot.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static uint64_t seed = 88172645463325252u;

static uint64_t rnd(void) /* xorshift64 */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct ph_row *add(struct ph_snapshot *s, uint32_t uid, uint64_t size)
{
    struct ph_row *r = ph_snapshot_add(s);

    assert_non_null(r);
    r->uid = uid;
    r->size = size;
    return r;
}

static void test_add(void **state)
{
    struct ph_snapshot s;
    const size_t n = 3 * PH_SNAPSHOT_BLOCK + 5;

    ph_snapshot_init(&s);
    assert_null(ph_snapshot_find(&s, 1));
    struct ph_row *first = add(&s, 2, 0);
    for (size_t i = 1; i < n; i++)
        add(&s, (uint32_t)(2 * i + 2), i);
    assert_ptr_equal(first, ph_snapshot_row(&s, 0)); /* rows never move while rows are added */
    assert_int_equal(s.n, n);
    assert_int_equal(s.n_blocks, 4);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ph_snapshot_find(&s, (uint32_t)(2 * i + 2))->size, i);
        assert_null(ph_snapshot_find(&s, (uint32_t)(2 * i + 1)));
    }
    assert_null(ph_snapshot_find(&s, UINT32_MAX));

    /* what is added after a truncate is zeroed, whatever was there */
    ph_snapshot_row(&s, 2048)->key = 99;
    ph_snapshot_truncate(&s, 2048);
    assert_int_equal(s.n, 2048);
    assert_int_equal(s.n_blocks, 1);
    ph_snapshot_truncate(&s, 5000);
    assert_int_equal(s.n, 2048);
    for (size_t i = 0; i < 9 * PH_SNAPSHOT_BLOCK; i++)
        assert_int_equal(add(&s, 1, 1)->key, 0);
    ph_snapshot_truncate(&s, 3);
    assert_int_equal(add(&s, 7, 0)->key, 0);
    ph_snapshot_truncate(&s, 0);
    assert_int_equal(s.n_blocks, 0);
    add(&s, 1, 0);
    ph_snapshot_done(&s);
    assert_int_equal(s.n, 0);
    ph_snapshot_done(&s);
}

static void test_fields(void **state)
{
    struct ph_snapshot s;

    ph_snapshot_init(&s);
    struct ph_row *r = add(&s, UINT32_MAX, 0);
    r->epoch = -62135596800; /* year 1, which some servers send */
    r->zone = -720;
    r->has_date = 1;
    r->size = (1ull << 48) - 1;
    r->kwset = 0xffffff;
    r->mark = 65535;
    assert_int_equal(r->epoch, -62135596800);
    r->epoch = 253402300799; /* 9999-12-31 */
    assert_int_equal(r->epoch, 253402300799);
    assert_int_equal(r->zone, -720);
    r->zone = 840;
    assert_int_equal(r->zone, 840);
    assert_true(r->has_date);
    assert_int_equal(r->size, 281474976710655);
    assert_int_equal(r->kwset, 16777215);
    assert_int_equal(r->mark, 65535);
    ph_snapshot_done(&s);
}

/* Sorted by UID, and of each UID the row with the highest size, which is the order of adding. */
static void check_uid_order(const struct ph_snapshot *s, const uint64_t *last, size_t n_uids, size_t want)
{
    assert_int_equal(s->n, want);
    for (size_t i = 0; i < s->n; i++) {
        struct ph_row *r = ph_snapshot_row(s, i);
        assert_true(r->uid < n_uids);
        if (i && r->uid <= ph_snapshot_row(s, i - 1)->uid)
            fail_msg("row %zu: UID %u after %u", i, r->uid, ph_snapshot_row(s, i - 1)->uid);
        assert_int_equal(r->size, last[r->uid]);
        assert_int_equal(r->key, r->uid * 3ull);
    }
}

enum shape { RANDOM, ASCENDING, DESCENDING, NEARLY, TWO_RUNS, FEW_VALUES, SHAPES };

static uint32_t pick(enum shape shape, size_t i, size_t n)
{
    switch (shape) {
    case ASCENDING:
        return (uint32_t)i;
    case DESCENDING:
        return (uint32_t)(n - 1 - i);
    case NEARLY:
        return (uint32_t)(rnd() % 64 ? i : rnd() % n);
    case TWO_RUNS:
        return (uint32_t)(i < n / 2 ? 2 * i : 2 * (i - n / 2) + 1);
    case FEW_VALUES:
        return (uint32_t)(rnd() % 7 % n);
    default:
        return (uint32_t)(rnd() % n);
    }
}

static void sort_case(enum shape shape, size_t n)
{
    struct ph_snapshot s;
    uint64_t *last = calloc(2 * n + 2, sizeof *last);
    size_t distinct = 0;

    ph_snapshot_init(&s);
    for (size_t i = 0; i < n; i++) {
        uint32_t uid = pick(shape, i, n);
        add(&s, uid, i + 1)->key = uid * 3ull;
        distinct += last[uid] == 0;
        last[uid] = i + 1;
    }
    ph_snapshot_sort_uid(&s);
    check_uid_order(&s, last, 2 * n + 2, distinct);
    /* to another order and back */
    for (size_t i = 0; i < s.n; i++)
        ph_snapshot_row(&s, i)->mark = (uint16_t)ph_snapshot_row(&s, i)->uid;
    ph_snapshot_sort_uid(&s);
    check_uid_order(&s, last, 2 * n + 2, distinct);
    for (size_t i = 0; i < s.n; i++)
        assert_int_equal(ph_snapshot_row(&s, i)->mark, (uint16_t)ph_snapshot_row(&s, i)->uid);
    ph_snapshot_done(&s);
    free(last);
}

static void test_sort_uid(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 24, 25, 47, 48, 49, 100, 2047, 2048, 2049, 5000, 20001 };

    for (int shape = 0; shape < SHAPES; shape++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            sort_case((enum shape)shape, sizes[i]);
}

static void check_key_order(struct ph_snapshot *s, size_t n)
{
    uint64_t sum = 0;

    assert_int_equal(s->n, n);
    for (size_t i = 0; i < n; i++) {
        struct ph_row *r = ph_snapshot_row(s, i), *q = i ? ph_snapshot_row(s, i - 1) : NULL;
        if (q)
            assert_true(q->key < r->key || (q->key == r->key && q->uid < r->uid));
        assert_int_equal(r->size, r->uid * 7ull); /* the rows moved whole */
        sum += r->uid;
    }
    assert_int_equal(sum, (uint64_t)n * (n + 1) / 2);
}

static void key_case(size_t n, uint64_t keys)
{
    struct ph_snapshot s;

    ph_snapshot_init(&s);
    for (size_t i = 1; i <= n; i++)
        add(&s, (uint32_t)i, i * 7ull)->key = keys ? rnd() % keys : rnd();
    ph_snapshot_sort_key(&s);
    check_key_order(&s, n);
    ph_snapshot_sort_key(&s);
    check_key_order(&s, n);
    ph_snapshot_sort_uid(&s);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ph_snapshot_row(&s, i)->uid, i + 1);
    ph_snapshot_done(&s);
}

/* An input that sends a median-of-three quicksort into the square: the middle is the smallest but one each time. */
static void test_sort_key_killer(void **state)
{
    struct ph_snapshot s;
    const size_t n = 60000;

    ph_snapshot_init(&s);
    for (size_t i = 1; i <= n; i++)
        add(&s, (uint32_t)i, i * 7ull);
    /* Musser's sequence for median of three */
    for (size_t i = 0; i < n / 2; i++) {
        ph_snapshot_row(&s, i)->key = i % 2 == 0 ? i + 1 : n / 2 + i;
        ph_snapshot_row(&s, n / 2 + i)->key = 2 * i + 2;
    }
    ph_snapshot_sort_key(&s);
    check_key_order(&s, n);
    ph_snapshot_done(&s);
}

static void test_sort_key(void **state)
{
    static const size_t sizes[] = { 0, 1, 2, 24, 25, 26, 100, 2048, 2049, 30000 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        key_case(sizes[i], 0);
        key_case(sizes[i], 1);
        key_case(sizes[i], 5);
        key_case(sizes[i], 1000);
    }
}

static void test_large(void **state)
{
#ifdef SANITIZED
    const size_t n = 50000;
#else
    const size_t n = 500000;
#endif
    struct ph_snapshot s;

    ph_snapshot_init(&s);
    for (size_t i = 0; i < n; i++) {
        uint32_t uid = (uint32_t)((i * 2654435761u) & 0x7fffffff); /* odd multiplier: no UID twice */
        add(&s, uid, i)->key = rnd();
    }
#ifndef SANITIZED
    struct mallinfo2 before = mallinfo2();
    size_t taken = before.uordblks + before.hblkhd;
    assert_true(taken < n * 33 + (1 << 20));
#endif
    ph_snapshot_sort_key(&s);
    ph_snapshot_sort_uid(&s);
    assert_int_equal(s.n, n);
    for (size_t i = 1; i < n; i++)
        assert_true(ph_snapshot_row(&s, i - 1)->uid < ph_snapshot_row(&s, i)->uid);
#ifndef SANITIZED
    struct mallinfo2 after = mallinfo2();
    assert_true(after.uordblks + after.hblkhd <= taken);
#endif
    ph_snapshot_done(&s);
}

static int kwset(struct ph_snapshot *s, const char *words)
{
    struct ph_str w[16];
    size_t n = 0;

    for (const char *p = words; *p; n++) {
        size_t len = strcspn(p, ",");
        w[n] = (struct ph_str){ p, len };
        p += len + (p[len] == ',');
    }
    return ph_snapshot_kwset(s, w, n);
}

static void test_kwsets(void **state)
{
    struct ph_snapshot s;

    ph_snapshot_init(&s);
    assert_int_equal(kwset(&s, ""), 0);
    assert_int_equal(kwset(&s, ",,"), 0); /* empty words are none */
    int a = kwset(&s, "$Forwarded,Work,$label1");
    assert_true(a > 0);
    assert_string_equal(s.kwsets[a], "$Forwarded $label1 Work"); /* sorted without regard to case */
    assert_int_equal(kwset(&s, "Work,$label1,$Forwarded"), a);
    assert_int_equal(kwset(&s, "Work,$label1,Work,$Forwarded,$label1"), a);
    int b = kwset(&s, "work");
    assert_string_equal(s.kwsets[b], "work"); /* the case is kept */
    int c = kwset(&s, "Work");
    assert_string_equal(s.kwsets[c], "Work");
    assert_int_equal(kwset(&s, "Work,work"), c); /* one keyword, in two cases */
    assert_int_equal(kwset(&s, "work,Work"), c);
    assert_int_not_equal(kwset(&s, "Wor,k"), c);

    struct ph_row *r = add(&s, 1, 0);
    assert_string_equal(ph_snapshot_keywords(&s, r), "");
    r->kwset = (uint32_t)a & 0xffffff;
    assert_string_equal(ph_snapshot_keywords(&s, r), "$Forwarded $label1 Work");
    ph_snapshot_done(&s);
}

static void test_many_kwsets(void **state)
{
    struct ph_snapshot s;
    const int n = 100000;
    char word[32];

    ph_snapshot_init(&s);
    for (int round = 0; round < 2; round++)
        for (int i = 1; i <= n; i++) {
            snprintf(word, sizeof word, "label%d", i);
            struct ph_str w[] = { PH_STR("x"), { word, strlen(word) } };
            assert_int_equal(ph_snapshot_kwset(&s, w, 2), i);
        }
    assert_string_equal(s.kwsets[n], "label100000 x");
    assert_string_equal(s.kwsets[0], "");
    ph_snapshot_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),      cmocka_unit_test(test_fields),
        cmocka_unit_test(test_sort_uid), cmocka_unit_test(test_sort_key),
        cmocka_unit_test(test_sort_key_killer),
        cmocka_unit_test(test_large),    cmocka_unit_test(test_kwsets),
        cmocka_unit_test(test_many_kwsets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
