/* search.h: the text keys of SEARCH (RFC 9051 6.4.4) on one message as it streams by: all keys in one pass, matches found across
 * the edges of pieces, compared by i;unicode-casemap.
 *
 * Header values are unfolded and their encoded words decoded. Of the body, the text parts are searched decoded and in
 * UTF-8, and the headers of messages inside; for TEXT also the headers of parts. Other parts are not searched.
 *
 * A search is made once and used for any number of messages. Header keys allocate nothing for a message but where
 * a value they ask for has encoded words. Memory: one header (at most 8 MiB; of a longer one the beginning counts), the keys, and
 * some 100 KiB of text. Time is keys times octets. Owned by one thread.
 */
#ifndef PH_MAIL_SEARCH_H
#define PH_MAIL_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#include <posthaste/err.h>

#include "base/str.h"

enum ph_text_where {
    PH_TEXT_HEADER, /* a field `name`; FROM, TO, CC, BCC, SUBJECT are this */
    PH_TEXT_BODY,
    PH_TEXT_TEXT,   /* header or body */
};

struct ph_text_key {
    enum ph_text_where where;
    struct ph_str name; /* any case */
    struct ph_str text; /* UTF-8. Empty: HEADER matches when the field is there, BODY and TEXT always */
};

struct ph_text_search;

/* Time is keys times octets, so there is a limit; a client that has more of them is told NO [LIMIT]. */
#define PH_TEXT_KEYS_MAX 256

/* Keys are copied. NULL: no memory, or PH_E_LIMIT. */
struct ph_text_search *ph_text_search_new(const struct ph_text_key *keys, size_t n, struct ph_err *err);
void ph_text_search_free(struct ph_text_search *s);
bool ph_text_search_needs_body(const struct ph_text_search *s); /* any key but HEADER */

/* One message: begin, feed in any pieces, finish. Feed returns 1 when every key is decided: no more octets are needed, which for
 * header keys alone is at the latest behind the header; then finish may follow at once. */
void ph_text_search_begin(struct ph_text_search *s);
int ph_text_search_feed(struct ph_text_search *s, const char *p, size_t n, struct ph_err *err);
int ph_text_search_finish(struct ph_text_search *s, struct ph_err *err);
/* begin and finish at once for header keys when the whole header is there (what is behind its empty line does not count). */
int ph_text_search_header(struct ph_text_search *s, struct ph_str header, struct ph_err *err);
/* After finish; before it, true is final. */
bool ph_text_search_hit(const struct ph_text_search *s, size_t key);

/* The text of a key in another charset becomes UTF-8 by ph_charset_to_utf8 (decode.h); 0 there is NO [BADCHARSET]. */

#endif
