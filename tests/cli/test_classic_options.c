/* Every letter of imapcopy and imap_audit: what it leaves in the job. A row whose option did nothing would fail. */
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tools.h"

static struct ph_settings s;
static struct ph_err err;
static char words[32][256], *argv[32];

typedef int prepare_fn(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                       struct ph_err *err);

/* `line` is split at `~`. */
static int prepare(prepare_fn *fn, const struct ph_command *c, const char *base, const char *line)
{
    int n = 0;
    const char *parts[] = { base, line };

    memset(&err, 0, sizeof err);
    for (int k = 0; k < 2; k++)
        for (const char *p = parts[k]; *p;) {
            size_t len = strcspn(p, "~");
            snprintf(words[n], sizeof words[n], "%.*s", (int)len, p);
            argv[n] = words[n];
            n++;
            p += len + (p[len] == '~');
        }
    return fn(&s, c, c->name, n, argv, &err);
}

static int copy(const char *line)
{
    return prepare(ph_imapcopy_prepare, &ph_cmd_imapcopy, "-S~a/u/p~-D~b/v/q~", line);
}

static int audit(const char *line)
{
    return prepare(ph_imap_audit_prepare, &ph_cmd_imap_audit, "-S~a/u/p~-D~b/v/q~", line);
}

/* A field of struct ph_settings, before (no option) and after. */
struct row {
    char letter; /* of the option that the row is about */
    const char *line;
    enum { BOOL, UINT, U32, U64, I64, TEXT, LIST, DOUBLE, CHAR } kind;
    size_t offset;
    const char *value, *without; /* printed */
};

#define J(field) offsetof(struct ph_settings, job.field)
#define S(field) offsetof(struct ph_settings, field)

