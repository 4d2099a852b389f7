/* The server that conversations are played with: conversation_server [CERTIFICATE KEY]. Three servers of one process over
 * accounts in memory, any name with any password but "wrong"; they differ in limits. It prints "NAME PORT" for each, then
 * "ready", and stops at SIGTERM or at the end of standard input.
 *
 * A conversation is prepared through commands of its own (server.h), which name the account and go through the store's helpers: so
 * UIDs, dates and rights are what the script says, whatever the server's commands can do.
 *
 *   X-STORE user options          before its first login: "quota-messages=10 now=1700000000 delim=."
 *   X-PUT user mailbox flags epoch zone message
 *   X-MAILBOX user mailbox special-use
 *   X-NUMBERS user mailbox uidvalidity uidnext     0: as it is
 *   X-REMOVE user mailbox uid
 *   X-RIGHTS user mailbox identifier rights
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <posthaste/server.h>

#include "store/memory.h"
#include "wire/flags.h"

#ifdef __SANITIZE_THREAD__
/* iconv_open loads a character set's module; the lock of glibc's loader is none that the sanitizer sees. */
const char *__tsan_default_suppressions(void) __attribute__((visibility("default")));
const char *__tsan_default_suppressions(void)
{
    return "race:_dl_close_worker\nrace:_dl_check_map_versions\nrace:_dl_map_object_deps\nrace:_dl_new_object\n";
}
#endif

struct account {
    struct account *next;
    char *name, *options, quota_root[64];
    struct ph_store *store;
};

static struct {
    pthread_mutex_t lock;
    struct account *accounts; /* live as long as the process: a conversation may log in again */
} all = { PTHREAD_MUTEX_INITIALIZER, NULL };

/* ---- accounts ---- */

/* "name=" in blank-separated options: its value, up to the next blank, into `to`. */
static const char *option(const char *options, const char *name, char *to, size_t size)
{
    size_t n = strlen(name);

    for (const char *p = options; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (strncmp(p, name, n) == 0 && p[n] == '=') {
            size_t len = strcspn(p + n + 1, " ");
            if (len >= size)
                return NULL;
            memcpy(to, p + n + 1, len);
            to[len] = '\0';
            return to;
        }
    return NULL;
}

static uint64_t number(const char *options, const char *name)
{
    char text[32];

    return option(options, name, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

static int make_store(struct account *a, struct ph_err *err)
{
    static const struct ph_store_namespace spaces[] = { { PH_NS_PERSONAL, "", '/' },
                                                        { PH_NS_OTHER, "~", '/' },
                                                        { PH_NS_SHARED, "Public Folders/", '/' } };
    struct ph_memory_options o = {
        .user = a->name,
        .quota_messages = number(a->options, "quota-messages"),
        .quota_folders = number(a->options, "quota-mailboxes"),
        .quota = number(a->options, "quota-octets"),
        .append_limit = number(a->options, "append-limit"),
        .now = (int64_t)number(a->options, "now"),
        .no_new_keywords = number(a->options, "no-new-keywords"),
        .metadata_size = number(a->options, "metadata-size"),
        .metadata_entries = number(a->options, "metadata-entries"),
        .without = (uint32_t)number(a->options, "without"),
        .serves_not = (int)number(a->options, "serves-not"),
        .permanent_keywords = number(a->options, "no-new-keywords") ? "$Forwarded $Junk" : NULL,
    };
    char delim[8];

    if (option(a->options, "delim", delim, sizeof delim))
        o.delim = delim[0];
    if (option(a->options, "quota-root", a->quota_root, sizeof a->quota_root))
        o.quota_root = a->quota_root;
    if (number(a->options, "namespaces")) {
        o.namespaces = spaces;
        o.n_namespaces = 3;
    }
    return ph_memory_store_new(a->name, &o, &a->store, err);
}

static struct account *account(const char *name)
{
    struct account *a = all.accounts;

    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    if (!a && (a = calloc(1, sizeof *a))) {
        a->name = strdup(name);
        a->options = strdup("");
        a->next = all.accounts;
        all.accounts = a;
    }
    return a;
}

static struct ph_store *store_of(const char *name, struct ph_err *err)
{
    pthread_mutex_lock(&all.lock);
    struct account *a = account(name);
    if (a && !a->store && make_store(a, err))
        a = NULL;
    pthread_mutex_unlock(&all.lock);
    return a ? a->store : NULL;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    *out = store_of(user, err);
    return *out ? 0 : -1;
}

static void keep_store(void *ctx, const char *user, struct ph_store *store)
{
}

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return n == 5 && memcmp(password, "wrong", 5) == 0 ? -1 : 0;
}

static int verifier(void *ctx, const char *user, struct ph_server_verifier *v)
{
    *v = (struct ph_server_verifier){ .password = "secret" };
    return 0;
}

/* ---- the commands of a preparation ---- */

static int say(struct ph_err *err, int kind, const char *text)
{
    err->kind = kind;
    err->scope = PH_SCOPE_MESSAGE;
    snprintf(err->text, sizeof err->text, "%s", text);
    return -1;
}

static char *text_of(const struct ph_server_arg *a)
{
    return a->p ? strndup(a->p, a->n) : strdup("");
}

static int set_options(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                       struct ph_err *err)
{
    char *user = text_of(&args[0]);
    int rc = 0;

    pthread_mutex_lock(&all.lock);
    struct account *a = account(user);
    if (a->store) {
        rc = say(err, PH_E_EXISTS, "The account exists");
    } else {
        free(a->options);
        a->options = text_of(&args[1]);
    }
    pthread_mutex_unlock(&all.lock);
    free(user);
    return rc;
}

static uint32_t flags_of(const char *text, char *keywords, size_t size)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } names[] = { { "\\Seen", PH_F_SEEN },       { "\\Answered", PH_F_ANSWERED }, { "\\Flagged", PH_F_FLAGGED },
                  { "\\Deleted", PH_F_DELETED }, { "\\Draft", PH_F_DRAFT },       { "\\Recent", PH_F_RECENT } };
    uint32_t bits = 0;
    size_t n = 0;
    char *copy = strdup(text), *rest = copy;

    keywords[0] = '\0';
    for (char *w; (w = strsep(&rest, " "));) {
        size_t i = 0;
        while (i < sizeof names / sizeof *names && strcmp(w, names[i].name) != 0)
            i++;
        if (i < sizeof names / sizeof *names)
            bits |= names[i].bit;
        else if (*w && n + strlen(w) + 2 < size)
            n += (size_t)snprintf(keywords + n, size - n, "%s%s", n ? " " : "", w);
    }
    free(copy);
    return bits;
}

