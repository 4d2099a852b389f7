/* root.c: the root directory, its users, and which of them are open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/local/private.h"
#include "store/local/tasks.h"

/* ---- names and directories ---- */

static bool safe(char c, size_t at)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '@' || c == '-' || c == '_' || c == '+' || c == '=' ||
           (c == '.' && at > 0);
}

/* Capitals are encoded, too: two users whose names differ in case must not meet on a file system that does not tell. */
int ph_local_encode_name(const char *user, struct ph_buf *out, struct ph_err *err)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = strlen(user), before = ph_buf_len(out);

    for (size_t i = 0; i < n; i++)
        if (safe(user[i], i)) {
            ph_buf_add_char(out, user[i]);
        } else {
            ph_buf_add_char(out, '%');
            ph_buf_add_char(out, hex[(unsigned char)user[i] >> 4]);
            ph_buf_add_char(out, hex[user[i] & 15]);
        }
    if (out->failed)
        return ph_fail_memory(err);
    if (n == 0 || ph_buf_len(out) - before > 255)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, n ? "the user's name is too long" : "a user needs a name");
    return 0;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false: no name that we make. */
static bool decode_name(const char *file, struct ph_buf *out)
{
    for (const char *p = file; *p; p++) {
        if (*p != '%') {
            if (!safe(*p, (size_t)(p - file)))
                return false;
            ph_buf_add_char(out, *p);
            continue;
        }
        int hi = nibble(p[1]), lo = hi < 0 ? -1 : nibble(p[2]);
        if (lo < 0 || hi * 16 + lo == 0)
            return false;
        ph_buf_add_char(out, (char)(hi * 16 + lo));
        p += 2;
    }
    return !out->failed && ph_buf_len(out) > 0;
}

int ph_local_sync_dir(const char *path, struct ph_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), bad = 0;

    if (fd < 0 || fsync(fd))
        bad = errno;
    if (fd >= 0)
        close(fd);
    return bad ? ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, bad, "cannot sync %s", path) : 0;
}

int ph_local_make_dir(const char *path, struct ph_err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    int bad = errno;
    return ph_fail_errno(err, PH_SCOPE_STORE, bad == EACCES || bad == EPERM || bad == EROFS ? PH_E_PERMISSION : PH_E_SYSTEM,
                         bad, "cannot make %s", path);
}

/* Each directory that is made has its entry synced. */
static int make_dirs(const char *path, struct ph_err *err)
{
    char *copy = strdup(path), *parent = strdup(path);
    int r = copy && parent ? 0 : ph_fail_memory(err);

    for (char *p = copy; !r && p;) {
        p = strchr(p + 1, '/');
        if (p)
            *p = '\0';
        struct stat st;
        if (*copy && stat(copy, &st)) {
            memcpy(parent, copy, strlen(copy) + 1);
            char *slash = strrchr(parent, '/');
            if (slash)
                slash[slash == parent] = '\0';
            r = ph_local_make_dir(copy, err) || ph_local_sync_dir(slash ? parent : ".", err) ? -1 : 0;
        }
        if (p)
            *p = '/';
    }
    free(copy);
    free(parent);
    return r;
}

/* ---- users ---- */

static uint64_t hash(const char *z)
{
    uint64_t h = 0xcbf29ce484222325u;

    while (*z)
        h = (h ^ (unsigned char)*z++) * 0x100000001b3u;
    return h ^ h >> 32;
}

static void free_user(struct local_user *u)
{
    pthread_mutex_destroy(&u->open_mu);
    pthread_mutex_destroy(&u->mu);
    pthread_mutex_destroy(&u->pack_mu);
    pthread_mutex_destroy(&u->cache_mu);
    pthread_cond_destroy(&u->done);
    ph_buf_done(&u->cache_queue);
    free(u->name);
    free(u->dir);
    free(u);
}

static struct local_user *new_user(struct ph_local_root *root, const char *name, struct ph_err *err)
{
    struct local_user *u = calloc(1, sizeof *u);
    struct ph_buf dir = PH_BUF_INIT;

    if (!u) {
        ph_fail_memory(err);
        return NULL;
    }
    pthread_mutex_init(&u->open_mu, NULL);
    pthread_mutex_init(&u->mu, NULL);
    pthread_mutex_init(&u->pack_mu, NULL);
    pthread_mutex_init(&u->cache_mu, NULL);
    pthread_cond_init(&u->done, NULL);
    u->root = root;
    u->lock_fd = u->watch_descriptor = -1;
    u->queue_end = &u->queue;
    u->name = strdup(name);
    ph_buf_add_z(&dir, root->path);
    ph_buf_add_z(&dir, "/users/");
    bool bad = ph_local_encode_name(name, &dir, err) != 0;
    u->dir = bad ? NULL : strdup(ph_buf_z(&dir));
    if (!bad && (!u->name || !u->dir))
        bad = ph_fail_memory(err);
    ph_buf_done(&dir);
    if (!bad)
        return u;
    free_user(u);
    return NULL;
}

