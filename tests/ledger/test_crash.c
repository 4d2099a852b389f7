/* What was reported durable is there after kill -9, and after a power cut. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "disk.h"

#define ROUNDS 30
#define STRIDE 200 /* batch k has the UIDs from k * STRIDE + 1 on */

static struct ph_err err;

static size_t batch_size(uint32_t k)
{
    return 1 + k * 37 % 150;
}

struct report {
    uint32_t k;
    uint32_t lane;
    bool confirmed; /* its rows were flushed; else: its intent is durable */
};

/* ---- the process that dies ---- */

struct lane {
    struct ph_ledger *l;
    uint32_t number, first_k;
    int out;
};

static const char *const lane_folder[] = { "lane 0", "lane 1" };

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    _exit(3);
}

static void report(const struct lane *lane, uint32_t k, bool confirmed)
{
    struct report r = { k, lane->number, confirmed };

    if (write(lane->out, &r, sizeof r) != sizeof r)
        _exit(0); /* nobody listens any more */
}

static void *run_lane(void *arg)
{
    struct lane *lane = arg;
    struct ph_intent_message m[150];
    struct ph_ledger_row rows[150];
    struct ph_err e = { 0 };
    int64_t folder, id;
    uint64_t ticket;

    if (ph_ledger_folder(lane->l, lane_folder[lane->number], lane_folder[lane->number], &folder, &e))
        die(e.text);
    for (uint32_t k = lane->first_k;; k++) {
        size_t n = batch_size(k);
        for (size_t i = 0; i < n; i++) {
            m[i] = message_of(k * STRIDE + 1 + (uint32_t)i);
            rows[i] = row_of(k * STRIDE + 1 + (uint32_t)i);
        }
        struct ph_intent in = { .folder = folder, .dst_uidvalidity = 7, .dst_uidnext = k + 1, .messages = m, .n = n };
        if (ph_ledger_intent(lane->l, &in, &id, &ticket, &e) || ph_ledger_wait(lane->l, ticket, &e))
            die(e.text);
        report(lane, k, false);
        if (k % 7 == 3)
            continue; /* never confirmed */
        if (ph_ledger_confirm(lane->l, id, folder, rows, n, &e))
            die(e.text);
        if (k % 5 == 0) {
            if (ph_ledger_flush(lane->l, &e))
                die(e.text);
            report(lane, k, true);
        }
    }
    return NULL;
}

static void child(const char *dir, uint32_t first_k, int out)
{
    struct ph_ledger *l;
    struct ph_err e = { 0 };
    pthread_t t;

    if (ph_ledger_open(dir, SRC, DST, NULL, &l, &e))
        die(e.text);
    struct lane lanes[] = { { l, 0, first_k, out }, { l, 1, first_k, out } };
    if (pthread_create(&t, NULL, run_lane, &lanes[1]))
        die("no thread");
    run_lane(&lanes[0]);
}

/* ---- what is left ---- */

#define MAX_K (ROUNDS * 1000)

enum { NOT_THERE, INTENT, CONFIRMED };

struct left {
    unsigned char state[2][MAX_K];
    int64_t folder[2];
};

static int see_intent(void *ctx, const struct ph_intent *in)
{
    struct left *left = ctx;
    uint32_t k = in->dst_uidnext - 1, lane = in->folder == left->folder[1];

    assert_true(k < MAX_K);
    assert_int_equal(in->folder, left->folder[lane]);
    assert_int_equal(in->dst_uidvalidity, 7);
    assert_int_equal(in->n, batch_size(k)); /* whole, or not there */
    for (size_t i = 0; i < in->n; i++)
        assert_message(&in->messages[i], k * STRIDE + 1 + (uint32_t)i);
    assert_int_equal(left->state[lane][k], NOT_THERE); /* not both intent and rows, and not twice */
    left->state[lane][k] = INTENT;
    return 0;
}

static void read_rows(struct ph_ledger *l, struct left *left, uint32_t lane)
{
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;
    uint32_t k = UINT32_MAX;
    size_t n = 0;
    int r;

    OK(ph_ledger_rows(l, left->folder[lane], &c, &err));
    for (;;) {
        r = ph_ledger_rows_next(c, &row, &err);
        if (r < 0)
            fail_msg("%s", err.text);
        uint32_t now = r ? (row.src_uid - 1) / STRIDE : UINT32_MAX;
        if (now != k) {
            if (k != UINT32_MAX)
                assert_int_equal(n, batch_size(k)); /* no confirmation half applied */
            n = 0;
            k = now;
        }
        if (!r)
            break;
        assert_row(&row, row.src_uid);
        left->state[lane][k] = CONFIRMED;
        n++;
    }
    ph_ledger_rows_end(c);
}

static struct left *look(const char *dir)
{
    struct left *left = calloc(1, sizeof *left);
    struct ph_ledger *l = open_ledger(dir);

    for (uint32_t lane = 0; lane < 2; lane++) {
        left->folder[lane] = folder_of(l, lane_folder[lane]);
        read_rows(l, left, lane);
    }
    OK(ph_ledger_unresolved(l, 0, see_intent, left, &err));
    close_ledger(l);
    return left;
}

