/* modes.h: the ways a store can hand out messages; what a server answers must not depend on them. */
#ifndef TESTS_SERVER_MODES_H
#define TESTS_SERVER_MODES_H

#include "pair.h"

static const struct mode {
    const char *name;
    int serves_not;
    size_t piece;
    bool backwards;
} modes[] = {
    { "opened at any place, structures kept", 0, 0, false },
    { "opened at any place", PH_MS_CACHE, 0, false },
    { "one behind the other", PH_MS_BODY | PH_MS_CACHE, 0, false },
    { "one behind the other, structures kept", PH_MS_BODY, 0, false },
    { "in small pieces, the last first", PH_MS_BODY | PH_MS_CACHE, 3, true },
};
#define N_MODES (sizeof modes / sizeof *modes)

static inline void mode_init(struct pair *p, size_t i)
{
    pair_init(p);
    p->options.serves_not = modes[i].serves_not;
    p->options.piece = modes[i].piece;
    p->options.bodies_backwards = modes[i].backwards;
    p->options.bodies_block = true;
    print_message("  messages %s\n", modes[i].name);
}

/* With these octets, flags and internal date. */
static inline uint32_t deliver(struct pair *p, const char *folder, const char *text, size_t n, uint32_t flags, int64_t epoch)
{
    struct ph_memory_message m = { .p = text, .n = n, .flags = flags, .epoch = epoch };
    uint32_t uid = ph_memory_deliver(pair_store(p, "joe"), folder, &m);

    assert_int_not_equal(uid, 0);
    return uid;
}

static inline void open_inbox(struct pair *p, struct client *c)
{
    pair_start(p);
    client_open_as(c, p, "joe");
    client_select(c, "INBOX");
}

static inline void close_all(struct pair *p, struct client *c)
{
    client_ask(c, "zz NOOP", "zz OK *"); /* nothing was left unsaid, and the connection is whole */
    client_close(c);
    pair_stop(p);
}

#endif
