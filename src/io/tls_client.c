/* tls_client.c: the handshake as a client, and whether the server's certificate is to be trusted. */
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "io/private.h"
#include "io/tls.h"

/* What the verification found; filled in by OpenSSL's callback while it shakes hands. */
struct verdict {
    bool accept_any; /* insecure, or a pin decides afterwards */
    const char *host;
    bool failed;
    char reason[256];
    char fingerprint[PH_FINGERPRINT_SIZE];
};

static void name_of(const X509_NAME *name, char *out, size_t size)
{
    /* The common name says most to people; without one the whole name. */
    int at = name ? X509_NAME_get_index_by_NID((X509_NAME *)name, NID_commonName, -1) : -1;
    unsigned char *utf8 = NULL;
    int n = at < 0 ? -1 : ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));

    if (n > 0)
        snprintf(out, size, "%.*s", n > 80 ? 80 : n, utf8);
    else if (!name || !X509_NAME_oneline(name, out, size > 80 ? 80 : (int)size) || !*out)
        snprintf(out, size, "nameless");
    OPENSSL_free(utf8);
}

static void date_of(const ASN1_TIME *when, char out[32])
{
    struct tm tm;

    if (ASN1_TIME_to_tm(when, &tm) == 1)
        strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm);
    else
        snprintf(out, 32, "an unknown date");
}

/* The names that a certificate is good for: alternative names, else the common name. */
static void names_of(const X509 *cert, char *out, size_t size)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t n = 0;

    *out = '\0';
    for (int i = 0; list && i < sk_GENERAL_NAME_num(list); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(list, i);
        char one[80] = "";
        if (g->type == GEN_DNS) {
            snprintf(one, sizeof one, "%.*s", ASN1_STRING_length(g->d.dNSName),
                     (const char *)ASN1_STRING_get0_data(g->d.dNSName));
        } else if (g->type == GEN_IPADD) {
            const unsigned char *ip = ASN1_STRING_get0_data(g->d.iPAddress);
            if (ASN1_STRING_length(g->d.iPAddress) == 4) {
                snprintf(one, sizeof one, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
            } else if (ASN1_STRING_length(g->d.iPAddress) == 16) {
                struct in6_addr a;
                memcpy(&a, ip, sizeof a);
                ph_ip6_text(&a, one, sizeof one);
            }
        }
        if (*one && n + strlen(one) + 8 < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", one);
        else if (*one) {
            snprintf(out + n, size - n, ", …");
            break;
        }
    }
    GENERAL_NAMES_free(list);
    if (!*out)
        name_of(X509_get_subject_name(cert), out, size);
}

static void explain(struct verdict *v, X509_STORE_CTX *store)
{
    X509 *leaf = X509_STORE_CTX_get0_cert(store), *at = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
    char name[160] = "", date[32] = "";

    if (!at)
        at = leaf;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        name_of(X509_get_subject_name(at), name, sizeof name);
        date_of(error == X509_V_ERR_CERT_HAS_EXPIRED ? X509_get0_notAfter(at) : X509_get0_notBefore(at), date);
        snprintf(v->reason, sizeof v->reason, "%s%s %s %s", depth ? "its issuer's, " : "it", depth ? name : "",
                 error == X509_V_ERR_CERT_HAS_EXPIRED ? "expired on" : "is not valid before", date);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        snprintf(v->reason, sizeof v->reason, "it is self-signed");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        name_of(X509_get_subject_name(at), name, sizeof name);
        snprintf(v->reason, sizeof v->reason, "it comes from a CA that is unknown here, %s", name);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        name_of(X509_get_issuer_name(at), name, sizeof name);
        snprintf(v->reason, sizeof v->reason, "it comes from a CA that is unknown here, %s", name);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        names_of(leaf, name, sizeof name);
        snprintf(v->reason, sizeof v->reason, "it is for %s, not for %.80s", name, v->host);
        break;
    default:
        snprintf(v->reason, sizeof v->reason, "%s", X509_verify_cert_error_string(error));
    }
}

static int verify(X509_STORE_CTX *store, void *arg)
{
    struct verdict *v = arg;

    ph_tls_fingerprint(X509_STORE_CTX_get0_cert(store), v->fingerprint);
    if (v->accept_any)
        return 1;
    if (X509_verify_cert(store) > 0)
        return 1;
    v->failed = true;
    explain(v, store);
    return 0;
}

/* AB:CD:… from "sha256:ab:CD…" or hex alone; -1 when it is not a fingerprint. */
static int read_pin(const char *pin, char out[PH_FINGERPRINT_SIZE])
{
    size_t digits = 0;
    char *p = out;

    if (strncasecmp(pin, "sha256:", 7) == 0)
        pin += 7;
    for (; *pin; pin++) {
        if (*pin == ':' && digits % 2 == 0)
            continue;
        if (!isxdigit((unsigned char)*pin) || digits == 64)
            return -1;
        if (digits && digits % 2 == 0)
            *p++ = ':';
        *p++ = (char)toupper((unsigned char)*pin);
        digits++;
    }
    *p = '\0';
    return digits == 64 ? 0 : -1;
}

