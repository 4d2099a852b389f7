/* metadata.c: annotations of mailboxes and of the account (RFC 5464). What is private is kept by the user who set it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/local/account.h"

/* Names compare without case (RFC 5464 3): kept in small letters. */
static int entry_name(const char *entry, struct ph_buf *out, bool *shared, struct ph_err *err)
{
    size_t n = strlen(entry);

    ph_buf_clear(out);
    for (size_t i = 0; i < n; i++)
        ph_buf_add_char(out, (char)ph_lower((unsigned char)entry[i]));
    ph_buf_z(out);
    if (out->failed)
        return ph_fail_memory(err);
    *shared = ph_str_prefix(ph_buf_str(out), "/shared/") || ph_str_is(ph_buf_str(out), "/shared");
    if (n > 1000 || (!*shared && !ph_str_prefix(ph_buf_str(out), "/private/") && !ph_str_is(ph_buf_str(out), "/private")))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_BAD, "an entry begins with /private/ or /shared/");
    return 0;
}

static int find(struct local_db *db, const struct local_where *w, unsigned need, struct local_mailbox *m, struct ph_err *err)
{
    memset(m, 0, sizeof *m);
    return w->name[0] ? ph_local_find(db, w, need, m, err) : 0;
}

/* ---- reading ---- */

struct reading {
    struct ph_arena *arena;
    struct ph_annotation **out;
    size_t *n, cap;
};

static int add(struct reading *x, sqlite3_stmt *st)
{
    if (*x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 8;
        struct ph_annotation *grown = ph_arena_alloc(x->arena, cap * sizeof *grown);
        if (!grown)
            return -1;
        if (*x->n)
            memcpy(grown, *x->out, *x->n * sizeof *grown);
        *x->out = grown;
        x->cap = cap;
    }
    struct ph_annotation *a = &(*x->out)[(*x->n)++];
    size_t n = (size_t)sqlite3_column_bytes(st, 1);
    const void *p = sqlite3_column_blob(st, 1);
    a->entry = ph_arena_strdup(x->arena, ph_str((const char *)sqlite3_column_text(st, 0)));
    a->value = (struct ph_str){ ph_arena_dup(x->arena, n ? p : "", n), n };
    return a->entry && a->value.p ? 0 : -1;
}

static int read_entry(struct reading *x, struct local_db *db, int64_t mailbox, const char *who, const char *entry,
                      unsigned depth, struct ph_err *err)
{
    size_t n = strlen(entry);
    sqlite3_stmt *st;
    int r = -1;

    st = local_prepare(db, err, "SELECT entry, value FROM annotation WHERE mailbox = ?1 AND user = ?2 AND (entry = ?3 OR"
                                " (?4 > 0 AND entry > ?3 || '/' AND entry < ?3 || '0')) ORDER BY entry",
                       LI(mailbox), LT(who), LT(entry), LI(depth));
    while (st && (r = ph_local_step(db, st, err)) > 0) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        bool deeper = depth == 1 && strlen(name) > n && strchr(name + n + 1, '/');
        if (!deeper && add(x, st)) {
            sqlite3_reset(st);
            return ph_fail_memory(err);
        }
    }
    return r;
}

int ph_local_get_metadata(struct ph_session *base, const char *folder, const char *const *entries, size_t n_entries,
                          unsigned depth, struct ph_arena *arena, struct ph_annotation **out, size_t *n,
                          struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct reading x = { .arena = arena, .out = out, .n = n };
    struct ph_buf name = PH_BUF_INIT;
    struct local_mailbox m;
    struct local_where w;
    struct local_db *db;
    bool shared;

    *out = NULL;
    *n = 0;
    if (ph_local_begin(s, err) || ph_local_where(s, folder, &w, err))
        return -1;
    int r = ph_local_read_begin(w.u, &db, err);
    if (!r)
        r = find(db, &w, R_LOOKUP | R_READ, &m, err);
    for (size_t i = 0; !r && i < n_entries; i++) {
        r = entry_name(entries[i], &name, &shared, err);
        if (!r)
            r = read_entry(&x, db, m.id, shared ? "" : w.who, ph_buf_z(&name), depth, err);
    }
    ph_local_read_end(w.u, db);
    ph_local_where_done(&w);
    ph_buf_done(&name);
    return r;
}

/* ---- writing ---- */

struct setting {
    const struct local_where *w;
    const struct ph_annotation *a;
    size_t n;
};

static int set_one(struct local_db *db, const struct local_where *w, const struct local_mailbox *m,
                   const struct ph_annotation *a, struct ph_buf *name, struct ph_err *err)
{
    bool shared;

    if (entry_name(a->entry, name, &shared, err))
        return -1;
    if (w->name[0] && shared && !(m->rights & R_WRITE))
        return ph_local_denied(err);
    const char *who = shared ? "" : w->who;
    if (!a->value.p)
        return local_exec(db, err, "DELETE FROM annotation WHERE mailbox = ?1 AND user = ?2 AND entry = ?3", LI(m->id),
                          LT(who), LT(ph_buf_z(name)));
    if (a->value.n > LOCAL_ANNOTATION_MAX)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_TOOBIG, "an annotation can have %d octets", LOCAL_ANNOTATION_MAX);
    return local_exec(db, err, "INSERT OR REPLACE INTO annotation(mailbox, user, entry, value) VALUES(?1, ?2, ?3, ?4)",
                      LI(m->id), LT(who), LT(ph_buf_z(name)), LB(a->value.p, a->value.n));
}

static int run_set(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    const struct setting *x = ctx;
    struct ph_buf name = PH_BUF_INIT;
    struct local_mailbox m;
    int64_t count;
    int r = find(db, x->w, R_LOOKUP | R_READ, &m, err);

    for (size_t i = 0; !r && i < x->n; i++)
        r = set_one(db, x->w, &m, &x->a[i], &name, err);
    ph_buf_done(&name);
    if (r || local_number(db, err, &count, "SELECT count(*) FROM annotation WHERE mailbox = ?1", LI(m.id)) < 0)
        return -1;
    if (count > LOCAL_ANNOTATIONS_MAX)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "a folder can have %d annotations", LOCAL_ANNOTATIONS_MAX);
    uint64_t now = ph_local_next_modseq(u);
    if (!m.id) {
        u->state.meta_at = now;
        return 0;
    }
    m.meta_at = now;
    return ph_local_mailbox_save(db, &m, err);
}

int ph_local_set_metadata(struct ph_session *base, const char *folder, const struct ph_annotation *a, size_t n,
                          struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct setting x = { .a = a, .n = n };
    struct local_where w;

    if (ph_local_begin(s, err) || ph_local_where(s, folder, &w, err))
        return -1;
    x.w = &w;
    int r = ph_local_do(w.u, run_set, &x, false, err);
    ph_local_where_done(&w);
    return r;
}
