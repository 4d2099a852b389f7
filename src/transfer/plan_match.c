/* plan_match.c: which source message is which destination message, a group of equal keys at a time (plan.h). */
#include <stdlib.h>
#include <string.h>

#include "transfer/plan_private.h"

#define EVIDENCE_MAX 64

/* ---- hashes ---- */

static int compare_hashes(const void *pa, const void *pb)
{
    const struct ph_known_hash *a = *(const struct ph_known_hash *const *)pa;
    const struct ph_known_hash *b = *(const struct ph_known_hash *const *)pb;

    if (a->dst != b->dst)
        return a->dst ? 1 : -1;
    return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static int index_hashes(struct plan *p)
{
    size_t n = p->in->hashes ? p->in->n_hashes : 0;

    if (n == 0)
        return 0;
    p->hashes = malloc(n * sizeof *p->hashes);
    if (!p->hashes)
        return -1;
    for (size_t i = 0; i < n; i++)
        p->hashes[i] = &p->in->hashes[i];
    qsort(p->hashes, n, sizeof *p->hashes, compare_hashes);
    return 0;
}

/* NULL: the bytes could not be read. */
static const unsigned char *hash_of(const struct plan *p, uint32_t uid, bool dst)
{
    struct ph_known_hash wanted = { .uid = uid, .dst = dst };
    const struct ph_known_hash *w = &wanted, **found = NULL;

    if (p->hashes)
        found = bsearch(&w, p->hashes, p->in->n_hashes, sizeof *p->hashes, compare_hashes);
    return found ? (*found)->sha256 : NULL;
}

/* ---- pairs inside a group ---- */

struct member {
    struct ph_row *row;
    const unsigned char *sha;
    bool dst;
    bool settled; /* no partner is looked for: it has one, or it is known that there is none */
};

/* Who comes first among equals: what the ledger knows to be there, then (for equal bytes) what is wanted, then the
 * lower UID. */
static int rank(const struct member *m, bool wanted_first)
{
    if (m->dst || m->row->mark & MARK_LEDGER)
        return 0;
    return wanted_first && m->row->mark & MARK_FATE ? 2 : 1;
}

static int compare_rank(const struct member *a, const struct member *b, bool wanted_first)
{
    int ra, rb;

    if (a->dst != b->dst)
        return a->dst ? 1 : -1;
    ra = rank(a, wanted_first);
    rb = rank(b, wanted_first);
    if (ra != rb)
        return ra - rb;
    return a->row->uid < b->row->uid ? -1 : a->row->uid > b->row->uid;
}

static int by_sha(const void *pa, const void *pb)
{
    const struct member *a = pa, *b = pb;
    int d;

    if (!a->sha || !b->sha)
        d = !a->sha - !b->sha;
    else
        d = memcmp(a->sha, b->sha, 32);
    return d ? d : compare_rank(a, b, true);
}

static bool same_sha(const struct member *a, const struct member *b)
{
    return a->sha && b->sha && memcmp(a->sha, b->sha, 32) == 0;
}

static int compare_dates(const struct member *a, const struct member *b)
{
    bool has_a = a->row->has_date, has_b = b->row->has_date;
    int64_t x = a->row->epoch, y = b->row->epoch;

    if (!has_a || !has_b)
        return has_b - has_a;
    return x < y ? -1 : x > y;
}

/* Copies of one message can differ in what is not in their bytes, and then each is somebody's. */
static int by_sha_envelope(const void *pa, const void *pb)
{
    const struct member *a = pa, *b = pb;
    int d;

    if (!a->sha || !b->sha)
        d = !a->sha - !b->sha;
    else
        d = memcmp(a->sha, b->sha, 32);
    if (!d)
        d = compare_dates(a, b);
    if (!d)
        d = (int)(a->row->flags & ~PH_F_RECENT) - (int)(b->row->flags & ~PH_F_RECENT);
    return d ? d : compare_rank(a, b, true);
}

static int compare_sizes(const struct member *a, const struct member *b)
{
    uint64_t x = a->row->size, y = b->row->size;

    return x < y ? -1 : x > y;
}

static int by_date_size(const void *pa, const void *pb)
{
    int d = compare_dates(pa, pb);

    if (!d)
        d = compare_sizes(pa, pb);
    return d ? d : compare_rank(pa, pb, false);
}

static bool same_date(const struct member *a, const struct member *b)
{
    return a->row->has_date && b->row->has_date && a->row->epoch == b->row->epoch;
}

static bool same_size(const struct member *a, const struct member *b)
{
    return a->row->size == b->row->size;
}

static bool same_sha_envelope(const struct member *a, const struct member *b)
{
    return same_sha(a, b) && same_date(a, b) && ((a->row->flags ^ b->row->flags) & ~PH_F_RECENT) == 0;
}

static bool same_date_size(const struct member *a, const struct member *b)
{
    return same_date(a, b) && same_size(a, b);
}

static int by_date(const void *pa, const void *pb)
{
    int d = compare_dates(pa, pb);

    return d ? d : compare_rank(pa, pb, false);
}

static int by_size(const void *pa, const void *pb)
{
    int d = compare_sizes(pa, pb);

    return d ? d : compare_rank(pa, pb, false);
}

static int by_uid(const void *pa, const void *pb)
{
    return compare_rank(pa, pb, false);
}

static bool same_key(const struct member *a, const struct member *b)
{
    return true;
}

static size_t end_of_bytes(const struct member *m, size_t i, size_t n)
{
    size_t end = i + 1;

    while (end < n && same_sha(&m[i], &m[end]))
        end++;
    return end;
}

/* Is a message without a partner equal to one that the ledger pairs? Then a second copy of that one is its own. */
static bool has_twin(const struct member *m, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        bool mapped = false, open = false;
        end = end_of_bytes(m, i, n);
        for (size_t k = i; k < end; k++) {
            mapped |= !m[k].dst && m[k].row->mark & MARK_OUT;
            open |= !m[k].dst && !(m[k].row->mark & (MARK_OUT | MARK_PAIRED));
        }
        if (mapped && open && m[i].sha)
            return true;
    }
    return false;
}

