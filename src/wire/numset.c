#include "wire/numset.h"

#include <stdlib.h>
#include <string.h>

void ph_numset_done(struct ph_numset *s)
{
    free(s->r);
    *s = PH_NUMSET_INIT;
}

void ph_numset_clear(struct ph_numset *s)
{
    s->n = 0;
}

static int grow(struct ph_numset *s, size_t want)
{
    if (want <= s->cap)
        return 0;
    size_t cap = s->cap ? s->cap : 4;
    while (cap < want)
        cap *= 2;
    struct ph_range *r = realloc(s->r, cap * sizeof *r);
    if (!r)
        return -1;
    s->r = r;
    s->cap = cap;
    return 0;
}

/* Index of the first range whose last member is >= num. */
static size_t find(const struct ph_numset *s, uint32_t num)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->r[mid].last < num)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int ph_numset_add(struct ph_numset *s, uint32_t num)
{
    return ph_numset_add_range(s, num, num);
}

int ph_numset_add_range(struct ph_numset *s, uint32_t first, uint32_t last)
{
    if (first > last) {
        uint32_t t = first;
        first = last;
        last = t;
    }
    if (last == 0)
        return 0;
    if (first == 0)
        first = 1;
    if (s->n == 0 || first > s->r[s->n - 1].last)
        return ph_numset_push(s, first, last);

    /* [i, j) are the ranges that touch the new one, neighbours included */
    size_t i = find(s, first - 1), j = i;
    while (j < s->n && (last == UINT32_MAX || s->r[j].first <= last + 1))
        j++;
    if (i == j) {
        if (grow(s, s->n + 1))
            return -1;
        memmove(s->r + i + 1, s->r + i, (s->n - i) * sizeof *s->r);
        s->r[i] = (struct ph_range){ first, last };
        s->n++;
        return 0;
    }
    if (s->r[i].first > first)
        s->r[i].first = first;
    s->r[i].last = s->r[j - 1].last > last ? s->r[j - 1].last : last;
    memmove(s->r + i + 1, s->r + j, (s->n - j) * sizeof *s->r);
    s->n -= j - i - 1;
    return 0;
}

int ph_numset_push(struct ph_numset *s, uint32_t first, uint32_t last)
{
    struct ph_range *tail = s->n ? &s->r[s->n - 1] : NULL;

    if (tail && tail->last != UINT32_MAX && first == tail->last + 1) {
        tail->last = last;
        return 0;
    }
    if (grow(s, s->n + 1))
        return -1;
    s->r[s->n++] = (struct ph_range){ first, last };
    return 0;
}

static int by_first(const void *a, const void *b)
{
    uint32_t x = ((const struct ph_range *)a)->first, y = ((const struct ph_range *)b)->first;

    return x < y ? -1 : x > y;
}

void ph_numset_sort(struct ph_numset *s)
{
    size_t i;

    for (i = 1; i < s->n; i++)
        if (s->r[i].first <= s->r[i - 1].last || s->r[i].first - 1 == s->r[i - 1].last)
            break;
    if (i >= s->n)
        return;
    qsort(s->r, s->n, sizeof *s->r, by_first);
    size_t out = 0;
    for (i = 1; i < s->n; i++) {
        struct ph_range *o = &s->r[out];
        if (o->last == UINT32_MAX || s->r[i].first <= o->last + 1) {
            if (s->r[i].last > o->last)
                o->last = s->r[i].last;
        } else {
            s->r[++out] = s->r[i];
        }
    }
    s->n = out + 1;
}

