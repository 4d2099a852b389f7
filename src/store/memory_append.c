/* memory_append.c: messages on their way into the memory store.
 *
 * As with a server at the other end of a wire, a batch is in as soon as its last octet has come, whoever waits for the
 * answer; append_wait only brings the answer. */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

int ph_memory_append_open(struct ph_session *base, const char *folder, size_t n, struct ph_append **out,
                          struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct ph_append *a;

    *out = NULL;
    if (n == 0 || (n > 1 && !(memory_abilities(s->st) & PH_AB_BATCH)))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "this store takes one message in an append");
    if (s->broken.kind != PH_OK) {
        if (err)
            *err = s->broken;
        return -1;
    }
    a = calloc(1, sizeof *a);
    if (!a || !(a->folder = strdup(folder)) || !(a->m = calloc(n, sizeof *a->m)) ||
        !(a->uids = calloc(n, sizeof *a->uids))) {
        if (a)
            ph_memory_append_free(a);
        return ph_fail_memory(err);
    }
    a->s = s;
    a->n_messages = n;
    a->res.failed_index = SIZE_MAX;
    *s->appends_end = a;
    s->appends_end = &a->next;
    *out = a;
    return 0;
}

/* The server has said no: known to append_wait, and to whoever goes on writing. */
static int refuse(struct ph_append *a, const struct ph_err *why, size_t at, struct ph_err *err)
{
    a->refused = true;
    a->res.err = *why;
    a->res.failed_index = at;
    if (err)
        *err = *why;
    return -1;
}

static int broken(struct ph_append *a, struct ph_err *err)
{
    if (err)
        *err = a->s->broken;
    return -1;
}

static int refused_again(struct ph_append *a, struct ph_err *err)
{
    if (err)
        *err = a->res.err;
    return -1;
}

static int too_big(struct ph_append *a, struct ph_err *err)
{
    struct ph_err why;

    ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "the message is larger than %llu octets",
            (unsigned long long)a->s->st->opt.append_limit);
    memcpy(why.code, "TOOBIG", 7);
    return refuse(a, &why, a->n - 1, err);
}

/* A message whose size was not known has come to its end. */
static int end_of_any(struct ph_append *a, struct ph_err *err)
{
    struct memory_bytes *fitted = realloc(a->m[a->n - 1].bytes, sizeof *fitted + a->filled);
    struct ph_err why;

    if (fitted)
        a->m[a->n - 1].bytes = fitted;
    a->any = false;
    if (a->filled)
        return 0;
    ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_USAGE, "a message without octets cannot be appended");
    return refuse(a, &why, a->n - 1, err);
}

static int grow(struct ph_append *a, size_t more, struct ph_err *err)
{
    struct memory_bytes *b = a->m[a->n - 1].bytes;
    uint64_t limit = a->s->st->opt.append_limit;

    if (limit && a->filled + more > limit)
        return too_big(a, err);
    if (a->filled + more > a->cap) {
        size_t cap = a->cap ? a->cap : 4096;
        while (cap < a->filled + more)
            cap *= 2;
        b = realloc(b, sizeof *b + cap);
        if (!b)
            return ph_fail_memory(err);
        a->m[a->n - 1].bytes = b;
        a->cap = cap;
    }
    b->n = a->filled + more;
    return 0;
}

/* What the server can say as soon as it knows the size. */
static int check_head(struct ph_append *a, const struct ph_message *m, struct ph_err *err)
{
    struct memory_store *st = a->s->st;
    bool dropped = false;
    struct ph_err why;

    if (st->opt.append_limit && m->size > st->opt.append_limit && !a->any)
        return too_big(a, err);
    const char *only = st->opt.no_new_keywords ? st->opt.permanent_keywords : NULL;
    bool keeps = memory_abilities(st) & PH_AB_KEYWORDS;
    pthread_mutex_lock(&st->mu);
    a->m[a->n - 1].keywords = ph_memory_words(st, keeps ? m->keywords : "", only, &dropped);
    ph_memory_unlock(st);
    if (!a->m[a->n - 1].keywords)
        return ph_fail_memory(err);
    if (dropped && st->opt.refuse_keywords) {
        ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_REFUSED, "a keyword is not permitted here");
        return refuse(a, &why, a->n - 1, err);
    }
    return 0;
}

int ph_memory_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err)
{
    struct memory_store *st = a->s->st;
    uint32_t ab = memory_abilities(st);

    if (a->s->broken.kind != PH_OK)
        return broken(a, err);
    if (a->refused)
        return refused_again(a, err);
    if (a->any && end_of_any(a, err))
        return -1;
    bool any = m->size == UINT64_MAX && !(st->opt.serves_not & PH_MS_ANY_SIZE);
    if (m->size == 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "a message without octets cannot be appended");
    if (a->n == a->n_messages || (a->n && a->filled < a->m[a->n - 1].bytes->n))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "append_message out of order");
    struct memory_message *in = &a->m[a->n];
    pthread_mutex_lock(&st->mu);
    in->bytes = ph_memory_bytes(st, NULL, any ? 0 : m->size < SIZE_MAX ? (size_t)m->size : SIZE_MAX);
    ph_memory_unlock(st);
    if (!in->bytes)
        return ph_fail_memory(err);
    in->flags = ab & PH_AB_FLAGS ? m->flags & 0xff & ~(uint32_t)PH_F_RECENT : 0;
    in->has_date = m->has_date && ab & PH_AB_DATES;
    in->epoch = in->has_date ? m->epoch : 0;
    in->zone_min = in->has_date ? m->zone_min : 0;
    a->n++;
    a->filled = a->cap = 0;
    a->any = any;
    return check_head(a, m, err);
}

