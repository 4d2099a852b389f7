#include "cli/side.h"

#include <string.h>

#include "base/secret.h"
#include "base/str.h"

void ph_side_init(struct ph_side *s, bool source)
{
    *s = (struct ph_side){ .name = source ? "source" : "destination", .prefix = source ? "src" : "dst" };
}

int ph_side_take_url(struct ph_side *s, char *text, struct ph_arena *arena, struct ph_err *err)
{
    struct ph_url u;

    if (ph_url_parse(text, arena, &u, err)) {
        ph_err_prefix(err, "%s", s->name);
        return -1;
    }
    s->given = true;
    s->scheme = u.scheme;
    s->imap.host = u.host;
    s->imap.port = u.port;
    s->imap.socket_path = u.path;
    s->imap.user = u.user;
    s->secret = u.secret;
    if (u.auth && !s->auth)
        s->auth = u.auth;
    return 0;
}

int ph_side_take_conn(struct ph_side *s, char *text, struct ph_arena *arena, struct ph_err *err)
{
    struct ph_connstr c;

    if (ph_connstr_parse(text, arena, &c, err))
        return -1;
    s->given = s->classic = true;
    s->imap.host = c.host;
    s->imap.port = c.port;
    s->imap.user = c.user;
    s->imap.admin = c.admin;
    s->prompt = c.secret && strcmp(c.secret, "PROMPT") == 0;
    s->secret = s->prompt ? NULL : c.secret;
    if (c.method == PH_CONNSTR_CRAM_MD5)
        s->cram_md5 = true;
    else if (c.method == PH_CONNSTR_PREAUTH)
        s->auth = "PREAUTH";
    return 0;
}

/* ---- TLS ---- */

static int named_security(struct ph_side *s, struct ph_err *err)
{
    static const struct {
        const char *name;
        enum ph_security security;
    } kinds[] = { { "immediate", PH_SEC_TLS }, { "starttls", PH_SEC_STARTTLS }, { "offered", PH_SEC_STARTTLS_IF_OFFERED },
                  { "none", PH_SEC_CLEAR } };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(s->tls, kinds[i].name) == 0) {
            s->imap.security = kinds[i].security;
            return 0;
        }
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "--%s-tls wants immediate, starttls, offered or none, not \"%s\"", s->prefix,
                   s->tls);
}

/* The classic rule goes by the port, and never fails for want of TLS; the modern one goes by the scheme, and does. */
static void usual_security(struct ph_side *s, const struct ph_side_rules *r)
{
    struct ph_imap_options *o = &s->imap;

    if (o->socket_path) {
        o->security = PH_SEC_CLEAR;
    } else if (s->classic) {
        if (o->port == 0)
            o->port = 143;
        o->security = o->port == 993   ? PH_SEC_TLS
                      : o->port != 143 ? PH_SEC_PROBE
                      : r->no_starttls ? PH_SEC_CLEAR
                                       : PH_SEC_STARTTLS_IF_OFFERED;
    } else if (s->scheme == PH_URL_IMAPS) {
        o->security = PH_SEC_TLS;
    } else if (ph_host_is_loopback(o->host)) {
        o->security = PH_SEC_CLEAR; /* the bytes stay on this machine, and no certificate is made out to it */
    } else {
        o->security = r->allow_cleartext ? PH_SEC_STARTTLS_IF_OFFERED : PH_SEC_STARTTLS;
    }
}

static int finish_tls(struct ph_side *s, const struct ph_side_rules *r, struct ph_err *err)
{
    struct ph_imap_options *o = &s->imap;

    usual_security(s, r);
    if (s->tls && named_security(s, err))
        return -1;
    if (s->pin && s->insecure)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a pinned certificate and --insecure contradict each other (%s)", s->name);
    if (!s->cert_file != !s->key_file)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a client certificate needs --%s-cert-file and --%s-key-file", s->prefix,
                       s->prefix);
    o->tls = (struct ph_tls_config){ .ca_file = s->ca_file, .ca_path = s->ca_path, .cert_file = s->cert_file,
                                     .key_file = s->key_file, .insecure = s->insecure };
    if (s->pin)
        o->tls.pin_sha256 = strncasecmp(s->pin, "sha256:", 7) == 0 ? s->pin + 7 : s->pin;
    o->allow_cleartext = s->classic ? !r->require_tls : r->allow_cleartext;
    o->require_tls = r->require_tls;
    return 0;
}

/* ---- who ---- */

