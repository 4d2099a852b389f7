/* commands.h: the functions behind the rows of the dispatch table (commands.c). Each is a session_handler; the file that
 * has it says which RFC.
 */
#ifndef PH_SERVER_COMMANDS_H
#define PH_SERVER_COMMANDS_H

#include "server/session.h"

/* basic.c */
session_handler cmd_capability, cmd_noop, cmd_check, cmd_logout, cmd_id, cmd_enable, cmd_starttls, cmd_compress,
    cmd_unauthenticate;
/* auth.c */
session_handler cmd_login, cmd_authenticate;
/* idle.c */
session_handler cmd_idle;
/* select.c, expunge.c, copy.c, store.c */
session_handler cmd_select, cmd_examine, cmd_unselect, cmd_close, cmd_expunge, cmd_copy, cmd_move, cmd_store;
/* Flags of a STORE or APPEND: PH_F_* and keywords, blank-separated. -1: PH_E_BAD, one that a client may not set. */
int session_parse_flags(const struct ph_words *words, uint32_t *flags, struct ph_buf *keywords, struct ph_err *err);
/* Remove what is marked \Deleted in the selected mailbox; uids NULL: all of it. */
int expunge_marked(struct session *s, const struct ph_numset *uids, struct ph_numset *gone, uint64_t *modseq,
                   struct ph_err *err);
/* Flags of a command as bits and blank-separated keywords (added to it); \Recent is left out, other unknown system flags are
 * PH_E_BAD. */
int session_parse_flags(const struct ph_words *words, uint32_t *flags, struct ph_buf *keywords, struct ph_err *err);
/* mailboxes */
session_handler cmd_create, cmd_delete, cmd_rename, cmd_subscribe, cmd_unsubscribe, cmd_list, cmd_lsub, cmd_status,
    cmd_namespace;
/* messages */
session_handler cmd_fetch, cmd_search, cmd_sort, cmd_thread, cmd_esearch;
/* `* n FETCH (…)` with these items of these messages of the view; nothing of it sets \Seen. For NOTIFY. */
int fetch_uids(struct session *s, const struct ph_fetch_att *atts, size_t n, const struct ph_numset *uids,
               struct ph_err *err);
/* the account */
session_handler cmd_getquota, cmd_getquotaroot, cmd_setquota, cmd_setacl, cmd_deleteacl, cmd_getacl, cmd_listrights,
    cmd_myrights, cmd_getmetadata, cmd_setmetadata, cmd_notify;

#endif
