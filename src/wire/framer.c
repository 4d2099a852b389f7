#include "wire/framer.h"

#include <stdlib.h>

/* The frame is held ++ in[0, scanned) while it is collected: `held` is used only once something was streamed. Lengths
 * with `at` in their name count from the front of the unread buffer. */
enum { AT_TEXT, AT_LITERAL, AT_COLLECT, AT_STREAM, AT_DONE, AT_ERROR };

#define HELD_KEEP 65536
#define COLLECTED_MAX 4096

const struct ph_frame_limits ph_frame_limits_default = { 16u << 20, 1u << 20, PH_FRAMER_STREAMS };

void ph_framer_init(struct ph_framer *f, const struct ph_frame_limits *limits)
{
    *f = (struct ph_framer){ .limits = limits ? *limits : ph_frame_limits_default };
}

void ph_framer_done(struct ph_framer *f)
{
    ph_buf_done(&f->held);
    free(f->streamed);
    f->streamed = NULL;
}

static enum ph_frame_event broken(struct ph_framer *f, struct ph_err *err, enum ph_kind kind, const char *why)
{
    f->state = AT_ERROR;
    ph_fail(err, PH_SCOPE_SESSION, kind, "%s", why);
    return PH_FRAME_ERROR;
}

/* Human text may end in `{5}` (a mailbox's name in an error message), and no literal ever follows one: RFC 9051 9,
 * resp-text. Looks at the beginning of a frame: `tag OK`, `* NO`, `+`. */
static bool is_text_line(const char *p, size_t n)
{
    static const char words[][8] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };
    const char *sp = memchr(p, ' ', n);

    if (p[0] == '+')
        return true;
    if (!sp)
        return false;
    while (sp < p + n && *sp == ' ')
        sp++;
    struct ph_str rest = { sp, (size_t)(p + n - sp) };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i]);
        if (ph_str_caseprefix(rest, words[i]) && (rest.n == len || rest.p[len] == ' '))
            return true;
    }
    return false;
}

struct literal {
    const char *open; /* its `{` or `~` */
    uint64_t size;
    bool sync, binary;
};

/* Does the line [p, end), without its line end, stop with a literal's head? 1 yes, 0 no, -1 one that cannot
 * be right. A brace in an unquoted name at the end of a line (`* LIST () "/" a{b}`) is no literal, but what
 * begins like a count must be one: reading on in step with the peer would be luck. */
static int find_literal(const char *p, const char *end, struct literal *lit)
{
    const char *q = end - 1; /* the `}` */

    lit->sync = true;
    if (q > p && q[-1] == '+') {
        lit->sync = false;
        q--;
    }
    const char *digits_end = q;
    while (q > p && q[-1] >= '0' && q[-1] <= '9')
        q--;
    if (q > p && q[-1] == '{' && q < digits_end) {
        lit->size = 0;
        for (const char *d = q; d < digits_end; d++) {
            if (lit->size > (INT64_MAX - (uint64_t)(*d - '0')) / 10)
                return -1;
            lit->size = lit->size * 10 + (uint64_t)(*d - '0');
        }
        lit->open = q - 1;
        lit->binary = lit->open > p && lit->open[-1] == '~';
        lit->open -= lit->binary;
        return 1;
    }
    const char *brace = memrchr(p, '{', (size_t)(end - p));
    if (!brace || (brace > p && brace[-1] != ' ' && brace[-1] != '(' && brace[-1] != '~'))
        return 0;
    return brace[1] == '}' || strchr("0123456789+- ", brace[1]) ? -1 : 0;
}

static size_t text_octets(const struct ph_framer *f, size_t upto)
{
    return ph_buf_len(&f->held) + upto - f->literal_total;
}

/* Once something was streamed, the frame so far has to be in one piece in `held`. */
static int move_to_held(struct ph_framer *f, struct ph_buf *in, size_t n)
{
    if (ph_buf_add(&f->held, ph_buf_data(in), n))
        return -1;
    ph_buf_consume(in, n);
    f->scanned = f->segment_at = 0;
    return 0;
}

static enum ph_frame_event at_line_end(struct ph_framer *f, struct ph_buf *in, size_t nl, struct ph_err *err)
{
    const char *data = ph_buf_data(in);
    const char *segment = data + f->segment_at, *end = data + nl;
    bool first_line = f->segment_at == 0 && ph_buf_len(&f->held) == 0;
    struct literal lit;
    int is = 0;

    if (end > segment && end[-1] == '\r')
        end--;
    if (end > segment && end[-1] == '}' && (!first_line || f->commands || !is_text_line(data, (size_t)(end - data))))
        is = find_literal(segment, end, &lit);
    if (is < 0)
        return broken(f, err, PH_E_PROTOCOL, "a literal with an impossible size");

    size_t head_n = is ? (size_t)(lit.open - data) : (size_t)(end - data);
    f->line_at = nl + 1;
    if (f->n_streamed) {
        head_n += ph_buf_len(&f->held);
        if (move_to_held(f, in, nl + 1))
            return broken(f, err, PH_E_MEMORY, "out of memory");
        f->line_at = 0;
        data = ph_buf_data(&f->held);
    }
    if (!is) {
        f->frame = (struct ph_str){ data, head_n };
        f->state = AT_DONE;
        return PH_FRAME_DONE;
    }
    f->head = (struct ph_str){ data, head_n };
    f->literal_size = lit.size;
    f->literal_sync = lit.sync;
    f->literal_binary = lit.binary;
    f->state = AT_LITERAL;
    return PH_FRAME_LITERAL;
}

