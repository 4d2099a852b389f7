/* response.h: one server response as a value (RFC 9051 7, RFC 3501 7, and the extensions named at each field).
 *
 * ph_resp_parse turns a whole frame into a struct ph_resp whose slices borrow from the frame and from an arena;
 * both must outlive it. It is tolerant where real servers are wrong: extra blanks, missing text, atoms where strings
 * belong and the reverse, unknown items, odd case, NIL delimiters, extra parentheses (Domino), a bare response code
 * (Exchange). What cannot be understood at all is PH_RESP_UNKNOWN, never an error, unless nesting or size limits
 * are hit.
 */
#ifndef PH_WIRE_RESPONSE_H
#define PH_WIRE_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/str.h"
#include "wire/framer.h"
#include "wire/numset.h"

enum ph_resp_kind {
    PH_RESP_UNKNOWN,      /* word, rest */
    PH_RESP_CONTINUE,     /* `+`: text (base64 in SASL), also text of a response code */
    PH_RESP_STATUS,       /* OK NO BAD BYE PREAUTH, tagged or not */
    PH_RESP_CAPABILITY,   /* words */
    PH_RESP_ENABLED,      /* words */
    PH_RESP_FLAGS,        /* words */
    PH_RESP_EXISTS,       /* number */
    PH_RESP_RECENT,       /* number */
    PH_RESP_EXPUNGE,      /* number */
    PH_RESP_VANISHED,     /* set, earlier (RFC 7162) */
    PH_RESP_FETCH,        /* number, fetch (also UIDFETCH of RFC 9586: number is the UID, uid set) */
    PH_RESP_LIST,         /* list; LSUB and XLIST too, told apart by word */
    PH_RESP_MAILBOX_STATUS, /* `STATUS`: status */
    PH_RESP_SEARCH,       /* set, modseq (SORT: order in numbers) */
    PH_RESP_ESEARCH,      /* esearch */
    PH_RESP_NAMESPACE,    /* ns */
    PH_RESP_ID,           /* words: field, value, field, value …; a NIL value has p == NULL */
};

enum ph_status {
    PH_ST_NONE = 0,
    PH_ST_OK,
    PH_ST_NO,
    PH_ST_BAD,
    PH_ST_BYE,
    PH_ST_PREAUTH,
};

/* Response codes: RFC 9051 7.1, 5530, 4315, 7162, 7888/7889, 8474, 5182, 5464, 9738 and those vendors use. */
enum ph_code {
    PH_CODE_NONE = 0,
    PH_CODE_UNKNOWN,
    PH_CODE_ALERT, PH_CODE_ALREADYEXISTS, PH_CODE_APPENDUID, PH_CODE_AUTHENTICATIONFAILED, PH_CODE_AUTHORIZATIONFAILED,
    PH_CODE_BADCHARSET, PH_CODE_CANNOT, PH_CODE_CAPABILITY, PH_CODE_CLIENTBUG, PH_CODE_CLOSED, PH_CODE_CONTACTADMIN,
    PH_CODE_COPYUID, PH_CODE_CORRUPTION, PH_CODE_EXPIRED, PH_CODE_EXPUNGEISSUED, PH_CODE_HASCHILDREN,
    PH_CODE_HIGHESTMODSEQ, PH_CODE_INUSE, PH_CODE_LIMIT, PH_CODE_MAILBOXID, PH_CODE_MESSAGELIMIT, PH_CODE_MODIFIED,
    PH_CODE_NOMODSEQ, PH_CODE_NONEXISTENT, PH_CODE_NOPERM, PH_CODE_NOTSAVED, PH_CODE_NOUPDATE, PH_CODE_OVERQUOTA,
    PH_CODE_PARSE, PH_CODE_PERMANENTFLAGS, PH_CODE_PRIVACYREQUIRED, PH_CODE_READONLY, PH_CODE_READWRITE,
    PH_CODE_SERVERBUG, PH_CODE_THROTTLED, PH_CODE_TOOBIG, PH_CODE_TRYCREATE, PH_CODE_UIDNEXT, PH_CODE_UIDNOTSTICKY,
    PH_CODE_UIDVALIDITY, PH_CODE_UNAVAILABLE, PH_CODE_UNKNOWN_CTE, PH_CODE_UNSEEN, PH_CODE_UIDREQUIRED,
    PH_CODE_BADURL, PH_CODE_TOOMANY, PH_CODE_METADATA, PH_CODE_COMPRESSIONACTIVE, PH_CODE_REFERRAL,
    PH_CODE_INPROGRESS, PH_CODE_NOTIFICATIONOVERFLOW, PH_CODE_USEATTR, PH_CODE_BADEVENT,
};

