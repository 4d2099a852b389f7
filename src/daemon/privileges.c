#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool as_number(const char *text, unsigned long *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return !errno && !*end && *out < UINT32_MAX;
}

int ph_group_find(const char *name, gid_t *out, struct ph_err *err)
{
    struct group g, *found = NULL;
    char buf[16384];
    unsigned long n;

    if (as_number(name, &n)) {
        *out = (gid_t)n;
        return 0;
    }
    int rc = getgrnam_r(name, &g, buf, sizeof buf, &found);
    if (!found)
        return rc ? ph_fail_errno(err, PH_SCOPE_JOB, PH_E_USAGE, rc, "cannot look up the group \"%.60s\"", name)
                  : ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no group \"%.60s\"", name);
    *out = g.gr_gid;
    return 0;
}

int ph_identity_find(const char *text, struct ph_identity *out, struct ph_err *err)
{
    size_t n = strcspn(text, ":");
    struct passwd p, *found = NULL;
    char buf[16384];
    unsigned long uid;

    *out = (struct ph_identity){ 0 };
    if (n == 0 || n >= sizeof out->name)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a user to run as is written USER or USER:GROUP");
    memcpy(out->name, text, n);
    bool numeric = as_number(out->name, &uid);
    int rc = numeric ? getpwuid_r((uid_t)uid, &p, buf, sizeof buf, &found) : getpwnam_r(out->name, &p, buf, sizeof buf, &found);
    if (found) {
        out->uid = p.pw_uid;
        out->gid = p.pw_gid;
    } else if (numeric && text[n] == ':') {
        out->uid = (uid_t)uid;
    } else {
        return rc ? ph_fail_errno(err, PH_SCOPE_JOB, PH_E_USAGE, rc, "cannot look up the user \"%s\"", out->name)
                  : ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no user \"%s\"", out->name);
    }
    return text[n] == ':' ? ph_group_find(text + n + 1, &out->gid, err) : 0;
}

int ph_identity_become(const struct ph_identity *id, struct ph_err *err)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;

    if (geteuid() == id->uid && getuid() == id->uid && getegid() == id->gid)
        return 0;
    if (geteuid() != 0)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_PERMISSION, "only root can run as another user (%s)", id->name);
    if (initgroups(id->name, id->gid) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_PERMISSION, errno, "cannot become %s", id->name);
    if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 || r != id->uid || e != id->uid || s != id->uid || rg != id->gid ||
        eg != id->gid || sg != id->gid || (id->uid != 0 && setuid(0) == 0))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_PERMISSION, "the rights of root could not be given up");
    return 0;
}