static void skip_blank_lines(struct ph_buf *in)
{
    const char *p = ph_buf_data(in);
    size_t n = ph_buf_len(in), i = 0;

    while (i < n && (p[i] == '\0' || p[i] == '\r' || p[i] == '\n'))
        i++;
    if (i)
        ph_buf_consume(in, i);
}

static enum ph_frame_event at_text(struct ph_framer *f, struct ph_buf *in, struct ph_err *err)
{
    if (f->scanned == 0 && ph_buf_len(&f->held) == 0)
        skip_blank_lines(in);
    size_t len = ph_buf_len(in);
    if (len == 0)
        return PH_FRAME_MORE;
    const char *data = ph_buf_data(in);
    const char *nl = memchr(data + f->scanned, '\n', len - f->scanned);
    size_t upto = nl ? (size_t)(nl - data) : len;

    if (text_octets(f, upto) - (upto && data[upto - 1] == '\r') > f->limits.line)
        return broken(f, err, PH_E_LIMIT, "a line that is too long");
    if (nl)
        return at_line_end(f, in, upto, err);
    f->scanned = len;
    return PH_FRAME_MORE;
}

enum ph_frame_event ph_framer_next(struct ph_framer *f, struct ph_buf *in, struct ph_err *err)
{
    switch (f->state) {
    case AT_COLLECT:
        if (ph_buf_len(in) - f->scanned < f->collect_left)
            return PH_FRAME_MORE;
        f->scanned += (size_t)f->collect_left;
        f->segment_at = f->scanned;
        f->collect_left = 0;
        f->state = AT_TEXT;
        return at_text(f, in, err);
    case AT_STREAM:
        if (f->literal_left)
            return ph_buf_len(in) ? PH_FRAME_STREAM : PH_FRAME_MORE;
        f->state = AT_TEXT;
        return at_text(f, in, err);
    case AT_TEXT:
        return at_text(f, in, err);
    case AT_LITERAL:
        return PH_FRAME_LITERAL;
    case AT_DONE:
        return PH_FRAME_DONE;
    }
    return broken(f, err, PH_E_PROTOCOL, "reading on after a framing error");
}

int ph_framer_collect(struct ph_framer *f, struct ph_err *err)
{
    if (f->literal_total > f->limits.literal || f->literal_size > f->limits.literal - f->literal_total) {
        f->state = AT_ERROR;
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "a literal of %llu octets where at most %zu are taken",
                       (unsigned long long)f->literal_size, f->limits.literal);
    }
    if (f->n_collected == COLLECTED_MAX) {
        f->state = AT_ERROR;
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "more than %u literals in one line", COLLECTED_MAX);
    }
    f->n_collected++;
    f->literal_total += (size_t)f->literal_size;
    f->scanned = f->line_at;
    f->collect_left = f->literal_size;
    f->state = AT_COLLECT;
    return 0;
}

static int room_for_stream(struct ph_framer *f)
{
    if (f->n_streamed < f->cap_streamed)
        return 0;
    unsigned cap = f->cap_streamed ? 2 * f->cap_streamed : 4;
    struct ph_streamed *more = realloc(f->streamed, cap * sizeof *more);
    if (!more)
        return -1;
    f->streamed = more;
    f->cap_streamed = cap;
    return 0;
}

int ph_framer_stream(struct ph_framer *f, struct ph_buf *in, struct ph_err *err)
{
    if (f->n_streamed >= f->limits.streams) {
        f->state = AT_ERROR;
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_LIMIT, "more than %u large literals in one response",
                       f->limits.streams);
    }
    if (room_for_stream(f) || (f->n_streamed == 0 && move_to_held(f, in, f->line_at))) {
        f->state = AT_ERROR;
        return ph_fail_memory(err);
    }
    f->streamed[f->n_streamed++] = (struct ph_streamed){ .offset = f->head.n, .size = f->literal_size };
    f->head = (struct ph_str){ ph_buf_data(&f->held), f->head.n };
    f->literal_left = f->literal_size;
    f->line_at = f->scanned = f->segment_at = 0;
    f->state = AT_STREAM;
    return 0;
}

void ph_framer_streamed(struct ph_framer *f, struct ph_buf *in, size_t n)
{
    ph_buf_consume(in, n);
    f->literal_left -= n;
}

void ph_framer_release(struct ph_framer *f, struct ph_buf *in)
{
    if (f->state != AT_DONE)
        return;
    if (f->line_at)
        ph_buf_consume(in, f->line_at);
    if (f->n_streamed) {
        ph_buf_clear(&f->held);
        ph_buf_shrink(&f->held, HELD_KEEP);
    }
    f->frame = f->head = (struct ph_str){ "", 0 };
    f->n_streamed = f->n_collected = 0;
    f->scanned = f->segment_at = f->line_at = f->literal_total = 0;
    f->state = AT_TEXT;
}
