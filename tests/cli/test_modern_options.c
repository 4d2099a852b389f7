/* Every option of posthaste copy and posthaste audit: what it leaves in the job and the connections. */
#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "tools/tools.h"

static struct ph_settings s;
static struct ph_err err;
static char words[32][256], *argv[32];

static int prepare(bool audit, const char *line)
{
    char all[512];
    int n = 0;

    snprintf(all, sizeof all, "imaps://u:p@a/~imaps://v:q@b/~%s", line);
    memset(&err, 0, sizeof err);
    for (const char *p = all; *p;) {
        size_t len = strcspn(p, "~");
        snprintf(words[n], sizeof words[n], "%.*s", (int)len, p);
        argv[n] = words[n];
        n++;
        p += len + (p[len] == '~');
    }
    return audit ? ph_audit_prepare(&s, &ph_cmd_audit, "posthaste audit", n, argv, &err)
                 : ph_copy_prepare(&s, &ph_cmd_copy, "posthaste copy", n, argv, &err);
}

struct row {
    const char *name, *line; /* the option it is about, and the words */
    enum { BOOL, UINT, U64, TEXT, LIST, CHAR } kind;
    size_t offset;
    const char *value, *without;
    bool audit;
};

#define J(field) offsetof(struct ph_settings, job.field)
#define S(field) offsetof(struct ph_settings, field)
#define SIDE_ROWS(p, side)                                                                                            \
    { p "-user", "--" p "-user=x", TEXT, S(side.imap.user), "x", p[0] == 's' ? "u" : "v" },                            \
    { p "-admin", "--" p "-admin=x", TEXT, S(side.imap.admin), "x", NULL },                                            \
    { p "-password-file", "--" p "-password-file=x", TEXT, S(side.password_file), "x", NULL },                         \
    { p "-password-env", "--" p "-password-env=x", TEXT, S(side.password_env), "x", NULL },                            \
    { p "-password-command", "--" p "-password-command=x y", TEXT, S(side.password_command), "x y", NULL },            \
    { p "-token-file", "--" p "-token-file=x", TEXT, S(side.token_file), "x", NULL },                                  \
    { p "-token-env", "--" p "-token-env=x", TEXT, S(side.token_env), "x", NULL },                                     \
    { p "-token-command", "--" p "-token-command=x", TEXT, S(side.token_command), "x", NULL },                         \
    { p "-auth", "--" p "-auth=SCRAM-SHA-1", TEXT, S(side.imap.mechanism), "SCRAM-SHA-1", NULL },                      \
    { p "-auth", "--" p "-auth=preauth", UINT, S(side.imap.auth), "3", "0" },                                          \
    { p "-auth", "--" p "-auth=digest-md5", BOOL, S(side.imap.allow_digest_md5), "1", "0" },                           \
    { p "-tls", "--" p "-tls=none", UINT, S(side.imap.security), "3", "0" },                                           \
    { p "-tls-pin", "--" p "-tls-pin=sha256:AB:CD", TEXT, S(side.imap.tls.pin_sha256), "AB:CD", NULL },                \
    { p "-ca-file", "--" p "-ca-file=x", TEXT, S(side.imap.tls.ca_file), "x", NULL },                                  \
    { p "-cert-file", "--" p "-cert-file=x~--" p "-key-file=y", TEXT, S(side.imap.tls.cert_file), "x", NULL },         \
    { p "-key-file", "--" p "-cert-file=x~--" p "-key-file=y", TEXT, S(side.imap.tls.key_file), "y", NULL },           \
    { p "-insecure", "--" p "-insecure", BOOL, S(side.imap.tls.insecure), "1", "0" },                                  \
    { p "-without", "--" p "-without=UIDPLUS X", TEXT, S(side.imap.without), "UIDPLUS X", NULL }

