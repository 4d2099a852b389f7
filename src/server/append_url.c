/* append_url.c: reading what a URL of CATENATE names. */
#include "server/append_url.h"

#include <string.h>

int append_url(struct session *s, struct ph_str url, int (*take)(void *ctx, const char *p, size_t n, struct ph_err *err),
               void *ctx, struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_MESSAGE, PH_E_REFUSED, "URLs are not read yet");
    memcpy(err->code, "BADURL", sizeof "BADURL");
    return -1;
}
