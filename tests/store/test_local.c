/* The store on disk beyond the contract: what a server asks of it. */
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

#include "local_mail.h"

static struct ph_local_root *root;
static struct who anna;
static const struct ph_serve_ops *serve;

static int set_up(void **state)
{
    static const struct ph_local_options o = { .users_set_quota = true, .tombstones = 8, .open_users = 2 };

    root = mail_root(rig_dir(), &o);
    anna = mail_user(root, "anna");
    serve = anna.s->ops->serve;
    return 0;
}

static int tear_down(void **state)
{
    mail_leave(&anna);
    ph_local_root_free(root);
    return 0;
}

/* ---- users ---- */

static int count_user(void *ctx, const char *user, struct ph_err *err)
{
    ++*(int *)ctx;
    return 0;
}

static void names_of_users(void **state)
{
    const char *const odd[] = { "../anna", "..", ".", "a/b", "ANNA", "anna%2f", "\xc3\xa4", "x\ny", "a b" };
    int n = 0;
    bool exists;

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct who w = mail_user(root, odd[i]);
        assert_int_equal(mail_count(&w, "INBOX"), 0); /* nobody else's */
        mail_put(&w, "INBOX", NULL, 1, 0);
        mail_leave(&w);
    }
    assert_int_equal(mail_count(&anna, "INBOX"), 0);
    OK(ph_local_users(root, count_user, &n, &said));
    assert_int_equal(n, 1 + sizeof odd / sizeof *odd);
    OK(ph_local_user_exists(root, "a/b", &exists, &said));
    assert_true(exists);
    OK(ph_local_user_exists(root, "nobody", &exists, &said));
    assert_false(exists);
    struct ph_store *st;
    char name[300];
    memset(name, 'x', 299);
    name[299] = '\0';
    FAILS(PH_E_USAGE, ph_local_store_new(root, name, true, &st, &said));
    FAILS(PH_E_USAGE, ph_local_store_new(root, "", true, &st, &said));
    FAILS(PH_E_NOTFOUND, ph_local_store_new(root, "nobody", false, &st, &said));
}

/* Sessions last, open files do not: two users at a time. */
static void few_are_open(void **state)
{
    struct ph_local_counters n;
    struct who w[8];
    char name[16];

    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "user%d", i);
        w[i] = mail_user(root, name);
        mail_put(&w[i], "INBOX", NULL, (unsigned)i, 0);
    }
    ph_local_count(root, &n);
    assert_true(n.opened - n.closed <= 3);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(mail_count(&w[i], "INBOX"), 1);
        mail_leave(&w[i]);
    }
}

/* ---- mailboxes ---- */

static void inbox_renamed(void **state)
{
    uint32_t uid;

    mail_create(&anna, "INBOX/below");
    mail_put(&anna, "INBOX", NULL, 1, PH_F_SEEN);
    uid = mail_put(&anna, "INBOX", NULL, 2, 0);
    struct ph_folder before = mail_status(&anna, "INBOX");
    OK(anna.s->ops->rename(anna.s, "inbox", "old/mail", &said));
    struct ph_folder after = mail_status(&anna, "INBOX"), old = mail_status(&anna, "old/mail");
    assert_int_equal(after.messages, 0); /* RFC 9051 6.3.6: INBOX stays, empty */
    assert_int_equal(after.uidvalidity, before.uidvalidity);
    assert_int_equal(after.uidnext, before.uidnext);
    assert_int_equal(old.messages, 2);
    assert_int_equal(old.unseen, 1);
    assert_true(old.uidvalidity != before.uidvalidity);
    assert_int_equal(mail_count(&anna, "INBOX/below"), 0); /* what is below is not touched */
    struct ph_numset gone = PH_NUMSET_INIT;
    struct ph_snapshot snap = mail_scan(&anna, "INBOX", before.modseq, &gone, false);
    assert_true(ph_numset_contains(&gone, uid));
    ph_snapshot_done(&snap);
    ph_numset_done(&gone);
    size_t n;
    char *body = mail_body(&anna, "old/mail", uid, &n), *want = mail_text(2);
    assert_string_equal(body, want);
    free(body);
    free(want);
}