static const struct row imapcopy_rows[] = {
    { 'S', "-S~h:143/x/y", TEXT, S(src.imap.host), "h", "a" },
    { 'S', "-S~h:143/x/y", TEXT, S(src.imap.user), "x", "u" },
    { 'S', "-S~h:143/x/y", TEXT, S(src.secret), "y", "p" },
    { 'S', "-S~h/x:boss/y", TEXT, S(src.imap.admin), "boss", NULL },
    { 'S', "-S~h/x/y/CRAM-MD5", TEXT, S(src.imap.mechanism), "CRAM-MD5", NULL },
    { 'S', "-S~h/x/SOURCEPWD", TEXT, S(src.password_env), "SOURCEPWD", NULL },
    { 'S', "-S~h/x/PROMPT", BOOL, S(src.prompt), "1", "0" },
    { 'D', "-D~h/x/y", TEXT, S(dst.imap.host), "h", "b" },
    { 'D', "-D~h/*/y", TEXT, S(dst.imap.user), "u", "v" },
    { 'D', "-D~h/x/*", TEXT, S(dst.secret), "p", "q" },
    { 'D', "-D~h/x/DESTPWD", TEXT, S(dst.password_env), "DESTPWD", NULL },
    { 'd', "-d", BOOL, S(debug), "1", "0" },
    { 'I', "-I", BOOL, S(trace), "1", "0" },
    { 'I', "-I", BOOL, S(src.imap.trace), "1", "0" },
    { 'I', "-I", BOOL, S(dst.imap.trace), "1", "0" },
    { 'L', "-Lx.log", TEXT, S(log), "x.log", NULL },
    { 'q', "-q", BOOL, S(quiet), "1", "0" },
    { 'm', "-m~Inbox, Drafts", LIST, J(include), "Inbox|Drafts", "" },
    { 'm', "-m~a,b|c", LIST, J(include), "a,b|c", "" },
    { 'R', "-R~-mx", BOOL, J(include_children), "1", "0" },
    { 'e', "-e~Trash,Junk", LIST, J(exclude), "Trash|Junk", "" },
    { 'g', "-g~^(a|b)$,c", LIST, J(exclude_regex), "^(a|b)$|c", "" },
    { 'U', "-U", BOOL, J(policy.classic_match), "1", "0" },
    { 'U', "-U", BOOL, J(policy.ignore_destination), "0", "1" },
    { 's', "-Us", BOOL, J(classic_expunge), "1", "0" },
    { 'f', "-Uf", UINT, J(after), "2", "0" },
    { 'C', "-C", UINT, J(after), "1", "0" },
    { 'C', "-UCf", UINT, J(after), "3", "0" },
    { 'l', "-l", BOOL, J(policy.dedup), "1", "0" },
    { 'p', "-pRoot", TEXT, J(names.root), "Root", NULL },
    { 'A', "-AArch", TEXT, J(archive_folder), "Arch", NULL },
    { 'o', "-oOne", TEXT, J(single_folder), "One", NULL },
    { 'x', "-x~. INBOX.", CHAR, J(names.src_delim), ".", "" },
    { 'x', "-x~. INBOX.", TEXT, J(names.src_prefix), "INBOX.", NULL },
    { 'y', "-y~/ A/", CHAR, J(names.dst_delim), "/", "" },
    { 'y', "-y~/ A/", TEXT, J(names.dst_prefix), "A/", NULL },
    { 'i', "-i", BOOL, J(empty_destination_first), "1", "0" },
    { 'M', "-Mmap", U64, J(names.n_rules), "1", "0" },
    { 't', "-t90", UINT, S(src.imap.timeout_ms), "90000", "0" },
    { 't', "-t90", UINT, S(dst.imap.timeout_ms), "90000", "0" },
    { 'T', "-T", BOOL, J(keywords), "1", "0" },
    { 'v', "-v", BOOL, J(mark_seen), "1", "0" },
    { 'a', "-a~01-JAN-2012", TEXT, J(search), "SINCE 01-Jan-2012", NULL },
    { 'b', "-b~31-dec-2013", TEXT, J(search), "BEFORE 31-Dec-2013", NULL },
    { 'z', "-z~OR (SEEN)(UNSEEN)~-a1-Jan-2012", TEXT, J(search), "SINCE 01-Jan-2012 OR (SEEN) (UNSEEN)", NULL },
    { 'X', "-X1.5", U64, J(policy.max_size), "1500000", "0" },
    { 'X', "-X1.5", DOUBLE, S(size_limit_mb), "1.5", "0" },
    { 'B', "-B10", U32, J(first_seq), "10", "0" },
    { 'E', "-E20", U32, J(last_seq), "20", "0" },
    { 'u', "-u", BOOL, J(policy.only_seen), "1", "0" },
    { 'P', "-P", BOOL, J(policy.skip_deleted), "1", "0" },
    { 'H', "-H", BOOL, J(headers_only), "1", "0" },
    { 'Z', "-Z/tmp", TEXT, J(remember_file), "/tmp/u", NULL },
    { 'Z', "-Z/tmp~-S~h/..%2fx y/p", TEXT, J(remember_file), "/tmp/%2E.%252fx%20y", NULL },
    { 'j', "-j100", UINT, S(every), "100", "0" },
    { 'G', "-G", BOOL, J(names.strip_gmail), "1", "0" },
    { 'N', "-N", BOOL, J(gmail_all), "1", "0" },
    { 'c', "-c", UINT, J(repair), "1", "0" },
    { 'c', "-c", BOOL, J(repair_always), "1", "0" },
    { 'Y', "-Y4", UINT, J(lanes), "4", "1" },
    { 'w', "-w", BOOL, S(src.imap.keep_on_errors), "1", "0" },
    { 'w', "-w", BOOL, S(dst.imap.keep_on_errors), "1", "0" },
    { 'W', "-W", UINT, J(repair), "4", "0" },
    { 'W', "-cW", UINT, J(repair), "5", "0" },
    { 'W', "-W", BOOL, J(repair_always), "1", "0" },
    { 'r', "-r", BOOL, J(clear_deleted), "1", "0" },
    { 'F', "-F3", U64, J(max_per_folder), "3", "0" },
    { 'J', "-J~since=01-JAN-1970", I64, J(since_day), "0", "-9223372036854775808" },
    { 'J', "-J~BEFORE=02-JAN-1970", I64, J(before_day), "1", "-9223372036854775808" },
    { 'O', "-O", BOOL, J(create_longest_first), "1", "0" },
    /* these do nothing, and swallow what they should */
    { 'n', "-n", BOOL, S(debug), "0", "0" },
    { 'k', "-kd", BOOL, S(debug), "1", "0" },
    { 'K', "-K~-d", BOOL, S(debug), "0", "0" },
    { 'V', "-Vd", BOOL, S(debug), "1", "0" },
    { 'Q', "-Qd", BOOL, S(debug), "1", "0" },
};

