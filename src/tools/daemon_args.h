/* daemon_args.h: what serve, deliver, check and backup have in common. */
#ifndef PH_TOOLS_DAEMON_ARGS_H
#define PH_TOOLS_DAEMON_ARGS_H

#include "daemon/config.h"

/* The configuration file, the usual one when neither it nor a store is named, then the command line on top. PH_READY or PH_SAID_ENOUGH (tools.h); -1.
 * The caller calls ph_daemon_config_done in any case. cfg begins a zeroed struct of `size` octets, the
 * target of the command's own options. store_operand: the first operand is a store. */
int ph_daemon_args(const struct ph_command *c, const char *invoked, int argc, char **argv, struct ph_daemon_config *cfg, size_t size, char **operands,
                   unsigned *n_operands, bool store_operand, struct ph_err *err);
/* "INVOKED: what" on the standard error, made clean for a terminal; returns status. */
int ph_complain(const char *invoked, const struct ph_err *err, int status);

#endif
