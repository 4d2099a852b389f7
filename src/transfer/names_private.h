/* names_private.h: what names.c lends names_all.c. */
#ifndef PH_TRANSFER_NAMES_PRIVATE_H
#define PH_TRANSFER_NAMES_PRIVATE_H

#include "transfer/names.h"

/* ph_names_map, and whether a rule, a special use or the name INBOX chose the destination: then two sources may meet there. */
int names_map_one(const struct ph_names *n, const struct ph_folder *f, struct ph_buf *out, bool *on_purpose,
                  struct ph_err *err);

#endif
