/* What is damaged is found and put right, an old file is brought up to date, a backup is what was there, and a disk that is full or
 * not to be written is an error and nothing more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "local_mail.h"

static const char *dir;
static struct ph_local_root *root;
static const struct ph_local_options options = { .pack_size = 8000 };

static int set_up(void **state)
{
    dir = rig_dir();
    root = mail_root(dir, &options);
    return 0;
}

static int tear_down(void **state)
{
    ph_local_root_free(root);
    return 0;
}

/* As another process would come to it: nothing is open or remembered. */
static void start_again(void)
{
    ph_local_root_free(root);
    root = mail_root(dir, &options);
}

static char *path(const char *leaf)
{
    static char z[400];

    snprintf(z, sizeof z, "%s/users/anna/%s", dir, leaf);
    return z;
}

static struct ph_local_check_result check(bool repair)
{
    struct ph_local_check_result r;

    OK(ph_local_check(root, "anna", repair, NULL, NULL, &r, &said));
    return r;
}

/* 30 messages in INBOX, with marks, every second also in Work; 5 of INBOX removed. */
static void fill(void)
{
    struct who anna = mail_user(root, "anna");
    struct ph_numset all = mail_set(1, 15), gone = mail_set(3, 7);

    mail_create(&anna, "Work");
    for (unsigned i = 1; i <= 30; i++)
        mail_put(&anna, "INBOX", NULL, i, i % 3 ? 0 : PH_F_SEEN);
    mail_flags(&anna, "INBOX", 20, PH_F_FLAGGED, "Work");
    OK(anna.s->ops->copy(anna.s, "INBOX", 0, &all, "Work", &said));
    OK(anna.s->ops->expunge(anna.s, "INBOX", 0, &gone, false, &said));
    ph_numset_done(&all);
    ph_numset_done(&gone);
    mail_leave(&anna);
}

static void body_is(struct who *w, const char *folder, uint32_t uid, unsigned id)
{
    size_t n;
    char *got = mail_body(w, folder, uid, &n), *want = mail_text(id);

    if (!got)
        fail_msg("%s %u: %s", folder, uid, said.text);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

static void check_filled(void)
{
    struct who anna = mail_user(root, "anna");

    assert_int_equal(mail_count(&anna, "INBOX"), 25);
    assert_int_equal(mail_count(&anna, "Work"), 15);
    for (uint32_t i = 8; i <= 30; i++)
        body_is(&anna, "INBOX", i, i);
    for (uint32_t i = 1; i <= 15; i++)
        body_is(&anna, "Work", i, i);
    struct ph_snapshot s = mail_scan(&anna, "INBOX", 0, NULL, false);
    struct ph_row *r = ph_snapshot_find(&s, 20);
    assert_int_equal(r->flags, PH_F_FLAGGED);
    assert_string_equal(ph_snapshot_keywords(&s, r), "Work");
    ph_snapshot_done(&s);
    mail_leave(&anna);
}

static void sound(void **state)
{
    fill();
    struct ph_local_check_result r = check(false);
    assert_int_equal(r.findings, 0);
    assert_int_equal(r.messages, 40);
    assert_int_equal(r.bodies, 30);
    r = check(true);
    assert_int_equal(r.losses, 0);
    check_filled();
}

static void sql(const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path("index.sqlite"), &db), SQLITE_OK);
    char *why = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", text, why);
    sqlite3_close(db);
}

static void counters_are_put_right(void **state)
{
    fill();
    start_again();
    sql("UPDATE mailbox SET messages = 3, unseen = 99, uidnext = 2, size = 1 WHERE name = 'INBOX';"
        "UPDATE state SET octets = 5, body = 1; UPDATE body SET refs = 7 WHERE id = 4; UPDATE pack SET live = 0 WHERE id = 1;"
        "INSERT INTO body VALUES(900, 1, 64, 10, 1, x'00', 0); INSERT INTO message VALUES((99 << 32) + 1, 1, 0, 0, 1, 0, 0, 0, 1);");
    struct ph_local_check_result r = check(false);
    assert_true(r.findings >= 8);
    assert_int_equal(r.repaired, 0);
    check(true);
    assert_int_equal(check(false).findings, 0);
    check_filled();
}

