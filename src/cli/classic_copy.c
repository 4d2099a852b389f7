/* classic_copy.c: the lines of imapcopy, word for word, because people grep for them. */
#include "cli/printer.h"

#include <stdlib.h>
#include <string.h>

#include "cli/tally.h"
#include "cli/text.h"

struct printer {
    struct ph_printer p;
    struct ph_tallies tallies;
    struct ph_buf skipped; /* lines for the end */
};

static void put(struct ph_printer *p, const struct ph_event *e)
{
    ph_pages_put(p->pages, (p->o.quiet ? 0 : PH_TO_SCREEN) | PH_TO_LOG, ph_buf_z(&p->line), e->time_ms);
    ph_buf_clear(&p->line);
}

static const char *dst_name(const struct ph_tally *f, const struct ph_event *e)
{
    return e->dst_folder ? e->dst_folder : f && f->dst ? f->dst : e->folder;
}

/* ---- one function a kind of line ---- */

static void folder_start(struct printer *c, const struct ph_event *e)
{
    ph_text_add(&c->p.line, "There are %llu messages in ", (unsigned long long)e->messages);
    ph_text_clean(&c->p.line, e->folder);
    ph_buf_add_z(&c->p.line, " on the source");
    put(&c->p, e);
    ph_text_add(&c->p.line, "There are %llu messages in ", (unsigned long long)e->number);
    ph_text_clean(&c->p.line, dst_name(NULL, e));
    ph_buf_add_z(&c->p.line, " on the dest");
    if (e->unique)
        ph_text_add(&c->p.line, " (%llu with unique Message-IDs)", (unsigned long long)e->unique);
    put(&c->p, e);
}

static void add_limit(struct ph_buf *out, double mb)
{
    ph_text_add(out, "%g", mb);
}

static void skipped(struct printer *c, const struct ph_event *e)
{
    if (!e->reason || strcmp(e->reason, "too-big") != 0)
        return;
    ph_text_add(&c->p.line, "Skipping message %lu because its size (%llu) exceeds the ", (unsigned long)e->uid,
                (unsigned long long)e->size);
    add_limit(&c->p.line, c->p.o.size_limit_mb);
    ph_buf_add_z(&c->p.line, " MB limit");
    put(&c->p, e);
    ph_text_add(&c->skipped, "   %llu bytes  ", (unsigned long long)e->size);
    ph_text_clean(&c->skipped, e->folder);
    ph_buf_add_z(&c->skipped, "  ");
    ph_text_clean(&c->skipped, e->detail);
    ph_buf_add_char(&c->skipped, '\n');
}

static void copied(struct printer *c, const struct ph_tally *f, const struct ph_event *e)
{
    if (c->p.o.every && f->copied % c->p.o.every == 0) {
        ph_text_add(&c->p.line, "Copied %llu of %llu messages from ", (unsigned long long)f->copied,
                    (unsigned long long)f->planned);
        ph_text_clean(&c->p.line, e->folder);
        put(&c->p, e);
    }
}

static void message(struct printer *c, const struct ph_tally *f, const struct ph_event *e)
{
    switch (e->action) {
    case PH_ACT_COPIED:
    case PH_ACT_REPAIRED:
        copied(c, f, e);
        break;
    case PH_ACT_SKIPPED:
        skipped(c, e);
        break;
    case PH_ACT_REFUSED:
        ph_buf_add_z(&c->p.line, "unexpected APPEND response: ");
        ph_text_clean(&c->p.line, e->reason);
        ph_text_add(&c->p.line, " (UID %lu of ", (unsigned long)e->uid);
        ph_text_clean(&c->p.line, e->folder);
        ph_buf_add_char(&c->p.line, ')');
        put(&c->p, e);
        break;
    case PH_ACT_MISSING:
        ph_text_add(&c->p.line, "Error fetching UID %lu of ", (unsigned long)e->uid);
        ph_text_clean(&c->p.line, e->folder);
        if (e->reason) {
            ph_buf_add_z(&c->p.line, ": ");
            ph_text_clean(&c->p.line, e->reason);
        }
        put(&c->p, e);
        break;
    case PH_ACT_WOULD_COPY:
        ph_text_add(&c->p.line, "Would copy UID %lu of ", (unsigned long)e->uid);
        ph_text_clean(&c->p.line, e->folder);
        if (c->p.o.verbose || c->p.o.debug)
            put(&c->p, e);
        ph_buf_clear(&c->p.line);
        break;
    default:
        break;
    }
}

static void purged(struct printer *c, uint64_t n, const char *name, const struct ph_event *e)
{
    if (!n)
        return;
    ph_text_add(&c->p.line, "%llu message(s) purged from ", (unsigned long long)n);
    ph_text_clean(&c->p.line, name);
    put(&c->p, e);
}

