/* snapshot.h: what one folder holds, one row of 32 bytes a message.
 *
 * A folder may have 500,000 messages, so rows are packed, kept in blocks (no doubling copy), and strings are shared:
 * a row names its set of keywords by number. Rows come in any order; ph_snapshot_sort_uid / _sort_key order them.
 * Owned by one thread at a time.
 */
#ifndef PH_STORE_SNAPSHOT_H
#define PH_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "wire/flags.h"

struct ph_row {
    uint32_t uid;
    uint32_t flags : 8;   /* PH_F_* */
    uint32_t kwset : 24;  /* index into the snapshot's keyword sets; 0: none */
    uint64_t key;         /* keyed 64-bit hash of the identity key; 0: not read, or the message has none. With PH_WANT_MODSEQ: the
                           * message's mod-sequence */
    int64_t epoch : 48;   /* INTERNALDATE, seconds UTC */
    int64_t zone : 12;    /* minutes east */
    int64_t has_date : 2; /* non-zero: yes */
    int64_t has_key : 2;  /* non-zero: the key was looked for (it may be 0: none) */
    uint64_t size : 48;   /* RFC822.SIZE; a hint */
    uint64_t mark : 16;   /* the planner's */
};

_Static_assert(sizeof(struct ph_row) == 32, "a row is 32 bytes");

#define PH_SNAPSHOT_BLOCK 2048

struct ph_snapshot {
    struct ph_row **blocks;
    size_t n_blocks, n;
    struct ph_arena strings;
    const char **kwsets; /* [i]: keywords, sorted, one blank between; [0] is "" */
    size_t n_kwsets, cap_kwsets;
    void *kw_index; /* hash of kwsets */
    /* state of the folder as of this scan */
    uint32_t uidvalidity, uidnext, exists;
    uint64_t modseq;          /* HIGHESTMODSEQ, 0: none */
    bool complete;            /* every message is in it (a tagged OK without MESSAGELIMIT) */
    bool changes_only;        /* rows are changes since the request's modseq; vanished has what went */
    uint32_t permanent_flags; /* PH_F_* that may be stored */
    bool keywords_ok;         /* PERMANENTFLAGS has \* */
    const char *permanent_keywords; /* sorted, blank-separated, in strings */
};

void ph_snapshot_init(struct ph_snapshot *s);
void ph_snapshot_done(struct ph_snapshot *s);
static inline struct ph_row *ph_snapshot_row(const struct ph_snapshot *s, size_t i)
{
    return &s->blocks[i / PH_SNAPSHOT_BLOCK][i % PH_SNAPSHOT_BLOCK];
}
struct ph_row *ph_snapshot_add(struct ph_snapshot *s); /* a zeroed row at the end; NULL without memory */
void ph_snapshot_truncate(struct ph_snapshot *s, size_t n);
/* Number of the set that holds exactly these keywords (any order, doubled ones count once, case kept); -1 without memory. */
int ph_snapshot_kwset(struct ph_snapshot *s, const struct ph_str *keywords, size_t n);
static inline const char *ph_snapshot_keywords(const struct ph_snapshot *s, const struct ph_row *r)
{
    return r->kwset ? s->kwsets[r->kwset] : "";
}
void ph_snapshot_sort_uid(struct ph_snapshot *s); /* in place, no memory; O(n) when sorted already; equal UIDs: the last one added wins, others are dropped */
void ph_snapshot_sort_key(struct ph_snapshot *s); /* by (key, uid) */
struct ph_row *ph_snapshot_find(const struct ph_snapshot *s, uint32_t uid); /* sorted by uid; NULL: not there */

#endif
