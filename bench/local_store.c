/* local_store.c: the store on disk against the two layouts it was chosen over, on one machine and one disk:
 *
 *     local_store append DIR LAYOUT THREADS MESSAGES OCTETS     messages a second, each acknowledged synced
 *         LAYOUT: packs (the store), blobs (bodies in the index's database), files (one file a message, and the index)
 *     local_store read DIR MESSAGES      fills a folder, then: first SELECT, what is new, every header, copy, flags, expunge
 *
 * `blobs` and `files` do no more than they must (no flags, no mod-sequences), so what they lose by is the layout. All of
 * them commit what many threads ask for together, one commit at a time. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/local/local.h"

static const char *dir;
static struct ph_local_root *root;
static size_t octets;
static unsigned each;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double busy(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void must(int r, const struct ph_err *err)
{
    if (!r)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static char *make(unsigned id)
{
    char *p = malloc(octets + 1);
    int n = snprintf(p, octets, "From: a@example.org\r\nSubject: %u\r\nMessage-ID: <%u@example.org>\r\n\r\n", id, id);

    memset(p + n, 'x', octets - (size_t)n);
    p[octets] = '\0';
    return p;
}

/* ---- packs ---- */

struct user {
    struct ph_store *st;
    struct ph_session *s;
};

static struct user open_user(void)
{
    struct ph_err err;
    struct user u;

    must(ph_local_store_new(root, "anna", true, &u.st, &err), &err);
    must(u.st->ops->open(u.st, NULL, &u.s, &err), &err);
    return u;
}

static void append_many(struct user *u, unsigned first, unsigned n)
{
    struct ph_append *a, *done;
    struct ph_append_result res;
    struct ph_err err;

    must(u->s->ops->append_open(u->s, "INBOX", n, &a, &err), &err);
    for (unsigned i = 0; i < n; i++) {
        struct ph_message m = { .keywords = "", .size = octets };
        char *text = make(first + i);
        must(u->s->ops->append_message(a, &m, &err), &err);
        must(u->s->ops->append_write(a, text, octets, &err), &err);
        free(text);
    }
    must(u->s->ops->append_finish(a, &err), &err);
    must(u->s->ops->append_wait(u->s, &done, &res, &err), &err);
    must(res.ok ? 0 : -1, &res.err);
    u->s->ops->append_free(done);
}

static void *packs(void *ctx)
{
    struct user u = open_user();

    for (unsigned i = 0; i < each; i++)
        append_many(&u, *(unsigned *)ctx * each + i, 1);
    u.s->ops->close(u.s);
    u.st->ops->free(u.st);
    return NULL;
}

/* ---- the other two: a queue of rows, and a leader who commits it ---- */

