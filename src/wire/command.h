/* command.h: one client command as a value (RFC 9051 6 and 9, RFC 3501, and the extensions named at each
 * part).
 *
 * ph_command_parse turns a whole frame into a struct ph_command: the grammar is checked, the meaning is not
 * (does the mailbox exist, is the state right, is the extension enabled). A command is a row of a table and a
 * function over ph_args; the grammar of a later extension is a row and a small file. Slices borrow from the
 * frame and from the arena.
 *
 * Errors are for the tagged BAD: err->text is printable and one line, out->tag is NIL when the line had no
 * tag (then the BAD is untagged).
 */
#ifndef PH_WIRE_COMMAND_H
#define PH_WIRE_COMMAND_H

#include "wire/args.h"

enum ph_cmd {
    PH_CMD_NONE,
    /* any state */
    PH_CMD_CAPABILITY,
    PH_CMD_NOOP,
    PH_CMD_LOGOUT,
    PH_CMD_ID,
    PH_CMD_COMPRESS,
    PH_CMD_UNAUTHENTICATE, /* RFC 8437; from authenticated on */
    /* not authenticated */
    PH_CMD_STARTTLS,
    PH_CMD_AUTHENTICATE,
    PH_CMD_LOGIN,
    /* authenticated */
    PH_CMD_ENABLE,
    PH_CMD_SELECT,
    PH_CMD_EXAMINE,
    PH_CMD_CREATE,
    PH_CMD_DELETE,
    PH_CMD_RENAME,
    PH_CMD_SUBSCRIBE,
    PH_CMD_UNSUBSCRIBE,
    PH_CMD_LIST,
    PH_CMD_LSUB,
    PH_CMD_NAMESPACE,
    PH_CMD_STATUS,
    PH_CMD_APPEND,
    PH_CMD_IDLE,
    PH_CMD_GETQUOTA,
    PH_CMD_GETQUOTAROOT,
    PH_CMD_SETQUOTA,
    PH_CMD_SETACL,
    PH_CMD_DELETEACL,
    PH_CMD_GETACL,
    PH_CMD_LISTRIGHTS,
    PH_CMD_MYRIGHTS,
    PH_CMD_GETMETADATA,
    PH_CMD_SETMETADATA,
    PH_CMD_NOTIFY,
    PH_CMD_ESEARCH, /* in several mailboxes: RFC 7377 */
    /* selected */
    PH_CMD_CHECK,
    PH_CMD_CLOSE,
    PH_CMD_UNSELECT,
    PH_CMD_EXPUNGE,
    PH_CMD_SEARCH,
    PH_CMD_SORT,
    PH_CMD_THREAD,
    PH_CMD_FETCH,
    PH_CMD_STORE,
    PH_CMD_COPY,
    PH_CMD_MOVE,
    PH_CMD_REPLACE,
    /* from here on: the caller's own, see ph_args_limits.more */
    PH_CMD_APPLICATION = 1000,
};

/* In which states a command may come: a set of bits. */
enum {
    PH_STATE_NONAUTH = 1 << 0,
    PH_STATE_AUTH = 1 << 1,
    PH_STATE_SELECTED = 1 << 2,
    PH_STATE_ANY = 7,
};

/* --- SELECT, EXAMINE: RFC 7162 3.1.8 and 3.2.5 --- */
struct ph_cmd_select {
    struct ph_str mailbox;
    bool condstore, qresync;
    uint32_t uidvalidity; /* of QRESYNC */
    uint64_t modseq;
    struct ph_seqset known_uids, match_seqs, match_uids; /* text NIL when not given */
};

/* --- LIST: RFC 5258, 5819, 6154, 8440, 9590, 9051 6.3.9 --- */
enum {
    PH_LO_SUBSCRIBED = 1 << 0, PH_LO_REMOTE = 1 << 1, PH_LO_RECURSIVEMATCH = 1 << 2, PH_LO_SPECIAL_USE = 1 << 3,
    PH_LO_CHILDREN = 1 << 4, PH_LO_STATUS = 1 << 5, PH_LO_MYRIGHTS = 1 << 6, PH_LO_METADATA = 1 << 7,
};
/* Items of STATUS: RFC 9051 6.3.11, 3501 (RECENT), 7162, 8438, 7889, 8474, 9208. */
enum {
    PH_SI_MESSAGES = 1 << 0, PH_SI_UIDNEXT = 1 << 1, PH_SI_UIDVALIDITY = 1 << 2, PH_SI_UNSEEN = 1 << 3,
    PH_SI_DELETED = 1 << 4, PH_SI_SIZE = 1 << 5, PH_SI_RECENT = 1 << 6, PH_SI_HIGHESTMODSEQ = 1 << 7,
    PH_SI_APPENDLIMIT = 1 << 8, PH_SI_MAILBOXID = 1 << 9, PH_SI_DELETED_STORAGE = 1 << 10,
};
struct ph_cmd_list {
    bool extended;           /* any of the options or several patterns: the rules of RFC 5258 hold */
    unsigned select, options; /* PH_LO_ bits; options: of RETURN */
    unsigned status;         /* PH_SI_ bits of RETURN (STATUS (…)) */
    struct ph_words metadata; /* entries of RETURN (METADATA (…)) */
    struct ph_str reference;
    struct ph_words patterns;
};
struct ph_cmd_status {
    struct ph_str mailbox;
    unsigned items; /* PH_SI_ bits */
};

