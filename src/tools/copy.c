/* copy.c: posthaste copy SOURCE DESTINATION. */
#include "tools/tools.h"

#define AT(member) offsetof(struct ph_settings, member)

static int set_repair(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    static const struct {
        const char *name;
        unsigned bits;
    } kinds[] = { { "crlf", PH_REPAIR_CRLF }, { "nul", PH_REPAIR_NUL }, { "long-lines", PH_REPAIR_LONG_LINES },
                  { "all", PH_REPAIR_ALL } };
    struct ph_settings *s = target;
    struct ph_strings words = { 0 };

    if (ph_list_split(arg, true, &s->arena, &words, err))
        return -1;
    for (size_t i = 0; i < words.n; i++) {
        unsigned bits = 0;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (strcmp(words.item[i], kinds[k].name) == 0)
                bits = kinds[k].bits;
        if (!bits)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants crlf, nul, long-lines or all, not \"%s\"", words.item[i]);
        s->repair |= bits;
    }
    return 0;
}

static const struct ph_option what[] = {
    { PH_OPT_FLAG, 'n', "dry-run", NULL, "Say what would be done, change nothing.", AT(job.dry_run) },
    { PH_OPT_CALL, 0, "since", "DATE", "Only messages that arrived on or after this day (2024-02-29 or 29-Feb-2024).",
      AT(since), ph_set_day_modern },
    { PH_OPT_CALL, 0, "before", "DATE", "Only messages that arrived before this day.", AT(before), ph_set_day_modern },
    { PH_OPT_TEXT, 0, "search", "EXPRESSION", "Only messages that the source finds for this IMAP search expression.", AT(search) },
    { PH_OPT_BYTES, 0, "max-size", "BYTES", "Leave larger messages out, like 25M.", AT(job.policy.max_size) },
    { PH_OPT_FLAG, 0, "skip-deleted", NULL, "Leave out messages that are marked deleted.", AT(job.policy.skip_deleted) },
    { PH_OPT_FLAG, 0, "only-seen", NULL, "Leave out unread messages.", AT(job.policy.only_seen) },
    { PH_OPT_FLAG, 0, "only-unseen", NULL, "Leave out messages that were read.", AT(job.policy.only_unseen) },
    { PH_OPT_FLAG, 0, "dedup", NULL, "Of several messages with the same identity in a folder copy only the first.",
      AT(job.policy.dedup) },
    { PH_OPT_TEXT, 0, "skip-ids", "FILE", "Leave out the messages whose Message-ID is a line of this file.",
      AT(job.skip_ids_file), .flags = PH_OPT_PATH },
    { PH_OPT_END },
};

static const struct ph_option how[] = {
    { PH_OPT_FLAG, 0, "expunge", NULL, "Delete on the destination what has vanished from the source since it was copied.",
      AT(job.policy.expunge) },
    { PH_OPT_FLAG, 0, "no-flag-updates", NULL, "Do not carry flags over to messages that were copied earlier.",
      AT(job.no_flag_scan) },
    { PH_OPT_FLAG, 0, "no-keywords", NULL, "Do not carry keywords.", AT(job.keywords), .flags = PH_OPT_INVERT },
    { PH_OPT_FLAG, 0, "no-subscriptions", NULL, "Do not subscribe folders on the destination.", AT(job.keep_subscriptions),
      .flags = PH_OPT_INVERT },
    { PH_OPT_FLAG, 0, "full-scan", NULL, "Look at every message on both sides instead of trusting what was noted last time.",
      AT(job.full_scan) },
    { PH_OPT_FLAG, 0, "retry-refused", NULL, "Try messages again that the destination refused in an earlier run.",
      AT(job.policy.retry_refused) },
    { PH_OPT_CALL, 0, "repair", "KINDS", "Change a message that was refused so that it is accepted, and note both hashes: crlf "
      "(line ends), nul (NUL octets), long-lines, all; separated by commas.", .set = set_repair,
      .choices = "crlf nul long-lines all" },
    { PH_OPT_TEXT, 0, "state", "DIRECTORY", "Where it is noted what was copied; otherwise in $XDG_STATE_HOME/posthaste or "
      "~/.local/state/posthaste.", AT(job.state_dir), .flags = PH_OPT_PATH },
    { PH_OPT_NUMBER, 0, "batch-messages", "N", "At most so many messages in one command to the destination.",
      AT(job.batch_messages), .value = 1 },
    { PH_OPT_BYTES, 0, "batch-bytes", "BYTES", "At most so many bytes in one command to the destination.", AT(job.batch_bytes) },
    { PH_OPT_FLAG, 0, "testing-no-intents", NULL, "Testing aid: do not note what is about to be sent.",
      AT(job.testing_no_intents), .flags = PH_OPT_HIDDEN },
    { PH_OPT_SECONDS, 0, "testing-resolve", "SECONDS", "Testing aid: how long to look for messages of an interrupted run.",
      AT(job.resolve_ms), .flags = PH_OPT_HIDDEN },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = {
    { "Messages", what },
    { "Folders", ph_folder_options },
    { "Copying", how },
    { "Output", ph_output_options_table },
    { "Source account", ph_source_options },
    { "Destination account", ph_destination_options },
    { "Connections", ph_connection_options },
    { NULL, NULL },
};

int ph_copy_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                    struct ph_err *err)
{
    char *operands[2];

    ph_settings_init(s, invoked);
    int rc = ph_prepare(s, c, invoked, argc, argv, operands, err);
    if (rc)
        return rc;
    s->style = PH_STYLE_PEOPLE;
    if (s->job.policy.only_seen && s->job.policy.only_unseen)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "--only-seen and --only-unseen together leave nothing");
    if (s->job.no_flag_scan)
        s->job.policy.update_flags = false;
    return ph_side_take_url(&s->src, operands[0], &s->arena, err) || ph_side_take_url(&s->dst, operands[1], &s->arena, err) ||
                   ph_settings_finish(s, ph_warn, NULL, err)
               ? -1
               : 0;
}

static int copy_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    return ph_run_transfer(c, invoked, argc, argv, ph_copy_prepare, false);
}

const struct ph_command ph_cmd_copy = {
    .name = "copy",
    .summary = "copy all mail of one account to another, each message exactly once",
    .description = "Copy every message of the account SOURCE that the account DESTINATION does not have yet, with its folder, flags, "
                   "keywords and date. Run it again to copy what is new; an interrupted run goes on where it stopped. Accounts are "
                   "written as imaps://user@host/ or imap://user@host:port/.",
    .operands = "SOURCE DESTINATION",
    .n_operands = 2,
    .groups = groups,
    .main = copy_main,
};
