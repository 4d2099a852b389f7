#include "local_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dirs[64][128];
static size_t n_dirs;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

void rig_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_all(void)
{
    if (getpid() == owner)
        for (size_t i = 0; i < n_dirs; i++)
            rig_remove(dirs[i]);
}

const char *rig_dir(void)
{
    const char *base = getenv("TMPDIR");

    if (n_dirs == 64)
        return NULL;
    if (!n_dirs) {
        owner = getpid();
        atexit(remove_all);
    }
    char *d = dirs[n_dirs];
    snprintf(d, sizeof dirs[0], "%.80s/posthaste-local-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(d))
        return NULL;
    n_dirs++;
    return d;
}

static int copy_file(const char *from, const char *to)
{
    char buf[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600), r = in < 0 || out < 0 ? -1 : 0;
    ssize_t n = 0;

    while (!r && (n = read(in, buf, sizeof buf)) > 0)
        if (write(out, buf, (size_t)n) != n)
            r = -1;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return n < 0 ? -1 : r;
}

static const char *copy_from, *copy_to;

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    char to[1024];
    size_t n = strlen(path);

    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D)
        return mkdir(to, 0700) && errno != EEXIST ? -1 : 0;
    if (n > 4 && strcmp(path + n - 4, "-shm") == 0)
        return 0;
    return copy_file(path, to);
}

int rig_copy(const char *from, const char *to)
{
    copy_from = from;
    copy_to = to;
    return nftw(from, copy_one, 16, FTW_PHYS);
}
