/* Credentials: each source, its failures, and many lanes that share one. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/deadline.h"
#include "sasl/credential.h"
#include "sasl/source.h"

static char dir[64];

static int setup(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/ph-cred-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    return rmdir(dir);
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static unsigned expect(struct ph_credential *c, const char *want)
{
    struct ph_secret s;
    struct ph_err err = { 0 };
    unsigned generation = 0;

    if (ph_credential_get(c, &s, &generation, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(s.p, want);
    assert_int_equal(s.n, strlen(want));
    ph_secret_done(&s);
    return generation;
}

static void expect_error(struct ph_credential *c, const char *words)
{
    struct ph_secret s;
    struct ph_err err = { 0 };

    assert_int_equal(ph_credential_get(c, &s, NULL, &err), -1);
    assert_null(s.p);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in: %s", words, err.text);
}

static void fixed(void **state)
{
    struct ph_credential *c = ph_credential_fixed(PH_CRED_TOKEN, PH_STR("tok"));

    assert_int_equal(ph_credential_kind_of(c), PH_CRED_TOKEN);
    unsigned g = expect(c, "tok");
    assert_false(ph_credential_refresh(c, g));
    assert_int_equal(expect(c, "tok"), g);
    assert_string_equal(ph_credential_warning(c), "");
    ph_credential_free(c);
    c = ph_credential_fixed(PH_CRED_PASSWORD, PH_STR_NIL);
    expect(c, "");
    ph_credential_free(c);
    ph_credential_free(NULL);
}

static void from_file(void **state)
{
    char path[96];
    char *longline = malloc(70001);

    snprintf(path, sizeof path, "%s/secret", dir);
    struct ph_credential *c = ph_credential_file(PH_CRED_PASSWORD, path);
    expect_error(c, "No such file"); /* it may come later */
    put_file(path, "first\r\nsecond\n", 0600);
    expect(c, "first");
    put_file(path, "changed", 0600);
    unsigned g = expect(c, "changed"); /* read each time */
    assert_true(ph_credential_refresh(c, g));
    assert_true(expect(c, "changed") > g);
    put_file(path, "\nx\n", 0600);
    expect_error(c, "gave nothing");
    memset(longline, 'x', 70000);
    longline[70000] = '\0';
    put_file(path, longline, 0600);
    expect_error(c, "longer than");
    longline[65535] = '\0';
    put_file(path, longline, 0600);
    expect(c, longline);
    ph_credential_free(c);
    put_file(path, "x", 0640);
    c = ph_credential_file(PH_CRED_PASSWORD, path);
    assert_non_null(strstr(ph_credential_warning(c), "can be read by others"));
    ph_credential_free(c);
    unlink(path);
    free(longline);
}

