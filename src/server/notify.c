/* notify.c: the command NOTIFY (RFC 5465 3.1, 6), and the events that wait to be told. */
#include "server/notify.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "server/commands.h"
#include "server/names.h"
#include "server/notify_private.h"
#include "server/private.h"
#include "wire/respond.h"

#define SUPPORTED \
    (PH_EV_MESSAGE_NEW | PH_EV_MESSAGE_EXPUNGE | PH_EV_FLAG_CHANGE | PH_EV_MAILBOX_NAME | PH_EV_SUBSCRIPTION_CHANGE | \
     PH_EV_MAILBOX_METADATA_CHANGE | PH_EV_SERVER_METADATA_CHANGE)

/* ---- which mailboxes ---- */

static bool is_personal(const struct session_notify *n, const char *name)
{
    enum ph_namespace_kind kind = PH_NS_PERSONAL;
    size_t longest = 0;

    for (size_t i = 0; i < n->n_ns; i++) {
        size_t len = strlen(n->ns[i].prefix);
        if (len >= longest && strncmp(n->ns[i].prefix, name, len) == 0) {
            longest = len;
            kind = n->ns[i].kind;
        }
    }
    return kind == PH_NS_PERSONAL || strcmp(name, "INBOX") == 0;
}

static bool is_below(const struct session_notify *n, const char *top, const char *name)
{
    size_t len = strlen(top);

    if (strncmp(top, name, len) != 0)
        return false;
    if (!name[len])
        return true;
    for (size_t i = 0; i < n->n_ns; i++)
        if (n->ns[i].delim && name[len] == n->ns[i].delim)
            return true;
    return false;
}

static bool matches(const struct session_notify *n, const struct notify_group *g, const char *name, int subscribed)
{
    switch (g->what) {
    case PH_MF_SELECTED:
    case PH_MF_SELECTED_DELAYED:
        return false;
    case PH_MF_INBOXES: /* where mail is delivered to is not known here: RFC 5465 6.3 */
    case PH_MF_PERSONAL:
        return is_personal(n, name);
    case PH_MF_SUBSCRIBED:
        return subscribed != 0;
    case PH_MF_SUBTREE:
    case PH_MF_SUBTREE_ONE:
    case PH_MF_MAILBOXES:
        for (size_t i = 0; i < g->n_names; i++)
            if (g->what == PH_MF_MAILBOXES ? strcmp(g->names[i], name) == 0 : is_below(n, g->names[i], name))
                return true;
        break;
    }
    return false;
}

unsigned notify_wanted(const struct session_notify *n, const char *name, int subscribed)
{
    unsigned events = 0;

    for (size_t i = 0; i < n->n; i++)
        if (!*name) /* the server: whoever asks for its annotations */
            events |= n->groups[i].events & PH_EV_SERVER_METADATA_CHANGE;
        else if (matches(n, &n->groups[i], name, subscribed))
            events |= n->groups[i].events;
    return events;
}

/* Which changes of a store can lead to these events. */
static unsigned watches(unsigned events)
{
    unsigned what = events & PH_EV_MESSAGE ? PH_WATCH_MESSAGES : 0;

    if (events & PH_EV_MAILBOX_NAME)
        what |= PH_WATCH_FOLDERS | PH_WATCH_ACL;
    if (events & PH_EV_SUBSCRIPTION_CHANGE)
        what |= PH_WATCH_SUBSCRIPTIONS;
    if (events & (PH_EV_MAILBOX_METADATA_CHANGE | PH_EV_SERVER_METADATA_CHANGE))
        what |= PH_WATCH_METADATA;
    return what;
}

/* ---- events that wait; under notify_lock ---- */

void notify_event_free(struct notify_event *e)
{
    while (e) {
        struct notify_event *next = e->next;
        ph_buf_done(&e->entries);
        free(e->old);
        free(e);
        e = next;
    }
}

/* NULL: there is no room, and the session will be told so. */
static struct notify_event *event_of(struct session_notify *n, const char *name)
{
    size_t len = strlen(name);

    for (struct notify_event *e = n->events; e; e = e->next)
        if (strcmp(e->name, name) == 0)
            return e;
    struct notify_event *e = n->n_events < NOTIFY_PENDING ? calloc(1, sizeof *e + len + 1) : NULL;
    if (!e) {
        n->overflow = true;
        return NULL;
    }
    memcpy(e->name, name, len);
    *n->events_end = e;
    n->events_end = &e->next;
    n->n_events++;
    return e;
}

