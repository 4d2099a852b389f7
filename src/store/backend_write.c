/* backend_write.c: appends, flags, copies and removals of a store over a struct ph_backend.
 *
 * A batch of appends is as many commits as it has messages: the abilities do not say PH_AB_BATCH.
 */
#include <stdlib.h>
#include <string.h>

#include "store/backend_private.h"

/* ---- appends ---- */

struct ph_append {
    struct ph_append *next;
    struct backend_session *s;
    char *folder;
    void *handle;             /* of the message in hand */
    uint64_t left;            /* of its octets */
    uint32_t uidvalidity;
    uint32_t *uids;
    size_t n_uids, cap, n_messages;
    struct ph_err err;        /* why the batch failed; kind PH_OK: it did not */
};

int backend_append_open(struct ph_session *base, const char *folder, size_t n_messages, struct ph_append **out,
                        struct ph_err *err)
{
    struct backend_session *s = backend_session(base);
    struct ph_backend_state state = { 0 };
    struct ph_append *a = calloc(1, sizeof *a);

    *out = NULL;
    if (!a || !(a->folder = ph_str_dup(ph_str(folder)))) {
        free(a);
        return ph_fail_memory(err);
    }
    a->s = s;
    backend_lock(s->st);
    int rc = s->st->b.open(s->st->ctx, folder, &state, err);
    backend_unlock(s->st);
    if (rc) {
        backend_append_free(a);
        return -1;
    }
    a->uidvalidity = state.uidvalidity;
    *out = a;
    return 0;
}

static int failed(struct ph_append *a, struct ph_err *err)
{
    a->err.scope = PH_SCOPE_MESSAGE;
    if (a->err.kind == PH_OK)
        a->err.kind = PH_E_SYSTEM;
    if (err)
        *err = a->err;
    return -1;
}

/* The message in hand is whole: it goes in. */
static int commit(struct ph_append *a)
{
    struct backend_store *st = a->s->st;
    uint32_t uid = 0;

    if (!a->handle)
        return 0;
    if (a->left) {
        backend_lock(st);
        st->b.append_abort(a->handle);
        backend_unlock(st);
        a->handle = NULL;
        return ph_fail(&a->err, PH_SCOPE_MESSAGE, PH_E_USAGE, "the message is shorter than it was said to be");
    }
    if (a->n_uids == a->cap) {
        size_t cap = a->cap ? 2 * a->cap : 8;
        uint32_t *grown = realloc(a->uids, cap * sizeof *grown);
        if (!grown)
            return ph_fail_memory(&a->err);
        a->uids = grown;
        a->cap = cap;
    }
    backend_lock(st);
    int rc = st->b.append_commit(a->handle, &uid, &a->err);
    backend_unlock(st);
    a->handle = NULL;
    if (rc == 0)
        a->uids[a->n_uids++] = uid;
    return rc;
}

int backend_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err)
{
    struct backend_store *st = a->s->st;
    struct ph_backend_message bm = { .flags = m->flags, .keywords = m->keywords, .size = m->size,
                                     .date = m->epoch, .zone = m->zone_min };

    if (a->err.kind != PH_OK || commit(a))
        return failed(a, err);
    a->n_messages++;
    a->left = m->size;
    backend_lock(st);
    int rc = st->b.append_begin(st->ctx, a->folder, &bm, &a->handle, &a->err);
    backend_unlock(st);
    if (rc)
        a->handle = NULL;
    return rc ? failed(a, err) : 0;
}

int backend_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err)
{
    struct backend_store *st = a->s->st;

    if (a->err.kind != PH_OK || !a->handle)
        return failed(a, err);
    if (n > a->left) {
        ph_fail(&a->err, PH_SCOPE_MESSAGE, PH_E_USAGE, "the message is longer than it was said to be");
        return failed(a, err);
    }
    backend_lock(st);
    int rc = st->b.append_write(a->handle, p, n, &a->err);
    backend_unlock(st);
    a->left -= n;
    return rc ? failed(a, err) : 0;
}

int backend_append_finish(struct ph_append *a, struct ph_err *err)
{
    struct ph_append **end = &a->s->finished;

    if (a->err.kind == PH_OK)
        commit(a);
    while (*end)
        end = &(*end)->next;
    *end = a;
    if (a->n_uids)
        backend_tell(a->s->st, a->folder, PH_WATCH_MESSAGES);
    return 0;
}

