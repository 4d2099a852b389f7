/* differ.h: how two forms of one message differ, told with proof.
 *
 * Servers change what they are given: bare line ends, NULs, headers of their own, MIME built anew. The two are read side by
 * side, and each difference has to be one of the known changes, applied to the source at that place and giving exactly what the
 * destination has. The first octet that cannot be explained makes it `different`; only for that case, and only when
 * asked, the contents are compared: chosen headers and decoded leaf parts.
 *
 * Memory: both headers (up to 512 KiB each), what one read of each side lends, and for rewrites text parts up to 4 MiB.
 */
#ifndef PH_MAIL_DIFFER_H
#define PH_MAIL_DIFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

enum {
    PH_DIFF_CRLF = 1 << 0,           /* bare LF or CR became CRLF */
    PH_DIFF_NUL = 1 << 1,            /* NUL was replaced or removed */
    PH_DIFF_HEADER_ADDED = 1 << 2,   /* fields that servers add: Received, X-…, Return-Path, … */
    PH_DIFF_HEADER_REMOVED = 1 << 3, /* fields that mbox servers keep for themselves: Status, X-UID, … */
    PH_DIFF_LONG_LINES = 1 << 4,     /* lines of more than 998 octets were broken */
    PH_DIFF_FINAL_CRLF = 1 << 5,     /* a line end was added at the end */
    PH_DIFF_END_CUT = 1 << 6,        /* line ends at the end are gone */
    PH_DIFF_MIME = 1 << 7,           /* rebuilt, with the same content */
    PH_DIFF_OTHER = 1 << 8,          /* different */
    PH_DIFF_HEADER_8BIT = 1 << 9,    /* octets above 127 in the header became X (Cyrus) */
};

/* One side's octets. Lends *p until the next call; *n == 0 at the end, and again after it. */
struct ph_reader {
    int (*read)(void *ctx, const char **p, size_t *n, struct ph_err *err);
    void *ctx;
};

struct ph_difference {
    unsigned what;          /* PH_DIFF_*; 0: equal. MIME and OTHER stand alone */
    int nul_became;         /* octet; -1: removed; 0xfffd: U+FFFD. With PH_DIFF_NUL */
    unsigned fields_added, fields_removed;
    uint64_t src_at, dst_at; /* where the first octet was that has no explanation (MIME, OTHER) */
    const char *part;       /* OTHER, when rewrites were asked for: what is not the same, "header", "parts", "content"; else NULL */
};

/* Reads both to their ends. -1: a reader failed, or memory; scope and kind are its. */
int ph_differ(const struct ph_reader *src, const struct ph_reader *dst, bool rewrites, struct ph_difference *out,
              struct ph_err *err);
/* The name of it, several joined by `+`: "crlf-normalised+final-crlf-added"; "equal" for 0. */
void ph_difference_name(unsigned what, char *buf, size_t n);

#endif
