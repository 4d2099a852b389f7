/* config.c: reading the file by the table of options. */
#include "daemon/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ph_daemon_config_init(struct ph_daemon_config *c)
{
    *c = (struct ph_daemon_config){ .socket_mode = 0660, .recipient_delimiter = "+", .deliver_folder = "INBOX", .lmtp_connections = 50,
                                    .lmtp_timeout_ms = 300000, .log = "stderr", .log_level = "info", .metrics_ms = 15000 };
    ph_arena_init(&c->arena, 0);
}

void ph_daemon_config_done(struct ph_daemon_config *c)
{
    ph_arena_done(&c->arena);
}

/* ---- the file ---- */

static const struct ph_option *find(const char *name)
{
    const struct ph_command c = { .groups = ph_daemon_option_groups };

    return ph_option_by_name(&c, ph_str(name));
}

static const char *nearest(const char *name)
{
    const char *best = NULL;
    unsigned least = 3;

    for (const struct ph_option_group *g = ph_daemon_option_groups; g->heading; g++)
        for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++) {
            unsigned d = o->name && !(o->flags & PH_OPT_HIDDEN) ? ph_edit_distance(ph_str(name), ph_str(o->name)) : 99;
            if (d < least) {
                least = d;
                best = o->name;
            }
        }
    return best;
}

struct reading {
    struct ph_daemon_config *c;
    const char *path;
};

static int wrong(const struct reading *r, const config_setting_t *s, struct ph_err *err)
{
    const char *file = config_setting_source_file(s);

    ph_err_prefix(err, "%s:%u", file ? file : r->path, config_setting_source_line(s));
    return -1;
}

/* A value as the option's parser wants it: text. In the arena. */
static char *value_text(struct reading *r, config_setting_t *v)
{
    char number[40];

    switch (config_setting_type(v)) {
    case CONFIG_TYPE_STRING:
        return ph_arena_strdup(&r->c->arena, ph_str(config_setting_get_string(v)));
    case CONFIG_TYPE_INT:
        snprintf(number, sizeof number, "%d", config_setting_get_int(v));
        return ph_arena_strdup(&r->c->arena, ph_str(number));
    case CONFIG_TYPE_INT64:
        snprintf(number, sizeof number, "%lld", config_setting_get_int64(v));
        return ph_arena_strdup(&r->c->arena, ph_str(number));
    case CONFIG_TYPE_FLOAT:
        snprintf(number, sizeof number, "%.6f", config_setting_get_float(v));
        return ph_arena_strdup(&r->c->arena, ph_str(number));
    default:
        return NULL;
    }
}

static int take_value(struct reading *r, const struct ph_option *o, config_setting_t *v, struct ph_err *err)
{
    int type = config_setting_type(v);

    if (!ph_option_takes_value(o)) {
        if (type != CONFIG_TYPE_BOOL) {
            ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s wants true or false", o->name);
            return wrong(r, v, err);
        }
        return ph_option_set(o, o->name, r->c, NULL, !config_setting_get_bool(v), &r->c->arena, err) ? wrong(r, v, err) : 0;
    }
    char *text = value_text(r, v);
    if (!text) {
        ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s wants a %s", o->name, o->kind == PH_OPT_TEXT ? "text in quotes" : "value");
        return wrong(r, v, err);
    }
    return ph_option_set(o, o->name, r->c, text, false, &r->c->arena, err) ? wrong(r, v, err) : 0;
}

static int take_setting(struct reading *r, config_setting_t *s, struct ph_err *err)
{
    const char *name = config_setting_name(s);
    const struct ph_option *o = find(name);
    bool many = config_setting_is_list(s) || config_setting_is_array(s);

    if (!o || o->flags & PH_OPT_HIDDEN || strcmp(o->name, "config") == 0 || strcmp(o->name, "check-config") == 0) {
        const char *like = nearest(name);
        ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no setting \"%s\"%s%s%s", name, like ? "; did you mean \"" : "", like ? like : "",
                like ? "\"?" : "");
        return wrong(r, s, err);
    }
    if (config_setting_is_group(s) || (many && o->kind != PH_OPT_STRINGS)) {
        ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s wants one value", name);
        return wrong(r, s, err);
    }
    if (!many)
        return take_value(r, o, s, err);
    for (int i = 0; i < config_setting_length(s); i++)
        if (take_value(r, o, config_setting_get_elem(s, (unsigned)i), err))
            return -1;
    return 0;
}

