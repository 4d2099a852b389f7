/* memory_folders.c: folders of the memory store: list, status, create, subscribe, remove, rename. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

int ph_memory_no_folder(const char *name, struct ph_err *err)
{
    int r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "no folder %s", name);

    if (err)
        memcpy(err->code, "NONEXISTENT", 12);
    return r;
}

/* RFC 4314 4: what a user must have to do this, any of the letters. */
static const char *right_for(const char *op)
{
    static const char *const rights[][2] = { { "scan", "r" },    { "body", "r" },    { "status", "r" }, { "flags", "swt" },
                                             { "expunge", "e" }, { "append", "i" }, { "copy", "r" },   { "info", "r" } };

    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        if (strcmp(rights[i][0], op) == 0)
            return rights[i][1];
    return "";
}

struct memory_folder *ph_memory_open(struct memory_session *s, const char *op, const char *name, uint32_t uidvalidity,
                                     struct ph_err *err)
{
    struct memory_folder *f;

    if (ph_memory_meet_any(s, op, name, err))
        return NULL;
    f = ph_memory_find(s->st, name);
    if (!f || f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)) {
        ph_memory_no_folder(name, err);
        return NULL;
    }
    if (uidvalidity && uidvalidity != f->uidvalidity) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s was made anew (UIDVALIDITY %u, was %u)", name, f->uidvalidity,
                uidvalidity);
        return NULL;
    }
    if (!ph_memory_may(s->st, f, right_for(op))) {
        ph_memory_denied(name, err);
        return NULL;
    }
    return f;
}

int ph_memory_end(struct memory_session *s, struct ph_err *err)
{
    ph_memory_unlock(s->st);
    if (s->broken.kind == PH_OK)
        return 0;
    if (err)
        *err = s->broken;
    return -1;
}

static void fill_status(const struct memory_store *st, struct ph_folder *out, const struct memory_folder *f,
                        struct ph_arena *arena)
{
    uint64_t size = 0, deleted_size = 0;
    char id[32];

    out->unseen = out->deleted = 0;
    for (size_t i = 0; i < f->n; i++) {
        size += f->m[i].bytes->n;
        out->unseen += !(f->m[i].flags & PH_F_SEEN);
        if (f->m[i].flags & PH_F_DELETED) {
            out->deleted++;
            deleted_size += f->m[i].bytes->n;
        }
    }
    out->has_status = out->has_counts = true;
    out->messages = (uint32_t)f->n;
    out->uidnext = f->uidnext;
    out->uidvalidity = f->uidvalidity;
    out->modseq = memory_abilities(st) & PH_AB_MODSEQ ? f->modseq : 0;
    out->size = memory_abilities(st) & PH_AB_EXACT_SIZE ? size : UINT64_MAX;
    out->deleted_size = deleted_size;
    if (memory_abilities(st) & PH_AB_OBJECTID) {
        int n = snprintf(id, sizeof id, "F%llu", (unsigned long long)f->id);
        out->mailboxid = ph_arena_dup(arena, id, (size_t)n);
    }
    ph_err_clear(&out->status_err);
}

/* The first in the index that is not in front of what is below f. */
static size_t first_below(const struct memory_store *st, const struct memory_folder *f)
{
    size_t n = strlen(f->name), lo = 0, hi = st->n_folders;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const char *name = st->index[mid]->name;
        int d = strncmp(name, f->name, n);
        if (d < 0 || (d == 0 && (unsigned char)name[n] < (unsigned char)st->opt.delim))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool has_children(const struct memory_store *st, const struct memory_folder *f)
{
    size_t n = strlen(f->name);

    for (size_t i = first_below(st, f); i < st->n_folders; i++) {
        const char *name = st->index[i]->name;
        if (strncmp(name, f->name, n) != 0 || name[n] != st->opt.delim)
            return false;
        if (memory_there(st->index[i]))
            return true;
    }
    return false;
}

static int fill_list(struct memory_store *st, bool status, struct ph_folder_list *out)
{
    size_t n = 0;

    for (struct memory_folder *f = st->folders; f; f = f->next)
        n++;
    out->f = ph_arena_alloc(&out->arena, (n ? n : 1) * sizeof *out->f);
    char *prefix = ph_arena_strdup(&out->arena, ph_str(st->opt.prefix));
    if (!out->f || !prefix)
        return -1;
    out->prefix = prefix;
    out->delim = st->opt.delim;
    for (struct memory_folder *f = st->folders; f; f = f->next) {
        if (!ph_memory_may(st, f, "l"))
            continue;
        struct ph_folder *o = &out->f[out->n++];
        o->name = o->wire = ph_arena_strdup(&out->arena, ph_str(f->name));
        if (!o->name)
            return -1;
        o->delim = st->opt.delim;
        o->attrs = f->attrs | (f->subscribed ? PH_MA_SUBSCRIBED : 0) |
                   (has_children(st, f) ? PH_MA_HASCHILDREN : PH_MA_HASNOCHILDREN);
        o->size = UINT64_MAX;
        if (!status || f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT))
            continue;
        if (ph_memory_may(st, f, "r"))
            fill_status(st, o, f, &out->arena);
        else
            ph_memory_denied(f->name, &o->status_err);
    }
    return 0;
}

