/* config_table.c: the settings, each once: options, file, manual and completion come from here. */
#include <string.h>

#include "daemon/config.h"
#include "daemon/log.h"

#define AT(member) offsetof(struct ph_daemon_config, member)

static int set_mode(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    unsigned mode = 0;
    size_t n = strlen(arg);

    for (size_t i = 0; i < n; i++) {
        if (arg[i] < '0' || arg[i] > '7' || n > 4)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants permissions such as \"0660\", not \"%s\"", arg);
        mode = mode * 8 + (unsigned)(arg[i] - '0');
    }
    if (n == 0 || mode > 0777)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants permissions such as \"0660\"");
    *(unsigned *)((char *)target + o->offset) = mode;
    return 0;
}

static int set_level(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    if (ph_log_level(arg) < 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "wants error, warning, notice, info or debug, not \"%s\"", arg);
    *(const char **)((char *)target + o->offset) = arg;
    return 0;
}

const struct ph_option ph_daemon_store_options[] = {
    { PH_OPT_TEXT, 'c', "config", "FILE", "Read settings from this file; what is said here wins. Without it and without a store: "
      PH_DAEMON_CONFIG_FILE ".", AT(config), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "store", "URL", "The mail: local:/path (a directory of this machine), imaps://host/ (another server), or memory: "
      "(gone with the process).", AT(store) },
    { PH_OPT_BYTES, 0, "quota", "BYTES", "Limit of a user of a local store who has none of their own, like 2G; none otherwise.",
      AT(quota_storage) },
    { PH_OPT_NUMBER, 0, "quota-messages", "N", "The same for the number of messages.", AT(quota_messages), .value = 1 },
    { PH_OPT_TEXT, 'u', "users", "FILE", "Who may log in: a file that posthaste passwd writes. It is read anew when it has changed.",
      AT(users), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "recipient-delimiter", "C", "What stands behind this character in a recipient's name is left out; + otherwise, "
      "empty for none.", AT(recipient_delimiter) },
    { PH_OPT_TEXT, 0, "host", "NAME", "What the server calls itself; otherwise the machine's name.", AT(host) },
    { PH_OPT_END },
};

