#include "mail/structure.h"

#include <stdlib.h>
#include <string.h>

#include "mail/structure_record.h"

#define VERSION 1 /* of the blob */

/* What is needed only while octets come. */
struct structure_parse {
    struct ph_structure *s;
    struct ph_mime mime;
    struct structure_make make;
    uint64_t octets;
    bool begun; /* mime is there */
};

void ph_structure_init(struct ph_structure *s)
{
    memset(s, 0, sizeof *s);
}

static void end_parse(struct structure_parse *p)
{
    if (p->begun)
        ph_mime_done(&p->mime);
    p->begun = false;
}

static void free_parse(struct structure_parse *p)
{
    if (!p)
        return;
    end_parse(p);
    ph_buf_done(&p->make.scratch);
    ph_buf_done(&p->make.entries);
    ph_addresses_done(&p->make.addresses);
    free(p);
}

void ph_structure_done(struct ph_structure *s)
{
    free_parse(s->parse);
    free(s->parts);
    ph_buf_done(&s->text);
    memset(s, 0, sizeof *s);
}

static int room_for(struct ph_structure *s, uint32_t n, struct ph_err *err)
{
    if (n <= s->cap_parts)
        return 0;
    uint32_t cap = n < 4 ? 4 : n > UINT32_MAX / 2 ? n : 2 * n;
    struct ph_structure_part *parts = realloc(s->parts, cap * sizeof *parts);
    if (!parts)
        return ph_fail_memory(err);
    s->parts = parts;
    s->cap_parts = cap;
    return 0;
}

static void clear(struct ph_structure *s)
{
    s->n_parts = 0;
    s->size = 0;
    s->limited = false;
    ph_buf_clear(&s->text);
    ph_buf_shrink(&s->text, 1 << 20);
}

/* ---- from the octets ---- */

/* The fields are put where the header ends, so records come in the order of the parts. */
static int on_header(void *ctx, uint32_t part, struct ph_str header, struct ph_err *err)
{
    struct structure_parse *p = ctx;
    struct ph_structure *s = p->s;
    uint32_t parent = p->mime.parts[part].parent;
    bool envelope = parent == PH_MIME_NO_PART || p->mime.parts[parent].kind == PH_MIME_MESSAGE;

    if (room_for(s, part + 1, err))
        return -1;
    size_t at = ph_buf_len(&s->text);
    if (structure_record_make(&p->make, header, envelope))
        return ph_fail_memory(err);
    s->parts[part].fields = (uint32_t)at;
    s->parts[part].n_fields = (uint32_t)(ph_buf_len(&s->text) - at);
    return 0;
}

int ph_structure_begin(struct ph_structure *s, const struct ph_structure_limits *limits, struct ph_err *err)
{
    struct ph_structure_limits l = limits ? *limits : (struct ph_structure_limits){ 0 };
    struct structure_parse *p = s->parse;

    clear(s);
    if (!p && !(p = s->parse = calloc(1, sizeof *p)))
        return ph_fail_memory(err);
    end_parse(p);
    struct ph_mime_limits mime = { l.depth, l.parts, l.header ? l.header : 8u << 20 };
    struct ph_mime_calls calls = { .header = on_header, .ctx = p };
    p->s = s;
    p->octets = 0;
    p->make.text = &s->text;
    p->make.text_limit = l.text && l.text < 1u << 30 ? l.text : 16u << 20;
    p->make.addresses_left = l.addresses ? l.addresses : 200000;
    p->make.params_left = l.params ? l.params : 50000;
    p->make.limited = false;
    if (ph_mime_init(&p->mime, &mime, &calls, err))
        return -1;
    p->begun = true;
    return 0;
}

int ph_structure_feed(struct ph_structure *s, const char *p, size_t n, struct ph_err *err)
{
    s->parse->octets += n;
    return ph_mime_feed(&s->parse->mime, p, n, err);
}

int ph_structure_finish(struct ph_structure *s, struct ph_err *err)
{
    struct structure_parse *p = s->parse;

    if (ph_mime_finish(&p->mime, err) || room_for(s, p->mime.n_parts, err))
        return -1;
    s->n_parts = p->mime.n_parts;
    s->size = p->octets;
    s->limited = p->mime.limited || p->make.limited;
    for (uint32_t i = 0; i < s->n_parts; i++) {
        const struct ph_mime_part *m = &p->mime.parts[i];
        struct ph_structure_part *to = &s->parts[i];
        *to = (struct ph_structure_part){ m->parent, m->child, m->next, m->depth, m->kind, m->cte, m->header, m->body,
                                          m->end, m->header_lines, m->body_lines, to->fields, to->n_fields };
        s->limited |= m->header_cut;
    }
    end_parse(p);
    ph_buf_shrink(&p->make.scratch, 0);
    if (ph_buf_len(&p->make.entries) == 0)
        ph_buf_shrink(&p->make.entries, 1 << 16);
    return 0;
}

/* ---- as a blob ---- */