/* --- APPEND: RFC 9051 6.3.12, MULTIAPPEND 3502, BINARY 3516, CATENATE 4469, UTF8 6855 4; REPLACE: 8508 --- */
struct ph_cat_part {
    bool url;        /* text is a URL, for ph_imapurl_parse; else a literal: TEXT, or UTF8 */
    bool utf8;       /* UTF8 (~{…}) */
    bool announced;  /* the text is there; false: this is what came before the literal at a head's end */
    int stream;      /* index into the framer's streamed[], or -1: then text holds the octets */
    struct ph_str text;
};
struct ph_append_message {
    struct ph_words flags;
    bool has_date;
    int64_t epoch;
    int zone_min;
    bool announced;  /* all of it stands in the frame; false: this is what came before the next literal */
    bool binary;     /* literal8 */
    bool utf8;       /* UTF8 (~{…}) */
    int stream;      /* index into the framer's streamed[], or -1: then text holds the message */
    struct ph_str text;
    bool catenate;   /* the message is its parts, put together in their order; stream is -1 */
    struct ph_cat_part *parts;
    size_t n_parts;
};
/* At a literal: what it is, as far as the head tells. */
struct ph_append_place {
    bool content;     /* of a message, or of a TEXT of one: may be streamed. Else (a URL, a mailbox's name): collect */
    bool in_catenate; /* the parentheses that stand open around it */
    bool in_utf8;
};
struct ph_cmd_append {
    struct ph_seqset replaces; /* REPLACE: one number or `*`; NIL for APPEND */
    struct ph_str mailbox;
    struct ph_append_message *messages; /* REPLACE: one */
    size_t n;
    struct ph_append_place place; /* only from ph_command_parse_head */
};

/* --- FETCH: RFC 9051 6.4.5, 7162, 8474, 3516, 8970, 8514, 9394 --- */
enum ph_section_what {
    PH_SEC_ALL, /* BODY[], BODY[1.2] */
    PH_SEC_HEADER, PH_SEC_FIELDS, PH_SEC_FIELDS_NOT, PH_SEC_TEXT, PH_SEC_MIME,
};
struct ph_section {
    enum ph_section_what what;
    uint32_t *part; /* 1.2.3 */
    size_t n_part;
    struct ph_words fields;
};
enum ph_fetch_what {
    PH_FA_ENVELOPE, PH_FA_FLAGS, PH_FA_INTERNALDATE, PH_FA_SIZE, PH_FA_BODY, PH_FA_BODYSTRUCTURE, PH_FA_UID,
    PH_FA_SECTION,     /* BODY[…], BODY.PEEK[…] */
    PH_FA_BINARY, PH_FA_BINARY_SIZE,
    PH_FA_RFC822, PH_FA_RFC822_HEADER, PH_FA_RFC822_TEXT, /* answered under these names; HEADER does not set \Seen */
    PH_FA_MODSEQ, PH_FA_EMAILID, PH_FA_THREADID, PH_FA_PREVIEW, PH_FA_SAVEDATE,
};
struct ph_fetch_att {
    enum ph_fetch_what what;
    bool peek;
    bool lazy; /* PREVIEW (LAZY) */
    struct ph_section section;
    bool partial;
    uint64_t origin, length;
};
struct ph_cmd_fetch {
    struct ph_seqset set;
    struct ph_fetch_att *atts; /* macros are expanded */
    size_t n;
    bool has_changedsince, vanished;
    uint64_t changedsince;
    bool has_partial; /* only with UID */
    int64_t partial_first, partial_last; /* as in struct ph_cmd_search */
};

