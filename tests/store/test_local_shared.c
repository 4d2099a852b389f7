/* What belongs to an account and not to a message: rights of others, quota, metadata, and being told of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "local_mail.h"

static const char *dir;
static struct ph_local_root *root;
static struct who anna, bert;
static const struct ph_serve_ops *serve;

static int set_up(void **state)
{
    static const struct ph_local_options o = { .users_set_quota = true };

    dir = rig_dir();
    root = mail_root(dir, &o);
    anna = mail_user(root, "anna");
    bert = mail_user(root, "be/rt%");
    serve = anna.s->ops->serve;
    return 0;
}

static int tear_down(void **state)
{
    mail_leave(&anna);
    mail_leave(&bert);
    ph_local_root_free(root);
    return 0;
}

#define OF_ANNA "Other Users/anna/"

static void grant(const char *folder, const char *who, const char *rights)
{
    OK(serve->set_acl(anna.s, folder, who, 0, rights, &said));
}

static void rights_of_others(void **state)
{
    char mine[32];
    uint32_t uid;

    mail_create(&anna, "work");
    uid = mail_put(&anna, "work", NULL, 1, 0);
    assert_int_equal(mail_attrs(&bert, OF_ANNA "work"), UINT32_MAX);
    assert_int_equal(mail_count(&bert, OF_ANNA "work"), SIZE_MAX);
    FAILS(PH_E_NOTFOUND, serve->my_rights(bert.s, OF_ANNA "work", mine, &said)); /* RFC 4314 6: not even its existence */
    grant("work", "be/rt%", "lr");
    assert_true(mail_attrs(&bert, OF_ANNA "work") != UINT32_MAX);
    assert_int_equal(mail_attrs(&bert, OF_ANNA "INBOX"), UINT32_MAX);
    assert_int_equal(mail_count(&bert, OF_ANNA "work"), 1);
    OK(serve->my_rights(bert.s, OF_ANNA "work", mine, &said));
    assert_string_equal(mine, "lr");
    size_t n;
    char *body = mail_body(&bert, OF_ANNA "work", uid, &n);
    assert_non_null(body);
    free(body);
    struct ph_append_result res = mail_try(&bert, OF_ANNA "work", "Subject: x\r\n\r\n");
    assert_false(res.ok);
    assert_int_equal(res.err.kind, PH_E_PERMISSION);
    FAILS(PH_E_PERMISSION, serve->set_acl(bert.s, OF_ANNA "work", "be/rt%", '+', "a", &said));
    FAILS(PH_E_PERMISSION, bert.s->ops->remove(bert.s, OF_ANNA "work", &said));
    /* flags one may not set are left alone: t without w and s */
    OK(serve->set_acl(anna.s, "work", "be/rt%", '+', "tie", &said));
    mail_flags(&bert, OF_ANNA "work", uid, PH_F_SEEN | PH_F_DELETED | PH_F_FLAGGED, "");
    struct ph_snapshot s = mail_scan(&anna, "work", 0, NULL, false);
    assert_int_equal(ph_snapshot_row(&s, 0)->flags, PH_F_DELETED);
    ph_snapshot_done(&s);
    assert_true(mail_try(&bert, OF_ANNA "work", "Subject: x\r\n\r\n").ok);
    /* negative rights are taken off */
    grant("work", "-be/rt%", "i");
    assert_false(mail_try(&bert, OF_ANNA "work", "Subject: x\r\n\r\n").ok);
    OK(serve->set_acl(anna.s, "work", "be/rt%", 0, NULL, &said));
    assert_int_equal(mail_attrs(&bert, OF_ANNA "work"), UINT32_MAX);
    grant("work", "anyone", "l");
    assert_true(mail_attrs(&bert, OF_ANNA "work") != UINT32_MAX);
    assert_int_equal(mail_count(&bert, OF_ANNA "work"), SIZE_MAX); /* l is not r */
    FAILS(PH_E_REFUSED, serve->set_acl(anna.s, "work", "anna", '-', "a", &said));
    FAILS(PH_E_BAD, serve->set_acl(anna.s, "work", "x", 0, "lrQ", &said));
}

