/* The memory store's own: faults happen when and where they were asked for, options take away what they say, threads
 * share one account. What all stores have in common is in contract*.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/memory.h"

static struct ph_err err;

static struct ph_store *new_store(const struct ph_memory_options *opt)
{
    struct ph_store *st = NULL;

    assert_int_equal(ph_memory_store_new("test", opt, &st, &err), 0);
    assert_string_equal(st->identity, "memory\ttest");
    return st;
}

static struct ph_session *open_session(struct ph_store *st)
{
    struct ph_session *s = NULL;

    if (st->ops->open(st, NULL, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

/* Append the texts as one batch. 0: in; -1: *res has the reason. */
static int append(struct ph_session *s, const char *folder, const char *const *texts, size_t n,
                  const char *keywords, struct ph_append_result *res)
{
    struct ph_append *a, *done;

    assert_int_equal(s->ops->append_open(s, folder, n, &a, &err), 0);
    for (size_t i = 0; i < n; i++) {
        struct ph_message m = { .size = strlen(texts[i]), .keywords = keywords, .has_date = true, .epoch = 1700000000 };
        if (s->ops->append_message(a, &m, &err) || s->ops->append_write(a, texts[i], m.size, &err))
            break;
    }
    assert_int_equal(s->ops->append_finish(a, &err), 0);
    assert_int_equal(s->ops->append_wait(s, &done, res, &err), 0);
    assert_ptr_equal(done, a);
    int r = res->ok ? 0 : -1;
    s->ops->append_free(a);
    return r;
}

static void deliver(struct ph_store *st, const char *folder, const char *text)
{
    struct ph_memory_message m = { .p = text, .n = strlen(text), .epoch = 1600000000 };

    assert_true(ph_memory_deliver(st, folder, &m) > 0);
}

static const char *const abc[] = { "S: a\r\n\r\na\r\n", "S: b\r\n\r\nb\r\n", "S: c\r\n\r\nc\r\n" };

static void test_refuse(void **state)
{
    struct ph_store *st = new_store(NULL);
    struct ph_session *s = open_session(st);
    struct ph_append_result res;
    struct ph_memory_fault f = { .kind = PH_MF_REFUSE, .match = ph_memory_match_text, .ctx = (char *)"S: b", .times = 2 };

    ph_memory_fault(st, &f);
    assert_int_equal(append(s, "INBOX", abc, 3, "", &res), -1);
    assert_false(res.unknown);
    assert_int_equal(res.err.kind, PH_E_REFUSED);
    assert_int_equal(res.err.scope, PH_SCOPE_MESSAGE);
    assert_int_equal(res.failed_index, 1);
    assert_int_equal(ph_memory_count(st, "INBOX"), 0); /* none of it */
    assert_int_equal(append(s, "INBOX", abc, 1, "", &res), 0); /* does not concern a */
    assert_int_equal(append(s, "INBOX", abc + 1, 1, "", &res), -1);
    assert_int_equal(append(s, "INBOX", abc + 1, 1, "", &res), 0); /* it was to happen twice */
    assert_int_equal(ph_memory_faults_met(st), 2);
    ph_memory_faults_clear(st);
    f = (struct ph_memory_fault){ .kind = PH_MF_REFUSE_VAGUELY, .skip = 1 };
    ph_fail(&f.err, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "too long a line");
    ph_memory_fault(st, &f);
    assert_int_equal(append(s, "INBOX", abc + 2, 1, "", &res), 0); /* let pass */
    assert_int_equal(append(s, "INBOX", abc + 2, 1, "", &res), -1);
    assert_int_equal(res.err.kind, PH_E_TOOBIG);
    assert_string_equal(res.err.text, "too long a line");
    assert_true(res.failed_index == SIZE_MAX);
    s->ops->close(s);
    st->ops->free(st);
}

