/* fetch_prepare.c: what each item of a FETCH will be for the message in hand, and how long: a literal's size stands before its
 * octets, so it is known before the line begins.
 */
#include "server/fetch.h"

#include "mail/binary.h"
#include "mail/header.h"

#define LEND 65536
#define KEEP 262144 /* octets of picked fields and decoded parts that are kept from measuring to sending */

/* Cut to the partial that was asked for. */
static void cut(const struct ph_fetch_att *a, uint64_t total, struct fetch_item *it)
{
    it->skip = 0;
    it->size = total;
    if (!a->partial)
        return;
    it->skip = a->origin < total ? a->origin : total;
    it->size = total - it->skip < a->length ? total - it->skip : a->length;
}

static void extent(const struct ph_fetch_att *a, struct ph_extent e, struct fetch_item *it)
{
    cut(a, e.end - e.begin, it);
    it->how = ITEM_EXTENT;
    it->extent = (struct ph_extent){ e.begin + it->skip, e.begin + it->skip + it->size };
}

/* The fields of a header that are wanted. They are kept for sending when they are few. */
static int pick(struct fetch *f, const struct ph_fetch_att *a, struct ph_extent e, struct fetch_item *it,
                struct ph_err *err)
{
    struct ph_fields_pick pick;
    size_t start = ph_buf_len(&f->texts);
    uint64_t total = 0;
    bool keep = true;
    const char *p;
    size_t n;
    int rc = -1;

    if (ph_fields_pick_init(&pick, a->section.fields.w, a->section.fields.n, a->section.what == PH_SEC_FIELDS_NOT, err))
        return -1;
    for (uint64_t at = e.begin; at < e.end; at += n) {
        if (reader_at(&f->reader, at, e.end - at < LEND ? (size_t)(e.end - at) : LEND, &p, &n, err))
            goto out;
        ph_buf_clear(&f->piece);
        if (ph_fields_pick_feed(&pick, p, n, &f->piece) || (at + n == e.end && ph_fields_pick_finish(&pick, &f->piece)))
            goto memory;
        total += ph_buf_len(&f->piece);
        keep = keep && ph_buf_len(&f->texts) + ph_buf_len(&f->piece) <= KEEP;
        if (keep && ph_buf_add_str(&f->texts, ph_buf_str(&f->piece)))
            goto memory;
    }
    cut(a, total, it);
    it->extent = e;
    it->text = start;
    it->how = keep ? ITEM_TEXT : ITEM_FIELDS;
    rc = 0;
out:
    ph_fields_pick_done(&pick);
    return rc;
memory:
    ph_fields_pick_done(&pick);
    return ph_fail_memory(err);
}

static int section(struct fetch *f, const struct ph_fetch_att *a, struct fetch_item *it, struct ph_err *err)
{
    struct ph_extent e = { 0, f->reader.size };
    enum ph_section_what what = a->what == PH_FA_RFC822_HEADER ? PH_SEC_HEADER
                                : a->what == PH_FA_RFC822_TEXT ? PH_SEC_TEXT
                                : a->what == PH_FA_RFC822      ? PH_SEC_ALL : a->section.what;

    if (a->section.n_part) {
        if (!ph_structure_section(&f->reader.structure, &a->section, &e)) {
            it->how = ITEM_NIL;
            return 0;
        }
    } else if (what != PH_SEC_ALL) {
        uint64_t end;
        if (reader_header_end(&f->reader, &end, err))
            return -1;
        *(what == PH_SEC_TEXT ? &e.begin : &e.end) = end;
    }
    if (what == PH_SEC_FIELDS || what == PH_SEC_FIELDS_NOT)
        return pick(f, a, e, it, err);
    extent(a, e, it);
    return 0;
}

