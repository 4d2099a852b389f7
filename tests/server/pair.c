#include "pair.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../io/tls_peer.h"

#define WAIT_MS 20000

struct pair_tls {
    struct authority ca;
    struct identity host, client;
};

/* ---- the application ---- */

static bool exists(const char *user)
{
    return strncmp(user, "no", 2) != 0;
}

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return exists(user) && n == 6 && memcmp(password, "secret", 6) == 0 ? 0 : -1;
}

static int verifier(void *ctx, const char *user, struct ph_server_verifier *v)
{
    if (!exists(user))
        return -1;
    v->password = "secret";
    return 0;
}

static size_t find_user(struct pair *p, const char *user)
{
    size_t i = 0;

    while (i < p->n_users && strcmp(p->user[i].name, user) != 0)
        i++;
    if (i < p->n_users)
        return i;
    struct ph_err err = { 0 };
    if (i == PAIR_USERS || strlen(user) >= sizeof p->user[i].name ||
        ph_memory_store_new(user, &p->options, &p->user[i].store, &err))
        fail_msg("cannot make a store for %s: %s", user, err.text);
    snprintf(p->user[i].name, sizeof p->user[i].name, "%s", user);
    p->n_users++;
    return i;
}

struct ph_store *pair_store(struct pair *p, const char *user)
{
    pthread_mutex_lock(&p->lock);
    struct ph_store *st = p->user[find_user(p, user)].store;
    pthread_mutex_unlock(&p->lock);
    return st;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    struct pair *p = ctx;