static void cut_case(enum ph_memory_fault_kind kind, bool unknown, size_t in, size_t in_later)
{
    struct ph_store *st = new_store(NULL);
    struct ph_session *s = open_session(st);
    struct ph_append_result res;
    struct ph_folder_list list;
    struct ph_memory_fault f = { .kind = kind, .match = ph_memory_match_text, .ctx = (char *)"S: b", .times = 1,
                                 .delay = 2 };

    ph_memory_fault(st, &f);
    assert_int_equal(append(s, "INBOX", abc, 3, "", &res), -1);
    assert_int_equal(res.unknown, unknown);
    assert_int_equal(res.err.kind, PH_E_CLOSED);
    assert_int_equal(res.err.retry, PH_RETRY_RECONNECT);
    assert_int_equal(ph_memory_count(st, "INBOX"), in);
    assert_int_equal(s->ops->noop(s, &err), -1); /* the session is over */
    assert_int_equal(s->ops->list(s, false, &list, &err), -1);
    assert_int_equal(err.scope, PH_SCOPE_SESSION);
    s->ops->close(s);
    s = open_session(st);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ph_memory_count(st, "INBOX"), in);
        assert_int_equal(s->ops->list(s, false, &list, &err), 0);
        ph_folder_list_done(&list);
    }
    assert_int_equal(ph_memory_count(st, "INBOX"), in_later);
    s->ops->close(s);
    st->ops->free(st);
}

static void test_cuts(void **state)
{
    cut_case(PH_MF_CUT_IN_LITERAL, false, 0, 0);
    cut_case(PH_MF_CUT_NOT_IN, true, 0, 0);
    cut_case(PH_MF_CUT_IN, true, 3, 3);
    cut_case(PH_MF_CUT_IN_LATER, true, 0, 3);
}

static void test_late_by_hand(void **state)
{
    struct ph_store *st = new_store(NULL);
    struct ph_session *s = open_session(st);
    struct ph_append_result res;
    struct ph_memory_fault f = { .kind = PH_MF_CUT_IN_LATER, .times = 1 };

    ph_memory_fault(st, &f);
    assert_int_equal(append(s, "INBOX", abc, 2, "", &res), -1);
    assert_true(res.unknown);
    deliver(st, "INBOX", abc[2]); /* somebody else is faster */
    assert_int_equal(ph_memory_count(st, "INBOX"), 1);
    ph_memory_commit_late(st);
    assert_int_equal(ph_memory_count(st, "INBOX"), 3);
    struct ph_memory_view v;
    assert_true(ph_memory_view(st, "INBOX", 2, &v));
    assert_memory_equal(v.p, abc[1], v.n);
    assert_int_equal(v.uid, 3);
    /* one that is never committed is freed with the store */
    s->ops->close(s);
    s = open_session(st);
    f.times = 0;
    ph_memory_fault(st, &f);
    assert_int_equal(append(s, "INBOX", abc, 2, "", &res), -1);
    s->ops->close(s);
    st->ops->free(st);
}

static int next_body(struct ph_session *s, const char *folder, uint32_t uid, struct ph_body *body)
{
    struct ph_numset set = PH_NUMSET_INIT;

    ph_numset_add(&set, uid);
    assert_int_equal(s->ops->bodies_add(s, folder, 0, &set, NULL, &err), 0);
    ph_numset_done(&set);
    return s->ops->bodies_next(s, body, &err);
}

