/* login.c: from a name and a port to an authenticated connection: connect, greeting, STARTTLS, SASL or LOGIN,
 * capabilities.
 *
 * The rules against attackers on the way: nothing that came before TLS is believed after it (RFC 9051 6.2.1), octets
 * behind the STARTTLS answer end the connection, PREAUTH where TLS has to come first ends it too, and a missing STARTTLS is an
 * error where TLS was asked for.
 */
#include "client/conn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sasl/sasl.h"

static int fail_here(struct ph_err *err, enum ph_scope scope, enum ph_kind kind, const struct ph_conn *c,
                     const char *text)
{
    return ph_fail(err, scope, kind, "%s: %s", c->opt->host ? c->opt->host : c->opt->socket_path, text);
}

static void notice(struct ph_conn *c, const char *text)
{
    if (c->opt->on_notice)
        c->opt->on_notice(c->opt->ctx, text);
}

static bool is_loopback(const char *host)
{
    struct in_addr a4;
    struct in6_addr a6;

    if (!host)
        return true;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &a4) == 1)
        return (ntohl(a4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &a6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&a6);
    return false;
}

bool ph_conn_is_private(const struct ph_conn *c)
{
    return c->tls || c->opt->socket_path || is_loopback(c->opt->host);
}

/* ---- greeting ---- */

struct greeting {
    struct ph_cmd cmd; /* stands in the list to catch the first untagged answer */
    bool seen;
    enum ph_status status;
};

static bool on_greeting(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct greeting *g = (struct greeting *)cmd;

    if (g->seen || r->kind != PH_RESP_STATUS)
        return false;
    g->seen = true;
    g->status = r->status;
    ph_buf_clear(&c->greeting_text);
    ph_buf_add_str(&c->greeting_text, r->text);
    return true;
}

static int read_greeting(struct ph_conn *c, struct ph_err *err)
{
    static const struct ph_cmd_ops ops = { .untagged = on_greeting };
    struct greeting g = { .cmd = { .ops = &ops, .queued = true } };
    int r = 0;

    c->first = c->last = &g.cmd;
    c->last_progress = ph_now_ms();
    ph_conn_process(c);
    while (!g.seen && r == 0)
        r = ph_conn_turn(c, err);
    c->first = c->last = NULL;
    if (r && !g.seen) {
        ph_err_prefix(err, "%s: waiting for the greeting", c->opt->host ? c->opt->host : c->opt->socket_path);
        return -1;
    }
    c->greeting = ph_buf_str(&c->greeting_text);
    if (g.status == PH_ST_BYE) {
        ph_fail(err, PH_SCOPE_SESSION, PH_E_CLOSED, "%s refuses connections: %.*s", c->opt->host, PH_FMT(c->greeting));
        err->retry = PH_RETRY_LATER;
        return -1;
    }
    if (g.status == PH_ST_PREAUTH)
        c->greeting_preauth = true;
    else if (g.status != PH_ST_OK)
        return fail_here(err, PH_SCOPE_STORE, PH_E_PROTOCOL, c, "this is not an IMAP server (no greeting)");
    return 0;
}

/* ---- simple commands ---- */

static int simple(struct ph_conn *c, const char *word, struct ph_err *err)
{
    struct ph_cmd cmd = { 0 };

    ph_write_raw(ph_conn_begin(c, &cmd, NULL), word);
    if (ph_conn_end(c, err))
        return -1;
    return ph_conn_wait_ok(c, &cmd, err);
}

static int learn_caps(struct ph_conn *c, struct ph_err *err)
{
    return c->caps.known ? 0 : simple(c, "CAPABILITY", err);
}

/* ---- TLS ---- */

static int start_tls(struct ph_conn *c, int64_t deadline, struct ph_err *err)
{
    struct ph_stream *tls = NULL;

    c->stop_reading = true;
    if (simple(c, "STARTTLS", err))
        return -1;
    c->stop_reading = false;
    if (ph_buf_len(&c->in))
        return fail_here(err, PH_SCOPE_STORE, PH_E_TLS, c,
                         "data behind the answer to STARTTLS: somebody on the way may be injecting commands; the "
                         "connection was closed");
    ph_loop_remove(c->loop, &c->member);
    struct ph_stream *inner = c->stream;
    c->stream = NULL;
    if (ph_tls_client(inner, &c->opt->tls, c->opt->host, deadline, c->loop->cancel, &tls, NULL, err))
        return -1;
    c->stream = tls;
    c->tls = true;
    ph_caps_forget(&c->caps);
    return ph_loop_add(c->loop, &c->member);
}

