/* structure_find.c: which octets a section means (RFC 9051 6.4.5.1), and single values of a structure. */
#include "mail/structure_record.h"

/* The part `number` of what a message holds. */
static uint32_t in_message(const struct ph_structure *s, uint32_t message, uint32_t number, bool *of_message)
{
    const struct ph_structure_part *p = &s->parts[message];

    *of_message = false;
    if (p->kind != PH_MIME_MULTIPART) {
        *of_message = number == 1;
        return number == 1 ? message : PH_MIME_NO_PART;
    }
    uint32_t at = p->child;
    for (uint32_t i = 1; i < number && at != PH_MIME_NO_PART; i++)
        at = s->parts[at].next;
    return number ? at : PH_MIME_NO_PART;
}

uint32_t ph_structure_find(const struct ph_structure *s, const uint32_t *path, size_t n, bool *of_message)
{
    uint32_t at = 0;
    bool self = false, around = true; /* around: `at` stands for a message and not for one of its parts */

    for (size_t i = 0; i < n && at != PH_MIME_NO_PART; i++) {
        const struct ph_structure_part *p = &s->parts[at];
        if (!around && p->kind == PH_MIME_LEAF)
            at = PH_MIME_NO_PART;
        else if (!around && p->kind == PH_MIME_MESSAGE)
            at = in_message(s, p->child, path[i], &self);
        else
            at = in_message(s, at, path[i], &self);
        around = false;
    }
    if (of_message)
        *of_message = self;
    return at;
}

bool ph_structure_section(const struct ph_structure *s, const struct ph_section *section, struct ph_extent *out)
{
    uint32_t at = ph_structure_find(s, section->part, section->n_part, NULL);

    *out = (struct ph_extent){ 0, 0 };
    if (at == PH_MIME_NO_PART)
        return false;
    const struct ph_structure_part *p = &s->parts[at];
    if (section->what == PH_SEC_ALL) {
        *out = section->n_part ? (struct ph_extent){ p->body, p->end } : (struct ph_extent){ 0, s->size };
        return true;
    }
    if (section->what == PH_SEC_MIME) {
        *out = (struct ph_extent){ p->header, p->body };
        return section->n_part > 0;
    }
    if (section->n_part) { /* of the message inside, when there is one */
        if (p->kind != PH_MIME_MESSAGE)
            return false;
        p = &s->parts[p->child];
    }
    *out = section->what == PH_SEC_TEXT ? (struct ph_extent){ p->body, p->end } : (struct ph_extent){ p->header, p->body };
    return true;
}

bool ph_structure_binary(const struct ph_structure *s, const uint32_t *path, size_t n, struct ph_extent *out, enum ph_cte *cte)
{
    uint32_t at = ph_structure_find(s, path, n, NULL);

    *cte = PH_CTE_BINARY;
    *out = (struct ph_extent){ 0, s->size };
    if (n == 0)
        return true;
    if (at == PH_MIME_NO_PART || s->parts[at].kind != PH_MIME_LEAF)
        return false;
    *out = (struct ph_extent){ s->parts[at].body, s->parts[at].end };
    *cte = s->parts[at].cte;
    return true;
}

/* ---- single values ---- */

struct ph_str ph_structure_field(const struct ph_structure *s, enum ph_structure_field which)
{
    struct structure_record r;

    structure_record_of(s, 0, &r);
    return r.fields[which];
}

bool ph_structure_first(const struct ph_structure *s, enum ph_structure_list which, struct ph_address *out)
{
    struct structure_record r;

    structure_record_of(s, 0, &r);
    struct structure_list list = r.addresses[which];
    if (!list.n && (which == PH_LIST_SENDER || which == PH_LIST_REPLY_TO))
        list = r.addresses[PH_LIST_FROM];
    bool any = list.n > 0;
    out->name = structure_list_next(&list);
    out->adl = structure_list_next(&list);
    out->mailbox = structure_list_next(&list);
    out->host = structure_list_next(&list);
    return any;
}

static struct ph_str param(struct structure_list list, const char *name)
{
    while (list.n) {
        struct ph_str n = structure_list_next(&list), value = structure_list_next(&list);
        if (ph_str_caseis(n, name))
            return value;
    }
    return PH_STR_NIL;
}

void ph_structure_media(const struct ph_structure *s, uint32_t part, struct ph_structure_media *out)
{
    struct structure_record r;

    structure_record_of(s, part, &r);
    *out = (struct ph_structure_media){ r.type.p ? r.type : PH_STR("text"), r.type.p ? r.subtype : PH_STR("plain"),
                                        param(r.params, "charset"), r.disposition, param(r.disposition_params, "filename") };
    if (!out->filename.p)
        out->filename = param(r.params, "name");
    if (!r.type.p && s->parts[part].kind == PH_MIME_MESSAGE)
        out->type = PH_STR("message"), out->subtype = PH_STR("rfc822");
}
