/* The wildcards of LIST, and the tree it is made of: by RFC 3501 6.3.8, RFC 9051 6.3.9 and RFC 5258. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "server/list.h"
#include "wire/command.h"

static const struct {
    const char *pattern, *name;
    char delim;
    bool matches;
} table[] = {
    { "*", "a", '/', true },
    { "*", "a/b/c", '/', true },
    { "%", "a", '/', true },
    { "%", "a/b", '/', false },
    { "%/%", "a/b", '/', true },
    { "%/%", "a/b/c", '/', false },
    { "%/%", "a", '/', false },
    { "a*c", "a/b/c", '/', true },
    { "a%c", "a/b/c", '/', false },
    { "a%c", "abbc", '/', true },
    { "a%c", "ac", '/', true },
    { "a/%", "a/", '/', true }, /* a wildcard may match nothing */
    { "a/%", "a", '/', false },
    { "*%", "a/b", '/', true }, /* next to `*`, `%` adds nothing */
    { "%*", "a/b", '/', true },
    { "%%", "ab", '/', true },
    { "%%", "a/b", '/', false },
    { "%*%", "a/b/c", '/', true },
    { "foo", "foo", '/', true },
    { "foo", "Foo", '/', false },
    { "foo", "fooo", '/', false },
    { "foo", "fo", '/', false },
    { "inbox", "INBOX", '/', true },
    { "InB*", "INBOX", '/', true },
    { "%box", "INBOX", '/', true },
    { "inbox/x", "INBOX/x", '/', true },
    { "inbox/X", "INBOX/x", '/', false }, /* only the first level */
    { "inbox.x", "INBOX.x", '/', false },
    { "inboxes", "INBOXES", '/', false },
    { "a.%", "a.b", '.', true },
    { "a.%", "a.b/c", '.', true },
    { "a.%", "a.b.c", '.', false },
    { "%", "a.b", 0, true }, /* no levels: nothing stops it */
    { "*a*a*b", "aaaaaaab", '/', true },
    { "*a*a*b", "aaaaaaac", '/', false },
    { "%a*b", "xa/y/b", '/', true },
    { "%b", "a/b", '/', false },
    { "*/%b", "a/x/yb", '/', true },
    { "a*/c%", "a/b/c/d", '/', false },
    { "a*/c%", "a/b/cd", '/', true },
    { "\303\244%", "\303\244\303\266", '/', true },
    { "", "", '/', true },
    { "", "a", '/', false },
};

static bool match(const char *pattern, const char *name, char delim)
{
    struct ph_arena a;
    ph_arena_init(&a, 0);
    struct list_pattern *p = list_pattern_new(&a, ph_str(pattern));
    assert_non_null(p);
    bool r = list_pattern_match(p, ph_str(name), delim);
    ph_arena_done(&a);
    return r;
}

static void test_table(void **state)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (match(table[i].pattern, table[i].name, table[i].delim) != table[i].matches)
            fail_msg("%s and %s", table[i].pattern, table[i].name);
}

/* What the RFC says, without regard to time: to compare with. */
static bool slow(const char *p, const char *s, char delim)
{
    if (!*p)
        return !*s;
    if (*p == '*' || *p == '%')
        return slow(p + 1, s, delim) || (*s && !(*p == '%' && *s == delim) && slow(p, s + 1, delim));
    return *s == *p && slow(p + 1, s + 1, delim);
}

static void test_against_the_definition(void **state)
{
    static const char letters[] = "ab/*%", plain[] = "ab/";
    char pattern[7], name[7];

    srandom(20260101);
    for (int i = 0; i < 200000; i++) {
        size_t n = (size_t)random() % sizeof pattern, m = (size_t)random() % sizeof name;
        for (size_t k = 0; k < n; k++)
            pattern[k] = letters[random() % 5];
        for (size_t k = 0; k < m; k++)
            name[k] = plain[random() % 3];
        pattern[n] = name[m] = '\0';
        if (match(pattern, name, '/') != slow(pattern, name, '/'))
            fail_msg("%s and %s", pattern, name);
    }
}

/* States in several words, carried over their borders. */
static void test_long(void **state)
{
    char name[1025], pattern[2050];

    for (size_t n = 60; n < 1024; n += 31) {
        memset(name, 'a', n);
        name[n] = '\0';
        assert_true(match(name, name, '/'));
        for (size_t i = 0; i < n; i++) {
            pattern[2 * i] = i % 2 ? '*' : '%';
            pattern[2 * i + 1] = 'a';
        }
        pattern[2 * n] = '\0';
        assert_true(match(pattern, name, '/'));
        name[n / 2] = 'b';
        assert_false(match(pattern, name, '/'));
        name[n / 2] = '\0';
        assert_false(match(pattern, name, '/'));
    }
}

