#include "cli/hostport.h"

#include <arpa/inet.h>
#include <ctype.h>

static int parse_port(struct ph_str s, uint16_t *out, struct ph_err *err)
{
    unsigned v = 0;

    for (size_t i = 0; i < s.n && i < 6; i++)
        v = isdigit((unsigned char)s.p[i]) ? v * 10 + (unsigned)(s.p[i] - '0') : 100000;
    if (s.n == 0 || s.n > 5 || v == 0 || v > 65535)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "\"%.*s\" is not a port number (1 to 65535)", s.n > 20 ? 20 : (int)s.n,
                       s.p);
    *out = (uint16_t)v;
    return 0;
}

int ph_hostport_parse(struct ph_str text, struct ph_arena *arena, const char **host, uint16_t *port, bool *port_given,
                      struct ph_err *err)
{
    struct ph_str h = text, after = PH_STR_NIL;
    struct in6_addr v6;
    bool bracket = text.n && text.p[0] == '[';

    if (bracket) {
        const char *end = memchr(text.p, ']', text.n);
        if (!end)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the bracket around an IPv6 address is not closed");
        h = (struct ph_str){ text.p + 1, (size_t)(end - text.p) - 1 };
        after = (struct ph_str){ end + 1, (size_t)(text.p + text.n - end) - 1 };
        if (after.n && after.p[0] != ':')
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "only a colon and a port may stand behind an IPv6 address");
    } else {
        const char *colon = memchr(text.p, ':', text.n);
        if (colon) {
            h.n = (size_t)(colon - text.p);
            after = (struct ph_str){ colon, text.n - h.n };
            if (memchr(colon + 1, ':', after.n - 1))
                return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "an IPv6 address stands in brackets: [2001:db8::1]:143");
        }
    }
    if (h.n == 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no host name");
    for (size_t i = 0; i < h.n; i++)
        if ((unsigned char)h.p[i] <= 0x20 || h.p[i] == 0x7f)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a host name has no blanks or control characters");
    char *copy = ph_arena_strdup(arena, h);
    if (!copy)
        return ph_fail_memory(err);
    if (bracket) {
        char *zone = strchr(copy, '%');
        if (zone)
            *zone = 0; /* fe80::1%eth0: only the address is checked */
        bool ok = inet_pton(AF_INET6, copy, &v6) == 1;
        if (zone)
            *zone = '%';
        if (!ok)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "\"%s\" is not an IPv6 address", copy);
    }
    *port_given = after.n > 0;
    if (after.n && parse_port((struct ph_str){ after.p + 1, after.n - 1 }, port, err))
        return -1;
    *host = copy;
    return 0;
}
