/* TLS as a client: trust, ends, time-outs, bulk. The servers are threads on OpenSSL alone. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/stream.h"
#include "tls_peer.h"

static struct authority ca;
static struct identity good;

static int setup(void **state)
{
    signal(SIGPIPE, SIG_DFL); /* one raised anywhere ends the test */
    authority_init(&ca);
    identity_init(&good, &ca, "mail.test", "DNS:mail.test,DNS:*.wild.test,DNS:xn--tda.test,IP:127.0.0.1,IP:::1",
                  -3600, 3600);
    return 0;
}

static int teardown(void **state)
{
    identity_done(&good);
    authority_done(&ca);
    return 0;
}

static struct ph_tls_config trust(void)
{
    return (struct ph_tls_config){ .ca_file = ca.ca_file };
}

/* Connect to a new peer with that identity. */
static int client(struct tls_peer *p, const struct identity *id, const struct ph_tls_config *cfg, const char *host,
                  struct ph_stream **out, struct ph_err *err)
{
    int fd = tls_peer_start(p, id);
    bool not_tls = true;
    int rc = ph_tls_client(ph_fd_stream_new(fd), cfg, host, ph_deadline_in(20000), NULL, out, &not_tls, err);

    assert_false(not_tls);
    return rc;
}

static void write_all(struct ph_stream *s, const void *p, size_t n)
{
    struct ph_err err = { 0 };
    const char *at = p;

    while (n) {
        ssize_t put = ph_stream_write(s, at, n, &err);
        if (put == PH_AGAIN)
            assert_int_equal(ph_stream_wait(s, s->ops->want_write(s), ph_deadline_in(20000), NULL, &err), 0);
        else if (put < 0)
            fail_msg("write: %s", err.text);
        else
            at += put, n -= (size_t)put;
    }
    int rc;
    while ((rc = ph_stream_flush(s, &err)) == PH_AGAIN)
        assert_int_equal(ph_stream_wait(s, s->ops->want_write(s), ph_deadline_in(20000), NULL, &err), 0);
    assert_int_equal(rc, 0);
}

/* One read that waits: >0, 0 or -1 */
static ssize_t read_some(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    for (;;) {
        ssize_t got = ph_stream_read(s, p, n, err);
        if (got != PH_AGAIN)
            return got;
        assert_false(ph_stream_pending(s)); /* or a caller would spin */
        if (ph_stream_wait(s, s->ops->want_read(s), ph_deadline_in(20000), NULL, err) < 0)
            fail_msg("wait: %s", err->text);
    }
}

static void echo(SSL *ssl, int fd, void *arg)
{
    char buf[20000];
    int n;

    while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
        if (SSL_write(ssl, buf, n) != n)
            return;
    if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN && arg)
        *(int *)arg = 1; /* the client said good-bye properly */
    SSL_shutdown(ssl);
}

static void talks(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < 2; i++) {
        int bye = 0;
        struct tls_peer p = { .serve = echo, .arg = &bye, .max_version = versions[i] };
        struct ph_tls_config cfg = trust();
        struct ph_tls_info info;
        struct ph_stream *s;
        struct ph_err err;
        char buf[64];

        if (client(&p, &good, &cfg, "mail.test", &s, &err) < 0)
            fail_msg("%s", err.text);
        write_all(s, "a001 NOOP\r\n", 11);
        assert_int_equal(read_some(s, buf, sizeof buf, &err), 11);
        assert_memory_equal(buf, "a001 NOOP\r\n", 11);
        assert_int_equal(ph_tls_info(s, &info), 0);
        assert_string_equal(info.version, i ? "TLSv1.3" : "TLSv1.2");
        assert_string_equal(info.fingerprint, good.fingerprint);
        assert_int_equal(info.binding_is_exporter, i);
        assert_int_equal(info.binding_len, i ? 32 : 12);
        assert_true(*info.cipher);
        ph_stream_free(s);
        tls_peer_join(&p);
        assert_string_equal(p.sni, "mail.test");
        assert_int_equal(bye, 1);
    }
}

