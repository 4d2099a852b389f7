/* tls_peer.h: a test's own CA and TLS server, on OpenSSL alone: nothing of the code under test is used. */
#ifndef TESTS_IO_TLS_PEER_H
#define TESTS_IO_TLS_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>

struct authority {
    EVP_PKEY *key;
    X509 *cert;
    char dir[64];      /* a temporary folder with the files below */
    char ca_file[96];
};

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char fingerprint[96]; /* SHA-256, AB:CD:… */
};

void authority_init(struct authority *a);
void authority_done(struct authority *a);
/* Signed by `a`, or by itself when a is NULL. san: as in openssl.cnf ("DNS:x,IP:127.0.0.1") or NULL. Valid from..to seconds from now. */
void identity_init(struct identity *id, const struct authority *a, const char *cn, const char *san, long from, long to);
void identity_done(struct identity *id);
/* PEM of certificate and key in one file. */
void identity_write(const struct identity *id, const char *path);

/* A server on one end of a socketpair, in a thread. */
struct tls_peer {
    pthread_t thread;
    int fd;       /* its end */
    SSL_CTX *ctx; /* owned */
    void (*serve)(SSL *ssl, int fd, void *arg); /* after a good handshake; NULL: read to the end */
    void *arg;
    int max_version; /* 0: any */
    SSL_verify_cb ask_client; /* not NULL: ask for a certificate */
    int accepted;    /* what SSL_accept returned */
    char sni[64];
};

/* Starts it; returns the client's descriptor. */
int tls_peer_start(struct tls_peer *p, const struct identity *id);
void tls_peer_join(struct tls_peer *p);

#endif
