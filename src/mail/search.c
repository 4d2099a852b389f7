#include "mail/search.h"

#include <stdlib.h>
#include <string.h>

#include "mail/header.h"
#include "mail/identity.h"
#include "mail/mime.h"
#include "mail/subject.h"

#define HEADER_MAX (8u << 20)
#define WINDOW (32u << 10) /* mapped text is looked through when there is so much of it, or the part ends */

struct key {
    enum ph_text_where where;
    struct ph_str name, text; /* text: casemapped */
    bool hit;
};

struct ph_text_search {
    struct key *keys;
    size_t n, left;         /* left: not hit yet */
    size_t n_body;          /* keys that look at more than header fields */
    size_t longest;         /* text of a BODY or TEXT key */
    bool in_text;           /* TEXT keys: every field of a header counts */
    unsigned char initials[256]; /* of the names that are asked for, both cases */
    char *memory;           /* of names and texts */
    struct ph_buf line, mapped; /* a field */
    struct ph_buf header;   /* without body keys: until its end has come */
    bool header_done;
    /* with body keys */
    struct ph_mime mime;
    bool has_mime, searched; /* searched: the part in hand is */
    struct ph_decoder decoder;
    struct ph_charset charset;
    struct ph_buf decoded, utf8, window;
};

/* ---- making ---- */

static struct ph_str keep(char **at, struct ph_str s)
{
    char *p = *at;

    if (s.n)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return (struct ph_str){ p, s.n };
}

static int take_keys(struct ph_text_search *s, const struct ph_text_key *keys, size_t n)
{
    struct ph_buf mapped = PH_BUF_INIT;
    size_t size = 1;

    for (size_t i = 0; i < n; i++) {
        size_t had = ph_buf_len(&mapped);
        if (ph_casemap(keys[i].text, &mapped))
            break;
        s->keys[i].text.n = ph_buf_len(&mapped) - had;
        size += s->keys[i].text.n + keys[i].name.n;
    }
    s->memory = mapped.failed ? NULL : malloc(size);
    char *at = s->memory;
    struct ph_str texts = ph_buf_str(&mapped);
    for (size_t i = 0; at && i < n; i++) {
        struct key *k = &s->keys[i];
        k->where = keys[i].where;
        k->text = keep(&at, (struct ph_str){ texts.p, k->text.n });
        k->name = keep(&at, keys[i].name);
        texts.p += k->text.n;
        s->n_body += k->where != PH_TEXT_HEADER;
        s->in_text |= k->where == PH_TEXT_TEXT;
        if (k->where == PH_TEXT_HEADER && k->name.n) {
            s->initials[ph_lower((unsigned char)*k->name.p)] = 1;
            s->initials[ph_upper((unsigned char)*k->name.p)] = 1;
        } else if (k->where != PH_TEXT_HEADER && k->text.n > s->longest) {
            s->longest = k->text.n;
        }
    }
    s->n = n;
    ph_buf_done(&mapped);
    return s->memory ? 0 : -1;
}

struct ph_text_search *ph_text_search_new(const struct ph_text_key *keys, size_t n, struct ph_err *err)
{
    if (n > PH_TEXT_KEYS_MAX) {
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_LIMIT, "a search has more than %d keys that look for text", PH_TEXT_KEYS_MAX);
        return NULL;
    }
    struct ph_text_search *s = calloc(1, sizeof *s);
    if (s)
        s->keys = calloc(n ? n : 1, sizeof *s->keys);
    if (!s || !s->keys || take_keys(s, keys, n)) {
        ph_text_search_free(s);
        ph_fail_memory(err);
        return NULL;
    }
    return s;
}

static void end_mime(struct ph_text_search *s)
{
    if (s->has_mime)
        ph_mime_done(&s->mime);
    s->has_mime = false;
    ph_charset_close(&s->charset);
}

void ph_text_search_free(struct ph_text_search *s)
{
    if (!s)
        return;
    end_mime(s);
    free(s->keys);
    free(s->memory);
    struct ph_buf *all[] = { &s->line, &s->mapped, &s->header, &s->decoded, &s->utf8, &s->window };
    for (int i = 0; i < 6; i++)
        ph_buf_done(all[i]);
    free(s);
}

