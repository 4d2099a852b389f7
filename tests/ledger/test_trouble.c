/* Locks, damaged and foreign files, disks that are full or fail, folders that may not be written. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "disk.h"

static struct ph_err err;

static void fails(const char *dir, enum ph_kind kind, const char *words)
{
    struct ph_ledger *l;

    assert_int_equal(ph_ledger_open(dir, SRC, DST, NULL, &l, &err), -1);
    assert_null(l);
    if (err.kind != kind || !strstr(err.text, words))
        fail_msg("%s: %s", ph_kind_name(err.kind), err.text);
    assert_int_equal(err.scope, PH_SCOPE_JOB);
}

/* Run in a process of its own; its status: 0 when all went well. */
static void in_child(void (*f)(const char *dir), const char *dir)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        f(dir);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHILD(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: not so: %s (%s)\n", __LINE__, #condition, err.text);                             \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* ---- locks ---- */

static void test_lock(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l, *other;
    int go[2], ready[2], status;
    char want[64], byte;

    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        CHILD(ph_ledger_open(p->dir, SRC, DST, NULL, &l, &err) == 0);
        CHILD(write(ready[1], "x", 1) == 1);
        if (read(go[0], &byte, 1) != 1) /* until it is killed */
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(want, sizeof want, "another run (process %ld on ", (long)pid);
    fails(p->dir, PH_E_LOCKED, want);
    assert_non_null(strstr(err.text, "is copying between these two accounts"));
    assert_int_equal(err.retry, PH_RETRY_LATER);
    /* another pair is nobody's business */
    OK(ph_ledger_open(p->dir, SRC, "imap://else", NULL, &other, &err));
    close_ledger(other);
    /* the lock dies with its holder, however that went */
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    l = open_ledger(p->dir);
    /* and it holds within one process, too */
    snprintf(want, sizeof want, "process %ld on ", (long)getpid());
    fails(p->dir, PH_E_LOCKED, want);
    close_ledger(l);
    close_ledger(open_ledger(p->dir));
    close(go[0]);
    close(go[1]);
    close(ready[0]);
    close(ready[1]);
}

/* ---- files ---- */

static char *make_one(const char *dir, size_t rows)
{
    struct ph_ledger *l = open_ledger(dir);
    char *path = strdup(ph_ledger_path(l));

    put_rows(l, folder_of(l, "a"), 1, rows);
    close_ledger(l);
    return path;
}

static void overwrite(const char *path, off_t at, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, n, at), n);
    close(fd);
}

static char *slurp(const char *path, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *p = malloc((size_t)st.st_size + 1);
    *n = (size_t)st.st_size;
    assert_int_equal(read(fd, p, *n), *n);
    close(fd);
    return p;
}

