/* structure.h: everything a server has to know of a message to answer FETCH ENVELOPE, BODY, BODYSTRUCTURE and to find what a
 * section names, found while the message streams by once; and the same as a blob that a store keeps.
 *
 * Octets are those of the message as it is fed: CRLF text, as stores deliver it. Strings are without NUL, CR and LF.
 * Nothing fails on bad mail. Limits and what is said beyond them:
 *   depth 100, parts 10,000    what is deeper or more belongs to the part in hand (mime.h). A multipart or message that was not
 *                              taken apart, or has no boundary, is shown as APPLICATION/OCTET-STREAM
 *   header 8 MiB (a part)      its fields beyond are not seen
 *   addresses 200,000          further ones are left out; groups are closed
 *   parameters 50,000          further ones are left out
 *   text 16 MiB (all strings)  further strings are NIL, further lists empty
 * `limited` is set then. A multipart without any part is shown with one empty TEXT/PLAIN, which the grammar demands.
 * Memory: one header, the strings, 100 octets a part. Owned by one thread; reading functions may share a const one.
 */
#ifndef PH_MAIL_STRUCTURE_H
#define PH_MAIL_STRUCTURE_H

#include "mail/address.h"
#include "mail/mime.h"
#include "wire/command.h"
#include "wire/writer.h"

struct ph_structure_limits { /* 0: the default */
    uint32_t depth, parts;
    size_t header, addresses, params, text;
};

struct ph_structure_part {
    uint32_t parent, child, next; /* PH_MIME_NO_PART: none */
    uint32_t depth;
    enum ph_mime_kind kind;
    enum ph_cte cte;
    uint64_t header, body, end; /* header [header, body) with its empty line, body [body, end) */
    uint64_t header_lines, body_lines;
    uint32_t fields, n_fields;  /* private: its record in text */
};

struct ph_structure {
    struct ph_structure_part *parts; /* in the order of their headers; 0 is the message */
    uint32_t n_parts;
    uint64_t size;       /* of the message: RFC822.SIZE */
    bool limited;        /* something was left out */
    /* private */
    uint32_t cap_parts;
    struct ph_buf text;  /* the records of the parts, one behind the other */
    struct structure_parse *parse; /* while feeding */
};

void ph_structure_init(struct ph_structure *s);
void ph_structure_done(struct ph_structure *s);

/* ---- from the octets ---- */

int ph_structure_begin(struct ph_structure *s, const struct ph_structure_limits *limits, struct ph_err *err); /* again: another message */
int ph_structure_feed(struct ph_structure *s, const char *p, size_t n, struct ph_err *err);
int ph_structure_finish(struct ph_structure *s, struct ph_err *err);

/* ---- as a blob ---- */

/* Added to out, which should be kept with the message. About 300 octets for a plain message. */
int ph_structure_save(const struct ph_structure *s, struct ph_buf *out, struct ph_err *err);
/* The blob is checked completely, so that nothing else has to be. -1: PH_E_CORRUPT (also another version): parse the message
 * again. The blob need not stay. */
int ph_structure_load(struct ph_structure *s, struct ph_str blob, struct ph_err *err);

/* ---- as IMAP text (RFC 9051 7.5.2 and 9) ---- */

/* 8-bit text is quoted when w->utf8 and valid, else a literal; literals are announced as a server does, `{n}`, whatever
 * w->literals is. Memory that fails sets w->failed. */
void ph_structure_write_envelope(const struct ph_structure *s, struct ph_writer *w);
enum { PH_BODY_EXTENDED = 1, PH_BODY_REV1 = 2 }; /* BODYSTRUCTURE; for a client of IMAP4rev1, who knows no MESSAGE/GLOBAL envelope */
void ph_structure_write_body(const struct ph_structure *s, unsigned flags, struct ph_writer *w);

/* ---- sections (RFC 9051 6.4.5.1) ---- */

/* The part that a number names: `1.2.3`, n 0: the message. PH_MIME_NO_PART when there is none. Part 1 of a message that is no
 * multipart is that message itself, with `*of_message` set: its MIME header is the message's, its content the message's text. */
uint32_t ph_structure_find(const struct ph_structure *s, const uint32_t *path, size_t n, bool *of_message);

struct ph_extent {
    uint64_t begin, end; /* octets of the message */
};
/* What BODY[section] holds. For PH_SEC_FIELDS and PH_SEC_FIELDS_NOT it is the header to pick from (header.h). False: there is no
 * such section: NIL. */
bool ph_structure_section(const struct ph_structure *s, const struct ph_section *section, struct ph_extent *out);
/* The same for BINARY: *cte of the content. False also for multiparts and messages, which BINARY may not name; [] is the whole
 * message, with PH_CTE_BINARY. */
bool ph_structure_binary(const struct ph_structure *s, const uint32_t *path, size_t n, struct ph_extent *out, enum ph_cte *cte);

/* ---- single values ---- */

enum ph_structure_field { /* of the message; unfolded, not decoded. NIL: absent */
    PH_FIELD_DATE, PH_FIELD_SUBJECT, PH_FIELD_IN_REPLY_TO, PH_FIELD_MESSAGE_ID, PH_FIELD_REFERENCES,
};
struct ph_str ph_structure_field(const struct ph_structure *s, enum ph_structure_field which);
enum ph_structure_list { PH_LIST_FROM, PH_LIST_SENDER, PH_LIST_REPLY_TO, PH_LIST_TO, PH_LIST_CC, PH_LIST_BCC };
/* The first address structure of the list (it may begin a group); false: the list is NIL. Sender and Reply-To fall back on From. */
bool ph_structure_first(const struct ph_structure *s, enum ph_structure_list which, struct ph_address *out);

struct ph_structure_media { /* as they stand; type and subtype are never NIL */
    struct ph_str type, subtype, charset, disposition, filename; /* NIL: none. filename: of the disposition, else `name`; not decoded */
};
void ph_structure_media(const struct ph_structure *s, uint32_t part, struct ph_structure_media *out);

#endif
