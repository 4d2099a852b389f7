/* check_rows.c: what the index counts, compared with what there is: messages without bodies and bodies without messages,
 * references, counters of mailboxes, packs and the account. */
#include <stdlib.h>
#include <string.h>

#include "store/local/check.h"
#include "store/local/rows.h"

/* A mismatch of a number: told, and with repair set right by `fix`. */
static int compare(struct local_check *c, const char *what, int64_t is, int64_t should, bool *wrong)
{
    if (is == should)
        return 0;
    *wrong = true;
    ph_local_found(c, c->repair ? FOUND_REPAIRED : 0, "%s: %lld, should be %lld", what, (long long)is, (long long)should);
    return 1;
}

/* Rows whose octets are gone: they go, and it is told like any other removal. */
static int remove_message(struct local_check *c, struct local_db *db, int64_t id, struct ph_err *err)
{
    struct ph_numset one = PH_NUMSET_INIT;
    int64_t mailbox = id >> 32;
    uint32_t uid = (uint32_t)(id & 0xffffffff);
    uint64_t modseq = ph_local_next_modseq(c->u);

    if (ph_numset_add(&one, uid))
        return ph_fail_memory(err);
    int r = local_exec(db, err, "DELETE FROM message WHERE id = ?1", LI(id)) ||
                    local_exec(db, err, "INSERT OR REPLACE INTO gone(mailbox, modseq, first, last) VALUES(?1, ?2, ?3, ?3)",
                               LI(mailbox), LI(modseq), LI(uid)) ||
                    local_exec(db, err, "UPDATE mailbox SET modseq = ?2, changed = ?2 WHERE id = ?1", LI(mailbox), LI(modseq))
                ? -1
                : 0;
    ph_numset_done(&one);
    return r;
}

/* The messages that a query names go. */
static int remove_messages(struct local_check *c, struct local_db *db, const char *select, uint64_t *n, struct ph_err *err)
{
    sqlite3_stmt *st = ph_local_prepare(db, err, select, NULL, 0);
    struct ph_buf ids = PH_BUF_INIT;
    int64_t id;
    int r = st ? 0 : -1;

    *n = 0;
    while (!r && (r = ph_local_step(db, st, err)) > 0) {
        id = sqlite3_column_int64(st, 0);
        r = ph_buf_add(&ids, &id, sizeof id) ? ph_fail_memory(err) : 0;
        ++*n;
    }
    if (st)
        sqlite3_reset(st);
    for (struct ph_str left = ph_buf_str(&ids); !r && c->repair && left.n; left.p += sizeof id, left.n -= sizeof id) {
        memcpy(&id, left.p, sizeof id);
        r = remove_message(c, db, id, err);
    }
    ph_buf_done(&ids);
    return r;
}

/* Bodies whose octets could not be read, and what refers to them. */
static int remove_unreadable(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    uint64_t n;

    if (!c->repair || c->n_unreadable == 0)
        return 0;
    if (ph_local_script(db, "CREATE TEMP TABLE IF NOT EXISTS lost(body INTEGER PRIMARY KEY); DELETE FROM temp.lost", err))
        return -1;
    for (size_t i = 0; i < c->n_unreadable; i++)
        if (local_exec(db, err, "INSERT OR IGNORE INTO temp.lost(body) VALUES(?1)", LI(c->unreadable[i])))
            return -1;
    return remove_messages(c, db, "SELECT id FROM message WHERE body IN (SELECT body FROM temp.lost)", &n, err) ||
                   local_exec(db, err, "DELETE FROM body WHERE id IN (SELECT body FROM temp.lost)")
               ? -1
               : 0;
}

static int check_bodies(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    const int how = c->repair ? FOUND_REPAIRED : 0;
    uint64_t n;

    if (remove_unreadable(c, db, err) ||
        remove_messages(c, db, "SELECT m.id FROM message m WHERE NOT EXISTS (SELECT 1 FROM body b WHERE b.id = m.body)", &n,
                        err))
        return -1;
    if (n)
        ph_local_found(c, FOUND_LOSS | how, "%llu messages have no body%s", (unsigned long long)n,
                       c->repair ? "; they are removed" : "");
    if (remove_messages(c, db, "SELECT id FROM message WHERE NOT EXISTS (SELECT 1 FROM mailbox WHERE mailbox.id = message.id >> 32)",
                        &n, err))
        return -1;
    if (n)
        ph_local_found(c, how, "%llu messages are in no folder%s", (unsigned long long)n, c->repair ? "; they are removed" : "");
    return 0;
}

