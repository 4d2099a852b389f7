/* pack.c: the packs that this process appends to.
 *
 * A pack that is written to is locked (flock), so each process has its own; the lock dies with the process. Its end as of
 * the last commit is in the index: what lies behind it when the lock is taken was never acknowledged, and is cut off.
 * Short messages are put at the end in one write; a long one has a pack for itself while it comes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "store/local/private.h"

static const char pack_magic[8] = "PHPACK1\n", record_magic[8] = "PHMESG1\n";

static void put_le(unsigned char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const unsigned char *p, int n)
{
    uint64_t v = 0;

    for (int i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static uint32_t sum_of(const unsigned char *p, size_t n)
{
    return (uint32_t)crc32(crc32(0, NULL, 0), p, (uInt)n);
}

/* magic 8, size 6, flags 1, 0, SHA-256 32, date 8, zone 2 (+ 32768), 0 0, CRC-32 of all that 4; little-endian */
void ph_local_record_put(const struct local_record *r, unsigned char out[RECORD_HEADER])
{
    memset(out, 0, RECORD_HEADER);
    memcpy(out, record_magic, 8);
    put_le(out + 8, r->size, 6);
    out[14] = (unsigned char)r->flags;
    memcpy(out + 16, r->hash, 32);
    put_le(out + 48, (uint64_t)r->epoch, 8);
    put_le(out + 56, (uint64_t)(r->zone_min + 32768), 2);
    put_le(out + 60, sum_of(out, 60), 4);
}

bool ph_local_record_get(const unsigned char in[RECORD_HEADER], struct local_record *r)
{
    if (memcmp(in, record_magic, 8) != 0 || get_le(in + 60, 4) != sum_of(in, 60))
        return false;
    r->size = get_le(in + 8, 6);
    r->flags = in[14];
    memcpy(r->hash, in + 16, 32);
    r->epoch = (int64_t)get_le(in + 48, 8);
    r->zone_min = (int)get_le(in + 56, 2) - 32768;
    return true;
}

/* magic 8, number 4, CRC-32 of both 4, zeros */
static void put_pack_header(uint32_t number, unsigned char out[PACK_HEADER])
{
    memset(out, 0, PACK_HEADER);
    memcpy(out, pack_magic, 8);
    put_le(out + 8, number, 4);
    put_le(out + 12, sum_of(out, 12), 4);
}

bool ph_local_pack_header_ok(const unsigned char in[PACK_HEADER], uint32_t number)
{
    unsigned char want[PACK_HEADER];

    put_pack_header(number, want);
    return memcmp(in, want, PACK_HEADER) == 0;
}

int ph_local_pack_path(const struct local_user *u, uint32_t number, struct ph_buf *out)
{
    char digits[16];
    size_t n = 0;

    for (uint32_t v = number; v || n < 6; v /= 10)
        digits[n++] = (char)('0' + v % 10);
    ph_buf_clear(out);
    ph_buf_add_z(out, u->dir);
    ph_buf_add_z(out, "/packs/");
    while (n)
        ph_buf_add_char(out, digits[--n]);
    ph_buf_add_z(out, ".pack");
    ph_buf_z(out);
    return out->failed ? -1 : 0;
}

