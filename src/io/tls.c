/* tls.c: TLS as a stream, for both sides.
 *
 * OpenSSL reads from the inner stream straight into its own buffer, several records at a time. What it
 * writes is collected in `out` and sent in one piece: so SSL_write never stops half-way (its rule
 * that the same bytes must be offered again would be a rule for our callers), and a large
 * write costs one system call and not one for each 16 KB record.
 */
#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/private.h"

#define OUT_HIGH 65536   /* no more is encrypted while this much waits to be sent */
#define OUT_LIMIT 131072 /* and nothing at all, whatever OpenSSL has to answer by itself */
#define IDLE_READS 8     /* after so many the sending buffer is given back: a parked connection is small */
#define IN_BUFFER 32768  /* two records a read; more gains nothing */

struct ph_tls {
    struct ph_stream s;
    struct ph_stream *inner;
    SSL *ssl;
    struct ph_buf out;
    unsigned char first[64]; /* how the peer began */
    size_t first_n;
    bool established, broken; /* broken: no close_notify may be sent */
    bool dry;                 /* the last read had to wait: what OpenSSL holds is part of a record */
    bool read_wants_write, write_wants_read;
    unsigned idle;            /* reads in a row that had to wait, with nothing written between */
    bool inner_eof;
    bool inner_failed;
    struct ph_err inner_err;
    bool late;                /* late_err or the end came behind bytes that had to be given first */
    int late_rc;
    struct ph_err late_err;
};

/* ---- the BIO below OpenSSL ---- */

static int bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
    struct ph_tls *t = BIO_get_data(bio);
    ssize_t rc = ph_stream_read(t->inner, p, n, &t->inner_err);

    BIO_clear_retry_flags(bio);
    *got = 0;
    if (rc > 0) {
        *got = (size_t)rc;
        for (size_t i = 0; i < (size_t)rc && t->first_n < sizeof t->first; i++)
            t->first[t->first_n++] = (unsigned char)p[i];
        return 1;
    }
    if (rc == PH_AGAIN)
        BIO_set_retry_read(bio);
    else if (rc == 0)
        t->inner_eof = true;
    else
        t->inner_failed = true;
    return 0;
}

static int bio_write(BIO *bio, const char *p, size_t n, size_t *put)
{
    struct ph_tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *put = 0;
    if (ph_buf_len(&t->out) + n > OUT_LIMIT) {
        BIO_set_retry_write(bio);
        return 0;
    }
    if (ph_buf_add(&t->out, p, n) < 0) {
        ph_fail_memory(&t->inner_err);
        t->inner_failed = true;
        return 0;
    }
    *put = n;
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *p)
{
    struct ph_tls *t = BIO_get_data(bio);

    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return t->inner_eof; /* OpenSSL tells "the peer is gone" from "an error" by it */
    default:
        return 0;
    }
}

static pthread_once_t bio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method; /* constant after bio_once; NULL without memory */

static void make_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "posthaste stream");

    if (m && BIO_meth_set_read_ex(m, bio_read) && BIO_meth_set_write_ex(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_ctrl))
        bio_method = m;
    else
        BIO_meth_free(m);
}

/* ---- moving bytes ---- */

/* Send what is collected. 0 all gone, PH_AGAIN, -1. */
static int drain(struct ph_tls *t, struct ph_err *err)
{
    while (ph_buf_len(&t->out)) {
        ssize_t n = ph_stream_write(t->inner, ph_buf_data(&t->out), ph_buf_len(&t->out), err);
        if (n < 0) {
            t->broken = t->broken || n != PH_AGAIN;
            return (int)n;
        }
        ph_buf_consume(&t->out, (size_t)n);
    }
    return ph_stream_flush(t->inner, err);
}

const char *ph_tls_reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return text ? text : "unknown TLS error";
}

/* What an OpenSSL call that returned rc means: 1 go on, 0 the peer's close_notify, PH_AGAIN, -1. */
static int outcome(struct ph_tls *t, int rc, struct ph_err *err)
{
    int why = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);

    switch (why) {
    case SSL_ERROR_NONE:
        t->established = true; /* also where the handshake went on inside a read */
        return 1;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return PH_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        break;
    }
    t->broken = true;
    if (t->inner_failed) {
        ERR_clear_error();
        if (err)
            *err = t->inner_err;
        return -1;
    }
    unsigned long e = ERR_peek_last_error();
    if (t->inner_eof && (e == 0 || ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        ERR_clear_error();
        return ph_io_fail(err, PH_E_CLOSED, 0,
                          t->established ? "the connection was cut: it ended without TLS's closing message"
                                         : "the peer closed the connection in the TLS handshake");
    }
    ph_io_fail(err, PH_E_TLS, 0, "%s", ph_tls_reason());
    if (err && t->established)
        err->retry = PH_RETRY_RECONNECT; /* a record was damaged on the way */
    return -1;
}