static void test_bodies(void **state)
{
    struct ph_memory_options opt = { .piece = 4 };
    struct ph_store *st = new_store(&opt);
    struct ph_session *s = open_session(st);
    struct ph_memory_fault missing = { .kind = PH_MF_BODY_MISSING, .match = ph_memory_match_text, .ctx = (char *)"S: a" };
    struct ph_memory_fault cut = { .kind = PH_MF_BODY_CUT, .times = 1 };
    struct ph_body body;
    const char *p;
    size_t n, got = 0;

    for (int i = 0; i < 3; i++)
        deliver(st, "INBOX", abc[i]);
    ph_memory_fault(st, &missing);
    assert_int_equal(next_body(s, "INBOX", 1, &body), 1);
    assert_true(body.missing);
    assert_int_equal(body.err.scope, PH_SCOPE_MESSAGE);
    assert_int_equal(next_body(s, "INBOX", 2, &body), 1);
    assert_false(body.missing);
    ph_memory_remove(st, "INBOX", 2); /* what is being read stays readable */
    while (s->ops->body_read(s, &p, &n, &err) == 0 && n) {
        assert_true(n <= 4);
        assert_memory_equal(p, abc[1] + got, n);
        got += n;
    }
    assert_int_equal(got, strlen(abc[1]));
    assert_int_equal(next_body(s, "INBOX", 2, &body), 1);
    assert_true(body.missing);
    assert_int_equal(body.err.kind, PH_E_NOTFOUND);

    ph_memory_fault(st, &cut);
    assert_int_equal(next_body(s, "INBOX", 3, &body), 1);
    assert_int_equal(body.size, strlen(abc[2]));
    got = 0;
    while (s->ops->body_read(s, &p, &n, &err) == 0 && n)
        got += n;
    assert_int_equal(got, strlen(abc[2]) / 2);
    assert_int_equal(err.kind, PH_E_CLOSED);
    assert_int_equal(next_body(s, "INBOX", 3, &body), -1);
    s->ops->close(s);
    st->ops->free(st);
}

static int scan(struct ph_session *s, const char *folder, uint32_t uidvalidity, struct ph_snapshot *snap)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_SIZE, .uidvalidity = uidvalidity };

    ph_snapshot_init(snap);
    assert_int_equal(s->ops->scan_begin(s, folder, &req, snap, &err), 0);
    return s->ops->scan_wait(s, snap, &err);
}

