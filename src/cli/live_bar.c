/* live_bar.c: what the progress display says: folders at work, share, rates, remaining time. */
#include "cli/live_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/text.h"

/* ---- events ---- */

static uint64_t messages_done(const struct ph_live_state *s)
{
    return s->audit ? s->t.compared : s->t.copied + s->t.refused + s->t.missing;
}

static void sample(struct ph_live_state *s, int64_t now_ms)
{
    unsigned last = (s->next_sample + PH_LIVE_SAMPLES - 1) % PH_LIVE_SAMPLES;

    if (s->n_samples && now_ms - s->sample[last].ms < 250)
        return;
    s->sample[s->next_sample].ms = now_ms;
    s->sample[s->next_sample].messages = messages_done(s);
    s->sample[s->next_sample].bytes = s->t.copied_bytes;
    s->next_sample = (s->next_sample + 1) % PH_LIVE_SAMPLES;
    if (s->n_samples < PH_LIVE_SAMPLES)
        s->n_samples++;
}

void ph_live_take(struct ph_live_state *s, const struct ph_event *e, int64_t now_ms)
{
    if (!s->start_ms)
        s->start_ms = now_ms;
    if (e->totals && (e->kind == PH_EV_PROGRESS || e->kind == PH_EV_DONE))
        s->t = *e->totals;
    if (e->kind == PH_EV_FOLDERS)
        s->folders = e->number;
    else if (e->kind == PH_EV_PLAN)
        s->planned_folders++;
    ph_tallies_take(&s->tallies, e);
    sample(s, now_ms);
}

void ph_live_state_init(struct ph_live_state *s)
{
    ph_tallies_init(&s->tallies);
}

void ph_live_state_done(struct ph_live_state *s)
{
    ph_tallies_done(&s->tallies);
}

/* ---- lines ---- */

/* At work: something of what was planned is done and something is not; in an audit: looked at last. */
static bool at_work(const struct ph_live_state *s, const struct ph_tally *f)
{
    uint64_t settled = ph_tally_settled(f);

    return s->audit ? !f->done && f->src_messages > 0 : settled > 0 && settled < f->planned;
}

void ph_live_folder_lines(struct ph_live_state *s, unsigned columns, unsigned rows, struct ph_buf *out)
{
    unsigned most = rows < 4 || columns < 24 ? 0 : rows < 10 ? 1 : 4, shown = 0, more = 0;
    struct ph_buf count = PH_BUF_INIT;

    for (struct ph_tally *f = s->tallies.first; f && most; f = f->next) {
        if (!at_work(s, f))
            continue;
        if (shown == most) {
            more++;
            continue;
        }
        ph_buf_clear(&count);
        if (!s->audit) {
            ph_text_number(&count, ph_tally_settled(f));
            ph_buf_add_z(&count, " of ");
        }
        ph_text_number(&count, s->audit ? f->src_messages : f->planned);
        size_t w = ph_buf_len(&count), name = columns - 1 - 2 - w - 2;
        if (w + 5 > columns)
            continue;
        if (name > 48)
            name = 48;
        ph_text_spaces(out, 2);
        ph_text_fit(out, f->name, name, false);
        ph_text_spaces(out, 2);
        ph_buf_add_str(out, ph_buf_str(&count));
        ph_buf_add_char(out, '\n');
        shown++;
    }
    if (more && shown)
        ph_text_add(out, "  and %u more\n", more);
    ph_buf_done(&count);
}

/* A share in 0..1; before everything is planned it is scaled by what is planned, so that the bar does not run ahead. */
static double share(const struct ph_live_state *s)
{
    double f = 0, folders = s->folders ? (double)s->planned_folders / (double)s->folders : 0;

    if (s->audit)
        return s->t.messages ? (double)s->t.compared / (double)s->t.messages
               : s->folders  ? (double)s->t.folders_done / (double)s->folders
                             : 0;
    if (s->t.messages == 0)
        return folders >= 1 ? 1 : folders;
    f = (double)messages_done(s) / (double)s->t.messages;
    if (s->t.bytes) /* few large messages take as long as many small ones: half and half */
        f = (f + (double)s->t.copied_bytes / (double)s->t.bytes) / 2;
    f *= folders < 1 && s->folders ? folders : 1;
    return f > 1 ? 1 : f;
}

struct rates {
    double messages, bytes; /* a second */
    int64_t left_ms;        /* -1: not known */
};

static struct rates rates_of(const struct ph_live_state *s, int64_t now_ms)
{
    struct rates r = { 0, 0, -1 };
    unsigned oldest = (s->next_sample + PH_LIVE_SAMPLES - s->n_samples) % PH_LIVE_SAMPLES;