static const struct row imap_audit_rows[] = {
    { 'S', "-S~h:993/x/y", TEXT, S(src.imap.host), "h", "a" },
    { 'S', "-S~h:993/x/y", UINT, S(src.imap.security), "0", "2" },
    { 'D', "-D~h/x/y", TEXT, S(dst.imap.user), "x", "v" },
    { 'd', "-d", BOOL, S(debug), "1", "0" },
    { 'I', "-I", BOOL, S(dst.imap.trace), "1", "0" },
    { 'L', "-L~x", TEXT, S(log), "x", NULL },
    { 'E', "-Ex:yz~-Sh/t/", TEXT, S(src.imap.admin), "x", NULL },
    { 'E', "-Ex:yz~-Sh/t/", TEXT, S(src.secret), "yz", "p" },
    { 'F', "-Fx:yz~-Dh/t/", TEXT, S(dst.imap.admin), "x", NULL },
    { 'm', "-mA,B", LIST, J(include), "A|B", "" },
    { 'e', "-eA,B", LIST, J(exclude), "A|B", "" },
    { 'n', "-n", BOOL, J(audit_counts_only), "1", "0" },
    { 'Y', "-Y", TEXT, S(src.imap.mechanism), "CRAM-MD5", NULL },
    { 'Z', "-Z", TEXT, S(dst.imap.mechanism), "CRAM-MD5", NULL },
    { 'a', "-amaster", TEXT, S(src.kerio_secret), "master", NULL },
    { 'a', "-amaster", UINT, S(src.imap.auth), "5", "1" },
    { 'c', "-cmaster", TEXT, S(dst.kerio_secret), "master", NULL },
    { 'B', "-B~01-FEB-2020", TEXT, J(search), "BEFORE 01-Feb-2020", NULL },
    { 'A', "-A~01-02-2020", TEXT, J(search), "SINCE 01-Feb-2020", NULL },
    { 'v', "-v", BOOL, S(verbose), "1", "0" },
    { 'M', "-Mmap", U64, J(names.n_rules), "1", "0" },
    { 'x', "-x.", CHAR, J(names.src_delim), ".", "" },
    { 'y', "-y.", CHAR, J(names.dst_delim), ".", "" },
    { 'g', "-g", BOOL, J(audit_built_keys), "1", "0" },
    { 'R', "-R", BOOL, S(show_keys), "1", "0" },
    { 's', "-s~-d", BOOL, S(debug), "0", "0" },
    { 'N', "-Nd", BOOL, S(debug), "1", "0" },
    { 'Q', "-Qd", BOOL, S(debug), "1", "0" },
};

static const char *printed(const struct row *r, char *buf, size_t n)
{
    const void *f = (const char *)&s + r->offset;
    const struct ph_pattern_list *l = f;

    buf[0] = 0;
    switch (r->kind) {
    case BOOL: snprintf(buf, n, "%d", *(const bool *)f); break;
    case UINT: snprintf(buf, n, "%u", *(const unsigned *)f); break;
    case U32: snprintf(buf, n, "%u", *(const uint32_t *)f); break;
    case U64: snprintf(buf, n, "%llu", *(const unsigned long long *)f); break;
    case I64: snprintf(buf, n, "%lld", *(const long long *)f); break;
    case DOUBLE: snprintf(buf, n, "%g", *(const double *)f); break;
    case CHAR: snprintf(buf, n, "%c", *(const char *)f); break;
    case TEXT: return *(const char *const *)f;
    case LIST:
        for (size_t i = 0; i < l->n; i++)
            snprintf(buf + strlen(buf), n - strlen(buf), "%s%s", i ? "|" : "", l->item[i]);
    }
    return buf;
}

static void check_rows(const struct row *rows, size_t n, int (*fn)(const char *line))
{
    char buf[256];

    for (size_t i = 0; i < n; i++) {
        print_message("-%c: %s\n", rows[i].letter, rows[i].line);
        assert_int_equal(fn(""), 0);
        assert_text(printed(&rows[i], buf, sizeof buf), rows[i].without);
        ph_settings_done(&s);
        assert_text(fn(rows[i].line) ? err.text : NULL, NULL);
        assert_text(printed(&rows[i], buf, sizeof buf), rows[i].value);
        ph_settings_done(&s);
    }
}

