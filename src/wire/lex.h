/* lex.h: tokens of a response, read tolerantly. Internal to wire/.
 *
 * A lexer walks over one frame. It never fails on bad grammar: every function takes what is there and moves
 * on, or leaves the position alone and says false. `stop` is set (and stays) only for a limit or for memory;
 * then everything winds up quickly because the position is moved to the end.
 */
#ifndef PH_WIRE_LEX_H
#define PH_WIRE_LEX_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/response.h"

struct ph_lex {
    const char *p, *end, *base;
    const struct ph_streamed *streamed; /* offsets from base */
    unsigned n_streamed;
    struct ph_arena *arena;
    unsigned depth;     /* of lists still allowed */
    size_t values;      /* list elements still allowed */
    enum ph_kind stop;  /* PH_OK, PH_E_LIMIT, PH_E_MEMORY */
};

void ph_lex_stop(struct ph_lex *l, enum ph_kind why);

static inline bool ph_lex_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static inline void ph_lex_blanks(struct ph_lex *l)
{
    while (l->p < l->end && ph_lex_is_blank(*l->p))
        l->p++;
}

static inline bool ph_lex_at(const struct ph_lex *l, char c)
{
    return l->p < l->end && *l->p == c;
}

static inline bool ph_lex_eat(struct ph_lex *l, char c)
{
    if (!ph_lex_at(l, c))
        return false;
    l->p++;
    return true;
}

/* Up to a blank: names of responses, tags, names of mailboxes sent without quotes. May be empty. */
struct ph_str ph_lex_word(struct ph_lex *l);
/* Up to a blank or parenthesis; at least one octet unless at one of those. */
struct ph_str ph_lex_atom(struct ph_lex *l);
/* A quoted string, or a literal; *stream is its index in streamed[] or -1 (may be NULL). False: there is none. */
bool ph_lex_string(struct ph_lex *l, struct ph_str *out, int *stream);
/* A string or an atom. False at a parenthesis and at the end. *quoted (may be NULL): it was a string. */
bool ph_lex_astring(struct ph_lex *l, struct ph_str *out, bool *quoted);
/* A number, also quoted. What is no number that fits is skipped, false. */
bool ph_lex_u64(struct ph_lex *l, uint64_t *v);
bool ph_lex_u32(struct ph_lex *l, uint32_t *v);
/* All digits and fits. */
bool ph_str_u64(struct ph_str s, uint64_t *v);
/* Any value with all that is in it. False: no value is here (end of the frame or of the list around). */
bool ph_lex_value(struct ph_lex *l, struct ph_value *v);
/* `(a b "c")`, or words without parentheses up to the end. With nil, a bare NIL gives p == NULL. */
void ph_lex_words(struct ph_lex *l, struct ph_words *w, bool nil);
struct ph_str ph_lex_rest(struct ph_lex *l);
/* Upper case, copied only when it has to be. */
struct ph_str ph_lex_upper(struct ph_lex *l, struct ph_str s);

/* Room for element n of an array in the arena of *cap elements, which doubles. NULL: stop is set. */
void *ph_lex_grow(struct ph_lex *l, void *array, size_t n, size_t *cap, size_t size);
/* One list element more; false when there are too many. */
static inline bool ph_lex_count(struct ph_lex *l)
{
    if (l->values == 0) {
        ph_lex_stop(l, PH_E_LIMIT);
        return false;
    }
    l->values--;
    return true;
}

/* The parts of ph_resp_parse, each from behind the response's name. */
void ph_resp_code_parse(struct ph_lex *l, struct ph_resp_code *code); /* at the `[` */
void ph_resp_parse_fetch(struct ph_lex *l, struct ph_fetch *f);
bool ph_resp_parse_list(struct ph_lex *l, struct ph_list_item *item);
bool ph_resp_parse_mstatus(struct ph_lex *l, struct ph_mailbox_status *st);
void ph_resp_parse_namespaces(struct ph_lex *l, struct ph_namespaces *ns);
void ph_resp_parse_search(struct ph_lex *l, struct ph_resp *r, size_t ranges);
void ph_resp_parse_sort(struct ph_lex *l, struct ph_resp *r);
void ph_resp_parse_esearch(struct ph_lex *l, struct ph_esearch *e);
bool ph_resp_parse_vanished(struct ph_lex *l, struct ph_resp *r, size_t ranges);

#endif
