/* run.h: the parts of one copy among themselves. main thread: scans and plans folders, feeds the queue; lanes: carry
 * batches out; the ledger's writer thread: makes it durable.
 *
 * Locking: `lock` guards totals, the queue and what is marked (L). A folder's snapshot and steps are written by the main thread
 * before its batches are queued and only read afterwards.
 */
#ifndef PH_TRANSFER_RUN_H
#define PH_TRANSFER_RUN_H

#include <pthread.h>

#include "ledger/ledger.h"
#include "ledger/remember.h"
#include "mail/identity.h"
#include "transfer/job.h"

struct resent { /* a message that was sent a second time: surplus.c */
    uint64_t key;
    uint32_t uid;
    bool counted;
};

struct folder_work {
    struct folder_work *next;
    const struct ph_folder *src;
    const char *dst_name;
    bool dst_exists, merged;
    struct ph_folder dst;          /* status as listed; own name */
    int64_t id;                    /* in the ledger */
    struct ph_baseline base;
    bool base_known, unresolved;   /* unconfirmed intents exist */
    struct ph_snapshot snap, dst_snap;
    bool inited, scanning, dst_scanning, planned;
    bool closed;                   /* its baseline is set */
    bool told;                     /* (L) that it is done */
    bool archived;                 /* what is to be taken off the source is in the archive folder */
    bool made;                     /* on the destination, by this run */
    bool filled;                   /* (L) all its batches have been queued */
    bool unlabelled;               /* Gmail's All Mail: only what no other folder has */
    bool choosing;                 /* only `wanted` is to be copied */
    struct ph_numset wanted;
    struct ph_numset surplus;      /* destination UIDs to remove by the classic rule (imapcopy -U -s) */
    struct ph_numset done;         /* (L) source UIDs copied or seen on the destination in this run, when the job wants them gone */
    struct ph_numset recorded;     /* source UIDs that the ledger has, then: their copies are still to be looked for */
    bool look_again;               /* it turned out to exist: to be scanned once more, on both sides */
    struct resent *resent;
    size_t n_resent;
    uint32_t resent_from;          /* no copy of them has a UID below */
    bool looking, last_look;       /* for messages of an interrupted run */
    uint32_t lowest_uidnext, lowest_validity; /* of the unconfirmed intents */
    struct ph_numset known_src, known_dst; /* resume.c: UIDs that the ledger has, of a folder that was left unfinished */
    bool all_ours;                 /* nothing else has come to the destination */
    struct ph_snapshot key_snap;   /* keys of the source's other messages */
    bool key_inited, key_scanning;
    struct ph_numset unsure;       /* source UIDs that may or may not have arrived: unconfirmed intents */
    uint32_t before_messages, before_uidnext; /* the destination before we added anything */
    uint32_t validity;             /* (L) its UIDVALIDITY then, or of our first message; 0: not known */
    uint64_t expunged;
    struct ph_steps steps;
    /* (L) */
    struct batch *first, *last;    /* batches not taken yet */
    unsigned pending;              /* batches not settled */
    unsigned lanes;                /* lanes at work on it */
    uint64_t copied, copied_bytes, appended, failed;
    struct ph_numset got;          /* destination UIDs that appends of this run were given */
    struct ph_totals counts;       /* of this folder, for the one who watches */
    bool dead;                     /* a failure of the whole folder: nothing more goes in. Once set it stays */
    bool incomplete;               /* something is left for the next run */
    struct ph_numset unknown;      /* source UIDs whose append was cut off without an answer */
};

struct batch {
    struct batch *next;
    struct folder_work *f;
    struct ph_numset uids;
    uint64_t bytes;
    unsigned attempts;             /* lost connections so far */
    bool careful;                  /* one message, synchronising */
    bool alone;                    /* joins no other batch's append */
    bool repair;                   /* to be changed as the job allows, after a refusal */
    bool no_keywords, no_date;     /* of a message whose append was refused with them */
    /* a lane's */
    int64_t intent;
    uint64_t ticket;
    bool begun, closed;
    struct ph_ledger_row *rows;
    unsigned char *state;          /* ROW_* of rows[i] */
    size_t n_rows;                 /* rows handed to the destination */
    struct ph_numset owed;         /* messages the source has still to bring */
    size_t open_rows;              /* rows without an answer */
};