static int check_refs(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    sqlite3_stmt *st;
    uint64_t wrong = 0, dead = 0;
    int r;

    st = local_prepare(db, err, "SELECT b.refs, ifnull(k.n, 0) FROM body b LEFT JOIN (SELECT body, count(*) AS n FROM message"
                                " GROUP BY body) k ON k.body = b.id");
    if (!st)
        return -1;
    while ((r = ph_local_step(db, st, err)) > 0) {
        int64_t refs = sqlite3_column_int64(st, 0), n = sqlite3_column_int64(st, 1);
        wrong += refs != n && n > 0;
        dead += n == 0;
    }
    if (r)
        return -1;
    if (wrong)
        ph_local_found(c, c->repair ? FOUND_REPAIRED : 0, "%llu bodies have a wrong number of references",
                       (unsigned long long)wrong);
    if (dead)
        ph_local_found(c, c->repair ? FOUND_REPAIRED : 0, "%llu bodies belong to no message", (unsigned long long)dead);
    if (!c->repair || wrong + dead == 0)
        return 0;
    return local_exec(db, err, "DELETE FROM body WHERE id NOT IN (SELECT body FROM message)") ||
                   local_exec(db, err, "UPDATE body SET refs = k.n FROM (SELECT body, count(*) AS n FROM message GROUP BY body) k"
                                       " WHERE k.body = body.id AND refs <> k.n")
               ? -1
               : 0;
}

static int check_pack_rows(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    sqlite3_stmt *st;
    bool wrong = false;
    int r;

    st = local_prepare(db, err, "SELECT p.id, p.live, p.tail, ifnull(sum(b.size + 64), 0), ifnull(max(b.off + b.size + 64), 64)"
                                " FROM pack p LEFT JOIN body b ON b.pack = p.id GROUP BY p.id");
    if (!st)
        return -1;
    while ((r = ph_local_step(db, st, err)) > 0) {
        compare(c, "living octets of a pack", sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 3), &wrong);
        if (sqlite3_column_int64(st, 2) < sqlite3_column_int64(st, 4))
            compare(c, "end of a pack", sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 4), &wrong);
    }
    if (r || !wrong || !c->repair)
        return r;
    return local_exec(db, err, "INSERT OR IGNORE INTO pack(id, tail, live, sealed) SELECT DISTINCT pack, 64, 0, 1 FROM body") ||
                   local_exec(db, err, "UPDATE pack SET live = (SELECT ifnull(sum(size + 64), 0) FROM body WHERE pack = pack.id),"
                                       " tail = max(tail, (SELECT ifnull(max(off + size + 64), 64) FROM body WHERE"
                                       " body.pack = pack.id))")
               ? -1
               : 0;
}

struct counts {
    int64_t messages, unseen, deleted, size, deleted_size, last, modseq;
};

static int count_mailbox(struct local_db *db, int64_t id, struct counts *k, struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(db, err,
                                     "SELECT count(*), total((flags & 1) = 0), total((flags & 8) <> 0), total(size),"
                                     " total(CASE WHEN flags & 8 THEN size ELSE 0 END), ifnull(max(id), 0) & 4294967295,"
                                     " ifnull(max(modseq), 0) FROM message WHERE id BETWEEN ?1 AND ?2",
                                     LI(local_id(id, 0)), LI(local_id(id, UINT32_MAX)));
    int r = st ? ph_local_step(db, st, err) : -1;

    if (r <= 0)
        return -1;
    int64_t *v[7] = { &k->messages, &k->unseen, &k->deleted, &k->size, &k->deleted_size, &k->last, &k->modseq };
    for (int i = 0; i < 7; i++)
        *v[i] = sqlite3_column_int64(st, i);
    sqlite3_reset(st);
    return 0;
}

