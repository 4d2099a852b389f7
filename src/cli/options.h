/* options.h: an option is declared once. The table feeds the parser, the usage text, the man page and completion.
 *
 * A command has groups of options; groups are shared between commands. Options fill a target struct of the
 * command's choosing by offset, or by a setter. Parsing is POSIX for letters (`-x v`, `-xv`, clustered, `--`) and GNU for long
 * names (`--name v`, `--name=v`, `--no-name` for switches); options and operands may be mixed. Long names are never
 * abbreviated, so that a later option cannot change what a script means; a mistyped one is answered with the nearest name.
 */
#ifndef PH_CLI_OPTIONS_H
#define PH_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <posthaste/err.h>

#include "base/arena.h"
#include "base/buf.h"

enum ph_opt_kind {
    PH_OPT_END = 0,  /* closes a table */
    PH_OPT_FLAG,     /* bool */
    PH_OPT_BITS,     /* unsigned: `value` is or-ed in */
    PH_OPT_CHOICE,   /* int or enum: set to `value`; takes no argument */
    PH_OPT_TEXT,     /* const char *: the argument, which lives as long as argv */
    PH_OPT_STRINGS,  /* struct ph_strings: each use adds one */
    PH_OPT_NUMBER,   /* unsigned, at least `value` */
    PH_OPT_U32,      /* uint32_t, at least `value` */
    PH_OPT_U64,      /* uint64_t, at least `value` */
    PH_OPT_BYTES,    /* uint64_t: k, M, G are powers of 1000; decimals */
    PH_OPT_SECONDS,  /* unsigned milliseconds, given as seconds with decimals; more than 0 */
    PH_OPT_CALL,     /* set() with the argument; `arg` NULL: without one */
    PH_OPT_NOTHING,  /* accepted, means nothing; `arg` not NULL: swallows an argument */
};

enum {
    PH_OPT_HIDDEN = 1 << 0, /* works, but is not shown */
    PH_OPT_SECRET = 1 << 1, /* the argument is wiped from argv after it was taken (TEXT: copied to the arena first) */
    PH_OPT_INVERT = 1 << 2, /* FLAG: the bool means the opposite (`no-x` that stores into `x`) */
    PH_OPT_PATH = 1 << 3,   /* argument is a file or directory: completion */
};

struct ph_option {
    enum ph_opt_kind kind;
    char letter;          /* 0: none */
    const char *name;     /* without dashes; NULL: none */
    const char *arg;      /* name of the argument in help, "FILE"; NULL: takes none */
    const char *help;     /* one or more sentences; `X` marks literals in man pages: none needed */
    size_t offset;
    int (*set)(void *target, const struct ph_option *o, char *arg, struct ph_err *err);
    long value;
    unsigned flags;
    const char *choices;  /* blank-separated values of the argument: checked for CALL by its setter; completion */
};

struct ph_option_group {
    const char *heading; /* NULL closes the list */
    const struct ph_option *options;
};

struct ph_strings { /* grows in the arena */
    const char **item;
    size_t n, cap;
};
int ph_strings_add(struct ph_strings *s, struct ph_arena *arena, const char *item, struct ph_err *err);

struct ph_command {
    const char *name, *summary;   /* "copy", "copy all mail of one account to another" */
    const char *description;      /* a paragraph for --help */
    const char *operands;         /* "SOURCE DESTINATION"; "" */
    unsigned n_operands;
    const struct ph_option_group *groups;
    bool classic;                 /* letters first; usage errors show the usage */
    int (*main)(const struct ph_command *c, const char *invoked, int argc, char **argv);
    unsigned n_optional;          /* so many of the operands, the last ones, may be left out */
};

struct ph_parse {
    struct ph_arena *arena;  /* for copies and lists */
    char **operands;         /* in: room for the command's n_operands; out: filled, in argv's memory */
    unsigned n_operands;
    enum { PH_PARSED = 0, PH_WANTS_HELP, PH_WANTS_VERSION } outcome;
};

/* argv without the program's name. -h and --help (unless the table has them), --version are built in. Errors: PH_E_USAGE, text
 * with a hint; never an argument's value where the option is secret. */
int ph_options_parse(const struct ph_command *c, void *target, int argc, char **argv, struct ph_parse *p,
                     struct ph_err *err);
/* The option by letter or name; NULL. */
const struct ph_option *ph_option_by_letter(const struct ph_command *c, char letter);
const struct ph_option *ph_option_by_name(const struct ph_command *c, struct ph_str name);
bool ph_option_takes_value(const struct ph_option *o);
/* Store a value from elsewhere than argv, a configuration file: as parsing would. `as` is what the option is called there, for errors;
 * `off`: a switch is turned off. The value must live as long as the target. */
int ph_option_set(const struct ph_option *o, const char *as, void *target, char *value, bool off, struct ph_arena *arena,
                  struct ph_err *err);

/* options_help.c */
void ph_usage_line(const struct ph_command *c, const char *invoked, struct ph_buf *out);
void ph_usage_full(const struct ph_command *c, const char *invoked, size_t width, struct ph_buf *out);
/* The OPTIONS section as mdoc(7), from its first .Ss or .Bl to the last .El. */
void ph_usage_mdoc(const struct ph_command *c, struct ph_buf *out);
/* One candidate a line for the last of `words` (what stands before it decides). */
void ph_complete(const struct ph_command *c, const char *const *words, size_t n, struct ph_buf *out);

/* Number with unit: "10", "1.5M", "200k"; KB and MB are 1000 and 1000000. */
int ph_parse_bytes(const char *text, uint64_t *out);
/* Optimal string alignment distance, at most 99. */
unsigned ph_edit_distance(struct ph_str a, struct ph_str b);

#endif
