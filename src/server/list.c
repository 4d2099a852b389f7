/* list.c: LIST and LSUB (RFC 9051 6.3.9; RFC 3501 6.3.8 and 6.3.9; LIST-EXTENDED 5258; LIST-STATUS 5819; SPECIAL-USE 6154;
 * LIST-MYRIGHTS 8440; LIST-METADATA 9590). */
#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "server/list.h"
#include "server/metadata.h"
#include "server/names.h"
#include "server/rights.h"
#include "server/status.h"
#include "server/user.h"

struct listing {
    struct session *s;
    struct ph_session *ps;
    const struct ph_cmd_list *c;
    bool lsub;
    unsigned select;
    struct list_patterns patterns;
    struct ph_folder_list folders;
    struct list_tree tree;
};

/* ---- what was asked for ---- */

/* RFC 9051 6.3.9: the reference stands in front of the pattern, but a pattern that begins at the root stands for itself. */
static struct ph_str interpret(struct session *s, struct ph_str reference, struct ph_str pattern, char delim)
{
    char *text = ph_arena_alloc(&s->arena, reference.n + pattern.n + 1);
    bool rooted = delim && pattern.n && pattern.p[0] == delim, valid;

    if (!text)
        return PH_STR_NIL;
    size_t n = rooted ? 0 : reference.n;
    if (n)
        memcpy(text, reference.p, n);
    if (pattern.n)
        memcpy(text + n, pattern.p, pattern.n);
    return ph_str(names_decode(s, (struct ph_str){ text, n + pattern.n }, &valid));
}

static int take_patterns(struct listing *l, struct ph_err *err)
{
    struct session *s = l->s;
    size_t octets = 0;
    char delim;

    if (names_delim(s, "", &delim, err))
        return -1;
    for (size_t i = 0; i < l->c->patterns.n; i++) {
        struct ph_str pattern = l->c->patterns.w[i];
        if (pattern.n == 0)
            continue; /* RFC 5258 3 */
        octets += pattern.n + l->c->reference.n;
        if (l->patterns.n == LIST_PATTERNS || octets > LIST_PATTERN_OCTETS) {
            ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "Too many patterns, or too long ones");
            memcpy(err->code, "LIMIT", 6);
            return -1;
        }
        struct ph_str text = interpret(s, l->c->reference, pattern, delim);
        struct list_pattern *p = text.p ? list_pattern_new(&s->arena, text) : NULL;
        if (!p)
            return ph_fail_memory(err);
        l->patterns.p[l->patterns.n++] = p;
    }
    return 0;
}

/* `LIST "" ""`: the delimiter, and the root of the reference (RFC 9051 6.3.9). */
static int tell_root(struct session *s, const struct ph_cmd_list *c, bool lsub, struct ph_err *err)
{
    struct ph_list_line l = { .lsub = lsub, .attrs = PH_MA_NOSELECT, .name = PH_STR("") };
    bool valid;
    const char *reference = names_decode(s, c->reference, &valid);
    size_t n = 0;

    if (!reference)
        return ph_fail_memory(err);
    if (names_delim(s, reference, &l.delim, err))
        return -1;
    if (l.delim && reference[0] == l.delim)
        n = 1;
    else if (reference[0] == '#') /* a name that says itself where its root is: RFC 9051 5.1.2.1 */
        for (n = 1; l.delim && reference[n] && reference[n - 1] != l.delim;)
            n++;
    l.name = (struct ph_str){ reference, n };
    ph_write_list(&s->w, &l);
    return 0;
}

/* ---- what is answered ---- */

static bool is_told(const struct listing *l, const struct list_node *n)
{
    unsigned select = l->select;

    if (!n->matches || n->chosen)
        return n->matches;
    if (!n->below_unseen)
        return false;
    if (l->lsub || select & PH_LO_RECURSIVEMATCH)
        return true;
    /* RFC 5258 3.5: a level that is no mailbox, with some below it that the client would not see else. */
    return !n->exists && !(select & (PH_LO_SUBSCRIBED | PH_LO_SPECIAL_USE));
}

static uint32_t attributes(const struct listing *l, const struct list_node *n)
{
    uint32_t attrs = n->f ? n->f->attrs : 0;
    uint32_t keep = PH_MA_NOINFERIORS | PH_MA_NOSELECT | PH_MA_MARKED | PH_MA_UNMARKED | PH_MA_REMOTE |
                    (PH_MA_SPECIAL & ~(uint32_t)PH_MA_INBOX);
    bool children = n->children || attrs & PH_MA_HASCHILDREN;

    if (l->lsub) /* RFC 3501 6.3.9: \Noselect says here that it is not subscribed, but something below is */
        return n->chosen ? attrs & PH_MA_NOINFERIORS : PH_MA_NOSELECT;
    if ((l->select | l->c->options) & PH_LO_SUBSCRIBED)
        keep |= PH_MA_SUBSCRIBED;
    uint32_t out = attrs & keep;
    if (!n->exists)
        out |= l->c->extended || l->s->enabled & PH_EN_REV2 ? PH_MA_NONEXISTENT : PH_MA_NOSELECT;
    if (!(out & PH_MA_NOINFERIORS))
        out |= children ? PH_MA_HASCHILDREN : PH_MA_HASNOCHILDREN;
    return out;
}