/* A pattern that would take a backtracking matcher longer than the universe lasts. */
static void test_hostile(void **state)
{
    struct ph_arena a;
    char pattern[LIST_PATTERN_OCTETS + 2], name[2049];
    clock_t began = clock();

    for (size_t i = 0; i < LIST_PATTERN_OCTETS - 1; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[LIST_PATTERN_OCTETS - 1] = 'b';
    pattern[LIST_PATTERN_OCTETS] = '\0';
    memset(name, 'a', 2048);
    name[2048] = '\0';
    ph_arena_init(&a, 0);
    struct list_pattern *p = list_pattern_new(&a, ph_str("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"));
    for (int i = 0; i < 1000; i++)
        assert_false(list_pattern_match(p, ph_str(name), '/'));
    assert_false(match(pattern, name, '/'));
    pattern[LIST_PATTERN_OCTETS] = 'x'; /* one too many */
    pattern[LIST_PATTERN_OCTETS + 1] = '\0';
    assert_null(list_pattern_new(&a, ph_str(pattern)));
    ph_arena_done(&a);
    assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 20);
}

/* ---- the tree ---- */

static struct ph_folder folder(const char *name, uint32_t attrs)
{
    return (struct ph_folder){ .name = name, .delim = '/', .attrs = attrs };
}

/* "name flags" of each node that matters: m matches, c chosen, b below, u below_unseen, k children, e exists. */
static void draw(const struct list_tree *t, char *out)
{
    *out = '\0';
    for (size_t i = 0; i < t->n; i++) {
        const struct list_node *n = &t->nodes[i];
        out += sprintf(out, "%.*s:%s%s%s%s%s%s ", PH_FMT(n->name), n->exists ? "e" : "", n->matches ? "m" : "",
                       n->chosen ? "c" : "", n->below ? "b" : "", n->below_unseen ? "u" : "", n->children ? "k" : "");
    }
}

static void check_tree(struct ph_folder *f, size_t n, const char *pattern, unsigned select, const char *want)
{
    struct ph_folder_list l = { .f = f, .n = n, .delim = '/' };
    struct list_patterns p = { .n = 1 };
    struct list_tree t;
    struct ph_arena a;
    char got[1000];

    ph_arena_init(&a, 0);
    p.p[0] = list_pattern_new(&a, ph_str(pattern));
    assert_int_equal(list_tree_build(&t, &l, &p, select, NULL), 0);
    draw(&t, got);
    assert_string_equal(got, want);
    list_tree_done(&t);
    ph_arena_done(&a);
}

static void test_tree(void **state)
{
    /* "a b" sorts between "a" and "a/x" as octets, but is not below "a" */
    struct ph_folder f[] = { folder("a b", 0), folder("a/x", PH_MA_SUBSCRIBED), folder("q/r/s", 0), folder("a", 0),
                             folder("q/r/t", PH_MA_NONEXISTENT | PH_MA_SUBSCRIBED), folder("a", 0) };

    check_tree(f, 6, "%", 0, "a:emcbuk a/x:ec a b:emc q:mbuk q/r/s:ec q/r/t: ");
    check_tree(f, 6, "*", 0, "a:emcbk a/x:emc a b:emc q:mbk q/r:mbk q/r/s:emc q/r/t:m ");
    check_tree(f, 6, "%", PH_LO_SUBSCRIBED, "a:embuk a/x:ec a b:em q:mbuk q/r/s:e q/r/t:c ");
    check_tree(f, 6, "q/%", 0, "a:ecbuk a/x:ec a b:ec q/r:mbuk q/r/s:ec q/r/t: ");
}

static void test_many(void **state)
{
    size_t n = 100000;
    struct ph_folder *f = calloc(n, sizeof *f);
    char (*name)[40] = calloc(n, sizeof *name);
    struct ph_folder_list l = { .f = f, .n = n };
    struct list_patterns p = { .n = 1 };
    struct list_tree t;
    struct ph_arena a;
    clock_t began = clock();

    for (size_t i = 0; i < n; i++) { /* in no order */
        snprintf(name[i], sizeof *name, "y%zu/m%zu/d%zu", i * 7919 % 100, i * 31 % 97, i);
        f[i] = folder(name[i], 0);
    }
    ph_arena_init(&a, 0);
    p.p[0] = list_pattern_new(&a, PH_STR("%/%"));
    assert_int_equal(list_tree_build(&t, &l, &p, 0, NULL), 0);
    size_t matching = 0;
    for (size_t i = 0; i < t.n; i++)
        matching += t.nodes[i].matches;
    assert_int_equal(matching, 9700); /* 100 by 97, both free of each other */
    list_tree_done(&t);
    ph_arena_done(&a);
    free(f);
    free(name);
    assert_true((double)(clock() - began) / CLOCKS_PER_SEC < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_against_the_definition), cmocka_unit_test(test_long),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_tree), cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
