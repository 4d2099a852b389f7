#include "store/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define KWSET_MAX 0xffffffu /* what ph_row.kwset can name */

/* The keyword sets by hash: open addressing, a power of two slots, at most half full. Slot 0: free. */
struct kw_index {
    size_t cap;
    uint32_t *slot;      /* number of the set */
    uint32_t *hash;      /* by number */
    size_t cap_hash;
    struct ph_buf text;  /* scratch: the set as text */
    struct ph_str *sort; /* scratch: its keywords */
    size_t cap_sort;
};

void ph_snapshot_init(struct ph_snapshot *s)
{
    memset(s, 0, sizeof *s);
    ph_arena_init(&s->strings, 0);
}

void ph_snapshot_done(struct ph_snapshot *s)
{
    struct kw_index *x = s->kw_index;

    for (size_t i = 0; i < s->n_blocks; i++)
        free(s->blocks[i]);
    free(s->blocks);
    free(s->kwsets);
    if (x) {
        free(x->slot);
        free(x->hash);
        free(x->sort);
        ph_buf_done(&x->text);
        free(x);
    }
    ph_arena_done(&s->strings);
    ph_snapshot_init(s);
}

struct ph_row *ph_snapshot_add(struct ph_snapshot *s)
{
    if (s->n == s->n_blocks * PH_SNAPSHOT_BLOCK) {
        /* The table doubles when what is used of it is a power of two; after a truncate that may make a table smaller,
         * never too small. */
        if ((s->n_blocks & (s->n_blocks - 1)) == 0) {
            size_t cap = s->n_blocks ? s->n_blocks * 2 : 1;
            struct ph_row **blocks = realloc(s->blocks, cap * sizeof *blocks);
            if (!blocks)
                return NULL;
            s->blocks = blocks;
        }
        struct ph_row *block = malloc(PH_SNAPSHOT_BLOCK * sizeof *block);
        if (!block)
            return NULL;
        s->blocks[s->n_blocks++] = block;
    }
    struct ph_row *r = ph_snapshot_row(s, s->n++);
    memset(r, 0, sizeof *r); /* here, so that a small folder touches few pages of its block */
    return r;
}

void ph_snapshot_truncate(struct ph_snapshot *s, size_t n)
{
    if (n >= s->n)
        return;
    s->n = n;
    size_t keep = (n + PH_SNAPSHOT_BLOCK - 1) / PH_SNAPSHOT_BLOCK;
    while (s->n_blocks > keep)
        free(s->blocks[--s->n_blocks]);
}

/* ---- keyword sets ---- */

/* Keywords compare without case (RFC 9051 2.3.2, 9), so their order does too: `Work` and `work` stand at one place. */
static int compare_keywords(const void *pa, const void *pb)
{
    const struct ph_str *a = pa, *b = pb;
    size_t n = a->n < b->n ? a->n : b->n;

    for (size_t i = 0; i < n; i++) {
        int d = ph_lower((unsigned char)a->p[i]) - ph_lower((unsigned char)b->p[i]);
        if (d)
            return d;
    }
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->p, b->p, n);
}

static struct kw_index *get_index(struct ph_snapshot *s)
{
    struct kw_index *x = s->kw_index;

    if (x)
        return x;
    const char **sets = malloc(8 * sizeof *sets);
    x = calloc(1, sizeof *x);
    if (x && sets) {
        x->cap = x->cap_hash = 16;
        x->slot = calloc(x->cap, sizeof *x->slot);
        x->hash = calloc(x->cap_hash, sizeof *x->hash);
    }
    if (!x || !sets || !x->slot || !x->hash) {
        if (x) {
            free(x->slot);
            free(x->hash);
        }
        free(x);
        free(sets);
        return NULL;
    }
    sets[0] = "";
    s->kwsets = sets;
    s->n_kwsets = 1;
    s->cap_kwsets = 8;
    s->kw_index = x;
    return x;
}

