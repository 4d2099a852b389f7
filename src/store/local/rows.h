/* rows.h: what message.c lends to those that change or read messages. */
#ifndef PH_STORE_LOCAL_ROWS_H
#define PH_STORE_LOCAL_ROWS_H

#include "store/local/private.h"

/* A message's flags come to (+1) or leave (-1) what a mailbox counts. */
void ph_local_count_flags(struct local_mailbox *mb, uint32_t flags, uint64_t size, int by);
/* A row leaves, its body goes on elsewhere. */
int ph_local_message_moved(struct local_user *u, struct local_db *db, struct local_mailbox *mb, const struct local_message *m,
                           struct ph_err *err);
int ph_local_body_unref(struct local_user *u, struct local_db *db, int64_t body, struct ph_err *err);

/* Walk the rows of a mailbox that a set of UIDs names (NULL: all), ascending. Few ranges are looked up one by one; of many, the rows
 * between the first and the last are read and compared. Rows may be changed or removed while walking, since a part is
 * read before it is handed out. */
struct local_walk {
    struct local_db *db;
    int64_t mailbox;
    const struct ph_numset *uids;
    size_t range;
    uint32_t next;   /* look for UIDs from here on */
    bool merge, done;
    size_t n, at;
    struct local_message part[256];
};
void ph_local_walk_init(struct local_walk *w, struct local_db *db, int64_t mailbox, const struct ph_numset *uids);
/* 1: *m is the next; 0: the end; -1. */
int ph_local_walk_next(struct local_walk *w, struct local_message **m, struct ph_err *err);

#endif
