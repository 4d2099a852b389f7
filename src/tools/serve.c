/* serve.c: posthaste serve STORE: the IMAP server as a daemon.
 *
 * Order: settings, sockets, certificate (what root may be needed for); then another user; then log, mail, threads. Signals are taken by the main
 * thread alone, which does nothing else than wait for them and for the time to write figures.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "daemon/log.h"
#include "daemon/logins.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/privileges.h"
#include "daemon/sockets.h"
#include "tools/daemon_args.h"
#include "tools/tools.h"

#define DESCRIPTORS_BESIDE 4096 /* those that are no clients' */

struct daemon {
    struct ph_daemon_config config;
    struct ph_sockets sockets;
    struct ph_notify notify;
    struct ph_log *log;
    struct ph_users *users;
    struct ph_throttle *throttle;
    struct ph_accounts *accounts;
    struct ph_logins logins;
    struct ph_server *server;
    struct ph_lmtp_server *lmtp;
    struct ph_metrics_http *metrics;
    char host[256];
    int64_t began;         /* seconds since 1970 */
    bool running;
    _Atomic bool reload_ok;
    bool metrics_failing;
};

static void note(void *ctx, const char *text)
{
    struct daemon *d = ctx;

    ph_log_line(d->log, LOG_WARNING, text);
}

/* ---- before the other user ---- */

/* Programs for administrators (IMAP::Admin) ask for the capabilities once, before they log in; these all our mailboxes have. */
static int say_early(struct daemon *d, struct ph_err *err)
{
    return ph_server_add_capability(d->server, "ACL", PH_CAP_BEFORE_LOGIN, err) ||
                   ph_server_add_capability(d->server, "QUOTA", PH_CAP_BEFORE_LOGIN, err)
               ? -1
               : 0;
}

static int make_server(struct daemon *d, struct ph_err *err)
{
    struct ph_daemon_config *c = &d->config;
    struct ph_server_config sc = { .host = d->host, .greeting = c->greeting, .limits = c->limits };

    sc.cleartext_login = c->allow_cleartext || d->sockets.loopback_only;
    if (c->users && ph_users_new(c->users, note, d, &d->users, err))
        return -1;
    if (!c->no_throttle && !(d->throttle = ph_throttle_new(0)))
        return ph_fail_memory(err);
    d->logins = (struct ph_logins){ .config = c, .users = d->users, .throttle = d->throttle };
    ph_logins_install(&d->logins, &sc);
    sc.hashed_verifiers = d->users && !ph_users_all_plain(d->users);
    if (ph_server_new(&sc, &d->server, err))
        return -1;
    if (c->tls_cert && ph_server_set_tls(d->server, c->tls_cert, c->tls_key, c->tls_client_ca, err))
        return -1;
    if (d->users && !ph_users_all_scram(d->users))
        ph_log_f(d->log, LOG_NOTICE, "SCRAM is not offered: somebody in %s has no verifier for it", c->users);
    return 0;
}

static int hand_over_sockets(struct daemon *d, struct ph_err *err)
{
    struct ph_lmtp_server_options o = { .config = &d->config, .accounts = d->accounts, .users = d->users, .log = d->log,
                                        .host = d->host };

    for (size_t i = 0; i < d->sockets.n; i++) {
        struct ph_socket *s = &d->sockets.s[i];
        int fd = s->fd;
        s->fd = -1;
        if (s->kind != PH_SOCKET_LMTP) {
            if (ph_server_listen_fd(d->server, fd, s->kind == PH_SOCKET_IMAPS ? PH_LISTEN_TLS : 0, err))
                return -1;
            continue;
        }
        if (!d->lmtp && ph_lmtp_server_new(&o, &d->lmtp, err)) {
            close(fd);
            return -1;
        }
        if (ph_lmtp_server_add(d->lmtp, fd, NULL, err))
            return -1;
    }
    return 0;
}

static int become_other(struct daemon *d, struct ph_err *err)
{
    struct ph_identity id;

    if (!d->config.run_as) {
        if (geteuid() == 0 && strncmp(d->config.store, "local:", 6) == 0 && !d->config.any_user)
            ph_log_line(d->log, LOG_NOTICE, "running as root: run-as names another user");
        return 0;
    }
    return ph_identity_find(d->config.run_as, &id, err) || ph_identity_become(&id, err) ? -1 : 0;
}

