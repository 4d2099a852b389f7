/* append.h: APPEND and REPLACE, as their octets come in (append.c). The input side (input.c) calls these in order; a session
 * may be parked between any two of the calls, so that half an APPEND holds no worker. s->append is append.c's own.
 *
 * Slices of the command borrow from the frame and die with the call; what is needed later is copied (s->arena lasts
 * until the command ends). session_store() stays the same session of the store throughout.
 */
#ifndef PH_SERVER_APPEND_H
#define PH_SERVER_APPEND_H

#include "server/session.h"

/* The first literal of message octets is announced (s->framer.literal_size octets, s->framer.literal_binary); c->append ends
 * in the message, or the part of it, that it belongs to, and c->tag, c->id (APPEND, REPLACE) are set. 0: its octets are
 * to come (and the continuation is sent by the caller, when they wait for one); -1: refused (NO, or BAD when err->kind is
 * PH_E_BAD), and none of this command's further octets are handed in. */
int append_head(struct session *s, struct ph_command *c, struct ph_err *err);
/* A further literal of the same command, as ph_append_next_head reads it. */
int append_next(struct session *s, const struct ph_append_head *h, struct ph_err *err);
/* Octets of the literal announced last. -1: as above. The end of a literal is when literal_size octets have come. */
int append_data(struct session *s, const char *p, size_t n, struct ph_err *err);
/* The whole command, when its line has ended; also that of an APPEND without a streamed literal (CATENATE of URLs; then
 * append_head was not called). It is answered now or by append_settle; or -1. */
int append_done(struct session *s, struct ph_command *c, struct ph_err *err);
/* Answer the APPENDs that are held: before anything else is answered, before any other command, and before the session waits for
 * its client. */
void append_settle(struct session *s);
/* Throw away what there is: called when any of the above said -1, and when the client has gone. Nothing to do is fine. */
void append_abort(struct session *s);

#endif