/* --- STORE: RFC 9051 6.4.6, 7162 3.1.3 --- */
struct ph_cmd_store {
    struct ph_seqset set;
    char op; /* '+', '-', or 0: replace */
    bool silent, has_unchangedsince;
    uint64_t unchangedsince;
    struct ph_words flags;
};

struct ph_cmd_copy {
    struct ph_seqset set; /* EXPUNGE: only with UID */
    struct ph_str mailbox;
};

/* --- which mailboxes: RFC 5465 6 (NOTIFY), RFC 7377 2.2 (ESEARCH) --- */
enum ph_filter_what {
    PH_MF_SELECTED, PH_MF_SELECTED_DELAYED, PH_MF_INBOXES, PH_MF_PERSONAL, PH_MF_SUBSCRIBED,
    PH_MF_SUBTREE, PH_MF_SUBTREE_ONE, PH_MF_MAILBOXES, /* names */
};
struct ph_mailbox_filter {
    enum ph_filter_what what;
    struct ph_words names;
};

/* --- SEARCH, SORT, THREAD, ESEARCH: RFC 9051 6.4.4, 7162 3.1.5, 5032, 8474, 9738, 5256, 4731, 9394, 8514, 7377 --- */
enum ph_search_what {
    PH_SK_ALL,
    PH_SK_AND, PH_SK_OR, PH_SK_NOT, /* kids */
    PH_SK_SEQ, PH_SK_UID,           /* set */
    PH_SK_FLAG,                     /* text: `\Seen` or a keyword; not set when `negated` */
    PH_SK_NEW, PH_SK_OLD, PH_SK_RECENT, /* RFC 3501 */
    PH_SK_HEADER,                   /* name, text; FROM, TO, CC, BCC, SUBJECT too */
    PH_SK_BODY, PH_SK_TEXT,         /* text */
    PH_SK_BEFORE, PH_SK_ON, PH_SK_SINCE,             /* days, by internal date */
    PH_SK_SENTBEFORE, PH_SK_SENTON, PH_SK_SENTSINCE, /* days, by the Date field */
    PH_SK_LARGER, PH_SK_SMALLER,    /* number */
    PH_SK_OLDER, PH_SK_YOUNGER,     /* number: seconds */
    PH_SK_MODSEQ,                   /* number; name, text: entry and type, NIL if none */
    PH_SK_EMAILID, PH_SK_THREADID,  /* text */
    PH_SK_UIDAFTER, PH_SK_UIDBEFORE, /* number */
    PH_SK_SAVEDBEFORE, PH_SK_SAVEDON, PH_SK_SAVEDSINCE, /* days, by save date */
    PH_SK_SAVEDATESUPPORTED,
};
struct ph_search_key {
    enum ph_search_what what;
    bool negated;
    struct ph_str name, text;
    struct ph_seqset set;
    uint64_t number;
    int64_t days; /* since 1970-01-01 */
    struct ph_search_key *kids;
    size_t n;
};
enum {
    PH_SR_MIN = 1 << 0, PH_SR_MAX = 1 << 1, PH_SR_ALL = 1 << 2, PH_SR_COUNT = 1 << 3, PH_SR_SAVE = 1 << 4,
    PH_SR_PARTIAL = 1 << 5,
};
enum ph_sort_by {
    PH_SORT_ARRIVAL, PH_SORT_CC, PH_SORT_DATE, PH_SORT_FROM, PH_SORT_SIZE, PH_SORT_SUBJECT, PH_SORT_TO,
    PH_SORT_DISPLAYFROM, PH_SORT_DISPLAYTO, /* RFC 5957 */
};
struct ph_sort_key {
    enum ph_sort_by by;
    bool reverse;
};
struct ph_cmd_search {
    bool has_return;        /* answer with ESEARCH; RETURN () is RETURN (ALL): RFC 4731 3.1 */
    unsigned options;       /* PH_SR_ bits */
    int64_t partial_first, partial_last; /* of PARTIAL, both of one sign, either order: RFC 9394 3.1 */
    struct ph_str charset;  /* NIL when not given */
    struct ph_sort_key *sort;
    size_t n_sort;
    struct ph_str algorithm; /* THREAD */
    struct ph_search_key key; /* AND of the keys, or the only one */
    struct ph_mailbox_filter *sources; /* ESEARCH IN (…); none: the selected mailbox. No SELECTED_DELAYED */
    size_t n_sources;
};