static ssize_t tls_read(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    struct ph_tls *t = (struct ph_tls *)s;
    size_t got = 0;
    int rc = 1;

    if (t->late) {
        if (err)
            *err = t->late_err;
        return t->late_rc;
    }
    /* OpenSSL gives one record a call. More are taken as long as they are here already. */
    while (got < n && (got == 0 || SSL_has_pending(t->ssl))) {
        size_t part = 0;
        ERR_clear_error();
        rc = outcome(t, SSL_read_ex(t->ssl, (char *)p + got, n - got, &part), &t->late_err);
        if (rc <= 0)
            break;
        got += part;
    }
    t->dry = rc == PH_AGAIN;
    t->read_wants_write = t->dry && SSL_want_write(t->ssl);
    if (rc == 0 || rc == -1) {
        t->late = true;
        t->late_rc = rc;
    }
    if (ph_buf_len(&t->out))
        drain(t, NULL); /* an answer of OpenSSL's own, to a key update; if it fails so will the next call */
    else if (t->dry && ++t->idle == IDLE_READS)
        ph_buf_shrink(&t->out, 0);
    if (got)
        return (ssize_t)got;
    if (rc == -1 && err)
        *err = t->late_err;
    return rc;
}

static ssize_t tls_write(struct ph_stream *s, const void *p, size_t n, struct ph_err *err)
{
    struct ph_tls *t = (struct ph_tls *)s;
    size_t taken = 0;
    int rc;

    t->idle = 0;
    t->write_wants_read = false;
    for (;;) {
        while (taken < n && ph_buf_len(&t->out) < OUT_HIGH) {
            size_t part = 0;
            ERR_clear_error();
            rc = outcome(t, SSL_write_ex(t->ssl, (const char *)p + taken, n - taken, &part), err);
            if (rc == 0)
                return ph_io_fail(err, PH_E_CLOSED, 0, "the peer has closed the connection");
            if (rc == -1)
                return -1;
            if (rc == PH_AGAIN) { /* a handshake that is not over yet */
                t->write_wants_read = SSL_want_read(t->ssl);
                if (drain(t, err) == -1)
                    return -1;
                return taken ? (ssize_t)taken : PH_AGAIN;
            }
            taken += part;
        }
        rc = drain(t, err);
        if (rc == -1)
            return -1;
        if (taken)
            return (ssize_t)taken;
        if (rc == PH_AGAIN && ph_buf_len(&t->out) >= OUT_HIGH)
            return PH_AGAIN;
        if (n == 0)
            return 0;
    }
}

static int tls_flush(struct ph_stream *s, struct ph_err *err)
{
    return drain((struct ph_tls *)s, err);
}

static bool tls_pending(struct ph_stream *s)
{
    struct ph_tls *t = (struct ph_tls *)s;

    return t->late || (!t->dry && SSL_has_pending(t->ssl)) || ph_stream_pending(t->inner);
}

static short tls_want_read(struct ph_stream *s)
{
    struct ph_tls *t = (struct ph_tls *)s;
    short events = t->read_wants_write ? 0 : t->inner->ops->want_read(t->inner);

    return (short)(ph_buf_len(&t->out) ? events | t->inner->ops->want_write(t->inner) : events);
}

static short tls_want_write(struct ph_stream *s)
{
    struct ph_tls *t = (struct ph_tls *)s;
    short events = t->write_wants_read ? t->inner->ops->want_read(t->inner) : 0;

    return (short)(events && !ph_buf_len(&t->out) ? events : events | t->inner->ops->want_write(t->inner));
}

static void tls_free(struct ph_stream *s)
{
    struct ph_tls *t = (struct ph_tls *)s;

    if (t->established && !t->broken) {
        ERR_clear_error();
        SSL_shutdown(t->ssl); /* so that the peer can tell an end from a cut; no waiting for its own */
        drain(t, NULL);
    }
    ERR_clear_error();
    SSL_free(t->ssl);
    ph_buf_done(&t->out);
    ph_stream_free(t->inner);
    free(t);
}

static const struct ph_stream_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .flush = tls_flush,
    .pending = tls_pending,
    .want_read = tls_want_read,
    .want_write = tls_want_write,
    .free = tls_free,
};

struct ph_tls *ph_tls_new(struct ph_stream *inner, SSL_CTX *ctx, struct ph_err *err)
{
    struct ph_tls *t = calloc(1, sizeof *t);
    BIO *bio;

