/* private.h: one exchange, as the files of sasl/ see it. */
#ifndef PH_SASL_PRIVATE_H
#define PH_SASL_PRIVATE_H

#include <gsasl.h>

#include "sasl/sasl.h"

enum ph_sasl_how {
    PH_SASL_GSASL,
    PH_SASL_XOAUTH2,
    PH_SASL_OAUTHBEARER,
};

struct ph_sasl {
    const char *mechanism; /* static, upper case */
    enum ph_sasl_how how;
    bool is_server, first; /* first: the client speaks first */
    bool proof;            /* mutual: the server must prove itself before its OK counts */
    bool done, failed;
    unsigned steps;
    Gsasl *lib;
    Gsasl_session *session;
    char words[256]; /* what the server said of a refused token */

    struct ph_sasl_client_params client;

    const struct ph_sasl_server_ops *ops;
    void *ctx;
    char *service, *host; /* owned; server only */
    char *authcid, *authzid;
    char *salt; /* base64, of a user without one */
    unsigned char binding[64];
    size_t binding_len;
    bool binding_is_exporter;
};

struct ph_sasl_mechanism {
    const char *name;
    enum ph_sasl_how how;
    bool first, proof;
    bool authzid;  /* can carry one */
    bool password; /* needs one */
};
/* NULL: not one of ours. Any case. */
const struct ph_sasl_mechanism *ph_sasl_mechanism(const char *name);

/* Steps of the mechanisms written here; as ph_sasl_client_step and ph_sasl_server_step. */
int ph_bearer_client_step(struct ph_sasl *s, struct ph_str challenge, struct ph_buf *out, struct ph_err *err);
int ph_bearer_server_step(struct ph_sasl *s, struct ph_str response, struct ph_buf *out, struct ph_err *err);
/* The error object of RFC 7628 3.2.2 (and Google's and Microsoft's likes of it) in words. */
void ph_bearer_words(struct ph_str json, char *out, size_t size);

/* One step of GNU SASL, its output added to out. Returns gsasl's code. */
int ph_gsasl_step(struct ph_sasl *s, struct ph_str in, struct ph_buf *out);
/* -1 with *err for a code of gsasl that is not GSASL_OK and not GSASL_NEEDS_MORE. */
int ph_gsasl_fail(const struct ph_sasl *s, int rc, struct ph_err *err);
/* Set a property to the base64 form of the bytes. */
int ph_gsasl_set_base64(Gsasl_session *session, Gsasl_property property, const void *p, size_t n);

#endif
