/* test.h: cmocka, and files for a test. */
#ifndef PH_TESTS_DAEMON_TEST_H
#define PH_TESTS_DAEMON_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static inline void check_contains(const char *text, const char *part, const char *file, int line)
{
    if (!text || !strstr(text, part)) {
        print_error("%s:%d: \"%s\" is not in: %s\n", file, line, part, text ? text : "(none)");
        _fail(file, line);
    }
}
#define assert_contains(text, part) check_contains(text, part, __FILE__, __LINE__)

/* A new folder's name; the caller removes what it puts there. */
static inline const char *new_folder(void)
{
    static char name[64];

    strcpy(name, "/tmp/ph-daemon-XXXXXX");
    assert_non_null(mkdtemp(name));
    return name;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline char *read_whole(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

#endif
