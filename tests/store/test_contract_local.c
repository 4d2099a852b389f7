/* The contract, kept by the store on disk: as it is, and with packs and caches so small that they change all the time. */
#include <stdio.h>
#include <stdlib.h>

#include "contract.h"
#include "local_rig.h"

static struct ph_store *make(void *ctx)
{
    struct ph_store *st = NULL;
    struct ph_err err;

    if (ph_local_store_new(ctx, "anna", true, &st, &err))
        fprintf(stderr, "%s\n", err.text);
    return st;
}

static int run(const char *name, const struct ph_local_options *o, size_t many, const char *only)
{
    struct contract_options opt = { .make = make, .only = only, .many = many, .big = 40u << 20, .zones = true,
                                    .any_name = true };
    struct ph_local_root *root;
    struct ph_err err;

    if (ph_local_root_new(rig_dir(), o, &root, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    opt.ctx = root;
    int failed = contract_run(name, &opt);
    ph_local_root_free(root);
    return failed;
}

int main(int argc, char **argv)
{
    static const struct ph_local_options small = { .open_users = 1, .pack_size = 100000, .append_limit = 50u << 20,
                                                   .checkpoint_pages = 20, .tombstones = 4 };
    const char *only = argc > 1 ? argv[1] : NULL;

    return run("local", NULL, 20000, only) + run("local, small packs", &small, 1000, only);
}
