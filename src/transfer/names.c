#include "transfer/names.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "transfer/names_private.h"
#include "wire/mutf7.h"
#include "wire/utf8.h"

#define LEVEL_MAX 255 /* octets of a level in modified UTF-7: what file systems take as a name */

/* One call of ph_names_map. */
struct mapper {
    const struct ph_names *n;
    char src_delim, dst_delim, replacement;
    struct ph_buf *out;
    struct ph_buf level, wire;
};

static char replacement_of(const struct ph_names *n)
{
    char c = n->forbidden_replacement ? n->forbidden_replacement : '_';

    return c == n->dst_delim ? (c == '-' ? '_' : '-') : c;
}

static struct ph_str slice(struct ph_str s, size_t from)
{
    return (struct ph_str){ s.p + from, s.n - from };
}

static bool is_inbox(struct ph_str s)
{
    return ph_str_caseis(s, "INBOX");
}

/* `name` with `/` between levels, or as the server lists it. INBOX is one name in any case. */
static bool rule_matches(const char *rule, struct ph_str name, char delim)
{
    size_t n = strlen(rule);

    if (is_inbox(name))
        return is_inbox(ph_str(rule));
    if (n != name.n)
        return false;
    bool translate = delim && delim != '_'; /* `_` as delimiter: the rule is written as the name is listed */
    for (size_t i = 0; i < n; i++)
        if (rule[i] != name.p[i] && !(translate && rule[i] == '/' && name.p[i] == delim))
            return false;
    return true;
}

/* Length of the prefix that `name` begins with, something standing behind it; 0: it does not. INBOX counts in any case. */
static size_t prefix_len(struct ph_str name, const char *prefix)
{
    size_t n = prefix ? strlen(prefix) : 0, inbox;

    if (n == 0 || name.n <= n)
        return 0;
    inbox = n >= 5 && strncasecmp(prefix, "INBOX", 5) == 0 ? 5 : 0;
    if (strncasecmp(name.p, prefix, inbox) != 0 || memcmp(name.p + inbox, prefix + inbox, n - inbox) != 0)
        return 0;
    return n;
}

static const struct ph_name_rule *find_rule(const struct ph_names *n, struct ph_str name, char delim)
{
    size_t prefix = prefix_len(name, n->src_prefix);

    for (size_t i = 0; i < n->n_rules; i++)
        if (rule_matches(n->rules[i].src, name, delim))
            return &n->rules[i];
    for (size_t i = 0; prefix && i < n->n_rules; i++)
        if (rule_matches(n->rules[i].src, slice(name, prefix), delim))
            return &n->rules[i];
    return NULL;
}

/* ---- Gmail ---- */

/* Length of "[Gmail]/" or "[Google Mail]/" at the front, with any delimiter; 0: it is not there. */
static size_t gmail_len(struct ph_str name, char delim)
{
    static const char *const parents[] = { "[Gmail]", "[Google Mail]" };

    for (int i = 0; i < 2; i++) {
        size_t n = strlen(parents[i]);
        if (name.n > n + 1 && strncasecmp(name.p, parents[i], n) == 0 && delim && name.p[n] == delim)
            return n + 1;
    }
    return 0;
}

/* ---- special use ---- */

static const struct ph_folder *special_target(const struct ph_names *n, const struct ph_folder *f)
{
    uint32_t use = f->attrs & (PH_MA_ARCHIVE | PH_MA_DRAFTS | PH_MA_JUNK | PH_MA_SENT | PH_MA_TRASH);
    struct ph_str name = ph_str(f->name);
    bool gmail = gmail_len(name, f->delim) > 0;

    /* the collections of Gmail, whatever their language; elsewhere such a folder may be a view that takes no mail */
    if (gmail)
        use |= f->attrs & (PH_MA_ALL | PH_MA_FLAGGED | PH_MA_IMPORTANT);
    if (!use || !n->special_use || !n->dst_folders || (n->root && *n->root))
        return NULL;
    const struct ph_folder *found = NULL;
    for (size_t i = 0; i < n->dst_folders->n; i++) {
        const struct ph_folder *d = &n->dst_folders->f[i];
        if (!(d->attrs & use) || (d->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT)))
            continue;
        if ((d->attrs & use & (PH_MA_ALL | PH_MA_FLAGGED | PH_MA_IMPORTANT)) && !gmail_len(ph_str(d->name), d->delim))
            continue;
        if (strcmp(d->name, f->name) == 0)
            return d;
        if (!found)
            found = d;
    }
    return found;
}

