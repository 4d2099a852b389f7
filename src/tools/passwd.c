/* passwd.c: posthaste passwd FILE USER: set what is kept of a user's password in a file of users. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/prompt.h"
#include "daemon/users.h"
#include "daemon/verifier.h"
#include "tools/daemon_args.h"
#include "tools/tools.h"

struct passwd_settings {
    bool crypt, remove, from_stdin;
};

#define AT(member) offsetof(struct passwd_settings, member)

static const struct ph_option options[] = {
    { PH_OPT_FLAG, 0, "stdin", NULL, "Take the password from standard input, its first line, instead of asking on the terminal.",
      AT(from_stdin) },
    { PH_OPT_FLAG, 0, "crypt", NULL, "Keep a crypt(3) hash (yescrypt) instead of SCRAM verifiers: harder to guess at when the file is "
      "stolen, but clients then have to send the password itself, inside TLS.", AT(crypt) },
    { PH_OPT_FLAG, 'd', "delete", NULL, "Take the user out of the file.", AT(remove) },
    { PH_OPT_END },
};

static const struct ph_option_group groups[] = { { "Options", options }, { NULL, NULL } };

static int read_stdin(struct ph_secret *out, struct ph_err *err)
{
    char line[PH_PASSWORD_MAX + 2];
    size_t n = 0;
    ssize_t got;
    int rc;

    /* Unbuffered, so that no copy stays behind. */
    while (n < sizeof line && (got = read(0, line + n, sizeof line - n)) > 0)
        n += (size_t)got;
    const char *end = n ? memchr(line, '\n', n) : NULL;
    size_t len = end ? (size_t)(end - line) : n;
    if (len && line[len - 1] == '\r')
        len--;
    if (len > PH_PASSWORD_MAX)
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a password has at most %d octets", PH_PASSWORD_MAX);
    else
        rc = ph_secret_set(out, line, len) ? ph_fail_memory(err) : 0;
    ph_wipe(line, sizeof line);
    return rc;
}

static int ask(const char *user, struct ph_secret *out, struct ph_err *err)
{
    struct ph_secret again = { 0 };
    struct ph_buf question = PH_BUF_INIT;
    int rc;

    ph_buf_add_z(&question, "New password of ");
    ph_buf_add_z(&question, user);
    ph_buf_add_z(&question, ": ");
    rc = ph_prompt_secret(ph_buf_z(&question), out, err);
    ph_buf_done(&question);
    if (rc == 0)
        rc = ph_prompt_secret("Once more: ", &again, err);
    if (rc == 0 && !ph_str_eq(ph_secret_str(out), ph_secret_str(&again)))
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the two are not the same; nothing was changed");
    ph_secret_done(&again);
    return rc;
}

static int make(const struct passwd_settings *s, struct ph_str password, struct ph_buf *out, struct ph_err *err)
{
    if (s->crypt)
        return ph_verifier_make(PH_VERIFIER_CRYPT, password, out, err);
    if (ph_verifier_make(PH_VERIFIER_SCRAM_SHA256, password, out, err) || ph_buf_add_char(out, ' '))
        return -1;
    return ph_verifier_make(PH_VERIFIER_SCRAM_SHA1, password, out, err);
}

static int change(const struct passwd_settings *s, const char *file, const char *user, struct ph_err *err)
{
    struct ph_secret password = { 0 };
    struct ph_buf verifiers = PH_BUF_INIT;
    bool existed;
    int rc;

    if (!ph_user_name_ok(user))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a name has 1 to 200 octets without blanks, colons and control characters");
    if (s->remove) {
        rc = ph_users_set(file, user, NULL, &existed, err);
        if (rc == 0 && !existed)
            rc = ph_fail(err, PH_SCOPE_JOB, PH_E_NOTFOUND, "%s is not in %s", user, file);
        return rc;
    }
    rc = s->from_stdin ? read_stdin(&password, err) : ask(user, &password, err);
    if (rc == 0)
        rc = make(s, ph_secret_str(&password), &verifiers, err);
    ph_secret_done(&password);
    if (rc == 0)
        rc = ph_users_set(file, user, ph_buf_z(&verifiers), &existed, err);
    if (rc == 0)
        printf("%s of %s %s in %s\n", "The password", user, existed ? "was changed" : "was set", file);
    ph_buf_done(&verifiers);
    return rc;
}

static int passwd_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    struct passwd_settings s = { 0 };
    struct ph_arena arena;
    char *operands[2];
    struct ph_parse p = { .arena = &arena, .operands = operands };
    struct ph_err err = { 0 };
    int status = 0;

    ph_arena_init(&arena, 0);
    int rc = ph_options_parse(c, &s, argc, argv, &p, &err);
    if (rc == 0 && p.outcome == PH_WANTS_HELP)
        ph_print_help(c, invoked);
    else if (rc == 0 && p.outcome == PH_WANTS_VERSION)
        puts("posthaste " PH_VERSION);
    else if (rc == 0)
        rc = change(&s, operands[0], operands[1], &err);
    if (rc)
        status = ph_complain(invoked, &err, 1);
    ph_arena_done(&arena);
    return status;
}

const struct ph_command ph_cmd_passwd = {
    .name = "passwd",
    .summary = "set a user's password for the server",
    .description = "Set the password of USER in FILE, which posthaste serve --users reads; the file is made where it is not there. The "
                   "password itself is not kept. A running server takes the change at once.",
    .operands = "FILE USER",
    .n_operands = 2,
    .groups = groups,
    .main = passwd_main,
};
