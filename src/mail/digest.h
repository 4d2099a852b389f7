/* digest.h: SHA-256 of a message as it streams by, and cheap facts about its bytes: what servers are known to change.
 *
 * Runs over every copied octet, so the scan costs a fraction of the hash. Owned by one thread, reused for many messages.
 */
#ifndef PH_MAIL_DIGEST_H
#define PH_MAIL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

enum {
    PH_BYTES_NUL = 1 << 0,
    PH_BYTES_BARE_LF = 1 << 1,
    PH_BYTES_BARE_CR = 1 << 2,
    PH_BYTES_LONG_LINE = 1 << 3,     /* more than 998 octets and its line end, RFC 5322 2.1.1 */
    PH_BYTES_NO_FINAL_CRLF = 1 << 4, /* the last line has no line end */
    PH_BYTES_8BIT = 1 << 5,
};

struct ph_digest_set {
    void *md;            /* EVP_MD_CTX */
    uint64_t size;
    unsigned flags;      /* PH_BYTES_* */
    bool after_cr;
    uint64_t line;       /* octets since the last LF */
};

int ph_digest_init(struct ph_digest_set *d, struct ph_err *err); /* -1 without memory or SHA-256; then done need not be called */
void ph_digest_done(struct ph_digest_set *d);
void ph_digest_add(struct ph_digest_set *d, const char *p, size_t n);
/* The hash; size and flags are final now, and stay until the next add, which begins another message. */
void ph_digest_end(struct ph_digest_set *d, unsigned char sha256[32]);

/* The facts alone, without the hash (md stays NULL, no init needed: zero the struct). */
void ph_digest_scan(struct ph_digest_set *d, const char *p, size_t n);
void ph_digest_scan_end(struct ph_digest_set *d);

#endif
