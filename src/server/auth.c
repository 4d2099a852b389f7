/* auth.c: LOGIN and AUTHENTICATE (RFC 9051 6.2.2, 6.2.3, SASL-IR RFC 4959). A failed login is answered late, with the same words
 * whether the name or the password was wrong; the session is parked meanwhile.
 */
#include <stdlib.h>
#include <syslog.h>

#include "sasl/sasl.h"
#include "server/commands.h"
#include "server/private.h"
#include "server/user.h"
#include "wire/respond.h"

#define DELAY_MS 1000 /* doubled with each failure of a connection */
#define DELAYS 3
#define AGAIN_MS 20  /* until a store that others are opening is asked for again */

struct auth {
    struct ph_sasl *sasl;
    struct ph_sasl_server_ops ops;
    bool unavailable;      /* credentials could not be checked */
    bool pending;          /* they are right, and the store is not ready yet */
    char mechanism[32];
    char tried[256];       /* the name that was given, for the log */
    char subject[512], common_name[256]; /* of the client's certificate */
};

/* ---- the application's callbacks ---- */

static void remember_name(struct session *s, const char *name)
{
    memcpy(s->auth->tried, name, strnlen(name, sizeof s->auth->tried - 1));
}

static int lookup(void *ctx, const char *authcid, struct ph_sasl_verifier *out)
{
    struct session *s = ctx;
    const struct ph_server_config *c = &s->server->config;
    struct ph_server_verifier v = { 0 };

    remember_name(s, authcid);
    if (!c->calls.verifier || c->calls.verifier(c->ctx, authcid, &v))
        return -1;
    *out = (struct ph_sasl_verifier){ v.password, v.scram_sha1, v.scram_sha256 };
    return 0;
}

static int check_password(void *ctx, const char *authcid, struct ph_str password)
{
    struct session *s = ctx;
    const struct ph_server_config *c = &s->server->config;

    remember_name(s, authcid);
    int rc = c->calls.check_password(c->ctx, authcid, password.p, password.n);
    s->auth->unavailable = rc > 0;
    return rc ? -1 : 0;
}

static int check_token(void *ctx, const char *user, struct ph_str token)
{
    struct session *s = ctx;
    const struct ph_server_config *c = &s->server->config;

    remember_name(s, user);
    int rc = c->calls.check_token(c->ctx, user, token.p, token.n);
    s->auth->unavailable = rc > 0;
    return rc ? -1 : 0;
}

static const char *external_user(const struct session *s, const char *authzid)
{
    return *authzid ? authzid : s->auth->common_name;
}

static int check_external(void *ctx, const char *authzid)
{
    struct session *s = ctx;
    const struct ph_server_config *c = &s->server->config;
    const char *user = external_user(s, authzid);

    remember_name(s, user);
    return *user ? c->calls.check_external(c->ctx, s->auth->subject, user) : -1;
}

/* ---- what is offered ---- */

enum needs { NEEDS_VERIFIER, NEEDS_CLEAR, NEEDS_BINDING, NEEDS_PASSWORD, NEEDS_TOKEN, NEEDS_EXTERNAL };

static const struct {
    const char *name;
    enum needs needs;
    bool cleartext; /* the secret itself is sent */
    bool hidden;    /* understood, but not to be recommended: RFC 6331 */
} mechanisms[] = {
    { "SCRAM-SHA-256-PLUS", NEEDS_BINDING },      { "SCRAM-SHA-1-PLUS", NEEDS_BINDING },
    { "SCRAM-SHA-256", NEEDS_VERIFIER },          { "SCRAM-SHA-1", NEEDS_VERIFIER },
    { "CRAM-MD5", NEEDS_CLEAR },                  { "DIGEST-MD5", NEEDS_CLEAR, false, true },
    { "PLAIN", NEEDS_PASSWORD, true },            { "LOGIN", NEEDS_PASSWORD, true },
    { "OAUTHBEARER", NEEDS_TOKEN, true },         { "XOAUTH2", NEEDS_TOKEN, true },
    { "EXTERNAL", NEEDS_EXTERNAL },
};
#define N_MECHANISMS (sizeof mechanisms / sizeof *mechanisms)