static void octets_changed(void **state)
{
    fill();
    start_again();
    int fd = open(path("packs/000001.pack"), O_RDWR);
    assert_int_equal(pwrite(fd, "#", 1, 64 + 64 + 100), 1);
    close(fd);
    struct ph_local_check_result r = check(true);
    assert_int_equal(r.losses, 1);
    struct who anna = mail_user(root, "anna"); /* it is there as it is: better than not */
    assert_int_equal(mail_count(&anna, "INBOX"), 25);
    mail_leave(&anna);
}

static void pack_is_gone(void **state)
{
    size_t n;

    fill();
    start_again();
    assert_int_equal(unlink(path("packs/000001.pack")), 0);
    struct who anna = mail_user(root, "anna");
    assert_null(mail_body(&anna, "INBOX", 1, &n));
    assert_int_equal(said.kind, PH_E_CORRUPT);
    assert_int_equal(said.scope, PH_SCOPE_MESSAGE);
    body_is(&anna, "INBOX", 30, 30); /* the session goes on */
    uint64_t since = mail_status(&anna, "INBOX").modseq;
    mail_leave(&anna);
    assert_true(check(true).losses > 0);
    assert_int_equal(check(false).findings, 0);
    anna = mail_user(root, "anna");
    struct ph_numset gone = PH_NUMSET_INIT;
    struct ph_snapshot s = mail_scan(&anna, "INBOX", since, &gone, false);
    assert_true(ph_numset_contains(&gone, 1)); /* clients are told */
    ph_snapshot_done(&s);
    ph_numset_done(&gone);
    mail_put(&anna, "INBOX", NULL, 77, 0);
    mail_leave(&anna);
}

static void shorter_pack(void **state)
{
    size_t n;

    fill();
    start_again();
    assert_int_equal(truncate(path("packs/000001.pack"), 3000), 0);
    struct who anna = mail_user(root, "anna");
    assert_null(mail_body(&anna, "Work", 15, &n)); /* an error, not a signal */
    assert_int_equal(said.kind, PH_E_CORRUPT);
    mail_put(&anna, "INBOX", NULL, 77, 0); /* into another pack */
    mail_leave(&anna);
    check(true);
    assert_int_equal(check(false).findings, 0);
}

static void index_lost(void **state)
{
    fill();
    start_again();
    assert_int_equal(unlink(path("index.sqlite")), 0);
    unlink(path("index.sqlite-wal"));
    struct ph_store *st;
    struct ph_session *s;
    OK(ph_local_store_new(root, "anna", true, &st, &said));
    FAILS(PH_E_CORRUPT, st->ops->open(st, NULL, &s, &said)); /* no empty account over mail */
    st->ops->free(st);
    struct ph_local_check_result r = check(false);
    assert_int_equal(r.losses, 1);
    check(true);
    struct who anna = mail_user(root, "anna");
    assert_int_equal(mail_count(&anna, "Recovered"), 30); /* a pack does not know what was copied and what was removed */
    for (uint32_t i = 1; i <= 30; i++)
        body_is(&anna, "Recovered", i, i);
    struct ph_snapshot snap = mail_scan(&anna, "Recovered", 0, NULL, false);
    assert_int_equal(ph_snapshot_row(&snap, 4)->epoch, 1600000005);
    assert_int_equal(ph_snapshot_row(&snap, 4)->zone, 60);
    assert_int_equal(ph_snapshot_row(&snap, 2)->flags, PH_F_SEEN);
    ph_snapshot_done(&snap);
    assert_int_equal(mail_count(&anna, "INBOX"), 0);
    mail_put(&anna, "INBOX", NULL, 1, 0);
    mail_leave(&anna);
    assert_int_equal(check(false).findings, 0);
}