/* --- QUOTA: RFC 9208, 2087 --- */
struct ph_cmd_quota_limit {
    struct ph_str name; /* as sent: STORAGE (units of 1024 octets), MESSAGE, … */
    uint64_t limit;     /* up to 2^63-1 */
};
struct ph_cmd_quota {
    struct ph_str root;    /* GETQUOTA, SETQUOTA; may be empty */
    struct ph_str mailbox; /* GETQUOTAROOT */
    struct ph_cmd_quota_limit *resources; /* SETQUOTA; none: no limits */
    size_t n;
};

/* --- ACL: RFC 4314, 2086 --- */
struct ph_cmd_acl {
    struct ph_str mailbox;
    struct ph_str identifier; /* SETACL, DELETEACL, LISTRIGHTS; with the `-` of negative rights */
    char op;                  /* SETACL: '+', '-', or 0: replace */
    struct ph_str rights;     /* SETACL: a-z and 0-9, perhaps none; which of them exist is the caller's to know */
};

/* --- METADATA: RFC 5464 --- */
#define PH_DEPTH_INFINITY UINT32_MAX
struct ph_metadata_entry {
    struct ph_str name;  /* as sent; compared without regard to case */
    struct ph_str value; /* SETMETADATA; NIL: remove it. May have NULs */
};
struct ph_cmd_metadata {
    struct ph_str mailbox; /* empty: of the server */
    bool has_maxsize;
    uint32_t maxsize;
    uint32_t depth;        /* 0, 1, PH_DEPTH_INFINITY */
    struct ph_metadata_entry *entries;
    size_t n;
};

/* --- NOTIFY: RFC 5465 --- */
enum {
    PH_EV_MESSAGE_NEW = 1 << 0, PH_EV_MESSAGE_EXPUNGE = 1 << 1, PH_EV_FLAG_CHANGE = 1 << 2,
    PH_EV_ANNOTATION_CHANGE = 1 << 3, PH_EV_MAILBOX_NAME = 1 << 4, PH_EV_SUBSCRIPTION_CHANGE = 1 << 5,
    PH_EV_MAILBOX_METADATA_CHANGE = 1 << 6, PH_EV_SERVER_METADATA_CHANGE = 1 << 7,
    PH_EV_UNKNOWN = 1 << 8, /* some event of another name: to be refused by NO [BADEVENT …] */
    PH_EV_MESSAGE = 0xf,    /* those that concern messages */
};
struct ph_notify_group {
    struct ph_mailbox_filter filter; /* no SUBTREE_ONE */
    unsigned events;                 /* PH_EV_ bits; 0: NONE */
    struct ph_fetch_att *atts;       /* of MessageNew, only with SELECTED and SELECTED_DELAYED */
    size_t n_atts;
};
struct ph_cmd_notify {
    bool set;    /* false: NONE */
    bool status;
    struct ph_notify_group *groups;
    size_t n;
};

/* --- a command of the caller's own: its arguments in the order of its row's shape --- */
enum ph_shape_what {
    PH_SH_TEXT,   /* atom, astring, string, nstring, mailbox, pattern: text */
    PH_SH_NUMBER, /* number, number64: number */
    PH_SH_SET,    /* set */
    PH_SH_FLAGS,  /* flags: words */
    PH_SH_ANY,    /* any: arg */
};
struct ph_shape_value {
    enum ph_shape_what what;
    struct ph_str text;
    uint64_t number;
    struct ph_seqset set;
    struct ph_words words;
    const struct ph_arg *arg; /* each has it */
};
struct ph_cmd_values {
    struct ph_shape_value *v;
    size_t n;
};

struct ph_command {
    struct ph_str tag;  /* NIL: none that is valid */
    struct ph_str name; /* upper case, without UID */
    enum ph_cmd id;
    bool uid;           /* `UID FETCH` … */
    unsigned states;
    struct ph_arg args; /* the tree */
    union {
        struct { struct ph_str user, password; } login;
        struct { struct ph_str mechanism, initial; } auth; /* initial: base64 or "=", NIL: none */
        struct { struct ph_str name, to; struct ph_words use; } mailbox; /* CREATE (use: RFC 6154), RENAME (to), … */
        struct ph_words words; /* ENABLE; ID: field, value, … with NIL values; COMPRESS: its mechanism */
        struct ph_cmd_select select;
        struct ph_cmd_list list;
        struct ph_cmd_status status;
        struct ph_cmd_append append;
        struct ph_cmd_fetch fetch;
        struct ph_cmd_store store;
        struct ph_cmd_copy copy;
        struct ph_cmd_search search;
        struct ph_cmd_quota quota;
        struct ph_cmd_acl acl;
        struct ph_cmd_metadata metadata;
        struct ph_cmd_notify notify;
        struct ph_cmd_values values; /* of a row with a shape */
    };
};

