/* tls_server.c: TLS as a server. */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "io/server.h"
#include "io/tls.h"

struct ph_tls_server {
    SSL_CTX *ctx; /* used by many threads at once, which OpenSSL allows when nobody changes it */
};

static int ask_for_certificates(SSL_CTX *ctx, const char *ca_file, struct ph_err *err)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);

    if (!names || SSL_CTX_load_verify_locations(ctx, ca_file, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return ph_fail(err, PH_SCOPE_JOB, PH_E_TLS, "cannot load the clients' CAs from %s: %s", ca_file,
                       ph_tls_reason());
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* asked for, not demanded; a wrong one is refused */
    return 0;
}

int ph_tls_server_new(const struct ph_tls_server_config *cfg, struct ph_tls_server **out, struct ph_err *err)
{
    struct ph_tls_server *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return ph_fail_memory(err);
    s->ctx = ph_tls_context(TLS_server_method(), err);
    if (!s->ctx || ph_tls_use_certificate(s->ctx, cfg->cert_file, cfg->key_file, err) < 0 ||
        (cfg->client_ca_file && ask_for_certificates(s->ctx, cfg->client_ca_file, err) < 0)) {
        ph_tls_server_free(s);
        return -1;
    }
    /* Sessions are not resumed (a client certificate is then always looked at), so tickets would be bytes for nothing. */
    SSL_CTX_set_num_tickets(s->ctx, 0);
    SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET);
    *out = s;
    return 0;
}

void ph_tls_server_free(struct ph_tls_server *s)
{
    if (!s)
        return;
    SSL_CTX_free(s->ctx);
    free(s);
}

static struct ph_tls *begin(struct ph_tls_server *s, struct ph_stream *inner, struct ph_err *err)
{
    struct ph_tls *t = ph_tls_new(inner, s->ctx, err);

    if (t)
        SSL_set_accept_state(ph_tls_ssl(t));
    return t;
}

int ph_tls_server_start(struct ph_tls_server *s, struct ph_stream *inner, struct ph_stream **out, struct ph_err *err)
{
    struct ph_tls *t = begin(s, inner, err);

    *out = t ? ph_tls_stream(t) : NULL;
    return t ? 0 : -1;
}

int ph_tls_server_accept(struct ph_tls_server *s, struct ph_stream *inner, int64_t deadline, struct ph_cancel *cancel,
                         struct ph_stream **out, struct ph_err *err)
{
    struct ph_tls *t = begin(s, inner, err);

    *out = NULL;
    if (!t)
        return -1;
    if (ph_tls_handshake(t, deadline, cancel, err) < 0) {
        ph_stream_free(ph_tls_stream(t));
        return -1;
    }
    *out = ph_tls_stream(t);
    return 0;
}

bool ph_tls_established(struct ph_stream *s)
{
    struct ph_tls *t = ph_tls_of(s);

    return t && SSL_is_init_finished(ph_tls_ssl(t));
}

/* The last (most specific) common name; "" if none. -1: too long, or with a NUL in it. */
static int get_common_name(const X509_NAME *name, char *out, size_t size)
{
    unsigned char *utf8 = NULL;
    int at = -1, next, n, rc;

    *out = '\0';
    while ((next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0)
        at = next;
    if (at < 0)
        return 0;
    n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    rc = n >= 0 && (size_t)n < size && !memchr(utf8, '\0', (size_t)n) ? 0 : -1;
    if (rc == 0) {
        memcpy(out, utf8, (size_t)n);
        out[n] = '\0';
    }
    OPENSSL_free(utf8);
    return rc;
}

static int get_subject(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;

    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        n = BIO_get_mem_data(bio, &text);
    bool fits = n > 0 && (size_t)n < size;
    if (fits) {
        memcpy(out, text, (size_t)n);
        out[n] = '\0';
    }
    BIO_free(bio);
    return fits ? 0 : -1;
}

int ph_tls_peer_subject(struct ph_stream *s, char *subject, size_t size, char *common_name, size_t cn_size)
{
    struct ph_tls *t = ph_tls_of(s);
    X509 *cert = t ? SSL_get1_peer_certificate(ph_tls_ssl(t)) : NULL;
    int rc = -1;

    *subject = *common_name = '\0';
    if (cert && SSL_get_verify_result(ph_tls_ssl(t)) == X509_V_OK &&
        get_subject(X509_get_subject_name(cert), subject, size) == 0)
        rc = get_common_name(X509_get_subject_name(cert), common_name, cn_size);
    if (rc)
        *subject = '\0';
    X509_free(cert);
    ERR_clear_error();
    return rc;
}
