/* signals.h: Ctrl-C and its kin. The one piece of state that belongs to the process, because signals do.
 *
 * The first SIGINT, SIGTERM or SIGHUP raises the job's cancellation, and the run ends in order; the second ends the
 * process at once with status 128 + signal. SIGPIPE is ignored: writing tells.
 */
#ifndef PH_CLI_SIGNALS_H
#define PH_CLI_SIGNALS_H

#include "base/deadline.h"

void ph_signals_install(struct ph_cancel *c);
void ph_signals_remove(void);        /* before the cancellation is done with */
int ph_signals_stop(void);           /* the signal that asked to stop, or 0 */
unsigned ph_signals_continued(void); /* how often SIGCONT came: the terminal was somebody else's */

#endif
