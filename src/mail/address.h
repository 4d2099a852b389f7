/* address.h: the addresses of From, To and their like (RFC 5322 3.4 and 4.4: routes, groups, comments, quoted strings, white
 * space in every place), read tolerantly: every octet is taken once, nothing fails but memory.
 *
 * What is damaged: a comment or a quoted string without end goes to the end of the text; words without a domain are an
 * address with an empty (not NIL) host; `<>` has mailbox and host empty. Encoded words stay as they are.
 */
#ifndef PH_MAIL_ADDRESS_H
#define PH_MAIL_ADDRESS_H

#include "base/buf.h"
#include "base/str.h"

/* RFC 9051 7.5.2: the four members of an address structure. The start of a group has the group's name in mailbox and a NIL host,
 * its end has all NIL. */
struct ph_address {
    struct ph_str name;    /* the display name unquoted, else the comment behind the address; NIL: none */
    struct ph_str adl;     /* `@a,@b`, NIL: none */
    struct ph_str mailbox; /* local part, unquoted */
    struct ph_str host;
};

struct ph_addresses {
    struct ph_str text;
    size_t at;
    bool in_group;
    /* private: the strings of the address in hand */
    struct ph_buf name, adl, mailbox, host, comment;
};

/* value: of the field, raw with its folds; borrowed. */
void ph_addresses_init(struct ph_addresses *a, struct ph_str value);
void ph_addresses_begin(struct ph_addresses *a, struct ph_str value); /* another one, with the same memory */
void ph_addresses_done(struct ph_addresses *a);
/* 1: *out, whose strings (without NUL, CR, LF) live until the next call; 0: no more; -1: no memory. */
int ph_addresses_next(struct ph_addresses *a, struct ph_address *out);

/* Sort values of an address, added to out as they stand (not casemapped): addr-mailbox (RFC 5256 3); the decoded display
 * name, else mailbox@host, else mailbox (RFC 5957 3). NULL or the end of a group: nothing. */
int ph_address_sort_mailbox(const struct ph_address *a, struct ph_buf *out);
int ph_address_sort_display(const struct ph_address *a, struct ph_buf *out);

#endif
