/* multisearch.c: ESEARCH in several mailboxes (RFC 7377). Those that are not selected are looked at through a view that lasts for the
 * search only; the selected one stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "server/private.h"
#include "server/search.h"
#include "server/user.h"
#include "wire/respond.h"

struct place {
    const char *name;
    bool named;    /* by the client itself: `l` is not needed (2.2) */
    bool selected;
};

struct places {
    struct session *s;
    struct ph_folder_list list;
    struct ph_store_namespace *ns;
    size_t n_ns;
    struct place *p;
    size_t n, cap;
};

/* ---- which mailboxes ---- */

static int add_place(struct places *ps, const char *name, bool named, struct ph_err *err)
{
    for (size_t i = 0; i < ps->n; i++)
        if (strcmp(ps->p[i].name, name) == 0) {
            ps->p[i].named = ps->p[i].named || named;
            return 0;
        }
    if (ps->n == ps->cap) {
        size_t cap = ps->cap ? 2 * ps->cap : 16;
        struct place *grown = realloc(ps->p, cap * sizeof *grown);
        if (!grown)
            return ph_fail_memory(err);
        ps->p = grown;
        ps->cap = cap;
    }
    bool selected = ps->s->view && strcmp(ps->s->view->name, name) == 0;
    ps->p[ps->n++] = (struct place){ name, named, selected };
    return 0;
}

static bool is_personal(const struct places *ps, const struct ph_folder *f)
{
    for (size_t i = 0; i < ps->n_ns; i++) {
        const char *prefix = ps->ns[i].prefix;
        if (ps->ns[i].kind != PH_NS_PERSONAL && *prefix && strncmp(f->name, prefix, strlen(prefix)) == 0)
            return false;
    }
    return true;
}

/* Is `name` top itself or below it; depth 1: only its children. */
static bool is_below(const char *name, const char *top, char delim, bool one)
{
    size_t n = strlen(top);

    if (strncmp(name, top, n) != 0)
        return false;
    if (!name[n])
        return true;
    return delim && name[n] == delim && !(one && strchr(name + n + 1, delim));
}

static int add_subtree(struct places *ps, const char *top, bool one, struct ph_err *err)
{
    for (size_t i = 0; i < ps->list.n; i++) {
        const struct ph_folder *f = &ps->list.f[i];
        if (!(f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)) && is_below(f->name, top, f->delim, one) &&
            add_place(ps, f->name, false, err))
            return -1;
    }
    return 0;
}

static int add_names(struct places *ps, const struct ph_mailbox_filter *f, struct ph_err *err)
{
    for (size_t i = 0; i < f->names.n; i++) {
        const char *name = session_mailbox_name(ps->s, f->names.w[i], err);
        if (!name)
            return -1;
        if (f->what == PH_MF_MAILBOXES ? add_place(ps, name, true, err)
                                       : add_subtree(ps, name, f->what == PH_MF_SUBTREE_ONE, err))
            return -1;
    }
    return 0;
}

static bool fits(const struct places *ps, enum ph_filter_what what, const struct ph_folder *f)
{
    if (f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT))
        return false;
    if (what == PH_MF_INBOXES)
        return strcasecmp(f->name, "INBOX") == 0;
    return what == PH_MF_SUBSCRIBED ? (f->attrs & PH_MA_SUBSCRIBED) != 0 : is_personal(ps, f);
}

static int add_filter(struct places *ps, const struct ph_mailbox_filter *f, struct ph_err *err)
{
    switch (f->what) {
    case PH_MF_SELECTED:
    case PH_MF_SELECTED_DELAYED:
        if (!ps->s->view)
            return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "No mailbox is selected");
        return add_place(ps, ps->s->view->name, true, err);
    case PH_MF_SUBTREE:
    case PH_MF_SUBTREE_ONE:
    case PH_MF_MAILBOXES:
        return add_names(ps, f, err);
    default:
        for (size_t i = 0; i < ps->list.n; i++)
            if (fits(ps, f->what, &ps->list.f[i]) && add_place(ps, ps->list.f[i].name, false, err))
                return -1;
        return 0;
    }
}

static bool needs_list(const struct ph_cmd_search *c)
{
    for (size_t i = 0; i < c->n_sources; i++)
        if (c->sources[i].what != PH_MF_SELECTED && c->sources[i].what != PH_MF_MAILBOXES)
            return true;
    return false;
}

