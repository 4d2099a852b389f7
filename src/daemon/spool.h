/* spool.h: a message on its way to several mailboxes: small ones in memory, larger ones in a file without a name (in TMPDIR, or
 * /var/tmp), which is gone with the process. One thread. */
#ifndef PH_DAEMON_SPOOL_H
#define PH_DAEMON_SPOOL_H

#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"

#define PH_SPOOL_MEMORY (256u << 10)

struct ph_spool {
    struct ph_buf memory;
    int fd;           /* -1: none yet */
    uint64_t size;
};

void ph_spool_init(struct ph_spool *s);
void ph_spool_done(struct ph_spool *s); /* usable again */
int ph_spool_add(struct ph_spool *s, const char *p, size_t n, struct ph_err *err);
/* Hand on all octets, in pieces; -1 of `each` ends it. */
int ph_spool_read(struct ph_spool *s, int (*each)(void *ctx, const char *p, size_t n, struct ph_err *err), void *ctx,
                  struct ph_err *err);

#endif
