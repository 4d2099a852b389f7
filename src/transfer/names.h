/* names.h: a folder's name on the other side. Pure.
 *
 * Source names are UTF-8 with the source's delimiter; so are destination names with theirs.
 */
#ifndef PH_TRANSFER_NAMES_H
#define PH_TRANSFER_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "store/store.h"

struct ph_name_rule { /* one line of a mapping file */
    const char *src, *dst; /* with `/` between levels */
};

struct ph_names {
    char src_delim, dst_delim;       /* 0: flat */
    const char *src_prefix, *dst_prefix; /* personal namespaces, "" */
    const char *root;                /* put everything below this folder, or NULL */
    const struct ph_name_rule *rules;
    size_t n_rules;
    bool strip_gmail;                /* "[Gmail]/X" -> "X" */
    bool special_use;                /* a source \Sent goes to the destination's \Sent, … (modern copy) */
    const struct ph_folder_list *dst_folders; /* for special_use, existing names and case clashes; may be NULL */
    char forbidden_replacement;      /* for characters the destination cannot have; '_' */
    bool fold_blanks;
};

/* Destination name of source folder `f`. Rules in order: mapping rule; special use; INBOX to INBOX (below root:
 * ROOT<delim>INBOX); source prefix off; destination delimiter inside a level becomes the replacement ([Gmail] names are exempt);
 * delimiters translated; empty levels, control characters, leading or trailing blanks of a level and what the destination
 * forbids replaced; prefix and root added. */
int ph_names_map(const struct ph_names *n, const struct ph_folder *f, struct ph_buf *out, struct ph_err *err);

struct ph_name_pair {
    const struct ph_folder *src;
    const char *dst;      /* in the arena */
    bool merged;          /* another source folder maps to the same destination folder */
    bool renamed;         /* a number was added because the destination knows another folder that differs in case only */
};

/* Map a whole list: clashes are made visible and solved: two sources that differ only in case where the destination folds case
 * get a suffix; two sources mapped to one destination on purpose (rules, special use) are marked merged. */
int ph_names_map_all(const struct ph_names *n, const struct ph_folder_list *src, bool dst_folds_case,
                     struct ph_arena *arena, struct ph_name_pair **out, size_t *out_n, struct ph_err *err);

/* Mapping file (one `src : dst` a line, `#` comments, `\:` and `\\`); malformed lines are told to `warn` with their number. */
int ph_name_rules_read(const char *path, struct ph_arena *arena, struct ph_name_rule **out, size_t *n,
                       void (*warn)(void *ctx, const char *text), void *ctx, struct ph_err *err);

#endif
