/* choose.c: which mechanism to use of those that a server offers. */
#include "sasl/sasl.h"

static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list ? list : ""; *p;) {
        size_t len = strcspn(p, " ");
        if (len == n && ph_str_caseis((struct ph_str){ p, len }, name))
            return true;
        p += len + strspn(p + len, " ");
    }
    return false;
}

const char *ph_sasl_choose(const struct ph_sasl_choice *c, const char *skip)
{
    bool clear = c->tls || c->allow_cleartext; /* a secret may travel as it is */
    bool password = c->have_password;
    const struct {
        const char *name;
        bool fits;
    } order[] = {
        { "EXTERNAL", c->have_client_cert && c->tls },
        { "OAUTHBEARER", c->have_token && clear },
        { "XOAUTH2", c->have_token && clear },
        { "SCRAM-SHA-256-PLUS", password && c->have_binding },
        { "SCRAM-SHA-1-PLUS", password && c->have_binding },
        { "SCRAM-SHA-256", password },
        { "SCRAM-SHA-1", password },
        { "DIGEST-MD5", password && c->allow_digest_md5 },
        { "CRAM-MD5", password && !c->authzid && !c->tls },
        { "PLAIN", password && clear },
        { "CRAM-MD5", password && !c->authzid },
        { "LOGIN", password && !c->authzid && clear },
    };

    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (order[i].fits && listed(c->offered, order[i].name) && !listed(skip, order[i].name))
            return order[i].name;
    return NULL;
}
