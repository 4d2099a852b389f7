/* password_command.h: asking another program whether a password is right. Thread safe; the calling thread waits. */
#ifndef PH_DAEMON_PASSWORD_COMMAND_H
#define PH_DAEMON_PASSWORD_COMMAND_H

#include <posthaste/err.h>

#include "base/str.h"

#define PH_PASSWORD_COMMAND_MS 15000

/* Run by /bin/sh -c with the password, and nothing behind it, on its standard input and the user in POSTHASTE_USER. 0: it said yes (status
 * 0), -1: no (status 1), 1: it cannot tell (any other end, or none within timeout_ms; *err says why). */
int ph_password_command(const char *command, const char *user, struct ph_str password, int timeout_ms, struct ph_err *err);

#endif
