/* credential.h: a credential is a source, not a string. It is asked again at each reconnect, because tokens live an
 * hour and passwords change. Thread safe: the lanes of one account share one credential; one asks, the others wait
 * and get its answer.
 */
#ifndef PH_SASL_CREDENTIAL_H
#define PH_SASL_CREDENTIAL_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "base/secret.h"

enum ph_credential_kind {
    PH_CRED_PASSWORD,
    PH_CRED_TOKEN, /* OAuth2 access token */
};

struct ph_credential;

/* Each copies its arguments. NULL without memory. */
struct ph_credential *ph_credential_fixed(enum ph_credential_kind kind, struct ph_str secret);
/* First line of the file, read at each get; the file's mode is checked: group- or world-readable gives a warning text. */
struct ph_credential *ph_credential_file(enum ph_credential_kind kind, const char *path);
struct ph_credential *ph_credential_env(enum ph_credential_kind kind, const char *variable);
/* Run by /bin/sh -c at each get (the user's own text, never ours), first line of its output; a non-zero exit, no output, or more than
 * 60 s fails with PH_E_AUTH. The output is read without a temporary file. */
struct ph_credential *ph_credential_command(enum ph_credential_kind kind, const char *command);
/* `ask` is called once and the answer kept for reconnects; it is the front end's (terminal prompt). */
struct ph_credential *ph_credential_ask(enum ph_credential_kind kind,
                                        int (*ask)(void *ctx, struct ph_secret *out, struct ph_err *err), void *ctx);
void ph_credential_free(struct ph_credential *c);
/* Something the user should be told once ("the file … can be read by others"), or "". Fixed at the making. */
const char *ph_credential_warning(const struct ph_credential *c);

enum ph_credential_kind ph_credential_kind_of(const struct ph_credential *c);
/* The secret as it is now, copied to *out (the caller calls ph_secret_done). `generation` counts answers; ph_credential_refresh
 * with the generation that was refused makes the next get ask the source again, once for all lanes. Lanes that connect
 * together share one answer: a get within 30 s of a command's answer repeats it; files and variables are read each time. */
int ph_credential_get(struct ph_credential *c, struct ph_secret *out, unsigned *generation, struct ph_err *err);
/* true: asking again may give another answer (command, file, env); false: fixed or typed. */
bool ph_credential_refresh(struct ph_credential *c, unsigned refused_generation);

#endif
