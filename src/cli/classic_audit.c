/* classic_audit.c: the lines of imap_audit. Folders may be compared side by side, so each one's lines are kept until it
 * is done; a folder with very many missing messages prints them early rather than keep them all. */
#include "cli/printer.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/text.h"

enum { KEEP_AT_MOST = 4 << 20 };

struct folder {
    char *name;
    uint64_t src, dst, missing;
    struct ph_buf lines;
    bool opened; /* its first lines are out */
    struct folder *next;
};

struct printer {
    struct ph_printer p;
    struct folder *active;
    uint64_t total, missing;
};

static void put(struct ph_printer *p, const char *text, const struct ph_event *e)
{
    ph_pages_put(p->pages, (p->o.quiet ? 0 : PH_TO_SCREEN) | PH_TO_LOG, text, e->time_ms);
}

static void put_line(struct ph_printer *p, const struct ph_event *e)
{
    put(p, ph_buf_z(&p->line), e);
    ph_buf_clear(&p->line);
}

static struct folder **find(struct printer *c, const char *name)
{
    struct folder **f = &c->active;

    while (*f && strcmp((*f)->name, name ? name : "") != 0)
        f = &(*f)->next;
    return f;
}

static struct folder *at_work(struct printer *c, const struct ph_event *e)
{
    struct folder **f = find(c, e->folder);

    if (!*f && (*f = calloc(1, sizeof **f)) && !((*f)->name = ph_str_dup(ph_str(e->folder ? e->folder : "")))) {
        free(*f);
        *f = NULL;
    }
    return *f;
}

static void open_folder(struct printer *c, struct folder *f, const struct ph_event *e)
{
    struct ph_buf *b = &c->p.line;

    if (f->opened)
        return;
    f->opened = true;
    ph_buf_add_z(b, "Mailbox ");
    ph_text_clean(b, f->name);
    ph_text_add(b, "\n   There are %llu messages in ", (unsigned long long)f->src);
    ph_text_clean(b, f->name);
    ph_buf_add_z(b, " on the source");
    if (c->p.o.counts_only) {
        ph_text_add(b, "\n   There are %llu messages in ", (unsigned long long)f->dst);
        ph_text_clean(b, f->name);
        ph_buf_add_z(b, " on the destination");
        if (f->dst < f->src)
            ph_text_add(b, "\n   The destination has %llu messages fewer", (unsigned long long)(f->src - f->dst));
    }
    put_line(&c->p, e);
}

static void spill(struct printer *c, struct folder *f, const struct ph_event *e)
{
    if (!ph_buf_len(&f->lines))
        return;
    ph_buf_add(&c->p.line, ph_buf_data(&f->lines), ph_buf_len(&f->lines) - 1);
    put_line(&c->p, e);
    ph_buf_clear(&f->lines);
}

static void difference(struct printer *c, const struct ph_event *e)
{
    struct folder *f = at_work(c, e);

    if (!f || !e->reason || strcmp(e->reason, "missing") != 0)
        return;
    f->missing++;
    ph_buf_add_z(&f->lines, "      ");
    ph_text_clean(&f->lines, e->text && *e->text ? e->text : "(no subject)");
    if (c->p.o.show_keys && e->detail) {
        ph_buf_add_z(&f->lines, "  ");
        ph_text_clean(&f->lines, e->detail);
    }
    ph_buf_add_char(&f->lines, '\n');
    if (ph_buf_len(&f->lines) > KEEP_AT_MOST) {
        open_folder(c, f, e);
        spill(c, f, e);
    }
}

static void folder_done(struct printer *c, const struct ph_event *e)
{
    struct folder **at = find(c, e->folder), *f = at_work(c, e);

    if (!f)
        return;
    open_folder(c, f, e);
    if (!c->p.o.counts_only && f->missing == 0) {
        put(&c->p, "   There are no missing messages on the destination", e);
    } else if (!c->p.o.counts_only) {
        ph_text_add(&c->p.line, "   There are %llu messages missing from ", (unsigned long long)f->missing);
        ph_text_clean(&c->p.line, f->name);
        ph_buf_add_z(&c->p.line, " on the destination");
        put_line(&c->p, e);
        spill(c, f, e);
    }
    c->total += f->src;
    c->missing += c->p.o.counts_only ? (f->dst < f->src ? f->src - f->dst : 0) : f->missing;
    *at = f->next;
    ph_buf_done(&f->lines);
    free(f->name);
    free(f);
}

static void done(struct printer *c, const struct ph_event *e)
{
    ph_text_add(&c->p.line, "Total messages %llu", (unsigned long long)c->total);
    put_line(&c->p, e);
    ph_text_add(&c->p.line, "Missing messages %llu", (unsigned long long)c->missing);
    put_line(&c->p, e);
}

static void event(struct ph_printer *p, const struct ph_event *e)
{
    struct printer *c = (struct printer *)p;
    struct folder *f;

    switch (e->kind) {
    case PH_EV_START:
        ph_text_add(&p->line, "%s starting...", p->o.program);
        put_line(p, e);
        break;
    case PH_EV_CONNECTED:
        ph_buf_add_z(&p->line, "Connected to ");
        ph_text_clean(&p->line, e->text);
        ph_text_add(&p->line, " on port %llu", (unsigned long long)e->number);
        if (p->o.debug || p->o.verbose)
            put_line(p, e);
        ph_buf_clear(&p->line);
        break;
    case PH_EV_FOLDER_START:
        if ((f = at_work(c, e))) {
            f->src = e->messages;
            f->dst = e->number;
        }
        break;
    case PH_EV_DIFFERENCE:
        difference(c, e);
        break;
    case PH_EV_FOLDER_DONE:
        folder_done(c, e);
        break;
    case PH_EV_PROBLEM:
    case PH_EV_NOTICE:
        if (e->kind == PH_EV_NOTICE && e->side)
            ph_buf_add_z(&p->line, e->side == 'd' ? "destination: " : "source: ");
        if (e->folder) {
            ph_text_clean(&p->line, e->folder);
            ph_buf_add_z(&p->line, ": ");
        }
        ph_text_clean(&p->line, e->err ? e->err->text : e->text);
        put_line(p, e);
        break;
    case PH_EV_TRACE:
        ph_trace_line(e, false, &p->line);
        put_line(p, e);
        break;
    case PH_EV_DONE:
        if (!e->err)
            done(c, e);
        break;
    default:
        break;
    }
}

static void classic_free(struct ph_printer *p)
{
    struct printer *c = (struct printer *)p;

    while (c->active) {
        struct folder *f = c->active;
        c->active = f->next;
        ph_buf_done(&f->lines);
        free(f->name);
        free(f);
    }
    ph_buf_done(&p->line);
    free(c);
}

struct ph_printer *ph_imap_audit_printer_new(struct ph_pages *pages, const struct ph_printer_options *o)
{
    static const struct ph_printer_ops ops = { event, classic_free };
    struct printer *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->p = (struct ph_printer){ .ops = &ops, .pages = pages, .o = *o };
    return &c->p;
}
