/* memory_serve.c: what a server asks of the memory store about messages: reading at any place, what it keeps with them,
 * copying and moving, expunging, replacing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

/* ---- reading ---- */

static struct memory_message *find_message(struct memory_folder *f, uint32_t uid, struct ph_err *err)
{
    struct memory_message *m = ph_memory_by_uid(f, uid);

    if (!m)
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "the message is not there any more");
    return m;
}

static int body_open(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid,
                     struct ph_body *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    memset(out, 0, sizeof *out);
    if (ph_memory_begin(s, MOP_BODY, folder, err))
        return -1;
    ph_memory_unref(s->st, s->open_bytes);
    s->open_bytes = NULL;
    struct memory_folder *f = ph_memory_open(s, "body", folder, uidvalidity, err);
    struct memory_message *m = f ? find_message(f, uid, err) : NULL;
    if (m) {
        const struct ph_memory_fault *fault =
            ph_memory_meet(s->st, PH_MF_BODY_MISSING, "body", f->name, uid, m->bytes->p, m->bytes->n);
        if (fault) {
            ph_memory_fault_err(fault, PH_SCOPE_MESSAGE, PH_E_CORRUPT, "the message cannot be read", err);
        } else {
            s->open_bytes = m->bytes;
            m->bytes->refs++;
            out->uid = uid;
            out->folder = folder;
            out->size = m->bytes->n;
            r = 0;
        }
    }
    ph_memory_unlock(s->st);
    return r;
}

static int body_at(struct ph_session *base, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    const struct memory_bytes *b = s->open_bytes;

    *p = "";
    *n = 0;
    if (!b)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no message is open");
    if (offset >= b->n)
        return 0;
    *n = b->n - (size_t)offset;
    *n = *n < want ? *n : want;
    *n = *n < s->st->opt.piece ? *n : s->st->opt.piece;
    *p = b->p + offset;
    return 0;
}

static int cache_get(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid,
                     struct ph_buf *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    ph_buf_clear(out);
    if (ph_memory_begin(s, MOP_INFO, folder, err))
        return -1;
    struct memory_folder *f = ph_memory_open(s, "info", folder, uidvalidity, err);
    struct memory_message *m = f ? find_message(f, uid, err) : NULL;
    if (m) {
        r = m->bytes->cache ? 1 : 0;
        if (r && ph_buf_add(out, m->bytes->cache, m->bytes->n_cache))
            r = ph_fail_memory(err);
    }
    ph_memory_unlock(s->st);
    return r;
}

static int cache_put(struct ph_session *base, const char *folder, uint32_t uidvalidity, uint32_t uid,
                     struct ph_str blob, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    if (ph_memory_begin(s, MOP_INFO, folder, err))
        return -1;
    struct memory_folder *f = ph_memory_open(s, "info", folder, uidvalidity, err);
    struct memory_message *m = f ? find_message(f, uid, err) : NULL;
    if (m) {
        char *copy = ph_str_dup(blob.p ? blob : PH_STR(""));
        if (copy) {
            free(m->bytes->cache);
            m->bytes->cache = copy;
            m->bytes->n_cache = blob.n;
        }
        r = copy ? 0 : ph_fail_memory(err);
    }
    ph_memory_unlock(s->st);
    return r;
}

/* ---- identities ---- */

struct info_row {
    uint32_t uid;
    uint64_t id;
    int64_t saved;
};

static int collect_info(struct memory_folder *f, const struct ph_numset *uids, struct info_row **out, size_t *n)
{
    *n = 0;
    *out = malloc((f->n ? f->n : 1) * sizeof **out);
    if (!*out)
        return -1;
    for (size_t i = 0; i < f->n; i++)
        if (!uids || ph_numset_contains(uids, f->m[i].uid))
            (*out)[(*n)++] = (struct info_row){ f->m[i].uid, f->m[i].bytes->id, f->m[i].saved };
    return 0;
}

static int info(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                int (*each)(void *ctx, const struct ph_message_info *i, struct ph_err *err), void *ctx,
                struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int without = s->st->opt.serves_not;
    struct info_row *row = NULL;
    size_t n = 0;
    int r = -1;

    if (ph_memory_begin(s, MOP_INFO, folder, err))
        return -1;
    struct memory_folder *f = ph_memory_open(s, "info", folder, uidvalidity, err);
    if (f)
        r = collect_info(f, uids, &row, &n) ? ph_fail_memory(err) : 0;
    ph_memory_unlock(s->st);
    for (size_t i = 0; i < n && r == 0; i++) {
        char email[32], thread[32] = "";
        snprintf(email, sizeof email, "M%llu", (unsigned long long)row[i].id);
        if (!(without & PH_MS_THREADID))
            snprintf(thread, sizeof thread, "T%llu", (unsigned long long)row[i].id);
        struct ph_message_info in = { .uid = row[i].uid, .emailid = email, .threadid = thread,
                                      .has_saved = !(without & PH_MS_SAVEDATE), .saved = row[i].saved };
        r = each(ctx, &in, err);
    }
    free(row);
    return r;
}

/* ---- changing ---- */

