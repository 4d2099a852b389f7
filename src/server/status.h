/* status.h: what STATUS tells, for the files that tell it. */
#ifndef PH_SERVER_STATUS_H
#define PH_SERVER_STATUS_H

#include "server/session.h"
#include "wire/respond.h"

/* Has the folder, as the store listed it, got all that the items (PH_SI_) need? */
bool status_is_known(const struct ph_folder *f, unsigned items);
/* Make a line of what the store says of the folder; what it does not say is counted in a scan. -1: there is nothing to tell. */
int status_fill(struct session *s, struct ph_session *ps, struct ph_folder *f, unsigned items,
                struct ph_status_line *out, struct ph_err *err);
/* Asking for HIGHESTMODSEQ enables CONDSTORE (RFC 7162 3.1). */
void status_enables(struct session *s, unsigned items);

#endif
