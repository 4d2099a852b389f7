/* Names of folders on the other side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "transfer/names.h"

struct map_case {
    const char *src, *want;
    struct ph_names n;
};

static const struct ph_name_rule rules[] = {
    { "Old/2019", "Archive/2019" }, { "Inbox", "Incoming" }, { "A", "INBOX" }, { "Sent Items", "Sent" },
    { "P", "INBOX/Q" },             { "Dot", "x.y" },        { "Both", "x.y/z" },
};

#define SLASH .src_delim = '/', .dst_delim = '/'
#define DOTS .src_delim = '.', .dst_delim = '.'
#define TO_DOTS .src_delim = '/', .dst_delim = '.'
#define TO_SLASH .src_delim = '.', .dst_delim = '/'
#define RULES .rules = rules, .n_rules = sizeof rules / sizeof *rules
#define X10 "xxxxxxxxxx"
#define X250 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define NIHON "\xe6\x97\xa5\xe6\x9c\xac"

static const struct map_case cases[] = {
    /* delimiters */
    { "A/B", "A/B", { SLASH } },
    { "A/B/C", "A.B.C", { TO_DOTS } },
    { "A.B.C", "A/B/C", { TO_SLASH } },
    { "A.B/C", "A_B.C", { TO_DOTS } },          /* the destination's delimiter inside a level */
    { "A/B.C", "A_B/C", { TO_SLASH } },
    { "A/B.C", "A_B.C", { DOTS } },             /* `/` inside a level is a path on many servers */
    { "A/B", "A_B", { .src_delim = '/' } },     /* a flat destination */
    { "A/B", "A_B", { .dst_delim = '/' } },     /* a flat source */
    { "A.B", "A.B", { .dst_delim = '/' } },
    { "A/B.C", "A-B.C", { .src_delim = '.', .dst_delim = '.', .forbidden_replacement = '-' } },
    { "A_B/C", "A-B_C", { .src_delim = '/', .dst_delim = '_' } }, /* the replacement is not the delimiter */
    { "A\\B/C", "A\\B/C", { SLASH } },
    /* prefixes */
    { "INBOX.A.B", "A/B", { TO_SLASH, .src_prefix = "INBOX." } },
    { "A/B", "INBOX.A.B", { TO_DOTS, .dst_prefix = "INBOX." } },
    { "INBOX.A", "INBOX.A", { DOTS, .src_prefix = "INBOX.", .dst_prefix = "INBOX." } },
    { "Inbox.A", "A", { DOTS, .src_prefix = "INBOX." } },
    { "A", "A", { DOTS, .src_prefix = "INBOX." } },
    { "INBOX/A", "INBOX.INBOX.A", { TO_DOTS, .dst_prefix = "INBOX." } }, /* so that it does not meet A */
    { "Mail/A", "A", { SLASH, .src_prefix = "Mail/" } },
    { "Mail", "Mail", { SLASH, .src_prefix = "Mail/" } },
    { "mail/A", "mail/A", { SLASH, .src_prefix = "Mail/" } },
    /* INBOX */
    { "INBOX", "INBOX", { TO_DOTS, .src_prefix = "INBOX.", .dst_prefix = "INBOX." } },
    { "inbox", "INBOX", { SLASH } },
    { "Inbox/x", "INBOX/x", { SLASH } },
    { "Inbox.x", "INBOX/x", { TO_SLASH } },
    { "Inboxes", "Inboxes", { SLASH } },
    { "A/inbox", "A/inbox", { SLASH } },
    /* root */
    { "INBOX", "Backup/INBOX", { SLASH, .root = "Backup" } },
    { "A/B", "Backup.A.B", { TO_DOTS, .root = "Backup" } },
    { "A", "INBOX.Backup.A", { TO_DOTS, .root = "Backup", .dst_prefix = "INBOX." } },
    { "INBOX", "INBOX.Backup.INBOX", { TO_DOTS, .root = "INBOX.Backup", .dst_prefix = "INBOX." } },
    { "A", "Backup.2020.A", { TO_DOTS, .root = "Backup/2020" } },
    { "A", "Backup.2020.A", { TO_DOTS, .root = "Backup.2020" } },
    { "A", "A", { SLASH, .root = "" } },
    { "A", "R_A", { .src_delim = '/', .root = "R" } },
    /* rules */
    { "Old/2019", "Archive/2019", { SLASH, RULES } },
    { "Old.2019", "Archive/2019", { TO_SLASH, RULES } },
    { "Old/2019", "Archive.2019", { TO_DOTS, RULES } },
    { "Old/2019/x", "Old/2019/x", { SLASH, RULES } },     /* exactly that folder */
    { "Old", "Old", { SLASH, RULES } },
    { "old/2019", "old/2019", { SLASH, RULES } },
    { "INBOX.Old.2019", "INBOX.Archive.2019", { DOTS, RULES, .src_prefix = "INBOX.", .dst_prefix = "INBOX." } },
    { "INBOX", "Incoming", { SLASH, RULES } },
    { "A", "INBOX", { SLASH, RULES, .dst_prefix = "INBOX/" } },
    { "A", "R/INBOX", { SLASH, RULES, .root = "R" } },
    { "P", "INBOX.Q", { TO_DOTS, RULES, .dst_prefix = "INBOX." } }, /* the prefix is not put there twice */
    { "Dot", "x.y", { TO_DOTS, RULES } },
    { "Dot", "x.y", { SLASH, RULES } },
    { "Both", "x_y.z", { TO_DOTS, RULES } },
    { "Old_2019", "Old.2019", { .src_delim = '_', .dst_delim = '.', RULES } }, /* `_`: rules are written as listed */
    { "Sent Items", "Sent", { .src_delim = '_', .dst_delim = '.', RULES } },
    /* Gmail */
    { "[Gmail]/Sent Mail", "[Gmail]/Sent Mail", { SLASH } },
    { "[Gmail]/Sent Mail", "Sent Mail", { SLASH, .strip_gmail = true } },
    { "[Google Mail]/X/Y", "X.Y", { TO_DOTS, .strip_gmail = true } },
    { "[Gmail]/a.b", "[Gmail].a.b", { TO_DOTS } },        /* exempt */
    { "[Gmail]", "[Gmail]", { SLASH, .strip_gmail = true } },
    { "Label/[Gmail]/x", "Label/[Gmail]/x", { SLASH, .strip_gmail = true } },
    /* blanks */
    { "A ", "A", { SLASH } },
    { "A /B  ", "A/B", { SLASH } },
    { " A/ B", "A/B", { SLASH } },
    { "A  B", "A  B", { SLASH } },
    { "A  B/C   D", "A B/C D", { SLASH, .fold_blanks = true } },
    { " / ", "_/_", { SLASH } },
    /* what no server should be given */
    { "A//B", "A/_/B", { SLASH } },
    { "/A", "_/A", { SLASH } },
    { "A/", "A", { SLASH } },
    { "A//", "A", { SLASH } },
    { "/", "_/_", { SLASH } },
    { "a\tb\x01\x7f" "c", "a_b__c", { SLASH } },
    { "a\r\nDELETE INBOX", "a__DELETE INBOX", { SLASH } },
    { "a\xc2\x85" "b", "a_b", { SLASH } },                 /* C1 */
    { "a\xe2\x80\xa8" "b", "a_b", { SLASH } },             /* LINE SEPARATOR */
    { "..", "__", { SLASH } },
    { "../../etc", "__/__/etc", { SLASH } },
    { "A/.", "A/_", { SLASH } },
    { "...", "...", { SLASH } },
    { "..", "__", { TO_DOTS } },
    { "#shared/x", "_shared/x", { SLASH } },
    { "#news", "INBOX/#news", { SLASH, .dst_prefix = "INBOX/" } },
    { "A/#x", "A/#x", { SLASH } },
    { "~root/x", "_root/x", { SLASH } },
    { "a~", "a~", { SLASH } },
    { "a&b\"c\\d%*", "a&b\"c\\d%*", { SLASH } },
    /* 8 bit */
    { NIHON "/" NIHON, NIHON "." NIHON, { TO_DOTS } },
    { "a\xff\xfe" "b", "a__b", { SLASH } },
    { "a\xc3", "a_", { SLASH } },
    { "a\xed\xa0\x80", "a___", { SLASH } },                 /* a surrogate */
    /* 255 octets, as they stand on the wire */
    { X250 "12345", X250 "12345", { SLASH } },
    { X250 "123456", X250 "12345", { SLASH } },
    { "a/" X250 X250 "/b", "a/" X250 X10 "/b", { SLASH, .forbidden_replacement = 0 } },
    { X250 "&", X250 "&", { SLASH } },                      /* `&-`: 252 */
    { X250 "1234&", X250 "1234", { SLASH } },               /* 256 */
    { X250 "&" NIHON, X250 "&", { SLASH } },
    { X250 "1234 6", X250 "1234", { SLASH } },              /* no blank at the end */
};

