/* sasl.h: SASL mechanisms (RFC 4422) for both roles, and choosing one.
 *
 * Mechanisms come from GNU SASL, but for XOAUTH2 and OAUTHBEARER (RFC 7628), which it lacks. One exchange is one
 * struct ph_sasl, owned by one thread. Octets are raw here; base64 is the caller's (ph_base64_* below).
 */
#ifndef PH_SASL_SASL_H
#define PH_SASL_SASL_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/str.h"

struct ph_sasl;

/* What a client knows. Borrowed for the life of the exchange. */
struct ph_sasl_client_params {
    const char *authcid;    /* whose password or token it is */
    const char *authzid;    /* whom to act as, NULL or "" for the same */
    struct ph_str password; /* NIL: none */
    struct ph_str token;    /* OAuth2 access token, NIL: none */
    const char *service;    /* "imap", "pop" */
    const char *host;
    uint16_t port;
    const unsigned char *binding; /* channel-binding data; only ever offered to -PLUS (a non-PLUS SCRAM fails with it) */
    size_t binding_len;
    bool binding_is_exporter;     /* tls-exporter, else tls-unique */
};

/* PH_E_UNSUPPORTED when the mechanism is not built in. */
int ph_sasl_client_new(const char *mechanism, const struct ph_sasl_client_params *params, struct ph_sasl **out,
                       struct ph_err *err);
/* Does the client speak first (so that SASL-IR can carry it)? */
bool ph_sasl_client_first(const struct ph_sasl *s);
/* Answer a challenge (empty for the initial response) into out (cleared first). 1: the mechanism is content and the server's OK
 * may be believed; 0: more; -1: failed (PH_E_AUTH, or PH_E_PROTOCOL when the server could not prove itself: SCRAM's
 * server signature missing or wrong). For XOAUTH2 and OAUTHBEARER a non-empty challenge is the server's JSON error:
 * the answer is the empty (XOAUTH2) or ^A (OAUTHBEARER) response, and ph_sasl_server_words has the error in words. */
int ph_sasl_client_step(struct ph_sasl *s, struct ph_str challenge, struct ph_buf *out, struct ph_err *err);
const char *ph_sasl_server_words(const struct ph_sasl *s); /* "" if none */
/* After the server's OK: may it be believed? SCRAM and DIGEST-MD5 need the server's proof first. */
bool ph_sasl_client_satisfied(const struct ph_sasl *s);
void ph_sasl_free(struct ph_sasl *s);

/* ---- choosing ---- */

struct ph_sasl_choice {
    const char *offered;      /* the server's mechanisms, blank-separated, any case */
    bool tls;                 /* the connection is encrypted (or local): clear-text passwords are fine */
    bool have_binding;
    bool have_password, have_token, have_client_cert;
    bool authzid;             /* needs a mechanism that can carry one: not CRAM-MD5, not LOGIN */
    bool allow_digest_md5;    /* off unless asked for (RFC 6331) */
    bool allow_cleartext;     /* PLAIN and LOGIN without TLS */
};

/* Strongest first: EXTERNAL (client certificate), a token's OAUTHBEARER then XOAUTH2; else SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS,
 * SCRAM-SHA-256, SCRAM-SHA-1, (GSSAPI only when named), DIGEST-MD5, CRAM-MD5, PLAIN, LOGIN; CRAM-MD5 after PLAIN when tls. NULL: none fits.
 * `skip` names mechanisms that failed already, blank-separated, or NULL. */
const char *ph_sasl_choose(const struct ph_sasl_choice *c, const char *skip);

/* ---- server role: verifies against a callback's verifier ---- */

/* What the application tells about a user: all borrowed until the exchange ends. */
struct ph_sasl_verifier {
    const char *password;         /* clear text, or NULL */
    const char *scram_sha1, *scram_sha256; /* "iterations,base64 salt,base64 storedkey,base64 serverkey", or NULL */
};
struct ph_sasl_server_ops {
    /* Find the user; 0, or -1 unknown (the exchange goes on and fails at its end, so names cannot be probed). */
    int (*lookup)(void *ctx, const char *authcid, struct ph_sasl_verifier *v);
    /* For PLAIN and LOGIN instead of a verifier, may be NULL: 0 right, -1 wrong. */
    int (*check_password)(void *ctx, const char *authcid, struct ph_str password);
    int (*check_token)(void *ctx, const char *user, struct ph_str token); /* OAUTHBEARER, XOAUTH2; may be NULL */
    int (*check_external)(void *ctx, const char *authzid);                /* may be NULL */
};
int ph_sasl_server_new(const char *mechanism, const struct ph_sasl_server_ops *ops, void *ctx, const char *service,
                       const char *host, struct ph_sasl **out, struct ph_err *err);
/* The TLS connection's channel binding, before the first step. Give it only when -PLUS mechanisms are offered: a client that could
 * bind but was told of no -PLUS is then refused (RFC 5802 section 6). -1: too late, or more than 64 octets. */
int ph_sasl_server_binding(struct ph_sasl *s, const void *p, size_t n, bool is_exporter);
/* A NIL response is "none yet" (no initial response), an empty one is an answer: EXTERNAL's differ.
 * 1: authenticated (authcid and authzid below are set), 0: send out as the next challenge, -1: refused. */
int ph_sasl_server_step(struct ph_sasl *s, struct ph_str response, struct ph_buf *out, struct ph_err *err);
const char *ph_sasl_authcid(const struct ph_sasl *s);
/* Whether authcid may act as authzid is the application's to decide. */
const char *ph_sasl_authzid(const struct ph_sasl *s); /* never NULL; the authcid when none was sent */

/* ---- base64, RFC 4648 4 ---- */
int ph_base64_encode(struct ph_str in, struct ph_buf *out);
int ph_base64_decode(struct ph_str in, struct ph_buf *out); /* -1 for anything that is not canonical base64 */

#endif
