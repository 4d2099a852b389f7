/* store.h: stores: folders that hold messages, and how to make one over storage of your own.
 *
 * A `ph_store` is opaque, shared by threads, and freed once, after everything that uses it has ended. The server opens one
 * for each user. Over own storage (a database, files, another protocol) an application fills in a struct ph_backend: four functions make
 * a correct read-only server, and each further one switches on what it enables. No function has to understand MIME, search,
 * or IMAP.
 *
 * Folder names are UTF-8; "INBOX" is the one that must exist. A message never changes but for its flags and keywords; its UID (RFC 9051
 * 2.3.1.1) is never used again in its folder; bytes have CRLF line ends.
 */
#ifndef POSTHASTE_STORE_H
#define POSTHASTE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

struct ph_store;

void ph_store_free(struct ph_store *store) __attribute__((visibility("default"))); /* NULL is fine */

/* ---- values ---- */

/* System flags. */
enum {
    PH_FLAG_SEEN = 1 << 0,
    PH_FLAG_ANSWERED = 1 << 1,
    PH_FLAG_FLAGGED = 1 << 2,
    PH_FLAG_DELETED = 1 << 3,
    PH_FLAG_DRAFT = 1 << 4,
};

/* Attributes of a folder (RFC 9051 7.3.1). */
enum {
    PH_FOLDER_NOSELECT = 1 << 0, /* only a level of the hierarchy */
    PH_FOLDER_SUBSCRIBED = 1 << 1,
    PH_FOLDER_ALL = 1 << 2, PH_FOLDER_ARCHIVE = 1 << 3, PH_FOLDER_DRAFTS = 1 << 4, PH_FOLDER_FLAGGED = 1 << 5,
    PH_FOLDER_JUNK = 1 << 6, PH_FOLDER_SENT = 1 << 7, PH_FOLDER_TRASH = 1 << 8, /* special uses: RFC 6154 */
};

struct ph_backend_folder {
    const char *name;
    unsigned attributes;
};

struct ph_backend_state {
    uint32_t uidvalidity; /* not 0; another one when the UIDs were made anew */
    uint32_t uidnext;     /* not 0; higher than every UID there is or was */
    uint64_t modseq;      /* highest mod-sequence (RFC 7162); 0: not kept */
};

struct ph_backend_message {
    uint32_t uid;
    unsigned flags;        /* PH_FLAG_* */
    const char *keywords;  /* blank-separated, or NULL */
    int64_t date;          /* INTERNALDATE, seconds UTC */
    int zone;              /* minutes east of UTC */
    uint64_t size;         /* octets, exact */
    uint64_t modseq;       /* when its flags last changed; 0: not kept */
};

/* ---- the backend ---- */

/* Functions return 0, or -1 with *err filled by ph_fail (kinds PH_E_NOTFOUND, PH_E_EXISTS, PH_E_PERMISSION, PH_E_QUOTA, PH_E_SYSTEM … become the
 * fitting response). They come from worker threads, several at a time unless one_at_a_time is set. ctx is the store's. */
struct ph_backend {
    /* Needed. */

    /* Tell every folder through emit; stop with -1 when it returns not 0. */
    int (*list)(void *ctx, int (*emit)(void *to, const struct ph_backend_folder *f), void *to, struct ph_err *err);
    int (*open)(void *ctx, const char *folder, struct ph_backend_state *out, struct ph_err *err);
    /* Tell the messages with first <= UID <= last whose mod-sequence is above `since` (0: all), in ascending order. */
    int (*scan)(void *ctx, const char *folder, uint32_t first, uint32_t last, uint64_t since,
                int (*emit)(void *to, const struct ph_backend_message *m), void *to, struct ph_err *err);
    /* Copy up to n octets of a message from `offset` on into p: *got of them, 0 only at its end. PH_E_NOTFOUND: it is gone. */
    int (*fetch)(void *ctx, const char *folder, uint32_t uid, uint64_t offset, void *p, size_t n, size_t *got,
                 struct ph_err *err);

    /* Optional. When a function that changes something returns 0 the change is durable. */

    void (*free)(void *ctx); /* the store is freed */

    int (*create)(void *ctx, const char *folder, unsigned attributes, struct ph_err *err);
    int (*remove)(void *ctx, const char *folder, struct ph_err *err);
    int (*rename)(void *ctx, const char *from, const char *to, struct ph_err *err); /* folders below move, too */
    int (*subscribe)(void *ctx, const char *folder, bool on, struct ph_err *err);

    /* Put a message in: begin gives a handle, write comes any number of times, then commit (the message is in, with its UID) or
     * abort; both end the handle. m has flags, keywords, date and size. */
    int (*append_begin)(void *ctx, const char *folder, const struct ph_backend_message *m, void **handle,
                        struct ph_err *err);
    int (*append_write)(void *handle, const void *p, size_t n, struct ph_err *err);
    int (*append_commit)(void *handle, uint32_t *uid, struct ph_err *err);
    void (*append_abort)(void *handle);

    /* Flags and keywords of one message become exactly these. */
    int (*set_flags)(void *ctx, const char *folder, uint32_t uid, unsigned flags, const char *keywords,
                     struct ph_err *err);
    /* Remove n messages for good. */
    int (*expunge)(void *ctx, const char *folder, const uint32_t *uids, size_t n, struct ph_err *err);

    bool untold;        /* others change the storage and ph_store_changed is not called: the server has to look, at each NOOP and
                         * some seconds while a client idles */
    bool one_at_a_time; /* calls of this store are serialised */
    char delimiter;     /* of the hierarchy in names; 0: '/' */
    bool uids_not_kept; /* UIDs do not outlast the process: clients are told (UIDNOTSTICKY) */
};

/* The functions are copied. label: for logs. */
int ph_store_new(const struct ph_backend *backend, void *ctx, const char *label, struct ph_store **out, struct ph_err *err)
    __attribute__((visibility("default")));
/* Something in this folder (NULL: in the list of folders) was changed by others than through the store: clients that idle are
 * told. Any thread; does not block. */
void ph_store_changed(struct ph_store *store, const char *folder) __attribute__((visibility("default")));

#endif
