/* memory.h: a store in memory, for tests: an account shared by all sessions and threads, that can be made to behave as
 * poorly as real servers do.
 *
 * It implements every operation of store.h with the semantics of an IMAP server. Options take abilities away; faults
 * make chosen operations fail at chosen moments; the helpers below put things in and read them back without a session.
 * All functions are thread safe unless noted; the store is freed by its ops->free, after its sessions.
 */
#ifndef PH_STORE_MEMORY_H
#define PH_STORE_MEMORY_H

#include "base/buf.h"
#include "store/serve.h"

/* What it can leave out of what a server asks for: bits of `serves_not`. */
enum {
    PH_MS_BODY = 1 << 0, PH_MS_CACHE = 1 << 1, PH_MS_INFO = 1 << 2, PH_MS_EXPUNGE = 1 << 3, PH_MS_COPY = 1 << 4,
    PH_MS_MOVE = 1 << 5, PH_MS_REPLACE = 1 << 6, PH_MS_NAMESPACES = 1 << 7, PH_MS_ACL = 1 << 8, PH_MS_QUOTA = 1 << 9,
    PH_MS_METADATA = 1 << 10, PH_MS_WATCH = 1 << 11, PH_MS_ANY_SIZE = 1 << 12, PH_MS_SAVEDATE = 1 << 13,
    PH_MS_THREADID = 1 << 14, PH_MS_RECENT = 1 << 15,
    PH_MS_ALL = -1,            /* no serve operations at all */
};

struct ph_memory_options {
    int serves_not;            /* PH_MS_* */
    const char *user;          /* whose account it is, for rights; NULL: the store's name */
    const struct ph_store_namespace *namespaces; /* borrowed; none: the personal one, with `prefix` */
    size_t n_namespaces;
    const char *quota_root;    /* NULL: "" */
    uint64_t quota_messages, quota_folders; /* 0: none */
    size_t metadata_size;      /* octets of one value; 0: 4096 */
    size_t metadata_entries;   /* of one folder; 0: 100 */
    bool no_private_metadata;
    bool vague_watch;          /* watchers are told that folders have changed, not which */
    int64_t now;               /* the time at which messages are saved; 0: the clock's */
    uint32_t without;          /* PH_AB_* that are missing … */
    uint32_t with;             /* … and that it claims besides the usual ones: PH_AB_GMAIL, PH_AB_EXCHANGE */
    char delim;                /* 0: '/' */
    const char *prefix;        /* personal namespace; NULL: "" */
    uint64_t append_limit;     /* 0: none; larger messages are refused (PH_E_TOOBIG) */
    bool hide_append_limit;    /* append_limit is not told beforehand */
    uint64_t quota;            /* octets in the whole account; 0: none (PH_E_QUOTA, scope folder) */
    bool no_new_keywords;      /* only permanent_keywords are kept … */
    bool refuse_keywords;      /* … and an append with others is refused instead of dropping them */
    const char *permanent_keywords; /* blank-separated; NULL: "" */
    bool merge;                /* a message whose bytes are in the folder already is not added again (Gmail) */
    int size_error;            /* scans report size + this (Exchange) */
    bool bodies_backwards;     /* bodies come with descending UIDs */
    bool bodies_block;         /* while bodies are under way scans and changes of flags fail: a real server would not answer before
                                * they are read */
    size_t piece;              /* body_read lends at most this many octets at a time; 0: 64 KiB */
    /* What the server makes of a message before it keeps it: *out is empty; -1: as it is. */
    int (*rewrite)(void *ctx, const char *p, size_t n, struct ph_buf *out);
    void *rewrite_ctx;
    /* Called without a lock before an operation begins, so that others can change the account in the middle of a run: op is
     * "list", "status", "create", "subscribe", "remove", "rename", "scan", "body", "append", "flags", "expunge",
     * "copy", "info", "rights", "quota", "metadata". */
    void (*before)(void *ctx, struct ph_store *st, const char *op, const char *folder);
    void *before_ctx;
};

/* The options are copied; strings and contexts are borrowed. name makes the identity ("memory\tNAME"). opt NULL: a
 * good server. */
int ph_memory_store_new(const char *name, const struct ph_memory_options *opt, struct ph_store **out,
                        struct ph_err *err);

/* ---- faults ---- */

