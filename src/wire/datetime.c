#include "wire/datetime.h"

#include "wire/chars.h"

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int64_t ph_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2; /* years begin in March, so that the leap day is the last */
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned yoe = (unsigned)(year - era * 400);
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + (int64_t)doe - 719468;
}

void ph_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static void put2(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10 % 10);
    p[1] = (char)('0' + v % 10);
}

int ph_date_time_format(int64_t epoch, int zone_min, char *out)
{
    int64_t year;
    unsigned month, day;

    if (zone_min <= -1440 || zone_min >= 1440)
        zone_min = 0;
    if (epoch < -62135596800 - 86400 || epoch > 253402300799 + 86400)
        return -1;
    int64_t local = epoch + (int64_t)zone_min * 60;
    int64_t days = (local >= 0 ? local : local - 86399) / 86400;
    unsigned sec = (unsigned)(local - days * 86400);
    ph_civil_from_days(days, &year, &month, &day);
    if (year < 1 || year > 9999)
        return -1;

    unsigned zone = (unsigned)(zone_min < 0 ? -zone_min : zone_min);
    memcpy(out, "00-Mmm-0000 00:00:00 +0000", 27);
    put2(out, day);
    if (day < 10)
        out[0] = ' ';
    memcpy(out + 3, months[month - 1], 3);
    put2(out + 7, (unsigned)year / 100);
    put2(out + 9, (unsigned)year % 100);
    put2(out + 12, sec / 3600);
    put2(out + 15, sec / 60 % 60);
    put2(out + 18, sec % 60);
    out[21] = zone_min < 0 ? '-' : '+';
    put2(out + 22, zone / 60);
    put2(out + 24, zone % 60);
    return 0;
}

struct cursor {
    const char *p, *end;
};

/* min to max digits. */
static bool take_digits(struct cursor *c, unsigned min, unsigned max, unsigned *v)
{
    unsigned n = 0;

    *v = 0;
    while (n < max && c->p < c->end && ph_char_is(*c->p, PH_C_DIGIT)) {
        *v = *v * 10 + (unsigned)(*c->p++ - '0');
        n++;
    }
    return n >= min;
}

static bool take_char(struct cursor *c, char ch)
{
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool take_month(struct cursor *c, unsigned *month)
{
    if (c->end - c->p < 3)
        return false;
    for (unsigned m = 0; m < 12; m++)
        if (ph_str_caseeq((struct ph_str){ c->p, 3 }, (struct ph_str){ months[m], 3 })) {
            *month = m + 1;
            c->p += 3;
            return true;
        }
    return false;
}

static bool is_day(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char len[13] = { 0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (day < 1 || day > len[month] || year < 1)
        return false;
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

struct parts {
    unsigned day, month, year, hour, minute, second;
    int zone;
};

static bool in_range(const struct parts *t)
{
    return is_day(t->year, t->month, t->day) && t->hour < 24 && t->minute < 60 && t->second <= 60;
}

static int64_t to_epoch(const struct parts *t)
{
    return ph_days_from_civil(t->year, t->month, t->day) * 86400 + (int64_t)t->hour * 3600 + t->minute * 60 +
           t->second - (int64_t)t->zone * 60;
}

static bool take_zone(struct cursor *c, int *zone)
{
    unsigned hour, minute;

    if (c->p == c->end || (*c->p != '+' && *c->p != '-'))
        return false;
    int sign = *c->p++ == '-' ? -1 : 1;
    if (!take_digits(c, 2, 2, &hour))
        return false;
    take_char(c, ':');
    if (!take_digits(c, 2, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *zone = sign * (int)(hour * 60 + minute);
    return true;
}

bool ph_date_time_parse(struct ph_str text, int64_t *epoch, int *zone_min)
{
    struct cursor c = { text.p, text.p + text.n };
    struct parts t;
    bool blank = text.n == 26 && text.p[0] == ' ';

    if (text.n != 26)
        return false;
    c.p += blank;
    if (!take_digits(&c, blank ? 1 : 2, blank ? 1 : 2, &t.day) || !take_char(&c, '-') || !take_month(&c, &t.month) ||
        !take_char(&c, '-') || !take_digits(&c, 4, 4, &t.year) || !take_char(&c, ' ') ||
        !take_digits(&c, 2, 2, &t.hour) || !take_char(&c, ':') || !take_digits(&c, 2, 2, &t.minute) ||
        !take_char(&c, ':') || !take_digits(&c, 2, 2, &t.second) || !take_char(&c, ' ') || !take_zone(&c, &t.zone) ||
        c.p != c.end || !in_range(&t))
        return false;
    *epoch = to_epoch(&t);
    *zone_min = t.zone;
    return true;
}

static void skip_blanks(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
        c->p++;
}

static bool take_separator(struct cursor *c)
{
    skip_blanks(c);
    return take_char(c, '-') || take_char(c, '/') || (c->p < c->end && c->p[-1] == ' ');
}

bool ph_date_time_parse_loose(struct ph_str text, int64_t *epoch, int *zone_min)
{
    struct cursor c = { text.p, text.p + text.n };
    struct parts t = { 0 };

    skip_blanks(&c);
    if (!take_digits(&c, 1, 2, &t.day) || !take_separator(&c) || !take_month(&c, &t.month) || !take_separator(&c))
        return false;
    const char *year = c.p;
    if (!take_digits(&c, 1, 4, &t.year))
        return false;
    if (c.p - year <= 3) /* RFC 5322 4.3 */
        t.year += c.p - year == 2 && t.year < 50 ? 2000 : 1900;
    skip_blanks(&c);
    if (take_digits(&c, 1, 2, &t.hour) && take_char(&c, ':') && take_digits(&c, 1, 2, &t.minute) &&
        take_char(&c, ':'))
        take_digits(&c, 1, 2, &t.second);
    if (c.p < c.end && *c.p == '.') /* fractions of a second */
        while (++c.p < c.end && ph_char_is(*c.p, PH_C_DIGIT))
            ;
    skip_blanks(&c);
    if (!take_zone(&c, &t.zone))
        t.zone = 0;
    if (!in_range(&t))
        return false;
    *epoch = to_epoch(&t);
    *zone_min = t.zone;
    return true;
}

bool ph_date_parse(struct ph_str text, int64_t *days)
{
    struct cursor c = { text.p, text.p + text.n };
    unsigned day, month, year;

    if (!take_digits(&c, 1, 2, &day) || !take_char(&c, '-') || !take_month(&c, &month) || !take_char(&c, '-') ||
        !take_digits(&c, 4, 4, &year) || c.p != c.end || !is_day(year, month, day))
        return false;
    *days = ph_days_from_civil(year, month, day);
    return true;
}
