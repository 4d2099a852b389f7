/* serve.h: what a server asks of a store beyond store.h. Every operation is optional (NULL), and what a server
 * advertises is computed from what is there.
 *
 * As in store.h a session belongs to one thread, calls block, folder names are UTF-8 with the store's delimiter, and
 * errors say how far the damage goes. Kinds have meanings for the client: NOTFOUND, EXISTS, PERMISSION, QUOTA, TOOBIG, LIMIT,
 * LOCKED, CORRUPT and UNSUPPORTED become the response codes of RFC 5530. A store checks the rights of its user itself.
 *
 * "Durable" means: before the call returns 0, the change is synced to disk, if the store has one.
 */
#ifndef PH_STORE_SERVE_H
#define PH_STORE_SERVE_H

#include "base/buf.h"
#include "store/store.h"

/* A message's identities (RFC 8474) and when it came into this mailbox (RFC 8514). */
struct ph_message_info {
    uint32_t uid;
    const char *emailid, *threadid; /* "": none */
    bool has_saved;
    int64_t saved;                  /* seconds UTC */
};

struct ph_copy_result {
    uint32_t uidvalidity;   /* of the destination */
    uint32_t *from, *to;    /* in pairs, ascending; a message that was gone meanwhile is not there */
    size_t n;
    uint64_t modseq;        /* of a move: the source's after it, 0: none */
};

struct ph_acl_entry {
    const char *identifier; /* user, "anyone", "-user" for negative rights (RFC 4314 2) */
    const char *rights;     /* letters of RFC 4314 */
};

#define PH_RIGHTS_ALL "lrswipkxtea"

struct ph_store_quota_resource {
    const char *name;       /* STORAGE (KiB), MESSAGE, MAILBOX, ANNOTATION-STORAGE: RFC 9208 5 */
    uint64_t usage, limit;
};

struct ph_quota {
    const char *root;
    struct ph_store_quota_resource *r;
    size_t n;
};

struct ph_annotation {
    const char *entry;      /* "/private/comment", RFC 5464 */
    struct ph_str value;    /* NIL: none; on setting: remove it */
};

enum ph_namespace_kind { PH_NS_PERSONAL, PH_NS_OTHER, PH_NS_SHARED };
struct ph_store_namespace {
    enum ph_namespace_kind kind;
    const char *prefix;     /* with its delimiter at the end; "" */
    char delim;
};

/* What a watcher is told. */
enum {
    PH_WATCH_MESSAGES = 1 << 0, /* messages came, went, or changed flags */
    PH_WATCH_FOLDERS = 1 << 1,  /* folders were made, removed, renamed; folder may be NULL */
    PH_WATCH_SUBSCRIPTIONS = 1 << 2,
    PH_WATCH_METADATA = 1 << 3, /* folder "": the server's */
    PH_WATCH_ACL = 1 << 4,
};

struct ph_serve_ops {
    /* ---- reading one message, at any place ---- */

    /* One is open at a time; the next body_open, bodies_add or any change of the folder by this session ends it. err kind NOTFOUND,
     * scope message: it is gone. */
    int (*body_open)(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_body *out,
                     struct ph_err *err);
    /* Lends up to `want` octets from `offset` (at least 1 before the end), valid until the next call. */
    int (*body_at)(struct ph_session *s, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err);

    /* What a server worked out about a message (its structure), kept with its bytes: opaque octets. 1: found; 0: not. */
    int (*cache_get)(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_buf *out,
                     struct ph_err *err);
    int (*cache_put)(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_str blob,
                     struct ph_err *err);

    int (*info)(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx,
                struct ph_err *err);

    /* ---- changing ---- */

    /* Remove the messages that are marked deleted at this moment, in one durable step; uids NULL: of the whole folder. *gone gets
     * them, *modseq the folder's afterwards (0: none). */
    int (*expunge_deleted)(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                           struct ph_numset *gone, uint64_t *modseq, struct ph_err *err);
    /* Copy or move into another folder of the account, all or nothing, durable. uids ascending. Free with
     * ph_copy_result_done. move needs PH_SV_MOVE. */
    int (*copy)(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                const char *to, bool move, struct ph_copy_result *out, struct ph_err *err);
    /* Put one message in and remove another of the same session's folder in one durable step (RFC 8508): an append that was
     * opened, filled and not yet finished. */
    int (*append_replaces)(struct ph_append *a, const char *folder, uint32_t uidvalidity, uint32_t uid,
                           struct ph_err *err);