enum ph_memory_fault_kind {
    PH_MF_REFUSE,          /* append: the batch is refused with `err` at this message */
    PH_MF_REFUSE_VAGUELY,  /* the same, without saying which message it was */
    PH_MF_CUT_IN_LITERAL,  /* append: the connection breaks in the middle of this message; nothing is in */
    PH_MF_CUT_NOT_IN,      /* append: it breaks before the answer, and the batch is not in (result.unknown) */
    PH_MF_CUT_IN,          /* append: it breaks before the answer, and the batch is in (result.unknown) */
    PH_MF_CUT_IN_LATER,    /* append: the same, but it is in only after `delay` further operations of anybody, or
                            * ph_memory_commit_late */
    PH_MF_BODY_MISSING,    /* body: comes as missing, with `err` */
    PH_MF_BODY_CUT,        /* body: the connection breaks in the middle of it */
    PH_MF_FOLDER_GONE,     /* any operation on the folder: it is removed just before */
    PH_MF_UIDVALIDITY,     /* any operation on the folder: it gets another UIDVALIDITY just before */
    PH_MF_REFUSE_FOLDER,   /* any operation on the folder is refused with `err` */
    PH_MF_CUT,             /* any operation: the connection breaks before it */
    PH_MF_OPEN,            /* opening a session fails with `err` */
};

struct ph_memory_fault {
    enum ph_memory_fault_kind kind;
    const char *op;        /* for those of any operation: only this one (names as of `before`); NULL: all */
    const char *folder;    /* NULL: any */
    unsigned skip;         /* let this many pass first */
    unsigned times;        /* how often; 0: always */
    unsigned delay;
    struct ph_err err;     /* kind PH_OK: a fitting one */
    /* Which messages: NULL: all. For an append uid is 0. */
    bool (*match)(void *ctx, uint32_t uid, const char *p, size_t n);
    void *ctx;
};

int ph_memory_fault(struct ph_store *st, const struct ph_memory_fault *f); /* copied; -1 without memory */
void ph_memory_faults_clear(struct ph_store *st);
/* How often faults have happened since the last ph_memory_faults_clear. */
unsigned ph_memory_faults_met(struct ph_store *st);
void ph_memory_commit_late(struct ph_store *st);
/* match: the bytes contain ctx, a C string. */
bool ph_memory_match_text(void *ctx, uint32_t uid, const char *p, size_t n);

/* ---- putting in ---- */

struct ph_memory_message {
    const char *p;         /* bytes */
    size_t n;
    uint32_t flags;        /* PH_F_* */
    const char *keywords;  /* blank-separated, or NULL */
    int64_t epoch;
    int zone_min;
};

int ph_memory_folder(struct ph_store *st, const char *name, uint32_t attrs); /* -1: it exists */
/* Its UID; 0: no such folder, or no memory. Nothing is refused, no fault happens. */
uint32_t ph_memory_deliver(struct ph_store *st, const char *folder, const struct ph_memory_message *m);
int ph_memory_remove(struct ph_store *st, const char *folder, uint32_t uid);
int ph_memory_set_flags(struct ph_store *st, const char *folder, uint32_t uid, uint32_t flags, const char *keywords);
int ph_memory_remove_folder(struct ph_store *st, const char *folder);
int ph_memory_set_uidvalidity(struct ph_store *st, const char *folder, uint32_t uidvalidity);
int ph_memory_set_acl(struct ph_store *st, const char *folder, const char *identifier, const char *rights); /* rights NULL: none */
int ph_memory_set_uidnext(struct ph_store *st, const char *folder, uint32_t uidnext); /* not below what it is */

/* ---- reading back ---- */

struct ph_memory_view {
    uint32_t uid, flags;
    const char *keywords;  /* sorted, without regard to case */
    bool has_date;
    int64_t epoch;
    int zone_min;
    uint64_t modseq;
    const char *p;
    size_t n;
};
size_t ph_memory_count(struct ph_store *st, const char *folder); /* SIZE_MAX: no such folder */
/* The i-th message of a folder, borrowed until the folder changes: for when no session is at work. */
bool ph_memory_view(struct ph_store *st, const char *folder, size_t i, struct ph_memory_view *out);
/* How many operations of this name there have been ("body" and "append" count messages, "batch" appends). */
uint64_t ph_memory_ops(struct ph_store *st, const char *op);
/* The whole account as text, a line a message, folders by name, for comparing: "INBOX 3 \Seen work 1700000000+0060
 * 1234 9f86d081" (UID, flags and keywords, date, size, first octets of the SHA-256). without_uids leaves out UIDs, and
 * sorts the lines. */
int ph_memory_draw(struct ph_store *st, bool without_uids, struct ph_buf *out);

#endif