static void test_map(void **state)
{
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_folder f = { .name = cases[i].src, .delim = cases[i].n.src_delim };
        assert_int_equal(ph_names_map(&cases[i].n, &f, &out, &err), 0);
        const char *want = cases[i].want, *got = ph_buf_z(&out);
        if (strlen(want) > 255 && strcmp(want, got) != 0) { /* the one case that is cut to 255 inside */
            assert_int_equal(strlen(got), 2 + 255 + 2);
            continue;
        }
        if (strcmp(got, want) != 0)
            fail_msg("%s: got %s, want %s", cases[i].src, got, want);
    }
    struct ph_folder nameless = { .name = "" };
    assert_int_equal(ph_names_map(&cases[0].n, &nameless, &out, &err), -1);
    assert_int_equal(err.scope, PH_SCOPE_FOLDER);
    ph_buf_done(&out);
}

/* ---- special use ---- */

static struct ph_folder dst_special[] = {
    { .name = "INBOX", .delim = '/' },
    { .name = "Sent Items", .delim = '/', .attrs = PH_MA_SENT },
    { .name = "Virtual/All", .delim = '/', .attrs = PH_MA_ALL },
    { .name = "Old Trash", .delim = '/', .attrs = PH_MA_TRASH | PH_MA_NOSELECT },
    { .name = "Bin", .delim = '/', .attrs = PH_MA_TRASH },
    { .name = "[Gmail]/Alle Nachrichten", .delim = '/', .attrs = PH_MA_ALL },
    { .name = "Junk 1", .delim = '/', .attrs = PH_MA_JUNK },
    { .name = "Junk 2", .delim = '/', .attrs = PH_MA_JUNK },
};
static const struct ph_folder_list dst_list = { .f = dst_special, .n = sizeof dst_special / sizeof *dst_special, .delim = '/' };

