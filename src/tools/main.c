/* main.c: which command is meant: `posthaste VERB …`, `posthaste CLASSIC …`, or a link with a classic name. */
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/text.h"
#include "tools/tools.h"

static void overview(struct ph_buf *b)
{
    ph_buf_add_z(b, "usage: posthaste VERB [OPTIONS] [OPERANDS]\n\n");
    for (int classic = 0; classic < 2; classic++) {
        if (classic)
            ph_buf_add_z(b, "\nClassic names, as verbs or as names of the program:\n");
        for (size_t i = 0; ph_commands[i]; i++)
            if (ph_commands[i]->classic == classic)
                ph_text_add(b, "  %-12s %s\n", ph_commands[i]->name, ph_commands[i]->summary);
    }
    ph_buf_add_z(b, "\nposthaste VERB --help has the options; the manual is posthaste(1).\n");
}

static int unknown_verb(const char *verb)
{
    const char *nearest = NULL;
    unsigned best = 3;

    for (size_t i = 0; ph_commands[i]; i++) {
        unsigned d = ph_edit_distance(ph_str(verb), ph_str(ph_commands[i]->name));
        if (d < best) {
            best = d;
            nearest = ph_commands[i]->name;
        }
    }
    struct ph_buf b = PH_BUF_INIT;
    ph_buf_add_z(&b, "posthaste: there is no verb \"");
    ph_text_clean(&b, verb);
    ph_buf_add_z(&b, nearest ? "\"; did you mean " : "\"; posthaste --help lists them");
    fprintf(stderr, "%s%s%s\n", ph_buf_z(&b), nearest ? nearest : "", nearest ? "?" : "");
    ph_buf_done(&b);
    return 1;
}

static int bare(int argc, char **argv)
{
    struct ph_buf b = PH_BUF_INIT;
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0);

    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("posthaste " PH_VERSION);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "__man") == 0)
        return ph_man_main(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return ph_complete_main(argc - 2, argv + 2);
    if (argc > 1 && !help)
        return unknown_verb(argv[1]);
    overview(&b);
    fputs(ph_buf_z(&b), help ? stdout : stderr);
    ph_buf_done(&b);
    return help ? 0 : 1;
}

/* Descriptors 0 to 2 must be something, or the first sockets would be taken for them. */
static void have_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
}

int main(int argc, char **argv)
{
    const struct ph_command *c;
    char invoked[80];

    have_standard_files();
    if (argc < 1)
        return 1;
    c = ph_command_find(argv[0]);
    if (c && c->classic) {
        const char *slash = strrchr(argv[0], '/');
        return c->main(c, slash ? slash + 1 : argv[0], argc - 1, argv + 1);
    }
    c = argc > 1 ? ph_command_find(argv[1]) : NULL;
    if (!c)
        return bare(argc, argv);
    if (c->classic)
        return c->main(c, argv[1], argc - 2, argv + 2);
    snprintf(invoked, sizeof invoked, "posthaste %s", c->name);
    return c->main(c, invoked, argc - 2, argv + 2);
}
