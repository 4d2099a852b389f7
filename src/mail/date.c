#include "mail/date.h"

#include "wire/datetime.h"

/* What a date is made of: numbers with what stands around them, and words. */
struct tokens {
    const char *p, *end;
};

enum token { T_END, T_NUMBER, T_WORD, T_OTHER };

static inline bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool letter(char c)
{
    return ((unsigned char)c | 32) >= 'a' && ((unsigned char)c | 32) <= 'z';
}

static void skip_comment(struct tokens *t)
{
    size_t depth = 0;

    for (; t->p < t->end; t->p++) {
        if (*t->p == '\\' && t->p + 1 < t->end)
            t->p++;
        else if (*t->p == '(')
            depth++;
        else if (*t->p == ')' && --depth == 0) {
            t->p++;
            return;
        }
    }
}

static void skip_blank(struct tokens *t)
{
    while (t->p < t->end) {
        if (*t->p == '(')
            skip_comment(t);
        else if ((unsigned char)*t->p <= ' ' || *t->p == ',')
            t->p++;
        else
            return;
    }
}

static enum token next(struct tokens *t, struct ph_str *s)
{
    skip_blank(t);
    const char *from = t->p;
    enum token kind = T_END;
    if (t->p < t->end) {
        kind = digit(*t->p) ? T_NUMBER : letter(*t->p) ? T_WORD : T_OTHER;
        do
            t->p++;
        while (t->p < t->end && (kind == T_NUMBER ? digit(*t->p) : kind == T_WORD && letter(*t->p)));
    }
    *s = (struct ph_str){ from, (size_t)(t->p - from) };
    return kind;
}

static int number(struct ph_str s) /* -1: too long to be anything */
{
    int v = 0;

    for (size_t i = 0; i < s.n; i++)
        v = s.n > 6 ? -1 : v * 10 + (s.p[i] - '0');
    return v;
}

static unsigned month_of(struct ph_str s) /* 0: none. In full, too */
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (unsigned m = 0; s.n >= 3 && m < 12; m++)
        if (ph_str_caseeq((struct ph_str){ s.p, 3 }, (struct ph_str){ names + 3 * m, 3 }))
            return m + 1;
    return 0;
}

static unsigned days_in(int year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : days[month - 1];
}

struct parts {
    int year, day, hour, minute, second;
    unsigned month;
};

/* RFC 5322 4.3: two digits are 1950..2049, three are from 1900. */
static int full_year(struct ph_str s)
{
    int v = number(s);

    return s.n == 2 ? v + (v < 50 ? 2000 : 1900) : s.n == 3 ? v + 1900 : v;
}

