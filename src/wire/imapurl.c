#include "wire/imapurl.h"

#include "wire/chars.h"
#include "wire/utf8.h"

struct url {
    struct ph_str rest;
    struct ph_arena *arena;
    struct ph_err *err;
};

static int refuse(const struct url *u, const char *what)
{
    return ph_fail(u->err, PH_SCOPE_NONE, PH_E_PROTOCOL, "%s", what);
}

static void skip(struct url *u, size_t n)
{
    u->rest.p += n;
    u->rest.n -= n;
}

static bool eat(struct url *u, const char *word)
{
    if (!ph_str_caseprefix(u->rest, word))
        return false;
    skip(u, strlen(word));
    return true;
}

/* achar, and those of `more`. */
static bool is_achar(char c, const char *more)
{
    unsigned char up = ph_upper((unsigned char)c);

    return (up >= 'A' && up <= 'Z') || ph_char_is(c, PH_C_DIGIT) || (c && strchr("-._~!$'()*+,&=%", c)) ||
           (c && strchr(more, c));
}

/* As far as the characters go; not empty. */
static struct ph_str cut(struct url *u, const char *more)
{
    struct ph_str s = { u->rest.p, 0 };

    while (s.n < u->rest.n && is_achar(s.p[s.n], more))
        s.n++;
    skip(u, s.n);
    return s;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, ph_lower((unsigned char)c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

static int decode(struct url *u, struct ph_str raw, struct ph_str *out)
{
    char *z = ph_arena_alloc(u->arena, raw.n + 1);
    size_t n = 0;

    if (!z)
        return ph_fail_memory(u->err);
    for (size_t i = 0; i < raw.n; i++) {
        z[n++] = raw.p[i];
        if (raw.p[i] != '%')
            continue;
        int hi = i + 2 < raw.n ? hex(raw.p[i + 1]) : -1, lo = i + 2 < raw.n ? hex(raw.p[i + 2]) : -1;
        if (hi < 0 || lo < 0)
            return refuse(u, "a % without two hexadecimal digits in a URL");
        z[n - 1] = (char)(hi * 16 + lo);
        i += 2;
    }
    *out = (struct ph_str){ z, n };
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)z[i] < 0x20 || z[i] == 0x7f)
            return refuse(u, "a control character in a URL");
    return n && ph_utf8_valid(*out) ? 0 : refuse(u, "an empty part of a URL, or one that is not UTF-8");
}

static int take_number(struct url *u, uint64_t max, bool zero, uint64_t *v)
{
    size_t n = 0;

    for (*v = 0; n < u->rest.n && ph_char_is(u->rest.p[n], PH_C_DIGIT) && *v <= max / 10 + 1; n++)
        *v = *v * 10 + (uint64_t)(u->rest.p[n] - '0');
    skip(u, n);
    if (n == 0 || *v > max || (*v == 0 && !zero))
        return refuse(u, "a number in a URL that is none, or is out of range");
    return 0;
}

static int take_number32(struct url *u, uint32_t *v)
{
    uint64_t n;

    if (take_number(u, UINT32_MAX, false, &n))
        return -1;
    *v = (uint32_t)n;
    return 0;
}

/* `[user[;AUTH=mechanism]@]host[:port]` */
static int take_server(struct url *u, struct ph_imapurl *out)
{
    const char *slash = memchr(u->rest.p, '/', u->rest.n);
    size_t n = slash ? (size_t)(slash - u->rest.p) : u->rest.n;
    const char *at = memchr(u->rest.p, '@', n);

    out->network = true;
    if (at) {
        struct ph_str user = cut(u, "");
        if (user.n && decode(u, user, &out->user))
            return -1;
        if (eat(u, ";AUTH=") && decode(u, cut(u, ""), &out->mechanism))
            return -1;
        if (!eat(u, "@"))
            return refuse(u, "not a user in a URL");
    }
    struct ph_str host = cut(u, "");
    if (host.n == 0 && ph_str_prefix(u->rest, "[")) { /* IPv6, with colons of its own */
        host = cut(u, "[]:");
        while (host.n && host.p[host.n - 1] != ']') {
            host.n--;
            u->rest.p--;
            u->rest.n++;
        }
    }
    if (decode(u, host, &out->host))
        return -1;
    if (eat(u, ":")) {
        uint64_t port;
        if (take_number(u, 65535, false, &port))
            return -1;
        out->port = (uint32_t)port;
    }
    return u->rest.n && u->rest.p[0] != '/' ? refuse(u, "not a server in a URL") : 0;
}

