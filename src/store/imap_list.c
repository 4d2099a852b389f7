/* imap_list.c: folders: list with status, create, subscribe, remove, rename. Everything goes out in as few flights
 * as the server's extensions allow. */
#include <stdlib.h>
#include <string.h>

#include "store/imap_internal.h"
#include "wire/mutf7.h"

/* ---- collecting LIST, LSUB and STATUS ---- */

struct listing {
    struct ph_cmd list, lsub, ns, id;
    struct imap_session *s;
    struct ph_folder_list *out;
    size_t cap;
    size_t last_status;  /* where the last STATUS was found: the next one is usually behind it */
    bool failed, special_use;
    struct ph_arena *arena;
    struct ph_namespaces_copy {
        char **foreign; /* prefixes of other users' and shared folders, UTF-8 */
        size_t n;
    } foreign;
};

static char *to_utf8(struct listing *l, struct ph_str wire, bool *exact)
{
    struct ph_buf b = PH_BUF_INIT;

    if (ph_mutf7_decode(wire, &b, exact)) {
        ph_buf_done(&b);
        return NULL;
    }
    char *z = ph_arena_strdup(l->arena, ph_buf_str(&b));
    ph_buf_done(&b);
    return z;
}

static void remember_odd(struct imap_store *st, const char *utf8, const char *wire)
{
    struct odd_name *o;

    pthread_mutex_lock(&st->lock);
    for (o = st->odd_names; o && strcmp(o->utf8, utf8) != 0; o = o->next)
        ;
    if (!o && (o = calloc(1, sizeof *o))) {
        o->utf8 = strdup(utf8);
        o->wire = strdup(wire);
        if (o->utf8 && o->wire) {
            o->next = st->odd_names;
            st->odd_names = o;
        } else {
            free(o->utf8);
            free(o->wire);
            free(o);
        }
    }
    pthread_mutex_unlock(&st->lock);
}

static struct ph_folder *find_wire(struct listing *l, struct ph_str name)
{
    size_t n = l->out->n;

    for (size_t k = 0; k < n; k++) {
        size_t i = (l->last_status + k) % n;
        if (ph_str_is(name, l->out->f[i].wire) ||
            (ph_str_caseis(name, "INBOX") && strcmp(l->out->f[i].name, "INBOX") == 0)) {
            l->last_status = i + 1 < n ? i + 1 : i;
            return &l->out->f[i];
        }
    }
    return NULL;
}

static void add_folder(struct listing *l, const struct ph_list_item *item)
{
    struct ph_folder *f = find_wire(l, item->name);
    bool exact = true;

    if (f) { /* listed twice (XLIST, LSUB, a server that repeats itself): attributes add up */
        f->attrs |= item->attrs;
        return;
    }
    if (l->out->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct ph_folder *grown = ph_arena_alloc(l->arena, cap * sizeof *grown);
        if (!grown) {
            l->failed = true;
            return;
        }
        if (l->out->n)
            memcpy(grown, l->out->f, l->out->n * sizeof *grown);
        l->out->f = grown;
        l->cap = cap;
    }
    char *utf8 = ph_str_caseis(item->name, "INBOX") ? ph_arena_strdup(l->arena, PH_STR("INBOX"))
                                                    : to_utf8(l, item->name, &exact);
    char *wire = ph_arena_strdup(l->arena, item->name);
    if (!utf8 || !wire) {
        l->failed = true;
        return;
    }
    if (!exact)
        remember_odd(l->s->st, utf8, wire);
    l->out->f[l->out->n++] = (struct ph_folder){ .name = utf8, .wire = wire, .delim = item->delim,
                                                 .attrs = item->attrs, .size = UINT64_MAX };
}

static bool fill_status(struct ph_folder *f, const struct ph_mailbox_status *m)
{
    f->has_status = m->has_messages && m->has_uidnext && m->has_uidvalidity;
    f->messages = m->messages;
    f->uidnext = m->uidnext;
    f->uidvalidity = m->uidvalidity;
    f->modseq = m->has_modseq ? m->modseq : 0;
    f->size = m->has_size ? m->size : UINT64_MAX;
    return true;
}

static bool on_list_data(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct listing *l = (struct listing *)((char *)cmd - offsetof(struct listing, list));

    if (r->kind == PH_RESP_LIST && !ph_str_caseis(r->word, "LSUB")) {
        if (r->list.name.n)
            add_folder(l, &r->list);
        return true;
    }
    if (r->kind == PH_RESP_MAILBOX_STATUS) {
        struct ph_folder *f = find_wire(l, r->mstatus.name);
        return f && fill_status(f, &r->mstatus);
    }
    return false;
}

