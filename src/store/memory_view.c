/* memory_view.c: the tests' own way into the memory store, past its sessions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "store/memory_private.h"

int ph_memory_folder(struct ph_store *base, const char *name, uint32_t attrs)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    int r = memory_there(ph_memory_find(st, name)) || !ph_memory_make(st, name, attrs) ? -1 : 0;
    ph_memory_unlock(st);
    return r;
}

uint32_t ph_memory_deliver(struct ph_store *base, const char *folder, const struct ph_memory_message *m)
{
    struct memory_store *st = memory_store(base);
    uint32_t uid = 0;

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    struct memory_message in = { .flags = m->flags, .epoch = m->epoch, .zone_min = m->zone_min, .has_date = true,
                                 .keywords = ph_memory_words(st, m->keywords, NULL, NULL) };
    if (f && in.keywords && (in.bytes = ph_memory_bytes(st, m->p, m->n)))
        uid = ph_memory_put(st, f, &in);
    ph_memory_unlock(st);
    return uid;
}

/* The message, with mu held, which the caller gives back; NULL (and mu free) when it is not there. */
static struct memory_message *hold(struct memory_store *st, const char *folder, uint32_t uid,
                                   struct memory_folder **f)
{
    pthread_mutex_lock(&st->mu);
    *f = ph_memory_find(st, folder);
    struct memory_message *m = *f ? ph_memory_by_uid(*f, uid) : NULL;
    if (!m)
        ph_memory_unlock(st);
    return m;
}

int ph_memory_remove(struct ph_store *base, const char *folder, uint32_t uid)
{
    struct memory_store *st = memory_store(base);
    struct memory_folder *f;
    struct memory_message *m = hold(st, folder, uid, &f);

    if (!m)
        return -1;
    ph_memory_expunge(st, f, (size_t)(m - f->m));
    ph_memory_unlock(st);
    return 0;
}

int ph_memory_set_flags(struct ph_store *base, const char *folder, uint32_t uid, uint32_t flags, const char *keywords)
{
    struct memory_store *st = memory_store(base);
    struct memory_folder *f;
    struct memory_message *m = hold(st, folder, uid, &f);

    if (!m)
        return -1;
    const char *words = ph_memory_words(st, keywords, NULL, NULL);
    if (words) {
        m->flags = flags;
        m->keywords = words;
        m->modseq = ++f->modseq;
        ph_memory_changed(st, f->name, PH_WATCH_MESSAGES);
    }
    ph_memory_unlock(st);
    return words ? 0 : -1;
}

int ph_memory_remove_folder(struct ph_store *base, const char *folder)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    if (f)
        ph_memory_drop(st, f);
    ph_memory_unlock(st);
    return f ? 0 : -1;
}

int ph_memory_set_uidvalidity(struct ph_store *base, const char *folder, uint32_t uidvalidity)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    if (f)
        f->uidvalidity = uidvalidity;
    if (f)
        ph_memory_changed(st, f->name, PH_WATCH_FOLDERS | PH_WATCH_MESSAGES);
    ph_memory_unlock(st);
    return f ? 0 : -1;
}

int ph_memory_set_acl(struct ph_store *base, const char *folder, const char *identifier, const char *rights)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    int r = f ? ph_memory_acl_change(st, f, identifier, 0, rights) : -1;
    ph_memory_unlock(st);
    return r;
}

int ph_memory_set_uidnext(struct ph_store *base, const char *folder, uint32_t uidnext)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    bool ok = f && uidnext >= f->uidnext;
    if (ok)
        f->uidnext = uidnext;
    ph_memory_unlock(st);
    return ok ? 0 : -1;
}

size_t ph_memory_count(struct ph_store *base, const char *folder)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    size_t n = f ? f->n : SIZE_MAX;
    ph_memory_unlock(st);
    return n;
}

