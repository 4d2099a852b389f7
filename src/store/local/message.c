/* message.c: rows of messages, what is counted of them, their keywords and their tombstones; inside operations. */
#include <stdlib.h>
#include <string.h>

#include "store/local/private.h"
#include "store/local/rows.h"

static void count(struct local_user *u, struct local_mailbox *mb, const struct local_message *m, int by)
{
    uint32_t one = (uint32_t)by;
    uint64_t size = by > 0 ? m->size : (uint64_t)0 - m->size;

    mb->messages += one;
    mb->size += size;
    u->state.messages += (uint64_t)(int64_t)by;
    u->state.octets += size;
    ph_local_count_flags(mb, m->flags, m->size, by);
}

void ph_local_count_flags(struct local_mailbox *mb, uint32_t flags, uint64_t size, int by)
{
    if (!(flags & PH_F_SEEN))
        mb->unseen += (uint32_t)by;
    if (flags & PH_F_DELETED) {
        mb->deleted += (uint32_t)by;
        mb->deleted_size += by > 0 ? size : (uint64_t)0 - size;
    }
}

int ph_local_message_add(struct local_user *u, struct local_db *db, struct local_mailbox *mb, struct local_message *m,
                         struct ph_err *err)
{
    if (mb->uidnext == UINT32_MAX)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "the folder has used up its UIDs");
    m->uid = mb->uidnext++;
    count(u, mb, m, 1);
    return local_exec(db, err,
                      "INSERT INTO message(id, body, flags, kwset, modseq, date, zone, saved, size)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                      LI(local_id(mb->id, m->uid)), LI(m->body), LI(m->flags), LI(m->kwset), LI(m->modseq), LI(m->epoch),
                      LI(m->zone_min), LI(m->saved), LI(m->size));
}

int ph_local_body_unref(struct local_user *u, struct local_db *db, int64_t body, struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(db, err, "SELECT refs, pack, size FROM body WHERE id = ?1", LI(body));

    if (!st)
        return -1;
    int r = ph_local_step(db, st, err);
    if (r <= 0)
        return r; /* not there: the check's business */
    int64_t refs = sqlite3_column_int64(st, 0), pack = sqlite3_column_int64(st, 1), size = sqlite3_column_int64(st, 2);
    sqlite3_reset(st);
    if (refs > 1)
        return local_exec(db, err, "UPDATE body SET refs = refs - 1 WHERE id = ?1", LI(body));
    if (local_exec(db, err, "DELETE FROM body WHERE id = ?1", LI(body)))
        return -1;
    atomic_store(&u->compact_wanted, true);
    return local_exec(db, err, "UPDATE pack SET live = live - ?2 WHERE id = ?1", LI(pack), LI(size + RECORD_HEADER));
}

int ph_local_message_moved(struct local_user *u, struct local_db *db, struct local_mailbox *mb, const struct local_message *m,
                           struct ph_err *err)
{
    count(u, mb, m, -1);
    return local_exec(db, err, "DELETE FROM message WHERE id = ?1", LI(local_id(mb->id, m->uid)));
}

int ph_local_message_remove(struct local_user *u, struct local_db *db, struct local_mailbox *mb,
                            const struct local_message *m, struct ph_err *err)
{
    return ph_local_message_moved(u, db, mb, m, err) || ph_local_body_unref(u, db, m->body, err) ? -1 : 0;
}

/* A mailbox remembers so many ranges; what went before is only known to be gone because it is not there. */
static int forget(struct local_user *u, struct local_db *db, struct local_mailbox *mb, struct ph_err *err)
{
    int64_t n, modseq;

    if (local_number(db, err, &n, "SELECT count(*) FROM gone WHERE mailbox = ?1", LI(mb->id)) < 0)
        return -1;
    if (n <= (int64_t)u->root->opt.tombstones)
        return 0;
    int r = local_number(db, err, &modseq, "SELECT modseq FROM gone WHERE mailbox = ?1 ORDER BY modseq LIMIT 1 OFFSET ?2",
                         LI(mb->id), LI(n - (int64_t)u->root->opt.tombstones * 3 / 4));
    if (r <= 0)
        return r;
    if ((uint64_t)modseq > mb->forgotten)
        mb->forgotten = (uint64_t)modseq;
    return local_exec(db, err, "DELETE FROM gone WHERE mailbox = ?1 AND modseq <= ?2", LI(mb->id), LI(modseq));
}

