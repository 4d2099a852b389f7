/* audit.c: posthaste audit SOURCE DESTINATION. */
#include "tools/tools.h"

#define AT(member) offsetof(struct ph_settings, member)

static const struct ph_option what[] = {
    { PH_OPT_FLAG, 'b', "bytes", NULL, "Read every message on both sides and compare its SHA-256.", AT(job.audit_bytes) },
    { PH_OPT_FLAG, 0, "rewrites", NULL, "The destination rewrites what it is given: where bytes differ, compare headers and decoded "
      "parts.", AT(job.audit_rewrites) },
    { PH_OPT_FLAG, 0, "counts", NULL, "Compare only the number of messages in each folder.", AT(job.audit_counts_only) },
    { PH_OPT_FLAG, 0, "built-keys", NULL, "Recognise messages by date, subject and sender instead of Message-ID.",
      AT(job.audit_built_keys) },
    { PH_OPT_TEXT, 0, "manifest", "FILE", "Write a line for each message to this file: folder, UIDs, size, SHA-256, result.",
      AT(job.manifest), .flags = PH_OPT_PATH },
    { PH_OPT_CALL, 0, "since", "DATE", "Only source messages that arrived on or after this day (2024-02-29 or 29-Feb-2024).",
      AT(since), ph_set_day_modern },
    { PH_OPT_CALL, 0, "before", "DATE", "Only source messages that arrived before this day.", AT(before), ph_set_day_modern },
    { PH_OPT_TEXT, 0, "search", "EXPRESSION", "Only messages that the source finds for this IMAP search expression.", AT(search) },
    { PH_OPT_BYTES, 0, "max-size", "BYTES", "Leave larger messages out.", AT(job.policy.max_size) },
    { PH_OPT_TEXT, 0, "state", "DIRECTORY", "Where a copy has noted what it did; it explains differences.", AT(job.state_dir),
      .flags = PH_OPT_PATH },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = {
    { "Comparing", what },
    { "Folders", ph_folder_options },
    { "Output", ph_output_options_table },
    { "Source account", ph_source_options },
    { "Destination account", ph_destination_options },
    { "Connections", ph_connection_options },
    { NULL, NULL },
};

int ph_audit_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                     struct ph_err *err)
{
    char *operands[2];

    ph_settings_init(s, invoked);
    int rc = ph_prepare(s, c, invoked, argc, argv, operands, err);
    if (rc)
        return rc;
    s->style = PH_STYLE_PEOPLE;
    if (s->job.audit_bytes && s->job.audit_counts_only)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "--bytes and --counts contradict each other");
    return ph_side_take_url(&s->src, operands[0], &s->arena, err) || ph_side_take_url(&s->dst, operands[1], &s->arena, err) ||
                   ph_settings_finish(s, ph_warn, NULL, err)
               ? -1
               : 0;
}

static int audit_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    return ph_run_transfer(c, invoked, argc, argv, ph_audit_prepare, true);
}

const struct ph_command ph_cmd_audit = {
    .name = "audit",
    .summary = "compare two accounts and say what is missing or different",
    .description = "Compare the account SOURCE with the account DESTINATION, change nothing, and name every message that is missing on the "
                   "destination, or different with the reason. The exit status is 3 when there is one.",
    .operands = "SOURCE DESTINATION",
    .n_operands = 2,
    .groups = groups,
    .main = audit_main,
};
