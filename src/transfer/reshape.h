/* reshape.h: a message that is not sent as it is: repaired, or only its header. The whole is kept aside first (in memory up
 * to 1 MiB, beyond that in an unlinked file), because an APPEND says its size before the octets.
 */
#ifndef PH_TRANSFER_RESHAPE_H
#define PH_TRANSFER_RESHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "mail/repair.h"

struct ph_reshape {
    struct ph_buf mem;       /* what came in, or the read buffer of the file */
    struct ph_buf out;
    int fd;                  /* -1: all in mem */
    uint64_t size;           /* octets in */
    uint64_t at, limit;      /* read so far, and where to stop */
    struct ph_repairer repairer;
    unsigned what;
};

void ph_reshape_init(struct ph_reshape *r);
void ph_reshape_done(struct ph_reshape *r);
int ph_reshape_add(struct ph_reshape *r, const char *p, size_t n, struct ph_err *err);
/* All is in: what will come out. headers_only cuts behind the header's empty line. *size is exact, *did are the PH_REPAIR_*
 * that really change something. */
int ph_reshape_begin(struct ph_reshape *r, unsigned what, unsigned width, bool headers_only, uint64_t *size, unsigned *did,
                     struct ph_err *err);
/* Lends the next octets; *n == 0 at the end. */
int ph_reshape_read(struct ph_reshape *r, const char **p, size_t *n, struct ph_err *err);

#endif
