#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void ph_wipe(void *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}

int ph_secret_set(struct ph_secret *s, const void *p, size_t n)
{
    char *copy = malloc(n + 1);

    if (!copy)
        return -1;
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    ph_secret_done(s);
    *s = (struct ph_secret){ copy, n };
    return 0;
}

void ph_secret_done(struct ph_secret *s)
{
    ph_wipe(s->p, s->n);
    free(s->p);
    *s = (struct ph_secret){ 0 };
}
