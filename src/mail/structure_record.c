#include "mail/structure_record.h"

#include "mail/header.h"

/* ---- numbers and strings ---- */

void structure_number_put(struct ph_buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        ph_buf_add_char(out, (char)(v | 0x80));
    ph_buf_add_char(out, (char)v);
}

bool structure_number_get(const char **p, const char *end, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        unsigned char c = (unsigned char)*(*p)++;
        if (shift == 63 && c > 1)
            return false;
        *v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return true;
    }
    return false;
}

static bool get_string(const char **p, const char *end, struct ph_str *s)
{
    uint64_t n;

    if (!structure_number_get(p, end, &n) || (n && n - 1 > (uint64_t)(end - *p)))
        return false;
    *s = n ? (struct ph_str){ *p, (size_t)n - 1 } : PH_STR_NIL;
    if (n)
        *p += n - 1;
    return true;
}

/* Must it be good IMAP text: what our own blobs never hold is not believed. */
static bool clean(struct ph_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == 0 || s.p[i] == '\r' || s.p[i] == '\n')
            return false;
    return true;
}

static bool get_clean(const char **p, const char *end, struct ph_str *s, bool check)
{
    return get_string(p, end, s) && (!check || clean(*s));
}

static bool get_list(const char **p, const char *end, unsigned each, struct structure_list *list, bool check)
{
    struct ph_str s;
    uint64_t n;

    if (!structure_number_get(p, end, &n) || n > (uint64_t)(end - *p) || n % each)
        return false;
    *list = (struct structure_list){ n, *p, end };
    for (uint64_t i = 0; i < n; i++)
        if (!get_clean(p, end, &s, check) || (each == 2 && !s.p))
            return false;
    return true;
}

struct ph_str structure_list_next(struct structure_list *list)
{
    struct ph_str s = PH_STR_NIL;

    if (list->n) {
        list->n--;
        get_string(&list->p, list->end, &s);
    }
    return s;
}

static bool read_record(struct ph_str text, struct structure_record *r, bool check)
{
    const char *p = text.p, *end = text.p + text.n;
    uint64_t envelope;

    if (!get_clean(&p, end, &r->type, check) || !get_clean(&p, end, &r->subtype, check) ||
        !get_list(&p, end, 2, &r->params, check) || !get_clean(&p, end, &r->id, check) ||
        !get_clean(&p, end, &r->description, check) || !get_clean(&p, end, &r->encoding, check) ||
        !get_clean(&p, end, &r->md5, check) || !get_clean(&p, end, &r->disposition, check) ||
        !get_list(&p, end, 2, &r->disposition_params, check) || !get_list(&p, end, 1, &r->language, check) ||
        !get_clean(&p, end, &r->location, check) || !structure_number_get(&p, end, &envelope) || envelope > 1)
        return false;
    r->envelope = envelope == 1;
    for (int i = 0; i < STRUCTURE_FIELDS && envelope; i++)
        if (!get_clean(&p, end, &r->fields[i], check))
            return false;
    for (int i = 0; i < STRUCTURE_LISTS && envelope; i++)
        if (!get_list(&p, end, 4, &r->addresses[i], check))
            return false;
    return p == end && !r->type.p == !r->subtype.p;
}

bool structure_record_read(struct ph_str text, struct structure_record *out)
{
    *out = (struct structure_record){ 0 };
    return text.n && read_record(text, out, true);
}

void structure_record_of(const struct ph_structure *s, uint32_t part, struct structure_record *out)
{
    const struct ph_structure_part *p = &s->parts[part];

    *out = (struct structure_record){ 0 };
    if (p->n_fields) /* none: memory failed while it was made */
        read_record((struct ph_str){ s->text.mem + s->text.head + p->fields, p->n_fields }, out, false);
}

/* ---- from a header ---- */

