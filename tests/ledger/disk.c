#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

atomic_bool disk_full, disk_sync_fails;
atomic_uint disk_syncs;
static const char *shadow;

void disk_shadow(const char *dir)
{
    shadow = dir;
}

static void copy_file(int fd, const char *to)
{
    static char buf[1 << 16];
    ssize_t n;
    off_t at = 0;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (out < 0)
        abort();
    while ((n = pread(fd, buf, sizeof buf, at)) > 0) {
        if (write(out, buf, (size_t)n) != n)
            abort();
        at += n;
    }
    close(out);
}

/* A file's bytes are safe when it was synced, its name when its folder was: until then it waits as NAME.new. */
static void sync_file(int fd, const char *path)
{
    char to[1024];

    snprintf(to, sizeof to, "%s/%s", shadow, strrchr(path, '/') + 1);
    if (access(to, F_OK) != 0)
        snprintf(to, sizeof to, "%s/%s.new", shadow, strrchr(path, '/') + 1);
    copy_file(fd, to);
}

/* Names that came, and names that went. */
static void sync_folder(const char *path)
{
    char here[1024], there[1024], fresh[1024];
    struct dirent *e;
    DIR *d = opendir(path);

    while (d && (e = readdir(d))) {
        snprintf(here, sizeof here, "%s/%s", shadow, e->d_name);
        snprintf(fresh, sizeof fresh, "%s/%s.new", shadow, e->d_name);
        if (e->d_name[0] == '.' || access(here, F_OK) == 0)
            continue;
        if (rename(fresh, here) != 0)
            close(open(here, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    if (d)
        closedir(d);
    d = opendir(shadow);
    while (d && (e = readdir(d))) {
        snprintf(here, sizeof here, "%s/%s", shadow, e->d_name);
        snprintf(there, sizeof there, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && access(there, F_OK) != 0 && !strstr(e->d_name, ".new"))
            unlink(here);
    }
    if (d)
        closedir(d);
}

static void note_sync(int fd)
{
    char link[64], path[512];
    struct stat st;
    ssize_t n;

    if (!shadow || fstat(fd, &st))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    if (S_ISDIR(st.st_mode))
        sync_folder(path);
    else
        sync_file(fd, path);
}

static int sync_with(long number, int fd)
{
    atomic_fetch_add(&disk_syncs, 1);
    if (disk_sync_fails) {
        errno = EIO;
        return -1;
    }
    int r = (int)syscall(number, fd);
    if (r == 0)
        note_sync(fd);
    return r;
}

#define SEEN_BY_SQLITE __attribute__((visibility("default")))

SEEN_BY_SQLITE int fdatasync(int fd)
{
    return sync_with(SYS_fdatasync, fd);
}

SEEN_BY_SQLITE int fsync(int fd)
{
    return sync_with(SYS_fsync, fd);
}

SEEN_BY_SQLITE ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    if (disk_full) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}
