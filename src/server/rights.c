/* rights.c: may this user do this to this mailbox (RFC 4314 4). Stores check, too; here a command is refused before it has begun, with the
 * answer that the RFC wants. */
#include <string.h>

#include "server/names.h"
#include "server/rights.h"
#include "server/user.h"

/* Any of the letters will do. Commands that are not here need none, or look at it themselves: APPEND and COPY keep the flags that the
 * user may set and drop the others, STORE and FETCH likewise (s, w, t), CLOSE does without expunging (e). */
static const struct {
    enum ph_cmd id;
    const char *any_of;
} needs[] = {
    { PH_CMD_SELECT, "r" },      { PH_CMD_EXAMINE, "r" },     { PH_CMD_STATUS, "r" },
    { PH_CMD_SUBSCRIBE, "l" },   { PH_CMD_CREATE, "k" },      { PH_CMD_DELETE, "x" },
    { PH_CMD_RENAME, "x" },      { PH_CMD_APPEND, "i" },      { PH_CMD_COPY, "i" },
    { PH_CMD_MOVE, "i" },        { PH_CMD_REPLACE, "i" },     { PH_CMD_EXPUNGE, "e" },
    { PH_CMD_SETACL, "a" },      { PH_CMD_DELETEACL, "a" },   { PH_CMD_GETACL, "a" },
    { PH_CMD_LISTRIGHTS, "a" },  { PH_CMD_MYRIGHTS, "lrikxa" }, { PH_CMD_ESEARCH, "r" },
    { PH_CMD_GETMETADATA, "rswip" }, { PH_CMD_SETMETADATA, "rswip" }, /* and l: RFC 5464 3.3 */
};

static int refuse(const char *name, const char *rights, struct ph_err *err)
{
    bool visible = strpbrk(rights, "lr");

    ph_fail(err, PH_SCOPE_FOLDER, visible ? PH_E_PERMISSION : PH_E_NOTFOUND,
            visible ? "You may not do that to %s" : "There is no mailbox %s", name);
    if (err && visible)
        memcpy(err->code, "NOPERM", 7);
    else if (err)
        memcpy(err->code, "NONEXISTENT", 12);
    return -1;
}

static int need(struct session *s, const char *name, const char *any_of, struct ph_err *err)
{
    char rights[32];
    struct ph_session *ps;

    if (!s->user->serve->my_rights)
        return 0;
    ps = session_store(s, err);
    if (!ps || s->user->serve->my_rights(ps, name, rights, err))
        return -1;
    return strpbrk(rights, any_of) ? 0 : refuse(name, rights, err);
}

int session_need_right(struct session *s, const char *name, char right, struct ph_err *err)
{
    return need(s, name, (char[]){ right, '\0' }, err);
}

int rights_check(struct session *s, enum ph_cmd id, const char *name, struct ph_err *err)
{
    bool metadata = id == PH_CMD_GETMETADATA || id == PH_CMD_SETMETADATA;

    if (id == PH_CMD_CREATE)
        return rights_check_parent(s, name, err);
    if (metadata && need(s, name, "l", err))
        return -1;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (needs[i].id == id)
            return need(s, name, needs[i].any_of, err);
    return 0;
}

int rights_check_parent(struct session *s, const char *name, struct ph_err *err)
{
    char rights[32], delim, *above;
    struct ph_err why;

    if (!s->user->serve->my_rights)
        return 0;
    struct ph_session *ps = session_store(s, err);
    if (!ps || names_delim(s, name, &delim, err))
        return -1;
    above = ph_arena_strdup(&s->arena, ph_str(name));
    if (!above)
        return ph_fail_memory(err);
    while (names_parent(above, delim)) {
        if (s->user->serve->my_rights(ps, above, rights, &why) == 0)
            return strchr(rights, 'k') ? 0 : refuse(above, rights, err);
        if (why.kind != PH_E_NOTFOUND) {
            *err = why;
            return -1;
        }
    }
    return 0; /* nothing above it: the store says whose root it is */
}

void rights_tell(const char *rights, char out[40])
{
    size_t n = strnlen(rights, 31);

    memcpy(out, rights, n);
    if (strpbrk(rights, "kx") && !strchr(rights, 'c'))
        out[n++] = 'c';
    if (strpbrk(rights, "te") && !strchr(rights, 'd'))
        out[n++] = 'd';
    out[n] = '\0';
}
