/* lmtp_path.c: the addresses of MAIL and RCPT (RFC 5321 4.1.2). */
#include <string.h>

#include "daemon/lmtp.h"

#define PATH_MAX_BYTES 512 /* RFC 5321 4.5.3.1 wants 256 taken */

static bool is_atext(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("()<>[]:;@\\,\"", c);
}

static void skip(struct ph_str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

/* "@a,@b:" */
static bool take_route(struct ph_str *s)
{
    if (!s->n || *s->p != '@')
        return true;
    const char *colon = memchr(s->p, ':', s->n);
    if (!colon || memchr(s->p, '>', (size_t)(colon - s->p)))
        return false;
    skip(s, (size_t)(colon - s->p) + 1);
    return true;
}

static bool take_local(struct ph_str *s, char *out, size_t *n)
{
    *n = 0;
    if (s->n && *s->p == '"') {
        skip(s, 1);
        while (s->n && *s->p != '"') {
            if (*s->p == '\\')
                skip(s, 1);
            if (!s->n || (unsigned char)*s->p < ' ' || (unsigned char)*s->p >= 0x7f)
                return false;
            out[(*n)++] = *s->p;
            skip(s, 1);
        }
        if (!s->n)
            return false;
        skip(s, 1);
        return true;
    }
    while (s->n && (is_atext((unsigned char)*s->p))) {
        out[(*n)++] = *s->p;
        skip(s, 1);
    }
    return true;
}

static bool take_domain(struct ph_str *s, char *out, size_t *n)
{
    *n = 0;
    if (s->n && *s->p == '[') {
        while (s->n && *s->p > ' ' && *s->p < 0x7f && *s->p != '>') {
            out[(*n)++] = *s->p;
            skip(s, 1);
        }
        return *n > 2 && out[*n - 1] == ']';
    }
    while (s->n && (is_atext((unsigned char)*s->p))) {
        out[(*n)++] = *s->p;
        skip(s, 1);
    }
    return *n > 0;
}

int ph_lmtp_path(struct ph_str *s, struct ph_arena *arena, const char **local, const char **domain, const char **address)
{
    char l[PATH_MAX_BYTES], d[PATH_MAX_BYTES];
    size_t n_l, n_d = 0;
    struct ph_str path = *s;
    const char *close;

    if (!path.n || *path.p != '<')
        return -1;
    /* What is taken is less than what there is: the two arrays hold it. */
    if (path.n > PATH_MAX_BYTES) {
        close = memchr(path.p, '>', PATH_MAX_BYTES);
        if (!close)
            return -1;
    }
    skip(&path, 1);
    if (!take_route(&path))
        return -1;
    const char *start = path.p;
    struct ph_str bounded = { path.p, path.n < PATH_MAX_BYTES ? path.n : PATH_MAX_BYTES };
    if (!take_local(&bounded, l, &n_l))
        return -1;
    bool at = bounded.n && *bounded.p == '@';
    if (at) {
        skip(&bounded, 1);
        if (n_l == 0 || !take_domain(&bounded, d, &n_d))
            return -1;
    }
    if (!bounded.n || *bounded.p != '>' || (n_l == 0 && bounded.p != start))
        return -1;
    *local = ph_arena_dup(arena, l, n_l);
    *domain = ph_arena_dup(arena, d, n_d);
    *address = ph_arena_dup(arena, start, (size_t)(bounded.p - start));
    if (!*local || !*domain || !*address)
        return -1;
    size_t used = (size_t)(bounded.p - s->p) + 1;
    skip(s, used);
    return 0;
}