/* ---- levels ---- */

static bool forbidden(const struct mapper *m, uint32_t cp, bool keep_delim)
{
    if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029 || cp == 0xfeff)
        return true; /* RFC 9051 5.1: Net-Unicode without control characters */
    if (keep_delim)
        return false;
    return (m->dst_delim && cp == (unsigned char)m->dst_delim) || cp == '/';
}

/* Cut at a character so that the level fits in modified UTF-7. */
static int cut_level(struct mapper *m)
{
    for (;;) {
        ph_buf_clear(&m->wire);
        if (ph_mutf7_encode(ph_buf_str(&m->level), &m->wire))
            return -1;
        size_t n = ph_buf_len(&m->level), over = ph_buf_len(&m->wire);
        if (over <= LEVEL_MAX)
            return 0;
        const char *p = ph_buf_data(&m->level);
        size_t keep = n - 1;
        while (keep && ((unsigned char)p[keep] & 0xc0) == 0x80)
            keep--;
        while (keep && p[keep - 1] == ' ')
            keep--;
        m->level.tail = m->level.head + keep;
    }
}

/* One level of the source's name, as the destination can have it, into m->level. */
static int make_level(struct mapper *m, struct ph_str s, bool keep_delim, bool first)
{
    uint32_t cp;
    bool blank = false;

    ph_buf_clear(&m->level);
    while (s.n && s.p[0] == ' ')
        s = slice(s, 1);
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    for (size_t i = 0; i < s.n && ph_buf_len(&m->level) <= 4 * LEVEL_MAX;) {
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
        if (!len || forbidden(m, cp, keep_delim))
            ph_buf_add_char(&m->level, m->replacement);
        else if (cp != ' ' || !blank || !m->n->fold_blanks)
            ph_buf_add(&m->level, s.p + i, len);
        blank = len && cp == ' ';
        i += len ? len : 1;
    }
    if (ph_buf_len(&m->level) == 0)
        ph_buf_add_char(&m->level, m->replacement);
    char *p = ph_buf_data(&m->level);
    if (m->level.failed)
        return -1;
    size_t n = ph_buf_len(&m->level);
    if (*p == '.' && (n == 1 || (n == 2 && p[1] == '.')))
        memset(p, m->replacement, n); /* `.` and `..` are places in a file system */
    if (first && (*p == '#' || *p == '~'))
        *p = m->replacement; /* RFC 9051 5.1.2.1: other name spaces; and somebody's home */
    return cut_level(m);
}

static int add_delim(struct mapper *m)
{
    return ph_buf_add_char(m->out, m->dst_delim ? m->dst_delim : m->replacement);
}

/* The levels of `name`, which has `delim` (0: it is one level) between them. */
static int add_levels(struct mapper *m, struct ph_str name, char delim, bool first)
{
    bool gmail = gmail_len(name, delim) > 0;

    while (name.n > 1 && delim && name.p[name.n - 1] == delim)
        name.n--; /* a parent, as some servers list it */
    for (size_t level = 0;; level++) {
        const char *end = delim ? memchr(name.p, delim, name.n) : NULL;
        struct ph_str s = { name.p, end ? (size_t)(end - name.p) : name.n };
        if (make_level(m, s, gmail && level > 0, first && level == 0))
            return -1;
        struct ph_str made = ph_buf_str(&m->level);
        /* INBOX as a parent is INBOX too, however it is written */
        ph_buf_add_str(m->out, level == 0 && end && is_inbox(made) ? PH_STR("INBOX") : made);
        if (!end)
            return m->out->failed ? -1 : 0;
        add_delim(m);
        name = slice(name, s.n + 1);
    }
}

