#include "daemon/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- text ---- */

static const struct {
    const char *name, *type, *help;
    size_t offset;
    enum { U64, UNSIGNED, SIZE, I64, BOOL } is;
} rows[] = {
#define ROW(name, type, help, member, is) { "posthaste_" name, type, help, offsetof(struct ph_metrics, member), is }
    ROW("connections_total", "counter", "Clients that connected.", server.connections, U64),
    ROW("connections_open", "gauge", "Clients that are connected.", server.open, U64),
    ROW("connections_refused_total", "counter", "Clients that were refused by a limit.", server.refused, U64),
    ROW("sessions_logged_in", "gauge", "Clients that are logged in.", server.logged_in, U64),
    ROW("sessions_idling", "gauge", "Clients in IDLE.", server.idling, U64),
    ROW("logins_total", "counter", "Logins that succeeded.", server.logins, U64),
    ROW("failed_logins_total", "counter", "Logins that failed.", server.failed_logins, U64),
    ROW("delayed_logins_total", "counter", "Logins that had to wait, because their address had guessed wrong.", throttle.delayed, U64),
    ROW("throttled_addresses", "gauge", "Addresses whose failures are remembered.", throttle.addresses, SIZE),
    ROW("commands_total", "counter", "Commands that were run.", server.commands, U64),
    ROW("bad_commands_total", "counter", "Commands that were no commands.", server.bad_commands, U64),
    ROW("received_bytes_total", "counter", "Octets from clients.", server.bytes_in, U64),
    ROW("sent_bytes_total", "counter", "Octets to clients.", server.bytes_out, U64),
    ROW("messages_appended_total", "counter", "Messages that clients have put in.", server.appended, U64),
    ROW("messages_fetched_total", "counter", "Messages that clients have fetched.", server.fetched, U64),
    ROW("timeouts_total", "counter", "Connections that were ended because they were silent.", server.timeouts, U64),
    ROW("workers", "gauge", "Threads that run commands.", server.workers, U64),
    ROW("workers_busy", "gauge", "Of these, how many are at work.", server.workers_busy, U64),
    ROW("lmtp_connections_total", "counter", "LMTP connections.", lmtp.connections, U64),
    ROW("lmtp_connections_open", "gauge", "LMTP connections that are open.", lmtp.open, UNSIGNED),
    ROW("lmtp_connections_refused_total", "counter", "LMTP connections that were refused by the limit.", lmtp.refused, U64),
    ROW("lmtp_delivered_total", "counter", "Messages delivered, counted for each recipient.", lmtp.delivered, U64),
    ROW("lmtp_failed_total", "counter", "Deliveries that failed.", lmtp.failed, U64),
    ROW("lmtp_delivered_bytes_total", "counter", "Octets delivered.", lmtp.octets, U64),
    ROW("start_time_seconds", "gauge", "When the server was started, in seconds since 1970.", started, I64),
    ROW("reload_success", "gauge", "1: the last SIGHUP could be followed, 0: something was wrong.", reload_ok, BOOL),
#undef ROW
};

static uint64_t value_of(const struct ph_metrics *m, size_t i)
{
    const void *p = (const char *)m + rows[i].offset;

    switch (rows[i].is) {
    case UNSIGNED:
        return *(const unsigned *)p;
    case SIZE:
        return *(const size_t *)p;
    case I64:
        return (uint64_t) * (const int64_t *)p;
    case BOOL:
        return *(const bool *)p;
    default:
        return *(const uint64_t *)p;
    }
}

int ph_metrics_render(const struct ph_metrics *m, struct ph_buf *out)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const head[] = { "# HELP ", rows[i].name, " ", rows[i].help, "\n# TYPE ", rows[i].name, " ", rows[i].type, "\n" };
        for (size_t k = 0; k < sizeof head / sizeof *head; k++)
            ph_buf_add_z(out, head[k]);
        ph_buf_add_z(out, rows[i].name);
        ph_buf_add_char(out, ' ');
        ph_buf_add_u64(out, value_of(m, i));
        ph_buf_add_char(out, '\n');
    }
    ph_buf_add_z(out, "# HELP posthaste_build_info The version.\n# TYPE posthaste_build_info gauge\n"
                      "posthaste_build_info{version=\"" PH_VERSION "\"} 1\n");
    return out->failed ? -1 : 0;
}

/* ---- file ---- */

int ph_metrics_write(const struct ph_metrics *m, const char *path, struct ph_err *err)
{
    struct ph_buf text = PH_BUF_INIT, temp = PH_BUF_INIT;
    int rc = -1;

    ph_buf_add_z(&temp, path);
    ph_buf_add_z(&temp, ".new");
    int fd = open(ph_buf_z(&temp), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || ph_metrics_render(m, &text) || write(fd, ph_buf_data(&text), ph_buf_len(&text)) != (ssize_t)ph_buf_len(&text) ||
        rename(ph_buf_z(&temp), path) < 0)
        ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot write the figures to %s", path);
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    ph_buf_done(&text);
    ph_buf_done(&temp);
    return rc;
}

/* ---- HTTP ---- */

struct ph_metrics_http {
    struct MHD_Daemon *daemon;
    void (*collect)(void *ctx, struct ph_metrics *m);
    void *ctx;
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type, struct ph_str text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(text.n, (void *)(uintptr_t)text.p, MHD_RESPMEM_MUST_COPY);

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    enum MHD_Result rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **state)
{
    struct ph_metrics_http *h = cls;
    struct ph_metrics m = { 0 };
    struct ph_buf text = PH_BUF_INIT;

    if (!*state) { /* the head is there; the rest, which we do not want, may not be */
        *state = h;
        return MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", PH_STR("GET /metrics\n"));
    if (strcmp(url, "/metrics") != 0)
        return answer(c, MHD_HTTP_NOT_FOUND, "text/plain", PH_STR("The figures are at /metrics\n"));
    h->collect(h->ctx, &m);
    enum MHD_Result rc = ph_metrics_render(&m, &text) == 0
                             ? answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", ph_buf_str(&text))
                             : MHD_NO;
    ph_buf_done(&text);
    return rc;
}

int ph_metrics_http_start(const char *address, uint16_t port, void (*collect)(void *, struct ph_metrics *), void *ctx,
                          struct ph_metrics_http **out, uint16_t *bound, struct ph_err *err)
{
    struct ph_metrics_http *h = calloc(1, sizeof *h);
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 six6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    bool six = inet_pton(AF_INET6, address, &six6.sin6_addr) == 1;

    *out = NULL;
    if (!h)
        return ph_fail_memory(err);
    h->collect = collect;
    h->ctx = ctx;
    if (six || inet_pton(AF_INET, address, &four.sin_addr) == 1)
        h->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | (six ? MHD_USE_IPv6 : MHD_NO_FLAG), port, NULL, NULL, on_request, h,
                                     MHD_OPTION_SOCK_ADDR, six ? (struct sockaddr *)&six6 : (struct sockaddr *)&four,
                                     MHD_OPTION_CONNECTION_LIMIT, 32u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
                                     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_END);
    if (!h->daemon) {
        int e = errno;
        free(h);
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, e, "cannot offer metrics on %s port %u", address, port);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *bound = info ? info->port : port;
    *out = h;
    return 0;
}

void ph_metrics_http_stop(struct ph_metrics_http *h)
{
    if (!h)
        return;
    MHD_stop_daemon(h->daemon);
    free(h);
}
