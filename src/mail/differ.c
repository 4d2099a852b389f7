#include "mail/differ.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/essence.h"

#define HEADER_MAX (512u << 10)
#define LONG_LINE 989 /* some carriers break what is longer than 990 */
#define AHEAD 4 /* octets that a decision needs to see */

/* ---- one side ---- */

struct span {
    uint64_t from, to;
};

struct side {
    const struct ph_reader *reader;
    struct ph_buf buf;
    uint64_t at;           /* of the first octet in buf */
    bool end;              /* the reader has no more */
    struct essence *essence;
    /* header fields that only this side has, in order: they are stepped over */
    struct span *skip;
    size_t n_skip, next_skip;
};

static int more(struct side *s, struct ph_err *err)
{
    const char *p;
    size_t n;

    if (s->end)
        return 0;
    if (s->reader->read(s->reader->ctx, &p, &n, err))
        return -1;
    s->end = n == 0;
    if (n && s->essence && essence_feed(s->essence, p, n, err))
        return -1;
    return n && ph_buf_add(&s->buf, p, n) ? ph_fail_memory(err) : 0;
}

static int want(struct side *s, size_t n, struct ph_err *err)
{
    while (!s->end && ph_buf_len(&s->buf) < n)
        if (more(s, err))
            return -1;
    return 0;
}

static void take(struct side *s, size_t n)
{
    ph_buf_consume(&s->buf, n);
    s->at += n;
}

static int peek(const struct side *s, size_t i)
{
    return i < ph_buf_len(&s->buf) ? (unsigned char)s->buf.mem[s->buf.head + i] : -1;
}

/* Step over the fields that are this side's alone; then AHEAD octets are there unless it ends. *room: how many may be
 * compared before the next such field. */
static int ready(struct side *s, size_t *room, struct ph_err *err)
{
    while (s->next_skip < s->n_skip && s->skip[s->next_skip].from == s->at) {
        uint64_t n = s->skip[s->next_skip].to - s->at;
        if (want(s, (size_t)n, err))
            return -1;
        take(s, n < ph_buf_len(&s->buf) ? (size_t)n : ph_buf_len(&s->buf));
        s->next_skip++;
    }
    if (want(s, AHEAD, err))
        return -1;
    *room = ph_buf_len(&s->buf);
    if (s->next_skip < s->n_skip && s->skip[s->next_skip].from - s->at < *room)
        *room = (size_t)(s->skip[s->next_skip].from - s->at);
    return 0;
}

/* ---- header fields of one side alone ---- */

struct field {
    struct ph_str all, name; /* all: with its continuation lines and line ends */
};

/* The field at the front of h, which is cut by it; false at the empty line, and where the header is not all there. `whole`: there is
 * no more of it, so its last line may be without its end. */
static bool next_field(struct ph_str *h, bool whole, struct field *f)
{
    const char *p = h->p, *end = h->p + h->n;
    size_t n = 0;

    if (h->n == 0 || *p == '\r' || *p == '\n')
        return false;
    while (p + n < end && (unsigned char)p[n] > ' ' && p[n] != ':')
        n++;
    f->name = (struct ph_str){ p, n };
    do {
        while (p < end && *p != '\n' && *p != '\r') /* a bare CR, too, may be a line end on the other side */
            p++;
        if (p == end && !whole)
            return false;
        if (p == end)
            break;
        p += *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
    } while (p < end && (*p == ' ' || *p == '\t'));
    f->all = (struct ph_str){ h->p, (size_t)(p - h->p) };
    h->n -= f->all.n;
    h->p = p;
    return true;
}

static bool in_list(struct ph_str name, const char *const *list)
{
    for (; *list; list++)
        if (ph_str_caseis(name, *list))
            return true;
    return false;
}

static bool may_be_added(struct ph_str name)
{
    static const char *const list[] = { "Received", "Return-Path", "Delivered-To", "Envelope-To", "Authentication-Results",
                                        "Received-SPF", "ARC-Seal", "ARC-Message-Signature",
                                        "ARC-Authentication-Results", "Message-ID", "Date", "Status", "Lines", "MIME-Version",
                                        "DKIM-Filter", "Importance", "Auto-Submitted", NULL };

    return ph_str_caseprefix(name, "X-") || in_list(name, list);
}

static bool may_be_removed(struct ph_str name)
{
    static const char *const list[] = { "Status", "X-Status", "X-UID", "X-Keywords", "X-IMAP", "X-IMAPbase", "X-UIDL",
                                        "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys", "Content-Length", "Lines", NULL };

    return in_list(name, list);
}

