/* stdin_message.h: a message as local mail systems hand it over: lines that end with LF, perhaps with a `From ` line of mbox before
 * them. */
#ifndef PH_DAEMON_STDIN_MESSAGE_H
#define PH_DAEMON_STDIN_MESSAGE_H

#include "daemon/spool.h"

/* Read to the end. Line ends become CR LF, those that are stay; a first line that begins with "From " is left out. PH_E_PROTOCOL: nothing
 * came; PH_E_TOOBIG: more than `most` octets (0: any). */
int ph_stdin_message(int fd, uint64_t most, struct ph_spool *out, struct ph_err *err);

struct ph_line_ends {
    bool cr;        /* the last octet was one */
    char first[5];  /* of the message, until it is known whether it is a From line */
    size_t n_first;
    enum { PH_LE_FIRST, PH_LE_SKIP, PH_LE_TEXT } state;
};
/* A piece, in any cut. n 0 ends the message. */
int ph_line_ends_add(struct ph_line_ends *l, const char *p, size_t n, struct ph_spool *out, struct ph_err *err);

#endif
