/* private.h: what the files of io/ share, and what their tests reach into. Not for other layers. */
#ifndef PH_IO_PRIVATE_H
#define PH_IO_PRIVATE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/stream.h"

/* Fill *err with scope session; errnum 0 means none. A closed or timed-out connection gets retry reconnect. */
int ph_io_fail(struct ph_err *err, enum ph_kind kind, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Sleep for `events` on fd (fd -1: only for the deadline or the cancellation); as ph_stream_wait. */
int ph_fd_wait(int fd, short events, int64_t deadline, struct ph_cancel *cancel, struct ph_err *err);

#define PH_HOST_MAX 256
/* The name as DNS and certificates have it: IDNA2008 A-labels, brackets of an IPv6 literal and a final dot taken off.
 * -1 with PH_E_RESOLVE. */
int ph_host_ascii(const char *host, char out[PH_HOST_MAX], struct ph_err *err);
bool ph_host_is_ip(const char *ascii_host);

void ph_ip6_text(const struct in6_addr *a, char *out, size_t size);

#define PH_ADDR_MAX 32 /* addresses of one name that are tried */

struct ph_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } u;
    socklen_t len;
};

/* getaddrinfo in a thread of its own, so that the deadline and the cancellation hold. Fills addrs in the order of
 * RFC 6724; *n at least 1. A look-up that was given up ends by itself later and frees what it holds. */
int ph_resolve(const char *ascii_host, uint16_t port, int64_t deadline, struct ph_cancel *cancel,
               struct ph_addr addrs[PH_ADDR_MAX], size_t *n, struct ph_err *err);
/* The families in turn, beginning with the first address's (RFC 8305 section 4). */
void ph_addrs_interleave(struct ph_addr *addrs, size_t n);
/* Race the addresses (RFC 8305 section 5): *fd is the connected, non-blocking winner. */
int ph_connect_race(const struct ph_addr *addrs, size_t n, const char *host, uint16_t port, int64_t deadline,
                    struct ph_cancel *cancel, int *fd, struct ph_err *err);

/* The stream below a DEFLATE stream; NULL when s is not one. */
struct ph_stream *ph_deflate_inner(struct ph_stream *s);

#endif
