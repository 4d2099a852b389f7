/* contract.h: what every kind of store must do, as cmocka cases that are run against any of them.
 *
 * A test program makes a store and calls contract_run. The cases work in folders of their own below a root that no
 * earlier run has used, so a store may hold other mail, and leave nothing behind when they pass. What a store says it
 * cannot do (PH_AB_*) is not asked of it; what it says it can do must be right.
 */
#ifndef TEST_STORE_CONTRACT_H
#define TEST_STORE_CONTRACT_H

#include "store/store.h"

struct contract_options {
    struct ph_store *(*make)(void *ctx); /* a store object for one case; all of them lead to one place */
    void *ctx;
    const char *only;      /* run only cases with this in their name; NULL: all */
    size_t many;           /* messages of the large folder */
    uint64_t big;          /* octets of the big message */
    bool holds_messages;   /* the store keeps bytes in this process: memory is not measured */
    bool zones;            /* the zone of an internal date is kept */
    bool any_name;         /* every folder name is possible; otherwise a refusal is as good */
};

/* Runs the cases; the number of failed ones. */
int contract_run(const char *name, const struct contract_options *opt);

/* ---- for the cases ---- */

struct contract {
    const struct contract_options *opt;
    struct ph_store *st;
    struct ph_cancel cancel;
    struct ph_loop loop;
    struct ph_session *s;
    uint32_t ab;
    char delim;
    char root[64];         /* the case's own folder; exists */
    char folder[16][128];  /* of c_folder */
    size_t n_folders;
};

struct contract_case {
    const char *name;
    void (*run)(struct contract *c);
};
extern const struct contract_case contract_folder_cases[], contract_read_cases[], contract_write_cases[];

struct c_message {
    const char *text; /* NULL: made from id and size */
    unsigned id;
    size_t size;
    struct ph_message m;
};

/* A folder below the root, made now; the name is valid until the case ends. */
const char *c_folder(struct contract *c, const char *leaf);
/* The same without making it. */
const char *c_name(struct contract *c, const char *leaf);
struct ph_session *c_open(struct contract *c);
/* A message of exactly size octets (at least 200), well-formed, the same for the same id and size. The caller frees. */
char *c_make(unsigned id, size_t size);
/* Put n messages made by c_make in, in one batch where the store can, else one by one; fails the test unless all are
 * taken. uids may be NULL; they are looked up when the store does not tell them. */
void c_append(struct contract *c, const char *folder, const struct c_message *msgs, size_t n, uint32_t *uids);
void c_append_plain(struct contract *c, const char *folder, unsigned first_id, size_t n, uint32_t *uids);
/* Scan with everything wanted but keys. snap is initialised here. */
void c_scan(struct contract *c, const char *folder, struct ph_snapshot *snap);
void c_scan_req(struct contract *c, const char *folder, const struct ph_scan_request *req, struct ph_snapshot *snap);
uint32_t c_uidvalidity(struct contract *c, const char *folder);
/* Read what is left of the body that bodies_next began; the caller frees. */
char *c_read(struct contract *c, size_t *n);
struct ph_numset c_set(const uint32_t *uids, size_t n);

extern struct ph_err said; /* what the last call said */

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        ph_err_clear(&said);                                                                                            \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s %s", #call, ph_kind_name(said.kind), said.text);                                            \
    } while (0)
/* The call fails with this kind. */
#define FAILS(kind_, call)                                                                                             \
    do {                                                                                                               \
        ph_err_clear(&said);                                                                                            \
        assert_int_equal((call), -1);                                                                                  \
        if (said.kind != (kind_))                                                                                       \
            fail_msg("%s: %s (%s) instead of %s", #call, ph_kind_name(said.kind), said.text, ph_kind_name(kind_));       \
    } while (0)

#endif
