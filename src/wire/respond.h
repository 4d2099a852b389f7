/* respond.h: what a server says. Each function adds a response, or a part of one, to a writer (RFC 9051 7, and the
 * extensions named at each).
 *
 * What comes from outside (names, keywords, human text) is made legal or sets w->failed; nothing of it can begin a
 * line of its own. The writer is to be PH_LITERAL_ANSWER: literals are `{n}` and wait for nothing. w->utf8 decides how
 * names of mailboxes go out (they are given in UTF-8), and whether human text may.
 */
#ifndef PH_WIRE_RESPOND_H
#define PH_WIRE_RESPOND_H

#include "wire/command.h"
#include "wire/flags.h"
#include "wire/writer.h"

/* --- parts ------------------------------------------------------------------------------------------------------ */

/* Octets that have the right syntax already: a tag as parsed, a partial-range. */
void ph_write_bytes(struct ph_writer *w, struct ph_str s);
/* resp-text that is always legal: CR, LF and NUL are left out, other controls are blanks, what may not go out in 8 bits
 * is `?`. Empty text is `-`, because RFC 3501 wants some. */
void ph_write_text(struct ph_writer *w, struct ph_str text);
/* `(\Seen $x)`: PH_F_ bits and keywords (NULL: none); keywords that are no atoms are left out. */
void ph_write_flags(struct ph_writer *w, unsigned flags, const struct ph_words *keywords);
/* A uid-set in the order given, ranges only where it ascends by one (RFC 4315 3). n 0 fails. */
void ph_write_uids(struct ph_writer *w, const uint32_t *uids, size_t n);
/* nstring, or a literal8 where there are NULs: values of METADATA, BINARY. */
void ph_write_nstring8(struct ph_writer *w, struct ph_str s);
/* `~{n}` and CRLF; the caller sends the octets. ph_write_literal_head has `{n}`. */
void ph_write_literal8_head(struct ph_writer *w, uint64_t n);

/* --- OK, NO, BAD, BYE, PREAUTH ---------------------------------------------------------------------------------- */

/* A whole line. A NIL tag: untagged. */
void ph_write_status(struct ph_writer *w, struct ph_str tag, enum ph_status st, struct ph_str text);
/* With a response code: begin, one of ph_write_code…, end. */
void ph_write_status_begin(struct ph_writer *w, struct ph_str tag, enum ph_status st);
void ph_write_status_end(struct ph_writer *w, struct ph_str text);

void ph_write_code(struct ph_writer *w, enum ph_code id);                     /* [READ-ONLY] */
void ph_write_code_number(struct ph_writer *w, enum ph_code id, uint64_t n);  /* [UIDNEXT 4392] */
/* [METADATA LONGENTRIES 2199], [METADATA NOPRIVATE]; n UINT64_MAX: none. `word` is ours. */
void ph_write_code_word(struct ph_writer *w, enum ph_code id, const char *word, uint64_t n);
void ph_write_code_set(struct ph_writer *w, enum ph_code id, const struct ph_numset *set); /* [MODIFIED 7,9] */
void ph_write_code_capability(struct ph_writer *w, const struct ph_words *words);
void ph_write_code_badcharset(struct ph_writer *w, const struct ph_words *charsets);       /* [BADCHARSET (UTF-8)] */
void ph_write_code_permanentflags(struct ph_writer *w, unsigned flags, const struct ph_words *keywords, bool any);
void ph_write_code_appenduid(struct ph_writer *w, uint32_t uidvalidity, const uint32_t *uids, size_t n);
void ph_write_code_copyuid(struct ph_writer *w, uint32_t uidvalidity, const uint32_t *from, const uint32_t *to,
                           size_t n);
void ph_write_code_mailboxid(struct ph_writer *w, struct ph_str id);                       /* RFC 8474 4.1 */
void ph_write_code_badurl(struct ph_writer *w, struct ph_str url);                         /* RFC 4469 */
void ph_write_code_badevent(struct ph_writer *w, unsigned events); /* those that are known: PH_EV_ bits, RFC 5465 5 */
/* RFC 9585. A NIL tag is the keep-alive without one; goal 0: not known. */
void ph_write_code_inprogress(struct ph_writer *w, struct ph_str tag, uint32_t done, uint32_t goal);
void ph_write_code_messagelimit(struct ph_writer *w, uint32_t limit, uint32_t uid);        /* RFC 9738; uid 0: none */

/* --- untagged data ---------------------------------------------------------------------------------------------- */

void ph_write_count(struct ph_writer *w, uint32_t n, const char *word); /* * 23 EXISTS; EXPUNGE, RECENT */
/* In several lines where one would be very long. Nothing when the set is empty. RFC 7162 3.2.10. */
void ph_write_vanished(struct ph_writer *w, bool earlier, const struct ph_numset *uids);

