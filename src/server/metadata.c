/* metadata.c: GETMETADATA and SETMETADATA (RFC 5464). */
#include <stdlib.h>
#include <string.h>

#include "server/commands.h"
#include "server/metadata.h"
#include "server/notify.h"
#include "server/rights.h"
#include "server/user.h"
#include "wire/respond.h"

static int fail(struct ph_err *err, enum ph_kind kind, const char *text)
{
    return ph_fail(err, PH_SCOPE_FOLDER, kind, "%s", text);
}

/* RFC 5464 3.2: two levels at least, four below vendor; the first says whose it is. */
static bool is_entry(struct ph_str e)
{
    size_t levels = 0;

    for (size_t i = 0; i < e.n; i++)
        levels += e.p[i] == '/';
    if (!ph_str_caseprefix(e, "/private/") && !ph_str_caseprefix(e, "/shared/"))
        return false;
    bool vendor = ph_str_caseprefix(e, "/private/vendor/") || ph_str_caseprefix(e, "/shared/vendor/") ||
                  ph_str_caseis(e, "/private/vendor") || ph_str_caseis(e, "/shared/vendor");
    return levels >= (vendor ? 4 : 2);
}

/* The mailbox, "" for the server. NULL with *err. */
static const char *begin(struct session *s, struct ph_command *c, struct ph_session **ps, struct ph_err *err)
{
    const char *name = "";

    if (c->metadata.n > METADATA_ENTRIES) {
        fail(err, PH_E_LIMIT, "Too many entries");
        return NULL;
    }
    if (c->metadata.mailbox.n && !(name = session_mailbox_name(s, c->metadata.mailbox, err)))
        return NULL;
    *ps = session_store(s, err);
    if (!*ps || (*name && rights_check(s, c->id, name, err)))
        return NULL;
    return name;
}

/* Names as C strings; NULL without memory. */
static const char **take_names(struct session *s, const struct ph_str *names, size_t n)
{
    const char **out = ph_arena_alloc(&s->arena, (n + 1) * sizeof(const char *));

    for (size_t i = 0; out && i < n; i++)
        if (!(out[i] = ph_arena_strdup(&s->arena, names[i])))
            return NULL;
    return out;
}

static bool is_among(const struct ph_annotation *a, size_t n, const char *entry)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(a[i].entry, entry) == 0)
            return true;
    return false;
}

/* ---- GETMETADATA ---- */

#define SPECIAL_USE "/private/specialuse"

/* RFC 6154 4: the uses of a mailbox as LIST has them, with blanks between; NIL: none. */
static struct ph_str special_use(struct session *s, struct ph_session *ps, const char *name)
{
    struct ph_buf b = PH_BUF_INIT;
    struct ph_folder_list l;
    struct ph_err ignored;

    if (!*name || !(s->user->abilities & PH_AB_SPECIAL_USE) || ps->ops->list(ps, false, &l, &ignored))
        return PH_STR_NIL;
    const struct ph_folder *f = ph_folder_list_find(&l, name);
    for (uint32_t bit = PH_MA_ALL; f && bit < PH_MA_INBOX; bit <<= 1)
        if (f->attrs & bit && ph_mailbox_attr(bit)) {
            ph_buf_add_z(&b, ph_buf_len(&b) ? " " : "");
            ph_buf_add_z(&b, ph_mailbox_attr(bit));
        }
    ph_folder_list_done(&l);
    struct ph_str out = { ph_buf_len(&b) ? ph_arena_strdup(&s->arena, ph_buf_str(&b)) : NULL, ph_buf_len(&b) };
    ph_buf_done(&b);
    return out.p ? out : PH_STR_NIL;
}

/* What the store has of the entries, and NIL for those it has not got. NULL with *err. */
static struct ph_metadata_entry *read_entries(struct session *s, struct ph_session *ps, const char *name,
                                              const char **ask, size_t n_ask, uint32_t depth, size_t *n,
                                              struct ph_err *err)
{
    struct ph_annotation *a = NULL;
    size_t found = 0;

    *n = 0;
    if (s->user->serve->get_metadata(ps, name, ask, n_ask, depth, &s->arena, &a, &found, err))
        return NULL;
    struct ph_metadata_entry *e = ph_arena_alloc(&s->arena, (found + n_ask + 1) * sizeof *e);
    if (!e) {
        ph_fail_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < found; i++)
        e[(*n)++] = (struct ph_metadata_entry){ ph_str(a[i].entry), a[i].value };
    for (size_t i = 0; depth == 0 && i < n_ask; i++)
        if (!is_among(a, found, ask[i]))
            e[(*n)++] = (struct ph_metadata_entry){
                ph_str(ask[i]), strcasecmp(ask[i], SPECIAL_USE) == 0 ? special_use(s, ps, name) : PH_STR_NIL };
    return e;
}

void metadata_tell(struct session *s, struct ph_session *ps, const char *name, const struct ph_words *entries)
{
    struct ph_arena outer = s->arena;
    struct ph_err ignored;
    size_t n = 0;

    if (!s->user->serve->get_metadata || rights_check(s, PH_CMD_GETMETADATA, name, &ignored))
        return;
    ph_arena_init(&s->arena, outer.limit); /* a long LIST would fill the command's */
    const char **ask = take_names(s, entries->w, entries->n);
    struct ph_metadata_entry *e = ask ? read_entries(s, ps, name, ask, entries->n, 0, &n, &ignored) : NULL;
    if (e)
        ph_write_metadata(&s->w, ph_str(name), e, n);
    ph_arena_done(&s->arena);
    s->arena = outer;
}

