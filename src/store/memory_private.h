/* memory_private.h: the account in memory, shared by its files. Everything under `mu`, but the sessions' own parts. */
#ifndef PH_STORE_MEMORY_PRIVATE_H
#define PH_STORE_MEMORY_PRIVATE_H

#include <pthread.h>

#include "store/memory.h"

struct memory_bytes { /* of a message; shared by copies and readers */
    unsigned refs;
    uint64_t id;
    char *cache; /* what a server keeps with it */
    size_t n_cache;
    size_t n;
    char p[];
};

struct memory_message {
    uint32_t uid, flags;
    uint64_t modseq;
    const char *keywords; /* of the store's words, see ph_memory_words: one pointer for equal sets */
    int64_t epoch;
    int zone_min;
    bool has_date;
    int64_t saved;
    struct memory_bytes *bytes;
};

struct memory_vanished {
    uint32_t uid;
    uint64_t modseq;
};

struct memory_acl {
    char *identifier;
    char rights[32];
};

struct memory_note {
    char *entry, *value;
    size_t n;
};

struct memory_notes {
    struct memory_note *v; /* by entry */
    size_t n;
};

struct memory_folder {
    struct memory_folder *next; /* by name */
    char *name;
    uint64_t id;
    uint32_t attrs;
    bool subscribed;
    uint32_t uidvalidity, uidnext;
    uint64_t modseq;
    struct memory_message *m; /* by UID */
    size_t n, cap;
    struct memory_vanished *gone; /* by modseq */
    size_t n_gone, cap_gone;
    uint32_t told;            /* no session was told of UIDs from here on: they are recent */
    struct memory_acl *acl;   /* none: the user has every right, nobody else any */
    size_t n_acl;
    struct memory_notes notes;
};

struct memory_change { /* a watcher is to be told of */
    struct memory_change *next;
    unsigned what;
    char name[];
};

struct memory_fault {
    struct memory_fault *next;
    struct ph_memory_fault f;
    char *op, *folder;
};

struct memory_late { /* a batch that the server has, and will commit */
    struct memory_late *next;
    char *folder;
    struct memory_message *m;
    size_t n;
    unsigned delay;
};

enum memory_op {
    MOP_LIST, MOP_STATUS, MOP_CREATE, MOP_SUBSCRIBE, MOP_REMOVE, MOP_RENAME, MOP_SCAN, MOP_BODY, MOP_APPEND, MOP_FLAGS,
    MOP_EXPUNGE, MOP_COPY, MOP_BATCH, MOP_INFO, MOP_RIGHTS, MOP_QUOTA, MOP_METADATA, MOPS,
};
extern const char *const ph_memory_op_names[MOPS];

struct memory_store {
    struct ph_store base; /* first */
    struct ph_session_ops session_ops; /* of all its sessions, without what this server lacks */
    struct ph_serve_ops serve;
    struct ph_memory_options opt;
    pthread_mutex_t mu;
    struct memory_folder *folders;
    struct memory_folder **index; /* the same, by name */
    size_t n_folders, cap_folders;
    struct memory_notes notes; /* the server's */
    struct memory_change *changes, *last_change; /* since mu was taken */
    pthread_mutex_t watch_mu;  /* held while watchers are told; never with mu */
    struct memory_session *watchers;
    struct ph_snapshot words; /* for its keyword sets only */
    uint32_t last_uidvalidity;
    uint64_t last_bytes, last_folder, octets, messages;
    int64_t clock; /* for messages without a date */
    struct memory_fault *faults;
    unsigned faults_met;
    struct memory_late *late;
    uint64_t ops[MOPS];
};

struct memory_scan {
    struct memory_scan *next;
    char *folder;
    struct ph_scan_request req;
    struct ph_numset uids;
    struct ph_snapshot *out;
};

struct memory_request {
    struct memory_request *next;
    char *folder;
    uint32_t uidvalidity;
    struct ph_numset uids;
};

struct ph_append { /* only this store's; each kind of store has its own */
    struct ph_append *next;
    struct memory_session *s;
    char *folder;
    size_t n_messages, n; /* n: begun */
    struct memory_message *m;
    size_t filled;        /* of the message that comes in */
    bool any;             /* … whose size is not known */
    size_t cap;           /* … and the room it has */
    char *replaces;       /* folder of the message that goes as this comes */
    uint32_t replaces_validity, replaces_uid;
    bool finished, refused;
    struct ph_append_result res;
    uint32_t *uids;
};