static void test_kill(void **state)
{
    struct place *p = *state;
    struct report *all = calloc(MAX_K * 4, sizeof *all);
    size_t n = 0, confirmed = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        int fd[2];
        assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fd[0]);
            child(p->dir, round * 1000, fd[1]);
            _exit(3);
        }
        close(fd[1]);
        /* after so many reports, wherever it is by then */
        size_t last = n + (round * 7) % 23;
        while (n < MAX_K * 4 && read(fd[0], &all[n], sizeof *all) == sizeof *all)
            if (n++ == last)
                kill(pid, SIGKILL);
        close(fd[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        struct left *left = look(p->dir);
        for (size_t i = 0; i < n; i++) {
            int is = left->state[all[i].lane][all[i].k];
            if (is == NOT_THERE || (all[i].confirmed && is != CONFIRMED))
                fail_msg("round %u: batch %u of lane %u was reported %s, and is %s", round, all[i].k, all[i].lane,
                         all[i].confirmed ? "confirmed" : "durable", is == INTENT ? "an intent" : "not there");
            confirmed += is == CONFIRMED;
        }
        free(left);
    }
    assert_true(n > ROUNDS);
    assert_true(confirmed > 0);
    free(all);
}

/* ---- power cuts ---- */

static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    ssize_t n;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof buf)) > 0)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
}

/* The disk as the cut left it, in a folder of its own. */
static void cut(const char *shadow, const char *to)
{
    DIR *d = opendir(shadow);
    struct dirent *e;
    char a[512], b[512];

    assert_non_null(d);
    mkdir(to, 0700);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.' && !strstr(e->d_name, ".new")) {
            snprintf(a, sizeof a, "%s/%s", shadow, e->d_name);
            snprintf(b, sizeof b, "%s/%s", to, e->d_name);
            copy_file(a, b);
        }
    closedir(d);
}

static void power_cut(const char *shadow, const char *to, uint32_t k, int want)
{
    cut(shadow, to);
    struct left *left = look(to);
    for (uint32_t i = 0; i <= k; i++)
        if (left->state[0][i] < (i < k ? CONFIRMED : want))
            fail_msg("batch %u is not there after a power cut", i);
    free(left);
    remove_tree(to);
}

static void test_power_cut(void **state)
{
    struct place *p = *state;
    char shadow[128], live[128], after[128];
    struct ph_intent_message m[150];
    struct ph_ledger_row rows[150];
    int64_t id;
    uint64_t ticket;

    snprintf(shadow, sizeof shadow, "%s/shadow", p->dir);
    snprintf(live, sizeof live, "%s/live", p->dir);
    snprintf(after, sizeof after, "%s/after", p->dir);
    mkdir(shadow, 0700);
    disk_shadow(shadow);
    struct ph_ledger *l = open_ledger(live);
    int64_t folder = folder_of(l, lane_folder[0]);
    for (uint32_t k = 0; k < 40; k++) {
        size_t n = batch_size(k);
        for (size_t i = 0; i < n; i++) {
            m[i] = message_of(k * STRIDE + 1 + (uint32_t)i);
            rows[i] = row_of(k * STRIDE + 1 + (uint32_t)i);
        }
        struct ph_intent in = { .folder = folder, .dst_uidvalidity = 7, .dst_uidnext = k + 1, .messages = m, .n = n };
        unsigned before = disk_syncs;
        OK(ph_ledger_intent(l, &in, &id, &ticket, &err));
        OK(ph_ledger_wait(l, ticket, &err));
        assert_true(disk_syncs > before);
        disk_shadow(NULL);
        power_cut(shadow, after, k, INTENT);
        disk_shadow(shadow);
        OK(ph_ledger_confirm(l, id, folder, rows, n, &err));
        OK(ph_ledger_flush(l, &err));
        if (k % 8 == 0) {
            disk_shadow(NULL);
            power_cut(shadow, after, k, CONFIRMED);
            disk_shadow(shadow);
        }
    }
    close_ledger(l);
    disk_shadow(NULL);
    power_cut(shadow, after, 39, CONFIRMED);
}

/* Confirmations ride along with the next intent: they cost no sync of their own. */
static void test_syncs_are_shared(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t folder = folder_of(l, "a"), id;
    struct ph_ledger_row row = row_of(1);
    struct ph_intent_message m = message_of(1);
    uint64_t ticket;

    OK(ph_ledger_flush(l, &err));
    unsigned before = disk_syncs;
    for (uint32_t k = 0; k < 50; k++) {
        struct ph_intent in = { .folder = folder, .messages = &m, .n = 1 };
        OK(ph_ledger_intent(l, &in, &id, &ticket, &err));
        OK(ph_ledger_wait(l, ticket, &err));
        OK(ph_ledger_confirm(l, id, folder, &row, 1, &err));
    }
    /* a machine that stands still for longer than a confirmation waits may add some */
    assert_in_range(disk_syncs - before, 50, 75);

    /* nor does looking at rows between changing them */
    OK(ph_ledger_flush(l, &err));
    before = disk_syncs;
    for (uint32_t k = 1; k < 500; k++) {
        put_rows(l, folder, k, 1);
        assert_int_equal(ph_ledger_row(l, folder, k, &row, &err), 1);
    }
    assert_in_range(disk_syncs - before, 0, 25);
    close_ledger(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_power_cut, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_syncs_are_shared, place_setup, place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
