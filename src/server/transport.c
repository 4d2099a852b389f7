/* transport.c: sessions over what the application moves itself. What was fed lies in a buffer; to the session it looks like
 * any stream.
 */
#include <poll.h>
#include <stdlib.h>

#include "server/private.h"

struct fed {
    struct ph_stream s;
    struct ph_buf in;
    struct ph_server_transport t;
};

static ssize_t fed_read(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    struct fed *f = (struct fed *)s;
    size_t have = ph_buf_len(&f->in);

    if (!have)
        return PH_AGAIN;
    n = n < have ? n : have;
    memcpy(p, ph_buf_data(&f->in), n);
    ph_buf_consume(&f->in, n);
    ph_buf_shrink(&f->in, 0);
    return (ssize_t)n;
}

static ssize_t fed_write(struct ph_stream *s, const void *p, size_t n, struct ph_err *err)
{
    struct fed *f = (struct fed *)s;

    return f->t.write(f->t.ctx, p, n) ? ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "the transport has ended") : (ssize_t)n;
}

static bool fed_pending(struct ph_stream *s)
{
    return ph_buf_len(&((struct fed *)s)->in);
}

static short fed_want_read(struct ph_stream *s)
{
    return POLLIN;
}

static short fed_want_write(struct ph_stream *s)
{
    return POLLOUT;
}

static void fed_free(struct ph_stream *s)
{
    ph_buf_done(&((struct fed *)s)->in);
    free(s);
}

static const struct ph_stream_ops fed_ops = {
    .read = fed_read,
    .write = fed_write,
    .pending = fed_pending,
    .want_read = fed_want_read,
    .want_write = fed_want_write,
    .free = fed_free,
};

/* Until nobody else has the session; with the lock held. false: it is over. */
static bool take(struct ph_server *srv, struct session *s)
{
    while (s->run != RUN_PARKED && s->run != RUN_DEAD)
        pthread_cond_wait(&srv->calm, &srv->lock);
    return s->run == RUN_PARKED;
}

static int run(struct session *s, const void *p, size_t n, struct ph_err *err)
{
    struct ph_server *srv = s->server;
    int rc = 0;

    pthread_mutex_lock(&srv->lock);
    if (take(srv, s)) {
        if (n && ph_buf_add(&((struct fed *)s->stream)->in, p, n))
            rc = ph_fail_memory(err);
        else
            sched_run(srv, s);
    }
    if (rc == 0 && !take(srv, s)) /* a long series of commands is gone on with by workers */
        rc = 1;
    pthread_mutex_unlock(&srv->lock);
    return rc;
}

int ph_server_conn_new(struct ph_server *srv, const struct ph_server_transport *t, struct ph_server_conn **out,
                       struct ph_err *err)
{
    struct fed *f = calloc(1, sizeof *f);

    *out = NULL;
    if (!f)
        return ph_fail_memory(err);
    f->s.ops = &fed_ops;
    f->s.fd = -1;
    f->t = *t;
    struct session *s = session_new(srv, &f->s, t->peer ? t->peer : "transport", t->secure ? SESSION_LOCAL : 0, NULL, err);
    if (!s)
        return -1;
    s->own_transport = true;
    if (sched_add(srv, s, err))
        return -1;
    *out = conn_of(s);
    run(s, NULL, 0, NULL);
    return 0;
}

int ph_server_conn_feed(struct ph_server_conn *c, const void *p, size_t n, struct ph_err *err)
{
    return run(session_of(c), p, n, err);
}

void ph_server_conn_free(struct ph_server_conn *c)
{
    struct session *s = session_of(c);

    if (!c)
        return;
    sched_forget(s->server, s);
    session_delete(s);
}
