/* imap.h: a remote account as a store, through our client engine. */
#ifndef PH_STORE_IMAP_H
#define PH_STORE_IMAP_H

#include "client/options.h"
#include "store/store.h"

/* The options are copied, strings too; the credential is borrowed and must outlive the store. */
int ph_imap_store_new(const struct ph_imap_options *opt, struct ph_store **out, struct ph_err *err);

#endif
