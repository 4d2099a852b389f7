/* notify_tell.c: what a client is told by NOTIFY (RFC 5465 5). */
#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "server/names.h"
#include "server/notify_private.h"
#include "server/rights.h"
#include "server/status.h"
#include "server/sync.h"

/* ---- the selected mailbox: RFC 5465 6.1 ---- */

/* The messages that are new to the client, with what it wants to know of them. */
static int tell_new(struct session *s, struct ph_err *err)
{
    struct session_notify *n = s->notify;
    uint32_t last = uidlist_last(s->view->uids), from = n->fetched;
    struct ph_numset uids = PH_NUMSET_INIT;
    int r = 0;

    n->fetched = last;
    if (last <= from || !n->of_selected->n_atts)
        return 0;
    if (uidlist_to_set(s->view->uids, &uids) || (from && ph_numset_remove_range(&uids, 1, from)))
        r = ph_fail_memory(err);
    else
        r = fetch_uids(s, n->of_selected->atts, n->of_selected->n_atts, &uids, err);
    ph_numset_done(&uids);
    return r;
}

int notify_tell_selected(struct session *s, struct ph_err *err)
{
    const struct notify_group *g = s->notify->of_selected;
    unsigned how = 0;

    if (!g || !(g->events & PH_EV_MESSAGE))
        return 0;
    /* in IDLE the client waits for it, whatever it said (RFC 5465 6.1.2) */
    if (g->what == PH_MF_SELECTED || s->mode == MODE_IDLE)
        how |= SYNC_EXPUNGE;
    if (!(g->events & PH_EV_FLAG_CHANGE))
        how |= SYNC_NO_FLAGS;
    if (session_sync(s, how, err))
        return -1;
    return s->closing || !s->view ? 0 : tell_new(s, err);
}

/* ---- the status of others ---- */

