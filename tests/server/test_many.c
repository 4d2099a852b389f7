/* Many clients that are stuck, each in its own way, while one works; and stopping in good order. */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static int many = 2000; /* fewer under a sanitizer, where each costs much */

/* How a client gets stuck. */
struct stuck {
    const char *name;
    void (*begin)(struct client *c, struct pair *p, int i);
    int share; /* of so many: one in … */
};

static void open_port(struct client *c, struct pair *p, uint16_t port)
{
    uint16_t usual = p->port;

    p->port = port;
    client_open_quiet(c, p);
    p->port = usual;
}

static void no_handshake(struct client *c, struct pair *p, int i)
{
    open_port(c, p, p->tls_port);
}

static void half_handshake(struct client *c, struct pair *p, int i)
{
    open_port(c, p, p->tls_port);
    client_send_n(c, "\x16\x03\x01\x02\x00\x01\x00\x01", 8); /* the beginning of a ClientHello of 512 octets */
}

static void silent(struct client *c, struct pair *p, int i)
{
    client_open_quiet(c, p);
}

static void half_command(struct client *c, struct pair *p, int i)
{
    client_open(c, p);
    client_send(c, "a LOGIN joe sec");
}

static void half_literal(struct client *c, struct pair *p, int i)
{
    client_open(c, p);
    client_send(c, "a LOGIN {100}\r\n");
    client_expect(c, "+ OK");
    client_send(c, "half of it");
}

static void half_exchange(struct client *c, struct pair *p, int i)
{
    client_open(c, p);
    client_ask(c, "a AUTHENTICATE PLAIN", "+ ");
    client_send(c, "AGpv");
}

static void failed_login(struct client *c, struct pair *p, int i)
{
    client_open(c, p);
    client_send(c, "a LOGIN joe wrong\r\n");
}

static void idling(struct client *c, struct pair *p, int i)
{
    client_open_as(c, p, "many");
    client_select(c, "INBOX");
    client_ask(c, "i IDLE", "+ *");
}

static void not_reading(struct client *c, struct pair *p, int i)
{
    struct ph_err err;
    struct ph_buf b = PH_BUF_INIT;
    int small = 2048;

    client_open_as(c, p, "many");
    setsockopt(c->stream->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int n = 0; n < 20000; n++)
        ph_buf_add_z(&b, "a CAPABILITY\r\n");
    for (int n = 0; n < 10 && ph_stream_write(c->stream, ph_buf_data(&b), ph_buf_len(&b), &err) > 0; n++)
        ;
    ph_buf_done(&b);
}

static void half_append(struct client *c, struct pair *p, int i)
{
    client_open_as(c, p, "many");
    client_ask(c, "a APPEND INBOX {100000}", "*");
    if (c->line[0] == '+')
        client_send(c, "Subject: half\r\n");
}

static void work(struct pair *p, const char *beside)
{
    struct client c;
    int64_t before = ph_now_ms();

    client_open_as(&c, p, "joe");
    client_select(&c, "INBOX");
    client_ask(&c, "a NOOP", "a OK *");
    client_ask(&c, "b UID STORE 1 +FLAGS (\\Seen)", "*");
    client_until(&c, "b OK *");
    client_ask(&c, "c LOGOUT", "* BYE *");
    client_expect(&c, "c OK *");
    client_close(&c);
    int64_t took = ph_now_ms() - before;
    if (took > 1000 && !getenv("PH_SANITIZER"))
        fail_msg("beside %s a short session took %lld ms", beside, (long long)took);
}

static const struct stuck ways[] = {
    { "silent clients", silent, 1 },
    { "clients without a handshake", no_handshake, 1 },
    { "clients in half a handshake", half_handshake, 1 },
    { "half commands", half_command, 1 },
    { "half literals", half_literal, 1 },
    { "half exchanges", half_exchange, 1 },
    { "failed logins", failed_login, 1 },
    { "idling clients", idling, 1 },
    { "clients that do not read", not_reading, 10 }, /* the kernel's buffers are what that costs */
    { "half appends", half_append, 1 },
};

static void stuck_clients(void **state)
{
    struct client *c = calloc((size_t)many, sizeof *c);

    assert_non_null(c);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct pair p;
        struct ph_server_counters count;
        int n = many / ways[w].share;
        pair_init(&p);
        pair_with_tls(&p);
        p.config.limits.workers = 4;
        p.config.limits.drain_seconds = 1;
        pair_deliver(&p, "joe", "INBOX", "one");
        pair_start(&p);
        for (int i = 0; i < n; i++)
            ways[w].begin(&c[i], &p, i);
        for (int i = 0; i < 3; i++)
            work(&p, ways[w].name);
        ph_server_count(p.server, &count);
        assert_true(count.workers <= 4);
        if (w != 6) /* those are not for long */
            assert_true(count.open >= (uint64_t)n);
        for (int i = 0; i < n; i++)
            client_close(&c[i]);
        pair_stop(&p);
    }
    free(c);
}

/* One notification for many. */
static void all_are_told(void **state)
{
    int n = many / 4;
    struct client *c = calloc((size_t)n, sizeof *c);
    struct pair p;

    assert_non_null(c);
    pair_init(&p);
    pair_start(&p);
    for (int i = 0; i < n; i++)
        idling(&c[i], &p, i);
    pair_deliver(&p, "many", "INBOX", "one");
    for (int i = 0; i < n; i++)
        client_until(&c[i], "* 1 EXISTS");
    for (int i = 0; i < n; i++)
        client_close(&c[i]);
    pair_stop(&p);
    free(c);
}