static void uidvalidity_never_again(void **state)
{
    uint32_t seen[6];

    for (int i = 0; i < 3; i++) {
        mail_create(&anna, "again");
        seen[i] = mail_status(&anna, "again").uidvalidity;
        for (int k = 0; k < i; k++)
            assert_true(seen[i] > seen[k]);
        OK(anna.s->ops->remove(anna.s, "again", &said));
    }
    mail_create(&anna, "again");
    uint32_t kept = mail_status(&anna, "again").uidvalidity;
    OK(anna.s->ops->rename(anna.s, "again", "else/where", &said));
    assert_int_equal(mail_status(&anna, "else/where").uidvalidity, kept);
    assert_true(mail_attrs(&anna, "else") != UINT32_MAX); /* made on the way (6.3.6) */
}

static void removing_with_children(void **state)
{
    struct ph_err result;
    const char *name = "a";

    mail_create(&anna, "a");
    mail_create(&anna, "a/b");
    mail_create(&anna, "a b");
    mail_put(&anna, "a", NULL, 1, 0);
    uint32_t validity = mail_status(&anna, "a").uidvalidity;
    assert_true(mail_attrs(&anna, "a") & PH_MA_HASCHILDREN);
    assert_true(mail_attrs(&anna, "a b") & PH_MA_HASNOCHILDREN);
    OK(anna.s->ops->remove(anna.s, "a", &said));
    assert_true(mail_attrs(&anna, "a") & PH_MA_NOSELECT); /* RFC 9051 6.3.5 */
    assert_int_equal(mail_count(&anna, "a"), SIZE_MAX);
    FAILS(PH_E_REFUSED, anna.s->ops->remove(anna.s, "a", &said)); /* has children and \Noselect */
    OK(anna.s->ops->create(anna.s, &name, NULL, 1, &result, &said));
    assert_int_equal(result.kind, PH_OK);
    assert_int_equal(mail_count(&anna, "a"), 0);
    assert_true(mail_status(&anna, "a").uidvalidity != validity);
    OK(anna.s->ops->remove(anna.s, "a/b", &said));
    OK(anna.s->ops->remove(anna.s, "a", &said));
    assert_int_equal(mail_attrs(&anna, "a"), UINT32_MAX);
    FAILS(PH_E_REFUSED, anna.s->ops->remove(anna.s, "INBOX", &said));
    FAILS(PH_E_NOTFOUND, anna.s->ops->remove(anna.s, "a", &said));
    mail_create(&anna, "p/q/r");
    assert_true(mail_attrs(&anna, "p/q") & PH_MA_NOSELECT); /* a name on the way, not a mailbox */
    assert_false(mail_attrs(&anna, "p/q/r") & PH_MA_NOSELECT);
    OK(anna.s->ops->rename(anna.s, "p", "z", &said)); /* children go along */
    mail_create(&anna, "k");
    mail_create(&anna, "k/l");
    mail_create(&anna, "k/l/m");
    OK(anna.s->ops->remove(anna.s, "k", &said));
    OK(anna.s->ops->remove(anna.s, "k/l", &said));
    assert_true(mail_attrs(&anna, "k") & PH_MA_NOSELECT);
    OK(anna.s->ops->remove(anna.s, "k/l/m", &said)); /* what was removed already goes with it */
    assert_int_equal(mail_attrs(&anna, "k"), UINT32_MAX);
    assert_int_equal(mail_attrs(&anna, "k/l"), UINT32_MAX);
    mail_create(&anna, "n/o");
    OK(anna.s->ops->remove(anna.s, "n/o", &said)); /* what nobody removed stays */
    assert_true(mail_attrs(&anna, "n") & PH_MA_NOSELECT);
    OK(anna.s->ops->remove(anna.s, "n", &said));
    assert_int_equal(mail_count(&anna, "z/q/r"), 0);
    FAILS(PH_E_REFUSED, anna.s->ops->rename(anna.s, "z", "z/q/y", &said));
    FAILS(PH_E_EXISTS, anna.s->ops->rename(anna.s, "z", "a b", &said));
}