bool ph_text_search_needs_body(const struct ph_text_search *s)
{
    return s->n_body > 0;
}

bool ph_text_search_hit(const struct ph_text_search *s, size_t key)
{
    return s->keys[key].hit;
}

static void hit(struct ph_text_search *s, struct key *k)
{
    s->left -= !k->hit;
    k->hit = true;
}

void ph_text_search_begin(struct ph_text_search *s)
{
    s->left = s->n;
    for (size_t i = 0; i < s->n; i++) {
        s->keys[i].hit = false;
        if (s->keys[i].where != PH_TEXT_HEADER && s->keys[i].text.n == 0)
            hit(s, &s->keys[i]);
    }
    s->header_done = s->searched = false;
    ph_buf_clear(&s->header);
    ph_buf_shrink(&s->header, 1 << 20);
    ph_buf_shrink(&s->mapped, 1 << 20);
    ph_buf_clear(&s->window);
    end_mime(s);
}

/* ---- fields ---- */

static bool contains(struct ph_str text, struct ph_str needle)
{
    return needle.n == 0 || (text.n >= needle.n && memmem(text.p, text.n, needle.p, needle.n));
}

/* The short way: a value of plain ASCII is mapped by upper case. False: it is not. */
static bool map_plain(struct ph_str value, struct ph_buf *out)
{
    char *o = ph_buf_reserve(out, value.n);
    size_t n = 0;

    for (size_t i = 0; o && i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (c >= 0x80 || (c == '=' && i + 1 < value.n && value.p[i + 1] == '?'))
            return false;
        if (c == '\n' || c == '\r') {
            if (c == '\r' && (i + 1 == value.n || value.p[i + 1] != '\n'))
                return false;
            continue;
        }
        o[n++] = (char)ph_upper(c);
    }
    ph_buf_commit(out, n);
    return true;
}

static int map_value(struct ph_text_search *s, struct ph_str value)
{
    if (value.n && !map_plain(value, &s->mapped)) {
        ph_buf_clear(&s->line);
        if (ph_header_decode(value, &s->line) || ph_casemap(ph_buf_str(&s->line), &s->mapped))
            return -1;
    }
    return s->mapped.failed ? -1 : 0;
}

static bool wants(const struct key *k, struct ph_str name)
{
    return k->where == PH_TEXT_HEADER && !k->hit && ph_str_caseeq(k->name, name);
}

/* HEADER keys, when it is the message's own header; for the others what `where` says. */
static int search_field(struct ph_text_search *s, struct ph_str name, struct ph_str value, bool own, enum ph_text_where where)
{
    bool whole = where == PH_TEXT_BODY || (where == PH_TEXT_TEXT && s->in_text), any = whole;

    for (size_t i = 0; own && !any && i < s->n; i++)
        any = wants(&s->keys[i], name);
    if (!any)
        return 0;
    ph_buf_clear(&s->mapped);
    if (ph_casemap(name, &s->mapped) || ph_buf_add(&s->mapped, ": ", 2))
        return -1;
    size_t before = ph_buf_len(&s->mapped);
    if (map_value(s, value))
        return -1;
    struct ph_str line = ph_buf_str(&s->mapped), text = { line.p + before, line.n - before };
    for (size_t i = 0; i < s->n; i++) {
        struct key *k = &s->keys[i];
        bool here = k->where == PH_TEXT_TEXT || (k->where == PH_TEXT_BODY && where == PH_TEXT_BODY);
        if ((own && wants(k, name) && contains(text, k->text)) || (!k->hit && here && contains(line, k->text)))
            hit(s, k);
    }
    return 0;
}

/* where: PH_TEXT_TEXT: a header that only TEXT keys see; PH_TEXT_BODY: one that is part of the body. */
static int search_header(struct ph_text_search *s, struct ph_str header, bool own, enum ph_text_where where)
{
    struct ph_header_iter it;
    struct ph_str name, value;
    bool all = where == PH_TEXT_BODY || s->in_text;

    ph_header_begin(&it, header);
    while (s->left && ph_header_next(&it, &name, &value))
        if ((all || s->initials[(unsigned char)*name.p]) && search_field(s, name, value, own, where))
            return -1;
    return 0;
}

