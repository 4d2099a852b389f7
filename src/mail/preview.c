#include "mail/preview.h"

#include <stdlib.h>

#include "wire/utf8.h"

#define OCTETS_MAX (256u << 10) /* of the part that are looked at: markup may have no end */

enum state { TEXT, TAG, QUOTE, COMMENT, ENTITY };

struct ph_preview {
    struct ph_decoder decoder;
    struct ph_charset charset;
    struct ph_buf decoded, utf8, out;
    size_t fed, chars;
    bool html, blank; /* blank: one is due before the next character */
    enum state state;
    char quote;
    char word[16]; /* of a tag or an entity, lower case, no NUL behind */
    size_t n_word;
    bool word_done;
    const char *until; /* the element of raw text that must end before anything is shown */
    bool head;         /* in <head>: nothing is shown */
    uint32_t joiner;   /* due before the next character, if it comes at once */
    size_t dashes;
};

uint32_t ph_preview_part(const struct ph_structure *s)
{
    uint32_t html = PH_MIME_NO_PART;

    for (uint32_t i = 0; i < s->n_parts; i++) {
        struct ph_structure_media m;
        if (s->parts[i].kind != PH_MIME_LEAF || s->parts[i].end == s->parts[i].body || s->parts[i].cte == PH_CTE_UNKNOWN)
            continue;
        ph_structure_media(s, i, &m);
        if (!ph_str_caseis(m.type, "text") || (m.disposition.p && ph_str_caseis(m.disposition, "attachment")))
            continue;
        if (ph_str_caseis(m.subtype, "plain"))
            return i;
        if (html == PH_MIME_NO_PART && ph_str_caseis(m.subtype, "html"))
            html = i;
    }
    return html;
}

struct ph_preview *ph_preview_new(const struct ph_structure *s, uint32_t part, struct ph_err *err)
{
    struct ph_preview *p = calloc(1, sizeof *p);
    struct ph_structure_media m;

    if (!p) {
        ph_fail_memory(err);
        return NULL;
    }
    ph_structure_media(s, part, &m);
    p->html = ph_str_caseis(m.subtype, "html");
    ph_decoder_init(&p->decoder, s->parts[part].cte);
    ph_charset_open(&p->charset, m.charset);
    return p;
}

void ph_preview_free(struct ph_preview *p)
{
    if (!p)
        return;
    ph_charset_close(&p->charset);
    ph_buf_done(&p->decoded);
    ph_buf_done(&p->utf8);
    ph_buf_done(&p->out);
    free(p);
}

/* ---- characters ---- */

/* White space and control characters: folded to one blank, none at the ends. */
static bool blank_char(uint32_t cp)
{
    return cp <= 0x20 || (cp >= 0x7f && cp <= 0xa0) || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) ||
           (cp >= 0x2028 && cp <= 0x202f) || (cp >= 0x205f && cp <= 0x206f) || cp == 0x3000;
}

/* Not seen at all: senders fill what a preview would show with these. */
static bool unseen(uint32_t cp)
{
    return cp == 0xad || cp == 0x34f || cp == 0x61c || cp == 0x200b || cp == 0x200e || cp == 0x200f || cp == 0xfeff;
}

static void add(struct ph_preview *p, uint32_t cp)
{
    char c[4];

    if (p->chars < PH_PREVIEW_CHARS)
        ph_buf_add(&p->out, c, ph_utf8_put(cp, c));
    p->chars++;
}

static void put(struct ph_preview *p, uint32_t cp)
{
    if (blank_char(cp)) {
        p->blank = p->chars > 0;
        p->joiner = 0;
        return;
    }
    if (unseen(cp))
        return;
    if (cp == 0x200c || cp == 0x200d) {
        p->joiner = p->chars && !p->blank ? cp : 0;
        return;
    }
    if (p->blank && p->chars + 2 > PH_PREVIEW_CHARS) { /* no blank at the end */
        p->chars = PH_PREVIEW_CHARS;
        return;
    }
    if (p->blank)
        add(p, ' ');
    else if (p->joiner && p->chars + 2 <= PH_PREVIEW_CHARS)
        add(p, p->joiner);
    p->blank = false;
    p->joiner = 0;
    add(p, cp);
}

static bool word_is(const struct ph_preview *p, const char *z)
{
    return ph_str_is((struct ph_str){ p->word, p->n_word }, z);
}

