/* uidlist.c: message numbers: an immutable list of UIDs as ranges, with their positions. */
#include <stdatomic.h>
#include <stdlib.h>

#include "server/mailbox.h"

struct uidlist *uidlist_new(const struct ph_numset *set)
{
    struct uidlist *l = malloc(sizeof *l + set->n * sizeof *l->r);

    if (!l)
        return NULL;
    atomic_init(&l->refs, 1);
    l->count = 0;
    l->n = set->n;
    for (size_t i = 0; i < set->n; i++) {
        l->r[i] = (struct uidrange){ set->r[i].first, set->r[i].last, l->count };
        l->count += set->r[i].last - set->r[i].first + 1;
    }
    return l;
}

struct uidlist *uidlist_ref(struct uidlist *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void uidlist_free(struct uidlist *l)
{
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        free(l);
}

uint32_t uidlist_uid(const struct uidlist *l, uint32_t seq)
{
    size_t low = 0, high = l->n;

    if (seq == 0 || seq > l->count)
        return 0;
    while (high - low > 1) { /* the last range that begins at or before seq */
        size_t mid = low + (high - low) / 2;
        if (l->r[mid].before < seq)
            low = mid;
        else
            high = mid;
    }
    return l->r[low].first + (seq - 1 - l->r[low].before);
}

uint32_t uidlist_seq(const struct uidlist *l, uint32_t uid)
{
    size_t low = 0, high = l->n;

    if (l->n == 0 || uid < l->r[0].first)
        return 0;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (l->r[mid].first <= uid)
            low = mid;
        else
            high = mid;
    }
    return uid <= l->r[low].last ? l->r[low].before + (uid - l->r[low].first) + 1 : 0;
}

uint32_t uidlist_last(const struct uidlist *l)
{
    return l->n ? l->r[l->n - 1].last : 0;
}

int uidlist_to_set(const struct uidlist *l, struct ph_numset *out)
{
    for (size_t i = 0; i < l->n; i++)
        if (ph_numset_add_range(out, l->r[i].first, l->r[i].last))
            return -1;
    return 0;
}