static int find_places(struct places *ps, const struct ph_cmd_search *c, struct ph_session *store, struct ph_err *err)
{
    static const struct ph_mailbox_filter selected = { .what = PH_MF_SELECTED };
    const struct ph_serve_ops *serve = ps->s->user->serve;

    if (needs_list(c)) {
        if (store->ops->list(store, false, &ps->list, err))
            return -1;
        if (serve->namespaces && serve->namespaces(store, &ps->s->arena, &ps->ns, &ps->n_ns, err))
            return -1;
    }
    if (c->n_sources == 0)
        return add_filter(ps, &selected, err);
    for (size_t i = 0; i < c->n_sources; i++)
        if (add_filter(ps, &c->sources[i], err))
            return -1;
    return 0;
}

/* ---- one mailbox ---- */

struct tally {
    bool limited;
    uint64_t n_unreadable;
};

static int search_here(struct session *s, const struct ph_command *c, struct tally *t, struct ph_err *err)
{
    struct search_result r = { 0 };
    unsigned options = c->search.has_return && c->search.options ? c->search.options : PH_SR_ALL;
    struct search *q = search_new(s, c, err);
    int rc = -1;

    if (q && search_results(q, &c->search, options, &r, err) == 0)
        rc = search_write_esearch(q, c, &r, s->view->name, err);
    if (rc == 0) {
        t->limited = t->limited || q->lowest;
        t->n_unreadable += q->n_unreadable;
    }
    search_results_done(&r);
    search_free(q);
    return rc;
}

/* A mailbox that cannot be opened is passed over, as one without rights is. */
static int search_elsewhere(struct session *s, const struct ph_command *c, const char *name, struct tally *t, struct ph_err *err)
{
    struct view v = { .name = name, .read_only = true }, *selected = s->view;
    struct ph_session *store = session_store(s, err);
    unsigned enabled = s->enabled;
    struct mailbox_state st;
    struct ph_err why = { 0 };
    int rc;

    if (!store)
        return -1;
    if (mailbox_open(s->user, name, store, &v.mailbox, &why)) {
        if (why.scope < PH_SCOPE_SESSION)
            return 0;
        *err = why;
        return -1;
    }
    mailbox_get_state(v.mailbox, &st);
    v.uidvalidity = st.uidvalidity;
    v.uids = mailbox_uids(v.mailbox, &v.modseq);
    s->view = &v;
    s->enabled |= PH_EN_CONDSTORE; /* nothing is told of this mailbox's mod-sequences but in the answer */
    rc = search_here(s, c, t, err);
    s->enabled = enabled;
    s->view = selected;
    uidlist_free(v.uids);
    mailbox_close(v.mailbox);
    return rc;
}

static bool may_read(struct session *s, const struct place *p)
{
    struct ph_err none;

    return session_need_right(s, p->name, 'r', &none) == 0 && (p->named || session_need_right(s, p->name, 'l', &none) == 0);
}

static int search_all(struct session *s, const struct ph_command *c, struct places *ps, struct tally *t, struct ph_err *err)
{
    for (size_t i = 0; i < ps->n; i++) {
        const struct place *p = &ps->p[i];
        if (!p->selected && !may_read(s, p))
            continue;
        if (p->selected ? search_here(s, c, t, err) : search_elsewhere(s, c, p->name, t, err))
            return -1;
        if (session_push_some(s))
            return ph_fail(err, PH_SCOPE_NONE, PH_E_CLOSED, "The client is gone");
    }
    return 0;
}

static bool only_selected(const struct ph_cmd_search *c)
{
    for (size_t i = 0; i < c->n_sources; i++)
        if (c->sources[i].what != PH_MF_SELECTED)
            return false;
    return true;
}

int cmd_esearch(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct places ps = { .s = s };
    struct tally t = { 0 };
    struct ph_session *store;
    int rc;

    if ((c->search.options & PH_SR_SAVE) && !only_selected(&c->search))
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "Only a search in the selected mailbox can be saved");
    if (session_sync(s, 0, err) || s->closing)
        return s->closing ? 0 : -1;
    store = session_store(s, err);
    if (!store)
        return -1;
    ph_arena_init(&ps.list.arena, 0);
    rc = find_places(&ps, &c->search, store, err) || search_all(s, c, &ps, &t, err) ? -1 : 0;
    free(ps.p);
    ph_folder_list_done(&ps.list);
    if (rc)
        return -1;
    if (t.n_unreadable)
        ph_write_status(&s->w, PH_STR_NIL, PH_ST_NO, PH_STR("Some messages could not be read: they were left out"));
    if (t.limited)
        session_ok_limit(s, c, s->server->config.limits.messages, 0, "Only the last messages of some mailboxes were searched");
    else
        session_ok(s, c, "ESEARCH completed");
    return 0;
}
