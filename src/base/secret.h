/* secret.h: bytes that must not linger. Wiped before the memory is given back; never printed. */
#ifndef PH_BASE_SECRET_H
#define PH_BASE_SECRET_H

#include <stddef.h>

#include "base/str.h"

struct ph_secret {
    char *p; /* NUL behind the n bytes; NULL: no secret */
    size_t n;
};

int ph_secret_set(struct ph_secret *s, const void *p, size_t n); /* replaces; -1 without memory */
void ph_secret_done(struct ph_secret *s);
void ph_wipe(void *p, size_t n); /* not optimised away */
static inline struct ph_str ph_secret_str(const struct ph_secret *s)
{
    return (struct ph_str){ s->p, s->n };
}

#endif
