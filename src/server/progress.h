/* progress.h: a command that takes long says so (INPROGRESS, RFC 9585), and ends when nobody waits for its answer. */
#ifndef PH_SERVER_PROGRESS_H
#define PH_SERVER_PROGRESS_H

#include "server/session.h"

#define PROGRESS_MS 10000 /* RFC 9585 4: every 10 to 15 seconds */

struct progress {
    struct session *s;
    struct ph_str tag;
    int64_t next, next_look; /* ph_now_ms */
};

void progress_begin(struct progress *p, struct session *s, struct ph_str tag, int64_t now);
/* done of goal messages; goal 0: not known. Costs next to nothing. -1: the client is gone, or the server stops. */
int progress_at(struct progress *p, int64_t now, uint64_t done, uint64_t goal, struct ph_err *err);

#endif