static void test_special_use(void **state)
{
    static const struct ph_name_rule rule[] = { { "Gesendet", "By rule" } };
    static const struct {
        const char *src;
        uint32_t attrs;
        const char *want, *root;
        bool off, by_rule;
    } table[] = {
        { "Gesendet", PH_MA_SENT, "Sent Items" },
        { "Gesendet", PH_MA_SENT, "Gesendet", .off = true },
        { "Gesendet", PH_MA_SENT, "R/Gesendet", .root = "R" },
        { "Gesendet", PH_MA_SENT, "By rule", .by_rule = true },
        { "Gesendet", 0, "Gesendet" },
        { "Papierkorb", PH_MA_TRASH, "Bin" },                       /* one that can be selected */
        { "Drafts", PH_MA_DRAFTS, "Drafts" },                       /* there is none */
        { "Archive", PH_MA_ALL, "Archive" },                        /* a view elsewhere takes no mail */
        { "[Gmail]/All Mail", PH_MA_ALL, "[Gmail]/Alle Nachrichten" },
        { "Spam", PH_MA_JUNK, "Junk 1" },
        { "Junk 2", PH_MA_JUNK, "Junk 2" },                         /* its own name first */
    };
    struct ph_buf out = PH_BUF_INIT;
    struct ph_err err;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct ph_names n = { SLASH, .special_use = !table[i].off, .dst_folders = &dst_list, .root = table[i].root,
                              .rules = rule, .n_rules = table[i].by_rule };
        struct ph_folder f = { .name = table[i].src, .delim = '/', .attrs = table[i].attrs };
        assert_int_equal(ph_names_map(&n, &f, &out, &err), 0);
        assert_string_equal(ph_buf_z(&out), table[i].want);
    }
    ph_buf_done(&out);
}

/* ---- all at once ---- */

struct all_case {
    const char *src;      /* names parted by `|` */
    const char *existing; /* on the destination */
    const char *want;     /* names in the same order; behind it `=` merged, `!` renamed */
    bool folds;
    struct ph_names n;
};

