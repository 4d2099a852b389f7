/* args.h: the arguments of a command as a tree, and a cursor that takes them one after the other (RFC 9051
 * 9).
 *
 * The tree is made without knowing the command: atoms, strings, literals and lists, exactly one blank between
 * them. What an atom may be (a number, a set, a flag, `BODY[1.HEADER`) is asked by the cursor's functions;
 * they are all a command's grammar is made of. Strict: what the grammar does not allow is an error whose text
 * may stand in a tagged BAD (printable US-ASCII, one line). Errors have PH_SCOPE_NONE and PH_E_PROTOCOL,
 * limits PH_E_LIMIT.
 *
 * Slices borrow from the frame and from the arena. Owned by one thread.
 */
#ifndef PH_WIRE_ARGS_H
#define PH_WIRE_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/str.h"
#include "wire/framer.h"
#include "wire/numset.h"
#include "wire/response.h"

enum ph_arg_type {
    PH_A_ATOM,
    PH_A_QUOTED,
    PH_A_LITERAL,
    PH_A_LITERAL8,
    PH_A_LIST,
};

struct ph_arg {
    enum ph_arg_type type;
    bool glued;          /* no blank in front where one separates: only sections have that, `(a)]` */
    bool unclosed;       /* LIST: a literal is announced in it (only where the text may be open) */
    bool open;           /* the outermost list, of a text that may be open */
    int stream;          /* index of a literal that was streamed past the frame, else -1 */
    struct ph_str text;  /* not LIST; unescaped */
    struct ph_arg *items;
    size_t n;
};

struct ph_args_limits {
    unsigned depth; /* of nested lists and search keys */
    size_t values;  /* arguments, list elements, search keys, flags in one command */
    size_t ranges;  /* in one sequence-set */
    bool blanks;    /* take several blanks for one, and blanks at the ends: many clients send them, none can be misread */
    const struct ph_command_row *more; /* the caller's own commands (wire/command.h), behind the last a row whose name is NULL */
};
extern const struct ph_args_limits ph_args_limits_default; /* 50, 100,000, 100,000, false, none */

/* `bytes` is what stands between the command's name and its end, without the blank in front; `streamed` has
 * offsets from `base`. With `open` the text may end in a blank or `(` behind which a literal is announced; lists that it
 * stands in are `unclosed`, and ph_args_list takes none of those. */
int ph_args_parse(struct ph_str bytes, const char *base, const struct ph_streamed *streamed, unsigned n_streamed,
                  bool open, const struct ph_args_limits *limits, struct ph_arena *arena, struct ph_arg *list,
                  struct ph_err *err);

/* What comes behind a literal, open as above. With `nested` the text begins in a list: its items go to *inside, and what
 * follows its end to *list. */
int ph_args_parse_rest(struct ph_str bytes, const char *base, bool nested, const struct ph_args_limits *limits,
                       struct ph_arena *arena, struct ph_arg *inside, struct ph_arg *list, struct ph_err *err);

/* A cursor over one list. The error goes where `err` points, so that a grammar reads as a chain of `||`. */
struct ph_args {
    const struct ph_arg *list;
    size_t i;
    const struct ph_args_limits *limits;
    struct ph_arena *arena;
    struct ph_err *err;
};

struct ph_args ph_args_of(const struct ph_args *parent, const struct ph_arg *list);
/* "… is missing", "… is not …": -1. `what` is ours, `got` is shown as far as it is printable. */
int ph_args_fail(const struct ph_args *c, const char *what, struct ph_str got);

static inline const struct ph_arg *ph_args_peek(const struct ph_args *c)
{
    return c->i < c->list->n ? &c->list->items[c->i] : NULL;
}
static inline bool ph_args_more(const struct ph_args *c)
{
    return c->i < c->list->n;
}
bool ph_args_at_list(const struct ph_args *c);
/* Takes the next argument when it is the atom `word` in any case. */
bool ph_args_word(struct ph_args *c, const char *word);

/* All take one argument and return 0, or -1 with the error set. `what` names it in the error. */
int ph_args_next(struct ph_args *c, const char *what, const struct ph_arg **a);
int ph_args_list(struct ph_args *c, const char *what, struct ph_args *inside);
int ph_args_atom(struct ph_args *c, const char *what, struct ph_str *s);
int ph_args_astring(struct ph_args *c, const char *what, struct ph_str *s);
int ph_args_string(struct ph_args *c, const char *what, struct ph_str *s);
int ph_args_nstring(struct ph_args *c, const char *what, struct ph_str *s);
int ph_args_mailbox(struct ph_args *c, struct ph_str *name);       /* as on the wire; INBOX in capitals */
int ph_args_list_mailbox(struct ph_args *c, struct ph_str *name);  /* with `%` and `*` */
int ph_args_number(struct ph_args *c, const char *what, uint32_t *v);
int ph_args_number64(struct ph_args *c, const char *what, uint64_t *v); /* up to 2^63-1 */
int ph_args_flag(struct ph_args *c, struct ph_str *flag);
int ph_args_flags(struct ph_args *c, struct ph_words *flags);      /* a list */
int ph_args_date(struct ph_args *c, int64_t *days);                /* since 1970-01-01 */
int ph_args_date_time(struct ph_args *c, int64_t *epoch, int *zone_min);
int ph_args_end(struct ph_args *c); /* nothing more */

/* A sequence-set whose grammar was checked. `*` gets its value where the set is used: ph_numset_parse(text, star). */
struct ph_seqset {
    struct ph_str text; /* NIL when not given */
    bool saved;         /* `$`, RFC 9051 6.4.4.1: text is "$" */
    bool star;          /* `*` stands in it */
};
int ph_args_set(struct ph_args *c, struct ph_seqset *set);
int ph_args_set_text(const struct ph_args *c, struct ph_str text, struct ph_seqset *set);

/* Room for element n of an array of *cap in the arena; NULL with the error set. */
void *ph_args_grow(const struct ph_args *c, void *array, size_t n, size_t *cap, size_t size);

#endif
