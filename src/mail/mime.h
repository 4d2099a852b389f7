/* mime.h: the structure of a message (RFC 2045, 2046) with octet offsets, found while it streams by.
 *
 * Feed the octets in pieces of any size. Parts are numbered in the order of their headers; part 0 is the message itself. No
 * octet is kept but the header in hand and a line's beginning. Nothing fails on bad mail: what cannot be understood is
 * a leaf. Limits end the finding of further parts, never the reading: what is beyond them belongs to the part in hand,
 * and `limited` says so. Line ends are CRLF or LF. Owned by one thread.
 */
#ifndef PH_MAIL_MIME_H
#define PH_MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "mail/decode.h"

#define PH_MIME_NO_PART UINT32_MAX

enum ph_mime_kind {
    PH_MIME_LEAF,
    PH_MIME_MULTIPART, /* its children are between the boundaries */
    PH_MIME_MESSAGE,   /* message/rfc822, message/global: its one child is the message */
};

struct ph_mime_part {
    uint32_t parent, child, next; /* PH_MIME_NO_PART: none. child: the first; next: of the same parent */
    uint32_t depth;               /* 0: the message */
    enum ph_mime_kind kind;
    enum ph_cte cte;
    /* octets from the beginning of the whole: header [header, body), with its empty line; body [body, end), without the line end
     * that belongs to the boundary behind it (RFC 2046 5.1.1) */
    uint64_t header, body, end;
    uint64_t header_lines, body_lines; /* line ends in there */
    /* in the arena, lower case, "text", "plain" where there is no valid Content-Type; charset "" when not told */
    const char *type, *subtype, *charset;
    bool header_cut; /* longer than the limit: what was understood is from its beginning */
};

struct ph_mime_limits { /* 0: the default */
    uint32_t depth;     /* 100 */
    uint32_t parts;     /* 10000 */
    size_t header;      /* octets of one part's header that are looked at, 256 KiB */
};

/* NULL callbacks are left out. Strings are borrowed for the call. -1 ends the parsing with that error. */
struct ph_mime_calls {
    int (*header)(void *ctx, uint32_t part, struct ph_str header, struct ph_err *err); /* complete, or cut at the limit */
    int (*body)(void *ctx, uint32_t part, const char *p, size_t n, struct ph_err *err); /* of a leaf, still encoded */
    int (*end)(void *ctx, uint32_t part, struct ph_err *err);
    void *ctx;
};

struct ph_mime {
    struct ph_mime_part *parts;
    uint32_t n_parts;
    bool limited;
    /* private */
    struct ph_mime_limits limits;
    struct ph_mime_calls calls;
    uint32_t cap_parts, current;
    struct ph_arena arena;
    struct ph_buf header;        /* of the part in hand */
    bool in_header, outside;     /* outside: preamble or epilogue */
    struct mime_boundary *stack; /* of the multiparts we are in */
    uint32_t n_stack;
    uint64_t at, lines;          /* octets and line ends taken */
    uint64_t line_at;            /* where the line in hand begins */
    char line[256];              /* its beginning, until it is known what it is */
    size_t n_line;
    bool passing;                /* it is known: the rest passes */
    char held[2];                /* the line end before it: the boundary's, if it is one */
    size_t n_held;
};

int ph_mime_init(struct ph_mime *m, const struct ph_mime_limits *limits, const struct ph_mime_calls *calls,
                 struct ph_err *err);
void ph_mime_done(struct ph_mime *m);
int ph_mime_feed(struct ph_mime *m, const char *p, size_t n, struct ph_err *err);
int ph_mime_finish(struct ph_mime *m, struct ph_err *err); /* all parts are there and ended */

/* ---- Content-Type and its like ---- */

/* `type/subtype; name=value; …` (RFC 2045 5.1): type and subtype as slices of the value; false if it has not that form. */
bool ph_mime_type(struct ph_str value, struct ph_str *type, struct ph_str *subtype);
/* The value of one parameter (any case), unquoted, continuations joined and percent-encoding undone (RFC 2231; the charset of
 * such a value is dropped), added to out. 1 found, 0 not, -1 without memory. */
int ph_mime_param(struct ph_str value, const char *name, struct ph_buf *out);
/* All of them as they stand, RFC 2231 in name and value left alone, only unquoted: *rest is the value at first. value is cleared
 * before. 1: *name (borrowed) and value; 0: no more; -1 without memory. */
int ph_mime_param_next(struct ph_str *rest, struct ph_str *name, struct ph_buf *value);

#endif
