/* imapcopy.c: the classic imapcopy: its letters fill the same job as `posthaste copy`. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "cli/text.h"
#include "tools/compat/compat.h"
#include "tools/tools.h"

#define AT(member) offsetof(struct ph_settings, member)

/* ---- setters ---- */

static int set_megabytes(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    struct ph_settings *s = target;
    char *end;

    errno = 0;
    double mb = strtod(arg, &end);
    if (errno || end == arg || *end || strcspn(arg, "xXpPnN") < strlen(arg) || !(mb > 0) || mb > 1e12)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants a number of megabytes, not \"%s\"", arg);
    s->size_limit_mb = mb;
    s->job.policy.max_size = (uint64_t)(mb * 1e6 + 0.5);
    return 0;
}

/* SINCE=date or BEFORE=date */
static int set_client_date(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    struct ph_settings *s = target;
    bool since = strncasecmp(arg, "SINCE=", 6) == 0, before = strncasecmp(arg, "BEFORE=", 7) == 0;
    struct ph_day d;

    if (!since && !before)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants SINCE=date or BEFORE=date, not \"%s\"", arg);
    if (ph_day_parse(arg + (since ? 6 : 7), PH_DAY_CLASSIC, &d, err))
        return -1;
    *(since ? &s->job.since_day : &s->job.before_day) = ph_day_number(&d);
    return 0;
}

static int set_repair(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    struct ph_settings *s = target;

    s->repair |= (unsigned)o->value;
    s->job.repair_always = true;
    return 0;
}

/* ---- the letters ---- */

