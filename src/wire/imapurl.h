/* imapurl.h: URLs of messages and their parts (RFC 5092), for CATENATE (RFC 4469).
 *
 * The grammar is checked and escapes are resolved; whether the server is this one and the mailbox exists is the caller's to
 * ask. Errors are PH_E_PROTOCOL with text that may stand in a NO [BADURL …]. URLAUTH (RFC 4467) is refused.
 */
#ifndef PH_WIRE_IMAPURL_H
#define PH_WIRE_IMAPURL_H

#include "wire/command.h"

struct ph_imapurl {
    bool network;          /* `imap://server/…` or `//server/…` */
    struct ph_str user, mechanism, host; /* decoded; NIL when not given */
    uint32_t port;         /* 0: not given */
    bool absolute;         /* the path begins with `/`; else it is relative to the selected mailbox */
    struct ph_str mailbox; /* UTF-8, as RFC 5092 8 has it; NIL: none, the selected mailbox */
    uint32_t uidvalidity;  /* 0: not given */
    uint32_t uid;          /* 0: not given */
    bool has_section;
    struct ph_section section;
    bool partial;
    uint64_t offset, length; /* length 0: up to the end */
    struct ph_str search;  /* behind `?`, decoded; NIL: none */
};

/* Slices borrow from text and from the arena. */
int ph_imapurl_parse(struct ph_str text, struct ph_arena *arena, struct ph_imapurl *out, struct ph_err *err);

#endif
