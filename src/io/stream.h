/* stream.h: bytes to and from a peer, whatever carries them.
 *
 * A stream is owned by one thread and never blocks by itself: read and write do what can be done
 * now and answer PH_AGAIN. ph_stream_wait is the one place that sleeps. Layers (TLS, DEFLATE) wrap
 * a stream and own it: freeing the outer one frees all.
 */
#ifndef PH_IO_STREAM_H
#define PH_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <posthaste/err.h>

#include "base/deadline.h"

#define PH_AGAIN (-2)

struct ph_stream;

struct ph_stream_ops {
    /* >0 bytes, 0 end of stream, PH_AGAIN, or -1 with *err (scope session, retry reconnect). */
    ssize_t (*read)(struct ph_stream *s, void *p, size_t n, struct ph_err *err);
    /* >0 bytes taken (they may still sit in this layer: see flush), PH_AGAIN, or -1. */
    ssize_t (*write)(struct ph_stream *s, const void *p, size_t n, struct ph_err *err);
    /* Optional, for streams that hold nothing back: p and then q in one call, as write; less than both together is all that can be
     * taken until the descriptor is writable. */
    ssize_t (*write2)(struct ph_stream *s, const void *p, size_t n, const void *q, size_t m, struct ph_err *err);
    /* Push what a layer holds back (deflate's block, TLS records) down: 0 done, PH_AGAIN, -1. */
    int (*flush)(struct ph_stream *s, struct ph_err *err);
    /* Input that is already decoded, or decodable without the descriptor becoming readable
     * (inside OpenSSL, zlib): poll() does not see it. */
    bool (*pending)(struct ph_stream *s);
    /* The poll events after a PH_AGAIN from read / from write or flush: TLS may want the other one. While a flush is
     * unfinished want_read has POLLOUT in it, and a read goes on with the flush: whoever flushed and then only reads
     * is not left waiting for the answer to bytes that never went out. */
    short (*want_read)(struct ph_stream *s);
    short (*want_write)(struct ph_stream *s);
    void (*free)(struct ph_stream *s); /* closes */
};

struct ph_stream {
    const struct ph_stream_ops *ops;
    int fd; /* the descriptor to poll; the same through all layers */
};

static inline ssize_t ph_stream_read(struct ph_stream *s, void *p, size_t n, struct ph_err *err)
{
    return s->ops->read(s, p, n, err);
}
static inline ssize_t ph_stream_write(struct ph_stream *s, const void *p, size_t n, struct ph_err *err)
{
    return s->ops->write(s, p, n, err);
}
static inline int ph_stream_flush(struct ph_stream *s, struct ph_err *err)
{
    return s->ops->flush ? s->ops->flush(s, err) : 0;
}
static inline bool ph_stream_pending(struct ph_stream *s)
{
    return s->ops->pending && s->ops->pending(s);
}
void ph_stream_free(struct ph_stream *s); /* NULL is fine */

/* Sleep until one of `events` (POLLIN, POLLOUT) on the stream's descriptor, the deadline or the
 * cancellation. 0 ready; -1 with PH_E_TIMEOUT, PH_E_CANCELLED or PH_E_SYSTEM. */
int ph_stream_wait(struct ph_stream *s, short events, int64_t deadline, struct ph_cancel *cancel,
                   struct ph_err *err);

/* ---- sockets (socket.c) ---- */

/* Connect over TCP. IPv6 and IPv4 addresses are tried in turn, a new one every 250 ms while none has
 * answered, and the first to answer wins (RFC 8305). TCP_NODELAY and keep-alive on; buffer sizes are
 * left to the kernel. Errors: PH_E_RESOLVE, PH_E_CONNECT (text names each address and its reason). */
int ph_tcp_connect(const char *host, uint16_t port, int64_t deadline, struct ph_cancel *cancel,
                   struct ph_stream **out, struct ph_err *err);
int ph_unix_connect(const char *path, int64_t deadline, struct ph_cancel *cancel, struct ph_stream **out,
                    struct ph_err *err);
/* Take over a connected, or a socketpair's, descriptor; made non-blocking. */
struct ph_stream *ph_fd_stream_new(int fd);

/* ---- TLS client (tls.c) ---- */

struct ph_tls_config {
    const char *ca_file, *ca_path; /* NULL: the system's */
    const char *cert_file, *key_file; /* client certificate, or NULL */
    const char *pin_sha256;   /* accept exactly this certificate: SHA-256 of its DER as hex, colons allowed */
    bool insecure;            /* verify nothing (the caller has warned) */
};

struct ph_tls_info {
    char version[16], cipher[64];
    char fingerprint[96];    /* SHA-256 of the peer's certificate, upper-case hex with colons */
    unsigned char binding[64]; /* tls-exporter (RFC 9266) on TLS 1.3, tls-unique before */
    size_t binding_len;        /* 0: none to be had */
    bool binding_is_exporter;
};

/* Wrap `inner` and shake hands (TLS 1.2 at least). Chain and host name are verified unless `insecure`; a
 * pin replaces both. On failure `inner` is freed too, and the text names the reason, the fingerprint and the
 * option that pins it (`--tls-pin sha256:AB:CD…`). PH_E_TLS with retry never for a certificate;
 * *not_tls is set when the peer did not speak TLS at all (may be NULL). */
int ph_tls_client(struct ph_stream *inner, const struct ph_tls_config *cfg, const char *host, int64_t deadline,
                  struct ph_cancel *cancel, struct ph_stream **out, bool *not_tls, struct ph_err *err);
/* Facts of an established TLS stream; -1 when `s` (or what it wraps) is not TLS. */
int ph_tls_info(struct ph_stream *s, struct ph_tls_info *out);

/* ---- DEFLATE (deflate.c), RFC 4978 ---- */

/* Wrap `inner`; raw deflate, windowBits 13 and memLevel 6 out, windowBits 15 in. Inflated output is bounded by
 * the caller's read size, never buffered. NULL without memory (inner untouched). */
struct ph_stream *ph_deflate_stream_new(struct ph_stream *inner);

#endif
