/* deliver.c: posthaste deliver USER: one message from standard input into a mailbox, with the exit statuses that mail systems understand
 * (sysexits.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/accounts.h"
#include "daemon/delivery.h"
#include "daemon/lmtp_server.h"
#include "daemon/stdin_message.h"
#include "daemon/users.h"
#include "tools/daemon_args.h"
#include "tools/tools.h"

struct deliver_settings {
    struct ph_daemon_config config; /* first: its option tables are used here, too */
    const char *folder, *from;
    bool create, any_user;
};

#define AT(member) offsetof(struct deliver_settings, member)

static const struct ph_option options[] = {
    { PH_OPT_TEXT, 'm', "folder", "FOLDER", "Put it into this folder; INBOX otherwise.", AT(folder) },
    { PH_OPT_FLAG, 0, "create", NULL, "Make the folder where it is not there.", AT(create) },
    { PH_OPT_TEXT, 'f', "from", "ADDRESS", "The sender of the envelope: put in front as Return-Path.", AT(from) },
    { PH_OPT_FLAG, 0, "new-user", NULL, "Make the user's mail store where it is not there; with --users only those in the file.",
      AT(any_user) },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = { { "Delivering", options }, { "Mail and users", ph_daemon_store_options }, { NULL, NULL } };

/* What the kinds mean to who called us: TEMPFAIL is tried again, the others bounce. So a mistake in a file of settings or users, which somebody
 * will put right, must not look like one of the mail. */
static int status_of(const struct ph_err *err)
{
    switch (err->kind) {
    case PH_E_NOTFOUND:
        return EX_NOUSER;
    case PH_E_TOOBIG:
    case PH_E_PROTOCOL:
        return EX_DATAERR;
    default:
        return EX_TEMPFAIL;
    }
}

struct recipients {
    struct ph_users *users;
    struct ph_accounts *accounts;
    bool any;
};

static bool have(void *ctx, const char *user)
{
    struct recipients *r = ctx;

    if (r->users && !ph_users_have(r->users, user))
        return false;
    return r->any || r->users || ph_accounts_have(r->accounts, user);
}

/* The name as it is, or an address's local part without what stands behind the delimiter. */
static int find_user(const struct deliver_settings *s, struct recipients *r, const char *given, const char **user, struct ph_err *err)
{
    struct ph_arena *arena = (struct ph_arena *)(uintptr_t)&s->config.arena;
    const char *at = strrchr(given, '@');
    const char *local = at ? ph_arena_dup(arena, given, (size_t)(at - given)) : given;

    if (!local)
        return ph_fail_memory(err);
    if (ph_recipient_find(local, at ? at + 1 : "", s->config.recipient_delimiter, have, r, arena, user, err) == 0)
        return 0;
    return ph_fail(err, PH_SCOPE_JOB, err->kind, "there is no user %s here", given);
}

static int put(const struct deliver_settings *s, struct ph_accounts *accounts, const char *user, struct ph_spool *message,
               struct ph_err *err)
{
    struct ph_delivery d = { .folder = s->folder ? s->folder : "INBOX", .create = s->create, .message = message };
    struct ph_buf header = PH_BUF_INIT;

    if (s->from && ph_delivery_trace(s->from, NULL, &header)) {
        ph_buf_done(&header);
        return ph_fail_memory(err);
    }
    d.header = ph_buf_str(&header);
    int rc = ph_accounts_open(accounts, user, s->any_user || s->config.users, false, &d.store, err);
    if (rc == 0) {
        rc = ph_deliver(&d, err);
        ph_accounts_close(accounts, d.store);
    }
    if (rc && err->kind == PH_E_NOTFOUND) {
        ph_err_prefix(err, "folder %s", d.folder);
        err->kind = PH_E_PERMISSION; /* the user is there: EX_NOUSER would be wrong */
    }
    ph_buf_done(&header);
    return rc;
}

static int deliver(struct deliver_settings *s, const char *given, struct ph_err *err)
{
    struct recipients r = { .any = s->any_user };
    struct ph_spool message;
    const char *user = NULL;
    int rc = 0;

    if (!s->config.store)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no store is named: --store local:/path, or --config");
    if (s->from && strpbrk(s->from, "\r\n"))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_PROTOCOL, "the sender is no address");
    if ((s->config.users && ph_users_new(s->config.users, ph_warn, NULL, &r.users, err)) ||
        ph_accounts_new(&s->config, ph_warn, NULL, &r.accounts, err)) {
        ph_users_free(r.users);
        return -1;
    }
    if (ph_accounts_kind(r.accounts) == PH_ACCOUNTS_MEMORY)
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "memory: would be gone at once");
    ph_spool_init(&message);
    if (rc == 0)
        rc = find_user(s, &r, given, &user, err);
    if (rc == 0)
        rc = ph_stdin_message(0, s->config.limits.append, &message, err);
    if (rc == 0)
        rc = put(s, r.accounts, user, &message, err);
    ph_spool_done(&message);
    ph_accounts_free(r.accounts);
    ph_users_free(r.users);
    return rc;
}

static int deliver_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    struct deliver_settings s = { 0 };
    struct ph_err err = { 0 };
    char *operands[1];
    unsigned n = 0;
    int status = EX_OK;

    int rc = ph_daemon_args(c, invoked, argc, argv, &s.config, sizeof s, operands, &n, false, &err);
    if (rc < 0)
        status = ph_complain(invoked, &err, err.kind == PH_E_USAGE ? EX_USAGE : EX_TEMPFAIL);
    else if (rc == PH_READY && deliver(&s, operands[0], &err))
        status = ph_complain(invoked, &err, status_of(&err));
    ph_daemon_config_done(&s.config);
    return status;
}

const struct ph_command ph_cmd_deliver = {
    .name = "deliver",
    .summary = "put one message from standard input into a mailbox",
    .description = "Put the message on standard input into a mailbox of USER, as the last step of a mail system. When it ends with 0, the "
                   "message is on the disk. Other exit statuses are those of sysexits.h: 75 asks to try again, 67 says that there is no such "
                   "user.",
    .operands = "USER",
    .n_operands = 1,
    .groups = groups,
    .main = deliver_main,
};
