#include "cli/output.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/str.h"
#include "cli/live.h"
#include "cli/signals.h"

enum { MOST_NOTICES = 64 };

struct ph_output {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t ticker;
    bool ticking, ending;
    struct ph_pages pages;
    struct ph_printer *printer;
    enum ph_style style;
    const char *log;
    unsigned continued;
    uint64_t notices[MOST_NOTICES]; /* hashes of those that connections gave */
    unsigned next_notice;
};

static bool says_utf8(const char *v)
{
    for (; v && *v; v++)
        if (strncasecmp(v, "utf-8", 5) == 0 || strncasecmp(v, "utf8", 4) == 0)
            return true;
    return false;
}

static bool terminal_is_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return says_utf8(v);
    }
    return false;
}

static bool wants_live(const struct ph_output_options *o)
{
    const char *term = getenv("TERM");
    bool trace_on_screen = o->printer.trace && !o->log;

    return o->style == PH_STYLE_PEOPLE && !o->printer.quiet && !o->no_progress && !trace_on_screen && isatty(o->screen) &&
           term && *term && strcmp(term, "dumb") != 0;
}

static struct ph_live *make_live(const struct ph_output_options *o)
{
    const char *no_color = getenv("NO_COLOR");
    struct ph_live_options lo = { .fd = o->screen, .color = !(no_color && *no_color), .utf8 = terminal_is_utf8(),
                                  .audit = o->printer.audit, .dry_run = o->printer.dry_run };

    return ph_live_new(&lo);
}

/* Redraws while no event comes, so that the clock goes on and a stall is seen. */
static void *tick(void *ctx)
{
    struct ph_output *o = ctx;

    pthread_mutex_lock(&o->lock);
    while (!o->ending) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200 * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&o->wake, &o->lock, &until);
        if (o->ending)
            break;
        unsigned continued = ph_signals_continued();
        if (continued != o->continued) {
            o->continued = continued;
            ph_live_forget(o->pages.live);
        }
        if (ph_signals_stop())
            ph_live_say(o->pages.live, "stopping");
        ph_live_draw(o->pages.live, ph_now_ms(), false);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

static struct ph_printer *make_printer(struct ph_output *o, const struct ph_printer_options *po)
{
    switch (o->style) {
    case PH_STYLE_JSON:
        return ph_json_printer_new(&o->pages, po);
    case PH_STYLE_IMAPCOPY:
        return ph_imapcopy_printer_new(&o->pages, po);
    case PH_STYLE_IMAP_AUDIT:
        return ph_imap_audit_printer_new(&o->pages, po);
    case PH_STYLE_PEOPLE:
        break;
    }
    return ph_plain_printer_new(&o->pages, po);
}

int ph_output_new(const struct ph_output_options *opt, struct ph_output **out, struct ph_err *err)
{
    struct ph_output *o = calloc(1, sizeof *o);

    if (!o)
        return ph_fail_memory(err);
    o->style = opt->style;
    o->log = opt->log;
    o->pages = (struct ph_pages){ .screen = opt->screen, .errors = opt->errors, .log = -1 };
    o->pages.stamp = opt->style == PH_STYLE_IMAPCOPY || opt->style == PH_STYLE_IMAP_AUDIT ? PH_STAMP_CLASSIC : PH_STAMP_ISO;
    if (opt->log && ph_pages_open_log(&o->pages, opt->log, err)) {
        free(o);
        return -1;
    }
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->wake, NULL);
    o->printer = make_printer(o, &opt->printer);
    if (o->printer && wants_live(opt)) {
        o->pages.live = make_live(opt);
        o->continued = ph_signals_continued();
        o->ticking = o->pages.live && pthread_create(&o->ticker, NULL, tick, o) == 0;
    }
    if (!o->printer) {
        ph_output_free(o, NULL);
        return ph_fail_memory(err);
    }
    *out = o;
    return 0;
}

