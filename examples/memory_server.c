/* memory_server.c: an IMAP server over messages that are in memory: the smallest useful backend.
 *
 *   cc memory_server.c $(pkg-config --cflags --libs posthaste) -o memory_server && ./memory_server 1143
 *
 * Anybody may log in, with the password "secret", and reads one INBOX. Messages can be put in, flagged and removed; they are
 * gone when the program ends.
 */
#include <posthaste/server.h>
#include <posthaste/store.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 1000

struct message {
    struct ph_backend_message m;
    char keywords[200], *bytes;
    uint64_t filled;
};
struct inbox { /* one_at_a_time is set, so nothing here needs a lock */
    struct message *at[MAX];
    int n;
    uint32_t uidnext;
};

static int list(void *ctx, int (*emit)(void *to, const struct ph_backend_folder *f), void *to, struct ph_err *err)
{
    emit(to, &(struct ph_backend_folder){ .name = "INBOX", .attributes = PH_FOLDER_SUBSCRIBED });
    return 0;
}

static int open_folder(void *ctx, const char *folder, struct ph_backend_state *out, struct ph_err *err)
{
    if (strcmp(folder, "INBOX") != 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "there is only INBOX");
    *out = (struct ph_backend_state){ .uidvalidity = 1, .uidnext = ((struct inbox *)ctx)->uidnext };
    return 0;
}

static int scan(void *ctx, const char *folder, uint32_t first, uint32_t last, uint64_t since,
                int (*emit)(void *to, const struct ph_backend_message *m), void *to, struct ph_err *err)
{
    struct inbox *in = ctx;

    for (int i = 0; i < in->n; i++)
        if (in->at[i]->m.uid >= first && in->at[i]->m.uid <= last && emit(to, &in->at[i]->m))
            return -1;
    return 0;
}

static int find(struct inbox *in, uint32_t uid)
{
    for (int i = 0; i < in->n; i++)
        if (in->at[i]->m.uid == uid)
            return i;
    return -1;
}

static int fetch(void *ctx, const char *folder, uint32_t uid, uint64_t offset, void *p, size_t n, size_t *got,
                 struct ph_err *err)
{
    struct inbox *in = ctx;
    int i = find(in, uid);

    if (i < 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "message %u is gone", uid);
    uint64_t left = in->at[i]->m.size - offset;
    *got = n < left ? n : (size_t)left;
    memcpy(p, in->at[i]->bytes + offset, *got);
    return 0;
}

static struct inbox inbox = { .uidnext = 1 };

static int append_begin(void *ctx, const char *folder, const struct ph_backend_message *m, void **handle,
                        struct ph_err *err)
{
    struct message *x = calloc(1, sizeof *x);

    if (!x || inbox.n == MAX || !(x->bytes = malloc(m->size + 1))) {
        free(x);
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_QUOTA, "the mailbox is full");
    }
    x->m = *m;
    snprintf(x->keywords, sizeof x->keywords, "%s", m->keywords ? m->keywords : "");
    x->m.keywords = x->keywords;
    *handle = x;
    return 0;
}

static int append_write(void *handle, const void *p, size_t n, struct ph_err *err)
{
    struct message *x = handle;

    memcpy(x->bytes + x->filled, p, n);
    x->filled += n;
    return 0;
}

static int append_commit(void *handle, uint32_t *uid, struct ph_err *err)
{
    struct message *x = handle;

    *uid = x->m.uid = inbox.uidnext++;
    inbox.at[inbox.n++] = x;
    return 0;
}

static void append_abort(void *handle)
{
    free(((struct message *)handle)->bytes);
    free(handle);
}

static int set_flags(void *ctx, const char *folder, uint32_t uid, unsigned flags, const char *keywords,
                     struct ph_err *err)
{
    int i = find(ctx, uid);

    if (i >= 0) {
        inbox.at[i]->m.flags = flags;
        snprintf(inbox.at[i]->keywords, sizeof inbox.at[i]->keywords, "%s", keywords);
    }
    return 0;
}

static int expunge(void *ctx, const char *folder, const uint32_t *uids, size_t n, struct ph_err *err)
{
    for (size_t k = 0; k < n; k++) {
        int i = find(ctx, uids[k]);
        if (i < 0)
            continue;
        append_abort(inbox.at[i]);
        memmove(&inbox.at[i], &inbox.at[i + 1], sizeof inbox.at[0] * (size_t)(--inbox.n - i));
    }
    return 0;
}

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return n == 6 && memcmp(password, "secret", 6) == 0 ? 0 : -1;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    static const struct ph_backend backend = {
        .list = list, .open = open_folder, .scan = scan, .fetch = fetch, .append_begin = append_begin,
        .append_write = append_write, .append_commit = append_commit, .append_abort = append_abort,
        .set_flags = set_flags, .expunge = expunge, .one_at_a_time = true,
    };
    return ph_store_new(&backend, &inbox, "memory", out, err);
}

int main(int argc, char **argv)
{
    struct ph_server_config config = { .cleartext_login = true,
                                       .calls = { .check_password = check_password, .open_store = open_store } };
    struct ph_server *server;
    struct ph_err err;
    uint16_t port;
    sigset_t stop;
    int sig;

    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* the threads of the server inherit it */
    if (ph_server_new(&config, &server, &err) ||
        ph_server_listen_tcp(server, "127.0.0.1", (uint16_t)(argc > 1 ? atoi(argv[1]) : 0), 0, &port, &err) ||
        ph_server_start(server, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("listening on 127.0.0.1:%u\n", port);
    fflush(stdout);
    sigwait(&stop, &sig);
    ph_server_free(server);
    return 0;
}
