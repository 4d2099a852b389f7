/* subject.h: the base subject of RFC 5256 2.1, and texts prepared for i;unicode-casemap (RFC 5051). */
#ifndef PH_MAIL_SUBJECT_H
#define PH_MAIL_SUBJECT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* The base subject of a raw Subject value (NIL allowed), UTF-8, added to out. *reply (may be NULL): a subj-refwd, a `(fwd)` or a
 * `[fwd: ]` was removed. Time is linear whatever the nesting. -1 without memory. */
int ph_subject_base(struct ph_str raw, struct ph_buf *out, bool *reply);

/* UTF-8 to titlecased canonical form, added to out: strings of that form are equal, contain each other and are ordered
 * by their octets (RFC 5051 2). Invalid UTF-8 makes it the text itself, unchanged (step 1b). -1 without memory. */
int ph_casemap(struct ph_str utf8, struct ph_buf *out);
/* For texts that come in pieces and must go on: an invalid octet is U+FFFD. What is cut at the end is not taken; returns the
 * octets taken, at most 3 less than n. SIZE_MAX without memory. */
size_t ph_casemap_some(struct ph_str utf8, struct ph_buf *out);

#endif
