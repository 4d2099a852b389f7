/* credential.c: one secret for many lanes. The lock is never held while a source is asked. */
#include "sasl/credential.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/deadline.h"
#include "sasl/source.h"

#define COMMAND_TIMEOUT_MS 60000
#define COMMAND_FRESH_MS 30000 /* lanes that connect together do not start the command each */

enum origin {
    FIXED,
    FROM_FILE,
    FROM_ENV,
    FROM_COMMAND,
    FROM_ASKING,
};

struct ph_credential {
    enum ph_credential_kind kind;
    enum origin origin;
    bool once; /* the first answer is kept for good */
    char *where;
    char *warning;
    int (*ask)(void *ctx, struct ph_secret *out, struct ph_err *err);
    void *ctx;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t answered;
    bool asking;
    unsigned long round;  /* questions that were answered, well or ill */
    int rc;               /* of the last question */
    struct ph_err err;
    struct ph_secret secret;
    unsigned generation;  /* of `secret`; 0: none yet */
    int64_t fresh_until;  /* monotonic ms; before it the secret is given without asking */
    bool rejected;        /* the secret was refused */
};

static struct ph_credential *new_credential(enum ph_credential_kind kind, enum origin origin, struct ph_str where)
{
    struct ph_credential *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->kind = kind;
    c->origin = origin;
    c->where = where.p ? ph_str_dup(where) : NULL;
    if (where.p && !c->where) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->answered, NULL);
    return c;
}

struct ph_credential *ph_credential_fixed(enum ph_credential_kind kind, struct ph_str secret)
{
    struct ph_credential *c = new_credential(kind, FIXED, PH_STR_NIL);

    if (c && ph_secret_set(&c->secret, secret.p ? secret.p : "", secret.n) < 0) {
        ph_credential_free(c);
        return NULL;
    }
    if (c) {
        c->once = true;
        c->generation = 1;
    }
    return c;
}

struct ph_credential *ph_credential_file(enum ph_credential_kind kind, const char *path)
{
    struct ph_credential *c = new_credential(kind, FROM_FILE, ph_str(path));
    struct stat st;

    if (!c || stat(path, &st) < 0)
        return c; /* a missing file is said by get: it may come later */
    c->once = !S_ISREG(st.st_mode); /* a pipe has its line once */
    if (S_ISREG(st.st_mode) && st.st_mode & (S_IRGRP | S_IROTH) &&
        asprintf(&c->warning, "the file %s with a secret can be read by others (mode %04o)", path,
                 (unsigned)st.st_mode & 07777) < 0) {
        c->warning = NULL;
        ph_credential_free(c);
        return NULL;
    }
    return c;
}

struct ph_credential *ph_credential_env(enum ph_credential_kind kind, const char *variable)
{
    return new_credential(kind, FROM_ENV, ph_str(variable));
}

struct ph_credential *ph_credential_command(enum ph_credential_kind kind, const char *command)
{
    return new_credential(kind, FROM_COMMAND, ph_str(command));
}

struct ph_credential *ph_credential_ask(enum ph_credential_kind kind,
                                        int (*ask)(void *ctx, struct ph_secret *out, struct ph_err *err), void *ctx)
{
    struct ph_credential *c = new_credential(kind, FROM_ASKING, PH_STR_NIL);

    if (c) {
        c->once = true;
        c->ask = ask;
        c->ctx = ctx;
    }
    return c;
}

void ph_credential_free(struct ph_credential *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->answered);
    ph_secret_done(&c->secret);
    free(c->warning);
    free(c->where);
    free(c);
}

const char *ph_credential_warning(const struct ph_credential *c)
{
    return c->warning ? c->warning : "";
}

enum ph_credential_kind ph_credential_kind_of(const struct ph_credential *c)
{
    return c->kind;
}

static int ask_source(struct ph_credential *c, struct ph_secret *out, struct ph_err *err)
{
    const char *what = c->kind == PH_CRED_TOKEN ? "token" : "password";

    switch (c->origin) {
    case FROM_FILE:
        return ph_source_file(c->where, what, out, err);
    case FROM_ENV:
        return ph_source_env(c->where, what, out, err);
    case FROM_COMMAND:
        return ph_source_command(c->where, what, COMMAND_TIMEOUT_MS, out, err);
    case FROM_ASKING:
        return c->ask(c->ctx, out, err);
    case FIXED:
        break;
    }
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a credential without a source");
}

/* Locked. May the answer at hand be given? */
static bool usable(const struct ph_credential *c)
{
    if (c->once && c->round && c->rc < 0)
        return true; /* the user was asked and declined: not once more for each lane */
    if (!c->generation || (c->rejected && !c->once))
        return false;
    return c->once || ph_now_ms() < c->fresh_until;
}

/* Locked before and after, not while the source is asked. */
static void ask_now(struct ph_credential *c)
{
    struct ph_secret fresh = { 0 };
    struct ph_err err = { 0 };

    c->asking = true;
    pthread_mutex_unlock(&c->lock);
    int rc = ask_source(c, &fresh, &err);
    pthread_mutex_lock(&c->lock);
    c->asking = false;
    c->rc = rc;
    c->err = err;
    c->round++;
    if (rc == 0) {
        ph_secret_done(&c->secret);
        c->secret = fresh;
        c->generation++;
        c->rejected = false;
        c->fresh_until = c->origin == FROM_COMMAND ? ph_deadline_in(COMMAND_FRESH_MS) : 0;
    } else {
        ph_secret_done(&fresh);
    }
    pthread_cond_broadcast(&c->answered);
}

int ph_credential_get(struct ph_credential *c, struct ph_secret *out, unsigned *generation, struct ph_err *err)
{
    int rc = 0;

    *out = (struct ph_secret){ 0 };
    pthread_mutex_lock(&c->lock);
    if (c->asking) {
        /* Whatever comes of the question that is under way is the answer for all who wait for it. */
        unsigned long round = c->round;
        while (c->round == round)
            pthread_cond_wait(&c->answered, &c->lock);
    } else if (!usable(c)) {
        ask_now(c);
    }
    if (c->rc < 0) {
        if (err)
            *err = c->err;
        rc = -1;
    } else if (ph_secret_set(out, c->secret.p, c->secret.n) < 0) {
        rc = ph_fail_memory(err);
    }
    if (generation)
        *generation = c->generation;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

bool ph_credential_refresh(struct ph_credential *c, unsigned refused_generation)
{
    pthread_mutex_lock(&c->lock);
    bool again = !c->once;
    if (refused_generation == c->generation)
        c->rejected = true; /* else another lane's refusal has brought a newer answer already */
    pthread_mutex_unlock(&c->lock);
    return again;
}
