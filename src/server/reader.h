/* reader.h: the octets of messages for FETCH, SEARCH and their kin, whatever way the store has to give them.
 *
 * A store that can open a message at any place (serve.h, body_open) is read there; others hand messages out from beginning to
 * end. Then the first MiB of the message in hand is kept, so that its header and small messages can be looked at in any order, and
 * what lies behind can be had again by asking for the message once more. Never is more than that in memory.
 *
 * Owned by one thread. What is lent is valid until the next call. Errors of scope message concern this message only; kind
 * PH_E_NOTFOUND: it is gone.
 */
#ifndef PH_SERVER_READER_H
#define PH_SERVER_READER_H

#include "mail/structure.h"
#include "store/serve.h"

#define READER_PREFIX (1u << 20)

struct reader {
    uint32_t uid;           /* of the message that is open; 0: none */
    uint64_t size;          /* exact */
    bool missing;           /* from reader_next: there is nothing to read, `why` */
    struct ph_err why;
    struct ph_structure structure; /* when a call below has said so */
    bool has_structure;
    bool has_preview;       /* kept with the structure */
    struct ph_buf preview;
    bool keep_nothing;      /* the caller reads from beginning to end: the prefix is not kept */

    /* private */
    struct ph_session *store;
    const struct ph_serve_ops *serve;
    const char *folder;
    uint32_t uidvalidity;
    enum { READER_CLOSED, READER_RANDOM, READER_ALONE, READER_PIPED } how;
    struct ph_buf prefix;   /* octets [0, …) */
    const char *piece;      /* lent by the store: [piece_at, piece_at + n_piece) */
    size_t n_piece;
    uint64_t piece_at, at;  /* at: of the next piece */
    bool has_header_end;
    uint64_t header_end;
    struct ph_numset todo;  /* of reader_add, not yet asked for */
    const struct ph_snapshot *sizes;
    unsigned waiting;       /* asked for and not yet handed out */
    bool busy;              /* something may be under way in the store's session */
    bool broken;            /* the store's session */
};

void reader_init(struct reader *r, struct ph_session *store, const char *folder, uint32_t uidvalidity);
/* Reads what was asked for and not taken, so that the store's session can be used for something else. */
void reader_done(struct reader *r);

/* The store can open a message at any place: reader_open is the cheap way. */
static inline bool reader_is_random(const struct reader *r)
{
    return r->serve->body_open != NULL;
}

/* Many messages, in the order the store likes. sizes (may be NULL): hints; borrowed until they are read. */
int reader_add(struct reader *r, const struct ph_numset *uids, const struct ph_snapshot *sizes, struct ph_err *err);
int reader_next(struct reader *r, struct ph_err *err); /* 1: one is open, or missing; 0: no more */
/* Nothing is under way any more: before the store's session is used for anything else. What was asked for and not taken is read. */
int reader_finish(struct reader *r, struct ph_err *err);
/* One message by itself; not while reader_next has not said 0. */
int reader_open(struct reader *r, uint32_t uid, struct ph_err *err);

/* Can every octet be read as often as one likes? False: only in ascending order, and the prefix. */
static inline bool reader_can_return(const struct reader *r)
{
    return r->how != READER_PIPED || r->size <= READER_PREFIX;
}

/* Lends at most `want` octets from `offset`; *n 0 only at the end of the message. */
int reader_at(struct reader *r, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err);
/* Where the body begins: behind the first empty line, else the end. */
int reader_header_end(struct reader *r, uint64_t *end, struct ph_err *err);
/* The header in one piece, with its empty line; of one longer than READER_PREFIX the beginning, and *whole is false. */
int reader_header(struct reader *r, struct ph_str *header, bool *whole, struct ph_err *err);

/* r->structure of this message from what the store keeps, without opening it: 1 found, 0 not. A message that is
 * open stays open when it is the same one. */
int reader_kept_structure(struct reader *r, uint32_t uid, struct ph_err *err);
/* r->structure of the open message, kept or found by reading it all (and then kept, where the store can). */
int reader_structure(struct reader *r, struct ph_err *err);
/* The same as far as the header tells: ENVELOPE. has_structure is not set. */
int reader_envelope(struct reader *r, struct ph_err *err);
/* Keep r->preview with the structure, where the store can. Not being able to is not an error. */
void reader_keep_preview(struct reader *r);

#endif
