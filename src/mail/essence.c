#include "mail/essence.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "mail/identity.h"

#define TEXT_MAX (4u << 20) /* decoded text that is converted as one piece; beyond it octets count as they are */

/* ---- header fields ---- */

static bool word_char(char c)
{
    return (unsigned char)c > ' ' && c != '"';
}

/* Without blanks and quotes; a date without comments and without leading zeros. */
static int normalise(struct ph_str shown, bool date, struct ph_buf *out)
{
    bool in_number = false;

    for (size_t i = 0; i < shown.n; i++) {
        char c = shown.p[i];
        bool digit = c >= '0' && c <= '9';
        if (date && c == '(')
            break;
        if (date && c == '0' && !in_number && i + 1 < shown.n && shown.p[i + 1] >= '0' && shown.p[i + 1] <= '9')
            continue;
        in_number = digit;
        if (word_char(c) && ph_buf_add_char(out, c))
            return -1;
    }
    return 0;
}

static int take_header(void *ctx, uint32_t part, struct ph_str header, struct ph_err *err)
{
    static const char *const names[ESSENCE_FIELDS] = { "Message-ID", "Date", "From", "Subject", "To" };
    struct essence *e = ctx;
    const struct ph_mime_part *p = &e->mime.parts[part];
    struct ph_buf shown = PH_BUF_INIT;
    int r = 0;

    for (int i = 0; part == 0 && i < ESSENCE_FIELDS && r == 0; i++) {
        ph_buf_clear(&shown);
        r = ph_header_display(ph_header_field(header, names[i]), &shown);
        if (r == 0)
            r = normalise(ph_buf_str(&shown), i == 1, &e->field[i]);
    }
    ph_buf_done(&shown);
    ph_decoder_init(&e->decoder, p->cte);
    e->is_text = strcmp(p->type, "text") == 0;
    e->overflow = e->any = e->after_cr = false;
    e->blanks = e->lines = 0;
    ph_buf_clear(&e->decoded);
    EVP_DigestInit_ex(e->md, NULL, NULL);
    return r ? ph_fail_memory(err) : 0;
}

/* ---- leaves ---- */

static void hash(struct essence *e, const char *p, size_t n)
{
    EVP_DigestUpdate(e->md, p, n);
    e->any = true;
}

static void hash_held(struct essence *e)
{
    for (; e->lines; e->lines--)
        hash(e, "\n", 1);
    for (; e->blanks; e->blanks--)
        hash(e, " ", 1);
}

/* Text line by line: blanks and line ends wait for what follows them. */
static void hash_text(struct essence *e, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t from = i;
        while (i < n && p[i] != '\n' && p[i] != '\r' && p[i] != ' ' && p[i] != '\t')
            i++;
        if (i > from) {
            hash_held(e);
            hash(e, p + from, i - from);
            e->after_cr = false;
            continue;
        }
        if (p[i] == '\n' || p[i] == '\r') {
            e->lines += !(p[i] == '\n' && e->after_cr);
            e->blanks = 0;
        } else {
            e->blanks++;
        }
        e->after_cr = p[i++] == '\r';
    }
}

/* What was decoded and not hashed yet. Text waits for the end of its part, as a character may be cut; but not for ever. */
static int hash_decoded(struct essence *e, uint32_t part, bool last)
{
    struct ph_str d = ph_buf_str(&e->decoded);
    int known = 0;

    if (e->is_text && !last && !e->overflow && d.n <= TEXT_MAX)
        return 0;
    if (!e->is_text) {
        if (d.n)
            hash(e, d.p, d.n);
    } else if (last && !e->overflow) {
        ph_buf_clear(&e->text);
        known = ph_charset_to_utf8(ph_str(e->mime.parts[part].charset), d, &e->text);
        hash_text(e, known == 1 ? ph_buf_str(&e->text).p : d.p, known == 1 ? ph_buf_len(&e->text) : d.n);
    } else {
        e->overflow = true;
        hash_text(e, d.p, d.n);
    }
    ph_buf_clear(&e->decoded);
    return known < 0 ? -1 : 0;
}

static int take_body(void *ctx, uint32_t part, const char *p, size_t n, struct ph_err *err)
{
    struct essence *e = ctx;

    if (ph_decoder_feed(&e->decoder, p, n, &e->decoded) || hash_decoded(e, part, false))
        return ph_fail_memory(err);
    return 0;
}

static int take_end(void *ctx, uint32_t part, struct ph_err *err)
{
    struct essence *e = ctx;

    if (e->mime.parts[part].kind != PH_MIME_LEAF)
        return 0;
    if (ph_decoder_finish(&e->decoder, &e->decoded) || hash_decoded(e, part, true))
        return ph_fail_memory(err);
    if (!e->any)
        return 0;
    if (e->n_leaves == e->cap_leaves) {
        size_t cap = e->cap_leaves ? 2 * e->cap_leaves : 8;
        unsigned char(*leaf)[32] = realloc(e->leaf, cap * sizeof *leaf);
        if (!leaf)
            return ph_fail_memory(err);
        e->leaf = leaf;
        e->cap_leaves = cap;
    }
    EVP_DigestFinal_ex(e->md, e->leaf[e->n_leaves++], NULL);
    return 0;
}

/* ---- */

int essence_init(struct essence *e, struct ph_err *err)
{
    struct ph_mime_calls calls = { .header = take_header, .body = take_body, .end = take_end, .ctx = e };

    memset(e, 0, sizeof *e);
    e->md = EVP_MD_CTX_new();
    if (!e->md || EVP_DigestInit_ex(e->md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(e->md);
        e->md = NULL;
        return ph_fail_memory(err);
    }
    if (ph_mime_init(&e->mime, NULL, &calls, err) == 0)
        return 0;
    essence_done(e);
    return -1;
}

void essence_done(struct essence *e)
{
    ph_mime_done(&e->mime);
    for (int i = 0; i < ESSENCE_FIELDS; i++)
        ph_buf_done(&e->field[i]);
    ph_buf_done(&e->decoded);
    ph_buf_done(&e->text);
    free(e->leaf);
    EVP_MD_CTX_free(e->md);
    memset(e, 0, sizeof *e);
}

int essence_feed(struct essence *e, const char *p, size_t n, struct ph_err *err)
{
    return ph_mime_feed(&e->mime, p, n, err);
}

static int compare_leaves(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

int essence_finish(struct essence *e, struct ph_err *err)
{
    if (ph_mime_finish(&e->mime, err))
        return -1;
    if (e->n_leaves)
        qsort(e->leaf, e->n_leaves, sizeof *e->leaf, compare_leaves);
    return 0;
}

const char *essence_compare(struct essence *src, struct essence *dst)
{
    for (int i = 0; i < ESSENCE_FIELDS; i++)
        if (ph_buf_len(&src->field[i]) && !ph_str_eq(ph_buf_str(&src->field[i]), ph_buf_str(&dst->field[i])))
            return "header";
    if (src->n_leaves != dst->n_leaves)
        return "parts";
    if (src->n_leaves && memcmp(src->leaf, dst->leaf, src->n_leaves * sizeof *src->leaf) != 0)
        return "content";
    return NULL;
}
