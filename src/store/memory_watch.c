/* memory_watch.c: telling watchers of the memory store what has changed.
 *
 * Changes are noted under the account's lock and told when it is given back, so that a watcher may take locks of its own
 * that are held while the store is asked. Whoever ends a watch waits until nobody is being told. */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

void ph_memory_changed(struct memory_store *st, const char *folder, unsigned what)
{
    struct memory_change *c = st->last_change;
    size_t n = strlen(folder);

    if (c && strcmp(c->name, folder) == 0) { /* 1,000 messages of one append are told once */
        c->what |= what;
        return;
    }
    c = malloc(sizeof *c + n + 1);
    if (!c)
        return; /* a watcher that misses one looks sooner or later by itself */
    c->next = NULL;
    c->what = what;
    memcpy(c->name, folder, n + 1);
    if (st->last_change)
        st->last_change->next = c;
    else
        st->changes = c;
    st->last_change = c;
}

static void tell(const struct memory_store *st, const struct memory_session *s, const struct memory_change *c)
{
    unsigned vague = st->opt.vague_watch ? c->what & PH_WATCH_FOLDERS : 0;

    if (c->what & ~vague)
        s->changed(s->changed_ctx, c->name, c->what & ~vague);
    if (vague)
        s->changed(s->changed_ctx, NULL, vague);
}

void ph_memory_unlock(struct memory_store *st)
{
    struct memory_change *c = st->changes;

    st->changes = st->last_change = NULL;
    pthread_mutex_unlock(&st->mu);
    if (!c)
        return;
    pthread_mutex_lock(&st->watch_mu);
    while (c) {
        struct memory_change *next = c->next;
        for (struct memory_session *s = st->watchers; s; s = s->next_watcher)
            tell(st, s, c);
        free(c);
        c = next;
    }
    pthread_mutex_unlock(&st->watch_mu);
}

void ph_memory_changes_free(struct memory_store *st)
{
    while (st->changes) {
        struct memory_change *c = st->changes;
        st->changes = c->next;
        free(c);
    }
}

int ph_memory_watch(struct ph_session *base, void (*changed)(void *ctx, const char *folder, unsigned what), void *ctx,
                    struct ph_err *err)
{
    struct memory_session *s = memory_session(base), **at;
    struct memory_store *st = s->st;

    pthread_mutex_lock(&st->watch_mu);
    for (at = &st->watchers; *at && *at != s; at = &(*at)->next_watcher)
        ;
    if (*at)
        *at = s->next_watcher;
    s->changed = changed;
    s->changed_ctx = ctx;
    if (changed) {
        s->next_watcher = st->watchers;
        st->watchers = s;
    }
    pthread_mutex_unlock(&st->watch_mu);
    return 0;
}