int ph_memory_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err)
{
    struct memory_store *st = a->s->st;

    if (a->s->broken.kind != PH_OK)
        return broken(a, err);
    if (a->refused)
        return refused_again(a, err);
    if (a->any && n && grow(a, n, err))
        return -1;
    struct memory_bytes *b = a->n ? a->m[a->n - 1].bytes : NULL;
    if (!b || n > b->n - a->filled)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "more octets than the message was said to have");
    memcpy(b->p + a->filled, p, n);
    a->filled += n;
    if (a->filled < b->n || a->any)
        return 0;
    pthread_mutex_lock(&st->mu);
    bool cut = ph_memory_meet(st, PH_MF_CUT_IN_LITERAL, "append", a->folder, 0, b->p, b->n) != NULL;
    ph_memory_unlock(st);
    return cut ? ph_memory_break(a->s, err) : 0;
}

/* ---- the end of a batch ---- */

static const struct ph_memory_fault *meet_batch(struct ph_append *a, enum ph_memory_fault_kind kind, size_t *at)
{
    for (*at = 0; *at < a->n; ++*at) {
        const struct ph_memory_fault *f = ph_memory_meet(a->s->st, kind, "append", a->folder, 0, a->m[*at].bytes->p,
                                                         a->m[*at].bytes->n);
        if (f)
            return f;
    }
    return NULL;
}

/* The message that is to go must still be there. */
static int check_replaced(struct ph_append *a, struct ph_err *err)
{
    struct memory_folder *f = a->replaces ? ph_memory_find(a->s->st, a->replaces) : NULL;

    if (!a->replaces)
        return 0;
    if (!memory_there(f) || (a->replaces_validity && f->uidvalidity != a->replaces_validity))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s is not what it was", a->replaces);
    if (!ph_memory_may(a->s->st, f, "e"))
        return ph_memory_denied(a->replaces, err);
    if (!ph_memory_by_uid(f, a->replaces_uid))
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "the message is not there any more");
    return 0;
}

/* Everything the server may have against the batch as a whole. */
static int check_batch(struct ph_append *a)
{
    struct memory_store *st = a->s->st;
    const struct ph_memory_fault *f;
    uint64_t octets = 0;
    struct ph_err why;
    size_t at;

    if (ph_memory_meet_any(a->s, "append", a->folder, &why))
        return a->s->broken.kind != PH_OK ? -1 : refuse(a, &why, SIZE_MAX, NULL);
    struct memory_folder *there = ph_memory_find(st, a->folder);
    if (!there || there->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)) {
        ph_fail(&why, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "no folder %s", a->folder);
        memcpy(why.code, "TRYCREATE", 10);
        return refuse(a, &why, SIZE_MAX, NULL);
    }
    if (!(memory_abilities(st) & PH_AB_WRITE)) {
        ph_fail(&why, PH_SCOPE_FOLDER, PH_E_PERMISSION, "the account is read-only");
        return refuse(a, &why, SIZE_MAX, NULL);
    }
    if (!ph_memory_may(st, there, "i")) {
        ph_memory_denied(a->folder, &why);
        return refuse(a, &why, SIZE_MAX, NULL);
    }
    for (size_t i = 0; i < a->n; i++)
        octets += a->m[i].bytes->n;
    if (ph_memory_room(st, a->n, octets, &why) || check_replaced(a, &why))
        return refuse(a, &why, SIZE_MAX, NULL);
    f = meet_batch(a, PH_MF_REFUSE, &at);
    if (!f && (f = meet_batch(a, PH_MF_REFUSE_VAGUELY, &at)))
        at = SIZE_MAX;
    if (f) {
        ph_memory_fault_err(f, PH_SCOPE_MESSAGE, PH_E_REFUSED, "the message is not accepted", &why);
        return refuse(a, &why, at, NULL);
    }
    return 0;
}

/* The server's own idea of what it was given. */
static int rewrite(struct ph_append *a)
{
    struct memory_store *st = a->s->st;

    for (size_t i = 0; i < a->n && st->opt.rewrite; i++) {
        struct memory_bytes *old = a->m[i].bytes, *made;
        struct ph_buf b = PH_BUF_INIT;
        if (st->opt.rewrite(st->opt.rewrite_ctx, old->p, old->n, &b) == 0) {
            made = b.failed ? NULL : ph_memory_bytes(st, ph_buf_str(&b).p, ph_buf_len(&b));
            if (!made) {
                ph_buf_done(&b);
                return -1;
            }
            a->m[i].bytes = made;
            ph_memory_unref(st, old);
        }
        ph_buf_done(&b);
    }
    return 0;
}

