/* store.h: everything is a store: folders that hold messages; a message has a UID, flags, an internal date, a size
 * and bytes.
 *
 * A `ph_store` names a place (an account, a directory) and is shared by threads; a `ph_session` is one open
 * connection to it and belongs to one thread. Calls block and stream. Where a call is split in _begin and _wait, the
 * store may have several under way (a pipeline); a store without one does all the work in _wait. Sessions of one thread
 * share its ph_loop, so waiting for one moves the bytes of the others.
 *
 * Optional operations are NULL, and `abilities` says what is there: a policy that needs more fails before it starts.
 *
 * Folder names are UTF-8 with the store's own delimiter. Errors: scope says what the caller must give up.
 */
#ifndef PH_STORE_STORE_H
#define PH_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/deadline.h"
#include "io/loop.h"
#include "mail/identity.h"
#include "store/snapshot.h"
#include "wire/numset.h"
#include "wire/response.h" /* PH_MA_* */

struct ph_store;
struct ph_session;
struct ph_serve_ops; /* store/serve.h */

/* Abilities of an open session. */
enum {
    PH_AB_FLAGS = 1 << 0,        /* system flags are kept */
    PH_AB_KEYWORDS = 1 << 1,
    PH_AB_DATES = 1 << 2,        /* internal dates are kept */
    PH_AB_UIDS = 1 << 3,         /* UIDs are stable across sessions */
    PH_AB_EXACT_SIZE = 1 << 4,   /* sizes of scans are the size of the bytes */
    PH_AB_NEWUID = 1 << 5,       /* append tells the new UIDs (UIDPLUS) */
    PH_AB_BATCH = 1 << 6,        /* an append of several messages is one commit (MULTIAPPEND) */
    PH_AB_MODSEQ = 1 << 7,       /* mod-sequences (CONDSTORE) */
    PH_AB_QRESYNC = 1 << 8,      /* changes_since also tells what vanished */
    PH_AB_STATUS_LIST = 1 << 9,  /* list brings every folder's status in the same answer */
    PH_AB_SUBSCRIBE = 1 << 10,
    PH_AB_SPECIAL_USE = 1 << 11, /* create can set a special use */
    PH_AB_UID_EXPUNGE = 1 << 12,
    PH_AB_GMAIL = 1 << 13,       /* X-GM-EXT-1 */
    PH_AB_EXCHANGE = 1 << 14,    /* RFC822.SIZE is an estimate; BADs are counted */
    PH_AB_WRITE = 1 << 15,       /* anything can be changed at all */
    PH_AB_OBJECTID = 1 << 16,
    PH_AB_PIPELINE_SELECT = 1 << 17, /* scans and bodies of several folders may be under way at once */
};

struct ph_folder {
    const char *name;   /* UTF-8 */
    const char *wire;   /* the store's own bytes (IMAP: as listed) */
    char delim;         /* 0: flat */
    uint32_t attrs;     /* PH_MA_*; PH_MA_SUBSCRIBED when known to be */
    bool has_status;
    uint32_t messages, uidnext, uidvalidity;
    uint64_t modseq;    /* HIGHESTMODSEQ; 0: not offered */
    uint64_t size;      /* STATUS=SIZE; UINT64_MAX: not known */
    bool has_counts;    /* the next three are told */
    uint32_t unseen, deleted;
    uint64_t deleted_size;
    const char *mailboxid; /* OBJECTID (RFC 8474), or NULL */
    struct ph_err status_err; /* kind != PH_OK: its STATUS was refused */
};

struct ph_folder_list {
    struct ph_arena arena; /* owns the strings and the array */
    struct ph_folder *f;
    size_t n;
    char delim;            /* of the personal namespace; 0: none */
    const char *prefix;    /* personal namespace, UTF-8, "" */
};

/* What to read about messages. */
enum {
    PH_WANT_FLAGS = 1 << 0,
    PH_WANT_DATE = 1 << 1,
    PH_WANT_SIZE = 1 << 2,
    PH_WANT_KEY = 1 << 3,  /* identity key from Message-ID, or Date+Subject+From */
    PH_WANT_MSGID = 1 << 4, /* provider's message id as the key (X-GM-MSGID, EMAILID): only within one account */
    PH_WANT_MODSEQ = 1 << 5, /* each row's mod-sequence in the place of its key; not together with KEY or MSGID */
};

