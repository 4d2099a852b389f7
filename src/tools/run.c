/* run.c: from settings to an exit status: stores, output, signals, the job itself. */
#include <stdio.h>
#include <string.h>

#include "cli/signals.h"
#include "cli/text.h"
#include "store/imap.h"
#include "tools/tools.h"

/* One run may go over many users: their totals are added, and the screen sees one beginning and one end. */
struct runner {
    struct ph_settings *s;
    struct ph_output *output;
    struct ph_output_side src_ctx, dst_ctx;
    struct ph_cancel cancel;
    struct ph_totals sum;
    bool audit, many, started;
    size_t failed_users;
};

static void add_totals(struct ph_totals *sum, const struct ph_totals *t)
{
    uint64_t *to[] = { &sum->folders, &sum->folders_done, &sum->folders_failed, &sum->messages, &sum->bytes, &sum->copied,
                       &sum->copied_bytes, &sum->adopted, &sum->flags, &sum->expunged, &sum->skipped, &sum->refused,
                       &sum->merged, &sum->missing, &sum->failed, &sum->wire_in, &sum->wire_out, &sum->compared, &sum->equal,
                       &sum->different, &sum->absent, &sum->explained };
    const uint64_t from[] = { t->folders, t->folders_done, t->folders_failed, t->messages, t->bytes, t->copied,
                              t->copied_bytes, t->adopted, t->flags, t->expunged, t->skipped, t->refused,
                              t->merged, t->missing, t->failed, t->wire_in, t->wire_out, t->compared, t->equal,
                              t->different, t->absent, t->explained };

    for (size_t i = 0; i < sizeof to / sizeof *to; i++)
        *to[i] += from[i];
    sum->elapsed_ms += t->elapsed_ms;
}

static void sink(void *ctx, const struct ph_event *e)
{
    struct runner *r = ctx;

    if (e->kind == PH_EV_START && r->started)
        return;
    if (e->kind == PH_EV_START)
        r->started = true;
    if (e->kind == PH_EV_DONE && r->many)
        return;
    ph_output_event(r->output, e);
}

static void complain(const char *invoked, const char *text)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_text_clean(&b, text);
    fprintf(stderr, "%s: %s\n", invoked, ph_buf_z(&b));
    ph_buf_done(&b);
}

static void connect_output(struct runner *r, struct ph_side *side, struct ph_output_side *ctx)
{
    side->imap.on_trace = ph_output_trace;
    side->imap.on_notice = ph_output_notice;
    side->imap.on_connected = ph_output_connected;
    side->imap.ctx = ctx;
    ctx->host = side->imap.host ? side->imap.host : side->imap.socket_path;
    ctx->port = side->imap.port;
}

/* Credentials come first of all, because they may ask on the terminal. */
static int credentials(struct ph_side *src, struct ph_side *dst, struct ph_err *err)
{
    struct ph_secret_plan plan;
    struct ph_secret typed = { 0 };
    unsigned generation;

    if (dst->same_secret && !dst->secret && ph_side_secret(dst, &plan, err))
        return -1;
    bool borrow = dst->same_secret && !dst->secret && plan.source == PH_SECRET_ASK;
    if (ph_side_credential(src, err))
        return -1;
    if (!borrow || !src->imap.credential)
        return ph_side_credential(dst, err);
    if (ph_credential_get(src->imap.credential, &typed, &generation, err))
        return -1;
    dst->imap.credential = ph_credential_fixed(ph_credential_kind_of(src->imap.credential), ph_secret_str(&typed));
    ph_secret_done(&typed);
    return dst->imap.credential ? 0 : ph_fail_memory(err);
}

#define RESOLVE_MS 60000 /* the engine's own choice */

static void free_store(struct ph_store *st)
{
    if (st)
        st->ops->free(st);
}

/* One source account, one destination account. */
static int run_pair(struct runner *r, struct ph_side *src, struct ph_side *dst, struct ph_err *err)
{
    struct ph_totals totals = { 0 };
    struct ph_job *j = &r->s->job;
    int rc;

    connect_output(r, src, &r->src_ctx);
    connect_output(r, dst, &r->dst_ctx);
    j->src = j->dst = NULL;
    j->cancel = &r->cancel;
    j->sink = sink;
    j->sink_ctx = r;
    /* a destination gets as long to commit late as it gets to answer */
    if (!j->resolve_ms && dst->imap.timeout_ms && dst->imap.timeout_ms < RESOLVE_MS)
        j->resolve_ms = dst->imap.timeout_ms;
    rc = ph_imap_store_new(&src->imap, &j->src, err) || ph_imap_store_new(&dst->imap, &j->dst, err) ? -1 : 0;
    if (rc == 0)
        rc = (r->audit ? ph_audit_run : ph_copy_run)(j, &totals, err);
    free_store(j->src);
    free_store(j->dst);
    add_totals(&r->sum, &totals);
    return rc;
}

static int run_single(struct runner *r, struct ph_err *err)
{
    struct ph_settings *s = r->s;
    return run_pair(r, &s->src, &s->dst, err);
}