static SSL_CTX *client_context(const struct ph_tls_config *cfg, struct verdict *v, struct ph_err *err)
{
    SSL_CTX *ctx = ph_tls_context(TLS_client_method(), err);

    if (!ctx)
        return NULL;
    ERR_clear_error();
    if (!v->accept_any) {
        int ok = cfg->ca_file || cfg->ca_path ? SSL_CTX_load_verify_locations(ctx, cfg->ca_file, cfg->ca_path)
                                              : SSL_CTX_set_default_verify_paths(ctx);
        if (ok != 1) {
            ph_fail(err, PH_SCOPE_STORE, PH_E_TLS, "cannot load the trusted certificates from %s: %s",
                    cfg->ca_file   ? cfg->ca_file
                    : cfg->ca_path ? cfg->ca_path
                                   : "the system's store",
                    ph_tls_reason());
            SSL_CTX_free(ctx);
            return NULL;
        }
    }
    if (cfg->cert_file && ph_tls_use_certificate(ctx, cfg->cert_file, cfg->key_file, err) < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify, v);
    return ctx;
}

static int name_the_host(SSL *ssl, const char *host, struct ph_err *err)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool ip = ph_host_is_ip(host);
    int ok;

    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (ip) {
        char plain[PH_HOST_MAX];
        snprintf(plain, sizeof plain, "%s", host);
        plain[strcspn(plain, "%")] = '\0'; /* a zone is no part of the address */
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, plain);
    } else {
        ok = SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
    }
    return ok ? 0 : ph_io_fail(err, PH_E_TLS, 0, "cannot set the host name for TLS: %s", ph_tls_reason());
}

/* Turn a failed handshake's *err into what a user can act on. */
static void explain_failure(struct ph_tls *t, const struct verdict *v, const char *host, bool *not_tls,
                            struct ph_err *err)
{
    char said[80];

    if (v->failed) {
        ph_fail(err, PH_SCOPE_STORE, PH_E_TLS,
                "the certificate of %.80s is not trusted: %s. To trust just this one, pin it with sha256:%s", host,
                v->reason, v->fingerprint);
    } else if (err->kind == PH_E_TLS && !ph_tls_first_bytes(t, said, sizeof said)) {
        *not_tls = true;
        ph_fail(err, PH_SCOPE_STORE, PH_E_TLS, "%.80s does not speak TLS on this port; it said: %s", host, said);
    } else if (err->kind == PH_E_TLS) {
        err->scope = PH_SCOPE_STORE;
        ph_err_prefix(err, "TLS handshake with %.80s", host);
    } else if (err->kind != PH_E_CANCELLED) {
        ph_err_prefix(err, "TLS handshake with %.80s", host);
    }
}

static int check_pin(const struct verdict *v, const char *pin, const char *host, struct ph_err *err)
{
    if (!*pin || strcmp(pin, v->fingerprint) == 0)
        return 0;
    return ph_fail(err, PH_SCOPE_STORE, PH_E_TLS,
                   "the certificate of %.80s is not the pinned one. If it was renewed, pin it with sha256:%s", host,
                   v->fingerprint);
}

int ph_tls_client(struct ph_stream *inner, const struct ph_tls_config *cfg, const char *host, int64_t deadline,
                  struct ph_cancel *cancel, struct ph_stream **out, bool *not_tls, struct ph_err *err)
{
    struct verdict v = { .host = host, .accept_any = cfg->insecure || cfg->pin_sha256 };
    char name[PH_HOST_MAX], pin[PH_FINGERPRINT_SIZE] = "";
    struct ph_err e = { 0 };
    bool plain = false;
    SSL_CTX *ctx = NULL;
    struct ph_tls *t = NULL;
    int rc = -1;

    *out = NULL;
    if (cfg->pin_sha256 && read_pin(cfg->pin_sha256, pin) < 0)
        ph_fail(&e, PH_SCOPE_STORE, PH_E_USAGE, "a pin is sha256: and 64 hexadecimal digits, not '%.100s'",
                cfg->pin_sha256);
    else if (ph_host_ascii(host, name, &e) == 0)
        ctx = client_context(cfg, &v, &e);
    if (!ctx) {
        ph_stream_free(inner);
    } else if ((t = ph_tls_new(inner, ctx, &e)) != NULL && name_the_host(ph_tls_ssl(t), name, &e) == 0) {
        SSL_set_connect_state(ph_tls_ssl(t));
        rc = ph_tls_handshake(t, deadline, cancel, &e);
        if (rc < 0)
            explain_failure(t, &v, host, &plain, &e);
        else
            rc = check_pin(&v, pin, host, &e);
        /* The verdict is on this stack: nothing asks for it again, certificates come only in handshakes. */
        SSL_CTX_set_cert_verify_callback(ctx, NULL, NULL);
    }
    SSL_CTX_free(ctx);
    if (not_tls)
        *not_tls = plain;
    if (rc == 0) {
        *out = ph_tls_stream(t);
        return 0;
    }
    if (t)
        ph_stream_free(ph_tls_stream(t));
    if (err)
        *err = e;
    return -1;
}