/* Leaves out what is longer than the client wants; the length of the longest of those, 0: none. */
static uint64_t leave_out(struct ph_metadata_entry *e, size_t *n, uint32_t maxsize)
{
    uint64_t longest = 0;
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (e[i].value.p && e[i].value.n > maxsize)
            longest = e[i].value.n > longest ? e[i].value.n : longest;
        else
            e[kept++] = e[i];
    }
    *n = kept;
    return longest;
}

int cmd_getmetadata(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const struct ph_cmd_metadata *m = &c->metadata;
    struct ph_str *names = ph_arena_alloc(&s->arena, (m->n + 1) * sizeof *names);
    struct ph_session *ps;
    const char *name = names ? begin(s, c, &ps, err) : NULL;
    uint64_t longest = 0;
    size_t n;

    if (!names)
        return ph_fail_memory(err);
    if (!name)
        return -1;
    if (!s->user->serve->get_metadata)
        return fail(err, PH_E_UNSUPPORTED, "There are no annotations here");
    for (size_t i = 0; i < m->n; i++)
        names[i] = m->entries[i].name;
    const char **ask = take_names(s, names, m->n);
    if (!ask)
        return ph_fail_memory(err);
    struct ph_metadata_entry *e = read_entries(s, ps, name, ask, m->n, m->depth, &n, err);
    if (!e)
        return -1;
    if (m->has_maxsize)
        longest = leave_out(e, &n, m->maxsize);
    ph_write_metadata(&s->w, ph_str(name), e, n);
    if (!longest) {
        session_ok(s, c, "GETMETADATA completed");
        return 0;
    }
    struct ph_buf code = PH_BUF_INIT;
    ph_buf_add_z(&code, "METADATA LONGENTRIES ");
    ph_buf_add_u64(&code, longest);
    session_ok_code(s, c, code.failed ? PH_STR_NIL : ph_buf_str(&code), "GETMETADATA completed");
    ph_buf_done(&code);
    return 0;
}

/* ---- SETMETADATA ---- */

static void refuse(struct session *s, const struct ph_command *c, const char *word, uint64_t n, const char *text)
{
    struct ph_buf code = PH_BUF_INIT;

    ph_buf_add_z(&code, "METADATA ");
    ph_buf_add_z(&code, word);
    if (n) {
        ph_buf_add_char(&code, ' ');
        ph_buf_add_u64(&code, n);
    }
    session_no(s, c, ph_buf_z(&code), text);
    ph_buf_done(&code);
}

/* Octets of the largest value that is taken: the store's limit, or ours. */
static uint64_t largest(struct session *s, struct ph_session *ps)
{
    uint64_t limit = s->user->serve->metadata_limit ? s->user->serve->metadata_limit(ps) : UINT64_MAX;

    return limit < METADATA_VALUE ? limit : METADATA_VALUE;
}

/* 0: may be tried; 1: was refused; -1: *err. */
static int check_values(struct session *s, const struct ph_command *c, uint64_t limit, struct ph_err *err)
{
    const struct ph_cmd_metadata *m = &c->metadata;

    for (size_t i = 0; i < m->n; i++) {
        const struct ph_metadata_entry *e = &m->entries[i];
        if (!is_entry(e->name))
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_BAD, "There cannot be an entry of this name");
        if (m->mailbox.n == 0 && ph_str_caseis(e->name, "/shared/admin"))
            return fail(err, PH_E_PERMISSION, "This entry is the server's own");
        if (ph_str_caseis(e->name, SPECIAL_USE)) /* never blindly: RFC 6154 4 */
            return fail(err, PH_E_UNSUPPORTED, "The use of a mailbox is set when it is made");
        if (e->value.p && e->value.n > limit) {
            refuse(s, c, "MAXSIZE", limit, "The value is too long");
            return 1;
        }
    }
    return 0;
}

static int set(struct session *s, struct ph_command *c, struct ph_session *ps, const char *name,
               const struct ph_annotation *a, uint64_t limit, struct ph_err *err)
{
    struct notify_doing doing = { .name = name, .what = PH_WATCH_METADATA, .a = a, .n = c->metadata.n };

    notify_begin(s, &doing);
    int r = s->user->serve->set_metadata(ps, name, a, c->metadata.n, err);
    notify_end(s, &doing);
    if (r == 0) {
        session_ok(s, c, "SETMETADATA completed");
        return 0;
    }
    if (err->scope > PH_SCOPE_FOLDER)
        return -1;
    if (err->kind == PH_E_TOOBIG)
        refuse(s, c, "MAXSIZE", limit, "The value is too long");
    else if (err->kind == PH_E_LIMIT)
        refuse(s, c, "TOOMANY", 0, "There are too many entries");
    else if (err->kind == PH_E_UNSUPPORTED)
        refuse(s, c, "NOPRIVATE", 0, "There are no private entries here");
    else
        return -1;
    return 0;
}

int cmd_setmetadata(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const struct ph_cmd_metadata *m = &c->metadata;
    struct ph_annotation *a = ph_arena_alloc(&s->arena, (m->n + 1) * sizeof *a);
    struct ph_session *ps;
    const char *name = a ? begin(s, c, &ps, err) : NULL;
    int checked;

    if (!a)
        return ph_fail_memory(err);
    if (!name)
        return -1;
    if (!s->user->serve->set_metadata)
        return fail(err, PH_E_UNSUPPORTED, "There are no annotations here");
    uint64_t limit = largest(s, ps);
    if ((checked = check_values(s, c, limit, err)) != 0)
        return checked < 0 ? -1 : 0;
    for (size_t i = 0; i < m->n; i++) {
        a[i] = (struct ph_annotation){ ph_arena_strdup(&s->arena, m->entries[i].name), m->entries[i].value };
        if (!a[i].entry)
            return ph_fail_memory(err);
    }
    return set(s, c, ps, name, a, limit, err);
}
