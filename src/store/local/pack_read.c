/* pack_read.c: packs that are read: a few open files a user, shared by its sessions. A file that is in use outlives its
 * place in the list. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/local/private.h"

#define FILES_KEPT 8

static void close_file(struct local_file *f)
{
    close(f->fd);
    free(f);
}

/* Under pack_mu. */
static void drop_old(struct local_user *u, unsigned keep)
{
    for (struct local_file **at = &u->files; *at;) {
        struct local_file *f = *at;
        if (keep > 0) {
            keep--;
            at = &f->next;
            continue;
        }
        *at = f->next;
        u->n_files--;
        f->detached = true;
        if (f->refs == 0)
            close_file(f);
    }
}

void ph_local_files_close(struct local_user *u)
{
    drop_old(u, 0);
}

static struct local_file *open_file(struct local_user *u, uint32_t number, struct ph_err *err)
{
    struct local_file *f = calloc(1, sizeof *f);
    struct ph_buf path = PH_BUF_INIT;

    if (!f || ph_local_pack_path(u, number, &path)) {
        ph_fail_memory(err);
        goto fail;
    }
    f->number = number;
    f->fd = open(ph_buf_data(&path), O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) {
        int bad = errno;
        ph_fail_errno(err, PH_SCOPE_MESSAGE, bad == ENOENT ? PH_E_NOTFOUND : PH_E_SYSTEM, bad, "cannot open %s",
                      ph_buf_data(&path));
        goto fail;
    }
    ph_buf_done(&path);
    return f;
fail:
    ph_buf_done(&path);
    free(f);
    return NULL;
}

int ph_local_file_get(struct local_user *u, uint32_t number, struct local_file **out, struct ph_err *err)
{
    struct local_file **at, *f;

    pthread_mutex_lock(&u->pack_mu);
    for (at = &u->files; *at && (*at)->number != number; at = &(*at)->next)
        ;
    f = *at;
    if (f) {
        *at = f->next;
    } else if ((f = open_file(u, number, err))) {
        drop_old(u, FILES_KEPT - 1);
        u->n_files++;
    }
    if (f) { /* the last used stands first */
        f->next = u->files;
        u->files = f;
        f->refs++;
    }
    pthread_mutex_unlock(&u->pack_mu);
    *out = f;
    return f ? 0 : -1;
}

void ph_local_file_put(struct local_user *u, struct local_file *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&u->pack_mu);
    if (--f->refs == 0 && f->detached)
        close_file(f);
    pthread_mutex_unlock(&u->pack_mu);
}

/* Compaction has removed it. */
void ph_local_file_forget(struct local_user *u, uint32_t number)
{
    pthread_mutex_lock(&u->pack_mu);
    for (struct local_file **at = &u->files; *at; at = &(*at)->next)
        if ((*at)->number == number) {
            struct local_file *f = *at;
            *at = f->next;
            u->n_files--;
            f->detached = true;
            if (f->refs == 0)
                close_file(f);
            break;
        }
    pthread_mutex_unlock(&u->pack_mu);
}

int ph_local_file_read(struct local_file *f, uint64_t at, void *p, size_t n, struct ph_err *err)
{
    char *to = p;

    while (n) {
        ssize_t got = pread(f->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ph_fail_errno(err, PH_SCOPE_MESSAGE, PH_E_SYSTEM, errno, "cannot read pack %u", f->number);
        if (got == 0)
            return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CORRUPT, "pack %u ends too early: check and repair it", f->number);
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}