int ph_structure_save(const struct ph_structure *s, struct ph_buf *out, struct ph_err *err)
{
    ph_buf_add_char(out, VERSION);
    ph_buf_add_char(out, s->limited);
    structure_number_put(out, s->size);
    structure_number_put(out, s->n_parts);
    for (uint32_t i = 0; i < s->n_parts; i++) {
        const struct ph_structure_part *p = &s->parts[i];
        ph_buf_add_char(out, (char)(p->kind | p->cte << 2));
        if (i) {
            structure_number_put(out, i - p->parent);
            structure_number_put(out, p->header - s->parts[p->parent].body);
        }
        structure_number_put(out, p->body - p->header);
        structure_number_put(out, p->end - p->body);
        structure_number_put(out, p->header_lines);
        structure_number_put(out, p->body_lines);
        structure_number_put(out, p->n_fields);
    }
    ph_buf_add_str(out, ph_buf_str(&s->text));
    return out->failed ? ph_fail_memory(err) : 0;
}

static int corrupt(struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CORRUPT, "the kept structure of a message is damaged");
}

/* Links a part to its parent; last: the last child so far of each part. */
static bool link_part(struct ph_structure *s, uint32_t i, uint32_t *last)
{
    struct ph_structure_part *p = &s->parts[i], *parent = &s->parts[p->parent];
    uint32_t before = last[p->parent];

    if (parent->kind == PH_MIME_LEAF || (parent->kind == PH_MIME_MESSAGE && before != PH_MIME_NO_PART) ||
        p->header < (before == PH_MIME_NO_PART ? parent->body : s->parts[before].end) || p->end > parent->end)
        return false;
    p->depth = parent->depth + 1;
    if (before == PH_MIME_NO_PART)
        parent->child = i;
    else
        s->parts[before].next = i;
    last[p->parent] = i;
    return true;
}

static bool load_part(struct ph_structure *s, uint32_t i, const char **at, const char *end, uint64_t *fields)
{
    struct ph_structure_part *p = &s->parts[i];
    uint64_t back = 0, header = 0, body, length, n_fields;
    unsigned char kind = *at < end ? (unsigned char)*(*at)++ : 0xff;

    if ((kind & 3) > PH_MIME_MESSAGE || kind >> 2 > PH_CTE_UNKNOWN ||
        (i && (!structure_number_get(at, end, &back) || !structure_number_get(at, end, &header) || !back || back > i)) ||
        !structure_number_get(at, end, &body) || !structure_number_get(at, end, &length))
        return false;
    *p = (struct ph_structure_part){ i ? i - (uint32_t)back : PH_MIME_NO_PART, PH_MIME_NO_PART, PH_MIME_NO_PART };
    p->kind = kind & 3;
    p->cte = kind >> 2;
    uint64_t size = s->size; /* no sum below may overflow */
    if (header > size || body > size || length > size)
        return false;
    p->header = header + (i ? s->parts[p->parent].body : 0);
    p->body = p->header + body;
    p->end = p->body + length;
    if (!structure_number_get(at, end, &p->header_lines) || !structure_number_get(at, end, &p->body_lines) ||
        !structure_number_get(at, end, &n_fields) || p->end > size || n_fields > UINT32_MAX - *fields)
        return false;
    p->fields = (uint32_t)*fields;
    p->n_fields = (uint32_t)n_fields;
    *fields += n_fields;
    return true;
}

static bool load(struct ph_structure *s, struct ph_str blob, uint32_t *last)
{
    const char *p = blob.p + 2, *end = blob.p + blob.n;
    uint64_t n, fields = 0;
    struct structure_record r;

    /* sizes were checked: load() is called twice over the same head */
    structure_number_get(&p, end, &s->size);
    structure_number_get(&p, end, &n);
    for (uint32_t i = 0; i < n; i++) {
        last[i] = PH_MIME_NO_PART;
        if (!load_part(s, i, &p, end, &fields) || (i && !link_part(s, i, last)))
            return false;
    }
    if (s->parts[0].end != s->size || fields != (uint64_t)(end - p))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct ph_structure_part *part = &s->parts[i];
        bool message = i == 0 || s->parts[part->parent].kind == PH_MIME_MESSAGE;
        if (!structure_record_read((struct ph_str){ p + part->fields, part->n_fields }, &r) || r.envelope != message ||
            (part->kind == PH_MIME_MESSAGE && part->child == PH_MIME_NO_PART))
            return false;
    }
    s->n_parts = (uint32_t)n;
    return !ph_buf_add(&s->text, p, (size_t)fields);
}

int ph_structure_load(struct ph_structure *s, struct ph_str blob, struct ph_err *err)
{
    uint64_t size, n;

    clear(s);
    if (blob.n < 4 || blob.p[0] != VERSION || (unsigned char)blob.p[1] > 1)
        return corrupt(err);
    const char *p = blob.p + 2, *end = blob.p + blob.n;
    if (!structure_number_get(&p, end, &size) || !structure_number_get(&p, end, &n) || n == 0 ||
        n > (uint64_t)(end - p) / 6 || size > INT64_MAX / 4)
        return corrupt(err);
    uint32_t some[16], *last = n <= 16 ? some : malloc(n * sizeof *last);
    if (!last)
        return ph_fail_memory(err);
    bool good = !room_for(s, (uint32_t)n, err) && load(s, blob, last);
    if (last != some)
        free(last);
    if (good) {
        s->limited = blob.p[1];
        return 0;
    }
    clear(s);
    return corrupt(err);
}
