/* check.c: posthaste check [USER]: is the mail on this machine's disk whole? And what check and backup have in common. */
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/text.h"
#include "tools/local_tool.h"
#include "tools/tools.h"

#define AT(member) offsetof(struct ph_local_tool, member)
#define FINDINGS 3 /* exit status, as that of audit */

/* ---- what both have ---- */

const struct ph_option ph_local_store_options[] = {
    { PH_OPT_TEXT, 'c', "config", "FILE", "Take the store from this configuration file of the server; without it and without --store: "
      PH_DAEMON_CONFIG_FILE ".", AT(config.config), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "store", "URL", "The mail: local:/path.", AT(config.store) },
    { PH_OPT_END },
};

int ph_local_tool_begin(struct ph_local_tool *t, const struct ph_command *c, const char *invoked, int argc, char **argv, char **operands,
                        unsigned *n, struct ph_err *err)
{
    int rc;

    *t = (struct ph_local_tool){ 0 };
    rc = ph_daemon_args(c, invoked, argc, argv, &t->config, sizeof *t, operands, n, false, err);
    if (rc != PH_READY)
        return rc;
    if (!t->config.store)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no store is named: --store local:/path, or --config");
    if (strncmp(t->config.store, "local:", 6) != 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "this is for mail on this machine's disk: --store local:/path");
    if (ph_accounts_new(&t->config, ph_warn, NULL, &t->accounts, err))
        return -1;
    t->root = ph_accounts_root(t->accounts);
    return PH_READY;
}

void ph_local_tool_done(struct ph_local_tool *t)
{
    ph_accounts_free(t->accounts);
    ph_daemon_config_done(&t->config);
}

int ph_local_tool_users(struct ph_local_tool *t, const char *user, int (*each)(void *ctx, const char *user, struct ph_err *err), void *ctx,
                        struct ph_err *err)
{
    bool exists;

    if (!user)
        return ph_local_users(t->root, each, ctx, err);
    if (ph_local_user_exists(t->root, user, &exists, err))
        return -1;
    return exists ? each(ctx, user, err) : ph_fail(err, PH_SCOPE_JOB, PH_E_NOTFOUND, "there is no user %s in %s", user, t->config.store);
}

/* ---- check ---- */

struct checking {
    struct ph_local_tool *tool;
    const char *user;
    unsigned users, open; /* findings that were not put right */
    struct ph_local_check_result sum;
};

static void print(struct ph_buf *b)
{
    puts(ph_buf_z(b));
    fflush(stdout);
    ph_buf_done(b);
}

static void on_finding(void *ctx, const struct ph_local_finding *f)
{
    struct checking *k = ctx;
    struct ph_buf b = PH_BUF_INIT;

    if (k->tool->json) {
        struct ph_json j;
        ph_json_init(&j, &b);
        ph_json_object(&j, NULL);
        ph_json_text(&j, "event", "finding");
        ph_json_text(&j, "user", k->user);
        ph_json_text(&j, "text", f->what);
        ph_json_bool(&j, "loss", f->loss);
        ph_json_bool(&j, "repaired", f->repaired);
        ph_json_end_object(&j);
    } else {
        ph_text_clean(&b, k->user);
        ph_buf_add_z(&b, ": ");
        ph_text_clean(&b, f->what);
        ph_buf_add_z(&b, f->repaired ? " (put right)" : f->loss ? " (mail is lost)" : "");
    }
    print(&b);
}

static int check_user(void *ctx, const char *user, struct ph_err *err)
{
    struct checking *k = ctx;
    struct ph_local_check_result r = { 0 };

    k->user = user;
    if (ph_local_check(k->tool->root, user, k->tool->repair, on_finding, k, &r, err)) {
        ph_err_prefix(err, "%s", user);
        return -1;
    }
    k->users++;
    k->open += r.findings - r.repaired;
    k->sum.messages += r.messages;
    k->sum.bodies += r.bodies;
    k->sum.octets += r.octets;
    k->sum.findings += r.findings;
    k->sum.repaired += r.repaired;
    k->sum.losses += r.losses;
    return 0;
}

static void print_sum(const struct checking *k)
{
    struct ph_buf b = PH_BUF_INIT;

    if (k->tool->json) {
        struct ph_json j;
        ph_json_init(&j, &b);
        ph_json_object(&j, NULL);
        ph_json_text(&j, "event", "done");
        ph_json_u64(&j, "users", k->users);
        ph_json_u64(&j, "messages", k->sum.messages);
        ph_json_u64(&j, "bodies", k->sum.bodies);
        ph_json_u64(&j, "bytes", k->sum.octets);
        ph_json_u64(&j, "findings", k->sum.findings);
        ph_json_u64(&j, "repaired", k->sum.repaired);
        ph_json_u64(&j, "losses", k->sum.losses);
        ph_json_end_object(&j);
    } else {
        ph_text_count(&b, k->users, "user", "users");
        ph_buf_add_z(&b, ", ");
        ph_text_count(&b, k->sum.messages, "message", "messages");
        ph_buf_add_z(&b, ", ");
        ph_text_bytes(&b, k->sum.octets);
        ph_buf_add_z(&b, ": ");
        if (k->sum.findings == 0) {
            ph_buf_add_z(&b, "all is well");
        } else {
            ph_text_count(&b, k->sum.findings, "finding", "findings");
            ph_text_add(&b, ", %u put right, %u with loss of mail", k->sum.repaired, k->sum.losses);
        }
    }
    print(&b);
}

static int check_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    struct ph_local_tool t;
    struct checking k = { .tool = &t };
    struct ph_err err = { 0 };
    char *operands[1] = { NULL };
    unsigned n = 0;
    int status = 0;

    int rc = ph_local_tool_begin(&t, c, invoked, argc, argv, operands, &n, &err);
    if (rc == PH_READY) {
        rc = ph_local_tool_users(&t, n ? operands[0] : NULL, check_user, &k, &err);
        if (rc == 0)
            print_sum(&k);
        status = k.open || k.sum.losses ? FINDINGS : 0;
    }
    if (rc < 0)
        status = ph_complain(invoked, &err, 1);
    ph_local_tool_done(&t);
    return status;
}

static const struct ph_option options[] = {
    { PH_OPT_FLAG, 0, "repair", NULL, "Put right what can be. Messages that only the packs know come back in a mailbox \"Recovered\"; an index "
      "that is damaged is made anew, and the old one kept beside it.", AT(repair) },
    { PH_OPT_FLAG, 0, "json", NULL, "Print findings and the sum as lines of JSON.", AT(json) },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = { { "Checking", options }, { "Mail", ph_local_store_options }, { NULL, NULL } };

const struct ph_command ph_cmd_check = {
    .name = "check",
    .summary = "look whether the mail on this machine's disk is whole",
    .description = "Read every message of USER, or of all users, in a store local:/path, compare it with its SHA-256 and with the index, and name "
                   "what is wrong. The server may run meanwhile. The exit status is 3 when something is wrong and was not put right, or mail is "
                   "lost.",
    .operands = "[USER]",
    .n_operands = 1,
    .n_optional = 1,
    .groups = groups,
    .main = check_main,
};