static void tell_binding(SSL *ssl, int fd, void *arg)
{
    unsigned char b[64];
    size_t n = 32;

    if (SSL_version(ssl) == TLS1_3_VERSION)
        SSL_export_keying_material(ssl, b, 32, "EXPORTER-Channel-Binding", 24, NULL, 0, 0);
    else
        n = SSL_get_peer_finished(ssl, b, sizeof b);
    SSL_write(ssl, b, (int)n);
}

static void binding_is_the_peers(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < 2; i++) {
        struct tls_peer p = { .serve = tell_binding, .max_version = versions[i] };
        struct ph_tls_config cfg = trust();
        struct ph_tls_info info;
        struct ph_stream *s, *z;
        struct ph_err err;
        char buf[64];

        assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
        assert_int_equal(ph_tls_info(s, &info), 0);
        assert_int_equal(read_some(s, buf, sizeof buf, &err), info.binding_len);
        assert_memory_equal(buf, info.binding, info.binding_len);
        z = ph_deflate_stream_new(s); /* also through the layer above */
        assert_int_equal(ph_tls_info(z, &info), 0);
        assert_true(info.binding_len > 0);
        ph_stream_free(z);
        tls_peer_join(&p);
    }
    int sv[2];
    struct ph_tls_info info;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    struct ph_stream *s = ph_fd_stream_new(sv[0]);
    assert_int_equal(ph_tls_info(s, &info), -1);
    ph_stream_free(s);
    close(sv[1]);
}

static void names_that_fit(void **state)
{
    static const char *const hosts[] = { "MAIL.test", "mail.test.", "a.wild.test", "127.0.0.1", "::1", "[::1]",
                                         "\xc3\xbc.test" };

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct tls_peer p = { 0 };
        struct ph_tls_config cfg = trust();
        struct ph_stream *s;
        struct ph_err err;

        if (client(&p, &good, &cfg, hosts[i], &s, &err) < 0)
            fail_msg("%s: %s", hosts[i], err.text);
        ph_stream_free(s);
        tls_peer_join(&p);
        if (strchr(hosts[i], ':') || hosts[i][0] == '1')
            assert_string_equal(p.sni, ""); /* RFC 6066: no addresses */
    }
}

static void expect_refusal(const struct identity *id, const struct ph_tls_config *cfg, const char *host,
                           const char *reason)
{
    struct tls_peer p = { 0 };
    struct ph_stream *s;
    struct ph_err err = { 0 };

    assert_int_equal(client(&p, id, cfg, host, &s, &err), -1);
    assert_null(s);
    tls_peer_join(&p);
    assert_int_equal(err.kind, PH_E_TLS);
    assert_int_equal(err.retry, PH_RETRY_NEVER);
    if (!strstr(err.text, reason))
        fail_msg("\"%s\" is not in: %s", reason, err.text);
    char pin[128];
    snprintf(pin, sizeof pin, "pin it with sha256:%s", id->fingerprint);
    assert_non_null(strstr(err.text, pin));
}

static void refusals(void **state)
{
    struct ph_tls_config cfg = trust(), system_store = { 0 };
    struct identity id;

    expect_refusal(&good, &cfg, "other.test", "it is for mail.test, *.wild.test, xn--tda.test, 127.0.0.1, ::1, "
                                              "not for other.test");
    expect_refusal(&good, &cfg, "127.0.0.2", "not for 127.0.0.2");
    expect_refusal(&good, &cfg, "a.b.wild.test", "not for a.b.wild.test");
    expect_refusal(&good, &system_store, "mail.test", "unknown here, Test CA");
    identity_init(&id, &ca, "mail.test", "DNS:mail.test", -7200, -3600);
    char date[32], want[64];
    struct tm tm;
    assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(id.cert), &tm), 1);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &tm);
    snprintf(want, sizeof want, "it expired on %s", date);
    expect_refusal(&id, &cfg, "mail.test", want);
    identity_done(&id);
    identity_init(&id, &ca, "mail.test", "DNS:mail.test", 3600, 7200);
    expect_refusal(&id, &cfg, "mail.test", "it is not valid before 20");
    identity_done(&id);
    identity_init(&id, NULL, "mail.test", "DNS:mail.test", -60, 3600);
    expect_refusal(&id, &cfg, "mail.test", "it is self-signed");
    identity_done(&id);
    identity_init(&id, &ca, "only\x1b[31mname.test", NULL, -60, 3600);
    expect_refusal(&id, &cfg, "mail.test", "it is for only [31mname.test, not for mail.test");
    identity_done(&id);
}