static bool get_binding(const struct session *s, struct ph_tls_info *info)
{
    return s->tls && ph_tls_info(s->stream, info) == 0 && info->binding_len;
}

static bool available(const struct session *s, enum needs n)
{
    const struct ph_server_callbacks *c = &s->server->config.calls;
    struct ph_tls_info info;
    char subject[512], cn[256];

    switch (n) {
    case NEEDS_VERIFIER:
        return c->verifier;
    case NEEDS_CLEAR:
        return c->verifier && !s->server->config.hashed_verifiers;
    case NEEDS_BINDING:
        return c->verifier && get_binding(s, &info);
    case NEEDS_PASSWORD:
        return c->check_password || c->verifier;
    case NEEDS_TOKEN:
        return c->check_token;
    case NEEDS_EXTERNAL:
        return c->check_external &&
               (s->local || (s->tls && ph_tls_peer_subject(s->stream, subject, sizeof subject, cn, sizeof cn) == 0));
    }
    return false;
}

void auth_mechanisms(struct session *s)
{
    for (size_t i = 0; i < N_MECHANISMS; i++)
        if (!mechanisms[i].hidden && available(s, mechanisms[i].needs) &&
            (!mechanisms[i].cleartext || session_may_use_cleartext(s))) {
            ph_write_raw(&s->w, " AUTH=");
            ph_write_raw(&s->w, mechanisms[i].name);
        }
}

/* ---- an exchange ---- */

void auth_free(struct session *s)
{
    if (s->mode == MODE_AUTH) {
        s->mode = MODE_COMMAND;
        free(s->idle_tag);
        s->idle_tag = NULL;
    }
    if (!s->auth)
        return;
    ph_sasl_free(s->auth->sasl);
    ph_wipe(s->auth, sizeof *s->auth);
    free(s->auth);
    s->auth = NULL;
}

static int auth_new(struct session *s, const char *mechanism, struct ph_err *err)
{
    const struct ph_server_callbacks *c = &s->server->config.calls;
    struct ph_tls_info info;

    auth_free(s);
    s->auth = calloc(1, sizeof *s->auth);
    if (!s->auth)
        return ph_fail_memory(err);
    memcpy(s->auth->mechanism, mechanism, strnlen(mechanism, sizeof s->auth->mechanism - 1));
    s->auth->ops = (struct ph_sasl_server_ops){
        .lookup = lookup,
        .check_password = c->check_password ? check_password : NULL,
        .check_token = c->check_token ? check_token : NULL,
        .check_external = c->check_external ? check_external : NULL,
    };
    if (s->tls)
        ph_tls_peer_subject(s->stream, s->auth->subject, sizeof s->auth->subject, s->auth->common_name,
                            sizeof s->auth->common_name);
    if (ph_sasl_server_new(mechanism, &s->auth->ops, s, "imap", s->server->host, &s->auth->sasl, err))
        return -1;
    if (get_binding(s, &info))
        ph_sasl_server_binding(s->auth->sasl, info.binding, info.binding_len, info.binding_is_exporter);
    return 0;
}

static void tell_tried(struct session *s, const char *user, bool ok)
{
    const struct ph_server_config *c = &s->server->config;

    if (c->calls.login_tried)
        c->calls.login_tried(c->ctx, conn_of(s), user, ok);
}

/* Before a try: whether it has to wait; then the command is read once more when the time is up. */
bool auth_must_wait(struct session *s)
{
    const struct ph_server_config *c = &s->server->config;
    unsigned ms = c->calls.login_delay && !s->login_held ? c->calls.login_delay(c->ctx, conn_of(s)) : 0;

    s->login_held = ms;
    if (ms)
        s->held_until = ph_deadline_in(ms);
    return ms;
}

