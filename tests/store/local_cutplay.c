/* local_cutplay.c: plays the record of local_cutshim.c, and makes what a power cut at that moment leaves on the disk. */
#include "local_cut.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct change { /* not synced yet */
    bool truncate;
    uint64_t at, n;
    const char *p; /* in the record */
};

struct node { /* a file's octets */
    uint64_t ino;
    char *base; /* as synced */
    uint64_t size, cap;
    struct change *c;
    size_t n, cap_c;
};

struct entry { /* of a directory */
    char *path;
    int now, synced; /* node + 1; -1: a directory; 0: not there */
};

struct cut_play {
    char *all;
    size_t size, *at, n_records, next;
    char *dir;
    int ignore;
    struct node *node;
    size_t n_nodes;
    struct entry *entry;
    size_t n_entries;
};

static struct cut_record record(const struct cut_play *p, size_t i, const char **data)
{
    struct cut_record r;

    memcpy(&r, p->all + p->at[i], sizeof r);
    *data = p->all + p->at[i] + sizeof r;
    return r;
}

struct cut_play *cut_open(const char *trace, const char *dir)
{
    struct cut_play *p = calloc(1, sizeof *p);
    FILE *f = fopen(trace, "rb");
    struct stat st;

    if (!p || !f || fstat(fileno(f), &st))
        return NULL;
    p->size = (size_t)st.st_size;
    p->all = malloc(p->size + 1);
    p->dir = strdup(dir);
    p->at = malloc((p->size / sizeof(struct cut_record) + 1) * sizeof *p->at);
    if (fread(p->all, 1, p->size, f) != p->size)
        return NULL;
    fclose(f);
    for (size_t at = 0; at + sizeof(struct cut_record) <= p->size;) {
        struct cut_record r;
        memcpy(&r, p->all + at, sizeof r);
        if (r.n > p->size - at - sizeof r)
            break;
        p->at[p->n_records++] = at;
        at += sizeof r + r.n;
    }
    p->ignore = -1;
    return p;
}

size_t cut_length(const struct cut_play *p)
{
    return p->n_records;
}

static void forget(struct cut_play *p)
{
    for (size_t i = 0; i < p->n_nodes; i++) {
        free(p->node[i].base);
        free(p->node[i].c);
    }
    for (size_t i = 0; i < p->n_entries; i++)
        free(p->entry[i].path);
    free(p->node);
    free(p->entry);
    p->node = NULL;
    p->entry = NULL;
    p->n_nodes = p->n_entries = p->next = 0;
}

void cut_restart(struct cut_play *p, int ignore)
{
    forget(p);
    p->ignore = ignore;
}

void cut_close(struct cut_play *p)
{
    forget(p);
    free(p->all);
    free(p->at);
    free(p->dir);
    free(p);
}

/* The newest of this number: numbers of removed files are used again. */
static struct node *node_of(struct cut_play *p, uint64_t ino)
{
    for (size_t i = p->n_nodes; i-- > 0;)
        if (p->node[i].ino == ino)
            return &p->node[i];
    return NULL;
}

static int make_node(struct cut_play *p, uint64_t ino)
{
    p->node = realloc(p->node, (p->n_nodes + 1) * sizeof *p->node);
    p->node[p->n_nodes] = (struct node){ .ino = ino };
    return (int)++p->n_nodes;
}

static struct entry *entry_of(struct cut_play *p, const char *path, size_t n)
{
    for (size_t i = 0; i < p->n_entries; i++)
        if (strncmp(p->entry[i].path, path, n) == 0 && p->entry[i].path[n] == '\0')
            return &p->entry[i];
    p->entry = realloc(p->entry, (p->n_entries + 1) * sizeof *p->entry);
    p->entry[p->n_entries] = (struct entry){ .path = strndup(path, n) };
    return &p->entry[p->n_entries++];
}

static void add_change(struct node *f, struct change c)
{
    if (f->n == f->cap_c) {
        f->cap_c = f->cap_c ? f->cap_c * 2 : 16;
        f->c = realloc(f->c, f->cap_c * sizeof *f->c);
    }
    f->c[f->n++] = c;
}

static void apply(char **base, uint64_t *size, uint64_t *cap, const struct change *c)
{
    uint64_t end = c->truncate ? c->at : c->at + c->n;

    if (end > *cap) {
        *cap = end * 2;
        *base = realloc(*base, *cap);
    }
    if (end > *size)
        memset(*base + *size, 0, end - *size);
    if (end > *size || c->truncate)
        *size = end;
    if (!c->truncate)
        memcpy(*base + c->at, c->p, c->n);
}

