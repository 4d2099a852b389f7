/* memory_folders.c: folders of the memory store: list, status, create, subscribe, remove, rename. */
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
    return f;
}

int ph_memory_end(struct memory_session *s, struct ph_err *err)
{
    pthread_mutex_unlock(&s->st->mu);
    if (s->broken.kind == PH_OK)
        return 0;
    if (err)
        *err = s->broken;
    return -1;
}

static void fill_status(const struct memory_store *st, struct ph_folder *out, const struct memory_folder *f)
{
    uint64_t size = 0;

    for (size_t i = 0; i < f->n; i++)
        size += f->m[i].bytes->n;
    out->has_status = true;
    out->messages = (uint32_t)f->n;
    out->uidnext = f->uidnext;
    out->uidvalidity = f->uidvalidity;
    out->modseq = memory_abilities(st) & PH_AB_MODSEQ ? f->modseq : 0;
    out->size = memory_abilities(st) & PH_AB_EXACT_SIZE ? size : UINT64_MAX;
    ph_err_clear(&out->status_err);
}

static bool has_children(const struct memory_store *st, const struct memory_folder *f)
{
    size_t n = strlen(f->name);

    for (const struct memory_folder *g = st->folders; g; g = g->next)
        if (strncmp(g->name, f->name, n) == 0 && g->name[n] == st->opt.delim)
            return true;
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
        struct ph_folder *o = &out->f[out->n++];
        o->name = o->wire = ph_arena_strdup(&out->arena, ph_str(f->name));
        if (!o->name)
            return -1;
        o->delim = st->opt.delim;
        o->attrs = f->attrs | (f->subscribed ? PH_MA_SUBSCRIBED : 0) |
                   (has_children(st, f) ? PH_MA_HASCHILDREN : PH_MA_HASNOCHILDREN);
        o->size = UINT64_MAX;
        if (status && !(f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)))
            fill_status(st, o, f);
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
    pthread_mutex_unlock(&s->st->mu);
    if (r)
        ph_folder_list_done(out);
    return r;
}

int ph_memory_status(struct ph_session *base, struct ph_folder *const *f, size_t n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_STATUS, NULL, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        f[i]->has_status = false;
        struct memory_folder *found = ph_memory_open(s, "status", f[i]->name, 0, &f[i]->status_err);
        if (found)
            fill_status(s->st, f[i], found);
        if (s->broken.kind != PH_OK) {
            pthread_mutex_unlock(&s->st->mu);
            if (err)
                *err = s->broken;
            return -1;
        }
    }
    pthread_mutex_unlock(&s->st->mu);
    return 0;
}

static int create_one(struct memory_session *s, const char *name, uint32_t special, struct ph_err *err)
{
    struct memory_store *st = s->st;

    if (ph_memory_meet_any(s, "create", name, err))
        return -1;
    if (!(memory_abilities(st) & PH_AB_WRITE))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "the account is read-only");
    if (ph_memory_find(st, name)) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_EXISTS, "%s exists", name);
        memcpy(err->code, "ALREADYEXISTS", 14);
        return -1;
    }
    if (!ph_memory_name_ok(st, name))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "not a name for a folder: %s", name);
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
        if (f)
            f->subscribed = on;
        else
            ph_memory_no_folder(names[i], &results[i]);
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
        if (!f)
            r = ph_memory_no_folder(name, err);
        else if (strcmp(f->name, "INBOX") == 0)
            r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "INBOX cannot be removed");
        else
            ph_memory_drop(s->st, f);
    }
    pthread_mutex_unlock(&s->st->mu);
    return r;
}

/* The folder and those below it. */
static int rename_tree(struct memory_store *st, const char *from, const char *to)
{
    size_t n = strlen(from), m = strlen(to);
    struct memory_folder *all = st->folders, *sorted = NULL, **at;
    int r = 0;

    while (all) {
        struct memory_folder *f = all;
        all = f->next;
        if (strncmp(f->name, from, n) == 0 && (f->name[n] == '\0' || f->name[n] == st->opt.delim)) {
            char *name = malloc(m + strlen(f->name + n) + 1);
            if (name) {
                memcpy(name, to, m);
                memcpy(name + m, f->name + n, strlen(f->name + n) + 1);
                free(f->name);
                f->name = name;
            } else {
                r = -1;
            }
        }
        for (at = &sorted; *at && strcmp((*at)->name, f->name) < 0; at = &(*at)->next)
            ;
        f->next = *at;
        *at = f;
    }
    st->folders = sorted;
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
    else if (!ph_memory_find(s->st, from))
        r = ph_memory_no_folder(from, err);
    else if (ph_memory_find(s->st, to))
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_EXISTS, "%s exists", to);
    else if (!ph_memory_name_ok(s->st, to) || ph_str_caseis(ph_str(from), "INBOX"))
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_REFUSED, "%s cannot become %s", from, to);
    else
        r = rename_tree(s->st, from, to) ? ph_fail_memory(err) : 0;
    pthread_mutex_unlock(&s->st->mu);
    return r;
}
