/* disk.h: a disk that can be full, fail, or lose what was not synced: the program's own pwrite and fsync, which SQLite
 * finds instead of the C library's. Everything goes through until asked otherwise. */
#ifndef TEST_LEDGER_DISK_H
#define TEST_LEDGER_DISK_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool disk_full;       /* writes fail with ENOSPC */
extern atomic_bool disk_sync_fails; /* syncs fail with EIO */
extern atomic_uint disk_syncs;      /* how many there were */

/* From now on each sync of a file copies it into `dir`, which then holds what a power cut would leave. NULL: no more. */
void disk_shadow(const char *dir);

#endif