enum slot {
    S_TYPE, S_ID, S_DESCRIPTION, S_ENCODING, S_MD5, S_DISPOSITION, S_LANGUAGE, S_LOCATION,
    S_FIELDS, /* and the lists behind them, in the order of the record */
    S_LISTS = S_FIELDS + STRUCTURE_FIELDS,
    SLOTS = S_LISTS + STRUCTURE_LISTS,
};

static const char *const names[SLOTS] = {
    "Content-Type", "Content-ID", "Content-Description", "Content-Transfer-Encoding", "Content-MD5",
    "Content-Disposition", "Content-Language", "Content-Location",
    "Date", "Subject", "In-Reply-To", "Message-ID", "References",
    "From", "Sender", "Reply-To", "To", "Cc", "Bcc",
};

static int slot_of(struct ph_str name)
{
    for (int i = 0; i < SLOTS; i++)
        if (ph_upper((unsigned char)name.p[0]) == (unsigned char)names[i][0] && ph_str_caseis(name, names[i]))
            return i;
    return -1;
}

static void add_string(struct ph_buf *out, struct ph_str s)
{
    structure_number_put(out, s.p ? s.n + 1 : 0);
    if (s.n)
        ph_buf_add_str(out, s);
}

static void put_string(struct structure_make *m, struct ph_str s)
{
    if (s.p && ph_buf_len(m->text) + s.n > m->text_limit) {
        m->limited = true;
        s = PH_STR_NIL;
    }
    add_string(m->text, s);
}

static void put_unfolded(struct structure_make *m, struct ph_str raw)
{
    ph_buf_clear(&m->scratch);
    if (raw.p)
        ph_header_unfold(raw, &m->scratch);
    put_string(m, raw.p ? ph_buf_str(&m->scratch) : PH_STR_NIL);
}

/* A parameter's value may hold what a header line cannot. */
static struct ph_str cleaned(struct ph_buf *b)
{
    struct ph_str s = ph_buf_str(b);

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == 0 || s.p[i] == '\r' || s.p[i] == '\n')
            ph_buf_data(b)[i] = s.p[i] ? ' ' : '?';
    return s;
}

static void put_list(struct structure_make *m, uint64_t n)
{
    if (ph_buf_len(m->text) + ph_buf_len(&m->entries) > m->text_limit) {
        m->limited = true;
        n = 0;
    }
    structure_number_put(m->text, n);
    if (n)
        ph_buf_add_str(m->text, ph_buf_str(&m->entries));
    ph_buf_clear(&m->entries);
}

static int put_params(struct structure_make *m, struct ph_str value)
{
    struct ph_str name;
    uint64_t n = 0;
    int r;

    while ((r = ph_mime_param_next(&value, &name, &m->scratch)) > 0) {
        if (!m->params_left || ph_buf_len(m->text) + ph_buf_len(&m->entries) + name.n + ph_buf_len(&m->scratch) > m->text_limit) {
            m->limited = true;
            break;
        }
        m->params_left--;
        add_string(&m->entries, name);
        add_string(&m->entries, cleaned(&m->scratch));
        n += 2;
    }
    put_list(m, n);
    return r < 0 ? -1 : 0;
}

/* The word at the front, without white space and comments: 7bit, attachment, en-gb. */
static struct ph_str take_word(struct ph_str *rest)
{
    struct ph_str s = *rest;
    size_t i = 0, n;