static const struct ph_option classic[] = {
    { PH_OPT_CALL, 'S', NULL, "HOST/USER/PASSWORD", "Source server, user and password. Behind the host may stand :port, behind the user "
      ":administrator, behind the password /CRAM-MD5. The password may be PROMPT, SOURCEPWD (the environment variable) or "
      "oauth2:TOKEN.", AT(src), ph_set_conn },
    { PH_OPT_CALL, 'D', NULL, "HOST/USER/PASSWORD", "Destination, in the same form; * as user or password means that of the source, "
      "DESTPWD the environment variable.", AT(dst), ph_set_conn },
    { PH_OPT_CALL, 'm', NULL, "LIST", "Copy only these mailboxes, separated by commas, or by | where names have commas.",
      AT(include), ph_set_list },
    { PH_OPT_FLAG, 'R', NULL, NULL, "What -m and -e name goes for all mailboxes below it too.", AT(job.include_children) },
    { PH_OPT_CALL, 'e', NULL, "LIST", "Leave out these mailboxes.", AT(exclude), ph_set_list },
    { PH_OPT_CALL, 'g', NULL, "LIST", "Leave out mailboxes that match any of these regular expressions, separated by commas.",
      AT(exclude_regex), ph_set_regex_list },
    { PH_OPT_FLAG, 'U', NULL, NULL, "Update: skip messages that are in the destination mailbox already, by Message-ID.", AT(update) },
    { PH_OPT_FLAG, 's', NULL, NULL, "With -U: delete from each destination mailbox what is not in the source mailbox.",
      AT(job.classic_expunge) },
    { PH_OPT_BITS, 'f', NULL, NULL, "With -U: delete from the source what was found on the destination.", AT(job.after),
      .value = PH_AFTER_DELETE_PRESENT },
    { PH_OPT_BITS, 'C', NULL, NULL, "Delete messages from the source once they are copied and confirmed.", AT(job.after),
      .value = PH_AFTER_DELETE_COPIED },
    { PH_OPT_FLAG, 'l', NULL, NULL, "Of several messages with the same Message-ID in a mailbox copy only the first.",
      AT(job.policy.dedup) },
    { PH_OPT_TEXT, 'p', NULL, "MAILBOX", "Put all mailboxes below this one on the destination.", AT(job.names.root) },
    { PH_OPT_TEXT, 'A', NULL, "MAILBOX", "Also store each copied message in this mailbox of the source server.", AT(job.archive_folder) },
    { PH_OPT_TEXT, 'o', NULL, "MAILBOX", "Put all messages into this one mailbox on the destination.", AT(job.single_folder) },
    { PH_OPT_CALL, 'x', NULL, "\"DELIM [PREFIX]\"", "Delimiter and prefix of mailbox names on the source.",
      .set = ph_set_src_delimiter },
    { PH_OPT_CALL, 'y', NULL, "\"DELIM [PREFIX]\"", "Delimiter and prefix of mailbox names on the destination.",
      .set = ph_set_dst_delimiter },
    { PH_OPT_FLAG, 'i', NULL, NULL, "Empty each destination mailbox before copying into it. Not with -U.",
      AT(job.empty_destination_first) },
    { PH_OPT_TEXT, 'M', NULL, "FILE", "Mailbox names on the other side, one \"source : destination\" a line.", AT(map_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_SECONDS, 't', NULL, "SECONDS", "Time-out; 300 otherwise.", AT(rules.timeout_ms) },
    { PH_OPT_FLAG, 'T', NULL, NULL, "Copy keywords (custom flags) too.", AT(job.keywords) },
    { PH_OPT_FLAG, 'v', NULL, NULL, "Mark all copies as seen.", AT(job.mark_seen) },
    { PH_OPT_CALL, 'a', NULL, "DD-MMM-YYYY", "Only messages that arrived on or after this day.", AT(since), ph_set_day_classic },
    { PH_OPT_CALL, 'b', NULL, "DD-MMM-YYYY", "Only messages that arrived before this day.", AT(before), ph_set_day_classic },
    { PH_OPT_TEXT, 'z', NULL, "EXPRESSION", "Only messages that match this IMAP search expression.", AT(search) },
    { PH_OPT_CALL, 'X', NULL, "MEGABYTES", "Skip messages larger than so many million bytes.", .set = set_megabytes },
    { PH_OPT_U32, 'B', NULL, "N", "Number of the first message to copy in every mailbox.", AT(job.first_seq), .value = 1 },
    { PH_OPT_U32, 'E', NULL, "N", "Number of the last message to copy in every mailbox.", AT(job.last_seq), .value = 1 },
    { PH_OPT_FLAG, 'u', NULL, NULL, "Do not copy unread messages.", AT(job.policy.only_seen) },
    { PH_OPT_FLAG, 'P', NULL, NULL, "Do not copy messages that are marked deleted.", AT(job.policy.skip_deleted) },
    { PH_OPT_FLAG, 'H', NULL, NULL, "Copy headers only.", AT(job.headers_only) },
    { PH_OPT_TEXT, 'Z', NULL, "DIRECTORY", "Remember the copied messages in a file named after the source user there, and skip them in "
      "later runs.", AT(remember_dir), .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 'q', NULL, NULL, "Nothing on the screen; the log file still gets everything.", AT(quiet) },
    { PH_OPT_NUMBER, 'j', NULL, "N", "Print a line every N messages.", AT(every), .value = 1 },
    { PH_OPT_FLAG, 'G', NULL, NULL, "The source is Gmail: mailboxes lose the leading [Gmail].", AT(job.names.strip_gmail) },
    { PH_OPT_FLAG, 'N', NULL, NULL, "Copy [Gmail]/All Mail too.", AT(job.gmail_all) },
    { PH_OPT_CALL, 'c', NULL, NULL, "The destination is Cyrus: make every line end in CRLF.", .set = set_repair,
      .value = PH_REPAIR_CRLF },
    { PH_OPT_NUMBER, 'Y', NULL, "N", "Work with so many pairs of connections side by side.", AT(job.lanes), .value = 1 },
    { PH_OPT_FLAG, 'w', NULL, NULL, "Do not reconnect before an Exchange server has counted its errors.", AT(keep_on_errors) },
    { PH_OPT_CALL, 'W', NULL, NULL, "Break lines of 1,000 octets or more. This damages signed mail.", .set = set_repair,
      .value = PH_REPAIR_LONG_LINES },
    { PH_OPT_FLAG, 'r', NULL, NULL, "Copies are not marked deleted.", AT(job.clear_deleted) },
    { PH_OPT_U64, 'F', NULL, "N", "At most so many messages of each mailbox.", AT(job.max_per_folder), .value = 1 },
    { PH_OPT_CALL, 'J', NULL, "SINCE=DATE", "Filter by arrival here instead of on the server; also BEFORE=DATE.",
      .set = set_client_date },
    { PH_OPT_FLAG, 'O', NULL, NULL, "Create mailboxes with longer names first (Dovecot with mbox files).",
      AT(job.create_longest_first) },
    { PH_OPT_NOTHING, 'n', NULL, NULL, "No effect.", 0 },
    { PH_OPT_NOTHING, 'k', NULL, NULL, "No effect.", 0 },
    { PH_OPT_NOTHING, 'K', NULL, "ARG", "No effect.", 0 },
    { PH_OPT_NOTHING, 'V', NULL, NULL, "No effect.", 0 },
    { PH_OPT_NOTHING, 'Q', NULL, NULL, "No effect: reading never marks a message as seen.", 0 },
    { PH_OPT_END },
};

static const struct ph_option further[] = {
    { PH_OPT_TEXT, 0, "skip-ids", "FILE", "Skip the messages whose Message-ID is a line of this file.", AT(job.skip_ids_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "state", "DIRECTORY", "Where an unfinished run is noted, to go on.", AT(job.state_dir),
      .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 0, "dry-run", NULL, "Say what would be done, change nothing.", AT(job.dry_run) },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = {
    { "Options", classic },
    { "Output", ph_classic_output_options },
    { "Further options", further },
    { "Connections", ph_classic_connection_options },
    { "Source account", ph_source_options },
    { "Destination account", ph_destination_options },
    { NULL, NULL },
};

/* ---- what the letters mean together ---- */

static int check(const struct ph_settings *s, struct ph_err *err)
{
    const struct ph_job *j = &s->job;

    if (!s->src.given || !s->dst.given)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-S and -D are needed: host/user/password");
    if (j->classic_expunge && !s->update)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-s deletes what -U did not find: it needs -U");
    if (j->after & PH_AFTER_DELETE_PRESENT && !s->update)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-f deletes what -U found: it needs -U");
    if (j->empty_destination_first && s->update)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-i empties the mailboxes that -U compares with: they cannot go together");
    if (j->first_seq && j->last_seq && j->last_seq < j->first_seq)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-E is smaller than -B");
    return 0;
}

/* PROMPT, SOURCEPWD and DESTPWD, and `*`. */
static void special_secrets(struct ph_settings *s)
{
    if (s->dst.imap.user && strcmp(s->dst.imap.user, "*") == 0)
        s->dst.imap.user = s->src.imap.user;
    if (s->src.secret && strcmp(s->src.secret, "SOURCEPWD") == 0) {
        s->src.secret = NULL;
        s->src.password_env = "SOURCEPWD";
    }
    if (s->dst.secret && strcmp(s->dst.secret, "DESTPWD") == 0) {
        s->dst.secret = NULL;
        s->dst.password_env = "DESTPWD";
    }
}

static int same_password(struct ph_settings *s, struct ph_err *err)
{
    if (!s->dst.secret || strcmp(s->dst.secret, "*") != 0)
        return 0;
    s->dst.secret = NULL;
    s->dst.same_secret = true;
    s->dst.password_file = s->dst.password_file ? s->dst.password_file : s->src.password_file;
    s->dst.password_env = s->dst.password_env ? s->dst.password_env : s->src.password_env;
    s->dst.password_command = s->dst.password_command ? s->dst.password_command : s->src.password_command;
    s->dst.token_file = s->dst.token_file ? s->dst.token_file : s->src.token_file;
    s->dst.token_env = s->dst.token_env ? s->dst.token_env : s->src.token_env;
    s->dst.token_command = s->dst.token_command ? s->dst.token_command : s->src.token_command;
    if (s->src.secret && !(s->dst.secret = ph_arena_strdup(&s->arena, ph_str(s->src.secret))))
        return ph_fail_memory(err);
    return 0;
}

/* DIR/<source user>, the name made safe for a file. */
static int remember_file(struct ph_settings *s, struct ph_err *err)
{
    struct ph_buf b = PH_BUF_INIT;
    struct stat st;

    if (!s->remember_dir)
        return 0;
    if (stat(s->remember_dir, &st) || !S_ISDIR(st.st_mode))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-Z wants a directory that exists, and %s is none", s->remember_dir);
    ph_text_add(&b, "%s/", s->remember_dir);
    for (const char *p = s->src.imap.user ? s->src.imap.user : "preauth"; *p; p++) {
        bool safe = isalnum((unsigned char)*p) || strchr("@_-+=~", *p) || (*p == '.' && ph_buf_data(&b)[ph_buf_len(&b) - 1] != '/');
        if (safe || (unsigned char)*p >= 0x80)
            ph_buf_add_char(&b, *p);
        else
            ph_text_add(&b, "%%%02X", (unsigned char)*p);
    }
    s->job.remember_file = ph_arena_strdup(&s->arena, ph_buf_str(&b));
    ph_buf_done(&b);
    return s->job.remember_file ? 0 : ph_fail_memory(err);
}

static void classic_defaults(struct ph_job *j)
{
    j->policy.update_flags = false;
    j->policy.ignore_destination = true;
    j->names.special_use = false;
    j->keep_special_use = j->keep_subscriptions = false;
    j->subscribe_all = true;
    j->keywords = false;
    j->no_ledger_resume = true;
    j->lanes = 1;
}

int ph_imapcopy_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                        struct ph_err *err)
{
    ph_settings_init(s, invoked);
    classic_defaults(&s->job);
    int rc = ph_prepare(s, c, invoked, argc, argv, NULL, err);
    if (rc)
        return rc;
    s->style = PH_STYLE_IMAPCOPY;
    if (check(s, err))
        return -1;
    if (s->update) {
        s->job.policy.ignore_destination = false;
        s->job.policy.classic_match = true;
    }
    special_secrets(s);
    if (same_password(s, err) || ph_settings_finish(s, ph_warn, NULL, err) || remember_file(s, err))
        return -1;
    s->job.ledger_variant = ph_settings_variant(s, "imapcopy");
    return s->job.ledger_variant ? 0 : ph_fail_memory(err);
}

static int imapcopy_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    return ph_run_transfer(c, invoked, argc, argv, ph_imapcopy_prepare, false);
}

const struct ph_command ph_cmd_imapcopy = {
    .name = "imapcopy",
    .summary = "copy the mail of one account to another (classic options)",
    .description = "Copy the mail of the account -S to the account -D, keeping folders, flags and dates. An unfinished run with the same "
                   "options goes on where it stopped; a finished one copies everything again unless -U or -Z is given.",
    .operands = "",
    .groups = groups,
    .classic = true,
    .main = imapcopy_main,
};
