#include "test.h"

#include "daemon/lmtp.h"
#include "daemon/lmtp_server.h"

/* What the machine asked for, and what it was told. */
struct world {
    struct ph_buf log, message;
    unsigned begun, ended;
    bool disk_full;
};

static int on_recipient(void *ctx, const char *local, const char *domain, struct ph_arena *arena, const char **user, struct ph_err *err)
{
    *user = ph_arena_strdup(arena, ph_str(local));
    if (strcmp(local, "nobody") == 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "no");
    if (strcmp(local, "later") == 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_LOCKED, "busy");
    return *user ? 0 : ph_fail_memory(err);
}

static int on_begin(void *ctx, const char *from, const char *client, struct ph_err *err)
{
    struct world *w = ctx;

    w->begun++;
    ph_buf_add_z(&w->log, "from ");
    ph_buf_add_z(&w->log, from);
    ph_buf_add_z(&w->log, "\n");
    return 0;
}

static int on_octets(void *ctx, const char *p, size_t n, struct ph_err *err)
{
    struct world *w = ctx;

    return w->disk_full ? ph_fail(err, PH_SCOPE_MESSAGE, PH_E_SYSTEM, "no space") : ph_buf_add(&w->message, p, n);
}

static int on_deliver(void *ctx, const char *user, const char *address, struct ph_err *err)
{
    struct world *w = ctx;

    if (strcmp(user, "full") == 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_QUOTA, "over quota");
    ph_buf_add_z(&w->log, "to ");
    ph_buf_add_z(&w->log, user);
    ph_buf_add_z(&w->log, "\n");
    return 0;
}

static void on_end(void *ctx)
{
    ((struct world *)ctx)->ended++;
}

static const struct ph_lmtp_calls calls = { on_recipient, on_begin, on_octets, on_deliver, on_end };

/* All answers to what a client sends in pieces of `cut` octets (0: at once), without the greeting. */
static char *talk(struct world *w, uint64_t max, const char *said, size_t n, size_t cut)
{
    static char answers[1 << 18];
    struct ph_lmtp l;
    size_t at = 0, out = 0;
    enum ph_lmtp_next next = PH_LMTP_MORE;

    memset(w, 0, sizeof *w);
    ph_lmtp_init(&l, "mx.example.org", max, &calls, w);
    assert_string_equal(ph_buf_z(&l.out), "220 mx.example.org LMTP ready\r\n");
    ph_buf_clear(&l.out);
    while (next != PH_LMTP_CLOSE && (next == PH_LMTP_SEND || at < n)) {
        if (next == PH_LMTP_MORE) {
            size_t piece = cut && cut < n - at ? cut : n - at;
            ph_buf_add(&l.in, said + at, piece);
            at += piece;
        }
        next = ph_lmtp_run(&l);
        size_t k = ph_buf_len(&l.out);
        assert_true(out + k < sizeof answers);
        if (k)
            memcpy(answers + out, ph_buf_data(&l.out), k);
        out += k;
        ph_buf_clear(&l.out);
    }
    answers[out] = '\0';
    ph_lmtp_done(&l);
    return answers;
}

static void world_done(struct world *w)
{
    ph_buf_done(&w->log);
    ph_buf_done(&w->message);
}

#define LHLO_ANSWER "250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE\r\n"

/* The conversation of RFC 2033 section 4.2, pipelined, in every cut. */
static void test_the_example(void **state)
{
    static const char said[] = "LHLO foo.edu\r\nMAIL FROM:<chris@bar.com>\r\nRCPT TO:<pat@foo.edu>\r\nRCPT TO:<nobody@foo.edu>\r\n"
                               "RCPT TO:<full@foo.edu>\r\nDATA\r\nBlah blah blah...\r\n...etc. etc. etc.\r\n.\r\nQUIT\r\n";
    static const char wanted[] = LHLO_ANSWER "250 2.1.0 OK\r\n250 2.1.5 <pat@foo.edu> OK\r\n"
                                             "550 5.1.1 <nobody@foo.edu> There is no such mailbox here\r\n250 2.1.5 <full@foo.edu> OK\r\n"
                                             "354 End with a dot on a line of its own\r\n250 2.0.0 <pat@foo.edu> Delivered\r\n"
                                             "452 4.2.2 <full@foo.edu> The mailbox is full\r\n221 2.0.0 Bye\r\n";

    for (size_t cut = 0; cut < sizeof said; cut++) {
        struct world w;
        assert_string_equal(talk(&w, 0, said, sizeof said - 1, cut), wanted);
        assert_string_equal(ph_buf_z(&w.log), "from chris@bar.com\nto pat\n");
        assert_string_equal(ph_buf_z(&w.message), "Blah blah blah...\r\n..etc. etc. etc.\r\n"); /* one dot less */
        assert_int_equal(w.begun, 1);
        assert_int_equal(w.ended, 1);
        world_done(&w);
    }
}

#define BEGIN "LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n"

