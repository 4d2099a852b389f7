/* users.c: reading the file, and answering from what was read. */
#include "daemon/users.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "daemon/users_file.h"
#include "daemon/verifier.h"
#include "sasl/sasl.h"

/* What one thread was lent. It knows nothing of the users: a thread may come to its end after they have been freed. */
struct loan {
    struct ph_buf sha256, sha1;
};

struct ph_users {
    char *path;
    void (*warn)(void *ctx, const char *text);
    void *ctx;
    pthread_mutex_t lock; /* over what follows */
    struct ph_users_table *table;
    struct stat seen;     /* the file that was read, or tried */
    pthread_key_t loan_key;
    unsigned char own_key[32]; /* where the file has none: lasts as long as the process */
};

static void loan_free(void *p)
{
    struct loan *l = p;

    if (!l)
        return;
    ph_buf_clear(&l->sha256);
    ph_wipe(l->sha256.mem, l->sha256.cap); /* it may have been a password */
    ph_buf_done(&l->sha256);
    ph_buf_done(&l->sha1);
    free(l);
}

static struct loan *my_loan(struct ph_users *u)
{
    struct loan *l = pthread_getspecific(u->loan_key);

    if (l)
        return l;
    l = calloc(1, sizeof *l);
    if (l && pthread_setspecific(u->loan_key, l)) {
        free(l);
        l = NULL;
    }
    return l;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void warn(struct ph_users *u, const char *text)
{
    if (u->warn)
        u->warn(u->ctx, text);
}

static void warn_of_mode(struct ph_users *u, const struct stat *st)
{
    struct ph_err e;

    if (st->st_mode & 0044 && st->st_mode & 0004) {
        ph_fail(&e, PH_SCOPE_JOB, PH_E_SYSTEM, "%s can be read by everybody on this machine: chmod o-r", u->path);
        warn(u, e.text);
    }
}

/* The table as the file is now, a reference to it. Reading happens under the lock: once, however many ask. */
static struct ph_users_table *current(struct ph_users *u)
{
    struct stat st;
    struct ph_err err;

    pthread_mutex_lock(&u->lock);
    if (stat(u->path, &st) == 0 && !same_file(&st, &u->seen)) {
        struct ph_users_table *fresh;
        u->seen = st;
        if (ph_users_table_read(u->path, &fresh, &u->seen, &err) == 0) {
            ph_users_table_unref(u->table);
            u->table = fresh;
            warn_of_mode(u, &st);
        } else {
            warn(u, err.text);
        }
    }
    struct ph_users_table *t = ph_users_table_ref(u->table);
    pthread_mutex_unlock(&u->lock);
    return t;
}

int ph_users_new(const char *path, void (*warn_fn)(void *, const char *), void *ctx, struct ph_users **out, struct ph_err *err)
{
    struct ph_users *u = calloc(1, sizeof *u);

    *out = NULL;
    if (!u || !(u->path = ph_str_dup(ph_str(path))) || pthread_key_create(&u->loan_key, loan_free)) {
        if (u)
            free(u->path);
        free(u);
        return ph_fail_memory(err);
    }
    pthread_mutex_init(&u->lock, NULL);
    u->warn = warn_fn;
    u->ctx = ctx;
    if (RAND_bytes(u->own_key, sizeof u->own_key) != 1) {
        ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "no random numbers to be had");
        ph_users_free(u);
        return -1;
    }
    if (ph_users_table_read(path, &u->table, &u->seen, err)) {
        ph_users_free(u);
        return -1;
    }
    warn_of_mode(u, &u->seen);
    *out = u;
    return 0;
}

void ph_users_free(struct ph_users *u)
{
    if (!u)
        return;
    loan_free(pthread_getspecific(u->loan_key));
    pthread_key_delete(u->loan_key);
    ph_users_table_unref(u->table);
    pthread_mutex_destroy(&u->lock);
    ph_wipe(u->own_key, sizeof u->own_key);
    free(u->path);
    free(u);
}

