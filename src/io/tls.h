/* tls.h: what the TLS client and the TLS server share. Not for other layers. */
#ifndef PH_IO_TLS_H
#define PH_IO_TLS_H

#include <openssl/ssl.h>

#include "io/stream.h"

struct ph_tls;

/* A TLS layer over inner, the handshake yet to come. Takes over inner (freed on failure too) and its own reference
 * to ctx. */
struct ph_tls *ph_tls_new(struct ph_stream *inner, SSL_CTX *ctx, struct ph_err *err);
struct ph_stream *ph_tls_stream(struct ph_tls *t);
SSL *ph_tls_ssl(struct ph_tls *t);
struct ph_tls *ph_tls_of(struct ph_stream *s); /* the layer that is s, or below it; NULL: none */

/* As SSL_do_handshake, until it is done. -1: *err is PH_E_TIMEOUT, PH_E_CANCELLED, PH_E_CLOSED, PH_E_SYSTEM or PH_E_TLS;
 * only in the last case the peer's records are to blame, and ph_tls_first_bytes tells how it began. */
int ph_tls_handshake(struct ph_tls *t, int64_t deadline, struct ph_cancel *cancel, struct ph_err *err);
/* The first octets that came from the peer, at most size - 1, as text. false: they are not TLS. */
bool ph_tls_first_bytes(const struct ph_tls *t, char *out, size_t size);

/* A context with what both sides want of one. NULL with *err. */
SSL_CTX *ph_tls_context(const SSL_METHOD *method, struct ph_err *err);
/* Certificate chain and key of this side, PEM; key NULL: in the same file. A key with a pass phrase is refused. */
int ph_tls_use_certificate(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct ph_err *err);
/* OpenSSL's newest error in words, and its queue emptied. */
const char *ph_tls_reason(void);

#define PH_FINGERPRINT_SIZE 96
/* SHA-256 of the DER form as AB:CD:…; "" when it cannot be had. */
void ph_tls_fingerprint(const X509 *cert, char out[PH_FINGERPRINT_SIZE]);

#endif