/* The keywords as one text in x->text: sorted, each once, one blank between. */
static int normalise(struct kw_index *x, const struct ph_str *keywords, size_t n)
{
    size_t used = 0;

    if (n > x->cap_sort) {
        struct ph_str *sort = realloc(x->sort, n * sizeof *sort);
        if (!sort)
            return -1;
        x->sort = sort;
        x->cap_sort = n;
    }
    for (size_t i = 0; i < n; i++)
        if (keywords[i].n)
            x->sort[used++] = keywords[i];
    if (used > 1)
        qsort(x->sort, used, sizeof *x->sort, compare_keywords);
    ph_buf_clear(&x->text);
    x->text.failed = false;
    for (size_t i = 0; i < used; i++) {
        if (i && ph_str_caseeq(x->sort[i], x->sort[i - 1]))
            continue;
        if (i)
            ph_buf_add_char(&x->text, ' ');
        ph_buf_add_str(&x->text, x->sort[i]);
    }
    return x->text.failed ? -1 : 0;
}

static uint32_t hash_text(const struct ph_snapshot *s, struct ph_str t)
{
    uint64_t h = 0xcbf29ce484222325u ^ (uintptr_t)s;

    for (size_t i = 0; i < t.n; i++)
        h = (h ^ (unsigned char)t.p[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

/* Slot of the set, or the free one where it belongs. */
static size_t find_slot(const struct ph_snapshot *s, const struct kw_index *x, struct ph_str t, uint32_t hash)
{
    size_t i = hash & (x->cap - 1);

    for (; x->slot[i]; i = (i + 1) & (x->cap - 1)) {
        const char *set = s->kwsets[x->slot[i]];
        if (x->hash[x->slot[i]] == hash && ph_str_is(t, set))
            break;
    }
    return i;
}

static int grow_index(struct ph_snapshot *s, struct kw_index *x)
{
    if (s->n_kwsets == s->cap_kwsets) {
        const char **sets = realloc(s->kwsets, s->cap_kwsets * 2 * sizeof *sets);
        if (!sets)
            return -1;
        s->kwsets = sets;
        s->cap_kwsets *= 2;
    }
    if (s->n_kwsets == x->cap_hash) {
        uint32_t *hash = realloc(x->hash, x->cap_hash * 2 * sizeof *hash);
        if (!hash)
            return -1;
        x->hash = hash;
        x->cap_hash *= 2;
    }
    if (s->n_kwsets * 2 < x->cap)
        return 0;
    size_t cap = x->cap * 2;
    uint32_t *slot = calloc(cap, sizeof *slot);
    if (!slot)
        return -1;
    for (uint32_t k = 1; k < s->n_kwsets; k++) {
        size_t i = x->hash[k] & (cap - 1);
        while (slot[i])
            i = (i + 1) & (cap - 1);
        slot[i] = k;
    }
    free(x->slot);
    x->slot = slot;
    x->cap = cap;
    return 0;
}

int ph_snapshot_kwset(struct ph_snapshot *s, const struct ph_str *keywords, size_t n)
{
    struct kw_index *x;

    if (n == 0)
        return 0;
    x = get_index(s);
    if (!x || normalise(x, keywords, n))
        return -1;
    struct ph_str t = ph_buf_str(&x->text);
    if (t.n == 0)
        return 0;
    uint32_t hash = hash_text(s, t);
    size_t i = find_slot(s, x, t, hash);
    if (x->slot[i])
        return (int)x->slot[i];
    if (s->n_kwsets > KWSET_MAX || grow_index(s, x))
        return -1;
    char *set = ph_arena_strdup(&s->strings, t);
    if (!set)
        return -1;
    i = find_slot(s, x, t, hash);
    uint32_t number = (uint32_t)s->n_kwsets++;
    s->kwsets[number] = set;
    x->hash[number] = hash;
    x->slot[i] = number;
    return (int)number;
}

struct ph_row *ph_snapshot_find(const struct ph_snapshot *s, uint32_t uid)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (ph_snapshot_row(s, mid)->uid < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == s->n)
        return NULL;
    struct ph_row *r = ph_snapshot_row(s, lo);
    return r->uid == uid ? r : NULL;
}
