/* server.c: the server's side of an exchange.
 *
 * A name that does not exist looks like one with a wrong password: it gets a salt of its own that stays
 * the same, keys that nothing fits, and as much computing.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "sasl/private.h"

#define DEFAULT_ITERATIONS 4096 /* RFC 5802 section 5.1, RFC 7677 section 4 */
#define SALT_BYTES 16

struct scram_fields {
    char iterations[12], salt[128], stored_key[64], server_key[64]; /* base64 but for the first */
};

static pthread_once_t secret_once = PTHREAD_ONCE_INIT;
static unsigned char salt_secret[32]; /* constant after secret_once: made-up salts must not be guessable */

static void make_salt_secret(void)
{
    if (RAND_bytes(salt_secret, sizeof salt_secret) != 1)
        memset(salt_secret, 0x5a, sizeof salt_secret);
}

/* The base64 salt for a user who has none stored. */
static const char *own_salt(struct ph_sasl *s, const char *authcid)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct ph_buf text = PH_BUF_INIT;

    if (s->salt)
        return s->salt;
    pthread_once(&secret_once, make_salt_secret);
    if (HMAC(EVP_sha256(), salt_secret, sizeof salt_secret, (const unsigned char *)authcid, strlen(authcid), mac,
             &n) &&
        ph_base64_encode((struct ph_str){ (char *)mac, SALT_BYTES }, &text) == 0)
        s->salt = ph_str_dup(ph_buf_str(&text));
    ph_buf_done(&text);
    return s->salt;
}

static bool take_field(const char **p, char *out, size_t size, bool last)
{
    size_t n = strcspn(*p, ",");

    if (n == 0 || n >= size || ((*p)[n] == '\0') != last)
        return false;
    memcpy(out, *p, n);
    out[n] = '\0';
    *p += n + !last;
    return true;
}

static bool parse_scram(const char *text, struct scram_fields *f)
{
    return text && take_field(&text, f->iterations, sizeof f->iterations, false) &&
           take_field(&text, f->salt, sizeof f->salt, false) &&
           take_field(&text, f->stored_key, sizeof f->stored_key, false) &&
           take_field(&text, f->server_key, sizeof f->server_key, true);
}

static struct ph_sasl_verifier look_up(struct ph_sasl *s, const char *authcid)
{
    struct ph_sasl_verifier v = { 0 };

    if (!s->ops->lookup || s->ops->lookup(s->ctx, authcid, &v) != 0)
        v = (struct ph_sasl_verifier){ 0 };
    return v;
}

static int give_random(Gsasl_session *session, Gsasl_property property, size_t n)
{
    unsigned char junk[32];

    if (RAND_bytes(junk, (int)n) != 1)
        return GSASL_CRYPTO_ERROR;
    return ph_gsasl_set_base64(session, property, junk, n) < 0 ? GSASL_MALLOC_ERROR : GSASL_OK;
}

static int scram_property(struct ph_sasl *s, Gsasl_session *session, Gsasl_property property)
{
    const char *authcid = gsasl_property_fast(session, GSASL_AUTHID);
    bool sha256 = strncmp(s->mechanism, "SCRAM-SHA-256", 13) == 0;
    struct scram_fields f;

    if (!authcid)
        return GSASL_NO_AUTHID;
    struct ph_sasl_verifier v = look_up(s, authcid);
    bool stored = parse_scram(sha256 ? v.scram_sha256 : v.scram_sha1, &f);
    if (property == GSASL_SCRAM_ITER)
        return stored ? gsasl_property_set(session, property, f.iterations) : GSASL_NO_CALLBACK;
    if (property == GSASL_SCRAM_SALT) {
        const char *salt = stored ? f.salt : own_salt(s, authcid);
        return salt ? gsasl_property_set(session, property, salt) : GSASL_MALLOC_ERROR;
    }
    if (stored)
        return gsasl_property_set(session, property,
                                  property == GSASL_SCRAM_STOREDKEY ? f.stored_key : f.server_key);
    return v.password ? GSASL_NO_CALLBACK : give_random(session, property, sha256 ? 32 : 20);
}

static int give_password(struct ph_sasl *s, Gsasl_session *session)
{
    const char *authcid = gsasl_property_fast(session, GSASL_AUTHID);

    if (!authcid)
        return GSASL_NO_AUTHID;
    struct ph_sasl_verifier v = look_up(s, authcid);
    return v.password ? gsasl_property_set(session, GSASL_PASSWORD, v.password)
                      : give_random(session, GSASL_PASSWORD, 32);
}

