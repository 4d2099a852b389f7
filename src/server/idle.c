/* idle.c: IDLE (RFC 2177): the session parks and listens; who is woken tells what has changed. */
#include <stdlib.h>
#include <syslog.h>

#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "server/user.h"

int cmd_idle(struct session *s, struct ph_command *c, struct ph_err *err)
{
    char *tag = ph_str_dup(c->tag);

    if (!tag)
        return ph_fail_memory(err);
    s->idle_tag = tag;
    s->mode = MODE_IDLE;
    s->idle_looked = ph_now_ms();
    atomic_fetch_add(&s->server->count.idling, 1);
    if (s->view) {
        mailbox_listen(s->view->mailbox, s); /* first, so that nothing happens unheard between the look and this */
        if (session_sync(s, SYNC_EXPUNGE | SYNC_LOOK, err)) {
            idle_end(s);
            return -1;
        }
    }
    if (!s->closing)
        ph_write_raw(&s->w, "+ idling\r\n");
    return 0;
}

void idle_end(struct session *s)
{
    if (s->mode != MODE_IDLE)
        return;
    s->mode = MODE_COMMAND;
    if (s->view)
        mailbox_unlisten(s->view->mailbox, s);
    atomic_fetch_sub(&s->server->count.idling, 1);
    free(s->idle_tag);
    s->idle_tag = NULL;
}

void idle_update(struct session *s)
{
    const struct ph_server_config *c = &s->server->config;
    struct ph_err err = { 0 };
    unsigned how = SYNC_EXPUNGE;
    int64_t now = ph_now_ms();

    if (!s->view || s->notify || session_flush(s) != 0) /* what it has not taken yet comes first; later changes are told together */
        return;
    view_follow(s);
    if (!s->user->watched && now - s->idle_looked >= SERVER_LOOK_MS) {
        how |= SYNC_LOOK;
        s->idle_looked = now;
    }
    uint64_t before = s->bytes_out + session_unsent(s);
    s->no_wait = true;
    if (session_sync(s, how, &err))
        server_log(s->server, s, LOG_WARNING, "cannot look for changes: %s", err.text);
    s->no_wait = false;
    session_command_done(s);
    if (s->bytes_out + session_unsent(s) != before && c->calls.idle_update && s->view)
        c->calls.idle_update(c->ctx, conn_of(s), s->view->name);
}

void idle_line(struct session *s, struct ph_str line)
{
    char *tag = s->idle_tag;
    struct ph_command c = { .tag = ph_str(tag), .name = PH_STR("IDLE"), .id = PH_CMD_IDLE };

    s->idle_tag = NULL;
    idle_end(s);
    if (ph_str_caseis(line, "DONE"))
        session_ok(s, &c, "IDLE completed");
    else
        session_bad(s, &c, "DONE was expected");
    session_command_done(s);
    free(tag);
}
