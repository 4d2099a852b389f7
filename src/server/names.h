/* names.h: mailbox names beyond session.h's: delimiters, names for new mailboxes, parents. */
#ifndef PH_SERVER_NAMES_H
#define PH_SERVER_NAMES_H

#include "server/session.h"

#define NAMES_OCTETS 2048 /* of a name in UTF-8 */
#define NAMES_LEVELS 250

/* The delimiter that holds for a name: of the namespace it is in (RFC 2342); 0: flat. -1 only when the store fails. */
int names_delim(struct session *s, const char *name, char *delim, struct ph_err *err);
/* As session_mailbox_name, for a mailbox to be made: a delimiter at the end is taken off (RFC 9051 6.3.4), in Unicode's form C,
 * without wildcards and what else RFC 9051 5.1 and RFC 6855 3 do not allow. */
const char *names_new(struct session *s, struct ph_str wire, struct ph_err *err);
/* With IMAP4rev2: say that the name is not quite the one that was sent (RFC 9051 6.3.9.7). */
void names_tell_old(struct session *s, struct ph_str wire, const char *name, uint32_t attrs);
/* What the client sent as text in UTF-8, without looking at it otherwise: patterns. NULL without memory. */
const char *names_decode(struct session *s, struct ph_str wire, bool *valid);
/* A name as a string, never an atom: where the grammar wants one (NAMESPACE). */
void names_write_string(struct session *s, const char *name);
/* Cuts the last level off, in place; false: there was only one. */
bool names_parent(char *name, char delim);

#endif