static void pins(void **state)
{
    struct identity id;
    struct ph_tls_config cfg = { 0 };
    struct ph_stream *s;
    struct ph_err err;
    char pin[128], bare[65], *to = bare;

    identity_init(&id, NULL, "whoever", NULL, -7200, -3600); /* self-signed, expired, another name: a pin replaces all */
    for (const char *f = id.fingerprint; *f; f++)
        if (*f != ':')
            *to++ = (char)(*f | (*f >= 'A' ? 0x20 : 0));
    *to = '\0';
    const char *forms[] = { pin, id.fingerprint, bare };
    snprintf(pin, sizeof pin, "SHA256:%s", id.fingerprint);
    for (size_t i = 0; i < 3; i++) {
        struct tls_peer p = { 0 };
        cfg.pin_sha256 = forms[i];
        assert_int_equal(client(&p, &id, &cfg, "mail.test", &s, &err), 0);
        ph_stream_free(s);
        tls_peer_join(&p);
    }
    cfg.pin_sha256 = id.fingerprint;
    cfg.ca_file = ca.ca_file;
    expect_refusal(&good, &cfg, "mail.test", "is not the pinned one"); /* though the CA is good */
    cfg.insecure = true;
    expect_refusal(&good, &cfg, "mail.test", "is not the pinned one");
    static const char *const bad[] = { "", "sha256:", "AB:CD", "zz", "A:B" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tls_peer p = { 0 };
        cfg.pin_sha256 = bad[i];
        assert_int_equal(client(&p, &id, &cfg, "mail.test", &s, &err), -1);
        assert_int_equal(err.kind, PH_E_USAGE);
        tls_peer_join(&p);
    }
    cfg = (struct ph_tls_config){ .insecure = true };
    struct tls_peer p = { 0 };
    assert_int_equal(client(&p, &id, &cfg, "mail.test", &s, &err), 0);
    ph_stream_free(s);
    tls_peer_join(&p);
    identity_done(&id);
}

static void plain_text_peer(void **state)
{
    static const char *const greetings[] = { "* OK [CAPABILITY IMAP4rev1] ready\r\n", "+OK POP3 ready\r\n" };

    for (size_t i = 0; i < 2; i++) {
        int sv[2];
        struct ph_tls_config cfg = trust();
        struct ph_stream *s;
        struct ph_err err;
        bool not_tls = false;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
        assert_true(write(sv[1], greetings[i], strlen(greetings[i])) > 0);
        assert_int_equal(ph_tls_client(ph_fd_stream_new(sv[0]), &cfg, "mail.test", ph_deadline_in(20000), NULL, &s,
                                       &not_tls, &err),
                         -1);
        assert_true(not_tls);
        assert_int_equal(err.kind, PH_E_TLS);
        assert_non_null(strstr(err.text, "does not speak TLS"));
        assert_non_null(strstr(err.text, i ? "+OK POP3 ready" : "* OK [CAPABILITY IMAP4rev1] ready"));
        close(sv[1]);
    }
}

static void closes_in_handshake(void **state)
{
    int sv[2];
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err;
    bool not_tls = true;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    shutdown(sv[1], SHUT_WR);
    assert_int_equal(ph_tls_client(ph_fd_stream_new(sv[0]), &cfg, "mail.test", ph_deadline_in(20000), NULL, &s,
                                   &not_tls, &err),
                     -1);
    assert_int_equal(err.kind, PH_E_CLOSED);
    assert_int_equal(err.retry, PH_RETRY_RECONNECT);
    assert_false(not_tls);
    close(sv[1]);
}

