/* store.h: an opaque store: folders that hold messages. The server opens one for each user.
 *
 * A store is shared by threads and freed once, after everything that uses it has ended.
 */
#ifndef POSTHASTE_STORE_H
#define POSTHASTE_STORE_H

#include <posthaste/err.h>

struct ph_store;

void ph_store_free(struct ph_store *store) __attribute__((visibility("default"))); /* NULL is fine */

#endif
