/* The accepting side, against our own client and against OpenSSL's. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/server.h"
#include "tls_peer.h"

static struct authority ca;
static struct identity good, tom;
static char good_file[128], tom_file[128];

static int setup(void **state)
{
    signal(SIGPIPE, SIG_DFL);
    authority_init(&ca);
    identity_init(&good, &ca, "mail.test", "DNS:mail.test", -3600, 3600);
    identity_init(&tom, &ca, "tom", NULL, -3600, 3600);
    snprintf(good_file, sizeof good_file, "%s/good.pem", ca.dir);
    snprintf(tom_file, sizeof tom_file, "%s/tom.pem", ca.dir);
    identity_write(&good, good_file);
    identity_write(&tom, tom_file);
    return 0;
}

static int teardown(void **state)
{
    unlink(good_file);
    unlink(tom_file);
    identity_done(&good);
    identity_done(&tom);
    authority_done(&ca);
    return 0;
}

static void listens(void **state)
{
    static const char *const addresses[] = { "127.0.0.1", "::1" };

    for (size_t i = 0; i < 2; i++) {
        struct ph_listener l, again;
        struct ph_stream *c, *s;
        struct ph_err err = { 0 };
        char peer[PH_PEER_TEXT], b[8];

        if (ph_listen_tcp(&l, addresses[i], 0, &err) < 0) {
            assert_int_equal(i, 1); /* a machine without IPv6 */
            continue;
        }
        assert_true(l.port > 0);
        assert_int_equal(ph_listen_tcp(&again, addresses[i], l.port, &err), -1);
        assert_int_equal(err.kind, PH_E_EXISTS);
        assert_int_equal(ph_accept(&l, ph_deadline_in(20), NULL, &s, peer, &err), -1);
        assert_int_equal(err.kind, PH_E_TIMEOUT);
        assert_int_equal(ph_tcp_connect(addresses[i], l.port, ph_deadline_in(5000), NULL, &c, &err), 0);
        assert_int_equal(ph_accept(&l, ph_deadline_in(5000), NULL, &s, peer, &err), 0);
        assert_int_equal(strncmp(peer, i ? "[::1]:" : "127.0.0.1:", i ? 6 : 10), 0);
        assert_int_equal(ph_stream_write(s, "hi", 2, &err), 2);
        assert_int_equal(ph_stream_wait(c, POLLIN, ph_deadline_in(5000), NULL, &err), 0);
        assert_int_equal(ph_stream_read(c, b, sizeof b, &err), 2);
        ph_stream_free(c);
        ph_stream_free(s);
        ph_listener_done(&l);
        ph_listener_done(&l);
    }
    struct ph_listener l;
    struct ph_err err;
    assert_int_equal(ph_listen_tcp(&l, "localhost", 0, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
}

static void unix_sockets(void **state)
{
    struct ph_listener l, other;
    struct ph_stream *c, *s;
    struct ph_err err = { 0 };
    struct stat st;
    char path[128], peer[PH_PEER_TEXT], deep[200];

    snprintf(path, sizeof path, "%s/socket", ca.dir);
    assert_int_equal(ph_listen_unix(&l, path, 0660, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(ph_unix_connect(path, ph_deadline_in(5000), NULL, &c, &err), 0);
    assert_int_equal(ph_accept(&l, ph_deadline_in(5000), NULL, &s, peer, &err), 0);
    assert_string_equal(peer, "unix");
    ph_stream_free(c);
    ph_stream_free(s);
    assert_int_equal(ph_listen_unix(&other, path, 0600, &err), -1); /* in use */
    assert_int_equal(err.kind, PH_E_EXISTS);
    close(l.fd); /* as after a crash: the file stays */
    assert_int_equal(ph_listen_unix(&other, path, 0600, &err), 0);
    ph_listener_done(&other);
    assert_int_equal(stat(path, &st), -1);
    free(l.path);
    int fd = open(path, O_CREAT | O_WRONLY, 0600); /* somebody's file */
    close(fd);
    assert_int_equal(ph_listen_unix(&l, path, 0600, &err), -1);
    assert_int_equal(err.kind, PH_E_EXISTS);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    memset(deep, 'd', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(ph_listen_unix(&l, deep, 0600, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
}

static void out_of_descriptors(void **state)
{
    struct ph_listener l;
    struct ph_stream *c, *s;
    struct ph_err err = { 0 };
    struct rlimit was, few;

    assert_int_equal(ph_listen_tcp(&l, "127.0.0.1", 0, &err), 0);
    assert_int_equal(ph_tcp_connect("127.0.0.1", l.port, ph_deadline_in(5000), NULL, &c, &err), 0);
    getrlimit(RLIMIT_NOFILE, &was);
    few = was;
    few.rlim_cur = (rlim_t)c->fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    /* the lowest free number is at or above the limit, unless there are gaps: fill those */
    int filler[64], n = 0;
    while (n < 64 && (filler[n] = dup(0)) >= 0)
        n++;
    assert_true(n < 64);
    assert_int_equal(ph_accept(&l, ph_deadline_in(5000), NULL, &s, NULL, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    while (n)
        close(filler[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(ph_accept(&l, ph_deadline_in(5000), NULL, &s, NULL, &err), 0); /* and the client is still there */
    ph_stream_free(s);
    ph_stream_free(c);
    ph_listener_done(&l);
}

static void *raise_soon(void *arg)
{
    poll(NULL, 0, 50);
    ph_cancel_raise(arg);
    return NULL;
}

static void accept_cancelled(void **state)
{
    struct ph_listener l;
    struct ph_cancel c;
    struct ph_stream *s;
    struct ph_err err;
    pthread_t t;

    assert_int_equal(ph_listen_tcp(&l, "127.0.0.1", 0, &err), 0);
    assert_int_equal(ph_cancel_init(&c), 0);
    pthread_create(&t, NULL, raise_soon, &c);
    assert_int_equal(ph_accept(&l, PH_NEVER, &c, &s, NULL, &err), -1);
    assert_int_equal(err.kind, PH_E_CANCELLED);
    pthread_join(t, NULL);
    ph_cancel_done(&c);
    ph_listener_done(&l);
}

/* ---- TLS ---- */

struct caller {
    int fd;
    struct ph_tls_config cfg;
    struct ph_tls_info info;
    int rc;
    char got[32];
    struct ph_err err;
};

/* Our client in a thread: says "ping", waits for what comes. */
static void *call(void *arg)
{
    struct caller *c = arg;
    struct ph_stream *s;
    ssize_t n;

    c->rc = ph_tls_client(ph_fd_stream_new(c->fd), &c->cfg, "mail.test", ph_deadline_in(20000), NULL, &s, NULL, &c->err);
    if (c->rc < 0)
        return NULL;
    ph_tls_info(s, &c->info);
    if (ph_stream_write(s, "ping", 4, &c->err) != 4 || ph_stream_flush(s, &c->err) != 0)
        c->rc = -1;
    while ((n = ph_stream_read(s, c->got, sizeof c->got - 1, &c->err)) == PH_AGAIN)
        if (ph_stream_wait(s, s->ops->want_read(s), ph_deadline_in(20000), NULL, &c->err) < 0)
            break;
    c->got[n > 0 ? n : 0] = '\0';
    ph_stream_free(s);
    return NULL;
}

static void handshake_inside_reads(void **state)
{
    struct ph_tls_server_config cfg = { .cert_file = good_file, .client_ca_file = ca.ca_file };
    struct ph_tls_server *server;
    struct ph_err err = { 0 };

    if (ph_tls_server_new(&cfg, &server, &err) < 0)
        fail_msg("%s", err.text);
    for (int speaks_first = 0; speaks_first < 2; speaks_first++) {
        struct caller c = { .cfg = { .ca_file = ca.ca_file, .cert_file = speaks_first ? tom_file : NULL } };
        struct ph_tls_info info;
        struct ph_stream *s;
        int sv[2];
        pthread_t t;
        char b[16];
        ssize_t n;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
        c.fd = sv[1];
        assert_int_equal(ph_tls_server_start(server, ph_fd_stream_new(sv[0]), &s, &err), 0);
        assert_int_equal(ph_stream_read(s, b, sizeof b, &err), PH_AGAIN); /* nobody there yet, and no waiting */
        assert_false(ph_stream_pending(s));
        pthread_create(&t, NULL, call, &c);
        if (speaks_first) { /* a greeting, which must wait for the handshake without spinning */
            unsigned turns = 0;
            while ((n = ph_stream_write(s, "* OK", 4, &err)) == PH_AGAIN) {
                assert_true(turns++ < 20);
                assert_int_equal(ph_stream_wait(s, s->ops->want_write(s), ph_deadline_in(20000), NULL, &err), 0);
            }
            assert_int_equal(n, 4);
        }
        while ((n = ph_stream_read(s, b, sizeof b, &err)) == PH_AGAIN)
            assert_int_equal(ph_stream_wait(s, s->ops->want_read(s), ph_deadline_in(20000), NULL, &err), 0);
        assert_int_equal(n, 4);
        assert_memory_equal(b, "ping", 4);
        if (!speaks_first)
            assert_int_equal(ph_stream_write(s, "pong", 4, &err), 4);
        assert_int_equal(ph_stream_flush(s, &err), 0);
        assert_int_equal(ph_tls_info(s, &info), 0);
        pthread_join(t, NULL);
        assert_int_equal(c.rc, 0);
        assert_string_equal(c.got, speaks_first ? "* OK" : "pong");
        assert_string_equal(c.info.fingerprint, good.fingerprint);
        assert_string_equal(info.fingerprint, speaks_first ? tom.fingerprint : "");
        assert_int_equal(info.binding_len, 32);
        assert_memory_equal(info.binding, c.info.binding, 32);
        assert_int_equal(ph_stream_read(s, b, sizeof b, &err), 0); /* the client said good-bye */
        ph_stream_free(s);
    }
    ph_tls_server_free(server);
}

static void waits_for_handshake(void **state)
{
    struct ph_tls_server_config cfg = { .cert_file = good_file };
    struct ph_tls_server *server;
    struct ph_stream *s;
    struct ph_err err = { 0 };
    int sv[2];

    assert_int_equal(ph_tls_server_new(&cfg, &server, &err), 0);
    struct caller c = { .cfg = { .ca_file = ca.ca_file } };
    pthread_t t;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    c.fd = sv[1];
    pthread_create(&t, NULL, call, &c);
    assert_int_equal(ph_tls_server_accept(server, ph_fd_stream_new(sv[0]), ph_deadline_in(20000), NULL, &s, &err), 0);
    assert_int_equal(ph_stream_write(s, "x", 1, &err), 1);
    pthread_join(t, NULL);
    assert_string_equal(c.got, "x");
    ph_stream_free(s);
    /* a client that says nothing, one that says nonsense, one that leaves */
    static const enum ph_kind want[] = { PH_E_TIMEOUT, PH_E_TLS, PH_E_CLOSED };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
        if (i == 1)
            assert_int_equal(write(sv[1], "a001 CAPABILITY\r\n", 17), 17);
        if (i == 2)
            close(sv[1]);
        assert_int_equal(ph_tls_server_accept(server, ph_fd_stream_new(sv[0]), ph_deadline_in(i ? 20000 : 30), NULL, &s,
                                              &err),
                         -1);
        assert_int_equal(err.kind, want[i]);
        if (i < 2)
            close(sv[1]);
    }
    ph_tls_server_free(server);
    cfg.cert_file = "/nonexistent.pem";
    assert_int_equal(ph_tls_server_new(&cfg, &server, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent.pem"));
    ph_tls_server_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens), cmocka_unit_test(unix_sockets), cmocka_unit_test(out_of_descriptors),
        cmocka_unit_test(accept_cancelled), cmocka_unit_test(handshake_inside_reads),
        cmocka_unit_test(waits_for_handshake),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