/* m is ordered by bytes, and equal ones are paired. Bytes that stand on both sides come through unchanged: a message with
 * those bytes that found no partner has none, and a copy too many of them is no changed form of another message. Of two
 * copies with equal bytes on the destination, one of which is mapped, the other is no other message, either. */
static void settle(struct member *m, size_t n)
{
    bool twin = has_twin(m, n);

    for (size_t i = 0, end; i < n; i = end) {
        bool here = false, there = false, mapped = false;
        end = end_of_bytes(m, i, n);
        for (size_t k = i; k < end; k++) {
            here |= !m[k].dst;
            there |= m[k].dst;
            mapped |= m[k].dst && m[k].row->mark & MARK_OUT;
        }
        for (size_t k = i; k < end && m[k].sha; k++)
            if ((here && there) || (mapped && m[k].dst && !twin))
                m[k].settled = true;
    }
}

/* Pair what is the same: the order puts equals together, sources before destinations. What is left stays in m; *n
 * is how many. */
static int pair_equal(struct plan *p, struct member *m, size_t *n, int (*compare)(const void *, const void *),
                      bool (*same)(const struct member *, const struct member *))
{
    size_t kept = 0;

    qsort(m, *n, sizeof *m, compare);
    for (size_t i = 0, end; i < *n; i = end) {
        size_t s = i, d = i;
        for (end = i + 1; end < *n && same(&m[i], &m[end]); end++)
            ;
        while (d < end && !m[d].dst)
            d++;
        for (size_t k = d, last = d; s < last && k < end; k++) {
            while (s < last && m[s].row->mark & (MARK_OUT | MARK_PAIRED))
                s++;
            if (s < last && !(m[k].row->mark & (MARK_OUT | MARK_PAIRED)) && plan_pair(p, m[s++].row, m[k].row))
                return -1;
        }
    }
    if (same == same_sha_envelope) /* the next step has to see them all */
        return 0;
    if (same == same_sha)
        settle(m, *n);
    for (size_t i = 0; i < *n; i++)
        if (!m[i].settled && !(m[i].row->mark & (MARK_PAIRED | MARK_OUT)))
            m[kept++] = m[i];
    *n = kept;
    return 0;
}

static void ask_for_bytes(struct plan *p)
{
    for (size_t i = 0; i < p->n_s; i++)
        p->s[i]->mark |= p->s[i]->mark & MARK_ALONE ? 0 : MARK_NEED_HASH;
    for (size_t i = 0; i < p->n_d; i++)
        p->d[i]->mark |= MARK_NEED_HASH;
}