static void rights_listed_and_inherited(void **state)
{
    struct ph_arena arena;
    struct ph_acl_entry *acl;
    const char *required, **optional;
    struct ph_err result;
    const char *below = OF_ANNA "team/new", *beside = OF_ANNA "else";
    size_t n;

    ph_arena_init(&arena, 0);
    mail_create(&anna, "team");
    grant("team", "be/rt%", "lrk");
    OK(serve->get_acl(anna.s, "team", &arena, &acl, &n, &said));
    assert_int_equal(n, 2);
    assert_string_equal(acl[0].identifier, "anna");
    assert_string_equal(acl[0].rights, PH_RIGHTS_ALL);
    assert_string_equal(acl[1].rights, "lrk");
    OK(serve->list_rights(anna.s, "team", "anna", &arena, &required, &optional, &n, &said));
    assert_string_equal(required, PH_RIGHTS_ALL);
    OK(serve->list_rights(anna.s, "team", "cleo", &arena, &required, &optional, &n, &said));
    assert_string_equal(required, "");
    assert_int_equal(n, strlen(PH_RIGHTS_ALL));
    OK(bert.s->ops->create(bert.s, &below, NULL, 1, &result, &said));
    assert_int_equal(result.kind, PH_OK);
    assert_int_equal(mail_count(&bert, below), 0); /* with the rights of the one above */
    OK(bert.s->ops->create(bert.s, &beside, NULL, 1, &result, &said));
    assert_int_not_equal(result.kind, PH_OK);
    OK(anna.s->ops->rename(anna.s, "team", "group", &said));
    assert_int_equal(mail_count(&bert, OF_ANNA "group/new"), 0);
    const char *mine = "mine";
    OK(bert.s->ops->create(bert.s, &mine, NULL, 1, &result, &said));
    FAILS(PH_E_UNSUPPORTED, bert.s->ops->rename(bert.s, mine, OF_ANNA "group/mine", &said));
    const char *odd = "Other Users/nobody/x";
    OK(bert.s->ops->create(bert.s, &odd, NULL, 1, &result, &said));
    assert_int_equal(result.kind, PH_E_NOTFOUND);
    ph_arena_done(&arena);
}

static void between_accounts(void **state)
{
    struct ph_copy_result r;
    uint32_t uid[3];

    mail_create(&anna, "in");
    grant("in", "be/rt%", "lriswte");
    for (unsigned i = 0; i < 3; i++)
        uid[i] = mail_put(&bert, "INBOX", NULL, i, PH_F_ANSWERED);
    struct ph_numset set = mail_set(uid[0], uid[1]);
    OK(serve->copy(bert.s, "INBOX", 0, &set, OF_ANNA "in", true, &r, &said));
    assert_int_equal(r.n, 2);
    assert_int_equal(mail_count(&bert, "INBOX"), 1);
    size_t n;
    char *got = mail_body(&anna, "in", r.to[1], &n), *want = mail_text(1);
    assert_string_equal(got, want);
    free(got);
    free(want);
    struct ph_snapshot s = mail_scan(&anna, "in", 0, NULL, false);
    assert_int_equal(ph_snapshot_row(&s, 0)->flags, PH_F_ANSWERED);
    assert_int_equal(ph_snapshot_row(&s, 0)->epoch, 1600000000);
    ph_snapshot_done(&s);
    ph_copy_result_done(&r);
    /* not out again what may not be removed */
    grant("in", "be/rt%", "lr");
    struct ph_numset all = mail_set(1, UINT32_MAX);
    FAILS(PH_E_PERMISSION, serve->copy(bert.s, OF_ANNA "in", 0, &all, "INBOX", true, &r, &said));
    assert_int_equal(mail_count(&anna, "in"), 2);
    assert_int_equal(mail_count(&bert, "INBOX"), 1);
    ph_numset_done(&set);
    ph_numset_done(&all);
}