enum { ROW_SENT, ROW_IN, ROW_UNKNOWN, ROW_AGAIN, ROW_REFUSED };

struct lane;

struct run {
    const struct ph_job *job;
    struct ph_ledger *ledger;
    struct ph_hash_key hash_key;
    struct ph_cancel *cancel;      /* the job's; may be NULL */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ph_totals totals;       /* (L) */
    int64_t started_ms, last_progress_ms, open_ms;
    struct folder_work *folders;   /* in order; (L) until they are chosen */
    struct folder_work *active;    /* (L) where lanes look first */
    uint64_t queued_messages, queued_bytes; /* (L) not taken yet */
    bool no_more;                  /* (L) the main thread queues no more */
    struct ph_err fatal;           /* (L) ends the run */
    struct lane **lanes;
    unsigned n_lanes, max_lanes;
    uint64_t append_limit;
    uint32_t dst_abilities, src_abilities;
    int64_t backoff_until;         /* (L) monotonic ms: nobody sends before */
    unsigned backoff_step;
    unsigned reconnects;           /* (L) */
    int64_t pace_until;            /* (L) monotonic ms: the rate the user set is used up until then */
    struct ph_remember *remember;  /* imapcopy -Z; (L) */
    /* main's sessions */
    struct ph_session *src, *dst;
    bool copying;                  /* not an audit: lanes may be started */
    bool listed_here;              /* `dst` is the very session that listed the folders: its mod-sequences may guard a change */
    struct ph_loop loop;
    struct ph_folder_list src_list, dst_list;
    struct ph_arena arena;
};

/* job.c */
void run_init(struct run *r, const struct ph_job *j);
void run_done(struct run *r);
bool run_folder_dead(struct run *r, const struct folder_work *f); /* `dead` under the lock, while lanes are at work */

static inline bool run_carries_flags(const struct run *r)
{
    return r->job->policy.update_flags && !r->job->no_flag_scan;
}

static inline bool run_deletes_present(const struct run *r)
{
    return r->job->after == PH_AFTER_DELETE_PRESENT || r->job->after == PH_AFTER_DELETE_BOTH;
}

void run_first_lane(struct run *r); /* both sides are logged in for the first time; their folders are not known yet */

/* folders.c */
int run_choose_folders(struct run *r, struct ph_err *err); /* r->folders from the lists of both sides */
int run_create_folders(struct run *r, struct ph_err *err); /* what is missing, in one flight */
int run_subscribe_folders(struct run *r, struct ph_err *err); /* what is subscribed, while the lanes are at work */

