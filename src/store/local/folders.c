/* folders.c: the list of folders, one's own and those of others that one may see, and their status. */
#include <stdlib.h>
#include <string.h>

#include "store/local/account.h"

static void fill_status(struct ph_folder *f, const struct local_mailbox *m)
{
    f->has_status = true;
    f->messages = m->messages;
    f->uidnext = m->uidnext;
    f->uidvalidity = m->uidvalidity;
    f->modseq = m->modseq;
    f->size = m->size;
    f->has_counts = true;
    f->unseen = m->unseen;
    f->deleted = m->deleted;
    f->deleted_size = m->deleted_size;
    ph_err_clear(&f->status_err);
}

struct listing {
    struct local_session *s;
    struct ph_folder_list *out;
    size_t cap;
};

static struct ph_folder *add(struct listing *l, const char *prefix, const char *name, struct ph_err *err)
{
    struct ph_folder_list *out = l->out;
    size_t n = strlen(prefix), m = strlen(name);

    if (out->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct ph_folder *grown = ph_arena_alloc(&out->arena, cap * sizeof *grown);
        if (!grown) {
            ph_fail_memory(err);
            return NULL;
        }
        if (out->n)
            memcpy(grown, out->f, out->n * sizeof *grown);
        out->f = grown;
        l->cap = cap;
    }
    char *full = ph_arena_alloc(&out->arena, n + m + 1);
    if (!full) {
        ph_fail_memory(err);
        return NULL;
    }
    memcpy(full, prefix, n);
    memcpy(full + n, name, m);
    struct ph_folder *f = &out->f[out->n++];
    memset(f, 0, sizeof *f);
    f->name = f->wire = full;
    f->delim = '/';
    f->size = UINT64_MAX;
    return f;
}

static int add_mailbox(struct listing *l, const char *prefix, const struct local_mailbox *m, struct ph_err *err)
{
    struct ph_folder *f = add(l, prefix, m->name, err);

    if (!f)
        return -1;
    f->attrs = m->special | (m->noselect ? PH_MA_NOSELECT : 0u);
    if (!*prefix && strcmp(m->name, "INBOX") == 0)
        f->attrs |= PH_MA_INBOX;
    f->mailboxid = ph_arena_strdup(&l->out->arena, ph_str(m->mailboxid));
    if (!f->mailboxid)
        return ph_fail_memory(err);
    if (!m->noselect && m->rights & R_READ)
        fill_status(f, m);
    return 0;
}

/* The mailboxes of the account that db shows, as far as w's user may know of them. */
static int add_all(struct listing *l, struct local_db *db, const struct local_where *w, const char *prefix,
                   struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(db, err, "SELECT " MAILBOX_COLUMNS " FROM mailbox");
    int r = -1;

    while (st && (r = ph_local_step(db, st, err)) > 0) {
        struct local_mailbox m;
        ph_local_mailbox_columns(st, &m);
        if (ph_local_rights(db, m.id, w, &m.rights, err) || (m.rights & R_LOOKUP && add_mailbox(l, prefix, &m, err))) {
            sqlite3_reset(st);
            return -1;
        }
    }
    return r;
}

/* One that cannot be read does not keep the others from being listed. */
static int add_owner(void *ctx, const char *owner, struct ph_err *err)
{
    struct listing *l = ctx;
    struct local_where w = { .who = l->s->user->name, .foreign = true };
    struct ph_buf prefix = PH_BUF_INIT;
    struct local_db *db;
    int r = 0;

    if (ph_local_user_get(l->s->user->root, owner, false, &w.u, NULL) || ph_local_enter(w.u, NULL))
        return 0;
    ph_buf_add_z(&prefix, LOCAL_OTHERS);
    ph_local_level_of(owner, &prefix);
    ph_buf_add_char(&prefix, '/');
    if (ph_local_read_begin(w.u, &db, NULL) == 0) {
        r = add_all(l, db, &w, ph_buf_z(&prefix), err);
        ph_local_read_end(w.u, db);
    }
    ph_local_leave(w.u);
    ph_buf_done(&prefix);
    return r;
}