bool backend_append_poll(struct ph_session *base)
{
    return backend_session(base)->finished != NULL;
}

int backend_append_wait(struct ph_session *base, struct ph_append **done, struct ph_append_result *res,
                        struct ph_err *err)
{
    struct backend_session *s = backend_session(base);
    struct ph_append *a = s->finished;

    if (!a)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no append was finished");
    s->finished = a->next;
    a->next = NULL;
    *done = a;
    *res = (struct ph_append_result){ .ok = a->err.kind == PH_OK, .err = a->err, .uidvalidity = a->uidvalidity,
                                      .uids = a->uids, .n_uids = a->n_uids,
                                      .failed_index = a->err.kind == PH_OK ? SIZE_MAX : a->n_uids };
    return 0;
}

void backend_append_free(struct ph_append *a)
{
    if (!a)
        return;
    if (a->handle) {
        backend_lock(a->s->st);
        a->s->st->b.append_abort(a->handle);
        backend_unlock(a->s->st);
    }
    free(a->uids);
    free(a->folder);
    free(a);
}

void backend_drop_appends(struct backend_session *s)
{
    while (s->finished) {
        struct ph_append *a = s->finished;
        s->finished = a->next;
        backend_append_free(a);
    }
}

/* ---- flags ---- */

/* Words of `from` that are (or are not) in `in`, added to out. */
static void add_words(struct ph_buf *out, const char *from, const char *unless_in)
{
    while (*from) {
        struct ph_str word = { from, strcspn(from, " ") };
        if (word.n && !ph_words_have(unless_in, word)) {
            if (ph_buf_len(out))
                ph_buf_add_char(out, ' ');
            ph_buf_add_str(out, word);
        }
        from += word.n;
        from += strspn(from, " ");
    }
}

static int change_one(struct backend_store *st, const char *folder, uint32_t uid, struct ph_flag_change *ch)
{
    struct ph_buf had = PH_BUF_INIT, now = PH_BUF_INIT;
    struct ph_backend_message m;
    unsigned flags;
    int rc = backend_row(st, folder, uid, &m, &had, &ch->result);

    if (rc <= 0)
        goto out;
    rc = 0;
    if (ch->unchanged_since && m.modseq > ch->unchanged_since) {
        rc = ch->modified ? ph_numset_add(ch->modified, uid) : 0;
        goto out;
    }
    flags = ch->mode == PH_FLAGS_SET ? ch->flags : ch->mode == PH_FLAGS_ADD ? m.flags | ch->flags : m.flags & ~ch->flags;
    if (ch->mode == PH_FLAGS_SET) {
        add_words(&now, ch->keywords, "");
    } else {
        add_words(&now, ph_buf_z(&had), ch->mode == PH_FLAGS_REMOVE ? ch->keywords : "");
        if (ch->mode == PH_FLAGS_ADD) {
            struct ph_buf more = PH_BUF_INIT;
            add_words(&more, ch->keywords, ph_buf_z(&had));
            add_words(&now, ph_buf_z(&more), "");
            ph_buf_done(&more);
        }
    }
    const char *words = ph_buf_z(&now);
    if (now.failed || had.failed) {
        rc = ph_fail_memory(&ch->result);
        goto out;
    }
    if (flags == m.flags && strcmp(words, ph_buf_z(&had)) == 0)
        goto out;
    backend_lock(st);
    rc = st->b.set_flags(st->ctx, folder, uid, flags, words, &ch->result);
    backend_unlock(st);
out:
    ph_buf_done(&had);
    ph_buf_done(&now);
    return rc;
}

int backend_store_flags(struct ph_session *base, struct ph_flag_batch *batches, size_t n, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;

    for (size_t i = 0; i < n; i++) {
        struct ph_flag_batch *b = &batches[i];
        ph_err_clear(&b->result);
        if (backend_check(st, b->folder, b->uidvalidity, &b->result))
            continue;
        pthread_mutex_lock(&st->change);
        for (size_t k = 0; k < b->n; k++) {
            uint32_t uid = 0;
            ph_err_clear(&b->changes[k].result);
            while ((uid = ph_numset_next(b->changes[k].uids, uid)) != 0)
                if (change_one(st, b->folder, uid, &b->changes[k]))
                    break;
        }
        pthread_mutex_unlock(&st->change);
        backend_tell(st, b->folder, PH_WATCH_MESSAGES);
    }
    return 0;
}