/* ---- stopping ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, open;
};

static int run_slow(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                    struct ph_err *err)
{
    struct gate *g = ctx;

    pthread_mutex_lock(&g->lock);
    g->inside = true;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    *text = "At last";
    return 0;
}

static void *stop(void *arg)
{
    ph_server_stop(arg);
    return NULL;
}

static void stops_in_good_order(void **state)
{
    struct gate g = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false };
    struct ph_server_command slow = { .name = "XSLOW", .states = 1u << PH_ST_AUTHENTICATED, .run = run_slow, .ctx = &g };
    struct pair p;
    struct client working, idle, half, fresh;
    struct ph_err err;
    pthread_t t;

    pair_init(&p);
    assert_int_equal(ph_server_new(&p.config, &p.server, &err), 0);
    assert_int_equal(ph_server_add_command(p.server, &slow, &err), 0);
    pair_start(&p);
    client_open_as(&working, &p, "joe");
    client_open_as(&idle, &p, "joe");
    client_open_as(&half, &p, "joe");
    client_open(&fresh, &p);
    client_ask(&idle, "i IDLE", "+ *");
    client_send(&half, "h CREATE {10}\r\n");
    client_expect(&half, "+ *");
    client_send(&working, "s XSLOW\r\nt NOOP\r\n"); /* both have come when the end is announced */
    pthread_mutex_lock(&g.lock);
    while (!g.inside)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    pthread_create(&t, NULL, stop, p.server);
    client_expect(&idle, "* BYE [UNAVAILABLE] *");
    client_expect_end(&idle);
    client_expect(&half, "* BYE *");
    client_expect_end(&half);
    client_expect(&fresh, "* BYE *");
    client_expect_end(&fresh);
    assert_false(client_hears(&working, 50));
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.lock);
    client_expect(&working, "s OK At last");
    client_expect(&working, "t OK *");
    client_expect(&working, "* BYE *");
    client_expect_end(&working);
    pthread_join(t, NULL);
    struct ph_stream *none;
    assert_int_equal(ph_tcp_connect("127.0.0.1", p.port, ph_deadline_in(5000), NULL, &none, &err), -1);
    client_close(&working);
    client_close(&idle);
    client_close(&half);
    client_close(&fresh);
    pair_stop(&p);
}

/* Commands that take long do not hold up others while there may be more threads; and there are no more than that. */
static void workers_grow(void **state)
{
    enum { SLOW = 8 };
    struct gate g = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false };
    struct ph_server_command slow = { .name = "XSLOW", .states = 1u << PH_ST_AUTHENTICATED, .run = run_slow, .ctx = &g };
    struct pair p;
    struct client c[SLOW], other;
    struct ph_server_counters count;
    struct ph_err err;

    pair_init(&p);
    p.config.limits.workers = SLOW + 1;
    assert_int_equal(ph_server_new(&p.config, &p.server, &err), 0);
    assert_int_equal(ph_server_add_command(p.server, &slow, &err), 0);
    pair_start(&p);
    ph_server_count(p.server, &count);
    assert_int_equal(count.workers, 2);
    for (int i = 0; i < SLOW; i++) {
        client_open_as(&c[i], &p, "joe");
        client_send(&c[i], "s XSLOW\r\n");
    }
    client_open_as(&other, &p, "sue");
    for (int i = 0; i < 100; i++)
        client_ask(&other, "a NOOP", "a OK *");
    ph_server_count(p.server, &count);
    assert_int_equal(count.workers, SLOW + 1);
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.lock);
    for (int i = 0; i < SLOW; i++) {
        client_expect(&c[i], "s OK At last");
        client_close(&c[i]);
    }
    client_close(&other);
    pair_stop(&p);
}

/* Who does not read does not hold up the end for longer than it may. */
static void stops_in_time(void **state)
{
    struct pair p;
    struct client c;
    int64_t before;

    pair_init(&p);
    p.config.limits.drain_seconds = 1;
    pair_start(&p);
    not_reading(&c, &p, 0);
    before = ph_now_ms();
    ph_server_stop(p.server);
    assert_true(ph_now_ms() - before < 8000);
    client_close(&c);
    pair_stop(&p);
}

/* A long series of commands of one client leaves room for others, on one thread. */
static void takes_turns(void **state)
{
    struct pair p;
    struct client busy, c;
    struct ph_buf b = PH_BUF_INIT;

    pair_init(&p);
    p.config.limits.workers = 1;
    pair_start(&p);
    client_open_as(&busy, &p, "joe");
    client_open_as(&c, &p, "sue");
    for (int i = 0; i < 2000; i++)
        ph_buf_add_z(&b, "a NOOP\r\n");
    for (int round = 0; round < 20; round++) {
        client_send_n(&busy, ph_buf_data(&b), ph_buf_len(&b));
        client_ask(&c, "b NOOP", "b OK *");
        for (int i = 0; i < 2000; i++)
            client_expect(&busy, "a OK *");
    }
    ph_buf_done(&b);
    client_close(&busy);
    client_close(&c);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stuck_clients),
        cmocka_unit_test(all_are_told),
        cmocka_unit_test(workers_grow),
        cmocka_unit_test(stops_in_good_order),
        cmocka_unit_test(stops_in_time),
        cmocka_unit_test(takes_turns),
    };
    struct rlimit files;

    if (getenv("PH_SANITIZER"))
        many = 200;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
