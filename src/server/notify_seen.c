/* notify_seen.c: which names have come and gone, for stores that tell only that some have. */
#include <stdlib.h>
#include <string.h>

#include "server/notify_private.h"

bool notify_wants_names(const struct session_notify *n)
{
    unsigned events = 0;

    for (size_t i = 0; i < n->n; i++)
        events |= n->groups[i].events;
    return events & (PH_EV_MAILBOX_NAME | PH_EV_SUBSCRIPTION_CHANGE);
}

void notify_seen_free(struct session_notify *n)
{
    for (size_t i = 0; i < n->n_seen; i++)
        free(n->seen[i].name);
    free(n->seen);
    n->seen = NULL;
    n->n_seen = 0;
}

static int by_name(const void *a, const void *b)
{
    const struct notify_seen *x = a, *y = b;

    return strcmp(x->name, y->name);
}

int notify_see(struct session_notify *n, const struct ph_folder_list *l)
{
    struct notify_seen *seen = calloc(l->n + 1, sizeof *seen);

    notify_seen_free(n);
    if (!seen)
        return -1;
    n->seen = seen;
    for (size_t i = 0; i < l->n; i++) {
        struct notify_seen *to = &seen[n->n_seen];
        if (!(to->name = strdup(l->f[i].name)))
            return -1;
        to->exists = !(l->f[i].attrs & PH_MA_NONEXISTENT);
        to->subscribed = l->f[i].attrs & PH_MA_SUBSCRIBED;
        n->n_seen++;
    }
    qsort(seen, n->n_seen, sizeof *seen, by_name);
    return 0;
}

/* What the session did itself it knows. */
static bool is_own(const struct session_notify *n, const char *name)
{
    for (size_t i = 0; i < 2; i++)
        if (n->own[i] && strncmp(name, n->own[i], strlen(n->own[i])) == 0)
            return true;
    return false;
}

static int add(const struct session_notify *n, const char *name, unsigned what, struct notify_event *first,
               struct notify_event ***end)
{
    size_t len = strlen(name);
    struct notify_event *e;

    if (!what || is_own(n, name))
        return 0;
    for (e = first; e; e = e->next)
        if (strcmp(e->name, name) == 0) { /* something else was told of it, too */
            e->what |= what;
            return 1;
        }
    e = calloc(1, sizeof *e + len + 1);
    if (!e)
        return -1;
    memcpy(e->name, name, len);
    e->what = what;
    **end = e;
    *end = &e->next;
    return 1;
}

static unsigned difference(const struct notify_seen *a, const struct notify_seen *b)
{
    static const struct notify_seen none = { 0 };

    a = a ? a : &none;
    b = b ? b : &none;
    return (a->exists != b->exists ? PH_WATCH_FOLDERS : 0u) |
           (a->subscribed != b->subscribed ? PH_WATCH_SUBSCRIPTIONS : 0u);
}

int notify_compare(struct session *s, unsigned what, struct notify_event **events, bool *overflow, struct ph_err *err)
{
    struct notify_event **end = events;
    struct session_notify *n = s->notify;
    struct ph_session *ps = session_store(s, err);
    struct notify_seen *old = n->seen;
    size_t n_old = n->n_seen, i = 0, k = 0, count = 0;
    struct ph_folder_list l;
    int r;

    if (!ps || ps->ops->list(ps, false, &l, err))
        return -1;
    while (*end)
        end = &(*end)->next;
    n->seen = NULL;
    n->n_seen = 0;
    r = notify_see(n, &l);
    ph_folder_list_done(&l);
    while (r >= 0 && (i < n_old || k < n->n_seen) && !*overflow) {
        int d = i == n_old ? 1 : k == n->n_seen ? -1 : strcmp(old[i].name, n->seen[k].name);
        const struct notify_seen *a = d <= 0 ? &old[i++] : NULL, *b = d >= 0 ? &n->seen[k++] : NULL;
        r = add(n, (a ? a : b)->name, difference(a, b) & what, *events, &end);
        count += r > 0;
        *overflow = count > NOTIFY_PENDING;
    }
    for (i = 0; i < n_old; i++)
        free(old[i].name);
    free(old);
    for (i = 0; i < 2; i++) { /* next time it may be somebody else */
        free(n->own[i]);
        n->own[i] = NULL;
    }
    return r < 0 ? ph_fail_memory(err) : 0;
}
