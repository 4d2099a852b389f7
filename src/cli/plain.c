/* plain.c: lines for people, as they are on a pipe, in a log, and above the progress display. */
#include "cli/printer.h"

#include <stdlib.h>
#include <string.h>

#include "cli/tally.h"
#include "cli/text.h"

struct plain {
    struct ph_printer p;
    struct ph_tallies tallies;
};

void ph_trace_line(const struct ph_event *e, bool with_side, struct ph_buf *out)
{
    if (with_side)
        ph_text_add(out, "%s %llu ", e->side == 'd' ? "dst" : "src", (unsigned long long)e->number);
    ph_buf_add_z(out, e->sent ? ">> " : "<< ");
    ph_text_clean(out, e->text);
}

static void put(struct ph_printer *p, unsigned where, const struct ph_event *e)
{
    ph_pages_put(p->pages, where, ph_buf_z(&p->line), e->time_ms);
    ph_buf_clear(&p->line);
}

static unsigned screen(const struct ph_printer *p)
{
    return (p->o.quiet ? 0 : PH_TO_SCREEN) | PH_TO_LOG;
}

/* "INBOX, UID 12: " as far as it is known */
static void add_place(struct ph_buf *out, const struct ph_event *e)
{
    if (!e->folder)
        return;
    ph_text_clean(out, e->folder);
    if (e->uid)
        ph_text_add(out, ", UID %lu", (unsigned long)e->uid);
    ph_buf_add_z(out, ": ");
}

static void problem(struct ph_printer *p, const struct ph_event *e)
{
    ph_buf_add_z(&p->line, "problem: ");
    add_place(&p->line, e);
    ph_text_clean(&p->line, e->err ? e->err->text : e->text);
    put(p, PH_TO_ERRORS | PH_TO_LOG, e);
}

static const char *action_words(enum ph_action a)
{
    static const char *const words[] = {
        [PH_ACT_COPIED] = "copied",    [PH_ACT_WOULD_COPY] = "would be copied", [PH_ACT_ADOPTED] = "is there already",
        [PH_ACT_FLAGS] = "flags set",  [PH_ACT_EXPUNGED] = "deleted",           [PH_ACT_SKIPPED] = "skipped",
        [PH_ACT_REFUSED] = "refused",  [PH_ACT_MERGED] = "merged by the server", [PH_ACT_MISSING] = "could not be read",
        [PH_ACT_REPAIRED] = "copied after a repair",
    };
    return words[a];
}

static void message(struct ph_printer *p, const struct ph_event *e)
{
    bool trouble = e->action == PH_ACT_REFUSED || e->action == PH_ACT_MISSING;

    if (!trouble && !p->o.verbose && e->action != PH_ACT_REPAIRED)
        return;
    if (trouble)
        ph_buf_add_z(&p->line, "problem: ");
    add_place(&p->line, e);
    ph_buf_add_z(&p->line, action_words(e->action));
    if (e->reason) {
        ph_buf_add_z(&p->line, ": ");
        ph_text_clean(&p->line, e->reason);
    }
    if (e->detail) {
        ph_buf_add_z(&p->line, " (");
        ph_text_clean(&p->line, e->detail);
        ph_buf_add_char(&p->line, ')');
    }
    put(p, trouble ? PH_TO_ERRORS | PH_TO_LOG : screen(p), e);
}

static void add_part(struct ph_buf *out, uint64_t n, const char *words)
{
    if (!n)
        return;
    ph_buf_add_z(out, ", ");
    ph_text_number(out, n);
    ph_buf_add_char(out, ' ');
    ph_buf_add_z(out, words);
}

static void add_parts(struct ph_buf *out, const struct ph_totals *t)
{
    add_part(out, t->adopted, "already there");
    add_part(out, t->flags, "with new flags");
    add_part(out, t->skipped, "skipped");
    add_part(out, t->expunged, "deleted");
    add_part(out, t->merged, "merged by the server");
    add_part(out, t->refused, "refused");
    add_part(out, t->missing, "not readable");
    add_part(out, t->failed, "failed");
}

static bool nothing_happened(const struct ph_totals *t)
{
    return !(t->copied || t->adopted || t->flags || t->skipped || t->expunged || t->merged || t->refused || t->missing ||
             t->failed);
}

static void audited(struct ph_printer *p, const struct ph_tally *f, const struct ph_event *e)
{
    if (!p->o.verbose && !p->o.counts_only && !f->differences)
        return;
    ph_text_clean(&p->line, f->name);
    ph_buf_add_z(&p->line, ": ");
    ph_text_count(&p->line, f->src_messages, "message", "messages");
    ph_buf_add_z(&p->line, " on the source, ");
    ph_text_number(&p->line, f->dst_messages);
    ph_buf_add_z(&p->line, " on the destination");
    add_part(&p->line, f->absent, "missing");
    add_part(&p->line, f->differences - f->absent, f->differences - f->absent == 1 ? "difference" : "differences");
    put(p, screen(p), e);
}

