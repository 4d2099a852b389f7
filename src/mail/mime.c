#include "mail/mime.h"

#include <stdlib.h>
#include <string.h>

#include "mail/identity.h"

struct mime_boundary {
    uint32_t part; /* the multipart */
    uint32_t last; /* its last child so far */
    const char *text;
    size_t n;
};

int ph_mime_init(struct ph_mime *m, const struct ph_mime_limits *limits, const struct ph_mime_calls *calls,
                 struct ph_err *err)
{
    memset(m, 0, sizeof *m);
    if (limits)
        m->limits = *limits;
    if (calls)
        m->calls = *calls;
    if (!m->limits.depth)
        m->limits.depth = 100;
    if (!m->limits.parts)
        m->limits.parts = 10000;
    if (!m->limits.header)
        m->limits.header = 256 << 10;
    ph_arena_init(&m->arena, 0);
    m->cap_parts = 4;
    m->parts = calloc(m->cap_parts, sizeof *m->parts);
    if (!m->parts)
        return ph_fail_memory(err);
    m->n_parts = 1;
    m->parts[0] = (struct ph_mime_part){ .parent = PH_MIME_NO_PART, .child = PH_MIME_NO_PART, .next = PH_MIME_NO_PART,
                                         .type = "text", .subtype = "plain", .charset = "" };
    m->in_header = true;
    return 0;
}

void ph_mime_done(struct ph_mime *m)
{
    free(m->parts);
    free(m->stack);
    ph_buf_done(&m->header);
    ph_arena_done(&m->arena);
    memset(m, 0, sizeof *m);
}

/* ---- the tree ---- */

/* A new part whose header begins at `at`; the part in hand from now on. */
static int add_part(struct ph_mime *m, uint32_t parent, uint32_t before, uint64_t at, struct ph_err *err)
{
    if (m->n_parts == m->cap_parts) {
        struct ph_mime_part *parts = realloc(m->parts, 2 * m->cap_parts * sizeof *parts);
        if (!parts)
            return ph_fail_memory(err);
        m->parts = parts;
        m->cap_parts *= 2;
    }
    uint32_t i = m->n_parts++;
    bool digest = m->parts[parent].kind == PH_MIME_MULTIPART && strcmp(m->parts[parent].subtype, "digest") == 0;
    m->parts[i] = (struct ph_mime_part){ .parent = parent, .child = PH_MIME_NO_PART, .next = PH_MIME_NO_PART,
                                         .depth = m->parts[parent].depth + 1, .header = at, .body = at, .end = at,
                                         .type = digest ? "message" : "text",
                                         .subtype = digest ? "rfc822" : "plain", .charset = "" };
    if (before == PH_MIME_NO_PART)
        m->parts[parent].child = i;
    else
        m->parts[before].next = i;
    m->current = i;
    m->in_header = true;
    m->outside = false;
    ph_buf_clear(&m->header);
    return 0;
}

static const char *lower(struct ph_mime *m, struct ph_str s)
{
    char *z = ph_arena_strdup(&m->arena, s);

    for (size_t i = 0; z && i < s.n; i++)
        z[i] = (char)ph_lower((unsigned char)z[i]);
    return z;
}

static int push_boundary(struct ph_mime *m, struct ph_str value, struct ph_err *err)
{
    struct ph_mime_part *p = &m->parts[m->current];
    struct ph_buf b = PH_BUF_INIT;
    struct mime_boundary *stack;
    int found = ph_mime_param(value, "boundary", &b);
    struct ph_str text = ph_buf_str(&b);

    while (text.n && text.p[text.n - 1] == ' ')
        text.n--;
    if (found == 1 && text.n && text.n < sizeof m->line - 8) {
        const char *copy = ph_arena_strdup(&m->arena, text);
        stack = realloc(m->stack, (m->n_stack + 1) * sizeof *stack);
        if (stack)
            m->stack = stack;
        if (!copy || !stack)
            found = -1;
        else
            stack[m->n_stack++] = (struct mime_boundary){ m->current, PH_MIME_NO_PART, copy, text.n };
        p->kind = PH_MIME_MULTIPART;
        m->outside = true;
    }
    ph_buf_done(&b);
    return found < 0 ? ph_fail_memory(err) : 0;
}

