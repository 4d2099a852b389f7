/* SEARCH, SORT, ESEARCH and VANISHED responses: RFC 9051 7.3.4, 3501 7.2.5, 4731, 5256, 7162 3.1.5 and 3.2.10. */
#include "wire/lex.h"

/* `(MODSEQ n)` at the end of SEARCH and SORT. */
static void take_modseq(struct ph_lex *l, struct ph_resp *r)
{
    struct ph_value v;
    uint64_t n;

    if (!ph_lex_value(l, &v))
        return;
    if (v.n >= 2 && ph_str_caseis(v.items[0].text, "MODSEQ") && ph_str_u64(v.items[1].text, &n) && n <= INT64_MAX)
        r->modseq = n;
}

/* The next number of the line. False at its end. */
static bool next_number(struct ph_lex *l, struct ph_resp *r, uint32_t *num)
{
    while (!l->stop) {
        ph_lex_blanks(l);
        if (l->p == l->end)
            return false;
        if (*l->p == '(')
            take_modseq(l, r);
        else if (*l->p == ')')
            l->p++;
        else if (ph_lex_u32(l, num) && *num)
            return true;
    }
    return false;
}

void ph_resp_parse_search(struct ph_lex *l, struct ph_resp *r, size_t ranges)
{
    uint32_t num;

    while (next_number(l, r, &num)) {
        if (ph_numset_push(&r->set, num, num))
            ph_lex_stop(l, PH_E_MEMORY);
        /* out of order they take a range each: see what they come to, not so often that it costs */
        if (r->set.n / 2 > ranges) {
            ph_numset_sort(&r->set);
            if (r->set.n > ranges)
                break;
        }
    }
    ph_numset_sort(&r->set);
    if (r->set.n > ranges)
        ph_lex_stop(l, PH_E_LIMIT);
}

void ph_resp_parse_sort(struct ph_lex *l, struct ph_resp *r)
{
    size_t cap = 0;
    uint32_t num;

    while (next_number(l, r, &num) && ph_lex_count(l)) {
        uint32_t *numbers = ph_lex_grow(l, r->numbers, r->n_numbers, &cap, sizeof *numbers);
        if (!numbers)
            return;
        r->numbers = numbers;
        numbers[r->n_numbers++] = num;
    }
}

static void esearch_item(struct ph_lex *l, struct ph_str name, struct ph_esearch *e)
{
    struct ph_value v;
    uint64_t n;

    if (!ph_lex_value(l, &v))
        return;
    if (ph_str_caseis(name, "ALL")) {
        if (v.type == PH_V_ATOM || v.type == PH_V_STRING)
            e->all = v.text;
        return;
    }
    if (v.type == PH_V_LIST || !ph_str_u64(v.text, &n))
        return;
    if (ph_str_caseis(name, "MODSEQ")) {
        e->has_modseq = n <= INT64_MAX;
        e->modseq = n;
    } else if (n > UINT32_MAX) {
        return;
    } else if (ph_str_caseis(name, "MIN")) {
        e->has_min = true;
        e->min = (uint32_t)n;
    } else if (ph_str_caseis(name, "MAX")) {
        e->has_max = true;
        e->max = (uint32_t)n;
    } else if (ph_str_caseis(name, "COUNT")) {
        e->has_count = true;
        e->count = (uint32_t)n;
    }
}

void ph_resp_parse_esearch(struct ph_lex *l, struct ph_esearch *e)
{
    while (!l->stop) {
        struct ph_value v;
        struct ph_str name;
        ph_lex_blanks(l);
        if (l->p == l->end)
            break;
        if (ph_lex_at(l, '(')) {
            if (ph_lex_value(l, &v) && v.n >= 2 && ph_str_caseis(v.items[0].text, "TAG"))
                e->tag = v.items[1].text;
        } else if (!ph_lex_astring(l, &name, NULL)) {
            l->p++; /* a stray parenthesis */
        } else if (ph_str_caseis(name, "UID")) {
            e->uid = true;
        } else {
            esearch_item(l, name, e);
        }
    }
}

bool ph_resp_parse_vanished(struct ph_lex *l, struct ph_resp *r, size_t ranges)
{
    struct ph_value v;
    struct ph_err err;

    ph_lex_blanks(l);
    if (ph_lex_at(l, '(') && ph_lex_value(l, &v))
        r->earlier = v.n && ph_str_caseis(v.items[0].text, "EARLIER");
    ph_lex_blanks(l);
    if (ph_numset_parse(&r->set, ph_lex_word(l), 0, ranges, &err) == 0)
        return true;
    if (err.kind != PH_E_PROTOCOL)
        ph_lex_stop(l, err.kind);
    return false;
}
