/* lane.h: the parts of a lane among themselves: lane.c (its life), lane_ask.c (from the queue to the source), lane_send.c (from the
 * source to the destination), lane_settle.c (what the destination says of it).
 */
#ifndef PH_TRANSFER_LANE_H
#define PH_TRANSFER_LANE_H

#include <openssl/evp.h>

#include "transfer/run.h"

/* One append under way. Servers interleave the answers to several FETCHes (Dovecot does, when it is read slowly), so the
 * messages of an append may belong to several batches of the same folder. */
struct flight {
    struct flight *next;
    struct ph_append *a;
    struct folder_work *f;
    struct {
        struct batch *b;
        size_t row;
    } *item;
    size_t n, cap;
    uint64_t bytes;
    bool careful;
    struct batch *alone; /* only this batch's messages: half of a refused append, in search of the one message */
};

static inline struct ph_ledger_row *row_of(const struct flight *fl, size_t i)
{
    return &fl->item[i].b->rows[fl->item[i].row];
}

static inline void set_state(struct flight *fl, size_t i, unsigned char state)
{
    fl->item[i].b->state[fl->item[i].row] = state;
}

struct lane {
    struct run *r;
    pthread_t thread;
    bool started;
    bool lent;                        /* the sessions it was made with are still its own */
    struct ph_loop loop;
    struct ph_session *src, *dst;
    struct batch *first, *last;       /* asked for, in order; the first is being sent */
    uint64_t ahead_messages, ahead_bytes;
    struct flight *open;              /* being written */
    struct flight *first_flight, *last_flight;
    uint64_t unacked;
    unsigned n_flights;
    EVP_MD_CTX *md;
    struct folder_work *folder;       /* prefer its batches */
};

/* lane_ask.c */
int lane_take_ahead(struct lane *l, struct ph_err *err);   /* batches off the queue, and their messages asked for */
struct batch *lane_owner(struct lane *l, const struct ph_body *body);
void lane_missing(struct lane *l, struct batch *b, const struct ph_body *body); /* what was asked for and did not come */

/* lane_send.c: -1: a session failed */
int lane_relay(struct lane *l, struct batch *b, const struct ph_body *body, struct ph_err *err);
int lane_finish_open(struct lane *l, struct ph_err *err);  /* no more joins the append that is being written */

/* lane_settle.c */
void lane_again(struct lane *l, const struct batch *old, const struct ph_numset *uids, bool lost); /* back into the queue */
void lane_settle(struct lane *l, struct batch *b);         /* everything of it has its answer: the ledger learns it; frees it */
int lane_reap(struct lane *l, struct ph_err *err);         /* the answer to the oldest append; -1: the session failed */
void lane_orphan_flights(struct lane *l);                  /* their session is gone, and with it their answers */

#endif
