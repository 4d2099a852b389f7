/* names_all.c: the names of all folders at once, so that no two of them meet on the destination by accident. */
#include "transfer/names.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "mail/identity.h"
#include "transfer/names_private.h"

struct item {
    struct ph_name_pair *pair;
    const char *key; /* what the destination tells names apart by */
    bool on_purpose;
    bool exists;     /* the destination has a folder of exactly this name */
    bool same;       /* it is the source's name, too */
};

/* Keys that are taken: open addressing, at most half full. */
struct taken {
    const char **slot;
    size_t cap;
};

struct mapping {
    const struct ph_names *n;
    bool folds;
    struct ph_arena *arena;
    struct item *items;
    size_t n_items;
    struct taken taken, existing; /* existing: folded, values are the names as they are */
    const char **existing_names;
};

static size_t slot_of(const struct taken *t, const char *key)
{
    static const struct ph_hash_key none;
    size_t i = (size_t)ph_siphash(&none, key, strlen(key)) & (t->cap - 1);

    while (t->slot[i] && strcmp(t->slot[i], key) != 0)
        i = (i + 1) & (t->cap - 1);
    return i;
}

static int taken_init(struct taken *t, size_t n)
{
    t->cap = 16;
    while (t->cap < 2 * n)
        t->cap *= 2;
    t->slot = calloc(t->cap, sizeof *t->slot);
    return t->slot ? 0 : -1;
}

/* What two names have in common that are one to the destination: in the arena; NULL without memory. */
static const char *key_of(struct mapping *m, const char *name)
{
    utf8proc_uint8_t *folded = NULL;

    if (!m->folds)
        return name;
    if (utf8proc_map((const utf8proc_uint8_t *)name, 0, &folded,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD) < 0)
        return name;
    const char *key = ph_arena_strdup(m->arena, ph_str((char *)folded));
    free(folded);
    return key;
}

static int learn_existing(struct mapping *m)
{
    const struct ph_folder_list *l = m->n->dst_folders;
    size_t n = l ? l->n : 0;

    if (taken_init(&m->existing, n))
        return -1;
    m->existing_names = calloc(m->existing.cap, sizeof *m->existing_names);
    if (!m->existing_names)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *key = key_of(m, l->f[i].name);
        if (!key)
            return -1;
        size_t at = slot_of(&m->existing, key);
        m->existing.slot[at] = key;
        if (!m->existing_names[at])
            m->existing_names[at] = l->f[i].name;
    }
    return 0;
}

static int map_each(struct mapping *m, const struct ph_folder_list *src, struct ph_err *err)
{
    struct ph_buf name = PH_BUF_INIT;
    int r = 0;

    for (size_t i = 0; i < src->n && r == 0; i++) {
        struct item *it = &m->items[i];
        r = names_map_one(m->n, &src->f[i], &name, &it->on_purpose, err);
        if (r)
            break;
        it->pair->src = &src->f[i];
        it->pair->dst = ph_arena_strdup(m->arena, ph_buf_str(&name));
        it->key = it->pair->dst ? key_of(m, it->pair->dst) : NULL;
        if (!it->key) {
            r = ph_fail_memory(err);
            break;
        }
        m->taken.slot[slot_of(&m->taken, it->key)] = it->key;
        const char *have = m->existing_names[slot_of(&m->existing, it->key)];
        it->exists = have && strcmp(have, it->pair->dst) == 0;
        it->same = strcmp(src->f[i].name, it->pair->dst) == 0;
    }
    ph_buf_done(&name);
    return r;
}

/* Within one key: who was sent there on purpose, who has been there before, whose name it is, then by name, so that the
 * next run says the same. */
static int compare_items(const void *pa, const void *pb)
{
    const struct item *a = pa, *b = pb;
    int d = strcmp(a->key, b->key);

    if (d)
        return d;
    if (a->on_purpose != b->on_purpose)
        return a->on_purpose ? -1 : 1;
    if (a->exists != b->exists)
        return a->exists ? -1 : 1;
    if (a->same != b->same)
        return a->same ? -1 : 1;
    return strcmp(a->pair->src->name, b->pair->src->name);
}

/* `NAME-2`, or the next number that nobody has. */
static int rename_item(struct mapping *m, struct item *it, unsigned *number)
{
    struct ph_buf name = PH_BUF_INIT;

    for (;; (*number)++) {
        ph_buf_clear(&name);
        ph_buf_add_z(&name, it->pair->dst);
        ph_buf_add_char(&name, '-');
        ph_buf_add_u64(&name, *number);
        const char *key = name.failed ? NULL : key_of(m, ph_buf_z(&name));
        if (!key) {
            ph_buf_done(&name);
            return -1;
        }
        if (m->taken.slot[slot_of(&m->taken, key)])
            continue;
        it->pair->dst = ph_arena_strdup(m->arena, ph_buf_str(&name));
        it->pair->renamed = true;
        it->key = m->folds && key != ph_buf_data(&name) ? key : it->pair->dst;
        ph_buf_done(&name);
        if (!it->pair->dst)
            return -1;
        m->taken.slot[slot_of(&m->taken, it->key)] = it->key;
        return 0;
    }
}

static int solve(struct mapping *m)
{
    for (size_t i = 0, end; i < m->n_items; i = end) {
        struct item *first = &m->items[i];
        unsigned number = 2;

        for (end = i + 1; end < m->n_items && strcmp(m->items[end].key, first->key) == 0; end++)
            ;
        /* a destination that does not mind the case has it already, written in another way */
        const char *have = m->existing_names[slot_of(&m->existing, first->key)];
        if (m->folds && have)
            first->pair->dst = have;
        for (size_t k = i + 1; k < end; k++) {
            struct item *it = &m->items[k];
            if (first->on_purpose) {
                it->pair->dst = first->pair->dst;
                it->pair->merged = first->pair->merged = true;
            } else if (rename_item(m, it, &number)) {
                return -1;
            }
        }
    }
    return 0;
}

int ph_names_map_all(const struct ph_names *n, const struct ph_folder_list *src, bool dst_folds_case,
                     struct ph_arena *arena, struct ph_name_pair **out, size_t *out_n, struct ph_err *err)
{
    struct mapping m = { .n = n, .folds = dst_folds_case, .arena = arena, .n_items = src->n };
    struct ph_name_pair *pairs = ph_arena_alloc(arena, (src->n + 1) * sizeof *pairs);
    int r = -1;

    *out = NULL;
    *out_n = 0;
    m.items = calloc(src->n + 1, sizeof *m.items);
    if (!pairs || !m.items || taken_init(&m.taken, 2 * src->n) || learn_existing(&m)) {
        ph_fail_memory(err);
        goto out;
    }
    for (size_t i = 0; i < src->n; i++)
        m.items[i].pair = &pairs[i];
    if (map_each(&m, src, err))
        goto out;
    qsort(m.items, m.n_items, sizeof *m.items, compare_items);
    if (solve(&m)) {
        ph_fail_memory(err);
        goto out;
    }
    *out = pairs;
    *out_n = src->n;
    r = 0;
out:
    free(m.items);
    free(m.taken.slot);
    free(m.existing.slot);
    free(m.existing_names);
    return r;
}