struct row {
    struct row *next;
    unsigned id;
    const char *text; /* NULL: it is in a file */
    bool done;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct row *queue;
static bool leading;
static sqlite3 *db;
static sqlite3_stmt *insert;

static void commit(struct row *rows)
{
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        die("begin");
    for (struct row *r = rows; r; r = r->next) {
        sqlite3_reset(insert);
        sqlite3_bind_int(insert, 1, (int)r->id);
        if (r->text)
            sqlite3_bind_blob(insert, 2, r->text, (int)octets, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            die("insert");
    }
    sqlite3_reset(insert);
    if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        die("commit");
}

static void put(struct row *r)
{
    pthread_mutex_lock(&mu);
    r->next = queue;
    queue = r;
    while (!r->done) {
        if (leading) {
            pthread_cond_wait(&cond, &mu);
            continue;
        }
        struct row *mine = queue;
        queue = NULL;
        leading = true;
        pthread_mutex_unlock(&mu);
        commit(mine);
        pthread_mutex_lock(&mu);
        for (struct row *k = mine, *next; k; k = next) {
            next = k->next;
            k->done = true;
        }
        leading = false;
        pthread_cond_broadcast(&cond);
    }
    pthread_mutex_unlock(&mu);
}

static void *blobs(void *ctx)
{
    for (unsigned i = 0; i < each; i++) {
        char *text = make(i);
        struct row r = { .id = *(unsigned *)ctx * each + i, .text = text };
        put(&r);
        free(text);
    }
    return NULL;
}

/* As Maildir has it: written and synced under another name, renamed, the directory synced; then the index. */
static void *files(void *ctx)
{
    char from[300], to[300], folder[300];

    snprintf(folder, sizeof folder, "%s/new", dir);
    for (unsigned i = 0; i < each; i++) {
        unsigned id = *(unsigned *)ctx * each + i;
        char *text = make(id);
        snprintf(from, sizeof from, "%s/tmp/%u", dir, id);
        snprintf(to, sizeof to, "%s/new/%u", dir, id);
        int fd = open(from, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (fd < 0 || write(fd, text, octets) != (ssize_t)octets || fdatasync(fd) || close(fd) || rename(from, to))
            die(from);
        int d = open(folder, O_RDONLY | O_DIRECTORY);
        if (d < 0 || fsync(d) || close(d))
            die(folder);
        struct row r = { .id = id };
        put(&r);
        free(text);
    }
    return NULL;
}

static void open_db(void)
{
    char path[300];

    snprintf(path, sizeof path, "%s/index.sqlite", dir);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                         "CREATE TABLE message(id INTEGER PRIMARY KEY, body BLOB)", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO message VALUES(?1, ?2)", -1, &insert, NULL) != SQLITE_OK)
        die(path);
    snprintf(path, sizeof path, "%s/tmp", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/new", dir);
    mkdir(path, 0700);
}

static int run_append(const char *layout, unsigned threads, unsigned messages)
{
    void *(*work)(void *) = strcmp(layout, "packs") == 0 ? packs : strcmp(layout, "blobs") == 0 ? blobs : files;
    pthread_t *t = calloc(threads, sizeof *t);
    unsigned *number = calloc(threads, sizeof *number);
    struct ph_local_counters before = { 0 }, after = { 0 };
    struct ph_err err;

    each = messages / threads;
    if (work == packs) {
        must(ph_local_root_new(dir, NULL, &root, &err), &err);
        struct user u = open_user();
        u.s->ops->close(u.s);
        u.st->ops->free(u.st);
        ph_local_count(root, &before);
    } else {
        open_db();
    }
    double from = now();
    for (unsigned i = 0; i < threads; i++) {
        number[i] = i;
        pthread_create(&t[i], NULL, work, &number[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    double s = now() - from;
    printf("%s, %u threads, %zu octets: %.0f messages/s", layout, threads, octets, each * threads / s);
    if (root) {
        ph_local_count(root, &after);
        printf(" (%.2f pack syncs and %.2f commits a message)",
               (double)(after.pack_syncs - before.pack_syncs) / (each * threads),
               (double)(after.commits - before.commits) / (each * threads));
        ph_local_root_free(root);
    }
    printf("\n");
    return 0;
}

/* ---- reading ---- */

static double scan(struct user *u, uint64_t since, struct ph_snapshot *snap)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_MODSEQ, .changed_since = since, .read_write = !since };
    struct ph_err err;
    double from = now();

    ph_snapshot_init(snap);
    must(u->s->ops->scan_begin(u->s, "INBOX", &req, snap, &err), &err);
    must(u->s->ops->scan_wait(u->s, snap, &err), &err);
    return now() - from;
}

static void flags(struct user *u, uint32_t first, uint32_t last)
{
    struct ph_numset set = PH_NUMSET_INIT;
    struct ph_flag_change ch = { .uids = &set, .flags = PH_F_SEEN, .keywords = "", .mode = PH_FLAGS_ADD };
    struct ph_flag_batch b = { .folder = "INBOX", .changes = &ch, .n = 1 };
    struct ph_err err;

    ph_numset_add_range(&set, first, last);
    must(u->s->ops->store_flags(u->s, &b, 1, &err), &err);
    ph_numset_done(&set);
}

static void headers(struct user *u, unsigned messages, uint32_t validity, const char *how)
{
    struct ph_body body;
    struct ph_err err;
    size_t sum = 0, n;
    const char *p;
    double from = now();

    for (uint32_t uid = 1; uid <= messages; uid++) {
        must(u->s->ops->serve->body_open(u->s, "INBOX", validity, uid, &body, &err), &err);
        must(u->s->ops->serve->body_at(u->s, 0, 4096, &p, &n, &err), &err);
        sum += (size_t)((const char *)memmem(p, n, "\r\n\r\n", 4) - p);
    }
    double s = now() - from;
    printf("headers of all messages, %s: %.2f s, %.0f a second (%zu octets)\n", how, s, messages / s, sum);
}

static void change_everything(struct user *u, unsigned messages)
{
    struct ph_numset all = PH_NUMSET_INIT;
    struct ph_err err, result;
    const char *name = "copy";
    double from = now();

    ph_numset_add_range(&all, 1, UINT32_MAX);
    flags(u, 1, messages);
    printf("a flag on all messages: %.2f s\n", now() - from);
    must(u->s->ops->create(u->s, &name, NULL, 1, &result, &err), &err);
    from = now();
    must(u->s->ops->copy(u->s, "INBOX", 0, &all, "copy", &err), &err);
    printf("COPY of all messages: %.2f s\n", now() - from);
    from = now();
    must(u->s->ops->expunge(u->s, "INBOX", 0, &all, false, &err), &err);
    printf("EXPUNGE of all messages: %.2f s\n", now() - from);
    ph_numset_done(&all);
}

static int run_read(unsigned messages)
{
    struct ph_snapshot snap;
    struct ph_err err;
    double from = now();

    octets = 2000;
    must(ph_local_root_new(dir, NULL, &root, &err), &err);
    struct user u = open_user();
    for (unsigned i = 0; i < messages; i += 500)
        append_many(&u, i, messages - i < 500 ? messages - i : 500);
    printf("filling %u messages of %zu octets, 500 in a batch: %.1f s\n", messages, octets, now() - from);
    double cpu = busy();
    printf("first SELECT: %.3f s", scan(&u, 0, &snap));
    printf(" (%.3f of the processor)", busy() - cpu);
    uint64_t modseq = snap.modseq;
    uint32_t validity = snap.uidvalidity;
    ph_snapshot_done(&snap);
    printf(", again %.3f s\n", scan(&u, 0, &snap));
    ph_snapshot_done(&snap);
    flags(&u, messages / 2, messages / 2 + 9);
    printf("ten changes since the last look: %.6f s", scan(&u, modseq, &snap));
    printf(" (%zu rows)\n", snap.n);
    ph_snapshot_done(&snap);
    headers(&u, messages, validity, "first time");
    headers(&u, messages, validity, "again");
    change_everything(&u, messages);
    u.s->ops->close(u.s);
    u.st->ops->free(u.st);
    ph_local_root_free(root);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "append") == 0) {
        dir = argv[2];
        octets = strtoul(argv[6], NULL, 10);
        return run_append(argv[3], (unsigned)strtoul(argv[4], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10));
    }
    if (argc == 4 && strcmp(argv[1], "read") == 0) {
        dir = argv[2];
        return run_read((unsigned)strtoul(argv[3], NULL, 10));
    }
    fprintf(stderr, "usage: see the head of bench/local_store.c\n");
    return 2;
}