static uint32_t number_of(const char *name)
{
    uint64_t v = 0;
    size_t n = strspn(name, "0123456789");

    if (n < 6 || n > 10 || strcmp(name + n, ".pack") != 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (uint64_t)(name[i] - '0');
    return v <= UINT32_MAX ? (uint32_t)v : 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

int ph_local_pack_list(struct local_user *u, uint32_t **out, size_t *n, size_t *foreign, struct ph_err *err)
{
    struct ph_buf path = PH_BUF_INIT, found = PH_BUF_INIT;
    int r = 0;

    *out = NULL;
    *n = *foreign = 0;
    ph_buf_add_z(&path, u->dir);
    ph_buf_add_z(&path, "/packs");
    DIR *d = opendir(ph_buf_z(&path));
    if (!d && errno != ENOENT)
        r = ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot read %s/packs", u->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint32_t number = number_of(e->d_name);
        if (number)
            ph_buf_add(&found, &number, sizeof number);
        else if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            ++*foreign;
    }
    if (d)
        closedir(d);
    if (found.failed || path.failed) {
        r = ph_fail_memory(err);
    } else if (ph_buf_len(&found)) {
        *n = ph_buf_len(&found) / sizeof **out;
        *out = malloc(*n * sizeof **out);
        if (!*out)
            r = ph_fail_memory(err);
        else
            memcpy(*out, ph_buf_data(&found), *n * sizeof **out);
    }
    if (*out)
        qsort(*out, *n, sizeof **out, compare_numbers);
    ph_buf_done(&path);
    ph_buf_done(&found);
    return r;
}

/* ---- octets ---- */

int ph_local_pack_write(struct local_pack *p, uint64_t at, const void *data, size_t n, struct ph_err *err)
{
    const char *from = data;

    while (n) {
        ssize_t got = pwrite(p->fd, from, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int bad = errno;
            return ph_fail_errno(err, PH_SCOPE_MESSAGE, bad == EDQUOT ? PH_E_QUOTA : PH_E_SYSTEM, bad,
                                 "cannot write the message");
        }
        from += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

void ph_local_pack_cut(struct local_pack *p, uint64_t tail)
{
    if (ftruncate(p->fd, (off_t)tail))
        p->failed = true; /* nothing goes in behind what is half there */
}

/* ---- taking one ---- */

static void close_pack(struct local_pack *p)
{
    close(p->fd);
    free(p);
}

/* A pack that is there and that nobody writes to, up to its committed end; false: this one is not to be had. */
static bool try_pack(struct local_user *u, struct local_db *db, uint32_t number, struct local_pack *p)
{
    struct ph_buf path = PH_BUF_INIT;
    unsigned char head[PACK_HEADER];
    struct stat st;
    int64_t tail = 0;

    p->fd = ph_local_pack_path(u, number, &path) ? -1 : open(ph_buf_data(&path), O_RDWR | O_CLOEXEC);
    ph_buf_done(&path);
    if (p->fd < 0)
        return false;
    /* read after the lock is there: its last owner has committed all that it will */
    if (flock(p->fd, LOCK_EX | LOCK_NB) == 0 && pread(p->fd, head, sizeof head, 0) == sizeof head &&
        ph_local_pack_header_ok(head, number) && fstat(p->fd, &st) == 0 && st.st_nlink == 1 &&
        local_number(db, NULL, &tail, "SELECT tail FROM pack WHERE id = ?1 AND NOT sealed", LI(number)) == 1 &&
        tail >= PACK_HEADER && st.st_size >= tail && (st.st_size == tail || ftruncate(p->fd, tail) == 0)) {
        p->number = number;
        p->tail = (uint64_t)tail;
        return true;
    }
    close(p->fd);
    return false;
}

/* The connection of the leader may be busy; this one is our own, and each statement sees what is committed. */
static bool take_old(struct local_user *u, struct local_pack *p)
{
    uint32_t candidates[8];
    size_t n = 0;
    struct local_db *db;
    bool got = false;

    if (ph_local_read_begin(u, &db, NULL))
        return false;
    sqlite3_stmt *st = local_prepare(db, NULL, "SELECT id FROM pack WHERE NOT sealed AND tail < ?1 ORDER BY id DESC LIMIT 8",
                                     LI(u->root->opt.pack_size));
    while (st && n < 8 && ph_local_step(db, st, NULL) > 0)
        candidates[n++] = (uint32_t)sqlite3_column_int64(st, 0);
    if (st)
        sqlite3_reset(st);
    local_exec(db, NULL, "COMMIT"); /* what was seen so far may be older than the lock */
    for (size_t i = n; i-- > 0 && !got;) {
        bool ours = false;
        for (struct local_pack *q = u->packs; q; q = q->next)
            ours = ours || q->number == candidates[i];
        got = !ours && try_pack(u, db, candidates[i], p);
    }
    local_exec(db, NULL, "BEGIN");
    ph_local_read_end(u, db);
    return got;
}

/* The first number above all that were ever used. */
static int make_new(struct local_user *u, struct local_pack *p, struct ph_err *err)
{
    struct ph_buf path = PH_BUF_INIT;
    unsigned char head[PACK_HEADER];
    uint32_t *have, last;
    size_t n, foreign;
    struct local_db *db;
    int64_t used = 0;
    int r = 0;

    if (ph_local_pack_list(u, &have, &n, &foreign, err))
        return -1;
    last = n ? have[n - 1] : 0;
    free(have);
    if (ph_local_read_begin(u, &db, err))
        return -1;
    if (local_number(db, err, &used, "SELECT pack FROM state") < 0)
        r = -1;
    ph_local_read_end(u, db);
    p->fd = -1;
    p->number = (uint32_t)used > last ? (uint32_t)used : last;
    while (!r && p->fd < 0) {
        p->number++;
        r = ph_local_pack_path(u, p->number, &path) ? ph_fail_memory(err) : 0;
        if (!r && (p->fd = open(ph_buf_data(&path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0 && errno != EEXIST) {
            int bad = errno;
            r = ph_fail_errno(err, PH_SCOPE_FOLDER, bad == EACCES || bad == EROFS ? PH_E_PERMISSION : PH_E_SYSTEM, bad,
                              "cannot make %s", ph_buf_data(&path));
        }
    }
    put_pack_header(p->number, head);
    if (!r && (flock(p->fd, LOCK_EX | LOCK_NB) || ph_local_pack_write(p, 0, head, sizeof head, err))) {
        r = ph_fail_errno(err, PH_SCOPE_FOLDER, PH_E_SYSTEM, errno, "cannot begin %s", ph_buf_data(&path));
        unlink(ph_buf_data(&path));
        close(p->fd);
    }
    p->tail = PACK_HEADER;
    p->new_entry = true;
    ph_buf_done(&path);
    return r;
}

/* Packs that are full or have failed, and that no commit waits for. Under pack_mu. */
static void close_full(struct local_user *u)
{
    for (struct local_pack **at = &u->packs; *at;) {
        struct local_pack *p = *at;
        if (p->users == 0 && !p->busy && !p->need_sync && (p->failed || p->tail >= u->root->opt.pack_size)) {
            *at = p->next;
            close_pack(p);
        } else {
            at = &p->next;
        }
    }
}

/* Under pack_mu. */
static int take(struct local_user *u, struct local_pack **out, struct ph_err *err)
{
    struct local_pack *p;

    *out = NULL;
    close_full(u);
    for (p = u->packs; p; p = p->next)
        if (!p->busy && !p->failed && p->tail < u->root->opt.pack_size)
            break;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return ph_fail_memory(err);
        if (!take_old(u, p) && make_new(u, p, err)) {
            free(p);
            return -1;
        }
        p->next = u->packs;
        u->packs = p;
    }
    *out = p;
    return 0;
}

int ph_local_pack_take(struct local_user *u, struct local_pack **out, struct ph_err *err)
{
    pthread_mutex_lock(&u->pack_mu);
    int r = take(u, out, err);
    if (!r) {
        (*out)->busy = true;
        (*out)->users++;
    }
    pthread_mutex_unlock(&u->pack_mu);
    return r;
}

void ph_local_pack_free(struct local_user *u, struct local_pack *p, bool need_sync)
{
    pthread_mutex_lock(&u->pack_mu);
    p->busy = false;
    p->need_sync = p->need_sync || need_sync;
    pthread_mutex_unlock(&u->pack_mu);
}

int ph_local_pack_add(struct local_user *u, const void *data, size_t n, struct local_pack **pack, uint64_t *off,
                      struct ph_err *err)
{
    struct local_pack *p;

    *pack = NULL;
    pthread_mutex_lock(&u->pack_mu);
    int r = take(u, &p, err);
    if (!r && (r = ph_local_pack_write(p, p->tail, data, n, err))) {
        ph_local_pack_cut(p, p->tail);
    } else if (!r) {
        *off = p->tail;
        p->tail += n;
        p->need_sync = true;
        p->users++;
        *pack = p;
    }
    pthread_mutex_unlock(&u->pack_mu);
    return r;
}

void ph_local_pack_unuse(struct local_user *u, struct local_pack *p)
{
    pthread_mutex_lock(&u->pack_mu);
    p->users--;
    pthread_mutex_unlock(&u->pack_mu);
}

bool ph_local_pack_lost(struct local_user *u, const struct local_pack *p)
{
    pthread_mutex_lock(&u->pack_mu);
    bool lost = p->failed;
    pthread_mutex_unlock(&u->pack_mu);
    return lost;
}

/* ---- syncing ---- */

void ph_local_packs_sync(struct local_user *u)
{
    struct ph_buf dir = PH_BUF_INIT;

    pthread_mutex_lock(&u->pack_mu);
    uint64_t round = ++u->pack_round;
    pthread_mutex_unlock(&u->pack_mu);
    for (;;) {
        struct local_pack *p;
        pthread_mutex_lock(&u->pack_mu);
        /* each once: what comes in meanwhile is of the next group */
        for (p = u->packs; p && (!p->need_sync || p->round == round); p = p->next)
            ;
        bool entry = p && p->new_entry;
        if (p) {
            p->round = round;
            p->need_sync = p->new_entry = false;
            p->users++; /* stays */
        }
        pthread_mutex_unlock(&u->pack_mu);
        if (!p)
            break;
        bool bad = fdatasync(p->fd) != 0;
        if (!bad && entry) {
            ph_buf_clear(&dir);
            ph_buf_add_z(&dir, u->dir);
            ph_buf_add_z(&dir, "/packs");
            bad = ph_local_sync_dir(ph_buf_z(&dir), NULL) != 0;
        }
        atomic_fetch_add(&u->root->pack_syncs, 1);
        pthread_mutex_lock(&u->pack_mu);
        p->users--;
        p->failed = p->failed || bad; /* the system has forgotten what it could not write: no second try can help */
        pthread_mutex_unlock(&u->pack_mu);
    }
    ph_buf_done(&dir);
}

void ph_local_packs_close(struct local_user *u)
{
    pthread_mutex_lock(&u->pack_mu);
    while (u->packs) {
        struct local_pack *p = u->packs;
        u->packs = p->next;
        close_pack(p);
    }
    ph_local_files_close(u);
    pthread_mutex_unlock(&u->pack_mu);
}