static void folder_done(struct printer *c, const struct ph_tally *f, const struct ph_event *e)
{
    ph_text_add(&c->p.line, "Copied %llu messages to ", (unsigned long long)f->copied);
    ph_text_clean(&c->p.line, dst_name(f, e));
    put(&c->p, e);
    purged(c, f->expunged_dst, dst_name(f, e), e);
    purged(c, f->expunged_src, f->name, e);
}

static void done(struct printer *c, const struct ph_event *e)
{
    uint64_t total = 0;

    if (e->err && e->totals && !e->totals->copied)
        return;

    for (struct ph_tally *f = c->tallies.first; f; f = f->next)
        total += f->copied;
    if (ph_buf_len(&c->skipped)) {
        ph_buf_add_z(&c->p.line, "Messages skipped because of their size:\n");
        ph_buf_add(&c->p.line, ph_buf_data(&c->skipped), ph_buf_len(&c->skipped) - 1);
        put(&c->p, e);
    }
    for (struct ph_tally *f = c->tallies.first; f; f = f->next) {
        if (!f->copied)
            continue;
        ph_text_add(&c->p.line, "Copied %llu messages from ", (unsigned long long)f->copied);
        ph_text_clean(&c->p.line, f->name);
        put(&c->p, e);
    }
    ph_text_add(&c->p.line, "Copied %llu total messages", (unsigned long long)total);
    put(&c->p, e);
    if (e->err)
        return;
    ph_buf_add_z(&c->p.line, "Done");
    put(&c->p, e);
}

static void problem(struct ph_printer *p, const struct ph_event *e)
{
    if (e->kind == PH_EV_NOTICE && e->side)
        ph_buf_add_z(&p->line, e->side == 'd' ? "destination: " : "source: ");
    if (e->folder) {
        ph_text_clean(&p->line, e->folder);
        if (e->uid)
            ph_text_add(&p->line, ", UID %lu", (unsigned long)e->uid);
        ph_buf_add_z(&p->line, ": ");
    }
    ph_text_clean(&p->line, e->err ? e->err->text : e->text);
    put(p, e);
}

static void event(struct ph_printer *p, const struct ph_event *e)
{
    struct printer *c = (struct printer *)p;
    struct ph_tally *f = ph_tallies_take(&c->tallies, e);

    switch (e->kind) {
    case PH_EV_START:
        ph_text_add(&p->line, "%s starting", p->o.program);
        put(p, e);
        break;
    case PH_EV_CONNECTED:
        ph_buf_add_z(&p->line, "Connected to ");
        ph_text_clean(&p->line, e->text);
        ph_text_add(&p->line, " on port %llu", (unsigned long long)e->number);
        put(p, e);
        break;
    case PH_EV_FOLDERS:
        ph_text_add(&p->line, "Number of mailboxes to process: %llu", (unsigned long long)e->number);
        put(p, e);
        break;
    case PH_EV_FOLDER_START:
        folder_start(c, e);
        break;
    case PH_EV_MESSAGE:
        if (f)
            message(c, f, e);
        break;
    case PH_EV_FOLDER_DONE:
        if (f)
            folder_done(c, f, e);
        break;
    case PH_EV_PROBLEM:
    case PH_EV_NOTICE:
        problem(p, e);
        break;
    case PH_EV_FOLDER_CREATED:
        ph_buf_add_z(&p->line, "Created mailbox ");
        ph_text_clean(&p->line, e->dst_folder ? e->dst_folder : e->folder);
        if (p->o.debug)
            put(p, e);
        ph_buf_clear(&p->line);
        break;
    case PH_EV_TRACE:
        ph_trace_line(e, false, &p->line);
        put(p, e);
        break;
    case PH_EV_DONE:
        done(c, e);
        break;
    case PH_EV_PLAN:
    case PH_EV_PROGRESS:
    case PH_EV_DIFFERENCE:
        break;
    }
}

static void classic_free(struct ph_printer *p)
{
    struct printer *c = (struct printer *)p;

    ph_tallies_done(&c->tallies);
    ph_buf_done(&c->skipped);
    ph_buf_done(&p->line);
    free(c);
}

struct ph_printer *ph_imapcopy_printer_new(struct ph_pages *pages, const struct ph_printer_options *o)
{
    static const struct ph_printer_ops ops = { event, classic_free };
    struct printer *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->p = (struct ph_printer){ .ops = &ops, .pages = pages, .o = *o };
    ph_tallies_init(&c->tallies);
    return &c->p;
}
