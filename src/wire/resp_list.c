/* LIST, LSUB, XLIST, STATUS and NAMESPACE responses: RFC 9051 7.3, 5258, 6154, 8438, 8474, 7889, 2342. */
#include "wire/lex.h"

static const struct {
    const char *name;
    uint32_t bit;
} attributes[] = {
    { "\\HasNoChildren", PH_MA_HASNOCHILDREN },
    { "\\HasChildren", PH_MA_HASCHILDREN },
    { "\\Subscribed", PH_MA_SUBSCRIBED },
    { "\\Noselect", PH_MA_NOSELECT },
    { "\\NonExistent", PH_MA_NONEXISTENT | PH_MA_NOSELECT }, /* implied: RFC 9051 7.3.1 */
    { "\\Noinferiors", PH_MA_NOINFERIORS },
    { "\\Marked", PH_MA_MARKED },
    { "\\Unmarked", PH_MA_UNMARKED },
    { "\\Remote", PH_MA_REMOTE },
    { "\\All", PH_MA_ALL },
    { "\\Archive", PH_MA_ARCHIVE },
    { "\\Drafts", PH_MA_DRAFTS },
    { "\\Flagged", PH_MA_FLAGGED },
    { "\\Junk", PH_MA_JUNK },
    { "\\Sent", PH_MA_SENT },
    { "\\Trash", PH_MA_TRASH },
    { "\\Important", PH_MA_IMPORTANT },
    { "\\Inbox", PH_MA_INBOX },
    /* the names of XLIST */
    { "\\AllMail", PH_MA_ALL },
    { "\\Spam", PH_MA_JUNK },
    { "\\Starred", PH_MA_FLAGGED },
};

const char *ph_mailbox_attr(uint32_t bit)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (attributes[i].bit == bit || (bit == PH_MA_NONEXISTENT && (attributes[i].bit & bit)))
            return attributes[i].name;
    return NULL;
}

static uint32_t attribute_bits(const struct ph_words *w)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < w->n; i++)
        for (size_t a = 0; a < sizeof attributes / sizeof *attributes; a++)
            if (ph_str_caseis(w->w[i], attributes[a].name)) {
                bits |= attributes[a].bit;
                break;
            }
    return bits;
}

/* `"/"`, NIL, `""`, a bare character; also `"\"` as sent by servers that do not escape. */
static char take_delimiter(struct ph_lex *l)
{
    struct ph_str s;
    bool quoted;

    ph_lex_blanks(l);
    if (l->end - l->p >= 4 && memcmp(l->p, "\"\\\" ", 4) == 0) {
        l->p += 3;
        return '\\';
    }
    if (!ph_lex_astring(l, &s, &quoted) || s.n == 0 || (!quoted && ph_str_caseis(s, "NIL")))
        return 0;
    return s.p[0];
}

