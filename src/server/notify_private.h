/* notify_private.h: what notify.c (the command, the waiting events) and notify_tell.c (the answers) share. */
#ifndef PH_SERVER_NOTIFY_PRIVATE_H
#define PH_SERVER_NOTIFY_PRIVATE_H

#include "server/notify.h"
#include "server/user.h"

#define NOTIFY_PENDING 1000 /* mailboxes with untold events */
#define NOTIFY_NAMES 1000   /* mailboxes named in one command */
#define NOTIFY_KNOWN 20000  /* mailboxes whose status is remembered */

struct notify_event {
    struct notify_event *next;
    unsigned what;         /* PH_WATCH_ */
    char *old;             /* renamed: its old name */
    struct ph_buf entries; /* annotations that were set, each with a NUL behind it; empty: not known */
    char name[];
};

struct notify_group {
    enum ph_filter_what what;
    const char **names; /* UTF-8 */
    size_t n_names;
    unsigned events;    /* PH_EV_ */
    const struct ph_fetch_att *atts;
    size_t n_atts;
};

struct notify_known { /* what the client knows of a mailbox */
    char *name;
    uint32_t messages, uidnext, uidvalidity, unseen;
    uint64_t modseq;
};

struct notify_seen { /* a name there was, for stores that say only that there are others now */
    char *name;
    bool exists, subscribed;
};

struct session_notify {
    struct session *s;
    /* guarded by user->notify_lock */
    struct session_notify *next;
    struct notify_event *events, **events_end;
    size_t n_events;
    bool overflow, touched; /* touched: something changed in the selected mailbox */
    char *selected;         /* its name; NULL */
    unsigned anywhere;      /* PH_WATCH_ of changes the store did not name */
    char *own[2];           /* what the last command of the session changed: names, NULL */
    /* constant */
    struct ph_arena arena;
    struct notify_group *groups;
    size_t n;
    const struct notify_group *of_selected; /* NULL: no such group */
    struct ph_store_namespace *ns;
    size_t n_ns;
    /* the session's */
    uint64_t n_selects;      /* which selected mailbox it was at the last update … */
    uint32_t fetched;        /* … and up to this UID its messages were told */
    struct notify_known *known;
    size_t n_known, cap_known;
    struct notify_seen *seen; /* by name; NULL: nobody asked for names or subscriptions */
    size_t n_seen;
};

/* The events that were asked for in this mailbox, but for the selected one's. `subscribed`: 1, 0, -1 not known: then it counts as. */
unsigned notify_wanted(const struct session_notify *n, const char *name, int subscribed);
void notify_event_free(struct notify_event *e);

/* notify_seen.c */
bool notify_wants_names(const struct session_notify *n);
int notify_see(struct session_notify *n, const struct ph_folder_list *l); /* the names there are, from now on */
/* Make events of how the names differ from those that were seen; *overflow: they are too many. Adds to *events. */
int notify_compare(struct session *s, unsigned what, struct notify_event **events, bool *overflow, struct ph_err *err);
void notify_seen_free(struct session_notify *n);

/* notify_tell.c */
int notify_tell_events(struct session *s, struct notify_event *events, struct ph_err *err);
int notify_tell_selected(struct session *s, struct ph_err *err);
/* At NOTIFY SET: mailboxes that may not be read, and with `status` the status of the others. */
int notify_tell_begin(struct session *s, bool status, struct ph_err *err);

#endif
