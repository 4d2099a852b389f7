/* The parser by table, the texts made from tables, and the small languages of option values. */
#include "check.h"

#include "cli/json.h"
#include "cli/options.h"
#include "cli/select.h"
#include "cli/text.h"

struct target {
    bool flag, other, stores;
    unsigned number, bits, ms;
    int choice;
    uint64_t size, big;
    uint32_t u32;
    const char *text, *secret;
    struct ph_strings list;
    char called[32];
};

static int call(void *t, const struct ph_option *o, char *arg, struct ph_err *err)
{
    if (strcmp(arg, "bad") == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "does not like bad");
    snprintf(((struct target *)t)->called, sizeof((struct target *)t)->called, "%s", arg);
    return 0;
}

#define F(field) offsetof(struct target, field)
static const struct ph_option first[] = {
    { PH_OPT_FLAG, 'f', "flag", NULL, "A flag.", F(flag) },
    { PH_OPT_FLAG, 'o', NULL, NULL, "Only a letter.", F(other) },
    { PH_OPT_FLAG, 0, "no-store", NULL, "Stores not.", F(stores), .flags = PH_OPT_INVERT },
    { PH_OPT_NUMBER, 'n', "number", "N", "At least three.", F(number), .value = 3 },
    { PH_OPT_U32, 0, "u32", "N", "A number.", F(u32) },
    { PH_OPT_U64, 0, "big", "N", "A number.", F(big) },
    { PH_OPT_BITS, 'a', NULL, NULL, "Bit 1.", F(bits), .value = 1 },
    { PH_OPT_BITS, 'b', NULL, NULL, "Bit 4.", F(bits), .value = 4 },
    { PH_OPT_END },
};
static const struct ph_option second[] = {
    { PH_OPT_BYTES, 'X', "size", "SIZE", "A size. It is a long story that needs more than one line to tell, surely.", F(size) },
    { PH_OPT_SECONDS, 't', "timeout", "SECONDS", "Time.", F(ms) },
    { PH_OPT_TEXT, 'L', "log", "FILE", "A file.", F(text), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 'p', "password", "SECRET", "Secret.", F(secret), .flags = PH_OPT_SECRET },
    { PH_OPT_STRINGS, 'i', "include", "NAME", "Names.", F(list) },
    { PH_OPT_CALL, 'c', "call", "X", "Calls.", .set = call, .choices = "red green" },
    { PH_OPT_CHOICE, 'C', NULL, NULL, "Sets 7.", F(choice), .value = 7 },
    { PH_OPT_NOTHING, 'K', NULL, "ARG", "Nothing." },
    { PH_OPT_NOTHING, 'k', NULL, NULL, "Nothing." },
    { PH_OPT_FLAG, 'z', "hidden-flag", NULL, "Hidden.", F(flag), .flags = PH_OPT_HIDDEN },
    { PH_OPT_END },
};
static const struct ph_option_group groups[] = { { "First", first }, { "Second", second }, { 0 } };
static const struct ph_command command = { "tool", "does things", "Does things with A and B.", "A B", 2, groups };
static const struct ph_command no_operands = { "tool", "does things", "Does things.", "", 0, groups, .classic = true };

static struct ph_arena arena;
static char words[16][64], *argv[16], *operands[2];
static struct ph_parse parsed;
static struct ph_err err;

static int parse(const struct ph_command *c, struct target *t, const char *line)
{
    int n = 0;

    memset(t, 0, sizeof *t);
    memset(&err, 0, sizeof err);
    while (*line) {
        size_t len = strcspn(line, "|");
        snprintf(words[n], sizeof words[n], "%.*s", (int)len, line);
        argv[n] = words[n];
        n++;
        line += len + (line[len] == '|');
    }
    parsed = (struct ph_parse){ &arena, operands, 0 };
    return ph_options_parse(c, t, n, argv, &parsed, &err);
}

