#include "daemon/accounts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli/side.h"
#include "sasl/credential.h"
#include "store/imap.h"
#include "store/memory.h"
#include "store/readonly.h"

/* Somebody who has logged in to the other server, or has mail in memory. */
struct account {
    struct account *next;
    char *user;
    struct ph_store *memory;         /* kept */
    struct ph_credential *credential; /* the newest that was right */
};

/* What was opened: the store that is used, what it stands on, and what that needs. */
struct opened {
    struct opened *next;
    struct ph_store *store, *inner;
    struct ph_credential *credential;
    bool keep;                       /* inner is an account's */
};

struct ph_accounts {
    enum ph_accounts_kind kind;
    struct ph_local_root *root;
    struct ph_side side;
    struct ph_credential *fixed;     /* of imaps://user@host/ */
    pthread_mutex_t lock;
    struct account *accounts;
    struct opened *opened;
};

static void store_free(struct ph_store *st)
{
    if (st)
        st->ops->free(st);
}

/* ---- making ---- */

static int open_root(struct ph_accounts *a, const struct ph_daemon_config *c, const char *path, struct ph_err *err)
{
    struct ph_local_options o = { .append_limit = c->limits.append, .quota_storage = c->quota_storage,
                                  .quota_messages = c->quota_messages };

    if (!*path)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "local: wants a directory: local:/srv/mail");
    return ph_local_root_new(path, &o, &a->root, err);
}

static int open_upstream(struct ph_accounts *a, struct ph_daemon_config *c, char *url, struct ph_err *err)
{
    static const struct ph_side_rules rules = { 0 };
    bool secret;

    a->side = (struct ph_side){ .name = "other server", .prefix = "upstream" };
    if (ph_side_take_url(&a->side, url, &c->arena, err))
        return -1;
    a->side.password_file = c->upstream_password_file;
    a->side.password_command = c->upstream_password_command;
    a->side.ca_file = c->upstream_ca_file;
    a->side.pin = c->upstream_tls_pin;
    a->side.insecure = c->upstream_insecure;
    secret = a->side.secret || a->side.password_file || a->side.password_command;
    if (c->proxy && (a->side.imap.user || secret))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a proxy passes each client's own name and password on: write imaps://host/, without "
                                                      "a user, and no upstream password");
    if (!c->proxy && (!a->side.imap.user || !secret))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "imaps://user@host/ needs a user and upstream-password-file or "
                                                      "upstream-password-command; or say proxy, and imaps://host/");
    if (c->proxy)
        a->side.imap.user = "";
    if (ph_side_finish(&a->side, &rules, &c->arena, err))
        return -1;
    if (c->proxy)
        return 0;
    if (ph_side_credential(&a->side, err))
        return -1;
    a->fixed = a->side.imap.credential;
    ph_side_wipe(&a->side);
    return 0;
}

int ph_accounts_new(struct ph_daemon_config *c, void (*notice)(void *, const char *), void *ctx, struct ph_accounts **out,
                    struct ph_err *err)
{
    struct ph_accounts *a = calloc(1, sizeof *a);
    struct ph_str url = ph_str(c->store);
    int rc = 0;

