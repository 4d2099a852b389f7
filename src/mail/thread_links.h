/* thread_links.h: who answers whom while threads are built (thread.h): ids, and a forest over them that says in logarithmic time
 * whether a link would close a loop, however deep it is: link-cut trees (Sleator and Tarjan 1983). Walking up to the root
 * instead would let a few hostile References fields cost minutes.
 */
#ifndef PH_MAIL_THREAD_LINKS_H
#define PH_MAIL_THREAD_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

#define THREAD_NONE UINT32_MAX
#define THREAD_IDS_MAX 5000000u

/* 64-bit hashes to numbers; 0 is no key. */
struct thread_table {
    struct thread_slot {
        uint64_t key;
        uint32_t value;
    } *slots;
    size_t cap, n;
};

/* The slot of the key; a new one has value THREAD_NONE. NULL without memory. Dies with the next call. */
uint32_t *thread_table_at(struct thread_table *t, uint64_t key);
void thread_table_done(struct thread_table *t);

struct thread_node {
    uint32_t message; /* THREAD_NONE: a dummy */
    uint32_t parent;
    uint32_t left, right, up; /* of the splay tree */
    bool had_child;
};

struct thread_links {
    struct thread_node *nodes;
    uint32_t n, cap;
    struct thread_table ids;
};

uint32_t thread_links_add(struct thread_links *l, struct ph_err *err); /* a dummy; THREAD_NONE on failure */
uint32_t thread_links_id(struct thread_links *l, uint64_t id, struct ph_err *err); /* the one of that id, made when new */
/* Nothing when the child has a parent, or it would make a loop. */
void thread_links_link(struct thread_links *l, uint32_t parent, uint32_t child);
void thread_links_cut(struct thread_links *l, uint32_t child);
void thread_links_done(struct thread_links *l);

#endif