/* The section by the grammar of FETCH, which knows it in brackets. */
static int parse_section(struct url *u, struct ph_str text, struct ph_imapurl *out)
{
    static const char open[] = "BODY[";
    struct ph_args c = { .limits = &ph_args_limits_default, .arena = u->arena, .err = u->err };
    struct ph_arg list;
    struct ph_fetch_att att;
    char *z = ph_arena_alloc(u->arena, text.n + sizeof open);

    if (!z)
        return ph_fail_memory(u->err);
    if (memchr(text.p, ']', text.n) || memchr(text.p, '[', text.n) || memchr(text.p, '{', text.n))
        return refuse(u, "not a section in a URL");
    memcpy(z, open, sizeof open - 1);
    memcpy(z + sizeof open - 1, text.p, text.n);
    z[text.n + sizeof open - 1] = ']';
    struct ph_str bytes = { z, text.n + sizeof open };
    if (ph_args_parse(bytes, z, NULL, 0, false, c.limits, u->arena, &list, u->err))
        return -1;
    c.list = &list;
    if (ph_grammar_fetch_att(&c, &att) || ph_args_end(&c))
        return -1;
    out->has_section = true;
    out->section = att.section;
    return 0;
}

/* `;SECTION=…`; a `/` before the `;` of what follows is not part of it. */
static int take_section(struct url *u, struct ph_imapurl *out)
{
    struct ph_str raw = cut(u, ":@/"), text;

    if (u->rest.n && u->rest.p[0] == ';' && raw.n && raw.p[raw.n - 1] == '/') {
        raw.n--;
        u->rest.p--;
        u->rest.n++;
    }
    return decode(u, raw, &text) || parse_section(u, text, out) ? -1 : 0;
}

static int take_partial(struct url *u, struct ph_imapurl *out)
{
    out->partial = true;
    if (take_number(u, INT64_MAX, true, &out->offset))
        return -1;
    return eat(u, ".") ? take_number(u, INT64_MAX, false, &out->length) : 0;
}

/* `mailbox[;UIDVALIDITY=n]`, and the `/` before `;UID=` is none of its name. */
static int take_mailbox(struct url *u, struct ph_imapurl *out)
{
    struct ph_str raw = cut(u, ":@/");

    if (ph_str_caseprefix(u->rest, ";UID=") || ph_str_caseprefix(u->rest, ";SECTION=") ||
        ph_str_caseprefix(u->rest, ";PARTIAL=")) {
        if (raw.p[raw.n - 1] != '/')
            return refuse(u, "/ is missing in a URL");
        raw.n--;
        u->rest.p--;
        u->rest.n++;
    }
    const char *colon = memchr(raw.p, ':', raw.n);
    if (colon && !out->absolute && !memchr(raw.p, '/', (size_t)(colon - raw.p)))
        return refuse(u, "a URL of another scheme");
    if (decode(u, raw, &out->mailbox))
        return -1;
    return eat(u, ";UIDVALIDITY=") ? take_number32(u, &out->uidvalidity) : 0;
}

/* `[/];UID=n[/;SECTION=…][/;PARTIAL=…]`: each but the first of a relative path with `/` in front, none twice or out of
 * its order. */
static int take_message(struct url *u, struct ph_imapurl *out, bool first)
{
    if (eat(u, first ? ";UID=" : "/;UID=")) {
        if (take_number32(u, &out->uid))
            return -1;
        first = false;
    }
    if (eat(u, first ? ";SECTION=" : "/;SECTION=")) {
        if (take_section(u, out))
            return -1;
        first = false;
    }
    if (eat(u, first ? ";PARTIAL=" : "/;PARTIAL=") && take_partial(u, out))
        return -1;
    if (out->mailbox.p && !out->uid && (out->has_section || out->partial))
        return refuse(u, "a URL of a part without a UID");
    return 0;
}

int ph_imapurl_parse(struct ph_str text, struct ph_arena *arena, struct ph_imapurl *out, struct ph_err *err)
{
    struct url u = { text, arena, err };

    *out = (struct ph_imapurl){ 0 };
    if (text.n == 0)
        return refuse(&u, "an empty URL");
    if ((eat(&u, "imap://") || eat(&u, "//")) && take_server(&u, out))
        return -1;
    out->absolute = eat(&u, "/") || out->network;
    if (u.rest.n && u.rest.p[0] != ';' && u.rest.p[0] != '?' && take_mailbox(&u, out))
        return -1;
    if (take_message(&u, out, !out->mailbox.p && !out->absolute))
        return -1;
    if (out->mailbox.p && !out->uid && eat(&u, "?") && decode(&u, cut(&u, ":@/"), &out->search))
        return -1;
    if (ph_str_caseprefix(u.rest, ";EXPIRE=") || ph_str_caseprefix(u.rest, ";URLAUTH="))
        return refuse(&u, "URLAUTH is not supported");
    return u.rest.n ? refuse(&u, "not a URL of a message") : 0;
}
