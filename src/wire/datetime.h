/* datetime.h: the dates of IMAP (RFC 9051 9, date-time and date) to and from seconds since 1970 UTC. */
#ifndef PH_WIRE_DATETIME_H
#define PH_WIRE_DATETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Days since 1970-01-01 in the Gregorian calendar; month 1..12. */
int64_t ph_days_from_civil(int64_t year, unsigned month, unsigned day);
void ph_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

/* "dd-Mmm-yyyy hh:mm:ss +zzzz" without quotes: exactly 26 octets and a NUL into out[27]. A zone of a day or
 * more is written as +0000, which is the same moment. -1 when the year is not in 1..9999. */
int ph_date_time_format(int64_t epoch, int zone_min, char *out);

/* Strict: exactly date-time, with a blank for the first digit of a one-digit day. */
bool ph_date_time_parse(struct ph_str text, int64_t *epoch, int *zone_min);
/* As servers write it: one-digit days, any blanks, two-digit years, hours without a leading zero, no seconds,
 * no zone or one that is no zone (UTC then). False when there is no date in it. */
bool ph_date_time_parse_loose(struct ph_str text, int64_t *epoch, int *zone_min);
/* date-text of SEARCH, `1-Feb-1994`: days since 1970-01-01. */
bool ph_date_parse(struct ph_str text, int64_t *days);

#endif
