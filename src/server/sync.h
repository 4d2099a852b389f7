/* sync.h: telling a client what is new, and the lines it is told with. */
#ifndef PH_SERVER_SYNC_H
#define PH_SERVER_SYNC_H

#include "server/session.h"

/* As session_sync, but for these UIDs up to mod-sequence `upto` no flags are told: the command has done that, or asked for
 * silence. */
int session_sync_but(struct session *s, unsigned how, const struct ph_numset *told, uint64_t upto, struct ph_err *err);

/* `* n FETCH (` or, with UIDONLY, `* uid UIDFETCH (`; the caller writes the items, ph_write_raw(")") and CRLF. */
void sync_begin_fetch(struct session *s, uint32_t seq, uint32_t uid);
/* `FLAGS (…)` of a row, with \Recent where it is so in this session. */
void sync_write_flags(struct session *s, const struct mailbox_row *row);
/* A whole untagged FETCH with UID (if wanted, or UIDONLY, QRESYNC), FLAGS (if wanted), MODSEQ (if enabled). seq 0: not in the view, nothing
 * is written. */
void sync_tell_row(struct session *s, const struct mailbox_row *row, bool uid, bool flags);
/* `* FLAGS (…)` and `* OK [PERMANENTFLAGS (…)]`. */
void sync_tell_keywords(struct session *s);
/* UIDs of `within` (NULL: all) that went away since the mod-sequence (RFC 7162 3.2.6); some of them may never have existed. */
int sync_vanished_since(struct session *s, uint64_t modseq, const struct ph_numset *within, struct ph_numset *out,
                        struct ph_err *err);
/* The mailbox may have another name by now: before each command. */
void view_follow(struct session *s);
/* Leave the selected mailbox; not an error when there is none. */
void session_deselect(struct session *s);

#endif