/* ---- after ---- */

static void collect(void *ctx, struct ph_metrics *m)
{
    struct daemon *d = ctx;

    *m = (struct ph_metrics){ .started = d->began, .reload_ok = d->reload_ok };
    ph_server_count(d->server, &m->server);
    if (d->lmtp)
        ph_lmtp_server_count(d->lmtp, &m->lmtp);
    if (d->throttle)
        ph_throttle_count(d->throttle, &m->throttle);
}

static int write_pid(const char *path, struct ph_err *err)
{
    FILE *f = fopen(path, "we");

    if (!f || fprintf(f, "%ld\n", (long)getpid()) < 0 || fflush(f)) {
        int e = errno;
        if (f)
            fclose(f);
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, e, "cannot write %s", path);
    }
    fclose(f);
    return 0;
}

static void say_where(struct daemon *d, uint16_t metrics_port)
{
    static const char *const words[] = { [PH_SOCKET_IMAP] = "listening on", [PH_SOCKET_IMAPS] = "listening with TLS on",
                                         [PH_SOCKET_LMTP] = "LMTP on" };

    for (size_t i = 0; i < d->sockets.n; i++) {
        printf("%s %s\n", words[d->sockets.s[i].kind], d->sockets.s[i].where);
        ph_log_f(d->log, LOG_NOTICE, "%s %s", words[d->sockets.s[i].kind], d->sockets.s[i].where);
    }
    if (d->metrics)
        printf("metrics on port %u\n", metrics_port);
    fflush(stdout);
}

static int start(struct daemon *d, struct ph_err *err)
{
    struct ph_daemon_config *c = &d->config;
    struct ph_log *log;
    struct ph_listen_address a;
    uint16_t port = 0;

    if (ph_log_new(c->log, ph_log_level(c->log_level), &log, err))
        return -1;
    ph_log_free(d->log);
    d->log = d->logins.log = log;
    if (ph_accounts_new(c, note, d, &d->accounts, err))
        return -1;
    d->logins.accounts = d->accounts;
    if (ph_accounts_kind(d->accounts) != PH_ACCOUNTS_IMAP && say_early(d, err))
        return -1;
    if (hand_over_sockets(d, err))
        return -1;
    if (ph_server_start(d->server, err) || (d->lmtp && ph_lmtp_server_start(d->lmtp, err)))
        return -1;
    if (c->metrics && (ph_listen_address_parse(c->metrics, &a, err) ||
                       ph_metrics_http_start(a.address, a.port, collect, d, &d->metrics, &port, err)))
        return -1;
    if (c->pid_file && write_pid(c->pid_file, err))
        return -1;
    say_where(d, port);
    ph_notify_send(&d->notify, "READY=1\nSTATUS=serving");
    return 0;
}

/* ---- running ---- */

static void reload(struct daemon *d)
{
    struct ph_daemon_config *c = &d->config;
    struct ph_err err;
    bool ok = true;

    ph_notify_reloading(&d->notify);
    if (ph_log_reopen(d->log, &err)) {
        ok = false;
        ph_log_line(d->log, LOG_ERR, err.text);
    }
    if (c->tls_cert && ph_server_set_tls(d->server, c->tls_cert, c->tls_key, c->tls_client_ca, &err)) {
        ok = false;
        ph_log_f(d->log, LOG_ERR, "the old certificate stays: %s", err.text);
    }
    d->reload_ok = ok;
    ph_log_line(d->log, LOG_NOTICE, ok ? "reloaded" : "reloaded in part");
    ph_notify_send(&d->notify, "READY=1");
}

static void write_metrics(struct daemon *d)
{
    struct ph_metrics m;
    struct ph_err err;

    collect(d, &m);
    bool failed = ph_metrics_write(&m, d->config.metrics_file, &err) != 0;
    if (failed && !d->metrics_failing)
        ph_log_line(d->log, LOG_ERR, err.text);
    d->metrics_failing = failed;
}

