/* local_model.h: clients that change a store and say beforehand what they will do, and afterwards that it was acknowledged; and
 * what a store must hold after such a history that ended anywhere.
 *
 * Each client works in folders of its own, so that what it does determines what is there: of its last step that was not acknowledged
 * either all or nothing, of every other all. */
#ifndef TEST_STORE_LOCAL_MODEL_H
#define TEST_STORE_LOCAL_MODEL_H

#include "local_rig.h"

enum { STEP_CREATE, STEP_APPEND, STEP_FLAGS, STEP_COPY, STEP_MOVE, STEP_EXPUNGE, STEP_REMOVE, STEPS };

struct model_mark {
    uint32_t client;
    bool done;
    uint8_t step, folder, to;
    uint32_t first, last; /* UIDs; of an append: id of the first message, and how many */
    uint32_t flags;
    uint32_t uidvalidity; /* done: of the folder */
    uint64_t modseq;      /* done: of the folder */
};

/* Work as client number `client` for so many steps; marks are handed to `mark`. -1: the store failed, see *err. */
int model_work(struct ph_local_root *root, const char *user, uint32_t client, unsigned steps, uint64_t seed,
               void (*mark)(void *ctx, const struct model_mark *m), void *ctx, struct ph_err *err);

struct model;
struct model *model_new(void);
void model_free(struct model *m);
void model_see(struct model *m, const struct model_mark *mark);
/* Is the store what the marks allow? Also checks it (ph_local_check), and that numbers go on. false: *why. */
bool model_holds(struct model *m, struct ph_local_root *root, const char *user, char *why, size_t n);

#endif