/* A FETCH response: begin, items, end. After an item's name comes its value, from the caller. */
struct ph_fetch_line {
    struct ph_writer *w;
    bool some;
};
/* `* 12 FETCH (`, or with uidonly (RFC 9586 3.3) `* 825 UIDFETCH (`, then number is the UID. */
void ph_write_fetch_begin(struct ph_fetch_line *l, struct ph_writer *w, uint32_t number, bool uidonly);
void ph_write_fetch_end(struct ph_fetch_line *l);
void ph_write_fetch_name(struct ph_fetch_line *l, const char *name);
/* The name under which an item that was asked for is answered: `BODY[1.HEADER.FIELDS (From To)]<0>`, `RFC822.SIZE`. */
void ph_write_fetch_att(struct ph_fetch_line *l, const struct ph_fetch_att *att);
/* Whole items. */
void ph_write_fetch_flags(struct ph_fetch_line *l, unsigned flags, const struct ph_words *keywords);
void ph_write_fetch_number(struct ph_fetch_line *l, const char *name, uint64_t n); /* UID, RFC822.SIZE */
void ph_write_fetch_modseq(struct ph_fetch_line *l, uint64_t modseq);
void ph_write_fetch_date(struct ph_fetch_line *l, const char *name, int64_t epoch, int zone_min);
/* NIL for SAVEDATE is ph_write_fetch_nstring's. */
void ph_write_fetch_object(struct ph_fetch_line *l, const char *name, struct ph_str id); /* EMAILID (M6d…), THREADID NIL */
void ph_write_fetch_nstring(struct ph_fetch_line *l, const char *name, struct ph_str value);

/* LIST and LSUB: RFC 9051 7.3.1, RFC 5258 3.5. */
struct ph_list_line {
    bool lsub;
    uint32_t attrs;       /* PH_MA_ */
    char delim;           /* 0: NIL */
    struct ph_str name;   /* UTF-8 */
    struct ph_str oldname; /* UTF-8; NIL: none */
    bool childinfo_subscribed;
};
void ph_write_list(struct ph_writer *w, const struct ph_list_line *l);

struct ph_status_line {
    struct ph_str name; /* UTF-8 */
    unsigned items;     /* PH_SI_; those that are not in it are not read */
    uint32_t messages, recent, uidnext, uidvalidity, unseen, deleted;
    uint64_t size, highestmodseq, deleted_storage;
    uint64_t appendlimit; /* UINT64_MAX: NIL */
    struct ph_str mailboxid;
};
void ph_write_mailbox_status(struct ph_writer *w, const struct ph_status_line *s);

/* RFC 9051 7.3.4, 4731 3.2, 9394 3.1; with the mailbox of RFC 7377. Empty results leave out MIN, MAX and ALL. */
struct ph_esearch_line {
    struct ph_str tag;
    struct ph_str mailbox; /* UTF-8; NIL: none, and no uidvalidity */
    uint32_t uidvalidity;
    bool uid;
    unsigned options;      /* PH_SR_ */
    uint32_t min, max;     /* 0: none found */
    uint32_t count;
    const struct ph_numset *all, *partial;
    int64_t partial_first, partial_last; /* as asked for */
    uint64_t modseq;       /* 0: none */
};
void ph_write_esearch(struct ph_writer *w, const struct ph_esearch_line *e);
void ph_write_search(struct ph_writer *w, const struct ph_numset *found, uint64_t modseq); /* * SEARCH; modseq 0: none */
void ph_write_sort(struct ph_writer *w, const uint32_t *found, size_t n, uint64_t modseq);

/* `* ENABLED CONDSTORE`, `* CAPABILITY …`: atoms. */
void ph_write_words(struct ph_writer *w, const char *name, const struct ph_words *words);
void ph_write_id(struct ph_writer *w, const struct ph_words *pairs); /* field, value, …; none: NIL. RFC 2971 3.2 */
void ph_write_namespaces(struct ph_writer *w, const struct ph_namespaces *ns); /* prefixes in UTF-8. RFC 9051 6.3.10 */

/* RFC 9208 5; names of mailboxes in UTF-8, here and below. */
struct ph_quota_usage {
    struct ph_str name;
    uint64_t usage, limit;
};
void ph_write_quota(struct ph_writer *w, struct ph_str root, const struct ph_quota_usage *resources, size_t n);
void ph_write_quotaroot(struct ph_writer *w, struct ph_str mailbox, const struct ph_words *roots);
/* RFC 4314 3.6 to 3.8 */
struct ph_acl_pair {
    struct ph_str identifier, rights;
};
void ph_write_acl(struct ph_writer *w, struct ph_str mailbox, const struct ph_acl_pair *entries, size_t n);
void ph_write_listrights(struct ph_writer *w, struct ph_str mailbox, struct ph_str identifier, struct ph_str required,
                         const struct ph_words *optional);
void ph_write_myrights(struct ph_writer *w, struct ph_str mailbox, struct ph_str rights);
/* RFC 5464 4.4.1 with values, 4.4.2 names of what changed. Nothing when there are none. */
void ph_write_metadata(struct ph_writer *w, struct ph_str mailbox, const struct ph_metadata_entry *entries, size_t n);
void ph_write_metadata_changed(struct ph_writer *w, struct ph_str mailbox, const struct ph_words *names);

#endif
