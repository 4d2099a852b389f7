/* kill -9 at any moment, under twenty clients of one user in two processes: nothing that was acknowledged is lost, torn or doubled,
 * UIDs and UIDVALIDITY stay, mod-sequences do not come again; and the survivors, or who comes next, go on. PH_SOAK=1: 60 rounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "local_mail.h"
#include "local_model.h"

static const struct ph_local_options small = { .pack_size = 500000, .checkpoint_pages = 100 };
static int marks;

/* One write to a file opened for appending is whole, and stays when the writer is killed. */
static void write_mark(void *ctx, const struct model_mark *m)
{
    if (write(marks, m, sizeof *m) != sizeof *m)
        _exit(3);
}

struct thread {
    struct ph_local_root *root;
    uint32_t number;
    uint64_t seed;
};

static void *work(void *ctx)
{
    struct thread *t = ctx;
    struct ph_err err = { 0 };

    if (model_work(t->root, "anna", t->number, 100000, t->seed, write_mark, NULL, &err)) {
        fprintf(stderr, "client %u: %s\n", t->number, err.text);
        _exit(4);
    }
    return NULL;
}

static pid_t start(const char *dir, const char *log, uint32_t first, uint64_t seed)
{
    pid_t pid = fork();
    struct thread t[10];
    pthread_t thread[10];
    struct ph_local_root *root;

    if (pid)
        return pid;
    marks = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (marks < 0 || ph_local_root_new(dir, &small, &root, NULL))
        _exit(2);
    for (uint32_t i = 0; i < 10; i++) {
        t[i] = (struct thread){ root, first + i, seed };
        if (pthread_create(&thread[i], NULL, work, &t[i]))
            _exit(2);
    }
    for (int i = 0; i < 10; i++)
        pthread_join(thread[i], NULL);
    _exit(0);
}

/* So far so many marks: the moment to kill is a number of steps, not a time. */
static size_t written(const char *log)
{
    struct stat st;

    return stat(log, &st) ? 0 : (size_t)st.st_size / sizeof(struct model_mark);
}

static void wait_for(const char *log, size_t n, const pid_t *pid)
{
    while (written(log) < n)
        for (int i = 0; i < 2; i++) {
            int status;
            if (waitpid(pid[i], &status, WNOHANG) == pid[i])
                fail_msg("a client's process ended with %x", (unsigned)status);
        }
}

static void killed(void **state)
{
    const char *dir = rig_dir(), *soak = getenv("PH_SOAK"), *given = getenv("PH_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1, x = seed;
    int rounds = soak && *soak == '1' ? 60 : 5;
    struct model *m = model_new();
    char log[300], why[300];
    size_t seen = 0;

    snprintf(log, sizeof log, "%s.marks", dir);
    for (int round = 0; round < rounds; round++) {
        pid_t pid[2];
        for (uint32_t i = 0; i < 2; i++)
            pid[i] = start(dir, log, (uint32_t)round * 20 + i * 10, seed);
        x = x * 6364136223846793005u + 1442695040888963407u;
        wait_for(log, seen + 200 + (size_t)(x >> 33) % 600, pid);
        assert_int_equal(kill(pid[x >> 40 & 1], SIGKILL), 0);
        wait_for(log, written(log) + 50, (pid_t[]){ pid[!(x >> 40 & 1)], pid[!(x >> 40 & 1)] }); /* the other goes on */
        assert_int_equal(kill(pid[!(x >> 40 & 1)], SIGKILL), 0);
        for (int i = 0; i < 2; i++) {
            int status;
            waitpid(pid[i], &status, 0);
            if (!WIFSIGNALED(status))
                fail_msg("a client's process ended with %x", (unsigned)status);
        }
        int fd = open(log, O_RDONLY);
        struct model_mark mark;
        for (size_t at = seen; pread(fd, &mark, sizeof mark, (off_t)(at * sizeof mark)) == sizeof mark; at++)
            model_see(m, &mark);
        close(fd);
        seen = written(log);
        struct ph_local_root *root = mail_root(dir, &small);
        if (!model_holds(m, root, "anna", why, sizeof why))
            fail_msg("round %d (seed %llu): %s", round, (unsigned long long)seed, why);
        ph_local_root_free(root);
    }
    model_free(m);
    unlink(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