int ph_local_gone(struct local_user *u, struct local_db *db, struct local_mailbox *mb, const struct ph_numset *uids,
                  uint64_t modseq, struct ph_err *err)
{
    for (size_t i = 0; i < uids->n; i++)
        if (local_exec(db, err, "INSERT OR REPLACE INTO gone(mailbox, modseq, first, last) VALUES(?1, ?2, ?3, ?4)",
                       LI(mb->id), LI(modseq), LI(uids->r[i].first), LI(uids->r[i].last)))
            return -1;
    /* looked at now and then, since counting costs */
    return uids->n > 16 || modseq % 64 == 0 ? forget(u, db, mb, err) : 0;
}

/* ---- keywords ---- */

static int compare_words(const void *pa, const void *pb)
{
    const struct ph_str *a = pa, *b = pb;
    size_t n = a->n < b->n ? a->n : b->n;
    int d = strncasecmp(a->p, b->p, n);

    return d ? d : a->n < b->n ? -1 : a->n > b->n;
}

/* A keyword is spelled as it was first met: they compare without case (RFC 9051 2.3.2). */
static int add_spelled(struct local_db *db, struct ph_str word, struct ph_buf *out, struct ph_err *err)
{
    const struct local_arg a = { .t = ARG_TEXT, .p = word.p, .n = word.n };
    sqlite3_stmt *st = local_prepare(db, err, "SELECT name FROM keyword WHERE name = ?1", a);
    int r = st ? ph_local_step(db, st, err) : -1;

    if (r > 0) {
        ph_buf_add_z(out, (const char *)sqlite3_column_text(st, 0));
        sqlite3_reset(st);
    } else if (r == 0) {
        ph_buf_add_str(out, word);
        r = local_exec(db, err, "INSERT INTO keyword(name) VALUES(?1)", a);
    }
    return r < 0 ? -1 : 0;
}

static int normalise(struct local_db *db, const char *words, struct ph_buf *out, struct ph_err *err)
{
    struct ph_str w[LOCAL_KEYWORDS_MAX];
    size_t n = 0;

    for (const char *p = words; *p;) {
        struct ph_str one = { p, strcspn(p, " ") };
        p += one.n + (p[one.n] == ' ');
        if (!one.n)
            continue;
        if (n == LOCAL_KEYWORDS_MAX || strlen(words) > LOCAL_KEYWORDS_BYTES)
            return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_LIMIT, "a message can have %d keywords", LOCAL_KEYWORDS_MAX);
        w[n++] = one;
    }
    if (n > 1)
        qsort(w, n, sizeof *w, compare_words);
    for (size_t i = 0; i < n; i++) {
        if (i && ph_str_caseeq(w[i], w[i - 1]))
            continue;
        if (i)
            ph_buf_add_char(out, ' ');
        if (add_spelled(db, w[i], out, err))
            return -1;
    }
    ph_buf_z(out);
    return out->failed ? ph_fail_memory(err) : 0;
}

int ph_local_kwset(struct local_db *db, const char *words, int64_t *out, struct ph_err *err)
{
    struct ph_buf set = PH_BUF_INIT;
    int r;

    *out = 0;
    if (!words || words[strspn(words, " ")] == '\0')
        return 0;
    r = normalise(db, words, &set, err);
    if (!r) {
        r = local_number(db, err, out, "SELECT id FROM kwset WHERE words = ?1", LT(ph_buf_data(&set)));
        if (r == 0) {
            r = local_exec(db, err, "INSERT INTO kwset(words) VALUES(?1)", LT(ph_buf_data(&set)));
            *out = sqlite3_last_insert_rowid(db->h);
        }
    }
    ph_buf_done(&set);
    return r < 0 ? -1 : 0;
}

int ph_local_kwset_words(struct local_db *db, int64_t set, struct ph_buf *out, struct ph_err *err)
{
    int r = 0;

    ph_buf_clear(out);
    if (set) {
        sqlite3_stmt *st = local_prepare(db, err, "SELECT words FROM kwset WHERE id = ?1", LI(set));
        r = st ? ph_local_step(db, st, err) : -1;
        if (r > 0) {
            ph_buf_add_z(out, (const char *)sqlite3_column_text(st, 0));
            sqlite3_reset(st);
        }
    }
    ph_buf_z(out);
    return r < 0 ? -1 : out->failed ? ph_fail_memory(err) : 0;
}