struct ph_scan_request {
    uint32_t want;
    const struct ph_numset *uids;  /* NULL: all */
    uint32_t from_uid;             /* with uids NULL: from this UID on (0: all) */
    uint64_t changed_since;        /* with PH_AB_MODSEQ: only rows changed since; 0: no */
    uint32_t uidvalidity;          /* expected; 0: any. Another one fails with PH_E_CHANGED, scope folder */
    struct ph_numset *vanished;    /* with PH_AB_QRESYNC and changed_since: UIDs gone; may be NULL */
    const struct ph_hash_key *hash_key; /* with PH_WANT_KEY; must live until the scan is done */
    bool built_keys, normalise_date; /* with PH_WANT_KEY: as ph_identity_key has them */
    bool read_write;               /* SELECT instead of EXAMINE */
    const char *search;            /* store-side filter, an IMAP search program in wire form, or NULL (IMAP only) */
};

/* A message on its way in. */
struct ph_message {
    uint32_t flags;            /* PH_F_*, without RECENT */
    const char *keywords;      /* blank-separated, only atoms; "" */
    bool has_date;
    int64_t epoch;
    int zone_min;
    uint64_t size;             /* exact; UINT64_MAX where PH_SV_ANY_SIZE allows it */
    bool careful;              /* ask before the octets are sent (synchronising literal), although more would be allowed */
};

/* A message on its way out. */
struct ph_body {
    uint32_t uid;
    const char *folder;        /* as given to bodies_add */
    bool missing;              /* no bytes: gone meanwhile, or not fetchable (err says why); nothing to read */
    struct ph_err err;
    uint64_t size;             /* exact */
};

struct ph_append;              /* one batch under way */

struct ph_append_result {
    bool ok;
    struct ph_err err;         /* ok == false: scope message = this batch was refused, none of it is in */
    bool unknown;              /* the connection broke: the batch may or may not be in */
    uint32_t uidvalidity;      /* 0: not told */
    const uint32_t *uids;      /* new UIDs in the order of the messages, or NULL; valid until the append is freed */
    size_t n_uids;
    size_t failed_index;       /* when the server refused at a certain literal (SIZE_MAX: not known) */
};

struct ph_flag_change {
    const struct ph_numset *uids;
    uint32_t flags;
    const char *keywords;
    enum { PH_FLAGS_SET, PH_FLAGS_ADD, PH_FLAGS_REMOVE } mode;
    uint64_t unchanged_since;  /* 0: none */
    struct ph_numset *modified; /* with unchanged_since: gets the UIDs left alone because they changed since; may be NULL */
    struct ph_err result;      /* filled in */
};

struct ph_flag_batch { /* the changes of one folder */
    const char *folder;
    uint32_t uidvalidity;
    struct ph_flag_change *changes;
    size_t n;
    struct ph_err result;      /* filled in: the folder could not be opened, or its UIDVALIDITY is another one */
};

struct ph_session_ops {
    /* Wait in another loop from now on: two sessions that were opened side by side become one lane's. */
    int (*join)(struct ph_session *s, struct ph_loop *loop, struct ph_err *err);
    uint32_t (*abilities)(struct ph_session *s);
    uint64_t (*append_limit)(struct ph_session *s); /* largest message taken; UINT64_MAX: not known */
    void (*close)(struct ph_session *s);            /* says goodbye without waiting for the answer; frees */

    /* All folders, with status where it is cheap (`status`: also where it takes a pipelined flight). */
    int (*list)(struct ph_session *s, bool status, struct ph_folder_list *out, struct ph_err *err);
    /* Status of n folders in one flight into f[i]; a folder that fails has its status_err set. Strings live until the
     * session's next call of status. */
    int (*status)(struct ph_session *s, struct ph_folder *const *f, size_t n, struct ph_err *err);
    /* Create n folders in one flight; results[i].kind: PH_OK or PH_E_EXISTS or why not. special: PH_MA_* special-use
     * bits to give the i-th where PH_AB_SPECIAL_USE. */
    int (*create)(struct ph_session *s, const char *const *names, const uint32_t *special, size_t n,
                  struct ph_err *results, struct ph_err *err);
    int (*subscribe)(struct ph_session *s, const char *const *names, size_t n, bool on, struct ph_err *results,
                     struct ph_err *err);
    int (*remove)(struct ph_session *s, const char *name, struct ph_err *err);
    int (*rename)(struct ph_session *s, const char *from, const char *to, struct ph_err *err);

