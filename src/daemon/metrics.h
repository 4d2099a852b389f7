/* metrics.h: figures as text that Prometheus reads (exposition format 0.0.4), over HTTP for this machine, or as a file. They name no
 * user and no address. */
#ifndef PH_DAEMON_METRICS_H
#define PH_DAEMON_METRICS_H

#include <posthaste/server.h>

#include "base/buf.h"
#include "daemon/lmtp_server.h"
#include "daemon/throttle.h"

struct ph_metrics {
    struct ph_server_counters server;
    struct ph_lmtp_counters lmtp;
    struct ph_throttle_counters throttle;
    int64_t started;           /* seconds since 1970 */
    bool reload_ok;            /* the last SIGHUP */
};

/* Pure. */
int ph_metrics_render(const struct ph_metrics *m, struct ph_buf *out);
/* In one step: whoever reads it sees the old or the new. */
int ph_metrics_write(const struct ph_metrics *m, const char *path, struct ph_err *err);

struct ph_metrics_http;
/* GET /metrics on a loopback address; collect runs in a thread of its own for each request. */
int ph_metrics_http_start(const char *address, uint16_t port, void (*collect)(void *ctx, struct ph_metrics *m), void *ctx,
                          struct ph_metrics_http **out, uint16_t *bound, struct ph_err *err);
void ph_metrics_http_stop(struct ph_metrics_http *h); /* NULL is fine */

#endif