static void subscriptions(void **state)
{
    const char *name = "sub", *none = "none";
    struct ph_err result;

    mail_create(&anna, "sub");
    OK(anna.s->ops->subscribe(anna.s, &name, 1, true, &result, &said));
    assert_int_equal(result.kind, PH_OK);
    OK(anna.s->ops->remove(anna.s, "sub", &said));
    /* RFC 9051 6.3.7: the server must not take a name off by itself */
    assert_int_equal(mail_attrs(&anna, "sub") & (PH_MA_NONEXISTENT | PH_MA_SUBSCRIBED), PH_MA_NONEXISTENT | PH_MA_SUBSCRIBED);
    OK(anna.s->ops->subscribe(anna.s, &name, 1, false, &result, &said));
    assert_int_equal(result.kind, PH_OK);
    assert_int_equal(mail_attrs(&anna, "sub"), UINT32_MAX);
    OK(anna.s->ops->subscribe(anna.s, &none, 1, true, &result, &said));
    assert_int_equal(result.kind, PH_E_NOTFOUND);
}

/* ---- messages ---- */

static void vanished_is_never_too_little(void **state)
{
    struct ph_numset gone = PH_NUMSET_INIT, set;
    uint32_t uid[40];

    for (unsigned i = 0; i < 40; i++)
        uid[i] = mail_put(&anna, "INBOX", NULL, i, 0);
    uint64_t since = mail_status(&anna, "INBOX").modseq;
    struct ph_numset odd = PH_NUMSET_INIT;
    for (unsigned i = 1; i < 40; i += 2)
        ph_numset_add(&odd, uid[i]);
    OK(anna.s->ops->expunge(anna.s, "INBOX", 0, &odd, false, &said)); /* 20 ranges, and 8 are kept */
    struct ph_snapshot snap = mail_scan(&anna, "INBOX", since, &gone, false);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(ph_numset_contains(&gone, uid[i]), i % 2);
    ph_snapshot_done(&snap);
    ph_numset_clear(&gone);
    since = mail_status(&anna, "INBOX").modseq;
    set = mail_set(uid[0], uid[0]);
    OK(anna.s->ops->expunge(anna.s, "INBOX", 0, &set, false, &said));
    snap = mail_scan(&anna, "INBOX", since, &gone, false);
    assert_int_equal(ph_numset_count(&gone), 1); /* and exact where it can be */
    assert_true(ph_numset_contains(&gone, uid[0]));
    ph_snapshot_done(&snap);
    ph_numset_done(&gone);
    ph_numset_done(&odd);
    ph_numset_done(&set);
}

static void recent_once(void **state)
{
    mail_put(&anna, "INBOX", NULL, 1, 0);
    struct ph_snapshot a = mail_scan(&anna, "INBOX", 0, NULL, false), b, c;
    assert_false(ph_snapshot_row(&a, 0)->flags & PH_F_RECENT); /* EXAMINE takes nothing away */
    b = mail_scan(&anna, "INBOX", 0, NULL, true);
    assert_true(ph_snapshot_row(&b, 0)->flags & PH_F_RECENT);
    mail_put(&anna, "INBOX", NULL, 2, 0);
    c = mail_scan(&anna, "INBOX", 0, NULL, true);
    assert_false(ph_snapshot_row(&c, 0)->flags & PH_F_RECENT);
    assert_true(ph_snapshot_row(&c, 1)->flags & PH_F_RECENT);
    ph_snapshot_done(&a);
    ph_snapshot_done(&b);
    ph_snapshot_done(&c);
}

static void keywords_have_no_case(void **state)
{
    uint32_t a = mail_put(&anna, "INBOX", NULL, 1, 0), b = mail_put(&anna, "INBOX", NULL, 2, 0);

    mail_flags(&anna, "INBOX", a, 0, "Work $Later");
    mail_flags(&anna, "INBOX", b, PH_F_DELETED, "WORK work");
    struct ph_snapshot s = mail_scan(&anna, "INBOX", 0, NULL, false);
    assert_string_equal(ph_snapshot_keywords(&s, ph_snapshot_row(&s, 0)), "$Later Work");
    assert_string_equal(ph_snapshot_keywords(&s, ph_snapshot_row(&s, 1)), "Work");
    assert_string_equal(s.permanent_keywords, "$Later Work");
    assert_true(s.keywords_ok);
    ph_snapshot_done(&s);
    struct ph_folder f = mail_status(&anna, "INBOX");
    assert_int_equal(f.deleted, 1);
    assert_int_equal(f.unseen, 2);
    char many[5000] = "";
    for (int i = 0; i < 201; i++)
        snprintf(many + strlen(many), 16, "k%d ", i);
    struct ph_numset set = mail_set(a, a);
    struct ph_flag_change ch = { .uids = &set, .keywords = many, .mode = PH_FLAGS_SET };
    struct ph_flag_batch batch = { .folder = "INBOX", .changes = &ch, .n = 1 };
    OK(anna.s->ops->store_flags(anna.s, &batch, 1, &said));
    assert_int_equal(batch.result.kind, PH_E_LIMIT);
    ph_numset_done(&set);
}