static int put(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
               struct ph_err *err)
{
    static _Thread_local char answer[32];
    char *user = text_of(&args[0]), *mailbox = text_of(&args[1]), *flags = text_of(&args[2]), *epoch = text_of(&args[3]),
         *zone = text_of(&args[4]), keywords[256];
    struct ph_store *st = store_of(user, err);
    struct ph_memory_message m = { .p = args[5].p, .n = args[5].n, .epoch = strtoll(epoch, NULL, 10), .zone_min = (int)strtol(zone, NULL, 10) };
    uint32_t uid;

    m.flags = flags_of(flags, keywords, sizeof keywords);
    m.keywords = keywords;
    uid = st ? ph_memory_deliver(st, mailbox, &m) : 0;
    free(user);
    free(mailbox);
    free(flags);
    free(epoch);
    free(zone);
    if (!uid)
        return say(err, PH_E_NOTFOUND, "No such mailbox");
    snprintf(answer, sizeof answer, "%u", uid);
    *text = answer;
    return 0;
}

static uint32_t special(const char *name)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } uses[] = { { "\\All", PH_MA_ALL },   { "\\Archive", PH_MA_ARCHIVE }, { "\\Drafts", PH_MA_DRAFTS }, { "\\Flagged", PH_MA_FLAGGED },
                 { "\\Junk", PH_MA_JUNK }, { "\\Sent", PH_MA_SENT },       { "\\Trash", PH_MA_TRASH },   { "\\Marked", PH_MA_MARKED },
                 { "\\Noselect", PH_MA_NOSELECT }, { "\\NoInferiors", PH_MA_NOINFERIORS } };

    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (strcmp(name, uses[i].name) == 0)
            return uses[i].bit;
    return 0;
}

static int make_mailbox(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                        struct ph_err *err)
{
    char *user = text_of(&args[0]), *mailbox = text_of(&args[1]), *use = text_of(&args[2]);
    struct ph_store *st = store_of(user, err);
    int rc = st ? ph_memory_folder(st, mailbox, special(use)) : -1;

    free(user);
    free(mailbox);
    free(use);
    return rc ? say(err, PH_E_EXISTS, "It is there") : 0;
}

static int set_numbers(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                       struct ph_err *err)
{
    char *user = text_of(&args[0]), *mailbox = text_of(&args[1]), *validity = text_of(&args[2]), *next = text_of(&args[3]);
    struct ph_store *st = store_of(user, err);
    uint32_t v = (uint32_t)strtoul(validity, NULL, 10), x = (uint32_t)strtoul(next, NULL, 10);
    int rc = !st || (v && ph_memory_set_uidvalidity(st, mailbox, v)) || (x && ph_memory_set_uidnext(st, mailbox, x));

    free(user);
    free(mailbox);
    free(validity);
    free(next);
    return rc ? say(err, PH_E_NOTFOUND, "Not so") : 0;
}

