#include "test.h"

#include <sys/stat.h>

#include "daemon/logins.h"
#include "daemon/users.h"
#include "daemon/verifier.h"

/* The salts and the password of the examples in RFC 5802 section 5 and RFC 7677 section 3; keys by Python's hashlib. */
#define SHA1 "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE="
#define SHA256                                                                                                                         \
    "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
/* "IX"; RFC 4013 section 3 maps I U+00AD X to it. */
#define PREPARED                                                                                                                       \
    "4096,W22ZaJ0SNY7soEsUEjb6gQ==,jm4XkHvFe7q0xZ4vmAKJUiTKPr1F+7MXnYyksTUVeBE=,EqXM4c5+I7lQ5vHl5Ngu2rY8DBMM1XjG0dY6GEjwLx0="
/* Perl's crypt. */
#define SHA512 "$6$saltstring$Wspbkvh9VR9k.5FhrEX5QuXIhny1ZR6t1JcW7cUaNNlvGeocueB2IYFN40CbfZ4cl/WePSJC5pA/G1VTFwAkU."
#define YESCRYPT "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$rPeawue/nS.5CE6nTU9GpACAbn46u5ZGm.W6wf1Q.RD"

static bool fits(const char *verifier, const char *password)
{
    const char *value;
    enum ph_verifier_kind kind = ph_verifier_parse(verifier, &value);

    assert_int_not_equal(kind, PH_VERIFIER_NONE);
    return ph_verifier_check(kind, value, ph_str(password));
}

static void test_verifiers_of_others(void **state)
{
    static const char *const all[] = { "{SCRAM-SHA-1}" SHA1, "{SCRAM-SHA-256}" SHA256, "{scram-sha-256}" SHA256, SHA512, YESCRYPT,
                                       "{CRYPT}" SHA512 };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_true(fits(all[i], "pencil"));
        assert_false(fits(all[i], "Pencil"));
        assert_false(fits(all[i], "pencil "));
        assert_false(fits(all[i], ""));
    }
    assert_true(fits("{SCRAM-SHA-256}" PREPARED, "IX"));
    assert_true(fits("{SCRAM-SHA-256}" PREPARED, "I\xc2\xadX"));
}

static void test_octets_behind_a_nul_count(void **state)
{
    const char *value;
    enum ph_verifier_kind kind = ph_verifier_parse(SHA512, &value);

    assert_false(ph_verifier_check(kind, value, (struct ph_str){ "pencil\0x", 8 }));
    kind = ph_verifier_parse("{SCRAM-SHA-256}" SHA256, &value);
    assert_false(ph_verifier_check(kind, value, (struct ph_str){ "pencil\0x", 8 }));
}

static void test_what_is_no_verifier(void **state)
{
    static const char *const wrong[] = {
        "", "pencil", "{PLAIN}", "{SSHA}c2VjcmV0", "{SCRAM-SHA-256}", "{SCRAM-SHA-256}" SHA1, "{SCRAM-SHA-1}" SHA256,
        "{SCRAM-SHA-1}0,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
        "{SCRAM-SHA-1}99999999,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=", /* past our limit */
        "{SCRAM-SHA-1}" SHA1 ",", "{SCRAM-SHA-1}4096,,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
        "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlG,D+CS", "{CRYPT}", "{CRYPT}*", "$", "$$", "!",
    };
    const char *value;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ph_verifier_parse(wrong[i], &value), PH_VERIFIER_NONE);
}

static void test_making(void **state)
{
    static const enum ph_verifier_kind kinds[] = { PH_VERIFIER_SCRAM_SHA256, PH_VERIFIER_SCRAM_SHA1, PH_VERIFIER_CRYPT };

    for (size_t i = 0; i < 3; i++) {
        struct ph_buf a = PH_BUF_INIT, b = PH_BUF_INIT;
        struct ph_err err;
        assert_int_equal(ph_verifier_make(kinds[i], PH_STR("correct horse"), &a, &err), 0);
        assert_int_equal(ph_verifier_make(kinds[i], PH_STR("correct horse"), &b, &err), 0);
        assert_string_not_equal(ph_buf_z(&a), ph_buf_z(&b)); /* another salt */
        assert_true(fits(ph_buf_z(&a), "correct horse"));
        assert_false(fits(ph_buf_z(&a), "correct horse "));
        ph_buf_clear(&a);
        assert_int_equal(ph_verifier_make(kinds[i], PH_STR(""), &a, &err), -1);
        assert_int_equal(ph_verifier_make(kinds[i], PH_STR("a\x07z"), &a, &err), -1); /* RFC 4013 2.3: prohibited */
        assert_null(strstr(err.text, "a\x07z"));
        assert_int_equal(ph_verifier_make(kinds[i], PH_STR("\xff\xfe"), &a, &err), -1);
        ph_buf_done(&a);
        ph_buf_done(&b);
    }
}

struct place {
    char path[128], warning[600];
};

static void warn(void *ctx, const char *text)
{
    snprintf(((struct place *)ctx)->warning, 600, "%s", text);
}

