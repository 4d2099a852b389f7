/* conn.h: one IMAP connection as a pipeline of commands.
 *
 * Commands are queued (ph_conn_begin … ph_conn_end) and go out as the socket takes them; ph_conn_wait runs the loop
 * until one is done. Answers are matched by tag. Untagged data is offered to the commands under way, oldest first. A message
 * body literal stops the reading of further answers until its owner has taken the bytes, so memory does not
 * depend on the size of a message. Owned by one thread, moved by its ph_loop.
 *
 * A connection that fails stays failed: `broken` has the reason, every command under way ends with it.
 */
#ifndef PH_CLIENT_CONN_H
#define PH_CLIENT_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/buf.h"
#include "client/caps.h"
#include "client/options.h"
#include "io/loop.h"
#include "io/stream.h"
#include "wire/framer.h"
#include "wire/response.h"
#include "wire/writer.h"

struct ph_conn;
struct ph_cmd;

struct ph_cmd_ops {
    /* Untagged data: true when it was this command's (it is offered to no other). May be NULL. The response is
     * borrowed for the call. */
    bool (*untagged)(struct ph_cmd *c, struct ph_conn *conn, const struct ph_resp *r);
    /* A `+` that no literal waits for (AUTHENTICATE, IDLE). */
    void (*go_on)(struct ph_cmd *c, struct ph_conn *conn, const struct ph_resp *r);
    /* The tagged answer, after `status`, `err` and `code` were set; may be NULL. */
    void (*tagged)(struct ph_cmd *c, struct ph_conn *conn, const struct ph_resp *r);
    /* A whole-message literal begins in a FETCH answer; uid 0: not seen before it. true: this command takes it. */
    bool (*body)(struct ph_cmd *c, struct ph_conn *conn, uint32_t seq, uint32_t uid, uint64_t size);
};

/* One command under way. Embedded in its owner's struct, which must outlive it until `done`. */
struct ph_cmd {
    const struct ph_cmd_ops *ops;
    struct ph_cmd *next;
    uint32_t tag;
    bool done, queued;
    bool selected_state;     /* its untagged data is about the selected mailbox */
    bool has_nonsync_literal;/* a BAD to it means that the two ends may disagree about where commands begin */
    enum ph_status status;
    enum ph_code code;
    uint64_t out_body, out_end; /* output offsets of an open command: its last literal, behind its last octet; 0: not yet */
    struct ph_err err;       /* when status is not OK: the server's words */
};

struct ph_conn_body {
    bool active;
    struct ph_cmd *owner;    /* NULL: nobody's, thrown away */
    uint32_t seq, uid;
    uint64_t size, left;
};

#define PH_CONN_STOPS 64

struct ph_conn {
    struct ph_loop_member member; /* first: the loop's handle */
    struct ph_loop *loop;
    struct ph_stream *stream;
    const struct ph_imap_options *opt;
    unsigned number;         /* for traces */
    struct ph_buf in, out;
    uint64_t out_base;       /* stream offset of out's first octet */
    bool full;               /* the socket has taken all it can: nothing is tried before it is writable */
    struct {
        uint64_t at;         /* octets from here on wait for a `+` */
        uint64_t end;        /* first octet behind the literal's command; UINT64_MAX while it is being written */
        struct ph_cmd *cmd;
    } stops[PH_CONN_STOPS];
    unsigned n_stops;
    struct ph_framer framer;
    struct ph_arena arena;
    struct ph_writer w;      /* of the command being built */
    struct ph_cmd *building;
    struct ph_cmd *first, *last;
    uint32_t next_tag;
    struct ph_caps caps;
    struct ph_conn_body body;
    bool hold;               /* an answer has to be taken before the next one is looked at */
    bool want_more;          /* the framer waits for octets: read even when the buffer is full */
    bool enabled_qresync, enabled_condstore, greeting_preauth, secret_input, tls, processing;
    bool stop_reading;       /* STARTTLS: nothing behind its tagged answer may be taken for an answer */
    unsigned unasked;        /* untagged answers nobody waited for since the last tagged one */
    unsigned bads;           /* BAD answers so far: Exchange hangs up at the tenth */
    int64_t last_progress;
    uint64_t bytes_in, bytes_out;
    char *bye;               /* text of an untagged BYE */
    struct ph_err broken;    /* kind != PH_OK: failed */
    struct ph_str greeting;  /* text, in greeting_text */
    struct ph_buf greeting_text;
    void *owner;             /* the store session */
    void (*on_alert)(struct ph_conn *c, struct ph_str text);
};