static void folder_done(struct ph_printer *p, const struct ph_tally *f, const struct ph_event *e)
{
    struct ph_totals t = { .copied = f->copied, .adopted = f->adopted, .flags = f->flags, .skipped = f->skipped,
                           .expunged = f->expunged_src + f->expunged_dst, .merged = f->merged, .refused = f->refused,
                           .missing = f->missing };

    if (p->o.audit) {
        audited(p, f, e);
        return;
    }
    if (p->o.dry_run || (nothing_happened(&t) && !p->o.verbose))
        return;
    ph_text_clean(&p->line, f->name);
    ph_buf_add_z(&p->line, ": ");
    ph_text_count(&p->line, f->copied, "message", "messages");
    ph_buf_add_z(&p->line, " copied (");
    ph_text_bytes(&p->line, f->copied_bytes);
    ph_buf_add_char(&p->line, ')');
    add_parts(&p->line, &t);
    put(p, screen(p), e);
}

static void plan(struct ph_printer *p, const struct ph_event *e)
{
    if (!p->o.dry_run && !p->o.verbose)
        return;
    if (p->o.dry_run && !p->o.verbose && !(e->messages || e->adopted || e->flag_changes || e->expunges))
        return;
    ph_text_clean(&p->line, e->folder);
    if (e->dst_folder && strcmp(e->dst_folder, e->folder ? e->folder : "") != 0) {
        ph_buf_add_z(&p->line, " -> ");
        ph_text_clean(&p->line, e->dst_folder);
    }
    ph_buf_add_z(&p->line, ": ");
    ph_text_count(&p->line, e->messages, "message", "messages");
    ph_buf_add_z(&p->line, " to copy (");
    ph_text_bytes(&p->line, e->bytes);
    ph_buf_add_char(&p->line, ')');
    add_part(&p->line, e->adopted, "already there");
    add_part(&p->line, e->flag_changes, "to get new flags");
    add_part(&p->line, e->skipped, "to skip");
    add_part(&p->line, e->expunges, "to delete");
    put(p, screen(p), e);
}

static void difference(struct ph_printer *p, const struct ph_event *e)
{
    add_place(&p->line, e);
    ph_text_clean(&p->line, e->reason ? e->reason : "different");
    if (e->text && *e->text) {
        ph_buf_add_z(&p->line, ": ");
        ph_text_clean(&p->line, e->text);
    }
    if (e->detail) {
        ph_buf_add_z(&p->line, " (");
        ph_text_clean(&p->line, e->detail);
        ph_buf_add_char(&p->line, ')');
    }
    put(p, screen(p), e);
}

static void add_rates(struct ph_buf *out, uint64_t messages, uint64_t bytes, int64_t ms)
{
    ph_buf_add_z(out, " in ");
    if (ms < 60000)
        ph_text_add(out, "%.1f s", (double)ms / 1000);
    else
        ph_text_duration(out, ms);
    if (ms < 50 || !messages)
        return;
    ph_buf_add_z(out, ": ");
    if (bytes)
        ph_text_add(out, "%.1f MB/s, ", (double)bytes / 1e3 / (double)ms);
    ph_text_number(out, messages * 1000 / (uint64_t)ms);
    ph_buf_add_z(out, " messages/s");
}

static void audit_summary(struct ph_buf *b, const struct ph_totals *t)
{
    ph_buf_add_z(b, "Compared ");
    ph_text_count(b, t->compared, "message", "messages");
    add_rates(b, t->compared, 0, t->elapsed_ms);
    ph_buf_add_z(b, ".\n");
    ph_text_number(b, t->equal);
    ph_buf_add_z(b, " equal, ");
    if (t->explained) {
        ph_text_number(b, t->explained);
        ph_buf_add_z(b, " changed by the server in a way that was proven, ");
    }
    ph_text_number(b, t->different);
    ph_buf_add_z(b, " different, ");
    ph_text_number(b, t->absent);
    ph_buf_add_z(b, " missing on the destination");
    add_part(b, t->failed, "could not be compared");
    ph_buf_add_char(b, '.');
}

static void copy_summary(struct ph_printer *p, const struct ph_totals *t)
{
    struct ph_buf *b = &p->line;

    if (p->o.dry_run) {
        ph_buf_add_z(b, "Would copy ");
        ph_text_count(b, t->messages, "message", "messages");
        ph_buf_add_z(b, " (");
        ph_text_bytes(b, t->bytes);
        ph_buf_add_char(b, ')');
    } else if (nothing_happened(t)) {
        ph_buf_add_z(b, "Nothing to do: everything is there");
    } else {
        ph_buf_add_z(b, "Copied ");
        ph_text_count(b, t->copied, "message", "messages");
        ph_buf_add_z(b, " (");
        ph_text_bytes(b, t->copied_bytes);
        ph_buf_add_char(b, ')');
        add_rates(b, t->copied, t->copied_bytes, t->elapsed_ms);
    }
    ph_buf_add_char(b, '.');
    struct ph_buf parts = PH_BUF_INIT;
    add_parts(&parts, t);
    if (ph_buf_len(&parts) > 2) {
        ph_buf_consume(&parts, 2); /* the comma */
        ph_buf_add_char(b, '\n');
        ph_buf_add_str(b, ph_buf_str(&parts));
        ph_buf_add_char(b, '.');
    }
    ph_buf_done(&parts);
    if (t->folders_failed) {
        ph_buf_add_char(b, '\n');
        ph_text_count(b, t->folders_failed, "folder", "folders");
        ph_buf_add_z(b, " could not be done; the reasons are above.");
    }
}

