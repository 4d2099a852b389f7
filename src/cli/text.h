/* text.h: text for people: numbers, sizes, times, and cleaned names in columns.
 *
 * Everything adds to the end of a ph_buf. Names and server words may hold anything, so they pass through
 * ph_text_clean before they reach a terminal or a log.
 */
#ifndef PH_CLI_TEXT_H
#define PH_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

void ph_text_add(struct ph_buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Control characters (C0, C1, DEL, line and paragraph separators, direction overrides) and invalid UTF-8 become U+FFFD, so
 * that nothing in a name moves the cursor or forges a line. NULL adds nothing. */
void ph_text_clean(struct ph_buf *out, const char *s);
void ph_text_clean_str(struct ph_buf *out, struct ph_str s);
/* Columns that clean UTF-8 takes on a terminal. */
size_t ph_text_width(struct ph_str s);
/* Clean text in exactly `columns` columns: cut with an ellipsis in the middle or padded with blanks. */
void ph_text_fit(struct ph_buf *out, const char *s, size_t columns, bool right);
/* Words of `text` in lines of at most `width` columns; the first line is at column `at`, the others begin with `indent`
 * blanks. Ends without a newline. */
void ph_text_wrap(struct ph_buf *out, const char *text, size_t at, size_t indent, size_t width);
void ph_text_spaces(struct ph_buf *out, size_t n);
void ph_text_number(struct ph_buf *out, uint64_t n);               /* 12,345 */
void ph_text_count(struct ph_buf *out, uint64_t n, const char *one, const char *many); /* "1 message", "2 messages" */
void ph_text_bytes(struct ph_buf *out, uint64_t n);                /* 1.2 MB: powers of 1000 */
void ph_text_duration(struct ph_buf *out, int64_t ms);             /* 0:07, 12:34, 1:02:03 */

#endif
