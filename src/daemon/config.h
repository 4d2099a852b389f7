/* config.h: the settings of the daemon. Each is declared once, as an option of `posthaste serve`; the configuration file (libconfig's
 * syntax) has the same names:
 *
 *     store = "local:/srv/mail";
 *     listen = ( "0.0.0.0:143", "[::]:143" );
 *     writable = true;
 *
 * What is said on the command line wins. Errors of the file name it and the line.
 */
#ifndef PH_DAEMON_CONFIG_H
#define PH_DAEMON_CONFIG_H

#include <stdbool.h>

#include <posthaste/server.h>

#include "cli/options.h"

#define PH_DAEMON_CONFIG_FILE "/etc/posthaste/posthaste.conf"

struct ph_daemon_config {
    struct ph_arena arena;
    const char *config;
    /* the mail */
    const char *store;
    bool writable;
    uint64_t quota_storage;
    unsigned quota_messages;
    /* who */
    const char *users, *password_command;
    bool any_user, proxy;
    const char *upstream_password_file, *upstream_password_command, *upstream_ca_file, *upstream_tls_pin;
    bool upstream_insecure;
    /* where */
    struct ph_strings listen, listen_tls, listen_unix;
    unsigned socket_mode;
    const char *socket_group;
    const char *tls_cert, *tls_key, *tls_client_ca;
    bool allow_cleartext;
    /* mail that comes in */
    struct ph_strings lmtp;
    const char *recipient_delimiter, *deliver_folder;
    unsigned lmtp_connections;
    unsigned lmtp_timeout_ms;
    /* limits */
    struct ph_server_limits limits;
    uint64_t command_bytes, memory_bytes;
    unsigned login_ms, idle_ms, drain_ms;
    bool no_throttle;
    struct ph_strings throttle_exempt;
    /* the process */
    const char *run_as, *log, *log_level, *host, *greeting, *pid_file;
    const char *metrics, *metrics_file;
    unsigned metrics_ms;
    bool check_config;
};

/* Where the socket is: "127.0.0.1:143", "[::1]:143", "143" (all addresses). */
struct ph_listen_address {
    char address[64];
    uint16_t port;
};
int ph_listen_address_parse(const char *text, struct ph_listen_address *out, struct ph_err *err);
bool ph_listen_address_is_loopback(const char *address);

extern const struct ph_option_group ph_daemon_option_groups[]; /* all of them, for serve */
extern const struct ph_option ph_daemon_store_options[];       /* what delivering needs: store, users, … */

void ph_daemon_config_init(struct ph_daemon_config *c);
void ph_daemon_config_done(struct ph_daemon_config *c);
/* Read a file on top of what is there. PH_E_USAGE "FILE:LINE: …", PH_E_SYSTEM. */
int ph_daemon_config_read(struct ph_daemon_config *c, const char *path, struct ph_err *err);
/* Do the settings fit each other? Pure. */
int ph_daemon_config_check(struct ph_daemon_config *c, struct ph_err *err);

#endif
