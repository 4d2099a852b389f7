/* output.c: what handlers wrote, on its way to the client. Only a running command may wait for a client to take octets, and
 * only while the client takes at least 1,000 a second.
 */
#include <poll.h>

#include "server/private.h"

#define SEND_AT 16384     /* less is not worth a system call while a command runs */
#define SLOW_MS 10000
#define SLOW_BYTES 10000  /* must be taken in SLOW_MS of waiting, again and again */
#define CROWD_MS 1000     /* the same while very many threads wait for clients */

static int broken(struct session *s, const char *reason)
{
    if (!s->reason)
        s->reason = reason;
    s->broken = true;
    return -1;
}

/* How many octets of these the stream takes now; -1. */
static ssize_t write_now(struct session *s, const char *p, size_t n)
{
    size_t taken = 0;

    while (taken < n) {
        ssize_t w = ph_stream_write(s->stream, p + taken, n - taken, NULL);
        if (w == PH_AGAIN)
            break;
        if (w < 0)
            return broken(s, "the connection broke");
        taken += (size_t)w;
    }
    if (taken) {
        s->flush_pending = true;
        s->bytes_out += (uint64_t)taken;
        s->slow_bytes += (uint64_t)taken;
        atomic_fetch_add_explicit(&s->server->count.bytes_out, (uint64_t)taken, memory_order_relaxed);
    }
    return (ssize_t)taken;
}

/* As much as goes now. 0 all, 1 not all, -1. */
static int send_some(struct session *s)
{
    if (!session_unsent(s))
        return 0;
    ssize_t n = write_now(s, ph_buf_data(&s->w.out), session_unsent(s));
    if (n < 0)
        return -1;
    ph_buf_consume(&s->w.out, (size_t)n);
    return session_unsent(s) ? 1 : 0;
}

static int check(struct session *s)
{
    if (s->broken)
        return -1;
    return s->w.failed ? broken(s, "out of memory, or an answer that cannot be written") : 0;
}

int session_flush(struct session *s)
{
    uint64_t before = s->bytes_out;
    int rc = check(s) ? -1 : send_some(s);

    if (s->bytes_out != before && s->user && !s->closing)
        s->active = ph_now_ms();
    if (rc == 0 && s->flush_pending) {
        rc = ph_stream_flush(s->stream, NULL);
        if (rc == PH_AGAIN)
            return 1;
        if (rc < 0)
            return broken(s, "the connection broke");
        s->flush_pending = false;
    }
    return rc;
}

/* The client must take something soon. */
static int wait_for_client(struct session *s)
{
    struct ph_err err = { 0 };
    int64_t now = ph_now_ms(), patience = sched_away(s->server) ? CROWD_MS : SLOW_MS, until;
    int rc;

    if (s->slow_since == 0 || s->slow_bytes >= SLOW_BYTES) {
        s->slow_since = now;
        s->slow_bytes = 0;
    }
    until = s->slow_since + patience;
    rc = now >= until ? 1 : 0;
    if (rc == 0) /* short, because it may become crowded meanwhile */
        rc = ph_stream_wait(s->stream, s->stream->ops->want_write(s->stream), until < now + CROWD_MS ? until : now + CROWD_MS,
                            &s->server->cancel, &err);
    sched_back(s->server);
    if (rc > 0) {
        atomic_fetch_add(&s->server->count.timeouts, 1);
        return broken(s, "the client takes its answers too slowly");
    }
    if (rc < 0 && err.kind != PH_E_TIMEOUT)
        return broken(s, err.kind == PH_E_CANCELLED ? "the server was shut down" : "the connection broke");
    return 0;
}

int session_push(struct session *s)
{
    if (check(s))
        return -1;
    if (session_unsent(s) < SEND_AT)
        return 0;
    int rc = send_some(s);
    if (s->no_wait && session_unsent(s) > s->server->config.limits.memory)
        return broken(s, "the client does not take what it is told");
    while (rc > 0 && !s->no_wait && session_unsent(s) > PH_SERVER_QUEUE)
        rc = wait_for_client(s) ? -1 : send_some(s);
    s->slow_since = 0;
    return rc < 0 ? -1 : 0;
}

int session_push_data(struct session *s, const char *p, size_t n)
{
    if (n >= SEND_AT / 2 && !s->no_wait) {
        int rc = check(s) ? -1 : send_some(s);
        ssize_t taken = rc == 0 ? write_now(s, p, n) : rc > 0 ? 0 : -1;
        if (taken < 0)
            return -1;
        p += taken;
        n -= (size_t)taken;
    }
    if (n && ph_buf_add(&s->w.out, p, n))
        s->w.failed = true;
    return session_push(s);
}
