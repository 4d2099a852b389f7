/* preview.h: a few words of a message to show in a list (PREVIEW, RFC 8970): at most 200 characters of its best text part,
 * UTF-8, white space folded, without markup and control characters. Owned by one thread.
 */
#ifndef PH_MAIL_PREVIEW_H
#define PH_MAIL_PREVIEW_H

#include "mail/structure.h"

#define PH_PREVIEW_CHARS 200

/* The part to take it from: the first text/plain that is no attachment, else the first text/html; PH_MIME_NO_PART when there
 * is neither: the preview is "". */
uint32_t ph_preview_part(const struct ph_structure *s);

struct ph_preview;

/* For a part of s: feed the octets [body, end) of it, still encoded, until feed returns 1 or they end. */
struct ph_preview *ph_preview_new(const struct ph_structure *s, uint32_t part, struct ph_err *err);
void ph_preview_free(struct ph_preview *p);
int ph_preview_feed(struct ph_preview *p, const char *octets, size_t n, struct ph_err *err); /* 1: it is complete */
/* The text; owned by p. */
int ph_preview_finish(struct ph_preview *p, struct ph_str *out, struct ph_err *err);

#endif
