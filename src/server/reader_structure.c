/* reader_structure.c: the structure of a message, found by reading it once and kept by the store where it can.
 *
 * What is kept: one octet (the form), two with the length of the preview (0xffff: none), the preview, the structure.
 */
#include <string.h>

#include "server/reader.h"

#define FORM 1
#define HEAD 3
#define NO_PREVIEW 0xffff
#define LEND 65536

int reader_kept_structure(struct reader *r, uint32_t uid, struct ph_err *err)
{
    struct ph_buf blob = PH_BUF_INIT;
    struct ph_err why = { 0 };
    int found;

    if (r->has_structure && r->uid == uid)
        return 1;
    if (!r->serve->cache_get)
        return 0;
    found = r->serve->cache_get(r->store, r->folder, r->uidvalidity, uid, &blob, &why);
    struct ph_str b = ph_buf_str(&blob);
    if (found < 0 && why.scope >= PH_SCOPE_SESSION) {
        r->broken = true;
        if (err)
            *err = why;
        ph_buf_done(&blob);
        return -1;
    }
    if (found == 1 && b.n > HEAD && b.p[0] == FORM) {
        size_t n = (size_t)(unsigned char)b.p[1] << 8 | (unsigned char)b.p[2], text = n == NO_PREVIEW ? 0 : n;
        bool open = r->uid == uid && r->how != READER_CLOSED;
        if (text <= b.n - HEAD &&
            ph_structure_load(&r->structure, (struct ph_str){ b.p + HEAD + text, b.n - HEAD - text }, NULL) == 0 &&
            (!open || r->structure.size == r->size)) {
            ph_buf_clear(&r->preview);
            r->has_preview = n != NO_PREVIEW && ph_buf_add(&r->preview, b.p + HEAD, text) == 0;
            r->has_structure = true;
            if (!open) {
                r->uid = uid;
                r->how = READER_CLOSED;
                r->size = r->structure.size;
            }
        }
    }
    ph_buf_done(&blob);
    return r->has_structure && r->uid == uid;
}

static void keep(struct reader *r)
{
    struct ph_buf blob = PH_BUF_INIT;
    struct ph_str preview = ph_buf_str(&r->preview);
    size_t n = r->has_preview && preview.n < NO_PREVIEW ? preview.n : NO_PREVIEW;

    ph_buf_add_char(&blob, FORM);
    ph_buf_add_char(&blob, (char)(n >> 8));
    ph_buf_add_char(&blob, (char)(n & 0xff));
    if (n != NO_PREVIEW)
        ph_buf_add_str(&blob, preview);
    /* a store that cannot keep it now (a full disk, a mailbox that is read-only) costs time, not the answer */
    if (ph_structure_save(&r->structure, &blob, NULL) == 0 && !blob.failed)
        r->serve->cache_put(r->store, r->folder, r->uidvalidity, r->uid, ph_buf_str(&blob), NULL);
    ph_buf_done(&blob);
}

static int parse(struct reader *r, uint64_t end, struct ph_err *err)
{
    const char *p;
    size_t n;

    if (ph_structure_begin(&r->structure, NULL, err))
        return -1;
    for (uint64_t at = 0; at < end; at += n)
        if (reader_at(r, at, end - at < LEND ? (size_t)(end - at) : LEND, &p, &n, err) ||
            ph_structure_feed(&r->structure, p, n, err))
            return -1;
    return ph_structure_finish(&r->structure, err);
}

int reader_structure(struct reader *r, struct ph_err *err)
{
    int found = reader_kept_structure(r, r->uid, err);

    if (found)
        return found < 0 ? -1 : 0;
    if (parse(r, r->size, err))
        return -1;
    r->has_structure = true;
    r->has_preview = false;
    if (r->serve->cache_put)
        keep(r);
    return 0;
}

int reader_envelope(struct reader *r, struct ph_err *err)
{
    struct ph_str header;
    uint64_t end;
    bool whole;

    if (r->has_structure)
        return 0;
    if (r->serve->cache_put && !reader_is_random(r)) /* all of it comes anyway */
        return reader_structure(r, err);
    if (reader_header(r, &header, &whole, err))
        return -1;
    if (!whole)
        return reader_header_end(r, &end, err) || parse(r, end, err) ? -1 : 0;
    return ph_structure_begin(&r->structure, NULL, err) || ph_structure_feed(&r->structure, header.p, header.n, err)
               ? -1 : ph_structure_finish(&r->structure, err);
}

void reader_keep_preview(struct reader *r)
{
    if (r->serve->cache_put && r->has_structure && r->has_preview)
        keep(r);
}