/* A part without its transfer encoding: measured by decoding it once. */
static int binary(struct fetch *f, const struct ph_fetch_att *a, struct fetch_item *it, struct ph_err *err)
{
    struct ph_extent e = { 0, f->reader.size };
    enum ph_cte cte = PH_CTE_BINARY;
    struct ph_binary b;
    size_t start = ph_buf_len(&f->texts);
    bool keep = a->what == PH_FA_BINARY;
    const char *p;
    size_t n;
    int rc = -1;

    if (a->section.n_part &&
        !ph_structure_binary(&f->reader.structure, a->section.part, a->section.n_part, &e, &cte)) {
        it->how = a->what == PH_FA_BINARY_SIZE ? ITEM_SIZE : ITEM_NIL;
        return 0;
    }
    it->extent = e;
    it->cte = cte;
    if (a->what == PH_FA_BINARY_SIZE && !a->section.n_part) {
        it->how = ITEM_SIZE;
        it->size = f->reader.size;
        return 0;
    }
    if (ph_binary_init(&b, cte, a->partial ? a->origin : 0, a->partial ? a->length : UINT64_MAX, err)) {
        if (!err || err->kind != PH_E_UNSUPPORTED)
            return -1;
        f->unknown_cte = true;
        it->how = ITEM_OMIT;
        return 0;
    }
    for (uint64_t at = e.begin; at < e.end; at += n) {
        if (keep && a->partial && ph_binary_full(&b))
            break;
        if (reader_at(&f->reader, at, e.end - at < LEND ? (size_t)(e.end - at) : LEND, &p, &n, err))
            goto out;
        ph_buf_clear(&f->piece);
        if (ph_binary_feed(&b, p, n, &f->piece) || (at + n == e.end && ph_binary_finish(&b, &f->piece)))
            goto memory;
        keep = keep && ph_buf_len(&f->texts) + ph_buf_len(&f->piece) <= KEEP;
        if (keep && ph_buf_add_str(&f->texts, ph_buf_str(&f->piece)))
            goto memory;
    }
    it->size = a->what == PH_FA_BINARY_SIZE ? b.size : b.sent;
    it->nul = b.nul;
    it->text = start;
    it->how = a->what == PH_FA_BINARY_SIZE ? ITEM_SIZE : keep ? ITEM_TEXT : ITEM_BINARY;
    rc = 0;
out:
    ph_binary_done(&b);
    return rc;
memory:
    ph_binary_done(&b);
    return ph_fail_memory(err);
}

/* The preview, made now if it is not kept; NIL when a lazy one would cost a download. */
static int preview(struct fetch *f, const struct ph_fetch_att *a, struct fetch_item *it, struct ph_err *err)
{
    struct reader *r = &f->reader;
    struct ph_str text = PH_STR("");
    const char *p;
    size_t n;
    int rc = 0;

    it->how = ITEM_PLAIN;
    if (r->has_preview)
        return 0;
    if (a->lazy && !reader_can_return(r)) {
        it->how = ITEM_NIL;
        return 0;
    }
    uint32_t part = ph_preview_part(&r->structure);
    struct ph_preview *made = part == PH_MIME_NO_PART ? NULL : ph_preview_new(&r->structure, part, err);
    if (part != PH_MIME_NO_PART && !made)
        return -1;
    if (made) {
        uint64_t at = r->structure.parts[part].body, end = r->structure.parts[part].end;
        for (; rc == 0 && at < end; at += n)
            rc = reader_at(r, at, end - at < 4096 ? (size_t)(end - at) : 4096, &p, &n, err) ? -1
                                                                                  : ph_preview_feed(made, p, n, err);
        if (rc >= 0)
            rc = ph_preview_finish(made, &text, err);
    }
    ph_buf_clear(&r->preview);
    if (rc == 0 && ph_buf_add_str(&r->preview, text))
        rc = ph_fail_memory(err);
    ph_preview_free(made);
    if (rc == 0) {
        r->has_preview = true;
        reader_keep_preview(r);
    }
    return rc;
}

static int prepare(struct fetch *f, const struct ph_fetch_att *a, struct fetch_item *it, struct ph_err *err)
{
    *it = (struct fetch_item){ .how = ITEM_PLAIN };
    switch (a->what) {
    case PH_FA_SECTION:
    case PH_FA_RFC822:
    case PH_FA_RFC822_HEADER:
    case PH_FA_RFC822_TEXT:
        return section(f, a, it, err);
    case PH_FA_BINARY:
    case PH_FA_BINARY_SIZE:
        return binary(f, a, it, err);
    case PH_FA_PREVIEW:
        return preview(f, a, it, err);
    case PH_FA_SIZE:
        if (f->need & NEED_SIZE) {
            it->how = ITEM_SIZE;
            it->size = f->reader.size;
        }
        break;
    default:
        break;
    }
    return 0;
}

int fetch_prepare(struct fetch *f, struct ph_err *err)
{
    size_t told = 0;

    ph_buf_clear(&f->texts);
    if (f->need & NEED_STRUCTURE) {
        if (!(f->reader.has_structure) && reader_structure(&f->reader, err))
            return -1;
    } else if ((f->need & NEED_ENVELOPE) && reader_envelope(&f->reader, err)) {
        return -1;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (prepare(f, &f->atts[i], &f->items[i], err))
            return -1;
        told += f->items[i].how != ITEM_OMIT;
    }
    return told == 0;
}