/* ---- removing, copying ---- */

int backend_expunge(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                    bool expunge_all, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;
    uint64_t count = ph_numset_count(uids);
    uint32_t *list, uid = 0;
    size_t n = 0;

    if (backend_check(st, folder, uidvalidity, err))
        return -1;
    list = malloc((count ? count : 1) * sizeof *list);
    if (!list)
        return ph_fail_memory(err);
    while ((uid = ph_numset_next(uids, uid)) != 0)
        list[n++] = uid;
    backend_lock(st);
    int rc = n ? st->b.expunge(st->ctx, folder, list, n, err) : 0;
    backend_unlock(st);
    free(list);
    backend_tell(st, folder, PH_WATCH_MESSAGES);
    return rc;
}

static int copy_octets(struct backend_store *st, const char *folder, uint32_t uid, uint64_t size, void *handle,
                       struct ph_err *err)
{
    char *piece = malloc(BACKEND_PIECE);
    uint64_t at = 0;
    int rc = piece ? 0 : ph_fail_memory(err);

    while (rc == 0 && at < size) {
        size_t got = 0, want = size - at < BACKEND_PIECE ? (size_t)(size - at) : BACKEND_PIECE;
        rc = st->b.fetch(st->ctx, folder, uid, at, piece, want, &got, err);
        if (rc == 0 && (got == 0 || got > want))
            rc = ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CORRUPT, "%s: message %u is cut short", folder, uid);
        if (rc == 0)
            rc = st->b.append_write(handle, piece, got, err);
        at += got;
    }
    free(piece);
    return rc;
}

/* 1: copied; 0: it is gone; -1. */
static int copy_one(struct backend_store *st, const char *folder, uint32_t uid, const char *to, uint32_t *new_uid,
                    struct ph_err *err)
{
    struct ph_buf keywords = PH_BUF_INIT;
    struct ph_backend_message m;
    void *handle = NULL;
    int rc = backend_row(st, folder, uid, &m, &keywords, err);

    if (rc > 0) {
        m.keywords = ph_buf_z(&keywords);
        backend_lock(st);
        if (st->b.append_begin(st->ctx, to, &m, &handle, err)) {
            rc = -1;
        } else if (copy_octets(st, folder, uid, m.size, handle, err)) {
            st->b.append_abort(handle);
            rc = -1;
        } else if (st->b.append_commit(handle, new_uid, err)) {
            rc = -1;
        }
        backend_unlock(st);
    }
    ph_buf_done(&keywords);
    return rc;
}

int backend_copy(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                 const char *to, bool move, struct ph_copy_result *out, struct ph_err *err)
{
    struct backend_store *st = backend_session(base)->st;
    uint64_t count = ph_numset_count(uids);
    struct ph_backend_state state = { 0 };
    uint32_t uid = 0;
    int rc = 0;

    *out = (struct ph_copy_result){ 0 };
    if (backend_check(st, folder, uidvalidity, err))
        return -1;
    backend_lock(st);
    rc = st->b.open(st->ctx, to, &state, err);
    backend_unlock(st);
    if (rc)
        return -1;
    out->uidvalidity = state.uidvalidity;
    out->from = malloc((count ? count : 1) * sizeof *out->from);
    out->to = malloc((count ? count : 1) * sizeof *out->to);
    if (!out->from || !out->to)
        rc = ph_fail_memory(err);
    while (rc >= 0 && (uid = ph_numset_next(uids, uid)) != 0) {
        rc = copy_one(st, folder, uid, to, &out->to[out->n], err);
        if (rc > 0)
            out->from[out->n++] = uid;
    }
    backend_lock(st);
    if (rc < 0 && out->n && st->b.expunge) { /* all or nothing: RFC 9051 6.4.7 */
        struct ph_err ignored;
        st->b.expunge(st->ctx, to, out->to, out->n, &ignored);
    } else if (rc >= 0 && move && out->n) {
        rc = st->b.expunge(st->ctx, folder, out->from, out->n, err);
    }
    backend_unlock(st);
    backend_tell(st, to, PH_WATCH_MESSAGES);
    if (move)
        backend_tell(st, folder, PH_WATCH_MESSAGES);
    if (rc < 0)
        ph_copy_result_done(out);
    return rc < 0 ? -1 : 0;
}