/* Connect, shake hands, log in, learn the capabilities. Waits run in `loop`. Errors: PH_E_AUTH scope store, … */
int ph_conn_open(const struct ph_imap_options *opt, struct ph_loop *loop, struct ph_conn **out, struct ph_err *err);
/* LOGOUT without waiting for its answer, close, free. */
void ph_conn_close(struct ph_conn *c);

/* Build a command: begin gives the writer with the tag written; add what follows; end adds CRLF and queues. The bytes go
 * out when the loop turns or ph_conn_flush is called. */
struct ph_writer *ph_conn_begin(struct ph_conn *c, struct ph_cmd *cmd, const struct ph_cmd_ops *ops);
/* -1 when the command could not be built (NUL in a string, memory): nothing was queued. */
int ph_conn_end(struct ph_conn *c, struct ph_err *err);
/* End without the CRLF: the caller goes on with ph_conn_put (a literal's octets follow). */
int ph_conn_end_open(struct ph_conn *c, struct ph_err *err);
/* More octets of the command being written; blocks in the loop while the output buffer is over its high-water mark. */
int ph_conn_put(struct ph_conn *c, const void *p, size_t n, struct ph_err *err);
/* Continue an open command with more words built in the writer (w->n_syncs honoured). */
struct ph_writer *ph_conn_more(struct ph_conn *c);
int ph_conn_more_end(struct ph_conn *c, struct ph_cmd *cmd, struct ph_err *err);
/* The open command's last octet was put: its pending stop, if any, ends here. */
void ph_conn_put_done(struct ph_conn *c, struct ph_cmd *cmd);

/* Run the loop until cmd is done (0, whatever its status) or the connection failed (-1). */
int ph_conn_wait(struct ph_conn *c, struct ph_cmd *cmd, struct ph_err *err);
/* One turn of the loop with this connection's time-out. */
int ph_conn_turn(struct ph_conn *c, struct ph_err *err);
/* Simple commands: wait and turn NO and BAD into an error. */
int ph_conn_wait_ok(struct ph_conn *c, struct ph_cmd *cmd, struct ph_err *err);
void ph_conn_flush(struct ph_conn *c); /* write what the socket takes now */
void ph_conn_process(struct ph_conn *c); /* read answers out of the input buffer */
int ph_conn_fail(struct ph_conn *c, const struct ph_err *why); /* make it broken; -1 */
/* The owner of commands under way goes away (a cancellation, no memory): end them all, the connection with them. */
void ph_conn_give_up(struct ph_conn *c, const struct ph_err *why);

/* The body literal that has begun: octets lent (n 0: turn the loop first), then taken. */
struct ph_str ph_conn_body_peek(struct ph_conn *c);
void ph_conn_body_take(struct ph_conn *c, size_t n);

/* A refused answer as an error: scope and kind from the response code. `what` says what was asked for. */
void ph_conn_refusal(const struct ph_resp *r, struct ph_err *err);
/* May secrets be sent? TLS, a local peer, or allowed. */
bool ph_conn_is_private(const struct ph_conn *c);
void ph_conn_trace(struct ph_conn *c, bool sent, const char *line, size_t n);

/* login.c */
int ph_conn_login(struct ph_conn *c, struct ph_err *err);

#endif
