/* structure_write.c: ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 7.5.2, grammar in 9). Walks the parts by their links, so that depth
 * costs nothing. */
#include "mail/structure_record.h"
#include "wire/chars.h"
#include "wire/utf8.h"

#define QUOTED_MAX 4096

/* ---- strings ---- */

static bool fits_quoted(const struct ph_writer *w, struct ph_str s)
{
    bool high = false;

    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= 0x80)
            high = true;
        else if (!ph_char_is(s.p[i], PH_C_QUOTED) && s.p[i] != '"' && s.p[i] != '\\')
            return false;
    }
    return s.n <= QUOTED_MAX && (!high || (w->utf8 && ph_utf8_valid(s)));
}

/* A server's literals are never asked for again, so the writer's own way does not do. */
static void put_string(struct ph_writer *w, struct ph_str s)
{
    if (fits_quoted(w, s)) {
        ph_write_string(w, s);
        return;
    }
    ph_write_char(w, '{');
    ph_write_u64(w, s.n);
    ph_write_raw(w, "}\r\n");
    if (ph_buf_add_str(&w->out, s))
        w->failed = true;
}

static void put_nstring(struct ph_writer *w, struct ph_str s)
{
    if (s.p)
        put_string(w, s);
    else
        ph_write_raw(w, "NIL");
}

static void put_spaced(struct ph_writer *w, struct ph_str s)
{
    ph_write_char(w, ' ');
    put_nstring(w, s);
}

/* Strings in parentheses, or NIL. */
static void put_list(struct ph_writer *w, struct structure_list list)
{
    if (!list.n) {
        ph_write_raw(w, "NIL");
        return;
    }
    ph_write_char(w, '(');
    for (bool first = true; list.n; first = false) {
        if (!first)
            ph_write_char(w, ' ');
        put_nstring(w, structure_list_next(&list));
    }
    ph_write_char(w, ')');
}

/* ---- envelope ---- */

static void put_addresses(struct ph_writer *w, struct structure_list list)
{
    if (!list.n) {
        ph_write_raw(w, " NIL");
        return;
    }
    ph_write_raw(w, " (");
    while (list.n) {
        for (int i = 0; i < 4; i++) {
            ph_write_char(w, i ? ' ' : '(');
            put_nstring(w, structure_list_next(&list));
        }
        ph_write_char(w, ')');
    }
    ph_write_char(w, ')');
}

static void put_envelope(struct ph_writer *w, const struct structure_record *r)
{
    ph_write_char(w, '(');
    put_nstring(w, r->fields[PH_FIELD_DATE]);
    put_spaced(w, r->fields[PH_FIELD_SUBJECT]);
    for (int i = PH_LIST_FROM; i <= PH_LIST_BCC; i++) {
        bool falls_back = (i == PH_LIST_SENDER || i == PH_LIST_REPLY_TO) && !r->addresses[i].n;
        put_addresses(w, r->addresses[falls_back ? PH_LIST_FROM : i]);
    }
    put_spaced(w, r->fields[PH_FIELD_IN_REPLY_TO]);
    put_spaced(w, r->fields[PH_FIELD_MESSAGE_ID]);
    ph_write_char(w, ')');
}

void ph_structure_write_envelope(const struct ph_structure *s, struct ph_writer *w)
{
    struct structure_record r;

    structure_record_of(s, 0, &r);
    put_envelope(w, &r);
}

/* ---- bodies ---- */

/* What a part is shown as: multiparts and messages that were not taken apart are octets. */
static void shown_type(const struct ph_structure *s, uint32_t part, unsigned flags, const struct structure_record *r,
                       struct ph_str *type, struct ph_str *subtype, bool *message)
{
    const struct ph_structure_part *p = &s->parts[part];
    bool digest = p->kind == PH_MIME_MESSAGE; /* without a type it can only be in one (RFC 2046 5.1.5) */

    *type = r->type.p ? r->type : digest ? PH_STR("MESSAGE") : PH_STR("TEXT");
    *subtype = r->type.p ? r->subtype : digest ? PH_STR("RFC822") : PH_STR("PLAIN");
    bool is_message = ph_str_caseis(*type, "message");
    bool global = is_message && ph_str_caseis(*subtype, "global");
    *message = p->kind == PH_MIME_MESSAGE && !(global && (flags & PH_BODY_REV1));
    if (p->kind == PH_MIME_LEAF && (ph_str_caseis(*type, "multipart") || (is_message && ph_str_caseis(*subtype, "rfc822")) ||
                                    (global && !(flags & PH_BODY_REV1)))) {
        *type = PH_STR("APPLICATION");
        *subtype = PH_STR("OCTET-STREAM");
    }
}