int ph_daemon_config_read(struct ph_daemon_config *c, const char *path, struct ph_err *err)
{
    struct reading r = { c, ph_arena_strdup(&c->arena, ph_str(path)) };
    config_t file;
    int rc = 0;

    if (!r.path)
        return ph_fail_memory(err);
    FILE *f = fopen(path, "re");
    if (!f)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot read the configuration %s", path);
    config_init(&file);
    char *folder = ph_arena_strdup(&c->arena, ph_str(path)), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash) {
        slash[slash == folder] = '\0';
        config_set_include_dir(&file, folder);
    }
    if (!config_read(&file, f)) {
        const char *where = config_error_file(&file);
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s:%d: %s", where ? where : path, config_error_line(&file), config_error_text(&file));
    }
    config_setting_t *root = config_root_setting(&file);
    for (int i = 0; rc == 0 && i < config_setting_length(root); i++)
        rc = take_setting(&r, config_setting_get_elem(root, (unsigned)i), err);
    config_destroy(&file);
    fclose(f);
    return rc;
}

/* ---- checking ---- */

int ph_listen_address_parse(const char *text, struct ph_listen_address *out, struct ph_err *err)
{
    const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
    unsigned char octets[16];
    char *end;
    unsigned long n = *port >= '0' && *port <= '9' ? strtoul(port, &end, 10) : UINT32_MAX;
    size_t len = colon ? (size_t)(colon - text) : 0;

    *out = (struct ph_listen_address){ .address = "::" };
    if (n > 65535 || *end || len >= sizeof out->address)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "an address to listen on is written 192.0.2.1:143, [2001:db8::1]:143 or 143, not "
                                                      "\"%.80s\"", text);
    out->port = (uint16_t)n;
    if (!colon)
        return 0;
    bool six = len > 2 && text[0] == '[' && text[len - 1] == ']';
    memcpy(out->address, text + six, len - 2 * six);
    out->address[len - 2 * six] = '\0';
    if (strcmp(out->address, "localhost") == 0)
        memcpy(out->address, "127.0.0.1", 10);
    if (strcmp(out->address, "*") == 0)
        memcpy(out->address, "::", 3);
    else if (inet_pton(six ? AF_INET6 : AF_INET, out->address, octets) != 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "\"%.63s\" is no IP address: an address to listen on is written 192.0.2.1:143, "
                                                      "[2001:db8::1]:143 or 143", out->address);
    return 0;
}

bool ph_listen_address_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, address, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static int check_addresses(const struct ph_strings *list, bool loopback_only, const char *why, struct ph_err *err)
{
    struct ph_listen_address a;

    for (size_t i = 0; i < list->n; i++) {
        if (ph_listen_address_parse(list->item[i], &a, err))
            return -1;
        if (loopback_only && !ph_listen_address_is_loopback(a.address))
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s, so it may listen on 127.0.0.1 or [::1] only, not on %.80s", why, list->item[i]);
    }
    return 0;
}

static int check_who(const struct ph_daemon_config *c, struct ph_err *err)
{
    int ways = (c->users != NULL) + (c->password_command != NULL) + c->any_user + c->proxy;

    if (ways == 0 && !c->tls_client_ca)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "nobody could log in: name a file of users, a password command, or any-user");
    if (ways > 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "users, password-command, proxy and any-user exclude each other");
    const char *why = "any-user takes everybody in";
    return c->any_user && (check_addresses(&c->listen, true, why, err) || check_addresses(&c->listen_tls, true, why, err)) ? -1 : 0;
}

int ph_daemon_config_check(struct ph_daemon_config *c, struct ph_err *err)
{
    struct ph_listen_address a;

    if (!c->store)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no store is named: local:/path, memory: or imaps://host/");
    if (check_addresses(&c->listen, false, NULL, err) || check_addresses(&c->listen_tls, false, NULL, err) || check_who(c, err))
        return -1;
    if (!c->tls_cert != !c->tls_key && !c->tls_cert)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "tls-key needs tls-cert");
    if (c->listen_tls.n && !c->tls_cert)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "listen-tls needs a certificate: tls-cert and tls-key");
    if (c->tls_client_ca && !c->tls_cert)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "tls-client-ca needs a certificate of the server: tls-cert and tls-key");
    if (c->metrics) {
        if (ph_listen_address_parse(c->metrics, &a, err))
            return -1;
        if (!ph_listen_address_is_loopback(a.address))
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "metrics are for this machine: 127.0.0.1:PORT or [::1]:PORT");
    }
    if (strlen(c->recipient_delimiter) > 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "recipient-delimiter is one character, or \"\" for none");
    c->limits.line = (size_t)c->command_bytes;
    c->limits.memory = (size_t)c->memory_bytes;
    c->limits.login_seconds = (c->login_ms + 999) / 1000;
    c->limits.idle_seconds = (c->idle_ms + 999) / 1000;
    c->limits.drain_seconds = (c->drain_ms + 999) / 1000;
    return 0;
}
