/* users_set.c: changing one line of the file of users. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/users.h"
#include "daemon/users_file.h"
#include "sasl/sasl.h"

/* The file, locked against others who set passwords, and still the one of that name. */
static int open_locked(const char *path, struct stat *st, struct ph_err *err)
{
    for (;;) {
        struct stat now;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
        if (fd < 0)
            return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot open %s", path);
        while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
            ;
        if (fstat(fd, st) == 0 && stat(path, &now) == 0 && st->st_ino == now.st_ino && st->st_dev == now.st_dev)
            return fd;
        close(fd); /* replaced while we waited */
    }
}

static bool is_line_of(struct ph_str line, const char *name)
{
    size_t n = strlen(name);

    return line.n > n && memcmp(line.p, name, n) == 0 && line.p[n] == ':';
}

static void add_line(struct ph_buf *out, const char *name, const char *verifiers)
{
    ph_buf_add_z(out, name);
    ph_buf_add_char(out, ':');
    ph_buf_add_z(out, verifiers);
    ph_buf_add_char(out, '\n');
}

static int add_key(struct ph_buf *out, struct ph_err *err)
{
    unsigned char key[32];

    if (RAND_bytes(key, sizeof key) != 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "no random numbers to be had");
    ph_buf_add_z(out, "# Made once: names that do not exist get their salts from it. Keep it.\n:{KEY}");
    ph_base64_encode((struct ph_str){ (char *)key, sizeof key }, out);
    ph_buf_add_char(out, '\n');
    return 0;
}

/* The text with the one line changed. */
static int edit(struct ph_str text, const char *name, const char *verifiers, struct ph_buf *out, bool *existed, struct ph_err *err)
{
    *existed = false;
    if (text.n == 0 && add_key(out, err))
        return -1;
    while (text.n) {
        const char *nl = memchr(text.p, '\n', text.n);
        struct ph_str line = { text.p, nl ? (size_t)(nl - text.p) : text.n };
        size_t step = line.n + (nl != NULL);
        if (!is_line_of(line, name)) {
            ph_buf_add_str(out, line);
            ph_buf_add_char(out, '\n');
        } else {
            *existed = true;
            if (verifiers)
                add_line(out, name, verifiers);
        }
        text.p += step;
        text.n -= step;
    }
    if (!*existed && verifiers)
        add_line(out, name, verifiers);
    return out->failed ? ph_fail_memory(err) : 0;
}

static int write_all(int fd, struct ph_str text)
{
    while (text.n) {
        ssize_t w = write(fd, text.p, text.n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return -1;
        text.p += w;
        text.n -= (size_t)w;
    }
    return 0;
}

/* In one step, durable: the new file beside the old one, then its name. */
static int replace(const char *path, const struct stat *old, struct ph_str text, struct ph_err *err)
{
    struct ph_buf temp = PH_BUF_INIT;
    int rc = -1;

    ph_buf_add_z(&temp, path);
    ph_buf_add_z(&temp, ".XXXXXX");
    char *name = ph_str_dup(ph_buf_str(&temp));
    ph_buf_done(&temp);
    if (!name)
        return ph_fail_memory(err);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot make a file beside %s", path);
    } else if ((fchown(fd, old->st_uid, old->st_gid) < 0 && geteuid() == 0) || fchmod(fd, old->st_mode & 07777) < 0 ||
               write_all(fd, text) < 0 || fsync(fd) < 0 || rename(name, path) < 0) {
        ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot write %s", path);
        unlink(name);
    } else {
        rc = 0;
    }
    if (fd >= 0)
        close(fd);
    free(name);
    if (rc == 0) { /* the name itself */
        char *folder = ph_str_dup(ph_str(path)), *slash = folder ? strrchr(folder, '/') : NULL;
        if (slash)
            slash[slash == folder] = '\0';
        int dir = folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (dir >= 0) {
            fsync(dir);
            close(dir);
        }
        free(folder);
    }
    return rc;
}

int ph_users_set(const char *path, const char *name, const char *verifiers, bool *existed, struct ph_err *err)
{
    struct ph_buf old = PH_BUF_INIT, text = PH_BUF_INIT;
    struct ph_users_table *t = NULL;
    struct stat st;

    *existed = false;
    if (!ph_user_name_ok(name))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a name has 1 to 200 octets without blanks, colons and control characters");
    int fd = open_locked(path, &st, err);
    if (fd < 0)
        return -1;
    int rc = ph_users_file_slurp(fd, path, &old, err);
    if (rc == 0)
        rc = edit(ph_buf_str(&old), name, verifiers, &text, existed, err);
    /* A file that is wrong elsewhere is not written: its administrator shall see it now, and not when nobody can log in. */
    if (rc == 0)
        rc = ph_users_table_parse((char *)(uintptr_t)ph_buf_z(&text), path, &t, err);
    if (rc == 0)
        rc = replace(path, &st, ph_buf_str(&text), err);
    ph_users_table_unref(t);
    ph_buf_done(&old);
    ph_buf_done(&text);
    close(fd);
    return rc;
}