static int remove_message(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                          struct ph_err *err)
{
    char *user = text_of(&args[0]), *mailbox = text_of(&args[1]), *uid = text_of(&args[2]);
    struct ph_store *st = store_of(user, err);
    int rc = st ? ph_memory_remove(st, mailbox, (uint32_t)strtoul(uid, NULL, 10)) : -1;

    free(user);
    free(mailbox);
    free(uid);
    return rc ? say(err, PH_E_NOTFOUND, "Not there") : 0;
}

static int set_rights(void *ctx, struct ph_server_conn *c, const struct ph_server_arg *args, size_t n, const char **text,
                      struct ph_err *err)
{
    char *user = text_of(&args[0]), *mailbox = text_of(&args[1]), *who = text_of(&args[2]), *rights = text_of(&args[3]);
    struct ph_store *st = store_of(user, err);
    int rc = st ? ph_memory_set_acl(st, mailbox, who, *rights ? rights : NULL) : -1;

    free(user);
    free(mailbox);
    free(who);
    free(rights);
    return rc ? say(err, PH_E_NOTFOUND, "Not so") : 0;
}

static const struct ph_server_command commands[] = {
    { "X-STORE", 1 << PH_ST_AUTHENTICATED, "astring string", set_options },
    { "X-PUT", 1 << PH_ST_AUTHENTICATED, "astring mailbox string string string string", put },
    { "X-MAILBOX", 1 << PH_ST_AUTHENTICATED, "astring mailbox string", make_mailbox },
    { "X-NUMBERS", 1 << PH_ST_AUTHENTICATED, "astring mailbox string string", set_numbers },
    { "X-REMOVE", 1 << PH_ST_AUTHENTICATED, "astring mailbox string", remove_message },
    { "X-RIGHTS", 1 << PH_ST_AUTHENTICATED, "astring mailbox string string", set_rights },
};

/* ---- servers ---- */

static void log_line(void *ctx, int level, struct ph_server_conn *c, const char *line)
{
    if (level < 4)
        fprintf(stderr, "%s\n", line);
}

/* What they differ in: conversations about a limit must reach it quickly, others never. */
static const struct variant {
    const char *name;
    bool tls, with_scram;
    struct ph_server_limits limits;
} variants[] = {
    { .name = "plain", .limits = { .bad_commands = 1000 } },
    { .name = "limited", .limits = { .messages = 3, .bad_commands = 5, .append = 2000, .line = 8192, .literal = 20000 } },
    { .name = "secure", .tls = true, .with_scram = true },
};
#define N_VARIANTS (sizeof variants / sizeof *variants)

static int start(const struct variant *v, char **files, struct ph_server **out, struct ph_err *err)
{
    struct ph_server_config config = {
        .host = "imap.example.org",
        .cleartext_login = !v->tls,
        .limits = v->limits,
        .calls = { .check_password = check_password,
                   .verifier = v->with_scram ? verifier : NULL,
                   .open_store = open_store,
                   .close_store = keep_store,
                   .log = log_line },
    };
    uint16_t port = 0;

    if (ph_server_new(&config, out, err))
        return -1;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (ph_server_add_command(*out, &commands[i], err))
            return -1;
    if ((v->tls && ph_server_set_tls(*out, files[0], files[1], NULL, err)) ||
        ph_server_listen_tcp(*out, "127.0.0.1", 0, 0, &port, err) || ph_server_start(*out, err))
        return -1;
    printf("%s %u\n", v->name, port);
    return 0;
}

int main(int argc, char **argv)
{
    struct ph_server *servers[N_VARIANTS] = { 0 };
    struct ph_err err = { 0 };
    sigset_t stop;
    struct timespec tick = { .tv_nsec = 200000000 };
    struct pollfd in = { .fd = 0, .events = POLLIN };

    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    for (size_t i = 0; i < N_VARIANTS; i++)
        if ((!variants[i].tls || argc > 2) && start(&variants[i], argv + 1, &servers[i], &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    printf("ready\n");
    fflush(stdout);
    while (sigtimedwait(&stop, NULL, &tick) < 0 && poll(&in, 1, 0) <= 0)
        ;
    for (size_t i = 0; i < N_VARIANTS; i++)
        if (servers[i])
            ph_server_free(servers[i]);
    for (struct account *a = all.accounts, *next; a; a = next) {
        next = a->next;
        if (a->store)
            a->store->ops->free(a->store);
        free(a->name);
        free(a->options);
        free(a);
    }
    return 0;
}