int ph_memory_list(struct ph_session *base, bool status, struct ph_folder_list *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    memset(out, 0, sizeof *out);
    ph_arena_init(&out->arena, 0);
    if (ph_memory_begin(s, MOP_LIST, NULL, err))
        return -1;
    int r = ph_memory_meet_any(s, "list", NULL, err);
    if (!r && fill_list(s->st, status || memory_abilities(s->st) & PH_AB_STATUS_LIST, out))
        r = ph_fail_memory(err);
    ph_memory_unlock(s->st);
    if (r)
        ph_folder_list_done(out);
    return r;
}

int ph_memory_status(struct ph_session *base, struct ph_folder *const *f, size_t n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_STATUS, NULL, err))
        return -1;
    ph_arena_reset(&s->strings);
    for (size_t i = 0; i < n; i++) {
        f[i]->has_status = false;
        struct memory_folder *found = ph_memory_open(s, "status", f[i]->name, 0, &f[i]->status_err);
        if (found)
            fill_status(s->st, f[i], found, &s->strings);
        if (s->broken.kind != PH_OK) {
            ph_memory_unlock(s->st);
            if (err)
                *err = s->broken;
            return -1;
        }
    }
    ph_memory_unlock(s->st);
    return 0;
}

static int create_one(struct memory_session *s, const char *name, uint32_t special, struct ph_err *err)
{
    struct memory_store *st = s->st;

    if (ph_memory_meet_any(s, "create", name, err))
        return -1;
    if (!(memory_abilities(st) & PH_AB_WRITE))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "the account is read-only");
    if (memory_there(ph_memory_find(st, name))) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_EXISTS, "%s exists", name);
        memcpy(err->code, "ALREADYEXISTS", 14);
        return -1;
    }
    if (!ph_memory_name_ok(st, name))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "not a name for a folder: %s", name);
    if (st->opt.quota_folders && st->n_folders >= st->opt.quota_folders) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_QUOTA, "there are too many folders");
        memcpy(err->code, "OVERQUOTA", 10);
        return -1;
    }
    if (!ph_memory_make(st, name, memory_abilities(st) & PH_AB_SPECIAL_USE ? special & PH_MA_SPECIAL : 0))
        return ph_fail_memory(err);
    return 0;
}

int ph_memory_create(struct ph_session *base, const char *const *names, const uint32_t *special, size_t n,
                     struct ph_err *results, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_CREATE, n ? names[0] : NULL, err))
        return -1;
    for (size_t i = 0; i < n && s->broken.kind == PH_OK; i++) {
        ph_err_clear(&results[i]);
        create_one(s, names[i], special ? special[i] : 0, &results[i]);
    }
    return ph_memory_end(s, err);
}

int ph_memory_subscribe(struct ph_session *base, const char *const *names, size_t n, bool on, struct ph_err *results,
                        struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_SUBSCRIBE, n ? names[0] : NULL, err))
        return -1;
    for (size_t i = 0; i < n && s->broken.kind == PH_OK; i++) {
        ph_err_clear(&results[i]);
        if (ph_memory_meet_any(s, "subscribe", names[i], &results[i]))
            continue;
        struct memory_folder *f = ph_memory_find(s->st, names[i]);
        if (!f) {
            ph_memory_no_folder(names[i], &results[i]);
            continue;
        }
        if (f->subscribed != on)
            ph_memory_changed(s->st, f->name, PH_WATCH_SUBSCRIPTIONS);
        f->subscribed = on;
        if (!on && !memory_there(f))
            ph_memory_drop(s->st, f);
    }
    return ph_memory_end(s, err);
}

