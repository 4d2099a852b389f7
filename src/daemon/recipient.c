/* recipient.c: whose mail an address is. */
#include <string.h>

#include "daemon/lmtp_server.h"

static const char *joined(struct ph_arena *arena, struct ph_str local, const char *domain)
{
    size_t n = strlen(domain);
    char *p = ph_arena_alloc(arena, local.n + n + 2);

    if (!p)
        return NULL;
    memcpy(p, local.p, local.n);
    if (n) {
        p[local.n] = '@';
        memcpy(p + local.n + 1, domain, n);
        for (char *c = p + local.n + 1; *c; c++) /* RFC 5321 2.4: the case of a domain means nothing */
            *c = (char)ph_lower((unsigned char)*c);
    }
    return p;
}

int ph_recipient_find(const char *local, const char *domain, const char *delimiter, bool (*have)(void *, const char *), void *ctx,
                      struct ph_arena *arena, const char **user, struct ph_err *err)
{
    struct ph_str whole = ph_str(local), base = { local, *delimiter ? strcspn(local, delimiter) : whole.n };
    /* The more exact name first: somebody may be called a+b. */
    const struct {
        struct ph_str local;
        const char *domain;
    } tries[] = { { whole, domain }, { base, domain }, { whole, "" }, { base, "" } };

    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        if (tries[i].local.n == 0)
            continue;
        const char *name = joined(arena, tries[i].local, tries[i].domain);
        if (!name)
            return ph_fail_memory(err);
        if (ph_user_name_ok(name) && have(ctx, name)) {
            *user = name;
            return 0;
        }
    }
    return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "there is no such user");
}
