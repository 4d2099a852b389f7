/* fetch_message.c: the FETCH response of one message. Once a literal is announced all of its octets are sent, or the connection
 * ends.
 */
#include "server/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "mail/binary.h"
#include "mail/header.h"
#include "server/sync.h"

#define LEND 65536

/* ---- octets ---- */

/* A NUL may not stand in a literal (RFC 9051 9, CHAR8): 0x80, as other servers do. */
static int send_text(struct session *s, const char *p, size_t n)
{
    while (n) {
        const char *nul = memchr(p, 0, n);
        size_t some = nul ? (size_t)(nul - p) : n;
        if (some && session_push_data(s, p, some))
            return -1;
        if (!nul)
            break;
        if (session_push_data(s, "\x80", 1))
            return -1;
        p = nul + 1;
        n -= some + 1;
    }
    return 0;
}

static int send_extent(struct fetch *f, const struct fetch_item *it, struct ph_err *err)
{
    const char *p;
    size_t n;

    for (uint64_t at = it->extent.begin; at < it->extent.end; at += n) {
        uint64_t left = it->extent.end - at;
        if (reader_at(&f->reader, at, left < LEND ? (size_t)left : LEND, &p, &n, err) || send_text(f->s, p, n))
            return -1;
    }
    return 0;
}

/* More than was kept from measuring: made again, in pieces. */
static int send_fields(struct fetch *f, const struct ph_fetch_att *a, const struct fetch_item *it, struct ph_err *err)
{
    struct ph_fields_pick pick;
    uint64_t skip = it->skip, left = it->size;
    const char *p;
    size_t n;
    int rc;

    rc = ph_fields_pick_init(&pick, a->section.fields.w, a->section.fields.n, a->section.what == PH_SEC_FIELDS_NOT, err);
    for (uint64_t at = it->extent.begin; rc == 0 && left && at < it->extent.end; at += n) {
        uint64_t more = it->extent.end - at;
        rc = reader_at(&f->reader, at, more < LEND ? (size_t)more : LEND, &p, &n, err);
        if (rc)
            break;
        ph_buf_clear(&f->piece);
        rc = ph_fields_pick_feed(&pick, p, n, &f->piece);
        if (rc == 0 && n == more)
            rc = ph_fields_pick_finish(&pick, &f->piece);
        struct ph_str text = ph_buf_str(&f->piece);
        size_t off = skip < text.n ? (size_t)skip : text.n;
        skip -= off;
        text.n -= off;
        if (text.n > left)
            text.n = (size_t)left;
        left -= text.n;
        if (rc == 0)
            rc = send_text(f->s, text.p + off, text.n);
    }
    ph_fields_pick_done(&pick);
    return rc || left ? -1 : 0;
}

static int send_binary(struct fetch *f, const struct ph_fetch_att *a, const struct fetch_item *it, struct ph_err *err)
{
    struct ph_binary b;
    const char *p;
    size_t n;
    uint64_t left = it->size;
    int rc = ph_binary_init(&b, it->cte, a->partial ? a->origin : 0, a->partial ? a->length : UINT64_MAX, err);

    if (rc)
        return -1;
    for (uint64_t at = it->extent.begin; rc == 0 && left && at < it->extent.end; at += n) {
        uint64_t more = it->extent.end - at;
        rc = reader_at(&f->reader, at, more < LEND ? (size_t)more : LEND, &p, &n, err);
        if (rc)
            break;
        ph_buf_clear(&f->piece);
        rc = ph_binary_feed(&b, p, n, &f->piece);
        if (rc == 0 && n == more)
            rc = ph_binary_finish(&b, &f->piece);
        struct ph_str text = ph_buf_str(&f->piece);
        if (text.n > left)
            text.n = (size_t)left;
        left -= text.n;
        if (rc == 0)
            rc = session_push_data(f->s, text.p, text.n);
    }
    ph_binary_done(&b);
    return rc || left ? -1 : 0;
}

static int send_item(struct fetch *f, const struct ph_fetch_att *a, const struct fetch_item *it, struct ph_err *err)
{
    struct ph_str text;

    if (it->size == 0) {
        ph_write_raw(&f->s->w, "\"\"");
        return 0;
    }
    if (it->nul)
        ph_write_literal8_head(&f->s->w, it->size);
    else
        ph_write_literal_head(&f->s->w, it->size, false);
    switch (it->how) {
    case ITEM_TEXT:
        text = ph_buf_str(&f->texts);
        text.p += it->text + (a->what == PH_FA_BINARY ? 0 : it->skip);
        return it->nul ? session_push_data(f->s, text.p, (size_t)it->size) : send_text(f->s, text.p, (size_t)it->size);
    case ITEM_FIELDS:
        return send_fields(f, a, it, err);
    case ITEM_BINARY:
        return send_binary(f, a, it, err);
    default:
        return send_extent(f, it, err);
    }
}

/* ---- items ---- */

static void separate(struct ph_fetch_line *l)
{
    if (l->some)
        ph_write_char(l->w, ' ');
    l->some = true;
}

