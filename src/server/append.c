/* append.c: APPEND is not offered yet: every one is refused before its octets come. */
#include "server/append.h"

static int refuse(struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_NONE, PH_E_UNSUPPORTED, "APPEND is not offered");
}

int append_head(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return refuse(err);
}

int append_next(struct session *s, const struct ph_append_head *h, struct ph_err *err)
{
    return refuse(err);
}

int append_data(struct session *s, const char *p, size_t n, struct ph_err *err)
{
    return refuse(err);
}

int append_done(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return refuse(err);
}

void append_abort(struct session *s)
{
}
