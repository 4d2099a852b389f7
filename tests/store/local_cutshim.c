/* local_cutshim.c: preloaded into a program it writes down, in order, all that the program does to files below CUT_DIR: creating, writing,
 * cutting, renaming, removing, and what it syncs. test_local_cut.c plays the record up to a moment and leaves out what was
 * not synced then, as a power cut does.
 *
 * A record is struct cut_record (local_cut.h) and its octets. SQLite's shared memory is not recorded: no restart keeps it. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "local_cut.h"

#define SEEN __attribute__((visibility("default")))

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int trace = -2; /* -2: not looked yet; -1: none */
static const char *dir;
static size_t dir_n;

static struct {
    bool used, directory;
    uint64_t ino;
    char path[512];
} files[1024];

static void put(const struct cut_record *r, const void *a, size_t n)
{
    if (syscall(SYS_write, trace, r, sizeof *r) != sizeof *r || (n && syscall(SYS_write, trace, a, n) != (long)n))
        _exit(99);
}

/* Under mu. */
static bool ours(const char *path)
{
    if (trace == -2) {
        const char *to = getenv("CUT_TRACE");
        dir = getenv("CUT_DIR");
        trace = to && dir ? (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
        dir_n = dir ? strlen(dir) : 0;
    }
    size_t n = strlen(path);
    return trace >= 0 && n < 512 && strncmp(path, dir, dir_n) == 0 && (n < 4 || strcmp(path + n - 4, "-shm") != 0);
}

static void log_path(char kind, const char *path, uint64_t ino)
{
    struct cut_record r = { .kind = kind, .ino = ino, .n = strlen(path) };

    put(&r, path, r.n);
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static int opened(const char *name, const char *path, int flags, mode_t mode)
{
    struct stat st;

    pthread_mutex_lock(&mu);
    bool mine = ours(path), there = mine && stat(path, &st) == 0;
    int fd = REAL(name, int (*)(const char *, int, ...))(path, flags, mode), bad = errno;
    if (mine && fd >= 0 && fd < 1024 && fstat(fd, &st) == 0) {
        files[fd].used = true;
        files[fd].directory = S_ISDIR(st.st_mode);
        files[fd].ino = st.st_ino;
        memcpy(files[fd].path, path, strlen(path) + 1);
        if (!there)
            log_path(CUT_CREATE, path, st.st_ino);
        else if (flags & O_TRUNC)
            put(&(struct cut_record){ .kind = CUT_TRUNCATE, .ino = st.st_ino }, NULL, 0);
    }
    pthread_mutex_unlock(&mu);
    errno = bad;
    return fd;
}

#define OPEN(name)                                                                                                     \
    SEEN int name(const char *path, int flags, ...)                                                                    \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        va_start(ap, flags);                                                                                           \
        mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                                                        \
        va_end(ap);                                                                                                    \
        return opened(#name, path, flags, mode);                                                                       \
    }
OPEN(open)
OPEN(open64)

SEEN int __open_2(const char *path, int flags);
SEEN int __open64_2(const char *path, int flags);
SEEN int __open_2(const char *path, int flags)
{
    return opened("open", path, flags, 0);
}
SEEN int __open64_2(const char *path, int flags)
{
    return opened("open64", path, flags, 0);
}

SEEN int close(int fd)
{
    pthread_mutex_lock(&mu);
    if (fd >= 0 && fd < 1024)
        files[fd].used = false;
    int r = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&mu);
    return r;
}

static bool known(int fd)
{
    return fd >= 0 && fd < 1024 && files[fd].used && !files[fd].directory;
}

static ssize_t written(int fd, const void *p, size_t n, off_t at)
{
    pthread_mutex_lock(&mu);
    ssize_t r = at < 0 ? syscall(SYS_write, fd, p, n) : syscall(SYS_pwrite64, fd, p, n, at);
    int bad = errno;
    if (r > 0 && known(fd)) {
        off_t from = at < 0 ? (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) - r : at;
        put(&(struct cut_record){ .kind = CUT_WRITE, .ino = files[fd].ino, .at = (uint64_t)from, .n = (uint64_t)r }, p,
            (size_t)r);
    }
    pthread_mutex_unlock(&mu);
    errno = bad;
    return r;
}

SEEN ssize_t write(int fd, const void *p, size_t n)
{
    return written(fd, p, n, -1);
}
SEEN ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return written(fd, p, n, at);
}
SEEN ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return written(fd, p, n, at);
}

static int cut_to(int fd, off_t size)
{
    pthread_mutex_lock(&mu);
    int r = (int)syscall(SYS_ftruncate, fd, size), bad = errno;
    if (r == 0 && known(fd))
        put(&(struct cut_record){ .kind = CUT_TRUNCATE, .ino = files[fd].ino, .at = (uint64_t)size }, NULL, 0);
    pthread_mutex_unlock(&mu);
    errno = bad;
    return r;
}

SEEN int ftruncate(int fd, off_t size)
{
    return cut_to(fd, size);
}
SEEN int ftruncate64(int fd, off_t size)
{
    return cut_to(fd, size);
}

/* The record stands behind what was written before, so it may say that the sync is done. */
static int synced(int fd)
{
    pthread_mutex_lock(&mu);
    if (fd >= 0 && fd < 1024 && files[fd].used)
        log_path(files[fd].directory ? CUT_SYNC_DIR : CUT_SYNC, files[fd].path, files[fd].ino);
    pthread_mutex_unlock(&mu);
    return 0;
}

SEEN int fsync(int fd)
{
    return synced(fd);
}
SEEN int fdatasync(int fd)
{
    return synced(fd);
}

SEEN int mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&mu);
    int r = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode), bad = errno;
    if (r == 0 && ours(path))
        log_path(CUT_MKDIR, path, 0);
    pthread_mutex_unlock(&mu);
    errno = bad;
    return r;
}

SEEN int unlink(const char *path)
{
    pthread_mutex_lock(&mu);
    int r = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0), bad = errno;
    if (r == 0 && ours(path))
        log_path(CUT_UNLINK, path, 0);
    pthread_mutex_unlock(&mu);
    errno = bad;
    return r;
}

SEEN int rename(const char *from, const char *to)
{
    char both[1024];
    size_t n = strlen(from) + 1, m = strlen(to);

    pthread_mutex_lock(&mu);
    int r = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to), bad = errno;
    if (r == 0 && ours(from) && n + m < sizeof both) {
        memcpy(both, from, n);
        memcpy(both + n, to, m);
        put(&(struct cut_record){ .kind = CUT_RENAME, .n = n + m }, both, n + m);
    }
    pthread_mutex_unlock(&mu);
    errno = bad;
    return r;
}

/* The program's own remarks. */
SEEN void cut_mark(const void *p, size_t n)
{
    pthread_mutex_lock(&mu);
    if (ours("") || trace >= 0)
        put(&(struct cut_record){ .kind = CUT_MARK, .n = n }, p, n);
    pthread_mutex_unlock(&mu);
}
