/* check.h: what the parts of checking and repairing share. */
#ifndef PH_STORE_LOCAL_CHECK_H
#define PH_STORE_LOCAL_CHECK_H

#include "store/local/account.h"

struct local_check {
    struct local_user *u;
    bool repair;
    void (*report)(void *ctx, const struct ph_local_finding *f);
    void *ctx;
    struct ph_local_check_result *result;
    int64_t *unreadable; /* bodies whose octets are not there */
    size_t n_unreadable, cap_unreadable;
};

enum { FOUND_LOSS = 1, FOUND_REPAIRED = 2 };
void ph_local_found(struct local_check *c, int how, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* check_rows.c: compare what is counted with what there is; inside an operation with repair, else with a reader. */
int ph_local_check_rows(struct local_check *c, struct local_db *db, struct ph_err *err);

/* recover.c: records of packs. */
struct local_found_record {
    struct local_record r;
    uint64_t off;
    bool damaged; /* its octets do not have the hash */
};
/* Walk the records of a pack from its beginning, over damaged places to the next record that is one. *end: behind the last.
 * -1: the file cannot be read, or each returned it. */
int ph_local_pack_walk(int fd, uint32_t number, int (*each)(void *ctx, const struct local_found_record *f, struct ph_err *err),
                       void *ctx, uint64_t *end, struct ph_err *err);
/* Inside a transaction: the records of a pack that no body is, and whose octets no other body has, become messages of
 * "Recovered". *n: how many. */
int ph_local_recover(struct local_check *c, struct local_db *db, uint32_t number, int fd, uint64_t *n, struct ph_err *err);
int ph_local_hash_record(int fd, uint64_t off, uint64_t size, unsigned char hash[32]); /* -1: cannot be read */

/* rebuild.c: the index anew. Not entered. */
int ph_local_rebuild(struct local_check *c, struct ph_err *err);
int ph_local_open_index(struct local_user *u, const char *path, bool wal, struct ph_err *err); /* user.c */
int ph_local_fill_index(struct local_user *u, struct ph_err *err);                             /* user.c */

#endif