/* Compare a clear password with what is known of the user, always at the cost of one key derivation. */
static bool password_fits(struct ph_sasl *s, const char *authcid, const char *password)
{
    struct ph_sasl_verifier v = look_up(s, authcid);
    struct scram_fields f = { .iterations = "4096" };
    bool sha1 = !v.scram_sha256 && v.scram_sha1;
    bool stored = parse_scram(sha1 ? v.scram_sha1 : v.scram_sha256, &f);
    char salted[GSASL_HASH_MAX_SIZE], client[GSASL_HASH_MAX_SIZE], server[GSASL_HASH_MAX_SIZE],
        key[GSASL_HASH_MAX_SIZE];
    size_t n = sha1 ? 20 : 32;
    struct ph_buf salt = PH_BUF_INIT, want = PH_BUF_INIT;
    const char *salt_text = stored ? f.salt : own_salt(s, authcid);
    bool fits = false;

    if (salt_text && ph_base64_decode(ph_str(salt_text), &salt) == 0 &&
        gsasl_scram_secrets_from_password(sha1 ? GSASL_HASH_SHA1 : GSASL_HASH_SHA256, password,
                                          (unsigned)strtoul(f.iterations, NULL, 10), ph_buf_data(&salt),
                                          ph_buf_len(&salt), salted, client, server, key) == GSASL_OK) {
        if (stored)
            fits = ph_base64_decode(ph_str(f.stored_key), &want) == 0 && ph_buf_len(&want) == n &&
                   CRYPTO_memcmp(ph_buf_data(&want), key, n) == 0;
    }
    if (!fits && v.password && strlen(v.password) == strlen(password))
        fits = CRYPTO_memcmp(v.password, password, strlen(password)) == 0;
    ph_wipe(salted, sizeof salted);
    ph_wipe(client, sizeof client);
    ph_wipe(server, sizeof server);
    ph_buf_done(&salt);
    ph_buf_done(&want);
    return fits;
}

static int validate_simple(struct ph_sasl *s, Gsasl_session *session)
{
    const char *authcid = gsasl_property_fast(session, GSASL_AUTHID);
    const char *password = gsasl_property_fast(session, GSASL_PASSWORD);
    bool ok;

    if (!authcid || !password)
        return GSASL_AUTHENTICATION_ERROR;
    if (s->ops->check_password)
        ok = s->ops->check_password(s->ctx, authcid, ph_str(password)) == 0;
    else
        ok = password_fits(s, authcid, password);
    return ok ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static int validate_external(struct ph_sasl *s, Gsasl_session *session)
{
    const char *authzid = gsasl_property_fast(session, GSASL_AUTHZID);

    return s->ops->check_external && s->ops->check_external(s->ctx, authzid ? authzid : "") == 0
               ? GSASL_OK
               : GSASL_AUTHENTICATION_ERROR;
}

static int give_binding(struct ph_sasl *s, Gsasl_session *session, Gsasl_property property)
{
    if (!s->binding_len || s->binding_is_exporter != (property == GSASL_CB_TLS_EXPORTER))
        return GSASL_NO_CALLBACK;
    return ph_gsasl_set_base64(session, property, s->binding, s->binding_len) < 0 ? GSASL_MALLOC_ERROR : GSASL_OK;
}

static int answer(Gsasl *lib, Gsasl_session *session, Gsasl_property property)
{
    struct ph_sasl *s = gsasl_callback_hook_get(lib);

    switch ((int)property) {
    case GSASL_VALIDATE_SIMPLE:
        return validate_simple(s, session);
    case GSASL_VALIDATE_EXTERNAL:
        return validate_external(s, session);
    case GSASL_PASSWORD:
        return give_password(s, session);
    case GSASL_SCRAM_ITER:
    case GSASL_SCRAM_SALT:
    case GSASL_SCRAM_STOREDKEY:
    case GSASL_SCRAM_SERVERKEY:
        return scram_property(s, session, property);
    case GSASL_SERVICE:
        return gsasl_property_set(session, property, s->service);
    case GSASL_HOSTNAME:
    case GSASL_REALM:
        return gsasl_property_set(session, property, s->host);
    case GSASL_QOPS:
        return gsasl_property_set(session, property, "qop-auth");
    case GSASL_CB_TLS_UNIQUE:
    case GSASL_CB_TLS_EXPORTER:
        return give_binding(s, session, property);
    default:
        return GSASL_NO_CALLBACK;
    }
}

static bool built_in(struct ph_sasl *s)
{
    if (s->how != PH_SASL_GSASL)
        return true;
    if (strcmp(s->mechanism, "GSSAPI") == 0 || gsasl_init(&s->lib) != GSASL_OK)
        return false;
    return gsasl_server_support_p(s->lib, s->mechanism);
}

int ph_sasl_server_new(const char *mechanism, const struct ph_sasl_server_ops *ops, void *ctx, const char *service,
                       const char *host, struct ph_sasl **out, struct ph_err *err)
{
    const struct ph_sasl_mechanism *m = ph_sasl_mechanism(mechanism);
    struct ph_sasl *s = calloc(1, sizeof *s);

    *out = NULL;
    if (s) {
        s->service = ph_str_dup(ph_str(service));
        s->host = ph_str_dup(ph_str(host));
    }
    if (!s || !s->service || !s->host) {
        ph_sasl_free(s);
        return ph_fail_memory(err);
    }
    s->is_server = true;
    s->ops = ops;
    s->ctx = ctx;
    s->mechanism = m ? m->name : "";
    if (m) {
        s->how = m->how;
        s->first = m->first;
    }
    if (!m || !built_in(s)) {
        ph_sasl_free(s);
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_UNSUPPORTED, "the mechanism %.40s is not built in", mechanism);
    }
    if (s->lib) {
        gsasl_callback_hook_set(s->lib, s);
        gsasl_callback_set(s->lib, answer);
    }
    *out = s;
    return 0;
}