/* Whom a name that does not exist is treated like: always the same one of those that do. */
static const struct ph_users_entry *stand_in(const struct ph_users_table *t, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: only spreads the names */

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return t->n ? &t->entry[h % t->n] : NULL;
}

int ph_users_check(struct ph_users *u, const char *name, struct ph_str password)
{
    static const struct ph_users_entry nobody = {
        .kind = PH_VERIFIER_SCRAM_SHA256,
        .main = "15000,AAAAAAAAAAAAAAAAAAAAAA==,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    struct ph_users_table *t = current(u);
    const struct ph_users_entry *e = ph_users_table_find(t, name);
    const struct ph_users_entry *measure = e ? e : stand_in(t, name);
    bool fits;

    if (!measure)
        measure = &nobody;
    fits = ph_verifier_check(measure->kind, measure->main, password);
    ph_users_table_unref(t);
    return e && fits ? 0 : -1;
}

bool ph_users_have(struct ph_users *u, const char *name)
{
    struct ph_users_table *t = current(u);
    bool found = ph_users_table_find(t, name) != NULL;

    ph_users_table_unref(t);
    return found;
}

static bool all(struct ph_users *u, bool (*has)(const struct ph_users_entry *e), bool of_nobody)
{
    struct ph_users_table *t = current(u);
    bool rc = t->n || of_nobody;

    for (size_t i = 0; rc && i < t->n; i++)
        rc = has(&t->entry[i]);
    ph_users_table_unref(t);
    return rc;
}

static bool has_plain(const struct ph_users_entry *e)
{
    return e->plain;
}

static bool has_scram(const struct ph_users_entry *e)
{
    return e->plain || (e->scram_sha256 && e->scram_sha1);
}

bool ph_users_all_scram(struct ph_users *u)
{
    return all(u, has_scram, true);
}

bool ph_users_all_plain(struct ph_users *u)
{
    return all(u, has_plain, false);
}

static const char *scram_for(struct ph_users *u, const struct ph_users_table *t, enum ph_verifier_kind kind,
                             const struct ph_users_entry *e, const char *name, struct ph_buf *out)
{
    const char *own = !e ? NULL : kind == PH_VERIFIER_SCRAM_SHA1 ? e->scram_sha1 : e->scram_sha256;
    struct ph_str key = t->key.n ? t->key : (struct ph_str){ (const char *)u->own_key, sizeof u->own_key };
    unsigned iterations = PH_SCRAM_ITERATIONS;

    ph_buf_clear(out);
    if (own) {
        ph_buf_add_z(out, own);
    } else {
        const struct ph_users_entry *like = stand_in(t, name);
        const char *its = !like ? NULL : kind == PH_VERIFIER_SCRAM_SHA1 ? like->scram_sha1 : like->scram_sha256;
        if (its)
            iterations = ph_verifier_iterations(its);
        if (ph_verifier_pretend(kind, iterations, key, name, out))
            return NULL;
    }
    return out->failed ? NULL : ph_buf_z(out);
}

int ph_users_verifier(struct ph_users *u, const char *name, struct ph_server_verifier *v)
{
    struct loan *l = my_loan(u);

    *v = (struct ph_server_verifier){ 0 };
    if (!l)
        return -1;
    struct ph_users_table *t = current(u);
    const struct ph_users_entry *e = ph_users_table_find(t, name), *like = e ? e : stand_in(t, name);
    if (like && like->plain) {
        int rc = -1;
        ph_buf_clear(&l->sha256);
        if (e && ph_buf_add_z(&l->sha256, e->plain) == 0) {
            v->password = ph_buf_z(&l->sha256);
            rc = 0;
        }
        ph_users_table_unref(t);
        return rc;
    }
    v->scram_sha256 = scram_for(u, t, PH_VERIFIER_SCRAM_SHA256, e, name, &l->sha256);
    v->scram_sha1 = scram_for(u, t, PH_VERIFIER_SCRAM_SHA1, e, name, &l->sha1);
    ph_users_table_unref(t);
    return v->scram_sha256 && v->scram_sha1 ? 0 : -1;
}