/* events.c */
void run_event(struct run *r, struct ph_event *e);          /* takes the lock */
void run_event_locked(struct run *r, struct ph_event *e);
void run_problem(struct run *r, const struct folder_work *f, uint32_t uid, const struct ph_err *err);
void run_notice(struct run *r, const struct folder_work *f, uint32_t uid, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void run_message(struct run *r, struct folder_work *f, uint32_t uid, uint64_t size, enum ph_action action,
                 const char *reason);
void run_progress_locked(struct run *r);
void run_folder_done_locked(struct run *r, struct folder_work *f); /* said once */
void run_fatal(struct run *r, const struct ph_err *err);

/* queue.c */
size_t queue_batch_messages(const struct run *r);
uint64_t queue_batch_bytes(const struct run *r);
struct batch *batch_new(struct folder_work *f);
void batch_free(struct batch *b);
int queue_fill(struct run *r, struct folder_work *f, const struct ph_numset *copy, struct ph_err *err);
void queue_push(struct run *r, struct batch *b, bool front); /* of a batch that goes back, or a new one; counts it pending */
struct batch *queue_take(struct run *r, struct folder_work *prefer, bool wait);
bool queue_has_work(struct run *r);   /* untaken batches, or more may come */
void queue_settled(struct run *r, struct batch *b);          /* the batch is done with; frees it */
void queue_kill_folder(struct run *r, struct folder_work *f, const struct ph_err *why);

/* session.c */
int sessions_open(struct run *r, struct ph_loop *loop, struct ph_session **src, struct ph_session **dst,
                  struct ph_folder_list *src_list, struct ph_folder_list *dst_list, struct ph_err *err);
bool session_worn(struct ph_session *s);  /* must be opened anew */
int run_sleep(struct run *r, int64_t ms); /* -1: stopped */
void run_cond_wait(struct run *r); /* on `changed`, woken now and then to see a cancellation */
bool run_stopping(struct run *r);
int run_backoff(struct run *r, const struct ph_err *err); /* after a failure that waiting may cure; -1: stopped */
void run_pace(struct run *r, uint64_t bytes); /* keeps the user's rate */
int run_remember(struct run *r, struct folder_work *f, const uint64_t *keys, size_t n, struct ph_err *err); /* filter.c */
void run_wait_turn(struct run *r);        /* until nobody has to wait */

/* folder.c */
bool folder_needs_work(struct run *r, struct folder_work *f);
int folder_scan_begin(struct run *r, struct folder_work *f, struct ph_err *err);
int folder_plan(struct run *r, struct folder_work *f, struct ph_err *err);
void folder_release(struct run *r, struct folder_work *f); /* (L) all that was queued is in: tells so, frees the rows if nobody needs them */
int folder_filter(struct run *r, struct folder_work *f, struct ph_err *err); /* filter.c */
int gmail_unlabelled(struct run *r, struct folder_work *f, struct ph_err *err); /* gmail.c */
/* Plan; where groups are ambiguous read the bytes of both sides and plan again. */
int plan_resolved(struct run *r, struct folder_work *f, struct ph_plan_input *in, struct ph_policy *policy,
                  struct ph_err *err);
/* audit: plan, into adopt what is to be compared, into copy what is missing; both sides are scanned. audit_pairs.c */
int audit_pair_up(struct run *r, struct folder_work *w, struct ph_err *err);
void folder_done(struct folder_work *f); /* frees what was scanned and planned */

/* resume.c */
int resume_begin(struct run *r, struct folder_work *f, struct ph_err *err); /* what the ledger knows; before anything is asked */
/* Narrow a scan of the destination to what is not known; *uids must live as long as the call of scan_begin. */
int resume_request(struct folder_work *f, struct ph_scan_request *q, struct ph_numset *uids, struct ph_err *err);
int resume_keys_begin(struct run *r, struct folder_work *f, const struct ph_scan_request *like, struct ph_err *err);
void resume_keys_end(struct folder_work *f); /* after its wait: the keys into the source's rows */
void resume_done(struct folder_work *f);

/* remove.c */
int folder_remove_sources(struct run *r, struct ph_err *err); /* archive, and delete what is proven to be copied */

/* finish.c */
int folder_apply(struct run *r, struct folder_work *const *f, size_t n, struct ph_err *err); /* flags, expunges */
int folders_close(struct run *r, struct ph_err *err); /* closing STATUS and baselines */

/* resolve.c */
int resolve_load(struct run *r, struct folder_work *f, struct ph_err *err); /* unconfirmed intents into f->unsure */
int resolve_drop(struct run *r, struct folder_work *f, struct ph_err *err); /* forget its intents */
int resolve_rounds(struct run *r, struct ph_err *err);

/* surplus.c */
int surplus_note(struct folder_work *f, const struct ph_numset *uids, struct ph_err *err); /* these are sent again now */
int surplus_look(struct run *r, struct ph_err *err);                     /* when all is done: has one come in twice? */

/* lane.c */
struct lane *lane_new(struct run *r, struct ph_session *src, struct ph_session *dst);
int lane_start(struct lane *l);   /* in a thread of its own */
void lane_work(struct lane *l);   /* in this thread, until there is nothing left */
void lane_join(struct lane *l);
void lane_free(struct lane *l);
/* Give back what it was lent, waiting in `loop` from now on; NULL when it has no sessions any more. *same: they are the very ones. */
int lane_sessions(struct lane *l, struct ph_loop *loop, struct ph_session **src, struct ph_session **dst, bool *same,
                  struct ph_err *err);

#endif
