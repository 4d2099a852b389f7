/* place.c: where the ledger of two accounts lies, and the lock that lets one process use it.
 *
 * The lock is flock() on a file of its own: it dies with the process, and SQLite's own locks, which are given back
 * when any descriptor of the database file is closed, stay out of it. The lock file is never removed; removing it
 * would let two processes hold "the" lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "base/buf.h"
#include "ledger/private.h"

#define NAME_PART 64 /* bytes of an identity that are shown in the file's name */

/* The folder, NUL behind it: the one asked for, or the user's state folder (XDG base directories). */
static int state_dir(const char *dir, struct ph_buf *out, struct ph_err *err)
{
    const char *base;

    if (dir) {
        ph_buf_add_z(out, *dir ? dir : ".");
    } else if ((base = getenv("XDG_STATE_HOME")) && *base == '/') {
        ph_buf_add_z(out, base);
        ph_buf_add_z(out, "/posthaste");
    } else if ((base = getenv("HOME")) && *base == '/') {
        ph_buf_add_z(out, base);
        ph_buf_add_z(out, "/.local/state/posthaste");
    } else {
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE,
                       "no place to keep the ledger: HOME is not set; name a directory with --state");
    }
    return 0;
}

static int make_dirs(char *path, struct ph_err *err)
{
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char c = *p;
        *p = '\0';
        struct stat st;
        int bad = stat(path, &st) ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
        if (bad == ENOENT)
            bad = mkdir(path, 0700) && errno != EEXIST ? errno : 0;
        if (bad)
            return ph_fail_errno(err, PH_SCOPE_JOB, bad == EACCES || bad == EPERM ? PH_E_PERMISSION : PH_E_SYSTEM, bad,
                                 "cannot make the directory of the ledger, %s", path);
        *p = c;
        if (!c)
            return 0;
    }
}

static void add_readable(struct ph_buf *b, const char *identity)
{
    size_t n = strlen(identity);

    if (n > NAME_PART)
        n = NAME_PART;
    for (size_t i = 0; i < n; i++) {
        char c = identity[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '@' ||
                     c == '-' || (c == '.' && i > 0);
        ph_buf_add_char(b, plain ? c : '_');
    }
}

/* The parts with their lengths, so that no two triples look alike. */
static void add_hash(struct ph_buf *b, const char *const *parts, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    struct ph_buf all = PH_BUF_INIT;
    unsigned char md[SHA256_DIGEST_LENGTH];

    for (size_t i = 0; i < n; i++) {
        ph_buf_add_u64(&all, strlen(parts[i]));
        ph_buf_add_char(&all, ':');
        ph_buf_add_z(&all, parts[i]);
    }
    if (all.failed || !SHA256((const unsigned char *)ph_buf_data(&all), ph_buf_len(&all), md))
        b->failed = true;
    else
        for (int i = 0; i < 8; i++) {
            ph_buf_add_char(b, hex[md[i] >> 4]);
            ph_buf_add_char(b, hex[md[i] & 15]);
        }
    ph_buf_done(&all);
}

int ph_ledger_place(const char *dir, const char *src, const char *dst, const char *variant, char **path,
                    struct ph_err *err)
{
    const char *parts[] = { src, dst, variant };
    struct ph_buf b = PH_BUF_INIT;
    char *z = NULL;

    if (state_dir(dir, &b, err))
        goto out;
    ph_buf_add_char(&b, '\0');
    if (b.failed) {
        ph_fail_memory(err);
        goto out;
    }
    if (make_dirs(ph_buf_data(&b), err))
        goto out;
    b.tail--;
    ph_buf_add_char(&b, '/');
    add_readable(&b, src);
    ph_buf_add_z(&b, "--");
    add_readable(&b, dst);
    ph_buf_add_char(&b, '-');
    add_hash(&b, parts, 3);
    ph_buf_add_z(&b, ".ledger");
    z = b.failed ? NULL : ph_str_dup(ph_buf_str(&b));
    if (!z)
        ph_fail_memory(err);
out:
    ph_buf_done(&b);
    *path = z;
    return z ? 0 : -1;
}

static int open_fail(const char *path, int errnum, struct ph_err *err)
{
    enum ph_kind kind = errnum == EACCES || errnum == EPERM || errnum == EROFS ? PH_E_PERMISSION : PH_E_SYSTEM;

    return ph_fail_errno(err, PH_SCOPE_JOB, kind, errnum, "cannot write the ledger %s", path);
}

/* "process 1234 on host" from the lock file, or "" when its holder has not written it yet. */
static void read_holder(int fd, char *out, size_t n)
{
    char text[300];
    ssize_t got = pread(fd, text, sizeof text - 1, 0);

    *out = '\0';
    if (got <= 0)
        return;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, "process ", 8) == 0)
        snprintf(out, n, " (%s)", text);
}

int ph_ledger_lock(const char *path, int *out, struct ph_err *err)
{
    char host[256] = "", text[300], holder[320];
    struct ph_buf b = PH_BUF_INIT;
    int fd;

    ph_buf_add_z(&b, path);
    ph_buf_add_z(&b, ".lock");
    if (b.failed)
        return ph_fail_memory(err);
    fd = open(ph_buf_z(&b), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int bad = errno;
    if (fd < 0)
        open_fail(ph_buf_z(&b), bad, err);
    ph_buf_done(&b);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        bad = errno;
        if (bad == EWOULDBLOCK) {
            read_holder(fd, holder, sizeof holder);
            ph_fail(err, PH_SCOPE_JOB, PH_E_LOCKED, "another run%s is copying between these two accounts", holder);
            if (err)
                err->retry = PH_RETRY_LATER;
        } else {
            ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, bad, "cannot lock %s", path);
        }
        close(fd);
        return -1;
    }
    gethostname(host, sizeof host - 1);
    int n = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
    if (n >= (int)sizeof text)
        n = sizeof text - 1;
    /* A disk too full for this line shows itself at the first write that matters. */
    if (pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n)) {
    }
    *out = fd;
    return 0;
}

/* A new name is on disk when its directory is. */
static int sync_dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = ph_str_dup((struct ph_str){ path, slash > path ? (size_t)(slash - path) : 1 });
    int fd, bad = 0;

    if (!dir)
        return ENOMEM;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0)
        return errno;
    if (fsync(fd) && errno != EINVAL && errno != EROFS)
        bad = errno;
    close(fd);
    return bad;
}

int ph_ledger_touch(const char *path, struct ph_err *err)
{
    /* SQLite gives its files beside this one the same mode */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), bad;

    if (fd < 0) {
        bad = errno;
        return bad == EEXIST ? 0 : open_fail(path, bad, err);
    }
    close(fd);
    bad = sync_dir_of(path);
    return bad ? open_fail(path, bad, err) : 0;
}