struct memory_session {
    struct ph_session base; /* first */
    struct memory_store *st;
    struct ph_err broken;   /* kind PH_OK: it works */
    struct memory_scan *scans, **scans_end;
    struct memory_request *requests, **requests_end;
    char *body_folder;      /* of the body that is read */
    struct memory_bytes *body;
    size_t body_at, body_cut; /* cut: where the connection breaks; SIZE_MAX: nowhere */
    struct ph_append *appends, **appends_end;
    struct memory_bytes *open_bytes; /* of body_open */
    struct ph_arena strings; /* of the last status */
    void (*changed)(void *ctx, const char *folder, unsigned what); /* under watch_mu, as the next two */
    void *changed_ctx;
    struct memory_session *next_watcher;
};

static inline struct memory_store *memory_store(struct ph_store *st)
{
    return (struct memory_store *)st;
}

static inline struct memory_session *memory_session(struct ph_session *s)
{
    return (struct memory_session *)s;
}

/* ---- memory.c: the account; callers hold mu ---- */

struct memory_folder *ph_memory_find(struct memory_store *st, const char *name); /* INBOX in any case */
struct memory_folder *ph_memory_make(struct memory_store *st, const char *name, uint32_t attrs);
int ph_memory_insert(struct memory_store *st, struct memory_folder *f); /* into the index and the list, which are one */
/* Its messages are gone. One that is subscribed is still a name. */
void ph_memory_drop(struct memory_store *st, struct memory_folder *f);
size_t ph_memory_place(const struct memory_store *st, const char *name, size_t n); /* the first in `index` not below name */
void ph_memory_link(struct memory_store *st); /* after `index` was changed */
static inline bool memory_there(const struct memory_folder *f) /* not only a name somebody subscribed to */
{
    return f && !(f->attrs & PH_MA_NONEXISTENT);
}
bool ph_memory_name_ok(const struct memory_store *st, const char *name);
struct memory_message *ph_memory_by_uid(const struct memory_folder *f, uint32_t uid);
/* Put a message (whose bytes reference passes over) at the end; its UID, or that of the equal one it merged with; 0
 * without memory. */
uint32_t ph_memory_put(struct memory_store *st, struct memory_folder *f, const struct memory_message *m);
void ph_memory_expunge(struct memory_store *st, struct memory_folder *f, size_t at);
struct memory_bytes *ph_memory_bytes(struct memory_store *st, const char *p, size_t n);
void ph_memory_unref(struct memory_store *st, struct memory_bytes *b);
/* Blank-separated keywords as one of the store's sets; NULL without memory. only: keep those that are in this list. */
const char *ph_memory_words(struct memory_store *st, const char *keywords, const char *only, bool *dropped);
bool ph_memory_has_word(const char *set, struct ph_str word);
static inline uint32_t memory_abilities(const struct memory_store *st)
{
    uint32_t all = PH_AB_FLAGS | PH_AB_KEYWORDS | PH_AB_DATES | PH_AB_UIDS | PH_AB_EXACT_SIZE | PH_AB_NEWUID |
                   PH_AB_BATCH | PH_AB_MODSEQ | PH_AB_QRESYNC | PH_AB_STATUS_LIST | PH_AB_SUBSCRIBE |
                   PH_AB_SPECIAL_USE | PH_AB_UID_EXPUNGE | PH_AB_WRITE | PH_AB_OBJECTID | PH_AB_PIPELINE_SELECT;
    return (all & ~st->opt.without) | st->opt.with;
}

/* ---- memory_watch.c ---- */

/* Watchers are to be told, when mu is given back. Under mu. */
void ph_memory_changed(struct memory_store *st, const char *folder, unsigned what);
void ph_memory_unlock(struct memory_store *st); /* gives mu back, and tells */
void ph_memory_changes_free(struct memory_store *st);
int ph_memory_watch(struct ph_session *s, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                    struct ph_err *err);

/* ---- memory_serve.c, memory_account.c, memory_notes.c: what serve.h asks for ---- */

void ph_memory_serve(struct memory_store *st); /* sets its operations, without what this server lacks */
bool ph_memory_may(const struct memory_store *st, const struct memory_folder *f, const char *any_of);
int ph_memory_denied(const char *name, struct ph_err *err);
void ph_memory_acl_free(struct memory_folder *f);
int ph_memory_acl_inherit(struct memory_store *st, struct memory_folder *f);
int ph_memory_acl_change(struct memory_store *st, struct memory_folder *f, const char *identifier, char op,
                         const char *rights);
