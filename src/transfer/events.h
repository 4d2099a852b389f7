/* events.h: the only output of the engine. One struct, rendered elsewhere as a progress bar, a log line, a JSON line.
 *
 * The sink is called from several threads, one call at a time (the job serialises), and must not block for long. All
 * pointers are borrowed for the call.
 */
#ifndef PH_TRANSFER_EVENTS_H
#define PH_TRANSFER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <posthaste/err.h>

enum ph_event_kind {
    PH_EV_START,          /* src, dst: labels of the endpoints; text: job kind ("copy", "audit") */
    PH_EV_CONNECTED,      /* side, text: host, number: port; detail: TLS facts or "clear" */
    PH_EV_FOLDERS,        /* number: folders to process */
    PH_EV_FOLDER_CREATED, /* folder, dst_folder: the one that was made */
    PH_EV_FOLDER_START,   /* folder, dst_folder; messages: on the source; number: on the destination, unique: of these with a
                           * Message-ID of their own (0: not counted) */
    PH_EV_PLAN,           /* folder: messages to copy, bytes to copy; adopted, flag_changes, skipped, expunges */
    PH_EV_MESSAGE,        /* one message done: folder, uid, size, action. EXPUNGED: side; number: how many when one event stands
                           * for several (0: one). SKIPPED for its size: reason "too-big", detail: its subject */
    PH_EV_PROGRESS,       /* totals so far, at most ten a second */
    PH_EV_FOLDER_DONE,    /* folder, dst_folder; copy: messages, bytes: copied into it; audit: messages: on the source,
                           * number: on the destination; totals: of that folder */
    PH_EV_PROBLEM,        /* err; folder and uid when it has one. Counted as a failure */
    PH_EV_NOTICE,         /* text: worth saying, not a failure (keyword dropped, date dropped, back-off, fewer lanes, repair) */
    PH_EV_DIFFERENCE,     /* audit: folder, uid, reason, detail. Reason "missing": text: subject, detail: identity key */
    PH_EV_DONE,           /* totals */
    PH_EV_TRACE,          /* wire trace: side, text, number: connection, sent: direction. Secrets are masked already */
};

enum ph_action {
    PH_ACT_COPIED,
    PH_ACT_WOULD_COPY,   /* dry run */
    PH_ACT_ADOPTED,
    PH_ACT_FLAGS,
    PH_ACT_EXPUNGED,
    PH_ACT_SKIPPED,      /* reason */
    PH_ACT_REFUSED,      /* reason: the server's words */
    PH_ACT_MERGED,
    PH_ACT_MISSING,      /* could not be fetched, or gone meanwhile */
    PH_ACT_REPAIRED,
};

struct ph_totals {
    uint64_t folders, folders_done, folders_failed;
    uint64_t messages, bytes;          /* planned to copy */
    uint64_t copied, copied_bytes;
    uint64_t adopted, flags, expunged, skipped, refused, merged, missing, failed;
    uint64_t wire_in, wire_out;
    int64_t elapsed_ms;
    uint64_t compared, equal, different, absent; /* audit */
    uint64_t explained; /* audit: not the same bytes, and the change was proven; not in `different` */
};

struct ph_event {
    enum ph_event_kind kind;
    int64_t time_ms; /* since the epoch (wall clock) */
    char side;       /* 's', 'd' or 0 */
    const char *folder, *dst_folder; /* UTF-8 */
    const char *src, *dst;
    uint32_t uid, dst_uid;
    uint64_t size, number, messages, bytes, unique;
    uint64_t adopted, flag_changes, skipped, expunges;
    enum ph_action action;
    const char *reason, *detail, *text;
    bool sent;
    const struct ph_err *err;
    const struct ph_totals *totals; /* PROGRESS, DONE: of the whole run so far; FOLDER_DONE: of the folder */
};

typedef void ph_event_sink(void *ctx, const struct ph_event *e);

#endif