/* It may not be selected: RFC 5819 2 wants that to be seen. */
static bool is_closed(const struct ph_err *err)
{
    return err->kind == PH_E_PERMISSION || err->kind == PH_E_NOTFOUND;
}

/* The answers to RETURN options about a mailbox; whatever cannot be had is left out. */
static void tell_more(struct listing *l, const struct list_node *n, uint32_t attrs)
{
    struct session *s = l->s;
    const char *name = n->f->name;
    struct ph_err ignored;
    char rights[32], told[40];

    if (l->c->options & PH_LO_MYRIGHTS && s->user->serve->my_rights &&
        s->user->serve->my_rights(l->ps, name, rights, &ignored) == 0) {
        rights_tell(rights, told);
        ph_write_raw(&s->w, "* MYRIGHTS ");
        session_write_mailbox(s, name);
        ph_write_char(&s->w, ' ');
        ph_write_astring(&s->w, ph_str(told));
        ph_write_crlf(&s->w);
    }
    if (l->c->options & PH_LO_METADATA)
        metadata_tell(s, l->ps, name, &l->c->metadata);
}

static void tell_node(struct listing *l, const struct list_node *n)
{
    struct session *s = l->s;
    struct ph_list_line line = { .lsub = l->lsub, .attrs = attributes(l, n), .delim = n->delim, .name = n->name };
    bool mailbox = n->chosen && n->exists && n->f && !l->lsub;
    struct ph_status_line status = { 0 };
    struct ph_err why;

    if (mailbox && l->c->options & PH_LO_STATUS && !(line.attrs & PH_MA_NOSELECT)) {
        struct ph_folder f = *n->f;
        why = f.status_err;
        if (why.kind == PH_OK && status_fill(s, l->ps, &f, l->c->status, &status, &why))
            status.items = 0;
        if (why.kind != PH_OK && is_closed(&why))
            line.attrs |= PH_MA_NOSELECT;
    }
    line.childinfo_subscribed = n->below && l->select & PH_LO_RECURSIVEMATCH;
    ph_write_list(&s->w, &line);
    if (status.items && !(line.attrs & PH_MA_NOSELECT))
        ph_write_mailbox_status(&s->w, &status);
    if (mailbox)
        tell_more(l, n, line.attrs);
}

/* One flight for all that the list did not bring. */
static int ask_status(struct listing *l, struct ph_err *err)
{
    struct ph_folder **ask = malloc((l->tree.n + 1) * sizeof(struct ph_folder *));
    size_t n = 0;
    int r = 0;

    if (!ask)
        return ph_fail_memory(err);
    for (size_t i = 0; i < l->tree.n; i++) {
        const struct list_node *node = &l->tree.nodes[i];
        if (!node->f || !node->matches || !node->chosen || !node->exists || node->f->attrs & PH_MA_NOSELECT ||
            node->f->status_err.kind != PH_OK || status_is_known(node->f, l->c->status))
            continue;
        ask[n++] = &l->folders.f[node->f - l->folders.f];
    }
    if (n && l->ps->ops->status)
        r = l->ps->ops->status(l->ps, ask, n, err);
    free(ask);
    return r;
}

static int run(struct listing *l, struct ph_err *err)
{
    bool with_status = l->c->options & PH_LO_STATUS;
    int r = -1;

    if (l->ps->ops->list(l->ps, with_status, &l->folders, err))
        return -1;
    if (list_tree_build(&l->tree, &l->folders, &l->patterns, l->select, err) == 0 &&
        (!with_status || ask_status(l, err) == 0)) {
        r = 0;
        for (size_t i = 0; i < l->tree.n && !l->s->broken; i++) {
            if (!is_told(l, &l->tree.nodes[i]))
                continue;
            tell_node(l, &l->tree.nodes[i]);
            if (session_push(l->s))
                break; /* the client is gone */
        }
    }
    list_tree_done(&l->tree);
    ph_folder_list_done(&l->folders);
    return r;
}

static int list(struct session *s, struct ph_command *c, bool lsub, struct ph_err *err)
{
    struct listing l = { .s = s, .c = &c->list, .lsub = lsub, .select = c->list.select };
    bool root = !c->list.extended && c->list.patterns.n == 1 && c->list.patterns.w[0].n == 0;

    l.ps = session_store(s, err);
    if (!l.ps || (root ? tell_root(s, &c->list, lsub, err) : take_patterns(&l, err)))
        return -1;
    status_enables(s, c->list.status);
    if (lsub)
        l.select = PH_LO_SUBSCRIBED | PH_LO_REMOTE;
    if (l.patterns.n && run(&l, err))
        return -1;
    session_ok(s, c, lsub ? "LSUB completed" : "LIST completed");
    return 0;
}

int cmd_list(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return list(s, c, false, err);
}

int cmd_lsub(struct session *s, struct ph_command *c, struct ph_err *err)
{
    return list(s, c, true, err);
}
