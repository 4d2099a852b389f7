#include "mail/address.h"

#include <string.h>

#include "mail/identity.h"

void ph_addresses_init(struct ph_addresses *a, struct ph_str value)
{
    memset(a, 0, sizeof *a);
    a->text = value;
}

void ph_addresses_begin(struct ph_addresses *a, struct ph_str value)
{
    a->text = value;
    a->at = 0;
    a->in_group = false;
}

void ph_addresses_done(struct ph_addresses *a)
{
    ph_buf_done(&a->name);
    ph_buf_done(&a->adl);
    ph_buf_done(&a->mailbox);
    ph_buf_done(&a->host);
    ph_buf_done(&a->comment);
}

/* ---- tokens ---- */

static inline bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool more(const struct ph_addresses *a)
{
    return a->at < a->text.n;
}

static inline char here(const struct ph_addresses *a)
{
    return a->text.p[a->at];
}

static void put(struct ph_buf *b, char c)
{
    if (c != '\r' && c != '\n')
        ph_buf_add_char(b, c ? c : '?');
}

/* At `(`: its text, without the outer parentheses, replaces what is in a->comment. */
static void take_comment(struct ph_addresses *a)
{
    size_t depth = 0;

    ph_buf_clear(&a->comment);
    for (; more(a); a->at++) {
        char c = here(a);
        if (c == '\\' && a->at + 1 < a->text.n)
            c = a->text.p[++a->at];
        else if (c == '(' && depth++ == 0)
            continue;
        else if (c == ')' && --depth == 0) {
            a->at++;
            return;
        }
        put(&a->comment, c);
    }
}

/* White space and comments; whether there was any. */
static bool skip_cfws(struct ph_addresses *a)
{
    size_t from = a->at;

    while (more(a)) {
        if (here(a) == '(')
            take_comment(a);
        else if (space(here(a)))
            a->at++;
        else
            break;
    }
    return a->at > from;
}

static void take_quoted(struct ph_addresses *a, struct ph_buf *b)
{
    for (a->at++; more(a) && here(a) != '"'; a->at++) {
        if (here(a) == '\\' && a->at + 1 < a->text.n)
            a->at++;
        put(b, here(a));
    }
    a->at += more(a);
}

static bool one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool special(char c)
{
    return space(c) || one_of(c, "(\"<>@,:;");
}

static void take_atom(struct ph_addresses *a, struct ph_buf *b)
{
    while (more(a) && !special(here(a))) {
        if (here(a) == '\\' && a->at + 1 < a->text.n) /* RFC 822 had quoted pairs anywhere */
            a->at++;
        put(b, here(a));
        a->at++;
    }
}

static void take_literal(struct ph_addresses *a, struct ph_buf *b)
{
    for (bool end = false; more(a) && !end; a->at++) {
        end = here(a) == ']';
        if (!space(here(a)))
            put(b, here(a));
    }
}

/* A domain; white space and comments around its dots go (RFC 5322 4.4 obs-domain), anywhere else they end it. */
static void take_domain(struct ph_addresses *a, struct ph_buf *b)
{
    size_t from = ph_buf_len(b);

    for (;;) {
        bool apart = skip_cfws(a), begun = ph_buf_len(b) > from;
        if (!more(a) || one_of(here(a), "<>@,:;\""))
            return;
        if (apart && begun && here(a) != '.' && ph_buf_data(b)[ph_buf_len(b) - 1] != '.')
            return;
        if (here(a) == '[')
            take_literal(a, b);
        else
            take_atom(a, b);
    }
}

/* ---- one address ---- */

/* A word goes to the display name with the blanks between words as one, and to the local part with none around a dot. */
static void add_word(struct ph_addresses *a, bool apart)
{
    size_t name = ph_buf_len(&a->name), local = ph_buf_len(&a->mailbox);
    struct ph_buf *b = &a->mailbox;

    if (apart && name)
        ph_buf_add_char(&a->name, ' ');
    if (apart && local && ph_buf_data(b)[local - 1] != '.' && here(a) != '.')
        ph_buf_add_char(b, ' ');
    local = ph_buf_len(b);
    if (here(a) == '"')
        take_quoted(a, b);
    else
        take_atom(a, b);
    if (ph_buf_len(b) > local)
        ph_buf_add(&a->name, ph_buf_data(b) + local, ph_buf_len(b) - local);
}

/* Behind `<`: route, local part, domain, `>`. */
static void take_angle(struct ph_addresses *a)
{
    ph_buf_clear(&a->mailbox);
    skip_cfws(a);
    while (more(a) && (here(a) == '@' || here(a) == ',')) { /* obs-route */
        ph_buf_add_char(&a->adl, here(a));
        if (a->text.p[a->at++] == '@')
            take_domain(a, &a->adl);
        skip_cfws(a);
    }
    if (more(a) && here(a) == ':' && ph_buf_len(&a->adl)) {
        a->at++;
    } else if (ph_buf_len(&a->adl)) { /* `<@host>`: no route, but an address without a local part */
        ph_buf_add(&a->host, ph_buf_data(&a->adl) + 1, ph_buf_len(&a->adl) - 1);
        ph_buf_clear(&a->adl);
    }
    for (;;) {
        size_t had = ph_buf_len(&a->mailbox);
        bool apart = skip_cfws(a);
        if (!more(a) || one_of(here(a), "@>,;<"))
            break;
        if (apart && had && here(a) != '.' && ph_buf_data(&a->mailbox)[had - 1] != '.')
            ph_buf_add_char(&a->mailbox, ' ');
        if (here(a) == '"')
            take_quoted(a, &a->mailbox);
        else if (here(a) == ':') {
            ph_buf_add_char(&a->mailbox, ':');
            a->at++;
        } else {
            take_atom(a, &a->mailbox);
        }
    }
    if (more(a) && here(a) == '@') {
        a->at++;
        take_domain(a, &a->host);
    }
}