int ph_sasl_server_binding(struct ph_sasl *s, const void *p, size_t n, bool is_exporter)
{
    if (n > sizeof s->binding || s->session)
        return -1;
    memcpy(s->binding, p, n);
    s->binding_len = n;
    s->binding_is_exporter = is_exporter;
    return 0;
}

static int keep_names(struct ph_sasl *s, struct ph_err *err)
{
    if (s->session) {
        const char *authcid = gsasl_property_fast(s->session, GSASL_AUTHID);
        const char *authzid = gsasl_property_fast(s->session, GSASL_AUTHZID);
        if (authcid || authzid)
            s->authcid = ph_str_dup(ph_str(authcid ? authcid : authzid));
        if (authzid && *authzid)
            s->authzid = ph_str_dup(ph_str(authzid));
        if ((authzid && *authzid && !s->authzid) || ((authcid || authzid) && !s->authcid))
            return ph_fail_memory(err);
    }
    return 1;
}

/* 1 content, 0 more, -1 */
static int gsasl_server(struct ph_sasl *s, struct ph_str response, struct ph_buf *out, struct ph_err *err)
{
    int rc = s->session ? GSASL_OK : gsasl_server_start(s->lib, s->mechanism, &s->session);

    if (rc == GSASL_OK)
        rc = ph_gsasl_step(s, response, out);
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
        return ph_gsasl_fail(s, rc, err);
    return rc == GSASL_OK;
}

int ph_sasl_server_step(struct ph_sasl *s, struct ph_str response, struct ph_buf *out, struct ph_err *err)
{
    int rc;

    ph_buf_clear(out);
    if (s->failed)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_AUTH, "%s: refused already", s->mechanism);
    if (s->done) {
        /* The client has the server's proof, and may only say that it is content. */
        rc = response.n == 0 ? 1 : ph_gsasl_fail(s, GSASL_MECHANISM_PARSE_ERROR, err);
    } else {
        rc = s->how == PH_SASL_GSASL ? gsasl_server(s, response, out, err)
                                     : ph_bearer_server_step(s, response, out, err);
        s->done = rc > 0;
        if (rc > 0 && ph_buf_len(out))
            return 0; /* the proof goes out as a challenge: IMAP's OK cannot carry it */
    }
    if (rc > 0)
        rc = keep_names(s, err);
    if (rc < 0) {
        ph_buf_clear(out);
        s->failed = true;
    }
    return rc;
}

const char *ph_sasl_authcid(const struct ph_sasl *s)
{
    return s->authcid ? s->authcid : "";
}

const char *ph_sasl_authzid(const struct ph_sasl *s)
{
    return s->authzid ? s->authzid : ph_sasl_authcid(s);
}
