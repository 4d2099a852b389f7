/* local_rig.h: directories for the tests of the store on disk, which go when the test does. */
#ifndef TEST_STORE_LOCAL_RIG_H
#define TEST_STORE_LOCAL_RIG_H

#include "store/local/local.h"

/* A directory of its own, gone at the end of the process; NULL when there is none to be had. */
const char *rig_dir(void);
/* rm -r */
void rig_remove(const char *path);
/* cp -a, but the file locks and SQLite's shared memory, as after a restart of the machine. -1: failed. */
int rig_copy(const char *from, const char *to);

#endif