static void run(struct daemon *d, const sigset_t *signals)
{
    int64_t figures = d->config.metrics_file ? 0 : PH_NEVER, alive = d->notify.watchdog_ms ? 0 : PH_NEVER;

    for (;;) {
        int64_t now = ph_now_ms();
        if (now >= figures) {
            write_metrics(d);
            figures = now + d->config.metrics_ms;
        }
        if (now >= alive) {
            ph_notify_send(&d->notify, "WATCHDOG=1");
            alive = now + d->notify.watchdog_ms;
        }
        int64_t next = figures < alive ? figures : alive, wait = next - now;
        struct timespec ts = { wait / 1000, wait % 1000 * 1000000 };
        int sig = next == PH_NEVER ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &ts);
        if (sig == SIGHUP)
            reload(d);
        else if (sig > 0) {
            ph_log_f(d->log, LOG_NOTICE, "signal %d: ending", sig);
            return;
        }
    }
}

static void stop(struct daemon *d)
{
    if (d->server)
        ph_notify_send(&d->notify, "STOPPING=1");
    ph_metrics_http_stop(d->metrics);
    d->metrics = NULL;
    ph_lmtp_server_free(d->lmtp);
    d->lmtp = NULL;
    ph_server_free(d->server);
    d->server = NULL;
    ph_accounts_free(d->accounts);
    ph_users_free(d->users);
    ph_throttle_free(d->throttle);
    ph_sockets_done(&d->sockets);
    if (d->config.pid_file && d->running)
        unlink(d->config.pid_file);
    if (d->running)
        ph_log_line(d->log, LOG_NOTICE, "ended");
    ph_log_free(d->log);
    ph_notify_done(&d->notify);
}

/* A descriptor a client, some for the files of users who are at work; what a shell allows is for programs that need few. */
static void allow_descriptors(struct daemon *d)
{
    rlim_t wanted = (d->config.limits.connections ? d->config.limits.connections : 10000) + DESCRIPTORS_BESIDE;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= wanted)
        return;
    r.rlim_cur = r.rlim_max < wanted ? r.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur < wanted)
        ph_log_f(d->log, LOG_WARNING, "%llu descriptors are allowed, and %llu are wanted for so many connections",
                 (unsigned long long)r.rlim_cur, (unsigned long long)wanted);
}

static int serve(struct daemon *d, struct ph_err *err)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* all threads inherit it */
    signal(SIGPIPE, SIG_IGN);
    if (!d->config.host)
        gethostname(d->host, sizeof d->host - 1);
    else
        memcpy(d->host, d->config.host, strnlen(d->config.host, sizeof d->host - 1));
    d->reload_ok = true;
    d->began = (int64_t)time(NULL);
    if (ph_log_new("stderr", LOG_NOTICE, &d->log, err) || ph_sockets_open(&d->sockets, &d->config, err))
        return -1;
    d->logins.log = d->log;
    allow_descriptors(d);
    if (make_server(d, err) || become_other(d, err) || start(d, err))
        return -1;
    d->running = true;
    run(d, &signals);
    return 0;
}

static int serve_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    struct daemon d = { .notify.fd = -1 };
    struct ph_err err = { 0 };
    char *operands[1] = { NULL };
    unsigned n = 0;
    int status = 0;

    /* Threads that have just ended their work may still be giving back what the library keeps for them when main returns. */
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    int rc = ph_daemon_args(c, invoked, argc, argv, &d.config, sizeof d.config, operands, &n, true, &err);
    if (rc == PH_SAID_ENOUGH) {
        ph_daemon_config_done(&d.config);
        return 0;
    }
    if (rc == 0 && n)
        d.config.store = operands[0];
    if (rc == 0)
        rc = ph_daemon_config_check(&d.config, &err);
    if (rc == 0 && d.config.check_config) {
        puts("The settings are right.");
    } else if (rc == 0) {
        ph_notify_init(&d.notify);
        rc = serve(&d, &err);
        stop(&d);
    }
    if (rc)
        status = ph_complain(invoked, &err, 1);
    ph_daemon_config_done(&d.config);
    return status;
}

const struct ph_command ph_cmd_serve = {
    .name = "serve",
    .summary = "serve mail by IMAP, from this machine's disk or another server",
    .description = "Serve the mail of STORE to IMAP clients until SIGTERM: local:/path is a directory of this machine, memory: is gone with the "
                   "process, imaps://host/ is another server. Clients can only read unless --writable is said. Settings also come from a "
                   "file with the same names.",
    .operands = "[STORE]",
    .n_operands = 1,
    .n_optional = 1,
    .groups = ph_daemon_option_groups,
    .main = serve_main,
};