static void user_problem(struct runner *r, const struct ph_user_pair *u, struct ph_err *err)
{
    ph_err_prefix(err, "user %s", u->src);
    struct ph_event e = { .kind = PH_EV_PROBLEM, .err = err };
    ph_output_event(r->output, &e);
    r->failed_users++;
}

/* A user who cannot log in is named, and the others go on. */
static int run_users(struct runner *r, struct ph_err *err)
{
    struct ph_settings *s = r->s;

    for (size_t i = 0; i < s->n_users && !ph_cancelled(&r->cancel); i++) {
        struct ph_side src, dst;
        struct ph_err why = { 0 };
        char text[512];
        snprintf(text, sizeof text, "User %s to %s", s->users[i].src, s->users[i].dst);
        struct ph_event e = { .kind = PH_EV_NOTICE, .text = text };
        bool failed = ph_settings_user(s, &s->users[i], &src, &dst, &why) != 0;
        if (!failed) {
            if (!r->started) {
                struct ph_event start = { .kind = PH_EV_START, .src = s->src.imap.host, .dst = s->dst.imap.host,
                                          .text = r->audit ? "audit" : "copy" };
                sink(r, &start);
            }
            ph_output_event(r->output, &e);
            failed = credentials(&src, &dst, &why) || run_pair(r, &src, &dst, &why);
            ph_credential_free(src.imap.credential);
            ph_credential_free(dst.imap.credential);
        }
        if (failed && why.kind == PH_E_CANCELLED) {
            *err = why;
            return -1;
        }
        if (failed)
            user_problem(r, &s->users[i], &why);
    }
    struct ph_event done = { .kind = PH_EV_DONE, .totals = &r->sum };
    ph_output_event(r->output, &done);
    r->sum.failed += r->failed_users + s->bad_users;
    if (s->n_users && r->failed_users == s->n_users)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_AUTH, "none of the %zu users could be done", s->n_users);
    return ph_cancelled(&r->cancel) ? ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped") : 0;
}

static int run_settings(struct ph_settings *s, const char *invoked, bool audit)
{
    struct runner r = { .s = s, .audit = audit, .many = s->users_file != NULL };
    struct ph_output_options oo;
    struct ph_err err = { 0 }, log_err;

    if (!r.many && credentials(&s->src, &s->dst, &err)) {
        complain(invoked, err.text);
        return 1;
    }
    ph_settings_output(s, audit, &oo);
    if (ph_cancel_init(&r.cancel)) {
        complain(invoked, "no cancellation descriptor");
        return 1;
    }
    ph_signals_install(&r.cancel);
    if (ph_output_new(&oo, &r.output, &err)) {
        complain(invoked, err.text);
        ph_cancel_done(&r.cancel);
        return 1;
    }
    r.src_ctx = (struct ph_output_side){ r.output, 's' };
    r.dst_ctx = (struct ph_output_side){ r.output, 'd' };
    int rc = r.many ? run_users(&r, &err) : run_single(&r, &err);
    int stop = ph_signals_stop();
    bool only_missing = s->style == PH_STYLE_IMAP_AUDIT && !s->job.audit_counts_only;
    int status = ph_exit_status(rc, &err, &r.sum, !audit ? PH_NO_AUDIT : only_missing ? PH_AUDIT_MISSING : PH_AUDIT_ALL, stop);
    if (rc && err.kind != PH_E_CANCELLED && oo.style != PH_STYLE_JSON) { /* there the last event has it */
        struct ph_event e = { .kind = PH_EV_PROBLEM, .err = &err };
        ph_output_event(r.output, &e);
    }
    if (ph_output_free(r.output, &log_err)) {
        complain(invoked, log_err.text);
        status = status ? status : 1;
    }
    bool nobody_saw_it = oo.style == PH_STYLE_JSON || (s->quiet && oo.style != PH_STYLE_PEOPLE);
    if (rc && err.kind != PH_E_CANCELLED && nobody_saw_it)
        complain(invoked, err.text);
    if (stop && rc)
        complain(invoked, audit ? "stopped" : "stopped; the same command goes on from here");
    ph_signals_remove();
    ph_cancel_done(&r.cancel);
    return status;
}

int ph_run_transfer(const struct ph_command *c, const char *invoked, int argc, char **argv, ph_prepare_fn *prepare, bool audit)
{
    struct ph_settings s;
    struct ph_err err = { 0 };
    struct ph_buf usage = PH_BUF_INIT;
    int status = 0;

    int rc = prepare(&s, c, invoked, argc, argv, &err);
    if (rc < 0) {
        if (err.kind == PH_E_USAGE) {
            ph_usage_line(c, invoked, &usage);
            fprintf(stderr, "%s", ph_buf_z(&usage));
            ph_buf_done(&usage);
        }
        complain(invoked, err.text);
        if (err.kind == PH_E_USAGE)
            fprintf(stderr, "%s --help lists the options.\n", invoked);
        status = 1;
    } else if (rc == PH_READY) {
        status = run_settings(&s, invoked, audit);
        ph_credential_free(s.src.imap.credential);
        ph_credential_free(s.dst.imap.credential);
    }
    ph_settings_done(&s);
    return status;
}
