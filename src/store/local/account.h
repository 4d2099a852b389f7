/* account.h: what belongs to an account and not to a message: rights, quota, metadata, who shares with whom. */
#ifndef PH_STORE_LOCAL_ACCOUNT_H
#define PH_STORE_LOCAL_ACCOUNT_H

#include "store/local/private.h"

#define LOCAL_QUOTA_ROOT "User quota" /* as Dovecot calls it, and some clients expect */

int ph_local_quota_mailboxes(struct local_user *u, struct local_db *db, struct ph_err *err); /* room for one more? */
int ph_local_quota_roots(struct ph_session *s, const char *folder, struct ph_arena *arena, const char ***roots,
                         size_t *n, struct ph_err *err);
int ph_local_get_quota(struct ph_session *s, const char *root, struct ph_arena *arena, struct ph_quota *out,
                       struct ph_err *err);
int ph_local_session_set_quota(struct ph_session *s, const char *root, const struct ph_store_quota_resource *l, size_t n,
                               struct ph_err *err);

void ph_local_level_of(const char *user, struct ph_buf *out);

int ph_local_namespaces(struct ph_session *s, struct ph_arena *arena, struct ph_store_namespace **out, size_t *n,
                        struct ph_err *err);
int ph_local_get_acl(struct ph_session *s, const char *folder, struct ph_arena *arena, struct ph_acl_entry **out,
                     size_t *n, struct ph_err *err);
int ph_local_set_acl(struct ph_session *s, const char *folder, const char *identifier, char op, const char *rights,
                     struct ph_err *err);
int ph_local_my_rights(struct ph_session *s, const char *folder, char out[32], struct ph_err *err);
int ph_local_list_rights(struct ph_session *s, const char *folder, const char *identifier, struct ph_arena *arena,
                         const char **required, const char ***optional, size_t *n, struct ph_err *err);

int ph_local_get_metadata(struct ph_session *s, const char *folder, const char *const *entries, size_t n_entries,
                          unsigned depth, struct ph_arena *arena, struct ph_annotation **out, size_t *n,
                          struct ph_err *err);
int ph_local_set_metadata(struct ph_session *s, const char *folder, const struct ph_annotation *a, size_t n,
                          struct ph_err *err);

int ph_local_info(struct ph_session *s, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                  int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx,
                  struct ph_err *err);

/* ---- shared.c: the hint of who may have granted something to whom ---- */

int ph_local_shared_add(struct ph_local_root *root, const char *owner, const char *identifier, struct ph_err *err);
int ph_local_shared_remove(struct ph_local_root *root, const char *owner, const char *identifier, struct ph_err *err);
/* Calls each for everybody who may have granted something to `who` or to anyone, but for `who`. */
int ph_local_shared_owners(struct ph_local_root *root, const char *who,
                           int (*each)(void *ctx, const char *owner, struct ph_err *err), void *ctx,
                           struct ph_err *err);

#endif