static void put_entity(struct ph_preview *p)
{
    static const struct {
        const char *name;
        uint32_t cp;
    } names[] = { { "amp", '&' },    { "lt", '<' },      { "gt", '>' },      { "quot", '"' },    { "apos", '\'' },
                  { "nbsp", 0xa0 },  { "copy", 0xa9 },   { "reg", 0xae },    { "euro", 0x20ac }, { "pound", 0xa3 },
                  { "mdash", 0x2014 }, { "ndash", 0x2013 }, { "hellip", 0x2026 }, { "bull", 0x2022 }, { "middot", 0xb7 },
                  { "laquo", 0xab }, { "raquo", 0xbb },  { "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "ldquo", 0x201c },
                  { "rdquo", 0x201d }, { "auml", 0xe4 },  { "ouml", 0xf6 },   { "uuml", 0xfc },   { "szlig", 0xdf },
                  { "eacute", 0xe9 }, { "egrave", 0xe8 }, { "agrave", 0xe0 }, { "ccedil", 0xe7 }, { "zwnj", 0x200c },
                  { "shy", 0xad } };
    uint32_t cp = 0;

    if (p->n_word > 1 && p->word[0] == '#') {
        bool hex = p->word[1] == 'x';
        for (size_t i = 1 + hex; i < p->n_word && cp < 0x110000; i++) {
            char c = p->word[i];
            unsigned v = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' && hex ? (unsigned)(c - 'a') + 10 : 99;
            cp = v == 99 ? 0x110000 : cp * (hex ? 16 : 10) + v;
        }
        put(p, cp == 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? 0xfffd : cp);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (word_is(p, names[i].name)) {
            put(p, names[i].cp);
            return;
        }
    put(p, '&');
    for (size_t i = 0; i < p->n_word; i++)
        put(p, (unsigned char)p->word[i]);
}

/* ---- markup ---- */

static void end_tag(struct ph_preview *p)
{
    static const char *const raw[] = { "style", "script", "title", "textarea" };
    static const char *const in_line[] = { "a", "b", "i", "u", "em", "strong", "span", "font", "small", "big", "sub", "sup", "tt",
                                           "code", "abbr", "/a", "/b", "/i", "/u", "/em", "/strong", "/span", "/font", "/small",
                                           "/big", "/sub", "/sup", "/tt", "/code", "/abbr" };
    bool apart = true;

    p->state = TEXT;
    if (p->until) {
        if (p->n_word > 1 && ph_str_is((struct ph_str){ p->word + 1, p->n_word - 1 }, p->until))
            p->until = NULL;
        return;
    }
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
        if (word_is(p, raw[i]))
            p->until = raw[i];
    if (word_is(p, "head") || word_is(p, "/head") || word_is(p, "body"))
        p->head = word_is(p, "head");
    for (size_t i = 0; i < sizeof in_line / sizeof *in_line; i++)
        apart &= !word_is(p, in_line[i]);
    if (apart)
        put(p, ' ');
}

static void in_tag(struct ph_preview *p, uint32_t cp)
{
    if (cp == '>') {
        end_tag(p);
    } else if ((cp == '"' || cp == '\'') && p->word_done) {
        p->quote = (char)cp;
        p->state = QUOTE;
    } else if (cp <= ' ' || (cp == '/' && p->n_word)) {
        p->word_done = true;
    } else if (!p->word_done && p->n_word < sizeof p->word) {
        p->word[p->n_word++] = cp < 0x80 ? (char)ph_lower((unsigned char)cp) : '?';
        if (p->n_word == 3 && word_is(p, "!--")) {
            p->state = COMMENT;
            p->dashes = 2;
        }
    }
}

static void take_html(struct ph_preview *p, uint32_t cp)
{
    switch (p->state) {
    case ENTITY:
        if (cp < 0x80 && p->n_word < sizeof p->word && (cp == '#' || (cp >= '0' && cp <= '9') || ((cp | 32) >= 'a' && (cp | 32) <= 'z'))) {
            bool number = p->n_word && p->word[0] == '#';
            p->word[p->n_word++] = (char)(number ? ph_lower((unsigned char)cp) : cp);
            return;
        }
        p->state = TEXT;
        put_entity(p);
        if (cp != ';')
            take_html(p, cp);
        return;
    case TAG:
        if (p->until && !p->n_word && cp != '/') /* in raw text only an end tag is one */
            break;
        in_tag(p, cp);
        return;
    case QUOTE:
        if (cp == (unsigned char)p->quote)
            p->state = TAG;
        return;
    case COMMENT:
        if (cp == '>' && p->dashes >= 2)
            p->state = TEXT;
        p->dashes = cp == '-' ? p->dashes + 1 : 0;
        return;
    default:
        break;
    }
    p->state = TEXT;
    p->n_word = 0;
    p->word_done = false;
    if (cp == '<')
        p->state = TAG;
    else if (cp == '&' && !p->until && !p->head)
        p->state = ENTITY;
    else if (!p->until && !p->head)
        put(p, cp);
}

/* ---- feeding ---- */

static int take_text(struct ph_preview *p, bool end)
{
    struct ph_str in = ph_buf_str(&p->decoded), s;
    uint32_t cp;
    size_t i = 0;

    if (ph_charset_feed(&p->charset, in.p, in.n, &p->utf8) || (end && ph_charset_finish(&p->charset, &p->utf8)))
        return -1;
    ph_buf_clear(&p->decoded);
    s = ph_buf_str(&p->utf8);
    while (i < s.n && p->chars < PH_PREVIEW_CHARS) {
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
        if (!len && !end && s.n - i < 4)
            break; /* it may be cut */
        if (p->html)
            take_html(p, len ? cp : 0xfffd);
        else
            put(p, len ? cp : 0xfffd);
        i += len ? len : 1;
    }
    ph_buf_consume(&p->utf8, i);
    return p->out.failed ? -1 : 0;
}

int ph_preview_feed(struct ph_preview *p, const char *octets, size_t n, struct ph_err *err)
{
    while (n && p->chars < PH_PREVIEW_CHARS && p->fed < OCTETS_MAX) {
        size_t take = n < 4096 ? n : 4096;
        if (ph_decoder_feed(&p->decoder, octets, take, &p->decoded) || take_text(p, false))
            return ph_fail_memory(err);
        octets += take;
        n -= take;
        p->fed += take;
    }
    return p->chars >= PH_PREVIEW_CHARS || p->fed >= OCTETS_MAX;
}

int ph_preview_finish(struct ph_preview *p, struct ph_str *out, struct ph_err *err)
{
    if (ph_decoder_finish(&p->decoder, &p->decoded) || take_text(p, true))
        return ph_fail_memory(err);
    if (p->state == ENTITY)
        put_entity(p);
    *out = ph_buf_str(&p->out);
    return p->out.failed ? ph_fail_memory(err) : 0;
}