static void letters(void **state)
{
    struct target t;

    assert_int_equal(parse(&no_operands, &t, "-foab|-n5|-n|7|-X|1.5|-L-|-Kx|-k|-C"), 0);
    assert_true(t.flag && t.other);
    assert_int_equal(t.bits, 5);
    assert_int_equal(t.number, 7);
    assert_int_equal(t.size, 2);
    assert_text(t.text, "-");
    assert_int_equal(t.choice, 7);
    assert_int_equal(parse(&no_operands, &t, "-fLfile"), 0);
    assert_true(t.flag);
    assert_text(t.text, "file");
    assert_int_equal(parse(&no_operands, &t, "-fy"), -1);
    assert_contains(err.text, "-y");
    assert_int_equal(parse(&no_operands, &t, "-n"), -1);
    assert_contains(err.text, "-n needs a value");
    assert_int_equal(parse(&no_operands, &t, "operand"), -1);
    assert_int_equal(parse(&no_operands, &t, "-K|-n|-f"), 0); /* swallows what looks like an option */
    assert_int_equal(t.number, 0);
    assert_true(t.flag);
}

static void long_names(void **state)
{
    struct target t;

    assert_int_equal(parse(&command, &t, "one|--flag|--number=4|two|--size|2M|--timeout|1.5|--include|x|--include=y=z|--big=5"), 0);
    assert_text(operands[0], "one");
    assert_text(operands[1], "two");
    assert_int_equal(parsed.n_operands, 2);
    assert_true(t.flag);
    assert_int_equal(t.number, 4);
    assert_int_equal(t.size, 2000000);
    assert_int_equal(t.ms, 1500);
    assert_int_equal(t.list.n, 2);
    assert_text(t.list.item[1], "y=z");
    assert_int_equal(t.big, 5);
    assert_int_equal(parse(&command, &t, "--flag|--no-flag|a|b"), 0);
    assert_false(t.flag);
    assert_int_equal(parse(&command, &t, "--no-store|a|b"), 0);
    assert_false(t.stores);
    assert_int_equal(parse(&command, &t, "--no-store|--store|a|b"), 0);
    assert_true(t.stores);
    assert_int_equal(parse(&command, &t, "--|--flag|-n"), 0);
    assert_text(operands[0], "--flag");
    assert_int_equal(parse(&command, &t, "a|b|c"), -1);
    assert_contains(err.text, "A B");
    assert_int_equal(parse(&command, &t, "a"), -1);
    assert_contains(err.text, "A B");
    assert_int_equal(parse(&command, &t, "-|b"), 0);
    assert_int_equal(parse(&command, &t, "--help"), 0);
    assert_int_equal(parsed.outcome, PH_WANTS_HELP);
    assert_int_equal(parse(&command, &t, "-h|nonsense"), 0);
    assert_int_equal(parsed.outcome, PH_WANTS_HELP);
    assert_int_equal(parse(&command, &t, "--version"), 0);
    assert_int_equal(parsed.outcome, PH_WANTS_VERSION);
}

static void wrong_words(void **state)
{
    static const struct {
        const char *line, *says;
    } wrong[] = {
        { "--flog", "--flag" }, { "--incldue=x", "did you mean --include?" }, { "--time", "--timeout" },
        { "--flag=1", "--flag takes no value" }, { "--number=2", "positive" }, { "--number=-4", "not \"-4\"" },
        { "--number=4x", "not \"4x\"" }, { "--number=99999999999", "whole number" }, { "--size=2Q", "size" },
        { "--size=0x10", "size" }, { "--timeout=0", "seconds" }, { "--timeout=inf", "seconds" }, { "--number", "needs a value (N)" },
        { "--call=bad", "--call: does not like bad" }, { "-cbad", "-c: does not like bad" }, { "--u32=4294967296", "whole" },
        { "--no-number", "no option --no-number" }, { "--hidden-falg", "no option --hidden-falg" },
    };
    struct target t;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse(&command, &t, wrong[i].line), -1);
        assert_int_equal(err.kind, PH_E_USAGE);
        assert_contains(err.text, wrong[i].says);
    }
    assert_int_equal(parse(&command, &t, "--quite-unlike-anything"), -1);
    assert_null(strstr(err.text, "did you mean"));
    assert_int_equal(parse(&command, &t, "--hidden-flag|a|b"), 0);
    assert_true(t.flag);
}