#define BECAME 'X' /* an octet above 127 in a header of Cyrus */

/* The same but for what the walk explains: line ends, NULs and what they became, 8-bit octets, inserted breaks. */
static bool alike(struct ph_str a, struct ph_str b)
{
    size_t i = 0, k = 0;

    for (;;) {
        while (i < a.n && ((unsigned char)a.p[i] <= ' '))
            i++;
        while (k < b.n && ((unsigned char)b.p[k] <= ' '))
            k++;
        if (i == a.n || k == b.n)
            return i == a.n && k == b.n;
        if (a.p[i] != b.p[k] && ((unsigned char)a.p[i] < 0x80 || b.p[k] != BECAME))
            return false;
        i++;
        k++;
    }
}

static bool has_nul(struct ph_str s)
{
    return s.n && memchr(s.p, 0, s.n) != NULL;
}

static int add_span(struct ph_buf *spans, struct ph_str all, const char *start, unsigned *count)
{
    struct span s = { (uint64_t)(all.p - start), (uint64_t)(all.p - start) + all.n };

    (*count)++;
    return ph_buf_add(spans, (const char *)&s, sizeof s);
}

/* Walk both lists of fields: in step where they are alike, else one of them has a field more. What does not work out is left to
 * the walk, which will not explain it, either. */
static int find_fields(struct side *s, struct side *d, struct ph_buf *only_s, struct ph_buf *only_d,
                       struct ph_difference *out)
{
    struct ph_str hs = ph_buf_str(&s->buf), hd = ph_buf_str(&d->buf);
    const char *start_s = hs.p, *start_d = hd.p;
    struct field fs, fd;
    bool have_s = next_field(&hs, s->end, &fs), have_d = next_field(&hd, d->end, &fd);

    while (have_s || have_d) {
        if (have_s && have_d && (alike(fs.all, fd.all) || (ph_str_caseeq(fs.name, fd.name) && has_nul(fs.all)))) {
            have_s = next_field(&hs, s->end, &fs);
            have_d = next_field(&hd, d->end, &fd);
        } else if (have_d && may_be_added(fd.name)) {
            if (add_span(only_d, fd.all, start_d, &out->fields_added))
                return -1;
            have_d = next_field(&hd, d->end, &fd);
        } else if (have_s && may_be_removed(fs.name)) {
            if (add_span(only_s, fs.all, start_s, &out->fields_removed))
                return -1;
            have_s = next_field(&hs, s->end, &fs);
        } else {
            break;
        }
    }
    return 0;
}

/* Until the header's end is in the buffer, or there is too much of it. */
static int want_header(struct side *s, struct ph_err *err)
{
    size_t from = 0;

    for (;;) {
        struct ph_str b = ph_buf_str(&s->buf);
        while (from < b.n) {
            const char *nl = memchr(b.p + from, '\n', b.n - from);
            if (!nl || nl + 2 >= b.p + b.n)
                break;
            if (nl[1] == '\n' || (nl[1] == '\r' && nl[2] == '\n'))
                return 0;
            from = (size_t)(nl - b.p) + 1;
        }
        if (s->end || b.n > HEADER_MAX)
            return 0;
        if (more(s, err))
            return -1;
    }
}

/* With its empty line; all of it where there is none. */
static size_t header_length(struct ph_str b)
{
    for (size_t from = 0; from < b.n;) {
        const char *nl = memchr(b.p + from, '\n', b.n - from);
        size_t next = nl ? (size_t)(nl - b.p) + 1 : b.n;
        if (next - from == 1 || (next - from == 2 && b.p[from] == '\r'))
            return next;
        from = next;
    }
    return b.n;
}

/* ---- the walk ---- */

struct walk {
    struct side *s, *d;
    struct ph_difference *out;
    uint64_t line;   /* octets of the source's line so far */
    bool broken;     /* the destination has broken it */
    uint64_t body;   /* where the source's body begins */
    int before;      /* the last octet that both had in common, or was stepped over on the source */
    bool nul_known;
};

enum step { STEP_ON, STEP_END, STEP_LOST };

/* The source's line is at its end: if it was broken, had it to be? */
static bool end_line(struct walk *w)
{
    bool ok = !w->broken || w->line > LONG_LINE;

    w->line = 0;
    w->broken = false;
    return ok;
}

