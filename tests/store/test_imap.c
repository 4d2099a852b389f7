/* The IMAP store against a server of a few lines that listens on a socket in a thread: what cannot be had from a real one, such as a
 * hundred thousand answers in any order that RFC 9051 allows, and a look at every octet that was sent. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/imap.h"

struct server {
    char dir[64], path[100];
    int listening;
    pthread_t thread;
    const char *capabilities;
    uint32_t exists;                             /* UIDs 1 … */
    uint32_t (*nth)(uint32_t i, uint32_t exists);/* in which order they are told; NULL: ascending */
    bool noise;                                  /* each answer is followed by a change of flags of UID 1 */
    _Atomic unsigned appended;                   /* messages of commands that were whole */
};

__attribute__((format(printf, 2, 3))) static void say(FILE *out, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(out, fmt, ap);
    va_end(ap);
}

static void tell_rows(struct server *s, FILE *out)
{
    for (uint32_t i = 0; i < s->exists; i++) {
        uint32_t uid = s->nth ? s->nth(i, s->exists) : i + 1;
        say(out, "* %u FETCH (UID %u FLAGS (\\Seen) RFC822.SIZE %u)\r\n", uid, uid, 100 + uid);
        if (s->noise)
            say(out, "* 1 FETCH (UID 1 FLAGS (\\Answered))\r\n");
    }
}

/* The rest of an APPEND whose first line is here: literals and lines until one has no literal. 0: it was cut off. */
static unsigned take_append(FILE *in, char *line)
{
    static char body[4096], more[4096];
    unsigned n = 0;

    for (;;) {
        char *brace = strrchr(line, '{');
        if (!brace)
            return n;
        size_t size = strtoul(brace + 1, NULL, 10);
        if (size > sizeof body || fread(body, 1, size, in) != size || !fgets(more, sizeof more, in))
            return 0;
        n++;
        line = more;
    }
}

static void serve(struct server *s, FILE *in, FILE *out)
{
    char line[4096], tag[32], word[32];

    say(out, "* PREAUTH [CAPABILITY IMAP4rev1 %s] here\r\n", s->capabilities ? s->capabilities : "");
    fflush(out);
    while (fgets(line, sizeof line, in)) {
        if (sscanf(line, "%31s %31s", tag, word) != 2)
            break;
        if (strcmp(word, "EXAMINE") == 0 || strcmp(word, "SELECT") == 0)
            say(out, "* %u EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT %u] .\r\n", s->exists, s->exists + 1);
        else if (strcmp(word, "UID") == 0)
            tell_rows(s, out);
        else if (strcmp(word, "APPEND") == 0)
            s->appended += take_append(in, line);
        say(out, "%s OK done\r\n", tag);
        fflush(out);
    }
}

static void *listener(void *arg)
{
    struct server *s = arg;
    int fd;

    while ((fd = accept(s->listening, NULL, NULL)) >= 0) {
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        serve(s, in, out);
        fclose(in);
        fclose(out);
    }
    return NULL;
}

static void start(struct server *s)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    snprintf(s->dir, sizeof s->dir, "/tmp/ph-imap-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/s", s->dir);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", s->path);
    s->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listening, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listening, 5), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, listener, s), 0);
}

static void stop(struct server *s)
{
    shutdown(s->listening, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listening);
    unlink(s->path);
    rmdir(s->dir);
}

struct client {
    struct ph_store *st;
    struct ph_session *s;
    struct ph_loop loop;
    struct ph_err err;
};

static void begin(struct client *c, struct server *s)
{
    struct ph_imap_options o = { .socket_path = s->path, .security = PH_SEC_CLEAR, .auth = PH_AUTH_PREAUTH };

    memset(c, 0, sizeof *c);
    start(s);
    assert_int_equal(ph_imap_store_new(&o, &c->st, &c->err), 0);
    if (c->st->ops->open(c->st, &c->loop, &c->s, &c->err))
        fail_msg("%s", c->err.text);
}

static void end(struct client *c, struct server *s)
{
    c->s->ops->close(c->s);
    stop(s);
    c->st->ops->free(c->st);
}

/* ---- rows in any order ---- */