int ph_memory_delete(struct ph_session *base, const char *name, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = 0;

    if (ph_memory_begin(s, MOP_REMOVE, name, err))
        return -1;
    if (ph_memory_meet_any(s, "remove", name, err)) {
        r = -1;
    } else {
        struct memory_folder *f = ph_memory_find(s->st, name);
        if (!memory_there(f))
            r = ph_memory_no_folder(name, err);
        else if (!ph_memory_may(s->st, f, "x"))
            r = ph_memory_denied(name, err);
        else if (strcmp(f->name, "INBOX") == 0)
            r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "INBOX cannot be removed");
        else
            ph_memory_drop(s->st, f);
    }
    ph_memory_unlock(s->st);
    return r;
}

static int by_name(const void *a, const void *b)
{
    const struct memory_folder *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Subscriptions are to names, and stay with the old one (RFC 9051 6.3.6). Takes the name over. */
static int keep_subscription(struct memory_store *st, char *name)
{
    struct memory_folder *mere = calloc(1, sizeof *mere);

    if (!mere || ph_memory_find(st, name)) {
        free(mere);
        free(name);
        return mere ? 0 : -1;
    }
    mere->name = name;
    mere->subscribed = true;
    mere->attrs = PH_MA_NONEXISTENT;
    return ph_memory_insert(st, mere);
}

/* The folder and those below it; what was only subscribed to keeps its name. */
static int rename_tree(struct memory_store *st, const char *from, const char *to)
{
    size_t n = strlen(from), m = strlen(to), kept = 0;
    char **old = calloc(st->n_folders, sizeof *old);
    int r = old ? 0 : -1;

    for (struct memory_folder *f = st->folders; f && r == 0; f = f->next) {
        if (strncmp(f->name, from, n) != 0 || (f->name[n] != '\0' && f->name[n] != st->opt.delim) || !memory_there(f))
            continue;
        char *name = malloc(m + strlen(f->name + n) + 1);
        if (name) {
            memcpy(name, to, m);
            memcpy(name + m, f->name + n, strlen(f->name + n) + 1);
            ph_memory_changed(st, f->name, PH_WATCH_FOLDERS);
            if (f->subscribed)
                old[kept++] = f->name;
            else
                free(f->name);
            f->subscribed = false;
            f->name = name;
            ph_memory_changed(st, f->name, PH_WATCH_FOLDERS);
        } else {
            r = -1;
        }
    }
    qsort(st->index, st->n_folders, sizeof(struct memory_folder *), by_name);
    for (size_t i = 1; i < st->n_folders; i++) /* somebody has been subscribed to a new name already */
        if (strcmp(st->index[i - 1]->name, st->index[i]->name) == 0) {
            struct memory_folder *mere = st->index[memory_there(st->index[i]) ? i - 1 : i];
            st->index[i] = st->index[mere == st->index[i] ? i - 1 : i];
            st->index[i]->subscribed = true;
            free(mere->name);
            free(mere);
            memmove(st->index + i - 1, st->index + i, (st->n_folders-- - i) * sizeof(struct memory_folder *));
            i--;
        }
    ph_memory_link(st);
    for (size_t i = 0; i < kept; i++)
        if (keep_subscription(st, old[i]))
            r = -1;
    free(old);
    return r;
}

int ph_memory_rename(struct ph_session *base, const char *from, const char *to, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r;

    if (ph_memory_begin(s, MOP_RENAME, from, err))
        return -1;
    if (ph_memory_meet_any(s, "rename", from, err))
        r = -1;
    else if (!memory_there(ph_memory_find(s->st, from)))
        r = ph_memory_no_folder(from, err);
    else if (!ph_memory_may(s->st, ph_memory_find(s->st, from), "x"))
        r = ph_memory_denied(from, err);
    else if (memory_there(ph_memory_find(s->st, to)))
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_EXISTS, "%s exists", to);
    else if (!ph_memory_name_ok(s->st, to) || ph_str_caseis(ph_str(from), "INBOX"))
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "%s cannot become %s", from, to);
    else
        r = rename_tree(s->st, from, to) ? ph_fail_memory(err) : 0;
    ph_memory_unlock(s->st);
    return r;
}
