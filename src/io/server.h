/* server.h: the accepting side: listening sockets, and TLS as a server.
 *
 * A listener belongs to one thread at a time. A ph_tls_server is constant once made: any number of threads may start
 * streams from it; it need not outlive them (each holds its own reference).
 */
#ifndef PH_IO_SERVER_H
#define PH_IO_SERVER_H

#include "io/stream.h"

struct ph_listener {
    int fd;        /* to poll for POLLIN; -1: closed */
    uint16_t port; /* as bound; 0 for a Unix socket */
    char *path;    /* of a Unix socket, removed with the listener; else NULL */
};

/* `address` is an IP literal ("127.0.0.1", "::1", "0.0.0.0"; "::" takes IPv4 too). Port 0: any free one. An address in use
 * is PH_E_EXISTS. */
int ph_listen_tcp(struct ph_listener *l, const char *address, uint16_t port, struct ph_err *err);
/* A socket file with these permission bits. A stale one, which nobody answers, is replaced; a live one is PH_E_EXISTS, and
 * so is any file that is no socket. */
int ph_listen_unix(struct ph_listener *l, const char *path, unsigned mode, struct ph_err *err);
void ph_listener_done(struct ph_listener *l);

#define PH_PEER_TEXT 64
/* The next connection; `peer` (may be NULL) is its address as text, "[::1]:5143", or "unix". -1 with PH_E_TIMEOUT,
 * PH_E_CANCELLED, or PH_E_LIMIT when this process or machine has no descriptor left: wait before the next call. */
int ph_accept(struct ph_listener *l, int64_t deadline, struct ph_cancel *cancel, struct ph_stream **out,
              char peer[PH_PEER_TEXT], struct ph_err *err);

struct ph_tls_server;

struct ph_tls_server_config {
    const char *cert_file;      /* PEM, the chain behind it */
    const char *key_file;       /* NULL: in cert_file */
    const char *client_ca_file; /* ask clients for a certificate of these CAs (EXTERNAL); NULL: do not ask */
};

int ph_tls_server_new(const struct ph_tls_server_config *cfg, struct ph_tls_server **out, struct ph_err *err);
void ph_tls_server_free(struct ph_tls_server *s);
/* Wrap `inner` and return at once: the handshake goes on in the stream's reads, which answer PH_AGAIN meanwhile, so a client that
 * stalls in it holds no thread. Takes inner over, on failure too. */
int ph_tls_server_start(struct ph_tls_server *s, struct ph_stream *inner, struct ph_stream **out, struct ph_err *err);
/* The same, and wait for the end of the handshake. */
int ph_tls_server_accept(struct ph_tls_server *s, struct ph_stream *inner, int64_t deadline, struct ph_cancel *cancel,
                         struct ph_stream **out, struct ph_err *err);
/* Is the handshake over? For a TLS stream, or what wraps one; false for any other. */
bool ph_tls_established(struct ph_stream *s);
/* The client's verified certificate: its subject in RFC 2253 form, and its common name ("" if none). -1: no TLS, no certificate,
 * or one whose subject does not fit or has a NUL in it. */
int ph_tls_peer_subject(struct ph_stream *s, char *subject, size_t size, char *common_name, size_t cn_size);
/* For a listening socket that somebody else made. */
int ph_fd_nonblocking(int fd, struct ph_err *err);

#endif
