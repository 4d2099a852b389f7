#include "daemon/stdin_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int text(struct ph_line_ends *l, const char *p, size_t n, struct ph_spool *out, struct ph_err *err)
{
    while (n) {
        const char *lf = memchr(p, '\n', n);
        size_t line = lf ? (size_t)(lf - p) : n;
        if (line) {
            if (ph_spool_add(out, p, line, err))
                return -1;
            l->cr = p[line - 1] == '\r';
        }
        if (!lf)
            return 0;
        if (ph_spool_add(out, l->cr ? "\n" : "\r\n", l->cr ? 1 : 2, err))
            return -1;
        l->cr = false;
        p = lf + 1;
        n -= line + 1;
    }
    return 0;
}

/* Not a From line: what was held back is text. */
static int release(struct ph_line_ends *l, struct ph_spool *out, struct ph_err *err)
{
    l->state = PH_LE_TEXT;
    return text(l, l->first, l->n_first, out, err);
}

int ph_line_ends_add(struct ph_line_ends *l, const char *p, size_t n, struct ph_spool *out, struct ph_err *err)
{
    if (n == 0)
        return l->state == PH_LE_FIRST ? release(l, out, err) : 0;
    while (l->state == PH_LE_FIRST && n) {
        if (*p != "From "[l->n_first]) {
            if (release(l, out, err))
                return -1;
            break;
        }
        l->first[l->n_first++] = *p++;
        n--;
        if (l->n_first == sizeof l->first)
            l->state = PH_LE_SKIP;
    }
    if (l->state == PH_LE_SKIP && n) {
        const char *lf = memchr(p, '\n', n);
        if (!lf)
            return 0;
        n -= (size_t)(lf - p) + 1;
        p = lf + 1;
        l->state = PH_LE_TEXT;
    }
    return n ? text(l, p, n, out, err) : 0;
}

int ph_stdin_message(int fd, uint64_t most, struct ph_spool *out, struct ph_err *err)
{
    struct ph_line_ends l = { 0 };
    char piece[65536];

    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot read the message");
        if (ph_line_ends_add(&l, piece, (size_t)n, out, err))
            return -1;
        if (most && out->size > most)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_TOOBIG, "the message has more than %llu octets", (unsigned long long)most);
        if (n == 0)
            break;
    }
    return out->size ? 0 : ph_fail(err, PH_SCOPE_JOB, PH_E_PROTOCOL, "there is no message on standard input");
}
