/* tools.h: the commands of the program, and what they have in common. One file a command; compat/ has the classic names. */
#ifndef PH_TOOLS_TOOLS_H
#define PH_TOOLS_TOOLS_H

#include "cli/settings.h"

/* ---- commands ---- */
extern const struct ph_command ph_cmd_serve, ph_cmd_deliver, ph_cmd_passwd, ph_cmd_check, ph_cmd_backup;
extern const struct ph_command ph_cmd_copy, ph_cmd_audit, ph_cmd_imapcopy, ph_cmd_imap_audit;
/* All of them, NULL at the end. */
extern const struct ph_command *const ph_commands[];
/* By verb, or by a program's name: with or without a folder and `.pl`. */
const struct ph_command *ph_command_find(const char *name);

/* ---- filling settings ---- */

enum ph_prepared { PH_READY = 0, PH_SAID_ENOUGH = 1 /* help or version was printed */ };
/* Parse and check; -1 with PH_E_USAGE or PH_E_SYSTEM. `argv` as main got it for this command (argv[0] is not looked at). Secrets in it are
 * wiped on return. The caller calls ph_settings_done in any case. */
int ph_copy_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                    struct ph_err *err);
int ph_audit_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                     struct ph_err *err);
int ph_imapcopy_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                        struct ph_err *err);
int ph_imap_audit_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                          struct ph_err *err);
/* What all of them begin with: parse; help and version are printed here. */
int ph_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
               char **operands, struct ph_err *err);
void ph_warn(void *ctx, const char *text); /* a line on the standard error */
void ph_print_help(const struct ph_command *c, const char *invoked);

/* ---- running ---- */

typedef int ph_prepare_fn(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
                          struct ph_err *err);
/* Prepare, connect, run, report; the exit status. */
int ph_run_transfer(const struct ph_command *c, const char *invoked, int argc, char **argv, ph_prepare_fn *prepare, bool audit);

/* ---- hidden verbs ---- */
int ph_man_main(int argc, char **argv);      /* __man VERB: the options section in mdoc(7) */
int ph_complete_main(int argc, char **argv); /* __complete bash|zsh|fish, or words WORD… */

#endif
