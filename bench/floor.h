/*
 * The floor: the least that a program can do to copy an account from one IMAP server to another. It streams
 * FETCH literals into MULTIAPPEND with LITERAL+ on several pairs of connections. No hashing, no ledger, no
 * checks, no names but those the source gave: what is slower than this is what a tool adds.
 *
 * Two well-behaved servers that offer LITERAL+, MULTIAPPEND, LIST-STATUS and STATUS=SIZE are taken for granted;
 * whatever else comes ends the program.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_PAIRS = 64, NAME_MAX_LEN = 512 };

struct account {
    char user[128], pass[128];
    struct sockaddr_in addr;
};

/* A folder of the source. `next` is the first message (by sequence number, nobody else is there) that no
 * lane has taken; `lane` the one that works on it, -1 nobody yet. */
struct folder {
    char name[NAME_MAX_LEN]; /* as the source wrote it in its STATUS, quotes and all */
    unsigned messages, next;
    uint64_t bytes;
    int lane;
};

/* What the lanes share. `lock` is for the folders and `ready`; the options do not change. */
struct job {
    struct account src, dst;
    int pairs, batch;
    uint64_t window; /* bytes asked for and not yet come, a pair */
    pthread_mutex_t lock;
    pthread_cond_t is_ready;
    int ready;
    struct folder *folders;
    size_t folder_count;
    uint64_t messages, bytes, batches;
};

extern struct job job;

_Noreturn void die(const char *what, const char *why);

/* One pair of connections from connecting to the last OK; the argument is its number. */
void *lane_run(void *number);

#endif