/* ---- order, children, subscriptions ---- */

/* By levels: `a`, `a/b`, then `a b`. */
static int compare(const void *pa, const void *pb)
{
    const unsigned char *a = (const unsigned char *)((const struct ph_folder *)pa)->name;
    const unsigned char *b = (const unsigned char *)((const struct ph_folder *)pb)->name;

    while (*a && *a == *b)
        a++, b++;
    unsigned x = *a == '/' ? 1 : *a ? *a + 1u : 0, y = *b == '/' ? 1 : *b ? *b + 1u : 0;
    return x < y ? -1 : x > y;
}

static struct ph_folder *find(struct ph_folder_list *l, size_t n, const char *name)
{
    const struct ph_folder key = { .name = name };

    return n ? bsearch(&key, l->f, n, sizeof *l->f, compare) : NULL;
}

static int mark_subscribed(struct listing *l, struct local_db *db, struct ph_err *err)
{
    sqlite3_stmt *st = local_prepare(db, err, "SELECT name FROM subscription");
    size_t sorted = l->out->n;
    int r = -1;

    while (st && (r = ph_local_step(db, st, err)) > 0) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        struct ph_folder *f = find(l->out, sorted, name);
        if (!f && (f = add(l, "", name, err))) /* the mailbox went, the subscription stays (RFC 9051 6.3.7) */
            f->attrs = PH_MA_NONEXISTENT;
        if (!f) {
            sqlite3_reset(st);
            return -1;
        }
        f->attrs |= PH_MA_SUBSCRIBED;
    }
    return r;
}

static void mark_children(struct ph_folder_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        size_t n = strlen(l->f[i].name);
        bool has = i + 1 < l->n && strncmp(l->f[i + 1].name, l->f[i].name, n) == 0 && l->f[i + 1].name[n] == '/';
        l->f[i].attrs |= has ? PH_MA_HASCHILDREN : PH_MA_HASNOCHILDREN;
    }
}

static void sort(struct ph_folder_list *l)
{
    if (l->n > 1)
        qsort(l->f, l->n, sizeof *l->f, compare);
}

int ph_local_list(struct ph_session *base, bool status, struct ph_folder_list *out, struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct listing l = { .s = s, .out = out };
    struct local_where w = { .u = s->user, .who = s->user->name };
    struct local_db *db;

    memset(out, 0, sizeof *out);
    if (ph_local_begin(s, err) || ph_local_enter(s->user, err))
        return -1;
    ph_arena_init(&out->arena, 0);
    out->delim = '/';
    out->prefix = "";
    int r = ph_local_read_begin(s->user, &db, err);
    if (!r)
        r = add_all(&l, db, &w, "", err);
    if (!r)
        r = ph_local_shared_owners(s->user->root, s->user->name, add_owner, &l, err);
    sort(out);
    if (!r)
        r = mark_subscribed(&l, db, err);
    ph_local_read_end(s->user, db);
    ph_local_leave(s->user);
    sort(out);
    mark_children(out);
    if (r)
        ph_folder_list_done(out);
    return r;
}

static int status_one(struct local_session *s, struct ph_folder *f, struct ph_err *err)
{
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;

    f->has_status = false;
    f->has_counts = false;
    if (ph_local_where(s, f->name, &w, err))
        return -1;
    int r = ph_local_read_begin(w.u, &db, err);
    if (!r) {
        r = ph_local_find_open(db, &w, 0, R_READ, &m, err);
        ph_local_read_end(w.u, db);
    }
    if (!r) {
        fill_status(f, &m);
        f->mailboxid = ph_arena_strdup(&s->status_texts, ph_str(m.mailboxid));
    }
    ph_local_where_done(&w);
    return r;
}

int ph_local_status(struct ph_session *base, struct ph_folder *const *f, size_t n, struct ph_err *err)
{
    struct local_session *s = local_session(base);

    if (ph_local_begin(s, err))
        return -1;
    ph_arena_reset(&s->status_texts);
    for (size_t i = 0; i < n; i++)
        status_one(s, f[i], &f[i]->status_err);
    return 0;
}