/* NULL: it was not asked for. */
static struct notify_event *add(struct session_notify *n, const char *folder, unsigned what)
{
    what &= watches(notify_wanted(n, folder, -1));
    struct notify_event *e = what ? event_of(n, folder) : NULL;

    if (e)
        e->what |= what;
    if (what)
        server_wake(n->s);
    return e;
}

static bool is_at_or_below(const char *name, const char *top, char delim)
{
    size_t n = strlen(top);

    return strncmp(name, top, n) == 0 && (!name[n] || (delim && name[n] == delim));
}

/* The command that makes this change, if one of this server does. */
static const struct notify_doing *doer(const struct server_user *u, const char *folder, unsigned what)
{
    for (const struct notify_doing *d = u->doing; d; d = d->next)
        if (d->what & what && (strcmp(d->name, folder) == 0 ||
                               (d->to && (is_at_or_below(folder, d->name, d->delim) || is_at_or_below(folder, d->to, d->delim)))))
            return d;
    return NULL;
}

/* `d`: who did it, NULL not known. */
static void add_done(struct session_notify *n, const struct notify_doing *d, const char *folder, unsigned what)
{
    if (d && d->s == n->s)
        what &= ~d->what;
    else if (d && d->to && strcmp(folder, d->to) != 0)
        what &= ~(unsigned)PH_WATCH_FOLDERS; /* the old name, or one below: told by the new one */
    struct notify_event *e = add(n, folder, what);
    if (!e || !d || d->s == n->s)
        return;
    if (d->to && !e->old && what & PH_WATCH_FOLDERS)
        e->old = strdup(d->name);
    for (size_t i = 0; i < d->n && what & PH_WATCH_METADATA; i++)
        ph_buf_add(&e->entries, d->a[i].entry, strlen(d->a[i].entry) + 1);
}

void notify_changed(struct server_user *u, const char *folder, unsigned what)
{
    pthread_mutex_lock(&u->notify_lock);
    const struct notify_doing *d = folder ? doer(u, folder, what) : NULL;
    for (struct session_notify *n = u->notifies; n; n = n->next) {
        if (!folder) { /* which, is found out by looking */
            n->anywhere |= what & (PH_WATCH_FOLDERS | PH_WATCH_SUBSCRIPTIONS | PH_WATCH_ACL);
            n->overflow |= what & (PH_WATCH_MESSAGES | PH_WATCH_METADATA);
            server_wake(n->s);
            continue;
        }
        bool selected = n->selected && strcmp(n->selected, folder) == 0;
        if (selected && what & PH_WATCH_MESSAGES) {
            n->touched = true;
            server_wake(n->s);
        }
        add_done(n, d, folder, selected ? what & ~(unsigned)PH_WATCH_MESSAGES : what);
    }
    pthread_mutex_unlock(&u->notify_lock);
}

void notify_begin(struct session *s, struct notify_doing *d)
{
    d->s = s;
    pthread_mutex_lock(&s->user->notify_lock);
    d->next = s->user->doing;
    s->user->doing = d;
    pthread_mutex_unlock(&s->user->notify_lock);
}

void notify_end(struct session *s, struct notify_doing *d)
{
    pthread_mutex_lock(&s->user->notify_lock);
    for (struct notify_doing **at = &s->user->doing; *at; at = &(*at)->next)
        if (*at == d) {
            *at = d->next;
            break;
        }
    if (s->notify && !d->a) {
        char **own = s->notify->own;
        free(own[0]);
        free(own[1]);
        own[0] = strdup(d->name);
        own[1] = d->to ? strdup(d->to) : NULL;
    }
    pthread_mutex_unlock(&s->user->notify_lock);
}

/* ---- the session's part ---- */

static void free_state(struct session_notify *n)
{
    notify_event_free(n->events);
    for (size_t i = 0; i < n->n_known; i++)
        free(n->known[i].name);
    free(n->known);
    notify_seen_free(n);
    free(n->own[0]);
    free(n->own[1]);
    free(n->selected);
    ph_arena_done(&n->arena);
    free(n);
}

