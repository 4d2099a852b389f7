/* sort.h: SORT (RFC 5256 3, RFC 5957): messages are added with what the criteria need and come out ordered.
 *
 * Strings are compared by i;unicode-casemap; missing values are the empty string; equals stay in the order they were added, which is
 * the mailbox's. Memory: 16 octets a message and criterion, and the strings (each at most 1000 octets of it count).
 */
#ifndef PH_MAIL_SORT_H
#define PH_MAIL_SORT_H

#include "base/str.h"
#include "wire/command.h"

#include <posthaste/err.h>

struct ph_sort_message {
    uint32_t number;   /* what comes out: sequence number or UID */
    int64_t arrival;   /* internal date, seconds */
    int64_t date;      /* sent date in UTC, else the internal date (date.h) */
    uint64_t size;
    struct ph_str from, to, cc, subject; /* raw values of the fields; only those that are needed */
};

enum { /* what has to be given beside number */
    PH_SORT_NEEDS_ARRIVAL = 1, PH_SORT_NEEDS_DATE = 2, PH_SORT_NEEDS_SIZE = 4, PH_SORT_NEEDS_FROM = 8, PH_SORT_NEEDS_TO = 16,
    PH_SORT_NEEDS_CC = 32, PH_SORT_NEEDS_SUBJECT = 64,
};

struct ph_sorter;
struct ph_structure;

struct ph_sorter *ph_sorter_new(const struct ph_sort_key *keys, size_t n, struct ph_err *err);
void ph_sorter_free(struct ph_sorter *s);
unsigned ph_sorter_needs(const struct ph_sorter *s);
int ph_sorter_add(struct ph_sorter *s, const struct ph_sort_message *m, struct ph_err *err);
/* The same with strings from a structure instead of m's; also the date, when it has one. */
int ph_sorter_add_structure(struct ph_sorter *s, const struct ph_sort_message *m, const struct ph_structure *structure,
                            struct ph_err *err);
/* The numbers in order; the sorter owns them. */
int ph_sorter_finish(struct ph_sorter *s, const uint32_t **numbers, size_t *n, struct ph_err *err);

#endif