/* Is the line one of the fields asked for? */
static bool asked_for(const struct ph_text_search *s, const char *line, size_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct key *k = &s->keys[i];
        size_t len = k->name.n;
        if (k->where == PH_TEXT_HEADER && !k->hit && len < n && ph_upper((unsigned char)*line) == ph_upper((unsigned char)*k->name.p) &&
            (line[len] == ':' || line[len] == ' ' || line[len] == '\t') && ph_str_caseeq(k->name, (struct ph_str){ line, len }))
            return true;
    }
    return false;
}

/* The way of header keys alone, close to what finding the line ends costs: a line whose first letter no name has is passed over.
 * *whole: the empty line was met, or nothing is left to find. end: no more octets come. */
static int scan_header(struct ph_text_search *s, struct ph_str text, bool end, bool *whole)
{
    const char *p = text.p, *stop = text.p + text.n;
    struct ph_header_iter it;
    struct ph_str name, value;

    for (*whole = true; p < stop && s->left;) {
        const char *line = p, *nl = memchr(p, '\n', (size_t)(stop - p));
        if (nl == line || (nl == line + 1 && *line == '\r'))
            return 0;
        p = nl ? nl + 1 : stop;
        if (!s->initials[(unsigned char)*line] || !asked_for(s, line, (size_t)(p - line)))
            continue;
        ph_header_begin(&it, (struct ph_str){ line, (size_t)(stop - line) });
        bool field = ph_header_next(&it, &name, &value) && name.p == line;
        if (!end && it.p == stop) /* more of it may come */
            break;
        if (field && search_field(s, name, value, true, PH_TEXT_TEXT))
            return -1;
    }
    *whole = s->left == 0;
    return 0;
}

int ph_text_search_header(struct ph_text_search *s, struct ph_str header, struct ph_err *err)
{
    bool whole;

    ph_text_search_begin(s);
    s->header_done = true;
    int r = s->n_body ? search_header(s, header, true, PH_TEXT_TEXT) : header.n ? scan_header(s, header, true, &whole) : 0;
    return r ? ph_fail_memory(err) : 0;
}

/* ---- body ---- */

static void look(struct ph_text_search *s, bool end)
{
    struct ph_str text = ph_buf_str(&s->window);
    size_t overlap = s->longest ? s->longest - 1 : 0;

    if (!end && text.n < WINDOW + 4 * overlap)
        return;
    for (size_t i = 0; i < s->n; i++) {
        struct key *k = &s->keys[i];
        if (!k->hit && k->where != PH_TEXT_HEADER && contains(text, k->text))
            hit(s, k);
    }
    ph_buf_consume(&s->window, end || text.n < overlap ? text.n : text.n - overlap);
}

/* Decoded octets to the window. */
static int pass_text(struct ph_text_search *s, bool end)
{
    struct ph_str in = ph_buf_str(&s->decoded);

    if (ph_charset_feed(&s->charset, in.p, in.n, &s->utf8) || (end && ph_charset_finish(&s->charset, &s->utf8)))
        return -1;
    ph_buf_clear(&s->decoded);
    size_t took = ph_casemap_some(ph_buf_str(&s->utf8), &s->window);
    if (took == SIZE_MAX)
        return -1;
    ph_buf_consume(&s->utf8, took);
    look(s, end);
    return 0;
}

static int on_header(void *ctx, uint32_t part, struct ph_str header, struct ph_err *err)
{
    struct ph_text_search *s = ctx;
    const struct ph_mime_part *p = &s->mime.parts[part];
    bool message = part && s->mime.parts[p->parent].kind == PH_MIME_MESSAGE;

    s->header_done = true;
    if (search_header(s, header, part == 0, message ? PH_TEXT_BODY : PH_TEXT_TEXT))
        return ph_fail_memory(err);
    s->searched = p->kind == PH_MIME_LEAF && (strcmp(p->type, "text") == 0 || strcmp(p->type, "message") == 0);
    if (s->searched) {
        ph_charset_close(&s->charset);
        ph_charset_open(&s->charset, ph_str(p->charset));
        ph_decoder_init(&s->decoder, p->cte);
        ph_buf_clear(&s->utf8);
        ph_buf_clear(&s->window);
    }
    return 0;
}

