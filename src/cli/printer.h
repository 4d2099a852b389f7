/* printer.h: an event in, text out. One printer a kind of reader: people, programs, and those who script on the lines of the
 * classic tools. Printers are called one event at a time (output.h has the lock) and write to pages.
 */
#ifndef PH_CLI_PRINTER_H
#define PH_CLI_PRINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/pages.h"
#include "transfer/events.h"

struct ph_printer_options {
    const char *program;   /* as invoked: "imapcopy.pl" */
    bool quiet, verbose, debug, trace;
    bool audit, dry_run;
    unsigned every;        /* imapcopy -j: a line every so many messages; 0: none */
    double size_limit_mb;  /* imapcopy -X as it was given, for its line */
    bool show_keys;        /* imap_audit -R */
    bool counts_only;      /* imap_audit -n */
};

struct ph_printer;
struct ph_printer_ops {
    void (*event)(struct ph_printer *p, const struct ph_event *e);
    void (*free)(struct ph_printer *p);
};
struct ph_printer {
    const struct ph_printer_ops *ops;
    struct ph_pages *pages;
    struct ph_printer_options o;
    struct ph_buf line; /* scratch */
};

/* NULL without memory. `pages` must outlive the printer. */
struct ph_printer *ph_plain_printer_new(struct ph_pages *pages, const struct ph_printer_options *o);
struct ph_printer *ph_json_printer_new(struct ph_pages *pages, const struct ph_printer_options *o);
struct ph_printer *ph_imapcopy_printer_new(struct ph_pages *pages, const struct ph_printer_options *o);
struct ph_printer *ph_imap_audit_printer_new(struct ph_pages *pages, const struct ph_printer_options *o);

#define PH_JSON_VERSION 1

const char *ph_action_name(enum ph_action a);
/* The line of a trace event: ">> …" or "<< …". */
void ph_trace_line(const struct ph_event *e, bool with_side, struct ph_buf *out);

#endif
