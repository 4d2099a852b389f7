/* mailbox.c: from a folder's name to the row of a mailbox, whosever it is, with the rights of who asks. */
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "store/local/account.h"

int ph_local_no_folder(const char *name, struct ph_err *err)
{
    int r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "no folder %s", name);

    if (err)
        memcpy(err->code, "NONEXISTENT", 12);
    return r;
}

int ph_local_denied(struct ph_err *err)
{
    int r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "your rights do not allow this");

    if (err)
        memcpy(err->code, "NOPERM", 7);
    return r;
}

/* ---- names ---- */

/* A user's name as one level of a folder's name: `%` and `/` as %25 and %2F. */
void ph_local_level_of(const char *user, struct ph_buf *out)
{
    for (const char *p = user; *p; p++)
        if (*p == '%')
            ph_buf_add_z(out, "%25");
        else if (*p == '/')
            ph_buf_add_z(out, "%2F");
        else
            ph_buf_add_char(out, *p);
}

static void user_of(struct ph_str level, struct ph_buf *out)
{
    for (size_t i = 0; i < level.n; i++) {
        struct ph_str rest = { level.p + i, level.n - i };
        bool percent = ph_str_prefix(rest, "%25"), slash = ph_str_caseprefix(rest, "%2f");
        ph_buf_add_char(out, percent ? '%' : slash ? '/' : level.p[i]);
        if (percent || slash)
            i += 2;
    }
}

static int foreign(struct local_session *s, const char *folder, struct local_where *out, struct ph_err *err)
{
    const char *level = folder + sizeof LOCAL_OTHERS - 1, *slash = strchr(level, '/');
    struct ph_buf name = PH_BUF_INIT;
    struct ph_err why = { 0 };
    int r;

    if (!slash || !slash[1])
        return ph_local_no_folder(folder, err);
    user_of((struct ph_str){ level, (size_t)(slash - level) }, &name);
    ph_buf_z(&name);
    if (name.failed)
        r = ph_fail_memory(err);
    else if (strcmp(ph_buf_z(&name), s->user->name) == 0)
        r = ph_local_no_folder(folder, err); /* one mailbox has one name */
    else if ((r = ph_local_user_get(s->user->root, ph_buf_z(&name), false, &out->u, &why)))
        r = why.kind == PH_E_NOTFOUND || why.kind == PH_E_USAGE ? ph_local_no_folder(folder, err) : (err ? *err = why, -1 : -1);
    ph_buf_done(&name);
    out->foreign = true;
    out->name = r ? NULL : strdup(slash + 1);
    return r ? -1 : out->name ? 0 : ph_fail_memory(err);
}

int ph_local_where(struct local_session *s, const char *folder, struct local_where *out, struct ph_err *err)
{
    *out = (struct local_where){ .u = s->user, .who = s->user->name };
    if (ph_str_prefix(ph_str(folder), LOCAL_OTHERS)) {
        if (foreign(s, folder, out, err))
            return -1;
    } else if (!(out->name = strdup(folder))) {
        return ph_fail_memory(err);
    }
    if (ph_str_caseis(ph_str(out->name), "INBOX"))
        memcpy(out->name, "INBOX", 5);
    if (ph_local_enter(out->u, err) == 0)
        return 0;
    out->u = NULL;
    ph_local_where_done(out);
    return -1;
}

void ph_local_where_done(struct local_where *w)
{
    if (w->u && w->name)
        ph_local_leave(w->u);
    free(w->name);
    *w = (struct local_where){ 0 };
}

/* ---- rows ---- */

void ph_local_mailbox_columns(sqlite3_stmt *st, struct local_mailbox *m)
{
    memset(m, 0, sizeof *m);
    m->id = sqlite3_column_int64(st, 0);
    m->uidvalidity = (uint32_t)sqlite3_column_int64(st, 1);
    m->uidnext = (uint32_t)sqlite3_column_int64(st, 2);
    m->special = (uint32_t)sqlite3_column_int64(st, 3);
    m->messages = (uint32_t)sqlite3_column_int64(st, 4);
    m->unseen = (uint32_t)sqlite3_column_int64(st, 5);
    m->deleted = (uint32_t)sqlite3_column_int64(st, 6);
    m->recent = (uint32_t)sqlite3_column_int64(st, 7);
    m->modseq = (uint64_t)sqlite3_column_int64(st, 8);
    m->changed = (uint64_t)sqlite3_column_int64(st, 9);
    m->size = (uint64_t)sqlite3_column_int64(st, 10);
    m->deleted_size = (uint64_t)sqlite3_column_int64(st, 11);
    m->forgotten = (uint64_t)sqlite3_column_int64(st, 12);
    m->acl_at = (uint64_t)sqlite3_column_int64(st, 13);
    m->meta_at = (uint64_t)sqlite3_column_int64(st, 14);
    m->noselect = (uint8_t)sqlite3_column_int64(st, 15);
    const char *id = (const char *)sqlite3_column_text(st, 16);
    size_t n = id ? strlen(id) : 0;
    if (n < sizeof m->mailboxid)
        memcpy(m->mailboxid, id ? id : "", n);
    m->name = (const char *)sqlite3_column_text(st, 17);
}