    pthread_mutex_lock(&p->lock);
    size_t i = find_user(p, user);
    assert_int_equal(p->user[i].opened, p->user[i].closed); /* never opened twice */
    p->user[i].opened++;
    *out = p->user[i].store;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static void close_store(void *ctx, const char *user, struct ph_store *store)
{
    struct pair *p = ctx;

    pthread_mutex_lock(&p->lock);
    p->user[find_user(p, user)].closed++;
    pthread_mutex_unlock(&p->lock);
}

static void log_line(void *ctx, int level, struct ph_server_conn *c, const char *line)
{
    struct pair *p = ctx;

    pthread_mutex_lock(&p->lock);
    ph_buf_add_z(&p->log, line);
    ph_buf_add_z(&p->log, "\n");
    pthread_mutex_unlock(&p->lock);
}

void pair_expect_log(struct pair *p, const char *text)
{
    for (int64_t until = ph_deadline_in(3 * WAIT_MS); ph_now_ms() < until;) {
        pthread_mutex_lock(&p->lock);
        bool found = strstr(ph_buf_z(&p->log), text);
        pthread_mutex_unlock(&p->lock);
        if (found)
            return;
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
    fail_msg("not in the log: %s\n%s", text, ph_buf_z(&p->log));
}

/* ---- the server ---- */

void pair_init(struct pair *p)
{
    *p = (struct pair){ .config = { .host = "mail.test", .cleartext_login = true, .ctx = p } };
    p->config.calls = (struct ph_server_callbacks){
        .check_password = check_password,
        .verifier = verifier,
        .open_store = open_store,
        .close_store = close_store,
        .log = log_line,
    };
    pthread_mutex_init(&p->lock, NULL);
}

void pair_with_tls(struct pair *p)
{
    struct pair_tls *t = calloc(1, sizeof *t);

    assert_non_null(t);
    authority_init(&t->ca);
    identity_init(&t->host, &t->ca, "mail.test", "DNS:mail.test", -3600, 3600);
    identity_init(&t->client, &t->ca, "ann", NULL, -3600, 3600);
    snprintf(p->cert_file, sizeof p->cert_file, "%s/h.pem", t->ca.dir);
    snprintf(p->client_file, sizeof p->client_file, "%s/c.pem", t->ca.dir);
    snprintf(p->ca_file, sizeof p->ca_file, "%s", t->ca.ca_file);
    identity_write(&t->host, p->cert_file);
    identity_write(&t->client, p->client_file);
    p->tls = t;
}

void pair_start(struct pair *p)
{
    struct ph_err err = { 0 };

    if (p->verifiers)
        p->config.calls.check_password = NULL;
    if (!p->server && ph_server_new(&p->config, &p->server, &err))
        fail_msg("%s", err.text);
    if (p->tls && (ph_server_set_tls(p->server, p->cert_file, NULL, p->ca_file, &err) ||
                   ph_server_listen_tcp(p->server, "127.0.0.1", 0, PH_LISTEN_TLS, &p->tls_port, &err)))
        fail_msg("%s", err.text);
    if (ph_server_listen_tcp(p->server, "127.0.0.1", 0, 0, &p->port, &err) || ph_server_start(p->server, &err))
        fail_msg("%s", err.text);
}

void pair_stop(struct pair *p)
{
    ph_server_free(p->server);
    for (size_t i = 0; i < p->n_users; i++) {
        assert_int_equal(p->user[i].opened, p->user[i].closed);
        ph_store_free(p->user[i].store);
    }
    if (p->tls) {
        struct pair_tls *t = p->tls;
        unlink(p->cert_file);
        unlink(p->client_file);
        identity_done(&t->host);
        identity_done(&t->client);
        authority_done(&t->ca);
        free(t);
    }
    ph_buf_done(&p->log);
    pthread_mutex_destroy(&p->lock);
}

uint32_t pair_deliver(struct pair *p, const char *user, const char *folder, const char *subject)
{
    struct ph_buf text = PH_BUF_INIT;

    ph_buf_add_z(&text, "From: Ann <ann@example.org>\r\nDate: Mon, 7 Feb 2022 21:52:25 -0800\r\nSubject: ");
    ph_buf_add_z(&text, subject);
    ph_buf_add_z(&text, "\r\n\r\nHello.\r\n");
    struct ph_memory_message m = { .p = ph_buf_data(&text), .n = ph_buf_len(&text), .epoch = 1700000000 };
    uint32_t uid = ph_memory_deliver(pair_store(p, user), folder, &m);
    ph_buf_done(&text);
    assert_int_not_equal(uid, 0);
    return uid;
}

/* ---- clients ---- */

void client_open_quiet(struct client *c, struct pair *p)
{
    struct ph_err err = { 0 };

    *c = (struct client){ 0 };
    if (ph_tcp_connect("127.0.0.1", p->port, ph_deadline_in(WAIT_MS), NULL, &c->stream, &err))
        fail_msg("%s", err.text);
}

void client_open(struct client *c, struct pair *p)
{
    client_open_quiet(c, p);
    client_expect(c, "* OK [CAPABILITY IMAP4*] mail.test ready");
}

void client_tls(struct client *c, struct pair *p, bool with_certificate)
{
    struct ph_tls_config cfg = { .ca_file = p->ca_file, .cert_file = with_certificate ? p->client_file : NULL };
    struct ph_err err = { 0 };

    assert_int_equal(ph_buf_len(&c->in), 0);
    if (ph_tls_client(c->stream, &cfg, "mail.test", ph_deadline_in(WAIT_MS), NULL, &c->stream, NULL, &err))
        fail_msg("%s", err.text);
}

void client_open_tls(struct client *c, struct pair *p)
{
    struct ph_err err = { 0 };

    *c = (struct client){ 0 };
    if (ph_tcp_connect("127.0.0.1", p->tls_port, ph_deadline_in(WAIT_MS), NULL, &c->stream, &err))
        fail_msg("%s", err.text);
    client_tls(c, p, false);
    client_expect(c, "* OK [CAPABILITY IMAP4*] mail.test ready");
}

void client_deflate(struct client *c)
{
    struct ph_stream *d = ph_deflate_stream_new(c->stream);

    assert_non_null(d);
    assert_int_equal(ph_buf_len(&c->in), 0);
    c->stream = d;
}

void client_close(struct client *c)
{
    ph_stream_free(c->stream);
    c->stream = NULL;
    ph_buf_done(&c->in);
}

void client_send_n(struct client *c, const void *p, size_t n)
{
    struct ph_err err = { 0 };
    int64_t until = ph_deadline_in(WAIT_MS);
    int rc;

    for (size_t done = 0; done < n;) {
        ssize_t put = ph_stream_write(c->stream, (const char *)p + done, n - done, &err);
        if (put == PH_AGAIN)
            put = ph_stream_wait(c->stream, c->stream->ops->want_write(c->stream), until, NULL, &err);
        if (put < 0)
            fail_msg("sending: %s", err.text);
        done += (size_t)put;
    }
    while ((rc = ph_stream_flush(c->stream, &err)) == PH_AGAIN)
        if (ph_stream_wait(c->stream, c->stream->ops->want_write(c->stream), until, NULL, &err))
            break;
    if (rc)
        fail_msg("flushing: %s", err.text);
}

void client_send(struct client *c, const char *text)
{
    client_send_n(c, text, strlen(text));
}

/* Reads some more; false at the end. */
static bool more(struct client *c, const char *waiting_for)
{
    struct ph_err err = { 0 };
    int64_t until = ph_deadline_in(WAIT_MS);
    ssize_t n;

    char *to = ph_buf_reserve(&c->in, 16384);
    assert_non_null(to);
    while ((n = ph_stream_read(c->stream, to, 16384, &err)) == PH_AGAIN)
        if (ph_stream_wait(c->stream, c->stream->ops->want_read(c->stream), until, NULL, &err))
            fail_msg("waiting for: %s: %s; the last line was: %s", waiting_for, err.text, c->line);
    if (n <= 0)
        return false;
    ph_buf_commit(&c->in, (size_t)n);
    return true;
}

static bool next_line(struct client *c, const char *waiting_for)
{
    for (;;) {
        size_t n = ph_buf_len(&c->in);
        const char *p = ph_buf_data(&c->in), *lf = n ? memchr(p, '\n', n) : NULL;
        if (lf) {
            size_t len = (size_t)(lf - p);
            assert_true(len > 0 && p[len - 1] == '\r');
            size_t keep = len - 1 < sizeof c->line - 1 ? len - 1 : sizeof c->line - 1;
            memcpy(c->line, p, keep);
            c->line[keep] = '\0';
            ph_buf_consume(&c->in, len + 1);
            return true;
        }
        if (!more(c, waiting_for))
            return false;
    }
}

bool pair_matches(const char *pattern, const char *text)
{
    for (; *pattern; pattern++, text++) {
        if (*pattern == '*') {
            do
                if (pair_matches(pattern + 1, text))
                    return true;
            while (*text++);
            return false;
        }
        if (*pattern != *text)
            return false;
    }
    return *text == '\0';
}

void client_expect(struct client *c, const char *pattern)
{
    if (!next_line(c, pattern))
        fail_msg("the connection ended before: %s; the last line was: %s", pattern, c->line);
    if (!pair_matches(pattern, c->line))
        fail_msg("expected: %s\n     got: %s", pattern, c->line);
}

unsigned client_until(struct client *c, const char *pattern)
{
    for (unsigned n = 0;; n++) {
        if (!next_line(c, pattern))
            fail_msg("the connection ended before: %s; the last line was: %s", pattern, c->line);
        if (pair_matches(pattern, c->line))
            return n;
    }
}

void client_expect_octets(struct client *c, const void *p, size_t n)
{
    while (ph_buf_len(&c->in) < n)
        if (!more(c, "octets"))
            fail_msg("the connection ended in a literal");
    assert_memory_equal(ph_buf_data(&c->in), p, n);
    ph_buf_consume(&c->in, n);
}

void client_expect_end(struct client *c)
{
    if (next_line(c, "the end"))
        fail_msg("expected the end, got: %s", c->line);
    assert_int_equal(ph_buf_len(&c->in), 0);
}

bool client_hears(struct client *c, int ms)
{
    struct ph_err err;

    if (ph_buf_len(&c->in) || ph_stream_pending(c->stream))
        return true;
    return ph_stream_wait(c->stream, POLLIN, ph_deadline_in(ms), NULL, &err) == 0;
}

void client_ask(struct client *c, const char *command, const char *pattern)
{
    struct ph_buf line = PH_BUF_INIT;

    ph_buf_add_z(&line, command);
    ph_buf_add_z(&line, "\r\n");
    client_send_n(c, ph_buf_data(&line), ph_buf_len(&line));
    ph_buf_done(&line);
    client_expect(c, pattern);
}

void client_login(struct client *c, const char *user)
{
    char line[128];

    snprintf(line, sizeof line, "login LOGIN \"%s\" secret", user);
    client_ask(c, line, "login OK [CAPABILITY IMAP4*] Logged in");
}

void client_open_as(struct client *c, struct pair *p, const char *user)
{
    client_open(c, p);
    client_login(c, user);
}

void client_select(struct client *c, const char *mailbox)
{
    char line[256];

    snprintf(line, sizeof line, "select SELECT \"%s\"\r\n", mailbox);
    client_send(c, line);
    client_until(c, "select OK [READ-WRITE] *");
}
