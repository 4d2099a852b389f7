#include "daemon/throttle.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ADDRESSES 65536
#define NONE UINT32_MAX

struct entry {
    unsigned char key[8];
    unsigned char n;              /* octets of key; 0: free */
    unsigned failures;
    int64_t failed_at;            /* what is to be forgotten counts from here */
    int64_t slot;                 /* when the last try that waits is looked at */
    uint32_t next;                /* in its chain */
    uint32_t newer, older;
};

struct ph_throttle {
    pthread_mutex_t lock;
    struct entry *e;
    uint32_t *chain;              /* heads, a power of two */
    size_t most, used, chains;
    uint32_t newest, oldest;
    uint64_t seed;                /* a chain cannot be filled on purpose */
    uint64_t failures, delayed;
};

size_t ph_peer_address(const char *peer, unsigned char out[16])
{
    char text[64];
    bool six = *peer == '[';
    const char *start = peer + six, *end = strchr(start, six ? ']' : ':');
    size_t n = end ? (size_t)(end - start) : strlen(start);

    if (n >= sizeof text)
        return 0;
    memcpy(text, start, n);
    text[n] = '\0';
    if (!six)
        return inet_pton(AF_INET, text, out) == 1 ? 4 : 0;
    return inet_pton(AF_INET6, text, out) == 1 ? 8 : 0; /* one subscriber has a /64 */
}

struct ph_throttle *ph_throttle_new(size_t addresses)
{
    struct ph_throttle *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->most = addresses ? addresses : DEFAULT_ADDRESSES;
    for (t->chains = 16; t->chains < t->most; t->chains *= 2)
        ;
    t->e = calloc(t->most, sizeof *t->e);
    t->chain = malloc(t->chains * sizeof *t->chain);
    if (!t->e || !t->chain || RAND_bytes((unsigned char *)&t->seed, sizeof t->seed) != 1) {
        free(t->e);
        free(t->chain);
        free(t);
        return NULL;
    }
    for (size_t i = 0; i < t->chains; i++)
        t->chain[i] = NONE;
    t->newest = t->oldest = NONE;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void ph_throttle_free(struct ph_throttle *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t->e);
    free(t->chain);
    free(t);
}

static uint32_t *head_of(struct ph_throttle *t, const unsigned char *key, size_t n)
{
    uint64_t h = t->seed;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ key[i]) * 0x9fb21c651e98df25u;
        h ^= h >> 29;
    }
    return &t->chain[h & (t->chains - 1)];
}

static struct entry *find(struct ph_throttle *t, const unsigned char *key, size_t n)
{
    for (uint32_t i = *head_of(t, key, n); i != NONE; i = t->e[i].next)
        if (t->e[i].n == n && memcmp(t->e[i].key, key, n) == 0)
            return &t->e[i];
    return NULL;
}

static void unlist(struct ph_throttle *t, struct entry *e)
{
    *(e->newer == NONE ? &t->newest : &t->e[e->newer].older) = e->older;
    *(e->older == NONE ? &t->oldest : &t->e[e->older].newer) = e->newer;
}

static void list_as_newest(struct ph_throttle *t, struct entry *e)
{
    uint32_t i = (uint32_t)(e - t->e);

    e->newer = NONE;
    e->older = t->newest;
    *(t->newest == NONE ? &t->oldest : &t->e[t->newest].newer) = i;
    t->newest = i;
}

static void unchain(struct ph_throttle *t, struct entry *e)
{
    uint32_t *at = head_of(t, e->key, e->n);

    while (&t->e[*at] != e)
        at = &t->e[*at].next;
    *at = e->next;
}

static struct entry *make(struct ph_throttle *t, const unsigned char *key, size_t n)
{
    struct entry *e;

    if (t->used < t->most) {
        e = &t->e[t->used++];
    } else {
        e = &t->e[t->oldest];
        unchain(t, e);
        unlist(t, e);
    }
    *e = (struct entry){ .n = (unsigned char)n };
    memcpy(e->key, key, n);
    uint32_t *head = head_of(t, key, n);
    e->next = *head;
    *head = (uint32_t)(e - t->e);
    list_as_newest(t, e);
    return e;
}

static void forget(struct entry *e, int64_t now)
{
    while (e->failures && now - e->failed_at >= PH_THROTTLE_FORGET_MS) {
        e->failures--;
        e->failed_at += PH_THROTTLE_FORGET_MS;
    }
}

static int64_t wait_for(unsigned failures)
{
    if (failures <= PH_THROTTLE_FREE)
        return 0;
    unsigned steps = failures - PH_THROTTLE_FREE - 1;
    int64_t ms = steps > 4 ? PH_THROTTLE_LONGEST_MS : (int64_t)1000 << steps;
    return ms > PH_THROTTLE_LONGEST_MS ? PH_THROTTLE_LONGEST_MS : ms;
}

unsigned ph_throttle_delay(struct ph_throttle *t, const char *peer, int64_t now)
{
    unsigned char key[16];
    size_t n = ph_peer_address(peer, key);
    int64_t wait = 0;

    if (n == 0)
        return 0;
    pthread_mutex_lock(&t->lock);
    struct entry *e = find(t, key, n);
    if (e)
        forget(e, now);
    int64_t one = e ? wait_for(e->failures) : 0;
    if (one) {
        int64_t slot = (e->slot > now ? e->slot : now) + one;
        if (slot > now + PH_THROTTLE_QUEUE_MS)
            slot = now + PH_THROTTLE_QUEUE_MS;
        e->slot = slot;
        wait = slot - now;
        t->delayed++;
    }
    pthread_mutex_unlock(&t->lock);
    return (unsigned)wait;
}

void ph_throttle_failed(struct ph_throttle *t, const char *peer, int64_t now)
{
    unsigned char key[16];
    size_t n = ph_peer_address(peer, key);

    pthread_mutex_lock(&t->lock);
    t->failures++;
    if (n) {
        struct entry *e = find(t, key, n);
        if (e) {
            forget(e, now);
            unlist(t, e);
            list_as_newest(t, e);
        } else {
            e = make(t, key, n);
        }
        if (e->failures == 0)
            e->failed_at = now;
        if (e->failures < PH_THROTTLE_WORST)
            e->failures++;
    }
    pthread_mutex_unlock(&t->lock);
}

void ph_throttle_count(struct ph_throttle *t, struct ph_throttle_counters *out)
{
    pthread_mutex_lock(&t->lock);
    *out = (struct ph_throttle_counters){ .failures = t->failures, .delayed = t->delayed, .addresses = t->used };
    pthread_mutex_unlock(&t->lock);
}
