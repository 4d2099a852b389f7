/* plan_private.h: what plan.c (the ledger, the policy, the steps) and plan_match.c (who is who) share. */
#ifndef PH_TRANSFER_PLAN_PRIVATE_H
#define PH_TRANSFER_PLAN_PRIVATE_H

#include "transfer/plan.h"

/* ph_row.mark while a plan is made. The low bits are the fate of a source message that is not found on the
 * destination: 0 is copied, else it is skipped for reason MARK_FATE - 1. */
enum {
    MARK_FATE = 0x1f,
    MARK_OUT = 1 << 5,      /* the ledger pairs it: no longer in question */
    MARK_PAIRED = 1 << 6,
    MARK_NEED_HASH = 1 << 7,
    MARK_KEYLESS = 1 << 8,  /* has no key: row->key is its size for the time of the matching */
    MARK_FLAGS = 1 << 9,    /* flags changed since they were carried over */
    MARK_LEDGER = 1 << 10,  /* known to be there, its destination UID not */
    MARK_ALONE = 1 << 11,   /* takes no partner: the destination is ignored */
};

static inline void plan_set_fate(struct ph_row *r, enum ph_skip_reason why)
{
    r->mark = (r->mark & ~MARK_FATE) | ((unsigned)why + 1);
}

struct plan {
    const struct ph_plan_input *in;
    const struct ph_policy *policy;
    struct ph_steps *out;
    struct ph_snapshot *dst; /* NULL: nothing to match with */
    bool whole;              /* the source snapshot is the whole folder */
    size_t candidates, free; /* source rows in question; destination rows without a partner */
    size_t cap_adopt, cap_flags;
    struct ph_row **s, **d;  /* members of the group in hand */
    size_t n_s, n_d, cap_s, cap_d;
    const struct ph_known_hash **hashes; /* sorted */
};

int plan_pair(struct plan *p, struct ph_row *src, struct ph_row *dst); /* -1 without memory */
int plan_match(struct plan *p); /* leaves its word in the marks; -1 without memory */

#endif
