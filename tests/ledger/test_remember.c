/* What imapcopy -Z remembers: across runs, a folder at a time, in a file that nobody else reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/remember.h"

static char folder[64], path[128];
static const struct ph_hash_key mine = { "0123456789abcde" }, other = { "another key 16b" };

static int make(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/ph-remember-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/anna", folder);
    return 0;
}

static int take_away(void **state)
{
    char name[160];

    unlink(path);
    snprintf(name, sizeof name, "%s-journal", path);
    unlink(name);
    return rmdir(folder);
}

static struct ph_remember *opened(const struct ph_hash_key *key, struct ph_hash_key *got)
{
    struct ph_remember *m = NULL;
    struct ph_err err = { 0 };

    *got = *key;
    if (ph_remember_open(path, got, &m, &err))
        fail_msg("%s", err.text);
    return m;
}

static void check(struct ph_remember *m, const char *name, const uint64_t *wanted, size_t n)
{
    uint64_t *keys;
    size_t got;
    struct ph_err err;

    assert_int_equal(ph_remember_keys(m, name, &keys, &got, &err), 0);
    assert_int_equal(got, n);
    if (n)
        assert_memory_equal(keys, wanted, n * sizeof *keys);
    free(keys);
}

static void survives_and_sorts(void **state)
{
    const uint64_t keys[] = { UINT64_MAX, 3, 0, 1ull << 63, 3, 7 }, sorted[] = { 3, 7, 1ull << 63, UINT64_MAX }, one[] = { 3 };
    struct ph_hash_key key;
    struct ph_err err;
    struct stat st;

    struct ph_remember *m = opened(&mine, &key);
    assert_memory_equal(&key, &mine, sizeof key);
    check(m, "INBOX", NULL, 0);
    assert_int_equal(ph_remember_add(m, "INBOX", keys, 6, 20000, &err), 0);
    assert_int_equal(ph_remember_add(m, "Sent", one, 1, 20000, &err), 0);
    ph_remember_close(m);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    m = opened(&other, &key); /* its own hash key counts, or nothing would be recognised */
    assert_memory_equal(&key, &mine, sizeof key);
    assert_int_equal(ph_remember_add(m, "INBOX", one, 1, 20001, &err), 0);
    check(m, "INBOX", sorted, 4);
    check(m, "Sent", one, 1);
    check(m, "inbox", NULL, 0);
    ph_remember_close(m);
}

static void one_run_at_a_time(void **state)
{
    struct ph_hash_key key;
    struct ph_err err;
    struct ph_remember *m = opened(&mine, &key), *second;

    assert_int_equal(ph_remember_open(path, &key, &second, &err), -1);
    assert_int_equal(err.kind, PH_E_LOCKED);
    assert_non_null(strstr(err.text, path));
    ph_remember_close(m);
}

static void foreign_files_are_left_alone(void **state)
{
    static const char text[] = "This is somebody's letter, and long enough not to be taken for an empty file. "
                               "It has nothing to do with databases at all, and it shall stay as it is.";
    struct ph_hash_key key = mine;
    struct ph_remember *m;
    struct ph_err err;
    char back[sizeof text];

    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(ph_remember_open(path, &key, &m, &err), -1);
    assert_int_equal(err.kind, PH_E_CORRUPT);
    f = fopen(path, "r");
    assert_int_equal(fread(back, 1, sizeof back, f), sizeof text - 1);
    fclose(f);
    assert_memory_equal(back, text, sizeof text - 1);
    unlink(path);
    assert_int_equal(symlink("/nonexistent/x", path), 0);
    assert_int_equal(ph_remember_open(path, &key, &m, &err), -1);
    assert_int_equal(err.kind, PH_E_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(survives_and_sorts, make, take_away),
        cmocka_unit_test_setup_teardown(one_run_at_a_time, make, take_away),
        cmocka_unit_test_setup_teardown(foreign_files_are_left_alone, make, take_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
