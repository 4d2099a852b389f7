/* append_url.h: the octets that a URL of CATENATE names (RFC 4469 3, RFC 5092). */
#ifndef PH_SERVER_APPEND_URL_H
#define PH_SERVER_APPEND_URL_H

#include "server/session.h"

/* They are handed to take in pieces. -1 with [BADURL] for one that names nothing the user may read. */
int append_url(struct session *s, struct ph_str url, int (*take)(void *ctx, const char *p, size_t n, struct ph_err *err),
               void *ctx, struct ph_err *err);

#endif