static void put_disposition_and_on(struct ph_writer *w, const struct structure_record *r)
{
    ph_write_char(w, ' ');
    if (r->disposition.p) {
        ph_write_char(w, '(');
        put_string(w, r->disposition);
        ph_write_char(w, ' ');
        put_list(w, r->disposition_params);
        ph_write_char(w, ')');
    } else {
        ph_write_raw(w, "NIL");
    }
    ph_write_char(w, ' ');
    struct structure_list language = r->language;
    if (language.n == 1)
        put_nstring(w, structure_list_next(&language));
    else
        put_list(w, language);
    put_spaced(w, r->location);
}

static void end_part(struct ph_writer *w, const struct structure_record *r, unsigned flags)
{
    if (flags & PH_BODY_EXTENDED) {
        put_spaced(w, r->md5);
        put_disposition_and_on(w, r);
    }
    ph_write_char(w, ')');
}

/* The fields of a part that is no multipart. True: it is a message, whose own body comes next. */
static bool begin_part(const struct ph_structure *s, uint32_t part, unsigned flags, struct ph_writer *w)
{
    const struct ph_structure_part *p = &s->parts[part];
    struct structure_record r;
    struct ph_str type, subtype;
    bool message;

    structure_record_of(s, part, &r);
    shown_type(s, part, flags, &r, &type, &subtype, &message);
    ph_write_char(w, '(');
    put_string(w, type);
    ph_write_char(w, ' ');
    put_string(w, subtype);
    ph_write_char(w, ' ');
    bool text = ph_str_caseis(type, "text");
    if (text && !r.type.p) /* RFC 2045 5.2 */
        ph_write_raw(w, "(\"CHARSET\" \"US-ASCII\")");
    else
        put_list(w, r.params);
    put_spaced(w, r.id);
    put_spaced(w, r.description);
    put_spaced(w, r.encoding.p ? r.encoding : PH_STR("7BIT"));
    ph_write_char(w, ' ');
    ph_write_u64(w, p->end - p->body);
    if (message) {
        structure_record_of(s, p->child, &r);
        ph_write_char(w, ' ');
        put_envelope(w, &r);
        ph_write_char(w, ' ');
        return true;
    }
    if (text) {
        ph_write_char(w, ' ');
        ph_write_u64(w, p->body_lines);
    }
    end_part(w, &r, flags);
    return false;
}

static void end_multipart(const struct ph_structure *s, uint32_t part, unsigned flags, struct ph_writer *w)
{
    struct structure_record r;

    structure_record_of(s, part, &r);
    put_spaced(w, r.subtype.p ? r.subtype : PH_STR("MIXED"));
    if (flags & PH_BODY_EXTENDED) {
        ph_write_char(w, ' ');
        put_list(w, r.params);
        put_disposition_and_on(w, &r);
    }
    ph_write_char(w, ')');
}

/* A multipart must have a part (1*body). */
static void put_empty_text(struct ph_writer *w, unsigned flags)
{
    ph_write_raw(w, "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 0 0");
    ph_write_raw(w, flags & PH_BODY_EXTENDED ? " NIL NIL NIL NIL)" : ")");
}

void ph_structure_write_body(const struct ph_structure *s, unsigned flags, struct ph_writer *w)
{
    struct structure_record r;

    for (uint32_t at = 0;;) {
        const struct ph_structure_part *p = &s->parts[at];
        if (p->kind == PH_MIME_MULTIPART) {
            ph_write_char(w, '(');
            if (p->child != PH_MIME_NO_PART) {
                at = p->child;
                continue;
            }
            put_empty_text(w, flags);
            end_multipart(s, at, flags, w);
        } else if (begin_part(s, at, flags, w)) {
            at = p->child;
            continue;
        }
        /* it is written: so are those around it whose last it is */
        while (at != 0 && s->parts[at].next == PH_MIME_NO_PART) {
            at = s->parts[at].parent;
            if (s->parts[at].kind == PH_MIME_MULTIPART) {
                end_multipart(s, at, flags, w);
            } else {
                ph_write_char(w, ' ');
                ph_write_u64(w, s->parts[at].body_lines);
                structure_record_of(s, at, &r);
                end_part(w, &r, flags);
            }
        }
        if (at == 0)
            return;
        at = s->parts[at].next;
    }
}
