/* ledger.h: what was done, durably, so that a run that dies is resumed exactly.
 *
 * One ledger file a pair of endpoints, mode 0600, WAL, synchronous=FULL, under an exclusive lock of this process. One
 * writer thread commits what has gathered (group commit); other threads submit and wait for durability only where they must:
 * an intent must be durable before the batch's first byte goes out. All calls are thread safe. Folders are named by
 * number (ph_ledger_folder).
 *
 * What is queued is seen by every later call of any thread. Questions about one row, folders, baselines and queueing never
 * wait for the disk (queueing rows does when more than half a megabyte waits already); rows, reasons, intents and named
 * values are read from disk, and wait for a commit when something of the kind is queued for that folder.
 *
 * A write that fails (disk full, I/O error) is met by the next wait, flush or queueing call and by close, scope job; from
 * then on nothing more is written, and everything that was reported durable is there for the next run.
 */
#ifndef PH_LEDGER_LEDGER_H
#define PH_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

struct ph_ledger;

/* Open or create the ledger of (src, dst) (store identities) in dir (NULL: $XDG_STATE_HOME/posthaste, or
 * ~/.local/state/posthaste; made with mode 0700). `variant` keeps runs of other purposes apart ("copy", or a hash of the classic
 * arguments). PH_E_LOCKED names the process that holds it. A damaged or foreign file is PH_E_CORRUPT and left alone. */
int ph_ledger_open(const char *dir, const char *src, const char *dst, const char *variant, struct ph_ledger **out,
                   struct ph_err *err);
int ph_ledger_close(struct ph_ledger *l, struct ph_err *err); /* commits what is pending; frees */
const char *ph_ledger_path(const struct ph_ledger *l);
bool ph_ledger_is_new(struct ph_ledger *l); /* no pair of folders is in it */

/* ---- folders ---- */

/* What both sides looked like when they were last known to be equal: 0 fields mean not known. */
struct ph_baseline {
    uint32_t src_uidvalidity, src_uidnext, src_messages;
    uint64_t src_modseq;
    uint32_t dst_uidvalidity, dst_uidnext, dst_messages;
    uint64_t dst_modseq;
    bool complete; /* everything of that source state had been dealt with */
};

/* The number of this pair of folders, made if new. */
int ph_ledger_folder(struct ph_ledger *l, const char *src_folder, const char *dst_folder, int64_t *id,
                     struct ph_err *err);
int ph_ledger_baseline_get(struct ph_ledger *l, int64_t folder, struct ph_baseline *out, struct ph_err *err);
/* Queued; durable with the next commit. */
int ph_ledger_baseline_set(struct ph_ledger *l, int64_t folder, const struct ph_baseline *b, struct ph_err *err);
/* Source UIDVALIDITY or destination UIDVALIDITY changed: forget the UID map (not the intents of the same validity). */
int ph_ledger_folder_reset(struct ph_ledger *l, int64_t folder, struct ph_err *err);

/* ---- the UID map ---- */

struct ph_ledger_row {
    uint32_t src_uid;
    uint32_t dst_uid;       /* 0: it is there, its UID is not known */
    uint64_t flags_hash;    /* of the source's flags when last carried over */
    uint64_t size;
    unsigned char sha256[32]; /* all zero: not known */
    uint8_t state;          /* PH_LR_* */
};
enum {
    PH_LR_COPIED = 0,   /* we appended it */
    PH_LR_ADOPTED = 1,  /* it was there */
    PH_LR_MERGED = 2,   /* the destination merged it with another equal message */
    PH_LR_REFUSED = 3,  /* quarantined: reason below; tried again only when asked */
    PH_LR_REPAIRED = 4, /* changed on request to be accepted; sha256 is of what was sent */
};

