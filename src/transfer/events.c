/* events.c: telling what happens, one event at a time whatever the thread. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "transfer/run.h"

#define PROGRESS_MS 100

static int64_t wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void run_event_locked(struct run *r, struct ph_event *e)
{
    if (!r->job->sink)
        return;
    e->time_ms = wall_ms();
    r->job->sink(r->job->sink_ctx, e);
}

void run_event(struct run *r, struct ph_event *e)
{
    pthread_mutex_lock(&r->lock);
    run_event_locked(r, e);
    pthread_mutex_unlock(&r->lock);
}

void run_problem(struct run *r, const struct folder_work *f, uint32_t uid, const struct ph_err *err)
{
    struct ph_event e = { .kind = PH_EV_PROBLEM, .folder = f ? f->src->name : NULL, .dst_folder = f ? f->dst_name : NULL,
                          .uid = uid, .err = err };
    run_event(r, &e);
}

void run_notice(struct run *r, const struct folder_work *f, uint32_t uid, const char *fmt, ...)
{
    char text[PH_ERR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct ph_event e = { .kind = PH_EV_NOTICE, .folder = f ? f->src->name : NULL, .dst_folder = f ? f->dst_name : NULL,
                          .uid = uid, .text = text };
    run_event(r, &e);
}

void run_progress_locked(struct run *r)
{
    int64_t now = ph_now_ms();

    r->totals.elapsed_ms = now - r->started_ms;
    if (now - r->last_progress_ms < PROGRESS_MS)
        return;
    r->last_progress_ms = now;
    struct ph_event e = { .kind = PH_EV_PROGRESS, .totals = &r->totals };
    run_event_locked(r, &e);
}

static void count(struct ph_totals *t, enum ph_action action, uint64_t size)
{
    switch (action) {
    case PH_ACT_COPIED:
    case PH_ACT_REPAIRED: t->copied++; t->copied_bytes += size; break;
    case PH_ACT_ADOPTED: t->adopted++; break;
    case PH_ACT_FLAGS: t->flags++; break;
    case PH_ACT_EXPUNGED: t->expunged++; break;
    case PH_ACT_SKIPPED: t->skipped++; break;
    case PH_ACT_REFUSED: t->refused++; break;
    case PH_ACT_MERGED: t->merged++; break;
    case PH_ACT_MISSING: t->missing++; break;
    case PH_ACT_WOULD_COPY: break;
    }
}

void run_message(struct run *r, struct folder_work *f, uint32_t uid, uint64_t size, enum ph_action action,
                 const char *reason)
{
    struct ph_event e = { .kind = PH_EV_MESSAGE, .folder = f->src->name, .dst_folder = f->dst_name, .uid = uid,
                          .size = size, .action = action, .reason = reason };

    pthread_mutex_lock(&r->lock);
    count(&r->totals, action, size);
    count(&f->counts, action, size);
    run_event_locked(r, &e);
    run_progress_locked(r);
    pthread_mutex_unlock(&r->lock);
}

void run_folder_done_locked(struct run *r, struct folder_work *f)
{
    struct ph_event e = { .kind = PH_EV_FOLDER_DONE, .folder = f->src->name, .dst_folder = f->dst_name,
                          .messages = f->copied, .bytes = f->copied_bytes, .totals = &f->counts };

    if (f->told)
        return;
    f->told = true;
    r->totals.folders_done++;
    run_event_locked(r, &e);
}

bool run_folder_dead(struct run *r, const struct folder_work *f)
{
    pthread_mutex_lock(&r->lock);
    bool dead = f->dead;
    pthread_mutex_unlock(&r->lock);
    return dead;
}

void run_fatal(struct run *r, const struct ph_err *err)
{
    pthread_mutex_lock(&r->lock);
    if (r->fatal.kind == PH_OK)
        r->fatal = *err;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}
