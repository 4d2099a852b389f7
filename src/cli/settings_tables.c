/* settings_tables.c: the options that several commands share. */
#include "cli/settings.h"

#define AT(member) offsetof(struct ph_settings, member)

#define SIDE_OPTIONS(prefix, side, which)                                                                              \
    { PH_OPT_TEXT, 0, prefix "-user", "USER", "Whose mail it is, on the " which ".", AT(side.user) },                   \
    { PH_OPT_TEXT, 0, prefix "-admin", "USER",                                                                         \
      "Log in as this administrator, with the administrator's password, for the user.", AT(side.admin) },              \
    { PH_OPT_TEXT, 0, prefix "-password-file", "FILE", "The password is the first line of this file.",                 \
      AT(side.password_file), .flags = PH_OPT_PATH },                                                                  \
    { PH_OPT_TEXT, 0, prefix "-password-env", "VARIABLE", "The password is in this environment variable.",             \
      AT(side.password_env) },                                                                                         \
    { PH_OPT_TEXT, 0, prefix "-password-command", "COMMAND",                                                           \
      "The password is the first line that this shell command prints.", AT(side.password_command) },                   \
    { PH_OPT_TEXT, 0, prefix "-token-file", "FILE", "An OAuth2 access token is the first line of this file; it is read " \
      "again when a token has expired.", AT(side.token_file), .flags = PH_OPT_PATH },                                  \
    { PH_OPT_TEXT, 0, prefix "-token-env", "VARIABLE", "An OAuth2 access token is in this environment variable.",      \
      AT(side.token_env) },                                                                                            \
    { PH_OPT_TEXT, 0, prefix "-token-command", "COMMAND", "This shell command prints an OAuth2 access token; it is run " \
      "again when a token has expired.", AT(side.token_command) },                                                     \
    { PH_OPT_TEXT, 0, prefix "-auth", "MECHANISM", "Use this SASL mechanism and no other; LOGIN is the LOGIN command, " \
      "PREAUTH expects to be logged in already.", AT(side.auth), .choices = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 " \
      "SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS EXTERNAL GSSAPI XOAUTH2 OAUTHBEARER PREAUTH" },               \
    { PH_OPT_TEXT, 0, prefix "-tls", "HOW", "immediate: TLS from the first byte; starttls: upgrade or fail; offered: "  \
      "upgrade where offered; none. Otherwise the URL or the port decides.", AT(side.tls),                             \
      .choices = "immediate starttls offered none" },                                                                  \
    { PH_OPT_TEXT, 0, prefix "-tls-pin", "FINGERPRINT", "Accept exactly the certificate with this SHA-256 fingerprint, " \
      "whoever signed it.", AT(side.pin) },                                                                            \
    { PH_OPT_TEXT, 0, prefix "-ca-file", "FILE", "Trust the authorities in this file.", AT(side.ca_file),              \
      .flags = PH_OPT_PATH },                                                                                          \
    { PH_OPT_TEXT, 0, prefix "-cert-file", "FILE", "Show this client certificate.", AT(side.cert_file),                \
      .flags = PH_OPT_PATH },                                                                                          \
    { PH_OPT_TEXT, 0, prefix "-key-file", "FILE", "The key of the client certificate.", AT(side.key_file),             \
      .flags = PH_OPT_PATH },                                                                                          \
    { PH_OPT_FLAG, 0, prefix "-insecure", NULL, "Do not verify the certificate of the " which ".", AT(side.insecure) }, \
    { PH_OPT_TEXT, 0, prefix "-without", "CAPABILITIES", "Do not use these capabilities, blank-separated, even where "  \
      "they are offered.", AT(side.without) }

const struct ph_option ph_source_options[] = {
    SIDE_OPTIONS("src", src, "source"),
    { PH_OPT_END },
};

const struct ph_option ph_destination_options[] = {
    SIDE_OPTIONS("dst", dst, "destination"),
    { PH_OPT_END },
};

const struct ph_option ph_connection_options[] = {
    { PH_OPT_FLAG, 0, "allow-cleartext", NULL, "Send passwords and mail in clear to a host that is not this machine, where it "
      "offers no TLS.", AT(rules.allow_cleartext) },
    { PH_OPT_FLAG, 0, "insecure", NULL, "Verify the certificate of neither side.", AT(insecure) },
    { PH_OPT_TEXT, 0, "ca-file", "FILE", "Trust the authorities in this file, on both sides.", AT(ca_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "ca-path", "DIRECTORY", "Trust the authorities in this directory, on both sides.", AT(ca_path),
      .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 0, "compress", NULL, "Compress the connections where the servers offer it.", AT(rules.compress) },
    { PH_OPT_SECONDS, 0, "timeout", "SECONDS", "Give up on a connection after so much silence; 300 otherwise.",
      AT(rules.timeout_ms) },
    { PH_OPT_SECONDS, 0, "connect-timeout", "SECONDS", "Give up connecting after this time; 30 otherwise.",
      AT(rules.connect_timeout_ms) },
    { PH_OPT_NUMBER, 0, "lanes", "N", "Use so many pairs of connections side by side. Otherwise as many as pay.",
      AT(job.lanes), .value = 1 },
    { PH_OPT_BYTES, 0, "rate", "BYTES", "At most so many bytes a second, like 500k or 2M.", AT(job.rate_bytes) },
    { PH_OPT_U64, 0, "message-rate", "N", "At most so many messages a second.", AT(job.rate_messages), .value = 1 },
    { PH_OPT_END },
};

const struct ph_option ph_folder_options[] = {
    { PH_OPT_STRINGS, 'i', "include", "FOLDER", "Only this folder; may be given several times.", AT(include) },
    { PH_OPT_STRINGS, 'x', "exclude", "FOLDER", "Not this folder; may be given several times.", AT(exclude) },
    { PH_OPT_STRINGS, 0, "exclude-regex", "PATTERN", "No folder whose name matches this Perl expression anywhere; may be given "
      "several times.", AT(exclude_regex) },
    { PH_OPT_FLAG, 'r', "recursive", NULL, "What is included or excluded goes for the folders below it too.",
      AT(job.include_children) },
    { PH_OPT_FLAG, 0, "subscribed", NULL, "Only subscribed folders.", AT(job.subscribed_only) },
    { PH_OPT_FLAG, 0, "gmail-all", NULL, "Also Gmail's folders that show messages of other folders once more (All Mail, "
      "Important, Starred).", AT(job.gmail_all) },
    { PH_OPT_TEXT, 0, "map", "FILE", "Names of folders on the other side, one \"source : destination\" a line.", AT(map_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "root", "FOLDER", "Everything is below this folder on the destination.", AT(job.names.root) },
    { PH_OPT_FLAG, 0, "no-special-use", NULL, "A folder with a special use (Sent, Trash and so on) keeps its name instead of becoming "
      "the destination's folder of that use.", AT(job.names.special_use), .flags = PH_OPT_INVERT },
    { PH_OPT_CALL, 0, "src-delimiter", "\"DELIM [PREFIX]\"", "Hierarchy delimiter and prefix of the source, if the server does not "
      "tell or is wrong.", .set = ph_set_src_delimiter },
    { PH_OPT_CALL, 0, "dst-delimiter", "\"DELIM [PREFIX]\"", "The same of the destination.", .set = ph_set_dst_delimiter },
    { PH_OPT_END },
};

const struct ph_option ph_output_options_table[] = {
    { PH_OPT_FLAG, 0, "json", NULL, "One event a line as JSON on the standard output.", AT(json) },
    { PH_OPT_FLAG, 'q', "quiet", NULL, "Print problems only.", AT(quiet) },
    { PH_OPT_FLAG, 'v', "verbose", NULL, "A line for each message.", AT(verbose) },
    { PH_OPT_FLAG, 0, "no-progress", NULL, "No progress display, even on a terminal.", AT(no_progress) },
    { PH_OPT_TEXT, 'L', "log", "FILE", "Append what happens to this file.", AT(log), .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 'I', "trace", NULL, "Show or log every line of IMAP, secrets masked.", AT(trace) },
    { PH_OPT_END },
};
