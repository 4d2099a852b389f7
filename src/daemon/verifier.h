/* verifier.h: what is kept of a password, and checking one against it. Pure; any thread.
 *
 * A verifier is text: "{SCRAM-SHA-256}iterations,salt,storedkey,serverkey" (RFC 5802 section 3, base64), "{SCRAM-SHA-1}…", what
 * crypt(3) makes ("$y$…" or "{CRYPT}$y$…"), or the password itself, "{PLAIN}…", which no tool of ours writes.
 */
#ifndef PH_DAEMON_VERIFIER_H
#define PH_DAEMON_VERIFIER_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "base/str.h"

enum ph_verifier_kind { PH_VERIFIER_NONE, PH_VERIFIER_SCRAM_SHA256, PH_VERIFIER_SCRAM_SHA1, PH_VERIFIER_CRYPT, PH_VERIFIER_PLAIN };

#define PH_SCRAM_ITERATIONS 15000 /* what RFC 7677 section 4 names for a tenth of a second on a machine of its time */
#define PH_SCRAM_ITERATIONS_MAX 10000000
#define PH_PASSWORD_MAX 4096

/* What the text is; *value is what stands behind the braces. PH_VERIFIER_NONE: nothing that could be checked. */
enum ph_verifier_kind ph_verifier_parse(const char *text, const char **value);
/* Does the password fit `value`? Takes as long whether it does or not. */
bool ph_verifier_check(enum ph_verifier_kind kind, const char *value, struct ph_str password);

/* Make one with a new salt, braces included. The password is prepared with SASLprep (RFC 4013) as clients do it. PH_E_USAGE: a password
 * that SASLprep forbids, an empty one, or for crypt one that is too long for it. */
int ph_verifier_make(enum ph_verifier_kind kind, struct ph_str password, struct ph_buf *out, struct ph_err *err);
/* A SCRAM value for somebody who has no password: nothing fits it, the salt is always the same one for a name and a key. */
int ph_verifier_pretend(enum ph_verifier_kind kind, unsigned iterations, struct ph_str key, const char *name, struct ph_buf *out);
unsigned ph_verifier_iterations(const char *scram_value); /* 0: wrong */

#endif
