#include "daemon/delivery.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct writing {
    const struct ph_session_ops *ops;
    struct ph_append *append;
    bool refused; /* it was the store that said no, not our temporary file */
};

static int write_on(void *ctx, const char *p, size_t n, struct ph_err *err)
{
    struct writing *w = ctx;

    if (w->ops->append_write(w->append, p, n, err) == 0)
        return 0;
    w->refused = true;
    return -1;
}

/* The message is refused by head, by a write, or by the answer: all of them end with finish and wait, as store.h has it. */
static int append(struct ph_session *s, const struct ph_delivery *d, struct ph_err *err)
{
    struct ph_message m = { .keywords = "", .has_date = true, .epoch = time(NULL), .size = d->header.n + d->message->size };
    struct writing w = { .ops = s->ops };
    struct ph_append_result res = { 0 };
    struct ph_append *done = NULL;
    struct ph_err early = { 0 };

    if (s->ops->append_open(s, d->folder, 1, &w.append, err))
        return -1;
    int rc = s->ops->append_message(w.append, &m, &early);
    w.refused = rc != 0;
    if (rc == 0 && d->header.n)
        rc = write_on(&w, d->header.p, d->header.n, &early);
    if (rc == 0)
        rc = ph_spool_read(d->message, write_on, &w, &early);
    if (rc && !(w.refused && early.scope == PH_SCOPE_MESSAGE)) {
        s->ops->append_free(w.append); /* which throws it away */
        *err = early;
        return -1;
    }
    if (s->ops->append_finish(w.append, err)) {
        s->ops->append_free(w.append);
        return -1;
    }
    if (s->ops->append_wait(s, &done, &res, err))
        return -1;
    int result = rc || !res.ok ? -1 : 0;
    if (result)
        *err = rc ? early : res.err;
    s->ops->append_free(done);
    return result;
}

static int make_folder(struct ph_session *s, const char *folder, struct ph_err *err)
{
    uint32_t special = 0;
    struct ph_err result = { 0 };

    if (!s->ops->create)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "the store cannot make folders");
    if (s->ops->create(s, &folder, &special, 1, &result, err))
        return -1;
    if (result.kind == PH_OK || result.kind == PH_E_EXISTS) {
        if (s->ops->subscribe && result.kind == PH_OK)
            s->ops->subscribe(s, &folder, 1, true, &result, NULL); /* or many programs do not show it */
        return 0;
    }
    *err = result;
    return -1;
}

int ph_deliver(const struct ph_delivery *d, struct ph_err *err)
{
    struct ph_loop loop = { .cancel = d->cancel };
    struct ph_session *s;
    struct ph_err unknown = { 0 };

    if (d->store->ops->open(d->store, &loop, &s, &unknown)) {
        *err = unknown;
        return -1;
    }
    int rc;
    if (!s->ops->append_open) {
        rc = ph_fail(&unknown, PH_SCOPE_STORE, PH_E_UNSUPPORTED, "the store takes no messages");
    } else {
        rc = append(s, d, &unknown);
        if (rc && unknown.kind == PH_E_NOTFOUND && d->create && make_folder(s, d->folder, &unknown) == 0)
            rc = append(s, d, &unknown);
    }
    s->ops->close(s);
    if (rc && err)
        *err = unknown;
    return rc;
}

int ph_delivery_trace(const char *from, const char *address, struct ph_buf *out)
{
    ph_buf_add_z(out, "Return-Path: <");
    ph_buf_add_z(out, from);
    ph_buf_add_z(out, ">\r\n");
    if (address) {
        ph_buf_add_z(out, "Delivered-To: ");
        ph_buf_add_z(out, address);
        ph_buf_add_z(out, "\r\n");
    }
    return out->failed ? -1 : 0;
}

int ph_delivery_received(const char *client, const char *host, uint64_t id, int64_t epoch, struct ph_buf *out)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    char date[64];
    time_t t = (time_t)epoch;
    struct tm tm;

    gmtime_r(&t, &tm);
    snprintf(date, sizeof date, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    ph_buf_add_z(out, "Received: from ");
    ph_buf_add_z(out, client);
    ph_buf_add_z(out, "\r\n\tby ");
    ph_buf_add_z(out, host);
    ph_buf_add_z(out, " (Posthaste) with LMTP id ");
    ph_buf_add_u64(out, id);
    ph_buf_add_z(out, ";\r\n\t");
    ph_buf_add_z(out, date);
    return ph_buf_add_z(out, "\r\n");
}
