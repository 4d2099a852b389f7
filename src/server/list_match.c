/* list_match.c: the wildcards of LIST (RFC 9051 6.3.9).
 *
 * A pattern is an automaton whose state is "so much of the pattern has been matched"; the set of states it may be in is a row
 * of bits that moves on with each octet of the name. Nothing is tried twice, so there is no pattern that takes long. */
#include <string.h>

#include "server/list.h"

struct list_pattern {
    size_t n;           /* items: octets and wildcards */
    size_t words;       /* of a set of n + 1 states */
    size_t least;       /* octets that a name must have at least */
    uint64_t *wild;     /* item i is `*` or `%` */
    uint64_t *star;     /* item i is `*` */
    uint64_t *literal[256]; /* item i is this octet; NULL: none is */
    uint64_t *state, *next;
};

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* `**`, `*%` and `%*` are `*`, `%%` is `%`: then no two wildcards stand side by side. */
static size_t fold(struct ph_str text, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        bool wild = text.p[i] == '*' || text.p[i] == '%';
        if (wild && n && (out[n - 1] == '*' || out[n - 1] == '%')) {
            if (text.p[i] == '*')
                out[n - 1] = '*';
        } else {
            out[n++] = text.p[i];
        }
    }
    return n;
}

struct list_pattern *list_pattern_new(struct ph_arena *arena, struct ph_str text)
{
    struct list_pattern *p = ph_arena_alloc(arena, sizeof *p);
    char *items = ph_arena_alloc(arena, text.n + 1);

    if (!p || !items || text.n > LIST_PATTERN_OCTETS)
        return NULL;
    p->n = fold(text, items);
    p->words = p->n / 64 + 1;
    uint64_t **rows[] = { &p->wild, &p->star, &p->state, &p->next };
    for (size_t i = 0; i < 4; i++)
        if (!(*rows[i] = ph_arena_alloc(arena, p->words * sizeof(uint64_t))))
            return NULL;
    for (size_t i = 0; i < p->n; i++) {
        if (items[i] == '*')
            set_bit(p->star, i);
        if (items[i] == '*' || items[i] == '%') {
            set_bit(p->wild, i);
            continue;
        }
        uint64_t **row = &p->literal[(unsigned char)items[i]];
        if (!*row && !(*row = ph_arena_alloc(arena, p->words * sizeof(uint64_t))))
            return NULL;
        set_bit(*row, i);
        p->least++;
    }
    return p;
}

/* next = the states after one octet. A wildcard may match nothing: who stands before one stands behind it, too. */
static bool step(const struct list_pattern *p, unsigned char c, bool fold_case, bool is_delim)
{
    const uint64_t *one = p->literal[c], *other = NULL;
    uint64_t carry = 0, skip = 0, any = 0;

    if (fold_case)
        other = p->literal[c == ph_upper(c) ? ph_lower(c) : ph_upper(c)];
    for (size_t i = 0; i < p->words; i++) {
        uint64_t matched = p->state[i] & ((one ? one[i] : 0) | (other ? other[i] : 0));
        uint64_t stays = p->state[i] & (is_delim ? p->star[i] : p->wild[i]);
        uint64_t next = (matched << 1) | carry | stays;
        carry = matched >> 63;
        next |= skip;
        uint64_t before = next & p->wild[i];
        next |= before << 1;
        skip = before >> 63;
        p->next[i] = next;
        any |= next;
    }
    memcpy(p->state, p->next, p->words * sizeof(uint64_t));
    return any != 0;
}

bool list_pattern_match(const struct list_pattern *p, struct ph_str name, char delim)
{
    size_t inbox = 0;

    if (name.n < p->least)
        return false;
    if (ph_str_caseprefix(name, "INBOX") && (name.n == 5 || (delim && name.p[5] == delim)))
        inbox = 5;
    memset(p->state, 0, p->words * sizeof(uint64_t));
    p->state[0] = 1;
    p->state[0] |= (p->wild[0] & 1) << 1;
    for (size_t i = 0; i < name.n; i++)
        if (!step(p, (unsigned char)name.p[i], i < inbox, delim && name.p[i] == delim))
            return false;
    return p->state[p->n / 64] >> p->n % 64 & 1;
}

bool list_patterns_match(const struct list_patterns *p, struct ph_str name, char delim)
{
    for (size_t i = 0; i < p->n; i++)
        if (list_pattern_match(p->p[i], name, delim))
            return true;
    return false;
}
