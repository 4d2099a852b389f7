/* seed.h: the mailboxes of user joe before a test of LIST begins. */
#ifndef TESTS_SERVER_SEED_H
#define TESTS_SERVER_SEED_H

#include "script.h"

struct seed {
    const char *name;
    uint32_t attrs;
};

static inline void start(struct pair *p, struct client *c, const struct seed *seeds, size_t n)
{
    pair_start(p);
    struct ph_store *st = pair_store(p, "joe");
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ph_memory_folder(st, seeds[i].name, seeds[i].attrs), 0);
    client_open_as(c, p, "joe");
}

static inline void stop(struct pair *p, struct client *c)
{
    client_close(c);
    pair_stop(p);
}

#define SUB PH_MA_SUBSCRIBED
#define GONE (PH_MA_SUBSCRIBED | PH_MA_NONEXISTENT)

#endif
