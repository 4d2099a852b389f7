/* private.h: the inside of the store on disk, shared by its files only.
 *
 * A `local_user` is a light thing that lives as long as its root. Its files are open only while somebody works on it
 * (ph_local_enter … ph_local_leave), and for as long after as the root's list of recently used ones has room.
 *
 * Writing goes through one queue a user (commit.c): an operation is a function that runs inside a transaction, on the
 * thread that happens to lead; the leader syncs the packs, runs all that is queued, commits once, and everybody whose operation
 * was in it goes on. So an operation sees the account as it is, alone, and its checks hold.
 *
 * Reading takes a connection of its own out of a pool and sees one committed state from its begin to its end. Nothing of
 * the index is kept in memory, so what other processes commit is seen like our own.
 *
 * Locks, outermost first: user.open_mu, root.mu; user.pack_mu; user.mu; bus locks. None is held while a watcher is called.
 */
#ifndef PH_STORE_LOCAL_PRIVATE_H
#define PH_STORE_LOCAL_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "store/local/local.h"

#define LOCAL_APP_ID 0x50484d42 /* "PHMB" */
#define LOCAL_OTHERS "Other Users/"
#define LOCAL_NAME_MAX 1000       /* octets of a mailbox name */
#define LOCAL_KEYWORDS_MAX 200    /* of a message … */
#define LOCAL_KEYWORDS_BYTES 8192 /* … and their text */
#define LOCAL_ANNOTATION_MAX 65536
#define LOCAL_ANNOTATIONS_MAX 1000 /* of a mailbox */
#define LOCAL_BATCH_MAX 100000

/* ---- db.c: SQLite's connections and words ---- */

