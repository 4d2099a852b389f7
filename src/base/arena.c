#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 4000

struct ph_arena_block {
    struct ph_arena_block *next;
    size_t cap, used;
    alignas(max_align_t) char mem[];
};

void ph_arena_init(struct ph_arena *a, size_t limit)
{
    *a = (struct ph_arena){ .limit = limit };
}

void ph_arena_reset(struct ph_arena *a)
{
    struct ph_arena_block *b = a->block;

    while (b && b->next) {
        struct ph_arena_block *next = b->next;
        free(b);
        b = next;
    }
    if (b)
        b->used = 0;
    a->block = b;
    a->used = 0;
}

void ph_arena_done(struct ph_arena *a)
{
    while (a->block) {
        struct ph_arena_block *next = a->block->next;
        free(a->block);
        a->block = next;
    }
    a->used = 0;
}

void *ph_arena_alloc(struct ph_arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);

    if (n > SIZE_MAX / 4 || (a->limit && n > a->limit - a->used))
        return NULL;
    size_t need = (n + align - 1) / align * align;
    struct ph_arena_block *b = a->block;
    if (!b || b->cap - b->used < need) {
        size_t cap = b ? b->cap * 2 : BLOCK_MIN;
        if (cap > (1 << 20))
            cap = 1 << 20;
        if (cap < need)
            cap = need;
        b = malloc(sizeof *b + cap);
        if (!b)
            return NULL;
        *b = (struct ph_arena_block){ .next = a->block, .cap = cap };
        a->block = b;
    }
    void *p = b->mem + b->used;
    b->used += need;
    a->used += n;
    memset(p, 0, n);
    return p;
}

char *ph_arena_dup(struct ph_arena *a, const void *p, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *z = ph_arena_alloc(a, n + 1);
    if (z && n)
        memcpy(z, p, n);
    return z;
}