static void secrets_are_wiped(void **state)
{
    struct target t;

    assert_int_equal(parse(&command, &t, "--password=tru|a|b"), 0);
    assert_text(t.secret, "tru");
    assert_text(argv[0], "--password=***");
    assert_int_equal(parse(&command, &t, "-p|tru|a|b"), 0);
    assert_text(t.secret, "tru");
    assert_text(argv[1], "***");
}

static void usage_text(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_usage_full(&command, "posthaste tool", 60, &b);
    const char *text = ph_buf_z(&b);
    assert_contains(text, "usage: posthaste tool [OPTIONS] A B\n");
    assert_contains(text, "\nSecond:\n  -X, --size SIZE             A size. It is a long story\n"
                          "                              that needs more than one line\n"
                          "                              to tell, surely.\n");
    assert_contains(text, "\n      --no-store              Stores not.\n");
    assert_null(strstr(text, "Hidden"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 60);
    ph_buf_done(&b);
}

static void manual_text(void **state)
{
    static const struct ph_option o[] = { { PH_OPT_TEXT, 'x', "ex", "A \"B", "One. .Two e.g. -3 and a\\b?", 0 }, { PH_OPT_END } };
    static const struct ph_option_group g[] = { { "Group", o }, { 0 } };
    static const struct ph_command c = { "t", "t", "t", "", 0, g };
    struct ph_buf b = PH_BUF_INIT;

    ph_usage_mdoc(&c, &b);
    assert_text(ph_buf_z(&b), ".Ss Group\n.Bl -tag -width Ds\n.It Fl x , Fl -ex Ar \"A \"\"B\"\nOne.\n\\&.Two e.g.\n\\-3 and a\\eb?\n.El\n");
    ph_buf_done(&b);
}

static const char *completed(const struct ph_command *c, const char *a, const char *b, struct ph_buf *out)
{
    const char *w[] = { a, b };

    ph_buf_clear(out);
    ph_complete(c, w, 2, out);
    return ph_buf_z(out);
}

static void completion(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    assert_text(completed(&command, "x", "--n", &b), "--no-store\n--number\n");
    assert_text(completed(&command, "--call", "g", &b), "green\n");
    assert_text(completed(&command, "-fc", "", &b), "red\ngreen\n");
    assert_text(completed(&command, "--log", "", &b), ":files\n");
    assert_text(completed(&command, "-f", "imaps", &b), "imaps://\n");
    assert_text(completed(&no_operands, "-f", "im", &b), "");
    assert_contains(completed(&no_operands, "-f", "-", &b), "-L\n");
    assert_null(strstr(completed(&command, "x", "--", &b), "hidden"));
    ph_buf_done(&b);
}

static void distances(void **state)
{
    assert_int_equal(ph_edit_distance(ph_str("kitten"), ph_str("sitting")), 3);
    assert_int_equal(ph_edit_distance(ph_str("ab"), ph_str("ba")), 1);
    assert_int_equal(ph_edit_distance(ph_str(""), ph_str("abc")), 3);
    assert_int_equal(ph_edit_distance(ph_str("same"), ph_str("same")), 0);
    assert_int_equal(ph_edit_distance(ph_str("0123456789012345678901234567890123456789012345678901234567890"), ph_str("a")), 99);
}

/* ---- the values ---- */

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t v;
    } good[] = { { "0", 0 }, { "10", 10 }, { "1.5M", 1500000 }, { "2 kB", 2000 }, { "3G", 3000000000 }, { "200k", 200000 },
                 { "1MB", 1000000 }, { "7B", 7 }, { ".5k", 500 } };
    static const char *const bad[] = { "", "x", "-1", "1e300M", "1Q", "1kk", "0x5", "nan", "inf" };
    uint64_t v;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(ph_parse_bytes(good[i].text, &v), 0);
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ph_parse_bytes(bad[i], &v), -1);
}

