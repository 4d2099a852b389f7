/* Sockets: connecting, racing addresses, waiting, ends. Loopback only. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/private.h"
#include "io/stream.h"

static int listen_on(int family, const char *ip, int backlog, uint16_t *port)
{
    struct ph_addr a = { 0 };
    socklen_t len = sizeof a.u;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    a.u.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        inet_pton(AF_INET, ip, &a.u.in.sin_addr);
        a.u.in.sin_port = htons(*port);
        a.len = sizeof a.u.in;
    } else {
        inet_pton(AF_INET6, ip, &a.u.in6.sin6_addr);
        a.u.in6.sin6_port = htons(*port);
        a.len = sizeof a.u.in6;
    }
    if (bind(fd, &a.u.sa, a.len) < 0 || listen(fd, backlog) < 0) {
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, &a.u.sa, &len), 0);
    *port = ntohs(family == AF_INET ? a.u.in.sin_port : a.u.in6.sin6_port);
    return fd;
}

static struct ph_addr addr4(const char *ip, uint16_t port)
{
    struct ph_addr a = { .len = sizeof(struct sockaddr_in) };

    a.u.in.sin_family = AF_INET;
    a.u.in.sin_port = htons(port);
    assert_int_equal(inet_pton(AF_INET, ip, &a.u.in.sin_addr), 1);
    return a;
}

static struct ph_addr addr6(const char *ip, uint16_t port)
{
    struct ph_addr a = { .len = sizeof(struct sockaddr_in6) };

    a.u.in6.sin6_family = AF_INET6;
    a.u.in6.sin6_port = htons(port);
    assert_int_equal(inet_pton(AF_INET6, ip, &a.u.in6.sin6_addr), 1);
    return a;
}

/* A listener whose queue is full: the kernel drops further SYNs, as a firewall does. */
struct blackhole {
    int listener, filler[8];
    uint16_t port;
};

static void blackhole_open(struct blackhole *b)
{
    b->port = 0;
    b->listener = listen_on(AF_INET, "127.0.0.2", 0, &b->port);
    assert_true(b->listener >= 0);
    struct ph_addr a = addr4("127.0.0.2", b->port);
    for (int i = 0; i < 8; i++) {
        b->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(b->filler[i], &a.u.sa, a.len) < 0)
            assert_int_equal(errno, EINPROGRESS);
    }
}

static void blackhole_close(struct blackhole *b)
{
    for (int i = 0; i < 8; i++)
        close(b->filler[i]);
    close(b->listener);
}