/* Each letter of the specification is in the table of options and in the rows, and the other way round. */
static void check_letters(const struct ph_command *c, const char *with, const char *without, const struct row *rows, size_t n,
                          const char *elsewhere)
{
    for (const char *p = with; *p; p++) {
        const struct ph_option *o = ph_option_by_letter(c, *p);
        if (!o || !ph_option_takes_value(o))
            fail_msg("-%c should take a value", *p);
    }
    for (const char *p = without; *p; p++) {
        const struct ph_option *o = ph_option_by_letter(c, *p);
        if (!o || ph_option_takes_value(o))
            fail_msg("-%c should take no value", *p);
    }
    for (const struct ph_option_group *g = c->groups; g->heading; g++)
        for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++) {
            if (!o->letter)
                continue;
            if (!strchr(with, o->letter) && !strchr(without, o->letter))
                fail_msg("-%c is not an option of %s", o->letter, c->name);
            bool tested = strchr(elsewhere, o->letter) != NULL;
            for (size_t i = 0; i < n; i++)
                tested |= rows[i].letter == o->letter;
            if (!tested)
                fail_msg("-%c has no row", o->letter);
        }
}

#define ROWS(r) r, sizeof r / sizeof *r

static void imapcopy_letters(void **state)
{
    check_letters(&ph_cmd_imapcopy, "SDLmegpAoxyMtabXBEZjzYKFJ", "dIRCiqTUsuHGcflNvPwWrnkVQO", ROWS(imapcopy_rows), "");
    check_rows(ROWS(imapcopy_rows), copy);
}

static void imap_audit_letters(void **state)
{
    check_letters(&ph_cmd_imap_audit, "SDLuEFmacBAeMxys", "dInYZvgRNQ", ROWS(imap_audit_rows), "u");
    check_rows(ROWS(imap_audit_rows), audit);
}

static void wrong_lines(void **state)
{
    static const struct {
        const char *line, *says;
    } wrong[] = {
        { "-s", "-U" }, { "-f", "-U" }, { "-i~-U", "-i" }, { "-Z/nonexistent", "directory" }, { "-Z/etc/passwd", "directory" },
        { "-a~31-FEB-2020", "-a" }, { "-a~2020", "-a" }, { "-b~1.1.2020", "-b" }, { "-J~01-JAN-2020", "-J" },
        { "-J~SINCE=32-JAN-2020", "-J" }, { "-X0", "megabytes" }, { "-Xabc", "megabytes" }, { "-B0", "-B" },
        { "-Y0", "-Y" }, { "-B5~-E4", "-E" }, { "-z~(SEEN", "parentheses" }, { "-x~abc", "delimiter" }, { "-?", "-?" },
        { "operand", "options only" }, { "-M~no-map", "No such file" }, { "-S~h/u:adm/p/CRAM-MD5", "CRAM-MD5" },
        { "-S~h", "user" }, { "-t0", "seconds" }, { "-j0", "-j" },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        print_message("%s\n", wrong[i].line);
        assert_int_equal(copy(wrong[i].line), -1);
        assert_contains(err.text, wrong[i].says);
        ph_settings_done(&s);
    }
    assert_int_equal(prepare(ph_imapcopy_prepare, &ph_cmd_imapcopy, "-S~a/u/p", ""), -1);
    assert_contains(err.text, "-D");
    ph_settings_done(&s);
    assert_int_equal(audit("-u~file"), -1);
    assert_contains(err.text, "host alone");
    ph_settings_done(&s);
    assert_int_equal(prepare(ph_imap_audit_prepare, &ph_cmd_imap_audit, "-S~a~-D~b", ""), -1);
    assert_contains(err.text, "-u");
    ph_settings_done(&s);
    assert_int_equal(audit("-E~nocolon~-S~h/u/"), -1);
    assert_contains(err.text, "admin:password");
    assert_null(strstr(err.text, "nocolon"));
    ph_settings_done(&s);
}

static void classic_defaults(void **state)
{
    assert_int_equal(copy(""), 0);
    assert_false(s.job.policy.update_flags);
    assert_false(s.job.names.special_use);
    assert_false(s.job.keep_special_use);
    assert_false(s.job.keep_subscriptions);
    assert_true(s.job.subscribe_all);
    assert_true(s.job.no_ledger_resume);
    assert_int_equal(s.style, PH_STYLE_IMAPCOPY);
    assert_true(s.src.imap.allow_cleartext);
    ph_settings_done(&s);
    assert_int_equal(audit(""), 0);
    assert_true(s.job.policy.classic_match);
    assert_true(s.job.audit_normalise_date);
    ph_settings_done(&s);
}