static int pair_by_bytes(struct plan *p, bool remainder)
{
    static const struct {
        int (*compare)(const void *, const void *);
        bool (*same)(const struct member *, const struct member *);
    } ladder[] = { { by_sha_envelope, same_sha_envelope }, { by_sha, same_sha }, { by_date_size, same_date_size },
                   { by_date, same_date }, { by_size, same_size }, { by_uid, same_key } };
    size_t n = 0, steps = remainder ? sizeof ladder / sizeof *ladder : 2, looking = 0;

    for (size_t i = 0; i < p->n_s; i++)
        looking += !(p->s[i]->mark & (MARK_ALONE | MARK_OUT));
    if (!looking)
        return 0;
    if (!p->in->hashes) {
        ask_for_bytes(p);
        return 0;
    }
    struct member *m = malloc((p->n_s + p->n_d) * sizeof *m);
    if (!m)
        return -1;
    for (size_t i = 0; i < p->n_s + p->n_d; i++) {
        bool dst = i >= p->n_s;
        struct ph_row *row = dst ? p->d[i - p->n_s] : p->s[i];
        if (!(row->mark & MARK_ALONE))
            m[n++] = (struct member){ row, hash_of(p, row->uid, dst), dst, false };
    }
    int r = 0;
    for (size_t i = 0; i < steps && r == 0; i++)
        r = pair_equal(p, m, &n, ladder[i].compare, ladder[i].same);
    free(m);
    return r;
}

/* ---- groups ---- */

static int push(struct ph_row ***v, size_t *n, size_t *cap, struct ph_row *r)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        struct ph_row **w = realloc(*v, more * sizeof *w);
        if (!w)
            return -1;
        *v = w;
        *cap = more;
    }
    (*v)[(*n)++] = r;
    return 0;
}

/* The rows in question of one key, in UID order; `mapped`: also those that the ledger pairs. Returns how many rows have that
 * key, or SIZE_MAX without memory. */
static size_t gather(const struct ph_snapshot *s, size_t lo, size_t hi, bool keyless, bool mapped, struct ph_row ***v,
                     size_t *n, size_t *cap)
{
    size_t all = 0;

    *n = 0;
    for (size_t i = lo; i < hi; i++) {
        struct ph_row *r = ph_snapshot_row(s, i);
        if (!!(r->mark & MARK_KEYLESS) != keyless || (!keyless && r->key == 0))
            continue;
        all++;
        if ((mapped || !(r->mark & MARK_OUT)) && push(v, n, cap, r))
            return SIZE_MAX;
    }
    return all;
}

/* One of a key is enough (imapcopy -U). */
static void classic(struct plan *p, size_t all_dst)
{
    for (size_t i = 0; all_dst && i < p->n_s; i++)
        if (!(p->s[i]->mark & MARK_FATE))
            plan_set_fate(p->s[i], PH_SKIP_EXISTS);
}

/* Only the first of a key is wanted: one pair at most, no bytes. `covered`: another message of that key is or will be there. */
static int dedup(struct plan *p, bool covered, bool pair)
{
    for (size_t i = 0; i < p->n_s; i++) {
        struct ph_row *r = p->s[i];
        bool known = r->mark & MARK_LEDGER;
        if (!known && r->mark & MARK_FATE)
            continue;
        if (!known && covered) {
            plan_set_fate(r, PH_SKIP_DUPLICATE);
            continue;
        }
        if (pair && !covered && p->n_d && !(r->mark & MARK_ALONE) && plan_pair(p, r, p->d[0]))
            return -1;
        covered = true;
    }
    return 0;
}

static bool any_known(const struct plan *p)
{
    for (size_t i = 0; i < p->n_s; i++)
        if (p->s[i]->mark & MARK_LEDGER)
            return true;
    return false;
}

struct bounds { /* of a group, in the sorted snapshots */
    size_t s_lo, s_hi, d_lo, d_hi;
};

/* More than one message of a key on a side. In a group of bearable size those that the ledger pairs are read too: what
 * looks like a changed form of the new message may be another copy of a known one. */
static int ambiguous(struct plan *p, const struct bounds *b, size_t all)
{
    if (all > p->n_s + p->n_d && all <= EVIDENCE_MAX &&
        (gather(p->in->src, b->s_lo, b->s_hi, false, true, &p->s, &p->n_s, &p->cap_s) == SIZE_MAX ||
         gather(p->dst, b->d_lo, b->d_hi, false, true, &p->d, &p->n_d, &p->cap_d) == SIZE_MAX))
        return -1;
    return pair_by_bytes(p, true);
}

