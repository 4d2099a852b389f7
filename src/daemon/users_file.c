#include "daemon/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "daemon/users.h"
#include "sasl/sasl.h"

#define FILE_MAX (64u << 20)
#define NAME_MAX_BYTES 200

bool ph_user_name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > NAME_MAX_BYTES)
        return false;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p <= ' ' || *p == 0x7f || *p == ':')
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ph_users_entry *)a)->name, ((const struct ph_users_entry *)b)->name);
}

static int wrong(struct ph_err *err, const char *path, unsigned line, const char *what)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s:%u: %s", path, line, what);
}

/* The verifiers behind the colon. A text that is not one is never repeated in an error. */
static int take_verifiers(char *text, struct ph_users_entry *e, const char *path, unsigned line, struct ph_err *err)
{
    char *rest;

    for (char *word = strtok_r(text, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
        const char *value;
        enum ph_verifier_kind kind = ph_verifier_parse(word, &value);
        if (kind == PH_VERIFIER_NONE)
            return wrong(err, path, line, "neither {SCRAM-SHA-256}…, {SCRAM-SHA-1}…, {PLAIN}… nor what crypt(3) makes; \"posthaste passwd\" "
                                          "writes such lines");
        if (kind == PH_VERIFIER_SCRAM_SHA256)
            e->scram_sha256 = value;
        if (kind == PH_VERIFIER_SCRAM_SHA1)
            e->scram_sha1 = value;
        if (kind == PH_VERIFIER_PLAIN)
            e->plain = value;
        if (!e->main || kind == PH_VERIFIER_SCRAM_SHA256) {
            e->kind = kind;
            e->main = value;
        }
    }
    return e->main ? 0 : wrong(err, path, line, "nothing stands behind the name: \"posthaste passwd\" sets a password");
}

static int take_key(struct ph_users_table *t, const char *text, const char *path, unsigned line, struct ph_err *err)
{
    struct ph_buf b = PH_BUF_INIT;
    int rc = -1;

    if (strncmp(text, "{KEY}", 5) != 0 || ph_base64_decode(ph_str(text + 5), &b) || ph_buf_len(&b) < 16)
        wrong(err, path, line, "a line without a name has to be a key: {KEY} and base64");
    else if (!(t->key.p = ph_arena_dup(&t->arena, ph_buf_data(&b), ph_buf_len(&b))))
        ph_fail_memory(err);
    else {
        t->key.n = ph_buf_len(&b);
        rc = 0;
    }
    ph_buf_done(&b);
    return rc;
}

static int take_line(struct ph_users_table *t, char *text, const char *path, unsigned line, struct ph_err *err)
{
    size_t n = strlen(text);

    if (n && text[n - 1] == '\r')
        text[n - 1] = '\0';
    if (*text == '#' || text[strspn(text, " \t")] == '\0')
        return 0;
    char *colon = strchr(text, ':');
    if (!colon)
        return wrong(err, path, line, "a line is a name, a colon and a verifier");
    *colon = '\0';
    if (colon == text)
        return take_key(t, colon + 1, path, line, err);
    if (!ph_user_name_ok(text))
        return wrong(err, path, line, "a name has 1 to 200 octets without blanks and control characters");
    struct ph_users_entry *e = &t->entry[t->n];
    *e = (struct ph_users_entry){ .name = text };
    if (take_verifiers(colon + 1, e, path, line, err))
        return -1;
    t->n++;
    return 0;
}

static int find_doubles(const struct ph_users_table *t, const char *path, struct ph_err *err)
{
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(t->entry[i - 1].name, t->entry[i].name) == 0)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s: \"%s\" is in it twice", path, t->entry[i].name);
    return 0;
}

int ph_users_table_parse(char *text, const char *path, struct ph_users_table **out, struct ph_err *err)
{
    struct ph_users_table *t = calloc(1, sizeof *t);
    size_t lines = 1;
    unsigned number = 0;

    *out = NULL;
    if (!t)
        return ph_fail_memory(err);
    t->refs = 1;
    ph_arena_init(&t->arena, 0);
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    char *own = ph_arena_strdup(&t->arena, ph_str(text));
    t->entry = calloc(lines, sizeof *t->entry);
    int rc = own && t->entry ? 0 : ph_fail_memory(err);
    for (char *line = own, *next; rc == 0 && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        rc = take_line(t, line, path, ++number, err);
    }
    if (rc == 0 && t->n)
        qsort(t->entry, t->n, sizeof *t->entry, by_name);
    if (rc || find_doubles(t, path, err)) {
        ph_users_table_unref(t);
        return -1;
    }
    *out = t;
    return 0;
}

int ph_users_file_slurp(int fd, const char *path, struct ph_buf *out, struct ph_err *err)
{
    for (;;) {
        char *p = ph_buf_reserve(out, 65536);
        if (!p)
            return ph_fail_memory(err);
        ssize_t got = read(fd, p, 65535);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot read %s", path);
        if (got == 0)
            break;
        ph_buf_commit(out, (size_t)got);
        if (ph_buf_len(out) > FILE_MAX)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "%s has more than %u octets", path, FILE_MAX);
    }
    if (ph_buf_len(out) && memchr(ph_buf_data(out), 0, ph_buf_len(out)))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s has a NUL octet in it: this is no text", path);
    return 0;
}

int ph_users_table_read(const char *path, struct ph_users_table **out, struct stat *st, struct ph_err *err)
{
    struct ph_buf b = PH_BUF_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

    *out = NULL;
    if (fd < 0 || fstat(fd, st) < 0) {
        rc = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot read the users in %s", path);
    } else {
        rc = ph_users_file_slurp(fd, path, &b, err);
        if (rc == 0)
            rc = ph_users_table_parse((char *)(uintptr_t)ph_buf_z(&b), path, out, err);
    }
    if (fd >= 0)
        close(fd);
    ph_buf_done(&b);
    return rc;
}

struct ph_users_table *ph_users_table_ref(struct ph_users_table *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void ph_users_table_unref(struct ph_users_table *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    ph_arena_done(&t->arena);
    free(t->entry);
    free(t);
}

const struct ph_users_entry *ph_users_table_find(const struct ph_users_table *t, const char *name)
{
    struct ph_users_entry wanted = { .name = name };

    return t->n ? bsearch(&wanted, t->entry, t->n, sizeof *t->entry, by_name) : NULL;
}
