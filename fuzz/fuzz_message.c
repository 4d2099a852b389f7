/* What a hostile message can hold: MIME structure, header values, keys, encodings.
 *
 * The first octet is how many octets come at a time. Checked beyond memory: the pieces change nothing, parts lie inside each other,
 * and what is shown to people has no control characters in it.
 */
#include <stdlib.h>

#include "mail/identity.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

struct bodies {
    struct ph_mime m;
    struct ph_decoder decoder;
    struct ph_buf decoded;
    uint64_t n; /* octets of leaf bodies */
};

static int on_header(void *ctx, uint32_t part, struct ph_str header, struct ph_err *err)
{
    struct bodies *b = ctx;

    ph_decoder_init(&b->decoder, b->m.parts[part].cte);
    return 0;
}

static int on_body(void *ctx, uint32_t part, const char *p, size_t n, struct ph_err *err)
{
    struct bodies *b = ctx;

    b->n += n;
    return ph_decoder_feed(&b->decoder, p, n, &b->decoded);
}

static int on_end(void *ctx, uint32_t part, struct ph_err *err)
{
    struct bodies *b = ctx;

    if (ph_decoder_finish(&b->decoder, &b->decoded))
        return -1;
    CHECK(ph_buf_len(&b->decoded) <= b->n);
    ph_buf_clear(&b->decoded);
    return 0;
}

static void parse(struct bodies *b, const char *p, size_t n, size_t piece)
{
    static const struct ph_mime_limits limits = { .depth = 8, .parts = 50, .header = 500 };
    struct ph_mime_calls calls = { on_header, on_body, on_end, b };

    CHECK(ph_mime_init(&b->m, &limits, &calls, NULL) == 0);
    for (size_t i = 0; i < n; i += piece)
        CHECK(ph_mime_feed(&b->m, p + i, n - i < piece ? n - i : piece, NULL) == 0);
    CHECK(ph_mime_finish(&b->m, NULL) == 0);
}

static void check_parts(const struct bodies *a, const struct bodies *b, size_t size)
{
    uint64_t leaves = 0;

    CHECK(a->m.n_parts == b->m.n_parts && a->n == b->n && a->m.n_parts <= 50);
    for (uint32_t i = 0; i < a->m.n_parts; i++) {
        const struct ph_mime_part *p = &a->m.parts[i], *q = &b->m.parts[i];
        CHECK(p->header == q->header && p->body == q->body && p->end == q->end && p->kind == q->kind);
        CHECK(p->header_lines == q->header_lines && p->body_lines == q->body_lines);
        CHECK(p->header <= p->body && p->body <= p->end && p->end <= size && p->depth <= 8);
        CHECK(i == 0 || (p->parent < i && p->header >= a->m.parts[p->parent].body && p->end <= a->m.parts[p->parent].end));
        CHECK(p->next == PH_MIME_NO_PART || (p->next > i && a->m.parts[p->next].header >= p->end));
        leaves += p->kind == PH_MIME_LEAF ? p->end - p->body : 0;
    }
    CHECK(leaves == a->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "Message-ID", "Subject", "From", "Date" };
    static const struct ph_hash_key key;
    struct bodies whole = { 0 }, cut = { 0 };
    struct ph_buf out = PH_BUF_INIT;

    if (size < 1)
        return 0;
    size_t piece = data[0] % 64 + 1;
    struct ph_str text = { (const char *)data + 1, size - 1 };
    parse(&whole, text.p, text.n, text.n + 1);
    parse(&cut, text.p, text.n, piece);
    check_parts(&whole, &cut, text.n);
    CHECK((ph_identity_hash(&key, text) != 0) == ph_identity_key(text, false, false, &out, NULL));
    ph_identity_key(text, true, true, &out, NULL);
    for (int i = 0; i < 4; i++) {
        ph_buf_clear(&out);
        CHECK(ph_header_display(ph_header_field(text, names[i]), &out) == 0);
        for (size_t k = 0; k < ph_buf_len(&out); k++)
            CHECK((unsigned char)ph_buf_data(&out)[k] >= 0x20);
    }
    ph_buf_done(&out);
    ph_buf_done(&whole.decoded);
    ph_buf_done(&cut.decoded);
    ph_mime_done(&whole.m);
    ph_mime_done(&cut.m);
    return 0;
}