static int secure(struct ph_conn *c, int64_t deadline, struct ph_err *err)
{
    enum ph_security sec = c->opt->security;

    if (c->tls || sec == PH_SEC_CLEAR || c->opt->socket_path)
        return 0;
    if (c->greeting_preauth) {
        if (sec == PH_SEC_STARTTLS || c->opt->require_tls)
            return fail_here(err, PH_SCOPE_STORE, PH_E_TLS, c,
                             "the server says PREAUTH before TLS was started, so TLS cannot be had; refused");
        return 0;
    }
    if (learn_caps(c, err))
        return -1;
    if (c->caps.bits & PH_CAP_STARTTLS)
        return start_tls(c, deadline, err);
    if (sec == PH_SEC_STARTTLS || c->opt->require_tls)
        return fail_here(err, PH_SCOPE_STORE, PH_E_TLS, c,
                         "the server does not offer STARTTLS, and TLS is required here (is it imaps:// on port 993?)");
    return 0;
}

static int connect_stream(struct ph_conn *c, bool tls, int64_t deadline, bool *not_tls, struct ph_err *err)
{
    const struct ph_imap_options *o = c->opt;
    struct ph_stream *s = NULL;

    if (o->socket_path) {
        if (ph_unix_connect(o->socket_path, deadline, c->loop->cancel, &s, err))
            return -1;
    } else if (ph_tcp_connect(o->host, o->port, deadline, c->loop->cancel, &s, err)) {
        return -1;
    }
    if (tls) {
        if (ph_tls_client(s, &o->tls, o->host, deadline, c->loop->cancel, &c->stream, not_tls, err))
            return -1;
        c->tls = true;
    } else {
        c->stream = s;
    }
    c->member.fd = c->stream->fd;
    return 0;
}

/* ---- authentication ---- */

struct auth {
    struct ph_cmd cmd;
    struct ph_sasl *sasl;
    bool initial_pending; /* the initial response waits for a `+` */
    struct ph_buf initial;
    struct ph_err err;
};

static void send_line(struct ph_conn *c, struct ph_str raw, bool cancel)
{
    struct ph_buf line = PH_BUF_INIT;

    if (cancel)
        ph_buf_add_char(&line, '*');
    else
        ph_base64_encode(raw, &line);
    ph_buf_add(&line, "\r\n", 2);
    ph_conn_trace(c, true, "<secret>", 8);
    ph_buf_add_str(&c->out, ph_buf_str(&line));
    ph_wipe(line.mem, line.cap);
    ph_buf_done(&line);
    ph_conn_flush(c);
}

static void on_challenge(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct auth *a = (struct auth *)cmd;
    struct ph_buf challenge = PH_BUF_INIT, answer = PH_BUF_INIT;

    if (a->initial_pending) {
        a->initial_pending = false;
        send_line(c, ph_buf_str(&a->initial), false);
        return;
    }
    bool bad = ph_base64_decode(r->text, &challenge) != 0;
    if (bad || ph_sasl_client_step(a->sasl, ph_buf_str(&challenge), &answer, &a->err) < 0) {
        if (bad)
            ph_fail(&a->err, PH_SCOPE_STORE, PH_E_PROTOCOL, "the server's challenge is not base64");
        send_line(c, PH_STR(""), true);
    } else {
        send_line(c, ph_buf_str(&answer), false);
    }
    ph_wipe(answer.mem, answer.cap);
    ph_buf_done(&challenge);
    ph_buf_done(&answer);
}

static int auth_failed(struct ph_conn *c, const char *mechanism, const char *words, struct ph_err *err)
{
    enum ph_retry retry = err->retry;
    char code[sizeof err->code], text[PH_ERR_TEXT];

    memcpy(code, err->code, sizeof code);
    memcpy(text, err->text, sizeof text);
    bool temporary = strcmp(code, "UNAVAILABLE") == 0 || strcmp(code, "LIMIT") == 0 || strcmp(code, "INUSE") == 0;
    ph_fail(err, temporary ? PH_SCOPE_SESSION : PH_SCOPE_STORE, temporary ? PH_E_THROTTLED : PH_E_AUTH,
            "login of %s at %s with %s was refused: %s%s%s", c->opt->user ? c->opt->user : "?",
            c->opt->host ? c->opt->host : c->opt->socket_path, mechanism, text, *words ? "; " : "", words);
    memcpy(err->code, code, sizeof code);
    err->retry = temporary ? PH_RETRY_LATER : retry;
    return -1;
}

