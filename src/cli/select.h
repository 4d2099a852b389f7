/* select.h: what to copy, as users say it: dates, lists of mailboxes, search expressions. Pure. */
#ifndef PH_CLI_SELECT_H
#define PH_CLI_SELECT_H

#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/options.h"

struct ph_day {
    unsigned year, month, day; /* year 0: not given */
};

enum { PH_DAY_CLASSIC = 0, PH_DAY_NUMERIC = 1, PH_DAY_ISO = 2 }; /* DD-MMM-YYYY always; DD-MM-YYYY; YYYY-MM-DD */
/* A calendar date of the years 1901 to 2998. */
int ph_day_parse(const char *text, unsigned also, struct ph_day *out, struct ph_err *err);
int64_t ph_day_number(const struct ph_day *d); /* days since 1970-01-01 */

/* Comma-separated, or `|`-separated when the value contains one; blanks around items trimmed, empty items dropped. Items are
 * copies in the arena. An expression list (`commas_only`) knows commas alone, because `|` means something in it. */
int ph_list_split(const char *text, bool commas_only, struct ph_arena *arena, struct ph_strings *out, struct ph_err *err);

/* Everything the user asked for as one IMAP search program (RFC 3501 6.4.4) in wire form: dates and expression are ANDed.
 * *out NULL when nothing was asked for. A blank is put between `)(`. Refused: CR, LF, NUL, unbalanced quotes or parentheses, and a
 * literal at the end, because that would change how the server reads the bytes behind it. Text that is not ASCII is announced
 * by CHARSET UTF-8 in front. */
int ph_search_program(const struct ph_day *since, const struct ph_day *before, const char *expression,
                      struct ph_arena *arena, const char **out, struct ph_err *err);

/* "DELIM [PREFIX]": '. INBOX.' */
int ph_delimiter_parse(const char *text, struct ph_arena *arena, char *delim, const char **prefix, struct ph_err *err);

#endif