/* Rows of a folder in ascending src_uid, read in pages; a cursor sees one consistent state. */
struct ph_ledger_cursor;
int ph_ledger_rows(struct ph_ledger *l, int64_t folder, struct ph_ledger_cursor **out, struct ph_err *err);
int ph_ledger_rows_next(struct ph_ledger_cursor *c, struct ph_ledger_row *out, struct ph_err *err); /* 1 row, 0 end */
void ph_ledger_rows_end(struct ph_ledger_cursor *c);
/* One row by source UID: 1 found, 0 not, -1. */
int ph_ledger_row(struct ph_ledger *l, int64_t folder, uint32_t src_uid, struct ph_ledger_row *out, struct ph_err *err);
/* Is this destination UID in the map already (a merging server)? 1, 0, -1. */
int ph_ledger_has_dst(struct ph_ledger *l, int64_t folder, uint32_t dst_uid, struct ph_err *err);
/* Insert or replace rows; queued. */
int ph_ledger_put(struct ph_ledger *l, int64_t folder, const struct ph_ledger_row *rows, size_t n, struct ph_err *err);
int ph_ledger_forget(struct ph_ledger *l, int64_t folder, const uint32_t *src_uids, size_t n, struct ph_err *err);
/* A refused message with the server's words (or ours); makes a PH_LR_REFUSED row too. */
int ph_ledger_refuse(struct ph_ledger *l, int64_t folder, uint32_t src_uid, uint64_t size, const char *reason,
                     struct ph_err *err);
/* reason of a refused row into buf (truncated); 1 found, 0 not. */
int ph_ledger_reason(struct ph_ledger *l, int64_t folder, uint32_t src_uid, char *buf, size_t n, struct ph_err *err);

/* ---- intents ---- */

struct ph_intent_message {
    uint32_t src_uid;
    uint64_t key;       /* as in the snapshot; 0: none */
    uint64_t size;      /* hint */
    uint64_t flags_hash;
};
struct ph_intent {
    int64_t id;
    int64_t folder;
    uint32_t dst_uidvalidity, dst_uidnext; /* as known when it was written */
    const struct ph_intent_message *messages; /* borrowed */
    size_t n;
};

/* Queue an intent; *ticket is waited for with ph_ledger_wait before the first byte. id comes back at once. */
int ph_ledger_intent(struct ph_ledger *l, const struct ph_intent *i, int64_t *id, uint64_t *ticket, struct ph_err *err);
/* Block until everything up to ticket is on disk. Deadline-free: a disk that fails is an error. */
int ph_ledger_wait(struct ph_ledger *l, uint64_t ticket, struct ph_err *err);
/* The batch is in: rows replace the intent in one transaction. Queued. */
int ph_ledger_confirm(struct ph_ledger *l, int64_t intent, int64_t folder, const struct ph_ledger_row *rows, size_t n,
                      struct ph_err *err);
/* The batch is certainly not in (refused before anything was committed). Queued. */
int ph_ledger_drop(struct ph_ledger *l, int64_t intent, struct ph_err *err);
/* Unconfirmed intents left by an earlier run (or of this one), folder by folder: calls `each` with a borrowed intent. */
int ph_ledger_unresolved(struct ph_ledger *l, int64_t folder, int (*each)(void *ctx, const struct ph_intent *i),
                         void *ctx, struct ph_err *err);
int ph_ledger_unresolved_count(struct ph_ledger *l, int64_t folder, uint64_t *out, struct ph_err *err); /* folder 0: all */

/* ---- the run ---- */

/* Small named values: "hash-key" (16 random bytes made at creation: the key of identity hashes), "finished", … */
/* 1 found, 0 not, -1 */
int ph_ledger_meta_get(struct ph_ledger *l, const char *name, void *buf, size_t n, size_t *got, struct ph_err *err);
int ph_ledger_meta_set(struct ph_ledger *l, const char *name, const void *p, size_t n, struct ph_err *err);
int ph_ledger_flush(struct ph_ledger *l, struct ph_err *err); /* everything queued so far is on disk */
/* Look only (a dry run): what is handed in from now on is thrown away, and a folder that was reset looks empty to this handle alone. */
void ph_ledger_dry(struct ph_ledger *l);
/* Testing aid: intents are not written (the kill harness must fail then). */
void ph_ledger_no_intents(struct ph_ledger *l);

#endif
