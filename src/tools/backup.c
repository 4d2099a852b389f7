/* backup.c: posthaste backup DIRECTORY [USER]: a copy of a local store, as of one moment for each user, while it is served. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"
#include "tools/local_tool.h"
#include "tools/tools.h"

struct backing_up {
    struct ph_local_tool *tool;
    const char *dest;
    unsigned users;
};

static int make_folder(const char *path, struct ph_err *err)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot make %s", path) : 0;
}

static int backup_user(void *ctx, const char *user, struct ph_err *err)
{
    struct backing_up *k = ctx;
    struct ph_buf path = PH_BUF_INIT;

    ph_buf_add_z(&path, k->dest);
    ph_buf_add_z(&path, "/users/");
    int rc = ph_local_encode_name(user, &path, err);
    if (rc == 0)
        rc = ph_local_backup(k->tool->root, user, ph_buf_z(&path), err);
    ph_buf_done(&path);
    if (rc)
        ph_err_prefix(err, "%s", user);
    else
        k->users++;
    return rc;
}

/* DEST/users: what is there is a root that can be served. The names of both are on the disk afterwards. */
static int backup(struct ph_local_tool *t, const char *dest, const char *user, struct ph_err *err)
{
    struct backing_up k = { .tool = t, .dest = dest };
    struct ph_buf b = PH_BUF_INIT;

    ph_buf_add_z(&b, dest);
    ph_buf_add_z(&b, "/users");
    int rc = make_folder(dest, err) || make_folder(ph_buf_z(&b), err) ? -1 : ph_local_tool_users(t, user, backup_user, &k, err);
    for (int i = 0; rc == 0 && i < 2; i++) {
        int fd = open(i ? dest : ph_buf_z(&b), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
            rc = ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot sync %s", dest);
        if (fd >= 0)
            close(fd);
    }
    if (rc == 0) {
        ph_buf_clear(&b);
        ph_text_count(&b, k.users, "user", "users");
        printf("%s in %s\n", ph_buf_z(&b), dest);
    }
    ph_buf_done(&b);
    return rc;
}

static int backup_main(const struct ph_command *c, const char *invoked, int argc, char **argv)
{
    struct ph_local_tool t;
    struct ph_err err = { 0 };
    char *operands[2] = { NULL };
    unsigned n = 0;
    int status = 0;

    int rc = ph_local_tool_begin(&t, c, invoked, argc, argv, operands, &n, &err);
    if (rc == PH_READY)
        rc = backup(&t, operands[0], n > 1 ? operands[1] : NULL, &err);
    if (rc < 0)
        status = ph_complain(invoked, &err, 1);
    ph_local_tool_done(&t);
    return status;
}

static const struct ph_option_group groups[] = { { "Mail", ph_local_store_options }, { NULL, NULL } };

const struct ph_command ph_cmd_backup = {
    .name = "backup",
    .summary = "copy the mail on this machine's disk while it is in use",
    .description = "Copy the mail of USER, or of all users, from a store local:/path into DIRECTORY, for each user as it is at one moment, while the "
                   "server runs. What comes out is a store, too: posthaste serve local:DIRECTORY shows it. A user who is in DIRECTORY "
                   "already is an error: use a new one each time. Large files are hard links where both are on one file system.",
    .operands = "DIRECTORY [USER]",
    .n_operands = 2,
    .n_optional = 1,
    .groups = groups,
    .main = backup_main,
};
