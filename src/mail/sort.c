#include "mail/sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/structure.h"
#include "mail/subject.h"

#define STRING_MAX 1000 /* octets of a string that count */

struct value {
    union {
        int64_t number;
        struct {
            uint32_t n, head; /* head: the first octets, which mostly decide */
            const char *p;
        } text;
    };
};

struct ph_sorter {
    struct ph_sort_key *keys;
    size_t n_keys, n, cap;
    uint32_t *numbers;
    struct value *values; /* n_keys a message */
    uint32_t *order;
    struct ph_arena arena;
    struct ph_buf raw, mapped;
    struct ph_addresses addresses;
};

struct ph_sorter *ph_sorter_new(const struct ph_sort_key *keys, size_t n, struct ph_err *err)
{
    struct ph_sorter *s = calloc(1, sizeof *s);

    if (s)
        s->keys = calloc(n ? n : 1, sizeof *keys);
    if (!s || !s->keys) {
        free(s);
        ph_fail_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) /* a key that stands again decides nothing */
        for (size_t k = 0; k <= s->n_keys; k++) {
            if (k < s->n_keys && s->keys[k].by == keys[i].by)
                break;
            if (k == s->n_keys) {
                s->keys[s->n_keys++] = keys[i];
                break;
            }
        }
    ph_arena_init(&s->arena, 0);
    return s;
}

void ph_sorter_free(struct ph_sorter *s)
{
    if (!s)
        return;
    free(s->keys);
    free(s->numbers);
    free(s->values);
    free(s->order);
    ph_arena_done(&s->arena);
    ph_buf_done(&s->raw);
    ph_buf_done(&s->mapped);
    ph_addresses_done(&s->addresses);
    free(s);
}

unsigned ph_sorter_needs(const struct ph_sorter *s)
{
    static const unsigned needs[] = {
        [PH_SORT_ARRIVAL] = PH_SORT_NEEDS_ARRIVAL, [PH_SORT_CC] = PH_SORT_NEEDS_CC, [PH_SORT_DATE] = PH_SORT_NEEDS_DATE,
        [PH_SORT_FROM] = PH_SORT_NEEDS_FROM, [PH_SORT_SIZE] = PH_SORT_NEEDS_SIZE, [PH_SORT_SUBJECT] = PH_SORT_NEEDS_SUBJECT,
        [PH_SORT_TO] = PH_SORT_NEEDS_TO, [PH_SORT_DISPLAYFROM] = PH_SORT_NEEDS_FROM, [PH_SORT_DISPLAYTO] = PH_SORT_NEEDS_TO,
    };
    unsigned all = 0;

    for (size_t i = 0; i < s->n_keys; i++)
        all |= needs[s->keys[i].by];
    return all;
}

/* ---- values ---- */

static int make_room(struct ph_sorter *s, struct ph_err *err)
{
    if (s->n < s->cap)
        return 0;
    size_t cap = s->cap ? 2 * s->cap : 64;
    uint32_t *numbers = realloc(s->numbers, cap * sizeof *numbers);
    if (numbers)
        s->numbers = numbers;
    struct value *values = realloc(s->values, (cap * s->n_keys + 1) * sizeof *values);
    if (values)
        s->values = values;
    if (!numbers || !values)
        return ph_fail_memory(err);
    s->cap = cap;
    return 0;
}

/* s->raw, compared by i;unicode-casemap. */
static int take_string(struct ph_sorter *s, struct value *v, struct ph_err *err)
{
    struct ph_str text = ph_buf_str(&s->raw);

    if (text.n > STRING_MAX) { /* a character stays whole, or the text would be no UTF-8 */
        text.n = STRING_MAX;
        while (text.n && ((unsigned char)text.p[text.n] & 0xc0) == 0x80)
            text.n--;
    }
    ph_buf_clear(&s->mapped);
    if (s->raw.failed || ph_casemap(text, &s->mapped))
        return ph_fail_memory(err);
    text = ph_buf_str(&s->mapped);
    v->text.n = (uint32_t)text.n;
    v->text.p = text.n ? ph_arena_strdup(&s->arena, text) : "";
    v->text.head = 0;
    for (size_t i = 0; i < 4; i++)
        v->text.head = v->text.head << 8 | (i < text.n ? (unsigned char)text.p[i] : 0);
    return v->text.p ? 0 : ph_fail_memory(err);
}

/* Of the first address of the field. */
static int take_address(struct ph_sorter *s, const struct ph_address *a, bool display, struct value *v, struct ph_err *err)
{
    ph_buf_clear(&s->raw);
    if (display ? ph_address_sort_display(a, &s->raw) : ph_address_sort_mailbox(a, &s->raw))
        return ph_fail_memory(err);
    return take_string(s, v, err);
}