static void write_info(const struct fetch *f, const struct ph_fetch_att *a, const struct message *m, struct ph_fetch_line *l)
{
    const char *id = a->what == PH_FA_EMAILID ? m->emailid : m->threadid;

    if (a->what != PH_FA_SAVEDATE) {
        if (a->what == PH_FA_THREADID || (id && *id)) /* RFC 8474 5.3: an EMAILID is never NIL */
            ph_write_fetch_object(l, a->what == PH_FA_EMAILID ? "EMAILID" : "THREADID", id && *id ? ph_str(id) : PH_STR_NIL);
    } else if (m->has_saved) {
        ph_write_fetch_date(l, "SAVEDATE", m->saved, 0);
    } else {
        ph_write_fetch_nstring(l, "SAVEDATE", PH_STR_NIL);
    }
}

/* Items without octets of the message. */
static void write_plain(struct fetch *f, const struct ph_fetch_att *a, const struct message *m, struct ph_fetch_line *l)
{
    struct ph_structure *st = &f->reader.structure;
    unsigned rev1 = f->s->enabled & (PH_EN_REV2 | PH_EN_UTF8) ? 0 : PH_BODY_REV1;

    switch (a->what) {
    case PH_FA_FLAGS:
        separate(l);
        sync_write_flags(f->s, &m->row);
        break;
    case PH_FA_UID:
        ph_write_fetch_number(l, "UID", m->row.uid);
        break;
    case PH_FA_MODSEQ:
        ph_write_fetch_modseq(l, m->row.modseq);
        break;
    case PH_FA_INTERNALDATE:
        ph_write_fetch_date(l, "INTERNALDATE", m->has_date ? m->epoch : 0, m->has_date ? m->zone_min : 0);
        break;
    case PH_FA_SIZE:
        ph_write_fetch_number(l, "RFC822.SIZE", m->size);
        break;
    case PH_FA_ENVELOPE:
        ph_write_fetch_name(l, "ENVELOPE");
        ph_structure_write_envelope(st, l->w);
        break;
    case PH_FA_BODY:
    case PH_FA_BODYSTRUCTURE:
        ph_write_fetch_name(l, a->what == PH_FA_BODY ? "BODY" : "BODYSTRUCTURE");
        ph_structure_write_body(st, rev1 | (a->what == PH_FA_BODYSTRUCTURE ? PH_BODY_EXTENDED : 0), l->w);
        break;
    case PH_FA_PREVIEW:
        ph_write_fetch_nstring(l, "PREVIEW", ph_buf_str(&f->reader.preview));
        break;
    case PH_FA_EMAILID:
    case PH_FA_THREADID:
    case PH_FA_SAVEDATE:
        write_info(f, a, m, l);
        break;
    default:
        break;
    }
}

static int write_item(struct fetch *f, size_t i, const struct message *m, struct ph_fetch_line *l, struct ph_err *err)
{
    const struct ph_fetch_att *a = &f->atts[i];
    const struct fetch_item *it = &f->items[i];

    switch (it->how) {
    case ITEM_OMIT:
        return 0;
    case ITEM_PLAIN:
        write_plain(f, a, m, l);
        return 0;
    case ITEM_NIL:
        ph_write_fetch_att(l, a);
        ph_write_raw(l->w, "NIL");
        return 0;
    case ITEM_SIZE:
        ph_write_fetch_att(l, a);
        ph_write_u64(l->w, it->size);
        return 0;
    default:
        ph_write_fetch_att(l, a);
        return send_item(f, a, it, err);
    }
}

static bool asks_for(const struct fetch *f, enum ph_fetch_what what)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->atts[i].what == what)
            return true;
    return false;
}

/* An answer that stopped in the middle cannot be made good. */
static int cut_off(struct fetch *f, const struct ph_err *why)
{
    if (!f->s->broken && why->kind != PH_OK)
        server_log(f->s->server, f->s, 4, "FETCH of UID %u: %s", f->reader.uid, why->text);
    if (why->scope >= PH_SCOPE_SESSION)
        f->s->store_failed = true;
    f->s->broken = true;
    return -1;
}

int fetch_tell(struct fetch *f, const struct message *m, struct ph_err *err)
{
    struct session *s = f->s;
    struct ph_fetch_line l = { &s->w, false };
    uint32_t seq = uidlist_seq(s->view->uids, m->row.uid);
    struct ph_err why = { 0 };

    if (f->need & NEED_BODY) {
        int rc = fetch_prepare(f, err);
        if (rc)
            return rc < 0 ? -1 : 0;
    }
    if (!seq)
        return 0;
    sync_begin_fetch(s, seq, m->row.uid);
    if (f->tell_uid)
        ph_write_fetch_number(&l, "UID", m->row.uid);
    for (size_t i = 0; i < f->n; i++)
        if (write_item(f, i, m, &l, &why))
            return cut_off(f, &why);
    bool news = !ph_numset_empty(&f->seen) && ph_numset_contains(&f->seen, m->row.uid);
    if (news && !asks_for(f, PH_FA_FLAGS)) {
        separate(&l);
        sync_write_flags(s, &m->row);
    }
    if (f->tell_modseq || (news && (s->enabled & PH_EN_CONDSTORE) && !asks_for(f, PH_FA_MODSEQ)))
        ph_write_fetch_modseq(&l, m->row.modseq);
    ph_write_char(&s->w, ')');
    ph_write_crlf(&s->w);
    return session_push_some(s);
}
