/* resolve.c: names to addresses, with a deadline.
 *
 * getaddrinfo cannot be interrupted, so it runs in a thread of its own which shares a counted
 * struct with the caller: whoever leaves last frees it. IP literals need no thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/private.h"

struct lookup {
    atomic_int refs;
    int done_fd; /* eventfd: becomes readable when the three below are set */
    int rc, sys_errno;
    struct addrinfo *list;
    char host[PH_HOST_MAX];
    char service[8];
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (l->list)
        freeaddrinfo(l->list);
    close(l->done_fd);
    free(l);
}

static int ask(const char *host, const char *service, int flags, struct addrinfo **list)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV
    };

    *list = NULL;
    return getaddrinfo(host, service, &hints, list);
}

static void *lookup_thread(void *arg)
{
    struct lookup *l = arg;
    uint64_t one = 1;

    l->rc = ask(l->host, l->service, 0, &l->list);
    l->sys_errno = errno;
    if (write(l->done_fd, &one, sizeof one) < 0) {
        /* cannot happen: the counter was 0 */
    }
    lookup_unref(l);
    return NULL;
}

static int lookup_start(struct lookup *l)
{
    sigset_t all, old;
    pthread_attr_t attr;
    pthread_t t;

    /* The application's signals are not for this thread. */
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&t, &attr, lookup_thread, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static int resolve_fail(struct ph_err *err, const char *host, int rc, int sys_errno)
{
    if (rc == EAI_MEMORY)
        return ph_fail_memory(err);
    if (rc == EAI_SYSTEM)
        ph_fail_errno(err, PH_SCOPE_STORE, PH_E_RESOLVE, sys_errno, "cannot find the host %s", host);
    else
        ph_fail(err, PH_SCOPE_STORE, PH_E_RESOLVE, "cannot find the host %s: %s", host, gai_strerror(rc));
    if (err && (rc == EAI_AGAIN || rc == EAI_SYSTEM))
        err->retry = PH_RETRY_LATER;
    return -1;
}

static size_t take(const struct addrinfo *list, struct ph_addr *addrs)
{
    size_t n = 0;

    for (; list && n < PH_ADDR_MAX; list = list->ai_next)
        if (list->ai_addrlen <= sizeof addrs[n].u &&
            (list->ai_family == AF_INET || list->ai_family == AF_INET6)) {
            memset(&addrs[n], 0, sizeof addrs[n]);
            memcpy(&addrs[n].u, list->ai_addr, list->ai_addrlen);
            addrs[n++].len = list->ai_addrlen;
        }
    return n;
}

static int lookup_run(const char *host, const char *service, int64_t deadline, struct ph_cancel *cancel,
                      struct ph_addr *addrs, size_t *n, struct ph_err *err)
{
    struct lookup *l = calloc(1, sizeof *l);
    int rc;

    if (!l)
        return ph_fail_memory(err);
    l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->done_fd < 0) {
        free(l);
        return ph_io_fail(err, PH_E_SYSTEM, errno, "eventfd");
    }
    atomic_init(&l->refs, 2);
    snprintf(l->host, sizeof l->host, "%s", host);
    snprintf(l->service, sizeof l->service, "%s", service);
    rc = lookup_start(l);
    if (rc) {
        atomic_store(&l->refs, 1);
        lookup_unref(l);
        return ph_io_fail(err, PH_E_SYSTEM, rc, "cannot start a thread to look up %s", host);
    }
    rc = ph_fd_wait(l->done_fd, POLLIN, deadline, cancel, err);
    uint64_t done; /* the read, not the poll, is what makes the thread's writes ours */
    if (rc < 0) {
        ph_err_prefix(err, "looking up %s", host);
    } else if (read(l->done_fd, &done, sizeof done) < 0) {
        rc = ph_io_fail(err, PH_E_SYSTEM, errno, "eventfd");
    } else if (l->rc) {
        rc = resolve_fail(err, host, l->rc, l->sys_errno);
    } else {
        *n = take(l->list, addrs);
        if (*n == 0)
            rc = resolve_fail(err, host, EAI_NONAME, 0);
    }
    lookup_unref(l);
    return rc;
}

int ph_resolve(const char *ascii_host, uint16_t port, int64_t deadline, struct ph_cancel *cancel,
               struct ph_addr addrs[PH_ADDR_MAX], size_t *n, struct ph_err *err)
{
    struct addrinfo *list;
    char service[8];

    *n = 0;
    snprintf(service, sizeof service, "%u", port);
    if (ask(ascii_host, service, AI_NUMERICHOST, &list) == 0) {
        *n = take(list, addrs);
        freeaddrinfo(list);
        if (*n)
            return 0;
    }
    return lookup_run(ascii_host, service, deadline, cancel, addrs, n, err);
}

bool ph_host_is_ip(const char *ascii_host)
{
    unsigned char addr[16];
    char plain[PH_HOST_MAX];

    snprintf(plain, sizeof plain, "%s", ascii_host);
    plain[strcspn(plain, "%")] = '\0'; /* a zone: fe80::1%eth0 */
    return inet_pton(AF_INET, plain, addr) == 1 || inet_pton(AF_INET6, plain, addr) == 1;
}

int ph_host_ascii(const char *host, char out[PH_HOST_MAX], struct ph_err *err)
{
    size_t n = strlen(host);
    bool ascii = true;

    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    }
    if (n > 1 && host[n - 1] == '.')
        n--;
    if (n == 0 || n >= PH_HOST_MAX)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_RESOLVE, "not a host name: '%.80s'", host);
    memcpy(out, host, n);
    out[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)out[i] <= 0x20 || out[i] == 0x7f)
            return ph_fail(err, PH_SCOPE_STORE, PH_E_RESOLVE, "not a host name: '%.80s'", host);
        ascii = ascii && (unsigned char)out[i] < 0x80;
    }
    if (ascii)
        return 0; /* as given: underscores and the like are for the resolver to judge */
    char *a = NULL;
    int rc = idn2_lookup_u8((const uint8_t *)out, (uint8_t **)&a, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK || strlen(a) >= PH_HOST_MAX) {
        if (rc == IDN2_OK)
            idn2_free(a);
        return ph_fail(err, PH_SCOPE_STORE, PH_E_RESOLVE, "not a host name: '%.80s': %s", host,
                       rc == IDN2_OK ? "too long" : idn2_strerror(rc));
    }
    memcpy(out, a, strlen(a) + 1); /* it fits: seen above */
    idn2_free(a);
    return 0;
}
