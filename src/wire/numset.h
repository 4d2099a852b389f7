/* numset.h: sets of message numbers or UIDs as sorted, disjoint ranges. `1:4294967295` costs one range.
 *
 * RFC 9051 9: sequence-set, uid-set; nz-number, so 0 is never a member. Owned by one thread.
 */
#ifndef PH_WIRE_NUMSET_H
#define PH_WIRE_NUMSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "base/str.h"

struct ph_range {
    uint32_t first, last; /* first <= last, inclusive */
};

struct ph_numset {
    struct ph_range *r; /* sorted, disjoint, not adjacent */
    size_t n, cap;
};

#define PH_NUMSET_INIT ((struct ph_numset){ 0 })

void ph_numset_done(struct ph_numset *s);
void ph_numset_clear(struct ph_numset *s);
/* Amortised O(1) when called in ascending order, O(n) otherwise. -1 without memory. */
int ph_numset_add(struct ph_numset *s, uint32_t num);
int ph_numset_add_range(struct ph_numset *s, uint32_t first, uint32_t last); /* either order; 0 is left out */
int ph_numset_remove_range(struct ph_numset *s, uint32_t first, uint32_t last);
int ph_numset_add_set(struct ph_numset *s, const struct ph_numset *other);
int ph_numset_subtract(struct ph_numset *s, const struct ph_numset *other);
int ph_numset_intersect(struct ph_numset *s, const struct ph_numset *other);
/* For filling in any order in O(n log n): push ranges (first <= last, not 0) as they come, then sort once.
 * Between the first push and the sort the set may be passed to no other function. */
int ph_numset_push(struct ph_numset *s, uint32_t first, uint32_t last);
void ph_numset_sort(struct ph_numset *s);
bool ph_numset_contains(const struct ph_numset *s, uint32_t num);
uint64_t ph_numset_count(const struct ph_numset *s);
static inline bool ph_numset_empty(const struct ph_numset *s)
{
    return s->n == 0;
}
/* The member after `num` (0 to begin), or 0 at the end. O(log n). */
uint32_t ph_numset_next(const struct ph_numset *s, uint32_t num);
/* The k-th member, counting from 0; 0 when there are fewer. */
uint32_t ph_numset_nth(const struct ph_numset *s, uint64_t k);

/* Parse `1:5,7,9:*`. `*` becomes `star` (0: `*` is refused). At most max_ranges ranges (PH_E_LIMIT), numbers
 * up to 2^32-1; empty text, 0 and garbage are PH_E_PROTOCOL. Adds to *s. */
int ph_numset_parse(struct ph_numset *s, struct ph_str text, uint32_t star, size_t max_ranges, struct ph_err *err);
int ph_numset_format(const struct ph_numset *s, struct ph_buf *out);
/* Write as many ranges from range index *from on as fit in max_len octets (at least one), advance *from. So a
 * large set goes out as several commands of bounded length. */
int ph_numset_format_part(const struct ph_numset *s, size_t *from, size_t max_len, struct ph_buf *out);

/* Members in the order as sent, for COPYUID and APPENDUID (RFC 4315 3: a range counts as ascending, `12:10` =
 * `10:12`, but the order of the comma-separated parts is kept): expands at most max members
 * (PH_E_LIMIT). *out is from the heap, the caller frees it; NULL on failure. */
int ph_uidlist_parse(struct ph_str text, size_t max, uint32_t **out, size_t *out_n, struct ph_err *err);

#endif
