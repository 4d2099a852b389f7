/* A server over the memory store, by hand: serve_memory [PORT [CERTIFICATE]]. Any name with any password; each user has
 * an account of its own with a few messages in INBOX. Not a test.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <posthaste/server.h>

#include "store/memory.h"

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return 0;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    static const char text[] = "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: Hello\r\n"
                               "Date: Mon, 7 Feb 2022 21:52:25 -0800\r\nMessage-ID: <1@example.org>\r\n\r\nHello Bob.\r\n";

    if (ph_memory_store_new(user, NULL, out, err))
        return -1;
    struct ph_memory_message m = { .p = text, .n = sizeof text - 1, .epoch = 1700000000 };
    for (int i = 0; i < 5; i++)
        ph_memory_deliver(*out, "INBOX", &m);
    return 0;
}

static void log_line(void *ctx, int level, struct ph_server_conn *c, const char *line)
{
    fprintf(stderr, "<%d> %s %s\n", level, c ? ph_server_conn_peer(c) : "-", line);
}

int main(int argc, char **argv)
{
    struct ph_server_config config = {
        .cleartext_login = true,
        .calls = { .check_password = check_password, .open_store = open_store, .log = log_line },
    };
    struct ph_server *s;
    struct ph_err err = { 0 };
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 1143;
    sigset_t stop;
    int got;

    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (ph_server_new(&config, &s, &err) || (argc > 2 && ph_server_set_tls(s, argv[2], NULL, NULL, &err)) ||
        ph_server_listen_tcp(s, "127.0.0.1", port, 0, &port, &err) || ph_server_start(s, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("listening on 127.0.0.1 port %u\n", port);
    fflush(stdout);
    sigwait(&stop, &got);
    ph_server_free(s);
    return 0;
}
