/* Many threads at one account: what each was told is true, numbers are given out once, and syncs are shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local_mail.h"
#include "local_model.h"

struct history { /* marks of all threads, in their order */
    pthread_mutex_t mu;
    struct model_mark *m;
    size_t n;
};

static void keep(void *ctx, const struct model_mark *m)
{
    struct history *h = ctx;

    pthread_mutex_lock(&h->mu);
    if ((h->n & (h->n - 1)) == 0)
        h->m = realloc(h->m, (h->n ? h->n * 2 : 1) * sizeof *h->m);
    h->m[h->n++] = *m;
    pthread_mutex_unlock(&h->mu);
}

struct thread {
    struct ph_local_root *root;
    struct history *h;
    uint32_t number;
    int result;
    struct ph_err err;
};

static void *work(void *ctx)
{
    struct thread *t = ctx;

    t->result = model_work(t->root, "anna", t->number, 25, 7, keep, t->h, &t->err);
    return NULL;
}

/* Two roots stand for two processes. Users are closed and opened all the time. */
static void clients_of_one_user(void **state)
{
    static const struct ph_local_options small = { .open_users = 1, .pack_size = 200000, .checkpoint_pages = 50 };
    struct history h = { .mu = PTHREAD_MUTEX_INITIALIZER };
    const char *dir = rig_dir();
    struct ph_local_root *root[2] = { mail_root(dir, &small), mail_root(dir, &small) };
    struct thread t[8];
    pthread_t thread[8];
    char why[300];

    for (uint32_t i = 0; i < 8; i++) {
        t[i] = (struct thread){ .root = root[i % 4 == 3], .h = &h, .number = i };
        assert_int_equal(pthread_create(&thread[i], NULL, work, &t[i]), 0);
    }
    for (unsigned i = 0; i < 10; i++) { /* somebody else comes and goes */
        struct who w = mail_user(root[0], i % 2 ? "bert" : "cleo");
        mail_put(&w, "INBOX", NULL, i, 0);
        mail_leave(&w);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 8; i++)
        if (t[i].result)
            fail_msg("client %d: %s", i, t[i].err.text);
    struct model *m = model_new();
    for (size_t i = 0; i < h.n; i++)
        model_see(m, &h.m[i]);
    if (!model_holds(m, root[0], "anna", why, sizeof why))
        fail_msg("%s", why);
    model_free(m);
    free(h.m);
    ph_local_root_free(root[0]);
    ph_local_root_free(root[1]);
}

struct appender {
    struct ph_local_root *root;
    unsigned first;
    uint32_t uid[20];
};

static void *append(void *ctx)
{
    struct appender *a = ctx;
    struct who w = mail_user(a->root, "anna");

    for (unsigned i = 0; i < 20; i++)
        a->uid[i] = mail_put(&w, "INBOX", NULL, a->first + i, 0);
    mail_leave(&w);
    return NULL;
}

static void numbers_once(void **state)
{
    struct ph_local_root *root = mail_root(rig_dir(), NULL);
    struct ph_local_counters n;
    struct appender a[10];
    pthread_t thread[10];
    static bool seen[202];

    for (unsigned i = 0; i < 10; i++) {
        a[i] = (struct appender){ .root = root, .first = i * 20 };
        assert_int_equal(pthread_create(&thread[i], NULL, append, &a[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        pthread_join(thread[i], NULL);
        for (int k = 0; k < 20; k++) {
            assert_in_range(a[i].uid[k], 1, 200);
            assert_false(seen[a[i].uid[k]]);
            seen[a[i].uid[k]] = true;
            assert_true(k == 0 || a[i].uid[k] > a[i].uid[k - 1]);
        }
    }
    ph_local_count(root, &n);
    assert_int_equal(n.operations, 200);
    assert_true(n.commits < 200); /* with ten at work some must have met */
    ph_local_root_free(root);
}

/* What one session has finished before it waits is one commit: APPENDs that a client sends one behind the other. */
static void pipeline_is_one_commit(void **state)
{
    struct ph_local_root *root = mail_root(rig_dir(), NULL);
    struct who w = mail_user(root, "anna");
    struct ph_append *a[50], *done;
    struct ph_append_result res;
    struct ph_local_counters before, after;
    struct ph_message m = { .keywords = "", .size = 14 };

    ph_local_count(root, &before);
    for (int i = 0; i < 50; i++) {
        OK(w.s->ops->append_open(w.s, "INBOX", 1, &a[i], &said));
        OK(w.s->ops->append_message(a[i], &m, &said));
        OK(w.s->ops->append_write(a[i], "Subject: x\r\n\r\n", 14, &said));
        OK(w.s->ops->append_finish(a[i], &said));
    }
    for (int i = 0; i < 50; i++) {
        OK(w.s->ops->append_wait(w.s, &done, &res, &said));
        assert_ptr_equal(done, a[i]);
        assert_true(res.ok);
        assert_int_equal(res.uids[0], i + 1);
        w.s->ops->append_free(done);
    }
    ph_local_count(root, &after);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(after.pack_syncs - before.pack_syncs, 1);
    mail_leave(&w);
    ph_local_root_free(root);
}

/* How many commits and pack syncs a call has cost. */
static struct ph_local_counters cost(struct ph_local_root *root)
{
    static struct ph_local_counters last;
    struct ph_local_counters n, d;

    ph_local_count(root, &n);
    d = (struct ph_local_counters){ .commits = n.commits - last.commits, .pack_syncs = n.pack_syncs - last.pack_syncs };
    last = n;
    return d;
}

#define COSTS(root, pack_syncs_, call)                                                                                 \
    do {                                                                                                               \
        cost(root);                                                                                                    \
        call;                                                                                                          \
        struct ph_local_counters c = cost(root);                                                                       \
        assert_int_equal(c.commits, 1);                                                                                \
        assert_int_equal(c.pack_syncs, pack_syncs_);                                                                   \
    } while (0)

/* A commit is one sync of the log. */
static void syncs_of_each(void **state)
{
    struct ph_local_root *root = mail_root(rig_dir(), NULL);
    struct who w = mail_user(root, "anna");
    struct ph_numset one = mail_set(1, 1);
    struct ph_copy_result r;

    COSTS(root, 0, mail_create(&w, "to"));
    COSTS(root, 1, mail_put(&w, "INBOX", NULL, 1, 0));
    COSTS(root, 1, mail_put(&w, "INBOX", NULL, 17, 0));
    COSTS(root, 0, mail_flags(&w, "INBOX", 1, PH_F_SEEN, "Work"));
    COSTS(root, 0, OK(w.s->ops->serve->copy(w.s, "INBOX", 0, &one, "to", false, &r, &said)));
    ph_copy_result_done(&r);
    COSTS(root, 0, OK(w.s->ops->serve->copy(w.s, "INBOX", 0, &one, "to", true, &r, &said)));
    ph_copy_result_done(&r);
    COSTS(root, 0, OK(w.s->ops->expunge(w.s, "to", 0, &one, false, &said)));
    COSTS(root, 0, OK(w.s->ops->rename(w.s, "to", "from", &said)));
    COSTS(root, 0, OK(w.s->ops->serve->set_acl(w.s, "from", "bert", 0, "lr", &said)));
    COSTS(root, 0, OK(w.s->ops->remove(w.s, "from", &said)));
    ph_numset_done(&one);
    mail_leave(&w);
    ph_local_root_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_of_one_user),
        cmocka_unit_test(numbers_once),
        cmocka_unit_test(pipeline_is_one_commit),
        cmocka_unit_test(syncs_of_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
