/* backend_private.h: what backend*.c share. */
#ifndef PH_STORE_BACKEND_PRIVATE_H
#define PH_STORE_BACKEND_PRIVATE_H

#include <posthaste/store.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/serve.h"

#define BACKEND_PIECE 65536

struct backend_store {
    struct ph_store base;
    struct ph_backend b;
    void *ctx;
    char delim;
    struct ph_session_ops session_ops;
    atomic_bool modseqs;            /* the backend keeps mod-sequences */
    pthread_mutex_t one;            /* one_at_a_time */
    pthread_mutex_t change;         /* reading flags and writing them back is one step among our sessions */
    pthread_mutex_t watchers;       /* sessions and their `changed` */
    struct backend_session *sessions;
};

struct backend_scan {
    struct backend_scan *next;
    char *folder;
    struct ph_scan_request req;
    struct ph_numset uids;
};

struct backend_bodies {
    struct backend_bodies *next;
    char *folder;
    uint32_t uidvalidity;
    struct ph_numset uids;
    uint32_t at;                    /* the last one given out */
};

struct backend_reading { /* one message */
    char *folder;
    uint32_t uid;
    uint64_t size, offset;
    char *piece;                    /* BACKEND_PIECE octets */
};

struct backend_session {
    struct ph_session base;
    struct backend_store *st;
    struct backend_session *next;
    void (*changed)(void *ctx, const char *folder, unsigned what);
    void *changed_ctx;
    struct backend_scan *scans;
    struct backend_bodies *bodies;
    struct backend_reading reading;
    struct ph_append *finished;     /* oldest first */
    struct ph_snapshot *scan_out;
};

static inline struct backend_session *backend_session(struct ph_session *s)
{
    return (struct backend_session *)s;
}

void backend_lock(struct backend_store *st);
void backend_unlock(struct backend_store *st);
void backend_tell(struct backend_store *st, const char *folder, unsigned what);

/* backend_read.c */
int backend_status(struct backend_store *st, struct ph_folder *f, struct ph_err *err);
int backend_row(struct backend_store *st, const char *folder, uint32_t uid, struct ph_backend_message *out,
                struct ph_buf *keywords, struct ph_err *err); /* 1: it is there; 0: not */
int backend_check(struct backend_store *st, const char *folder, uint32_t uidvalidity, struct ph_err *err);
int backend_scan_begin(struct ph_session *s, const char *folder, const struct ph_scan_request *req,
                       struct ph_snapshot *out, struct ph_err *err);
int backend_scan_wait(struct ph_session *s, struct ph_snapshot *out, struct ph_err *err);
int backend_bodies_add(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                       const struct ph_snapshot *snap, struct ph_err *err);
int backend_bodies_next(struct ph_session *s, struct ph_body *out, struct ph_err *err);
int backend_body_read(struct ph_session *s, const char **p, size_t *n, struct ph_err *err);
int backend_body_open(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_body *out,
                      struct ph_err *err);
int backend_body_at(struct ph_session *s, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err);
void backend_drop_reading(struct backend_session *s);

/* backend_write.c */
int backend_append_open(struct ph_session *s, const char *folder, size_t n_messages, struct ph_append **out,
                        struct ph_err *err);
int backend_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err);
int backend_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err);
int backend_append_finish(struct ph_append *a, struct ph_err *err);
bool backend_append_poll(struct ph_session *s);
int backend_append_wait(struct ph_session *s, struct ph_append **done, struct ph_append_result *res, struct ph_err *err);
void backend_append_free(struct ph_append *a);
void backend_drop_appends(struct backend_session *s);
int backend_store_flags(struct ph_session *s, struct ph_flag_batch *batches, size_t n, struct ph_err *err);
int backend_expunge(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                    bool expunge_all, struct ph_err *err);
int backend_copy(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                 const char *to, bool move, struct ph_copy_result *out, struct ph_err *err);

#endif