/* RFC 5321 4.5.2, and what must not end a message. */
static void test_dots(void **state)
{
    static const struct {
        const char *sent, *message;
    } cases[] = {
        { ".\r\n", "" },
        { "\r\n.\r\n", "\r\n" },
        { "..\r\n.\r\n", ".\r\n" },
        { "...\r\n.\r\n", "..\r\n" },
        { ".x\r\n.\r\n", "x\r\n" },
        { "a.\r\n.\r\n", "a.\r\n" },
        { "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n" },            /* bare LF */
        { "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n" },        /* LF . CR LF */
        { "a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n" },        /* CR . CR LF */
        { "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n" },         /* CR LF . LF */
        { "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n" },         /* CR LF . CR, then text */
        { "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n" },
        { "a\r\r\n.\r\n", "a\r\r\n" },
        { "a\r\n\r\n..\r\n.\r\n", "a\r\n\r\n.\r\n" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 0; cut < 60; cut++) {
            struct world w;
            char said[300];
            snprintf(said, sizeof said, "%s%sQUIT\r\n", BEGIN, cases[i].sent);
            char *got = talk(&w, 0, said, strlen(said), cut);
            assert_contains(got, "250 2.0.0 <a@b> Delivered\r\n221 ");
            assert_string_equal(ph_buf_z(&w.message), cases[i].message);
            world_done(&w);
        }
}

static void test_order_and_errors(void **state)
{
    static const struct {
        const char *said, *last; /* answer to the last command */
    } cases[] = {
        { "HELO c\r\n", "500 5.5.1" }, /* RFC 2033 4.1 */
        { "EHLO c\r\n", "500 5.5.1" },
        { "LHLO\r\n", "501 5.5.4" },
        { "MAIL FROM:<a@b>\r\n", "503 5.5.1" },
        { "LHLO c\r\nRCPT TO:<a@b>\r\n", "503 5.5.1" },
        { "LHLO c\r\nDATA\r\n", "503 5.5.1" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nDATA\r\n", "503 5.5.1" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nobody@b>\r\nDATA\r\n", "503 5.5.1" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "503 5.5.1" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\n", "250 2.1.0" },
        { "LHLO c\r\nMAIL FROM:<a@b> SIZE=100 BODY=8BITMIME\r\n", "250 2.1.0" },
        { "LHLO c\r\nMAIL FROM:<a@b> size=100\r\n", "250 2.1.0" },
        { "LHLO c\r\nMAIL FROM:<a@b> SIZE=1001\r\n", "552 5.3.4" },
        { "LHLO c\r\nMAIL FROM:<a@b> SIZE=x\r\n", "501 5.5.4" },
        { "LHLO c\r\nMAIL FROM:<a@b> SMTPUTF8\r\n", "555 5.5.4" },
        { "LHLO c\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4" },
        { "LHLO c\r\nMAIL FROM:a@b\r\n", "501 5.1.7" },
        { "LHLO c\r\nMAIL TO:<a@b>\r\n", "501 5.5.4" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<>\r\n", "501 5.1.3" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b> NOTIFY=NEVER\r\n", "555 5.5.4" },
        { "LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<later@b>\r\n", "450 4.2.0" },
        { "LHLO c\r\nmail from: <a@b>\r\nrcpt to: <Postmaster>\r\n", "250 2.1.5 <Postmaster>" },
        { "NOOP anything\r\n", "250 2.0.0" },
        { "VRFY a\r\n", "252 2.5.2" },
        { "BDAT 5\r\n", "500 5.5.2" },
        { "STARTTLS\r\n", "500 5.5.2" },
        { "\r\n", "500 5.5.2" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        char *got = talk(&w, 1000, cases[i].said, strlen(cases[i].said), 0);
        got[strlen(got) - 2] = '\0';
        char *line = strrchr(got, '\n');
        assert_int_equal(strncmp(line ? line + 1 : got, cases[i].last, strlen(cases[i].last)), 0);
        world_done(&w);
    }
}

static void test_limits(void **state)
{
    struct world w;
    struct ph_buf said = PH_BUF_INIT;

    /* A line: the machine goes on after it, and does not keep it. */
    for (int i = 0; i < 3 * PH_LMTP_LINE; i++)
        ph_buf_add_char(&said, 'x');
    ph_buf_add_z(&said, "\r\nNOOP\r\n");
    for (size_t cut = 0; cut < 2; cut++) {
        assert_string_equal(talk(&w, 0, ph_buf_z(&said), ph_buf_len(&said), cut * 1000), "500 5.5.6 The line is too long\r\n250 2.0.0 OK\r\n");
        world_done(&w);
    }

    /* Recipients. */
    ph_buf_clear(&said);
    ph_buf_add_z(&said, "LHLO c\r\nMAIL FROM:<a@b>\r\n");
    for (int i = 0; i < PH_LMTP_RECIPIENTS + 1; i++)
        ph_buf_add_z(&said, "RCPT TO:<a@b>\r\n");
    ph_buf_add_z(&said, "DATA\r\nx\r\n.\r\n");
    char *got = talk(&w, 0, ph_buf_z(&said), ph_buf_len(&said), 0);
    assert_contains(got, "\r\n452 4.5.3 Too many recipients");
    unsigned delivered = 0;
    for (const char *p = got; (p = strstr(p, "250 2.0.0 <a@b> Delivered\r\n")); p++)
        delivered++;
    assert_int_equal(delivered, PH_LMTP_RECIPIENTS); /* RFC 2033 4.2: one for each, the same address or not */
    world_done(&w);

    /* The message: its rest is not taken for commands. */
    ph_buf_clear(&said);
    ph_buf_add_z(&said, BEGIN "0123456789\r\nRCPT TO:<c@d>\r\n.\r\nNOOP\r\n");
    got = talk(&w, 20, ph_buf_z(&said), ph_buf_len(&said), 0);
    assert_contains(got, "354 End with a dot on a line of its own\r\n552 5.3.4 <a@b> The message is too big\r\n250 2.0.0 OK\r\n");
    assert_string_equal(ph_buf_z(&w.log), "from \n");
    assert_int_equal(w.ended, 1);
    world_done(&w);

    /* Wrong commands. */
    ph_buf_clear(&said);
    for (int i = 0; i < PH_LMTP_ERRORS + 5; i++)
        ph_buf_add_z(&said, "X\r\n");
    got = talk(&w, 0, ph_buf_z(&said), ph_buf_len(&said), 0);
    assert_contains(got, "421 4.7.0 Too many errors\r\n");
    assert_null(strstr(strstr(got, "421 "), "500 "));
    world_done(&w);

    ph_buf_done(&said);
}

static int paths(const char *text, const char *wanted)
{
    struct ph_arena arena;
    struct ph_str s = ph_str(text);
    const char *local, *domain, *address;
    char got[600];

    ph_arena_init(&arena, 0);
    int rc = ph_lmtp_path(&s, &arena, &local, &domain, &address);
    if (rc == 0) {
        snprintf(got, sizeof got, "%s|%s|%s|%.*s", local, domain, address, (int)s.n, s.p);
        assert_string_equal(got, wanted);
    }
    ph_arena_done(&arena);
    return rc;
}

/* RFC 5321 4.1.2 */
static void test_paths(void **state)
{
    assert_int_equal(paths("<a@b> X", "a|b|a@b| X"), 0);
    assert_int_equal(paths("<>", "|||"), 0);
    assert_int_equal(paths("<postmaster>", "postmaster||postmaster|"), 0);
    assert_int_equal(paths("<@x.org,@y.org:a@b>", "a|b|a@b|"), 0);
    assert_int_equal(paths("<\"a b\\\"c@d\"@e.org>", "a b\"c@d|e.org|\"a b\\\"c@d\"@e.org|"), 0);
    assert_int_equal(paths("<a.b+c-d@[192.0.2.1]>", "a.b+c-d|[192.0.2.1]|a.b+c-d@[192.0.2.1]|"), 0);
    assert_int_equal(paths("<a@[IPv6:2001:db8::1]>", "a|[IPv6:2001:db8::1]|a@[IPv6:2001:db8::1]|"), 0);
    static const char *const wrong[] = { "a@b", "<a@b", "<a b@c>", "<a@>", "<@b>", "<a@b@c>", "<\"a@b>", "<\"a\r\"@b>", "<\"a\\", "<",
                                         "<\xc3\xa4@b>", "<a@[1.2.3.4>", "<a\n@b>", "" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(paths(wrong[i], ""), -1);
    char big[2000] = "<";
    memset(big + 1, 'a', 1500);
    strcpy(big + 1501, "@b>");
    assert_int_equal(paths(big, ""), -1);
}

static bool have(void *ctx, const char *user)
{
    const char *const *names = ctx;

    for (; *names; names++)
        if (strcmp(*names, user) == 0)
            return true;
    return false;
}

static void test_recipients(void **state)
{
    static const char *const names[] = { "anna", "berta@example.org", "c+d", NULL };
    static const struct {
        const char *local, *domain, *user;
    } cases[] = {
        { "anna", "example.org", "anna" },        { "anna", "", "anna" },
        { "anna+lists", "example.org", "anna" },  { "berta", "Example.ORG", "berta@example.org" },
        { "berta+x", "example.org", "berta@example.org" }, { "berta", "", NULL },
        { "c+d", "example.org", "c+d" },          { "c", "example.org", NULL },
        { "Anna", "example.org", NULL },          { "+lists", "example.org", NULL },
        { "an na", "example.org", NULL },         { "..", "", NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_arena arena;
        struct ph_err err = { 0 };
        const char *user = NULL;
        ph_arena_init(&arena, 0);
        int rc = ph_recipient_find(cases[i].local, cases[i].domain, "+", have, (void *)(uintptr_t)names, &arena, &user, &err);
        assert_int_equal(rc, cases[i].user ? 0 : -1);
        if (rc == 0)
            assert_string_equal(user, cases[i].user);
        else
            assert_int_equal(err.kind, PH_E_NOTFOUND);
        ph_arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example), cmocka_unit_test(test_dots),  cmocka_unit_test(test_order_and_errors),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_paths), cmocka_unit_test(test_recipients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
