/* answer.c: tagged answers and goodbyes. Before a tagged answer the client is told what has changed in its mailbox, as far
 * as the command allows that (RFC 9051 7.5.1, 5.5).
 */
#include <stdlib.h>
#include <syslog.h>

#include "server/append.h"
#include "server/private.h"
#include "wire/respond.h"

/* EXPUNGE may not be sent while a command is answered whose message numbers it would move. */
static bool may_expunge(const struct ph_command *c)
{
    if (c->uid)
        return true;
    return c->id != PH_CMD_FETCH && c->id != PH_CMD_STORE && c->id != PH_CMD_SEARCH && c->id != PH_CMD_SORT &&
           c->id != PH_CMD_THREAD;
}

static void tell(struct session *s, const struct ph_command *c)
{
    struct ph_err err = { 0 };

    if (s->settling) /* those that are being answered were told already */
        return;
    append_settle(s); /* answers keep the order of the commands */
    if (s->view && session_sync(s, may_expunge(c) ? SYNC_EXPUNGE : 0, &err))
        server_log(s->server, s, LOG_WARNING, "cannot look for changes: %s", err.text);
    /* RFC 7162 3.2: mod-sequences were told while an EXPUNGE with a lower one is held back; a client that leaves now must not
     * take the higher for all it knows. */
    if (s->view && (s->enabled & PH_EN_QRESYNC) && s->view->complete < s->view->modseq) {
        ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
        ph_write_code_number(&s->w, PH_CODE_HIGHESTMODSEQ, s->view->complete);
        ph_write_status_end(&s->w, PH_STR("Up to here you were told of everything"));
    }
}

static struct ph_str tag_of(const struct session *s, const struct ph_command *c)
{
    return c->tag.p ? c->tag : s->tag;
}

static void answer(struct session *s, const struct ph_command *c, enum ph_status status, struct ph_str code, const char *text)
{
    if (!code.n) {
        ph_write_status(&s->w, tag_of(s, c), status, ph_str(text));
        return;
    }
    ph_write_status_begin(&s->w, tag_of(s, c), status);
    ph_write_char(&s->w, '[');
    ph_write_bytes(&s->w, code);
    ph_write_raw(&s->w, "] ");
    ph_write_status_end(&s->w, ph_str(text));
}

void session_ok(struct session *s, const struct ph_command *c, const char *text)
{
    session_ok_code(s, c, PH_STR_NIL, text);
}

void session_ok_code(struct session *s, const struct ph_command *c, struct ph_str code, const char *text)
{
    tell(s, c);
    answer(s, c, PH_ST_OK, code, text);
    s->bad_in_row = 0;
}

void session_no(struct session *s, const struct ph_command *c, const char *code, const char *text)
{
    tell(s, c);
    if (s->closing) /* BYE was said on the way */
        return;
    answer(s, c, PH_ST_NO, ph_str(code), text);
    s->bad_in_row = 0;
}

static void bad(struct session *s, const struct ph_command *c, struct ph_str code, const char *text)
{
    const struct ph_server_limits *l = &s->server->config.limits;

    append_settle(s);
    answer(s, c, PH_ST_BAD, code, text);
    atomic_fetch_add(&s->server->count.bad_commands, 1);
    if (++s->bad_in_row >= l->bad_commands) {
        s->reason = "too many bad commands";
        session_bye(s, NULL, "Too many bad commands");
    }
}

void session_bad(struct session *s, const struct ph_command *c, const char *text)
{
    bad(s, c, PH_STR_NIL, text);
}

void session_refuse_bad(struct session *s, const struct ph_command *c, const struct ph_err *err)
{
    session_bad(s, c, err->text);
}

static void bad_url(struct session *s, const struct ph_command *c, const struct ph_err *err)
{
    tell(s, c);
    ph_write_status_begin(&s->w, tag_of(s, c), PH_ST_NO);
    ph_write_code_badurl(&s->w, ph_str(s->bad_url));
    ph_write_status_end(&s->w, ph_str(err->text));
    free(s->bad_url);
    s->bad_url = NULL;
}

void session_fail(struct session *s, const struct ph_command *c, const struct ph_err *err)
{
    static const struct {
        enum ph_kind kind;
        const char *code;
    } codes[] = {
        { PH_E_NOTFOUND, "NONEXISTENT" }, { PH_E_EXISTS, "ALREADYEXISTS" }, { PH_E_PERMISSION, "NOPERM" },
        { PH_E_QUOTA, "OVERQUOTA" },      { PH_E_TOOBIG, "TOOBIG" },        { PH_E_LIMIT, "LIMIT" },
        { PH_E_LOCKED, "INUSE" },         { PH_E_CORRUPT, "CORRUPTION" },   { PH_E_UNSUPPORTED, "CANNOT" },
        { PH_E_USAGE, "CANNOT" },         { PH_E_THROTTLED, "THROTTLED" },  { PH_E_CHANGED, NULL },
        { PH_E_REFUSED, NULL },           { PH_E_AUTH, "AUTHENTICATIONFAILED" },
    };

    if (err->scope >= PH_SCOPE_SESSION)
        s->store_failed = true;
    if (err->kind == PH_E_BAD) { /* UIDREQUIRED (RFC 9586 3.1) */
        bool own = err->code[0] && ph_is_atom(ph_str(err->code));
        bad(s, c, own ? ph_str(err->code) : PH_STR_NIL, err->text);
        return;
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].kind == err->kind) {
            bool own = err->code[0] && ph_is_atom(ph_str(err->code));
            if (own && s->bad_url && ph_str_is(ph_str(err->code), "BADURL")) {
                bad_url(s, c, err);
                return;
            }
            session_no(s, c, own ? err->code : codes[i].code, err->text);
            return;
        }
    /* What went wrong inside is for the log: it has paths and hosts in it. */
    server_log(s->server, s, LOG_ERR, "%.*s: %s", PH_FMT(c->name), err->text);
    session_no(s, c, "UNAVAILABLE", "The server cannot do this now");
}

void session_bye(struct session *s, const char *code, const char *text)
{
    if (s->closing)
        return;
    ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_BYE);
    if (code) {
        ph_write_char(&s->w, '[');
        ph_write_raw(&s->w, code);
        ph_write_raw(&s->w, "] ");
    }
    ph_write_status_end(&s->w, ph_str(text));
    s->closing = true;
    s->active = ph_now_ms();
    if (!s->reason)
        s->reason = "BYE was said";
    if (s->state > PH_ST_CONNECTION_ESTABLISHED)
        session_set_state(s, PH_ST_LOGOUT);
}
