#include "test.h"

#include <fcntl.h>

#include "daemon/delivery.h"
#include "daemon/metrics.h"
#include "daemon/stdin_message.h"
#include "store/memory.h"
#include "store/readonly.h"

static int gather(void *ctx, const char *p, size_t n, struct ph_err *err)
{
    return ph_buf_add(ctx, p, n);
}

static void check_lines(const char *in, size_t n, const char *wanted)
{
    for (size_t cut = 1; cut <= n + 1; cut++) {
        struct ph_line_ends l = { 0 };
        struct ph_spool s;
        struct ph_buf got = PH_BUF_INIT;
        struct ph_err err;
        ph_spool_init(&s);
        for (size_t at = 0; at < n; at += cut)
            assert_int_equal(ph_line_ends_add(&l, in + at, cut < n - at ? cut : n - at, &s, &err), 0);
        assert_int_equal(ph_line_ends_add(&l, NULL, 0, &s, &err), 0);
        assert_int_equal(ph_spool_read(&s, gather, &got, &err), 0);
        assert_int_equal(ph_buf_len(&got), strlen(wanted));
        assert_int_equal(s.size, strlen(wanted));
        assert_string_equal(ph_buf_z(&got), wanted);
        ph_buf_done(&got);
        ph_spool_done(&s);
    }
}