static struct ph_users *users_of(struct place *p, const char *text)
{
    struct ph_users *u;
    struct ph_err err = { 0 };

    memset(p, 0, sizeof *p);
    snprintf(p->path, sizeof p->path, "%s", new_folder());
    strcat(p->path, "/users");
    write_file(p->path, text);
    chmod(p->path, 0600);
    if (ph_users_new(p->path, warn, p, &u, &err)) {
        snprintf(p->warning, sizeof p->warning, "%s", err.text);
        return NULL;
    }
    return u;
}

static void remove_place(struct place *p)
{
    unlink(p->path);
    *strrchr(p->path, '/') = '\0';
    assert_int_equal(rmdir(p->path), 0); /* nothing else was left there */
}

static void test_the_file(void **state)
{
    struct place p;
    struct ph_users *u = users_of(&p, "# people\r\n\nanna:{SCRAM-SHA-256}" SHA256 " {SCRAM-SHA-1}" SHA1 "\nb@example.org:" SHA512 "\n  \n");
    struct ph_server_verifier v;

    assert_non_null(u);
    assert_int_equal(ph_users_check(u, "anna", PH_STR("pencil")), 0);
    assert_int_equal(ph_users_check(u, "anna", PH_STR("pen")), -1);
    assert_int_equal(ph_users_check(u, "b@example.org", PH_STR("pencil")), 0);
    assert_int_equal(ph_users_check(u, "nobody", PH_STR("pencil")), -1);
    assert_int_equal(ph_users_check(u, "", PH_STR("pencil")), -1);
    assert_true(ph_users_have(u, "anna"));
    assert_false(ph_users_have(u, "Anna"));
    assert_false(ph_users_all_scram(u)); /* b has none */
    assert_false(ph_users_all_plain(u));
    assert_int_equal(ph_users_verifier(u, "anna", &v), 0);
    assert_string_equal(v.scram_sha256, SHA256);
    assert_string_equal(v.scram_sha1, SHA1);
    assert_null(v.password);
    ph_users_free(u);
    remove_place(&p);
}

static void test_names_that_do_not_exist_look_like_others(void **state)
{
    struct place p;
    struct ph_users *u = users_of(&p, ":{KEY}AAECAwQFBgcICQoLDA0ODw==\nanna:{SCRAM-SHA-256}" SHA256 " {SCRAM-SHA-1}" SHA1 "\n");
    struct ph_server_verifier v;
    char first[300];

    assert_non_null(u);
    assert_true(ph_users_all_scram(u));
    assert_int_equal(ph_users_verifier(u, "zoe", &v), 0);
    assert_int_equal(ph_verifier_iterations(v.scram_sha256), 4096); /* as everybody else here */
    snprintf(first, sizeof first, "%s", v.scram_sha256);
    size_t salt = strcspn(first + 5, ",");
    assert_int_equal(salt, 24); /* 16 octets */
    assert_int_equal(ph_users_verifier(u, "zoe", &v), 0);
    assert_memory_equal(v.scram_sha256, first, 5 + salt); /* the same salt each time */
    assert_string_not_equal(v.scram_sha256, first);       /* and no key that could be learned */
    assert_int_equal(ph_users_verifier(u, "zoey", &v), 0);
    assert_memory_not_equal(v.scram_sha256, first, 5 + salt);
    ph_users_free(u);
    u = NULL;
    assert_int_equal(ph_users_new(p.path, NULL, NULL, &u, NULL), 0); /* after a restart, too: the key is in the file */
    assert_int_equal(ph_users_verifier(u, "zoe", &v), 0);
    assert_memory_equal(v.scram_sha256, first, 5 + salt);
    ph_users_free(u);
    remove_place(&p);
}

static void test_changes_are_seen(void **state)
{
    struct place p;
    struct ph_users *u = users_of(&p, "anna:" SHA512 "\n");
    struct ph_buf v = PH_BUF_INIT;
    struct ph_err err;
    bool existed;

    assert_int_equal(ph_users_set(p.path, "berta", SHA512, &existed, &err), 0);
    assert_false(existed);
    assert_true(ph_users_have(u, "berta"));
    assert_int_equal(ph_verifier_make(PH_VERIFIER_SCRAM_SHA1, PH_STR("new"), &v, &err), 0);
    assert_int_equal(ph_users_set(p.path, "anna", ph_buf_z(&v), &existed, &err), 0);
    assert_true(existed);
    assert_int_equal(ph_users_check(u, "anna", PH_STR("pencil")), -1);
    assert_int_equal(ph_users_check(u, "anna", PH_STR("new")), 0);
    assert_int_equal(ph_users_set(p.path, "anna", NULL, &existed, &err), 0);
    assert_false(ph_users_have(u, "anna"));
    write_file(p.path, "anna:secret words here\n"); /* wrong: what was read before stays */
    assert_true(ph_users_have(u, "berta"));
    assert_contains(p.warning, ":1:");
    assert_null(strstr(p.warning, "secret"));
    ph_buf_done(&v);
    ph_users_free(u);
    remove_place(&p);
}