struct ph_words {
    struct ph_str *w;
    size_t n;
};

/* The code's atom, NULL for NONE and UNKNOWN. */
const char *ph_code_atom(enum ph_code id);

struct ph_resp_code {
    enum ph_code id;
    struct ph_str atom; /* as sent */
    struct ph_str args; /* raw text behind the atom, without the blank, up to the `]` */
    uint64_t number;    /* UIDNEXT, UIDVALIDITY, UNSEEN, HIGHESTMODSEQ, MESSAGELIMIT's n, APPENDUID/COPYUID's validity */
    uint32_t uid;       /* MESSAGELIMIT's lowest processed UID */
    struct ph_str set1, set2; /* APPENDUID: set2 = new UIDs; COPYUID: source and new UIDs; MODIFIED: set1 (raw, as sent) */
    struct ph_words words;    /* CAPABILITY, PERMANENTFLAGS, BADCHARSET */
};

struct ph_date_time {
    int64_t epoch;    /* seconds since 1970 UTC */
    int16_t zone_min; /* minutes east of UTC, as the server wrote it */
    bool valid;
};

/* A FETCH item's value that is text: a string, NIL, or a literal that was streamed past the frame. */
struct ph_body_item {
    struct ph_str section; /* what stands in the brackets, as sent: "", "HEADER", "1.MIME" …; RFC822 is "" */
    bool binary;           /* BINARY[…] */
    bool nil;
    bool partial;
    uint64_t origin;       /* of <n> */
    int stream;            /* index into the framer's streamed[], or -1: then text holds the value */
    struct ph_str text;
    bool uid_before;       /* UID stood before this item in the response */
};

/* Any value, for items that only some callers look into (ENVELOPE, BODYSTRUCTURE, unknown items). */
struct ph_value {
    enum { PH_V_NIL, PH_V_ATOM, PH_V_STRING, PH_V_LIST } type;
    struct ph_str text;      /* atom or string, unescaped */
    struct ph_value *items;  /* list */
    size_t n;
};

struct ph_fetch_item {
    struct ph_str name; /* upper case */
    struct ph_value value;
};

struct ph_fetch {
    bool has_uid, has_flags, has_size, has_modseq, has_gm_msgid, has_gm_thrid, has_gm_labels;
    uint32_t uid;
    struct ph_words flags;
    struct ph_date_time internaldate; /* valid only when sent */
    uint64_t size;                    /* RFC822.SIZE */
    uint64_t modseq;                  /* a negative or absurd one (seen at Zoho) leaves has_modseq false */
    uint64_t gm_msgid, gm_thrid;
    struct ph_words gm_labels;        /* as sent: modified UTF-7, system labels with backslash */
    struct ph_str emailid, threadid;  /* RFC 8474, NIL when not sent */
    struct ph_body_item *bodies;
    size_t n_bodies;
    struct ph_value *envelope, *bodystructure; /* NULL when not sent */
    struct ph_fetch_item *others;
    size_t n_others;
};

