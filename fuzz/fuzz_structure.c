/* What a server says of a hostile message: ENVELOPE, BODYSTRUCTURE, sections, the kept blob, previews and searches.
 *
 * The first octet is how many octets come at a time; its highest bit makes the rest a blob to load. Checked beyond memory: pieces change
 * nothing, what is written has the form of IMAP, the blob gives the same, extents lie in the message.
 */
#include <stdlib.h>

#include "mail/binary.h"
#include "mail/preview.h"
#include "mail/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

static void parse(struct ph_structure *s, struct ph_str text, size_t piece)
{
    static const struct ph_structure_limits limits = { .depth = 8, .parts = 50, .header = 2000, .addresses = 30, .params = 20, .text = 1500 };

    CHECK(ph_structure_begin(s, &limits, NULL) == 0);
    for (size_t i = 0; i < text.n; i += piece)
        CHECK(ph_structure_feed(s, text.p + i, text.n - i < piece ? text.n - i : piece, NULL) == 0);
    CHECK(ph_structure_finish(s, NULL) == 0);
}

/* nstrings, numbers and parentheses, nothing else. */
static void check_imap(struct ph_str s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"') {
            for (i++; i < s.n && s.p[i] != '"'; i++) {
                i += s.p[i] == '\\';
                CHECK(i < s.n && (unsigned char)s.p[i] < 0x80 && s.p[i] && s.p[i] != '\r' && s.p[i] != '\n');
            }
            CHECK(i < s.n);
        } else if (c == '{') {
            size_t n = strtoul(s.p + i + 1, NULL, 10);
            const char *nl = memchr(s.p + i, '\n', s.n - i);
            CHECK(nl && (size_t)(s.p + s.n - nl) > n && !memchr(nl + 1, 0, n));
            i = (size_t)(nl - s.p) + n;
        } else {
            CHECK(c == ' ' || (c >= '0' && c <= '9') || c == '(' || c == ')' || c == 'N' || c == 'I' || c == 'L');
            depth += c == '(';
            CHECK(c != ')' || depth-- > 0);
        }
    }
    CHECK(depth == 0);
}

static void write_all(const struct ph_structure *s, struct ph_writer *w)
{
    ph_writer_clear(w);
    for (unsigned flags = 0; flags < 4; flags++)
        ph_structure_write_body(s, flags, w);
    ph_structure_write_envelope(s, w);
    CHECK(!w->failed && w->n_syncs == 0);
    check_imap(ph_buf_str(&w->out));
}

static void check_sections(const struct ph_structure *s)
{
    for (uint32_t code = 0; code < 6 * 125; code++) {
        uint32_t path[3] = { code % 5, code / 5 % 5, code / 25 % 5 };
        size_t n = 0;
        while (n < 3 && path[n])
            n++;
        struct ph_section sec = { .what = (enum ph_section_what)(code / 125), .part = path, .n_part = n };
        struct ph_extent e;
        enum ph_cte cte;
        if (ph_structure_section(s, &sec, &e))
            CHECK(e.begin <= e.end && e.end <= s->size);
        if (ph_structure_binary(s, path, n, &e, &cte))
            CHECK(e.begin <= e.end && e.end <= s->size);
    }
}

static void preview(const struct ph_structure *s, struct ph_str text, size_t piece, struct ph_buf *out)
{
    uint32_t part = ph_preview_part(s);
    struct ph_str got;

    if (part == PH_MIME_NO_PART)
        return;
    struct ph_preview *p = ph_preview_new(s, part, NULL);
    int r = 0;
    for (uint64_t i = s->parts[part].body; i < s->parts[part].end && r == 0; i += piece) {
        uint64_t left = s->parts[part].end - i;
        r = ph_preview_feed(p, text.p + i, left < piece ? left : piece, NULL);
    }
    CHECK(r >= 0 && ph_preview_finish(p, &got, NULL) == 0 && got.n <= 4 * PH_PREVIEW_CHARS);
    ph_buf_add_str(out, got);
    for (size_t i = 0; i < got.n; i++)
        CHECK((unsigned char)got.p[i] >= 0x20);
    ph_preview_free(p);
}

static void search(struct ph_text_search *k, struct ph_str text, size_t piece)
{
    int r = 0;

    ph_text_search_begin(k);
    for (size_t i = 0; i < text.n && r == 0; i += piece)
        r = ph_text_search_feed(k, text.p + i, text.n - i < piece ? text.n - i : piece, NULL);
    CHECK(r >= 0 && ph_text_search_finish(k, NULL) == 0);
}

static void searches(struct ph_str text, size_t piece)
{
    static const struct ph_text_key keys[] = {
        { PH_TEXT_HEADER, { "subject", 7 }, { "re", 2 } }, { PH_TEXT_BODY, { "", 0 }, { "te", 2 } },
        { PH_TEXT_TEXT, { "", 0 }, { "a\xc3\xa9", 3 } },  { PH_TEXT_TEXT, { "", 0 }, { "--b", 3 } },
    };
    bool whole[4];
    struct ph_text_search *k = ph_text_search_new(keys, 4, NULL), *one = ph_text_search_new(keys, 1, NULL);

    search(k, text, text.n + 1);
    for (size_t i = 0; i < 4; i++)
        whole[i] = ph_text_search_hit(k, i);
    search(k, text, piece);
    for (size_t i = 0; i < 4; i++)
        CHECK(ph_text_search_hit(k, i) == whole[i]);
    search(one, text, piece);
    bool hit = ph_text_search_hit(one, 0);
    CHECK(ph_text_search_header(one, text, NULL) == 0 && ph_text_search_hit(one, 0) == hit);
    ph_text_search_free(k);
    ph_text_search_free(one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_structure s, t;
    struct ph_writer w, again;
    struct ph_buf blob = PH_BUF_INIT, a = PH_BUF_INIT, b = PH_BUF_INIT;

    if (size < 1)
        return 0;
    size_t piece = data[0] % 64 + 1;
    struct ph_str text = { (const char *)data + 1, size - 1 };
    ph_structure_init(&s);
    ph_structure_init(&t);
    ph_writer_init(&w, PH_LITERAL_SYNC);
    ph_writer_init(&again, PH_LITERAL_SYNC);
    if (data[0] & 0x80) {
        if (ph_structure_load(&s, text, NULL) == 0) {
            write_all(&s, &w);
            check_sections(&s);
            ph_preview_part(&s);
        }
    } else {
        parse(&s, text, text.n + 1);
        write_all(&s, &w);
        check_sections(&s);
        CHECK(ph_structure_save(&s, &blob, NULL) == 0 && ph_structure_load(&t, ph_buf_str(&blob), NULL) == 0);
        write_all(&t, &again);
        CHECK(ph_str_eq(ph_buf_str(&w.out), ph_buf_str(&again.out)));
        preview(&s, text, text.n + 1, &a);
        parse(&t, text, piece);
        write_all(&t, &again);
        CHECK(ph_str_eq(ph_buf_str(&w.out), ph_buf_str(&again.out)) && s.limited == t.limited);
        preview(&t, text, piece, &b);
        CHECK(ph_str_eq(ph_buf_str(&a), ph_buf_str(&b)));
        searches(text, piece);
    }
    ph_buf_done(&blob);
    ph_buf_done(&a);
    ph_buf_done(&b);
    ph_writer_done(&w);
    ph_writer_done(&again);
    ph_structure_done(&s);
    ph_structure_done(&t);
    return 0;
}