/* The same request finds its unfinished run; accounts, passwords and output do not matter, selection does. */
static void ledger_names(void **state)
{
    static const char *const same[] = { "-d", "-I", "-Lx", "-q", "-t9", "-j5", "-Y3", "-S~a/u/other" };
    static const char *const other[] = { "-U", "-mx", "-ex", "-gx", "-C", "-l", "-pR", "-oO", "-AA", "-x.", "-y.", "-Mmap", "-T", "-v",
                                         "-a1-jan-2000", "-zSEEN", "-X1", "-B1", "-E1", "-u", "-P", "-H", "-Z/tmp", "-G", "-N",
                                         "-c", "-W", "-r", "-F1", "-JSINCE=1-jan-2000", "-Rmx", "-i" };
    char plain[64];

    assert_int_equal(copy(""), 0);
    snprintf(plain, sizeof plain, "%s", s.job.ledger_variant);
    assert_contains(plain, "imapcopy-");
    ph_settings_done(&s);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(copy(same[i]), 0);
        assert_text(s.job.ledger_variant, plain);
        ph_settings_done(&s);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        print_message("%s\n", other[i]);
        assert_int_equal(copy(other[i]), 0);
        assert_string_not_equal(s.job.ledger_variant, plain);
        ph_settings_done(&s);
    }
}

static void users_of_an_audit(void **state)
{
    char path[] = "/tmp/ph-users-XXXXXX", line[128];
    int fd = mkstemp(path);
    struct ph_side src, dst;
    static const char text[] = "mary:pw:mary2:oauth2:tok\nrick::rick:\nbad\n";

    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    snprintf(line, sizeof line, "-u%s~-Eboss:secret", path);
    assert_int_equal(prepare(ph_imap_audit_prepare, &ph_cmd_imap_audit, "-S~a:993~-D~b/CRAM-MD5~", line), 0);
    assert_int_equal(s.n_users, 2);
    assert_int_equal(s.bad_users, 1);
    assert_int_equal(ph_settings_user(&s, &s.users[0], &src, &dst, &err), 0);
    assert_text(src.imap.user, "mary");
    assert_text(src.secret, "pw");
    assert_text(src.imap.admin, NULL);
    assert_int_equal(src.imap.security, PH_SEC_TLS);
    assert_text(dst.imap.user, "mary2");
    assert_int_equal(ph_settings_user(&s, &s.users[1], &src, &dst, &err), -1); /* no -F for the destination */
    assert_contains(err.text, "destination");
    assert_text(src.imap.admin, "boss");
    assert_text(src.secret, "secret");
    ph_settings_done(&s);
    close(fd);
    unlink(path);
}

static void argv_is_wiped(void **state)
{
    assert_int_equal(prepare(ph_imapcopy_prepare, &ph_cmd_imapcopy, "-Sh/u/tru-secret~-D~h/v/tru-secret/CRAM-MD5", ""), 0);
    for (int i = 0; i < 3; i++)
        assert_null(strstr(words[i], "tru-secret"));
    assert_text(words[0], "-Sh/u/**********");
    ph_settings_done(&s);
    assert_int_equal(prepare(ph_imap_audit_prepare, &ph_cmd_imap_audit, "-Sh/u/~-Dh/u/~-Eadm:tru-secret~-F~adm:tru-secret~-k", ""), -1);
    for (int i = 0; i < 5; i++)
        assert_null(strstr(words[i], "tru-secret"));
    ph_settings_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imapcopy_letters), cmocka_unit_test(imap_audit_letters), cmocka_unit_test(wrong_lines),
        cmocka_unit_test(classic_defaults), cmocka_unit_test(ledger_names),       cmocka_unit_test(users_of_an_audit),
        cmocka_unit_test(argv_is_wiped),
    };

    char folder[] = "/tmp/ph-options-XXXXXX";
    FILE *map;

    if (!mkdtemp(folder) || chdir(folder) || !(map = fopen("map", "w")))
        return 1;
    fputs("Old : New\n", map);
    fclose(map);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink("map");
    rmdir(folder);
    return failed;
}