    *out = NULL;
    if (!a)
        return ph_fail_memory(err);
    pthread_mutex_init(&a->lock, NULL);
    if (ph_str_prefix(url, "local:")) {
        a->kind = PH_ACCOUNTS_LOCAL;
        rc = open_root(a, c, c->store + 6, err);
    } else if (ph_str_is(url, "memory:")) {
        a->kind = PH_ACCOUNTS_MEMORY;
    } else if (ph_str_caseprefix(url, "imaps:") || ph_str_caseprefix(url, "imap:") || ph_str_caseprefix(url, "imap+unix:")) {
        a->kind = PH_ACCOUNTS_IMAP;
        rc = open_upstream(a, c, (char *)(uintptr_t)c->store, err);
        a->side.imap.on_notice = notice;
        a->side.imap.ctx = ctx;
    } else {
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a store is local:/path, memory: or imaps://host/");
    }
    if (rc == 0 && c->proxy && a->kind != PH_ACCOUNTS_IMAP)
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "proxy is for a store imaps://host/");
    if (rc) {
        ph_accounts_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

void ph_accounts_free(struct ph_accounts *a)
{
    if (!a)
        return;
    while (a->opened)
        ph_accounts_close(a, a->opened->store);
    for (struct account *k; (k = a->accounts);) {
        a->accounts = k->next;
        store_free(k->memory);
        ph_credential_free(k->credential);
        free(k->user);
        free(k);
    }
    ph_credential_free(a->fixed);
    ph_local_root_free(a->root);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

enum ph_accounts_kind ph_accounts_kind(const struct ph_accounts *a)
{
    return a->kind;
}

struct ph_local_root *ph_accounts_root(const struct ph_accounts *a)
{
    return a->root;
}

/* ---- the table ---- */

/* Found or made; the lock is held. NULL without memory. */
static struct account *account(struct ph_accounts *a, const char *user)
{
    for (struct account *k = a->accounts; k; k = k->next)
        if (strcmp(k->user, user) == 0)
            return k;
    struct account *k = calloc(1, sizeof *k);
    if (!k || !(k->user = ph_str_dup(ph_str(user)))) {
        free(k);
        return NULL;
    }
    k->next = a->accounts;
    a->accounts = k;
    return k;
}

static int open_memory(struct ph_accounts *a, const char *user, struct opened *o, struct ph_err *err)
{
    int rc = 0;

    pthread_mutex_lock(&a->lock);
    struct account *k = account(a, user);
    if (!k)
        rc = ph_fail_memory(err);
    else if (!k->memory && (rc = ph_memory_store_new(user, NULL, &k->memory, err)) == 0)
        ph_memory_folder(k->memory, "INBOX", 0); /* may be there already */
    if (rc == 0)
        o->inner = k->memory;
    o->keep = true;
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static int open_imap(struct ph_accounts *a, const char *user, struct opened *o, struct ph_err *err)
{
    struct ph_imap_options opt = a->side.imap;

    if (!a->fixed) {
        pthread_mutex_lock(&a->lock);
        struct account *k = account(a, user);
        o->credential = k ? k->credential : NULL; /* ours now: a later login brings its own */
        if (k)
            k->credential = NULL;
        pthread_mutex_unlock(&a->lock);
        if (!o->credential)
            return ph_fail(err, PH_SCOPE_STORE, PH_E_AUTH, "nobody has logged in with this name");
        opt.user = user;
        opt.credential = o->credential;
    }
    return ph_imap_store_new(&opt, &o->inner, err);
}

/* ---- opening ---- */

int ph_accounts_open(struct ph_accounts *a, const char *user, bool create, bool read_only, struct ph_store **out, struct ph_err *err)
{
    struct opened *o = calloc(1, sizeof *o);
    int rc;

    *out = NULL;
    if (!o)
        return ph_fail_memory(err);
    switch (a->kind) {
    case PH_ACCOUNTS_LOCAL:
        rc = ph_local_store_new(a->root, user, create, &o->inner, err);
        break;
    case PH_ACCOUNTS_MEMORY:
        rc = open_memory(a, user, o, err);
        break;
    default:
        rc = open_imap(a, user, o, err);
    }
    o->store = o->inner;
    if (rc == 0 && read_only)
        rc = ph_readonly_store_new(o->inner, &o->store, err);
    if (rc) {
        if (!o->keep)
            store_free(o->inner);
        ph_credential_free(o->credential);
        free(o);
        return -1;
    }
    pthread_mutex_lock(&a->lock);
    o->next = a->opened;
    a->opened = o;
    pthread_mutex_unlock(&a->lock);
    *out = o->store;
    return 0;
}

void ph_accounts_close(struct ph_accounts *a, struct ph_store *store)
{
    struct opened **at = &a->opened, *o;

    pthread_mutex_lock(&a->lock);
    /* An account in memory may be open several times with the same store: any of them will do. */
    while (*at && (*at)->store != store)
        at = &(*at)->next;
    o = *at;
    if (o)
        *at = o->next;
    pthread_mutex_unlock(&a->lock);
    if (!o)
        return;
    if (o->store != o->inner)
        store_free(o->store);
    if (!o->keep)
        store_free(o->inner);
    ph_credential_free(o->credential);
    free(o);
}

bool ph_accounts_have(struct ph_accounts *a, const char *user)
{
    bool exists = true;
    struct ph_err err;

    if (a->kind == PH_ACCOUNTS_LOCAL && ph_local_user_exists(a->root, user, &exists, &err))
        return false;
    return exists;
}

/* ---- passing passwords on ---- */

static int try_login(struct ph_accounts *a, const char *user, struct ph_credential *credential, struct ph_err *err)
{
    struct ph_imap_options opt = a->side.imap;
    struct ph_loop loop = { 0 };
    struct ph_session *s;
    struct ph_store *st;
    struct ph_err why = { 0 };

    opt.user = user;
    opt.credential = credential;
    if (ph_imap_store_new(&opt, &st, err))
        return 1;
    int rc = st->ops->open(st, &loop, &s, &why);
    if (rc == 0)
        s->ops->close(s);
    else
        rc = why.kind == PH_E_AUTH ? -1 : 1;
    store_free(st);
    if (rc && err)
        *err = why;
    return rc;
}

int ph_accounts_try(struct ph_accounts *a, const char *user, struct ph_str password, struct ph_err *err)
{
    struct ph_credential *c = ph_credential_fixed(PH_CRED_PASSWORD, password);

    if (!c) {
        ph_fail_memory(err);
        return 1;
    }
    int rc = try_login(a, user, c, err);
    if (rc == 0) {
        pthread_mutex_lock(&a->lock);
        struct account *k = account(a, user);
        if (k) {
            ph_credential_free(k->credential);
            k->credential = c;
            c = NULL;
        }
        pthread_mutex_unlock(&a->lock);
    }
    ph_credential_free(c);
    return rc;
}
