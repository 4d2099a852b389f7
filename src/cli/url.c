#include "cli/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/secret.h"
#include "base/str.h"
#include "cli/hostport.h"

static const struct {
    const char *prefix;
    enum ph_url_scheme scheme;
    uint16_t port;
} schemes[] = {
    { "imaps://", PH_URL_IMAPS, 993 },
    { "imap://", PH_URL_IMAP, 143 },
    { "imap+unix://", PH_URL_IMAP_UNIX, 0 },
};

bool ph_host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    struct ph_str h = ph_str(host);

    if (h.n && h.p[h.n - 1] == '.')
        h.n--;
    if (ph_str_caseis(h, "localhost") || (h.n > 10 && ph_str_caseis((struct ph_str){ h.p + h.n - 10, 10 }, ".localhost")))
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return false;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* RFC 3986 2.1 */
static char *decoded(struct ph_str s, const char *what, struct ph_arena *arena, struct ph_err *err)
{
    char *out = ph_arena_alloc(arena, s.n + 1), *o = out;

    if (!out) {
        ph_fail_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            *o++ = s.p[i];
            continue;
        }
        int hi = i + 2 < s.n ? hex(s.p[i + 1]) : -1, lo = i + 2 < s.n ? hex(s.p[i + 2]) : -1;
        if (hi < 0 || lo < 0 || (hi == 0 && lo == 0)) {
            ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a %% in the %s of the URL is not followed by two hexadecimal digits "
                                                   "(write %%25 for the sign itself)", what);
            ph_wipe(out, s.n);
            return NULL;
        }
        *o++ = (char)(hi << 4 | lo);
        i += 2;
    }
    *o = 0;
    return out;
}

/* user[:password][;AUTH=mechanism], or user[;AUTH=mechanism][:password] as some write it */
static int userinfo(struct ph_str s, struct ph_arena *arena, struct ph_url *u, struct ph_err *err)
{
    size_t user_len = 0;
    struct ph_str auth = PH_STR_NIL, secret = PH_STR_NIL;

    while (user_len < s.n && s.p[user_len] != ':' && s.p[user_len] != ';')
        user_len++;
    for (size_t i = user_len; i < s.n;) {
        size_t start = i + 1, end = start;
        if (s.p[i] == ';') {
            while (end < s.n && s.p[end] != ':')
                end++;
            auth = (struct ph_str){ s.p + start, end - start };
        } else {
            /* ";AUTH=" ends a password; any other `;` belongs to it */
            while (end < s.n && !(s.n - end > 6 && strncasecmp(s.p + end, ";AUTH=", 6) == 0))
                end++;
            secret = (struct ph_str){ s.p + start, end - start };
        }
        i = end;
    }
    if (auth.p && !ph_str_caseprefix(auth, "AUTH="))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "behind the user's name the URL may have ;AUTH=MECHANISM only");
    if (user_len && !(u->user = decoded((struct ph_str){ s.p, user_len }, "user's name", arena, err)))
        return -1;
    if (auth.p && !ph_str_is(auth, "AUTH=*") && !ph_str_is(auth, "auth=*")) {
        char *a = decoded((struct ph_str){ auth.p + 5, auth.n - 5 }, "mechanism", arena, err);
        if (!a)
            return -1;
        for (char *p = a; *p; p++)
            *p = (char)ph_upper((unsigned char)*p);
        if (!*a)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the URL names no mechanism behind ;AUTH=");
        u->auth = a;
    }
    if (secret.p && !(u->secret = decoded(secret, "password", arena, err)))
        return -1;
    if (secret.p)
        memset((char *)(uintptr_t)secret.p, '*', secret.n);
    return 0;
}

static int authority(char *text, size_t n, struct ph_arena *arena, struct ph_url *u, struct ph_err *err)
{
    size_t at = n;

    for (size_t i = 0; i < n; i++)
        if (text[i] == '@')
            at = i; /* the last one: people do not encode an @ in user names */
    if (at < n && userinfo((struct ph_str){ text, at }, arena, u, err))
        return -1;
    struct ph_str host = at < n ? (struct ph_str){ text + at + 1, n - at - 1 } : (struct ph_str){ text, n };
    if (u->scheme == PH_URL_IMAP_UNIX)
        return host.n ? ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "imap+unix: has no host: imap+unix:///path or "
                                                               "imap+unix://user@/path") : 0;
    bool port_given;
    if (ph_hostport_parse(host, arena, &u->host, &u->port, &port_given, err)) {
        ph_err_prefix(err, "URL");
        return -1;
    }
    return 0;
}

static int not_a_url(const char *text, struct ph_err *err)
{
    size_t n = 0;

    while (isalnum((unsigned char)text[n]) || text[n] == '+' || text[n] == '-' || text[n] == '.')
        n++;
    if (n > 1 && strncmp(text + n, "://", 3) == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "\"%.*s://\" is not a kind of account that is known here: imaps://, "
                                                      "imap:// and imap+unix:// are", (int)n, text);
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "an account is written as imaps://user@host/");
}

/* A password in something that is no right URL: what stands between `:` and the last `@` behind the scheme. */
static void wipe_password(char *text)
{
    char *start = strstr(text, "://");
    start = start ? start + 3 : text;
    char *colon = strchr(start, ':'), *at = strrchr(start, '@');

    if (colon && at && colon < at)
        memset(colon + 1, '*', (size_t)(at - colon - 1));
}

int ph_url_parse(char *text, struct ph_arena *arena, struct ph_url *out, struct ph_err *err)
{
    *out = (struct ph_url){ 0 };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!ph_str_caseprefix(ph_str(text), schemes[i].prefix))
            continue;
        char *rest = text + strlen(schemes[i].prefix);
        out->scheme = schemes[i].scheme;
        out->port = schemes[i].port;
        /* A password may hold a `/` that nobody encoded: the path begins behind the last @ */
        char *at = strrchr(rest, '@');
        size_t n = at ? (size_t)(at - rest) + strcspn(at, "/?#") : strcspn(rest, "/?#");
        const char *path = rest + n;
        int rc = authority(rest, n, arena, out, err);
        wipe_password(text);
        if (rc)
            return -1;
        if (out->scheme == PH_URL_IMAP_UNIX) {
            if (path[0] != '/' || !path[1])
                return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "imap+unix: needs the path of a socket: imap+unix:///path");
            out->path = decoded(ph_str(path), "path", arena, err);
            return out->path ? 0 : -1;
        }
        if (*path && strcmp(path, "/") != 0)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a URL names an account: what stands behind the host (%.60s) does not "
                                                          "belong there; choose folders with --include", path);
        return 0;
    }
    wipe_password(text);
    return not_a_url(text, err);
}