bool ph_memory_view(struct ph_store *base, const char *folder, size_t i, struct ph_memory_view *out)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    struct memory_folder *f = ph_memory_find(st, folder);
    bool there = f && i < f->n;
    if (there) {
        const struct memory_message *m = &f->m[i];
        *out = (struct ph_memory_view){ .uid = m->uid, .flags = m->flags, .keywords = m->keywords, .epoch = m->epoch,
                                        .has_date = m->has_date, .zone_min = m->zone_min, .modseq = m->modseq,
                                        .p = m->bytes->p, .n = m->bytes->n };
    }
    ph_memory_unlock(st);
    return there;
}

uint64_t ph_memory_ops(struct ph_store *base, const char *op)
{
    struct memory_store *st = memory_store(base);
    uint64_t n = 0;

    pthread_mutex_lock(&st->mu);
    for (int i = 0; i < MOPS; i++)
        if (strcmp(ph_memory_op_names[i], op) == 0)
            n = st->ops[i];
    ph_memory_unlock(st);
    return n;
}

/* ---- drawing ---- */

static void draw_message(const struct memory_folder *f, const struct memory_message *m, bool without_uid,
                         struct ph_buf *out)
{
    static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
    unsigned char md[SHA256_DIGEST_LENGTH];
    char text[128];

    ph_buf_add_z(out, f->name);
    if (!without_uid) {
        ph_buf_add_char(out, ' ');
        ph_buf_add_u64(out, m->uid);
    }
    for (int i = 0; i < 5; i++)
        if (m->flags & 1u << i) {
            ph_buf_add_char(out, ' ');
            ph_buf_add_z(out, names[i]);
        }
    if (*m->keywords) {
        ph_buf_add_char(out, ' ');
        ph_buf_add_z(out, m->keywords);
    }
    SHA256((const unsigned char *)m->bytes->p, m->bytes->n, md);
    snprintf(text, sizeof text, " %lld%+05d %zu %02x%02x%02x%02x\n", (long long)m->epoch, m->zone_min, m->bytes->n,
             md[0], md[1], md[2], md[3]);
    ph_buf_add_z(out, text);
}

static int compare_lines(const void *a, const void *b)
{
    const struct ph_str *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int d = memcmp(x->p, y->p, n);

    return d ? d : x->n < y->n ? -1 : x->n > y->n;
}

static int sort_lines(struct ph_buf *b)
{
    size_t n = 0, len = ph_buf_len(b), k = 0;
    char *copy = malloc(len + 1);

    if (!copy)
        return -1;
    memcpy(copy, len ? ph_buf_data(b) : "", len);
    for (size_t i = 0; i < len; i++)
        n += copy[i] == '\n';
    struct ph_str *line = malloc((n + 1) * sizeof *line);
    if (!line) {
        free(copy);
        return -1;
    }
    for (char *p = copy; k < n; k++) {
        line[k] = (struct ph_str){ p, (size_t)((char *)memchr(p, '\n', len - (size_t)(p - copy)) - p) + 1 };
        p += line[k].n;
    }
    qsort(line, n, sizeof *line, compare_lines);
    ph_buf_clear(b);
    for (k = 0; k < n; k++)
        ph_buf_add_str(b, line[k]);
    free(line);
    free(copy);
    return b->failed ? -1 : 0;
}

int ph_memory_draw(struct ph_store *base, bool without_uids, struct ph_buf *out)
{
    struct memory_store *st = memory_store(base);

    ph_buf_clear(out);
    pthread_mutex_lock(&st->mu);
    for (struct memory_folder *f = st->folders; f; f = f->next) {
        if (f->n == 0) {
            ph_buf_add_z(out, f->name);
            ph_buf_add_z(out, " is empty\n");
        }
        for (size_t i = 0; i < f->n; i++)
            draw_message(f, &f->m[i], without_uids, out);
    }
    ph_memory_unlock(st);
    if (out->failed)
        return -1;
    return without_uids ? sort_lines(out) : 0;
}
