/* compat.c: the option tables that the classic names share. */
#include "tools/compat/compat.h"

#include "cli/settings.h"

#define AT(member) offsetof(struct ph_settings, member)

const struct ph_option ph_classic_output_options[] = {
    { PH_OPT_FLAG, 'd', NULL, NULL, "More lines about what is done.", AT(debug) },
    { PH_OPT_FLAG, 'I', NULL, NULL, "Log every line of IMAP, secrets masked.", AT(trace) },
    { PH_OPT_TEXT, 'L', NULL, "FILE", "Append the log to this file.", AT(log), .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 0, "verbose", NULL, "A line for each message.", AT(verbose) },
    { PH_OPT_FLAG, 0, "json", NULL, "One event a line as JSON on the standard output.", AT(json) },
    { PH_OPT_END },
};

const struct ph_option ph_classic_connection_options[] = {
    { PH_OPT_FLAG, 0, "require-tls", NULL, "Sending a password in clear is an error instead of a warning.", AT(rules.require_tls) },
    { PH_OPT_FLAG, 0, "no-starttls", NULL, "Stay in clear on port 143 even where STARTTLS is offered.", AT(rules.no_starttls) },
    { PH_OPT_FLAG, 0, "insecure", NULL, "Verify no certificate.", AT(insecure) },
    { PH_OPT_TEXT, 0, "cafile", "FILE", "Trust the authorities in this file.", AT(ca_file), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "capath", "DIRECTORY", "Trust the authorities in this directory.", AT(ca_path), .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 0, "compress", NULL, "Compress the connections where the servers offer it.", AT(rules.compress) },
    { PH_OPT_END },
};
