/* The floor's outside: options, accounts, threads, and the line at the end. See floor.h. */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct job job = {.pairs = 2, .batch = 100, .window = 16u << 20, .lock = PTHREAD_MUTEX_INITIALIZER,
                  .is_ready = PTHREAD_COND_INITIALIZER};

_Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

/* imap://user:password@127.0.0.1:port/ and nothing else. */
static struct account account_of(const char *url)
{
    struct account a = {.addr.sin_family = AF_INET};
    char host[64], *end;
    const char *user = url + 7, *colon = strchr(user, ':'), *at = strchr(user, '@');
    const char *port = at ? strchr(at, ':') : NULL;

    if (strncmp(url, "imap://", 7) != 0 || !colon || !at || !port || colon > at ||
        (size_t)(colon - user) >= sizeof a.user || (size_t)(at - colon) > sizeof a.pass ||
        (size_t)(port - at) > sizeof host) {
        die(url, "want imap://user:password@a.b.c.d:port/");
    }
    memcpy(a.user, user, (size_t)(colon - user));
    memcpy(a.pass, colon + 1, (size_t)(at - colon - 1));
    memcpy(host, at + 1, (size_t)(port - at - 1));
    host[port - at - 1] = 0;
    a.addr.sin_port = htons((uint16_t)strtoul(port + 1, &end, 10));
    if (inet_pton(AF_INET, host, &a.addr.sin_addr) != 1) {
        die(url, "not an address");
    }
    return a;
}

int main(int argc, char **argv)
{
    pthread_t lanes[MAX_PAIRS];
    struct timespec began, ended;

    signal(SIGPIPE, SIG_IGN);
    for (int c; (c = getopt(argc, argv, "n:b:w:")) != -1;) {
        unsigned long v = strtoul(c == '?' ? "" : optarg, NULL, 10);

        if (c == '?' || v == 0 || (c == 'n' && v > MAX_PAIRS)) {
            optind = argc;
            break;
        }
        *(c == 'n' ? &job.pairs : &job.batch) = c == 'w' ? job.batch : (int)v;
        job.window = c == 'w' ? v << 20 : job.window;
    }
    if (argc - optind != 2) {
        fputs("usage: floor [-n PAIRS] [-b MESSAGES A BATCH] [-w WINDOW IN MB] SOURCE DESTINATION\n", stderr);
        return 2;
    }
    job.src = account_of(argv[optind]);
    job.dst = account_of(argv[optind + 1]);
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (intptr_t i = 0; i < job.pairs; i++) {
        if (pthread_create(&lanes[i], NULL, lane_run, (void *)i) != 0) {
            die("thread", strerror(errno));
        }
    }
    for (int i = 0; i < job.pairs; i++) {
        pthread_join(lanes[i], NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%llu messages, %llu bytes, %llu batches, %.3f s\n", (unsigned long long)job.messages,
           (unsigned long long)job.bytes, (unsigned long long)job.batches,
           (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return 0;
}
