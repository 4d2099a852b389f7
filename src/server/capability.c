/* capability.c: what is offered, computed from the commands there are, from what the user's store can do, and from the
 * connection's state.
 */
#include "server/commands.h"
#include "server/private.h"
#include "server/user.h"
#include "wire/respond.h"

bool session_may_use_cleartext(const struct session *s)
{
    return s->tls || s->local || s->server->config.cleartext_login;
}

static void word(struct session *s, const char *w)
{
    ph_write_char(&s->w, ' ');
    ph_write_raw(&s->w, w);
}

static void before_login(struct session *s)
{
    pthread_mutex_lock(&s->server->tls_lock);
    bool tls = s->server->tls;
    pthread_mutex_unlock(&s->server->tls_lock);
    if (tls && !s->tls && !s->local)
        word(s, "STARTTLS");
    if (!session_may_use_cleartext(s))
        word(s, "LOGINDISABLED");
    auth_mechanisms(s);
    /* Some ask for the capabilities once, before they log in, and never again: Python's imaplib among them. */
    word(s, "ENABLE");
    word(s, "IDLE");
}

enum needs { /* beyond the command */
    N_NOTHING, N_MODSEQ, N_QRESYNC, N_UIDS, N_SPECIAL_USE, N_OBJECTID, N_SAVEDATE, N_MOVE, N_QUOTA, N_ACL, N_METADATA,
    N_WATCH, N_QUOTA_STORAGE, N_QUOTA_MESSAGE, N_QUOTA_MAILBOX, N_QUOTA_ANNOTATION, N_QUOTA_SET,
    N_BINARY, N_CREATE_SPECIAL_USE, N_REPLACE, N_DEFLATE, N_MULTIAPPEND, N_APPEND,
};

static const struct {
    const char *atom;
    enum ph_cmd command; /* without which there is nothing to offer */
    enum needs needs;
} rows[] = {
    { "IDLE", PH_CMD_IDLE },
    { "ENABLE", PH_CMD_ENABLE },
    { "UNSELECT", PH_CMD_UNSELECT },
    { "UNAUTHENTICATE", PH_CMD_UNAUTHENTICATE },
    { "COMPRESS=DEFLATE", PH_CMD_COMPRESS, N_DEFLATE },
    { "NAMESPACE", PH_CMD_NAMESPACE },
    { "CHILDREN", PH_CMD_LIST },
    { "LIST-EXTENDED", PH_CMD_LIST },
    { "LIST-STATUS", PH_CMD_LIST },
    { "SPECIAL-USE", PH_CMD_LIST, N_SPECIAL_USE },
    { "CREATE-SPECIAL-USE", PH_CMD_CREATE, N_CREATE_SPECIAL_USE },
    { "LIST-MYRIGHTS", PH_CMD_MYRIGHTS, N_ACL },
    { "LIST-METADATA", PH_CMD_GETMETADATA, N_METADATA },
    { "STATUS=SIZE", PH_CMD_STATUS },
    { "OBJECTID", PH_CMD_FETCH, N_OBJECTID },
    { "UIDPLUS", PH_CMD_EXPUNGE, N_UIDS },
    { "MOVE", PH_CMD_MOVE, N_MOVE },
    { "CONDSTORE", PH_CMD_STORE, N_MODSEQ },
    { "QRESYNC", PH_CMD_STORE, N_QRESYNC },
    { "UIDONLY", PH_CMD_FETCH },
    { "PARTIAL", PH_CMD_FETCH },
    { "PREVIEW", PH_CMD_FETCH },
    { "BINARY", PH_CMD_FETCH },
    { "SAVEDATE", PH_CMD_FETCH, N_SAVEDATE },
    { "MULTIAPPEND", PH_CMD_APPEND, N_MULTIAPPEND },
    { "CATENATE", PH_CMD_APPEND, N_APPEND },
    { "REPLACE", PH_CMD_REPLACE, N_REPLACE },
    { "ESEARCH", PH_CMD_SEARCH },
    { "SEARCHRES", PH_CMD_SEARCH },
    { "WITHIN", PH_CMD_SEARCH },
    { "I18NLEVEL=1", PH_CMD_SEARCH }, /* texts are compared by i;unicode-casemap: RFC 5255 4.3 */
    { "SORT", PH_CMD_SORT },
    { "SORT=DISPLAY", PH_CMD_SORT },
    { "ESORT", PH_CMD_SORT },
    { "CONTEXT=SORT", PH_CMD_NONE },
    { "THREAD=ORDEREDSUBJECT", PH_CMD_THREAD },
    { "THREAD=REFERENCES", PH_CMD_THREAD },
    { "MULTISEARCH", PH_CMD_ESEARCH },
    { "INPROGRESS", PH_CMD_SEARCH },
    { "NOTIFY", PH_CMD_NOTIFY, N_WATCH },
    { "QUOTA", PH_CMD_GETQUOTA, N_QUOTA },
    { "QUOTA=RES-STORAGE", PH_CMD_GETQUOTA, N_QUOTA_STORAGE },
    { "QUOTA=RES-MESSAGE", PH_CMD_GETQUOTA, N_QUOTA_MESSAGE },
    { "QUOTA=RES-MAILBOX", PH_CMD_GETQUOTA, N_QUOTA_MAILBOX },
    { "QUOTA=RES-ANNOTATION-STORAGE", PH_CMD_GETQUOTA, N_QUOTA_ANNOTATION },
    { "QUOTASET", PH_CMD_SETQUOTA, N_QUOTA_SET },
    { "ACL", PH_CMD_SETACL, N_ACL },
    { "RIGHTS=texk", PH_CMD_SETACL, N_ACL },
    { "METADATA", PH_CMD_SETMETADATA, N_METADATA },
};

