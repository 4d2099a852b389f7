/* privileges.h: becoming another user, for good. Before other threads do anything. */
#ifndef PH_DAEMON_PRIVILEGES_H
#define PH_DAEMON_PRIVILEGES_H

#include <sys/types.h>

#include <posthaste/err.h>

struct ph_identity {
    uid_t uid;
    gid_t gid;
    char name[128];  /* of the user */
};

/* "user" or "user:group"; names or numbers. PH_E_USAGE: there is no such user or group. */
int ph_identity_find(const char *text, struct ph_identity *out, struct ph_err *err);
int ph_group_find(const char *name, gid_t *out, struct ph_err *err);
/* User, group and supplementary groups; checks that there is no way back. Nothing happens when we are that user already. */
int ph_identity_become(const struct ph_identity *id, struct ph_err *err);

#endif
