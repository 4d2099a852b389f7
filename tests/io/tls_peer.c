/* tls_peer.c: see tls_peer.h. */
#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "test helper: %s: %s\n", what, ERR_error_string(ERR_get_error(), NULL));
    abort();
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(e != NULL, "extension");
    X509_add_ext(cert, e, -1);
    X509_EXTENSION_free(e);
}

static X509 *make_cert(EVP_PKEY *key, const char *cn, long from, long to)
{
    X509 *cert = X509_new();
    uint64_t serial = 0;

    must(cert != NULL && RAND_bytes((unsigned char *)&serial, sizeof serial) == 1, "certificate");
    X509_set_version(cert, 2);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), to);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
    return cert;
}

void authority_init(struct authority *a)
{
    strcpy(a->dir, "/tmp/ph-tls-XXXXXX");
    must(mkdtemp(a->dir) != NULL, "mkdtemp");
    a->key = EVP_EC_gen("P-256");
    a->cert = make_cert(a->key, "Test CA", -3600, 3600);
    X509_set_issuer_name(a->cert, X509_get_subject_name(a->cert));
    add_extension(a->cert, a->cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(a->cert, a->cert, NID_subject_key_identifier, "hash");
    must(X509_sign(a->cert, a->key, EVP_sha256()) > 0, "sign");
    snprintf(a->ca_file, sizeof a->ca_file, "%s/ca.pem", a->dir);
    FILE *f = fopen(a->ca_file, "w");
    must(f != NULL && PEM_write_X509(f, a->cert) == 1, "write");
    fclose(f);
}

void authority_done(struct authority *a)
{
    unlink(a->ca_file);
    rmdir(a->dir);
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
}

void identity_init(struct identity *id, const struct authority *a, const char *cn, const char *san, long from, long to)
{
    unsigned char md[32];

    id->key = EVP_EC_gen("P-256");
    id->cert = make_cert(id->key, cn, from, to);
    X509_set_issuer_name(id->cert, X509_get_subject_name(a ? a->cert : id->cert));
    if (san)
        add_extension(id->cert, a ? a->cert : id->cert, NID_subject_alt_name, san);
    must(X509_sign(id->cert, a ? a->key : id->key, EVP_sha256()) > 0, "sign");
    must(X509_digest(id->cert, EVP_sha256(), md, NULL) == 1, "digest");
    for (int i = 0; i < 32; i++)
        sprintf(id->fingerprint + 3 * i, "%02X%s", md[i], i < 31 ? ":" : "");
}

void identity_done(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
}

void identity_write(const struct identity *id, const char *path)
{
    FILE *f = fopen(path, "w");

    must(f != NULL && PEM_write_X509(f, id->cert) == 1 &&
             PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL) == 1,
         "write");
    fclose(f);
}

static void *serve(void *arg)
{
    struct tls_peer *p = arg;
    SSL *ssl = SSL_new(p->ctx);
    sigset_t pipe_signal;
    char buf[4096];

    /* For this thread alone: OpenSSL's own sockets raise it, the code under test must not. */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    SSL_set_fd(ssl, p->fd);
    p->accepted = SSL_accept(ssl);
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(p->sni, sizeof p->sni, "%s", sni ? sni : "");
    if (p->accepted == 1 && p->serve)
        p->serve(ssl, p->fd, p->arg);
    else if (p->accepted == 1)
        while (SSL_read(ssl, buf, sizeof buf) > 0)
            ;
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

int tls_peer_start(struct tls_peer *p, const struct identity *id)
{
    int fds[2];

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
    p->fd = fds[0];
    p->accepted = -2;
    p->ctx = SSL_CTX_new(TLS_server_method());
    must(SSL_CTX_use_certificate(p->ctx, id->cert) == 1 && SSL_CTX_use_PrivateKey(p->ctx, id->key) == 1, "server");
    if (p->max_version)
        SSL_CTX_set_max_proto_version(p->ctx, p->max_version);
    if (p->ask_client)
        SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, p->ask_client);
    must(pthread_create(&p->thread, NULL, serve, p) == 0, "thread");
    return fds[1];
}

void tls_peer_join(struct tls_peer *p)
{
    pthread_join(p->thread, NULL);
    close(p->fd);
    SSL_CTX_free(p->ctx);
}