/* Whatever stands up to the next address does not count, but a comment. */
static void skip_rest(struct ph_addresses *a, const char *stop)
{
    while (skip_cfws(a), more(a) && !one_of(here(a), stop)) {
        struct ph_buf *b = &a->adl; /* any that is not in use behind what was taken: it gets back its length */
        size_t had = ph_buf_len(b);
        if (here(a) == '"') {
            take_quoted(a, b);
            b->tail -= ph_buf_len(b) - had;
        } else {
            a->at++;
        }
    }
}

/* `joe@example.org <joe@example.org>`: what stood before the `<` is the display name, as it stands. */
static void whole_name(struct ph_addresses *a, size_t from)
{
    struct ph_str raw = { a->text.p + from, a->at - from };

    ph_buf_clear(&a->name);
    ph_buf_clear(&a->host);
    while (raw.n && space(raw.p[raw.n - 1]))
        raw.n--;
    for (size_t i = 0; i < raw.n; i++)
        put(&a->name, raw.p[i]);
}

static struct ph_str some(const struct ph_buf *b)
{
    return ph_buf_len(b) ? ph_buf_str(b) : PH_STR_NIL;
}

/* The words, up to what says which kind of thing it is. */
static void take_words(struct ph_addresses *a)
{
    bool apart = false;

    while (more(a) && !one_of(here(a), "<>@,:;")) {
        if (here(a) == '(' || space(here(a)))
            apart = skip_cfws(a);
        else {
            add_word(a, apart);
            apart = false;
        }
    }
}

static void trim_comment(struct ph_addresses *a)
{
    struct ph_buf *c = &a->comment;

    while (ph_buf_len(c) && space(ph_buf_data(c)[ph_buf_len(c) - 1]))
        c->tail--;
    while (ph_buf_len(c) && space(ph_buf_data(c)[0]))
        ph_buf_consume(c, 1);
}

/* A mailbox, or the start of a group. */
static void take_address(struct ph_addresses *a, struct ph_address *out)
{
    size_t from = a->at;
    bool angle = false;

    take_words(a);
    char c = more(a) ? here(a) : 0;
    if (c == ':' && !a->in_group) {
        a->at++;
        a->in_group = true;
        *out = (struct ph_address){ .mailbox = ph_buf_str(&a->name) };
        return;
    }
    if (c == '@') {
        a->at++;
        take_domain(a, &a->host);
        skip_rest(a, ",;<");
        if (more(a) && here(a) == '<')
            whole_name(a, from);
    } else if (c == ':' || c == '>') {
        skip_rest(a, ",;<");
    }
    if (more(a) && here(a) == '<') {
        a->at++;
        take_angle(a);
        skip_rest(a, ",;");
        angle = true;
    }
    trim_comment(a);
    *out = (struct ph_address){ some(angle && ph_buf_len(&a->name) ? &a->name : &a->comment), some(&a->adl),
                                ph_buf_str(&a->mailbox), ph_buf_str(&a->host) };
}

int ph_addresses_next(struct ph_addresses *a, struct ph_address *out)
{
    struct ph_buf *all[] = { &a->name, &a->adl, &a->mailbox, &a->host, &a->comment };

    for (int i = 0; i < 5; i++)
        ph_buf_clear(all[i]);
    while (skip_cfws(a), more(a)) {
        char c = here(a);
        if (c == ';' && a->in_group)
            break;
        if (c != ',' && c != ';' && c != '>')
            break;
        ph_buf_clear(&a->comment);
        a->at++;
    }
    if (more(a) && here(a) != ';') {
        take_address(a, out);
    } else if (a->in_group) { /* also where the `;` is missing */
        a->at += more(a);
        a->in_group = false;
        *out = (struct ph_address){ .mailbox = PH_STR_NIL };
    } else {
        return 0;
    }
    for (int i = 0; i < 5; i++)
        if (all[i]->failed)
            return -1;
    return 1;
}

/* ---- for SORT ---- */

int ph_address_sort_mailbox(const struct ph_address *a, struct ph_buf *out)
{
    return a && a->mailbox.n ? ph_buf_add_str(out, a->mailbox) : 0;
}

int ph_address_sort_display(const struct ph_address *a, struct ph_buf *out)
{
    size_t had = ph_buf_len(out);

    if (!a)
        return 0;
    if (a->name.p && ph_header_display(a->name, out))
        return -1;
    if (ph_buf_len(out) > had || !a->mailbox.p)
        return 0;
    ph_buf_add_str(out, a->mailbox);
    if (a->host.n) {
        ph_buf_add_char(out, '@');
        ph_buf_add_str(out, a->host);
    }
    return out->failed ? -1 : 0;
}
