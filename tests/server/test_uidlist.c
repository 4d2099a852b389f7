/* Message numbers against the plain definition: the position in the ascending list of UIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "server/mailbox.h"

#define MAX 400

/* A repeatable sequence: no test may depend on chance. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void check(const bool *member)
{
    struct ph_numset set = PH_NUMSET_INIT, back = PH_NUMSET_INIT;
    uint32_t seq = 0;

    for (uint32_t uid = 1; uid < MAX; uid++)
        if (member[uid])
            assert_int_equal(ph_numset_add(&set, uid), 0);
    struct uidlist *l = uidlist_new(&set);
    assert_non_null(l);
    assert_int_equal(l->count, ph_numset_count(&set));
    for (uint32_t uid = 1; uid < MAX; uid++) {
        if (member[uid]) {
            assert_int_equal(uidlist_seq(l, uid), ++seq);
            assert_int_equal(uidlist_uid(l, seq), uid);
        } else {
            assert_int_equal(uidlist_seq(l, uid), 0);
        }
    }
    assert_int_equal(uidlist_uid(l, 0), 0);
    assert_int_equal(uidlist_uid(l, seq + 1), 0);
    assert_int_equal(uidlist_seq(l, UINT32_MAX), 0);
    assert_int_equal(uidlist_last(l), seq ? uidlist_uid(l, seq) : 0);
    assert_int_equal(uidlist_to_set(l, &back), 0);
    assert_int_equal(back.n, set.n);
    for (size_t i = 0; i < set.n; i++) {
        assert_int_equal(back.r[i].first, set.r[i].first);
        assert_int_equal(back.r[i].last, set.r[i].last);
    }
    uidlist_free(uidlist_ref(l));
    uidlist_free(l);
    ph_numset_done(&set);
    ph_numset_done(&back);
}

static void test_empty(void **state)
{
    bool member[MAX] = { 0 };

    check(member);
}

static void test_one_range(void **state)
{
    bool member[MAX] = { 0 };

    for (int i = 1; i < MAX; i++)
        member[i] = true;
    check(member);
}

static void test_any_gaps(void **state)
{
    uint32_t seed = 1;

    for (int round = 0; round < 200; round++) {
        bool member[MAX] = { 0 };
        uint32_t density = next_random(&seed) % 100;
        for (int i = 1; i < MAX; i++)
            member[i] = next_random(&seed) % 100 < density;
        check(member);
    }
}

static void test_highest_uid(void **state)
{
    struct ph_numset set = PH_NUMSET_INIT;

    assert_int_equal(ph_numset_add_range(&set, UINT32_MAX - 1, UINT32_MAX), 0);
    struct uidlist *l = uidlist_new(&set);
    assert_int_equal(uidlist_seq(l, UINT32_MAX), 2);
    assert_int_equal(uidlist_uid(l, 2), UINT32_MAX);
    uidlist_free(l);
    ph_numset_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_one_range),
        cmocka_unit_test(test_any_gaps),
        cmocka_unit_test(test_highest_uid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