static bool take_other(struct tokens *t, char c)
{
    skip_blank(t);
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

/* hh:mm[:ss[.f]] behind its first number. On nonsense the time is 0. */
static bool take_time(struct tokens *t, struct ph_str hour, struct parts *d)
{
    struct ph_str s;

    d->hour = number(hour);
    if (!take_other(t, ':') || next(t, &s) != T_NUMBER)
        return false;
    d->minute = number(s);
    struct tokens before = *t;
    if (take_other(t, ':')) {
        if (next(t, &s) != T_NUMBER)
            return false;
        d->second = number(s);
        before = *t;
        if (!(take_other(t, '.') && next(t, &s) == T_NUMBER))
            *t = before;
    } else {
        *t = before;
    }
    if (d->hour < 0 || d->hour > 23 || d->minute < 0 || d->minute > 59 || d->second < 0 || d->second > 60)
        return false;
    return true;
}

static bool named_zone(struct ph_str s, int *minutes)
{
    static const struct {
        const char *name;
        int hours;
    } zones[] = { { "UT", 0 },   { "GMT", 0 },  { "UTC", 0 },  { "Z", 0 },    { "EST", -5 }, { "EDT", -4 }, { "CST", -6 },
                  { "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };

    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (ph_str_caseis(s, zones[i].name)) {
            *minutes = zones[i].hours * 60;
            return true;
        }
    return false;
}

/* `+0200`, `-08:00`, or a name; also behind GMT, as in `GMT+0200`. */
static bool take_zone(struct tokens *t, int *minutes)
{
    struct ph_str s;
    enum token kind = next(t, &s);
    bool named = false;

    if (kind == T_WORD) {
        named = named_zone(s, minutes);
        struct tokens behind = *t;
        if (!named || next(&behind, &s) != T_OTHER || (*s.p != '+' && *s.p != '-'))
            return named;
        *t = behind;
        kind = T_OTHER;
    }
    if (kind != T_OTHER || (*s.p != '+' && *s.p != '-'))
        return false;
    int sign = *s.p == '-' ? -1 : 1;
    if (t->p == t->end || !digit(*t->p) || next(t, &s) != T_NUMBER)
        return named;
    int hours = number(s), mins = 0;
    if (s.n == 4 || s.n == 3) {
        mins = hours % 100;
        hours /= 100;
    } else if (s.n <= 2 && t->p < t->end && *t->p == ':') {
        t->p++;
        mins = next(t, &s) == T_NUMBER ? number(s) : -1;
    }
    if (s.n > 4 || hours < 0 || hours > 23 || mins < 0 || mins > 59)
        return named;
    *minutes = sign * (hours * 60 + mins);
    return true;
}

/* Wed, 17 Jul 1996; 17-Jul-1996; 1996-07-17 (ISO 8601); Jul 17 (asctime: the year comes last). *late: it does. */
static bool take_date(struct tokens *t, struct parts *d, bool *late)
{
    struct ph_str s, first;
    enum token kind = next(t, &s);

    *late = false;
    while (kind == T_WORD && !month_of(s))
        kind = next(t, &s);
    while (kind == T_OTHER)
        kind = next(t, &s);
    if (kind == T_WORD) { /* a day's name may stand before */
        d->month = month_of(s);
        *late = true;
        if (!d->month || next(t, &s) != T_NUMBER)
            return false;
        d->day = number(s);
        return true;
    }
    if (kind != T_NUMBER)
        return false;
    first = s;
    bool dash = take_other(t, '-');
    if (!dash)
        take_other(t, '.');
    kind = next(t, &s);
    if (kind == T_NUMBER && dash && first.n == 4) {
        d->year = number(first);
        d->month = (unsigned)number(s);
        if (!take_other(t, '-') || next(t, &s) != T_NUMBER)
            return false;
        d->day = number(s);
        if (t->p < t->end && (*t->p == 'T' || *t->p == 't'))
            t->p++;
        return true;
    }
    d->day = number(first);
    d->month = kind == T_WORD ? month_of(s) : 0;
    if (!take_other(t, '-'))
        take_other(t, '.');
    if (next(t, &s) != T_NUMBER)
        return false;
    d->year = full_year(s);
    return true;
}

static bool valid_day(const struct parts *d)
{
    return d->year >= 1 && d->year <= 9999 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
           (unsigned)d->day <= days_in(d->year, d->month);
}

bool ph_mail_date_parse(struct ph_str value, struct ph_mail_date *out)
{
    struct parts d = { 0 };
    struct ph_str s;
    bool late;

    *out = (struct ph_mail_date){ 0 };
    if (!value.n)
        return false;
    struct tokens t = { value.p, value.p + value.n };
    if (!take_date(&t, &d, &late))
        return false;
    struct tokens before = t;
    if (late && next(&t, &s) == T_NUMBER && s.n == 4) { /* May 09 2017 16:54:30 */
        d.year = number(s);
        late = false;
        before = t;
    }
    t = before;
    if (next(&t, &s) == T_NUMBER && take_time(&t, s, &d)) {
        out->has_time = true;
    } else {
        d.hour = d.minute = d.second = 0;
        if (!late) /* else the year is what was taken for an hour */
            t = t.p > before.p ? t : before;
        else
            t = before;
    }
    if (late) { /* asctime has the year behind the time, and a zone may stand on either side of it */
        before = t;
        if (!(out->has_zone = take_zone(&t, &out->zone_min)))
            t = before;
        if (next(&t, &s) != T_NUMBER)
            return false;
        d.year = full_year(s);
    }
    if (!out->has_zone && out->has_time)
        out->has_zone = take_zone(&t, &out->zone_min);
    if (!valid_day(&d))
        return false;
    out->days = ph_days_from_civil(d.year, d.month, (unsigned)d.day);
    out->epoch = out->days * 86400 + d.hour * 3600 + d.minute * 60 + d.second - out->zone_min * 60;
    return true;
}
