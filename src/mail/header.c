#include "mail/header.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_ 998 /* RFC 5322 2.1.1: no line is longer */

static inline bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- one field after the other ---- */

void ph_header_begin(struct ph_header_iter *it, struct ph_str header)
{
    it->p = header.n ? header.p : "";
    it->end = it->p + header.n;
}

/* The name in front of the colon, trimmed; false when the line is no field. */
static bool field_name(const char *p, const char *end, struct ph_str *name)
{
    const char *colon = memchr(p, ':', (size_t)(end - p)), *stop = colon;

    if (!colon || blank(*p))
        return false;
    while (stop > p && blank(stop[-1]))
        stop--;
    for (const char *c = p; c < stop; c++)
        if ((unsigned char)*c <= ' ' || *c == 127)
            return false;
    *name = (struct ph_str){ p, (size_t)(stop - p) };
    return stop > p;
}

bool ph_header_next(struct ph_header_iter *it, struct ph_str *name, struct ph_str *value)
{
    while (it->p < it->end) {
        const char *line = it->p, *nl = memchr(line, '\n', (size_t)(it->end - line));
        const char *stop = nl ? nl : it->end;
        it->p = nl ? nl + 1 : it->end;
        if (stop == line || (stop == line + 1 && *line == '\r')) {
            it->p = it->end; /* the empty line */
            return false;
        }
        bool field = field_name(line, stop, name);
        while (it->p < it->end && blank(*it->p)) {
            nl = memchr(it->p, '\n', (size_t)(it->end - it->p));
            stop = nl ? nl : it->end;
            it->p = nl ? nl + 1 : it->end;
        }
        if (!field)
            continue;
        const char *from = (const char *)memchr(name->p + name->n, ':', (size_t)(stop - name->p) - name->n) + 1;
        if (stop > from && stop[-1] == '\r')
            stop--;
        *value = (struct ph_str){ from, (size_t)(stop - from) };
        return true;
    }
    return false;
}

int ph_header_unfold(struct ph_str raw, struct ph_buf *out)
{
    size_t plain = 0;

    while (raw.n && (blank(raw.p[0]) || raw.p[0] == '\r' || raw.p[0] == '\n'))
        raw = (struct ph_str){ raw.p + 1, raw.n - 1 };
    while (raw.n && (blank(raw.p[raw.n - 1]) || raw.p[raw.n - 1] == '\r' || raw.p[raw.n - 1] == '\n'))
        raw.n--;
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c != '\r' && c != '\n' && c != 0)
            continue;
        ph_buf_add(out, raw.p + plain, i - plain);
        plain = i + 1;
        if (c == 0)
            ph_buf_add_char(out, '?');
        else if (c == '\n' ? !blank(raw.p[i + 1]) : raw.p[i + 1] != '\n') /* trimmed: there is an octet behind */
            ph_buf_add_char(out, ' ');
    }
    if (raw.n)
        ph_buf_add(out, raw.p + plain, raw.n - plain);
    return out->failed ? -1 : 0;
}

/* ---- a subset of them ---- */

static int compare(const void *va, const void *vb)
{
    const struct ph_str *a = va, *b = vb;
    int r = a->n && b->n ? strncasecmp(a->p, b->p, a->n < b->n ? a->n : b->n) : 0;

    return r ? r : (a->n > b->n) - (a->n < b->n);
}

int ph_fields_pick_init(struct ph_fields_pick *f, const struct ph_str *names, size_t n, bool negate, struct ph_err *err)
{
    memset(f, 0, sizeof *f);
    f->negate = negate;
    f->at_line = true;
    f->names = calloc(n ? n : 1, sizeof *names);
    if (!f->names)
        return ph_fail_memory(err);
    for (size_t i = 0; i < n; i++)
        f->names[i] = names[i];
    f->n_names = n;
    qsort(f->names, n, sizeof *names, compare);
    return 0;
}

void ph_fields_pick_done(struct ph_fields_pick *f)
{
    free(f->names);
    ph_buf_done(&f->line);
    memset(f, 0, sizeof *f);
}

/* The name is complete, or will not be one that was asked for. */
static void decide(struct ph_fields_pick *f, struct ph_buf *out)
{
    struct ph_str name = ph_buf_str(&f->line);
    bool colon = name.n && name.p[name.n - 1] == ':';

    name.n -= colon;
    while (name.n && blank(name.p[name.n - 1]))
        name.n--;
    f->keep = (colon && bsearch(&name, f->names, f->n_names, sizeof name, compare)) != f->negate;
    if (f->keep)
        ph_buf_add_str(out, ph_buf_str(&f->line));
    ph_buf_clear(&f->line);
    f->state = f->keep ? PICK_COPY : PICK_DROP;
}

/* Octets of a name, up to colon or line end; returns how many. */
static size_t take_name(struct ph_fields_pick *f, const char *p, size_t n, struct ph_buf *out)
{
    size_t i = 0;

    while (i < n && p[i] != ':' && p[i] != '\n' && ph_buf_len(&f->line) + i < NAME_MAX_)
        i++;
    if (i < n && p[i] != '\n')
        i++;
    ph_buf_add(&f->line, p, i);
    if (i && (p[i - 1] == ':' || ph_buf_len(&f->line) > NAME_MAX_)) {
        decide(f, out);
    } else if (i < n) { /* a line without a colon: empty, or no field */
        struct ph_str line = ph_buf_str(&f->line);
        if (line.n == 0 || (line.n == 1 && line.p[0] == '\r')) {
            ph_buf_add_str(out, line);
            ph_buf_add_char(out, '\n');
            ph_buf_clear(&f->line);
            f->state = PICK_END;
            return n;
        }
        decide(f, out);
    }
    return i;
}

int ph_fields_pick_feed(struct ph_fields_pick *f, const char *p, size_t n, struct ph_buf *out)
{
    while (n && f->state != PICK_END) {
        size_t take;
        if (f->at_line) {
            f->at_line = false;
            if (!blank(*p)) /* else it goes on with the field before it */
                f->state = PICK_NAME;
            else if (f->state == PICK_NAME)
                f->state = f->negate ? PICK_COPY : PICK_DROP; /* before the first field */
        }
        if (f->state == PICK_NAME) {
            take = take_name(f, p, n, out);
        } else {
            const char *nl = memchr(p, '\n', n);
            take = nl ? (size_t)(nl - p) + 1 : n;
            if (f->state == PICK_COPY)
                ph_buf_add(out, p, take);
            f->at_line = nl != NULL;
        }
        p += take;
        n -= take;
    }
    return out->failed || f->line.failed ? -1 : 0;
}

int ph_fields_pick_finish(struct ph_fields_pick *f, struct ph_buf *out)
{
    if (f->state == PICK_NAME && ph_buf_len(&f->line))
        decide(f, out);
    f->state = PICK_END;
    return out->failed || f->line.failed ? -1 : 0;
}
