/* recover.c: mail from packs alone: records are found by their headers, believed by their SHA-256, and put into the mailbox
 * "Recovered". What was removed and not yet compacted comes back, too: a pack does not know what the index knew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "store/local/check.h"
#include "store/local/incoming.h"

#define PIECE 65536

/* SHA-256 of size octets from `at` on; also the first of them, for the header. -1: they cannot be read. */
static int hash_octets(int fd, uint64_t at, uint64_t size, unsigned char hash[32], struct ph_buf *first)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    char *buf = malloc(PIECE);
    int r = md && buf && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 ? 0 : -1;

    while (!r && size) {
        ssize_t n = pread(fd, buf, size < PIECE ? (size_t)size : PIECE, (off_t)at);
        if (n <= 0)
            r = -1;
        else {
            EVP_DigestUpdate(md, buf, (size_t)n);
            if (first && ph_buf_len(first) == 0)
                ph_buf_add(first, buf, (size_t)n);
            at += (uint64_t)n;
            size -= (uint64_t)n;
        }
    }
    if (!r)
        EVP_DigestFinal_ex(md, hash, NULL);
    EVP_MD_CTX_free(md);
    free(buf);
    return r;
}

int ph_local_hash_record(int fd, uint64_t off, uint64_t size, unsigned char hash[32])
{
    return hash_octets(fd, off + RECORD_HEADER, size, hash, NULL);
}

/* Where the next header may be, from `at` on: the magic's place, or the end. */
static uint64_t next_magic(int fd, uint64_t at, uint64_t size)
{
    struct local_record none = { 0 };
    unsigned char magic[RECORD_HEADER];
    char *buf = malloc(PIECE);

    ph_local_record_put(&none, magic);
    while (buf && at < size) {
        ssize_t n = pread(fd, buf, PIECE, (off_t)at);
        if (n < 8)
            break;
        char *hit = memmem(buf, (size_t)n, magic, 8);
        if (hit) {
            at += (uint64_t)(hit - buf);
            free(buf);
            return at;
        }
        at += (uint64_t)n - 7;
    }
    free(buf);
    return size;
}

int ph_local_pack_walk(int fd, uint32_t number, int (*each)(void *ctx, const struct local_found_record *f, struct ph_err *err),
                       void *ctx, uint64_t *end, struct ph_err *err)
{
    unsigned char head[RECORD_HEADER], hash[32];
    off_t file = lseek(fd, 0, SEEK_END);
    uint64_t at = PACK_HEADER, size = file > 0 ? (uint64_t)file : 0;

    *end = PACK_HEADER;
    while (at + RECORD_HEADER <= size) {
        struct local_found_record f = { .off = at };
        if (pread(fd, head, sizeof head, (off_t)at) != sizeof head)
            return ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot read pack %06u", number);
        if (!ph_local_record_get(head, &f.r) || f.r.size > size - at - RECORD_HEADER) {
            at = next_magic(fd, at + 1, size);
            continue;
        }
        f.damaged = ph_local_hash_record(fd, at, f.r.size, hash) || memcmp(hash, f.r.hash, 32) != 0;
        if (f.damaged) { /* its length may be as wrong as its octets */
            at = next_magic(fd, at + 1, size);
            continue;
        }
        if (each && each(ctx, &f, err))
            return -1;
        at += RECORD_HEADER + f.r.size;
        *end = at;
    }
    return 0;
}

/* ---- into the mailbox ---- */

struct recovering {
    struct local_check *c;
    struct local_db *db;
    uint32_t number;
    int fd;
    uint64_t n;
    struct local_mailbox mb;
    bool has_mailbox;
};

static int mailbox(struct recovering *x, struct ph_err *err)
{
    struct local_user *u = x->c->u;
    char name[] = "Recovered";
    const struct local_where w = { .u = u, .name = name, .who = u->name };
    struct ph_err why = { 0 };
    int64_t id;

    if (x->has_mailbox)
        return 0;
    if (ph_local_find(x->db, &w, 0, &x->mb, &why) && why.kind != PH_E_NOTFOUND)
        return err ? *err = why, -1 : -1;
    if (why.kind == PH_E_NOTFOUND &&
        (ph_local_mailbox_make(u, x->db, name, 0, false, &id, err) || ph_local_find(x->db, &w, 0, &x->mb, err)))
        return -1;
    x->mb.noselect = 0;
    x->has_mailbox = true;
    return 0;
}

static int recover_one(void *ctx, const struct local_found_record *f, struct ph_err *err)
{
    struct recovering *x = ctx;
    struct local_message m = { .flags = f->r.flags & 0x1f, .epoch = f->r.epoch, .zone_min = f->r.zone_min, .size = f->r.size,
                               .saved = (int64_t)time(NULL) };
    struct ph_buf first = PH_BUF_INIT;
    unsigned char hash[32];
    int64_t known;

    if (local_number(x->db, err, &known, "SELECT 1 FROM temp.seen WHERE hash = ?1", LB(f->r.hash, 16)) < 0)
        return -1;
    if (known)
        return 0;
    if (mailbox(x, err) || local_exec(x->db, err, "INSERT INTO temp.seen(hash) VALUES(?1)", LB(f->r.hash, 16)))
        return -1;
    int r = hash_octets(x->fd, f->off + RECORD_HEADER, f->r.size < PIECE ? f->r.size : PIECE, hash, &first);
    int64_t thread = r ? 0 : ph_local_thread_of(ph_buf_str(&first).p, ph_buf_len(&first));
    ph_buf_done(&first);
    m.modseq = ph_local_next_modseq(x->c->u);
    if (ph_local_body_add(x->c->u, x->db, x->number, f->off, f->r.size, f->r.hash, thread, &m.body, err) ||
        ph_local_message_add(x->c->u, x->db, &x->mb, &m, err))
        return -1;
    x->mb.modseq = m.modseq;
    x->n++;
    return 0;
}

int ph_local_recover(struct local_check *c, struct local_db *db, uint32_t number, int fd, uint64_t *n, struct ph_err *err)
{
    struct recovering x = { .c = c, .db = db, .number = number, .fd = fd };
    unsigned char head[PACK_HEADER];
    uint64_t end;

    *n = 0;
    if (ph_local_script(db, "CREATE TEMP TABLE IF NOT EXISTS seen(hash BLOB PRIMARY KEY) WITHOUT ROWID;"
                            "DELETE FROM temp.seen; INSERT OR IGNORE INTO temp.seen SELECT hash FROM body", err))
        return -1;
    if (ph_local_pack_walk(fd, number, recover_one, &x, &end, err))
        return -1;
    if (x.has_mailbox && ph_local_mailbox_save(db, &x.mb, err))
        return -1;
    *n = x.n;
    /* nothing is appended to a pack that has been through this: its end is not certain */
    bool ok = pread(fd, head, sizeof head, 0) == sizeof head && ph_local_pack_header_ok(head, number);
    if (x.n && !ok)
        ph_local_found(c, 0, "pack %06u has lost its beginning; it is read nevertheless", number);
    return local_exec(db, err, "UPDATE pack SET sealed = 1, tail = max(tail, ?2) WHERE id = ?1", LI(number), LI(end));
}