/* ---- the whole name ---- */

/* Where mail goes: prefix, then root. */
static int add_place(struct mapper *m)
{
    const char *prefix = m->n->dst_prefix ? m->n->dst_prefix : "";
    struct ph_str root = ph_str(m->n->root);

    ph_buf_add_z(m->out, prefix);
    if (root.n == 0)
        return m->out->failed ? -1 : 0;
    root = slice(root, prefix_len(root, prefix));
    char delim = m->dst_delim && memchr(root.p, m->dst_delim, root.n) ? m->dst_delim : '/';
    if (add_levels(m, root, delim, *prefix == 0))
        return -1;
    return add_delim(m);
}

static int add_name(struct mapper *m, struct ph_str name, char delim, bool by_rule)
{
    bool rooted = m->n->root && *m->n->root;
    size_t prefix;

    if (is_inbox(name)) {
        if (rooted && add_place(m))
            return -1;
        return ph_buf_add(m->out, "INBOX", 5);
    }
    if (by_rule) { /* a rule may spell the destination's prefix out */
        struct ph_buf plain = PH_BUF_INIT;
        ph_buf_add_z(&plain, m->n->dst_prefix ? m->n->dst_prefix : "");
        for (size_t i = 0; i < ph_buf_len(&plain); i++)
            if (m->dst_delim && ph_buf_data(&plain)[i] == m->dst_delim)
                ph_buf_data(&plain)[i] = '/';
        prefix = prefix_len(name, ph_buf_z(&plain));
        if (!prefix)
            prefix = prefix_len(name, m->n->dst_prefix);
        ph_buf_done(&plain);
    } else {
        prefix = prefix_len(name, m->n->src_prefix);
    }
    name = slice(name, prefix);
    if (!by_rule && m->n->strip_gmail)
        name = slice(name, gmail_len(name, delim));
    if (add_place(m))
        return -1;
    return add_levels(m, name, delim, ph_buf_len(m->out) == 0);
}

int names_map_one(const struct ph_names *n, const struct ph_folder *f, struct ph_buf *out, bool *on_purpose,
                  struct ph_err *err)
{
    struct mapper m = { .n = n, .dst_delim = n->dst_delim, .src_delim = n->src_delim, .out = out };
    struct ph_str name = ph_str(f->name);
    const struct ph_folder *special;
    int r = -1;

    *on_purpose = true;
    ph_buf_clear(out);
    if (name.n == 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_USAGE, "a folder without a name");
    m.replacement = replacement_of(n);
    if (!m.src_delim)
        m.src_delim = f->delim;
    const struct ph_name_rule *rule = find_rule(n, name, m.src_delim);
    if (rule) {
        /* `/` between levels; a rule without one may use the destination's own delimiter */
        struct ph_str dst = ph_str(rule->dst);
        bool own = m.dst_delim && !memchr(dst.p, '/', dst.n);
        r = add_name(&m, dst, own ? m.dst_delim : '/', true);
    } else if ((special = special_target(n, f))) {
        r = ph_buf_add_z(out, special->name);
    } else {
        *on_purpose = is_inbox(name) || (n->strip_gmail && gmail_len(name, m.src_delim));
        r = add_name(&m, name, m.src_delim, false);
    }
    bool failed = out->failed || m.level.failed || m.wire.failed;
    ph_buf_done(&m.level);
    ph_buf_done(&m.wire);
    if (r || failed)
        return ph_fail_memory(err);
    return 0;
}

int ph_names_map(const struct ph_names *n, const struct ph_folder *f, struct ph_buf *out, struct ph_err *err)
{
    bool on_purpose;

    return names_map_one(n, f, out, &on_purpose, err);
}