static bool has(const struct session *s, enum needs n)
{
    const struct server_user *u = s->user;

    switch (n) {
    case N_NOTHING:
    case N_BINARY:
        return true;
    case N_MODSEQ:
        return u->abilities & PH_AB_MODSEQ;
    case N_QRESYNC:
        return (u->abilities & PH_AB_MODSEQ) && (u->abilities & PH_AB_QRESYNC);
    case N_UIDS:
        return u->abilities & PH_AB_NEWUID;
    case N_SPECIAL_USE:
    case N_CREATE_SPECIAL_USE:
        return u->abilities & PH_AB_SPECIAL_USE;
    case N_OBJECTID:
        return (u->abilities & PH_AB_OBJECTID) && u->serve->info;
    case N_SAVEDATE:
        return u->serve->info && (u->serve_abilities & PH_SV_SAVEDATE);
    case N_MOVE:
        return u->serve->copy && (u->serve_abilities & PH_SV_MOVE);
    case N_QUOTA:
        return u->serve->quota_roots && u->serve->get_quota;
    case N_QUOTA_STORAGE:
        return has(s, N_QUOTA) && (u->serve_abilities & PH_SV_QUOTA_STORAGE);
    case N_QUOTA_MESSAGE:
        return has(s, N_QUOTA) && (u->serve_abilities & PH_SV_QUOTA_MESSAGE);
    case N_QUOTA_MAILBOX:
        return has(s, N_QUOTA) && (u->serve_abilities & PH_SV_QUOTA_MAILBOX);
    case N_QUOTA_ANNOTATION:
        return has(s, N_QUOTA) && (u->serve_abilities & PH_SV_QUOTA_ANNOTATION);
    case N_QUOTA_SET:
        return has(s, N_QUOTA) && u->serve->set_quota;
    case N_WATCH:
        return u->watched;
    case N_ACL:
        return u->serve->get_acl && u->serve->my_rights;
    case N_METADATA:
        return u->serve->get_metadata && u->serve->set_metadata;
    case N_REPLACE:
        return u->serve->append_replaces;
    case N_MULTIAPPEND:
        return u->abilities & PH_AB_BATCH;
    case N_APPEND:
        return u->ops->append_open;
    case N_DEFLATE:
        return !s->compressed && !s->own_transport;
    }
    return false;
}

bool capability_is_offered(const struct session *s, const char *atom)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].atom, atom) == 0)
            return s->user && rows[i].command && command_exists(rows[i].command) && has(s, rows[i].needs);
    return false;
}

static void number_word(struct session *s, const char *w, uint64_t n)
{
    word(s, w);
    ph_write_u64(&s->w, n);
}

static void after_login(struct session *s)
{
    const struct ph_server_limits *l = &s->server->config.limits;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].command && command_exists(rows[i].command) && has(s, rows[i].needs))
            word(s, rows[i].atom);
    if (command_exists(PH_CMD_FETCH))
        word(s, "UTF8=ACCEPT");
    if (command_exists(PH_CMD_APPEND)) {
        uint64_t most = session_append_limit(s);
        if (most == UINT64_MAX)
            word(s, "APPENDLIMIT");
        else
            number_word(s, "APPENDLIMIT=", most);
    }
    if (l->messages)
        number_word(s, "MESSAGELIMIT=", l->messages);
}

uint64_t session_append_limit(const struct session *s)
{
    uint64_t ours = s->server->config.limits.append;

    return ours && ours < s->user->append_limit ? ours : s->user->append_limit;
}

void write_capabilities(struct session *s)
{
    const struct ph_server *srv = s->server;

    ph_write_raw(&s->w, command_exists(PH_CMD_FETCH) && command_exists(PH_CMD_NAMESPACE) ? "IMAP4rev2 IMAP4rev1" : "IMAP4rev1");
    word(s, "LITERAL+");
    word(s, "ID");
    if (s->user) {
        after_login(s);
    } else {
        word(s, "SASL-IR");
        before_login(s);
    }
    for (size_t i = 0; i < srv->n_caps; i++)
        if (srv->caps[i].when & (s->user ? PH_CAP_AFTER_LOGIN : PH_CAP_BEFORE_LOGIN))
            word(s, srv->caps[i].atom);
}

int cmd_capability(struct session *s, struct ph_command *c, struct ph_err *err)
{
    ph_write_raw(&s->w, "* CAPABILITY ");
    write_capabilities(s);
    ph_write_crlf(&s->w);
    session_ok(s, c, "Capability completed");
    return 0;
}
