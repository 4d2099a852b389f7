/* commands.c: which function answers which command, and in which state it may come. A command without a row here is not offered;
 * what is advertised is computed from these rows, too (capability.c).
 */
#include "server/commands.h"

#include <stdlib.h>

#include "server/append.h"
#include "server/private.h"
#include "server/sync.h"

static const struct {
    enum ph_cmd id;
    session_handler *run;
} rows[] = {
    { PH_CMD_CAPABILITY, cmd_capability },
    { PH_CMD_NOOP, cmd_noop },
    { PH_CMD_LOGOUT, cmd_logout },
    { PH_CMD_ID, cmd_id },
    { PH_CMD_STARTTLS, cmd_starttls },
    { PH_CMD_AUTHENTICATE, cmd_authenticate },
    { PH_CMD_LOGIN, cmd_login },
    { PH_CMD_UNAUTHENTICATE, cmd_unauthenticate },
    { PH_CMD_COMPRESS, cmd_compress },
    { PH_CMD_ENABLE, cmd_enable },
    { PH_CMD_IDLE, cmd_idle },
    { PH_CMD_CHECK, cmd_check },
    { PH_CMD_APPEND, append_done },
    { PH_CMD_REPLACE, append_done },
    { PH_CMD_SELECT, cmd_select },
    { PH_CMD_EXAMINE, cmd_examine },
    { PH_CMD_UNSELECT, cmd_unselect },
    { PH_CMD_CLOSE, cmd_close },
    { PH_CMD_EXPUNGE, cmd_expunge },
    { PH_CMD_STORE, cmd_store },
    { PH_CMD_COPY, cmd_copy },
    { PH_CMD_MOVE, cmd_move },
    { PH_CMD_CREATE, cmd_create },
    { PH_CMD_DELETE, cmd_delete },
    { PH_CMD_RENAME, cmd_rename },
    { PH_CMD_SUBSCRIBE, cmd_subscribe },
    { PH_CMD_UNSUBSCRIBE, cmd_unsubscribe },
    { PH_CMD_LIST, cmd_list },
    { PH_CMD_LSUB, cmd_lsub },
    { PH_CMD_NAMESPACE, cmd_namespace },
    { PH_CMD_STATUS, cmd_status },
    { PH_CMD_GETQUOTA, cmd_getquota },
    { PH_CMD_GETQUOTAROOT, cmd_getquotaroot },
    { PH_CMD_SETQUOTA, cmd_setquota },
    { PH_CMD_SETACL, cmd_setacl },
    { PH_CMD_DELETEACL, cmd_deleteacl },
    { PH_CMD_GETACL, cmd_getacl },
    { PH_CMD_LISTRIGHTS, cmd_listrights },
    { PH_CMD_MYRIGHTS, cmd_myrights },
    { PH_CMD_GETMETADATA, cmd_getmetadata },
    { PH_CMD_SETMETADATA, cmd_setmetadata },
    { PH_CMD_NOTIFY, cmd_notify },
    { PH_CMD_FETCH, cmd_fetch },
    { PH_CMD_SEARCH, cmd_search },
    { PH_CMD_SORT, cmd_sort },
    { PH_CMD_THREAD, cmd_thread },
    { PH_CMD_ESEARCH, cmd_esearch },
};

static session_handler *find(enum ph_cmd id)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].id == id)
            return rows[i].run;
    return NULL;
}

bool command_exists(enum ph_cmd id)
{
    return find(id);
}

struct ph_args_limits session_args_limits(const struct session *s)
{
    struct ph_args_limits l = ph_args_limits_default;

    l.blanks = true;
    l.more = s->server->rows;
    return l;
}

const char *session_wrong_state(const struct session *s, const struct ph_command *c)
{
    unsigned now = s->state == PH_ST_SELECTED        ? PH_STATE_SELECTED
                   : s->state == PH_ST_AUTHENTICATED ? PH_STATE_AUTH
                                                     : PH_STATE_NONAUTH;

    if (c->states & now)
        return NULL;
    if (now == PH_STATE_NONAUTH)
        return "Log in first";
    return c->states & PH_STATE_SELECTED ? "Select a mailbox first" : "Not after login";
}

/* ---- the application's commands ---- */

static struct ph_server_arg own_arg(const struct ph_shape_value *v)
{
    struct ph_str text = v->what == PH_SH_TEXT ? v->text : v->arg ? v->arg->text : PH_STR_NIL;

    return (struct ph_server_arg){ text.p, text.n };
}

static int run_own(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const struct ph_server_command *own = &s->server->own[c->id - PH_CMD_APPLICATION];
    struct ph_server_arg *args = ph_arena_alloc(&s->arena, (c->values.n + 1) * sizeof *args);
    const char *text = NULL;

    if (!args)
        return ph_fail_memory(err);
    for (size_t i = 0; i < c->values.n; i++)
        args[i] = own_arg(&c->values.v[i]);
    if (own->run(own->ctx, conn_of(s), args, c->values.n, &text, err))
        return -1;
    session_ok(s, c, text ? text : "Completed");
    return 0;
}

void session_dispatch(struct session *s, struct ph_command *c)
{
    struct ph_err err = { 0 };
    bool own = c->id >= PH_CMD_APPLICATION && (size_t)(c->id - PH_CMD_APPLICATION) < s->server->n_own;
    session_handler *run = own ? run_own : find(c->id);
    const char *wrong = run ? session_wrong_state(s, c) : "This command is not offered";

    if (s->view)
        view_follow(s);
    if (s->held && run != append_done)
        append_settle(s);
    if (wrong)
        session_bad(s, c, wrong);
    else if (run(s, c, &err))
        session_fail(s, c, &err);
}