static int grow_table(struct ph_local_root *root)
{
    size_t cap = root->cap_users ? root->cap_users * 2 : 64;
    struct local_user **t = calloc(cap, sizeof *t);

    if (!t)
        return -1;
    for (size_t i = 0; i < root->cap_users; i++)
        while (root->users[i]) {
            struct local_user *u = root->users[i];
            root->users[i] = u->next;
            u->next = t[hash(u->name) & (cap - 1)];
            t[hash(u->name) & (cap - 1)] = u;
        }
    free(root->users);
    root->users = t;
    root->cap_users = cap;
    return 0;
}

static struct local_user *find_user(struct ph_local_root *root, const char *name, struct ph_err *err)
{
    struct local_user *u = NULL;

    pthread_mutex_lock(&root->mu);
    if (root->cap_users)
        for (u = root->users[hash(name) & (root->cap_users - 1)]; u && strcmp(u->name, name) != 0; u = u->next)
            ;
    if (!u && root->n_users >= root->cap_users && grow_table(root)) {
        ph_fail_memory(err);
    } else if (!u && (u = new_user(root, name, err))) {
        struct local_user **at = &root->users[hash(name) & (root->cap_users - 1)];
        u->next = *at;
        *at = u;
        root->n_users++;
    }
    pthread_mutex_unlock(&root->mu);
    return u;
}

int ph_local_user_get(struct ph_local_root *root, const char *name, bool create, struct local_user **out,
                      struct ph_err *err)
{
    struct local_user *u = find_user(root, name, err);
    struct stat st;

    *out = NULL;
    if (!u)
        return -1;
    bool there = stat(u->dir, &st) == 0;
    if (!there && errno != ENOENT)
        return ph_fail_errno(err, PH_SCOPE_STORE, PH_E_SYSTEM, errno, "cannot look at %s", u->dir);
    if (!there && !create)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_NOTFOUND, "there is no user %s", name);
    if (!there) {
        pthread_mutex_lock(&u->open_mu);
        int r = u->open ? 0 : ph_local_user_make(u, err); /* somebody else may have been faster */
        pthread_mutex_unlock(&u->open_mu);
        if (r)
            return -1;
    }
    *out = u;
    return 0;
}

/* ---- open and closed ---- */

void ph_local_take_off_idle(struct local_user *u)
{
    struct ph_local_root *root = u->root;

    if (!u->idle)
        return;
    *(u->idle_prev ? &u->idle_prev->idle_next : &root->idle_first) = u->idle_next;
    *(u->idle_next ? &u->idle_next->idle_prev : &root->idle_last) = u->idle_prev;
    u->idle_prev = u->idle_next = NULL;
    u->idle = false;
}

int ph_local_enter(struct local_user *u, struct ph_err *err)
{
    struct ph_local_root *root = u->root;
    int r = 0;

    pthread_mutex_lock(&root->mu);
    u->in_use++;
    ph_local_take_off_idle(u);
    pthread_mutex_unlock(&root->mu);
    pthread_mutex_lock(&u->open_mu);
    if (!u->open && (r = ph_local_user_open(u, err)) == 0) {
        atomic_fetch_add(&root->opened, 1);
        pthread_mutex_lock(&root->mu);
        u->open = true;
        root->n_open++;
        pthread_mutex_unlock(&root->mu);
    }
    pthread_mutex_unlock(&u->open_mu);
    if (r)
        ph_local_leave(u);
    return r;
}

bool ph_local_close_alone(struct local_user *u)
{
    struct ph_local_root *root = u->root;

    pthread_mutex_lock(&u->open_mu);
    pthread_mutex_lock(&root->mu);
    bool alone = u->in_use == 1, was_open = u->open;
    if (alone && was_open) {
        u->open = false; /* whoever enters now waits for open_mu, and opens again */
        root->n_open--;
    }
    pthread_mutex_unlock(&root->mu);
    if (alone && was_open) {
        ph_local_user_close(u);
        atomic_fetch_add(&root->closed, 1);
    }
    pthread_mutex_unlock(&u->open_mu);
    return alone;
}