static enum cut_sync kind_of(const struct cut_record *r, const char *path)
{
    if (r->kind == CUT_SYNC_DIR)
        return CUT_OF_DIRECTORY;
    if (r->n > 5 && memcmp(path + r->n - 5, ".pack", 5) == 0)
        return CUT_OF_PACK;
    return r->n > 4 && memcmp(path + r->n - 4, "-wal", 4) == 0 ? CUT_OF_LOG : CUT_OF_INDEX;
}

size_t cut_count(const struct cut_play *p, enum cut_sync kind)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_records; i++) {
        const char *data;
        struct cut_record r = record(p, i, &data);
        n += (r.kind == CUT_SYNC || r.kind == CUT_SYNC_DIR) && kind_of(&r, data) == kind;
    }
    return n;
}

static void sync_dir(struct cut_play *p, const char *path, size_t n)
{
    for (size_t i = 0; i < p->n_entries; i++) {
        struct entry *e = &p->entry[i];
        const char *slash = strrchr(e->path, '/');
        if ((size_t)(slash - e->path) == n && strncmp(e->path, path, n) == 0)
            e->synced = e->now;
    }
}

static void play(struct cut_play *p, const struct cut_record *r, const char *data)
{
    struct node *f = node_of(p, r->ino);
    struct entry *e;
    int was;

    switch (r->kind) {
    case CUT_CREATE:
        was = make_node(p, r->ino);
        entry_of(p, data, r->n)->now = was;
        break;
    case CUT_MKDIR:
        entry_of(p, data, r->n)->now = -1;
        break;
    case CUT_UNLINK:
        entry_of(p, data, r->n)->now = 0;
        break;
    case CUT_RENAME:
        e = entry_of(p, data, strlen(data));
        was = e->now;
        e->now = 0;
        entry_of(p, data + strlen(data) + 1, r->n - strlen(data) - 1)->now = was;
        break;
    case CUT_WRITE:
    case CUT_TRUNCATE:
        if (f)
            add_change(f, (struct change){ r->kind == CUT_TRUNCATE, r->at, r->n, data });
        break;
    case CUT_SYNC:
        if (f && (int)kind_of(r, data) != p->ignore) {
            for (size_t i = 0; i < f->n; i++)
                apply(&f->base, &f->size, &f->cap, &f->c[i]);
            f->n = 0;
        }
        break;
    case CUT_SYNC_DIR:
        if (p->ignore != CUT_OF_DIRECTORY)
            sync_dir(p, data, r->n);
        break;
    }
}

void cut_until(struct cut_play *p, size_t to, void (*mark)(void *ctx, const void *m, size_t n), void *ctx)
{
    for (; p->next < to && p->next < p->n_records; p->next++) {
        const char *data;
        struct cut_record r = record(p, p->next, &data);
        if (r.kind == CUT_MARK)
            mark(ctx, data, r.n);
        else
            play(p, &r, data);
    }
}

/* ---- the cut ---- */

static bool luck(uint64_t *x)
{
    if (!*x)
        return false;
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return (*x & 7) < 3;
}

static int write_file(const struct node *f, const char *to, uint64_t *survive)
{
    uint64_t size = f->size, cap = f->size;
    char *copy = malloc(f->size + 1);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600), r = fd < 0 ? -1 : 0;

    if (f->size)
        memcpy(copy, f->base, f->size);
    for (size_t i = 0; i < f->n; i++)
        if (luck(survive))
            apply(&copy, &size, &cap, &f->c[i]);
    for (uint64_t at = 0; !r && at < size;) {
        ssize_t n = write(fd, copy + at, size - at);
        r = n <= 0 ? -1 : 0;
        at += n > 0 ? (uint64_t)n : 0;
    }
    free(copy);
    if (fd >= 0)
        close(fd);
    return r;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

int cut_power(struct cut_play *p, const char *into, uint64_t survive)
{
    char to[1024];
    struct stat st;

    if (mkdir(into, 0700))
        return -1;
    qsort(p->entry, p->n_entries, sizeof *p->entry, compare_paths); /* directories before what is in them */
    for (size_t i = 0; i < p->n_entries; i++) {
        const struct entry *e = &p->entry[i];
        int what = e->now != e->synced && luck(&survive) ? e->now : e->synced;
        snprintf(to, sizeof to, "%s%s", into, e->path + strlen(p->dir));
        char *slash = strrchr(to, '/');
        *slash = '\0';
        bool has_parent = stat(to, &st) == 0;
        *slash = '/';
        if (!what || !has_parent || strcmp(e->path, p->dir) == 0)
            continue;
        if (what < 0 ? mkdir(to, 0700) : write_file(&p->node[what - 1], to, &survive))
            return -1;
    }
    return 0;
}