static void *raise_soon(void *arg)
{
    poll(NULL, 0, 50);
    ph_cancel_raise(arg);
    return NULL;
}

static void stalls_in_handshake(void **state)
{
    int sv[2];
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_cancel c;
    struct ph_err err;
    pthread_t t;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    assert_int_equal(ph_tls_client(ph_fd_stream_new(sv[0]), &cfg, "mail.test", ph_deadline_in(30), NULL, &s, NULL,
                                   &err),
                     -1);
    assert_int_equal(err.kind, PH_E_TIMEOUT);
    close(sv[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    assert_int_equal(ph_cancel_init(&c), 0);
    pthread_create(&t, NULL, raise_soon, &c);
    assert_int_equal(ph_tls_client(ph_fd_stream_new(sv[0]), &cfg, "mail.test", PH_NEVER, &c, &s, NULL, &err), -1);
    assert_int_equal(err.kind, PH_E_CANCELLED);
    pthread_join(t, NULL);
    ph_cancel_done(&c);
    close(sv[1]);
}

static void old_versions_are_refused(void **state)
{
    struct tls_peer p = { .max_version = TLS1_1_VERSION };
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err;

    assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), -1);
    assert_int_equal(err.kind, PH_E_TLS);
    tls_peer_join(&p);
}

static void say_and_vanish(SSL *ssl, int fd, void *arg)
{
    SSL_write(ssl, "* OK half of", 12);
    if (arg)
        SSL_shutdown(ssl);
    shutdown(fd, SHUT_RDWR);
}

static void a_cut_is_not_an_end(void **state)
{
    for (int proper = 0; proper < 2; proper++) {
        struct tls_peer p = { .serve = say_and_vanish, .arg = proper ? &p : NULL };
        struct ph_tls_config cfg = trust();
        struct ph_stream *s;
        struct ph_err err = { 0 };
        char buf[64];

        assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
        assert_int_equal(read_some(s, buf, sizeof buf, &err), 12); /* what came before is not lost */
        for (int again = 0; again < 2; again++) {
            assert_int_equal(read_some(s, buf, sizeof buf, &err), proper ? 0 : -1);
            if (!proper) {
                assert_int_equal(err.kind, PH_E_CLOSED);
                assert_int_equal(err.retry, PH_RETRY_RECONNECT);
                assert_non_null(strstr(err.text, "cut"));
            }
        }
        tls_peer_join(&p);
        ph_stream_free(s);
    }
}

static void vanish(SSL *ssl, int fd, void *arg)
{
    shutdown(fd, SHUT_RDWR);
}

static void writing_into_the_void(void **state)
{
    struct tls_peer p = { .serve = vanish };
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err = { 0 };
    static char lot[300000];
    ssize_t rc = 0;

    assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
    tls_peer_join(&p);
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = ph_stream_write(s, lot, sizeof lot, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.kind, PH_E_CLOSED);
    ph_stream_free(s);
}

static void flip_a_bit(SSL *ssl, int fd, void *arg)
{
    /* an application-data record that no key made */
    static const unsigned char junk[] = { 23, 3, 3, 0, 40, [44] = 1 };

    if (write(fd, junk, sizeof junk) < 0)
        return;
    char c;
    SSL_read(ssl, &c, 1);
}