/* Found out, with advice, and not a byte of it changed. */
static void left_alone(const char *dir, const char *path, enum ph_kind kind, const char *words)
{
    size_t n, m;
    char *before = slurp(path, &n);

    fails(dir, kind, words);
    char *after = slurp(path, &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    assert_non_null(strstr(err.text, path));
}

static void test_damaged(void **state)
{
    struct place *p = *state;
    char junk[4096], sub[80];

    memset(junk, 0x5a, sizeof junk);
    snprintf(sub, sizeof sub, "%s/1", p->dir);
    char *path = make_one(sub, 1000);
    overwrite(path, 0, junk, 100);
    left_alone(sub, path, PH_E_CORRUPT, "move it away and run again");
    free(path);

    snprintf(sub, sizeof sub, "%s/2", p->dir);
    path = make_one(sub, 5000);
    assert_int_equal(truncate(path, 3 * 4096 + 10), 0);
    left_alone(sub, path, PH_E_CORRUPT, "is damaged");
    free(path);

    snprintf(sub, sizeof sub, "%s/3", p->dir);
    path = make_one(sub, 10);
    overwrite(path, 100, junk, 1000); /* the schema */
    left_alone(sub, path, PH_E_CORRUPT, "is damaged");
    free(path);

    /* deeper: found when it is read, and the process lives */
    snprintf(sub, sizeof sub, "%s/4", p->dir);
    path = make_one(sub, 20000);
    for (off_t at = 60; at < 80; at++)
        overwrite(path, at * 4096, junk, sizeof junk);
    struct ph_ledger *l = open_ledger(sub);
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;
    int r = 0;
    OK(ph_ledger_rows(l, folder_of(l, "a"), &c, &err));
    while ((r = ph_ledger_rows_next(c, &row, &err)) == 1)
        ;
    assert_int_equal(r, -1);
    assert_int_equal(err.kind, PH_E_CORRUPT);
    ph_ledger_rows_end(c);
    ph_ledger_close(l, &err);
    free(path);
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_foreign(void **state)
{
    struct place *p = *state;
    char sub[80];

    snprintf(sub, sizeof sub, "%s/1", p->dir);
    char *path = make_one(sub, 10);
    run_sql(path, "PRAGMA user_version = 2");
    left_alone(sub, path, PH_E_UNSUPPORTED, "was written by a newer posthaste (format 2");
    free(path);

    snprintf(sub, sizeof sub, "%s/2", p->dir);
    path = make_one(sub, 10);
    run_sql(path, "PRAGMA application_id = 17");
    left_alone(sub, path, PH_E_CORRUPT, "database of another program");
    free(path);

    snprintf(sub, sizeof sub, "%s/3", p->dir);
    path = make_one(sub, 10);
    run_sql(path, "UPDATE meta SET value = 'imap://eve@example.org' WHERE name = 'dst'");
    left_alone(sub, path, PH_E_CORRUPT, "ledger of other accounts");
    free(path);

    snprintf(sub, sizeof sub, "%s/4", p->dir);
    path = make_one(sub, 10);
    run_sql(path, "DELETE FROM meta WHERE name = 'hash-key'");
    left_alone(sub, path, PH_E_CORRUPT, "its key is missing");
    free(path);

    snprintf(sub, sizeof sub, "%s/5", p->dir);
    path = make_one(sub, 10);
    int fd = open(path, O_WRONLY | O_TRUNC);
    const char text[] = "#!/bin/sh\n# something else altogether\n";
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    close(fd);
    left_alone(sub, path, PH_E_CORRUPT, "is damaged");
    free(path);

    /* rows that cannot be */
    snprintf(sub, sizeof sub, "%s/6", p->dir);
    path = make_one(sub, 10);
    run_sql(path, "UPDATE map SET data = x'00' WHERE id & 4294967295 = 5;"
                  "INSERT INTO intent VALUES(1, 1, 1, 1, x'010203')");
    struct ph_ledger *l = open_ledger(sub);
    struct ph_ledger_row row;
    assert_int_equal(ph_ledger_row(l, folder_of(l, "a"), 5, &row, &err), -1);
    assert_int_equal(err.kind, PH_E_CORRUPT);
    assert_int_equal(ph_ledger_unresolved(l, 0, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, PH_E_CORRUPT);
    close_ledger(l);
    free(path);

    /* a symbolic link is not followed to somebody else's file */
    snprintf(sub, sizeof sub, "%s/7", p->dir);
    path = make_one(sub, 10);
    unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    struct ph_ledger *none;
    assert_int_equal(ph_ledger_open(sub, SRC, DST, NULL, &none, &err), -1);
    free(path);
}

/* ---- disks ---- */

/* The error stays: nothing that came after the lost transaction is written either. */
static void check_stuck(struct ph_ledger *l, int64_t folder, uint64_t durable, const char *words)
{
    struct ph_intent_message m = message_of(1);
    struct ph_intent in = { .folder = folder, .messages = &m, .n = 1 };
    struct ph_ledger_row row = row_of(1);
    uint64_t ticket;
    int64_t id;

    CHILD(ph_ledger_intent(l, &in, &id, &ticket, &err) == -1 || ph_ledger_wait(l, ticket, &err) == -1);
    CHILD(err.kind == PH_E_SYSTEM && err.scope == PH_SCOPE_JOB);
    CHILD(strstr(err.text, words) && strstr(err.text, ph_ledger_path(l)));
    ph_err_clear(&err);
    CHILD(ph_ledger_flush(l, &err) == -1 && strstr(err.text, words));
    CHILD(ph_ledger_put(l, folder, &row, 1, &err) == -1);
    CHILD(ph_ledger_intent(l, &in, &id, &ticket, &err) == -1);
    CHILD(ph_ledger_wait(l, durable, &err) == 0); /* what was durable is */
    CHILD(ph_ledger_close(l, &err) == -1 && strstr(err.text, words));
}

/* A ledger with row 100 on disk. */
static struct ph_ledger *with_row(const char *dir, int64_t *folder, uint64_t *durable)
{
    struct ph_ledger *l = NULL;
    struct ph_ledger_row row = row_of(100);
    struct ph_intent in = { 0 };
    int64_t id;

    CHILD(ph_ledger_open(dir, SRC, DST, NULL, &l, &err) == 0);
    CHILD(ph_ledger_folder(l, "a", "a", folder, &err) == 0);
    CHILD(ph_ledger_put(l, *folder, &row, 1, &err) == 0);
    in.folder = *folder;
    CHILD(ph_ledger_intent(l, &in, &id, durable, &err) == 0 && ph_ledger_wait(l, *durable, &err) == 0);
    return l;
}

static void full_disk(const char *dir)
{
    int64_t folder;
    uint64_t durable;
    struct ph_ledger *l = with_row(dir, &folder, &durable);

    disk_full = true;
    check_stuck(l, folder, durable, "the disk is full");
    disk_full = false;
}

static void file_limit(const char *dir)
{
    struct rlimit lim = { 0 };
    int64_t folder;
    uint64_t durable;
    struct ph_ledger *l = with_row(dir, &folder, &durable);

    signal(SIGXFSZ, SIG_IGN);
    CHILD(setrlimit(RLIMIT_FSIZE, &lim) == 0);
    check_stuck(l, folder, durable, "trouble with the ledger");
}

static void failing_sync(const char *dir)
{
    int64_t folder;
    uint64_t durable;
    struct ph_ledger *l = with_row(dir, &folder, &durable);

    disk_sync_fails = true;
    check_stuck(l, folder, durable, "I/O error");
    disk_sync_fails = false;
}

static void full_at_birth(const char *dir)
{
    struct ph_ledger *l;

    disk_full = true;
    CHILD(ph_ledger_open(dir, SRC, DST, NULL, &l, &err) == -1);
    CHILD(err.kind == PH_E_SYSTEM && strstr(err.text, "the disk is full"));
    disk_full = false;
    CHILD(ph_ledger_open(dir, SRC, DST, NULL, &l, &err) == 0); /* nothing in the way of the next run */
    CHILD(ph_ledger_close(l, &err) == 0);
}

static void after_trouble(const char *dir)
{
    struct ph_ledger_row row;
    struct ph_ledger *l;
    int64_t folder;

    CHILD(ph_ledger_open(dir, SRC, DST, NULL, &l, &err) == 0);
    CHILD(ph_ledger_folder(l, "a", "a", &folder, &err) == 0);
    CHILD(ph_ledger_row(l, folder, 100, &row, &err) == 1);
    CHILD(ph_ledger_close(l, &err) == 0);
}

static void test_disks(void **state)
{
    static void (*const troubles[])(const char *dir) = { full_disk, file_limit, failing_sync };
    struct place *p = *state;
    char sub[80];

    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        snprintf(sub, sizeof sub, "%s/%zu", p->dir, i);
        in_child(troubles[i], sub);
        in_child(after_trouble, sub);
    }
    snprintf(sub, sizeof sub, "%s/birth", p->dir);
    in_child(full_at_birth, sub);
}

static void become_nobody(void)
{
    if (geteuid() != 0)
        return;
    struct passwd *pw = getpwnam("nobody");
    CHILD(pw && setgid(pw->pw_gid) == 0 && setuid(pw->pw_uid) == 0);
}

static void not_writable(const char *dir)
{
    struct ph_ledger *l;
    char below[128];

    become_nobody();
    CHILD(ph_ledger_open(dir, SRC, DST, NULL, &l, &err) == -1);
    CHILD(err.kind == PH_E_PERMISSION && strstr(err.text, dir) && strstr(err.text, strerror(EACCES)));
    snprintf(below, sizeof below, "%s/below", dir);
    CHILD(ph_ledger_open(below, SRC, DST, NULL, &l, &err) == -1);
    CHILD(err.kind == PH_E_PERMISSION && strstr(err.text, below));
}

static void test_read_only(void **state)
{
    struct place *p = *state;
    char sub[80], file[80];

    assert_int_equal(chmod(p->dir, 0755), 0);
    snprintf(sub, sizeof sub, "%s/ro", p->dir);
    assert_int_equal(mkdir(sub, 0555), 0);
    in_child(not_writable, sub);

    snprintf(file, sizeof file, "%s/file", p->dir);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    fails(file, PH_E_SYSTEM, strerror(ENOTDIR));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        T(test_lock), T(test_damaged), T(test_foreign), T(test_disks), T(test_read_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