static int on_body(void *ctx, uint32_t part, const char *p, size_t n, struct ph_err *err)
{
    struct ph_text_search *s = ctx;

    while (s->searched && n && s->left) {
        size_t take = n < WINDOW ? n : WINDOW;
        if (ph_decoder_feed(&s->decoder, p, take, &s->decoded) ||
            (ph_buf_len(&s->decoded) >= 4096 && pass_text(s, false)))
            return ph_fail_memory(err);
        p += take;
        n -= take;
    }
    return 0;
}

static int on_end(void *ctx, uint32_t part, struct ph_err *err)
{
    struct ph_text_search *s = ctx;

    if (s->searched && s->mime.parts[part].kind == PH_MIME_LEAF) {
        s->searched = false;
        if (ph_decoder_finish(&s->decoder, &s->decoded) || pass_text(s, true))
            return ph_fail_memory(err);
    }
    return 0;
}

/* ---- feeding ---- */

static void forget_hits(struct ph_text_search *s)
{
    s->left = s->n;
    for (size_t i = 0; i < s->n; i++)
        s->keys[i].hit = false;
}

/* Does the collected header have its empty line, looking from `i` on? */
static bool has_end(struct ph_str text, size_t i)
{
    if ((text.n && *text.p == '\n') || (text.n > 1 && memcmp(text.p, "\r\n", 2) == 0) || text.n >= HEADER_MAX)
        return true;
    while (i + 1 < text.n) {
        const char *nl = memchr(text.p + i, '\n', text.n - i - 1);
        if (!nl)
            return false;
        i = (size_t)(nl - text.p) + 1;
        if (text.p[i] == '\n' || (text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n'))
            return true;
    }
    return false;
}

/* Header keys alone: the header is looked at where it lies when it comes whole, else collected. */
static int feed_header(struct ph_text_search *s, const char *p, size_t n, bool end, struct ph_err *err)
{
    size_t had = ph_buf_len(&s->header), room = HEADER_MAX > had ? HEADER_MAX - had : 0;
    bool whole;

    if (!had && !end && n < HEADER_MAX) {
        if (scan_header(s, (struct ph_str){ p, n }, false, &whole))
            return ph_fail_memory(err);
        if (whole) {
            s->header_done = true;
            return 1;
        }
        forget_hits(s);
    }
    if (ph_buf_add(&s->header, p, n < room ? n : room))
        return ph_fail_memory(err);
    if (!end && !has_end(ph_buf_str(&s->header), had < 3 ? 0 : had - 3))
        return 0;
    s->header_done = true;
    return scan_header(s, ph_buf_str(&s->header), true, &whole) ? ph_fail_memory(err) : 1;
}

int ph_text_search_feed(struct ph_text_search *s, const char *p, size_t n, struct ph_err *err)
{
    if (!s->left || (!s->n_body && s->header_done))
        return 1;
    if (!s->n_body)
        return feed_header(s, p, n, false, err);
    if (!s->has_mime) {
        struct ph_mime_limits limits = { .header = HEADER_MAX };
        struct ph_mime_calls calls = { on_header, on_body, on_end, s };
        if (ph_mime_init(&s->mime, &limits, &calls, err))
            return -1;
        s->has_mime = true;
    }
    return ph_mime_feed(&s->mime, p, n, err) ? -1 : s->left == 0;
}

int ph_text_search_finish(struct ph_text_search *s, struct ph_err *err)
{
    int r = 0;

    if (s->left && !s->n_body && !s->header_done)
        r = feed_header(s, "", 0, true, err);
    else if (s->left && s->has_mime)
        r = ph_mime_finish(&s->mime, err);
    ph_buf_clear(&s->decoded);
    end_mime(s);
    return r < 0 ? -1 : 0;
}