static int split_admin(struct ph_side *s, struct ph_arena *arena, struct ph_err *err)
{
    const char *colon = strchr(s->admin_pair, ':');

    if (!colon || colon == s->admin_pair)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the %s administrator is given as admin:password", s->name);
    s->imap.admin = ph_arena_dup(arena, s->admin_pair, (size_t)(colon - s->admin_pair));
    s->secret = ph_arena_strdup(arena, ph_str(colon + 1));
    return s->imap.admin && s->secret ? 0 : ph_fail_memory(err);
}

static bool is_oauth2(const char *secret)
{
    return secret && strncasecmp(secret, "oauth2:", 7) == 0;
}

static int finish_auth(struct ph_side *s, struct ph_err *err)
{
    struct ph_imap_options *o = &s->imap;
    bool token = is_oauth2(s->secret) || s->token_file || s->token_env || s->token_command;

    if (s->cram_md5 && !s->auth)
        s->auth = "CRAM-MD5";
    if (s->kerio_secret) {
        o->auth = PH_AUTH_KERIO;
    } else if (token && !s->auth) {
        o->auth = PH_AUTH_BEST;
    } else if (s->auth && strcasecmp(s->auth, "PREAUTH") == 0) {
        o->auth = PH_AUTH_PREAUTH;
    } else if (s->auth && strcasecmp(s->auth, "LOGIN") == 0) {
        o->auth = PH_AUTH_LOGIN;
    } else if (s->auth) {
        o->auth = PH_AUTH_MECHANISM;
        o->mechanism = s->auth;
        o->allow_digest_md5 = strcasecmp(s->auth, "DIGEST-MD5") == 0;
    } else if (o->admin && s->classic) {
        o->auth = PH_AUTH_MECHANISM;
        o->mechanism = "PLAIN";
    } else {
        o->auth = s->classic ? PH_AUTH_LOGIN : PH_AUTH_BEST;
    }
    if (o->admin && s->auth && (strcasecmp(s->auth, "CRAM-MD5") == 0 || strcasecmp(s->auth, "LOGIN") == 0))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s cannot act for another user: an administrator (%s) needs PLAIN or SCRAM",
                       s->auth, s->name);
    if (!o->user && o->auth != PH_AUTH_PREAUTH)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no user is named for the %s: write it before the host (user@host), or use "
                                                      "--%s-user", s->name, s->prefix);
    return 0;
}

int ph_side_finish(struct ph_side *s, const struct ph_side_rules *r, struct ph_arena *arena, struct ph_err *err)
{
    struct ph_imap_options *o = &s->imap;

    if (s->user)
        o->user = s->user;
    if (s->admin)
        o->admin = s->admin;
    if (s->admin_pair && (!s->secret || !*s->secret) && split_admin(s, arena, err))
        return -1;
    if (finish_tls(s, r, err) || finish_auth(s, err))
        return -1;
    o->compress = r->compress;
    o->timeout_ms = r->timeout_ms;
    o->connect_timeout_ms = r->connect_timeout_ms;
    o->without = s->without;
    return 0;
}

/* ---- the secret ---- */

int ph_side_secret(const struct ph_side *s, struct ph_secret_plan *out, struct ph_err *err)
{
    const struct ph_secret_plan said[] = {
        { PH_SECRET_FILE, false, s->password_file }, { PH_SECRET_ENV, false, s->password_env },
        { PH_SECRET_COMMAND, false, s->password_command }, { PH_SECRET_FILE, true, s->token_file },
        { PH_SECRET_ENV, true, s->token_env }, { PH_SECRET_COMMAND, true, s->token_command },
        { PH_SECRET_GIVEN, false, s->kerio_secret },
    };

    *out = (struct ph_secret_plan){ PH_SECRET_NONE, false, NULL };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (!said[i].value)
            continue;
        if (out->value)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "two sources of a password for the %s", s->name);
        *out = said[i];
    }
    if (out->value || s->imap.auth == PH_AUTH_PREAUTH)
        return 0;
    if (s->secret) {
        bool token = is_oauth2(s->secret);
        *out = (struct ph_secret_plan){ PH_SECRET_GIVEN, token, s->secret + (token ? 7 : 0) };
        return 0;
    }
    if (s->imap.auth == PH_AUTH_MECHANISM && (strcasecmp(s->imap.mechanism, "EXTERNAL") == 0 ||
                                              strcasecmp(s->imap.mechanism, "GSSAPI") == 0))
        return 0;
    out->source = PH_SECRET_ASK;
    return 0;
}

void ph_side_wipe(struct ph_side *s)
{
    const char *secrets[] = { s->secret, s->kerio_secret, s->admin_pair };

    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (secrets[i])
            ph_wipe((char *)(uintptr_t)secrets[i], strlen(secrets[i]));
    s->secret = s->kerio_secret = s->admin_pair = NULL;
}
