/* names.c: mailbox names as clients send them (RFC 9051 5.1, RFC 3501 5.1.3, RFC 6855 3).
 *
 * What can be no name in any store is refused here, with NO [CANNOT]: empty levels, `.` and `..`, controls, broken
 * modified UTF-7, far too long ones. Names that a store may well have, but that nobody should make, are refused only when
 * they are to be made. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "server/names.h"
#include "server/user.h"
#include "wire/mutf7.h"
#include "wire/respond.h"
#include "wire/utf8.h"

static int cannot(struct ph_err *err, const char *why)
{
    ph_fail(err, PH_SCOPE_FOLDER, PH_E_USAGE, "This cannot be a mailbox: %s", why);
    if (err)
        memcpy(err->code, "CANNOT", 7);
    return -1;
}

static bool is_utf8(const struct session *s)
{
    return s->enabled & (PH_EN_UTF8 | PH_EN_REV2);
}

const char *names_decode(struct session *s, struct ph_str wire, bool *valid)
{
    struct ph_buf b = PH_BUF_INIT;
    const char *out;

    if (is_utf8(s)) {
        *valid = ph_utf8_valid(wire);
        return ph_arena_strdup(&s->arena, wire.p ? wire : PH_STR(""));
    }
    if (ph_mutf7_decode(wire, &b, valid)) {
        ph_buf_done(&b);
        return NULL;
    }
    out = ph_arena_strdup(&s->arena, ph_buf_str(&b));
    ph_buf_done(&b);
    return out;
}

/* The namespace with the longest prefix that the name begins with. */
static char delim_of(const struct ph_store_namespace *ns, size_t n, const char *name)
{
    size_t longest = 0;
    char delim = n ? ns[0].delim : 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(ns[i].prefix);
        if (len >= longest && strncmp(name, ns[i].prefix, len) == 0) {
            longest = len;
            delim = ns[i].delim;
        }
    }
    return delim;
}

int names_delim(struct session *s, const char *name, char *delim, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    struct ph_store_namespace *ns;
    struct ph_folder_list list;
    size_t n;

    if (!ps)
        return -1;
    if (s->user->serve->namespaces) {
        if (s->user->serve->namespaces(ps, &s->arena, &ns, &n, err))
            return -1;
        *delim = delim_of(ns, n, name);
        return 0;
    }
    int known = atomic_load(&s->user->delim);
    if (known == 0) {
        if (ps->ops->list(ps, false, &list, err))
            return -1;
        known = (unsigned char)list.delim + 1;
        ph_folder_list_done(&list);
        atomic_store(&s->user->delim, known);
    }
    *delim = (char)(known - 1);
    return 0;
}

/* Controls, and the ends of lines and paragraphs: RFC 6855 3. */
static bool has_controls(const char *name)
{
    struct ph_str t = ph_str(name);
    uint32_t cp = 0;

    for (size_t i = 0; i < t.n;) {
        unsigned len = ph_utf8_get(t.p + i, t.n - i, &cp);
        if (!len || cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029)
            return true;
        i += len;
    }
    return false;
}

static int check_levels(const char *name, char delim, struct ph_err *err)
{
    unsigned levels = 1;

    if (!*name)
        return cannot(err, "its name is empty");
    for (const char *p = name;; levels++) {
        size_t n = delim ? strcspn(p, (char[]){ delim, '\0' }) : strlen(p);
        if (n == 0)
            return cannot(err, "a level of its name is empty");
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return cannot(err, "a level of its name is a dot, or two");
        if (!p[n])
            break;
        p += n + 1;
    }
    return levels > NAMES_LEVELS ? cannot(err, "its name has too many levels") : 0;
}

/* INBOX in any case is INBOX, also as the first level of a name: else a client would find INBOX/x but not Inbox/x. */
static void capital_inbox(char *name, char delim)
{
    if (ph_str_caseprefix(ph_str(name), "INBOX") && (!name[5] || (delim && name[5] == delim)))
        memcpy(name, "INBOX", 5);
}