struct local_arg {
    enum { ARG_NONE, ARG_INT, ARG_TEXT, ARG_BLOB } t;
    int64_t i;
    const void *p;
    size_t n;
};
#define LI(v) ((struct local_arg){ .t = ARG_INT, .i = (int64_t)(v) })
#define LT(z) ((struct local_arg){ .t = ARG_TEXT, .p = (z), .n = strlen(z) })
#define LB(p_, n_) ((struct local_arg){ .t = ARG_BLOB, .p = (p_), .n = (n_) })
#define LOCAL_ARGS(...)                                                                                                \
    ((const struct local_arg[]){ { 0 }, ##__VA_ARGS__ }) + 1,                                                          \
        sizeof((const struct local_arg[]){ { 0 }, ##__VA_ARGS__ }) / sizeof(struct local_arg) - 1

#define LOCAL_STATEMENTS 256
struct local_db {
    sqlite3 *h;
    char *path;
    struct {
        const char *sql; /* a literal: found by its address */
        sqlite3_stmt *st;
    } s[LOCAL_STATEMENTS];
    struct local_db *next; /* in the pool */
};

int ph_local_db_open(const char *path, bool create, struct local_db *db, struct ph_err *err);
void ph_local_db_close(struct local_db *db);
int ph_local_db_fail(struct local_db *db, struct ph_err *err);
/* The statement, bound (texts are borrowed until it is reset); NULL with *err. sql is a literal. */
sqlite3_stmt *ph_local_prepare(struct local_db *db, struct ph_err *err, const char *sql, const struct local_arg *a,
                               size_t n);
/* 1: a row; 0: no more, and it is reset; -1: failed, and reset. Reset it yourself after leaving early. */
int ph_local_step(struct local_db *db, sqlite3_stmt *st, struct ph_err *err);
int ph_local_exec(struct local_db *db, struct ph_err *err, const char *sql, const struct local_arg *a, size_t n);
/* The first number of the first row; 1 found, 0 no row, -1. */
int ph_local_number(struct local_db *db, struct ph_err *err, int64_t *out, const char *sql, const struct local_arg *a,
                    size_t n);
int ph_local_script(struct local_db *db, const char *sql, struct ph_err *err);
#define local_prepare(db, err, sql, ...) ph_local_prepare(db, err, sql, LOCAL_ARGS(__VA_ARGS__))
#define local_exec(db, err, sql, ...) ph_local_exec(db, err, sql, LOCAL_ARGS(__VA_ARGS__))
#define local_number(db, err, out, sql, ...) ph_local_number(db, err, out, sql, LOCAL_ARGS(__VA_ARGS__))

/* ---- schema.c ---- */

#define LOCAL_SCHEMA 2
/* Make the tables, or bring them up to date. */
int ph_local_schema(struct local_db *db, struct ph_err *err);

/* ---- packs: pack.c writes, pack_read.c reads ---- */

#define PACK_HEADER 64
#define RECORD_HEADER 64

struct local_record { /* what stands before a body */
    uint64_t size;
    unsigned char hash[32];
    int64_t epoch;
    int zone_min;
    unsigned flags;
};
void ph_local_record_put(const struct local_record *r, unsigned char out[RECORD_HEADER]);
bool ph_local_record_get(const unsigned char in[RECORD_HEADER], struct local_record *r);
bool ph_local_pack_header_ok(const unsigned char in[PACK_HEADER], uint32_t number);

struct local_pack { /* one that this process writes to */
    struct local_pack *next;
    uint32_t number;
    int fd;             /* holds the lock */
    uint64_t tail;      /* where the next record begins */
    bool busy;          /* a long message streams into it */
    unsigned users;     /* appends that are not committed */
    bool need_sync;     /* finished records are not synced */
    uint64_t round;     /* of the syncs: the last that took it */
    bool new_entry;     /* the directory is not synced */
    bool failed;        /* a write or sync failed: nothing more goes in, what is not committed is lost */
};

struct local_file { /* a pack that is read */
    struct local_file *next;
    uint32_t number;
    int fd;
    unsigned refs;
    bool detached;
};

struct local_user;
/* A pack for the caller alone, at p->tail, until _free; used until _unuse. */
int ph_local_pack_take(struct local_user *u, struct local_pack **out, struct ph_err *err);
void ph_local_pack_free(struct local_user *u, struct local_pack *p, bool need_sync);
/* Put octets at the end of a shared pack in one piece: *pack (used until _unuse) and *off say where. */
int ph_local_pack_add(struct local_user *u, const void *p, size_t n, struct local_pack **pack, uint64_t *off,
                      struct ph_err *err);
int ph_local_pack_write(struct local_pack *p, uint64_t at, const void *data, size_t n, struct ph_err *err);
void ph_local_pack_cut(struct local_pack *p, uint64_t tail); /* give back what was written behind */
void ph_local_pack_unuse(struct local_user *u, struct local_pack *p);
bool ph_local_pack_lost(struct local_user *u, const struct local_pack *p); /* after the sync: it is not on disk */
void ph_local_packs_sync(struct local_user *u);  /* failures are kept in the packs */
void ph_local_packs_close(struct local_user *u); /* also the files */
void ph_local_files_close(struct local_user *u); /* under pack_mu */
void ph_local_file_forget(struct local_user *u, uint32_t number);
int ph_local_pack_path(const struct local_user *u, uint32_t number, struct ph_buf *out);
/* Numbers of the packs in the directory, ascending. Foreign names are counted. */
int ph_local_pack_list(struct local_user *u, uint32_t **out, size_t *n, size_t *foreign, struct ph_err *err);
/* PH_E_NOTFOUND: there is no such pack (any more). */
int ph_local_file_get(struct local_user *u, uint32_t number, struct local_file **out, struct ph_err *err);
void ph_local_file_put(struct local_user *u, struct local_file *f);
/* Exactly n octets. */
int ph_local_file_read(struct local_file *f, uint64_t at, void *p, size_t n, struct ph_err *err);

/* ---- users: root.c ---- */

struct local_state { /* the row of the table state; inside a transaction only */
    uint64_t modseq, octets, messages, folders_at, subs_at, meta_at;
    uint32_t uidvalidity, mailbox, pack;
    int64_t body;
};

struct local_watcher { /* of one session, at one account */
    struct local_watcher *next;
    struct local_session *s;
    char *prefix;     /* what stands before the names for this session; "" at home */
    void (*changed)(void *ctx, const char *folder, unsigned what);
    void *ctx;
    unsigned calls;   /* that refer to it */
    unsigned running;
    bool ended;
};

struct local_op;

struct local_user {
    struct local_user *next; /* in the hash */
    struct ph_local_root *root;
    char *name, *dir;
    /* under root.mu */
    unsigned in_use;
    struct local_user *idle_prev, *idle_next;
    bool idle;

    pthread_mutex_t open_mu;
    bool open;               /* set under open_mu and root.mu; true for everybody who has entered */
    struct local_db db;      /* the leader's */
    int lock_fd;             /* shared lock: it may not be replaced (repair) or compacted elsewhere */

    pthread_mutex_t mu;      /* the queue, and the readers */
    pthread_cond_t done;
    struct local_op *queue, **queue_end;
    bool leading;
    struct local_db *readers;
    unsigned n_readers;
    struct local_state state; /* the leader's */
    bool state_dirty;
    struct local_db cache;
    bool cache_open, cache_bad;
    pthread_mutex_t cache_mu;
    struct ph_buf cache_queue;
    unsigned cache_queued;

    pthread_mutex_t pack_mu;
    struct local_pack *packs;
    uint64_t pack_round;
    struct local_file *files;
    unsigned n_files;

    atomic_uint_fast64_t generation; /* goes up with each commit of this process */

    /* watch.c; under root.bus_mu */
    struct local_watcher *watchers;
    uint64_t published;      /* changes up to here were told */
    int watch_descriptor;    /* inotify's; -1: none, -2: it could not be had */
    bool check_wanted;       /* the tasks' own */
    atomic_bool compact_wanted; /* something in a pack is dead */
};

struct ph_local_root {
    char *path;
    struct ph_local_options opt;
    pthread_mutex_t mu;
    struct local_user **users;
    size_t n_users, cap_users;
    struct local_user *idle_first, *idle_last; /* least recently used first */
    unsigned n_open;
    pthread_mutex_t shared_mu;
    struct local_db shared;
    bool shared_open;
    pthread_mutex_t bus_mu;
    pthread_cond_t bus_done;
    pthread_t thread;
    bool thread_runs, stop;       /* under bus_mu */
    int wake_fd, inotify_fd;
    struct local_user **by_watch; /* by inotify's descriptor; under bus_mu */
    size_t n_by_watch;
    atomic_bool polls;            /* some users have no inotify watch */
    atomic_uint_fast64_t commits, operations, pack_syncs, opened, closed;
};

struct ph_str;
int ph_local_encode_name(const char *user, struct ph_buf *out, struct ph_err *err);
int ph_local_user_get(struct ph_local_root *root, const char *name, bool create, struct local_user **out,
                      struct ph_err *err);
/* The user's files are open until the leave. */
int ph_local_enter(struct local_user *u, struct ph_err *err);
void ph_local_leave(struct local_user *u);
/* By one who has entered: close the files, unless somebody else works on them. True: they are closed (or never were open). */
bool ph_local_close_alone(struct local_user *u);
void ph_local_take_off_idle(struct local_user *u); /* under root.mu */
int ph_local_sync_dir(const char *path, struct ph_err *err);
int ph_local_make_dir(const char *path, struct ph_err *err);

/* ---- user.c ---- */

int ph_local_user_make(struct local_user *u, struct ph_err *err); /* directories and an index with an INBOX */
int ph_local_user_open(struct local_user *u, struct ph_err *err);
void ph_local_user_close(struct local_user *u);
/* A connection that sees one state until it is given back. */
int ph_local_read_begin(struct local_user *u, struct local_db **out, struct ph_err *err);
void ph_local_read_end(struct local_user *u, struct local_db *db);

/* ---- commit.c ---- */

struct local_op {
    struct local_op *next;
    /* Runs in a transaction, alone, on any thread. A failure takes back what it did. */
    int (*run)(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err);
    void *ctx;
    bool lazy;   /* need not be synced by itself */
    bool done;
    int result;
    struct ph_err err;
};
void ph_local_submit(struct local_user *u, struct local_op *op);
bool ph_local_submitted_done(struct local_user *u, struct local_op *op); /* or nobody leads: waiting would do it */
int ph_local_await(struct local_user *u, struct local_op *op, struct ph_err *err);
int ph_local_do(struct local_user *u, int (*run)(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err),
                void *ctx, bool lazy, struct ph_err *err);
uint64_t ph_local_next_modseq(struct local_user *u); /* in an operation */

/* ---- mailboxes: mailbox.c ---- */

enum { /* rights, in the order of PH_RIGHTS_ALL */
    R_LOOKUP = 1 << 0, R_READ = 1 << 1, R_SEEN = 1 << 2, R_WRITE = 1 << 3, R_INSERT = 1 << 4, R_POST = 1 << 5,
    R_CREATE = 1 << 6, R_DELETE = 1 << 7, R_MARK = 1 << 8, R_EXPUNGE = 1 << 9, R_ADMIN = 1 << 10, R_ALL = (1 << 11) - 1,
};

/* Why a name that has folders below it holds no mail (\Noselect): it was made on the way to one of them and stays until it is
 * removed; or it was removed, and goes with the last of them. The numbers are in the database. */
enum { LOCAL_NAME = 1, LOCAL_REMOVED = 2 };

struct local_mailbox { /* a row */
    int64_t id;
    const char *name;      /* valid as long as the lookup's text: see the functions */
    uint32_t uidvalidity, uidnext, special, messages, unseen, deleted, recent;
    uint64_t modseq, changed, size, deleted_size, forgotten, acl_at, meta_at;
    uint8_t noselect; /* LOCAL_NAME… */
    char mailboxid[40];
    unsigned rights;       /* of who asked */
};
#define MAILBOX_COLUMNS                                                                                                \
    "id, uidvalidity, uidnext, special, messages, unseen, deleted, recent, modseq, changed, size, deleted_size, "      \
    "forgotten, acl_at, meta_at, noselect, mailboxid, name"
void ph_local_mailbox_columns(sqlite3_stmt *st, struct local_mailbox *m);

struct local_where { /* a folder's name, taken apart */
    struct local_user *u;  /* whose it is; entered */
    char *name;            /* there */
    const char *who;       /* who asks */
    bool foreign;
};
struct local_session;
int ph_local_where(struct local_session *s, const char *folder, struct local_where *out, struct ph_err *err);
void ph_local_where_done(struct local_where *w);
/* 0; -1 NOTFOUND (or not to be seen), PERMISSION without all of `need`. m->name is NULL. */
int ph_local_find(struct local_db *db, const struct local_where *w, unsigned need, struct local_mailbox *m,
                  struct ph_err *err);
/* The same for a folder that can be selected, with this UIDVALIDITY (0: any). */
int ph_local_find_open(struct local_db *db, const struct local_where *w, uint32_t uidvalidity, unsigned need,
                       struct local_mailbox *m, struct ph_err *err);
int ph_local_rights(struct local_db *db, int64_t mailbox, const struct local_where *w, unsigned *rights,
                    struct ph_err *err);
int ph_local_no_folder(const char *name, struct ph_err *err);
int ph_local_denied(struct ph_err *err);
/* Write counters, uidnext and mod-sequences back. */
int ph_local_mailbox_save(struct local_db *db, const struct local_mailbox *m, struct ph_err *err);
int ph_local_mailbox_make(struct local_user *u, struct local_db *db, const char *name, uint32_t special, uint8_t noselect,
                          int64_t *id, struct ph_err *err);

/* ---- messages: message.c; inside operations ---- */

struct local_message {
    uint32_t uid, flags;
    int64_t body, epoch, saved, kwset;
    int zone_min;
    uint64_t size, modseq;
};
static inline int64_t local_id(int64_t mailbox, uint32_t uid)
{
    return mailbox << 32 | uid;
}
/* Put a row at the end; m->uid is set. Counters of mailbox and account follow; bodies are the caller's. */
int ph_local_message_add(struct local_user *u, struct local_db *db, struct local_mailbox *mb, struct local_message *m,
                         struct ph_err *err);
/* Take a row out, and its body if nobody else has it. The tombstone is the caller's. */
int ph_local_message_remove(struct local_user *u, struct local_db *db, struct local_mailbox *mb,
                            const struct local_message *m, struct ph_err *err);
int ph_local_gone(struct local_user *u, struct local_db *db, struct local_mailbox *mb, const struct ph_numset *uids,
                  uint64_t modseq, struct ph_err *err);
/* The number of a set of keywords (blank-separated), made if need be; "" is 0. */
int ph_local_kwset(struct local_db *db, const char *words, int64_t *out, struct ph_err *err);
int ph_local_kwset_words(struct local_db *db, int64_t set, struct ph_buf *out, struct ph_err *err);
/* Is there room for so much more? PH_E_QUOTA. db may be a reader's; state NULL: read it. */
int ph_local_quota_check(struct local_user *u, struct local_db *db, const struct local_state *st, uint64_t messages,
                         uint64_t octets, struct ph_err *err);
int ph_local_state_read(struct local_db *db, struct local_state *st, struct ph_err *err);

/* ---- sessions ---- */

struct local_body { /* where a message's octets are */
    uint32_t uid, pack;
    int64_t body;
    uint64_t off, size, hash; /* hash: its first octets */
};
#define LOCAL_AHEAD 256
#define LOCAL_WINDOW 65536
struct local_scan {
    struct local_scan *next;
    char *folder;
    struct ph_scan_request req;
    struct ph_numset uids;
    struct ph_snapshot *out;
};
struct local_request {
    struct local_request *next;
    char *folder;
    uint32_t uidvalidity;
    struct ph_numset uids;
    size_t at; /* the range in hand */
};

struct local_session {
    struct ph_session base; /* first */
    struct local_user *user;
    struct local_scan *scans, **scans_end;
    struct local_request *requests, **requests_end;
    struct ph_append *appends, **appends_end;

    /* where the messages are that come next in a folder: read ahead, more and more while they are asked for in order */
    struct local_body *ahead; /* [LOCAL_AHEAD] */
    size_t n_ahead, at_ahead, ahead_want; /* at: the one in hand */
    char *ahead_folder;
    struct local_user *ahead_user;
    int64_t ahead_mailbox;
    uint32_t ahead_validity;
    uint_fast64_t ahead_generation;

    /* the body in hand */
    struct local_user *body_user; /* NULL: none */
    struct local_body body;
    uint64_t body_at;
    char *body_folder;
    struct local_file *file;
    struct local_user *file_user;

    char *window; /* [LOCAL_WINDOW] octets of one pack */
    struct local_user *window_user;
    uint32_t window_pack;
    uint64_t window_off;
    size_t window_n;

    struct ph_arena status_texts; /* of the last call of status */
    struct local_user **watched; /* under root.bus_mu */
    size_t n_watched;
    void (*changed)(void *ctx, const char *folder, unsigned what);
    void *changed_ctx;
};

static inline struct local_session *local_session(struct ph_session *s)
{
    return (struct local_session *)s;
}

int ph_local_begin(struct local_session *s, struct ph_err *err); /* cancelled? */

/* scan.c, bodies.c, append.c, change.c, copy.c, folders.c, folders_change.c: operations of store.h and serve.h */
int ph_local_list(struct ph_session *s, bool status, struct ph_folder_list *out, struct ph_err *err);
int ph_local_status(struct ph_session *s, struct ph_folder *const *f, size_t n, struct ph_err *err);
int ph_local_create(struct ph_session *s, const char *const *names, const uint32_t *special, size_t n,
                    struct ph_err *results, struct ph_err *err);
int ph_local_subscribe(struct ph_session *s, const char *const *names, size_t n, bool on, struct ph_err *results,
                       struct ph_err *err);
int ph_local_remove(struct ph_session *s, const char *name, struct ph_err *err);
int ph_local_rename(struct ph_session *s, const char *from, const char *to, struct ph_err *err);
int ph_local_scan_begin(struct ph_session *s, const char *folder, const struct ph_scan_request *req,
                        struct ph_snapshot *out, struct ph_err *err);
int ph_local_scan_wait(struct ph_session *s, struct ph_snapshot *out, struct ph_err *err);
void ph_local_scans_free(struct local_session *s);
int ph_local_bodies_add(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                        const struct ph_snapshot *snap, struct ph_err *err);
int ph_local_bodies_next(struct ph_session *s, struct ph_body *out, struct ph_err *err);
int ph_local_body_read(struct ph_session *s, const char **p, size_t *n, struct ph_err *err);
int ph_local_body_open(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid,
                       struct ph_body *out, struct ph_err *err);
int ph_local_body_at(struct ph_session *s, uint64_t offset, size_t want, const char **p, size_t *n,
                     struct ph_err *err);
/* Look up and take in hand; PH_E_NOTFOUND, scope message. */
int ph_local_body_take(struct local_session *s, struct local_user *u, struct local_db *db, const struct local_mailbox *m,
                       uint32_t uid, struct ph_err *err);
/* Where a message's octets are, without taking it in hand. */
int ph_local_body_named(struct local_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid,
                        struct local_body *out, struct local_user **u, struct ph_err *err);
/* The header of a message of the mailbox being scanned, up to the empty line and at most LOCAL_HEADER_MAX octets. */
#define LOCAL_HEADER_MAX (1 << 20)
int ph_local_body_header(struct local_session *s, struct local_user *u, struct local_db *db,
                         const struct local_mailbox *m, uint32_t uid, struct ph_buf *out, struct ph_err *err);
void ph_local_bodies_end(struct local_session *s);  /* what is in hand */
void ph_local_bodies_free(struct local_session *s); /* and everything else */
int ph_local_append_open(struct ph_session *s, const char *folder, size_t n, struct ph_append **out,
                         struct ph_err *err);
int ph_local_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err);
int ph_local_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err);
int ph_local_append_finish(struct ph_append *a, struct ph_err *err);
int ph_local_append_replaces(struct ph_append *a, const char *folder, uint32_t uidvalidity, uint32_t uid,
                             struct ph_err *err);
bool ph_local_append_poll(struct ph_session *s);
int ph_local_append_wait(struct ph_session *s, struct ph_append **done, struct ph_append_result *res,
                         struct ph_err *err);
void ph_local_append_free(struct ph_append *a);
int ph_local_store_flags(struct ph_session *s, struct ph_flag_batch *batches, size_t n, struct ph_err *err);
int ph_local_expunge(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                     bool expunge_all, struct ph_err *err);
int ph_local_expunge_deleted(struct ph_session *s, const char *folder, uint32_t uidvalidity,
                             const struct ph_numset *uids, struct ph_numset *gone, uint64_t *modseq,
                             struct ph_err *err);
int ph_local_copy(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                  const char *to, struct ph_err *err);
int ph_local_copy_move(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                       const char *to, bool move, struct ph_copy_result *out, struct ph_err *err);
extern const struct ph_serve_ops ph_local_serve_ops;

/* ---- being told: watch.c ---- */

void ph_local_publish(struct local_user *u); /* after a commit; no locks held */
void ph_local_tell(struct local_user *u);    /* somebody may have changed something */

/* ---- account: acl.c, quota.c, metadata.c, info.c, shared.c ---- */

unsigned ph_local_rights_parse(const char *letters, bool *ok);
void ph_local_rights_format(unsigned rights, char out[32]);

#endif
