/* folders.c: the pairs of folders of this run, by name and by number.
 *
 * Kept in memory from the first time a pair is asked for, so that neither a new pair nor a baseline waits for the
 * disk. */
#include <stdlib.h>
#include <string.h>

#include "ledger/private.h"

static uint32_t hash_names(const char *src, const char *dst)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (const char *p = src; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    h *= 0x100000001b3u; /* a zero byte between */
    for (const char *p = dst; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

static uint32_t hash_id(int64_t id)
{
    return (uint32_t)id * 2654435761u;
}

static struct folder *find_name(const struct folder_table *t, const char *src, const char *dst, uint32_t hash)
{
    if (!t->cap_hash)
        return NULL;
    for (size_t i = hash & (t->cap_hash - 1); t->by_name[i]; i = (i + 1) & (t->cap_hash - 1)) {
        struct folder *f = t->f[t->by_name[i] - 1];
        if (f->hash == hash && strcmp(f->src, src) == 0 && strcmp(f->dst, dst) == 0)
            return f;
    }
    return NULL;
}

struct folder *ph_ledger_folder_by_id(const struct folder_table *t, int64_t id)
{
    if (!t->cap_hash)
        return NULL;
    for (size_t i = hash_id(id) & (t->cap_hash - 1); t->by_id[i]; i = (i + 1) & (t->cap_hash - 1))
        if (t->f[t->by_id[i] - 1]->id == id)
            return t->f[t->by_id[i] - 1];
    return NULL;
}

static void enter(uint32_t *table, size_t cap, uint32_t hash, size_t slot)
{
    size_t i = hash & (cap - 1);

    while (table[i])
        i = (i + 1) & (cap - 1);
    table[i] = (uint32_t)slot + 1;
}

/* Room for one more, the hash tables at most half full. */
static int grow(struct folder_table *t)
{
    if (t->n < t->cap)
        return 0;
    size_t cap = t->cap ? t->cap * 2 : 32, cap_hash = cap * 2;
    struct folder **f = realloc(t->f, cap * sizeof *f);
    if (!f)
        return -1;
    t->f = f;
    uint32_t *by_name = calloc(cap_hash, sizeof *by_name), *by_id = calloc(cap_hash, sizeof *by_id);
    if (!by_name || !by_id) {
        free(by_name);
        free(by_id);
        return -1;
    }
    for (size_t i = 0; i < t->n; i++) {
        enter(by_name, cap_hash, f[i]->hash, i);
        enter(by_id, cap_hash, hash_id(f[i]->id), i);
    }
    free(t->by_name);
    free(t->by_id);
    t->by_name = by_name;
    t->by_id = by_id;
    t->cap = cap;
    t->cap_hash = cap_hash;
    return 0;
}

static void free_folder(struct folder *f)
{
    if (f) {
        free(f->src);
        free(f->dst);
    }
    free(f);
}

void ph_ledger_folders_done(struct folder_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free_folder(t->f[i]);
    free(t->f);
    free(t->by_name);
    free(t->by_id);
    memset(t, 0, sizeof *t);
}

static void pack_baseline(const struct ph_baseline *b, unsigned char *p)
{
    const uint32_t v[] = { b->src_uidvalidity, b->src_uidnext, b->src_messages,
                           b->dst_uidvalidity, b->dst_uidnext, b->dst_messages };

    for (int i = 0; i < 6; i++)
        put_le(p + 4 * i, v[i], 4);
    put_le(p + 24, b->src_modseq, 8);
    put_le(p + 32, b->dst_modseq, 8);
    p[40] = b->complete;
    memset(p + 41, 0, BASELINE_BYTES - 41);
}

static void unpack_baseline(const unsigned char *p, struct ph_baseline *b)
{
    uint32_t *v[] = { &b->src_uidvalidity, &b->src_uidnext, &b->src_messages,
                      &b->dst_uidvalidity, &b->dst_uidnext, &b->dst_messages };

    for (int i = 0; i < 6; i++)
        *v[i] = (uint32_t)get_le(p + 4 * i, 4);
    b->src_modseq = get_le(p + 24, 8);
    b->dst_modseq = get_le(p + 32, 8);
    b->complete = p[40] != 0;
}

/* What an earlier run left of this pair: 1 with id and baseline, 0, -1. */
static int load(struct ph_ledger *l, struct folder *f, struct ph_err *err)
{
    struct ledger_db *db;
    sqlite3_stmt *st;
    int r = -1;

    if (ph_ledger_reader(l, 0, &db, err))
        return -1;
    st = ph_ledger_stmt(l, db, ST_FOLDER_GET, err);
    if (!st)
        goto out;
    sqlite3_bind_text(st, 1, f->src, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, f->dst, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        r = 1;
        f->id = sqlite3_column_int64(st, 0);
        const void *p = sqlite3_column_blob(st, 1);
        int n = sqlite3_column_bytes(st, 1);
        if (f->id <= 0 || f->id > INT32_MAX || (n && n < 41))
            r = ph_ledger_damaged(l, "a folder's record is wrong", err);
        else if (n)
            unpack_baseline(p, &f->baseline);
    } else {
        r = rc == SQLITE_DONE ? 0 : ph_ledger_db_fail(l, db, err);
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
out:
    ph_ledger_reader_back(l, db);
    return r;
}

static struct folder *new_folder(const char *src, const char *dst)
{
    struct folder *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->src = ph_str_dup(ph_str(src));
    f->dst = ph_str_dup(ph_str(dst));
    f->hash = hash_names(src, dst);
    if (f->src && f->dst)
        return f;
    free_folder(f);
    return NULL;
}

/* Enter it, a new one under the next number. */
static int insert(struct ph_ledger *l, struct folder *f, bool is_new, struct ph_err *err)
{
    struct folder_table *t = &l->folders;
    int r = 0;

    pthread_mutex_lock(&l->mu);
    if (grow(t)) {
        r = ph_fail_memory(err);
    } else if (is_new && l->next_folder > INT32_MAX) {
        r = ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "too many folders in one ledger");
    } else {
        if (is_new)
            f->id = l->next_folder++;
        f->dirty = is_new ? 0 : l->last_seq; /* intents of an earlier run may just be being resolved */
        enter(t->by_name, t->cap_hash, f->hash, t->n);
        enter(t->by_id, t->cap_hash, hash_id(f->id), t->n);
        t->f[t->n++] = f;
    }
    pthread_mutex_unlock(&l->mu);
    return r;
}

static int submit_folder(struct ph_ledger *l, const struct folder *f, struct ph_err *err)
{
    size_t ns = strlen(f->src), nd = strlen(f->dst);
    struct op *op = ph_ledger_op(OP_FOLDER, f->id, ns + nd, err);

    if (!op)
        return -1;
    op->n = ns;
    memcpy(op->data, f->src, ns);
    memcpy(op->data + ns, f->dst, nd);
    return ph_ledger_submit(l, op, false, NULL, err);
}

/* Under folder_mu, so that nobody gets a number whose op is not queued yet. */
static int find_or_make(struct ph_ledger *l, const char *src, const char *dst, int64_t *id, struct ph_err *err)
{
    pthread_mutex_lock(&l->mu);
    struct folder *f = find_name(&l->folders, src, dst, hash_names(src, dst));
    pthread_mutex_unlock(&l->mu);
    if (!f) {
        f = new_folder(src, dst);
        if (!f)
            return ph_fail_memory(err);
        int found = load(l, f, err);
        if (found < 0 || insert(l, f, !found, err)) {
            free_folder(f);
            return -1;
        }
        if (!found && submit_folder(l, f, err))
            return -1;
    }
    *id = f->id;
    return 0;
}

int ph_ledger_folder(struct ph_ledger *l, const char *src_folder, const char *dst_folder, int64_t *id,
                     struct ph_err *err)
{
    *id = 0;
    pthread_mutex_lock(&l->folder_mu);
    int r = find_or_make(l, src_folder, dst_folder, id, err);
    pthread_mutex_unlock(&l->folder_mu);
    return r;
}

static int no_folder(int64_t folder, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no folder of the ledger has the number %lld", (long long)folder);
}

int ph_ledger_baseline_get(struct ph_ledger *l, int64_t folder, struct ph_baseline *out, struct ph_err *err)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&l->mu);
    struct folder *f = ph_ledger_folder_by_id(&l->folders, folder);
    if (f)
        *out = f->baseline;
    pthread_mutex_unlock(&l->mu);
    return f ? 0 : no_folder(folder, err);
}

int ph_ledger_baseline_set(struct ph_ledger *l, int64_t folder, const struct ph_baseline *b, struct ph_err *err)
{
    struct op *op = ph_ledger_op(OP_BASELINE, folder, BASELINE_BYTES, err);

    if (!op)
        return -1;
    pack_baseline(b, op->data);
    pthread_mutex_lock(&l->mu);
    struct folder *f = ph_ledger_folder_by_id(&l->folders, folder);
    if (f)
        f->baseline = *b;
    pthread_mutex_unlock(&l->mu);
    if (!f) {
        free(op);
        return no_folder(folder, err);
    }
    return ph_ledger_submit(l, op, false, NULL, err);
}

int ph_ledger_dirty(struct ph_ledger *l, int64_t folder, uint64_t *seq, struct ph_err *err)
{
    if (folder < 0 || folder > INT32_MAX)
        return no_folder(folder, err);
    pthread_mutex_lock(&l->mu);
    struct folder *f = ph_ledger_folder_by_id(&l->folders, folder);
    *seq = !f ? l->last_seq : f->dirty > l->drop_dirty ? f->dirty : l->drop_dirty;
    pthread_mutex_unlock(&l->mu);
    return 0;
}
