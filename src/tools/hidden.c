/* hidden.c: verbs for packaging: the generated part of manual pages, and shell completion. */
#include <stdio.h>
#include <string.h>

#include "tools/tools.h"

int ph_man_main(int argc, char **argv)
{
    const struct ph_command *c = argc == 1 ? ph_command_find(argv[0]) : NULL;
    struct ph_buf b = PH_BUF_INIT;

    if (!c)
        return 1;
    ph_usage_mdoc(c, &b);
    fputs(ph_buf_z(&b), stdout);
    ph_buf_done(&b);
    return 0;
}

/* The shells hand the words of the line to `posthaste __complete words`, and take its lines as candidates. ":files" among them stands
 * for the names of files. */
static const char bash[] =
    "_posthaste() {\n"
    "    local line\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        if [ \"$line\" = :files ]; then\n"
    "            compopt -o default 2>/dev/null\n"
    "        else\n"
    "            COMPREPLY+=(\"$line\")\n"
    "        fi\n"
    "    done < <(posthaste __complete words \"${COMP_WORDS[@]:0:COMP_CWORD+1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _posthaste posthaste imapcopy imap_audit\n";
static const char zsh[] =
    "#compdef posthaste imapcopy imap_audit\n"
    "_posthaste() {\n"
    "    local -a found\n"
    "    found=(\"${(@f)$(posthaste __complete words \"${(@)words[1,CURRENT]}\" 2>/dev/null)}\")\n"
    "    if [[ ${found[(r):files]} = :files ]]; then _files; return; fi\n"
    "    compadd -- $found\n"
    "}\n"
    "compdef _posthaste posthaste imapcopy imap_audit\n";
static const char fish[] =
    "function __posthaste_complete\n"
    "    posthaste __complete words (commandline -opc) (commandline -ct) 2>/dev/null | string match -v :files\n"
    "end\n"
    "complete -c posthaste -a '(__posthaste_complete)'\n"
    "complete -c imapcopy -a '(__posthaste_complete)'\n"
    "complete -c imap_audit -a '(__posthaste_complete)'\n";

static void verbs(const char *typed)
{
    for (size_t i = 0; ph_commands[i]; i++)
        if (strncmp(ph_commands[i]->name, typed, strlen(typed)) == 0)
            puts(ph_commands[i]->name);
}

static int words(int n, char **w)
{
    const struct ph_command *c = n > 0 ? ph_command_find(w[0]) : NULL;
    struct ph_buf b = PH_BUF_INIT;
    int skip = 1;

    if (!c || !c->classic) {
        if (n <= 2) {
            verbs(n == 2 ? w[1] : "");
            return 0;
        }
        c = ph_command_find(w[1]);
        skip = 2;
    }
    if (!c)
        return 1;
    ph_complete(c, (const char *const *)w + skip, (size_t)(n - skip), &b);
    fputs(ph_buf_z(&b), stdout);
    ph_buf_done(&b);
    return 0;
}

int ph_complete_main(int argc, char **argv)
{
    const char *what = argc ? argv[0] : "";

    if (strcmp(what, "words") == 0)
        return words(argc - 1, argv + 1);
    const char *text = strcmp(what, "bash") == 0 ? bash : strcmp(what, "zsh") == 0 ? zsh : strcmp(what, "fish") == 0 ? fish : NULL;
    if (!text) {
        fputs("posthaste __complete bash, zsh or fish prints a script for that shell\n", stderr);
        return 1;
    }
    fputs(text, stdout);
    return 0;
}
