/* What a hostile client can do once it has logged in: bytes → a session over the memory store.
 *
 * The first octet is how many octets come at a time. Checked beyond memory: what the server says can be read, line by line, by
 * the reader of our client, and each line begins as one of a server's does.
 */
#include <stdlib.h>

#include <posthaste/server.h>

#include "store/memory.h"
#include "wire/framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

static const char message[] = "From: =?utf-8?q?J=C3=B6rg?= <a@example.org>\r\nTo: b@example.org, Group: c@example.org;\r\n"
                              "Subject: Re: one\r\nDate: Mon, 7 Feb 2022 21:52:25 -0800\r\nMessage-ID: <1@example.org>\r\n"
                              "References: <0@example.org>\r\nMIME-Version: 1.0\r\n"
                              "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: base64\r\n\r\nSGFsbG8K\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
                              "Subject: inner\r\n\r\nbody\r\n--b--\r\n";

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return 0;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    struct ph_memory_message m = { .p = message, .n = sizeof message - 1, .epoch = 1700000000, .keywords = "work" };

    if (ph_memory_store_new(user, NULL, out, err))
        return -1;
    for (int i = 0; i < 4; i++) {
        m.flags = (uint32_t)i;
        ph_memory_deliver(*out, "INBOX", &m);
    }
    ph_memory_folder(*out, "a/b", 0);
    return 0;
}

static int take(void *ctx, const void *p, size_t n)
{
    return ph_buf_add(ctx, p, n);
}

static struct ph_server *start(void)
{
    struct ph_server_config config = { .host = "fuzz", .calls = { .check_password = check_password, .open_store = open_store },
                                       .limits = { .workers = 1, .line = 20000, .literal = 20000, .memory = 4u << 20 } };
    struct ph_server *srv;
    struct ph_err err;

    CHECK(ph_server_new(&config, &srv, &err) == 0 && ph_server_start(srv, &err) == 0);
    return srv;
}

static void check_line(struct ph_str line)
{
    CHECK(line.n > 1);
    if ((line.p[0] == '*' || line.p[0] == '+') && line.p[1] == ' ')
        return;
    const char *blank = memchr(line.p, ' ', line.n);
    CHECK(blank);
    struct ph_str rest = { blank + 1, (size_t)(line.p + line.n - blank - 1) };
    CHECK(ph_str_prefix(rest, "OK ") || ph_str_prefix(rest, "NO ") || ph_str_prefix(rest, "BAD "));
}

static void check_answers(struct ph_buf *said)
{
    struct ph_frame_limits limits = { 16u << 20, 64u << 20, 16 };
    struct ph_framer f;
    struct ph_err err;

    ph_framer_init(&f, &limits);
    for (;;) {
        switch (ph_framer_next(&f, said, &err)) {
        case PH_FRAME_LITERAL:
            CHECK(ph_framer_collect(&f, &err) == 0);
            continue;
        case PH_FRAME_DONE:
            check_line(f.frame);
            ph_framer_release(&f, said);
            continue;
        case PH_FRAME_MORE:
            CHECK(ph_buf_len(said) == 0); /* whole lines only */
            ph_framer_done(&f);
            return;
        default:
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ph_server *srv;
    struct ph_buf said = PH_BUF_INIT;
    struct ph_server_transport t = { .write = take, .ctx = &said, .peer = "fuzz", .secure = true };
    struct ph_server_conn *c;
    struct ph_err err;
    size_t step = size ? data[0] + 1u : 1;
    int over;

    if (!srv)
        srv = start();
    CHECK(ph_server_conn_new(srv, &t, &c, &err) == 0);
    over = ph_server_conn_feed(c, "a LOGIN u p\r\n", 13, &err);
    for (size_t i = 1; i < size && !over; i += step)
        over = ph_server_conn_feed(c, data + i, size - i < step ? size - i : step, &err);
    ph_server_conn_free(c);
    check_answers(&said);
    ph_buf_done(&said);
    return 0;
}
