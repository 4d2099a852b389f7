/* tally.h: counts a folder, kept from the events. The events of a folder may lie far apart, and several folders are at
 * work at once; looking one up costs as many steps as there are folders at work.
 */
#ifndef PH_CLI_TALLY_H
#define PH_CLI_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "transfer/events.h"

struct ph_tally {
    char *name, *dst;   /* dst NULL: not told yet */
    uint64_t src_messages, dst_messages;
    uint64_t planned, planned_bytes, adopted, flags;
    uint64_t copied, copied_bytes, merged, refused, missing, skipped, repaired, expunged_src, expunged_dst;
    uint64_t differences, absent, problems;
    bool done;
    struct ph_tally *next;   /* in the order they were first heard of */
    struct ph_tally *recent; /* the last used first */
};

struct ph_tallies {
    struct ph_tally *first, **end, *recent;
};

void ph_tallies_init(struct ph_tallies *t);
void ph_tallies_done(struct ph_tallies *t);
/* Count the event; the tally of its folder, or NULL (it has none, or no memory). */
struct ph_tally *ph_tallies_take(struct ph_tallies *t, const struct ph_event *e);
/* Planned messages that are dealt with. */
uint64_t ph_tally_settled(const struct ph_tally *f);

#endif
