/* mailbox_private.h: what mailbox.c (finding, reading out) and refresh.c (keeping up to date) share. */
#ifndef PH_SERVER_MAILBOX_PRIVATE_H
#define PH_SERVER_MAILBOX_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/mailbox.h"
#include "server/user.h"

#define KWSETS_MAX (1u << 24) /* a row has 24 bits for the number */

struct mailbox {
    struct server_user *user;
    struct mailbox *next;         /* of the user's; guarded by user->mailboxes_lock, as are refs and used */
    unsigned refs;
    uint64_t used;                /* when it was last given back, in the user's count */
    const char *_Atomic name;     /* one of `names`: replaced by RENAME, the old text stays for whoever reads it */
    char **names;                 /* guarded by user->mailboxes_lock */
    size_t n_names;

    pthread_mutex_t refreshing;   /* one reads from the store at a time */
    /* How often it was said to be changed, and up to where the rows know it: the latter follows when the reading is done, so that whoever
     * comes meanwhile waits for it. */
    _Atomic uint64_t changes, known;
    bool loaded, watched;         /* guarded by refreshing */

    pthread_mutex_t lock;         /* everything below */
    bool gone;
    struct mailbox_state state;
    struct mailbox_row *rows;     /* by UID */
    size_t n, cap;
    struct uidlist *uids;         /* of the rows */
    char **kwsets;                /* [0] is not used: ""; a text never moves, so it can be lent without the lock */
    size_t n_kwsets, cap_kwsets;
    struct ph_buf keywords;       /* all, in order of appearance */
    unsigned n_keywords;
    bool recent_taken;            /* the store was asked for what is \Recent, and has forgotten it */
    uint32_t recent_from;         /* from this UID on nobody was told of \Recent */
    struct session **listeners;
    size_t n_listeners, cap_listeners;
};

size_t mailbox_find(const struct mailbox *m, uint32_t uid); /* the first row with this UID or a higher one */
void mailbox_wake(struct mailbox *m);
void mailbox_disown(struct mailbox *m); /* it is not what its name says any more: nobody will find it; who has it keeps it */

#endif
