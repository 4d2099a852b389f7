#include "test.h"

#include "daemon/throttle.h"

#define A "192.0.2.1:1000"

static void fail_times(struct ph_throttle *t, const char *peer, unsigned n, int64_t now)
{
    while (n--)
        ph_throttle_failed(t, peer, now);
}

static void test_delays_grow(void **state)
{
    static const unsigned wanted[] = { 0, 0, 0, 1000, 2000, 4000, 8000, 15000, 15000, 15000 };
    int64_t now = 1000000;

    for (unsigned failures = 0; failures < sizeof wanted / sizeof *wanted; failures++) {
        struct ph_throttle *t = ph_throttle_new(0);
        fail_times(t, A, failures, now);
        assert_int_equal(ph_throttle_delay(t, A, now), wanted[failures]);
        assert_int_equal(ph_throttle_delay(t, "192.0.2.2:1000", now), 0); /* nobody else */
        ph_throttle_free(t);
    }
}

static void test_tries_side_by_side_wait_one_behind_the_other(void **state)
{
    struct ph_throttle *t = ph_throttle_new(0);

    fail_times(t, A, 4, 0);
    assert_int_equal(ph_throttle_delay(t, A, 0), 2000);
    assert_int_equal(ph_throttle_delay(t, "192.0.2.1:2000", 0), 4000);
    assert_int_equal(ph_throttle_delay(t, "192.0.2.1:3000", 500), 5500);
    for (int i = 0; i < 100; i++)
        assert_true(ph_throttle_delay(t, A, 0) <= PH_THROTTLE_QUEUE_MS);
    assert_int_equal(ph_throttle_delay(t, A, 0), PH_THROTTLE_QUEUE_MS);
    struct ph_throttle_counters c;
    ph_throttle_count(t, &c);
    assert_int_equal(c.failures, 4);
    assert_int_equal(c.delayed, 104);
    assert_int_equal(c.addresses, 1);
    ph_throttle_free(t);
}

static void test_failures_are_forgotten(void **state)
{
    struct ph_throttle *t = ph_throttle_new(0);

    fail_times(t, A, 4, 0);
    assert_int_equal(ph_throttle_delay(t, A, PH_THROTTLE_FORGET_MS - 1), 2000);
    assert_int_equal(ph_throttle_delay(t, A, 10 * PH_THROTTLE_FORGET_MS), 0);
    fail_times(t, A, 1000, 0); /* no more than the worst are remembered */
    int64_t gone = (PH_THROTTLE_WORST - PH_THROTTLE_FREE) * (int64_t)PH_THROTTLE_FORGET_MS;
    assert_int_equal(ph_throttle_delay(t, A, gone - 1), 1000);
    assert_int_equal(ph_throttle_delay(t, A, gone), 0);
    ph_throttle_free(t);
}

static void test_addresses(void **state)
{
    struct ph_throttle *t = ph_throttle_new(0);
    unsigned char a[16], b[16];

    assert_int_equal(ph_peer_address("192.0.2.1:5", a), 4);
    assert_int_equal(ph_peer_address("192.0.2.1", b), 4);
    assert_memory_equal(a, b, 4);
    assert_int_equal(ph_peer_address("[2001:db8::1]:5", a), 8);
    assert_int_equal(ph_peer_address("unix", a), 0);
    assert_int_equal(ph_peer_address("", a), 0);
    fail_times(t, "[2001:db8:0:1::1]:5", 3, 0);
    assert_int_equal(ph_throttle_delay(t, "[2001:db8:0:1:ffff::9]:7", 0), 1000); /* the same /64 */
    assert_int_equal(ph_throttle_delay(t, "[2001:db8:0:2::1]:5", 0), 0);
    fail_times(t, "unix", 100, 0);
    assert_int_equal(ph_throttle_delay(t, "unix", 0), 0);
    ph_throttle_free(t);
}

static void test_memory_is_bounded(void **state)
{
    struct ph_throttle *t = ph_throttle_new(16);
    struct ph_throttle_counters c;
    char peer[40];

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(peer, sizeof peer, "10.0.%u.%u:1", i / 256, i % 256);
        fail_times(t, peer, 3, i);
        if (i % 7 == 0)
            fail_times(t, A, 1, i); /* keeps coming: is not forgotten */
    }
    ph_throttle_count(t, &c);
    assert_int_equal(c.addresses, 16);
    assert_int_equal(ph_throttle_delay(t, A, 5000), PH_THROTTLE_LONGEST_MS);
    assert_int_equal(ph_throttle_delay(t, peer, 5000), 1000);
    assert_int_equal(ph_throttle_delay(t, "10.0.0.1:1", 5000), 0);
    ph_throttle_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delays_grow),
        cmocka_unit_test(test_tries_side_by_side_wait_one_behind_the_other),
        cmocka_unit_test(test_failures_are_forgotten),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_memory_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