/* A run that did not end: how far it came. Why is told apart. */
static void cut_short(struct ph_printer *p, const struct ph_totals *t)
{
    struct ph_buf *b = &p->line;

    ph_buf_add_z(b, "Not finished. ");
    if (p->o.audit) {
        ph_text_count(b, t->compared, "message", "messages");
        ph_buf_add_z(b, " compared");
    } else {
        ph_text_count(b, t->copied, "message", "messages");
        ph_buf_add_z(b, " copied");
    }
    add_rates(b, p->o.audit ? t->compared : t->copied, t->copied_bytes, t->elapsed_ms);
    ph_buf_add_char(b, '.');
}

static void done(struct ph_printer *p, const struct ph_event *e)
{
    if (!e->totals || (e->err && !e->totals->copied && !e->totals->compared))
        return;
    if (e->err)
        cut_short(p, e->totals);
    else if (p->o.audit)
        audit_summary(&p->line, e->totals);
    else
        copy_summary(p, e->totals);
    put(p, screen(p), e);
}

static void start(struct ph_printer *p, const struct ph_event *e)
{
    ph_buf_add_z(&p->line, p->o.audit ? "Comparing " : p->o.dry_run ? "Planning a copy of " : "Copying ");
    ph_text_clean(&p->line, e->src);
    ph_buf_add_z(&p->line, p->o.audit ? " with " : " to ");
    ph_text_clean(&p->line, e->dst);
    put(p, screen(p), e);
}

static void connected(struct ph_printer *p, const struct ph_event *e)
{
    ph_text_add(&p->line, "%s: connected to ", e->side == 'd' ? "destination" : "source");
    ph_text_clean(&p->line, e->text);
    ph_text_add(&p->line, " port %llu", (unsigned long long)e->number);
    if (e->detail) {
        ph_buf_add_z(&p->line, ", ");
        ph_text_clean(&p->line, e->detail);
    }
    put(p, p->o.verbose ? screen(p) : PH_TO_LOG, e);
}

static void event(struct ph_printer *p, const struct ph_event *e)
{
    struct ph_tally *f = ph_tallies_take(&((struct plain *)p)->tallies, e);

    switch (e->kind) {
    case PH_EV_START:
        start(p, e);
        break;
    case PH_EV_CONNECTED:
        connected(p, e);
        break;
    case PH_EV_FOLDERS:
        ph_text_count(&p->line, e->number, "folder", "folders");
        put(p, p->o.verbose ? screen(p) : PH_TO_LOG, e);
        break;
    case PH_EV_FOLDER_CREATED:
        ph_buf_add_z(&p->line, "created ");
        ph_text_clean(&p->line, e->dst_folder ? e->dst_folder : e->folder);
        put(p, p->o.verbose ? screen(p) : PH_TO_LOG, e);
        break;
    case PH_EV_PLAN:
        plan(p, e);
        break;
    case PH_EV_MESSAGE:
        message(p, e);
        break;
    case PH_EV_FOLDER_DONE:
        if (f)
            folder_done(p, f, e);
        break;
    case PH_EV_PROBLEM:
        problem(p, e);
        break;
    case PH_EV_NOTICE:
        ph_buf_add_z(&p->line, "note: ");
        if (e->side)
            ph_buf_add_z(&p->line, e->side == 'd' ? "destination: " : "source: ");
        add_place(&p->line, e);
        ph_text_clean(&p->line, e->text);
        put(p, screen(p), e);
        break;
    case PH_EV_DIFFERENCE:
        difference(p, e);
        break;
    case PH_EV_DONE:
        done(p, e);
        break;
    case PH_EV_TRACE:
        ph_trace_line(e, true, &p->line);
        put(p, p->pages->log >= 0 ? PH_TO_LOG : screen(p), e);
        break;
    case PH_EV_FOLDER_START:
    case PH_EV_PROGRESS:
        break;
    }
}

static void plain_free(struct ph_printer *p)
{
    ph_tallies_done(&((struct plain *)p)->tallies);
    ph_buf_done(&p->line);
    free(p);
}

struct ph_printer *ph_plain_printer_new(struct ph_pages *pages, const struct ph_printer_options *o)
{
    static const struct ph_printer_ops ops = { event, plain_free };
    struct plain *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->p = (struct ph_printer){ .ops = &ops, .pages = pages, .o = *o };
    ph_tallies_init(&p->tallies);
    return &p->p;
}
