/* accounts.h: from a store URL and a user's name to a store: `local:/path` has one for each user, `memory:` too (gone with the
 * process), `imaps://host/` is another server, entered with the password of whoever logs in, and `imaps://user@host/` one account of it.
 *
 * Thread safe. Stores that were opened are given back before the accounts are freed.
 */
#ifndef PH_DAEMON_ACCOUNTS_H
#define PH_DAEMON_ACCOUNTS_H

#include "base/str.h"
#include "daemon/config.h"
#include "store/local/local.h"
#include "store/store.h"

struct ph_accounts;

enum ph_accounts_kind { PH_ACCOUNTS_LOCAL, PH_ACCOUNTS_MEMORY, PH_ACCOUNTS_IMAP };

/* The URL in c->store is cleared of its password. `notice` gets warnings about a connection; may be NULL. */
int ph_accounts_new(struct ph_daemon_config *c, void (*notice)(void *ctx, const char *text), void *ctx, struct ph_accounts **out,
                    struct ph_err *err);
void ph_accounts_free(struct ph_accounts *a);
enum ph_accounts_kind ph_accounts_kind(const struct ph_accounts *a);
struct ph_local_root *ph_accounts_root(const struct ph_accounts *a); /* NULL: not local */

/* A user's store. create: a local user who is not there is made; else NOTFOUND. read_only: nothing can be changed through it. */
int ph_accounts_open(struct ph_accounts *a, const char *user, bool create, bool read_only, struct ph_store **out, struct ph_err *err);
void ph_accounts_close(struct ph_accounts *a, struct ph_store *store);
/* Is there such a user (local)? Other kinds: any name is one. */
bool ph_accounts_have(struct ph_accounts *a, const char *user);

/* Log in to the other server with this name and password, which are kept for ph_accounts_open. 0 right, -1 wrong, 1 cannot tell. */
int ph_accounts_try(struct ph_accounts *a, const char *user, struct ph_str password, struct ph_err *err);

#endif
