/* watch.h: being told of changes: sessions of this process at once, those of others through inotify. */
#ifndef PH_STORE_LOCAL_WATCH_H
#define PH_STORE_LOCAL_WATCH_H

#include "store/local/private.h"

int ph_local_watch(struct ph_session *s, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                   struct ph_err *err);

/* A right was given or taken: whoever is meant is told, and hears of the owner's changes from now on. */
void ph_local_watch_shared(struct ph_local_root *root, struct local_user *owner, const char *identifier);

#endif