void notify_free(struct session *s)
{
    struct session_notify *n = s->notify, **at;

    if (!n)
        return;
    pthread_mutex_lock(&s->user->notify_lock);
    for (at = &s->user->notifies; *at && *at != n; at = &(*at)->next)
        ;
    if (*at)
        *at = n->next;
    pthread_mutex_unlock(&s->user->notify_lock);
    s->notify = NULL;
    free_state(n);
}

/* Which mailbox is selected now; true: something changed in it. Takes the waiting events. */
static bool take(struct session *s, struct notify_event **events, unsigned *anywhere, bool *overflow)
{
    struct session_notify *n = s->notify;
    char *old = NULL, *name = s->view ? strdup(s->view->name) : NULL;

    if (n->n_selects != s->n_selects || !s->view) {
        n->n_selects = s->n_selects;
        n->fetched = s->view ? uidlist_last(s->view->uids) : 0;
    }
    pthread_mutex_lock(&s->user->notify_lock);
    *events = n->events;
    *overflow = n->overflow;
    *anywhere = n->anywhere;
    n->anywhere = 0;
    bool touched = n->touched;
    n->events = NULL;
    n->events_end = &n->events;
    n->n_events = 0;
    n->touched = false;
    old = n->selected;
    n->selected = name;
    pthread_mutex_unlock(&s->user->notify_lock);
    free(old);
    return touched;
}

bool notify_update(struct session *s)
{
    struct notify_event *events;
    struct ph_err err = { 0 };
    unsigned anywhere;
    bool overflow;

    if (!s->notify || s->closing || s->broken || (s->mode != MODE_COMMAND && s->mode != MODE_IDLE))
        return false;
    uint64_t before = s->bytes_out + session_unsent(s);
    bool touched = take(s, &events, &anywhere, &overflow);
    s->no_wait = true;
    if (anywhere && s->notify->seen && !overflow) {
        if (anywhere & PH_WATCH_ACL)
            anywhere |= PH_WATCH_FOLDERS;
        if (notify_compare(s, anywhere, &events, &overflow, &err))
            server_log(s->server, s, LOG_WARNING, "cannot tell what has changed: %s", err.text);
    }
    if (overflow) {
        ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
        ph_write_code(&s->w, PH_CODE_NOTIFICATIONOVERFLOW);
        ph_write_status_end(&s->w, PH_STR("Too much has changed: there will be no more notifications"));
        notify_free(s);
    } else if ((s->view && (touched || mailbox_dirty(s->view->mailbox) ||
                            uidlist_last(s->view->uids) > s->notify->fetched) &&
                notify_tell_selected(s, &err)) ||
               (events && notify_tell_events(s, events, &err))) {
        server_log(s->server, s, LOG_WARNING, "cannot tell what has changed: %s", err.text);
    }
    s->no_wait = false;
    notify_event_free(events);
    session_command_done(s);
    return s->bytes_out + session_unsent(s) != before;
}

/* ---- the command ---- */

static int copy_atts(struct ph_arena *a, const struct ph_notify_group *in, struct notify_group *out)
{
    struct ph_fetch_att *atts = ph_arena_alloc(a, (in->n_atts + 1) * sizeof *atts);

    if (!atts)
        return -1;
    for (size_t i = 0; i < in->n_atts; i++) {
        struct ph_section *to = &atts[i].section;
        atts[i] = in->atts[i];
        to->part = (uint32_t *)ph_arena_dup(a, to->part ? to->part : (uint32_t[]){ 0 }, to->n_part * sizeof *to->part);
        struct ph_str *fields = ph_arena_alloc(a, (to->fields.n + 1) * sizeof *fields);
        for (size_t k = 0; fields && k < to->fields.n; k++) {
            fields[k] = (struct ph_str){ ph_arena_strdup(a, to->fields.w[k]), to->fields.w[k].n };
            if (!fields[k].p)
                return -1;
        }
        to->fields.w = fields;
        if (!to->part || !fields)
            return -1;
    }
    out->atts = atts;
    out->n_atts = in->n_atts;
    return 0;
}