/* The header of the part in hand is complete: what is it? */
static int end_header(struct ph_mime *m, uint64_t body, struct ph_err *err)
{
    struct ph_mime_part *p = &m->parts[m->current];
    struct ph_str header = ph_buf_str(&m->header), type, subtype, value;
    struct ph_buf charset = PH_BUF_INIT;
    int r = 0;

    m->in_header = false;
    p->body = p->end = body;
    p->body_lines = m->lines; /* until it ends: where it begins */
    p->cte = ph_cte_parse(ph_header_field(header, "Content-Transfer-Encoding"));
    value = ph_header_field(header, "Content-Type");
    if (ph_mime_type(value, &type, &subtype)) {
        p->type = lower(m, type);
        p->subtype = lower(m, subtype);
        if (ph_mime_param(value, "charset", &charset) == 1)
            p->charset = lower(m, ph_buf_str(&charset));
        ph_buf_done(&charset);
        if (!p->type || !p->subtype || !p->charset)
            return ph_fail_memory(err);
    }
    bool room = p->depth < m->limits.depth && m->n_parts < m->limits.parts;
    bool plain = p->cte == PH_CTE_7BIT || p->cte == PH_CTE_BINARY;
    if (strcmp(p->type, "multipart") == 0 && room)
        r = push_boundary(m, value, err);
    else if (strcmp(p->type, "message") == 0 && plain && room &&
             (strcmp(p->subtype, "rfc822") == 0 || strcmp(p->subtype, "global") == 0))
        p->kind = PH_MIME_MESSAGE;
    else if (!room && (strcmp(p->type, "multipart") == 0 || strcmp(p->type, "message") == 0))
        m->limited = true;
    uint32_t me = m->current;
    if (r == 0 && m->calls.header)
        r = m->calls.header(m->calls.ctx, me, header, err);
    if (r == 0 && m->parts[me].kind == PH_MIME_MESSAGE)
        r = add_part(m, me, PH_MIME_NO_PART, body, err);
    return r;
}

/* The part in hand and those around it end here, behind `lines` line ends, up to `stop` (which goes on). */
static int close_parts(struct ph_mime *m, uint32_t stop, uint64_t end, uint64_t lines, struct ph_err *err)
{
    while (m->current != stop) {
        uint32_t i = m->current;
        if (m->in_header) { /* the boundary came before the empty line */
            m->outside = false;
            if (end_header(m, end > m->parts[i].header ? end : m->parts[i].header, err))
                return -1;
            if (m->current != i)
                continue; /* a message that begins nowhere: its part is closed first */
        }
        if (m->n_stack && m->stack[m->n_stack - 1].part == i)
            m->n_stack--;
        m->parts[i].end = end > m->parts[i].body ? end : m->parts[i].body;
        m->parts[i].body_lines = lines > m->parts[i].body_lines ? lines - m->parts[i].body_lines : 0;
        if (m->calls.end && m->calls.end(m->calls.ctx, i, err))
            return -1;
        m->current = m->parts[i].parent;
    }
    return 0;
}

/* ---- lines ---- */

static int body_bytes(struct ph_mime *m, const char *p, size_t n, struct ph_err *err)
{
    struct ph_mime_part *part = &m->parts[m->current];

    if (n == 0 || m->outside || part->kind != PH_MIME_LEAF || !m->calls.body)
        return 0;
    return m->calls.body(m->calls.ctx, m->current, p, n, err);
}

static int release_held(struct ph_mime *m, struct ph_err *err)
{
    int r = body_bytes(m, m->held, m->n_held, err);

    m->n_held = 0;
    return r;
}

static void count_line(struct ph_mime *m, bool header)
{
    m->lines++;
    m->parts[m->current].header_lines += header;
}

static int pass(struct ph_mime *m, const char *p, size_t n, struct ph_err *err)
{
    if (!m->in_header)
        return body_bytes(m, p, n, err);
    size_t have = ph_buf_len(&m->header), room = m->limits.header > have ? m->limits.header - have : 0;
    if (n > room)
        m->parts[m->current].header_cut = true;
    if (ph_buf_add(&m->header, p, n < room ? n : room))
        return ph_fail_memory(err);
    return 0;
}

/* Index of the boundary that the line is, -1: none. Innermost first. *last: the closing one. */
static int find_boundary(const struct ph_mime *m, size_t n, bool *last)
{
    if (n < 2 || m->line[0] != '-' || m->line[1] != '-')
        return -1;
    while (n > 2 && (m->line[n - 1] == ' ' || (m->line[n - 1] >= '\t' && m->line[n - 1] <= '\r')))
        n--;
    for (uint32_t i = m->n_stack; i-- > 0;) {
        const struct mime_boundary *b = &m->stack[i];
        if (n < 2 + b->n || memcmp(m->line + 2, b->text, b->n) != 0)
            continue;
        *last = n == 4 + b->n && m->line[n - 2] == '-' && m->line[n - 1] == '-';
        if (*last || n == 2 + b->n)
            return (int)i;
    }
    return -1;
}