static void modified_is_told(void **state)
{
    uint32_t a = mail_put(&anna, "INBOX", NULL, 1, 0), b = mail_put(&anna, "INBOX", NULL, 2, 0);
    struct ph_numset set = mail_set(a, b), modified = PH_NUMSET_INIT;
    uint64_t since = mail_status(&anna, "INBOX").modseq;
    struct ph_flag_change ch = { .uids = &set, .flags = PH_F_FLAGGED, .keywords = "", .mode = PH_FLAGS_ADD,
                                 .unchanged_since = since, .modified = &modified };
    struct ph_flag_batch batch = { .folder = "INBOX", .changes = &ch, .n = 1 };

    mail_flags(&anna, "INBOX", a, PH_F_SEEN, "");
    OK(anna.s->ops->store_flags(anna.s, &batch, 1, &said));
    assert_int_equal(ch.result.kind, PH_E_CHANGED);
    assert_int_equal(ph_numset_count(&modified), 1);
    assert_true(ph_numset_contains(&modified, a));
    /* a change that changes nothing has no number */
    uint64_t now = mail_status(&anna, "INBOX").modseq;
    mail_flags(&anna, "INBOX", a, PH_F_SEEN, "");
    assert_int_equal(mail_status(&anna, "INBOX").modseq, now);
    ph_numset_done(&set);
    ph_numset_done(&modified);
}

static void size_unknown(void **state)
{
    struct ph_message m = { .keywords = "", .size = UINT64_MAX };
    struct ph_append_result res;
    struct ph_append *a, *done;
    static char piece[100000];

    memset(piece, 'x', sizeof piece);
    memcpy(piece, "Subject: a\r\n\r\n", 14);
    OK(anna.s->ops->append_open(anna.s, "INBOX", 3, &a, &said));
    for (int i = 0; i < 3; i++) { /* short, long, short */
        OK(anna.s->ops->append_message(a, &m, &said));
        for (int k = 0; k < (i == 1 ? 10 : 1); k++)
            OK(anna.s->ops->append_write(a, piece, i == 1 ? sizeof piece : 20u + (size_t)i, &said));
    }
    OK(anna.s->ops->append_finish(a, &said));
    OK(anna.s->ops->append_wait(anna.s, &done, &res, &said));
    assert_true(res.ok);
    assert_int_equal(res.n_uids, 3);
    const size_t want[] = { 20, 1000000, 22 };
    for (int i = 0; i < 3; i++) {
        size_t n;
        char *got = mail_body(&anna, "INBOX", res.uids[i], &n);
        assert_int_equal(n, want[i]);
        assert_memory_equal(got, piece, 20);
        free(got);
    }
    anna.s->ops->append_free(done);
    /* given up in the middle: nothing of it stays */
    OK(anna.s->ops->append_open(anna.s, "INBOX", 1, &a, &said));
    OK(anna.s->ops->append_message(a, &m, &said));
    for (int k = 0; k < 10; k++)
        OK(anna.s->ops->append_write(a, piece, sizeof piece, &said));
    anna.s->ops->append_free(a);
    assert_int_equal(mail_count(&anna, "INBOX"), 3);
    mail_put(&anna, "INBOX", NULL, 7, 0);
    struct ph_local_check_result check;
    OK(ph_local_check(root, "anna", false, NULL, NULL, &check, &said));
    assert_int_equal(check.findings, 0);
}

