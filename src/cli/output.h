/* output.h: the one sink of a job's events: it chooses printers, serialises calls from any thread, and keeps the progress display
 * alive while nothing happens.
 */
#ifndef PH_CLI_OUTPUT_H
#define PH_CLI_OUTPUT_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "cli/printer.h"

enum ph_style { PH_STYLE_PEOPLE, PH_STYLE_JSON, PH_STYLE_IMAPCOPY, PH_STYLE_IMAP_AUDIT };

struct ph_output_options {
    enum ph_style style;
    struct ph_printer_options printer;
    const char *log;       /* file; NULL */
    bool no_progress;      /* no live display even on a terminal */
    int screen, errors;    /* descriptors: 1 and 2 */
};

struct ph_output;
/* The display is live when the screen is a terminal that understands it (TERM is set and not "dumb") and nothing else is
 * asked for. */
int ph_output_new(const struct ph_output_options *o, struct ph_output **out, struct ph_err *err);
/* A ph_event_sink; thread safe. An event without a time gets one. */
void ph_output_event(void *output, const struct ph_event *e);
/* For struct ph_imap_options: `ctx` is a struct ph_output_side. */
struct ph_output_side {
    struct ph_output *output;
    char side; /* 's', 'd' */
    const char *host; /* or the path of a socket */
    uint16_t port;
};
void ph_output_trace(void *side, unsigned connection, bool sent, const char *line, size_t n);
void ph_output_notice(void *side, const char *text); /* each text once a side, however many connections say it */
void ph_output_connected(void *side, const char *security);
/* Takes the display away and closes the log. -1: the log could not be written, or standard output (as data: JSON) could not. */
int ph_output_free(struct ph_output *o, struct ph_err *err);

#endif
