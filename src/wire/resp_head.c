/* What a client asks at a literal: may these octets be streamed past the frame? */
#include "wire/chars.h"
#include "wire/lex.h"

/* At most so much of a head is looked at from either end: a peer may announce thousands of literals in one line. */
#define FRONT_MAX 16384
#define BACK_MAX 4096

/* The item whose value is about to come, read backwards from the end of the head. */
static bool last_item(struct ph_str head, struct ph_str *name, bool *whole)
{
    const char *p = head.n > BACK_MAX ? head.p + head.n - BACK_MAX : head.p, *q = head.p + head.n;
    bool partial = false, empty = false, section = false;

    while (q > p && q[-1] == ' ')
        q--;
    if (q > p && q[-1] == '>') {
        const char *angle = q - 1;
        while (angle > p && ph_char_is(angle[-1], PH_C_DIGIT))
            angle--;
        if (angle == p || angle[-1] != '<')
            return false;
        q = angle - 1;
        partial = true;
    }
    if (q > p && q[-1] == ']') {
        const char *open = memrchr(p, '[', (size_t)(q - p));
        if (!open)
            return false;
        section = true;
        empty = open + 2 == q;
        q = open;
    }
    const char *end = q;
    while (q > p && *(q - 1) != ' ' && *(q - 1) != '(')
        q--;
    *name = (struct ph_str){ q, (size_t)(end - q) };
    *whole = !partial && (section ? empty && ph_str_caseis(*name, "BODY") : ph_str_caseis(*name, "RFC822"));
    if (section)
        return ph_str_caseis(*name, "BODY") || ph_str_caseis(*name, "BINARY");
    return ph_str_caseis(*name, "RFC822") || ph_str_caseis(*name, "RFC822.TEXT") ||
           ph_str_caseis(*name, "RFC822.HEADER");
}

static bool is_body_name(struct ph_str atom)
{
    return ph_str_caseprefix(atom, "BODY[") || ph_str_caseprefix(atom, "BINARY[") || ph_str_caseis(atom, "RFC822") ||
           ph_str_caseis(atom, "RFC822.TEXT") || ph_str_caseis(atom, "RFC822.HEADER");
}

static void skip_quoted(struct ph_lex *l)
{
    for (l->p++; l->p < l->end && *l->p != '"'; l->p++)
        if (*l->p == '\\' && l->p + 1 < l->end)
            l->p++;
    ph_lex_eat(l, '"');
}

/* A section may hold blanks and parentheses: on to its `]`. */
static void skip_section(struct ph_lex *l, struct ph_str atom)
{
    if (memchr(atom.p, '[', atom.n))
        while (l->p < l->end && l->p[-1] != ']' && l->p[-1] != '>')
            l->p++;
}

/* Walks over the items in front. Is the end of the head among the items, not inside a value? The UID counts
 * only among the items as well, and only up to the first literal of a body: whether its octets stand in the
 * head or were streamed past it cannot be told here, and octets of a message must not be read as items. */
static bool walk(struct ph_lex *l, uint32_t *uid)
{
    unsigned depth = 0, outer = 0; /* outer: of the items, as against inside a value */
    bool want_name = true, body = false, is_uid = false;
    struct ph_str s;
    uint64_t n;

    for (;;) {
        ph_lex_blanks(l);
        if (l->p == l->end)
            return depth && depth == outer;
        s = PH_STR("");
        if (ph_lex_eat(l, '(')) {
            depth++;
            if (want_name)
                outer = depth;
            continue;
        }
        if (ph_lex_eat(l, ')')) {
            depth -= depth != 0;
            if (depth < outer)
                outer = depth;
            else if (depth == outer)
                want_name = true;
            continue;
        }
        if (*l->p == '{' || *l->p == '~') {
            if (body)
                return true;
            if (!ph_lex_string(l, &s, NULL))
                l->p++;
        } else if (*l->p == '"') {
            skip_quoted(l);
        } else {
            s = ph_lex_atom(l);
            if (want_name && depth == outer)
                skip_section(l, s);
        }
        if (depth != outer)
            continue;
        if (is_uid && !want_name && ph_str_u64(s, &n) && n <= UINT32_MAX)
            *uid = (uint32_t)n;
        is_uid = want_name && ph_str_caseis(s, "UID");
        body = want_name && is_body_name(s);
        want_name = !want_name;
    }
}

bool ph_resp_body_literal(struct ph_str head, uint32_t *seq, uint32_t *uid, bool *whole)
{
    bool cut = head.n > FRONT_MAX;
    struct ph_lex l = { .p = head.p, .base = head.p, .end = head.p + (cut ? FRONT_MAX : head.n) };
    struct ph_str name;
    uint64_t n;

    *seq = *uid = 0;
    *whole = false;
    ph_lex_blanks(&l);
    if (!ph_lex_eat(&l, '*') || !last_item(head, &name, whole))
        return false;
    ph_lex_blanks(&l);
    if (!ph_str_u64(ph_lex_atom(&l), &n) || n == 0 || n > UINT32_MAX)
        return false;
    *seq = (uint32_t)n;
    ph_lex_blanks(&l);
    struct ph_str word = ph_lex_atom(&l);
    bool uidfetch = ph_str_caseis(word, "UIDFETCH");
    if (!uidfetch && !ph_str_caseis(word, "FETCH"))
        return false;
    bool among_items = walk(&l, uid);
    if (uidfetch)
        *uid = *seq;
    return among_items || cut;
}
