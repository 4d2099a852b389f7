#include "cli/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/secret.h"
#include "base/str.h"
#include "cli/text.h"

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* The field at p up to its colon, unescaped and trimmed; NULL without memory. *next: behind the colon, or NULL at the end. */
static char *field(const char *p, struct ph_arena *arena, const char **next)
{
    p = skip_blanks(p);
    char *out = ph_arena_alloc(arena, strlen(p) + 1), *o = out;
    if (!out)
        return NULL;
    if (strncasecmp(p, "oauth2:", 7) == 0) {
        memcpy(o, "oauth2:", 7);
        o += 7;
        p += 7;
    }
    while (*p && *p != ':') {
        if (*p == '\\' && (p[1] == ':' || p[1] == '\\'))
            p++;
        *o++ = *p++;
    }
    while (o > out && (o[-1] == ' ' || o[-1] == '\t'))
        o--;
    *o = 0;
    *next = *p == ':' ? p + 1 : NULL;
    return out;
}

int ph_user_pair_parse(const char *line, struct ph_arena *arena, struct ph_user_pair *out, struct ph_err *err)
{
    const char *f[4], *p = skip_blanks(line);
    unsigned n = 0;

    *out = (struct ph_user_pair){ 0 };
    if (!*p || *p == '#')
        return 0;
    for (; p && n < 4; n++)
        if (!(f[n] = field(p, arena, &p)))
            return ph_fail_memory(err);
    if (n != 4 || p)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_USAGE, "%s four fields: sourceuser:password:destinationuser:password",
                       p ? "more than" : "fewer than");
    if (!*f[0] || !*f[2])
        return ph_fail(err, PH_SCOPE_NONE, PH_E_USAGE, "a user's name is empty");
    *out = (struct ph_user_pair){ f[0], f[1], f[2], f[3], 0 };
    return 1;
}

struct reading {
    const char *path;
    struct ph_arena *arena;
    struct ph_user_pair *list;
    size_t n, cap, bad;
    void (*warn)(void *ctx, const char *text);
    void *ctx;
};

__attribute__((format(printf, 2, 3))) static void tell(struct reading *r, const char *fmt, ...)
{
    char text[640];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->warn(r->ctx, text);
}

static int add(struct reading *r, const struct ph_user_pair *u, struct ph_err *err)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        struct ph_user_pair *bigger = ph_arena_alloc(r->arena, cap * sizeof *bigger);
        if (!bigger)
            return ph_fail_memory(err);
        if (r->n)
            memcpy(bigger, r->list, r->n * sizeof *bigger);
        r->list = bigger;
        r->cap = cap;
    }
    r->list[r->n++] = *u;
    return 0;
}

static int read_lines(struct reading *r, FILE *f, struct ph_err *err)
{
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;

    for (unsigned number = 1; rc == 0; number++) {
        errno = 0;
        ssize_t n = getline(&line, &cap, f);
        if (n < 0) {
            if (ferror(f))
                rc = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "%s", r->path);
            break;
        }
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        struct ph_user_pair u;
        struct ph_err why;
        int got = strlen(line) == (size_t)n ? ph_user_pair_parse(line, r->arena, &u, &why)
                                            : ph_fail(&why, PH_SCOPE_NONE, PH_E_USAGE, "a NUL in the line");
        if (got < 0) {
            tell(r, "%s: line %u: %s", r->path, number, why.text);
            r->bad++;
        } else if (got > 0) {
            u.line = number;
            rc = add(r, &u, err);
        }
    }
    if (line)
        ph_wipe(line, cap);
    free(line);
    return rc;
}

int ph_user_pairs_read(const char *path, struct ph_arena *arena, struct ph_user_pair **out, size_t *n, size_t *bad,
                       void (*warn)(void *ctx, const char *text), void *ctx, struct ph_err *err)
{
    struct reading r = { .path = path, .arena = arena, .warn = warn, .ctx = ctx };
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "users file %s", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "users file %s is not a regular file", path);
    }
    if (st.st_mode & 077)
        tell(&r, "%s holds passwords and others can read it: chmod 600 %s", path, path);
    FILE *f = fdopen(fd, "r");
    if (!f) {
        close(fd);
        return ph_fail_memory(err);
    }
    char buffer[8192]; /* ours, so that no copy of the passwords stays behind in it */
    setvbuf(f, buffer, _IOFBF, sizeof buffer);
    int rc = read_lines(&r, f, err);
    fclose(f);
    ph_wipe(buffer, sizeof buffer);
    *out = r.list;
    *n = r.n;
    *bad = r.bad;
    return rc;
}