static const struct all_case all[] = {
    { "A|B|A/C", "", "A|B|A/C", false, { SLASH } },
    /* case */
    { "Foo|foo", "", "Foo|foo", false, { SLASH } },
    { "Foo|foo", "", "Foo|foo-2!", true, { SLASH } },
    { "foo|Foo|FOO", "", "foo-3!|Foo-2!|FOO", true, { SLASH } },     /* by name, whatever the order of the list */
    { "FOO|foo|Foo", "", "FOO|foo-3!|Foo-2!", true, { SLASH } },
    { "Foo|foo", "foo|Foo-2", "Foo-2!|foo", true, { SLASH } },        /* who was there first stays */
    { "Foo", "foo", "foo", true, { SLASH } },                        /* the same folder to that server */
    { "Foo", "foo", "Foo", false, { SLASH } },
    { "Foo|foo|foo-2", "", "Foo|foo-3!|foo-2", true, { SLASH } },    /* a number that is taken */
    { "\xc3\x84|\xc3\xa4", "", "\xc3\x84|\xc3\xa4-2!", true, { SLASH } },
    { "Stra\xc3\x9f" "e|STRASSE", "", "Stra\xc3\x9f" "e-2!|STRASSE", true, { SLASH } },
    { "INBOX/x|Inbox/x", "", "INBOX/x|INBOX/x-2!", false, { SLASH } },
    { "INBOX|Inbox/x", "", "INBOX|INBOX/x", true, { SLASH } },
    /* replaced characters */
    { "A.B|A_B", "", "A_B-2!|A_B", false, { TO_DOTS } },            /* whose name it is keeps it */
    { "A.B|A_B", "A_B-2", "A_B-2!|A_B", false, { TO_DOTS } },       /* the next run */
    { "A/B|A_B|A.B", "", "A_B-2!|A_B|A.B", false, { .src_delim = '/' } },
    { "A|A ", "", "A|A-2!", false, { SLASH } },
    /* on purpose */
    { "Old/2019|Archive/2019", "", "Archive/2019=|Archive/2019=", false, { SLASH, RULES } },
    { "INBOX|A", "", "Incoming|INBOX", false, { SLASH, RULES } },
    { "Sent Items|Sent", "", "Sent=|Sent=", false, { SLASH, RULES } },
    { "Sent Items|SENT", "", "Sent=|Sent=", true, { SLASH, RULES } },
    { "[Gmail]/X|X", "", "X=|X=", false, { SLASH, .strip_gmail = true } },
    { "", "", "", false, { SLASH } },
};

static size_t split(const char *text, char *copy, struct ph_folder *f)
{
    size_t n = 0;
    char *save;

    snprintf(copy, 500, "%s", text);
    for (char *t = strtok_r(copy, "|", &save); t; t = strtok_r(NULL, "|", &save))
        f[n++] = (struct ph_folder){ .name = t, .delim = '/' };
    return n;
}

static void test_map_all(void **state)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char src_text[500], dst_text[500];
        struct ph_folder src[16], dst[16];
        struct ph_folder_list src_list = { .f = src, .n = split(all[i].src, src_text, src) };
        struct ph_folder_list have = { .f = dst, .n = split(all[i].existing, dst_text, dst) };
        struct ph_names n = all[i].n;
        struct ph_name_pair *pairs;
        size_t n_pairs;
        struct ph_arena arena;
        struct ph_err err;
        struct ph_buf got = PH_BUF_INIT;

        n.dst_folders = &have;
        ph_arena_init(&arena, 0);
        assert_int_equal(ph_names_map_all(&n, &src_list, all[i].folds, &arena, &pairs, &n_pairs, &err), 0);
        assert_int_equal(n_pairs, src_list.n);
        for (size_t k = 0; k < n_pairs; k++) {
            assert_ptr_equal(pairs[k].src, &src[k]);
            ph_buf_add_z(&got, k ? "|" : "");
            ph_buf_add_z(&got, pairs[k].dst);
            ph_buf_add_z(&got, pairs[k].merged ? "=" : "");
            ph_buf_add_z(&got, pairs[k].renamed ? "!" : "");
        }
        if (strcmp(ph_buf_z(&got), all[i].want) != 0)
            fail_msg("%s: got %s, want %s", all[i].src, ph_buf_z(&got), all[i].want);
        ph_buf_done(&got);
        ph_arena_done(&arena);
    }
}

