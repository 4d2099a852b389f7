/* acl.c: SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314, and the rights `c` and `d` of RFC 2086 as clients know them: 2.1.1). */
#include <string.h>

#include "server/commands.h"
#include "server/rights.h"
#include "server/user.h"
#include "wire/respond.h"
#include "wire/utf8.h"

#define IDENTIFIER_OCTETS 1024

/* The mailbox, when the store has rights and the user may ask for them; NULL with *err. */
static const char *begin(struct session *s, struct ph_command *c, struct ph_session **ps, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, c->acl.mailbox, err);

    *ps = name ? session_store(s, err) : NULL;
    if (!*ps)
        return NULL;
    if (!s->user->serve->my_rights) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "There are no access rights here");
        return NULL;
    }
    return rights_check(s, c->id, name, err) ? NULL : name;
}

/* RFC 4314 3: an identifier that cannot be prepared is BAD. */
static const char *take_identifier(struct session *s, struct ph_str given, struct ph_err *err)
{
    struct ph_str who = given;

    if (who.n && who.p[0] == '-')
        who = (struct ph_str){ who.p + 1, who.n - 1 };
    bool bad = who.n == 0 || given.n > IDENTIFIER_OCTETS || !ph_utf8_valid(given);
    for (size_t i = 0; i < given.n && !bad; i++)
        bad = (unsigned char)given.p[i] < 0x20 || given.p[i] == 0x7f;
    if (bad) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_BAD, "That is no identifier");
        return NULL;
    }
    const char *out = ph_arena_strdup(&s->arena, given);
    if (!out)
        ph_fail_memory(err);
    return out;
}

/* What was asked for, in the letters of RFC 4314: `c` is "kx", `d` is "te". Taking `d` away takes both. -1: a right that does not exist (BAD). */
static int take_rights(struct ph_str given, char out[32], struct ph_err *err)
{
    char wanted[128] = { 0 };
    size_t n = 0;

    for (size_t i = 0; i < given.n; i++) {
        char one[] = { given.p[i], '\0' };
        const char *members = *one == 'c' ? "kx" : *one == 'd' ? "te" : strchr(PH_RIGHTS_ALL, *one) ? one : "";
        if (!*members)
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_BAD, "The right %s does not exist", one);
        for (; *members; members++)
            wanted[(unsigned char)*members & 127] = 1;
    }
    for (const char *p = PH_RIGHTS_ALL; *p; p++)
        if (wanted[(unsigned char)*p])
            out[n++] = *p;
    out[n] = '\0';
    return 0;
}

/* A store that is only read has rights to show, and none to give. */
static int cannot_set(const struct session *s, struct ph_err *err)
{
    return s->user->serve->set_acl ? 0 : ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "Rights cannot be changed here");
}

int cmd_setacl(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_session *ps;
    char rights[32];
    const char *identifier, *name;

    /* what is wrong in itself comes before what may not be done */
    if (take_rights(c->acl.rights, rights, err) || !(identifier = take_identifier(s, c->acl.identifier, err)) ||
        !(name = begin(s, c, &ps, err)) || cannot_set(s, err))
        return -1;
    if (s->user->serve->set_acl(ps, name, identifier, c->acl.op, rights, err))
        return -1;
    session_ok(s, c, "SETACL completed");
    return 0;
}

int cmd_deleteacl(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *identifier = take_identifier(s, c->acl.identifier, err), *name;
    struct ph_session *ps;

    if (!identifier || !(name = begin(s, c, &ps, err)) || cannot_set(s, err) ||
        s->user->serve->set_acl(ps, name, identifier, 0, NULL, err))
        return -1;
    session_ok(s, c, "DELETEACL completed");
    return 0;
}

int cmd_getacl(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_session *ps;
    const char *name = begin(s, c, &ps, err);
    struct ph_acl_entry *e;
    char told[40];
    size_t n;

    if (!name || s->user->serve->get_acl(ps, name, &s->arena, &e, &n, err))
        return -1;
    struct ph_acl_pair *pairs = ph_arena_alloc(&s->arena, (n + 1) * sizeof *pairs);
    for (size_t i = 0; pairs && i < n; i++) {
        rights_tell(e[i].rights, told);
        pairs[i] = (struct ph_acl_pair){ ph_str(e[i].identifier), ph_str(ph_arena_strdup(&s->arena, ph_str(told))) };
        if (!pairs[i].rights.p)
            return ph_fail_memory(err);
    }
    if (!pairs)
        return ph_fail_memory(err);
    ph_write_acl(&s->w, ph_str(name), pairs, n);
    session_ok(s, c, "GETACL completed");
    return 0;
}

/* RFC 4314 2.1.1: `c` and `d` stand beside their members when those can be given one by one; where members are tied to something, the virtual
 * right is tied to it, too. */
static struct ph_str with_virtual(struct session *s, const char *group, const char *members, char virtual_right)
{
    size_t n = strlen(group), found = strcspn(group, members);
    char *out = ph_arena_alloc(&s->arena, n + 2);

    if (!out)
        return PH_STR_NIL;
    memcpy(out, group, n);
    if (group[found] && strspn(group, members) < n)
        out[n++] = virtual_right; /* tied to another right */
    return (struct ph_str){ out, n };
}

static bool has(const struct ph_str *groups, size_t n, char right)
{
    for (size_t i = 0; i < n; i++)
        if (memchr(groups[i].p, right, groups[i].n))
            return true;
    return false;
}

int cmd_listrights(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *identifier = take_identifier(s, c->acl.identifier, err), *name, *required, **optional;
    struct ph_session *ps;
    size_t n;

    if (!identifier || !(name = begin(s, c, &ps, err)) || cannot_set(s, err) ||
        s->user->serve->list_rights(ps, name, identifier, &s->arena, &required, &optional, &n, err))
        return -1;
    struct ph_words w = { ph_arena_alloc(&s->arena, (n + 3) * sizeof(struct ph_str)), n };
    char always[40];
    if (!w.w)
        return ph_fail_memory(err);
    rights_tell(required, always);
    for (size_t i = 0; i < n; i++) {
        struct ph_str group = with_virtual(s, optional[i], "kx", 'c');
        if (group.p)
            group = with_virtual(s, group.p, "te", 'd');
        if (!group.p)
            return ph_fail_memory(err);
        w.w[i] = group;
    }
    bool create = has(w.w, n, 'k') || has(w.w, n, 'x'), del = has(w.w, n, 't') || has(w.w, n, 'e');
    if (create && !strchr(always, 'c') && !has(w.w, n, 'c'))
        w.w[w.n++] = PH_STR("c");
    if (del && !strchr(always, 'd') && !has(w.w, n, 'd'))
        w.w[w.n++] = PH_STR("d");
    ph_write_listrights(&s->w, ph_str(name), ph_str(identifier), ph_str(always), &w);
    session_ok(s, c, "LISTRIGHTS completed");
    return 0;
}

int cmd_myrights(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_session *ps;
    const char *name = begin(s, c, &ps, err);
    char rights[32], told[40];

    if (!name || s->user->serve->my_rights(ps, name, rights, err))
        return -1;
    rights_tell(rights, told);
    ph_write_myrights(&s->w, ph_str(name), ph_str(told));
    session_ok(s, c, "MYRIGHTS completed");
    return 0;
}
