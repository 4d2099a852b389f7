/* A power cut at any moment: nothing that was acknowledged is lost, torn or doubled, and no number comes again.
 *
 * The program starts itself with local_cutshim.so and lets three clients work; then it plays the record up to many moments, leaves out what
 * was not synced (or lets a part of it survive), and asks the store what it holds. With each kind of sync taken out in
 * turn it must find a loss: or it would find none at all. PH_SOAK=1 takes 500 moments. PH_SEED draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "local_cut.h"
#include "local_model.h"

#pragma weak cut_mark

static const char *self, *shim;

/* ---- the program that is recorded ---- */

static void to_trace(void *ctx, const struct model_mark *m)
{
    if (cut_mark)
        cut_mark(m, sizeof *m);
}

struct client_thread {
    struct ph_local_root *root;
    uint32_t number;
    uint64_t seed;
    int result;
    struct ph_err err;
};

static void *run_client(void *ctx)
{
    struct client_thread *t = ctx;

    t->result = model_work(t->root, "anna", t->number, 40, t->seed, to_trace, NULL, &t->err);
    return NULL;
}

/* Small packs, a small log: everything that happens seldom happens here. */
static const struct ph_local_options small = { .pack_size = 60000, .checkpoint_pages = 30, .tombstones = 16 };

static int work(const char *dir, uint64_t seed)
{
    struct client_thread t[3];
    pthread_t thread[3];
    struct ph_err err;

    for (int round = 0; round < 2; round++) { /* opened twice: a log that was there before is begun again */
        struct ph_local_root *root;
        if (ph_local_root_new(dir, &small, &root, &err))
            return 1;
        for (uint32_t i = 0; i < 3; i++) {
            t[i] = (struct client_thread){ .root = root, .number = (uint32_t)round * 3 + i, .seed = seed };
            if (pthread_create(&thread[i], NULL, run_client, &t[i]))
                return 1;
        }
        int bad = 0;
        for (int i = 0; i < 3; i++) {
            pthread_join(thread[i], NULL);
            if (t[i].result)
                fprintf(stderr, "client %d: %s\n", i, t[i].err.text);
            bad = bad || t[i].result;
        }
        ph_local_root_free(root);
        if (bad)
            return 1;
    }
    return 0;
}

/* ---- the test ---- */

struct tried {
    size_t cuts, losses;
    char why[300];
};

static void see(void *ctx, const void *p, size_t n)
{
    struct model_mark m;

    memcpy(&m, p, sizeof m);
    model_see(ctx, &m);
}

/* Cut at `cuts` moments; stop at the first loss when enough is 1. */
static struct tried try_cuts(struct cut_play *play, const char *scratch, int ignore, size_t cuts, uint64_t seed, bool survive,
                             bool stop)
{
    struct tried t = { 0 };
    struct model *m = model_new();
    size_t length = cut_length(play), from = 0;

    cut_restart(play, ignore);
    for (size_t i = 0; i < cuts && !(stop && t.losses); i++) {
        /* one moment out of each piece of the record */
        size_t to = length * (i + 1) / cuts;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t at = i + 1 == cuts ? length : from + (size_t)(seed >> 33) % (to - from ? to - from : 1);
        struct ph_local_root *root;
        char why[300] = "", into[200];
        struct ph_err err = { 0 };
        cut_until(play, at, see, m);
        snprintf(into, sizeof into, "%s/cut", scratch);
        rig_remove(into);
        bool ok = cut_power(play, into, survive ? seed | 1 : 0) == 0;
        if (!ok)
            snprintf(why, sizeof why, "the cut cannot be played");
        if (ok && (ok = ph_local_root_new(into, &small, &root, &err) == 0)) {
            ok = model_holds(m, root, "anna", why, sizeof why);
            ph_local_root_free(root);
        }
        t.cuts++;
        if (!ok && t.losses++ == 0)
            snprintf(t.why, sizeof t.why, "at %zu of %zu: %.200s", at, length, *why ? why : err.text);
        from = to;
    }
    model_free(m);
    return t;
}

static struct cut_play *recorded(const char *scratch, uint64_t seed)
{
    char dir[200], trace[200], number[32];

    snprintf(dir, sizeof dir, "%s/live", scratch);
    snprintf(trace, sizeof trace, "%s/trace", scratch);
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", shim, 1);
        setenv("CUT_TRACE", trace, 1);
        setenv("CUT_DIR", dir, 1);
        execl(self, self, "work", dir, number, (char *)NULL);
        _exit(98);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status)
        fail_msg("the recorded program ended with %x", (unsigned)status);
    struct cut_play *p = cut_open(trace, dir);
    assert_non_null(p);
    for (int k = 0; k < CUT_SYNCS; k++)
        if (cut_count(p, (enum cut_sync)k) == 0)
            fail_msg("the run made no sync of kind %d: it proves nothing about it", k);
    return p;
}

static void power_cuts(void **state)
{
    const char *soak = getenv("PH_SOAK"), *given = getenv("PH_SEED"), *scratch = rig_dir();
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1;
    size_t cuts = soak && *soak == '1' ? 500 : 40;
    struct cut_play *play = recorded(scratch, seed);
    static const char *const kind[CUT_SYNCS] = { "the packs", "the log", "the index", "directories" };

    for (int survive = 0; survive < 2; survive++) {
        struct tried t = try_cuts(play, scratch, -1, cuts, seed, survive, false);
        if (t.losses)
            fail_msg("%zu of %zu cuts lost something (seed %llu): %s", t.losses, t.cuts, (unsigned long long)seed, t.why);
    }
    for (int k = 0; k < CUT_SYNCS; k++) {
        struct tried t = try_cuts(play, scratch, k, 60, seed, false, true);
        if (!t.losses)
            fail_msg("without any sync of %s nothing was lost in %zu cuts: the test sees nothing", kind[k], t.cuts);
    }
    cut_close(play);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(power_cuts) };

    if (argc == 4 && strcmp(argv[1], "work") == 0)
        return work(argv[2], strtoull(argv[3], NULL, 10));
    self = argv[0];
    shim = argc > 1 ? argv[1] : NULL;
    if (!shim) {
        fprintf(stderr, "usage: %s SHIM\n", argv[0]);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
