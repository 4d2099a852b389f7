/* commands.c: the list of commands, and finding one by a verb or a program's name. */
#include <string.h>

#include "tools/tools.h"

const struct ph_command *const ph_commands[] = {
    &ph_cmd_copy,   &ph_cmd_audit,  &ph_cmd_serve,    &ph_cmd_deliver,    &ph_cmd_passwd,
    &ph_cmd_check,  &ph_cmd_backup, &ph_cmd_imapcopy, &ph_cmd_imap_audit, NULL,
};

const struct ph_command *ph_command_find(const char *name)
{
    const char *slash = strrchr(name, '/');
    struct ph_str base = ph_str(slash ? slash + 1 : name);

    if (base.n > 3 && memcmp(base.p + base.n - 3, ".pl", 3) == 0)
        base.n -= 3;
    for (size_t i = 0; ph_commands[i]; i++)
        if (ph_str_is(base, ph_commands[i]->name) && (ph_commands[i]->classic || !slash))
            return ph_commands[i];
    return NULL;
}