int ph_numset_remove_range(struct ph_numset *s, uint32_t first, uint32_t last)
{
    if (first > last) {
        uint32_t t = first;
        first = last;
        last = t;
    }
    size_t i = find(s, first), j = i;
    while (j < s->n && s->r[j].first <= last)
        j++;
    if (i == j)
        return 0;

    struct ph_range keep[2];
    size_t k = 0;
    if (s->r[i].first < first)
        keep[k++] = (struct ph_range){ s->r[i].first, first - 1 };
    if (s->r[j - 1].last > last)
        keep[k++] = (struct ph_range){ last + 1, s->r[j - 1].last };
    if (k > j - i && grow(s, s->n + 1))
        return -1;
    memmove(s->r + i + k, s->r + j, (s->n - j) * sizeof *s->r);
    if (k)
        memcpy(s->r + i, keep, k * sizeof *keep);
    s->n = s->n - (j - i) + k;
    return 0;
}

int ph_numset_add_set(struct ph_numset *s, const struct ph_numset *other)
{
    if (s == other || other->n == 0)
        return 0;
    /* the common case: the other one lies behind, or is small */
    if (other->n <= 4 || s->n == 0 || other->r[0].first > s->r[s->n - 1].last) {
        for (size_t i = 0; i < other->n; i++)
            if (ph_numset_add_range(s, other->r[i].first, other->r[i].last))
                return -1;
        return 0;
    }
    if (grow(s, s->n + other->n))
        return -1;
    memcpy(s->r + s->n, other->r, other->n * sizeof *s->r);
    s->n += other->n;
    ph_numset_sort(s);
    return 0;
}

int ph_numset_subtract(struct ph_numset *s, const struct ph_numset *other)
{
    struct ph_numset out = PH_NUMSET_INIT;
    size_t j = 0;

    if (s == other) {
        ph_numset_clear(s);
        return 0;
    }
    if (s->n == 0 || other->n == 0)
        return 0;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t first = s->r[i].first, last = s->r[i].last;
        while (j < other->n && other->r[j].last < first)
            j++;
        for (size_t k = j; k < other->n && other->r[k].first <= last && first <= last; k++) {
            if (other->r[k].first > first && ph_numset_push(&out, (uint32_t)first, other->r[k].first - 1))
                goto fail;
            first = (uint64_t)other->r[k].last + 1;
            j = k; /* this one may reach into the next range of s too */
        }
        if (first <= last && ph_numset_push(&out, (uint32_t)first, (uint32_t)last))
            goto fail;
    }
    free(s->r);
    *s = out;
    return 0;
fail:
    ph_numset_done(&out);
    return -1;
}

int ph_numset_intersect(struct ph_numset *s, const struct ph_numset *other)
{
    struct ph_numset out = PH_NUMSET_INIT;
    size_t i = 0, j = 0;

    if (s == other)
        return 0;
    while (i < s->n && j < other->n) {
        uint32_t first = s->r[i].first > other->r[j].first ? s->r[i].first : other->r[j].first;
        uint32_t last = s->r[i].last < other->r[j].last ? s->r[i].last : other->r[j].last;
        if (first <= last && ph_numset_push(&out, first, last)) {
            ph_numset_done(&out);
            return -1;
        }
        if (s->r[i].last < other->r[j].last)
            i++;
        else
            j++;
    }
    free(s->r);
    *s = out;
    return 0;
}

bool ph_numset_contains(const struct ph_numset *s, uint32_t num)
{
    size_t i = find(s, num);

    return i < s->n && s->r[i].first <= num && num != 0;
}

uint64_t ph_numset_count(const struct ph_numset *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += (uint64_t)s->r[i].last - s->r[i].first + 1;
    return n;
}

uint32_t ph_numset_next(const struct ph_numset *s, uint32_t num)
{
    if (num == UINT32_MAX)
        return 0;
    size_t i = find(s, num + 1);
    if (i == s->n)
        return 0;
    return s->r[i].first > num ? s->r[i].first : num + 1;
}

uint32_t ph_numset_nth(const struct ph_numset *s, uint64_t k)
{
    for (size_t i = 0; i < s->n; i++) {
        uint64_t len = (uint64_t)s->r[i].last - s->r[i].first + 1;
        if (k < len)
            return s->r[i].first + (uint32_t)k;
        k -= len;
    }
    return 0;
}
