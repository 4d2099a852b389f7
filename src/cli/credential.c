/* credential.c: from a side's plan to the credential the client asks. Apart from side.c, because it may prompt. */
#include "cli/side.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "base/str.h"
#include "cli/prompt.h"

static int ask(const struct ph_side *s, struct ph_secret *out, struct ph_err *err)
{
    char question[400];
    const char *user = s->imap.admin ? s->imap.admin : s->imap.user;

    snprintf(question, sizeof question, "Password of %s on %s (%s): ", user ? user : "",
             s->imap.host ? s->imap.host : s->imap.socket_path, s->name);
    return ph_prompt_secret(question, out, err);
}

static int readable(const char *path, struct ph_err *err)
{
    struct stat st;

    if (stat(path, &st))
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_USAGE, errno, "%s", path);
    if (S_ISREG(st.st_mode) && st.st_mode & 077)
        fprintf(stderr, "posthaste: %s holds a secret and others can read it: chmod 600 it\n", path);
    return 0;
}

int ph_side_credential(struct ph_side *s, struct ph_err *err)
{
    struct ph_secret_plan plan;
    struct ph_secret typed = { 0 };

    if (ph_side_secret(s, &plan, err))
        return -1;
    enum ph_credential_kind kind = plan.token ? PH_CRED_TOKEN : PH_CRED_PASSWORD;
    switch (plan.source) {
    case PH_SECRET_NONE:
        return 0;
    case PH_SECRET_GIVEN:
        s->imap.credential = ph_credential_fixed(kind, ph_str(plan.value));
        break;
    case PH_SECRET_FILE:
        if (readable(plan.value, err))
            return -1;
        s->imap.credential = ph_credential_file(kind, plan.value);
        break;
    case PH_SECRET_ENV:
        s->imap.credential = ph_credential_env(kind, plan.value);
        break;
    case PH_SECRET_COMMAND:
        s->imap.credential = ph_credential_command(kind, plan.value);
        break;
    case PH_SECRET_ASK:
        if (ask(s, &typed, err))
            return -1;
        s->imap.credential = ph_credential_fixed(kind, ph_secret_str(&typed));
        ph_secret_done(&typed);
        break;
    }
    ph_side_wipe(s);
    return s->imap.credential ? 0 : ph_fail_memory(err);
}