int ph_local_rights(struct local_db *db, int64_t mailbox, const struct local_where *w, unsigned *rights,
                    struct ph_err *err)
{
    unsigned yes = 0, no = 0;
    sqlite3_stmt *st;
    int r;

    *rights = R_ALL;
    if (!w->foreign)
        return 0;
    st = local_prepare(db, err, "SELECT identifier, rights FROM acl WHERE mailbox = ?1", LI(mailbox));
    if (!st)
        return -1;
    while ((r = ph_local_step(db, st, err)) > 0) {
        const char *id = (const char *)sqlite3_column_text(st, 0);
        bool minus = id && *id == '-';
        if (id && (strcmp(id + minus, w->who) == 0 || strcmp(id + minus, "anyone") == 0))
            *(minus ? &no : &yes) |= (unsigned)sqlite3_column_int64(st, 1);
    }
    *rights = yes & ~no;
    return r;
}

int ph_local_find(struct local_db *db, const struct local_where *w, unsigned need, struct local_mailbox *m,
                  struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(db, err, "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE name = ?1", LT(w->name));

    if (!st)
        return -1;
    int r = ph_local_step(db, st, err);
    if (r < 0)
        return -1;
    if (r == 0)
        return ph_local_no_folder(w->name, err);
    ph_local_mailbox_columns(st, m);
    m->name = NULL;
    sqlite3_reset(st);
    if (ph_local_rights(db, m->id, w, &m->rights, err))
        return -1;
    if ((m->rights & need) == need)
        return 0;
    /* without l its existence is not told (RFC 4314 6) */
    return m->rights & R_LOOKUP ? ph_local_denied(err) : ph_local_no_folder(w->name, err);
}

int ph_local_find_open(struct local_db *db, const struct local_where *w, uint32_t uidvalidity, unsigned need,
                       struct local_mailbox *m, struct ph_err *err)
{
    if (ph_local_find(db, w, need, m, err))
        return -1;
    if (m->noselect)
        return ph_local_no_folder(w->name, err);
    if (uidvalidity && uidvalidity != m->uidvalidity)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s was made anew (UIDVALIDITY %u, was %u)", w->name,
                       m->uidvalidity, uidvalidity);
    return 0;
}

int ph_local_mailbox_save(struct local_db *db, const struct local_mailbox *m, struct ph_err *err)
{
    uint64_t changed = m->modseq > m->changed ? m->modseq : m->changed;

    changed = m->acl_at > changed ? m->acl_at : changed;
    changed = m->meta_at > changed ? m->meta_at : changed;
    return local_exec(db, err,
                      "UPDATE mailbox SET uidnext = ?2, special = ?3, messages = ?4, unseen = ?5, deleted = ?6,"
                      " recent = ?7, modseq = ?8, changed = ?9, size = ?10, deleted_size = ?11, forgotten = ?12,"
                      " acl_at = ?13, meta_at = ?14, noselect = ?15, uidvalidity = ?16 WHERE id = ?1",
                      LI(m->id), LI(m->uidnext), LI(m->special), LI(m->messages), LI(m->unseen), LI(m->deleted),
                      LI(m->recent), LI(m->modseq), LI(changed), LI(m->size), LI(m->deleted_size), LI(m->forgotten),
                      LI(m->acl_at), LI(m->meta_at), LI(m->noselect), LI(m->uidvalidity));
}

/* MAILBOXID (RFC 8474 4): no other mailbox of any account has it, and it stays when the name changes. */
static int make_mailboxid(char out[40], struct ph_err *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[12];

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "no random numbers");
    out[0] = 'F';
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[1 + 2 * i] = digits[bytes[i] >> 4];
        out[2 + 2 * i] = digits[bytes[i] & 15];
    }
    out[1 + 2 * sizeof bytes] = '\0';
    return 0;
}

int ph_local_mailbox_make(struct local_user *u, struct local_db *db, const char *name, uint32_t special, uint8_t noselect,
                          int64_t *id, struct ph_err *err)
{
    char mailboxid[40];

    if (u->state.mailbox >= INT32_MAX - 1 || u->state.uidvalidity == UINT32_MAX)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "too many folders were made");
    if (make_mailboxid(mailboxid, err))
        return -1;
    *id = ++u->state.mailbox;
    uint64_t now = ph_local_next_modseq(u);
    u->state.folders_at = now;
    return local_exec(db, err,
                      "INSERT INTO mailbox(id, name, uidvalidity, uidnext, special, noselect, messages, unseen, deleted,"
                      " size, deleted_size, recent, modseq, changed, acl_at, meta_at, mailboxid, forgotten)"
                      " VALUES(?1, ?2, ?3, 1, ?4, ?5, 0, 0, 0, 0, 0, 1, ?6, ?6, ?6, ?6, ?7, ?6)",
                      LI(*id), LT(name), LI(++u->state.uidvalidity), LI(special), LI(noselect), LI(now), LT(mailboxid));
}