static int commit(struct ph_append *a)
{
    struct memory_store *st = a->s->st;
    struct memory_folder *f = ph_memory_find(st, a->folder);

    if (rewrite(a))
        return -1;
    for (size_t i = 0; i < a->n; i++) {
        a->uids[i] = ph_memory_put(st, f, &a->m[i]);
        a->m[i].bytes = NULL;
        if (!a->uids[i])
            return -1;
    }
    if (a->replaces) {
        struct memory_folder *from = ph_memory_find(st, a->replaces);
        struct memory_message *gone = ph_memory_by_uid(from, a->replaces_uid);
        if (gone)
            ph_memory_expunge(st, from, (size_t)(gone - from->m));
    }
    a->res.ok = true;
    if (memory_abilities(st) & PH_AB_NEWUID) {
        a->res.uidvalidity = f->uidvalidity;
        a->res.uids = a->uids;
        a->res.n_uids = a->n;
    }
    return 0;
}

/* The server keeps the batch and commits it when nobody expects it any more. */
static int put_off(struct ph_append *a, unsigned delay)
{
    struct memory_store *st = a->s->st;
    struct memory_late *l = calloc(1, sizeof *l), **at;

    if (!l)
        return -1;
    *l = (struct memory_late){ .folder = a->folder, .m = a->m, .n = a->n, .delay = delay };
    a->folder = NULL;
    a->m = NULL;
    for (at = &st->late; *at; at = &(*at)->next)
        ;
    *at = l;
    return 0;
}

static void end_batch(struct ph_append *a)
{
    const struct ph_memory_fault *f;
    size_t at;

    if (check_batch(a))
        return;
    f = meet_batch(a, PH_MF_CUT_NOT_IN, &at);
    if (!f && (f = meet_batch(a, PH_MF_CUT_IN_LATER, &at)) && (rewrite(a) || put_off(a, f->delay)))
        f = NULL;
    if (!f && (f = meet_batch(a, PH_MF_CUT_IN, &at)) && commit(a))
        f = NULL;
    if (f) {
        ph_memory_break(a->s, NULL);
        a->res = (struct ph_append_result){ .unknown = true, .err = a->s->broken, .failed_index = SIZE_MAX };
        return;
    }
    if (commit(a)) {
        struct ph_err why;
        ph_fail_memory(&why);
        refuse(a, &why, SIZE_MAX, NULL);
    }
}

int ph_memory_append_finish(struct ph_append *a, struct ph_err *err)
{
    struct memory_session *s = a->s;
    struct memory_store *st = s->st;

    if (a->finished)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "finished twice");
    a->finished = true;
    if (s->broken.kind != PH_OK || a->refused || a->n == 0)
        return 0;
    if (a->any && end_of_any(a, NULL))
        return 0;
    if (a->filled < a->m[a->n - 1].bytes->n) {
        /* a message that stays incomplete can only be ended by hanging up */
        ph_memory_break(s, NULL);
        return 0;
    }
    if (ph_memory_begin(s, MOP_APPEND, a->folder, err))
        return s->broken.kind != PH_OK ? 0 : -1;
    st->ops[MOP_APPEND] += a->n - 1;
    st->ops[MOP_BATCH]++;
    end_batch(a);
    ph_memory_unlock(st);
    return 0;
}

bool ph_memory_append_poll(struct ph_session *base)
{
    struct ph_append *a = memory_session(base)->appends;

    return a && a->finished;
}

int ph_memory_append_wait(struct ph_session *base, struct ph_append **done, struct ph_append_result *res,
                          struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    struct ph_append *a = s->appends;

    *done = NULL;
    *res = (struct ph_append_result){ .failed_index = SIZE_MAX };
    if (!a || !a->finished)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no append under way");
    s->appends = a->next;
    if (!s->appends)
        s->appends_end = &s->appends;
    *done = a;
    *res = a->res;
    if (!res->ok && res->err.kind == PH_OK) {
        res->err = s->broken;
        if (res->err.kind == PH_OK)
            ph_fail(&res->err, PH_SCOPE_MESSAGE, PH_E_USAGE, "the batch was given up before its first message");
    }
    return 0;
}

void ph_memory_append_free(struct ph_append *a)
{
    if (!a)
        return;
    if (a->s) /* not waited for: thrown away */
        for (struct ph_append **at = &a->s->appends; *at; at = &(*at)->next)
            if (*at == a) {
                *at = a->next;
                if (!*at)
                    a->s->appends_end = at;
                break;
            }
    for (size_t i = 0; i < a->n && a->m; i++)
        free(a->m[i].bytes); /* never shared before it is in a folder */
    free(a->m);
    free(a->uids);
    free(a->folder);
    free(a->replaces);
    free(a);
}