    if (s->n_samples == 0)
        return r;
    int64_t ms = now_ms - s->sample[oldest].ms;
    if (ms < 500)
        return r;
    r.messages = (double)(messages_done(s) - s->sample[oldest].messages) * 1000 / (double)ms;
    r.bytes = (double)(s->t.copied_bytes - s->sample[oldest].bytes) * 1000 / (double)ms;
    bool all_planned = s->folders && (s->audit ? s->t.messages > 0 : s->planned_folders >= s->folders);
    if (!all_planned || now_ms - s->start_ms < 1500)
        return r;
    double left = 0;
    if (r.messages > 0 && s->t.messages > messages_done(s))
        left = (double)(s->t.messages - messages_done(s)) / r.messages;
    if (r.bytes > 0 && s->t.bytes > s->t.copied_bytes && (double)(s->t.bytes - s->t.copied_bytes) / r.bytes > left)
        left = (double)(s->t.bytes - s->t.copied_bytes) / r.bytes;
    if ((r.messages > 0 || r.bytes > 0) && left < 86400.0 * 30)
        r.left_ms = (int64_t)(left * 1000);
    return r;
}

static void draw_bar(double f, unsigned width, bool utf8, struct ph_buf *out)
{
    static const char *const eighths[] = { "", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d",
                                           "\xe2\x96\x8c", "\xe2\x96\x8b", "\xe2\x96\x8a", "\xe2\x96\x89" };
    unsigned units = (unsigned)(f * width * 8 + 0.5), full = units / 8, part = units % 8, used = full;

    for (unsigned i = 0; i < full; i++)
        ph_buf_add_z(out, utf8 ? "\xe2\x96\x88" : "#");
    if (utf8 && part) {
        ph_buf_add_z(out, eighths[part]);
        used++;
    }
    for (; used < width; used++)
        ph_buf_add_z(out, utf8 ? "\xe2\x96\x91" : "-");
}

/* The pieces behind the bar, the most dispensable ones last in `keep_order`. */
enum { COUNT, BYTES, BYTE_RATE, MESSAGE_RATE, LEFT, PIECES };
static const unsigned char keep_order[PIECES] = { LEFT, COUNT, BYTE_RATE, MESSAGE_RATE, BYTES };

static void make_pieces(const struct ph_live_state *s, int64_t now_ms, struct ph_buf *piece)
{
    struct rates r = rates_of(s, now_ms);

    ph_text_number(&piece[COUNT], messages_done(s));
    if (s->t.messages) {
        ph_buf_add_z(&piece[COUNT], " of ");
        ph_text_number(&piece[COUNT], s->t.messages);
    }
    if (s->t.copied_bytes)
        ph_text_bytes(&piece[BYTES], s->t.copied_bytes);
    if (r.bytes >= 1)
        ph_text_add(&piece[BYTE_RATE], "%.1f MB/s", r.bytes / 1e6);
    if (r.messages > 0) {
        ph_text_number(&piece[MESSAGE_RATE], (uint64_t)(r.messages + 0.5));
        ph_buf_add_z(&piece[MESSAGE_RATE], " msg/s");
    }
    if (s->state) {
        ph_buf_add_z(&piece[LEFT], s->state);
    } else if (r.left_ms >= 0) {
        ph_text_duration(&piece[LEFT], r.left_ms + 999);
        ph_buf_add_z(&piece[LEFT], " left");
    } else {
        ph_text_duration(&piece[LEFT], now_ms - s->start_ms);
    }
}

void ph_live_bar_line(struct ph_live_state *s, int64_t now_ms, unsigned columns, struct ph_buf *out)
{
    struct ph_buf piece[PIECES] = { 0 };
    bool keep[PIECES] = { false };
    double f = share(s);
    unsigned room = columns > 3 ? columns - 3 : 1, used = 5; /* "100% "; the echo of ^C must not wrap the line */

    ph_text_add(out, "%3u%%", (unsigned)(f * 100));
    make_pieces(s, now_ms, piece);
    for (unsigned i = 0; i < PIECES; i++) {
        unsigned p = keep_order[i];
        unsigned w = (unsigned)ph_text_width(ph_buf_str(&piece[p]));
        unsigned bar = i < 2 ? 0 : 12; /* the first two are worth more than a bar */
        if (w && used + 2 + w + bar <= room) {
            keep[p] = true;
            used += 2 + w;
        }
    }
    if (used + 8 <= room) {
        unsigned width = room - used > 40 ? 40 : room - used;
        ph_buf_add_char(out, ' ');
        draw_bar(f, width, s->utf8, out);
    }
    for (unsigned p = 0; p < PIECES; p++) {
        if (keep[p]) {
            ph_buf_add_z(out, "  ");
            ph_buf_add_str(out, ph_buf_str(&piece[p]));
        }
        ph_buf_done(&piece[p]);
    }
}
