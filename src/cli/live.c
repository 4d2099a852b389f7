/* live.c: keeping and drawing the display. What the bar says is in live_bar.c. */
#include "cli/live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/live_private.h"
#include "cli/pages.h"
#include "cli/text.h"

enum { MOST_LINES = 8 };

struct ph_live {
    struct ph_live_options o;
    struct ph_live_state s;
    unsigned n_drawn, widths[MOST_LINES]; /* what stands on the terminal now; the cursor is at its end */
    int64_t drawn_ms;
    struct ph_buf out;
};

struct ph_live *ph_live_new(const struct ph_live_options *o)
{
    struct ph_live *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->o = *o;
    ph_live_state_init(&l->s);
    l->drawn_ms = INT64_MIN / 2;
    return l;
}

static void size_of(const struct ph_live *l, unsigned *columns, unsigned *rows)
{
    struct winsize w = { 0 };

    if (l->o.fd < 0 || ioctl(l->o.fd, TIOCGWINSZ, &w))
        w = (struct winsize){ 0 };
    *columns = w.ws_col ? w.ws_col : 80;
    *rows = w.ws_row ? w.ws_row : 24;
}

/* To the first column of the first line that is drawn. A terminal that became narrower has wrapped them. */
static void go_home(struct ph_live *l, unsigned columns)
{
    unsigned up = 0;

    for (unsigned i = 0; i < l->n_drawn; i++)
        up += l->widths[i] > columns ? (l->widths[i] - 1) / columns + 1 : 1;
    ph_buf_add_char(&l->out, '\r');
    if (up > 1)
        ph_text_add(&l->out, "\x1b[%uA", up - 1);
}

static void flush(struct ph_live *l)
{
    if (l->o.fd >= 0)
        ph_write_all(l->o.fd, ph_buf_data(&l->out), ph_buf_len(&l->out));
    ph_buf_clear(&l->out);
}

static void erase(struct ph_live *l, unsigned columns)
{
    if (l->n_drawn) {
        go_home(l, columns);
        ph_buf_add_z(&l->out, "\x1b[J");
    }
    l->n_drawn = 0;
}

/* Colour is put around the bar here, so that widths are counted without it. */
static void add_line(struct ph_live *l, struct ph_str line, bool bar)
{
    size_t start = 0;

    if (bar && l->o.color) { /* percentage, then the bar up to the double blank */
        start = line.n < 5 ? line.n : 5;
        ph_buf_add(&l->out, line.p, start);
        const char *end = memmem(line.p + start, line.n - start, "  ", 2);
        size_t n = end ? (size_t)(end - line.p) - start : 0;
        ph_buf_add_z(&l->out, "\x1b[32m");
        ph_buf_add(&l->out, line.p + start, n);
        ph_buf_add_z(&l->out, "\x1b[0m");
        start += n;
    }
    ph_buf_add(&l->out, line.p + start, line.n - start);
}

static void draw(struct ph_live *l, int64_t now_ms)
{
    unsigned columns, rows, n = 0;
    struct ph_buf text = PH_BUF_INIT;

    size_of(l, &columns, &rows);
    ph_live_render(l, now_ms, columns, rows, &text);
    if (l->n_drawn)
        go_home(l, columns);
    struct ph_str rest = ph_buf_str(&text);
    while (rest.n && n < MOST_LINES) {
        const char *nl = memchr(rest.p, '\n', rest.n);
        struct ph_str line = { rest.p, nl ? (size_t)(nl - rest.p) : rest.n };
        if (n)
            ph_buf_add_z(&l->out, "\r\n");
        add_line(l, line, !nl);
        ph_buf_add_z(&l->out, "\x1b[K");
        l->widths[n++] = (unsigned)ph_text_width(line);
        rest.p += line.n + (nl != NULL);
        rest.n -= line.n + (nl != NULL);
    }
    ph_buf_add_z(&l->out, "\x1b[J");
    l->n_drawn = n;
    l->drawn_ms = now_ms;
    flush(l);
    ph_buf_done(&text);
}

void ph_live_draw(struct ph_live *l, int64_t now_ms, bool force)
{
    if (force || now_ms - l->drawn_ms >= 100)
        draw(l, now_ms);
}

void ph_live_above(struct ph_live *l, const char *text)
{
    unsigned columns, rows;

    size_of(l, &columns, &rows);
    erase(l, columns);
    for (; *text; text++) {
        if (*text == '\n')
            ph_buf_add_char(&l->out, '\r');
        ph_buf_add_char(&l->out, *text);
    }
    ph_buf_add_z(&l->out, "\r\n");
    l->drawn_ms = INT64_MIN / 2;
    flush(l);
}

void ph_live_forget(struct ph_live *l)
{
    l->n_drawn = 0;
}

void ph_live_say(struct ph_live *l, const char *state)
{
    l->s.state = state;
}

void ph_live_event(struct ph_live *l, const struct ph_event *e, int64_t now_ms)
{
    ph_live_take(&l->s, e, now_ms);
}

void ph_live_render(struct ph_live *l, int64_t now_ms, unsigned columns, unsigned rows, struct ph_buf *out)
{
    l->s.audit = l->o.audit;
    l->s.dry_run = l->o.dry_run;
    l->s.utf8 = l->o.utf8;
    ph_live_folder_lines(&l->s, columns, rows, out);
    ph_live_bar_line(&l->s, now_ms, columns, out);
}

void ph_live_free(struct ph_live *l)
{
    unsigned columns, rows;

    if (!l)
        return;
    size_of(l, &columns, &rows);
    erase(l, columns);
    flush(l);
    ph_buf_done(&l->out);
    ph_live_state_done(&l->s);
    free(l);
}