    pthread_once(&bio_once, make_bio_method);
    if (t)
        t->ssl = SSL_new(ctx);
    bio = bio_method && t && t->ssl ? BIO_new(bio_method) : NULL;
    if (!bio) {
        ERR_clear_error();
        if (t)
            SSL_free(t->ssl);
        free(t);
        ph_stream_free(inner);
        ph_fail_memory(err);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    t->s.ops = &tls_ops;
    t->s.fd = inner->fd;
    t->inner = inner;
    return t;
}

struct ph_stream *ph_tls_stream(struct ph_tls *t)
{
    return &t->s;
}

SSL *ph_tls_ssl(struct ph_tls *t)
{
    return t->ssl;
}

int ph_tls_handshake(struct ph_tls *t, int64_t deadline, struct ph_cancel *cancel, struct ph_err *err)
{
    for (;;) {
        ERR_clear_error();
        int rc = outcome(t, SSL_do_handshake(t->ssl), err);
        if (rc == 0)
            return ph_io_fail(err, PH_E_CLOSED, 0, "the peer closed the connection in the TLS handshake");
        if (rc == -1) {
            drain(t, NULL); /* the alert that says why */
            return -1;
        }
        int sent = drain(t, err);
        if (sent == -1)
            return -1;
        if (rc == 1 && sent == 0)
            return 0;
        short events = (short)((rc == PH_AGAIN && SSL_want_read(t->ssl) ? POLLIN : 0) | (sent ? POLLOUT : 0));
        if (ph_stream_wait(t->inner, events, deadline, cancel, err) < 0)
            return -1;
    }
}

bool ph_tls_first_bytes(const struct ph_tls *t, char *out, size_t size)
{
    size_t n = 0;

    for (; n < t->first_n && n + 1 < size && t->first[n] != '\r' && t->first[n] != '\n'; n++)
        out[n] = t->first[n] < 0x20 || t->first[n] > 0x7e ? '?' : (char)t->first[n];
    out[n] = '\0';
    /* A record begins with its type, here handshake or alert, and the major version 3. */
    return t->first_n == 0 ||
           ((t->first[0] == 22 || t->first[0] == 21) && (t->first_n == 1 || t->first[1] == 3));
}

/* ---- contexts ---- */

static int no_pass_phrase(char *buf, int size, int rwflag, void *ctx)
{
    return 0; /* OpenSSL's own would ask on the terminal */
}

SSL_CTX *ph_tls_context(const SSL_METHOD *method, struct ph_err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    if (!ctx) {
        ph_io_fail(err, PH_E_TLS, 0, "cannot set TLS up: %s", ph_tls_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, IN_BUFFER);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    /* All three are sound; bulk mail moves fastest with the first where the processor has AES. */
    SSL_CTX_set_ciphersuites(ctx,
                             "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    return ctx;
}

int ph_tls_use_certificate(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct ph_err *err)
{
    const char *key = key_file ? key_file : cert_file;

    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_TLS, "cannot use the certificate in %s: %s", cert_file,
                       ph_tls_reason());
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_TLS, "cannot use the private key in %s: %s", key, ph_tls_reason());
    return 0;
}

void ph_tls_fingerprint(const X509 *cert, char out[PH_FINGERPRINT_SIZE])
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char *p = out;

    *p = '\0';
    if (!cert || X509_digest(cert, EVP_sha256(), md, &n) != 1)
        return;
    for (unsigned i = 0; i < n; i++) {
        *p++ = hex[md[i] >> 4];
        *p++ = hex[md[i] & 15];
        *p++ = i + 1 < n ? ':' : '\0';
    }
}

/* ---- facts ---- */

static void channel_binding(SSL *ssl, struct ph_tls_info *out)
{
    if (SSL_version(ssl) >= TLS1_3_VERSION) {
        if (SSL_export_keying_material(ssl, out->binding, 32, "EXPORTER-Channel-Binding", 24,
                                       (const unsigned char *)"", 0, 1) == 1) {
            out->binding_len = 32; /* RFC 9266 section 2 */
            out->binding_is_exporter = true;
        }
    } else if (SSL_get_extms_support(ssl) == 1) { /* without it tls-unique is not unique: RFC 7627 */
        /* The first Finished message of the handshake, which is the client's: sessions are not resumed. */
        out->binding_len = SSL_is_server(ssl) ? SSL_get_peer_finished(ssl, out->binding, sizeof out->binding)
                                              : SSL_get_finished(ssl, out->binding, sizeof out->binding);
        if (out->binding_len > sizeof out->binding)
            out->binding_len = 0;
    }
}

struct ph_tls *ph_tls_of(struct ph_stream *s)
{
    while (s && s->ops != &tls_ops)
        s = ph_deflate_inner(s);
    return (struct ph_tls *)s;
}

int ph_tls_info(struct ph_stream *s, struct ph_tls_info *out)
{
    struct ph_tls *t = ph_tls_of(s);

    memset(out, 0, sizeof *out);
    if (!t)
        return -1;
    SSL *ssl = t->ssl;
    X509 *cert = SSL_get1_peer_certificate(ssl);
    snprintf(out->version, sizeof out->version, "%s", SSL_get_version(ssl));
    snprintf(out->cipher, sizeof out->cipher, "%s", SSL_get_cipher_name(ssl));
    ph_tls_fingerprint(cert, out->fingerprint);
    X509_free(cert);
    channel_binding(ssl, out);
    ERR_clear_error();
    return 0;
}
