/* framer.h: where one response (or one command) ends in a stream of bytes.
 *
 * A frame is a logical line: text lines joined by the literals between them, up to the CRLF that no literal
 * follows. The framer looks at what is unread in a buffer and never does I/O. At each literal it stops and
 * the caller says whether the bytes are collected in the frame or streamed past it, so a 40 MB message is never in
 * memory. Both sides use it: responses with {n}, commands with {n}, {n+} and ~{n} (RFC 9051 9, RFC 7888, RFC 3516).
 */
#ifndef PH_WIRE_FRAMER_H
#define PH_WIRE_FRAMER_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/buf.h"
#include "base/str.h"

struct ph_frame_limits {
    size_t line;      /* octets of the frame without literals */
    size_t literal;   /* octets of all collected literals together */
    unsigned streams; /* streamed literals in one frame: a MULTIAPPEND has many */
};

#define PH_FRAMER_STREAMS 16 /* enough for a client */

enum ph_frame_event {
    PH_FRAME_MORE,    /* read more into the buffer */
    PH_FRAME_LITERAL, /* a literal follows: call collect or stream, then next again */
    PH_FRAME_STREAM,  /* literal_left octets of the streamed literal come next in the buffer: consume some with
                       * ph_framer_streamed, then next again */
    PH_FRAME_DONE,    /* `frame` is whole: use it, then ph_framer_release */
    PH_FRAME_ERROR,   /* *err says why (PH_E_LIMIT, PH_E_PROTOCOL); the stream cannot be resynchronised */
};

/* A literal that was streamed: it stands in the frame as `{n}` CRLF and no octets behind. */
struct ph_streamed {
    size_t offset; /* of its `{` (or `~`) in the frame */
    uint64_t size;
};

struct ph_framer {
    struct ph_frame_limits limits;
    bool commands; /* set by a server after init. A client's status lines (`* OK text {5}`, `+ …`) end in human text,
                    * which no literal follows; a command has none */
    /* what the caller reads */
    struct ph_str head;     /* at LITERAL: the frame so far, up to the `{`; borrowed */
    uint64_t literal_size;
    uint64_t literal_left;  /* at STREAM */
    bool literal_sync;      /* {n}; false for {n+} */
    bool literal_binary;    /* ~{n} */
    struct ph_str frame;    /* at DONE: without its final CRLF; borrowed until release */
    struct ph_streamed *streamed;
    unsigned n_streamed;
    /* the framer's own */
    struct ph_buf held;     /* the frame's beginning, once something was streamed past it */
    unsigned cap_streamed;
    unsigned n_collected;
    size_t scanned, segment_at, line_at, literal_total;
    uint64_t collect_left;
    int state;
};

extern const struct ph_frame_limits ph_frame_limits_default; /* 16 MiB, 1 MiB, 16 */
void ph_framer_init(struct ph_framer *f, const struct ph_frame_limits *limits); /* NULL: the defaults */
void ph_framer_done(struct ph_framer *f);

/* A line may end in LF alone (some servers do); leading NULs, blank lines and lone CRs between frames are
 * skipped. Sizes over 2^63-1 are PH_E_PROTOCOL, and so are `{}`, `{-1}`, `{ 5}`, `{1e3}` at the end of a
 * line. A streamed literal of no octets gives no PH_FRAME_STREAM. PH_FRAME_MORE comes in the middle of a
 * streamed literal too (literal_left > 0) when the buffer is empty. */
enum ph_frame_event ph_framer_next(struct ph_framer *f, struct ph_buf *in, struct ph_err *err);
/* PH_E_LIMIT when over limits.literal, and at the 4097th in one frame: each costs a look at the head. */
int ph_framer_collect(struct ph_framer *f, struct ph_err *err);
int ph_framer_stream(struct ph_framer *f, struct ph_buf *in, struct ph_err *err);
void ph_framer_streamed(struct ph_framer *f, struct ph_buf *in, size_t n); /* n octets were used up */
void ph_framer_release(struct ph_framer *f, struct ph_buf *in);

#endif
