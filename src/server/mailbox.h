/* mailbox.h: what is in a mailbox, shared by all sessions of this process that have it selected, and what each of
 * them has told its client.
 *
 * struct mailbox holds one row of 16 octets a message, kept up to date from the store: by its mod-sequences where it has
 * them, else by comparing full scans, with mod-sequences of our own that are never shown. All functions lock by themselves; rows
 * are copied out.
 *
 * struct uidlist is an immutable list of UIDs as ranges; message numbers are positions in it. Sessions that were told the same
 * share one. struct view belongs to its session.
 */
#ifndef PH_SERVER_MAILBOX_H
#define PH_SERVER_MAILBOX_H

#include "store/serve.h"
#include "wire/numset.h"

struct mailbox_row {
    uint32_t uid;
    uint32_t flags : 8;   /* PH_F_* */
    uint32_t kwset : 24;  /* mailbox_keywords */
    uint64_t modseq;
};

struct uidrange {
    uint32_t first, last, before; /* before: how many UIDs stand in front of this range */
};
struct uidlist {
    _Atomic unsigned refs;
    uint32_t count;
    size_t n;
    struct uidrange r[];
};
struct uidlist *uidlist_new(const struct ph_numset *set); /* NULL without memory */
struct uidlist *uidlist_ref(struct uidlist *l);
void uidlist_free(struct uidlist *l); /* gives up one reference; NULL is fine */
uint32_t uidlist_uid(const struct uidlist *l, uint32_t seq); /* 1 is the first; 0: none such */
uint32_t uidlist_seq(const struct uidlist *l, uint32_t uid); /* 0: not in it */
uint32_t uidlist_last(const struct uidlist *l);              /* 0: empty */
int uidlist_to_set(const struct uidlist *l, struct ph_numset *out);

struct mailbox;
struct session;
struct server_user;

struct mailbox_state {
    uint32_t uidvalidity, uidnext;
    uint64_t modseq;          /* highest; of our own when !real_modseq */
    bool real_modseq;
    uint32_t permanent_flags; /* PH_F_* */
    bool keywords_ok;         /* new keywords can be made */
};

/* Find or load it; the caller's session of the store does the reading. Free with mailbox_close. */
int mailbox_open(struct server_user *u, const char *name, struct ph_session *store, struct mailbox **out, struct ph_err *err);
void mailbox_close(struct mailbox *m);
/* Read from the store what has changed. Without `force` only if a watcher said so (or the store has none and it has been a while). *gone: the
 * mailbox does not exist any more, or has another UIDVALIDITY: sessions must let go of it. */
int mailbox_refresh(struct mailbox *m, struct ph_session *store, bool force, bool *gone, struct ph_err *err);
void mailbox_changed(struct server_user *u, const char *folder); /* what a watcher of the store calls; NULL: all of them */
/* After a RENAME: who has the mailbox, or one below it, selected goes on with it under its new name. INBOX, whose messages
 * are moved (RFC 9051 6.3.6), is not renamed: mailbox_changed. */
void mailbox_renamed(struct server_user *u, const char *from, const char *to, char delim);
void mailbox_forget_all(struct server_user *u);                  /* when the user's last session has ended */
void mailbox_touch(struct mailbox *m); /* somebody changed it: the next refresh reads */
bool mailbox_dirty(struct mailbox *m);
void mailbox_get_state(struct mailbox *m, struct mailbox_state *out);
uint32_t mailbox_first_unseen(struct mailbox *m); /* UID of the first message without \Seen; 0 none */
struct uidlist *mailbox_uids(struct mailbox *m, uint64_t *modseq); /* a reference, and the highest mod-sequence that goes with it */
bool mailbox_row(struct mailbox *m, uint32_t uid, struct mailbox_row *out);
/* Copy out up to max rows with uid > after, ascending; changed_since != 0: only those with a higher mod-sequence. Returns how many. */
size_t mailbox_rows(struct mailbox *m, uint32_t after, uint64_t changed_since, struct mailbox_row *out, size_t max);
/* Keywords of a set, blank-separated, never changes while the mailbox is open; "" for 0. */
const char *mailbox_keywords(struct mailbox *m, uint32_t kwset);
/* All keywords in use, in order of appearance, into out (blank-separated); returns a number that changes when there are more. */
unsigned mailbox_all_keywords(struct mailbox *m, struct ph_buf *out);
const char *mailbox_name(const struct mailbox *m); /* as it is now; lives as long as the mailbox is open */
/* UIDs that are \Recent and that no session was told of before: with `claim` they are this session's now. Adds to *out. */
int mailbox_recent(struct mailbox *m, struct ph_session *store, bool claim, struct ph_numset *out, struct ph_err *err);
/* Sessions that want to be woken when something changes (IDLE, NOTIFY). */
void mailbox_listen(struct mailbox *m, struct session *s);
void mailbox_unlisten(struct mailbox *m, struct session *s);

struct view {
    struct mailbox *mailbox;
    const char *name;         /* UTF-8; the mailbox's: view_follow before each command */
    bool read_only;
    uint32_t uidvalidity;
    struct uidlist *uids;     /* as told to the client */
    uint64_t modseq;          /* every change of flags up to here is told */
    uint64_t complete;        /* and every message that went away, too */
    unsigned keywords_told;   /* as of mailbox_all_keywords */
    struct ph_numset recent;  /* UIDs that are \Recent in this session (RFC 3501 2.3.2) */
};

#endif