void ph_memory_account_ops(const struct memory_store *st, struct ph_serve_ops *ops);
/* Is there room for n more messages of so many octets? */
int ph_memory_room(const struct memory_store *st, uint64_t messages, uint64_t octets, struct ph_err *err);
void ph_memory_notes_free(struct memory_notes *n);
int ph_memory_get_metadata(struct ph_session *s, const char *folder, const char *const *entries, size_t n_entries,
                           unsigned depth, struct ph_arena *arena, struct ph_annotation **out, size_t *n,
                           struct ph_err *err);
int ph_memory_set_metadata(struct ph_session *s, const char *folder, const struct ph_annotation *a, size_t n,
                           struct ph_err *err);
uint64_t ph_memory_metadata_limit(struct ph_session *s);

/* ---- memory_fault.c; callers hold mu ---- */

/* The fault of this kind that happens now, or NULL. p NULL: not about a message. */
const struct ph_memory_fault *ph_memory_meet(struct memory_store *st, enum ph_memory_fault_kind kind, const char *op,
                                             const char *folder, uint32_t uid, const char *p, size_t n);
/* What may happen to any operation on a folder (NULL: none). -1: it fails with *err. */
int ph_memory_meet_any(struct memory_session *s, const char *op, const char *folder, struct ph_err *err);
int ph_memory_fault_err(const struct ph_memory_fault *f, enum ph_scope scope, enum ph_kind kind, const char *text,
                        struct ph_err *err);
int ph_memory_break(struct memory_session *s, struct ph_err *err); /* the connection is gone; -1 */
/* What every operation begins with: the hook, a stop, a broken connection, late batches. Takes mu unless it fails. */
int ph_memory_begin(struct memory_session *s, enum memory_op op, const char *folder, struct ph_err *err);
void ph_memory_faults_free(struct memory_store *st);

/* ---- memory_folders.c ---- */

int ph_memory_no_folder(const char *name, struct ph_err *err);
/* The folder, open for messages, with its faults over; NULL with *err. Under mu. */
struct memory_folder *ph_memory_open(struct memory_session *s, const char *op, const char *name, uint32_t uidvalidity,
                                     struct ph_err *err);
/* The end of an operation with a result for each of its things: gives mu back; -1 only when the connection went. */
int ph_memory_end(struct memory_session *s, struct ph_err *err);

/* ---- the operations ---- */

int ph_memory_list(struct ph_session *s, bool status, struct ph_folder_list *out, struct ph_err *err);
int ph_memory_status(struct ph_session *s, struct ph_folder *const *f, size_t n, struct ph_err *err);
int ph_memory_create(struct ph_session *s, const char *const *names, const uint32_t *special, size_t n,
                     struct ph_err *results, struct ph_err *err);
int ph_memory_subscribe(struct ph_session *s, const char *const *names, size_t n, bool on, struct ph_err *results,
                        struct ph_err *err);
int ph_memory_delete(struct ph_session *s, const char *name, struct ph_err *err);
int ph_memory_rename(struct ph_session *s, const char *from, const char *to, struct ph_err *err);
int ph_memory_scan_begin(struct ph_session *s, const char *folder, const struct ph_scan_request *req,
                         struct ph_snapshot *out, struct ph_err *err);
int ph_memory_scan_wait(struct ph_session *s, struct ph_snapshot *out, struct ph_err *err);
int ph_memory_bodies_add(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                         const struct ph_snapshot *snap, struct ph_err *err);
int ph_memory_bodies_next(struct ph_session *s, struct ph_body *out, struct ph_err *err);
int ph_memory_body_read(struct ph_session *s, const char **p, size_t *n, struct ph_err *err);
int ph_memory_append_open(struct ph_session *s, const char *folder, size_t n, struct ph_append **out,
                          struct ph_err *err);
int ph_memory_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err);
int ph_memory_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err);
int ph_memory_append_finish(struct ph_append *a, struct ph_err *err);
bool ph_memory_append_poll(struct ph_session *s);
int ph_memory_append_wait(struct ph_session *s, struct ph_append **done, struct ph_append_result *res,
                          struct ph_err *err);
void ph_memory_append_free(struct ph_append *a);
int ph_memory_store_flags(struct ph_session *s, struct ph_flag_batch *batches, size_t n, struct ph_err *err);
int ph_memory_expunge_uids(struct ph_session *s, const char *folder, uint32_t uidvalidity,
                           const struct ph_numset *uids, bool expunge_all, struct ph_err *err);
int ph_memory_copy(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                   const char *to, struct ph_err *err);
void ph_memory_session_free(struct memory_session *s);

#endif
