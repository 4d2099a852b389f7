/* caps.h: what a server can do, as bits (RFC 9051 7.2.2 CAPABILITY and the registry's names). */
#ifndef PH_CLIENT_CAPS_H
#define PH_CLIENT_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/response.h"

enum {
    PH_CAP_REV1 = 1 << 0,
    PH_CAP_REV2 = 1 << 1,
    PH_CAP_LITERAL_PLUS = 1 << 2,
    PH_CAP_LITERAL_MINUS = 1 << 3,
    PH_CAP_UIDPLUS = 1 << 4,
    PH_CAP_MULTIAPPEND = 1 << 5,
    PH_CAP_CONDSTORE = 1 << 6,
    PH_CAP_QRESYNC = 1 << 7,
    PH_CAP_LIST_STATUS = 1 << 8,
    PH_CAP_LIST_EXTENDED = 1 << 9,
    PH_CAP_SPECIAL_USE = 1 << 10,
    PH_CAP_CREATE_SPECIAL_USE = 1 << 11,
    PH_CAP_NAMESPACE = 1 << 12,
    PH_CAP_ENABLE = 1 << 13,
    PH_CAP_ID = 1 << 14,
    PH_CAP_SASL_IR = 1 << 15,
    PH_CAP_STARTTLS = 1 << 16,
    PH_CAP_LOGINDISABLED = 1 << 17,
    PH_CAP_OBJECTID = 1 << 18,
    PH_CAP_STATUS_SIZE = 1 << 19,
    PH_CAP_GMAIL = 1 << 20,
    PH_CAP_COMPRESS = 1 << 21,
    PH_CAP_UNSELECT = 1 << 22,
    PH_CAP_XLIST = 1 << 23,
    PH_CAP_BINARY = 1 << 24,
    PH_CAP_CHILDREN = 1 << 25,
};

struct ph_caps {
    bool known;
    uint32_t bits;
    uint64_t append_limit;   /* APPENDLIMIT=n; UINT64_MAX: none said */
    uint32_t message_limit;  /* MESSAGELIMIT=n; 0: none */
    struct ph_buf mechanisms;/* AUTH= words, blank-separated */
    struct ph_buf all;       /* every word, blank-separated */
};

void ph_caps_done(struct ph_caps *c);
void ph_caps_forget(struct ph_caps *c);
/* Replace by the words of a CAPABILITY response or code; `without` names words to be deaf to, or NULL. */
void ph_caps_set(struct ph_caps *c, const struct ph_words *words, const char *without);

#endif
