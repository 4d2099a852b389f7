/* imap_audit.c: the classic imap_audit: its letters fill the same job as `posthaste audit`. */
#include "tools/compat/compat.h"
#include "tools/tools.h"

#define AT(member) offsetof(struct ph_settings, member)

static const struct ph_option classic[] = {
    { PH_OPT_CALL, 'S', NULL, "HOST/USER/PASSWORD", "Source server, user and password; with -u the host alone, and perhaps /CRAM-MD5.",
      AT(src), ph_set_conn },
    { PH_OPT_CALL, 'D', NULL, "HOST/USER/PASSWORD", "Destination, in the same form.", AT(dst), ph_set_conn },
    { PH_OPT_TEXT, 'u', NULL, "FILE", "Users, one \"source:password:destination:password\" a line.", AT(users_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 'E', NULL, "ADMIN:PASSWORD", "Administrator of the source, for users without a password.", AT(src.admin_pair),
      .flags = PH_OPT_SECRET },
    { PH_OPT_TEXT, 'F', NULL, "ADMIN:PASSWORD", "Administrator of the destination, for users without a password.", AT(dst.admin_pair),
      .flags = PH_OPT_SECRET },
    { PH_OPT_CALL, 'm', NULL, "LIST", "Only these mailboxes, separated by commas, or by | where names have commas.", AT(include),
      ph_set_list },
    { PH_OPT_CALL, 'e', NULL, "LIST", "Leave out these mailboxes.", AT(exclude), ph_set_list },
    { PH_OPT_FLAG, 'n', NULL, NULL, "Report the number of messages of each mailbox only.", AT(job.audit_counts_only) },
    { PH_OPT_FLAG, 'Y', NULL, NULL, "Log in to the source by CRAM-MD5.", AT(src.cram_md5) },
    { PH_OPT_FLAG, 'Z', NULL, NULL, "Log in to the destination by CRAM-MD5.", AT(dst.cram_md5) },
    { PH_OPT_TEXT, 'a', NULL, "PASSWORD", "Kerio master password of the source.", AT(src.kerio_secret), .flags = PH_OPT_SECRET },
    { PH_OPT_TEXT, 'c', NULL, "PASSWORD", "Kerio master password of the destination.", AT(dst.kerio_secret),
      .flags = PH_OPT_SECRET },
    { PH_OPT_CALL, 'B', NULL, "DATE", "Only source messages that arrived before this day, DD-MMM-YYYY or DD-MM-YYYY.", AT(before),
      ph_set_day_numeric },
    { PH_OPT_CALL, 'A', NULL, "DATE", "Only source messages that arrived on or after this day.", AT(since), ph_set_day_numeric },
    { PH_OPT_FLAG, 'v', NULL, NULL, "More lines about what is done.", AT(verbose) },
    { PH_OPT_TEXT, 'M', NULL, "FILE", "Mailbox names on the other side, one \"source : destination\" a line.", AT(map_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_CALL, 'x', NULL, "\"DELIM [PREFIX]\"", "Delimiter and prefix of mailbox names on the source.",
      .set = ph_set_src_delimiter },
    { PH_OPT_CALL, 'y', NULL, "\"DELIM [PREFIX]\"", "Delimiter and prefix of mailbox names on the destination.",
      .set = ph_set_dst_delimiter },
    { PH_OPT_FLAG, 'g', NULL, NULL, "Recognise all messages by date, subject and sender instead of Message-ID.",
      AT(job.audit_built_keys) },
    { PH_OPT_FLAG, 'R', NULL, NULL, "Print the key of each missing message too.", AT(show_keys) },
    { PH_OPT_NOTHING, 's', NULL, "ARG", "No effect.", 0 },
    { PH_OPT_NOTHING, 'N', NULL, NULL, "No effect.", 0 },
    { PH_OPT_NOTHING, 'Q', NULL, NULL, "No effect.", 0 },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = {
    { "Options", classic },
    { "Output", ph_classic_output_options },
    { "Connections", ph_classic_connection_options },
    { "Source account", ph_source_options },
    { "Destination account", ph_destination_options },
    { NULL, NULL },
};

int ph_imap_audit_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                          struct ph_err *err)
{
    ph_settings_init(s, invoked);
    s->job.policy.classic_match = true;
    s->job.names.special_use = false;
    s->job.audit_normalise_date = true;
    int rc = ph_prepare(s, c, invoked, argc, argv, NULL, err);
    if (rc)
        return rc;
    s->style = PH_STYLE_IMAP_AUDIT;
    if (!s->src.given || !s->dst.given)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-S and -D are needed");
    if (s->users_file && (s->src.imap.user || s->dst.imap.user))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "with -u the users are in the file: -S and -D have the host alone");
    if (!s->users_file && (!s->src.imap.user || !s->dst.imap.user) && !s->src.user && !s->dst.user)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-S and -D need host/user/password, or -u a file with users");
    return ph_settings_finish(s, ph_warn, NULL, err);
}

static int imap_audit_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    return ph_run_transfer(c, invoked, argc, argv, ph_imap_audit_prepare, true);
}

const struct ph_command ph_cmd_imap_audit = {
    .name = "imap_audit",
    .summary = "report messages that are missing on the destination (classic options)",
    .description = "Report the messages of the account -S that are missing in the account -D. Nothing is changed.",
    .operands = "",
    .groups = groups,
    .classic = true,
    .main = imap_audit_main,
};