static bool on_lsub_data(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct listing *l = (struct listing *)((char *)cmd - offsetof(struct listing, lsub));

    if (r->kind != PH_RESP_LIST || !ph_str_caseis(r->word, "LSUB"))
        return false;
    struct ph_folder *f = find_wire(l, r->list.name);
    if (f)
        f->attrs |= PH_MA_SUBSCRIBED;
    return true;
}

static void add_foreign(struct listing *l, const struct ph_namespace *ns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!ns[i].prefix.n)
            continue;
        char **grown = ph_arena_alloc(l->arena, (l->foreign.n + 1) * sizeof *grown);
        char *p = to_utf8(l, ns[i].prefix, NULL);
        if (!grown || !p) {
            l->failed = true;
            return;
        }
        if (l->foreign.n)
            memcpy(grown, l->foreign.foreign, l->foreign.n * sizeof *grown);
        grown[l->foreign.n++] = p;
        l->foreign.foreign = grown;
    }
}

static bool on_namespace(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct listing *l = (struct listing *)((char *)cmd - offsetof(struct listing, ns));

    if (r->kind != PH_RESP_NAMESPACE)
        return false;
    if (r->ns.n_personal) {
        l->out->delim = r->ns.personal[0].delim;
        char *p = to_utf8(l, r->ns.personal[0].prefix, NULL);
        l->out->prefix = p ? p : "";
    }
    add_foreign(l, r->ns.other, r->ns.n_other);
    add_foreign(l, r->ns.shared, r->ns.n_shared);
    return true;
}

static bool on_id(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    return r->kind == PH_RESP_ID;
}

static const struct ph_cmd_ops list_ops = { .untagged = on_list_data };
static const struct ph_cmd_ops lsub_ops = { .untagged = on_lsub_data };
static const struct ph_cmd_ops ns_ops = { .untagged = on_namespace };
static const struct ph_cmd_ops id_ops = { .untagged = on_id };

static void write_status_items(struct ph_conn *c)
{
    ph_write_raw(&c->w, "(MESSAGES UIDNEXT UIDVALIDITY");
    if (c->caps.bits & PH_CAP_CONDSTORE)
        ph_write_raw(&c->w, " HIGHESTMODSEQ");
    if (c->caps.bits & PH_CAP_STATUS_SIZE)
        ph_write_raw(&c->w, " SIZE");
    ph_write_char(&c->w, ')');
}

static int queue_listing(struct listing *l, bool status, struct ph_err *err)
{
    struct ph_conn *c = l->s->conn;
    uint32_t caps = c->caps.bits;

    if (imap_send_enable(l->s, err))
        return -1;
    if (!l->s->set_up && (caps & PH_CAP_ID)) {
        ph_write_raw(ph_conn_begin(c, &l->id, &id_ops), "ID (\"name\" \"posthaste\")");
        if (ph_conn_end(c, err))
            return -1;
    }
    if (caps & PH_CAP_NAMESPACE) {
        ph_write_raw(ph_conn_begin(c, &l->ns, &ns_ops), "NAMESPACE");
        if (ph_conn_end(c, err))
            return -1;
    }
    struct ph_writer *w = ph_conn_begin(c, &l->list, &list_ops);
    if ((caps & PH_CAP_XLIST) && !(caps & PH_CAP_SPECIAL_USE))
        ph_write_raw(w, "XLIST \"\" \"*\"");
    else
        ph_write_raw(w, "LIST \"\" \"*\"");
    if (caps & PH_CAP_LIST_EXTENDED) {
        ph_write_raw(w, " RETURN (SUBSCRIBED CHILDREN");
        if (caps & PH_CAP_SPECIAL_USE)
            ph_write_raw(w, " SPECIAL-USE");
        if (status && (caps & PH_CAP_LIST_STATUS)) {
            ph_write_raw(w, " STATUS ");
            write_status_items(c);
        }
        ph_write_char(w, ')');
    }
    if (ph_conn_end(c, err))
        return -1;
    if (caps & PH_CAP_LIST_EXTENDED)
        return 0;
    ph_write_raw(ph_conn_begin(c, &l->lsub, &lsub_ops), "LSUB \"\" \"*\"");
    return ph_conn_end(c, err);
}

static int wait_if_queued(struct ph_conn *c, struct ph_cmd *cmd, bool must, struct ph_err *err)
{
    struct ph_err e;

    if (!cmd->tag)
        return 0;
    if (ph_conn_wait(c, cmd, err))
        return -1;
    if (cmd->status == PH_ST_OK || !must)
        return 0;
    e = cmd->err;
    e.scope = PH_SCOPE_STORE;
    ph_err_prefix(&e, "the list of folders was refused");
    if (err)
        *err = e;
    return -1;
}

