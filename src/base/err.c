/* err.c: filling in struct ph_err. Texts are made printable here, once, because much of what goes
 * into them came from a server and ends on a terminal. */
#include <posthaste/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
}

__attribute__((format(printf, 5, 0))) static int
vfail(struct ph_err *err, enum ph_scope scope, enum ph_kind kind, int errnum, const char *fmt, va_list ap)
{
    char why[128];
    size_t n;

    if (!err)
        return -1;
    char text[PH_ERR_TEXT];
    vsnprintf(text, sizeof text, fmt, ap); /* an argument may be err->text itself */
    memset(err, 0, sizeof *err);
    err->scope = scope;
    err->kind = kind;
    memcpy(err->text, text, sizeof text);
    if (errnum) {
        n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, ": %s", strerror_r(errnum, why, sizeof why));
    }
    make_printable(err->text);
    return -1;
}

int ph_fail(struct ph_err *err, enum ph_scope scope, enum ph_kind kind, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfail(err, scope, kind, 0, fmt, ap);
    va_end(ap);
    return -1;
}

int ph_fail_errno(struct ph_err *err, enum ph_scope scope, enum ph_kind kind, int errnum, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfail(err, scope, kind, errnum, fmt, ap);
    va_end(ap);
    return -1;
}

int ph_fail_memory(struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_MEMORY, "out of memory");
}

void ph_err_prefix(struct ph_err *err, const char *fmt, ...)
{
    char prefix[PH_ERR_TEXT], old[PH_ERR_TEXT];
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    make_printable(prefix);
    memcpy(old, err->text, sizeof old);
    size_t n = strnlen(prefix, sizeof err->text - 3);
    memcpy(err->text, prefix, n);
    memcpy(err->text + n, ": ", 3);
    size_t room = sizeof err->text - n - 3, m = strnlen(old, room);
    memcpy(err->text + n + 2, old, m);
    err->text[n + 2 + m] = '\0';
}

void ph_err_clear(struct ph_err *err)
{
    if (err)
        memset(err, 0, sizeof *err);
}

const char *ph_kind_name(enum ph_kind kind)
{
    static const char *const names[] = {
        "ok",        "usage",  "memory",  "system",  "resolve",  "connect",    "tls",         "timeout", "cancelled",
        "closed",    "protocol", "limit", "auth",    "cleartext", "refused",   "bad",         "notfound", "exists",
        "quota",     "toobig", "throttled", "permission", "unsupported", "changed", "locked", "corrupt",
    };

    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}
