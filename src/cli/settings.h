/* settings.h: everything a front end can be told, on its way into a struct ph_job. Option tables fill it, finish checks it as
 * a whole. The tables that several commands share are here too.
 */
#ifndef PH_CLI_SETTINGS_H
#define PH_CLI_SETTINGS_H

#include <stdbool.h>

#include <posthaste/err.h>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/select.h"
#include "cli/side.h"
#include "cli/users.h"
#include "transfer/job.h"

struct ph_settings {
    struct ph_arena arena;
    struct ph_job job;      /* what the options store directly, and after finish all of it but the stores */
    struct ph_side src, dst;
    struct ph_side_rules rules;
    /* both sides */
    bool insecure;
    const char *ca_file, *ca_path;
    bool keep_on_errors;
    /* folders and messages, as given */
    struct ph_strings include, exclude, exclude_regex;
    struct ph_day since, before;
    const char *search, *map_file;
    unsigned repair;
    /* output */
    bool json, quiet, verbose, debug, trace, no_progress;
    const char *log;
    unsigned every;         /* imapcopy -j */
    double size_limit_mb;   /* imapcopy -X */
    bool show_keys;         /* imap_audit -R */
    enum ph_style style;
    const char *invoked;    /* program name for its lines */
    /* classic */
    bool update;            /* imapcopy -U */
    const char *remember_dir, *users_file;
    struct ph_user_pair *users;
    size_t n_users, bad_users;
};

void ph_settings_init(struct ph_settings *s, const char *invoked); /* job as ph_job_init leaves it */
void ph_settings_done(struct ph_settings *s);

/* Lists, dates, expressions and map file into the job; both sides finished, unless the users come from a file. Warnings (lines
 * of the map file) go to `warn`. PH_E_USAGE or PH_E_SYSTEM. */
int ph_settings_finish(struct ph_settings *s, void (*warn)(void *ctx, const char *text), void *ctx, struct ph_err *err);
/* The sides of one line of a users file: filled from the host-only sides of `s`, which stay as they are. */
int ph_settings_user(struct ph_settings *s, const struct ph_user_pair *u, struct ph_side *src, struct ph_side *dst,
                     struct ph_err *err);
/* Output options of these settings. */
void ph_settings_output(const struct ph_settings *s, bool audit, struct ph_output_options *out);
/* What the ledger of a classic run is called: a digest of what was asked for, without accounts and output options, so that
 * the same request finds its unfinished run and another request does not. In the arena; NULL without memory. */
const char *ph_settings_variant(struct ph_settings *s, const char *tool);

/* ---- shared tables; their target is struct ph_settings ---- */
extern const struct ph_option ph_source_options[], ph_destination_options[], ph_connection_options[], ph_output_options_table[],
    ph_folder_options[];
/* Setters that several tables use. */
int ph_set_day_modern(void *target, const struct ph_option *o, char *arg, struct ph_err *err);  /* offset: struct ph_day */
int ph_set_day_classic(void *target, const struct ph_option *o, char *arg, struct ph_err *err);
int ph_set_day_numeric(void *target, const struct ph_option *o, char *arg, struct ph_err *err);
int ph_set_list(void *target, const struct ph_option *o, char *arg, struct ph_err *err);        /* offset: struct ph_strings */
int ph_set_regex_list(void *target, const struct ph_option *o, char *arg, struct ph_err *err);
int ph_set_conn(void *target, const struct ph_option *o, char *arg, struct ph_err *err);        /* offset: struct ph_side */
int ph_set_src_delimiter(void *target, const struct ph_option *o, char *arg, struct ph_err *err);
int ph_set_dst_delimiter(void *target, const struct ph_option *o, char *arg, struct ph_err *err);

/* 0, 1, 2, 3 or 128 + signal: see the manual. `rc` and err are those of the run. */
enum ph_audit_kind { PH_NO_AUDIT, PH_AUDIT_MISSING, PH_AUDIT_ALL }; /* imap_audit looks for missing messages only */
int ph_exit_status(int rc, const struct ph_err *err, const struct ph_totals *t, enum ph_audit_kind audit, int stop_signal);

#endif
