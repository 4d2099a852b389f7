/* list_tree.c: a list of names as a tree, with what the rules of RFC 5258 3 need to know of each: is it chosen, is anything below
 * it. One pass over the names in an order in which what is below a name follows it. */
#include <stdlib.h>
#include <string.h>

#include "server/list.h"
#include "wire/command.h"

/* By levels: the delimiter comes before every other octet. */
static int compare(const void *a, const void *b)
{
    const struct ph_folder *x = *(const struct ph_folder *const *)a, *y = *(const struct ph_folder *const *)b;
    const unsigned char *p = (const unsigned char *)x->name, *q = (const unsigned char *)y->name;

    while (*p && *p == *q) {
        p++;
        q++;
    }
    if (!*p || !*q)
        return *p ? 1 : *q ? -1 : 0;
    int c = *p == (unsigned char)x->delim ? 0 : *p, d = *q == (unsigned char)y->delim ? 0 : *q;
    return c - d;
}

static const struct ph_folder **sorted(const struct ph_folder_list *l)
{
    const struct ph_folder **f = malloc((l->n ? l->n : 1) * sizeof(const struct ph_folder *));
    bool in_order = true;

    if (!f)
        return NULL;
    for (size_t i = 0; i < l->n; i++) {
        f[i] = &l->f[i];
        in_order = in_order && (i == 0 || compare(&f[i - 1], &f[i]) <= 0);
    }
    if (!in_order)
        qsort(f, l->n, sizeof(const struct ph_folder *), compare);
    return f;
}

/* The levels above the name in hand. */
struct level {
    size_t n;    /* length of its name */
    size_t node; /* SIZE_MAX: it is neither a folder nor matches */
};
struct path {
    struct level *v;
    size_t n, cap;
};

static int push(struct path *path, size_t length, size_t node)
{
    if (path->n == path->cap) {
        size_t cap = path->cap ? 2 * path->cap : 32;
        struct level *grown = realloc(path->v, cap * sizeof *grown);
        if (!grown)
            return -1;
        path->v = grown;
        path->cap = cap;
    }
    path->v[path->n++] = (struct level){ length, node };
    return 0;
}

static struct list_node *add_node(struct list_tree *t)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        struct list_node *grown = realloc(t->nodes, cap * sizeof *grown);
        if (!grown)
            return NULL;
        t->nodes = grown;
        t->cap = cap;
    }
    struct list_node *n = &t->nodes[t->n++];
    *n = (struct list_node){ 0 };
    return n;
}

static bool is_chosen(const struct ph_folder *f, bool exists, unsigned select)
{
    if (f->attrs & PH_MA_REMOTE && !(select & PH_LO_REMOTE))
        return false;
    if (select & PH_LO_SUBSCRIBED && !(f->attrs & PH_MA_SUBSCRIBED))
        return false;
    if (select & PH_LO_SPECIAL_USE && !(f->attrs & PH_MA_SPECIAL & ~(uint32_t)PH_MA_INBOX))
        return false;
    return exists || select & PH_LO_SUBSCRIBED;
}

/* Levels between the last one of the path and the name that no folder stands for. */
static int add_levels(struct list_tree *t, struct path *path, struct ph_str name, char delim,
                      const struct list_patterns *p)
{
    size_t from = path->n ? path->v[path->n - 1].n + 1 : 0;

    for (size_t i = from; delim && i < name.n; i++) {
        if (name.p[i] != delim || i == 0)
            continue;
        struct ph_str level = { name.p, i };
        size_t node = SIZE_MAX;
        if (list_patterns_match(p, level, delim)) {
            struct list_node *n = add_node(t);
            if (!n)
                return -1;
            n->name = level;
            n->delim = delim;
            n->matches = true;
            node = t->n - 1;
        }
        if (push(path, i, node))
            return -1;
    }
    return 0;
}

static int add_folder(struct list_tree *t, struct path *path, const struct ph_folder *f, const struct list_patterns *p,
                      unsigned select)
{
    struct ph_str name = ph_str(f->name);

    if (add_levels(t, path, name, f->delim, p))
        return -1;
    struct list_node *n = add_node(t);
    if (!n)
        return -1;
    n->f = f;
    n->name = name;
    n->delim = f->delim;
    n->exists = !(f->attrs & PH_MA_NONEXISTENT);
    n->matches = list_patterns_match(p, name, f->delim);
    n->chosen = is_chosen(f, n->exists, select);
    bool unseen = n->chosen && !n->matches;
    for (size_t i = path->n; i-- > 0;) {
        if (path->v[i].node == SIZE_MAX)
            continue;
        struct list_node *above = &t->nodes[path->v[i].node];
        if (above->below >= n->chosen && above->below_unseen >= unseen && above->children >= n->exists)
            break; /* what is above knows, too */
        above->below |= n->chosen;
        above->below_unseen |= unseen;
        above->children |= n->exists;
    }
    return push(path, name.n, t->n - 1);
}

/* Is the last level of the path above the name? It is a level of the name that came before. */
static bool is_above(struct ph_str before, size_t n, struct ph_str name, char delim)
{
    return delim && n < name.n && name.p[n] == delim && memcmp(before.p, name.p, n) == 0;
}

int list_tree_build(struct list_tree *t, const struct ph_folder_list *l, const struct list_patterns *p,
                    unsigned select, struct ph_err *err)
{
    const struct ph_folder **f = sorted(l);
    struct path path = { 0 };
    int r = f ? 0 : -1;

    *t = (struct list_tree){ 0 };
    for (size_t i = 0; r == 0 && i < l->n; i++) {
        if (i && strcmp(f[i - 1]->name, f[i]->name) == 0)
            continue; /* RFC 5258 3.3: one response for a name */
        while (path.n && !is_above(ph_str(f[i - 1]->name), path.v[path.n - 1].n, ph_str(f[i]->name), f[i]->delim))
            path.n--;
        r = add_folder(t, &path, f[i], p, select);
    }
    free(f);
    free(path.v);
    return r ? ph_fail_memory(err) : 0;
}

void list_tree_done(struct list_tree *t)
{
    free(t->nodes);
    *t = (struct list_tree){ 0 };
}