static const struct ph_option store[] = {
    { PH_OPT_FLAG, 'w', "writable", NULL, "Let clients change things: otherwise the mail can only be read.", AT(writable) },
    { PH_OPT_TEXT, 0, "upstream-password-file", "FILE", "For a store imaps://user@host/: the account's password is the first line of this "
      "file.", AT(upstream_password_file), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "upstream-password-command", "COMMAND", "The same: the first line that this shell command prints.",
      AT(upstream_password_command) },
    { PH_OPT_TEXT, 0, "upstream-ca-file", "FILE", "Trust the authorities in this file for the other server.", AT(upstream_ca_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "upstream-tls-pin", "FINGERPRINT", "Accept exactly the certificate with this SHA-256 fingerprint from the other server.",
      AT(upstream_tls_pin) },
    { PH_OPT_FLAG, 0, "upstream-insecure", NULL, "Do not verify the certificate of the other server.", AT(upstream_insecure) },
    { PH_OPT_END },
};

static const struct ph_option who[] = {
    { PH_OPT_TEXT, 0, "password-command", "COMMAND", "Ask this shell command whether a password is right: it gets the password on its "
      "standard input and the user in POSTHASTE_USER, and ends with 0 (right), 1 (wrong) or anything else (cannot tell now).",
      AT(password_command) },
    { PH_OPT_FLAG, 0, "any-user", NULL, "Any name with any password; for tests, on loopback addresses only.", AT(any_user) },
    { PH_OPT_FLAG, 0, "proxy", NULL, "For a store imaps://host/: a login is right when the other server takes it, with the same name and "
      "password.", AT(proxy) },
    { PH_OPT_FLAG, 0, "no-login-delays", NULL, "Do not make an address wait that has guessed wrong.", AT(no_throttle) },
    { PH_OPT_STRINGS, 0, "no-login-delays-for", "ADDRESS", "Not this address, behind which many users are: a webmail server; may be given "
      "several times.", AT(throttle_exempt) },
    { PH_OPT_END },
};

static const struct ph_option where[] = {
    { PH_OPT_STRINGS, 'l', "listen", "ADDRESS:PORT", "Wait for clients here (STARTTLS is offered with a certificate); port 0 is any free "
      "one; may be given several times.", AT(listen) },
    { PH_OPT_STRINGS, 'L', "listen-tls", "ADDRESS:PORT", "The same with TLS from the first octet: port 993.", AT(listen_tls) },
    { PH_OPT_STRINGS, 0, "listen-unix", "PATH", "A socket of this machine, where passwords need no TLS.", AT(listen_unix),
      .flags = PH_OPT_PATH },
    { PH_OPT_CALL, 0, "socket-mode", "MODE", "Permissions of sockets that are files; \"0660\" otherwise.", AT(socket_mode), set_mode },
    { PH_OPT_TEXT, 0, "socket-group", "GROUP", "Group of sockets that are files.", AT(socket_group) },
    { PH_OPT_TEXT, 0, "tls-cert", "FILE", "Certificate and chain (PEM). SIGHUP reads it anew.", AT(tls_cert), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "tls-key", "FILE", "Its key, when it is not in the same file.", AT(tls_key), .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "tls-client-ca", "FILE", "Clients may log in with certificates of these authorities (EXTERNAL): the user is the CN.",
      AT(tls_client_ca), .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 0, "allow-cleartext", NULL, "Take passwords on connections without TLS, also from other machines.",
      AT(allow_cleartext) },
    { PH_OPT_TEXT, 0, "greeting", "TEXT", "What is said to a client first.", AT(greeting) },
    { PH_OPT_END },
};

static const struct ph_option incoming[] = {
    { PH_OPT_STRINGS, 0, "lmtp", "PATH", "Take mail by LMTP on this socket file; may be given several times.", AT(lmtp),
      .flags = PH_OPT_PATH },
    { PH_OPT_TEXT, 0, "lmtp-folder", "FOLDER", "Where that mail goes; INBOX otherwise.", AT(deliver_folder) },
    { PH_OPT_NUMBER, 0, "lmtp-connections", "N", "At most so many at a time; 50 otherwise.", AT(lmtp_connections), .value = 1 },
    { PH_OPT_SECONDS, 0, "lmtp-timeout", "SECONDS", "Give up on one that is silent for so long; 300 otherwise.", AT(lmtp_timeout_ms) },
    { PH_OPT_END },
};

static const struct ph_option limits[] = {
    { PH_OPT_NUMBER, 0, "connections", "N", "At most so many clients; 10000 otherwise.", AT(limits.connections), .value = 1 },
    { PH_OPT_NUMBER, 0, "connections-per-address", "N", "Of one address; no limit otherwise.", AT(limits.per_address), .value = 1 },
    { PH_OPT_NUMBER, 0, "connections-per-user", "N", "Of one user; no limit otherwise.", AT(limits.per_user), .value = 1 },
    { PH_OPT_NUMBER, 0, "workers", "N", "Threads that run commands; 64 otherwise.", AT(limits.workers), .value = 1 },
    { PH_OPT_BYTES, 0, "message-limit", "BYTES", "Largest message that is taken, from clients and by LMTP, like 50M; no limit otherwise.",
      AT(limits.append) },
    { PH_OPT_BYTES, 0, "command-limit", "BYTES", "Longest command, literals not counted; 64 KiB otherwise.", AT(command_bytes) },
    { PH_OPT_BYTES, 0, "memory-limit", "BYTES", "Memory that one connection may hold; 16 MiB otherwise.", AT(memory_bytes) },
    { PH_OPT_SECONDS, 0, "login-timeout", "SECONDS", "A client has to log in within this time; 60 otherwise.", AT(login_ms) },
    { PH_OPT_SECONDS, 0, "idle-timeout", "SECONDS", "A client that says nothing for so long is let go; 1800 otherwise.", AT(idle_ms) },
    { PH_OPT_NUMBER, 0, "failed-logins", "N", "A connection ends after so many wrong passwords; 3 otherwise.", AT(limits.failed_logins),
      .value = 1 },
    { PH_OPT_SECONDS, 0, "drain-timeout", "SECONDS", "When it ends, wait so long for running commands; 10 otherwise.", AT(drain_ms) },
    { PH_OPT_END },
};

static const struct ph_option process[] = {
    { PH_OPT_TEXT, 0, "run-as", "USER[:GROUP]", "When started as root, become this user once the ports are bound.", AT(run_as) },
    { PH_OPT_TEXT, 0, "log", "WHERE", "stderr, syslog, or a file, which SIGHUP opens anew; stderr otherwise.", AT(log),
      .flags = PH_OPT_PATH },
    { PH_OPT_CALL, 0, "log-level", "LEVEL", "error, warning, notice, info or debug; info otherwise.", AT(log_level), set_level,
      .choices = "error warning notice info debug" },
    { PH_OPT_TEXT, 0, "metrics", "ADDRESS:PORT", "Answer GET /metrics here with figures as Prometheus reads them; loopback only.",
      AT(metrics) },
    { PH_OPT_TEXT, 0, "metrics-file", "FILE", "Write the same to this file, for a collector of text files.", AT(metrics_file),
      .flags = PH_OPT_PATH },
    { PH_OPT_SECONDS, 0, "metrics-every", "SECONDS", "How often the file is written; 15 otherwise.", AT(metrics_ms) },
    { PH_OPT_TEXT, 0, "pid-file", "FILE", "Write the number of the process here.", AT(pid_file), .flags = PH_OPT_PATH },
    { PH_OPT_FLAG, 0, "check-config", NULL, "Say whether the settings are right, and end.", AT(check_config) },
    { PH_OPT_END },
};

const struct ph_option_group ph_daemon_option_groups[] = {
    { "Mail and users", ph_daemon_store_options },
    { "Serving", store },
    { "Logging in", who },
    { "Where clients come from", where },
    { "Mail that comes in", incoming },
    { "Limits", limits },
    { "The process", process },
    { NULL, NULL },
};
