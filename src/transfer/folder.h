/* folder.h: what job.c needs of folder.c beside run.h. */
#ifndef PH_TRANSFER_FOLDER_H
#define PH_TRANSFER_FOLDER_H

#include "transfer/run.h"

struct rows { /* the ledger's rows of a folder as the planner reads them */
    struct ph_ledger *ledger;
    int64_t folder;
    struct ph_ledger_cursor *cursor;
};

/* What the ledger says of this pair of folders is about other messages: forget it. */
void folder_forget(struct run *r, struct folder_work *f);

#endif