static int check_mailbox(struct local_check *c, struct local_db *db, struct local_mailbox *m, struct ph_err *err)
{
    bool wrong = false;
    struct counts k;

    if (count_mailbox(db, m->id, &k, err))
        return -1;
    c->result->messages += (uint64_t)k.messages;
    compare(c, "messages of a folder", m->messages, k.messages, &wrong);
    compare(c, "unseen messages of a folder", m->unseen, k.unseen, &wrong);
    compare(c, "deleted messages of a folder", m->deleted, k.deleted, &wrong);
    compare(c, "octets of a folder", (int64_t)m->size, k.size, &wrong);
    compare(c, "deleted octets of a folder", (int64_t)m->deleted_size, k.deleted_size, &wrong);
    if (m->uidnext <= k.last)
        compare(c, "UIDNEXT of a folder", m->uidnext, k.last + 1, &wrong);
    if ((int64_t)m->modseq < k.modseq)
        compare(c, "HIGHESTMODSEQ of a folder", (int64_t)m->modseq, k.modseq, &wrong);
    if (!wrong || !c->repair)
        return 0;
    m->messages = (uint32_t)k.messages, m->unseen = (uint32_t)k.unseen, m->deleted = (uint32_t)k.deleted;
    m->size = (uint64_t)k.size, m->deleted_size = (uint64_t)k.deleted_size;
    m->uidnext = m->uidnext <= k.last ? (uint32_t)k.last + 1 : m->uidnext;
    m->modseq = (int64_t)m->modseq < k.modseq ? (uint64_t)k.modseq : m->modseq;
    return ph_local_mailbox_save(db, m, err);
}

static int check_mailboxes(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    int64_t id = 0;
    int r;

    while ((r = local_number(db, err, &id, "SELECT id FROM mailbox WHERE id > ?1 ORDER BY id LIMIT 1", LI(id))) > 0) {
        sqlite3_stmt *st = local_prepare(db, err, "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?1", LI(id));
        struct local_mailbox m;
        if (!st || ph_local_step(db, st, err) <= 0)
            return -1;
        ph_local_mailbox_columns(st, &m);
        m.name = NULL;
        sqlite3_reset(st);
        if (check_mailbox(c, db, &m, err))
            return -1;
    }
    return r;
}

/* Numbers that are given out next must be above all that were given out. */
static int check_state(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    static const char *const highest[5] = {
        "SELECT ifnull(max(modseq), 0) FROM mailbox", "SELECT ifnull(max(uidvalidity), 0) FROM mailbox",
        "SELECT ifnull(max(id), 0) FROM mailbox", "SELECT ifnull(max(id), 0) FROM body", "SELECT ifnull(max(id), 0) FROM pack",
    };
    static const char *const names[5] = { "the account's mod-sequence", "the account's UIDVALIDITY", "the last folder",
                                          "the last body", "the last pack" };
    struct local_state now, *s = c->repair ? &c->u->state : &now;
    int64_t sum_messages, sum_octets, most[5];
    bool wrong = false;

    if (!c->repair && ph_local_state_read(db, &now, err))
        return -1;
    if (local_number(db, err, &sum_messages, "SELECT ifnull(sum(messages), 0) FROM mailbox") < 0 ||
        local_number(db, err, &sum_octets, "SELECT ifnull(sum(size), 0) FROM mailbox") < 0)
        return -1;
    for (int i = 0; i < 5; i++)
        if (ph_local_number(db, err, &most[i], highest[i], NULL, 0) < 0)
            return -1;
    const int64_t has[5] = { (int64_t)s->modseq, s->uidvalidity, s->mailbox, s->body, s->pack };
    for (int i = 0; i < 5; i++)
        if (has[i] < most[i])
            compare(c, names[i], has[i], most[i], &wrong);
        else
            most[i] = has[i];
    compare(c, "messages of the account", (int64_t)s->messages, sum_messages, &wrong);
    compare(c, "octets of the account", (int64_t)s->octets, sum_octets, &wrong);
    if (wrong && c->repair) {
        s->modseq = (uint64_t)most[0], s->uidvalidity = (uint32_t)most[1], s->mailbox = (uint32_t)most[2];
        s->body = most[3], s->pack = (uint32_t)most[4];
        s->messages = (uint64_t)sum_messages, s->octets = (uint64_t)sum_octets;
    }
    return 0;
}

int ph_local_check_rows(struct local_check *c, struct local_db *db, struct ph_err *err)
{
    return check_bodies(c, db, err) || check_refs(c, db, err) || check_pack_rows(c, db, err) || check_mailboxes(c, db, err) ||
                   check_state(c, db, err)
               ? -1
               : 0;
}