/* Parse f->frame. -1: send BAD (err, and out->tag). out is initialised in any case. */
int ph_command_parse(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                     struct ph_command *out, struct ph_err *err);

/* At PH_FRAME_LITERAL: parse f->head. For APPEND and REPLACE, out->append has the messages so far and, last, the
 * one whose literal is announced (announced false, binary not known here): the server can refuse before it takes
 * the octets. With CATENATE it is the last of that message's parts that is announced. append.place says whether the
 * literal may be streamed. For any other command only tag, name and id are filled: collect the literal. No later head needs
 * what an earlier one left in the arena: reset it, or a command of many literals fills it. */
int ph_command_parse_head(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                          struct ph_command *out, struct ph_err *err);

/* The same at each literal once one was streamed, in time that does not grow with their number: reads only what
 * stands behind the last streamed literal. `at` is the place of that one. */
struct ph_append_head {
    struct ph_cat_part *rest; /* CATENATE: what came behind the streamed literal in its own message */
    size_t n_rest;
    struct ph_append_message *messages; /* that begin behind it. n 0: the last of `rest` is what is announced */
    size_t n;
    struct ph_append_place place;
};
int ph_append_next_head(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                        struct ph_append_place at, struct ph_append_head *out, struct ph_err *err);

/* --- for the files that hold grammar ---------------------------------------------------------------------------- */

struct ph_command_row {
    const char *name;
    enum ph_cmd id; /* a caller's own: PH_CMD_APPLICATION and above */
    unsigned states;
    enum { PH_UID_NO, PH_UID_MAY, PH_UID_MUST } uid;
    int (*parse)(struct ph_args *c, struct ph_command *out); /* NULL: no arguments, or a shape */
    /* Kinds of arguments between blanks: atom, astring, string, nstring, mailbox, pattern, number, number64, set,
     * flags, any. `[kinds]` at the end may be missing, `kind...` is one or more: "astring mailbox [number]". */
    const char *shape;
};

int ph_grammar_select(struct ph_args *c, struct ph_command *out);
int ph_grammar_list(struct ph_args *c, struct ph_command *out);
int ph_grammar_lsub(struct ph_args *c, struct ph_command *out);
int ph_grammar_status(struct ph_args *c, struct ph_command *out);
int ph_grammar_append(struct ph_args *c, struct ph_command *out);
int ph_grammar_replace(struct ph_args *c, struct ph_command *out);
int ph_grammar_fetch(struct ph_args *c, struct ph_command *out);
int ph_grammar_store(struct ph_args *c, struct ph_command *out);
int ph_grammar_search(struct ph_args *c, struct ph_command *out);
int ph_grammar_sort(struct ph_args *c, struct ph_command *out);
int ph_grammar_thread(struct ph_args *c, struct ph_command *out);
int ph_grammar_esearch(struct ph_args *c, struct ph_command *out);
int ph_grammar_quota(struct ph_args *c, struct ph_command *out);
int ph_grammar_acl(struct ph_args *c, struct ph_command *out);
int ph_grammar_getmetadata(struct ph_args *c, struct ph_command *out);
int ph_grammar_setmetadata(struct ph_args *c, struct ph_command *out);
int ph_grammar_notify(struct ph_args *c, struct ph_command *out);
int ph_grammar_shape(struct ph_args *c, const char *shape, struct ph_command *out);
/* Parts that several of them have. */
int ph_grammar_fetch_att(struct ph_args *c, struct ph_fetch_att *att);
int ph_grammar_fetch_atts(struct ph_args *c, struct ph_fetch_att **atts, size_t *n); /* a list */
int ph_grammar_partial(struct ph_args *c, int64_t *first, int64_t *last);            /* RFC 9394 partial-range */
int ph_grammar_entry(struct ph_args *c, struct ph_str *name);                        /* of METADATA */
int ph_grammar_filter(struct ph_args *c, bool esearch, struct ph_mailbox_filter *f);
/* Is the announced literal of the kind that its place asks for? */
int ph_append_check_literal(const struct ph_framer *f, struct ph_append_place at, struct ph_err *err);
int ph_grammar_search_keys(struct ph_args *c, struct ph_search_key *key);

/* A row of words that stand for bits. */
struct ph_bit_row {
    const char *word;
    unsigned bit;
};
/* Takes an atom of the rows (the last has word NULL) and gives its bit. */
int ph_grammar_bit(struct ph_args *c, const struct ph_bit_row *rows, const char *what, unsigned *bit);

#endif