static char *take_name(struct session *s, struct ph_str wire, char *delim, struct ph_err *err)
{
    bool valid = true;

    if (wire.n > 4 * NAMES_OCTETS) {
        cannot(err, "its name is too long");
        return NULL;
    }
    if (wire.n && memchr(wire.p, '\0', wire.n)) {
        cannot(err, "its name has a NUL");
        return NULL;
    }
    char *name = (char *)names_decode(s, wire, &valid);
    if (!name) {
        ph_fail_memory(err);
        return NULL;
    }
    if (!valid) {
        cannot(err, is_utf8(s) ? "its name is not UTF-8" : "its name is not modified UTF-7");
        return NULL;
    }
    if (strlen(name) > NAMES_OCTETS) {
        cannot(err, "its name is too long");
        return NULL;
    }
    if (has_controls(name)) {
        cannot(err, "its name has a control character");
        return NULL;
    }
    return names_delim(s, name, delim, err) ? NULL : name;
}

/* In Unicode's form C, in the arena; the same pointer when it is that already. NULL without memory. */
static char *compose(struct session *s, char *name)
{
    utf8proc_uint8_t *made = NULL;
    char *out = name;

    if (utf8proc_map((const utf8proc_uint8_t *)name, 0, &made,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE) >= 0 &&
        strcmp((const char *)made, name) != 0)
        out = ph_arena_strdup(&s->arena, ph_str((const char *)made));
    free(made);
    return out;
}

/* Somebody who may send any UTF-8 finds a mailbox under its composed name, too (RFC 9051 5.1); but one that the store has under exactly this
 * name is meant. */
static char *find_composed(struct session *s, char *name)
{
    char *composed = is_utf8(s) ? compose(s, name) : name;
    struct ph_folder f = { .name = name }, *one = &f;
    struct ph_err ignored;

    if (!composed || composed == name)
        return composed;
    struct ph_session *ps = session_store(s, &ignored);
    if (ps && ps->ops->status && ps->ops->status(ps, &one, 1, &ignored) == 0 && f.status_err.kind == PH_OK)
        return name;
    return composed;
}

const char *session_mailbox_name(struct session *s, struct ph_str wire, struct ph_err *err)
{
    char delim, *name = take_name(s, wire, &delim, err);

    if (!name || check_levels(name, delim, err))
        return NULL;
    name = find_composed(s, name);
    if (!name) {
        ph_fail_memory(err);
        return NULL;
    }
    capital_inbox(name, delim);
    return name;
}

const char *names_new(struct session *s, struct ph_str wire, struct ph_err *err)
{
    char delim, *name = take_name(s, wire, &delim, err);
    size_t n = name ? strlen(name) : 0;

    if (!name)
        return NULL;
    if (delim && n > 1 && name[n - 1] == delim)
        name[n - 1] = '\0';
    if (check_levels(name, delim, err))
        return NULL;
    if (strpbrk(name, "*%")) {
        cannot(err, "its name has a wildcard");
        return NULL;
    }
    if (name[0] == '~' || name[0] == '/') {
        cannot(err, "its name looks like that of a file");
        return NULL;
    }
    name = is_utf8(s) ? compose(s, name) : name;
    if (!name) {
        ph_fail_memory(err);
        return NULL;
    }
    capital_inbox(name, delim);
    return name;
}

void session_write_mailbox(struct session *s, const char *name)
{
    ph_write_mailbox_utf8(&s->w, ph_str(name));
}

void names_write_string(struct session *s, const char *name)
{
    struct ph_buf b = PH_BUF_INIT;

    if (is_utf8(s))
        ph_write_string(&s->w, ph_str(name));
    else if (ph_mutf7_encode(ph_str(name), &b) == 0)
        ph_write_string(&s->w, ph_buf_str(&b));
    else
        ph_write_string(&s->w, PH_STR(""));
    ph_buf_done(&b);
}

void names_tell_old(struct session *s, struct ph_str wire, const char *name, uint32_t attrs)
{
    struct ph_err ignored;
    bool valid;
    char delim;
    const char *old = s->enabled & PH_EN_REV2 ? names_decode(s, wire, &valid) : NULL;

    if (!old || names_delim(s, name, &delim, &ignored))
        return;
    size_t n = strlen(name);
    if (strcmp(old, name) == 0 || (strncmp(old, name, n) == 0 && delim && old[n] == delim && !old[n + 1]))
        return; /* `CREATE new/` is no other name */
    struct ph_list_line l = { .attrs = attrs, .delim = delim, .name = ph_str(name), .oldname = ph_str(old) };
    ph_write_list(&s->w, &l);
}

bool names_parent(char *name, char delim)
{
    char *end = delim ? strrchr(name, delim) : NULL;

    if (end)
        *end = '\0';
    return end != NULL;
}