    /* Fill *out with what the folder holds. Begin queues, wait (in the order of the begins) completes the oldest. */
    int (*scan_begin)(struct ph_session *s, const char *folder, const struct ph_scan_request *req,
                      struct ph_snapshot *out, struct ph_err *err);
    int (*scan_wait)(struct ph_session *s, struct ph_snapshot *out, struct ph_err *err);

    /* Queue the bodies of `uids` (copied) from folder; sizes come from `snap` (window), which must live until they
     * are read. Then bodies_next until it says 0: each UID asked for comes exactly once, in any order within one call of
     * bodies_add; 1: *out is the next message. body_read lends bytes, *n == 0 at the end; what is left unread is skipped
     * by the next bodies_next. */
    int (*bodies_add)(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                      const struct ph_snapshot *snap, struct ph_err *err);
    int (*bodies_next)(struct ph_session *s, struct ph_body *out, struct ph_err *err);
    int (*body_read)(struct ph_session *s, const char **p, size_t *n, struct ph_err *err);

    /* Put at most n_messages into a folder: open, then for each message its head and exactly size bytes, then finish. Several
     * finished batches may be under way; append_wait completes the oldest, append_poll says whether the oldest is done
     * without waiting. A failure of head or write with scope message means: the server refused this batch; finish and wait
     * still have to be called, or append_free, which also throws an unfinished batch away (that costs the connection of an
     * IMAP store when bytes are out). */
    int (*append_open)(struct ph_session *s, const char *folder, size_t n_messages, struct ph_append **out,
                       struct ph_err *err);
    int (*append_message)(struct ph_append *a, const struct ph_message *m, struct ph_err *err);
    int (*append_write)(struct ph_append *a, const char *p, size_t n, struct ph_err *err);
    int (*append_finish)(struct ph_append *a, struct ph_err *err);
    bool (*append_poll)(struct ph_session *s);
    int (*append_wait)(struct ph_session *s, struct ph_append **done, struct ph_append_result *res, struct ph_err *err);
    void (*append_free)(struct ph_append *a);

    /* Change flags in n folders, in as few flights as the store allows; failures are in the results. */
    int (*store_flags)(struct ph_session *s, struct ph_flag_batch *batches, size_t n, struct ph_err *err);
    /* Remove exactly these messages (marks them deleted first). Without PH_AB_UID_EXPUNGE only marks: PH_E_UNSUPPORTED
     * comes back in results unless `expunge_all`, which also takes what was marked before. */
    int (*expunge)(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                   bool expunge_all, struct ph_err *err);
    /* Copy messages into another folder of the same store without moving their bytes; NULL: not to be had. */
    int (*copy)(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                const char *to, struct ph_err *err);
    int (*noop)(struct ph_session *s, struct ph_err *err); /* keep the connection alive */
    /* Must it be closed and opened anew before it is used further (it failed, or the server counts errors)? NULL: never. */
    bool (*worn)(struct ph_session *s);
    /* What a server needs beyond these; NULL: nothing. */
    const struct ph_serve_ops *serve;
};

struct ph_session {
    const struct ph_session_ops *ops;
    struct ph_store *store;
    struct ph_loop *loop;
};

struct ph_store_ops {
    const char *kind;
    /* Open a session whose waits run in `loop` (its cancel is honoured). Thread safe. */
    int (*open)(struct ph_store *st, struct ph_loop *loop, struct ph_session **out, struct ph_err *err);
    void (*free)(struct ph_store *st);
};

struct ph_store {
    const struct ph_store_ops *ops;
    char *label;       /* for people: user@host */
    char *identity;    /* for the ledger: kind, host, port, user; never a secret */
};

void ph_folder_list_done(struct ph_folder_list *l);
struct ph_folder *ph_folder_list_find(const struct ph_folder_list *l, const char *name); /* INBOX in any case */

#endif
