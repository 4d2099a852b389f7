/* job.h: one copy or one audit between two stores, as data. Front ends fill a struct ph_job and run it.
 *
 * The job struct and all it points to belong to the caller and stay unchanged while it runs.
 */
#ifndef PH_TRANSFER_JOB_H
#define PH_TRANSFER_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/deadline.h"
#include "mail/repair.h"
#include "mail/repair.h"
#include "store/store.h"
#include "transfer/events.h"
#include "transfer/names.h"
#include "transfer/plan.h"

struct ph_pattern_list { /* folder selection, names in UTF-8 */
    const char *const *item;
    size_t n;
};

enum ph_after { /* what happens to a source message that is proven to be on the destination */
    PH_AFTER_KEEP,
    PH_AFTER_DELETE_COPIED,  /* imapcopy -C: those copied in this run */
    PH_AFTER_DELETE_PRESENT, /* imapcopy -f: those found there already */
    PH_AFTER_DELETE_BOTH,
};

struct ph_job {
    struct ph_store *src, *dst;
    struct ph_policy policy;
    /* folders */
    struct ph_pattern_list include;      /* exact names (`/` also accepted as separator); empty: all */
    bool include_children;               /* imapcopy -R: also what is below include and exclude names */
    struct ph_pattern_list exclude;      /* exact names */
    struct ph_pattern_list exclude_regex;/* PCRE2, unanchored */
    bool gmail_all;                      /* also \All, \Important, \Flagged of Gmail */
    bool subscribed_only;
    struct ph_names names;               /* delimiters 0 and prefixes NULL: learned from the servers */
    const char *single_folder;           /* imapcopy -o */
    const char *archive_folder;          /* imapcopy -A: a copy of every copied message goes into this source folder */
    bool keep_subscriptions, keep_special_use;
    bool subscribe_all;                  /* classic: every created folder is subscribed */
    /* messages */
    const char *search;                  /* source-side SEARCH program in wire form, or NULL */
    int64_t since_day, before_day;       /* client-side filter on INTERNALDATE as days since 1970 (imapcopy -J); INT64_MIN: none */
    uint32_t first_seq, last_seq;        /* imapcopy -B, -E; 0: none */
    uint64_t max_per_folder;             /* 0: none */
    bool keywords;                       /* carry keywords */
    bool mark_seen, clear_deleted;       /* on the copies */
    bool headers_only;
    bool create_longest_first;           /* imapcopy -O: folders with longer names are made before shorter ones */
    bool empty_destination_first;        /* imapcopy -i */
    bool classic_expunge;                /* imapcopy -U -s: by key, over the whole source folder */
    const char *skip_ids_file;           /* one Message-ID a line */
    const char *remember_file;           /* imapcopy -Z: keys copied earlier (destination folder and message key) are
                                          * skipped, those copied now are added (ledger/remember.h); or NULL */
    enum ph_after after;
    unsigned repair;                     /* PH_REPAIR_* applied to a message that was refused */
    bool repair_always;                  /* imapcopy -c, -W: applied to every message */
    /* how */
    unsigned lanes;                      /* 0: our choice */
    unsigned batch_messages;             /* 0: our choice */
    uint64_t batch_bytes;
    uint64_t rate_bytes, rate_messages;  /* a second; 0: none */
    bool dry_run;
    bool no_flag_scan;                   /* --no-flag-updates */
    bool full_scan;                      /* do not trust baselines */
    const char *state_dir;               /* NULL: default */
    const char *ledger_variant;
    bool no_ledger_resume;               /* classic: after a finished run everything is copied again */
    unsigned resolve_ms;                 /* how long a destination may take to commit what it was sent before a cut:
                                          * what is missing is looked for again until then. 0: 60 s */
    bool testing_no_intents;
    /* audit */
    bool audit_bytes, audit_counts_only, audit_built_keys, audit_rewrites;
    bool audit_normalise_date;           /* imap_audit: built keys pad the day and drop what is behind the time */
    const char *manifest;                /* write one line a message here, or NULL */
    struct ph_cancel *cancel;
    ph_event_sink *sink;
    void *sink_ctx;
};

void ph_job_init(struct ph_job *j); /* the modern defaults */
/* 0: finished (look at totals for failures); -1: could not be done, or was stopped; totals are filled in either way. */
int ph_copy_run(const struct ph_job *j, struct ph_totals *totals, struct ph_err *err);
int ph_audit_run(const struct ph_job *j, struct ph_totals *totals, struct ph_err *err);

#endif
