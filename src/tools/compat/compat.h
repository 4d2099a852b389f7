/* compat.h: what the classic names share. */
#ifndef PH_TOOLS_COMPAT_H
#define PH_TOOLS_COMPAT_H

#include "cli/options.h"

extern const struct ph_option ph_classic_output_options[], ph_classic_connection_options[];

#endif
