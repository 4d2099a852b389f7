#include "mail/repair.h"

#include <string.h>

void ph_repair_init(struct ph_repairer *r, unsigned what, unsigned width)
{
    memset(r, 0, sizeof *r);
    r->what = what;
    r->width = !width ? PH_REPAIR_WIDTH : width < 10 ? 10 : width;
}

static void emit(struct ph_repairer *r, const char *p, size_t n)
{
    r->size += n;
    if (r->out)
        ph_buf_add(r->out, p, n);
}

static void give_up_character(struct ph_repairer *r);

static void end_line(struct ph_repairer *r, const char *how)
{
    give_up_character(r);
    emit(r, how, strlen(how));
    r->in_body |= r->column == 0;
    r->column = 0;
}

/* What has to stay in one line. */
static void place(struct ph_repairer *r, const char *p, unsigned n)
{
    if (r->what & PH_REPAIR_LONG_LINES && r->column + n > r->width && r->column) {
        emit(r, "\r\n", 2);
        r->column = 0;
        r->did |= PH_REPAIR_LONG_LINES;
        if (!r->in_body && *p != ' ' && *p != '\t') {
            emit(r, " ", 1);
            r->column = 1;
        }
    }
    emit(r, p, n);
    r->column += n;
}

/* It was no UTF-8. */
static void give_up_character(struct ph_repairer *r)
{
    unsigned n = r->n_character;

    r->n_character = 0;
    for (unsigned i = 0; i < n; i++)
        place(r, r->character + i, 1);
}

/* One octet that is part of a line. */
static void put(struct ph_repairer *r, unsigned char c)
{
    if (!(r->what & PH_REPAIR_LONG_LINES) || (c < 0x80 && !r->n_character)) {
        place(r, (char *)&c, 1);
        return;
    }
    if (r->n_character && (c & 0xc0) != 0x80)
        give_up_character(r);
    if (!r->n_character) {
        r->whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        if (r->whole == 1) {
            place(r, (char *)&c, 1);
            return;
        }
    }
    r->character[r->n_character++] = (char)c;
    if (r->n_character == r->whole) {
        r->n_character = 0;
        place(r, r->character, r->whole);
    }
}

static void bare_cr(struct ph_repairer *r)
{
    r->after_cr = false;
    if (r->what & PH_REPAIR_CRLF) {
        r->did |= PH_REPAIR_CRLF;
        end_line(r, "\r\n");
    } else {
        put(r, '\r');
    }
}

/* Octets without CR, LF and NUL, as many as fit into the line: the usual case, in one piece. */
static size_t plain(struct ph_repairer *r, const char *p, size_t n)
{
    size_t i = 0, room = SIZE_MAX;

    if (r->what & PH_REPAIR_LONG_LINES)
        room = r->column < r->width && !r->n_character ? r->width - r->column : 0;
    if (room < n)
        n = room;
    while (i < n && (unsigned char)p[i] > '\r' && ((unsigned char)p[i] < 0x80 || room == SIZE_MAX))
        i++;
    if (i) {
        emit(r, p, i);
        r->column += (unsigned)(i < UINT32_MAX / 2 ? i : UINT32_MAX / 2);
        if (r->column > UINT32_MAX / 2)
            r->column = UINT32_MAX / 2;
    }
    return i;
}

static void run(struct ph_repairer *r, const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        unsigned char c = (unsigned char)p[i];
        if (r->after_cr && c == '\n') {
            r->after_cr = false;
            end_line(r, "\r\n");
            i++;
            continue;
        }
        if (r->after_cr)
            bare_cr(r);
        size_t len = plain(r, p + i, n - i);
        i += len;
        if (len || i == n)
            continue;
        i++;
        if (c == '\r') {
            r->after_cr = true;
        } else if (c == '\n') {
            r->did |= r->what & PH_REPAIR_CRLF;
            end_line(r, r->what & PH_REPAIR_CRLF ? "\r\n" : "\n");
        } else if (c == 0 && r->what & PH_REPAIR_NUL) {
            r->did |= PH_REPAIR_NUL;
            put(r, 0x80);
        } else {
            put(r, c);
        }
    }
}

static void end(struct ph_repairer *r)
{
    if (r->after_cr)
        bare_cr(r);
    give_up_character(r);
    if (r->column && r->what & PH_REPAIR_CRLF) {
        r->did |= PH_REPAIR_CRLF;
        end_line(r, "\r\n");
    }
}

void ph_repair_measure(struct ph_repairer *r, const char *p, size_t n)
{
    r->out = NULL;
    run(r, p, n);
}

void ph_repair_measure_end(struct ph_repairer *r)
{
    r->out = NULL;
    end(r);
}

int ph_repair_apply(struct ph_repairer *r, const char *p, size_t n, struct ph_buf *out)
{
    r->out = out;
    run(r, p, n);
    return out->failed ? -1 : 0;
}

int ph_repair_apply_end(struct ph_repairer *r, struct ph_buf *out)
{
    r->out = out;
    end(r);
    return out->failed ? -1 : 0;
}
