/* check.h: cmocka with the two comparisons that these tests use most. */
#ifndef PH_TESTS_CLI_CHECK_H
#define PH_TESTS_CLI_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Equal texts, either of them may be NULL. */
static inline void check_text(const char *got, const char *wanted, const char *file, int line)
{
    if ((got && wanted) ? strcmp(got, wanted) != 0 : got != wanted) {
        print_error("%s:%d: got    %s\n%s:%d: wanted %s\n", file, line, got ? got : "(none)", file, line,
                    wanted ? wanted : "(none)");
        _fail(file, line);
    }
}
#define assert_text(got, wanted) check_text(got, wanted, __FILE__, __LINE__)

static inline void check_contains(const char *text, const char *part, const char *file, int line)
{
    if (!text || !strstr(text, part)) {
        print_error("%s:%d: \"%s\" is not in: %s\n", file, line, part, text ? text : "(none)");
        _fail(file, line);
    }
}
#define assert_contains(text, part) check_contains(text, part, __FILE__, __LINE__)

#endif
