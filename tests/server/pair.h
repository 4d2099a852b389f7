/* pair.h: a server over memory stores in this process, and clients that send text and match the lines that come back.
 *
 * Users are made by naming them; everybody's password is "secret", and a name that begins with "no" does not exist. Every
 * failure ends the test. Any wait for an answer ends after 20 s, for the log after 60.
 */
#ifndef TESTS_SERVER_PAIR_H
#define TESTS_SERVER_PAIR_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <posthaste/server.h>

#include "base/buf.h"
#include "io/stream.h"
#include "store/memory.h"

#define PAIR_USERS 64

struct pair {
    struct ph_server_config config; /* may be changed between pair_init and pair_start */
    struct ph_memory_options options; /* of the stores that are made from now on */
    bool verifiers;                 /* check_password is not given: passwords go by the verifier */
    struct ph_server *server;
    uint16_t port, tls_port;        /* tls_port 0: no TLS */
    char dir[64], cert_file[96], client_file[96], ca_file[96]; /* with TLS */
    void *tls;

    pthread_mutex_t lock;
    struct {
        char name[64];
        struct ph_store *store;
        int opened, closed;
    } user[PAIR_USERS];
    size_t n_users;
    struct ph_buf log;              /* pair_log */
};

void pair_init(struct pair *p);
void pair_with_tls(struct pair *p);  /* certificates for localhost, and a client's, "ann" */
void pair_start(struct pair *p);
void pair_stop(struct pair *p);      /* ends the server and frees everything; fails if a user's store was not given back */
/* The store of a user, made when there is none. */
struct ph_store *pair_store(struct pair *p, const char *user);
/* Deliver a small message with this subject; returns its UID. */
uint32_t pair_deliver(struct pair *p, const char *user, const char *folder, const char *subject);
/* Wait until a line with this text was logged. */
void pair_expect_log(struct pair *p, const char *text);

struct client {
    struct ph_stream *stream;
    struct ph_buf in;
    char line[8192];                 /* the last one, without CRLF */
    char peer[64];
};

/* TCP, and the greeting is read. */
void client_open(struct client *c, struct pair *p);
void client_open_quiet(struct client *c, struct pair *p); /* the greeting is not read */
void client_open_tls(struct client *c, struct pair *p);   /* implicit TLS; handshake and greeting done */
void client_tls(struct client *c, struct pair *p, bool with_certificate); /* what STARTTLS is followed by */
void client_deflate(struct client *c);
void client_close(struct client *c);
void client_send(struct client *c, const char *text);
void client_send_n(struct client *c, const void *p, size_t n);
/* The next line matches; `*` stands for anything, and for itself. */
void client_expect(struct client *c, const char *pattern);
/* Lines up to one that matches; returns how many came before it. */
unsigned client_until(struct client *c, const char *pattern);
void client_expect_end(struct client *c);  /* the server has closed the connection */
/* Exactly these octets come next (a literal). */
void client_expect_octets(struct client *c, const void *p, size_t n);
/* Something comes within ms? */
bool client_hears(struct client *c, int ms);
/* client_send(command), client_expect(pattern), command with CRLF added. */
void client_ask(struct client *c, const char *command, const char *pattern);
void client_login(struct client *c, const char *user);   /* LOGIN user secret */
void client_open_as(struct client *c, struct pair *p, const char *user);
void client_select(struct client *c, const char *mailbox);

bool pair_matches(const char *pattern, const char *text);

#endif
