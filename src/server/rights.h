/* rights.h: which right a command needs (RFC 4314 4). */
#ifndef PH_SERVER_RIGHTS_H
#define PH_SERVER_RIGHTS_H

#include "server/session.h"

/* 0: the user may do this to the mailbox, or the store knows no rights. -1: PH_E_PERMISSION; PH_E_NOTFOUND when it does not exist, or the
 * user may not know that it does (RFC 4314 6). CREATE, and the new name of a RENAME: to the nearest mailbox above. */
int rights_check(struct session *s, enum ph_cmd id, const char *name, struct ph_err *err);
int rights_check_parent(struct session *s, const char *name, struct ph_err *err);
/* As a client is told: with the virtual rights `c` and `d` of RFC 2086 behind them (RFC 4314 2.1.1). */
void rights_tell(const char *rights, char out[40]);

#endif
