/* identity.h: which message is which, from a few header fields.
 *
 * The key of a message is its Message-ID; without one it is built from Date, Subject and From; without those there
 * is no key. Keys are kept as keyed 64-bit hashes (SipHash-2-4, key of 16 random bytes from the ledger) so that nobody
 * can make two messages collide on purpose.
 */
#ifndef PH_MAIL_IDENTITY_H
#define PH_MAIL_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct ph_hash_key {
    unsigned char k[16];
};

uint64_t ph_siphash(const struct ph_hash_key *key, const void *p, size_t n);

/* The textual key from a header block (complete header or only the named fields; LF or CRLF lines; folded; any
 * damage). Message-ID: white space off, the text between `<` and `>` when both are there, else the whole value; the id may
 * stand on a continuation line. Built key: Date and Subject without everything but letters, digits and `_`, then From;
 * then white space and `+ < > ? * " ' ( ) @ [ ]` removed from the whole. An empty Message-ID counts as none. `force_built` skips
 * Message-ID; `normalise_date` is imap_audit's (day padded to two digits, everything after the time dropped). Returns false
 * when there is no key; else out (cleared first) has it, *built whether it was built (may be NULL). */
bool ph_identity_key(struct ph_str header, bool force_built, bool normalise_date, struct ph_buf *out, bool *built);
/* Hash of it: never 0 for an existing key; 0 for none. */
uint64_t ph_identity_hash(const struct ph_hash_key *key, struct ph_str header);

/* Value of the first header field `name` (any case), raw as it stands (folds included), NIL if absent. Borrowed. */
struct ph_str ph_header_field(struct ph_str header, const char *name);
/* Unfold, trim, and decode encoded words (RFC 2047) to UTF-8 for people to read; control characters become blanks. */
int ph_header_display(struct ph_str raw, struct ph_buf *out);
/* The same for comparing: control characters stay. Time is linear. */
int ph_header_decode(struct ph_str raw, struct ph_buf *out);

#endif
