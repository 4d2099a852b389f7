/* list.h: what LIST and LSUB are made of: patterns, and the mailboxes as a tree. */
#ifndef PH_SERVER_LIST_H
#define PH_SERVER_LIST_H

#include "store/store.h"

/* ---- patterns: list_match.c ---- */

#define LIST_PATTERNS 256         /* of one command */
#define LIST_PATTERN_OCTETS 16384 /* of all of them, with the reference */

struct list_pattern; /* from an arena */

/* `text` is UTF-8. Matching costs time in proportion to the name, whatever the pattern is. NULL: no memory, or too long. */
struct list_pattern *list_pattern_new(struct ph_arena *arena, struct ph_str text);
/* `%` does not match delim (0: there are no levels). INBOX is compared without regard to case, as a name and as the first level of one. */
bool list_pattern_match(const struct list_pattern *p, struct ph_str name, char delim);

struct list_patterns {
    struct list_pattern *p[LIST_PATTERNS];
    size_t n;
};
bool list_patterns_match(const struct list_patterns *p, struct ph_str name, char delim);

/* ---- the tree: list_tree.c ---- */

struct list_node {
    const struct ph_folder *f; /* NULL: a level that only exists in the names below it */
    struct ph_str name;
    char delim;
    bool exists;       /* a mailbox, or a name the store keeps for its children */
    bool matches;      /* a pattern */
    bool chosen;       /* it satisfies the selection options */
    bool below;        /* something below it is chosen … */
    bool below_unseen; /* … and does not match a pattern, so that the client would not learn of it */
    bool children;     /* something below it exists */
};

struct list_tree {
    struct list_node *nodes; /* parents before children */
    size_t n, cap;
};

/* Every folder of `l`, which must outlive the tree, and the levels that are missing and match. select: PH_LO_. O(n log n), and O(n) when the
 * store lists in order. */
int list_tree_build(struct list_tree *t, const struct ph_folder_list *l, const struct list_patterns *p,
                    unsigned select, struct ph_err *err);
void list_tree_done(struct list_tree *t);

#endif
