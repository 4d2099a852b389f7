/* memory_fault.c: what goes wrong in the memory store, and when. */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

int ph_memory_fault(struct ph_store *base, const struct ph_memory_fault *in)
{
    struct memory_store *st = memory_store(base);
    struct memory_fault *f = calloc(1, sizeof *f), **at;

    if (!f)
        return -1;
    f->f = *in;
    f->op = in->op ? strdup(in->op) : NULL;
    f->folder = in->folder ? strdup(in->folder) : NULL;
    if ((in->op && !f->op) || (in->folder && !f->folder)) {
        free(f->op);
        free(f->folder);
        free(f);
        return -1;
    }
    pthread_mutex_lock(&st->mu);
    for (at = &st->faults; *at; at = &(*at)->next)
        ;
    *at = f;
    ph_memory_unlock(st);
    return 0;
}

void ph_memory_faults_free(struct memory_store *st)
{
    while (st->faults) {
        struct memory_fault *f = st->faults;
        st->faults = f->next;
        free(f->op);
        free(f->folder);
        free(f);
    }
    st->faults_met = 0;
}

void ph_memory_faults_clear(struct ph_store *base)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    ph_memory_faults_free(st);
    ph_memory_unlock(st);
}

unsigned ph_memory_faults_met(struct ph_store *base)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    unsigned n = st->faults_met;
    ph_memory_unlock(st);
    return n;
}

bool ph_memory_match_text(void *ctx, uint32_t uid, const char *p, size_t n)
{
    const char *text = ctx;

    return memmem(p, n, text, strlen(text)) != NULL;
}

const struct ph_memory_fault *ph_memory_meet(struct memory_store *st, enum ph_memory_fault_kind kind, const char *op,
                                             const char *folder, uint32_t uid, const char *p, size_t n)
{
    for (struct memory_fault *f = st->faults; f; f = f->next) {
        if (f->f.kind != kind || (f->op && op && strcmp(f->op, op) != 0))
            continue;
        if (f->folder && (!folder || strcmp(f->folder, folder) != 0))
            continue;
        if (f->f.match && (!p || !f->f.match(f->f.ctx, uid, p, n)))
            continue;
        if (f->f.skip) {
            f->f.skip--;
            continue;
        }
        if (f->f.times && --f->f.times == 0)
            f->f.kind = (enum ph_memory_fault_kind)-1; /* that was the last time */
        st->faults_met++;
        return &f->f;
    }
    return NULL;
}

int ph_memory_fault_err(const struct ph_memory_fault *f, enum ph_scope scope, enum ph_kind kind, const char *text,
                        struct ph_err *err)
{
    if (f->err.kind == PH_OK)
        return ph_fail(err, scope, kind, "%s", text);
    if (err)
        *err = f->err;
    return -1;
}

int ph_memory_break(struct memory_session *s, struct ph_err *err)
{
    ph_fail(&s->broken, PH_SCOPE_SESSION, PH_E_CLOSED, "the connection to %s ended", s->st->base.label);
    s->broken.retry = PH_RETRY_RECONNECT;
    if (err)
        *err = s->broken;
    return -1;
}

static void commit_late(struct memory_store *st, bool all)
{
    struct memory_late **at = &st->late;

    while (*at) {
        struct memory_late *l = *at;
        if (!all && l->delay && --l->delay) {
            at = &l->next;
            continue;
        }
        struct memory_folder *f = ph_memory_find(st, l->folder);
        for (size_t i = 0; i < l->n; i++) {
            if (f)
                ph_memory_put(st, f, &l->m[i]);
            else
                ph_memory_unref(st, l->m[i].bytes);
        }
        *at = l->next;
        free(l->m);
        free(l->folder);
        free(l);
    }
}

void ph_memory_commit_late(struct ph_store *base)
{
    struct memory_store *st = memory_store(base);

    pthread_mutex_lock(&st->mu);
    commit_late(st, true);
    ph_memory_unlock(st);
}

int ph_memory_begin(struct memory_session *s, enum memory_op op, const char *folder, struct ph_err *err)
{
    struct memory_store *st = s->st;

    if (st->opt.before)
        st->opt.before(st->opt.before_ctx, &st->base, ph_memory_op_names[op], folder);
    if (s->base.loop && ph_cancelled(s->base.loop->cancel))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
    if (s->broken.kind != PH_OK) {
        if (err)
            *err = s->broken;
        return -1;
    }
    if (st->opt.bodies_block && (s->body || s->requests) && (op == MOP_SCAN || op == MOP_FLAGS))
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_USAGE, "bodies are under way");
    pthread_mutex_lock(&st->mu);
    st->ops[op]++;
    commit_late(st, false);
    return 0;
}

int ph_memory_meet_any(struct memory_session *s, const char *op, const char *folder, struct ph_err *err)
{
    struct memory_store *st = s->st;
    const struct ph_memory_fault *f;

    if (ph_memory_meet(st, PH_MF_CUT, op, folder, 0, NULL, 0))
        return ph_memory_break(s, err);
    if (!folder)
        return 0;
    f = ph_memory_meet(st, PH_MF_REFUSE_FOLDER, op, folder, 0, NULL, 0);
    if (f)
        return ph_memory_fault_err(f, PH_SCOPE_FOLDER, PH_E_REFUSED, "the server refuses", err);
    struct memory_folder *there = ph_memory_find(st, folder);
    if (there && ph_memory_meet(st, PH_MF_UIDVALIDITY, op, folder, 0, NULL, 0))
        there->uidvalidity = ++st->last_uidvalidity;
    if (there && ph_memory_meet(st, PH_MF_FOLDER_GONE, op, folder, 0, NULL, 0))
        ph_memory_drop(st, there);
    return 0;
}
