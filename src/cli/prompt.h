/* prompt.h: a secret typed on the terminal. */
#ifndef PH_CLI_PROMPT_H
#define PH_CLI_PROMPT_H

#include <posthaste/err.h>

#include "base/secret.h"

/* Ask on /dev/tty without echo, whatever standard input and output are. The terminal is as before afterwards, also when a
 * signal ends the wait (it is delivered then). PH_E_USAGE without a terminal, PH_E_CANCELLED at end of input. At most 4096 octets. */
int ph_prompt_secret(const char *question, struct ph_secret *out, struct ph_err *err);

#endif