static void refuse_late(struct session *s, const struct ph_command *c, const char *code, const char *text)
{
    struct ph_writer w;
    unsigned n = s->failed_logins < DELAYS ? s->failed_logins : DELAYS;

    atomic_fetch_add(&s->server->count.failed_logins, 1);
    tell_tried(s, s->auth->tried, false);
    server_log(s->server, s, LOG_NOTICE, "login failed: %s, %s", s->auth->tried[0] ? s->auth->tried : "no name",
               s->auth->mechanism);
    s->failed_logins++;
    ph_writer_init(&w, PH_LITERAL_ANSWER);
    ph_write_status_begin(&w, c->tag, PH_ST_NO);
    ph_write_char(&w, '[');
    ph_write_raw(&w, code);
    ph_write_raw(&w, "] ");
    ph_write_status_end(&w, ph_str(text));
    ph_buf_add_str(&s->late, ph_buf_str(&w.out));
    ph_writer_done(&w);
    /* An application that has waits of its own has made the client wait before this try. */
    s->held_until = ph_deadline_in(s->server->config.calls.login_delay ? 0 : (int64_t)DELAY_MS << n);
}

int session_login(struct session *s, const char *user, bool wait, struct ph_err *err)
{
    int rc = user_get(s->server, user, wait, &s->user, err);

    if (rc)
        return rc;
    session_reset_literals(s);
    s->failed_logins = 0;
    s->active = ph_now_ms();
    atomic_fetch_add(&s->server->count.logins, 1);
    atomic_fetch_add(&s->server->count.logged_in, 1);
    return 0;
}

static void write_login_ok(struct session *s, const struct ph_command *c)
{
    ph_write_status_begin(&s->w, c->tag, PH_ST_OK);
    ph_write_raw(&s->w, "[CAPABILITY ");
    write_capabilities(s);
    ph_write_raw(&s->w, "] ");
    ph_write_status_end(&s->w, PH_STR("Logged in"));
    s->bad_in_row = 0;
}

/* The credentials are right. false: the user's store is just being opened or closed by another, and no thread waits for that. */
static bool accepted(struct session *s, const struct ph_command *c)
{
    const struct ph_server_config *cfg = &s->server->config;
    const char *authc = ph_sasl_authcid(s->auth->sasl), *authz = ph_sasl_authzid(s->auth->sasl);
    struct ph_err err = { 0 };
    int rc;

    if (strcmp(s->auth->mechanism, "EXTERNAL") == 0)
        authc = authz = external_user(s, authz);
    if (strcmp(authc, authz) != 0 && (!cfg->calls.authorize || cfg->calls.authorize(cfg->ctx, authc, authz))) {
        refuse_late(s, c, "AUTHORIZATIONFAILED", "You may not act as that user");
    } else if (!*authz) {
        refuse_late(s, c, "AUTHENTICATIONFAILED", "Wrong name or password");
    } else if ((rc = session_login(s, authz, false, &err)) > 0 && !s->stopping) {
        return false;
    } else if (rc) {
        server_log(s->server, s, LOG_ERR, "%s: %s", authz, err.text);
        bool many = err.kind == PH_E_LIMIT;
        session_no(s, c, many ? "LIMIT" : "UNAVAILABLE", many ? err.text : "The mailboxes cannot be opened now");
    } else {
        tell_tried(s, s->auth->tried, true);
        server_log(s->server, s, LOG_INFO, "login: %s%s%s, %s%s", authz, strcmp(authc, authz) ? " by " : "",
                   strcmp(authc, authz) ? authc : "", s->auth->mechanism, s->tls ? ", TLS" : "");
        session_set_state(s, PH_ST_AUTHENTICATED);
        write_login_ok(s, c);
    }
    return true;
}

static void finish(struct session *s, const struct ph_command *c)
{
    s->auth->pending = !accepted(s, c);
    if (!s->auth->pending)
        return;
    if (s->mode != MODE_AUTH && !(s->idle_tag = ph_str_dup(c->tag)))
        s->w.failed = true;
    s->mode = MODE_AUTH;
    s->held_until = ph_deadline_in(AGAIN_MS);
}

void auth_resume(struct session *s)
{
    char *tag = s->auth && s->auth->pending ? ph_str_dup(ph_str(s->idle_tag)) : NULL;
    struct ph_command c = { .tag = ph_str(tag), .id = PH_CMD_AUTHENTICATE };

    if (!tag)
        return;
    finish(s, &c);
    if (!s->auth->pending)
        auth_free(s);
    free(tag);
}

