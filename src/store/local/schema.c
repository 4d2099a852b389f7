/* schema.c: the tables of a user's index, and how those of an older version become today's.
 *
 * `PRAGMA user_version` says which version a file has. A step leads from one to the next, in one transaction; a new file
 * takes them all, so what is tested at every start is the way old files go.
 *
 * message.id is mailbox << 32 | UID. Columns named _at, changed and modseq hold numbers of the account's one sequence of
 * changes, so HIGHESTMODSEQ of a mailbox is the number of its last change. */
#include "store/local/private.h"

static const char *const steps[LOCAL_SCHEMA] = {
    /* 0 to 1 */
    "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), modseq INTEGER NOT NULL, uidvalidity INTEGER NOT NULL,"
    " mailbox INTEGER NOT NULL, body INTEGER NOT NULL, pack INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, folders_at INTEGER NOT NULL, subs_at INTEGER NOT NULL, meta_at INTEGER NOT NULL);"
    "CREATE TABLE mailbox(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL,"
    " uidnext INTEGER NOT NULL, special INTEGER NOT NULL, noselect INTEGER NOT NULL, messages INTEGER NOT NULL,"
    " unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, size INTEGER NOT NULL, deleted_size INTEGER NOT NULL,"
    " recent INTEGER NOT NULL, modseq INTEGER NOT NULL, changed INTEGER NOT NULL, acl_at INTEGER NOT NULL,"
    " meta_at INTEGER NOT NULL, mailboxid TEXT NOT NULL);"
    "CREATE INDEX mailbox_changed ON mailbox(changed);"
    "CREATE TABLE message(id INTEGER PRIMARY KEY, body INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " kwset INTEGER NOT NULL, modseq INTEGER NOT NULL, date INTEGER NOT NULL, zone INTEGER NOT NULL,"
    " saved INTEGER NOT NULL, size INTEGER NOT NULL);"
    "CREATE INDEX message_modseq ON message(id >> 32, modseq);"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, off INTEGER NOT NULL, size INTEGER NOT NULL,"
    " refs INTEGER NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE pack(id INTEGER PRIMARY KEY, tail INTEGER NOT NULL, live INTEGER NOT NULL,"
    " sealed INTEGER NOT NULL);"
    "CREATE TABLE gone(mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, PRIMARY KEY(mailbox, modseq, first)) WITHOUT ROWID;"
    "CREATE TABLE keyword(name TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;"
    "CREATE TABLE kwset(id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE);"
    "CREATE TABLE subscription(name TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE acl(mailbox INTEGER NOT NULL, identifier TEXT NOT NULL, rights INTEGER NOT NULL,"
    " PRIMARY KEY(mailbox, identifier)) WITHOUT ROWID;"
    "CREATE TABLE annotation(mailbox INTEGER NOT NULL, user TEXT NOT NULL, entry TEXT NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY(mailbox, user, entry)) WITHOUT ROWID;"
    "CREATE TABLE quota(name TEXT PRIMARY KEY, most INTEGER NOT NULL) WITHOUT ROWID;",
    /* 1 to 2: threads, and tombstones that may be forgotten; what came before has no thread */
    "ALTER TABLE body ADD COLUMN thread INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;",
};

static int ask(struct local_db *db, const char *sql, int64_t *out, struct ph_err *err)
{
    return ph_local_number(db, err, out, sql, NULL, 0) < 0 ? -1 : 0;
}

static int take_steps(struct local_db *db, int64_t from, struct ph_err *err)
{
    for (int64_t v = from; v < LOCAL_SCHEMA; v++)
        if (ph_local_script(db, steps[v], err))
            return -1;
    return ph_local_script(db, "PRAGMA application_id = 1346915650; PRAGMA user_version = 2", err);
}

_Static_assert(LOCAL_APP_ID == 1346915650 && LOCAL_SCHEMA == 2, "the numbers in take_steps");

int ph_local_schema(struct local_db *db, struct ph_err *err)
{
    int64_t app, version, tables;

    if (ask(db, "PRAGMA application_id", &app, err) || ask(db, "PRAGMA user_version", &version, err))
        return -1;
    if (app == LOCAL_APP_ID && version == LOCAL_SCHEMA)
        return 0;
    /* Somebody else may be at it: look again inside. */
    if (ph_local_script(db, "BEGIN IMMEDIATE", err))
        return -1;
    int r = ask(db, "PRAGMA application_id", &app, err) || ask(db, "PRAGMA user_version", &version, err) ||
            ask(db, "SELECT count(*) FROM sqlite_master", &tables, err) ? -1 : 0;
    if (!r && !(app == 0 && version == 0 && tables == 0)) {
        if (app != LOCAL_APP_ID || version < 1)
            r = ph_fail(err, PH_SCOPE_STORE, PH_E_CORRUPT, "%s is a database of another program, and was left as it is",
                        db->path);
        else if (version > LOCAL_SCHEMA)
            r = ph_fail(err, PH_SCOPE_STORE, PH_E_UNSUPPORTED,
                        "%s was written by a newer posthaste (format %lld, this one knows up to %d)", db->path,
                        (long long)version, LOCAL_SCHEMA);
    }
    if (!r)
        r = take_steps(db, version, err);
    if (!r)
        r = ph_local_script(db, "COMMIT", err);
    if (r)
        sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
    return r;
}