static int sasl_params(struct ph_conn *c, struct ph_secret *secret, struct ph_sasl_client_params *p,
                       struct ph_tls_info *info)
{
    const struct ph_imap_options *o = c->opt;
    bool token = o->credential && ph_credential_kind_of(o->credential) == PH_CRED_TOKEN;

    *p = (struct ph_sasl_client_params){
        .authcid = o->admin ? o->admin : o->user,
        .authzid = o->admin ? o->user : NULL,
        .service = "imap",
        .host = o->host ? o->host : "localhost",
        .port = o->port,
    };
    *(token ? &p->token : &p->password) = ph_secret_str(secret);
    if (c->tls && ph_tls_info(c->stream, info) == 0 && info->binding_len) {
        p->binding = info->binding;
        p->binding_len = info->binding_len;
        p->binding_is_exporter = info->binding_is_exporter;
    }
    return 0;
}

static int authenticate(struct ph_conn *c, const char *mechanism, struct ph_secret *secret, struct ph_err *err)
{
    static const struct ph_cmd_ops ops = { .go_on = on_challenge };
    struct ph_sasl_client_params p;
    struct ph_tls_info info;
    struct auth a = { .sasl = NULL };
    int r = -1;

    sasl_params(c, secret, &p, &info);
    if (ph_sasl_client_new(mechanism, &p, &a.sasl, err))
        return -1;
    bool first = ph_sasl_client_first(a.sasl);
    if (first && ph_sasl_client_step(a.sasl, PH_STR(""), &a.initial, err) < 0)
        goto out;
    struct ph_writer *w = ph_conn_begin(c, &a.cmd, &ops);
    ph_write_raw(w, "AUTHENTICATE ");
    ph_write_raw(w, mechanism);
    if (first && (c->caps.bits & PH_CAP_SASL_IR)) {
        ph_write_char(w, ' ');
        if (ph_buf_len(&a.initial))
            ph_base64_encode(ph_buf_str(&a.initial), &w->out);
        else
            ph_write_char(w, '=');
    } else {
        a.initial_pending = first;
    }
    c->secret_input = true;
    ph_caps_forget(&c->caps); /* what was said before the login does not hold after it */
    if (ph_conn_end(c, err) == 0 && ph_conn_wait(c, &a.cmd, err) == 0) {
        if (a.err.kind != PH_OK)
            *err = a.err;
        else if (a.cmd.status != PH_ST_OK)
            *err = a.cmd.err;
        else if (!ph_sasl_client_satisfied(a.sasl))
            ph_fail(err, PH_SCOPE_STORE, PH_E_PROTOCOL, "the server said yes without proving that it knows the password");
        else
            r = 0;
        if (r)
            auth_failed(c, mechanism, ph_sasl_server_words(a.sasl), err);
    }
    c->secret_input = false;
out:
    ph_wipe(a.initial.mem, a.initial.cap);
    ph_buf_done(&a.initial);
    ph_sasl_free(a.sasl);
    return r;
}

static int login_command(struct ph_conn *c, const char *user, struct ph_str password, struct ph_err *err)
{
    struct ph_cmd cmd = { 0 };
    struct ph_writer *w = ph_conn_begin(c, &cmd, NULL);

    ph_write_raw(w, "LOGIN ");
    ph_write_astring(w, ph_str(user));
    ph_write_char(w, ' ');
    ph_write_string(w, password);
    c->secret_input = true;
    ph_caps_forget(&c->caps);
    int r = ph_conn_end(c, err) || ph_conn_wait_ok(c, &cmd, err) ? -1 : 0;
    c->secret_input = false;
    ph_wipe(c->w.out.mem, c->w.out.cap);
    if (r && c->broken.kind == PH_OK)
        auth_failed(c, "LOGIN", "", err);
    return r;
}

static int check_private(struct ph_conn *c, const char *how, struct ph_err *err)
{
    if (ph_conn_is_private(c) || c->opt->allow_cleartext)
        return 0;
    return ph_fail(err, PH_SCOPE_STORE, PH_E_CLEARTEXT,
                   "%s: the connection is not encrypted, and %s would send the secret in clear; use imaps:// or a server "
                   "with STARTTLS, or say --allow-cleartext", c->opt->host, how);
}

static bool method_is_clear(const char *m)
{
    static const char *const clear[] = { "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER" };

    for (size_t i = 0; i < sizeof clear / sizeof *clear; i++)
        if (strcasecmp(m, clear[i]) == 0)
            return true;
    return false;
}

