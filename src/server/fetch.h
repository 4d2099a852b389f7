/* fetch.h: what the files of FETCH share: fetch.c has the command, fetch_plan.c what it needs, fetch_message.c the answer for one
 * message.
 */
#ifndef PH_SERVER_FETCH_H
#define PH_SERVER_FETCH_H

#include "mail/preview.h"
#include "server/batch.h"
#include "server/reader.h"
#include "wire/respond.h"

enum { /* what the items need */
    NEED_SCAN_DATE = 1 << 0,
    NEED_SCAN_SIZE = 1 << 1,
    NEED_INFO = 1 << 2,
    NEED_ENVELOPE = 1 << 3,  /* what the header tells is enough */
    NEED_STRUCTURE = 1 << 4,
    NEED_PREVIEW = 1 << 5,
    NEED_SIZE = 1 << 6,      /* the exact size, which the scan does not know */
    NEED_HEADER = 1 << 7,    /* octets of the header */
    NEED_OCTETS = 1 << 8,    /* any others */
    NEED_WHOLE = 1 << 9,     /* one item, which is the message from beginning to end: nothing has to be looked at before */
    NEED_BODY = NEED_ENVELOPE | NEED_STRUCTURE | NEED_PREVIEW | NEED_SIZE | NEED_HEADER | NEED_OCTETS, /* in general */
};

/* An item as it will be for the message in hand. */
struct fetch_item {
    enum { ITEM_PLAIN, ITEM_NIL, ITEM_EMPTY, ITEM_EXTENT, ITEM_TEXT, ITEM_FIELDS, ITEM_BINARY, ITEM_SIZE, ITEM_OMIT } how;
    bool nul;
    enum ph_cte cte;
    struct ph_extent extent; /* octets of the message */
    size_t text;             /* ITEM_TEXT: where in fetch.texts */
    uint64_t skip, size;     /* of what the item is made of: what a partial leaves out, and what is sent */
};

struct fetch {
    struct session *s;
    const struct ph_command *c;
    struct ph_session *store;
    const struct ph_fetch_att *atts;
    size_t n;
    unsigned need;
    bool sets_seen;         /* and may */
    bool tell_uid, tell_modseq; /* beyond what the items are */
    bool uidonly;
    struct reader reader;
    struct batch batch;
    struct fetch_item *items; /* one for each of atts */
    struct ph_buf texts, piece;
    struct ph_numset seen;  /* of the batch: \Seen is new */
    struct ph_numset told;  /* all of these */
    uint64_t told_modseq;
    struct ph_numset later; /* of the batch: to be asked for alone */
    uint64_t n_gone;
    bool unknown_cte;
    struct ph_err first;    /* the first that could not be read; kind PH_OK: none */
};

/* fetch_plan.c */
void fetch_plan(struct fetch *f);
bool fetch_marks_seen(const struct ph_fetch_att *atts, size_t n);
/* Can all be told without opening the message? Then what it needs is in f->reader. 1, 0; -1. */
int fetch_is_kept(struct fetch *f, const struct message *m, struct ph_err *err);
/* The open message must be asked for again by itself, because its octets are needed more than once. */
bool fetch_needs_return(const struct fetch *f);

/* fetch_prepare.c: 1: there is nothing to tell. */
int fetch_prepare(struct fetch *f, struct ph_err *err);

/* fetch_message.c: the answer for a message; what of it is not in the batch is in the open reader. */
int fetch_tell(struct fetch *f, const struct message *m, struct ph_err *err);

#endif