static void replacing(void **state)
{
    uint32_t old = mail_put(&anna, "INBOX", NULL, 1, 0);
    struct ph_message m = { .keywords = "", .size = 20 };
    struct ph_append_result res;
    struct ph_append *a, *done;

    mail_create(&anna, "Drafts");
    for (int i = 0; i < 2; i++) { /* the second time it is gone */
        OK(anna.s->ops->append_open(anna.s, i ? "INBOX" : "Drafts", 1, &a, &said));
        OK(anna.s->ops->append_message(a, &m, &said));
        OK(anna.s->ops->append_write(a, "Subject: new\r\n\r\n1234", 20, &said));
        OK(serve->append_replaces(a, "INBOX", 0, old, &said));
        OK(anna.s->ops->append_finish(a, &said));
        OK(anna.s->ops->append_wait(anna.s, &done, &res, &said));
        assert_int_equal(res.ok, i == 0);
        if (i)
            assert_int_equal(res.err.kind, PH_E_NOTFOUND);
        anna.s->ops->append_free(done);
    }
    assert_int_equal(mail_count(&anna, "INBOX"), 0);
    assert_int_equal(mail_count(&anna, "Drafts"), 1);
}

static void moving(void **state)
{
    uint32_t uid[5];
    struct ph_copy_result r;

    mail_create(&anna, "to");
    for (unsigned i = 0; i < 5; i++)
        uid[i] = mail_put(&anna, "INBOX", NULL, i, i == 2 ? PH_F_FLAGGED : 0);
    struct ph_numset some = mail_set(uid[1], uid[3]), gone = PH_NUMSET_INIT;
    uint64_t since = mail_status(&anna, "INBOX").modseq;
    OK(serve->copy(anna.s, "INBOX", 0, &some, "to", true, &r, &said));
    assert_int_equal(r.n, 3);
    assert_int_equal(r.uidvalidity, mail_status(&anna, "to").uidvalidity);
    assert_int_equal(r.modseq, mail_status(&anna, "INBOX").modseq);
    for (unsigned i = 0; i < 3; i++) {
        size_t n;
        assert_int_equal(r.from[i], uid[1 + i]);
        char *body = mail_body(&anna, "to", r.to[i], &n), *want = mail_text(1 + i);
        assert_string_equal(body, want);
        free(body);
        free(want);
    }
    struct ph_snapshot s = mail_scan(&anna, "INBOX", since, &gone, false);
    assert_int_equal(ph_numset_count(&gone), 3);
    ph_snapshot_done(&s);
    ph_copy_result_done(&r);
    FAILS(PH_E_NOTFOUND, serve->copy(anna.s, "INBOX", 0, &some, "none", true, &r, &said));
    assert_string_equal(said.code, "TRYCREATE");
    /* within one folder */
    struct ph_numset all = mail_set(1, UINT32_MAX);
    OK(serve->copy(anna.s, "to", 0, &all, "to", false, &r, &said));
    assert_int_equal(r.n, 3);
    assert_int_equal(mail_count(&anna, "to"), 6);
    ph_copy_result_done(&r);
    OK(serve->copy(anna.s, "to", 0, &all, "to", true, &r, &said));
    assert_int_equal(r.n, 6);
    assert_int_equal(mail_count(&anna, "to"), 6);
    ph_copy_result_done(&r);
    struct ph_local_check_result check;
    OK(ph_local_check(root, "anna", false, NULL, NULL, &check, &said));
    assert_int_equal(check.findings, 0);
    assert_int_equal(check.bodies, 5); /* copies have no octets of their own */
    assert_int_equal(check.messages, 8);
    ph_numset_done(&some);
    ph_numset_done(&gone);
    ph_numset_done(&all);
}

static void expunging_deleted(void **state)
{
    uint32_t a = mail_put(&anna, "INBOX", NULL, 1, PH_F_DELETED), b = mail_put(&anna, "INBOX", NULL, 2, 0),
             c = mail_put(&anna, "INBOX", NULL, 3, PH_F_DELETED);
    struct ph_numset only = mail_set(b, c), gone = PH_NUMSET_INIT;
    uint64_t modseq;

    OK(serve->expunge_deleted(anna.s, "INBOX", 0, &only, &gone, &modseq, &said));
    assert_int_equal(ph_numset_count(&gone), 1);
    assert_true(ph_numset_contains(&gone, c));
    assert_int_equal(modseq, mail_status(&anna, "INBOX").modseq);
    OK(serve->expunge_deleted(anna.s, "INBOX", 0, NULL, &gone, &modseq, &said));
    assert_true(ph_numset_contains(&gone, a));
    assert_int_equal(mail_count(&anna, "INBOX"), 1);
    ph_numset_done(&only);
    ph_numset_done(&gone);
}

