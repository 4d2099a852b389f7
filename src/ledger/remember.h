/* remember.h: which messages were ever copied, for imapcopy -Z: a small database beside, and apart from, the ledger. It
 * says what is skipped; it is no record of what was in flight.
 *
 * A message is (destination folder, identity key hashed with this file's own hash key), so that one filed in two folders is
 * copied into both. Thread safe. Kept keys survive the accounts' UIDVALIDITY, and the destination.
 */
#ifndef PH_LEDGER_REMEMBER_H
#define PH_LEDGER_REMEMBER_H

#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "mail/identity.h"

struct ph_remember;

/* Open or create (mode 0600). *key is what hashes identities: a new file takes the one given, an existing file replaces it by its
 * own. PH_E_CORRUPT for a file that is something else, PH_E_LOCKED when another run has it. */
int ph_remember_open(const char *path, struct ph_hash_key *key, struct ph_remember **out, struct ph_err *err);
void ph_remember_close(struct ph_remember *m);
/* The keys of a folder, ascending (for bsearch), malloced: the caller frees. */
int ph_remember_keys(struct ph_remember *m, const char *dst_folder, uint64_t **keys, size_t *n, struct ph_err *err);
/* Remember messages that are confirmed at the destination; durable on return. `day` is the date of the copy, days since
 * 1970. A key of 0 (no identity) is left out; one that is known already keeps its day. */
int ph_remember_add(struct ph_remember *m, const char *dst_folder, const uint64_t *keys, size_t n, int64_t day,
                    struct ph_err *err);

#endif
