/* own_command.c: a session over standard input and output instead of a socket, with a command of its own.
 *
 *   cc own_command.c $(pkg-config --cflags --libs posthaste) -o own_command
 *   printf '1 LOGIN me secret\r\n2 XECHO "what was said"\r\n3 LOGOUT\r\n' | ./own_command
 *
 * What comes in is handed to the session, what goes out comes back through a function: that is all a transport is.
 */
#include <posthaste/server.h>
#include <posthaste/store.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int list(void *ctx, int (*emit)(void *to, const struct ph_backend_folder *f), void *to, struct ph_err *err)
{
    emit(to, &(struct ph_backend_folder){ .name = "INBOX" });
    return 0;
}

static int open_folder(void *ctx, const char *folder, struct ph_backend_state *out, struct ph_err *err)
{
    *out = (struct ph_backend_state){ .uidvalidity = 1, .uidnext = 1 };
    return 0;
}

static int scan(void *ctx, const char *folder, uint32_t first, uint32_t last, uint64_t since,
                int (*emit)(void *to, const struct ph_backend_message *m), void *to, struct ph_err *err)
{
    return 0; /* an empty mailbox */
}

static int fetch(void *ctx, const char *folder, uint32_t uid, uint64_t offset, void *p, size_t n, size_t *got,
                 struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "there are no messages");
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    static const struct ph_backend backend = { .list = list, .open = open_folder, .scan = scan, .fetch = fetch };
    return ph_store_new(&backend, NULL, "nothing", out, err);
}

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return n == 6 && memcmp(password, "secret", 6) == 0 ? 0 : -1;
}

/* The words after the command have been checked against the shape; an optional one that is missing has p NULL. */
static int echo(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                struct ph_err *err)
{
    char line[200] = "XECHO ";

    if (args[0].n > 100)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_LIMIT, "that is too long to be said again");
    memcpy(line + 6, args[0].p, args[0].n);
    ph_server_untagged(c, line, 6 + args[0].n);
    *text = "XECHO completed";
    return 0;
}

static void state(void *ctx, struct ph_server_conn *c, enum ph_server_state from, enum ph_server_state to)
{
    fprintf(stderr, "%s -> %s\n", ph_server_state_name(from), ph_server_state_name(to));
}

static int write_out(void *ctx, const void *p, size_t n)
{
    return fwrite(p, 1, n, stdout) == n && fflush(stdout) == 0 ? 0 : -1;
}

int main(void)
{
    struct ph_server_config config = {
        .calls = { .check_password = check_password, .open_store = open_store, .state = state },
    };
    struct ph_server_command command = { .name = "XECHO", .shape = "astring", .run = echo,
                                         .states = 1 << PH_ST_AUTHENTICATED | 1 << PH_ST_SELECTED };
    struct ph_server_transport transport = { .write = write_out, .peer = "standard input", .secure = true };
    struct ph_server_conn *conn;
    struct ph_server *server;
    struct ph_err err;
    char buf[4096];
    ssize_t n;
    int over = 0;

    if (ph_server_new(&config, &server, &err) || ph_server_add_command(server, &command, &err) ||
        ph_server_add_capability(server, "XECHO", PH_CAP_AFTER_LOGIN, &err) || ph_server_start(server, &err) ||
        ph_server_conn_new(server, &transport, &conn, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while (over == 0 && (n = read(0, buf, sizeof buf)) > 0)
        over = ph_server_conn_feed(conn, buf, (size_t)n, &err);
    ph_server_conn_free(conn);
    ph_server_free(server);
    return over < 0;
}
