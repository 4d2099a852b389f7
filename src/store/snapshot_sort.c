/* snapshot_sort.c: rows in order, in place, because a second array of 500,000 rows would be 16 MB.
 *
 * By UID the sort is stable (of two rows with one UID the later one is the news), so it is a merge sort that merges in
 * place by rotations: O(n log^2 n) when everything is out of order, O(n) when nothing is, and what servers send is
 * nearly in order. By key there are no equals and the keys are as good as random: quicksort, with heapsort when it
 * goes deep.
 */
#include "store/snapshot.h"

#define RUN 24 /* insertion sort up to here */

static struct ph_row *row(const struct ph_snapshot *s, size_t i)
{
    return ph_snapshot_row(s, i);
}

static void swap(const struct ph_snapshot *s, size_t i, size_t j)
{
    struct ph_row *a = row(s, i), *b = row(s, j), t = *a;

    *a = *b;
    *b = t;
}

typedef bool less_fn(const struct ph_row *a, const struct ph_row *b);

static bool less_uid(const struct ph_row *a, const struct ph_row *b)
{
    return a->uid < b->uid;
}

static bool less_key(const struct ph_row *a, const struct ph_row *b)
{
    return a->key != b->key ? a->key < b->key : a->uid < b->uid;
}

static inline void insertion(const struct ph_snapshot *s, size_t lo, size_t hi, less_fn *less)
{
    for (size_t i = lo + 1; i < hi; i++) {
        struct ph_row t = *row(s, i);
        size_t j = i;
        for (; j > lo && less(&t, row(s, j - 1)); j--)
            *row(s, j) = *row(s, j - 1);
        *row(s, j) = t;
    }
}

static bool sorted(const struct ph_snapshot *s, less_fn *less)
{
    for (size_t i = 1; i < s->n; i++)
        if (less(row(s, i), row(s, i - 1)))
            return false;
    return true;
}

/* ---- stable, by UID ---- */

static void reverse(const struct ph_snapshot *s, size_t lo, size_t hi)
{
    while (lo + 1 < hi)
        swap(s, lo++, --hi);
}

/* [lo, mid) and [mid, hi) change places. */
static void rotate(const struct ph_snapshot *s, size_t lo, size_t mid, size_t hi)
{
    if (lo == mid || mid == hi)
        return;
    if (mid - lo == hi - mid) {
        for (size_t i = lo; i < mid; i++)
            swap(s, i, mid + (i - lo));
        return;
    }
    reverse(s, lo, mid);
    reverse(s, mid, hi);
    reverse(s, lo, hi);
}

/* First place in [lo, hi) whose UID is >= uid (after: > uid). */
static size_t bound(const struct ph_snapshot *s, size_t lo, size_t hi, uint32_t uid, bool after)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        uint32_t u = row(s, mid)->uid;
        if (u < uid || (after && u == uid))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Merge [lo, mid) and [mid, hi), both in order. Cuts the longer one in the middle and the other one at the same UID,
 * exchanges the two inner parts, and does the halves; depth O(log n). */
static void merge(const struct ph_snapshot *s, size_t lo, size_t mid, size_t hi)
{
    while (lo < mid && mid < hi && row(s, mid)->uid < row(s, mid - 1)->uid) {
        size_t i, j;

        /* what is in place at both ends stays there */
        lo = bound(s, lo, mid, row(s, mid)->uid, true);
        hi = bound(s, mid, hi, row(s, mid - 1)->uid, false);
        if (mid - lo >= hi - mid) {
            i = lo + (mid - lo) / 2;
            j = bound(s, mid, hi, row(s, i)->uid, false);
        } else {
            j = mid + (hi - mid) / 2;
            i = bound(s, lo, mid, row(s, j)->uid, true);
            j++;
        }
        rotate(s, i, mid, j);
        size_t cut = i + (j - mid);
        merge(s, lo, i, cut);
        lo = cut;
        mid = j;
    }
}

static void drop_equal_uids(struct ph_snapshot *s)
{
    size_t out = 0;

    for (size_t i = 1; i < s->n; i++) {
        if (row(s, i)->uid != row(s, out)->uid)
            out++;
        if (out != i)
            *row(s, out) = *row(s, i);
    }
    ph_snapshot_truncate(s, s->n ? out + 1 : 0);
}

void ph_snapshot_sort_uid(struct ph_snapshot *s)
{
    if (!sorted(s, less_uid)) {
        for (size_t lo = 0; lo < s->n; lo += RUN)
            insertion(s, lo, lo + RUN < s->n ? lo + RUN : s->n, less_uid);
        for (size_t len = RUN; len < s->n; len *= 2)
            for (size_t lo = 0; lo + len < s->n; lo += 2 * len)
                merge(s, lo, lo + len, s->n - lo > 2 * len ? lo + 2 * len : s->n);
    }
    drop_equal_uids(s);
}

/* ---- by key ---- */

static void sift(const struct ph_snapshot *s, size_t lo, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n)
            return;
        if (child + 1 < n && less_key(row(s, lo + child), row(s, lo + child + 1)))
            child++;
        if (!less_key(row(s, lo + root), row(s, lo + child)))
            return;
        swap(s, lo + root, lo + child);
        root = child;
    }
}

static void heapsort_key(const struct ph_snapshot *s, size_t lo, size_t hi)
{
    size_t n = hi - lo;

    for (size_t i = n / 2; i-- > 0;)
        sift(s, lo, i, n);
    for (size_t i = n; i-- > 1;) {
        swap(s, lo, lo + i);
        sift(s, lo, 0, i);
    }
}

/* Puts the pivot (median of three) at its place and returns it. hi - lo >= 3. */
static size_t partition(const struct ph_snapshot *s, size_t lo, size_t hi)
{
    size_t mid = lo + (hi - lo) / 2, i = lo, j = hi - 1;

    if (less_key(row(s, mid), row(s, lo)))
        swap(s, mid, lo);
    if (less_key(row(s, hi - 1), row(s, mid))) {
        swap(s, hi - 1, mid);
        if (less_key(row(s, mid), row(s, lo)))
            swap(s, mid, lo);
    }
    swap(s, mid, hi - 2);
    struct ph_row pivot = *row(s, hi - 2);
    j = hi - 2;
    for (;;) {
        while (less_key(row(s, ++i), &pivot))
            ;
        while (less_key(&pivot, row(s, --j)))
            ;
        if (i >= j)
            break;
        swap(s, i, j);
    }
    swap(s, i, hi - 2);
    return i;
}

static void quicksort_key(const struct ph_snapshot *s, size_t lo, size_t hi, int depth)
{
    while (hi - lo > RUN) {
        if (depth-- == 0) {
            heapsort_key(s, lo, hi);
            return;
        }
        size_t p = partition(s, lo, hi);
        if (p - lo < hi - p - 1) {
            quicksort_key(s, lo, p, depth);
            lo = p + 1;
        } else {
            quicksort_key(s, p + 1, hi, depth);
            hi = p;
        }
    }
    insertion(s, lo, hi, less_key);
}

void ph_snapshot_sort_key(struct ph_snapshot *s)
{
    int depth = 2;

    if (sorted(s, less_key))
        return;
    for (size_t n = s->n; n > 1; n /= 2)
        depth += 2;
    quicksort_key(s, 0, s->n, depth);
}
