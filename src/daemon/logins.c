#include "daemon/logins.h"

#include <string.h>
#include <syslog.h>

#include "base/deadline.h"
#include "daemon/password_command.h"

static int verifier(void *ctx, const char *user, struct ph_server_verifier *v)
{
    struct ph_logins *l = ctx;

    return ph_users_verifier(l->users, user, v);
}

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    struct ph_logins *l = ctx;
    struct ph_str given = { password, n };
    struct ph_err err = { 0 };
    int rc;

    if (l->users)
        return ph_users_check(l->users, user, given);
    if (!ph_user_name_ok(user) || n > 4096)
        return -1;
    if (l->config->any_user)
        return 0;
    rc = l->config->proxy ? ph_accounts_try(l->accounts, user, given, &err)
                          : ph_password_command(l->config->password_command, user, given, PH_PASSWORD_COMMAND_MS, &err);
    if (rc > 0)
        ph_log_f(l->log, LOG_ERR, "a login cannot be checked: %s", err.text);
    return rc;
}

int ph_subject_cn(const char *subject, char *out, size_t size)
{
    unsigned found = 0;

    for (const char *p = subject; *p;) {
        size_t n = 0;
        bool cn = strncmp(p, "CN=", 3) == 0, plain = true;
        while (*p && *p != '=')
            p++;
        p += *p == '=';
        const char *value = p;
        for (; p[n] && p[n] != ',' && p[n] != '+'; n++)
            if (p[n] == '\\' || p[n] == '"' || p[n] == '#') {
                plain = false;
                n += p[n] == '\\' && p[n + 1]; /* what is escaped ends nothing */
            }
        p += n;
        p += *p == ',' || *p == '+';
        if (!cn)
            continue;
        if (!plain || n == 0 || n >= size)
            return -1;
        memcpy(out, value, n);
        out[n] = '\0';
        found++;
    }
    return found == 1 ? 0 : -1;
}

/* The CN of a certificate that our authorities have signed is the user, who has to be one. */
static int check_external(void *ctx, const char *subject, const char *user)
{
    struct ph_logins *l = ctx;
    char cn[256];

    if (ph_subject_cn(subject, cn, sizeof cn) || strcmp(cn, user) != 0 || !ph_user_name_ok(user))
        return -1;
    return l->users && !ph_users_have(l->users, user) ? -1 : 0;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    struct ph_logins *l = ctx;

    if (!ph_user_name_ok(user))
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, "such a name has no mail here");
    /* Who only looks does not make anything. */
    return ph_accounts_open(l->accounts, user, l->config->writable, !l->config->writable, out, err);
}

static void close_store(void *ctx, const char *user, struct ph_store *store)
{
    struct ph_logins *l = ctx;

    ph_accounts_close(l->accounts, store);
}

/* Webmail and the like: one address, many users. */
static bool is_exempt(const struct ph_logins *l, const char *peer)
{
    unsigned char a[16], b[16];
    size_t n = ph_peer_address(peer, a);

    for (size_t i = 0; i < l->config->throttle_exempt.n; i++) {
        const char *given = l->config->throttle_exempt.item[i];
        char bracketed[80] = "[";
        size_t len = strlen(given);
        if (strchr(given, ':') && *given != '[' && len < sizeof bracketed - 2) {
            memcpy(bracketed + 1, given, len);
            memcpy(bracketed + 1 + len, "]", 2);
            given = bracketed;
        }
        if (n && ph_peer_address(given, b) == n && memcmp(a, b, n) == 0)
            return true;
    }
    return false;
}

static unsigned login_delay(void *ctx, struct ph_server_conn *c)
{
    struct ph_logins *l = ctx;
    const char *peer = ph_server_conn_peer(c);

    return l->throttle && !is_exempt(l, peer) ? ph_throttle_delay(l->throttle, peer, ph_now_ms()) : 0;
}

static void login_tried(void *ctx, struct ph_server_conn *c, const char *user, bool ok)
{
    struct ph_logins *l = ctx;

    if (l->throttle && !ok)
        ph_throttle_failed(l->throttle, ph_server_conn_peer(c), ph_now_ms());
}

static void log_line(void *ctx, int level, struct ph_server_conn *c, const char *line)
{
    struct ph_logins *l = ctx;

    if (c)
        ph_log_f(l->log, level, "imap %llu %s %s", (unsigned long long)ph_server_conn_id(c), ph_server_conn_peer(c), line);
    else
        ph_log_line(l->log, level, line);
}

void ph_logins_install(struct ph_logins *l, struct ph_server_config *c)
{
    bool passwords = l->users || l->config->password_command || l->config->any_user || l->config->proxy;

    c->ctx = l;
    c->calls = (struct ph_server_callbacks){
        .verifier = l->users && ph_users_all_scram(l->users) ? verifier : NULL,
        .check_password = passwords ? check_password : NULL,
        .check_external = l->config->tls_client_ca ? check_external : NULL,
        .open_store = open_store,
        .close_store = close_store,
        .login_delay = login_delay,
        .login_tried = login_tried,
        .log = log_line,
    };
}