/* What both have in common. False: a break that was none. */
static bool common(struct walk *w, size_t room)
{
    const char *a = ph_buf_data(&w->s->buf), *b = ph_buf_data(&w->d->buf);
    size_t n = 0;

    while (n + 8 <= room && memcmp(a + n, b + n, 8) == 0)
        n += 8;
    while (n < room && a[n] == b[n])
        n++;
    if (n == 0)
        return true;
    bool ok = true;
    for (size_t i = 0; i < n;) {
        const char *nl = memchr(a + i, '\n', n - i);
        w->line += nl ? (size_t)(nl - a) - i : n - i;
        if (nl)
            ok &= end_line(w);
        i = nl ? (size_t)(nl - a) + 1 : n;
    }
    w->before = (unsigned char)a[n - 1];
    take(w->s, n);
    take(w->d, n);
    return ok;
}

static void stepped(struct walk *w, size_t src, size_t dst, unsigned what)
{
    if (src)
        w->before = peek(w->s, src - 1);
    take(w->s, src);
    take(w->d, dst);
    w->out->what |= what;
}

static bool nul(struct walk *w)
{
    int d = peek(w->d, 0), became = -1;
    size_t len = 0;

    if (d == 0xef && peek(w->d, 1) == 0xbf && peek(w->d, 2) == 0xbd) {
        became = 0xfffd;
        len = 3;
    } else if (d == 0x80 || d == ' ' || d == '?' || d == '_') {
        became = d;
        len = 1;
    }
    if (w->nul_known) { /* the same every time */
        became = w->out->nul_became;
        len = became < 0 ? 0 : became == 0xfffd ? 3 : 1;
        if (len && !(d == became || (became == 0xfffd && d == 0xef && peek(w->d, 1) == 0xbf && peek(w->d, 2) == 0xbd)))
            return false;
    }
    w->nul_known = true;
    w->out->nul_became = became;
    w->line++;
    stepped(w, 1, len, PH_DIFF_NUL);
    return true;
}

/* The destination has a line end where the source's line goes on. */
static bool line_break(struct walk *w)
{
    size_t mark = peek(w->d, 0) == '!' ? 1 : 0; /* what sendmail puts before it */

    if (w->line < 70 || peek(w->d, mark) != '\r' || peek(w->d, mark + 1) != '\n' || peek(w->s, 0) == '\r' ||
        peek(w->s, 0) == '\n')
        return false;
    bool blank = peek(w->s, 0) == ' ' && !mark && peek(w->d, 2) != ' '; /* it took a blank's place */
    w->line += blank;
    stepped(w, blank, mark + 2, PH_DIFF_LONG_LINES);
    if ((peek(w->d, 0) == ' ' || peek(w->d, 0) == '\t') && peek(w->s, 0) != peek(w->d, 0))
        take(w->d, 1);
    w->broken = true;
    return true;
}

static bool only_line_ends(const struct side *s)
{
    struct ph_str b = ph_buf_str(&s->buf);

    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] != '\r' && b.p[i] != '\n')
            return false;
    return s->end && b.n <= AHEAD;
}

static enum step at_end(struct walk *w)
{
    bool src_end = peek(w->s, 0) < 0, dst_end = peek(w->d, 0) < 0;

    if (!end_line(w))
        return STEP_LOST;
    if (src_end && dst_end)
        return STEP_END;
    if (!only_line_ends(src_end ? w->d : w->s))
        return STEP_LOST;
    w->out->what |= src_end ? PH_DIFF_FINAL_CRLF : PH_DIFF_END_CUT;
    return STEP_END;
}

static enum step step(struct walk *w, struct ph_err *err, int *failed)
{
    size_t room_s, room_d;

    *failed = ready(w->s, &room_s, err) || ready(w->d, &room_d, err);
    if (*failed)
        return STEP_LOST;
    size_t room = room_s < room_d ? room_s : room_d;
    if (room && peek(w->s, 0) == peek(w->d, 0))
        return common(w, room) ? STEP_ON : STEP_LOST;
    if (peek(w->s, 0) == '\n' && w->before != '\r' && peek(w->d, 0) == '\r' && peek(w->d, 1) == '\n') {
        stepped(w, 1, 2, PH_DIFF_CRLF);
        return end_line(w) ? STEP_ON : STEP_LOST;
    }
    if (w->before == '\r' && peek(w->d, 0) == '\n') {
        stepped(w, 0, 1, PH_DIFF_CRLF);
        w->before = '\n';
        w->line -= w->line > 0;
        return end_line(w) ? STEP_ON : STEP_LOST;
    }
    if (peek(w->s, 0) == 0)
        return nul(w) ? STEP_ON : STEP_LOST;
    if (peek(w->s, 0) >= 0x80 && w->s->at < w->body && peek(w->d, 0) == BECAME) {
        w->line++;
        stepped(w, 1, 1, PH_DIFF_HEADER_8BIT);
        return STEP_ON;
    }
    if (peek(w->s, 0) < 0 || peek(w->d, 0) < 0)
        return at_end(w);
    return line_break(w) ? STEP_ON : STEP_LOST;
}

