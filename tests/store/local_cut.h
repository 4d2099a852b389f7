/* local_cut.h: the record of local_cutshim.c, and playing it. */
#ifndef TEST_STORE_LOCAL_CUT_H
#define TEST_STORE_LOCAL_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CUT_CREATE = 'C', CUT_WRITE = 'W', CUT_TRUNCATE = 'T', CUT_SYNC = 'S', CUT_SYNC_DIR = 'D', CUT_MKDIR = 'M',
    CUT_UNLINK = 'U', CUT_RENAME = 'R', CUT_MARK = 'A',
};
struct cut_record {
    char kind;
    uint64_t ino, at, n; /* n octets follow: a path, two paths with a NUL between, data, a mark */
};

void cut_mark(const void *p, size_t n); /* in the shim */

/* ---- local_cutplay.c ---- */

/* Kinds of syncs, by what they are for. */
enum cut_sync { CUT_OF_PACK, CUT_OF_LOG, CUT_OF_INDEX, CUT_OF_DIRECTORY, CUT_SYNCS };

struct cut_play;
/* dir: what CUT_DIR was. The record is read whole. NULL: it cannot be read. */
struct cut_play *cut_open(const char *trace, const char *dir);
size_t cut_length(const struct cut_play *p);
void cut_restart(struct cut_play *p, int ignore); /* to the beginning; syncs of kind `ignore` do nothing (-1: all work) */
/* Play up to record `to`; marks are passed on. */
void cut_until(struct cut_play *p, size_t to, void (*mark)(void *ctx, const void *m, size_t n), void *ctx);
/* Make `into` what is on the disk if the power goes now. survive 0: only what is synced; otherwise a number that says which of the
 * rest got there, too. -1: cannot write. */
int cut_power(struct cut_play *p, const char *into, uint64_t survive);
size_t cut_count(const struct cut_play *p, enum cut_sync kind); /* syncs in the whole record */
void cut_close(struct cut_play *p);

#endif
