/* What a client of the LMTP socket can send.
 *
 * The first octet is how many octets come at a time. Checked beyond memory: answers and messages are the same as when everything comes at once;
 * a message has no octet more than was sent; every message that was begun has ended; each answer is a line of its own.
 */
#include <stdlib.h>

#include "daemon/lmtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

struct world {
    struct ph_buf out, message, delivered;
    unsigned begun, ended;
    bool under_way;
};

static int on_recipient(void *ctx, const char *local, const char *domain, struct ph_arena *arena, const char **user, struct ph_err *err)
{
    *user = ph_arena_strdup(arena, ph_str(local));
    return *local == 'n' ? ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "no") : *user ? 0 : -1;
}

static int on_begin(void *ctx, const char *from, const char *client, struct ph_err *err)
{
    struct world *w = ctx;

    CHECK(!strpbrk(from, "\r\n") && !strpbrk(client, "\r\n"));
    w->begun++;
    ph_buf_clear(&w->message);
    w->under_way = true;
    return 0;
}

static int on_octets(void *ctx, const char *p, size_t n, struct ph_err *err)
{
    struct world *w = ctx;

    CHECK(w->under_way && n > 0);
    return ph_buf_add(&w->message, p, n);
}

static int on_deliver(void *ctx, const char *user, const char *address, struct ph_err *err)
{
    struct world *w = ctx;

    CHECK(w->under_way && !strpbrk(address, "\r\n"));
    ph_buf_add_str(&w->delivered, ph_buf_str(&w->message));
    return *user == 'f' ? ph_fail(err, PH_SCOPE_FOLDER, PH_E_QUOTA, "full") : 0;
}

static void on_end(void *ctx)
{
    struct world *w = ctx;

    w->ended += w->under_way;
    w->under_way = false;
}

static const struct ph_lmtp_calls calls = { on_recipient, on_begin, on_octets, on_deliver, on_end };

static void run(struct world *w, const char *p, size_t n, size_t cut)
{
    struct ph_lmtp l;
    enum ph_lmtp_next next = PH_LMTP_MORE;

    *w = (struct world){ 0 };
    ph_lmtp_init(&l, "h", 1000, &calls, w);
    for (size_t at = 0; next != PH_LMTP_CLOSE && (next == PH_LMTP_SEND || at < n);) {
        if (next == PH_LMTP_MORE) {
            size_t piece = cut && cut < n - at ? cut : n - at;
            ph_buf_add(&l.in, p + at, piece);
            at += piece;
        }
        next = ph_lmtp_run(&l);
        ph_buf_add_str(&w->out, ph_buf_str(&l.out));
        ph_buf_clear(&l.out);
    }
    ph_lmtp_done(&l);
}

static void check_answers(struct ph_str out)
{
    while (out.n) {
        const char *crlf = memmem(out.p, out.n, "\r\n", 2);
        CHECK(crlf && crlf - out.p >= 4 && out.p[0] >= '2' && out.p[0] <= '5' && (out.p[3] == ' ' || out.p[3] == '-'));
        CHECK(!memchr(out.p, '\n', (size_t)(crlf - out.p)) && !memchr(out.p, '\r', (size_t)(crlf - out.p)));
        out.n -= (size_t)(crlf + 2 - out.p);
        out.p = crlf + 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world once, cut;

    if (size < 2)
        return 0;
    run(&once, (const char *)data + 1, size - 1, 0);
    run(&cut, (const char *)data + 1, size - 1, data[0] ? data[0] : 1);
    check_answers(ph_buf_str(&once.out));
    CHECK(once.begun == once.ended && !once.under_way);
    CHECK(ph_buf_len(&once.message) < size);
    CHECK(once.begun == cut.begun && ph_str_eq(ph_buf_str(&once.delivered), ph_buf_str(&cut.delivered)));
    CHECK(ph_str_eq(ph_buf_str(&once.out), ph_buf_str(&cut.out)));
    ph_buf_done(&once.out);
    ph_buf_done(&once.message);
    ph_buf_done(&once.delivered);
    ph_buf_done(&cut.out);
    ph_buf_done(&cut.message);
    ph_buf_done(&cut.delivered);
    return 0;
}