/* 30,000 folders whose names all become one: numbers without searching from the start each time. */
static void test_many_clashes(void **state)
{
    enum { N = 30000 };
    struct ph_folder *f = calloc(N, sizeof *f);
    char(*names)[24] = calloc(N, sizeof *names);
    struct ph_folder_list list = { .f = f, .n = N };
    struct ph_names n = { SLASH };
    struct ph_name_pair *pairs;
    struct ph_arena arena;
    size_t n_pairs;
    struct ph_err err;

    for (int i = 0; i < N; i++) {
        memset(names[i], ' ', 20); /* blanks in front go */
        names[i][i % 20] = 'x';
        for (int k = i % 20 + 1; k < 20; k++)
            names[i][k] = (char)(1 + (i / 20 >> k) % 31); /* control characters become `_` */
        f[i] = (struct ph_folder){ .name = names[i], .delim = '/' };
    }
    ph_arena_init(&arena, 0);
    assert_int_equal(ph_names_map_all(&n, &list, true, &arena, &pairs, &n_pairs, &err), 0);
    assert_int_equal(n_pairs, N);
    ph_arena_done(&arena);
    free(names);
    free(f);
}

/* ---- the rules file ---- */

static char warned[2000];

static void warn(void *ctx, const char *text)
{
    const char *name = strrchr(text, '/');

    assert_ptr_equal(ctx, warned);
    snprintf(warned + strlen(warned), sizeof warned - strlen(warned), "%s\n", strchr(name, ':'));
}

static void put_file(char *path, const char *text, size_t n)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_true(write(fd, text, n) == (ssize_t)n);
    close(fd);
}

static void test_rules_file(void **state)
{
    static const char text[] = "\xef\xbb\xbf# mapping\r\n"
                               "\r\n"
                               "  # more\r\n"
                               "A : B\r\n"
                               "\t Old/2019\t:\tArchive/2019 \r\n"
                               "C:D\n"
                               "with\\:colon : back\\\\slash\\:\n"
                               "win\\dows : x\\\n"
                               "a : b : c\n"
                               "no colon\n"
                               ": nothing\n"
                               "nothing :\n"
                               "bad \xff : x\n"
                               "nul \0 : x\n"
                               "ends\\: here\n"
                               "\xc3\xa4 : last";
    static const char *const want[] = { "A", "B", "Old/2019", "Archive/2019", "C", "D", "with:colon", "back\\slash:",
                                        "win\\dows", "x\\", "a", "b : c", "\xc3\xa4", "last" };
    char path[] = "/tmp/ph_names_XXXXXX";
    struct ph_name_rule *out;
    struct ph_arena arena;
    struct ph_err err;
    size_t n;

    put_file(path, text, sizeof text - 1);
    ph_arena_init(&arena, 0);
    warned[0] = 0;
    assert_int_equal(ph_name_rules_read(path, &arena, &out, &n, warn, warned, &err), 0);
    assert_int_equal(n, sizeof want / sizeof *want / 2);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(out[i].src, want[2 * i]);
        assert_string_equal(out[i].dst, want[2 * i + 1]);
    }
    assert_string_equal(warned, ":10: no colon between two names\n"
                                ":11: no name before the colon\n"
                                ":12: no name behind the colon\n"
                                ":13: not UTF-8 text\n"
                                ":14: not UTF-8 text\n"
                                ":15: no colon between two names\n");
    assert_int_equal(ph_name_rules_read(path, &arena, &out, &n, NULL, NULL, &err), 0);
    unlink(path);
    assert_int_equal(ph_name_rules_read(path, &arena, &out, &n, warn, warned, &err), -1);
    assert_int_equal(err.kind, PH_E_SYSTEM);
    assert_non_null(strstr(err.text, path));
    ph_arena_done(&arena);
}

static void test_rules_file_limit(void **state)
{
    char path[] = "/tmp/ph_names_XXXXXX";
    struct ph_name_rule *out;
    struct ph_arena arena;
    struct ph_err err;
    size_t n;

    put_file(path, "", 0);
    assert_int_equal(truncate(path, (16 << 20) + 1), 0);
    ph_arena_init(&arena, 0);
    assert_int_equal(ph_name_rules_read(path, &arena, &out, &n, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(ph_name_rules_read(path, &arena, &out, &n, NULL, NULL, &err), 0);
    assert_int_equal(n, 0);
    unlink(path);
    ph_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_special_use),
        cmocka_unit_test(test_map_all),
        cmocka_unit_test(test_many_clashes),
        cmocka_unit_test(test_rules_file),
        cmocka_unit_test(test_rules_file_limit),
    };
    return cmocka_run_group_tests_name("transfer/names", tests, NULL, NULL);
}
