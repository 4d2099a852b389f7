/* mutf7.h: mailbox names on the wire, RFC 3501 5.1.3 (modified UTF-7) to and from UTF-8. */
#ifndef PH_WIRE_MUTF7_H
#define PH_WIRE_MUTF7_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* UTF-8 to modified UTF-7. -1 when `utf8` is not valid UTF-8 (nothing is added) or memory fails. */
int ph_mutf7_encode(struct ph_str utf8, struct ph_buf *out);
/* Modified UTF-7 to UTF-8. Names that are not valid modified UTF-7 (raw 8-bit UTF-8, a bare `&`, non-canonical
 * base64) are common on real servers: *exact (may be NULL) says whether encoding the result again gives `name`; if
 * not, the caller keeps the server's own bytes for the wire. Never fails but for memory. */
int ph_mutf7_decode(struct ph_str name, struct ph_buf *out, bool *exact);

#endif