/* What a step of the exchange means for the client. */
static void step(struct session *s, const struct ph_command *c, struct ph_str response)
{
    struct ph_buf out = PH_BUF_INIT, text = PH_BUF_INIT;
    struct ph_err err = { 0 };
    int rc = ph_sasl_server_step(s->auth->sasl, response, &out, &err);

    if (rc == 0) {
        if (ph_base64_encode(ph_buf_str(&out), &text))
            s->w.failed = true;
        ph_write_raw(&s->w, "+ ");
        ph_write_bytes(&s->w, ph_buf_str(&text));
        ph_write_crlf(&s->w);
        if (s->mode != MODE_AUTH && !(s->idle_tag = ph_str_dup(c->tag)))
            s->w.failed = true;
        s->mode = MODE_AUTH;
    } else {
        if (rc > 0)
            finish(s, c);
        else if (s->auth->unavailable)
            session_no(s, c, "UNAVAILABLE", "Cannot be checked now, try again later");
        else
            refuse_late(s, c, "AUTHENTICATIONFAILED", "Wrong name or password");
        if (!s->auth->pending)
            auth_free(s);
    }
    ph_wipe(ph_buf_data(&out), ph_buf_len(&out));
    ph_buf_done(&out);
    ph_buf_done(&text);
}

static int decode_and_step(struct session *s, const struct ph_command *c, struct ph_str base64)
{
    struct ph_buf raw = PH_BUF_INIT;
    int rc = ph_base64_decode(base64, &raw);

    if (rc == 0)
        step(s, c, ph_buf_str(&raw));
    ph_wipe(ph_buf_data(&raw), ph_buf_len(&raw));
    ph_buf_done(&raw);
    return rc;
}

void auth_line(struct session *s, struct ph_str line)
{
    char *tag = ph_str_dup(ph_str(s->idle_tag)); /* the exchange, and its tag, may end in here */
    struct ph_command c = { .tag = ph_str(tag), .id = PH_CMD_AUTHENTICATE };

    if (!tag) {
        s->w.failed = true;
        return;
    }
    if (ph_str_is(line, "*")) {
        auth_free(s);
        session_bad(s, &c, "AUTHENTICATE was cancelled");
    } else if (decode_and_step(s, &c, line)) {
        auth_free(s);
        session_bad(s, &c, "That is not base64");
    }
    free(tag);
}

int cmd_authenticate(struct session *s, struct ph_command *c, struct ph_err *err)
{
    size_t i = 0;

    while (i < N_MECHANISMS && !ph_str_caseis(c->auth.mechanism, mechanisms[i].name))
        i++;
    if (i == N_MECHANISMS || !available(s, mechanisms[i].needs)) {
        session_no(s, c, NULL, "This mechanism is not offered");
        return 0;
    }
    if (mechanisms[i].cleartext && !session_may_use_cleartext(s)) {
        session_no(s, c, "PRIVACYREQUIRED", "Not without TLS");
        return 0;
    }
    if (auth_new(s, mechanisms[i].name, err))
        return -1;
    if (!c->auth.initial.p) {
        step(s, c, PH_STR_NIL);
    } else if (decode_and_step(s, c, ph_str_is(c->auth.initial, "=") ? PH_STR("") : c->auth.initial)) {
        auth_free(s);
        session_bad(s, c, "That is not base64");
    }
    return 0;
}

/* The same check as for PLAIN, so that neither tells more about a name than the other. */
int cmd_login(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_buf plain = PH_BUF_INIT;

    if (!session_may_use_cleartext(s)) {
        session_no(s, c, "PRIVACYREQUIRED", "LOGIN is disabled: use TLS");
        return 0;
    }
    if (!available(s, NEEDS_PASSWORD)) {
        session_no(s, c, NULL, "Passwords are not taken here");
        return 0;
    }
    if (auth_new(s, "PLAIN", err))
        return -1;
    if (ph_buf_add_char(&plain, '\0') || ph_buf_add_str(&plain, c->login.user) || ph_buf_add_char(&plain, '\0') ||
        ph_buf_add_str(&plain, c->login.password))
        s->w.failed = true;
    else
        step(s, c, ph_buf_str(&plain));
    ph_wipe(ph_buf_data(&plain), ph_buf_len(&plain));
    ph_buf_done(&plain);
    return 0;
}
