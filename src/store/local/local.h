/* local.h: mail kept on this machine's disk: one directory a user, an index in SQLite, bodies in append-only packs.
 *
 *     ROOT/shared.sqlite                   who may have granted whom something; a hint, made anew when it is lost
 *     ROOT/users/NAME/index.sqlite         mailboxes, messages, flags, rights: one transaction a commit
 *     ROOT/users/NAME/packs/000001.pack    messages as they came, each once, behind a header with its SHA-256
 *     ROOT/users/NAME/cache.sqlite         what a server worked out about bodies; may be removed at any time
 *
 * NAME is the user's name, percent-encoded where it is no safe name of a file. What a session's call has said 0 to is
 * synced; calls of one user that come at the same time share their syncs. Several processes may work on a root at once.
 *
 * A root is shared by threads and freed after its stores, a store after its sessions.
 */
#ifndef PH_STORE_LOCAL_LOCAL_H
#define PH_STORE_LOCAL_LOCAL_H

#include "store/serve.h"

struct ph_local_root;

struct ph_local_options { /* 0: what stands in brackets */
    unsigned open_users;       /* users that stay open while nobody works on them [64]; about 8 descriptors each */
    uint64_t append_limit;     /* octets of a message [no limit] */
    uint64_t pack_size;        /* a pack that has reached this is not written to again [256 MiB] */
    uint64_t quota_storage;    /* of users that have no limits of their own: octets [no limit] */
    uint64_t quota_messages;   /* [no limit] */
    uint64_t quota_mailboxes;  /* [no limit] */
    bool users_set_quota;      /* SETQUOTA is for everybody (tests); else ph_local_set_quota alone sets limits */
    unsigned tombstones;       /* ranges of removed UIDs that a mailbox remembers [20,000] */
    unsigned checkpoint_pages; /* of the write-ahead log, as PRAGMA wal_autocheckpoint [1000] */
};

/* Makes ROOT and what is in it. opt may be NULL; it is copied. PH_E_SYSTEM, PH_E_PERMISSION. */
int ph_local_root_new(const char *path, const struct ph_local_options *opt, struct ph_local_root **out,
                      struct ph_err *err);
void ph_local_root_free(struct ph_local_root *root);

/* A user's store; cheap: nothing stays open for it. A user that is not there is made, with an INBOX, or with create false
 * is PH_E_NOTFOUND. Case counts in names; a name is at most 255 octets, those that have to be encoded (all but small letters, digits
 * and @ - _ + = .) counting three times: PH_E_USAGE. */
int ph_local_store_new(struct ph_local_root *root, const char *user, bool create, struct ph_store **out,
                       struct ph_err *err);

/* ---- running a root; any process may call these while others serve it ---- */

/* Every user, in no order; each returns -1 to end the walk, with *err filled. */
int ph_local_users(struct ph_local_root *root, int (*each)(void *ctx, const char *user, struct ph_err *err), void *ctx,
                   struct ph_err *err);
int ph_local_user_exists(struct ph_local_root *root, const char *user, bool *exists, struct ph_err *err);
/* What a user's directory below users/ is called. PH_E_USAGE: no name of a user. */
int ph_local_encode_name(const char *user, struct ph_buf *out, struct ph_err *err);
/* Limits by the names of RFC 9208: STORAGE (KiB), MESSAGE, MAILBOX; a limit of UINT64_MAX takes the user's own away. */
int ph_local_set_quota(struct ph_local_root *root, const char *user, const struct ph_store_quota_resource *limits, size_t n,
                       struct ph_err *err);

struct ph_local_finding {
    const char *what;          /* one line for people */
    bool repaired;
    bool loss;                 /* mail is missing or damaged; else only bookkeeping was wrong */
};
struct ph_local_check_result {
    uint64_t messages, bodies, octets; /* looked at */
    unsigned findings, repaired, losses;
};
/* Compare packs and index of a user: every record's SHA-256, bodies that are missing or that nobody refers to, counters,
 * tails of packs, the database itself. repair: put right what can be (RECONSTRUCT): messages that only the packs know come
 * back in the mailbox "Recovered"; an index that is lost or damaged is made anew from the packs, the old one kept
 * beside it. Packs that are more than half dead are compacted. report may be NULL. 0 also when there were findings. */
int ph_local_check(struct ph_local_root *root, const char *user, bool repair,
                   void (*report)(void *ctx, const struct ph_local_finding *f), void *ctx,
                   struct ph_local_check_result *result, struct ph_err *err);
/* A user's mail as of one moment into the directory dest, which must not exist, while it is in use: what a users/NAME
 * is. Packs that are full are hard links where the file system allows it. Synced. */
int ph_local_backup(struct ph_local_root *root, const char *user, const char *dest, struct ph_err *err);

/* Since the root was made, for tests and figures. */
struct ph_local_counters {
    uint64_t commits;          /* transactions */
    uint64_t operations;       /* in them */
    uint64_t pack_syncs;
    uint64_t opened, closed;   /* users */
};
void ph_local_count(struct ph_local_root *root, struct ph_local_counters *out);

#endif
