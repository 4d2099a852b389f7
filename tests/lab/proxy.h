/*
 * What the parts of the delay proxy share.  One thread, one proxy a process: its state is `lab_proxy`.
 */
#ifndef LAB_PROXY_H
#define LAB_PROXY_H

#include "flow.h"

#include <netinet/in.h>
#include <stdio.h>

enum { UP, DOWN };                      /* client to server, server to client */
enum { CLIENT, SERVER };
enum { CUT, LATE, STALL };
enum { MAX_FAULTS = 16, MAX_MASKS = 8 };
#define NEVER UINT64_MAX

struct fault {
    int kind, dir, done;
    unsigned conn;                      /* 0: bytes of all connections together */
    uint64_t at;
    int sides, fin;                     /* cut: bit 1 client, bit 2 server; FIN instead of RST */
    uint64_t time;                      /* late, stall */
};

struct conn {
    struct conn *next;
    unsigned id;
    int fd[2];                          /* of CLIENT and of SERVER; -1: closed */
    int connecting;                     /* the server's answer is awaited */
    uint64_t opened, connect_due;
    struct flow flow[2];
    int level[2];                       /* round trips each end knows about */
    uint32_t armed[2];                  /* epoll interest */
    size_t mask_wait;                   /* bytes at the end of DOWN that may begin a masked word */
    int finished;
};

struct proxy {
    int epoll, timer, listener, until_eof;
    uint64_t one_way;
    size_t queue, tail;
    uint64_t tail_late, tail_dwell;
    struct sockaddr_in to;
    struct fault faults[MAX_FAULTS];
    int n_faults;
    const char *mask_from[MAX_MASKS], *mask_to[MAX_MASKS];
    int n_masks;
    FILE *log;
    struct conn *conns;
    unsigned count, open, most_open;
    uint64_t received[2], delivered[2], stalled_until[2], began;
    int level;
    size_t peak;
    int stop;
};

extern struct proxy lab_proxy;
#define g lab_proxy

uint64_t lab_now(void);
_Noreturn void lab_die(const char *what);

/* Takes all waiting connections from the listener. */
void lab_conn_accept(uint64_t now);

/* Reads what is there. */
void lab_conn_event(struct conn *c, uint64_t now);

/* Delivers what is due, and sets c->finished when nothing is left to do; lowers `next` to the time of the next step. */
void lab_conn_step(struct conn *c, uint64_t now, uint64_t *next);

/* Prints an event and closes the sides (bit 1 client, bit 2 server); the other one hears nothing more. */
void lab_conn_break(struct conn *c, const char *why, int sides, int fin);

void lab_conn_free(struct conn *c);

#endif
