/* memory_notes.c: annotations of folders and of the server in the memory store (RFC 5464). */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

void ph_memory_notes_free(struct memory_notes *n)
{
    for (size_t i = 0; i < n->n; i++) {
        free(n->v[i].entry);
        free(n->v[i].value);
    }
    free(n->v);
    *n = (struct memory_notes){ 0 };
}

/* The annotations of a folder, "" the server. */
static struct memory_notes *open_notes(struct memory_session *s, const char *folder, const char *any_of,
                                       struct ph_err *err)
{
    if (ph_memory_meet_any(s, "metadata", folder, err))
        return NULL;
    if (!*folder)
        return &s->st->notes;
    struct memory_folder *f = ph_memory_find(s->st, folder);
    if (!memory_there(f)) {
        ph_memory_no_folder(folder, err);
        return NULL;
    }
    if (!ph_memory_may(s->st, f, any_of)) {
        ph_memory_denied(folder, err);
        return NULL;
    }
    return &f->notes;
}

/* Is the entry the one asked for, or so many levels below it? */
static bool asked_for(const char *entry, const char *const *asked, size_t n, unsigned depth)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(asked[i]);
        if (strncasecmp(entry, asked[i], len) != 0)
            continue;
        const char *rest = entry + len;
        if (!*rest)
            return true;
        if (*rest != '/' || depth == 0)
            continue;
        if (depth > 1 || !strchr(rest + 1, '/'))
            return true;
    }
    return false;
}

int ph_memory_get_metadata(struct ph_session *base, const char *folder, const char *const *entries, size_t n_entries,
                           unsigned depth, struct ph_arena *arena, struct ph_annotation **out, size_t *n,
                           struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    *n = 0;
    if (ph_memory_begin(s, MOP_METADATA, folder, err))
        return -1;
    const struct memory_notes *notes = open_notes(s, folder, "r", err);
    if (notes) {
        r = 0;
        *out = ph_arena_alloc(arena, (notes->n + 1) * sizeof **out);
        for (size_t i = 0; *out && i < notes->n && r == 0; i++) {
            const struct memory_note *note = &notes->v[i];
            if (!asked_for(note->entry, entries, n_entries, depth))
                continue;
            struct ph_annotation *a = &(*out)[(*n)++];
            a->entry = ph_arena_strdup(arena, ph_str(note->entry));
            a->value = (struct ph_str){ ph_arena_dup(arena, note->value, note->n), note->n };
            r = a->entry && a->value.p ? 0 : -1;
        }
        if (!*out || r)
            r = ph_fail_memory(err);
    }
    ph_memory_unlock(s->st);
    return r;
}

static size_t place_of(const struct memory_notes *notes, const char *entry, bool *there)
{
    size_t i = 0;

    while (i < notes->n && strcasecmp(notes->v[i].entry, entry) < 0)
        i++;
    *there = i < notes->n && strcasecmp(notes->v[i].entry, entry) == 0;
    return i;
}

static int put_note(struct memory_notes *notes, const struct ph_annotation *a)
{
    bool there;
    size_t i = place_of(notes, a->entry, &there);
    char *value = ph_str_dup(a->value);

    if (there && !a->value.p) {
        free(notes->v[i].entry);
        free(notes->v[i].value);
        memmove(notes->v + i, notes->v + i + 1, (--notes->n - i) * sizeof *notes->v);
        return 0;
    }
    if (!a->value.p)
        return 0;
    if (!value)
        return -1;
    if (!there) {
        struct memory_note *grown = realloc(notes->v, (notes->n + 1) * sizeof *grown);
        if (grown)
            notes->v = grown;
        char *entry = grown ? strdup(a->entry) : NULL;
        if (!entry) {
            free(value);
            return -1;
        }
        memmove(notes->v + i + 1, notes->v + i, (notes->n++ - i) * sizeof *notes->v);
        notes->v[i] = (struct memory_note){ .entry = entry };
    }
    free(notes->v[i].value);
    notes->v[i].value = value;
    notes->v[i].n = a->value.n;
    return 0;
}

static int check_notes(const struct memory_store *st, const struct memory_notes *notes, const struct ph_annotation *a,
                       size_t n, struct ph_err *err)
{
    size_t count = notes->n;
    bool there;

    for (size_t i = 0; i < n; i++) {
        if (st->opt.no_private_metadata && strncasecmp(a[i].entry, "/private/", 9) == 0)
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "there are no private annotations here");
        if (a[i].value.p && a[i].value.n > st->opt.metadata_size)
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_TOOBIG, "the value of %s is too large", a[i].entry);
        place_of(notes, a[i].entry, &there);
        count += a[i].value.p && !there;
        count -= !a[i].value.p && there;
    }
    if (count > st->opt.metadata_entries && count > notes->n)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "too many annotations");
    return 0;
}

int ph_memory_set_metadata(struct ph_session *base, const char *folder, const struct ph_annotation *a, size_t n,
                           struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    if (ph_memory_begin(s, MOP_METADATA, folder, err))
        return -1;
    struct memory_notes *notes = open_notes(s, folder, "w", err);
    if (notes && check_notes(s->st, notes, a, n, err) == 0) {
        r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
            r = put_note(notes, &a[i]) ? ph_fail_memory(err) : 0;
        ph_memory_changed(s->st, folder, PH_WATCH_METADATA);
    }
    ph_memory_unlock(s->st);
    return r;
}

uint64_t ph_memory_metadata_limit(struct ph_session *s)
{
    return memory_session(s)->st->opt.metadata_size;
}
