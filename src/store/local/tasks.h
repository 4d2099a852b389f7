/* tasks.h: what a root does on a thread of its own: hears of other processes' commits, flushes caches, compacts packs. The
 * thread starts when there is something to do. */
#ifndef PH_STORE_LOCAL_TASKS_H
#define PH_STORE_LOCAL_TASKS_H

#include "store/local/private.h"

int ph_local_tasks_start(struct ph_local_root *root, struct ph_err *err); /* once; later calls do nothing */
void ph_local_tasks_watch(struct local_user *u); /* look for other processes' commits */
void ph_local_tasks_stop(struct ph_local_root *root);

/* compact.c: packs that are more than half dead are written anew, the living part. Entered. *packs: how many. */
int ph_local_compact(struct local_user *u, unsigned *packs, struct ph_err *err);

#endif
