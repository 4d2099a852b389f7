/* names_rules.c: the mapping file of folder names (names.h). */
#include "transfer/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

#define FILE_MAX (16u << 20)

static int read_file(const char *path, struct ph_buf *text, struct ph_err *err)
{
    FILE *f = fopen(path, "re");
    int r = 0;

    if (!f)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "%s", path);
    while (r == 0) {
        char *p = ph_buf_reserve(text, 65536);
        if (!p) {
            r = ph_fail_memory(err);
            break;
        }
        size_t n = fread(p, 1, 65536, f);
        ph_buf_commit(text, n);
        if (ferror(f))
            r = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "%s", path);
        else if (ph_buf_len(text) > FILE_MAX)
            r = ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "%s: larger than 16 MiB", path);
        else if (n == 0)
            break;
    }
    fclose(f);
    return r;
}

static struct ph_str trim(struct ph_str s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* `\:` and `\\`; any other backslash is one. */
static char *unescape(struct ph_arena *arena, struct ph_str s)
{
    char *z = ph_arena_dup(arena, s.p, s.n);
    size_t o = 0;

    for (size_t i = 0; z && i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && (s.p[i + 1] == ':' || s.p[i + 1] == '\\'))
            i++;
        z[o++] = s.p[i];
    }
    if (z)
        z[o] = 0;
    return z;
}

/* 1: a rule; 0: nothing on this line; -1: *wrong says why not. */
static int split(struct ph_str line, struct ph_str *src, struct ph_str *dst, const char **wrong)
{
    size_t colon = 0;

    line = trim(line);
    if (line.n == 0 || *line.p == '#')
        return 0;
    while (colon < line.n && line.p[colon] != ':')
        colon += line.p[colon] == '\\' && colon + 1 < line.n && (line.p[colon + 1] == ':' || line.p[colon + 1] == '\\') ? 2 : 1;
    *wrong = "no colon between two names";
    if (colon >= line.n)
        return -1;
    *src = trim((struct ph_str){ line.p, colon });
    *dst = trim((struct ph_str){ line.p + colon + 1, line.n - colon - 1 });
    *wrong = src->n == 0 ? "no name before the colon" : "no name behind the colon";
    if (src->n == 0 || dst->n == 0)
        return -1;
    *wrong = "not UTF-8 text";
    return memchr(line.p, 0, line.n) || !ph_utf8_valid(line) ? -1 : 1;
}

struct reading {
    const char *path;
    struct ph_arena *arena;
    struct ph_buf rules; /* of struct ph_name_rule */
    void (*warn)(void *ctx, const char *text);
    void *ctx;
};

static int read_line(struct reading *r, struct ph_str line, unsigned number, struct ph_err *err)
{
    struct ph_str src, dst;
    const char *wrong;
    struct ph_name_rule rule;

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    int what = split(line, &src, &dst, &wrong);
    if (what < 0) {
        char text[PH_ERR_TEXT];
        snprintf(text, sizeof text, "%s:%u: %s", r->path, number, wrong);
        if (r->warn)
            r->warn(r->ctx, text);
    }
    if (what <= 0)
        return 0;
    rule.src = unescape(r->arena, src);
    rule.dst = unescape(r->arena, dst);
    if (!rule.src || !rule.dst || ph_buf_add(&r->rules, (char *)&rule, sizeof rule))
        return ph_fail_memory(err);
    return 0;
}

int ph_name_rules_read(const char *path, struct ph_arena *arena, struct ph_name_rule **out, size_t *n,
                       void (*warn)(void *ctx, const char *text), void *ctx, struct ph_err *err)
{
    struct reading r = { .path = path, .arena = arena, .warn = warn, .ctx = ctx };
    struct ph_buf text = PH_BUF_INIT;
    unsigned number = 0;

    *out = NULL;
    *n = 0;
    int result = read_file(path, &text, err);
    struct ph_str rest = ph_buf_str(&text);
    if (ph_str_prefix(rest, "\xef\xbb\xbf")) { /* the mark that editors on Windows put in front */
        rest.p += 3;
        rest.n -= 3;
    }
    while (result == 0 && rest.n) {
        const char *nl = memchr(rest.p, '\n', rest.n);
        struct ph_str line = { rest.p, nl ? (size_t)(nl - rest.p) : rest.n };
        size_t used = line.n + (nl ? 1 : 0);
        result = read_line(&r, line, ++number, err);
        rest.p += used;
        rest.n -= used;
    }
    if (result == 0) {
        struct ph_str made = ph_buf_str(&r.rules);
        *out = (struct ph_name_rule *)ph_arena_dup(arena, made.p, made.n);
        *n = made.n / sizeof **out;
        if (!*out)
            result = ph_fail_memory(err);
    }
    ph_buf_done(&r.rules);
    ph_buf_done(&text);
    return result;
}
