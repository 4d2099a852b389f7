/* hostport.h: `host`, `host:port`, `[IPv6]:port`, for URLs and connection strings. Pure. */
#ifndef PH_CLI_HOSTPORT_H
#define PH_CLI_HOSTPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/str.h"

/* *host is made in the arena, without brackets; *port is left alone when none is given. */
int ph_hostport_parse(struct ph_str text, struct ph_arena *arena, const char **host, uint16_t *port, bool *port_given,
                      struct ph_err *err);

#endif
