/* date.h: the Date field (RFC 5322 3.3 and 4.3) as mail really has it. */
#ifndef PH_MAIL_DATE_H
#define PH_MAIL_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct ph_mail_date {
    int64_t epoch;  /* seconds since 1970 UTC: the sent date of RFC 5256 2.2 */
    int zone_min;   /* minutes east; 0 also when the zone is not there or invalid */
    bool has_zone, has_time;
    int64_t days;   /* the date as written, without regard of time and zone, as days since 1970-01-01: SENTBEFORE, SENTON, SENTSINCE */
};

/* Comments, names of days, two- and three-digit years, names of zones, ISO 8601 and asctime's order are taken. An invalid zone is UTC,
 * an invalid time 00:00:00 (RFC 5256 2.2). False when there is no date: the sent date is then the internal date. */
bool ph_mail_date_parse(struct ph_str value, struct ph_mail_date *out);

#endif
