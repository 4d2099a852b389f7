/* live.h: the progress display at the bottom of a terminal.
 *
 *     Archive/2019                1,204 of 3,310
 *     Sent                           88 of 412
 *      42% ███████████▌              8,412 of 20,000 messages  312 MB  96.1 MB/s  2,410 msg/s  0:05 left
 *
 * It is drawn over in place, never wider than the terminal, which may be resized at any time, and gone at the end. What is
 * drawn depends on the events and the clock alone, so it is tested without a terminal.
 */
#ifndef PH_CLI_LIVE_H
#define PH_CLI_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "transfer/events.h"

struct ph_live_options {
    int fd;            /* the terminal; -1 in tests: nothing is written */
    bool color, utf8;
    bool audit;        /* counts what was compared */
    bool dry_run;
};

struct ph_live;
struct ph_live *ph_live_new(const struct ph_live_options *o);
/* Takes the display away. */
void ph_live_free(struct ph_live *l);
void ph_live_event(struct ph_live *l, const struct ph_event *e, int64_t now_ms);
/* Draw what has changed; at most every 100 ms unless `force`. */
void ph_live_draw(struct ph_live *l, int64_t now_ms, bool force);
/* Lines that stay, above the display. */
void ph_live_above(struct ph_live *l, const char *text);
void ph_live_say(struct ph_live *l, const char *state); /* "stopping…" instead of the remaining time; NULL: none */
void ph_live_forget(struct ph_live *l); /* the terminal was used by others (the program was stopped): draw anew below */

/* The lines as they would be drawn, separated by newlines, none at the end. */
void ph_live_render(struct ph_live *l, int64_t now_ms, unsigned columns, unsigned rows, struct ph_buf *out);

#endif
