/* arena.h: memory that is given back all at once. One arena a command, snapshot or plan.
 *
 * Allocations are aligned for any type, never freed one by one, and live until ph_arena_reset or
 * ph_arena_done. A limit makes an arena safe to fill from a peer's bytes.
 */
#ifndef PH_BASE_ARENA_H
#define PH_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct ph_arena_block;

struct ph_arena {
    struct ph_arena_block *block;
    size_t used, limit; /* limit 0: none. used counts requested bytes */
};

void ph_arena_init(struct ph_arena *a, size_t limit);
void ph_arena_reset(struct ph_arena *a); /* frees all but one block, which is reused */
void ph_arena_done(struct ph_arena *a);
/* NULL when out of memory or over the limit. Zeroed. */
void *ph_arena_alloc(struct ph_arena *a, size_t n);
char *ph_arena_dup(struct ph_arena *a, const void *p, size_t n); /* NUL behind the copy */
static inline char *ph_arena_strdup(struct ph_arena *a, struct ph_str s)
{
    return ph_arena_dup(a, s.p, s.n);
}

#endif
