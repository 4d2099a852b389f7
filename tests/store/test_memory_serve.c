/* What the memory store does for a server (store/serve.h), and that it can be had without each part of it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/memory.h"

static struct ph_err err;

struct rig {
    struct ph_store *st;
    struct ph_session *s;
    const struct ph_serve_ops *serve;
    struct ph_arena arena;
};

static struct rig *open_rig(const struct ph_memory_options *opt)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_int_equal(ph_memory_store_new("fred", opt, &r->st, &err), 0);
    assert_int_equal(r->st->ops->open(r->st, NULL, &r->s, &err), 0);
    r->serve = r->s->ops->serve;
    ph_arena_init(&r->arena, 0);
    return r;
}

static void close_rig(struct rig *r)
{
    r->s->ops->close(r->s);
    r->st->ops->free(r->st);
    ph_arena_done(&r->arena);
    free(r);
}

static uint32_t deliver(struct rig *r, const char *folder, const char *text, uint32_t flags)
{
    struct ph_memory_message m = { .p = text, .n = strlen(text), .epoch = 1600000000, .flags = flags };
    uint32_t uid = ph_memory_deliver(r->st, folder, &m);

    assert_true(uid > 0);
    return uid;
}

static struct ph_numset range(uint32_t first, uint32_t last)
{
    struct ph_numset s = PH_NUMSET_INIT;

    assert_int_equal(ph_numset_add_range(&s, first, last), 0);
    return s;
}

static void test_body(void **state)
{
    struct ph_memory_options opt = { .piece = 3 };
    struct rig *r = open_rig(&opt);
    struct ph_body b;
    const char *p;
    size_t n;

    deliver(r, "INBOX", "0123456789", 0);
    assert_int_equal(r->serve->body_open(r->s, "INBOX", 0, 2, &b, &err), -1);
    assert_int_equal(err.kind, PH_E_NOTFOUND);
    assert_int_equal(r->serve->body_open(r->s, "INBOX", 5, 1, &b, &err), -1);
    assert_int_equal(err.kind, PH_E_CHANGED);
    assert_int_equal(r->serve->body_open(r->s, "INBOX", 0, 1, &b, &err), 0);
    assert_int_equal(b.size, 10);
    ph_memory_remove(r->st, "INBOX", 1); /* what is open stays readable */
    assert_int_equal(r->serve->body_at(r->s, 4, 100, &p, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(p, "456", 3);
    assert_int_equal(r->serve->body_at(r->s, 0, 2, &p, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_memory_equal(p, "01", 2);
    assert_int_equal(r->serve->body_at(r->s, 10, 2, &p, &n, &err), 0);
    assert_int_equal(n, 0);
    close_rig(r);
}

static void test_cache(void **state)
{
    struct rig *r = open_rig(NULL);
    struct ph_buf b = PH_BUF_INIT;

    deliver(r, "INBOX", "text", 0);
    assert_int_equal(r->serve->cache_get(r->s, "INBOX", 0, 1, &b, &err), 0);
    assert_int_equal(r->serve->cache_put(r->s, "INBOX", 0, 1, (struct ph_str){ "a\0b", 3 }, &err), 0);
    assert_int_equal(r->serve->cache_put(r->s, "INBOX", 0, 1, (struct ph_str){ "c\0d", 3 }, &err), 0);
    assert_int_equal(r->serve->cache_get(r->s, "INBOX", 0, 1, &b, &err), 1);
    assert_int_equal(ph_buf_len(&b), 3);
    assert_memory_equal(ph_buf_data(&b), "c\0d", 3);
    ph_buf_done(&b);
    close_rig(r);
}

static int keep_info(void *ctx, const struct ph_message_info *i, struct ph_err *e)
{
    struct ph_buf *b = ctx;

    ph_buf_add_u64(b, i->uid);
    ph_buf_add_z(b, i->emailid);
    ph_buf_add_z(b, i->threadid);
    ph_buf_add_u64(b, i->has_saved ? (uint64_t)i->saved : 0);
    ph_buf_add_char(b, ' ');
    return 0;
}

static void test_info_and_copy(void **state)
{
    struct ph_memory_options opt = { .now = 77 };
    struct rig *r = open_rig(&opt);
    struct ph_numset set = range(2, 9);
    struct ph_copy_result res;
    struct ph_buf b = PH_BUF_INIT;

    ph_memory_folder(r->st, "to", 0);
    deliver(r, "to", "x", 0);
    for (int i = 0; i < 3; i++)
        deliver(r, "INBOX", "a", PH_F_SEEN);
    assert_int_equal(r->serve->copy(r->s, "INBOX", 0, &set, "to", false, &res, &err), 0);
    assert_int_equal(res.n, 2); /* 4 to 9 are not there */
    assert_int_equal(res.from[1], 3);
    assert_int_equal(res.to[1], 3);
    assert_int_equal(res.modseq, 0);
    ph_copy_result_done(&res);
    assert_int_equal(r->serve->copy(r->s, "INBOX", 0, &set, "to", true, &res, &err), 0);
    assert_int_equal(res.from[0], 2);
    assert_int_equal(res.to[0], 4);
    assert_true(res.modseq > 0);
    ph_copy_result_done(&res);
    assert_int_equal(ph_memory_count(r->st, "INBOX"), 1);
    assert_int_equal(ph_memory_count(r->st, "to"), 5);
    assert_int_equal(r->serve->copy(r->s, "INBOX", 0, &set, "none", true, &res, &err), -1);
    assert_int_equal(err.kind, PH_E_NOTFOUND);
    /* a copy has its original's EMAILID (RFC 8474 5.1) */
    assert_int_equal(r->serve->info(r->s, "to", 0, &set, keep_info, &b, &err), 0);
    assert_string_equal(ph_buf_z(&b), "2M3T377 3M4T477 4M3T377 5M4T477 ");
    ph_buf_done(&b);
    ph_numset_done(&set);
    close_rig(r);
}

static void test_expunge(void **state)
{
    struct rig *r = open_rig(NULL);
    struct ph_numset set = range(1, 2), gone = PH_NUMSET_INIT;
    uint64_t modseq;

    for (int i = 0; i < 4; i++)
        deliver(r, "INBOX", "a", i % 2 ? PH_F_DELETED : 0);
    assert_int_equal(r->serve->expunge_deleted(r->s, "INBOX", 0, &set, &gone, &modseq, &err), 0);
    assert_int_equal(ph_numset_count(&gone), 1);
    assert_true(ph_numset_contains(&gone, 2));
    assert_true(modseq > 0);
    ph_numset_clear(&gone);
    assert_int_equal(r->serve->expunge_deleted(r->s, "INBOX", 0, NULL, &gone, &modseq, &err), 0);
    assert_true(ph_numset_contains(&gone, 4));
    assert_int_equal(ph_memory_count(r->st, "INBOX"), 2);
    ph_numset_done(&gone);
    ph_numset_done(&set);
    close_rig(r);
}

/* An append of a message whose size is not said. 0 in, -1 refused with err. */
static int append_any(struct rig *r, const char *text, uint32_t replaces)
{
    const struct ph_session_ops *o = r->s->ops;
    struct ph_message m = { .size = UINT64_MAX, .keywords = "" };
    struct ph_append *a, *done;
    struct ph_append_result res;
    int bad = 0;

    assert_int_equal(o->append_open(r->s, "INBOX", 1, &a, &err), 0);
    if (replaces)
        assert_int_equal(r->serve->append_replaces(a, "INBOX", 0, replaces, &err), 0);
    assert_int_equal(o->append_message(a, &m, &err), 0);
    for (const char *p = text; *p && !bad; p++)
        bad = o->append_write(a, p, 1, &err);
    assert_int_equal(o->append_finish(a, &err), 0);
    assert_int_equal(o->append_wait(r->s, &done, &res, &err), 0);
    int ok = res.ok ? 0 : -1;
    if (ok)
        err = res.err;
    o->append_free(a);
    return ok;
}

static void test_any_size(void **state)
{
    struct ph_memory_options opt = { .append_limit = 9000 };
    struct rig *r = open_rig(&opt);
    struct ph_memory_view v;
    char *big = malloc(9002);

    memset(big, 'x', 9001);
    big[9001] = '\0';
    assert_int_equal(append_any(r, big, 0), -1);
    assert_int_equal(err.kind, PH_E_TOOBIG);
    assert_int_equal(append_any(r, "", 0), -1);
    big[9000] = '\0';
    assert_int_equal(append_any(r, big, 0), 0);
    assert_true(ph_memory_view(r->st, "INBOX", 0, &v));
    assert_int_equal(v.n, 9000);
    assert_memory_equal(v.p, big, 9000);
    assert_int_equal(append_any(r, "new", 7), -1); /* nothing there to replace */
    assert_int_equal(err.kind, PH_E_NOTFOUND);
    assert_int_equal(append_any(r, "new", 1), 0);
    assert_int_equal(ph_memory_count(r->st, "INBOX"), 1);
    assert_true(ph_memory_view(r->st, "INBOX", 0, &v));
    assert_int_equal(v.uid, 2);
    free(big);
    close_rig(r);
}

static void test_acl(void **state)
{
    struct rig *r = open_rig(NULL);
    struct ph_acl_entry *e;
    struct ph_numset set = range(1, 1);
    struct ph_copy_result res;
    char rights[32];
    const char *required, **optional;
    size_t n;

    ph_memory_folder(r->st, "a", 0);
    assert_int_equal(r->serve->my_rights(r->s, "a", rights, &err), 0);
    assert_string_equal(rights, PH_RIGHTS_ALL);
    assert_int_equal(r->serve->set_acl(r->s, "a", "joe", 0, "rl", &err), 0);
    assert_int_equal(r->serve->set_acl(r->s, "a", "joe", '+', "st", &err), 0);
    assert_int_equal(r->serve->set_acl(r->s, "a", "joe", '-', "lt", &err), 0);
    assert_int_equal(r->serve->get_acl(r->s, "a", &r->arena, &e, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(e[0].identifier, "fred");
    assert_string_equal(e[1].identifier, "joe");
    assert_string_equal(e[1].rights, "rs");
    assert_int_equal(r->serve->set_acl(r->s, "a", "joe", 0, NULL, &err), 0);
    assert_int_equal(r->serve->get_acl(r->s, "a", &r->arena, &e, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(r->serve->list_rights(r->s, "a", "joe", &r->arena, &required, &optional, &n, &err), 0);
    assert_int_equal(n, strlen(PH_RIGHTS_ALL));
    ph_memory_set_acl(r->st, "a", "-fred", "ia");
    assert_int_equal(r->serve->my_rights(r->s, "a", rights, &err), 0);
    assert_null(strpbrk(rights, "ia"));
    deliver(r, "INBOX", "x", 0);
    assert_int_equal(r->serve->copy(r->s, "INBOX", 0, &set, "a", false, &res, &err), -1);
    assert_int_equal(err.kind, PH_E_PERMISSION);
    assert_int_equal(r->serve->get_acl(r->s, "a", &r->arena, &e, &n, &err), -1);
    assert_int_equal(err.kind, PH_E_PERMISSION);
    assert_string_equal(err.code, "NOPERM");
    ph_numset_done(&set);
    close_rig(r);
}

static void test_quota(void **state)
{
    struct rig *r = open_rig(NULL);
    struct ph_quota q;
    struct ph_store_quota_resource limit[] = { { "STORAGE", 0, 1 }, { "MESSAGE", 0, 2 }, { "MAILBOX", 0, 3 } };
    struct ph_store_quota_resource other = { "X-LINES", 0, 3 };
    const char **roots;
    size_t n;

    assert_int_equal(r->serve->quota_roots(r->s, "INBOX", &r->arena, &roots, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(roots[0], "");
    assert_int_equal(r->serve->get_quota(r->s, "", &r->arena, &q, &err), 0);
    assert_int_equal(q.n, 0); /* nothing is limited */
    assert_int_equal(r->serve->set_quota(r->s, "", limit, 3, &err), 0);
    assert_int_equal(r->serve->set_quota(r->s, "", &other, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_UNSUPPORTED);
    deliver(r, "INBOX", "0123456789", 0);
    assert_int_equal(r->serve->get_quota(r->s, "", &r->arena, &q, &err), 0);
    assert_int_equal(q.n, 3);
    assert_int_equal(q.r[0].usage, 1); /* units of 1,024 octets, begun ones count */
    assert_int_equal(q.r[1].usage, 1);
    assert_int_equal(append_any(r, "one more", 0), 0);
    assert_int_equal(append_any(r, "too many", 0), -1);
    assert_int_equal(err.kind, PH_E_QUOTA);
    assert_int_equal(r->serve->get_quota(r->s, "none", &r->arena, &q, &err), -1);
    assert_int_equal(err.kind, PH_E_NOTFOUND);
    close_rig(r);
}

static void test_metadata(void **state)
{
    struct ph_memory_options opt = { .metadata_size = 10, .metadata_entries = 3 };
    struct rig *r = open_rig(&opt);
    struct ph_annotation in[] = { { "/shared/comment", PH_STR("one") }, { "/private/a", PH_STR("two") },
                                  { "/private/A/b/c", PH_STR("three") } };
    struct ph_annotation more = { "/private/x", PH_STR("") }, big = { "/shared/comment", PH_STR("12345678901") },
                         out = { "/SHARED/comment", PH_STR_NIL };
    const char *ask[] = { "/private/a" };
    struct ph_annotation *got;
    size_t n;

    assert_int_equal(r->serve->set_metadata(r->s, "INBOX", in, 3, &err), 0);
    assert_int_equal(r->serve->set_metadata(r->s, "INBOX", &more, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    assert_int_equal(r->serve->set_metadata(r->s, "INBOX", &big, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_TOOBIG);
    for (unsigned depth = 0; depth < 3; depth++) {
        assert_int_equal(r->serve->get_metadata(r->s, "INBOX", ask, 1, depth < 2 ? depth : UINT32_MAX, &r->arena, &got,
                                                &n, &err), 0);
        assert_int_equal(n, depth < 2 ? 1 : 2);
    }
    assert_string_equal(got[1].entry, "/private/A/b/c");
    assert_int_equal(r->serve->set_metadata(r->s, "INBOX", &out, 1, &err), 0);
    assert_int_equal(r->serve->set_metadata(r->s, "INBOX", &more, 1, &err), 0);
    assert_int_equal(r->serve->get_metadata(r->s, "", ask, 1, 0, &r->arena, &got, &n, &err), 0);
    assert_int_equal(n, 0); /* the server's are others */
    assert_int_equal(r->serve->set_metadata(r->s, "none", &more, 1, &err), -1);
    close_rig(r);
}

/* ---- watching ---- */

struct seen {
    pthread_mutex_t mu;
    unsigned what, calls;
    char folder[32];
};

static void changed(void *ctx, const char *folder, unsigned what)
{
    struct seen *s = ctx;

    pthread_mutex_lock(&s->mu);
    s->what |= what;
    s->calls++;
    strncpy(s->folder, folder, sizeof s->folder - 1);
    pthread_mutex_unlock(&s->mu);
}

static void told(struct seen *s, const char *folder, unsigned what)
{
    assert_string_equal(s->folder, folder);
    assert_int_equal(s->what, what);
    s->what = 0;
    memset(s->folder, 0, sizeof s->folder);
}

static void test_watch(void **state)
{
    struct rig *r = open_rig(NULL);
    struct seen s = { .mu = PTHREAD_MUTEX_INITIALIZER };
    struct ph_annotation note = { "/shared/comment", PH_STR("x") };
    const char *name = "new";
    struct ph_err result;

    assert_int_equal(r->serve->watch(r->s, changed, &s, &err), 0);
    deliver(r, "INBOX", "x", 0);
    told(&s, "INBOX", PH_WATCH_MESSAGES);
    ph_memory_set_flags(r->st, "INBOX", 1, PH_F_SEEN, "");
    told(&s, "INBOX", PH_WATCH_MESSAGES);
    assert_int_equal(r->s->ops->create(r->s, &name, NULL, 1, &result, &err), 0);
    told(&s, "new", PH_WATCH_FOLDERS);
    assert_int_equal(r->s->ops->subscribe(r->s, &name, 1, true, &result, &err), 0);
    told(&s, "new", PH_WATCH_SUBSCRIPTIONS);
    assert_int_equal(r->serve->set_metadata(r->s, "", &note, 1, &err), 0);
    told(&s, "", PH_WATCH_METADATA);
    assert_int_equal(r->serve->set_acl(r->s, "new", "joe", 0, "r", &err), 0);
    told(&s, "new", PH_WATCH_ACL);
    assert_int_equal(r->s->ops->rename(r->s, "new", "newer", &err), 0);
    told(&s, "newer", PH_WATCH_FOLDERS);
    ph_memory_remove(r->st, "INBOX", 1);
    told(&s, "INBOX", PH_WATCH_MESSAGES);
    assert_int_equal(r->serve->watch(r->s, NULL, NULL, &err), 0);
    unsigned calls = s.calls;
    deliver(r, "INBOX", "x", 0);
    assert_int_equal(s.calls, calls);
    close_rig(r);
}

static void *deliver_many(void *arg)
{
    struct ph_memory_message m = { .p = "x", .n = 1 };

    for (int i = 0; i < 500; i++)
        ph_memory_deliver(arg, "INBOX", &m);
    return NULL;
}

/* After a watch has ended, what it used may go. */
static void test_watch_threads(void **state)
{
    struct rig *r = open_rig(NULL);
    pthread_t t[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, deliver_many, r->st);
    for (int i = 0; i < 200; i++) {
        struct seen *s = calloc(1, sizeof *s);
        pthread_mutex_init(&s->mu, NULL);
        r->serve->watch(r->s, changed, s, &err);
        r->serve->watch(r->s, NULL, NULL, &err);
        pthread_mutex_destroy(&s->mu);
        free(s);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    close_rig(r);
}

/* ---- scans, status, subscriptions ---- */

static void test_scan(void **state)
{
    struct rig *r = open_rig(NULL);
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_MODSEQ, .read_write = true };
    struct ph_snapshot snap;
    struct ph_numset set = range(1, 1), modified = PH_NUMSET_INIT;

    deliver(r, "INBOX", "x", 0);
    for (int i = 0; i < 2; i++) {
        ph_snapshot_init(&snap);
        assert_int_equal(r->s->ops->scan_begin(r->s, "INBOX", &req, &snap, &err), 0);
        assert_int_equal(r->s->ops->scan_wait(r->s, &snap, &err), 0);
        struct ph_row *row = ph_snapshot_row(&snap, 0);
        assert_int_equal(row->key, snap.modseq);
        assert_int_equal(row->flags, i ? 0 : PH_F_RECENT); /* told once */
        ph_snapshot_done(&snap);
    }
    struct ph_flag_change c = { .uids = &set, .flags = PH_F_SEEN, .mode = PH_FLAGS_ADD, .unchanged_since = 1,
                                .modified = &modified };
    struct ph_flag_batch b = { .folder = "INBOX", .changes = &c, .n = 1 };
    assert_int_equal(r->s->ops->store_flags(r->s, &b, 1, &err), 0);
    assert_int_equal(c.result.kind, PH_E_CHANGED);
    assert_true(ph_numset_contains(&modified, 1));
    ph_numset_done(&modified);
    ph_numset_done(&set);
    close_rig(r);
}

static void test_folders(void **state)
{
    struct rig *r = open_rig(NULL);
    struct ph_folder_list list;
    const char *name = "a/b";
    struct ph_err result;

    ph_memory_folder(r->st, "a", 0);
    ph_memory_folder(r->st, "a b", 0);
    ph_memory_folder(r->st, "a/b", PH_MA_SUBSCRIBED);
    deliver(r, "a/b", "12345", PH_F_DELETED);
    deliver(r, "a/b", "123", PH_F_SEEN);
    assert_int_equal(r->s->ops->list(r->s, true, &list, &err), 0);
    struct ph_folder *f = ph_folder_list_find(&list, "a/b");
    assert_true(f->has_counts);
    assert_int_equal(f->unseen, 1);
    assert_int_equal(f->deleted, 1);
    assert_int_equal(f->deleted_size, 5);
    assert_int_equal(f->size, 8);
    assert_non_null(f->mailboxid);
    assert_true(ph_folder_list_find(&list, "a")->attrs & PH_MA_HASCHILDREN);
    assert_true(ph_folder_list_find(&list, "a b")->attrs & PH_MA_HASNOCHILDREN);
    ph_folder_list_done(&list);
    assert_int_equal(r->s->ops->remove(r->s, "a/b", &err), 0);
    assert_int_equal(r->s->ops->list(r->s, true, &list, &err), 0);
    assert_int_equal(ph_folder_list_find(&list, "a/b")->attrs & 0xff,
                     PH_MA_NONEXISTENT | PH_MA_SUBSCRIBED | PH_MA_HASNOCHILDREN);
    assert_true(ph_folder_list_find(&list, "a")->attrs & PH_MA_HASNOCHILDREN);
    ph_folder_list_done(&list);
    assert_int_equal(r->s->ops->remove(r->s, "a/b", &err), -1); /* it is only a name */
    assert_int_equal(r->s->ops->rename(r->s, "a b", "a/b", &err), 0); /* which can be taken */
    assert_int_equal(r->s->ops->list(r->s, true, &list, &err), 0);
    assert_int_equal(list.n, 3);
    assert_int_equal(ph_folder_list_find(&list, "a/b")->attrs & 0xff, PH_MA_SUBSCRIBED | PH_MA_HASNOCHILDREN);
    ph_folder_list_done(&list);
    assert_int_equal(r->s->ops->remove(r->s, "a/b", &err), 0);
    assert_int_equal(r->s->ops->subscribe(r->s, &name, 1, false, &result, &err), 0);
    assert_int_equal(r->s->ops->list(r->s, true, &list, &err), 0);
    assert_int_equal(list.n, 2);
    ph_folder_list_done(&list);
    close_rig(r);
}

static void test_without(void **state)
{
    struct ph_memory_options opt = { .serves_not = PH_MS_ALL };
    struct rig *r = open_rig(&opt);

    assert_null(r->serve);
    close_rig(r);
    opt.serves_not = PH_MS_BODY | PH_MS_CACHE | PH_MS_INFO | PH_MS_EXPUNGE | PH_MS_COPY | PH_MS_REPLACE | PH_MS_WATCH;
    r = open_rig(&opt);
    assert_null(r->serve->body_open);
    assert_null(r->serve->cache_get);
    assert_null(r->serve->info);
    assert_null(r->serve->expunge_deleted);
    assert_null(r->serve->copy);
    assert_null(r->serve->append_replaces);
    assert_null(r->serve->watch);
    assert_non_null(r->serve->namespaces);
    assert_int_equal(r->serve->abilities(r->s) & (PH_SV_MOVE | PH_SV_SAVEDATE | PH_SV_ANY_SIZE), PH_SV_ANY_SIZE);
    close_rig(r);
    opt.serves_not = PH_MS_NAMESPACES | PH_MS_ACL | PH_MS_QUOTA | PH_MS_METADATA | PH_MS_MOVE;
    r = open_rig(&opt);
    assert_null(r->serve->namespaces);
    assert_null(r->serve->my_rights);
    assert_null(r->serve->get_quota);
    assert_null(r->serve->get_metadata);
    assert_non_null(r->serve->copy);
    assert_int_equal(r->serve->abilities(r->s) & (PH_SV_MOVE | PH_SV_QUOTA_STORAGE), 0);
    close_rig(r);
}

static void test_namespaces(void **state)
{
    const struct ph_store_namespace two[] = { { PH_NS_PERSONAL, "INBOX.", '.' }, { PH_NS_SHARED, "Shared.", '.' } };
    struct ph_memory_options opt = { .namespaces = two, .n_namespaces = 2 };
    struct rig *r = open_rig(&opt);
    struct ph_store_namespace *ns;
    size_t n;

    assert_int_equal(r->serve->namespaces(r->s, &r->arena, &ns, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(ns[1].prefix, "Shared.");
    close_rig(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),    cmocka_unit_test(test_cache),    cmocka_unit_test(test_info_and_copy),
        cmocka_unit_test(test_expunge), cmocka_unit_test(test_any_size), cmocka_unit_test(test_acl),
        cmocka_unit_test(test_quota),   cmocka_unit_test(test_metadata), cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_threads), cmocka_unit_test(test_scan), cmocka_unit_test(test_folders),
        cmocka_unit_test(test_without), cmocka_unit_test(test_namespaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