static bool binds(const char *mechanism)
{
    size_t n = strlen(mechanism);

    return n > 5 && strcmp(mechanism + n - 5, "-PLUS") == 0;
}

/* Copies of the capabilities are needed: an attempt forgets them. */
static int best_mechanism(struct ph_conn *c, struct ph_secret *secret, struct ph_err *err)
{
    const struct ph_imap_options *o = c->opt;
    bool token = o->credential && ph_credential_kind_of(o->credential) == PH_CRED_TOKEN;
    struct ph_tls_info info;
    char *offered = strdup(ph_buf_z(&c->caps.mechanisms));
    uint32_t bits = c->caps.bits;
    struct ph_sasl_choice choice = {
        .offered = offered ? offered : "",
        .tls = ph_conn_is_private(c),
        .have_binding = c->tls && ph_tls_info(c->stream, &info) == 0 && info.binding_len,
        .have_password = !token,
        .have_token = token,
        .have_client_cert = c->tls && o->tls.cert_file,
        .authzid = o->admin != NULL,
        .allow_digest_md5 = o->allow_digest_md5,
        .allow_cleartext = o->allow_cleartext,
    };
    const char *m = ph_sasl_choose(&choice, NULL);
    int r;

    if (m) {
        r = authenticate(c, m, secret, err);
        /* Cyrus 3.6 knows only tls-unique, which TLS 1.3 does not have (RFC 9266 4.2), and offers -PLUS all the same: it calls that
         * a bad protocol, not a wrong password. Without binding, then, and said so: only where the certificate was verified. */
        if (r && !o->tls.insecure && binds(m) && info.binding_is_exporter && c->broken.kind == PH_OK && err->kind == PH_E_AUTH && !*err->code) {
            choice.have_binding = false;
            notice(c, "the server offers channel binding and cannot do it with TLS 1.3: logging in without");
            if ((m = ph_sasl_choose(&choice, NULL)))
                r = authenticate(c, m, secret, err);
        }
    } else if (!token && !o->admin && !(bits & PH_CAP_LOGINDISABLED)) {
        r = check_private(c, "LOGIN", err) ? -1 : login_command(c, o->user, ph_secret_str(secret), err);
    } else {
        r = ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "%s offers no way of logging in that fits (it offers: %s%s)",
                    o->host ? o->host : o->socket_path, *choice.offered ? choice.offered : "none",
                    bits & PH_CAP_LOGINDISABLED ? "; LOGIN is disabled, perhaps until TLS is on" : "");
    }
    free(offered);
    return r;
}

struct groupwise {
    struct ph_cmd cmd;
    struct ph_buf line;
};

static void on_groupwise(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct groupwise *g = (struct groupwise *)cmd;

    (void)r;
    ph_conn_trace(c, true, "<secret>", 8);
    ph_buf_add_str(&c->out, ph_buf_str(&g->line));
    ph_conn_flush(c);
}

/* GroupWise trusted application: `XGWTRUSTEDAPP ` and base64 of name NUL key behind the `+`, then LOGIN user "". */
static int groupwise(struct ph_conn *c, struct ph_err *err)
{
    static const struct ph_cmd_ops ops = { .go_on = on_groupwise };
    struct groupwise g = { .line = PH_BUF_INIT };
    struct ph_buf raw = PH_BUF_INIT;

    ph_buf_add_z(&raw, c->opt->gw_app);
    ph_buf_add_char(&raw, '\0');
    ph_buf_add_z(&raw, c->opt->gw_key);
    ph_buf_add_z(&g.line, "XGWTRUSTEDAPP ");
    ph_base64_encode(ph_buf_str(&raw), &g.line);
    ph_buf_add(&g.line, "\r\n", 2);
    ph_write_raw(ph_conn_begin(c, &g.cmd, &ops), "AUTHENTICATE XGWTRUSTEDAPP");
    c->secret_input = true;
    int r = ph_conn_end(c, err) || ph_conn_wait_ok(c, &g.cmd, err) ? -1 : 0;
    c->secret_input = false;
    if (r && c->broken.kind == PH_OK)
        auth_failed(c, "XGWTRUSTEDAPP", "", err);
    ph_wipe(raw.mem, raw.cap);
    ph_wipe(g.line.mem, g.line.cap);
    ph_buf_done(&raw);
    ph_buf_done(&g.line);
    return r ? -1 : login_command(c, c->opt->user, PH_STR(""), err);
}