/* One page of the database is rubbish: what stands elsewhere is kept. */
static void index_damaged(void **state)
{
    struct stat st;
    char junk[4096];

    fill();
    start_again();
    sql("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(stat(path("index.sqlite"), &st), 0);
    memset(junk, 0xa5, sizeof junk);
    /* the root page of the messages */
    sqlite3 *db;
    sqlite3_stmt *q;
    sqlite3_open(path("index.sqlite"), &db);
    sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_master WHERE name = 'message_modseq'", -1, &q, NULL);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    off_t page = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    int fd = open(path("index.sqlite"), O_RDWR);
    assert_int_equal(pwrite(fd, junk, sizeof junk, (page - 1) * 4096), 4096);
    close(fd);
    struct ph_local_check_result r = check(false);
    assert_true(r.losses > 0);
    struct who held = mail_user(root, "anna"); /* a session that does nothing does not hold it up */
    check(true);
    assert_int_equal(check(false).findings, 0);
    check_filled();
    assert_int_equal(access(path("index.damaged-1"), F_OK), 0); /* the old one is kept */
    mail_leave(&held);
}

static void no_database(void **state)
{
    fill();
    start_again();
    int fd = open(path("index.sqlite"), O_RDWR | O_TRUNC);
    assert_int_equal(write(fd, "this is no database, whatever its name says, and it is long enough to be looked at as one......", 95), 95);
    close(fd);
    struct ph_store *st;
    struct ph_session *s;
    OK(ph_local_store_new(root, "anna", true, &st, &said));
    FAILS(PH_E_CORRUPT, st->ops->open(st, NULL, &s, &said));
    st->ops->free(st);
    check(true);
    struct who anna = mail_user(root, "anna");
    assert_int_equal(mail_count(&anna, "Recovered"), 30);
    mail_leave(&anna);
}

static void foreign_files(void **state)
{
    fill();
    start_again();
    int fd = open(path("packs/notes.txt"), O_WRONLY | O_CREAT, 0600), other = open(path("packs/000500.pack"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_int_equal(write(other, "not a pack at all", 17), 17);
    close(fd);
    close(other);
    struct ph_local_check_result r = check(false);
    assert_int_equal(r.losses, 0);
    assert_int_equal(r.findings, 2);
    check_filled();
    struct who anna = mail_user(root, "anna");
    for (unsigned i = 0; i < 30; i++)
        mail_put(&anna, "INBOX", NULL, i, 0); /* several packs on */
    mail_leave(&anna);
    assert_int_equal(access(path("packs/notes.txt"), F_OK), 0);
}

static off_t all_packs(void)
{
    struct stat st;
    char leaf[32];
    off_t sum = 0;

    for (int i = 1; i < 40; i++) {
        snprintf(leaf, sizeof leaf, "packs/%06d.pack", i);
        if (stat(path(leaf), &st) == 0)
            sum += st.st_size;
    }
    return sum;
}

static void dead_packs_are_compacted(void **state)
{
    struct who anna = mail_user(root, "anna");
    struct ph_numset most = PH_NUMSET_INIT;

    for (unsigned i = 1; i <= 200; i++) {
        mail_put(&anna, "INBOX", NULL, i, 0);
        if (i % 7)
            ph_numset_add(&most, i);
    }
    OK(anna.s->ops->expunge(anna.s, "INBOX", 0, &most, false, &said));
    struct ph_body body; /* one is being read while its pack goes */
    const char *p;
    size_t n;
    OK(anna.s->ops->serve->body_open(anna.s, "INBOX", 0, 7, &body, &said));
    off_t before = all_packs();
    check(true);
    assert_true(all_packs() * 2 < before);
    OK(anna.s->ops->serve->body_at(anna.s, 0, 10, &p, &n, &said));
    assert_memory_equal(p, "From: anna", 10);
    for (uint32_t i = 7; i <= 200; i += 7)
        body_is(&anna, "INBOX", i, i);
    assert_int_equal(check(false).findings, 0);
    mail_leave(&anna);
    start_again();
    anna = mail_user(root, "anna");
    for (uint32_t i = 7; i <= 200; i += 7)
        body_is(&anna, "INBOX", i, i);
    mail_leave(&anna);
    ph_numset_done(&most);
}

static void backed_up(void **state)
{
    char dest[300], copy[300], users[300];

    fill();
    struct who anna = mail_user(root, "anna");
    snprintf(dest, sizeof dest, "%s/backup", dir);
    OK(ph_local_backup(root, "anna", dest, &said));
    FAILS(PH_E_EXISTS, ph_local_backup(root, "anna", dest, &said));
    for (unsigned i = 1; i <= 30; i++)
        mail_put(&anna, "INBOX", NULL, 100 + i, 0); /* life goes on */
    struct ph_numset all = mail_set(1, UINT32_MAX);
    OK(anna.s->ops->expunge(anna.s, "INBOX", 0, &all, false, &said));
    ph_numset_done(&all);
    mail_leave(&anna);
    check(true);
    ph_local_root_free(root);
    snprintf(users, sizeof users, "%s/other", dir);
    mkdir(users, 0700);
    snprintf(users, sizeof users, "%s/other/users", dir);
    mkdir(users, 0700);
    snprintf(copy, sizeof copy, "%s/other/users/anna", dir);
    assert_int_equal(rename(dest, copy), 0);
    snprintf(copy, sizeof copy, "%s/other", dir);
    root = mail_root(copy, &options);
    check_filled();
    anna = mail_user(root, "anna"); /* and it can be gone on with */
    mail_put(&anna, "INBOX", NULL, 500, 0);
    mail_leave(&anna);
    assert_int_equal(check(false).findings, 0);
    ph_local_root_free(root);
    root = mail_root(dir, &options);
    assert_int_equal(check(false).findings, 0); /* without harm to the original */
}

/* An account as version 1 wrote it: its tables, one message of "Subject: old", and the pack. */
static void version_one(void **state)
{
    static const char tables[] =
        "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), modseq INTEGER NOT NULL, uidvalidity INTEGER NOT NULL,"
        " mailbox INTEGER NOT NULL, body INTEGER NOT NULL, pack INTEGER NOT NULL, octets INTEGER NOT NULL,"
        " messages INTEGER NOT NULL, folders_at INTEGER NOT NULL, subs_at INTEGER NOT NULL, meta_at INTEGER NOT NULL);"
        "CREATE TABLE mailbox(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL,"
        " uidnext INTEGER NOT NULL, special INTEGER NOT NULL, noselect INTEGER NOT NULL, messages INTEGER NOT NULL,"
        " unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, size INTEGER NOT NULL, deleted_size INTEGER NOT NULL,"
        " recent INTEGER NOT NULL, modseq INTEGER NOT NULL, changed INTEGER NOT NULL, acl_at INTEGER NOT NULL,"
        " meta_at INTEGER NOT NULL, mailboxid TEXT NOT NULL);"
        "CREATE INDEX mailbox_changed ON mailbox(changed);"
        "CREATE TABLE message(id INTEGER PRIMARY KEY, body INTEGER NOT NULL, flags INTEGER NOT NULL, kwset INTEGER NOT NULL,"
        " modseq INTEGER NOT NULL, date INTEGER NOT NULL, zone INTEGER NOT NULL, saved INTEGER NOT NULL, size INTEGER NOT NULL);"
        "CREATE INDEX message_modseq ON message(id >> 32, modseq);"
        "CREATE TABLE body(id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, off INTEGER NOT NULL, size INTEGER NOT NULL,"
        " refs INTEGER NOT NULL, hash BLOB NOT NULL);"
        "CREATE TABLE pack(id INTEGER PRIMARY KEY, tail INTEGER NOT NULL, live INTEGER NOT NULL, sealed INTEGER NOT NULL);"
        "CREATE TABLE gone(mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
        " PRIMARY KEY(mailbox, modseq, first)) WITHOUT ROWID;"
        "CREATE TABLE keyword(name TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;"
        "CREATE TABLE kwset(id INTEGER PRIMARY KEY, words TEXT NOT NULL UNIQUE);"
        "CREATE TABLE subscription(name TEXT PRIMARY KEY) WITHOUT ROWID;"
        "CREATE TABLE acl(mailbox INTEGER NOT NULL, identifier TEXT NOT NULL, rights INTEGER NOT NULL,"
        " PRIMARY KEY(mailbox, identifier)) WITHOUT ROWID;"
        "CREATE TABLE annotation(mailbox INTEGER NOT NULL, user TEXT NOT NULL, entry TEXT NOT NULL, value BLOB NOT NULL,"
        " PRIMARY KEY(mailbox, user, entry)) WITHOUT ROWID;"
        "CREATE TABLE quota(name TEXT PRIMARY KEY, most INTEGER NOT NULL) WITHOUT ROWID;"
        "INSERT INTO state SELECT * FROM new.state; INSERT INTO message SELECT * FROM new.message;"
        "INSERT INTO mailbox SELECT id, name, uidvalidity, uidnext, special, noselect, messages, unseen, deleted, size,"
        " deleted_size, recent, modseq, changed, acl_at, meta_at, mailboxid FROM new.mailbox;"
        "INSERT INTO body SELECT id, pack, off, size, refs, hash FROM new.body; INSERT INTO pack SELECT * FROM new.pack;"
        "INSERT INTO keyword SELECT * FROM new.keyword; INSERT INTO kwset SELECT * FROM new.kwset;"
        "PRAGMA application_id = 1346915650; PRAGMA user_version = 1;";
    char now[450], attach[500];
    sqlite3 *db;

    fill();
    start_again();
    snprintf(now, sizeof now, "%s.now", path("index.sqlite"));
    assert_int_equal(rename(path("index.sqlite"), now), 0);
    assert_int_equal(sqlite3_open(path("index.sqlite"), &db), SQLITE_OK);
    snprintf(attach, sizeof attach, "ATTACH '%s' AS new", now);
    assert_int_equal(sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, tables, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    check_filled();
    assert_int_equal(check(false).findings, 0);
    start_again();
    check_filled();
}

static void newer_version(void **state)
{
    struct ph_store *st;
    struct ph_session *s;

    fill();
    start_again();
    sql("PRAGMA user_version = 1000");
    OK(ph_local_store_new(root, "anna", true, &st, &said));
    FAILS(PH_E_UNSUPPORTED, st->ops->open(st, NULL, &s, &said));
    st->ops->free(st);
    sql("PRAGMA user_version = 2");
    sql("PRAGMA application_id = 7");
    OK(ph_local_store_new(root, "anna", true, &st, &said));
    FAILS(PH_E_CORRUPT, st->ops->open(st, NULL, &s, &said));
    st->ops->free(st);
}

/* A limit on the size of files is a full disk without the disk: writes fail halfway. */
static void disk_full(void **state)
{
    struct rlimit was, low;
    struct who anna;
    char *big = malloc(400001);
    unsigned taken = 0;

    fill();
    anna = mail_user(root, "anna");
    signal(SIGXFSZ, SIG_IGN);
    memset(big, 'x', 400000);
    big[400000] = '\0';
    memcpy(big, "Subject: big\r\n\r\n", 16);
    getrlimit(RLIMIT_FSIZE, &was);
    low = was;
    low.rlim_cur = 300000;
    setrlimit(RLIMIT_FSIZE, &low);
    struct ph_append_result res = mail_try(&anna, "INBOX", big); /* longer than a file may be */
    for (int i = 0; i < 400; i++) /* the log grows until it may not either */
        taken += mail_try(&anna, "Work", "Subject: small\r\n\r\nbody\r\n").ok;
    size_t seen = mail_count(&anna, "Work");
    setrlimit(RLIMIT_FSIZE, &was);
    assert_false(res.ok);
    assert_int_equal(res.err.kind, PH_E_SYSTEM);
    assert_true(res.err.scope <= PH_SCOPE_FOLDER);
    assert_int_equal(seen, 15 + taken);
    assert_true(mail_try(&anna, "INBOX", big).ok); /* the same session, once there is room */
    assert_int_equal(mail_count(&anna, "INBOX"), 26);
    mail_leave(&anna);
    assert_int_equal(check(false).losses, 0);
    free(big);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(sound), CASE(counters_are_put_right), CASE(octets_changed), CASE(pack_is_gone), CASE(shorter_pack),
        CASE(index_lost), CASE(index_damaged), CASE(no_database), CASE(foreign_files), CASE(dead_packs_are_compacted),
        CASE(backed_up), CASE(version_one), CASE(newer_version), CASE(disk_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
