/* side.h: one end of a job, as options say it, on its way to struct ph_imap_options and a credential.
 *
 * A side is filled by a URL or a connection string and by options, then finished once: that is where the rules about
 * TLS, clear text and mechanisms are. Strings are borrowed from argv or live in the settings' arena.
 */
#ifndef PH_CLI_SIDE_H
#define PH_CLI_SIDE_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "client/options.h"
#include "cli/connstr.h"
#include "cli/url.h"

struct ph_side {
    const char *name;   /* "source", "destination" */
    const char *prefix; /* of its options: "src", "dst" */
    bool given;         /* a host or a socket is known */
    bool classic;       /* from a connection string */
    enum ph_url_scheme scheme;
    struct ph_imap_options imap;
    const char *secret;         /* from the URL, the connection string or the users file: wiped by ph_side_wipe; NULL */
    bool prompt;                /* PROMPT was said */
    bool same_secret;           /* imapcopy `*`: what is typed for the source goes for this side too */
    const char *user, *admin;   /* options: they win over the URL */
    const char *admin_pair;     /* "admin:password" (imap_audit -E, -F): for users without a password */
    const char *kerio_secret;   /* master password */
    bool cram_md5;
    const char *password_file, *password_env, *password_command;
    const char *token_file, *token_env, *token_command;
    const char *tls;            /* "immediate", "starttls", "offered", "none": wins over the scheme's rule; NULL */
    const char *auth;           /* mechanism; NULL */
    const char *ca_file, *ca_path, *cert_file, *key_file, *pin;
    const char *without;
    bool insecure;
};

struct ph_side_rules {
    bool allow_cleartext, require_tls, no_starttls, compress;
    unsigned timeout_ms, connect_timeout_ms; /* 0: the client's */
};

void ph_side_init(struct ph_side *s, bool source);
int ph_side_take_url(struct ph_side *s, char *url, struct ph_arena *arena, struct ph_err *err);
int ph_side_take_conn(struct ph_side *s, char *conn, struct ph_arena *arena, struct ph_err *err);
/* Everything but the credential into s->imap. Errors: PH_E_USAGE (contradicting options), PH_E_CLEARTEXT never: that is decided
 * when the connection is there. */
int ph_side_finish(struct ph_side *s, const struct ph_side_rules *rules, struct ph_arena *arena, struct ph_err *err);

enum ph_secret_source { PH_SECRET_NONE, PH_SECRET_GIVEN, PH_SECRET_FILE, PH_SECRET_ENV, PH_SECRET_COMMAND, PH_SECRET_ASK };
struct ph_secret_plan {
    enum ph_secret_source source;
    bool token;
    const char *value; /* the secret itself, a path, a variable, a command */
};
/* Where the secret comes from: options win over the URL; nothing said: ask. PREAUTH needs none. -1: two sources. */
int ph_side_secret(const struct ph_side *s, struct ph_secret_plan *out, struct ph_err *err);
/* The credential of the plan, in s->imap.credential; asks on the terminal at once where the plan says so (never later, when other
 * threads write to the screen). The caller frees it. */
int ph_side_credential(struct ph_side *s, struct ph_err *err);
void ph_side_wipe(struct ph_side *s); /* the secrets it holds itself (they are in the arena) */

#endif
