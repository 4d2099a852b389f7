/* users.h: the file of users: who may log in, and what is kept of their passwords.
 *
 *     # a comment
 *     anna:{SCRAM-SHA-256}15000,c2FsdA==,…,… {SCRAM-SHA-1}15000,…
 *     berta:$y$j9T$…
 *     :{KEY}c2VjcmV0…
 *
 * A line is a name, a colon and verifiers (daemon/verifier.h) with blanks between them. The line without a name is a key that `posthaste
 * passwd` made: names that do not exist get salts from it, so that they look like others. A name has 1 to 200 octets of UTF-8 without
 * control characters, blanks and colons.
 *
 * struct ph_users is thread safe. Each call looks whether the file is another one than before; one that is wrong is told to `warn` and
 * what was read before stays.
 */
#ifndef PH_DAEMON_USERS_H
#define PH_DAEMON_USERS_H

#include <stdbool.h>

#include <posthaste/err.h>
#include <posthaste/server.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/str.h"

struct ph_users;

/* Errors name file and line: PH_E_USAGE, PH_E_SYSTEM. warn gets one line without a secret, from any thread; may be NULL. */
int ph_users_new(const char *path, void (*warn)(void *ctx, const char *text), void *ctx, struct ph_users **out, struct ph_err *err);
void ph_users_free(struct ph_users *u); /* when no other thread uses it */
/* 0 right, -1 wrong; a user that does not exist costs as much as one that does. */
int ph_users_check(struct ph_users *u, const char *name, struct ph_str password);
/* For mechanisms that need one. A user who does not exist, or has no such verifier, gets one that nothing fits, or -1 where others have
 * their password in the file and the server pretends by itself. The strings live until the same thread calls again. */
int ph_users_verifier(struct ph_users *u, const char *name, struct ph_server_verifier *v);
bool ph_users_have(struct ph_users *u, const char *name);

/* Can everybody log in by SCRAM, by CRAM-MD5? Else it should not be offered: clients would choose it and fail. */
bool ph_users_all_scram(struct ph_users *u);
bool ph_users_all_plain(struct ph_users *u);

bool ph_user_name_ok(const char *name);

/* Set what is kept of a user, or with verifiers NULL remove them, in the file, which is made (mode 0600) where it is not there. Other
 * lines stay as they are; the file is replaced in one step and keeps its owner and mode. *existed: the user was in it. */
int ph_users_set(const char *path, const char *name, const char *verifiers, bool *existed, struct ph_err *err);

#endif
