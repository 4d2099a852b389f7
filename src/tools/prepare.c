/* prepare.c: what every command begins with: parsing, help, version, usage errors. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"
#include "tools/tools.h"

void ph_warn(void *ctx, const char *text)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_text_clean(&b, text);
    fprintf(stderr, "%s\n", ph_buf_z(&b));
    ph_buf_done(&b);
}

static size_t terminal_width(int fd)
{
    struct winsize w;

    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &w) || w.ws_col == 0)
        return 80;
    return w.ws_col > 110 ? 110 : w.ws_col;
}

void ph_print_help(const struct ph_command *c, const char *invoked)
{
    struct ph_buf b = PH_BUF_INIT;

    ph_usage_full(c, invoked, terminal_width(STDOUT_FILENO), &b);
    fputs(ph_buf_z(&b), stdout);
    ph_buf_done(&b);
}

int ph_prepare(struct ph_settings *s, const struct ph_command *c, const char *invoked, int argc, char **argv,
               char **operands, struct ph_err *err)
{
    struct ph_parse p = { .arena = &s->arena, .operands = operands };

    if (ph_options_parse(c, s, argc, argv, &p, err))
        return -1;
    if (p.outcome == PH_WANTS_HELP)
        ph_print_help(c, invoked);
    else if (p.outcome == PH_WANTS_VERSION)
        puts("posthaste " PH_VERSION);
    return p.outcome == PH_PARSED ? PH_READY : PH_SAID_ENOUGH;
}