static uint32_t descending(uint32_t i, uint32_t exists)
{
    return exists - i;
}

static uint32_t shuffled(uint32_t i, uint32_t exists)
{
    return (uint32_t)((uint64_t)i * 48271 % exists) + 1; /* exists is prime */
}

/* Processor time of the whole process, for a scan of MANY messages. */
static double scan(struct server *s)
{
    struct ph_scan_request q = { .want = PH_WANT_FLAGS | PH_WANT_SIZE };
    struct ph_snapshot snap;
    struct timespec a, b;
    struct client c;

    begin(&c, s);
    ph_snapshot_init(&snap);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    assert_int_equal(c.s->ops->scan_begin(c.s, "INBOX", &q, &snap, &c.err), 0);
    assert_int_equal(c.s->ops->scan_wait(c.s, &snap, &c.err), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    assert_int_equal(snap.n, s->exists);
    for (uint32_t i = 0; i < s->exists; i++) {
        struct ph_row *row = ph_snapshot_row(&snap, i);
        if (row->uid != i + 1 || row->size != 101 + i || row->flags != (i == 0 && s->noise ? PH_F_ANSWERED : PH_F_SEEN))
            fail_msg("row %u is wrong", i);
    }
    ph_snapshot_done(&snap);
    end(&c, s);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* A server may tell its messages in any order, and changes between them: that must not cost much more. */
static void test_order_costs_nothing(void **state)
{
    static uint32_t (*const orders[])(uint32_t, uint32_t) = { descending, shuffled };
    struct server plain = { .exists = 99991 };
    double ascending = scan(&plain);

    for (size_t i = 0; i < 3; i++) {
        struct server s = { .exists = 99991, .nth = i < 2 ? orders[i] : NULL, .noise = i == 2 };
        double took = scan(&s);
        if (took > 3 * ascending + 0.5)
            fail_msg("order %zu: %.2f s, and %.2f s in ascending order", i, took, ascending);
    }
}

/* ---- an append that cannot be written to its end ---- */

static void send_one(struct client *c, struct ph_append *a, int64_t epoch, int expected)
{
    struct ph_message m = { .keywords = "", .has_date = true, .epoch = epoch, .size = 5 };

    assert_int_equal(c->s->ops->append_message(a, &m, &c->err), expected);
    if (expected == 0)
        assert_int_equal(c->s->ops->append_write(a, "a\r\nb\n", 5, &c->err), 0);
}

/* The second message has a date that no APPEND can carry. What has gone out must not be ended as if it were the whole batch. */
static void test_unwritable_message_fails_the_batch(void **state)
{
    for (int at = 0; at < 2; at++) {
        struct server s = { .capabilities = "LITERAL+ MULTIAPPEND UIDPLUS" };
        struct ph_append_result res;
        struct ph_append *a, *done;
        struct client c;
        begin(&c, &s);
        assert_int_equal(c.s->ops->append_open(c.s, "INBOX", 2, &a, &c.err), 0);
        if (at)
            send_one(&c, a, 1600000000, 0);
        send_one(&c, a, 400000000000000, -1);
        assert_int_equal(c.err.scope, PH_SCOPE_MESSAGE);
        assert_int_equal(c.s->ops->append_finish(a, &c.err), 0);
        assert_int_equal(c.s->ops->append_wait(c.s, &done, &res, &c.err), 0);
        assert_ptr_equal(done, a);
        assert_false(res.ok);
        assert_false(res.unknown); /* it cannot be in */
        c.s->ops->append_free(a);
        if (!at) { /* nothing had gone out: the connection is as good as before */
            assert_int_equal(c.s->ops->append_open(c.s, "INBOX", 1, &a, &c.err), 0);
            send_one(&c, a, 1600000000, 0);
            assert_int_equal(c.s->ops->append_finish(a, &c.err), 0);
            assert_int_equal(c.s->ops->append_wait(c.s, &done, &res, &c.err), 0);
            assert_true(res.ok);
            c.s->ops->append_free(a);
        }
        end(&c, &s);
        assert_int_equal(s.appended, at ? 0 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_costs_nothing),
        cmocka_unit_test(test_unwritable_message_fails_the_batch),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
