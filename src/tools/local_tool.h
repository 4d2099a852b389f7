/* local_tool.h: what check and backup have in common: a store of this machine, and some or all of its users. */
#ifndef PH_TOOLS_LOCAL_TOOL_H
#define PH_TOOLS_LOCAL_TOOL_H

#include "daemon/accounts.h"
#include "tools/daemon_args.h"

struct ph_local_tool {
    struct ph_daemon_config config; /* first: options of the daemon are used */
    struct ph_accounts *accounts;
    struct ph_local_root *root;
    bool repair, json;
};

extern const struct ph_option ph_local_store_options[]; /* --config, --store */

/* The arguments and the store; as ph_daemon_args. Call ph_local_tool_done in any case. */
int ph_local_tool_begin(struct ph_local_tool *t, const struct ph_command *c, const char *invoked, int argc, char **argv, char **operands,
                        unsigned *n, struct ph_err *err);
void ph_local_tool_done(struct ph_local_tool *t);
/* `each` for the one user, who has to be there, or for all of them when user is NULL. */
int ph_local_tool_users(struct ph_local_tool *t, const char *user, int (*each)(void *ctx, const char *user, struct ph_err *err), void *ctx,
                        struct ph_err *err);

#endif