void ph_local_leave(struct local_user *u)
{
    struct ph_local_root *root = u->root;

    while (u) {
        struct local_user *oldest = NULL;
        pthread_mutex_lock(&root->mu);
        if (--u->in_use == 0 && u->open) {
            u->idle = true;
            u->idle_prev = root->idle_last;
            *(root->idle_last ? &root->idle_last->idle_next : &root->idle_first) = u;
            root->idle_last = u;
        }
        if (root->n_open > root->opt.open_users && root->idle_first) {
            oldest = root->idle_first;
            oldest->in_use++;
            ph_local_take_off_idle(oldest);
        }
        pthread_mutex_unlock(&root->mu);
        if (oldest)
            ph_local_close_alone(oldest);
        u = oldest;
    }
}

/* ---- the root ---- */

int ph_local_root_new(const char *path, const struct ph_local_options *opt, struct ph_local_root **out,
                      struct ph_err *err)
{
    struct ph_local_root *root = calloc(1, sizeof *root);
    struct ph_buf users = PH_BUF_INIT;

    *out = NULL;
    if (!root)
        return ph_fail_memory(err);
    pthread_mutex_init(&root->mu, NULL);
    pthread_mutex_init(&root->shared_mu, NULL);
    pthread_mutex_init(&root->bus_mu, NULL);
    pthread_cond_init(&root->bus_done, NULL);
    if (opt)
        root->opt = *opt;
    if (!root->opt.open_users)
        root->opt.open_users = 64;
    if (!root->opt.append_limit)
        root->opt.append_limit = UINT64_MAX;
    if (!root->opt.pack_size)
        root->opt.pack_size = 256u << 20;
    if (!root->opt.tombstones)
        root->opt.tombstones = 20000;
    if (!root->opt.checkpoint_pages)
        root->opt.checkpoint_pages = 1000;
    root->wake_fd = root->inotify_fd = -1;
    root->path = strdup(path);
    ph_buf_add_z(&users, path);
    ph_buf_add_z(&users, "/users");
    int r = root->path && !users.failed ? make_dirs(ph_buf_z(&users), err) : ph_fail_memory(err);
    ph_buf_done(&users);
    if (r) {
        ph_local_root_free(root);
        return -1;
    }
    *out = root;
    return 0;
}

void ph_local_root_free(struct ph_local_root *root)
{
    if (!root)
        return;
    ph_local_tasks_stop(root);
    for (size_t i = 0; i < root->cap_users; i++)
        while (root->users[i]) {
            struct local_user *u = root->users[i];
            root->users[i] = u->next;
            if (u->open)
                ph_local_user_close(u);
            free_user(u);
        }
    free(root->users);
    if (root->shared_open)
        ph_local_db_close(&root->shared);
    pthread_mutex_destroy(&root->mu);
    pthread_mutex_destroy(&root->shared_mu);
    pthread_mutex_destroy(&root->bus_mu);
    pthread_cond_destroy(&root->bus_done);
    free(root->path);
    free(root);
}

int ph_local_users(struct ph_local_root *root, int (*each)(void *ctx, const char *user, struct ph_err *err), void *ctx,
                   struct ph_err *err)
{
    struct ph_buf path = PH_BUF_INIT, name = PH_BUF_INIT;
    int r = 0;

    ph_buf_add_z(&path, root->path);
    ph_buf_add_z(&path, "/users");
    DIR *d = path.failed ? NULL : opendir(ph_buf_z(&path));
    if (!d)
        r = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot read %s/users", root->path);
    for (struct dirent *e; !r && (e = readdir(d));) {
        ph_buf_clear(&name);
        if (e->d_name[0] != '.' && decode_name(e->d_name, &name))
            r = each(ctx, ph_buf_z(&name), err);
    }
    if (d)
        closedir(d);
    ph_buf_done(&path);
    ph_buf_done(&name);
    return r;
}

int ph_local_user_exists(struct ph_local_root *root, const char *user, bool *exists, struct ph_err *err)
{
    struct local_user *u;
    struct ph_err why = { 0 };

    *exists = ph_local_user_get(root, user, false, &u, &why) == 0;
    if (*exists || why.kind == PH_E_NOTFOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

void ph_local_count(struct ph_local_root *root, struct ph_local_counters *out)
{
    out->commits = atomic_load(&root->commits);
    out->operations = atomic_load(&root->operations);
    out->pack_syncs = atomic_load(&root->pack_syncs);
    out->opened = atomic_load(&root->opened);
    out->closed = atomic_load(&root->closed);
}