static void quota(void **state)
{
    const struct ph_store_quota_resource limits[] = { { .name = "STORAGE", .limit = 4 }, { .name = "message", .limit = 3 } };
    struct ph_arena arena;
    struct ph_quota q;
    const char **roots, *folder = "more";
    struct ph_err result;
    char big[3000];
    size_t n;

    ph_arena_init(&arena, 0);
    memset(big, 'x', sizeof big - 1);
    memcpy(big, "S: a\r\n\r\n", 8);
    big[sizeof big - 1] = '\0';
    OK(serve->quota_roots(anna.s, "INBOX", &arena, &roots, &n, &said));
    assert_int_equal(n, 1);
    OK(serve->set_quota(anna.s, roots[0], limits, 2, &said));
    assert_true(mail_try(&anna, "INBOX", big).ok);
    struct ph_append_result res = mail_try(&anna, "INBOX", big); /* 6000 octets in 4096 */
    assert_false(res.ok);
    assert_int_equal(res.err.kind, PH_E_QUOTA);
    assert_true(mail_try(&anna, "INBOX", "S: b\r\n\r\n").ok);
    struct ph_numset first = mail_set(1, 1);
    FAILS(PH_E_QUOTA, anna.s->ops->copy(anna.s, "INBOX", 0, &first, "INBOX", &said));
    assert_true(mail_try(&anna, "INBOX", "S: b\r\n\r\n").ok);
    assert_false(mail_try(&anna, "INBOX", "S: b\r\n\r\n").ok); /* three messages */
    OK(serve->get_quota(anna.s, roots[0], &arena, &q, &said));
    assert_int_equal(q.n, 2);
    assert_string_equal(q.r[0].name, "STORAGE");
    assert_int_equal(q.r[0].usage, 3);
    assert_int_equal(q.r[0].limit, 4);
    assert_int_equal(q.r[1].usage, 3);
    OK(anna.s->ops->expunge(anna.s, "INBOX", 0, &first, false, &said));
    assert_true(mail_try(&anna, "INBOX", big).ok); /* there is room again */
    const struct ph_store_quota_resource boxes = { .name = "MAILBOX", .limit = 1 };
    OK(ph_local_set_quota(root, "anna", &boxes, 1, &said));
    OK(anna.s->ops->create(anna.s, &folder, NULL, 1, &result, &said));
    assert_int_equal(result.kind, PH_E_QUOTA);
    FAILS(PH_E_NOTFOUND, serve->get_quota(anna.s, "other", &arena, &q, &said));
    ph_numset_done(&first);
    ph_arena_done(&arena);
}

static void metadata(void **state)
{
    static const char *const entry[] = { "/SHARED/comment", "/private" };
    struct ph_annotation set[] = { { "/shared/Comment", PH_STR("ours") }, { "/private/a", PH_STR("mine") },
                                   { "/private/a/b", PH_STR("deeper") }, { "/private/ab", PH_STR("beside") } };
    struct ph_annotation wrong[] = { { "/private/x", PH_STR("y") }, { "/public/x", PH_STR("y") } }, *got;
    struct ph_arena arena;
    size_t n;

    ph_arena_init(&arena, 0);
    OK(serve->set_metadata(anna.s, "INBOX", set, 4, &said));
    OK(serve->get_metadata(anna.s, "INBOX", entry, 1, 0, &arena, &got, &n, &said));
    assert_int_equal(n, 1);
    assert_true(ph_str_is(got[0].value, "ours"));
    OK(serve->get_metadata(anna.s, "INBOX", entry + 1, 1, 1, &arena, &got, &n, &said));
    assert_int_equal(n, 2);
    OK(serve->get_metadata(anna.s, "INBOX", entry + 1, 1, UINT32_MAX, &arena, &got, &n, &said));
    assert_int_equal(n, 3);
    FAILS(PH_E_BAD, serve->set_metadata(anna.s, "INBOX", wrong, 2, &said)); /* all or nothing */
    OK(serve->get_metadata(anna.s, "INBOX", &wrong[0].entry, 1, 0, &arena, &got, &n, &said));
    assert_int_equal(n, 0);
    grant("INBOX", "be/rt%", "lr");
    OK(serve->get_metadata(bert.s, OF_ANNA "INBOX", entry, 2, UINT32_MAX, &arena, &got, &n, &said));
    assert_int_equal(n, 1); /* what is private is each user's own */
    FAILS(PH_E_PERMISSION, serve->set_metadata(bert.s, OF_ANNA "INBOX", set, 1, &said));
    set[0].value = PH_STR_NIL;
    OK(serve->set_metadata(anna.s, "INBOX", set, 1, &said));
    OK(serve->get_metadata(anna.s, "INBOX", entry, 1, 0, &arena, &got, &n, &said));
    assert_int_equal(n, 0);
    OK(serve->set_metadata(anna.s, "", set + 1, 1, &said));
    OK(serve->get_metadata(anna.s, "", entry + 1, 1, 1, &arena, &got, &n, &said));
    assert_int_equal(n, 1);
    char *big = calloc(1, 70000);
    memset(big, 'x', 69999);
    struct ph_annotation large = { "/private/x", { big, 69999 } };
    FAILS(PH_E_TOOBIG, serve->set_metadata(anna.s, "INBOX", &large, 1, &said));
    assert_true(serve->metadata_limit(anna.s) < 69999);
    free(big);
    char name[32];
    struct ph_annotation one = { name, PH_STR("x") };
    int i = 0, r = 0;
    for (; i < 1100 && !r; i++) {
        snprintf(name, sizeof name, "/private/n%d", i);
        r = serve->set_metadata(anna.s, "INBOX", &one, 1, &said);
    }
    assert_int_equal(r, -1);
    assert_int_equal(said.kind, PH_E_LIMIT);
    ph_arena_done(&arena);
}

/* ---- being told ---- */

