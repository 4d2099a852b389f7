/* log.h: where the daemon's lines go: standard error, syslog, or a file that can be opened anew. Thread safe; a line is written in one
 * piece, and nothing in it can begin another. */
#ifndef PH_DAEMON_LOG_H
#define PH_DAEMON_LOG_H

#include <posthaste/err.h>

struct ph_log;

/* to: "stderr", "syslog", or the path of a file, which is appended to. most: the highest level (syslog(3)) that is written. Under a
 * service manager that reads standard error, lines carry their level instead of the time. */
int ph_log_new(const char *to, int most, struct ph_log **out, struct ph_err *err);
void ph_log_free(struct ph_log *l); /* NULL is fine */
int ph_log_reopen(struct ph_log *l, struct ph_err *err); /* on failure the old file stays */
void ph_log_line(struct ph_log *l, int level, const char *line);
void ph_log_f(struct ph_log *l, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

int ph_log_level(const char *name); /* "error", "warning", "notice", "info", "debug"; -1 */

#endif
