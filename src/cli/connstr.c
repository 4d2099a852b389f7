#include "cli/connstr.h"

#include <string.h>

#include "base/str.h"
#include "cli/hostport.h"

static bool method_of(struct ph_str s, enum ph_connstr_method *out)
{
    if (ph_str_caseis(s, "CRAM-MD5"))
        *out = PH_CONNSTR_CRAM_MD5;
    else if (ph_str_caseis(s, "PREAUTH"))
        *out = PH_CONNSTR_PREAUTH;
    else
        return false;
    return true;
}

static char delimiter_of(const char *text)
{
    unsigned n = 0;

    for (const char *p = text; *p; p++)
        n += *p == '\\';
    return n >= 2 ? '\\' : '/';
}

static int take_user(struct ph_str s, struct ph_arena *arena, struct ph_connstr *out, struct ph_err *err)
{
    const char *colon = memchr(s.p, ':', s.n);
    struct ph_str user = { s.p, colon ? (size_t)(colon - s.p) : s.n };

    if (user.n == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the connection string has an empty user name");
    if (!(out->user = ph_arena_strdup(arena, user)))
        return ph_fail_memory(err);
    if (!colon)
        return 0;
    struct ph_str admin = { colon + 1, s.n - user.n - 1 };
    if (admin.n == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the connection string has a colon and no administrator behind the user");
    out->admin = ph_arena_strdup(arena, admin);
    return out->admin ? 0 : ph_fail_memory(err);
}

/* What stands behind the second delimiter: secret, and a method at its end. */
static int take_secret(char *text, char delim, struct ph_arena *arena, struct ph_connstr *out, struct ph_err *err)
{
    size_t n = strlen(text);
    char *last = strrchr(text, delim);
    bool method_only = !last && method_of((struct ph_str){ text, n }, &out->method);

    if (last && method_of(ph_str(last + 1), &out->method))
        n = (size_t)(last - text);
    if (!method_only) {
        out->secret = ph_arena_dup(arena, text, n);
        memset(text, '*', n);
        if (!out->secret)
            return ph_fail_memory(err);
    }
    return 0;
}

int ph_connstr_parse(char *text, struct ph_arena *arena, struct ph_connstr *out, struct ph_err *err)
{
    char delim = delimiter_of(text);
    char *first = strchr(text, delim), *second = first ? strchr(first + 1, delim) : NULL;
    int rc = 0;
    bool given;

    *out = (struct ph_connstr){ 0 };
    if (second)
        rc = take_secret(second + 1, delim, arena, out, err);
    if (rc == 0 && first) {
        struct ph_str user = { first + 1, second ? (size_t)(second - first) - 1 : strlen(first + 1) };
        if (second || !method_of(user, &out->method))
            rc = take_user(user, arena, out, err);
    }
    struct ph_str host = { text, first ? (size_t)(first - text) : strlen(text) };
    if (rc == 0 && ph_hostport_parse(host, arena, &out->host, &out->port, &given, err)) {
        ph_err_prefix(err, "connection string");
        rc = -1;
    }
    return rc;
}