    for (size_t depth = 0; i < s.n; i++) {
        if (s.p[i] == '(')
            depth++;
        else if (depth && s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (depth && s.p[i] == ')')
            depth--;
        else if (!depth && (unsigned char)s.p[i] > ' ' && s.p[i] != ',')
            break;
    }
    for (n = i; n < s.n && (unsigned char)s.p[n] > ' ' && !memchr("(;,\"", s.p[n], 4); n++)
        ;
    *rest = (struct ph_str){ s.n ? s.p + n : s.p, s.n - n };
    return n > i ? (struct ph_str){ s.p + i, n - i } : PH_STR_NIL;
}

static void put_languages(struct structure_make *m, struct ph_str value)
{
    uint64_t n = 0;

    for (struct ph_str word; (word = take_word(&value)).p && n < 1000; n++)
        add_string(&m->entries, word);
    put_list(m, n);
}

static uint64_t put_address(struct structure_make *m, const struct ph_address *a)
{
    const struct ph_str s[4] = { a->name, a->adl, a->mailbox, a->host };

    for (int i = 0; i < 4; i++)
        add_string(&m->entries, s[i]);
    return 4;
}

/* All fields of that name are one list: To may stand twice in what mail programs make. */
static int put_addresses(struct structure_make *m, struct ph_str header, int slot, struct ph_str first, bool several)
{
    struct ph_header_iter it;
    struct ph_str name, value = first;
    struct ph_address a;
    uint64_t n = 0;
    bool full = false;
    int r = 0;

    ph_header_begin(&it, header);
    while (first.p && !full && r == 0) {
        if (several) {
            if (!ph_header_next(&it, &name, &value))
                break;
            if (slot_of(name) != slot)
                continue;
        }
        ph_addresses_begin(&m->addresses, value);
        while (!full && (r = ph_addresses_next(&m->addresses, &a)) > 0) {
            size_t size = ph_buf_len(m->text) + ph_buf_len(&m->entries) + a.name.n + a.adl.n + a.mailbox.n + a.host.n;
            bool end = !a.mailbox.p; /* what ends a group is always written */
            full = !end && (!m->addresses_left || size + 64 > m->text_limit);
            if (full && m->addresses.in_group && a.host.p)
                a = (struct ph_address){ .mailbox = PH_STR_NIL };
            else if (full)
                break;
            m->addresses_left -= m->addresses_left > 0;
            n += put_address(m, &a);
        }
        if (!several)
            break;
    }
    m->limited |= full;
    put_list(m, n);
    return r < 0 ? -1 : 0;
}

int structure_record_make(struct structure_make *m, struct ph_str header, bool envelope)
{
    struct ph_str found[SLOTS] = { 0 }, name, value, type, subtype;
    bool several[SLOTS] = { 0 };
    struct ph_header_iter it;
    int r = 0;

    ph_header_begin(&it, header);
    while (ph_header_next(&it, &name, &value)) {
        int slot = slot_of(name);
        if (slot < 0)
            continue;
        several[slot] = found[slot].p != NULL;
        if (!found[slot].p)
            found[slot] = value;
    }
    bool typed = ph_mime_type(found[S_TYPE], &type, &subtype);
    if (typed && ph_buf_len(m->text) + type.n + subtype.n > m->text_limit) {
        m->limited = true;
        typed = false;
    }
    add_string(m->text, typed ? type : PH_STR_NIL);
    add_string(m->text, typed ? subtype : PH_STR_NIL);
    r |= put_params(m, typed ? found[S_TYPE] : PH_STR_NIL);
    put_unfolded(m, found[S_ID]);
    put_unfolded(m, found[S_DESCRIPTION]);
    put_string(m, take_word(&found[S_ENCODING]));
    put_unfolded(m, found[S_MD5]);
    struct ph_str disposition = found[S_DISPOSITION], word = take_word(&disposition);
    put_string(m, word);
    r |= put_params(m, word.p ? disposition : PH_STR_NIL);
    put_languages(m, found[S_LANGUAGE]);
    put_unfolded(m, found[S_LOCATION]);
    structure_number_put(m->text, envelope);
    for (int i = 0; i < STRUCTURE_FIELDS && envelope; i++)
        put_unfolded(m, found[S_FIELDS + i]);
    for (int i = 0; i < STRUCTURE_LISTS && envelope; i++)
        r |= put_addresses(m, header, S_LISTS + i, found[S_LISTS + i], several[S_LISTS + i]);
    return r < 0 || m->text->failed || m->entries.failed || m->scratch.failed ? -1 : 0;
}
