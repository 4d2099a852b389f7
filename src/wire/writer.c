#include "wire/writer.h"

#include "wire/chars.h"
#include "wire/datetime.h"
#include "wire/mutf7.h"
#include "wire/utf8.h"

#define QUOTED_MAX 4096 /* longer ones go as literals: servers bound their command lines */
#define MINUS_MAX 4096  /* RFC 7888 5 */

void ph_writer_init(struct ph_writer *w, enum ph_literals literals)
{
    *w = (struct ph_writer){ .literals = literals };
}

void ph_writer_done(struct ph_writer *w)
{
    ph_buf_done(&w->out);
}

void ph_writer_clear(struct ph_writer *w)
{
    ph_buf_clear(&w->out);
    w->n_syncs = 0;
    w->failed = false;
}

static void put(struct ph_writer *w, const char *p, size_t n)
{
    if (ph_buf_add(&w->out, p, n))
        w->failed = true;
}

void ph_write_raw(struct ph_writer *w, const char *z)
{
    put(w, z, strlen(z));
}

void ph_write_char(struct ph_writer *w, char c)
{
    put(w, &c, 1);
}

void ph_write_u64(struct ph_writer *w, uint64_t v)
{
    if (ph_buf_add_u64(&w->out, v))
        w->failed = true;
}

void ph_write_crlf(struct ph_writer *w)
{
    put(w, "\r\n", 2);
}

void ph_write_literal_head(struct ph_writer *w, uint64_t n, bool force_sync)
{
    bool sync = w->literals != PH_LITERAL_ANSWER &&
                (force_sync || w->literals == PH_LITERAL_SYNC || (w->literals == PH_LITERAL_MINUS && n > MINUS_MAX));

    if (n > INT64_MAX || (sync && w->n_syncs == PH_WRITER_SYNCS)) {
        w->failed = true;
        return;
    }
    ph_write_char(w, '{');
    ph_write_u64(w, n);
    if (sync || w->literals == PH_LITERAL_ANSWER)
        put(w, "}\r\n", 3);
    else
        put(w, "+}\r\n", 4);
    if (sync)
        w->syncs[w->n_syncs++] = ph_buf_len(&w->out);
}

static bool fits_quoted(const struct ph_writer *w, struct ph_str s)
{
    bool high = false;

    if (s.n > QUOTED_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= 0x80)
            high = true;
        else if (!ph_char_is(s.p[i], PH_C_QUOTED) && s.p[i] != '"' && s.p[i] != '\\')
            return false;
    }
    return !high || (w->utf8 && ph_utf8_valid(s));
}

void ph_write_string(struct ph_writer *w, struct ph_str s)
{
    if (s.n && memchr(s.p, '\0', s.n)) {
        w->failed = true;
        return;
    }
    if (!fits_quoted(w, s)) {
        ph_write_literal_head(w, s.n, false);
        put(w, s.p, s.n);
        return;
    }
    ph_write_char(w, '"');
    for (size_t i = 0, from = 0; i <= s.n; i++)
        if (i == s.n || s.p[i] == '"' || s.p[i] == '\\') {
            put(w, s.p + from, i - from);
            if (i < s.n)
                ph_write_char(w, '\\');
            from = i;
        }
    ph_write_char(w, '"');
}

void ph_write_astring(struct ph_writer *w, struct ph_str s)
{
    /* NIL would be legal as an atom here, but is taken for no value by some */
    if (ph_chars_all(s, PH_C_ASTRING) && !ph_str_caseis(s, "NIL"))
        put(w, s.p, s.n);
    else
        ph_write_string(w, s);
}

void ph_write_nstring(struct ph_writer *w, struct ph_str s)
{
    if (s.p)
        ph_write_string(w, s);
    else
        put(w, "NIL", 3);
}

void ph_write_mailbox_wire(struct ph_writer *w, struct ph_str name)
{
    ph_write_astring(w, name);
}

void ph_write_mailbox_utf8(struct ph_writer *w, struct ph_str name)
{
    struct ph_buf wire = PH_BUF_INIT;

    if (w->utf8) {
        if (!ph_utf8_valid(name))
            w->failed = true;
        else
            ph_write_astring(w, name);
        return;
    }
    if (ph_mutf7_encode(name, &wire))
        w->failed = true;
    else
        ph_write_astring(w, ph_buf_str(&wire));
    ph_buf_done(&wire);
}

void ph_write_set(struct ph_writer *w, const struct ph_numset *s)
{
    if (ph_numset_empty(s) || ph_numset_format(s, &w->out))
        w->failed = true;
}

void ph_write_date_time(struct ph_writer *w, int64_t epoch, int zone_min)
{
    char text[27];

    if (ph_date_time_format(epoch, zone_min, text)) {
        w->failed = true;
        return;
    }
    ph_write_char(w, '"');
    put(w, text, 26);
    ph_write_char(w, '"');
}

bool ph_is_atom(struct ph_str s)
{
    return ph_chars_all(s, PH_C_ATOM);
}

bool ph_flag_is_sendable(struct ph_str flag)
{
    static const char *const system[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };

    if (flag.n == 0 || flag.p[0] != '\\')
        return ph_is_atom(flag);
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        if (ph_str_caseis(flag, system[i]))
            return true;
    return false;
}
