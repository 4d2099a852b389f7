/* store.c: what all kinds of store share: the list of folders as a value. */
#include "store/serve.h"

#include <stdlib.h>
#include <string.h>

void ph_folder_list_done(struct ph_folder_list *l)
{
    ph_arena_done(&l->arena);
    memset(l, 0, sizeof *l);
}

struct ph_folder *ph_folder_list_find(const struct ph_folder_list *l, const char *name)
{
    bool inbox = ph_str_caseis(ph_str(name), "INBOX");

    for (size_t i = 0; i < l->n; i++)
        if (inbox ? ph_str_caseis(ph_str(l->f[i].name), "INBOX") : strcmp(l->f[i].name, name) == 0)
            return &l->f[i];
    return NULL;
}

void ph_copy_result_done(struct ph_copy_result *r)
{
    free(r->from);
    free(r->to);
    *r = (struct ph_copy_result){ 0 };
}