static int keyed_group(struct plan *p, const struct bounds *b, size_t all_src, size_t all_dst)
{
    bool mapped = all_src > p->n_s; /* one of them is known to be there, under a known UID */

    if (p->policy->classic_match)
        classic(p, all_dst);
    if (p->policy->dedup) {
        bool covered = mapped;
        /* a message the ledger knows is there before a later run's first one; pairing may still find its UID */
        if (!covered && any_known(p)) {
            for (size_t i = 0; i < p->n_s; i++)
                if (!(p->s[i]->mark & (MARK_LEDGER | MARK_FATE)))
                    plan_set_fate(p->s[i], PH_SKIP_DUPLICATE);
        }
        return dedup(p, covered, !p->policy->classic_match);
    }
    if (p->policy->classic_match || p->n_s == 0 || p->n_d == 0)
        return 0;
    if (all_src == 1 && all_dst == 1)
        return p->s[0]->mark & MARK_ALONE ? 0 : plan_pair(p, p->s[0], p->d[0]);
    return ambiguous(p, b, all_src + all_dst);
}

static int group(struct plan *p, const struct bounds *b)
{
    for (int keyless = 0; keyless < 2; keyless++) {
        size_t all_src = gather(p->in->src, b->s_lo, b->s_hi, keyless, false, &p->s, &p->n_s, &p->cap_s), all_dst = 0;
        p->n_d = 0;
        if (p->dst && all_src != SIZE_MAX && p->n_s)
            all_dst = gather(p->dst, b->d_lo, b->d_hi, keyless, false, &p->d, &p->n_d, &p->cap_d);
        if (all_src == SIZE_MAX || all_dst == SIZE_MAX)
            return -1;
        if (p->n_s == 0)
            continue;
        if (!keyless && keyed_group(p, b, all_src, all_dst))
            return -1;
        if (keyless && !p->policy->classic_match && p->n_d && pair_by_bytes(p, false))
            return -1;
    }
    return 0;
}

/* Messages without a key are looked at by size: that is their key as long as the matching lasts. A real key of the same value
 * does no harm, the mark tells them apart. */
static void set_keyless(const struct ph_snapshot *s, bool on)
{
    for (size_t i = 0; i < s->n; i++) {
        struct ph_row *r = ph_snapshot_row(s, i);
        if (on && r->key == 0 && !(r->mark & MARK_OUT)) {
            r->key = r->size;
            r->mark |= MARK_KEYLESS;
        } else if (!on && r->mark & MARK_KEYLESS) {
            r->key = 0;
        }
    }
}

static size_t end_of_key(const struct ph_snapshot *s, size_t i)
{
    uint64_t key = ph_snapshot_row(s, i)->key;

    while (i < s->n && ph_snapshot_row(s, i)->key == key)
        i++;
    return i;
}

static int walk(struct plan *p)
{
    const struct ph_snapshot *src = p->in->src;
    size_t d = 0, d_end = 0;

    for (size_t i = 0, end; i < src->n; i = end) {
        uint64_t key = ph_snapshot_row(src, i)->key;
        end = end_of_key(src, i);
        while (p->dst && d < p->dst->n && ph_snapshot_row(p->dst, d)->key < key)
            d++;
        d_end = d;
        if (p->dst && d < p->dst->n && ph_snapshot_row(p->dst, d)->key == key)
            d_end = end_of_key(p->dst, d);
        if (group(p, &(struct bounds){ i, end, d, d_end }))
            return -1;
        d = d_end;
    }
    return 0;
}

int plan_match(struct plan *p)
{
    bool with_dst = p->dst && (p->free || (p->policy->classic_match && p->dst->n));

    if (!p->candidates || (!with_dst && !p->policy->dedup))
        return 0;
    if (index_hashes(p))
        return -1;
    set_keyless(p->in->src, true);
    ph_snapshot_sort_key(p->in->src);
    if (p->dst) {
        set_keyless(p->dst, true);
        ph_snapshot_sort_key(p->dst);
    }
    int r = walk(p);
    set_keyless(p->in->src, false);
    ph_snapshot_sort_uid(p->in->src);
    if (p->dst) {
        set_keyless(p->dst, false);
        ph_snapshot_sort_uid(p->dst);
    }
    return r;
}
