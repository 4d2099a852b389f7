/* shared.c: ROOT/shared.sqlite: who may have granted something to whom.
 *
 * The rights themselves stand with the mailboxes, in their owner's index. This is a hint, so that a user's list need not
 * open every account: it is written before a grant and cleared after the last one went, so it may know too much, and a list
 * finds nothing there; never too little. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/local/account.h"

/* Under shared_mu. 1: it is open; 0: there is none, and none was wanted. */
static int open_shared(struct ph_local_root *root, bool make, struct ph_err *err)
{
    char *path = NULL;
    int r;

    if (root->shared_open)
        return 1;
    if (asprintf(&path, "%s/shared.sqlite", root->path) < 0)
        return ph_fail_memory(err);
    bool there = access(path, F_OK) == 0;
    r = !there && !make ? 0 : ph_local_db_open(path, true, &root->shared, err) ? -1 : 1;
    free(path);
    if (r != 1)
        return r;
    if (ph_local_script(&root->shared, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                       "CREATE TABLE IF NOT EXISTS shares(owner TEXT, identifier TEXT,"
                                       " PRIMARY KEY(identifier, owner)) WITHOUT ROWID", err) ||
        (!there && ph_local_sync_dir(root->path, err))) {
        ph_local_db_close(&root->shared);
        return -1;
    }
    root->shared_open = true;
    return 1;
}

int ph_local_shared_add(struct ph_local_root *root, const char *owner, const char *identifier, struct ph_err *err)
{
    int64_t there;

    pthread_mutex_lock(&root->shared_mu);
    int r = open_shared(root, true, err) < 0 ? -1 : 0;
    if (!r)
        r = local_number(&root->shared, err, &there, "SELECT 1 FROM shares WHERE identifier = ?1 AND owner = ?2",
                         LT(identifier), LT(owner));
    if (r == 0)
        r = local_exec(&root->shared, err, "INSERT OR IGNORE INTO shares(identifier, owner) VALUES(?1, ?2)", LT(identifier),
                       LT(owner));
    pthread_mutex_unlock(&root->shared_mu);
    return r < 0 ? -1 : 0;
}

int ph_local_shared_remove(struct ph_local_root *root, const char *owner, const char *identifier, struct ph_err *err)
{
    pthread_mutex_lock(&root->shared_mu);
    int r = open_shared(root, false, err);
    if (r > 0)
        r = local_exec(&root->shared, err, "DELETE FROM shares WHERE identifier = ?1 AND owner = ?2", LT(identifier),
                       LT(owner));
    pthread_mutex_unlock(&root->shared_mu);
    return r < 0 ? -1 : 0;
}

int ph_local_shared_owners(struct ph_local_root *root, const char *who,
                           int (*each)(void *ctx, const char *owner, struct ph_err *err), void *ctx, struct ph_err *err)
{
    struct ph_buf owners = PH_BUF_INIT;

    pthread_mutex_lock(&root->shared_mu);
    int r = open_shared(root, false, err);
    if (r > 0) {
        sqlite3_stmt *st = local_prepare(&root->shared, err, "SELECT DISTINCT owner FROM shares WHERE identifier IN (?1,"
                                                             " 'anyone') AND owner <> ?1 ORDER BY owner", LT(who));
        r = -1;
        while (st && (r = ph_local_step(&root->shared, st, err)) > 0) {
            const char *owner = (const char *)sqlite3_column_text(st, 0);
            ph_buf_add(&owners, owner, strlen(owner) + 1);
        }
    }
    pthread_mutex_unlock(&root->shared_mu);
    if (!r && owners.failed)
        r = ph_fail_memory(err);
    struct ph_str all = ph_buf_str(&owners);
    for (const char *p = all.p; !r && p < all.p + all.n; p += strlen(p) + 1)
        r = each(ctx, p, err);
    ph_buf_done(&owners);
    return r;
}
