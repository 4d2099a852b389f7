/* cache.h: opaque octets kept with a body (its structure): in a file of its own that is never synced and may be lost. */
#ifndef PH_STORE_LOCAL_CACHE_H
#define PH_STORE_LOCAL_CACHE_H

#include "store/local/private.h"

int ph_local_cache_get(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_buf *out,
                       struct ph_err *err);
int ph_local_cache_put(struct ph_session *s, const char *folder, uint32_t uidvalidity, uint32_t uid, struct ph_str blob,
                       struct ph_err *err);
void ph_local_cache_close(struct local_user *u); /* what is queued is written */

#endif
