/* tasks.c: the root's own thread. Every commit writes an octet into the user's lock file, and inotify tells the processes
 * that wait for it; what comes within 50 ms is looked at together. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "store/local/tasks.h"

#define TOGETHER_MS 50
#define POLL_MS 1000
#define COMPACT_MS 20000

/* Under bus_mu. */
static int note_watch(struct local_user *u)
{
    struct ph_local_root *root = u->root;
    char *path = NULL;

    if (u->watch_descriptor != -1)
        return 0;
    u->watch_descriptor = -2;
    if (root->inotify_fd < 0 || asprintf(&path, "%s/lock", u->dir) < 0)
        return -1;
    int wd = inotify_add_watch(root->inotify_fd, path, IN_MODIFY);
    free(path);
    if (wd < 0)
        return -1;
    if ((size_t)wd >= root->n_by_watch) {
        size_t n = (size_t)wd * 2 + 64;
        struct local_user **grown = realloc(root->by_watch, n * sizeof(struct local_user *));
        if (!grown)
            return -1;
        memset(grown + root->n_by_watch, 0, (n - root->n_by_watch) * sizeof(struct local_user *));
        root->by_watch = grown;
        root->n_by_watch = n;
    }
    root->by_watch[wd] = u;
    u->watch_descriptor = wd;
    return 0;
}

void ph_local_tasks_watch(struct local_user *u)
{
    pthread_mutex_lock(&u->root->bus_mu);
    if (note_watch(u)) {
        atomic_store(&u->root->polls, true);
        uint64_t one = 1;
        ssize_t n = write(u->root->wake_fd, &one, sizeof one);
        (void)n;
    }
    pthread_mutex_unlock(&u->root->bus_mu);
}

static void read_events(struct ph_local_root *root)
{
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n;

    while ((n = read(root->inotify_fd, buf, sizeof buf)) > 0) {
        pthread_mutex_lock(&root->bus_mu);
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *e = (const struct inotify_event *)p;
            if (e->wd >= 0 && (size_t)e->wd < root->n_by_watch && root->by_watch[e->wd])
                root->by_watch[e->wd]->check_wanted = true;
            p += sizeof *e + e->len;
        }
        pthread_mutex_unlock(&root->bus_mu);
    }
}

/* The users for which `wanted` holds, one after the other, without a lock. */
static void for_users(struct ph_local_root *root, bool (*wanted)(struct local_user *u), void (*work)(struct local_user *u))
{
    struct local_user **found = NULL;
    size_t n = 0;

    pthread_mutex_lock(&root->mu);
    found = malloc((root->n_users + 1) * sizeof(struct local_user *));
    for (size_t i = 0; found && i < root->cap_users; i++)
        for (struct local_user *u = root->users[i]; u; u = u->next)
            found[n++] = u;
    pthread_mutex_unlock(&root->mu);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&root->bus_mu);
        bool now = !root->stop && wanted(found[i]);
        pthread_mutex_unlock(&root->bus_mu);
        if (now && ph_local_enter(found[i], NULL) == 0) {
            work(found[i]);
            ph_local_leave(found[i]);
        }
    }
    free(found);
}

static bool wants_check(struct local_user *u)
{
    bool wanted = u->watchers && (u->check_wanted || u->watch_descriptor == -2);

    u->check_wanted = false;
    return wanted;
}

static bool wants_compaction(struct local_user *u)
{
    return atomic_exchange(&u->compact_wanted, false);
}

static void compact(struct local_user *u)
{
    unsigned packs;

    ph_local_compact(u, &packs, NULL); /* what fails is tried again after the next removal, or by the check */
}

static void *run(void *ctx)
{
    struct ph_local_root *root = ctx;
    int64_t compact_at = ph_now_ms() + COMPACT_MS;

    for (;;) {
        struct pollfd fd[2] = { { root->wake_fd, POLLIN, 0 }, { root->inotify_fd, POLLIN, 0 } };
        bool polls = atomic_load(&root->polls);
        int got = poll(fd, 2, polls ? POLL_MS : COMPACT_MS);
        pthread_mutex_lock(&root->bus_mu);
        bool stop = root->stop;
        pthread_mutex_unlock(&root->bus_mu);
        if (stop)
            break;
        uint64_t count;
        if (fd[0].revents && read(root->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
            break;
        if (fd[1].revents)
            read_events(root);
        if (fd[1].revents || (polls && got == 0))
            for_users(root, wants_check, ph_local_tell);
        if (ph_now_ms() >= compact_at) {
            for_users(root, wants_compaction, compact);
            compact_at = ph_now_ms() + COMPACT_MS;
        }
        poll(fd, 1, fd[1].revents ? TOGETHER_MS : 0); /* a stop is heard at once */
    }
    return NULL;
}

int ph_local_tasks_start(struct ph_local_root *root, struct ph_err *err)
{
    sigset_t all, old;
    int bad = 0;

    pthread_mutex_lock(&root->bus_mu);
    if (!root->thread_runs) {
        if (root->wake_fd < 0)
            root->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (root->inotify_fd < 0)
            root->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK); /* -1: everybody is polled */
        sigfillset(&all); /* signals are for the program's own threads */
        pthread_sigmask(SIG_SETMASK, &all, &old);
        bad = root->wake_fd < 0 ? errno : pthread_create(&root->thread, NULL, run, root);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        root->thread_runs = bad == 0;
    }
    pthread_mutex_unlock(&root->bus_mu);
    return bad ? ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, bad, "cannot start a thread") : 0;
}

void ph_local_tasks_stop(struct ph_local_root *root)
{
    uint64_t one = 1;

    pthread_mutex_lock(&root->bus_mu);
    root->stop = true;
    bool runs = root->thread_runs;
    pthread_mutex_unlock(&root->bus_mu);
    if (runs && write(root->wake_fd, &one, sizeof one) == sizeof one)
        pthread_join(root->thread, NULL);
    if (root->wake_fd >= 0)
        close(root->wake_fd);
    if (root->inotify_fd >= 0)
        close(root->inotify_fd);
    free(root->by_watch);
    root->by_watch = NULL;
}
