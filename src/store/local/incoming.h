/* incoming.h: an append under way, shared by append.c, which takes the octets, and arrive.c, which makes them messages. */
#ifndef PH_STORE_LOCAL_INCOMING_H
#define PH_STORE_LOCAL_INCOMING_H

#include "store/local/private.h"

struct local_incoming {
    uint64_t size, got; /* size UINT64_MAX: until the next begins */
    bool ended;
    uint32_t flags;
    char *keywords;
    int64_t epoch;
    int zone_min;
    unsigned char hash[32];
    int64_t thread;
    struct local_pack *pack; /* NULL: in the buffer, at off */
    uint64_t off;
};

struct ph_append { /* only this store's; each kind of store has its own */
    struct ph_append *next;
    struct local_session *s;
    char *folder;
    struct local_where where, replaces;
    uint32_t replaces_validity, replaces_uid;
    size_t n_messages, n, cap; /* n: begun */
    struct local_incoming *m;
    struct ph_buf buf;        /* records that are in no pack yet: from message `first` on */
    size_t first;
    struct local_pack *pack;  /* the message in hand streams into it */
    struct local_pack **used; /* each stays until the append is freed */
    size_t n_used;
    void *md;                 /* EVP_MD_CTX */
    bool finished, refused, submitted;
    struct ph_err err;
    size_t failed_index, bad_index;
    struct local_op op;
    uint32_t uidvalidity;
    uint32_t *uids;
};

void ph_local_append_alone(struct ph_append *a); /* takes it off the session's list: nobody waits for it there */
int ph_local_run_append(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err); /* an operation */
/* A number for the conversation that a message belongs to, from its References, In-Reply-To or Message-ID; 0: none. */
int64_t ph_local_thread_of(const char *message, size_t n);
/* A body's row and its place in the pack's counters. */
int ph_local_body_add(struct local_user *u, struct local_db *db, uint32_t pack, uint64_t off, uint64_t size,
                      const unsigned char hash[32], int64_t thread, int64_t *id, struct ph_err *err);
/* What a user without all rights may set (RFC 4314 4). */
uint32_t ph_local_allowed_flags(unsigned rights);

#endif