/* Folders of other users and shared ones are not part of an account. */
static void drop_foreign(struct listing *l)
{
    struct ph_folder_list *out = l->out;
    size_t kept = 0;

    for (size_t i = 0; i < out->n; i++) {
        bool foreign = false;
        for (size_t k = 0; k < l->foreign.n && !foreign; k++) {
            size_t n = strlen(l->foreign.foreign[k]);
            const char *name = out->f[i].name;
            foreign = strncmp(name, l->foreign.foreign[k], n) == 0 ||
                      (n && l->foreign.foreign[k][n - 1] == out->f[i].delim && strlen(name) == n - 1 &&
                       strncmp(name, l->foreign.foreign[k], n - 1) == 0);
        }
        if (!foreign)
            out->f[kept++] = out->f[i];
    }
    out->n = kept;
}

int imap_list(struct ph_session *base, bool status, struct ph_folder_list *out, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct listing l = { .s = s, .out = out, .arena = &out->arena };

    memset(out, 0, sizeof *out);
    ph_arena_init(&out->arena, 0);
    out->prefix = "";
    if (queue_listing(&l, status, err) || wait_if_queued(s->conn, &l.id, false, err) ||
        wait_if_queued(s->conn, &l.ns, false, err) || wait_if_queued(s->conn, &l.list, true, err) ||
        wait_if_queued(s->conn, &l.lsub, false, err) || imap_set_up(s, err))
        goto fail;
    s->set_up = true;
    if (l.failed) {
        ph_fail_memory(err);
        goto fail;
    }
    drop_foreign(&l);
    for (size_t i = 0; i < out->n && !out->delim; i++)
        out->delim = out->f[i].delim;
    if (status && !(s->conn->caps.bits & PH_CAP_LIST_STATUS)) {
        struct ph_folder **all = ph_arena_alloc(&out->arena, (out->n + 1) * sizeof *all);
        size_t n = 0;
        if (!all) {
            ph_fail_memory(err);
            goto fail;
        }
        for (size_t i = 0; i < out->n; i++)
            if (!(out->f[i].attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)))
                all[n++] = &out->f[i];
        if (imap_status(base, all, n, err))
            goto fail;
    }
    return 0;
fail:
    if (s->conn->first)
        ph_conn_give_up(s->conn, err); /* commands of this frame must not outlive it */
    ph_folder_list_done(out);
    return -1;
}

/* ---- many small commands in one flight ---- */

struct small {
    struct ph_cmd cmd;
    struct ph_folder *f; /* STATUS */
    struct imap_session *s;
    struct ph_str wire;
};

static bool on_status(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct small *st = (struct small *)cmd;

    if (r->kind != PH_RESP_MAILBOX_STATUS)
        return false;
    if (st->wire.p && !ph_str_eq(r->mstatus.name, st->wire) &&
        !(ph_str_caseis(st->wire, "INBOX") && ph_str_caseis(r->mstatus.name, "INBOX")))
        return false;
    return fill_status(st->f, &r->mstatus);
}

static const struct ph_cmd_ops status_ops = { .untagged = on_status };

/* The answer to a STATUS names the folder in the server's words; they are known only from LIST. */
static int encode_name(struct imap_session *s, const struct ph_folder *f, struct ph_arena *a, struct ph_str *out)
{
    struct ph_buf b = PH_BUF_INIT;
    int r = 0;

    if (f->wire)
        *out = ph_str(f->wire);
    else if (ph_mutf7_encode(ph_str(f->name), &b) == 0)
        *out = (struct ph_str){ ph_arena_strdup(a, ph_buf_str(&b)), ph_buf_len(&b) };
    else
        r = -1;
    ph_buf_done(&b);
    return r;
}

int imap_status(struct ph_session *base, struct ph_folder *const *f, size_t n, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct ph_arena a;
    int r = -1;

    if (!n)
        return 0;
    ph_arena_init(&a, 0);
    struct small *cmds = ph_arena_alloc(&a, n * sizeof *cmds);
    if (!cmds) {
        ph_fail_memory(err);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        f[i]->has_status = false;
        cmds[i].f = f[i];
        if (encode_name(s, f[i], &a, &cmds[i].wire))
            continue;
        struct ph_writer *w = ph_conn_begin(s->conn, &cmds[i].cmd, &status_ops);
        ph_write_raw(w, "STATUS ");
        imap_write_folder(s, w, f[i]->name);
        ph_write_char(w, ' ');
        write_status_items(s->conn);
        if (ph_conn_end(s->conn, &f[i]->status_err) && s->conn->broken.kind != PH_OK) {
            if (err)
                *err = s->conn->broken;
            goto out;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!cmds[i].cmd.tag)
            continue;
        if (ph_conn_wait(s->conn, &cmds[i].cmd, err))
            goto out;
        if (cmds[i].cmd.status != PH_ST_OK) {
            f[i]->status_err = cmds[i].cmd.err;
            f[i]->status_err.scope = PH_SCOPE_FOLDER;
        }
    }
    r = 0;
out:
    /* a command that is still under way must not outlive the array */
    if (r)
        ph_conn_give_up(s->conn, err);
    ph_arena_done(&a);
    return r;
}

