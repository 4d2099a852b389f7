/* notify.h: NOTIFY (RFC 5465): a session is told of events in other mailboxes too, and while it runs no command.
 *
 * Events come from the store's watch, from any thread, and wait in the session's list until it has nothing else to do. A client that
 * takes too little has its notifications ended ([NOTIFICATIONOVERFLOW]).
 */
#ifndef PH_SERVER_NOTIFY_H
#define PH_SERVER_NOTIFY_H

#include "server/session.h"

/* Something has changed for the user: PH_WATCH_ bits. Any thread; never blocks for long. */
void notify_changed(struct server_user *u, const char *folder, unsigned what);
/* A change that a command of this session is making: what the store says of it meanwhile needs not be told to itself, and others can be
 * told more than the store says. A store that tells of changes later has them told like anybody's. */
struct notify_doing {
    struct notify_doing *next;
    struct session *s;
    const char *name;
    const char *to;                /* RENAME; else NULL */
    char delim;                    /* … of both */
    unsigned what;                 /* PH_WATCH_ */
    const struct ph_annotation *a; /* SETMETADATA */
    size_t n;
};
void notify_begin(struct session *s, struct notify_doing *d);
void notify_end(struct session *s, struct notify_doing *d);
/* Tell what there is to tell, between commands. true: something was written. */
bool notify_update(struct session *s);
void notify_free(struct session *s); /* as if there had been no NOTIFY; nothing to do is fine */

#endif
