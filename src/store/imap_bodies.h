/* imap_bodies.h: message bytes out of folders, between its two files: imap_bodies_ask.c asks and takes answers in, imap_bodies.c hands the
 * messages on. */
#ifndef PH_STORE_IMAP_BODIES_H
#define PH_STORE_IMAP_BODIES_H

#include "store/imap_internal.h"

struct body_request {
    struct body_request *next;
    char *folder;
    uint32_t uidvalidity;
    struct ph_numset uids;
    const struct ph_snapshot *snap;
    uint32_t asked;  /* highest UID asked for; 0: none */
    bool alone;      /* one UID a command */
};

/* One opening of a mailbox, shared by the commands that were sent under it. */
struct body_open {
    struct imap_select select;
    unsigned refs;
};

enum { WAITING, GIVEN };

struct body_fetch {
    struct ph_cmd cmd; /* first */
    struct body_fetch *next;
    struct imap_session *s;
    struct body_request *req; /* owned when `last` */
    bool last;                /* the request's last command */
    struct body_open *open;
    uint64_t octets;          /* hint: what this command brings */
    uint32_t *uid;            /* asked for, ascending */
    unsigned char *state;
    uint64_t *hint;
    size_t n, given;
    /* the literal that has begun */
    bool literal, uid_unknown, limited;
    uint32_t literal_uid;
    uint64_t literal_size;
    bool frame_done;          /* the FETCH answer that carried it is complete; frame_uid is its UID */
    uint32_t frame_uid;
};

bool body_wants(const struct body_fetch *f, uint32_t uid); /* it was asked for there and has not been given */
void body_give(struct body_fetch *f, uint32_t uid);
void body_request_free(struct body_request *r);
void body_fetch_free(struct body_fetch *f);
int bodies_ask_ahead(struct imap_session *s, struct ph_err *err); /* keep the window full */

#endif