static void test_line_ends(void **state)
{
    static const char *const cases[][2] = {
        { "a\nb\n", "a\r\nb\r\n" },       { "a\r\nb\r\n", "a\r\nb\r\n" },   { "a\n\r\nb", "a\r\n\r\nb" },
        { "\n", "\r\n" },                 { "a\rb\n", "a\rb\r\n" },         { "From x@y Mon\na\n", "a\r\n" },
        { "From: x\na\n", "From: x\r\na\r\n" }, { "Fro", "Fro" },           { "Frog\n", "Frog\r\n" },
        { "a\nFrom x\n", "a\r\nFrom x\r\n" },   { "From x", "" },           { "", "" },
        { "a\r", "a\r" },                 { "\r\n\n", "\r\n\r\n" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_lines(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

static void test_large_messages_leave_memory(void **state)
{
    struct ph_spool s;
    struct ph_buf got = PH_BUF_INIT;
    struct ph_err err;
    char piece[1000];
    uint64_t total = 0;

    ph_spool_init(&s);
    for (unsigned i = 0; i < 3000; i++) {
        memset(piece, 'a' + i % 26, sizeof piece);
        assert_int_equal(ph_spool_add(&s, piece, sizeof piece, &err), 0);
        assert_true(ph_buf_len(&s.memory) <= PH_SPOOL_MEMORY);
        total += sizeof piece;
    }
    assert_true(s.fd >= 0);
    for (int again = 0; again < 2; again++) {
        ph_buf_clear(&got);
        assert_int_equal(ph_spool_read(&s, gather, &got, &err), 0);
        assert_int_equal(ph_buf_len(&got), total);
        for (unsigned i = 0; i < 3000; i++)
            assert_int_equal(ph_buf_data(&got)[i * 1000 + 999], 'a' + i % 26);
    }
    setenv("TMPDIR", "/nonexistent", 1);
    ph_spool_done(&s);
    memset(piece, 'x', sizeof piece);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 3000; i++)
        rc = ph_spool_add(&s, piece, sizeof piece, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.kind, PH_E_SYSTEM);
    unsetenv("TMPDIR");
    ph_spool_done(&s);
    ph_buf_done(&got);
}

static void test_into_a_store(void **state)
{
    struct ph_store *st;
    struct ph_err err = { 0 };
    struct ph_spool s;
    struct ph_memory_view v;

    assert_int_equal(ph_memory_store_new("x", NULL, &st, &err), 0);
    ph_memory_folder(st, "INBOX", 0);
    ph_spool_init(&s);
    ph_spool_add(&s, "Subject: x\r\n\r\ny\r\n", 17, &err);
    struct ph_delivery d = { .store = st, .folder = "INBOX", .header = PH_STR("Return-Path: <>\r\n"), .message = &s };
    assert_int_equal(ph_deliver(&d, &err), 0);
    assert_int_equal(ph_deliver(&d, &err), 0); /* the message can be read again */
    assert_int_equal(ph_memory_count(st, "INBOX"), 2);
    assert_true(ph_memory_view(st, "INBOX", 1, &v));
    assert_int_equal(v.n, 34);
    assert_memory_equal(v.p, "Return-Path: <>\r\nSubject: x\r\n\r\ny\r\n", 34);
    assert_int_equal(v.flags, 0);

    d.folder = "new";
    assert_int_equal(ph_deliver(&d, &err), -1);
    assert_int_equal(err.kind, PH_E_NOTFOUND);
    d.create = true;
    assert_int_equal(ph_deliver(&d, &err), 0);
    assert_int_equal(ph_memory_count(st, "new"), 1);

    static const enum ph_memory_fault_kind kinds[] = { PH_MF_REFUSE, PH_MF_CUT_IN_LITERAL, PH_MF_CUT_NOT_IN, PH_MF_OPEN };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct ph_memory_fault f = { .kind = kinds[i], .times = 1 };
        ph_memory_fault(st, &f);
        assert_int_equal(ph_deliver(&d, &err), -1);
        assert_int_equal(ph_memory_count(st, "new"), 1);
        ph_memory_faults_clear(st);
    }
    assert_int_equal(ph_deliver(&d, &err), 0);
    ph_spool_done(&s);
    st->ops->free(st);
}

/* Whatever writes is not there; what reads is, and tells the same. */
static void test_read_only(void **state)
{
    struct ph_store *st, *ro;
    struct ph_err err = { 0 };
    struct ph_loop loop = { 0 };
    struct ph_session *s, *inner;
    struct ph_memory_message m = { .p = "a: b\r\n\r\n", .n = 8, .keywords = "" };

    assert_int_equal(ph_memory_store_new("x", NULL, &st, &err), 0);
    ph_memory_folder(st, "INBOX", 0);
    ph_memory_deliver(st, "INBOX", &m);
    assert_int_equal(ph_readonly_store_new(st, &ro, &err), 0);
    assert_int_equal(ro->ops->open(ro, &loop, &s, &err), 0);
    assert_int_equal(st->ops->open(st, &loop, &inner, &err), 0);
    const struct ph_session_ops *o = s->ops;
    assert_null(o->create);
    assert_null(o->subscribe);
    assert_null(o->remove);
    assert_null(o->rename);
    assert_null(o->append_open);
    assert_null(o->append_message);
    assert_null(o->append_write);
    assert_null(o->append_finish);
    assert_null(o->store_flags);
    assert_null(o->expunge);
    assert_null(o->copy);
    if (o->serve) {
        assert_null(o->serve->expunge_deleted);
        assert_null(o->serve->copy);
        assert_null(o->serve->append_replaces);
        assert_null(o->serve->set_acl);
        assert_null(o->serve->set_quota);
        assert_null(o->serve->set_metadata);
        assert_null(o->serve->cache_put);
        assert_ptr_equal(!o->serve->body_open, !inner->ops->serve->body_open);
    }
    uint32_t ab = o->abilities(s);
    assert_false(ab & (PH_AB_WRITE | PH_AB_NEWUID | PH_AB_BATCH | PH_AB_SUBSCRIBE | PH_AB_SPECIAL_USE | PH_AB_UID_EXPUNGE));
    assert_true(inner->ops->abilities(inner) & PH_AB_WRITE);

    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_SIZE, .read_write = true };
    struct ph_snapshot snap;
    memset(&snap, 0, sizeof snap);
    assert_int_equal(o->scan_begin(s, "INBOX", &req, &snap, &err), 0);
    assert_int_equal(o->scan_wait(s, &snap, &err), 0);
    ph_snapshot_done(&snap);
    struct ph_folder_list list;
    assert_int_equal(o->list(s, true, &list, &err), 0);
    assert_non_null(ph_folder_list_find(&list, "INBOX"));
    ph_folder_list_done(&list);
    o->close(s);
    inner->ops->close(inner);

    struct ph_spool spool;
    ph_spool_init(&spool);
    struct ph_delivery d = { .store = ro, .folder = "INBOX", .create = true, .message = &spool };
    assert_int_equal(ph_deliver(&d, &err), -1);
    assert_int_equal(err.kind, PH_E_UNSUPPORTED);
    assert_int_equal(ph_memory_count(st, "INBOX"), 1);
    ro->ops->free(ro);
    st->ops->free(st);
}

static void test_figures(void **state)
{
    struct ph_metrics m = { .server = { .connections = 12, .open = 3, .bytes_out = 5000000000u }, .lmtp = { .open = 2 },
                            .throttle = { .addresses = 7 }, .started = 1700000000, .reload_ok = true };
    struct ph_buf b = PH_BUF_INIT;
    static const char *const lines[] = {
        "# HELP posthaste_connections_total Clients that connected.\n# TYPE posthaste_connections_total counter\nposthaste_connections_total 12\n",
        "\nposthaste_connections_open 3\n", "\nposthaste_sent_bytes_total 5000000000\n", "\nposthaste_lmtp_connections_open 2\n",
        "\nposthaste_throttled_addresses 7\n", "\nposthaste_start_time_seconds 1700000000\n", "\nposthaste_reload_success 1\n",
    };

    assert_int_equal(ph_metrics_render(&m, &b), 0);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_contains(ph_buf_z(&b), lines[i]);
    ph_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_ends), cmocka_unit_test(test_large_messages_leave_memory), cmocka_unit_test(test_into_a_store),
        cmocka_unit_test(test_read_only), cmocka_unit_test(test_figures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
