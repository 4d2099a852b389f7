/* readonly.h: a store over another that shows everything and changes nothing. */
#ifndef PH_STORE_READONLY_H
#define PH_STORE_READONLY_H

#include "store/serve.h"

/* The operations that change anything are NULL, and the abilities say so; the user's rights (RFC 4314) are what is left of them
 * for reading. What is read does not become seen, nor does it cease to be recent. inner is borrowed and must outlive the store. */
int ph_readonly_store_new(struct ph_store *inner, struct ph_store **out, struct ph_err *err);

#endif
