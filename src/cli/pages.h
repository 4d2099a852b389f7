/* pages.h: where lines for people go: the screen, the standard error, a log file. One line is one write, so that lines of
 * several programs in one log do not mix.
 */
#ifndef PH_CLI_PAGES_H
#define PH_CLI_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"

struct ph_live;

enum ph_stamp {
    PH_STAMP_CLASSIC, /* 03-27-2016.14:05:09 4711 (local time, process) */
    PH_STAMP_ISO,     /* 2016-03-27T14:05:09+0200 4711 */
};

struct ph_pages {
    int screen, errors, log; /* descriptors; -1: none */
    enum ph_stamp stamp;
    struct ph_live *live;    /* lines on the terminal go above it; NULL */
    bool screen_broken;      /* nobody reads any more */
    int log_errno;           /* the first failure of the log */
    struct ph_buf scratch;
};

/* Append-only, mode 0600 when new. */
int ph_pages_open_log(struct ph_pages *p, const char *path, struct ph_err *err);
void ph_pages_done(struct ph_pages *p); /* closes the log */

enum { PH_TO_SCREEN = 1, PH_TO_ERRORS = 2, PH_TO_LOG = 4 };
/* Put one or more lines (without the last newline) there. The text is clean already (ph_text_clean). `time_ms` of the stamp: wall clock;
 * 0: now. */
void ph_pages_put(struct ph_pages *p, unsigned where, const char *text, int64_t time_ms);
int ph_write_all(int fd, const char *p, size_t n); /* 0, or errno */

#endif