static void damaged_record(void **state)
{
    struct tls_peer p = { .serve = flip_a_bit };
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err = { 0 };
    char c;

    assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
    assert_int_equal(read_some(s, &c, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_TLS);
    assert_int_equal(err.retry, PH_RETRY_RECONNECT);
    ph_stream_free(s);
    tls_peer_join(&p);
}

/* ---- bulk, both ways at once, through sockets of 4 KB ---- */

#define BULK (4 << 20)

static unsigned char octet(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

static void *sender(void *arg)
{
    static unsigned char all[BULK];

    for (size_t i = 0; i < BULK; i++)
        all[i] = octet(i);
    SSL *ssl = arg;
    for (size_t at = 0, n; at < BULK; at += n)
        if (!SSL_write_ex(ssl, all + at, BULK - at > 50000 ? 50000 : BULK - at, &n))
            return NULL;
    return NULL;
}

/* The peer sends all its bytes, asks for new keys on the way, then reads ours and checks them. */
static void bulk_peer(SSL *ssl, int fd, void *arg)
{
    static char buf[16384];
    size_t at = 0, n;
    int *bad = arg;

    SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    sender(ssl);
    while (at < BULK && SSL_read_ex(ssl, buf, sizeof buf, &n))
        for (size_t i = 0; i < n; i++, at++)
            *bad += (unsigned char)buf[i] != octet(at + 7);
    if (at != BULK)
        *bad = -1;
    SSL_shutdown(ssl);
}

static void bulk(void **state)
{
    int bad = 0, small = 4096;
    struct tls_peer p = { .serve = bulk_peer, .arg = &bad };
    int fd = tls_peer_start(&p, &good);
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err = { 0 };
    unsigned char *mine = malloc(BULK);
    static unsigned char buf[70000];
    size_t sent = 0, got = 0;
    bool flushed = false;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (size_t i = 0; i < BULK; i++)
        mine[i] = octet(i + 7);
    assert_int_equal(ph_tls_client(ph_fd_stream_new(fd), &cfg, "mail.test", ph_deadline_in(20000), NULL, &s, NULL,
                                   &err),
                     0);
    while (got < BULK || !flushed) {
        short events = 0;
        ssize_t n = PH_AGAIN;
        if (got < BULK && (n = ph_stream_read(s, buf, sizeof buf, &err)) > 0) {
            for (ssize_t i = 0; i < n; i++)
                if (buf[i] != octet(got + (size_t)i))
                    fail_msg("octet %zu is wrong", got + (size_t)i);
            got += (size_t)n;
        } else if (got < BULK) {
            assert_int_equal(n, PH_AGAIN);
            events = s->ops->want_read(s);
        }
        bool moved = n > 0;
        n = sent < BULK ? ph_stream_write(s, mine + sent, BULK - sent, &err) : ph_stream_flush(s, &err);
        if (n == PH_AGAIN) {
            events = (short)(events | s->ops->want_write(s));
        } else {
            assert_true(n >= 0);
            flushed = sent == BULK;
            sent += sent < BULK ? (size_t)n : 0;
            moved = true;
        }
        if (!moved && !ph_stream_pending(s))
            assert_int_equal(ph_stream_wait(s, events, ph_deadline_in(20000), NULL, &err), 0);
    }
    assert_int_equal(read_some(s, buf, 1, &err), 0);
    ph_stream_free(s);
    tls_peer_join(&p);
    assert_int_equal(bad, 0);
    free(mine);
}

struct later {
    int go;
    size_t expected, got;
};

static void wait_for_go(SSL *ssl, int fd, void *arg)
{
    struct later *l = arg;
    char buf[16384];
    size_t n;

    if (read(l->go, buf, 1) != 1)
        return;
    while (l->got < l->expected && SSL_read_ex(ssl, buf, sizeof buf, &n))
        l->got += n;
    SSL_write(ssl, "ok", 2);
}

/* As with DEFLATE: what a flush could not send goes out while the caller only reads. */
static void an_unfinished_flush_goes_on_in_reads(void **state)
{
    int go[2];
    assert_int_equal(pipe(go), 0);
    struct later l = { .go = go[0] };
    struct tls_peer p = { .serve = wait_for_go, .arg = &l };
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err = { 0 };
    static char lot[65536];
    char buf[8];
    ssize_t n;

    assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
    while ((n = ph_stream_write(s, lot, sizeof lot, &err)) > 0)
        l.expected += (size_t)n;
    assert_int_equal(n, PH_AGAIN); /* the peer does not read: the socket is full, and so is the layer */
    assert_int_equal(ph_stream_flush(s, &err), PH_AGAIN);
    assert_int_equal(s->ops->want_read(s), POLLIN | POLLOUT);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(read_some(s, buf, sizeof buf, &err), 2); /* its answer to all of it */
    assert_int_equal(s->ops->want_read(s), POLLIN);
    ph_stream_free(s);
    tls_peer_join(&p);
    assert_int_equal(l.got, l.expected);
    close(go[0]);
    close(go[1]);
}

/* Many small records in one burst: what OpenSSL holds must show as pending, or a caller would sleep on it. */
static void burst(SSL *ssl, int fd, void *arg)
{
    int pipe_fd = *(int *)arg;
    char go;

    for (int i = 0; i < 100; i++)
        SSL_write(ssl, "0123456789", 10);
    if (write(pipe_fd, "x", 1) < 0)
        return;
    SSL_read(ssl, &go, 1);
}

static void pending_is_told(void **state)
{
    int fds[2], total = 0;
    struct tls_peer p = { .serve = burst, .arg = &fds[1] };
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err = { 0 };
    char c, buf[3];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
    assert_int_equal(read(fds[0], &c, 1), 1); /* all of it is in our socket */
    assert_int_equal(ph_stream_wait(s, POLLIN, ph_deadline_in(20000), NULL, &err), 0);
    do {
        ssize_t n = ph_stream_read(s, buf, sizeof buf, &err);
        if (n == PH_AGAIN)
            break;
        assert_true(n > 0);
        total += (int)n;
    } while (ph_stream_pending(s));
    assert_int_equal(total, 1000);
    assert_int_equal(ph_stream_wait(s, POLLIN, ph_now_ms(), NULL, &err), -1); /* and nothing is left below */
    ph_stream_free(s);
    tls_peer_join(&p);
    close(fds[0]);
    close(fds[1]);
}

static int take_any(int ok, X509_STORE_CTX *store)
{
    return 1;
}

static void say_who(SSL *ssl, int fd, void *arg)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    char name[64] = "nobody";

    if (cert)
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    X509_free(cert);
    SSL_write(ssl, name, (int)strlen(name));
}

static void client_certificate(void **state)
{
    struct identity me;
    struct ph_tls_config cfg = trust();
    struct ph_stream *s;
    struct ph_err err = { 0 };
    char path[128], buf[64];

    identity_init(&me, &ca, "tom", NULL, -60, 3600);
    snprintf(path, sizeof path, "%s/me.pem", ca.dir);
    identity_write(&me, path);
    cfg.cert_file = path;
    struct tls_peer p = { .serve = say_who, .ask_client = take_any };
    assert_int_equal(client(&p, &good, &cfg, "mail.test", &s, &err), 0);
    assert_int_equal(read_some(s, buf, sizeof buf, &err), 3);
    assert_memory_equal(buf, "tom", 3);
    ph_stream_free(s);
    tls_peer_join(&p);
    unlink(path);
    struct tls_peer q = { 0 };
    assert_int_equal(client(&q, &good, &cfg, "mail.test", &s, &err), -1);
    assert_non_null(strstr(err.text, "me.pem"));
    tls_peer_join(&q);
    identity_done(&me);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks),
        cmocka_unit_test(binding_is_the_peers),
        cmocka_unit_test(names_that_fit),
        cmocka_unit_test(refusals),
        cmocka_unit_test(pins),
        cmocka_unit_test(plain_text_peer),
        cmocka_unit_test(closes_in_handshake),
        cmocka_unit_test(stalls_in_handshake),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(a_cut_is_not_an_end),
        cmocka_unit_test(writing_into_the_void),
        cmocka_unit_test(damaged_record),
        cmocka_unit_test(bulk),
        cmocka_unit_test(an_unfinished_flush_goes_on_in_reads),
        cmocka_unit_test(pending_is_told),
        cmocka_unit_test(client_certificate),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
