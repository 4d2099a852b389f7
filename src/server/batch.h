/* batch.h: a few thousand messages of the selected mailbox with what is known of them without reading their octets, for commands that go
 * through many. Sizes, dates and identities are asked of the store for the whole batch at once.
 *
 * Owned by one thread.
 */
#ifndef PH_SERVER_BATCH_H
#define PH_SERVER_BATCH_H

#include "server/session.h"

#define BATCH_MAX 4096

struct message {
    struct mailbox_row row;
    bool gone;                      /* the store has it no more */
    bool skip;                      /* the caller's: batch_scan and batch_info leave it out */
    bool has_date, has_saved, has_size, has_info;
    int zone_min;
    int64_t epoch, saved;           /* INTERNALDATE; SAVEDATE */
    uint64_t size;                  /* as scanned: exact only with PH_AB_EXACT_SIZE */
    const char *emailid, *threadid; /* "": none; NULL: not asked for */
};

struct batch {
    struct session *s;
    struct ph_session *store;
    struct message *m;              /* by UID */
    size_t n, max;
    struct ph_snapshot snap;        /* of the last scan: sizes for reader_add */
    struct ph_arena texts;
};

/* For going through `count` messages in all, `max` at a time (no more than BATCH_MAX). -1 without memory. */
int batch_init(struct batch *b, struct session *s, struct ph_session *store, uint64_t count, size_t max,
               struct ph_err *err);
void batch_done(struct batch *b);
/* Those members of uids from the k-th on that are in the mailbox. Returns how many of the set were looked at: add it to k; 0 at the
 * end. */
size_t batch_fill(struct batch *b, const struct ph_numset *uids, uint64_t k, size_t max);
struct message *batch_find(struct batch *b, uint32_t uid); /* NULL: not in it */
/* Both mark messages that the store did not tell as gone. */
int batch_scan(struct batch *b, uint32_t want, struct ph_err *err); /* PH_WANT_DATE, PH_WANT_SIZE */
int batch_info(struct batch *b, struct ph_err *err);                /* the store has serve->info */
/* Those that are not skipped or gone, added to out. */
int batch_uids(const struct batch *b, struct ph_numset *out, struct ph_err *err);

/* RFC 7162 3.1: a command that uses mod-sequences switches them on, and the first to do so is told the highest. -1: the mailbox has
 * none: BAD (3.1.2.2). */
int session_use_modseq(struct session *s, struct ph_err *err);
/* RFC 9586: -1 with the BAD for message numbers after ENABLE UIDONLY. */
int session_uid_required(struct ph_err *err);
/* OK and NO with MESSAGELIMIT (RFC 9738 3.1): the lowest UID that was processed, 0: not told. */
void session_ok_limit(struct session *s, const struct ph_command *c, uint32_t most, uint32_t lowest, const char *text);
void session_no_limit(struct session *s, const struct ph_command *c, uint32_t most, uint32_t lowest, const char *text);
/* What was written is passed on when it is worth it. -1: the client is gone. */
int session_push_some(struct session *s);

#endif
