/* Hash and facts of streaming bytes, against OpenSSL alone and an octet-by-octet reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "mail/digest.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X990 X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10

static unsigned slow(const char *p, size_t n)
{
    unsigned flags = 0;
    size_t line = 0;

    for (size_t i = 0; i < n; i++) {
        bool before_lf = i + 1 < n && p[i + 1] == '\n', after_cr = i && p[i - 1] == '\r';
        if (p[i] == 0)
            flags |= PH_BYTES_NUL;
        if (p[i] & 0x80)
            flags |= PH_BYTES_8BIT;
        if (p[i] == '\r' && !before_lf)
            flags |= PH_BYTES_BARE_CR;
        if (p[i] == '\n' && !after_cr)
            flags |= PH_BYTES_BARE_LF;
        if (p[i] == '\n') {
            if (line - (line && after_cr) > 998)
                flags |= PH_BYTES_LONG_LINE;
            line = 0;
        } else {
            line++;
        }
    }
    if (line)
        flags |= PH_BYTES_NO_FINAL_CRLF;
    if (line - (line && p[n - 1] == '\r') > 998)
        flags |= PH_BYTES_LONG_LINE;
    return flags;
}

static void check(struct ph_digest_set *d, const char *p, size_t n, size_t cut, unsigned want)
{
    unsigned char got[32], sha[32];

    for (size_t i = 0; i < n; i += cut)
        ph_digest_add(d, p + i, n - i < cut ? n - i : cut);
    ph_digest_end(d, got);
    SHA256((const unsigned char *)p, n, sha);
    assert_memory_equal(got, sha, 32);
    assert_int_equal(d->size, n);
    assert_int_equal(d->flags, want);
}

static void test_facts(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        unsigned want;
    } cases[] = {
#define CASE(text, flags) { text, sizeof text - 1, flags }
        CASE("", 0),
        CASE("a\r\nb\r\n", 0),
        CASE("a\r\nb", PH_BYTES_NO_FINAL_CRLF),
        CASE("a\nb\r\n", PH_BYTES_BARE_LF),
        CASE("\n", PH_BYTES_BARE_LF),
        CASE("a\rb\r\n", PH_BYTES_BARE_CR),
        CASE("a\r\r\n", PH_BYTES_BARE_CR),
        CASE("a\r", PH_BYTES_BARE_CR | PH_BYTES_NO_FINAL_CRLF),
        CASE("\r", PH_BYTES_BARE_CR | PH_BYTES_NO_FINAL_CRLF),
        CASE("a\n\r", PH_BYTES_BARE_LF | PH_BYTES_BARE_CR | PH_BYTES_NO_FINAL_CRLF),
        CASE("a\0\r\n", PH_BYTES_NUL),
        CASE("\x80\r\n", PH_BYTES_8BIT),
        CASE(X990 "12345678\r\n", 0),
        CASE(X990 "123456789\r\n", PH_BYTES_LONG_LINE),
        CASE(X990 "12345678\n", PH_BYTES_BARE_LF),
        CASE(X990 "123456789\n", PH_BYTES_LONG_LINE | PH_BYTES_BARE_LF),
        CASE(X990 "12345678", PH_BYTES_NO_FINAL_CRLF),
        CASE(X990 "123456789", PH_BYTES_LONG_LINE | PH_BYTES_NO_FINAL_CRLF),
        CASE("a\r\n" X990 "123456789\r\n\r\n", PH_BYTES_LONG_LINE),
    };
    struct ph_digest_set d;
    struct ph_err err;

    assert_int_equal(ph_digest_init(&d, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(slow(cases[i].p, cases[i].n), cases[i].want);
        for (size_t cut = 1; cut < 130; cut++)
            check(&d, cases[i].p, cases[i].n, cut, cases[i].want);
    }
    ph_digest_done(&d);
}

static void test_noise(void **state)
{
    static const char pieces[] = "\r\n\r\n\r\nabcdefgh\n\r\0\x80";
    struct ph_digest_set d;
    struct ph_err err;
    uint32_t seed = 3;
    char text[3000];

    assert_int_equal(ph_digest_init(&d, &err), 0);
    for (int round = 0; round < 3000; round++) {
        seed = seed * 1664525 + 1013904223;
        size_t n = seed % sizeof text, cut = 1 + (seed >> 8) % 200;
        unsigned common = 1 + (seed >> 4) % 2000;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = (seed >> 8) % common ? 'x' : pieces[(seed >> 24) % (sizeof pieces - 1)];
        }
        check(&d, text, n, cut, slow(text, n));
    }
    ph_digest_done(&d);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The facts cost little beside the hash. */
static void test_cost(void **state)
{
    enum { N = 1 << 20, ROUNDS = 16 };
    char *text = malloc(N);
    struct ph_digest_set d, facts = { 0 };
    struct ph_err err;
    unsigned char sha[32];

    for (size_t i = 0; i < N; i++)
        text[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
    assert_int_equal(ph_digest_init(&d, &err), 0);
    double a = seconds();
    for (int i = 0; i < ROUNDS; i++)
        ph_digest_add(&d, text, N);
    ph_digest_end(&d, sha);
    double b = seconds();
    for (int i = 0; i < ROUNDS; i++)
        ph_digest_scan(&facts, text, N);
    double c = seconds();
    print_message("hash and facts %.3f ns/octet, facts alone %.3f\n", (b - a) * 1e9 / N / ROUNDS, (c - b) * 1e9 / N / ROUNDS);
    assert_int_equal(d.size, (uint64_t)N * ROUNDS);
    ph_digest_done(&d);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests_name("mail/digest", tests, NULL, NULL);
}
