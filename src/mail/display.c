/* display.c: header values for people to read: unfolded, encoded words decoded, nothing that moves a terminal's cursor. */
#include "mail/identity.h"

#include <string.h>

#include "mail/decode.h"
#include "wire/utf8.h"

#define WORD_MAX 2000 /* octets of an encoded word; RFC 2047 2 allows 75, senders write more */

struct word { /* =?charset?Q?text?= */
    struct ph_str charset, text;
    char encoding;
    size_t len;
};

struct display {
    struct ph_buf *out;
    struct ph_buf bytes;    /* decoded words not converted yet: a character may be cut between two of them */
    struct ph_str charset;  /* theirs; n 0: none pending */
    struct ph_buf utf8;     /* scratch */
    bool exact;             /* for comparing: nothing is made harmless */
    bool failed;
};

static bool token_char(char c)
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\"/[]?.=", c);
}

static bool parse_word(struct ph_str s, struct word *w)
{
    size_t i = 2;

    if (s.n < 8 || s.p[0] != '=' || s.p[1] != '?')
        return false;
    while (i < s.n && i < 80 && (token_char(s.p[i]) || s.p[i] == '.'))
        i++;
    if (i == 2 || i + 3 >= s.n || s.p[i] != '?' || s.p[i + 2] != '?')
        return false;
    w->charset = (struct ph_str){ s.p + 2, i - 2 };
    w->encoding = (char)ph_upper((unsigned char)s.p[i + 1]);
    if (w->encoding != 'Q' && w->encoding != 'B')
        return false;
    i += 3;
    size_t room = s.n - i < WORD_MAX ? s.n - i : WORD_MAX;
    const char *end = memmem(s.p + i, room, "?=", 2);
    if (!end)
        return false;
    /* a `?` in the text, then `=41`: many senders leave the question mark as it is */
    while (w->encoding == 'Q' && end + 4 < s.p + i + room && memchr("0123456789ABCDEFabcdef", end[2], 22) &&
           memchr("0123456789ABCDEFabcdef", end[3], 22)) {
        const char *next = memmem(end + 2, (size_t)(s.p + i + room - end - 2), "?=", 2);
        if (!next || memmem(end + 2, (size_t)(next - end - 2), "=?", 2))
            break;
        end = next;
    }
    w->text = (struct ph_str){ s.p + i, (size_t)(end - s.p) - i };
    w->len = (size_t)(end - s.p) + 2;
    return true;
}

/* Control characters, and those that turn the direction of writing or break lines, become blanks. */
static bool unseen(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x200e || cp == 0x200f ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

static void put_text(struct display *d, struct ph_str s)
{
    uint32_t cp;

    for (size_t i = 0; i < s.n;) {
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
        if (!len)
            ph_buf_add(d->out, "\xef\xbf\xbd", 3);
        else if (!d->exact && unseen(cp))
            ph_buf_add_char(d->out, ' ');
        else
            ph_buf_add(d->out, s.p + i, len);
        i += len ? len : 1;
    }
}

static void flush(struct display *d)
{
    if (!d->charset.n)
        return;
    ph_buf_clear(&d->utf8);
    int known = ph_charset_to_utf8(d->charset, ph_buf_str(&d->bytes), &d->utf8);
    if (known < 0)
        d->failed = true;
    else
        put_text(d, ph_buf_str(known ? &d->utf8 : &d->bytes));
    ph_buf_clear(&d->bytes);
    d->charset.n = 0;
}

static void put_word(struct display *d, const struct word *w)
{
    struct ph_decoder dec;

    if (d->charset.n && !ph_str_caseeq(d->charset, w->charset))
        flush(d);
    d->charset = w->charset;
    ph_decoder_init(&dec, w->encoding == 'B' ? PH_CTE_BASE64 : PH_CTE_QP);
    dec.words = true;
    if (ph_decoder_feed(&dec, w->text.p, w->text.n, &d->bytes) || ph_decoder_finish(&dec, &d->bytes))
        d->failed = true;
}

static size_t blanks_at(struct ph_str s, size_t i)
{
    size_t n = 0;

    while (i + n < s.n && (s.p[i + n] == ' ' || s.p[i + n] == '\t'))
        n++;
    return n;
}

static void display(struct display *d, struct ph_str s)
{
    struct word w;

    for (size_t i = 0; i < s.n;) {
        size_t blanks = d->charset.n ? blanks_at(s, i) : 0;
        if (parse_word((struct ph_str){ s.p + i + blanks, s.n - i - blanks }, &w)) {
            put_word(d, &w); /* blanks between two encoded words are not there (RFC 2047 6.2) */
            i += blanks + w.len;
            continue;
        }
        flush(d);
        const char *next = memchr(s.p + i + 1, '=', s.n - i - 1);
        size_t end = next ? (size_t)(next - s.p) : s.n;
        put_text(d, (struct ph_str){ s.p + i, end - i });
        i = end;
    }
    flush(d);
}

static int decode(struct ph_str raw, bool exact, struct ph_buf *out)
{
    struct display d = { .out = out, .exact = exact };
    struct ph_buf line = PH_BUF_INIT;

    while (raw.n && (unsigned char)raw.p[0] <= ' ') {
        raw.p++;
        raw.n--;
    }
    while (raw.n && (unsigned char)raw.p[raw.n - 1] <= ' ')
        raw.n--;
    for (size_t i = 0; i < raw.n; i++) {
        size_t ends = i;
        while (ends < raw.n && (raw.p[ends] == '\r' || raw.p[ends] == '\n'))
            ends++;
        if (ends > i) { /* a fold goes; a line end that is none parts like a blank */
            if (raw.p[ends] != ' ' && raw.p[ends] != '\t')
                ph_buf_add_char(&line, ' ');
            i = ends - 1;
        } else {
            ph_buf_add_char(&line, raw.p[i]);
        }
    }
    if (!line.failed)
        display(&d, ph_buf_str(&line));
    bool failed = line.failed || d.failed || d.bytes.failed || out->failed;
    ph_buf_done(&line);
    ph_buf_done(&d.bytes);
    ph_buf_done(&d.utf8);
    return failed ? -1 : 0;
}

int ph_header_display(struct ph_str raw, struct ph_buf *out)
{
    return decode(raw, false, out);
}

int ph_header_decode(struct ph_str raw, struct ph_buf *out)
{
    return decode(raw, true, out);
}
