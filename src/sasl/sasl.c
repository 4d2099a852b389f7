/* sasl.c: the mechanisms, and what both roles share of GNU SASL. */
#include <stdlib.h>

#include "sasl/private.h"

static const struct ph_sasl_mechanism mechanisms[] = {
    /* name                how              first proof authzid password */
    { "EXTERNAL", PH_SASL_GSASL, true, false, true, false },
    { "OAUTHBEARER", PH_SASL_OAUTHBEARER, true, false, true, false },
    { "XOAUTH2", PH_SASL_XOAUTH2, true, false, true, false },
    { "SCRAM-SHA-256-PLUS", PH_SASL_GSASL, true, true, true, true },
    { "SCRAM-SHA-1-PLUS", PH_SASL_GSASL, true, true, true, true },
    { "SCRAM-SHA-256", PH_SASL_GSASL, true, true, true, true },
    { "SCRAM-SHA-1", PH_SASL_GSASL, true, true, true, true },
    { "GSSAPI", PH_SASL_GSASL, true, true, true, false },
    { "DIGEST-MD5", PH_SASL_GSASL, false, true, true, true },
    { "CRAM-MD5", PH_SASL_GSASL, false, false, false, true },
    { "PLAIN", PH_SASL_GSASL, true, false, true, true },
    { "LOGIN", PH_SASL_GSASL, false, false, false, true },
};

const struct ph_sasl_mechanism *ph_sasl_mechanism(const char *name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (ph_str_caseis(ph_str(name), mechanisms[i].name))
            return &mechanisms[i];
    return NULL;
}

static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    const char *p = gsasl_property_fast(session, property);

    if (p)
        ph_wipe((char *)p, strlen(p)); /* the session's own copy, which it is about to free as it is */
}

void ph_sasl_free(struct ph_sasl *s)
{
    if (!s)
        return;
    if (s->session) {
        wipe_property(s->session, GSASL_PASSWORD);
        wipe_property(s->session, GSASL_SCRAM_SALTED_PASSWORD);
        wipe_property(s->session, GSASL_SCRAM_SERVERKEY);
        wipe_property(s->session, GSASL_SCRAM_STOREDKEY);
        gsasl_finish(s->session);
    }
    if (s->lib)
        gsasl_done(s->lib);
    free(s->service);
    free(s->host);
    free(s->authcid);
    free(s->authzid);
    free(s->salt);
    free(s);
}

int ph_gsasl_step(struct ph_sasl *s, struct ph_str in, struct ph_buf *out)
{
    char *answer = NULL;
    size_t n = 0;
    int rc = gsasl_step(s->session, in.p, in.n, &answer, &n);

    if ((rc == GSASL_OK || rc == GSASL_NEEDS_MORE) && n && ph_buf_add(out, answer, n) < 0)
        rc = GSASL_MALLOC_ERROR;
    if (answer) {
        ph_wipe(answer, n);
        gsasl_free(answer);
    }
    return rc;
}

int ph_gsasl_set_base64(Gsasl_session *session, Gsasl_property property, const void *p, size_t n)
{
    struct ph_buf text = PH_BUF_INIT;
    int rc = ph_base64_encode((struct ph_str){ p, n }, &text);

    if (rc == 0 && gsasl_property_set(session, property, ph_buf_z(&text)) != GSASL_OK)
        rc = -1;
    ph_buf_done(&text);
    return rc;
}

int ph_gsasl_fail(const struct ph_sasl *s, int rc, struct ph_err *err)
{
    switch (rc) {
    case GSASL_MALLOC_ERROR:
        return ph_fail_memory(err);
    case GSASL_SASLPREP_ERROR:
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH,
                       "%s: the user name or the password has characters that it forbids", s->mechanism);
    case GSASL_MECHANISM_PARSE_ERROR:
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "%s: the other side's data is malformed", s->mechanism);
    case GSASL_AUTHENTICATION_ERROR:
        if (!s->is_server && s->proof)
            return ph_fail(err, PH_SCOPE_STORE, PH_E_PROTOCOL,
                           "%s: the server could not prove that it knows the password; it may be an impostor",
                           s->mechanism);
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "%s: refused", s->mechanism);
    case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "%s: more steps than the mechanism has", s->mechanism);
    default:
        return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "%s: %s", s->mechanism, gsasl_strerror(rc));
    }
}
