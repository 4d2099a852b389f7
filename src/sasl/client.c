/* client.c: the client's side of an exchange. */
#include <stdlib.h>

#include "sasl/private.h"

/* PBKDF2 rounds a server may ask for. RFC 7677 says 4096 at least, today's advice is 600,000; without a limit a
 * hostile server could keep a thread computing for an hour. */
#define SCRAM_ITERATIONS_MAX 5000000

static int give(Gsasl_session *session, Gsasl_property property, struct ph_str v)
{
    return v.p ? gsasl_property_set_raw(session, property, v.p, v.n) : GSASL_NO_CALLBACK;
}

static bool is_plus(const char *mechanism)
{
    size_t n = strlen(mechanism);

    return n > 5 && strcmp(mechanism + n - 5, "-PLUS") == 0;
}

static int give_binding(struct ph_sasl *s, Gsasl_session *session, Gsasl_property property)
{
    const struct ph_sasl_client_params *c = &s->client;

    /* A SCRAM without -PLUS that is given binding data would say "y", and then fail with servers that can bind. */
    if (!c->binding_len || !is_plus(s->mechanism) ||
        c->binding_is_exporter != (property == GSASL_CB_TLS_EXPORTER))
        return GSASL_NO_CALLBACK;
    return ph_gsasl_set_base64(session, property, c->binding, c->binding_len) < 0 ? GSASL_MALLOC_ERROR : GSASL_OK;
}

static int answer(Gsasl *lib, Gsasl_session *session, Gsasl_property property)
{
    struct ph_sasl *s = gsasl_callback_hook_get(lib);
    const struct ph_sasl_client_params *c = &s->client;

    switch (property) {
    case GSASL_AUTHID:
        return give(session, property, ph_str(c->authcid));
    case GSASL_AUTHZID:
        return c->authzid && *c->authzid ? give(session, property, ph_str(c->authzid)) : GSASL_NO_CALLBACK;
    case GSASL_PASSWORD:
        return give(session, property, c->password);
    case GSASL_SERVICE:
        return give(session, property, ph_str(c->service));
    case GSASL_HOSTNAME:
        return give(session, property, ph_str(c->host));
    case GSASL_QOP:
        return give(session, property, PH_STR("qop-auth"));
    case GSASL_CB_TLS_UNIQUE:
    case GSASL_CB_TLS_EXPORTER:
        return give_binding(s, session, property);
    default:
        return GSASL_NO_CALLBACK;
    }
}

static bool has_nul(struct ph_str s)
{
    return s.n && memchr(s.p, '\0', s.n);
}

static int check_params(const struct ph_sasl_mechanism *m, const struct ph_sasl_client_params *p, struct ph_err *err)
{
    bool other = p->authzid && *p->authzid && (!p->authcid || strcmp(p->authzid, p->authcid) != 0);

    if (other && !m->authzid)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, "%s cannot act for another user", m->name);
    if (m->password && !p->password.p)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "%s needs a password", m->name);
    if (m->how != PH_SASL_GSASL && !p->token.p)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "%s needs an access token", m->name);
    if ((m->password || m->how != PH_SASL_GSASL) && !p->authcid)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "%s needs a user name", m->name);
    if (is_plus(m->name) && !p->binding_len)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_UNSUPPORTED, "%s needs a TLS connection with channel binding",
                       m->name);
    if (m->password && has_nul(p->password))
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, "%s: a NUL in the password", m->name);
    return 0;
}

static int start_gsasl(struct ph_sasl *s, struct ph_err *err)
{
    int rc = gsasl_init(&s->lib);

    if (rc != GSASL_OK)
        return ph_gsasl_fail(s, rc, err);
    gsasl_callback_hook_set(s->lib, s);
    gsasl_callback_set(s->lib, answer);
    rc = gsasl_client_start(s->lib, s->mechanism, &s->session);
    if (rc == GSASL_UNKNOWN_MECHANISM || rc == GSASL_NO_CLIENT_CODE)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_UNSUPPORTED, "the mechanism %s is not built in", s->mechanism);
    return rc == GSASL_OK ? 0 : ph_gsasl_fail(s, rc, err);
}

int ph_sasl_client_new(const char *mechanism, const struct ph_sasl_client_params *params, struct ph_sasl **out,
                       struct ph_err *err)
{
    const struct ph_sasl_mechanism *m = ph_sasl_mechanism(mechanism);

    *out = NULL;
    if (!m)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_UNSUPPORTED, "the mechanism %.40s is not built in", mechanism);
    if (check_params(m, params, err) < 0)
        return -1;
    struct ph_sasl *s = calloc(1, sizeof *s);
    if (!s)
        return ph_fail_memory(err);
    s->mechanism = m->name;
    s->how = m->how;
    s->first = m->first;
    s->proof = m->proof;
    s->client = *params;
    if (m->how == PH_SASL_GSASL && start_gsasl(s, err) < 0) {
        ph_sasl_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

bool ph_sasl_client_first(const struct ph_sasl *s)
{
    return s->first;
}

/* server-first-message = nonce "," salt "," iteration-count (RFC 5802 section 7) */
static int check_scram_iterations(const struct ph_sasl *s, struct ph_str challenge, struct ph_err *err)
{
    uint64_t n = 0;

    if (strncmp(s->mechanism, "SCRAM-", 6) != 0 || s->steps != 1)
        return 0;
    for (size_t i = 0; i + 2 < challenge.n; i++) {
        if (memcmp(challenge.p + i, ",i=", 3) != 0)
            continue;
        for (i += 3; i < challenge.n && challenge.p[i] >= '0' && challenge.p[i] <= '9'; i++)
            if ((n = n * 10 + (uint64_t)(challenge.p[i] - '0')) > SCRAM_ITERATIONS_MAX)
                return ph_fail(err, PH_SCOPE_STORE, PH_E_LIMIT, "%s: the server asks for more than %d rounds",
                               s->mechanism, SCRAM_ITERATIONS_MAX);
    }
    return 0;
}

static int gsasl_client(struct ph_sasl *s, struct ph_str challenge, struct ph_buf *out, struct ph_err *err)
{
    if (check_scram_iterations(s, challenge, err) < 0)
        return -1;
    s->steps++;
    int rc = ph_gsasl_step(s, challenge, out);
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
        return ph_gsasl_fail(s, rc, err);
    return rc == GSASL_OK;
}

int ph_sasl_client_step(struct ph_sasl *s, struct ph_str challenge, struct ph_buf *out, struct ph_err *err)
{
    int rc;

    ph_buf_clear(out);
    if (s->failed)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "%s: the exchange has failed already", s->mechanism);
    if (s->how == PH_SASL_GSASL) {
        if (s->done) {
            /* Nothing is left to be asked. Only what follows the server's proof may be empty. */
            if (challenge.n == 0)
                return 1;
            s->failed = true;
            return ph_gsasl_fail(s, GSASL_MECHANISM_CALLED_TOO_MANY_TIMES, err);
        }
        rc = gsasl_client(s, challenge, out, err);
    } else {
        rc = ph_bearer_client_step(s, challenge, out, err);
    }
    if (rc < 0)
        s->failed = true;
    if (rc > 0)
        s->done = true;
    return rc;
}

bool ph_sasl_client_satisfied(const struct ph_sasl *s)
{
    return !s->failed && (s->done || !s->proof);
}

const char *ph_sasl_server_words(const struct ph_sasl *s)
{
    return s->words;
}