static void days(void **state)
{
    struct ph_day d;

    assert_int_equal(ph_day_parse("01-JAN-1970", 0, &d, &err), 0);
    assert_int_equal(ph_day_number(&d), 0);
    assert_int_equal(ph_day_parse("29-feb-2000", 0, &d, &err), 0);
    assert_int_equal(ph_day_number(&d), 11016); /* date -u -d 2000-02-29 +%s / 86400 */
    assert_int_equal(ph_day_parse("1-Mar-1904", 0, &d, &err), 0);
    assert_int_equal(ph_day_number(&d), -24047);
    assert_int_equal(ph_day_parse("31-12-2998", PH_DAY_NUMERIC, &d, &err), 0);
    assert_int_equal(ph_day_number(&d), 375834);
    assert_int_equal(ph_day_parse("2024-02-29", PH_DAY_ISO, &d, &err), 0);
    assert_int_equal(d.day, 29);
    static const char *const bad[] = { "29-FEB-2023", "31-APR-2020", "0-JAN-2020", "32-JAN-2020", "01-JAN-1900", "01-JAN-2999",
                                       "29-FEB-2100", "1-13-2000", "01-JAN-20", "01 JAN 2020", "01-JANUARY-2020",
                                       "2020-01-01", "01-01-2020", "01-JAN-2020x", "" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ph_day_parse(bad[i], 0, &d, &err), -1);
}

static void lists(void **state)
{
    struct ph_strings s = { 0 };

    assert_int_equal(ph_list_split("Inbox, Drafts ,, a b,", false, &arena, &s, &err), 0);
    assert_int_equal(s.n, 3);
    assert_text(s.item[0], "Inbox");
    assert_text(s.item[1], "Drafts");
    assert_text(s.item[2], "a b");
    s = (struct ph_strings){ 0 };
    assert_int_equal(ph_list_split("a, b| c", false, &arena, &s, &err), 0);
    assert_int_equal(s.n, 2);
    assert_text(s.item[0], "a, b");
    s = (struct ph_strings){ 0 };
    assert_int_equal(ph_list_split("^(a|b)$,c", true, &arena, &s, &err), 0);
    assert_int_equal(s.n, 2);
    assert_text(s.item[0], "^(a|b)$");
}

static void search_programs(void **state)
{
    const struct ph_day none = { 0 }, d1 = { 2012, 1, 1 }, d2 = { 2013, 12, 31 };
    const char *p;

    assert_int_equal(ph_search_program(&none, &none, NULL, &arena, &p, &err), 0);
    assert_null(p);
    assert_int_equal(ph_search_program(&d1, &d2, NULL, &arena, &p, &err), 0);
    assert_text(p, "SINCE 01-Jan-2012 BEFORE 31-Dec-2013");
    assert_int_equal(ph_search_program(&none, &none, "OR (SINCE 01-jan-2015 SEEN)(BEFORE 01-jan-2015 UNSEEN)", &arena, &p, &err), 0);
    assert_text(p, "OR (SINCE 01-jan-2015 SEEN) (BEFORE 01-jan-2015 UNSEEN)");
    assert_int_equal(ph_search_program(&d1, &none, " SUBJECT \"a)(b\\\")(\" ", &arena, &p, &err), 0);
    assert_text(p, "SINCE 01-Jan-2012 SUBJECT \"a)(b\\\")(\" ");
    assert_int_equal(ph_search_program(&d1, &none, "FROM \"J\xc3\xbcrgen\"", &arena, &p, &err), 0);
    assert_text(p, "CHARSET UTF-8 SINCE 01-Jan-2012 FROM \"J\xc3\xbcrgen\"");
    static const char *const bad[] = { "SEEN\r\nx DELETE INBOX", "SUBJECT \"x", "(SEEN", "SEEN)", ")(", "SUBJECT {3+}", "FROM \xff" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ph_search_program(&none, &none, bad[i], &arena, &p, &err), -1);
}