static struct ph_str trim_right(struct ph_str s)
{
    while (s.n && ph_lex_is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The parenthesis that opens the list at the very end, or NULL. */
static const char *last_list(const char *p, const char *end)
{
    unsigned depth = 0;

    while (end > p && ph_lex_is_blank(end[-1]))
        end--;
    if (end == p || end[-1] != ')')
        return NULL;
    for (const char *q = end - 1; q > p; q--) {
        if (*q == ')')
            depth++;
        else if (*q == '(' && --depth == 0)
            return q;
    }
    return NULL;
}

/* A mailbox's name, the last thing but a list in parentheses. Without quotes it may hold blanks and
 * parentheses that should not be there: then everything up to that list (must_list), or to the end, is the
 * name. NIL is a name too. */
static bool take_mailbox(struct ph_lex *l, struct ph_str *name, bool must_list)
{
    ph_lex_blanks(l);
    if (ph_lex_string(l, name, NULL))
        return true;
    if (l->p == l->end || (must_list && *l->p == '('))
        return false;
    const char *begin = l->p, *stop = must_list ? last_list(l->p, l->end) : NULL;
    *name = ph_lex_word(l);
    ph_lex_blanks(l);
    if (!stop && (l->p == l->end || *l->p == '('))
        return true;
    if (!stop)
        stop = l->end;
    *name = trim_right((struct ph_str){ begin, (size_t)(stop - begin) });
    l->p = stop;
    return true;
}

static void read_extended(struct ph_lex *l, struct ph_list_item *item)
{
    struct ph_value v;

    if (!ph_lex_at(l, '(') || !ph_lex_value(l, &v))
        return;
    for (size_t i = 0; i + 1 < v.n; i += 2) {
        const struct ph_value *what = &v.items[i], *val = &v.items[i + 1];
        struct ph_str text = val->text;
        if (val->type == PH_V_LIST && val->n)
            text = val->items[0].text;
        if (ph_str_caseis(what->text, "OLDNAME"))
            item->oldname = text;
        if (ph_str_caseis(what->text, "CHILDINFO"))
            for (size_t k = 0; k < val->n; k++)
                if (ph_str_caseis(val->items[k].text, "SUBSCRIBED"))
                    item->childinfo_subscribed = true;
    }
}

bool ph_resp_parse_list(struct ph_lex *l, struct ph_list_item *item)
{
    ph_lex_blanks(l);
    if (!ph_lex_at(l, '('))
        return false;
    ph_lex_words(l, &item->attr_words, false);
    item->attrs = attribute_bits(&item->attr_words);
    item->delim = take_delimiter(l);
    if (!take_mailbox(l, &item->name, false))
        item->name = PH_STR("");
    ph_lex_blanks(l);
    read_extended(l, item);
    return true;
}

static void status_item(struct ph_lex *l, struct ph_str name, struct ph_mailbox_status *st)
{
    struct ph_value v;
    uint64_t n = 0;

    if (!ph_lex_value(l, &v))
        return;
    bool ok = v.type != PH_V_NIL && v.type != PH_V_LIST && ph_str_u64(v.text, &n), ok32 = ok && n <= UINT32_MAX;
#define TAKE32(atom, field)                \
    if (ph_str_caseis(name, atom)) {       \
        st->has_##field = ok32;            \
        st->field = ok32 ? (uint32_t)n : 0; \
        return;                            \
    }
#define TAKE64(atom, field)          \
    if (ph_str_caseis(name, atom)) { \
        st->has_##field = ok;        \
        st->field = ok ? n : 0;      \
        return;                      \
    }
    TAKE32("MESSAGES", messages)
    TAKE32("UIDNEXT", uidnext)
    TAKE32("UIDVALIDITY", uidvalidity)
    TAKE64("HIGHESTMODSEQ", modseq)
    TAKE32("UNSEEN", unseen)
    TAKE32("RECENT", recent)
    TAKE32("DELETED", deleted)
    TAKE64("SIZE", size)
#undef TAKE32
#undef TAKE64
    if (ph_str_caseis(name, "APPENDLIMIT")) {
        st->has_appendlimit = ok || v.type == PH_V_NIL;
        st->appendlimit = ok ? n : UINT64_MAX;
    } else if (ph_str_caseis(name, "MAILBOXID")) {
        st->mailboxid = v.type == PH_V_LIST ? (v.n ? v.items[0].text : PH_STR_NIL) : v.text;
    }
}

bool ph_resp_parse_mstatus(struct ph_lex *l, struct ph_mailbox_status *st)
{
    if (!take_mailbox(l, &st->name, true))
        return false;
    ph_lex_blanks(l);
    if (!ph_lex_eat(l, '('))
        return l->p == l->end; /* nothing was asked for, or nothing is known */
    while (!l->stop) {
        ph_lex_blanks(l);
        struct ph_str name;
        if (l->p == l->end || *l->p == ')' || !ph_lex_astring(l, &name, NULL))
            break;
        status_item(l, name, st);
    }
    return true;
}

static void take_namespaces(struct ph_lex *l, struct ph_namespace **out, size_t *n)
{
    struct ph_value v;

    if (!ph_lex_value(l, &v) || v.type != PH_V_LIST || v.n == 0)
        return;
    *out = ph_arena_alloc(l->arena, v.n * sizeof **out);
    if (!*out) {
        ph_lex_stop(l, PH_E_MEMORY);
        return;
    }
    for (size_t i = 0; i < v.n; i++) {
        const struct ph_value *d = &v.items[i];
        if (d->type != PH_V_LIST || d->n == 0)
            continue;
        struct ph_namespace *ns = &(*out)[(*n)++];
        ns->prefix = d->items[0].text.p ? d->items[0].text : PH_STR("");
        if (d->n > 1 && d->items[1].text.n)
            ns->delim = d->items[1].text.p[0];
    }
}

void ph_resp_parse_namespaces(struct ph_lex *l, struct ph_namespaces *ns)
{
    take_namespaces(l, &ns->personal, &ns->n_personal);
    take_namespaces(l, &ns->other, &ns->n_other);
    take_namespaces(l, &ns->shared, &ns->n_shared);
}