static int copy_group(struct session *s, struct session_notify *n, const struct ph_notify_group *in,
                      struct notify_group *out, struct ph_err *err)
{
    *out = (struct notify_group){ .what = in->filter.what, .events = in->events };
    out->names = ph_arena_alloc(&n->arena, (in->filter.names.n + 1) * sizeof(const char *));
    if (!out->names || copy_atts(&n->arena, in, out))
        return ph_fail_memory(err);
    for (size_t i = 0; i < in->filter.names.n; i++) {
        struct ph_err bad;
        const char *name = session_mailbox_name(s, in->filter.names.w[i], &bad);
        if (!name)
            continue; /* it cannot exist: RFC 5465 3.1 */
        out->names[out->n_names] = ph_arena_strdup(&n->arena, ph_str(name));
        if (!out->names[out->n_names++])
            return ph_fail_memory(err);
    }
    return 0;
}

static int take_namespaces(struct session *s, struct session_notify *n, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    char delim;

    if (!ps)
        return -1;
    if (s->user->serve->namespaces) {
        struct ph_store_namespace *ns;
        if (s->user->serve->namespaces(ps, &n->arena, &ns, &n->n_ns, err))
            return -1;
        n->ns = ns;
        return 0;
    }
    n->ns = ph_arena_alloc(&n->arena, sizeof *n->ns);
    if (!n->ns)
        return ph_fail_memory(err);
    if (names_delim(s, "", &delim, err))
        return -1;
    *n->ns = (struct ph_store_namespace){ PH_NS_PERSONAL, "", delim };
    n->n_ns = 1;
    return 0;
}

static struct session_notify *new_state(struct session *s, const struct ph_cmd_notify *c, struct ph_err *err)
{
    struct session_notify *n = calloc(1, sizeof *n);

    if (!n) {
        ph_fail_memory(err);
        return NULL;
    }
    n->s = s;
    n->events_end = &n->events;
    ph_arena_init(&n->arena, s->server->config.limits.memory);
    n->groups = ph_arena_alloc(&n->arena, (c->n + 1) * sizeof *n->groups);
    if (!n->groups) {
        ph_fail_memory(err);
        goto fail;
    }
    for (n->n = 0; n->n < c->n; n->n++) {
        struct notify_group *g = &n->groups[n->n];
        if (copy_group(s, n, &c->groups[n->n], g, err))
            goto fail;
        if (g->what == PH_MF_SELECTED || g->what == PH_MF_SELECTED_DELAYED)
            n->of_selected = g;
    }
    if (take_namespaces(s, n, err) == 0)
        return n;
fail:
    free_state(n);
    return NULL;
}

/* 0: it can be done; 1: it was refused. */
static int check(struct session *s, const struct ph_command *c)
{
    size_t names = 0;
    unsigned events = 0;

    for (size_t i = 0; i < c->notify.n; i++) {
        names += c->notify.groups[i].filter.names.n;
        events |= c->notify.groups[i].events;
    }
    if (events & ~(unsigned)SUPPORTED) {
        ph_write_status_begin(&s->w, c->tag, PH_ST_NO);
        ph_write_code_badevent(&s->w, SUPPORTED);
        ph_write_status_end(&s->w, PH_STR("Not all of these events can be told"));
        return 1;
    }
    if (names > NOTIFY_NAMES || !s->user->watched) {
        session_no(s, c, "NOTIFICATIONOVERFLOW", "That is more than can be watched");
        return 1;
    }
    return 0;
}

int cmd_notify(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct notify_event *none;
    unsigned anywhere;
    bool overflow;

    if (!c->notify.set) {
        notify_free(s);
        session_ok(s, c, "NOTIFY completed");
        return 0;
    }
    if (check(s, c))
        return 0;
    struct session_notify *n = new_state(s, &c->notify, err);
    if (!n)
        return -1;
    notify_free(s);
    s->notify = n;
    /* the implicit NOOP first: what is new from then on is an event */
    if (s->view && session_sync(s, SYNC_EXPUNGE | SYNC_LOOK, err)) {
        notify_free(s);
        return -1;
    }
    pthread_mutex_lock(&s->user->notify_lock);
    n->next = s->user->notifies;
    s->user->notifies = n;
    pthread_mutex_unlock(&s->user->notify_lock);
    take(s, &none, &anywhere, &overflow);
    notify_event_free(none);
    if (notify_tell_begin(s, c->notify.status, err)) {
        notify_free(s);
        return -1;
    }
    session_ok(s, c, "NOTIFY completed");
    return 0;
}