static const struct row rows[] = {
    { "dry-run", "-n", BOOL, J(dry_run), "1", "0" },
    { "since", "--since=2012-01-01", TEXT, J(search), "SINCE 01-Jan-2012", NULL },
    { "before", "--before=1-feb-2012", TEXT, J(search), "BEFORE 01-Feb-2012", NULL },
    { "search", "--search=SEEN", TEXT, J(search), "SEEN", NULL },
    { "max-size", "--max-size=25M", U64, J(policy.max_size), "25000000", "0" },
    { "skip-deleted", "--skip-deleted", BOOL, J(policy.skip_deleted), "1", "0" },
    { "only-seen", "--only-seen", BOOL, J(policy.only_seen), "1", "0" },
    { "only-unseen", "--only-unseen", BOOL, J(policy.only_unseen), "1", "0" },
    { "dedup", "--dedup", BOOL, J(policy.dedup), "1", "0" },
    { "skip-ids", "--skip-ids=x", TEXT, J(skip_ids_file), "x", NULL },
    { "include", "--include=A, B~-iC", LIST, J(include), "A, B|C", "" },
    { "exclude", "--exclude=A~-xB", LIST, J(exclude), "A|B", "" },
    { "exclude-regex", "--exclude-regex=^a,b", LIST, J(exclude_regex), "^a,b", "" },
    { "recursive", "-r", BOOL, J(include_children), "1", "0" },
    { "subscribed", "--subscribed", BOOL, J(subscribed_only), "1", "0" },
    { "gmail-all", "--gmail-all", BOOL, J(gmail_all), "1", "0" },
    { "map", "--map=map", U64, J(names.n_rules), "1", "0" },
    { "root", "--root=R", TEXT, J(names.root), "R", NULL },
    { "no-special-use", "--no-special-use", BOOL, J(names.special_use), "0", "1" },
    { "src-delimiter", "--src-delimiter=. X.", CHAR, J(names.src_delim), ".", "" },
    { "dst-delimiter", "--dst-delimiter=. X.", TEXT, J(names.dst_prefix), "X.", NULL },
    { "expunge", "--expunge", BOOL, J(policy.expunge), "1", "0" },
    { "no-flag-updates", "--no-flag-updates", BOOL, J(no_flag_scan), "1", "0" },
    { "no-flag-updates", "--no-flag-updates", BOOL, J(policy.update_flags), "0", "1" },
    { "no-keywords", "--no-keywords", BOOL, J(keywords), "0", "1" },
    { "no-subscriptions", "--no-subscriptions", BOOL, J(keep_subscriptions), "0", "1" },
    { "full-scan", "--full-scan", BOOL, J(full_scan), "1", "0" },
    { "retry-refused", "--retry-refused", BOOL, J(policy.retry_refused), "1", "0" },
    { "repair", "--repair=crlf,long-lines", UINT, J(repair), "5", "0" },
    { "repair", "--repair=all", UINT, J(repair), "7", "0" },
    { "repair", "--repair=nul", BOOL, J(repair_always), "0", "0" },
    { "state", "--state=d", TEXT, J(state_dir), "d", NULL },
    { "batch-messages", "--batch-messages=7", UINT, J(batch_messages), "7", "0" },
    { "batch-bytes", "--batch-bytes=1M", U64, J(batch_bytes), "1000000", "0" },
    { "testing-no-intents", "--testing-no-intents", BOOL, J(testing_no_intents), "1", "0" },
    { "testing-resolve", "--testing-resolve=1.5", UINT, J(resolve_ms), "1500", "0" },
    { "json", "--json", BOOL, S(json), "1", "0" },
    { "quiet", "-q", BOOL, S(quiet), "1", "0" },
    { "verbose", "-v", BOOL, S(verbose), "1", "0" },
    { "no-progress", "--no-progress", BOOL, S(no_progress), "1", "0" },
    { "log", "-Lx", TEXT, S(log), "x", NULL },
    { "trace", "--trace", BOOL, S(src.imap.trace), "1", "0" },
    { "trace", "-I", BOOL, S(dst.imap.trace), "1", "0" },
    { "allow-cleartext", "--allow-cleartext", BOOL, S(dst.imap.allow_cleartext), "1", "0" },
    { "insecure", "--insecure", BOOL, S(src.imap.tls.insecure), "1", "0" },
    { "insecure", "--insecure", BOOL, S(dst.imap.tls.insecure), "1", "0" },
    { "ca-file", "--ca-file=x", TEXT, S(dst.imap.tls.ca_file), "x", NULL },
    { "ca-path", "--ca-path=x", TEXT, S(src.imap.tls.ca_path), "x", NULL },
    { "compress", "--compress", BOOL, S(src.imap.compress), "1", "0" },
    { "timeout", "--timeout=9", UINT, S(dst.imap.timeout_ms), "9000", "0" },
    { "connect-timeout", "--connect-timeout=9", UINT, S(src.imap.connect_timeout_ms), "9000", "0" },
    { "lanes", "--lanes=9", UINT, J(lanes), "9", "0" },
    { "rate", "--rate=2M", U64, J(rate_bytes), "2000000", "0" },
    { "message-rate", "--message-rate=20", U64, J(rate_messages), "20", "0" },
    SIDE_ROWS("src", src),
    SIDE_ROWS("dst", dst),
    { "bytes", "-b", BOOL, J(audit_bytes), "1", "0", true },
    { "rewrites", "--rewrites", BOOL, J(audit_rewrites), "1", "0", true },
    { "counts", "--counts", BOOL, J(audit_counts_only), "1", "0", true },
    { "built-keys", "--built-keys", BOOL, J(audit_built_keys), "1", "0", true },
    { "manifest", "--manifest=x", TEXT, J(manifest), "x", NULL, true },
    { "since", "--since=2012-01-01", TEXT, J(search), "SINCE 01-Jan-2012", NULL, true },
    { "before", "--before=2012-01-01", TEXT, J(search), "BEFORE 01-Jan-2012", NULL, true },
    { "search", "--search=SEEN", TEXT, J(search), "SEEN", NULL, true },
    { "max-size", "--max-size=1k", U64, J(policy.max_size), "1000", "0", true },
    { "state", "--state=d", TEXT, J(state_dir), "d", NULL, true },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static const char *printed(const struct row *r, char *buf, size_t n)
{
    const void *f = (const char *)&s + r->offset;
    const struct ph_pattern_list *l = f;

    buf[0] = 0;
    switch (r->kind) {
    case BOOL: snprintf(buf, n, "%d", *(const bool *)f); break;
    case UINT: snprintf(buf, n, "%u", *(const unsigned *)f); break;
    case U64: snprintf(buf, n, "%llu", *(const unsigned long long *)f); break;
    case CHAR: snprintf(buf, n, "%c", *(const char *)f); break;
    case TEXT: return *(const char *const *)f;
    case LIST:
        for (size_t i = 0; i < l->n; i++)
            snprintf(buf + strlen(buf), n - strlen(buf), "%s%s", i ? "|" : "", l->item[i]);
    }
    return buf;
}

static void every_row(void **state)
{
    char buf[256];

    for (size_t i = 0; i < N_ROWS; i++) {
        print_message("%s\n", rows[i].line);
        assert_int_equal(prepare(rows[i].audit, ""), 0);
        assert_text(printed(&rows[i], buf, sizeof buf), rows[i].without);
        ph_settings_done(&s);
        assert_text(prepare(rows[i].audit, rows[i].line) ? err.text : NULL, NULL);
        assert_text(printed(&rows[i], buf, sizeof buf), rows[i].value);
        ph_settings_done(&s);
    }
}

static bool has_row(const char *name, bool audit)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, name) == 0 && (rows[i].audit == audit || !rows[i].audit))
            return true;
    return false;
}

