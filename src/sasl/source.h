/* source.h: where a secret comes from: asking once. No state; any thread. Not for other layers. */
#ifndef PH_SASL_SOURCE_H
#define PH_SASL_SOURCE_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "base/secret.h"

/* Each sets *out to the first line without its end. `what` ("password", "token") is for the error text. */
int ph_source_file(const char *path, const char *what, struct ph_secret *out, struct ph_err *err);
int ph_source_env(const char *variable, const char *what, struct ph_secret *out, struct ph_err *err);
/* Given up after timeout_ms: the shell and what it has started are killed. */
int ph_source_command(const char *command, const char *what, int timeout_ms, struct ph_secret *out,
                      struct ph_err *err);

#endif
