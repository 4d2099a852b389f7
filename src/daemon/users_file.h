/* users_file.h: the file of users as a table that does not change, shared by reference. Not for other layers. */
#ifndef PH_DAEMON_USERS_FILE_H
#define PH_DAEMON_USERS_FILE_H

#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "daemon/verifier.h"

struct ph_users_entry {
    const char *name;
    enum ph_verifier_kind kind;             /* of main: what a clear password is held against */
    const char *main;
    const char *scram_sha256, *scram_sha1;  /* NULL: none */
    const char *plain;                      /* the password itself; NULL */
};

struct ph_users_table {
    _Atomic unsigned refs;
    struct ph_arena arena;
    struct ph_users_entry *entry; /* by name */
    size_t n;
    struct ph_str key;            /* NIL: the file has none */
};

/* Text in place (it is cut up); `path` is for errors. */
int ph_users_table_parse(char *text, const char *path, struct ph_users_table **out, struct ph_err *err);
/* *st: of the file that was read. */
int ph_users_table_read(const char *path, struct ph_users_table **out, struct stat *st, struct ph_err *err);
struct ph_users_table *ph_users_table_ref(struct ph_users_table *t);
void ph_users_table_unref(struct ph_users_table *t); /* NULL is fine */
const struct ph_users_entry *ph_users_table_find(const struct ph_users_table *t, const char *name); /* NULL */

/* The whole file, at most 64 MiB, NUL behind it. */
int ph_users_file_slurp(int fd, const char *path, struct ph_buf *out, struct ph_err *err);

#endif