static void test_setting_keeps_the_rest(void **state)
{
    struct place p;
    struct ph_users *u = users_of(&p, "# first\nanna:" SHA512 "\n\n# of berta\nberta:" SHA512);
    struct ph_err err;
    struct stat st;
    bool existed;

    chmod(p.path, 0640);
    assert_int_equal(ph_users_set(p.path, "anna", YESCRYPT, &existed, &err), 0);
    assert_string_equal(read_whole(p.path), "# first\nanna:" YESCRYPT "\n\n# of berta\nberta:" SHA512 "\n");
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(ph_users_set(p.path, "a:b", SHA512, &existed, &err), -1);
    assert_int_equal(ph_users_set(p.path, "a b", SHA512, &existed, &err), -1);
    assert_int_equal(ph_users_set(p.path, "carla", "clear", &existed, &err), -1); /* would make the file wrong */
    assert_null(strstr(read_whole(p.path), "carla"));
    ph_users_free(u);
    remove_place(&p);
    u = users_of(&p, "");
    unlink(p.path);
    assert_int_equal(ph_users_set(p.path, "anna", SHA512, &existed, &err), 0);
    assert_contains(read_whole(p.path), "\n:{KEY}");
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ph_users_free(u);
    remove_place(&p);
}

static void test_wrong_files(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "anna\n", "/users:1: " },
        { "# x\n\nanna:\n", "/users:3: " },
        { "anna:" SHA512 "\nanna:" SHA512 "\n", "twice" },
        { "an na:" SHA512 "\n", "/users:1: " },
        { ":{KEY}QQ==\n", "/users:1: " },
        { "anna:{SSHA}c2VjcmV0\n", "/users:1: " },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct place p;
        assert_null(users_of(&p, wrong[i].text));
        assert_contains(p.warning, wrong[i].says);
        assert_null(strstr(p.warning, "c2VjcmV0"));
        remove_place(&p);
    }
}

static void test_clear_passwords(void **state)
{
    struct place p;
    struct ph_users *u = users_of(&p, "anna:{PLAIN}pencil\nberta:{PLAIN}pen{cil}\n");
    struct ph_server_verifier v;

    assert_non_null(u);
    assert_true(ph_users_all_plain(u));
    assert_true(ph_users_all_scram(u));
    assert_int_equal(ph_users_check(u, "anna", PH_STR("pencil")), 0);
    assert_int_equal(ph_users_check(u, "anna", PH_STR("pencils")), -1);
    assert_int_equal(ph_users_verifier(u, "berta", &v), 0);
    assert_string_equal(v.password, "pen{cil}");
    assert_null(v.scram_sha1);
    assert_int_equal(ph_users_verifier(u, "carla", &v), -1);
    ph_users_free(u);
    remove_place(&p);
}

static void test_nobody_in_the_file(void **state)
{
    struct place p;
    struct ph_users *u = users_of(&p, "");
    struct ph_server_verifier v;

    assert_non_null(u);
    assert_int_equal(ph_users_check(u, "anna", PH_STR("x")), -1);
    assert_int_equal(ph_users_verifier(u, "anna", &v), 0);
    assert_int_equal(ph_verifier_iterations(v.scram_sha1), PH_SCRAM_ITERATIONS);
    ph_users_free(u);
    remove_place(&p);
}

/* RFC 2253 section 2.4: a comma, a plus, a quote in a value have a backslash before them. */
static void test_common_names(void **state)
{
    static const char *const cases[][2] = {
        { "CN=anna", "anna" },
        { "CN=anna,O=Example", "anna" },
        { "O=Example,CN=anna", "anna" },
        { "OU=x+CN=anna,O=y", "anna" },
        { "CN=anna@example.org,DC=example,DC=org", "anna@example.org" },
        { "O=x\\,CN=root,CN=anna", "anna" }, /* an organisation called "x,CN=root" */
        { "O=x\\\\,CN=anna", "anna" },     /* one that ends with a backslash */
        { "O=x\\+CN=root", NULL },
        { "O=CN=root", NULL },
        { "SCN=root", NULL },
        { "CN=anna,CN=root", NULL },
        { "CN=an\\,na", NULL },
        { "CN=\\C3\\A4", NULL },
        { "CN=#0401", NULL },
        { "CN=", NULL },
        { "CN", NULL },
        { "", NULL },
        { "O=x\\", NULL },
    };
    char cn[20];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc = ph_subject_cn(cases[i][0], cn, sizeof cn);
        assert_int_equal(rc, cases[i][1] ? 0 : -1);
        if (rc == 0)
            assert_string_equal(cn, cases[i][1]);
    }
    assert_int_equal(ph_subject_cn("CN=12345678901234567890", cn, sizeof cn), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verifiers_of_others),
        cmocka_unit_test(test_octets_behind_a_nul_count),
        cmocka_unit_test(test_what_is_no_verifier),
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_the_file),
        cmocka_unit_test(test_names_that_do_not_exist_look_like_others),
        cmocka_unit_test(test_changes_are_seen),
        cmocka_unit_test(test_setting_keeps_the_rest),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_clear_passwords),
        cmocka_unit_test(test_common_names),
        cmocka_unit_test(test_nobody_in_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