static void from_a_pipe(void **state)
{
    char path[96];
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "once\n", 5), 5);
    close(fds[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", fds[0]);
    struct ph_credential *c = ph_credential_file(PH_CRED_PASSWORD, path);
    expect(c, "once");
    expect(c, "once"); /* the pipe is empty now */
    ph_credential_free(c);
    close(fds[0]);
}

static void from_variable(void **state)
{
    struct ph_credential *c = ph_credential_env(PH_CRED_PASSWORD, "PH_TEST_SECRET");

    unsetenv("PH_TEST_SECRET");
    expect_error(c, "PH_TEST_SECRET");
    setenv("PH_TEST_SECRET", "from env\n", 1);
    expect(c, "from env");
    setenv("PH_TEST_SECRET", "newer", 1);
    expect(c, "newer");
    unsetenv("PH_TEST_SECRET");
    ph_credential_free(c);
}

static void from_command(void **state)
{
    static const struct {
        const char *command, *answer, *error;
    } cases[] = {
        { "echo hush", "hush", NULL },
        { "printf 'no newline'", "no newline", NULL },
        { "echo first; seq 1 100000", "first", NULL }, /* no SIGPIPE for what follows the line */
        { "cat; echo end", "end", NULL },              /* standard input is empty */
        { "kill -0 $$ && trap - PIPE && echo ok", "ok", NULL },
        { "echo hush; exit 3", NULL, "password command failed with status 3" },
        { "true", NULL, "gave nothing" },
        { "kill -9 $$", NULL, "ended by signal 9" },
        { "exec /nonexistent/program 2>/dev/null", NULL, "failed with status" },
    };
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* a lane blocks signals; the command must not inherit that */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_credential *c = ph_credential_command(PH_CRED_PASSWORD, cases[i].command);
        if (cases[i].answer)
            expect(c, cases[i].answer);
        else
            expect_error(c, cases[i].error);
        ph_credential_free(c);
    }
    struct ph_credential *c = ph_credential_command(PH_CRED_PASSWORD, "grep SigBlk /proc/self/status");
    expect(c, "SigBlk:\t0000000000000000");
    ph_credential_free(c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void command_that_hangs(void **state)
{
    struct ph_secret s = { 0 };
    struct ph_err err = { 0 };
    int64_t t0 = ph_now_ms();

    assert_int_equal(ph_source_command("sleep 1000", "token", 100, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_AUTH);
    assert_non_null(strstr(err.text, "token command did not end"));
    /* output closed, process alive */
    assert_int_equal(ph_source_command("echo x; exec >/dev/null; exec sleep 1000", "token", 100, &s, &err), -1);
    assert_non_null(strstr(err.text, "did not end"));
    assert_true(ph_now_ms() - t0 < 10000);
    assert_null(s.p);
    /* a grandchild is killed as well: then the pipe it holds has no writer any more */
    char fifo[96], command[256], c;
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int fd = open(fifo, O_RDONLY | O_NONBLOCK);
    snprintf(command, sizeof command, "(sleep 1000; true) >%s; true", fifo);
    assert_int_equal(ph_source_command(command, "token", 300, &s, &err), -1);
    struct pollfd p = { .fd = fd };
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_true(p.revents & POLLHUP);
    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
    unlink(fifo);
}

static void command_anew_when_refused(void **state)
{
    char count[96], command[256];

    snprintf(count, sizeof count, "%s/count", dir);
    put_file(count, "", 0600);
    snprintf(command, sizeof command, "echo x >>%s; wc -l <%s", count, count);
    struct ph_credential *c = ph_credential_command(PH_CRED_TOKEN, command);
    unsigned g = expect(c, "1");
    assert_int_equal(expect(c, "1"), g); /* lanes that connect together share it */
    assert_true(ph_credential_refresh(c, g));
    unsigned g2 = expect(c, "2");
    assert_true(g2 > g);
    assert_true(ph_credential_refresh(c, g)); /* another lane was refused with the old one: no third run */
    assert_int_equal(expect(c, "2"), g2);
    ph_credential_free(c);
    unlink(count);
}

static int typed(void *ctx, struct ph_secret *out, struct ph_err *err)
{
    int *asked = ctx;

    if (++*asked < 0)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "no terminal");
    return ph_secret_set(out, "typed", 5);
}

static void asked_once(void **state)
{
    int asked = 0, hopeless = -100;
    struct ph_credential *c = ph_credential_ask(PH_CRED_PASSWORD, typed, &asked);

    unsigned g = expect(c, "typed");
    assert_false(ph_credential_refresh(c, g));
    expect(c, "typed");
    assert_int_equal(asked, 1);
    ph_credential_free(c);
    c = ph_credential_ask(PH_CRED_PASSWORD, typed, &hopeless);
    expect_error(c, "no terminal");
    expect_error(c, "no terminal"); /* not asked for each lane */
    assert_int_equal(hopeless, -99);
    ph_credential_free(c);
}

/* ---- many lanes ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int asked, open;
};

static int ask_at_gate(void *ctx, struct ph_secret *out, struct ph_err *err)
{
    struct gate *g = ctx;

    pthread_mutex_lock(&g->lock);
    g->asked++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return ph_secret_set(out, "shared", 6);
}

static void *lane(void *arg)
{
    struct ph_secret s;
    unsigned generation;

    if (ph_credential_get(arg, &s, &generation, NULL) < 0)
        return NULL;
    void *ok = strcmp(s.p, "shared") == 0 && generation == 1 ? arg : NULL;
    ph_secret_done(&s);
    return ok;
}

static void lanes_wait_for_one(void **state)
{
    struct gate g = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct ph_credential *c = ph_credential_ask(PH_CRED_PASSWORD, ask_at_gate, &g);
    pthread_t t[8];

    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&t[i], NULL, lane, c), 0);
    pthread_mutex_lock(&g.lock);
    while (!g.asked)
        pthread_cond_wait(&g.changed, &g.lock);
    g.open = 1;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.lock);
    for (int i = 0; i < 8; i++) {
        void *ok;
        pthread_join(t[i], &ok);
        assert_non_null(ok);
    }
    assert_int_equal(g.asked, 1);
    ph_credential_free(c);
}

/* Each lane gets, has its answer refused, and gets again: with N lanes and one bad answer the command runs twice. */
static void *refused_lane(void *arg)
{
    struct ph_secret s;
    unsigned g1, g2;

    if (ph_credential_get(arg, &s, &g1, NULL) < 0)
        return NULL;
    ph_secret_done(&s);
    ph_credential_refresh(arg, 1); /* the first answer is the bad one */
    if (ph_credential_get(arg, &s, &g2, NULL) < 0)
        return NULL;
    ph_secret_done(&s);
    return g2 >= g1 ? arg : NULL;
}

static void lanes_refresh_once(void **state)
{
    char count[96], command[256];
    pthread_t t[8];

    snprintf(count, sizeof count, "%s/count", dir);
    put_file(count, "", 0600);
    snprintf(command, sizeof command, "echo x >>%s; wc -l <%s", count, count);
    struct ph_credential *c = ph_credential_command(PH_CRED_TOKEN, command);
    expect(c, "1");
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&t[i], NULL, refused_lane, c), 0);
    for (int i = 0; i < 8; i++) {
        void *ok;
        pthread_join(t[i], &ok);
        assert_non_null(ok);
    }
    assert_int_equal(expect(c, "2"), 2);
    ph_credential_free(c);
    unlink(count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed),        cmocka_unit_test(from_file),          cmocka_unit_test(from_a_pipe),
        cmocka_unit_test(from_variable), cmocka_unit_test(from_command),      cmocka_unit_test(command_that_hangs),
        cmocka_unit_test(command_anew_when_refused), cmocka_unit_test(asked_once),
        cmocka_unit_test(lanes_wait_for_one), cmocka_unit_test(lanes_refresh_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
