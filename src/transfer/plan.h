/* plan.h: what has to be done in one folder. Pure: two snapshots, the ledger's rows and a policy in, steps out.
 *
 * Nothing here does I/O. The job scans what the plan says it needs, calls ph_plan_folder, reads bytes of the messages in
 * `need_hash` when there are any, calls again with the hashes, and then carries the steps out.
 */
#ifndef PH_TRANSFER_PLAN_H
#define PH_TRANSFER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "ledger/ledger.h"
#include "store/snapshot.h"
#include "wire/numset.h"

struct ph_policy {
    bool update_flags;      /* carry flag changes of known messages over */
    bool expunge;           /* delete on the destination what vanished from the source (never from an incomplete scan) */
    bool dedup;             /* of equal keys on the source only the first is wanted */
    bool classic_match;     /* imapcopy -U: "at least one is there" is enough, no key is always copied */
    bool ignore_destination;/* imapcopy without -U: nothing is matched, only the ledger's own rows of this run */
    uint64_t max_size;      /* 0: none; larger messages are skipped with a reason */
    uint64_t append_limit;  /* UINT64_MAX: none */
    bool retry_refused;     /* try quarantined messages again */
    bool skip_deleted;      /* leave \Deleted messages out */
    bool only_seen, only_unseen;
};

/* Bytes' hash of one message, from a reading of the job. */
struct ph_known_hash {
    uint32_t uid;
    bool dst;
    unsigned char sha256[32];
};

struct ph_plan_input {
    struct ph_snapshot *src;  /* re-sorted as needed; sorted by UID again on return */
    struct ph_snapshot *dst;  /* NULL: folder does not exist or is empty. May be partial: only messages the ledger does
                               * not know (rows of known dst UIDs are harmless) */
    /* The ledger's rows in ascending src_uid, or NULL: 1 row, 0 end, -1 */
    int (*next_row)(void *ctx, struct ph_ledger_row *out, struct ph_err *err);
    int (*rewind)(void *ctx, struct ph_err *err);
    void *rows_ctx;
    const struct ph_known_hash *hashes; /* any order; not NULL: this is the second call, and what has no hash could not
                                         * be read: it equals nothing */
    size_t n_hashes;
    /* Source UIDs that are to be copied, NULL: all. Others still take part in the matching (PH_SKIP_FILTERED): leave a
     * message out of the snapshot, and another one with the same key takes its place on the destination. */
    const struct ph_numset *wanted;
    /* Source UIDs that an interrupted run may have sent, or NULL: these are looked for on the destination in spite of
     * ignore_destination. dst should then have no more than what is younger than that run. */
    const struct ph_numset *unsure;
};

struct ph_adoption {
    uint32_t src_uid, dst_uid;
};
struct ph_flag_step {
    uint32_t src_uid, dst_uid; /* set the destination's flags to those of the source row */
};
enum ph_skip_reason {
    PH_SKIP_KNOWN,        /* the ledger has it */
    PH_SKIP_REFUSED,      /* quarantined earlier */
    PH_SKIP_TOO_BIG, PH_SKIP_APPEND_LIMIT, PH_SKIP_EMPTY /* size 0: never sent (RFC 3502) */,
    PH_SKIP_DUPLICATE, PH_SKIP_DELETED, PH_SKIP_UNSEEN, PH_SKIP_SEEN, PH_SKIP_EXISTS /* classic: key is there */,
    PH_SKIP_FILTERED /* not in `wanted` */,
    PH_SKIP_REASONS
};

struct ph_steps {
    struct ph_numset copy;            /* source UIDs to append */
    struct ph_adoption *adopt;        /* already there: only the ledger learns of it */
    size_t n_adopt;
    struct ph_flag_step *flags;
    size_t n_flags;
    struct ph_numset expunge;         /* destination UIDs */
    struct ph_numset gone;            /* source UIDs of ledger rows that vanished from a complete source scan: forget them */
    struct ph_numset skipped[PH_SKIP_REASONS]; /* source UIDs */
    struct ph_numset need_hash_src, need_hash_dst; /* not empty: read these, call again; the rest is not final */
};

void ph_steps_init(struct ph_steps *s);
void ph_steps_done(struct ph_steps *s);
/* Identity (in this order): ledger row by source UID; key equal and the group has one member on each side: a pair; groups with more than one
 * member on either side, and messages without any key whose size occurs on both sides: exact pairs by SHA-256 first, then the
 * remainder by internal date and size, and last by occurrence in UID order (for keyless messages no remainder: without equal bytes they
 * are different). Bytes that are seen on both sides come through unchanged, so they are never part of the remainder. Destination rows that
 * the ledger maps already are out of the matching, but of small groups they are read, to know further copies of them.
 *
 * Every source message without a known destination UID takes part, also one that is not going to be copied: what is there is adopted
 * whatever the policy says of copying it, and holds its place against others with the same key. A ledger row whose dst_uid
 * is 0 is adopted again once its UID is found.
 *
 * `gone` and `expunge` need a source snapshot of the whole folder: complete, not changes_only, and no fewer rows than `exists`. A destination
 * message that another living source message is mapped to (merged) is never expunged. A destination snapshot that is not complete is an
 * error (PH_E_LIMIT, scope folder) where it would lead to a copy. flags_hash 0 in a ledger row means not known: the flags are set once.
 *
 * in->next_row starts at the first row; with policy->expunge it is rewound once. Both snapshots are sorted by UID on return, and their marks are
 * of no meaning. -1: memory, a failing next_row, rows out of order (PH_E_CORRUPT). *out was ph_steps_init-ed, and is to be
 * ph_steps_done in any case. O(n log n); beyond the snapshots memory for steps and for the largest group only. */
int ph_plan_folder(const struct ph_plan_input *in, const struct ph_policy *policy, struct ph_steps *out,
                   struct ph_err *err);
uint64_t ph_flags_hash(uint32_t flags, const char *keywords); /* never 0; RECENT does not count */

#endif
