/* imap_internal.h: the parts of the IMAP store among themselves: one session over one connection. */
#ifndef PH_STORE_IMAP_INTERNAL_H
#define PH_STORE_IMAP_INTERNAL_H

#include <pthread.h>

#include "client/conn.h"
#include "store/imap.h"

struct odd_name { /* a name whose bytes on the wire are not the modified UTF-7 of its UTF-8 form */
    struct odd_name *next;
    char *utf8, *wire;
};

struct imap_store {
    struct ph_store base;
    struct ph_imap_options opt;
    pthread_mutex_t lock; /* of odd_names */
    struct odd_name *odd_names;
    atomic_uint_least64_t largest_taken; /* of the literals this destination accepted without asking first */
    atomic_bool uid_behind_body; /* this server sends UID behind the literal: bodies one at a time */
};

struct imap_scan;
struct body_request;
struct body_fetch;
struct body_open;

struct body_cursor {
    struct body_request *first_request, *last_request; /* UIDs not asked for yet */
    struct body_fetch *first, *last;                   /* FETCH commands under way */
    struct body_open *open;      /* the mailbox that was opened last, if by us */
    uint64_t window, asked;      /* octets wanted in flight, and those asked for and not yet arrived */
    /* the message being read */
    struct body_fetch *current;
    bool reading;
    uint64_t left;
    struct ph_buf small;         /* a body that did not come as a literal, or was spooled */
    bool from_small;
    size_t lent;
    uint64_t spool_size;
    int spool_fd;                /* an unlinked file while a UID is not known; -1 */
};

struct imap_session {
    struct ph_session base;
    struct imap_store *st;
    struct ph_conn *conn;
    char delim;
    struct ph_buf prefix;        /* personal namespace, UTF-8 */
    bool set_up, enable_sent, enabling;
    struct ph_cmd enable;
    char *selected;              /* folder of the last SELECT or EXAMINE queued, UTF-8; NULL: none */
    bool selected_rw;
    struct imap_scan *first_scan, *last_scan;
    struct body_cursor bodies;
    struct ph_append *first_append, *last_append;
};

static inline struct imap_session *imap_session(struct ph_session *s)
{
    return (struct imap_session *)s;
}

/* ---- imap_select.c ---- */

/* SELECT or EXAMINE as a command whose answers are kept. */
struct imap_select {
    struct ph_cmd cmd;
    uint32_t exists, uidvalidity, uidnext;
    uint64_t modseq;
    bool permanent_known;
    uint32_t permanent_flags;
    bool keywords_ok;
    struct ph_buf permanent_keywords; /* blank-separated */
};
int imap_select_begin(struct imap_session *s, struct imap_select *sel, const char *folder, bool rw, struct ph_err *err);
/* Done and OK, and of the expected UIDVALIDITY (0: any). Does not wait. */
int imap_select_check(const struct imap_select *sel, const char *folder, uint32_t uidvalidity, struct ph_err *err);
void imap_select_done(struct imap_select *sel);

/* Folder names. */
void imap_write_folder(struct imap_session *s, struct ph_writer *w, const char *folder);
uint32_t imap_flag_bit(struct ph_str flag); /* PH_F_*, 0: a keyword */
/* "(\Seen $Forwarded)": system flags of `flags` and the keywords that are atoms */
void imap_write_flags(struct ph_writer *w, uint32_t flags, const char *keywords);
bool imap_pipelines_select(struct imap_session *s);
int imap_send_enable(struct imap_session *s, struct ph_err *err); /* once, without waiting */
int imap_set_up(struct imap_session *s, struct ph_err *err);      /* ENABLE has been answered */

/* ---- the operations ---- */
int imap_list(struct ph_session *s, bool status, struct ph_folder_list *out, struct ph_err *err);
int imap_status(struct ph_session *s, struct ph_folder *const *f, size_t n, struct ph_err *err);
int imap_create(struct ph_session *s, const char *const *names, const uint32_t *special, size_t n,
                struct ph_err *results, struct ph_err *err);
int imap_subscribe(struct ph_session *s, const char *const *names, size_t n, bool on, struct ph_err *results,
                   struct ph_err *err);
int imap_remove(struct ph_session *s, const char *name, struct ph_err *err);
int imap_rename(struct ph_session *s, const char *from, const char *to, struct ph_err *err);
int imap_scan_begin(struct ph_session *s, const char *folder, const struct ph_scan_request *req,
                    struct ph_snapshot *out, struct ph_err *err);
int imap_scan_wait(struct ph_session *s, struct ph_snapshot *out, struct ph_err *err);
void imap_scans_free(struct imap_session *s);
int imap_bodies_add(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                    const struct ph_snapshot *snap, struct ph_err *err);
int imap_bodies_next(struct ph_session *s, struct ph_body *out, struct ph_err *err);
int imap_body_read(struct ph_session *s, const char **p, size_t *n, struct ph_err *err);
void imap_bodies_free(struct imap_session *s);
void imap_bodies_forget_open(struct imap_session *s); /* another mailbox is being opened */
int imap_append_open(struct ph_session *s, const char *folder, size_t n_messages, struct ph_append **out,
                     struct ph_err *err);
int imap_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err);
int imap_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err);
int imap_append_finish(struct ph_append *a, struct ph_err *err);
bool imap_append_poll(struct ph_session *s);
int imap_append_wait(struct ph_session *s, struct ph_append **done, struct ph_append_result *res, struct ph_err *err);
void imap_append_free(struct ph_append *a);
void imap_appends_free(struct imap_session *s);
int imap_store_flags(struct ph_session *s, struct ph_flag_batch *batches, size_t n, struct ph_err *err);
int imap_expunge(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                 bool expunge_all, struct ph_err *err);
int imap_copy(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
              const char *to, struct ph_err *err);
int imap_noop(struct ph_session *s, struct ph_err *err);

#endif