struct told {
    char email[3][64], thread[3][64];
    int n;
};

static int keep_info(void *ctx, const struct ph_message_info *i, struct ph_err *err)
{
    struct told *t = ctx;

    snprintf(t->email[t->n], 64, "%s", i->emailid);
    snprintf(t->thread[t->n++], 64, "%s", i->threadid);
    assert_true(i->has_saved && i->saved > 1700000000);
    return 0;
}

static void object_ids(void **state)
{
    static const char first[] = "Message-ID: <1@x>\r\nSubject: a\r\n\r\na\r\n",
                      reply[] = "Message-ID: <2@x>\r\nReferences: <1@x>\r\n <9@x>\r\n\r\nb\r\n", none[] = "\r\nbody\r\n";
    struct ph_copy_result r;
    struct told t = { .n = 0 }, copy = { .n = 0 };

    mail_create(&anna, "to");
    mail_put(&anna, "INBOX", first, 0, 0);
    mail_put(&anna, "INBOX", reply, 0, 0);
    mail_put(&anna, "INBOX", none, 0, 0);
    OK(serve->info(anna.s, "INBOX", 0, NULL, keep_info, &t, &said));
    assert_int_equal(t.n, 3);
    assert_string_not_equal(t.email[0], t.email[1]);
    assert_string_equal(t.thread[0], t.thread[1]);
    assert_string_equal(t.thread[2], "");
    struct ph_numset one = mail_set(1, 1);
    OK(serve->copy(anna.s, "INBOX", 0, &one, "to", true, &r, &said));
    OK(serve->info(anna.s, "to", 0, NULL, keep_info, &copy, &said));
    assert_string_equal(copy.email[0], t.email[0]); /* RFC 8474 5.1 */
    ph_copy_result_done(&r);
    ph_numset_done(&one);
    char id[64];
    snprintf(id, sizeof id, "%s", mail_status(&anna, "to").mailboxid);
    OK(anna.s->ops->rename(anna.s, "to", "other", &said));
    assert_string_equal(mail_status(&anna, "other").mailboxid, id);
}

static void caching(void **state)
{
    uint32_t uid = mail_put(&anna, "INBOX", NULL, 1, 0), other = mail_put(&anna, "INBOX", NULL, 2, 0);
    struct ph_buf b = PH_BUF_INIT;
    char name[16];

    assert_int_equal(serve->cache_get(anna.s, "INBOX", 0, uid, &b, &said), 0);
    OK(serve->cache_put(anna.s, "INBOX", 0, uid, PH_STR("what it\0is"), &said));
    assert_int_equal(serve->cache_get(anna.s, "INBOX", 0, uid, &b, &said), 1);
    assert_true(ph_str_eq(ph_buf_str(&b), PH_STR("what it\0is")));
    for (int i = 0; i < 4; i++) { /* others are opened, anna is closed and opened again */
        snprintf(name, sizeof name, "u%d", i);
        struct who w = mail_user(root, name);
        mail_leave(&w);
    }
    ph_buf_clear(&b);
    assert_int_equal(serve->cache_get(anna.s, "INBOX", 0, uid, &b, &said), 1);
    assert_true(ph_str_eq(ph_buf_str(&b), PH_STR("what it\0is")));
    assert_int_equal(serve->cache_get(anna.s, "INBOX", 0, other, &b, &said), 0);
    FAILS(PH_E_NOTFOUND, serve->cache_get(anna.s, "INBOX", 0, 99, &b, &said));
    ph_buf_done(&b);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(names_of_users), CASE(few_are_open), CASE(inbox_renamed), CASE(uidvalidity_never_again),
        CASE(removing_with_children), CASE(subscriptions), CASE(vanished_is_never_too_little), CASE(recent_once),
        CASE(keywords_have_no_case), CASE(modified_is_told), CASE(size_unknown), CASE(replacing), CASE(moving),
        CASE(expunging_deleted), CASE(object_ids), CASE(caching),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