static int log_in_with(struct ph_conn *c, struct ph_secret *secret, struct ph_err *err)
{
    const struct ph_imap_options *o = c->opt;

    switch (o->auth) {
    case PH_AUTH_MECHANISM:
        if (method_is_clear(o->mechanism) && check_private(c, o->mechanism, err))
            return -1;
        return authenticate(c, o->mechanism, secret, err);
    case PH_AUTH_LOGIN:
        if (c->caps.bits & PH_CAP_LOGINDISABLED || (o->credential && ph_credential_kind_of(o->credential) == PH_CRED_TOKEN))
            return best_mechanism(c, secret, err);
        return check_private(c, "LOGIN", err) ? -1 : login_command(c, o->user, ph_secret_str(secret), err);
    case PH_AUTH_GROUPWISE:
        return check_private(c, "XGWTRUSTEDAPP", err) ? -1 : groupwise(c, err);
    case PH_AUTH_KERIO:
        return ph_fail(err, PH_SCOPE_STORE, PH_E_UNSUPPORTED, "Kerio master passwords are not supported yet");
    default:
        return best_mechanism(c, secret, err);
    }
}

static int log_in(struct ph_conn *c, struct ph_err *err)
{
    const struct ph_imap_options *o = c->opt;
    struct ph_secret secret = { 0 };
    unsigned generation = 0;

    if (c->greeting_preauth)
        return 0;
    if (o->auth == PH_AUTH_PREAUTH)
        return fail_here(err, PH_SCOPE_STORE, PH_E_AUTH, c, "the connection is not pre-authenticated");
    if (o->credential && ph_credential_get(o->credential, &secret, &generation, err))
        return -1;
    int r = log_in_with(c, &secret, err);
    ph_secret_done(&secret);
    /* a token may have ended: the source is asked once more, for all lanes, and a new connection tries it */
    if (r && err && err->kind == PH_E_AUTH && o->credential && ph_credential_refresh(o->credential, generation))
        err->retry = PH_RETRY_RECONNECT;
    return r;
}

static int start_compression(struct ph_conn *c, struct ph_err *err)
{
    struct ph_err e;

    if (!c->opt->compress || !(c->caps.bits & PH_CAP_COMPRESS))
        return 0;
    if (simple(c, "COMPRESS DEFLATE", &e)) {
        if (c->broken.kind == PH_OK)
            return 0; /* refused: go on without */
        *err = e;
        return -1;
    }
    struct ph_stream *d = ph_deflate_stream_new(c->stream);
    if (!d)
        return ph_fail_memory(err);
    c->stream = d;
    return 0;
}

static void tell_connected(struct ph_conn *c)
{
    struct ph_tls_info info;
    char text[sizeof info.version + sizeof info.cipher + 2] = "clear";

    if (!c->opt->on_connected)
        return;
    if (c->tls && ph_tls_info(c->stream, &info) == 0)
        snprintf(text, sizeof text, "%s %s", info.version, info.cipher);
    c->opt->on_connected(c->opt->ctx, text);
}

int ph_conn_login(struct ph_conn *c, struct ph_err *err)
{
    const struct ph_imap_options *o = c->opt;
    int64_t deadline = ph_deadline_in(o->connect_timeout_ms ? o->connect_timeout_ms : 30000);
    bool not_tls = false, probe = o->security == PH_SEC_PROBE;
    struct ph_err local;

    if (!err)
        err = &local;
    if (o->security == PH_SEC_CLEAR && o->require_tls && !o->socket_path)
        return fail_here(err, PH_SCOPE_STORE, PH_E_TLS, c, "TLS is required, but was switched off");
    if (connect_stream(c, o->security == PH_SEC_TLS || probe, deadline, &not_tls, err) &&
        (!probe || !not_tls || connect_stream(c, false, deadline, NULL, err)))
        return -1;
    if (ph_loop_add(c->loop, &c->member))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "too many connections in one loop");
    if (read_greeting(c, err) || secure(c, deadline, err))
        return -1;
    if (!c->greeting_preauth && learn_caps(c, err))
        return -1;
    if (o->tls.insecure && c->tls)
        notice(c, "the certificate of the server is not verified (--insecure)");
    if (!ph_conn_is_private(c) && !c->greeting_preauth)
        notice(c, "the connection is not encrypted: passwords and mail travel in clear");
    if (log_in(c, err) || learn_caps(c, err))
        return -1;
    tell_connected(c);
    c->w.literals = c->caps.bits & PH_CAP_LITERAL_PLUS    ? PH_LITERAL_PLUS
                    : c->caps.bits & PH_CAP_LITERAL_MINUS ? PH_LITERAL_MINUS
                                                          : PH_LITERAL_SYNC;
    return start_compression(c, err);
}