void ph_output_event(void *output, const struct ph_event *e)
{
    struct ph_output *o = output;
    struct ph_event dated = *e;

    if (!dated.time_ms) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        dated.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    pthread_mutex_lock(&o->lock);
    if (o->pages.live) {
        ph_live_event(o->pages.live, &dated, ph_now_ms());
        if (dated.kind == PH_EV_DONE) { /* the summary takes its place */
            ph_live_free(o->pages.live);
            o->pages.live = NULL;
            o->ending = true;
            pthread_cond_signal(&o->wake);
        }
    }
    o->printer->ops->event(o->printer, &dated);
    if (o->pages.live)
        ph_live_draw(o->pages.live, ph_now_ms(), false);
    pthread_mutex_unlock(&o->lock);
}

/* The text without what stands in literals: "{175}" and its octets become "{175 bytes}". */
static void without_literals(struct ph_buf *out, const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end) {
        const char *brace = memchr(p, '{', (size_t)(end - p));
        size_t digits = 0, size = 0;
        if (brace)
            while (brace + 1 + digits < end && brace[1 + digits] >= '0' && brace[1 + digits] <= '9' && digits < 15)
                size = size * 10 + (size_t)(brace[1 + digits++] - '0');
        const char *behind = brace ? brace + 1 + digits : end;
        if (behind < end && *behind == '+')
            behind++;
        bool literal = brace && digits && end - behind >= 3 && behind[0] == '}' && behind[1] == '\r' && behind[2] == '\n';
        if (!literal) {
            behind = brace ? brace + 1 : end;
            ph_buf_add(out, p, (size_t)(behind - p));
            p = behind;
            continue;
        }
        ph_buf_add(out, p, (size_t)(brace + 1 + digits - p));
        ph_buf_add_z(out, " bytes}");
        p = behind + 3;
        p += size < (size_t)(end - p) ? size : (size_t)(end - p);
    }
}

void ph_output_trace(void *side, unsigned connection, bool sent, const char *line, size_t n)
{
    struct ph_output_side *s = side;
    struct ph_buf text = PH_BUF_INIT;

    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    without_literals(&text, line, n);
    struct ph_event e = { .kind = PH_EV_TRACE, .side = s->side, .text = ph_buf_z(&text), .number = connection, .sent = sent };
    ph_output_event(s->output, &e);
    ph_buf_done(&text);
}

static uint64_t hash_notice(char side, const char *text)
{
    uint64_t h = 0xcbf29ce484222325u ^ (unsigned char)side;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static bool said_before(struct ph_output *o, uint64_t hash)
{
    bool found = false;

    pthread_mutex_lock(&o->lock);
    for (unsigned i = 0; i < MOST_NOTICES && !found; i++)
        found = o->notices[i] == hash;
    if (!found)
        o->notices[o->next_notice++ % MOST_NOTICES] = hash;
    pthread_mutex_unlock(&o->lock);
    return found;
}

void ph_output_notice(void *side, const char *text)
{
    struct ph_output_side *s = side;
    struct ph_event e = { .kind = PH_EV_NOTICE, .side = s->side, .text = text };

    if (!said_before(s->output, hash_notice(s->side, text)))
        ph_output_event(s->output, &e);
}

void ph_output_connected(void *side, const char *security)
{
    struct ph_output_side *s = side;
    struct ph_event e = { .kind = PH_EV_CONNECTED, .side = s->side, .text = s->host, .number = s->port, .detail = security };

    ph_output_event(s->output, &e);
}

int ph_output_free(struct ph_output *o, struct ph_err *err)
{
    int rc = 0;

    if (!o)
        return 0;
    if (o->ticking) {
        pthread_mutex_lock(&o->lock);
        o->ending = true;
        pthread_cond_signal(&o->wake);
        pthread_mutex_unlock(&o->lock);
        pthread_join(o->ticker, NULL);
    }
    ph_live_free(o->pages.live);
    o->pages.live = NULL;
    if (o->printer)
        o->printer->ops->free(o->printer);
    bool screen_broken = o->pages.screen_broken;
    ph_pages_done(&o->pages);
    if (o->pages.log_errno)
        rc = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, o->pages.log_errno, "log file %s", o->log);
    else if (screen_broken && o->style == PH_STYLE_JSON)
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "the output could not be written");
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    free(o);
    return rc;
}
