/* metadata.h: annotations (RFC 5464), for LIST (RFC 9590), too. */
#ifndef PH_SERVER_METADATA_H
#define PH_SERVER_METADATA_H

#include "server/session.h"

#define METADATA_VALUE 65536 /* octets of one that is set; a store may take less */
#define METADATA_ENTRIES 1000 /* in one command */

/* `* METADATA name (entry value …)` with all the entries, NIL for those that are not set. Nothing when they cannot be read. */
void metadata_tell(struct session *s, struct ph_session *ps, const char *name, const struct ph_words *entries);

#endif