static void test_folders(void **state)
{
    struct ph_store *st = new_store(NULL);
    struct ph_session *s = open_session(st);
    struct ph_memory_fault gone = { .kind = PH_MF_FOLDER_GONE, .op = "body", .folder = "a", .times = 1 };
    struct ph_memory_fault other = { .kind = PH_MF_UIDVALIDITY, .folder = "b", .times = 1 };
    struct ph_memory_fault refuse = { .kind = PH_MF_REFUSE_FOLDER, .op = "scan", .folder = "b", .times = 1 };
    struct ph_memory_fault cut = { .kind = PH_MF_CUT, .op = "flags", .times = 1 };
    struct ph_snapshot snap;
    struct ph_body body;

    assert_int_equal(ph_memory_folder(st, "a", 0), 0);
    assert_int_equal(ph_memory_folder(st, "a", 0), -1);
    assert_int_equal(ph_memory_folder(st, "b", 0), 0);
    assert_int_equal(ph_memory_folder(st, "none", PH_MA_NOSELECT), 0);
    assert_int_equal(scan(s, "none", 0, &snap), -1);
    ph_snapshot_done(&snap);
    deliver(st, "a", abc[0]);
    ph_memory_fault(st, &gone);
    assert_int_equal(scan(s, "a", 0, &snap), 0);
    ph_snapshot_done(&snap);
    assert_int_equal(next_body(s, "a", 1, &body), 1);
    assert_true(body.missing);
    assert_int_equal(body.err.scope, PH_SCOPE_FOLDER);
    assert_true(ph_memory_count(st, "a") == SIZE_MAX);

    assert_int_equal(scan(s, "b", 0, &snap), 0);
    uint32_t validity = snap.uidvalidity;
    ph_snapshot_done(&snap);
    ph_memory_fault(st, &other);
    ph_memory_fault(st, &refuse);
    assert_int_equal(scan(s, "b", validity, &snap), -1);
    assert_int_equal(err.kind, PH_E_REFUSED);
    ph_snapshot_done(&snap);
    assert_int_equal(scan(s, "b", validity, &snap), -1);
    assert_int_equal(err.kind, PH_E_CHANGED);
    ph_snapshot_done(&snap);
    assert_int_equal(scan(s, "b", 0, &snap), 0); /* it happened once */
    assert_int_not_equal(snap.uidvalidity, validity);
    ph_snapshot_done(&snap);

    ph_memory_fault(st, &cut);
    struct ph_flag_batch batch = { .folder = "b" };
    assert_int_equal(s->ops->store_flags(s, &batch, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_CLOSED);
    s->ops->close(s);
    struct ph_memory_fault open = { .kind = PH_MF_OPEN, .times = 1 };
    ph_memory_fault(st, &open);
    assert_int_equal(st->ops->open(st, NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_CONNECT);
    s = open_session(st);
    s->ops->close(s);
    st->ops->free(st);
}

static void check_draw(struct ph_store *st, bool without_uids, const char *want)
{
    struct ph_buf b = PH_BUF_INIT;

    assert_int_equal(ph_memory_draw(st, without_uids, &b), 0);
    assert_string_equal(ph_buf_z(&b), want);
    ph_buf_done(&b);
}

static void test_limits(void **state)
{
    struct ph_memory_options opt = { .append_limit = 20, .hide_append_limit = true, .quota = 40, .no_new_keywords = true,
                                     .permanent_keywords = "Work $Later", .merge = true, .size_error = 100,
                                     .without = PH_AB_EXACT_SIZE | PH_AB_NEWUID };
    struct ph_store *st = new_store(&opt);
    struct ph_session *s = open_session(st);
    const char *big[] = { "Subject: far too big for this\r\n\r\n" };
    struct ph_append_result res;
    struct ph_snapshot snap;

    assert_true(s->ops->append_limit(s) == UINT64_MAX);
    assert_int_equal(append(s, "INBOX", big, 1, "", &res), -1);
    assert_int_equal(res.err.kind, PH_E_TOOBIG);
    assert_int_equal(append(s, "INBOX", abc, 2, "new work", &res), 0);
    assert_null(res.uids);
    assert_int_equal(append(s, "INBOX", abc, 1, "", &res), 0); /* the same again: merged */
    assert_int_equal(ph_memory_count(st, "INBOX"), 2);
    assert_int_equal(scan(s, "INBOX", 0, &snap), 0);
    assert_false(snap.keywords_ok);
    assert_string_equal(snap.permanent_keywords, "$Later Work");
    assert_int_equal(ph_snapshot_row(&snap, 0)->size, strlen(abc[0]) + 100);
    assert_string_equal(ph_snapshot_keywords(&snap, ph_snapshot_row(&snap, 0)), "work");
    ph_snapshot_done(&snap);
    const char *two[] = { abc[2], "S: d\r\n\r\nd\r\n" };
    assert_int_equal(append(s, "INBOX", two, 2, "", &res), -1);
    assert_int_equal(res.err.kind, PH_E_QUOTA);
    assert_int_equal(res.err.scope, PH_SCOPE_FOLDER);
    s->ops->close(s);
    st->ops->free(st);

    opt = (struct ph_memory_options){ .no_new_keywords = true, .refuse_keywords = true,
                                      .without = PH_AB_WRITE | PH_AB_DATES };
    st = new_store(&opt);
    s = open_session(st);
    assert_int_equal(append(s, "INBOX", abc, 1, "new", &res), -1);
    assert_int_equal(res.err.kind, PH_E_REFUSED);
    assert_int_equal(append(s, "INBOX", abc, 1, "", &res), -1);
    assert_int_equal(res.err.kind, PH_E_PERMISSION);
    s->ops->close(s);
    st->ops->free(st);
}

static int no_nul(void *ctx, const char *p, size_t n, struct ph_buf *out)
{
    if (!memchr(p, 'b', n))
        return -1;
    for (size_t i = 0; i < n; i++)
        ph_buf_add_char(out, p[i] == 'b' ? 'X' : p[i]);
    return 0;
}

static void visitor(void *ctx, struct ph_store *st, const char *op, const char *folder)
{
    if (strcmp(op, "append") == 0)
        deliver(st, folder, "S: visitor\r\n\r\n");
}

static void test_hooks(void **state)
{
    struct ph_memory_options opt = { .rewrite = no_nul, .before = visitor };
    struct ph_store *st = new_store(&opt);
    struct ph_session *s = open_session(st);
    struct ph_append_result res;

    assert_int_equal(append(s, "INBOX", abc, 2, "$L", &res), 0);
    assert_int_equal(res.n_uids, 2);
    ph_memory_set_flags(st, "INBOX", 1, PH_F_SEEN | PH_F_DRAFT, "z a");
    ph_memory_folder(st, "Sent", PH_MA_SENT);
    /* SHA-256 by sha256sum */
    check_draw(st, false, "INBOX 1 \\Seen \\Draft a z 1600000000+0000 14 5caac91c\n"
                          "INBOX 2 $L 1700000000+0000 11 4d23f9d0\n"
                          "INBOX 3 $L 1700000000+0000 11 5f8445b0\n"
                          "Sent is empty\n");
    check_draw(st, true, "INBOX $L 1700000000+0000 11 4d23f9d0\n"
                         "INBOX $L 1700000000+0000 11 5f8445b0\n"
                         "INBOX \\Seen \\Draft a z 1600000000+0000 14 5caac91c\n"
                         "Sent is empty\n");
    assert_int_equal(ph_memory_ops(st, "append"), 2);
    assert_int_equal(ph_memory_ops(st, "batch"), 1);
    assert_int_equal(ph_memory_ops(st, "scan"), 0);
    assert_int_equal(ph_memory_set_uidnext(st, "INBOX", 2), -1);
    assert_int_equal(ph_memory_set_uidnext(st, "INBOX", 4294967290u), 0);
    deliver(st, "INBOX", abc[2]);
    struct ph_memory_view v;
    assert_true(ph_memory_view(st, "INBOX", 3, &v));
    assert_int_equal(v.uid, 4294967290u);
    s->ops->close(s);
    st->ops->free(st);
}

/* ---- threads ---- */

static void *work(void *arg)
{
    struct ph_store *st = arg;
    struct ph_session *s = NULL;
    struct ph_err e = { 0 };

    if (st->ops->open(st, NULL, &s, &e))
        return arg;
    for (int k = 0; k < 100; k++) {
        struct ph_append *a = NULL, *done;
        struct ph_append_result res;
        struct ph_message m = { .size = 11, .keywords = k % 2 ? "odd" : "even" };
        struct ph_snapshot snap;
        struct ph_scan_request req = { .want = PH_WANT_FLAGS };
        int r = s->ops->append_open(s, "INBOX", 1, &a, &e) || s->ops->append_message(a, &m, &e) ||
                s->ops->append_write(a, abc[k % 3], 11, &e) || s->ops->append_finish(a, &e) ||
                s->ops->append_wait(s, &done, &res, &e) || !res.ok;
        s->ops->append_free(a);
        ph_snapshot_init(&snap);
        r = r || s->ops->scan_begin(s, "INBOX", &req, &snap, &e) || s->ops->scan_wait(s, &snap, &e);
        struct ph_numset set = PH_NUMSET_INIT;
        for (size_t i = 0; i < snap.n && i < 3; i++)
            ph_numset_add(&set, ph_snapshot_row(&snap, snap.n - 1 - i)->uid);
        struct ph_body body;
        r = r || s->ops->bodies_add(s, "INBOX", snap.uidvalidity, &set, &snap, &e);
        while (!r && s->ops->bodies_next(s, &body, &e) == 1)
            ;
        ph_numset_done(&set);
        ph_snapshot_done(&snap);
        if (r)
            return arg;
    }
    s->ops->close(s);
    return NULL;
}

static void test_threads(void **state)
{
    struct ph_store *st = new_store(NULL);
    pthread_t t[4];
    void *failed;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, st), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(ph_memory_count(st, "INBOX"), 400);
    st->ops->free(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuse),  cmocka_unit_test(test_cuts),   cmocka_unit_test(test_late_by_hand),
        cmocka_unit_test(test_bodies),  cmocka_unit_test(test_folders), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hooks),   cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
