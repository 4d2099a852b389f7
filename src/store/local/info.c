/* info.c: what a message is called beside its UID: EMAILID and THREADID (RFC 8474), and when it was saved (RFC 8514). */
#include <string.h>

#include "store/local/account.h"

/* A letter in front: an object id is an atom and must not look like a number or NIL. */
static void hex(char first, const unsigned char *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    *out++ = first;
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

static int tell(sqlite3_stmt *st, int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx,
                struct ph_err *err)
{
    struct ph_message_info info = { .uid = (uint32_t)sqlite3_column_int64(st, 0), .has_saved = true,
                                    .saved = sqlite3_column_int64(st, 1) };
    char email[40] = "", thread[20] = "";
    uint64_t t = (uint64_t)sqlite3_column_int64(st, 3);
    unsigned char octets[8];

    if (sqlite3_column_bytes(st, 2) >= 16)
        hex('M', sqlite3_column_blob(st, 2), 16, email);
    for (int i = 0; i < 8; i++)
        octets[i] = (unsigned char)(t >> (56 - 8 * i));
    if (t)
        hex('T', octets, 8, thread);
    info.emailid = email;
    info.threadid = thread;
    return each(ctx, &info, err);
}

static int range(struct local_db *db, int64_t mailbox, const struct ph_range *r,
                 int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx, struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(db, err, "SELECT m.id & 4294967295, m.saved, b.hash, b.thread FROM message m"
                                              " CROSS JOIN body b ON b.id = m.body WHERE m.id BETWEEN ?1 AND ?2 ORDER BY m.id",
                                     LI(local_id(mailbox, r->first)), LI(local_id(mailbox, r->last)));
    int rc = -1;

    while (st && (rc = ph_local_step(db, st, err)) > 0)
        if (tell(st, each, ctx, err)) {
            sqlite3_reset(st);
            return -1;
        }
    return rc;
}

int ph_local_info(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                  int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx,
                  struct ph_err *err)
{
    static const struct ph_range all = { 1, UINT32_MAX };
    struct local_session *s = local_session(base);
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;

    if (ph_local_begin(s, err) || ph_local_where(s, folder, &w, err))
        return -1;
    int r = ph_local_read_begin(w.u, &db, err);
    if (!r)
        r = ph_local_find_open(db, &w, uidvalidity, R_READ, &m, err);
    if (!uids && !r)
        r = range(db, m.id, &all, each, ctx, err);
    for (size_t i = 0; uids && !r && i < uids->n; i++)
        r = range(db, m.id, &uids->r[i], each, ctx, err);
    ph_local_read_end(w.u, db);
    ph_local_where_done(&w);
    return r;
}