static void connects_and_moves_bytes(void **state)
{
    uint16_t port = 0;
    int l = listen_on(AF_INET, "127.0.0.1", 5, &port);
    struct ph_stream *s;
    struct ph_err err;
    char buf[16];

    assert_int_equal(ph_tcp_connect("127.0.0.1", port, ph_deadline_in(5000), NULL, &s, &err), 0);
    int peer = accept(l, NULL, NULL);
    assert_int_equal(ph_stream_read(s, buf, sizeof buf, &err), PH_AGAIN);
    assert_int_equal(write(peer, "hello", 5), 5);
    assert_int_equal(ph_stream_wait(s, POLLIN, ph_deadline_in(5000), NULL, &err), 0);
    assert_int_equal(ph_stream_read(s, buf, sizeof buf, &err), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(ph_stream_write(s, "you", 3, &err), 3);
    assert_int_equal(ph_stream_flush(s, &err), 0);
    assert_int_equal(read(peer, buf, sizeof buf), 3);
    assert_false(ph_stream_pending(s));
    close(peer);
    assert_int_equal(ph_stream_wait(s, POLLIN, ph_deadline_in(5000), NULL, &err), 0);
    assert_int_equal(ph_stream_read(s, buf, sizeof buf, &err), 0);
    ph_stream_free(s);
    close(l);
}

static void refused_names_address_and_reason(void **state)
{
    uint16_t port = 0;
    int l = listen_on(AF_INET, "127.0.0.1", 5, &port);
    struct ph_stream *s;
    struct ph_err err;

    close(l);
    assert_int_equal(ph_tcp_connect("127.0.0.1", port, ph_deadline_in(5000), NULL, &s, &err), -1);
    assert_null(s);
    assert_int_equal(err.kind, PH_E_CONNECT);
    assert_int_equal(err.retry, PH_RETRY_LATER);
    assert_non_null(strstr(err.text, "127.0.0.1: Connection refused"));
}

static void dead_ipv6_then_ipv4(void **state)
{
    uint16_t port = 0;
    int l = listen_on(AF_INET, "127.0.0.1", 5, &port), fd;
    struct ph_addr a[2] = { addr6("::1", port), addr4("127.0.0.1", port) };
    struct ph_err err;

    /* ::1 refuses at once: the next address must not wait for the 250 ms. */
    int64_t t0 = ph_now_ms();
    assert_int_equal(ph_connect_race(a, 2, "h", port, ph_deadline_in(5000), NULL, &fd, &err), 0);
    assert_true(ph_now_ms() - t0 < 200);
    close(fd);
    close(l);
}

static void silent_address_is_raced(void **state)
{
    struct blackhole b;
    uint16_t port = 0;
    int l = listen_on(AF_INET, "127.0.0.1", 5, &port), fd;
    struct ph_err err;
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;

    blackhole_open(&b);
    struct ph_addr a[2] = { addr4("127.0.0.2", b.port), addr4("127.0.0.1", port) };
    int64_t t0 = ph_now_ms();
    assert_int_equal(ph_connect_race(a, 2, "h", port, ph_deadline_in(10000), NULL, &fd, &err), 0);
    int64_t took = ph_now_ms() - t0;
    assert_true(took >= 245 && took < 950); /* before the kernel sends its second SYN */
    assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
    assert_int_equal(peer.sin_addr.s_addr, a[1].u.in.sin_addr.s_addr);
    close(fd);
    blackhole_close(&b);
    close(l);
}

static void connect_deadline(void **state)
{
    struct blackhole b;
    struct ph_stream *s;
    struct ph_err err;

    blackhole_open(&b);
    int64_t t0 = ph_now_ms();
    assert_int_equal(ph_tcp_connect("127.0.0.2", b.port, ph_deadline_in(150), NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_TIMEOUT);
    assert_non_null(strstr(err.text, "127.0.0.2: no answer"));
    assert_true(ph_now_ms() - t0 < 1000);
    blackhole_close(&b);
}

static void *raise_soon(void *arg)
{
    poll(NULL, 0, 50);
    ph_cancel_raise(arg);
    return NULL;
}

static void connect_cancelled(void **state)
{
    struct blackhole b;
    struct ph_cancel c;
    struct ph_stream *s;
    struct ph_err err;
    pthread_t t;

    blackhole_open(&b);
    assert_int_equal(ph_cancel_init(&c), 0);
    pthread_create(&t, NULL, raise_soon, &c);
    assert_int_equal(ph_tcp_connect("127.0.0.2", b.port, PH_NEVER, &c, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_CANCELLED);
    pthread_join(t, NULL);
    ph_cancel_done(&c);
    blackhole_close(&b);
}

static void families_alternate(void **state)
{
    struct ph_addr a[5] = { addr6("::1", 1), addr6("::2", 1), addr6("::3", 1), addr4("10.0.0.1", 1),
                            addr4("10.0.0.2", 1) };
    static const int want[5] = { AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET6 };

    ph_addrs_interleave(a, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(a[i].u.sa.sa_family, want[i]);
    assert_int_equal(a[2].u.in6.sin6_addr.s6_addr[15], 2); /* the resolver's order stays within a family */
    assert_int_equal(a[4].u.in6.sin6_addr.s6_addr[15], 3);
}

static void names(void **state)
{
    char out[PH_HOST_MAX];
    struct ph_err err;
    char longname[400];

    assert_int_equal(ph_host_ascii("imap.example.org.", out, &err), 0);
    assert_string_equal(out, "imap.example.org");
    assert_int_equal(ph_host_ascii("[::1]", out, &err), 0);
    assert_string_equal(out, "::1");
    assert_true(ph_host_is_ip(out));
    assert_true(ph_host_is_ip("127.0.0.1"));
    assert_true(ph_host_is_ip("fe80::1%eth0"));
    assert_false(ph_host_is_ip("1.2.3"));
    /* RFC 5891's and RFC 3492's well known pair: b + u umlaut + cher */
    assert_int_equal(ph_host_ascii("B\xc3\xbc" "cher.example", out, &err), 0);
    assert_string_equal(out, "xn--bcher-kva.example");
    assert_int_equal(ph_host_ascii("", out, &err), -1);
    assert_int_equal(err.kind, PH_E_RESOLVE);
    assert_int_equal(ph_host_ascii("a b", out, &err), -1);
    memset(longname, 'a', sizeof longname - 1);
    longname[sizeof longname - 1] = '\0';
    assert_int_equal(ph_host_ascii(longname, out, &err), -1);
}

/* The resolver as the tests want it (the linker puts these in getaddrinfo's place): no network, and a look-up
 * that hangs until it is let go. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int lists_out, lists_freed; /* out: made minus freed */

int __real_getaddrinfo(const char *, const char *, const struct addrinfo *, struct addrinfo **);
void __real_freeaddrinfo(struct addrinfo *);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out);
void __wrap_freeaddrinfo(struct addrinfo *list);

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    struct addrinfo numeric = *hints;
    int rc;

    numeric.ai_flags |= AI_NUMERICHOST;
    if (hints->ai_flags & AI_NUMERICHOST) {
        rc = __real_getaddrinfo(host, service, &numeric, out);
    } else if (strcmp(host, "both.test") == 0) {
        rc = __real_getaddrinfo("::1", service, &numeric, out);
        if (rc == 0)
            rc = __real_getaddrinfo("127.0.0.1", service, &numeric, &(*out)->ai_next);
    } else if (strcmp(host, "hangs.test") == 0) {
        pthread_mutex_lock(&gate_lock);
        while (!gate_open)
            pthread_cond_wait(&gate_changed, &gate_lock);
        pthread_mutex_unlock(&gate_lock);
        rc = __real_getaddrinfo("127.0.0.1", service, &numeric, out);
    } else {
        return strcmp(host, "later.test") == 0 ? EAI_AGAIN : EAI_NONAME;
    }
    if (rc == 0) {
        pthread_mutex_lock(&gate_lock);
        lists_out++;
        pthread_mutex_unlock(&gate_lock);
    }
    return rc;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    if (list->ai_next) {
        __real_freeaddrinfo(list->ai_next);
        list->ai_next = NULL;
    }
    __real_freeaddrinfo(list);
    pthread_mutex_lock(&gate_lock);
    lists_out--;
    lists_freed++;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

static void unknown_host(void **state)
{
    struct ph_stream *s;
    struct ph_err err;

    assert_int_equal(ph_tcp_connect("nowhere.test", 143, ph_deadline_in(20000), NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_RESOLVE);
    assert_int_equal(err.retry, PH_RETRY_NEVER);
    assert_non_null(strstr(err.text, "nowhere.test"));
    assert_int_equal(ph_tcp_connect("later.test", 143, ph_deadline_in(20000), NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_RESOLVE);
    assert_int_equal(err.retry, PH_RETRY_LATER);
}

static void name_with_both_families(void **state)
{
    uint16_t port = 0;
    int l = listen_on(AF_INET, "127.0.0.1", 5, &port);
    struct ph_stream *s;
    struct ph_err err;

    assert_int_equal(ph_tcp_connect("both.test", port, ph_deadline_in(5000), NULL, &s, &err), 0);
    ph_stream_free(s);
    close(l);
    assert_int_equal(ph_tcp_connect("both.test", port, ph_deadline_in(5000), NULL, &s, &err), -1);
    assert_non_null(strstr(err.text, "[::1]: Connection refused; 127.0.0.1: Connection refused"));
}

static void hanging_resolver(void **state)
{
    struct ph_stream *s;
    struct ph_cancel c;
    struct ph_err err;
    pthread_t t;

    assert_int_equal(ph_tcp_connect("hangs.test", 143, ph_deadline_in(30), NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_TIMEOUT);
    assert_non_null(strstr(err.text, "looking up hangs.test"));
    ph_cancel_init(&c);
    pthread_create(&t, NULL, raise_soon, &c);
    assert_int_equal(ph_tcp_connect("hangs.test", 143, PH_NEVER, &c, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_CANCELLED);
    pthread_join(t, NULL);
    ph_cancel_done(&c);
    /* The look-ups that were given up end by themselves and free their answers. */
    pthread_mutex_lock(&gate_lock);
    assert_int_equal(lists_out, 0);
    int freed_before = lists_freed;
    gate_open = true;
    pthread_cond_broadcast(&gate_changed);
    while (lists_freed < freed_before + 2)
        pthread_cond_wait(&gate_changed, &gate_lock);
    assert_int_equal(lists_out, 0);
    pthread_mutex_unlock(&gate_lock);
}

static void unix_socket(void **state)
{
    char dir[] = "/tmp/ph-io-XXXXXX";
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    struct ph_stream *s, *waiting[8];
    struct ph_err err;
    char deep[200];

    assert_non_null(mkdtemp(dir));
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", dir);
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(ph_unix_connect(sa.sun_path, PH_NEVER, NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_CONNECT);
    assert_int_equal(bind(l, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(l, 0), 0);
    assert_int_equal(ph_unix_connect(sa.sun_path, PH_NEVER, NULL, &s, &err), 0);
    assert_int_equal(ph_stream_write(s, "x", 1, &err), 1);
    /* Fill the queue: then the deadline must end the wait. */
    size_t n = 0;
    while (n < 8 && ph_unix_connect(sa.sun_path, ph_deadline_in(60), NULL, &waiting[n], &err) == 0)
        n++;
    assert_true(n < 8);
    assert_int_equal(err.kind, PH_E_TIMEOUT);
    while (n)
        ph_stream_free(waiting[--n]);
    ph_stream_free(s);
    close(l);
    unlink(sa.sun_path);
    rmdir(dir);
    memset(deep, 'd', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(ph_unix_connect(deep, PH_NEVER, NULL, &s, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
}

static void broken_pipe_is_an_error_not_a_signal(void **state)
{
    int sv[2];
    struct ph_err err;

    assert_int_equal(signal(SIGPIPE, SIG_DFL) == SIG_ERR, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    struct ph_stream *s = ph_fd_stream_new(sv[0]);
    close(sv[1]);
    assert_int_equal(ph_stream_write(s, "x", 1, &err), -1);
    assert_int_equal(err.kind, PH_E_CLOSED);
    assert_int_equal(err.scope, PH_SCOPE_SESSION);
    assert_int_equal(err.retry, PH_RETRY_RECONNECT);
    ph_stream_free(s);
}

static void waits(void **state)
{
    int sv[2];
    struct ph_err err;
    struct ph_cancel c;
    pthread_t t;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    struct ph_stream *s = ph_fd_stream_new(sv[0]);
    assert_int_equal(ph_stream_wait(s, POLLOUT, ph_now_ms(), NULL, &err), 0); /* ready beats a passed deadline */
    assert_int_equal(ph_stream_wait(s, POLLIN, ph_deadline_in(20), NULL, &err), -1);
    assert_int_equal(err.kind, PH_E_TIMEOUT);
    ph_cancel_init(&c);
    pthread_create(&t, NULL, raise_soon, &c);
    assert_int_equal(ph_stream_wait(s, POLLIN, PH_NEVER, &c, &err), -1);
    assert_int_equal(err.kind, PH_E_CANCELLED);
    pthread_join(t, NULL);
    assert_int_equal(ph_stream_wait(s, POLLOUT, PH_NEVER, &c, &err), -1); /* cancelled beats ready */
    assert_int_equal(err.kind, PH_E_CANCELLED);
    ph_cancel_done(&c);
    close(sv[1]);
    ph_stream_free(s);
    assert_null(ph_fd_stream_new(-1));
    ph_stream_free(NULL);
}

static void reset_is_closed(void **state)
{
    uint16_t port = 0;
    int l = listen_on(AF_INET, "127.0.0.1", 5, &port);
    struct linger hard = { 1, 0 };
    struct ph_stream *s;
    struct ph_err err;
    char c;

    assert_int_equal(ph_tcp_connect("127.0.0.1", port, ph_deadline_in(5000), NULL, &s, &err), 0);
    int peer = accept(l, NULL, NULL);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(peer);
    assert_int_equal(ph_stream_wait(s, POLLIN, ph_deadline_in(5000), NULL, &err), 0);
    assert_int_equal(ph_stream_read(s, &c, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_CLOSED);
    assert_int_equal(err.retry, PH_RETRY_RECONNECT);
    ph_stream_free(s);
    close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_moves_bytes),
        cmocka_unit_test(refused_names_address_and_reason),
        cmocka_unit_test(dead_ipv6_then_ipv4),
        cmocka_unit_test(silent_address_is_raced),
        cmocka_unit_test(connect_deadline),
        cmocka_unit_test(connect_cancelled),
        cmocka_unit_test(families_alternate),
        cmocka_unit_test(names),
        cmocka_unit_test(unknown_host),
        cmocka_unit_test(name_with_both_families),
        cmocka_unit_test(hanging_resolver),
        cmocka_unit_test(unix_socket),
        cmocka_unit_test(broken_pipe_is_an_error_not_a_signal),
        cmocka_unit_test(waits),
        cmocka_unit_test(reset_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