static int expunge_deleted(struct ph_session *base, const char *folder, uint32_t uidvalidity,
                           const struct ph_numset *uids, struct ph_numset *gone, uint64_t *modseq, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    *modseq = 0;
    if (ph_memory_begin(s, MOP_EXPUNGE, folder, err))
        return -1;
    struct memory_folder *f = ph_memory_open(s, "expunge", folder, uidvalidity, err);
    if (f) {
        r = 0;
        for (size_t i = f->n; i-- > 0 && r == 0;) {
            uint32_t uid = f->m[i].uid;
            if (!(f->m[i].flags & PH_F_DELETED) || (uids && !ph_numset_contains(uids, uid)))
                continue;
            r = ph_numset_push(gone, uid, uid) ? ph_fail_memory(err) : 0;
            if (r == 0)
                ph_memory_expunge(s->st, f, i);
        }
        ph_numset_sort(gone);
        *modseq = memory_abilities(s->st) & PH_AB_MODSEQ ? f->modseq : 0;
    }
    ph_memory_unlock(s->st);
    return r;
}

static int copy_into(struct memory_store *st, struct memory_folder *from, struct memory_folder *to,
                     const struct ph_numset *uids, bool move, struct ph_copy_result *out, struct ph_err *err)
{
    size_t n = from->n, k = 0; /* from and to may be one folder */
    uint64_t octets = 0, count = 0;

    for (size_t i = 0; i < n; i++)
        if (ph_numset_contains(uids, from->m[i].uid)) {
            octets += from->m[i].bytes->n;
            count++;
        }
    if (!move && ph_memory_room(st, count, octets, err))
        return -1;
    out->from = calloc(count + 1, sizeof *out->from);
    out->to = calloc(count + 1, sizeof *out->to);
    if (!out->from || !out->to)
        return ph_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (!ph_numset_contains(uids, from->m[i].uid))
            continue;
        struct memory_message m = from->m[i];
        m.bytes->refs++;
        out->from[out->n] = m.uid;
        out->to[out->n] = ph_memory_put(st, to, &m);
        if (!out->to[out->n])
            return ph_fail_memory(err);
        out->n++;
    }
    for (size_t i = 0; move && i < out->n; i++) {
        while (from->m[k].uid != out->from[i])
            k++;
        ph_memory_expunge(st, from, k);
    }
    out->uidvalidity = to->uidvalidity;
    out->modseq = move && memory_abilities(st) & PH_AB_MODSEQ ? from->modseq : 0;
    return 0;
}

static int copy(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                const char *to, bool move, struct ph_copy_result *out, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    *out = (struct ph_copy_result){ 0 };
    if (ph_memory_begin(s, MOP_COPY, folder, err))
        return -1;
    struct memory_folder *f = ph_memory_open(s, "copy", folder, uidvalidity, err);
    struct memory_folder *t = f ? ph_memory_find(s->st, to) : NULL;
    if (f && (!memory_there(t) || t->attrs & PH_MA_NOSELECT))
        r = ph_memory_no_folder(to, err);
    else if (f && !(memory_abilities(s->st) & PH_AB_WRITE))
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "the account is read-only");
    else if (f && !ph_memory_may(s->st, t, "i"))
        r = ph_memory_denied(to, err);
    else if (f && move && !ph_memory_may(s->st, f, "e"))
        r = ph_memory_denied(folder, err);
    else if (f)
        r = copy_into(s->st, f, t, uids, move, out, err);
    ph_memory_unlock(s->st);
    if (r)
        ph_copy_result_done(out);
    return r;
}

static int append_replaces(struct ph_append *a, const char *folder, uint32_t uidvalidity, uint32_t uid,
                           struct ph_err *err)
{
    char *name = strdup(folder);

    if (!name)
        return ph_fail_memory(err);
    free(a->replaces);
    a->replaces = name;
    a->replaces_validity = uidvalidity;
    a->replaces_uid = uid;
    return 0;
}

/* ---- what there is ---- */

static uint32_t abilities(struct ph_session *base)
{
    int without = memory_session(base)->st->opt.serves_not;
    uint32_t all = PH_SV_QUOTA_STORAGE | PH_SV_QUOTA_MESSAGE | PH_SV_QUOTA_MAILBOX;
    static const struct {
        int without;
        uint32_t what;
    } bits[] = { { PH_MS_MOVE | PH_MS_COPY, PH_SV_MOVE }, { PH_MS_ANY_SIZE, PH_SV_ANY_SIZE },
                 { PH_MS_SAVEDATE | PH_MS_INFO, PH_SV_SAVEDATE }, { PH_MS_THREADID | PH_MS_INFO, PH_SV_THREADID },
                 { PH_MS_RECENT, PH_SV_MARKED_RECENT } };

    if (without & PH_MS_QUOTA)
        all = 0;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (!(without & bits[i].without))
            all |= bits[i].what;
    return all;
}

void ph_memory_serve(struct memory_store *st)
{
    int without = st->opt.serves_not;

    if (without == PH_MS_ALL)
        return;
    struct ph_serve_ops *o = &st->serve;
    o->abilities = abilities;
    if (!(without & PH_MS_BODY)) {
        o->body_open = body_open;
        o->body_at = body_at;
    }
    if (!(without & PH_MS_CACHE)) {
        o->cache_get = cache_get;
        o->cache_put = cache_put;
    }
    if (!(without & PH_MS_INFO))
        o->info = info;
    if (!(without & PH_MS_EXPUNGE))
        o->expunge_deleted = expunge_deleted;
    if (!(without & PH_MS_COPY))
        o->copy = copy;
    if (!(without & PH_MS_REPLACE))
        o->append_replaces = append_replaces;
    if (!(without & PH_MS_WATCH))
        o->watch = ph_memory_watch;
    ph_memory_account_ops(st, o);
    st->session_ops.serve = o;
}