/* Mailbox attributes as bits: RFC 9051 7.3.1, RFC 6154, RFC 5258. */
enum {
    PH_MA_NOINFERIORS = 1 << 0, PH_MA_NOSELECT = 1 << 1, PH_MA_NONEXISTENT = 1 << 2, PH_MA_HASCHILDREN = 1 << 3,
    PH_MA_HASNOCHILDREN = 1 << 4, PH_MA_MARKED = 1 << 5, PH_MA_UNMARKED = 1 << 6, PH_MA_SUBSCRIBED = 1 << 7,
    PH_MA_REMOTE = 1 << 8,
    PH_MA_ALL = 1 << 16, PH_MA_ARCHIVE = 1 << 17, PH_MA_DRAFTS = 1 << 18, PH_MA_FLAGGED = 1 << 19, PH_MA_JUNK = 1 << 20,
    PH_MA_SENT = 1 << 21, PH_MA_TRASH = 1 << 22, PH_MA_IMPORTANT = 1 << 23, PH_MA_INBOX = 1 << 24,
};
#define PH_MA_SPECIAL 0x01ff0000u
/* `\Noselect` for one bit, NULL when there is no such. */
const char *ph_mailbox_attr(uint32_t bit);

struct ph_list_item {
    uint32_t attrs;
    struct ph_words attr_words; /* as sent, for those without a bit */
    char delim;                 /* 0: NIL */
    struct ph_str name;         /* as on the wire */
    struct ph_str oldname;      /* OLDNAME extended item (RFC 9051), NIL if none */
    bool childinfo_subscribed;
};

struct ph_mailbox_status {
    struct ph_str name;
    bool has_messages, has_recent, has_uidnext, has_uidvalidity, has_unseen, has_deleted, has_size, has_modseq,
        has_appendlimit;
    uint32_t messages, recent, uidnext, uidvalidity, unseen, deleted;
    uint64_t size, modseq, appendlimit; /* appendlimit UINT64_MAX: NIL, no limit of its own */
    struct ph_str mailboxid;
};

struct ph_esearch {
    struct ph_str tag;
    bool uid, has_min, has_max, has_count, has_modseq;
    uint32_t min, max, count;
    uint64_t modseq;
    struct ph_str all; /* set as sent, NIL if none */
};

struct ph_namespace {
    struct ph_str prefix;
    char delim;
};
struct ph_namespaces {
    struct ph_namespace *personal, *other, *shared;
    size_t n_personal, n_other, n_shared;
};

struct ph_resp {
    enum ph_resp_kind kind;
    struct ph_str tag;   /* NIL for untagged and `+` */
    struct ph_str word;  /* the response's name as sent */
    enum ph_status status;
    struct ph_resp_code code;
    struct ph_str text;  /* human text; UNKNOWN: the rest of the line */
    uint32_t number;
    bool earlier;
    struct ph_numset set; /* from the heap for VANISHED, SEARCH: call ph_resp_done */
    uint32_t *numbers;    /* SORT: in order, from the arena */
    size_t n_numbers;
    uint64_t modseq;
    struct ph_words words;
    struct ph_fetch fetch;
    struct ph_list_item list;
    struct ph_mailbox_status mstatus;
    struct ph_esearch esearch;
    struct ph_namespaces ns;
};

struct ph_resp_limits {
    unsigned depth;  /* of nested parentheses */
    size_t ranges;   /* of a number set */
    size_t values;   /* list elements in one response */
};
extern const struct ph_resp_limits ph_resp_limits_default; /* 100, 1,000,000, 1,000,000 */

/* Parse frame f->frame with f->streamed. *out is fully initialised on success (and on failure: UNKNOWN). -1 only
 * for limits (PH_E_LIMIT, scope session) and memory. */
int ph_resp_parse(const struct ph_framer *f, const struct ph_resp_limits *limits, struct ph_arena *arena,
                  struct ph_resp *out, struct ph_err *err);
void ph_resp_done(struct ph_resp *r);

/* For a client at PH_FRAME_LITERAL: is this frame head (up to the `{`) a FETCH response whose literal is a message
 * body that may be streamed (BODY[…], BODY[…]<n>, BINARY[…], RFC822, RFC822.TEXT, RFC822.HEADER)? Fills seq, uid (0
 * if not seen before it) and whether the section is the whole message. Cheap: one pass over the head. */
bool ph_resp_body_literal(struct ph_str head, uint32_t *seq, uint32_t *uid, bool *whole);

#endif