static int at_boundary(struct ph_mime *m, uint32_t which, bool last, size_t ending, struct ph_err *err)
{
    uint32_t part = m->stack[which].part;
    uint64_t end = m->line_at - m->n_held, behind = m->at;

    uint64_t lines = m->lines - (m->n_held > 0); /* the line end before the boundary is the boundary's */
    m->n_held = 0;
    if (close_parts(m, part, end, lines, err))
        return -1;
    m->n_stack = which + 1;
    m->outside = true;
    if (ending)
        count_line(m, false);
    if (last) {
        m->n_stack = which; /* the epilogue; its line end may be that of the boundary around it */
        memcpy(m->held, m->line + m->n_line - ending, ending);
        m->n_held = ending;
        return 0;
    }
    if (m->n_parts >= m->limits.parts) {
        m->limited = true;
        return 0;
    }
    uint32_t before = m->stack[which].last;
    if (add_part(m, part, before, behind, err))
        return -1;
    m->stack[which].last = m->current;
    return 0;
}

/* m->line has a whole line, or the beginning of a long one (`ended` false). */
static int take_line(struct ph_mime *m, bool ended, struct ph_err *err)
{
    size_t n = m->n_line, ending = 0;
    bool last = false;

    if (n && m->line[n - 1] == '\n')
        ending = n > 1 && m->line[n - 2] == '\r' ? 2 : 1;
    int which = m->n_stack && ended ? find_boundary(m, n, &last) : -1;
    if (which >= 0)
        return at_boundary(m, (uint32_t)which, last, ending, err);
    if (release_held(m, err))
        return -1;
    if (m->in_header) {
        if (ending)
            count_line(m, true);
        if (pass(m, m->line, n, err))
            return -1;
        return ending && n == ending ? end_header(m, m->at, err) : 0;
    }
    if (ending)
        count_line(m, false);
    if (body_bytes(m, m->line, n - ending, err))
        return -1;
    memcpy(m->held, m->line + n - ending, ending);
    m->n_held = ending;
    return 0;
}

/* The rest of a long line, up to its end. The LF is taken by itself, and a CR before it, so that they can be held. */
static size_t pass_rest(struct ph_mime *m, const char *p, size_t n, struct ph_err *err, int *r)
{
    const char *nl = memchr(p, '\n', n);
    size_t take = nl ? (size_t)(nl - p) : n;
    bool cr = take ? p[take - 1] == '\r' : false;

    if (take) {
        /* a CR at the end waits to see what follows */
        *r = release_held(m, err);
        if (*r == 0)
            *r = pass(m, p, take - (cr && !m->in_header), err);
        if (*r == 0 && cr && !m->in_header)
            m->held[m->n_held++] = '\r';
    }
    m->at += take;
    if (nl && *r == 0) {
        m->at++;
        count_line(m, m->in_header);
        if (m->in_header)
            *r = pass(m, "\n", 1, err);
        else
            m->held[m->n_held++] = '\n';
        m->passing = false;
        m->n_line = 0;
        m->line_at = m->at;
        take++;
    }
    return take;
}

int ph_mime_feed(struct ph_mime *m, const char *p, size_t n, struct ph_err *err)
{
    int r = 0;

    while (n && r == 0) {
        size_t take;
        if (m->passing) {
            take = pass_rest(m, p, n, err, &r);
        } else {
            size_t room = sizeof m->line - m->n_line;
            take = n < room ? n : room;
            const char *nl = memchr(p, '\n', take);
            if (nl)
                take = (size_t)(nl - p) + 1;
            memcpy(m->line + m->n_line, p, take);
            m->n_line += take;
            m->at += take;
            bool full = m->n_line == sizeof m->line;
            if (nl || full) {
                char end = m->line[m->n_line - 1];
                if (!nl && end == '\r') { /* it may be half a line end */
                    m->n_line--;
                    m->at--;
                    take--;
                }
                r = take_line(m, nl != NULL, err);
                m->passing = !nl;
                m->n_line = 0;
                if (nl)
                    m->line_at = m->at;
            }
        }
        p += take;
        n -= take;
    }
    return r;
}

int ph_mime_finish(struct ph_mime *m, struct ph_err *err)
{
    if (m->n_line && take_line(m, true, err))
        return -1;
    m->n_line = 0;
    /* the line end of the last line is not a boundary's */
    if (release_held(m, err))
        return -1;
    return close_parts(m, PH_MIME_NO_PART, m->at, m->lines, err);
}
