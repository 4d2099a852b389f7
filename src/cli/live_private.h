/* live_private.h: what the progress display knows, and the two kinds of lines made of it. Pure but for memory. */
#ifndef PH_CLI_LIVE_PRIVATE_H
#define PH_CLI_LIVE_PRIVATE_H

#include "cli/live.h"
#include "cli/tally.h"

enum { PH_LIVE_SAMPLES = 32 };

struct ph_live_state {
    struct ph_totals t;
    uint64_t folders, planned_folders;
    struct ph_tallies tallies;
    struct {
        int64_t ms;
        uint64_t messages, bytes;
    } sample[PH_LIVE_SAMPLES]; /* a ring: rates are those of the last seconds */
    unsigned n_samples, next_sample;
    int64_t start_ms;
    const char *state;
    bool audit, dry_run, utf8;
};

void ph_live_state_init(struct ph_live_state *s);
void ph_live_take(struct ph_live_state *s, const struct ph_event *e, int64_t now_ms);
void ph_live_state_done(struct ph_live_state *s);
void ph_live_folder_lines(struct ph_live_state *s, unsigned columns, unsigned rows, struct ph_buf *out);
void ph_live_bar_line(struct ph_live_state *s, int64_t now_ms, unsigned columns, struct ph_buf *out);

#endif
