/* daemon_args.c: what serve, deliver, check and backup begin with: the command line on top of the configuration file. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/text.h"
#include "tools/daemon_args.h"
#include "tools/tools.h"

/* Lists on the command line take the place of those in the file. */
static void drop_lists(const struct ph_command *c, struct ph_daemon_config *cfg, const struct ph_daemon_config *said)
{
    for (const struct ph_option_group *g = c->groups; g->heading; g++)
        for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++)
            if (o->kind == PH_OPT_STRINGS && ((const struct ph_strings *)((const char *)said + o->offset))->n)
                *(struct ph_strings *)((char *)cfg + o->offset) = (struct ph_strings){ 0 };
}

static int parse(const struct ph_command *c, struct ph_daemon_config *cfg, int argc, char **argv, char **operands, unsigned *n,
                 int *outcome, struct ph_err *err)
{
    struct ph_parse p = { .arena = &cfg->arena, .operands = operands };

    if (ph_options_parse(c, cfg, argc, argv, &p, err))
        return -1;
    *n = p.n_operands;
    *outcome = p.outcome;
    return 0;
}

int ph_daemon_args(const struct ph_command *c, const char *invoked, int argc, char **argv, struct ph_daemon_config *cfg, size_t size, char **operands,
                   unsigned *n_operands, bool store_operand, struct ph_err *err)
{
    struct ph_daemon_config *said = calloc(1, size);
    int outcome = PH_PARSED, rc;

    ph_daemon_config_init(cfg);
    if (!said)
        return ph_fail_memory(err);
    ph_daemon_config_init(said);
    rc = parse(c, said, argc, argv, operands, n_operands, &outcome, err);
    if (rc == 0 && outcome != PH_PARSED) {
        if (outcome == PH_WANTS_HELP)
            ph_print_help(c, invoked);
        else
            puts("posthaste " PH_VERSION);
        ph_daemon_config_done(said);
        free(said);
        return PH_SAID_ENOUGH;
    }
    if (rc == 0) {
        bool named = said->store || (store_operand && *n_operands);
        const char *file = said->config ? said->config : !named && access(PH_DAEMON_CONFIG_FILE, F_OK) == 0 ? PH_DAEMON_CONFIG_FILE : NULL;
        if (file && (rc = ph_daemon_config_read(cfg, file, err)) != 0)
            err->kind = PH_E_SYSTEM; /* not the fault of whoever typed the command */
    }
    if (rc == 0) {
        drop_lists(c, cfg, said);
        rc = parse(c, cfg, argc, argv, operands, n_operands, &outcome, err);
    }
    ph_daemon_config_done(said);
    free(said);
    return rc;
}

int ph_complain(const char *invoked, const struct ph_err *err, int status)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_text_clean(&b, err->text);
    fprintf(stderr, "%s: %s\n", invoked, ph_buf_z(&b));
    ph_buf_done(&b);
    return status;
}
