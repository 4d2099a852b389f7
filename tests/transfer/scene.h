/* scene.h: two accounts in memory, a ledger of their own, and a copy between them: what the tests of whole runs share. */
#ifndef PH_TESTS_TRANSFER_SCENE_H
#define PH_TESTS_TRANSFER_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/ledger.h"
#include "store/memory.h"
#include "transfer/job.h"

#define FOLDERS 3
#define MESSAGES 40
#define ALL (FOLDERS * MESSAGES)

struct scene {
    char dir[64];
    struct ph_store *src, *dst;
    struct ph_cancel cancel;
    struct ph_job job;
    struct ph_totals totals;
    struct ph_err err;
    _Atomic unsigned appends;  /* counted by all lanes */
    unsigned stop_at;          /* raise the cancellation before this append */
    _Atomic unsigned visits;   /* how many messages others have delivered to the destination */
    bool visitors;
    /* Called without a lock before each operation of the destination … */
    void (*meanwhile)(struct scene *s, const char *op, const char *folder);
    /* … and for each event. */
    void (*on_event)(struct scene *s, const struct ph_event *e);
    _Atomic unsigned seen;     /* for the two to count with */
};

/* "folder 0" … with MESSAGES messages each are on the source: every tenth has no key, every ninth shares one. */
void begin(struct scene *s, struct ph_memory_options *src, struct ph_memory_options *dst);
void end(struct scene *s);
int copy(struct scene *s);
void copy_well(struct scene *s); /* nothing fails */
/* Equal lines, each as often. */
void check_same(struct scene *s, const char *what);
size_t in_all(struct ph_store *st);
void deliver(struct ph_store *st, const char *folder, const char *text, int64_t epoch, uint32_t flags, const char *keywords);
void lose_ledger(struct scene *s);

#endif
