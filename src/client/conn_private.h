/* conn_private.h: the parts of a connection among themselves: conn.c (opening, waiting, failing, the loop's member), conn_out.c (commands
 * and literals on their way out), conn_in.c (answers and literals on their way in).
 */
#ifndef PH_CLIENT_CONN_PRIVATE_H
#define PH_CLIENT_CONN_PRIVATE_H

#include "client/conn.h"

#define CONN_IN_HIGH (256 * 1024) /* unread input above this waits in the kernel */
#define CONN_READ_CHUNK (128 * 1024)

/* ---- conn.c ---- */
int conn_fail_with(struct ph_conn *c, enum ph_kind kind, const char *text); /* to be connected anew; -1 */
int conn_broken(struct ph_conn *c, struct ph_err *err);                     /* its reason; -1 */
void conn_find_backoff(struct ph_err *err); /* in a server's words: how long to wait, that there was too much */

/* ---- conn_out.c ---- */
size_t conn_sendable(struct ph_conn *c); /* octets that do not wait for a `+` */
void conn_drop_stops(struct ph_conn *c, struct ph_cmd *cmd); /* it was answered: what of it is not out stays here */

#endif