static int run_names(struct imap_session *s, const char *word, const char *const *names, const uint32_t *special,
                     size_t n, struct ph_err *results, struct ph_err *err)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } uses[] = {
        { PH_MA_ALL, "\\All" },     { PH_MA_ARCHIVE, "\\Archive" }, { PH_MA_DRAFTS, "\\Drafts" },
        { PH_MA_FLAGGED, "\\Flagged" }, { PH_MA_JUNK, "\\Junk" },   { PH_MA_SENT, "\\Sent" },
        { PH_MA_TRASH, "\\Trash" },
    };
    struct ph_cmd *cmds = calloc(n ? n : 1, sizeof *cmds);
    int r = 0;

    if (!cmds)
        return ph_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        ph_err_clear(&results[i]);
        struct ph_writer *w = ph_conn_begin(s->conn, &cmds[i], NULL);
        ph_write_raw(w, word);
        ph_write_char(w, ' ');
        imap_write_folder(s, w, names[i]);
        const char *sep = " (USE (";
        for (size_t k = 0; special && k < sizeof uses / sizeof *uses; k++)
            if (special[i] & uses[k].bit) {
                ph_write_raw(w, sep);
                ph_write_raw(w, uses[k].name);
                sep = " ";
            }
        if (*sep && !sep[1])
            ph_write_raw(w, "))");
        ph_conn_end(s->conn, &results[i]);
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        if (!cmds[i].queued && !cmds[i].done)
            continue; /* could not be built: results[i] says so */
        r = ph_conn_wait(s->conn, &cmds[i], err);
        if (r == 0 && cmds[i].status != PH_ST_OK) {
            results[i] = cmds[i].err;
            if (results[i].scope < PH_SCOPE_FOLDER)
                results[i].scope = PH_SCOPE_FOLDER;
        }
    }
    if (r)
        ph_conn_give_up(s->conn, err);
    free(cmds);
    return r;
}

int imap_create(struct ph_session *base, const char *const *names, const uint32_t *special, size_t n,
                struct ph_err *results, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    bool use = s->conn->caps.bits & PH_CAP_CREATE_SPECIAL_USE;

    if (run_names(s, "CREATE", names, use ? special : NULL, n, results, err))
        return -1;
    /* servers without RFC 5530 say "exists" in their own words: look */
    for (size_t i = 0; i < n; i++) {
        if (results[i].kind != PH_E_REFUSED)
            continue;
        struct ph_folder f = { .name = names[i] }, *pf = &f;
        if (imap_status(base, &pf, 1, err))
            return -1;
        if (f.has_status)
            results[i].kind = PH_E_EXISTS;
    }
    return 0;
}

int imap_subscribe(struct ph_session *base, const char *const *names, size_t n, bool on, struct ph_err *results,
                   struct ph_err *err)
{
    return run_names(imap_session(base), on ? "SUBSCRIBE" : "UNSUBSCRIBE", names, NULL, n, results, err);
}

/* Some servers hang up on whoever has the mailbox open that is being deleted. EXAMINE of another leaves it without the
 * expunging that CLOSE may do, and is there on every server. */
static int leave(struct imap_session *s, const char *name, struct ph_err *err)
{
    struct imap_select sel;

    if (!s->selected || strcmp(s->selected, name) != 0)
        return 0;
    int r = imap_select_begin(s, &sel, "INBOX", false, err);
    if (!r)
        r = ph_conn_wait(s->conn, &sel.cmd, err);
    if (r)
        ph_conn_give_up(s->conn, err);
    imap_select_done(&sel);
    return r;
}

int imap_remove(struct ph_session *base, const char *name, struct ph_err *err)
{
    struct ph_err result;

    if (leave(imap_session(base), name, err) || run_names(imap_session(base), "DELETE", &name, NULL, 1, &result, err))
        return -1;
    if (result.kind == PH_OK)
        return 0;
    if (err)
        *err = result;
    return -1;
}

int imap_rename(struct ph_session *base, const char *from, const char *to, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct ph_cmd cmd = { 0 };
    struct ph_writer *w = ph_conn_begin(s->conn, &cmd, NULL);

    ph_write_raw(w, "RENAME ");
    imap_write_folder(s, w, from);
    ph_write_char(w, ' ');
    imap_write_folder(s, w, to);
    if (ph_conn_end(s->conn, err))
        return -1;
    int r = ph_conn_wait_ok(s->conn, &cmd, err);
    if (cmd.queued)
        ph_conn_give_up(s->conn, err); /* stopped: it must not outlive this call */
    return r;
}
