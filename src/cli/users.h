/* users.h: files with one user a line, for the classic tools. */
#ifndef PH_CLI_USERS_H
#define PH_CLI_USERS_H

#include <stddef.h>

#include <posthaste/err.h>

#include "base/arena.h"

struct ph_user_pair { /* `src:srcpwd:dst:dstpwd`; an empty password: administrator login on that side */
    const char *src, *src_secret, *dst, *dst_secret;
    unsigned line;
};

/* One line in place: 1 a user, 0 nothing on it, -1 wrong (PH_E_USAGE). `\:` is a colon, `\\` a backslash, and the colon of a field
 * that begins with `oauth2:` is part of it; blanks around fields are dropped. Strings are made in the arena. */
int ph_user_pair_parse(const char *line, struct ph_arena *arena, struct ph_user_pair *out, struct ph_err *err);

/* A whole file. Lines that are wrong are told to `warn`, with file and number, and counted in *bad; so is a file that others can
 * read (not counted). -1: not a regular file, or cannot be read. */
int ph_user_pairs_read(const char *path, struct ph_arena *arena, struct ph_user_pair **out, size_t *n, size_t *bad,
                       void (*warn)(void *ctx, const char *text), void *ctx, struct ph_err *err);

#endif