struct ears {
    pthread_mutex_t mu;
    pthread_cond_t heard;
    unsigned what;
    char folder[100];
};

static void changed(void *ctx, const char *folder, unsigned what)
{
    struct ears *e = ctx;

    pthread_mutex_lock(&e->mu);
    e->what |= what;
    if (what & PH_WATCH_MESSAGES)
        snprintf(e->folder, sizeof e->folder, "%s", folder);
    pthread_cond_signal(&e->heard);
    pthread_mutex_unlock(&e->mu);
}

/* Until it was told of `what`; what it was told. Five seconds are for a busy machine, not for the store. */
static unsigned listen_for(struct ears *e, unsigned what)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&e->mu);
    while ((e->what & what) != what && pthread_cond_timedwait(&e->heard, &e->mu, &until) == 0)
        ;
    unsigned got = e->what;
    e->what = 0;
    pthread_mutex_unlock(&e->mu);
    return got;
}

static void told_of_changes(void **state)
{
    struct ears a = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, "" },
                b = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, "" };
    const char *name = "INBOX";
    struct ph_err result;

    mail_put(&anna, "INBOX", NULL, 1, 0);
    OK(serve->watch(anna.s, changed, &a, &said));
    OK(serve->watch(bert.s, changed, &b, &said));
    struct who second = mail_user(root, "anna");
    uint32_t uid = mail_put(&second, "INBOX", NULL, 2, 0);
    assert_true(listen_for(&a, PH_WATCH_MESSAGES) & PH_WATCH_MESSAGES);
    assert_string_equal(a.folder, "INBOX");
    mail_flags(&anna, "INBOX", uid, PH_F_SEEN, ""); /* one's own, too */
    assert_int_equal(listen_for(&a, PH_WATCH_MESSAGES), PH_WATCH_MESSAGES);
    mail_create(&second, "new");
    assert_true(listen_for(&a, PH_WATCH_FOLDERS) & PH_WATCH_FOLDERS);
    OK(second.s->ops->subscribe(second.s, &name, 1, true, &result, &said));
    assert_true(listen_for(&a, PH_WATCH_SUBSCRIPTIONS) & PH_WATCH_SUBSCRIPTIONS);
    struct ph_annotation note = { "/private/x", PH_STR("y") };
    OK(serve->set_metadata(second.s, "INBOX", &note, 1, &said));
    assert_true(listen_for(&a, PH_WATCH_METADATA) & PH_WATCH_METADATA);
    assert_int_equal(b.what, 0);
    /* what is shared is heard of by whom it is shared with */
    grant("new", "be/rt%", "lr");
    assert_true(listen_for(&b, PH_WATCH_FOLDERS) & PH_WATCH_FOLDERS);
    assert_true(listen_for(&a, PH_WATCH_ACL) & PH_WATCH_ACL);
    mail_put(&second, "new", NULL, 3, 0);
    assert_true(listen_for(&b, PH_WATCH_MESSAGES) & PH_WATCH_MESSAGES);
    assert_string_equal(b.folder, OF_ANNA "new");
    OK(serve->watch(anna.s, NULL, NULL, &said));
    a.what = 0;
    mail_put(&second, "INBOX", NULL, 4, 0);
    assert_int_equal(a.what, 0);
    mail_leave(&second);
}

/* Another root on the same directory is what another process is: it shares nothing with this one but files. */
static void told_by_other_processes(void **state)
{
    struct ears a = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, "" };
    struct ph_local_root *other = mail_root(dir, NULL);
    struct who there = mail_user(other, "anna");

    OK(serve->watch(anna.s, changed, &a, &said));
    for (unsigned i = 0; i < 3; i++) {
        mail_put(&there, "INBOX", NULL, i, 0);
        assert_true(listen_for(&a, PH_WATCH_MESSAGES) & PH_WATCH_MESSAGES);
        assert_int_equal(mail_count(&anna, "INBOX"), 2 * i + 1); /* and seen at once */
        mail_put(&anna, "INBOX", NULL, i, 0); /* each has a pack of its own */
        assert_int_equal(mail_count(&there, "INBOX"), 2 * i + 2);
        listen_for(&a, PH_WATCH_MESSAGES);
    }
    mail_leave(&there);
    ph_local_root_free(other);
    struct ph_local_check_result check;
    OK(ph_local_check(root, "anna", false, NULL, NULL, &check, &said));
    assert_int_equal(check.findings, 0);
    assert_int_equal(check.messages, 6);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(rights_of_others), CASE(rights_listed_and_inherited), CASE(between_accounts), CASE(quota), CASE(metadata),
        CASE(told_of_changes), CASE(told_by_other_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
