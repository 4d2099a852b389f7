#include "cli/select.h"

#include <ctype.h>
#include <string.h>

#include "cli/text.h"
#include "wire/utf8.h"

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static int digits(const char **p, unsigned least, unsigned most, unsigned *out)
{
    unsigned n = 0;

    *out = 0;
    for (; n < most && isdigit((unsigned char)**p); n++)
        *out = *out * 10 + (unsigned)(*(*p)++ - '0');
    return n >= least ? 0 : -1;
}

static bool leap(unsigned y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static unsigned days_in(unsigned y, unsigned m)
{
    static const unsigned char n[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return m == 2 && leap(y) ? 29 : n[m - 1];
}

static int month_name(const char **p, unsigned *out)
{
    for (unsigned m = 0; m < 12; m++)
        if (strncasecmp(*p, months[m], 3) == 0) {
            *p += 3;
            *out = m + 1;
            return 0;
        }
    return -1;
}

int ph_day_parse(const char *text, unsigned also, struct ph_day *out, struct ph_err *err)
{
    const char *p = text;
    struct ph_day d = { 0 };
    bool ok;

    if (also & PH_DAY_ISO && strlen(text) == 10 && text[4] == '-' && text[7] == '-') {
        ok = !digits(&p, 4, 4, &d.year) && *p++ == '-' && !digits(&p, 2, 2, &d.month) && *p++ == '-' &&
             !digits(&p, 2, 2, &d.day);
    } else {
        ok = !digits(&p, 1, 2, &d.day) && *p++ == '-';
        ok = ok && (isdigit((unsigned char)*p) && also & PH_DAY_NUMERIC ? !digits(&p, 1, 2, &d.month)
                                                                        : !month_name(&p, &d.month));
        ok = ok && *p++ == '-' && !digits(&p, 4, 4, &d.year);
    }
    if (!ok || *p)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants a date like %s, not \"%s\"",
                       also & PH_DAY_ISO ? "2024-02-29 or 29-Feb-2024" : "29-Feb-2024", text);
    if (d.year < 1901 || d.year > 2998 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > days_in(d.year, d.month))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no day \"%s\" in the years 1901 to 2998", text);
    *out = d;
    return 0;
}

int64_t ph_day_number(const struct ph_day *d)
{
    int64_t y = d->year - (d->month <= 2); /* the year begins in March, so that leap days come last */
    int64_t era = y / 400, yoe = y % 400;
    int64_t doy = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int ph_list_split(const char *text, bool commas_only, struct ph_arena *arena, struct ph_strings *out, struct ph_err *err)
{
    char sep[2] = { !commas_only && strchr(text, '|') ? '|' : ',', 0 };

    for (const char *p = text;;) {
        size_t n = strcspn(p, sep);
        const char *next = p[n] ? p + n + 1 : NULL;
        while (n && (*p == ' ' || *p == '\t')) {
            p++;
            n--;
        }
        while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
            n--;
        if (n) {
            char *item = ph_arena_dup(arena, p, n);
            if (!item)
                return ph_fail_memory(err);
            if (ph_strings_add(out, arena, item, err))
                return -1;
        }
        if (!next)
            return 0;
        p = next;
    }
}

/* Copies the expression with the missing blanks put in. */
static int copy_expression(const char *e, struct ph_buf *out, struct ph_err *err)
{
    int depth = 0;
    bool in_quotes = false;
    char last = 0;

    for (const char *p = e; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "control characters in the search expression");
        if (in_quotes && *p == '\\' && (p[1] == '"' || p[1] == '\\')) {
            ph_buf_add_char(out, *p++);
        } else if (*p == '"') {
            in_quotes = !in_quotes;
        } else if (!in_quotes) {
            depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
            if (depth < 0)
                break;
            if (*p == '(' && last == ')')
                ph_buf_add_char(out, ' ');
            if (*p == '{')
                return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "literals cannot stand in a search expression: use quotes");
        }
        ph_buf_add_char(out, *p);
        last = *p;
    }
    if (in_quotes || depth != 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "unbalanced %s in the search expression \"%s\"",
                       in_quotes ? "quotes" : "parentheses", e);
    return 0;
}

static void add_date(struct ph_buf *out, const char *key, const struct ph_day *d)
{
    if (d->year)
        ph_text_add(out, "%s%s %02u-%s-%04u", ph_buf_len(out) ? " " : "", key, d->day, months[d->month - 1], d->year);
}

int ph_search_program(const struct ph_day *since, const struct ph_day *before, const char *expression,
                      struct ph_arena *arena, const char **out, struct ph_err *err)
{
    struct ph_buf b = PH_BUF_INIT;
    bool ascii = true;
    int rc = 0;

    *out = NULL;
    add_date(&b, "SINCE", since);
    add_date(&b, "BEFORE", before);
    for (const char *p = expression; p && *p; p++)
        ascii = ascii && (unsigned char)*p < 0x80;
    if (!ascii && !ph_utf8_valid(ph_str(expression)))
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the search expression is not UTF-8");
    if (rc == 0 && expression) {
        while (*expression == ' ')
            expression++;
        if (*expression) {
            if (ph_buf_len(&b))
                ph_buf_add_char(&b, ' ');
            rc = copy_expression(expression, &b, err);
        }
    }
    if (rc == 0 && ph_buf_len(&b)) {
        struct ph_buf whole = PH_BUF_INIT;
        ph_text_add(&whole, "%s%s", ascii ? "" : "CHARSET UTF-8 ", ph_buf_z(&b));
        *out = ph_arena_strdup(arena, ph_buf_str(&whole));
        if (whole.failed || !*out)
            rc = ph_fail_memory(err);
        ph_buf_done(&whole);
    }
    ph_buf_done(&b);
    return rc;
}

int ph_delimiter_parse(const char *text, struct ph_arena *arena, char *delim, const char **prefix, struct ph_err *err)
{
    const char *p = text;

    while (*p == ' ')
        p++;
    unsigned char c = (unsigned char)*p;
    if (c <= 0x20 || c >= 0x7f || (p[1] && p[1] != ' '))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants one delimiter character and perhaps a prefix behind a blank, "
                                                      "like '. INBOX.', not \"%s\"", text);
    *delim = *p++;
    while (*p == ' ')
        p++;
    size_t n = strlen(p);
    while (n && p[n - 1] == ' ')
        n--;
    *prefix = ph_arena_dup(arena, p, n);
    return *prefix ? 0 : ph_fail_memory(err);
}
