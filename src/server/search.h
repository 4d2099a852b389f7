/* search.h: which messages of the selected mailbox match a search program (RFC 9051 6.4.4), for SEARCH, SORT, THREAD, ESEARCH.
 *
 * The program is evaluated in three values with what is known of a message so far: rows (flags, numbers, mod-sequences), then dates and
 * sizes from the store's index, then identities, then its header, then all of it. Messages that are decided are not read further, so
 * `UNSEEN SINCE 1-Jan-2024 BODY x` opens only what is left by the first two.
 */
#ifndef PH_SERVER_SEARCH_H
#define PH_SERVER_SEARCH_H

#include "mail/search.h"
#include "server/batch.h"
#include "server/progress.h"
#include "server/reader.h"

enum { /* what is known of a message, or has to be */
    KNOW_ROW = 1 << 0,
    KNOW_DATE = 1 << 1,
    KNOW_SIZE = 1 << 2,
    KNOW_INFO = 1 << 3,
    KNOW_HEADER = 1 << 4,
    KNOW_BODY = 1 << 5,
};

enum verdict { SEARCH_NO, SEARCH_YES, SEARCH_OPEN };

struct search_node {
    enum ph_search_what what;
    bool negated;
    unsigned needs;            /* KNOW_*: of a leaf; 0 for AND, OR, NOT */
    uint32_t kids, n;          /* nodes [kids, kids + n) */
    struct ph_numset set;      /* UIDs */
    uint32_t flag;             /* PH_F_*; 0: the keyword `text` */
    struct ph_str text;
    uint64_t number;
    int64_t days;
    size_t key;                /* in the text search */
    unsigned char *kwsets;     /* for each set of keywords: not known, no, yes */
    size_t n_kwsets;
};

struct search_text { /* keys of one of the two text searches */
    struct ph_text_key *keys;
    size_t n;
    struct ph_text_search *search; /* NULL: no keys */
};

/* What is known of the message in hand. */
struct search_facts {
    unsigned know;
    const struct message *m;
    bool has_sent;
    int64_t sent;              /* days: as written in the Date field */
};

struct search {
    struct session *s;
    struct ph_session *store;
    struct search_node *nodes; /* 0 is the program */
    uint32_t n_nodes, cap_nodes;
    unsigned needs;            /* of all leaves */
    bool uses_modseq, uses_sent;
    struct search_text header, body;
    struct ph_arena arena;
    int64_t now;               /* seconds since 1970 */
    struct reader reader;
    struct batch batch;
    unsigned char verdicts[BATCH_MAX];
    struct progress progress;
    uint64_t n_unreadable;
    struct ph_numset within;   /* the UIDs that can match, by the sets that have to */
    uint32_t lowest;           /* MESSAGELIMIT: the lowest that is looked at; 0: all are */
};

/* search_plan.c: NULL with *err: PH_E_BAD, or code BADCHARSET. The program must live as long. */
struct search *search_new(struct session *s, const struct ph_command *c, struct ph_err *err);
void search_free(struct search *q);
enum verdict search_eval(struct search *q, uint32_t node, const struct search_facts *f);

/* search_run.c: UIDs that match, added to found. The first `most` of them are enough, or with `from_end` the last: perhaps a few
 * more are found. UINT64_MAX: all. */
int search_run(struct search *q, uint64_t most, bool from_end, struct ph_numset *found, struct ph_err *err);
/* `* NO` when some could not be read. */
void search_warn(struct search *q);

/* search_answer.c: what RETURN asks for, from the messages found in their order. */
struct search_result {
    const struct ph_cmd_search *c;
    unsigned options;          /* PH_SR_ */
    struct ph_numset first, last; /* UIDs: found from the front, from the back; when all were looked for both are all */
    bool all;
};
int search_results(struct search *q, const struct ph_cmd_search *c, unsigned options, struct search_result *r,
                   struct ph_err *err);
void search_results_done(struct search_result *r);
/* mailbox: of RFC 7377, or NULL. */
int search_write_esearch(struct search *q, const struct ph_command *c, const struct search_result *r, const char *mailbox,
                         struct ph_err *err);
unsigned search_options(const struct session *s, const struct ph_cmd_search *c); /* 0: the old answer */
/* Ranks first..last (RFC 9394 3.1; negative from the end) of n: [*from, *to); false: none. */
bool search_ranks(int64_t first, int64_t last, uint64_t n, uint64_t *from, uint64_t *to);
/* Message numbers for UIDs. */
int search_numbers(struct session *s, const struct ph_numset *uids, struct ph_numset *out, struct ph_err *err);

#endif
