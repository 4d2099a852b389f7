/* options.h: how to reach and enter an IMAP server. Plain data, filled by front ends; borrowed by the client. */
#ifndef PH_CLIENT_OPTIONS_H
#define PH_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/stream.h"
#include "sasl/credential.h"

enum ph_security {
    PH_SEC_TLS,             /* TLS from the first byte */
    PH_SEC_STARTTLS,        /* upgrade, or fail */
    PH_SEC_STARTTLS_IF_OFFERED, /* classic: upgrade where offered, else go on in clear with one warning */
    PH_SEC_CLEAR,           /* no TLS (loopback, or --allow-cleartext) */
    PH_SEC_PROBE,           /* classic, odd ports: TLS if the peer speaks it, else STARTTLS_IF_OFFERED */
};

enum ph_auth_method {
    PH_AUTH_BEST,           /* strongest SASL mechanism offered, LOGIN as the last resort */
    PH_AUTH_LOGIN,          /* the LOGIN command (falls to PLAIN where LOGINDISABLED inside TLS) */
    PH_AUTH_MECHANISM,      /* `mechanism` and nothing else */
    PH_AUTH_PREAUTH,        /* the greeting must be PREAUTH */
    PH_AUTH_GROUPWISE,      /* XGWTRUSTEDAPP with gw_app, gw_key, then LOGIN user "" */
    PH_AUTH_KERIO,          /* master password */
};

struct ph_imap_options {
    const char *host;       /* or NULL with socket_path */
    uint16_t port;
    const char *socket_path;
    enum ph_security security;
    struct ph_tls_config tls;
    bool allow_cleartext;   /* may send a password in clear to a host that is not loopback */
    bool require_tls;       /* classic --require-tls */
    bool compress;          /* COMPRESS=DEFLATE where offered */
    bool keep_on_errors;    /* imapcopy -w: no reconnect before the tenth refusal of an Exchange server */
    enum ph_auth_method auth;
    const char *mechanism;
    bool allow_digest_md5;
    const char *user;       /* whose mailboxes (authorization identity when admin is set) */
    const char *admin;      /* authentication identity, or NULL */
    struct ph_credential *credential; /* NULL only with PREAUTH */
    const char *gw_app, *gw_key;
    unsigned connect_timeout_ms, timeout_ms; /* 0: 30 s, 300 s; timeout is per silence, not per command */
    /* capabilities not to use, blank-separated (testing, and servers that lie), or NULL */
    const char *without;
    bool trace;
    /* one line of wire traffic, secrets masked: sent or received, connection number */
    void (*on_trace)(void *ctx, unsigned connection, bool sent, const char *line, size_t n);
    void (*on_notice)(void *ctx, const char *text); /* warnings for people: cleartext, insecure */
    void (*on_connected)(void *ctx, const char *security); /* logged in; "TLSv1.3 CIPHER" or "clear"; may be NULL */
    void *ctx;
};

#endif