    /* ---- the account ---- */

    int (*namespaces)(struct ph_session *s, struct ph_arena *arena, struct ph_store_namespace **out, size_t *n,
                      struct ph_err *err);

    /* RFC 4314. rights: letters, for `op` 0 replace, '+', '-'; NULL removes the identifier. */
    int (*get_acl)(struct ph_session *s, const char *folder, struct ph_arena *arena, struct ph_acl_entry **out, size_t *n,
                   struct ph_err *err);
    int (*set_acl)(struct ph_session *s, const char *folder, const char *identifier, char op, const char *rights,
                   struct ph_err *err);
    int (*my_rights)(struct ph_session *s, const char *folder, char out[32], struct ph_err *err);
    /* *required: rights that the identifier always has; *optional: groups of rights that can be given, n of them. */
    int (*list_rights)(struct ph_session *s, const char *folder, const char *identifier, struct ph_arena *arena,
                       const char **required, const char ***optional, size_t *n, struct ph_err *err);

    /* RFC 9208. */
    int (*quota_roots)(struct ph_session *s, const char *folder, struct ph_arena *arena, const char ***roots, size_t *n,
                       struct ph_err *err);
    int (*get_quota)(struct ph_session *s, const char *root, struct ph_arena *arena, struct ph_quota *out,
                     struct ph_err *err);
    int (*set_quota)(struct ph_session *s, const char *root, const struct ph_store_quota_resource *limits, size_t n,
                     struct ph_err *err);

    /* RFC 5464; folder "" is the server. Entries are compared without regard to case. depth: 0 exactly these, 1 also their
     * children, UINT32_MAX all below. Setting fails with kind TOOBIG (a value), LIMIT (too many), UNSUPPORTED (no private ones). */
    int (*get_metadata)(struct ph_session *s, const char *folder, const char *const *entries, size_t n_entries,
                        unsigned depth, struct ph_arena *arena, struct ph_annotation **out, size_t *n,
                        struct ph_err *err);
    int (*set_metadata)(struct ph_session *s, const char *folder, const struct ph_annotation *a, size_t n,
                        struct ph_err *err); /* all or nothing */
    uint64_t (*metadata_limit)(struct ph_session *s); /* octets of the largest value it takes; UINT64_MAX: not known */

    /* ---- being told ---- */

    /* From now on `changed` is called after each change of the account by anybody, the session's own ones too, from any thread,
     * without the store's locks held; it must not block or call the store. One watcher a session; changed NULL
     * ends it, and after that returns no call is under way. Without this operation the server looks by itself. */
    int (*watch)(struct ph_session *s, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                 struct ph_err *err);

    /* PH_SV_* bits that go beyond the presence of an operation. */
    uint32_t (*abilities)(struct ph_session *s);
};

enum {
    PH_SV_MOVE = 1 << 0,      /* copy can move */
    PH_SV_ANY_SIZE = 1 << 1,  /* append_message takes UINT64_MAX as size: it ends with the next message or finish */
    PH_SV_SAVEDATE = 1 << 2,  /* info has the date of saving */
    PH_SV_THREADID = 1 << 3,
    PH_SV_MARKED_RECENT = 1 << 4, /* scans with read_write set PH_F_RECENT on what no earlier session was told of */
    /* The resources that can be limited: RFC 9208 wants them advertised. With get_quota. */
    PH_SV_QUOTA_STORAGE = 1 << 5,
    PH_SV_QUOTA_MESSAGE = 1 << 6,
    PH_SV_QUOTA_MAILBOX = 1 << 7,
    PH_SV_QUOTA_ANNOTATION = 1 << 8,
};

void ph_copy_result_done(struct ph_copy_result *r);

#endif
