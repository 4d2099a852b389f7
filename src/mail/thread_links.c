#include "mail/thread_links.h"

#include <stdlib.h>
#include <string.h>

/* ---- table ---- */

static uint32_t *find(struct thread_slot *slots, size_t cap, uint64_t key)
{
    size_t i = key & (cap - 1);

    while (slots[i].key && slots[i].key != key)
        i = (i + 1) & (cap - 1);
    if (!slots[i].key)
        slots[i] = (struct thread_slot){ key, THREAD_NONE };
    return &slots[i].value;
}

uint32_t *thread_table_at(struct thread_table *t, uint64_t key)
{
    key += key == 0;
    if (3 * t->n >= 2 * t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        struct thread_slot *slots = calloc(cap, sizeof *slots);
        if (!slots)
            return NULL;
        for (size_t i = 0; i < t->cap; i++)
            if (t->slots[i].key)
                *find(slots, cap, t->slots[i].key) = t->slots[i].value;
        free(t->slots);
        t->slots = slots;
        t->cap = cap;
    }
    uint32_t *value = find(t->slots, t->cap, key);
    t->n += *value == THREAD_NONE; /* the caller gives it one */
    return value;
}

void thread_table_done(struct thread_table *t)
{
    free(t->slots);
    memset(t, 0, sizeof *t);
}

/* ---- nodes ---- */

uint32_t thread_links_add(struct thread_links *l, struct ph_err *err)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : 64;
        struct thread_node *nodes = l->cap > UINT32_MAX / 4 ? NULL : realloc(l->nodes, cap * sizeof *nodes);
        if (!nodes) {
            ph_fail_memory(err);
            return THREAD_NONE;
        }
        l->nodes = nodes;
        l->cap = cap;
    }
    l->nodes[l->n] = (struct thread_node){ THREAD_NONE, THREAD_NONE, THREAD_NONE, THREAD_NONE, THREAD_NONE, false };
    return l->n++;
}

uint32_t thread_links_id(struct thread_links *l, uint64_t id, struct ph_err *err)
{
    uint32_t *at = thread_table_at(&l->ids, id);

    if (!at) {
        ph_fail_memory(err);
        return THREAD_NONE;
    }
    if (*at != THREAD_NONE)
        return *at;
    if (l->ids.n > THREAD_IDS_MAX) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "the messages name more than %u message ids", THREAD_IDS_MAX);
        return THREAD_NONE;
    }
    return *at = thread_links_add(l, err);
}

void thread_links_done(struct thread_links *l)
{
    free(l->nodes);
    thread_table_done(&l->ids);
    memset(l, 0, sizeof *l);
}

/* ---- the forest. A splay tree holds a path, ordered by depth; `up` of its root leads to the path above ---- */

static bool top(const struct thread_node *n, uint32_t x)
{
    uint32_t p = n[x].up;

    return p == THREAD_NONE || (n[p].left != x && n[p].right != x);
}

static void rotate(struct thread_node *n, uint32_t x)
{
    uint32_t p = n[x].up, g = n[p].up, inner;

    if (!top(n, p)) {
        if (n[g].left == p)
            n[g].left = x;
        else
            n[g].right = x;
    }
    if (n[p].left == x) {
        inner = n[p].left = n[x].right;
        n[x].right = p;
    } else {
        inner = n[p].right = n[x].left;
        n[x].left = p;
    }
    if (inner != THREAD_NONE)
        n[inner].up = p;
    n[p].up = x;
    n[x].up = g;
}

static void splay(struct thread_node *n, uint32_t x)
{
    while (!top(n, x)) {
        uint32_t p = n[x].up;
        if (!top(n, p)) {
            uint32_t g = n[p].up;
            rotate(n, (n[g].left == p) == (n[p].left == x) ? p : x);
        }
        rotate(n, x);
    }
}

/* The path from the root to x becomes one splay tree with x at its top. */
static void expose(struct thread_node *n, uint32_t x)
{
    for (uint32_t y = x, last = THREAD_NONE; y != THREAD_NONE; last = y, y = n[y].up) {
        splay(n, y);
        n[y].right = last;
    }
    splay(n, x);
}

static uint32_t root_of(struct thread_node *n, uint32_t x)
{
    expose(n, x);
    while (n[x].left != THREAD_NONE)
        x = n[x].left;
    splay(n, x);
    return x;
}

void thread_links_link(struct thread_links *l, uint32_t parent, uint32_t child)
{
    struct thread_node *n = l->nodes;

    if (parent == child || n[child].parent != THREAD_NONE)
        return;
    /* the child is a root: it is above the parent only when it is the parent's root. One that never had a child is above nothing */
    if (n[child].had_child && root_of(n, parent) == child)
        return;
    expose(n, child);
    n[child].up = parent;
    n[child].parent = parent;
    n[parent].had_child = true;
}

void thread_links_cut(struct thread_links *l, uint32_t child)
{
    struct thread_node *n = l->nodes;

    if (n[child].parent == THREAD_NONE)
        return;
    expose(n, child);
    n[n[child].left].up = THREAD_NONE; /* those above it: there is one at least */
    n[child].left = THREAD_NONE;
    n[child].parent = THREAD_NONE;
}