static struct notify_known *known_of(struct session_notify *n, const char *name, bool *there)
{
    size_t lo = 0, hi = n->n_known;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(n->known[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *there = lo < n->n_known && strcmp(n->known[lo].name, name) == 0;
    if (*there)
        return &n->known[lo];
    if (n->n_known == NOTIFY_KNOWN) { /* what is not known is told once too often, that is all */
        while (n->n_known)
            free(n->known[--n->n_known].name);
        lo = 0;
    }
    if (n->n_known == n->cap_known) {
        size_t cap = n->cap_known ? 2 * n->cap_known : 16;
        struct notify_known *grown = realloc(n->known, cap * sizeof *grown);
        if (!grown)
            return NULL;
        n->known = grown;
        n->cap_known = cap;
    }
    char *copy = strdup(name);
    if (!copy)
        return NULL;
    memmove(n->known + lo + 1, n->known + lo, (n->n_known++ - lo) * sizeof *n->known);
    n->known[lo] = (struct notify_known){ .name = copy };
    return &n->known[lo];
}

/* What of it the events ask for, given what the client knows; 0: nothing. */
static unsigned items_for(const struct session *s, unsigned events, const struct notify_known *old, bool known,
                          const struct ph_status_line *now)
{
    bool modseq = s->user->abilities & PH_AB_MODSEQ && s->enabled & (PH_EN_CONDSTORE | PH_EN_QRESYNC);
    bool again = known && old->uidvalidity != now->uidvalidity;
    bool moved = !known || again || old->messages != now->messages || old->uidnext != now->uidnext;
    bool flags = known && (old->unseen != now->unseen || old->modseq != now->highestmodseq);
    unsigned items = 0;

    if (moved)
        items = PH_SI_MESSAGES | PH_SI_UIDNEXT | (known && !again ? 0 : PH_SI_UIDVALIDITY);
    if (events & PH_EV_FLAG_CHANGE && (flags || moved)) {
        items |= !known || old->unseen != now->unseen ? PH_SI_UNSEEN : 0;
        items |= modseq ? PH_SI_UIDVALIDITY : 0;
    }
    return items && modseq ? items | PH_SI_HIGHESTMODSEQ : items;
}

static void tell_status(struct session *s, struct ph_session *ps, struct ph_folder *f, unsigned events)
{
    const unsigned all = PH_SI_MESSAGES | PH_SI_UIDNEXT | PH_SI_UIDVALIDITY | PH_SI_HIGHESTMODSEQ;
    struct ph_status_line now;
    struct ph_err ignored;
    bool there;

    if (f->status_err.kind != PH_OK ||
        status_fill(s, ps, f, all | (events & PH_EV_FLAG_CHANGE ? PH_SI_UNSEEN : 0), &now, &ignored))
        return;
    struct notify_known *k = known_of(s->notify, f->name, &there);
    if (!k)
        return;
    now.items = items_for(s, events, k, there, &now);
    k->messages = now.messages;
    k->uidnext = now.uidnext;
    k->uidvalidity = now.uidvalidity;
    k->unseen = now.unseen;
    k->modseq = now.highestmodseq;
    if (now.items)
        ph_write_mailbox_status(&s->w, &now);
}

/* ---- names, subscriptions, annotations ---- */

static void tell_name(struct session *s, const struct ph_folder_list *l, const char *name, const char *old)
{
    const struct ph_folder *f = ph_folder_list_find(l, name);
    struct ph_list_line line = { .attrs = PH_MA_NONEXISTENT, .delim = f ? f->delim : 0, .name = ph_str(name),
                                 .oldname = ph_str(old) };
    struct ph_err ignored;
    size_t n = strlen(name);
    bool children = false;

    if (!f && names_delim(s, name, &line.delim, &ignored))
        return;
    if (f)
        line.attrs = f->attrs & ~(uint32_t)(PH_MA_INBOX | PH_MA_HASCHILDREN | PH_MA_HASNOCHILDREN);
    for (size_t i = 0; i < l->n && !children; i++)
        children = line.delim && strncmp(l->f[i].name, name, n) == 0 && l->f[i].name[n] == line.delim &&
                   !(l->f[i].attrs & PH_MA_NONEXISTENT);
    if (children)
        line.attrs |= PH_MA_HASCHILDREN;
    else if (!(line.attrs & (PH_MA_NOINFERIORS | PH_MA_NONEXISTENT)))
        line.attrs |= PH_MA_HASNOCHILDREN;
    ph_write_list(&s->w, &line);
}

/* The mailbox, and the one above it, which has more children now, or fewer (RFC 5465 5.4). */
static void tell_made(struct session *s, const struct ph_folder_list *l, const struct notify_event *all,
                      const struct notify_event *e)
{
    char *above = ph_arena_strdup(&s->arena, ph_str(e->name)), delim;
    struct ph_err ignored;

    tell_name(s, l, e->name, e->old);
    if (e->old || !above || names_delim(s, e->name, &delim, &ignored) || !names_parent(above, delim))
        return;
    for (const struct notify_event *o = all; o; o = o->next)
        if (strcmp(o->name, above) == 0 && o->what & PH_WATCH_FOLDERS)
            return; /* it is told anyway */
    if (notify_wanted(s->notify, above, -1) & PH_EV_MAILBOX_NAME)
        tell_name(s, l, above, NULL);
}

static void tell_annotations(struct session *s, struct ph_session *ps, const struct notify_event *e)
{
    static const char *const all[] = { "/shared", "/private" };
    struct ph_str entries = ph_buf_str(&e->entries);
    struct ph_annotation *a = NULL;
    struct ph_words words = { 0 };
    struct ph_err ignored;
    size_t n = 0;

    if (!entries.n && s->user->serve->get_metadata)
        s->user->serve->get_metadata(ps, e->name, all, 2, UINT32_MAX, &s->arena, &a, &n, &ignored);
    for (size_t i = 0; i < entries.n; i++)
        n += !entries.p[i];
    words.w = ph_arena_alloc(&s->arena, (n + 1) * sizeof *words.w);
    if (!words.w)
        return;
    if (a)
        for (; words.n < n; words.n++)
            words.w[words.n] = ph_str(a[words.n].entry);
    for (const char *p = entries.p; entries.n && p < entries.p + entries.n; p += strlen(p) + 1)
        words.w[words.n++] = ph_str(p);
    ph_write_metadata_changed(&s->w, ph_str(e->name), &words);
}

/* ---- all of it ---- */

static bool asks_for_list(const struct session_notify *n, const struct notify_event *e)
{
    bool list = false;

    for (; e; e = e->next)
        list |= e->what & (PH_WATCH_FOLDERS | PH_WATCH_SUBSCRIPTIONS | PH_WATCH_ACL);
    for (size_t i = 0; i < n->n; i++)
        list |= n->groups[i].what == PH_MF_SUBSCRIBED;
    return list;
}

static void tell_event(struct session *s, struct ph_session *ps, const struct ph_folder_list *l,
                       const struct notify_event *all, const struct notify_event *e, struct ph_folder *status)
{
    const struct ph_folder *f = ph_folder_list_find(l, e->name);
    unsigned events = notify_wanted(s->notify, e->name, f ? !!(f->attrs & PH_MA_SUBSCRIBED) : -1);
    bool names = e->what & (PH_WATCH_FOLDERS | PH_WATCH_ACL) && events & PH_EV_MAILBOX_NAME;

    if (names)
        tell_made(s, l, all, e);
    else if (e->what & PH_WATCH_SUBSCRIPTIONS &&
             notify_wanted(s->notify, e->name, -1) & PH_EV_SUBSCRIPTION_CHANGE)
        tell_name(s, l, e->name, NULL);
    if (status && events & PH_EV_MESSAGE)
        tell_status(s, ps, status, events);
    if (e->what & PH_WATCH_METADATA && events & (PH_EV_MAILBOX_METADATA_CHANGE | PH_EV_SERVER_METADATA_CHANGE))
        tell_annotations(s, ps, e);
}

static bool wants_status(const struct session *s, const struct notify_event *e)
{
    bool selected = s->view && strcmp(s->view->name, e->name) == 0;

    return *e->name && e->what & PH_WATCH_MESSAGES && !selected && notify_wanted(s->notify, e->name, -1) & PH_EV_MESSAGE;
}

int notify_tell_events(struct session *s, struct notify_event *events, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    struct ph_folder_list l = { 0 };
    size_t n = 0, k = 0;

    if (!ps || (asks_for_list(s->notify, events) && ps->ops->list(ps, false, &l, err)))
        return -1;
    for (struct notify_event *e = events; e; e = e->next)
        n++;
    struct ph_folder *f = ph_arena_alloc(&s->arena, (n + 1) * sizeof *f);
    struct ph_folder **ask = ph_arena_alloc(&s->arena, (n + 1) * sizeof(struct ph_folder *));
    int r = f && ask ? 0 : ph_fail_memory(err);
    for (struct notify_event *e = events; r == 0 && e; e = e->next)
        if (wants_status(s, e)) {
            f[k] = (struct ph_folder){ .name = e->name, .size = UINT64_MAX };
            ask[k] = &f[k];
            k++;
        }
    if (r == 0 && k && ps->ops->status)
        r = ps->ops->status(ps, ask, k, err);
    k = 0;
    for (struct notify_event *e = events; r == 0 && e && !s->broken; e = e->next) {
        tell_event(s, ps, &l, events, e, wants_status(s, e) ? &f[k++] : NULL);
        if (session_push(s))
            break;
    }
    if (l.f)
        ph_folder_list_done(&l);
    return r;
}

/* It may be listed, but not read: RFC 5465 3.1. */
static void tell_no_access(struct session *s, const struct ph_folder *f)
{
    ph_write_raw(&s->w, "* LIST (\\NoAccess) ");
    if (f->delim)
        ph_write_string(&s->w, (struct ph_str){ &f->delim, 1 });
    else
        ph_write_raw(&s->w, "NIL");
    ph_write_char(&s->w, ' ');
    session_write_mailbox(s, f->name);
    ph_write_crlf(&s->w);
}

static void begin_one(struct session *s, struct ph_session *ps, struct ph_folder *f, unsigned events)
{
    unsigned items = PH_SI_MESSAGES | PH_SI_UIDNEXT | PH_SI_UIDVALIDITY;
    struct ph_status_line now;
    struct ph_err ignored;
    bool there;

    if (events & PH_EV_FLAG_CHANGE)
        items |= PH_SI_UNSEEN | (s->user->abilities & PH_AB_MODSEQ ? PH_SI_HIGHESTMODSEQ : 0);
    if (status_fill(s, ps, f, items | PH_SI_HIGHESTMODSEQ, &now, &ignored))
        return;
    struct notify_known *k = known_of(s->notify, f->name, &there);
    if (k)
        *k = (struct notify_known){ .name = k->name, .messages = now.messages, .uidnext = now.uidnext,
                                    .uidvalidity = now.uidvalidity, .unseen = now.unseen, .modseq = now.highestmodseq };
    now.items = items;
    ph_write_mailbox_status(&s->w, &now);
}

int notify_tell_begin(struct session *s, bool status, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    struct ph_folder_list l;
    char rights[32];

    if (!ps || ps->ops->list(ps, status, &l, err))
        return -1;
    if (notify_wants_names(s->notify) && notify_see(s->notify, &l)) {
        ph_folder_list_done(&l);
        return ph_fail_memory(err);
    }
    for (size_t i = 0; i < l.n && !s->broken; i++) {
        struct ph_folder *f = &l.f[i], *one = f;
        unsigned events = notify_wanted(s->notify, f->name, !!(f->attrs & PH_MA_SUBSCRIBED));
        bool closed = f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT);
        struct ph_err ignored;
        if (closed || !events)
            continue;
        if (s->user->serve->my_rights && s->user->serve->my_rights(ps, f->name, rights, &ignored) == 0 &&
            !strchr(rights, 'r')) {
            tell_no_access(s, f);
        } else if (status && events & PH_EV_MESSAGE && !(s->view && strcmp(s->view->name, f->name) == 0)) {
            if (f->has_status || !ps->ops->status ||
                (ps->ops->status(ps, &one, 1, &ignored) == 0 && f->status_err.kind == PH_OK))
                begin_one(s, ps, f, events);
        }
        if (session_push(s))
            break;
    }
    ph_folder_list_done(&l);
    return 0;
}