static void delimiters(void **state)
{
    const char *prefix;
    char delim;

    assert_int_equal(ph_delimiter_parse(". INBOX.", &arena, &delim, &prefix, &err), 0);
    assert_int_equal(delim, '.');
    assert_text(prefix, "INBOX.");
    assert_int_equal(ph_delimiter_parse("/", &arena, &delim, &prefix, &err), 0);
    assert_text(prefix, "");
    assert_int_equal(ph_delimiter_parse("", &arena, &delim, &prefix, &err), -1);
    assert_int_equal(ph_delimiter_parse("INBOX.", &arena, &delim, &prefix, &err), -1);
}

static void people_text(void **state)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_text_clean(&b, "a\x1b[2J\n\xff\xc2\x9b" "b\xe2\x80\xaetxt\xc3\xa4");
    assert_text(ph_buf_z(&b), "a\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbdtxt\xc3\xa4");
    ph_buf_clear(&b);
    assert_int_equal(ph_text_width(ph_str("\xe6\x97\xa5\xe6\x9c\xac a\xcc\x88")), 6); /* two wide, blank, a + diaeresis */
    ph_text_fit(&b, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac", 6, false);
    assert_text(ph_buf_z(&b), "\xe6\x97\xa5\xe2\x80\xa6\xe6\x9c\xac ");
    ph_buf_clear(&b);
    ph_text_fit(&b, "abcdefghij", 7, false);
    ph_text_fit(&b, "ab", 4, true);
    assert_text(ph_buf_z(&b), "abc\xe2\x80\xa6hij  ab");
    ph_buf_clear(&b);
    ph_text_number(&b, 1234567);
    ph_buf_add_char(&b, ' ');
    ph_text_number(&b, 999);
    ph_buf_add_char(&b, ' ');
    ph_text_bytes(&b, 999);
    ph_buf_add_char(&b, ' ');
    ph_text_bytes(&b, 771234567);
    ph_buf_add_char(&b, ' ');
    ph_text_bytes(&b, 999999);
    ph_buf_add_char(&b, ' ');
    ph_text_duration(&b, 3723000);
    ph_buf_add_char(&b, ' ');
    ph_text_duration(&b, 59999);
    assert_text(ph_buf_z(&b), "1,234,567 999 999 B 771.2 MB 1.00 MB 1:02:03 0:59");
    ph_buf_done(&b);
}

static void json(void **state)
{
    struct ph_buf b = PH_BUF_INIT;
    struct ph_json j;

    ph_json_init(&j, &b);
    ph_json_object(&j, NULL);
    ph_json_u64(&j, "v", UINT64_MAX);
    ph_json_i64(&j, "i", INT64_MIN);
    ph_json_text(&j, "t", "a\"\\\n\x7f\xc3\xa4\xff");
    ph_json_text(&j, "n", NULL);
    ph_json_array(&j, "a");
    ph_json_bool(&j, NULL, true);
    ph_json_bool(&j, NULL, false);
    ph_json_object(&j, NULL);
    ph_json_end_object(&j);
    ph_json_end_array(&j);
    ph_json_str(&j, "z", (struct ph_str){ "x\0y", 3 });
    ph_json_end_object(&j);
    assert_text(ph_buf_z(&b), "{\"v\":18446744073709551615,\"i\":-9223372036854775808,\"t\":\"a\\\"\\\\\\u000a\\u007f\xc3\xa4\xef\xbf\xbd\","
                              "\"n\":null,\"a\":[true,false,{}],\"z\":\"x\\u0000y\"}");
    ph_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters), cmocka_unit_test(long_names), cmocka_unit_test(wrong_words), cmocka_unit_test(secrets_are_wiped),
        cmocka_unit_test(usage_text), cmocka_unit_test(manual_text), cmocka_unit_test(completion), cmocka_unit_test(distances),
        cmocka_unit_test(sizes), cmocka_unit_test(days), cmocka_unit_test(lists), cmocka_unit_test(search_programs),
        cmocka_unit_test(delimiters), cmocka_unit_test(people_text), cmocka_unit_test(json),
    };

    ph_arena_init(&arena, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ph_arena_done(&arena);
    return failed;
}