static int walk(struct side *s, struct side *d, struct ph_difference *out, struct ph_err *err)
{
    struct walk w = { .s = s, .d = d, .out = out, .before = -1, .body = header_length(ph_buf_str(&s->buf)) };
    enum step what = STEP_ON;
    int failed = 0;

    while (what == STEP_ON)
        what = step(&w, err, &failed);
    if (failed)
        return -1;
    out->src_at = s->at;
    out->dst_at = d->at;
    if (what == STEP_LOST)
        out->what = PH_DIFF_OTHER;
    return 0;
}

/* ---- */

static int drain(struct side *s, struct ph_err *err)
{
    while (!s->end) {
        take(s, ph_buf_len(&s->buf));
        if (more(s, err))
            return -1;
    }
    return 0;
}

static int compare(struct side *s, struct side *d, struct ph_difference *out, struct ph_buf *only_s, struct ph_buf *only_d,
                   struct ph_err *err)
{
    if (want_header(s, err) || want_header(d, err))
        return -1;
    if (find_fields(s, d, only_s, only_d, out))
        return ph_fail_memory(err);
    s->skip = (struct span *)(void *)ph_buf_data(only_s);
    d->skip = (struct span *)(void *)ph_buf_data(only_d);
    s->n_skip = out->fields_removed;
    d->n_skip = out->fields_added;
    if (walk(s, d, out, err))
        return -1;
    if (out->what & PH_DIFF_OTHER)
        out->fields_added = out->fields_removed = 0;
    else
        out->what |= (out->fields_added ? PH_DIFF_HEADER_ADDED : 0) | (out->fields_removed ? PH_DIFF_HEADER_REMOVED : 0);
    if (drain(s, err) || drain(d, err))
        return -1;
    if (!(out->what & PH_DIFF_OTHER) || !s->essence)
        return 0;
    if (essence_finish(s->essence, err) || essence_finish(d->essence, err))
        return -1;
    out->part = essence_compare(s->essence, d->essence);
    if (!out->part)
        out->what = PH_DIFF_MIME;
    return 0;
}

int ph_differ(const struct ph_reader *src, const struct ph_reader *dst, bool rewrites, struct ph_difference *out,
              struct ph_err *err)
{
    struct side s = { .reader = src }, d = { .reader = dst };
    struct essence es, ed;
    struct ph_buf only_s = PH_BUF_INIT, only_d = PH_BUF_INIT;
    int r = 0;

    memset(out, 0, sizeof *out);
    if (rewrites) {
        if (essence_init(&es, err))
            return -1;
        if (essence_init(&ed, err)) {
            essence_done(&es);
            return -1;
        }
        s.essence = &es;
        d.essence = &ed;
    }
    r = compare(&s, &d, out, &only_s, &only_d, err);
    ph_buf_done(&s.buf);
    ph_buf_done(&d.buf);
    ph_buf_done(&only_s);
    ph_buf_done(&only_d);
    if (rewrites) {
        essence_done(&es);
        essence_done(&ed);
    }
    return r;
}

void ph_difference_name(unsigned what, char *buf, size_t n)
{
    static const char *const names[] = { "crlf-normalised",   "nul-replaced",     "header-added",
                                         "header-removed",    "long-lines-wrapped", "final-crlf-added",
                                         "final-crlf-removed", "server-rewrote-mime", "different",
                                         "header-8bit-replaced" };
    struct ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(what & 1u << i))
            continue;
        ph_buf_add_z(&b, ph_buf_len(&b) ? "+" : "");
        ph_buf_add_z(&b, names[i]);
    }
    struct ph_str s = what ? ph_buf_str(&b) : PH_STR("equal");
    size_t len = s.n < n ? s.n : n - (n > 0);
    if (n) {
        memcpy(buf, s.p, len);
        buf[len] = 0;
    }
    ph_buf_done(&b);
}
