/* flags.h: the system flags of a message as bits (RFC 9051 2.3.2; \Recent: RFC 3501 2.3.2). */
#ifndef PH_WIRE_FLAGS_H
#define PH_WIRE_FLAGS_H

enum {
    PH_F_SEEN = 1 << 0,
    PH_F_ANSWERED = 1 << 1,
    PH_F_FLAGGED = 1 << 2,
    PH_F_DELETED = 1 << 3,
    PH_F_DRAFT = 1 << 4,
    PH_F_RECENT = 1 << 5, /* read, never sent by a client */
};

#endif