static void every_option_has_a_row(void **state)
{
    const struct ph_command *const commands[] = { &ph_cmd_copy, &ph_cmd_audit };

    for (int k = 0; k < 2; k++)
        for (const struct ph_option_group *g = commands[k]->groups; g->heading; g++)
            for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++)
                if (!has_row(o->name, k == 1))
                    fail_msg("%s --%s has no row", commands[k]->name, o->name);
}

/* Letters and names mean one thing within a command. */
static void no_option_twice(void **state)
{
    for (size_t k = 0; ph_commands[k]; k++)
        for (const struct ph_option_group *g = ph_commands[k]->groups; g->heading; g++)
            for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++) {
                if (o->letter && ph_option_by_letter(ph_commands[k], o->letter) != o)
                    fail_msg("%s: -%c twice", ph_commands[k]->name, o->letter);
                if (o->name && ph_option_by_name(ph_commands[k], ph_str(o->name)) != o)
                    fail_msg("%s: --%s twice", ph_commands[k]->name, o->name);
                if (!o->help || !*o->help || o->help[strlen(o->help) - 1] != '.')
                    fail_msg("%s: help of -%c --%s", ph_commands[k]->name, o->letter, o->name ? o->name : "");
            }
}

static void wrong_lines(void **state)
{
    static const struct {
        const char *line, *says;
        bool audit;
    } wrong[] = {
        { "--only-seen~--only-unseen", "nothing" }, { "--repair=x", "--repair" }, { "--since=1.1.2000", "--since" },
        { "--map=no-map", "No such file" }, { "--src-tls=maybe", "--src-tls" }, { "--src-tls-pin=AB~--src-insecure", "contradict" },
        { "--src-cert-file=x", "--src-key-file" }, { "--lanes=0", "--lanes" }, { "--bytes", "no option --bytes" },
        { "--src-auth=CRAM-MD5~--src-admin=x", "CRAM-MD5" }, { "--bytes~--counts", "contradict", true },
        { "--dry-run", "no option", true }, { "third", "too many operands" },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        print_message("%s\n", wrong[i].line);
        assert_int_equal(prepare(wrong[i].audit, wrong[i].line), -1);
        assert_contains(err.text, wrong[i].says);
        assert_true(err.kind == PH_E_USAGE || err.kind == PH_E_SYSTEM);
        ph_settings_done(&s);
    }
}

static void commands_by_name(void **state)
{
    assert_ptr_equal(ph_command_find("copy"), &ph_cmd_copy);
    assert_ptr_equal(ph_command_find("/usr/bin/imapcopy.pl"), &ph_cmd_imapcopy);
    assert_ptr_equal(ph_command_find("imap_audit"), &ph_cmd_imap_audit);
    assert_ptr_equal(ph_command_find("./imap_audit.pl"), &ph_cmd_imap_audit);
    assert_null(ph_command_find("/usr/bin/copy")); /* a program of that name is not ours */
    assert_null(ph_command_find("posthaste"));
    assert_null(ph_command_find("imapcopy.py"));
    assert_null(ph_command_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row), cmocka_unit_test(every_option_has_a_row), cmocka_unit_test(no_option_twice),
        cmocka_unit_test(wrong_lines), cmocka_unit_test(commands_by_name),
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