/* Where strings come from. */
static int first_address(struct ph_sorter *s, const struct ph_structure *structure, enum ph_structure_list list,
                         struct ph_str raw, struct ph_address *out)
{
    if (structure)
        return ph_structure_first(structure, list, out);
    ph_addresses_begin(&s->addresses, raw);
    return ph_addresses_next(&s->addresses, out);
}

static int take_value(struct ph_sorter *s, const struct ph_sort_message *m, const struct ph_structure *structure,
                      enum ph_sort_by by, struct value *v, struct ph_err *err)
{
    struct ph_address a;
    enum ph_structure_list list = PH_LIST_FROM;
    struct ph_str raw = m->from;
    int r;

    switch (by) {
    case PH_SORT_ARRIVAL:
        v->number = m->arrival;
        return 0;
    case PH_SORT_DATE:
        v->number = m->date;
        return 0;
    case PH_SORT_SIZE:
        v->number = m->size > INT64_MAX ? INT64_MAX : (int64_t)m->size;
        return 0;
    case PH_SORT_SUBJECT:
        ph_buf_clear(&s->raw);
        if (ph_subject_base(structure ? ph_structure_field(structure, PH_FIELD_SUBJECT) : m->subject, &s->raw, NULL))
            return ph_fail_memory(err);
        return take_string(s, v, err);
    case PH_SORT_CC:
        list = PH_LIST_CC;
        raw = m->cc;
        break;
    case PH_SORT_TO:
    case PH_SORT_DISPLAYTO:
        list = PH_LIST_TO;
        raw = m->to;
        break;
    case PH_SORT_FROM:
    case PH_SORT_DISPLAYFROM:
        break;
    }
    if ((r = first_address(s, structure, list, raw, &a)) < 0)
        return ph_fail_memory(err);
    return take_address(s, r ? &a : NULL, by == PH_SORT_DISPLAYFROM || by == PH_SORT_DISPLAYTO, v, err);
}

static int add(struct ph_sorter *s, const struct ph_sort_message *m, const struct ph_structure *structure, struct ph_err *err)
{
    if (s->n == UINT32_MAX)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "more messages than can be sorted");
    if (make_room(s, err))
        return -1;
    for (size_t i = 0; i < s->n_keys; i++)
        if (take_value(s, m, structure, s->keys[i].by, &s->values[s->n * s->n_keys + i], err))
            return -1;
    s->numbers[s->n++] = m->number;
    return 0;
}

int ph_sorter_add(struct ph_sorter *s, const struct ph_sort_message *m, struct ph_err *err)
{
    return add(s, m, NULL, err);
}

int ph_sorter_add_structure(struct ph_sorter *s, const struct ph_sort_message *m, const struct ph_structure *structure,
                            struct ph_err *err)
{
    struct ph_sort_message with = *m;
    struct ph_mail_date date;

    if ((ph_sorter_needs(s) & PH_SORT_NEEDS_DATE) &&
        ph_mail_date_parse(ph_structure_field(structure, PH_FIELD_DATE), &date))
        with.date = date.epoch;
    return add(s, &with, structure, err);
}

/* ---- order ---- */

static int compare_text(const struct value *a, const struct value *b)
{
    if (a->text.head != b->text.head)
        return a->text.head < b->text.head ? -1 : 1;
    size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
    int r = n ? memcmp(a->text.p, b->text.p, n) : 0;
    return r ? r : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

static int compare(const void *va, const void *vb, void *ctx)
{
    const struct ph_sorter *s = ctx;
    uint32_t ia = *(const uint32_t *)va, ib = *(const uint32_t *)vb;

    for (size_t i = 0; i < s->n_keys; i++) {
        const struct value *a = &s->values[(size_t)ia * s->n_keys + i], *b = &s->values[(size_t)ib * s->n_keys + i];
        enum ph_sort_by by = s->keys[i].by;
        int r = by == PH_SORT_ARRIVAL || by == PH_SORT_DATE || by == PH_SORT_SIZE ? (a->number > b->number) - (a->number < b->number)
                                                                                  : compare_text(a, b);
        if (r)
            return s->keys[i].reverse ? -r : r;
    }
    return (ia > ib) - (ia < ib); /* RFC 5256 3: the order of the mailbox, not reversed */
}

int ph_sorter_finish(struct ph_sorter *s, const uint32_t **numbers, size_t *n, struct ph_err *err)
{
    free(s->order);
    s->order = malloc((s->n + 1) * sizeof *s->order);
    if (!s->order)
        return ph_fail_memory(err);
    for (size_t i = 0; i < s->n; i++)
        s->order[i] = (uint32_t)i;
    qsort_r(s->order, s->n, sizeof *s->order, compare, s);
    for (size_t i = 0; i < s->n; i++)
        s->order[i] = s->numbers[s->order[i]];
    *numbers = s->order;
    *n = s->n;
    return 0;
}
